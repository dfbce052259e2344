/* Refusals of a cloud: which kind, which words, which wait, and what must not show. Calls are in test_rest_calls.c. */
#include "tests/support/unit.h"

#include "providers/common/bearer.h"
#include "tests/support/rawserver.h"

#include <stdio.h>

static const struct rest_rule rules[] = {
    {422, "limit", "droplet limit|exceed your", ERR_QUOTA, 0, "ask for more"},
    {422, "limit", NULL, ERR_CAPACITY, 600, NULL},
    {0, NULL, "come back", ERR_THROTTLED, 30, NULL},
    {503, NULL, NULL, ERR_CAPACITY, 60, NULL},
    {0, "over_there", NULL, ERR_GONE, 0, NULL},
    {400, "over_there", NULL, ERR_AUTH, 0, NULL}, /* never reached */
    {0, "broken", NULL, ERR_RETRY, 7, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->code = json_string_value(json_object_get(doc, "code"));
    out->message = json_string_value(json_object_get(doc, "message"));
}

static const struct rest_dialect dialect = {.cloud = "cloud", .rules = rules, .read = read_fault};

/* A cloud that answers everything alike. */
struct bench {
    struct rawserver *server;
    struct httpc *http;
    struct rest_client client;
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

    b = (struct bench){.status = 200, .headers = "", .body = "{}"};
    b.server = raw_start(&(struct raw_conf){.handler = reply, .arg = &b});
    b.http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b.client =
        (struct rest_client){.http = b.http, .dialect = &dialect, .base = raw_url(b.server), .timeout_ms = 20000};
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    httpc_free(b->http);
    raw_stop(b->server);
    return 0;
}

static struct err ask(struct bench *b, int status, const char *headers, const char *body, const struct rest_call *how)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = how != NULL ? *how : (struct rest_call){.method = "GET"};
    struct err e = {.kind = ERR_NONE};

    call.path = "/v1/x";
    call.what = "things.get";
    b->status = status;
    b->headers = headers;
    b->body = body;
    if (rest_do(&b->client, &call, &res, &e) == 0)
        return (struct err){.kind = ERR_NONE};
    return e;
}

static void is_error(struct err e, enum err_kind kind, const char *text)
{
    assert_string_equal(err_kind_name(e.kind), err_kind_name(kind));
    assert_string_equal(e.msg, text);
}

/* ---- the table ---- */

static void test_rest__the_first_row_that_fits_counts(void **state)
{
    struct bench *b = *state;

    is_error(ask(b, 422, "", "{\"code\":\"limit\",\"message\":\"you are at your droplet limit\"}", NULL), ERR_QUOTA,
             "cloud things.get: limit (ask for more): you are at your droplet limit");
    is_error(ask(b, 422, "", "{\"code\":\"limit\",\"message\":\"none left\"}", NULL), ERR_CAPACITY,
             "cloud things.get: limit: none left");
    is_error(ask(b, 400, "", "{\"code\":\"over_there\",\"message\":\"m\"}", NULL), ERR_GONE,
             "cloud things.get: over_there: m");
}

static void test_rest__a_row_fits_only_with_its_status(void **state)
{
    struct bench *b = *state;

    is_error(ask(b, 400, "", "{\"code\":\"limit\",\"message\":\"droplet limit\"}", NULL), ERR_INVALID,
             "cloud things.get: limit: droplet limit");
}

static void test_rest__codes_and_words_are_compared_without_case(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask(b, 422, "", "{\"code\":\"LIMIT\",\"message\":\"This would Exceed Your x\"}", NULL).kind,
                     ERR_QUOTA);
    assert_int_equal(ask(b, 418, "", "{\"message\":\"please COME BACK later\"}", NULL).kind, ERR_THROTTLED);
}

static void test_rest__any_of_the_words_is_enough_and_pieces_of_two_are_none(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask(b, 422, "", "{\"code\":\"limit\",\"message\":\"exceed your\"}", NULL).kind, ERR_QUOTA);
    assert_int_equal(ask(b, 422, "", "{\"code\":\"limit\",\"message\":\"limit|exceed\"}", NULL).kind, ERR_CAPACITY);
    assert_int_equal(ask(b, 422, "", "{\"code\":\"limit\"}", NULL).kind, ERR_CAPACITY);
}

static void test_rest__a_row_of_status_alone_needs_no_document(void **state)
{
    struct bench *b = *state;
    struct err e = ask(b, 503, "", "<html>", NULL);

    is_error(e, ERR_CAPACITY, "cloud things.get: HTTP status 503 without a reason");
    assert_int_equal(e.retry_after_s, 60);
}

/* ---- without a row ---- */

static void test_rest__what_no_row_fits_goes_by_its_status(void **state)
{
    static const struct {
        int status;
        enum err_kind kind;
    } rows[] = {{400, ERR_INVALID}, {401, ERR_AUTH},    {402, ERR_INVALID},   {403, ERR_AUTH},  {409, ERR_CONFLICT},
                {410, ERR_INVALID}, {422, ERR_INVALID}, {429, ERR_THROTTLED}, {408, ERR_RETRY}, {425, ERR_RETRY},
                {500, ERR_RETRY},   {502, ERR_RETRY},   {301, ERR_RETRY},     {304, ERR_RETRY}};
    struct bench *b = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(b, rows[i].status, "", "", NULL).kind, rows[i].kind);
        assert_int_equal(ask(b, rows[i].status, "", "{\"code\":\"new\",\"message\":\"m\"}", NULL).kind, rows[i].kind);
    }
}

static void test_rest__a_404_means_gone_only_in_the_clouds_own_form(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask(b, 404, "", "{\"code\":\"not_found\"}", NULL).kind, ERR_GONE);
    assert_int_equal(ask(b, 404, "", "{\"message\":\"no such thing\"}", NULL).kind, ERR_GONE);
    assert_int_equal(ask(b, 404, "", "<html>nginx</html>", NULL).kind, ERR_INVALID);
    assert_int_equal(ask(b, 404, "", "{\"detail\":\"of somebody else\"}", NULL).kind, ERR_INVALID);
    assert_int_equal(ask(b, 404, "", "{\"code\":\"\",\"message\":\"\"}", NULL).kind, ERR_INVALID);
    assert_int_equal(ask(b, 404, "", "", NULL).kind, ERR_INVALID);
}

static void test_rest__a_404_to_what_creates_is_about_something_in_its_body(void **state)
{
    struct bench *b = *state;
    const struct rest_call call = {.method = "POST", .creates = true};

    is_error(ask(b, 404, "", "{\"code\":\"not_found\",\"message\":\"no such image\"}", &call), ERR_INVALID,
             "cloud things.get: not_found: no such image");
}

static void test_rest__a_refusal_without_words_says_so(void **state)
{
    struct bench *b = *state;

    is_error(ask(b, 400, "", "{\"code\":\"odd\"}", NULL), ERR_INVALID, "cloud things.get: odd: no reason given");
    is_error(ask(b, 400, "", "{\"message\":\"only words\"}", NULL), ERR_INVALID, "cloud things.get: only words");
    is_error(ask(b, 400, "", "{\"code\":7,\"message\":[]}", NULL), ERR_INVALID,
             "cloud things.get: HTTP status 400 without a reason");
}

/* ---- how long to wait ---- */

static void test_rest__the_answer_says_how_long_to_wait_else_the_row_does(void **state)
{
    static const char again[] = "{\"message\":\"come back\"}", broken[] = "{\"code\":\"broken\"}";
    struct bench *b = *state;

    assert_int_equal(ask(b, 400, "", again, NULL).retry_after_s, 30);
    assert_int_equal(ask(b, 400, "Retry-After: 17\r\n", again, NULL).retry_after_s, 17);
    assert_int_equal(ask(b, 500, "Retry-After: 3\r\n", broken, NULL).retry_after_s, 3);
    assert_int_equal(ask(b, 500, "", broken, NULL).retry_after_s, 7);
    assert_int_equal(ask(b, 429, "Retry-After: 9\r\n", "slow", NULL).retry_after_s, 9);
    assert_int_equal(ask(b, 429, "", "slow", NULL).retry_after_s, 0);
    assert_int_equal(ask(b, 400, "Retry-After: 17\r\n", "no", NULL).retry_after_s, 0);
    /* how long a lack of room is remembered is our own affair */
    assert_int_equal(ask(b, 503, "Retry-After: 17\r\n", "no", NULL).retry_after_s, 60);
}

/* ---- refusals inside a success ---- */

static void test_rest__a_refusal_from_elsewhere_has_the_same_kinds_and_words(void **state)
{
    struct bench *b = *state;
    const struct rest_call call = {.method = "GET", .path = "/", .what = "operation"};
    struct err e;

    assert_fails(rest_refuse(&b->client, &call, 422, "limit", "the droplet limit", &e), ERR_QUOTA,
                 "cloud operation: limit (ask for more): the droplet limit", e);
    assert_fails(rest_refuse(&b->client, &call, 0, "news", NULL, &e), ERR_RETRY, "cloud operation: news: no reason", e);
    assert_fails(rest_refuse(&b->client, &call, 404, "news", "m", &e), ERR_GONE, "news: m", e);
}

static void test_rest__what_makes_no_sense_is_tried_again_and_says_where(void **state)
{
    struct bench *b = *state;
    const struct rest_call call = {.method = "GET", .path = "/", .what = "things.get"};
    struct err e;

    assert_int_equal(err_set(&e, ERR_INVALID, "id: expected a string"), -1);
    e.retry_after_s = 5;
    assert_int_equal(rest_nonsense(&b->client, &call, &e), -1);
    is_error(e, ERR_RETRY, "cloud things.get: the answer makes no sense: id: expected a string");
    assert_int_equal(e.retry_after_s, 0);
    assert_int_equal(rest_page_failed(3, &e), -1);
    assert_non_null(strstr(e.msg, "page 3: cloud things.get"));
}

/* ---- what must not show ---- */

static const char user_data[] =
    "#!/bin/bash\nMUSTER_JIT='the one-time credential'\nshort\necho \"quoted piece of it\"\n";

static void hides(struct bench *b, const char *said, const char *shown)
{
    AUTO_SECRET struct secret *data = secret_new(user_data, strlen(user_data));
    AUTO_SECRET struct secret *token = secret_new("tok-0123456789", 14), *other = secret_new("client-secret-7", 15);
    const struct rest_call call = {.method = "POST", .hide = data};
    AUTO_JSON json_t *doc = json_pack("{s:s, s:s}", "code", "no", "message", said);
    AUTO_FREE char *body = NULL;
    char want[512];
    struct err e;

    b->client.auth = bearer_fixed;
    b->client.auth_arg = token;
    b->client.secrets[1] = other;
    assert_ok(js_dump(doc, &body, &e), e);
    (void)snprintf(want, sizeof(want), "cloud things.get: no: %s", shown);
    is_error(ask(b, 400, "", body, &call), ERR_INVALID, want);
}

static void test_rest__credentials_and_secrets_show_as_stars(void **state)
{
    struct bench *b = *state;

    hides(b, "the token tok-0123456789 is bad", "the token *** is bad");
    hides(b, "header 'Bearer tok-0123456789'", "header 'Bearer ***'");
    hides(b, "client-secret-7, client-secret-7!", "***, ***!");
}

static void test_rest__user_data_shows_neither_whole_nor_by_the_line(void **state)
{
    struct bench *b = *state;
    char whole[300];

    (void)snprintf(whole, sizeof(whole), "bad body %s.", user_data);
    hides(b, whole, "bad body ***.");
    hides(b, "at MUSTER_JIT='the one-time credential' in line 2", "at *** in line 2");
    hides(b, "at #!/bin/bash\\nMUSTER_JIT='the one-time credential'\\n", "at #!/bin/bash\\n***\\n");
    hides(b, "escaped: echo \\\"quoted piece of it\\\"", "escaped: echo \\\"***\\\"");
    hides(b, "short is no secret", "short is no secret");
}

static void test_rest__runs_of_key_material_show_as_stars(void **state)
{
    char run[80], said[200], shown[200];
    struct bench *b = *state;

    memset(run, 'A', sizeof(run));
    run[64] = '\0';
    (void)snprintf(said, sizeof(said), "value %s is odd", run);
    hides(b, said, "value *** is odd");
    run[63] = '\0';
    (void)snprintf(said, sizeof(said), "value %s is odd", run);
    (void)snprintf(shown, sizeof(shown), "value %s is odd", run);
    hides(b, said, shown);
}

static void test_rest__a_secret_in_a_code_does_not_show_either(void **state)
{
    struct bench *b = *state;
    AUTO_SECRET struct secret *token = secret_new("tok-0123456789", 14);

    b->client.auth = bearer_fixed;
    b->client.auth_arg = token;
    is_error(ask(b, 400, "", "{\"code\":\"tok-0123456789\",\"message\":\"m\"}", NULL), ERR_INVALID,
             "cloud things.get: ***: m");
}

static void test_rest__long_sentences_are_cut_after_they_were_masked(void **state)
{
    struct bench *b = *state;
    AUTO_SECRET struct secret *token = secret_new("tok-0123456789", 14);
    AUTO_BUF struct buf body = BUF_INIT(4096);
    struct err e;

    b->client.auth = bearer_fixed;
    b->client.auth_arg = token;
    buf_adds(&body, "{\"message\":\"");
    for (int i = 0; i < 74; i++)
        buf_adds(&body, "long ");
    buf_adds(&body, " tok-0123456789\"}"); /* the cut would leave half of it */
    e = ask(b, 400, "", body.p, NULL);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_true(strlen(e.msg) < 420);
    assert_null(strstr(e.msg, "tok-"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rest__the_first_row_that_fits_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_row_fits_only_with_its_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__codes_and_words_are_compared_without_case, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__any_of_the_words_is_enough_and_pieces_of_two_are_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_row_of_status_alone_needs_no_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__what_no_row_fits_goes_by_its_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_404_means_gone_only_in_the_clouds_own_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_404_to_what_creates_is_about_something_in_its_body, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_refusal_without_words_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__the_answer_says_how_long_to_wait_else_the_row_does, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_refusal_from_elsewhere_has_the_same_kinds_and_words, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest__what_makes_no_sense_is_tried_again_and_says_where, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__credentials_and_secrets_show_as_stars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__user_data_shows_neither_whole_nor_by_the_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__runs_of_key_material_show_as_stars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__a_secret_in_a_code_does_not_show_either, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest__long_sentences_are_cut_after_they_were_masked, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
