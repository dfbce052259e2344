/* What the engine relies on in tasks: nothing put is lost, nobody works on what another holds, urgent comes first. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define NOW INT64_C(1700000000000)
#define LEASE (NOW + 60000)

static void put(struct hand *h, const char *subject, enum task_priority priority, int64_t due_ms)
{
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_task_put(t, TASK_MACHINE, subject, priority, due_ms, &e), e);
    hand_commit(h);
}

static size_t claim_at(struct hand *h, int64_t now_ms, size_t n, struct task *out)
{
    struct store_tx *t = hand_begin(h);
    struct err e;
    size_t got = 99;

    assert_ok(store_task_claim(t, TASK_REPORT, now_ms, now_ms + 60000, n, out, &got, &e), e);
    hand_commit(h);
    return got;
}

static struct task claim_one(struct hand *h, int64_t now_ms)
{
    struct task task;

    assert_int_equal(claim_at(h, now_ms, 1, &task), 1);
    return task;
}

static void finish(struct hand *h, const struct task *task, int64_t next_due_ms, enum task_priority priority,
                   bool retry)
{
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_task_finish(t, task, next_due_ms, priority, retry, &e), e);
    hand_commit(h);
}

static int read_next_due(struct store_tx *t, void *arg, struct err *e)
{
    return store_task_next_due(t, TASK_REPORT, arg, e);
}

static int64_t next_due(struct hand *h)
{
    struct err e;
    int64_t due = -99;

    assert_ok(store_read(h->s, read_next_due, &due, &e), e);
    return due;
}

static void test_store_task__a_due_task_is_claimed_once(void **state)
{
    struct hand *h = *state;
    struct task task[4];

    put(h, "m-1", TASK_LAUNCH, NOW);
    assert_int_equal(claim_at(h, NOW - 1, 4, task), 0);
    assert_int_equal(claim_at(h, NOW, 4, task), 1);
    assert_string_equal(task[0].subject, "m-1");
    assert_int_equal(task[0].kind, TASK_MACHINE);
    assert_int_equal(task[0].attempts, 1);
    assert_int_equal(claim_at(h, NOW, 4, task), 0);
}

static void test_store_task__most_urgent_first_then_longest_due(void **state)
{
    static const char *const order[] = {"end-a", "end-b", "launch", "decide-old", "decide-new", "check", "report"};
    struct hand *h = *state;
    struct task task[8];

    put(h, "report", TASK_REPORT, NOW - 9999);
    put(h, "check", TASK_CHECK, NOW - 9000);
    put(h, "decide-new", TASK_DECIDE, NOW - 1);
    put(h, "decide-old", TASK_DECIDE, NOW - 5000);
    put(h, "end-b", TASK_TEARDOWN, NOW);
    put(h, "end-a", TASK_TEARDOWN, NOW - 1);
    put(h, "launch", TASK_LAUNCH, NOW - 2);
    put(h, "later", TASK_TEARDOWN, NOW + 1);
    assert_int_equal(claim_at(h, NOW, 2, task), 2);
    assert_int_equal(claim_at(h, NOW, 6, task + 2), 5);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_string_equal(task[i].subject, order[i]);
}

static void test_store_task__a_claim_for_urgent_work_leaves_the_rest(void **state)
{
    struct hand *h = *state;
    struct store_tx *t;
    struct task task[8];
    int64_t due = -99;
    size_t got = 99;
    struct err e;

    put(h, "check", TASK_CHECK, NOW - 30);
    put(h, "launch", TASK_LAUNCH, NOW - 20);
    put(h, "end", TASK_TEARDOWN, NOW - 10);
    t = hand_begin(h);
    assert_ok(store_task_next_due(t, TASK_TEARDOWN, &due, &e), e);
    assert_int_equal(due, NOW - 10);
    assert_ok(store_task_next_due(t, TASK_DECIDE, &due, &e), e);
    assert_int_equal(due, NOW - 20);
    assert_ok(store_task_claim(t, TASK_TEARDOWN, NOW, LEASE, 8, task, &got, &e), e);
    assert_int_equal(got, 1);
    assert_string_equal(task[0].subject, "end");
    assert_ok(store_task_claim(t, TASK_LAUNCH, NOW, LEASE, 8, task, &got, &e), e);
    assert_int_equal(got, 1);
    assert_string_equal(task[0].subject, "launch");
    hand_commit(h);
    assert_int_equal(next_due(h), NOW - 30);
}

static void test_store_task__kinds_do_not_share_subjects(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct task task[4];
    struct err e;

    assert_ok(store_task_put(t, TASK_JOB, "7", TASK_DECIDE, NOW, &e), e);
    assert_ok(store_task_put(t, TASK_MACHINE, "7", TASK_DECIDE, NOW, &e), e);
    hand_commit(h);
    assert_int_equal(claim_at(h, NOW, 4, task), 2);
    assert_int_not_equal(task[0].kind, task[1].kind);
}

static void test_store_task__a_put_brings_forward_and_never_back(void **state)
{
    struct hand *h = *state;

    put(h, "m", TASK_CHECK, NOW + 5000);
    put(h, "m", TASK_CHECK, NOW + 9000);
    assert_int_equal(next_due(h), NOW + 5000);
    put(h, "m", TASK_CHECK, NOW + 1000);
    assert_int_equal(next_due(h), NOW + 1000);
}

static void test_store_task__the_more_urgent_priority_wins(void **state)
{
    struct hand *h = *state;

    put(h, "raised", TASK_CHECK, NOW);
    put(h, "raised", TASK_TEARDOWN, NOW);
    put(h, "raised", TASK_DECIDE, NOW);
    put(h, "launch", TASK_LAUNCH, NOW - 5);
    assert_string_equal(claim_one(h, NOW).subject, "raised");
}

static void test_store_task__finished_tasks_are_gone(void **state)
{
    struct hand *h = *state;
    struct task task;

    put(h, "m", TASK_LAUNCH, NOW);
    task = claim_one(h, NOW);
    finish(h, &task, -1, TASK_CHECK, false);
    assert_int_equal(next_due(h), -1);
    assert_int_equal(claim_at(h, NOW + 1000000, 1, &task), 0);
}

static void test_store_task__a_put_while_claimed_is_not_lost_by_finishing(void **state)
{
    struct hand *h = *state;
    struct task task, other;

    put(h, "m", TASK_LAUNCH, NOW);
    task = claim_one(h, NOW);
    put(h, "m", TASK_TEARDOWN, NOW + 10);
    assert_int_equal(claim_at(h, NOW + 20, 1, &other), 0);
    finish(h, &task, -1, TASK_CHECK, false);
    assert_int_equal(next_due(h), NOW + 10);
    put(h, "other", TASK_LAUNCH, NOW - 100);
    assert_string_equal(claim_one(h, NOW + 10).subject, "m"); /* at the priority it was put */
}

static void test_store_task__the_earlier_of_put_and_finish_holds(void **state)
{
    struct hand *h = *state;
    struct task task;

    put(h, "m", TASK_LAUNCH, NOW);
    task = claim_one(h, NOW);
    put(h, "m", TASK_CHECK, NOW + 10);
    finish(h, &task, NOW + 5000, TASK_CHECK, false);
    assert_int_equal(next_due(h), NOW + 10);

    task = claim_one(h, NOW + 10);
    put(h, "m", TASK_CHECK, NOW + 9000);
    finish(h, &task, NOW + 5000, TASK_CHECK, false);
    assert_int_equal(next_due(h), NOW + 5000);
}

static void test_store_task__of_two_puts_while_claimed_the_earlier_holds(void **state)
{
    struct hand *h = *state;
    struct task task;

    put(h, "m", TASK_LAUNCH, NOW);
    task = claim_one(h, NOW);
    put(h, "m", TASK_CHECK, NOW + 700);
    put(h, "m", TASK_CHECK, NOW + 300);
    put(h, "m", TASK_CHECK, NOW + 500);
    finish(h, &task, -1, TASK_CHECK, false);
    assert_int_equal(next_due(h), NOW + 300);
}

static void test_store_task__attempts_count_until_put_or_finished_without_retry(void **state)
{
    struct hand *h = *state;
    struct task task;

    put(h, "m", TASK_LAUNCH, NOW);
    for (int i = 1; i <= 3; i++) {
        task = claim_one(h, NOW);
        assert_int_equal(task.attempts, i);
        finish(h, &task, NOW, TASK_LAUNCH, true);
    }
    task = claim_one(h, NOW);
    assert_int_equal(task.attempts, 4);
    finish(h, &task, NOW, TASK_LAUNCH, false);
    task = claim_one(h, NOW);
    assert_int_equal(task.attempts, 1);
    finish(h, &task, NOW, TASK_LAUNCH, true);
    put(h, "m", TASK_LAUNCH, NOW);
    assert_int_equal(claim_one(h, NOW).attempts, 1);
}

static void test_store_task__a_lease_that_ends_frees_the_task(void **state)
{
    struct hand *h = *state;
    struct task first, second;

    put(h, "m", TASK_LAUNCH, NOW);
    first = claim_one(h, NOW);
    assert_int_equal(next_due(h), LEASE);
    assert_int_equal(claim_at(h, LEASE - 1, 1, &second), 0);
    assert_int_equal(claim_at(h, LEASE, 1, &second), 1);
    assert_int_equal(second.attempts, 2);

    /* Who lost it changes nothing any more. */
    finish(h, &first, -1, TASK_CHECK, false);
    finish(h, &first, NOW + 1, TASK_CHECK, false);
    assert_int_equal(next_due(h), LEASE + 60000);
    finish(h, &second, -1, TASK_CHECK, false);
    assert_int_equal(next_due(h), -1);
}

static void test_store_task__a_lease_can_be_renewed_by_its_holder_only(void **state)
{
    struct hand *h = *state;
    struct task first, second;
    struct store_tx *t;
    struct err e;

    put(h, "m", TASK_LAUNCH, NOW);
    first = claim_one(h, NOW);
    t = hand_begin(h);
    assert_ok(store_task_renew(t, &first, LEASE + 5000, &e), e);
    hand_commit(h);
    assert_int_equal(claim_at(h, LEASE, 1, &second), 0);
    assert_int_equal(claim_at(h, LEASE + 5000, 1, &second), 1);
    t = hand_begin(h);
    assert_int_equal(store_task_renew(t, &first, LEASE + 90000, &e), -1);
    assert_int_equal(e.kind, ERR_CONFLICT);
    assert_ok(store_task_renew(t, &second, LEASE + 90000, &e), e);
    hand_commit(h);
}

static void test_store_task__a_put_for_later_survives_a_lost_lease(void **state)
{
    struct hand *h = *state;
    struct task task;

    put(h, "m", TASK_LAUNCH, NOW);
    (void)claim_one(h, NOW);
    put(h, "m", TASK_CHECK, LEASE + 7000);
    task = claim_one(h, LEASE);
    finish(h, &task, -1, TASK_CHECK, false);
    assert_int_equal(next_due(h), LEASE + 7000);
}

static void test_store_task__leases_of_a_dead_process_are_void_at_its_next_start(void **state)
{
    struct hand *h = *state;
    struct store_tx *t;
    struct task task[3];
    struct err e;

    put(h, "a", TASK_LAUNCH, NOW);
    put(h, "b", TASK_CHECK, NOW);
    put(h, "later", TASK_CHECK, NOW + 5000);
    assert_int_equal(claim_at(h, NOW, 3, task), 2);
    put(h, "b", TASK_TEARDOWN, NOW + 100);
    hand_reopen(h);
    t = hand_begin(h);
    assert_ok(store_task_release_all(t, &e), e);
    hand_commit(h);
    assert_int_equal(next_due(h), NOW);
    assert_int_equal(claim_at(h, NOW, 3, task), 2);
    assert_string_equal(task[0].subject, "b");
    assert_int_equal(task[0].attempts, 1); /* it was put */
    assert_int_equal(task[1].attempts, 2);
}

static void test_store_task__an_undone_put_was_never_there(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_task_put(t, TASK_JOB, "7", TASK_DECIDE, NOW, &e), e);
    hand_abort(h);
    assert_int_equal(next_due(h), -1);
}

static void test_store_task__a_subject_too_long_is_refused(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    char subject[80];
    struct err e;

    memset(subject, 'x', sizeof(subject));
    subject[64] = '\0';
    assert_int_equal(store_task_put(t, TASK_JOB, subject, TASK_DECIDE, NOW, &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    subject[63] = '\0';
    assert_ok(store_task_put(t, TASK_JOB, subject, TASK_DECIDE, NOW, &e), e);
    hand_commit(h);
    assert_string_equal(claim_one(h, NOW).subject, subject);
}

/* --- waking the scheduler ------------------------------------------------------------------------------------- */

static void count_wake(void *arg)
{
    (void)atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_store_task__the_scheduler_is_woken_for_what_is_earlier_than_it_was_told(void **state)
{
    struct hand *h = *state;
    atomic_int wakes = 0;

    store_on_task(h->s, count_wake, &wakes);
    put(h, "first", TASK_CHECK, NOW + 5000);
    assert_int_equal(wakes, 1); /* it was told nothing yet */
    assert_int_equal(next_due(h), NOW + 5000);
    put(h, "later", TASK_CHECK, NOW + 9000);
    assert_int_equal(wakes, 1);
    put(h, "earlier", TASK_CHECK, NOW + 4000);
    assert_int_equal(wakes, 2);
    store_on_task(h->s, NULL, NULL);
    put(h, "unheard", TASK_CHECK, NOW);
    assert_int_equal(wakes, 2);
}

static void test_store_task__after_a_claim_every_put_wakes_until_it_is_told_again(void **state)
{
    struct hand *h = *state;
    struct task task;
    atomic_int wakes = 0;

    put(h, "m", TASK_CHECK, NOW);
    assert_int_equal(next_due(h), NOW);
    task = claim_one(h, NOW);
    store_on_task(h->s, count_wake, &wakes);
    put(h, "later", TASK_CHECK, NOW + 9000);
    assert_int_equal(wakes, 1);
    assert_int_equal(next_due(h), NOW + 9000);
    finish(h, &task, NOW + 1000, TASK_CHECK, false); /* earlier than that */
    assert_int_equal(wakes, 2);
    store_on_task(h->s, NULL, NULL);
}

static void test_store_task__an_undone_put_wakes_nobody(void **state)
{
    struct hand *h = *state;
    struct store_tx *t;
    atomic_int wakes = 0;
    struct err e;

    store_on_task(h->s, count_wake, &wakes);
    t = hand_begin(h);
    assert_ok(store_task_put(t, TASK_JOB, "7", TASK_DECIDE, NOW, &e), e);
    hand_abort(h);
    assert_int_equal(wakes, 0);
    store_on_task(h->s, NULL, NULL);
}

/* --- many ----------------------------------------------------------------------------------------------------- */

static int put_many(struct store_tx *t, void *arg, struct err *e)
{
    int n = *(const int *)arg;
    char subject[32];

    for (int i = 0; i < n; i++) {
        (void)snprintf(subject, sizeof(subject), "future-%d", i);
        if (store_task_put(t, TASK_MACHINE, subject, (enum task_priority)(i % 5), NOW + 100000 + i, e))
            return -1;
    }
    return 0;
}

static void test_store_task__what_lies_in_the_future_is_not_claimed_among_many(void **state)
{
    struct hand *h = *state;
    int n = 2000;
    struct task task[64];
    struct err e;
    size_t got, all = 0;

    assert_ok(store_write(h->s, put_many, &n, &e), e);
    put(h, "due", TASK_CHECK, NOW);
    assert_int_equal(next_due(h), NOW);
    assert_int_equal(claim_at(h, NOW, 64, task), 1);
    assert_string_equal(task[0].subject, "due");
    finish(h, &task[0], -1, TASK_CHECK, false);
    while ((got = claim_at(h, NOW + 100000 + n, 64, task)) > 0)
        all += got;
    assert_int_equal(all, n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_task__##name, hand_setup, hand_teardown)
        T(a_due_task_is_claimed_once),
        T(most_urgent_first_then_longest_due),
        T(a_claim_for_urgent_work_leaves_the_rest),
        T(kinds_do_not_share_subjects),
        T(a_put_brings_forward_and_never_back),
        T(the_more_urgent_priority_wins),
        T(finished_tasks_are_gone),
        T(a_put_while_claimed_is_not_lost_by_finishing),
        T(the_earlier_of_put_and_finish_holds),
        T(of_two_puts_while_claimed_the_earlier_holds),
        T(attempts_count_until_put_or_finished_without_retry),
        T(a_lease_that_ends_frees_the_task),
        T(a_lease_can_be_renewed_by_its_holder_only),
        T(a_put_for_later_survives_a_lost_lease),
        T(leases_of_a_dead_process_are_void_at_its_next_start),
        T(an_undone_put_was_never_there),
        T(a_subject_too_long_is_refused),
        T(the_scheduler_is_woken_for_what_is_earlier_than_it_was_told),
        T(after_a_claim_every_put_wakes_until_it_is_told_again),
        T(an_undone_put_wakes_nobody),
        T(what_lies_in_the_future_is_not_claimed_among_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
