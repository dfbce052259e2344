#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_yml.h"
#include "tests/support/zone.h"

#include <stdio.h>

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

/* A file with one runner, and this below it, from line 7 on. */
static struct cirun_yml *file_with(const char *idle)
{
    char text[8000];

    (void)snprintf(text, sizeof(text),
                   "runners:\n  - name: r\n    cloud: aws\n    instance_type: t3.large\n    machine_image: "
                   "ami-0123456789abcdef0\n    labels: [l]\n%s",
                   idle);
    return cirun_yml_parse(text, strlen(text), ".cirun.yml");
}

static const struct idle_spec *spec_of(const struct cirun_yml *c)
{
    if (c->n_diags > 0)
        fail_msg("%d:%d: %s", c->diags[0].line, c->diags[0].column, c->diags[0].message);
    assert_int_equal(c->n_runners, 1);
    return &c->runners[0].idle;
}

static int64_t at(const char *rfc3339)
{
    int64_t ms = 0;
    struct err e;

    assert_ok(text_rfc3339_ms(rfc3339, strlen(rfc3339), &ms, &e), e);
    return ms;
}

static void expect(const struct idle_spec *s, const char *when, int replicas)
{
    if (idle_wanted(s, at(when), 0) != replicas)
        fail_msg("%s: expected %d, got %d", when, replicas, idle_wanted(s, at(when), 0));
}

static void test_idle__replicas_is_the_same_at_all_times(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = file_with("    idle:\n      replicas: 3\n");
    const struct idle_spec *s = spec_of(c);

    (void)state;
    assert_int_equal(s->kind, IDLE_REPLICAS);
    expect(s, "2026-01-01T00:00:00Z", 3);
    assert_true(idle_next_change(s, at("2026-01-01T00:00:00Z"), 0) == INT64_MAX);
}

static void test_idle__a_runner_without_idle_wants_none(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = file_with("");

    (void)state;
    assert_int_equal(idle_wanted(spec_of(c), at("2026-01-01T00:00:00Z"), 1), 0);
}

static void test_idle__a_working_week_in_berlin_follows_its_daylight_saving(void **state)
{
    AUTO_CIRUN struct cirun_yml *c =
        file_with("    idle:\n      schedule:\n        - day: mon-fri\n          time: 9-17\n"
                  "          timezone: Europe/Berlin\n          replicas: 2\n");
    const struct idle_spec *s = spec_of(c);

    (void)state;
    expect(s, "2026-03-27T07:59:59Z", 0); /* a Friday, UTC+1 */
    expect(s, "2026-03-27T08:00:00Z", 2);
    expect(s, "2026-03-27T15:59:59Z", 2);
    expect(s, "2026-03-27T16:00:00Z", 0);
    expect(s, "2026-03-29T10:00:00Z", 0); /* Sunday */
    expect(s, "2026-03-30T06:59:59Z", 0); /* Monday, UTC+2 */
    expect(s, "2026-03-30T07:00:00Z", 2);
    assert_int_equal(idle_next_change(s, at("2026-03-27T16:00:00Z"), 0), at("2026-03-30T07:00:00Z"));
    assert_int_equal(idle_next_change(s, at("2026-03-27T10:11:12Z"), 0), at("2026-03-27T16:00:00Z"));
}

static void test_idle__a_wrapped_time_belongs_to_the_day_on_which_it_begins(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = file_with("    idle: {schedule: [{day: fri, time: 22-6, replicas: 1}]}\n");
    const struct idle_spec *s = spec_of(c);

    (void)state;
    expect(s, "2026-06-05T05:00:00Z", 0); /* Friday before 6: Thursday's night */
    expect(s, "2026-06-05T21:59:59Z", 0);
    expect(s, "2026-06-05T22:00:00Z", 1);
    expect(s, "2026-06-06T05:59:59Z", 1);
    expect(s, "2026-06-06T06:00:00Z", 0);
    expect(s, "2026-06-06T23:00:00Z", 0);
}

static void test_idle__ranges_wrap_round_the_week_and_sunday_night_ends_on_monday(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = file_with("    idle: {schedule: [{day: Sat-MON, time: 20-0, replicas: 1}, {day: "
                                               "sunday, time: 23-2, replicas: 4}]}\n");
    const struct idle_spec *s = spec_of(c);

    (void)state;
    expect(s, "2026-06-05T21:00:00Z", 0); /* Friday */
    expect(s, "2026-06-06T21:00:00Z", 1);
    expect(s, "2026-06-06T23:59:59Z", 1);
    expect(s, "2026-06-07T00:00:00Z", 0);
    expect(s, "2026-06-07T22:59:59Z", 1);
    expect(s, "2026-06-07T23:00:00Z", 4); /* both: the larger */
    expect(s, "2026-06-08T01:59:59Z", 4);
    expect(s, "2026-06-08T02:00:00Z", 0);
    expect(s, "2026-06-08T20:00:00Z", 1);
    expect(s, "2026-06-09T20:00:00Z", 0);
}

static void test_idle__the_hour_that_spring_leaves_out_is_not_there_and_autumn_s_holds_twice(void **state)
{
    AUTO_CIRUN struct cirun_yml *c =
        file_with("    idle: {schedule: [{day: sun, time: 2-3, timezone: Europe/Berlin, replicas: 1}]}\n");
    const struct idle_spec *s = spec_of(c);

    (void)state;
    for (int minute = 0; minute < 24 * 60; minute++) /* 29 March 2026: from 2 to 3 in no time */
        assert_int_equal(idle_wanted(s, at("2026-03-28T23:00:00Z") + minute * 60000, 0), 0);
    expect(s, "2026-10-24T23:59:59Z", 0); /* 25 October: 2 o'clock at 00:00Z, and again at 01:00Z */
    expect(s, "2026-10-25T00:00:00Z", 1);
    expect(s, "2026-10-25T01:59:59Z", 1);
    expect(s, "2026-10-25T02:00:00Z", 0);
    assert_int_equal(idle_next_change(s, at("2026-10-25T00:00:00Z"), 0), at("2026-10-25T02:00:00Z"));
}

static void test_idle__days_are_names_ranges_and_lists_of_them(void **state)
{
    AUTO_CIRUN struct cirun_yml *c =
        file_with("    idle:\n      schedule:\n        - {day: 'mon, WEDNESDAY', time: 0-24, replicas: 1}\n"
                  "        - day: [thu - fri, sunday]\n          time: ' 0 - 24'\n          replicas: 2\n");
    const struct idle_spec *s = spec_of(c);
    static const int wanted[7] = {1, 0, 1, 2, 2, 0, 2};

    (void)state;
    for (int d = 0; d < 7; d++) /* from a Monday on */
        assert_int_equal(idle_wanted(s, at("2026-06-01T12:00:00Z") + d * INT64_C(86400000), 0), wanted[d]);
}

static void test_idle__usage_counts_from_the_last_allocation(void **state)
{
    AUTO_CIRUN struct cirun_yml *c =
        file_with("    idle: {usage_based: {trigger: runner_allocated, replicas: 2, duration: 30}}\n");
    const struct idle_spec *s = spec_of(c);
    const int64_t t = at("2026-06-01T12:00:00Z"), half_hour = 30 * 60 * 1000;

    (void)state;
    assert_int_equal(idle_wanted(s, t, 0), 0);
    assert_int_equal(idle_wanted(s, t, t), 2);
    assert_int_equal(idle_wanted(s, t + half_hour - 1, t), 2);
    assert_int_equal(idle_wanted(s, t + half_hour, t), 0);
    assert_int_equal(idle_next_change(s, t + 1, t), t + half_hour);
    assert_true(idle_next_change(s, t + half_hour, t) == INT64_MAX);
}

static void test_idle__each_mistake_has_its_place_and_its_name(void **state)
{
    static const struct {
        const char *idle;
        int line, column;
        const char *rule, *says;
    } bad[] = {
        {"    idle: 3\n", 7, 11, "wrong-type", "must be a mapping"},
        {"    idle: {replicas: two}\n", 7, 22, "wrong-type", "found two"},
        {"    idle: {replicas: -1}\n", 7, 22, "bad-value", "0 to 100"},
        {"    idle: {replicas: 101}\n", 7, 22, "bad-value", "0 to 100"},
        {"    idle: {replicas: [1]}\n", 7, 22, "wrong-type", "found a list"},
        {"    idle: {replicas: 1, schedule: [{day: mon, time: 1-2, replicas: 1}]}\n", 7, 11, "idle-ambiguous",
         "not several"},
        {"    idle: {schedule: {day: mon}}\n", 7, 22, "wrong-type", "must be a list"},
        {"    idle: {schedule: []}\n", 7, 22, "empty-value", "has 0 entries"},
        {"    idle: {schedule: [mon]}\n", 7, 23, "wrong-type", "must be a mapping"},
        {"    idle: {schedule: [{time: 1-2, replicas: 1}]}\n", 7, 23, "missing-key", "has no day"},
        {"    idle: {schedule: [{day: mon, replicas: 1}]}\n", 7, 23, "missing-key", "has no time"},
        {"    idle: {schedule: [{day: mon, time: 1-2}]}\n", 7, 23, "missing-key", "has no replicas"},
        {"    idle: {schedule: [{day: mom, time: 1-2, replicas: 1}]}\n", 7, 29, "unknown-value", "mon-fri, sat-mon"},
        {"    idle: {schedule: [{day: mon-, time: 1-2, replicas: 1}]}\n", 7, 29, "unknown-value", "day \"mon-\""},
        {"    idle: {schedule: [{day: [], time: 1-2, replicas: 1}]}\n", 7, 29, "empty-value", "empty list"},
        {"    idle: {schedule: [{day: mon, time: 9, replicas: 1}]}\n", 7, 40, "bad-value", "as 9-17 or 22-6"},
        {"    idle: {schedule: [{day: mon, time: '9:30-17', replicas: 1}]}\n", 7, 40, "bad-value", "whole hours"},
        {"    idle: {schedule: [{day: mon, time: 9-25, replicas: 1}]}\n", 7, 40, "bad-value", "from 0 to 24"},
        {"    idle: {schedule: [{day: mon, time: 24-6, replicas: 1}]}\n", 7, 40, "bad-value", "begins at 23"},
        {"    idle: {schedule: [{day: mon, time: 9-9, replicas: 1}]}\n", 7, 40, "bad-value", "the whole day is 0-24"},
        {"    idle: {schedule: [{day: mon, time: 1-2, timezone: europe/berlin, replicas: 1}]}\n", 7, 55,
         "unknown-timezone", "did you mean \"Europe/Berlin\"?"},
        {"    idle: {schedule: [{day: mon, time: 1-2, timezone: ../etc, replicas: 1}]}\n", 7, 55, "unknown-timezone",
         "not the name of a time zone"},
        {"    idle: {usage_based: 3}\n", 7, 25, "wrong-type", "must be a mapping"},
        {"    idle: {usage_based: {trigger: job, replicas: 1, duration: 5}}\n", 7, 35, "unknown-value",
         "only one is runner_allocated"},
        {"    idle: {usage_based: {duration: 5}}\n", 7, 25, "missing-key", "no replicas"},
        {"    idle: {usage_based: {replicas: 1}}\n", 7, 25, "missing-key", "no duration"},
        {"    idle: {usage_based: {replicas: 1, duration: 0}}\n", 7, 49, "bad-value", "from 1 to 10080"},
        {"    idle: {usage_based: {replicas: 1, duration: 1h}}\n", 7, 49, "bad-value", "found 1h"},
        {"    idle: {replica: 1}\n", 7, 12, "unknown-key", "did you mean \"replicas\"?"},
        {"    workflow: ci.yml\n    idle: {replicas: 1}\n", 8, 11, "idle-refused", "workflow limits"},
        {"    run_only_when_triggered_by: team\n    idle: {replicas: 1}\n", 8, 11, "idle-refused",
         "run_only_when_triggered_by limits"},
        {"    idle: {replicas: 1}\nrun_only_when_triggered_by: team\n", 7, 11, "idle-refused",
         "run_only_when_triggered_by limits"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_CIRUN struct cirun_yml *c = file_with(bad[i].idle);
        const struct cirun_diag *d = NULL;

        for (size_t k = 0; k < c->n_diags && d == NULL; k++) {
            if (strcmp(c->diags[k].rule, bad[i].rule) == 0)
                d = &c->diags[k];
        }
        if (d == NULL) {
            fail_msg("no diagnostic %s for: %s", bad[i].rule, bad[i].idle);
            return;
        }
        if (d->line != bad[i].line || d->column != bad[i].column || strstr(d->message, bad[i].says) == NULL)
            fail_msg("expected %d:%d \"%s\", got %d:%d %s", bad[i].line, bad[i].column, bad[i].says, d->line, d->column,
                     d->message);
        assert_non_null(cirun_rule_find(d->rule));
        assert_int_equal(cirun_rule_find(d->rule)->severity, d->severity);
        assert_true(c->n_runners == 0 || c->runners[0].idle.kind == IDLE_NONE);
    }
}

static void test_idle__a_host_without_zones_leaves_the_entry_out_and_the_file_stands(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = NULL;

    (void)state;
    assert_int_equal(setenv("TZDIR", "/nowhere/at/all", 1), 0);
    c = file_with(
        "    idle: {schedule: [{day: mon, time: 0-24, timezone: Europe/Berlin, replicas: 1}, {day: mon, time: "
        "0-24, timezone: UTC, replicas: 2}]}\n");
    assert_int_equal(unsetenv("TZDIR"), 0);
    assert_int_equal(c->n_errors, 0);
    assert_int_equal(c->n_diags, 1);
    assert_string_equal(c->diags[0].rule, "no-timezones");
    assert_non_null(strstr(c->diags[0].message, "tzdata"));
    assert_int_equal(idle_wanted(&c->runners[0].idle, at("2026-06-01T12:00:00Z"), 0), 2);
}

/* --- a whole year against the plain reading of the rules, on the C library's clock ---------------------------------
 */

struct plain {
    const char *days; /* by first letters, from Monday */
    int from, to, replicas;
};

static const struct plain plain[] = {
    {"12345..", 9, 17, 2}, {"....56.", 22, 6, 3}, {"0.....7", 0, 24, 1}, {"..3....", 23, 1, 5}};

static int plainly(int minute_of_week)
{
    int day = minute_of_week / 1440, hour = minute_of_week % 1440 / 60, most = 0;

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        const struct plain *p = &plain[i];
        bool today = p->days[day] != '.' && hour >= p->from && (hour < p->to || p->to < p->from);
        bool last_night = p->days[(day + 6) % 7] != '.' && p->to < p->from && hour < p->to;

        if ((today || last_night) && p->replicas > most)
            most = p->replicas;
    }
    return most;
}

static void compare_year(const char *zone, int year)
{
    char idle[1000];
    struct zone_year y;
    int64_t change = 0;
    int before = 0;

    (void)snprintf(
        idle, sizeof(idle),
        "    idle: {schedule: [{day: mon-fri, time: 9-17, timezone: %s, replicas: 2}, {day: 'fri,sat', time: "
        "22-6, timezone: %s, replicas: 3}, {day: sun-mon, time: 0-24, timezone: %s, replicas: 1}, {day: wed, "
        "time: 23-1, timezone: %s, replicas: 5}]}\n",
        zone, zone, zone, zone);
    AUTO_CIRUN struct cirun_yml *c = file_with(idle);
    const struct idle_spec *s = spec_of(c);

    zone_year_open(&y, zone, year);
    for (size_t i = 0; i < y.n; i++) {
        int64_t now = (y.from_s + (int64_t)i * 60) * 1000;
        int wanted = idle_wanted(s, now, 0);

        if (wanted != plainly(y.minutes[i]))
            fail_msg("%s at %lld: expected %d, got %d", zone, (long long)now, plainly(y.minutes[i]), wanted);
        if (now < change)
            assert_int_equal(wanted, before); /* what was foretold holds until then */
        if (now >= change)
            change = idle_next_change(s, now, 0);
        assert_true(change > now);
        before = wanted;
    }
    zone_year_close(&y);
}

static void test_idle__a_schedule_holds_minute_by_minute_in_ten_zones_for_a_year(void **state)
{
    (void)state;
    for (size_t i = 0; i < zone_names_n; i++)
        compare_year(zone_names[i], 2026);
    compare_year("Pacific/Apia", 2011);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle__replicas_is_the_same_at_all_times),
        cmocka_unit_test(test_idle__a_runner_without_idle_wants_none),
        cmocka_unit_test(test_idle__a_working_week_in_berlin_follows_its_daylight_saving),
        cmocka_unit_test(test_idle__a_wrapped_time_belongs_to_the_day_on_which_it_begins),
        cmocka_unit_test(test_idle__ranges_wrap_round_the_week_and_sunday_night_ends_on_monday),
        cmocka_unit_test(test_idle__the_hour_that_spring_leaves_out_is_not_there_and_autumn_s_holds_twice),
        cmocka_unit_test(test_idle__days_are_names_ranges_and_lists_of_them),
        cmocka_unit_test(test_idle__usage_counts_from_the_last_allocation),
        cmocka_unit_test(test_idle__each_mistake_has_its_place_and_its_name),
        cmocka_unit_test(test_idle__a_host_without_zones_leaves_the_entry_out_and_the_file_stands),
        cmocka_unit_test(test_idle__a_schedule_holds_minute_by_minute_in_ten_zones_for_a_year),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
