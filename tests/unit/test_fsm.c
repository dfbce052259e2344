#include "server/engine/fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void step(enum machine_state *s, enum fsm_event ev)
{
    enum machine_state next;

    assert_true(fsm_next(*s, ev, &next));
    *s = next;
}

static void test_fsm__the_founding_story_runs_from_wanted_to_gone(void **state)
{
    enum machine_state s = M_WANTED;

    (void)state;
    step(&s, FSM_START);
    assert_int_equal(s, M_LAUNCHING);
    step(&s, FSM_LAUNCHED);
    assert_int_equal(s, M_BOOTING);
    step(&s, FSM_TAKEN);
    assert_int_equal(s, M_BUSY);
    step(&s, FSM_FINISHED);
    assert_int_equal(s, M_ENDING);
    step(&s, FSM_DESTROYED);
    assert_int_equal(s, M_GONE);
}

static void test_fsm__nothing_leaves_gone(void **state)
{
    enum machine_state next;

    (void)state;
    for (int ev = FSM_START; ev <= FSM_DESTROYED; ev++)
        assert_false(fsm_next(M_GONE, (enum fsm_event)ev, &next));
}

static void test_fsm__ending_only_ends_and_a_late_launch_answer_does_not_revive_it(void **state)
{
    enum machine_state next = M_WANTED;

    (void)state;
    for (int ev = FSM_START; ev <= FSM_DESTROYED; ev++) {
        bool moves = fsm_next(M_ENDING, (enum fsm_event)ev, &next);

        assert_true(!moves || next == M_ENDING || next == M_GONE);
    }
    assert_true(fsm_next(M_ENDING, FSM_LAUNCHED, &next));
    assert_int_equal(next, M_ENDING);
}

static void test_fsm__a_busy_machine_is_never_dropped_as_surplus(void **state)
{
    enum machine_state next;

    (void)state;
    assert_false(fsm_next(M_BUSY, FSM_DROP, &next));
    assert_false(fsm_next(M_BUSY, FSM_BACKOFF, &next));
}

static void test_fsm__a_job_may_take_and_finish_before_the_launch_answer_is_recorded(void **state)
{
    enum machine_state s = M_LAUNCHING;

    (void)state;
    step(&s, FSM_TAKEN);
    step(&s, FSM_LAUNCHED);
    assert_int_equal(s, M_BUSY);
    step(&s, FSM_FINISHED);
    step(&s, FSM_LAUNCHED);
    assert_int_equal(s, M_ENDING);
}

static void test_fsm__a_repeated_event_changes_nothing(void **state)
{
    enum machine_state next = M_GONE;

    (void)state;
    assert_false(fsm_next(M_IDLE, FSM_REGISTERED, &next));
    assert_false(fsm_next(M_ENDING, FSM_FINISHED, &next));
    assert_int_equal(next, M_GONE);
}

static void test_fsm__a_busy_machine_may_learn_later_which_job_it_has(void **state)
{
    enum machine_state next = M_GONE;

    (void)state;
    assert_true(fsm_next(M_BUSY, FSM_TAKEN, &next));
    assert_int_equal(next, M_BUSY);
}

static void test_fsm__every_state_reaches_gone(void **state)
{
    (void)state;
    for (int from = M_WANTED; from < M_GONE; from++) {
        enum machine_state s = (enum machine_state)from;

        if (s != M_ENDING)
            step(&s, FSM_FINISHED);
        step(&s, FSM_DESTROYED);
        assert_int_equal(s, M_GONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fsm__the_founding_story_runs_from_wanted_to_gone),
        cmocka_unit_test(test_fsm__nothing_leaves_gone),
        cmocka_unit_test(test_fsm__ending_only_ends_and_a_late_launch_answer_does_not_revive_it),
        cmocka_unit_test(test_fsm__a_busy_machine_is_never_dropped_as_surplus),
        cmocka_unit_test(test_fsm__a_job_may_take_and_finish_before_the_launch_answer_is_recorded),
        cmocka_unit_test(test_fsm__a_repeated_event_changes_nothing),
        cmocka_unit_test(test_fsm__a_busy_machine_may_learn_later_which_job_it_has),
        cmocka_unit_test(test_fsm__every_state_reaches_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
