#include "tests/support/unit.h"

#include "server/base/text.h"

#include <stdio.h>
#include <stdlib.h>

static void test_text__i64_takes_canonical_decimals_only(void **state)
{
    static const char *const bad[] = {"",    "-",   "+1",  "01",  "-0",  "00",  " 1", "1 ",   "1x",
                                      "--1", "1.0", "1e3", "0x1", "1_0", "\n1", "٣",  "1,000"};
    struct err e;
    int64_t v = 42;

    (void)state;
    assert_ok(text_i64("0", -10, 10, &v, &e), e);
    assert_int_equal(v, 0);
    assert_ok(text_i64("-10", -10, 10, &v, &e), e);
    assert_int_equal(v, -10);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(text_i64(bad[i], INT64_MIN, INT64_MAX, &v, &e), ERR_INVALID, "expected a whole number", e);
    assert_int_equal(v, -10);
}

static void test_text__i64_keeps_to_its_limits(void **state)
{
    struct err e;
    int64_t v = 42;

    (void)state;
    assert_ok(text_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v, &e), e);
    assert_true(v == INT64_MAX);
    assert_ok(text_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v, &e), e);
    assert_true(v == INT64_MIN);
    assert_fails(text_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v, &e), ERR_INVALID, "from", e);
    assert_fails(text_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v, &e), ERR_INVALID, "from", e);
    assert_fails(text_i64("99999999999999999999999", INT64_MIN, INT64_MAX, &v, &e), ERR_INVALID, "from", e);
    assert_fails(text_i64("11", -10, 10, &v, &e), ERR_INVALID, "from -10 to 10, found 11", e);
    assert_fails(text_i64("-11", -10, 10, &v, &e), ERR_INVALID, "from -10 to 10, found -11", e);
    assert_true(v == INT64_MIN);
}

static void test_text__i64_round_trips(void **state)
{
    uint64_t seed = 5;
    struct err e;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[32];
        int64_t v = (int64_t)((uint64_t)unit_random(&seed) << 33 ^ (uint64_t)unit_random(&seed) << 4), back = 0;

        v >>= unit_random(&seed) % 64;
        (void)snprintf(text, sizeof(text), "%lld", (long long)v);
        assert_ok(text_i64(text, INT64_MIN, INT64_MAX, &back, &e), e);
        assert_true(back == v);
    }
}

static void test_text__bool_takes_the_words_of_yaml(void **state)
{
    static const char *const yes[] = {"true", "yes", "on", "True", "YES", "oN"};
    static const char *const no[] = {"false", "no", "off", "False", "NO", "Off"};
    static const char *const bad[] = {"", "1", "0", "y", "n", "truee", "tru", " true", "yes "};
    struct err e;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        bool a = false, b = true;

        assert_ok(text_bool(yes[i], &a, &e), e);
        assert_ok(text_bool(no[i], &b, &e), e);
        assert_true(a);
        assert_false(b);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool v = true;

        assert_fails(text_bool(bad[i], &v, &e), ERR_INVALID, "expected true or false", e);
        assert_true(v);
    }
}

static void test_text__durations_are_sums_of_falling_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"90s", 90000},     {"15m", 900000},        {"24h", 86400000},         {"7d", 604800000},
                {"500ms", 500},     {"1h30m", 5400000},     {"1d2h3m4s5ms", 93784005}, {"0s", 0},
                {"1h05m", 3900000}, {"3650d", 315360000000}};
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "-5s",
                                      "+5s",
                                      "5 s",
                                      " 5s",
                                      "5s ",
                                      "1.5h",
                                      "5S",
                                      "5sec",
                                      "1m1h",
                                      "1s1s",
                                      "1h5",
                                      "5m5",
                                      "1w",
                                      "1y",
                                      "5smm",
                                      "3651d",
                                      "1000000000000000000d",
                                      "99999999999999999999s",
                                      "ms"};
    struct err e;
    int64_t v = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_ok(text_duration_ms(good[i].text, &v, &e), e);
        assert_int_equal(v, good[i].ms);
    }
    v = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(text_duration_ms(bad[i], &v, &e), ERR_INVALID, "expected a duration", e);
    assert_int_equal(v, 77);
}

static void test_text__hex_round_trips_in_either_case(void **state)
{
    uint64_t seed = 11;
    unsigned char data[64] = {0}, back[64] = {0};
    char text[129];
    struct err e;

    (void)state;
    for (size_t len = 0; len <= 64; len++) {
        unit_random_bytes(&seed, data, len);
        text_hex(data, len, text);
        assert_int_equal(strlen(text), 2 * len);
        for (size_t i = 0; i < 2 * len; i += 3)
            text[i] = text[i] >= 'a' ? (char)(text[i] - 32) : text[i];
        assert_ok(text_unhex(text, 2 * len, back, &e), e);
        assert_memory_equal(back, data, len);
    }
    text_hex((const unsigned char *)"\x00\xff\x1a", 3, text);
    assert_string_equal(text, "00ff1a");
}

static void test_text__unhex_refuses_odd_lengths_and_other_characters(void **state)
{
    unsigned char out[2] = {7, 7};
    struct err e;

    (void)state;
    assert_fails(text_unhex("abc", 3, out, &e), ERR_INVALID, "even number", e);
    assert_fails(text_unhex("00g0", 4, out, &e), ERR_INVALID, "position 3", e);
    assert_fails(text_unhex("0x00", 4, out, &e), ERR_INVALID, "position 2", e);
    assert_int_equal(out[0], 7);
}

/* RFC 4648, section 10. */
static void test_text__base64_gives_the_answers_of_rfc_4648(void **state)
{
    static const char *const vectors[][2] = {{"", ""},
                                             {"f", "Zg=="},
                                             {"fo", "Zm8="},
                                             {"foo", "Zm9v"},
                                             {"foob", "Zm9vYg=="},
                                             {"fooba", "Zm9vYmE="},
                                             {"foobar", "Zm9vYmFy"}};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        AUTO_BUF struct buf out = BUF_INIT(100);
        AUTO_BUF struct buf back = BUF_INIT(100);
        const char *s = NULL;

        text_base64(&out, vectors[i][0], strlen(vectors[i][0]));
        assert_ok(buf_str(&out, &s, &e), e);
        assert_string_equal(s, vectors[i][1]);
        assert_ok(text_unbase64(s, strlen(s), &back, &e), e);
        assert_ok(buf_str(&back, &s, &e), e);
        assert_string_equal(s, vectors[i][0]);
    }
}

static void test_text__base64url_differs_in_two_characters_and_padding(void **state)
{
    AUTO_BUF struct buf a = BUF_INIT(100);
    AUTO_BUF struct buf b = BUF_INIT(100);

    (void)state;
    text_base64(&a, "\xfb\xff\xbf\xfe", 4);
    text_base64url(&b, "\xfb\xff\xbf\xfe", 4);
    assert_string_equal(a.p, "+/+//g==");
    assert_string_equal(b.p, "-_-__g");
}

static void test_text__base64_round_trips_any_bytes(void **state)
{
    uint64_t seed = 13;
    unsigned char data[300];
    struct err e;

    (void)state;
    for (size_t len = 0; len < sizeof(data); len++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        AUTO_BUF struct buf back = BUF_INIT(1000);

        unit_random_bytes(&seed, data, len);
        text_base64(&out, data, len);
        assert_ok(text_unbase64(out.len > 0 ? out.p : "", out.len, &back, &e), e);
        assert_int_equal(back.len, len);
        if (len > 0)
            assert_memory_equal(back.p, data, len);
    }
}

static void test_text__unbase64_takes_the_one_canonical_form_and_appends_all_or_nothing(void **state)
{
    static const char *const bad[] = {
        "Z",    "Zg",     "Zg=",  "Zh==",     "Zm9=",     "Z===",     "====",     "=g==",
        "Zg=a", "Zm9v\n", "Zm 9", "Zm9vZ-_=", "Zg==Zg==", "Zm9vYg=v", "Zm9vY===", "Zm9v="};
    AUTO_BUF struct buf out = BUF_INIT(100);
    struct err e;

    (void)state;
    buf_adds(&out, "kept");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_fails(text_unbase64(bad[i], strlen(bad[i]), &out, &e), ERR_INVALID, "expected base64", e);
        assert_int_equal(out.len, 4);
        assert_string_equal(out.p, "kept");
    }
}

static void test_text__url_escape_keeps_only_unreserved_characters(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(1000);

    (void)state;
    text_url_escape(&out, "AZaz09-._~", 10);
    text_url_escape(&out, " /?&=%+\0\xC3\xA9", 10);
    assert_string_equal(out.p, "AZaz09-._~%20%2F%3F%26%3D%25%2B%00%C3%A9");
}

static void test_text__url_escaping_round_trips_any_bytes(void **state)
{
    uint64_t seed = 17;
    struct err e;

    (void)state;
    for (int i = 0; i < 500; i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        AUTO_BUF struct buf back = BUF_INIT(1000);
        char data[60];
        size_t len = 1 + unit_random(&seed) % sizeof(data);

        unit_random_bytes(&seed, data, len);
        text_url_escape(&out, data, len);
        assert_ok(text_url_unescape(out.p, out.len, i % 2 == 0, &back, &e), e);
        assert_int_equal(back.len, len);
        assert_memory_equal(back.p, data, len);
    }
}

static void test_text__url_unescape_reads_plus_as_space_only_in_forms(void **state)
{
    AUTO_BUF struct buf form = BUF_INIT(100);
    AUTO_BUF struct buf url = BUF_INIT(100);
    struct err e;

    (void)state;
    assert_ok(text_url_unescape("a+b%2Bc%2b+", 11, true, &form, &e), e);
    assert_ok(text_url_unescape("a+b%2Bc%2b+", 11, false, &url, &e), e);
    assert_string_equal(form.p, "a b+c+ ");
    assert_string_equal(url.p, "a+b+c++");
}

static void test_text__url_unescape_refuses_broken_escapes_and_appends_nothing(void **state)
{
    static const char *const bad[] = {"%", "abc%", "abc%2", "%zz", "%2", "%%20", "%-1", "% 1", "ok%20%u0041"};
    AUTO_BUF struct buf out = BUF_INIT(100);
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_fails(text_url_unescape(bad[i], strlen(bad[i]), true, &out, &e), ERR_INVALID, "hex digits", e);
        assert_int_equal(out.len, 0);
    }
}

static void test_text__utf8_takes_every_code_point_and_no_other_form(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC3",
                                      "\xC3(",
                                      "\xE0\x80\x80",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xE2\x82",
                                      "\xE2\x28\xA1",
                                      "\xF0\x80\x80\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF8\x88\x80\x80\x80",
                                      "\xFF",
                                      "\xFE",
                                      "\xF0\x9F\x98",
                                      "12345678\x80",
                                      "1234567\xC3"};

    (void)state;
    for (unsigned c = 0; c <= 0x10FFFF; c = c == 0xD7FF ? 0xE000 : c + 1) {
        char s[4];
        size_t n = 0;

        if (c < 0x80) {
            s[n++] = (char)c;
        } else if (c < 0x800) {
            s[n++] = (char)(0xC0 | c >> 6);
            s[n++] = (char)(0x80 | (c & 63));
        } else if (c < 0x10000) {
            s[n++] = (char)(0xE0 | c >> 12);
            s[n++] = (char)(0x80 | (c >> 6 & 63));
            s[n++] = (char)(0x80 | (c & 63));
        } else {
            s[n++] = (char)(0xF0 | c >> 18);
            s[n++] = (char)(0x80 | (c >> 12 & 63));
            s[n++] = (char)(0x80 | (c >> 6 & 63));
            s[n++] = (char)(0x80 | (c & 63));
        }
        if (!text_utf8_valid(s, n))
            fail_msg("U+%04X refused", c);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (text_utf8_valid(bad[i], strlen(bad[i])))
            fail_msg("bad text %zu accepted", i);
    }
    assert_true(text_utf8_valid("", 0));
    assert_false(text_utf8_valid("\xC3\xA9", 1));
}

static void test_text__tidy_keeps_one_line_of_whole_characters(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "plain \xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"},
        {"a\nb\tc\x1b\x7f", "a b c  "},
        {"\"\xC3\" and \xF0\x9F\x98", "\"\" and "},
        {"\x80\xFFx\xED\xA0\x80\xC3\xA9\xE2\x82", "x\xC3\xA9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];

        memcpy(text, cases[i][0], strlen(cases[i][0]) + 1);
        text_tidy(text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void test_text__comparisons_fold_ascii_only(void **state)
{
    (void)state;
    assert_true(text_ieq("Self-Hosted", "sELF-hOSTED"));
    assert_true(text_ieq("", ""));
    assert_false(text_ieq("a", "ab"));
    assert_false(text_ieq("ab", "a"));
    assert_false(text_ieq("\xC3\x84", "\xC3\xA4")); /* A and a with diaeresis */
    assert_false(text_ieq("@", "`"));
    assert_false(text_ieq("[", "{"));
    assert_int_equal(text_lower('Z'), 'z');
    assert_int_equal(text_lower('['), '[');
}

static void test_text__prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(text_has_prefix("muster-1", "muster-"));
    assert_true(text_has_prefix("x", ""));
    assert_false(text_has_prefix("must", "muster"));
    assert_true(text_has_suffix("a.yml", ".yml"));
    assert_true(text_has_suffix("x", ""));
    assert_false(text_has_suffix("yml", ".yml"));
}

static void test_text__glob_matches_runs_and_single_characters(void **state)
{
    static const struct {
        const char *pattern, *s;
        bool match;
    } cases[] = {
        {"", "", true},
        {"*", "", true},
        {"*", "anything", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "\xC3\xA9", true},
        {"??", "\xC3\xA9", false},
        {"a*c", "abbbc", true},
        {"a*c", "abbbd", false},
        {"a*b*c", "aXbYbZc", true},
        {"**a**", "xxaxx", true},
        {"org/*", "org/repo", true},
        {"org/*", "Org/repo", false},
        {"*.yml", "a.yml", true},
        {"*.yml", "a.yaml", false},
        {"abc", "abcd", false},
        {"abcd", "abc", false},
        {"*ab", "aab", true},
        {"a?c*", "abc", true},
        {"[a]", "a", false},
        {"?*", "", false},
        {"*?", "\xE2\x82\xAC", true},
        {"\\*", "\\x", true},
        {"*a*a*a*b", "aaaaaaaaaaaac", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (text_glob(cases[i].pattern, cases[i].s) != cases[i].match)
            fail_msg("\"%s\" against \"%s\"", cases[i].pattern, cases[i].s);
    }
}

static void test_text__glob_with_many_stars_ends_at_once(void **state)
{
    char pattern[201], s[20001];

    (void)state;
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[199] = 'b';
    pattern[200] = '\0';
    memset(s, 'a', 20000);
    s[20000] = '\0';
    assert_false(text_glob(pattern, s));
}

static void test_text__nearest_finds_slips_of_the_pen(void **state)
{
    static const char *const keys[] = {"instance_type", "machine_image", "region", "preemptible", "labels", "gpu"};
    static const char *const slips[][2] = {{"instance_typ", "instance_type"},
                                           {"instnace_type", "instance_type"},
                                           {"machine_imgae", "machine_image"},
                                           {"Region", "region"},
                                           {"reigon", "region"},
                                           {"preemtible", "preemptible"},
                                           {"label", "labels"},
                                           {"gup", "gpu"},
                                           {"gpus", "gpu"},
                                           {"InstanceType", "instance_type"}};
    static const char *const others[] = {"", "x", "cloud", "zone", "password", "something_else_entirely"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slips); i++) {
        const char *found = text_nearest(slips[i][0], keys, ARRAY_LEN(keys));

        assert_non_null(found);
        assert_string_equal(found, slips[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_null(text_nearest(others[i], keys, ARRAY_LEN(keys)));
    assert_null(text_nearest("gpu", keys, 0));
}

static void test_text__nearest_prefers_the_closer_one_and_ignores_giants(void **state)
{
    static const char *const keys[] = {"regional", "regions", "region"};
    char giant[500];
    const char *const giants[] = {giant};

    (void)state;
    memset(giant, 'a', sizeof(giant) - 1);
    giant[sizeof(giant) - 1] = '\0';
    assert_string_equal(text_nearest("regionn", keys, 3), "regions");
    assert_string_equal(text_nearest("regionx", keys + 2, 1), "region");
    assert_null(text_nearest(giant, keys, 3));
    assert_null(text_nearest("aaaa", giants, 1));
}

static void test_text__errors_show_a_bounded_piece_of_a_wrong_text(void **state)
{
    char text[1000];
    struct err e;
    int64_t v = 0;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xC3\xA9", 3);
    for (size_t lead = 0; lead < 2; lead++) {
        assert_fails(text_i64(text, 0, 9, &v, &e), ERR_INVALID, "found", e);
        assert_true(strlen(e.msg) < 120);
        assert_true(text_utf8_valid(e.msg, strlen(e.msg)));
        text[0] = 'x';
        text[1] = 'y';
        memmove(text + 1, text + 2, sizeof(text) - 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__i64_takes_canonical_decimals_only),
        cmocka_unit_test(test_text__i64_keeps_to_its_limits),
        cmocka_unit_test(test_text__i64_round_trips),
        cmocka_unit_test(test_text__bool_takes_the_words_of_yaml),
        cmocka_unit_test(test_text__durations_are_sums_of_falling_units),
        cmocka_unit_test(test_text__hex_round_trips_in_either_case),
        cmocka_unit_test(test_text__unhex_refuses_odd_lengths_and_other_characters),
        cmocka_unit_test(test_text__base64_gives_the_answers_of_rfc_4648),
        cmocka_unit_test(test_text__base64url_differs_in_two_characters_and_padding),
        cmocka_unit_test(test_text__base64_round_trips_any_bytes),
        cmocka_unit_test(test_text__unbase64_takes_the_one_canonical_form_and_appends_all_or_nothing),
        cmocka_unit_test(test_text__url_escape_keeps_only_unreserved_characters),
        cmocka_unit_test(test_text__url_escaping_round_trips_any_bytes),
        cmocka_unit_test(test_text__url_unescape_reads_plus_as_space_only_in_forms),
        cmocka_unit_test(test_text__url_unescape_refuses_broken_escapes_and_appends_nothing),
        cmocka_unit_test(test_text__utf8_takes_every_code_point_and_no_other_form),
        cmocka_unit_test(test_text__tidy_keeps_one_line_of_whole_characters),
        cmocka_unit_test(test_text__comparisons_fold_ascii_only),
        cmocka_unit_test(test_text__prefix_and_suffix),
        cmocka_unit_test(test_text__glob_matches_runs_and_single_characters),
        cmocka_unit_test(test_text__glob_with_many_stars_ends_at_once),
        cmocka_unit_test(test_text__nearest_finds_slips_of_the_pen),
        cmocka_unit_test(test_text__nearest_prefers_the_closer_one_and_ignores_giants),
        cmocka_unit_test(test_text__errors_show_a_bounded_piece_of_a_wrong_text),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
