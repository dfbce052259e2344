/* Why a job waits or was refused: its cause, what its candidates answered, its timeline. */
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* --- what the pull request shows -------------------------------------------------------------------------------- */

static void see(struct bed *w, size_t i, struct sim_check *c)
{
    if (!sim_github_check(w->gh, i, c))
        fail_msg("there is no check run %zu", i);
}

/* Refused, and said: the check run stands after the changes of a moment have come together. */
static int64_t refused_and_said(struct bed *w, const struct sim_job_spec *spec, const char *label)
{
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, spec, label);

    bed_wait_want(w, id, WANT_REFUSED, &j);
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    return id;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_report__a_label_with_a_slip_shows_the_nearest_its_line_and_the_remedy(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id = refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo--77");
    char external[24];
    const json_t *a;

    assert_int_equal(sim_github_checks(w->gh), 1);
    see(w, 0, &c);
    (void)snprintf(external, sizeof(external), "%lld", (long long)id);
    assert_string_equal(c.external_id, external);
    assert_string_equal(c.name, "muster / cirun-gpo");
    assert_string_equal(c.status, "completed");
    assert_string_equal(c.conclusion, "failure");
    assert_string_equal(c.title, "No runner has the label cirun-gpo: did you mean cirun-gpu?");
    assert_has(c.summary, "### What to do");
    assert_has(c.summary, "runs-on");
    assert_has(c.summary, "`.cirun.yml`, line 2");
    assert_has(c.text, "job.refused");
    assert_int_equal(json_array_size(c.annotations), 1);
    a = json_array_get(c.annotations, 0);
    assert_string_equal(json_string_value(json_object_get(a, "path")), ".cirun.yml");
    assert_int_equal(json_integer_value(json_object_get(a, "start_line")), 2);
    assert_int_equal(c.writes, 1);
}

static void test_report__each_error_of_the_file_is_an_annotation_at_its_place(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    const json_t *first, *second;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml",
                        "runners:\n  - {name: a, instance_type: t, machine_image: i, labels: [cirun-gpu],\n"
                        "     cloud: nowhere}\n  - 5\n");
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpu");
    see(w, 0, &c);
    assert_string_equal(c.name, "muster");
    assert_string_equal(c.conclusion, "failure");
    assert_memory_equal(c.title, ".cirun.yml, line 3: ", 20);
    assert_has(c.summary, ">    3 |      cloud: nowhere}");
    assert_int_equal(json_array_size(c.annotations), 2);
    first = json_array_get(c.annotations, 0);
    second = json_array_get(c.annotations, 1);
    assert_int_equal(json_integer_value(json_object_get(first, "start_line")), 3);
    assert_int_equal(json_integer_value(json_object_get(second, "start_line")), 4);
    assert_string_equal(json_string_value(json_object_get(first, "annotation_level")), "failure");
}

static void test_report__a_matrix_with_one_cause_is_one_check_run_that_lists_its_jobs(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    AUTO_JOB struct job j = {0};
    char label[40];
    int64_t id = 0;

    for (int i = 0; i < 40; i++) {
        (void)snprintf(label, sizeof(label), "cirun-gpo--%d", i);
        id = bed_queue_job(w, &(struct sim_job_spec){0}, label);
    }
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_true(bed_settle(w));
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    assert_int_equal(sim_github_checks(w->gh), 1);
    see(w, 0, &c);
    assert_has(c.summary, "… and 20 more.");
    assert_true(c.writes <= 2);
}

static void test_report__many_topics_of_a_commit_are_bounded(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    char label[40];

    for (int i = 0; i < 30; i++) {
        (void)snprintf(label, sizeof(label), "cirun-no%c%c", 'a' + i % 26, 'a' + i / 26);
        (void)bed_queue_job(w, &(struct sim_job_spec){0}, label);
    }
    for (int i = 0; i < 4; i++)
        bed_pass(w, 3000);
    assert_int_equal(sim_github_checks(w->gh), 11);
    see(w, 10, &c);
    assert_string_equal(c.name, "muster / more jobs");
}

static void test_report__a_job_of_others_is_not_spoken_of(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "somebody-elses");
    for (int i = 0; i < 4; i++)
        bed_pass(w, 200 * 1000);
    assert_int_equal(sim_github_checks(w->gh), 0);
}

static void test_report__a_job_that_starts_in_time_is_not_spoken_of(void **state)
{
    struct bed *w = *state;
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 1);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 60 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 1000);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 1).name);
    for (int i = 0; i < 10; i++)
        bed_pass(w, 60 * 1000);
    assert_int_equal(sim_github_checks(w->gh), 0);
}

static void test_report__a_wait_for_capacity_is_told_when_it_is_slow_and_ends_neutral_when_the_job_starts(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 17; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(sim_github_checks(w->gh), 0);
    for (int i = 0; i < 4; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(sim_github_checks(w->gh), 1);
    see(w, 0, &c);
    assert_string_equal(c.status, "in_progress");
    assert_string_equal(c.title, "Waiting for capacity: candidate 1 of 1 (aws r single)");
    assert_has(c.summary, "### What was tried");
    assert_has(c.summary, "| 1 | `aws` | `r` | `single` | on demand | capacity: ");
    assert_has(c.summary, "More candidates help");
    assert_int_equal(json_array_size(c.annotations), 0);
    for (int i = 0; i < 100; i++)
        bed_pass(w, 60 * 1000);
    see(w, 0, &c);
    assert_true(c.writes <= 3); /* nothing new is no news */
    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 1);
    for (int i = 0; i < 100 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 60 * 1000);
    bed_deliver(w, id, JOB_RUNNING, "cirun-one", bed_call(w->aws, 2).name);
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    see(w, 0, &c);
    assert_string_equal(c.status, "completed");
    assert_string_equal(c.conclusion, "neutral");
    assert_memory_equal(c.title, "Started after ", 14);
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 2).name);
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    assert_int_equal(sim_github_checks(w->gh), 1);
}

static void test_report__a_job_cancelled_while_it_waits_closes_its_check_run(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_QUOTA, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 22; i++)
        bed_pass(w, 10 * 1000);
    see(w, 0, &c);
    assert_has(c.title, "Waiting for quota");
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-one", NULL);
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    see(w, 0, &c);
    assert_string_equal(c.status, "completed");
    assert_string_equal(c.conclusion, "neutral");
    assert_string_equal(c.title, "The job ended before it got a machine");
}

static void test_report__a_refusal_stands_after_github_gave_the_job_up(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id = refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");

    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-gpo", NULL);
    bed_pass(w, 3000);
    bed_pass(w, 3000);
    see(w, 0, &c);
    assert_string_equal(c.conclusion, "failure");
}

static void test_report__a_request_that_no_cloud_takes_is_a_failure_at_the_runners_line(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};

    memcloud_refuse(w->aws, NULL, ERR_INVALID, 0);
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-one");
    see(w, 0, &c);
    assert_string_equal(c.conclusion, "failure");
    assert_memory_equal(c.title, "aws refuses: ", 13);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(c.annotations, 0), "start_line")), 5);
}

static void test_report__a_forks_run_is_told_without_the_file(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};

    (void)refused_and_said(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, "cirun-gpu");
    see(w, 0, &c);
    assert_string_equal(c.title, "Denied: runs from a fork get no machine here");
    assert_has(c.summary, "policy.fork_jobs");
    assert_null(strstr(c.summary, "instance_type"));
    assert_int_equal(bed_asked(w, SIM_GH_CONTENTS), 0);
}

static void test_report__a_missing_file_is_told(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpu");
    see(w, 0, &c);
    assert_string_equal(c.title, "There is no .cirun.yml at this commit");
    assert_string_equal(c.conclusion, "failure");
}

static void test_report__machines_that_never_take_the_job_are_told_in_the_end(void **state)
{
    struct bed *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    for (int i = 0; i < 400 && memcloud_made(w->aws) < ENGINE_MAX_FAILURES + 1; i++)
        bed_pass(w, 5 * 60 * 1000);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    for (int i = 0; i < 4; i++)
        bed_pass(w, 3000);
    see(w, 0, &c);
    assert_string_equal(c.conclusion, "failure");
    assert_string_equal(c.title, "Machines were launched, and none took the job");
    assert_has(c.summary, "boot: ");
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void test_report__without_the_permission_a_commit_status_is_set(void **state)
{
    struct bed *w = *state;
    struct sim_status s;

    sim_github_permissions(w->gh, 7,
                           "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\","
                           "\"statuses\":\"write\"}");
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");
    assert_int_equal(sim_github_checks(w->gh), 0);
    assert_int_equal(sim_github_statuses(w->gh), 1);
    assert_true(sim_github_status(w->gh, 0, &s));
    assert_string_equal(s.state, "failure");
    assert_string_equal(s.context, "muster / cirun-gpo");
    assert_string_equal(s.description, "No runner has the label cirun-gpo: did you mean cirun-gpu?");
}

static void test_report__without_any_permission_jobs_go_on_and_nothing_is_asked_again(void **state)
{
    struct bed *w = *state;
    size_t asked;

    sim_github_permissions(w->gh, 7, "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\"}");
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");
    assert_int_equal(sim_github_checks(w->gh) + sim_github_statuses(w->gh), 0);
    asked = bed_asked(w, SIM_GH_TOKEN);
    for (int i = 0; i < 20; i++)
        bed_pass(w, 60 * 1000);
    assert_int_equal(bed_asked(w, SIM_GH_TOKEN), asked);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
}

static void test_report__a_lost_answer_makes_no_second_check_run(void **state)
{
    struct bed *w = *state;

    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_CHECK_CREATE, .kind = SIM_FAULT_RESET_AFTER, .next = 1});
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");
    for (int i = 0; i < 20; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(bed_asked(w, SIM_GH_CHECK_LIST), 1);
    assert_int_equal(sim_github_checks(w->gh), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM report WHERE check_run_id > $1", 0), 1);
}

static void test_report__a_crash_between_creation_and_record_makes_no_second_check_run(void **state)
{
    struct bed *w = *state;
    struct err e;

    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");
    bed_down(w);
    /* what the store holds when the process dies at that point */
    assert_int_equal(
        db_sqlite.exec(w->db, "UPDATE report SET check_run_id = -1, said = ''", NULL, 0, NULL, NULL, NULL, &e), 0);
    assert_int_equal(db_sqlite.exec(w->db,
                                    "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed,"
                                    " attempts) VALUES (5, '1', 4, 1, 1, 0, 0, 0)",
                                    NULL, 0, NULL, NULL, NULL, &e),
                     0);
    bed_up(w);
    bed_pass(w, 3000);
    assert_int_equal(sim_github_checks(w->gh), 1);
    assert_int_equal(bed_asked(w, SIM_GH_CHECK_LIST), 1);
    assert_int_equal(bed_asked(w, SIM_GH_CHECK_CREATE), 1);
    assert_int_equal(bed_asked(w, SIM_GH_CHECK_UPDATE), 1);
}

static void test_report__a_restart_before_it_is_said_says_it_once(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpo");

    bed_wait_want(w, id, WANT_REFUSED, &j);
    bed_down(w);
    bed_up(w);
    for (int i = 0; i < 4; i++)
        bed_pass(w, 3000);
    assert_int_equal(sim_github_checks(w->gh), 1);
}

static void test_report__a_rate_limit_delays_the_word_and_no_machine(void **state)
{
    struct bed *w = *state;

    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_CHECK_CREATE, .kind = SIM_FAULT_STATUS, .status = 500, .next = 3});
    (void)refused_and_said(w, &(struct sim_job_spec){0}, "cirun-gpo");
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    for (int i = 0; i < 40; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(sim_github_checks(w->gh), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_report__each_refusal_has_its_cause_and_a_word_in_the_timeline),
        TEST(test_report__a_file_with_an_error_is_its_cause_with_the_place),
        TEST(test_report__what_each_candidate_answered_is_kept_once_and_counted),
        TEST(test_report__a_machine_that_never_took_its_job_is_among_the_answers),
        TEST(test_report__a_label_with_a_slip_shows_the_nearest_its_line_and_the_remedy),
        TEST(test_report__each_error_of_the_file_is_an_annotation_at_its_place),
        TEST(test_report__a_matrix_with_one_cause_is_one_check_run_that_lists_its_jobs),
        TEST(test_report__many_topics_of_a_commit_are_bounded),
        TEST(test_report__a_job_of_others_is_not_spoken_of),
        TEST(test_report__a_job_that_starts_in_time_is_not_spoken_of),
        TEST(test_report__a_wait_for_capacity_is_told_when_it_is_slow_and_ends_neutral_when_the_job_starts),
        TEST(test_report__a_job_cancelled_while_it_waits_closes_its_check_run),
        TEST(test_report__a_refusal_stands_after_github_gave_the_job_up),
        TEST(test_report__a_request_that_no_cloud_takes_is_a_failure_at_the_runners_line),
        TEST(test_report__a_forks_run_is_told_without_the_file),
        TEST(test_report__a_missing_file_is_told),
        TEST(test_report__machines_that_never_take_the_job_are_told_in_the_end),
        TEST(test_report__without_the_permission_a_commit_status_is_set),
        TEST(test_report__without_any_permission_jobs_go_on_and_nothing_is_asked_again),
        TEST(test_report__a_lost_answer_makes_no_second_check_run),
        TEST(test_report__a_crash_between_creation_and_record_makes_no_second_check_run),
        TEST(test_report__a_restart_before_it_is_said_says_it_once),
        TEST(test_report__a_rate_limit_delays_the_word_and_no_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
