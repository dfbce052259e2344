/*
 * Machines that are up, watched: never a healthy job is killed, and nothing lives on for nobody. Each test is one lie,
 * one silence or one race, with what must come of it.
 */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#include <stdio.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define LIFETIME (6 * HOUR)
#define OVERTIME (2 * HOUR) /* the bed's */

/* Statements are known by their address: one text for each kind. */
#define EVENTS(kind) "SELECT count(*) FROM event WHERE kind = '" kind "' AND $1 = 0"
#define SAYS(kind, words) "SELECT count(*) FROM event WHERE kind = '" kind "' AND detail LIKE '%" words "%' AND $1 = 0"

struct story {
    int64_t job, runner;
    char name[64];
};

static int64_t count(struct bed *w, const char *sql)
{
    return bed_number(w, sql, 0);
}

/* A job is queued and its machine made. */
static struct story launched(struct bed *w)
{
    struct story s = {.job = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one")};

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    (void)snprintf(s.name, sizeof(s.name), "%s", bed_call(w->aws, 0).name);
    return s;
}

/* ... and runs its job, as GitHub says and as we were told. */
static struct story at_work(struct bed *w)
{
    struct story s = launched(w);

    s.runner = bed_boot(w, w->aws, 0);
    assert_true(sim_github_wait_job(w->gh, s.job, SIM_JOB_IN_PROGRESS, BED_WAIT_MS));
    bed_deliver(w, s.job, JOB_RUNNING, "cirun-one", s.name);
    assert_true(bed_settle(w));
    assert_int_equal(count(w, "SELECT count(*) FROM machine WHERE state = 4 AND $1 = 0"), 1);
    return s;
}

/* Time passes in steps, as the scheduler sees it. */
static void pass(struct bed *w, int64_t ms, int64_t step)
{
    for (int64_t at = 0; at < ms; at += step)
        bed_pass(w, step);
}

static void assert_lives(struct bed *w)
{
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(memcloud_destroys(w->aws), 0);
}

static bool box_lives(struct bed *w, size_t i)
{
    struct memcloud_box boxes[MEMCLOUD_MAX];

    assert_true(i < memcloud_boxes(w->aws, boxes));
    return boxes[i].live;
}

static void assert_done(struct bed *w)
{
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(count(w, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0"), 0);
    assert_int_equal(count(w, "SELECT count(*) FROM watch WHERE $1 = 0"), 0);
}

/* --- lifetime and overtime ---------------------------------------------------------------------------------------- */

static void test_watch__a_job_that_runs_beyond_its_machines_lifetime_has_the_overtime(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    pass(w, LIFETIME + HOUR, 5 * MINUTE);
    assert_lives(w);
    assert_int_equal(count(w, EVENTS("machine.overtime")), 1);
    assert_int_equal(count(w, SAYS("machine.overtime", "limits.overtime")), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'machine.overtime' AND job_id = $1", s.job),
                     1);
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, MINUTE, 10 * 1000);
    assert_done(w);
    assert_int_equal(count(w, EVENTS("machine.expired")), 0);
}

static void test_watch__when_the_overtime_is_over_the_machine_ends_and_its_job_is_told_why(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    pass(w, LIFETIME + OVERTIME - 10 * MINUTE, 5 * MINUTE);
    assert_lives(w);
    pass(w, 20 * MINUTE, 5 * MINUTE);
    assert_done(w);
    assert_int_equal(count(w, SAYS("machine.expired", "limits.overtime")), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND reason LIKE '%limits.overtime%'", s.job),
                     1);
}

static void test_watch__without_overtime_the_lifetime_ends_a_machine_at_work(void **state)
{
    struct bed *w = *state;

    bed_down(w);
    w->overtime_ms = 0;
    bed_up(w);
    (void)at_work(w);
    pass(w, LIFETIME + 10 * MINUTE, 5 * MINUTE);
    assert_done(w);
    assert_true(bed_asked(w, SIM_GH_RUNNERS) > 0);
}

static void test_watch__a_machine_without_a_job_ends_with_its_lifetime_and_its_runner_first(void **state)
{
    struct bed *w = *state;
    struct story s = launched(w);
    struct sim_github_stats stats;

    sim_github_job_cancel(w->gh, s.job); /* nobody tells us; its runner gets nothing */
    s.runner = bed_boot(w, w->aws, 0);
    bed_deliver(w, s.job, JOB_RUNNING, "cirun-one", s.name); /* GitHub's records say that it never ran */
    pass(w, LIFETIME + 10 * MINUTE, 5 * MINUTE);
    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.runners, 0);
    assert_done(w);
}

static void test_watch__a_github_that_cannot_be_asked_at_the_lifetime_is_asked_until_the_overtime_is_over(void **state)
{
    struct bed *w = *state;

    (void)at_work(w);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.kind = SIM_FAULT_STATUS, .status = 502, .probability = 1});
    pass(w, LIFETIME + OVERTIME - 10 * MINUTE, 5 * MINUTE);
    assert_lives(w);
    pass(w, 30 * MINUTE, 5 * MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(count(w, SAYS("machine.expired", "could not be asked")), 1);
}

static void test_watch__what_ends_a_machine_by_itself_is_set_to_lifetime_and_overtime(void **state)
{
    struct bed *w = *state;
    struct memcloud_call call;
    char expected[64];

    (void)launched(w);
    call = bed_call(w->aws, 0);
    assert_int_equal(call.lifetime_s, (LIFETIME + OVERTIME) / 1000);
    assert_int_equal(call.expires_s, (BED_NOW + LIFETIME) / 1000);
    (void)snprintf(expected, sizeof(expected), "MUSTER_EXPIRES=%lld\n",
                   (long long)((BED_NOW + LIFETIME + OVERTIME) / 1000));
    assert_non_null(strstr(call.text, expected));
}

static void test_watch__a_clock_that_jumps_ahead_ends_no_job(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    clock_test_set(clock_now_ms() + 100 * HOUR);
    pass(w, HOUR, 5 * MINUTE);
    assert_lives(w);
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, MINUTE, 10 * 1000);
    assert_done(w);
}

/* The bed gives a machine six hours, and two of overtime. */
/* Its launch's answer was lost and the cloud could not be asked, until nobody waited for it any more; and GitHub does
 * not tell whether it has a runner at work. */
static void test_watch__a_machine_whose_launch_was_never_cleared_up_ends_with_its_time(void **state)
{
    struct bed *w = *state;
    int64_t id;

    memcloud_lose_answers(w->aws, 1000);
    memcloud_chance(w->aws, &(struct memcloud_chance){.fail = 1});
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-one", NULL);
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_RUNNERS,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 403,
                                                               .body = "{\"message\":\"Forbidden\"}",
                                                               .probability = 1});
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_RUNNER_DELETE,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 403,
                                                               .body = "{\"message\":\"Forbidden\"}",
                                                               .probability = 1});
    pass(w, HOUR, MINUTE);
    memcloud_chance(w->aws, &(struct memcloud_chance){0});
    pass(w, 8 * HOUR, 5 * MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_watch__a_clock_that_jumped_gives_no_machine_more_time_than_it_has(void **state)
{
    struct bed *w = *state;

    (void)at_work(w);
    clock_test_set(clock_now_ms() + 100 * HOUR);
    pass(w, 7 * HOUR, 10 * MINUTE);
    assert_lives(w);
    pass(w, 2 * HOUR, 10 * MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_watch__a_clock_that_jumps_back_ends_no_job_and_loses_none(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    clock_test_set(clock_now_ms() - 100 * HOUR);
    pass(w, HOUR, 5 * MINUTE);
    assert_lives(w);
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, MINUTE, 10 * 1000);
    assert_int_equal(memcloud_live(w->aws), 0);
}

/* --- clouds that say it is gone ----------------------------------------------------------------------------------- */

static void test_watch__a_machine_at_work_that_its_cloud_does_not_find_once_is_left_alone(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    memcloud_hide(w->aws, s.name, true);
    bed_pass(w, 5 * MINUTE);
    memcloud_hide(w->aws, s.name, false);
    pass(w, HOUR, MINUTE);
    assert_lives(w);
    assert_int_equal(count(w, EVENTS("machine.lost")), 0);
}

static void test_watch__a_cloud_is_not_believed_while_github_says_that_the_runner_works(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    memcloud_hide(w->aws, s.name, true);
    pass(w, 3 * HOUR, MINUTE);
    assert_int_equal(memcloud_destroys(w->aws), 0);
    assert_int_equal(count(w, EVENTS("machine.disbelieved")), 1);
    sim_github_runner_lost(w->gh, s.runner);
    pass(w, 5 * MINUTE, MINUTE);
    assert_int_equal(count(w, EVENTS("machine.lost")), 1);
    assert_int_equal(count(w, SAYS("machine.lost", "the job on it is lost with it")), 1);
}

static void test_watch__a_machine_that_vanished_under_its_job_is_lost_in_minutes(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    memcloud_lose(w->aws, s.name);
    sim_github_runner_lost(w->gh, s.runner);
    pass(w, 8 * MINUTE, MINUTE);
    assert_int_equal(count(w, EVENTS("machine.lost")), 1);
    pass(w, 5 * MINUTE, MINUTE);
    assert_done(w);
}

static void test_watch__what_the_cloud_took_back_is_reclaimed_at_once_with_its_words(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    memcloud_reclaim(w->aws, s.name, "Server.SpotInstanceTermination");
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.kind = SIM_FAULT_STATUS, .status = 502, .probability = 1});
    bed_pass(w, 5 * MINUTE);
    assert_int_equal(count(w, SAYS("machine.reclaimed", "Server.SpotInstanceTermination")), 1);
    sim_http_faults_clear(sim_github_http(w->gh));
}

static void test_watch__a_machine_just_made_that_is_not_found_is_not_lost(void **state)
{
    struct bed *w = *state;
    struct story s = launched(w);

    memcloud_hide(w->aws, s.name, true);
    pass(w, 100 * 1000, 10 * 1000);
    assert_lives(w);
    memcloud_hide(w->aws, s.name, false);
    pass(w, 5 * MINUTE, 30 * 1000);
    assert_lives(w);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_watch__a_machine_that_is_being_ended_for_ever_is_destroyed_again_and_told_of(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    memcloud_linger(w->aws, 3);
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, 20 * MINUTE, MINUTE);
    assert_int_equal(memcloud_destroys(w->aws), 1);
    assert_int_equal(count(w, EVENTS("machine.stuck")), 0);
    pass(w, HOUR, MINUTE);
    assert_int_equal(memcloud_destroys(w->aws), 3);
    assert_int_equal(count(w, EVENTS("machine.stuck")), 1);
    pass(w, HOUR, MINUTE);
    assert_int_equal(count(w, EVENTS("machine.stuck")), 1);
    assert_done(w);
}

static int no_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    (void)p;
    (void)out;
    return err_set(e, ERR_AUTH, "%s: may not be looked at", ref->name);
}

static void test_watch__a_machine_of_which_nobody_can_tell_whether_it_ended_is_told_of(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);
    struct provider_ops ops = *memcloud_ops(w->aws);

    ops.describe = no_describe;
    w->clouds[0].ops = &ops;
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, 10 * MINUTE, 10 * 1000);
    assert_int_equal(count(w, SAYS("machine.stuck", "whether it did cannot be told")), 1);
    assert_int_equal(memcloud_live(w->aws), 0);
    w->clouds[0].ops = memcloud_ops(w->aws);
    pass(w, 5 * MINUTE, MINUTE);
    assert_done(w);
}

static void test_watch__a_destroyed_machine_that_goes_on_running_is_destroyed_ever_more_seldom(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);
    size_t at_first;

    memcloud_ignore_destroys(w->aws, 30);
    sim_github_runner_finish(w->gh, s.runner, "success");
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", s.name);
    pass(w, HOUR, 5 * 1000);
    at_first = memcloud_destroys(w->aws);
    assert_in_range(at_first, 6, 20);
    assert_int_equal(count(w, EVENTS("machine.stuck")), 1);
    assert_int_equal(count(w, EVENTS("machine.ended")), 1);
    pass(w, 6 * HOUR, 5 * MINUTE);
    assert_done(w);
}

/* --- deliveries that lie, or never come --------------------------------------------------------------------------- */

static void test_watch__the_completion_of_another_job_does_not_end_a_machine_at_work(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);
    int64_t other = bed_create_job(w, &(struct sim_job_spec){.hosted_ms = 1}, "ubuntu-latest");

    bed_deliver(w, other, JOB_DONE, "cirun-one", s.name);
    pass(w, 10 * MINUTE, MINUTE);
    assert_lives(w);
    assert_int_equal(count(w, EVENTS("machine.doubted")), 1);
    assert_true(bed_asked(w, SIM_GH_RUNNERS) > 0);
}

static void test_watch__a_machine_whose_completion_was_never_told_ends_all_the_same(void **state)
{
    struct bed *w = *state;
    struct story s = at_work(w);

    sim_github_runner_finish(w->gh, s.runner, "success"); /* and the machine hangs */
    pass(w, 45 * MINUTE, 5 * MINUTE);
    assert_done(w);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 3", s.job), 1);
    /* by whichever asks first: the machine's look, or the look at jobs that run for long */
    assert_int_equal(count(w, EVENTS("job.settled")) + count(w, EVENTS("job.found")), 1);
}

static void test_watch__a_repository_that_github_does_not_show_any_more_is_no_missing_runner(void **state)
{
    struct bed *w = *state;

    (void)at_work(w);
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_RUNNERS,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 404,
                                                               .body = "{\"message\":\"Not Found\"}",
                                                               .probability = 1});
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_JOB,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 404,
                                                               .body = "{\"message\":\"Not Found\"}",
                                                               .probability = 1});
    pass(w, LIFETIME + HOUR, 5 * MINUTE);
    assert_lives(w);
}

/* --- races -------------------------------------------------------------------------------------------------------- */

static void test_watch__a_job_taken_at_the_boot_deadline_keeps_its_machine(void **state)
{
    struct bed *w = *state;

    (void)launched(w);
    (void)bed_boot(w, w->aws, 0); /* it has its job, and nobody told us */
    pass(w, 30 * MINUTE, 5 * MINUTE);
    assert_true(box_lives(w, 0));
    assert_int_equal(count(w, "SELECT count(*) FROM machine WHERE state = 4 AND $1 = 0"), 1);
}

static void test_watch__a_machine_that_nobody_waits_for_and_github_gave_a_job_is_kept(void **state)
{
    struct bed *w = *state;
    struct story s = launched(w);
    int64_t other = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one"); /* its delivery is lost */

    sim_github_job_cancel(w->gh, s.job);
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", NULL);
    (void)bed_boot(w, w->aws, 0);
    assert_true(sim_github_wait_job(w->gh, other, SIM_JOB_IN_PROGRESS, BED_WAIT_MS));
    pass(w, HOUR, MINUTE);
    assert_lives(w);
    bed_deliver(w, other, JOB_RUNNING, "cirun-one", s.name);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE taken_job_id = $1 AND state = 4", other), 1);
}

static void test_watch__a_surplus_machine_is_kept_while_github_does_not_say_that_it_is_idle(void **state)
{
    struct bed *w = *state;
    struct story s = launched(w);

    (void)bed_boot(w, w->aws, 0);
    sim_github_suspend(w->gh, 7, true);
    bed_deliver(w, s.job, JOB_DONE, "cirun-one", NULL);
    pass(w, 2 * HOUR, 5 * MINUTE);
    assert_lives(w);
    assert_int_equal(count(w, EVENTS("machine.kept")), 1);
    sim_github_suspend(w->gh, 7, false);
    pass(w, 10 * MINUTE, MINUTE);
    assert_lives(w); /* it has a job */
    assert_int_equal(count(w, "SELECT count(*) FROM machine WHERE state = 4 AND $1 = 0"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_watch__a_job_that_runs_beyond_its_machines_lifetime_has_the_overtime),
        TEST(test_watch__when_the_overtime_is_over_the_machine_ends_and_its_job_is_told_why),
        TEST(test_watch__without_overtime_the_lifetime_ends_a_machine_at_work),
        TEST(test_watch__a_machine_without_a_job_ends_with_its_lifetime_and_its_runner_first),
        TEST(test_watch__a_github_that_cannot_be_asked_at_the_lifetime_is_asked_until_the_overtime_is_over),
        TEST(test_watch__what_ends_a_machine_by_itself_is_set_to_lifetime_and_overtime),
        TEST(test_watch__a_clock_that_jumps_ahead_ends_no_job),
        TEST(test_watch__a_machine_whose_launch_was_never_cleared_up_ends_with_its_time),
        TEST(test_watch__a_clock_that_jumped_gives_no_machine_more_time_than_it_has),
        TEST(test_watch__a_clock_that_jumps_back_ends_no_job_and_loses_none),
        TEST(test_watch__a_machine_at_work_that_its_cloud_does_not_find_once_is_left_alone),
        TEST(test_watch__a_cloud_is_not_believed_while_github_says_that_the_runner_works),
        TEST(test_watch__a_machine_that_vanished_under_its_job_is_lost_in_minutes),
        TEST(test_watch__what_the_cloud_took_back_is_reclaimed_at_once_with_its_words),
        TEST(test_watch__a_machine_just_made_that_is_not_found_is_not_lost),
        TEST(test_watch__a_machine_that_is_being_ended_for_ever_is_destroyed_again_and_told_of),
        TEST(test_watch__a_machine_of_which_nobody_can_tell_whether_it_ended_is_told_of),
        TEST(test_watch__a_destroyed_machine_that_goes_on_running_is_destroyed_ever_more_seldom),
        TEST(test_watch__the_completion_of_another_job_does_not_end_a_machine_at_work),
        TEST(test_watch__a_machine_whose_completion_was_never_told_ends_all_the_same),
        TEST(test_watch__a_repository_that_github_does_not_show_any_more_is_no_missing_runner),
        TEST(test_watch__a_job_taken_at_the_boot_deadline_keeps_its_machine),
        TEST(test_watch__a_machine_that_nobody_waits_for_and_github_gave_a_job_is_kept),
        TEST(test_watch__a_surplus_machine_is_kept_while_github_does_not_say_that_it_is_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
