#include "server/engine/leap.h"

#include "server/base/log.h"
#include "server/base/metric.h"
#include "server/store/store_upkeep.h"

#include <stdio.h>
#include <stdlib.h>

#define SMALL_MS (30 * 1000) /* clocks are corrected by less all the time */

static const struct metric_desc leaps = {METRIC_COUNTER, "muster_clock_leaps_total",
                                         "How often the wall clock was set by more than half a minute, by direction",
                                         "direction", NULL};

void leap_begin(struct leap *l)
{
    clock_read_all(&l->right);
    l->by_ms = l->stood_ms = 0;
}

bool leap_look(struct leap *l, int64_t lease_ms)
{
    struct clock_reading now;
    int64_t real_ms, ran_ms;

    clock_read_all(&now);
    real_ms = now.boot_ms - l->right.boot_ms;
    ran_ms = now.mono_ms - l->right.mono_ms;
    l->by_ms = now.wall_ms - l->right.wall_ms - real_ms;
    l->stood_ms = real_ms - ran_ms;
    l->now_ms = now.wall_ms;
    l->lease_until_ms = now.wall_ms + lease_ms;
    if (llabs(l->by_ms) >= SMALL_MS || l->stood_ms >= SMALL_MS)
        return true;
    /* small corrections add up against the first reading: that one stays until they are worth a move */
    return false;
}

int leap_tx(struct store_tx *t, const struct leap *l, struct err *e)
{
    /* what the old clock showed at the last look, plus all the time since: nothing it wrote is younger */
    int64_t seen_ms = l->now_ms - l->by_ms;
    char what[160];

    if (llabs(l->by_ms) < SMALL_MS)
        (void)snprintf(what, sizeof(what), "the system was suspended for %lld s", (long long)l->stood_ms / 1000);
    else
        (void)snprintf(what, sizeof(what),
                       "the wall clock was set %s by %lld s: due times and deadlines were moved with it; see that time "
                       "is kept (NTP) where muster runs",
                       l->by_ms > 0 ? "forwards" : "back", llabs(l->by_ms) / 1000);
    if (store_leap(t, llabs(l->by_ms) >= SMALL_MS ? l->by_ms : 0, seen_ms, l->lease_until_ms, e))
        return -1;
    return store_event_add(t, l->now_ms, 0, NULL, "clock.set", what, e);
}

void leap_done(struct leap *l)
{
    log_warn(EV("clock.set"), FI("seconds", l->by_ms / 1000), FI("suspended", l->stood_ms / 1000));
    metric_add(&leaps, llabs(l->by_ms) < SMALL_MS ? "suspended" : l->by_ms > 0 ? "forwards" : "back", 1);
    leap_begin(l);
}
