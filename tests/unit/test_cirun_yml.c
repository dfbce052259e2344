#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/config/cirun_yml.h"

#include <stdio.h>

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

static struct cirun_yml *parse(const char *text)
{
    return cirun_yml_parse(text, strlen(text), ".cirun.yml");
}

/* All diagnostics as "E LINE:COLUMN MESSAGE\n" or "W ...", in order. */
static void diags_text(const struct cirun_yml *c, struct buf *b)
{
    buf_adds(b, "");
    for (size_t i = 0; i < c->n_diags; i++)
        buf_addf(b, "%s %d:%d %s\n", c->diags[i].severity == CIRUN_ERROR ? "E" : "W", c->diags[i].line,
                 c->diags[i].column, c->diags[i].message);
}

/* The file gives exactly these diagnostics. */
static void says(const char *text, const char *want)
{
    AUTO_CIRUN struct cirun_yml *c = parse(text);
    AUTO_BUF struct buf b = BUF_INIT(65536);

    diags_text(c, &b);
    assert_string_equal(b.p, want);
    if (c->n_errors > 0)
        assert_int_equal(c->n_runners, 0);
}

/* A runner that lacks its machine, and the lines that name one. */
#define RUNNER "runners:\n  - name: r\n    cloud: aws\n    labels: [l]\n"
#define MACHINE "    instance_type: t\n    machine_image: i\n"

static void test_cirun_yml__a_runner_is_read_with_all_its_keys(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = parse("setup_info:\n  - group: a\n    detail: b\n"
                                           "runners:\n"
                                           "  - name: gpu\n"
                                           "    cloud: do\n"
                                           "    gpu: nvidia-h100-80gb\n"
                                           "    instance_type: gpu-h100x1-80gb\n"
                                           "    machine_image: 0804786\n"
                                           "    region: ams3\n"
                                           "    preemptible: false\n"
                                           "    labels: [cirun-gpu, linux]\n"
                                           "    workflow: .github/workflows/train.yml\n"
                                           "    run_only_when_triggered_by: ml\n"
                                           "    extra_config: {env_vars: {A: b}}\n"
                                           "    muster: {lifetime: 6h}\n");
    const struct cirun_runner *r = c->runners;

    (void)state;
    assert_int_equal(c->n_diags, 0);
    assert_int_equal(c->n_runners, 1);
    assert_string_equal(r->name, "gpu");
    assert_string_equal(r->cloud, "digitalocean");
    assert_string_equal(r->gpu, "nvidia-h100-80gb");
    assert_string_equal(r->workflow, ".github/workflows/train.yml");
    assert_string_equal(r->team, "ml");
    assert_int_equal(r->line, 5);
    assert_int_equal(r->n_labels, 2);
    assert_string_equal(r->labels[1], "linux");
    assert_int_equal(r->n_candidates, 1);
    assert_string_equal(r->candidates[0].instance_type, "gpu-h100x1-80gb");
    assert_string_equal(r->candidates[0].image, "0804786");
    assert_string_equal(r->candidates[0].region, "ams3");
    assert_false(r->candidates[0].spot);
    assert_string_equal(yaml_get(yaml_get(r->extra, "env_vars"), "A")->text, "b");
    assert_non_null(yaml_get(r->node, "muster"));
    assert_non_null(c->doc);
}

static void test_cirun_yml__what_is_left_out_has_its_default(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = parse(RUNNER MACHINE "    region:\n    gpu: ~\n");
    const struct cirun_runner *r = c->runners;

    (void)state;
    assert_int_equal(c->n_diags, 0);
    assert_null(r->gpu);
    assert_null(r->workflow);
    assert_null(r->team);
    assert_null(r->extra);
    assert_null(r->candidates[0].region);
    assert_false(r->candidates[0].spot);
}

static void test_cirun_yml__a_gpu_may_stand_for_the_instance_type(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = parse(RUNNER "    gpu: t4\n    machine_image: i\n    region: [r, s]\n");

    (void)state;
    assert_int_equal(c->n_diags, 0);
    assert_int_equal(c->runners[0].n_candidates, 2);
    assert_string_equal(c->runners[0].candidates[0].instance_type, "g4dn.xlarge");
    assert_string_equal(c->runners[0].candidates[1].instance_type, "g4dn.xlarge");
    assert_int_equal(c->runners[0].gpus, 0);
    assert_int_equal(c->runners[0].gpu_memory_gb, 0);
}

static void test_cirun_yml__every_documented_cloud_is_known(void **state)
{
    static const char *const pairs[][2] = {
        {"aws", "aws"},
        {"gcp", "gcp"},
        {"azure", "azure"},
        {"do", "digitalocean"},
        {"digitalocean", "digitalocean"},
        {"openstack", "openstack"},
        {"oracle", "oracle"},
        {"vast_ai", "vast_ai"},
        {"on_prem", "on_prem"},
    };
    char text[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        (void)snprintf(text, sizeof(text), "runners:\n  - name: r\n    cloud: %s\n    labels: [l]\n" MACHINE,
                       pairs[i][0]);
        {
            AUTO_CIRUN struct cirun_yml *c = parse(text);

            assert_int_equal(c->n_diags, 0);
            assert_string_equal(c->runners[0].cloud, pairs[i][1]);
        }
    }
    says("runners:\n  - name: r\n    cloud: asw\n    labels: [l]\n" MACHINE,
         "E 3:12 unknown cloud \"asw\"; did you mean \"aws\"?; it is one of aws, gcp, azure, digitalocean, do, "
         "openstack, oracle, vast_ai and on_prem\n");
    says("runners:\n  - name: r\n    labels: [l]\n" MACHINE,
         "E 2:5 cloud is missing; it is one of aws, gcp, azure, digitalocean, do, openstack, oracle, vast_ai and "
         "on_prem\n");
}

/* --- fallback --------------------------------------------------------------------------------------------------- */

/* The chain of the runner with these lines: "type image region spot" each, "-" for none. */
static void expands(const char *lines, const char *want)
{
    AUTO_BUF struct buf text = BUF_INIT(4096), got = BUF_INIT(8192);
    struct cirun_yml *c;

    buf_addf(&text, RUNNER "%s", lines);
    c = parse(text.p);
    assert_int_equal(c->n_errors, 0);
    for (size_t i = 0; i < c->runners[0].n_candidates; i++) {
        const struct cirun_candidate *one = &c->runners[0].candidates[i];

        buf_addf(&got, "%s%s %s %s %s", i > 0 ? ", " : "", one->instance_type, one->image,
                 one->region != NULL ? one->region : "-", one->spot ? "spot" : "full");
    }
    assert_string_equal(got.p, want);
    cirun_yml_free(c);
}

static void test_cirun_yml__lists_of_equal_length_are_read_index_by_index(void **state)
{
    (void)state;
    expands(
        "    instance_type: [a, b]\n    machine_image: [i, j]\n    region: [r, s]\n    preemptible: [true, false]\n",
        "a i r spot, b j s full");
}

static void test_cirun_yml__scalars_and_lists_of_one_are_repeated(void **state)
{
    (void)state;
    expands("    instance_type: [a, b, c]\n    machine_image: i\n    region: [r]\n    preemptible: yes\n",
            "a i r spot, b i r spot, c i r spot");
    expands("    instance_type: [a]\n    machine_image: [i]\n    preemptible: [true, false]\n",
            "a i - spot, a i - full");
}

static void test_cirun_yml__lists_of_unequal_length_give_the_product_slowest_first(void **state)
{
    (void)state;
    expands("    instance_type: [a, b]\n    machine_image: i\n    region: [r, s, t]\n",
            "a i r full, a i s full, a i t full, b i r full, b i s full, b i t full");
    expands("    preemptible: [true, false]\n    region: [r, s, t]\n    machine_image: i\n    instance_type: a\n",
            "a i r spot, a i r full, a i s spot, a i s full, a i t spot, a i t full");
    expands("    instance_type: a\n    machine_image: [i, j]\n    region: [r, s, t]\n",
            "a i r full, a i s full, a i t full, a j r full, a j s full, a j t full");
    says(RUNNER "    instance_type: [a, b]\n    machine_image: i\n    region: [r, s, t]\n",
         "W 5:20 lists of different lengths (instance_type 2, region 3): every combination is tried, 6 candidates; "
         "lists "
         "of equal length are read side by side\n");
}

static void test_cirun_yml__no_more_than_64_candidates_are_tried(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(65536);
    AUTO_CIRUN struct cirun_yml *c = NULL;

    (void)state;
    buf_adds(&b, RUNNER "    instance_type: [t0");
    for (int i = 1; i < 10; i++)
        buf_addf(&b, ", t%d", i);
    buf_adds(&b, "]\n    machine_image: i\n    region: [a, b, c, d, e, f, g]\n");
    c = parse(b.p);
    assert_int_equal(c->n_errors, 0);
    assert_int_equal(c->runners[0].n_candidates, 64);
    assert_string_equal(c->runners[0].candidates[63].instance_type, "t9");
    assert_string_equal(c->runners[0].candidates[63].region, "a");
    assert_int_equal(c->n_diags, 2);
    assert_string_equal(c->diags[0].message, "70 candidates; the first 64 are tried");
}

static void test_cirun_yml__a_cloud_without_spot_capacity_ignores_preemptible_with_a_warning(void **state)
{
    const char *text =
        "runners:\n  - name: r\n    cloud: openstack\n    labels: [l]\n" MACHINE "    preemptible: true\n";
    AUTO_CIRUN struct cirun_yml *c = parse(text);

    (void)state;
    assert_false(c->runners[0].candidates[0].spot);
    says(text, "W 7:18 openstack has no spot capacity: preemptible is ignored\n");
}

static void test_cirun_yml__an_azure_image_may_be_a_mapping(void **state)
{
    static const char head[] = "runners:\n  - name: r\n    cloud: azure\n    labels: [l]\n    instance_type: t\n";
    static const char image[] = "{publisher: p, offer: o, sku: s, version: 22631.2861.231204}";
    char text[600];

    (void)state;
    (void)snprintf(text, sizeof(text), "%s    machine_image: [%s, 'a:b:c:latest']\n", head, image);
    {
        AUTO_CIRUN struct cirun_yml *c = parse(text);

        assert_int_equal(c->n_diags, 0);
        assert_string_equal(c->runners[0].candidates[0].image, "p:o:s:22631.2861.231204");
        assert_string_equal(c->runners[0].candidates[1].image, "a:b:c:latest");
    }
    (void)snprintf(text, sizeof(text), "%s    machine_image: {publisher: p, offer: o, sku: [s], verson: '1'}\n", head);
    says(text, "E 6:20 version is missing in machine_image\n"
               "E 6:50 sku must be a string, found a list\n"
               "W 6:55 unknown key \"verson\" in machine_image is ignored; did you mean \"version\"?\n");
    (void)snprintf(text, sizeof(text), RUNNER "    instance_type: t\n    machine_image: %s\n", image);
    says(text, "E 6:20 machine_image is a string on aws; only azure knows it as a mapping\n");
}

/* --- mistakes ---------------------------------------------------------------------------------------------------- */

static void test_cirun_yml__a_file_without_a_list_of_runners_names_the_mistake(void **state)
{
    (void)state;
    says("", "E 1:1 the file is empty; expected a list \"runners:\"\n");
    says("- name: x\n", "E 1:1 expected \"runners:\" with a list below it, found a list\n");
    says("runners:\n  gpu:\n    cloud: aws\n",
         "E 2:3 runners must be a list, found a mapping; did you mean \"- name: ...\"?\n");
    says("runners:\n", "E 1:9 runners must be a list, found nothing; did you mean \"- name: ...\"?\n");
    says("runners: []\n", "W 1:10 runners is empty: no job gets a machine\n");
    says("runners: [x]\n", "E 1:11 a runner must be a mapping of keys (\"- name: ...\"), found a string\n");
    says("setup_info: []\n", "E 1:1 there is no \"runners:\"; expected a list of runners, each \"- name: ...\"\n");
    says("runner:\n  - name: x\n", "E 1:1 there is no \"runners:\"; expected a list of runners, each \"- name: ...\"\n"
                                   "W 1:1 unknown key \"runner\" in the file is ignored; did you mean \"runners\"?\n");
    says("runs-on: gpu\n",
         "E 1:1 runs-on belongs into a workflow; this file needs a list \"runners:\" whose labels runs-on "
         "names\n");
}

static void test_cirun_yml__a_runner_outside_of_the_list_is_recognised(void **state)
{
    (void)state;
    says("gpu-runner:\n  cloud: aws\n",
         "E 1:1 gpu-runner looks like a runner, which belongs into the list \"runners:\"; did "
         "you mean \"- name: gpu-runner\" there?\n");
}

static void test_cirun_yml__an_unknown_key_is_a_warning_with_the_nearest_known_one(void **state)
{
    (void)state;
    says(RUNNER MACHINE "    machine_imag: x\n    vpc: y\n    spot: true\n",
         "W 7:5 unknown key \"machine_imag\" in a runner is ignored; did you mean \"machine_image\"?\n"
         "W 8:5 unknown key \"vpc\" in a runner is ignored\n"
         "W 9:5 unknown key \"spot\" in a runner is ignored; did you mean \"preemptible\"?\n");
    says(RUNNER MACHINE "    idle:\n      schedule: [{day: mon, hours: 9-17, count: 1}]\n",
         "E 8:18 an entry of schedule has no replicas\nE 8:18 an entry of schedule has no time\n"
         "W 8:29 unknown key \"hours\" in an entry of schedule is ignored; did you mean \"time\"?\n"
         "W 8:42 unknown key \"count\" in an entry of schedule is ignored; did you mean \"replicas\"?\n");
    says("version: 1\n" RUNNER MACHINE, "W 1:1 unknown key \"version\" in the file is ignored\n");
}

static void test_cirun_yml__a_known_key_of_the_wrong_type_is_an_error(void **state)
{
    static const char *const pairs[][2] = {
        {"name: [x]", "name must be a string, found a list"},
        {"name: ''", "name must not be empty"},
        {"cloud: {a: b}", "cloud must be a string, found a mapping"},
        {"gpu: {type: t4}", "gpu must be a string, found a mapping"},
        {"instance_type: {a: b}", "instance_type must be a string, found a mapping"},
        {"instance_type: [a, [b]]", "instance_type must be a string, found a list"},
        {"instance_type: [a, ~]", "instance_type must be a string, found nothing"},
        {"region: []", "region is an empty list; leave the key out instead"},
        {"region: ['']", "region must not be empty"},
        {"preemptible: maybe", "preemptible must be true or false, found \"maybe\""},
        {"preemptible: {a: b}", "preemptible must be true or false or a list of these, found a mapping"},
        {"labels: gpu", "labels must be a list of strings, found a string; did you mean \"- ...\" or [...]?"},
        {"labels: [a, {b: c}]", "a label must be a string, found a mapping"},
        {"idle: 1", "idle must be a mapping with replicas, schedule or usage_based, found a string"},
        {"muster: []", "muster must be a mapping, found a list"},
        {"muster: {gpus: 0}", "gpus must be a whole number from 1 to 64, found \"0\""},
        {"muster: {gpus: 65}", "gpus must be a whole number from 1 to 64, found \"65\""},
        {"muster: {gpus: two}", "gpus must be a whole number from 1 to 64, found \"two\""},
        {"muster: {gpus: [1]}", "gpus must be a whole number from 1 to 64, found a list"},
        {"muster: {gpu_memory: 24}", "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"24\""},
        {"muster: {gpu_memory: GB}", "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"GB\""},
        {"muster: {gpu_memory: 0GB}", "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"0GB\""},
        {"muster: {gpu_memory: 1.5GB}",
         "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"1.5GB\""},
        {"muster: {gpu_memory: 12345678GB}",
         "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"12345678GB\""},
        {"muster: {gpu_memory: 9999999999GB}",
         "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found \"9999999999GB\""},
        {"muster: {gpu_memory: {a: b}}",
         "gpu_memory must be whole gigabytes such as 24GB, from 1 to 1024, found a mapping"},
        {"extra_config: x", "extra_config must be a mapping, found a string"},
        {"workflow: [a]", "workflow must be a string, found a list"},
        {"count: two", "count must be a whole number from 0 to 2147483647, found \"two\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        AUTO_CIRUN struct cirun_yml *c = NULL;
        size_t key = strcspn(pairs[i][0], ":");
        AUTO_BUF struct buf b = BUF_INIT(4096);
        static const char *const sound[] = {"name: r", "cloud: aws", "labels: [l]", "instance_type: t",
                                            "machine_image: i"};

        buf_addf(&b, "runners:\n  - %s\n", pairs[i][0]);
        for (size_t k = 0; k < ARRAY_LEN(sound); k++) {
            if (strncmp(sound[k], pairs[i][0], key + 1) != 0)
                buf_addf(&b, "    %s\n", sound[k]);
        }
        c = parse(b.p);
        if (c->n_errors != 1 || strcmp(c->diags[0].message, pairs[i][1]) != 0)
            fail_msg("%s: %s", pairs[i][0], c->n_diags > 0 ? c->diags[0].message : "accepted");
        assert_int_equal(c->diags[0].severity, CIRUN_ERROR);
        assert_int_equal(c->diags[0].line, 2);
        assert_int_equal(c->n_runners, 0);
    }
}

static void test_cirun_yml__a_restriction_without_a_value_is_an_error_and_never_means_anybody(void **state)
{
    (void)state;
    says(RUNNER MACHINE "    run_only_when_triggered_by:\n    workflow: ~\n",
         "E 7:32 run_only_when_triggered_by must be a string, found nothing\n"
         "E 8:15 workflow must be a string, found nothing\n");
}

static void test_cirun_yml__what_a_machine_needs_is_required(void **state)
{
    (void)state;
    says(RUNNER, "E 2:5 instance_type is missing; name one, or the gpu that is needed\n"
                 "E 2:5 machine_image is missing\n");
}

static void test_cirun_yml__old_and_incomplete_forms_are_warnings(void **state)
{
    (void)state;
    says("runners:\n  - cloud: aws\n    count: 1\n" MACHINE,
         "W 2:5 name is missing: nothing can refer to this runner\n"
         "W 2:5 no labels: no job's runs-on can name this runner\n"
         "W 3:12 count is ignored: every job gets a machine of its own\n");
}

static void test_cirun_yml__of_runners_with_one_name_the_first_wins(void **state)
{
    const char *text = RUNNER MACHINE "  - name: r\n    cloud: gcp\n    labels: [other]\n" MACHINE;
    AUTO_CIRUN struct cirun_yml *c = parse(text);

    (void)state;
    assert_int_equal(c->n_runners, 1);
    assert_string_equal(c->runners[0].cloud, "aws");
    says(text, "W 7:5 the name \"r\" is taken by the runner on line 2; this one is ignored: rename it\n");
}

static void test_cirun_yml__all_mistakes_are_found_at_once_in_file_order(void **state)
{
    (void)state;
    says("extra: 1\nrunners:\n  - name: a\n    cloud: nowhere\n    labels: x\n" MACHINE "  - nothing\n"
         "  - name: b\n    cloud: aws\n    labels: [l]\n    regin: r\n" MACHINE,
         "W 1:1 unknown key \"extra\" in the file is ignored\n"
         "E 4:12 unknown cloud \"nowhere\"; it is one of aws, gcp, azure, digitalocean, do, openstack, oracle, "
         "vast_ai "
         "and on_prem\n"
         "E 5:13 labels must be a list of strings, found a string; did you mean \"- ...\" or [...]?\n"
         "E 8:5 a runner must be a mapping of keys (\"- name: ...\"), found a string\n"
         "W 12:5 unknown key \"regin\" in a runner is ignored; did you mean \"region\"?\n");
}

static void test_cirun_yml__what_is_no_yaml_is_one_error_at_its_place(void **state)
{
    const char *text = "runners:\n  - name: a\n    cloud: x: y\n";
    AUTO_CIRUN struct cirun_yml *c = parse(text);
    struct err e;

    (void)state;
    assert_null(c->doc);
    says(text, "E 3:13 mapping values are not allowed in this context; text that holds \": \" needs quotes\n");
    assert_int_equal(cirun_yml_error(c, "repo/.cirun.yml", &e), -1);
    assert_int_equal(e.kind, ERR_INVALID);
    assert_string_equal(e.msg, "repo/.cirun.yml:3:13: mapping values are not allowed in this context; text that holds "
                               "\": \" needs quotes");
}

static void test_cirun_yml__the_error_to_show_is_the_first_error_not_a_warning(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = parse("x: 1\n" RUNNER "    count: 1\n    machine_image: i\n");
    struct err e;

    (void)state;
    assert_int_equal(cirun_yml_error(c, "f", &e), -1);
    assert_string_equal(e.msg, "f:3:5: instance_type is missing; name one, or the gpu that is needed");
}

static void test_cirun_yml__a_hostile_file_cannot_fill_the_memory_with_diagnostics(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX);
    AUTO_CIRUN struct cirun_yml *c = NULL;

    (void)state;
    buf_adds(&b, "runners:\n");
    for (int i = 0; i < 4000; i++)
        buf_adds(&b, "- x\n");
    for (int i = 0; i < 1000; i++)
        buf_addf(&b, "k%d: v\n", i);
    c = parse(b.p);
    assert_int_equal(c->n_errors, 4000);
    assert_int_equal(c->n_diags, 400);
    assert_int_equal(c->n_runners, 0);
}

static void test_cirun_yml__mutated_files_never_break_the_reader(void **state)
{
    static const char seed_text[] =
        "setup_info: [{group: a, detail: b}]\n" RUNNER "    instance_type: [a, b]\n    machine_image: [i, j]\n"
        "    preemptible: [true, no]\n    count: 1\n    extra_config: {a: [1]}\n"
        "  - &x\n    name: y\n    <<: {cloud: gcp, instance_type: t, machine_image: i}\n  - *x\n";
    static const char spice[] = "&*[]{}:,-?|>%@`'\"#!<~ \n\t\\\xC3\xFFz";
    uint64_t seed = 7;
    size_t sound = 0;

    (void)state;
    for (int round = 0; round < 10000; round++) {
        AUTO_FREE char *text = mem_strndup(seed_text, sizeof(seed_text) - 1);
        AUTO_CIRUN struct cirun_yml *c = NULL;
        struct err e;

        for (int k = 0; k < 2; k++)
            text[unit_random(&seed) % (sizeof(seed_text) - 1)] = spice[unit_random(&seed) % (sizeof(spice) - 1)];
        c = cirun_yml_parse(text, sizeof(seed_text) - 1, "f");
        if (c->n_errors > 0)
            assert_int_equal(cirun_yml_error(c, "f", &e), -1);
        sound += c->n_errors == 0;
    }
    assert_in_range(sound, 1, 9999); /* the mutations must make good and bad files */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_yml__a_runner_is_read_with_all_its_keys),
        cmocka_unit_test(test_cirun_yml__what_is_left_out_has_its_default),
        cmocka_unit_test(test_cirun_yml__a_gpu_may_stand_for_the_instance_type),
        cmocka_unit_test(test_cirun_yml__every_documented_cloud_is_known),
        cmocka_unit_test(test_cirun_yml__lists_of_equal_length_are_read_index_by_index),
        cmocka_unit_test(test_cirun_yml__scalars_and_lists_of_one_are_repeated),
        cmocka_unit_test(test_cirun_yml__lists_of_unequal_length_give_the_product_slowest_first),
        cmocka_unit_test(test_cirun_yml__no_more_than_64_candidates_are_tried),
        cmocka_unit_test(test_cirun_yml__a_cloud_without_spot_capacity_ignores_preemptible_with_a_warning),
        cmocka_unit_test(test_cirun_yml__an_azure_image_may_be_a_mapping),
        cmocka_unit_test(test_cirun_yml__a_file_without_a_list_of_runners_names_the_mistake),
        cmocka_unit_test(test_cirun_yml__a_runner_outside_of_the_list_is_recognised),
        cmocka_unit_test(test_cirun_yml__an_unknown_key_is_a_warning_with_the_nearest_known_one),
        cmocka_unit_test(test_cirun_yml__a_known_key_of_the_wrong_type_is_an_error),
        cmocka_unit_test(test_cirun_yml__a_restriction_without_a_value_is_an_error_and_never_means_anybody),
        cmocka_unit_test(test_cirun_yml__what_a_machine_needs_is_required),
        cmocka_unit_test(test_cirun_yml__old_and_incomplete_forms_are_warnings),
        cmocka_unit_test(test_cirun_yml__of_runners_with_one_name_the_first_wins),
        cmocka_unit_test(test_cirun_yml__all_mistakes_are_found_at_once_in_file_order),
        cmocka_unit_test(test_cirun_yml__what_is_no_yaml_is_one_error_at_its_place),
        cmocka_unit_test(test_cirun_yml__the_error_to_show_is_the_first_error_not_a_warning),
        cmocka_unit_test(test_cirun_yml__a_hostile_file_cannot_fill_the_memory_with_diagnostics),
        cmocka_unit_test(test_cirun_yml__mutated_files_never_break_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
