/*
 * Warm runners: what `idle` of a runner asks for, and how many machines that is at a moment. Pure.
 *
 * Exactly one of
 *     replicas: N
 *     schedule: [{day: mon-fri, time: 9-17, timezone: Europe/Berlin, replicas: N}, ...]
 *     usage_based: {trigger: runner_allocated, replicas: N, duration: MINUTES}
 *
 * day: a day (mon or monday, without case), a range of them that may wrap (sat-mon), or several, as a list or joined by
 * commas. time: FROM-TO in whole hours on the wall clock of the time zone, 0-24, TO not included, may wrap: 22-6 on fri
 * is Friday from 22 on and Saturday before 6, so an hour belongs to the day on which its range begins. timezone: an
 * IANA name; without it UTC. Where several entries hold at once, the largest counts. Hours that a clock leaves out in
 * spring are not there; an hour that it shows twice in autumn holds twice.
 */
#ifndef MUSTER_CONFIG_IDLE_H
#define MUSTER_CONFIG_IDLE_H

#include "server/base/tz.h"

#include <stddef.h>

#define IDLE_MAX_REPLICAS 100
#define IDLE_MAX_WINDOWS 64
#define IDLE_MAX_MINUTES (7 * 24 * 60)

enum idle_kind { IDLE_NONE, IDLE_REPLICAS, IDLE_SCHEDULE, IDLE_USAGE };

struct idle_window {
    const struct tz *zone;
    bool hours[7 * 24]; /* of the week, local, from Monday 0 */
    int replicas;
};

struct idle_spec {
    enum idle_kind kind;
    int replicas;        /* REPLICAS, USAGE */
    int64_t duration_ms; /* USAGE */
    const struct idle_window *windows;
    size_t n_windows;
    int line; /* of `idle` */
};

/* allocated_ms: when a job last got a machine of this runner; 0 = never. */
int idle_wanted(const struct idle_spec *s, int64_t now_ms, int64_t allocated_ms);

/* The next moment at which idle_wanted may answer otherwise; INT64_MAX = never. At most 8 days ahead for a schedule:
 * ask again then. */
int64_t idle_next_change(const struct idle_spec *s, int64_t now_ms, int64_t allocated_ms);

#endif
