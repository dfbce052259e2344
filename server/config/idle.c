#include "server/config/idle.h"

#define LOOK_AHEAD_S (8 * 86400)

static int at_moment(const struct idle_spec *s, int64_t utc_s)
{
    int most = 0;

    for (size_t i = 0; i < s->n_windows; i++) {
        const struct idle_window *w = &s->windows[i];
        struct tz_clock c;

        if (w->replicas <= most)
            continue;
        tz_local(w->zone, utc_s, &c);
        if (w->hours[c.weekday * 24 + c.hour])
            most = w->replicas;
    }
    return most;
}

/* The end of the local hour, or a change of the clock before it, in any of the windows' zones. */
static int64_t next_hour(const struct idle_spec *s, int64_t utc_s)
{
    int64_t next = utc_s + 3600;

    for (size_t i = 0; i < s->n_windows; i++) {
        struct tz_span span;
        int64_t in_hour, end;

        tz_at(s->windows[i].zone, utc_s, &span);
        in_hour = ((utc_s + span.offset_s) % 3600 + 3600) % 3600;
        end = utc_s + 3600 - in_hour;
        if (span.until_s < end)
            end = span.until_s;
        if (end < next)
            next = end;
    }
    return next;
}

int idle_wanted(const struct idle_spec *s, int64_t now_ms, int64_t allocated_ms)
{
    switch (s->kind) {
    case IDLE_NONE:
        break;
    case IDLE_REPLICAS:
        return s->replicas;
    case IDLE_SCHEDULE:
        return at_moment(s, now_ms / 1000);
    case IDLE_USAGE:
        return allocated_ms > 0 && now_ms < allocated_ms + s->duration_ms ? s->replicas : 0;
    }
    return 0;
}

static int64_t next_of_schedule(const struct idle_spec *s, int64_t now_s)
{
    int now = at_moment(s, now_s);
    int64_t t = now_s;

    do
        t = next_hour(s, t);
    while (t < now_s + LOOK_AHEAD_S && at_moment(s, t) == now);
    return t;
}

int64_t idle_next_change(const struct idle_spec *s, int64_t now_ms, int64_t allocated_ms)
{
    switch (s->kind) {
    case IDLE_NONE:
    case IDLE_REPLICAS:
        break;
    case IDLE_SCHEDULE:
        return s->n_windows > 0 ? next_of_schedule(s, now_ms / 1000) * 1000 : INT64_MAX;
    case IDLE_USAGE:
        if (allocated_ms > 0 && now_ms < allocated_ms + s->duration_ms)
            return allocated_ms + s->duration_ms;
        break;
    }
    return INT64_MAX;
}
