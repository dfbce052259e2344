#!/usr/bin/env bash
# The bootstrap's check of the GPUs, run for real without root: a stand-in nvidia-smi, everything written below one
# directory. A machine that passes goes on to the runner's download, which has nothing to download here.
# usage: B=build tests/e2e/test_bootstrap_gpu.sh
# shellcheck disable=SC2016 # what looks like an expansion is text of the stand-ins
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# boot NAME GPUS GPU_MEMORY: runs the bootstrap with the stand-in nvidia-smi from standard input. The pipe at its end is
# open as long as the watchdog lives, so that nothing is written any more when it returns.
boot() {
    name=$1
    local root=$work/$name
    mkdir -p "$root/bin" "$root/run"
    { echo '#!/bin/sh' && cat; } >"$root/bin/nvidia-smi"
    chmod 755 "$root/bin/nvidia-smi"
    JIT=x GPUS=$2 GPU_MEMORY=$3 "$B/tests/e2e/render_bootstrap" "muster-$name" '' "file://$work/nothing" "$(printf '%064d' 0)" \
        $(($(date +%s) + 600)) 600 >"$root/script" || return
    env -i PATH="$root/bin:$PATH" MUSTER_UNPRIVILEGED=1 MUSTER_TICK_S=0.05 MUSTER_GPU_TIMEOUT_S=60 MUSTER_ROOT="$root" \
        MUSTER_POWEROFF="echo off >>$root/power-off" timeout 300 bash "$root/script" 2>&1 </dev/null | cat >"$root/out"
}

# says REGEX: the reason for powering off, given exactly once.
says() {
    if [ "$(grep -c . "$work/$name/power-off" 2>/dev/null)" = 1 ] && grep -qE "^muster: stage power-off: $1" "$work/$name/out"; then
        printf 'ok test_bootstrap_gpu__%s\n' "$name"
    else
        printf 'not ok test_bootstrap_gpu__%s: expected %s\n%s\n' "$name" "$1" "$(cat "$work/$name/out")"
        failed=1
    fi
}

two_t4='case $* in
-L) printf "GPU 0: Tesla T4 (UUID: GPU-0)\nGPU 1: Tesla T4 (UUID: GPU-1)\n" ;;
*memory.total*) printf "15360\n15079\n" ;;
esac'

boot a_machine_without_a_wish_is_not_asked 0 0 <<<'echo asked >&2; exit 1'
says 'failed: runner download'
boot as_many_as_asked_pass 2 0 <<<"$two_t4"
says 'failed: runner download'
boot one_too_few_ends_the_machine_and_says_so 3 0 <<<"$two_t4"
says 'failed: GPU: 3 asked for, 2 here: GPU 0: Tesla T4 .*GPU 1: Tesla T4'
boot what_the_driver_keeps_of_the_memory_is_forgiven 2 16 <<<"$two_t4"
says 'failed: runner download'
boot less_memory_than_asked_ends_the_machine_and_says_so 1 24 <<<"$two_t4"
says 'failed: GPU: 1 with 24 GB asked for, 0 here: .*15360 15079'
boot each_of_them_must_be_as_big 2 40 <<<'case $* in
-L) printf "GPU 0: A100\nGPU 1: A10\n" ;;
*) printf "40960\n23028\n" ;;
esac'
says 'failed: GPU: 2 with 40 GB asked for, 1 here: '
boot memory_alone_asks_for_one_gpu 0 80 <<<'case $* in -L) echo "GPU 0: A100-SXM4-80GB" ;; *) echo 81920 ;; esac'
says 'failed: runner download'
boot memory_that_is_no_number_is_no_memory 1 1 <<<'case $* in -L) echo "GPU 0: A100" ;; *) echo "[N/A]" ;; esac'
says 'failed: GPU: 1 with 1 GB asked for, 0 here: '
exit "$failed"
