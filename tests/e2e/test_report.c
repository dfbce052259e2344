/* Why a job waits or was refused: its cause, what its candidates answered, its timeline. */
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- what the store knows --------------------------------------------------------------------------------------- */

static int64_t cause_of(struct bed *w, int64_t id)
{
    return bed_number(w, "SELECT cause FROM job_report WHERE job_id = $1", id);
}

static int64_t events(struct bed *w, const char *sql, int64_t id)
{
    return bed_number(w, sql, id);
}

static void refused_for(struct bed *w, const struct sim_job_spec *spec, const char *label, enum job_cause cause)
{
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, spec, label);

    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_int_equal(cause_of(w, id), cause);
    assert_int_equal(events(w, "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'job.refused'", id), 1);
}

static void test_report__each_refusal_has_its_cause_and_a_word_in_the_timeline(void **state)
{
    struct bed *w = *state;

    refused_for(w, &(struct sim_job_spec){0}, "cirun-gpo", CAUSE_NO_RUNNER);
    refused_for(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, "cirun-gpu", CAUSE_FORK);
    memcloud_refuse(w->aws, NULL, ERR_INVALID, 0);
    refused_for(w, &(struct sim_job_spec){0}, "cirun-one", CAUSE_CANDIDATES);
}

static void test_report__a_file_with_an_error_is_its_cause_with_the_place(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(
        w->gh, BED_REPO, "main", ".cirun.yml",
        "runners:\n  - {name: a, instance_type: t, machine_image: i, labels: [cirun-gpu],\n     cloud: nowhere}\n");
    refused_for(w, &(struct sim_job_spec){0}, "cirun-gpu", CAUSE_BAD_FILE);
    assert_int_equal(bed_number(w, "SELECT line FROM job_report WHERE cause = $1", CAUSE_BAD_FILE), 3);
}

static void test_report__what_each_candidate_answered_is_kept_once_and_counted(void **state)
{
    struct bed *w = *state;
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 3);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 2000 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM attempt WHERE job_id = $1", id), 1);
    assert_int_equal(bed_number(w, "SELECT times FROM attempt WHERE job_id = $1 AND kind = 'capacity'", id), 3);
    /* the same wait is said once, however often the chain is tried */
    assert_int_equal(events(w, "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'job.waits'", id), 1);
    assert_int_equal(cause_of(w, id), CAUSE_NONE);
}

static void test_report__a_machine_that_never_took_its_job_is_among_the_answers(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM attempt WHERE job_id = $1 AND kind = 'boot'", id), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_report__each_refusal_has_its_cause_and_a_word_in_the_timeline),
        TEST(test_report__a_file_with_an_error_is_its_cause_with_the_place),
        TEST(test_report__what_each_candidate_answered_is_kept_once_and_counted),
        TEST(test_report__a_machine_that_never_took_its_job_is_among_the_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
