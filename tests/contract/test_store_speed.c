/* How fast candidates came up: what is remembered of it, and for how long. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/store_speed.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)
#define DAY INT64_C(86400000)

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

static void test_store_breaker__what_is_put_is_got_and_what_is_old_is_forgotten(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_breaker b = {.failures = 4,
                              .failed_ms = NOW,
                              .open_until_ms = NOW + 60000,
                              .probe_until_ms = NOW + 5,
                              .kind = "capacity",
                              .probe = "muster-1"},
                         got;
    bool found;
    int64_t n;
    struct err e;

    assert_ok(store_breaker_get(t, "aws r a", &got, &found, &e), e);
    assert_false(found);
    assert_ok(store_breaker_put(t, "aws r a", &b, &e), e);
    b.failures = 2;
    b.failed_ms = NOW + DAY;
    assert_ok(store_breaker_put(t, "aws r b", &b, &e), e);
    assert_ok(store_breaker_get(t, "aws r a", &got, &found, &e), e);
    assert_true(found);
    assert_int_equal(got.failures, 4);
    assert_int_equal(got.open_until_ms, NOW + 60000);
    assert_int_equal(got.probe_until_ms, NOW + 5);
    assert_string_equal(got.kind, "capacity");
    assert_string_equal(got.probe, "muster-1");
    assert_ok(store_breaker_count(t, NOW, 3, &n, &e), e);
    assert_int_equal(n, 1);
    assert_ok(store_breaker_count(t, NOW + 60001, 1, &n, &e), e);
    assert_int_equal(n, 1); /* the first is forgotten */
    assert_ok(store_breaker_drop(t, "aws r b", &e), e);
    assert_ok(store_breaker_count(t, NOW, 0, &n, &e), e);
    assert_int_equal(n, 0);
    hand_commit(*state);
}

static void test_store_breaker__an_end_relaxes_what_its_cloud_refused_for_that_kind(void **state)
{
    static const struct {
        const char *key, *kind;
        bool relaxed;
    } rows[] = {{"aws r a", "quota", true}, {"aws r b", "capacity", false}, {"aws2 r a", "quota", false}};
    struct store_tx *t = hand_begin(*state);
    struct err e;

    for (size_t i = 0; i < 3; i++) {
        struct store_breaker b = {.failures = 3, .failed_ms = NOW, .open_until_ms = NOW + 60000};

        (void)snprintf(b.kind, sizeof(b.kind), "%s", rows[i].kind);
        assert_ok(store_breaker_put(t, rows[i].key, &b, &e), e);
    }
    assert_ok(store_breaker_relax(t, "aws ", "quota", NOW + 1, &e), e);
    for (size_t i = 0; i < 3; i++) {
        struct store_breaker b;
        bool found;

        assert_ok(store_breaker_get(t, rows[i].key, &b, &found, &e), e);
        assert_int_equal(b.open_until_ms, rows[i].relaxed ? NOW + 1 : NOW + 60000);
    }
    hand_commit(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_speed__the_newest_boots_count_most, hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_speed__a_refusal_is_remembered_until_it_comes_up_again, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_speed__what_nobody_launched_for_a_month_is_forgotten, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_breaker__what_is_put_is_got_and_what_is_old_is_forgotten, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_breaker__an_end_relaxes_what_its_cloud_refused_for_that_kind,
                                        hand_setup, hand_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
