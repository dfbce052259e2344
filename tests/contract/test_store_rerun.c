/* Interrupted jobs: one row each, found by run, by run and name, and by the report that tells of them. */
#include "server/store/store_rerun.h"

#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct store_interruption of_job(int64_t job_id, int64_t run_id, const char *name)
{
    return (struct store_interruption){.job_id = job_id,
                                       .run_id = run_id,
                                       .repo_id = 11,
                                       .installation_id = 7,
                                       .own_attempt = 1,
                                       .attempt = 1,
                                       .at_ms = 1000 + job_id,
                                       .nth = 1,
                                       .most = 2,
                                       .state = RERUN_WAITS,
                                       .repo = "octo/train",
                                       .name = name,
                                       .machine = "muster-a",
                                       .cloud = "aws",
                                       .detail = "taken back"};
}

static bool put(struct hand *h, const struct store_interruption *i)
{
    struct err e;
    bool is_new;

    assert_ok(store_interruption_put(hand_begin(h), i, &is_new, &e), e);
    hand_commit(h);
    return is_new;
}

struct seen {
    struct store_interruption last;
    char name[40];
    int64_t ids[8];
    size_t n;
};

static int see(void *arg, const struct store_interruption *i, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    s->last = *i;
    (void)snprintf(s->name, sizeof(s->name), "%s", i->name);
    s->ids[s->n++] = i->job_id;
    return 0;
}

static struct seen open_of(struct hand *h, int64_t run_id)
{
    struct seen s = {.n = 0};
    struct err e;

    assert_ok(store_interruptions_open(hand_begin(h), run_id, see, &s, &e), e);
    hand_commit(h);
    return s;
}

static void test_store_rerun__a_job_is_interrupted_once_and_its_row_stays_as_it_was(void **state)
{
    struct hand *h = *state;
    struct store_interruption i = of_job(5, 90, "train (1)");
    struct seen s;

    assert_true(put(h, &i));
    i.nth = 9;
    assert_false(put(h, &i));
    hand_reopen(h);
    s = open_of(h, 90);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.last.nth, 1);
    assert_int_equal(s.last.most, 2);
    assert_int_equal(s.last.at_ms, 1005);
    assert_string_equal(s.name, "train (1)");
    assert_string_equal(s.last.detail, "taken back");
}

static void test_store_rerun__earlier_ones_are_counted_by_run_and_name(void **state)
{
    struct hand *h = *state;
    const struct store_interruption all[] = {of_job(5, 90, "a"), of_job(6, 90, "b"), of_job(7, 90, "a"),
                                             of_job(8, 91, "a")};
    int64_t n = -1;
    struct err e;

    for (size_t k = 0; k < ARRAY_LEN(all); k++)
        assert_true(put(h, &all[k]));
    assert_ok(store_interruption_count(hand_begin(h), 90, "a", 7, &n, &e), e);
    hand_commit(h);
    assert_int_equal(n, 1);
    assert_ok(store_interruption_count(hand_begin(h), 90, "a", 0, &n, &e), e);
    hand_commit(h);
    assert_int_equal(n, 2);
}

static void test_store_rerun__open_ones_of_a_run_come_by_job_until_they_are_settled(void **state)
{
    struct hand *h = *state;
    struct store_interruption a = of_job(7, 90, "a"), b = of_job(5, 90, "b"), other = of_job(6, 91, "c");
    bool open = false;
    struct seen s;
    struct err e;

    assert_true(put(h, &a) && put(h, &b) && put(h, &other));
    s = open_of(h, 90);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.ids[0], 5);
    b.state = RERUN_DONE;
    (void)snprintf(b.outcome, sizeof(b.outcome), "accepted");
    a.state = RERUN_ASKED;
    a.attempt = 2;
    assert_ok(store_interruption_update(hand_begin(h), &a, &e) || store_interruption_update(hand_begin(h), &b, &e), e);
    hand_commit(h);
    s = open_of(h, 90);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.last.state, RERUN_ASKED);
    assert_int_equal(s.last.attempt, 2);
    assert_int_equal(s.last.own_attempt, 1);
    a.state = RERUN_OVER;
    assert_ok(store_interruption_update(hand_begin(h), &a, &e) ||
                  store_interruption_is_open(hand_begin(h), 90, &open, &e),
              e);
    hand_commit(h);
    assert_false(open);
}

static void test_store_rerun__a_report_has_those_of_its_jobs(void **state)
{
    struct hand *h = *state;
    struct store_interruption a = of_job(7, 90, "a"), b = of_job(5, 90, "b");
    struct seen s = {.n = 0};
    struct err e;

    assert_true(put(h, &a) && put(h, &b));
    assert_ok(store_report_join(hand_begin(h), 7, 3, &e) || store_report_join(hand_begin(h), 5, 4, &e), e);
    hand_commit(h);
    assert_ok(store_interruptions_of_report(hand_begin(h), 3, see, &s, &e), e);
    hand_commit(h);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.ids[0], 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_store_rerun__a_job_is_interrupted_once_and_its_row_stays_as_it_was),
        T(test_store_rerun__earlier_ones_are_counted_by_run_and_name),
        T(test_store_rerun__open_ones_of_a_run_come_by_job_until_they_are_settled),
        T(test_store_rerun__a_report_has_those_of_its_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
