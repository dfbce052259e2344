#!/usr/bin/env bash
# The founding story on this machine, with no account anywhere: simulated GitHub and EC2, the real `muster serve`, and
# the real bootstrap script in a process that stands in for the machine, each a process of its own on loopback. Then,
# where a Docker or Podman answers on this host, a second chapter with a real container (demo_engine.sh).
# Leaves nothing behind, on Ctrl-C neither. Ends with 0 when the story ended as it should.
# usage: B=builddir demo.sh
set -u
B=${B:-build}
began=$(date +%s%N)
export TMPDIR=${TMPDIR:-/tmp}
work=$(mktemp -d "$TMPDIR/muster-demo-XXXXXX") || exit 1
pids=()
# shellcheck source=tests/sim/demo_engine.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/demo_engine.sh"

# The teller and the daemon first, then EC2, which takes its machines with it, then GitHub.
end_programs() {
    local p
    for ((p = ${#pids[@]} - 1; p >= 0; p--)); do
        kill "${pids[p]}" 2>/dev/null
        wait "${pids[p]}" 2>/dev/null
    done
    pids=()
}

# shellcheck disable=SC2317 # called by the trap
clean() {
    trap '' INT TERM HUP
    end_programs
    engine_clean
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

give_up() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# wait_for FILE PID: until the program has written it.
wait_for() {
    local _
    for _ in {1..200}; do
        [ -s "$1" ] && return
        kill -0 "$2" 2>/dev/null || break
        sleep 0.05
    done
    give_up "$1 was never written"
}

# What the machine's image has: a GPU that answers, and GitHub's runner (a stand-in: one job, one second of work).
make_machine() {
    mkdir -p "$work/bin" "$work/runner/bin"
    cat >"$work/bin/nvidia-smi" <<'EOF'
#!/bin/sh
echo 'GPU 0: Tesla T4 (UUID: GPU-00000000-0000-0000-0000-000000000000)'
EOF
    cat >"$work/runner/run.sh" <<'EOF'
#!/usr/bin/env bash
# Speaks to the simulated GitHub as the real runner does to the real one: on line, one job, finished.
set -eu
[ -n "$ACTIONS_RUNNER_INPUT_JITCONFIG" ] || exit 1
[ ! -r /etc/muster-demo ] || . /etc/muster-demo # in a container
post() {
    curl -fsS -m 30 -H 'Content-Type: application/json' --data-binary @- "$SIM_GITHUB_URL/sim/runner/$1"
}
session=$(printf '{"encoded_jit_config":"%s"}' "$ACTIONS_RUNNER_INPUT_JITCONFIG" | post online |
    sed -n 's/.*"session":"\([^"]*\)".*/\1/p')
job=$(curl -fsS -m 60 "$SIM_GITHUB_URL/sim/runner/$session/job?wait_ms=50000" | sed -n 's/.*"name":"\([^"]*\)","run_id.*/\1/p')
hook=$(sed -n 's/^ACTIONS_RUNNER_HOOK_JOB_STARTED=//p' .env)
bash "$hook"
printf '%s\tmachine\tworks on job "%s"\n' "$(date +%s%3N)" "$job" >>"${DEMO_STORY:-/dev/null}"
sleep 1
echo '{"conclusion":"success"}' | post "$session/finish" >/dev/null
EOF
    cat >"$work/machine.sh" <<'EOF'
#!/usr/bin/env bash
# One machine: runs its user-data, with what the bootstrap documents as switches for the demo.
export MUSTER_UNPRIVILEGED=1 MUSTER_TICK_S=1 MUSTER_ROOT=$DEMO_WORK/$SIM_INSTANCE_ID PATH=$DEMO_WORK/bin:$PATH
export MUSTER_POWEROFF="curl -fsS -m 10 -o /dev/null -X POST $SIM_EC2_URL/_sim/instances/$SIM_INSTANCE_ID/power_off"
mkdir -p "$MUSTER_ROOT"
bash "$SIM_USER_DATA" 2>&1 | while IFS= read -r line; do
    # the watchdog notices the job's start a second later than the runner told it
    [[ $line == 'muster: stage '* && $line != *' job-started' ]] && printf '%s\tmachine\t%s\n' "$(date +%s%3N)" "${line#muster: stage }"
done >>"$DEMO_STORY"
EOF
    printf '#!/bin/sh\n' >"$work/runner/bin/installdependencies.sh"
    chmod +x "$work/bin/nvidia-smi" "$work/runner/run.sh" "$work/runner/bin/installdependencies.sh"
    tar -czf "$work/runner.tar.gz" -C "$work/runner" run.sh bin
}

# The repository: what the ML engineer wrote.
make_repository() {
    cat >"$work/cirun.yml" <<'EOF'
runners:
  - name: gpu
    cloud: aws
    gpu: nvidia-tesla-t4
    instance_type: g4dn.xlarge
    machine_image: ami-0cccccccccccc0d1a
    region: us-east-1
    preemptible: [true, false]
    labels: [cirun.gpu]
EOF
    make_setup
}
make_setup() {
    sed -e 's/\\/\\\\/g; s/"/\\"/g; s/$/\\n/' "$work/cirun.yml" | tr -d '\n' >"$work/cirun.json"
    printf '{"installations":[{"id":7,"account":"octo-org","repositories":[{"id":11,"full_name":"octo-org/train","files":[
        {"ref":"main","path":".cirun.yml","text":"%s"}]}]}]}' "$(cat "$work/cirun.json")" >"$work/setup.json"
}

# A fresh pipe, so that nothing late of one chapter is told in the next.
new_story() {
    rm -f "$work/story"
    mkfifo "$work/story" || give_up 'no pipe can be made'
    exec 3<>"$work/story"
}

start_github() {
    rm -f "$work/github" "$work/app.pem"
    "$B/tests/sim/github" --new-key "$work/app.pem" --ready-file "$work/github" --setup "$work/setup.json" \
        --runner "$work/runner.tar.gz" --with-parent >&3 2>&1 &
    pids+=($!)
    wait_for "$work/github" "$!"
    SIM_GITHUB_URL=$(cat "$work/github")
    export SIM_GITHUB_URL
}

# start_muster NAME=VALUE... [-- OPTION...]: the real daemon; $port is its listener's.
start_muster() {
    local settings=() _
    while [ $# -gt 0 ] && [ "$1" != -- ]; do settings+=("$1") && shift; done
    [ $# = 0 ] || shift
    rm -f "$work/log" "$work"/muster.db*
    setpriv --pdeathsig TERM env -i PATH="$PATH" MUSTER_LOG_LEVEL=debug \
        MUSTER_LISTEN=127.0.0.1:0 MUSTER_ADMIN_LISTEN=127.0.0.1:0 MUSTER_STORE="sqlite:$work/muster.db" \
        GITHUB_API_URL="$SIM_GITHUB_URL" MUSTER_GITHUB_APP_ID=12345 MUSTER_GITHUB_PRIVATE_KEY_FILE="$work/app.pem" \
        MUSTER_WEBHOOK_SECRET="$SIM_WEBHOOK_SECRET" MUSTER_RUNNER_URL="$SIM_GITHUB_URL/sim/files/runner.tar.gz" \
        MUSTER_RUNNER_SHA256="$(sha256sum "$work/runner.tar.gz" | cut -d' ' -f1)" "${settings[@]}" \
        "$B/muster" serve "$@" 2> >(tee "$work/log" >&3) 3>&- &
    pids+=($!)
    wait_for "$work/log" "$!"
    for _ in {1..200}; do
        port=$(sed -n 's/.*"event":"server.started".*"port":\([0-9]*\).*/\1/p' "$work/log")
        [ -n "$port" ] && return
        sleep 0.05
    done
    give_up "muster does not start: $(cat "$work/log")"
}

# tell OPTION...: until the story is over; fails when it ended otherwise than it should.
tell() {
    setpriv --pdeathsig TERM "$B/tests/sim/demo" --github "$SIM_GITHUB_URL" --muster "http://127.0.0.1:$port" "$@" <&3 &
    pids+=($!)
    wait "$!" # in the background, so that a signal is obeyed at once
}

for p in muster tests/sim/github tests/sim/ec2 tests/sim/demo; do
    [ -x "$B/$p" ] || give_up "$B/$p is not built: make build-tests"
done
command -v curl >/dev/null || give_up 'curl is missing: apt-get install curl'
make_machine
make_repository
new_story
export DEMO_WORK=$work DEMO_STORY=$work/story SIM_WEBHOOK_SECRET="demo-$RANDOM$RANDOM$RANDOM"

start_github
"$B/tests/sim/ec2" --ready-file "$work/ec2" --on-start "exec bash $work/machine.sh" --pending-ms 300 --with-parent >&3 2>&1 &
pids+=($!)
wait_for "$work/ec2" "$!"
ec2=$(cat "$work/ec2")
curl -fsS -m 10 -o /dev/null --data-binary '{"type":"g4dn.xlarge","market":"spot","left":0}' "$ec2/_sim/capacity" ||
    give_up 'the simulated EC2 does not answer'
start_muster AWS_ENDPOINT_URL_EC2="$ec2" AWS_REGION=us-east-1 \
    AWS_ACCESS_KEY_ID=AKIDEXAMPLE0SIMULATE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY

cat <<'EOF'

  muster, the whole story. Everything runs on this machine: a simulated GitHub, a simulated EC2, and the real daemon.
  The repository's .cirun.yml asks for:
EOF
sed 's/^/      /' "$work/cirun.yml"
echo '  No spot capacity can be had today, so the second candidate will be needed.'
tell --ec2 "$ec2"
rc=$?
printf '\n  %s It took %d.%d s.\n\n' "$([ "$rc" = 0 ] && echo 'Train, evaluate, gone.' || echo 'The story did NOT end as it should.')" \
    $((($(date +%s%N) - began) / 1000000000)) $((($(date +%s%N) - began) / 100000000 % 10))
[ "$rc" = 0 ] || exit "$rc"

end_programs
if ! engine_find; then
    printf '  (%s: the second chapter, with real containers, is left out.)\n\n' "$engine_why"
elif engine_chapter; then
    printf '\n  The container did its one job and is gone: %s was asked.\n\n' "$engine_kind"
else
    printf '\n  The second chapter is left unfinished, %s at %s: %s.\n\n' "$engine_kind" "$engine_socket" "${engine_why%.}"
fi
exit 0
