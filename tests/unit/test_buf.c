#include "tests/support/unit.h"

#include "server/base/buf.h"

#include <stdlib.h>

static const char *str(const struct buf *b)
{
    const char *s = NULL;
    struct err e;

    assert_ok(buf_str(b, &s, &e), e);
    return s;
}

static void test_buf__pieces_become_one_text(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(100);

    (void)state;
    assert_string_equal(str(&b), "");
    buf_adds(&b, "a");
    buf_addc(&b, '=');
    buf_addf(&b, "%d;%s", 12, "x");
    buf_add(&b, "zzz", 2);
    assert_string_equal(str(&b), "a=12;xzz");
    assert_int_equal(b.len, 8);
}

static void test_buf__exactly_the_ceiling_fits_and_one_more_does_not(void **state)
{
    struct err e;
    const char *s = "untouched";

    (void)state;
    for (size_t max = 0; max < 200; max++) {
        AUTO_BUF struct buf b = BUF_INIT(max);

        for (size_t i = 0; i < max; i++)
            buf_addc(&b, 'x');
        assert_false(b.over);
        assert_int_equal(strlen(str(&b)), max);
        buf_addc(&b, 'y');
        assert_true(b.over);
        assert_int_equal(b.len, max);
        assert_fails(buf_str(&b, &s, &e), ERR_INVALID, "over its ceiling", e);
        assert_string_equal(s, "untouched");
    }
}

static void test_buf__after_going_over_everything_is_dropped_until_reset(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(8);
    struct err e;
    char *taken = NULL;

    (void)state;
    buf_adds(&b, "1234");
    buf_addf(&b, "%s", "too long for it");
    buf_adds(&b, "5");
    assert_int_equal(b.len, 4);
    assert_fails(buf_take(&b, &taken, &e), ERR_INVALID, "8 bytes", e);
    assert_null(taken);
    buf_reset(&b);
    assert_string_equal(str(&b), "");
    buf_adds(&b, "5");
    assert_string_equal(str(&b), "5");
}

static void test_buf__take_hands_over_and_leaves_it_empty(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(100);
    AUTO_FREE char *full = NULL;
    AUTO_FREE char *empty = NULL;
    struct err e;

    (void)state;
    buf_adds(&b, "text");
    assert_ok(buf_take(&b, &full, &e), e);
    assert_string_equal(full, "text");
    assert_int_equal(b.len, 0);
    assert_ok(buf_take(&b, &empty, &e), e);
    assert_string_equal(empty, "");
}

static void test_buf__reserve_makes_later_adds_stay_in_place(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(10000);
    const char *before;

    (void)state;
    buf_adds(&b, "start");
    buf_reserve(&b, 5000);
    assert_string_equal(str(&b), "start");
    before = b.p;
    while (b.len < 5000)
        buf_addc(&b, 'x');
    assert_ptr_equal(b.p, before);
    buf_reserve(&b, SIZE_MAX); /* no more than the ceiling */
    assert_int_equal(b.cap, 10001);
    assert_int_equal(strlen(str(&b)), 5000);
}

static void test_buf__clear_keeps_the_ceiling(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(3);

    (void)state;
    buf_adds(&b, "1234");
    buf_clear(&b);
    assert_null(b.p);
    buf_adds(&b, "123");
    assert_string_equal(str(&b), "123");
    buf_wipe(&b);
    assert_int_equal(b.max, 3);
    assert_string_equal(str(&b), "");
}

static void test_buf__a_ceiling_lowered_below_the_text_takes_nothing_more(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(100);

    (void)state;
    buf_adds(&b, "0123456789");
    b.max = 5;
    buf_addc(&b, 'x');
    assert_true(b.over);
    assert_int_equal(b.len, 10);
}

static void test_buf__the_largest_ceiling_is_no_overflow(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(SIZE_MAX);

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_adds(&b, "0123456789");
    assert_int_equal(strlen(str(&b)), 10000);
}

static void test_buf__holds_any_byte(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(5000);
    unsigned char data[4000];
    uint64_t seed = 1;

    (void)state;
    unit_random_bytes(&seed, data, sizeof(data));
    for (size_t i = 0; i < sizeof(data); i += 7)
        buf_add(&b, data + i, sizeof(data) - i < 7 ? sizeof(data) - i : 7);
    assert_int_equal(b.len, sizeof(data));
    assert_memory_equal(b.p, data, sizeof(data));
    assert_int_equal(b.p[b.len], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf__pieces_become_one_text),
        cmocka_unit_test(test_buf__exactly_the_ceiling_fits_and_one_more_does_not),
        cmocka_unit_test(test_buf__after_going_over_everything_is_dropped_until_reset),
        cmocka_unit_test(test_buf__take_hands_over_and_leaves_it_empty),
        cmocka_unit_test(test_buf__reserve_makes_later_adds_stay_in_place),
        cmocka_unit_test(test_buf__clear_keeps_the_ceiling),
        cmocka_unit_test(test_buf__a_ceiling_lowered_below_the_text_takes_nothing_more),
        cmocka_unit_test(test_buf__the_largest_ceiling_is_no_overflow),
        cmocka_unit_test(test_buf__holds_any_byte),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
