/* What a delivery changes: one transaction, run by the store's committer together with others. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/catch_up.h"
#include "server/engine/idle.h"
#include "server/engine/report.h"
#include "server/engine/rerun.h"

#include <stdio.h>
#include <string.h>

struct delivery {
    struct engine *g;
    char guid[65];
    struct job job;
    int64_t now_ms;
    bool known;
    engine_delivered_fn *done;
    void *arg;
};

/* What is known of a job now. */
struct news {
    struct engine *g;
    const struct job *j;
    int64_t now_ms;
};

static int strike(struct store_tx *t, const struct news *n, struct err *e)
{
    struct balance b = {n->g, n->j->repo_id, n->j->label_key, n->now_ms, 0};

    return balance_strike(t, &b, e);
}

static void take_job(struct machine *m, void *arg)
{
    m->taken_job_id = *(const int64_t *)arg;
    m->surplus_ms = 0;
}

/* in_progress or completed names a runner: if it is one of ours, its machine changes, whichever job it was for. */
static int touch_machine(struct store_tx *t, const struct news *n, struct err *e)
{
    const struct job *j = n->j;
    int64_t id = j->id;
    bool taken = j->state == JOB_RUNNING;
    struct machine_change c = {.name = j->runner_name,
                               .event = taken ? FSM_TAKEN : FSM_FINISHED,
                               .repo_id = j->repo_id,
                               .repo = j->repo,
                               .job_id = j->id,
                               .reason = taken ? NULL : "its job is completed",
                               .edit = take_job,
                               .edit_arg = &id,
                               .now_ms = n->now_ms,
                               .g = n->g};

    if (j->runner_name == NULL || j->runner_name[0] == '\0')
        return 0;
    if (machine_change_tx(t, &c, e) || (taken && c.applied && catch_up_taken(t, j, n->now_ms, e)))
        return -1;
    return taken && (c.applied || j->want != WANT_NOTHING) ? guard_job(t, n->g, j->id, n->now_ms, e) : 0;
}

static int apply(struct store_tx *t, const struct news *n, int before, struct err *e)
{
    const struct job *j = n->j;
    char id[24];

    if (j->state == JOB_QUEUED && j->want == WANT_UNDECIDED) {
        (void)snprintf(id, sizeof(id), "%lld", (long long)j->id);
        return store_task_put(t, TASK_JOB, id, TASK_DECIDE, n->now_ms, e);
    }
    if (j->state != JOB_RUNNING && j->state != JOB_DONE)
        return 0;
    if (touch_machine(t, n, e))
        return -1;
    return before == JOB_QUEUED ? strike(t, n, e) : 0;
}

int deliver_job_tx(struct store_tx *t, struct engine *g, const struct job *j, int64_t now_ms, bool *moved,
                   struct err *e)
{
    const struct news n = {g, j, now_ms};
    int before;
    char kind[32];

    if (store_job_merge(t, j, &before, moved, e))
        return -1;
    if (!*moved)
        return 0;
    (void)snprintf(kind, sizeof(kind), "job.%s", job_state_name(j->state));
    /* that and when it was queued is in the job itself: the hot path writes nothing twice */
    if (j->state > JOB_QUEUED && j->want != WANT_NOTHING &&
        store_event_add(t, now_ms, j->id, j->runner_name, kind, j->conclusion, e))
        return -1;
    if (j->state > JOB_QUEUED && report_moved(t, j->id, now_ms, e))
        return -1;
    if (j->state == JOB_DONE && rerun_job_done_tx(t, j, now_ms, e))
        return -1;
    return apply(t, &n, before, e);
}

static int deliver_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct delivery *d = arg;
    bool moved;

    if (store_delivery_put(t, d->guid, d->now_ms, &d->known, e))
        return -1;
    return d->known ? 0 : deliver_job_tx(t, d->g, &d->job, d->now_ms, &moved, e);
}

static void delivered(void *arg, int rc, const struct err *e)
{
    struct delivery *d = arg;

    d->done(d->arg, d->known ? DELIVERY_KNOWN : DELIVERY_STORED, rc, e);
    job_clear(&d->job);
    free(d);
}

static int pushed_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct delivery *d = arg;

    if (store_delivery_put(t, d->guid, d->now_ms, &d->known, e))
        return -1;
    return d->known ? 0 : idle_pushed(t, &d->job, d->now_ms, e);
}

static int installed_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct delivery *d = arg;

    if (store_delivery_put(t, d->guid, d->now_ms, &d->known, e))
        return -1;
    return d->known ? 0 : reach_changed(t, &d->job, d->now_ms, e);
}

static void enqueue(struct engine *g, const char *guid, struct job *job, store_fn *fn, engine_delivered_fn *done,
                    void *arg)
{
    struct delivery *d = mem_zalloc(sizeof(*d));

    d->g = g;
    (void)snprintf(d->guid, sizeof(d->guid), "%s", guid);
    d->job = *job;
    memset(job, 0, sizeof(*job));
    d->now_ms = clock_now_ms();
    d->done = done;
    d->arg = arg;
    store_enqueue(g->c.store, fn, d, delivered, d);
}

void engine_deliver(struct engine *g, const char *guid, struct job *job, engine_delivered_fn *done, void *arg)
{
    enqueue(g, guid, job, deliver_tx, done, arg);
}

void engine_pushed(struct engine *g, const char *guid, struct job *push, engine_delivered_fn *done, void *arg)
{
    enqueue(g, guid, push, pushed_tx, done, arg);
}

void engine_installed(struct engine *g, const char *guid, struct job *what, engine_delivered_fn *done, void *arg)
{
    enqueue(g, guid, what, installed_tx, done, arg);
}

void engine_flush(struct engine *g)
{
    store_kick(g->c.store);
}
