#!/usr/bin/env bash
# The lint itself: each rule must fire on a small bad tree, and keep still on a good one.
# shellcheck disable=SC2016 # what looks like an expansion is text of the trees
set -u
lint=$(cd "$(dirname "$0")" && pwd)/lint.sh
format=$(cd "$(dirname "$0")/../.." && pwd)/.clang-format
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# A tree without a fault, new for each case.
fresh() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/server/{base,engine,api,cli,config,github} "$tree"/providers/common "$tree"/tests/unit "$tree"/deploy
    cp "$format" "$tree/.clang-format"
    printf '#include "server/base/a.h"\n\nint a(void)\n{\n    return 1;\n}\n' >"$tree/server/base/a.c"
    printf '/* A comment. */\nint a(void);\n' >"$tree/server/base/a.h"
    printf '#include "providers/provider.h"\n\nconst int provider_x = 1;\n' >"$tree/providers/x.c"
    printf 'extern const int provider_x;\n' >"$tree/providers/provider.h"
    printf '| `x` | `x.c` |\n' >"$tree/providers/README.md"
}

# put FILE TEXT: a file of the tree; \n in TEXT are new lines.
put() {
    mkdir -p "$(dirname "$tree/$1")"
    printf '%b' "$2" >"$tree/$1"
}

result() {
    if [ "$1" = 0 ]; then
        printf 'ok test_lint__%s\n' "$2"
    else
        printf 'not ok test_lint__%s: %s\n%s\n' "$2" "$3" "$out"
        failed=1
    fi
}

# finds NAME FILE:LINE: PIECE: the tree has exactly this one finding.
finds() {
    out=$(bash "$lint" "$tree" 2>&1)
    local rc=$?
    [ "$rc" -ne 0 ] && [ "$(grep -vc '^not ok lint ' <<<"$out")" = 1 ] && grep -qF "$2" <<<"$out" && grep -qF -- "$3" <<<"$out"
    result $? "$1" "expected only $2 $3, exit $rc"
}

passes() {
    out=$(bash "$lint" "$tree" 2>&1)
    local rc=$?
    [ "$rc" = 0 ] && [ -z "$out" ]
    result $? "$1" "expected silence, exit $rc"
}

fresh
passes a_good_tree_passes_in_silence

# Layers.
fresh
put server/base/b.c '#include "server/engine/e.h"\n'
put server/engine/e.h 'int e(void);\n'
finds a_lower_row_may_not_include_a_higher_one server/base/b.c:1: 'row 0 includes server/engine/e.h of row 5'
fresh
put server/config/c.c '#include "server/github/g.h"\n'
put server/github/g.h 'int g(void);\n'
finds folders_of_one_row_do_not_see_each_other server/config/c.c:1: 'folders of one row'
fresh
put server/main.c '#include "server/cli/c.h"\n'
put server/cli/c.h 'int c(void);\n'
passes main_and_cli_are_one_folder
fresh
put providers/x_disks.h 'int x(void);\n'
finds a_cloud_is_one_file_that_nobody_includes providers/x_disks.h:1: 'a cloud is one file'
fresh
put providers/x.c '#include "providers/provider.h"\n\n#include "providers/common/c.h"\n'
put providers/provider.h '#include "providers/common/c.h"\n'
put providers/common/c.h 'int c(void);\n'
passes a_provider_may_include_the_contract_and_the_common_parts
fresh
put providers/common/c.h '#include "providers/provider.h"\n'
put providers/provider.h 'int p(void);\n'
finds the_common_parts_do_not_know_the_contract providers/common/c.h:1: 'row 1 includes'
fresh
put server/base/b.c '#include "tests/unit/u.h"\n'
put tests/unit/u.h '#include "server/base/a.h"\n'
finds only_tests_include_from_tests server/base/b.c:1: 'only tests'
fresh
put tests/unit/u.c '#include "server/base/a.h"\n#include "server/engine/e.h"\n'
put server/engine/e.h 'int e(void);\n'
passes tests_include_what_they_like
fresh
put server/other/o.h 'int o(void);\n'
finds a_folder_outside_the_rows_is_found server/other/o.h:1: 'stands in no row'
fresh
put server/base/b.c '#include "a.h"\n'
finds includes_name_the_path_from_the_root server/base/b.c:1: 'path from the root'
fresh
put server/base/b.h '#include "server/base/c.h"\n'
put server/base/c.h '#include "server/base/d.h"\n'
put server/base/d.h '#include "server/base/b.h"\n'
finds circles_of_headers_are_found server/base/ 'in a circle'

# Sizes.
fresh
put server/base/b.c "int b(void)\n{\n$(printf '    a();\\n%.0s' {1..70})}\n"
passes a_function_of_70_lines_passes
fresh
put server/base/b.c "int b(void)\n{\n$(printf '    a();\\n%.0s' {1..71})}\n"
finds a_function_of_71_lines_is_found server/base/b.c:2: '71 lines; 70'
fresh
put server/base/b.c "$(printf 'int b(void);\\n%.0s' {1..601})"
finds a_file_of_601_lines_is_found server/base/b.c:601: '601 lines; 600'
fresh
put server/base/b.h "$(printf 'int b(void); /* a comment\\n              * goes on */\\n\\n%.0s' {1..149})int z(void);\\n"
passes a_header_is_measured_without_comments_and_blank_lines
fresh
put server/base/b.h "$(printf 'int b(void);\\n%.0s' {1..151})"
finds a_header_of_151_lines_of_code_is_found server/base/b.h:151: '151 lines of code'

# Words.
for word in strcpy strcat sprintf vsprintf gets strtok atoi atol atof system sleep usleep nanosleep rand alloca; do
    fresh
    put server/base/b.c "int b(void)\n{\n    return $word(1);\n}\n"
    finds "forbidden_$word" server/base/b.c:3: "forbidden: $word("
done
fresh
put server/base/b.c 'int b(void)\n{\n    goto end;\nend:\n    return 1;\n}\n'
finds forbidden_goto server/base/b.c:3: goto
fresh
put server/base/b.c '/* strcpy(a) is bad, goto too: // */\nstatic const char *const b[] = {"strcpy(x)", "// \\"goto", "'"'"'"};\n'
passes comments_and_strings_may_say_anything
fresh
put server/base/b.c 'int my_atoi(int x);\nint b(int snprintf);\n'
passes names_that_only_contain_a_forbidden_one_pass
fresh
put server/base/b.c 'int b(void); // why\n'
finds slash_comments_are_found server/base/b.c:1: 'comments are /* */'
fresh
put server/base/b.c 'int b(void)\n{\n#ifdef X\n    a();\n#endif\n    return 1;\n}\n'
finds conditions_inside_a_function_are_found server/base/b.c:3: 'conditional compilation'
fresh
put server/base/b.c 'int b(void)\n{\n    return memcmp(secret_reveal(x), y, 3);\n}\n'
finds memcmp_on_a_secret_is_found server/base/b.c:3: crypto_equal

# State.
while IFS='|' read -r name text; do
    fresh
    put server/base/b.c "$text"
    finds "state_$name" server/base/b.c: 'can change'
done <<'END'
plain_int|static int counter;\n
array_with_values|static int counter[] = {1, 2};\n
pointer_to_const|static const char *name = "x";\n
struct_value|static struct a b = {.x = 1};\n
function_pointer|static int (*fn)(void);\n
static_inside_a_function|int b(void)\n{\n    static int n;\n\n    return n++;\n}\n
behind_a_function|int b(void)\n{\n    return 1;\n}\n\nint counter = 1;\n
END
fresh
put server/base/b.c 'typedef int (*fn)(void);\nstruct s {\n    int a, b;\n};\nenum e { A, B };\nextern int outside;\nstruct t;
static const struct {\n    int n;\n} many[] = {{1}, {2}};\nstatic const char *const names[] = {"a", "b"};\n
static int later(void (*call)(void *), int n);\n
int b(void)\n{\n    static const char digits[] = "01";\n    int n = 1;\n\n    return digits[n];\n}\n'
passes constants_types_and_declarations_are_no_state
fresh
put server/base/clock.c 'static int now;\n'
put tests/unit/t.c 'static int now;\n'
passes clock_and_tests_may_keep_state

# The rest.
fresh
put server/base/b.c 'int b(void);\n/* TODO: more */\n'
finds promises_of_later_work_are_found server/base/b.c:2: 'finish it'
fresh
put deploy/x.yml 'a: 1  \n'
finds blanks_at_the_end_of_a_line_are_found deploy/x.yml:1: 'blanks'
fresh
put server/base/b.c 'int  b( void );\n'
finds formatting_is_checked server/base/b.c:1: 'make format'
fresh
put deploy/x.sh '#!/bin/sh\necho $1\n'
finds scripts_are_checked deploy/x.sh:2: shellcheck
fresh
put stray.txt 'x\n'
finds only_known_names_stand_at_the_top stray.txt:1: 'belongs in'
fresh
put providers/z.c 'const int provider_z = 1;\n'
finds a_cloud_missing_in_the_table_is_found providers/z.c:1: 'providers/README.md'
rm -rf "${tree:?}"/*
! out=$(bash "$lint" "$tree" 2>&1) && grep -q 'no C file' <<<"$out"
result $? an_empty_tree_is_no_success 'expected a failure'

exit "$failed"
