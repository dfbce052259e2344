/* Which function a claimed task is for: a job's decision, or what the state of its machine asks for. */
#include "server/engine/engine_int.h"

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

static int run_machine(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    struct machine_read r = {task->subject, &m, false};

    *next = TASK_NEXT_NONE;
    if (store_read(g->c.store, read_tx, &r, e))
        return -1;
    if (!r.found)
        return 0;
    switch (m.state) {
    case M_WANTED:
    case M_LAUNCHING:
        return launch_machine(g, &m, task, next, e);
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
    return task->kind == TASK_JOB ? decide_job(g, task, next, e) : run_machine(g, task, next, e);
}
