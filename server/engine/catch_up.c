/*
 * The App's delivery log. GitHub never repeats a delivery by itself: what found nobody, or found us failing, is asked
 * for again here.
 *
 * One reading goes from the newest delivery down to where the last complete one began (with some overlap: deliveries
 * show up late), at most three days; it goes on where it was after a failure or a crash, and only a complete one moves
 * the mark. A delivery is missed when no attempt of its GUID was answered by 200-399 and our store does not know it.
 * What is missed stands in the store, with how often it was asked for, until it arrived, was answered, or is given up.
 */
#include "server/engine/catch_up.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/github/deliveries.h"
#include "server/store/store_idle.h"

#include <stdio.h>
#include <string.h>

#define BACK_MS (3 * 24 * 3600 * INT64_C(1000)) /* GitHub redelivers for three days */
#define OVERLAP_MS (10 * 60 * 1000)
#define PAGES_PER_ROUND 30
#define PAGES_MAX 1000
#define ASKS_PER_ROUND 15 /* every 15 s: 60 a minute, below GitHub's secondary limit for creations */
#define ASK_TRIES 8
#define ASK_FIRST_MS (10 * 60 * 1000) /* so long a redelivery may take before it is asked for anew */
#define ASK_UNSURE_MS (60 * 1000)     /* or this, when we may have died before GitHub heard of it */
#define ASK_MOST_MS (6 * 3600 * 1000)
#define THROTTLED_MS (15 * 60 * 1000) /* GitHub held it back: it may come by itself */
#define STALLED_TRIES 4 /* failures in a row after which what was found so far is asked for all the same */

static const struct metric_desc redeliveries = {METRIC_COUNTER, "muster_redeliveries_total",
                                                "Missed deliveries: asked for again, arrived, refused, given up",
                                                "outcome", NULL};
static const struct metric_desc readings = {METRIC_COUNTER, "muster_delivery_log_total",
                                            "Readings of GitHub's delivery log by outcome", "outcome", NULL};
static const struct metric_desc missed_found = {METRIC_COUNTER, "muster_missed_deliveries_total",
                                                "Deliveries found in GitHub's log that nobody answered", NULL, NULL};

struct round {
    struct engine *g;
    const struct task *task;
    struct store_log log; /* as it is in the store */
    int64_t github_ms;    /* GitHub's clock */
    bool complete;        /* a reading ended in this round */
};

/* --- one page into the store -------------------------------------------------------------------------------------- */

struct page_step {
    struct round *r;
    const struct github_deliveries *page;
    struct store_log log; /* out */
    int64_t added;
    bool last, endless; /* no further page is wanted; it repeats itself */
};

/* A push matters where a warm runner's file is. */
static int is_wanted(struct store_tx *t, const struct github_delivery *d, bool *wanted, struct err *e)
{
    static const char *const events[] = {"workflow_job", "installation", "installation_repositories"};
    AUTO_IDLE_SOURCE struct idle_source source = {0};
    char id[IDLE_SOURCE_MAX];

    *wanted = false;
    for (size_t i = 0; i < ARRAY_LEN(events) && !*wanted; i++)
        *wanted = strcmp(d->event, events[i]) == 0;
    if (strcmp(d->event, "check_run") == 0 || strcmp(d->event, "check_suite") == 0)
        *wanted = strcmp(d->action, "rerequested") == 0 || strcmp(d->action, "requested_action") == 0;
    if (strcmp(d->event, "push") != 0)
        return 0;
    (void)snprintf(id, sizeof(id), "r%lld", (long long)d->repo_id);
    return store_idle_source_get(t, id, &source, wanted, e);
}

static int note_missed(struct store_tx *t, struct page_step *s, const struct github_delivery *d, struct err *e)
{
    struct store_missed m = {.delivery_id = d->id, .delivered_ms = d->delivered_ms, .due_ms = clock_now_ms()};
    bool added;

    (void)snprintf(m.guid, sizeof(m.guid), "%s", d->guid);
    (void)snprintf(m.event, sizeof(m.event), "%s", d->event);
    (void)snprintf(m.action, sizeof(m.action), "%s", d->action);
    if (d->throttled && s->page->now_ms - d->delivered_ms < THROTTLED_MS)
        m.due_ms += THROTTLED_MS;
    if (store_missed_note(t, &m, &added, e))
        return -1;
    s->added += added ? 1 : 0;
    return 0;
}

static int note_delivery(struct store_tx *t, struct page_step *s, const struct github_delivery *d, struct err *e)
{
    bool wanted, known, answered = github_delivery_answered(d), job = strcmp(d->event, "workflow_job") == 0;

    if (is_wanted(t, d, &wanted, e))
        return -1;
    if (!wanted || s->page->now_ms - d->delivered_ms > BACK_MS)
        return 0;
    if (store_delivery_known(t, d->guid, &known, e))
        return -1;
    s->log.ours += job && known ? 1 : 0;
    s->log.alien += job && answered && !known ? 1 : 0;
    if (known)
        return 0;
    return answered ? store_missed_answered(t, d->guid, d->redelivery, e) : note_missed(t, s, d, e);
}

#define ELSEWHERE "elsewhere" /* what stands as the log's problem while others answer, and when it has no end */
#define ENDLESS "endless"
#define EXPIRED "expired" /* its page was gone: readings began anew */

/* The reading is over: from now on it is enough to read down to where it began. */
static int complete(struct store_tx *t, struct page_step *s, struct err *e)
{
    (void)snprintf(s->log.problem, sizeof(s->log.problem), "%s",
                   s->endless                             ? ENDLESS
                   : s->log.alien > 0 && s->log.ours == 0 ? ELSEWHERE
                                                          : "");
    s->log.mark_ms = s->log.top_ms > s->log.mark_ms ? s->log.top_ms : s->log.mark_ms;
    if (s->log.mark_ms > s->page->now_ms) /* a time to come, of a clock that was wrong */
        s->log.mark_ms = s->page->now_ms;
    s->log.cursor[0] = '\0';
    s->log.top_ms = s->log.lowest_id = s->log.pages = 0;
    return store_missed_read(t, e);
}

static int page_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct page_step *s = arg;

    s->log = s->r->log;
    s->added = 0;
    if (store_task_renew(t, s->r->task, clock_now_ms() + LEASE_MS, e))
        return -1;
    if (s->log.cursor[0] == '\0') /* the first page of a new reading */
        s->log.top_ms = s->log.lowest_id = s->log.pages = s->log.ours = s->log.alien = 0;
    s->log.pages++;
    for (size_t i = 0; i < s->page->n; i++) {
        const struct github_delivery *d = &s->page->items[i];

        if (s->log.pages == 1 && d->delivered_ms > s->log.top_ms)
            s->log.top_ms = d->delivered_ms < s->page->now_ms ? d->delivered_ms : s->page->now_ms;
        if (s->log.lowest_id == 0 || d->id < s->log.lowest_id)
            s->log.lowest_id = d->id;
        if (note_delivery(t, s, d, e))
            return -1;
    }
    (void)snprintf(s->log.cursor, sizeof(s->log.cursor), "%s", s->page->cursor);
    if (s->last && complete(t, s, e))
        return -1;
    return store_log_put(t, &s->log, e);
}

/* Is this page the last one that is wanted? */
static void judge_page(struct page_step *s)
{
    const struct store_log *l = &s->r->log;
    const struct github_deliveries *p = s->page;
    int64_t floor_ms = p->now_ms - BACK_MS, lowest = INT64_MAX, oldest = INT64_MAX;
    int64_t mark_ms = l->mark_ms < p->now_ms ? l->mark_ms : p->now_ms;
    bool first = l->cursor[0] == '\0';

    if (mark_ms - OVERLAP_MS > floor_ms)
        floor_ms = mark_ms - OVERLAP_MS;
    for (size_t i = 0; i < p->n; i++) {
        lowest = p->items[i].id < lowest ? p->items[i].id : lowest;
        oldest = p->items[i].delivered_ms < oldest ? p->items[i].delivered_ms : oldest;
    }
    s->endless = p->cursor[0] != '\0' && ((!first && l->lowest_id > 0 && (p->n == 0 || lowest >= l->lowest_id)) ||
                                          (!first && l->pages + 1 >= PAGES_MAX));
    s->last = p->n == 0 || p->cursor[0] == '\0' || oldest < floor_ms || s->endless;
}

/* Answered, but not by us: said when it was otherwise before. */
static void tell_elsewhere(const struct store_log *before, const struct store_log *l)
{
    if (strcmp(l->problem, ELSEWHERE) != 0)
        return;
    metric_add(&readings, ELSEWHERE, 1);
    if (strcmp(before->problem, ELSEWHERE) == 0)
        return;
    log_warn(EV("hook.elsewhere"), FI("count", l->alien),
             FS("error", "GitHub's deliveries of jobs are answered, but none of them is in this store: does the App's "
                         "webhook URL point elsewhere, or is the store a new one?"));
}

static bool is_unreadable(const struct store_log *l)
{
    return l->problem[0] != '\0' && strcmp(l->problem, ELSEWHERE) != 0 && strcmp(l->problem, EXPIRED) != 0;
}

static int store_page(struct round *r, const struct github_deliveries *page, struct err *e)
{
    struct page_step s = {.r = r, .page = page};

    judge_page(&s);
    if (workers_write(r->g, page_tx, &s, e))
        return -1;
    if (is_unreadable(&r->log) && s.last && !s.endless)
        log_info(EV("deliveries.readable"));
    if (s.endless) {
        metric_add(&readings, "endless", 1);
        log_warn(EV("deliveries.endless"), FI("count", r->log.pages + 1),
                 FS("error", "GitHub's delivery log does not end or repeats itself: what lies deeper is not read; jobs "
                             "are found by looking at their repositories"));
    }
    if (s.added > 0) {
        metric_add(&missed_found, NULL, (double)s.added);
        log_warn(EV("deliveries.missed"), FI("count", s.added));
    }
    if (s.last) {
        metric_add(&readings, "ok", 1);
        tell_elsewhere(&r->log, &s.log);
    }
    r->log = s.log;
    r->complete = s.last;
    r->github_ms = page->now_ms;
    return 0;
}

/* --- a reading that fails ----------------------------------------------------------------------------------------- */

struct unread {
    const struct store_log *log;
    bool tell_expired;
};

static int put_log_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct unread *u = arg;

    if (u->tell_expired &&
        store_event_add(
            t, clock_now_ms(), 0, NULL, "deliveries.expired",
            "GitHub does not know the place any more at which the reading of its delivery log was to go on: "
            "it begins anew; where that comes again, lost events are found by looking at repositories",
            e))
        return -1;
    return store_log_put(t, u->log, e);
}

/* Said when it was otherwise. */
static void tell_unreadable(const char *problem, bool told, const struct err *cause)
{
    bool expired = strcmp(problem, EXPIRED) == 0;

    metric_add(&readings, expired ? EXPIRED : "unreadable", 1);
    if (told)
        return;
    if (expired)
        log_warn(EV("deliveries.expired"), FE(cause), FS("reason", "the reading of GitHub's log begins anew"));
    else
        log_warn(EV("deliveries.unreadable"), FE(cause),
                 FS("reason", "events that are lost are found by looking at repositories instead"));
}

/* It cannot be read at all, or its page is gone: the reading begins anew another time. */
static int unreadable(struct round *r, const struct err *cause, struct err *e)
{
    bool expired = r->log.cursor[0] != '\0' && (cause->kind == ERR_INVALID || cause->kind == ERR_GONE);
    const char *problem = expired ? EXPIRED : err_kind_name(cause->kind);
    bool told = strcmp(r->log.problem, problem) == 0;
    struct unread u = {&r->log, expired && !told};

    r->log.cursor[0] = '\0';
    (void)snprintf(r->log.problem, sizeof(r->log.problem), "%s", problem);
    tell_unreadable(problem, told, cause);
    return workers_write(r->g, put_log_tx, &u, e);
}

/* *passing: it failed, and may work in a while. Outcome of the round's reading otherwise in r. */
static int read_log(struct round *r, bool *passing, struct err *cause, struct err *e)
{
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    *passing = false;
    for (int i = 0; i < PAGES_PER_ROUND && !r->complete; i++) {
        if (github_deliveries_get(r->g->c.github, r->log.cursor, page, cause)) {
            *passing = err_is_passing(cause);
            if (*passing)
                metric_add(&readings, "failed", 1);
            return *passing ? 0 : unreadable(r, cause, e);
        }
        if (store_page(r, page, e))
            return -1;
    }
    return 0;
}

/* --- asking again ------------------------------------------------------------------------------------------------- */

enum ask { ASK_NOW, ASK_ARRIVED, ASK_GIVEN_UP, ASK_FORGET };

struct asking {
    struct round *r;
    struct store_missed *m;
    bool refused;  /* GitHub will not send it */
    enum ask what; /* out */
};

static int give_up(struct store_tx *t, struct asking *a, int64_t now_ms, struct err *e)
{
    char detail[300];

    (void)snprintf(detail, sizeof(detail),
                   "delivery %.64s (%.32s %.40s) was missed and could not be had again; look at the App's \"Advanced\" "
                   "page whether its webhook URL is reached",
                   a->m->guid, a->m->event, a->m->action);
    a->what = ASK_GIVEN_UP;
    /* its failed attempts stand in the log for a while: the record says that it is settled */
    return store_missed_put(t, a->m->guid, ASK_TRIES, now_ms + BACK_MS, e) ||
                   store_event_add(t, now_ms, 0, NULL, "delivery.given_up", detail, e)
               ? -1
               : 0;
}

/* What is to be done about it; on record before it is done. */
static int ask_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct asking *a = arg;
    int64_t now_ms = clock_now_ms();
    bool known, old = a->r->github_ms - a->m->delivered_ms > BACK_MS;

    if (store_task_renew(t, a->r->task, now_ms + LEASE_MS, e) || store_delivery_known(t, a->m->guid, &known, e))
        return -1;
    if (known || (old && a->m->tries >= ASK_TRIES)) {
        a->what = known ? ASK_ARRIVED : ASK_FORGET;
        return store_missed_drop(t, a->m->guid, e);
    }
    if (old || a->refused || a->m->tries >= ASK_TRIES)
        return give_up(t, a, now_ms, e);
    a->what = ASK_NOW;
    return store_missed_put(t, a->m->guid, a->m->tries + 1, now_ms + ASK_UNSURE_MS, e);
}

/* GitHub will send it. */
static int asked_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct asking *a = arg;
    int64_t tries = a->m->tries + 1;

    return store_missed_put(t, a->m->guid, tries,
                            clock_now_ms() + workers_backoff_ms((int)tries, ASK_FIRST_MS, ASK_MOST_MS), e);
}

/* GitHub could not be asked: as if it had not been tried. */
static int unask_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct asking *a = arg;

    return store_missed_put(t, a->m->guid, a->m->tries, a->m->due_ms, e);
}

static int settle(struct asking *a, struct err *e)
{
    if (workers_write(a->r->g, ask_tx, a, e))
        return -1;
    if (a->what == ASK_ARRIVED) {
        metric_add(&redeliveries, "arrived", 1);
    } else if (a->what == ASK_GIVEN_UP) {
        metric_add(&redeliveries, "given_up", 1);
        log_warn(EV("delivery.given_up"), FS("delivery", a->m->guid), FS("what", a->m->event),
                 FS("action", a->m->action), FI("attempts", a->m->tries));
    }
    return 0;
}

/* *stop: GitHub cannot be asked for any now, as *cause says. */
static int ask_one(struct round *r, struct store_missed *m, bool *stop, struct err *cause, struct err *e)
{
    struct asking a = {.r = r, .m = m};

    if (settle(&a, e))
        return -1;
    if (a.what != ASK_NOW)
        return 0;
    if (github_redeliver(r->g->c.github, m->delivery_id, cause) == 0) {
        metric_add(&redeliveries, "asked", 1);
        log_info(EV("delivery.asked_again"), FS("delivery", m->guid), FS("what", m->event), FS("action", m->action),
                 FI("attempts", m->tries + 1));
        return workers_write(r->g, asked_tx, &a, e);
    }
    if (err_is_passing(cause) || cause->kind == ERR_AUTH) {
        *stop = true;
        metric_add(&redeliveries, "failed", 1);
        return workers_write(r->g, unask_tx, &a, e);
    }
    metric_add(&redeliveries, "refused", 1);
    log_warn(EV("delivery.refused"), FS("delivery", m->guid), FE(cause));
    a.refused = true;
    return settle(&a, e);
}

struct due_list {
    struct store_missed items[ASKS_PER_ROUND];
    size_t n;
    int64_t next_ms;
};

static int due_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct due_list *l = arg;

    return store_missed_due(t, clock_now_ms(), l->items, ASKS_PER_ROUND, &l->n, e) ||
                   store_missed_next(t, &l->next_ms, e)
               ? -1
               : 0;
}

static int ask_again(struct round *r, int64_t *next_ms, bool *stop, struct err *cause, struct err *e)
{
    AUTO_FREE struct due_list *l = mem_zalloc(sizeof(*l));

    *stop = false;
    if (store_read(r->g->c.store, due_tx, l, e))
        return -1;
    for (size_t i = 0; i < l->n && !*stop; i++) {
        if (ask_one(r, &l->items[i], stop, cause, e))
            return -1;
    }
    if (store_read(r->g->c.store, due_tx, l, e))
        return -1;
    *next_ms = l->next_ms;
    return 0;
}

/* --- the round ---------------------------------------------------------------------------------------------------- */

static int get_log_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_log_get(t, arg, e);
}

/* GitHub cannot be asked now. */
static void later(const struct task *task, const struct err *cause, struct task_next *next)
{
    int64_t wait_ms = cause->retry_after_s > 0 ? cause->retry_after_s * INT64_C(1000)
                                               : workers_backoff_ms(task->attempts, 15 * 1000, CATCH_UP_EVERY_MS);

    next->due_ms = clock_now_ms() + wait_ms;
    next->retry = true;
}

int catch_up_deliveries(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    struct round r = {.g = g, .task = task, .github_ms = clock_now_ms()};
    bool passing, stop = false;
    int64_t due_ms = -1, now_ms;
    struct err cause = {.kind = ERR_NONE};

    *next = (struct task_next){0, TASK_DECIDE, false};
    if (store_read(g->c.store, get_log_tx, &r.log, e) || read_log(&r, &passing, &cause, e))
        return -1;
    if ((r.complete || task->attempts >= STALLED_TRIES) && ask_again(&r, &due_ms, &stop, &cause, e))
        return -1;
    if (passing || (stop && err_is_passing(&cause))) {
        log_warn(EV("deliveries.unread"), FE(&cause));
        later(task, &cause, next);
        return 0;
    }
    if (stop)
        log_warn(EV("deliveries.unasked"), FE(&cause));
    now_ms = clock_now_ms();
    next->due_ms = now_ms + (is_unreadable(&r.log) ? REACH_AGAIN_MS : CATCH_UP_EVERY_MS);
    if (r.log.cursor[0] != '\0' || (due_ms >= 0 && due_ms < now_ms + CATCH_UP_SOON_MS && !stop))
        next->due_ms = now_ms + CATCH_UP_SOON_MS;
    else if (due_ms >= 0 && due_ms < next->due_ms && !stop)
        next->due_ms = due_ms;
    return 0;
}

int catch_up(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    if (strcmp(task->subject, CATCH_UP_DELIVERIES) == 0)
        return catch_up_deliveries(g, task, next, e);
    if (strcmp(task->subject, CATCH_UP_JOBS) == 0)
        return catch_up_jobs(g, task, next, e);
    return catch_up_reach(g, task, next, e);
}
