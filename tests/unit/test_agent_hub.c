/* Agents and the machines they are asked for: who is given what, what becomes of it, ceilings. */
#include "server/base/clock.h"
#include "tests/support/hub_bed.h"

#include <pthread.h>
#include <stdio.h>

/* --- capacity ---------------------------------------------------------------------------------------------------- */

static void test_agent_hub__without_an_agent_there_is_no_capacity(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "no cirun-agent is connected", e);
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_int_equal(agent_hub_live(f->hub), 0);
}

static void test_agent_hub__just_begun_it_asks_for_patience_instead(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_THROTTLED, "has just started", e);
    assert_true(e.retry_after_s > 0 && e.retry_after_s <= 10);
    clock_test_advance(30000);
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "no cirun-agent", e);
}

static void test_agent_hub__only_an_agent_of_that_system_and_architecture_will_do(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    (void)orders(f, &arm, NULL);
    (void)orders(f, &mac, NULL);
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "none of the 2 connected agents runs on linux x64", e);
    w.host_arch = "arm64";
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    w.host_os = "macos";
    w.host_arch = NULL;
    w.machine = "m2";
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    assert_string_equal(orders(f, &arm, NULL), "m1");
    assert_string_equal(orders(f, &mac, NULL), "m2");
}

static void test_agent_hub__an_agent_has_as_many_machines_as_it_may_and_no_more(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    (void)orders(f, &tux, NULL);
    w.max_machines = 2;
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    w.machine = "m2";
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    w.machine = "m3";
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "as many machines as they may", e);
    (void)orders(f, &tux, NULL);
    (void)report(f, &tux, "m1", "m2");
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "as many machines as they may", e);
    end(f, "m1");
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "as many machines as they may", e);
    (void)report(f, &tux, "m2", NULL);
    clock_test_advance(10000);
    (void)report(f, &tux, "m2", NULL);
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
}

static void test_agent_hub__a_mac_has_two_machines_whatever_is_set(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    (void)orders(f, &mac, NULL);
    w.host_os = "macos";
    w.host_arch = NULL;
    w.max_machines = 10;
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    w.machine = "m2";
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    w.machine = "m3";
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "on macos", e);
}

static void test_agent_hub__the_agent_with_the_fewest_machines_is_chosen(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    (void)report(f, &tux, "x1", "x2");
    (void)orders(f, &gnu, NULL);
    want(f, "m1");
    want(f, "m2");
    assert_string_equal(orders(f, &tux, NULL), "");
    assert_string_equal(orders(f, &gnu, NULL), "m1 m2");
}

static void test_agent_hub__what_is_wanted_is_checked(void **state)
{
    static const char *const names[] = {"", "M1", "a_b", "a/b",
                                        "0123456789012345678901234567890123456789012345678901234567890123"};
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    (void)orders(f, &tux, NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        w.machine = names[i];
        assert_fails(agent_hub_want(f->hub, &w, &e), ERR_INVALID, "machine's name", e);
        assert_fails(agent_hub_end(f->hub, names[i], &e), ERR_INVALID, "machine's name", e);
    }
    w = want_of(f, "m1");
    w.image = "a\nb";
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_INVALID, "machine_image: holds a control character", e);
    w = want_of(f, "m1");
    w.disk_gb = 0;
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_INVALID, "disk in GB: 1 to", e);
    w = want_of(f, "m1");
    w.login_password = NULL;
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_INVALID, "agent_login_password", e);
}

/* --- one machine's way ------------------------------------------------------------------------------------------- */

static void test_agent_hub__an_order_holds_all_that_was_asked_for(void **state)
{
    struct fixture *f = *state;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};

    (void)orders(f, &tux, NULL);
    want(f, "muster-1");
    assert_int_equal(stage(f, "muster-1"), AGENT_WAITING);
    a = poll_of(f, &tux);
    assert_int_equal(a.n_orders, 1);
    assert_string_equal(a.orders[0].vm, "cirun-74cd18c0-muster-1");
    assert_string_equal(secret_reveal(a.orders[0].script), SECRET_SCRIPT);
    assert_string_equal(a.orders[0].image, "ghcr.io/cirunlabs/ubuntu:24.04");
    assert_string_equal(a.orders[0].guest_os, "linux");
    assert_string_equal(a.orders[0].login_user, "cirun");
    assert_string_equal(secret_reveal(a.orders[0].login_password), "hunter22");
    assert_int_equal(a.orders[0].cpus, 4);
    assert_int_equal(a.orders[0].memory_gb, 8);
    assert_int_equal(a.orders[0].disk_gb, 50);
    assert_int_equal(stage(f, "muster-1"), AGENT_HANDED);
}

static void test_agent_hub__wanted_twice_it_is_one_machine(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    want(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    want(f, "m1");
    (void)report(f, &tux, "m1", NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_hub__an_order_is_repeated_to_its_agent_alone_until_the_vm_is_seen(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    (void)orders(f, &gnu, NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    assert_string_equal(orders(f, &gnu, NULL), "");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    (void)report(f, &tux, NULL, NULL);
    assert_int_equal(stage(f, "m1"), AGENT_HANDED);
    assert_string_equal(report(f, &tux, "m1", NULL), "");
    assert_int_equal(stage(f, "m1"), AGENT_HERE);
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_hub__an_answer_holds_so_many_orders_and_the_oldest_first(void **state)
{
    struct fixture *f = *state;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    char name[16];

    (void)orders(f, &tux, NULL);
    for (int i = 0; i < AGENT_ORDERS_MAX + 5; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        want(f, name);
    }
    a = poll_of(f, &tux);
    assert_int_equal(a.n_orders, AGENT_ORDERS_MAX);
    assert_string_equal(a.orders[0].vm, "cirun-74cd18c0-m0");
    assert_int_equal(stage(f, "m36"), AGENT_WAITING);
}

static void test_agent_hub__a_failed_try_is_ordered_again_and_the_third_is_the_last(void **state)
{
    struct fixture *f = *state;
    struct agent_look l;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    assert_false(fail_once(f, &tux, "m1", "no image", 1));
    assert_string_equal(orders(f, &tux, NULL), "m1");
    (void)report(f, &tux, "m1", NULL); /* made, and made away with again: ssh did not answer */
    assert_false(fail_once(f, &tux, "m1", "no ssh", 2));
    assert_int_equal(stage(f, "m1"), AGENT_HANDED);
    assert_string_equal(orders(f, &tux, NULL), "m1");
    assert_true(fail_once(f, &tux, "m1", "no luck for hunter22\n at all", 3));
    l = look(f, "m1");
    assert_int_equal(l.stage, AGENT_FAILED);
    assert_int_equal(l.failures, 3);
    assert_string_equal(l.detail, "agent tux.example: no luck for ***  at all");
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_hub__an_agent_that_counts_further_is_believed(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    assert_true(fail_once(f, &tux, "m1", "Exceeded max retries (3)", 3));
    assert_int_equal(stage(f, "m1"), AGENT_FAILED);
}

static void test_agent_hub__a_long_failure_is_cut_with_no_half_of_a_secret(void **state)
{
    struct fixture *f = *state;
    char why[9000];

    for (size_t i = 0; i < sizeof(why); i++)
        why[i] = i % 3 == 0 ? ' ' : 'x';
    memcpy(why + 145, "hunter22", 8);
    why[sizeof(why) - 1] = '\0';
    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)fail_once(f, &tux, "m1", why, 3);
    assert_null(strstr(look(f, "m1").detail, "hunt"));
    assert_true(strlen(look(f, "m1").detail) < 200);
}

static void test_agent_hub__a_failure_that_quotes_the_script_shows_no_key(void **state)
{
    struct fixture *f = *state;
    char why[200];

    (void)snprintf(why, sizeof(why), "bash: %0100d: not found", 7);
    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)fail_once(f, &tux, "m1", why, 3);
    assert_string_equal(look(f, "m1").detail, "agent tux.example: bash: ***: not found");
}

static void test_agent_hub__failures_of_other_agents_and_of_unknown_vms_change_nothing(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    assert_false(fail_once(f, &gnu, "m1", "no", 3));
    assert_false(fail_once(f, &tux, "m2", "no", 3));
    assert_int_equal(stage(f, "m1"), AGENT_HANDED);
    assert_int_equal(stage(f, "m2"), AGENT_GONE);
}

static void test_agent_hub__a_machine_that_failed_is_not_wanted_again(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "m1");
    struct err e;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)fail_once(f, &tux, "m1", "no image", 3);
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "no image", e);
    end(f, "m1");
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CONFLICT, "has ended", e);
}

/* --- ceilings ---------------------------------------------------------------------------------------------------- */

static void test_agent_hub__so_many_agents_and_no_more_until_one_is_silent_and_idle(void **state)
{
    struct fixture *f = *state;
    struct agent_answer a = {0};
    char id[16];
    struct agent_name n = {id, "h", "linux", "x86_64"};
    struct err e;

    for (int i = 0; i < 64; i++) {
        (void)snprintf(id, sizeof(id), "agent%d", i);
        (void)orders(f, &n, NULL);
    }
    (void)snprintf(id, sizeof(id), "agent0");
    (void)report(f, &n, "m1", NULL);
    assert_fails(agent_hub_poll(f->hub, &tux, &a, &e), ERR_CAPACITY, "64 agents are connected", e);
    clock_test_advance(AGENT_DEAD_MS);
    assert_ok(agent_hub_poll(f->hub, &tux, &a, &e), e);
    assert_true(a.is_new);
    agent_answer_clear(&a);
    assert_ok(agent_hub_poll(f->hub, &tux, &a, &e), e);
    assert_false(a.is_new);
    agent_answer_clear(&a);
    assert_non_null(strstr(look(f, "m1").detail, "is with agent h, ")); /* one that has a machine stays */
}

static void test_agent_hub__so_many_machines_and_what_is_over_makes_way(void **state)
{
    struct fixture *f = *state;
    struct agent_want w = want_of(f, "one-more");
    struct agent_answer a = {0};
    char name[32];
    struct err e;

    (void)orders(f, &tux, NULL);
    for (int i = 0; i < 4096; i++) {
        (void)snprintf(name, sizeof(name), "m%d", i);
        want(f, name);
    }
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "as many machines as they may", e);
    (void)orders(f, &gnu, NULL);
    assert_fails(agent_hub_want(f->hub, &w, &e), ERR_CAPACITY, "no more are kept count of", e);
    assert_fails(agent_hub_end(f->hub, "one-more", &e), ERR_CAPACITY, "no more are kept count of", e);
    end(f, "m0");
    assert_ok(agent_hub_want(f->hub, &w, &e), e);
    assert_fails(agent_hub_report(f->hub, &tux, NULL, AGENT_VMS_MAX + 1, &a, &e), ERR_INVALID, "vms: 1025 entries", e);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

static void *work(void *arg)
{
    struct fixture *f = arg;
    struct err e;
    char name[32];

    for (int i = 0; i < 300; i++) {
        struct agent_want w = want_of(f, name);
        struct agent_look l;

        (void)snprintf(name, sizeof(name), "m%d", i % 50);
        if (agent_hub_want(f->hub, &w, &e) == 0)
            agent_hub_look(f->hub, name, &l);
        if (i % 3 == 0 && agent_hub_end(f->hub, name, &e))
            return arg;
    }
    return NULL;
}

static void test_agent_hub__workers_and_agents_may_come_all_at_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[4];
    void *failed;

    (void)orders(f, &tux, NULL);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, f), 0);
    for (int i = 0; i < 200; i++) {
        (void)orders(f, &tux, NULL);
        (void)report(f, &tux, i % 2 == 0 ? "m1" : NULL, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    for (int i = 0; i < 50; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "m%d", i);
        assert_true(stage(f, name) == AGENT_GONE || stage(f, name) == AGENT_ENDING); /* each was ended at its last */
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, hub_bed_settled, hub_bed_end)
#define T_BEGUN(name) cmocka_unit_test_setup_teardown(name, hub_bed_begun, hub_bed_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_agent_hub__without_an_agent_there_is_no_capacity),
        T_BEGUN(test_agent_hub__just_begun_it_asks_for_patience_instead),
        T(test_agent_hub__only_an_agent_of_that_system_and_architecture_will_do),
        T(test_agent_hub__an_agent_has_as_many_machines_as_it_may_and_no_more),
        T(test_agent_hub__a_mac_has_two_machines_whatever_is_set),
        T(test_agent_hub__the_agent_with_the_fewest_machines_is_chosen),
        T(test_agent_hub__what_is_wanted_is_checked),
        T(test_agent_hub__an_order_holds_all_that_was_asked_for),
        T(test_agent_hub__wanted_twice_it_is_one_machine),
        T(test_agent_hub__an_order_is_repeated_to_its_agent_alone_until_the_vm_is_seen),
        T(test_agent_hub__an_answer_holds_so_many_orders_and_the_oldest_first),
        T(test_agent_hub__a_failed_try_is_ordered_again_and_the_third_is_the_last),
        T(test_agent_hub__an_agent_that_counts_further_is_believed),
        T(test_agent_hub__a_long_failure_is_cut_with_no_half_of_a_secret),
        T(test_agent_hub__a_failure_that_quotes_the_script_shows_no_key),
        T(test_agent_hub__failures_of_other_agents_and_of_unknown_vms_change_nothing),
        T(test_agent_hub__a_machine_that_failed_is_not_wanted_again),
        T(test_agent_hub__so_many_agents_and_no_more_until_one_is_silent_and_idle),
        T(test_agent_hub__so_many_machines_and_what_is_over_makes_way),
        T(test_agent_hub__workers_and_agents_may_come_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
