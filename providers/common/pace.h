/*
 * Turns: calls that must not follow each other faster than an interval, such as an endpoint that refuses whoever comes
 * too soon and does not say when to come again. Callers queue; each waits its turn. Safe from any thread.
 *
 *     if (pace_turn(&p->turns, env->pause, env->pause_arg, e))
 *         return -1;
 *     ... call
 */
#ifndef MUSTER_PROVIDERS_COMMON_PACE_H
#define MUSTER_PROVIDERS_COMMON_PACE_H

#include "providers/common/poll.h"

#include <pthread.h>

#define PACE_MAX_MS 45000 /* nobody queues for longer */

struct pace {
    pthread_mutex_t lock; /* held while the first of the queue waits */
    _Atomic int queue;    /* who waits or is about to go */
    int64_t interval_ms, last_mono_ms;
    bool used;
};

void pace_init(struct pace *p, int64_t interval_ms);
void pace_clear(struct pace *p); /* nobody may be waiting */

/* Returns when it is the caller's turn. ERR_THROTTLED with the time to wait when the queue is too long or pause is
 * NULL; ERR_RETRY when the daemon is ending. */
int pace_turn(struct pace *p, poll_pause_fn *pause, void *arg, struct err *e) MUST_USE;

#endif
