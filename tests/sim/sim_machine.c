#include "tests/sim/sim_machine.h"

#include "server/base/mem.h"
#include "tests/sim/sim_timer.h"
#include "tests/sim/sim_util.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum phase { BOOTING, ON_LINE, WORKING, OFF };

struct machine {
    struct sim_machines *all;
    size_t index;
    char id[24];
    char *jit; /* until it is on line */
    enum sim_machine_kind kind;
    enum phase phase;
    int64_t runner_id;
};

struct sim_machines {
    struct sim_machines_conf conf;
    struct sim_timer *timer;
    struct sim_ec2 *cloud;

    pthread_mutex_t lock; /* guards everything below; not held while GitHub or the cloud are called */
    uint64_t rng;
    struct machine **m;
    size_t n;
    enum sim_machine_kind next_kind;
    int next_left;
    double share[SIM_MACHINE_FAILS_JOB + 1];
    struct sim_machines_stats stats;
};

static void lock(struct sim_machines *ms)
{
    (void)pthread_mutex_lock(&ms->lock);
}

static void unlock(struct sim_machines *ms)
{
    (void)pthread_mutex_unlock(&ms->lock);
}

/* Move on if the machine is still in the phase that the caller took it to be in. */
static bool advance(struct machine *m, enum phase from, enum phase to)
{
    bool ok;

    lock(m->all);
    ok = m->phase == from;
    if (ok)
        m->phase = to;
    unlock(m->all);
    return ok;
}

static void power_off(struct machine *m)
{
    struct sim_machines *ms = m->all;

    lock(ms);
    m->phase = OFF;
    ms->stats.powered_off++;
    unlock(ms);
    sim_ec2_power_off(ms->cloud, m->id);
}

static struct machine *at(struct sim_machines *ms, int64_t index)
{
    struct machine *m;

    lock(ms);
    m = ms->m[index];
    unlock(ms);
    return m;
}

/* ---- work ---- */

static void work_done(void *arg, int64_t index)
{
    struct sim_machines *ms = arg;
    struct machine *m = at(ms, index);

    if (!advance(m, WORKING, OFF))
        return;
    if (m->kind == SIM_MACHINE_VANISHES) {
        sim_github_runner_lost(ms->conf.github, m->runner_id);
        sim_ec2_interrupt(ms->cloud, m->id);
        return;
    }
    lock(ms);
    ms->stats.worked++;
    unlock(ms);
    sim_github_runner_finish(ms->conf.github, m->runner_id, m->kind == SIM_MACHINE_FAILS_JOB ? "failure" : "success");
    if (!ms->conf.keeps_power)
        power_off(m);
}

static int64_t about(struct sim_machines *ms, int base_ms)
{
    int64_t ms_in_all = base_ms;

    lock(ms);
    if (ms->conf.jitter_ms > 0)
        ms_in_all += (int64_t)(sim_rng_unit(&ms->rng) * ms->conf.jitter_ms);
    unlock(ms);
    return ms_in_all;
}

static void assigned(void *arg, int64_t runner_id, int64_t job_id)
{
    struct machine *m = arg;
    bool gone;

    if (job_id == 0) { /* the runner was removed: it ends, and the machine with it */
        if (advance(m, ON_LINE, OFF) || advance(m, WORKING, OFF))
            power_off(m);
        return;
    }
    lock(m->all);
    m->runner_id = runner_id;
    gone = m->phase == OFF;
    unlock(m->all);
    if (gone) /* taken away before it heard of its job */
        sim_github_runner_lost(m->all->conf.github, runner_id);
    if (advance(m, ON_LINE, WORKING))
        sim_timer_after(m->all->timer, about(m->all, m->all->conf.work_ms), work_done, m->all, (int64_t)m->index);
}

static void idle_over(void *arg, int64_t index)
{
    struct machine *m = at(arg, index);

    if (advance(m, ON_LINE, OFF)) {
        sim_github_runner_lost(m->all->conf.github, m->runner_id);
        power_off(m);
    }
}

/* ---- boot ---- */

static void go_on_line(struct sim_machines *ms, struct machine *m)
{
    struct err e;
    int64_t id = 0;
    bool gone;

    if (!advance(m, BOOTING, ON_LINE)) /* before the call: the assignment may come during it */
        return;
    if (sim_github_runner_online(ms->conf.github, m->jit, assigned, m, &id, &e) != 0) {
        lock(ms);
        ms->stats.refused++;
        unlock(ms);
        power_off(m);
        return;
    }
    lock(ms);
    m->runner_id = id;
    gone = m->phase == OFF;
    ms->stats.online++;
    free(m->jit);
    m->jit = NULL;
    unlock(ms);
    if (gone) /* taken away before it knew its runner */
        sim_github_runner_lost(ms->conf.github, id);
    if (ms->conf.idle_ms > 0)
        sim_timer_after(ms->timer, ms->conf.idle_ms, idle_over, ms, (int64_t)m->index);
}

static void booted(void *arg, int64_t index)
{
    struct sim_machines *ms = arg;
    struct machine *m = at(ms, index);

    switch (m->kind) {
    case SIM_MACHINE_NEVER_BOOTS:
        return;
    case SIM_MACHINE_NEVER_REGISTERS:
        power_off(m);
        return;
    case SIM_MACHINE_HONEST:
    case SIM_MACHINE_VANISHES:
    case SIM_MACHINE_FAILS_JOB:
        break;
    }
    if (m->jit == NULL)
        power_off(m);
    else
        go_on_line(ms, m);
}

/* The bootstrap assigns its parameters one a line, in single quotes. */
static char *jit_of(const char *user_data)
{
    static const char key[] = "\nMUSTER_JIT='";
    const char *p = strstr(user_data, key);
    size_t len;

    if (p == NULL)
        return NULL;
    p += sizeof(key) - 1;
    len = strcspn(p, "'\n");
    return p[len] == '\'' && len > 0 ? mem_strndup(p, len) : NULL;
}

static enum sim_machine_kind draw_kind(struct sim_machines *ms)
{
    if (ms->next_left > 0) {
        ms->next_left--;
        return ms->next_kind;
    }
    for (size_t k = 0; k < ARRAY_LEN(ms->share); k++)
        if (ms->share[k] > 0 && sim_rng_unit(&ms->rng) < ms->share[k])
            return (enum sim_machine_kind)k;
    return SIM_MACHINE_HONEST;
}

void sim_machines_on_start(void *arg, const char *id, const char *name, const char *user_data, size_t len)
{
    struct sim_machines *ms = arg;
    struct machine *m = mem_zalloc(sizeof(*m));

    (void)name;
    (void)len;
    (void)snprintf(m->id, sizeof(m->id), "%s", id);
    m->all = ms;
    m->jit = jit_of(user_data);
    lock(ms);
    m->index = ms->n;
    m->kind = draw_kind(ms);
    ms->m = mem_realloc_array(ms->m, ms->n + 1, sizeof(struct machine *));
    ms->m[ms->n++] = m;
    ms->stats.started++;
    ms->stats.unreadable += m->jit == NULL ? 1 : 0;
    unlock(ms);
    sim_timer_after(ms->timer, about(ms, ms->conf.boot_ms), booted, ms, (int64_t)m->index);
}

void sim_machines_on_end(void *arg, const char *id)
{
    struct sim_machines *ms = arg;
    struct machine *m = NULL;
    enum phase was = OFF;
    int64_t runner_id = 0;

    lock(ms);
    for (size_t k = ms->n; k > 0 && m == NULL; k--)
        if (strcmp(ms->m[k - 1]->id, id) == 0)
            m = ms->m[k - 1];
    if (m != NULL) {
        was = m->phase;
        m->phase = OFF;
        runner_id = m->runner_id;
        ms->stats.killed_at_work += was == WORKING ? 1 : 0;
        ms->stats.killed_on_line += was == ON_LINE ? 1 : 0;
    }
    unlock(ms);
    if (was == WORKING || was == ON_LINE)
        sim_github_runner_lost(ms->conf.github, runner_id);
}

/* ---- life ---- */

struct sim_machines *sim_machines_new(const struct sim_machines_conf *c)
{
    struct sim_machines *ms = mem_zalloc(sizeof(*ms));

    ms->conf = *c;
    if (ms->conf.boot_ms <= 0)
        ms->conf.boot_ms = 10;
    if (ms->conf.work_ms <= 0)
        ms->conf.work_ms = 10;
    ms->rng = c->seed + 31;
    (void)pthread_mutex_init(&ms->lock, NULL);
    ms->timer = sim_timer_new();
    return ms;
}

void sim_machines_in(struct sim_machines *m, struct sim_ec2 *cloud)
{
    m->cloud = cloud;
}

void sim_machines_stop(struct sim_machines *ms)
{
    sim_timer_stop(ms->timer);
}

void sim_machines_free(struct sim_machines *ms)
{
    if (ms == NULL)
        return;
    sim_machines_stop(ms);
    sim_timer_free(ms->timer);
    for (size_t k = 0; k < ms->n; k++) {
        free(ms->m[k]->jit);
        free(ms->m[k]);
    }
    free(ms->m);
    (void)pthread_mutex_destroy(&ms->lock);
    free(ms);
}

void sim_machines_next(struct sim_machines *ms, enum sim_machine_kind kind, int n)
{
    lock(ms);
    ms->next_kind = kind;
    ms->next_left = n;
    unlock(ms);
}

void sim_machines_share(struct sim_machines *ms, enum sim_machine_kind kind, double probability)
{
    lock(ms);
    ms->share[kind] = probability;
    unlock(ms);
}

void sim_machines_stats(struct sim_machines *ms, struct sim_machines_stats *out)
{
    lock(ms);
    *out = ms->stats;
    unlock(ms);
}
