#include "server/base/httpc.h"

#include "server/base/clock.h"
#include "tests/support/rawserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void httpc_free_ptr(struct httpc **h)
{
    httpc_free(*h);
}

#define AUTO_HTTPC AUTO(httpc_free_ptr)

static struct httpc *client(void)
{
    return httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
}

static struct rawserver *script(const struct raw_step *steps, size_t n)
{
    return raw_start(&(struct raw_conf){.steps = steps, .n_steps = n});
}

/* One request to path at the server: 0 or -1 as httpc_do. */
static int ask(struct httpc *h, struct rawserver *s, const char *method, const char *path, struct httpc_res *res,
               struct err *e)
{
    char url[512];

    (void)snprintf(url, sizeof(url), "%s%s", raw_url(s), path);
    return httpc_do(h, &(struct httpc_req){.method = method, .url = url, .timeout_ms = 10000}, res, e);
}

/* The failure of one GET of a server that behaves as the step says. */
static struct err failure_of(const struct raw_step *step)
{
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e = {.kind = ERR_NONE};

    assert_int_equal(ask(h, s, "GET", "/x", &res, &e), -1);
    assert_int_equal(res.status, 0);
    assert_int_equal(res.body.len, 0);
    return e;
}

static void assert_deadline(const struct raw_step *step)
{
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    int64_t began = clock_mono_ms();
    struct err e;

    assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = raw_url(s), .timeout_ms = 150}, &res, &e),
                     -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_non_null(strstr(e.msg, "no complete answer within 150 ms"));
    assert_in_range(clock_mono_ms() - began, 100, 8000);
}

static void test_httpc_faults__the_deadline_covers_silence_and_half_answers(void **state)
{
    (void)state;
    assert_deadline(&(const struct raw_step){.act = RAW_HANG, .bytes = OK});
    assert_deadline(&(const struct raw_step){.act = RAW_HANG, .bytes = OK, .after = 20});
    assert_deadline(&(const struct raw_step){.act = RAW_HANG, .bytes = OK, .after = sizeof(OK) - 2});
}

static void test_httpc_faults__an_answer_may_fill_its_ceiling_and_not_a_byte_more(void **state)
{
    static const struct raw_step step = {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct httpc_req req = {.method = "GET", .url = raw_url(s), .max_answer = 10};
    struct err e;

    (void)state;
    assert_int_equal(httpc_do(h, &req, &res, &e), 0);
    assert_string_equal(res.body.p, "0123456789");
    req.max_answer = 9;
    assert_int_equal(httpc_do(h, &req, &res, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.msg, "exceeds 9 bytes"));
    assert_int_equal(res.body.len, 0);
}

static void test_httpc_faults__endless_bodies_and_headers_are_cut_off(void **state)
{
    struct err e;

    (void)state;
    e = failure_of(&(const struct raw_step){.act = RAW_ENDLESS, .bytes = "HTTP/1.1 200 OK\r\n\r\n"});
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.msg, "exceeds 1048576 bytes"));
    e = failure_of(&(const struct raw_step){.act = RAW_ENDLESS, .bytes = "HTTP/1.1 200 OK\r\nX-Long: "});
    assert_true(e.kind == ERR_INVALID || e.kind == ERR_RETRY);
}

/* ---- answers in pieces ---- */

struct pieces {
    size_t calls, bytes, stop_after; /* stop_after 0 = never */
};

static int on_piece(void *arg, const char *data, size_t len)
{
    struct pieces *p = arg;

    assert_non_null(data);
    p->calls++;
    p->bytes += len;
    return p->stop_after > 0 && p->bytes >= p->stop_after ? -1 : 0;
}

static int stream(struct rawserver *s, size_t max, int silence_ms, struct pieces *p, struct httpc_res *res,
                  struct err *e)
{
    AUTO_HTTPC struct httpc *h = client();

    return httpc_do(h,
                    &(struct httpc_req){.method = "POST",
                                        .url = raw_url(s),
                                        .max_answer = max,
                                        .timeout_ms = 20000,
                                        .on_piece = on_piece,
                                        .piece_arg = p,
                                        .silence_ms = silence_ms},
                    res, e);
}

static void test_httpc_faults__a_streamed_body_comes_in_pieces_and_ends_with_its_ceiling(void **state)
{
    static const struct raw_step drip = {.act = RAW_DRIP, .bytes = OK};
    static const struct raw_step endless = {.act = RAW_ENDLESS, .bytes = "HTTP/1.1 200 OK\r\n\r\n"};
    AUTO_RAW struct rawserver *s = script(&drip, 1);
    AUTO_RAW struct rawserver *no_end = script(&endless, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct pieces p = {0};
    struct err e;

    (void)state;
    assert_int_equal(stream(s, 100, 0, &p, &res, &e), 0);
    assert_int_equal(p.bytes, strlen("ok"));
    assert_int_equal(res.body.len, 0);
    assert_int_equal(stream(no_end, 100000, 0, &p, &res, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.msg, "exceeds 100000 bytes"));
    p = (struct pieces){.stop_after = 1};
    assert_int_equal(stream(no_end, 100000, 0, &p, &res, &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_int_equal(p.calls, 1);
}

static void test_httpc_faults__a_refusal_of_a_stream_is_read_whole(void **state)
{
    static const struct raw_step step = {.bytes = "HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\nnone"};
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct pieces p = {0};
    struct err e;

    (void)state;
    assert_int_equal(stream(s, 100, 0, &p, &res, &e), 0);
    assert_int_equal(res.status, 404);
    assert_string_equal(res.body.p, "none");
    assert_int_equal(p.calls, 0);
}

static void test_httpc_faults__a_stream_that_falls_silent_is_left(void **state)
{
    static const struct raw_step step = {
        .act = RAW_HANG, .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n012345678", .after = 42};
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct pieces p = {0};
    struct err e;

    (void)state;
    assert_int_equal(stream(s, 100, 1000, &p, &res, &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_true(p.bytes > 0);
}

static void test_httpc_faults__many_headers_are_cut_off(void **state)
{
    AUTO_BUF struct buf answer = BUF_INIT((size_t)1 << 20);
    struct raw_step step = {0};
    struct err e;

    (void)state;
    buf_adds(&answer, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 3000; i++)
        buf_addf(&answer, "X-Number-%d: 0123456789012345678901234\r\n", i);
    buf_adds(&answer, "Content-Length: 0\r\n\r\n");
    step.bytes = answer.p;
    e = failure_of(&step);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_non_null(strstr(e.msg, "headers exceed"));
}

static void test_httpc_faults__broken_answers_are_passing_faults(void **state)
{
    static const struct raw_step steps[] = {
        {.act = RAW_CLOSE, .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", .after = SIZE_MAX},
        {.act = RAW_CLOSE, .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n01", .after = SIZE_MAX},
        {.act = RAW_CLOSE, .bytes = OK, .after = 0},
        {.act = RAW_CLOSE, .bytes = OK, .after = 12},
        {.act = RAW_RESET, .bytes = OK, .after = 0},
        {.act = RAW_RESET, .bytes = OK, .after = sizeof(OK) - 2},
        {.act = RAW_CLOSE, .bytes = "SSH-2.0-OpenSSH_9.2\r\n", .after = SIZE_MAX},
        {.act = RAW_CLOSE, .bytes = "HTTP/1.1 abc OK\r\n\r\n", .after = SIZE_MAX},
        {.act = RAW_CLOSE, .bytes = "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", .after = SIZE_MAX},
        {.act = RAW_CLOSE,
         .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nno\r\n",
         .after = SIZE_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct err e = failure_of(&steps[i]);

        if (e.kind != ERR_RETRY)
            print_error("step %zu: %s: %s\n", i, err_kind_name(e.kind), e.msg);
        assert_int_equal(e.kind, ERR_RETRY);
        assert_non_null(strstr(e.msg, "GET http://127.0.0.1:"));
    }
}

static void test_httpc_faults__what_must_not_arrive_twice_is_not_sent_again_on_a_dead_connection(void **state)
{
    static const struct raw_step steps[] = {{.act = RAW_ANSWER, .bytes = OK}, {.act = RAW_CLOSE, .bytes = ""}};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(steps, ARRAY_LEN(steps));
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct httpc_req req = {.method = "POST", .url = raw_url(s), .body = "{}", .body_len = 2, .timeout_ms = 10000};
    struct err e;

    (void)state;
    assert_int_equal(httpc_do(h, &req, &res, &e), 0);
    req.once = true;
    assert_int_equal(httpc_do(h, &req, &res, &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_int_equal(raw_count(s), 2);
}

static void test_httpc_faults__a_refused_connection_says_so(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    AUTO_HTTPC struct httpc *h = client();
    struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    char url[128];
    struct err e;

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/x", raw_url(s));
    raw_stop(s);
    assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = url}, &res, &e), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_non_null(strstr(e.msg, "no connection: Connection refused"));
}

static void test_httpc_faults__only_absolute_http_urls_are_taken(void **state)
{
    static const char *const urls[] = {
        "",
        "/x",
        "example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http://a b/?secret",
        "http://[::1/secret",
        "http://example.com:99999/",
        "gopher://127.0.0.1:1/secret",
    };
    AUTO_HTTPC struct httpc *h = client();
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

        assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = urls[i]}, &res, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_null(strstr(e.msg, "secret"));
    }
}

static void test_httpc_faults__headers_and_methods_cannot_smuggle_lines(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    static const struct httpc_header bad[] = {
        {"X-A", "1\r\nX-B: 2"}, {"X-A", "1\nX-B: 2"}, {"X-A: 1\r\nX-B", "2"}, {"X-A;", ""}, {"", "1"},
    };
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct httpc_req req = {.method = "GET", .url = raw_url(s), .headers = &bad[i], .n_headers = 1};

        assert_int_equal(httpc_do(h, &req, &res, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_null(strstr(e.msg, "X-B"));
    }
    assert_int_equal(ask(h, s, "GET / HTTP/1.1\r\nX-B: 2", "/x", &res, &e), -1);
    assert_int_equal(raw_count(s), 0);
}

static void test_httpc_faults__errors_hold_nothing_confidential(void **state)
{
    static const struct raw_step steps[] = {
        {.act = RAW_CLOSE, .bytes = "hunter2", .after = SIZE_MAX},
        {.act = RAW_RESET, .bytes = OK},
        {.act = RAW_HANG, .bytes = OK},
        {.act = RAW_ENDLESS, .bytes = "HTTP/1.1 200 OK\r\n\r\n"},
    };
    const struct httpc_header header = {"Authorization", "Bearer hunter2"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        AUTO_HTTPC struct httpc *h = client();
        AUTO_RAW struct rawserver *s = script(&steps[i], 1);
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
        char url[128], want[128];
        struct err e;

        (void)snprintf(url, sizeof(url), "http://user:hunter2@127.0.0.1:%d/path?key=hunter2#hunter2", raw_port(s));
        (void)snprintf(want, sizeof(want), "POST http://127.0.0.1:%d/path: ", raw_port(s));
        assert_int_equal(httpc_do(h,
                                  &(struct httpc_req){.method = "POST",
                                                      .url = url,
                                                      .headers = &header,
                                                      .n_headers = 1,
                                                      .body = "hunter2",
                                                      .body_len = 7,
                                                      .timeout_ms = 1000},
                                  &res, &e),
                         -1);
        assert_null(strstr(e.msg, "hunter2"));
        assert_ptr_equal(strstr(e.msg, want), e.msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_httpc_faults__the_deadline_covers_silence_and_half_answers),
        cmocka_unit_test(test_httpc_faults__an_answer_may_fill_its_ceiling_and_not_a_byte_more),
        cmocka_unit_test(test_httpc_faults__endless_bodies_and_headers_are_cut_off),
        cmocka_unit_test(test_httpc_faults__a_streamed_body_comes_in_pieces_and_ends_with_its_ceiling),
        cmocka_unit_test(test_httpc_faults__a_refusal_of_a_stream_is_read_whole),
        cmocka_unit_test(test_httpc_faults__a_stream_that_falls_silent_is_left),
        cmocka_unit_test(test_httpc_faults__many_headers_are_cut_off),
        cmocka_unit_test(test_httpc_faults__broken_answers_are_passing_faults),
        cmocka_unit_test(test_httpc_faults__what_must_not_arrive_twice_is_not_sent_again_on_a_dead_connection),
        cmocka_unit_test(test_httpc_faults__a_refused_connection_says_so),
        cmocka_unit_test(test_httpc_faults__only_absolute_http_urls_are_taken),
        cmocka_unit_test(test_httpc_faults__headers_and_methods_cannot_smuggle_lines),
        cmocka_unit_test(test_httpc_faults__errors_hold_nothing_confidential),
    };
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        (void)unsetenv(proxies[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
