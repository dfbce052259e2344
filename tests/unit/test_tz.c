#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/base/tz.h"
#include "server/base/tz_rule.h"
#include "tests/support/zone.h"

#include <stdio.h>

static void free_arena(struct arena **a)
{
    arena_free(*a);
}
#define AUTO_ARENA AUTO(free_arena)

static const struct tz *load(struct arena *a, const char *name)
{
    const struct tz *z = NULL;
    struct err e;

    assert_ok(tz_load(a, name, &z, &e), e);
    return z;
}

static void compare_year(const char *name, int year)
{
    AUTO_ARENA struct arena *a = arena_new();
    const struct tz *z = load(a, name);
    struct zone_year y;
    struct tz_span span = {0, INT64_MIN};

    zone_year_open(&y, name, year);
    for (size_t i = 0; i < y.n; i++) {
        struct tz_clock c;
        struct tz_span now;
        int64_t t = y.from_s + (int64_t)i * 60;

        tz_local(z, t, &c);
        if (y.minutes[i] != c.weekday * 1440 + c.hour * 60 + c.minute || y.seconds[i] != c.second)
            fail_msg("%s at %lld: the system says %d, we say %d/%02d:%02d:%02d", name, (long long)t, y.minutes[i],
                     c.weekday, c.hour, c.minute, c.second);
        tz_at(z, t, &now); /* and it holds as long as it was said to */
        assert_true(now.until_s > t && (t >= span.until_s || now.offset_s == span.offset_s));
        span = now;
    }
    zone_year_close(&y);
}

static void test_tz__agrees_with_the_system_s_zone_database_over_a_year_minute_by_minute(void **state)
{
    (void)state;
    for (size_t i = 0; i < zone_names_n; i++)
        compare_year(zone_names[i], 2026);
}

/* Apia left out a day in 2011, Casablanca changed four times a year, Moscow and Istanbul changed their minds. */
static void test_tz__agrees_in_years_of_odd_rules_and_behind_the_end_of_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < zone_names_n; i += 3)
        compare_year(zone_names[i], 2089);
    compare_year("Pacific/Apia", 2011);
    compare_year("Africa/Casablanca", 2012);
    compare_year("Europe/Moscow", 2014);
    compare_year("Europe/Istanbul", 2016);
    compare_year("Europe/Dublin", 2061);
    compare_year("America/New_York", 1974);
    compare_year("Antarctica/Troll", 2044);
}

/* In the last hours of 2026 the change of that year is still to come, and the one of the year before holds. */
static void test_tz__a_day_of_the_year_may_lie_behind_its_end(void **state)
{
    const int64_t year = 1798761600; /* 2027-01-01T00:00:00Z */
    struct tz_rule r;
    struct tz_span span;
    struct err e;

    (void)state;
    assert_ok(tz_rule_parse("IST-5:55EDT,365,0", &r, &e), e);
    tz_rule_at(&r, year - 19800, &span);
    assert_int_equal(span.offset_s, 24900);
    assert_int_equal(span.until_s, year - 17700);
    tz_rule_at(&r, span.until_s, &span);
    assert_int_equal(span.offset_s, 21300);
    assert_int_equal(span.until_s, year - 14100);
}

static void test_tz__utc_needs_no_database(void **state)
{
    AUTO_ARENA struct arena *a = arena_new();
    const struct tz *z = NULL;
    struct tz_clock c;
    struct tz_span span;
    struct err e;

    (void)state;
    assert_int_equal(setenv("TZDIR", "/nowhere/at/all", 1), 0);
    z = load(a, "UTC");
    tz_local(z, 1798761599, &c); /* 2026-12-31T23:59:59Z, a Thursday */
    assert_true(c.weekday == 3 && c.hour == 23 && c.minute == 59 && c.second == 59);
    tz_at(z, 0, &span);
    assert_true(span.offset_s == 0 && span.until_s == INT64_MAX);
    assert_fails(tz_load(a, "Europe/Berlin", &z, &e), ERR_GONE, "install the package tzdata", e);
    assert_int_equal(unsetenv("TZDIR"), 0);
}

static void test_tz__names_that_leave_the_folder_are_no_names(void **state)
{
    static const char *const bad[] = {"",
                                      "/etc/passwd",
                                      "../../../etc/passwd",
                                      "Europe/../Europe/Berlin",
                                      "Europe//Berlin",
                                      "Europe/",
                                      "Europe/Berlin/",
                                      "./Europe/Berlin",
                                      "Europe Berlin",
                                      "tzdata.zi",
                                      "Europe/Berl\xc3\xadn",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    AUTO_ARENA struct arena *a = arena_new();
    const struct tz *z = NULL;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(tz_load(a, bad[i], &z, &e), ERR_INVALID, "not the name of a time zone", e);
    assert_fails(tz_load(a, "Europe/Atlantis", &z, &e), ERR_INVALID, "no time zone \"Europe/Atlantis\"", e);
    assert_fails(tz_load(a, "Europe", &z, &e), ERR_INVALID, "no time zone \"Europe\"", e); /* a folder */
    assert_fails(tz_load(a, "leapseconds", &z, &e), ERR_INVALID, "no time zone", e);
    assert_null(z);
}

static void test_tz__a_set_reads_a_zone_once(void **state)
{
    AUTO_ARENA struct arena *a = arena_new();
    struct tz_set *s = tz_set_new(a);
    const struct tz *one, *two, *three;
    struct err e;

    (void)state;
    assert_ok(tz_set_get(s, "Europe/Berlin", &one, &e), e);
    assert_ok(tz_set_get(s, "Asia/Kolkata", &two, &e), e);
    assert_ok(tz_set_get(s, "Europe/Berlin", &three, &e), e);
    assert_ptr_equal(one, three);
    assert_ptr_not_equal(one, two);
}

/* A file of version 1 by hand: one change at 1000 s from +1 h to +2 h. */
static size_t small_file(unsigned char *p)
{
    static const unsigned char body[] = {0,   0, 3,    0xe8, 1,    /* the change: when, to which type */
                                         0,   0, 0x0e, 0x10, 0, 0, /* type 0: 3600 */
                                         0,   0, 0x1c, 0x20, 1, 0, /* type 1: 7200 */
                                         'X', 0};

    memset(p, 0, 44);
    memcpy(p, "TZif", 4);
    p[35] = 1;
    p[39] = 2;
    p[43] = 2;
    memcpy(p + 44, body, sizeof(body));
    return 44 + sizeof(body);
}

static void test_tz__a_file_of_version_1_ends_with_its_last_change(void **state)
{
    AUTO_ARENA struct arena *a = arena_new();
    unsigned char file[256];
    const struct tz *z = NULL;
    struct tz_span span;
    struct err e;

    (void)state;
    assert_ok(tz_parse(a, file, small_file(file), &z, &e), e);
    tz_at(z, INT64_MIN, &span);
    assert_true(span.offset_s == 3600 && span.until_s == 1000);
    tz_at(z, 999, &span);
    assert_true(span.offset_s == 3600);
    tz_at(z, 1000, &span);
    assert_true(span.offset_s == 7200 && span.until_s == INT64_MAX);
    tz_at(z, INT64_MAX, &span);
    assert_true(span.offset_s == 7200);
}

static void test_tz__what_contradicts_itself_is_refused(void **state)
{
    static const struct {
        size_t at;
        unsigned char value;
        const char *says;
    } bad[] = {{0, 'X', "no time zone file"},
               {4, '1', "version"},
               {4, '2', "no time zone file"},
               {32, 1, "counts"},
               {39, 0, "counts"},
               {39, 1, "change 0"},
               {39, 9, "ends too soon"},
               {31, 1, "ends too soon"},
               {48, 7, "change 0"},
               {49, 0x7f, "26 hours"},
               {36, 0x80, "out of range"},
               {43, 200, "ends too soon"},
               {23, 3, "counts"}};
    AUTO_ARENA struct arena *a = arena_new();
    unsigned char file[256];
    const struct tz *z = NULL;
    struct err e;
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        len = small_file(file);
        file[bad[i].at] = bad[i].value;
        assert_fails(tz_parse(a, file, len, &z, &e), ERR_INVALID, bad[i].says, e);
    }
    len = small_file(file);
    for (size_t cut = 0; cut < len; cut++)
        assert_fails(tz_parse(a, file, cut, &z, &e), ERR_INVALID, cut < 44 ? "no time zone file" : "too soon", e);
    assert_null(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tz__agrees_with_the_system_s_zone_database_over_a_year_minute_by_minute),
        cmocka_unit_test(test_tz__agrees_in_years_of_odd_rules_and_behind_the_end_of_the_table),
        cmocka_unit_test(test_tz__a_day_of_the_year_may_lie_behind_its_end),
        cmocka_unit_test(test_tz__utc_needs_no_database),
        cmocka_unit_test(test_tz__names_that_leave_the_folder_are_no_names),
        cmocka_unit_test(test_tz__a_set_reads_a_zone_once),
        cmocka_unit_test(test_tz__a_file_of_version_1_ends_with_its_last_change),
        cmocka_unit_test(test_tz__what_contradicts_itself_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
