#include "tests/support/unit.h"

#include "server/base/budget.h"

#define NOW ((int64_t)1000000)

static struct budget_ask ask(uint64_t who, int64_t group)
{
    return (struct budget_ask){.who = who, .group = group, .rank = 1, .cost = 1};
}

static int64_t take(struct budget *b, uint64_t who, int64_t group, int64_t now_ms)
{
    struct budget_ask a = ask(who, group);

    return budget_take_ms(b, &a, now_ms);
}

static void test_budget__a_burst_goes_at_once_and_then_one_after_the_other(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){2, 5}, NOW);

    (void)state;
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(take(b, i, 1, NOW), 0);
    assert_int_equal(take(b, 6, 1, NOW), 500);
    assert_int_equal(take(b, 7, 1, NOW), 1000);
    assert_int_equal(take(b, 6, 1, NOW + 499), 1);
    assert_int_equal(take(b, 6, 1, NOW + 500), 0);
    assert_int_equal(take(b, 7, 1, NOW + 1000), 0);
    assert_int_equal(budget_waiting(b), 0);
    budget_free(b);
}

static void test_budget__no_minute_ever_sees_more_than_burst_and_rate(void **state)
{
    enum { MINUTES = 10, STEP = 20 };
    struct budget *b = budget_new(&(struct budget_rate){12.5, 100}, NOW);
    static int64_t went[20000];
    size_t n = 0, from = 0;
    uint64_t seed = 7;

    (void)state;
    for (int64_t t = 0; t < MINUTES * 60000; t += STEP) {
        struct budget_ask a = {.who = 0, .group = 1, .rank = 1, .cost = unit_random(&seed) % 2 == 0 ? 1 : 5};

        if (budget_take_ms(b, &a, NOW + t) == 0) {
            for (int i = 0; i < (int)a.cost; i++)
                went[n++] = t;
        }
        while (from < n && went[from] <= t - 60000)
            from++;
        assert_true(n - from <= 850);
    }
    assert_true(n > 12 * 60 * MINUTES); /* and it is used */
    budget_free(b);
}

static void test_budget__who_was_told_a_time_is_not_overtaken_by_who_comes_later(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){1, 1}, NOW);

    (void)state;
    assert_int_equal(take(b, 1, 1, NOW), 0);
    assert_int_equal(take(b, 2, 1, NOW), 1000);
    assert_int_equal(take(b, 3, 1, NOW + 1000), 1000); /* the one token is the second's */
    assert_int_equal(take(b, 2, 1, NOW + 1000), 0);
    assert_int_equal(take(b, 3, 1, NOW + 2000), 0);
    budget_free(b);
}

static void test_budget__a_group_with_a_thousand_waiting_does_not_delay_the_single_call_of_another(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){2, 1}, NOW);

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        (void)take(b, i, 1, NOW);
    assert_int_equal(budget_waiting(b), 999);
    assert_int_equal(take(b, 5000, 2, NOW), 1000); /* after the first of the others, before the second */
    assert_int_equal(take(b, 5001, 3, NOW), 1500);
    assert_int_equal(take(b, 5002, 3, NOW), 2500); /* the second round: one of group 1, then this */
    budget_free(b);
}

static void test_budget__groups_that_wait_are_served_alike(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){10, 1}, NOW);
    int served[3] = {0, 0, 0};
    bool gone[3][400] = {{false}};

    (void)state;
    for (int64_t t = 0; t < 10000; t += 100) {
        for (size_t g = 0; g < 3; g++) {
            for (size_t i = 0; i < (g == 0 ? 400 : 60); i++) {
                if (!gone[g][i] && take(b, g * 1000 + i + 1, (int64_t)g, NOW + t) == 0) {
                    gone[g][i] = true;
                    served[g]++;
                }
            }
        }
    }
    for (size_t g = 0; g < 3; g++)
        assert_in_range(served[g], 30, 36);
    budget_free(b);
}

static void test_budget__the_smaller_rank_goes_first_and_what_is_kept_is_its_own(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){1, 10}, NOW);
    struct budget_ask start = {.who = 1, .group = 1, .rank = 1, .cost = 1, .keep = 4};
    struct budget_ask end = {.who = 100, .group = 1, .rank = 0, .cost = 1};

    (void)state;
    for (; start.who <= 6; start.who++)
        assert_int_equal(budget_take_ms(b, &start, NOW), 0);
    assert_int_equal(budget_take_ms(b, &start, NOW), 1000);
    for (; end.who < 104; end.who++)
        assert_int_equal(budget_take_ms(b, &end, NOW), 0);
    assert_int_equal(budget_take_ms(b, &end, NOW), 1000);
    assert_int_equal(budget_take_ms(b, &start, NOW), 6000); /* the end before it, and four that must be left */
    budget_free(b);
}

static void test_budget__a_place_that_nobody_comes_back_for_is_given_away(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){1, 1}, NOW);

    (void)state;
    (void)take(b, 1, 1, NOW);
    assert_int_equal(take(b, 2, 1, NOW), 1000);
    assert_int_equal(take(b, 3, 1, NOW), 2000);
    assert_int_equal(take(b, 4, 1, NOW + 3000), 2000); /* a moment ago they may still come */
    assert_int_equal(take(b, 4, 1, NOW + 4001), 0);
    assert_int_equal(take(b, 5, 1, NOW + 4002), 999 + 0);
    assert_int_equal(take(b, 2, 1, NOW + 5001), 0); /* late, but before who came later */
    assert_int_equal(take(b, 5, 1, NOW + 100000), 0);
    assert_int_equal(budget_waiting(b), 0);
    budget_free(b);
}

static void test_budget__a_refusal_halves_the_rate_once_and_it_grows_back_slowly(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){8, 8}, NOW);

    (void)state;
    for (int i = 0; i < 20; i++)
        budget_throttled(b, 3000, NOW + i); /* twenty calls that met the same limit */
    assert_true(budget_share(b) > 0.49 && budget_share(b) < 0.51);
    assert_int_equal(take(b, 1, 1, NOW + 19), 3000);
    assert_int_equal(take(b, 1, 1, NOW + 3019), 0);
    budget_throttled(b, 0, NOW + 5000);
    assert_true(budget_share(b) < 0.26);
    (void)take(b, 2, 1, NOW + 5000 + 9000);
    assert_true(budget_share(b) < 0.26);
    (void)take(b, 2, 1, NOW + 5000 + 20000);
    assert_true(budget_share(b) > 0.35 && budget_share(b) < 0.37);
    (void)take(b, 2, 1, NOW + 5000 + 120000);
    assert_true(budget_share(b) >= 1);
    budget_free(b);
}

static void test_budget__without_a_limit_everything_goes_until_a_refusal_tells_one(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){0, 0}, NOW);
    int went = 0;

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++)
        assert_int_equal(take(b, i, 1, NOW + (int64_t)i), 0); /* a thousand in a second */
    budget_throttled(b, 2000, NOW + 1000);
    assert_int_equal(take(b, 0, 1, NOW + 1000), 2000);
    for (int64_t t = 3000; t < 13000; t += 10)
        went += take(b, 0, 1, NOW + t) == 0 ? 1 : 0;
    assert_in_range(went, 250, 400); /* half of what it learnt at most, 32 a second, growing */
    for (int64_t t = 13000; t < 600000; t += 1000)
        (void)take(b, 0, 1, NOW + t);
    for (uint64_t i = 1; i <= 1000; i++)
        assert_int_equal(take(b, i, 1, NOW + 600000), 0); /* nobody minded for long: no limit again */
    budget_free(b);
}

static void test_budget__the_slowest_still_goes_on(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){1, 1}, NOW);
    int64_t wait_ms;

    (void)state;
    for (int64_t t = 0; t < 100000; t += 1000)
        budget_throttled(b, 0, NOW + t);
    wait_ms = take(b, 1, 1, NOW + 100000);
    assert_in_range(wait_ms, 1, 130000);
    assert_int_equal(take(b, 1, 1, NOW + 100000 + wait_ms), 0);
    budget_free(b);
}

static void test_budget__a_limit_that_was_learnt_never_gets_slower_than_a_call_in_four_seconds(void **state)
{
    struct budget *b = budget_new(&(struct budget_rate){0, 0}, NOW);

    (void)state;
    for (int64_t t = 0; t < 100000; t += 1000)
        budget_throttled(b, 0, NOW + t);
    assert_in_range(take(b, 1, 1, NOW + 100000), 1, 4000);
    budget_free(b);
}

#define T(name) cmocka_unit_test(test_budget__##name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_burst_goes_at_once_and_then_one_after_the_other),
        T(no_minute_ever_sees_more_than_burst_and_rate),
        T(who_was_told_a_time_is_not_overtaken_by_who_comes_later),
        T(a_group_with_a_thousand_waiting_does_not_delay_the_single_call_of_another),
        T(groups_that_wait_are_served_alike),
        T(the_smaller_rank_goes_first_and_what_is_kept_is_its_own),
        T(a_place_that_nobody_comes_back_for_is_given_away),
        T(a_refusal_halves_the_rate_once_and_it_grows_back_slowly),
        T(without_a_limit_everything_goes_until_a_refusal_tells_one),
        T(the_slowest_still_goes_on),
        T(a_limit_that_was_learnt_never_gets_slower_than_a_call_in_four_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
