#include "tests/support/unit.h"

#include "server/base/text.h"

#include <errno.h>

static void test_err__set_fills_kind_and_text_and_returns_minus_one(void **state)
{
    struct err e = {.kind = ERR_NONE, .retry_after_s = 77};

    (void)state;
    assert_int_equal(err_set(&e, ERR_QUOTA, "limit of %d reached", 5), -1);
    assert_int_equal(e.kind, ERR_QUOTA);
    assert_int_equal(e.retry_after_s, 0);
    assert_string_equal(e.msg, "limit of 5 reached");
}

static void test_err__wrap_keeps_kind_and_wait(void **state)
{
    struct err e;

    (void)state;
    (void)!err_set(&e, ERR_THROTTLED, "slow down");
    e.retry_after_s = 30;
    assert_int_equal(err_wrap(&e, "launch %s", "m1"), -1);
    assert_int_equal(err_wrap(&e, "job %d", 7), -1);
    assert_int_equal(e.kind, ERR_THROTTLED);
    assert_int_equal(e.retry_after_s, 30);
    assert_string_equal(e.msg, "job 7: launch m1: slow down");
}

static void test_err__sys_appends_the_system_reason(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_sys(&e, ERR_RETRY, ENOSPC, "write %s", "/x/y"), -1);
    assert_int_equal(e.kind, ERR_RETRY);
    assert_string_equal(e.msg, "write /x/y: No space left on device");
}

static void test_err__text_stays_on_one_line(void **state)
{
    struct err e;

    (void)state;
    (void)!err_set(&e, ERR_INVALID, "a\nb\r\tc\x1b[31m\x7f");
    assert_string_equal(e.msg, "a b  c [31m ");
}

/* Whatever stands at the ceiling, the text is cut before a character, never inside one. */
static void test_err__overlong_text_is_cut_between_utf8_characters(void **state)
{
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    struct err e;

    (void)state;
    for (size_t c = 0; c < 4; c++) {
        size_t width = strlen(characters[c]);

        for (size_t lead = 0; lead < 4; lead++) {
            char text[1024] = "xxxx";
            size_t n = lead;

            for (; n + width < sizeof(text); n += width)
                memcpy(text + n, characters[c], width + 1);
            (void)!err_set(&e, ERR_INVALID, "%s", text);
            assert_true(text_utf8_valid(e.msg, strlen(e.msg)));
            assert_in_range(strlen(e.msg), sizeof(e.msg) - width, sizeof(e.msg) - 1);
            assert_memory_equal(e.msg, text, strlen(e.msg));
        }
    }
}

static void test_err__a_piece_cut_inside_a_character_loses_what_is_left_of_it(void **state)
{
    struct err e;

    (void)state;
    (void)!err_set(&e, ERR_INVALID, "unknown \"%.3s\" here", "xy\xC3\xA9z");
    assert_string_equal(e.msg, "unknown \"xy\" here");
}

static void test_err__wrap_of_a_full_text_keeps_the_front_and_ends_with_nul(void **state)
{
    char text[2 * sizeof(((struct err *)NULL)->msg)];
    struct err e;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)!err_set(&e, ERR_INVALID, "%s", text);
    (void)!err_wrap(&e, "here");
    assert_true(text_has_prefix(e.msg, "here: xxx"));
    assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
    (void)!err_wrap(&e, "%s", text);
    assert_true(text_has_prefix(e.msg, "xxx"));
    assert_int_equal(strlen(e.msg), sizeof(e.msg) - 1);
}

static void test_err__only_throttled_and_retry_pass_by_themselves(void **state)
{
    (void)state;
    for (int k = ERR_NONE; k <= ERR_BUG; k++) {
        struct err e = {.kind = (enum err_kind)k};

        assert_int_equal(err_is_passing(&e), k == ERR_THROTTLED || k == ERR_RETRY);
    }
}

static void test_err__each_kind_has_its_own_word(void **state)
{
    (void)state;
    assert_string_equal(err_kind_name(ERR_CAPACITY), "capacity");
    assert_string_equal(err_kind_name(ERR_GONE), "gone");
    for (int a = ERR_NONE; a <= ERR_BUG; a++) {
        for (int b = ERR_NONE; b < a; b++)
            assert_string_not_equal(err_kind_name((enum err_kind)a), err_kind_name((enum err_kind)b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__set_fills_kind_and_text_and_returns_minus_one),
        cmocka_unit_test(test_err__wrap_keeps_kind_and_wait),
        cmocka_unit_test(test_err__sys_appends_the_system_reason),
        cmocka_unit_test(test_err__text_stays_on_one_line),
        cmocka_unit_test(test_err__overlong_text_is_cut_between_utf8_characters),
        cmocka_unit_test(test_err__a_piece_cut_inside_a_character_loses_what_is_left_of_it),
        cmocka_unit_test(test_err__wrap_of_a_full_text_keeps_the_front_and_ends_with_nul),
        cmocka_unit_test(test_err__only_throttled_and_retry_pass_by_themselves),
        cmocka_unit_test(test_err__each_kind_has_its_own_word),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
