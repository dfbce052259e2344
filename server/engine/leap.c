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
    l->seen = l->right;
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
    l->since_ms = now.wall_ms - (now.boot_ms - l->seen.boot_ms);
    if (llabs(l->by_ms) >= SMALL_MS || l->stood_ms >= SMALL_MS)
        return true;
    l->seen = now; /* `right` stays until small corrections are worth a move */
    return false;
}

int leap_tx(struct store_tx *t, const struct leap *l, struct err *e)
{
    const struct store_leap set = {.by_ms = llabs(l->by_ms) >= SMALL_MS ? l->by_ms : 0,
                                   .now_ms = l->now_ms,
                                   .since_ms = l->since_ms,
                                   .lease_until_ms = l->lease_until_ms};
    char what[160];

    if (llabs(l->by_ms) < SMALL_MS)
        (void)snprintf(what, sizeof(what), "the system was suspended for %lld s", (long long)l->stood_ms / 1000);
    else
        (void)snprintf(what, sizeof(what),
                       "the wall clock was set %s by %lld s: due times and deadlines were moved with it; see that time "
                       "is kept (NTP) where muster runs",
                       l->by_ms > 0 ? "forwards" : "back", llabs(l->by_ms) / 1000);
    if (store_leap(t, &set, e))
        return -1;
    return store_event_add(t, l->now_ms, 0, NULL, "clock.set", what, e);
}

void leap_done(struct leap *l)
{
    log_warn(EV("clock.set"), FI("seconds", l->by_ms / 1000), FI("suspended", l->stood_ms / 1000));
    metric_add(&leaps, llabs(l->by_ms) < SMALL_MS ? "suspended" : l->by_ms > 0 ? "forwards" : "back", 1);
    leap_begin(l);
}

struct start {
    int64_t now_ms, latest_ms, ahead_ms;
};

static int start_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct start *s = arg;
    char what[300];

    if (store_leap_at_start(t, s->now_ms, s->latest_ms, &s->ahead_ms, e))
        return -1;
    if (s->ahead_ms < SMALL_MS)
        return 0;
    (void)snprintf(
        what, sizeof(what),
        "a machine was launched %lld s later than the clock shows at this start: the wall clock was set back "
        "while muster did not run; such machines live no longer than if they were launched now; see that "
        "time is kept (NTP) where muster runs",
        (long long)s->ahead_ms / 1000);
    return store_event_add(t, s->now_ms, 0, NULL, "clock.set", what, e);
}

int leap_at_start(struct store *s, int64_t latest_ms, struct err *e)
{
    struct start at = {.now_ms = clock_now_ms()};

    at.latest_ms = at.now_ms + latest_ms;
    if (store_write(s, start_tx, &at, e))
        return -1;
    if (at.ahead_ms < SMALL_MS)
        return 0;
    log_warn(EV("clock.set"), FI("seconds", -at.ahead_ms / 1000), FB("at_start", true));
    metric_add(&leaps, "back", 1);
    return 0;
}
