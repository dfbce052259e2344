/*
 * "Re-run" of a check run: what is refused or undecided is decided anew, from fresh files; what waits is tried at once.
 *
 * It gives nobody a right: the decision is made by the same rules, whoever pressed. Only check runs that we made are
 * known here.
 */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/engine/breaker.h"
#include "server/engine/report.h"
#include "server/store/store_watch.h"

#include <stdio.h>
#include <string.h>

#define REPORTS_MAX (REPORT_TOPICS_MAX + 2)

struct press {
    struct engine *g;
    char guid[65];
    struct job what; /* event_check.h */
    int64_t now_ms;
    enum delivery_outcome outcome;
    engine_delivered_fn *done;
    void *arg;
};

struct job_ids {
    int64_t *ids;
    size_t n;
};

static void job_ids_clear(struct job_ids *j)
{
    free(j->ids);
}

static int take_id(void *arg, const struct store_report_job *j, struct err *e)
{
    struct job_ids *all = arg;

    (void)e;
    if (j->state != JOB_QUEUED || j->want == WANT_NOTHING)
        return 0;
    all->ids = mem_realloc_array(all->ids, all->n + 1, sizeof(*all->ids));
    all->ids[all->n++] = j->id;
    return 0;
}

/* What was read for it is read again. */
static void forget(struct engine *g, const struct job *j)
{
    char key[160];

    lookup_forget(g, j);
    (void)snprintf(key, sizeof(key), "%lld@%s", (long long)j->repo_id, j->head_sha != NULL ? j->head_sha : "");
    cache_drop(g->report_files, key, NULL);
    (void)snprintf(key, sizeof(key), "%lld@", (long long)j->repo_id);
    cache_drop(g->report_files, key, NULL);
}

static int decide_anew(struct store_tx *t, const struct press *p, const struct job *j, struct err *e)
{
    const struct verdict v = {
        .job_id = j->id, .want = WANT_UNDECIDED, .reason = "", .progress = true, .now_ms = p->now_ms};
    char id[24];

    forget(p->g, j);
    (void)snprintf(id, sizeof(id), "%lld", (long long)j->id);
    return verdict_put(t, p->g, &v, e) || store_job_retried(t, j->id, p->now_ms, e) ||
                   store_attempts_forget(t, j->id, e) || store_task_put(t, TASK_JOB, id, TASK_DECIDE, p->now_ms, e)
               ? -1
               : 0;
}

/* Its machine waits for the next round: that comes now. */
static int try_now(struct store_tx *t, const struct press *p, const struct job *j, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};
    bool found;

    if (store_machine_of_job(t, j->id, &m, &found, e))
        return -1;
    if (!found || m.state > M_LAUNCHING)
        return 0;
    return breaker_asked_tx(t, p->g, &m, p->now_ms, e) ||
                   store_task_put(t, TASK_MACHINE, m.name, TASK_LAUNCH, p->now_ms, e)
               ? -1
               : 0;
}

static int press_job(struct store_tx *t, const struct press *p, int64_t id, struct err *e)
{
    AUTO_JOB struct job j = {0};
    char detail[120];
    bool found;

    if (store_job_get(t, id, &j, &found, e))
        return -1;
    if (!found)
        return 0;
    (void)snprintf(detail, sizeof(detail), "asked for in the pull request by %.64s", p->what.name);
    if (store_event_add(t, p->now_ms, id, NULL, "job.retried", detail, e))
        return -1;
    return j.want == WANT_MACHINE ? try_now(t, p, &j, e) : decide_anew(t, p, &j, e);
}

/* GitHub shows it as queued from the press on: whatever comes of it has to be said. */
static int press_report(struct store_tx *t, const struct press *p, int64_t report_id, struct err *e)
{
    AUTO(job_ids_clear) struct job_ids all = {NULL, 0};
    AUTO(store_report_clear) struct store_report r = {0};
    bool found;

    if (store_report_get(t, report_id, &r, &found, e) || store_report_jobs(t, report_id, take_id, &all, e))
        return -1;
    for (size_t i = 0; i < all.n; i++) {
        if (press_job(t, p, all.ids[i], e))
            return -1;
    }
    if (!found)
        return 0;
    (void)snprintf(r.said, sizeof(r.said), "?");
    r.updates = 0;
    return store_report_update(t, &r, e) || report_due(t, report_id, p->now_ms, e) ? -1 : 0;
}

/* Pressed before the answer with its id was on record: then by the job it is named after. */
static int find_report(struct store_tx *t, const struct press *p, int64_t *id, struct err *e)
{
    AUTO(store_report_clear) struct store_report r = {0};
    bool found = false;

    if (store_report_by_check_run(t, p->what.repo_id, p->what.id, id, e))
        return -1;
    if (*id != 0 || p->what.run_id == 0)
        return 0;
    if (store_report_of_job(t, p->what.run_id, id, e) || (*id != 0 && store_report_get(t, *id, &r, &found, e)))
        return -1;
    if (!found || r.repo_id != p->what.repo_id || r.external_id != p->what.run_id || r.check_run_id > 0)
        *id = 0;
    return 0;
}

static int press_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct press *p = arg;
    int64_t ids[REPORTS_MAX];
    size_t n = 0;
    bool known;

    p->outcome = DELIVERY_IGNORED;
    if (p->what.id > 0 ? find_report(t, p, &ids[0], e)
                       : store_reports_of_commit(t, p->what.repo_id, p->what.head_sha, ids, REPORTS_MAX, &n, e))
        return -1;
    if (p->what.id > 0)
        n = ids[0] != 0 ? 1 : 0;
    if (n == 0)
        return 0;
    if (store_delivery_put(t, p->guid, p->now_ms, &known, e))
        return -1;
    p->outcome = known ? DELIVERY_KNOWN : DELIVERY_STORED;
    for (size_t i = 0; i < n && !known; i++) {
        if (press_report(t, p, ids[i], e))
            return -1;
    }
    return 0;
}

static void pressed(void *arg, int rc, const struct err *e)
{
    struct press *p = arg;

    p->done(p->arg, p->outcome, rc, e);
    job_clear(&p->what);
    free(p);
}

void engine_pressed(struct engine *g, const char *guid, struct job *press, engine_delivered_fn *done, void *arg)
{
    struct press *p = mem_zalloc(sizeof(*p));

    p->g = g;
    (void)snprintf(p->guid, sizeof(p->guid), "%s", guid);
    p->what = *press;
    memset(press, 0, sizeof(*press));
    p->now_ms = clock_now_ms();
    p->done = done;
    p->arg = arg;
    store_enqueue(g->c.store, press_tx, p, pressed, p);
}
