/* The rule of a zone as one line (POSIX TZ, with the extensions of TZif version 3): "CET-1CEST,M3.5.0,M10.5.0/3". */
#ifndef MUSTER_BASE_TZ_RULE_H
#define MUSTER_BASE_TZ_RULE_H

#include "server/base/tz.h"

/* A day of every year, and the local time of it. */
struct tz_day {
    enum { TZ_DAY_WEEK, TZ_DAY_JULIAN, TZ_DAY_COUNT } form;
    int month, week, day; /* WEEK: the week-th (5 = last) weekday of a month, 0 = Sunday; else only day */
    int time_s;
};

struct tz_rule {
    int std_s, dst_s; /* local time minus UTC */
    bool has_dst;
    struct tz_day start, end; /* of daylight saving */
};

int tz_rule_parse(const char *text, struct tz_rule *out, struct err *e) MUST_USE;
void tz_rule_at(const struct tz_rule *r, int64_t utc_s, struct tz_span *out);

#endif
