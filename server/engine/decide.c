/* A queued job: is it ours, may it have a machine, and which chain of candidates? */
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/engine_int.h"
#include "server/engine/match_oneline.h"

#include <stdio.h>
#include <string.h>

struct decision {
    struct engine *g;
    const struct job *j;
    enum job_want want;
    const char *plan_json, *reason;
    int64_t now_ms;
};

static int decide_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct decision *d = arg;
    const struct job *j = d->j;
    const struct balance b = {d->g, j->repo_id, j->label_key, d->now_ms, 0};
    char kind[32];
    int before;
    bool moved;

    /* the installation may have been looked up meanwhile: merging fills it in */
    if (store_job_merge(t, j, &before, &moved, e) || store_job_decide(t, j->id, d->want, d->plan_json, d->reason, e))
        return -1;
    (void)snprintf(kind, sizeof(kind), "job.%s", d->want == WANT_MACHINE ? "admitted" : job_want_name(d->want));
    if (store_event_add(t, d->now_ms, j->id, NULL, kind, d->reason, e))
        return -1;
    return d->want == WANT_MACHINE ? balance_strike(t, &b, e) : 0;
}

static int record(struct engine *g, const struct job *j, enum job_want want, const char *plan, const char *reason,
                  struct err *e)
{
    struct decision d = {g, j, want, plan, reason != NULL ? reason : "", clock_now_ms()};

    if (workers_write(g, decide_tx, &d, e))
        return -1;
    log_info(EV("job.decided"), FI("job", j->id), FS("repo", j->repo), FS("want", job_want_name(want)),
             FS("reason", reason));
    return 0;
}

static int plan_for(struct engine *g, const struct cirun_runner *const *runners, size_t n, char **plan, struct err *e)
{
    char urls[2][512], sums[2][65];
    const struct plan_release releases[2] = {{"x64", urls[0], sums[0]}, {"arm64", urls[1], sums[1]}};

    for (size_t i = 0; i < ARRAY_LEN(releases); i++)
        release_get(g, releases[i].arch, urls[i], sums[i]);
    return plan_build(releases, runners, n, plan, e);
}

/* Runners this build can boot, in order; *why when it can boot none of them. */
static size_t bootable(const struct cirun_runner **runners, size_t n, char *why, size_t size)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const char *os = match_runner_os(runners[i]);

        if (strcmp(os, "linux") == 0)
            runners[kept++] = runners[i];
        else
            (void)snprintf(why, size, "runner \"%.80s\" is a %s machine, and this build boots Linux only",
                           runners[i]->name, os);
    }
    if (kept == 0)
        text_tidy(why);
    return kept;
}

/* Labels against the file (a missing one has no runners), then the one-line form, which needs none. runners has room
 * for one at least; *oneline is the caller's to free. */
static enum match_verdict match_labels(const struct engine *g, const struct match_job *job, const struct lookup *l,
                                       const struct cirun_runner **runners, size_t *n, struct cirun_yml **oneline,
                                       char *reason, size_t size)
{
    static const struct cirun_yml none;
    enum match_verdict line, v = match_job(job, l->file != NULL ? l->file : &none, runners, n, reason, size);

    if (v == MATCH_REFUSED && l->file == NULL)
        (void)snprintf(reason, size, "the repository has no .cirun.yml at this commit");
    if (v == MATCH_FOUND || !g->c.one_line)
        return v;
    line = match_oneline(job, oneline, reason, size);
    if (line == MATCH_FOUND) {
        runners[0] = &(*oneline)->runners[0];
        *n = 1;
    }
    return line == MATCH_NOT_OURS ? v : line;
}

static int match_file(struct engine *g, const struct job *j, const struct lookup *l,
                      const struct cirun_runner **runners, struct cirun_yml **oneline, struct err *e)
{
    const char *path = l->workflow_path[0] != '\0' ? l->workflow_path : NULL;
    AUTO_JSON json_t *labels = NULL;
    AUTO_FREE char *plan = NULL;
    char reason[480];
    struct err why;
    size_t n;

    if (js_parse(j->labels_json, strlen(j->labels_json), &labels, e))
        return -1;
    switch (match_labels(g, &(struct match_job){labels, path, g->c.bare_self_hosted}, l, runners, &n, oneline, reason,
                         sizeof(reason))) {
    case MATCH_FOUND:
        break;
    case MATCH_NOT_OURS:
        return record(g, j, WANT_NOTHING, NULL, "none of its labels means us", e);
    case MATCH_REFUSED:
        return record(g, j, WANT_REFUSED, NULL, reason, e);
    }
    n = bootable(runners, n, reason, sizeof(reason));
    if (n == 0)
        return record(g, j, WANT_REFUSED, NULL, reason, e);
    if (plan_for(g, runners, n, &plan, &why))
        return record(g, j, WANT_REFUSED, NULL, why.msg, e);
    return record(g, j, WANT_MACHINE, plan, NULL, e);
}

static int match_and_record(struct engine *g, const struct job *j, const struct lookup *l, struct err *e)
{
    size_t most = l->file != NULL ? l->file->n_runners : 0;
    const struct cirun_runner **runners = mem_calloc(most + 1, sizeof(*runners));
    struct cirun_yml *oneline = NULL;
    int rc = match_file(g, j, l, runners, &oneline, e);

    cirun_yml_free(oneline);
    free(runners);
    return rc;
}

/* The fork rule: a stranger's commit never chooses machines, and whether he gets any is the operator's word. */
static int decide(struct engine *g, struct job *j, struct err *e)
{
    AUTO_LOOKUP struct lookup l = {0};
    struct err why;

    if (j->installation_id == 0 && github_installation_of(g->c.github, j->repo, &j->installation_id, e))
        return err_wrap(e, "the delivery names no installation");
    if (lookup_run(g, j, &l, e))
        return -1;
    if (l.fork && !g->c.fork_jobs)
        return record(g, j, WANT_REFUSED, NULL,
                      "the run comes from a fork (or pull_request_target), and policy.fork_jobs denies those", e);
    if (lookup_file(g, j, l.fork ? NULL : j->head_sha, &l, e))
        return -1;
    if (l.file != NULL && l.file->n_errors > 0 && cirun_yml_error(l.file, ".cirun.yml", &why))
        return record(g, j, WANT_REFUSED, NULL, why.msg, e);
    return match_and_record(g, j, &l, e);
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

    return store_job_decide(t, d->j->id, d->want, NULL, d->reason, e);
}

/* It could not be decided now. The job keeps waiting, with the reason on record, and is looked at again. */
static int postpone(struct engine *g, const struct job *j, const struct task *task, const struct err *cause,
                    struct task_next *next, struct err *e)
{
    struct decision d = {g, j, WANT_UNDECIDED, NULL, cause->msg, clock_now_ms()};
    int64_t wait_ms = err_is_passing(cause) ? workers_backoff_ms(task->attempts, 1000, 5 * 60 * 1000)
                                            : workers_backoff_ms(task->attempts, 10 * 1000, 10 * 60 * 1000);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
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
    if (!r.found || j.state != JOB_QUEUED || j.want != WANT_UNDECIDED)
        return 0;
    if (decide(g, &j, &cause))
        return postpone(g, &j, task, &cause, next, e);
    release_refresh(g, &j);
    return 0;
}
