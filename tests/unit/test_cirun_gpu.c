/* gpu, muster.gpus and muster.gpu_memory of .cirun.yml against the catalogue of instance types. */
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/config/cirun_yml.h"

static void free_file(struct cirun_yml **c)
{
    cirun_yml_free(*c);
}
#define AUTO_CIRUN AUTO(free_file)

static struct cirun_yml *parse(const char *text)
{
    return cirun_yml_parse(text, strlen(text), ".cirun.yml");
}

/* A runner of a cloud; key lines begin at line 6. */
#define ON(cloud) "runners:\n  - name: r\n    cloud: " cloud "\n    labels: [l]\n    machine_image: i\n"

/* The one runner's types in order, after exactly these diagnostics. */
static void takes(const char *text, const char *types, const char *want)
{
    AUTO_CIRUN struct cirun_yml *c = parse(text);
    AUTO_BUF struct buf got = BUF_INIT(4096), said = BUF_INIT(65536);

    buf_adds(&said, "");
    for (size_t i = 0; i < c->n_diags; i++)
        buf_addf(&said, "%s %d:%d %s\n", c->diags[i].severity == CIRUN_ERROR ? "E" : "W", c->diags[i].line,
                 c->diags[i].column, c->diags[i].message);
    assert_string_equal(said.p, want);
    buf_adds(&got, "");
    for (size_t i = 0; c->n_runners > 0 && i < c->runners[0].n_candidates; i++)
        buf_addf(&got, "%s%s", i > 0 ? ", " : "", c->runners[0].candidates[i].instance_type);
    assert_string_equal(got.p, types);
}

static void test_cirun_gpu__a_gpu_alone_takes_the_smallest_type_of_each_cloud_that_is_known(void **state)
{
    (void)state;
    takes(ON("aws") "    gpu: nvidia-tesla-t4\n", "g4dn.xlarge", "");
    takes(ON("gcp") "    gpu: T4\n", "n1-standard-4", "");
    takes(ON("gcp") "    gpu: l4\n", "g2-standard-4", "");
    takes(ON("azure") "    gpu: t4\n", "Standard_NC4as_T4_v3", "");
    takes(ON("do") "    gpu: l40s\n", "gpu-l40sx1-48gb", "");
    takes(ON("oracle") "    gpu: a10\n", "VM.GPU.A10.1", "");
    takes(ON("vast_ai") "    gpu: rtx 4090\n", "1xRTX_4090", "");
    takes(ON("vast_ai") "    gpu: t4\n    muster: {gpus: 2}\n", "2xTesla_T4", "");
}

static void test_cirun_gpu__the_least_number_and_memory_take_part_in_choosing_the_type(void **state)
{
    AUTO_CIRUN struct cirun_yml *c = parse(ON("aws") "    gpu: a100\n    muster: {gpus: 2, gpu_memory: 80 GiB}\n");

    (void)state;
    assert_int_equal(c->runners[0].gpus, 2);
    assert_int_equal(c->runners[0].gpu_memory_gb, 80);
    takes(ON("aws") "    gpu: a100\n    muster: {gpus: 2, gpu_memory: 80 GiB}\n", "p4de.24xlarge", "");
    takes(ON("aws") "    gpu: t4\n    muster: {gpus: 2}\n", "g4dn.12xlarge", "");
    takes(ON("gcp") "    gpu: a100\n    muster: {gpu_memory: 41g}\n", "a2-ultragpu-1g", "");
}

static void test_cirun_gpu__a_gpu_that_no_type_is_known_for_names_the_remedy(void **state)
{
    (void)state;
    takes(ON("do") "    gpu: t4\n", "",
          "E 6:10 no instance_type of digitalocean with a T4 is known; name the instance_type, or one of the GPUs "
          "rtx-4000-ada, rtx-6000-ada, l40s, h100, h200\n");
    takes(
        ON("aws") "    gpu: t4\n    muster: {gpus: 9, gpu_memory: 16GB}\n", "",
        "E 6:10 no instance_type of aws with a T4 is known that has 9 GPUs with 16 GB each; name the instance_type\n");
    takes(
        ON("openstack") "    gpu: t4\n", "",
        "E 6:10 instance_type is missing: what GPUs the machines of openstack have is not known; name the flavor that "
        "has the GPU\n");
    takes(ON("on_prem") "    gpu: t4\n", "",
          "E 6:10 instance_type is missing: what GPUs the machines of on_prem have is not known; name one such as "
          "8vcpu-32gb-100gb, and the GPUs in extra_config.gpu\n");
    takes(ON("vast_ai") "    gpu: quantum\n", "",
          "E 6:10 under which name Vast.ai has a QUANTUM is not known; name the instance_type, such as 1xRTX_4090\n");
    takes(
        ON("do") "    gpu: mi300x\n", "",
        "E 6:10 an MI300X is not NVIDIA's, and no other GPU can be checked before the runner starts; leave out gpu and "
        "name the instance_type\n");
}

static void test_cirun_gpu__a_type_with_another_gpu_is_a_warning_at_the_line_of_gpu(void **state)
{
    (void)state;
    takes(ON("aws") "    gpu: t4\n    instance_type: [p3.2xlarge, p3.8xlarge]\n    region: [r]\n",
          "p3.2xlarge, p3.8xlarge",
          "W 6:10 p3.2xlarge has a V100, not a T4\nW 6:10 p3.8xlarge has 4 V100 GPUs, not a T4\n");
    takes(ON("azure") "    instance_type: standard_nc6s_v3\n    gpu: a100\n", "standard_nc6s_v3",
          "W 7:10 Standard_NC6s_v3 has a V100, not an A100\n");
    takes(ON("gcp") "    gpu: nvidia-tesla-t4\n    instance_type: g2-standard-8\n", "g2-standard-8",
          "W 6:10 g2-standard-8 has an L4, not a T4\n");
    takes(ON("oracle") "    gpu: t4\n    instance_type: VM.GPU.A10.1\n", "VM.GPU.A10.1",
          "W 6:10 VM.GPU.A10.1 has an A10, not a T4\n");
    takes(ON("azure") "    gpu: a10\n    instance_type: Standard_NV6ads_A10_v5\n", "Standard_NV6ads_A10_v5",
          "W 6:10 Standard_NV6ads_A10_v5 has only 1/6 of an A10, with 4 GB\n");
    takes(ON("aws") "    gpu: a100\n    instance_type: p4de.24xlarge\n", "p4de.24xlarge", "");
    takes(ON("aws") "    gpu: nvidia\n    instance_type: p4de.24xlarge\n", "p4de.24xlarge", "");
}

static void test_cirun_gpu__a_type_that_certainly_has_no_gpu_is_a_warning_and_an_unknown_one_is_not(void **state)
{
    (void)state;
    takes(ON("aws") "    gpu: t4\n    instance_type: [t3.micro, g99.huge]\n    region: [r, s]\n", "t3.micro, g99.huge",
          "W 6:10 t3.micro has no GPU, but a T4 is asked for\n");
    takes(ON("azure") "    gpu: t4\n    instance_type: Standard_D4s_v5\n", "Standard_D4s_v5",
          "W 6:10 Standard_D4s_v5 has no GPU, but a T4 is asked for\n");
    takes(ON("gcp") "    gpu: t4\n    instance_type: e2-standard-4\n", "e2-standard-4",
          "W 6:10 e2-standard-4 has no GPU, but a T4 is asked for\n");
    takes(ON("openstack") "    gpu: t4\n    instance_type: m1.small\n", "m1.small", "");
    takes(ON("aws") "    instance_type: t3.micro\n", "t3.micro", "");
}

static void test_cirun_gpu__a_gpu_is_attached_to_an_n1_only_where_google_does(void **state)
{
    (void)state;
    takes(ON("gcp") "    gpu: t4\n    instance_type: n1-standard-8\n", "n1-standard-8", "");
    takes(ON("gcp") "    gpu: t4\n    instance_type: n1-standard-8\n    muster: {gpus: 4}\n", "n1-standard-8", "");
    takes(ON("gcp") "    gpu: l4\n    instance_type: n1-standard-8\n", "n1-standard-8",
          "W 6:10 an L4 cannot be attached to n1-standard-8; it comes with types such as g2-standard-4\n");
    takes(ON("gcp") "    gpu: t4\n    instance_type: [n1-standard-8, a2-highgpu-1g]\n    muster: {gpu_memory: 24GB}\n",
          "a2-highgpu-1g",
          "W 6:10 a2-highgpu-1g has an A100, not a T4\n"
          "W 8:26 n1-standard-8 is left out: a T4 has 16 GB and cannot be attached as a GPU with 24 GB\n");
    takes(ON("gcp") "    instance_type: [n1-standard-8, a2-highgpu-1g]\n    muster: {gpus: 1}\n", "a2-highgpu-1g",
          "W 7:20 n1-standard-8 is left out: it has a GPU only when gpu names one, and muster asks for 1 GPU\n");
}

static void test_cirun_gpu__types_known_to_be_too_small_are_left_out_with_a_warning(void **state)
{
    (void)state;
    takes(ON("aws") "    instance_type: [g4dn.xlarge, g4dn.12xlarge, t3.micro, g99.huge]\n    region: [r, s]\n"
                    "    muster: {gpus: 2}\n",
          "g4dn.12xlarge, g4dn.12xlarge, g99.huge, g99.huge",
          "W 6:20 lists of different lengths (instance_type 4, region 2): every combination is tried, 8 candidates; "
          "lists of equal length are read side by side\n"
          "W 8:20 g4dn.xlarge is left out: it has a T4 with 16 GB, and muster asks for 2 GPUs\n"
          "W 8:20 t3.micro is left out: it has no GPU, and muster asks for 2 GPUs\n");
    takes(ON("aws") "    instance_type: [g4dn.12xlarge, g6.xlarge]\n    muster: {gpu_memory: 24GB}\n", "g6.xlarge",
          "W 7:26 g4dn.12xlarge is left out: it has 4 T4 GPUs with 16 GB each, and muster asks for a GPU with 24 GB\n");
    takes(ON("azure") "    instance_type: [Standard_NV6ads_A10_v5, Standard_NV36ads_A10_v5]\n    muster: {gpus: 1}\n",
          "Standard_NV36ads_A10_v5",
          "W 7:20 Standard_NV6ads_A10_v5 is left out: it has 1/6 of an A10 with 4 GB, and muster asks for 1 GPU\n");
    takes(ON("azure") "    instance_type: Standard_NV6ads_A10_v5\n    muster: {gpu_memory: 4GB}\n",
          "Standard_NV6ads_A10_v5", "");
    takes(
        ON("aws") "    instance_type: [g4ad.xlarge, g5.xlarge]\n    muster: {gpus: 1}\n", "g5.xlarge",
        "W 7:20 g4ad.xlarge is left out: it has a RADEON-PRO-V520, and only NVIDIA's can be counted before the runner "
        "starts\n");
}

static void test_cirun_gpu__when_all_types_are_too_small_it_is_an_error(void **state)
{
    (void)state;
    takes(ON("aws") "    instance_type: [g4dn.xlarge, g5.xlarge]\n    muster: {gpus: 2, gpu_memory: 16GB}\n", "",
          "E 7:20 every instance_type is left out: none has what muster asks for, 2 GPUs with 16 GB each\n"
          "W 7:20 g4dn.xlarge is left out: it has a T4 with 16 GB, and muster asks for 2 GPUs with 16 GB each\n"
          "W 7:20 g5.xlarge is left out: it has an A10G with 24 GB, and muster asks for 2 GPUs with 16 GB each\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_gpu__a_gpu_alone_takes_the_smallest_type_of_each_cloud_that_is_known),
        cmocka_unit_test(test_cirun_gpu__the_least_number_and_memory_take_part_in_choosing_the_type),
        cmocka_unit_test(test_cirun_gpu__a_gpu_that_no_type_is_known_for_names_the_remedy),
        cmocka_unit_test(test_cirun_gpu__a_type_with_another_gpu_is_a_warning_at_the_line_of_gpu),
        cmocka_unit_test(test_cirun_gpu__a_type_that_certainly_has_no_gpu_is_a_warning_and_an_unknown_one_is_not),
        cmocka_unit_test(test_cirun_gpu__a_gpu_is_attached_to_an_n1_only_where_google_does),
        cmocka_unit_test(test_cirun_gpu__types_known_to_be_too_small_are_left_out_with_a_warning),
        cmocka_unit_test(test_cirun_gpu__when_all_types_are_too_small_it_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
