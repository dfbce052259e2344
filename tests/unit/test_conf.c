#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/base/conf.h"
#include "server/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct conf_key keys[] = {
    {.name = "listen", .type = CONF_ADDR, .def = "127.0.0.1:8080", .env = "T_LISTEN", .help = "where"},
    {.name = "name", .type = CONF_STRING, .env = "T_NAME T_OLD_NAME", .help = "name"},
    {.name = "token", .type = CONF_SECRET, .env = "T_TOKEN", .help = "token"},
    {.name = "secrets", .type = CONF_SECRETS, .env = "T_SECRETS", .help = "secrets"},
    {.name = "on", .type = CONF_BOOL, .def = "false", .env = "T_ON", .help = "on"},
    {.name = "workers", .type = CONF_INT, .def = "32", .env = "T_WORKERS", .min = 1, .max = 256, .help = "n"},
    {.name = "price", .type = CONF_NUMBER, .env = "T_PRICE", .help = "USD"},
    {.name = "grace", .type = CONF_DURATION, .def = "5m", .env = "T_GRACE", .min = 1000, .max = 3600000, .help = "g"},
    {.name = "subnets", .type = CONF_LIST, .env = "T_SUBNETS", .help = "subnets"},
    {.name = "url", .type = CONF_URL, .env = "T_URL", .help = "url"},
    {.name = "dir", .type = CONF_PATH, .env = "T_DIR", .help = "dir"},
    {.name = "mode", .type = CONF_ENUM, .def = "deny", .env = "T_MODE", .choices = "deny allow", .help = "mode"},
    {.name = NULL},
};

/* The environment of a test: names and values by turns, ended by NULL. */
static const char *fake_env(void *arg, const char *name)
{
    const char *const *v = arg;

    for (; v != NULL && *v != NULL; v += 2) {
        if (strcmp(v[0], name) == 0)
            return v[1];
    }
    return NULL;
}

static int load_yaml(struct conf *c, const char *text, const char **env, struct err *e)
{
    AUTO_YAML struct yaml_doc *d = NULL;

    if (yaml_parse(text, strlen(text), 65536, "m.yml", &d, e))
        fail_msg("%s", e->msg);
    return conf_load_yaml(c, d, yaml_root(d), fake_env, env, e);
}

/* The YAML text is refused with this message. */
static void refused(const char *text, const char *want)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {"EMPTY", "", "T_SET", "set", NULL};
    struct err e = {0};

    if (load_yaml(c, text, env, &e) == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_string_equal(e.msg, want);
}

static void refused_env(const char *name, const char *value, const char *want)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {name, value, NULL};
    struct err e = {0};

    if (conf_load_env(c, fake_env, env, &e) == 0)
        fail_msg("accepted: %s=%s", name, value);
    assert_string_equal(e.msg, want);
}

static void write_file(char *path, size_t size, const char *dir, const char *name, const char *text, size_t len)
{
    FILE *f;

    (void)snprintf(path, size, "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int make_dir(void **state)
{
    char *dir = mem_strdup("/tmp/test_conf.XXXXXX");

    *state = mkdtemp(dir);
    return *state == NULL;
}

static int drop_dir(void **state)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/secret", (const char *)*state);
    (void)unlink(path);
    (void)rmdir(*state);
    free(*state);
    return 0;
}

static void test_conf__defaults_hold_until_something_is_set(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const struct secret *const *secrets;
    const char *const *list;

    (void)state;
    assert_string_equal(conf_str(c, "listen"), "127.0.0.1:8080");
    assert_string_equal(conf_origin(c, "listen"), "default");
    assert_int_equal(conf_int(c, "workers"), 32);
    assert_int_equal(conf_int(c, "grace"), 300000);
    assert_false(conf_bool(c, "on"));
    assert_null(conf_str(c, "name"));
    assert_null(conf_secret(c, "token"));
    assert_int_equal(conf_secrets(c, "secrets", &secrets), 0);
    assert_int_equal(conf_list(c, "subnets", &list), 0);
    assert_true(isnan(conf_number(c, "price")));
    assert_true(conf_has(c, "listen"));
    assert_false(conf_has(c, "name"));
    assert_false(conf_any_set(c));
}

static void test_conf__every_type_is_read_from_yaml(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const struct secret *const *secrets;
    const char *const *list;
    struct err e;

    (void)state;
    assert_int_equal(load_yaml(c,
                               "listen: '[::1]:0'\nname: a b\ntoken: hush\nsecrets: [one, two]\non: yes\nworkers: 1\n"
                               "price: 1.50\ngrace: 1m30s\nsubnets: [s-1, s-2]\nurl: https://x.test:8443/a/\n"
                               "dir: /tmp\nmode: allow\n",
                               NULL, &e),
                     0);
    assert_string_equal(conf_str(c, "listen"), "[::1]:0");
    assert_string_equal(conf_str(c, "name"), "a b");
    assert_string_equal(secret_reveal(conf_secret(c, "token")), "hush");
    assert_int_equal(conf_secrets(c, "secrets", &secrets), 2);
    assert_string_equal(secret_reveal(secrets[1]), "two");
    assert_true(conf_bool(c, "on"));
    assert_int_equal(conf_int(c, "workers"), 1);
    assert_true(fabs(conf_number(c, "price") - 1.5) < 1e-9);
    assert_int_equal(conf_int(c, "grace"), 90000);
    assert_int_equal(conf_list(c, "subnets", &list), 2);
    assert_string_equal(list[0], "s-1");
    assert_string_equal(conf_str(c, "url"), "https://x.test:8443/a");
    assert_string_equal(conf_str(c, "dir"), "/tmp");
    assert_string_equal(conf_str(c, "mode"), "allow");
    assert_string_equal(conf_origin(c, "name"), "m.yml:2:7");
    assert_true(conf_any_set(c));
}

static void test_conf__file_gives_way_to_environment_and_both_to_flags(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {"T_NAME", "from env", "T_OLD_NAME", "old", "T_ON", "", "T_SUBNETS", "a, b,c", NULL};
    const char *const *list;
    struct err e;

    (void)state;
    assert_int_equal(load_yaml(c, "name: from file\non: true\nsubnets: x\n", NULL, &e), 0);
    assert_int_equal(conf_list(c, "subnets", &list), 1);
    assert_int_equal(conf_load_env(c, fake_env, env, &e), 0);
    assert_string_equal(conf_str(c, "name"), "from env");
    assert_string_equal(conf_origin(c, "name"), "$T_NAME");
    assert_true(conf_bool(c, "on")); /* an empty variable is as good as none */
    assert_int_equal(conf_list(c, "subnets", &list), 3);
    assert_string_equal(list[1], "b");
    assert_int_equal(conf_set(c, "name", "from flag", "--name", &e), 0);
    assert_string_equal(conf_str(c, "name"), "from flag");
    assert_string_equal(conf_origin(c, "name"), "--name");
}

static void test_conf__the_second_name_of_a_variable_counts_when_the_first_is_unset(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {"T_OLD_NAME", "old", NULL};
    struct err e;

    (void)state;
    assert_int_equal(conf_load_env(c, fake_env, env, &e), 0);
    assert_string_equal(conf_str(c, "name"), "old");
    assert_string_equal(conf_origin(c, "name"), "$T_OLD_NAME");
}

static void test_conf__an_unknown_setting_is_refused_with_place_and_nearest_key(void **state)
{
    (void)state;
    refused("on: true\nlisen: :1\n", "m.yml:2:1: unknown setting \"lisen\" in server; did you mean \"listen\"?");
    refused("zzzzzz: 1\n", "m.yml:1:1: unknown setting \"zzzzzz\" in server");
    refused("name_file: x\n", "m.yml:1:1: unknown setting \"name_file\" in server");
    refused("- a\n", "m.yml:1:1: server: expected a mapping of settings, found a list");
}

static void test_conf__an_ill_typed_value_is_refused_with_place_and_what_was_expected(void **state)
{
    (void)state;
    refused("workers: 0\n", "m.yml:1:10: workers: expected a whole number from 1 to 256, found \"0\"");
    refused("workers: 1.0\n", "m.yml:1:10: workers: expected a whole number from 1 to 256, found \"1.0\"");
    refused("grace: 2h\n", "m.yml:1:8: grace: expected a duration from 1s to 1h, found \"2h\"");
    refused("price: -1\n", "m.yml:1:8: price: expected a number such as 1.50, found \"-1\"");
    refused("price: 1.\n", "m.yml:1:8: price: expected a number such as 1.50, found \"1.\"");
    refused("mode: alow\n", "m.yml:1:7: mode: expected one of: deny allow; found \"alow\"; did you mean \"allow\"?");
    refused("name: [a]\n", "m.yml:1:7: name: expected one value, found a list");
    refused("name: {a: b}\n", "m.yml:1:7: name: expected one value, found a mapping");
    refused("name: \"a\\nb\"\n", "m.yml:1:7: name: expected one line of text, found a control character");
    refused("subnets: {a: b}\n", "m.yml:1:10: subnets: expected a list of strings, found a mapping");
    refused("subnets: [a, [b]]\n", "m.yml:1:14: subnets: expected a list of strings, found a list in the list");
    refused("subnets: []\n", "m.yml:1:10: subnets: the list is empty; leave the setting out instead");
    refused_env("T_WORKERS", "many", "$T_WORKERS: expected a whole number from 1 to 256, found \"many\"");
    refused_env("T_SUBNETS", "a,,b", "$T_SUBNETS: an element is empty");
}

static void test_conf__addresses_need_a_host_or_none_and_a_port(void **state)
{
    static const char *const good[] = {":8080", "localhost:1", "0.0.0.0:65535", "[::]:80", "[2001:db8::1]:0"};
    static const char *const bad[] = {"8080",  "a:",    ":",      "a:65536", "a:-1",    "a:1x",     "::1:80",
                                      "[::1]", "[x]:1", "[::1:1", "a b:1",   "a:80:80", "[::1]x:1", "a:080"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        AUTO_CONF struct conf *c = conf_new("server", keys);
        bool want = i < ARRAY_LEN(good);
        const char *text = want ? good[i] : bad[i - ARRAY_LEN(good)];

        if ((conf_set(c, "listen", text, "--listen", &e) == 0) != want)
            fail_msg("%s", text);
        assert_string_equal(conf_str(c, "listen"), want ? text : "127.0.0.1:8080");
    }
}

static void test_conf__urls_are_http_with_a_host_and_carry_no_credentials(void **state)
{
    static const char *const good[] = {"http://x", "https://a.b-c.test:8080/p/q", "http://[::1]:80"};
    static const char *const bad[] = {"x",          "ftp://x",    "http://",    "http:///p", "https://u:p@x",
                                      "http://x?q", "http://x#f", "http://x y", "http://x:", "http://x:y",
                                      "http://[x]/"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++) {
        AUTO_CONF struct conf *c = conf_new("server", keys);
        bool want = i < ARRAY_LEN(good);
        const char *text = want ? good[i] : bad[i - ARRAY_LEN(good)];

        if ((conf_set(c, "url", text, "--url", &e) == 0) != want)
            fail_msg("%s", text);
        assert_int_equal(conf_has(c, "url"), want);
    }
    refused_env("T_URL", "https://user:hunter2@x",
                "$T_URL: expected a URL without user, query or fragment (no '@', '?', "
                "'#')");
}

static void test_conf__variables_expand_in_values_and_an_unset_one_is_an_error(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {"HOST", "example", "A", "x", "NOTHING", "", NULL};
    const char *const *list;
    struct err e;

    (void)state;
    assert_int_equal(load_yaml(c, "name: pre-${HOST}-$$-${A}$x\nsubnets: ['${A}1', b]\nlisten: ${NOTHING}\n", env, &e),
                     0);
    assert_string_equal(conf_str(c, "name"), "pre-example-$-x$x");
    assert_int_equal(conf_list(c, "subnets", &list), 2);
    assert_string_equal(list[0], "x1");
    assert_string_equal(conf_str(c, "listen"), "127.0.0.1:8080"); /* expands to nothing: not set */
    refused("name: ${T_UNSET}\n", "m.yml:1:7: the environment variable T_UNSET is not set");
    refused("name: ${T_SET\n", "m.yml:1:7: expected ${NAME}; write $$ for a dollar sign");
    refused("name: ${a b}\n", "m.yml:1:7: expected ${NAME}; write $$ for a dollar sign");
}

static void test_conf__a_secret_given_twice_is_refused_rather_than_guessed(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    const char *env[] = {"T_TOKEN", "one", "T_TOKEN_FILE", "/two", NULL};
    struct err e;

    (void)state;
    assert_int_equal(conf_load_env(c, fake_env, env, &e), -1);
    assert_string_equal(e.msg, "$T_TOKEN and $T_TOKEN_FILE are both set: set one of them");
    env[3] = "";
    assert_int_equal(conf_load_env(c, fake_env, env, &e), 0);
    assert_string_equal(secret_reveal(conf_secret(c, "token")), "one");
}

static void test_conf__secrets_come_from_files_without_their_last_newline(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    char path[200], yaml[300];
    const char *env[] = {"T_SECRETS_FILE", path, NULL};
    const struct secret *const *secrets;
    struct err e;

    write_file(path, sizeof(path), *state, "secret", "first\r\n\nsecond \n", 16);
    (void)snprintf(yaml, sizeof(yaml), "token_file: %s\n", path);
    assert_int_equal(load_yaml(c, yaml, NULL, &e), 0);
    assert_string_equal(secret_reveal(conf_secret(c, "token")), "first\r\n\nsecond ");
    assert_int_equal(conf_load_env(c, fake_env, env, &e), 0);
    assert_int_equal(conf_secrets(c, "secrets", &secrets), 2);
    assert_string_equal(secret_reveal(secrets[0]), "first");
    assert_string_equal(secret_reveal(secrets[1]), "second ");
    assert_string_equal(conf_origin(c, "secrets"), "$T_SECRETS_FILE");
}

static void test_conf__a_secret_is_given_once(void **state)
{
    (void)state;
    refused("token: a\ntoken_file: b\n", "m.yml:2:1: give token or token_file, not both; the other is on line 1");
}

static void test_conf__an_unreadable_secret_file_is_named_with_the_reason(void **state)
{
    char path[200], want[300];

    (void)snprintf(path, sizeof(path), "%s/secret", (const char *)*state);
    (void)snprintf(want, sizeof(want), "$T_TOKEN_FILE: cannot open %s: No such file or directory", path);
    refused_env("T_TOKEN_FILE", path, want);
    (void)snprintf(want, sizeof(want), "$T_TOKEN_FILE: cannot read %s: Is a directory", (const char *)*state);
    refused_env("T_TOKEN_FILE", *state, want);
    refused("token_file: /nonexistent/t\n",
            "m.yml:1:13: token_file: cannot open /nonexistent/t: No such file or directory");
}

static void test_conf__a_strange_secret_file_is_refused_without_quoting_it(void **state)
{
    static char big[64 * 1024 + 1];
    char path[200], want[300];

    memset(big, 'x', sizeof(big));
    write_file(path, sizeof(path), *state, "secret", big, sizeof(big));
    (void)snprintf(want, sizeof(want), "$T_TOKEN_FILE: %s is larger than 65536 bytes: no secret is that long", path);
    refused_env("T_TOKEN_FILE", path, want);
    write_file(path, sizeof(path), *state, "secret", "\n\n", 2);
    (void)snprintf(want, sizeof(want), "$T_TOKEN_FILE: %s: the file is empty", path);
    refused_env("T_TOKEN_FILE", path, want);
    write_file(path, sizeof(path), *state, "secret", "a\0b", 3);
    (void)snprintf(want, sizeof(want), "$T_TOKEN_FILE: %s: the file holds a NUL character", path);
    refused_env("T_TOKEN_FILE", path, want);
}

static void test_conf__a_refused_value_leaves_the_old_one(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    struct err e;

    (void)state;
    assert_int_equal(conf_set(c, "workers", "7", "--workers", &e), 0);
    assert_int_equal(conf_set(c, "workers", "999", "--workers", &e), -1);
    assert_string_equal(e.msg, "--workers: expected a whole number from 1 to 256, found \"999\"");
    assert_int_equal(conf_int(c, "workers"), 7);
}

static void test_conf__nothing_in_the_file_changes_nothing(void **state)
{
    AUTO_CONF struct conf *c = conf_new("server", keys);
    struct err e;

    (void)state;
    assert_int_equal(load_yaml(c, "", NULL, &e), 0);
    assert_int_equal(load_yaml(c, "name:\nlisten: ~\nmode: ''\n", NULL, &e), 0);
    assert_int_equal(conf_load_yaml(c, NULL, NULL, fake_env, NULL, &e), 0);
    assert_false(conf_any_set(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conf__defaults_hold_until_something_is_set),
        cmocka_unit_test(test_conf__every_type_is_read_from_yaml),
        cmocka_unit_test(test_conf__file_gives_way_to_environment_and_both_to_flags),
        cmocka_unit_test(test_conf__the_second_name_of_a_variable_counts_when_the_first_is_unset),
        cmocka_unit_test(test_conf__an_unknown_setting_is_refused_with_place_and_nearest_key),
        cmocka_unit_test(test_conf__an_ill_typed_value_is_refused_with_place_and_what_was_expected),
        cmocka_unit_test(test_conf__addresses_need_a_host_or_none_and_a_port),
        cmocka_unit_test(test_conf__urls_are_http_with_a_host_and_carry_no_credentials),
        cmocka_unit_test(test_conf__variables_expand_in_values_and_an_unset_one_is_an_error),
        cmocka_unit_test(test_conf__a_secret_given_twice_is_refused_rather_than_guessed),
        cmocka_unit_test_setup_teardown(test_conf__secrets_come_from_files_without_their_last_newline, make_dir,
                                        drop_dir),
        cmocka_unit_test(test_conf__a_secret_is_given_once),
        cmocka_unit_test_setup_teardown(test_conf__an_unreadable_secret_file_is_named_with_the_reason, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(test_conf__a_strange_secret_file_is_refused_without_quoting_it, make_dir,
                                        drop_dir),
        cmocka_unit_test(test_conf__a_refused_value_leaves_the_old_one),
        cmocka_unit_test(test_conf__nothing_in_the_file_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
