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
#include "server/engine/launch_int.h"
#include "server/engine/pace.h"
#include "server/engine/rank.h"
#include "server/engine/room.h"

#include <stdio.h>
#include <string.h>

#define PLACE_MS 30000 /* who waits longer for his runner gives his place to others */
#define SAME_TRY_MAX 6 /* unclear outcomes, or refusals to listen, of one candidate before it is left for the next */

static void attempt_clear(struct attempt *a)
{
    plan_clear(&a->plan);
    secret_free(a->jit);
    buf_clear(&a->notes);
}

static bool is_same_place(const struct machine_spec *a, const struct machine_spec *b)
{
    const char *x = a->region != NULL ? a->region : "", *y = b->region != NULL ? b->region : "";

    return strcmp(a->cloud, b->cloud) == 0 && strcmp(x, y) == 0;
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
        if (refusal->kind == ERR_THROTTLED && is_same_place(s, failed))
            continue;
        return i;
    }
    return (int)a->plan.n;
}

static void note_words(struct attempt *a, const char *words)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];

    buf_addf(&a->notes, "%scandidate %d (%s%s%s %s%s): %s", a->notes.len > 0 ? "; " : "", a->m->candidate + 1, s->cloud,
             s->region != NULL ? " " : "", s->region != NULL ? s->region : "",
             s->instance_type != NULL ? s->instance_type : "?", s->spot ? " spot" : "", words);
}

static void note(struct attempt *a, const struct err *refusal)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];

    launch_count(err_kind_name(refusal->kind));
    rank_refused(a->g, a->m, &a->plan, refusal);
    verdict_attempt(a->g, a->m, s, err_kind_name(refusal->kind), refusal->msg);
    log_warn(EV("launch.refused"), FS("machine", a->m->name), FI("job", a->m->job_id), FI("candidate", a->m->candidate),
             FS("cloud", s->cloud), FS("region", s->region), FS("instance_type", s->instance_type), FB("spot", s->spot),
             FE(refusal));
    note_words(a, refusal->msg);
}

/* --- the end of a round --------------------------------------------------------------------------------------- */

/* Why the job waits, and what the record must know of the try that failed. */
struct waiting {
    struct engine *g;
    const struct machine *m;
    const char *reason;
    enum job_cause cause;
    const struct task *uncounted; /* it only had no turn yet; NULL = it was a try */
    bool gives_place;             /* it will wait for long: its room under the limits is for others */
};

/* What GitHub gave for it stays with it, also when nothing went out yet. */
static void keep_runner(struct machine *now, const struct machine *m)
{
    now->runner_id = m->runner_id;
    if (now->state > M_LAUNCHING || m->sealed_jit == NULL)
        return;
    free(now->sealed_jit);
    now->sealed_jit = mem_strdup(m->sealed_jit);
}

static int waiting_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct waiting *w = arg;
    struct verdict v = launch_word(w->m, WANT_MACHINE, w->reason);
    AUTO_MACHINE struct machine now = {0};
    bool found, changed;

    v.cause.cause = w->cause;
    if (w->uncounted != NULL && store_task_uncount(t, w->uncounted, e))
        return -1;
    if (launch_job_note(t, w->g, &v, e) || store_machine_get(t, w->m->name, &now, &found, e))
        return -1;
    if (!found || now.state == M_GONE)
        return 0;
    keep_runner(&now, w->m);
    if (now.state == M_LAUNCHING) { /* those before its candidate are behind it: they are not asked again */
        now.doubt_ms = w->m->doubt_ms;
        now.candidate = w->m->candidate;
    }
    if (store_machine_update(t, &now, now.state, &changed, e))
        return -1;
    return w->gives_place ? room_leave(t, w->g, &now, clock_now_ms(), e) : 0;
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

/* When the next round begins. Where nobody was asked in this one, because all are left alone, soon after the first of
 * them is to be tried again. */
static int64_t next_round_ms(const struct attempt *a)
{
    if (!a->called && a->opens_ms > 0)
        return a->opens_ms + workers_backoff_ms(1, 1000, 1000);
    return clock_now_ms() + workers_backoff_ms(a->m->round + 1, 30 * 1000, 5 * 60 * 1000);
}

/* Everything was refused for now: the job keeps waiting, and the chain is tried again. */
static int back_off(struct attempt *a, struct err *e)
{
    struct machine_change c = {
        .name = a->m->name, .event = FSM_BACKOFF, .reason = notes_text(a), .edit = next_round, .edit_arg = NULL};
    struct waiting w = {a->g, a->m, notes_text(a), CAUSE_CANDIDATES, NULL, false};
    bool between = a->m->state == M_WANTED && a->m->round > 0; /* it was between two rounds, and still is */

    if ((!between && machine_change(a->g, &c, e)) || workers_write(a->g, waiting_tx, &w, e))
        return -1;
    a->next->due_ms = next_round_ms(a);
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
    const struct verdict v = launch_word(r->a->m, WANT_REFUSED, r->change.reason);

    return launch_job_note(t, r->a->g, &v, e) || machine_change_tx(t, &r->change, e) ? -1 : 0;
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

/* It has its turn later, and keeps it by coming back then; it was no try. */
static int paced(struct attempt *a, const char *reason, int64_t wait_ms, enum job_cause cause, struct err *e)
{
    struct waiting w = {a->g, a->m, reason, cause, a->task, wait_ms >= PLACE_MS && a->jit == NULL};

    a->next->due_ms = clock_now_ms() + wait_ms;
    a->next->priority = TASK_LAUNCH;
    a->next->retry = true;
    return workers_write(a->g, waiting_tx, &w, e);
}

/* The same try again, after a while; meanwhile the job says why it waits. */
static int same_again(struct attempt *a, const struct err *cause, int64_t at_least_ms, struct err *e)
{
    struct waiting w = {a->g,
                        a->m,
                        a->notes.p != NULL ? a->notes.p : cause->msg,
                        a->jit != NULL ? CAUSE_CANDIDATES : CAUSE_RUNNER,
                        NULL,
                        at_least_ms >= PLACE_MS && a->jit == NULL};
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
    return pace_describe(a->g, cloud, &ref, got, e);
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
        return launch_accepted(a, &got, e);
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
    a->m->launched_ms = 0; /* its time begins with the try that succeeds */
    a->tries = 0;
    *done = a->m->candidate >= (int)a->plan.n;
    if (!*done)
        return 0;
    return a->may_pass ? back_off(a, e) : give_up(a, e);
}

/* What follows from a refusal. *done = false: go on with a->m->candidate. */
static int refused(struct attempt *a, const struct err *refusal, bool *done, struct err *e)
{
    bool unclear = refusal_is_unclear(refusal->kind);

    *done = true;
    note(a, refusal);
    if (!unclear)
        a->m->doubt_ms = a->doubt_ms; /* this request made nothing; an earlier one may have */
    if (refusal->kind == ERR_CONFLICT) {
        struct instance got;
        struct err ignored;

        if (look(a, &got, &ignored) == 0 && is_there(&got))
            return launch_accepted(a, &got, e);
    }
    if (unclear && a->tries < SAME_TRY_MAX)
        return same_again(a, refusal, 0, e);
    if (refusal->kind == ERR_THROTTLED && (a->tries < SAME_TRY_MAX || next_candidate(a, refusal) >= (int)a->plan.n))
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

/* No runner configuration: GitHub's refusal decides whether that may change. */
static int no_jit(struct attempt *a, const struct err *cause, struct err *e)
{
    /* a conflict is a leftover of ours that a lost answer made: the next try removes it */
    bool soon = err_is_passing(cause) || cause->kind == ERR_CONFLICT;

    if (cause->kind == ERR_THROTTLED && cause->retry_after_s > 0) {
        log_info(EV("runner.paced"), FS("machine", a->m->name), FS("repo", a->m->repo),
                 FI("wait_ms", (int64_t)cause->retry_after_s * 1000), FE(cause));
        return paced(a, cause->msg, (int64_t)cause->retry_after_s * 1000, CAUSE_UNDECIDED, e);
    }
    log_warn(EV("runner.refused"), FS("machine", a->m->name), FS("repo", a->m->repo), FE(cause));
    if (!soon)
        machine_fault("runner_refused");
    return same_again(a, cause, soon ? 0 : workers_backoff_ms(a->tries, PLACE_MS, 15 * 60 * 1000), e);
}

/* --- candidates that have no turn, and those that are left alone ---------------------------------------------------
 */

struct glance {
    const struct attempt *a;
    struct breaker_found left;
};

static int glance_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct glance *l = arg;

    return breaker_look_tx(t, l->a->g, l->a->m, &l->a->plan, false, clock_now_ms(), &l->left, e);
}

/* Passed over, as if it had refused just now: but nobody was asked. */
static int pass_over(struct attempt *a, const struct breaker_found *left, bool *done, struct err *e)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];
    const struct err as_if = {.kind = ERR_CAPACITY};

    verdict_skipped(a->g, a->m, s, left->words);
    log_info(EV("candidate.skipped"), FS("machine", a->m->name), FI("job", a->m->job_id),
             FI("candidate", a->m->candidate), FS("cloud", s->cloud), FS("region", s->region),
             FS("instance_type", s->instance_type), FB("spot", s->spot), FS("reason", left->words));
    note_words(a, left->words);
    if (a->opens_ms == 0 || left->again_ms < a->opens_ms)
        a->opens_ms = left->again_ms;
    return next_or_end(a, &as_if, done, e);
}

/* Before anything goes out for a->m->candidate. *done: nothing does, and the task goes on as next says. *go = false
 * without it: another candidate is a->m->candidate now. */
static int prepare(struct attempt *a, const struct machine_spec *s, bool *go, bool *done, struct err *e)
{
    const struct engine_cloud *cloud = machine_cloud(a->g, s->cloud);
    struct glance l = {.a = a};
    char reason[200];
    struct err cause;
    int64_t wait_ms;
    bool wanted = true;

    *go = false;
    *done = true;
    if (a->m->doubt_ms == 0 && store_read(a->g->c.store, glance_tx, &l, e))
        return -1;
    if (l.left.again_ms > 0)
        return pass_over(a, &l.left, done, e);
    if (a->jit == NULL && runner_config(a->g, a->m, &a->jit, &wanted, &cause))
        return no_jit(a, &cause, e);
    if (!wanted) { /* ended meanwhile */
        a->next->due_ms = clock_now_ms();
        a->next->priority = TASK_TEARDOWN;
        return 0;
    }
    wait_ms = cloud != NULL ? pace_launch_ms(a->g, cloud, s->region, a->m) : 0;
    if (wait_ms > 0) {
        (void)snprintf(reason, sizeof(reason),
                       "the launches that %.40s allows us%s%.64s are used up for now: it has "
                       "its turn",
                       s->cloud, s->region != NULL ? " in " : "", s->region != NULL ? s->region : "");
        return paced(a, reason, wait_ms, CAUSE_CANDIDATES, e);
    }
    *done = false;
    *go = true;
    return 0;
}

/* One candidate. *done = false: a->m->candidate is the next. */
static int try_one(struct attempt *a, bool *done, struct err *e)
{
    const struct machine_spec *s = &a->plan.specs[a->m->candidate];
    struct breaker_found left;
    struct instance got;
    struct err refusal;
    bool go;

    (void)snprintf(a->m->cloud, sizeof(a->m->cloud), "%s", s->cloud);
    (void)snprintf(a->m->region, sizeof(a->m->region), "%s", s->region != NULL ? s->region : "");
    if (prepare(a, s, &go, done, e))
        return -1;
    if (!go)
        return 0;
    if (launch_intent(a, &go, &left, e))
        return -1;
    if (left.again_ms > 0)
        return pass_over(a, &left, done, e);
    *done = true;
    if (!go)
        return 0;
    a->called = true;
    if (launch_call(a, s, &got, &refusal) == 0)
        return launch_accepted(a, &got, e);
    return refused(a, &refusal, done, e);
}

static int try_candidates(struct attempt *a, struct err *e)
{
    bool done;

    if (leave_doubtful(a, &done, e))
        return -1;
    while (!done) {
        if (try_one(a, &done, e))
            return -1;
    }
    return 0;
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
    bool open = true, served;

    /* nobody needs it: at once when nothing went out, else after the grace that every machine has */
    if (m->surplus_ms != 0 && (m->state == M_WANTED || clock_now_ms() >= m->surplus_ms + g->c.idle_grace_ms))
        return check_retire(g, m, next, e);
    if (m->state == M_WANTED && m->round > 0 && (room_ask(g, m, next, &open, e) || !open))
        return open ? -1 : m->job_id != 0 ? give_place(g, m, next, e) : 0;
    if (launch_ask(g, m, &served, e))
        return -1;
    if (served) {
        *next = (struct task_next){clock_now_ms(), TASK_LAUNCH, false};
        return 0;
    }
    if (plan_parse(m->plan_json, &a.plan, e))
        return -1;
    if (m->candidate < 0 || m->candidate >= (int)a.plan.n)
        m->candidate = 0;
    a.may_pass = m->candidate > 0; /* those before it were refused in an earlier run, or failed later */
    return try_candidates(&a, e);
}
