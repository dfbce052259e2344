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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker__what_is_claimed_while_the_drain_begins_is_not_begun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
