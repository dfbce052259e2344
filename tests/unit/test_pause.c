/* Pauses that can be cut short. */
#include "tests/support/unit.h"

#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/base/pause.h"

#include <pthread.h>

#define HOUR ((int64_t)3600 * 1000)

static int setup(void **state)
{
    *state = pause_new();
    return 0;
}

static int teardown(void **state)
{
    pause_free(*state);
    return 0;
}

static void test_pause__a_pause_lasts_as_long_as_asked(void **state)
{
    static const int64_t lengths[] = {20, 0, 1, -5};
    int64_t began;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        began = clock_mono_us();
        assert_false(pause_for(*state, lengths[i]));
        assert_true(clock_mono_us() - began >= lengths[i] * 1000);
        assert_true(clock_mono_us() - began < HOUR);
    }
}

struct sleeper {
    struct pause *p;
    pthread_t thread;
    bool ended;
};

static void *sleep_long(void *arg)
{
    struct sleeper *s = arg;

    s->ended = pause_for(s->p, HOUR);
    return NULL;
}

static void test_pause__the_end_cuts_all_pauses_short(void **state)
{
    struct sleeper sleepers[4];

    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++) {
        sleepers[i] = (struct sleeper){.p = *state};
        assert_int_equal(pthread_create(&sleepers[i].thread, NULL, sleep_long, &sleepers[i]), 0);
    }
    pause_end(*state);
    for (size_t i = 0; i < ARRAY_LEN(sleepers); i++) {
        (void)pthread_join(sleepers[i].thread, NULL);
        assert_true(sleepers[i].ended);
    }
}

static void test_pause__after_the_end_nobody_waits(void **state)
{
    pause_end(*state);
    pause_end(*state);
    assert_true(pause_for(*state, HOUR));
    assert_true(pause_for(*state, 0));
}

static void test_pause__null_is_nothing_to_end_or_free(void **state)
{
    (void)state;
    pause_end(NULL);
    pause_free(NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pause__a_pause_lasts_as_long_as_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause__the_end_cuts_all_pauses_short, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause__after_the_end_nobody_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pause__null_is_nothing_to_end_or_free, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
