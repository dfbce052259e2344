/* An imitation of the published cirun-agent against the real listener, over HTTP; the test's clock stands still between
 * turns. */
#include "providers/common/agent_hub.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/support/cirun_agent.h"
#include "tests/support/intake.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define TOKEN "a token of agents"
#define SCRIPT "#!/bin/bash\necho \"one-time credential\" \xc3\xa9\n"
#define TURN_MS 5000

struct bed {
    struct httpc *http;
    struct secret *token, *script, *password;
    struct agent_hub *hub;
    struct intake *intake;
    char url[96], listen[64];
    struct cirun_host host;
    struct cirun_agent *agent;
};

/* Both are new; the address stays once there is one. */
static void begin(struct bed *b)
{
    const struct api_conf c = {.listen = b->listen[0] != '\0' ? b->listen : NULL, .agent_token = b->token};
    struct api_conf conf = c;

    b->hub = agent_hub_new("muster");
    conf.agents = b->hub;
    b->intake = intake_start(INTAKE_AT_ONCE, &conf);
    (void)snprintf(b->listen, sizeof(b->listen), "127.0.0.1:%d", intake_port(b->intake));
    (void)snprintf(b->url, sizeof(b->url), "http://%s/api/v1", b->listen);
}

static void finish(struct bed *b)
{
    intake_free(b->intake);
    agent_hub_free(b->hub);
}

static struct cirun_agent *agent(struct bed *b, const char *id, const char *hostname, struct cirun_host *host)
{
    return cirun_agent_start(&(struct cirun_agent_conf){
        .url = b->url, .token = TOKEN, .id = id, .hostname = hostname, .http = b->http, .host = host});
}

static int setup(void **state)
{
    struct bed *b = mem_zalloc(sizeof(*b));

    clock_test_set(1700000000000);
    b->http = httpc_new(&(struct httpc_conf){.user_agent = "cirun-agent"});
    b->token = secret_new(TOKEN, strlen(TOKEN));
    b->script = secret_new(SCRIPT, strlen(SCRIPT));
    b->password = secret_new("cirun", 5);
    begin(b);
    clock_test_advance(AGENT_SETTLE_MS);
    b->agent = agent(b, NULL, NULL, &b->host);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    cirun_agent_kill(b->agent);
    cirun_host_clear(&b->host);
    finish(b);
    httpc_free(b->http);
    secret_free(b->token);
    secret_free(b->script);
    secret_free(b->password);
    free(b);
    clock_test_release();
    return 0;
}

static void turns(struct cirun_agent *a, int n)
{
    for (; n > 0; n--) {
        assert_int_equal(cirun_agent_turn(a), 200);
        clock_test_advance(TURN_MS);
    }
}

static void want_with(struct bed *b, const char *machine, const struct secret *script)
{
    const struct agent_want w = {.machine = machine,
                                 .script = script,
                                 .host_os = "linux",
                                 .host_arch = "x64",
                                 .image = "ghcr.io/cirunlabs/ubuntu:24.04",
                                 .guest_os = "linux",
                                 .cpus = 4,
                                 .memory_gb = 8,
                                 .disk_gb = 50,
                                 .login_user = "cirun",
                                 .login_password = b->password,
                                 .first_try = true};
    struct err e;

    assert_ok(agent_hub_want(b->hub, &w, &e), e);
}

static void want(struct bed *b, const char *machine)
{
    want_with(b, machine, b->script);
}

static void end(struct bed *b, const char *machine)
{
    struct err e;

    assert_ok(agent_hub_end(b->hub, machine, &e), e);
}

static struct agent_look look(struct bed *b, const char *machine)
{
    struct agent_look l;

    agent_hub_look(b->hub, machine, &l);
    return l;
}

#define VM(machine) "cirun-74cd18c0-" machine

/* It is there, its script ran once, and the hub knows it. */
static void assert_up(struct bed *b, struct cirun_host *h, const char *machine)
{
    char name[128];
    const struct cirun_vm *vm;

    (void)snprintf(name, sizeof(name), VM("%s"), machine);
    vm = cirun_host_find(h, name);
    assert_non_null(vm);
    assert_int_equal(vm->runs, 1);
    assert_string_equal(vm->script, SCRIPT);
    assert_int_equal(look(b, machine).stage, AGENT_HERE);
}

/* --- one machine ---------------------------------------------------------------------------------------------------
 */

static void test_agent__an_agent_that_has_nothing_to_do_is_connected(void **state)
{
    struct bed *b = *state;

    assert_int_equal(agent_hub_live(b->hub), 0);
    turns(b->agent, 2);
    assert_int_equal(agent_hub_live(b->hub), 1);
    assert_int_equal(b->host.created, 0);
    assert_int_equal(cirun_agent_refused(b->agent), 0);
}

static void test_agent__a_machine_is_made_as_it_was_asked_for_and_once(void **state)
{
    struct bed *b = *state;
    const struct cirun_vm *vm;

    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 10);
    assert_up(b, &b->host, "muster-1");
    assert_int_equal(b->host.created, 1);
    vm = cirun_host_find(&b->host, VM("muster-1"));
    assert_string_equal(vm->image, "ghcr.io/cirunlabs/ubuntu:24.04");
    assert_string_equal(vm->os, "linux");
    assert_string_equal(vm->user, "cirun");
    assert_string_equal(vm->password, "cirun");
    assert_int_equal(vm->cpu, 4);
    assert_int_equal(vm->memory, 8);
    assert_int_equal(vm->disk, 50);
}

static void test_agent__a_script_of_sixty_kilobytes_arrives_whole(void **state)
{
    struct bed *b = *state;
    AUTO_FREE char *text = mem_zalloc(60001);
    AUTO_SECRET struct secret *script = NULL;

    memset(text, '"', 60000);
    script = secret_new(text, 60000);
    turns(b->agent, 1);
    for (int i = 0; i < AGENT_ORDERS_MAX; i++) {
        char machine[32];

        (void)snprintf(machine, sizeof(machine), "muster-%d", i);
        want_with(b, machine, script);
    }
    turns(b->agent, 3);
    assert_int_equal(b->host.created, AGENT_ORDERS_MAX);
    assert_string_equal(cirun_host_find(&b->host, VM("muster-0"))->script, text);
}

static void test_agent__an_ended_machine_is_deleted_and_then_gone(void **state)
{
    struct bed *b = *state;

    turns(b->agent, 1);
    want(b, "muster-1");
    want(b, "muster-2");
    turns(b->agent, 4);
    end(b, "muster-1");
    assert_int_equal(look(b, "muster-1").stage, AGENT_ENDING);
    turns(b->agent, 4);
    assert_null(cirun_host_find(&b->host, VM("muster-1")));
    assert_int_equal(look(b, "muster-1").stage, AGENT_GONE);
    assert_up(b, &b->host, "muster-2");
    assert_int_equal(b->host.created, 2);
}

static void test_agent__ended_while_its_image_is_pulled_it_is_deleted_when_it_comes(void **state)
{
    struct bed *b = *state;

    b->host.slow = 100;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 50);
    end(b, "muster-1");
    turns(b->agent, 50);
    assert_int_equal(b->host.created, 0);
    assert_int_equal(look(b, "muster-1").stage, AGENT_ENDING);
    turns(b->agent, 10);
    assert_int_equal(b->host.created, 1);
    assert_null(cirun_host_find(&b->host, VM("muster-1")));
}

static void test_agent__a_vm_that_its_host_lost_is_gone(void **state)
{
    struct bed *b = *state;

    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 4);
    cirun_host_lose(&b->host, VM("muster-1"));
    turns(b->agent, 2);
    assert_int_equal(look(b, "muster-1").stage, AGENT_HERE);
    turns(b->agent, 2);
    assert_int_equal(look(b, "muster-1").stage, AGENT_GONE);
    assert_int_equal(b->host.created, 1);
}

/* --- failures ------------------------------------------------------------------------------------------------------
 */

static void test_agent__a_failed_try_is_made_again(void **state)
{
    struct bed *b = *state;

    b->host.fail_creates = 1;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 3);
    assert_int_equal(look(b, "muster-1").failures, 1);
    turns(b->agent, 3);
    assert_up(b, &b->host, "muster-1");
}

static void test_agent__a_vm_that_did_not_answer_ssh_is_made_again(void **state)
{
    struct bed *b = *state;

    b->host.fail_ssh = 2;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 12);
    assert_int_equal(look(b, "muster-1").failures, 2);
    assert_int_equal(b->host.created, 3);
    assert_up(b, &b->host, "muster-1");
}

static void test_agent__after_three_tries_it_has_failed_in_the_agents_words(void **state)
{
    struct bed *b = *state;
    struct agent_look l;

    b->host.fail_creates = 100;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 30);
    l = look(b, "muster-1");
    assert_int_equal(l.stage, AGENT_FAILED);
    assert_string_equal(l.detail, "agent host-1: Failed to create and run VM from image");
    assert_int_equal(cirun_agent_tries(b->agent, VM("muster-1")), 3);
    assert_int_equal(b->host.fail_creates, 97);
}

static void test_agent__lost_answers_and_reports_make_no_second_vm(void **state)
{
    struct bed *b = *state;

    turns(b->agent, 1);
    want(b, "muster-1");
    cirun_agent_lose(b->agent, 3, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(cirun_agent_turn(b->agent), 0);
    assert_int_equal(b->host.created, 0);
    assert_int_equal(look(b, "muster-1").stage, AGENT_HANDED);
    cirun_agent_lose(b->agent, 0, 2);
    turns(b->agent, 6);
    assert_up(b, &b->host, "muster-1");
    assert_int_equal(b->host.created, 1);
}

static void test_agent__a_host_that_cannot_list_its_vms_loses_none(void **state)
{
    struct bed *b = *state;

    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 4);
    b->host.blind = true;
    turns(b->agent, 60);
    assert_up(b, &b->host, "muster-1");
}

/* --- restarts and silence ------------------------------------------------------------------------------------------
 */

static void test_agent__an_agent_that_starts_anew_makes_what_it_was_at(void **state)
{
    struct bed *b = *state;

    b->host.slow = 3;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 2);
    cirun_agent_kill(b->agent);
    b->agent = agent(b, NULL, NULL, &b->host);
    turns(b->agent, 8);
    assert_up(b, &b->host, "muster-1");
    assert_int_equal(b->host.created, 1);
}

static void test_agent__our_restart_leaves_every_vm_alone_and_can_end_it(void **state)
{
    struct bed *b = *state;

    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 4);
    cirun_host_add(&b->host, "cirun-template-ubuntu-24-04-4-8-1234");
    finish(b);
    assert_int_equal(cirun_agent_turn(b->agent), 0);
    begin(b);
    assert_int_equal(look(b, "muster-1").stage, AGENT_UNSURE);
    turns(b->agent, 60);
    assert_up(b, &b->host, "muster-1");
    end(b, "muster-1");
    turns(b->agent, 4);
    assert_null(cirun_host_find(&b->host, VM("muster-1")));
    assert_non_null(cirun_host_find(&b->host, "cirun-template-ubuntu-24-04-4-8-1234"));
    assert_int_equal(look(b, "muster-1").stage, AGENT_GONE);
}

static void test_agent__a_dead_agents_machine_goes_to_nobody_and_is_deleted_when_it_returns(void **state)
{
    struct bed *b = *state;
    struct cirun_host other = {0};
    struct cirun_agent *second = agent(b, "id-2", "host-2", &other);

    b->host.slow = 1;
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 1); /* given; then its network is cut, while the VM is made all the same */
    turns(second, 24);
    assert_int_equal(look(b, "muster-1").stage, AGENT_FAILED);
    turns(second, 4);
    assert_int_equal(other.created, 0);
    cirun_host_add(&b->host, VM("muster-1"));
    cirun_agent_kill(b->agent);
    b->agent = agent(b, NULL, NULL, &b->host);
    turns(b->agent, 3);
    assert_null(cirun_host_find(&b->host, VM("muster-1")));
    assert_int_equal(other.created, 0);
    cirun_agent_kill(second);
    cirun_host_clear(&other);
}

static void test_agent__a_silent_agents_machine_stays_and_nobody_makes_it_again(void **state)
{
    struct bed *b = *state;
    struct cirun_host other = {0};
    struct cirun_agent *second = agent(b, "id-2", "host-2", &other);

    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 4);
    turns(second, 100);
    assert_int_equal(look(b, "muster-1").stage, AGENT_HERE);
    assert_non_null(strstr(look(b, "muster-1").detail, "has been silent for"));
    turns(b->agent, 3);
    assert_up(b, &b->host, "muster-1");
    assert_int_equal(other.created, 0);
    cirun_agent_kill(second);
    cirun_host_clear(&other);
}

/* --- several -------------------------------------------------------------------------------------------------------
 */

static void test_agent__two_agents_share_the_machines_and_each_is_made_once(void **state)
{
    struct bed *b = *state;
    struct cirun_host other = {0};
    struct cirun_agent *second = agent(b, "id-2", "host-2", &other);
    char machine[32], name[128];

    turns(b->agent, 1);
    turns(second, 1);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(machine, sizeof(machine), "muster-%d", i);
        want(b, machine);
    }
    for (int i = 0; i < 6; i++) {
        turns(b->agent, 1);
        turns(second, 1);
    }
    assert_int_equal(b->host.created, 5);
    assert_int_equal(other.created, 5);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(machine, sizeof(machine), "muster-%d", i);
        (void)snprintf(name, sizeof(name), VM("%s"), machine);
        assert_up(b, cirun_host_find(&other, name) != NULL ? &other : &b->host, machine);
    }
    cirun_agent_kill(second);
    cirun_host_clear(&other);
}

static void test_agent__a_full_agent_makes_the_next_one_when_one_has_gone(void **state)
{
    struct bed *b = *state;

    cirun_agent_kill(b->agent);
    b->agent = cirun_agent_start(
        &(struct cirun_agent_conf){.url = b->url, .token = TOKEN, .http = b->http, .host = &b->host, .max_vms = 1});
    turns(b->agent, 1);
    want(b, "muster-1");
    want(b, "muster-2");
    turns(b->agent, 10);
    assert_up(b, &b->host, "muster-1");
    assert_int_equal(look(b, "muster-2").stage, AGENT_HANDED);
    end(b, "muster-1");
    turns(b->agent, 5);
    assert_up(b, &b->host, "muster-2");
}

static void test_agent__two_deployments_on_one_host_leave_each_other_alone(void **state)
{
    struct bed *b = *state;
    struct bed other = {.token = b->token, .http = b->http};
    struct cirun_agent *second;
    struct agent_look l;
    struct err e;

    begin(&other);
    agent_hub_free(other.hub);
    intake_free(other.intake);
    other.hub = agent_hub_new("staging");
    other.intake = intake_start(
        INTAKE_AT_ONCE, &(struct api_conf){.listen = other.listen, .agents = other.hub, .agent_token = b->token});
    second = agent(&other, "id-2", NULL, &b->host);
    turns(b->agent, 1);
    want(b, "muster-1");
    turns(b->agent, 4);
    assert_ok(agent_hub_end(other.hub, "muster-1", &e), e);
    turns(second, 130);
    assert_up(b, &b->host, "muster-1");
    agent_hub_look(other.hub, "muster-1", &l);
    assert_int_equal(l.stage, AGENT_GONE);
    cirun_agent_kill(second);
    finish(&other);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_agent__an_agent_that_has_nothing_to_do_is_connected),
        T(test_agent__a_machine_is_made_as_it_was_asked_for_and_once),
        T(test_agent__a_script_of_sixty_kilobytes_arrives_whole),
        T(test_agent__an_ended_machine_is_deleted_and_then_gone),
        T(test_agent__ended_while_its_image_is_pulled_it_is_deleted_when_it_comes),
        T(test_agent__a_vm_that_its_host_lost_is_gone),
        T(test_agent__a_failed_try_is_made_again),
        T(test_agent__a_vm_that_did_not_answer_ssh_is_made_again),
        T(test_agent__after_three_tries_it_has_failed_in_the_agents_words),
        T(test_agent__lost_answers_and_reports_make_no_second_vm),
        T(test_agent__a_host_that_cannot_list_its_vms_loses_none),
        T(test_agent__an_agent_that_starts_anew_makes_what_it_was_at),
        T(test_agent__our_restart_leaves_every_vm_alone_and_can_end_it),
        T(test_agent__a_dead_agents_machine_goes_to_nobody_and_is_deleted_when_it_returns),
        T(test_agent__a_silent_agents_machine_stays_and_nobody_makes_it_again),
        T(test_agent__two_agents_share_the_machines_and_each_is_made_once),
        T(test_agent__a_full_agent_makes_the_next_one_when_one_has_gone),
        T(test_agent__two_deployments_on_one_host_leave_each_other_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
