/* What is known about a report: its jobs, what their candidates answered, the timeline of the one it tells about. */
#include "server/base/mem.h"
#include "server/engine/report.h"

#include <string.h>

void report_view_clear(struct report_view *v)
{
    store_report_clear(&v->r);
    job_clear(&v->lead_job);
    machine_clear(&v->machine);
    free(v->jobs);
    free(v->attempts);
    free(v->events);
    arena_free(v->arena);
    memset(v, 0, sizeof(*v));
}

static int take_job(void *arg, const struct store_report_job *j, struct err *e)
{
    struct report_view *v = arg;
    struct store_report_job *copy;

    (void)e;
    v->jobs = mem_realloc_array(v->jobs, v->n_jobs + 1, sizeof(*v->jobs));
    copy = &v->jobs[v->n_jobs++];
    *copy = *j;
    copy->name = arena_strdup(v->arena, j->name);
    copy->runner_name = arena_strdup(v->arena, j->runner_name);
    copy->reason = arena_strdup(v->arena, j->reason);
    return 0;
}

/* By candidate, the newest first: the first of each stands, the others only count. */
static int take_attempt(void *arg, const struct store_attempt *a, struct err *e)
{
    struct report_view *v = arg;
    struct report_attempt *last = v->n_attempts > 0 ? &v->attempts[v->n_attempts - 1] : NULL;

    (void)e;
    if (last != NULL && last->candidate == a->candidate) {
        last->times += a->times;
        return 0;
    }
    v->attempts = mem_realloc_array(v->attempts, v->n_attempts + 1, sizeof(*v->attempts));
    v->attempts[v->n_attempts++] = (struct report_attempt){.candidate = a->candidate,
                                                           .cloud = arena_strdup(v->arena, a->cloud),
                                                           .region = arena_strdup(v->arena, a->region),
                                                           .instance_type = arena_strdup(v->arena, a->instance_type),
                                                           .kind = arena_strdup(v->arena, a->kind),
                                                           .message = arena_strdup(v->arena, a->message),
                                                           .spot = a->spot,
                                                           .last_ms = a->last_ms,
                                                           .times = a->times};
    return 0;
}

static int take_event(void *arg, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                      const char *detail, struct err *e)
{
    struct report_view *v = arg;

    (void)job_id;
    (void)machine;
    (void)e;
    if (v->n_events == REPORT_EVENTS_SHOWN) {
        memmove(v->events, v->events + 1, (v->n_events - 1) * sizeof(*v->events));
        v->n_events--;
    }
    v->events = mem_realloc_array(v->events, v->n_events + 1, sizeof(*v->events));
    v->events[v->n_events++] = (struct report_event){at_ms, arena_strdup(v->arena, kind),
                                                     arena_strdup(v->arena, detail != NULL ? detail : "")};
    return 0;
}

/* --- what it comes to --------------------------------------------------------------------------------------------- */

static bool has_run(const struct store_report_job *j)
{
    return j->state == JOB_RUNNING || (j->state == JOB_DONE && j->runner_name[0] != '\0');
}

static bool waits(const struct store_report_job *j)
{
    return j->state <= JOB_QUEUED && (j->want == WANT_UNDECIDED || j->want == WANT_MACHINE);
}

/* Refused, and GitHub's end of it changes nothing: unless a later job of its kind (a re-run) went better. */
static bool fails(const struct store_report_job *j, int64_t better_id)
{
    return j->want == WANT_REFUSED && !has_run(j) && (j->state != JOB_DONE || j->id > better_id);
}

/* Its machine was ended under it, for its time was over; a later job of its kind may have gone better here too. */
static bool was_cut(const struct store_report_job *j, int64_t better_id)
{
    return j->cause.cause == CAUSE_ENDED && (j->state != JOB_DONE || j->id >= better_id);
}

static enum report_phase phase_of(const struct store_report_job *j, int64_t better_id)
{
    if (fails(j, better_id) || was_cut(j, better_id))
        return REPORT_FAILING;
    if (waits(j))
        return REPORT_WAITING;
    if (j->state == JOB_RUNNING && j->cause.cause == CAUSE_OVERTIME)
        return REPORT_OVERTIME;
    return has_run(j) ? REPORT_STARTED : REPORT_ENDED;
}

static void count(struct report_view *v)
{
    int64_t better_id = 0;

    for (size_t i = 0; i < v->n_jobs; i++) {
        if (has_run(&v->jobs[i]) || waits(&v->jobs[i]))
            better_id = v->jobs[i].id;
    }
    for (size_t i = 0; i < v->n_jobs; i++) {
        const struct store_report_job *j = &v->jobs[i];
        enum report_phase p = phase_of(j, better_id);

        v->failing += p == REPORT_FAILING ? 1 : 0;
        v->waiting += p == REPORT_WAITING ? 1 : 0;
        v->started += p == REPORT_STARTED ? 1 : 0;
        if (v->lead == NULL || p < v->phase) {
            v->lead = j;
            v->phase = p;
        }
    }
}

/* The oldest first: the last one stays, but one that GitHub was to run again and did not is not hidden by one that it
 * did. */
static int take_interruption(void *arg, const struct store_interruption *i, struct err *e)
{
    struct report_view *v = arg;

    (void)e;
    if (v->interruption.job_id != 0 && v->interruption.state != RERUN_DONE && i->state == RERUN_DONE)
        return 0;
    v->interruption = *i;
    v->interruption.repo = arena_strdup(v->arena, i->repo);
    v->interruption.name = arena_strdup(v->arena, i->name);
    v->interruption.machine = arena_strdup(v->arena, i->machine);
    v->interruption.cloud = arena_strdup(v->arena, i->cloud);
    return 0;
}

/* It is told about where nothing more urgent is. */
static void lead_by_interruption(struct report_view *v)
{
    if (v->interruption.job_id == 0 || v->phase <= REPORT_INTERRUPTED)
        return;
    v->phase = REPORT_INTERRUPTED;
    for (size_t i = 0; i < v->n_jobs; i++) {
        if (v->jobs[i].id == v->interruption.job_id)
            v->lead = &v->jobs[i];
    }
}

int report_read_tx(struct store_tx *t, void *reading, struct err *e)
{
    struct report_reading *r = reading;
    struct report_view *v = r->v;
    bool found;

    report_view_clear(v);
    v->arena = arena_new();
    r->found = false;
    if (store_report_get(t, r->id, &v->r, &found, e) || (found && store_report_jobs(t, r->id, take_job, v, e)))
        return -1;
    if (!found || v->n_jobs == 0)
        return 0;
    count(v);
    if (store_interruptions_of_report(t, r->id, take_interruption, v, e))
        return -1;
    lead_by_interruption(v);
    if (store_attempts_of_report(t, r->id, take_attempt, v, e) ||
        store_events_of_job(t, v->lead->id, take_event, v, e) ||
        store_job_get(t, v->lead->id, &v->lead_job, &found, e) ||
        store_machine_of_job(t, v->lead->id, &v->machine, &found, e))
        return -1;
    r->found = true;
    return 0;
}
