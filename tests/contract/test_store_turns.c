/* Repositories take turns at the workers: counted in tasks, not in time. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW INT64_C(1700000000000)

/* n jobs of a repository with a task each, due one after the other from NOW - 100000 + late on. */
static void put_jobs(struct hand *h, int64_t repo_id, int64_t n, enum task_priority priority, int64_t late)
{
    struct store_tx *t = hand_begin(h);
    struct err e;

    for (int64_t i = 0; i < n; i++) {
        char repo[] = "o/r", branch[] = "main", sha[] = "0", name[] = "n", labels[] = "[\"x\"]", key[] = "x",
             subject[32];
        const struct job j = {.id = repo_id * 1000000 + i + 1,
                              .run_id = 1,
                              .run_attempt = 1,
                              .repo_id = repo_id,
                              .installation_id = 1,
                              .queued_ms = NOW,
                              .updated_ms = NOW,
                              .repo = repo,
                              .default_branch = branch,
                              .head_sha = sha,
                              .name = name,
                              .labels_json = labels,
                              .label_key = key};
        bool moved;
        int before;

        (void)snprintf(subject, sizeof(subject), "%lld", (long long)j.id);
        assert_ok(store_job_merge(t, &j, &before, &moved, &e), e);
        assert_ok(store_task_put(t, TASK_JOB, subject, priority, NOW - 100000 + late + i, &e), e);
    }
    hand_commit(h);
}

static size_t claim(struct hand *h, size_t n, struct task *out)
{
    struct store_tx *t = hand_begin(h);
    struct err e;
    size_t got = 99;

    assert_ok(store_task_claim(t, TASK_REPORT, NOW, NOW + 60000, n, out, &got, &e), e);
    hand_commit(h);
    return got;
}

static void finish(struct hand *h, const struct task *task)
{
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_task_finish(t, task, -1, TASK_CHECK, false, &e), e);
    hand_commit(h);
}

static int64_t repo_of(const struct task *task)
{
    return strtoll(task->subject, NULL, 10) / 1000000;
}

static size_t count(const struct task *tasks, size_t n, int64_t repo_id)
{
    size_t of = 0;

    for (size_t i = 0; i < n; i++)
        of += repo_of(&tasks[i]) == repo_id ? 1 : 0;
    return of;
}

/* How many tasks one worker does before it comes to this repository's. */
static int tasks_before(struct hand *h, int64_t repo_id)
{
    struct task task;
    int before = 0;

    for (;; before++) {
        assert_int_equal(claim(h, 1, &task), 1);
        finish(h, &task);
        if (repo_of(&task) == repo_id)
            return before;
    }
}

static void test_store_turns__a_thousand_tasks_of_one_repository_delay_the_single_one_of_another_by_one(void **state)
{
    put_jobs(*state, 1, 1000, TASK_LAUNCH, 0);
    put_jobs(*state, 2, 1, TASK_LAUNCH, 50000);
    assert_in_range(tasks_before(*state, 2), 0, 1); /* in the order of time it would be a thousand */
}

static void test_store_turns__launches_of_one_do_not_keep_another_from_being_decided(void **state)
{
    put_jobs(*state, 1, 1000, TASK_LAUNCH, 0);
    put_jobs(*state, 2, 1, TASK_DECIDE, 50000);
    assert_in_range(tasks_before(*state, 2), 0, 1);
}

static void put_check(struct hand *h, const char *name, int64_t due_ms)
{
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_task_put(t, TASK_MACHINE, name, TASK_CHECK, due_ms, &e), e);
    hand_commit(h);
}

static size_t count_checks(const struct task *tasks, size_t n)
{
    size_t of = 0;

    for (size_t i = 0; i < n; i++)
        of += tasks[i].kind == TASK_MACHINE ? 1 : 0;
    return of;
}

static void test_store_turns__who_looks_after_machines_does_not_wait_until_nothing_else_is_due(void **state)
{
    struct task tasks[8];
    size_t checks = 0;

    put_jobs(*state, 1, 1000, TASK_LAUNCH, 0);
    put_check(*state, "m-late", NOW - 70000);
    put_check(*state, "m-later", NOW - 65000);
    put_check(*state, "m-now", NOW - 50000);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(claim(*state, 1, tasks), 1);
        checks += count_checks(tasks, 1);
    }
    assert_int_equal(checks, 1);
    assert_int_equal(claim(*state, 8, tasks), 8);
    assert_int_equal(count_checks(tasks, 8), 1); /* there is one more: the rest are launches */
    assert_int_equal(claim(*state, 8, tasks), 8);
    assert_int_equal(count_checks(tasks, 8), 0); /* what is not late waits for them */
}

static void test_store_turns__whoever_has_fewest_under_way_comes_first(void **state)
{
    struct task tasks[16];

    put_jobs(*state, 1, 1000, TASK_LAUNCH, 0);
    assert_int_equal(claim(*state, 8, tasks), 8); /* eight workers are at it, and stay so */
    put_jobs(*state, 2, 100, TASK_LAUNCH, 50000);
    put_jobs(*state, 3, 2, TASK_LAUNCH, 60000);
    assert_int_equal(claim(*state, 6, tasks), 6);
    assert_int_equal(count(tasks, 6, 2), 4);
    assert_int_equal(count(tasks, 6, 3), 2);
    assert_int_equal(claim(*state, 4, tasks), 4);
    assert_int_equal(count(tasks, 4, 2), 4); /* until it has as many */
    assert_int_equal(claim(*state, 4, tasks), 4);
    assert_int_equal(count(tasks, 4, 2), 2);
    assert_int_equal(count(tasks, 4, 1), 2);
}

static void test_store_turns__many_repositories_with_one_worker_are_served_alike(void **state)
{
    int served[6] = {0};
    struct task task;

    for (int64_t repo = 1; repo <= 5; repo++)
        put_jobs(*state, repo, repo == 1 ? 300 : 40, TASK_LAUNCH, repo * 1000);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(claim(*state, 1, &task), 1);
        served[repo_of(&task)]++;
        finish(*state, &task);
    }
    for (int repo = 1; repo <= 5; repo++)
        assert_int_equal(served[repo], 20);
}

static void test_store_turns__within_a_repository_launches_go_first_and_then_who_waits_longest(void **state)
{
    struct task tasks[3];

    put_jobs(*state, 1, 2, TASK_LAUNCH, 500);
    put_jobs(*state, 2, 100, TASK_DECIDE, 0);
    assert_int_equal(claim(*state, 3, tasks), 3);
    assert_int_equal(count(tasks, 3, 2), 1);
    for (size_t i = 0; i < 3; i++) {
        if (repo_of(&tasks[i]) == 2)
            assert_string_equal(tasks[i].subject, "2000001");
    }
}

static void test_store_turns__nothing_is_left_while_workers_are_free(void **state)
{
    static struct task tasks[256];
    size_t got, all = 0;

    put_jobs(*state, 1, 300, TASK_LAUNCH, 0);
    put_jobs(*state, 2, 3, TASK_DECIDE, 0);
    put_jobs(*state, 3, 150, TASK_DECIDE, 0);
    while ((got = claim(*state, 64, tasks)) > 0) {
        all += got;
        assert_true(got == 64 || all == 453);
    }
    assert_int_equal(all, 453);
}

static void test_store_turns__ends_come_before_any_turn(void **state)
{
    struct task tasks[4];

    put_jobs(*state, 1, 100, TASK_LAUNCH, 0);
    put_jobs(*state, 2, 3, TASK_TEARDOWN, 90000);
    assert_int_equal(claim(*state, 4, tasks), 4);
    assert_int_equal(count(tasks, 4, 2), 3);
}

#define T(name) cmocka_unit_test_setup_teardown(test_store_turns__##name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_thousand_tasks_of_one_repository_delay_the_single_one_of_another_by_one),
        T(launches_of_one_do_not_keep_another_from_being_decided),
        T(who_looks_after_machines_does_not_wait_until_nothing_else_is_due),
        T(whoever_has_fewest_under_way_comes_first),
        T(many_repositories_with_one_worker_are_served_alike),
        T(within_a_repository_launches_go_first_and_then_who_waits_longest),
        T(nothing_is_left_while_workers_are_free),
        T(ends_come_before_any_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
