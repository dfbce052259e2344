/* A queued job: is it ours, may it have a machine, and which chain of candidates? */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"
#include "server/engine/catch_up.h"
#include "server/engine/idle.h"
#include "server/engine/match.h"
#include "server/engine/rank.h"
#include "server/engine/rerun.h"

#include <stdio.h>
#include <string.h>

/* So often it is asked who may use what, with growing pauses (some two hours: longer than most outages of GitHub); then
 * what cannot be told is denied. */
#define ACCESS_TRIES 32

struct decision {
    struct engine *g;
    const struct job *j;
    enum job_want want;
    const char *plan_json, *reason;
    struct store_cause cause;    /* why it waits or is refused */
    const struct choice *choice; /* NULL: it did not come to that */
    int64_t now_ms;
    struct idle_asks asks; /* which files ask for warm runners */
    int interrupted;       /* so often before that it gets no spot any more; 0 = not so */
};

static struct verdict verdict_of(const struct decision *d)
{
    return (struct verdict){.job_id = d->j->id,
                            .want = d->want,
                            .plan_json = d->plan_json,
                            .reason = d->reason,
                            .cause = d->cause,
                            .now_ms = d->now_ms};
}

/* What people may use, and why, once for each decision. */
static int access_tx(struct store_tx *t, const struct decision *d, struct err *e)
{
    for (size_t i = 0; d->choice != NULL && i < d->choice->n_verdicts; i++) {
        const struct choice_verdict *v = &d->choice->verdicts[i];

        if (store_event_add(t, d->now_ms, d->j->id, NULL, v->allowed ? "access.allowed" : "access.denied", v->reason,
                            e))
            return -1;
    }
    return 0;
}

static void log_access(const struct decision *d)
{
    for (size_t i = 0; d->choice != NULL && i < d->choice->n_verdicts; i++) {
        const struct choice_verdict *v = &d->choice->verdicts[i];

        log_info(EV("access.decided"), FI("job", d->j->id), FS("repo", d->j->repo), FS("runner", v->runner),
                 FB("allowed", v->allowed), FS("reason", v->reason));
    }
}

static int decide_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct decision *d = arg;
    const struct job *j = d->j;
    const struct balance b = {d->g, j->repo_id, j->label_key, d->now_ms, 0};
    const struct verdict v = verdict_of(d);
    int before;
    bool moved;

    /* the installation may have been looked up meanwhile: merging fills it in */
    if (store_job_merge(t, j, &before, &moved, e) || access_tx(t, d, e) || verdict_put(t, d->g, &v, e))
        return -1;
    if (d->interrupted > 0 && rerun_unspotted_tx(t, j->id, d->interrupted, d->now_ms, e))
        return -1;
    if (d->want == WANT_REFUSED || d->want == WANT_NOTHING) /* it may have taken somebody's machine meanwhile */
        return guard_job(t, d->g, j->id, d->now_ms, e);
    if (d->want != WANT_MACHINE || j->state != JOB_QUEUED)
        return 0;
    return idle_admitted(t, j, d->plan_json, d->asks, d->now_ms, e) || catch_up_admitted(t, j, d->now_ms, e) ||
                   balance_strike(t, &b, e)
               ? -1
               : 0;
}

static int record(const struct decision *decided, struct err *e)
{
    struct decision d = *decided;
    const struct job *j = d.j;

    d.now_ms = clock_now_ms();
    if (workers_write(d.g, decide_tx, &d, e))
        return -1;
    log_access(&d);
    log_info(EV("job.decided"), FI("job", j->id), FS("repo", j->repo), FS("want", job_want_name(d.want)),
             FS("cause", d.cause.cause != CAUSE_NONE ? job_cause_name(d.cause.cause) : NULL),
             FS("reason", d.reason[0] != '\0' ? d.reason : NULL));
    return 0;
}

/* Ours, and it gets nothing. */
static int refuse(struct engine *g, const struct job *j, struct store_cause cause, const char *reason, struct err *e)
{
    return record(&(struct decision){.g = g, .j = j, .want = WANT_REFUSED, .reason = reason, .cause = cause}, e);
}

/* j NULL: for no job yet. *interrupted: so often that the plan is without spot. */
static int plan_for(struct engine *g, const struct job *j, const struct cirun_runner *const *runners, size_t n,
                    char **plan, char **skipped, int *interrupted, struct err *e)
{
    struct release_found found[RELEASES];
    struct plan_release releases[RELEASES];

    release_all(g, found);
    for (size_t i = 0; i < RELEASES; i++)
        releases[i] = (struct plan_release){found[i].os, found[i].arch, found[i].url, found[i].sha256};
    if (plan_build(releases, RELEASES, runners, n, plan, e) || (j != NULL && rerun_plan(g, j, plan, interrupted, e)))
        return -1;
    return sift_plan(g, plan, skipped, e); /* judges what is really launched */
}

/* A release for whatever the candidates boot. */
static int ensure_releases(struct engine *g, const struct job *j, const struct cirun_runner *const *runners, size_t n,
                           struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < runners[i]->n_candidates; k++) {
            const struct cirun_candidate *c = &runners[i]->candidates[k];

            if (release_ensure(g, j, plan_os(runners[i], c), plan_arch(runners[i], c), e))
                return -1;
        }
    }
    return 0;
}

/* Runners this build can boot, in order; *why when it can boot none of them. */
static size_t bootable(const struct cirun_runner **runners, size_t n, char *why, size_t size)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const char *os = match_runner_os(runners[i]);

        if (strcmp(os, "macos") != 0)
            runners[kept++] = runners[i];
        else
            (void)snprintf(why, size,
                           "runner \"%.80s\" is a macOS machine, and this build boots Linux and Windows only",
                           runners[i]->name);
    }
    if (kept == 0)
        text_tidy(why);
    return kept;
}

int decide_plan(struct engine *g, const struct cirun_runner **runners, size_t n, char **plan, struct err *e)
{
    AUTO_FREE char *skipped = NULL;
    char reason[480];
    int interrupted = 0;

    n = bootable(runners, n, reason, sizeof(reason));
    if (n == 0)
        return err_set(e, ERR_INVALID, "%s", reason);
    if (plan_for(g, NULL, runners, n, plan, &skipped, &interrupted, e))
        return -1;
    return *plan != NULL ? 0 : err_set(e, ERR_INVALID, "%s", skipped);
}

static bool asks_idle(const struct cirun_yml *file)
{
    for (size_t i = 0; file != NULL && i < file->n_runners; i++) {
        if (file->runners[i].idle.kind != IDLE_NONE)
            return true;
    }
    return false;
}

/* What the job may have, to a plan; what this build cannot boot is left out. */
static int plan_and_record(struct engine *g, const struct job *j, const struct lookup *l, struct choice *c,
                           struct err *e)
{
    struct decision d = {.g = g, .j = j, .want = c->want, .reason = c->reason, .cause = c->cause, .choice = c};
    AUTO_FREE char *plan = NULL, *skipped = NULL;
    char reason[480];
    struct err why;
    size_t n;

    if (c->want != WANT_MACHINE)
        return record(&d, e);
    d.want = WANT_REFUSED;
    d.cause = (struct store_cause){CAUSE_UNSUPPORTED, c->is_own ? c->runners[0]->line : 0, c->is_own ? 1 : 0};
    n = bootable(c->runners, c->n, reason, sizeof(reason));
    if (n == 0) {
        d.reason = reason;
        return record(&d, e);
    }
    if (ensure_releases(g, j, c->runners, n, e))
        return -1;
    if (plan_for(g, j, c->runners, n, &plan, &skipped, &d.interrupted, &why)) {
        *e = why;
        if (err_is_passing(&why)) /* what a candidate costs could not be asked for now */
            return -1;
        d.reason = why.msg;
        return record(&d, e);
    }
    if (plan != NULL && rank_plan(g, &plan, e))
        return -1;
    if (plan == NULL) {
        d.cause.cause = CAUSE_POLICY;
        d.reason = skipped;
        return record(&d, e);
    }
    idle_learn_reach(g, j);
    return record(&(struct decision){.g = g,
                                     .j = j,
                                     .asks = {asks_idle(l->file), l->org != NULL && asks_idle(l->org->global)},
                                     .want = WANT_MACHINE,
                                     .plan_json = plan,
                                     .reason = skipped != NULL ? skipped : "",
                                     .choice = c,
                                     .interrupted = d.interrupted},
                  e);
}

static struct store_cause first_error(const struct cirun_yml *file)
{
    size_t i = 0;

    while (i + 1 < file->n_diags && file->diags[i].severity != CIRUN_ERROR)
        i++;
    return (struct store_cause){CAUSE_BAD_FILE, file->diags[i].line, file->diags[i].column};
}

/* The fork rule: a stranger's commit never chooses machines, and whether he gets any is the operator's word. */
static int decide(struct engine *g, struct job *j, bool last_try, struct err *e)
{
    AUTO_LOOKUP struct lookup l = {0};
    AUTO_CHOICE struct choice c = {.want = WANT_UNDECIDED};
    struct err why;

    if (j->installation_id == 0 && github_installation_of(g->c.github, j->repo, &j->installation_id, e))
        return err_wrap(e, "the delivery names no installation");
    if (reach_check(g, j->installation_id, j->repo_id, &why)) {
        *e = why; /* who runs already keeps his machine, whatever may be asked now */
        return why.kind == ERR_INVALID && j->state == JOB_QUEUED
                   ? refuse(g, j, (struct store_cause){CAUSE_UNDECIDED, 0, 0}, why.msg, e)
                   : -1;
    }
    if (lookup_run(g, j, &l, e))
        return -1;
    if (l.fork && !g->c.fork_jobs)
        return refuse(g, j, (struct store_cause){CAUSE_FORK, 0, 0},
                      "the run comes from a fork (or pull_request_target), and policy.fork_jobs denies those", e);
    if (lookup_file(g, j, l.fork ? NULL : j->head_sha, &l, &why)) {
        *e = why;
        return why.kind == ERR_INVALID ? refuse(g, j, (struct store_cause){CAUSE_BAD_FILE, 0, 0}, why.msg, e) : -1;
    }
    if (l.file != NULL && l.file->n_errors > 0 && cirun_yml_error(l.file, ".cirun.yml", &why))
        return refuse(g, j, first_error(l.file), why.msg, e);
    if (choose_runners(g, j, &l, last_try, &c, e))
        return -1;
    return plan_and_record(g, j, &l, &c, e);
}

struct job_read {
    int64_t id;
    struct job *j;
    bool found;
};

static int read_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct job_read *r = arg;

    job_clear(r->j);
    return store_job_get(t, r->id, r->j, &r->found, e);
}

static int waits_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct decision *d = arg;
    const struct verdict v = verdict_of(d);

    return verdict_put(t, d->g, &v, e);
}

/* It could not be decided now. The job keeps waiting, with the reason on record, and is looked at again. */
static int postpone(struct engine *g, const struct job *j, const struct task *task, const struct err *cause,
                    struct task_next *next, struct err *e)
{
    struct decision d = {.g = g,
                         .j = j,
                         .want = WANT_UNDECIDED,
                         .reason = cause->msg,
                         .cause = {CAUSE_UNDECIDED, 0, 0},
                         .now_ms = clock_now_ms()};
    int64_t wait_ms = err_is_passing(cause) ? workers_backoff_ms(task->attempts, 1000, 5 * 60 * 1000)
                                            : workers_backoff_ms(task->attempts, 10 * 1000, 10 * 60 * 1000);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
    reach_doubt_repo(g, j->installation_id, j->repo_id, cause);
    if (cause->kind == ERR_THROTTLED) /* it has its turn */
        log_info(EV("job.paced"), FI("job", j->id), FS("repo", j->repo), FI("wait_ms", wait_ms), FE(cause));
    else
        log_warn(EV("job.postponed"), FI("job", j->id), FS("repo", j->repo), FI("wait_ms", wait_ms), FE(cause));
    next->due_ms = clock_now_ms() + wait_ms;
    next->priority = TASK_DECIDE;
    next->retry = true;
    return workers_write(g, waits_tx, &d, e);
}

int decide_job(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO_JOB struct job j = {0};
    struct job_read r = {0, &j, false};
    struct err cause;

    *next = TASK_NEXT_NONE;
    if (text_i64(task->subject, 1, INT64_MAX, &r.id, e) || store_read(g->c.store, read_tx, &r, e))
        return -1;
    if (!r.found || (j.state != JOB_QUEUED && j.state != JOB_RUNNING) || j.want != WANT_UNDECIDED)
        return 0;
    /* who runs already is not ended for want of an answer */
    if (decide(g, &j, task->attempts >= ACCESS_TRIES && j.state == JOB_QUEUED, &cause))
        return postpone(g, &j, task, &cause, next, e);
    release_refresh(g, &j);
    return 0;
}
