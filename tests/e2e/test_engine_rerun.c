/* Reclaimed spot: the jobs whose machine was taken back run again when their run has ended. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/store/store_rerun.h"
#include "tests/sim/sim_github_rerun.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define LABEL "spot"
#define PERMISSIONS(actions)                                                                                           \
    "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"" actions                                       \
    "\",\"metadata\":\"read\",\"checks\":\"write\"}"
#define EVENTS(kind) "SELECT count(*) FROM event WHERE job_id = $1 AND kind = '" kind "'"

static const char file_text[] =
    "runners:\n"
    "  - {name: s, cloud: aws, region: r, machine_image: img, labels: [spot], instance_type: cheap,\n"
    "     preemptible: true, muster: {rerun_interrupted: 2}}\n"
    "  - {name: m, cloud: aws, region: r, machine_image: img, labels: [mixed], instance_type: [cheap, big],\n"
    "     preemptible: [true, false], muster: {rerun_interrupted: 3}}\n"
    "  - {name: n, cloud: aws, region: r, machine_image: img, labels: [never], instance_type: cheap,\n"
    "     preemptible: true}\n";

static struct bed *ready(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", file_text);
    sim_github_permissions(w->gh, 7, PERMISSIONS("write"));
    return w;
}

/* A job as GitHub has it now is told to the engine. */
static void tell(struct bed *w, int64_t id, const char *label, const char *name)
{
    static const enum job_state states[] = {JOB_WAITING, JOB_QUEUED, JOB_RUNNING, JOB_DONE};
    struct sim_job_info info;
    struct deliver_event ev = {.job_id = id, .repo_id = BED_REPO_ID, .repo = BED_REPO, .label = label, .name = name};

    assert_true(sim_github_job(w->gh, id, &info));
    ev.run_id = info.run_id;
    ev.attempt = info.attempt;
    ev.state = states[info.state];
    ev.runner = info.runner_name[0] != '\0' ? info.runner_name : NULL;
    ev.conclusion = info.conclusion[0] != '\0' ? info.conclusion : NULL;
    deliver(w->g, &ev);
}

/* A job at GitHub, and told; run_id 0 = of a run of its own. */
static int64_t queue(struct bed *w, const char *name, int64_t run_id, const char *label)
{
    int64_t id = bed_create_job(w, &(struct sim_job_spec){.name = name, .run_id = run_id}, label);

    tell(w, id, label, name);
    return id;
}

static void deaf(void *arg, int64_t runner_id, int64_t job_id)
{
    (void)arg;
    (void)runner_id;
    (void)job_id;
}

/* The newest machine's runner comes on line and takes a job; the job it took. */
struct taken {
    int64_t job_id, runner_id;
    char machine[64];
};

static struct taken take(struct bed *w, const char *label, const char *name)
{
    struct memcloud_box boxes[MEMCLOUD_MAX];
    struct taken t = {0, 0, ""};
    struct sim_run_info run;
    size_t n;
    struct err e;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w)); /* its launch is on record */
    n = memcloud_boxes(w->aws, boxes);
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *jit = NULL;

        if (!boxes[i].live)
            continue;
        jit = bed_jit_of(boxes[i].user_data);
        memcpy(t.machine, boxes[i].name, sizeof(t.machine));
        assert_int_equal(sim_github_runner_online(w->gh, jit, deaf, NULL, &t.runner_id, &e), 0);
    }
    for (int64_t run_id = 9100000000; t.job_id == 0 && sim_github_run_get(w->gh, run_id, &run); run_id++) {
        for (size_t i = 0; i < run.n_jobs; i++) {
            struct sim_job_info info;

            if (sim_github_job(w->gh, run.jobs[i], &info) && info.state == SIM_JOB_IN_PROGRESS &&
                strcmp(info.runner_name, t.machine) == 0)
                t.job_id = run.jobs[i];
        }
    }
    assert_true(t.job_id > 0);
    tell(w, t.job_id, label, name);
    assert_true(bed_settle(w));
    return t;
}

static void fails(struct bed *w, const struct taken *t, const char *label, const char *name)
{
    sim_github_runner_finish(w->gh, t->runner_id, "failure");
    tell(w, t->job_id, label, name);
}

/* Taken back without a warning: we see it before GitHub does. */
static void interrupt(struct bed *w, const struct taken *t, const char *label, const char *name)
{
    memcloud_reclaim(w->aws, t->machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM interruption WHERE job_id = $1", t->job_id), 1);
    fails(w, t, label, name);
}

static int64_t run_of(struct bed *w, int64_t job_id)
{
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, job_id, &info));
    return info.run_id;
}

static int attempt_of(struct bed *w, int64_t job_id)
{
    struct sim_run_info run;

    assert_true(sim_github_run_get(w->gh, run_of(w, job_id), &run));
    return run.attempt;
}

/* The job's successor in the newest attempt, queued, told to the engine. */
static int64_t again(struct bed *w, int64_t job_id, size_t at, const char *label, const char *name)
{
    struct sim_run_info run;

    assert_true(sim_github_run_get(w->gh, run_of(w, job_id), &run));
    assert_true(at < run.n_jobs);
    assert_true(run.jobs[at] != job_id);
    tell(w, run.jobs[at], label, name);
    assert_true(bed_settle(w));
    return run.jobs[at];
}

struct seen {
    int64_t job_id;
    enum rerun_state state;
    char outcome[16], detail[400];
};

static int see(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct seen *s = arg;

    (void)n;
    (void)e;
    s->state = (enum rerun_state)c[0].i;
    (void)snprintf(s->outcome, sizeof(s->outcome), "%s", c[1].s);
    (void)snprintf(s->detail, sizeof(s->detail), "%s", c[2].s);
    return 0;
}

static struct seen row_of(struct bed *w, int64_t job_id)
{
    struct db_val v = DB_I(job_id);
    struct seen s = {job_id, RERUN_WAITS, "none", ""};
    struct err e;

    assert_int_equal(db_sqlite.exec(w->db, "SELECT state, outcome, detail FROM interruption WHERE job_id = $1", &v, 1,
                                    see, &s, NULL, &e),
                     0);
    return s;
}

static void assert_outcome(struct bed *w, int64_t job_id, enum rerun_state state, const char *outcome)
{
    struct seen s = row_of(w, job_id);

    if (strcmp(s.outcome, outcome) != 0 || s.state != state)
        fail_msg("job %lld: state %d, outcome \"%s\" (%s); expected %d, \"%s\"", (long long)job_id, (int)s.state,
                 s.outcome, s.detail, (int)state, outcome);
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_rerun__a_job_whose_machine_was_taken_back_runs_again_when_its_run_has_ended(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");
    int64_t next;

    assert_int_equal(t.job_id, id);
    interrupt(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    assert_int_equal(attempt_of(w, id), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
    assert_outcome(w, id, RERUN_DONE, "accepted");
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
    assert_int_equal(bed_number(w, EVENTS("run.rerun"), id), 1);
    next = again(w, id, 0, LABEL, "train");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_call(w->aws, 1).spot); /* the first time it may be spot again */
    t = take(w, LABEL, "train");
    assert_int_equal(t.job_id, next);
}

static void test_rerun__a_runner_that_had_time_to_fail_its_job_was_interrupted_all_the_same(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    fails(w, &t, LABEL, "train"); /* the event comes long before anybody looks at the machine */
    bed_pass(w, 5000);
    bed_pass(w, 2 * MINUTE);
    assert_int_equal(attempt_of(w, id), 2);
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
}

static void test_rerun__a_job_that_failed_by_itself_is_left_alone(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    fails(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    assert_int_equal(attempt_of(w, id), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM interruption WHERE job_id >= $1", 0), 0);
}

static void test_rerun__a_machine_that_powered_itself_off_was_not_taken_back(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    memcloud_stop(w->aws, t.machine);
    bed_pass(w, 6 * MINUTE);
    fails(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    assert_int_equal(attempt_of(w, id), 1);
}

static void test_rerun__spot_that_vanished_without_a_word_counts_as_taken_back(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    memcloud_lose(w->aws, t.machine);
    bed_pass(w, 6 * MINUTE);
    fails(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    assert_int_equal(attempt_of(w, id), 2);
}

static void test_rerun__without_the_setting_the_timeline_says_what_happened_and_nothing_is_asked(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, "never");
    struct taken t = take(w, "never", "train");

    interrupt(w, &t, "never", "train");
    bed_pass(w, HOUR);
    assert_int_equal(attempt_of(w, id), 1);
    assert_outcome(w, id, RERUN_OVER, "off");
    assert_int_equal(bed_number(w, EVENTS("job.interrupted"), id), 1);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED) + bed_asked(w, SIM_GH_RERUN_JOB), 0);
}

static void test_rerun__from_the_second_time_on_without_spot_and_never_more_often_than_asked(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL), second, third;
    struct taken t = take(w, LABEL, "train");

    interrupt(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    second = again(w, id, 0, LABEL, "train");
    t = take(w, LABEL, "train");
    assert_true(bed_call(w->aws, 1).spot);
    interrupt(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    assert_outcome(w, second, RERUN_DONE, "accepted");
    third = again(w, second, 0, LABEL, "train");
    t = take(w, LABEL, "train");
    assert_false(bed_call(w->aws, 2).spot);
    assert_string_equal(bed_call(w->aws, 2).instance_type, "cheap");
    assert_int_equal(bed_number(w, EVENTS("spot.avoided"), third), 1);
    /* the cloud says so, so it was; on demand too */
    interrupt(w, &t, LABEL, "train");
    bed_pass(w, HOUR);
    assert_outcome(w, third, RERUN_OVER, "limit");
    assert_int_equal(attempt_of(w, id), 3);
}

static void test_rerun__other_candidates_are_taken_where_there_are_some(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, "mixed");
    struct taken t = take(w, "mixed", "train");

    interrupt(w, &t, "mixed", "train");
    bed_pass(w, 5000);
    id = again(w, id, 0, "mixed", "train");
    t = take(w, "mixed", "train");
    assert_true(bed_call(w->aws, 1).spot);
    interrupt(w, &t, "mixed", "train");
    bed_pass(w, 5000);
    (void)again(w, id, 0, "mixed", "train");
    (void)take(w, "mixed", "train");
    assert_false(bed_call(w->aws, 2).spot);
    assert_string_equal(bed_call(w->aws, 2).instance_type, "big");
}

static void test_rerun__a_run_that_goes_on_for_hours_is_waited_for_with_few_questions(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");
    int64_t other =
        bed_create_job(w, &(struct sim_job_spec){.name = "long", .run_id = run_of(w, id), .silent = true}, "elsewhere");
    size_t asked;

    interrupt(w, &t, LABEL, "train");
    asked = bed_asked(w, SIM_GH_RUN);
    for (int i = 0; i < 48; i++)
        bed_pass(w, 15 * MINUTE);
    assert_int_equal(attempt_of(w, id), 1);
    assert_outcome(w, id, RERUN_WAITS, "");
    assert_in_range(bed_asked(w, SIM_GH_RUN) - asked, 5, 60);
    sim_github_job_cancel(w->gh, other);
    bed_pass(w, 16 * MINUTE);
    /* cancelled beside a failure: the run has failed, and all that did not end well runs again */
    assert_int_equal(attempt_of(w, id), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
}

static void test_rerun__beside_a_job_that_failed_by_itself_only_the_interrupted_one_runs_again(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL), other, next;
    struct taken t = take(w, LABEL, "train"), u;
    struct sim_run_info run;
    struct sim_job_info info;

    interrupt(w, &t, LABEL, "train"); /* while the other one waits for its machine */
    other = queue(w, "lint", run_of(w, id), LABEL);
    u = take(w, LABEL, "lint");
    assert_int_equal(u.job_id, other);
    fails(w, &u, LABEL, "lint");
    bed_pass(w, 5000);
    bed_pass(w, 5 * MINUTE);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_JOB), 1);
    assert_true(sim_github_run_get(w->gh, run_of(w, id), &run));
    assert_int_equal(run.attempt, 2);
    next = again(w, id, 0, LABEL, "train");
    assert_true(sim_github_job(w->gh, next, &info));
    assert_int_equal(info.state, SIM_JOB_QUEUED);
    assert_true(sim_github_job(w->gh, run.jobs[1], &info));
    assert_int_equal(info.state, SIM_JOB_COMPLETED);
}

/* Two interrupted, one failed by itself: one after the other, each in an attempt of its own. */
static void test_rerun__two_interrupted_beside_a_real_failure_run_again_one_after_the_other(void **state)
{
    struct bed *w = ready(state);
    int64_t a = queue(w, "a", 0, LABEL), b, c, next;
    struct taken t = take(w, LABEL, "a");

    interrupt(w, &t, LABEL, "a");
    b = queue(w, "b", run_of(w, a), LABEL);
    t = take(w, LABEL, "b");
    /* GitHub's run is not over before the third job is */
    c = bed_create_job(w, &(struct sim_job_spec){.name = "c", .run_id = run_of(w, a), .silent = true}, LABEL);
    interrupt(w, &t, LABEL, "b");
    tell(w, c, LABEL, "c");
    t = take(w, LABEL, "c");
    assert_int_equal(t.job_id, c);
    fails(w, &t, LABEL, "c");
    bed_pass(w, 5000);
    bed_pass(w, 10 * MINUTE);
    assert_int_equal(attempt_of(w, a), 2);
    assert_outcome(w, a, RERUN_DONE, "accepted");
    assert_outcome(w, b, RERUN_WAITS, "");
    next = again(w, a, 0, LABEL, "a");
    t = take(w, LABEL, "a");
    assert_int_equal(t.job_id, next);
    sim_github_runner_finish(w->gh, t.runner_id, "success");
    tell(w, next, LABEL, "a");
    bed_pass(w, 5000);
    bed_pass(w, 10 * MINUTE);
    assert_int_equal(attempt_of(w, a), 3);
    assert_outcome(w, b, RERUN_DONE, "accepted");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_JOB), 2);
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    next = again(w, b, 1, LABEL, "b");
    t = take(w, LABEL, "b");
    assert_int_equal(t.job_id, next);
}

static void test_rerun__a_run_that_a_person_cancelled_is_not_run_again(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    (void)bed_create_job(w, &(struct sim_job_spec){.name = "x", .run_id = run_of(w, id), .silent = true}, "elsewhere");
    interrupt(w, &t, LABEL, "train");
    sim_github_run_cancel(w->gh, run_of(w, id));
    bed_pass(w, 20 * MINUTE);
    assert_int_equal(attempt_of(w, id), 1);
    assert_outcome(w, id, RERUN_OVER, "cancelled");
    assert_int_equal(bed_number(w, EVENTS("run.left"), id), 1);
}

static void test_rerun__a_person_who_was_faster_is_not_doubled(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    sim_github_runner_finish(w->gh, t.runner_id, "failure");
    assert_true(sim_github_run_again(w->gh, run_of(w, id)));
    tell(w, id, LABEL, "train");
    bed_pass(w, 5000);
    bed_pass(w, HOUR);
    assert_int_equal(attempt_of(w, id), 2);
    assert_outcome(w, id, RERUN_OVER, "overtaken");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
}

static void test_rerun__a_missing_permission_is_said_once_with_the_remedy_and_never_hammered(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");
    AUTO(sim_check_clear) struct sim_check check = {0};
    size_t tokens;

    sim_github_permissions(w->gh, 7, PERMISSIONS("read"));
    interrupt(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    assert_outcome(w, id, RERUN_OVER, "forbidden");
    assert_int_equal(sim_http_violations(sim_github_http(w->gh)), 1); /* asked for a token once */
    assert_non_null(strstr(row_of(w, id).detail, "Actions: read and write"));
    tokens = bed_asked(w, SIM_GH_TOKEN);
    bed_pass(w, HOUR);
    bed_pass(w, HOUR);
    assert_true(bed_asked(w, SIM_GH_TOKEN) <= tokens + 2); /* others' tokens grow old */
    assert_int_equal(sim_http_violations(sim_github_http(w->gh)), 1);
    sim_http_violations_clear(sim_github_http(w->gh));
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 0);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.conclusion, "neutral");
    assert_non_null(strstr(check.title, "not run again"));
    assert_non_null(strstr(check.summary, "Actions: read and write"));
}

static void test_rerun__the_pull_request_is_told_before_and_after(void **state)
{
    struct bed *w = ready(state);
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");
    AUTO(sim_check_clear) struct sim_check check = {0};

    memcloud_reclaim(w->aws, t.machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    bed_pass(w, 5000);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.status, "in_progress");
    assert_non_null(strstr(check.title, "taken back by aws: the job will run again, 1 of 2"));
    fails(w, &t, LABEL, "train");
    bed_pass(w, 5000);
    bed_pass(w, 5000);
    assert_true(sim_github_check(w->gh, 0, &check));
    assert_string_equal(check.status, "completed");
    assert_non_null(strstr(check.title, "the job runs again, 1 of 2"));
    assert_int_equal(attempt_of(w, id), 2);
}

/* The answer is lost, and the daemon with it. */
static void crash_while_asking(struct bed *w, enum sim_fault_kind kind, int64_t *id)
{
    struct sim_fault fault = {.op = SIM_GH_RERUN_FAILED, .kind = kind, .next = 1};
    struct taken t;

    *id = queue(w, "train", 0, LABEL);
    t = take(w, LABEL, "train");
    sim_http_fault(sim_github_http(w->gh), &fault);
    interrupt(w, &t, LABEL, "train");
    bed_pass(w, 3000);
    assert_outcome(w, *id, RERUN_ASKED, "");
    bed_down(w);
    clock_test_advance(MINUTE);
    bed_up(w);
    bed_pass(w, 20 * MINUTE);
    bed_pass(w, 20 * MINUTE);
}

static void test_rerun__a_lost_answer_is_read_from_the_attempt_after_a_restart(void **state)
{
    struct bed *w = ready(state);
    int64_t id;

    crash_while_asking(w, SIM_FAULT_RESET_AFTER, &id);
    assert_int_equal(attempt_of(w, id), 2);
    assert_outcome(w, id, RERUN_DONE, "accepted");
    assert_int_equal(bed_asked(w, SIM_GH_RERUN_FAILED), 1);
}

static void test_rerun__a_request_that_never_arrived_is_sent_again_after_a_restart(void **state)
{
    struct bed *w = ready(state);
    int64_t id;

    crash_while_asking(w, SIM_FAULT_RESET_BEFORE, &id);
    assert_int_equal(attempt_of(w, id), 2);
    assert_outcome(w, id, RERUN_DONE, "accepted");
    assert_true(bed_asked(w, SIM_GH_RERUN_FAILED) >= 2);
    assert_int_equal(sim_http_count_status(sim_github_http(w->gh), SIM_GH_RERUN_FAILED, 201), 1);
}

static void test_rerun__what_github_refuses_is_given_up_with_its_words(void **state)
{
    struct bed *w = ready(state);
    struct sim_fault fault = {.op = SIM_GH_RERUN_FAILED,
                              .kind = SIM_FAULT_STATUS,
                              .status = 403,
                              .body = "{\"message\":\"This workflow run cannot be retried\"}",
                              .next = 100};
    int64_t id = queue(w, "train", 0, LABEL);
    struct taken t = take(w, LABEL, "train");

    sim_http_fault(sim_github_http(w->gh), &fault);
    interrupt(w, &t, LABEL, "train");
    for (int i = 0; i < 10; i++)
        bed_pass(w, 20 * MINUTE);
    assert_outcome(w, id, RERUN_OVER, "refused");
    assert_non_null(strstr(row_of(w, id).detail, "This workflow run cannot be retried"));
    assert_in_range(bed_asked(w, SIM_GH_RERUN_FAILED), 2, 8);
}

#define T(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rerun__a_job_whose_machine_was_taken_back_runs_again_when_its_run_has_ended),
        T(test_rerun__a_runner_that_had_time_to_fail_its_job_was_interrupted_all_the_same),
        T(test_rerun__a_job_that_failed_by_itself_is_left_alone),
        T(test_rerun__a_machine_that_powered_itself_off_was_not_taken_back),
        T(test_rerun__spot_that_vanished_without_a_word_counts_as_taken_back),
        T(test_rerun__without_the_setting_the_timeline_says_what_happened_and_nothing_is_asked),
        T(test_rerun__from_the_second_time_on_without_spot_and_never_more_often_than_asked),
        T(test_rerun__other_candidates_are_taken_where_there_are_some),
        T(test_rerun__a_run_that_goes_on_for_hours_is_waited_for_with_few_questions),
        T(test_rerun__beside_a_job_that_failed_by_itself_only_the_interrupted_one_runs_again),
        T(test_rerun__two_interrupted_beside_a_real_failure_run_again_one_after_the_other),
        T(test_rerun__a_run_that_a_person_cancelled_is_not_run_again),
        T(test_rerun__a_person_who_was_faster_is_not_doubled),
        T(test_rerun__a_missing_permission_is_said_once_with_the_remedy_and_never_hammered),
        T(test_rerun__the_pull_request_is_told_before_and_after),
        T(test_rerun__a_lost_answer_is_read_from_the_attempt_after_a_restart),
        T(test_rerun__a_request_that_never_arrived_is_sent_again_after_a_restart),
        T(test_rerun__what_github_refuses_is_given_up_with_its_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
