#include "tests/support/unit.h"

#include "providers/common/os_account.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A home with the files of OpenStack's clients, and the environment. */
struct home {
    char dir[32], clouds[128], secure[128];
    const char *const (*env)[2]; /* ended by NULL */
};

static void home_open(struct home *h)
{
    static const char *const below[] = {"/.config", "/.config/openstack"};
    char path[64];

    memset(h, 0, sizeof(*h));
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/muster-home-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    for (size_t i = 0; i < ARRAY_LEN(below); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", h->dir, below[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(h->clouds, sizeof(h->clouds), "%s/clouds.yaml", path);
    (void)snprintf(h->secure, sizeof(h->secure), "%s/secure.yml", path);
}

static void home_close(struct home *h)
{
    char path[128];

    (void)unlink(h->clouds);
    (void)unlink(h->secure);
    (void)snprintf(path, sizeof(path), "%s/.config/openstack", h->dir);
    (void)rmdir(path);
    (void)snprintf(path, sizeof(path), "%s/.config", h->dir);
    (void)rmdir(path);
    (void)rmdir(h->dir);
}
#define AUTO_HOME AUTO(home_close)

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *variable(void *arg, const char *name)
{
    const struct home *h = arg;

    for (size_t i = 0; h->env != NULL && h->env[i][0] != NULL; i++) {
        if (strcmp(h->env[i][0], name) == 0)
            return h->env[i][1];
    }
    return strcmp(name, "HOME") == 0 ? h->dir : NULL;
}

/* The account of the environment and of these settings (ended by NULL; NULL = none). */
static int load(struct home *h, const char *const (*settings)[2], struct os_account *a, struct err *e)
{
    AUTO_CONF struct conf *acct = conf_new("clouds.openstack", os_account_keys);

    for (size_t i = 0; settings != NULL && settings[i][0] != NULL; i++)
        assert_ok(conf_set(acct, settings[i][0], settings[i][1], "muster.yml:1:1", e), *e);
    assert_ok(conf_load_env(acct, variable, h, e), *e);
    return os_account_load(acct, variable, h, false, a, e);
}

static const char plain[] = "clouds:\n"
                            "  one:\n"
                            "    auth:\n"
                            "      auth_url: https://one.example:5000/v3/\n"
                            "      username: ci\n"
                            "      password: from-clouds\n"
                            "      project_name: gpu\n"
                            "      domain_name: Users\n"
                            "    region_name: R1\n"
                            "    interface: internal\n";

static void test_os_account__the_environment_alone_is_an_account(void **state)
{
    static const char *const env[][2] = {{"OS_AUTH_URL", "https://keystone.example/v3/"},
                                         {"OS_USERNAME", "ci"},
                                         {"OS_PASSWORD", "pw"},
                                         {"OS_TENANT_NAME", "gpu"},
                                         {"OS_USER_DOMAIN_NAME", "Users"},
                                         {"OS_REGION_NAME", "R1"},
                                         {"OS_INTERFACE", "publicURL"},
                                         {NULL, NULL}};
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    struct err e;

    (void)state;
    home_open(&h);
    assert_false(os_account_in_env(variable, &h));
    h.env = env;
    assert_true(os_account_in_env(variable, &h));
    assert_ok(load(&h, NULL, &a, &e), e);
    assert_string_equal(a.auth_url, "https://keystone.example/v3");
    assert_string_equal(a.username, "ci");
    assert_string_equal(secret_reveal(a.password), "pw");
    assert_string_equal(a.project_name, "gpu");
    assert_string_equal(a.user_domain_name, "Users");
    assert_string_equal(a.region, "R1");
    assert_string_equal(a.interface, "public");
}

static void test_os_account__a_named_cloud_counts_before_the_environments_credentials(void **state)
{
    static const char *const env[][2] = {{"OS_CLOUD", "one"},      {"OS_AUTH_URL", "https://other.example"},
                                         {"OS_USERNAME", "other"}, {"OS_PASSWORD", "other"},
                                         {"OS_REGION_NAME", "R2"}, {NULL, NULL}};
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    struct err e;

    (void)state;
    home_open(&h);
    write_file(h.clouds, plain);
    h.env = env;
    assert_true(os_account_in_env(variable, &h));
    assert_ok(load(&h, NULL, &a, &e), e);
    assert_string_equal(a.auth_url, "https://one.example:5000/v3");
    assert_string_equal(a.username, "ci");
    assert_string_equal(secret_reveal(a.password), "from-clouds");
    assert_string_equal(a.project_name, "gpu");
    assert_string_equal(a.user_domain_name, "Users");
    assert_string_equal(a.project_domain_name, "Users");
    assert_string_equal(a.region, "R2"); /* this one is no credential */
    assert_string_equal(a.interface, "internal");
}

static void test_os_account__the_only_cloud_needs_no_name_and_secure_yaml_lies_over_it(void **state)
{
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    struct err e;

    (void)state;
    home_open(&h);
    write_file(h.clouds, plain);
    write_file(h.secure, "clouds:\n  one:\n    auth:\n      password: from-secure\n  two:\n    password: x\n");
    assert_ok(load(&h, NULL, &a, &e), e);
    assert_string_equal(secret_reveal(a.password), "from-secure");
    assert_string_equal(a.region, "R1");
}

static void test_os_account__a_file_may_stand_anywhere_and_write_things_the_older_way(void **state)
{
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    struct err e;
    char path[128];
    const char *const env[][2] = {{"OS_CLIENT_CONFIG_FILE", path}, {NULL, NULL}};

    (void)state;
    home_open(&h);
    (void)snprintf(path, sizeof(path), "%s/mine", h.dir);
    write_file(path,
               "clouds:\n  two:\n    auth_type: v3applicationcredential\n    auth: {auth_url: 'https://two.example',"
               " application_credential_id: c1, application_credential_secret: s1, tenant_id: p1}\n"
               "    regions: [{name: R7}, R8]\n    endpoint_type: internalURL\n"
               "    compute_endpoint_override: https://nova.example/v2.1\n");
    h.env = env;
    assert_int_equal(load(&h, NULL, &a, &e), 0);
    (void)unlink(path);
    assert_string_equal(a.credential_id, "c1");
    assert_string_equal(secret_reveal(a.credential_secret), "s1");
    assert_string_equal(a.project_id, "p1");
    assert_string_equal(a.region, "R7");
    assert_string_equal(a.interface, "internal");
    assert_string_equal(a.compute_url, "https://nova.example/v2.1");
}

static void test_os_account__what_is_wrong_in_a_file_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"clouds: [", "clouds.yaml:1:10: "},
        {"cloud: {}\n", "expected a mapping of clouds"},
        {"clouds: {a: {}, b: {}}\n", "which of its 2 clouds?"},
        {"clouds: {a: 7}\n", "there is no cloud a"},
        {"clouds:\n  a:\n    auth: {auth_url: [1]}\n", "clouds.yaml:3:"},
        {"clouds:\n  a:\n    auth_type: v3oidcpassword\n", "clouds.yaml:3:16: auth_type"},
        {"clouds:\n  a:\n    verify: false\n", "certificates are always verified"},
        {"clouds:\n  a:\n    profile: vexxhost\n", "vendor profiles"},
        {"clouds:\n  a:\n    auth: {username: x}\n", "auth_url is missing"},
        {"clouds:\n  a:\n    auth: {auth_url: 'http://x', username: x}\n", "username and password"},
        {"clouds:\n  a:\n    auth: {auth_url: 'http://x', username: x, password: y}\n", "project_id or project_name"},
        {"clouds:\n  a:\n    interface: secret\n", "public, internal or admin"},
        {"clouds:\n  a:\n    auth: {auth_url: 'http://x', application_credential_id: x}\n", "go together"},
        {"clouds:\n  a:\n    auth: {auth_url: 'http://x', application_credential_name: x, "
         "application_credential_secret: y}\n",
         "needs a username"}};
    AUTO_HOME struct home h;

    (void)state;
    home_open(&h);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_OS_ACCOUNT struct os_account a = {0};
        struct err e;

        write_file(h.clouds, rows[i].text);
        assert_fails(load(&h, NULL, &a, &e), ERR_INVALID, rows[i].says, e);
        assert_null(a.auth_url);
    }
}

static void test_os_account__no_account_and_two_accounts_are_refused_with_the_remedy(void **state)
{
    static const char *const both[][2] = {{"cloud", "one"}, {"username", "ci"}, {NULL, NULL}},
                             *const named[][2] = {{"cloud", "two"}, {NULL, NULL}},
                             *const nowhere[][2] = {{"OS_CLIENT_CONFIG_FILE", "/nonexistent/clouds.yaml"},
                                                    {NULL, NULL}};
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    struct err e;

    (void)state;
    home_open(&h);
    if (access("/etc/openstack/clouds.yaml", F_OK) == 0)
        skip(); /* this machine has an account */
    assert_fails(load(&h, NULL, &a, &e), ERR_INVALID, "set auth_url and credentials", e);
    write_file(h.clouds, plain);
    assert_fails(load(&h, both, &a, &e), ERR_INVALID, "both cloud and username", e);
    assert_fails(load(&h, named, &a, &e), ERR_INVALID, "there is no cloud two", e);
    h.env = nowhere;
    assert_fails(load(&h, NULL, &a, &e), ERR_INVALID, "$OS_CLIENT_CONFIG_FILE: /nonexistent/clouds.yaml", e);
}

static void test_os_account__offline_nothing_need_be_there(void **state)
{
    AUTO_HOME struct home h;
    AUTO_OS_ACCOUNT struct os_account a = {0};
    AUTO_CONF struct conf *acct = conf_new("clouds.openstack", os_account_keys);
    struct err e;

    (void)state;
    home_open(&h);
    assert_ok(conf_set(acct, "region", "R1", "muster.yml:1:1", &e), e);
    assert_ok(os_account_load(acct, variable, &h, true, &a, &e), e);
    assert_string_equal(a.region, "R1");
    assert_null(a.auth_url);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_os_account__the_environment_alone_is_an_account),
        cmocka_unit_test(test_os_account__a_named_cloud_counts_before_the_environments_credentials),
        cmocka_unit_test(test_os_account__the_only_cloud_needs_no_name_and_secure_yaml_lies_over_it),
        cmocka_unit_test(test_os_account__a_file_may_stand_anywhere_and_write_things_the_older_way),
        cmocka_unit_test(test_os_account__what_is_wrong_in_a_file_is_named_with_its_place),
        cmocka_unit_test(test_os_account__no_account_and_two_accounts_are_refused_with_the_remedy),
        cmocka_unit_test(test_os_account__offline_nothing_need_be_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
