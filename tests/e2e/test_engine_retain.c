/* Retention in the engine whole: what ended is forgotten in time, what lives is not, and a clock that leaps empties
 * nothing. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#define MINUTE ((int64_t)60 * 1000)
#define DAY ((int64_t)24 * 60 * MINUTE)
#define OURS "cirun-one"
#define NOT_OURS "ubuntu-latest"

static int64_t jobs(struct bed *w)
{
    return bed_number(w, "SELECT count(*) FROM job WHERE $1 = 0", 0);
}

/* Days in which the daemon runs: the hourly pass has its turn in each. */
static void days(struct bed *w, int n)
{
    for (int i = 0; i < n * 2; i++)
        bed_pass(w, DAY / 2);
}

static void test_engine_retain__what_ended_is_forgotten_and_what_runs_is_not(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t ended = bed_queue_job(w, &(struct sim_job_spec){0}, NOT_OURS), running;

    bed_deliver(w, ended, JOB_DONE, NOT_OURS, NULL);
    running = bed_queue_job(w, &(struct sim_job_spec){0}, OURS);
    bed_wait_want(w, running, WANT_MACHINE, &j);
    bed_pass(w, 10 * MINUTE);
    days(w, 29);
    assert_int_equal(jobs(w), 2);
    days(w, 2);
    assert_int_equal(bed_number(w, "SELECT id FROM job WHERE $1 = 0", 0), running);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE job_id = $1", ended), 0);
    assert_true(bed_number(w, "SELECT count(*) FROM event WHERE job_id = $1", running) > 0);
}

static void test_engine_retain__a_clock_that_leaps_empties_nothing(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, NOT_OURS);

    bed_deliver(w, id, JOB_DONE, NOT_OURS, NULL);
    bed_pass(w, 10 * MINUTE);
    clock_test_set(clock_now_ms() + 400 * DAY);
    bed_pass(w, 6 * MINUTE);
    bed_pass(w, 6 * MINUTE);
    assert_int_equal(jobs(w), 1);
    clock_test_set(clock_now_ms() - 400 * DAY); /* set right again */
    bed_pass(w, 61 * MINUTE);
    assert_int_equal(jobs(w), 1);
    days(w, 31);
    assert_int_equal(jobs(w), 0);
}

static void hours(struct bed *w, int n)
{
    for (int i = 0; i < n; i++)
        bed_pass(w, 60 * MINUTE);
}

static void test_engine_retain__a_clock_set_wrong_for_less_than_a_day_empties_nothing(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, NOT_OURS);

    bed_deliver(w, id, JOB_DONE, NOT_OURS, NULL);
    hours(w, 1);
    clock_test_set(clock_now_ms() + 400 * DAY);
    hours(w, 23);
    assert_int_equal(jobs(w), 1);
    clock_test_set(clock_now_ms() - 400 * DAY);
    hours(w, 26);
    assert_int_equal(jobs(w), 1);
}

static void test_engine_retain__each_leap_ahead_begins_a_day_of_its_own(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, NOT_OURS);

    bed_deliver(w, id, JOB_DONE, NOT_OURS, NULL);
    hours(w, 1);
    clock_test_set(clock_now_ms() + 2 * DAY);
    hours(w, 20);
    clock_test_set(clock_now_ms() + 400 * DAY);
    hours(w, 20);
    assert_int_equal(jobs(w), 1);
    hours(w, 6);
    assert_int_equal(jobs(w), 0);
}

static void test_engine_retain__a_store_that_was_off_for_long_is_emptied_a_day_later(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, NOT_OURS);

    bed_deliver(w, id, JOB_DONE, NOT_OURS, NULL);
    bed_pass(w, 10 * MINUTE);
    bed_down(w);
    clock_test_advance(60 * DAY);
    bed_up(w);
    bed_pass(w, 6 * MINUTE);
    hours(w, 23);
    assert_int_equal(jobs(w), 1);
    hours(w, 2);
    assert_int_equal(jobs(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_engine_retain__what_ended_is_forgotten_and_what_runs_is_not, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_retain__a_clock_that_leaps_empties_nothing, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_retain__a_clock_set_wrong_for_less_than_a_day_empties_nothing,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_retain__each_leap_ahead_begins_a_day_of_its_own, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_retain__a_store_that_was_off_for_long_is_emptied_a_day_later,
                                        bed_setup, bed_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
