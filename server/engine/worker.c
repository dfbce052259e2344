/*
 * One scheduler claims due tasks as workers become free; each worker runs one task to its end. Nothing else is shared
 * between them but the queue.
 */
#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/engine/engine_int.h"
#include "server/engine/leap.h"
#include "server/store/store_upkeep.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define QUEUE_MAX 256
#define WORKERS_DEFAULT 64
#define STACK_BYTES ((size_t)512 * 1024)
#define IDLE_WAIT_MS 60000
#define NOT_CLAIMED 0 /* id of what is done without the store: end_unrecorded */
#define UNRECORDED 8  /* at once, each second */
#define UNRECORDED_EVERY_MS (60 * 1000)

static const struct metric_desc tasks_run = {METRIC_COUNTER, "muster_tasks_total", "Tasks run by outcome", "outcome",
                                             NULL};

struct workers {
    struct engine *g;
    task_run_fn *run;
    pthread_mutex_t lock;
    pthread_cond_t work;     /* for workers: the queue has something, or stop */
    pthread_cond_t schedule; /* for the scheduler: a task became due, a worker became free, or stop */
    pthread_cond_t ended;    /* for drain: a worker became free */
    struct task queue[QUEUE_MAX];
    size_t head, queued;
    int n, running, busy; /* at most; threads there are; tasks queued or under way */
    int reserve;          /* of these, kept free for teardown: a cloud that hangs must not delay another's end */
    int reports;          /* of the busy ones, those that tell pull requests: few, whatever hangs */
    bool wake, freed, stop, started;
    /* the scheduler's */
    struct leap clock;
    char unrecorded[64];   /* the last machine that was ended while nothing can be written */
    int64_t unrecorded_ms; /* when all were, monotonic; 0 = under way */
    int64_t refused_ms;    /* when it was last said that nothing can be written, monotonic */
    pthread_t scheduler, *threads;
};

static void deadline_in(struct timespec *t, int64_t ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += (time_t)(ms / 1000);
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_sec++;
        t->tv_nsec -= 1000000000;
    }
}

int64_t workers_backoff_ms(int attempt, int64_t first_ms, int64_t max_ms)
{
    int64_t ms = first_ms;
    unsigned char random[2];

    for (int i = 1; i < attempt && ms < max_ms; i++)
        ms *= 2;
    if (ms > max_ms)
        ms = max_ms;
    crypto_random(random, sizeof(random));
    return ms + ms / 4 * (random[0] * 256 + random[1]) / 65536;
}

/* --- writing what must not be lost ---------------------------------------------------------------------------- */

static bool wait_or_stop(struct workers *w, int64_t ms)
{
    struct timespec until;
    bool stop;

    deadline_in(&until, ms);
    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop && pthread_cond_timedwait(&w->ended, &w->lock, &until) == 0)
        continue;
    stop = w->stop;
    (void)pthread_mutex_unlock(&w->lock);
    return stop;
}

int workers_write(struct engine *g, store_fn *fn, void *arg, struct err *e)
{
    bool told = false;

    while (store_write(g->c.store, fn, arg, e)) {
        if (e->kind != ERR_RETRY && e->kind != ERR_QUOTA)
            return -1;
        if (!told)
            log_error(EV("store.refused"), FE(e));
        told = true;
        if (wait_or_stop(g->workers, 1000))
            return -1;
    }
    return 0;
}

static bool is_report(const struct task *task)
{
    return task->kind == TASK_SLOW || task->kind == TASK_SAY;
}

/* How many more of those may begin. */
static int report_room(const struct workers *w)
{
    int most = w->n / 8 > 0 ? w->n / 8 : 1;

    return w->reports < most ? most - w->reports : 0;
}

/* --- workers ---------------------------------------------------------------------------------------------------- */

struct finish {
    const struct task *task;
    struct task_next next;
};

static int finish_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct finish *f = arg;

    return store_task_finish(t, f->task, f->next.due_ms, f->next.priority, f->next.retry, e);
}

/* A task that began by the old clock says by it when it is due again: set back meanwhile, that would be later by as
 * much, and nothing moves it any more. Too early does no harm: nobody asks whether it looked after the leap. */
static void move_next(struct task_next *next, int64_t leapt_ms)
{
    if (leapt_ms < 0 && next->due_ms > 0)
        next->due_ms = next->due_ms > -leapt_ms ? next->due_ms + leapt_ms : 1;
}

/* What fails makes way for what does not, but for ends: a machine that costs money for nothing waits behind no look,
 * and has the workers that are kept for it. */
static enum task_priority after_failure(const struct task *task)
{
    if (task->priority == TASK_TEARDOWN)
        return TASK_TEARDOWN;
    return is_report(task) ? TASK_REPORT : TASK_CHECK;
}

static void run_task(struct workers *w, const struct task *task)
{
    struct finish f = {task, TASK_NEXT_NONE};
    int64_t steady_ms = atomic_load(&w->g->steady_ms);
    struct err e;
    int rc;

    if (task->id == NOT_CLAIMED) {
        end_unrecorded(w->g, task->subject);
        return;
    }
    rc = w->run(w->g, task, &f.next, &e);
    if (rc != 0) {
        log_error(EV("task.failed"), FS("subject", task->subject), FI("attempts", task->attempts), FE(&e));
        f.next.due_ms = clock_now_ms() + workers_backoff_ms(task->attempts, 1000, 5 * 60 * 1000);
        f.next.priority = after_failure(task);
        f.next.retry = true;
    }
    metric_add(&tasks_run, rc == 0 ? "ok" : "failed", 1);
    move_next(&f.next, atomic_load(&w->g->steady_ms) - steady_ms);
    if (workers_write(w->g, finish_tx, &f, &e))
        log_error(EV("task.unfinished"), FS("subject", task->subject), FE(&e));
}

static void *worker_main(void *arg)
{
    struct workers *w = arg;

    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        struct task task;

        while (w->queued == 0 && !w->stop)
            (void)pthread_cond_wait(&w->work, &w->lock);
        if (w->queued == 0)
            break;
        task = w->queue[w->head];
        w->head = (w->head + 1) % QUEUE_MAX;
        w->queued--;
        (void)pthread_mutex_unlock(&w->lock);
        run_task(w, &task);
        (void)pthread_mutex_lock(&w->lock);
        w->busy--;
        w->reports -= is_report(&task) ? 1 : 0;
        w->freed = true;
        (void)pthread_cond_signal(&w->schedule);
        (void)pthread_cond_broadcast(&w->ended);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int spawn(struct workers *w, pthread_t *thread, void *(*fn)(void *arg))
{
    pthread_attr_t attr;
    int rc;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    rc = pthread_create(thread, &attr, fn, w);
    (void)pthread_attr_destroy(&attr);
    return rc;
}

/* With the lock held. A thread for each task as far as the limit goes; where the system has none left, those there are
 * do the work one after the other. */
static void add_threads(struct workers *w)
{
    while (!w->stop && w->running < w->n && w->running < w->busy && spawn(w, &w->threads[w->running], worker_main) == 0)
        w->running++;
}

/* --- scheduler -------------------------------------------------------------------------------------------------- */

struct claim {
    struct task tasks[QUEUE_MAX];
    size_t want, got;
    size_t reports;           /* of them, at most so many of the least urgent kind */
    enum task_priority least; /* when few workers are left, they are for teardown */
    int64_t next_due_ms;
    const struct leap *clock;
    bool leapt;
    const char *after; /* for end_meanwhile */
};

static int claim_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct claim *c = arg;
    int64_t now = c->clock->now_ms;
    enum task_priority least = c->least == TASK_REPORT ? TASK_CHECK : c->least;
    size_t left, more = 0;

    if (c->leapt && leap_tx(t, c->clock, e))
        return -1;
    if (store_task_claim(t, least, now, now + LEASE_MS, c->want, c->tasks, &c->got, e))
        return -1;
    left = c->want - c->got < c->reports ? c->want - c->got : c->reports;
    if (c->least != TASK_REPORT || left == 0)
        return 0;
    if (store_task_claim(t, TASK_REPORT, now, now + LEASE_MS, left, c->tasks + c->got, &more, e))
        return -1;
    c->got += more;
    return 0;
}

/* Deadlines are moved by the leap, and time that the system slept is over for them too. Backwards it shows before the
 * store is written: whoever finishes a task in between (move_next) must know. Forwards after it: whoever then ends
 * something by its deadline must see the one that was moved. */
static int claim(struct workers *w, struct claim *c, struct err *e)
{
    int64_t ms, early_ms;

    c->got = 0;
    c->clock = &w->clock;
    c->leapt = leap_look(&w->clock, LEASE_MS);
    ms = c->leapt ? w->clock.by_ms + w->clock.stood_ms : 0;
    early_ms = ms < 0 ? ms : 0;
    (void)atomic_fetch_add(&w->g->steady_ms, early_ms);
    if (store_write(w->g->c.store, claim_tx, c, e)) {
        (void)atomic_fetch_sub(&w->g->steady_ms, early_ms);
        return -1;
    }
    (void)atomic_fetch_add(&w->g->steady_ms, ms - early_ms);
    if (c->leapt)
        leap_done(&w->clock);
    return 0;
}

static int next_due_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct claim *c = arg;

    return store_task_next_due(t, c->least, &c->next_due_ms, e);
}

/* How long the scheduler may sleep; 0: something is due now. */
static int64_t until_due_ms(struct workers *w, struct claim *c)
{
    struct err e;
    int64_t now = clock_now_ms();

    c->next_due_ms = -1;
    if (store_read(w->g->c.store, next_due_tx, c, &e)) {
        log_error(EV("store.refused"), FE(&e));
        return 1000;
    }
    if (c->next_due_ms < 0 || c->next_due_ms > now + IDLE_WAIT_MS)
        return IDLE_WAIT_MS;
    return c->next_due_ms > now ? c->next_due_ms - now : 0;
}

/* With the lock held. */
static void hand_out(struct workers *w, const struct claim *c)
{
    for (size_t i = 0; i < c->got; i++) {
        w->queue[(w->head + w->queued++) % QUEUE_MAX] = c->tasks[i];
        w->reports += is_report(&c->tasks[i]) ? 1 : 0;
    }
    w->busy += (int)c->got;
    add_threads(w);
    if (c->got > 0)
        (void)pthread_cond_broadcast(&w->work);
}

static int see_unended(void *arg, const struct machine *m, struct err *e)
{
    struct claim *c = arg;
    struct task *task = &c->tasks[c->got];

    (void)e;
    *task = (struct task){.id = NOT_CLAIMED, .kind = TASK_MACHINE};
    (void)snprintf(task->subject, sizeof(task->subject), "%s", m->name);
    c->got++;
    return 0;
}

static int unended_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct claim *c = arg;

    c->got = 0;
    return store_machines_unended(t, c->after, (int64_t)c->want, see_unended, c, e);
}

/* No task can be claimed, for that is a write: the disk is full, or the database gone. Machines that are to end cost
 * money all the same, and that they are to end is stored; so their clouds are told, one after the other, once a minute
 * as long as this lasts. What came of it is found out when their tasks can be claimed again. */
static void end_meanwhile(struct workers *w, struct claim *c)
{
    int64_t now = clock_mono_ms();
    struct err ignored;

    c->want = c->want < UNRECORDED ? c->want : UNRECORDED;
    c->after = w->unrecorded;
    c->got = 0;
    if (c->want == 0 || (w->unrecorded_ms != 0 && now - w->unrecorded_ms < UNRECORDED_EVERY_MS) ||
        store_read(w->g->c.store, unended_tx, c, &ignored))
        c->got = 0;
    else if (c->got > 0)
        (void)snprintf(w->unrecorded, sizeof(w->unrecorded), "%s", c->tasks[c->got - 1].subject);
    else
        w->unrecorded[0] = '\0';
    w->unrecorded_ms = c->got > 0                                                              ? 0
                       : w->unrecorded_ms != 0 && now - w->unrecorded_ms < UNRECORDED_EVERY_MS ? w->unrecorded_ms
                                                                                               : now;
}

static void refused(struct workers *w, const struct err *e)
{
    int64_t now = clock_mono_ms();

    if (w->refused_ms == 0 || now - w->refused_ms >= UNRECORDED_EVERY_MS) {
        log_error(EV("store.refused"), FE(e));
        w->refused_ms = now;
    }
}

static void claim_some(struct workers *w, struct claim *c, size_t idle)
{
    struct err e;
    bool claimed;

    c->want = idle;
    claimed = claim(w, c, &e) == 0;
    if (claimed) {
        w->refused_ms = w->unrecorded_ms = 0;
    } else {
        refused(w, &e);
        end_meanwhile(w, c);
    }
    (void)pthread_mutex_lock(&w->lock);
    if (w->stop)
        c->got = 0; /* claimed while the drain began: not begun, and their leases are void at the next start */
    hand_out(w, c);
    (void)pthread_mutex_unlock(&w->lock);
    if (!claimed)
        (void)wait_or_stop(w, 1000);
}

/* With the lock held. What may begin now; what may not is not waited for either. */
static enum task_priority least_now(const struct workers *w)
{
    if (w->n - w->busy <= w->reserve)
        return TASK_TEARDOWN;
    return report_room(w) > 0 ? TASK_REPORT : TASK_CHECK;
}

static void count_idle(const struct workers *w, struct claim *c, size_t *idle)
{
    int left = w->n - w->busy;

    c->least = least_now(w);
    c->reports = (size_t)report_room(w);
    *idle = (size_t)(left > w->reserve ? left - w->reserve : left > 0 ? left : 0);
}

/* Wait until a worker is idle and something may be due. False: stop. */
static bool wait_for_turn(struct workers *w, struct claim *c, size_t *idle)
{
    bool go;

    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop && w->busy >= w->n)
        (void)pthread_cond_wait(&w->schedule, &w->lock);
    c->least = least_now(w);
    if (!w->stop && !w->wake) {
        struct timespec until;
        int64_t wait_ms;

        (void)pthread_mutex_unlock(&w->lock);
        wait_ms = until_due_ms(w, c);
        (void)pthread_mutex_lock(&w->lock);
        deadline_in(&until, wait_ms);
        while (!w->stop && !w->wake && !(w->freed && c->least != TASK_REPORT) && wait_ms > 0 &&
               pthread_cond_timedwait(&w->schedule, &w->lock, &until) == 0)
            continue;
    }
    w->wake = w->freed = false;
    count_idle(w, c, idle);
    go = !w->stop;
    (void)pthread_mutex_unlock(&w->lock);
    return go;
}

static void *scheduler_main(void *arg)
{
    struct workers *w = arg;
    struct claim *c = mem_zalloc(sizeof(*c));
    size_t idle;

    while (wait_for_turn(w, c, &idle)) {
        if (idle > 0)
            claim_some(w, c, idle);
    }
    free(c);
    return NULL;
}

/* --- without threads -------------------------------------------------------------------------------------------- */

bool workers_step(struct workers *w)
{
    struct claim *c = mem_zalloc(sizeof(*c));
    struct err e;
    bool got;

    c->want = 1;
    c->least = TASK_REPORT;
    c->reports = 1;
    got = claim(w, c, &e) == 0 && c->got > 0;
    if (got)
        run_task(w, &c->tasks[0]);
    free(c);
    return got;
}

int64_t workers_due_ms(struct workers *w)
{
    struct claim *c = mem_zalloc(sizeof(*c));
    struct err e;
    int64_t due;

    c->least = TASK_REPORT;
    due = store_read(w->g->c.store, next_due_tx, c, &e) == 0 ? c->next_due_ms : -1;
    free(c);
    return due;
}

/* On the committer's thread. */
static void task_due(void *arg)
{
    struct workers *w = arg;

    (void)pthread_mutex_lock(&w->lock);
    w->wake = true;
    (void)pthread_cond_signal(&w->schedule);
    (void)pthread_mutex_unlock(&w->lock);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct workers *workers_new(struct engine *g, task_run_fn *run)
{
    struct workers *w = mem_zalloc(sizeof(*w));
    pthread_condattr_t attr;

    w->g = g;
    w->run = run;
    leap_begin(&w->clock);
    w->n = g->c.workers > 0 && g->c.workers <= QUEUE_MAX ? g->c.workers : WORKERS_DEFAULT;
    w->reserve = w->n / 4;
    w->threads = mem_calloc((size_t)w->n, sizeof(*w->threads));
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->work, &attr);
    (void)pthread_cond_init(&w->schedule, &attr);
    (void)pthread_cond_init(&w->ended, &attr);
    (void)pthread_condattr_destroy(&attr);
    return w;
}

int workers_start(struct workers *w, struct err *e)
{
    int rc;

    store_on_task(w->g->c.store, task_due, w);
    rc = spawn(w, &w->threads[0], worker_main);
    if (rc != 0)
        return err_sys(e, ERR_INVALID, rc, "cannot start a worker thread");
    w->running = 1;
    rc = spawn(w, &w->scheduler, scheduler_main);
    if (rc == 0) {
        w->started = true;
        return 0;
    }
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    (void)pthread_cond_broadcast(&w->work);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->threads[0], NULL);
    return err_sys(e, ERR_INVALID, rc, "cannot start the scheduler's thread");
}

void workers_drain(struct workers *w, int64_t grace_ms)
{
    struct timespec until;

    if (!w->started)
        return;
    deadline_in(&until, grace_ms);
    (void)pthread_mutex_lock(&w->lock);
    w->stop = true;
    w->busy -= (int)w->queued; /* claimed but not begun: their leases are void at the next start */
    w->queued = 0;
    (void)pthread_cond_broadcast(&w->work);
    (void)pthread_cond_broadcast(&w->schedule);
    (void)pthread_cond_broadcast(&w->ended);
    while (w->busy > 0 && pthread_cond_timedwait(&w->ended, &w->lock, &until) == 0)
        continue;
    if (w->busy > 0)
        log_warn(EV("engine.waiting"), FI("count", w->busy));
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->scheduler, NULL);
    for (int i = 0; i < w->running; i++)
        (void)pthread_join(w->threads[i], NULL);
    store_on_task(w->g->c.store, NULL, NULL);
    w->started = false;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->work);
    (void)pthread_cond_destroy(&w->schedule);
    (void)pthread_cond_destroy(&w->ended);
    free(w->threads);
    free(w);
}
