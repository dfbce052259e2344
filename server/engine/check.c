/*
 * Machines that are up: still there? registered? needed? in time?
 *
 * A healthy job is never killed: before a machine ends for any reason but its own completion, loss or lifetime, GitHub
 * is asked whether its runner is busy.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"
#include "server/engine/pace.h"

#include <stdio.h>

#define CHECK_BOOTING_MS (60 * 1000)
#define CHECK_SELDOM_MS (5 * 60 * 1000)
#define FORBIDDEN_MS (15 * 60 * 1000) /* the App was removed: so long it may be a mistake */

struct check {
    struct engine *g;
    struct machine *m;
    int64_t now_ms;
    bool ended;
};

static int apply(struct check *c, struct machine_change *mc, struct err *e)
{
    if (machine_change(c->g, mc, e))
        return -1;
    c->ended = mc->applied && mc->after == M_ENDING;
    if (mc->applied)
        c->m->state = mc->after;
    return 0;
}

static int change(struct check *c, enum fsm_event event, const char *reason, struct err *e)
{
    struct plan plan = {0};
    struct machine_change mc = {.name = c->m->name, .event = event, .reason = reason};
    struct err ignored;

    /* a replacement begins after the candidate that failed */
    if ((event == FSM_LOST || event == FSM_EXPIRED) && plan_parse(c->m->plan_json, &plan, &ignored) == 0 && plan.n > 0)
        mc.first_candidate = (int)((size_t)(c->m->candidate + 1) % plan.n);
    plan_clear(&plan);
    return apply(c, &mc, e);
}

/* Its runner took a job before the cloud's answer told which machine it is. */
static int note_instance(struct check *c, struct instance *got, struct err *e)
{
    struct machine_change mc = {
        .name = c->m->name, .event = FSM_LAUNCHED, .edit = machine_note_instance, .edit_arg = got};

    return c->m->instance_id[0] == '\0' && got->id[0] != '\0' ? apply(c, &mc, e) : 0;
}

/* Is it still there? A cloud that cannot be asked proves nothing. */
static int check_cloud(struct check *c, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(c->g, c->m->cloud);
    struct instance ref, got;
    struct err cause;
    char reason[300];

    if (cloud == NULL)
        return 0;
    machine_ref(c->m, &ref);
    if (pace_describe(c->g, cloud, &ref, &got, &cause)) {
        log_warn(EV("machine.unchecked"), FS("machine", c->m->name), FE(&cause));
        return 0;
    }
    if (got.state == INSTANCE_PENDING || got.state == INSTANCE_RUNNING)
        return note_instance(c, &got, e);
    if (c->m->instance_id[0] == '\0' && c->now_ms < c->m->doubt_ms + SETTLE_MS)
        return 0; /* not found by its name yet */
    (void)snprintf(reason, sizeof(reason), "the cloud says it is %s%s%.200s",
                   got.state == INSTANCE_STOPPED ? "stopped" : "gone", got.detail[0] != '\0' ? ": " : "", got.detail);
    text_tidy(reason);
    return change(c, FSM_LOST, reason, e);
}

/* Its boot deadline passed, once or long ago, and no job was seen on it. A runner that died in between would count as
 * on its way for ever, and its job would wait. */
static int check_registration(struct check *c, struct err *e)
{
    struct github_repo repo = machine_repo(c->m);
    struct github_runner r = {0};
    struct err cause;

    if (github_runner_find(c->g->c.github, &repo, c->m->name, &r, &cause)) {
        if (cause.kind != ERR_GONE)
            return 0; /* GitHub cannot say: look again later */
        return change(c, FSM_EXPIRED, "its runner was gone before it took a job", e);
    }
    if (r.busy)
        return change(c, FSM_TAKEN, "GitHub says its runner is busy", e);
    if (r.online)
        return c->m->state == M_IDLE ? 0 : change(c, FSM_REGISTERED, "its runner is online and waits for a job", e);
    /* the runner goes first: should it come on line this moment, no job is given to a machine about to end */
    if (github_runner_remove(c->g->c.github, &repo, r.id, &cause))
        return cause.kind == ERR_CONFLICT ? change(c, FSM_TAKEN, "GitHub says its runner is busy", e) : 0;
    return change(c, FSM_EXPIRED,
                  c->m->state == M_IDLE ? "its runner went off line before it took a job"
                                        : "its runner did not register before the boot deadline",
                  e);
}

/* Nobody waited for it during its grace. GitHub refuses to remove a runner that is busy: then it is needed after all.
 */
static int retire(struct check *c, struct err *e)
{
    struct err cause;

    if (machine_remove_runner(c->g, c->m, &cause)) {
        if (cause.kind == ERR_CONFLICT)
            return change(c, FSM_TAKEN, "GitHub says its runner is busy", e);
        log_warn(EV("machine.unretired"), FS("machine", c->m->name), FE(&cause));
        if (cause.kind == ERR_AUTH && c->now_ms >= c->m->surplus_ms + c->g->c.idle_grace_ms + FORBIDDEN_MS)
            return change(c, FSM_DROP, "no job waits for it any more, and GitHub no longer lets us remove its runner",
                          e);
        return 0;
    }
    return change(c, FSM_DROP, "no job waits for it any more", e);
}

static int64_t next_look_ms(const struct check *c)
{
    const struct machine *m = c->m;
    int64_t due = c->now_ms + (m->state == M_BUSY || m->state == M_IDLE ? CHECK_SELDOM_MS : CHECK_BOOTING_MS);

    if (m->state == M_BOOTING && m->boot_deadline_ms > c->now_ms && m->boot_deadline_ms < due)
        due = m->boot_deadline_ms;
    if (m->surplus_ms != 0 && m->surplus_ms + c->g->c.idle_grace_ms > c->now_ms &&
        m->surplus_ms + c->g->c.idle_grace_ms < due)
        due = m->surplus_ms + c->g->c.idle_grace_ms;
    if (m->expires_ms > c->now_ms && m->expires_ms < due)
        due = m->expires_ms;
    return due;
}

static void plan_next(const struct check *c, struct task_next *next)
{
    next->due_ms = c->ended ? c->now_ms : next_look_ms(c);
    next->priority = c->ended ? TASK_TEARDOWN : TASK_CHECK;
}

int check_retire(struct engine *g, struct machine *m, struct task_next *next, struct err *e)
{
    struct check c = {g, m, clock_now_ms(), false};

    if (retire(&c, e))
        return -1;
    plan_next(&c, next);
    return 0;
}

int check_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next, struct err *e)
{
    struct check c = {g, m, clock_now_ms(), false};
    int rc = 0;

    (void)task;
    if (c.now_ms >= m->expires_ms)
        rc = change(&c, FSM_EXPIRED, "its lifetime is over", e);
    else if (m->state != M_BUSY && m->surplus_ms != 0 && c.now_ms >= m->surplus_ms + g->c.idle_grace_ms)
        rc = retire(&c, e);
    if (rc == 0 && !c.ended)
        rc = check_cloud(&c, e);
    if (rc == 0 && !c.ended && (m->state == M_BOOTING || m->state == M_IDLE) && c.now_ms >= m->boot_deadline_ms)
        rc = check_registration(&c, e);
    if (rc != 0)
        return -1;
    plan_next(&c, next);
    return 0;
}
