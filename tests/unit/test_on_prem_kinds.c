/* on_prem asks the kind of machine that the executor names, and takes only accounts that make sense. */
#include "tests/support/unit.h"

#include "providers/common/agent_hub.h"
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

static int launch(struct bed *b, const char *executor, struct instance *out, struct err *e)
{
    AUTO_ORDER struct order o;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.extra = json_pack("{s:s}", "executor", executor);
    o.spec.extra = o.extra;
    o.r.first_try = true;
    return b->ops->launch(b->p, &o.r, out, e);
}

/* ---- kinds of machines ---- */

static void test_on_prem_kinds__the_executor_decides_who_is_asked(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_on_prem, NULL, 0);
    struct agent_hub *hub = agent_hub_new(BED_DEPLOYMENT);
    struct instance vm = bed_ref(b, "vm:muster-a", "muster-a"), got;
    struct err e;

    (void)state;
    b->env.agents = hub;
    bed_reopen(b, 20000);
    assert_int_equal(launch(b, "meda", &got, &e), -1);
    if (strstr(e.msg, "agent") == NULL)
        fail_msg("%s", e.msg);
    assert_int_equal(b->ops->describe(b->p, &vm, &got, &e), -1);
    assert_non_null(strstr(e.msg, "agents"));
    assert_int_equal(raw_count(b->server), 0);
    assert_ok(launch(b, "docker", &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    b->env.agents = NULL;
    bed_reopen(b, 20000);
    agent_hub_free(hub);
}

static void test_on_prem_kinds__an_id_that_is_of_no_kind_is_never_called_gone(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_on_prem, NULL, 0);
    struct instance odd = bed_ref(b, "i-0123456789abcdef0", "muster-a"), vm = bed_ref(b, "vm:muster-a", "muster-a"),
                    got;
    struct err e;

    (void)state;
    assert_fails(b->ops->describe(b->p, &odd, &got, &e), ERR_INVALID, "is not an id", e);
    assert_fails(b->ops->destroy(b->p, &odd, &e), ERR_INVALID, "is not an id", e);
    /* its token was taken out of the settings */
    assert_fails(b->ops->describe(b->p, &vm, &got, &e), ERR_AUTH, "agent_token", e);
    assert_int_equal(raw_count(b->server), 0);
}

static void test_on_prem_kinds__an_account_for_agents_alone_asks_no_engine(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_on_prem, NULL, 0);
    AUTO_CONF struct conf *acct = conf_new("clouds.on_prem", b->ops->account_keys);
    AUTO_ORDER struct order o;
    struct bed_seen seen = {0};
    struct provider *p;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    assert_ok(conf_set(acct, "agent_token", "0123456789abcdef", "test", &e), e);
    assert_ok(b->ops->open(acct, &b->env, &p, &e), e);
    assert_fails(b->ops->launch(p, &o.r, &got, &e), ERR_INVALID, "set clouds.on_prem.docker_host", e);
    assert_ok(b->ops->list(p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 0);
    b->ops->close(p);
}

/* ---- the account ---- */

static void test_on_prem_kinds__an_address_that_is_none_is_refused_at_the_start(void **state)
{
    static const char *const bad[] = {"/var/run/docker.sock", "ssh://host", "tcp://", "tcp://a/b", "tcp://a?b",
                                      "tcp://user@host:1",    "unix://x",   "docker"};
    AUTO_BED struct bed *b = bed_open(&fake_on_prem, NULL, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_CONF struct conf *acct = conf_new("clouds.on_prem", b->ops->account_keys);
        struct provider *p = NULL;
        struct err e;

        assert_ok(conf_set(acct, "docker_host", bad[i], "test", &e), e);
        assert_fails(b->ops->open(acct, &b->env, &p, &e), ERR_INVALID, "docker_host", e);
        assert_null(p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_on_prem_kinds__the_executor_decides_who_is_asked),
        cmocka_unit_test(test_on_prem_kinds__an_id_that_is_of_no_kind_is_never_called_gone),
        cmocka_unit_test(test_on_prem_kinds__an_account_for_agents_alone_asks_no_engine),
        cmocka_unit_test(test_on_prem_kinds__an_address_that_is_none_is_refused_at_the_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
