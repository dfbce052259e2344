# A private Docker or Podman for tests: a service on a unix socket in a directory of its own, with no network, no place
# outside and no effect on an engine that this machine may have. To be sourced, from the top of the tree.
#
#   engine_up docker|podman   starts one; $engine_socket is where it answers. Fails with the reason in $engine_why.
#   engine_image              loads the image $engine_image_name into it: a Debian with what the bootstrap needs
#   engine_api METHOD PATH [CURL OPTIONS...]
#   engine_down               removes its containers, ends it, takes away all it made. Call it from a trap on EXIT.
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/debian_root.sh disable=SC1091
. tests/support/debian_root.sh

engine_dir='' engine_pid='' engine_socket='' engine_why=''
engine_image_name=muster-test/debian:1

engine_api() {
    local method=$1 path=$2
    shift 2
    curl -sS -m "${ENGINE_TIMEOUT_S:-60}" --unix-socket "$engine_socket" -X "$method" "$@" "http://engine/v1.41$path"
}

# In CI packages may be installed; elsewhere installing an engine is the machine owner's decision.
engine_packages() {
    local p missing=()
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$p")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    engine_why="not installed: ${missing[*]}"
    [ -n "${CI:-}" ] || return
    # shellcheck disable=SC2016
    DEBIAN_FRONTEND=noninteractive sh -c 'apt-get -qq update; apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"' \
        _ "${missing[@]}" >"$engine_dir/apt.log" 2>&1 ||
        { engine_why="$engine_why; $(tail -n 1 "$engine_dir/apt.log")" && return 1; }
}

engine_docker() {
    engine_packages docker.io containerd runc tini curl || return
    # A hybrid mount of control groups confuses runc: the engine gets a view without its second half, and an empty
    # /etc/docker, so that it neither reads this machine's settings nor leaves a key there.
    mkdir -p /etc/docker
    # shellcheck disable=SC2016
    setpriv --pdeathsig TERM unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null
        mount -t tmpfs tmpfs /etc/docker && exec dockerd "$@"' _ \
        --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" --pidfile "$engine_dir/pid" -H "unix://$engine_socket" \
        --iptables=false --ip6tables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs \
        --cgroup-parent "$engine_cgroup" "${engine_options[@]}" >"$engine_dir/log" 2>&1 &
    engine_pid=$!
}

engine_podman() {
    engine_packages podman crun conmon catatonit curl || return
    printf '%s\n' '[containers]' 'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]' '[engine]' \
        'cgroup_manager = "cgroupfs"' 'events_logger = "file"' 'lock_type = "file"' >"$engine_dir/containers.conf"
    # shellcheck disable=SC2016
    CONTAINERS_CONF=$engine_dir/containers.conf \
        setpriv --pdeathsig TERM unshare --mount sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "$@"' _ \
        --root "$engine_dir/data" --runroot "$engine_dir/exec" --tmpdir "$engine_dir/tmp" --log-level warn \
        system service -t 0 "unix://$engine_socket" >"$engine_dir/log" 2>&1 &
    engine_pid=$!
}

engine_up() {
    engine_options=("${@:2}")
    [ "$(id -u)" = 0 ] || { engine_why='needs root for an engine of its own' && return 1; }
    unshare --mount true 2>/dev/null || { engine_why='this machine allows no new namespaces' && return 1; }
    engine_dir=$(mktemp -d /tmp/muster-engine-XXXXXX) || return
    engine_socket=$engine_dir/s engine_cgroup=muster-test-$$
    "engine_$1" || { engine_down && return 1; }
    for _ in {1..600}; do
        [ "$(engine_api GET /_ping 2>/dev/null)" = OK ] && return
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.1
    done
    engine_why="$1 does not start: $(tail -n 1 "$engine_dir/log")"
    engine_down
    return 1
}

# Prints the path of the image's root as one tar, made once and kept under build/cache.
engine_image_tar() {
    local cache tar
    cache=$(pwd)/build/cache
    tar=$cache/engine-image.tar
    mkdir -p "$cache"
    (
        flock 9
        [ -s "$tar" ] && exit
        base=$(debian_base) || { echo "$base" && exit 1; }
        # shellcheck disable=SC2016
        rm -rf "$tar.root" && cp -a "$base" "$tar.root" &&
            unshare --mount bash -c 'mount -t proc proc "$1/proc"; exec chroot "$1" bash -c "export DEBIAN_FRONTEND=noninteractive
                apt-get -qq update && apt-get -qq install -y --no-install-recommends git curl ca-certificates && apt-get clean"' \
                _ "$tar.root" >"$tar.log" 2>&1 &&
            rm -rf "$tar.root"/var/lib/apt/lists/* && tar -C "$tar.root" -cf "$tar.new" . && mv "$tar.new" "$tar"
        made=$?
        rm -rf "$tar.root" "$tar.new"
        [ "$made" = 0 ] || { echo "the image: $(tail -n 1 "$tar.log")" && exit 1; }
    ) 9>"$tar.lock" && echo "$tar"
}

engine_image() {
    local tar
    tar=$(engine_image_tar) || { engine_why=$tar && return 1; }
    ENGINE_TIMEOUT_S=300 engine_api POST "/images/create?fromSrc=-&repo=$engine_image_name" -T "$tar" \
        -H 'Content-Type: application/x-tar' >"$engine_dir/import" 2>&1
    engine_api GET "/images/$engine_image_name/json" -o /dev/null -f 2>/dev/null ||
        { engine_why="the image cannot be loaded: $(tail -n 1 "$engine_dir/import")" && return 1; }
}

engine_down() {
    local id
    [ -n "$engine_dir" ] || return 0
    if [ -n "$engine_pid" ]; then
        for id in $(engine_api GET '/containers/json?all=1' 2>/dev/null | grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4); do
            engine_api DELETE "/containers/$id?force=1&v=1" >/dev/null 2>&1
        done
        kill "$engine_pid" 2>/dev/null
        wait "$engine_pid" 2>/dev/null
    fi
    rm -rf "${engine_dir:?}"
    rmdir /etc/docker 2>/dev/null
    for id in /sys/fs/cgroup/*/"$engine_cgroup" /sys/fs/cgroup/"$engine_cgroup" /sys/fs/cgroup/*/libpod_parent; do
        [ ! -d "$id" ] || rmdir "$id" 2>/dev/null
    done
    engine_dir='' engine_pid=''
    return 0
}
