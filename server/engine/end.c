/* The end of a machine: destroy until the cloud says gone, and no runner left behind at GitHub. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/engine/check.h"
#include "server/engine/pace.h"
#include "server/engine/rerun.h"

#include <stdio.h>

#define GONE_FIRST_MS 5000                      /* from a destroy that was accepted to the first look */
#define AGAIN_MOST_MS ((int64_t)10 * 60 * 1000) /* between two destroys that the cloud takes and does not do */
#define LONG_TRIES 6                            /* after which the timeline says that it does not end */
#define LONG_BLIND_TRIES 20                     /* or that nobody can tell, where the cloud only has a bad time */
#define ENDING_LONG_MS                                                                                                 \
    ((int64_t)30 * 60 * 1000) /* so long the cloud may say that it is ending it, until it is told anew */

static const struct metric_desc destroys = {METRIC_COUNTER, "muster_destroys_total",
                                            "Destroy calls by outcome (ok, or the kind of the failure)", "outcome",
                                            NULL};

static const struct metric_desc unrecorded = {METRIC_COUNTER, "muster_unrecorded_destroys_total",
                                              "Machines that were destroyed while the store could not be written", NULL,
                                              NULL};

static void again(struct task_next *next, int64_t wait_ms)
{
    next->due_ms = clock_now_ms() + wait_ms;
    next->priority = TASK_TEARDOWN;
    next->retry = true;
}

static void note_destroyed(struct machine *m, void *arg)
{
    m->ended_ms = *(const int64_t *)arg;
}

/* The cloud took our word; write down when, so that later looks only ask. */
struct accepted_end {
    struct machine *m;
    int64_t now_ms;
};

static int accepted_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct accepted_end *a = arg;
    AUTO_MACHINE struct machine now = {0};
    bool found, changed, first;

    if (store_machine_get(t, a->m->name, &now, &found, e))
        return -1;
    if (!found || now.state != M_ENDING)
        return 0;
    first = now.ended_ms == 0;
    now.ended_ms = a->now_ms;
    if (store_machine_update(t, &now, M_ENDING, &changed, e))
        return -1;
    return !first ? 0 : store_event_add(t, a->now_ms, now.job_id, now.name, "machine.ended", now.reason, e);
}

/* It does not end, and costs: said once, for somebody who can look at the cloud himself. */
struct stuck {
    const struct machine *m;
    const char *why;
    int64_t now_ms;
    bool said; /* out */
};

static int stuck_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct stuck *s = arg;
    struct store_watch w;
    char detail[800];

    s->said = false;
    if (store_watch_get(t, s->m->name, &w, e))
        return -1;
    if ((w.told & TOLD_STUCK) != 0)
        return 0;
    w.told |= TOLD_STUCK;
    (void)snprintf(detail, sizeof(detail),
                   "it does not end, and may go on costing: look at %s %s %s in the cloud (%.250s)", s->m->cloud,
                   s->m->region, s->m->instance_id[0] != '\0' ? s->m->instance_id : s->m->name, s->why);
    text_tidy(detail);
    s->said = true;
    return store_watch_put(t, s->m->name, &w, e) ||
                   store_event_add(t, s->now_ms, s->m->job_id, s->m->name, "machine.stuck", detail, e)
               ? -1
               : 0;
}

static int say_stuck(struct engine *g, const struct machine *m, const char *why, struct err *e)
{
    struct stuck s = {m, why, clock_now_ms(), false};

    if (workers_write(g, stuck_tx, &s, e))
        return -1;
    if (!s.said)
        return 0;
    machine_fault("stuck");
    log_error(EV("machine.stuck"), FS("machine", m->name), FS("cloud", m->cloud), FS("region", m->region),
              FS("instance", m->instance_id), FS("why", why));
    return 0;
}

static int64_t wait_after(const struct err *cause, const struct task *task, int64_t first_ms)
{
    return cause->retry_after_s > 0 ? (int64_t)cause->retry_after_s * 1000
                                    : workers_backoff_ms(task->attempts, first_ms, 60 * 1000);
}

static int no_turn_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_task_uncount(t, arg, e);
}

/* Nobody was asked: it was no try. */
static int no_turn(struct engine *g, const struct task *task, const struct err *cause, struct task_next *next,
                   struct err *e)
{
    struct task one = *task;

    again(next, (int64_t)cause->retry_after_s * 1000);
    return workers_write(g, no_turn_tx, &one, e);
}

static int destroy(struct engine *g, struct machine *m, const struct engine_cloud *cloud, const struct task *task,
                   struct task_next *next, struct err *e)
{
    struct accepted_end a = {m, clock_now_ms()};
    bool first = m->ended_ms == 0, asked;
    struct instance ref;
    struct err cause;

    machine_ref(m, &ref);
    if (pace_destroy(g, cloud, &ref, &asked, &cause)) {
        if (!asked)
            return no_turn(g, task, &cause, next, e);
        metric_add(&destroys, err_kind_name(cause.kind), 1);
        log_error(EV("destroy.failed"), FS("machine", m->name), FS("cloud", m->cloud), FS("instance", m->instance_id),
                  FE(&cause));
        again(next, wait_after(&cause, task, 1000));
        return task->attempts >= LONG_TRIES ? say_stuck(g, m, cause.msg, e) : 0;
    }
    metric_add(&destroys, "ok", 1);
    if (first)
        log_info(EV("machine.ended"), FS("machine", m->name), FS("cloud", m->cloud), FS("instance", m->instance_id),
                 FS("reason", m->reason));
    /* what is destroyed again and again, and goes on running, is asked for ever more seldom, and never given up */
    again(next, first ? GONE_FIRST_MS : workers_backoff_ms(task->attempts, GONE_FIRST_MS, AGAIN_MOST_MS));
    next->retry = !first;
    return workers_write(g, accepted_tx, &a, e) ||
                   (!first && task->attempts >= LONG_TRIES &&
                    say_stuck(g, m, "it was asked to end, agreed, and is still there", e))
               ? -1
               : 0;
}

/* GitHub takes an ephemeral runner out by itself once it ran its job; any other one is ours to remove. */
static int remove_runner(struct engine *g, const struct machine *m, struct err *e)
{
    return m->taken_job_id != 0 ? 0 : machine_remove_runner(g, m, e);
}

static int close_record(struct engine *g, struct machine *m, const struct task *task, struct task_next *next,
                        struct err *e)
{
    int64_t now = clock_now_ms();
    struct machine_change c = {.name = m->name, .event = FSM_DESTROYED, .edit = note_destroyed, .edit_arg = &now};
    char left[400];
    struct err cause;

    /* a runner GitHub will not let go does not keep the record open for ever: an offline one vanishes there by itself
     */
    if (remove_runner(g, m, &cause)) {
        log_warn(EV("runner.left"), FS("machine", m->name), FE(&cause));
        if (task->attempts < (err_is_passing(&cause) || cause.kind == ERR_CONFLICT ? 20 : 5)) {
            again(next, wait_after(&cause, task, 1000));
            return 0;
        }
        machine_fault("runner_left");
        (void)snprintf(left, sizeof(left),
                       "its machine is gone, and its runner could not be removed: GitHub drops it by itself (%.300s)",
                       cause.msg);
        text_tidy(left);
        c.kind = "runner.left";
        c.reason = left;
    }
    return machine_change(g, &c, e);
}

/* It was asked to end, and nobody can tell whether it did. */
static int blind(struct engine *g, const struct machine *m, const struct task *task, const struct err *cause,
                 struct err *e)
{
    char why[300];

    if (task->attempts < (err_is_passing(cause) ? LONG_BLIND_TRIES : LONG_TRIES))
        return 0;
    (void)snprintf(why, sizeof(why), "it was asked to end and agreed; whether it did cannot be told: %.200s",
                   cause->msg);
    text_tidy(why);
    return say_stuck(g, m, why, e);
}

/* Already asked for: gone by now? */
static int look(struct engine *g, struct machine *m, const struct engine_cloud *cloud, const struct task *task,
                struct task_next *next, struct err *e)
{
    struct instance ref, got;
    struct err cause;

    machine_ref(m, &ref);
    if (pace_describe(g, cloud, &ref, &got, &cause)) {
        log_warn(EV("machine.unchecked"), FS("machine", m->name), FE(&cause));
        again(next, wait_after(&cause, task, 2000));
        return blind(g, m, task, &cause, e);
    }
    switch (got.state) {
    case INSTANCE_PENDING:
    case INSTANCE_RUNNING:
    case INSTANCE_STOPPED:
        return destroy(g, m, cloud, task, next, e);
    case INSTANCE_ENDING:
        if (clock_now_ms() >= m->ended_ms + ENDING_LONG_MS)
            return destroy(g, m, cloud, task, next, e);
        again(next, workers_backoff_ms(task->attempts, GONE_FIRST_MS, 60 * 1000));
        return 0;
    case INSTANCE_GONE:
        break;
    }
    if (m->instance_id[0] == '\0' && clock_now_ms() < m->doubt_ms + SETTLE_MS) {
        again(next, 15 * 1000);
        return 0;
    }
    return close_record(g, m, task, next, e);
}

struct unrecorded {
    const char *name;
    struct machine *m;
    bool found;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct unrecorded *u = arg;

    machine_clear(u->m);
    return store_machine_get(t, u->name, u->m, &u->found, e);
}

/* That it is to end is stored; that it was told cannot be, now. To be told twice does no harm. */
void end_unrecorded(struct engine *g, const char *name)
{
    AUTO_MACHINE struct machine m = {0};
    struct unrecorded u = {name, &m, false};
    const struct engine_cloud *cloud;
    struct instance ref;
    bool asked;
    struct err e;

    if (store_read(g->c.store, read_tx, &u, &e) || !u.found || m.state != M_ENDING || m.ended_ms != 0 ||
        (m.launched_ms == 0 && m.taken_job_id == 0))
        return;
    cloud = machine_cloud(g, m.cloud);
    if (cloud == NULL)
        return;
    machine_ref(&m, &ref);
    if (pace_destroy(g, cloud, &ref, &asked, &e)) {
        if (!asked)
            return;
        metric_add(&destroys, err_kind_name(e.kind), 1);
        log_error(EV("destroy.failed"), FS("machine", m.name), FS("cloud", m.cloud), FS("instance", m.instance_id),
                  FE(&e));
        return;
    }
    metric_add(&destroys, "ok", 1);
    metric_add(&unrecorded, NULL, 1);
    log_warn(EV("machine.ended"), FS("machine", m.name), FS("cloud", m.cloud), FS("instance", m.instance_id),
             FS("reason", m.reason), FB("recorded", false));
}

int end_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(g, m->cloud);

    /* a job ran on it, so it was there, whatever the record of its launch says */
    if (m->launched_ms == 0 && m->taken_job_id == 0)
        return close_record(g, m, task, next, e);
    if (cloud == NULL) {
        log_error(EV("destroy.failed"), FS("machine", m->name), FS("cloud", m->cloud),
                  FS("error", "this cloud is not set up any more: its machines cannot be destroyed from here"));
        again(next, 5 * 60 * 1000);
        return task->attempts >= LONG_TRIES
                   ? say_stuck(g, m, "this cloud is not in the settings any more: set it up again, or end it by hand",
                               e)
                   : 0;
    }
    if (m->ended_ms != 0)
        return look(g, m, cloud, task, next, e);
    if (task->attempts <= 3 && rerun_before_end(g, m, e)) /* its end does not wait for an answer */
        return -1;
    return destroy(g, m, cloud, task, next, e);
}
