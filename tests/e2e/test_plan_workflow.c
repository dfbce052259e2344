/* muster plan --workflow as a person meets it, on the repository in tests/fixtures/plan/repo. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "tests/support/run.h"

#include <stdio.h>

#define REPO "tests/fixtures/plan/repo/"
#define WORKFLOWS REPO ".github/workflows/"

static void expect(const struct buf *out, const char *piece)
{
    if (strstr(out->p, piece) == NULL)
        fail_msg("expected \"%s\" in:\n%s", piece, out->p);
}

/* The row of a job holds this. */
static void expect_row(const struct buf *out, const char *job, const char *piece)
{
    const char *at = out->p;
    char want[100];

    (void)snprintf(want, sizeof(want), "  %s ", job);
    at = strstr(at, want);
    if (at == NULL)
        fail_msg("no job %s in:\n%s", job, out->p);
    else if (memmem(at, strcspn(at, "\n"), piece, strlen(piece)) == NULL)
        fail_msg("%.*s: no \"%s\"", (int)strcspn(at, "\n"), at, piece);
}

static void test_plan_workflow__a_workflow_that_is_served_shows_what_each_job_gets(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"plan", "--workflow", WORKFLOWS "train.yml", NULL}, &out), 0);
    expect_row(&out, "founding (cpu,", "GitHub-hosted");
    expect_row(&out, "founding (gpu,",
               "gpu: aws g4dn.xlarge eu-west-1 (1 x t4, 16 GB), then aws g5.xlarge eu-central-1");
    expect_row(&out, "isolated", "cirun-gpu--<github.run_id>");
    expect_row(&out, "isolated", "gpu: aws g4dn.xlarge");
    expect_row(&out, "bare", "gpu: aws g4dn.xlarge");
    expect_row(&out, "event", "one of these, depends on github.event_name:");
    expect_row(&out, "told", "cannot be told: depends on needs.founding.outputs.runner");
    expect_row(&out, "matrix", "if there is this job: that depends on needs.founding.outputs.matrix");
    expect_row(&out, "one-line (g4dn-xlarge, 3.1)", "aws g4dn.xlarge (1 x t4, 16 GB)");
    expect_row(&out, "only-here", "train-only: gcp n1-standard-4 europe-west4-a (1 x t4, 16 GB)");
    expect_row(&out, "group", "cirun-gpu in group big");
    expect_row(&out, "call / inner [called.yml]", "self-hosted, cirun-gpu");
    expect_row(&out, "remote", "acme/workflows/.github/workflows/x.yml@v1: a workflow of another repository");
    expect(&out, "15 jobs: ");
    assert_null(strstr(out.p, "error"));
    assert_null(strstr(out.p, "https://"));
}

static void test_plan_workflow__the_event_and_inputs_given_decide(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"plan", "--workflow", WORKFLOWS "train.yml", "--event",
                                                      "workflow_dispatch", "--input", "runner=ubuntu-24.04", NULL},
                                &out),
                     0);
    expect_row(&out, "event", "cirun-gpu");
    expect_row(&out, "input", "GitHub-hosted");
    assert_null(strstr(out.p, "one of these"));
}

static void test_plan_workflow__errors_stand_with_their_line_before_the_push(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"plan", "--workflow", WORKFLOWS "broken.yml", NULL}, &out), 1);
    expect(&out,
           WORKFLOWS "broken.yml:4:14: error: job \"typo\": no runner of .cirun.yml has the label \"cirun-gpuu\"; "
                     "did you mean \"cirun-gpu\"?");
    expect(&out, WORKFLOWS "broken.yml:10:13: error: job \"matrix-typo (cirun-gpi)\":");
    expect(&out, WORKFLOWS "broken.yml:13:14: error: job \"elsewhere\":");
    expect(&out, WORKFLOWS "broken.yml:15:14: error: ${{ env.RUNNER }}: the context env is not available in runs-on");
    expect_row(&out, "off", "never runs: its if is false");
    expect_row(&out, "fine", "gpu: aws g4dn.xlarge");
    assert_null(strstr(out.p, "cirun-nowhere\";"));
}

static void test_plan_workflow__the_organisations_file_is_asked_after_the_repositorys(void **state)
{
    AUTO_BUF struct buf without = BUF_INIT(65536), with = BUF_INIT(65536);

    (void)state;
    (void)run_muster((const char *const[]){"plan", "--workflow", WORKFLOWS "broken.yml", NULL}, &without);
    expect_row(&without, "shared", "error: no runner of .cirun.yml has the label \"cirun-shared\"");
    (void)run_muster(
        (const char *const[]){"plan", "--workflow", WORKFLOWS "broken.yml", "--global", REPO ".cirun.global.yml", NULL},
        &with);
    expect_row(&with, "shared", "shared: azure Standard_D4s_v5 eastus");
    expect_row(&with, "fine", "gpu: aws g4dn.xlarge");
}

static void test_plan_workflow__json_holds_the_same_for_programs(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT((size_t)1024 * 1024);
    AUTO_JSON json_t *doc = NULL;
    const char *text;
    int64_t number;
    bool served;
    struct err e;

    (void)state;
    assert_int_equal(
        run_muster((const char *const[]){"plan", "--json", "--workflow", WORKFLOWS "broken.yml", NULL}, &out), 1);
    assert_ok(js_parse(out.p, out.len, &doc, &e), e);
    assert_ok(js_bool(doc, "served", &served, &e), e);
    assert_false(served);
    assert_ok(js_str(doc, "jobs.0.verdict", &text, &e), e);
    assert_string_equal(text, "refused");
    assert_ok(js_i64(doc, "jobs.0.line", &number, &e), e);
    assert_int_equal(number, 4);
    assert_ok(js_str(doc, "jobs.1.verdict", &text, &e), e);
    assert_string_equal(text, "hosted");
    assert_ok(js_str(doc, "diagnostics.0.severity", &text, &e), e);
    assert_string_equal(text, "error");
}

static void test_plan_workflow__requests_are_shown_when_asked_for(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT((size_t)1024 * 1024);

    (void)state;
    assert_int_equal(
        run_muster((const char *const[]){"plan", "--requests", "--workflow", WORKFLOWS "broken.yml", NULL}, &out), 1);
    expect(&out, "POST https://ec2.eu-west-1.amazonaws.com/");
    expect(&out, "UserData=***");
}

static void test_plan_workflow__a_file_that_is_no_workflow_is_an_error(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"plan", "--workflow", REPO ".cirun.yml", NULL}, &out), 1);
    expect(&out, "error: on: is missing");
    buf_reset(&out);
    assert_int_equal(run_muster((const char *const[]){"plan", "--workflow", "/nowhere/ci.yml", NULL}, &out), 1);
    expect(&out, "/nowhere/ci.yml: cannot be opened");
}

static void test_plan__usage_errors_exit_with_2(void **state)
{
    static const char *const cases[][8] = {{"plan", NULL},
                                           {"plan", "--labels", "a", "--workflow", "x", NULL},
                                           {"plan", "--labels", "a", "--event", "push", NULL},
                                           {"plan", "--labels", ",", NULL},
                                           {"plan", "--workflow", "x", "--input", "novalue", NULL},
                                           {"plan", "--labels", "a", "one", "two", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        AUTO_BUF struct buf out = BUF_INIT(65536);

        assert_int_equal(run_muster(cases[i], &out), 2);
    }
}

static void test_plan__several_label_sets_are_planned_one_by_one(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT((size_t)1024 * 1024);
    AUTO_JSON json_t *doc = NULL;
    const char *text;
    struct err e;

    (void)state;
    assert_int_equal(run_muster((const char *const[]){"plan", "--json", "--labels", "cirun-gpu", "--labels", "cirun-x",
                                                      REPO ".cirun.yml", NULL},
                                &out),
                     1);
    assert_ok(js_parse(out.p, out.len, &doc, &e), e);
    assert_ok(js_str(doc, "sets.0.verdict", &text, &e), e);
    assert_string_equal(text, "served");
    assert_ok(js_str(doc, "sets.0.candidates.0.gpus.model", &text, &e), e);
    assert_string_equal(text, "t4");
    assert_ok(js_str(doc, "sets.1.verdict", &text, &e), e);
    assert_string_equal(text, "refused");
}

static void test_plan__labels_of_githubs_own_runners_are_not_ours_whatever_a_file_says(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    (void)run_muster((const char *const[]){"plan", "--json", "--labels", "ubuntu-latest", NULL}, &out);
    assert_non_null(strstr(out.p, "\"not_ours\""));
}

static void test_plan__online_asks_what_an_hour_costs(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);

    (void)state;
    assert_int_equal(
        run_muster((const char *const[]){"plan", "--labels", "cirun-on_prem-4vcpu-8gb-ubuntu2404", NULL}, &out), 0);
    assert_null(strstr(out.p, "price:"));
    buf_reset(&out);
    assert_int_equal(
        run_muster((const char *const[]){"plan", "--online", "--labels", "cirun-on_prem-4vcpu-8gb-ubuntu2404", NULL},
                   &out),
        0);
    expect(&out, "price: 0 USD an hour");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan_workflow__a_workflow_that_is_served_shows_what_each_job_gets),
        cmocka_unit_test(test_plan_workflow__the_event_and_inputs_given_decide),
        cmocka_unit_test(test_plan_workflow__errors_stand_with_their_line_before_the_push),
        cmocka_unit_test(test_plan_workflow__the_organisations_file_is_asked_after_the_repositorys),
        cmocka_unit_test(test_plan_workflow__json_holds_the_same_for_programs),
        cmocka_unit_test(test_plan_workflow__requests_are_shown_when_asked_for),
        cmocka_unit_test(test_plan_workflow__a_file_that_is_no_workflow_is_an_error),
        cmocka_unit_test(test_plan__usage_errors_exit_with_2),
        cmocka_unit_test(test_plan__labels_of_githubs_own_runners_are_not_ours_whatever_a_file_says),
        cmocka_unit_test(test_plan__online_asks_what_an_hour_costs),
        cmocka_unit_test(test_plan__several_label_sets_are_planned_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
