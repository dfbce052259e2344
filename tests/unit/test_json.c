#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/json.h"

#include <string.h>

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct err e;

    if (js_parse(text, strlen(text), &j, &e))
        fail_msg("%s", e.msg);
    return j;
}

static void test_json__values_are_read_by_dotted_path_through_objects_and_lists(void **state)
{
    AUTO_JSON json_t *j = parse("{\"a\": {\"list\": [1, {\"name\": \"x\", \"on\": true}]}}");
    struct err e;
    const char *s = NULL;
    int64_t i = 0;
    bool b = false;
    json_t *o = NULL, *l = NULL;

    (void)state;
    assert_int_equal(js_str(j, "a.list.1.name", &s, &e), 0);
    assert_string_equal(s, "x");
    assert_int_equal(js_i64(j, "a.list.0", &i, &e), 0);
    assert_int_equal(i, 1);
    assert_int_equal(js_bool(j, "a.list.1.on", &b, &e), 0);
    assert_true(b);
    assert_int_equal(js_obj(j, "a", &o, &e), 0);
    assert_int_equal(js_arr(j, "a.list", &l, &e), 0);
    assert_int_equal(json_array_size(l), 2);
}

static void test_json__a_wrong_type_names_the_path_and_both_types(void **state)
{
    AUTO_JSON json_t *j = parse("{\"workflow_job\": {\"runner_name\": 5, \"n\": 1.5, \"l\": \"x\"}}");
    struct err e;
    const char *s = "untouched";
    int64_t i = 7;
    json_t *l = NULL;

    (void)state;
    assert_int_equal(js_str(j, "workflow_job.runner_name", &s, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_string_equal(e.msg, "workflow_job.runner_name: expected a string, found an integer");
    assert_string_equal(s, "untouched");
    assert_int_equal(js_i64(j, "workflow_job.n", &i, &e), -1);
    assert_string_equal(e.msg, "workflow_job.n: expected an integer, found a number with a fraction");
    assert_int_equal(i, 7);
    assert_int_equal(js_arr(j, "workflow_job.l", &l, &e), -1);
    assert_string_equal(e.msg, "workflow_job.l: expected a list, found a string");
    assert_int_equal(js_str(j, "workflow_job.absent", &s, &e), -1);
    assert_string_equal(e.msg, "workflow_job.absent: expected a string, found nothing");
}

static void test_json__a_path_that_leads_through_a_scalar_or_past_a_list_finds_nothing(void **state)
{
    AUTO_JSON json_t *j = parse("{\"a\": 5, \"l\": [1]}");
    static const char *const paths[] = {"a.b", "l.1", "l.-1", "l.x", "l.", "l.99999999999999999999", ".", ""};
    struct err e;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
        int64_t i = 7;

        assert_int_equal(js_i64(j, paths[k], &i, &e), -1);
        assert_int_equal(i, 7);
    }
}

static void test_json__optional_values_keep_their_default_when_absent_or_null(void **state)
{
    AUTO_JSON json_t *j = parse("{\"null\": null, \"s\": \"v\", \"n\": 3}");
    struct err e;
    const char *s = "default";
    int64_t i = 42;
    bool b = true;
    json_t *l = NULL;

    (void)state;
    assert_int_equal(js_opt_str(j, "null", &s, &e), 0);
    assert_int_equal(js_opt_str(j, "absent", &s, &e), 0);
    assert_string_equal(s, "default");
    assert_int_equal(js_opt_i64(j, "null", &i, &e), 0);
    assert_int_equal(i, 42);
    assert_int_equal(js_opt_bool(j, "absent", &b, &e), 0);
    assert_true(b);
    assert_int_equal(js_opt_arr(j, "absent", &l, &e), 0);
    assert_null(l);
    assert_int_equal(js_opt_str(j, "s", &s, &e), 0);
    assert_string_equal(s, "v");
    assert_int_equal(js_opt_str(j, "n", &s, &e), -1);
    assert_int_equal(js_opt_i64(j, "s", &i, &e), -1);
    assert_int_equal(js_opt_bool(j, "s", &b, &e), -1);
    assert_int_equal(js_opt_arr(j, "s", &l, &e), -1);
}

static void test_json__what_is_no_json_is_refused_with_its_place(void **state)
{
    static const char *const bad[] = {
        "", "{", "{\"a\":1}x", "{\"a\":1,\"a\":2}", "[1,]", "{'a':1}", "\"\\u0000\"", "\"\xff\"", "nul", "01",
    };
    struct err e;

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(bad); k++) {
        json_t *j = NULL;

        assert_int_equal(js_parse(bad[k], strlen(bad[k]), &j, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_null(j);
    }
    assert_int_equal(js_parse("[1\0]", 4, &(json_t *){NULL}, &e), -1);
    assert_int_equal(js_parse("2\0", 2, &(json_t *){NULL}, &e), -1);
    assert_int_equal(js_parse("{\n  \"a\": tru\n}", 14, &(json_t *){NULL}, &e), -1);
    assert_non_null(strstr(e.msg, "line 2"));
}

static void test_json__an_error_never_quotes_the_text(void **state)
{
    static const char text[] = "{\"token\": \"ghs_secret\" \"x\"}";
    json_t *j = NULL;
    struct err e;

    (void)state;
    assert_int_equal(js_parse(text, strlen(text), &j, &e), -1);
    assert_null(strstr(e.msg, "ghs"));
    assert_int_equal(js_parse("{\"t\": ghs_secret}", 17, &j, &e), -1);
    assert_null(strstr(e.msg, "ghs"));
}

static void test_json__nesting_without_end_is_refused(void **state)
{
    static char deep[200000];
    json_t *j = NULL;
    struct err e;

    (void)state;
    memset(deep, '[', sizeof(deep));
    assert_int_equal(js_parse(deep, sizeof(deep), &j, &e), -1);
}

static void test_json__packing_escapes_and_refuses_what_is_no_utf8(void **state)
{
    AUTO_JSON json_t *j = NULL;
    json_t *bad = NULL;
    AUTO_FREE char *text = NULL;
    struct err e;

    (void)state;
    assert_int_equal(js_pack(&e, &j, "{s:s, s:I, s:n}", "b", "quote \" and \n", "a", (json_int_t)-5, "z"), 0);
    assert_int_equal(js_dump(j, &text, &e), 0);
    assert_string_equal(text, "{\"b\":\"quote \\\" and \\n\",\"a\":-5,\"z\":null}");
    assert_int_equal(js_pack(&e, &bad, "{s:s}", "k", "\xff"), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_null(bad);
}

static void test_json__dumping_into_a_buffer_honours_its_ceiling(void **state)
{
    AUTO_JSON json_t *j = parse("{\"a\": [1, 2, 3]}");
    AUTO_BUF struct buf room = BUF_INIT(100), tight = BUF_INIT(5);
    struct err e;

    (void)state;
    assert_int_equal(js_dump_buf(j, &room, &e), 0);
    assert_string_equal(room.p, "{\"a\":[1,2,3]}");
    assert_int_equal(js_dump_buf(j, &tight, &e), -1);
    assert_int_equal(js_dump(NULL, &(char *){NULL}, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json__values_are_read_by_dotted_path_through_objects_and_lists),
        cmocka_unit_test(test_json__a_wrong_type_names_the_path_and_both_types),
        cmocka_unit_test(test_json__a_path_that_leads_through_a_scalar_or_past_a_list_finds_nothing),
        cmocka_unit_test(test_json__optional_values_keep_their_default_when_absent_or_null),
        cmocka_unit_test(test_json__what_is_no_json_is_refused_with_its_place),
        cmocka_unit_test(test_json__an_error_never_quotes_the_text),
        cmocka_unit_test(test_json__nesting_without_end_is_refused),
        cmocka_unit_test(test_json__packing_escapes_and_refuses_what_is_no_utf8),
        cmocka_unit_test(test_json__dumping_into_a_buffer_honours_its_ceiling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
