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

static void test_github_errors__each_status_has_its_kind(void **state)
{
    static const struct {
        int status;
        enum err_kind kind;
    } cases[] = {
        {400, ERR_INVALID}, {403, ERR_AUTH},    {404, ERR_GONE},      {409, ERR_CONFLICT}, {410, ERR_GONE},
        {415, ERR_INVALID}, {422, ERR_INVALID}, {429, ERR_THROTTLED}, {500, ERR_RETRY},    {502, ERR_RETRY},
        {503, ERR_RETRY},   {301, ERR_INVALID}, {302, ERR_INVALID},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_GHT struct ghtest t;

        ght_start(&t, "");
        ght_answer(&t, cases[i].status, "", "{\"message\":\"Said by GitHub\"}");
        assert_fails(call_read(&t, &e), cases[i].kind, ": Said by GitHub", e);
        assert_int_equal(ght_calls(&t), 1);
    }
}

static void test_github_errors__2xx_304_and_the_accepted_statuses_are_answers(void **state)
{
    static const int accept[] = {404, 422, 0};
    static const int statuses[] = {200, 201, 202, 204, 304, 404, 422};
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
        struct github_call c = {.installation_id = 1, .repo_id = 1, .method = "GET", .path = "/x", .accept = accept};

        ght_answer(&t, statuses[i], "", "");
        assert_ok(github_call(t.github, &c, &res, &e), e);
        assert_int_equal(res.status, statuses[i]);
    }
}

static void test_github_errors__validation_errors_name_the_field(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 422, "",
               "{\"message\":\"Validation Failed\",\"errors\":[{\"resource\":\"Runner\",\"field\":\"labels\",\"code\":"
               "\"invalid\"}]}");
    assert_fails(call_read(&t, &e), ERR_INVALID, "422: Validation Failed (labels: invalid)", e);
    ght_answer(&t, 422, "", "{\"message\":\"Validation Failed\",\"errors\":[\"too many labels\"]}");
    assert_fails(call_read(&t, &e), ERR_INVALID, "422: Validation Failed (too many labels)", e);
}

static void test_github_errors__a_missing_permission_is_named(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 403, "", "{\"message\":\"Resource not accessible by integration\"}");
    assert_fails(call(&t, GITHUB_SCOPE_RUNNERS, &res, &e), ERR_AUTH,
                 "not accessible by integration; the App needs the permission administration: write", e);
    ght_answer(&t, 403, "X-Accepted-GitHub-Permissions: actions=read\r\n", "{\"message\":\"No\"}");
    assert_fails(call_read(&t, &e), ERR_AUTH, ": No; the App needs the permission actions=read", e);
    ght_answer(&t, 403, "", "{\"message\":\"Repository access blocked\"}");
    assert_int_equal(call_read(&t, &e), -1);
    assert_null(strstr(e.msg, "permission"));
}

static void test_github_errors__an_error_never_holds_a_token_or_a_query(void **state)
{
    static const char *const bodies[] = {
        "{\"message\":\"Bearer ghs_1 is bad\",\"errors\":[\"ghs_1\"]}",
        "ghs_1",
        "{\"message\":\"x\",\"errors\":[{\"message\":\"see ghs_1\"}]}",
    };
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ght_answer(&t, 422, "X-Accepted-GitHub-Permissions: ghs_1\r\n", bodies[i]);
        assert_int_equal(call_read(&t, &e), -1);
        assert_null(strstr(e.msg, "ghs_1"));
        assert_null(strstr(e.msg, "q=1"));
    }
    ght_answer(&t, 403, "X-Accepted-GitHub-Permissions: ghs_1\r\n", "{}");
    assert_int_equal(call_read(&t, &e), -1);
    assert_null(strstr(e.msg, "ghs_1"));
}

static void test_github_errors__a_token_at_the_cut_of_a_long_message_is_masked_before_the_cut(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_BUF struct buf body = BUF_INIT(4096), token = BUF_INIT(4096);
    struct err e;

    (void)state;
    ght_start(&t, "");
    buf_adds(&token, "{\"expires_at\":\"2023-11-14T23:13:20Z\",\"token\":\"SECRETSECRETSECRETSECRETSECRETSECRET\"}");
    ght_answer_mint(&t, 201, "", token.p);
    for (size_t pad = 250; pad < 330; pad++) {
        buf_reset(&body);
        buf_adds(&body, "{\"message\":\"");
        for (size_t i = 0; i < pad; i++)
            buf_addc(&body, '.');
        buf_adds(&body, "SECRETSECRETSECRETSECRETSECRETSECRET\"}");
        ght_forget(&t);
        ght_answer(&t, 422, "", body.p);
        assert_int_equal(call_read(&t, &e), -1);
        assert_null(strstr(e.msg, "SECR"));
    }
}

#define OWN(t) (t).api_url

static void move_to(struct ghtest *t, char headers[256], int status, const char *base, const char *path)
{
    (void)snprintf(headers, 256, "Location: %s%s\r\n", base, path);
    ght_answer(t, status, headers, "{\"message\":\"Moved Permanently\"}");
}

static void test_github_errors__a_renamed_repository_is_followed_to_its_number(void **state)
{
    AUTO_GHT struct ghtest t;
    char headers[2][256];
    struct err e;

    (void)state;
    ght_start(&t, "/api/v3");
    move_to(&t, headers[0], 301, OWN(t), "/repositories/1296269/x?page=2");
    ght_answer(&t, 200, "", "{}");
    assert_ok(call_read(&t, &e), e);
    assert_int_equal(ght_calls(&t), 2);
    assert_string_equal(ght_call(&t, 1)->path, "/api/v3/repositories/1296269/x?page=2");
    assert_string_equal(ght_call(&t, 1)->method, ght_call(&t, 0)->method);
    assert_string_equal(raw_header(ght_call(&t, 1), "Authorization"), raw_header(ght_call(&t, 0), "Authorization"));
    ght_forget(&t);
    move_to(&t, headers[1], 307, OWN(t), "/repositories/1296269/x"); /* for ever */
    assert_fails(call_read(&t, &e), ERR_INVALID, "renamed or moved", e);
    assert_int_equal(ght_calls(&t), 2 + 4);
}

static void test_github_errors__a_redirection_that_leads_elsewhere_is_not_followed(void **state)
{
    static const char *const elsewhere[] = {
        "/repositories/2/x",          "/repositories/", "/repositories/1296269x", "/app",
        "/repositories/1296269/../x", "/user/1",        "/repositories/1296269#x"};
    AUTO_GHT struct ghtest t;
    char headers[ARRAY_LEN(elsewhere) + 2][256];
    struct err e;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
        ght_forget(&t);
        move_to(&t, headers[i], 301, OWN(t), elsewhere[i]);
        assert_fails(call_read(&t, &e), ERR_INVALID, "301", e);
    }
    ght_forget(&t);
    move_to(&t, headers[ARRAY_LEN(elsewhere)], 302, "http://127.0.0.1:1", "/repositories/1296269/x");
    assert_fails(call_read(&t, &e), ERR_INVALID, "302", e);
    ght_forget(&t);
    move_to(&t, headers[ARRAY_LEN(elsewhere) + 1], 301, OWN(t), ".evil.example/repositories/1296269/x");
    assert_fails(call_read(&t, &e), ERR_INVALID, "301", e);
    assert_int_equal(ght_calls(&t), ARRAY_LEN(elsewhere) + 2);
}

static void test_github_errors__hostile_answers_end_as_errors(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer_act(&t, RAW_ENDLESS, 500, "Connection: close\r\n", "");
    assert_int_equal(call_read(&t, &e), -1);
    ght_answer(&t, 500, "", "<html>\x01\xff\n");
    assert_fails(call_read(&t, &e), ERR_RETRY, "GET /x: GitHub answered 500", e);
    ght_answer(&t, 404, "", "{\"message\":[1],\"errors\":{}}");
    assert_fails(call_read(&t, &e), ERR_GONE, "GET /x: GitHub answered 404", e);
    ght_answer(&t, 503, "Retry-After: 17\r\n", "");
    assert_fails(call_read(&t, &e), ERR_RETRY, "503", e);
    assert_int_equal(e.retry_after_s, 17);
}

#define T(name) cmocka_unit_test_setup_teardown(test_github_errors__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_status_has_its_kind),
        T(2xx_304_and_the_accepted_statuses_are_answers),
        T(validation_errors_name_the_field),
        T(a_missing_permission_is_named),
        T(an_error_never_holds_a_token_or_a_query),
        T(a_token_at_the_cut_of_a_long_message_is_masked_before_the_cut),
        T(a_renamed_repository_is_followed_to_its_number),
        T(a_redirection_that_leads_elsewhere_is_not_followed),
        T(hostile_answers_end_as_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
