/*
 * GitHub fails: each call that the engine makes, with each fault, for an hour and more, while jobs are queued, machines
 * boot, work and end. Nothing is lost, nothing is hammered, nobody's job is killed, all comes back by itself, and who
 * waits is told why.
 */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"
#include "tests/support/sanitized.h"

#include <stdio.h>
#include <string.h>

#define MINUTE ((int64_t)60 * 1000)
#define OUTAGE_MIN 70
#define MOST_CALLS 150 /* of one op in an outage */
#define AUTO_J AUTO_JOB struct job

struct fault {
    const char *name;
    enum sim_fault_kind kind;
    int status;
    const char *body, *type;
    int retry_after_s;
    const char *says; /* a person reads it where a job waits; NULL = whatever */
};

static const struct fault faults[] = {
    {.name = "502 as a web page",
     .kind = SIM_FAULT_STATUS,
     .status = 502,
     .body = "<html><title>Unicorn!</title></html>",
     .type = "text/html",
     .says = "502"},
    {.name = "503 with Retry-After", .kind = SIM_FAULT_STATUS, .status = 503, .retry_after_s = 120, .says = "503"},
    {.name = "200 as a web page",
     .kind = SIM_FAULT_STATUS,
     .status = 200,
     .body = "<html>Sign in to the proxy</html>",
     .type = "text/html"},
    {.name = "200 with other JSON", .kind = SIM_FAULT_STATUS, .status = 200, .body = "{\"ok\":[1,{}]}"},
    {.name = "a broken connection", .kind = SIM_FAULT_RESET_BEFORE},
    {.name = "half an answer", .kind = SIM_FAULT_TRUNCATE},
    {.name = "a missing permission",
     .kind = SIM_FAULT_STATUS,
     .status = 403,
     .body = "{\"message\":\"Resource not accessible by integration\"}",
     .says = "permission"},
    {.name = "a suspended installation",
     .kind = SIM_FAULT_STATUS,
     .status = 403,
     .body = "{\"message\":\"This installation has been suspended\"}",
     .says = "suspended"},
    {.name = "revoked tokens",
     .kind = SIM_FAULT_STATUS,
     .status = 401,
     .body = "{\"message\":\"Bad credentials\"}",
     .says = "401"},
    {.name = "404 for all",
     .kind = SIM_FAULT_STATUS,
     .status = 404,
     .body = "{\"message\":\"Not Found\"}",
     .says = "404"},
    {.name = "a rate limit",
     .kind = SIM_FAULT_STATUS,
     .status = 429,
     .body = "{\"message\":\"You have exceeded a secondary rate limit\"}",
     .retry_after_s = 300,
     .says = "rate"},
};

struct call {
    const char *op;
    bool holds_up;   /* a queued job waits for it, and says so */
    bool is_answer;  /* 404 is an answer there: there is no file, no such runner */
    bool is_at_work; /* it is made while a machine has its job, too */
};

static const struct call calls[] = {
    {SIM_GH_TOKEN, true, false, true},    {SIM_GH_RUN, true, false, false},
    {SIM_GH_CONTENTS, true, true, false}, {SIM_GH_JITCONFIG, true, false, false},
    {SIM_GH_RUNNERS, false, false, true}, {SIM_GH_RUNNER_DELETE, false, true, true},
    {SIM_GH_JOB, false, true, true},      {SIM_GH_CHECK_CREATE, false, false, false},
};

/* One story: what is at stake, for the message when it goes wrong. */
struct story {
    struct bed *w;
    const struct call *call;
    const struct fault *fault;
    int64_t job;
};

static void hold(const struct story *s, bool ok, const char *what)
{
    if (!ok)
        fail_msg("%s, %s: %s", s->call->op, s->fault->name, what);
}

static void begin_outage(const struct story *s)
{
    const struct fault *f = s->fault;

    sim_http_fault(sim_github_http(s->w->gh), &(struct sim_fault){.op = s->call->op,
                                                                  .kind = f->kind,
                                                                  .status = f->status,
                                                                  .body = f->body,
                                                                  .content_type = f->type,
                                                                  .retry_after_s = f->retry_after_s,
                                                                  .probability = 1});
}

static void end_outage(const struct story *s)
{
    sim_http_faults_clear(sim_github_http(s->w->gh));
}

static void pass(const struct story *s, int minutes)
{
    for (int i = 0; i < minutes; i += 2)
        bed_pass(s->w, 2 * MINUTE);
}

static void assert_not_hammered(const struct story *s, size_t before)
{
    char what[80];
    size_t n = bed_asked(s->w, s->call->op) - before;

    (void)snprintf(what, sizeof(what), "%zu calls in %d minutes", n, OUTAGE_MIN);
    hold(s, n <= MOST_CALLS, what);
}

static bool is_decided(const struct story *s)
{
    return s->call->holds_up && s->call->is_answer && s->fault->status == 404;
}

/* Queued while GitHub fails: it waits, is told why, and is not given up. */
static void queue_in_outage(const struct story *s)
{
    AUTO_J j = {0};
    size_t before = bed_asked(s->w, s->call->op);
    int64_t want;

    begin_outage(s);
    bed_deliver(s->w, s->job, JOB_QUEUED, "cirun-one", NULL);
    pass(s, OUTAGE_MIN);
    assert_not_hammered(s, before);
    want = bed_number(s->w, "SELECT want FROM job WHERE id = $1", s->job);
    bed_wait_want(s->w, s->job, (enum job_want)want, &j);
    hold(s, want == WANT_MACHINE || want == WANT_UNDECIDED || is_decided(s), "the job was given up");
    if (s->call->holds_up) {
        hold(s, j.reason != NULL && j.reason[0] != '\0', "nobody says why the job waits");
        hold(s, s->fault->says == NULL || is_decided(s) || strcasestr(j.reason, s->fault->says) != NULL, j.reason);
        hold(s, memcloud_made(s->w->aws) == 0, "a machine was made all the same");
    }
    end_outage(s);
}

static size_t newest_live(const struct story *s)
{
    struct memcloud_box boxes[MEMCLOUD_MAX];
    size_t n = memcloud_boxes(s->w->aws, boxes);

    for (size_t i = n; i > 0; i--) {
        if (boxes[i - 1].live)
            return i - 1;
    }
    return SIZE_MAX;
}

/* GitHub is back: the job has its machine before long, without a hand. */
static int64_t serve(const struct story *s)
{
    char name[64];
    int64_t runner;

    for (int i = 0; i < 40 && newest_live(s) == SIZE_MAX; i++)
        bed_pass(s->w, MINUTE);
    hold(s, newest_live(s) != SIZE_MAX, "no machine comes after the outage");
    runner = bed_boot(s->w, s->w->aws, newest_live(s));
    hold(s, sim_github_wait_job(s->w->gh, s->job, SIM_JOB_IN_PROGRESS, BED_WAIT_MS), "the job did not start");
    (void)snprintf(name, sizeof(name), "%s", bed_call(s->w->aws, newest_live(s)).name);
    bed_deliver(s->w, s->job, JOB_RUNNING, "cirun-one", name);
    return runner;
}

/* At work while GitHub fails: it lives. Then its completion is never told. */
static void work_in_outage(const struct story *s, int64_t runner)
{
    size_t before = bed_asked(s->w, s->call->op), i = newest_live(s);
    struct memcloud_box boxes[MEMCLOUD_MAX];

    begin_outage(s);
    pass(s, OUTAGE_MIN);
    (void)memcloud_boxes(s->w->aws, boxes);
    hold(s, boxes[i].live, "a machine was ended under its job");
    assert_not_hammered(s, before);
    sim_github_runner_finish(s->w->gh, runner, "success");
    pass(s, OUTAGE_MIN / 2);
    end_outage(s);
}

static void work(const struct story *s, int64_t runner)
{
    if (s->call->is_at_work) {
        work_in_outage(s, runner);
        return;
    }
    sim_github_runner_finish(s->w->gh, runner, "success");
    bed_deliver(s->w, s->job, JOB_DONE, "cirun-one", bed_call(s->w->aws, newest_live(s)).name);
}

static void all_ends(const struct story *s)
{
    struct sim_github_stats stats;

    for (int i = 0; i < 90 && bed_number(s->w, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0", 0) > 0; i++)
        bed_pass(s->w, MINUTE);
    hold(s, memcloud_live(s->w->aws) == 0, "a machine lives on for nobody");
    hold(s, bed_number(s->w, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0", 0) == 0, "a record is open");
    hold(s, bed_number(s->w, "SELECT state FROM job WHERE id = $1", s->job) == JOB_DONE, "its job runs for ever");
    sim_github_stats(s->w->gh, &stats);
    hold(s,
         stats.runners == 0 || s->call->op == NULL || strcmp(s->call->op, SIM_GH_RUNNER_DELETE) == 0 ||
             strcmp(s->call->op, SIM_GH_TOKEN) == 0,
         "a runner is left");
}

static void run(void **state, const struct call *call, const struct fault *fault)
{
    struct story s = {.call = call, .fault = fault};

    assert_int_equal(bed_setup(state), 0);
    s.w = *state;
    s.job = bed_create_job(s.w, &(struct sim_job_spec){0}, "cirun-one");
    queue_in_outage(&s);
    if (is_decided(&s)) {
        sim_github_job_cancel(s.w->gh, s.job);
    } else {
        work(&s, serve(&s));
        all_ends(&s);
    }
    assert_int_equal(bed_teardown(state), 0);
}

static void each_fault(void **state, const char *op)
{
    for (size_t k = 0; k < ARRAY_LEN(calls); k++) {
        for (size_t i = SANITIZED ? k % 2 : 0; strcmp(calls[k].op, op) == 0 && i < ARRAY_LEN(faults);
             i += SANITIZED ? 2 : 1)
            run(state, &calls[k], &faults[i]);
    }
}

#define STORY(name, op)                                                                                                \
    static void test_github__##name(void **state)                                                                      \
    {                                                                                                                  \
        each_fault(state, op);                                                                                         \
    }

STORY(tokens_that_are_not_given_lose_nothing, SIM_GH_TOKEN)
STORY(runs_that_cannot_be_read_lose_nothing, SIM_GH_RUN)
STORY(files_that_cannot_be_read_lose_nothing, SIM_GH_CONTENTS)
STORY(runner_configurations_that_are_not_given_lose_nothing, SIM_GH_JITCONFIG)
STORY(runners_that_cannot_be_asked_about_end_nobody, SIM_GH_RUNNERS)
STORY(runners_that_cannot_be_removed_keep_nothing_alive, SIM_GH_RUNNER_DELETE)
STORY(jobs_that_cannot_be_asked_about_end_nobody, SIM_GH_JOB)
STORY(check_runs_that_cannot_be_written_delay_nobody, SIM_GH_CHECK_CREATE)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github__tokens_that_are_not_given_lose_nothing),
        cmocka_unit_test(test_github__runs_that_cannot_be_read_lose_nothing),
        cmocka_unit_test(test_github__files_that_cannot_be_read_lose_nothing),
        cmocka_unit_test(test_github__runner_configurations_that_are_not_given_lose_nothing),
        cmocka_unit_test(test_github__runners_that_cannot_be_asked_about_end_nobody),
        cmocka_unit_test(test_github__runners_that_cannot_be_removed_keep_nothing_alive),
        cmocka_unit_test(test_github__jobs_that_cannot_be_asked_about_end_nobody),
        cmocka_unit_test(test_github__check_runs_that_cannot_be_written_delay_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
