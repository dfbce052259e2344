/* Clients that keep connections, hurry ahead, dawdle, vanish; and a server that stops under them. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "tests/support/intake.h"
#include "tests/support/payload.h"
#include "tests/support/unit.h"
#include "tests/support/webclient.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOON_MS 5000 /* generous: the machine may be busy */

static const struct web_request health = {.method = "GET", .path = "/healthz"};

/* A delivery with the id `n`, written out. */
static void write_delivery(struct buf *out, struct intake *t, unsigned n, size_t size)
{
    AUTO_BUF struct buf body = BUF_INIT(8 * 1024 * 1024);
    char guid[40];

    (void)snprintf(guid, sizeof(guid), "00000000-0000-4000-8000-%012u", n);
    payload_write(&body, &(struct payload){.job_id = PAYLOAD_FIRST_ID + n, .run_id = 1, .size = size});
    web_write_request(out, &(struct web_request){.event = "workflow_job",
                                                 .guid = guid,
                                                 .type = "application/json",
                                                 .secret = intake_secret(t),
                                                 .body = body.p,
                                                 .len = body.len});
}

static void send_delivery(struct web *w, struct intake *t, unsigned n, size_t size)
{
    AUTO_BUF struct buf text = BUF_INIT(8 * 1024 * 1024);

    write_delivery(&text, t, n, size);
    web_send(w, text.p, text.len);
}

static void expect_code(struct web *w, int code)
{
    struct web_answer a;

    assert_int_equal(web_read(w, &a), 0);
    assert_int_equal(a.code, code);
}

static size_t open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* The server closes its end after the client saw the answer: wait for that on the condition itself. */
static void wait_for_descriptors(struct intake *t, size_t n)
{
    int64_t until = clock_mono_ms() + SOON_MS;

    while (open_descriptors() > n) {
        if (clock_mono_ms() > until)
            fail_msg("%zu descriptors are open instead of %zu", open_descriptors(), n);
        assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    }
}

static void test_intake__a_kept_connection_serves_delivery_after_delivery(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    struct web w;

    (void)state;
    web_open(&w, intake_port(t));
    for (unsigned i = 0; i < 200; i++) {
        send_delivery(&w, t, i, 11000);
        expect_code(&w, 202);
    }
    assert_int_equal(intake_stored(t), 200);
    web_close(&w);
    intake_free(t);
}

static void test_intake__requests_sent_ahead_are_answered_in_order(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    struct web w;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        write_delivery(&text, t, i / 2, 6000); /* each twice */
        web_write_request(&text, &health);
    }
    web_open(&w, intake_port(t));
    web_send(&w, text.p, text.len);
    for (unsigned i = 0; i < 20; i++) {
        expect_code(&w, i % 2 == 0 ? 202 : 200);
        expect_code(&w, 200);
    }
    web_close(&w);
    intake_free(t);
}

static void test_intake__a_client_that_asks_first_is_told_to_continue(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    struct web_request r = {.event = "ping",
                            .guid = "a-1",
                            .secret = intake_secret(t),
                            .headers = "Expect: 100-continue\r\n",
                            .body = "{\"zen\":1}",
                            .len = 9};
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct web w;

    (void)state;
    web_write_request(&text, &r);
    web_open(&w, intake_port(t));
    web_send(&w, text.p, text.len - r.len);
    expect_code(&w, 100);
    web_send(&w, r.body, r.len);
    expect_code(&w, 200);
    web_close(&w);
    intake_free(t);
}

static void test_intake__a_delivery_may_arrive_byte_by_byte(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    struct web w;

    (void)state;
    write_delivery(&text, t, 1, 0);
    web_open(&w, intake_port(t));
    for (size_t i = 0; i < text.len; i++)
        web_send(&w, text.p + i, 1);
    expect_code(&w, 202);
    web_close(&w);
    intake_free(t);
}

/* Feed one byte every few ms until the server has had enough; how long that took. */
static int64_t trickle(struct web *w, const char *text, size_t len)
{
    int64_t began = clock_mono_ms();
    struct pollfd p = {.fd = w->fd, .events = POLLIN};

    for (size_t i = 0; clock_mono_ms() - began < SOON_MS; i++) {
        if (poll(&p, 1, 5) == 1)
            return clock_mono_ms() - began;
        web_send(w, text + i % len, 1);
    }
    return SOON_MS;
}

static void expect_patience(const char *start, const char *drip, int ms)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){.request_timeout_ms = ms});
    struct web w;
    int64_t took;

    web_open(&w, intake_port(t));
    web_sends(&w, start);
    took = trickle(&w, drip, strlen(drip));
    assert_in_range(took, ms - 50, SOON_MS - 1);
    assert_true(web_ends(&w, SOON_MS));
    web_close(&w);
    intake_free(t);
}

static void test_intake__trickled_headers_and_bodies_are_cut_off_at_the_deadline(void **state)
{
    (void)state;
    expect_patience("", "\r\n", 300); /* empty lines before a request */
    expect_patience("POST /webhook HTTP/1.1\r\n", "x", 300);
    expect_patience("POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ", "x", 300);
    expect_patience("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "x", 300);
    expect_patience("POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 300);
}

static void test_intake__a_kept_connection_without_a_request_is_closed(void **state)
{
    struct intake *t =
        intake_start(INTAKE_GROUPED, &(struct api_conf){.request_timeout_ms = 200, .idle_timeout_ms = 200});
    struct web w;

    (void)state;
    web_open(&w, intake_port(t));
    send_delivery(&w, t, 1, 11000);
    expect_code(&w, 202);
    assert_true(web_ends(&w, SOON_MS));
    web_close(&w);
    web_open(&w, intake_port(t)); /* and one that never says anything */
    assert_true(web_ends(&w, SOON_MS));
    web_close(&w);
    intake_free(t);
}

static void test_intake__half_closed_clients_are_answered_or_dropped_and_leave_nothing_behind(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    AUTO_BUF struct buf text = BUF_INIT(1024 * 1024);
    struct web w[32];
    size_t before;

    (void)state;
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    before = open_descriptors();
    write_delivery(&text, t, 1, 11000);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) { /* the last one sends it all */
        web_open(&w[i], intake_port(t));
        web_send(&w[i], text.p, i + 1 < ARRAY_LEN(w) ? text.len * i / ARRAY_LEN(w) : text.len);
        web_half_close(&w[i]);
    }
    expect_code(&w[ARRAY_LEN(w) - 1], 202);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        assert_true(web_ends(&w[i], SOON_MS));
        web_close(&w[i]);
    }
    wait_for_descriptors(t, before);
    intake_free(t);
}

static void test_intake__a_store_that_does_not_answer_in_time_means_503_and_its_late_answer_is_harmless(void **state)
{
    struct intake *t;
    struct web w;

    (void)state;
    clock_test_set(1700000000000);
    t = intake_start(INTAKE_HELD, &(struct api_conf){0});
    web_open(&w, intake_port(t));
    send_delivery(&w, t, 1, 11000);
    intake_wait_held(t, 1);
    clock_test_advance(15000);
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200); /* turns the loop, which sees the time */
    expect_code(&w, 503);
    intake_release(t);
    send_delivery(&w, t, 2, 11000); /* the connection goes on */
    expect_code(&w, 202);
    web_close(&w);
    intake_free(t);
    clock_test_release();
}

static void reset(struct web *w)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    web_close(w);
}

static void test_intake__a_client_that_vanishes_while_its_delivery_is_stored_costs_nothing(void **state)
{
    struct intake *t = intake_start(INTAKE_HELD, &(struct api_conf){0});
    size_t before;
    struct web w;

    (void)state;
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    before = open_descriptors();
    for (unsigned i = 0; i < 50; i++) {
        web_open(&w, intake_port(t));
        send_delivery(&w, t, i, 11000);
        intake_wait_held(t, i + 1);
        if (i % 2 == 0)
            reset(&w);
        else
            web_close(&w);
    }
    intake_release(t);
    wait_for_descriptors(t, before);
    assert_int_equal(intake_stored(t), 50);
    intake_free(t);
}

static void test_intake__broken_http_is_answered_400_or_dropped(void **state)
{
    static const char *const texts[] = {
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "GET\r\n\r\n",
        "POST /webhook HTTP/1.1\r\nno colon\r\n\r\n", "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){.request_timeout_ms = 500});
    struct web_answer a;
    struct web w;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        web_open(&w, intake_port(t));
        web_sends(&w, texts[i]);
        if (web_read(&w, &a) == 0)
            assert_in_range(a.code, 400, 505);
        web_close(&w);
    }
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    intake_free(t);
}

static void test_intake__bodies_over_the_memory_for_all_together_are_503_and_the_memory_comes_back(void **state)
{
    enum { N = 8, SIZE = 500 * 1000 };
    struct intake *t =
        intake_start(INTAKE_GROUPED, &(struct api_conf){.max_body = 1000 * 1000, .max_bodies = 1500 * 1000});
    struct web w[N];
    struct buf text[N];
    int answered[600] = {0};

    (void)state;
    for (unsigned i = 0; i < N; i++) { /* all but the last byte of each: all are held at once */
        text[i] = (struct buf)BUF_INIT(1024 * 1024);
        write_delivery(&text[i], t, i, SIZE);
        web_open(&w[i], intake_port(t));
        web_send(&w[i], text[i].p, text[i].len - 1);
    }
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    for (unsigned i = 0; i < N; i++) {
        struct web_answer a;

        web_send(&w[i], text[i].p + text[i].len - 1, 1);
        assert_int_equal(web_read(&w[i], &a), 0);
        answered[a.code]++;
        assert_int_equal(a.code == 503, web_has_header(&a, "Retry-After: 10"));
    }
    assert_int_equal(answered[202] + answered[503], N);
    assert_in_range(answered[202], 1, 3);
    for (unsigned i = 0; i < N; i++) { /* one after the other there is room for each, on the same connections */
        struct web_answer a;

        web_send(&w[i], text[i].p, text[i].len);
        assert_int_equal(web_read(&w[i], &a), 0);
        assert_true(a.code == 202 || a.code == 200);
        web_close(&w[i]);
        buf_clear(&text[i]);
    }
    assert_int_equal(intake_stored(t), N);
    intake_free(t);
}

static void test_intake__at_the_ceiling_of_connections_the_longest_idle_one_makes_room(void **state)
{
    enum { LIMIT = 10 };
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){.max_connections = LIMIT});
    struct web idle[LIMIT];

    (void)state;
    for (unsigned i = 0; i < LIMIT; i++) {
        web_open(&idle[i], intake_port(t));
        send_delivery(&idle[i], t, i, 11000);
        expect_code(&idle[i], 202);
    }
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    assert_true(web_ends(&idle[0], SOON_MS));
    for (unsigned i = 0; i < LIMIT; i++)
        web_close(&idle[i]);
    intake_free(t);
}

static void test_intake__at_the_ceiling_silent_connections_make_room(void **state)
{
    enum { LIMIT = 10 };
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){.max_connections = LIMIT});
    struct web silent[LIMIT];

    (void)state;
    for (unsigned i = 0; i < LIMIT; i++) {
        web_open(&silent[i], intake_port(t));
        web_sends(&silent[i], "POST /web");
    }
    assert_int_equal(web_ask(intake_port(t), &health, NULL), 200);
    for (unsigned i = 0; i < LIMIT; i++)
        web_close(&silent[i]);
    intake_free(t);
}

static void *stop_with_grace(void *arg)
{
    intake_stop(arg, 60000);
    return NULL;
}

static void test_intake__stopping_answers_what_is_with_the_store_first(void **state)
{
    struct intake *t = intake_start(INTAKE_HELD, &(struct api_conf){0});
    struct web w, idle;
    struct web_answer a;
    pthread_t thread;

    (void)state;
    web_open(&idle, intake_port(t));
    web_open(&w, intake_port(t));
    send_delivery(&w, t, 1, 11000);
    intake_wait_held(t, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_with_grace, t), 0);
    assert_true(web_ends(&idle, SOON_MS)); /* the stop has begun */
    intake_release(t);
    assert_int_equal(web_read(&w, &a), 0);
    assert_int_equal(a.code, 202);
    assert_true(web_has_header(&a, "Connection: close"));
    assert_int_equal(pthread_join(thread, NULL), 0); /* long before the grace is over */
    web_close(&w);
    web_close(&idle);
    intake_free(t);
}

/* It came before the stop, with its request still on the way: no other process would answer it. */
static void test_intake__stopping_answers_who_has_just_come(void **state)
{
    struct intake *t = intake_start(INTAKE_AT_ONCE, &(struct api_conf){0});
    struct web kept, fresh, silent;
    pthread_t thread;

    (void)state;
    web_open(&kept, intake_port(t));
    send_delivery(&kept, t, 1, 11000);
    expect_code(&kept, 202);
    web_open(&fresh, intake_port(t));
    web_open(&silent, intake_port(t));
    assert_int_equal(pthread_create(&thread, NULL, stop_with_grace, t), 0);
    assert_true(web_ends(&kept, SOON_MS)); /* the stop has begun */
    send_delivery(&fresh, t, 2, 11000);
    expect_code(&fresh, 202);
    assert_true(web_ends(&silent, SOON_MS));
    assert_int_equal(pthread_join(thread, NULL), 0); /* long before the grace is over */
    web_close(&kept);
    web_close(&fresh);
    web_close(&silent);
    intake_free(t);
}

static void test_intake__a_stop_without_grace_answers_503_and_does_not_wait_for_the_store(void **state)
{
    struct intake *t = intake_start(INTAKE_HELD, &(struct api_conf){0});
    struct web w[20];
    struct web_answer a;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(w); i++) {
        web_open(&w[i], intake_port(t));
        send_delivery(&w[i], t, i, 11000);
    }
    intake_wait_held(t, ARRAY_LEN(w));
    intake_stop(t, 0);
    for (unsigned i = 0; i < ARRAY_LEN(w); i++) {
        assert_int_equal(web_read(&w[i], &a), 0);
        assert_int_equal(a.code, 503);
        assert_true(web_has_header(&a, "Retry-After: 10"));
        web_close(&w[i]);
    }
    intake_free(t); /* what the store still finishes falls into nothing: sanitizers watch */
}

static void test_intake__a_second_stop_is_immediate(void **state)
{
    struct intake *t = intake_start(INTAKE_HELD, &(struct api_conf){0});
    struct web w, idle;
    pthread_t thread;

    (void)state;
    web_open(&idle, intake_port(t));
    web_open(&w, intake_port(t));
    send_delivery(&w, t, 1, 11000);
    intake_wait_held(t, 1);
    assert_int_equal(pthread_create(&thread, NULL, stop_with_grace, t), 0);
    assert_true(web_ends(&idle, SOON_MS));
    intake_stop(t, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_code(&w, 503);
    web_close(&w);
    web_close(&idle);
    intake_free(t);
}

/* What the log says while fn runs. */
static void logged(struct buf *out, enum log_level level, void (*fn)(struct intake *t))
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});
    char chunk[4096];
    ssize_t n;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    log_set_fd(ends[1]);
    log_set_level(level);
    fn(t);
    intake_free(t);
    log_set_level(LOG_NONE);
    log_set_fd(2);
    close(ends[1]);
    while ((n = read(ends[0], chunk, sizeof(chunk))) > 0)
        buf_add(out, chunk, (size_t)n);
    close(ends[0]);
}

static void refuse_one(struct intake *t)
{
    struct web_request r = {.guid = "abc-1",
                            .body = "x",
                            .len = 1,
                            .headers = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7, 203.0.113.9\r\n"};

    assert_int_equal(web_ask(intake_port(t), &r, NULL), 401);
    r.headers = "X-Forwarded-For: no address \"at\" all\r\n";
    assert_int_equal(web_ask(intake_port(t), &r, NULL), 401);
}

static void test_intake__a_refusal_is_logged_with_the_client_the_proxy_names(void **state)
{
    AUTO_BUF struct buf log = BUF_INIT(64 * 1024);

    (void)state;
    logged(&log, LOG_INFO, refuse_one);
    assert_non_null(strstr(log.p, "\"event\":\"delivery.refused\",\"code\":401"));
    assert_non_null(strstr(log.p, "\"client\":\"203.0.113.9\",\"delivery\":\"abc-1\""));
    assert_non_null(strstr(log.p, "\"client\":\"127.0.0.1\""));
    assert_null(strstr(log.p, "6.6.6.6"));
    assert_null(strstr(log.p, "at all"));
}

static void refuse_many(struct intake *t)
{
    for (int i = 0; i < 500; i++)
        assert_int_equal(web_ask(intake_port(t), &(struct web_request){.body = "x", .len = 1}, NULL), 401);
}

static void test_intake__a_flood_of_bad_requests_is_no_flood_of_lines(void **state)
{
    AUTO_BUF struct buf log = BUF_INIT(1024 * 1024);
    size_t lines = 0;

    (void)state;
    logged(&log, LOG_INFO, refuse_many);
    for (size_t i = 0; i < log.len; i++)
        lines += log.p[i] == '\n';
    assert_in_range(lines, 1, 100); /* ten a second */
}

static void store_one(struct intake *t)
{
    struct web w;

    web_open(&w, intake_port(t));
    send_delivery(&w, t, 5, 11000);
    expect_code(&w, 202);
    web_close(&w);
}

static void test_intake__a_stored_job_is_one_line_for_who_asks_for_detail(void **state)
{
    AUTO_BUF struct buf log = BUF_INIT(64 * 1024), quiet = BUF_INIT(64 * 1024);

    (void)state;
    logged(&log, LOG_DEBUG, store_one);
    assert_int_not_equal(log.len, 0);
    assert_non_null(strstr(log.p, "\"event\":\"delivery.stored\",\"delivery\":\"00000000-0000-4000-8000-000000000005\","
                                  "\"job\":1000000000000005,\"repo\":\"acme/model\",\"state\":\"queued\""));
    assert_ptr_equal(strchr(log.p, '\n'), log.p + log.len - 1);
    logged(&quiet, LOG_INFO, store_one);
    assert_int_equal(quiet.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intake__a_kept_connection_serves_delivery_after_delivery),
        cmocka_unit_test(test_intake__requests_sent_ahead_are_answered_in_order),
        cmocka_unit_test(test_intake__a_client_that_asks_first_is_told_to_continue),
        cmocka_unit_test(test_intake__a_delivery_may_arrive_byte_by_byte),
        cmocka_unit_test(test_intake__trickled_headers_and_bodies_are_cut_off_at_the_deadline),
        cmocka_unit_test(test_intake__a_kept_connection_without_a_request_is_closed),
        cmocka_unit_test(test_intake__half_closed_clients_are_answered_or_dropped_and_leave_nothing_behind),
        cmocka_unit_test(test_intake__a_store_that_does_not_answer_in_time_means_503_and_its_late_answer_is_harmless),
        cmocka_unit_test(test_intake__a_client_that_vanishes_while_its_delivery_is_stored_costs_nothing),
        cmocka_unit_test(test_intake__broken_http_is_answered_400_or_dropped),
        cmocka_unit_test(test_intake__bodies_over_the_memory_for_all_together_are_503_and_the_memory_comes_back),
        cmocka_unit_test(test_intake__at_the_ceiling_of_connections_the_longest_idle_one_makes_room),
        cmocka_unit_test(test_intake__at_the_ceiling_silent_connections_make_room),
        cmocka_unit_test(test_intake__stopping_answers_what_is_with_the_store_first),
        cmocka_unit_test(test_intake__stopping_answers_who_has_just_come),
        cmocka_unit_test(test_intake__a_stop_without_grace_answers_503_and_does_not_wait_for_the_store),
        cmocka_unit_test(test_intake__a_second_stop_is_immediate),
        cmocka_unit_test(test_intake__a_refusal_is_logged_with_the_client_the_proxy_names),
        cmocka_unit_test(test_intake__a_flood_of_bad_requests_is_no_flood_of_lines),
        cmocka_unit_test(test_intake__a_stored_job_is_one_line_for_who_asks_for_detail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
