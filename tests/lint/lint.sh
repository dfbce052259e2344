#!/usr/bin/env bash
# The checks of `make lint`: layers, sizes, forbidden constructs, formatting, and what must stand beside what.
# Findings are lines FILE:LINE: CHECK: MESSAGE. Silent and 0 when there are none.
# usage: lint.sh [ROOT]
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$here/../..}" || exit 2
export LC_ALL=C

mapfile -t c_files < <(find server providers tests -name '*.[ch]' 2>/dev/null | sort)
mapfile -t sh_files < <(find server providers tests deploy .ci -name '*.sh' 2>/dev/null | sort)
mapfile -t text_files < <(find server providers tests deploy .ci -type f -not -path '*/corpus/*' -not -path '*/fixtures/*' \
    \( -name '*.[ch]' -o -name '*.sh' -o -name '*.awk' -o -name '*.md' -o -name '*.y*ml' -o -name '*.py' \) 2>/dev/null | sort)
for f in Makefile README.md Dockerfile; do [ -f "$f" ] && text_files+=("$f"); done

layers() {
    gawk -f "$here/code.awk" -f "$here/includes.awk" "${c_files[@]}"
}

sizes() {
    gawk -f "$here/code.awk" -f "$here/sizes.awk" "${c_files[@]}"
}

words() {
    gawk -f "$here/code.awk" -f "$here/words.awk" "${c_files[@]}"
}

# Words that promise later work, and blanks at the ends of lines. This folder has to name them.
markers() {
    printf '%s\n' "${text_files[@]}" | grep -v '^tests/lint/' |
        xargs -d '\n' -r grep -nHiE '\<(todo|fixme|stubs?|stubbed)\>|not (yet )?implemented' |
        sed -E 's/^([^:]*:[0-9]*):.*/\1: markers: finish it, or leave it out/'
    printf '%s\n' "${text_files[@]}" | xargs -d '\n' -r grep -nHE '[[:blank:]]+$' |
        sed -E 's/^([^:]*:[0-9]*):.*/\1: markers: blanks at the end of the line/'
}

format() {
    printf '%s\n' "${c_files[@]}" | xargs -d '\n' -r -n 40 -P 2 clang-format-14 --dry-run -Werror 2>&1 |
        sed -nE 's/^([^:]*:[0-9]*):[0-9]*: error: .*/\1: format: run make format/p' | sort -u
}

scripts() {
    # SC2317 takes functions that are called by name for unreachable.
    [ "${#sh_files[@]}" -eq 0 ] || shellcheck -f gcc -e SC2317 "${sh_files[@]}" |
        sed -E 's/^([^:]*:[0-9]*):[0-9]*: /\1: shellcheck: /'
}

# What stands at the top, and that each cloud stands in the table of clouds.
places() {
    local f name
    for f in *; do
        case $f in
        server | providers | tests | deploy | build | Dockerfile | Makefile | README.md | LICENSE) ;;
        *) printf '%s:1: places: belongs in server, providers, tests or deploy\n' "$f" ;;
        esac
    done
    for f in providers/*.c; do
        name=${f#providers/}
        if [ ! -e "$f" ] || [ "$name" = registry.c ]; then continue; fi
        # shellcheck disable=SC2016
        grep -qF '`'"$name"'`' providers/README.md || printf '%s:1: places: is missing in providers/README.md\n' "$f"
    done
}

for tool in gawk clang-format-14 shellcheck; do
    command -v "$tool" >/dev/null || {
        printf 'not ok lint: %s is missing; make deps installs it\n' "$tool"
        exit 1
    }
done
[ "${#c_files[@]}" -gt 0 ] || {
    printf 'not ok lint: no C file found in %s\n' "$PWD"
    exit 1
}

failed=0
for check in layers sizes words markers format scripts places; do
    findings=$("$check") || true
    if [ -n "$findings" ]; then
        printf '%s\nnot ok lint %s: %s findings\n' "$findings" "$check" "$(grep -c '' <<<"$findings")"
        failed=1
    fi
done
exit "$failed"
