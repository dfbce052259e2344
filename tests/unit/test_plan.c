#include "providers/common/gpu_catalog.h"
#include "server/base/json.h"
#include "server/config/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct plan_release releases[2] = {{"x64", "https://example.com/x64.tar.gz", "00"},
                                                {"arm64", "https://example.com/arm64.tar.gz", "11"}};

static char *build(const char *text, size_t max)
{
    struct cirun_yml *file = cirun_yml_parse(text, strlen(text), ".cirun.yml");
    const struct cirun_runner *runners[8];
    char *out = NULL;
    size_t n = 0;
    struct err e;

    for (; n < file->n_runners && n < max; n++)
        runners[n] = &file->runners[n];
    assert_int_equal(plan_build(releases, runners, n, &out, &e), 0);
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
        cmocka_unit_test(test_plan__every_type_of_the_gpu_catalogue_boots_its_own_architecture),
        cmocka_unit_test(test_plan__a_record_that_holds_something_else_is_our_bug_and_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
