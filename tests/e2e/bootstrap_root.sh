#!/usr/bin/env bash
# The bootstrap, run for real in a clean Debian root: its own process namespace, real apt from this machine's mirror, a
# stand-in runner that looks around, stand-ins for nvidia-smi and what installs it. Each case ends when no process of
# the bootstrap is left, and every one of them must have powered off exactly once, with its reason on the console.
# usage: B=build tests/e2e/bootstrap_root.sh [CASE...]
# shellcheck disable=SC2016,SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/debian_root.sh disable=SC1091
. tests/support/debian_root.sh

skip() {
    echo "SKIP bootstrap_root: $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip 'needs root for a root directory of its own'
unshare --pid --fork --mount true 2>/dev/null || skip 'this machine allows no new namespaces'
base=$(debian_base) || skip "$base"
make -s B="$B" "$B/tests/e2e/render_bootstrap" >/dev/null || { echo 'not ok bootstrap_root: render_bootstrap does not build'; exit 1; }

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$work"' EXIT
jit=$(head -c 300 /dev/urandom | base64 -w0)
jit_sha=$(printf %s "$jit" | sha256sum | cut -d' ' -f1)

# --- the stand-in runner ---------------------------------------------------------------------------------------------

mkdir -p "$work/www" "$work/runner/bin"
cat >"$work/runner/run.sh" <<'SH'
#!/bin/bash
# Says what it found in /report/runner; then behaves as /mode says.
jit=${ACTIONS_RUNNER_INPUT_JITCONFIG:-}
# As the runner's LoadAndSetEnv: NAME=value a line, nothing is quoted; what it starts has it in its environment.
while IFS= read -r line || [ -n "$line" ]; do
    [[ $line != ?*=* ]] || export "${line%%=*}=${line#*=}"
done <.env
env -0 -u ACTIONS_RUNNER_INPUT_JITCONFIG >/report/env
cp .setup_info /report/setup_info
{
    echo "user $(id -un)"
    echo "groups $(id -nG)"
    echo "home $HOME"
    echo "jit $(printf %s "$jit" | sha256sum | cut -d' ' -f1)"
    for f in /proc/[0-9]*/cmdline; do
        args=$(tr '\0' ' ' <"$f")
        [[ -z $jit || $args != *"$jit"* ]] || echo "jit in the arguments of $f"
    done
    [ -w . ] && echo 'own directory'
    [ -e deps-installed ] && echo 'dependencies installed'
} >/report/runner 2>/dev/null
hook() {
    bash -e "$(sed -n 's/^ACTIONS_RUNNER_HOOK_JOB_STARTED=//p' .env)" || echo "hook failed" >>/report/runner
}
case $(cat /mode) in
job) hook ;;
job-until-go) hook; until [ -e /report/go ]; do read -rt 0.1 <> <(:); done ;;
idle-until-go) until [ -e /report/go ]; do read -rt 0.1 <> <(:); done ;;
no-job) echo 'An error occurred: registration was deleted' ;;
refused) exit 7 ;;
esac
SH
printf '#!/bin/sh\ntouch "$(dirname "$0")/../deps-installed"\n' >"$work/runner/bin/installdependencies.sh"
printf '#!/bin/sh\necho 2.335.1\n' >"$work/runner/bin/Runner.Listener"
chmod 755 "$work"/runner/run.sh "$work"/runner/bin/*
tar -C "$work/runner" -czf "$work/www/runner.tar.gz" .
sha=$(sha256sum "$work/www/runner.tar.gz" | cut -d' ' -f1)

# Serves www/; /flaky/ answers 503 to the first two requests.
cat >"$work/serve.py" <<'PY'
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    refusals = 2
    def do_GET(self):
        if self.path.startswith("/flaky/"):
            if Handler.refusals:
                Handler.refusals -= 1
                return self.send_error(503)
            self.path = self.path[len("/flaky"):]
        super().do_GET()
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_address[1], flush=True)
server.serve_forever()
PY
/usr/bin/python3 "$work/serve.py" "$work/www" >"$work/port" &
server=$!
until [ -s "$work/port" ]; do sleep 0.05; done
www=http://127.0.0.1:$(cat "$work/port")

# --- one machine -----------------------------------------------------------------------------------------------------

# Process 1 of the machine: runs the bootstrap, does what the case wants done meanwhile, waits until nobody is left.
cat >"$work/init.sh" <<'SH'
others() {
    local n=0 p
    for p in /proc/[0-9]*; do
        [ "$p" != /proc/1 ] && [ "$p" != "/proc/$BASHPID" ] && read -rd '' _ <"$p/cmdline" && n=$((n + 1))
    done 2>/dev/null
    echo "$n"
}
until_file() {
    until [ -e "$1" ]; do sleep 0.05; done
}
# What a power-off does in the end.
kill_everybody() {
    local p
    for p in /proc/[0-9]*; do [ "$p" = /proc/1 ] || kill -9 "${p#/proc/}"; done 2>/dev/null
}
environments_with_jit() {
    local p
    for p in /proc/[0-9]*; do
        tr '\0' '\n' <"$p/environ" | sed -n 's/^[A-Z_]*=//p' | while read -r v; do
            [ "$(printf %s "$v" | sha256sum | cut -d' ' -f1)" != "$1" ] || stat -c %U "$p"
        done
    done 2>/dev/null
}
. /case.sh
bash -s </script >>/report/stdout 2>>/report/stderr &
during
wait
while [ "$(others)" -gt 0 ]; do sleep 0.05; done
SH

layers=$base overlay=yes
mkdir -p "$work/try/u" "$work/try/w" "$work/try/m"
unshare --mount mount -t overlay overlay -o "lowerdir=$base,upperdir=$work/try/u,workdir=$work/try/w" "$work/try/m" 2>/dev/null ||
    overlay=

# fresh NAME: a new root on top of $layers; $m is where to put files.
fresh() {
    name=$1
    mkdir -p "$work/$name/upper" "$work/$name/w" "$work/$name/root"
    m=$work/$name/upper
    [ -n "$overlay" ] || { m=$work/$name/root && cp -a "${layers%%:*}/." "$m"; }
    mkdir -p "$m/report" "$m/usr/local/bin" "$m/dev"
    chmod 777 "$m/report"
    echo job >"$m/mode"
    echo 'during() { :; }' >"$m/case.sh"
    cp "$work/init.sh" "$m/init.sh"
    variables='' setup='' gpu='' url=$www/runner.tar.gz want=$sha lifetime=3600 deadline=600 powered_by='echo off >>/report/power-off'
}

# stand_in NAME: the text on standard input becomes a program of the machine.
stand_in() {
    { echo '#!/bin/bash' && cat; } >"$m/usr/local/bin/$1"
    chmod 755 "$m/usr/local/bin/$1"
}

boot() {
    local root=$work/$name/root
    JIT=$jit ENV_VARS=$variables SETUP_INFO=$setup MAX=524288 "$B/tests/e2e/render_bootstrap" "muster-$name" "$gpu" "$url" "$want" $(($(date +%s) + lifetime)) "$deadline" \
        >"$m/script" || return
    timeout -k 1 "${CASE_TIMEOUT:-120}" unshare --pid --fork --kill-child --mount bash -c '
        if [ -n "$4" ]; then mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/w" "$3" || exit; fi
        rm -f "$3/dev/console" && : >"$3/dev/console" && mount -t proc proc "$3/proc" || exit
        exec chroot "$3" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin MUSTER_TICK_S=0.1 \
            MUSTER_GPU_TIMEOUT_S=1 "MUSTER_POWEROFF=$5" /bin/bash /init.sh' \
        _ "$layers" "$work/$name" "$root" "$overlay" "$powered_by" </dev/null >"$work/$name/init.log" 2>&1
    ended=$?
    rm -f "$m/script"
}

problems=
problem() {
    problems="$problems; $1"
}

# ends REASON: powered off exactly once, nothing left running, and the console says why.
ends() {
    local times
    [ "$ended" = 0 ] || problem "ended with $ended: $(tail -n 2 "$work/$name/init.log")"
    times=$(grep -c . "$m/report/power-off" 2>/dev/null)
    [ "$times" = 1 ] || problem "powered off ${times:-0} times"
    grep -qE "^muster: stage power-off: $1" "$m/dev/console" || problem "the console says: $(tail -n 2 "$m/dev/console")"
    [ "$(sort "$m/dev/console")" = "$(grep '^muster: ' "$m/report/stdout" | sort)" ] || problem 'console and standard output differ'
}
has() { # FILE REGEX
    grep -qE "$2" "$m/$1" 2>/dev/null || problem "$1 lacks: $2"
}
lacks() {
    ! grep -qE "$2" "$m/$1" 2>/dev/null || problem "$1 has: $2"
}
absent() {
    [ ! -e "$m/$1" ] || problem "$1 is there"
}
verdict() {
    if [ -n "$problems" ]; then
        echo "not ok $1: ${problems#; }"
        sed 's/^/    /' "$m/dev/console" "$m/report/stderr" 2>/dev/null
        failed=1
    else
        echo "ok $1"
    fi
    problems=
    [ "$name" = clean ] || rm -rf "${work:?}/$name"
}
failed=0

# --- the cases -------------------------------------------------------------------------------------------------------

case_clean() {
    fresh clean
    url=$www/flaky/runner.tar.gz
    echo job-until-go >"$m/mode"
    echo 'during() { until grep -q job-started /dev/console; do sleep 0.05; done; touch /report/go; }' >"$m/case.sh"
    stand_in useradd <<<'/usr/sbin/useradd "$@"; code=$?; touch /report/user-made; exit $code'
    mkdir -p "$m/etc/sudoers.d"
    CASE_TIMEOUT=240 boot
    ends 'the job is done$'
    has etc/sudoers.d/muster '^runner ALL=\(ALL\) NOPASSWD: ALL$'
    [ "$(stat -c %a "$m/etc/sudoers.d/muster")" = 440 ] || problem 'sudo would not trust its file'
    has dev/console '^muster: stage packages: git curl ca-certificates$'
    has dev/console '^muster: stage runner: download http'
    has dev/console '^muster: stage job-started$'
    has report/runner '^user runner$'
    has report/runner '^home /home/runner$'
    has report/runner "^jit $jit_sha\$"
    has report/runner '^own directory$'
    has report/runner '^dependencies installed$'
    lacks report/runner 'arguments|hook failed'
    [ -e "$m/report/user-made" ] || problem 'no user was made'
    [ -e "$m/usr/bin/git" ] || problem 'git was not installed'
    [ ! -e "$m/usr/bin/dockerd" ] || problem 'Docker was installed, for no GPU'
    /usr/bin/python3 - "$m/home/runner/muster-runner/.setup_info" <<'PY' || problem '.setup_info is not as agreed'
import json, sys
(entry,) = json.load(open(sys.argv[1]))
want = 'Machine: muster-clean\nCloud: aws\nType: g4dn.xlarge\nRegion: eu-"west"-1\nPrice: on demand'
assert set(entry) == {"group", "detail"} and entry["detail"] == want, entry
PY
    ! grep -rqF "$jit" "$m" || problem "the JIT configuration was left in $(grep -rlF "$jit" "$m" | head -n 1)"
    verdict a_clean_debian_becomes_a_runner_and_powers_off_after_the_job
}

# Texts of a stranger: a shell, sed, printf, JSON and pam_env all have to take them for data.
case_env_vars() {
    fresh env_vars
    variables=$(/usr/bin/python3 - <<'PY'
import json
print(json.dumps({"PLAIN": "1.10", "QUOTES": "it's \"so\" `id` $(touch /report/owned) ${HOME}", "BACK": "a\\nb\\", "EMPTY": "",
    "SPACES": "  two  ", "PERCENT": "%s%n \\1 &", "HASH": "a#b", "UTF8": "\u00e9\u20ac\u2019 \U0001f680", "EQUALS": "a=b=c",
    "LONG": "x'" * 32768, "SHELLOPTS_": "xtrace", "TAB": "a\tb"}))
PY
    )
    setup=$(/usr/bin/python3 - <<'PY'
import json
print(json.dumps([{"group": "It's \"ours\" $(touch /report/owned)", "detail": "one\ntwo `id` \\ \u2019 \U0001f680"}, {"detail": "x" * 20000}]))
PY
    )
    mkdir -p "$m/opt" "$m/etc" && cp -a "$work/runner" "$m/opt/actions-runner"
    printf '#!/bin/sh\necho 2.329.0\n' >"$m/opt/actions-runner/bin/Runner.Listener"
    printf 'IMAGE=its own' >"$m/opt/actions-runner/.env" # its last line has no end
    printf 'LANG=C.UTF-8' >"$m/etc/environment"
    echo job-until-go >"$m/mode"
    # A login, through the real pam_env.
    cat >"$m/case.sh" <<'SH'
during() { until_file /run/muster/job/started; su -s /bin/sh runner -c 'env -0' >/report/login; touch /report/go; }
SH
    boot
    ends 'the job is done$'
    absent report/owned
    VARIABLES=$variables SETUP=$setup /usr/bin/python3 - "$m/report" <<'PY' || problem 'the job sees something else'
import json, os, sys
def read(name):
    return dict(p.split("=", 1) for p in open(f"{sys.argv[1]}/{name}", newline="").read().split("\0") if "=" in p)
want, job, login = json.loads(os.environ["VARIABLES"]), read("env"), read("login")
for k, v in want.items():
    assert job.get(k) == v, (k, v[:80], job.get(k, "")[:80])
    assert login.get(k) == (None if k in ("HASH", "LONG") else v), ("login", k, login.get(k))
assert job["IMAGE"] == "its own" and login["LANG"] == "C.UTF-8"
shown = json.load(open(f"{sys.argv[1]}/setup_info", encoding="utf-8"))
asked = json.loads(os.environ["SETUP"])
asked[1]["group"] = "Setup"
assert [e["group"] for e in shown] == ["muster"] + [e["group"] for e in asked] and shown[1:] == asked, shown
PY
    verdict a_strangers_variables_and_words_reach_the_job_as_they_are
}

case_environment() {
    fresh environment
    echo job-until-go >"$m/mode"
    cat >"$m/case.sh" <<SH
during() { until_file /run/muster/job/started; environments_with_jit $jit_sha >/report/owners; touch /report/go; }
SH
    boot
    ends 'the job is done$'
    [ "$(sort -u "$m/report/owners")" = runner ] || problem "found in the environment of: $(sort "$m/report/owners" | uniq -c)"
    verdict the_jit_configuration_is_in_no_environment_but_the_runners
}

case_hash() {
    fresh hash
    want=${sha//[0-9]/0}
    boot
    ends "failed: runner download: its SHA-256 is $sha, not $want"
    absent report/runner
    absent home/runner/muster-runner
    verdict a_runner_with_another_hash_is_never_unpacked
}

case_unreachable() {
    fresh unreachable
    url=$www/nothing-here.tar.gz
    boot
    ends 'failed: runner download: .*404'
    absent report/runner
    verdict a_download_that_fails_says_why
}

case_image() {
    fresh image
    mkdir -p "$m/opt"
    cp -a "$work/runner" "$m/opt/actions-runner"
    printf '#!/bin/sh\necho 2.329.0\n' >"$m/opt/actions-runner/bin/Runner.Listener"
    url=$www/nothing-here.tar.gz
    boot
    ends 'the job is done$'
    has dev/console 'runner: 2.329.0 of the image'
    has report/runner '^own directory$'
    verdict a_recent_runner_of_the_image_is_used_without_a_download
}

case_old_image() {
    fresh old_image
    mkdir -p "$m/home/runner"
    cp -a "$work/runner" "$m/home/runner/actions-runner"
    printf '#!/bin/sh\necho 2.328.9\n' >"$m/home/runner/actions-runner/bin/Runner.Listener"
    boot
    ends 'the job is done$'
    has dev/console 'runner: download'
    verdict an_outdated_runner_of_the_image_is_replaced
}

case_docker_group() {
    fresh docker_group
    mkdir -p "$m/etc" && cp "$base/etc/group" "$m/etc/group" && echo 'docker:x:990:' >>"$m/etc/group"
    boot
    ends 'the job is done$'
    has report/runner '^groups .*docker'
    verdict docker_of_the_image_can_be_used_by_the_job
}

# Docker and the container toolkit as the image's own programs.
gpu_machine() {
    gpu=t4
    mkdir -p "$m/etc" && cp "$base/etc/group" "$m/etc/group" && echo 'docker:x:990:' >>"$m/etc/group"
    stand_in docker </dev/null
    stand_in nvidia-ctk <<<'echo "nvidia-ctk $*" >>/report/calls'
    stand_in systemctl <<<'echo "systemctl $*" >>/report/calls'
    stand_in modprobe </dev/null
    # Debian's own driver packages are 300 MB: what is proven here is what happens around their installation.
    stand_in apt-get <<'SH'
echo "apt-get $*" >>/report/calls
case $* in *install*) echo "E: Unable to locate package nvidia-driver" >&2; exit 100 ;; esac
SH
}

case_gpu() {
    fresh gpu
    gpu_machine
    stand_in nvidia-smi <<<'echo "GPU 0: Tesla T4 (UUID: GPU-1)"'
    boot
    ends 'the job is done$'
    has dev/console '^muster: stage gpu: GPU 0: Tesla T4'
    has report/calls '^nvidia-ctk runtime configure --runtime=docker$'
    has report/calls '^systemctl restart docker$'
    lacks report/calls '^apt-get'
    has report/runner '^groups .*docker'
    /usr/bin/python3 - "$m/report/setup_info" <<'PY' || problem '.setup_info does not show the GPU'
import json, sys
shown = json.load(open(sys.argv[1]))
assert [e["group"] for e in shown] == ["muster", "GPU"] and shown[1]["detail"].strip() == "GPU 0: Tesla T4 (UUID: GPU-1)", shown
PY
    verdict a_gpu_that_answers_is_given_to_docker
}

case_gpu_fails() {
    fresh gpu_fails
    gpu_machine
    stand_in nvidia-smi <<<'echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver."; exit 9'
    boot
    ends 'failed: GPU driver: .*Unable to locate package nvidia-driver.*could not communicate with the NVIDIA driver'
    absent report/runner
    verdict a_gpu_that_fails_powers_off_before_a_runner_registers
}

case_gpu_hangs() {
    fresh gpu_hangs
    gpu_machine
    stand_in nvidia-smi <<<'exec sleep 1000'
    boot
    ends 'failed: GPU driver: .*nvidia-smi did not answer within 1 s'
    absent report/runner
    verdict an_nvidia_smi_that_hangs_is_given_up
}

case_gpu_none() {
    fresh gpu_none
    gpu_machine
    stand_in nvidia-smi <<<'echo "No devices were found"'
    stand_in apt-get <<<'exit 0'
    boot
    ends 'failed: GPU: No devices were found nvidia-smi lists no GPU'
    absent report/runner
    verdict a_driver_without_a_gpu_is_no_gpu
}

case_gpu_absent() {
    fresh gpu_absent
    gpu_machine
    boot
    ends 'failed: GPU driver: .*Unable to locate package nvidia-driver.*no nvidia-smi'
    has report/calls '^apt-get .*install .*nvidia-driver'
    absent report/runner
    verdict an_installer_that_fails_says_why
}

case_gpu_installed() {
    fresh gpu_installed
    gpu_machine
    stand_in apt-get <<'SH'
echo "apt-get $*" >>/report/calls
grep -rh non-free /etc/apt/sources.list* >/report/components
case $* in
*nvidia-driver*) printf '#!/bin/sh\necho "GPU 0: Tesla T4"\n' >/usr/local/bin/nvidia-smi; chmod 755 /usr/local/bin/nvidia-smi ;;
esac
SH
    boot
    ends 'the job is done$'
    has report/calls "linux-headers-$(uname -r)"
    has report/components 'main contrib non-free'
    has dev/console '^muster: stage gpu: GPU 0: Tesla T4'
    verdict a_driver_is_installed_where_none_answers
}

case_toolkit() {
    fresh toolkit
    gpu_machine
    stand_in nvidia-smi <<<'echo "GPU 0: Tesla T4"'
    stand_in nvidia-ctk <<<'echo "unknown runtime"; exit 3'
    boot
    ends 'failed: nvidia-ctk runtime configure --runtime=docker: unknown runtime'
    absent report/runner
    verdict a_container_toolkit_that_fails_says_why
}

case_no_job() {
    fresh no_job
    echo idle-until-go >"$m/mode"
    deadline=6 # the runner must be up before it, also on a busy machine
    boot
    ends 'no job started within 6 s$'
    has report/runner '^user runner$'
    verdict no_job_within_the_boot_deadline_powers_off
}

case_lifetime() {
    fresh lifetime
    echo job-until-go >"$m/mode"
    lifetime=8
    boot
    ends 'its lifetime is over$'
    has dev/console '^muster: stage job-started$'
    verdict the_end_of_its_lifetime_powers_off_a_busy_machine
}

case_late_stage() {
    fresh late_stage
    gpu_machine
    deadline=1
    stand_in nvidia-smi <<<'trap "" TERM; until [ -e /report/never ]; do sleep 1; done'
    stand_in timeout <<<'shift 3; exec "$@"'
    echo 'during() { until_file /report/power-off; kill_everybody; }' >"$m/case.sh"
    boot
    ends 'no job started within 1 s$'
    verdict a_stage_that_never_ends_is_ended_by_the_watchdog
}

case_runner_ends() {
    fresh runner_ends
    echo no-job >"$m/mode"
    boot
    ends 'the runner ended \(0\) without a job: .*registration was deleted'
    verdict a_runner_that_ends_without_a_job_says_its_last_words
}

case_refused() {
    fresh refused
    echo refused >"$m/mode"
    boot
    ends 'GitHub refuses this version of the runner$'
    verdict a_refused_runner_version_is_named
}

case_runner_killed() {
    fresh runner_killed
    echo job-until-go >"$m/mode"
    echo 'during() { until_file /run/muster/job/started; kill -9 "$(cat /run/muster/runner)"; }' >"$m/case.sh"
    boot
    ends 'the job is done$'
    verdict a_killed_runner_powers_off
}

case_script_killed() {
    fresh script_killed
    echo job-until-go >"$m/mode"
    cat >"$m/case.sh" <<'SH'
during() {
    until_file /run/muster/job/started
    kill -9 "$(cat /run/muster/script)"
    wait
    [ -e /report/power-off ] && echo early >>/report/power-off
    touch /report/go
}
SH
    boot
    ends 'the runner is gone$'
    verdict a_job_outlives_a_killed_bootstrap_and_its_machine_does_not_outlive_the_job
}

case_killed_early() {
    fresh killed_early
    gpu_machine
    stand_in nvidia-smi <<<'kill -9 "$(cat /run/muster/script)"'
    boot
    ends 'the bootstrap is gone$'
    absent report/runner
    verdict a_bootstrap_killed_before_the_runner_powers_off
}

case_terminated() {
    fresh terminated
    echo job-until-go >"$m/mode"
    echo 'during() { until_file /run/muster/job/started; kill "$(cat /run/muster/script)"; }' >"$m/case.sh"
    boot
    ends 'the bootstrap was ended$'
    verdict a_terminated_bootstrap_powers_off_once
}

case_restarted() {
    fresh restarted
    # What systemd does after a restart: nobody is left, /run is empty, the unit starts the same file again.
    echo 'during() { wait; kill_everybody; rm -rf /run/muster /report/power-off; : >/dev/console; : >/report/stdout; bash /opt/muster/watchdog >>/report/stdout; }' \
        >"$m/case.sh"
    boot
    ends 'the machine was restarted$'
    verdict a_restarted_machine_powers_off
}

case_full_state() {
    fresh full_state
    # Nothing can be written where the state belongs: the machine must not stay.
    mkdir -p "$m/run" && : >"$m/run/muster"
    powered_by='[ -e /report/power-off ] || echo off >>/report/power-off'
    echo 'during() { until_file /report/power-off; kill_everybody; }' >"$m/case.sh"
    boot
    [ -e "$m/report/power-off" ] || problem 'it stayed'
    verdict without_a_state_directory_it_powers_off_all_the_same
}

cases=${*:-$(declare -F | sed -n 's/^declare -f case_//p')}
[[ ! $cases =~ (^|[[:space:]])clean($|[[:space:]]) ]] || case_clean
# What the clean machine installed serves the other cases as their image.
if [ -e "$work/clean/upper/usr/bin/curl" ]; then
    rm -rf "$work/clean/upper"/{report,run,home,opt,dev,proc,etc/group,etc/passwd,etc/shadow,usr/local}
    layers=$work/clean/upper:$base
fi
for c in $cases; do [ "$c" = clean ] || "case_$c"; done
exit "$failed"
