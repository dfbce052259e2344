/* Exchanges for access tokens: what goes out, what comes back, whose fault a refusal is, what must not show. */
#include "tests/support/ghtest.h"
#include "tests/support/unit.h"

#include "providers/common/oauth2.h"
#include "server/base/clock.h"
#include "tests/support/fake_cloud.h"

#include <stdio.h>

#define START_MS 1700000000000
#define SECRET "client-secret-0123456789"

/* A token endpoint that answers everything alike, and a key pair. */
struct bench {
    struct ghtest github; /* for its key and its way to verify a JWT */
    struct rawserver *server;
    struct httpc *http;
    struct secret *secret;
    struct oauth2 o;
    char url[128];
    int status;
    const char *headers, *body;
};

static int reply(void *arg, const struct raw_request *r, struct buf *answer)
{
    const struct bench *b = arg;

    (void)r;
    raw_answer(answer, b->status, b->headers, b->body);
    return RAW_ANSWER;
}

static int setup(void **state)
{
    static struct bench b;

    b = (struct bench){
        .status = 200, .headers = "", .body = "{\"access_token\":\"tok-1\",\"expires_in\":3600,\"token_type\":\"B\"}"};
    ght_start(&b.github, "");
    b.server = raw_start(&(struct raw_conf){.handler = reply, .arg = &b});
    b.http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b.secret = secret_new(SECRET, strlen(SECRET));
    (void)snprintf(b.url, sizeof(b.url), "%s/oauth/token", raw_url(b.server));
    b.o =
        (struct oauth2){.http = b.http, .cloud = "cloud", .token_url = b.url, .secret = b.secret, .timeout_ms = 20000};
    clock_test_set(START_MS);
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    clock_test_release();
    ght_stop(&b->github);
    httpc_free(b->http);
    raw_stop(b->server);
    secret_free(b->secret);
    return 0;
}

static int exchange(struct bench *b, int64_t *expires_ms, struct err *e)
{
    AUTO_SECRET struct secret *token = NULL;
    int rc = oauth2_client_credentials(&b->o, "the client", b->secret, "a b/.default", &token, expires_ms, e);

    if (rc == 0)
        assert_string_equal(secret_reveal(token), "tok-1");
    return rc;
}

static int metadata(struct bench *b, int64_t *expires_ms, struct err *e)
{
    const struct httpc_header header = {"Metadata-Flavor", "Google"};
    AUTO_SECRET struct secret *token = NULL;

    return oauth2_metadata(&b->o, &header, &token, expires_ms, e);
}

/* A parameter of the form that went out last is this. */
static void sent(struct bench *b, const char *name, const char *expected)
{
    char text[4000];

    assert_true(fake_form(raw_get(b->server, raw_count(b->server) - 1)->body, name, text, sizeof(text)));
    assert_string_equal(text, expected);
}

/* ---- what goes out ---- */

static void test_oauth2__client_credentials_go_out_as_a_form(void **state)
{
    struct bench *b = *state;
    const struct raw_request *r;
    int64_t expires_ms;
    struct err e;

    assert_ok(exchange(b, &expires_ms, &e), e);
    assert_int_equal(expires_ms, START_MS + 3600 * 1000);
    r = raw_get(b->server, 0);
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->path, "/oauth/token");
    assert_string_equal(raw_header(r, "Content-Type"), "application/x-www-form-urlencoded");
    assert_string_equal(r->body, "grant_type=client_credentials&client_id=the%20client&client_secret=" SECRET
                                 "&scope=a%20b%2F.default");
}

static void test_oauth2__a_jwt_of_an_hour_is_exchanged_for_a_token(void **state)
{
    struct bench *b = *state;
    const struct oauth2_issuer i = {.issuer = "me@example", .kid = "key-1", .scope = "s1 s2", .key = b->github.key};
    AUTO_SECRET struct secret *token = NULL;
    AUTO_JSON json_t *claims = NULL, *want = NULL;
    char jwt[4000], line[4100];
    int64_t expires_ms;
    struct err e;

    assert_ok(oauth2_jwt_bearer(&b->o, &i, &token, &expires_ms, &e), e);
    assert_string_equal(secret_reveal(token), "tok-1");
    sent(b, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_true(fake_form(raw_get(b->server, 0)->body, "assertion", jwt, sizeof(jwt)));
    (void)snprintf(line, sizeof(line), "Bearer %s", jwt);
    claims = ght_verify_jwt(&b->github, line);
    assert_non_null(claims);
    assert_ok(js_pack(&e, &want, "{s:s, s:s, s:s, s:I, s:I}", "iss", "me@example", "scope", "s1 s2", "aud", b->url,
                      "iat", (json_int_t)(START_MS / 1000), "exp", (json_int_t)(START_MS / 1000 + 3600)),
              e);
    assert_int_equal(json_equal(claims, want), 1);
}

static void test_oauth2__the_audience_may_differ_from_the_address(void **state)
{
    struct bench *b = *state;
    const struct oauth2_issuer i = {
        .issuer = "me", .scope = "s", .audience = "https://other.example/token", .key = b->github.key};
    AUTO_SECRET struct secret *token = NULL;
    AUTO_JSON json_t *claims = NULL;
    char jwt[4000], line[4100];
    int64_t expires_ms;
    struct err e;

    assert_ok(oauth2_jwt_bearer(&b->o, &i, &token, &expires_ms, &e), e);
    assert_true(fake_form(raw_get(b->server, 0)->body, "assertion", jwt, sizeof(jwt)));
    (void)snprintf(line, sizeof(line), "Bearer %s", jwt);
    claims = ght_verify_jwt(&b->github, line);
    assert_string_equal(json_string_value(json_object_get(claims, "aud")), "https://other.example/token");
}

static void test_oauth2__forms_are_escaped(void **state)
{
    AUTO_BUF struct buf form = BUF_INIT(200);

    (void)state;
    oauth2_form_add(&form, "a", "x&y=z");
    oauth2_form_add(&form, "b", "1 + 1\n");
    assert_string_equal(form.p, "a=x%26y%3Dz&b=1%20%2B%201%0A");
}

/* ---- what comes back ---- */

static void test_oauth2__a_life_may_be_a_number_or_a_number_as_text(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->body = "{\"access_token\":\"tok-1\",\"expires_in\":\"86399\"}";
    assert_ok(exchange(b, &expires_ms, &e), e);
    assert_int_equal(expires_ms, START_MS + 86399 * (int64_t)1000);
}

static void test_oauth2__an_answer_without_a_usable_token_is_tried_again(void **state)
{
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "[]",
                                         "{}",
                                         "{\"access_token\":7,\"expires_in\":60}",
                                         "{\"access_token\":\"\",\"expires_in\":60}",
                                         "{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":60}",
                                         "{\"access_token\":\"tok-1\"}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":0}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":-5}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":86401}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":\"soon\"}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":\"\"}",
                                         "{\"access_token\":\"tok-1\",\"expires_in\":true}"};
    struct bench *b = *state;
    int64_t expires_ms = 5;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        b->body = bodies[i];
        assert_fails(exchange(b, &expires_ms, &e), ERR_RETRY, "cloud token: the answer makes no sense", e);
        assert_int_equal(expires_ms, 5);
        assert_null(strstr(e.msg, "tok-1"));
    }
}

/* ---- refusals ---- */

static void test_oauth2__refusals_are_about_the_credentials(void **state)
{
    static const char *const codes[] = {"invalid_client",  "unauthorized_client", "invalid_scope",
                                        "invalid_request", "access_denied",       "invalid_grant"};
    struct bench *b = *state;
    int64_t expires_ms;
    static char body[200];
    struct err e;

    b->status = 400;
    b->body = body;
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        (void)snprintf(body, sizeof(body), "{\"error\":\"%s\",\"error_description\":\"because\"}", codes[i]);
        assert_fails(exchange(b, &expires_ms, &e), ERR_AUTH, codes[i], e);
        assert_non_null(strstr(e.msg, ": because"));
    }
}

/* PROVIDERS.md trap 15: a clock that is wrong shows as an invalid grant. */
static void test_oauth2__trap_15_an_invalid_grant_says_to_check_the_clock(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->status = 400;
    b->body = "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Token must be a short-lived token\"}";
    assert_fails(exchange(b, &expires_ms, &e), ERR_AUTH, "check the clock", e);
}

static void test_oauth2__passing_faults_are_no_refusal(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->status = 503;
    assert_fails(exchange(b, &expires_ms, &e), ERR_RETRY, "", e);
    b->status = 400;
    b->body = "{\"error\":\"temporarily_unavailable\"}";
    assert_fails(exchange(b, &expires_ms, &e), ERR_RETRY, "", e);
    b->status = 429;
    b->headers = "Retry-After: 11\r\n";
    b->body = "{\"error\":{\"message\":\"a gateway's form\"}}";
    assert_fails(exchange(b, &expires_ms, &e), ERR_THROTTLED, "a gateway's form", e);
    assert_int_equal(e.retry_after_s, 11);
    b->o.token_url = "http://127.0.0.1:1/token";
    assert_fails(exchange(b, &expires_ms, &e), ERR_RETRY, "", e);
}

static void test_oauth2__no_refusal_shows_a_secret(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->status = 400;
    b->body = "{\"error\":\"invalid_client\",\"error_description\":\"secret '" SECRET "' is wrong\"}";
    assert_fails(exchange(b, &expires_ms, &e), ERR_AUTH, "secret '***' is wrong", e);
    b->body = "{\"error\":\"" SECRET "\"}";
    assert_fails(exchange(b, &expires_ms, &e), ERR_INVALID, "***", e);
    assert_null(strstr(e.msg, "client-secret"));
}

/* ---- metadata services ---- */

static void test_oauth2__a_metadata_service_is_asked_with_its_header(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    assert_ok(metadata(b, &expires_ms, &e), e);
    assert_int_equal(expires_ms, START_MS + 3600 * 1000);
    assert_string_equal(raw_get(b->server, 0)->method, "GET");
    assert_string_equal(raw_get(b->server, 0)->path, "/oauth/token");
    assert_string_equal(raw_header(raw_get(b->server, 0), "Metadata-Flavor"), "Google");
}

static void test_oauth2__where_no_metadata_service_is_there_are_no_credentials(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->status = 404;
    b->body = "<html>some other web server</html>";
    assert_fails(metadata(b, &expires_ms, &e), ERR_AUTH, "metadata service", e);
    b->body = "{\"error\":\"not_found\"}";
    assert_fails(metadata(b, &expires_ms, &e), ERR_AUTH, "metadata service", e);
    b->status = 400;
    b->body = "{\"error\":\"no_identity\",\"error_description\":\"Identity not found\"}";
    assert_fails(metadata(b, &expires_ms, &e), ERR_AUTH, "Identity not found", e);
    b->o.token_url = "http://127.0.0.1:1/token";
    assert_fails(metadata(b, &expires_ms, &e), ERR_AUTH, "metadata service", e);
}

static void test_oauth2__a_metadata_service_that_stumbles_is_asked_again(void **state)
{
    struct bench *b = *state;
    int64_t expires_ms;
    struct err e;

    b->status = 500;
    assert_fails(metadata(b, &expires_ms, &e), ERR_RETRY, "", e);
    b->status = 429;
    assert_fails(metadata(b, &expires_ms, &e), ERR_THROTTLED, "", e);
    b->status = 200;
    b->body = "{}";
    assert_fails(metadata(b, &expires_ms, &e), ERR_RETRY, "makes no sense", e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_oauth2__client_credentials_go_out_as_a_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__a_jwt_of_an_hour_is_exchanged_for_a_token, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__the_audience_may_differ_from_the_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__forms_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__a_life_may_be_a_number_or_a_number_as_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__an_answer_without_a_usable_token_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__refusals_are_about_the_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__trap_15_an_invalid_grant_says_to_check_the_clock, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__passing_faults_are_no_refusal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__no_refusal_shows_a_secret, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__a_metadata_service_is_asked_with_its_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__where_no_metadata_service_is_there_are_no_credentials, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_oauth2__a_metadata_service_that_stumbles_is_asked_again, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
