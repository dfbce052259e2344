/*
 * A further machine for a job, since the first came to nothing or took another's, one for a job whose event came late
 * or that was queued before this process began, or one that falls to another job than it was made for: does the job
 * still wait? Its other events may be on their way,
 * or lost, and another machine may have done it: GitHub is asked once, before a runner is made. What it says right
 * after an event may be old, so that only "in progress" and "completed" count.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/launch_int.h"
#include "server/github/runs.h"
#include "server/store/store_watch.h"

#include <stdio.h>

#define LATE_MS (60 * 1000) /* GitHub's events come within seconds */

struct asked {
    const struct machine *m;
    int64_t others;
    struct job *j;
    bool found;
    struct engine *g;
    const struct job *got;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct asked *a = arg;

    if (store_machine_others(t, a->m->job_id, a->m->name, &a->others, e))
        return -1;
    return machine_job(t, a->m, a->j, &a->found, e);
}

static int found_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct asked *a = arg;
    const struct job *j = a->got;
    int64_t now_ms = clock_now_ms();
    char detail[120];
    bool moved;

    if (deliver_job_tx(t, a->g, j, now_ms, &moved, e) || !moved)
        return moved ? -1 : 0;
    (void)snprintf(detail, sizeof(detail), "GitHub says that it is %s, and no event told us: no other machine for it",
                   job_state_name(j->state));
    return store_event_add(t, now_ms, j->id, j->runner_name, "job.found", detail, e);
}

/* Whatever happened to it, we heard of it. */
static bool is_fresh(const struct asked *a)
{
    return a->j->id == a->m->job_id && a->others == 0 && a->j->queued_ms >= a->g->began_ms &&
           clock_now_ms() < a->j->queued_ms + LATE_MS;
}

int launch_ask(struct engine *g, const struct machine *m, bool *served, struct err *e)
{
    AUTO_JOB struct job j = {0}, got = {0};
    struct asked a = {.m = m, .j = &j, .g = g, .got = &got};
    bool there, known;
    struct err ignored;

    *served = false;
    if (m->state != M_WANTED || m->runner_id != 0 || m->job_id == 0)
        return 0;
    if (store_read(g->c.store, read_tx, &a, e))
        return -1;
    if (!a.found || !job_waits(&j) || is_fresh(&a))
        return 0;
    if (github_job_get(g->c.github, &j, j.id, &there, &known, &got, &ignored) || !there || !known || got.id != j.id ||
        got.state <= JOB_QUEUED)
        return 0;
    *served = true;
    log_info(EV("job.found"), FI("job", j.id), FS("repo", j.repo), FS("state", job_state_name(got.state)));
    return workers_write(g, found_tx, &a, e);
}
