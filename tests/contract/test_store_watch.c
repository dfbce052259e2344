/* What one look at a machine leaves for the next. */
#include "server/store/store_watch.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static void test_store_watch__is_zero_until_put_and_outlives_a_restart(void **state)
{
    struct hand *h = *state;
    const struct store_watch w = {M_BUSY, 11, 12, 13, false, 5};
    struct store_watch got;
    struct err e;

    assert_ok(store_watch_get(hand_begin(h), "m", &got, &e), e);
    assert_int_equal(got.since_ms, 0);
    assert_ok(store_watch_put(h->t, "m", &w, &e), e);
    hand_commit(h);
    hand_reopen(h);
    assert_ok(store_watch_get(hand_begin(h), "m", &got, &e), e);
    assert_int_equal(got.state, M_BUSY);
    assert_int_equal(got.since_ms, 11);
    assert_int_equal(got.gone_ms, 12);
    assert_int_equal(got.asked_ms, 13);
    assert_int_equal(got.told, 5);
    assert_ok(store_watch_drop(h->t, "m", &e), e);
    assert_ok(store_watch_get(h->t, "m", &got, &e), e);
    assert_int_equal(got.since_ms, 0);
    hand_commit(h);
}

static void test_store_watch__asking_keeps_what_else_is_known(void **state)
{
    struct hand *h = *state;
    const struct store_watch w = {M_BUSY, 11, 0, 13, false, 0};
    struct store_watch got;
    struct err e;

    assert_ok(store_watch_put(hand_begin(h), "m", &w, &e), e);
    assert_ok(store_watch_ask(h->t, "m", &e), e);
    assert_ok(store_watch_ask(h->t, "new", &e), e);
    assert_ok(store_watch_get(h->t, "m", &got, &e), e);
    assert_true(got.ask);
    assert_int_equal(got.since_ms, 11);
    assert_ok(store_watch_get(h->t, "new", &got, &e), e);
    assert_true(got.ask);
    hand_commit(h);
}

static void test_store_watch__events_are_counted_from_the_last_retry_on(void **state)
{
    struct hand *h = *state;
    int64_t before = -1, after = -1;
    struct err e;

    assert_ok(store_event_add(hand_begin(h), 10, 7, "m", "machine.unassigned", NULL, &e), e);
    assert_ok(store_event_add(h->t, 20, 7, "m", "machine.unassigned", NULL, &e), e);
    assert_ok(store_event_add(h->t, 20, 8, "m", "machine.unassigned", NULL, &e), e);
    assert_ok(store_event_add(h->t, 20, 7, "m", "machine.lost", NULL, &e), e);
    assert_ok(store_events_since_retry(h->t, 7, "machine.unassigned", &before, &e), e);
    assert_ok(store_report_join(h->t, 7, 1, &e), e);
    assert_ok(store_job_retried(h->t, 7, 15, &e), e);
    assert_ok(store_events_since_retry(h->t, 7, "machine.unassigned", &after, &e), e);
    hand_commit(h); /* before anything is judged: who holds the transaction holds the committer */
    assert_int_equal(before, 2);
    assert_int_equal(after, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_store_watch__is_zero_until_put_and_outlives_a_restart),
        TEST(test_store_watch__asking_keeps_what_else_is_known),
        TEST(test_store_watch__events_are_counted_from_the_last_retry_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
