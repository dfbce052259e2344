/* Installations and repositories that are closed to us, for a while or for good. */
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

#define MINUTE (60 * INT64_C(1000))
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* --- installations ------------------------------------------------------------------------------------------------ */

/* A runner that was made before goes first, as for every machine: tried until that is given up. */
static size_t asked_but_removals(struct bed *w)
{
    return bed_asked_for_jobs(w) - bed_asked(w, SIM_GH_RUNNER_DELETE);
}

static void installation_event(struct bed *w, const char *action)
{
    deliver_installed(w->g, 7, action);
}

static void test_catch_up_reach__jobs_of_a_suspended_installation_wait_with_its_reason_and_ask_nothing(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;
    size_t before;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 1);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    sim_github_suspend(w->gh, 7, true);
    installation_event(w, "suspend");
    bed_pass(w, 1000);
    bed_pass(w, 1000);
    bed_wait_want(w, id, WANT_UNDECIDED, &j);
    assert_non_null(strstr(j.reason, "suspended"));
    bed_pass_by(w, MINUTE, 10 * 1000);
    before = asked_but_removals(w);
    bed_pass_by(w, HOUR - 10 * MINUTE, MINUTE);
    assert_true(asked_but_removals(w) - before <= 3);
    assert_int_equal(memcloud_live(w->aws), 0);
    sim_github_suspend(w->gh, 7, false);
    installation_event(w, "unsuspend");
    bed_pass(w, 0);
    for (int i = 0; i < 20 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_catch_up_reach__a_suspension_that_no_event_told_is_learned_from_the_refusal(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    assert_true(bed_settle(w));
    sim_github_suspend(w->gh, 7, true);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 10; i++)
        bed_pass(w, 10 * 1000);
    bed_wait_want(w, id, WANT_UNDECIDED, &j);
    assert_non_null(strstr(j.reason, "suspended: an owner"));
    sim_github_suspend(w->gh, 7, false); /* nor its end */
    bed_pass_by(w, 2 * HOUR + 5 * MINUTE, 5 * MINUTE);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
}

static void test_catch_up_reach__a_late_event_of_a_suspension_that_is_over_does_nothing(void **state)
{
    struct bed *w = *state;
    int64_t id;

    assert_true(bed_settle(w));
    installation_event(w, "suspend");
    bed_pass(w, 1000);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    installation_event(w, "deleted");
    bed_pass_by(w, 10 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_MACHINE);
}

static void test_catch_up_reach__jobs_of_an_app_that_was_uninstalled_are_refused(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    sim_github_uninstall(w->gh, 7);
    installation_event(w, "deleted");
    bed_pass_by(w, 2 * MINUTE, 5 * 1000); /* one answer does not prove it */
    assert_true(bed_asked(w, SIM_GH_INSTALLED) >= 3);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "uninstalled"));
    bed_pass_by(w, HOUR, MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0", 0), 0);
}

static void answers_404(struct bed *w, const char *op, int times)
{
    sim_http_fault(
        sim_github_http(w->gh),
        &(struct sim_fault){
            .op = op, .kind = SIM_FAULT_STATUS, .status = 404, .body = "{\"message\":\"Not Found\"}", .next = times});
}

/* Read from a copy that lags behind: right after it was made, GitHub does not know it everywhere. */
static void test_catch_up_reach__an_installation_that_github_does_not_know_yet_is_not_taken_for_gone(void **state)
{
    struct bed *w = *state;
    int64_t id;

    assert_true(bed_settle(w));
    answers_404(w, SIM_GH_INSTALLED, 1);
    installation_event(w, "created");
    bed_pass(w, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, MINUTE, 5 * 1000);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_MACHINE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 0);
}

/* Nor is one that was taken for gone gone for ever: a job that names it makes us ask, before it is refused. */
static void test_catch_up_reach__a_job_of_an_app_that_is_back_without_an_event_gets_its_machine(void **state)
{
    struct bed *w = *state;
    int64_t id;

    assert_true(bed_settle(w));
    answers_404(w, SIM_GH_INSTALLED, 3);
    installation_event(w, "deleted");
    bed_pass_by(w, 2 * MINUTE, 5 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 1);
    bed_pass_by(w, 15 * MINUTE, 5 * MINUTE);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 5 * MINUTE, 20 * 1000);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_MACHINE);
}

/* The same while GitHub does not answer at all: that we asked is no answer. */
static void test_catch_up_reach__a_job_is_not_refused_on_an_old_word_because_github_is_down(void **state)
{
    struct bed *w = *state;
    int64_t id;

    assert_true(bed_settle(w));
    answers_404(w, SIM_GH_INSTALLED, 3);
    installation_event(w, "deleted");
    bed_pass_by(w, 20 * MINUTE, 20 * 1000);
    sim_http_fault(
        sim_github_http(w->gh),
        &(struct sim_fault){.op = SIM_GH_INSTALLED, .kind = SIM_FAULT_STATUS, .status = 502, .next = 100000});
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 8 * MINUTE, 20 * 1000);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_UNDECIDED);
    sim_http_faults_clear(sim_github_http(w->gh));
    bed_pass_by(w, 12 * MINUTE, 20 * 1000);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* Its event came first of all, from a machine of ours, and it is yet to be decided. */
static void test_catch_up_reach__a_job_that_runs_keeps_its_machine_though_the_app_seems_gone(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)bed_served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    sim_github_uninstall(w->gh, 7);
    installation_event(w, "deleted");
    bed_pass_by(w, 2 * MINUTE, 5 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 1);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 5 * MINUTE, 20 * 1000);
    assert_int_equal(bed_job_state(w, id), JOB_RUNNING);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_UNDECIDED);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* Nobody tells whether the repository is in sight: that no job of it is known proves nothing. */
static void test_catch_up_reach__a_job_of_a_repository_out_of_sight_is_not_taken_for_deleted(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);

    sim_github_repo_removed(w->gh, BED_REPO, true);
    sim_http_fault(
        sim_github_http(w->gh),
        &(struct sim_fault){.op = SIM_GH_INSTALLATION, .kind = SIM_FAULT_STATUS, .status = 502, .next = 100000});
    bed_pass_by(w, HOUR, MINUTE);
    assert_true(bed_asked(w, SIM_GH_JOB) >= 3);
    assert_int_equal(bed_job_state(w, id), JOB_QUEUED);
    assert_int_equal(BED_EVENTS(w, "job.gone", id), 0);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_catch_up_reach__a_machine_of_a_suspended_installation_still_ends(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);

    (void)bed_boot(w, w->aws, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_suspend(w->gh, 7, true);
    installation_event(w, "suspend");
    bed_pass(w, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 1); /* its job runs on */
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_catch_up_reach__a_repository_taken_from_the_apps_sight_waits_and_goes_on_when_it_is_back(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 12);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    sim_github_repo_removed(w->gh, BED_REPO, true);
    installation_event(w, "removed");
    bed_pass_by(w, 2 * MINUTE, 5 * 1000); /* one answer does not prove it */
    assert_true(bed_asked(w, SIM_GH_INSTALLATION) >= 3);
    bed_wait_want(w, id, WANT_UNDECIDED, &j);
    assert_non_null(strstr(j.reason, "may not see this repository"));
    assert_int_equal(memcloud_live(w->aws), 0);
    sim_github_repo_removed(w->gh, BED_REPO, false);
    installation_event(w, "added");
    bed_pass_by(w, 20 * 1000, 1000);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_MACHINE);
    for (int i = 0; i < 60 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void
test_catch_up_reach__a_repository_that_is_out_of_sight_without_an_event_is_learned_from_the_refusal(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    (void)bed_served(w, "cirun-one", 1);
    sim_github_repo_removed(w->gh, BED_REPO, true);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 3 * MINUTE, 10 * 1000);
    bed_wait_want(w, id, WANT_UNDECIDED, &j);
    assert_non_null(strstr(j.reason, "may not see this repository"));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 1);
    sim_github_repo_removed(w->gh, BED_REPO, false); /* nor does one tell of the end */
    bed_pass_by(w, HOUR + 5 * MINUTE, MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 0);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_MACHINE);
}

static void test_catch_up_reach__a_repository_that_was_renamed_is_looked_at_all_the_same(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)bed_served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    sim_github_rename(w->gh, BED_REPO, "training");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(BED_EVENTS(w, "job.found", id), 1);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    installation_event(w, "removed"); /* of another one */
    bed_pass_by(w, 3 * MINUTE, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 0);
}

static void test_catch_up_reach__a_repository_that_is_gone_is_not_asked_about_for_ever(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);
    size_t asked;

    (void)bed_boot(w, w->aws, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    sim_github_repo_removed(w->gh, BED_REPO, true);
    bed_pass_by(w, 7 * DAY + 3 * HOUR, HOUR);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM active WHERE $1 = 0", 0), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 0);
    asked = bed_asked(w, SIM_GH_INSTALLATION) + bed_asked(w, SIM_GH_RUNS);
    bed_pass_by(w, DAY, HOUR);
    assert_int_equal(bed_asked(w, SIM_GH_INSTALLATION) + bed_asked(w, SIM_GH_RUNS), asked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catch_up_reach__jobs_of_a_suspended_installation_wait_with_its_reason_and_ask_nothing),
        TEST(test_catch_up_reach__a_suspension_that_no_event_told_is_learned_from_the_refusal),
        TEST(test_catch_up_reach__a_late_event_of_a_suspension_that_is_over_does_nothing),
        TEST(test_catch_up_reach__jobs_of_an_app_that_was_uninstalled_are_refused),
        TEST(test_catch_up_reach__an_installation_that_github_does_not_know_yet_is_not_taken_for_gone),
        TEST(test_catch_up_reach__a_job_of_an_app_that_is_back_without_an_event_gets_its_machine),
        TEST(test_catch_up_reach__a_job_is_not_refused_on_an_old_word_because_github_is_down),
        TEST(test_catch_up_reach__a_job_that_runs_keeps_its_machine_though_the_app_seems_gone),
        TEST(test_catch_up_reach__a_job_of_a_repository_out_of_sight_is_not_taken_for_deleted),
        TEST(test_catch_up_reach__a_machine_of_a_suspended_installation_still_ends),
        TEST(test_catch_up_reach__a_repository_taken_from_the_apps_sight_waits_and_goes_on_when_it_is_back),
        TEST(test_catch_up_reach__a_repository_that_is_out_of_sight_without_an_event_is_learned_from_the_refusal),
        TEST(test_catch_up_reach__a_repository_that_was_renamed_is_looked_at_all_the_same),
        TEST(test_catch_up_reach__a_repository_that_is_gone_is_not_asked_about_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
