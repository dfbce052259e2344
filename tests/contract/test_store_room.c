/* What the engine relies on in the queue: what counts as a machine, and whose turn it is. */
#include "server/store/store_room.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

struct spec {
    const char *name;
    int64_t repo_id;
    enum machine_state state;
    int round;
    int64_t created_ms, job_id, surplus_ms;
};

static void add_machine(struct store_tx *t, struct spec x)
{
    AUTO_MACHINE struct machine m = {.state = x.state,
                                     .repo_id = x.repo_id,
                                     .round = x.round,
                                     .job_id = x.job_id,
                                     .created_ms = x.created_ms,
                                     .surplus_ms = x.surplus_ms,
                                     .label_key = mem_strdup("gpu")};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", x.name);
    assert_ok(store_machine_insert(t, &m, &e), e);
}

static void add_job(struct store_tx *t, int64_t id, int64_t repo_id, int64_t queued_ms, const char *key)
{
    AUTO_JOB struct job j = {.id = id,
                             .repo_id = repo_id,
                             .queued_ms = queued_ms,
                             .state = JOB_QUEUED,
                             .want = WANT_MACHINE,
                             .label_key = mem_strdup(key)};
    int before;
    bool moved;
    struct err e;

    assert_ok(store_job_merge(t, &j, &before, &moved, &e), e);
}

static void wait_for_room(struct store_tx *t, int64_t repo_id, const char *key, int64_t jobs)
{
    struct err e;

    assert_ok(store_queue_put(t, repo_id, key, jobs, &e), e);
}

static void next_is(struct store_tx *t, int64_t most, int64_t repo_id, const char *key)
{
    AUTO_FREE char *got = NULL;
    int64_t repo = 0;
    bool found;
    struct err e;

    assert_ok(store_queue_next(t, most, &repo, &got, &found, &e), e);
    assert_int_equal(found, key != NULL);
    if (key == NULL)
        return;
    assert_int_equal(repo, repo_id);
    assert_string_equal(got, key);
}

static void launched(struct store_tx *t, const char *name, enum machine_state state)
{
    AUTO_MACHINE struct machine m = {0};
    bool found, changed;
    struct err e;

    assert_ok(store_machine_get(t, name, &m, &found, &e), e);
    assert_true(found);
    m.launched_ms = NOW;
    assert_ok(store_machine_update(t, &m, state, &changed, &e), e);
    assert_true(changed);
}

static void test_store_room__what_may_exist_or_cost_counts_and_nothing_else(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct store_room r;
    struct err e;

    add_machine(t, (struct spec){"a", 1, M_WANTED, 0, NOW, 0, 0});
    add_machine(t, (struct spec){"b", 1, M_WANTED, 2, NOW, 0, 0}); /* between two rounds */
    add_machine(t, (struct spec){"c", 1, M_LAUNCHING, 2, NOW, 0, 0});
    add_machine(t, (struct spec){"d", 2, M_BUSY, 0, NOW, 0, 0});
    add_machine(t, (struct spec){"e", 2, M_ENDING, 1, NOW, 0, 0});
    add_machine(t, (struct spec){"f", 2, M_GONE, 0, NOW, 0, 0});
    add_machine(t, (struct spec){"g", 1, M_ENDING, 0, NOW, 0, 0}); /* only its runner is to go */
    launched(t, "e", M_ENDING);
    assert_ok(store_room(t, 1, NOW, 0, &r, &e), e);
    assert_int_equal(r.machines, 4);
    assert_int_equal(r.of_repo, 2);
    assert_int_equal(r.full_since_ms, 0);
    hand_commit(h);
}

static void test_store_room__a_minute_is_full_until_its_first_launch_is_a_minute_old(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct store_room r;
    struct err e;

    add_machine(t, (struct spec){"a", 1, M_GONE, 0, NOW - 50000, 0, 0}); /* it was launched all the same */
    add_machine(t, (struct spec){"b", 1, M_BUSY, 0, NOW - 10000, 0, 0});
    add_machine(t, (struct spec){"c", 1, M_BUSY, 0, NOW + 90000, 0, 0}); /* of a clock that was set back */
    assert_ok(store_room(t, 1, NOW, 2, &r, &e), e);
    assert_int_equal(r.full_since_ms, NOW - 50000);
    assert_ok(store_room(t, 1, NOW, 3, &r, &e), e);
    assert_int_equal(r.full_since_ms, 0);
    assert_ok(store_room(t, 1, NOW + 10000, 2, &r, &e), e);
    assert_int_equal(r.full_since_ms, 0);
    hand_commit(h);
}

static void test_store_room__the_repository_with_the_fewest_machines_is_next(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    next_is(t, 0, 0, NULL);
    add_job(t, 1, 1, NOW - 9000, "gpu");
    add_job(t, 2, 2, NOW - 1000, "gpu");
    wait_for_room(t, 1, "gpu", 1);
    wait_for_room(t, 2, "gpu", 1);
    next_is(t, 0, 1, "gpu"); /* neither ever had one: who waits longer */
    add_machine(t, (struct spec){"a", 1, M_BUSY, 0, NOW - 500, 0, 0});
    next_is(t, 0, 2, "gpu");
    add_machine(t, (struct spec){"b", 2, M_BUSY, 0, NOW - 400, 0, 0});
    next_is(t, 0, 1, "gpu"); /* as many: whose last turn is longer ago */
    next_is(t, 1, 0, NULL);  /* both have all they may have */
    next_is(t, 2, 1, "gpu");
    wait_for_room(t, 1, "gpu", 0);
    next_is(t, 0, 2, "gpu");
    hand_commit(h);
}

static void test_store_room__of_one_repository_the_label_set_that_waits_longest_is_next(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    add_job(t, 1, 1, NOW - 3000, "a");
    add_job(t, 2, 1, NOW - 9000, "b");
    add_job(t, 3, 1, NOW - 1000, "b");
    wait_for_room(t, 1, "a", 1);
    wait_for_room(t, 1, "b", 2);
    next_is(t, 0, 1, "b");
    add_machine(t, (struct spec){"m", 1, M_BOOTING, 0, NOW, 2, 0}); /* for the one that waited longest */
    wait_for_room(t, 1, "b", 1);
    next_is(t, 0, 1, "a");
    hand_commit(h);
}

static int note_job(void *arg, const struct job *j, struct err *e)
{
    int64_t *sum = arg;

    (void)e;
    *sum = *sum * 10 + j->id;
    return 0;
}

static int note_demand(void *arg, int64_t repo_id, const char *label_key, struct err *e)
{
    char *out = arg;

    (void)e;
    (void)snprintf(out + strlen(out), 100 - strlen(out), "%lld:%s ", (long long)repo_id, label_key);
    return 0;
}

static void test_store_room__those_who_wait_are_told_in_their_order_and_the_served_are_not(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job newest = {0};
    int64_t sum = 0, jobs;
    char demands[100] = "";
    bool any, found;
    struct err e;

    assert_ok(store_queue_any(t, &any, &e), e);
    assert_false(any);
    add_job(t, 1, 1, NOW - 1000, "gpu");
    add_job(t, 2, 2, NOW - 2000, "gpu");
    add_job(t, 3, 1, NOW - 3000, "gpu");
    add_job(t, 4, 3, NOW - 4000, "cpu"); /* not in the queue */
    add_machine(t, (struct spec){"m", 1, M_BOOTING, 0, NOW, 3, 0});
    wait_for_room(t, 1, "gpu", 1);
    wait_for_room(t, 2, "gpu", 1);
    assert_ok(store_queue_any(t, &any, &e), e);
    assert_true(any);
    assert_ok(store_queue_each(t, 10, note_job, &sum, &e), e);
    assert_int_equal(sum, 21);
    assert_ok(store_queue_jobs(t, 0, &jobs, &e), e);
    assert_int_equal(jobs, 2);
    assert_ok(store_queue_jobs(t, 2, &jobs, &e), e);
    assert_int_equal(jobs, 1);
    assert_ok(store_job_newest_unserved(t, 1, "gpu", &newest, &found, &e), e);
    assert_true(found);
    assert_int_equal(newest.id, 1);
    assert_ok(store_demands(t, note_demand, demands, &e), e);
    assert_string_equal(demands, "1:gpu 2:gpu 3:cpu ");
    hand_commit(h);
}

static void test_store_room__the_machine_that_nobody_waits_for_the_longest_is_found(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_MACHINE struct machine m = {.name = ""};
    bool found;
    struct err e;

    assert_ok(store_machine_surplus(t, &m, &found, &e), e);
    assert_false(found);
    add_machine(t, (struct spec){"a", 1, M_IDLE, 0, NOW, 0, NOW - 10});
    add_machine(t, (struct spec){"b", 2, M_BOOTING, 0, NOW, 0, NOW - 20});
    add_machine(t, (struct spec){"c", 3, M_ENDING, 0, NOW, 0, NOW - 30});
    assert_ok(store_machine_surplus(t, &m, &found, &e), e);
    assert_true(found);
    assert_string_equal(m.name, "b");
    hand_commit(h);
}

#define T(name) cmocka_unit_test_setup_teardown(test_store_room__##name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_may_exist_or_cost_counts_and_nothing_else),
        T(a_minute_is_full_until_its_first_launch_is_a_minute_old),
        T(the_repository_with_the_fewest_machines_is_next),
        T(of_one_repository_the_label_set_that_waits_longest_is_next),
        T(those_who_wait_are_told_in_their_order_and_the_served_are_not),
        T(the_machine_that_nobody_waits_for_the_longest_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
