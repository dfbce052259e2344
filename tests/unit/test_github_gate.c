#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/ghtest.h"

#include <stdio.h>

#define START_MS 1700000000000 /* Tue, 14 Nov 2023 22:13:20 GMT */

static int setup(void **state)
{
    (void)state;
    clock_test_set(START_MS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_release();
    return 0;
}

static int call_of(struct ghtest *t, int64_t installation_id, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = {.installation_id = installation_id, .repo_id = 5, .method = "GET", .path = "/x"};

    return github_call(t->github, &c, &res, e);
}

static int call(struct ghtest *t, struct err *e)
{
    return call_of(t, GHT_INSTALLATION, e);
}

/* One limited answer: the seconds it costs. Nothing may go out before they are over, and everything afterwards. */
static void assert_waits(int status, const char *headers, const char *body, int seconds)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    ght_start(&t, "");
    ght_answer(&t, status, headers, body);
    ght_answer(&t, 200, "", "{}");
    assert_fails(call(&t, &e), ERR_THROTTLED, "GET /x: GitHub answered", e);
    assert_int_equal(e.retry_after_s, seconds);
    clock_test_advance(seconds * 1000 - 1);
    assert_fails(call(&t, &e), ERR_THROTTLED, "limits our rate (installation 77)", e);
    assert_int_equal(e.retry_after_s, 1);
    assert_int_equal(ght_calls(&t), 1);
    clock_test_advance(1);
    assert_ok(call(&t, &e), e);
    clock_test_set(START_MS);
}

static void test_github_gate__retry_after_is_obeyed_first(void **state)
{
    (void)state;
    assert_waits(429, "Retry-After: 33\r\n", "", 33);
    assert_waits(403, "Retry-After: 33\r\n", "{\"message\":\"slow down\"}", 33);
    assert_waits(429, "Retry-After: 7\r\nX-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000100\r\n", "", 7);
    assert_waits(429, "Retry-After: 0\r\n", "", 1);
}

static void test_github_gate__an_empty_budget_waits_for_its_reset(void **state)
{
    (void)state;
    assert_waits(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000100\r\n", "", 101);
    assert_waits(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1699999000\r\n", "", 1);
    assert_waits(429, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 9999999999\r\n", "", 65 * 60);
    /* GitHub's clock shows 22:23:20, ten minutes more than ours */
    assert_waits(403,
                 "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 1700000700\r\n"
                 "Date: Tue, 14 Nov 2023 22:23:20 GMT\r\n",
                 "", 101);
    assert_waits(403, "X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: never\r\n", "", 60);
}

static void test_github_gate__a_limit_without_a_time_costs_a_minute(void **state)
{
    (void)state;
    assert_waits(429, "", "", 60);
    assert_waits(403, "", "{\"message\":\"You have exceeded a secondary rate limit.\"}", 60);
    assert_waits(403, "X-RateLimit-Remaining: 12\r\n", "{\"message\":\"API rate limit exceeded for x\"}", 60);
}

static void test_github_gate__the_wait_doubles_up_to_a_quarter_of_an_hour_and_starts_anew_after_a_success(void **state)
{
    static const int waits[] = {60, 120, 240, 480, 900, 900};
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 429, "", "");
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        assert_fails(call(&t, &e), ERR_THROTTLED, "429", e);
        assert_int_equal(e.retry_after_s, waits[i]);
        clock_test_advance(waits[i] * 1000);
    }
    ght_answer(&t, 200, "", "{}");
    assert_ok(call(&t, &e), e);
    ght_answer(&t, 429, "", "");
    assert_int_equal(call(&t, &e), -1);
    assert_int_equal(e.retry_after_s, 60);
}

static void test_github_gate__installations_do_not_wait_for_each_other(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 429, "", "");
    ght_answer(&t, 200, "", "{}");
    assert_fails(call_of(&t, 1, &e), ERR_THROTTLED, "429", e);
    assert_ok(call_of(&t, 2, &e), e);
    assert_fails(call_of(&t, 1, &e), ERR_THROTTLED, "installation 1", e);
}

static void test_github_gate__a_limited_token_request_closes_the_gate_too(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer_mint(&t, 403, "Retry-After: 20\r\n", "{\"message\":\"secondary rate limit\"}");
    ght_answer(&t, 200, "", "{}");
    assert_fails(call(&t, &e), ERR_THROTTLED, "secondary rate limit", e);
    assert_int_equal(e.retry_after_s, 20);
    assert_fails(call(&t, &e), ERR_THROTTLED, "installation 77", e);
    assert_int_equal(raw_count(t.server), 1);
    clock_test_advance(20000);
    assert_ok(call(&t, &e), e);
}

static void test_github_gate__a_refusal_for_lack_of_permission_is_no_limit(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 403, "X-RateLimit-Remaining: 4999\r\n", "{\"message\":\"Resource not accessible by integration\"}");
    assert_fails(call(&t, &e), ERR_AUTH, "403", e);
    ght_answer(&t, 200, "", "{}");
    assert_ok(call(&t, &e), e);
}

static void test_github_gate__calls_of_the_app_have_a_gate_of_their_own(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;
    int64_t id;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 429, "Retry-After: 5\r\n", "");
    assert_fails(github_installation_of(t.github, "octo/hello", &id, &e), ERR_THROTTLED, "429", e);
    assert_fails(github_installation_of(t.github, "octo/hello", &id, &e), ERR_THROTTLED, "limits our rate", e);
    assert_int_equal(ght_calls(&t), 1);
    ght_answer(&t, 200, "", "{}");
    assert_ok(call(&t, &e), e);
}

#define T(name) cmocka_unit_test_setup_teardown(test_github_gate__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(retry_after_is_obeyed_first),
        T(an_empty_budget_waits_for_its_reset),
        T(a_limit_without_a_time_costs_a_minute),
        T(the_wait_doubles_up_to_a_quarter_of_an_hour_and_starts_anew_after_a_success),
        T(installations_do_not_wait_for_each_other),
        T(a_limited_token_request_closes_the_gate_too),
        T(a_refusal_for_lack_of_permission_is_no_limit),
        T(calls_of_the_app_have_a_gate_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
