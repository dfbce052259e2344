/* Where Azure's access tokens come from, what happens when they are refused, and the account's settings. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SUBSCRIPTION "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
#define TENANT "72f988bf-86f1-41af-91ab-2d7cd011db47"
#define CLIENT "11112222-bbbb-3333-cccc-4444dddd5555"
#define SUBNET "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/n/subnets/m"

/* An account without a secret of its own. */
static const char *const bare[][2] = {{"region", "eastus"},     {"subscription_id", SUBSCRIPTION},
                                      {"resource_group", "ci"}, {"subnet_id", SUBNET},
                                      {"endpoint_url", "URL"},  {NULL, NULL}};

static const struct raw_request *first(struct bed *b)
{
    assert_true(raw_count(b->server) >= 1);
    return raw_get(b->server, 0);
}

static int describe(struct bed *b, struct err *e)
{
    struct instance ref = bed_ref(b, "muster-a", "muster-a"), got;

    return b->ops->describe(b->p, &ref, &got, e);
}

static void has(const char *form, const char *name, const char *want)
{
    char got[600] = "(absent)";

    (void)fake_form(form, name, got, sizeof(got));
    assert_string_equal(got, want);
}

/* ---- sources ---- */

static void test_azure_creds__a_client_secret_is_exchanged_for_a_token_of_the_resource_manager(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_azure, NULL, 0);
    char scope[300];
    struct err e;

    (void)state;
    assert_ok(describe(b, &e), e);
    assert_string_equal(first(b)->method, "POST");
    assert_string_equal(first(b)->path, "/" TENANT "/oauth2/v2.0/token");
    has(first(b)->body, "grant_type", "client_credentials");
    has(first(b)->body, "client_id", CLIENT);
    has(first(b)->body, "client_secret", "jXoM3Q~secret.of-the.application0123");
    (void)snprintf(scope, sizeof(scope), "%s/.default", raw_url(b->server));
    has(first(b)->body, "scope", scope);
}

/* The tenant's address below AZURE_AUTHORITY_HOST, and a file as the proof. */
static void test_azure_creds__a_workload_identity_shows_the_token_of_its_file(void **state)
{
    char file[] = "/tmp/muster-azure-XXXXXX";
    const char *const env[][2] = {{"AZURE_FEDERATED_TOKEN_FILE", file}, {"AZURE_AUTHORITY_HOST", "URL/"}, {NULL, NULL}};
    static const struct bed_setting app[] = {{"tenant_id", TENANT}, {"client_id", CLIENT}};
    struct fake_dialect d = fake_azure;
    int fd = mkstemp(file);
    struct err e;

    (void)state;
    assert_true(fd >= 0 && write(fd, "proof-of-kubernetes\n", 20) == 20);
    (void)close(fd);
    d.settings = bare;
    d.env = env;
    {
        AUTO_BED struct bed *b = bed_open(&d, app, ARRAY_LEN(app));

        assert_ok(describe(b, &e), e);
        assert_string_equal(first(b)->path, "/" TENANT "/oauth2/v2.0/token");
        has(first(b)->body, "grant_type", "client_credentials");
        has(first(b)->body, "client_id", CLIENT);
        has(first(b)->body, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        has(first(b)->body, "client_assertion", "proof-of-kubernetes");
    }
    (void)unlink(file);
    {
        AUTO_BED struct bed *b = bed_open(&d, app, ARRAY_LEN(app));

        assert_fails(describe(b, &e), ERR_AUTH, "AZURE_FEDERATED_TOKEN_FILE", e);
    }
}

/* Answers of the metadata services, which name times in their own way. */
static void act_metadata(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char end[32];

    if (fake_is(r, "GET", "/metadata/identity/oauth2/token")) {
        fake_json(answer, 200, "",
                  json_pack("{s:s, s:s}", "access_token", "token-of-the-machine", "expires_in", "86399"));
    } else if (fake_is(r, "GET", "/msi/token")) {
        (void)snprintf(end, sizeof(end), "%lld", (long long)(clock_now_ms() / 1000 + 3600));
        fake_json(answer, 200, "", json_pack("{s:s, s:s}", "access_token", "token-of-the-app", "expires_on", end));
    } else {
        fake_azure.act(c, r, answer);
    }
}

static bool is_metadata(const struct raw_request *r)
{
    return fake_is(r, "GET", "/metadata/identity/oauth2/token") || fake_is(r, "GET", "/msi/token");
}

static void test_azure_creds__a_machine_of_azure_asks_its_metadata_service(void **state)
{
    static const char *const env[][2] = {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", "URL"}, {NULL, NULL}};
    static const struct bed_setting which[] = {{"client_id", CLIENT}};

    (void)state;
    for (size_t n = 0; n <= 1; n++) {
        struct fake_dialect d = fake_azure;
        AUTO_BED struct bed *b = NULL;
        char resource[300], got[300];
        struct err e;

        d.settings = bare;
        d.env = env;
        d.act = act_metadata;
        d.is_auth = is_metadata;
        b = bed_open(&d, which, n);
        assert_ok(describe(b, &e), e);
        assert_string_equal(raw_header(first(b), "Metadata"), "true");
        (void)snprintf(resource, sizeof(resource), "%s/", raw_url(b->server));
        has(strchr(first(b)->path, '?') + 1, "api-version", "2018-02-01");
        has(strchr(first(b)->path, '?') + 1, "resource", resource);
        assert_int_equal(fake_query(first(b), "client_id", got, sizeof(got)), n == 1);
        assert_string_equal(raw_header(raw_get(b->server, 1), "Authorization"), "Bearer token-of-the-machine");
    }
}

static void test_azure_creds__an_app_service_asks_where_its_environment_says(void **state)
{
    static const char *const env[][2] = {
        {"IDENTITY_ENDPOINT", "URL/msi/token"}, {"IDENTITY_HEADER", "key-of-the-app-0123"}, {NULL, NULL}};
    struct fake_dialect d = fake_azure;
    AUTO_BED struct bed *b = NULL;
    struct err e;

    (void)state;
    d.settings = bare;
    d.env = env;
    d.act = act_metadata;
    d.is_auth = is_metadata;
    b = bed_open(&d, NULL, 0);
    assert_ok(describe(b, &e), e);
    assert_string_equal(raw_header(first(b), "X-IDENTITY-HEADER"), "key-of-the-app-0123");
    has(strchr(first(b)->path, '?') + 1, "api-version", "2019-08-01");
    assert_string_equal(raw_header(raw_get(b->server, 1), "Authorization"), "Bearer token-of-the-app");
    assert_ok(describe(b, &e), e); /* kept until it ends */
    assert_int_equal(raw_count(b->server), 5);
}

static void test_azure_creds__without_any_source_the_error_names_what_to_set(void **state)
{
    static const char *const env[][2] = {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1"}, {NULL, NULL}};
    struct fake_dialect d = fake_azure;
    AUTO_BED struct bed *b = NULL;
    struct err e;

    (void)state;
    d.settings = bare;
    d.env = env;
    b = bed_open(&d, NULL, 0);
    assert_fails(describe(b, &e), ERR_AUTH, "neither clouds.azure.client_secret nor a workload identity", e);
}

/* ---- refused tokens ---- */

static size_t tokens(struct bed *b)
{
    size_t n = 0;

    for (size_t i = 0; i < raw_count(b->server); i++)
        n += fake_azure.is_auth(raw_get(b->server, i)) ? 1 : 0;
    return n;
}

/* A cloud whose tokens differ, so that a fresh one is tried. */
static void act_numbered(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    char text[32];

    if (!fake_azure.is_auth(r)) {
        fake_azure.act(c, r, answer);
        return;
    }
    (void)snprintf(text, sizeof(text), "token-number-%zu", c->requests);
    fake_json(answer, 200, "", json_pack("{s:s, s:i}", "access_token", text, "expires_in", 3599));
}

static void test_azure_creds__trap_14_an_expired_token_is_renewed_once_and_then_refused(void **state)
{
    static const struct fake_fault truthful = {.skip = 1000}, once = {.status = 401, .body = "", .next = &truthful};
    struct fake_dialect d = fake_azure;
    AUTO_BED struct bed *b = NULL;
    struct err e;

    (void)state;
    d.act = act_numbered;
    b = bed_open(&d, NULL, 0);
    fake_set_fault(&b->cloud, &once);
    assert_ok(describe(b, &e), e);
    assert_int_equal(tokens(b), 2);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 401, .body = ""});
    assert_fails(describe(b, &e), ERR_AUTH, "", e);
    assert_int_equal(tokens(b), 3);
}

static void test_azure_creds__trap_15_an_expired_token_says_check_the_clock(void **state)
{
    AUTO_FREE char *body = fake_fixture("azure", "expired.json");
    AUTO_BED struct bed *b = bed_open(&fake_azure, NULL, 0);
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 401, .body = body});
    assert_fails(describe(b, &e), ERR_AUTH, "check the clock", e);
}

/* ---- settings ---- */

static const char *table_env(void *arg, const char *name)
{
    const char *const(*table)[2] = arg;

    for (; table != NULL && (*table)[0] != NULL; table++) {
        if (strcmp((*table)[0], name) == 0)
            return (*table)[1];
    }
    return NULL;
}

static void test_azure_creds__what_the_account_lacks_or_spells_wrong_is_named(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } rows[] = {{"subscription_id", NULL, "clouds.azure.subscription_id is missing: set it there or in $AZURE_SUB"},
                {"resource_group", NULL, "clouds.azure.resource_group is missing"},
                {"subnet_id", NULL, "clouds.azure.subnet_id is missing"},
                {"subscription_id", "a/b", "clouds.azure.subscription_id is not"},
                {"resource_group", "a/b", "clouds.azure.resource_group is not"},
                {"subnet_id", "machines", "clouds.azure.subnet_id: write it like /subscriptions/"},
                {"subnet_id", "/subscriptions/../x", "clouds.azure.subnet_id: write it like"},
                {"region", "East US", "clouds.azure.region: region \"East US\""},
                {"tenant_id", "a/b", "clouds.azure: tenant_id \"a/b\""},
                {"client_secret", "s3cret", "clouds.azure.client_secret needs tenant_id and client_id"}};
    const struct provider_ops *ops = registry_find("azure");
    struct httpc *http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    const struct provider_env env = {.http = http, .deployment = BED_DEPLOYMENT, .getenv_fn = table_env};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_CONF struct conf *acct = conf_new("clouds.azure", ops->account_keys);
        struct provider *p = NULL;
        struct err e;

        for (size_t k = 0; bare[k][0] != NULL; k++) {
            if (strcmp(bare[k][0], rows[i].name) != 0)
                assert_ok(conf_set(acct, bare[k][0], strcmp(bare[k][1], "URL") == 0 ? "http://127.0.0.1:1" : bare[k][1],
                                   "the test", &e),
                          e);
        }
        if (rows[i].value != NULL)
            assert_ok(conf_set(acct, rows[i].name, rows[i].value, "the test", &e), e);
        assert_fails(ops->open(acct, &env, &p, &e), ERR_INVALID, rows[i].says, e);
        assert_null(p);
    }
    httpc_free(http);
}

static void test_azure_creds__the_environment_alone_turns_the_cloud_on_when_it_is_whole(void **state)
{
    static const char *const whole[][2] = {
        {"AZURE_SUBSCRIPTION_ID", "s"}, {"AZURE_RESOURCE_GROUP", "g"}, {"AZURE_SUBNET_ID", "/n"}, {NULL, NULL}};
    static const char *const part[][2] = {
        {"AZURE_SUBSCRIPTION_ID", "s"}, {"AZURE_RESOURCE_GROUP", ""}, {"AZURE_SUBNET_ID", "/n"}, {NULL, NULL}};
    const struct provider_ops *ops = registry_find("azure");

    (void)state;
    assert_true(
        ops->configured(&(struct provider_env){.getenv_fn = table_env, .getenv_arg = (void *)(uintptr_t)whole}));
    assert_false(
        ops->configured(&(struct provider_env){.getenv_fn = table_env, .getenv_arg = (void *)(uintptr_t)part}));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_azure_creds__a_client_secret_is_exchanged_for_a_token_of_the_resource_manager),
        cmocka_unit_test(test_azure_creds__a_workload_identity_shows_the_token_of_its_file),
        cmocka_unit_test(test_azure_creds__a_machine_of_azure_asks_its_metadata_service),
        cmocka_unit_test(test_azure_creds__an_app_service_asks_where_its_environment_says),
        cmocka_unit_test(test_azure_creds__without_any_source_the_error_names_what_to_set),
        cmocka_unit_test(test_azure_creds__trap_14_an_expired_token_is_renewed_once_and_then_refused),
        cmocka_unit_test(test_azure_creds__trap_15_an_expired_token_says_check_the_clock),
        cmocka_unit_test(test_azure_creds__what_the_account_lacks_or_spells_wrong_is_named),
        cmocka_unit_test(test_azure_creds__the_environment_alone_turns_the_cloud_on_when_it_is_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
