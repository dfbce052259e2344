/* What never comes: runners without jobs, jobs without runners, configurations that GitHub refuses for good. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#include <stdio.h>
#include <string.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define AUTO_J AUTO_JOB struct job

/* Statements are known by their address: one text for each kind. */
#define EVENTS(kind) "SELECT count(*) FROM event WHERE kind = '" kind "' AND $1 = 0"

static int64_t count(struct bed *w, const char *sql)
{
    return bed_number(w, sql, 0);
}

static void pass(struct bed *w, int64_t ms, int64_t step)
{
    for (int64_t at = 0; at < ms; at += step)
        bed_pass(w, step);
}

/* The i-th machine of aws boots a runner that GitHub gives nothing: its job is of a kind that only we think queued. */
static int64_t boot_deaf(struct bed *w, size_t i)
{
    assert_true(memcloud_wait_calls(w->aws, i + 1, BED_WAIT_MS));
    return bed_boot(w, w->aws, i);
}

/* At GitHub it waits for its environment; we were told that it is queued. No runner is given it. */
static int64_t queue_held_job(struct bed *w)
{
    return bed_queue_job(w, &(struct sim_job_spec){.waiting = true}, "cirun-one");
}

static void test_silence__a_runner_that_is_given_no_job_is_told_of_at_the_job_and_kept_for_a_while(void **state)
{
    struct bed *w = *state;
    int64_t id = queue_held_job(w);
    AUTO_J j = {0};

    (void)boot_deaf(w, 0);
    pass(w, 35 * MINUTE, MINUTE);
    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_non_null(j.reason);
    assert_non_null(strstr(j.reason, "GitHub has given it no job"));
    assert_non_null(strstr(j.reason, "environment"));
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(memcloud_live(w->aws), 1);
    sim_github_job_release(w->gh, id);
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_IN_PROGRESS, BED_WAIT_MS)); /* and the wait was worth it */
}

static void test_silence__after_two_machines_that_were_given_no_job_no_further_one_is_made(void **state)
{
    struct bed *w = *state;
    int64_t id = queue_held_job(w);
    AUTO_J j = {0};

    (void)boot_deaf(w, 0);
    for (int i = 0; i < 200 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2);
    (void)boot_deaf(w, 1);
    pass(w, 8 * HOUR, 5 * MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(memcloud_live(w->aws), 0);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "GitHub gave it no job"));
    assert_int_equal(count(w, EVENTS("machine.unassigned")), 2);
}

static void test_silence__a_job_that_ended_without_a_word_does_not_keep_its_machine(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_github_job_cancel(w->gh, id); /* its delivery is lost */
    (void)boot_deaf(w, 0);
    pass(w, 40 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 3", id), 1);
}

/* A repository that the App may not see for a moment answers 404 to everything. */
static void test_silence__a_job_that_github_does_not_show_for_a_while_is_not_taken_for_ended(void **state)
{
    static const char *const ops[] = {SIM_GH_JOB, SIM_GH_RUNNERS};
    struct bed *w = *state;
    int64_t id = queue_held_job(w);

    (void)boot_deaf(w, 0);
    while (count(w, "SELECT count(*) FROM machine WHERE state = 3 AND $1 = 0") == 0)
        bed_pass(w, MINUTE);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = ops[i],
                                                                   .kind = SIM_FAULT_STATUS,
                                                                   .status = 404,
                                                                   .body = "{\"message\":\"Not Found\"}",
                                                                   .probability = 1});
    pass(w, 8 * MINUTE, MINUTE);
    assert_true(sim_http_count_status(sim_github_http(w->gh), SIM_GH_JOB, 404) > 0);
    sim_http_faults_clear(sim_github_http(w->gh));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1 AND state = 1", id), 1);
    sim_github_job_release(w->gh, id);
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_IN_PROGRESS, BED_WAIT_MS));
}

static void test_silence__a_job_whose_runner_is_refused_for_good_says_so_and_gives_its_place(void **state)
{
    struct bed *w = *state;
    int64_t id, other;
    AUTO_J j = {0};
    size_t asked;

    bed_down(w);
    w->limits = (struct engine_limits){.machines = 1};
    bed_up(w);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_JITCONFIG,
                                       .kind = SIM_FAULT_STATUS,
                                       .status = 403,
                                       .body = "{\"message\":\"Resource not accessible by integration\"}",
                                       .next = 1});
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(bed_settle(w));
    other = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(bed_settle(w));
    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_non_null(j.reason);
    assert_non_null(strstr(j.reason, "administration: write"));
    assert_int_equal(memcloud_live(w->aws), 1); /* the other's */
    bed_deliver(w, other, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    asked = bed_asked(w, SIM_GH_JITCONFIG);
    pass(w, HOUR, MINUTE);
    assert_true(bed_asked(w, SIM_GH_JITCONFIG) <= asked + 1);
    bed_deliver(w, other, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    for (int i = 0; i < 60 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2); /* and then its own */
}

static void test_silence__a_runner_refused_for_good_is_asked_for_ever_more_seldom(void **state)
{
    struct bed *w = *state;

    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_JITCONFIG,
                                       .kind = SIM_FAULT_STATUS,
                                       .status = 403,
                                       .body = "{\"message\":\"Resource not accessible by integration\"}",
                                       .probability = 1});
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    pass(w, 6 * HOUR, MINUTE);
    assert_in_range(bed_asked(w, SIM_GH_JITCONFIG), 5, 40);
    assert_int_equal(memcloud_made(w->aws), 0);
    sim_http_faults_clear(sim_github_http(w->gh));
    for (int i = 0; i < 30 && memcloud_made(w->aws) < 1; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_silence__a_runner_that_cannot_be_removed_is_left_and_said_so(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_http_fault(sim_github_http(w->gh), &(struct sim_fault){.op = SIM_GH_RUNNER_DELETE,
                                                               .kind = SIM_FAULT_STATUS,
                                                               .status = 403,
                                                               .body = "{\"message\":\"Forbidden\"}",
                                                               .probability = 1});
    memcloud_stop(w->aws, bed_call(w->aws, 0).name); /* it powered itself off */
    for (int i = 0; i < 60 && count(w, EVENTS("runner.left")) == 0; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(count(w, EVENTS("runner.left")), 1);
    assert_true(bed_asked(w, SIM_GH_RUNNER_DELETE) <= 6);
    sim_github_job_cancel(w->gh, id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_silence__a_runner_that_is_given_no_job_is_told_of_at_the_job_and_kept_for_a_while),
        TEST(test_silence__after_two_machines_that_were_given_no_job_no_further_one_is_made),
        TEST(test_silence__a_job_that_ended_without_a_word_does_not_keep_its_machine),
        TEST(test_silence__a_job_that_github_does_not_show_for_a_while_is_not_taken_for_ended),
        TEST(test_silence__a_job_whose_runner_is_refused_for_good_says_so_and_gives_its_place),
        TEST(test_silence__a_runner_that_cannot_be_removed_is_left_and_said_so),
        TEST(test_silence__a_runner_refused_for_good_is_asked_for_ever_more_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
