/* "Re-run" of a check run: what was refused is decided anew, what waits is tried at once. */
#include "server/base/clock.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char mended[] =
    "runners:\n"
    "  - {name: one, cloud: aws, region: r, machine_image: img, instance_type: single, labels: [cirun-gpo]}\n";

static void pass_some(struct bed *w)
{
    for (int i = 0; i < 3; i++)
        bed_pass(w, 3000);
}

/* A refused job and its check run's id. */
static int64_t refused(struct bed *w, const char *label, int64_t *check)
{
    AUTO(sim_check_clear) struct sim_check c = {0};
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, label);

    bed_wait_want(w, id, WANT_REFUSED, &j);
    pass_some(w);
    assert_true(sim_github_check(w->gh, sim_github_checks(w->gh) - 1, &c));
    assert_string_equal(c.conclusion, "failure");
    *check = c.id;
    return id;
}

static void test_report_again__a_refused_job_is_served_once_the_file_is_mended(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t check, id = refused(w, "cirun-gpo", &check);

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", mended);
    assert_int_equal(deliver_press(w->g, BED_REPO_ID, check), DELIVERY_STORED);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    pass_some(w);
    assert_true(sim_github_check(w->gh, 0, &c));
    assert_string_equal(c.status, "in_progress");
    bed_deliver(w, id, JOB_RUNNING, "cirun-gpo", bed_call(w->aws, 0).name);
    pass_some(w);
    assert_true(sim_github_check(w->gh, 0, &c));
    assert_string_equal(c.status, "completed");
    assert_string_equal(c.conclusion, "neutral");
    assert_int_equal(sim_github_checks(w->gh), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'job.retried'", id), 1);
}

static void test_report_again__a_press_that_changes_nothing_is_answered_all_the_same(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t check;
    int writes;

    (void)refused(w, "cirun-gpo", &check);
    assert_true(sim_github_check(w->gh, 0, &c));
    writes = c.writes;
    assert_int_equal(deliver_press(w->g, BED_REPO_ID, check), DELIVERY_STORED);
    pass_some(w);
    assert_true(sim_github_check(w->gh, 0, &c));
    assert_true(c.writes > writes);
    assert_string_equal(c.conclusion, "failure");
    assert_int_equal(json_array_size(c.annotations), 1); /* they would add up */
}

static void test_report_again__other_peoples_check_runs_are_none_of_our_business(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t check, id = refused(w, "cirun-gpo", &check);

    assert_int_equal(deliver_press(w->g, BED_REPO_ID, check + 1), DELIVERY_IGNORED);
    assert_int_equal(deliver_press(w->g, BED_REPO_ID + 1, check), DELIVERY_IGNORED);
    bed_wait_want(w, id, WANT_REFUSED, &j);
}

static void test_report_again__all_of_a_commit_can_be_asked_for_at_once(void **state)
{
    struct bed *w = *state;
    int64_t check;

    (void)refused(w, "cirun-gpo", &check);
    (void)refused(w, "cirun-twoo", &check);
    assert_int_equal(deliver_press(w->g, BED_REPO_ID, 0), DELIVERY_STORED);
    assert_true(bed_settle(w));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'job.retried' AND job_id > $1", 0), 2);
}

static void test_report_again__a_job_given_up_after_many_machines_gets_new_ones(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    size_t made;

    for (int i = 0; i < 400 && memcloud_made(w->aws) < ENGINE_MAX_FAILURES + 1; i++)
        bed_pass(w, 5 * 60 * 1000);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    pass_some(w);
    made = memcloud_made(w->aws);
    assert_true(sim_github_check(w->gh, 0, &c));
    assert_int_equal(deliver_press(w->g, BED_REPO_ID, c.id), DELIVERY_STORED);
    for (int i = 0; i < 40 && memcloud_made(w->aws) == made; i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), made + 1);
}

static void test_report_again__what_waits_for_capacity_is_tried_at_once(void **state)
{
    struct bed *w = *state;
    struct memcloud_call calls[MEMCLOUD_MAX];
    AUTO(sim_check_clear) struct sim_check c = {0};
    size_t before;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 0);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 40; i++)
        bed_pass(w, 60 * 1000);
    assert_true(sim_github_check(w->gh, 0, &c));
    bed_pass(w, 1000);
    before = memcloud_calls(w->aws, calls);
    assert_int_equal(deliver_press(w->g, BED_REPO_ID, c.id), DELIVERY_STORED);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_calls(w->aws, calls), before + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_report_again__a_refused_job_is_served_once_the_file_is_mended),
        TEST(test_report_again__a_press_that_changes_nothing_is_answered_all_the_same),
        TEST(test_report_again__other_peoples_check_runs_are_none_of_our_business),
        TEST(test_report_again__all_of_a_commit_can_be_asked_for_at_once),
        TEST(test_report_again__a_job_given_up_after_many_machines_gets_new_ones),
        TEST(test_report_again__what_waits_for_capacity_is_tried_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
