/* An account of Oracle Cloud: what it must have, and requests that are only shown, without credentials or network. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "tests/support/asked.h"

/* ---- the account ---- */

static const char *no_variable(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static int open_with(const char *const (*settings)[2], struct httpc *http, struct provider **out, struct err *e)
{
    static struct provider_env env;
    const struct provider_ops *ops = registry_find("oracle");
    AUTO_CONF struct conf *acct = conf_new("clouds.oracle", ops->account_keys);
    int rc;

    env = (struct provider_env){.http = http, .deployment = "muster", .getenv_fn = no_variable};
    for (size_t i = 0; settings[i][0] != NULL; i++)
        assert_ok(conf_set(acct, settings[i][0], settings[i][1], "the test", e), *e);
    rc = ops->open(acct, &env, out, e);
    if (rc == 0)
        ops->close(*out);
    return rc;
}

static void test_oracle_account__an_account_without_a_subnet_or_with_slips_is_refused_at_the_start(void **state)
{
    static const char *const rows[][3][2] = {
        {{"compartment_id", "ocid1.compartment.oc1..c"}, {NULL, NULL}, {NULL, "subnet_id is missing"}},
        {{"subnet_id", "ocid1.subnet.oc1..s"}, {NULL, NULL}, {NULL, "compartment_id is missing"}},
        {{"subnet_id", "subnet-0123"}, {NULL, NULL}, {NULL, "not written like ocid1.subnet.oc1..aaaa"}},
        {{"subnet_id", "ocid1.tenancy.oc1..s"}, {NULL, NULL}, {NULL, "not written like ocid1.subnet"}}};
    struct httpc *http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    struct provider *p;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_fails(open_with(rows[i], http, &p, &e), ERR_INVALID, rows[i][2][1], e);
    httpc_free(http);
}

static void test_oracle_account__the_tenancy_is_the_compartment_when_none_is_named(void **state)
{
    static const char *const settings[][2] = {
        {"subnet_id", "ocid1.subnet.oc1..s"}, {"tenancy", "ocid1.tenancy.oc1..t"}, {NULL, NULL}};
    struct httpc *http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    struct provider *p;
    struct err e;

    (void)state;
    assert_ok(open_with(settings, http, &p, &e), e);
    httpc_free(http);
}

/* The variables named in arg, ended by NULL, are set. */
static const char *some_variables(void *arg, const char *name)
{
    const char *const *set = arg;

    for (; *set != NULL; set++) {
        if (strcmp(*set, name) == 0)
            return "x";
    }
    return NULL;
}

static void test_oracle_account__the_environment_turns_it_on_when_it_has_all_that_is_needed(void **state)
{
    static const char *all[] = {"OCI_CLI_USER", "OCI_CLI_KEY_FILE", "OCI_SUBNET_ID", NULL};
    static const char *no_subnet[] = {"OCI_CLI_USER", "OCI_CLI_KEY_CONTENT", NULL};
    static const char *no_key[] = {"OCI_CLI_USER", "OCI_SUBNET_ID", NULL};
    const struct provider_ops *ops = registry_find("oracle");

    (void)state;
    assert_true(ops->configured(&(struct provider_env){.getenv_fn = some_variables, .getenv_arg = all}));
    assert_false(ops->configured(&(struct provider_env){.getenv_fn = some_variables, .getenv_arg = no_subnet}));
    assert_false(ops->configured(&(struct provider_env){.getenv_fn = some_variables, .getenv_arg = no_key}));
}

/* ---- shown ---- */

struct shown {
    const struct provider_ops *ops;
    struct provider_env env;
    struct conf *acct;
    struct provider *p;
};

/* An account that is only shown, with one setting at most. */
static void shown_open(struct shown *s, const char *name, const char *value)
{
    struct err e;

    s->ops = registry_find("oracle");
    s->acct = conf_new("clouds.oracle", s->ops->account_keys);
    s->env = (struct provider_env){.http = NULL, .deployment = "muster", .getenv_fn = no_variable};
    if (name != NULL)
        assert_ok(conf_set(s->acct, name, value, "the test", &e), e);
    assert_ok(s->ops->open(s->acct, &s->env, &s->p, &e), e);
}

static void shown_close(struct shown *s)
{
    s->ops->close(s->p);
    conf_free(s->acct);
}

static void test_oracle_account__what_only_the_cloud_can_tell_is_shown_in_brackets(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_oracle, NULL, 0);
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *list = json_array();
    struct shown s;
    const char *text;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "us-ashburn-1";
    o.spec.image = "ubuntu2204";
    shown_open(&s, NULL, NULL);
    assert_ok(s.ops->render(s.p, &o.r, list, &e), e);
    assert_ok(js_str(list, "0.url", &text, &e), e);
    assert_string_equal(text, "https://iaas.us-ashburn-1.oraclecloud.com/20160918/instances");
    is_json(json_object_get(json_array_get(list, 0), "headers"),
            "{'opc-retry-token':'muster-a-0-0-<domain>','Authorization':'***'}");
    assert_ok(js_str(list, "0.body.availabilityDomain", &text, &e), e);
    assert_string_equal(text, "<each availability domain of us-ashburn-1>");
    assert_ok(js_str(list, "0.body.sourceDetails.imageId", &text, &e), e);
    assert_string_equal(text, "<newest image ubuntu2204>");
    assert_ok(js_str(list, "0.body.compartmentId", &text, &e), e);
    assert_string_equal(text, "<compartment_id>");
    assert_ok(js_str(list, "0.body.createVnicDetails.subnetId", &text, &e), e);
    assert_string_equal(text, "<subnet_id>");
    assert_ok(js_str(list, "0.body.metadata.user_data", &text, &e), e);
    assert_string_equal(text, "***");
    shown_close(&s);
}

static void test_oracle_account__every_realm_has_its_domain_and_old_regions_their_names(void **state)
{
    static const char *const rows[][3] = {
        {"ocid1.subnet.oc1.iad.s", "Uocm:US-ASHBURN-AD-1", "https://iaas.us-ashburn-1.oraclecloud.com/"},
        {"ocid1.subnet.oc1.phx.s", "Uocm:PHX-AD-3", "https://iaas.us-phoenix-1.oraclecloud.com/"},
        {"ocid1.subnet.oc2..s", "us-langley-1", "https://iaas.us-langley-1.oraclegovcloud.com/"},
        {"ocid1.subnet.oc4..s", "uk-gov-london-1", "https://iaas.uk-gov-london-1.oraclegovcloud.uk/"},
        {"ocid1.subnet.oc19..s", "eu-frankfurt-2", "https://iaas.eu-frankfurt-2.oraclecloud.eu/"},
        {"ocid1.subnet.oc8..s", "ap-chiyoda-1", "https://iaas.ap-chiyoda-1.oraclecloud8.com/"}};
    AUTO_BED struct bed *b = bed_open(&fake_oracle, NULL, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *list = json_array();
        struct shown s;
        const char *text;
        struct err e;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.region = rows[i][1];
        shown_open(&s, "subnet_id", rows[i][0]);
        assert_ok(s.ops->render(s.p, &o.r, list, &e), e);
        assert_ok(js_str(list, "0.url", &text, &e), e);
        if (!text_has_prefix(text, rows[i][2]))
            fail_msg("%s leads to %s", rows[i][1], text);
        shown_close(&s);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_account__an_account_without_a_subnet_or_with_slips_is_refused_at_the_start),
        cmocka_unit_test(test_oracle_account__the_tenancy_is_the_compartment_when_none_is_named),
        cmocka_unit_test(test_oracle_account__the_environment_turns_it_on_when_it_has_all_that_is_needed),
        cmocka_unit_test(test_oracle_account__what_only_the_cloud_can_tell_is_shown_in_brackets),
        cmocka_unit_test(test_oracle_account__every_realm_has_its_domain_and_old_regions_their_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
