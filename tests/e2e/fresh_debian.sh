#!/usr/bin/env bash
# The README's promise: a fresh Debian 12 with nothing but git, make and a clone; `make demo` and `make test` succeed with
# no step before them. Takes a while: .ci/run asks for it with FRESH=1.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../.. source=tests/support/debian_root.sh disable=SC1091
. tests/support/debian_root.sh

skip() {
    echo "SKIP fresh_debian: $1"
    exit 0
}
[ "$(id -u)" = 0 ] || skip 'needs root for a root directory of its own'
unshare --pid --fork --mount true 2>/dev/null || skip 'this machine allows no new namespaces'
base=$(debian_base) || skip "$base"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
cp -a "$base" "$root"
inside() {
    # shellcheck disable=SC2016
    unshare --pid --fork --kill-child --mount bash -c '
        mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/dev/shm" || exit
        exec chroot "$1" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            /bin/bash -c "$2"' _ "$root" "$1" </dev/null
}
inside 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends git make ca-certificates' \
    >"$work/log" 2>&1 || skip "git and make cannot be installed: $(tail -n 1 "$work/log")"
git clone -q --no-hardlinks . "$root/root/muster" && chown -R root: "$root/root/muster"

failed=0
for target in demo test; do
    began=$SECONDS
    if inside "cd /root/muster && make $target" >"$work/$target.log" 2>&1; then
        echo "ok make_${target}_in_a_fresh_debian"
        echo "make $target took $((SECONDS - began)) s, packages and build included"
    else
        echo "not ok make_${target}_in_a_fresh_debian: ended badly after $((SECONDS - began)) s"
        tail -n 60 "$work/$target.log"
        failed=1
    fi
    tail -n 3 "$work/$target.log"
done
exit "$failed"
