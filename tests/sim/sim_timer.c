#include "tests/sim/sim_timer.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct entry {
    int64_t due_ms, seq;
    sim_timer_fn *fn;
    void *arg;
    int64_t n;
};

struct sim_timer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct entry *heap;
    size_t n, cap;
    int64_t seq;
    bool stop, joined, manual;
};

int64_t sim_mono_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->seq < b->seq;
}

static void swap(struct entry *a, struct entry *b)
{
    struct entry c = *a;

    *a = *b;
    *b = c;
}

static void push(struct sim_timer *t, const struct entry *e)
{
    size_t i = t->n++;

    if (t->n > t->cap) {
        t->cap = t->cap != 0 ? t->cap * 2 : 64;
        t->heap = mem_realloc_array(t->heap, t->cap, sizeof(*t->heap));
    }
    t->heap[i] = *e;
    for (; i > 0 && before(&t->heap[i], &t->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&t->heap[i], &t->heap[(i - 1) / 2]);
}

static struct entry pop(struct sim_timer *t)
{
    struct entry top = t->heap[0];
    size_t i = 0;

    t->heap[0] = t->heap[--t->n];
    for (;;) {
        size_t least = i;

        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < t->n; c++)
            if (before(&t->heap[c], &t->heap[least]))
                least = c;
        if (least == i)
            return top;
        swap(&t->heap[i], &t->heap[least]);
        i = least;
    }
}

static void wait_for_work(struct sim_timer *t)
{
    struct timespec at;

    if (t->n == 0) {
        (void)pthread_cond_wait(&t->changed, &t->lock);
        return;
    }
    at.tv_sec = (time_t)(t->heap[0].due_ms / 1000);
    at.tv_nsec = (long)(t->heap[0].due_ms % 1000) * 1000000;
    (void)pthread_cond_timedwait(&t->changed, &t->lock, &at);
}

static void *run(void *arg)
{
    struct sim_timer *t = arg;

    (void)pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        struct entry e;

        if (t->n == 0 || t->heap[0].due_ms > sim_mono_ms()) {
            wait_for_work(t);
            continue;
        }
        e = pop(t);
        (void)pthread_mutex_unlock(&t->lock);
        e.fn(e.arg, e.n);
        (void)pthread_mutex_lock(&t->lock);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

static int64_t now_of(const struct sim_timer *t)
{
    return t->manual ? clock_mono_ms() : sim_mono_ms();
}

static struct sim_timer *timer_new(void)
{
    struct sim_timer *t = mem_zalloc(sizeof(*t));
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&t->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return t;
}

struct sim_timer *sim_timer_new(void)
{
    struct sim_timer *t = timer_new();

    if (pthread_create(&t->thread, NULL, run, t) != 0)
        abort();
    return t;
}

struct sim_timer *sim_timer_new_manual(void)
{
    struct sim_timer *t = timer_new();

    t->manual = t->joined = true;
    return t;
}

int64_t sim_timer_due_ms(const struct sim_timer *t)
{
    return t->n > 0 ? t->heap[0].due_ms : -1;
}

void sim_timer_run_due(struct sim_timer *t)
{
    while (t->n > 0 && !t->stop && t->heap[0].due_ms <= now_of(t)) {
        struct entry e = pop(t);

        e.fn(e.arg, e.n);
    }
}

void sim_timer_after(struct sim_timer *t, int64_t ms, sim_timer_fn *fn, void *arg, int64_t n)
{
    struct entry e = {.due_ms = now_of(t) + ms, .fn = fn, .arg = arg, .n = n};

    (void)pthread_mutex_lock(&t->lock);
    if (!t->stop) {
        e.seq = t->seq++;
        push(t, &e);
        (void)pthread_cond_signal(&t->changed);
    }
    (void)pthread_mutex_unlock(&t->lock);
}

void sim_timer_stop(struct sim_timer *t)
{
    (void)pthread_mutex_lock(&t->lock);
    t->stop = true;
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
    if (!t->joined)
        (void)pthread_join(t->thread, NULL);
    t->joined = true;
}

void sim_timer_free(struct sim_timer *t)
{
    if (t == NULL)
        return;
    sim_timer_stop(t);
    (void)pthread_cond_destroy(&t->changed);
    (void)pthread_mutex_destroy(&t->lock);
    free(t->heap);
    free(t);
}
