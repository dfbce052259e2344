/* Agents and the machines they are asked for: who is given what, what silence means, what is deleted. */
#include "providers/common/agent_hub.h"
#include "server/base/clock.h"
#include "tests/support/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET_SCRIPT "#!/bin/bash\necho one-time-credential\n"

struct fixture {
    struct agent_hub *hub;
    struct secret *script, *password;
};

static const struct agent_name tux = {"id-tux", "tux.example", "linux", "x86_64"};
static const struct agent_name gnu = {"id-gnu", "gnu.example", "linux", "x86_64"};
static const struct agent_name arm = {"id-arm", "arm.example", "linux", "aarch64"};
static const struct agent_name mac = {"id-mac", "mac mini's", "macos", "aarch64"};

static int setup(void **state)
{
    static struct fixture f;

    clock_test_set(1700000000000);
    f.hub = agent_hub_new("muster");
    f.script = secret_new(SECRET_SCRIPT, sizeof(SECRET_SCRIPT) - 1);
    f.password = secret_new("hunter22", 8);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    agent_hub_free(f->hub);
    secret_free(f->script);
    secret_free(f->password);
    clock_test_release();
    return 0;
}

/* Our own start is long past. */
static int setup_settled(void **state)
{
    (void)setup(state);
    clock_test_advance(AGENT_SETTLE_MS);
    return 0;
}

static struct agent_want want_of(const struct fixture *f, const char *machine)
{
    return (struct agent_want){.machine = machine,
                               .script = f->script,
                               .host_os = "linux",
                               .host_arch = "x64",
                               .image = "ghcr.io/cirunlabs/ubuntu:24.04",
                               .guest_os = "linux",
                               .cpus = 4,
                               .memory_gb = 8,
                               .disk_gb = 50,
                               .login_user = "cirun",
                               .login_password = f->password,
                               .first_try = true};
}

static void want(struct fixture *f, const char *machine)
{
    struct agent_want w = want_of(f, machine);
    struct err e;

    assert_ok(agent_hub_want(f->hub, &w, &e), e);
}

static struct agent_answer poll_of(struct fixture *f, const struct agent_name *n)
{
    struct agent_answer a = {0};
    struct err e;

    assert_ok(agent_hub_poll(f->hub, n, &a, &e), e);
    return a;
}

/* What a poll orders, by names with spaces between; what it deletes goes to `deletes`, if not NULL. */
static const char *orders(struct fixture *f, const struct agent_name *n, const char **deletes)
{
    static char text[2][4096];
    struct agent_answer a = poll_of(f, n);

    text[0][0] = text[1][0] = '\0';
    for (size_t i = 0; i < a.n_orders; i++) {
        (void)snprintf(text[0] + strlen(text[0]), 100, "%s%s", i > 0 ? " " : "",
                       agent_hub_machine_of(f->hub, a.orders[i].vm));
        assert_string_equal(secret_reveal(a.orders[i].script), SECRET_SCRIPT);
    }
    for (size_t i = 0; i < a.n_deletes; i++)
        (void)snprintf(text[1] + strlen(text[1]), 100, "%s%s", i > 0 ? " " : "",
                       agent_hub_machine_of(f->hub, a.deletes[i]));
    agent_answer_clear(&a);
    if (deletes != NULL)
        *deletes = text[1];
    return text[0];
}

/* The name that the hub gives a machine's VM. */
static void vm_name(const char *machine, char out[AGENT_VM_NAME_MAX + 1])
{
    (void)snprintf(out, AGENT_VM_NAME_MAX + 1, "cirun-74cd18c0-%s", machine);
}

/* The agent reports these machines (NULL ends them); what it is told to delete. */
static const char *report(struct fixture *f, const struct agent_name *n, const char *first, const char *second)
{
    static char text[4096];
    char names[2][AGENT_VM_NAME_MAX + 1];
    const char *vms[] = {names[0], names[1]};
    size_t count = first == NULL ? 0 : second == NULL ? 1 : 2;
    struct agent_answer a = {0};
    struct err e;

    if (first != NULL)
        vm_name(first, names[0]);
    if (second != NULL)
        vm_name(second, names[1]);
    assert_ok(agent_hub_report(f->hub, n, vms, count, &a, &e), e);
    assert_int_equal(a.n_orders, 0);
    text[0] = '\0';
    for (size_t i = 0; i < a.n_deletes; i++)
        (void)snprintf(text + strlen(text), 100, "%s%s", i > 0 ? " " : "", agent_hub_machine_of(f->hub, a.deletes[i]));
    agent_answer_clear(&a);
    return text;
}

static bool fail_once(struct fixture *f, const struct agent_name *n, const char *machine, const char *why, int attempt)
{
    struct agent_answer a = {0};
    char name[AGENT_VM_NAME_MAX + 1];
    bool last = false;
    struct err e;

    vm_name(machine, name);
    assert_ok(agent_hub_failed(f->hub, n, name, why, attempt, &a, &last, &e), e);
    agent_answer_clear(&a);
    return last;
}

static struct agent_look look(struct fixture *f, const char *machine)
{
    struct agent_look l;

    agent_hub_look(f->hub, machine, &l);
    return l;
}

static enum agent_stage stage(struct fixture *f, const char *machine)
{
    return look(f, machine).stage;
}

static void end(struct fixture *f, const char *machine)
{
    struct err e;

    assert_ok(agent_hub_end(f->hub, machine, &e), e);
}

/* Both turn by turn, as agents do, so that only what is tested falls silent. */
static void pass(struct fixture *f, const struct agent_name *n, int64_t ms)
{
    for (; ms > 0; ms -= 60000) {
        clock_test_advance(ms < 60000 ? ms : 60000);
        (void)orders(f, n, NULL);
    }
}

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

    memset(why, 'x', sizeof(why));
    memcpy(why + 145, "hunter22", 8);
    why[sizeof(why) - 1] = '\0';
    (void)orders(f, &tux, NULL);
    want(f, "m1");
    (void)orders(f, &tux, NULL);
    (void)fail_once(f, &tux, "m1", why, 3);
    assert_null(strstr(look(f, "m1").detail, "hunt"));
    assert_true(strlen(look(f, "m1").detail) < 200);
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

/* --- silence ------------------------------------------------------------------------------------------------------ */

static void test_agent_hub__a_machine_nobody_was_given_goes_to_another_agent(void **state)
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

static void test_agent_hub__a_machine_nobody_was_given_fails_when_no_agent_is_left(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    clock_test_advance(AGENT_DEAD_MS);
    assert_int_equal(stage(f, "m1"), AGENT_FAILED);
    assert_non_null(strstr(look(f, "m1").detail, "tux.example fell silent"));
}

static void test_agent_hub__a_machine_given_to_an_agent_that_dies_is_given_to_no_other(void **state)
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

static void test_agent_hub__machines_of_a_silent_agent_are_kept_and_it_is_said(void **state)
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

static void test_agent_hub__an_agent_silent_for_a_day_is_forgotten_with_its_machines(void **state)
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

static void test_agent_hub__a_vm_is_gone_when_two_reports_of_its_agent_miss_it(void **state)
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

static void test_agent_hub__a_vm_missed_once_and_seen_again_was_never_gone(void **state)
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

static void test_agent_hub__an_ended_machine_is_deleted_until_no_report_names_it(void **state)
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

static void test_agent_hub__ended_before_it_was_handed_out_it_never_is(void **state)
{
    struct fixture *f = *state;

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    end(f, "m1");
    assert_int_equal(stage(f, "m1"), AGENT_GONE);
    assert_string_equal(orders(f, &tux, NULL), "");
}

static void test_agent_hub__ended_while_it_is_made_it_may_still_come_and_is_deleted_then(void **state)
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

static void test_agent_hub__a_failure_after_the_end_says_that_nothing_will_come(void **state)
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

static void test_agent_hub__after_a_restart_absence_proves_nothing_for_a_while(void **state)
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

static void test_agent_hub__after_a_restart_a_vm_that_is_reported_is_its_machine(void **state)
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

static void test_agent_hub__after_a_restart_a_machine_ended_by_name_is_deleted_once_seen(void **state)
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

static void test_agent_hub__each_names_what_waits_is_made_is_there_and_ends(void **state)
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

static void test_agent_hub__each_fails_while_we_cannot_know(void **state)
{
    struct fixture *f = *state;
    struct names n = {.hub = f->hub};
    struct err e;

    (void)report(f, &tux, "m1", NULL);
    assert_fails(agent_hub_each(f->hub, add_name, &n, &e), ERR_RETRY, "has just started", e);
    assert_string_equal(n.text, "");
}

/* --- others' VMs, others' agents --------------------------------------------------------------------------------- */

static void test_agent_hub__vms_of_others_are_never_touched(void **state)
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

static void test_agent_hub__another_deployment_names_its_vms_otherwise(void **state)
{
    struct fixture *f = *state;
    struct agent_hub *other = agent_hub_new("staging");
    char name[AGENT_VM_NAME_MAX + 1];

    vm_name("m1", name);
    assert_string_equal(agent_hub_machine_of(f->hub, name), "m1");
    assert_null(agent_hub_machine_of(other, name));
    agent_hub_free(other);
}

static void test_agent_hub__a_vm_that_another_agent_reports_is_that_agents(void **state)
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

static void test_agent_hub__two_hosts_of_one_id_are_two_agents(void **state)
{
    struct fixture *f = *state;
    const struct agent_name twin = {"id-tux", "copy.example", "linux", "x86_64"};

    (void)orders(f, &tux, NULL);
    want(f, "m1");
    assert_string_equal(orders(f, &twin, NULL), "");
    assert_string_equal(orders(f, &tux, NULL), "m1");
    assert_int_equal(agent_hub_live(f->hub), 2);
}

static void test_agent_hub__what_an_agent_calls_itself_is_checked(void **state)
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
    assert_fails(agent_hub_poll(f->hub, &tux, &a, &e), ERR_CAPACITY, "64 agents are connected", e);
    clock_test_advance(AGENT_DEAD_MS);
    assert_ok(agent_hub_poll(f->hub, &tux, &a, &e), e);
    assert_true(a.is_new);
    agent_answer_clear(&a);
    assert_ok(agent_hub_poll(f->hub, &tux, &a, &e), e);
    assert_false(a.is_new);
    agent_answer_clear(&a);
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup_settled, teardown)
#define T_BEGUN(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        T(test_agent_hub__failures_of_other_agents_and_of_unknown_vms_change_nothing),
        T(test_agent_hub__a_machine_that_failed_is_not_wanted_again),
        T(test_agent_hub__a_machine_nobody_was_given_goes_to_another_agent),
        T(test_agent_hub__a_machine_nobody_was_given_fails_when_no_agent_is_left),
        T(test_agent_hub__a_machine_given_to_an_agent_that_dies_is_given_to_no_other),
        T(test_agent_hub__machines_of_a_silent_agent_are_kept_and_it_is_said),
        T(test_agent_hub__an_agent_silent_for_a_day_is_forgotten_with_its_machines),
        T(test_agent_hub__a_vm_is_gone_when_two_reports_of_its_agent_miss_it),
        T(test_agent_hub__a_vm_missed_once_and_seen_again_was_never_gone),
        T(test_agent_hub__an_ended_machine_is_deleted_until_no_report_names_it),
        T(test_agent_hub__ended_before_it_was_handed_out_it_never_is),
        T(test_agent_hub__ended_while_it_is_made_it_may_still_come_and_is_deleted_then),
        T(test_agent_hub__a_failure_after_the_end_says_that_nothing_will_come),
        T_BEGUN(test_agent_hub__after_a_restart_absence_proves_nothing_for_a_while),
        T_BEGUN(test_agent_hub__after_a_restart_a_vm_that_is_reported_is_its_machine),
        T_BEGUN(test_agent_hub__after_a_restart_a_machine_ended_by_name_is_deleted_once_seen),
        T(test_agent_hub__each_names_what_waits_is_made_is_there_and_ends),
        T_BEGUN(test_agent_hub__each_fails_while_we_cannot_know),
        T(test_agent_hub__vms_of_others_are_never_touched),
        T(test_agent_hub__another_deployment_names_its_vms_otherwise),
        T(test_agent_hub__a_vm_that_another_agent_reports_is_that_agents),
        T(test_agent_hub__two_hosts_of_one_id_are_two_agents),
        T(test_agent_hub__what_an_agent_calls_itself_is_checked),
        T(test_agent_hub__so_many_agents_and_no_more_until_one_is_silent_and_idle),
        T(test_agent_hub__so_many_machines_and_what_is_over_makes_way),
        T(test_agent_hub__workers_and_agents_may_come_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
