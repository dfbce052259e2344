/* One-line labels: which machine each names, on every cloud. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/config/oneline.h"
#include "server/engine/match_oneline.h"

#include <stdio.h>

static void test_oneline__dots_come_back_where_each_cloud_has_them(void **state)
{
    static const struct {
        const char *label, *cloud, *type, *image, *gpu;
    } rows[] = {
        {"cirun-aws-t2-large-ubuntu2204--123", "aws", "t2.large", "ubuntu2204", NULL},
        {"cirun-aws-g4dn-xlarge-ubuntu2204-gpu", "aws", "g4dn.xlarge", "ubuntu2204-gpu", "t4"},
        {"cirun-aws-p5-48xlarge-ubuntu2404-gpu", "aws", "p5.48xlarge", "ubuntu2404-gpu", "h100"},
        {"cirun-aws-p6-b200-48xlarge-ubuntu2404", "aws", "p6-b200.48xlarge", "ubuntu2404", "b200"},
        {"cirun-aws-g4ad-xlarge-ubuntu2404", "aws", "g4ad.xlarge", "ubuntu2404", NULL},
        {"cirun-aws-u-6tb1-metal-debian12", "aws", "u-6tb1.metal", "debian12", NULL},
        {"cirun-aws-u7in-16tb-224xlarge-debian12", "aws", "u7in-16tb.224xlarge", "debian12", NULL},
        {"cirun-aws-m7i-metal-24xl-ubuntu2404", "aws", "m7i.metal-24xl", "ubuntu2404", NULL},
        {"cirun-aws-mac2-m2pro-metal-ubuntu2404", "aws", "mac2-m2pro.metal", "ubuntu2404", NULL},
        {"cirun-aws-t4g-nano-ubuntu2004--${{ x }}", "aws", "t4g.nano", "ubuntu2004", NULL},
        {"cirun-aws-t3.large-windows2022", "aws", "t3.large", "windows2022", NULL},
        {"Cirun-AWS-T3-Large-Ubuntu2204", "aws", "t3.large", "ubuntu2204", NULL},
        {"cirun-gcp-n1-standard-4-ubuntu2204", "gcp", "n1-standard-4", "ubuntu2204", NULL},
        {"cirun-gcp-g2-standard-4-ubuntu2204-gpu--7", "gcp", "g2-standard-4", "ubuntu2204-gpu", "l4"},
        {"cirun-gcp-a2-highgpu-1g-ubuntu2404", "gcp", "a2-highgpu-1g", "ubuntu2404", "a100"},
        {"cirun-gcp-t2a-standard-4-debian12", "gcp", "t2a-standard-4", "debian12", NULL},
        {"cirun-azure-Standard_D4s_v3-ubuntu2204", "azure", "Standard_D4s_v3", "ubuntu2204", NULL},
        {"cirun-azure-standard_nc4as_t4_v3-ubuntu2204-gpu", "azure", "Standard_NC4as_T4_v3", "ubuntu2204-gpu", "t4"},
        {"cirun-azure-Standard_M64-32ms-windows2022", "azure", "Standard_M64-32ms", "windows2022", NULL},
        {"cirun-digitalocean-s-1vcpu-1gb-ubuntu2204", "digitalocean", "s-1vcpu-1gb", "ubuntu2204", NULL},
        {"cirun-do-gpu-h100x1-80gb-ubuntu2204-gpu", "digitalocean", "gpu-h100x1-80gb", "ubuntu2204-gpu", "h100"},
        {"cirun-oracle-VM-Standard-E4-Flex-ubuntu2204", "oracle", "VM.Standard.E4.Flex", "ubuntu2204", NULL},
        {"cirun-oracle-vm-standard-a1-flex-ubuntu2404", "oracle", "VM.Standard.A1.Flex", "ubuntu2404", NULL},
        {"cirun-oracle-vm-standard-e2-1-micro-ubuntu2404", "oracle", "VM.Standard.E2.1.Micro", "ubuntu2404", NULL},
        {"cirun-oracle-vm-denseio2-8-windows2022", "oracle", "VM.DenseIO2.8", "windows2022", NULL},
        {"cirun-oracle-VM-GPU-A10-1-ubuntu2204", "oracle", "VM.GPU.A10.1", "ubuntu2204", "a10"},
        {"cirun-oracle-bm-gpu-a100-v2-8-ubuntu2204", "oracle", "BM.GPU.A100-v2.8", "ubuntu2204", "a100-80gb"},
        {"cirun-openstack-m1-small-ubuntu2204", "openstack", "m1-small", "ubuntu2204", NULL},
        {"cirun-openstack-b2-7-debian12", "openstack", "b2-7", "debian12", NULL},
        {"cirun-vast_ai-1xRTX_4090-ubuntu2204-gpu", "vast_ai", "1xRTX_4090", "ubuntu2204-gpu", "RTX 4090"},
        {"cirun-on_prem-4vcpu-8gb-50gb-ubuntu2404", "on_prem", "4vcpu-8gb-50gb", "ubuntu:24.04", NULL},
        {"cirun-on_prem-4vcpu-8gb-debian12--1", "on_prem", "4vcpu-8gb", "debian:12", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cirun_yml *yml = NULL;
        const struct cirun_runner *r;
        struct err e;
        char got[200];

        if (oneline_parse(rows[i].label, &yml, &e) != ONELINE_FOUND)
            fail_msg("%s is not understood: %s", rows[i].label, e.msg);
        assert_int_equal(yml->n_runners, 1);
        r = &yml->runners[0];
        (void)snprintf(got, sizeof(got), "%s %s %s %s", r->cloud, r->candidates[0].instance_type,
                       r->candidates[0].image, r->gpu != NULL ? r->gpu : "-");
        if (strcmp(r->cloud, rows[i].cloud) != 0 || strcmp(r->candidates[0].instance_type, rows[i].type) != 0 ||
            strcmp(r->candidates[0].image, rows[i].image) != 0 ||
            strcmp(r->gpu != NULL ? r->gpu : "", rows[i].gpu != NULL ? rows[i].gpu : "") != 0)
            fail_msg("%s: %s", rows[i].label, got);
        assert_true(r->n_candidates == 1 || strcmp(r->cloud, "openstack") == 0);
        assert_null(r->candidates[0].region);
        assert_false(r->candidates[0].spot);
        cirun_yml_free(yml);
    }
}

static void test_oneline__a_flavor_is_looked_for_as_written_first_and_then_with_dots(void **state)
{
    static const char *const want[] = {"m1-small-x", "m1.small.x", "m1.small-x", "m1-small.x"};
    struct cirun_yml *yml = NULL;
    struct err e;

    (void)state;
    assert_int_equal(oneline_parse("cirun-openstack-m1-small-x-ubuntu2404--1", &yml, &e), ONELINE_FOUND);
    assert_int_equal(yml->runners[0].n_candidates, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(yml->runners[0].candidates[i].instance_type, want[i]);
    cirun_yml_free(yml);
    assert_int_equal(oneline_parse("cirun-openstack-m1-small-ubuntu2404", &yml, &e), ONELINE_FOUND);
    assert_int_equal(yml->runners[0].n_candidates, 2);
    cirun_yml_free(yml);
}

static void test_oneline__every_alias_that_it_takes_is_one_that_its_cloud_knows(void **state)
{
    static const char *const types[][2] = {{"aws", "t3-large"},          {"gcp", "e2-standard-4"},
                                           {"azure", "Standard_D4s_v5"}, {"do", "s-1vcpu-1gb"},
                                           {"openstack", "m1-small"},    {"oracle", "VM-Standard-E4-Flex"},
                                           {"vast_ai", "1xRTX_4090"},    {"on_prem", "4vcpu-8gb"}};
    static const char *const images[] = {"ubuntu2004",  "ubuntu2204",     "ubuntu2404",    "debian12",
                                         "windows2022", "ubuntu2204-gpu", "ubuntu2404-gpu"};
    static const char *const regions[] = {"us-east-1", "us-central1-a", "eastus", "nyc3",
                                          "RegionOne", "us-phoenix-1",  NULL,     NULL};
    const struct provider_env env = {.deployment = "muster", .getenv_fn = conf_getenv_process};
    size_t taken = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        const struct provider_ops *ops = registry_find(types[i][0]);
        struct conf *account = conf_new("clouds.x", ops->account_keys);
        struct provider *p = NULL;
        struct err e;

        assert_ok(ops->open(account, &env, &p, &e), e);
        for (size_t k = 0; k < sizeof(images) / sizeof(images[0]); k++) {
            struct cirun_yml *yml = NULL;
            struct machine_spec s = {.region = regions[i]};
            char label[120];

            (void)snprintf(label, sizeof(label), "cirun-%s-%s-%s", types[i][0], types[i][1], images[k]);
            if (oneline_parse(label, &yml, &e) != ONELINE_FOUND)
                continue;
            s.cloud = yml->runners[0].cloud;
            s.instance_type = yml->runners[0].candidates[0].instance_type;
            s.image = yml->runners[0].candidates[0].image;
            if (ops->check(p, &s, &e))
                fail_msg("%s: %s", label, e.msg);
            taken++;
            cirun_yml_free(yml);
        }
        ops->close(p);
        conf_free(account);
    }
    assert_int_equal(taken, 7 + 7 + 6 + 5 + 7 + 4 + 6 + 6);
}

static void test_oneline__what_is_wrong_is_said_with_what_is_near(void **state)
{
    static const char *const rows[][2] = {
        {"cirun-awss-t3-large-ubuntu2204", "unknown cloud \"awss\" in a one-line label; did you mean \"aws\"?"},
        {"cirun-hetzner-cx22-ubuntu2204", "unknown cloud \"hetzner\""},
        {"cirun-aws-t3-large-ubuntu2205", "did you mean \"ubuntu2204\"?"},
        {"cirun-aws-t3-large-ubunto2204-gpu", "did you mean \"ubuntu2204-gpu\"?"},
        {"cirun-aws-t3-large-centos7", "unknown image \"centos7\""},
        {"cirun-aws-t3-lrge-ubuntu2204", "\"t3-lrge\" is no instance type of EC2"},
        {"cirun-aws-large-ubuntu2204", "is no instance type of EC2"},
        {"cirun-aws-ubuntu2204", "names no instance type"},
        {"cirun-oracle-E4-Flex-ubuntu2204", "is no shape of Oracle"},
        {"cirun-oracle-VM-Standard-E4-Flex-debian12", "oracle has no image debian12; it has ubuntu2004"},
        {"cirun-do-s-1vcpu-1gb-windows2022", "digitalocean has no image windows2022"},
        {"cirun-gcp-n1/../x-ubuntu2204", "characters that no instance type has"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cirun_yml *yml = NULL;
        struct err e = {.kind = ERR_NONE};
        enum oneline_verdict v = oneline_parse(rows[i][0], &yml, &e);

        if (v != ONELINE_WRONG || strstr(e.msg, rows[i][1]) == NULL)
            fail_msg("%s: verdict %d, \"%s\"", rows[i][0], (int)v, e.msg);
        assert_null(yml);
    }
}

static void test_oneline__labels_of_ones_own_are_left_alone(void **state)
{
    static const char *const labels[] = {"cirun-gpu",
                                         "cirun-gpu--aws-t3-large-ubuntu2204",
                                         "cirun-aws",
                                         "cirun-aws-runner",
                                         "ubuntu-latest",
                                         "cirun",
                                         "cirun-",
                                         "self-hosted",
                                         "cirun.gpu",
                                         "aws-t3-large-ubuntu2204",
                                         "",
                                         "cirun-gcp-my-own-pool",
                                         "cirun-ubuntu2204",
                                         "cirun-aws-my-own-pool"};

    (void)state;
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        struct cirun_yml *yml = NULL;
        struct err e;

        if (oneline_parse(labels[i], &yml, &e) != ONELINE_NONE)
            fail_msg("%s is taken for one", labels[i]);
    }
}

static enum match_verdict match(const char *labels, char reason[480])
{
    json_t *list = json_loads(labels, 0, NULL);
    const struct match_job job = {list, ".github/workflows/ci.yml", true};
    struct cirun_yml *yml = NULL;
    enum match_verdict v = match_oneline(&job, &yml, reason, 480);

    assert_true((v == MATCH_FOUND) == (yml != NULL));
    cirun_yml_free(yml);
    json_decref(list);
    return v;
}

static void test_match_oneline__system_labels_beside_it_must_be_the_machines(void **state)
{
    char reason[480];

    (void)state;
    assert_int_equal(match("[\"self-hosted\", \"Linux\", \"X64\", \"cirun-aws-t3-large-ubuntu2204--1\"]", reason),
                     MATCH_FOUND);
    assert_int_equal(match("[\"cirun-aws-t4g-small-ubuntu2204\", \"arm64\"]", reason), MATCH_FOUND);
    assert_int_equal(match("[\"cirun-aws-t3-large-ubuntu2204\", \"arm64\"]", reason), MATCH_REFUSED);
    assert_non_null(strstr(reason, "is a linux x64 machine and has no label \"arm64\""));
    assert_int_equal(match("[\"cirun-aws-t3-large-ubuntu2204\", \"my-own\"]", reason), MATCH_REFUSED);
    assert_int_equal(match("[\"cirun-aws-t3-large-ubuntu2204\", \"cirun-aws-t3-small-ubuntu2204\"]", reason),
                     MATCH_REFUSED);
    assert_int_equal(match("[\"cirun-gpu\"]", reason), MATCH_NOT_OURS);
    assert_int_equal(match("[]", reason), MATCH_NOT_OURS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oneline__dots_come_back_where_each_cloud_has_them),
        cmocka_unit_test(test_oneline__a_flavor_is_looked_for_as_written_first_and_then_with_dots),
        cmocka_unit_test(test_oneline__every_alias_that_it_takes_is_one_that_its_cloud_knows),
        cmocka_unit_test(test_oneline__what_is_wrong_is_said_with_what_is_near),
        cmocka_unit_test(test_oneline__labels_of_ones_own_are_left_alone),
        cmocka_unit_test(test_match_oneline__system_labels_beside_it_must_be_the_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
