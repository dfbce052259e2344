/* What every task of a machine shares: reading it, changing its state, finding its cloud. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/engine/breaker.h"
#include "server/engine/idle.h"
#include "server/engine/pace.h"
#include "server/engine/rank.h"
#include "server/engine/rerun.h"
#include "server/engine/room.h"
#include "server/store/store_watch.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct metric_desc faults = {METRIC_COUNTER, "muster_machine_faults_total",
                                          "What went wrong with machines and was acted on, by fault", "fault", NULL};

#define DENIED_ROUNDS 4 /* several minutes: rights that were just given take their time */

void machine_fault(const char *fault)
{
    metric_add(&faults, fault, 1);
}

const struct engine_cloud *machine_cloud(const struct engine *g, const char *cloud)
{
    for (size_t i = 0; i < g->c.n_clouds; i++) {
        if (strcmp(g->c.clouds[i].ops->name, cloud) == 0)
            return &g->c.clouds[i];
    }
    return NULL;
}

static int see_none(void *arg, const struct instance *i, struct err *e)
{
    (void)arg;
    (void)i;
    (void)e;
    return 0;
}

bool machine_is_denied(struct engine *g, const struct machine_spec *s, const struct err *refusal, int round)
{
    const struct engine_cloud *cloud = machine_cloud(g, s->cloud);
    struct err ignored;

    if (refusal->kind != ERR_AUTH || round < DENIED_ROUNDS || cloud == NULL || cloud->ops->list == NULL)
        return false;
    return pace_list(g, cloud, s->region, see_none, NULL, &ignored) == 0;
}

void machine_ref(const struct machine *m, struct instance *ref)
{
    memset(ref, 0, sizeof(*ref));
    (void)snprintf(ref->id, sizeof(ref->id), "%s", m->instance_id);
    (void)snprintf(ref->region, sizeof(ref->region), "%s", m->region);
    (void)snprintf(ref->name, sizeof(ref->name), "%s", m->name);
}

bool machine_is_org(const struct machine *m)
{
    return strchr(m->repo, '/') == NULL;
}

struct github_repo machine_repo(const struct machine *m)
{
    if (machine_is_org(m)) /* whichever repository's job it waits for */
        return (struct github_repo){m->installation_id, 0, m->repo};
    return (struct github_repo){m->installation_id, m->repo_id, m->repo};
}

bool job_waits(const struct job *j)
{
    return j->state == JOB_QUEUED && j->want == WANT_MACHINE;
}

int machine_job(struct store_tx *t, const struct machine *m, struct job *j, bool *found, struct err *e)
{
    job_clear(j);
    if (store_job_get(t, m->job_id, j, found, e))
        return -1;
    if (*found && job_waits(j))
        return 0;
    job_clear(j);
    return store_job_next_unserved(t, m->repo_id, m->label_key, j, found, e);
}

int machine_remove_runner(struct engine *g, const struct machine *m, struct err *e)
{
    struct github_repo repo = machine_repo(m);
    struct github_runner r = {.id = m->runner_id};
    bool shown;

    if (m->runner_id == 0)
        return 0;
    if (m->runner_id < 0 && github_runner_find(g->c.github, &repo, m->name, &r, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (github_runner_delete(g->c.github, &repo, r.id, &shown, e))
        return -1;
    if (shown)
        return 0;
    /* none that we are shown: is there none? */
    if (github_runner_find(g->c.github, &repo, m->name, &r, e) == 0)
        return err_set(e, ERR_RETRY, "GitHub removes no runner %s in %s, and lists it", m->name, m->repo);
    return e->kind == ERR_GONE ? 0 : -1;
}

void machine_note_instance(struct machine *m, void *instance)
{
    const struct instance *i = instance;

    (void)snprintf(m->instance_id, sizeof(m->instance_id), "%s", i->id);
    (void)snprintf(m->region, sizeof(m->region), "%s", i->region);
    m->doubt_ms = 0;
    free(m->sealed_jit);
    m->sealed_jit = NULL;
}

/* Does a machine in this state count as supply for waiting jobs? */
static bool is_supply(enum machine_state s)
{
    return s < M_BUSY;
}

static enum task_priority priority_of(enum machine_state s)
{
    switch (s) {
    case M_WANTED:
    case M_LAUNCHING:
        return TASK_LAUNCH;
    case M_ENDING:
        return TASK_TEARDOWN;
    case M_BOOTING:
    case M_IDLE:
    case M_BUSY:
    case M_GONE:
        break;
    }
    return TASK_CHECK;
}

static int write_change(struct store_tx *t, struct machine_change *c, struct machine *m, struct err *e)
{
    char kind[40];
    bool changed;

    if (c->reason != NULL) {
        free(m->reason);
        m->reason = mem_strdup(c->reason);
    }
    if (c->edit != NULL)
        c->edit(m, c->edit_arg);
    m->state = c->after;
    if (c->after >= M_ENDING) {
        free(m->sealed_jit);
        m->sealed_jit = NULL;
    }
    if (store_machine_update(t, m, c->before, &changed, e) || (c->after >= M_ENDING && store_pull_drop(t, m->name, e)))
        return -1;
    if (!changed)
        return err_set(e, ERR_BUG, "machine %s changed inside its own transaction", m->name);
    if (c->before == M_BOOTING && (c->after == M_IDLE || c->after == M_BUSY) &&
        rank_booted_tx(t, c->g, m, c->now_ms, e))
        return -1;
    if (c->after == M_GONE && store_watch_drop(t, m->name, e))
        return -1;
    (void)snprintf(kind, sizeof(kind), "machine.%s", fsm_event_name(c->event));
    return store_event_add(t, c->now_ms, m->taken_job_id != 0 ? m->taken_job_id : m->job_id, m->name,
                           c->kind != NULL ? c->kind : kind, c->reason, e);
}

/* A runner runs one job. Whoever says that another one began or ended on it is mistaken, or we are: that ends nothing,
 * and GitHub is asked. */
static bool is_odd(const struct machine_change *c, const struct machine *m)
{
    return c->job_id != 0 && m->state == M_BUSY && m->taken_job_id != 0 && c->job_id != m->taken_job_id &&
           (c->event == FSM_FINISHED || c->event == FSM_TAKEN);
}

static int doubt(struct store_tx *t, const struct machine_change *c, const struct machine *m, struct err *e)
{
    char detail[160];

    (void)snprintf(detail, sizeof(detail), "GitHub says that job %lld %s on it, which runs job %lld: GitHub is asked",
                   (long long)c->job_id, c->event == FSM_TAKEN ? "began" : "ended", (long long)m->taken_job_id);
    log_warn(EV("machine.doubted"), FS("machine", m->name), FI("job", m->taken_job_id), FS("reason", detail));
    machine_fault("doubted");
    return store_watch_ask(t, m->name, e) || store_task_put(t, TASK_MACHINE, m->name, TASK_CHECK, c->now_ms, e) ||
                   store_event_add(t, c->now_ms, m->taken_job_id, m->name, "machine.doubted", detail, e)
               ? -1
               : 0;
}

/* Who names a machine that he cannot have had: a runner's name can be anybody's. */
static bool is_foreign(const struct machine_change *c, const struct machine *m)
{
    size_t n = strlen(m->repo);

    if (c->repo_id == 0)
        return false;
    if (!machine_is_org(m))
        return c->repo_id != m->repo_id;
    return c->repo == NULL || strncasecmp(c->repo, m->repo, n) != 0 || c->repo[n] != '/';
}

/* It will not come up any more. */
static bool is_unproved(const struct machine_change *c)
{
    return (c->before == M_LAUNCHING || c->before == M_BOOTING) && (c->after == M_ENDING || c->after == M_GONE);
}

static int tell_breaker(struct store_tx *t, const struct machine_change *c, const struct machine *m, struct err *e)
{
    if (c->before == M_BOOTING && (c->event == FSM_LOST || c->event == FSM_EXPIRED))
        return breaker_lost_tx(t, c->g, m, c->now_ms, e);
    return breaker_release_tx(t, c->g, m, e);
}

int machine_change_tx(struct store_tx *t, void *change, struct err *e)
{
    struct machine_change *c = change;
    AUTO_MACHINE struct machine m = {0};
    bool found, pooled;

    c->applied = false;
    if (store_machine_get(t, c->name, &m, &found, e))
        return -1;
    if (!found || is_foreign(c, &m) || !fsm_next(m.state, c->event, &c->after))
        return 0;
    if (is_odd(c, &m))
        return doubt(t, c, &m, e);
    if (c->event == FSM_TAKEN && m.state == M_BUSY && (c->job_id == 0 || m.taken_job_id != 0))
        return 0; /* known */
    c->before = m.state;
    if (write_change(t, c, &m, e))
        return -1;
    c->applied = true;
    if (is_unproved(c) && tell_breaker(t, c, &m, e))
        return -1;
    if (c->after == M_GONE && breaker_ended_tx(t, &m, c->now_ms, e))
        return -1;
    if (c->before == M_BUSY && c->event == FSM_LOST && rerun_interrupted_tx(t, c->g, &m, c->loss, c->now_ms, e))
        return -1;
    if (is_supply(c->before) && (c->event == FSM_LOST || c->event == FSM_EXPIRED) && verdict_lost(t, &m, c->now_ms, e))
        return -1;
    if (c->after == M_ENDING && c->before != M_ENDING &&
        store_task_put(t, TASK_MACHINE, m.name, priority_of(c->after), c->now_ms, e))
        return -1;
    if (c->after == M_IDLE && c->before != M_IDLE && idle_is_up(t, m.name, e))
        return -1;
    if (is_supply(c->before) && !is_supply(c->after)) {
        struct balance b = {c->g, m.repo_id, m.label_key, c->now_ms, c->first_candidate};

        if (idle_left(t, c, &m, &pooled, e))
            return -1;
        return pooled ? 0 : balance_strike(t, &b, e);
    }
    return c->after == M_GONE || c->event == FSM_BACKOFF ? room_admit(t, c->g, c->now_ms, e) : 0;
}

int machine_change(struct engine *g, struct machine_change *c, struct err *e)
{
    c->g = g;
    c->now_ms = clock_now_ms();
    if (workers_write(g, machine_change_tx, c, e))
        return -1;
    if (c->applied)
        log_info(EV("machine.changed"), FS("machine", c->name), FS("from", machine_state_name(c->before)),
                 FS("to", machine_state_name(c->after)), FS("reason", c->reason));
    return 0;
}
