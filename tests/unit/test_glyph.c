#include "tests/support/unit.h"

#include "server/base/attr.h"
#include "server/cli/glyph.h"

static void test_glyph__columns_are_those_of_a_terminal(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        int width;
    } cases[] = {{"a", 1, 1}, {"é", 2, 1},        {"漢", 3, 2},           {"ｱ", 3, 1}, {"Ａ", 3, 2}, {"한", 3, 2},
                 {"🚀", 4, 2}, {"\xcc\x81", 2, 0}, {"\xe2\x80\x8d", 3, 0}, {"ß", 2, 1}, {"я", 2, 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct glyph g = glyph_next(cases[i].text, strlen(cases[i].text));

        assert_int_equal(g.len, cases[i].len);
        assert_int_equal(g.width, cases[i].width);
        assert_int_equal(g.shown_len, cases[i].len);
        assert_memory_equal(g.shown, cases[i].text, g.shown_len);
    }
}

static void test_glyph__what_could_steer_a_terminal_is_a_question_mark(void **state)
{
    /* escape, delete, C1's CSI, turn of the writing direction, zero width mark, line separator, half a character */
    static const char *const cases[] = {"\x1b",         "\x7f",         "\xc2\x9b",     "\xe2\x80\xae",
                                        "\xe2\x80\x8f", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xff"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct glyph g = glyph_next(cases[i], strlen(cases[i]));

        assert_int_equal(g.len, strlen(cases[i]));
        assert_int_equal(g.width, 1);
        assert_memory_equal(g.shown, "?", 1);
    }
    assert_memory_equal(glyph_next("\t", 1).shown, " ", 1);
    assert_int_equal(glyph_next("\xe6\xbc", 2).len, 1);
    assert_int_equal(glyph_next("\xed\xa0\x80", 3).len, 1); /* a surrogate */
    assert_int_equal(glyph_next("\xc0\xaf", 2).len, 1);     /* an over-long form */
}

static void test_glyph__skipping_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(glyph_skip("aé漢b", 7, 3), 6);
    assert_int_equal(glyph_skip("ab", 2, 9), 2);
    assert_int_equal(glyph_skip("", 0, 1), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glyph__columns_are_those_of_a_terminal),
        cmocka_unit_test(test_glyph__what_could_steer_a_terminal_is_a_question_mark),
        cmocka_unit_test(test_glyph__skipping_counts_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
