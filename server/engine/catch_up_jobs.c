/*
 * A look at GitHub's own lists: repositories from which jobs came lately, for jobs that are queued without an event and
 * for states that moved without one; and single jobs of ours that wait or run for long.
 *
 * A repository is looked at some minutes after a job of it was admitted, then every few minutes while it has jobs or
 * machines, ever more seldom when it is quiet, and no more after a week. Each look costs two calls and one for each run
 * that is under way, within the round's allowance; what there was no time for is next time's beginning.
 *
 * A look may be stale. It moves a job forward, never back, and what it shows is handled exactly as the event would have
 * been: a machine ends only by the completion of a job that GitHub says ran on it.
 */
#include "server/engine/catch_up.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/github/api.h"
#include "server/github/runs.h"

#include <stdio.h>
#include <string.h>

#define CALLS_PER_ROUND 60
#define RUNS_PER_LOOK 20
#define RUN_PAGES_MAX 2
#define JOB_PAGES_MAX 6 /* a matrix has at most 256 jobs */
#define LOOKS_PER_ROUND 20
#define FAILURES_MAX 3 /* of one round, before it ends */
#define QUIET_MS (30 * 60 * 1000)
#define QUIET_EVERY_MS (15 * 60 * 1000)
#define SILENT_MS (6 * 3600 * 1000)
#define SILENT_EVERY_MS (60 * 60 * 1000)
#define LOOK_MOST_MS (30 * 60 * 1000)
#define MISS_AGAIN_MS (2 * 60 * 1000)
#define MISSES 3 /* so often in a row GitHub must not know a job before we believe it */

static const struct metric_desc found_jobs = {
    METRIC_COUNTER, "muster_found_jobs_total",
    "Jobs whose state GitHub told when asked, and no event had, by that state", "state", NULL};

struct watch {
    struct engine *g;
    const struct task *task;
    int calls, failures;
    struct err cause; /* why the round ends early */
    bool over;
};

/* --- inside transactions ------------------------------------------------------------------------------------------ */

int catch_up_admitted(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e)
{
    return store_active_note(t, j, now_ms, now_ms + CATCH_UP_EVERY_MS, e) ||
                   store_look_note(t, j->id, now_ms + CATCH_UP_LOOK_MS, e)
               ? -1
               : 0;
}

int catch_up_taken(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e)
{
    return store_look_note(t, j->id, now_ms + CATCH_UP_LOOK_MS, e);
}

/* --- what GitHub says of jobs ------------------------------------------------------------------------------------- */

struct finding {
    struct watch *w;
    const struct job *jobs;
    size_t n;
    int64_t now_ms;
    size_t moved[JOB_DONE + 1]; /* out, by state */
};

/* Is the runner that it names a machine of ours that has not ended? */
static int is_on_ours(struct store_tx *t, const struct job *j, bool *ours, struct err *e)
{
    AUTO_MACHINE struct machine m = {0};

    *ours = false;
    if (j->runner_name == NULL || !text_has_prefix(j->runner_name, "muster-"))
        return 0;
    if (store_machine_get(t, j->runner_name, &m, ours, e))
        return -1;
    *ours = *ours && m.state < M_ENDING;
    return 0;
}

static int64_t again_ms(const struct job *j, int64_t now_ms)
{
    int64_t ms = (now_ms - j->queued_ms) / 4;

    return ms < CATCH_UP_LOOK_MS ? CATCH_UP_LOOK_MS : ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms;
}

static int apply(struct store_tx *t, struct finding *f, const struct job *j, struct err *e)
{
    char detail[120];
    bool moved;

    if (deliver_job_tx(t, f->w->g, j, f->now_ms, &moved, e))
        return -1;
    if (!moved)
        return 0;
    f->moved[j->state]++;
    (void)snprintf(detail, sizeof(detail), "GitHub lists it as %s, and no event told us", job_state_name(j->state));
    return store_event_add(t, f->now_ms, j->id, j->runner_name, "job.found", detail, e);
}

/* One job as GitHub shows it. One that we know further on, or as far, is left alone. */
static int found_one(struct store_tx *t, struct finding *f, const struct job *j, struct err *e)
{
    AUTO_JOB struct job known = {0};
    struct store_look look = {j->id, f->now_ms + again_ms(j, f->now_ms), 0};
    bool found, ours;

    if (j->state == JOB_WAITING)
        return 0;
    if (store_job_get(t, j->id, &known, &found, e) || is_on_ours(t, j, &ours, e))
        return -1;
    if (found && known.state >= j->state)
        return store_look_put(t, &look, e);
    /* unknown ones matter when they may want a machine, or have one of ours */
    if (!found && !ours && (j->state == JOB_DONE || j->want == WANT_NOTHING))
        return 0;
    return apply(t, f, j, e) || store_look_put(t, &look, e) ? -1 : 0;
}

static int found_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct finding *f = arg;

    memset(f->moved, 0, sizeof(f->moved));
    f->now_ms = clock_now_ms();
    if (store_task_renew(t, f->w->task, f->now_ms + LEASE_MS, e))
        return -1;
    for (size_t i = 0; i < f->n; i++) {
        if (found_one(t, f, &f->jobs[i], e))
            return -1;
    }
    return 0;
}

static int found(struct watch *w, const struct job *jobs, size_t n, struct err *e)
{
    struct finding f = {.w = w, .jobs = jobs, .n = n};

    if (n == 0)
        return 0;
    if (workers_write(w->g, found_tx, &f, e))
        return -1;
    for (int s = JOB_QUEUED; s <= JOB_DONE; s++) {
        if (f.moved[s] == 0)
            continue;
        metric_add(&found_jobs, job_state_name((enum job_state)s), (double)f.moved[s]);
        log_warn(EV("job.found"), FS("repo", jobs[0].repo), FS("state", job_state_name((enum job_state)s)),
                 FI("job", jobs[0].id), FI("count", (int64_t)f.moved[s]));
    }
    return 0;
}

/* --- a call that failed ------------------------------------------------------------------------------------------- */

/* The round goes on with something else, unless GitHub as a whole does not answer. What an installation used up is its
 * own: the others' turns go on, and its own calls cost nothing while its gate is closed. */
static void failed(struct watch *w, int64_t installation_id, int64_t repo_id, const struct err *cause)
{
    reach_doubt_repo(w->g, installation_id, repo_id, cause);
    if (cause->kind == ERR_THROTTLED)
        return;
    w->failures++;
    if (err_is_passing(cause) && w->failures >= FAILURES_MAX) {
        w->cause = *cause;
        w->over = true;
    }
}

/* What failed is tried again: when it has its turn, if that is not far. */
static int64_t failed_wait_ms(const struct err *cause, int64_t refused_ms)
{
    int64_t turn_ms = cause->retry_after_s * INT64_C(1000);

    if (!err_is_passing(cause))
        return refused_ms;
    if (cause->kind != ERR_THROTTLED || turn_ms <= 0 || turn_ms > CATCH_UP_EVERY_MS)
        return CATCH_UP_EVERY_MS;
    return turn_ms > CATCH_UP_SOON_MS ? turn_ms : CATCH_UP_SOON_MS;
}

static bool may_ask(struct watch *w)
{
    return !w->over && w->calls < CALLS_PER_ROUND;
}

/* --- a repository ------------------------------------------------------------------------------------------------- */

struct run_list {
    int64_t ids[2 * RUN_PAGES_MAX * GITHUB_RUNS_PAGE];
    size_t n;
};

static int newest_first(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? 1 : *x > *y ? -1 : 0;
}

static int list_status(struct watch *w, const struct store_active *a, const char *status, struct run_list *all,
                       struct err *cause)
{
    const struct github_repo repo = {a->installation_id, a->repo_id, a->repo};
    struct github_run_ids page = {.more = true};

    for (int i = 1; i <= RUN_PAGES_MAX && page.more; i++) {
        w->calls++;
        if (github_runs_list(w->g->c.github, &repo, status, i, &page, cause))
            return -1;
        for (size_t k = 0; k < page.n; k++)
            all->ids[all->n++] = page.ids[k];
    }
    return 0;
}

/* Runs under way, newest first, each once: one may have begun between the two questions. */
static int list_runs(struct watch *w, const struct store_active *a, struct run_list *all, struct err *cause)
{
    size_t n = 0;

    all->n = 0;
    if (list_status(w, a, "queued", all, cause) || list_status(w, a, "in_progress", all, cause))
        return -1;
    qsort(all->ids, all->n, sizeof(all->ids[0]), newest_first);
    for (size_t i = 0; i < all->n; i++) {
        if (n == 0 || all->ids[n - 1] != all->ids[i])
            all->ids[n++] = all->ids[i];
    }
    all->n = n;
    return 0;
}

/* *failed_call: GitHub did not answer, as *cause says. */
static int look_run(struct watch *w, const struct job *where, int64_t run_id, bool *failed_call, struct err *cause,
                    struct err *e)
{
    AUTO_GITHUB_JOBS struct github_jobs page = {.more = true};

    *failed_call = false;
    for (int i = 1; i <= JOB_PAGES_MAX && page.more; i++) {
        w->calls++;
        if (github_jobs_list(w->g->c.github, where, run_id, i, &page, cause)) {
            *failed_call = true;
            return 0;
        }
        if (found(w, page.jobs, page.n, e))
            return -1;
    }
    return 0;
}

struct repo_look {
    struct watch *w;
    struct store_active a;
    bool there; /* out of next_tx */
    int64_t due_ms, after;
};

static int next_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct repo_look *l = arg;

    store_active_clear(&l->a);
    return store_active_due(t, clock_now_ms(), &l->a, &l->there, e);
}

/* How long until the next look at it; < 0: it is active no more. */
static int64_t repo_wait_ms(const struct store_active *a, int64_t machines, int64_t now_ms)
{
    int64_t quiet_ms = now_ms - a->last_ms;

    if (machines > 0 || quiet_ms < QUIET_MS)
        return CATCH_UP_EVERY_MS;
    if (quiet_ms >= CATCH_UP_ACTIVE_MS)
        return -1;
    return quiet_ms < SILENT_MS ? QUIET_EVERY_MS : SILENT_EVERY_MS;
}

static int looked_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct repo_look *l = arg;
    AUTO_ACTIVE struct store_active now = {0};
    int64_t machines, now_ms = clock_now_ms(), wait_ms;
    bool there;

    if (store_active_machines(t, l->a.repo_id, &machines, e) || store_active_get(t, l->a.repo_id, &now, &there, e))
        return -1;
    if (!there)
        return 0;
    wait_ms = repo_wait_ms(&now, machines, now_ms);
    if (wait_ms < 0) /* whether it could be asked about or not */
        return store_active_drop(t, l->a.repo_id, e) || reach_forget(t, l->a.repo_id, e) ? -1 : 0;
    return store_active_looked(t, l->a.repo_id, now_ms + (l->due_ms != 0 ? l->due_ms : wait_ms), l->after, e);
}

/* Runs from where the last look ended, as many as there is time for. */
static int look_runs(struct repo_look *l, const struct run_list *runs, struct err *e)
{
    const struct job where = {.repo_id = l->a.repo_id,
                              .installation_id = l->a.installation_id,
                              .repo = l->a.repo,
                              .default_branch = l->a.default_branch};
    size_t from = 0, done = 0;
    struct err cause;
    bool failed_call;

    while (l->a.after > 0 && from < runs->n && runs->ids[from] >= l->a.after)
        from++;
    for (; done < runs->n && done < RUNS_PER_LOOK && may_ask(l->w); done++) {
        int64_t id = runs->ids[(from + done) % runs->n];

        if (look_run(l->w, &where, id, &failed_call, &cause, e))
            return -1;
        l->after = id;
        if (failed_call && cause.kind != ERR_GONE) { /* a run that was deleted meanwhile is no matter */
            failed(l->w, l->a.installation_id, l->a.repo_id, &cause);
            break;
        }
    }
    if (done >= runs->n)
        l->after = 0;
    return 0;
}

static int look_repo(struct repo_look *l, struct err *e)
{
    AUTO_FREE struct run_list *runs = mem_zalloc(sizeof(*runs));
    struct watch *w = l->w;
    struct err cause;

    l->due_ms = l->after = 0;
    if (reach_check(w->g, l->a.installation_id, l->a.repo_id, &cause)) {
        l->due_ms = REACH_AGAIN_MS;
    } else if (list_runs(w, &l->a, runs, &cause)) {
        failed(w, l->a.installation_id, l->a.repo_id, &cause);
        l->after = l->a.after;
        l->due_ms = failed_wait_ms(&cause, REACH_AGAIN_MS);
        log_warn(EV("runs.unread"), FS("repo", l->a.repo), FE(&cause));
    } else if (look_runs(l, runs, e)) {
        return -1;
    }
    return workers_write(w->g, looked_tx, l, e);
}

static int look_repos(struct watch *w, struct err *e)
{
    struct repo_look l = {.w = w};
    int rc = 0;

    while (rc == 0 && may_ask(w)) {
        rc = store_read(w->g->c.store, next_tx, &l, e);
        if (rc != 0 || !l.there)
            break;
        rc = look_repo(&l, e);
    }
    store_active_clear(&l.a);
    return rc;
}

/* --- a job -------------------------------------------------------------------------------------------------------- */

struct job_look {
    struct watch *w;
    struct store_look look;
    struct job *j;
    bool wanted; /* it is still to be looked at */
};

/* A job that waits for us, or that runs on a machine of ours. */
static int job_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct job_look *l = arg;
    bool found, ours;

    job_clear(l->j);
    if (store_job_get(t, l->look.job_id, l->j, &found, e) || is_on_ours(t, l->j, &ours, e))
        return -1;
    l->wanted =
        found && ((l->j->state == JOB_QUEUED && l->j->want <= WANT_MACHINE) || (l->j->state == JOB_RUNNING && ours));
    return 0;
}

static int put_look_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct job_look *l = arg;

    return l->wanted ? store_look_put(t, &l->look, e) : store_look_drop(t, l->look.job_id, e);
}

static int look_again(struct job_look *l, int64_t misses, int64_t wait_ms, struct err *e)
{
    l->look.misses = misses;
    l->look.due_ms = clock_now_ms() + wait_ms;
    return workers_write(l->w->g, put_look_tx, l, e);
}

/* The run was deleted: its claim on a machine ends. */
static int gone_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct job_look *l = arg;
    struct job gone = *l->j; /* plain copy: its strings are borrowed */
    AUTO_FREE char *conclusion = mem_strdup("deleted");
    int64_t now_ms = clock_now_ms();
    bool moved;

    gone.state = JOB_DONE;
    gone.conclusion = conclusion;
    gone.updated_ms = now_ms;
    if (deliver_job_tx(t, l->w->g, &gone, now_ms, &moved, e) || store_look_drop(t, gone.id, e))
        return -1;
    return !moved ? 0
                  : store_event_add(t, now_ms, gone.id, NULL, "job.gone",
                                    "GitHub does not know this job any more: its run was deleted", e);
}

/* Of a repository that was taken from our sight GitHub knows no job either: only where we see it is the job gone. */
static bool is_in_sight(struct job_look *l)
{
    int64_t installation_id;
    struct err cause;

    l->w->calls++;
    if (github_installation_of(l->w->g->c.github, l->j->repo, &installation_id, &cause) == 0)
        return installation_id == l->j->installation_id;
    failed(l->w, l->j->installation_id, l->j->repo_id, &cause);
    return false;
}

/* One that runs is not ended by this: that GitHub knows no job does not prove that none runs. */
static int not_there(struct job_look *l, struct err *e)
{
    int64_t misses = l->look.misses + 1;
    bool gone = l->j->state == JOB_QUEUED && misses >= MISSES;

    if (!gone || !is_in_sight(l))
        return look_again(l, misses, MISS_AGAIN_MS << (misses <= 4 ? misses - 1 : 4), e);
    metric_add(&found_jobs, "gone", 1);
    log_warn(EV("job.gone"), FI("job", l->j->id), FS("repo", l->j->repo));
    return workers_write(l->w->g, gone_tx, l, e);
}

static int look_job(struct job_look *l, struct err *e)
{
    AUTO_JOB struct job got = {0};
    int64_t wait_ms = again_ms(l->j, clock_now_ms());
    bool there, known;
    struct err cause;

    if (reach_check(l->w->g, l->j->installation_id, l->j->repo_id, &cause))
        return look_again(l, 0, REACH_AGAIN_MS, e);
    l->w->calls++;
    if (github_job_get(l->w->g->c.github, l->j, l->look.job_id, &there, &known, &got, &cause)) {
        failed(l->w, l->j->installation_id, l->j->repo_id, &cause);
        return look_again(l, l->look.misses, failed_wait_ms(&cause, LOOK_MOST_MS), e);
    }
    if (!there)
        return not_there(l, e);
    if (known && got.id == l->look.job_id && found(l->w, &got, 1, e))
        return -1;
    return look_again(l, 0, wait_ms, e);
}

struct looks_due {
    struct store_look items[LOOKS_PER_ROUND];
    size_t n;
};

static int looks_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct looks_due *d = arg;

    return store_look_due(t, clock_now_ms(), d->items, LOOKS_PER_ROUND, &d->n, e);
}

static int look_jobs(struct watch *w, struct err *e)
{
    struct looks_due due;
    AUTO_JOB struct job j = {0};
    struct job_look l = {.w = w, .j = &j};

    if (store_read(w->g->c.store, looks_tx, &due, e))
        return -1;
    for (size_t i = 0; i < due.n && may_ask(w); i++) {
        l.look = due.items[i];
        if (store_read(w->g->c.store, job_tx, &l, e) ||
            (l.wanted ? look_job(&l, e) : workers_write(w->g, put_look_tx, &l, e)))
            return -1;
    }
    return 0;
}

/* --- the round ---------------------------------------------------------------------------------------------------- */

static int next_due_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_look_next(t, arg, e);
}

int catch_up_jobs(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    struct watch w = {.g = g, .task = task};
    int64_t due_ms = -1, now_ms;

    *next = (struct task_next){0, TASK_DECIDE, false};
    if (look_jobs(&w, e) || look_repos(&w, e) || store_read(g->c.store, next_due_tx, &due_ms, e))
        return -1;
    now_ms = clock_now_ms();
    if (w.over) {
        log_warn(EV("jobs.unread"), FE(&w.cause));
        next->due_ms =
            now_ms + (w.cause.retry_after_s > 0 ? w.cause.retry_after_s * INT64_C(1000)
                                                : workers_backoff_ms(task->attempts, 30 * 1000, CATCH_UP_EVERY_MS));
        next->retry = true;
        return 0;
    }
    next->due_ms = now_ms + CATCH_UP_EVERY_MS;
    if (due_ms >= 0 && due_ms < next->due_ms)
        next->due_ms = due_ms > now_ms + CATCH_UP_SOON_MS ? due_ms : now_ms + CATCH_UP_SOON_MS;
    return 0;
}
