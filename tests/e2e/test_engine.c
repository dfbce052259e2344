/* The engine's behaviour, one story a test; the bed is tests/support/engine_bed.h. */
#include "server/base/clock.h"
#include "tests/sim/sim_github_log.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_engine__a_queued_job_gets_one_machine_and_completed_takes_it_away(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu--1");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_deliver(w, id, JOB_RUNNING, "cirun-gpu--1", bed_call(w->aws, 0).name);
    bed_deliver(w, id, JOB_DONE, "cirun-gpu--1", bed_call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_engine__a_second_job_of_the_run_asks_github_for_its_runner_only(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu--1");
    struct sim_job_info info;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(sim_github_job(w->gh, id, &info));
    /* one to read, one for runners: each as narrow as its purpose; and one for the organisation's files, refused */
    assert_int_equal(bed_asked(w, SIM_GH_TOKEN), 3);
    assert_int_equal(bed_asked(w, SIM_GH_RUN), 1);
    assert_int_equal(bed_asked(w, SIM_GH_CONTENTS), 1);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 1);
    assert_int_equal(bed_asked_for_jobs(w), 6);
    (void)bed_queue_job(w, &(struct sim_job_spec){.run_id = info.run_id}, "cirun-gpu--2");
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 2);
    assert_int_equal(bed_asked_for_jobs(w), 7);
}

static void test_engine__no_capacity_goes_down_the_chain_in_order(void **state)
{
    struct bed *w = *state;

    memcloud_refuse(w->aws, "small", ERR_CAPACITY, 0);
    memcloud_refuse(w->aws, "big", ERR_QUOTA, 0);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->gcp, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).instance_type, "small");
    assert_true(bed_call(w->aws, 0).spot);
    assert_string_equal(bed_call(w->aws, 1).instance_type, "big");
    assert_false(bed_call(w->aws, 1).spot);
    assert_string_equal(bed_call(w->gcp, 0).name, bed_call(w->aws, 0).name);
    assert_string_not_equal(bed_call(w->gcp, 0).token, bed_call(w->aws, 0).token);
}

static void test_engine__bad_credentials_skip_to_the_next_cloud(void **state)
{
    struct bed *w = *state;
    struct memcloud_call calls[MEMCLOUD_MAX];

    memcloud_refuse(w->aws, NULL, ERR_AUTH, 0);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->gcp, 1, BED_WAIT_MS));
    assert_int_equal(memcloud_calls(w->aws, calls), 1);
}

static void test_engine__a_throttled_launch_is_the_same_request_again(void **state)
{
    struct bed *w = *state;

    memcloud_refuse(w->aws, "single", ERR_THROTTLED, 1);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_int_equal(memcloud_live(w->aws), 0);
    for (int i = 0; i < 200 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 1000);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).token, bed_call(w->aws, 1).token);
    assert_memory_equal(bed_call(w->aws, 0).user_data, bed_call(w->aws, 1).user_data, 32);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_lost_answer_makes_no_second_machine(void **state)
{
    struct bed *w = *state;

    memcloud_lose_answers(w->aws, 1);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    for (int i = 0; i < 2000 && memcloud_calls(w->aws, (struct memcloud_call[MEMCLOUD_MAX]){0}) < 2; i++)
        bed_pass(w, 1000);
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_memory_equal(bed_call(w->aws, 0).user_data, bed_call(w->aws, 1).user_data, 32);
    assert_true(bed_call(w->aws, 0).lifetime_s > 0);
    assert_int_equal(bed_call(w->aws, 0).lifetime_s, bed_call(w->aws, 1).lifetime_s);
}

static void test_engine__a_restart_in_the_middle_of_a_launch_repeats_it_to_the_byte(void **state)
{
    struct bed *w = *state;

    memcloud_lose_answers(w->aws, 1);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    bed_down(w);
    clock_test_advance(3600 * 1000);
    bed_up(w);
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_string_equal(bed_call(w->aws, 0).token, bed_call(w->aws, 1).token);
    assert_memory_equal(bed_call(w->aws, 0).user_data, bed_call(w->aws, 1).user_data, 32);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_job_for_which_nothing_can_work_is_refused_with_every_reason(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_INVALID, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "candidate 1 (aws r single)"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__no_capacity_anywhere_keeps_the_job_waiting_and_tries_again(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 2);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 2000 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_string_not_equal(bed_call(w->aws, 0).token,
                            bed_call(w->aws, 1).token); /* another round is another request */
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_forks_run_gets_nothing_and_its_file_is_never_read(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, "cirun-gpu");

    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "fork"));
    assert_int_equal(bed_asked(w, SIM_GH_CONTENTS), 0);
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__a_deleted_forks_run_is_a_forks_run(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){.head_repo_id = -1, .event = "pull_request"}, "cirun-gpu");

    bed_wait_want(w, id, WANT_REFUSED, &j);
}

static void test_engine__an_unreadable_file_refuses_with_line_and_column(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", "runners:\n  - name: [a\n");
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, ".cirun.yml:"));
}

static void test_engine__a_label_nobody_has_is_refused_with_the_nearest(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpo");

    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "did you mean \"cirun-gpu\"?"));
}

static void test_engine__a_machine_that_never_registers_is_replaced_by_the_next_candidate(void **state)
{
    struct bed *w = *state;

    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, 60 * 1000);
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).instance_type, "small");
    assert_string_equal(bed_call(w->aws, 1).instance_type, "big");
    assert_string_not_equal(bed_call(w->aws, 0).name, bed_call(w->aws, 1).name);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS)); /* the first one is destroyed */
}

/* Nobody told us that it took the job, nor that it did it. */
static void test_engine__a_machine_that_did_its_job_unheard_and_went_is_not_replaced(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_github_runner_finish(w->gh, bed_boot(w, w->aws, 0), "success");
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 9; i++)
        bed_pass(w, 30 * 1000);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 3", id), 1);
}

/* Its own machine took another's job, which nobody had told us of. */
static void test_engine__a_further_machine_for_a_job_is_made_only_if_it_still_waits(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one"), other;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    other = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, other, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_deliver(w, other, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    for (int i = 0; i < 9; i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 3", id), 1);
}

/* It has ended at GitHub, and only its "queued" came: is a machine made for it? */
static void ended_before_it_was_heard_of(struct bed *w, int64_t late_ms)
{
    int64_t id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    struct deliver_event ev = {.job_id = id,
                               .repo_id = BED_REPO_ID,
                               .state = JOB_QUEUED,
                               .repo = BED_REPO,
                               .label = "cirun-one",
                               .late_ms = late_ms};
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, id, &info));
    ev.run_id = info.run_id;
    sim_github_job_cancel(w->gh, id);
    deliver(w->g, &ev);
    for (int i = 0; i < 9; i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 3", id), 1);
}

/* As when we were down: its "queued" is redelivered before its "completed". */
static void test_engine__a_job_that_is_heard_of_late_is_asked_about_before_a_machine_is_made(void **state)
{
    ended_before_it_was_heard_of(*state, 2 * 60 * 1000);
}

static void test_engine__a_job_of_the_time_before_the_start_is_asked_about_however_young_it_is(void **state)
{
    struct bed *w = *state;

    bed_down(w);
    clock_test_advance(5000);
    bed_up(w);
    ended_before_it_was_heard_of(w, 1000);
}

static void test_engine__a_reclaimed_machine_is_replaced_while_its_job_waits(void **state)
{
    struct bed *w = *state;

    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 2);
}

static void test_engine__a_machine_that_powered_itself_off_is_destroyed_and_replaced(void **state)
{
    struct bed *w = *state;

    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    memcloud_stop(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
}

static void test_engine__a_cancelled_jobs_machine_is_retired_after_its_grace_and_its_runner_first(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    struct sim_github_stats stats;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-one", NULL);
    assert_int_equal(memcloud_live(w->aws), 1);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        bed_pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    assert_int_equal(bed_asked(w, SIM_GH_RUNNER_DELETE), 1);
    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.runners, 0);
}

static void test_engine__destroying_is_repeated_until_the_cloud_does_it(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    memcloud_refuse_destroy(w->aws, ERR_AUTH, 3);
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        bed_pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    assert_true(memcloud_destroys(w->aws) >= 4);
}

static void test_engine__a_lifetime_that_is_over_ends_the_machine(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        bed_pass(w, 5 * 60 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_engine__the_user_data_carries_the_runner_configuration_and_the_daemon_forgets_it(void **state)
{
    struct bed *w = *state;

    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_non_null(strstr(bed_call(w->aws, 0).text, "MUSTER_JIT='"));
    assert_non_null(strstr(bed_call(w->aws, 0).text, bed_call(w->aws, 0).name));
}

static size_t calls_of(struct memcloud *f)
{
    struct memcloud_call calls[MEMCLOUD_MAX];

    return memcloud_calls(f, calls);
}

static void test_engine__a_cancelled_job_without_capacity_is_not_tried_for_any_more(void **state)
{
    struct bed *w = *state;
    struct sim_github_stats stats;
    size_t calls;
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 2000 && calls_of(w->aws) < 2; i++)
        bed_pass(w, 10 * 1000);
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-one", NULL);
    for (int i = 0; i < 2000 && bed_asked(w, SIM_GH_RUNNER_DELETE) == 0; i++)
        bed_pass(w, 10 * 1000);
    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.runners, 0);
    calls = calls_of(w->aws);
    for (int i = 0; i < 200; i++)
        bed_pass(w, 60 * 1000);
    assert_int_equal(calls_of(w->aws), calls);
}

static void test_engine__a_machine_whose_launch_answer_was_lost_is_found_when_the_cloud_then_refuses(void **state)
{
    struct bed *w = *state;
    int64_t id;

    memcloud_lose_answers(w->aws, 1);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    memcloud_refuse(w->aws, "single", ERR_AUTH, 0);
    for (int i = 0; i < 2000 && calls_of(w->aws) < 2; i++)
        bed_pass(w, 1000);
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_engine__a_chain_taken_up_again_at_its_end_does_not_forget_what_was_merely_short(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 0);
    memcloud_refuse(w->gcp, NULL, ERR_THROTTLED, 1);
    memcloud_refuse(w->gcp, NULL, ERR_INVALID, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    for (int i = 0; i < 2000 && calls_of(w->aws) < 5; i++)
        bed_pass(w, 10 * 1000);
    assert_true(memcloud_wait_calls(w->aws, 5, BED_WAIT_MS)); /* four candidates, and the next round */
    bed_wait_want(w, id, WANT_MACHINE, &j);
}

static void test_engine__an_idle_machine_whose_runner_died_is_replaced_while_its_job_waits(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one"), runner_id;
    char *jit;
    struct err e;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_github_job_cancel(w->gh, id); /* nobody tells the engine: GitHub gives the runner nothing, its job waits */
    sim_github_stale(w->gh, 10 * 24 * 3600 * INT64_C(1000)); /* nor does a look */
    jit = bed_jit_of(bed_call(w->aws, 0).text);
    assert_int_equal(sim_github_runner_online(w->gh, jit, NULL, NULL, &runner_id, &e), 0);
    free(jit);
    for (int i = 0; i < 2000 && bed_asked(w, SIM_GH_RUNNERS) == 0; i++)
        bed_pass(w, 60 * 1000);
    assert_int_equal(memcloud_made(w->aws), 1); /* online at its boot deadline: it stays */
    sim_github_runner_lost(w->gh, runner_id);
    for (int i = 0; i < 20 && memcloud_made(w->aws) < 2; i++) {
        size_t asked = bed_asked(w, SIM_GH_RUNNERS);

        for (int k = 0; k < 2000 && bed_asked(w, SIM_GH_RUNNERS) == asked; k++)
            bed_pass(w, k == 0 ? 5 * 60 * 1000 : 0);
    }
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
    assert_string_not_equal(bed_call(w->aws, 0).name, bed_call(w->aws, 1).name);
}

static void test_engine__a_launch_that_is_throttled_says_so_at_its_job(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_THROTTLED, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    for (int i = 0; i < 5000 && j.reason == NULL; i++) {
        bed_pass(w, 0);
        bed_wait_want(w, id, WANT_MACHINE, &j);
    }
    assert_non_null(j.reason);
    assert_non_null(strstr(j.reason, "refused as the test asked (throttled)"));
}

static void test_engine__a_runner_is_noted_down_before_github_is_asked_for_it(void **state)
{
    struct bed *w = *state;

    sim_http_fault(
        sim_github_http(w->gh),
        &(struct sim_fault){.op = SIM_GH_JITCONFIG, .kind = SIM_FAULT_HANG_AFTER, .hang_ms = 300, .next = 1});
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    while (bed_asked(w, SIM_GH_JITCONFIG) == 0)
        bed_advance(w, 0);
    /* were the daemon killed now, whoever ends this machine would look for its runner */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE runner_id = -1 AND $1 = 0", 0), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine__a_queued_job_gets_one_machine_and_completed_takes_it_away),
        TEST(test_engine__a_second_job_of_the_run_asks_github_for_its_runner_only),
        TEST(test_engine__no_capacity_goes_down_the_chain_in_order),
        TEST(test_engine__bad_credentials_skip_to_the_next_cloud),
        TEST(test_engine__a_throttled_launch_is_the_same_request_again),
        TEST(test_engine__a_lost_answer_makes_no_second_machine),
        TEST(test_engine__a_restart_in_the_middle_of_a_launch_repeats_it_to_the_byte),
        TEST(test_engine__a_job_for_which_nothing_can_work_is_refused_with_every_reason),
        TEST(test_engine__no_capacity_anywhere_keeps_the_job_waiting_and_tries_again),
        TEST(test_engine__a_forks_run_gets_nothing_and_its_file_is_never_read),
        TEST(test_engine__a_deleted_forks_run_is_a_forks_run),
        TEST(test_engine__an_unreadable_file_refuses_with_line_and_column),
        TEST(test_engine__a_label_nobody_has_is_refused_with_the_nearest),
        TEST(test_engine__a_machine_that_never_registers_is_replaced_by_the_next_candidate),
        TEST(test_engine__a_machine_that_did_its_job_unheard_and_went_is_not_replaced),
        TEST(test_engine__a_further_machine_for_a_job_is_made_only_if_it_still_waits),
        TEST(test_engine__a_job_that_is_heard_of_late_is_asked_about_before_a_machine_is_made),
        TEST(test_engine__a_job_of_the_time_before_the_start_is_asked_about_however_young_it_is),
        TEST(test_engine__a_reclaimed_machine_is_replaced_while_its_job_waits),
        TEST(test_engine__a_machine_that_powered_itself_off_is_destroyed_and_replaced),
        TEST(test_engine__a_cancelled_jobs_machine_is_retired_after_its_grace_and_its_runner_first),
        TEST(test_engine__destroying_is_repeated_until_the_cloud_does_it),
        TEST(test_engine__a_lifetime_that_is_over_ends_the_machine),
        TEST(test_engine__a_cancelled_job_without_capacity_is_not_tried_for_any_more),
        TEST(test_engine__a_machine_whose_launch_answer_was_lost_is_found_when_the_cloud_then_refuses),
        TEST(test_engine__a_chain_taken_up_again_at_its_end_does_not_forget_what_was_merely_short),
        TEST(test_engine__an_idle_machine_whose_runner_died_is_replaced_while_its_job_waits),
        TEST(test_engine__a_launch_that_is_throttled_says_so_at_its_job),
        TEST(test_engine__the_user_data_carries_the_runner_configuration_and_the_daemon_forgets_it),
        TEST(test_engine__a_runner_is_noted_down_before_github_is_asked_for_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
