#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/ghtest.h"

#include <pthread.h>
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

/* One GET with the given scope for the usual repository. */
static int call(struct ghtest *t, enum github_scope scope, struct httpc_res *res, struct err *e)
{
    struct github_call c = {
        .installation_id = GHT_INSTALLATION, .repo_id = GHT_REPO_ID, .scope = scope, .method = "GET", .path = "/x?q=1"};

    return github_call(t->github, &c, res, e);
}

static int call_read(struct ghtest *t, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    return call(t, GITHUB_SCOPE_READ, &res, e);
}

static int call_app(struct ghtest *t, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    return github_call(t->github, &(struct github_call){.method = "GET", .path = "/app"}, &res, e);
}

static void assert_claims(struct ghtest *t, const struct raw_request *r, int64_t now_s)
{
    AUTO_JSON json_t *claims = ght_verify_jwt(t, raw_header(r, "Authorization"));
    int64_t iat, exp;
    const char *iss;
    struct err e;

    assert_non_null(claims);
    assert_ok(js_i64(claims, "iat", &iat, &e), e);
    assert_ok(js_i64(claims, "exp", &exp, &e), e);
    assert_ok(js_str(claims, "iss", &iss, &e), e);
    assert_int_equal(json_object_size(claims), 3);
    assert_int_equal(iat, now_s - 60);
    assert_int_equal(exp, now_s + 540);
    assert_string_equal(iss, "12345");
}

static void test_github_app__a_token_is_asked_for_with_a_signed_jwt_and_as_little_power_as_possible(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    const struct raw_request *r;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call(&t, GITHUB_SCOPE_READ, &res, &e), e);
    assert_ok(call(&t, GITHUB_SCOPE_RUNNERS, &res, &e), e);
    assert_int_equal(ght_mints(&t), 2);
    r = ght_mint(&t, 0);
    assert_string_equal(r->path, "/app/installations/77/access_tokens");
    assert_string_equal(r->body,
                        "{\"repository_ids\":[1296269],\"permissions\":{\"contents\":\"read\",\"actions\":\"read\"}}");
    assert_string_equal(raw_header(r, "Content-Type"), "application/json");
    assert_claims(&t, r, START_MS / 1000);
    assert_string_equal(ght_mint(&t, 1)->body,
                        "{\"repository_ids\":[1296269],\"permissions\":{\"administration\":\"write\"}}");
}

static void test_github_app__a_call_carries_the_token_and_the_api_version(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    const struct raw_request *r;
    struct err e;

    (void)state;
    ght_start(&t, "/api/v3");
    ght_answer(&t, 200, "X-Some: thing\r\n", "{\"a\":1}");
    assert_ok(call(&t, GITHUB_SCOPE_READ, &res, &e), e);
    assert_int_equal(res.status, 200);
    assert_string_equal(res.body.p, "{\"a\":1}");
    assert_string_equal(ght_mint(&t, 0)->path, "/api/v3/app/installations/77/access_tokens");
    r = ght_call(&t, 0);
    assert_string_equal(r->path, "/api/v3/x?q=1");
    assert_string_equal(raw_header(r, "Authorization"), "Bearer ghs_1");
    assert_string_equal(raw_header(r, "Accept"), "application/vnd.github+json");
    assert_string_equal(raw_header(r, "X-GitHub-Api-Version"), "2022-11-28");
    assert_string_equal(raw_header(r, "User-Agent"), "muster/test");
    assert_null(raw_header(r, "If-None-Match"));
}

static void test_github_app__a_token_serves_until_five_minutes_before_its_end(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    clock_test_advance(54 * 60 * 1000 + 59000);
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 1);
    clock_test_advance(1000);
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 2);
    assert_string_equal(raw_header(ght_call(&t, 2), "Authorization"), "Bearer ghs_2");
}

static void test_github_app__a_tokens_end_is_read_on_githubs_clock(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    /* GitHub is two hours ahead of us; the token lives an hour all the same. */
    ght_answer_mint(&t, 201, "Date: Wed, 15 Nov 2023 00:13:20 GMT\r\n",
                    "{\"token\":\"ghs_a\",\"expires_at\":\"2023-11-15T01:13:20Z\"}");
    assert_ok(call_read(&t, &e), e);
    clock_test_advance(54 * 60 * 1000);
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 1);
    clock_test_advance(60 * 1000);
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 2);
}

static void test_github_app__tokens_are_kept_apart_by_repository_and_installation(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;
    static const int64_t ids[][2] = {{1, 10}, {1, 11}, {2, 10}, {1, 10}};

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
        struct github_call c = {.installation_id = ids[i][0], .repo_id = ids[i][1], .method = "GET", .path = "/x"};

        assert_ok(github_call(t.github, &c, &res, &e), e);
    }
    assert_int_equal(ght_mints(&t), 3);
    assert_string_equal(raw_header(ght_call(&t, 3), "Authorization"), "Bearer ghs_1");
}

struct caller {
    struct ghtest *t;
    pthread_t thread;
    int rc;
    struct err e;
};

static void *call_in_thread(void *arg)
{
    struct caller *c = arg;

    c->rc = call_read(c->t, &c->e);
    return NULL;
}

static void test_github_app__fifty_calls_at_once_ask_for_one_token(void **state)
{
    AUTO_GHT struct ghtest t;
    struct caller c[50];

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        c[i] = (struct caller){.t = &t};
        assert_int_equal(pthread_create(&c[i].thread, NULL, call_in_thread, &c[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        assert_int_equal(pthread_join(c[i].thread, NULL), 0);
        assert_ok(c[i].rc, c[i].e);
    }
    assert_int_equal(ght_mints(&t), 1);
    assert_int_equal(ght_calls(&t), 50);
}

static void test_github_app__a_token_may_be_of_any_length_and_alphabet(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_BUF struct buf body = BUF_INIT(100000), want = BUF_INIT(100000);
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    buf_adds(&want, "Bearer ghs_APP.eyJ-~+/=\"");
    buf_adds(&body, "{\"expires_at\":\"2023-11-14T23:13:20Z\",\"token\":\"ghs_APP.eyJ-~+\\/=\\\"");
    for (int i = 0; i < 20000; i++) {
        buf_addc(&want, 'x');
        buf_addc(&body, 'x');
    }
    buf_adds(&body, "\"}");
    ght_answer_mint(&t, 201, "", body.p);
    assert_ok(call_read(&t, &e), e);
    assert_string_equal(raw_header(ght_call(&t, 0), "Authorization"), want.p);
}

static void test_github_app__a_refused_cached_token_is_replaced_once(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    clock_test_advance(5000);
    ght_answer(&t, 401, "", "{\"message\":\"Bad credentials\"}");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 2);
    assert_string_equal(raw_header(ght_call(&t, 1), "Authorization"), "Bearer ghs_1");
    assert_string_equal(raw_header(ght_call(&t, 2), "Authorization"), "Bearer ghs_2");
}

static void test_github_app__a_refused_replacement_is_an_auth_error(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    clock_test_advance(5000);
    ght_answer(&t, 401, "", "{\"message\":\"Bad credentials\"}");
    assert_fails(call_read(&t, &e), ERR_AUTH, "GET /x: GitHub answered 401: Bad credentials", e);
    assert_int_equal(ght_mints(&t), 2);
    assert_int_equal(ght_calls(&t), 3);
}

static void test_github_app__a_token_that_is_not_known_yet_is_tried_again_later(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 401, "", "{\"message\":\"Bad credentials\"}");
    assert_fails(call_read(&t, &e), ERR_RETRY, "does not know the new token yet", e);
    assert_int_equal(e.retry_after_s, 1);
    clock_test_advance(1000);
    assert_fails(call_read(&t, &e), ERR_RETRY, "does not know the new token yet", e);
    assert_int_equal(e.retry_after_s, 2);
    assert_int_equal(ght_mints(&t), 1);
    clock_test_advance(3999);
    assert_fails(call_read(&t, &e), ERR_RETRY, "does not know the new token yet", e);
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 1);
}

static void test_github_app__a_token_that_is_never_known_ends_as_an_auth_error(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;
    int tries = 0;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 401, "", "{\"message\":\"Bad credentials\"}");
    do {
        assert_int_equal(call_read(&t, &e), -1);
        clock_test_advance(e.retry_after_s * 1000);
    } while (e.kind == ERR_RETRY && ++tries < 10);
    assert_int_equal(e.kind, ERR_AUTH);
    assert_true(tries <= 4);
}

static void test_github_app__a_wrong_clock_is_repaired_by_the_date_header_and_stays_repaired(void **state)
{
    static const char *const complaints[] = {
        "{\"message\":\"'Expiration time' claim ('exp') is too far in the future\"}",
        "{\"message\":\"'Issued at' claim ('iat') must be an Integer representing the time\"}",
        "{\"message\":\"Token expired\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(complaints); i++) {
        AUTO_GHT struct ghtest t;
        struct err e;

        ght_start(&t, "");
        ght_answer(&t, 401, "Date: Tue, 14 Nov 2023 22:03:20 GMT\r\n", complaints[i]); /* ten minutes behind us */
        ght_answer(&t, 200, "", "{}");
        assert_ok(call_app(&t, &e), e);
        assert_int_equal(ght_calls(&t), 2);
        assert_claims(&t, ght_call(&t, 0), START_MS / 1000);
        assert_claims(&t, ght_call(&t, 1), START_MS / 1000 - 600);
        assert_ok(call_app(&t, &e), e);
        assert_claims(&t, ght_call(&t, 2), START_MS / 1000 - 600);
    }
}

static void test_github_app__minting_repairs_the_clock_too(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    ght_answer_mint(&t, 401, "Date: Tue, 14 Nov 2023 23:13:20 GMT\r\n", "{\"message\":\"'exp' is in the past\"}");
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_mints(&t), 2);
    assert_claims(&t, ght_mint(&t, 1), START_MS / 1000 + 3600);
}

static void test_github_app__a_clock_complaint_is_repaired_only_once_and_only_with_a_date(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 401, "", "{\"message\":\"'exp' is wrong\"}");
    assert_fails(call_app(&t, &e), ERR_AUTH, "'exp' is wrong", e);
    assert_int_equal(ght_calls(&t), 1);
    ght_answer(&t, 401, "Date: Tue, 14 Nov 2023 22:03:20 GMT\r\n", "{\"message\":\"'exp' is wrong\"}");
    assert_fails(call_app(&t, &e), ERR_AUTH, "'exp' is wrong", e);
    assert_int_equal(ght_calls(&t), 3);
}

static void test_github_app__another_401_of_the_app_is_not_repeated(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 401, "Date: Tue, 14 Nov 2023 22:03:20 GMT\r\n",
               "{\"message\":\"A JSON web token could not be decoded\"}");
    assert_fails(call_app(&t, &e), ERR_AUTH, "GET /app: GitHub answered 401: A JSON web token could not be decoded", e);
    assert_int_equal(ght_calls(&t), 1);
}

static void test_github_app__a_refusal_to_mint_says_for_what_and_is_never_taken_for_a_missing_thing(void **state)
{
    static const struct {
        int status;
        const char *body, *text;
    } cases[] = {
        {404, "{\"message\":\"Not Found\"}", "Not Found"},
        {403, "{\"message\":\"This installation has been suspended\"}", "suspended"},
        {422, "{\"message\":\"The permissions requested are not granted to this installation.\"}", "not granted"},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_GHT struct ghtest t;

        ght_start(&t, "");
        ght_answer(&t, 200, "", "{}");
        ght_answer_mint(&t, cases[i].status, "", cases[i].body);
        assert_fails(call_read(&t, &e), ERR_AUTH, cases[i].text, e);
        assert_non_null(strstr(e.msg, "contents: read and actions: read"));
        assert_non_null(strstr(e.msg, "installation 77, repository 1296269"));
        assert_int_equal(ght_calls(&t), 0);
        assert_ok(call_read(&t, &e), e); /* and is not remembered */
    }
}

static void test_github_app__nonsense_instead_of_a_token_is_a_passing_fault_and_not_repeated_aloud(void **state)
{
    static const char *const bodies[] = {
        "",
        "<html>login</html>",
        "{\"token\":\"ghs_leak\"",
        "{\"token\":\"ghs_leak\"}",
        "{\"token\":12,\"expires_at\":\"2023-11-14T23:13:20Z\"}",
        "{\"token\":\"\",\"expires_at\":\"2023-11-14T23:13:20Z\"}",
        "{\"token\":\"ghs_leak\",\"expires_at\":\"soon\"}",
        "{\"token\":\"ghs_leak\",\"expires_at\":5}",
        "{\"token\":\"ghs_leak\\u0000\",\"expires_at\":\"2023-11-14T23:13:20Z\"}",
        "{\"token\":null,\"expires_at\":null}",
        "[\"ghs_leak\"]",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        AUTO_GHT struct ghtest t;
        struct err e;

        ght_start(&t, "");
        ght_answer_mint(&t, 201, "", bodies[i]);
        assert_fails(call_read(&t, &e), ERR_RETRY, "POST /app/installations/77/access_tokens", e);
        assert_null(strstr(e.msg, "leak"));
    }
}

static void test_github_app__a_token_with_a_line_break_is_not_sent(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    ght_answer_mint(&t, 201, "", "{\"token\":\"ghs_leak\\r\\nX-Evil: 1\",\"expires_at\":\"2023-11-14T23:13:20Z\"}");
    assert_int_equal(call_read(&t, &e), -1);
    assert_null(strstr(e.msg, "leak"));
    assert_int_equal(ght_calls(&t), 0);
}

static void test_github_app__a_call_without_installation_is_our_own_mistake(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = {.installation_id = 0, .repo_id = 5, .method = "GET", .path = "/x"};
    struct err e;

    (void)state;
    ght_start(&t, "");
    assert_fails(github_call(t.github, &c, &res, &e), ERR_BUG, "installation 0", e);
    assert_int_equal(raw_count(t.server), 0);
    github_free(NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(test_github_app__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_token_is_asked_for_with_a_signed_jwt_and_as_little_power_as_possible),
        T(a_call_carries_the_token_and_the_api_version),
        T(a_token_serves_until_five_minutes_before_its_end),
        T(a_tokens_end_is_read_on_githubs_clock),
        T(tokens_are_kept_apart_by_repository_and_installation),
        T(fifty_calls_at_once_ask_for_one_token),
        T(a_token_may_be_of_any_length_and_alphabet),
        T(a_refused_cached_token_is_replaced_once),
        T(a_refused_replacement_is_an_auth_error),
        T(a_token_that_is_not_known_yet_is_tried_again_later),
        T(a_token_that_is_never_known_ends_as_an_auth_error),
        T(a_wrong_clock_is_repaired_by_the_date_header_and_stays_repaired),
        T(minting_repairs_the_clock_too),
        T(a_clock_complaint_is_repaired_only_once_and_only_with_a_date),
        T(another_401_of_the_app_is_not_repeated),
        T(a_refusal_to_mint_says_for_what_and_is_never_taken_for_a_missing_thing),
        T(nonsense_instead_of_a_token_is_a_passing_fault_and_not_repeated_aloud),
        T(a_token_with_a_line_break_is_not_sent),
        T(a_call_without_installation_is_our_own_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
