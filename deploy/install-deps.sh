#!/bin/sh
# Install the Debian packages that are missing. Root, or sudo.
# usage: install-deps.sh [build|test|fuzz]
# build: what compiling muster needs; test (the default): what testing needs too; fuzz: what make fuzz needs beside them
set -eu
packages="gcc libc6-dev make pkg-config gawk libmicrohttpd-dev libssl-dev libjansson-dev libcurl4-openssl-dev libyaml-dev
libsqlite3-dev libexpat1-dev ca-certificates tzdata"
case ${1:-test} in
build) ;;
test) packages="$packages libcmocka-dev clang-format-14 shellcheck curl procps openssl sqlite3 python3 git" ;;
fuzz) packages="clang-14 libclang-rt-14-dev" ;;
*)
    echo "install-deps: build, test or fuzz, not $1" >&2
    exit 1
    ;;
esac
missing=
for p in $packages; do
    dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then as_root=; elif command -v sudo >/dev/null 2>&1; then as_root=sudo; else
    echo "install-deps: missing:$missing; run as root, or install sudo" >&2
    exit 1
fi
echo "install-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
