/* What a look decides about a machine, in one transaction with its words about the job. */
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/check.h"
#include "server/engine/report.h"
#include "server/engine/rerun.h"

#include <string.h>

struct deciding {
    struct check *c;
    const struct check_verdict *v;
    struct machine_change change;
};

static int64_t job_of(const struct check *c)
{
    return c->m->taken_job_id != 0 ? c->m->taken_job_id : c->m->job_id;
}

/* Its reason is another one now. */
static int say_tx(struct store_tx *t, const struct check *c, int64_t job_id, const struct check_verdict *v,
                  struct err *e)
{
    AUTO_JOB struct job j = {0};
    bool found;

    if (store_job_get(t, job_id, &j, &found, e))
        return -1;
    if (!found || j.state == JOB_DONE)
        return 0;
    return verdict_put(t, c->g,
                       &(struct verdict){.job_id = job_id,
                                         .want = v->refuse ? WANT_REFUSED : j.want,
                                         .reason = v->reason,
                                         .cause = {v->cause, 0, 0},
                                         .progress = v->kind != NULL && !v->refuse, /* that is its event */
                                         .now_ms = c->now_ms},
                       e);
}

static int settle_tx(struct store_tx *t, const struct check *c, int64_t job_id, struct err *e)
{
    AUTO_JOB struct job j = {0};
    enum job_state was;
    int before;
    bool found, moved;

    if (store_job_get(t, job_id, &j, &found, e))
        return -1;
    if (!found || j.state == JOB_DONE)
        return 0;
    was = j.state;
    j.state = JOB_DONE;
    j.updated_ms = c->now_ms;
    if (c->conclusion[0] != '\0') {
        free(j.conclusion);
        j.conclusion = mem_strdup(c->conclusion);
    }
    if (store_job_merge(t, &j, &before, &moved, e) || rerun_job_done_tx(t, &j, c->now_ms, e) ||
        store_event_add(t, c->now_ms, job_id, c->m->name, "job.settled",
                        "GitHub says that it is completed; the delivery that tells so never came", e) ||
        report_moved(t, job_id, c->now_ms, e))
        return -1;
    return was == JOB_QUEUED ? balance_strike(t, &(struct balance){c->g, j.repo_id, j.label_key, c->now_ms, 0}, e) : 0;
}

static int decide_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct deciding *d = arg;
    struct check *c = d->c;
    const struct check_verdict *v = d->v;
    AUTO_MACHINE struct machine now = {0};
    bool found;

    c->moved = false;
    d->change.applied = false;
    if (store_machine_get(t, c->m->name, &now, &found, e))
        return -1;
    if (!found || now.state != c->m->state || now.taken_job_id != c->m->taken_job_id) {
        c->moved = true;
        return 0;
    }
    /* before the change, which may make a machine in its place */
    if (v->cause != CAUSE_NONE && say_tx(t, c, v->word_job != 0 ? v->word_job : job_of(c), v, e))
        return -1;
    if (v->job_is_done && c->m->taken_job_id != 0 && settle_tx(t, c, c->m->taken_job_id, e))
        return -1;
    return machine_change_tx(t, &d->change, e);
}

/* A replacement begins after the candidate that failed. */
static int next_candidate(const struct machine *m, enum fsm_event event)
{
    AUTO_PLAN struct plan plan = {0};
    struct err ignored;

    if ((event != FSM_LOST && event != FSM_EXPIRED) || m->plan_json == NULL ||
        plan_parse(m->plan_json, &plan, &ignored) || plan.n == 0)
        return 0;
    return (int)((size_t)(m->candidate + 1) % plan.n);
}

int check_decide(struct check *c, const struct check_verdict *v, struct err *e)
{
    struct deciding d = {c,
                         v,
                         {.name = c->m->name,
                          .event = v->event,
                          .kind = v->kind,
                          .reason = v->reason,
                          .edit = v->edit,
                          .edit_arg = v->edit_arg,
                          .first_candidate = next_candidate(c->m, v->event),
                          .loss = v->loss,
                          .now_ms = c->now_ms,
                          .g = c->g}};

    if (workers_write(c->g, decide_tx, &d, e))
        return -1;
    if (!d.change.applied)
        return 0;
    c->ended = d.change.after == M_ENDING;
    c->m->state = d.change.after;
    if (v->fault != NULL)
        machine_fault(v->fault);
    log_info(EV("machine.changed"), FS("machine", c->m->name), FS("from", machine_state_name(d.change.before)),
             FS("to", machine_state_name(d.change.after)), FS("reason", v->reason), FS("fault", v->fault));
    return 0;
}

/* --- words alone -------------------------------------------------------------------------------------------------- */

struct saying {
    const struct check *c;
    const struct check_verdict *v;
    int64_t settle; /* the job that is completed; 0 = none */
};

static int saying_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct saying *s = arg;
    const struct check *c = s->c;
    const struct check_verdict *v = s->v;
    int64_t job_id;

    if (s->settle != 0)
        return settle_tx(t, c, s->settle, e);
    job_id = v->word_job != 0 ? v->word_job : job_of(c);
    if (v->kind != NULL && store_event_add(t, c->now_ms, job_id, c->m->name, v->kind, v->reason, e))
        return -1;
    return v->cause != CAUSE_NONE ? say_tx(t, c, job_id, v, e) : 0;
}

int check_say(struct check *c, const struct check_verdict *v, struct err *e)
{
    struct saying s = {.c = c, .v = v};

    if (workers_write(c->g, saying_tx, &s, e))
        return -1;
    if (v->fault != NULL)
        machine_fault(v->fault);
    log_warn(EV("machine.noted"), FS("machine", c->m->name), FI("job", v->word_job != 0 ? v->word_job : job_of(c)),
             FS("fault", v->fault), FS("reason", v->reason));
    return 0;
}

int check_settle_job(struct check *c, int64_t job_id, struct err *e)
{
    struct saying s = {.c = c, .settle = job_id};

    machine_fault("completed_unheard");
    log_warn(EV("job.settled"), FS("machine", c->m->name), FI("job", job_id));
    return workers_write(c->g, saying_tx, &s, e);
}
