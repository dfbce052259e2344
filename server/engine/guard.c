/*
 * GitHub gives a runner to any job of the repository whose labels it has, also to one that we denied: it waits there
 * with the same labels as the job that the machine was made for. Who may not have a machine does not keep one: it is
 * ended at once, and the balance makes another for the job that waits.
 *
 * The denied job has then begun, for a moment; only GitHub could have kept it from that.
 */
#include "server/base/log.h"
#include "server/engine/engine_int.h"

#include <stdio.h>

static int end_it(struct store_tx *t, struct engine *g, const struct job *j, int64_t now_ms, struct err *e)
{
    char reason[80];
    struct machine_change c = {.name = j->runner_name,
                               .event = FSM_FINISHED,
                               .repo_id = j->repo_id,
                               .repo = j->repo,
                               .job_id = j->id,
                               .reason = reason,
                               .now_ms = now_ms,
                               .g = g};

    (void)snprintf(reason, sizeof(reason), "job %lld took it, which may not use it", (long long)j->id);
    if (machine_change_tx(t, &c, e))
        return -1;
    if (c.applied)
        log_warn(EV("machine.taken_back"), FS("machine", c.name), FI("job", j->id), FS("repo", j->repo));
    return 0;
}

/* Refused though it may have a machine: only none could be had. Everything else says that it may not, or not this one.
 */
static bool is_entitled(enum job_cause cause)
{
    switch (cause) {
    case CAUSE_BOOT:
    case CAUSE_CANDIDATES:
    case CAUSE_RUNNER:
    case CAUSE_LIMIT:
    case CAUSE_UNASSIGNED:
    case CAUSE_OVERTIME:
    case CAUSE_ENDED:
        return true;
    case CAUSE_NONE:
    case CAUSE_NO_FILE:
    case CAUSE_BAD_FILE:
    case CAUSE_NO_RUNNER:
    case CAUSE_FORK:
    case CAUSE_ACCESS:
    case CAUSE_POLICY:
    case CAUSE_UNSUPPORTED:
    case CAUSE_UNDECIDED:
        break;
    }
    return false;
}

int guard_job(struct store_tx *t, struct engine *g, int64_t job_id, int64_t now_ms, struct err *e)
{
    AUTO_JOB struct job j = {0};
    struct store_cause cause = {CAUSE_NONE, 0, 0};
    char id[24];
    bool found;

    if (store_job_get(t, job_id, &j, &found, e))
        return -1;
    if (!found || j.state != JOB_RUNNING || j.runner_name == NULL)
        return 0;
    if (j.want == WANT_UNDECIDED) {
        (void)snprintf(id, sizeof(id), "%lld", (long long)j.id);
        return store_task_put(t, TASK_JOB, id, TASK_DECIDE, now_ms, e);
    }
    if (j.want == WANT_MACHINE)
        return 0;
    if (j.want == WANT_REFUSED && store_cause_get(t, job_id, &cause, e))
        return -1;
    return is_entitled(cause.cause) ? 0 : end_it(t, g, &j, now_ms, e);
}
