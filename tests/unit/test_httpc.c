#include "server/base/httpc.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/support/rawserver.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void test_httpc__a_get_sends_what_was_given_and_nothing_of_curls_own(void **state)
{
    static const struct raw_step step = {.bytes = "HTTP/1.1 203 Fine\r\nContent-Length: 5\r\nX-One: 1\r\n\r\nhello"};
    const struct httpc_header headers[] = {{"Authorization", "Bearer abc"}, {"X-Empty", ""}};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    const struct raw_request *r;
    char url[128];
    struct err e;

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/a/../b%%2Fc?x=1&y=%%20", raw_url(s));
    assert_int_equal(
        httpc_do(h, &(struct httpc_req){.method = "GET", .url = url, .headers = headers, .n_headers = 2}, &res, &e), 0);
    assert_int_equal(res.status, 203);
    assert_string_equal(res.body.p, "hello");
    assert_true(res.took_us > 0);
    r = raw_get(s, 0);
    assert_string_equal(r->method, "GET");
    assert_string_equal(r->path, "/a/../b%2Fc?x=1&y=%20"); /* unchanged: it may be part of a signature */
    assert_string_equal(raw_header(r, "User-Agent"), "muster/test");
    assert_string_equal(raw_header(r, "Authorization"), "Bearer abc");
    assert_string_equal(raw_header(r, "X-Empty"), "");
    assert_null(raw_header(r, "Content-Type"));
    assert_null(raw_header(r, "Accept-Encoding"));
    assert_int_equal(r->body_len, 0);
}

static void test_httpc__a_post_sends_its_bytes_at_once_and_unchanged(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    const struct httpc_header type = {"Content-Type", "application/json"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    size_t len = (size_t)3 << 20;
    AUTO_FREE char *body = mem_zalloc(len);
    struct httpc_req req = {.method = "POST", .url = raw_url(s), .headers = &type, .n_headers = 1};
    struct err e;

    (void)state;
    memset(body, 'z', len - 10); /* and ten NULs */
    req.body = body;
    req.body_len = len;
    assert_int_equal(httpc_do(h, &req, &res, &e), 0);
    assert_null(raw_header(raw_get(s, 0), "Expect"));
    assert_string_equal(raw_header(raw_get(s, 0), "Content-Type"), "application/json");
    assert_int_equal(raw_get(s, 0)->body_len, len);
    assert_memory_equal(raw_get(s, 0)->body, body, len);
}

static void test_httpc__methods_go_out_as_named(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
        const char *length;

        assert_int_equal(ask(h, s, methods[i], "/x", &res, &e), 0);
        assert_string_equal(raw_get(s, i)->method, methods[i]);
        length = raw_header(raw_get(s, i), "Content-Length");
        if (i >= 1 && i <= 3)
            assert_string_equal(length, "0"); /* some servers refuse a POST without a length */
        else
            assert_null(length);
    }
}

static void test_httpc__any_status_is_an_answer_and_redirects_are_not_followed(void **state)
{
    static const struct raw_step steps[] = {
        {.bytes = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"},
        {.bytes = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"},
        {.bytes = "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"},
        {.bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
    };
    static const int want[] = {302, 404, 304, 503};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(steps, ARRAY_LEN(steps));
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(ask(h, s, "GET", "/x", &res, &e), 0);
        assert_int_equal(res.status, want[i]);
        assert_string_equal(res.body.p, i == 1 ? "gone" : "");
    }
    assert_int_equal(raw_count(s), ARRAY_LEN(want));
}

static void test_httpc__a_compressed_body_is_left_as_it_is(void **state)
{
    static const struct raw_step step = {
        .bytes = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    assert_int_equal(ask(h, s, "GET", "/x", &res, &e), 0);
    assert_string_equal(res.body.p, "abc");
}

static void test_httpc__headers_are_those_of_the_final_answer(void **state)
{
    static const struct raw_step step = {
        .act = RAW_DRIP,
        .bytes = "HTTP/1.1 100 Continue\r\nX-A: interim\r\n\r\n"
                 "HTTP/1.1 200 OK\r\nx-a: \t final \r\nX-Empty:\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "2\r\nok\r\n0\r\nX-Trailer: body's author\r\nRetry-After: 9\r\n\r\n"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    char value[64], tiny[4];
    struct err e;

    (void)state;
    assert_int_equal(ask(h, s, "GET", "/x", &res, &e), 0);
    assert_string_equal(res.body.p, "ok");
    assert_true(httpc_header(&res, "X-A", value, sizeof(value)));
    assert_string_equal(value, "final");
    assert_true(httpc_header(&res, "X-A", tiny, sizeof(tiny)));
    assert_string_equal(tiny, "fin");
    assert_true(httpc_header(&res, "x-empty", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(httpc_header(&res, "X-Trailer", value, sizeof(value)));
    assert_false(httpc_header(&res, "X-", value, sizeof(value)));
    assert_int_equal(httpc_retry_after_s(&res), -1);
}

static int retry_after(const char *headers)
{
    AUTO_HTTPC_RES struct httpc_res res = {.headers = BUF_INIT(1024), .body = BUF_INIT(0)};

    buf_adds(&res.headers, "HTTP/1.1 429 Too Many Requests\r\n");
    buf_adds(&res.headers, headers);
    return httpc_retry_after_s(&res);
}

static void test_httpc__retry_after_is_read_as_seconds_and_as_a_date(void **state)
{
    (void)state;
    clock_test_set(1700000000000); /* Tue, 14 Nov 2023 22:13:20 GMT */
    assert_int_equal(retry_after("Retry-After: 120\r\n"), 120);
    assert_int_equal(retry_after("retry-after: 0\r\n"), 0);
    assert_int_equal(retry_after("Retry-After: 007\r\n"), 7);
    assert_int_equal(retry_after("Retry-After: 99999999999999999999999\r\n"), 86400);
    assert_int_equal(retry_after("Retry-After: Tue, 14 Nov 2023 22:14:20 GMT\r\n"), 60);
    assert_int_equal(retry_after("Retry-After: Tue, 14 Nov 2023 22:00:00 GMT\r\n"), 0);
    assert_int_equal(retry_after("Retry-After: Tue, 14 Nov 2028 22:00:00 GMT\r\n"), 86400);
    /* our clock is wrong by ten minutes: the server's own counts */
    assert_int_equal(
        retry_after("Date: Tue, 14 Nov 2023 22:23:20 GMT\r\nRetry-After: Tue, 14 Nov 2023 22:23:50 GMT\r\n"), 30);
    assert_int_equal(retry_after("Retry-After: soon\r\n"), -1);
    assert_int_equal(retry_after("Retry-After: -5\r\n"), -1);
    assert_int_equal(retry_after("Retry-After: 1.5\r\n"), -1);
    assert_int_equal(retry_after("Retry-After:\r\n"), -1);
    assert_int_equal(retry_after("X-Retry-After: 5\r\n"), -1);
    clock_test_release();
}

static void test_httpc__a_connection_is_kept_for_the_next_request(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *a = script(&step, 1);
    AUTO_RAW struct rawserver *b = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ask(h, a, "GET", "/x", &res, &e), 0);
        assert_int_equal(ask(h, b, "POST", "/x", &res, &e), 0);
    }
    assert_int_equal(raw_accepted(a), 1);
    assert_int_equal(raw_accepted(b), 1);
}

static void test_httpc__many_origins_each_keep_their_connection(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct rawserver *s[12]; /* more than one curl handle keeps connections */
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(s); i++)
        s[i] = script(&step, 1);
    for (size_t i = 0; i < 3 * ARRAY_LEN(s); i++)
        assert_int_equal(ask(h, s[i % ARRAY_LEN(s)], "GET", "/x", &res, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        assert_int_equal(raw_accepted(s[i]), 1);
        raw_stop(s[i]);
    }
}

static void test_httpc__a_full_pool_still_serves_every_origin(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    AUTO_HTTPC struct httpc *h = httpc_new(&(struct httpc_conf){.user_agent = "t", .max_idle_handles = 1});
    AUTO_RAW struct rawserver *a = script(&step, 1);
    AUTO_RAW struct rawserver *b = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(h, a, "GET", "/x", &res, &e), 0);
        assert_int_equal(ask(h, b, "GET", "/x", &res, &e), 0);
    }
    assert_int_equal(raw_count(a), 5);
    assert_int_equal(raw_accepted(a), 1); /* one handle keeps both connections */
}

static void test_httpc__a_kept_connection_that_the_server_closed_is_replaced(void **state)
{
    static const struct raw_step step = {.act = RAW_CLOSE, .bytes = OK, .after = SIZE_MAX};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask(h, s, "GET", "/x", &res, &e), 0);
    assert_int_equal(raw_count(s), 5);
}

static void test_httpc__a_unix_socket_serves_as_well(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    char dir[] = "/tmp/muster-test-XXXXXX", path[64];
    AUTO_HTTPC struct httpc *h = client();
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct rawserver *s;
    struct err e;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/sock", dir);
    s = raw_start(&(struct raw_conf){.steps = &step, .n_steps = 1, .unix_socket = path});
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            httpc_do(h, &(struct httpc_req){.method = "GET", .url = "http://docker/v1/info", .unix_socket = path}, &res,
                     &e),
            0);
    assert_string_equal(raw_get(s, 2)->path, "/v1/info");
    assert_string_equal(raw_header(raw_get(s, 2), "Host"), "docker");
    assert_int_equal(raw_accepted(s), 1);
    raw_stop(s);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_httpc__the_usual_proxy_variables_are_honoured(void **state)
{
    static const struct raw_step step = {.bytes = OK};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *proxy = script(&step, 1);
    AUTO_RAW struct rawserver *direct = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    assert_int_equal(setenv("http_proxy", raw_url(proxy), 1), 0);
    assert_int_equal(setenv("no_proxy", "127.0.0.1", 1), 0);
    assert_int_equal(httpc_do(h, &(struct httpc_req){.method = "GET", .url = "http://api.invalid/x?y=1"}, &res, &e), 0);
    assert_string_equal(raw_get(proxy, 0)->path, "http://api.invalid/x?y=1");
    assert_int_equal(ask(h, direct, "GET", "/x", &res, &e), 0);
    assert_int_equal(raw_count(direct), 1);
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("no_proxy"), 0);
}

static void test_httpc__a_proxy_that_refuses_a_tunnel_is_named_as_the_cause(void **state)
{
    static const struct raw_step step = {.bytes =
                                             "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"};
    const struct httpc_header secret = {"Authorization", "Bearer hunter2"};
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *proxy = script(&step, 1);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct err e;

    (void)state;
    assert_int_equal(setenv("https_proxy", raw_url(proxy), 1), 0);
    assert_int_equal(
        httpc_do(h,
                 &(struct httpc_req){
                     .method = "GET", .url = "https://api.invalid/x?y=1", .headers = &secret, .n_headers = 1},
                 &res, &e),
        -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_non_null(strstr(e.msg, "the proxy refused the connection with status 407"));
    assert_string_equal(raw_get(proxy, 0)->method, "CONNECT");
    assert_null(strstr(raw_get(proxy, 0)->raw, "hunter2"));
    assert_int_equal(unsetenv("https_proxy"), 0);
}

#define THREADS 16
#define ROUNDS 30

struct worker {
    struct httpc *http;
    const char *base;
    int number, rc;
    pthread_t thread;
    struct err e;
};

static int echo_path(void *arg, const struct raw_request *r, struct buf *answer)
{
    (void)arg;
    raw_answer(answer, 200, "", r->path);
    return RAW_ANSWER;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < ROUNDS && w->rc == 0; i++) {
        AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
        char url[128];

        (void)snprintf(url, sizeof(url), "%s/%d/%d", w->base, w->number, i);
        w->rc = httpc_do(w->http, &(struct httpc_req){.method = "GET", .url = url}, &res, &w->e);
        if (w->rc == 0 && strcmp(res.body.p, url + strlen(w->base)) != 0)
            w->rc = -2;
    }
    return NULL;
}

static void test_httpc__threads_share_the_pool_and_each_gets_its_own_answer(void **state)
{
    AUTO_HTTPC struct httpc *h = client();
    AUTO_RAW struct rawserver *s = raw_start(&(struct raw_conf){.handler = echo_path});
    struct worker w[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.http = h, .base = raw_url(s), .number = i};
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
        assert_int_equal(w[i].rc, 0);
    }
    assert_int_equal(raw_count(s), THREADS * ROUNDS);
    assert_true(raw_accepted(s) <= THREADS);
}

static void test_httpc__nothing_is_freed_quietly(void **state)
{
    (void)state;
    httpc_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_httpc__a_get_sends_what_was_given_and_nothing_of_curls_own),
        cmocka_unit_test(test_httpc__a_post_sends_its_bytes_at_once_and_unchanged),
        cmocka_unit_test(test_httpc__methods_go_out_as_named),
        cmocka_unit_test(test_httpc__any_status_is_an_answer_and_redirects_are_not_followed),
        cmocka_unit_test(test_httpc__a_compressed_body_is_left_as_it_is),
        cmocka_unit_test(test_httpc__headers_are_those_of_the_final_answer),
        cmocka_unit_test(test_httpc__retry_after_is_read_as_seconds_and_as_a_date),
        cmocka_unit_test(test_httpc__a_connection_is_kept_for_the_next_request),
        cmocka_unit_test(test_httpc__many_origins_each_keep_their_connection),
        cmocka_unit_test(test_httpc__a_full_pool_still_serves_every_origin),
        cmocka_unit_test(test_httpc__a_kept_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(test_httpc__a_unix_socket_serves_as_well),
        cmocka_unit_test(test_httpc__the_usual_proxy_variables_are_honoured),
        cmocka_unit_test(test_httpc__a_proxy_that_refuses_a_tunnel_is_named_as_the_cause),
        cmocka_unit_test(test_httpc__threads_share_the_pool_and_each_gets_its_own_answer),
        cmocka_unit_test(test_httpc__nothing_is_freed_quietly),
    };
    static const char *const proxies[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
        (void)unsetenv(proxies[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
