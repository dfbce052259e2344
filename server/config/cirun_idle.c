/* `idle` of a runner, and its schedule: see idle.h for the forms. */
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <stdio.h>
#include <string.h>

static const char *const day_names[7][2] = {{"mon", "monday"},   {"tue", "tuesday"}, {"wed", "wednesday"},
                                            {"thu", "thursday"}, {"fri", "friday"},  {"sat", "saturday"},
                                            {"sun", "sunday"}};

/* The text between blanks. */
static void trim(const char **s, size_t *len)
{
    while (*len > 0 && (**s == ' ' || **s == '\t')) {
        (*s)++;
        (*len)--;
    }
    while (*len > 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t'))
        (*len)--;
}

static bool same(const char *s, size_t len, const char *name)
{
    char copy[16];

    if (len >= sizeof(copy))
        return false;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return text_ieq(copy, name);
}

static int day_of(const char *s, size_t len)
{
    trim(&s, &len);
    for (int i = 0; i < 7; i++) {
        if (same(s, len, day_names[i][0]) || same(s, len, day_names[i][1]))
            return i;
    }
    return -1;
}

/* "mon" or "sat-mon" */
static bool add_days(const char *s, size_t len, bool days[7])
{
    const char *dash = memchr(s, '-', len);
    int first = day_of(s, dash != NULL ? (size_t)(dash - s) : len), last = first;

    if (dash != NULL)
        last = day_of(dash + 1, len - (size_t)(dash - s) - 1);
    if (first < 0 || last < 0)
        return false;
    for (int d = first;; d = (d + 1) % 7) {
        days[d] = true;
        if (d == last)
            return true;
    }
}

/* What a text without meaning was probably meant to be: a day, without regard to the rest. */
static const char *near_day(const char *text)
{
    const char *names[14];

    for (size_t i = 0; i < 7; i++) {
        names[i] = day_names[i][0];
        names[i + 7] = day_names[i][1];
    }
    return text_nearest(text, names, ARRAY_LEN(names));
}

static void read_day_text(struct cirun_reading *r, const struct yaml_node *n, bool days[7])
{
    const char *s = cirun_text(r, n, "day");

    while (s != NULL) {
        const char *comma = strchr(s, ',');
        size_t len = comma != NULL ? (size_t)(comma - s) : strlen(s);

        if (!add_days(s, len, days)) {
            cirun_propose(r, n, "unknown-value", near_day(n->text),
                          "day \"%.60s\" is not understood; write mon, tue, wed, thu, fri, sat or sun, a range of them "
                          "(mon-fri, sat-mon), or several, joined by commas",
                          n->text);
            return;
        }
        s = comma != NULL ? comma + 1 : NULL;
    }
}

static void read_days(struct cirun_reading *r, const struct yaml_node *n, bool days[7])
{
    if (n->kind != YAML_LIST) {
        read_day_text(r, n, days);
        return;
    }
    if (n->n == 0)
        cirun_fail(r, n, "empty-value", "day must not be an empty list");
    for (size_t i = 0; i < n->n; i++)
        read_day_text(r, n->items[i], days);
}

/* "9-17": whole hours, blanks allowed around each. */
static bool hours_of(const char *text, int *from, int *to)
{
    const char *dash = strchr(text, '-');
    int *out[2] = {from, to};

    for (int i = 0; dash != NULL && i < 2; i++) {
        const char *s = i == 0 ? text : dash + 1;
        size_t len = i == 0 ? (size_t)(dash - text) : strlen(s);

        trim(&s, &len);
        if (len < 1 || len > 2 || s[0] < '0' || s[0] > '9' || (len == 2 && (s[1] < '0' || s[1] > '9')))
            return false;
        *out[i] = len == 1 ? s[0] - '0' : (s[0] - '0') * 10 + (s[1] - '0');
    }
    return dash != NULL;
}

/* The hours of each day, beginning on it; false after a diagnostic. */
static bool read_time(struct cirun_reading *r, const struct yaml_node *n, int *from, int *to)
{
    const char *text = cirun_text(r, n, "time");

    if (text == NULL)
        return false;
    if (!hours_of(text, from, to))
        cirun_fail(r, n, "bad-value",
                   "time \"%.60s\" is not understood; write the first hour and the hour of the end, as 9-17 or 22-6 "
                   "(whole hours from 0 to 24)",
                   text);
    else if (*from > 23 || *to > 24)
        cirun_fail(r, n, "bad-value",
                   "time \"%.60s\" is out of range: hours go from 0 to 24, and the last begins at 23", text);
    else if (*from == *to)
        cirun_fail(r, n, "bad-value", "time \"%.60s\" is empty, as its end is not included; the whole day is 0-24",
                   text);
    else
        return true;
    return false;
}

static int read_replicas(struct cirun_reading *r, const struct yaml_node *n)
{
    struct err ignored;
    int64_t count = 0;

    if (yaml_is_null(n) || n->kind != YAML_SCALAR || text_i64(n->text, INT64_MIN, INT64_MAX, &count, &ignored))
        cirun_fail(r, n, "wrong-type", "replicas must be a whole number, found %.60s",
                   n->kind == YAML_SCALAR && !yaml_is_null(n) ? n->text : yaml_kind_name(n));
    else if (count < 0 || count > IDLE_MAX_REPLICAS)
        cirun_fail(r, n, "bad-value", "replicas is %.40s; it goes from 0 to %d", n->text, IDLE_MAX_REPLICAS);
    else
        return (int)count;
    return 0;
}

static void read_zone(struct cirun_reading *r, const struct yaml_node *n, struct idle_window *w)
{
    const char *name = n != NULL ? cirun_text(r, n, "timezone") : "UTC";
    char near[TZ_NAME_SIZE];
    struct err e;

    if (name == NULL)
        return;
    if (r->zones == NULL)
        r->zones = tz_set_new(r->arena);
    if (tz_set_get(r->zones, name, &w->zone, &e) == 0)
        return;
    /* a host without the database is no mistake of the file's author, and no reason to refuse his jobs */
    if (e.kind == ERR_GONE)
        cirun_warn(r, n, "no-timezones", "%s; this entry is left out", e.msg);
    else if (tz_nearest(name, near))
        cirun_propose(r, n, "unknown-timezone", near, "there is no time zone \"%.60s\"; did you mean \"%s\"?", name,
                      near);
    else
        cirun_fail(r, n, "unknown-timezone", "%s", e.msg);
}

static void spread(struct idle_window *w, const bool days[7], int from, int to)
{
    int length = to > from ? to - from : to + 24 - from;

    for (int d = 0; d < 7; d++) {
        for (int h = from; days[d] && h < from + length; h++)
            w->hours[(d * 24 + h) % (7 * 24)] = true;
    }
}

/* The values of a mapping's keys, in the order of the table, each or NULL; others are named. */
static void read_keys(struct cirun_reading *r, const struct yaml_node *map, const struct cirun_map *known,
                      const struct yaml_node **values)
{
    for (size_t i = 0; i < known->n; i++)
        values[i] = yaml_get(map, known->keys[i].name);
    cirun_check_unknown(r, map, known);
}

/* One entry of the schedule; whether it stands. */
static bool read_window(struct cirun_reading *r, const struct yaml_node *map, struct idle_window *w)
{
    enum { DAY, TIME, TIMEZONE, REPLICAS, N };
    const struct cirun_map *known = cirun_key_find(&cirun_idle_map, "schedule")->of;
    const struct yaml_node *v[N] = {NULL};
    size_t errors = r->yml.n_errors;
    bool days[7] = {false};
    int from = 0, to = 24;

    if (map->kind != YAML_MAP) {
        cirun_fail(r, map, "wrong-type",
                   "an entry of schedule must be a mapping with day, time, timezone and replicas, found %s",
                   yaml_kind_name(map));
        return false;
    }
    read_keys(r, map, known, v);
    for (size_t i = 0; i < N; i++) {
        if (v[i] == NULL && i != TIMEZONE)
            cirun_fail(r, map, "missing-key", "an entry of schedule has no %s", known->keys[i].name);
    }
    if (v[DAY] != NULL)
        read_days(r, v[DAY], days);
    if (v[TIME] != NULL && read_time(r, v[TIME], &from, &to))
        spread(w, days, from, to);
    read_zone(r, v[TIMEZONE], w);
    if (v[REPLICAS] != NULL)
        w->replicas = read_replicas(r, v[REPLICAS]);
    return r->yml.n_errors == errors && w->zone != NULL;
}

static void read_schedule(struct cirun_reading *r, const struct yaml_node *list, struct idle_spec *out)
{
    struct idle_window *windows;

    out->kind = IDLE_SCHEDULE;
    if (list->kind != YAML_LIST) {
        cirun_fail(r, list, "wrong-type",
                   "schedule must be a list of entries with day, time, timezone and replicas, found %s",
                   yaml_kind_name(list));
        return;
    }
    if (list->n == 0 || list->n > IDLE_MAX_WINDOWS) {
        cirun_fail(r, list, list->n == 0 ? "empty-value" : "bad-value", "schedule has %zu entries; it takes 1 to %d",
                   list->n, IDLE_MAX_WINDOWS);
        return;
    }
    windows = arena_calloc(r->arena, list->n, sizeof(*windows));
    for (size_t i = 0; i < list->n; i++) {
        struct idle_window *w = &windows[out->n_windows];

        memset(w, 0, sizeof(*w));
        out->n_windows += read_window(r, list->items[i], w) ? 1 : 0;
    }
    out->windows = windows;
}

static void read_trigger(struct cirun_reading *r, const struct yaml_node *n)
{
    static const char *const known[] = {"runner_allocated"};
    const char *text = n != NULL ? cirun_text(r, n, "trigger") : NULL;

    if (text != NULL && strcmp(text, known[0]) != 0)
        cirun_propose(r, n, "unknown-value", text_nearest(text, known, 1),
                      "trigger is \"%.60s\"; the only one is runner_allocated", text);
}

static void read_usage(struct cirun_reading *r, const struct yaml_node *map, struct idle_spec *out)
{
    enum { TRIGGER, REPLICAS, DURATION, N };
    const struct cirun_map *known = cirun_key_find(&cirun_idle_map, "usage_based")->of;
    const struct yaml_node *v[N] = {NULL};
    struct err ignored;
    int64_t minutes = 0;

    out->kind = IDLE_USAGE;
    if (map->kind != YAML_MAP) {
        cirun_fail(r, map, "wrong-type", "usage_based must be a mapping with trigger, replicas and duration, found %s",
                   yaml_kind_name(map));
        return;
    }
    read_keys(r, map, known, v);
    read_trigger(r, v[TRIGGER]);
    for (size_t i = REPLICAS; i < N; i++) {
        if (v[i] == NULL)
            cirun_fail(r, map, "missing-key", "usage_based has no %s", known->keys[i].name);
    }
    if (v[REPLICAS] != NULL)
        out->replicas = read_replicas(r, v[REPLICAS]);
    if (v[DURATION] == NULL)
        return;
    if (v[DURATION]->kind != YAML_SCALAR || text_i64(v[DURATION]->text, 1, IDLE_MAX_MINUTES, &minutes, &ignored))
        cirun_fail(r, v[DURATION], v[DURATION]->kind == YAML_SCALAR ? "bad-value" : "wrong-type",
                   "duration must be a whole number of minutes from 1 to %d, found %s", IDLE_MAX_MINUTES,
                   v[DURATION]->kind == YAML_SCALAR ? v[DURATION]->text : yaml_kind_name(v[DURATION]));
    out->duration_ms = minutes * 60 * 1000;
}

void cirun_read_idle(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    enum { REPLICAS, SCHEDULE, USAGE, N };
    const struct yaml_node *v[N] = {NULL};
    struct idle_spec *s = &out->idle;

    if (yaml_is_null(n))
        return;
    if (n->kind != YAML_MAP) {
        cirun_fail(r, n, "wrong-type", "idle must be a mapping with replicas, schedule or usage_based, found %s",
                   yaml_kind_name(n));
        return;
    }
    read_keys(r, n, &cirun_idle_map, v);
    s->line = n->line;
    if ((v[REPLICAS] != NULL) + (v[SCHEDULE] != NULL) + (v[USAGE] != NULL) > 1)
        cirun_fail(r, n, "idle-ambiguous", "idle takes one of replicas, schedule and usage_based, not several");
    if (v[REPLICAS] != NULL) {
        s->kind = IDLE_REPLICAS;
        s->replicas = read_replicas(r, v[REPLICAS]);
    }
    if (v[SCHEDULE] != NULL)
        read_schedule(r, v[SCHEDULE], s);
    if (v[USAGE] != NULL)
        read_usage(r, v[USAGE], s);
    if (v[REPLICAS] == NULL && v[SCHEDULE] == NULL && v[USAGE] == NULL)
        cirun_warn(r, n, "idle-empty",
                   "idle names none of replicas, schedule and usage_based: no machine is kept warm");
}

void cirun_check_idle(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out)
{
    const struct yaml_node *n = yaml_get(map, "idle");
    bool by_team = out->team != NULL || yaml_get(yaml_root(r->yml.doc), "run_only_when_triggered_by") != NULL;
    const char *limited = out->workflow != NULL ? "workflow" : by_team ? "run_only_when_triggered_by" : NULL;

    if (out->idle.kind == IDLE_NONE || (limited == NULL && out->n_labels > 0))
        return;
    if (limited != NULL)
        cirun_warn(
            r, n, "idle-refused",
            "idle is ignored: %s limits whom this runner serves, and GitHub gives a warm runner to any job whose "
            "labels fit",
            limited);
    else
        cirun_warn(r, n, "idle-refused", "idle is ignored: no job can ask for a runner without labels");
    out->idle = (struct idle_spec){.kind = IDLE_NONE};
}
