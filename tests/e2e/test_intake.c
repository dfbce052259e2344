/* Every answer code of the webhook, over real sockets. */
#include "tests/support/intake.h"
#include "tests/support/payload.h"
#include "tests/support/unit.h"
#include "tests/support/webclient.h"

#include <stdio.h>

struct fixture {
    struct intake *intake;
    struct buf job; /* a good body */
    unsigned n;     /* deliveries so far */
    char guid[40];
};

static int setup(void **state)
{
    static struct fixture f; /* one group, one fixture */

    f = (struct fixture){.job = BUF_INIT(1024 * 1024)};
    f.intake = intake_start(INTAKE_GROUPED, &(struct api_conf){.max_body = 256 * 1024});
    payload_write(&f.job, &(struct payload){.job_id = PAYLOAD_FIRST_ID, .run_id = 1, .size = 11000});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    intake_free(f->intake);
    buf_clear(&f->job);
    return 0;
}

/* A delivery as GitHub sends it, signed, with an id of its own. */
static struct web_request delivery(struct fixture *f, const char *event, const void *body, size_t len)
{
    (void)snprintf(f->guid, sizeof(f->guid), "00000000-0000-4000-8000-%012u", ++f->n);
    return (struct web_request){.event = event,
                                .guid = f->guid,
                                .type = "application/json",
                                .secret = intake_secret(f->intake),
                                .body = body,
                                .len = len};
}

static int ask(struct fixture *f, const struct web_request *r, struct web_answer *a)
{
    return web_ask(intake_port(f->intake), r, a);
}

/* The code, and a piece of the body. */
static void expect(struct fixture *f, const struct web_request *r, int code, const char *piece)
{
    struct web_answer a = {0};

    assert_int_equal(ask(f, r, &a), code);
    if (strstr(a.body, piece) == NULL)
        fail_msg("expected \"%s\" in the answer %s", piece, a.body);
    assert_true(web_has_header(&a, "Content-Type: application/json"));
}

static void test_intake__a_job_is_stored_and_answered_202(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);
    size_t before = intake_stored(f->intake);
    enum job_state job_state;
    int64_t id;

    expect(f, &r, 202, "{\"status\":\"stored\"}");
    assert_int_equal(intake_stored(f->intake), before + 1);
    intake_last_job(f->intake, &id, &job_state);
    assert_int_equal(id, PAYLOAD_FIRST_ID);
    assert_int_equal(job_state, JOB_QUEUED);
}

static void test_intake__the_same_delivery_again_is_answered_200_and_stored_once(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);
    size_t before = intake_stored(f->intake);

    expect(f, &r, 202, "stored");
    expect(f, &r, 200, "known");
    expect(f, &r, 200, "known");
    assert_int_equal(intake_stored(f->intake), before + 1);
}

static void test_intake__the_root_path_takes_deliveries_too(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);

    r.path = "/";
    expect(f, &r, 202, "stored");
    r = delivery(f, "workflow_job", f->job.p, f->job.len);
    r.path = "/webhook?from=github";
    expect(f, &r, 202, "stored");
}

static void test_intake__events_we_do_not_need_are_answered_200_and_not_stored(void **state)
{
    static const char *const events[] = {"ping", "push", "installation", "check_run"};
    struct fixture *f = *state;
    size_t before = intake_stored(f->intake);

    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        struct web_request r = delivery(f, events[i], "{\"zen\":\"x\"}", 11);

        expect(f, &r, 200, "ignored");
    }
    assert_int_equal(intake_stored(f->intake), before);
}

static void test_intake__what_is_not_json_is_answered_400(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", "Hello, World!", 13);

    expect(f, &r, 400, "not JSON at byte 0");
    r = delivery(f, "ping", "{\"zen\":", 7);
    expect(f, &r, 400, "not JSON");
    r = delivery(f, "ping", "{\"x\":\"a\0b\"}", 11);
    expect(f, &r, 400, "not JSON");
}

static void test_intake__a_workflow_job_without_its_fields_is_answered_400(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", "{\"action\":\"queued\"}", 19);

    expect(f, &r, 400, "workflow_job.id: missing");
}

static void test_intake__an_answer_never_repeats_what_was_sent(void **state)
{
    static const char body[] = "{\"action\":\"queued\",\"workflow_job\":{\"id\":\"<script>evil\"}}";
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", body, sizeof(body) - 1);
    struct web_answer a = {0};

    assert_int_equal(ask(f, &r, &a), 400);
    assert_null(strstr(a.body, "evil"));
    r.path = "/<script>evil";
    assert_int_equal(ask(f, &r, &a), 404);
    assert_null(strstr(a.body, "evil"));
}

static void test_intake__an_empty_body_is_401_unless_its_signature_is_right_and_then_400(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", "", 0);

    expect(f, &r, 400, "empty");
    r.secret = NULL;
    expect(f, &r, 401, "X-Hub-Signature-256");
    r.signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    expect(f, &r, 401, "X-Hub-Signature-256");
}

static void test_intake__githubs_known_answer_passes_the_signature_and_fails_as_json(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", "Hello, World!", 13);

    r.secret = NULL;
    r.signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    expect(f, &r, 400, "not JSON");
    r.signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18";
    expect(f, &r, 401, "X-Hub-Signature-256");
    r.signature = "sha1=757107ea0eb2509fc211221cce984b8a37570b6d";
    expect(f, &r, 401, "X-Hub-Signature-256");
}

static void test_intake__the_signature_is_checked_before_anything_else_about_the_content(void **state)
{
    struct fixture *f = *state;
    struct web_request r = {.body = "no JSON, no event, no delivery, no type", .len = 39};

    expect(f, &r, 401, "X-Hub-Signature-256");
    r.secret = intake_secret(f->intake);
    r.type = "text/plain";
    expect(f, &r, 400, "content type");
    r.type = "application/json";
    expect(f, &r, 400, "X-GitHub-Event");
    r.event = "workflow_job";
    expect(f, &r, 400, "X-GitHub-Delivery");
    r.guid = "two words";
    expect(f, &r, 400, "X-GitHub-Delivery");
    r.guid = "00000000000000000000000000000000000000000000000000000000000000065";
    expect(f, &r, 400, "X-GitHub-Delivery");
    r.guid = f->guid;
    expect(f, &r, 400, "not JSON");
}

static void test_intake__a_legacy_signature_alone_is_refused(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);

    r.secret = NULL;
    r.headers = "X-Hub-Signature: sha1=0000000000000000000000000000000000000000\r\n";
    expect(f, &r, 401, "X-Hub-Signature-256");
}

static void test_intake__form_bodies_carry_json_in_one_field(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf form = BUF_INIT(1024 * 1024);
    struct web_request r;

    buf_adds(&form, "payload=");
    for (size_t i = 0; i < f->job.len; i++)
        buf_addf(&form, "%%%02X", (unsigned char)f->job.p[i]);
    r = delivery(f, "workflow_job", form.p, form.len);
    r.type = "application/x-www-form-urlencoded";
    expect(f, &r, 202, "stored");
    r = delivery(f, "workflow_job", "payload=%7B%22action%22%3A%22queued%22%2C%22n%22%3A%22a%2Bb+c%22%7D", 67);
    r.type = "application/x-www-form-urlencoded; charset=utf-8";
    expect(f, &r, 400, "workflow_job.id: missing");
    r = delivery(f, "ping", "other=%7B%7D", 12);
    r.type = "application/x-www-form-urlencoded";
    expect(f, &r, 400, "payload");
}

static void test_intake__json_under_a_forms_type_is_taken_as_json(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);

    r.type = "application/x-www-form-urlencoded";
    expect(f, &r, 202, "stored");
    r = delivery(f, "workflow_job", f->job.p, f->job.len);
    r.type = NULL;
    expect(f, &r, 202, "stored");
    r = delivery(f, "workflow_job", f->job.p, f->job.len);
    r.type = "Application/JSON; charset=utf-8";
    expect(f, &r, 202, "stored");
}

static void test_intake__unknown_paths_are_404_and_wrong_methods_405_with_allow(void **state)
{
    static const char *const methods[] = {"GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"};
    struct fixture *f = *state;
    struct web_request r = {.method = "GET", .path = "/metrics"};
    struct web_answer a = {0};

    expect(f, &r, 404, "nothing at this path");
    r = delivery(f, "workflow_job", f->job.p, f->job.len);
    r.path = "/webhooks";
    expect(f, &r, 404, "nothing at this path");
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        r = (struct web_request){.method = methods[i], .path = i % 2 == 0 ? "/webhook" : "/"};
        assert_int_equal(ask(f, &r, &a), 405);
        assert_true(web_has_header(&a, "Allow: POST"));
    }
    r = (struct web_request){.path = "/healthz", .body = "x", .len = 1};
    assert_int_equal(ask(f, &r, &a), 405);
    assert_true(web_has_header(&a, "Allow: GET, HEAD"));
}

static void test_intake__health_and_readiness_answer_200(void **state)
{
    struct fixture *f = *state;

    expect(f, &(struct web_request){.method = "GET", .path = "/healthz"}, 200, "ok");
    expect(f, &(struct web_request){.method = "GET", .path = "/readyz"}, 200, "ready");
}

static void test_intake__a_body_in_chunks_is_the_same_body(void **state)
{
    struct fixture *f = *state;
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);

    r.chunked = true;
    expect(f, &r, 202, "stored");
}

static void test_intake__a_body_over_the_ceiling_is_413_in_chunks_and_exactly_at_it_is_read(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf large = BUF_INIT(1024 * 1024);
    struct web_request r;

    payload_write(&large, &(struct payload){.job_id = PAYLOAD_FIRST_ID, .run_id = 1, .size = 250 * 1024});
    while (large.len < 256 * 1024)
        buf_addc(&large, ' ');
    r = delivery(f, "workflow_job", large.p, large.len);
    expect(f, &r, 202, "stored");
    buf_addc(&large, ' ');
    r = delivery(f, "workflow_job", large.p, large.len);
    r.chunked = true;
    expect(f, &r, 413, "larger");
}

static void test_intake__a_declared_length_over_the_ceiling_is_413_before_any_of_it_is_read(void **state)
{
    struct fixture *f = *state;
    struct web_answer a;
    struct web w;

    web_open(&w, intake_port(f->intake));
    web_sends(&w, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 262145\r\n\r\n");
    assert_int_equal(web_read(&w, &a), 0);
    assert_int_equal(a.code, 413);
    assert_true(web_has_header(&a, "Connection: close"));
    web_close(&w);
    web_open(&w, intake_port(f->intake));
    web_sends(&w, "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_int_equal(web_read(&w, &a), 0);
    assert_int_equal(a.code, 413);
    web_close(&w);
}

static void test_intake__no_path_and_no_method_reads_a_body_of_that_size(void **state)
{
    static const struct {
        const char *start;
        int code;
    } cases[] = {{"GET /healthz", 413}, {"GET /readyz", 413}, {"PUT /webhook", 405}, {"POST /other", 404}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct web_answer a;
        struct web w;

        web_open(&w, intake_port(f->intake));
        web_sends(&w, cases[i].start);
        web_sends(&w, " HTTP/1.1\r\nHost: x\r\nContent-Length: 26214401\r\n\r\n");
        assert_int_equal(web_read(&w, &a), 0);
        assert_int_equal(a.code, cases[i].code);
        web_close(&w);
    }
}

static void test_intake__a_client_that_sends_a_huge_body_before_it_reads_still_sees_413(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *huge = calloc(1, 30 * 1000 * 1000);

    for (int i = 0; i < 5; i++)
        expect(f, &(struct web_request){.body = huge, .len = 30 * 1000 * 1000}, 413, "larger");
}

/* 1-byte mutations: of the body under its own signature, of the signature over its body. */
static void test_intake__no_mutation_of_a_signed_body_ever_passes(void **state)
{
    struct fixture *f = *state;
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);
    size_t before = intake_stored(f->intake);
    size_t body_at;
    uint64_t seed = 11;
    struct web w;

    web_write_request(&text, &r);
    body_at = text.len - f->job.len;
    web_open(&w, intake_port(f->intake));
    for (int i = 0; i < 4000; i++) {
        size_t at = body_at + unit_random(&seed) % f->job.len;
        char was = text.p[at];
        struct web_answer a;

        text.p[at] = (char)((unsigned char)was ^ (1 + unit_random(&seed) % 255));
        web_send(&w, text.p, text.len);
        assert_int_equal(web_read(&w, &a), 0);
        assert_int_equal(a.code, 401);
        text.p[at] = was;
    }
    assert_int_equal(intake_stored(f->intake), before);
    web_close(&w);
    expect(f, &r, 202, "stored"); /* and unchanged it does */
}

static void test_intake__each_secret_of_a_rotation_is_accepted(void **state)
{
    struct secret *old = secret_new("old", 3), *fresh = secret_new("fresh", 5), *other = secret_new("other", 5);
    const struct secret *both[] = {fresh, old};
    struct intake *t =
        intake_start(INTAKE_AT_ONCE, &(struct api_conf){.webhook_secrets = both, .n_webhook_secrets = 2});
    struct web_request r = {.event = "ping", .guid = "a-1", .body = "{}", .len = 2};

    (void)state;
    r.secret = old;
    assert_int_equal(web_ask(intake_port(t), &r, NULL), 200);
    r.secret = fresh;
    assert_int_equal(web_ask(intake_port(t), &r, NULL), 200);
    r.secret = other;
    assert_int_equal(web_ask(intake_port(t), &r, NULL), 401);
    intake_free(t);
    secret_free(old);
    secret_free(fresh);
    secret_free(other);
}

static void test_intake__what_cannot_be_stored_is_503_with_retry_after(void **state)
{
    struct fixture *f = *state;
    struct intake *t = intake_start(INTAKE_FAILING, &(struct api_conf){0});
    struct web_request r = delivery(f, "workflow_job", f->job.p, f->job.len);
    struct web_answer a = {0};

    assert_int_equal(web_ask(intake_port(t), &r, &a), 503);
    assert_true(web_has_header(&a, "Retry-After: 10"));
    assert_non_null(strstr(a.body, "could not be stored"));
    assert_null(strstr(a.body, "disk")); /* the reason is for the log */
    assert_int_equal(intake_stored(t), 0);
    intake_free(t);
}

static void test_intake__the_admin_listener_wants_its_token_for_everything(void **state)
{
    struct secret *token = secret_new("opens the door", 14);
    struct intake *t =
        intake_start(INTAKE_AT_ONCE, &(struct api_conf){.admin_listen = "127.0.0.1:0", .admin_token = token});
    static const char *const paths[] = {"/metrics", "/healthz", "/readyz"};
    static const char *const wrong[] = {"", "Authorization: Bearer opens the doo\r\n",
                                        "Authorization: Bearer opens the door2\r\n",
                                        "Authorization: opens the door\r\n"};
    struct web_answer a;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct web_request r = {
            .method = "GET", .path = paths[i], .headers = "Authorization: Bearer opens the door\r\n"};

        assert_int_equal(web_ask(intake_admin_port(t), &r, &a), 200);
        for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
            r.headers = wrong[k];
            assert_int_equal(web_ask(intake_admin_port(t), &r, &a), 401);
            assert_true(web_has_header(&a, "WWW-Authenticate: Bearer"));
        }
    }
    intake_free(t);
    secret_free(token);
}

static void test_intake__metrics_count_deliveries_by_their_answer(void **state)
{
    struct intake *t = intake_start(INTAKE_AT_ONCE, &(struct api_conf){.admin_listen = "127.0.0.1:0"});
    struct web_answer a;

    (void)state;
    assert_int_equal(web_ask(intake_port(t), &(struct web_request){.body = "{}", .len = 2}, NULL), 401);
    assert_int_equal(web_ask(intake_admin_port(t), &(struct web_request){.method = "GET", .path = "/metrics"}, &a),
                     200);
    assert_true(web_has_header(&a, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    assert_non_null(strstr(a.body, "muster_deliveries_total{code=\"401\"} "));
    assert_non_null(strstr(a.body, "muster_intake_seconds_count "));
    assert_non_null(strstr(a.body, "muster_connections "));
    assert_non_null(strstr(a.body, "muster_body_bytes 0"));
    intake_free(t);
}

static void expect_no_listener(const char *listen, const char *admin, const char *sentence)
{
    const struct secret *none[1] = {NULL};
    const struct api_conf c = {
        .listen = listen, .admin_listen = admin, .webhook_secrets = none, .n_webhook_secrets = 0};
    struct api_server *s = NULL;
    struct err e;

    assert_fails(api_server_open(&c, &s, &e), ERR_INVALID, sentence, e);
    assert_null(s);
}

static void test_intake__an_address_that_cannot_be_had_is_one_clear_sentence(void **state)
{
    struct fixture *f = *state;
    char busy[32], sentence[128];

    (void)snprintf(busy, sizeof(busy), "127.0.0.1:%d", intake_port(f->intake));
    (void)snprintf(sentence, sizeof(sentence),
                   "cannot listen on %s: the port is in use by another process (set server.listen or MUSTER_LISTEN)",
                   busy);
    expect_no_listener(busy, NULL, sentence);
    expect_no_listener("127.0.0.1:0", busy, "in use by another process (set server.admin_listen");
    expect_no_listener("8080", NULL,
                       "cannot listen on \"8080\": expected host:port, as in 0.0.0.0:8080 (set server.listen");
    expect_no_listener("127.0.0.1:99999", NULL, "expected host:port");
    expect_no_listener("127.0.0.1:http", NULL, "expected host:port");
    expect_no_listener("::1:8080", NULL, "expected host:port");
    expect_no_listener("203.0.113.7:0", NULL, "no interface of this machine has that address");
    expect_no_listener("127.0.0.1:0", "0.0.0.0:0", "set server.admin_token or MUSTER_ADMIN_TOKEN");
}

static void test_intake__an_address_without_host_listens_everywhere(void **state)
{
    struct intake *t = intake_start(INTAKE_AT_ONCE, &(struct api_conf){.listen = ":0"});

    (void)state;
    assert_int_equal(web_ask(intake_port(t), &(struct web_request){.method = "GET", .path = "/healthz"}, NULL), 200);
    intake_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intake__a_job_is_stored_and_answered_202),
        cmocka_unit_test(test_intake__the_same_delivery_again_is_answered_200_and_stored_once),
        cmocka_unit_test(test_intake__the_root_path_takes_deliveries_too),
        cmocka_unit_test(test_intake__events_we_do_not_need_are_answered_200_and_not_stored),
        cmocka_unit_test(test_intake__what_is_not_json_is_answered_400),
        cmocka_unit_test(test_intake__a_workflow_job_without_its_fields_is_answered_400),
        cmocka_unit_test(test_intake__an_answer_never_repeats_what_was_sent),
        cmocka_unit_test(test_intake__an_empty_body_is_401_unless_its_signature_is_right_and_then_400),
        cmocka_unit_test(test_intake__githubs_known_answer_passes_the_signature_and_fails_as_json),
        cmocka_unit_test(test_intake__the_signature_is_checked_before_anything_else_about_the_content),
        cmocka_unit_test(test_intake__a_legacy_signature_alone_is_refused),
        cmocka_unit_test(test_intake__form_bodies_carry_json_in_one_field),
        cmocka_unit_test(test_intake__json_under_a_forms_type_is_taken_as_json),
        cmocka_unit_test(test_intake__unknown_paths_are_404_and_wrong_methods_405_with_allow),
        cmocka_unit_test(test_intake__health_and_readiness_answer_200),
        cmocka_unit_test(test_intake__a_body_in_chunks_is_the_same_body),
        cmocka_unit_test(test_intake__a_body_over_the_ceiling_is_413_in_chunks_and_exactly_at_it_is_read),
        cmocka_unit_test(test_intake__a_declared_length_over_the_ceiling_is_413_before_any_of_it_is_read),
        cmocka_unit_test(test_intake__no_path_and_no_method_reads_a_body_of_that_size),
        cmocka_unit_test(test_intake__a_client_that_sends_a_huge_body_before_it_reads_still_sees_413),
        cmocka_unit_test(test_intake__no_mutation_of_a_signed_body_ever_passes),
        cmocka_unit_test(test_intake__each_secret_of_a_rotation_is_accepted),
        cmocka_unit_test(test_intake__what_cannot_be_stored_is_503_with_retry_after),
        cmocka_unit_test(test_intake__the_admin_listener_wants_its_token_for_everything),
        cmocka_unit_test(test_intake__metrics_count_deliveries_by_their_answer),
        cmocka_unit_test(test_intake__an_address_that_cannot_be_had_is_one_clear_sentence),
        cmocka_unit_test(test_intake__an_address_without_host_listens_everywhere),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
