/* TASK_RERUN: how far is the run, and which of its interrupted jobs are run again now? */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/engine/catch_up.h"
#include "server/engine/report.h"
#include "server/engine/rerun.h"
#include "server/github/rerun.h"

#include <stdio.h>
#include <string.h>

#define LOOK_FIRST_MS (60 * 1000) /* while the run goes on: by its age, */
#define LOOK_SELDOM_MS (15 * 60 * 1000)
#define GONE_ON_MS ((int64_t)35 * 24 * 3600 * 1000) /* GitHub ends a run after 35 days */
#define FORBIDDEN 100                               /* a day: the App was removed, or is suspended */
#define UNSETTLED 10                                /* looks; then jobs of others without an end count as ended well */
#define REFUSALS 5                                  /* in a row, of a run that could be run again by all we know */

static const struct metric_desc reruns = {METRIC_COUNTER, "muster_reruns_total",
                                          "Interrupted jobs by outcome (accepted, or why they are not run again: off, "
                                          "limit, cancelled, succeeded, overtaken, "
                                          "forbidden, refused, gone, expired)",
                                          "outcome", NULL};

struct item {
    struct store_interruption i; /* strings of the strings below */
    char *repo, *name, *machine, *cloud;
    int64_t job_id;  /* its job in the attempt that ended; 0 = not listed */
    bool failed;     /* ... and it failed there */
    bool ran_better; /* ... it did not */
};

struct work {
    struct engine *g;
    int64_t run_id, now_ms;
    struct item *items;
    size_t n;
    char *repo_name;
    struct github_repo repo; /* borrows repo_name */
    struct github_run_state run;
    size_t others;                    /* jobs that failed on their own */
    bool unsettled, others_unsettled; /* one of ours, one of them, has no conclusion yet: the list is behind */
    bool all;                         /* the request: all that failed, or only items[one] */
    size_t one;
};

static void work_clear(struct work *w)
{
    for (size_t k = 0; k < w->n; k++) {
        free(w->items[k].repo);
        free(w->items[k].name);
        free(w->items[k].machine);
        free(w->items[k].cloud);
    }
    free(w->items);
    w->items = NULL;
    w->n = 0;
    free(w->repo_name);
    w->repo_name = NULL;
}

static int take(void *arg, const struct store_interruption *i, struct err *e)
{
    struct work *w = arg;
    struct item *it;

    (void)e;
    w->items = mem_realloc_array(w->items, w->n + 1, sizeof(*w->items));
    it = &w->items[w->n++];
    *it = (struct item){.i = *i};
    it->i.repo = it->repo = mem_strdup(i->repo);
    it->i.name = it->name = mem_strdup(i->name);
    it->i.machine = it->machine = mem_strdup(i->machine);
    it->i.cloud = it->cloud = mem_strdup(i->cloud);
    return 0;
}

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct work *w = arg;

    work_clear(w);
    return store_interruptions_open(t, w->run_id, take, w, e);
}

static bool is_open(const struct item *it)
{
    return it->i.state == RERUN_WAITS || it->i.state == RERUN_ASKED;
}

/* --- what becomes of one ------------------------------------------------------------------------------------------ */

/* Not run again, and why; in memory until `store`. */
static void give_up(struct item *it, const char *outcome, const char *why)
{
    it->i.state = RERUN_OVER;
    (void)snprintf(it->i.outcome, sizeof(it->i.outcome), "%s", outcome);
    (void)snprintf(it->i.detail, sizeof(it->i.detail),
                   "the machine was taken back by %.32s; the job is not run again: %s", it->i.cloud, why);
    text_tidy(it->i.detail);
}

static void give_up_all(struct work *w, const char *outcome, const char *why)
{
    for (size_t k = 0; k < w->n; k++) {
        if (is_open(&w->items[k]))
            give_up(&w->items[k], outcome, why);
    }
}

static void accept(struct item *it)
{
    it->i.state = RERUN_DONE;
    (void)snprintf(it->i.outcome, sizeof(it->i.outcome), "accepted");
    (void)snprintf(it->i.detail, sizeof(it->i.detail),
                   "the machine was taken back by %.32s; the job runs again, %d of %d", it->i.cloud, it->i.nth,
                   it->i.most);
}

/* What was asked happened: the attempt after it has begun. Jobs that wait for their turn stand in that one now. */
static void accept_asked(struct work *w)
{
    int64_t from = 0;

    for (size_t k = 0; k < w->n; k++) {
        if (w->items[k].i.state == RERUN_ASKED) {
            from = w->items[k].i.attempt;
            accept(&w->items[k]);
        }
    }
    for (size_t k = 0; k < w->n && from != 0; k++) {
        if (w->items[k].i.state == RERUN_WAITS && w->items[k].i.attempt == from)
            w->items[k].i.attempt = from + 1;
    }
}

static int store_item(struct store_tx *t, const struct work *w, const struct item *it, struct err *e)
{
    if (store_interruption_update(t, &it->i, e))
        return -1;
    if (is_open(it))
        return 0;
    return store_event_add(t, w->now_ms, it->i.job_id, NULL, it->i.state == RERUN_DONE ? "run.rerun" : "run.left",
                           it->i.detail, e) ||
                   report_moved(t, it->i.job_id, w->now_ms, e)
               ? -1
               : 0;
}

static int store_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct work *w = arg;

    for (size_t k = 0; k < w->n; k++) {
        if (store_item(t, w, &w->items[k], e))
            return -1;
    }
    return 0;
}

/* Everything as it stands in memory, in one transaction; what is settled leaves the work. */
static int store_all(struct work *w, struct err *e)
{
    size_t kept = 0;

    if (workers_write(w->g, store_tx, w, e))
        return -1;
    for (size_t k = 0; k < w->n; k++) {
        struct item *it = &w->items[k];

        if (is_open(it)) {
            struct item swap = w->items[kept];

            w->items[kept++] = *it;
            *it = swap;
            continue;
        }
        metric_add(&reruns, it->i.outcome, 1);
        log_info(EV("run.rerun"), FI("job", it->i.job_id), FS("repo", it->i.repo), FS("kind", it->i.outcome),
                 FS("reason", it->i.detail));
    }
    while (w->n > kept) {
        struct item *it = &w->items[--w->n];

        free(it->repo);
        free(it->name);
        free(it->machine);
        free(it->cloud);
    }
    return 0;
}

/* A look that changed nothing writes nothing. */
static int store_settled(struct work *w, struct err *e)
{
    for (size_t k = 0; k < w->n; k++) {
        if (!is_open(&w->items[k]))
            return store_all(w, e);
    }
    return 0;
}

/* --- what GitHub says --------------------------------------------------------------------------------------------- */

static bool is_failure(const char *conclusion)
{
    return strcmp(conclusion, "failure") == 0 || strcmp(conclusion, "timed_out") == 0;
}

/* By its id; one that stands in a later attempt without having run again, by its name. */
static bool is_job(const struct item *it, const struct github_run_job *j)
{
    if (it->i.attempt == it->i.own_attempt)
        return it->i.job_id == j->id;
    return it->job_id == 0 && strcmp(it->i.name, j->name) == 0;
}

static int see_job(void *arg, const struct github_run_job *j, struct err *e)
{
    struct work *w = arg;

    (void)e;
    for (size_t k = 0; k < w->n; k++) {
        struct item *it = &w->items[k];

        if (!is_job(it, j))
            continue;
        it->job_id = j->id;
        w->unsettled = w->unsettled || j->conclusion[0] == '\0';
        it->failed = is_failure(j->conclusion) || strcmp(j->conclusion, "cancelled") == 0;
        /* by our clock and GitHub's: it began before it was interrupted, unless it ran once more */
        it->ran_better = !it->failed || (j->id != it->i.job_id && j->started_ms > it->i.at_ms);
        return 0;
    }
    w->others += is_failure(j->conclusion) ? 1 : 0;
    w->others_unsettled = w->others_unsettled || j->conclusion[0] == '\0';
    return 0;
}

/* Which of them can be run again, now that the attempt is over? *settled = false: GitHub's list is not up to that yet;
 * nothing is given up by it. */
static int look_at_jobs(struct work *w, const struct task *task, bool *settled, struct err *e)
{
    w->others = 0;
    w->unsettled = w->others_unsettled = false;
    if (github_run_jobs(w->g->c.github, &w->repo, w->run_id, w->run.attempt, see_job, w, e))
        return -1;
    *settled = !w->unsettled && (!w->others_unsettled || task->attempts > UNSETTLED);
    if (!*settled)
        return 0;
    for (size_t k = 0; k < w->n; k++) {
        struct item *it = &w->items[k];

        if (it->job_id == 0)
            give_up(it, "gone", "GitHub does not list it in its run any more");
        else if (it->ran_better)
            give_up(it, "succeeded", it->failed ? "it has run again meanwhile" : "it did not fail by it");
    }
    return 0;
}

struct ours {
    const struct work *w;
    const struct item *it;
    int64_t n;
};

static int count_ours_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct ours *o = arg;

    return store_interruption_reruns(t, o->w->run_id, o->it->i.attempt, o->w->run.attempt, &o->n, e);
}

/* There is a later attempt than the one it stands in. Where each since was asked for by us, for other jobs (before it
 * was known that this one was interrupted too), it stands in the newest now. */
static int follow(struct work *w, struct item *it, struct err *e)
{
    struct ours o = {w, it, 0};

    if (store_read(w->g->c.store, count_ours_tx, &o, e))
        return -1;
    if (o.n == w->run.attempt - it->i.attempt)
        it->i.attempt = w->run.attempt;
    else
        give_up(it, "overtaken", "somebody ran its run again already");
    return 0;
}

static int compare_attempts(struct work *w, struct err *e)
{
    for (size_t k = 0; k < w->n; k++) {
        if (w->items[k].i.state == RERUN_ASKED && w->run.attempt > w->items[k].i.attempt) {
            accept_asked(w);
            break;
        }
    }
    for (size_t k = 0; k < w->n; k++) {
        if (is_open(&w->items[k]) && w->run.attempt > w->items[k].i.attempt && follow(w, &w->items[k], e))
            return -1;
    }
    return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static void later(const struct work *w, int64_t wait_ms, bool retry, struct task_next *next)
{
    *next = (struct task_next){w->now_ms + wait_ms, TASK_CHECK, retry};
}

/* The run goes on: some minutes for one that began lately, a quarter of an hour for one that takes hours. */
static void wait_for_end(const struct work *w, struct task_next *next)
{
    int64_t wait_ms = (w->now_ms - w->items[0].i.at_ms) / 4;

    if (wait_ms < LOOK_FIRST_MS)
        wait_ms = LOOK_FIRST_MS;
    later(w, wait_ms < LOOK_SELDOM_MS ? wait_ms : LOOK_SELDOM_MS, false, next);
}

/* All that failed in one request where that is ours; else the first. */
static void choose(struct work *w)
{
    w->all = w->others == 0;
    w->one = 0;
    for (size_t k = 0; k < w->n; k++)
        w->items[k].i.state = w->all || k == w->one ? RERUN_ASKED : RERUN_WAITS;
}

static int request(const struct work *w, struct err *e)
{
    if (w->all)
        return github_rerun_failed(w->g->c.github, &w->repo, w->run_id, e);
    return github_rerun_job(w->g->c.github, &w->repo, w->items[w->one].job_id, e);
}

static int refused(struct work *w, const struct err *cause, const struct task *task, struct task_next *next,
                   struct err *e)
{
    char why[360];

    log_warn(EV("run.unasked"), FI("count", w->run_id), FS("repo", w->repo.repo), FE(cause));
    switch (cause->kind) {
    case ERR_AUTH:
        (void)snprintf(why, sizeof(why),
                       "the GitHub App needs the repository permission Actions: read and write for it, and the "
                       "installation must have accepted it (%.160s)",
                       cause->msg);
        give_up_all(w, "forbidden", why);
        return store_all(w, e);
    case ERR_GONE:
        give_up_all(w, "gone", "GitHub does not know its run any more");
        return store_all(w, e);
    case ERR_THROTTLED:
    case ERR_RETRY:
        break;
    case ERR_NONE:
    case ERR_INVALID:
    case ERR_CONFLICT:
    case ERR_QUOTA:
    case ERR_CAPACITY:
    case ERR_BUG:
        if (task->attempts < REFUSALS)
            break;
        give_up_all(w, "refused", cause->msg);
        return store_all(w, e);
    }
    later(w,
          cause->retry_after_s > 0 ? (int64_t)cause->retry_after_s * 1000
                                   : workers_backoff_ms(task->attempts, 10 * 1000, LOOK_SELDOM_MS),
          true, next);
    return 0;
}

static int ask(struct work *w, const struct task *task, struct task_next *next, struct err *e)
{
    struct err cause;

    choose(w);
    if (store_all(w, e))
        return -1;
    if (request(w, &cause))
        return refused(w, &cause, task, next, e);
    w->now_ms = clock_now_ms();
    accept_asked(w);
    if (store_all(w, e))
        return -1;
    if (w->n > 0)
        wait_for_end(w, next);
    return 0;
}

/* GitHub could not be asked how far the run is. */
static int unknown(struct work *w, const struct err *cause, const struct task *task, struct task_next *next,
                   struct err *e)
{
    if (cause->kind == ERR_GONE) {
        give_up_all(w, "gone", "GitHub does not know its run any more");
        return store_all(w, e);
    }
    if (cause->kind == ERR_AUTH && task->attempts >= FORBIDDEN) {
        give_up_all(w, "forbidden", cause->msg);
        return store_all(w, e);
    }
    log_warn(EV("run.unread"), FI("count", w->run_id), FS("repo", w->repo.repo), FE(cause));
    reach_doubt_repo(w->g, w->repo.installation_id, w->repo.repo_id, cause);
    later(w,
          cause->retry_after_s > 0 ? (int64_t)cause->retry_after_s * 1000
                                   : workers_backoff_ms(task->attempts, 30 * 1000, LOOK_SELDOM_MS),
          true, next);
    return 0;
}

/* The answer is older than what we know, or the run goes on. */
static bool is_over(const struct work *w)
{
    for (size_t k = 0; k < w->n; k++) {
        if (w->run.attempt < w->items[k].i.attempt)
            return false;
    }
    return w->run.completed && w->run.conclusion[0] != '\0';
}

static int go_on(struct work *w, const struct task *task, struct task_next *next, struct err *e)
{
    struct err cause;
    bool settled;

    if (github_run_state(w->g->c.github, &w->repo, w->run_id, &w->run, &cause))
        return unknown(w, &cause, task, next, e);
    if (compare_attempts(w, e))
        return -1;
    if (w->run.completed && strcmp(w->run.conclusion, "cancelled") == 0)
        give_up_all(w, "cancelled", "its run was cancelled");
    if (w->run.completed && strcmp(w->run.conclusion, "success") == 0)
        give_up_all(w, "succeeded", "its run succeeded without it");
    if (store_settled(w, e))
        return -1;
    if (w->n == 0)
        return 0;
    if (!is_over(w)) {
        wait_for_end(w, next);
        return 0;
    }
    if (look_at_jobs(w, task, &settled, &cause))
        return unknown(w, &cause, task, next, e);
    if (!settled) {
        later(w, workers_backoff_ms(task->attempts, LOOK_FIRST_MS, LOOK_SELDOM_MS), true, next);
        return 0;
    }
    if (store_settled(w, e))
        return -1;
    return w->n > 0 ? ask(w, task, next, e) : 0;
}

int rerun_run(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(work_clear) struct work w = {.g = g, .now_ms = clock_now_ms()};

    *next = TASK_NEXT_NONE;
    if (text_i64(task->subject, 1, INT64_MAX, &w.run_id, e) || store_read(g->c.store, read_tx, &w, e))
        return -1;
    if (w.n == 0)
        return 0;
    w.repo_name = mem_strdup(w.items[0].i.repo);
    w.repo = (struct github_repo){w.items[0].i.installation_id, w.items[0].i.repo_id, w.repo_name};
    if (w.now_ms > w.items[0].i.at_ms + GONE_ON_MS) {
        give_up_all(&w, "expired", "its run did not end in 35 days");
        return store_all(&w, e);
    }
    return go_on(&w, task, next, e);
}
