/* GitHub's word about a machine's runner and its job, and what follows from it. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"
#include "server/engine/check.h"

#include <stdio.h>
#include <string.h>

#define BUSY_ASK_MS ((int64_t)30 * 60 * 1000) /* between two questions about a runner that has its job for long */
#define BUSY_AGAIN_MS (5 * 60 * 1000)         /* after one that was not answered, or whose answer was odd */
#define HOUR_MS ((int64_t)3600 * 1000)

void check_ask(struct check *c, struct check_runner *out)
{
    const struct github_repo repo = machine_repo(c->m);
    struct github_runner r = {0};
    int rc = github_runner_find(c->g->c.github, &repo, c->m->name, &r, &out->why);

    out->known = rc == 0 || out->why.kind == ERR_GONE;
    out->exists = rc == 0;
    out->online = r.online;
    out->busy = r.busy;
    out->id = r.id;
    if (out->known)
        return;
    c->unasked = true;
    log_warn(EV("runner.unknown"), FS("machine", c->m->name), FE(&out->why));
}

void check_remove(struct check *c, const struct check_runner *r, bool *busy, bool *done)
{
    const struct github_repo repo = machine_repo(c->m);
    struct err cause;

    *busy = false;
    *done = !r->exists || github_runner_remove(c->g->c.github, &repo, r->id, &cause) == 0;
    if (*done)
        return;
    *busy = cause.kind == ERR_CONFLICT;
    if (*busy)
        return;
    c->unasked = true;
    log_warn(EV("runner.kept"), FS("machine", c->m->name), FE(&cause));
}

static int taken(struct check *c, struct err *e)
{
    return check_decide(c, &(struct check_verdict){.event = FSM_TAKEN, .reason = "GitHub says its runner is busy"}, e);
}

/* --- no job was seen on it ---------------------------------------------------------------------------------------- */

/* Its boot deadline passed, once or long ago, and no job was seen on it. A runner that died in between would count as
 * on its way for ever, and its job would wait. */
int check_registration(struct check *c, struct err *e)
{
    struct check_verdict v = {.event = FSM_EXPIRED};
    struct check_runner r;
    bool busy, done;

    check_ask(c, &r);
    if (!r.known)
        return 0;
    if (r.busy)
        return taken(c, e);
    if (r.online) {
        v = (struct check_verdict){.event = FSM_REGISTERED, .reason = "its runner is online and waits for a job"};
        return c->m->state == M_IDLE ? 0 : check_decide(c, &v, e);
    }
    /* the runner goes first: should it come on line this moment, no job is given to a machine about to end */
    check_remove(c, &r, &busy, &done);
    if (busy)
        return taken(c, e);
    if (!done)
        return 0;
    v.fault = c->m->state == M_IDLE ? "runner_offline" : "unregistered";
    v.reason = !r.exists               ? "its runner was gone before it took a job"
               : c->m->state == M_IDLE ? "its runner went off line before it took a job"
                                       : "its runner did not register before the boot deadline";
    return check_decide(c, &v, e);
}

static int keep(struct check *c, const struct err *cause, struct err *e)
{
    char reason[400];

    c->unasked = true;
    log_warn(EV("machine.unretired"), FS("machine", c->m->name), FE(cause));
    if ((c->w.told & TOLD_KEPT) != 0 || err_is_passing(cause))
        return 0;
    c->w.told |= TOLD_KEPT;
    c->w_changed = true;
    (void)snprintf(reason, sizeof(reason),
                   "no job waits for it any more, but whether one runs on it GitHub does not tell: it is kept until "
                   "GitHub does, or its lifetime is over (%.200s)",
                   cause->msg);
    text_tidy(reason);
    return check_say(c, &(struct check_verdict){.kind = "machine.kept", .fault = "kept", .reason = reason}, e);
}

/* Nobody waited for it during its grace. GitHub refuses to remove a runner that is busy: then it is needed after all.
 */
int check_surplus(struct check *c, struct err *e)
{
    struct err cause;

    bool is_nowhere = c->m->state == M_WANTED && c->m->launched_ms == 0; /* no cloud was asked for it */

    if (machine_remove_runner(c->g, c->m, &cause) && !(is_nowhere && cause.kind == ERR_AUTH))
        return cause.kind == ERR_CONFLICT ? taken(c, e) : keep(c, &cause, e);
    return check_decide(c, &(struct check_verdict){.event = FSM_DROP, .reason = "no job waits for it any more"}, e);
}

/* --- its job runs for long ---------------------------------------------------------------------------------------- */

struct job_read {
    int64_t id;
    struct job j;
    bool found;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct job_read *r = arg;

    job_clear(&r->j);
    return store_job_get(t, r->id, &r->j, &r->found, e);
}

/* GitHub's word for the state of the job that runs on it; "" when it has none. Kept away from c->unasked: the caller
 * asks again in any case. */
static int job_status(struct check *c, char status[32], struct err *e)
{
    struct job_read r = {.id = c->m->taken_job_id};
    struct err cause;
    int rc = store_read(c->g->c.store, read_tx, &r, e);

    status[0] = c->conclusion[0] = '\0';
    if (rc == 0 && r.found) {
        const struct github_repo repo = {c->m->installation_id, r.j.repo_id, r.j.repo};

        if (github_job_status(c->g->c.github, &repo, r.id, status, c->conclusion, &cause) && cause.kind == ERR_GONE)
            (void)snprintf(status, 32, "gone");
    }
    job_clear(&r.j);
    return rc;
}

static int finished(struct check *c, const char *reason, struct err *e)
{
    return check_decide(c,
                        &(struct check_verdict){
                            .event = FSM_FINISHED, .fault = "completed_unheard", .reason = reason, .job_is_done = true},
                        e);
}

/* GitHub does not call its runner busy: is its job over? No runner may be left that a job could still come to. */
static int not_busy(struct check *c, const struct check_runner *r, struct err *e)
{
    static const struct check_verdict silent = {
        .kind = "runner.silent",
        .fault = "runner_silent",
        .reason = "GitHub hears nothing of its runner: unless it comes back, GitHub ends the job as failed, and then "
                  "the machine ends"};
    char status[32];
    bool busy, done, over, unknown = c->m->taken_job_id == 0;

    if (job_status(c, status, e))
        return -1;
    over = strcmp(status, "completed") == 0 || (strcmp(status, "gone") == 0 && !r->exists);
    if (over || unknown) {
        check_remove(c, r, &busy, &done);
        return done ? finished(c,
                               unknown ? "GitHub says that its runner has no job any more"
                                       : "GitHub says that its job is completed, and the delivery never came",
                               e)
                    : 0;
    }
    if (r->exists && !r->online && (c->w.told & TOLD_SILENT) == 0 && status[0] != '\0') {
        c->w.told |= TOLD_SILENT;
        c->w_changed = true;
        return check_say(c, &silent, e);
    }
    return 0;
}

int check_busy(struct check *c, struct err *e)
{
    int64_t last_ms = c->w.asked_ms > 0 ? c->w.asked_ms : c->w.since_ms;
    struct check_runner r;

    if (!c->w.ask && c->now_ms < last_ms + BUSY_ASK_MS)
        return 0;
    check_ask(c, &r);
    c->w.ask = false;
    c->w.asked_ms = r.known && r.busy ? c->now_ms : c->now_ms - BUSY_ASK_MS + BUSY_AGAIN_MS;
    c->w_changed = true;
    return r.known && !r.busy ? not_busy(c, &r, e) : 0;
}

/* --- its lifetime is over ----------------------------------------------------------------------------------------- */

int64_t check_hard_end_ms(const struct check *c)
{
    return c->m->expires_ms + c->g->c.overtime_ms;
}

/* By both clocks: one that jumps ahead ends nobody's job. */
static bool is_past_hard_end(const struct check *c)
{
    return c->now_ms >= check_hard_end_ms(c) && clock_mono_ms() + atomic_load(&c->g->steady_ms) >= check_hard_end_ms(c);
}

static void hours(int64_t ms, char out[32])
{
    if (ms % HOUR_MS == 0)
        (void)snprintf(out, 32, "%lldh", (long long)(ms / HOUR_MS));
    else
        (void)snprintf(out, 32, "%lldm", (long long)((ms + 59999) / 60000));
}

/* Its job, when it is known which. */
static enum job_cause at_its_job(const struct check *c, enum job_cause cause)
{
    return c->m->taken_job_id != 0 ? cause : CAUSE_NONE;
}

static int end_of_overtime(struct check *c, const struct check_runner *r, struct err *e)
{
    char reason[400], overtime[32];

    hours(c->g->c.overtime_ms, overtime);
    if (r->known)
        (void)snprintf(reason, sizeof(reason),
                       "its lifetime is over, and so are the %s that limits.overtime gives a job that still runs; the "
                       "operator can raise it, or the lifetime (limits.lifetime, muster.lifetime)",
                       overtime);
    else
        (void)snprintf(reason, sizeof(reason),
                       "its lifetime is over, and so are the %s of limits.overtime, in which GitHub could not be asked "
                       "whether it has a job (%.160s)",
                       overtime, r->why.msg);
    text_tidy(reason);
    return check_decide(c,
                        &(struct check_verdict){.event = FSM_EXPIRED,
                                                .fault = r->known ? "overtime_over" : "overtime_unasked",
                                                .reason = reason,
                                                .cause = at_its_job(c, CAUSE_ENDED)},
                        e);
}

static int tell_overtime(struct check *c, struct err *e)
{
    char reason[400], at[21];

    if ((c->w.told & TOLD_OVERTIME) != 0 || c->m->taken_job_id == 0)
        return 0;
    c->w.told |= TOLD_OVERTIME;
    c->w_changed = true;
    text_format_rfc3339(check_hard_end_ms(c), at);
    (void)snprintf(reason, sizeof(reason),
                   "the lifetime of its machine is over, and the job still runs: the machine ends with the job, and at "
                   "%s (UTC) in any case (limits.overtime)",
                   at);
    return check_say(c,
                     &(struct check_verdict){
                         .kind = "machine.overtime", .fault = "overtime", .cause = CAUSE_OVERTIME, .reason = reason},
                     e);
}

static int works_on(struct check *c, const struct check_runner *r, struct err *e)
{
    if (c->m->state != M_BUSY && taken(c, e))
        return -1;
    if (c->moved)
        return 0;
    return is_past_hard_end(c) ? end_of_overtime(c, r, e) : tell_overtime(c, e);
}

int check_lifetime(struct check *c, struct err *e)
{
    struct check_verdict v = {.event = FSM_EXPIRED, .fault = "lifetime", .reason = "its lifetime is over"};
    struct check_runner r;
    bool busy, done;

    check_ask(c, &r);
    if (!r.known)
        return is_past_hard_end(c) ? end_of_overtime(c, &r, e) : 0;
    if (r.busy)
        return works_on(c, &r, e);
    check_remove(c, &r, &busy, &done);
    if (busy)
        return works_on(c, &r, e);
    if (!done)
        return is_past_hard_end(c) ? end_of_overtime(c, &r, e) : 0;
    if (!r.exists && c->m->state == M_BUSY)
        v.reason = "its lifetime is over, and GitHub knows its runner no more";
    return check_decide(c, &v, e);
}
