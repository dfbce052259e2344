/* Calls of a cloud: what goes out, credentials and their one renewal, answers of all sorts, requests that are shown. */
#include "tests/support/unit.h"

#include "providers/common/rest.h"
#include "tests/support/rawserver.h"

#include <stdio.h>

static const struct rest_rule rules[] = {{0, NULL, NULL, ERR_NONE, 0, NULL}};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->code = json_string_value(json_object_get(doc, "code"));
}

static const struct rest_dialect dialect = {.cloud = "cloud", .rules = rules, .read = read_fault};

/* Answers to the first request, the second, ...; the last one repeats. */
struct bench {
    struct rawserver *server;
    struct httpc *http;
    struct rest_client client;
    const char *answers[3];
    int statuses[3];
    size_t n, at;
    enum raw_act act;
    /* the filler */
    const char *keys[3]; /* one after the other; NULL = it fails */
    int fills;
    enum err_kind fail_as;                /* ERR_NONE = ERR_THROTTLED */
    char refused[64], text[64], url[128]; /* what the last fill was told */
};

static int reply(void *arg, const struct raw_request *r, struct buf *answer)
{
    struct bench *b = arg;
    size_t i = b->at < b->n ? b->at++ : b->n - 1;

    (void)r;
    if (b->act == RAW_ENDLESS)
        buf_adds(answer, "HTTP/1.1 200 X\r\n\r\n{");
    else if (b->act == RAW_CLOSE)
        buf_adds(answer, "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"cut\":");
    else
        raw_answer(answer, b->statuses[i], "", b->answers[i]);
    return (int)b->act;
}

static int setup(void **state)
{
    static struct bench b;

    b = (struct bench){.answers = {"{\"ok\":1}"}, .statuses = {200}, .n = 1};
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

static int fill(void *arg, const struct rest_call *call, const char *url, const char *text, size_t len,
                const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    struct bench *b = arg;
    const char *key = b->keys[b->fills++];

    (void)call;
    (void)snprintf(b->url, sizeof(b->url), "%s", url);
    (void)snprintf(b->text, sizeof(b->text), "%.*s", (int)len, text);
    (void)snprintf(b->refused, sizeof(b->refused), "%s", refused != NULL ? secret_reveal(refused->values[0]) : "first");
    if (key == NULL)
        return err_set(e, b->fail_as != ERR_NONE ? b->fail_as : ERR_THROTTLED, "no key now");
    rest_header_add(out, "X-Key", key);
    return 0;
}

static void use_keys(struct bench *b, const char *one, const char *two)
{
    b->client.auth = fill;
    b->client.auth_arg = b;
    b->keys[0] = one;
    b->keys[1] = two;
}

static void will_say(struct bench *b, int first, int second)
{
    b->answers[0] = b->answers[1] = "{\"code\":\"c\"}";
    b->statuses[0] = first;
    b->statuses[1] = second;
    b->n = 2;
}

static int get(struct bench *b, const char *path, struct rest_res *res, struct err *e)
{
    const struct rest_call call = {.method = "GET", .path = path, .what = "things.get"};

    return rest_do(&b->client, &call, res, e);
}

static const char *header_of(struct bench *b, size_t i, const char *name)
{
    return raw_header(raw_get(b->server, i), name);
}

/* ---- what goes out ---- */

static void test_rest_calls__a_body_is_json_and_a_form_is_a_form(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = json_pack("{s:s}", "name", "a \"b\"");
    AUTO_BUF struct buf form = BUF_INIT(100);
    const struct httpc_header more = {"X-More", "yes"};
    struct rest_call call = {
        .method = "POST", .path = "/v1/x?y=1", .what = "w", .body = body, .headers = &more, .n_headers = 1};
    struct err e;

    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    assert_string_equal(raw_get(b->server, 0)->method, "POST");
    assert_string_equal(raw_get(b->server, 0)->path, "/v1/x?y=1");
    assert_string_equal(raw_get(b->server, 0)->body, "{\"name\":\"a \\\"b\\\"\"}");
    assert_string_equal(header_of(b, 0, "Content-Type"), "application/json");
    assert_string_equal(header_of(b, 0, "Accept"), "application/json");
    assert_string_equal(header_of(b, 0, "X-More"), "yes");
    buf_adds(&form, "a=b&c=d");
    call.body = NULL;
    call.form = &form;
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    assert_string_equal(raw_get(b->server, 1)->body, "a=b&c=d");
    assert_string_equal(header_of(b, 1, "Content-Type"), "application/x-www-form-urlencoded");
    assert_ok(get(b, "/", &res, &e), e);
    assert_null(header_of(b, 2, "Content-Type"));
    assert_int_equal(raw_get(b->server, 2)->body_len, 0);
}

static void test_rest_calls__what_creates_travels_on_a_connection_of_its_own(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_call call = {.method = "POST", .path = "/", .what = "w", .creates = true};
    struct err e;

    assert_ok(get(b, "/", &res, &e), e);
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    assert_int_not_equal(raw_get(b->server, 0)->connection, raw_get(b->server, 1)->connection);
}

static void test_rest_calls__an_empty_path_is_the_base_itself(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    char base[100];
    struct err e;

    (void)snprintf(base, sizeof(base), "%s/token", raw_url(b->server));
    b->client.base = base;
    assert_ok(get(b, "", &res, &e), e);
    assert_string_equal(raw_get(b->server, 0)->path, "/token");
}

static void test_rest_calls__a_next_page_of_the_same_origin_is_followed(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    char next[100];
    struct err e;

    (void)snprintf(next, sizeof(next), "%s/v1/x?page=2", raw_url(b->server));
    assert_ok(get(b, next, &res, &e), e);
    assert_string_equal(raw_get(b->server, 0)->path, "/v1/x?page=2");
}

static void test_rest_calls__a_next_page_elsewhere_gets_no_credentials(void **state)
{
    static const char *const tails[] = {".evil.example/", "@evil.example/", "0/", "#/", ":1/", ""};
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    char next[200];
    struct err e;

    use_keys(b, "key-1", "key-2");
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        (void)snprintf(next, sizeof(next), "%s%s", raw_url(b->server), tails[i]);
        assert_fails(get(b, next, &res, &e), ERR_RETRY, "leads to another host", e);
    }
    assert_fails(get(b, "https://evil.example/v1", &res, &e), ERR_RETRY, "leads to another host", e);
    assert_fails(get(b, "v1/x", &res, &e), ERR_RETRY, "leads to another host", e);
    assert_int_equal(b->fills, 0);
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- credentials ---- */

static void test_rest_calls__the_filler_sees_the_whole_call(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = json_pack("{s:i}", "a", 1);
    const struct rest_call call = {.method = "POST", .path = "/v1?b=2", .what = "w", .body = body};
    char url[128];
    struct err e;

    use_keys(b, "key-1", NULL);
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    (void)snprintf(url, sizeof(url), "%s/v1?b=2", raw_url(b->server));
    assert_string_equal(b->url, url);
    assert_string_equal(b->text, "{\"a\":1}");
    assert_string_equal(b->refused, "first");
    assert_string_equal(header_of(b, 0, "X-Key"), "key-1");
}

static void test_rest_calls__a_401_is_answered_with_newer_credentials(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, "old", "new");
    will_say(b, 401, 200);
    assert_ok(get(b, "/", &res, &e), e);
    assert_int_equal(res.status, 200);
    assert_string_equal(header_of(b, 0, "X-Key"), "old");
    assert_string_equal(b->refused, "old");
    assert_string_equal(header_of(b, 1, "X-Key"), "new");
}

static void test_rest_calls__a_second_401_is_the_end(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, "old", "new");
    will_say(b, 401, 401);
    assert_fails(get(b, "/", &res, &e), ERR_AUTH, "", e);
    assert_int_equal(raw_count(b->server), 2);
    assert_int_equal(b->fills, 2);
}

static void test_rest_calls__the_same_credentials_are_not_sent_again(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, "only", "only");
    will_say(b, 401, 200);
    assert_fails(get(b, "/", &res, &e), ERR_AUTH, "", e);
    assert_int_equal(raw_count(b->server), 1);
}

static void test_rest_calls__only_a_401_asks_for_newer_credentials(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, "old", "new");
    will_say(b, 403, 200);
    assert_fails(get(b, "/", &res, &e), ERR_AUTH, "", e);
    assert_int_equal(b->fills, 1);
    b->client.auth = NULL;
    b->at = 0;
    b->statuses[0] = 401;
    assert_fails(get(b, "/", &res, &e), ERR_AUTH, "", e);
    assert_int_equal(raw_count(b->server), 2);
}

static void test_rest_calls__credentials_that_cannot_be_had_are_the_failure(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, NULL, NULL);
    assert_fails(get(b, "/", &res, &e), ERR_THROTTLED, "no key now", e);
    assert_int_equal(raw_count(b->server), 0);
    b->fills = 0;
    b->keys[0] = "old";
    will_say(b, 401, 200);
    assert_fails(get(b, "/", &res, &e), ERR_THROTTLED, "no key now", e);
    assert_int_equal(raw_count(b->server), 1);
}

static void test_rest_calls__an_exchange_that_finds_nothing_never_means_that_the_thing_is_gone(void **state)
{
    static const enum err_kind kinds[][2] = {{ERR_GONE, ERR_AUTH},
                                             {ERR_INVALID, ERR_AUTH},
                                             {ERR_CONFLICT, ERR_AUTH},
                                             {ERR_AUTH, ERR_AUTH},
                                             {ERR_RETRY, ERR_RETRY}};
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    use_keys(b, NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        b->fills = 0;
        b->fail_as = kinds[i][0];
        assert_fails(get(b, "/", &res, &e), kinds[i][1], "no key now", e);
    }
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- answers ---- */

static void test_rest_calls__a_success_gives_status_and_document(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    int64_t one;
    struct err e;

    assert_ok(get(b, "/", &res, &e), e);
    assert_int_equal(res.status, 200);
    assert_ok(js_i64(res.doc, "ok", &one, &e), e);
    assert_int_equal(one, 1);
    assert_string_equal(res.code, "");
}

static void test_rest_calls__a_refusal_leaves_its_status_and_code(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    will_say(b, 418, 200);
    assert_fails(get(b, "/", &res, &e), ERR_INVALID, "c: no reason given", e);
    assert_int_equal(res.status, 418);
    assert_string_equal(res.code, "c");
    assert_ok(get(b, "/", &res, &e), e);
    assert_string_equal(res.code, "");
}

static void test_rest_calls__only_the_statuses_of_the_call_are_a_success(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {.method = "GET", .path = "/", .what = "w", .ok = {202, 404}};
    struct err e;

    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_RETRY, "makes no sense: HTTP status 200", e);
    b->statuses[0] = 202;
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    b->statuses[0] = 404;
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    call.ok[0] = 0;
    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_INVALID, "", e);
}

static void test_rest_calls__a_success_without_sense_is_tried_again(void **state)
{
    static const char *const bodies[] = {"",           "nothing",           "<html/>",       "{\"a\":1",
                                         "{\"a\":1}}", "{\"a\":1,\"a\":2}", "\"only text\"", "17"};
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        b->answers[0] = bodies[i];
        assert_fails(get(b, "/", &res, &e), ERR_RETRY, "cloud things.get: the answer makes no sense", e);
        assert_null(res.doc);
    }
}

static void test_rest_calls__a_204_and_no_answer_need_no_document(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {.method = "DELETE", .path = "/", .what = "w", .ok = {204, 200}, .no_answer = true};
    struct err e;

    b->answers[0] = "OK";
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    assert_null(res.doc);
    b->answers[0] = "";
    b->statuses[0] = 204;
    call.no_answer = false;
    assert_ok(rest_do(&b->client, &call, &res, &e), e);
    assert_null(res.doc);
}

static void test_rest_calls__endless_truncated_and_missing_answers_are_tried_again(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_call call = {.method = "GET", .path = "/", .what = "things.get", .max_answer = 4096};
    struct err e;

    b->act = RAW_ENDLESS;
    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_RETRY, "cloud things.get", e);
    b->act = RAW_CLOSE;
    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_RETRY, "cloud things.get", e);
    b->client.base = "http://127.0.0.1:1";
    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_RETRY, "cloud things.get", e);
    assert_int_equal(res.status, 0);
}

static void test_rest_calls__a_silent_cloud_is_left_at_the_calls_own_deadline(void **state)
{
    struct bench *b = *state;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_call call = {.method = "GET", .path = "/", .what = "things.get", .timeout_ms = 200};
    struct err e;

    b->act = RAW_HANG;
    assert_fails(rest_do(&b->client, &call, &res, &e), ERR_RETRY, "cloud things.get", e);
    raw_release(b->server);
}

/* ---- requests that are shown ---- */

static void test_rest_calls__a_shown_request_has_everything_but_credentials(void **state)
{
    struct bench *b = *state;
    AUTO_JSON json_t *list = json_array(), *body = json_pack("{s:s}", "data", "***"), *want = NULL;
    AUTO_BUF struct buf form = BUF_INIT(100);
    const struct httpc_header more = {"X-More", "yes"};
    struct rest_call call = {
        .method = "PUT", .path = "/v1/<id>", .what = "w", .body = body, .headers = &more, .n_headers = 1};
    struct err e;

    use_keys(b, "key-1", NULL);
    b->client.base = "https://cloud.example";
    assert_ok(rest_show(&b->client, &call, "X-Key", list, &e), e);
    call = (struct rest_call){.method = "POST", .path = "/f", .what = "w", .form = &form};
    buf_adds(&form, "a=b");
    assert_ok(rest_show(&b->client, &call, NULL, list, &e), e);
    assert_ok(js_pack(&e, &want, "[{s:s,s:s,s:{s:s,s:s},s:{s:s}},{s:s,s:s,s:{},s:s}]", "method", "PUT", "url",
                      "https://cloud.example/v1/<id>", "headers", "X-More", "yes", "X-Key", "***", "body", "data",
                      "***", "method", "POST", "url", "https://cloud.example/f", "headers", "form", "a=b"),
              e);
    assert_int_equal(json_equal(list, want), 1);
    assert_int_equal(b->fills, 0);
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- pieces ---- */

static void test_rest_calls__user_data_is_itself_or_base64_and_stars_when_shown(void **state)
{
    AUTO_SECRET struct secret *data = secret_new("a\n", 2);
    AUTO_BUF struct buf out = BUF_INIT(100);

    (void)state;
    rest_user_data(data, &out);
    assert_string_equal(out.p, "a\n");
    buf_reset(&out);
    rest_user_data_base64(data, &out);
    assert_string_equal(out.p, "YQo=");
    buf_reset(&out);
    rest_user_data(NULL, &out);
    rest_user_data_base64(NULL, &out);
    assert_string_equal(out.p, "******");
}

static void test_rest_calls__ids_hold_letters_digits_and_what_is_allowed(void **state)
{
    (void)state;
    assert_true(rest_is_id("aZ09", "", 4));
    assert_false(rest_is_id("aZ09x", "", 4));
    assert_false(rest_is_id("", "-", 4));
    assert_true(rest_is_id("a-b", "-", 4));
    assert_false(rest_is_id("a-b", "_", 4));
    assert_false(rest_is_id("../x", "-_", 9));
    assert_false(rest_is_id("..", "-_.", 9));
    assert_false(rest_is_id(".", "-_.", 9));
    assert_true(rest_is_id("a..b", "-_.", 9));
    assert_false(rest_is_id("a\xc3\xa9", "-_", 9));
    assert_false(rest_is_id("a\n", "-_", 9));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rest_calls__a_body_is_json_and_a_form_is_a_form, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__what_creates_travels_on_a_connection_of_its_own, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__an_empty_path_is_the_base_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_next_page_of_the_same_origin_is_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_next_page_elsewhere_gets_no_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__the_filler_sees_the_whole_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_401_is_answered_with_newer_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_second_401_is_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__the_same_credentials_are_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__only_a_401_asks_for_newer_credentials, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__credentials_that_cannot_be_had_are_the_failure, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_rest_calls__an_exchange_that_finds_nothing_never_means_that_the_thing_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_success_gives_status_and_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_refusal_leaves_its_status_and_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__only_the_statuses_of_the_call_are_a_success, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_success_without_sense_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_204_and_no_answer_need_no_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__endless_truncated_and_missing_answers_are_tried_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_silent_cloud_is_left_at_the_calls_own_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__a_shown_request_has_everything_but_credentials, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__user_data_is_itself_or_base64_and_stars_when_shown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_rest_calls__ids_hold_letters_digits_and_what_is_allowed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
