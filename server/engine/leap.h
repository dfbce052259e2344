/*
 * Was the wall clock set? Due times, leases and deadlines are written down by it, because they outlive the process; so
 * whenever it leaps against the clocks that nobody sets, they leap with it. The scheduler looks before each claim. One
 * thread.
 */
#ifndef MUSTER_ENGINE_LEAP_H
#define MUSTER_ENGINE_LEAP_H

#include "server/base/clock.h"
#include "server/store/store.h"

#include <stdbool.h>

struct leap {
    struct clock_reading right;     /* when it was first right, or set right: small corrections add up against it */
    struct clock_reading seen;      /* the last look that found nothing to move */
    int64_t by_ms;                  /* since then the wall clock was set by so much ... */
    int64_t stood_ms;               /* ... and the process stood still for so long (the system was suspended) */
    int64_t now_ms, lease_until_ms; /* by the wall clock, for whoever writes times in the same transaction */
    int64_t since_ms;               /* `seen`, by the wall clock as it is now */
};

void leap_begin(struct leap *l);
/* Look at the clocks. true: something has to be moved: leap_tx, then leap_done. */
bool leap_look(struct leap *l, int64_t lease_ms);
int leap_tx(struct store_tx *t, const struct leap *l, struct err *e) MUST_USE;
void leap_done(struct leap *l);

/* At a start, before anything else: store_leap_at_start, told to whoever looks. */
int leap_at_start(struct store *s, int64_t latest_ms, struct err *e) MUST_USE;

#endif
