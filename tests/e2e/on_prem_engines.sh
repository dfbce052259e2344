#!/usr/bin/env bash
# on_prem with real machines, under a real dockerd and under Podman. The whole way: a signed webhook of the simulated
# GitHub to the real daemon, a container of a debootstrapped image, our real bootstrap in it, a stand-in runner that
# registers and takes the job, the container gone after `completed`. Then the provider against each engine, case by case
# (on_prem_engine_main.c), GPUs given away by a dockerd whose GPU runtime is a stand-in, and
# the second chapter of `make demo`.
# usage: B=build tests/e2e/on_prem_engines.sh [docker|podman|gpu|tls|pull...]
# shellcheck disable=SC2016,SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/engine.sh disable=SC1091
. tests/support/engine.sh

work=$(mktemp -d)
pids=()
end_programs() {
    local p
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
    pids=()
}
trap 'end_programs; engine_down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
make -s B="$B" "$B/muster" "$B/tests/e2e/on_prem_engine" "$B"/tests/sim/{github,ec2,demo} >/dev/null ||
    { echo 'not ok on_prem_engines: it does not build'; exit 1; }
failed=0

wait_for() { # FILE PID
    for _ in {1..400}; do
        [ -s "$1" ] && return
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    problems="$problems; $1 was never written"
    return 1
}
until_true() { # WHAT COMMAND...
    local what=$1
    shift
    for _ in {1..600}; do "$@" && return; sleep 0.05; done
    problems="$problems; never: $what"
    return 1
}
verdict() {
    if [ -n "$problems" ]; then
        echo "not ok $1: ${problems#; }"
        tail -n 20 "$work/log" 2>/dev/null | sed 's/^/    /'
        failed=1
    else
        echo "ok $1"
    fi
    problems=
}
problems=

# --- the stand-in runner: registers at the simulated GitHub, takes the job, works until the test says go ---------------

make_runner() {
    rm -rf "$work/runner" "$work/www" && mkdir -p "$work/runner/bin" "$work/www"
    cat >"$work/runner/run.sh" <<SH
#!/usr/bin/env bash
set -eu
github=$1 www=$2
SH
    cat >>"$work/runner/run.sh" <<'SH'
post() {
    curl -fsS -m 30 -H 'Content-Type: application/json' --data-binary @- "$github/sim/runner/$1"
}
session=$(printf '{"encoded_jit_config":"%s"}' "$ACTIONS_RUNNER_INPUT_JITCONFIG" | post online | sed -n 's/.*"session":"\([^"]*\)".*/\1/p')
curl -fsS -m 60 "$github/sim/runner/$session/job?wait_ms=50000" >/dev/null
bash "$(sed -n 's/^ACTIONS_RUNNER_HOOK_JOB_STARTED=//p' .env)"
until curl -fs -o /dev/null "$www/go"; do sleep 0.05; done
echo '{"conclusion":"success"}' | post "$session/finish" >/dev/null
# The machine is ended from outside, by the daemon: it must not need its own end.
sleep 300
SH
    printf '#!/bin/sh\n' >"$work/runner/bin/installdependencies.sh"
    chmod 755 "$work/runner/run.sh" "$work/runner/bin/installdependencies.sh"
    tar -C "$work/runner" -czf "$work/www/runner.tar.gz" .
}

start_world() {
    rm -rf "$work"/{github,port,log,muster.db*,app.pem}
    cat >"$work/cirun.yml" <<SH
runners:
  - name: own-host
    cloud: on_prem
    instance_type: 1vcpu-1gb
    machine_image: $engine_image_name
    labels: [own-host]
SH
    sed -e 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' "$work/cirun.yml" | tr -d '\n' >"$work/cirun.json"
    printf '{"installations":[{"id":7,"account":"octo-org","repositories":[{"id":11,"full_name":"octo-org/train","files":[
        {"ref":"main","path":".cirun.yml","text":"%s"}]}]}]}' "$(cat "$work/cirun.json")" >"$work/setup.json"
    export SIM_WEBHOOK_SECRET="e2e-$RANDOM$RANDOM$RANDOM"
    "$B/tests/sim/github" --new-key "$work/app.pem" --ready-file "$work/github" --setup "$work/setup.json" --with-parent \
        >"$work/story" 2>&1 &
    pids+=($!)
    wait_for "$work/github" "$!" || return
    github=$(cat "$work/github")
    mkdir -p "$work/www"
    (cd "$work/www" && exec setpriv --pdeathsig TERM /usr/bin/python3 -u -m http.server --bind 127.0.0.1 0) >"$work/port" 2>/dev/null &
    pids+=($!)
    wait_for "$work/port" "$!" || return
    www=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/port")
    make_runner_in_place
    printf 'clouds:\n  on_prem:\n    docker_host: %s\n    network: host\n' "$1" >"$work/muster.yml"
    setpriv --pdeathsig TERM env -i PATH="$PATH" HOME="$work" "${@:2}" MUSTER_LISTEN=127.0.0.1:0 MUSTER_ADMIN_LISTEN=127.0.0.1:0 \
        MUSTER_STORE="sqlite:$work/muster.db" GITHUB_API_URL="$github" MUSTER_GITHUB_APP_ID=12345 \
        MUSTER_GITHUB_PRIVATE_KEY_FILE="$work/app.pem" MUSTER_WEBHOOK_SECRET="$SIM_WEBHOOK_SECRET" \
        MUSTER_RUNNER_URL="$www/runner.tar.gz" MUSTER_RUNNER_SHA256="$(sha256sum "$work/www/runner.tar.gz" | cut -d' ' -f1)" \
        "$B/muster" serve -c "$work/muster.yml" 2>"$work/log" &
    pids+=($!)
    until_true 'muster listens' grep -qs server.started "$work/log" || return
    port=$(sed -n 's/.*"event":"server.started".*"port":\([0-9]*\).*/\1/p' "$work/log")
    post /_sim/webhook "{\"url\":\"http://127.0.0.1:$port/webhook\"}" >/dev/null
}
# In the directory that is served already.
make_runner_in_place() {
    local www_dir=$work/www
    mv "$www_dir" "$work/keep" && make_runner "$github" "$www" && mv "$work/www/runner.tar.gz" "$work/keep/" &&
        rmdir "$work/www" && mv "$work/keep" "$www_dir"
}
post() { # PATH BODY
    curl -fsS -m 20 -X POST -H 'Content-Type: application/json' --data-binary "$2" "$github$1"
}
job_status() {
    curl -fsS -m 20 "$github/_sim/jobs/$job" | grep -q "\"status\":\"$1\""
}
containers() {
    engine_api GET '/containers/json?all=1' | grep -oE '"Id":"[0-9a-f]{64}"' | wc -l
}
no_container() {
    [ "$(containers)" = 0 ]
}

# What anybody may read of the machine while it works: nowhere the runner's configuration or the script.
check_machine() {
    local id jit
    id=$(engine_api GET '/containers/json?all=1' | grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4)
    [ "$(wc -w <<<"$id")" = 1 ] || { problems="$problems; not one container: $id" && return; }
    engine_api GET "/containers/$id/json" >"$work/inspect"
    grep -q '"muster-repository":"octo-org/train"' "$work/inspect" || problems="$problems; it lacks its repository's tag"
    grep -q '"muster-type":"1vcpu-1gb"' "$work/inspect" || problems="$problems; it lacks its size"
    grep -q '"NanoCpus":1000000000' "$work/inspect" || problems="$problems; it has no limit of processors"
    grep -q '"AutoRemove":true' "$work/inspect" || problems="$problems; it would stay after its end"
    engine_api GET "/containers/$id/top?ps_args=-eo%20pid,args" >"$work/top"
    for jit in MUSTER_JIT MUSTER_RUNNER_SHA256 ACTIONS_RUNNER; do
        ! grep -q "$jit" "$work/inspect" "$work/top" || problems="$problems; $jit shows in inspect or ps"
    done
    [ "$(engine_api HEAD "/containers/$id/archive?path=/muster-bootstrap" -I -o /dev/null -w '%{http_code}')" = 404 ] ||
        problems="$problems; the script is still in the container"
}

whole_way() { # ENGINE HOST [ENV...]
    start_world "${@:2}" || { verdict "on_prem_$1_serves_a_job_the_whole_way" && end_programs && return; }
    job=$(post /_sim/jobs '{"repo":"octo-org/train","name":"build","labels":["self-hosted","own-host"],"workflow":"ci"}' |
        sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    until_true 'the job runs' job_status in_progress && check_machine
    touch "$work/www/go"
    until_true 'the job is done' job_status completed
    until_true 'the container is gone' no_container
    curl -fsS -m 20 "$github/_sim/jobs/$job" | grep -q '"conclusion":"success"' || problems="$problems; the job did not succeed"
    [ "$(grep -c '"event":"machine.launched"' "$work/log")" = 1 ] || problems="$problems; not exactly one launch"
    curl -fsS -m 20 "$github/_sim/state" | grep -q '"violations":\[\]' || problems="$problems; GitHub was asked what it would refuse"
    verdict "on_prem_$1_serves_a_job_the_whole_way"
    end_programs
    rm -rf "$work/www"
}

# Beside what others have on the engine, which stays as it is.
a_container_of_the_demo() {
    [ "$(containers)" -gt "$others" ]
}
nothing_of_the_demo() {
    [ "$(containers)" = "$others" ] && ! engine_api GET /images/muster-demo:local/json -f -o /dev/null 2>/dev/null
}
the_demo() { # ENGINE
    local demo others
    others=$(containers)
    DOCKER_HOST=unix://$engine_socket B=$B bash tests/sim/demo.sh >"$work/log" 2>&1 || problems="$problems; it failed"
    sed '1,/The second chapter/d' "$work/log" | grep -q 'machine → runner: start' || problems="$problems; the container never spoke"
    grep -q 'The container did its one job and is gone' "$work/log" || problems="$problems; its second chapter ended otherwise"
    nothing_of_the_demo || problems="$problems; something is left on the engine"
    verdict "demo_tells_of_a_container_of_$1"
    DOCKER_HOST=unix://$engine_socket B=$B bash tests/sim/demo.sh >"$work/log" 2>&1 &
    demo=$!
    until_true 'the demo has a container' a_container_of_the_demo
    kill "$demo"
    wait "$demo"
    [ $? = 143 ] || problems="$problems; it did not end by the signal"
    nothing_of_the_demo || problems="$problems; something is left on the engine"
    verdict "demo_ended_early_leaves_nothing_on_$1"
}

provider_cases() {
    "$B/tests/e2e/on_prem_engine" "$engine_socket" "$engine_image_name" "$1" || failed=1
}

# A dockerd that finds a GPU runtime, which does nothing.
with_fake_gpus() {
    printf '#!/bin/sh\nexit 0\n' >"$work/nvidia-container-runtime-hook" && chmod 755 "$work/nvidia-container-runtime-hook"
    PATH=$work:$PATH engine_up docker
}

free_port() {
    /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# An authority, the engine's certificate and a client's, as Docker's manual makes them.
make_certificates() {
    local who
    mkdir -p "$work/certs" && cd "$work/certs" || return
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem 2>/dev/null
    for who in server client; do
        openssl req -newkey rsa:2048 -nodes -subj "/CN=$who" -keyout "$who-key.pem" -out "$who.csr" 2>/dev/null
        printf 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=%sAuth\n' "$who" >"$who.cnf"
        openssl x509 -req -in "$who.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -extfile "$who.cnf" \
            -out "$who.pem" 2>/dev/null
    done
    mkdir -p client && cp ca.pem client/ && cp client.pem client/cert.pem && cp client-key.pem client/key.pem
    cd - >/dev/null || return
}

with_tls() {
    make_certificates && tls_port=$(free_port) &&
        engine_up docker -H "tcp://127.0.0.1:$tls_port" --tlsverify --tlscacert "$work/certs/ca.pem" \
            --tlscert "$work/certs/server.pem" --tlskey "$work/certs/server-key.pem"
}

# A registry that asks for a password, with our image in it.
with_registry() {
    engine_up docker && engine_packages docker-registry apache2-utils || return
    registry=127.0.0.1:$(free_port)
    htpasswd -Bbn octo s3cret >"$work/htpasswd" 2>/dev/null
    cat >"$work/registry.yml" <<YML
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "$registry"}
auth: {htpasswd: {realm: muster, path: $work/htpasswd}}
YML
    setpriv --pdeathsig TERM docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    pids+=($!)
    for _ in {1..200}; do
        curl -s -o /dev/null "http://$registry/v2/" && break
        sleep 0.05
    done
    mkdir -p "$work/docker"
    printf '{"auths":{"%s":{"auth":"%s"}}}' "$registry" "$(printf 'octo:s3cret' | base64)" >"$work/docker/config.json"
}
push_image() {
    local auth
    auth=$(printf '{"username":"octo","password":"s3cret"}' | base64 -w0)
    engine_api POST "/images/$engine_image_name/tag?repo=$registry/octo/machine&tag=1" -f -o /dev/null &&
        ENGINE_TIMEOUT_S=300 engine_api POST "/images/$registry/octo/machine/push?tag=1" -H "X-Registry-Auth: $auth" >"$work/push" &&
        ! grep -q '"error"' "$work/push" && engine_api DELETE "/images/$registry/octo/machine:1" -f -o /dev/null &&
        engine_api DELETE "/images/$engine_image_name?force=1" -f -o /dev/null
}

start_engine() {
    case $1 in
    gpu) with_fake_gpus ;;
    tls) with_tls ;;
    pull) with_registry ;;
    *) engine_up "$1" ;;
    esac
}

run_cases() {
    case $1 in
    docker | podman) whole_way "$1" "unix://$engine_socket" && provider_cases "$1" && the_demo "$1" ;;
    gpu) provider_cases gpu ;;
    tls) whole_way "docker_over_tls" "tcp://127.0.0.1:$tls_port" "DOCKER_CERT_PATH=$work/certs/client" ;;
    pull)
        push_image || { echo "not ok on_prem_pull: the image cannot be pushed: $(tail -n 1 "$work/push")" && failed=1 && return; }
        engine_image_name=$registry/octo/machine:1 DOCKER_CONFIG=$work/docker provider_cases pull
        end_programs
        ;;
    esac
}

[ $# -gt 0 ] || set -- docker podman gpu tls pull
for kind; do
    if start_engine "$kind" && engine_image; then run_cases "$kind"; else echo "SKIP on_prem_engines $kind: $engine_why"; fi
    engine_down
done
exit "$failed"
