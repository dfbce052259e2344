/* What we make of a job, written in one place, so that no wait and no refusal goes without its words. */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/engine/report.h"

#include <stdio.h>
#include <string.h>

static bool is_same(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* "job.admitted", "job.refused", ... when the decision is another one; "job.waits" when only its reason is. */
static int add_event(struct store_tx *t, const struct verdict *v, const struct job *before, struct err *e)
{
    bool decided = v->want != before->want && !v->progress;
    char kind[32];

    if (!decided && (v->progress || v->reason == NULL || v->reason[0] == '\0' || is_same(v->reason, before->reason)))
        return 0;
    if (decided)
        (void)snprintf(kind, sizeof(kind), "job.%s", v->want == WANT_MACHINE ? "admitted" : job_want_name(v->want));
    else
        (void)snprintf(kind, sizeof(kind), "job.waits");
    return store_event_add(t, v->now_ms, v->job_id, NULL, kind, v->reason, e);
}

static int put_cause(struct store_tx *t, const struct verdict *v, struct err *e)
{
    static const struct store_cause none = {CAUSE_NONE, 0, 0};
    struct store_cause known;

    if (v->reason != NULL && v->reason[0] != '\0')
        return store_cause_put(t, v->job_id, &v->cause, e);
    if (v->reason == NULL)
        return 0;
    if (store_cause_get(t, v->job_id, &known, e))
        return -1;
    return known.cause != CAUSE_NONE ? store_cause_put(t, v->job_id, &none, e) : 0;
}

int verdict_put(struct store_tx *t, const struct engine *g, const struct verdict *v, struct err *e)
{
    AUTO_JOB struct job before = {0};
    bool found;

    if (store_job_get(t, v->job_id, &before, &found, e))
        return -1;
    if (store_job_decide(t, v->job_id, v->want, v->plan_json, v->reason, e))
        return -1;
    if (add_event(t, v, &before, e) || put_cause(t, v, e))
        return -1;
    before.want = v->want;
    return found ? report_note(t, g, &before, &v->cause, v->now_ms, e) : 0;
}

static int attempt_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_attempt_put(t, arg, e);
}

static struct store_attempt attempt_of(const struct machine *m, const struct machine_spec *s)
{
    return (struct store_attempt){.job_id = m->job_id,
                                  .candidate = m->candidate,
                                  .machine = m->name,
                                  .cloud = s->cloud,
                                  .region = s->region != NULL ? s->region : "",
                                  .instance_type = s->instance_type != NULL ? s->instance_type : "",
                                  .spot = s->spot};
}

void verdict_attempt(struct engine *g, const struct machine *m, const struct machine_spec *s, const char *kind,
                     const char *message)
{
    struct store_attempt a = attempt_of(m, s);
    struct err e;

    a.kind = kind;
    a.message = message;
    a.last_ms = clock_now_ms();
    if (m->job_id == 0)
        return; /* a warm runner's: nobody waits for it */
    if (store_write(g->c.store, attempt_tx, &a, &e))
        log_warn(EV("attempt.unsaid"), FS("machine", m->name), FE(&e));
}

struct skipped {
    struct store_attempt a;
    bool told;
};

static int skipped_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct skipped *s = arg;

    if (store_attempt_put(t, &s->a, e))
        return -1;
    return s->told ? 0
                   : store_event_add(t, s->a.last_ms, s->a.job_id, s->a.machine, "candidate.skipped", s->a.message, e);
}

void verdict_skipped(struct engine *g, const struct machine *m, const struct machine_spec *s, const char *words)
{
    struct skipped k = {attempt_of(m, s), m->round > 0};
    struct err e;

    k.a.kind = "skipped";
    k.a.message = words;
    k.a.last_ms = clock_now_ms();
    if (m->job_id != 0 && store_write(g->c.store, skipped_tx, &k, &e))
        log_warn(EV("attempt.unsaid"), FS("machine", m->name), FE(&e));
}

int verdict_lost(struct store_tx *t, const struct machine *m, int64_t now_ms, struct err *e)
{
    AUTO_PLAN struct plan plan = {0};
    struct store_attempt a;
    struct err ignored;

    if (m->job_id == 0 || m->taken_job_id != 0 || plan_parse(m->plan_json, &plan, &ignored) || m->candidate < 0 ||
        (size_t)m->candidate >= plan.n)
        return 0;
    a = attempt_of(m, &plan.specs[m->candidate]);
    a.kind = "boot";
    a.message = m->reason != NULL ? m->reason : "it ended before it took a job";
    a.last_ms = now_ms;
    return store_attempt_put(t, &a, e);
}
