#include "tests/support/rerun_bed.h"

#include "server/base/mem.h"
#include "tests/support/deliver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char file_text[] =
    "runners:\n"
    "  - {name: s, cloud: aws, region: r, machine_image: img, labels: [spot], instance_type: cheap,\n"
    "     preemptible: true, muster: {rerun_interrupted: 2}}\n"
    "  - {name: m, cloud: aws, region: r, machine_image: img, labels: [mixed], instance_type: [cheap, big],\n"
    "     preemptible: [true, false], muster: {rerun_interrupted: 3}}\n"
    "  - {name: n, cloud: aws, region: r, machine_image: img, labels: [never], instance_type: cheap,\n"
    "     preemptible: true}\n";

struct bed *rerun_ready(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", file_text);
    sim_github_permissions(w->gh, 7, PERMISSIONS("write"));
    return w;
}

/* A job as GitHub has it now is told to the engine. */
void rerun_tell(struct bed *w, int64_t id, const char *label, const char *name)
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
int64_t rerun_queue(struct bed *w, const char *name, int64_t run_id, const char *label)
{
    int64_t id = bed_create_job(w, &(struct sim_job_spec){.name = name, .run_id = run_id}, label);

    rerun_tell(w, id, label, name);
    return id;
}

static void deaf(void *arg, int64_t runner_id, int64_t job_id)
{
    (void)arg;
    (void)runner_id;
    (void)job_id;
}

struct rerun_taken rerun_take(struct bed *w, const char *label, const char *name)
{
    struct memcloud_box boxes[MEMCLOUD_MAX];
    struct rerun_taken t = {0, 0, ""};
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
    rerun_tell(w, t.job_id, label, name);
    assert_true(bed_settle(w));
    return t;
}

void rerun_fails(struct bed *w, const struct rerun_taken *t, const char *label, const char *name)
{
    sim_github_runner_finish(w->gh, t->runner_id, "failure");
    rerun_tell(w, t->job_id, label, name);
}

/* Taken back without a warning: we see it before GitHub does. */
void rerun_interrupt(struct bed *w, const struct rerun_taken *t, const char *label, const char *name)
{
    memcloud_reclaim(w->aws, t->machine, "taken back (spot)");
    bed_pass(w, 6 * MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM interruption WHERE job_id = $1", t->job_id), 1);
    rerun_fails(w, t, label, name);
}

int64_t rerun_run_of(struct bed *w, int64_t job_id)
{
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, job_id, &info));
    return info.run_id;
}

int rerun_attempt_of(struct bed *w, int64_t job_id)
{
    struct sim_run_info run;

    assert_true(sim_github_run_get(w->gh, rerun_run_of(w, job_id), &run));
    return run.attempt;
}

/* The job's successor in the newest attempt, queued, told to the engine. */
int64_t rerun_again(struct bed *w, int64_t job_id, size_t at, const char *label, const char *name)
{
    struct sim_run_info run;

    assert_true(sim_github_run_get(w->gh, rerun_run_of(w, job_id), &run));
    assert_true(at < run.n_jobs);
    assert_true(run.jobs[at] != job_id);
    rerun_tell(w, run.jobs[at], label, name);
    assert_true(bed_settle(w));
    return run.jobs[at];
}

static int see(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct rerun_seen *s = arg;

    (void)n;
    (void)e;
    s->state = (enum rerun_state)c[0].i;
    (void)snprintf(s->outcome, sizeof(s->outcome), "%s", c[1].s);
    (void)snprintf(s->detail, sizeof(s->detail), "%s", c[2].s);
    return 0;
}

struct rerun_seen rerun_row(struct bed *w, int64_t job_id)
{
    struct db_val v = DB_I(job_id);
    struct rerun_seen s = {job_id, RERUN_WAITS, "none", ""};
    struct err e;

    assert_int_equal(db_sqlite.exec(w->db, "SELECT state, outcome, detail FROM interruption WHERE job_id = $1", &v, 1,
                                    see, &s, NULL, &e),
                     0);
    return s;
}

void rerun_assert(struct bed *w, int64_t job_id, enum rerun_state state, const char *outcome)
{
    struct rerun_seen s = rerun_row(w, job_id);

    if (strcmp(s.outcome, outcome) != 0 || s.state != state)
        fail_msg("job %lld: state %d, outcome \"%s\" (%s); expected %d, \"%s\"", (long long)job_id, (int)s.state,
                 s.outcome, s.detail, (int)state, outcome);
}
