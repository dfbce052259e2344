/* The wall clock is set while machines run: no task starves, no machine ends for it, nothing is doubled. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/engine/leap.h"
#include "tests/support/engine_bed.h"

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define LABEL "cirun-one"

/* Only the wall clock; the others go on. */
static void set_clock(struct bed *w, int64_t by_ms)
{
    clock_test_set(clock_now_ms() + by_ms);
    bed_pass(w, 0);
}

static int64_t launched(struct bed *w)
{
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, LABEL);

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_pass(w, 1000);
    return id;
}

static int64_t in_state(struct bed *w, enum machine_state s)
{
    return bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", s);
}

static void test_engine_clock__set_back_a_day_the_machine_is_looked_at_as_soon_as_before(void **state)
{
    struct bed *w = *state;

    (void)launched(w);
    set_clock(w, -DAY);
    assert_true(bed_number(w, "SELECT max(ready_ms) - $1 FROM task", clock_now_ms()) <= HOUR);
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 10; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(memcloud_made(w->aws), 2); /* it was found missing, and replaced */
}

static void test_engine_clock__set_back_a_day_the_boot_deadline_does_not_move_away(void **state)
{
    struct bed *w = *state;

    (void)launched(w);
    set_clock(w, -DAY);
    for (int i = 0; i < 20; i++)
        bed_pass(w, MINUTE);
    assert_true(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'machine.expired' AND $1 = 0", 0) > 0);
    assert_true(memcloud_made(w->aws) > 1);
}

static void test_engine_clock__set_forwards_a_day_no_machine_ends_for_it(void **state)
{
    struct bed *w = *state;
    int64_t id = launched(w);

    bed_deliver(w, id, JOB_RUNNING, LABEL, bed_call(w->aws, 0).name);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, LABEL);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    set_clock(w, DAY);
    for (int i = 0; i < 5; i++)
        bed_pass(w, MINUTE);
    assert_int_equal(in_state(w, M_BUSY), 1);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(memcloud_live(w->aws), 2);
    assert_int_equal(memcloud_destroys(w->aws), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'clock.set' AND $1 = 0", 0), 1);
}

static void test_engine_clock__what_was_set_wrong_and_right_again_leaves_deadlines_as_they_were(void **state)
{
    static const char sql[] = "SELECT max(expires_ms) + max(boot_deadline_ms) FROM machine WHERE $1 = 0";
    struct bed *w = *state;
    int64_t before;

    (void)launched(w);
    before = bed_number(w, sql, 0);
    set_clock(w, DAY);
    assert_int_equal(bed_number(w, sql, 0), before + 2 * DAY);
    set_clock(w, -DAY);
    assert_int_equal(bed_number(w, sql, 0), before);
}

static void test_engine_clock__set_back_while_nothing_ran_tasks_of_tomorrow_are_due_at_the_start(void **state)
{
    struct bed *w = *state;

    (void)launched(w);
    bed_down(w);
    clock_test_set(clock_now_ms() - DAY);
    bed_up(w);
    assert_true(bed_settle(w));
    assert_true(bed_number(w, "SELECT max(ready_ms) - $1 FROM task WHERE kind = 2", clock_now_ms()) <= HOUR);
}

static void test_engine_clock__set_back_while_nothing_ran_no_machine_lives_longer_for_it(void **state)
{
    static const char told[] = "SELECT count(*) FROM event WHERE kind = 'clock.set' AND $1 = 0";
    struct bed *w = *state;

    (void)launched(w);
    bed_down(w);
    clock_test_set(clock_now_ms() - DAY);
    bed_up(w);
    assert_true(bed_number(w, "SELECT max(expires_ms) - $1 FROM machine", clock_now_ms()) <= w->g->c.lifetime_ms);
    assert_true(bed_number(w, "SELECT max(boot_deadline_ms) - $1 FROM machine", clock_now_ms()) <= HOUR);
    assert_int_equal(bed_number(w, told, 0), 1);
    bed_down(w);
    bed_up(w);
    assert_int_equal(bed_number(w, told, 0), 1);
}

static void test_engine_clock__delivery_ids_of_a_time_that_was_wrong_are_known_and_then_forgotten(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, "ubuntu-latest");

    set_clock(w, 900 * DAY);
    bed_deliver(w, id, JOB_RUNNING, "ubuntu-latest", "x");
    set_clock(w, -900 * DAY);
    bed_deliver(w, id, JOB_DONE, "ubuntu-latest", "x");
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery WHERE id > ($1 + 3600000) * 1000", clock_now_ms()),
                     1);
    for (int i = 0; i < 4; i++)
        bed_pass(w, 40 * MINUTE);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery WHERE id > $1 * 1000", clock_now_ms()), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery WHERE $1 = 0", 0), 2);
}

/* --- the look itself ---------------------------------------------------------------------------------------------- */

static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    return leap_tx(t, arg, e);
}

static int claim_tx(struct store_tx *t, void *arg, struct err *e)
{
    size_t got;

    return store_task_claim(t, TASK_CHECK, clock_now_ms(), clock_now_ms() + HOUR / 4, 1, arg, &got, e) || got != 1 ? -1
                                                                                                                   : 0;
}

static int put_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    return store_task_put(t, TASK_JOB, "1", TASK_DECIDE, clock_now_ms(), e);
}

/* Without an engine: who is at work keeps his lease through a leap, whichever way. */
static void test_engine_clock__a_lease_does_not_end_because_the_clock_was_set(void **state)
{
    struct bed *w = *state;
    struct task mine;
    struct leap l;
    struct err e;

    engine_drain(w->g, BED_WAIT_MS);
    leap_begin(&l);
    assert_ok(store_write(w->store, put_tx, NULL, &e), e);
    assert_ok(store_write(w->store, claim_tx, &mine, &e), e);
    assert_false(leap_look(&l, HOUR / 4));
    clock_test_set(clock_now_ms() + DAY);
    assert_true(leap_look(&l, HOUR / 4));
    assert_int_equal(l.by_ms, DAY);
    assert_ok(store_write(w->store, look_tx, &l, &e), e);
    leap_done(&l);
    assert_int_equal(bed_number(w, "SELECT ready_ms - $1 FROM task WHERE claimed = 1", clock_now_ms()), HOUR / 4);
    clock_test_set(clock_now_ms() - 3 * DAY);
    assert_true(leap_look(&l, HOUR / 4));
    assert_ok(store_write(w->store, look_tx, &l, &e), e);
    leap_done(&l);
    assert_int_equal(bed_number(w, "SELECT ready_ms - $1 FROM task WHERE claimed = 1", clock_now_ms()), HOUR / 4);
    clock_test_advance(DAY); /* time that really passed is no leap */
    assert_false(leap_look(&l, HOUR / 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_engine_clock__set_back_a_day_the_machine_is_looked_at_as_soon_as_before,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_clock__set_back_a_day_the_boot_deadline_does_not_move_away,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_clock__set_forwards_a_day_no_machine_ends_for_it, bed_setup,
                                        bed_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_clock__what_was_set_wrong_and_right_again_leaves_deadlines_as_they_were, bed_setup,
            bed_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_clock__set_back_while_nothing_ran_tasks_of_tomorrow_are_due_at_the_start, bed_setup,
            bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_clock__set_back_while_nothing_ran_no_machine_lives_longer_for_it,
                                        bed_setup, bed_teardown),
        cmocka_unit_test_setup_teardown(
            test_engine_clock__delivery_ids_of_a_time_that_was_wrong_are_known_and_then_forgotten, bed_setup,
            bed_teardown),
        cmocka_unit_test_setup_teardown(test_engine_clock__a_lease_does_not_end_because_the_clock_was_set, bed_setup,
                                        bed_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
