#!/usr/bin/env bash
# Build each fuzz target with clang's libFuzzer under address and undefined sanitizers, run each T seconds, two at a
# time, and count. Seeds stand in tests/fuzz/corpus/NAME and are only read; what a run learns is kept in B/corpus/NAME,
# what breaks a target in B/findings. usage: B=builddir T=seconds fuzz.sh SOURCE...
set -u
B=${B:-build/fuzz}
T=${T:-60}
export B T
sh deploy/install-deps.sh || exit 1
sh deploy/install-deps.sh fuzz || exit 1
if [ $# -eq 0 ]; then
    echo "fuzz: no targets given" >&2
    exit 1
fi
mkdir -p "$B/findings" "$B/logs"
rm -f "$B"/logs/*

programs=()
for source in "$@"; do
    name=${source##*/}
    programs+=("$B/fuzz/${name%.c}")
done
make -s -j2 CC=clang-14 SAN=address,undefined OPT='-O1 -g -Wno-error -fsanitize=fuzzer-no-link' B="$B" "${programs[@]}" || exit 1

run_one() {
    local program=$1 name seeds log rc=0
    name=${program##*/fuzz_}
    seeds=tests/fuzz/corpus/$name
    log=$B/logs/$name
    mkdir -p "$B/corpus/$name" "$seeds"
    # A hang, a leak, a crash and a broken property all end it; every finding is kept as a file.
    "$program" -max_total_time="$T" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 \
        -artifact_prefix="$B/findings/$name-" "$B/corpus/$name" "$seeds" >"$log" 2>&1 || rc=$?
    local runs
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ "$rc" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        printf 'ok fuzz %-12s %9s runs, %s kept inputs\n' "$name" "$runs" "$(find "$B/corpus/$name" -type f | wc -l)"
        : >"$log.passed"
    else
        printf 'not ok fuzz %s: ended with %s; inputs in %s/findings\n' "$name" "$rc" "$B"
        grep -aE 'does not hold|ERROR: |SUMMARY: |runtime error|Test unit written' "$log" | head -n 20
    fi
}
export -f run_one

# shellcheck disable=SC2016 # expanded by the inner bash
printf '%s\0' "${programs[@]}" | xargs -0 -P 2 -I{} bash -c 'run_one "$1"' _ {}
passed=$(find "$B/logs" -name '*.passed' | wc -l)
printf '%s passed, %s failed\n' "$passed" "$((${#programs[@]} - passed))"
[ "$passed" -eq "${#programs[@]}" ]
