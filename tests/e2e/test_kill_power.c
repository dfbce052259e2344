/*
 * Power fails under load: what was synced is there, what was not is there in part, torn, or rubbish, in the database as
 * in its write-ahead log. Everything that was acknowledged is there all the same, and everything goes on.
 */
#include "tests/support/lab.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FAST 20

static void test_kill_power__what_was_acknowledged_outlives_any_loss_of_what_was_not_synced(void **state)
{
    static const char *const names[] = {"all lost", "some lost", "torn", "scribbled over"};
    const char *times = getenv("KILLS"), *seed = getenv("KILLS_SEED");
    size_t n = times != NULL ? (size_t)strtoul(times, NULL, 10) : 15;
    struct lab *l = lab_new(
        &(struct lab_conf){.seed = seed != NULL ? strtoull(seed, NULL, 10) : 5, .rate = FAST, .keep_synced = true});

    (void)state;
    for (size_t i = 0; i < n; i++) {
        enum lab_loss loss = (enum lab_loss)(i % ARRAY_LEN(names));

        assert_true(lab_up(l));
        assert_int_equal(lab_judge_deliveries(l), 0);
        lab_traffic(l, 4);
        lab_pause((int)lab_draw(l, 150));
        lab_kill(l);
        (void)snprintf(l->point, sizeof(l->point), "loss %zu, %s", i + 1, names[loss]);
        lab_lose_power(l, loss);
    }
    assert_true(lab_calm(l));
    (void)lab_judge(l);
    assert_true(lab_cool(l));
    lab_print(l, "losses of power");
    assert_int_equal(l->count.lost + l->count.doubled + l->count.left + l->count.wrong, 0);
    assert_int_equal(lab_down(l, SIGTERM), 0);
    lab_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_power__what_was_acknowledged_outlives_any_loss_of_what_was_not_synced)};

    if (!lab_can_preload("test_kill_power"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
