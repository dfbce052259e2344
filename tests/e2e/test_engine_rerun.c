/* Reclaimed spot: the jobs whose machine was taken back run again when their run has ended. */
#include "server/base/clock.h"
#include "tests/support/rerun_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_rerun__a_job_whose_machine_was_taken_back_runs_again_when_its_run_has_ended(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");
    int64_t next;

    assert_int_equal(t.job_id, id);
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    assert_int_equal(rerun_attempt_of(w, id), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
    rerun_assert(w, id, RERUN_DONE, "accepted");
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
    assert_int_equal(bed_number(w, EVENTS("run.rerun"), id), 1);
    next = rerun_again(w, id, 0, LABEL, "train");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_call(w->aws, 1).spot); /* the first time it may be spot again */
    t = rerun_take(w, LABEL, "train");
    assert_int_equal(t.job_id, next);
}

static void test_rerun__a_runner_that_had_time_to_fail_its_job_was_interrupted_all_the_same(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    rerun_fails(w, &t, LABEL, "train"); /* the event comes long before anybody looks at the machine */
    bed_pass(w, 6000);
    bed_pass(w, 2 * MINUTE);
    assert_int_equal(rerun_attempt_of(w, id), 2);
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
}

static void test_rerun__a_job_that_failed_by_itself_is_left_alone(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    rerun_fails(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    assert_int_equal(rerun_attempt_of(w, id), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM interruption WHERE job_id >= $1", 0), 0);
}

static void test_rerun__a_machine_that_powered_itself_off_was_not_taken_back(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    memcloud_stop(w->aws, t.machine);
    bed_pass(w, 6 * MINUTE);
    rerun_fails(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    assert_int_equal(rerun_attempt_of(w, id), 1);
}

static void test_rerun__spot_that_vanished_without_a_word_counts_as_taken_back(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    memcloud_lose(w->aws, t.machine);
    sim_github_runner_lost(w->gh, t.runner_id);
    bed_pass(w, 6 * MINUTE); /* looked at twice, and GitHub is asked */
    bed_pass(w, 2 * MINUTE);
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_COMPLETED, BED_WAIT_MS));
    rerun_tell(w, id, LABEL, "train");
    bed_pass(w, 6000);
    assert_int_equal(rerun_attempt_of(w, id), 2);
}

static void test_rerun__without_the_setting_the_timeline_says_what_happened_and_nothing_is_asked(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, "never");
    struct rerun_taken t = rerun_take(w, "never", "train");

    rerun_interrupt(w, &t, "never", "train");
    bed_pass(w, HOUR);
    assert_int_equal(rerun_attempt_of(w, id), 1);
    rerun_assert(w, id, RERUN_OVER, "off");
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED) + bed_asked(w, SIM_GH_RERUN_JOB), 0);
}

static void test_rerun__from_the_second_time_on_without_spot_and_never_more_often_than_asked(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL), second, third;
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    second = rerun_again(w, id, 0, LABEL, "train");
    t = rerun_take(w, LABEL, "train");
    assert_true(bed_call(w->aws, 1).spot);
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    rerun_assert(w, second, RERUN_DONE, "accepted");
    third = rerun_again(w, second, 0, LABEL, "train");
    t = rerun_take(w, LABEL, "train");
    assert_false(bed_call(w->aws, 2).spot);
    assert_string_equal(bed_call(w->aws, 2).instance_type, "cheap");
    assert_int_equal(bed_number(w, EVENTS("spot.avoided"), third), 1);
    /* the cloud says so, so it was; on demand too */
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    rerun_assert(w, third, RERUN_OVER, "limit");
    assert_int_equal(rerun_attempt_of(w, id), 3);
}

static void test_rerun__other_candidates_are_taken_where_there_are_some(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, "mixed");
    struct rerun_taken t = rerun_take(w, "mixed", "train");

    rerun_interrupt(w, &t, "mixed", "train");
    bed_pass(w, 6000);
    id = rerun_again(w, id, 0, "mixed", "train");
    t = rerun_take(w, "mixed", "train");
    assert_true(bed_call(w->aws, 1).spot);
    rerun_interrupt(w, &t, "mixed", "train");
    bed_pass(w, 6000);
    (void)rerun_again(w, id, 0, "mixed", "train");
    (void)rerun_take(w, "mixed", "train");
    assert_false(bed_call(w->aws, 2).spot);
    assert_string_equal(bed_call(w->aws, 2).instance_type, "big");
}

static void test_rerun__a_run_that_goes_on_for_hours_is_waited_for_with_few_questions(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");
    int64_t other = bed_create_job(
        w, &(struct sim_job_spec){.name = "long", .run_id = rerun_run_of(w, id), .silent = true}, "elsewhere");
    size_t asked;

    rerun_interrupt(w, &t, LABEL, "train");
    asked = bed_asked(w, SIM_GH_RUN);
    for (int i = 0; i < 48; i++)
        bed_pass(w, 15 * MINUTE);
    assert_int_equal(rerun_attempt_of(w, id), 1);
    rerun_assert(w, id, RERUN_WAITS, "");
    assert_in_range(bed_asked(w, SIM_GH_RUN) - asked, 5, 60);
    sim_github_job_cancel(w->gh, other);
    bed_pass(w, 16 * MINUTE);
    /* cancelled beside a failure: the run has failed, and all that did not end well runs again */
    assert_int_equal(rerun_attempt_of(w, id), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
}

/* GitHub's list of jobs comes from a copy that lags behind: it shows the job still at work in a run that is over. */
static void test_rerun__a_job_without_a_conclusion_in_a_run_that_is_over_is_looked_at_again(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");
    char body[200];

    (void)snprintf(body, sizeof(body),
                   "{\"total_count\":1,\"jobs\":[{\"id\":%lld,\"name\":\"train\",\"status\":\"in_progress\","
                   "\"conclusion\":null}]}",
                   (long long)id);
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_ATTEMPT_JOBS,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 200,
                                                               .body = body,
                                                               .content_type = "application/json",
                                                               .next = 1});
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    rerun_assert(w, id, RERUN_WAITS, "");
    bed_pass(w, 2 * MINUTE);
    rerun_assert(w, id, RERUN_DONE, "accepted");
    assert_int_equal(rerun_attempt_of(w, id), 2);
}

static void test_rerun__beside_a_job_that_failed_by_itself_only_the_interrupted_one_runs_again(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL), other, next;
    struct rerun_taken t = rerun_take(w, LABEL, "train"), u;
    struct sim_run_info run;
    struct sim_job_info info;

    rerun_interrupt(w, &t, LABEL, "train"); /* while the other one waits for its machine */
    other = rerun_queue(w, "lint", rerun_run_of(w, id), LABEL);
    u = rerun_take(w, LABEL, "lint");
    assert_int_equal(u.job_id, other);
    rerun_fails(w, &u, LABEL, "lint");
    bed_pass(w, 6000);
    bed_pass(w, 5 * MINUTE);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_JOB), 1);
    assert_true(sim_github_run_get(w->gh, rerun_run_of(w, id), &run));
    assert_int_equal(run.attempt, 2);
    next = rerun_again(w, id, 0, LABEL, "train");
    assert_true(sim_github_job(w->gh, next, &info));
    assert_int_equal(info.state, SIM_JOB_QUEUED);
    assert_true(sim_github_job(w->gh, run.jobs[1], &info));
    assert_int_equal(info.state, SIM_JOB_COMPLETED);
}

/* The last job of the run ends, no event says so, and the look at its machine finds it. */
static void test_rerun__an_end_that_only_the_machines_look_finds_says_how_and_wakes_the_re_run(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL), other;
    struct rerun_taken t = rerun_take(w, LABEL, "train"), u;

    rerun_interrupt(w, &t, LABEL, "train");
    other = rerun_queue(w, "lint", rerun_run_of(w, id), LABEL);
    u = rerun_take(w, LABEL, "lint");
    (void)bed_number(w, "DELETE FROM job_look WHERE $1 = 0", 0);
    (void)bed_number(w, "DELETE FROM active WHERE $1 = 0", 0);
    for (int i = 0; i < 50; i++)
        bed_pass(w, 5 * MINUTE);
    sim_github_runner_finish(w->gh, u.runner_id, "failure");
    for (int i = 0; i < 200 && bed_number(w, EVENTS("job.settled"), other) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, EVENTS("job.settled"), other), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND conclusion = 'failure'", other), 1);
    bed_pass(w, 6000);
    assert_int_equal(rerun_attempt_of(w, id), 2);
}

/* Two interrupted, one failed by itself: one after the other, each in an attempt of its own. */
static void test_rerun__two_interrupted_beside_a_real_failure_run_again_one_after_the_other(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t a = rerun_queue(w, "a", 0, LABEL), b, c, next;
    struct rerun_taken t = rerun_take(w, LABEL, "a");

    rerun_interrupt(w, &t, LABEL, "a");
    b = rerun_queue(w, "b", rerun_run_of(w, a), LABEL);
    t = rerun_take(w, LABEL, "b");
    /* GitHub's run is not over before the third job is */
    c = bed_create_job(w, &(struct sim_job_spec){.name = "c", .run_id = rerun_run_of(w, a), .silent = true}, LABEL);
    rerun_interrupt(w, &t, LABEL, "b");
    rerun_tell(w, c, LABEL, "c");
    t = rerun_take(w, LABEL, "c");
    assert_int_equal(t.job_id, c);
    rerun_fails(w, &t, LABEL, "c");
    bed_pass(w, 6000);
    bed_pass(w, 10 * MINUTE);
    assert_int_equal(rerun_attempt_of(w, a), 2);
    rerun_assert(w, a, RERUN_DONE, "accepted");
    rerun_assert(w, b, RERUN_WAITS, "");
    next = rerun_again(w, a, 0, LABEL, "a");
    t = rerun_take(w, LABEL, "a");
    assert_int_equal(t.job_id, next);
    sim_github_runner_finish(w->gh, t.runner_id, "success");
    rerun_tell(w, next, LABEL, "a");
    bed_pass(w, 6000);
    bed_pass(w, 10 * MINUTE);
    assert_int_equal(rerun_attempt_of(w, a), 3);
    rerun_assert(w, b, RERUN_DONE, "accepted");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_JOB), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    next = rerun_again(w, b, 1, LABEL, "b");
    t = rerun_take(w, LABEL, "b");
    assert_int_equal(t.job_id, next);
}

/* Taken back at the same time; but the cloud could not say so of the second one at first. */
static void test_rerun__one_that_is_found_late_runs_again_after_the_one_that_was_found_first(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t a = rerun_queue(w, "a", 0, LABEL), b, next;
    struct rerun_taken t = rerun_take(w, LABEL, "a"), u;

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    b = rerun_queue(w, "b", rerun_run_of(w, a), LABEL);
    u = rerun_take(w, LABEL, "b");
    rerun_fails(w, &t, LABEL, "a");
    assert_true(bed_settle(w));
    sim_github_runner_finish(w->gh, u.runner_id, "failure"); /* its event does not come yet */
    bed_pass(w, 6000);
    assert_int_equal(rerun_attempt_of(w, a), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_JOB), 1);
    memcloud_reclaim(w->aws, u.machine, "taken back (spot)");
    rerun_tell(w, b, LABEL, "b");
    bed_pass(w, 6000);
    rerun_assert(w, b, RERUN_WAITS, "");
    next = rerun_again(w, a, 0, LABEL, "a");
    t = rerun_take(w, LABEL, "a");
    assert_int_equal(t.job_id, next);
    sim_github_runner_finish(w->gh, t.runner_id, "success");
    rerun_tell(w, next, LABEL, "a");
    bed_pass(w, 6000);
    bed_pass(w, 10 * MINUTE);
    rerun_assert(w, b, RERUN_DONE, "accepted");
    assert_int_equal(rerun_attempt_of(w, a), 3);
}

static void test_rerun__a_run_that_a_person_cancelled_is_not_run_again(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    (void)bed_create_job(w, &(struct sim_job_spec){.name = "x", .run_id = rerun_run_of(w, id), .silent = true},
                         "elsewhere");
    rerun_interrupt(w, &t, LABEL, "train");
    sim_github_run_cancel(w->gh, rerun_run_of(w, id));
    bed_pass(w, 20 * MINUTE);
    assert_int_equal(rerun_attempt_of(w, id), 1);
    rerun_assert(w, id, RERUN_OVER, "cancelled");
    assert_int_equal(bed_number(w, EVENTS("run.left"), id), 1);
}

static void test_rerun__a_person_who_was_faster_is_not_doubled(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    sim_github_runner_finish(w->gh, t.runner_id, "failure");
    assert_true(sim_github_run_again(w->gh, rerun_run_of(w, id)));
    rerun_tell(w, id, LABEL, "train");
    bed_pass(w, 6000);
    bed_pass(w, HOUR);
    assert_int_equal(rerun_attempt_of(w, id), 2);
    rerun_assert(w, id, RERUN_OVER, "overtaken");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
}

static void test_rerun__a_missing_permission_is_said_once_with_the_remedy_and_never_hammered(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");
    AUTO(sim_check_clear) struct sim_check check = {0};

    sim_github_permissions(w->gh, 7, PERMISSIONS("read"));
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    rerun_assert(w, id, RERUN_OVER, "forbidden");
    assert_int_equal(sim_http_violations(sim_github_http(w->gh)), 1); /* asked for a token once */
    assert_non_null(strstr(rerun_row(w, id).detail, "Actions: read and write"));
    bed_pass(w, HOUR);
    bed_pass(w, HOUR);
    assert_int_equal(sim_http_violations(sim_github_http(w->gh)), 1);
    sim_http_violations_clear(sim_github_http(w->gh));
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.conclusion, "neutral");
    assert_non_null(strstr(check.title, "not run again"));
    assert_non_null(strstr(check.summary, "Actions: read and write"));
}

static void test_rerun__the_pull_request_is_told_before_and_after(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");
    AUTO(sim_check_clear) struct sim_check check = {0};

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    bed_pass(w, 6000);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.status, "in_progress");
    assert_non_null(strstr(check.title, "taken back by aws: the job will run again, 1 of 2"));
    rerun_fails(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    bed_pass(w, 6000);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.status, "completed");
    assert_non_null(strstr(check.title, "the job runs again, 1 of 2"));
    assert_int_equal(rerun_attempt_of(w, id), 2);
}

/* The answer is lost, and the daemon with it. */
static void crash_while_asking(struct bed *w, enum sim_fault_kind kind, int64_t *id)
{
    struct sim_fault fault = {.op = SIM_GH_RERUN_FAILED, .kind = kind, .next = 1};
    struct rerun_taken t;

    *id = rerun_queue(w, "train", 0, LABEL);
    t = rerun_take(w, LABEL, "train");
    sim_http_fault(sim_github_http(w->gh), &fault);
    rerun_interrupt(w, &t, LABEL, "train");
    bed_pass(w, 6000);
    rerun_assert(w, *id, RERUN_ASKED, "");
    bed_down(w);
    clock_test_advance(MINUTE);
    bed_up(w);
    bed_pass(w, 20 * MINUTE);
    bed_pass(w, 20 * MINUTE);
}

static void test_rerun__a_lost_answer_is_read_from_the_attempt_after_a_restart(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id;

    crash_while_asking(w, SIM_FAULT_RESET_AFTER, &id);
    assert_int_equal(rerun_attempt_of(w, id), 2);
    rerun_assert(w, id, RERUN_DONE, "accepted");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
}

static void test_rerun__a_request_that_never_arrived_is_sent_again_after_a_restart(void **state)
{
    struct bed *w = rerun_ready(state);
    int64_t id;

    crash_while_asking(w, SIM_FAULT_RESET_BEFORE, &id);
    assert_int_equal(rerun_attempt_of(w, id), 2);
    rerun_assert(w, id, RERUN_DONE, "accepted");
    assert_true(bed_asked(w, SIM_GH_RERUN_FAILED) >= 2);
    assert_int_equal(sim_http_count_status(sim_github_http(w->gh), SIM_GH_RERUN_FAILED, 201), 1);
}

static void test_rerun__what_github_refuses_is_given_up_with_its_words(void **state)
{
    struct bed *w = rerun_ready(state);
    struct sim_fault fault = {.op = SIM_GH_RERUN_FAILED,
                              .kind = SIM_FAULT_STATUS,
                              .status = 403,
                              .body = "{\"message\":\"This workflow run cannot be retried\"}",
                              .next = 100};
    int64_t id = rerun_queue(w, "train", 0, LABEL);
    struct rerun_taken t = rerun_take(w, LABEL, "train");

    sim_http_fault(sim_github_http(w->gh), &fault);
    rerun_interrupt(w, &t, LABEL, "train");
    for (int i = 0; i < 10; i++)
        bed_pass(w, 20 * MINUTE);
    rerun_assert(w, id, RERUN_OVER, "refused");
    assert_non_null(strstr(rerun_row(w, id).detail, "This workflow run cannot be retried"));
    assert_in_range(bed_asked(w, SIM_GH_RERUN_FAILED), 2, 8);
}

#define T(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rerun__a_job_whose_machine_was_taken_back_runs_again_when_its_run_has_ended),
        T(test_rerun__a_runner_that_had_time_to_fail_its_job_was_interrupted_all_the_same),
        T(test_rerun__a_job_that_failed_by_itself_is_left_alone),
        T(test_rerun__a_machine_that_powered_itself_off_was_not_taken_back),
        T(test_rerun__spot_that_vanished_without_a_word_counts_as_taken_back),
        T(test_rerun__without_the_setting_the_timeline_says_what_happened_and_nothing_is_asked),
        T(test_rerun__from_the_second_time_on_without_spot_and_never_more_often_than_asked),
        T(test_rerun__other_candidates_are_taken_where_there_are_some),
        T(test_rerun__a_run_that_goes_on_for_hours_is_waited_for_with_few_questions),
        T(test_rerun__a_job_without_a_conclusion_in_a_run_that_is_over_is_looked_at_again),
        T(test_rerun__beside_a_job_that_failed_by_itself_only_the_interrupted_one_runs_again),
        T(test_rerun__an_end_that_only_the_machines_look_finds_says_how_and_wakes_the_re_run),
        T(test_rerun__two_interrupted_beside_a_real_failure_run_again_one_after_the_other),
        T(test_rerun__one_that_is_found_late_runs_again_after_the_one_that_was_found_first),
        T(test_rerun__a_run_that_a_person_cancelled_is_not_run_again),
        T(test_rerun__a_person_who_was_faster_is_not_doubled),
        T(test_rerun__a_missing_permission_is_said_once_with_the_remedy_and_never_hammered),
        T(test_rerun__the_pull_request_is_told_before_and_after),
        T(test_rerun__a_lost_answer_is_read_from_the_attempt_after_a_restart),
        T(test_rerun__a_request_that_never_arrived_is_sent_again_after_a_restart),
        T(test_rerun__what_github_refuses_is_given_up_with_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
