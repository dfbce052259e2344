#!/bin/bash
# Turns a fresh Linux machine into one GitHub Actions runner for one job, and powers it off afterwards, whatever happens.
# muster puts the parameters right below the first line, one assignment each, and embeds the script without comments,
# blank lines and indentation (embed.awk): keep quoted text on one line and plain ASCII, and write no here-document with
# a tabbed end. cloud-init and its relatives run it as root; it needs bash, as the runner does.
#
# Parameters: MUSTER_NAME. MUSTER_SETUP: JSON, what "Set up job" shows. MUSTER_ENV: an array of NAME=value without line
#   breaks, for every process of the machine. MUSTER_GPUS: so many GPUs must answer before the runner registers, 0 =
#   none; MUSTER_GPU_MEMORY: each with so many GiB, 0 = any. MUSTER_RUNNER_URL, MUSTER_RUNNER_SHA256.
#   MUSTER_EXPIRES: Unix seconds, power off then. MUSTER_BOOT_DEADLINE: seconds from the start within which a job must
#   have started. MUSTER_JIT: the runner's single-use configuration; given to the runner by environment only.
# Switches, from the environment, for tests and the demo; a real machine has none of them:
#   MUSTER_POWEROFF        command to run instead of powering off
#   MUSTER_ROOT            prefix of every path that is written or looked up
#   MUSTER_UNPRIVILEGED=1  no root: install nothing, make no user, run the runner as ourselves; a GPU must answer all the same
#   MUSTER_TICK_S          the watchdog's step and the pause between tries, default 5
#   MUSTER_GPU_TIMEOUT_S   how long nvidia-smi may take, default 60
# A container (providers/on_prem_docker.c, common/vast_spec.c) has two of its own, as variables of the shell that becomes this script:
# MUSTER_POWEROFF ends it, and with MUSTER_CONTAINER=1 its GPU driver is the host's affair.
set -u
umask 022
export DEBIAN_FRONTEND=noninteractive
root=${MUSTER_ROOT:-} poweroff_cmd=${MUSTER_POWEROFF:-} tick=${MUSTER_TICK_S:-5} self=${MUSTER_UNPRIVILEGED:-} box=${MUSTER_CONTAINER:-}
state=$root/run/muster lib=$root/opt/muster home=$root/home/runner
log=$state/log runner='' runner_pid='' reason='the bootstrap was ended'
apt=(apt-get -qq -o DPkg::Lock::Timeout=300)

# One line to standard output and to the console, which the cloud lets its owner read.
say() {
    printf 'muster: stage %s\n' "$*"
    [ ! -w "$root/dev/console" ] || printf 'muster: stage %s\n' "$*" >>"$root/dev/console"
} 2>/dev/null

uptime_s() {
    local up
    read -r up _ </proc/uptime
    printf '%s\n' "${up%.*}"
}

# The first caller powers off. When the state directory cannot be written, every caller does.
power_off() {
    mkdir -p "$state"
    mkdir "$state/off" 2>/dev/null || [ ! -d "$state/off" ] || return 0
    say "power-off: $1"
    if [ -n "$poweroff_cmd" ]; then
        /bin/sh -c "$poweroff_cmd"
        return
    fi
    sync
    systemctl poweroff || shutdown -P now || poweroff -f
    sleep 60
    echo 1 >/proc/sys/kernel/sysrq
    echo o >/proc/sysrq-trigger
}

# --- watchdog: a process of its own, which outlives the script -------------------------------------------------------

alive() {
    [ -s "$state/$1" ] && kill -0 "$(cat "$state/$1")" 2>/dev/null
}

# Why the machine must end now; nothing while it may go on.
verdict() {
    if [ ! -e "$state/script" ]; then
        echo 'the machine was restarted'
    elif [ "$(date +%s)" -ge "$MUSTER_EXPIRES" ]; then
        echo 'its lifetime is over'
    elif [ ! -e "$state/job/started" ] && [ $(($(uptime_s) - began)) -ge "$MUSTER_BOOT_DEADLINE" ]; then
        echo "no job started within $MUSTER_BOOT_DEADLINE s"
    elif [ -s "$state/runner" ]; then
        alive runner || echo 'the runner is gone'
    elif ! alive script; then
        echo 'the bootstrap is gone'
    fi
}

watch() {
    local why told=''
    trap '' PIPE HUP INT
    { echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
    while [ ! -d "$state/off" ]; do
        why=$(verdict)
        if [ -n "$why" ]; then
            # The script may be about to say it better.
            sleep "$tick"
            power_off "$why"
        fi
        if [ -z "$told" ] && [ -e "$state/job/started" ]; then
            told=1
            say 'job-started'
        fi
        sleep "$tick"
    done
    { kill -- "$(cat "$state/script")" "-$(cat "$state/runner")"; } 2>/dev/null
    # Powering off was begun and we are still here: once more, harder.
    if [ -z "$poweroff_cmd" ]; then
        sleep 120
        rmdir "$state/off"
        power_off 'once more'
    fi
}

# As a systemd unit where there is systemd: it comes back after a crash and after a restart of the machine.
start_watchdog() {
    began=$(uptime_s)
    mkdir -p "$state/job" "$lib"
    : >"$log"
    chmod 600 "$log"
    echo $$ >"$state/script"
    {
        echo '#!/bin/bash'
        declare -p root poweroff_cmd tick state began MUSTER_EXPIRES MUSTER_BOOT_DEADLINE
        declare -f say uptime_s power_off alive verdict watch
        echo watch
    } >"$lib/watchdog"
    if [ -d /run/systemd/system ] && [ -z "$poweroff_cmd" ]; then
        printf '%s\n' '[Service]' "ExecStart=/bin/bash $lib/watchdog" Restart=always RestartSec=1 OOMScoreAdjust=-1000 \
            '[Install]' WantedBy=multi-user.target >/etc/systemd/system/muster-watchdog.service
        systemctl enable --now muster-watchdog && return
    fi
    setsid /bin/bash "$lib/watchdog" </dev/null &
}

# --- what the image lacks --------------------------------------------------------------------------------------------

fail() {
    reason="failed: $*"
    exit 1
}

have() {
    command -v "$1" >/dev/null
}

# Keeps what the command said, for last_words.
quiet() {
    "$@" >"$log" 2>&1
}

last_words() {
    tail -n 4 "$1" | tr -s '[:cntrl:]' ' ' | cut -c1-400 | sed 's/ $//'
}

try() {
    for _ in 1 2 3 4 5; do
        quiet "$@" && return
        sleep "$tick"
    done
    return 1
}

install_packages() {
    if have apt-get; then
        try "${apt[@]}" update && try "${apt[@]}" -y --no-install-recommends install "$@"
    elif have dnf; then
        try dnf -y -q install "$@"
    else
        echo 'neither apt-get nor dnf is here' >"$log"
        return 1
    fi
}

packages() {
    local lacking=()
    have tar || lacking+=(tar gzip)
    have git || lacking+=(git)
    have curl || have wget || have python3 || lacking+=(curl ca-certificates)
    [ "${#lacking[@]}" = 0 ] && return
    say "packages: ${lacking[*]}"
    install_packages "${lacking[@]}" || say "packages: not installed: $(last_words "$log")"
}

user() {
    id -u runner >/dev/null 2>&1 || quiet useradd -m -d "$home" -s /bin/bash runner || fail "user runner: $(last_words "$log")"
    mkdir -p "$home"
    ! getent group docker >/dev/null || quiet usermod -aG docker runner
    # As on GitHub's own runners: workflows say sudo, and the machine is the boundary.
    [ ! -d "$root/etc/sudoers.d" ] || (umask 227 && echo 'runner ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/muster")
    chown runner: "$state/job" "$home"
}

# fetch URL FILE
fetch() {
    if have curl; then
        curl -fsSL --connect-timeout 10 --max-time 600 -o "$2" "$1"
    elif have wget; then
        wget -q -T 30 -t 1 -O "$2" "$1"
    else
        python3 -c 'import sys,urllib.request as r; r.urlretrieve(*sys.argv[1:])' "$1" "$2"
    fi
}

# GitHub refuses runners older than 2.329.0.
recent() {
    local version
    version=$(cd "$1" 2>/dev/null && timeout 30 bin/Runner.Listener --version 2>/dev/null | tail -n 1)
    [[ $version =~ ^([0-9]+)\.([0-9]+)\.[0-9]+$ ]] || return 1
    [ $((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2])) -ge 2329 ] && say "runner: $version of the image"
}

get_runner() {
    local archive=$state/runner.tar.gz
    for runner in "$root/opt/actions-runner" "$home/actions-runner"; do
        recent "$runner" && return
    done
    runner=$home/muster-runner
    say "runner: download $MUSTER_RUNNER_URL"
    try fetch "$MUSTER_RUNNER_URL" "$archive" || fail "runner download: $(last_words "$log")"
    echo "$MUSTER_RUNNER_SHA256  $archive" | sha256sum -c - >/dev/null 2>&1 ||
        fail "runner download: its SHA-256 is $(sha256sum "$archive" | cut -d' ' -f1), not $MUSTER_RUNNER_SHA256"
    mkdir -p "$runner"
    quiet tar -xzf "$archive" -C "$runner" || fail "runner archive: $(last_words "$log")"
    rm "$archive"
    [ -n "$self" ] || quiet "$runner/bin/installdependencies.sh" ||
        say "runner: installdependencies.sh failed: $(last_words "$log")"
}

# --- GPU -------------------------------------------------------------------------------------------------------------

gpu_answers() {
    local limit=${MUSTER_GPU_TIMEOUT_S:-60}
    timeout -k 5 "$limit" nvidia-smi -L >"$state/gpu" 2>&1
    case $? in
    124 | 137) echo "nvidia-smi did not answer within $limit s" >>"$state/gpu" ;;
    127) echo 'no nvidia-smi' >>"$state/gpu" ;;
    0) grep -q '^GPU [0-9]' "$state/gpu" && return || echo 'nvidia-smi lists no GPU' >>"$state/gpu" ;;
    esac
    return 1
}

# As many as were asked for, each as big? The driver keeps up to 8 % of the memory that a GPU is sold with.
gpu_enough() {
    local n each=''
    n=$(grep -c '^GPU [0-9]' "$state/gpu")
    if [ "$MUSTER_GPU_MEMORY" != 0 ]; then
        each=" with $MUSTER_GPU_MEMORY GB"
        n=$(timeout -k 5 60 nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>&1 |
            tee -a "$state/gpu" | awk "\$1 + 0 >= $MUSTER_GPU_MEMORY * 922" | wc -l)
    fi
    [ "$n" -ge "$MUSTER_GPUS" ] || fail "GPU: $MUSTER_GPUS$each asked for, $n here: $(last_words "$state/gpu")"
}

gpu_driver() {
    local utils
    case $(sed -n 's/^ID=//p' /etc/os-release) in
    ubuntu)
        install_packages ubuntu-drivers-common && quiet ubuntu-drivers install --gpgpu || return
        # The headless driver comes without nvidia-smi, whose package must be of the same release.
        utils=$(dpkg-query -W nvidia-kernel-common-\* | sed -n 's/^nvidia-kernel-common-\([^ \t]*\).*/nvidia-utils-\1/p' | tail -n 1)
        install_packages "$utils" || return
        ;;
    debian)
        find /etc/apt/sources.list* -type f -exec \
            sed -i -E '/^(deb |Components:)/s/ main.*/ main contrib non-free non-free-firmware/' {} +
        install_packages "linux-headers-$(uname -r)" nvidia-driver nvidia-smi libcuda1 || return
        ;;
    *)
        echo 'no driver in the image, and none is installed on this distribution' >"$log"
        return 1
        ;;
    esac
    quiet modprobe -r nouveau
    quiet modprobe nvidia || :
}

gpu_docker() {
    local step url=https://nvidia.github.io/libnvidia-container
    have docker || install_packages "$(have apt-get && echo docker.io || echo docker)" || fail "Docker: $(last_words "$log")"
    if ! have nvidia-ctk; then
        if have apt-get; then
            mkdir -p /etc/apt/keyrings
            try fetch "$url/gpgkey" /etc/apt/keyrings/nvidia.asc
            echo "deb [signed-by=/etc/apt/keyrings/nvidia.asc] $url/stable/deb/\$(ARCH) /" >/etc/apt/sources.list.d/nvidia.list
        else
            try fetch $url/stable/rpm/nvidia-container-toolkit.repo /etc/yum.repos.d/nvidia-container-toolkit.repo
        fi
        install_packages nvidia-container-toolkit || fail "NVIDIA container toolkit: $(last_words "$log")"
    fi
    for step in 'nvidia-ctk runtime configure --runtime=docker' 'systemctl restart docker' 'usermod -aG docker runner'; do
        # shellcheck disable=SC2086
        quiet $step || fail "$step: $(last_words "$log")"
    done
}

gpu() {
    local cards
    if ! gpu_answers; then
        if [ -z "$self$box" ]; then
            say "gpu: $(last_words "$state/gpu"); installing the driver"
            gpu_driver || fail "GPU driver: $(last_words "$log") ($(last_words "$state/gpu"))"
        fi
        gpu_answers || fail "GPU: $(last_words "$state/gpu")"
    fi
    gpu_enough
    cards=$(grep '^GPU [0-9]' "$state/gpu" | LC_ALL=C tr -cd ' !#-[]-~\n' | sed 's/$/\\n/' | tr -d '\n')
    MUSTER_SETUP="${MUSTER_SETUP%]},{\"group\":\"GPU\",\"detail\":\"$cards\"}]"
    say "gpu: $(last_words "$state/gpu")"
    [ -z "$self$box" ] || return
    gpu_docker
    say 'gpu: docker ready'
}

# --- the runner ------------------------------------------------------------------------------------------------------

# For what is no child of the runner (logins, sudo, services that read it). A reader cuts at # and at 1,024 bytes, so such
# a value stays with the runner.
system_env() {
    echo
    printf '%s\n' "${MUSTER_ENV[@]}" | LC_ALL=C sed '/#/d;/^.\{1000\}/d;s/=\(.*\)/="\1"/'
}

configure() {
    local hook=$lib/job-started.sh
    printf '#!/bin/bash\n: >%q\nexit 0\n' "$state/job/started" >"$hook"
    chmod 755 "$hook"
    {
        # The image's own may have no end of its last line.
        echo
        [ "${#MUSTER_ENV[@]}" = 0 ] || printf '%s\n' "${MUSTER_ENV[@]}"
        echo "ACTIONS_RUNNER_HOOK_JOB_STARTED=$hook"
        [ "$MUSTER_GPUS" = 0 ] || [ -n "$box" ] || echo RUNNER_WAIT_FOR_DOCKER_IN_SECONDS=60
    } >>"$runner/.env"
    [ -n "$self" ] || [ "${#MUSTER_ENV[@]}" = 0 ] || system_env >>"$root/etc/environment"
    printf '%s\n' "$MUSTER_SETUP" >"$runner/.setup_info"
    [ -n "$self" ] || chown -R runner: "$runner"
}

# The configuration holds a private key: it is in the environment of this one process, in no file and no argument.
run() {
    local as=(setsid) code
    if [ -z "$self" ]; then
        export HOME=$home USER=runner LOGNAME=runner
        as+=(setpriv "--reuid=$(id -u runner)" "--regid=$(id -g runner)" --init-groups)
    fi
    say 'runner: start'
    (
        cd "$runner" || exit
        export ACTIONS_RUNNER_INPUT_JITCONFIG=$MUSTER_JIT ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE=1
        exec "${as[@]}" ./run.sh </dev/null >"$log" 2>&1
    ) &
    runner_pid=$!
    unset MUSTER_JIT
    echo "$runner_pid" >"$state/runner"
    wait "$runner_pid"
    code=$?
    if [ -e "$state/job/started" ]; then
        reason='the job is done'
    elif [ "$code" = 7 ]; then
        reason='GitHub refuses this version of the runner'
    else
        reason="the runner ended ($code) without a job: $(last_words "$log")"
    fi
}

end() {
    [ -z "$runner_pid" ] || kill -- "-$runner_pid" 2>/dev/null
    power_off "$reason"
}

main() {
    trap end EXIT
    trap 'exit 1' HUP INT TERM
    start_watchdog
    say "start: $MUSTER_NAME"
    if [ -z "$self" ]; then
        packages
        user
    fi
    [ "$MUSTER_GPUS" = 0 ] || gpu
    get_runner
    configure
    run
}
main
