/* The parts of text.h that deal in dates. */
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "SunMonTueWedThuFriSat";

struct moment {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};

/* By counting years from March, so that the leap day is the last day of a year. */
int64_t text_days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

static int days_in_month(int year, int month)
{
    return (int)(text_days_from_date(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                 text_days_from_date(year, month, 1));
}

static bool is_moment(const struct moment *t)
{
    return t->month >= 1 && t->month <= 12 && t->day >= 1 && t->day <= days_in_month(t->year, t->month) &&
           t->hour <= 23 && t->minute <= 59 && t->second <= 60; /* 60: a leap second */
}

static int64_t moment_ms(const struct moment *t)
{
    int64_t days = text_days_from_date(t->year, t->month, t->day);

    return (((days * 24 + t->hour) * 60 + t->minute) * 60 + t->second) * 1000;
}

/* Exactly n digits at s. The caller knows that n bytes are there. */
static bool digits(const char *s, size_t n, int *out)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *out = v;
    return true;
}

/* ".123" at s, to milliseconds; further digits are dropped. Returns the bytes used, 0 when there is no fraction. */
static size_t fraction(const char *s, size_t len, int64_t *ms)
{
    int64_t unit = 100, v = 0;
    size_t i = 1;

    if (len < 2 || s[0] != '.' || s[1] < '0' || s[1] > '9')
        return 0;
    for (; i < len && s[i] >= '0' && s[i] <= '9'; i++) {
        v += (s[i] - '0') * unit;
        unit /= 10;
    }
    *ms = v;
    return i;
}

/* "Z", "+02:00": the rest of the text. */
static bool offset(const char *s, size_t len, int64_t *ms)
{
    int hours, minutes;

    if (len == 1 && (s[0] == 'Z' || s[0] == 'z')) {
        *ms = 0;
        return true;
    }
    if (len != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':' || !digits(s + 1, 2, &hours) ||
        !digits(s + 4, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ms = (int64_t)(hours * 60 + minutes) * (s[0] == '-' ? -60000 : 60000);
    return true;
}

int text_rfc3339_ms(const char *s, size_t len, int64_t *out, struct err *e)
{
    struct moment t;
    int64_t offset_ms = 0, fraction_ms = 0;
    size_t used;

    if (len < 20 || !digits(s, 4, &t.year) || s[4] != '-' || !digits(s + 5, 2, &t.month) || s[7] != '-' ||
        !digits(s + 8, 2, &t.day) || (s[10] != 'T' && s[10] != 't') || !digits(s + 11, 2, &t.hour) || s[13] != ':' ||
        !digits(s + 14, 2, &t.minute) || s[16] != ':' || !digits(s + 17, 2, &t.second) || !is_moment(&t))
        return err_set(e, ERR_INVALID, "expected a time such as 2021-09-13T02:21:13Z");
    used = 19 + fraction(s + 19, len - 19, &fraction_ms);
    if (!offset(s + used, len - used, &offset_ms))
        return err_set(e, ERR_INVALID, "expected a time that ends with Z or an offset such as +02:00");
    *out = moment_ms(&t) + fraction_ms - offset_ms;
    return 0;
}

/* Which of the three-letter names is at s: from 0, or -1. */
static int name_index(const char *names, const char *s)
{
    for (int i = 0; names[3 * i] != '\0'; i++) {
        if (memcmp(names + 3 * i, s, 3) == 0)
            return i;
    }
    return -1;
}

int text_http_date_ms(const char *s, int64_t *out, struct err *e)
{
    struct moment t = {0};
    bool ok = strlen(s) == 29 && name_index(day_names, s) >= 0 && memcmp(s + 3, ", ", 2) == 0 &&
              digits(s + 5, 2, &t.day) && s[7] == ' ' && s[11] == ' ' && digits(s + 12, 4, &t.year) && s[16] == ' ' &&
              digits(s + 17, 2, &t.hour) && s[19] == ':' && digits(s + 20, 2, &t.minute) && s[22] == ':' &&
              digits(s + 23, 2, &t.second) && strcmp(s + 25, " GMT") == 0;

    if (ok)
        t.month = name_index(month_names, s + 8) + 1;
    if (!ok || !is_moment(&t))
        return err_set(e, ERR_INVALID, "expected a date such as Mon, 13 Sep 2021 02:21:13 GMT");
    *out = moment_ms(&t);
    return 0;
}

/* The inverse of text_days_from_date. */
static void date_from_days(int64_t days, struct moment *t)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153; /* months since March */

    t->day = (int)(day_of_year - (153 * shifted + 2) / 5 + 1);
    t->month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    t->year = (int)(year_of_era + era * 400 + (t->month <= 2 ? 1 : 0));
}

void text_format_rfc3339(int64_t ms, char out[21])
{
    const int64_t first_s = -62167219200, last_s = 253402300799; /* the years 0000 to 9999 */
    int64_t s = ms / 1000 - (ms % 1000 < 0 ? 1 : 0);             /* rounded down */
    struct moment t;
    int64_t days;
    unsigned of_day;

    s = s < first_s ? first_s : s > last_s ? last_s : s;
    days = (s >= 0 ? s : s - 86399) / 86400;
    of_day = (unsigned)(s - days * 86400);
    date_from_days(days, &t);
    (void)snprintf(out, 21, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)t.year % 10000, (unsigned)t.month % 100,
                   (unsigned)t.day % 100, of_day / 3600 % 24, of_day / 60 % 60, of_day % 60);
}
