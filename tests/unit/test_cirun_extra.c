/* extra_config: the table of keys and what the clouds read are the same. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_keys.h"
#include "server/config/cirun_yml.h"
#include "server/config/plan.h"
#include "server/config/server_conf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

static void free_conf(struct server_conf **c)
{
    server_conf_free(*c);
}
#define AUTO_SETTINGS AUTO(free_conf)

/* A runner of each cloud that can be rendered, without its extra_config. */
static const struct {
    const char *cloud, *runner;
} runners[] = {
    {"aws", "instance_type: m5.large, machine_image: ami-0123456789abcdef0, region: eu-west-1"},
    {"gcp", "instance_type: n2-standard-8, machine_image: ubuntu-2204-jammy-v20240501, region: us-central1-a"},
    {
        "azure",
        "instance_type: Standard_D4s_v5, region: eastus, machine_image: 'Canonical:ubuntu-24_04-lts:server:latest'",
    },
    {"openstack", "instance_type: gpu.large, machine_image: Ubuntu, region: RegionOne"},
    {"oracle", "instance_type: VM.Standard.E4.Flex, region: us-phoenix-1, machine_image: ocid1.image.oc1.phx.a"},
    {"vast_ai", "instance_type: 1xRTX_4090, machine_image: 'nvidia/cuda:12.4.1-base-ubuntu22.04'"},
    {"on_prem", "instance_type: 8vcpu-32gb-100gb, machine_image: 'ghcr.io/acme/runner:1'"},
};

static const char *no_env(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

/* The requests for this extra_config as text; or what the cloud says against it. The caller frees. */
static char *rendered(const struct cloud_account *a, const struct machine_spec *s)
{
    const struct provider_env env = {.deployment = "d", .getenv_fn = no_env, .allow_privileged = true};
    static const struct tag tags[] = {{TAG_DEPLOYMENT, "d"}, {TAG_MACHINE, "m"}};
    const struct launch_request r = {.spec = s,
                                     .name = "m",
                                     .token = "t",
                                     .first_try = true,
                                     .lifetime_s = 3600,
                                     .tags = tags,
                                     .n_tags = ARRAY_LEN(tags)};
    AUTO_JSON json_t *requests = json_array();
    struct provider *p = NULL;
    struct err e;
    char *out;

    if (a->ops->open(a->conf, &env, &p, &e))
        fail_msg("%s", e.msg);
    out = a->ops->check(p, s, &e) || a->ops->render(p, &r, requests, &e) ? mem_strdup(e.msg)
                                                                         : json_dumps(requests, JSON_COMPACT);
    a->ops->close(p);
    return out;
}

static char *with_extra(const struct server_conf *conf, size_t which, const char *extra)
{
    AUTO_BUF struct buf text = BUF_INIT(8192);
    AUTO_CIRUN struct cirun_yml *c = NULL;
    AUTO_FREE char *frozen = NULL;
    AUTO_PLAN struct plan plan = {0};
    struct err e;

    buf_addf(&text, "runners:\n  - {name: r, labels: [l], cloud: %s, %s, extra_config: {%s}}\n", runners[which].cloud,
             runners[which].runner, extra);
    c = cirun_yml_parse(text.p, text.len, "f");
    if (c->n_errors > 0)
        fail_msg("%s: %s", text.p, c->diags[0].message);
    assert_ok(plan_build(NULL, 0, (const struct cirun_runner *const[]){c->runners}, 1, &frozen, &e), e);
    assert_ok(plan_parse(frozen, &plan, &e), e);
    for (size_t i = 0; i < conf->n_clouds; i++) {
        if (strcmp(conf->clouds[i].ops->name, runners[which].cloud) == 0)
            return rendered(&conf->clouds[i], plan.specs);
    }
    fail_msg("%s is not in this build", runners[which].cloud);
    return NULL;
}

static void add_value(struct buf *b, const struct cirun_key *k, const struct cirun_key *only);

/* The mapping of a key: what it needs, and the one that is looked at. */
static void add_mapping(struct buf *b, const struct cirun_map *map, const struct cirun_key *only)
{
    bool first = true;

    buf_addc(b, '{');
    for (size_t i = 0; i < map->n; i++) {
        const struct cirun_key *k = &map->keys[i];
        bool chosen = k == only || (k->of != NULL && cirun_key_find(k->of, only->name) == only);

        if (!chosen && (k->flags & CIRUN_NEEDED) == 0)
            continue;
        buf_addf(b, "%s%s: ", first ? "" : ", ", k->name);
        add_value(b, k, only);
        first = false;
    }
    buf_addc(b, '}');
}

static void add_value(struct buf *b, const struct cirun_key *k, const struct cirun_key *only)
{
    if (k->example != NULL) {
        buf_adds(b, k->example);
        return;
    }
    buf_adds(b, k->many == CIRUN_LIST ? "[" : "");
    add_mapping(b, k->of, only);
    buf_adds(b, k->many == CIRUN_LIST ? "]" : "");
}

/* With the key the cloud asks for something else than without, or says what is wrong with it. */
static void check_read(const struct server_conf *conf, size_t which, const struct cirun_key *top,
                       const struct cirun_key *k)
{
    AUTO_BUF struct buf with = BUF_INIT(4096), without = BUF_INIT(4096);
    AUTO_FREE char *a = NULL, *b = NULL;
    static const struct cirun_key none = {.name = ""};

    buf_addf(&with, "%s: ", top->name);
    add_value(&with, top, k);
    buf_adds(&without, "");
    if (k != top) {
        buf_addf(&without, "%s: ", top->name);
        add_value(&without, top, &none);
    }
    if (strcmp(with.p, without.p) == 0) /* what is always needed is read in every case */
        return;
    a = with_extra(conf, which, with.p);
    b = with_extra(conf, which, without.p);
    if (strcmp(a, b) == 0 && strcmp(k->example, k->def != NULL ? k->def : "") != 0)
        fail_msg("%s does not read extra_config.%s", runners[which].cloud, with.p);
}

static void check_below(const struct server_conf *conf, size_t which, const struct cirun_key *top,
                        const struct cirun_map *map)
{
    for (size_t i = 0; i < map->n; i++) {
        if (map->keys[i].of != NULL)
            check_below(conf, which, top, map->keys[i].of);
        else
            check_read(conf, which, top, &map->keys[i]);
    }
}

static void test_cirun_extra__every_key_of_the_table_is_read_by_its_cloud(void **state)
{
    AUTO_SETTINGS struct server_conf *conf = NULL;
    struct err e;

    (void)state;
    assert_ok(server_conf_load_offline(NULL, no_env, NULL, &conf, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(runners); i++) {
        const struct cirun_map *own = cirun_cloud_find(runners[i].cloud)->extra;

        for (size_t k = 0; k < own->n; k++) {
            if (own->keys[k].of != NULL)
                check_below(conf, i, &own->keys[k], own->keys[k].of);
            else
                check_read(conf, i, &own->keys[k], &own->keys[k]);
        }
    }
}

/* --- the other way round ----------------------------------------------------------------------------------------- */

static bool is_in_table(const char *key)
{
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        if (cirun_key_find(cirun_clouds[i].extra, key) != NULL)
            return true;
    }
    return cirun_key_find(&cirun_extra_map, key) != NULL;
}

/* Each `extra, "KEY"` of a source file, which is how clouds read, is a key of the table. */
static size_t check_source(const char *path)
{
    AUTO_FREE char *line = NULL;
    size_t cap = 0, found = 0;
    FILE *in = fopen(path, "r");

    assert_non_null(in);
    while (getline(&line, &cap, in) > 0) {
        for (const char *s = line; (s = strstr(s, "extra, \"")) != NULL; s++) {
            char key[64];

            (void)snprintf(key, sizeof(key), "%.*s", (int)strcspn(s + 8, "\""), s + 8);
            if (!is_in_table(key))
                fail_msg("%s reads extra_config.%s, which is not in cirun_keys_extra.c", path, key);
            found++;
        }
    }
    (void)fclose(in);
    return found;
}

static void test_cirun_extra__every_key_that_a_cloud_reads_is_in_the_table(void **state)
{
    static const char *const dirs[] = {"providers", "providers/common"};
    size_t found = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        DIR *d = opendir(dirs[i]);
        struct dirent *entry;
        char path[512];

        assert_non_null(d);
        while ((entry = readdir(d)) != NULL) {
            if (!text_has_suffix(entry->d_name, ".c"))
                continue;
            (void)snprintf(path, sizeof(path), "%s/%s", dirs[i], entry->d_name);
            found += check_source(path);
        }
        (void)closedir(d);
    }
    assert_in_range(found, 12, 200);
}

/* --- what the clouds get ----------------------------------------------------------------------------------------- */

static void becomes(const char *cloud, const char *extra, const char *want)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    AUTO_CIRUN struct cirun_yml *c = NULL;
    AUTO_JSON json_t *j = NULL;
    AUTO_FREE char *got = NULL;

    buf_addf(&text,
             "runners: [{name: r, labels: [l], cloud: %s, instance_type: t, machine_image: i, extra_config: %s}]",
             cloud, extra);
    c = cirun_yml_parse(text.p, text.len, "f");
    if (c->n_errors > 0)
        fail_msg("%s", c->diags[0].message);
    j = cirun_extra_json(c->runners[0].cloud, c->runners[0].extra);
    got = j != NULL ? json_dumps(j, JSON_COMPACT) : mem_strdup("none");
    assert_string_equal(got, want);
}

static void test_cirun_extra__values_reach_the_cloud_in_their_types_however_they_were_written(void **state)
{
    (void)state;
    becomes("aws", "~", "none");
    becomes("gcp", "{baseDisk: {diskSizeGb: '40', diskType: 5}, enableNestedVirtualization: yes}",
            "{\"baseDisk\":{\"diskSizeGb\":40,\"diskType\":\"5\"},\"enableNestedVirtualization\":true}");
    becomes("gcp", "{project_id: ~, additionalDisk: [{diskSizeGb: 1}, {diskSizeGb: 2}]}",
            "{\"additionalDisk\":[{\"diskSizeGb\":1},{\"diskSizeGb\":2}]}");
    becomes("gcp", "{networkInterfaces: [{a: 1, b: [yes, ~]}]}",
            "{\"networkInterfaces\":[{\"a\":1,\"b\":[\"yes\",null]}]}");
    becomes("aws", "{env_vars: {A: 1, B: 0804786, C: , D: yes, E: 1.50}}",
            "{\"env_vars\":{\"A\":\"1\",\"B\":\"0804786\",\"C\":\"\",\"D\":\"yes\",\"E\":\"1.50\"}}");
    becomes("on_prem", "{gpu: 1, privileged: Off}", "{\"gpu\":\"1\",\"privileged\":false}");
}

static void test_cirun_extra__what_is_ignored_with_a_warning_does_not_reach_the_cloud(void **state)
{
    (void)state;
    becomes("aws", "{BlockDeviceMappings: [{DeviceName: a, VolumeSise: 1}], privileged: true, x: y}",
            "{\"BlockDeviceMappings\":[{\"DeviceName\":\"a\"}]}");
    becomes("do", "{privileged: true}", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_extra__every_key_of_the_table_is_read_by_its_cloud),
        cmocka_unit_test(test_cirun_extra__every_key_that_a_cloud_reads_is_in_the_table),
        cmocka_unit_test(test_cirun_extra__values_reach_the_cloud_in_their_types_however_they_were_written),
        cmocka_unit_test(test_cirun_extra__what_is_ignored_with_a_warning_does_not_reach_the_cloud),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
