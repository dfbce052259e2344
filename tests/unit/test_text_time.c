#include "tests/support/unit.h"

#include "server/base/text.h"

#include <stdio.h>
#include <time.h>

static int64_t rfc3339(const char *s)
{
    struct err e;
    int64_t ms = -1;

    assert_ok(text_rfc3339_ms(s, strlen(s), &ms, &e), e);
    return ms;
}

static void test_text_time__rfc3339_in_utc_with_offset_and_fraction(void **state)
{
    (void)state;
    assert_int_equal(rfc3339("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(rfc3339("2021-09-13T02:21:13Z"), 1631499673000);
    assert_int_equal(rfc3339("2021-09-13T04:21:13+02:00"), 1631499673000);
    assert_int_equal(rfc3339("2021-09-12T20:51:13-05:30"), 1631499673000);
    assert_int_equal(rfc3339("2021-09-13T02:21:13.5Z"), 1631499673500);
    assert_int_equal(rfc3339("2021-09-13T02:21:13.123456789Z"), 1631499673123);
    assert_int_equal(rfc3339("2021-09-13T02:21:13.007+00:00"), 1631499673007);
    assert_int_equal(rfc3339("2024-02-29T00:00:00Z"), 1709164800000);
    assert_int_equal(rfc3339("1969-12-31T23:59:59.999Z"), -1);
    assert_int_equal(rfc3339("2016-12-31T23:59:60Z"), rfc3339("2017-01-01T00:00:00Z"));
    assert_int_equal(rfc3339("0000-03-01t00:00:00z"), -62162035200000);
}

static void test_text_time__rfc3339_refuses_what_is_no_moment(void **state)
{
    static const char *const bad[] = {"",
                                      "2021-09-13",
                                      "2021-09-13T02:21:13",
                                      "2021-09-13 02:21:13Z",
                                      "2021-13-13T02:21:13Z",
                                      "2021-00-13T02:21:13Z",
                                      "2021-09-31T02:21:13Z",
                                      "2021-02-29T02:21:13Z",
                                      "1900-02-29T02:21:13Z",
                                      "2021-09-00T02:21:13Z",
                                      "2021-09-13T24:00:00Z",
                                      "2021-09-13T02:60:13Z",
                                      "2021-09-13T02:21:61Z",
                                      "2021-09-13T02:21:13.Z",
                                      "2021-09-13T02:21:13+0200",
                                      "2021-09-13T02:21:13+24:00",
                                      "2021-09-13T02:21:13+02:60",
                                      "2021-09-13T02:21:13ZZ",
                                      "2021-09-13T02:21:13Z ",
                                      "02021-09-13T02:21:13Z",
                                      "2021-9-13T02:21:13.000000Z",
                                      "-021-09-13T02:21:13Z",
                                      "2021-09-13T02:21:1aZ",
                                      "2021-09-13T02:21:13,5Z"};
    int64_t ms = 5;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(text_rfc3339_ms(bad[i], strlen(bad[i]), &ms, &e), ERR_INVALID, "expected a time", e);
    assert_int_equal(ms, 5);
}

static void test_text_time__rfc3339_reads_no_further_than_its_length(void **state)
{
    int64_t ms = 0;
    struct err e;

    (void)state;
    assert_ok(text_rfc3339_ms("2021-09-13T02:21:13Zjunk", 20, &ms, &e), e);
    assert_fails(text_rfc3339_ms("2021-09-13T02:21:13Z", 19, &ms, &e), ERR_INVALID, "expected a time", e);
}

/* Against the C library's calendar, over all years that the format can write. */
static void test_text_time__times_round_trip_and_agree_with_the_c_library(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t span = 62167219200 + 253402300800;
        int64_t s = (int64_t)(((uint64_t)unit_random(&seed) << 31 | unit_random(&seed)) % (uint64_t)span) - 62167219200;
        time_t t = (time_t)s;
        char text[21], expected[64];
        struct tm tm;

        assert_non_null(gmtime_r(&t, &tm));
        (void)snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        text_format_rfc3339(s * 1000 + unit_random(&seed) % 1000, text);
        assert_string_equal(text, expected);
        assert_int_equal(rfc3339(text), s * 1000);
    }
}

static void test_text_time__formatting_a_time_out_of_range_stays_in_its_buffer(void **state)
{
    char text[21];

    (void)state;
    text_format_rfc3339(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    text_format_rfc3339(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
    text_format_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59Z");
}

static void test_text_time__http_dates_are_read_as_rfc_1123_writes_them(void **state)
{
    static const char *const bad[] = {"",
                                      "Mon, 13 Sep 2021 02:21:13",
                                      "Mon, 13 Sep 2021 02:21:13 UTC",
                                      "Mon, 13 Sep 2021 02:21:13 GMT ",
                                      "Mon, 31 Feb 2021 02:21:13 GMT",
                                      "Mon, 13 Sbp 2021 02:21:13 GMT",
                                      "Xxx, 13 Sep 2021 02:21:13 GMT",
                                      "Mon, 13 Sep 2021 25:21:13 GMT",
                                      "Monday, 13-Sep-21 02:21:13 GMT",
                                      "Mon Sep 13 02:21:13 2021"};
    int64_t ms = 0;
    struct err e;

    (void)state;
    assert_ok(text_http_date_ms("Mon, 13 Sep 2021 02:21:13 GMT", &ms, &e), e);
    assert_int_equal(ms, 1631499673000);
    assert_ok(text_http_date_ms("Sun, 06 Nov 1994 08:49:37 GMT", &ms, &e), e);
    assert_int_equal(ms, 784111777000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(text_http_date_ms(bad[i], &ms, &e), ERR_INVALID, "expected a date", e);
    assert_int_equal(ms, 784111777000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_time__rfc3339_in_utc_with_offset_and_fraction),
        cmocka_unit_test(test_text_time__rfc3339_refuses_what_is_no_moment),
        cmocka_unit_test(test_text_time__rfc3339_reads_no_further_than_its_length),
        cmocka_unit_test(test_text_time__times_round_trip_and_agree_with_the_c_library),
        cmocka_unit_test(test_text_time__formatting_a_time_out_of_range_stays_in_its_buffer),
        cmocka_unit_test(test_text_time__http_dates_are_read_as_rfc_1123_writes_them),
    };

    return cmocka_run_group_tests_name("text_time", tests, NULL, NULL);
}
