/* A queued job: is it ours, may it have a machine, and which chain of candidates? */
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/idle.h"
#include "server/engine/match.h"

#include <stdio.h>
#include <string.h>

struct decision {
    struct engine *g;
    const struct job *j;
    enum job_want want;
    const char *plan_json, *reason;
    struct store_cause cause; /* why it waits or is refused */
    int64_t now_ms;
    bool asks_idle; /* the file asks for warm runners */
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

static int decide_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct decision *d = arg;
    const struct job *j = d->j;
    const struct balance b = {d->g, j->repo_id, j->label_key, d->now_ms, 0};
    const struct verdict v = verdict_of(d);
    int before;
    bool moved;

    /* the installation may have been looked up meanwhile: merging fills it in */
    if (store_job_merge(t, j, &before, &moved, e) || verdict_put(t, d->g, &v, e))
        return -1;
    if (d->want != WANT_MACHINE)
        return 0;
    return idle_admitted(t, j, d->plan_json, d->asks_idle, d->now_ms, e) || balance_strike(t, &b, e) ? -1 : 0;
}

static int record(const struct decision *decided, struct err *e)
{
    struct decision d = *decided;
    const struct job *j = d.j;

    d.now_ms = clock_now_ms();
    if (workers_write(d.g, decide_tx, &d, e))
        return -1;
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

static int admit(struct engine *g, const struct job *j, const struct cirun_yml *file, const char *plan, struct err *e)
{
    struct decision d = {.g = g, .j = j, .want = WANT_MACHINE, .plan_json = plan, .reason = ""};

    for (size_t i = 0; i < file->n_runners; i++)
        d.asks_idle = d.asks_idle || file->runners[i].idle.kind != IDLE_NONE;
    return record(&d, e);
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

/* It means us, and no runner serves it. */
static int refuse_match(struct engine *g, const struct job *j, const struct cirun_yml *file, const char *reason,
                        struct err *e)
{
    if (file == NULL)
        return refuse(g, j, (struct store_cause){CAUSE_NO_FILE, 0, 0},
                      "the repository has no .cirun.yml at this commit", e);
    return refuse(g, j,
                  (struct store_cause){
                      text_has_prefix(reason, "run_only_when_triggered_by") ? CAUSE_ACCESS : CAUSE_NO_RUNNER, 0, 0},
                  reason, e);
}

int decide_plan(struct engine *g, const struct cirun_runner **runners, size_t n, char **plan, struct err *e)
{
    char reason[480];

    n = bootable(runners, n, reason, sizeof(reason));
    return n > 0 ? plan_for(g, runners, n, plan, e) : err_set(e, ERR_INVALID, "%s", reason);
}

/* Labels against the file; a missing file has no runners. */
static int match_file(struct engine *g, const struct job *j, const struct lookup *l,
                      const struct cirun_runner **runners, struct err *e)
{
    static const struct cirun_yml none;
    const struct cirun_yml *file = l->file != NULL ? l->file : &none;
    const char *path = l->workflow_path[0] != '\0' ? l->workflow_path : NULL;
    AUTO_JSON json_t *labels = NULL;
    AUTO_FREE char *plan = NULL;
    char reason[480];
    struct store_cause place;
    struct err why;
    size_t n;

    if (js_parse(j->labels_json, strlen(j->labels_json), &labels, e))
        return -1;
    switch (match_job(&(struct match_job){labels, path, g->c.bare_self_hosted}, file, runners, &n, reason,
                      sizeof(reason))) {
    case MATCH_FOUND:
        break;
    case MATCH_NOT_OURS:
        return record(&(struct decision){.g = g, .j = j, .want = WANT_NOTHING, .reason = "none of its labels means us"},
                      e);
    case MATCH_REFUSED:
        return refuse_match(g, j, l->file, reason, e);
    }
    place = (struct store_cause){CAUSE_UNSUPPORTED, runners[0]->line, 1};
    n = bootable(runners, n, reason, sizeof(reason));
    if (n == 0)
        return refuse(g, j, place, reason, e);
    if (plan_for(g, runners, n, &plan, &why))
        return refuse(g, j, place, why.msg, e);
    idle_learn_reach(g, j);
    return admit(g, j, file, plan, e);
}

static int match_and_record(struct engine *g, const struct job *j, const struct lookup *l, struct err *e)
{
    size_t most = l->file != NULL ? l->file->n_runners : 0;
    const struct cirun_runner **runners = mem_calloc(most + 1, sizeof(*runners));
    int rc = match_file(g, j, l, runners, e);

    free(runners);
    return rc;
}

static struct store_cause first_error(const struct cirun_yml *file)
{
    size_t i = 0;

    while (i + 1 < file->n_diags && file->diags[i].severity != CIRUN_ERROR)
        i++;
    return (struct store_cause){CAUSE_BAD_FILE, file->diags[i].line, file->diags[i].column};
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
        return refuse(g, j, (struct store_cause){CAUSE_FORK, 0, 0},
                      "the run comes from a fork (or pull_request_target), and policy.fork_jobs denies those", e);
    if (lookup_file(g, j, l.fork ? NULL : j->head_sha, &l, e))
        return -1;
    if (l.file != NULL && l.file->n_errors > 0 && cirun_yml_error(l.file, ".cirun.yml", &why))
        return refuse(g, j, first_error(l.file), why.msg, e);
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
