/* What a machine may fetch is armed before its launch, told once, and gone with it. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdlib.h>

static void arm(struct hand *h, const char *machine, const char *token, const char *sealed)
{
    struct err e;

    assert_ok(store_pull_arm(hand_begin(h), machine, token, sealed, &e), e);
    hand_commit(h);
}

static void fetched(struct hand *h, const char *machine, int64_t now_ms)
{
    struct err e;

    assert_ok(store_pull_fetched(hand_begin(h), machine, now_ms, &e), e);
    hand_commit(h);
}

static void assert_pull(struct hand *h, const char *machine, const char *sealed, int64_t fetched_ms)
{
    AUTO_PULL struct store_pull p = {.armed = false};
    struct err e;

    assert_ok(store_pull_get(hand_begin(h), machine, &p, &e), e);
    hand_commit(h);
    assert_int_equal(p.armed, sealed != NULL);
    if (sealed == NULL)
        return;
    assert_string_equal(p.sealed, sealed);
    assert_int_equal(p.fetched_ms, fetched_ms);
}

static void test_store_pull__what_was_armed_is_there_after_a_restart(void **state)
{
    struct hand *h = *state;

    assert_pull(h, "muster-a", NULL, 0);
    arm(h, "muster-a", "muster-a-0-0", "one");
    arm(h, "muster-b", "muster-b-0-0", "other");
    hand_reopen(h);
    assert_pull(h, "muster-a", "one", 0);
    assert_pull(h, "muster-b", "other", 0);
}

static void test_store_pull__what_was_told_is_forgotten_and_a_repeated_launch_does_not_bring_it_back(void **state)
{
    struct hand *h = *state;

    arm(h, "muster-a", "muster-a-0-0", "one");
    fetched(h, "muster-a", 77);
    assert_pull(h, "muster-a", "", 77);
    arm(h, "muster-a", "muster-a-0-0", "one");
    hand_reopen(h);
    assert_pull(h, "muster-a", "", 77);
}

static void test_store_pull__the_next_candidate_of_the_same_name_may_fetch_again(void **state)
{
    struct hand *h = *state;

    arm(h, "muster-a", "muster-a-0-0", "one");
    fetched(h, "muster-a", 77);
    arm(h, "muster-a", "muster-a-1-0", "two");
    assert_pull(h, "muster-a", "two", 0);
}

static void test_store_pull__nothing_is_left_of_a_machine_that_ends(void **state)
{
    struct hand *h = *state;
    struct err e;

    arm(h, "muster-a", "muster-a-0-0", "one");
    arm(h, "muster-b", "muster-b-0-0", "other");
    assert_ok(store_pull_drop(hand_begin(h), "muster-a", &e), e);
    hand_commit(h);
    assert_pull(h, "muster-a", NULL, 0);
    assert_pull(h, "muster-b", "other", 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, hand_setup, hand_teardown)
    const struct CMUnitTest tests[] = {
        T(test_store_pull__what_was_armed_is_there_after_a_restart),
        T(test_store_pull__what_was_told_is_forgotten_and_a_repeated_launch_does_not_bring_it_back),
        T(test_store_pull__the_next_candidate_of_the_same_name_may_fetch_again),
        T(test_store_pull__nothing_is_left_of_a_machine_that_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
