/*
 * One short story - start, a job from queued to gone, stop - killed at its k-th call that leaves a trace outside
 * (write, sync, send, connect, open, unlink ...): before it, after it, or with half of it done. Then it is started
 * again and must come to the same end. All k in .ci/run and `make kills`, every few here.
 *
 *     KILL_CALLS=1 build/tests/e2e/test_kill_calls         every k
 *     KILL_CALL=17 KILL_HOW=2 build/tests/e2e/test_kill_calls
 */
#include "tests/support/lab.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAST 20
#define STORY_MS 20000

static const char *const names[] = {[SHIM_BEFORE] = "before", [SHIM_AFTER] = "after", [SHIM_TORN] = "in the middle of"};

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

static bool at_rest(struct lab *l)
{
    struct sim_job_info info;

    return sim_github_job(l->w->gh, l->jobs[l->n_jobs - 1].id, &info) && info.state == SIM_JOB_COMPLETED &&
           sim_ec2_live(l->w->ec2) == 0 && lab_number(l, "SELECT count(*) FROM machine WHERE state < 6", NULL) == 0;
}

/* False: it was killed on the way, as was asked for. */
static bool tell_story(struct lab *l, int64_t k, enum shim_how how)
{
    int64_t until = lab_real_ms() + STORY_MS;

    if (!lab_up_until(l, k, how)) {
        assert_true(lab_ended(l, STORY_MS));
        return false;
    }
    (void)lab_job(l, LAB_PLAIN);
    while (!at_rest(l)) {
        if (lab_ended(l, 1))
            return false;
        if (lab_real_ms() > until)
            fail_msg("the story does not end");
    }
    return lab_down(l, SIGTERM) == 0;
}

static bool kill_at(struct lab *l, int64_t k, enum shim_how how)
{
    bool whole = tell_story(l, k, how);

    (void)snprintf(l->point, sizeof(l->point), "killed %s call %lld: %s", names[how], (long long)k, l->shim->what);
    if (!whole && (!lab_calm(l) || lab_judge(l) != 0))
        lab_finding(l, &l->count.wrong, "not as if nothing had happened");
    if (!whole && lab_down(l, SIGTERM) != 0)
        lab_finding(l, &l->count.wrong, "it does not end by SIGTERM");
    return !whole;
}

static void test_kill_calls__a_death_at_any_call_changes_nothing_in_the_end(void **state)
{
    struct lab *l = lab_new(&(struct lab_conf){.seed = 9, .rate = FAST});
    int64_t only = (int64_t)setting("KILL_CALL", 0), step = setting("KILL_CALLS", 0) != 0 ? 1 : 23;
    int64_t from = only > 0 ? only : 1 + (int64_t)lab_draw(l, (uint64_t)step), last = from;

    (void)state;
    for (int64_t k = from, n = 0; n == 0 || only == 0; k += step, n++) {
        enum shim_how how = (enum shim_how)setting("KILL_HOW", (uint64_t)(SHIM_BEFORE + (k + n) % 3));

        if (!kill_at(l, k, how))
            break;
        last = k;
    }
    assert_true(lab_up(l) && lab_calm(l) && lab_cool(l));
    (void)lab_judge(l);
    lab_print(l, "calls");
    print_message("killed at calls up to the %lld-th of the story\n", (long long)last);
    assert_int_equal(l->count.lost + l->count.doubled + l->count.left + l->count.wrong, 0);
    assert_true(only > 0 || last > 50);
    assert_int_equal(lab_down(l, SIGTERM), 0);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_calls__a_death_at_any_call_changes_nothing_in_the_end)};

    if (!lab_can_preload("test_kill_calls"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
