/*
 * Demand and supply. GitHub gives a runner to whichever job fits it, so no machine belongs to a job: what counts is
 * that for each (repository, label set) as many machines are on their way or idle as jobs wait.
 */
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/idle.h"
#include "server/engine/room.h"

#include <stdio.h>
#include <string.h>

static void fill_machine(struct machine *m, const struct balance *b, const struct job *j)
{
    id_machine_name(m->name);
    m->state = M_WANTED;
    m->job_id = j->id;
    m->installation_id = j->installation_id;
    m->repo_id = j->repo_id;
    m->created_ms = b->now_ms;
    m->boot_deadline_ms = 0;
    m->expires_ms = b->now_ms + b->g->c.lifetime_ms;
    m->candidate = b->first_candidate;
    m->repo = mem_strdup(j->repo);
    m->labels_json = mem_strdup(j->labels_json);
    m->label_key = mem_strdup(j->label_key);
    m->plan_json = mem_strdup(j->plan_json);
}

/* The first replacement is made at once; what fails again and again waits longer each time. */
static int64_t replacement_wait_ms(int64_t failed)
{
    return failed < 2 ? 0 : workers_backoff_ms((int)failed - 1, 30 * 1000, 10 * 60 * 1000);
}

int balance_want(struct store_tx *t, const struct balance *b, bool *made, struct err *e)
{
    AUTO_JOB struct job j = {0};
    AUTO_MACHINE struct machine m = {0};
    struct verdict taken;
    int64_t failed;

    if (store_job_next_unserved(t, b->repo_id, b->label_key, &j, made, e))
        return -1;
    if (!*made)
        return 0;
    if (store_machine_failures(t, j.id, &failed, e))
        return -1;
    if (failed >= ENGINE_MAX_FAILURES) {
        char reason[200];

        (void)snprintf(reason, sizeof(reason),
                       "%d machines in a row were launched for this job and none took it; not trying again by itself",
                       ENGINE_MAX_FAILURES);
        return verdict_put(t, b->g,
                           &(struct verdict){.job_id = j.id,
                                             .want = WANT_REFUSED,
                                             .reason = reason,
                                             .cause = {CAUSE_BOOT, 0, 0},
                                             .now_ms = b->now_ms},
                           e);
    }
    fill_machine(&m, b, &j);
    taken = (struct verdict){.job_id = j.id, .want = WANT_MACHINE, .reason = "", .now_ms = b->now_ms};
    if (room_is_waiting(j.reason) && verdict_put(t, b->g, &taken, e))
        return -1;
    if (store_machine_insert(t, &m, e) ||
        store_task_put(t, TASK_MACHINE, m.name, TASK_LAUNCH, b->now_ms + replacement_wait_ms(failed), e) ||
        store_event_add(t, b->now_ms, j.id, m.name, "machine.wanted", NULL, e))
        return -1;
    return 0;
}

struct marking {
    struct store_tx *t;
    const struct balance *b;
    int64_t done;
};

static int unmark_one(void *arg, const struct machine *m, struct err *e)
{
    struct marking *k = arg;
    struct machine copy = *m; /* plain copy: borrowed strings are only written back */
    bool changed;

    copy.surplus_ms = 0;
    if (store_machine_update(k->t, &copy, m->state, &changed, e))
        return -1;
    k->done += changed ? 1 : 0;
    return 0;
}

/* Nobody waits for it. One that never went out to a cloud ends at once; others get their grace, in which another
 * job may take them. */
static int mark_one(void *arg, const struct machine *m, struct err *e)
{
    struct marking *k = arg;
    struct machine copy = *m;
    const struct balance *b = k->b;
    bool changed, returned;

    if (idle_return(k->t, m, b->now_ms, &returned, e))
        return -1;
    if (returned)
        return 0;
    if (m->state == M_WANTED && m->launched_ms == 0 && m->runner_id == 0) {
        copy.state = M_ENDING;
        return store_machine_update(k->t, &copy, m->state, &changed, e) ||
                       store_task_put(k->t, TASK_MACHINE, m->name, TASK_TEARDOWN, b->now_ms, e) ||
                       store_event_add(k->t, b->now_ms, m->job_id, m->name, "machine.dropped",
                                       "no job waits for it any more", e)
                   ? -1
                   : 0;
    }
    copy.surplus_ms = b->now_ms;
    if (store_machine_update(k->t, &copy, m->state, &changed, e) ||
        store_task_put(k->t, TASK_MACHINE, m->name, TASK_CHECK, b->now_ms + b->g->c.idle_grace_ms, e))
        return -1;
    return store_event_add(k->t, b->now_ms, m->job_id, m->name, "machine.surplus", NULL, e);
}

/* A warm machine for the job that waits longest. *claimed = false: none fits it, or nobody waits without one. */
static int claim_one(struct store_tx *t, const struct balance *b, bool *claimed, struct err *e)
{
    AUTO_JOB struct job j = {0};

    if (store_job_next_unserved(t, b->repo_id, b->label_key, &j, claimed, e))
        return -1;
    return *claimed ? idle_claim(t, &j, b->now_ms, claimed, e) : 0;
}

int balance_missing(struct store_tx *t, const struct balance *b, int64_t *missing, struct err *e)
{
    struct marking k = {t, b, 0};
    struct store_balance now;
    int64_t live;
    bool claimed = true;

    if (store_balance(t, b->repo_id, b->label_key, &now, e))
        return -1;
    live = now.supply - now.surplus;
    if (live > now.demand && store_machines_unmarked(t, b->repo_id, b->label_key, live - now.demand, mark_one, &k, e))
        return -1;
    if (live < now.demand && now.surplus > 0) {
        if (store_machines_marked(t, b->repo_id, b->label_key, now.demand - live, unmark_one, &k, e))
            return -1;
        live += k.done;
    }
    while (live < now.demand && claimed) {
        if (claim_one(t, b, &claimed, e))
            return -1;
        live += claimed ? 1 : 0;
    }
    *missing = live < now.demand ? now.demand - live : 0;
    return 0;
}

int balance_strike(struct store_tx *t, const struct balance *b, struct err *e)
{
    int64_t missing;

    return balance_missing(t, b, &missing, e) || room_fill(t, b, missing, e) ? -1 : 0;
}
