#include "providers/common/pace.h"

#include "server/base/clock.h"

#include <stddef.h>

void pace_init(struct pace *p, int64_t interval_ms)
{
    (void)pthread_mutex_init(&p->lock, NULL);
    p->queue = 0;
    p->interval_ms = interval_ms;
    p->last_mono_ms = 0;
    p->used = false;
}

void pace_clear(struct pace *p)
{
    (void)pthread_mutex_destroy(&p->lock);
}

static int too_soon(int64_t wait_ms, struct err *e)
{
    int rc = err_set(e, ERR_THROTTLED, "too many calls at once");

    e->retry_after_s = (int)((wait_ms + 999) / 1000);
    return rc;
}

/* The first of the queue. */
static int wait_turn(struct pace *p, poll_pause_fn *pause, void *arg, struct err *e)
{
    int64_t wait_ms = p->used ? p->last_mono_ms + p->interval_ms - clock_mono_ms() : 0;

    if (wait_ms > 0 && pause == NULL)
        return too_soon(wait_ms, e);
    if (wait_ms > 0 && pause(arg, wait_ms))
        return err_set(e, ERR_RETRY, "not called before the daemon ended");
    p->last_mono_ms = clock_mono_ms();
    p->used = true;
    return 0;
}

int pace_turn(struct pace *p, poll_pause_fn *pause, void *arg, struct err *e)
{
    int ahead = p->queue++, rc;

    if (ahead * p->interval_ms > PACE_MAX_MS) {
        p->queue--;
        return too_soon(ahead * p->interval_ms, e);
    }
    (void)pthread_mutex_lock(&p->lock);
    rc = wait_turn(p, pause, arg, e);
    (void)pthread_mutex_unlock(&p->lock);
    p->queue--;
    return rc;
}
