#include "tests/support/unit.h"

#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/access_yml.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"

#include <stdio.h>

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

/* A runner of a cloud with these lines behind it. */
static struct cirun_yml *runner_on(const char *cloud, const char *lines)
{
    AUTO_BUF struct buf b = BUF_INIT(65536);

    buf_addf(
        &b,
        "runners:\n  - name: r\n    cloud: %s\n    labels: [l]\n    instance_type: t\n    machine_image: i\n    %s\n",
        cloud, lines);
    return cirun_yml_parse(b.p, b.len, ".cirun.yml");
}

/* The lines give exactly one diagnostic, with this text; NULL: none. */
static void says(const char *cloud, const char *lines, const char *rule, const char *message)
{
    AUTO_CIRUN struct cirun_yml *c = runner_on(cloud, lines);

    if (c->n_diags != (message != NULL ? 1 : 0))
        fail_msg("%s: %zu diagnostics, first \"%s\"", lines, c->n_diags, c->n_diags > 0 ? c->diags[0].message : "");
    if (message == NULL)
        return;
    assert_string_equal(c->diags[0].message, message);
    assert_string_equal(c->diags[0].rule, rule);
    assert_int_equal(cirun_rule_find(rule)->severity, c->diags[0].severity);
}

/* --- the tables themselves --------------------------------------------------------------------------------------- */

static void check_table(const struct cirun_map *map, const char *cloud);

static void check_row(const struct cirun_map *map, const struct cirun_key *k, const char *cloud)
{
    bool counts = k->type == CIRUN_WHOLE || k->type == CIRUN_DURATION || k->type == CIRUN_GIGABYTES;

    if (!text_has_suffix(k->help, "."))
        fail_msg("%s.%s: its help is no sentence", map->id, k->name);
    assert_ptr_equal(cirun_key_find(map, k->name), k);
    assert_true((k->type == CIRUN_WORD) == (k->words != NULL));
    assert_true(!counts || k->max >= k->min);
    if (k->example == NULL && k->type != CIRUN_MAP && (k->flags & CIRUN_OLD) == 0)
        fail_msg("%s.%s has no example", map->id, k->name);
    assert_true(k->type != CIRUN_MAP || k->of != NULL);
    if (k->of != NULL)
        check_table(k->of, cloud);
}

static void check_table(const struct cirun_map *map, const char *cloud)
{
    assert_true(map->n > 0 && map->n <= CIRUN_MAX_KEYS);
    for (size_t i = 0; i < map->n; i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(map->keys[k].name, map->keys[i].name);
        check_row(map, &map->keys[i], cloud);
    }
}

static void test_cirun_keys__every_row_is_whole_and_no_key_stands_twice(void **state)
{
    (void)state;
    check_table(&cirun_file_map, NULL);
    check_table(&cirun_access_map, NULL);
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        const struct cirun_map *own = cirun_clouds[i].extra;

        if (own == NULL)
            continue;
        check_table(own, cirun_clouds[i].name);
        for (size_t k = 0; k < own->n; k++)
            assert_null(cirun_key_find(&cirun_extra_map, own->keys[k].name));
    }
}

static void test_cirun_keys__the_words_of_cloud_are_the_spellings_of_the_clouds(void **state)
{
    const struct cirun_key *k = cirun_key_find(&cirun_runner_map, "cloud");
    size_t n = 0;

    (void)state;
    for (; k->words[n] != NULL; n++)
        assert_non_null(cirun_cloud_find(k->words[n]));
    for (size_t i = 0; i < cirun_clouds_n; i++)
        n -= cirun_clouds[i].alias != NULL ? 2 : 1;
    assert_int_equal(n, 0);
    assert_null(cirun_cloud_find("AWS"));
}

/* As the page says it. Keys that the runner cannot be without are not tried. */
static void
test_cirun_keys__a_key_without_a_value_is_as_if_it_were_not_there_but_for_name_and_restrictions(void **state)
{
    static const char *const needed[] = {"cloud", "instance_type", "machine_image", "labels"};

    (void)state;
    for (size_t i = 0; i < cirun_runner_map.n; i++) {
        const struct cirun_key *k = &cirun_runner_map.keys[i];
        bool is_error = strcmp(k->name, "name") == 0 || (k->flags & CIRUN_RESTRICTS) != 0, is_needed = false;
        char text[200];

        for (size_t n = 0; n < ARRAY_LEN(needed); n++)
            is_needed = is_needed || strcmp(needed[n], k->name) == 0;
        if (is_needed)
            continue;
        (void)snprintf(text, sizeof(text),
                       "runners:\n- cloud: aws\n  instance_type: t\n  machine_image: i\n  labels: [l]\n  %s:\n",
                       k->name);
        {
            AUTO_CIRUN struct cirun_yml *c = cirun_yml_parse(text, strlen(text), ".cirun.yml");

            if ((c->n_errors > 0) != is_error)
                fail_msg("%s: %s", k->name, c->n_diags > 0 ? c->diags[0].message : "no error");
        }
    }
}

/* Each example of a row of the runner, alone in a runner, is taken without an error. */
static void try_examples(const struct cirun_map *map, const char *cloud, const char *before, const char *after)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];

        if (k->example == NULL)
            continue;
        buf_reset(&b);
        buf_addf(&b, "%s%s: %s%s", before, k->name, k->example, after);
        {
            AUTO_CIRUN struct cirun_yml *c = runner_on(cloud, b.p);

            if (c->n_diags > 0)
                fail_msg("%s on %s: %s", b.p, cloud, c->diags[0].message);
            assert_int_equal(c->n_runners, 1);
        }
    }
}

static void test_cirun_keys__every_example_is_accepted(void **state)
{
    (void)state;
    try_examples(cirun_key_find(&cirun_runner_map, "muster")->of, "aws", "muster: {", "}");
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        try_examples(&cirun_extra_map, cirun_clouds[i].name, "extra_config: {", "}");
        if (cirun_clouds[i].extra != NULL)
            try_examples(cirun_clouds[i].extra, cirun_clouds[i].name, "extra_config: {", "}");
    }
    says("aws", "workflow: .github/workflows/train.yml", NULL, NULL);
}

/* One file of .access.yml with every key of its tables. */
static void test_cirun_keys__the_reader_of_access_yml_knows_the_keys_of_the_table(void **state)
{
    static const struct cirun_map *const maps[] = {&cirun_policy_map, &cirun_control_map};
    AUTO_BUF struct buf b = BUF_INIT(4096);
    struct access_yml *a;

    (void)state;
    buf_adds(&b, "version: 1\n");
    for (size_t m = 0; m < ARRAY_LEN(maps); m++) {
        buf_adds(&b, m == 0 ? "policies:\n" : "access_control:\n");
        for (size_t i = 0; i < maps[m]->n; i++)
            buf_addf(&b, "%s%s: %s\n", i == 0 ? "  - " : "    ", maps[m]->keys[i].name, maps[m]->keys[i].example);
    }
    a = access_yml_parse(b.p, b.len, ".access.yml");
    if (a->n_diags > 0)
        fail_msg("%s\n%s", a->diags[0].message, b.p);
    assert_int_equal(a->n_rules, 1);
    access_yml_free(a);
}

/* --- muster ------------------------------------------------------------------------------------------------------ */

static void test_cirun_keys__the_extension_is_read_into_the_runner(void **state)
{
    AUTO_CIRUN struct cirun_yml *c =
        runner_on("openstack", "muster: {gpus: 2, gpu_memory: 24 gib, order: fastest, max_hourly_price: 1.5, lifetime: "
                               "1h30m, boot_deadline: 10m, rerun_interrupted: '3'}");
    AUTO_CIRUN struct cirun_yml *bare = runner_on("openstack", "muster:");
    const struct cirun_runner *r = c->runners;

    (void)state;
    assert_int_equal(c->n_diags, 0);
    assert_int_equal(r->gpus, 2);
    assert_int_equal(r->gpu_memory_gb, 24);
    assert_int_equal(r->order, CIRUN_FASTEST);
    assert_true(r->max_hourly_usd == 1.5);
    assert_int_equal(r->lifetime_s, 5400);
    assert_int_equal(r->boot_deadline_s, 600);
    assert_int_equal(r->rerun_interrupted, 3);
    r = bare->runners;
    assert_int_equal(bare->n_diags, 0);
    assert_int_equal(r->order, CIRUN_LISTED);
    assert_true(r->max_hourly_usd == 0 && r->lifetime_s == 0 && r->boot_deadline_s == 0 && r->rerun_interrupted == 0);
}

static void test_cirun_keys__a_value_out_of_its_range_is_an_error(void **state)
{
    static const struct {
        const char *lines, *rule, *message;
    } cases[] = {
        {"muster: {order: cheap}", "unknown-value",
         "unknown order \"cheap\"; it is one of listed, cheapest and fastest"},
        {"muster: {order: cheapst}", "unknown-value",
         "unknown order \"cheapst\"; did you mean \"cheapest\"?; it is one of listed, cheapest and fastest"},
        {"muster: {max_hourly_price: 0}", "bad-value",
         "max_hourly_price must be US dollars such as 1.50, above 0 and below 10000, found \"0\""},
        {"muster: {max_hourly_price: $1}", "bad-value",
         "max_hourly_price must be US dollars such as 1.50, above 0 and below 10000, found \"$1\""},
        {"muster: {max_hourly_price: [1]}", "wrong-type",
         "max_hourly_price must be US dollars such as 1.50, above 0 and below 10000, found a list"},
        {"muster: {lifetime: 6}", "bad-value", "lifetime must be a duration such as 90m or 6h, found \"6\""},
        {"muster: {lifetime: 12345s}", "bad-value", "lifetime must be a duration such as 90m or 6h, found \"12345s\""},
        {"muster: {lifetime: 59s}", "duration-range", "lifetime must be from 1m to 720h, found \"59s\""},
        {"muster: {boot_deadline: 25h}", "duration-range", "boot_deadline must be from 1m to 24h, found \"25h\""},
        {"muster: {rerun_interrupted: 11}", "bad-value",
         "rerun_interrupted must be a whole number from 0 to 10, found \"11\""},
        {"muster: {gpus: 1, lifetim: 1h}", "unknown-key",
         "unknown key \"lifetim\" in muster is ignored; did you mean \"lifetime\"?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        says("openstack", cases[i].lines, cases[i].rule, cases[i].message);
}

/* --- extra_config ------------------------------------------------------------------------------------------------ */

static void test_cirun_keys__options_of_each_cloud_are_checked(void **state)
{
    static const struct {
        const char *cloud, *lines, *rule, *message;
    } cases[] = {
        {"aws", "extra_config: {BlockDeviceMappings: {DeviceName: /dev/sda1}}", "wrong-type",
         "BlockDeviceMappings must be a list of mappings, found a mapping; did you mean \"- ...\" or [...]?"},
        {"aws", "extra_config: {BlockDeviceMappings: [x]}", "wrong-type",
         "BlockDeviceMappings must be a mapping, found a string"},
        {"aws", "extra_config: {BlockDeviceMappings: [{VolumeSize: 1}]}", "missing-key",
         "DeviceName is missing in BlockDeviceMappings"},
        {"aws", "extra_config: {BlockDeviceMappings: [{DeviceName: a, VolumeSise: 1}]}", "unknown-key",
         "unknown key \"VolumeSise\" in BlockDeviceMappings is ignored; did you mean \"VolumeSize\"?"},
        {"aws", "extra_config: {BlockDeviceMappings: [{DeviceName: a, VolumeType: gp4}]}", "unknown-value",
         "unknown VolumeType \"gp4\"; did you mean \"gp3\"?; it is one of gp3, gp2, io1, io2, st1, sc1 and standard"},
        {"aws", "extra_config: {baseDisk: {diskSizeGb: 1}}", "unknown-key",
         "unknown key \"baseDisk\" in extra_config of aws is ignored: it is one of gcp"},
        {"gcp", "extra_config: {baseDisk: {diskSizeGb: large}}", "bad-value",
         "diskSizeGb must be a whole number from 1 to 65536, found \"large\""},
        {"gcp", "extra_config: {additionalDisk: [{diskType: pd-ssd}]}", "missing-key",
         "diskSizeGb is missing in additionalDisk"},
        {"gcp", "extra_config: {networkInterfaces: [a]}", "wrong-type",
         "networkInterfaces must be a list of mappings, found a string in it"},
        {"gcp", "extra_config: {networkInterfaces: [{anything: [goes]}]}", NULL, NULL},
        {"azure", "extra_config: {storageProfile: {osDisk: {diskSizeGB: 5000}}}", "bad-value",
         "diskSizeGB must be a whole number from 1 to 4095, found \"5000\""},
        {"azure", "extra_config: {enable_public_ip: 1}", "wrong-type",
         "enable_public_ip must be true or false, found \"1\""},
        {"openstack", "extra_config: {block_device_mapping_v2: [{boot_index: -1}]}", NULL, NULL},
        {"oracle", "extra_config: {bootVolumeSizeInGBs: 49}", "bad-value",
         "bootVolumeSizeInGBs must be a whole number from 50 to 32768, found \"49\""},
        {"vast_ai", "extra_config: {disk_space: '40', vm: no}", NULL, NULL},
        {"on_prem", "extra_config: {executor: podman}", "unknown-value",
         "unknown executor \"podman\"; it is one of docker, meda and lume"},
        {"do", "extra_config: {executor: docker}", "unknown-key",
         "unknown key \"executor\" in extra_config is ignored: it is one of on_prem"},
        {"do", "extra_config: {cache: yes}", "no-effect", "cache is ignored: jobs use GitHub's own cache"},
        {"do", "extra_config: {provision_via: push}", "unknown-value",
         "unknown provision_via \"push\"; it is one of pull_from_api"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        says(cases[i].cloud, cases[i].lines, cases[i].rule, cases[i].message);
}

static void test_cirun_keys__options_of_a_runner_whose_cloud_is_misspelt_are_not_called_unknown(void **state)
{
    (void)state;
    says("asw", "extra_config: {BlockDeviceMappings: [{DeviceName: a}], disk_space: 5}", "unknown-value",
         "unknown cloud \"asw\"; did you mean \"aws\"?; it is one of aws, gcp, azure, digitalocean, do, openstack, "
         "oracle, "
         "vast_ai and on_prem");
}

static void test_cirun_keys__environment_variables_have_names_and_one_line_each(void **state)
{
    (void)state;
    says("aws", "extra_config: {env_vars: {A_1: b, c: 0804786, D: , E: '', F: 1.50}}", NULL, NULL);
    says("aws", "extra_config: {env_vars: {1A: b}}", "bad-value",
         "\"1A\" is no name of an environment variable: letters, digits and _, not beginning with a digit");
    says("aws", "extra_config: {env_vars: {'A B': b}}", "bad-value",
         "\"A B\" is no name of an environment variable: letters, digits and _, not beginning with a digit");
    says("aws", "extra_config: {env_vars: {actions_runner_hook_job_started: /x}}", "bad-value",
         "actions_runner_hook_job_started: names that begin with ACTIONS_RUNNER_ are the runner's own");
    says("aws", "extra_config: {env_vars: {A: \"b\\nc\"}}", "bad-value", "the value of A must be a single line");
    says("aws", "extra_config: {env_vars: {A: [b]}}", "wrong-type", "the value of A must be a string, found a list");
    says("aws", "extra_config: {env_vars: [A=b]}", "wrong-type",
         "env_vars must be a mapping of names to values, found a list");
}

static void test_cirun_keys__what_only_looks_a_little_like_a_restriction_is_a_warning(void **state)
{
    (void)state;
    says("aws", "user: ubuntu", "unknown-key", "unknown key \"user\" in a runner is ignored");
    says("aws", "allow_ssh: true", "unknown-key", "unknown key \"allow_ssh\" in a runner is ignored");
    says("aws", "timeout: 30", "unknown-key", "unknown key \"timeout\" in a runner is ignored");
}

static void test_cirun_keys__a_restriction_that_is_not_known_is_an_error_and_never_ignored(void **state)
{
    static const char tail[] = " may be meant to restrict who gets this runner, and is not ignored; ";
    static const struct {
        const char *key, *meant;
    } cases[] = {{"run_only_when_trigered_by", "run_only_when_triggered_by"},
                 {"workflows", "workflow"},
                 {"teams", NULL},
                 {"allowed_users", NULL},
                 {"only_branches", NULL}};
    char lines[100], message[300];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(lines, sizeof(lines), "%s: x", cases[i].key);
        (void)snprintf(message, sizeof(message), "unknown key \"%s\"%s%s%s%s", cases[i].key, tail,
                       cases[i].meant != NULL ? "did you mean \"" : "what is known is workflow and ",
                       cases[i].meant != NULL ? cases[i].meant : "run_only_when_triggered_by",
                       cases[i].meant != NULL ? "\"?" : "");
        says("aws", lines, "unknown-restriction", message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_keys__every_row_is_whole_and_no_key_stands_twice),
        cmocka_unit_test(test_cirun_keys__the_words_of_cloud_are_the_spellings_of_the_clouds),
        cmocka_unit_test(
            test_cirun_keys__a_key_without_a_value_is_as_if_it_were_not_there_but_for_name_and_restrictions),
        cmocka_unit_test(test_cirun_keys__every_example_is_accepted),
        cmocka_unit_test(test_cirun_keys__the_reader_of_access_yml_knows_the_keys_of_the_table),
        cmocka_unit_test(test_cirun_keys__the_extension_is_read_into_the_runner),
        cmocka_unit_test(test_cirun_keys__a_value_out_of_its_range_is_an_error),
        cmocka_unit_test(test_cirun_keys__options_of_each_cloud_are_checked),
        cmocka_unit_test(test_cirun_keys__options_of_a_runner_whose_cloud_is_misspelt_are_not_called_unknown),
        cmocka_unit_test(test_cirun_keys__environment_variables_have_names_and_one_line_each),
        cmocka_unit_test(test_cirun_keys__what_only_looks_a_little_like_a_restriction_is_a_warning),
        cmocka_unit_test(test_cirun_keys__a_restriction_that_is_not_known_is_an_error_and_never_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
