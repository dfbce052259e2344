/* Machines of agents in the words of a provider, and the script that reaches them. */
#include "providers/common/agent_host.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "tests/support/hub_bed.h"

#include <stdio.h>

#define BOOTSTRAP "#!/bin/bash\necho bootstrap\n"

struct bed {
    struct fixture *hub;
    struct secret *user_data;
    struct on_prem_agents agents;
    struct on_prem_vm vm;
    struct machine_spec spec;
    struct launch_request request;
};

static void bed_init(struct bed *b, struct fixture *hub)
{
    memset(b, 0, sizeof(*b));
    b->hub = hub;
    b->user_data = secret_new(BOOTSTRAP, sizeof(BOOTSTRAP) - 1);
    b->agents.hub = hub->hub;
    b->vm = (struct on_prem_vm){"meda", 4, 8, 50};
    b->spec = (struct machine_spec){.cloud = "on_prem", .image = "ghcr.io/cirunlabs/ubuntu:24.04"};
    b->request = (struct launch_request){
        .spec = &b->spec, .name = "muster-1", .token = "t", .user_data = b->user_data, .first_try = true};
}

static void bed_clear(struct bed *b)
{
    secret_free(b->user_data);
}
#define AUTO_BED AUTO(bed_clear)

static int launch(struct bed *b, struct instance *out, struct err *e)
{
    return on_prem_agent_launch(&b->agents, &b->vm, &b->request, out, e);
}

static struct instance describe(struct bed *b, const struct instance *ref)
{
    struct instance i;
    struct err e;

    assert_ok(on_prem_agent_describe(&b->agents, ref, &i, &e), e);
    return i;
}

/* A poll whose one order is for the first machine. */
static struct agent_answer one_order(struct bed *b, const struct agent_name *n)
{
    struct agent_answer a = poll_of(b->hub, n);

    assert_int_equal(a.n_orders, 1);
    return a;
}

static void test_on_prem_agent__a_launch_waits_until_its_agent_has_made_the_vm(void **state)
{
    AUTO_BED struct bed b;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    struct instance i, by_name = {.name = "muster-1"};
    struct err e;

    bed_init(&b, *state);
    (void)orders(b.hub, &tux, NULL);
    assert_ok(launch(&b, &i, &e), e);
    assert_string_equal(i.id, "vm:muster-1");
    assert_string_equal(i.name, "muster-1");
    assert_int_equal(i.state, INSTANCE_PENDING);
    assert_true(on_prem_agent_owns(&i));
    assert_false(on_prem_agent_owns(&by_name));
    a = one_order(&b, &tux);
    assert_int_equal(describe(&b, &i).state, INSTANCE_PENDING);
    (void)report(b.hub, &tux, "muster-1", NULL);
    assert_int_equal(describe(&b, &i).state, INSTANCE_RUNNING);
    assert_int_equal(describe(&b, &by_name).state, INSTANCE_RUNNING);
    assert_string_equal(describe(&b, &by_name).id, "vm:muster-1");
    assert_ok(on_prem_agent_destroy(&b.agents, &by_name, &e), e);
    assert_int_equal(describe(&b, &i).state, INSTANCE_ENDING);
    (void)report(b.hub, &tux, NULL, NULL);
    clock_test_advance(10000);
    (void)report(b.hub, &tux, NULL, NULL);
    assert_int_equal(describe(&b, &i).state, INSTANCE_GONE);
    assert_int_equal(describe(&b, &i).why, ERR_NONE);
    assert_ok(on_prem_agent_destroy(&b.agents, &i, &e), e);
}

static void test_on_prem_agent__what_its_agent_could_not_make_is_gone_for_want_of_capacity(void **state)
{
    AUTO_BED struct bed b;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    struct instance i;
    struct err e;

    bed_init(&b, *state);
    (void)orders(b.hub, &tux, NULL);
    assert_ok(launch(&b, &i, &e), e);
    a = one_order(&b, &tux);
    (void)fail_once(b.hub, &tux, "muster-1", "the image is not there", 3);
    i = describe(&b, &i);
    assert_int_equal(i.state, INSTANCE_GONE);
    assert_int_equal(i.why, ERR_CAPACITY);
    assert_string_equal(i.detail, "agent tux.example: the image is not there");
}

static void test_on_prem_agent__each_executor_has_its_host_and_its_login(void **state)
{
    AUTO_BED struct bed b;
    AUTO_AGENT_ANSWER struct agent_answer meda = {0};
    AUTO_AGENT_ANSWER struct agent_answer lume = {0};
    struct instance i;
    struct err e;

    bed_init(&b, *state);
    (void)orders(b.hub, &tux, NULL);
    (void)orders(b.hub, &mac, NULL);
    assert_ok(launch(&b, &i, &e), e);
    meda = one_order(&b, &tux);
    assert_string_equal(meda.orders[0].login_user, "cirun");
    assert_string_equal(secret_reveal(meda.orders[0].login_password), "cirun");
    assert_string_equal(meda.orders[0].guest_os, "linux");
    b.vm.executor = "lume";
    b.spec.image = "ubuntu-noble-arm64:latest";
    b.request.name = "muster-2";
    assert_ok(launch(&b, &i, &e), e);
    lume = one_order(&b, &mac);
    assert_string_equal(lume.orders[0].login_user, "lume");
    assert_string_equal(secret_reveal(lume.orders[0].login_password), "lume");
}

static void test_on_prem_agent__the_owners_login_comes_first(void **state)
{
    AUTO_BED struct bed b;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    AUTO_SECRET struct secret *password = secret_new("it's", 4);
    struct instance i;
    struct err e;

    bed_init(&b, *state);
    b.agents.login_user = "ops";
    b.agents.login_password = password;
    (void)orders(b.hub, &tux, NULL);
    assert_ok(launch(&b, &i, &e), e);
    a = one_order(&b, &tux);
    assert_string_equal(a.orders[0].login_user, "ops");
    assert_string_equal(secret_reveal(a.orders[0].login_password), "it's");
    assert_non_null(strstr(secret_reveal(a.orders[0].script), "<<<'it'\\''s'\n"));
}

static void test_on_prem_agent__what_cannot_be_is_refused_before_anything_is_asked(void **state)
{
    AUTO_BED struct bed b;
    struct instance i;
    struct err e;

    bed_init(&b, *state);
    (void)orders(b.hub, &tux, NULL);
    (void)orders(b.hub, &mac, NULL);
    b.spec.gpu = "t4";
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "executor meda has no GPUs", e);
    b.spec.gpu = NULL;
    b.spec.image = NULL;
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "machine_image is missing", e);
    b.spec.image = "macos-sequoia";
    b.spec.os = "macos";
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "executor meda runs no macos", e);
    b.vm.executor = "lume";
    b.spec.image = "win11";
    b.spec.os = "windows";
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "executor lume runs no windows", e);
    b.spec.os = NULL;
    b.spec.image = "ubuntu-noble-amd64:latest";
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "lume runs arm64 only", e);
    b.vm.executor = "meda";
    b.agents.hub = NULL;
    assert_fails(launch(&b, &i, &e), ERR_INVALID, "set clouds.on_prem.agent_token", e);
    assert_true(on_prem_agent_is_executor("meda") && on_prem_agent_is_executor("lume"));
    assert_false(on_prem_agent_is_executor("docker"));
}

static void test_on_prem_agent__a_macos_image_is_named_in_lumes_words(void **state)
{
    AUTO_BED struct bed b;
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    struct instance i;
    struct err e;

    bed_init(&b, *state);
    (void)orders(b.hub, &mac, NULL);
    b.vm.executor = "lume";
    b.spec.image = "cirunlabs/macos-sequoia-runner:latest";
    b.spec.os = "macos";
    assert_ok(launch(&b, &i, &e), e);
    a = one_order(&b, &mac);
    assert_string_equal(a.orders[0].guest_os, "macOS");
}

static void test_on_prem_agent__what_would_be_answered_is_shown_without_an_agent_or_a_secret(void **state)
{
    AUTO_BED struct bed b;
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *text = NULL;
    struct err e;

    bed_init(&b, *state);
    b.agents.hub = NULL;
    b.agents.deployment = "muster";
    b.request.user_data = NULL;
    assert_ok(on_prem_agent_render(&b.agents, &b.vm, &b.request, list, &e), e);
    assert_ok(js_dump(list, &text, &e), e);
    assert_string_equal(
        text, "[{\"method\":\"GET\",\"url\":\"<public_url>/api/v1/agent\",\"headers\":{\"Authorization\":\"***\"},"
              "\"body\":{\"runners_to_provision\":[{\"name\":\"cirun-74cd18c0-muster-1\",\"provision_script\":\"***\","
              "\"image\":\"ghcr.io/cirunlabs/ubuntu:24.04\",\"os\":\"linux\",\"cpu\":4,\"memory\":8,\"disk\":50,"
              "\"login\":{\"username\":\"cirun\",\"password\":\"***\"},\"max_retries\":3}],"
              "\"runners_to_delete\":[]}}]");
    b.spec.gpu = "t4";
    assert_fails(on_prem_agent_render(&b.agents, &b.vm, &b.request, list, &e), ERR_INVALID, "has no GPUs", e);
}

static void test_on_prem_agent__the_account_says_login_and_token(void **state)
{
    static const struct conf_key keys[] = {ON_PREM_AGENT_KEYS, {.name = NULL}};
    struct fixture *f = *state;
    const struct provider_env env = {.deployment = "muster", .agents = f->hub};
    AUTO_CONF struct conf *acct = conf_new("clouds.on_prem", keys);
    struct on_prem_agents a;
    struct err e;

    assert_ok(on_prem_agent_open(acct, &env, 3, &a, &e), e);
    assert_null(a.login_user);
    assert_null(a.login_password);
    assert_ptr_equal(a.hub, f->hub);
    assert_int_equal(a.max_machines, 3);
    assert_ok(conf_set(acct, "agent_login_user", "ops", "test", &e), e);
    assert_ok(conf_set(acct, "agent_login_password", "hunter22", "test", &e), e);
    assert_ok(conf_set(acct, "agent_token", "0123456789abcdef", "test", &e), e);
    assert_ok(on_prem_agent_open(acct, &env, 3, &a, &e), e);
    assert_string_equal(a.login_user, "ops");
    assert_string_equal(secret_reveal(a.login_password), "hunter22");
    assert_ok(conf_set(acct, "agent_token", "0123456789abcde", "test", &e), e);
    assert_fails(on_prem_agent_open(acct, &env, 3, &a, &e), ERR_INVALID, "agent_token: 15 characters are too few", e);
}

static void test_on_prem_agent__without_a_token_any_more_nothing_is_called_gone(void **state)
{
    AUTO_BED struct bed b;
    struct instance i, ref = {.id = "vm:muster-1"};
    struct err e;

    bed_init(&b, *state);
    b.agents.hub = NULL;
    assert_fails(on_prem_agent_describe(&b.agents, &ref, &i, &e), ERR_AUTH, "agent_token is not set any more", e);
    assert_fails(on_prem_agent_destroy(&b.agents, &ref, &e), ERR_AUTH, "agent_token is not set any more", e);
}

static void test_on_prem_agent__after_a_restart_it_cannot_tell_for_a_while(void **state)
{
    AUTO_BED struct bed b;
    struct instance i, ref = {.id = "vm:muster-1"};
    struct err e;

    bed_init(&b, *state);
    assert_fails(on_prem_agent_describe(&b.agents, &ref, &i, &e), ERR_RETRY, "muster has just started", e);
    clock_test_advance(AGENT_SETTLE_MS);
    assert_int_equal(describe(&b, &ref).state, INSTANCE_GONE);
}

static int see(void *arg, const struct instance *i, struct err *e)
{
    (void)e;
    (void)snprintf((char *)arg + strlen(arg), 100, "%.60s %d ", i->id, (int)i->state);
    return 0;
}

static void test_on_prem_agent__a_list_holds_what_agents_have(void **state)
{
    AUTO_BED struct bed b;
    char text[500] = "", expected[100];
    struct err e;

    bed_init(&b, *state);
    (void)report(b.hub, &tux, "muster-1", "muster-2");
    end(b.hub, "muster-2");
    assert_ok(on_prem_agent_list(&b.agents, see, text, &e), e);
    (void)snprintf(expected, sizeof(expected), "vm:muster-1 %d vm:muster-2 %d ", INSTANCE_RUNNING, INSTANCE_ENDING);
    assert_string_equal(text, expected);
    b.agents.hub = NULL;
    text[0] = '\0';
    assert_ok(on_prem_agent_list(&b.agents, see, text, &e), e);
    assert_string_equal(text, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, hub_bed_settled, hub_bed_end)
#define T_BEGUN(name) cmocka_unit_test_setup_teardown(name, hub_bed_begun, hub_bed_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_on_prem_agent__a_launch_waits_until_its_agent_has_made_the_vm),
        T(test_on_prem_agent__what_its_agent_could_not_make_is_gone_for_want_of_capacity),
        T(test_on_prem_agent__each_executor_has_its_host_and_its_login),
        T(test_on_prem_agent__the_owners_login_comes_first),
        T(test_on_prem_agent__what_cannot_be_is_refused_before_anything_is_asked),
        T(test_on_prem_agent__a_macos_image_is_named_in_lumes_words),
        T(test_on_prem_agent__what_would_be_answered_is_shown_without_an_agent_or_a_secret),
        T(test_on_prem_agent__the_account_says_login_and_token),
        T(test_on_prem_agent__without_a_token_any_more_nothing_is_called_gone),
        T_BEGUN(test_on_prem_agent__after_a_restart_it_cannot_tell_for_a_while),
        T(test_on_prem_agent__a_list_holds_what_agents_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
