#!/usr/bin/env bash
# The bootstrap as the main process of a container, under a real dockerd and under Podman: no systemd, no console, its
# power-off is the end of the container. Each container must be gone by itself, removed by the engine.
# usage: B=build tests/e2e/bootstrap_container.sh [docker|podman...]
# shellcheck disable=SC2016,SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/engine.sh disable=SC1091
. tests/support/engine.sh

work=$(mktemp -d)
server=
trap 'engine_down; [ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
make -s B="$B" "$B/tests/e2e/render_bootstrap" >/dev/null || { echo 'not ok bootstrap_container: render_bootstrap does not build'; exit 1; }
jit=$(head -c 300 /dev/urandom | base64 -w0)
failed=0

# A runner that says in /report what it found and behaves as /report/mode says.
mkdir -p "$work/runner/bin" "$work/www"
cat >"$work/runner/run.sh" <<'SH'
#!/bin/bash
{
    echo "user $(id -un)"
    echo "sees $(env | grep -c ^MUSTER) of ours"
    while IFS= read -r line; do [[ $line != ?*=* ]] || export "${line%%=*}=${line#*=}"; done <.env
    echo "variable $OWN"
    cp .setup_info /report/setup_info
    grep -rlF -f <(echo "$ACTIONS_RUNNER_INPUT_JITCONFIG") /muster-bootstrap /run /opt /home /tmp /proc/*/cmdline 2>/dev/null |
        sed 's/^/jit in /'
} >/report/runner
bash "$(sed -n 's/^ACTIONS_RUNNER_HOOK_JOB_STARTED=//p' .env)"
until [ -e /report/go ]; do sleep 0.05; done
SH
printf '#!/bin/sh\n' >"$work/runner/bin/installdependencies.sh"
chmod 755 "$work/runner/run.sh" "$work/runner/bin/installdependencies.sh"
tar -C "$work/runner" -czf "$work/www/runner.tar.gz" .
sha=$(sha256sum "$work/www/runner.tar.gz" | cut -d' ' -f1)
(cd "$work/www" && exec setpriv --pdeathsig TERM /usr/bin/python3 -u -m http.server --bind 127.0.0.1 0) >"$work/port" 2>/dev/null &
server=$!
until grep -q port "$work/port"; do sleep 0.05; done
www=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/port")

# What common/docker does, by hand. machine NAME GPU LIFETIME BOOT_DEADLINE
machine() {
    local name=$1
    report=$work/report-$name
    rm -rf "$report" && mkdir -p "$report" && chmod 777 "$report"
    mkdir -p "$work/up" && JIT=$jit ENV_VARS='{"OWN":"it'"'"'s \"so\" $(id) `id` €"}' \
        SETUP_INFO='[{"group":"G","detail":"one\ntwo"}]' "$B/tests/e2e/render_bootstrap" "$name" "$2" "$www/runner.tar.gz" "$sha" \
        $(($(date +%s) + $3)) "$4" >"$work/up/muster-bootstrap"
    tar -C "$work/up" -cf "$work/up.tar" --mode=0700 muster-bootstrap
    engine_api POST "/containers/create?name=$name" -f -o "$work/created" -H 'Content-Type: application/json' --data-binary @- <<JSON
{"Image":"$engine_image_name","User":"0","WorkingDir":"/","Cmd":[],"Entrypoint":["/bin/bash","-c",
"exec >/report/log 2>&1; f=/muster-bootstrap; s=\$(<\$f); rm -f \$f; MUSTER_CONTAINER=1 MUSTER_POWEROFF='kill -9 -1' MUSTER_TICK_S=0.1; eval \"\$s\""],
"HostConfig":{"AutoRemove":true,"Init":true,"NetworkMode":"host","Binds":["$report:/report"$5]}}
JSON
    engine_api PUT "/containers/$name/archive?path=/" -f -H 'Content-Type: application/x-tar' --data-binary "@$work/up.tar" >/dev/null
    engine_api POST "/containers/$name/start" -f
}
wait_for() { # FILE
    for _ in {1..400}; do [ -e "$report/$1" ] && return; sleep 0.05; done
    problems="$problems; $1 never came"
}
gone() {
    for _ in {1..400}; do
        [ "$(engine_api GET "/containers/$1/json" -o /dev/null -w '%{http_code}')" = 404 ] && return
        sleep 0.05
    done
    problems="$problems; it is still there"
}
says() {
    grep -qE "$1" "$report/${2:-log}" 2>/dev/null || problems="$problems; does not say: $1"
}
verdict() {
    if [ -n "$problems" ]; then
        echo "not ok $1: ${problems#; }"
        sed 's/^/    /' "$report/log" "$report/runner" 2>/dev/null
        failed=1
    else
        echo "ok $1"
    fi
    problems=
}
problems=

cases() {
    machine job '' 3600 600 '' && wait_for runner && touch "$report/go"
    gone job
    says '^muster: stage power-off: the job is done$'
    says '^user runner$' runner
    says '^sees 0 of ours$' runner
    says "^variable it's \"so\" \\\$\\(id\\) \`id\` €\$" runner
    says '\{"group":"G","detail":"one\\ntwo"\}\]$' setup_info
    ! grep -q '^jit in' "$report/runner" || problems="$problems; $(grep -m1 '^jit in' "$report/runner")"
    verdict "$1_container_serves_one_job_and_is_gone"

    machine expired '' 2 600 '' && wait_for runner
    gone expired
    says '^muster: stage power-off: its lifetime is over$'
    verdict "$1_container_ends_a_busy_machine_at_the_end_of_its_lifetime"

    # The first stage hangs and heeds no signal: only the watchdog is left.
    printf '#!/bin/bash\ntrap "" TERM\nuntil [ -e /report/never ]; do sleep 1; done\n' >"$work/id" && chmod 755 "$work/id"
    machine hangs '' 3600 1 ",\"$work/id:/usr/local/bin/id\""
    gone hangs
    says '^muster: stage power-off: no job started within 1 s$'
    verdict "$1_container_whose_stage_hangs_is_ended_by_the_watchdog"

    machine gpu t4 3600 600 ''
    gone gpu
    says '^muster: stage power-off: failed: GPU: .*no nvidia-smi$'
    verdict "$1_container_without_a_gpu_installs_no_driver_and_ends"

    printf '#!/bin/sh\necho "GPU 0: Tesla T4 (UUID: GPU-1)"\n' >"$work/smi" && chmod 755 "$work/smi"
    machine with_gpu t4 3600 600 ",\"$work/smi:/usr/local/bin/nvidia-smi\"" && wait_for runner && touch "$report/go"
    gone with_gpu
    says '^muster: stage gpu: GPU 0: Tesla T4'
    says '^muster: stage power-off: the job is done$'
    verdict "$1_container_with_a_gpu_installs_no_docker_into_itself"

    machine stopped '' 3600 600 '' && wait_for runner && engine_api POST /containers/stopped/stop?t=30 >/dev/null
    gone stopped
    says '^muster: stage power-off: the bootstrap was ended$'
    verdict "$1_container_that_is_stopped_ends_at_once"
}

[ $# -gt 0 ] || set -- docker podman
for kind; do
    if engine_up "$kind" && engine_image; then cases "$kind"; else echo "SKIP bootstrap_container $kind: $engine_why"; fi
    engine_down
done
exit "$failed"
