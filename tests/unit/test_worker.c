/* The scheduler and its workers alone, over a real store, with tasks that wait until the test lets them go. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/engine_int.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SOON_MS 300

static atomic_int begun;
static atomic_bool let_go;

static int wait_for_the_test(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    (void)g;
    (void)task;
    (void)e;
    begun++;
    while (!let_go)
        (void)sched_yield();
    *next = TASK_NEXT_NONE;
    return 0;
}

static int two_tasks_tx(struct store_tx *t, void *arg, struct err *e)
{
    int64_t soon = *(const int64_t *)arg;

    return store_task_put(t, TASK_JOB, "1", TASK_DECIDE, soon - SOON_MS, e) ||
                   store_task_put(t, TASK_JOB, "2", TASK_DECIDE, soon, e)
               ? -1
               : 0;
}

static void *drain(void *workers)
{
    workers_drain(workers, 0);
    return NULL;
}

static void test_worker__what_is_claimed_while_the_drain_begins_is_not_begun(void **state)
{
    struct engine g = {.c = {.workers = 8}};
    int64_t soon = clock_now_ms() + SOON_MS;
    pthread_t thread;
    struct hand h;
    struct err e;
    char line[512];
    int ends[2];

    (void)state;
    hand_open(&h);
    g.c.store = h.s;
    g.workers = workers_new(&g, wait_for_the_test);
    assert_ok(store_write(h.s, two_tasks_tx, &soon, &e), e);
    assert_ok(workers_start(g.workers, &e), e);
    while (begun == 0)
        (void)sched_yield();
    (void)hand_begin(&h); /* the claim of the second task has to wait */
    while (clock_now_ms() < soon + SOON_MS)
        (void)sched_yield();
    assert_int_equal(pipe(ends), 0);
    log_set_fd(ends[1]);
    log_set_level(LOG_WARN);
    assert_int_equal(pthread_create(&thread, NULL, drain, g.workers), 0);
    assert_true(read(ends[0], line, sizeof(line)) > 0); /* it says that it waits: nothing new from here on */
    log_set_level(LOG_NONE);
    hand_commit(&h);
    let_go = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(begun, 1);
    log_set_fd(STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    workers_free(g.workers);
    hand_close(&h);
}

/* --- the clock is set under a task -------------------------------------------------------------------------------- */

#define HOUR ((int64_t)60 * 60 * 1000)

/* The scheduler sees it while the task is under way. */
static int set_the_clock_meanwhile(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    int64_t by_ms = strcmp(task->subject, "1") == 0 ? -24 * HOUR : 24 * HOUR;

    (void)e;
    *next = (struct task_next){clock_now_ms() + HOUR, TASK_CHECK, false};
    clock_test_set(clock_now_ms() + by_ms);
    assert_false(workers_step(g->workers));
    return 0;
}

static int one_task_tx(struct store_tx *t, void *subject, struct err *e)
{
    return store_task_put(t, TASK_JOB, subject, TASK_DECIDE, clock_now_ms(), e);
}

static int next_due_tx(struct store_tx *t, void *due_ms, struct err *e)
{
    return store_task_next_due(t, TASK_REPORT, due_ms, e);
}

static int64_t due_in(struct hand *h, const char *subject)
{
    struct engine g = {.c = {.workers = 8}};
    int64_t due_ms = 0;
    char text[8];
    struct err e;

    (void)snprintf(text, sizeof(text), "%s", subject);
    g.c.store = h->s;
    g.workers = workers_new(&g, set_the_clock_meanwhile);
    assert_ok(store_write(h->s, one_task_tx, text, &e), e);
    assert_true(workers_step(g.workers));
    assert_ok(store_read(h->s, next_due_tx, &due_ms, &e), e);
    workers_free(g.workers);
    return due_ms - clock_now_ms();
}

static void test_worker__a_clock_set_back_under_a_task_does_not_put_off_its_next_turn(void **state)
{
    struct hand h;

    (void)state;
    hand_open(&h);
    clock_test_set(1700000000000);
    log_set_level(LOG_NONE);
    assert_int_equal(due_in(&h, "1"), HOUR);
    clock_test_release();
    hand_close(&h);
}

static void test_worker__a_clock_set_forwards_under_a_task_leaves_it_due_early(void **state)
{
    struct hand h;

    (void)state;
    hand_open(&h);
    clock_test_set(1700000000000);
    log_set_level(LOG_NONE);
    assert_int_equal(due_in(&h, "2"), HOUR - 24 * HOUR);
    clock_test_release();
    hand_close(&h);
}

/* --- what fails --------------------------------------------------------------------------------------------------- */

static int fail_all(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    (void)g;
    (void)next;
    return err_set(e, ERR_RETRY, "task %s fails", task->subject);
}

struct put {
    enum task_kind kind;
    const char *subject;
    enum task_priority priority;
};

static int put_one_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct put *p = arg;

    return store_task_put(t, p->kind, p->subject, p->priority, clock_now_ms(), e);
}

static int least_due_tx(struct store_tx *t, void *arg, struct err *e)
{
    int64_t *due = arg;

    for (int p = TASK_TEARDOWN; p <= TASK_REPORT; p++) {
        if (store_task_next_due(t, (enum task_priority)p, &due[p], e))
            return -1;
    }
    return 0;
}

/* How urgent it is after it failed: the first priority that knows of it. */
static int after_failing(struct put put)
{
    struct hand h;
    struct engine g = {.c = {.workers = 8}};
    int64_t due[TASK_REPORT + 1];
    int p = TASK_TEARDOWN;
    struct err e;

    hand_open(&h);
    clock_test_set(1700000000000);
    log_set_level(LOG_NONE);
    g.c.store = h.s;
    g.workers = workers_new(&g, fail_all);
    assert_ok(store_write(h.s, put_one_tx, &put, &e), e);
    assert_true(workers_step(g.workers));
    assert_ok(store_read(h.s, least_due_tx, due, &e), e);
    while (p < TASK_REPORT && due[p] < 0)
        p++;
    assert_true(due[p] > clock_now_ms());
    workers_free(g.workers);
    clock_test_release();
    hand_close(&h);
    return p;
}

static void test_worker__an_end_that_failed_is_as_urgent_as_before(void **state)
{
    (void)state;
    assert_int_equal(after_failing((struct put){TASK_MACHINE, "muster-a", TASK_TEARDOWN}), TASK_TEARDOWN);
    assert_int_equal(after_failing((struct put){TASK_SWEEP, "end 1", TASK_TEARDOWN}), TASK_TEARDOWN);
}

static void test_worker__what_else_failed_makes_way_for_what_did_not(void **state)
{
    (void)state;
    assert_int_equal(after_failing((struct put){TASK_JOB, "1", TASK_DECIDE}), TASK_CHECK);
    assert_int_equal(after_failing((struct put){TASK_MACHINE, "muster-a", TASK_LAUNCH}), TASK_CHECK);
    assert_int_equal(after_failing((struct put){TASK_SAY, "1", TASK_REPORT}), TASK_REPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker__what_is_claimed_while_the_drain_begins_is_not_begun),
        cmocka_unit_test(test_worker__a_clock_set_back_under_a_task_does_not_put_off_its_next_turn),
        cmocka_unit_test(test_worker__a_clock_set_forwards_under_a_task_leaves_it_due_early),
        cmocka_unit_test(test_worker__an_end_that_failed_is_as_urgent_as_before),
        cmocka_unit_test(test_worker__what_else_failed_makes_way_for_what_did_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
