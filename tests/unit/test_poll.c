/* Waiting for what a cloud does: pauses that grow, what it asks for, the deadline, the daemon's end. */
#include "tests/support/unit.h"

#include "providers/common/poll.h"
#include "server/base/attr.h"
#include "server/base/clock.h"

/* Time passes just by waiting. */
struct waits {
    int64_t ms[64];
    size_t n, end_after; /* 0 = the daemon does not end */
};

static bool wait(void *arg, int64_t ms)
{
    struct waits *w = arg;

    if (w->n < ARRAY_LEN(w->ms))
        w->ms[w->n] = ms;
    w->n++;
    clock_test_advance(ms);
    return w->end_after != 0 && w->n >= w->end_after;
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

static void test_poll__pauses_grow_from_half_a_second_to_ten(void **state)
{
    static const int64_t first[] = {500, 750, 1125, 1687};
    struct waits w = {.n = 0};
    struct poll p = poll_begin(wait, &w, (int64_t)3600 * 1000);
    struct err e;

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_ok(poll_pause(&p, 0, &e), e);
    assert_memory_equal(w.ms, first, sizeof(first));
    for (size_t i = 1; i < 20; i++)
        assert_true(w.ms[i] >= w.ms[i - 1] && w.ms[i] <= 10000);
    assert_int_equal(w.ms[19], 10000);
}

static void test_poll__what_the_cloud_asks_for_is_obeyed(void **state)
{
    struct waits w = {.n = 0};
    struct poll p = poll_begin(wait, &w, (int64_t)3600 * 1000);
    struct err e;

    (void)state;
    assert_ok(poll_pause(&p, 17, &e), e);
    assert_ok(poll_pause(&p, -1, &e), e);
    assert_int_equal(w.ms[0], 17000);
    assert_int_equal(w.ms[1], 750);
}

static void test_poll__the_last_pause_ends_with_the_deadline(void **state)
{
    struct waits w = {.n = 0};
    struct poll p = poll_begin(wait, &w, 2000);
    struct err e;

    (void)state;
    assert_ok(poll_pause(&p, 0, &e), e);
    assert_ok(poll_pause(&p, 600, &e), e);
    assert_int_equal(w.ms[1], 1500);
    assert_fails(poll_pause(&p, 0, &e), ERR_RETRY, "not finished in time", e);
    assert_int_equal(w.n, 2);
}

static void test_poll__the_daemons_end_ends_it(void **state)
{
    struct waits w = {.end_after = 2};
    struct poll p = poll_begin(wait, &w, (int64_t)3600 * 1000);
    struct err e;

    (void)state;
    assert_ok(poll_pause(&p, 0, &e), e);
    assert_fails(poll_pause(&p, 0, &e), ERR_RETRY, "before the daemon ended", e);
}

static void test_poll__without_a_way_to_wait_nothing_is_waited_for(void **state)
{
    struct poll p = poll_begin(NULL, NULL, (int64_t)3600 * 1000);
    struct err e;

    (void)state;
    assert_fails(poll_pause(&p, 0, &e), ERR_RETRY, "not finished in time", e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_poll__pauses_grow_from_half_a_second_to_ten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll__what_the_cloud_asks_for_is_obeyed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll__the_last_pause_ends_with_the_deadline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll__the_daemons_end_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_poll__without_a_way_to_wait_nothing_is_waited_for, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
