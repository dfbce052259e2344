/* Kills at random moments under load, a few: `make kills` runs a thousand. */
#include "tests/support/lab_kills.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_kills__whenever_it_dies_nothing_is_lost_doubled_or_left_over(void **state)
{
    struct kills_conf c = {.seed = 1, .kills = 60, .per_world = 20};
    struct lab_count total = {0};

    (void)state;
    if (!lab_can_preload(NULL)) /* in real time a gentle world has to do */
        c = (struct kills_conf){.seed = 1, .kills = 10, .per_world = 10, .plain = true};
    assert_int_equal(lab_kills(&c, &total), 0);
    assert_int_equal(total.kills, c.kills);
    assert_true(total.jobs > c.kills && total.served > total.jobs / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills__whenever_it_dies_nothing_is_lost_doubled_or_left_over)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
