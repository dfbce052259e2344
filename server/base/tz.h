/*
 * IANA time zones, read from the system's own files: which local time it is there, and until when the rule holds.
 * (The C library knows one zone a process, set by the environment; a schedule may name many, on many threads.)
 *
 * Files: $TZDIR, else /usr/share/zoneinfo, in the format TZif of versions 1 to 4 with the footer's rule for the years
 * behind the table (RFC 9636). What a file says of leap seconds is refused ("right/..." zones). UTC needs no file.
 * A zone is immutable; it lives as long as the arena it was read into. Reading may be done by any thread.
 */
#ifndef MUSTER_BASE_TZ_H
#define MUSTER_BASE_TZ_H

#include "server/base/arena.h"
#include "server/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define TZ_FILE_MAX ((size_t)256 * 1024)

struct tz;

/* "Europe/Berlin"; case counts. ERR_INVALID: no such name. ERR_GONE: there is no database to find it in (the text says
 * which package brings it). */
int tz_load(struct arena *a, const char *name, const struct tz **out, struct err *e) MUST_USE;

#define TZ_NAME_SIZE 64

/* What was probably meant by a name that is not there: another spelling, a city alone, an abbreviation ("PST"); false:
 * nothing is near. */
bool tz_nearest(const char *name, char out[TZ_NAME_SIZE]);

/* A file's bytes. ERR_INVALID: it is none, or its parts contradict each other. */
int tz_parse(struct arena *a, const void *data, size_t len, const struct tz **out, struct err *e) MUST_USE;

/* Zones that are asked for again and again, each read once; in an arena, for one thread. */
struct tz_set;
struct tz_set *tz_set_new(struct arena *a);
int tz_set_get(struct tz_set *s, const char *name, const struct tz **out, struct err *e) MUST_USE;

struct tz_span {
    int offset_s;    /* local time minus UTC */
    int64_t until_s; /* from then on another offset may hold; INT64_MAX = never */
};
void tz_at(const struct tz *z, int64_t utc_s, struct tz_span *out);

struct tz_clock {
    int weekday; /* 0 = Monday */
    int hour, minute, second;
};
void tz_local(const struct tz *z, int64_t utc_s, struct tz_clock *out);

#endif
