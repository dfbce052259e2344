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
#include "server/engine/rank.h"
#include "server/engine/room.h"

#include <stdio.h>
#include <string.h>

#define SAY_EVERY_MS 5000 /* between two words of a long launch */
#define SAME_TRY_MAX 6    /* unclear outcomes of one candidate before it is left for the next */

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
    int tries;        /* of this candidate, counting this one; 0 = it came up in this very run */
    int64_t doubt_ms; /* of the record, before the try under way */
    bool by_policy;   /* the last refusal is the operator's */
    bool may_pass;    /* some refusal of this round may pass: capacity, quota, credentials */
    struct buf notes; /* why each candidate was refused, for a person */
};

static void attempt_clear(struct attempt *a)
{
    plan_clear(&a->plan);
    secret_free(a->jit);
    buf_clear(&a->notes);
}

/* --- words about the job ---------------------------------------------------------------------------------------- */

/* A word about the job, unless it was decided otherwise, taken or ended meanwhile. */
static int job_note(struct store_tx *t, const struct engine *g, const struct verdict *v, struct err *e)
{
    AUTO_JOB struct job j = {0};
    bool found;

    if (store_job_get(t, v->job_id, &j, &found, e))
        return -1;
    if (!found || j.state != JOB_QUEUED || j.want != WANT_MACHINE)
        return 0;
    if (v->want == WANT_MACHINE && strcmp(v->reason, j.reason != NULL ? j.reason : "") == 0)
        return 0;
    return verdict_put(t, g, v, e);
}

static struct verdict word_about(const struct machine *m, enum job_want want, const char *reason)
{
    return (struct verdict){.job_id = m->job_id,
                            .want = want,
                            .reason = reason,
                            .cause = {CAUSE_CANDIDATES, 0, 0},
                            .now_ms = clock_now_ms()};
}

/* --- the store before the act --------------------------------------------------------------------------------- */

/* Write the machine as it is about to act. go = false: it is no longer to be launched, being in state `now`. */
struct intent {
    struct machine *m;
    const struct task *task;
    bool go;
    enum machine_state now;
    char token[96]; /* of the try, when its machine fetches its bootstrap; else "" */
    const struct engine *g;
};

/* Ended while its runner configuration was on its way: who ends it must know of the runner. */
static int leave_runner(struct store_tx *t, const struct machine *m, struct machine *now, struct err *e)
{
    bool changed;

    now->runner_id = m->runner_id;
    return store_machine_update(t, now, M_ENDING, &changed, e);
}

/* What the machine may fetch is there before the machine. */
static int arm(struct store_tx *t, const struct intent *i, struct err *e)
{
    return i->go && i->token[0] != '\0' ? store_pull_arm(t, i->m->name, i->token, i->m->sealed_jit, e) : 0;
}

static int intent_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct intent *i = arg;
    AUTO_MACHINE struct machine now = {0};
    enum machine_state next;
    struct machine copy = *i->m;
    bool found, open = true;

    i->go = false;
    i->now = M_GONE;
    if (store_task_renew(t, i->task, clock_now_ms() + LEASE_MS, e))
        return -1;
    if (store_machine_get(t, i->m->name, &now, &found, e))
        return -1;
    if (found)
        i->now = now.state;
    if (!fsm_next(i->now, FSM_START, &next))
        return i->now == M_ENDING ? leave_runner(t, i->m, &now, e) : 0;
    if (i->now == M_WANTED && now.round > 0 && (room_for(t, i->g, now.repo_id, clock_now_ms(), &open, e) || !open))
        return open ? -1 : 0;
    copy.state = next;
    copy.surplus_ms = now.surplus_ms;
    return store_machine_update(t, &copy, now.state, &i->go, e) || arm(t, i, e) ? -1 : 0;
}

/* Names the try: the same again means the same machine. */
static void name_try(const struct machine *m, char out[96])
{
    (void)snprintf(out, 96, "%s-%d-%d", m->name, m->candidate, m->round);
}

static int store_intent(struct attempt *a, bool *go, struct err *e)
{
    struct intent i = {a->m, a->task, false, M_GONE, "", a->g};
    int64_t now = clock_now_ms();

    a->doubt_ms = a->m->doubt_ms;
    a->m->doubt_ms = now;
    if (a->m->launched_ms == 0) {
        a->m->launched_ms = now;
        a->m->boot_deadline_ms = now + a->g->c.boot_deadline_ms;
    }
    /* the same for a repetition of the same try */
    a->m->expires_ms = a->m->launched_ms + terms_lifetime_ms(a->g, &a->plan, (size_t)a->m->candidate);
    if (spec_pulls(&a->plan.specs[a->m->candidate]))
        name_try(a->m, i.token);
    if (workers_write(a->g, intent_tx, &i, e))
        return -1;
    *go = i.go;
    if (i.go) {
        a->m->state = M_LAUNCHING;
        return 0;
    }
    /* ended, or already at work, while the runner configuration was on its way: no launch */
    a->next->due_ms = i.now == M_ENDING ? now : now + CHECK_FIRST_MS;
    a->next->priority = i.now == M_ENDING ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}

/* --- one candidate -------------------------------------------------------------------------------------------- */

/* What the launch carries: the bootstrap, or nothing where the image fetches it. */
static int render(const struct attempt *a, const struct engine_cloud *cloud, const struct machine_spec *s,
                  struct secret **out, struct err *e)
{
    if (!spec_pulls(s))
        return provision_render(a->g, a->m, &a->plan, a->jit, cloud->ops->user_data_max, out, e);
    return provision_check(a->g, a->m, &a->plan, a->jit, out, e);
}

/* What a long launch is at: the job says so, and the lease of the task goes on. */
struct word {
    struct attempt *a;
    const char *text;
    int64_t last_ms;
};

static int word_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct word *w = arg;
    struct verdict v = word_about(w->a->m, WANT_MACHINE, w->text);

    v.progress = true;
    return store_task_renew(t, w->a->task, clock_now_ms() + LEASE_MS, e) || job_note(t, w->a->g, &v, e) ? -1 : 0;
}

static void say(void *arg, const char *text)
{
    struct word *w = arg;
    struct err e;

    if (clock_mono_ms() - w->last_ms < SAY_EVERY_MS)
        return;
    w->last_ms = clock_mono_ms();
    w->text = text;
    if (store_write(w->a->g->c.store, word_tx, w, &e))
        log_warn(EV("launch.unsaid"), FS("machine", w->a->m->name), FE(&e));
}

static int call_cloud(struct attempt *a, const struct machine_spec *s, struct instance *got, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    AUTO_SECRET struct secret *user_data = NULL;
    char token[96], job[24], expires[24];
    const struct machine *m = a->m;
    struct word words = {.a = a, .last_ms = clock_mono_ms() - SAY_EVERY_MS};
    struct tag tags[] = {{TAG_DEPLOYMENT, a->g->c.deployment},
                         {TAG_MACHINE, m->name},
                         {TAG_JOB, job},
                         {TAG_REPOSITORY, m->repo},
                         {TAG_EXPIRES, expires}};
    struct launch_request r = {.spec = s,
                               .name = m->name,
                               .token = token,
                               .lifetime_s = (m->expires_ms - m->launched_ms) / 1000, /* a repetition says the same */
                               .max_hourly_usd = sift_most_usd(a->g, &a->plan, (size_t)m->candidate),
                               .first_try = a->doubt_ms == 0,
                               .tags = tags,
                               .n_tags = ARRAY_LEN(tags),
                               .say = say,
                               .say_arg = &words};

    if (cloud == NULL)
        return err_set(e, ERR_AUTH, "cloud %s is not set up here (settings: clouds.%s)", s->cloud, s->cloud);
    name_try(m, token);
    (void)snprintf(job, sizeof(job), "%lld", (long long)m->job_id);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)(m->expires_ms / 1000));
    a->by_policy =
        sift_check(a->g, &a->plan, (size_t)a->m->candidate, e) != 0; /* it may have changed since the plan was made */
    if (a->by_policy || cloud->ops->check(cloud->provider, s, e) || render(a, cloud, s, &user_data, e))
        return -1;
    r.user_data = user_data;
    return cloud->ops->launch(cloud->provider, &r, got, e);
}

/* The machine is up: its first look, its deadline, and nothing to explain about its job any more. */
struct acceptance {
    struct engine *g;
    struct machine_change change;
    struct instance *got;
    int64_t now_ms, boot_ms; /* boot_ms: how long it may take to come up */
    bool stray;              /* the record knows another machine, or none: this one belongs to nobody */
};

static void note_launched(struct machine *m, void *arg)
{
    const struct acceptance *c = arg;

    machine_note_instance(m, c->got);
    m->boot_deadline_ms = c->now_ms + c->boot_ms;
}

static int accepted_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct acceptance *c = arg;
    AUTO_MACHINE struct machine m = {0};
    struct verdict v;
    bool found;

    c->stray = false;
    if (machine_change_tx(t, &c->change, e) || store_machine_get(t, c->change.name, &m, &found, e))
        return -1;
    if (!found || m.state == M_GONE || strcmp(m.instance_id, c->got->id) != 0)
        c->stray = true;
    v = word_about(&m, WANT_MACHINE, "");
    return found ? job_note(t, c->g, &v, e) : 0;
}

/* Whoever holds the record now does not know this machine: it ends here. */
static void end_stray(struct attempt *a, struct instance *got)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, a->m->cloud);
    struct err e;

    log_error(EV("machine.unexpected"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("instance", got->id));
    if (cloud != NULL && cloud->ops->destroy(cloud->provider, got, &e))
        log_error(EV("destroy.failed"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("instance", got->id),
                  FE(&e));
}

static int accepted(struct attempt *a, struct instance *got, struct err *e)
{
    struct acceptance c = {.g = a->g,
                           .got = got,
                           .now_ms = clock_now_ms(),
                           .boot_ms = terms_boot_deadline_ms(a->g, &a->plan, (size_t)a->m->candidate)};
    bool ending;

    c.change = (struct machine_change){.name = a->m->name,
                                       .event = FSM_LAUNCHED,
                                       .edit = note_launched,
                                       .edit_arg = &c,
                                       .now_ms = c.now_ms,
                                       .g = a->g};
    metric_add(&launches, "ok", 1);
    if (workers_write(a->g, accepted_tx, &c, e))
        return -1;
    if (c.stray)
        end_stray(a, got);
    log_info(EV("machine.launched"), FS("machine", a->m->name), FS("cloud", a->m->cloud), FS("region", got->region),
             FS("instance", got->id), FI("job", a->m->job_id), FI("took_ms", c.now_ms - a->m->created_ms));
    /* while the call was under way its job may have ended: then it ends at once */
    ending = c.change.applied && c.change.after == M_ENDING;
    a->next->due_ms = ending ? c.now_ms : c.now_ms + CHECK_FIRST_MS;
    a->next->priority = ending ? TASK_TEARDOWN : TASK_CHECK;
    return 0;
}

/* The next candidate worth trying after this refusal; n when there is none. */
static int next_candidate(const struct attempt *a, const struct err *refusal)
{
    const struct machine_spec *failed = &a->plan.specs[a->m->candidate];

    for (int i = a->m->candidate + 1; i < (int)a->plan.n; i++) {
        const struct machine_spec *s = &a->plan.specs[i];

        if (refusal->kind == ERR_AUTH && strcmp(s->cloud, failed->cloud) == 0)
            continue;
        if (refusal->kind == ERR_INVALID && !a->by_policy && plan_alike(s, failed))
            continue;
        return i;
    }
    return (int)a->plan.n;
}

static void note(struct attempt *a, const struct err *refusal)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];

    metric_add(&launches, err_kind_name(refusal->kind), 1);
    rank_refused(a->g, s, refusal);
    verdict_attempt(a->g, a->m, s, err_kind_name(refusal->kind), refusal->msg);
    log_warn(EV("launch.refused"), FS("machine", a->m->name), FI("job", a->m->job_id), FI("candidate", a->m->candidate),
             FS("cloud", s->cloud), FS("region", s->region), FS("instance_type", s->instance_type), FB("spot", s->spot),
             FE(refusal));
    buf_addf(&a->notes, "%scandidate %d (%s%s%s %s%s): %s", a->notes.len > 0 ? "; " : "", a->m->candidate + 1, s->cloud,
             s->region != NULL ? " " : "", s->region != NULL ? s->region : "",
             s->instance_type != NULL ? s->instance_type : "?", s->spot ? " spot" : "", refusal->msg);
}

/* --- the end of a round --------------------------------------------------------------------------------------- */

/* Why the job waits, and what the record must know of the try that failed. */
struct waiting {
    const struct engine *g;
    const struct machine *m;
    const char *reason;
    enum job_cause cause;
};

static int waiting_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct waiting *w = arg;
    struct verdict v = word_about(w->m, WANT_MACHINE, w->reason);
    AUTO_MACHINE struct machine now = {0};
    bool found, changed;

    v.cause.cause = w->cause;
    if (job_note(t, w->g, &v, e) || store_machine_get(t, w->m->name, &now, &found, e))
        return -1;
    if (!found || now.state == M_GONE)
        return 0;
    now.runner_id = w->m->runner_id;
    if (now.state == M_LAUNCHING)
        now.doubt_ms = w->m->doubt_ms;
    return store_machine_update(t, &now, now.state, &changed, e);
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
    m->doubt_ms = 0;
    m->launched_ms = 0; /* lifetime and deadlines count from the try that succeeds */
}

/* Everything was refused for now: the job keeps waiting, and the chain is tried again. */
static int back_off(struct attempt *a, struct err *e)
{
    struct machine_change c = {
        .name = a->m->name, .event = FSM_BACKOFF, .reason = notes_text(a), .edit = next_round, .edit_arg = NULL};
    struct waiting w = {a->g, a->m, notes_text(a), CAUSE_CANDIDATES};

    if (machine_change(a->g, &c, e) || workers_write(a->g, waiting_tx, &w, e))
        return -1;
    a->next->due_ms = clock_now_ms() + workers_backoff_ms(a->m->round + 1, 30 * 1000, 5 * 60 * 1000);
    a->next->priority = TASK_LAUNCH;
    return 0;
}

struct refusal {
    struct attempt *a;
    struct machine_change change;
};

static int give_up_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct refusal *r = arg;
    const struct verdict v = word_about(r->a->m, WANT_REFUSED, r->change.reason);

    return job_note(t, r->a->g, &v, e) || machine_change_tx(t, &r->change, e) ? -1 : 0;
}

/* No candidate can ever work: say so, and want no machine for this job any more. */
static int give_up(struct attempt *a, struct err *e)
{
    int64_t now = clock_now_ms();
    struct refusal r = {a, {.name = a->m->name, .event = FSM_DROP, .reason = notes_text(a), .now_ms = now, .g = a->g}};

    log_error(EV("job.refused"), FI("job", a->m->job_id), FS("repo", a->m->repo), FS("reason", notes_text(a)));
    a->next->due_ms = now;
    a->next->priority = TASK_TEARDOWN;
    return workers_write(a->g, give_up_tx, &r, e);
}

/* The same try again, after a while; meanwhile the job says why it waits. */
static int same_again(struct attempt *a, const struct err *cause, int64_t at_least_ms, struct err *e)
{
    struct waiting w = {a->g, a->m, a->notes.p != NULL ? a->notes.p : cause->msg,
                        a->jit != NULL ? CAUSE_CANDIDATES : CAUSE_RUNNER};
    int64_t wait_ms = workers_backoff_ms(a->tries, 1000, 60 * 1000);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
    a->next->due_ms = clock_now_ms() + (wait_ms > at_least_ms ? wait_ms : at_least_ms);
    a->next->priority = TASK_LAUNCH;
    a->next->retry = a->tries > 0;
    return workers_write(a->g, waiting_tx, &w, e);
}

/* A request of this candidate went out whose outcome nobody told: is the machine there all the same? */
static int look(struct attempt *a, struct instance *got, struct err *e)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    struct instance ref;

    if (cloud == NULL)
        return err_set(e, ERR_AUTH, "cloud %s is not set up here any more (settings: clouds.%s)", s->cloud, s->cloud);
    machine_ref(a->m, &ref);
    (void)snprintf(ref.region, sizeof(ref.region), "%s", s->region != NULL ? s->region : "");
    return cloud->ops->describe(cloud->provider, &ref, got, e);
}

/* One that stopped already is adopted too: its first look finds that out, and ends it. */
static bool is_there(const struct instance *i)
{
    return i->state == INSTANCE_PENDING || i->state == INSTANCE_RUNNING || i->state == INSTANCE_STOPPED;
}

/* No candidate is left behind while a machine of it may come to light: adopt it, or wait until it cannot any more.
 * *clear: there is none; else the task goes on as next says. */
static int resolve(struct attempt *a, bool *clear, struct err *e)
{
    struct instance got;
    struct err cause;
    int64_t settled_ms = a->m->doubt_ms + SETTLE_MS;

    *clear = a->m->doubt_ms == 0;
    if (*clear)
        return 0;
    if (look(a, &got, &cause)) {
        buf_addf(&a->notes, "%swhether it was launched all the same cannot be told: %s", a->notes.len > 0 ? "; " : "",
                 cause.msg);
        return same_again(a, &cause, 10 * 1000, e);
    }
    if (is_there(&got))
        return accepted(a, &got, e);
    *clear = clock_now_ms() >= settled_ms;
    if (*clear)
        return 0;
    cause = (struct err){.kind = ERR_RETRY};
    return same_again(a, &cause, settled_ms - clock_now_ms(), e);
}

/* On with the next candidate that may do better. *done = false: a->m->candidate is it. */
static int next_or_end(struct attempt *a, const struct err *refusal, bool *done, struct err *e)
{
    bool clear;

    *done = true;
    if (resolve(a, &clear, e))
        return -1;
    if (!clear)
        return 0;
    a->may_pass = a->may_pass || (refusal->kind != ERR_INVALID &&
                                  !machine_is_denied(a->g, &a->plan.specs[a->m->candidate], refusal, a->m->round));
    a->m->candidate = next_candidate(a, refusal);
    a->m->doubt_ms = 0;
    a->tries = 0;
    *done = a->m->candidate >= (int)a->plan.n;
    if (!*done)
        return 0;
    return a->may_pass ? back_off(a, e) : give_up(a, e);
}

/* What follows from a refusal. *done = false: go on with a->m->candidate. */
static int refused(struct attempt *a, const struct err *refusal, bool *done, struct err *e)
{
    bool unclear = refusal->kind == ERR_RETRY || refusal->kind == ERR_CONFLICT || refusal->kind == ERR_GONE;

    *done = true;
    note(a, refusal);
    if (!unclear)
        a->m->doubt_ms = a->doubt_ms; /* this request made nothing; an earlier one may have */
    if (refusal->kind == ERR_CONFLICT) {
        struct instance got;
        struct err ignored;

        if (look(a, &got, &ignored) == 0 && is_there(&got))
            return accepted(a, &got, e);
    }
    if (refusal->kind == ERR_THROTTLED || (unclear && a->tries < SAME_TRY_MAX))
        return same_again(a, refusal, 0, e);
    return next_or_end(a, refusal, done, e);
}

/* So many tries whose outcome nobody told, and time enough since the last: no further one before that is clear. */
static int leave_doubtful(struct attempt *a, bool *done, struct err *e)
{
    static const struct err unclear = {.kind = ERR_RETRY};

    *done = false;
    if (a->m->doubt_ms == 0 || a->tries <= SAME_TRY_MAX)
        return 0;
    buf_addf(&a->notes, "candidate %d never answered", a->m->candidate + 1);
    return next_or_end(a, &unclear, done, e);
}

static int try_candidates(struct attempt *a, struct err *e)
{
    bool done;

    if (leave_doubtful(a, &done, e))
        return -1;
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
    /* a conflict is a leftover of ours that a lost answer made: the next try removes it */
    bool soon = err_is_passing(cause) || cause->kind == ERR_CONFLICT;

    log_warn(EV("runner.refused"), FS("machine", a->m->name), FS("repo", a->m->repo), FE(cause));
    return same_again(a, cause, soon ? 0 : workers_backoff_ms(a->tries, 30 * 1000, 10 * 60 * 1000), e);
}

/* Its place went to others while no cloud had any. Its job takes its turn by when it was queued. */
static int give_place(struct engine *g, const struct machine *m, struct task_next *next, struct err *e)
{
    struct machine_change c = {.name = m->name, .event = FSM_DROP, .reason = "its job waits for room"};

    next->due_ms = clock_now_ms();
    next->priority = TASK_TEARDOWN;
    return machine_change(g, &c, e);
}

int launch_machine(struct engine *g, struct machine *m, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(attempt_clear)
    struct attempt a = {.g = g, .m = m, .task = task, .next = next, .tries = task->attempts, .notes = BUF_INIT(4000)};
    struct err cause;
    bool open = true;

    /* nobody needs it: at once when nothing went out, else after the grace that every machine has */
    if (m->surplus_ms != 0 && (m->state == M_WANTED || clock_now_ms() >= m->surplus_ms + g->c.idle_grace_ms))
        return check_retire(g, m, next, e);
    if (m->state == M_WANTED && m->round > 0 && (room_ask(g, m, next, &open, e) || !open))
        return open ? -1 : m->job_id != 0 ? give_place(g, m, next, e) : 0;
    if (plan_parse(m->plan_json, &a.plan, e))
        return -1;
    if (m->candidate < 0 || m->candidate >= (int)a.plan.n)
        m->candidate = 0;
    a.may_pass = m->candidate > 0; /* those before it were refused in an earlier run, or failed later */
    if (runner_config(g, m, &a.jit, &cause))
        return no_jit(&a, &cause, e);
    return try_candidates(&a, e);
}
