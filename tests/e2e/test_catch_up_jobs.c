/* What no event told and GitHub's own lists do. */
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

/* --- looks at repositories -----------------------------------------------------------------------------------------
 */

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

    (void)bed_served(w, "cirun-one", 1);
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

    (void)bed_served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(bed_job_state(w, id), JOB_QUEUED);
    assert_int_equal(BED_EVENTS(w, "job.found", id), 1);
    bed_deliver(w, id, JOB_QUEUED, "cirun-one", NULL); /* its event comes late: nothing new */
    bed_pass_by(w, 5 * MINUTE, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(BED_EVENTS(w, "job.found", id), 1);
}

static void test_catch_up_jobs__hosted_jobs_of_others_are_not_taken_into_the_store(void **state)
{
    struct bed *w = *state;
    int64_t id;

    (void)bed_served(w, "cirun-one", 1);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "ubuntu-latest");
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE id = $1", id), 0);
}

static void test_catch_up_jobs__lost_in_progress_and_completed_move_job_and_machine(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1), runner;

    runner = bring_up(w, 0); /* GitHub gives it the job, and tells nobody */
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_RUNNING);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
    sim_github_runner_finish(w->gh, runner, "success");
    bed_pass_by(w, 20 * MINUTE, MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_DONE);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_true(bed_number(w, "SELECT count(*) FROM machine WHERE reason = 'its job is completed' AND $1 = 0", 0) == 1);
}

static void test_catch_up_jobs__a_look_that_is_behind_changes_nothing(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1), runner;

    sim_github_stale(w->gh, DAY);
    runner = bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_true(bed_asked(w, SIM_GH_RUN_JOBS) >= 1);
    assert_int_equal(bed_job_state(w, id), JOB_RUNNING);
    assert_int_equal(memcloud_made(w->aws), 1);
    sim_github_runner_finish(w->gh, runner, "success");
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_DONE);
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
    for (int i = 0; i < 30 && bed_job_state(w, id) != JOB_DONE; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_DONE);
    /* nobody waits for it: surplus, with its grace, as ever */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE surplus_ms > $1 AND state < 4", 0), 1);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* A runner's name can be anybody's: what another repository says of one called like ours changes no machine. */
static void test_catch_up_jobs__a_completion_in_another_repository_ends_no_machine_of_that_name(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);
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
    int64_t id = bed_served(w, "cirun-one", 1);

    sim_github_run_delete(w->gh, bed_number(w, "SELECT run_id FROM job WHERE id = $1", id));
    for (int i = 0; i < 40 && bed_job_state(w, id) != JOB_DONE; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_DONE);
    assert_int_equal(BED_EVENTS(w, "job.gone", id), 1);
    assert_true(bed_asked(w, SIM_GH_JOB) >= 3); /* one answer does not prove it */
    bed_pass_by(w, 12 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_catch_up_jobs__a_job_that_runs_is_not_ended_because_github_knows_none(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);

    (void)bring_up(w, 0);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    sim_github_run_delete(w->gh, bed_number(w, "SELECT run_id FROM job WHERE id = $1", id));
    bed_pass_by(w, 2 * HOUR, 2 * MINUTE);
    assert_int_equal(bed_job_state(w, id), JOB_RUNNING);
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_catch_up_jobs__a_quiet_repository_is_looked_at_ever_more_seldom_and_then_not_at_all(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_served(w, "cirun-one", 1);
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

    (void)bed_served(w, "cirun-one", 1);
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

    (void)bed_served(w, "cirun-one", 1);
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
    (void)bed_served(w, "cirun-one", 1);
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
    assert_int_equal(BED_EVENTS(w, "job.found", id), 1);
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
