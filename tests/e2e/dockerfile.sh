#!/usr/bin/env bash
# The Dockerfile, built without any engine or registry: buildah, in a chroot, from a debootstrapped root. Then the image
# is used as a container would: the version, the daemon as its own user, the health check, a clean end.
# shellcheck disable=SC2016,SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/debian_root.sh disable=SC1091
. tests/support/debian_root.sh

skip() {
    echo "SKIP dockerfile: $1"
    exit 0
}
command -v buildah >/dev/null || skip 'buildah is missing'
[ "$(id -u)" = 0 ] || skip 'needs root for a root directory of its own'
base=$(debian_base) || skip "$base"

work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill "$daemon" 2>/dev/null; store rm -a >/dev/null 2>&1; rm -rf "$work"' EXIT
store() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver "${driver:-overlay}" "$@"
}
inside() {
    store run --isolation chroot "$@"
}

# The base as an image. overlay where the file system can, else vfs.
container=$(store from scratch 2>/dev/null) || { driver=vfs && container=$(store from scratch 2>"$work/log"); } ||
    skip "buildah cannot store here: $(tail -n 1 "$work/log")"
cp -a "$base/." "$(store mount "$container")/" || skip 'the base cannot be copied into a container'
store commit -q --rm "$container" localhost/debian-base >/dev/null || skip 'the base cannot be made an image'

failed=0
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -n 3 "$work/out" | tr '\n' ' ')"
        failed=1
    fi
}

build() {
    git ls-files -z -co --exclude-standard | xargs -0 cp --parents -t "$1" 2>/dev/null
    store bud --isolation chroot --build-arg BASE=localhost/debian-base --build-arg RUN_BASE=localhost/debian-base \
        --pull-never -q -t localhost/muster "$1"
}
mkdir "$work/context"
check dockerfile_builds build "$work/context"
[ "$failed" = 0 ] || { tail -n 40 "$work/out"; exit 1; }
bytes() {
    store images --json "localhost/$1" | sed -n 's/^ *"size": "\(.*\)",/\1/p'
}
echo "image: $(bytes muster), of which the Debian base $(bytes debian-base)"

container=$(store from localhost/muster)
version() {
    inside "$container" -- muster version | grep -E '[0-9]+\.[0-9]+'
}
check muster_version_runs_in_the_image version
not_root() {
    [ "$(inside "$container" -- id -u)" = 10001 ]
}
check the_image_does_not_run_as_root not_root
own_state_only() {
    inside "$container" -- sh -c 'touch /var/lib/muster/x && rm /var/lib/muster/x && ! touch /etc/x && ! touch /usr/local/bin/x'
}
check the_image_writes_its_state_and_nothing_else own_state_only
no_compiler() {
    inside "$container" -- sh -c '! command -v gcc && ! command -v make && ! ls /src'
}
check no_compiler_and_no_source_in_the_image no_compiler
no_missing_library() {
    ! inside "$container" -- ldd /usr/local/bin/muster | grep 'not found'
}
check every_library_is_there no_missing_library

# The daemon with made-up credentials: it must come up, be found healthy, and end on SIGTERM.
openssl genrsa -traditional -out "$work/app.pem" 2048 2>/dev/null && chmod 644 "$work/app.pem"
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
serve() {
    inside -v "$work/app.pem:/run/app.pem:ro" -e "MUSTER_LISTEN=127.0.0.1:$port" -e MUSTER_ADMIN_LISTEN=127.0.0.1:0 \
        -e MUSTER_GITHUB_APP_ID=1 -e MUSTER_GITHUB_PRIVATE_KEY_FILE=/run/app.pem -e MUSTER_WEBHOOK_SECRET=e2e-secret \
        -e GITHUB_API_URL=http://127.0.0.1:9 -e AWS_REGION=eu-west-1 -e AWS_ACCESS_KEY_ID=x -e AWS_SECRET_ACCESS_KEY=y \
        "$container" -- sh -c 'muster serve & echo $! >/var/lib/muster/pid; wait $!; echo "ended with $?"'
}
serve >"$work/serve" 2>&1 &
daemon=$!
healthy() {
    until inside -e "MUSTER_LISTEN=127.0.0.1:$port" "$container" -- bash /usr/local/bin/muster-healthcheck; do
        kill -0 "$daemon" || { cat "$work/serve" && return 1; }
        [ $((tries += 1)) -lt 50 ] || return
    done
}
tries=0
check the_health_check_finds_the_daemon_well healthy
ends() {
    inside "$container" -- sh -c 'kill "$(cat /var/lib/muster/pid)"' && wait "$daemon" && grep -x 'ended with 0' "$work/serve"
}
check the_daemon_ends_cleanly_on_sigterm ends
daemon=
sick() {
    ! inside -e "MUSTER_LISTEN=127.0.0.1:$port" "$container" -- bash /usr/local/bin/muster-healthcheck
}
check the_health_check_sees_that_nobody_answers sick
exit "$failed"
