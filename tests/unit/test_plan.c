#include "providers/common/gpu_catalog.h"
#include "server/base/json.h"
#include "server/config/plan.h"

#include "tests/support/unit.h"

#include <stdio.h>

static const struct plan_release releases[3] = {{"linux", "x64", "https://example.com/x64.tar.gz", "00"},
                                                {"linux", "arm64", "https://example.com/arm64.tar.gz", "11"},
                                                {"windows", "x64", "https://example.com/x64.zip", "22"}};

static char *build(const char *text, size_t max)
{
    struct cirun_yml *file = cirun_yml_parse(text, strlen(text), ".cirun.yml");
    const struct cirun_runner *runners[8];
    char *out = NULL;
    size_t n = 0;
    struct err e;

    for (; n < file->n_runners && n < max; n++)
        runners[n] = &file->runners[n];
    assert_int_equal(plan_build(releases, ARRAY_LEN(releases), runners, n, &out, &e), 0);
    cirun_yml_free(file);
    return out;
}

static void test_plan__what_is_built_reads_back_with_every_field(void **state)
{
    AUTO_FREE char *text = build(
        "runners:\n  - {name: g, cloud: aws, region: eu-west-1, instance_type: g4dn.xlarge, machine_image: ami-1,\n"
        "     gpu: t4, preemptible: [true, false], labels: [x],\n"
        "     extra_config: {BlockDeviceMappings: [{DeviceName: /dev/sda1, VolumeSize: 75}]}}\n",
        1);
    AUTO_PLAN struct plan p = {0};
    struct err e;

    (void)state;
    assert_int_equal(plan_parse(text, &p, &e), 0);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.releases[0].arch, "x64");
    assert_string_equal(p.releases[0].url, releases[0].url);
    assert_string_equal(p.releases[1].sha256, releases[0].sha256);
    assert_string_equal(p.specs[0].cloud, "aws");
    assert_string_equal(p.specs[0].region, "eu-west-1");
    assert_string_equal(p.specs[0].instance_type, "g4dn.xlarge");
    assert_string_equal(p.specs[0].image, "ami-1");
    assert_string_equal(p.specs[0].gpu, "t4");
    assert_true(p.specs[0].spot);
    assert_false(p.specs[1].spot);
    assert_int_equal(json_integer_value(json_object_get(
                         json_array_get(json_object_get(p.specs[1].extra, "BlockDeviceMappings"), 0), "VolumeSize")),
                     75);
}

static void test_plan__the_least_gpus_are_kept_and_a_plan_without_them_asks_for_none(void **state)
{
    AUTO_FREE char *asked = build("runners:\n  - {name: g, cloud: aws, machine_image: ami-1, gpu: t4, labels: [x],\n"
                                  "     muster: {gpus: 2, gpu_memory: 16GB}}\n",
                                  1);
    AUTO_FREE char *silent =
        build("runners:\n  - {name: g, cloud: aws, instance_type: t3.micro, machine_image: ami-1, labels: [x]}\n", 1);
    AUTO_PLAN struct plan with = {0}, without = {0};
    struct err e;

    (void)state;
    assert_int_equal(plan_parse(asked, &with, &e), 0);
    assert_string_equal(with.specs[0].instance_type, "g4dn.12xlarge");
    assert_int_equal(with.specs[0].gpus, 2);
    assert_int_equal(with.specs[0].gpu_memory_gb, 16);
    assert_null(strstr(silent, "gpus"));
    assert_null(strstr(silent, "gpu_memory_gb"));
    assert_int_equal(plan_parse(silent, &without, &e), 0);
    assert_int_equal(without.specs[0].gpus, 0);
    assert_int_equal(without.specs[0].gpu_memory_gb, 0);
}

static void test_plan__the_runners_of_a_chain_follow_each_other(void **state)
{
    AUTO_FREE char *text =
        build("runners:\n"
              "  - {name: a, cloud: aws, instance_type: t3.micro, machine_image: ami-1, labels: [x]}\n"
              "  - {name: b, cloud: gcp, instance_type: n1-standard-4, machine_image: i, labels: [x]}\n",
              2);
    AUTO_PLAN struct plan p = {0};
    struct err e;

    (void)state;
    assert_int_equal(plan_parse(text, &p, &e), 0);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.specs[0].cloud, "aws");
    assert_string_equal(p.specs[1].cloud, "gcp");
    assert_null(p.specs[0].region);
    assert_null(p.specs[0].gpu);
}

static void test_plan__each_candidate_boots_the_runner_of_its_own_architecture(void **state)
{
    AUTO_FREE char *text = build(
        "runners:\n  - {name: m, cloud: aws, instance_type: [c6g.large, c5.large], machine_image: ami-1, labels: [x]}\n"
        "  - {name: o, cloud: openstack, instance_type: big, machine_image: ubuntu-ARM64, labels: [x]}\n",
        2);
    AUTO_PLAN struct plan p = {0};
    struct err e;

    (void)state;
    assert_int_equal(plan_parse(text, &p, &e), 0);
    assert_int_equal(p.n, 3);
    assert_string_equal(p.releases[0].arch, "arm64");
    assert_string_equal(p.releases[0].url, releases[1].url);
    assert_string_equal(p.releases[1].arch, "x64");
    assert_string_equal(p.releases[1].url, releases[0].url);
    assert_string_equal(p.releases[2].arch, "arm64");
}

static void test_plan__variables_keep_their_text_and_leave_the_clouds_options(void **state)
{
    AUTO_FREE char *text =
        build("runners:\n  - {name: e, cloud: aws, instance_type: t3.micro, machine_image: ami-1, labels: [x],\n"
              "     extra_config: {BlockDeviceMappings: [], env_vars: {V: 1.10, N: 0804, T: yes, B: true, E: ,\n"
              "       Q: \"it's \\\"q\\\"\"}}}\n"
              "  - {name: n, cloud: aws, instance_type: t3.micro, machine_image: ami-1, labels: [x]}\n",
              2);
    static const char *const want[][2] = {{"V", "1.10"}, {"N", "0804"}, {"T", "yes"},
                                          {"B", "true"}, {"E", ""},     {"Q", "it's \"q\""}};
    AUTO_PLAN struct plan p = {0};
    struct err e;

    (void)state;
    assert_ok(plan_parse(text, &p, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(json_string_value(json_object_get(p.env_vars[0], want[i][0])), want[i][1]);
    assert_int_equal(json_object_size(p.env_vars[0]), ARRAY_LEN(want));
    assert_null(json_object_get(p.specs[0].extra, "env_vars"));
    assert_non_null(json_object_get(p.specs[0].extra, "BlockDeviceMappings"));
    assert_null(p.env_vars[1]);
    assert_null(p.setup_info);
}

static void test_plan__what_set_up_job_shows_is_frozen_with_the_chain(void **state)
{
    AUTO_FREE char *text =
        build("setup_info:\n  - {group: Team, detail: \"a\\nb\"}\n  - {detail: 7}\n"
              "runners:\n  - {name: e, cloud: aws, instance_type: t3.micro, machine_image: ami-1, labels: [x]}\n",
              1);
    AUTO_PLAN struct plan p = {0};
    AUTO_JSON json_t *want =
        json_pack("[{s:s, s:s}, {s:s, s:s}]", "group", "Team", "detail", "a\nb", "group", "Setup", "detail", "7");
    struct err e;

    (void)state;
    assert_ok(plan_parse(text, &p, &e), e);
    assert_true(json_equal(p.setup_info, want));
}

static void test_plan__windows_is_told_by_its_image_its_options_or_the_labels_of_an_image_that_is_an_id(void **state)
{
    static const struct {
        const char *runner, *os;
    } rows[] = {
        {"cloud: azure, machine_image: 'microsoftwindowsdesktop:windows-11:win11-22h2-pro:latest', labels: [x]",
         "windows"},
        {"cloud: aws, machine_image: ami-02e3d076cbd5c28fa, labels: [cirun-aws-windows-runner]", "windows"},
        {"cloud: aws, machine_image: ami-02e3d076cbd5c28fa, labels: [self-hosted, Windows]", "windows"},
        {"cloud: aws, machine_image: ami-02e3d076cbd5c28fa, labels: [linux, cross-windows]", "linux"},
        {"cloud: aws, machine_image: ami-02e3d076cbd5c28fa, labels: [gpu]", "linux"},
        {"cloud: gcp, machine_image: ubuntu-2204, labels: [cross-windows]", "linux"},
        {"cloud: gcp, machine_image: 'mine:box', labels: [x], extra_config: {run_as: interactive}", "windows"},
        {"cloud: gcp, machine_image: 'mine:box', labels: [x], extra_config: {runner_path: 'C:\\r'}", "windows"},
        {"cloud: gcp, machine_image: 'mine:box', labels: [x], extra_config: {runner_user: me}", "linux"},
        {"cloud: azure, machine_image: /subscriptions/a/images/cirun-win22-dev, labels: [x],\n"
         "     extra_config: {licenseType: Windows_Server}",
         "windows"},
        {"cloud: azure, machine_image: /subscriptions/a/images/dev, labels: [x], extra_config: {runner_user: me}",
         "windows"},
        {"cloud: openstack, machine_image: 0b1f6471-1bf0-4dda-aec3-cb9272f09590, labels: [windows]", "windows"},
        {"cloud: on_prem, machine_image: macos-sequoia, labels: [windows]", "macos"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_PLAN struct plan p = {0};
        AUTO_FREE char *text = NULL;
        char file[512];
        struct err e;

        (void)snprintf(file, sizeof(file), "runners:\n  - {name: w, instance_type: t, %s}\n", rows[i].runner);
        text = build(file, 1);
        assert_ok(plan_parse(text, &p, &e), e);
        assert_string_equal(p.specs[0].os, rows[i].os);
        assert_string_equal(p.releases[0].os, rows[i].os);
        assert_string_equal(p.releases[0].url, strcmp(rows[i].os, "linux") == 0     ? releases[0].url
                                               : strcmp(rows[i].os, "windows") == 0 ? releases[2].url
                                                                                    : "");
    }
}

static void test_plan__every_type_of_the_gpu_catalogue_boots_its_own_architecture(void **state)
{
    size_t arm = 0;

    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct cirun_candidate c = {.instance_type = gpu_catalog[i].instance_type, .image = "i"};

        assert_string_equal(plan_arch(&(struct cirun_runner){.cloud = gpu_catalog[i].cloud}, &c), gpu_catalog[i].arch);
        arm += strcmp(gpu_catalog[i].arch, "arm64") == 0;
    }
    assert_in_range(arm, 5, 50);
}

static void test_plan__a_record_that_holds_something_else_is_our_bug_and_says_where(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "{\"arch\":\"x64\"}",
        "{\"arch\":\"x64\",\"runner_url\":\"u\",\"runner_sha256\":\"s\",\"candidates\":[]}",
        "{\"arch\":\"x64\",\"candidates\":[{\"cloud\":7,\"spot\":true}]}",
        "{\"candidates\":[{\"cloud\":\"aws\",\"spot\":true,\"arch\":\"x64\",\"runner_url\":\"u\","
        "\"runner_sha256\":\"s\",\"gpus\":-1}]}",
        "{\"candidates\":[{\"cloud\":\"aws\",\"spot\":true,\"arch\":\"x64\",\"runner_url\":\"u\","
        "\"runner_sha256\":\"s\",\"gpu_memory_gb\":\"16\"}]}",
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_PLAN struct plan p = {0};

        assert_int_equal(plan_parse(bad[i], &p, &e), -1);
        assert_int_equal(e.kind, ERR_BUG);
        assert_null(p.doc);
    }
    assert_int_equal(plan_parse(NULL, &(struct plan){0}, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__what_is_built_reads_back_with_every_field),
        cmocka_unit_test(test_plan__the_least_gpus_are_kept_and_a_plan_without_them_asks_for_none),
        cmocka_unit_test(test_plan__the_runners_of_a_chain_follow_each_other),
        cmocka_unit_test(test_plan__each_candidate_boots_the_runner_of_its_own_architecture),
        cmocka_unit_test(test_plan__variables_keep_their_text_and_leave_the_clouds_options),
        cmocka_unit_test(test_plan__what_set_up_job_shows_is_frozen_with_the_chain),
        cmocka_unit_test(test_plan__windows_is_told_by_its_image_its_options_or_the_labels_of_an_image_that_is_an_id),
        cmocka_unit_test(test_plan__every_type_of_the_gpu_catalogue_boots_its_own_architecture),
        cmocka_unit_test(test_plan__a_record_that_holds_something_else_is_our_bug_and_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
