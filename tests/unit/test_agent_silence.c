/* Agents and their machines: what silence and absence mean, what is deleted, our own restart, others' VMs. */
#include "server/base/clock.h"
#include "tests/support/hub_bed.h"

#include <stdio.h>

/* --- silence ------------------------------------------------------------------------------------------------------ */

static void test_agent_silence__a_machine_nobody_was_given_goes_to_another_agent(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    clock_test_advance(AGENT_DEAD_MS - 1);
    assert_string_equal(orders(f, &gnu, NULL), "");
    clock_test_advance(1);
    assert_string_equal(orders(f, &gnu, NULL), "m1");
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_silence__a_machine_nobody_was_given_fails_when_no_agent_is_left(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    clock_test_advance(AGENT_DEAD_MS);
    assert_int_equal(stage(f, "m1"), AGENT_FAILED);
    assert_non_null(strstr(look(f, "m1").detail, "tux.example fell silent"));
}

static void test_agent_silence__a_machine_given_to_an_agent_that_dies_is_given_to_no_other(void **state)
{
    struct fixture *f = *state;
    const char *deletes;

    (void)orders(f, &tux, NULL);
    (void)orders(f, &gnu, NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    pass(f, &gnu, AGENT_DEAD_MS);
    assert_int_equal(stage(f, "m1"), AGENT_FAILED);
    assert_string_equal(orders(f, &gnu, NULL), "");
    assert_string_equal(orders(f, &tux, NULL), ""); /* back again */
    assert_string_equal(report(f, &tux, "m1", NULL), "m1");
    (void)orders(f, &tux, &deletes);
    assert_string_equal(deletes, "m1");
}

static void test_agent_silence__machines_of_a_silent_agent_are_kept_and_it_is_said(void **state)
{
    struct fixture *f = *state;
    struct agent_look l;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)report(f, &tux, "m1", NULL);
    clock_test_advance(600000);
    l = look(f, "m1");
    assert_int_equal(l.stage, AGENT_HERE);
    assert_int_equal(l.silent_ms, 600000);
    assert_string_equal(l.detail, "is with agent tux.example, which has been silent for 600 s");
    assert_string_equal(report(f, &tux, "m1", NULL), "");
    assert_string_equal(look(f, "m1").detail, "is with agent tux.example");
}

static void test_agent_silence__an_agent_silent_for_a_day_is_forgotten_with_its_machines(void **state)
{
    struct fixture *f = *state;

    (void)report(f, &tux, "m1", "m2");
    end(f, "m2");
    clock_test_advance(24 * 3600000 - 1);
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    assert_int_equal(stage(f, "m2"), AGENT_ENDING);
    clock_test_advance(1);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_int_equal(stage(f, "m2"), AGENT_GONE);
}

/* --- what is gone, what ends ------------------------------------------------------------------------------------- */

static void test_agent_silence__a_vm_is_gone_when_two_reports_of_its_agent_miss_it(void **state)
{
    struct fixture *f = *state;

    (void)report(f, &tux, "m1", "m2");
    clock_test_advance(5000);
    (void)report(f, &tux, "m2", NULL);
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    (void)report(f, &gnu, NULL, NULL); /* another agent's reports say nothing of it */
    (void)report(f, &tux, "m2", NULL); /* at once again: still no proof */
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    clock_test_advance(10000);
    (void)report(f, &tux, "m2", NULL);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_string_equal(look(f, "m1").detail, "agent tux.example has its VM no more");
    assert_int_equal(stage(f, "m2"), AGENT_HERE);
}

static void test_agent_silence__a_vm_missed_once_and_seen_again_was_never_gone(void **state)
{
    struct fixture *f = *state;

    (void)report(f, &tux, "m1", NULL);
    (void)report(f, &tux, NULL, NULL);
    clock_test_advance(20000);
    (void)report(f, &tux, "m1", NULL);
    (void)report(f, &tux, NULL, NULL);
    clock_test_advance(5000);
    (void)report(f, &tux, NULL, NULL);
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
}

static void test_agent_silence__an_ended_machine_is_deleted_until_no_report_names_it(void **state)
{
    struct fixture *f = *state;
    const char *deletes;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)report(f, &tux, "m1", NULL);
    end(f, "m1");
    end(f, "m1");
    assert_int_equal(stage(f, "m1"), AGENT_ENDING);
    (void)orders(f, &gnu, &deletes);
    assert_string_equal(deletes, "");
    (void)orders(f, &tux, &deletes);
    assert_string_equal(deletes, "m1");
    assert_string_equal(report(f, &tux, "m1", NULL), "m1");
    (void)report(f, &tux, NULL, NULL);
    clock_test_advance(10000);
    (void)report(f, &tux, NULL, NULL);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    (void)orders(f, &tux, &deletes);
    assert_string_equal(deletes, "");
    assert_string_equal(report(f, &tux, "m1", NULL), "m1"); /* late, from a slow try */
    assert_int_equal(stage(f, "m1"), AGENT_ENDING);
}

static void test_agent_silence__ended_before_it_was_handed_out_it_never_is(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    end(f, "m1");
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_silence__ended_while_it_is_made_it_may_still_come_and_is_deleted_then(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    end(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "");
    pass(f, &tux, 10 * 60000 - 1);
    assert_int_equal(stage(f, "m1"), AGENT_ENDING);
    clock_test_advance(1);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    pass(f, &tux, 40 * 60000);
    assert_string_equal(report(f, &tux, "m1", NULL), "m1");
    assert_int_equal(stage(f, "m1"), AGENT_ENDING);
}

static void test_agent_silence__a_failure_after_the_end_says_that_nothing_will_come(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    end(f, "m1");
    assert_false(fail_once(f, &tux, "m1", "no", 1));
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_string_equal(orders(f, &tux, NULL), "");
}

/* --- our own restart --------------------------------------------------------------------------------------------- */

static void test_agent_silence__after_a_restart_absence_proves_nothing_for_a_while(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    assert_int_equal(stage(f, "m1"), AGENT_UNSURE);
    (void)orders(f, &tux, NULL);
    w.first_try = false;
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_THROTTLED, "may have this machine already", e);
    assert_true(e.retry_after_s > 100 && e.retry_after_s < 130);
    clock_test_advance(AGENT_SETTLE_MS - 1);
    assert_int_equal(stage(f, "m1"), AGENT_UNSURE);
    clock_test_advance(1);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    (void)orders(f, &tux, NULL);
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
}

static void test_agent_silence__after_a_restart_a_vm_that_is_reported_is_its_machine(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    assert_string_equal(report(f, &tux, "m1", NULL), "");
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    w.first_try = false;
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    assert_string_equal(orders(f, &tux, NULL), "");
    end(f, "m1");
    assert_string_equal(report(f, &tux, "m1", NULL), "m1");
}

static void test_agent_silence__after_a_restart_a_machine_ended_by_name_is_deleted_once_seen(void **state)
{
    struct fixture *f = *state;

    end(f, "m1");
    assert_int_equal(stage(f, "m1"), AGENT_ENDING);
    assert_string_equal(report(f, &tux, "m1", "m2"), "m1");
    assert_int_equal(stage(f, "m2"), AGENT_HERE);
}

struct names {
    char text[4096];
    struct agent_hub *hub;
};

static int add_name(void *arg, const char *machine, const struct agent_look *l, struct err *e)
{
    struct names *n = arg;
    struct agent_look again;

    (void)e;
    agent_hub_look(n->hub, machine, &again); /* the lock is not held */
    assert_int_equal(again.stage, l->stage);
    (void)snprintf(n->text + strlen(n->text), 100, "%s:%d ", machine, (int)l->stage);
    return 0;
}

static int refuse(void *arg, const char *machine, const struct agent_look *l, struct err *e)
{
    (void)arg;
    (void)l;
    return err_set(e, ERR_INVALID, "enough with %s", machine);
}

static void test_agent_silence__each_names_what_waits_is_made_is_there_and_ends(void **state)
{
    struct fixture *f = *state;
    struct names n = {.hub = f->hub};
    char expected[100];
    struct err e;

    (void)orders(f, &tux, NULL);
    want(f, "handed");
    (void)orders(f, &tux, NULL);
    want(f, "waiting");
    (void)report(f, &tux, "here", "ending");
    end(f, "ending");
    want(f, "over");
    end(f, "over");
    (void)snprintf(expected, sizeof(expected), "handed:%d waiting:%d here:%d ending:%d ", AGENT_HANDED, AGENT_WAITING,
                   AGENT_HERE, AGENT_ENDING);
    assert_ok(agent_hub_each(f->hub, add_name, &n, &e), e);
    assert_string_equal(n.text, expected);
    assert_fails(agent_hub_each(f->hub, refuse, NULL, &e), ERR_INVALID, "enough with handed", e);
}

static void test_agent_silence__each_fails_while_we_cannot_know(void **state)
{
    struct fixture *f = *state;
    struct names n = {.hub = f->hub};
    struct err e;

    (void)report(f, &tux, "m1", NULL);
    assert_fails(agent_hub_each(f->hub, add_name, &n, &e), ERR_RETRY, "has just started", e);
    assert_string_equal(n.text, "");
}

/* --- others' VMs, others' agents --------------------------------------------------------------------------------- */

static void test_agent_silence__vms_of_others_are_never_touched(void **state)
{
    static const char *const vms[] = {"cirun-template-ubuntu-24-04",
                                      "cirun-runner-template",
                                      "cirun-muster-1",
                                      "cirun-00000000-m1",
                                      "cirun-74cd18c0-",
                                      "cirun-74cd18c0-M1",
                                      "m1",
                                      ""};
    struct fixture *f = *state;
    struct agent_answer a = {0};
    struct names n = {.hub = f->hub};
    struct err e;

    end(f, "m1");
    assert_ok(agent_hub_report(f->hub, &tux, vms, ARRAY_LEN(vms), &a, &e), e);
    assert_int_equal(a.n_deletes, 0);
    agent_answer_clear(&a);
    for (size_t i = 0; i < ARRAY_LEN(vms); i++)
        assert_null(agent_hub_machine_of(f->hub, vms[i]));
    assert_ok(agent_hub_each(f->hub, add_name, &n, &e), e);
    assert_null(strstr(n.text, "template"));
}

static void test_agent_silence__another_deployment_names_its_vms_otherwise(void **state)
{
    struct fixture *f = *state;
    struct agent_hub *other = agent_hub_new("staging");
    char name[AGENT_VM_NAME_MAX + 1];

    vm_name("m1", name);
    assert_string_equal(agent_hub_machine_of(f->hub, name), "m1");
    assert_null(agent_hub_machine_of(other, name));
    agent_hub_free(other);
}

static void test_agent_silence__a_vm_that_another_agent_reports_is_that_agents(void **state)
{
    struct fixture *f = *state;
    const struct agent_name anew = {"id-new", "tux.example", "linux", "x86_64"};

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)report(f, &anew, "m1", NULL); /* installed anew on the same host */
    pass(f, &anew, 2 * AGENT_DEAD_MS);
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    end(f, "m1");
    assert_string_equal(report(f, &anew, "m1", NULL), "m1");
}

static void test_agent_silence__two_hosts_of_one_id_are_two_agents(void **state)
{
    struct fixture *f = *state;
    const struct agent_name twin = {"id-tux", "copy.example", "linux", "x86_64"};

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &twin, NULL), "");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    assert_int_equal(agent_hub_live(f->hub), 2);
}

static void test_agent_silence__what_an_agent_calls_itself_is_checked(void **state)
{
    static const struct {
        struct agent_name n;
        const char *piece;
    } bad[] = {
        {{"", "h", "linux", "x86_64"}, "agent.id: 0 bytes"},
        {{"a b", "h", "linux", "x86_64"}, "agent.id: holds more than"},
        {{"0123456789012345678901234567890123456789012345678901234567890123x", "h", "linux", "x86_64"},
         "agent.id: 65 bytes"},
        {{"a", "", "linux", "x86_64"}, "agent.hostname: 0 bytes"},
        {{"a", "x\033[0m", "linux", "x86_64"}, "agent.hostname: holds a control"},
        {{"a", "h", "li nux", "x86_64"}, "agent.os: holds"},
        {{"a", "h", "linux", ""}, "agent.arch: 0 bytes"},
    };
    struct fixture *f = *state;
    struct agent_answer a = {0};
    struct err e;
    bool last;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_fails(agent_hub_poll(f->hub, &bad[i].n, &a, &e), ERR_INVALID, bad[i].piece, e);
        assert_fails(agent_hub_report(f->hub, &bad[i].n, NULL, 0, &a, &e), ERR_INVALID, bad[i].piece, e);
        assert_fails(agent_hub_failed(f->hub, &bad[i].n, "x", "y", 1, &a, &last, &e), ERR_INVALID, bad[i].piece, e);
    }
    assert_int_equal(agent_hub_live(f->hub), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, hub_bed_settled, hub_bed_end)
#define T_BEGUN(name) cmocka_unit_test_setup_teardown(name, hub_bed_begun, hub_bed_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_agent_silence__a_machine_nobody_was_given_goes_to_another_agent),
        T(test_agent_silence__a_machine_nobody_was_given_fails_when_no_agent_is_left),
        T(test_agent_silence__a_machine_given_to_an_agent_that_dies_is_given_to_no_other),
        T(test_agent_silence__machines_of_a_silent_agent_are_kept_and_it_is_said),
        T(test_agent_silence__an_agent_silent_for_a_day_is_forgotten_with_its_machines),
        T(test_agent_silence__a_vm_is_gone_when_two_reports_of_its_agent_miss_it),
        T(test_agent_silence__a_vm_missed_once_and_seen_again_was_never_gone),
        T(test_agent_silence__an_ended_machine_is_deleted_until_no_report_names_it),
        T(test_agent_silence__ended_before_it_was_handed_out_it_never_is),
        T(test_agent_silence__ended_while_it_is_made_it_may_still_come_and_is_deleted_then),
        T(test_agent_silence__a_failure_after_the_end_says_that_nothing_will_come),
        T_BEGUN(test_agent_silence__after_a_restart_absence_proves_nothing_for_a_while),
        T_BEGUN(test_agent_silence__after_a_restart_a_vm_that_is_reported_is_its_machine),
        T_BEGUN(test_agent_silence__after_a_restart_a_machine_ended_by_name_is_deleted_once_seen),
        T(test_agent_silence__each_names_what_waits_is_made_is_there_and_ends),
        T_BEGUN(test_agent_silence__each_fails_while_we_cannot_know),
        T(test_agent_silence__vms_of_others_are_never_touched),
        T(test_agent_silence__another_deployment_names_its_vms_otherwise),
        T(test_agent_silence__a_vm_that_another_agent_reports_is_that_agents),
        T(test_agent_silence__two_hosts_of_one_id_are_two_agents),
        T(test_agent_silence__what_an_agent_calls_itself_is_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
