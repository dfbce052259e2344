#include "tests/support/unit.h"

#include "server/base/clock.h"

#include <time.h>

static int release(void **state)
{
    (void)state;
    clock_test_release();
    return 0;
}

static void test_clock__shows_the_system_time(void **state)
{
    int64_t before = (int64_t)time(NULL) * 1000;
    int64_t now = clock_now_ms();

    (void)state;
    assert_true(now >= before - 1000 && now <= before + 60000);
}

static void test_clock__monotonic_clocks_agree_and_do_not_run_back(void **state)
{
    int64_t last_us = clock_mono_us();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t ms = clock_mono_ms(), us = clock_mono_us();

        assert_true(us >= last_us);
        assert_true(us / 1000 >= ms && us / 1000 - ms < 10000);
        last_us = us;
    }
}

static void test_clock__set_stops_both_until_advanced(void **state)
{
    int64_t mono_ms;

    (void)state;
    clock_test_set(1600000000000);
    mono_ms = clock_mono_ms();
    assert_int_equal(clock_now_ms(), 1600000000000);
    assert_int_equal(clock_mono_us(), mono_ms * 1000);
    clock_test_advance(1500);
    assert_int_equal(clock_now_ms(), 1600000001500);
    assert_int_equal(clock_mono_ms(), mono_ms + 1500);
    assert_int_equal(clock_mono_us(), (mono_ms + 1500) * 1000);
}

static void test_clock__the_wall_may_be_set_back_but_monotonic_time_stays(void **state)
{
    int64_t mono_ms;

    (void)state;
    clock_test_set(1600000000000);
    clock_test_advance(86400000);
    mono_ms = clock_mono_ms();
    clock_test_set(0);
    assert_int_equal(clock_now_ms(), 0);
    assert_int_equal(clock_mono_ms(), mono_ms);
}

static void test_clock__release_goes_back_to_the_system_time(void **state)
{
    (void)state;
    clock_test_set(1600000000000);
    clock_test_release();
    assert_true(clock_now_ms() > 1600000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock__shows_the_system_time),
        cmocka_unit_test(test_clock__monotonic_clocks_agree_and_do_not_run_back),
        cmocka_unit_test_teardown(test_clock__set_stops_both_until_advanced, release),
        cmocka_unit_test_teardown(test_clock__the_wall_may_be_set_back_but_monotonic_time_stays, release),
        cmocka_unit_test_teardown(test_clock__release_goes_back_to_the_system_time, release),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
