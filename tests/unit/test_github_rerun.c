/* Running jobs of a run again: what GitHub says of a run, its jobs, and its refusals. */
#include "tests/support/unit.h"

#include "server/github/rerun.h"
#include "tests/support/ghtest.h"

#include <stdio.h>
#include <string.h>

static void test_github_rerun__a_run_has_a_conclusion_only_when_it_is_completed(void **state)
{
    AUTO_GHT struct ghtest t;
    struct github_run_state run;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"status\":\"in_progress\",\"conclusion\":\"failure\",\"run_attempt\":3}");
    assert_ok(github_run_state(t.github, &ght_repo, 90, &run, &e), e);
    assert_false(run.completed);
    assert_string_equal(run.conclusion, "");
    assert_int_equal(run.attempt, 3);
    ght_answer(&t, 200, "", "{\"status\":\"completed\",\"conclusion\":\"cancelled\"}");
    assert_ok(github_run_state(t.github, &ght_repo, 90, &run, &e), e);
    assert_true(run.completed);
    assert_string_equal(run.conclusion, "cancelled");
    assert_int_equal(run.attempt, 1);
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/actions/runs/90");
}

static void test_github_rerun__an_answer_that_makes_no_sense_is_asked_for_again(void **state)
{
    static const char *const bodies[] = {"[]", "{\"status\":1}", "{}", "<html>",
                                         "{\"status\":\"completed\",\"run_attempt\":\"2\"}"};
    struct github_run_state run;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        AUTO_GHT struct ghtest t;

        ght_start(&t, "");
        ght_answer(&t, 200, "", bodies[i]);
        assert_fails(github_run_state(t.github, &ght_repo, 90, &run, &e), ERR_RETRY, "unexpected answer", e);
    }
}

struct seen {
    size_t n;
    int64_t last_id, started_ms;
    char conclusion[24];
};

static int see(void *arg, const struct github_run_job *j, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    s->n++;
    s->last_id = j->id;
    s->started_ms = j->started_ms;
    (void)snprintf(s->conclusion, sizeof(s->conclusion), "%s", j->conclusion);
    return 0;
}

static void test_github_rerun__the_jobs_of_an_attempt_are_read_page_by_page(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_BUF struct buf full = BUF_INIT(64 * 1024);
    struct seen s = {.n = 0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    buf_adds(&full, "{\"jobs\":[");
    for (int i = 0; i < 100; i++)
        buf_addf(&full, "%s{\"id\":%d,\"name\":\"j\",\"conclusion\":null}", i > 0 ? "," : "", i + 1);
    buf_adds(&full, "]}");
    ght_answer(&t, 200, "", full.p);
    ght_answer(&t, 200, "",
               "{\"jobs\":[{\"id\":101,\"name\":\"j\",\"conclusion\":\"failure\",\"started_at\":"
               "\"2023-11-14T22:13:20Z\"}]}");
    assert_ok(github_run_jobs(t.github, &ght_repo, 90, 2, see, &s, &e), e);
    assert_int_equal(s.n, 101);
    assert_int_equal(s.last_id, 101);
    assert_int_equal(s.started_ms, 1700000000000);
    assert_string_equal(s.conclusion, "failure");
    assert_string_equal(ght_call(&t, 1)->path, "/repos/octo/hello/actions/runs/90/attempts/2/jobs?per_page=100&page=2");
}

static void test_github_rerun__pages_without_end_are_given_up(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_BUF struct buf full = BUF_INIT(64 * 1024);
    struct seen s = {.n = 0};
    struct err e;

    (void)state;
    ght_start(&t, "");
    buf_adds(&full, "{\"jobs\":[");
    for (int i = 0; i < 100; i++)
        buf_addf(&full, "%s{\"id\":%d,\"name\":\"j\"}", i > 0 ? "," : "", i + 1);
    buf_adds(&full, "]}");
    ght_answer(&t, 200, "", full.p); /* the last answer repeats */
    assert_fails(github_run_jobs(t.github, &ght_repo, 90, 2, see, &s, &e), ERR_RETRY, "does not end", e);
    assert_true(ght_calls(&t) <= 25);
}

static void test_github_rerun__both_requests_ask_for_actions_write_and_refusals_are_conflicts(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, "", "{}");
    assert_ok(github_rerun_failed(t.github, &ght_repo, 90, &e), e);
    assert_ok(github_rerun_job(t.github, &ght_repo, 31, &e), e);
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/actions/runs/90/rerun-failed-jobs");
    assert_string_equal(ght_call(&t, 1)->path, "/repos/octo/hello/actions/jobs/31/rerun");
    assert_string_equal(ght_call(&t, 1)->method, "POST");
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"actions\":\"write\""));
    assert_int_equal(ght_mints(&t), 1);
    ght_forget(&t);
    ght_answer(&t, 403, "", "{\"message\":\"The workflow run containing this job is already running\"}");
    assert_fails(github_rerun_job(t.github, &ght_repo, 31, &e), ERR_CONFLICT, "already running", e);
}

static void test_github_rerun__a_permission_that_was_not_given_is_no_refusal(void **state)
{
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer_mint(&t, 422, "", "{\"message\":\"The permissions requested are not granted to this installation.\"}");
    assert_fails(github_rerun_failed(t.github, &ght_repo, 90, &e), ERR_AUTH, "actions: write", e);
    assert_int_equal(ght_calls(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github_rerun__a_run_has_a_conclusion_only_when_it_is_completed),
        cmocka_unit_test(test_github_rerun__an_answer_that_makes_no_sense_is_asked_for_again),
        cmocka_unit_test(test_github_rerun__the_jobs_of_an_attempt_are_read_page_by_page),
        cmocka_unit_test(test_github_rerun__pages_without_end_are_given_up),
        cmocka_unit_test(test_github_rerun__both_requests_ask_for_actions_write_and_refusals_are_conflicts),
        cmocka_unit_test(test_github_rerun__a_permission_that_was_not_given_is_no_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
