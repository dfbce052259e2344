#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/jscan.h"
#include "server/base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int scan(const char *text, const char *const *paths, size_t n, struct jscan_value *v, struct err *e)
{
    return jscan(text, strlen(text), paths, n, v, e);
}

static bool accepted(const char *text, size_t len)
{
    /* An exact copy on the heap, so that the sanitizer sees a single byte read too far. */
    AUTO_FREE char *copy = mem_zalloc(len);
    struct err e;

    memcpy(copy, text, len);
    return jscan(copy, len, NULL, 0, NULL, &e) == 0;
}

static void assert_slice(const struct jscan_value *v, enum jscan_type type, const char *text)
{
    assert_int_equal(v->type, type);
    assert_int_equal(v->len, strlen(text));
    assert_memory_equal(v->p, text, v->len);
}

static void test_jscan__wanted_values_are_slices_of_the_text(void **state)
{
    static const char *const paths[] = {"a", "o.s", "o.deep.n", "list", "o", "no", "o.nothing", "f", "t", "z"};
    struct jscan_value v[ARRAY_LEN(paths)];
    struct err e;

    (void)state;
    assert_int_equal(scan(" {\"a\" : -1.5e3 , \"o\":{\"s\":\"x\\ny\",\"deep\":{\"n\":7}},\r\n\t\"list\":[1, \"]\"],"
                          "\"f\":false,\"t\":true,\"z\":null} ",
                          paths, ARRAY_LEN(paths), v, &e),
                     0);
    assert_slice(&v[0], JSCAN_NUMBER, "-1.5e3");
    assert_slice(&v[1], JSCAN_STRING, "x\\ny");
    assert_slice(&v[2], JSCAN_NUMBER, "7");
    assert_slice(&v[3], JSCAN_ARRAY, "[1, \"]\"]");
    assert_slice(&v[4], JSCAN_OBJECT, "{\"s\":\"x\\ny\",\"deep\":{\"n\":7}}");
    assert_int_equal(v[5].type, JSCAN_ABSENT);
    assert_int_equal(v[6].type, JSCAN_ABSENT);
    assert_slice(&v[7], JSCAN_FALSE, "false");
    assert_slice(&v[8], JSCAN_TRUE, "true");
    assert_slice(&v[9], JSCAN_NULL, "null");
}

static void test_jscan__a_path_matches_keys_only_at_its_own_place(void **state)
{
    static const char *const paths[] = {"id", "a.id", "a.b.id"};
    struct jscan_value v[3];
    struct err e;

    (void)state;
    assert_int_equal(
        scan("{\"x\":{\"id\":1},\"a.id\":2,\"b\":{\"id\":3},\"list\":[{\"id\":4}],\"a\":{\"c\":{\"id\":5}},"
             "\"i\":6,\"idx\":7,\"\":8}",
             paths, 3, v, &e),
        0);
    assert_int_equal(v[0].type, JSCAN_ABSENT);
    assert_int_equal(v[1].type, JSCAN_ABSENT);
    assert_int_equal(v[2].type, JSCAN_ABSENT);
    assert_int_equal(scan("{\"a\":{\"b\":{\"id\":3},\"id\":2},\"id\":1}", paths, 3, v, &e), 0);
    assert_slice(&v[0], JSCAN_NUMBER, "1");
    assert_slice(&v[1], JSCAN_NUMBER, "2");
    assert_slice(&v[2], JSCAN_NUMBER, "3");
}

static void test_jscan__keys_are_compared_after_decoding_escapes(void **state)
{
    static const char *const paths[] = {"action", "a.b"};
    struct jscan_value v[2];
    struct err e;

    (void)state;
    assert_int_equal(scan("{\"\\u0061ct\\u0069on\":1,\"a\\u002eb\":2,\"action\\u0000\":3}", paths, 2, v, &e), 0);
    assert_slice(&v[0], JSCAN_NUMBER, "1");
    assert_int_equal(v[1].type, JSCAN_ABSENT);
}

static void test_jscan__a_wanted_key_twice_is_refused_however_it_is_written(void **state)
{
    static const char *const paths[] = {"id", "o.id"};
    static const char *const twice[] = {
        "{\"id\":1,\"id\":2}",         "{\"id\":1,\"\\u0069d\":2}",  "{\"o\":{\"id\":1},\"o\":{\"id\":2}}",
        "{\"o\":{\"id\":1,\"id\":1}}", "{\"o\":5,\"o\":{\"id\":1}}",
    };
    struct jscan_value v[2];
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(twice); i++) {
        assert_int_equal(scan(twice[i], paths, 2, v, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_non_null(strstr(e.msg, "twice"));
    }
    assert_int_equal(scan("{\"x\":1,\"x\":2,\"id\":3,\"y\":{\"id\":1},\"o\":{\"id\":4}}", paths, 2, v, &e), 0);
}

static void test_jscan__what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":1]",
        "[1}",
        "{} x",
        "{}{}",
        "\"",
        "\"abc",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800\\n00000\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"\x1f\"",
        "tru",
        "TRUE",
        "nul",
        "nullx",
        "01",
        "-",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "0x1",
        "1.5.2",
        "NaN",
        "Infinity",
        "// x\n1",
        "\xEF\xBB\xBF{}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (accepted(bad[i], strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_false(accepted("\"\\\0\"", 4));
    assert_false(accepted("{}\0", 3));
}

static void test_jscan__all_of_json_is_accepted(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1.5e-7",
        "1E+9",
        "123456789012345678901234567890",
        "null",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        " [1 , {\"a\" : [ ] } ] ",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"",
        "\"\x7f\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF\"",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!accepted(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    }
}

static void test_jscan__broken_utf8_is_refused_at_every_distance_from_the_quote(void **state)
{
    static const char *const broken[] = {
        "\x80",         "\xC3",        "\xC0\x80",         "\xC1\xBF",         "\xE0\x80\x80",
        "\xED\xA0\x80", "\xE2\x82",    "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFF",         "\xE2\x28\xA1"};
    char text[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        for (int before = 0; before < 36; before++) {
            int n =
                snprintf(text, sizeof(text), "\"%.*s%s\"", before, "abcdefghijklmnopqrstuvwxyzabcdefghij", broken[i]);

            assert_false(accepted(text, (size_t)n));
        }
    }
}

static void test_jscan__special_bytes_are_found_at_every_position_of_a_long_string(void **state)
{
    static const char special[] = {'"', '\\', '\n', '\x1f', '\0', '\x80', '\xff'};
    char text[42];

    (void)state;
    for (size_t at = 1; at < sizeof(text) - 1; at++) {
        for (size_t k = 0; k < sizeof(special); k++) {
            memset(text, '!', sizeof(text));
            text[0] = text[sizeof(text) - 1] = '"';
            assert_true(accepted(text, sizeof(text)));
            text[at] = special[k];
            assert_false(accepted(text, sizeof(text)));
        }
    }
}

static void test_jscan__an_error_says_where_and_what_was_expected(void **state)
{
    struct jscan_value v;
    struct err e;

    (void)state;
    assert_int_equal(scan("{\"abc\" 5}", NULL, 0, &v, &e), -1);
    assert_string_equal(e.msg, "not JSON at byte 7: expected ':' after the key");
    assert_int_equal(scan("[1, 2] 3", NULL, 0, &v, &e), -1);
    assert_string_equal(e.msg, "not JSON at byte 7: text after the value");
}

static void test_jscan__outputs_are_untouched_on_failure(void **state)
{
    static const char *const paths[] = {"a"};
    struct jscan_value v = {JSCAN_TRUE, "mine", 4};
    struct err e;

    (void)state;
    assert_int_equal(scan("{\"a\":1", paths, 1, &v, &e), -1);
    assert_slice(&v, JSCAN_TRUE, "mine");
}

static void test_jscan__depth_and_paths_have_a_limit(void **state)
{
    static const char *many[JSCAN_MAX_PATHS + 1];
    struct jscan_value v[JSCAN_MAX_PATHS + 1];
    char deep[2 * JSCAN_MAX_DEPTH + 2];
    struct err e;

    (void)state;
    memset(deep, '[', JSCAN_MAX_DEPTH);
    memset(deep + JSCAN_MAX_DEPTH, ']', JSCAN_MAX_DEPTH);
    assert_true(accepted(deep, (size_t)2 * JSCAN_MAX_DEPTH));
    memset(deep, '[', JSCAN_MAX_DEPTH + 1);
    memset(deep + JSCAN_MAX_DEPTH + 1, ']', JSCAN_MAX_DEPTH + 1);
    assert_false(accepted(deep, sizeof(deep)));
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = "k";
    assert_int_equal(scan("{\"k\":1}", many, JSCAN_MAX_PATHS, v, &e), 0);
    assert_slice(&v[JSCAN_MAX_PATHS - 1], JSCAN_NUMBER, "1");
    assert_int_equal(scan("{\"k\":1}", many, JSCAN_MAX_PATHS + 1, v, &e), -1);
    assert_int_equal(e.kind, ERR_BUG);
}

static void test_jscan__items_of_a_list_come_one_by_one(void **state)
{
    static const char *const paths[] = {"l", "e", "n"};
    struct jscan_value v[3], item;
    struct err e;
    size_t pos = 0;

    (void)state;
    assert_int_equal(scan("{\"l\":[ \"a,b\" , 2,[3, 4] ],\"e\":[ ],\"n\":5}", paths, 3, v, &e), 0);
    assert_true(jscan_next_item(&v[0], &pos, &item));
    assert_slice(&item, JSCAN_STRING, "a,b");
    assert_true(jscan_next_item(&v[0], &pos, &item));
    assert_slice(&item, JSCAN_NUMBER, "2");
    assert_true(jscan_next_item(&v[0], &pos, &item));
    assert_slice(&item, JSCAN_ARRAY, "[3, 4]");
    assert_false(jscan_next_item(&v[0], &pos, &item));
    assert_false(jscan_next_item(&v[0], &pos, &item));
    pos = 0;
    assert_false(jscan_next_item(&v[1], &pos, &item));
    assert_false(jscan_next_item(&v[2], &pos, &item));
}

static void decodes_to(const char *raw, const char *want)
{
    const struct jscan_value v = {JSCAN_STRING, raw, strlen(raw)};
    AUTO_BUF struct buf b = BUF_INIT(100);
    struct err e;

    buf_adds(&b, "<");
    if (want == NULL) {
        assert_int_equal(jscan_str(&v, &b, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_string_equal(b.p, "<");
        return;
    }
    assert_int_equal(jscan_str(&v, &b, &e), 0);
    assert_string_equal(b.p + 1, want);
}

static void test_jscan__strings_are_decoded_and_a_nul_is_refused(void **state)
{
    const struct jscan_value number = {JSCAN_NUMBER, "5", 1};
    AUTO_BUF struct buf b = BUF_INIT(3);
    struct err e;

    (void)state;
    decodes_to("", "");
    decodes_to("plain", "plain");
    decodes_to("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
    decodes_to("\\u0041\\u00e9\\u20AC\\ud83d\\ude00.", "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80.");
    decodes_to("a\\u0000b", NULL);
    decodes_to("\\ud800", NULL);
    assert_int_equal(jscan_str(&number, &b, &e), -1);
    assert_string_equal(e.msg, "expected a string, found a number");
    assert_int_equal(jscan_str(&(struct jscan_value){JSCAN_STRING, "long", 4}, &b, &e), -1);
}

static void reads_as(const char *text, bool ok, int64_t want)
{
    const struct jscan_value v = {JSCAN_NUMBER, text, strlen(text)};
    int64_t got = 77;
    struct err e;

    assert_int_equal(jscan_i64(&v, &got, &e), ok ? 0 : -1);
    assert_int_equal(got, ok ? want : 77);
}

static void test_jscan__whole_numbers_are_read_exactly_or_refused(void **state)
{
    (void)state;
    reads_as("0", true, 0);
    reads_as("-0", true, 0);
    reads_as("29679449525", true, INT64_C(29679449525));
    reads_as("9223372036854775807", true, INT64_MAX);
    reads_as("-9223372036854775808", true, INT64_MIN);
    reads_as("9223372036854775808", false, 0);
    reads_as("-9223372036854775809", false, 0);
    reads_as("99999999999999999999", false, 0);
    reads_as("1.0", false, 0);
    reads_as("1e3", false, 0);
}

/* --- against jansson ------------------------------------------------------------------------------------------- */

static const char *const wanted[] = {
    "action",
    "workflow_job.id",
    "workflow_job.labels",
    "workflow_job.runner_name",
    "repository.full_name",
    "repository.owner.login",
    "installation.id",
};

/* A workflow_job delivery of the usual shape, compact as GitHub sends it. */
static size_t make_payload(char *out, size_t size)
{
    static const char *const parts[] = {
        "{\"action\":\"queued\",\"workflow_job\":{\"id\":29679449525,\"run_id\":10812374653,\"workflow_name\":"
        "\"train\","
        "\"head_branch\":\"gpu\",\"run_url\":\"https://api.github.com/repos/octo/model/actions/runs/10812374653\","
        "\"run_attempt\":1,\"node_id\":\"CR_kwDOM\",\"head_sha\":\"9ef4b41d4f0a6a6c7a5dd0f1ae6a8c1c5d5e90aa\","
        "\"status\":\"queued\",\"conclusion\":null,\"created_at\":\"2024-09-11T12:33:53Z\",\"started_at\":"
        "\"2024-09-11T12:33:53Z\",\"completed_at\":null,\"name\":\"entra\xC3\xAEnement (\\\"gpu\\\", "
        "\\u00e9t\\u00e9)\","
        "\"steps\":[{\"name\":\"Set up job\",\"status\":\"completed\",\"number\":1}],\"check_run_url\":"
        "\"https://api.github.com/repos/octo/model/check-runs/29679449525\",\"labels\":[\"self-hosted\","
        "\"cirun-gpu--10812374653\"],\"runner_id\":null,\"runner_name\":null,\"runner_group_name\":\"\"},",
        "\"repository\":{\"id\":844124432,\"name\":\"model\",\"full_name\":\"octo/model\",\"private\":false,\"owner\":{"
        "\"login\":\"octo\",\"id\":137371,\"type\":\"Organization\",\"site_admin\":false},\"description\":"
        "\"\xF0\x9F\x9A\x80 \\ud83d\\ude80 back\\\\slash \\/ tab\\t\",\"fork\":false,\"size\":1.25e2,\"topics\":[],"
        "\"license\":{\"key\":\"mit\",\"spdx_id\":\"MIT\"},\"default_branch\":\"main\"},",
        "\"sender\":{\"login\":\"dependabot[bot]\",\"id\":-1,\"ratio\":-0.5},\"installation\":{\"id\":54679449}}",
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        n += (size_t)snprintf(out + n, size - n, "%s", parts[i]);
    return n;
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* One to three edits: bytes that mean something to JSON are likelier than others. */
static size_t mutate(char *text, size_t n, uint64_t *x)
{
    static const char spice[] = "\"\\{}[],:0123456789-+.eEtrufalsn \n\t/\x80\xC3\xFF\x01u";

    for (uint64_t edits = 1 + next_random(x) % 3; edits > 0 && n > 2; edits--) {
        size_t at = next_random(x) % n;
        char c = (next_random(x) & 7) == 0 ? (char)next_random(x) : spice[next_random(x) % (sizeof(spice) - 1)];

        switch (next_random(x) % 4) {
        case 0:
            memmove(text + at, text + at + 1, n - at - 1);
            n--;
            break;
        case 1:
            memmove(text + at + 1, text + at, n - at);
            text[at] = c;
            n++;
            break;
        case 2:
            n = (next_random(x) & 31) == 0 ? at + 1 : n;
            break;
        default:
            text[at] = c;
            break;
        }
    }
    return n;
}

static const json_t *lookup(const json_t *j, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");

        j = json_object_getn(j, path, len);
        if (j == NULL || path[len] == '\0')
            return j;
        path += len + 1;
    }
}

/* Both readers accepted the text: do they see the same values? */
static void assert_same_value(const struct jscan_value *v, const json_t *j)
{
    AUTO_BUF struct buf b = BUF_INIT(100000);
    struct err e;
    int64_t i;

    if (j == NULL) {
        assert_int_equal(v->type, JSCAN_ABSENT);
    } else if (json_is_string(j)) {
        assert_int_equal(v->type, JSCAN_STRING);
        if (strlen(json_string_value(j)) != json_string_length(j)) {
            assert_int_equal(jscan_str(v, &b, &e), -1);
            return;
        }
        assert_int_equal(jscan_str(v, &b, &e), 0);
        assert_string_equal(b.p != NULL ? b.p : "", json_string_value(j));
    } else if (json_is_integer(j)) {
        assert_int_equal(jscan_i64(v, &i, &e), 0);
        assert_int_equal(i, json_integer_value(j));
    } else if (json_is_array(j)) {
        struct jscan_value item;
        size_t pos = 0, count = 0;

        assert_int_equal(v->type, JSCAN_ARRAY);
        while (jscan_next_item(v, &pos, &item))
            assert_same_value(&item, json_array_get(j, count++));
        assert_int_equal(count, json_array_size(j));
    } else {
        assert_int_equal(v->type, json_is_null(j)    ? JSCAN_NULL
                                  : json_is_true(j)  ? JSCAN_TRUE
                                  : json_is_false(j) ? JSCAN_FALSE
                                  : json_is_real(j)  ? JSCAN_NUMBER
                                                     : JSCAN_OBJECT);
    }
}

/* jansson is stricter in two points: numbers must fit its types, and a key holds no NUL. We are in one: no wanted key
 * stands twice. */
static bool jansson_is_stricter(const json_error_t *why)
{
    return json_error_code(why) == json_error_numeric_overflow || json_error_code(why) == json_error_null_byte_in_key;
}

/* Both readers over one text; adds to *both when both accepted it. */
static void compare_readers(const char *text, size_t n, size_t *both)
{
    struct jscan_value v[ARRAY_LEN(wanted)];
    json_error_t why;
    struct err e;
    json_t *j = json_loadb(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    bool mine = jscan(text, n, wanted, ARRAY_LEN(wanted), v, &e) == 0;

    if (mine && j == NULL && !jansson_is_stricter(&why))
        fail_msg("accepted what jansson refuses (%s): %.*s", why.text, (int)n, text);
    if (!mine && j != NULL && strstr(e.msg, "twice") == NULL)
        fail_msg("refused what jansson accepts (%s): %.*s", e.msg, (int)n, text);
    if (mine && j != NULL) {
        (*both)++;
        for (size_t k = 0; k < ARRAY_LEN(wanted); k++)
            assert_same_value(&v[k], lookup(j, wanted[k]));
    }
    json_decref(j);
}

static void test_jscan__sees_what_jansson_sees_in_thousands_of_mutated_deliveries(void **state)
{
    char payload[4096], text[4096];
    size_t len = make_payload(payload, sizeof(payload) - 8), both = 0;
    uint64_t x = UINT64_C(88172645463325252);

    (void)state;
    compare_readers(payload, len, &both);
    assert_int_equal(both, 1);
    for (int round = 0; round < 20000; round++) {
        memcpy(text, payload, len);
        compare_readers(text, mutate(text, len, &x), &both);
    }
    assert_in_range(both, 1000, 19000); /* the mutations must make good and bad texts */
}

static void test_jscan__every_prefix_of_a_delivery_is_refused(void **state)
{
    char payload[4096];
    size_t len = make_payload(payload, sizeof(payload));

    (void)state;
    for (size_t n = 0; n < len; n++)
        assert_false(accepted(payload, n));
    assert_true(accepted(payload, len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jscan__wanted_values_are_slices_of_the_text),
        cmocka_unit_test(test_jscan__a_path_matches_keys_only_at_its_own_place),
        cmocka_unit_test(test_jscan__keys_are_compared_after_decoding_escapes),
        cmocka_unit_test(test_jscan__a_wanted_key_twice_is_refused_however_it_is_written),
        cmocka_unit_test(test_jscan__what_is_no_json_is_refused),
        cmocka_unit_test(test_jscan__all_of_json_is_accepted),
        cmocka_unit_test(test_jscan__broken_utf8_is_refused_at_every_distance_from_the_quote),
        cmocka_unit_test(test_jscan__special_bytes_are_found_at_every_position_of_a_long_string),
        cmocka_unit_test(test_jscan__an_error_says_where_and_what_was_expected),
        cmocka_unit_test(test_jscan__outputs_are_untouched_on_failure),
        cmocka_unit_test(test_jscan__depth_and_paths_have_a_limit),
        cmocka_unit_test(test_jscan__items_of_a_list_come_one_by_one),
        cmocka_unit_test(test_jscan__strings_are_decoded_and_a_nul_is_refused),
        cmocka_unit_test(test_jscan__whole_numbers_are_read_exactly_or_refused),
        cmocka_unit_test(test_jscan__sees_what_jansson_sees_in_thousands_of_mutated_deliveries),
        cmocka_unit_test(test_jscan__every_prefix_of_a_delivery_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
