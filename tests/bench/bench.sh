#!/usr/bin/env bash
# `make bench`: each aim of the performance notes beside what was measured here and whether it was reached. Ratios are to
# libmicrohttpd alone, in the same run, round by round; absolute figures depend on the machine and on what else it does.
# usage: B=builddir ROUNDS=5 tests/bench/bench.sh
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
export B
work=$(mktemp -d "$B/bench.XXXXXX") # on the disk the build is on: /tmp may be memory
server=
# shellcheck disable=SC2317  # called by the trap
clean() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap clean EXIT

# User instructions per durable delivery without its HMAC, over 2,000 deliveries of $1 bytes.
instructions() {
    local out=$work/callgrind port all hmac function
    mkdir "$work/db.$1"
    mkfifo "$work/in.$1"
    valgrind --tool=callgrind --callgrind-out-file="$out" "$B/tests/bench/bench_intake" serve store "$work/db.$1" \
        <"$work/in.$1" >"$work/port.$1" 2>"$work/valgrind.log" &
    server=$!
    exec 9>"$work/in.$1"
    until [ -s "$work/port.$1" ]; do kill -0 "$server"; done
    read -r port <"$work/port.$1"
    "$B/tests/bench/bench_intake" load "$port" 300 16 kept "$1" >>"$work/load.log" # first uses: not counted
    callgrind_control -z "$server" >/dev/null
    "$B/tests/bench/bench_intake" load "$port" 2000 16 kept "$1" >>"$work/load.log"
    callgrind_control -d "$server" >/dev/null
    exec 9>&-
    wait "$server"
    server=
    callgrind_annotate --inclusive=yes --threshold=100 "$out.1" >"$work/annotated"
    all=$(sed -n 's/ *\([0-9,]*\) .*PROGRAM TOTALS.*/\1/p' "$work/annotated" | head -n 1 | tr -d ,)
    hmac=0
    for function in signature_begin signature_add signature_end; do
        hmac=$((hmac + $(grep -E ":$function( |\$)" "$work/annotated" | head -n 1 | awk '{gsub(",", "", $1); print $1 + 0}')))
    done
    rm -f "$out".*
    awk -v per=$(((all - hmac) / 2000)) -v kb=$(($1 / 1000)) 'BEGIN {
        what = sprintf("6  instructions per durable delivery without HMAC, %d KB", kb)
        printf "%-66s %6.0f k  (aim <= 140 k)  %s\n", what, per / 1000, per <= 140000 ? "reached" : "NOT REACHED"
    }'
}

printf 'on %s cores, load %s\n' "$(nproc)" "$(cut -d' ' -f1 /proc/loadavg)"
"$B/tests/bench/bench_intake" "$work"
if command -v valgrind >/dev/null; then
    instructions 11000
    instructions 20000
else
    echo '6  not measured: valgrind is missing (apt-get install valgrind)'
fi
mkdir "$work/daemon"
"$B/tests/bench/bench_daemon" "$work/daemon"
