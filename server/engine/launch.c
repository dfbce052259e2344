/*
 * From a wanted machine to one the cloud accepted: a just-in-time runner configuration, then the candidates in order.
 *
 * What is about to happen is in the store before it happens: the runner configuration (sealed) and the candidate's
 * number. After a crash the same try is repeated with the same token and the same bytes, so the cloud answers with the
 * same machine.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/bootstrap/bootstrap.h"
#include "server/engine/engine_int.h"

#include <stdio.h>
#include <string.h>

#define SAME_TRY_MAX 6 /* passing faults of one candidate before we look whether it is there, and go on to the next */

static const struct metric_desc launches = {METRIC_COUNTER, "muster_launches_total",
                                            "Launch calls by outcome (ok, or the kind of the failure)", "outcome",
                                            NULL};

struct attempt {
    struct engine *g;
    struct machine *m;
    const struct task *task;
    struct task_next *next;
    struct plan plan;
    struct secret *jit;
    bool first_try;   /* this candidate's request has not gone out before */
    bool may_pass;    /* some refusal of this round may pass: capacity, quota, credentials */
    struct buf notes; /* why each candidate was refused, for a person */
};

static void attempt_clear(struct attempt *a)
{
    plan_clear(&a->plan);
    secret_free(a->jit);
    buf_clear(&a->notes);
}

/* --- the runner configuration -------------------------------------------------------------------------------- */

/* The name is ours alone, so a runner of that name is what an earlier try left before it could note it down. */
static int remove_leftover(struct engine *g, const struct github_repo *repo, const char *name, struct err *e)
{
    struct github_runner r;

    if (github_runner_find(g->c.github, repo, name, &r, e))
        return e->kind == ERR_GONE ? 0 : -1;
    return github_runner_remove(g->c.github, repo, r.id, e);
}

static int new_jit(struct attempt *a, struct err *e)
{
    struct github_repo repo = machine_repo(a->m);
    struct github *github = a->g->c.github;

    if (github_jitconfig(github, &repo, a->m->name, a->m->labels_json, &a->m->runner_id, &a->jit, e) == 0)
        return 0;
    if (e->kind != ERR_CONFLICT || remove_leftover(a->g, &repo, a->m->name, e))
        return -1;
    return github_jitconfig(github, &repo, a->m->name, a->m->labels_json, &a->m->runner_id, &a->jit, e);
}

static int seal_jit(struct attempt *a, struct err *e)
{
    AUTO_BUF struct buf sealed = BUF_INIT((size_t)256 * 1024);

    if (crypto_seal(a->g->seal_key, a->m->name, a->jit, &sealed, e))
        return -1;
    free(a->m->sealed_jit);
    a->m->sealed_jit = NULL;
    return buf_take(&sealed, &a->m->sealed_jit, e);
}

/* Taken from the record when an earlier try left it there; else made anew. */
static int get_jit(struct attempt *a, struct err *e)
{
    struct err why;

    if (a->m->sealed_jit != NULL) {
        if (crypto_open(a->g->seal_key, a->m->name, a->m->sealed_jit, &a->jit, &why) == 0)
            return 0;
        log_warn(EV("runner.reissued"), FS("machine", a->m->name), FE(&why));
    }
    if (new_jit(a, e))
        return err_wrap(e, "runner configuration for %s", a->m->name);
    return seal_jit(a, e);
}

/* --- the store before the act --------------------------------------------------------------------------------- */

/* Write the machine as it is about to act. go = false: it is no longer to be launched, being in state `now`. */
struct intent {
    struct machine *m;
    bool go;
    enum machine_state now;
};

static int intent_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct intent *i = arg;
    AUTO_MACHINE struct machine now = {0};
    enum machine_state next;
    struct machine copy = *i->m;
    bool found;

    i->go = false;
    i->now = M_GONE;
    if (store_machine_get(t, i->m->name, &now, &found, e))
        return -1;
    if (found)
        i->now = now.state;
    if (!fsm_next(i->now, FSM_START, &next))
        return 0;
    copy.state = next;
    copy.surplus_ms = now.surplus_ms;
    return store_machine_update(t, &copy, now.state, &i->go, e);
}

/* Ended, or already at work, while the runner configuration was on its way: no launch, and no runner left at GitHub. */
static void call_off(struct attempt *a, enum machine_state now)
{
    struct github_repo repo = machine_repo(a->m);
    struct err e;

    if (now >= M_ENDING && a->m->runner_id != 0 && github_runner_remove(a->g->c.github, &repo, a->m->runner_id, &e))
        log_warn(EV("runner.left"), FS("machine", a->m->name), FE(&e));
    a->next->due_ms = clock_now_ms() + CHECK_FIRST_MS;
    a->next->priority = TASK_CHECK;
}

static int store_intent(struct attempt *a, bool *go, struct err *e)
{
    struct intent i = {a->m, false, M_GONE};
    int64_t now = clock_now_ms();

    if (a->m->launched_ms == 0) {
        a->m->launched_ms = now;
        a->m->expires_ms = now + a->g->c.lifetime_ms;
        a->m->boot_deadline_ms = now + a->g->c.boot_deadline_ms;
    }
    if (workers_write(a->g, intent_tx, &i, e))
        return -1;
    *go = i.go;
    if (i.go)
        a->m->state = M_LAUNCHING;
    else
        call_off(a, i.now);
    return 0;
}

/* --- one candidate -------------------------------------------------------------------------------------------- */

static int render(const struct attempt *a, const struct engine_cloud *cloud, const struct machine_spec *s,
                  struct secret **out, struct err *e)
{
    struct bootstrap_params p = {.name = a->m->name,
                                 .cloud = s->cloud,
                                 .instance_type = s->instance_type != NULL ? s->instance_type : "",
                                 .region = s->region,
                                 .arch = a->plan.arch,
                                 .gpu = s->gpu,
                                 .runner_url = a->plan.runner_url,
                                 .runner_sha256 = a->plan.runner_sha256,
                                 .expires_s = a->m->expires_ms / 1000,
                                 .boot_deadline_s = a->g->c.boot_deadline_ms / 1000,
                                 .jit = a->jit};

    return bootstrap_render(&p, cloud->ops->user_data_max, out, e);
}

static int call_cloud(const struct attempt *a, const struct machine_spec *s, struct instance *got, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    AUTO_SECRET struct secret *user_data = NULL;
    char token[96], job[24], expires[24];
    const struct machine *m = a->m;
    struct tag tags[] = {{TAG_DEPLOYMENT, a->g->c.deployment},
                         {TAG_MACHINE, m->name},
                         {TAG_JOB, job},
                         {TAG_REPOSITORY, m->repo},
                         {TAG_EXPIRES, expires}};
    struct launch_request r = {
        .spec = s, .name = m->name, .token = token, .first_try = a->first_try, .tags = tags, .n_tags = ARRAY_LEN(tags)};

    if (cloud == NULL)
        return err_set(e, ERR_AUTH, "cloud %s is not set up here (settings: clouds.%s)", s->cloud, s->cloud);
    (void)snprintf(token, sizeof(token), "%s-%d-%d", m->name, m->candidate, m->round);
    (void)snprintf(job, sizeof(job), "%lld", (long long)m->job_id);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)(m->expires_ms / 1000));
    if (cloud->ops->check(cloud->provider, s, e) || render(a, cloud, s, &user_data, e))
        return -1;
    r.user_data = user_data;
    return cloud->ops->launch(cloud->provider, &r, got, e);
}

static void record_instance(struct machine *m, void *arg)
{
    const struct instance *got = arg;

    (void)snprintf(m->instance_id, sizeof(m->instance_id), "%s", got->id);
    (void)snprintf(m->region, sizeof(m->region), "%s", got->region);
    free(m->sealed_jit);
    m->sealed_jit = NULL;
}

static int accepted(struct attempt *a, struct instance *got, struct err *e)
{
    struct machine_change c = {.name = a->m->name, .event = FSM_LAUNCHED, .edit = record_instance, .edit_arg = got};
    int64_t now = clock_now_ms();

    metric_add(&launches, "ok", 1);
    if (machine_change(a->g, &c, e))
        return -1;
    log_info(EV("machine.launched"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("region", got->region),
             FS("instance", got->id), FI("job", a->m->job_id), FI("took_ms", now - a->m->created_ms));
    /* while the call was under way its job may have ended: then it ends at once */
    a->next->due_ms = c.applied && c.after == M_ENDING ? now : now + CHECK_FIRST_MS;
    a->next->priority = c.applied && c.after == M_ENDING ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}

/* Would this candidate fail like that one? An invalid request fails alike wherever all but the market is the same. */
static bool alike(const struct machine_spec *x, const struct machine_spec *y)
{
    const char *const pairs[][2] = {
        {x->cloud, y->cloud}, {x->region, y->region}, {x->instance_type, y->instance_type}, {x->image, y->image}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *l = pairs[i][0] != NULL ? pairs[i][0] : "", *r = pairs[i][1] != NULL ? pairs[i][1] : "";

        if (strcmp(l, r) != 0)
            return false;
    }
    return true;
}

/* The next candidate worth trying after this refusal; n when there is none. */
static int next_candidate(const struct attempt *a, const struct err *refusal)
{
    const struct machine_spec *failed = &a->plan.specs[a->m->candidate];

    for (int i = a->m->candidate + 1; i < (int)a->plan.n; i++) {
        const struct machine_spec *s = &a->plan.specs[i];

        if (refusal->kind == ERR_AUTH && strcmp(s->cloud, failed->cloud) == 0)
            continue;
        if (refusal->kind == ERR_INVALID && alike(s, failed))
            continue;
        return i;
    }
    return (int)a->plan.n;
}

static void note(struct attempt *a, const struct err *refusal)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];

    metric_add(&launches, err_kind_name(refusal->kind), 1);
    log_warn(EV("launch.refused"), FS("machine", a->m->name), FI("job", a->m->job_id), FI("candidate", a->m->candidate),
             FS("cloud", s->cloud), FS("region", s->region), FS("instance_type", s->instance_type), FB("spot", s->spot),
             FE(refusal));
    buf_addf(&a->notes, "%scandidate %d (%s%s%s %s%s): %s", a->notes.len > 0 ? "; " : "", a->m->candidate + 1, s->cloud,
             s->region != NULL ? " " : "", s->region != NULL ? s->region : "",
             s->instance_type != NULL ? s->instance_type : "?", s->spot ? " spot" : "", refusal->msg);
}

/* --- the end of a round --------------------------------------------------------------------------------------- */

struct waiting {
    const struct machine *m;
    enum job_want want;
    const char *reason;
};

static int waiting_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct waiting *w = arg;

    return store_job_decide(t, w->m->job_id, w->want, NULL, w->reason, e);
}

static const char *notes_text(struct attempt *a)
{
    return a->notes.p != NULL ? a->notes.p : "no candidate could be tried";
}

static void next_round(struct machine *m, void *arg)
{
    (void)arg;
    m->round++;
    m->candidate = 0;
    m->launched_ms = 0; /* lifetime and deadlines count from the try that succeeds */
}

/* Everything was refused for now: the job keeps waiting, and the chain is tried again. */
static int back_off(struct attempt *a, struct err *e)
{
    struct machine_change c = {
        .name = a->m->name, .event = FSM_BACKOFF, .reason = notes_text(a), .edit = next_round, .edit_arg = NULL};
    struct waiting w = {a->m, WANT_MACHINE, notes_text(a)};

    if (machine_change(a->g, &c, e) || workers_write(a->g, waiting_tx, &w, e))
        return -1;
    a->next->due_ms = clock_now_ms() + workers_backoff_ms(a->m->round + 1, 30 * 1000, 5 * 60 * 1000);
    a->next->priority = TASK_LAUNCH;
    return 0;
}

/* No candidate can ever work: say so, and want no machine for this job any more. */
static int give_up(struct attempt *a, struct err *e)
{
    struct machine_change c = {.name = a->m->name, .event = FSM_DROP, .reason = notes_text(a)};
    struct waiting w = {a->m, WANT_REFUSED, notes_text(a)};

    log_error(EV("job.refused"), FI("job", a->m->job_id), FS("repo", a->m->repo), FS("reason", notes_text(a)));
    return workers_write(a->g, waiting_tx, &w, e) || machine_change(a->g, &c, e) ? -1 : 0;
}

/* A passing fault: the same try again, after a while. */
static void same_again(struct attempt *a, const struct err *cause)
{
    int64_t wait_ms = workers_backoff_ms(a->task->attempts, 1000, 60 * 1000);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
    a->next->due_ms = clock_now_ms() + wait_ms;
    a->next->priority = TASK_LAUNCH;
    a->next->retry = true;
}

/* The answers were lost or made no sense, or the name is taken: is the machine there all the same? */
static int adopt(struct attempt *a, bool *adopted, struct err *e)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    struct instance ref, got;

    *adopted = false;
    if (cloud == NULL)
        return 0;
    machine_ref(a->m, &ref);
    (void)snprintf(ref.region, sizeof(ref.region), "%s", s->region != NULL ? s->region : "");
    if (cloud->ops->describe(cloud->provider, &ref, &got, e))
        return -1;
    if (got.state != INSTANCE_PENDING && got.state != INSTANCE_RUNNING)
        return 0;
    *adopted = true;
    return accepted(a, &got, e);
}

/* What follows from a refusal. *done = false: go on with a->m->candidate. */
static int refused(struct attempt *a, const struct err *refusal, bool *done, struct err *e)
{
    bool passing = err_is_passing(refusal) || refusal->kind == ERR_CONFLICT || refusal->kind == ERR_GONE;

    *done = true;
    note(a, refusal);
    if (passing && (refusal->kind == ERR_CONFLICT || a->task->attempts >= SAME_TRY_MAX)) {
        bool adopted;

        if (adopt(a, &adopted, e) || adopted)
            return adopted ? 0 : -1;
    }
    if (refusal->kind == ERR_THROTTLED || (passing && a->task->attempts < SAME_TRY_MAX)) {
        same_again(a, refusal);
        return 0;
    }
    a->may_pass = a->may_pass || refusal->kind != ERR_INVALID;
    a->m->candidate = next_candidate(a, refusal);
    a->first_try = true;
    if (a->m->candidate < (int)a->plan.n) {
        *done = false;
        return 0;
    }
    return a->may_pass ? back_off(a, e) : give_up(a, e);
}

static int try_candidates(struct attempt *a, struct err *e)
{
    bool done = false;

    while (!done) {
        const struct machine_spec *s = &a->plan.specs[a->m->candidate];
        struct instance got;
        struct err refusal;
        bool go;

        (void)snprintf(a->m->cloud, sizeof(a->m->cloud), "%s", s->cloud);
        (void)snprintf(a->m->region, sizeof(a->m->region), "%s", s->region != NULL ? s->region : "");
        if (store_intent(a, &go, e))
            return -1;
        if (!go)
            return 0;
        if (call_cloud(a, s, &got, &refusal) == 0)
            return accepted(a, &got, e);
        if (refused(a, &refusal, &done, e))
            return -1;
    }
    return 0;
}

/* No runner configuration: GitHub's refusal decides whether that may change. */
static int no_jit(struct attempt *a, const struct err *cause, struct err *e)
{
    struct waiting w = {a->m, WANT_MACHINE, cause->msg};

    log_warn(EV("runner.refused"), FS("machine", a->m->name), FS("repo", a->m->repo), FE(cause));
    same_again(a, cause);
    /* a conflict is a leftover of ours that a lost answer made: the next try removes it */
    if (!err_is_passing(cause) && cause->kind != ERR_CONFLICT)
        a->next->due_ms = clock_now_ms() + workers_backoff_ms(a->task->attempts, 30 * 1000, 10 * 60 * 1000);
    return workers_write(a->g, waiting_tx, &w, e);
}

int launch_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(attempt_clear)
    struct attempt a = {
        .g = g, .m = m, .task = task, .next = next, .first_try = m->state == M_WANTED, .notes = BUF_INIT(4000)};
    struct err cause;

    if (plan_parse(m->plan_json, &a.plan, e))
        return -1;
    if (m->candidate < 0 || m->candidate >= (int)a.plan.n)
        m->candidate = 0;
    if (get_jit(&a, &cause))
        return no_jit(&a, &cause, e);
    return try_candidates(&a, e);
}
