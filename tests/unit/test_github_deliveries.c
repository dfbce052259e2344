#include "server/github/deliveries.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "tests/support/ghtest.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define ITEM(id, more)                                                                                                 \
    "{\"id\":" #id ",\"guid\":\"0b989ba4-242f-11e5-81e1-c7b6966d2516\",\"delivered_at\":\"2023-11-14T22:13:20Z\","     \
    "\"redelivery\":false,\"duration\":0.27,\"status\":\"OK\",\"status_code\":502,\"event\":\"workflow_job\","         \
    "\"action\":\"queued\",\"installation_id\":77,\"repository_id\":12" more "}"

static void parse(const char *body, const char *link, struct github_deliveries *out)
{
    struct err e;

    assert_ok(github_deliveries_parse(body, strlen(body), link, out, &e), e);
}

static void test_github_deliveries__a_page_is_read_by_jwt_without_the_filter(void **state)
{
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));
    AUTO_GHT struct ghtest t;
    json_t *claims;
    struct err e;

    (void)state;
    ght_start(&t, "/api/v3");
    ght_answer(&t, 200,
               "Link: <https://elsewhere.example/app/hook/deliveries?per_page=100&cursor=v1_17>; rel=\"next\"\r\n"
               "Date: Tue, 14 Nov 2023 22:15:00 GMT\r\n",
               "[" ITEM(9007199254740993, ",\"throttled_at\":null") "]");
    assert_ok(github_deliveries_get(t.github, "", page, &e), e);
    assert_string_equal(ght_call(&t, 0)->path, "/api/v3/app/hook/deliveries?per_page=100");
    claims = ght_verify_jwt(&t, raw_header(ght_call(&t, 0), "Authorization"));
    assert_non_null(claims);
    json_decref(claims);
    assert_int_equal(page->n, 1);
    assert_true(page->items[0].id == 9007199254740993);
    assert_string_equal(page->items[0].guid, "0b989ba4-242f-11e5-81e1-c7b6966d2516");
    assert_string_equal(page->items[0].event, "workflow_job");
    assert_string_equal(page->items[0].action, "queued");
    assert_int_equal(page->items[0].delivered_ms, 1700000000000);
    assert_int_equal(page->items[0].status_code, 502);
    assert_true(page->items[0].installation_id == 77 && page->items[0].repo_id == 12 && !page->items[0].throttled);
    assert_int_equal(page->now_ms, 1700000100000);
    assert_string_equal(page->cursor, "v1_17");
    assert_ok(github_deliveries_get(t.github, page->cursor, page, &e), e);
    assert_string_equal(ght_call(&t, 1)->path, "/api/v3/app/hook/deliveries?per_page=100&cursor=v1_17");
}

static void test_github_deliveries__answered_is_200_to_399_and_nothing_else(void **state)
{
    static const int good[] = {200, 202, 204, 302, 399}, bad[] = {0, 199, 400, 404, 502, 599, 600, -1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(github_delivery_answered(&(struct github_delivery){.status_code = good[i]}));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(github_delivery_answered(&(struct github_delivery){.status_code = bad[i]}));
}

static void test_github_deliveries__the_cursor_is_taken_from_the_next_link_alone(void **state)
{
    static const struct {
        const char *link, *cursor;
    } cases[] = {
        {"", ""},
        {"<https://h/app/hook/deliveries?cursor=v1_1&per_page=100>; rel=\"next\"", "v1_1"},
        {"<https://h/?cursor=p>; rel=\"prev\", <https://h/?x=1&cursor=n%2F1>; rel=\"next\"", "n/1"},
        {"<https://h/?cursor=first>; rel=\"first\"", ""},
        {"<https://h/?per_page=100>; rel=\"next\"", ""},
        {"<https://h/?cursor=>; rel=\"next\"", ""},
        {"<https://h/?cursor=a%00b>; rel=\"next\"", ""},
        {"<https://h/?cursor=a%0d%0aX>; rel=\"next\"", "a\r\nX"}, /* escaped again when it is sent */
        {"<https://h/?cursor=a b>; rel=\"next\"", ""},
        {"<https://h/?precursor=5>; rel=\"next\"", ""},
        {"<https://h/?cursor=5; rel=\"next\"", ""},
        {"nonsense", ""},
    };
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        parse("[]", cases[i].link, page);
        assert_string_equal(page->cursor, cases[i].cursor);
    }
}

static void test_github_deliveries__an_item_that_cannot_be_read_is_passed_over(void **state)
{
    static const char body[] =
        "[" ITEM(1, "") ",17,null,{},{\"id\":-4}," ITEM(2, ",\"throttled_at\":\"2023-11-14T22:13:20Z\"") "]";
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    (void)state;
    parse(body, "", page);
    assert_int_equal(page->n, 2);
    assert_true(page->items[0].id == 1 && page->items[1].id == 2 && page->items[1].throttled);
}

static void test_github_deliveries__nulls_where_the_schema_has_them(void **state)
{
    static const char body[] =
        "[{\"id\":3,\"guid\":\"g\",\"delivered_at\":\"2023-11-14T22:13:20.5+00:00\",\"redelivery\":true,\"duration\":1,"
        "\"status\":\"failed to connect\",\"status_code\":0,\"event\":\"push\",\"action\":null,"
        "\"installation_id\":null,\"repository_id\":null,\"throttled_at\":null}]";
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    (void)state;
    parse(body, "", page);
    assert_int_equal(page->n, 1);
    assert_string_equal(page->items[0].action, "");
    assert_true(page->items[0].redelivery && page->items[0].installation_id == 0 && page->items[0].repo_id == 0);
}

static void test_github_deliveries__what_is_no_list_is_worth_another_try(void **state)
{
    static const char *const bodies[] = {"{}", "\"x\"", "", "<html>", "[1"};
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        AUTO_GHT struct ghtest t;
        struct err e;

        ght_start(&t, "");
        ght_answer(&t, 200, "", bodies[i]);
        assert_fails(github_deliveries_get(t.github, "", page, &e), ERR_RETRY, "unexpected answer", e);
    }
}

static void test_github_deliveries__a_redelivery_is_asked_for_by_the_attempts_id(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 202, "", "{}");
    assert_ok(github_redeliver(t.github, 9007199254740993, &e), e);
    assert_string_equal(ght_call(&t, 0)->method, "POST");
    assert_string_equal(ght_call(&t, 0)->path, "/app/hook/deliveries/9007199254740993/attempts");
    assert_int_equal(ght_mints(&t), 0);
    ght_forget(&t);
    ght_answer(&t, 404, "", "{\"message\":\"Not Found\"}");
    assert_fails(github_redeliver(t.github, 1, &e), ERR_GONE, "404", e);
    ght_forget(&t);
    ght_answer(&t, 422, "", "{\"message\":\"Validation Failed\"}");
    assert_fails(github_redeliver(t.github, 1, &e), ERR_INVALID, "422", e);
}

static void test_github_deliveries__an_installation_is_there_suspended_or_gone(void **state)
{
    AUTO_GHT struct ghtest t;
    enum github_installed got;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"id\":77,\"suspended_at\":null}");
    assert_ok(github_installation_look(t.github, 77, &got, &e), e);
    assert_int_equal(got, GITHUB_INSTALLED);
    assert_string_equal(ght_call(&t, 0)->path, "/app/installations/77");
    ght_forget(&t);
    ght_answer(&t, 200, "", "{\"id\":77,\"suspended_at\":\"2024-01-01T00:00:00Z\"}");
    assert_ok(github_installation_look(t.github, 77, &got, &e), e);
    assert_int_equal(got, GITHUB_SUSPENDED);
    ght_forget(&t);
    ght_answer(&t, 404, "", "{\"message\":\"Not Found\"}");
    assert_ok(github_installation_look(t.github, 77, &got, &e), e);
    assert_int_equal(got, GITHUB_UNINSTALLED);
    ght_forget(&t);
    ght_answer(&t, 200, "", "[]");
    assert_fails(github_installation_look(t.github, 77, &got, &e), ERR_RETRY, "unexpected answer", e);
    ght_forget(&t);
    ght_answer(&t, 502, "", "");
    assert_fails(github_installation_look(t.github, 77, &got, &e), ERR_RETRY, "502", e); /* proves nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github_deliveries__a_page_is_read_by_jwt_without_the_filter),
        cmocka_unit_test(test_github_deliveries__answered_is_200_to_399_and_nothing_else),
        cmocka_unit_test(test_github_deliveries__the_cursor_is_taken_from_the_next_link_alone),
        cmocka_unit_test(test_github_deliveries__an_item_that_cannot_be_read_is_passed_over),
        cmocka_unit_test(test_github_deliveries__nulls_where_the_schema_has_them),
        cmocka_unit_test(test_github_deliveries__what_is_no_list_is_worth_another_try),
        cmocka_unit_test(test_github_deliveries__a_redelivery_is_asked_for_by_the_attempts_id),
        cmocka_unit_test(test_github_deliveries__an_installation_is_there_suspended_or_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
