#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/mem.h"
#include "server/base/yaml.h"

#include <stdio.h>
#include <string.h>

#define MAX ((size_t)256 * 1024)

static struct yaml_doc *parse(const char *text)
{
    struct yaml_doc *d = NULL;
    struct err e;

    if (yaml_parse(text, strlen(text), MAX, "f.yml", &d, &e))
        fail_msg("%s", e.msg);
    return d;
}

/* The text is refused with exactly this message. */
static void refused_n(const char *text, size_t len, const char *want)
{
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e = {0};

    assert_int_equal(yaml_parse(text, len, MAX, "f.yml", &d, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_null(d);
    assert_string_equal(e.msg, want);
}

static void refused(const char *text, const char *want)
{
    refused_n(text, strlen(text), want);
}

static void as_json(const char *text, const char *want)
{
    AUTO_YAML struct yaml_doc *d = parse(text);
    json_t *j = yaml_to_json(yaml_root(d));
    AUTO_FREE char *got = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

    json_decref(j);
    assert_string_equal(got, want);
}

static void test_yaml__every_node_knows_its_line_and_column(void **state)
{
    AUTO_YAML struct yaml_doc *d = parse("# comment\nrunners:\n  - name: gpu\n    labels: [a, 'b']\n");
    const struct yaml_node *runners = yaml_get(yaml_root(d), "runners"), *labels;

    (void)state;
    assert_int_equal(runners->kind, YAML_LIST);
    assert_int_equal(runners->line, 3);
    assert_int_equal(runners->column, 3);
    labels = yaml_get(runners->items[0], "labels");
    assert_int_equal(labels->line, 4);
    assert_int_equal(labels->column, 13);
    assert_int_equal(labels->items[1]->column, 17);
    assert_int_equal(runners->items[0]->pairs[0].key->column, 5);
    assert_true(labels->items[0]->plain);
    assert_false(labels->items[1]->plain);
    assert_string_equal(yaml_file(d), "f.yml");
}

static void test_yaml__columns_count_characters_not_bytes(void **state)
{
    AUTO_YAML struct yaml_doc *d = parse("\"\xC3\xA9\xC3\xA9\": x\n");

    (void)state;
    assert_int_equal(yaml_root(d)->pairs[0].value->column, 7);
}

static void test_yaml__scalars_keep_their_text(void **state)
{
    AUTO_YAML struct yaml_doc *d = parse("v: 22631.2861.231204\nw: 0804786\nx: 1.10\ny: yes\n");

    (void)state;
    assert_string_equal(yaml_get(yaml_root(d), "v")->text, "22631.2861.231204");
    assert_string_equal(yaml_get(yaml_root(d), "w")->text, "0804786");
    assert_string_equal(yaml_get(yaml_root(d), "x")->text, "1.10");
    assert_string_equal(yaml_get(yaml_root(d), "y")->text, "yes");
    assert_null(yaml_get(yaml_root(d), "z"));
    assert_null(yaml_get(NULL, "z"));
    assert_null(yaml_get(yaml_get(yaml_root(d), "v"), "z"));
}

static void test_yaml__an_empty_document_is_nothing(void **state)
{
    static const char *const empty[] = {"", "\n\n", "# only a comment\n", "---\n", "~", "null\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        AUTO_YAML struct yaml_doc *d = parse(empty[i]);

        assert_true(yaml_is_null(yaml_root(d)));
        assert_string_equal(yaml_kind_name(yaml_root(d)), "nothing");
    }
}

static void test_yaml__a_mistake_is_named_with_line_column_and_remedy(void **state)
{
    (void)state;
    refused("a: 1\nb: owner: x\n",
            "f.yml:2:9: mapping values are not allowed in this context; text that holds \": \" needs quotes");
    refused("a:\n\t- x\n", "f.yml:2:1: found character that cannot start any token; quote the text, and indent with "
                           "spaces, not tabs");
}

static void test_yaml__bytes_that_are_no_utf8_are_found_by_line_and_column(void **state)
{
    (void)state;
    refused("a: b\nc: x\xFFy\n", "f.yml:2:5: invalid leading UTF-8 octet; the file must be UTF-8 text");
    refused("a: \x01\n", "f.yml:1:4: control characters are not allowed; the file must be UTF-8 text");
    refused_n("\xFF\xFE"
              "a\0",
              4, "f.yml:1:1: invalid leading UTF-8 octet; the file must be UTF-8 text");
}

static void test_yaml__a_byte_order_mark_and_windows_line_ends_are_accepted(void **state)
{
    (void)state;
    as_json("\xEF\xBB\xBF"
            "a: 1\r\nb: [x]\r\n",
            "{\"a\":1,\"b\":[\"x\"]}");
}

static void test_yaml__what_we_do_not_read_is_refused(void **state)
{
    (void)state;
    refused("a: 1\n---\nb: 2\n", "f.yml:2:1: a second document begins here; one file holds one document");
    refused("? [x]\n: 1\n", "f.yml:1:3: a key must be text, found a list");
    refused("a: 1\nb: 2\n\"a\": 3\n", "f.yml:3:1: the key \"a\" stands twice in this mapping, first on line 1");
    refused("a: !env HOME\n", "f.yml:1:4: the tag !env is not understood here; write the value without it");
    refused("a: !!binary aGk=\n",
            "f.yml:1:4: the tag tag:yaml.org,2002:binary is not understood here; write the value without it");
    refused("a: !!map x\n",
            "f.yml:1:4: the tag tag:yaml.org,2002:map is not understood here; write the value without it");
    refused("a: \"x\\0y\"\n", "f.yml:1:4: the text holds a NUL character");
    refused("a: *x\n", "f.yml:1:4: the alias *x has no anchor &x before it");
    refused("a: &x\n  - *x\n", "f.yml:2:5: the alias *x stands inside what it refers to");
}

static void test_yaml__core_tags_decide_between_text_and_value(void **state)
{
    (void)state;
    as_json("a: !!str 5\nb: !!int '6'\nc: ! 7\nd: !!seq [1]\ne: !!map {x: !!null ''}\n",
            "{\"a\":\"5\",\"b\":6,\"c\":\"7\",\"d\":[1],\"e\":{\"x\":null}}");
}

static void test_yaml__aliases_and_merge_keys_are_followed(void **state)
{
    (void)state;
    as_json(
        "base: &b {cloud: aws, region: x}\nr:\n  <<: *b\n  region: y\n  n: &n [1]\nm: *n\n",
        "{\"base\":{\"cloud\":\"aws\",\"region\":\"x\"},\"r\":{\"region\":\"y\",\"n\":[1],\"cloud\":\"aws\"},\"m\":[1]"
        "}");
    as_json("- &a {k: 1}\n- &b {k: 2, l: 3}\n- {<<: [*a, *b]}\n", "[{\"k\":1},{\"k\":2,\"l\":3},{\"k\":1,\"l\":3}]");
    as_json("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
    as_json("'<<': 1\n", "{\"<<\":1}");
    refused("a: {<<: 5}\n", "f.yml:1:5: << expects a mapping or a list of mappings");
}

static void test_yaml__a_billion_laughs_end_at_the_node_limit(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e;

    (void)state;
    buf_adds(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        buf_addf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_addf(&b, "%s*a%d", k > 0 ? ", " : "", i - 1);
        buf_adds(&b, "]\n");
    }
    assert_int_equal(yaml_parse(b.p, b.len, MAX, "f.yml", &d, &e), -1);
    assert_non_null(strstr(e.msg, "more than 10000 values"));
}

static void parse_list_of(size_t n, int want)
{
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e;

    for (size_t i = 0; i < n; i++)
        buf_adds(&b, "- x\n");
    assert_int_equal(yaml_parse(b.p, b.len, MAX, "f.yml", &d, &e), want);
}

static void test_yaml__the_node_limit_is_exact(void **state)
{
    (void)state;
    parse_list_of(YAML_MAX_NODES - 1, 0);
    parse_list_of(YAML_MAX_NODES, -1);
}

static void nest(size_t levels, int want)
{
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e;

    for (size_t i = 0; i < levels; i++)
        buf_adds(&b, "[");
    for (size_t i = 0; i < levels; i++)
        buf_adds(&b, "]");
    assert_int_equal(yaml_parse(b.p, b.len, MAX, "f.yml", &d, &e), want);
    if (want != 0)
        assert_non_null(strstr(e.msg, "nested deeper than 32 levels"));
}

static void test_yaml__depth_is_limited_through_aliases_too(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(MAX);
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e;

    (void)state;
    nest(YAML_MAX_DEPTH, 0);
    nest(YAML_MAX_DEPTH + 1, -1);
    nest(10000, -1);
    buf_adds(&b, "- &a0 [x]\n");
    for (int i = 1; i < 40; i++)
        buf_addf(&b, "- &a%d [*a%d]\n", i, i - 1);
    assert_int_equal(yaml_parse(b.p, b.len, MAX, "f.yml", &d, &e), -1);
    assert_non_null(strstr(e.msg, "nested deeper than 32 levels"));
}

static void test_yaml__a_text_over_the_ceiling_is_not_read(void **state)
{
    AUTO_YAML struct yaml_doc *d = NULL;
    struct err e;

    (void)state;
    assert_int_equal(yaml_parse("a: 1\n", 5, 4, "f.yml", &d, &e), -1);
    assert_string_equal(e.msg, "f.yml:1:1: the file has 5 bytes; at most 4 are read");
    assert_int_equal(yaml_parse("a: 1\n", 5, 5, "f.yml", &d, &e), 0);
}

static void test_yaml__typed_reading_says_what_was_expected_and_where(void **state)
{
    AUTO_YAML struct yaml_doc *d = parse("s: text\nl: [1]\nn:\ni: 12\nb: Yes\nq: '12'\n");
    const struct yaml_node *root = yaml_root(d);
    const char *s = NULL;
    bool b = false;
    int64_t i = 0;
    struct err e;

    (void)state;
    assert_int_equal(yaml_str(d, yaml_get(root, "s"), "name", &s, &e), 0);
    assert_string_equal(s, "text");
    assert_int_equal(yaml_str(d, yaml_get(root, "l"), "name", &s, &e), -1);
    assert_string_equal(e.msg, "f.yml:2:4: name must be a string, found a list");
    assert_int_equal(yaml_str(d, yaml_get(root, "n"), "name", &s, &e), -1);
    assert_string_equal(e.msg, "f.yml:3:3: name must be a string, found nothing");
    assert_int_equal(yaml_bool(d, yaml_get(root, "b"), "preemptible", &b, &e), 0);
    assert_true(b);
    assert_int_equal(yaml_bool(d, yaml_get(root, "s"), "preemptible", &b, &e), -1);
    assert_string_equal(e.msg, "f.yml:1:4: preemptible must be true or false, found \"text\"");
    assert_int_equal(yaml_i64(d, yaml_get(root, "i"), "count", 0, 12, &i, &e), 0);
    assert_int_equal(i, 12);
    assert_int_equal(yaml_i64(d, yaml_get(root, "i"), "count", 0, 11, &i, &e), -1);
    assert_string_equal(e.msg, "f.yml:4:4: count must be a whole number from 0 to 11, found \"12\"");
}

static void test_yaml__as_json_only_canonical_plain_values_become_typed(void **state)
{
    (void)state;
    as_json("[1, -5, 0, 1.5, 007, +1, 1e3, 0x1f, 1_000, .5, 1., '1', \"true\", true, False, no, ~, null, '', "
            "99999999999999999999, 1.2.3]",
            "[1,-5,0,1.5,\"007\",\"+1\",\"1e3\",\"0x1f\",\"1_000\",\".5\",\"1.\",\"1\",\"true\",true,false,\"no\",null,"
            "null,\"\",\"99999999999999999999\",\"1.2.3\"]");
}

/* Whatever bytes come in: no crash, and a refusal names the file. The sanitizers watch. */
static void test_yaml__mutated_files_never_break_the_reader(void **state)
{
    static const char seed[] =
        "runners:\n  - &z [1]\n  - name: \"a\\u00e9\"\n    labels: [x, 'y']\n    <<: {k: v}\n  - *z\n"
        "t: |\n  block\n  text\nu: >-\n  folded\n? k\n: !!str v\n";
    static const char spice[] = "&*[]{}:,-?|>%@`'\"#!<~ \n\t\\\xC3\xFF\0z";
    uint64_t x = 42;
    size_t good = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        AUTO_FREE char *text = mem_strndup(seed, sizeof(seed) - 1);
        AUTO_YAML struct yaml_doc *d = NULL;
        struct err e;

        for (int k = 0; k < 2; k++) {
            x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[(x >> 33) % (sizeof(seed) - 1)] = spice[(x >> 20) % (sizeof(spice) - 1)];
        }
        if (yaml_parse(text, sizeof(seed) - 1, MAX, "f.yml", &d, &e)) {
            assert_memory_equal(e.msg, "f.yml:", 6);
        } else {
            json_decref(yaml_to_json(yaml_root(d)));
            good++;
        }
    }
    assert_in_range(good, 1, 19999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml__every_node_knows_its_line_and_column),
        cmocka_unit_test(test_yaml__columns_count_characters_not_bytes),
        cmocka_unit_test(test_yaml__scalars_keep_their_text),
        cmocka_unit_test(test_yaml__an_empty_document_is_nothing),
        cmocka_unit_test(test_yaml__a_mistake_is_named_with_line_column_and_remedy),
        cmocka_unit_test(test_yaml__bytes_that_are_no_utf8_are_found_by_line_and_column),
        cmocka_unit_test(test_yaml__a_byte_order_mark_and_windows_line_ends_are_accepted),
        cmocka_unit_test(test_yaml__what_we_do_not_read_is_refused),
        cmocka_unit_test(test_yaml__core_tags_decide_between_text_and_value),
        cmocka_unit_test(test_yaml__aliases_and_merge_keys_are_followed),
        cmocka_unit_test(test_yaml__a_billion_laughs_end_at_the_node_limit),
        cmocka_unit_test(test_yaml__the_node_limit_is_exact),
        cmocka_unit_test(test_yaml__depth_is_limited_through_aliases_too),
        cmocka_unit_test(test_yaml__a_text_over_the_ceiling_is_not_read),
        cmocka_unit_test(test_yaml__typed_reading_says_what_was_expected_and_where),
        cmocka_unit_test(test_yaml__as_json_only_canonical_plain_values_become_typed),
        cmocka_unit_test(test_yaml__mutated_files_never_break_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
