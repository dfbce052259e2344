/*
 * Waiting for what a cloud does in its own time (an operation, a machine that is being built): pauses that grow, obey
 * Retry-After, and end with a deadline or with the daemon.
 *
 *     struct poll w = poll_begin(p->env->pause, p->env->pause_arg, 60 * 1000);
 *     while (!done) {
 *         if (poll_pause(&w, httpc_retry_after_s(&res.http), e))
 *             return -1;
 *         ... ask once
 *     }
 */
#ifndef MUSTER_PROVIDERS_COMMON_POLL_H
#define MUSTER_PROVIDERS_COMMON_POLL_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Wait for so many milliseconds; true: do not wait any longer, the daemon is ending. Tests advance their clock. */
typedef bool poll_pause_fn(void *arg, int64_t ms);

struct poll {
    poll_pause_fn *pause; /* NULL = never wait: the first pause is past the deadline */
    void *arg;
    int64_t until_mono_ms, next_ms;
};

struct poll poll_begin(poll_pause_fn *pause, void *arg, int64_t at_most_ms);

/* The pause before the next look; asked_s: what the cloud asked for, <= 0 = own rule (half a second, growing to ten).
 * ERR_RETRY: the time is over, or the daemon is ending; the outcome is open. */
int poll_pause(struct poll *w, int asked_s, struct err *e) MUST_USE;

#endif
