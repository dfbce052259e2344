/* How fast candidates came up: what is remembered of it, and for how long. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/store_speed.h"

#include <stdlib.h>

#define NOW INT64_C(1700000000000)
#define DAY INT64_C(86400000)

static int setup(void **state)
{
    struct hand *h = calloc(1, sizeof(*h));

    hand_open(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    hand_close(*state);
    free(*state);
    return 0;
}

static void has(struct store_tx *t, const char *key, int64_t boot_ms, int64_t refused_until_ms)
{
    struct store_speed s;
    struct err e;

    assert_ok(store_speed_get(t, key, &s, &e), e);
    assert_int_equal(s.boot_ms, boot_ms);
    assert_int_equal(s.refused_until_ms, refused_until_ms);
}

static void test_store_speed__the_newest_boots_count_most(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    has(t, "aws a", 0, 0);
    assert_ok(store_speed_booted(t, "aws a", 100000, NOW, &e), e);
    has(t, "aws a", 100000, 0);
    assert_ok(store_speed_booted(t, "aws a", 200000, NOW, &e), e);
    has(t, "aws a", 130000, 0);
    has(t, "aws b", 0, 0);
    hand_commit(*state);
}

static void test_store_speed__a_refusal_is_remembered_until_it_comes_up_again(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    assert_ok(store_speed_booted(t, "aws a", 100000, NOW, &e), e);
    assert_ok(store_speed_refused(t, "aws a", NOW + 600000, NOW, &e), e);
    has(t, "aws a", 100000, NOW + 600000);
    assert_ok(store_speed_booted(t, "aws a", 100000, NOW, &e), e);
    has(t, "aws a", 100000, 0);
    assert_ok(store_speed_refused(t, "aws new", NOW + 600000, NOW, &e), e);
    has(t, "aws new", 0, NOW + 600000);
    assert_ok(store_speed_booted(t, "aws new", 70000, NOW, &e), e);
    has(t, "aws new", 70000, 0);
    hand_commit(*state);
}

static void test_store_speed__what_nobody_launched_for_a_month_is_forgotten(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    assert_ok(store_speed_booted(t, "aws old", 100000, NOW, &e), e);
    assert_ok(store_speed_booted(t, "aws young", 100000, NOW + 29 * DAY, &e), e);
    has(t, "aws old", 100000, 0);
    assert_ok(store_speed_booted(t, "aws young", 100000, NOW + 31 * DAY, &e), e);
    has(t, "aws old", 0, 0);
    has(t, "aws young", 100000, 0);
    hand_commit(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_speed__the_newest_boots_count_most, setup, teardown),
        cmocka_unit_test_setup_teardown(test_store_speed__a_refusal_is_remembered_until_it_comes_up_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_store_speed__what_nobody_launched_for_a_month_is_forgotten, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
