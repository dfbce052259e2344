#!/usr/bin/env bash
# Run test programs, two at a time, and count. A program is a cmocka binary, or a script that prints lines
# "ok NAME", "not ok NAME: why" and "SKIP NAME: why". A program that ends badly without naming a failure counts as one.
# usage: B=builddir tests/run.sh PROGRAM...
set -u
B=${B:-build}
export B
unset http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY # tests talk to this machine only
logs=$B/logs
mkdir -p "$logs"
began=$(date +%s)

run_one() {
    local program=$1 log
    log=$2/$(printf %s "$program" | tr / _).log
    local t0 rc
    t0=$(date +%s%N)
    case $program in
    *.sh) timeout "${TEST_TIMEOUT:-900}" bash "$program" >"$log" 2>&1 ;;
    *.py) timeout "${TEST_TIMEOUT:-900}" /usr/bin/python3 "$program" >"$log" 2>&1 ;;
    *) timeout "${TEST_TIMEOUT:-900}" "$program" >"$log" 2>&1 ;;
    esac
    rc=$?
    printf '%s\n' "$rc" >"$log.rc"
    local passed failed skipped
    passed=$(grep -caE '^(\[       OK \]|ok )' "$log")
    failed=$(grep -aE '^(\[  FAILED  \] [a-zA-Z_0-9]+$|not ok )' "$log" | sort -u | wc -l)
    skipped=$(grep -caE '^SKIP ' "$log")
    if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
        printf 'not ok %s: ended with %s\n' "$program" "$rc" >>"$log"
    fi
    printf '%s %s %s\n' "$passed" "$failed" "$skipped" >"$log.count"
    printf '%-44s %4s passed %2s failed %2s skipped %6s ms\n' "${program#"$B"/tests/}" "$passed" "$failed" "$skipped" \
        $((($(date +%s%N) - t0) / 1000000))
    if [ "$failed" -ne 0 ]; then
        printf -- '---- %s\n' "$program"
        tail -n 60 "$log"
        printf -- '----\n'
    fi
    grep -aE '^SKIP ' "$log"
    return 0
}
export -f run_one

rm -f "$logs"/*.log "$logs"/*.count "$logs"/*.rc
# shellcheck disable=SC2016 # expanded by the inner bash
printf '%s\0' "$@" | xargs -0 -P "${JOBS:-2}" -I{} bash -c 'run_one "$1" "$2"' _ {} "$logs"

awk -v seconds=$(($(date +%s) - began)) '
    { p += $1; f += $2; s += $3 }
    END {
        printf "took %d s\n%d passed, %d failed%s\n", seconds, p, f, s ? ", " s " skipped" : ""
        exit f > 0 || p == 0
    }' "$logs"/*.count
