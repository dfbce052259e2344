#include "server/base/tz_rule.h"

#include "server/base/text.h"

#include <string.h>

#define DAY_S 86400

/* --- reading: each step moves *p over what it took, or says no ------------------------------------------------- */

static bool number(const char **p, int max, int *out)
{
    const char *s = *p;
    int n = 0;

    while (*s >= '0' && *s <= '9' && s - *p < 4)
        n = n * 10 + (*s++ - '0');
    if (s == *p || n > max)
        return false;
    *out = n;
    *p = s;
    return true;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "CET" or "<+0330>": of no use but to be there. */
static bool name(const char **p)
{
    const char *s = *p;

    if (*s == '<') {
        for (s++; letter(*s) || (*s >= '0' && *s <= '9') || *s == '+' || *s == '-'; s++)
            continue;
        if (*s != '>' || s - *p < 4)
            return false;
        *p = s + 1;
        return true;
    }
    while (letter(*s))
        s++;
    if (s - *p < 3)
        return false;
    *p = s;
    return true;
}

/* [+-]h[:mm[:ss]] */
static bool hours(const char **p, int max, int *out)
{
    int sign = **p == '-' ? -1 : 1, h, m = 0, s = 0;

    if (**p == '-' || **p == '+')
        (*p)++;
    if (!number(p, max, &h))
        return false;
    if (**p == ':') {
        (*p)++;
        if (!number(p, 59, &m))
            return false;
        if (**p == ':') {
            (*p)++;
            if (!number(p, 59, &s))
                return false;
        }
    }
    *out = sign * (h * 3600 + m * 60 + s);
    return true;
}

static bool week_day(const char **p, struct tz_day *out)
{
    out->form = TZ_DAY_WEEK;
    if (!number(p, 12, &out->month) || out->month < 1 || *(*p)++ != '.' || !number(p, 5, &out->week) || out->week < 1 ||
        *(*p)++ != '.')
        return false;
    return number(p, 6, &out->day);
}

static bool day(const char **p, struct tz_day *out)
{
    bool ok;

    if (*(*p)++ != ',')
        return false;
    if (**p == 'M') {
        (*p)++;
        ok = week_day(p, out);
    } else if (**p == 'J') {
        (*p)++;
        out->form = TZ_DAY_JULIAN;
        ok = number(p, 365, &out->day) && out->day >= 1;
    } else {
        out->form = TZ_DAY_COUNT;
        ok = number(p, 365, &out->day);
    }
    out->time_s = 2 * 3600;
    if (!ok || **p != '/')
        return ok;
    (*p)++;
    return hours(p, 167, &out->time_s);
}

static bool rule(const char *p, struct tz_rule *out)
{
    int west;

    if (!name(&p) || !hours(&p, 24, &west))
        return false;
    out->std_s = -west;
    out->has_dst = *p != '\0';
    if (!out->has_dst)
        return true;
    if (!name(&p))
        return false;
    out->dst_s = out->std_s + 3600;
    if (*p != ',') {
        if (!hours(&p, 24, &west))
            return false;
        out->dst_s = -west;
    }
    return day(&p, &out->start) && day(&p, &out->end) && *p == '\0';
}

int tz_rule_parse(const char *text, struct tz_rule *out, struct err *e)
{
    struct tz_rule r;

    memset(&r, 0, sizeof(r));
    if (!rule(text, &r))
        return err_set(e, ERR_INVALID, "the rule \"%.60s\" of a time zone is not understood", text);
    *out = r;
    return 0;
}

/* --- evaluating ------------------------------------------------------------------------------------------------ */

static bool is_leap(int64_t year)
{
    return text_days_from_date(year, 3, 1) - text_days_from_date(year, 2, 1) == 29;
}

static int64_t day_of_week(const struct tz_day *d, int64_t year)
{
    int64_t first = text_days_from_date(year, d->month, 1);
    int64_t next = d->month == 12 ? text_days_from_date(year + 1, 1, 1) : text_days_from_date(year, d->month + 1, 1);
    int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970 began on a Thursday */
    int64_t found = first + (d->day - weekday + 7) % 7 + (d->week - 1) * 7;

    return found < next ? found : found - 7;
}

/* Seconds since 1970 of that day's time, on a clock that is offset_s ahead of UTC. */
static int64_t instant(const struct tz_day *d, int64_t year, int offset_s)
{
    int64_t days = text_days_from_date(year, 1, 1) + d->day;

    switch (d->form) {
    case TZ_DAY_WEEK:
        days = day_of_week(d, year);
        break;
    case TZ_DAY_JULIAN: /* 29 February has no number */
        days += d->day >= 60 && is_leap(year) ? 0 : -1;
        break;
    case TZ_DAY_COUNT:
        break;
    }
    return days * DAY_S + d->time_s - offset_s;
}

static int64_t year_of(int64_t days)
{
    int64_t year = 1970 + days * 400 / 146097;

    while (days < text_days_from_date(year, 1, 1))
        year--;
    while (days >= text_days_from_date(year + 1, 1, 1))
        year++;
    return year;
}

/* The last change up to utc_s tells what holds, the first behind it until when. Where both come at once (daylight
 * saving all the year) it stays: of two at one instant the start counts. A day of a year, and its time, may lie in the
 * year before or behind it: both changes of a year can be over when it begins. */
void tz_rule_at(const struct tz_rule *r, int64_t utc_s, struct tz_span *out)
{
    int64_t year, last = INT64_MIN;

    *out = (struct tz_span){r->std_s, INT64_MAX};
    if (!r->has_dst)
        return;
    year = year_of((utc_s + r->std_s) / DAY_S);
    for (int64_t y = year - 2; y <= year + 2; y++) {
        int64_t start = instant(&r->start, y, r->std_s), end = instant(&r->end, y, r->dst_s);

        if (end <= utc_s && end > last) {
            last = end;
            out->offset_s = r->std_s;
        }
        if (start <= utc_s && start >= last) {
            last = start;
            out->offset_s = r->dst_s;
        }
        if (start > utc_s && start < out->until_s)
            out->until_s = start;
        if (end > utc_s && end < out->until_s)
            out->until_s = end;
    }
}
