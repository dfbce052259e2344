/* The words of a check run: sentences for each cause, and nothing of clouds or strangers that could do harm. */
#include "server/base/mem.h"
#include "server/engine/report.h"
#include "tests/support/unit.h"

#include <stdio.h>

static const char file_text[] = "runners:\n"
                                "  - name: gpu\n"
                                "    cloud: aws\n"
                                "    region: eu-west-1\n"
                                "    instance_type: g4dn.xlarge\n"
                                "    machine_image: ami-1\n"
                                "    labels:\n"
                                "      - cirun-gpu\n";

struct scene {
    struct store_report_job job;
    struct report_attempt attempt;
    struct report_event event;
    struct report_file file;
    struct report_view v;
    struct report_words w;
    char topic[16], sha[48], repo[16], labels[64], plan[128];
};

/* A job in the given state; the test changes what it is about, then composes. */
static void scene_open(struct scene *s, enum report_phase phase, enum job_cause cause, const char *reason)
{
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->topic, sizeof(s->topic), "cirun-gpo");
    (void)snprintf(s->labels, sizeof(s->labels), "[\"cirun-gpo--1\"]");
    (void)snprintf(s->plan, sizeof(s->plan), "{\"candidates\": [{\"runner\": \"gpu\"}, {\"runner\": \"gpu\"}]}");
    s->job = (struct store_report_job){.id = 31,
                                       .queued_ms = 1000,
                                       .updated_ms = 361000,
                                       .state = JOB_QUEUED,
                                       .want = phase == REPORT_FAILING ? WANT_REFUSED : WANT_MACHINE,
                                       .name = "train",
                                       .runner_name = "",
                                       .reason = reason,
                                       .cause = {cause, 0, 0}};
    s->event = (struct report_event){1631499673000, "job.refused", reason};
    s->file.text = mem_strdup(file_text);
    s->file.yml = cirun_yml_parse(file_text, strlen(file_text), ".cirun.yml");
    s->file.at_head = true;
    s->v.phase = phase;
    s->v.jobs = &s->job;
    s->v.n_jobs = 1;
    s->v.lead = &s->job;
    s->v.lead_job.labels_json = s->labels;
    s->v.lead_job.plan_json = s->plan;
    s->v.events = &s->event;
    s->v.n_events = 1;
    s->v.file = &s->file;
}

static void scene_attempt(struct scene *s, const char *kind, const char *message)
{
    s->attempt = (struct report_attempt){.candidate = 1,
                                         .cloud = "aws",
                                         .region = "eu-west-1",
                                         .instance_type = "g4dn.xlarge",
                                         .kind = kind,
                                         .message = message,
                                         .spot = true,
                                         .last_ms = 1631499673000,
                                         .times = 3};
    s->v.attempts = &s->attempt;
    s->v.n_attempts = 1;
}

static void compose(struct scene *s)
{
    struct err e;

    report_words_clear(&s->w);
    assert_ok(report_compose(&s->v, &s->w, &e), e);
    assert_true(strlen(s->w.title) <= 90); /* 80 and a mark */
}

static void scene_close(struct scene *s)
{
    report_words_clear(&s->w);
    cirun_yml_free(s->file.yml);
    free(s->file.text);
}
#define AUTO_SCENE AUTO(scene_close)

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (text != NULL && strstr(text, part) != NULL)
        fail_msg("\"%s\" is in:\n%s", part, text);
}

static void test_report_text__a_slip_in_a_label_as_a_whole(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(
        &s, REPORT_FAILING, CAUSE_NO_RUNNER,
        "no runner of .cirun.yml has the label \"cirun-gpo--1\"; did you mean \"cirun-gpu\"?; it has: cirun-gpu");
    compose(&s);
    assert_string_equal(s.w.title, "No runner has the label cirun-gpo: did you mean cirun-gpu?");
    assert_string_equal(
        s.w.summary,
        "This job asks for a machine of ours and cannot be served.\n\n"
        "> `no runner of .cirun.yml has the label \"cirun-gpo--1\"; did you mean \"cirun-gpu\"?; it has: cirun-gpu`\n\n"
        "### What to do\n\n"
        "Either the label in `runs-on` of the workflow, or the `labels` of a runner in `.cirun.yml`, is to be changed, "
        "so that one runner has all labels of the job. `muster plan --labels LABEL` shows what a label would get.\n\n"
        "### `.cirun.yml`, line 8\n\n"
        "~~~~~~~~yaml\n"
        "     7 |     labels:\n"
        ">    8 |       - cirun-gpu\n"
        "~~~~~~~~\n\n"
        "| job | id | now |\n|---|---|---|\n| `train` | 31 | refused |\n\n"
        "While the job waits at GitHub, *Re-run* (or the button *Try again*) has it decided anew. A change of "
        "`.cirun.yml` counts for the runs of the commit that brings it.\n");
    assert_has(s.w.text, "### Timeline of job 31 (UTC)\n\n- 2021-09-13T02:21:13 job.refused `no runner of .cirun.yml");
    assert_int_equal(s.w.n_annotations, 1);
    assert_int_equal(s.w.annotations[0].line, 8);
    assert_int_equal(s.w.annotations[0].column, 9);
    assert_string_equal(s.w.status, "completed");
    assert_string_equal(s.w.conclusion, "failure");
}

static void test_report_text__a_label_without_a_neighbour_points_at_the_first_runner(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s, REPORT_FAILING, CAUSE_NO_RUNNER, "no runner of .cirun.yml has the label \"cirun-tpu\"; it has: x");
    compose(&s);
    assert_string_equal(s.w.title, "No runner has the label cirun-tpu");
    assert_int_equal(s.w.annotations[0].line, 2);
    s.job.reason = "no runner of .cirun.yml or .cirun.global.yml has all of the job's labels at once";
    compose(&s);
    assert_string_equal(s.w.title, "No runner of .cirun.yml has all labels of the job");
}

static void test_report_text__each_cause_has_its_title_and_its_remedy(void **state)
{
    static const struct {
        enum report_phase phase;
        enum job_cause cause;
        const char *reason, *title, *remedy;
    } cases[] = {
        {REPORT_FAILING, CAUSE_NO_FILE, "none", "There is no .cirun.yml at this commit", "Add a `.cirun.yml`"},
        {REPORT_FAILING, CAUSE_BAD_FILE, ".cirun.yml:3:5: unknown cloud", ".cirun.yml, line 3: unknown cloud",
         "muster check"},
        {REPORT_FAILING, CAUSE_FORK, "a fork", "Denied: runs from a fork get no machine here", "policy.fork_jobs"},
        {REPORT_FAILING, CAUSE_ACCESS, "bob is not in team ml", "Denied: bob is not in team ml", ".access.yml"},
        {REPORT_FAILING, CAUSE_POLICY, "region x is not allowed", "Denied: region x is not allowed", "the operator"},
        {REPORT_FAILING, CAUSE_UNSUPPORTED, "Linux only", "No machine: Linux only", "an image of Linux"},
        {REPORT_FAILING, CAUSE_BOOT, "6 machines", "Machines were launched, and none took the job", "boot_deadline"},
        {REPORT_WAITING, CAUSE_LIMIT, "20 machines of this repository run",
         "Waiting for its turn: 20 machines of this repository run", "limits"},
        {REPORT_WAITING, CAUSE_UNDECIDED, "timeout", "Waiting for GitHub to tell what applies to this job",
         "permissions"},
        {REPORT_WAITING, CAUSE_RUNNER, "403", "Waiting for GitHub to register a runner", "Administration: write"},
        {REPORT_WAITING, CAUSE_NONE, "", "Waiting for its machine", "Nothing needs to be done"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_SCENE struct scene s;

        scene_open(&s, cases[i].phase, cases[i].cause, cases[i].reason);
        s.job.cause.line = cases[i].cause == CAUSE_BAD_FILE ? 3 : 0;
        compose(&s);
        assert_string_equal(s.w.title, cases[i].title);
        assert_has(s.w.summary, cases[i].remedy);
        assert_string_equal(s.w.status, cases[i].phase == REPORT_WAITING ? "in_progress" : "completed");
        assert_true((s.w.conclusion == NULL) == (cases[i].phase == REPORT_WAITING));
    }
}

static void test_report_text__each_answer_of_a_cloud_has_its_words(void **state)
{
    static const struct {
        const char *kind, *message, *title, *remedy;
    } cases[] = {
        {"capacity", "none", "Waiting for capacity: candidate 2 of 2 (aws eu-west-1 g4dn.xlarge)", "More candidates"},
        {"quota", "0 vCPU", "Waiting for quota: candidate 2 of 2 (aws eu-west-1 g4dn.xlarge)",
         "*All G and VT Spot Instance Requests* in eu-west-1"},
        {"auth", "denied", "Waiting for credentials: candidate 2 of 2 (aws eu-west-1 g4dn.xlarge)", "its operator"},
        {"throttled", "slow", "Waiting for a pause of the cloud: candidate 2 of 2 (aws eu-west-1 g4dn.xlarge)",
         "fewer requests"},
        {"boot", "gone", "Waiting for a machine that boots: candidate 2 of 2 (aws eu-west-1 g4dn.xlarge)",
         "before it took the job"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_SCENE struct scene s;

        scene_open(&s, REPORT_WAITING, CAUSE_CANDIDATES, "candidate 2: no");
        scene_attempt(&s, cases[i].kind, cases[i].message);
        compose(&s);
        assert_string_equal(s.w.title, cases[i].title);
        assert_has(s.w.summary, cases[i].remedy);
        assert_has(s.w.summary, "| 2 | `aws` | `eu-west-1` | `g4dn.xlarge` | spot | ");
        assert_has(s.w.summary, ">    2 |   - name: gpu");
    }
}

static void test_report_text__a_missing_image_has_a_remedy_of_its_own(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s, REPORT_FAILING, CAUSE_CANDIDATES, "candidate 2: no");
    scene_attempt(&s, "invalid", "InvalidAMIID.NotFound: the image id '[ami-1]' does not exist");
    compose(&s);
    assert_has(s.w.title, "aws refuses: InvalidAMIID.NotFound");
    assert_has(s.w.summary, "Mend `machine_image`");
    scene_attempt(&s, "invalid", "Unsupported: the instance type is unknown");
    compose(&s);
    assert_has(s.w.summary, "an instance type, region or setting does not exist there");
}

static void test_report_text__how_it_went_on_is_neutral(void **state)
{
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s, REPORT_STARTED, CAUSE_NONE, "");
    s.job.state = JOB_RUNNING;
    compose(&s);
    assert_string_equal(s.w.title, "Started after 6 min");
    assert_string_equal(s.w.conclusion, "neutral");
    s.v.phase = REPORT_ENDED;
    compose(&s);
    assert_string_equal(s.w.conclusion, "neutral");
    assert_int_equal(s.w.n_annotations, 0);
}

static void test_report_text__what_a_cloud_says_shows_no_account_and_no_secret(void **state)
{
    AUTO_SECRET struct secret *own = secret_new("our-hook-secret", 15);
    const struct secret *secrets[] = {own};
    AUTO_SCENE struct scene s;
    static const char said[] =
        "arn:aws:iam::123456789012:user/bob with AKIAIOSFODNN7EXAMPLE may not use subnet-0a1b2c3d4e; our-hook-secret";
    static const char *const never[] = {"123456789012", "AKIA", "subnet-0a", "our-hook-secret", "user/bob"};

    (void)state;
    scene_open(&s, REPORT_FAILING, CAUSE_POLICY, said);
    scene_attempt(&s, "auth", said);
    s.v.secrets = secrets;
    s.v.n_secrets = 1;
    compose(&s);
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        assert_lacks(s.w.title, never[i]);
        assert_lacks(s.w.summary, never[i]);
        assert_lacks(s.w.text, never[i]);
        assert_lacks(s.w.annotations[0].message, never[i]);
    }
}

static void test_report_text__a_strangers_markdown_stays_text(void **state)
{
    AUTO_SCENE struct scene s;
    static const char evil[] = "`\n# Hi @octocat | ![x](http://evil/x.png) <b>~~~~~~~~";

    (void)state;
    scene_open(&s, REPORT_FAILING, CAUSE_ACCESS, evil);
    s.job.name = evil;
    scene_attempt(&s, "auth", evil);
    compose(&s);
    assert_lacks(s.w.title, "@octocat");
    assert_lacks(s.w.annotations[0].message, "@octocat");
    assert_lacks(s.w.summary, "\n# Hi");
    assert_has(s.w.summary, "| `' # Hi @octocat ¦ ![x](http://evil/x.png) <b>~~~~~~~~` | 31 |");
}

static void test_report_text__counts_and_times_are_no_news_and_kinds_are(void **state)
{
    AUTO_SCENE struct scene s;
    char first[72];

    (void)state;
    scene_open(&s, REPORT_WAITING, CAUSE_CANDIDATES, "candidate 2: no");
    scene_attempt(&s, "capacity", "none");
    compose(&s);
    (void)snprintf(first, sizeof(first), "%s", s.w.said);
    s.attempt.times = 9;
    s.attempt.last_ms += 99;
    compose(&s);
    assert_string_equal(s.w.said, first);
    s.attempt.kind = "quota";
    compose(&s);
    assert_string_not_equal(s.w.said, first);
}

static void test_report_text__at_most_fifty_annotations_errors_first(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    AUTO_SCENE struct scene s;

    (void)state;
    scene_open(&s, REPORT_FAILING, CAUSE_BAD_FILE, ".cirun.yml:2:5: bad");
    buf_adds(&text, "hm: 1\nrunners:\n");
    for (int i = 0; i < 80; i++)
        buf_adds(&text, "  - 5\n");
    cirun_yml_free(s.file.yml);
    s.file.yml = cirun_yml_parse(text.p, text.len, ".cirun.yml");
    compose(&s);
    assert_int_equal(s.w.n_annotations, GITHUB_CHECK_ANNOTATIONS);
    assert_int_equal(s.w.annotations[0].line, 3);
    assert_string_equal(s.w.annotations[0].level, "failure");
    s.file.at_head = false; /* another branch's file: the lines are not this commit's */
    compose(&s);
    assert_int_equal(s.w.n_annotations, 0);
}

static void test_report_text__names_and_quotas(void **state)
{
    char name[96];

    (void)state;
    report_name("", name);
    assert_string_equal(name, "muster");
    report_name("*", name);
    assert_string_equal(name, "muster / more jobs");
    report_name("cirun-gpu, linux", name);
    assert_string_equal(name, "muster / cirun-gpu, linux");
    assert_string_equal(report_aws_quota("p4d.24xlarge", false), "Running On-Demand P instances");
    assert_string_equal(report_aws_quota("vt1.3xlarge", false), "Running On-Demand G and VT instances");
    assert_non_null(strstr(report_aws_quota("m5.large", true), "Standard"));
    assert_null(report_aws_quota("", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_text__a_slip_in_a_label_as_a_whole),
        cmocka_unit_test(test_report_text__a_label_without_a_neighbour_points_at_the_first_runner),
        cmocka_unit_test(test_report_text__each_cause_has_its_title_and_its_remedy),
        cmocka_unit_test(test_report_text__each_answer_of_a_cloud_has_its_words),
        cmocka_unit_test(test_report_text__a_missing_image_has_a_remedy_of_its_own),
        cmocka_unit_test(test_report_text__how_it_went_on_is_neutral),
        cmocka_unit_test(test_report_text__what_a_cloud_says_shows_no_account_and_no_secret),
        cmocka_unit_test(test_report_text__a_strangers_markdown_stays_text),
        cmocka_unit_test(test_report_text__counts_and_times_are_no_news_and_kinds_are),
        cmocka_unit_test(test_report_text__at_most_fifty_annotations_errors_first),
        cmocka_unit_test(test_report_text__names_and_quotas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
