/* What a test looks at in the cloud in memory, and waits for. */
#include "tests/support/memcloud_int.h"

#include <string.h>
#include <time.h>

size_t memcloud_calls(struct memcloud *f, struct memcloud_call out[MEMCLOUD_MAX])
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_calls;
    memcpy(out, f->calls, n * sizeof(*out));
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

static size_t count_live(const struct memcloud *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n_boxes; i++)
        n += f->boxes[i].live ? 1 : 0;
    return n;
}

size_t memcloud_live(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = count_live(f);
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

size_t memcloud_made(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_boxes;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

size_t memcloud_destroys(struct memcloud *f)
{
    size_t n;

    (void)pthread_mutex_lock(&f->lock);
    n = f->n_destroys;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

static size_t count_calls(const struct memcloud *f)
{
    return f->n_calls;
}

static bool wait_for(struct memcloud *f, size_t (*count)(const struct memcloud *), size_t n, bool exact, int timeout_ms)
{
    struct timespec until;
    bool reached;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    (void)pthread_mutex_lock(&f->lock);
    while (!(reached = exact ? count(f) == n : count(f) >= n)) {
        if (pthread_cond_timedwait(&f->changed, &f->lock, &until) != 0)
            break;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return reached;
}

bool memcloud_wait_calls(struct memcloud *f, size_t n, int timeout_ms)
{
    return wait_for(f, count_calls, n, false, timeout_ms);
}

bool memcloud_wait_live(struct memcloud *f, size_t n, int timeout_ms)
{
    return wait_for(f, count_live, n, true, timeout_ms);
}
