/* Which function a claimed task is for: a job's decision, or what the state of its machine asks for. */
#include "server/base/clock.h"
#include "server/engine/catch_up.h"
#include "server/engine/idle.h"
#include "server/engine/report.h"
#include "server/engine/rerun.h"
#include "server/engine/room.h"
#include "server/engine/sweep.h"

struct machine_read {
    const char *name;
    struct machine *m;
    bool found;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct machine_read *r = arg;

    machine_clear(r->m);
    return store_machine_get(t, r->name, r->m, &r->found, e);
}

/* Nothing is launched where GitHub would not let it work. What nobody needs any more, and is nowhere yet, ends without
 * GitHub's word, which would not come. */
static int hold(struct engine *g, const struct machine *m, bool *held, struct task_next *next, struct err *e)
{
    struct machine_change drop = {.name = m->name, .event = FSM_DROP};
    struct err why;

    *held = m->state == M_WANTED && (m->surplus_ms == 0 || m->doubt_ms == 0) &&
            reach_check(g, m->installation_id, m->repo_id, &why) != 0;
    if (!*held)
        return 0;
    next->due_ms = clock_now_ms() + (m->surplus_ms == 0 ? REACH_AGAIN_MS : 0);
    next->priority = m->surplus_ms == 0 ? TASK_LAUNCH : TASK_TEARDOWN;
    drop.reason = why.msg;
    return m->surplus_ms == 0 ? 0 : machine_change(g, &drop, e);
}

static int run_machine(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    struct machine_read r = {task->subject, &m, false};
    bool held;

    *next = TASK_NEXT_NONE;
    if (store_read(g->c.store, read_tx, &r, e))
        return -1;
    if (!r.found)
        return 0;
    switch (m.state) {
    case M_WANTED:
    case M_LAUNCHING:
        if (hold(g, &m, &held, next, e))
            return -1;
        return held ? 0 : launch_machine(g, &m, task, next, e);
    case M_BOOTING:
    case M_IDLE:
    case M_BUSY:
        return check_machine(g, &m, task, next, e);
    case M_ENDING:
        return end_machine(g, &m, task, next, e);
    case M_GONE:
        break;
    }
    return 0;
}

int task_run(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    switch (task->kind) {
    case TASK_JOB:
        return decide_job(g, task, next, e);
    case TASK_MACHINE:
        return run_machine(g, task, next, e);
    case TASK_ROOM:
        return room_pass(g, next, e);
    case TASK_IDLE:
        return idle_task(g, task, next, e);
    case TASK_SLOW:
        return report_job(g, task, next, e);
    case TASK_SAY:
        return report_say(g, task, next, e);
    case TASK_CATCH_UP:
        return catch_up(g, task, next, e);
    case TASK_RERUN:
        return rerun_run(g, task, next, e);
    case TASK_SWEEP:
        return sweep_task(g, task, next, e);
    case TASK_RETAIN:
        return retain_task(g, task, next, e);
    }
    return err_set(e, ERR_BUG, "a task of the unknown kind %d", (int)task->kind);
}
