/* Turns: the distance between two calls, the queue and its length, the daemon's end. */
#include "tests/support/unit.h"

#include "providers/common/pace.h"
#include "server/base/attr.h"
#include "server/base/clock.h"

#include <sched.h>
#include <stdatomic.h>

struct waits {
    atomic_int n;
    _Atomic int64_t ms, last_ms;
    atomic_bool ends, held; /* held: the first of the queue does not come back */
};

static bool wait(void *arg, int64_t ms)
{
    struct waits *w = arg;

    w->n++;
    w->ms += ms;
    w->last_ms = ms;
    while (w->held)
        (void)sched_yield();
    clock_test_advance(ms);
    return w->ends;
}

static int setup(void **state)
{
    (void)state;
    clock_test_set(1700000000000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clock_test_release();
    return 0;
}

static void test_pace__calls_keep_their_distance(void **state)
{
    struct waits w = {.n = 0};
    struct pace p;
    struct err e;

    (void)state;
    pace_init(&p, 4500);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    assert_int_equal(w.n, 0);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    assert_int_equal(w.last_ms, 4500);
    clock_test_advance(1500);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    assert_int_equal(w.last_ms, 3000);
    clock_test_advance(4500);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    assert_int_equal(w.n, 2);
    pace_clear(&p);
}

static void test_pace__whoever_cannot_wait_is_told_for_how_long(void **state)
{
    struct pace p;
    struct err e;

    (void)state;
    pace_init(&p, 4500);
    assert_ok(pace_turn(&p, NULL, NULL, &e), e);
    clock_test_advance(1000);
    assert_fails(pace_turn(&p, NULL, NULL, &e), ERR_THROTTLED, "too many calls", e);
    assert_int_equal(e.retry_after_s, 4);
    clock_test_advance(3500);
    assert_ok(pace_turn(&p, NULL, NULL, &e), e);
    pace_clear(&p);
}

static void test_pace__an_ending_daemon_lets_nobody_go(void **state)
{
    struct waits w = {.ends = true};
    struct pace p;
    struct err e;

    (void)state;
    pace_init(&p, 1000);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    assert_fails(pace_turn(&p, wait, &w, &e), ERR_RETRY, "the daemon ended", e);
    w.ends = false;
    assert_int_equal(p.queue, 0);
    pace_clear(&p);
}

struct caller {
    struct pace *p;
    struct waits *w;
    pthread_t thread;
    int rc;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    struct err e;

    c->rc = pace_turn(c->p, wait, c->w, &e);
    return NULL;
}

static void test_pace__a_queue_that_is_too_long_is_left(void **state)
{
    struct waits w = {.held = true};
    struct caller callers[5];
    struct pace p;
    struct err e;

    (void)state;
    pace_init(&p, 10000);
    assert_ok(pace_turn(&p, wait, &w, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
        callers[i] = (struct caller){.p = &p, .w = &w};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    while (p.queue < 5)
        (void)sched_yield();
    assert_fails(pace_turn(&p, wait, &w, &e), ERR_THROTTLED, "too many calls", e);
    assert_int_equal(e.retry_after_s, 50);
    w.held = false;
    for (size_t i = 0; i < ARRAY_LEN(callers); i++) {
        (void)pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, 0);
    }
    assert_int_equal(w.ms, 50000);
    assert_int_equal(p.queue, 0);
    pace_clear(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pace__calls_keep_their_distance, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pace__whoever_cannot_wait_is_told_for_how_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pace__an_ending_daemon_lets_nobody_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pace__a_queue_that_is_too_long_is_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
