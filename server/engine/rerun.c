/* Interruptions: a machine that was taken back under a job is written down, in the transaction that finds it. */
#include "server/engine/rerun.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/engine/report.h"

#include <stdio.h>
#include <string.h>

#define FIRST_LOOK_MS (60 * 1000) /* GitHub needs minutes to miss a runner; a completed job wakes the task sooner */
#define SETTLED_MS (5 * 1000)     /* from a job's end to a look: the run ends, and what else was taken back is found */

static const struct metric_desc interruptions = {METRIC_COUNTER, "muster_interruptions_total",
                                                 "Jobs whose machine was taken back while they ran, by cloud", "cloud",
                                                 NULL};

/* What `muster` says of the candidate that the machine was made from. */
static bool terms_of(const struct machine *m, struct plan *plan, bool *spot, int *most)
{
    struct err ignored;

    if (plan_parse(m->plan_json, plan, &ignored) || m->candidate < 0 || (size_t)m->candidate >= plan->n)
        return false;
    *spot = plan->specs[m->candidate].spot;
    *most = plan->terms[m->candidate].rerun_interrupted;
    return true;
}

/* Words for the timeline and the pull request, and whether there is anything to wait for. */
static void describe(struct store_interruption *i)
{
    char again[160];

    i->state = i->nth > i->most ? RERUN_OVER : RERUN_WAITS;
    (void)snprintf(i->outcome, sizeof(i->outcome), "%s", i->most == 0 ? "off" : i->nth > i->most ? "limit" : "");
    if (i->most == 0)
        (void)snprintf(again, sizeof(again),
                       "the job is not run again: its runner has no muster.rerun_interrupted in .cirun.yml");
    else if (i->nth > i->most)
        (void)snprintf(again, sizeof(again),
                       "the job is not run again: muster.rerun_interrupted is %d, and this was time %d", i->most,
                       i->nth);
    else
        (void)snprintf(again, sizeof(again), "the job runs again when its run has ended, %d of %d", i->nth, i->most);
    (void)snprintf(i->detail, sizeof(i->detail), "the machine was taken back by %.32s; %s", i->cloud, again);
}

static int due(struct store_tx *t, int64_t run_id, int64_t due_ms, struct err *e)
{
    char subject[24];

    (void)snprintf(subject, sizeof(subject), "%lld", (long long)run_id);
    return store_task_put(t, TASK_RERUN, subject, TASK_CHECK, due_ms, e);
}

static int record(struct store_tx *t, struct engine *g, const struct machine *m, const struct job *j, int most,
                  int64_t now_ms, struct err *e)
{
    struct store_interruption i = {.job_id = j->id,
                                   .run_id = j->run_id,
                                   .repo_id = j->repo_id,
                                   .installation_id = j->installation_id,
                                   .own_attempt = j->run_attempt > 0 ? j->run_attempt : 1,
                                   .attempt = j->run_attempt > 0 ? j->run_attempt : 1,
                                   .at_ms = now_ms,
                                   .most = most,
                                   .repo = j->repo,
                                   .name = j->name != NULL ? j->name : "",
                                   .machine = m->name,
                                   .cloud = m->cloud};
    int64_t before;
    bool put;

    if (store_interruption_count(t, i.run_id, i.name, i.job_id, &before, e))
        return -1;
    i.nth = (int)before + 1;
    describe(&i);
    if (store_interruption_put(t, &i, &put, e))
        return -1;
    if (!put)
        return 0;
    metric_add(&interruptions, m->cloud, 1);
    log_warn(EV("job.interrupted"), FI("job", j->id), FS("repo", j->repo), FS("machine", m->name),
             FS("cloud", m->cloud), FI("count", i.nth));
    if (store_event_add(t, now_ms, j->id, m->name, "job.interrupted", i.detail, e) ||
        report_interrupted(t, g, j, now_ms, e))
        return -1;
    if (i.state != RERUN_WAITS)
        return 0;
    return due(t, i.run_id, now_ms + (j->state == JOB_DONE ? SETTLED_MS : FIRST_LOOK_MS), e);
}

static bool went_well(const struct job *j)
{
    return j->state == JOB_DONE && j->conclusion != NULL && strcmp(j->conclusion, "success") == 0;
}

int rerun_interrupted_tx(struct store_tx *t, struct engine *g, const struct machine *m, enum machine_loss loss,
                         int64_t now_ms, struct err *e)
{
    AUTO_PLAN struct plan plan = {0};
    AUTO_JOB struct job j = {0};
    bool spot, found;
    int most;

    if (loss == LOSS_SAID || m->taken_job_id == 0 || !terms_of(m, &plan, &spot, &most) ||
        (loss == LOSS_VANISHED && !spot))
        return 0;
    if (store_job_get(t, m->taken_job_id, &j, &found, e))
        return -1;
    /* one that was not entitled to the machine is no business of ours */
    if (!found || j.want != WANT_MACHINE || j.run_id == 0 || j.repo == NULL || went_well(&j))
        return 0;
    return record(t, g, m, &j, most, now_ms, e);
}

int rerun_job_done_tx(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e)
{
    bool open;

    if (store_interruption_is_open(t, j->run_id, &open, e))
        return -1;
    return open ? due(t, j->run_id, now_ms + SETTLED_MS, e) : 0;
}

/* --- before a machine is ended ------------------------------------------------------------------------------------ */

struct ending {
    struct engine *g;
    const struct machine *m;
    int64_t now_ms;
    bool matters; /* out of look_tx: a job failed on it */
};

static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct ending *x = arg;
    AUTO_JOB struct job j = {0};
    bool found;

    if (store_job_get(t, x->m->taken_job_id, &j, &found, e))
        return -1;
    x->matters = found && j.state == JOB_DONE && j.want == WANT_MACHINE && !went_well(&j);
    return 0;
}

static int ended_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct ending *x = arg;

    return rerun_interrupted_tx(t, x->g, x->m, LOSS_RECLAIMED, x->now_ms, e);
}

int rerun_before_end(struct engine *g, const struct machine *m, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(g, m->cloud);
    struct ending x = {g, m, clock_now_ms(), false};
    AUTO_PLAN struct plan plan = {0};
    struct instance ref, got;
    bool spot;
    int most;
    struct err cause;

    if (m->taken_job_id == 0 || cloud == NULL || !terms_of(m, &plan, &spot, &most) || !spot || most == 0)
        return 0;
    if (store_read(g->c.store, look_tx, &x, e))
        return -1;
    if (!x.matters)
        return 0;
    machine_ref(m, &ref);
    if (cloud->ops->describe(cloud->provider, &ref, &got, &cause)) {
        log_warn(EV("machine.unchecked"), FS("machine", m->name), FE(&cause));
        return 0;
    }
    if (got.why != ERR_CAPACITY || got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING)
        return 0;
    return workers_write(g, ended_tx, &x, e);
}
