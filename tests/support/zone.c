#include "tests/support/zone.h"

#include "server/base/text.h"
#include "tests/support/unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const zone_names[] = {"America/New_York",    "Europe/Berlin",   "Australia/Sydney", "Asia/Kolkata",
                                  "Australia/Lord_Howe", "Asia/Kathmandu",  "Pacific/Chatham",  "Africa/Casablanca",
                                  "Pacific/Apia",        "America/St_Johns"};
const size_t zone_names_n = sizeof(zone_names) / sizeof(zone_names[0]);

static void fill(const struct zone_year *y, const char *name)
{
    uint16_t *minutes = y->map;
    uint8_t *seconds = (uint8_t *)(minutes + y->n);

    if (setenv("TZ", name, 1) != 0)
        _exit(1);
    tzset();
    for (size_t i = 0; i < y->n; i++) {
        time_t t = (time_t)(y->from_s + (int64_t)i * 60);
        struct tm tm;

        if (localtime_r(&t, &tm) == NULL)
            _exit(1);
        minutes[i] = (uint16_t)((tm.tm_wday + 6) % 7 * 1440 + tm.tm_hour * 60 + tm.tm_min);
        seconds[i] = (uint8_t)tm.tm_sec;
    }
    _exit(0);
}

void zone_year_open(struct zone_year *y, const char *name, int year)
{
    int64_t first = text_days_from_date(year, 1, 1);
    int status = -1;
    pid_t child;

    y->from_s = first * 86400;
    y->n = (size_t)(text_days_from_date(year + 1, 1, 1) - first) * 1440;
    y->map_size = y->n * (sizeof(*y->minutes) + sizeof(*y->seconds));
    y->map = mmap(NULL, y->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(y->map, MAP_FAILED);
    y->minutes = y->map;
    y->seconds = (const uint8_t *)(y->minutes + y->n);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        fill(y, name);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

void zone_year_close(struct zone_year *y)
{
    assert_int_equal(munmap(y->map, y->map_size), 0);
}
