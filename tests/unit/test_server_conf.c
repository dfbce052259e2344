#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/mem.h"
#include "server/config/server_conf.h"

#include <stdio.h>
#include <unistd.h>

#define EXAMPLE "deploy/muster.example.yml"

struct fixture {
    char dir[64], path[128];
    const char *env[64]; /* names and values by turns */
    size_t n;
};

static const char *fake_env(void *arg, const char *name)
{
    const struct fixture *f = arg;

    for (size_t i = 0; i < f->n; i += 2) {
        if (strcmp(f->env[i], name) == 0)
            return f->env[i + 1];
    }
    return NULL;
}

static void set(struct fixture *f, const char *name, const char *value)
{
    for (size_t i = 0; i < f->n; i += 2) {
        if (strcmp(f->env[i], name) == 0) {
            f->env[i + 1] = value;
            return;
        }
    }
    assert_true(f->n + 2 <= ARRAY_LEN(f->env));
    f->env[f->n++] = name;
    f->env[f->n++] = value;
}

/* What every daemon needs, from the environment; MUSTER_CONFIG names a file that the test writes. */
static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_server_conf.XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->path, sizeof(f->path), "%s/muster.yml", f->dir);
    set(f, "MUSTER_CONFIG", f->path);
    set(f, "MUSTER_GITHUB_APP_ID", "12345");
    set(f, "MUSTER_GITHUB_PRIVATE_KEY", "PEM");
    set(f, "MUSTER_WEBHOOK_SECRET", "hush");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)unlink(f->path);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

static void write_text(const struct fixture *f, const char *text)
{
    FILE *out = fopen(f->path, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static struct server_conf *load(struct fixture *f, const char *text)
{
    struct server_conf *c = NULL;
    struct err e;

    write_text(f, text);
    assert_ok(server_conf_load(NULL, fake_env, f, &c, &e), e);
    return c;
}

/* The settings are refused; `want` follows the file's name when it begins with ':'. */
static void refused(struct fixture *f, const char *text, const char *want)
{
    struct server_conf *c = NULL;
    struct err e = {0};
    char full[700];

    write_text(f, text);
    if (server_conf_load(NULL, fake_env, f, &c, &e) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_null(c);
    (void)snprintf(full, sizeof(full), "%s%s", *want == ':' ? f->path : "", want);
    assert_string_equal(e.msg, full);
}

static void test_server_conf__the_environment_alone_suffices_and_defaults_are_the_documented_ones(void **state)
{
    struct fixture *f = *state;
    struct server_conf *c;
    const struct secret *const *secrets;

    c = load(f, "");
    assert_string_equal(conf_str(c->server, "listen"), "0.0.0.0:8080");
    assert_string_equal(conf_str(c->server, "admin_listen"), "127.0.0.1:9090");
    assert_string_equal(conf_str(c->server, "deployment"), "muster");
    assert_int_equal(conf_int(c->server, "workers"), 64);
    assert_null(conf_str(c->server, "public_url"));
    assert_string_equal(conf_str(c->top, "store"), "sqlite:/var/lib/muster/muster.db");
    assert_string_equal(conf_str(c->top, "log_level"), "info");
    assert_string_equal(conf_str(c->github, "url"), "https://api.github.com");
    assert_string_equal(conf_str(c->github, "app_id"), "12345");
    assert_string_equal(secret_reveal(conf_secret(c->github, "private_key")), "PEM");
    assert_int_equal(conf_secrets(c->github, "webhook_secret", &secrets), 1);
    assert_int_equal(conf_int(c->limits, "machines"), 100);
    assert_int_equal(conf_int(c->limits, "machines_per_repository"), 20);
    assert_int_equal(conf_int(c->limits, "launches_per_minute"), 120);
    assert_int_equal(conf_int(c->limits, "lifetime"), INT64_C(86400000));
    assert_int_equal(conf_int(c->limits, "boot_deadline"), 900000);
    assert_int_equal(conf_int(c->limits, "idle_grace"), 300000);
    assert_string_equal(conf_str(c->policy, "fork_jobs"), "deny");
    assert_string_equal(conf_str(c->policy, "bare_self_hosted"), "allow");
    assert_string_equal(conf_str(c->policy, "idle_public"), "deny");
    assert_false(conf_bool(c->policy, "allow_privileged"));
    assert_false(conf_has(c->policy, "max_hourly_price"));
    assert_int_equal(c->n_clouds, 0);
    server_conf_free(c);
}

static void test_server_conf__every_documented_variable_sets_its_option(void **state)
{
    static const char *const pairs[][4] = {
        {"MUSTER_LISTEN", "server", "listen", ":1"},
        {"MUSTER_ADMIN_LISTEN", "server", "admin_listen", "127.0.0.1:2"},
        {"MUSTER_PUBLIC_URL", "server", "public_url", "https://m.test"},
        {"MUSTER_DEPLOYMENT", "server", "deployment", "blue-2"},
        {"MUSTER_STORE", "", "store", "sqlite:/tmp/x.db"},
        {"MUSTER_LOG_LEVEL", "", "log_level", "debug"},
        {"GITHUB_API_URL", "github", "url", "https://ghes.test/api/v3"},
        {"MUSTER_POLICY_FORK_JOBS", "policy", "fork_jobs", "allow"},
        {"MUSTER_POLICY_BARE_SELF_HOSTED", "policy", "bare_self_hosted", "deny"},
        {"MUSTER_POLICY_IDLE_PUBLIC", "policy", "idle_public", "allow"},
    };
    struct fixture *f = *state;
    struct server_conf *c;

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        set(f, pairs[i][0], pairs[i][3]);
    set(f, "MUSTER_WORKERS", "4");
    set(f, "MUSTER_LIMITS_LIFETIME", "6h");
    set(f, "MUSTER_ADMIN_TOKEN", "token");
    c = load(f, "server: {listen: ':9', workers: 5}\nlimits: {lifetime: 1h}\n");
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const struct conf *section = *pairs[i][1] == '\0'                 ? c->top
                                     : strcmp(pairs[i][1], "server") == 0 ? c->server
                                     : strcmp(pairs[i][1], "github") == 0 ? c->github
                                                                          : c->policy;

        assert_string_equal(conf_str(section, pairs[i][2]), pairs[i][3]);
    }
    assert_int_equal(conf_int(c->server, "workers"), 4);
    assert_int_equal(conf_int(c->limits, "lifetime"), 6 * 3600000);
    assert_string_equal(secret_reveal(conf_secret(c->server, "admin_token")), "token");
    server_conf_free(c);
}

static void test_server_conf__unknown_settings_are_refused_with_place_and_nearest_key(void **state)
{
    struct fixture *f = *state;

    refused(f, "server:\n  lisen: :1\n", ":2:3: unknown setting \"lisen\" in server; did you mean \"listen\"?");
    refused(f, "sever:\n  listen: :1\n", ":1:1: unknown setting \"sever\"; did you mean \"server\"?");
    refused(f, "stor: x\n", ":1:1: unknown setting \"stor\"; did you mean \"store\"?");
    refused(f, "zzzzzz: x\n",
            ":1:1: unknown setting \"zzzzzz\"; the sections are server, github, clouds, limits, policy");
    refused(f, "limits: 5\n", ":1:9: limits: expected a mapping of settings, found a string");
    refused(f, "- server\n", ":1:1: expected a mapping of sections, found a list");
    refused(f, "clouds:\n  aws:\n    regon: x\n",
            ":3:5: unknown setting \"regon\" in clouds.aws; did you mean \"region\"?");
    refused(f, "a: b: c\n",
            ":1:5: mapping values are not allowed in this context; text that holds \": \" needs quotes");
}

static void test_server_conf__what_is_required_is_named_with_its_variable(void **state)
{
    struct fixture *f = *state;

    set(f, "MUSTER_WEBHOOK_SECRET", "");
    refused(f, "", "github.webhook_secret is required: set it there or in $MUSTER_WEBHOOK_SECRET");
    set(f, "MUSTER_WEBHOOK_SECRET", "hush");
    set(f, "MUSTER_GITHUB_APP_ID", "");
    refused(f, "", "github.app_id is required: set it there or in $MUSTER_GITHUB_APP_ID");
    set(f, "MUSTER_GITHUB_APP_ID", "1");
    set(f, "MUSTER_GITHUB_PRIVATE_KEY", "");
    refused(f, "",
            "github.private_key is required: set private_key_file there or $MUSTER_GITHUB_PRIVATE_KEY_FILE (or "
            "the PEM text itself in private_key or $MUSTER_GITHUB_PRIVATE_KEY)");
}

static void test_server_conf__values_that_break_a_rule_are_refused_with_their_origin(void **state)
{
    struct fixture *f = *state;

    refused(f, "server: {deployment: Blue}\n", ":1:22: deployment: expected 1 to 63 characters of a-z, 0-9 and '-'");
    set(f, "MUSTER_GITHUB_APP_ID", "12 45");
    refused(f, "", "$MUSTER_GITHUB_APP_ID: app_id: expected the App's number or its client id");
}

static void test_server_conf__the_store_is_the_embedded_one(void **state)
{
    struct fixture *f = *state;

    refused(f, "store: postgresql://u:pw@h/db\n",
            ":1:8: store: this build has the embedded store only: write sqlite:/path/file.db instead of postgresql://");
    refused(f, "store: /var/lib/x.db\n",
            ":1:8: store: expected sqlite: and the path of a file, as in "
            "sqlite:/var/lib/muster/muster.db");
    refused(f, "store: 'sqlite:'\n",
            ":1:8: store: expected sqlite: and the path of a file, as in "
            "sqlite:/var/lib/muster/muster.db");
}

static void test_server_conf__an_open_admin_address_needs_a_token(void **state)
{
    static const char *const open_to_others[] = {":9090", "0.0.0.0:9090", "[::]:9090", "10.0.0.1:9090", "admin:1"};
    static const char *const closed[] = {"127.0.0.1:1", "127.9.9.9:0", "[::1]:1", "localhost:9090"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(open_to_others); i++) {
        set(f, "MUSTER_ADMIN_LISTEN", open_to_others[i]);
        refused(f, "",
                "$MUSTER_ADMIN_LISTEN: admin_listen: others can reach this address, so server.admin_token "
                "($MUSTER_ADMIN_TOKEN) is required");
        server_conf_free(load(f, "server: {admin_token: t}\n"));
    }
    for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
        set(f, "MUSTER_ADMIN_LISTEN", closed[i]);
        server_conf_free(load(f, ""));
    }
}

static void test_server_conf__a_mirror_of_the_runner_needs_its_hash(void **state)
{
    struct fixture *f = *state;
    char sha[65];

    memset(sha, 'a', 64);
    sha[64] = '\0';
    refused(f, "github: {runner_url: 'https://m.test/r.tgz'}\n",
            ":1:22: runner_url: runner_url and runner_sha256 go together: set both or neither");
    set(f, "MUSTER_RUNNER_SHA256", sha);
    refused(f, "",
            "$MUSTER_RUNNER_SHA256: runner_sha256: runner_url and runner_sha256 go together: set both or neither");
    server_conf_free(load(f, "github: {runner_url: 'https://m.test/r.tgz'}\n"));
    sha[63] = 'g';
    refused(f, "github: {runner_url: 'https://m.test/r.tgz'}\n",
            "$MUSTER_RUNNER_SHA256: runner_sha256: expected 64 hexadecimal digits");
}

static void test_server_conf__a_boot_deadline_over_the_lifetime_is_refused(void **state)
{
    struct fixture *f = *state;

    refused(f, "limits: {lifetime: 10m, boot_deadline: 11m}\n", ":1:40: boot_deadline: is longer than limits.lifetime");
    server_conf_free(load(f, "limits: {lifetime: 10m, boot_deadline: 10m}\n"));
    server_conf_free(load(f, "limits: {lifetime: 10m}\n"));
}

static void test_server_conf__a_cloud_is_on_by_section_or_by_credentials_in_the_environment(void **state)
{
    struct fixture *f = *state;
    struct server_conf *c = load(f, "clouds:\n  aws:\n");

    assert_int_equal(c->n_clouds, 1);
    assert_string_equal(c->clouds[0].ops->name, "aws");
    assert_true(c->clouds[0].in_file);
    server_conf_free(c);
    set(f, "AWS_ACCESS_KEY_ID", "AKID");
    set(f, "AWS_SECRET_ACCESS_KEY", "s");
    set(f, "AWS_DEFAULT_REGION", "eu-west-1");
    c = load(f, "clouds:\n");
    assert_int_equal(c->n_clouds, 1);
    assert_false(c->clouds[0].in_file);
    assert_string_equal(conf_str(c->clouds[0].conf, "region"), "eu-west-1");
    assert_string_equal(secret_reveal(conf_secret(c->clouds[0].conf, "secret_access_key")), "s");
    server_conf_free(c);
}

/* Says of the cloud what it must, followed by the clouds of this build, whichever those are. */
static void refused_cloud(struct fixture *f, const char *text, const char *want)
{
    struct server_conf *c = NULL;
    struct err e = {0};

    write_text(f, text);
    assert_fails(server_conf_load(NULL, fake_env, f, &c, &e), ERR_INVALID, want, e);
    for (const struct provider_ops *const *p = registry_all(); *p != NULL; p++)
        assert_non_null(strstr(strstr(e.msg, "knows:"), (*p)->name));
}

static void test_server_conf__a_cloud_this_build_does_not_have_is_refused_precisely(void **state)
{
    static const char *const contract[] = {"gcp", "azure", "digitalocean", "openstack", "oracle", "vast_ai", "on_prem"};
    struct fixture *f = *state;
    char text[100], want[100];

    for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
        if (registry_find(contract[i]) != NULL)
            continue;
        (void)snprintf(text, sizeof(text), "clouds:\n  %s:\n    region: x\n", contract[i]);
        (void)snprintf(want, sizeof(want),
                       "muster.yml:2:3: clouds.%s: this build has no such cloud yet; it knows: ", contract[i]);
        refused_cloud(f, text, want);
    }
    refused_cloud(f, "clouds: {asw: {}}\n",
                  "muster.yml:1:10: clouds: there is no cloud \"asw\"; did you mean \"aws\"?; this build knows: ");
    refused(f, "clouds: [aws]\n", ":1:9: clouds: expected a mapping of clouds, found a list");
}

static void test_server_conf__a_file_that_was_asked_for_must_be_there(void **state)
{
    struct fixture *f = *state;
    struct server_conf *c = NULL;
    struct err e;
    char want[300];

    (void)snprintf(want, sizeof(want), "cannot open the settings file %s: No such file or directory", f->path);
    assert_fails(server_conf_load(NULL, fake_env, f, &c, &e), ERR_INVALID, want, e);
    assert_fails(server_conf_load(f->path, fake_env, f, &c, &e), ERR_INVALID, want, e);
    assert_fails(server_conf_load(f->dir, fake_env, f, &c, &e), ERR_INVALID, "Is a directory", e);
    set(f, "MUSTER_CONFIG", "/nonexistent");
    write_text(f, "server: {workers: 3}\n");
    assert_ok(server_conf_load(f->path, fake_env, f, &c, &e), e); /* -c comes before the variable */
    assert_int_equal(conf_int(c->server, "workers"), 3);
    server_conf_free(c);
}

/* --- the example ------------------------------------------------------------------------------------------------- */

static char *read_example(void)
{
    FILE *in = fopen(EXAMPLE, "r");
    char *text = mem_zalloc(65536);
    size_t n;

    if (in == NULL)
        fail_msg("cannot open %s: tests run from the project's root", EXAMPLE);
    n = fread(text, 1, 65535, in);
    assert_int_equal(fclose(in), 0);
    assert_in_range(n, 1000, 65534);
    return text;
}

static void test_server_conf__the_example_loads_as_it_stands(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *text = read_example();
    struct server_conf *c = load(f, text);

    assert_false(conf_any_set(c->server));
    assert_int_equal(c->n_clouds, 0);
    server_conf_free(c);
}

/* Every variable that the text mentions as ${NAME} gets a value; the caller frees their names, after its last use. */
static char *set_mentioned(struct fixture *f, const char *text)
{
    char *names = mem_strdup(text), *at = names;

    while ((at = strstr(at, "${")) != NULL) {
        char *end = strchr(at, '}');

        assert_non_null(end);
        *end = '\0';
        set(f, at + 2, "a-secret-of-more-than-sixteen");
        at = end + 1;
    }
    return names;
}

static void test_server_conf__the_example_loads_with_every_option_set(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *text = read_example();
    AUTO_FREE char *names = NULL;
    char *to = text;
    struct server_conf *c;
    size_t clouds = 0;

    /* Take the '#' away that touches a key: "  #listen: ..." becomes "  listen: ...". */
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '#' || p[1] == ' ' || p[1] == '\n')
            *to++ = *p;
    }
    *to = '\0';
    names = set_mentioned(f, text);
    c = load(f, text);
    assert_true(conf_has(c->policy, "max_hourly_price"));
    assert_string_equal(conf_str(c->server, "listen"), "0.0.0.0:8080");
    while (registry_all()[clouds] != NULL)
        clouds++;
    assert_int_equal(c->n_clouds, clouds);
    server_conf_free(c);
}

static void test_server_conf__the_example_names_every_option_with_default_help_and_variables(void **state)
{
    AUTO_FREE char *text = read_example();
    struct server_conf_section sections[32];
    size_t n = server_conf_sections(sections, ARRAY_LEN(sections));

    (void)state;
    assert_in_range(n, 6, ARRAY_LEN(sections));
    for (size_t i = 0; i < n; i++) {
        const char *dot = strchr(sections[i].section, '.'), *from = text;
        char line[200];

        (void)snprintf(line, sizeof(line), "\n%s%s:\n", dot != NULL ? "  #" : "",
                       dot != NULL ? dot + 1 : sections[i].section);
        if (*sections[i].section != '\0' && (from = strstr(text, line)) == NULL)
            fail_msg("%s has no section %s", EXAMPLE, sections[i].section);
        for (const struct conf_key *k = sections[i].keys; k->name != NULL; k++) {
            (void)snprintf(line, sizeof(line), "#%s: %s", k->name, k->def != NULL ? k->def : "");
            if (strstr(from, line) == NULL)
                fail_msg("%s lacks %s.%s with its default", EXAMPLE, sections[i].section, k->name);
            assert_non_null(k->help);
            if (strstr(from, k->help) == NULL)
                fail_msg("%s lacks the help of %s.%s", EXAMPLE, sections[i].section, k->name);
            if (k->env != NULL && strchr(k->env, ' ') == NULL && strstr(from, k->env) == NULL)
                fail_msg("%s lacks %s", EXAMPLE, k->env);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_server_conf__the_environment_alone_suffices_and_defaults_are_the_documented_ones),
        TEST(test_server_conf__every_documented_variable_sets_its_option),
        TEST(test_server_conf__unknown_settings_are_refused_with_place_and_nearest_key),
        TEST(test_server_conf__what_is_required_is_named_with_its_variable),
        TEST(test_server_conf__values_that_break_a_rule_are_refused_with_their_origin),
        TEST(test_server_conf__the_store_is_the_embedded_one),
        TEST(test_server_conf__an_open_admin_address_needs_a_token),
        TEST(test_server_conf__a_mirror_of_the_runner_needs_its_hash),
        TEST(test_server_conf__a_boot_deadline_over_the_lifetime_is_refused),
        TEST(test_server_conf__a_cloud_is_on_by_section_or_by_credentials_in_the_environment),
        TEST(test_server_conf__a_cloud_this_build_does_not_have_is_refused_precisely),
        TEST(test_server_conf__a_file_that_was_asked_for_must_be_there),
        TEST(test_server_conf__the_example_loads_as_it_stands),
        TEST(test_server_conf__the_example_loads_with_every_option_set),
        TEST(test_server_conf__the_example_names_every_option_with_default_help_and_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
