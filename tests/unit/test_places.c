/* One launch over several places, and small numbers that are remembered for a while. */
#include "tests/support/unit.h"

#include "providers/common/memo.h"
#include "providers/common/places.h"
#include "server/base/clock.h"

struct launch {
    enum err_kind answers[4]; /* of each place; ERR_NONE = there is room */
    int remember_s[4];
    size_t tried[8], n_tried, finds;
    bool exists; /* what find finds */
    bool own_limits;
};

static int find(void *arg, bool *found, struct err *e)
{
    struct launch *l = arg;

    (void)e;
    l->finds++;
    *found = l->exists;
    return 0;
}

static int attempt(void *arg, size_t place, struct err *e)
{
    struct launch *l = arg;
    int rc;

    l->tried[l->n_tried++] = place;
    if (l->answers[place] == ERR_NONE)
        return 0;
    rc = err_set(e, l->answers[place], "place %zu refuses", place);
    e->retry_after_s = l->remember_s[place];
    return rc;
}

static int try(struct launch *l, struct cache *memo, size_t n, bool first_try, struct err *e)
{
    return places_try(&(struct places){.memo = memo,
                                       .token = "t",
                                       .n = n,
                                       .first_try = first_try,
                                       .own_limits = l->own_limits,
                                       .find = find,
                                       .attempt = attempt,
                                       .arg = l},
                      e);
}

static void test_places__the_next_is_tried_only_for_lack_of_room(void **state)
{
    struct launch l = {.answers = {ERR_CAPACITY, ERR_CAPACITY, ERR_NONE}}, bad = {.answers = {ERR_CAPACITY, ERR_QUOTA}};
    struct cache *memo = memo_new(), *other = memo_new();
    struct err e;

    (void)state;
    assert_ok(try(&l, memo, 3, true, &e), e);
    assert_int_equal(l.n_tried, 3);
    assert_fails(try(&bad, other, 3, true, &e), ERR_QUOTA, "place 1 refuses", e);
    assert_int_equal(bad.n_tried, 2);
    cache_free(memo);
    cache_free(other);
}

static void test_places__no_room_anywhere_is_remembered_for_the_shortest_time(void **state)
{
    struct launch l = {.answers = {ERR_CAPACITY, ERR_CAPACITY, ERR_CAPACITY}, .remember_s = {600, 60, 3600}};
    struct cache *memo = memo_new();
    struct err e;

    (void)state;
    assert_fails(try(&l, memo, 3, true, &e), ERR_CAPACITY, "", e);
    assert_int_equal(e.retry_after_s, 60);
    assert_int_equal(l.n_tried, 3);
    l.n_tried = 0;
    assert_fails(try(&l, memo, 3, false, &e), ERR_CAPACITY, "", e);
    assert_int_equal(l.tried[0], 0);
    cache_free(memo);
}

static void test_places__limits_of_a_place_lead_to_the_next_where_each_has_its_own(void **state)
{
    struct launch l = {.answers = {ERR_QUOTA, ERR_NONE}, .own_limits = true};
    struct launch all = {.answers = {ERR_QUOTA, ERR_QUOTA}, .own_limits = true};
    struct launch mixed = {.answers = {ERR_CAPACITY, ERR_QUOTA}, .remember_s = {60, 0}, .own_limits = true};
    struct cache *memo = memo_new();
    struct err e;

    (void)state;
    assert_ok(try(&l, memo, 2, true, &e), e);
    assert_int_equal(l.n_tried, 2);
    assert_fails(try(&all, memo, 2, true, &e), ERR_QUOTA, "", e);
    assert_int_equal(all.n_tried, 2);
    assert_fails(try(&mixed, memo, 2, true, &e), ERR_CAPACITY, "place 0", e);
    assert_int_equal(e.retry_after_s, 60);
    cache_free(memo);
}

static void test_places__a_repetition_begins_where_the_answer_was_lost(void **state)
{
    struct launch l = {.answers = {ERR_CAPACITY, ERR_RETRY}};
    struct cache *memo = memo_new();
    struct err e;

    (void)state;
    assert_fails(try(&l, memo, 2, true, &e), ERR_RETRY, "place 1", e);
    l.answers[0] = l.answers[1] = ERR_NONE;
    assert_ok(try(&l, memo, 2, false, &e), e);
    assert_int_equal(l.n_tried, 3);
    assert_int_equal(l.tried[2], 1);
    assert_int_equal(l.finds, 0);
    l.answers[0] = ERR_NONE;
    assert_ok(try(&l, memo, 1, false, &e), e); /* there is one place less by now */
    assert_int_equal(l.tried[3], 0);
    cache_free(memo);
}

static void test_places__another_process_asks_the_cloud_unless_it_is_the_first_try(void **state)
{
    struct launch l = {.exists = true};
    struct cache *memo = memo_new();
    struct err e;

    (void)state;
    assert_ok(try(&l, memo, 2, false, &e), e);
    assert_int_equal(l.n_tried, 0);
    assert_ok(try(&l, memo, 2, true, &e), e);
    assert_int_equal(l.finds, 1);
    assert_int_equal(l.n_tried, 1);
    assert_ok(try(&l, memo, 0, false, &e), e); /* one place: the token does it */
    assert_int_equal(l.finds, 1);
    assert_int_equal(l.n_tried, 2);
    cache_free(memo);
}

static void test_memo__a_number_is_known_until_its_time_is_over(void **state)
{
    struct cache *memo = memo_new();
    size_t n = 0;
    struct err e;

    (void)state;
    clock_test_set(1000000);
    assert_false(memo_get(memo, "a", &n));
    assert_ok(memo_set(memo, "a", 7, 5000, &e), e);
    clock_test_advance(4999);
    assert_true(memo_get(memo, "a", &n));
    assert_int_equal(n, 7);
    assert_ok(memo_set(memo, "a", 8, 5000, &e), e);
    assert_true(memo_get(memo, "a", &n));
    assert_int_equal(n, 8);
    clock_test_advance(5000);
    assert_false(memo_get(memo, "a", &n));
    clock_test_release();
    cache_free(memo);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places__the_next_is_tried_only_for_lack_of_room),
        cmocka_unit_test(test_places__no_room_anywhere_is_remembered_for_the_shortest_time),
        cmocka_unit_test(test_places__limits_of_a_place_lead_to_the_next_where_each_has_its_own),
        cmocka_unit_test(test_places__a_repetition_begins_where_the_answer_was_lost),
        cmocka_unit_test(test_places__another_process_asks_the_cloud_unless_it_is_the_first_try),
        cmocka_unit_test(test_memo__a_number_is_known_until_its_time_is_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
