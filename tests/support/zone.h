/*
 * What the system's own C library says of local time, for every minute of a year: asked in a child process with TZ set,
 * since a process has one zone.
 */
#ifndef MUSTER_TESTS_ZONE_H
#define MUSTER_TESTS_ZONE_H

#include <stddef.h>
#include <stdint.h>

/* Ten zones: daylight saving in the north and in the south, half hours, quarter hours, Ramadan, a date line crossed. */
extern const char *const zone_names[];
extern const size_t zone_names_n;

struct zone_year {
    int64_t from_s;
    size_t n;                /* minutes of the year, in UTC */
    const uint16_t *minutes; /* weekday (0 = Monday) * 1440 + hour * 60 + minute */
    const uint8_t *seconds;
    void *map;
    size_t map_size;
};
void zone_year_open(struct zone_year *y, const char *name, int year);
void zone_year_close(struct zone_year *y);

#endif
