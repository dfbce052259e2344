/* What time zone was probably meant, from the database's own list of places (zone.tab, one line a place: country,
 * coordinates, name, comment, between tabs). */
#include "server/base/text.h"
#include "server/base/tz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 600

/* Abbreviations that people take for zones; there is more than one place for each. */
static const char *const abbreviations[][2] = {
    {"PST", "America/Los_Angeles"}, {"PDT", "America/Los_Angeles"}, {"CDT", "America/Chicago"},
    {"MDT", "America/Denver"},      {"EDT", "America/New_York"},    {"CST", "America/Chicago"},
    {"BST", "Europe/London"},       {"CEST", "Europe/Berlin"},      {"IST", "Asia/Kolkata"},
    {"JST", "Asia/Tokyo"},          {"AEST", "Australia/Sydney"},   {"Z", "UTC"}};

struct names {
    char *all[MAX_NAMES];
    size_t n;
};

static void names_clear(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->all[i]);
}

/* The third field of each line. */
static void read_names(FILE *f, struct names *l)
{
    char line[512];

    while (l->n < MAX_NAMES && fgets(line, sizeof(line), f) != NULL) {
        const char *name = line[0] == '#' ? NULL : strchr(line, '\t');

        name = name != NULL ? strchr(name + 1, '\t') : NULL;
        if (name != NULL)
            l->all[l->n++] = strndup(name + 1, strcspn(name + 1, "\t\n"));
    }
}

static const char *choose(const char *name, const struct names *l)
{
    for (size_t i = 0; i < ARRAY_LEN(abbreviations); i++) {
        if (text_ieq(abbreviations[i][0], name))
            return abbreviations[i][1];
    }
    for (size_t i = 0; i < l->n; i++) {
        const char *city = strrchr(l->all[i], '/');

        if (text_ieq(l->all[i], name) || (city != NULL && text_ieq(city + 1, name)))
            return l->all[i];
    }
    return text_nearest(name, (const char *const *)l->all, l->n);
}

bool tz_nearest(const char *name, char out[TZ_NAME_SIZE])
{
    const char *dir = getenv("TZDIR"), *near;
    char path[512];
    AUTO(names_clear) struct names l = {.n = 0};
    FILE *f;
    int n = snprintf(path, sizeof(path), "%s/zone.tab", dir != NULL && *dir != '\0' ? dir : "/usr/share/zoneinfo");

    f = n > 0 && (size_t)n < sizeof(path) ? fopen(path, "re") : NULL;
    if (f != NULL) {
        read_names(f, &l);
        (void)fclose(f);
    }
    near = choose(name, &l);
    if (near == NULL || strlen(near) >= TZ_NAME_SIZE)
        return false;
    (void)snprintf(out, TZ_NAME_SIZE, "%s", near);
    return true;
}
