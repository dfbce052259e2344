/* What no event told and GitHub's own lists do; installations and repositories that are closed to us. */
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

/* Statements are kept by their text's address: each is a literal. */
static int64_t state_of(struct bed *w, int64_t id)
{
    return bed_number(w, "SELECT state FROM job WHERE id = $1", id);
}

#define EVENTS(w, kind, job_id)                                                                                        \
    bed_number((w), "SELECT count(*) FROM event WHERE kind = '" kind "' AND job_id = $1", (job_id))

/* --- looks at repositories -----------------------------------------------------------------------------------------
 */

static int64_t served(struct bed *w, const char *label, size_t live)
{
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, label);

    assert_true(memcloud_wait_live(w->aws, live, BED_WAIT_MS));
    assert_true(bed_settle(w));
    return id;
}

static int64_t bring_up(struct bed *w, size_t launch)
{
    char *jit = bed_jit_of(bed_call(w->aws, launch).text);
    int64_t runner_id;
    struct err e;

    assert_int_equal(sim_github_runner_online(w->gh, jit, NULL, NULL, &runner_id, &e), 0);
    free(jit);
    return runner_id;
}

static void test_catch_up_jobs__a_repository_whose_events_arrive_is_left_alone_for_five_minutes(void **state)
{
    struct bed *w = *state;

    (void)served(w, "cirun-one", 1);
    bed_pass_by(w, 4 * MINUTE, MINUTE);
    assert_int_equal(bed_asked(w, SIM_GH_RUNS), 0);
    assert_int_equal(bed_asked(w, SIM_GH_JOB), 0);
    bed_pass_by(w, 2 * MINUTE, MINUTE);
    assert_int_equal(bed_asked(w, SIM_GH_RUNS), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RUN_JOBS), 1);
}

static void test_catch_up_jobs__a_job_that_nobody_told_us_of_is_found_and_served(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(state_of(w, id), JOB_QUEUED);
    assert_int_equal(EVENTS(w, "job.found", id), 1);
    bed_deliver(w, id, JOB_QUEUED, "cirun-one", NULL); /* its event comes late: nothing new */
    bed_pass_by(w, 5 * MINUTE, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(EVENTS(w, "job.found", id), 1);
}

static void test_catch_up_jobs__hosted_jobs_of_others_are_not_taken_into_the_store(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "ubuntu-latest");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1", id), 0);
}

static void test_catch_up_jobs__lost_in_progress_and_completed_move_job_and_machine(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1), runner;

    runner = bring_up(w, 0); /* GitHub gives it the job, and tells nobody */
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(state_of(w, id), JOB_RUNNING);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
    sim_github_runner_finish(w->gh, runner, "success");
    bed_pass_by(w, 20 * MINUTE, MINUTE);
    assert_int_equal(state_of(w, id), JOB_DONE);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_true(bed_number(w, "SELECT count(*) FROM machine WHERE reason = 'its job is completed' AND $1 = 0", 0) == 1);
}

static void test_catch_up_jobs__a_look_that_is_behind_changes_nothing(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1), runner;

    sim_github_stale(w->gh, DAY);
    runner = bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_true(bed_asked(w, SIM_GH_RUN_JOBS) >= 1);
    assert_int_equal(state_of(w, id), JOB_RUNNING);
    assert_int_equal(memcloud_made(w->aws), 1);
    sim_github_runner_finish(w->gh, runner, "success");
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_int_equal(state_of(w, id), JOB_DONE);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_catch_up_jobs__a_job_that_a_foreign_runner_completed_ends_no_machine(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){.hosted_ms = 1}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_COMPLETED, BED_WAIT_MS));
    assert_true(bed_settle(w));
    for (int i = 0; i < 30 && state_of(w, id) != JOB_DONE; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(state_of(w, id), JOB_DONE);
    /* nobody waits for it: surplus, with its grace, as ever */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE surplus_ms > $1 AND state < 4", 0), 1);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* A runner's name can be anybody's: what another repository says of one called like ours changes no machine. */
static void test_catch_up_jobs__a_completion_in_another_repository_ends_no_machine_of_that_name(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);
    struct deliver_event ev = {.job_id = id + 1000, .run_id = 1, .repo_id = 99, .state = JOB_DONE};

    (void)bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = 99, .installation_id = 7, .full_name = "octo/evil"});
    ev.repo = "octo/evil";
    ev.label = "cirun-one";
    ev.runner = bed_call(w->aws, 0).name;
    deliver(w->g, &ev);
    ev.job_id++;
    ev.state = JOB_RUNNING;
    deliver(w->g, &ev);
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
}

static void test_catch_up_jobs__a_job_whose_run_was_deleted_gives_up_its_claim(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);

    sim_github_run_delete(w->gh, bed_number(w, "SELECT run_id FROM job WHERE id = $1", id));
    for (int i = 0; i < 40 && state_of(w, id) != JOB_DONE; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(state_of(w, id), JOB_DONE);
    assert_int_equal(EVENTS(w, "job.gone", id), 1);
    assert_true(bed_asked(w, SIM_GH_JOB) >= 3); /* one answer does not prove it */
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_catch_up_jobs__a_job_that_runs_is_not_ended_because_github_knows_none(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);

    (void)bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_run_delete(w->gh, bed_number(w, "SELECT run_id FROM job WHERE id = $1", id));
    bed_pass_by(w, 2 * HOUR, 2 * MINUTE);
    assert_int_equal(state_of(w, id), JOB_RUNNING);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_catch_up_jobs__a_quiet_repository_is_looked_at_ever_more_seldom_and_then_not_at_all(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);
    size_t first;

    (void)bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_job_cancel(w->gh, id);
    bed_pass_by(w, 6 * HOUR, 5 * MINUTE);
    first = bed_asked(w, SIM_GH_RUNS);
    assert_true(first <= 2 * 32);
    bed_pass_by(w, 24 * HOUR, 30 * MINUTE);
    assert_true(bed_asked(w, SIM_GH_RUNS) - first <= 2 * 26);
    bed_pass_by(w, 7 * DAY, 2 * HOUR);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM active WHERE $1 = 0", 0), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job_look WHERE $1 = 0", 0), 0);
}

static void test_catch_up_jobs__a_matrix_of_256_is_found_page_by_page(void **state)
{
    struct bed *w = *state;
    struct sim_job_info info;
    int64_t first;

    (void)served(w, "cirun-one", 1);
    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 0);
    first = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(sim_github_job(w->gh, first, &info));
    for (int i = 1; i < 256; i++)
        (void)bed_create_job(w, &(struct sim_job_spec){.run_id = info.run_id}, "cirun-one");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE $1 = 0", 0), 257);
    assert_int_equal(bed_asked(w, SIM_GH_RUN_JOBS), 1 + 6);
}

static void test_catch_up_jobs__github_down_ends_a_round_and_it_goes_on_when_it_is_back(void **state)
{
    struct bed *w = *state;
    size_t before;

    (void)served(w, "cirun-one", 1);
    (void)bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = NULL, .kind = SIM_FAULT_STATUS, .status = 502, .next = 100000});
    before = sim_http_count_all(sim_github_http(w->gh));
    bed_pass_by(w, HOUR, MINUTE);
    assert_true(sim_http_count_all(sim_github_http(w->gh)) - before < 200); /* no hammering */
    assert_int_equal(memcloud_made(w->aws), 1);
    sim_http_faults_clear(sim_github_http(w->gh));
    bed_pass_by(w, 15 * MINUTE, MINUTE);
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
}

#define ELSEWHERE "acme/serve"
#define ELSEWHERE_ID 12

static int64_t elsewhere_job(struct bed *w, bool told)
{
    const struct sim_job_spec spec = {
        .repo = ELSEWHERE, .labels = "[\"cirun-one\"]", .head_sha = "0123456789012345678901234567890123456789"};
    struct deliver_event ev = {
        .repo_id = ELSEWHERE_ID, .state = JOB_QUEUED, .repo = ELSEWHERE, .label = "cirun-one", .installation_id = 8};
    struct sim_job_info info;

    ev.job_id = sim_github_job_create(w->gh, &spec);
    assert_true(ev.job_id > 0 && sim_github_job(w->gh, ev.job_id, &info));
    ev.run_id = info.run_id;
    if (told)
        deliver(w->g, &ev);
    return ev.job_id;
}

static void test_catch_up_jobs__an_installation_that_used_up_its_calls_does_not_hold_up_another(void **state)
{
    struct bed *w = *state;
    int64_t id;

    sim_github_add_installation(w->gh, 8, "acme", NULL);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = ELSEWHERE_ID, .installation_id = 8, .full_name = ELSEWHERE});
    sim_github_put_file(w->gh, ELSEWHERE, "main", ".cirun.yml",
                        "runners: [{name: one, cloud: aws, region: r, machine_image: img, instance_type: single, "
                        "labels: [cirun-one]}]\n");
    (void)served(w, "cirun-one", 1);
    bed_pass(w, 1000);
    (void)elsewhere_job(w, true);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_true(bed_settle(w));
    id = elsewhere_job(w, false);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){
                       .op = SIM_GH_RUNS, .kind = SIM_FAULT_STATUS, .status = 429, .retry_after_s = 1800, .next = 1});
    bed_pass_by(w, 7 * MINUTE, MINUTE);
    assert_int_equal(bed_asked(w, SIM_GH_RUNS), 1 + 2);
    assert_int_equal(EVENTS(w, "job.found", id), 1);
}

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

static void test_catch_up_jobs__jobs_of_a_suspended_installation_wait_with_its_reason_and_ask_nothing(void **state)
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

static void test_catch_up_jobs__a_suspension_that_no_event_told_is_learned_from_the_refusal(void **state)
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

static void test_catch_up_jobs__a_late_event_of_a_suspension_that_is_over_does_nothing(void **state)
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

static void test_catch_up_jobs__jobs_of_an_app_that_was_uninstalled_are_refused(void **state)
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
static void test_catch_up_jobs__an_installation_that_github_does_not_know_yet_is_not_taken_for_gone(void **state)
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
static void test_catch_up_jobs__a_job_of_an_app_that_is_back_without_an_event_gets_its_machine(void **state)
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
static void test_catch_up_jobs__a_job_is_not_refused_on_an_old_word_because_github_is_down(void **state)
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
static void test_catch_up_jobs__a_job_that_runs_keeps_its_machine_though_the_app_seems_gone(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    sim_github_uninstall(w->gh, 7);
    installation_event(w, "deleted");
    bed_pass_by(w, 2 * MINUTE, 5 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM reach WHERE closed = 1 AND $1 = 0", 0), 1);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 5 * MINUTE, 20 * 1000);
    assert_int_equal(state_of(w, id), JOB_RUNNING);
    assert_int_equal(bed_number(w, "SELECT want FROM job WHERE id = $1", id), WANT_UNDECIDED);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* Nobody tells whether the repository is in sight: that no job of it is known proves nothing. */
static void test_catch_up_jobs__a_job_of_a_repository_out_of_sight_is_not_taken_for_deleted(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);

    sim_github_repo_removed(w->gh, BED_REPO, true);
    sim_http_fault(
        sim_github_http(w->gh),
        &(struct sim_fault){.op = SIM_GH_INSTALLATION, .kind = SIM_FAULT_STATUS, .status = 502, .next = 100000});
    bed_pass_by(w, HOUR, MINUTE);
    assert_true(bed_asked(w, SIM_GH_JOB) >= 3);
    assert_int_equal(state_of(w, id), JOB_QUEUED);
    assert_int_equal(EVENTS(w, "job.gone", id), 0);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_catch_up_jobs__a_machine_of_a_suspended_installation_still_ends(void **state)
{
    struct bed *w = *state;
    int64_t id = served(w, "cirun-one", 1);

    (void)bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_suspend(w->gh, 7, true);
    installation_event(w, "suspend");
    bed_pass(w, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 1); /* its job runs on */
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_catch_up_jobs__a_repository_taken_from_the_apps_sight_waits_and_goes_on_when_it_is_back(void **state)
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
test_catch_up_jobs__a_repository_that_is_out_of_sight_without_an_event_is_learned_from_the_refusal(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    (void)served(w, "cirun-one", 1);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catch_up_jobs__a_repository_whose_events_arrive_is_left_alone_for_five_minutes),
        TEST(test_catch_up_jobs__a_job_that_nobody_told_us_of_is_found_and_served),
        TEST(test_catch_up_jobs__hosted_jobs_of_others_are_not_taken_into_the_store),
        TEST(test_catch_up_jobs__lost_in_progress_and_completed_move_job_and_machine),
        TEST(test_catch_up_jobs__a_look_that_is_behind_changes_nothing),
        TEST(test_catch_up_jobs__a_job_that_a_foreign_runner_completed_ends_no_machine),
        TEST(test_catch_up_jobs__a_completion_in_another_repository_ends_no_machine_of_that_name),
        TEST(test_catch_up_jobs__a_job_whose_run_was_deleted_gives_up_its_claim),
        TEST(test_catch_up_jobs__a_job_that_runs_is_not_ended_because_github_knows_none),
        TEST(test_catch_up_jobs__a_quiet_repository_is_looked_at_ever_more_seldom_and_then_not_at_all),
        TEST(test_catch_up_jobs__a_matrix_of_256_is_found_page_by_page),
        TEST(test_catch_up_jobs__github_down_ends_a_round_and_it_goes_on_when_it_is_back),
        TEST(test_catch_up_jobs__an_installation_that_used_up_its_calls_does_not_hold_up_another),
        TEST(test_catch_up_jobs__jobs_of_a_suspended_installation_wait_with_its_reason_and_ask_nothing),
        TEST(test_catch_up_jobs__a_suspension_that_no_event_told_is_learned_from_the_refusal),
        TEST(test_catch_up_jobs__a_late_event_of_a_suspension_that_is_over_does_nothing),
        TEST(test_catch_up_jobs__jobs_of_an_app_that_was_uninstalled_are_refused),
        TEST(test_catch_up_jobs__an_installation_that_github_does_not_know_yet_is_not_taken_for_gone),
        TEST(test_catch_up_jobs__a_job_of_an_app_that_is_back_without_an_event_gets_its_machine),
        TEST(test_catch_up_jobs__a_job_is_not_refused_on_an_old_word_because_github_is_down),
        TEST(test_catch_up_jobs__a_job_that_runs_keeps_its_machine_though_the_app_seems_gone),
        TEST(test_catch_up_jobs__a_job_of_a_repository_out_of_sight_is_not_taken_for_deleted),
        TEST(test_catch_up_jobs__a_machine_of_a_suspended_installation_still_ends),
        TEST(test_catch_up_jobs__a_repository_taken_from_the_apps_sight_waits_and_goes_on_when_it_is_back),
        TEST(test_catch_up_jobs__a_repository_that_is_out_of_sight_without_an_event_is_learned_from_the_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
