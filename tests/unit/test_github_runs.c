#include "server/github/runs.h"

#include "server/base/mem.h"
#include "tests/support/ghtest.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define SHA "\"0123456789abcdef0123456789abcdef01234567\""
#define JOB(id, status, more)                                                                                          \
    "{\"id\":" #id ",\"run_id\":7,\"run_attempt\":2,\"head_sha\":" SHA ",\"status\":\"" status                         \
    "\",\"name\":\"train\",\"created_at\":\"2023-11-14T22:13:20Z\",\"labels\":[\"cirun-gpu\"]" more "}"

struct place {
    struct job where;
    char repo[32], branch[8];
};

static const struct job *place(struct place *p)
{
    (void)snprintf(p->repo, sizeof(p->repo), "%s", ght_repo.repo);
    (void)snprintf(p->branch, sizeof(p->branch), "main");
    p->where = (struct job){
        .repo_id = GHT_REPO_ID, .installation_id = GHT_INSTALLATION, .repo = p->repo, .default_branch = p->branch};
    return &p->where;
}

static void test_github_runs__runs_under_way_are_listed_by_their_ids(void **state)
{
    struct github_run_ids ids;
    AUTO_GHT struct ghtest t;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"total_count\":4,\"workflow_runs\":[{\"id\":30},{\"id\":\"x\"},7,{\"id\":20}]}");
    assert_ok(github_runs_list(t.github, &ght_repo, "in_progress", 2, &ids, &e), e);
    assert_string_equal(
        ght_call(&t, 0)->path,
        "/repos/octo/hello/actions/runs?status=in_progress&exclude_pull_requests=true&per_page=50&page=2");
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"actions\":\"read\""));
    assert_true(ids.n == 2 && ids.ids[0] == 30 && ids.ids[1] == 20 && !ids.more);
}

static void test_github_runs__a_full_page_has_another_one_behind_it(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(64 * 1024);
    struct github_run_ids ids;
    struct err e;

    (void)state;
    buf_adds(&text, "{\"workflow_runs\":[");
    for (int i = 1; i <= 60; i++)
        buf_addf(&text, "%s{\"id\":%d}", i > 1 ? "," : "", i);
    buf_adds(&text, "]}");
    assert_ok(github_runs_parse(text.p, text.len, &ids, &e), e);
    assert_true(ids.n == 50 && ids.more); /* more than was asked for: never past the end */
}

static void test_github_runs__jobs_are_read_as_their_events_would_be(void **state)
{
    AUTO_GITHUB_JOBS struct github_jobs jobs = {.n = 0};
    AUTO_GHT struct ghtest t;
    struct place p;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(
        &t, 200, "",
        "{\"total_count\":9,\"jobs\":[" JOB(1, "queued", ",\"runner_name\":\"old\"") "," JOB(
            2, "in_progress",
            ",\"runner_name\":\"muster-1\",\"conclusion\":null") "," JOB(3, "completed",
                                                                         ",\"runner_name\":\"\",\"conclusion\":"
                                                                         "\"startup_failure\"") "," JOB(4, "pending",
                                                                                                        "") "," JOB(5,
                                                                                                                    "re"
                                                                                                                    "qu"
                                                                                                                    "es"
                                                                                                                    "te"
                                                                                                                    "d",
                                                                                                                    "") "," JOB(6,
                                                                                                                                "waiting",
                                                                                                                                "") ",null,{},{\"id\":7}]}");
    assert_ok(github_jobs_list(t.github, place(&p), 7, 1, &jobs, &e), e);
    assert_string_equal(ght_call(&t, 0)->path,
                        "/repos/octo/hello/actions/runs/7/jobs?filter=latest&per_page=50&page=1");
    assert_int_equal(jobs.n, 4);
    assert_true(jobs.jobs[0].state == JOB_QUEUED && jobs.jobs[0].runner_name == NULL);
    assert_true(jobs.jobs[0].repo_id == GHT_REPO_ID && jobs.jobs[0].installation_id == GHT_INSTALLATION);
    assert_true(jobs.jobs[0].run_id == 7 && jobs.jobs[0].run_attempt == 2 && jobs.jobs[0].queued_ms == 1700000000000);
    assert_string_equal(jobs.jobs[0].repo, "octo/hello");
    assert_string_equal(jobs.jobs[0].default_branch, "main");
    assert_string_equal(jobs.jobs[0].label_key, "cirun-gpu");
    assert_int_equal(jobs.jobs[1].state, JOB_RUNNING);
    assert_string_equal(jobs.jobs[1].runner_name, "muster-1");
    assert_true(jobs.jobs[2].state == JOB_DONE && jobs.jobs[2].runner_name == NULL);
    assert_string_equal(jobs.jobs[2].conclusion, "startup_failure");
    assert_int_equal(jobs.jobs[3].state, JOB_WAITING);
}

static void test_github_runs__a_job_that_github_does_not_know_is_no_failure(void **state)
{
    AUTO_JOB struct job j = {0};
    AUTO_GHT struct ghtest t;
    bool there = true, known = true;
    struct place p;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 404, "", "{\"message\":\"Not Found\"}");
    assert_ok(github_job_get(t.github, place(&p), 9, &there, &known, &j, &e), e);
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/actions/jobs/9");
    assert_false(there);
    ght_forget(&t);
    ght_answer(&t, 200, "", JOB(9, "completed", ",\"conclusion\":\"cancelled\""));
    assert_ok(github_job_get(t.github, place(&p), 9, &there, &known, &j, &e), e);
    assert_true(there && known && j.state == JOB_DONE && j.id == 9);
    ght_forget(&t);
    ght_answer(&t, 200, "", "{\"id\":9,\"status\":\"completed\"}");
    assert_fails(github_job_get(t.github, place(&p), 9, &there, &known, &j, &e), ERR_RETRY, "unexpected answer", e);
}

static void test_github_runs__a_token_that_is_refused_as_not_found_says_nothing_of_the_job(void **state)
{
    AUTO_JOB struct job j = {0};
    AUTO_GHT struct ghtest t;
    bool there = true, known;
    struct place p;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{}");
    ght_answer_mint(&t, 404, "", "{\"message\":\"Not Found\"}");
    assert_fails(github_job_get(t.github, place(&p), 9, &there, &known, &j, &e), ERR_AUTH, "404", e);
    assert_true(there);
}

static void test_github_runs__what_is_no_list_is_worth_another_try(void **state)
{
    static const char *const bodies[] = {"[]", "{}", "{\"jobs\":7,\"workflow_runs\":{}}", "", "{\"jobs\":[", "oops"};
    struct place p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        AUTO_GITHUB_JOBS struct github_jobs jobs = {.n = 0};
        AUTO_GHT struct ghtest t;
        struct github_run_ids ids;
        struct err e;

        ght_start(&t, "");
        ght_answer(&t, 200, "", bodies[i]);
        assert_fails(github_jobs_list(t.github, place(&p), 7, 1, &jobs, &e), ERR_RETRY, "unexpected answer", e);
        assert_fails(github_runs_list(t.github, &ght_repo, "queued", 1, &ids, &e), ERR_RETRY, "unexpected answer", e);
    }
}

static void test_github_runs__a_name_that_climbs_is_in_no_path(void **state)
{
    static const char *const bad[] = {"octo", "octo/..", "octo/.", "/x", "octo/", "a/b/c"};
    AUTO_GHT struct ghtest t;

    (void)state;
    ght_start(&t, "");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct github_repo r = {GHT_INSTALLATION, GHT_REPO_ID, bad[i]};
        struct github_run_ids ids;
        struct err e;

        assert_fails(github_runs_list(t.github, &r, "queued", 1, &ids, &e), ERR_INVALID, "expected owner/name", e);
    }
    assert_int_equal(ght_calls(&t) + ght_mints(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github_runs__runs_under_way_are_listed_by_their_ids),
        cmocka_unit_test(test_github_runs__a_full_page_has_another_one_behind_it),
        cmocka_unit_test(test_github_runs__jobs_are_read_as_their_events_would_be),
        cmocka_unit_test(test_github_runs__a_job_that_github_does_not_know_is_no_failure),
        cmocka_unit_test(test_github_runs__a_token_that_is_refused_as_not_found_says_nothing_of_the_job),
        cmocka_unit_test(test_github_runs__what_is_no_list_is_worth_another_try),
        cmocka_unit_test(test_github_runs__a_name_that_climbs_is_in_no_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
