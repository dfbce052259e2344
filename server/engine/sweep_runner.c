/*
 * Runners at GitHub whose machine is gone: entries that fill the owner's list, and that a job may seem to wait for.
 * GitHub itself takes an ephemeral runner out that was off line for a day; until then, and where it does not, it is
 * done here.
 *
 * Another muster's runners have names of the same form, in the same repositories if it has the same App. So a runner
 * goes only when it is off line and without a job, and either its record is GONE, or no record knows it and its name is
 * older than any machine of anybody's may get: names are made of the time.
 */
#include "server/engine/sweep.h"

#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/engine/catch_up.h"

#include <stdio.h>
#include <string.h>

#define EVERY_MS ((int64_t)15 * 60 * 1000)
#define OWNERS 20                                 /* asked about in one go: the others' turn is the next */
#define REMOVE_MAX 20                             /* of one of them in one go */
#define SINCE_MS ((int64_t)14 * 24 * 3600 * 1000) /* so long ago at most its last machine was made */
#define OLD_MS ((int64_t)6 * 24 * 3600 * 1000)    /* GitHub ends a job after five days */
#define CURSOR "sweep.runners"

static const struct metric_desc swept = {METRIC_COUNTER, "muster_swept_total",
                                         "Machines and parts that no record explained and that were destroyed, by why "
                                         "(unknown, ended, double, leftover), and runners removed (runner)",
                                         "what", NULL};

struct pass {
    struct engine *g;
    struct store_owner owners[OWNERS];
    size_t n_owners;
    char *after;
    int64_t now_ms;
};

static int keep_owner(void *arg, const struct store_owner *o, struct err *e)
{
    struct pass *p = arg;

    (void)e;
    p->owners[p->n_owners++] = *o;
    return 0;
}

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct pass *p = arg;

    free(p->after);
    p->after = NULL;
    p->n_owners = 0;
    if (store_meta_get(t, CURSOR, &p->after, e))
        return -1;
    return store_owners(t, p->now_ms - SINCE_MS, p->after != NULL ? p->after : "", OWNERS, keep_owner, p, e);
}

/* Fewer than there is room for were the last ones: from the beginning again. */
static int cursor_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct pass *p = arg;

    return store_meta_put(t, CURSOR, p->n_owners == OWNERS ? p->owners[OWNERS - 1].repo : "", e);
}

struct ghost {
    int64_t id;
    char name[64];
};

struct search {
    struct engine *g;
    struct ghost ghosts[REMOVE_MAX];
    size_t n;
    int64_t now_ms;
};

struct trace_of {
    const char *name;
    struct store_trace record;
    bool found;
};

static int trace_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct trace_of *o = arg;

    return store_trace_get(t, o->name, &o->record, &o->found, e);
}

static int see_runner(void *arg, const char *name, const struct github_runner *r, struct err *e)
{
    struct search *s = arg;
    struct trace_of o = {.name = name};

    if (s->n == REMOVE_MAX || r->online || r->busy || !id_is_machine_name(name))
        return 0;
    if (store_read(s->g->c.store, trace_tx, &o, e))
        return -1;
    if (o.found ? o.record.state != M_GONE : id_machine_name_ms(name) + OLD_MS > s->now_ms)
        return 0;
    s->ghosts[s->n].id = r->id;
    (void)snprintf(s->ghosts[s->n].name, sizeof(s->ghosts[0].name), "%s", name);
    s->n++;
    return 0;
}

struct removed {
    const char *name, *repo;
    int64_t now_ms;
};

static int removed_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct removed *r = arg;
    AUTO_MACHINE struct machine m = {0};
    char text[300];
    bool found;

    if (store_machine_get(t, r->name, &m, &found, e))
        return -1;
    (void)snprintf(text, sizeof(text), "its runner was still registered in %.150s, off line: removed", r->repo);
    return store_event_add(t, r->now_ms, m.taken_job_id != 0 ? m.taken_job_id : m.job_id, r->name, "runner.swept", text,
                           e);
}

static int remove_one(struct engine *g, const struct github_repo *repo, const struct ghost *ghost, struct err *e)
{
    struct removed r = {ghost->name, repo->repo, clock_now_ms()};
    struct err cause;

    if (github_runner_remove(g->c.github, repo, ghost->id, &cause)) {
        log_warn(EV("runner.left"), FS("machine", ghost->name), FS("repo", repo->repo), FE(&cause));
        return 0; /* it has a job after all, or its turn comes again */
    }
    metric_add(&swept, "runner", 1);
    log_info(EV("runner.swept"), FS("machine", ghost->name), FS("repo", repo->repo));
    return workers_write(g, removed_tx, &r, e);
}

static int sweep_owner(struct engine *g, const struct store_owner *o, struct err *e)
{
    struct github_repo repo = {o->installation_id, strchr(o->repo, '/') != NULL ? o->repo_id : 0, o->repo};
    struct search *s;
    struct err cause;
    int rc = 0;

    if (reach_check(g, o->installation_id, o->repo_id, &cause))
        return 0; /* nothing is told of it now: its turn comes again */
    s = mem_zalloc(sizeof(*s));
    s->g = g;
    s->now_ms = clock_now_ms();
    if (github_runners_each(g->c.github, &repo, see_runner, s, &cause)) {
        log_warn(EV("sweep.runners_unknown"), FS("repo", o->repo), FE(&cause));
        reach_doubt_repo(g, repo.installation_id, repo.repo_id, &cause);
    } else {
        for (size_t i = 0; i < s->n && rc == 0; i++)
            rc = remove_one(g, &repo, &s->ghosts[i], e);
    }
    free(s);
    return rc;
}

static void pass_free(struct pass **p)
{
    free((*p)->after);
    free(*p);
}

int sweep_runners(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(pass_free) struct pass *p = mem_zalloc(sizeof(*p));

    (void)task;
    p->g = g;
    p->now_ms = clock_now_ms();
    if (store_read(g->c.store, read_tx, p, e))
        return -1;
    for (size_t i = 0; i < p->n_owners; i++) {
        if (sweep_owner(g, &p->owners[i], e))
            return -1;
    }
    *next = (struct task_next){clock_now_ms() + EVERY_MS, TASK_REPORT, false};
    return workers_write(g, cursor_tx, p, e);
}
