/*
 * Installations that are suspended or gone, and repositories that are out of the App's sight. An event only makes us
 * ask: what holds is GitHub's answer, so that late and repeated events do no harm. So does a refusal that might come of
 * it, when the event was lost.
 *
 * While one is closed its jobs wait without a machine and are told why, nothing is launched, and GitHub is asked once
 * an hour whether that is still so. Machines that are up end as ever. When it opens, all that waits is taken up at
 * once.
 *
 * GitHub answers 404 from copies that lag behind: it counts when it was said several times, and never for ever.
 */
#include "server/engine/catch_up.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/github/deliveries.h"

#include <stdio.h>
#include <string.h>

#define BATCH 100
#define REPOS_PAGE 100
#define REPO_APART_MS 250             /* between questions about one repository and the next of many */
#define DOUBT_MS (10 * 60 * 1000)     /* a refusal makes us ask so often at most; so long an answer is fresh */
#define STALE_AGAIN_S 60              /* one that is not is had anew meanwhile */
#define MISS_APART_MS (10 * 1000)     /* answers to one question and to another at the same time count once */
#define MISSES 3                      /* so often in a row GitHub must not know an installation before we believe it */
#define MISSES_MOST (MISSES + 7 * 24) /* a week later we ask only when somebody wants something of it */

static const struct metric_desc closings = {METRIC_COUNTER, "muster_installations_total",
                                            "Installations and repositories found closed to us or open again",
                                            "outcome", NULL};

static const char for_good[] = "the App was uninstalled";

/* --- what is known ------------------------------------------------------------------------------------------------ */

struct two {
    char ids[2][32];
    struct store_reach r[2];
};

static int two_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct two *w = arg;

    return store_reach_get(t, w->ids[0], &w->r[0], e) || store_reach_get(t, w->ids[1], &w->r[1], e) ? -1 : 0;
}

/* That it is gone for good is an old answer's word as long as GitHub did not say so lately: whoever is told so waits,
 * and makes us ask (reach_doubt), since it may be installed again and no event said so. */
static int closed_error(const struct store_reach *r, struct err *e)
{
    int64_t old_ms = clock_now_ms() - r->answered_ms;
    bool gone = text_has_prefix(r->reason, for_good), fresh = old_ms >= 0 && old_ms < DOUBT_MS;

    (void)!err_set(e, gone && fresh ? ERR_INVALID : ERR_AUTH, "%s", r->reason);
    e->retry_after_s = gone ? STALE_AGAIN_S : REACH_AGAIN_MS / 1000;
    return -1;
}

int reach_check(struct engine *g, int64_t installation_id, int64_t repo_id, struct err *e)
{
    struct two w = {0};
    struct err ignored;

    (void)snprintf(w.ids[0], sizeof(w.ids[0]), "i%lld", (long long)installation_id);
    (void)snprintf(w.ids[1], sizeof(w.ids[1]), "r%lld", (long long)repo_id);
    if (store_read(g->c.store, two_tx, &w, &ignored))
        return 0; /* GitHub will say so itself */
    for (int i = 0; i < 2; i++) {
        if (w.r[i].closed)
            return closed_error(&w.r[i], e);
    }
    return 0;
}

struct doubt {
    char id[32];
};

static int doubt_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct doubt *d = arg;
    int64_t now_ms = clock_now_ms();
    struct store_reach r;

    if (store_reach_get(t, d->id, &r, e))
        return -1;
    if (now_ms >= r.asked_ms && now_ms < r.asked_ms + DOUBT_MS)
        return 0;
    r.asked_ms = now_ms;
    return store_reach_put(t, d->id, &r, e) || store_task_put(t, TASK_CATCH_UP, d->id, TASK_CHECK, now_ms, e) ? -1 : 0;
}

static void doubt(struct engine *g, char what, int64_t id)
{
    struct doubt d;
    struct err ignored;

    if (id <= 0)
        return;
    (void)snprintf(d.id, sizeof(d.id), "%c%lld", what, (long long)id);
    if (store_write(g->c.store, doubt_tx, &d, &ignored))
        log_warn(EV("installation.unasked"), FS("subject", d.id), FE(&ignored));
}

void reach_doubt(struct engine *g, int64_t installation_id, const struct err *refusal)
{
    if (refusal->kind == ERR_AUTH || refusal->kind == ERR_GONE)
        doubt(g, 'i', installation_id);
}

void reach_doubt_repo(struct engine *g, int64_t installation_id, int64_t repo_id, const struct err *refusal)
{
    reach_doubt(g, installation_id, refusal);
    if (repo_id != 0 && (refusal->kind == ERR_AUTH || refusal->kind == ERR_GONE))
        doubt(g, 'r', repo_id);
}

int reach_changed(struct store_tx *t, const struct job *what, int64_t now_ms, struct err *e)
{
    bool repos = what->name != NULL && (strcmp(what->name, "added") == 0 || strcmp(what->name, "removed") == 0);
    char id[32];

    (void)snprintf(id, sizeof(id), "%c%lld", repos ? 's' : 'p', (long long)what->installation_id);
    return store_task_put(t, TASK_CATCH_UP, id, TASK_CHECK, now_ms, e);
}

int reach_forget(struct store_tx *t, int64_t repo_id, struct err *e)
{
    char id[32];

    (void)snprintf(id, sizeof(id), "r%lld", (long long)repo_id);
    return store_reach_drop(t, id, e);
}

/* --- closing ------------------------------------------------------------------------------------------------------ */

struct closing {
    struct engine *g;
    const struct task *task;
    char id[32];
    int64_t installation_id, repo_id; /* repo_id 0 = all of it */
    struct store_reach now;
    bool told;       /* an event says that something has changed: what waits is tried now, whatever was known */
    bool was_closed; /* out */
    bool more;       /* out: there are jobs left to tell */
};

static int close_job(struct store_tx *t, const struct closing *c, int64_t id, int64_t now_ms, struct err *e)
{
    const struct verdict v = {.job_id = id,
                              .want = WANT_UNDECIDED,
                              .reason = c->now.reason,
                              .cause = {CAUSE_UNDECIDED, 0, 0},
                              .now_ms = now_ms};
    AUTO_JOB struct job j = {0};
    char subject[24];
    bool found;

    (void)snprintf(subject, sizeof(subject), "%lld", (long long)id);
    if (store_job_get(t, id, &j, &found, e) || verdict_put(t, c->g, &v, e) ||
        store_task_put(t, TASK_JOB, subject, TASK_DECIDE, now_ms, e))
        return -1;
    return balance_strike(t, &(struct balance){c->g, j.repo_id, j.label_key, now_ms, 0}, e);
}

static int close_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct closing *c = arg;
    int64_t ids[BATCH], now_ms = clock_now_ms();
    struct store_reach before;
    size_t n;

    if (store_task_renew(t, c->task, now_ms + LEASE_MS, e) || store_reach_get(t, c->id, &before, e) ||
        store_reach_put(t, c->id, &c->now, e) ||
        store_reach_wanting(t, c->installation_id, c->repo_id, ids, BATCH, &n, e))
        return -1;
    c->was_closed = before.closed && strcmp(before.reason, c->now.reason) == 0;
    c->more = n == BATCH;
    for (size_t i = 0; i < n; i++) {
        if (close_job(t, c, ids[i], now_ms, e))
            return -1;
    }
    return 0;
}

/* --- jobs and machines that wait: their turn is now ----------------------------------------------------------------
 */

static int wake_jobs_tx(struct store_tx *t, const struct closing *c, int64_t now_ms, struct err *e)
{
    int64_t ids[BATCH], after = 0;
    char subject[24];
    size_t n;

    do {
        if (store_reach_undecided(t, c->installation_id, c->repo_id, after, ids, BATCH, &n, e))
            return -1;
        for (size_t i = 0; i < n; i++) {
            (void)snprintf(subject, sizeof(subject), "%lld", (long long)ids[i]);
            if (store_task_put(t, TASK_JOB, subject, TASK_DECIDE, now_ms, e))
                return -1;
            after = ids[i];
        }
    } while (n == BATCH);
    return 0;
}

static int wake_machines_tx(struct store_tx *t, const struct closing *c, int64_t now_ms, struct err *e)
{
    store_machine_name names[BATCH], after = "";
    size_t n;

    do {
        if (store_reach_unlaunched(t, c->installation_id, c->repo_id, after, names, BATCH, &n, e))
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (store_task_put(t, TASK_MACHINE, names[i], TASK_LAUNCH, now_ms, e))
                return -1;
            memcpy(after, names[i], sizeof(after));
        }
    } while (n == BATCH);
    return 0;
}

/* Whoever waits is woken in the transaction that opens it: once it is open nobody would do it later. */
static int open_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct closing *c = arg;
    int64_t now_ms = clock_now_ms();
    struct store_reach before;
    char repos[32];

    if (store_task_renew(t, c->task, now_ms + LEASE_MS, e) || store_reach_get(t, c->id, &before, e) ||
        store_reach_put(t, c->id, &c->now, e))
        return -1;
    c->was_closed = before.closed;
    if (!before.closed && !c->told) /* a refusal had another cause: whoever was refused waits as he decided */
        return 0;
    if (wake_machines_tx(t, c, now_ms, e) || wake_jobs_tx(t, c, now_ms, e))
        return -1;
    (void)snprintf(repos, sizeof(repos), "s%lld", (long long)c->installation_id);
    if (before.closed && c->repo_id == 0 && store_task_put(t, TASK_CATCH_UP, repos, TASK_CHECK, now_ms, e))
        return -1;
    return store_task_put(t, TASK_CATCH_UP, CATCH_UP_JOBS, TASK_DECIDE, now_ms, e);
}

static int set_open(struct closing *c, struct err *e)
{
    if (workers_write(c->g, open_tx, c, e))
        return -1;
    if (c->was_closed) {
        metric_add(&closings, "opened", 1);
        log_info(EV("installation.opened"), FS("subject", c->id));
    }
    return 0;
}

/* Those that are yet to be decided, so that they are told why they wait; each would be in its own time. */
static int tell_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct closing *c = arg;
    int64_t now_ms = clock_now_ms();

    return store_task_renew(t, c->task, now_ms + LEASE_MS, e) || wake_jobs_tx(t, c, now_ms, e) ? -1 : 0;
}

static int set_closed(struct closing *c, struct err *e)
{
    bool fresh;

    c->now.closed = true;
    if (workers_write(c->g, close_tx, c, e))
        return -1;
    fresh = !c->was_closed;
    while (c->more) {
        if (workers_write(c->g, close_tx, c, e))
            return -1;
    }
    if (!fresh)
        return 0;
    metric_add(&closings, "closed", 1);
    log_warn(EV("installation.closed"), FS("subject", c->id), FS("reason", c->now.reason));
    return workers_write(c->g, tell_tx, c, e);
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int miss_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct closing *c = arg;
    struct store_reach r;

    if (store_reach_get(t, c->id, &r, e))
        return -1;
    if (r.misses == 0 || c->now.answered_ms - r.answered_ms >= MISS_APART_MS || c->now.answered_ms < r.answered_ms) {
        r.misses++;
        r.answered_ms = c->now.answered_ms;
    }
    c->now.misses = r.misses;
    return store_reach_put(t, c->id, &r, e);
}

/* GitHub does not know it: an answer that may be stale, right after it was made above all. *cause: it does not count
 * yet. */
static int ask_missing(struct closing *c, struct task_next *next, struct err *cause, struct err *e)
{
    if (workers_write(c->g, miss_tx, c, e))
        return -1;
    if (c->now.misses < MISSES) {
        (void)!err_set(cause, ERR_RETRY, "GitHub does not know it: asked again before that counts");
        return 0;
    }
    if (c->now.misses < MISSES_MOST)
        next->due_ms = clock_now_ms() + REACH_AGAIN_MS;
    return set_closed(c, e);
}

/* While it is closed GitHub is asked again: the event of its end may be lost too. */
static int ask_installation(struct closing *c, struct task_next *next, struct err *cause, struct err *e)
{
    enum github_installed state;

    if (github_installation_look(c->g->c.github, c->installation_id, &state, cause))
        return 0;
    c->now.answered_ms = clock_now_ms();
    switch (state) {
    case GITHUB_INSTALLED:
        return set_open(c, e);
    case GITHUB_SUSPENDED:
        (void)snprintf(c->now.reason, sizeof(c->now.reason),
                       "the App's installation is suspended: an owner has to unsuspend it at GitHub, under Settings, "
                       "GitHub Apps");
        next->due_ms = clock_now_ms() + REACH_AGAIN_MS;
        return set_closed(c, e);
    case GITHUB_UNINSTALLED:
        (void)snprintf(c->now.reason, sizeof(c->now.reason),
                       "%s there: jobs get no machine until an owner installs it again and they are run again",
                       for_good);
        return ask_missing(c, next, cause, e);
    }
    return 0;
}

/* --- repositories ------------------------------------------------------------------------------------------------- */

struct repo_read {
    int64_t repo_id;
    struct store_active a;
    bool there;
    struct store_reach installation; /* its own */
};

static int repo_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct repo_read *r = arg;
    char id[32];

    store_active_clear(&r->a);
    if (store_active_get(t, r->repo_id, &r->a, &r->there, e) || !r->there)
        return r->there ? -1 : 0;
    (void)snprintf(id, sizeof(id), "i%lld", (long long)r->a.installation_id);
    return store_reach_get(t, id, &r->installation, e);
}

/* Of a repository that we do not look at any more nothing is known; while its installation is closed nothing is told,
 * and the end of that makes us ask. */
static int ask_repo(struct closing *c, const struct repo_read *r, struct task_next *next, struct err *cause,
                    struct err *e)
{
    int64_t found;

    if (!r->there)
        return set_open(c, e);
    c->installation_id = r->a.installation_id;
    if (r->installation.closed)
        return 0;
    if (github_installation_of(c->g->c.github, r->a.repo, &found, cause) == 0) {
        c->now.answered_ms = clock_now_ms();
        return set_open(c, e);
    }
    if (cause->kind != ERR_GONE)
        return 0;
    cause->kind = ERR_NONE;
    c->now.answered_ms = clock_now_ms();
    (void)snprintf(c->now.reason, sizeof(c->now.reason),
                   "the App may not see this repository any more: an owner has to add it to the App's repositories");
    return ask_missing(c, next, cause, e);
}

static int look_at_repo(struct closing *c, int64_t repo_id, struct task_next *next, struct err *cause, struct err *e)
{
    struct repo_read r = {.repo_id = repo_id};
    int rc = store_read(c->g->c.store, repo_tx, &r, e);

    c->repo_id = repo_id;
    if (rc == 0)
        rc = ask_repo(c, &r, next, cause, e);
    store_active_clear(&r.a);
    return rc;
}

struct repos {
    const struct task *task;
    int64_t installation_id, after, due_ms;
    size_t n; /* out: of this page */
};

/* Each is a question of its own. */
static int repos_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct repos *r = arg;
    int64_t ids[REPOS_PAGE], due_ms = r->due_ms;
    char id[32];

    if (store_task_renew(t, r->task, clock_now_ms() + LEASE_MS, e) ||
        store_active_of(t, r->installation_id, r->after, ids, REPOS_PAGE, &r->n, e))
        return -1;
    for (size_t i = 0; i < r->n; i++, due_ms += REPO_APART_MS) {
        (void)snprintf(id, sizeof(id), "r%lld", (long long)ids[i]);
        if (store_task_put(t, TASK_CATCH_UP, id, TASK_CHECK, due_ms, e))
            return -1;
    }
    if (r->n > 0)
        r->after = ids[r->n - 1];
    return 0;
}

/* Which of the repositories that we look at does it still see? */
static int ask_repos(const struct closing *c, struct err *e)
{
    struct repos r = {.task = c->task, .installation_id = c->installation_id, .due_ms = clock_now_ms()};

    do {
        if (workers_write(c->g, repos_tx, &r, e))
            return -1;
        r.due_ms += (int64_t)r.n * REPO_APART_MS;
    } while (r.n == REPOS_PAGE);
    return 0;
}

static int ask(struct closing *c, char what, int64_t id, struct task_next *next, struct err *cause, struct err *e)
{
    if (what == 's')
        return ask_repos(c, e);
    return what == 'r' ? look_at_repo(c, id, next, cause, e) : ask_installation(c, next, cause, e);
}

int catch_up_reach(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    struct err cause = {.kind = ERR_NONE};
    struct closing c = {.g = g, .task = task, .now = {.asked_ms = clock_now_ms()}};
    int64_t id;

    *next = (struct task_next){-1, TASK_CHECK, false};
    if (text_i64(task->subject + 1, 1, INT64_MAX, &id, e))
        return -1;
    (void)snprintf(c.id, sizeof(c.id), "%c%lld", task->subject[0] == 'r' ? 'r' : 'i', (long long)id);
    c.installation_id = task->subject[0] == 'r' ? 0 : id;
    c.told = task->subject[0] == 'p';
    if (ask(&c, task->subject[0], id, next, &cause, e))
        return -1;
    if (cause.kind == ERR_NONE)
        return 0;
    log_warn(EV("installation.unasked"), FS("subject", task->subject), FE(&cause));
    if (!err_is_passing(&cause) && task->attempts >= 5)
        return 0;
    next->due_ms =
        clock_now_ms() + (cause.retry_after_s > 0 ? cause.retry_after_s * INT64_C(1000)
                                                  : workers_backoff_ms(task->attempts, 15 * 1000, 10 * 60 * 1000));
    next->retry = true;
    return 0;
}
