/* The table of GPU instance types as a whole, and the questions that are asked of it. */
#include "tests/support/unit.h"

#include "providers/common/gpu_catalog.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>

static const char *const clouds[] = {"aws", "gcp", "azure", "digitalocean", "oracle"};

static const char *normal(const char *text, char out[GPU_MODEL_MAX])
{
    (void)gpu_model_normal(text, out);
    return out;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

static void test_gpu_model__one_name_for_what_people_clouds_and_drivers_write(void **state)
{
    static const char *const pairs[][2] = {
        {"t4", "t4"},
        {"nvidia-tesla-t4", "t4"},
        {"Tesla T4", "t4"},
        {"tesla_t4", "t4"},
        {"  NVIDIA T4  ", "t4"},
        {"T4G", "t4g"},
        {"nvidia-l4", "l4"},
        {"NVIDIA L40S", "l40s"},
        {"L4-24GB", "l4"},
        {"A10G", "a10g"},
        {"NVIDIA-A100", "a100"},
        {"nvidia-tesla-a100", "a100"},
        {"A100-40GB", "a100"},
        {"NVIDIA A100-SXM4-40GB", "a100"},
        {"NVIDIA A100-SXM4-80GB", "a100-80gb"},
        {"A100 PCIE 80 GB", "a100-80gb"},
        {"nvidia-a100-80gb", "a100-80gb"},
        {"A100_SXM4", "a100"},
        {"Tesla V100-SXM2-16GB", "v100"},
        {"Tesla V100-SXM2-32GB", "v100-32gb"},
        {"nvidia-h100-80gb", "h100"},
        {"nvidia-h100-mega-80gb", "h100"},
        {"NVIDIA H100 80GB HBM3", "h100"},
        {"H100 NVL", "h100-94gb"},
        {"h100-94gb", "h100-94gb"},
        {"nvidia-h200-141gb", "h200"},
        {"H200 NVL", "h200"},
        {"NVIDIA B200", "b200"},
        {"NVIDIA GeForce RTX 4090", "rtx-4090"},
        {"RTX_4090", "rtx-4090"},
        {"rtx4090", "rtx-4090"},
        {"RTX 3090Ti", "rtx-3090-ti"},
        {"RTX 3090 Ti", "rtx-3090-ti"},
        {"RTX 4080 S", "rtx-4080-s"},
        {"RTX A6000", "rtx-a6000"},
        {"A6000", "rtx-a6000"},
        {"RTX 6000Ada", "rtx-6000-ada"},
        {"NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"},
        {"nvidia_rtx4000_ada", "rtx-4000-ada"},
        {"nvidia-rtx-pro-6000", "rtx-pro-6000"},
        {"RTXPRO6000", "rtx-pro-6000"},
        {"RTX PRO 6000 WS", "rtx-pro-6000"},
        {"NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"},
        {"AMD Instinct MI300X", "mi300x"},
        {"something new", "something-new"},
    };
    char out[GPU_MODEL_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        assert_true(gpu_model_normal(pairs[i][0], out));
        assert_string_equal(out, pairs[i][1]);
    }
}

static void test_gpu_model__what_names_nothing_has_no_name(void **state)
{
    static const char *const nothing[] = {"", " ", "--", "NVIDIA", "Tesla GPU", "80GB", "nvidia 40 GB"};
    char out[GPU_MODEL_MAX], text[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        out[0] = 'x';
        assert_false(gpu_model_normal(nothing[i], out));
        assert_string_equal(out, "");
    }
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(gpu_model_normal(text, out));
    assert_string_equal(out, "");
    for (size_t i = 5; i < sizeof(text) - 1; i += 6)
        text[i] = ' ';
    assert_false(gpu_model_normal(text, out));
}

static void test_gpu_model__a_generic_name_is_its_own_generic_name(void **state)
{
    static const char *const words[] = {"nvidia", "tesla", "t4",    "a100", "80gb",    "80", "gb", "GB ",
                                        "sxm4",   "rtx",   "pro",   "6000", "ada",     "ti", "s",  "ws",
                                        "nvl",    "h100",  "a6000", "h200", " ",       "-",  "_",  "0gb",
                                        "40g",    "x",     "L4",    "(",    "\xC3\xA9"};
    uint64_t seed = 11;
    size_t named = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char text[100] = "", once[GPU_MODEL_MAX], twice[GPU_MODEL_MAX];
        size_t len = 0;

        for (uint64_t n = unit_random(&seed) % 7; n > 0; n--) {
            const char *word = words[unit_random(&seed) % ARRAY_LEN(words)];

            len +=
                (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", word, unit_random(&seed) % 2 == 0 ? " " : "");
        }
        if (!gpu_model_normal(text, once))
            continue;
        named++;
        if (!gpu_model_normal(once, twice) || strcmp(once, twice) != 0)
            fail_msg("\"%s\" -> \"%s\" -> \"%s\"", text, once, twice);
    }
    assert_in_range(named, 10000, 20000);
}

static void test_gpu_model__more_memory_of_the_same_model_fits_and_nothing_else(void **state)
{
    (void)state;
    assert_true(gpu_model_fits("t4", "Tesla T4"));
    assert_true(gpu_model_fits("a100", "a100-80gb"));
    assert_true(gpu_model_fits("A100-40GB", "a100-80gb"));
    assert_true(gpu_model_fits("h100", "h100-94gb"));
    assert_true(gpu_model_fits("v100", "v100-32gb"));
    assert_false(gpu_model_fits("a100-80gb", "a100"));
    assert_false(gpu_model_fits("v100-32gb", "v100"));
    assert_false(gpu_model_fits("a10", "a10g"));
    assert_false(gpu_model_fits("a10", "a100"));
    assert_false(gpu_model_fits("l40", "l40s"));
    assert_false(gpu_model_fits("t4", "t4g"));
    assert_false(gpu_model_fits("b200", "gb200"));
    assert_false(gpu_model_fits("rtx-3090", "rtx-3090-ti"));
    assert_false(gpu_model_fits("a100-80gb", "a100-40gb"));
    assert_false(gpu_model_fits("", ""));
    assert_false(gpu_model_fits("nvidia", "t4"));
}

static void test_gpu_model__what_nvidia_smi_never_lists_is_known(void **state)
{
    (void)state;
    assert_true(gpu_model_is_foreign("AMD Instinct MI300X"));
    assert_true(gpu_model_is_foreign("radeon-pro-v520"));
    assert_false(gpu_model_is_foreign("t4"));
    assert_false(gpu_model_is_foreign("something new"));
}

static void test_gpu_model__a_person_reads_it_with_its_article(void **state)
{
    static const char *const pairs[][2] = {{"v100", "a V100"},
                                           {"nvidia-tesla-t4", "a T4"},
                                           {"a100-80gb", "an A100-80GB"},
                                           {"l4", "an L4"},
                                           {"h100", "an H100"},
                                           {"rtx-4090", "an RTX-4090"},
                                           {"b200", "a B200"},
                                           {"radeon-pro-v520", "a RADEON-PRO-V520"},
                                           {"--", "a \"--\""}};
    char out[60];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        gpu_model_with_article(pairs[i][0], out, sizeof(out));
        assert_string_equal(out, pairs[i][1]);
    }
}

static void test_gpu_model__compute_engine_has_its_own_names(void **state)
{
    (void)state;
    assert_string_equal(gpu_model_gcp("t4"), "nvidia-tesla-t4");
    assert_string_equal(gpu_model_gcp("nvidia-l4"), "nvidia-l4");
    assert_string_equal(gpu_model_gcp("A100"), "nvidia-tesla-a100");
    assert_string_equal(gpu_model_gcp("a100-80gb"), "nvidia-a100-80gb");
    assert_null(gpu_model_gcp("a10g"));
    assert_null(gpu_model_gcp("unheard-of"));
}

static void test_gpu_model__every_gcp_row_has_a_name_there_that_means_the_same(void **state)
{
    char name[GPU_MODEL_MAX];

    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const char *gcp;

        if (strcmp(gpu_catalog[i].cloud, "gcp") != 0)
            continue;
        gcp = gpu_model_gcp(gpu_catalog[i].gpu);
        assert_non_null(gcp);
        assert_string_equal(normal(gcp, name), gpu_catalog[i].gpu);
    }
}

static void test_gpu_model__offers_of_vast_ai_translate_there_and_back(void **state)
{
    char name[GPU_MODEL_MAX];

    (void)state;
    assert_string_equal(gpu_model_vast("rtx-4090", 0), "RTX 4090");
    assert_null(gpu_model_vast("rtx-4090", 1));
    assert_string_equal(gpu_model_vast("t4", 0), "Tesla T4");
    assert_string_equal(gpu_model_vast("a100", 1), "A100 SXM4");
    assert_null(gpu_model_vast("a100", 3));
    assert_null(gpu_model_vast("unheard-of", 0));
    for (size_t i = 0; gpu_model_vast("h100", i) != NULL; i++)
        assert_true(gpu_model_fits("h100", gpu_model_vast("h100", i)));
    assert_string_equal(normal("RTX 4090", name), "rtx-4090");
}

static void test_gpu_vast_type__count_and_model_are_taken_apart(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "1x",
                                      "0xRTX_4090",
                                      "01xA10",
                                      "RTX_4090",
                                      "1000xA10",
                                      "1 xA10",
                                      "-1xA10",
                                      "1x_",
                                      "1xAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    char name[GPU_MODEL_MAX] = "before";
    struct err e;
    int count = 7;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(gpu_vast_type(bad[i], &count, name, &e), -1);
        assert_int_equal(e.kind, ERR_INVALID);
        assert_non_null(strstr(e.msg, "1xRTX_4090"));
        assert_int_equal(count, 7);
        assert_string_equal(name, "before");
    }
    assert_int_equal(gpu_vast_type("1xRTX_4090", &count, name, &e), 0);
    assert_int_equal(count, 1);
    assert_string_equal(name, "RTX 4090");
    assert_int_equal(gpu_vast_type("16xH100_SXM", &count, name, &e), 0);
    assert_int_equal(count, 16);
    assert_string_equal(name, "H100 SXM");
}

/* --- the table --------------------------------------------------------------------------------------------------- */

/* How each cloud writes its types. */
static bool is_written_well(const struct gpu_type *t)
{
    static const char *const forms[][2] = {
        {"aws", "*.*"},          {"gcp", "*-*-*"},       {"azure", "Standard_N*_v?"}, {"digitalocean", "gpu-*x?-*gb"},
        {"oracle", "VM.GPU*.?"}, {"oracle", "BM.GPU*.?"}};
    bool lower = strcmp(t->cloud, "azure") != 0 && strcmp(t->cloud, "oracle") != 0;

    for (const char *c = t->instance_type; *c != '\0'; c++) {
        if (lower && text_lower(*c) != *c)
            return false;
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *c) == NULL)
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (strcmp(forms[i][0], t->cloud) == 0 && text_glob(forms[i][1], t->instance_type))
            return true;
    }
    return false;
}

static void test_gpu_catalog__every_row_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i];
        char name[GPU_MODEL_MAX];

        if (!is_written_well(t))
            fail_msg("%s does not write %s", t->cloud, t->instance_type);
        assert_string_equal(normal(t->gpu, name), t->gpu);
        assert_in_range(t->gpus, 1, 16);
        assert_in_range(t->slice, 1, 8);
        assert_true(t->slice == 1 || t->gpus == 1);
        assert_in_range(t->gpu_memory_gb, 2, 300);
        assert_in_range(t->vcpus, 2, 400);
        assert_in_range(t->memory_gb, 8, 4096);
        assert_true(strcmp(t->arch, "x64") == 0 || strcmp(t->arch, "arm64") == 0);
        assert_false(gpu_catalog_has_none(t->cloud, t->instance_type));
        assert_true(t->attached == gpu_catalog_takes_attached(t->cloud, t->instance_type));
    }
}

static void test_gpu_catalog__no_type_is_there_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct gpu_type *x = &gpu_catalog[i], *y = &gpu_catalog[k];

            if (strcmp(x->cloud, y->cloud) == 0 && text_ieq(x->instance_type, y->instance_type) &&
                !(x->attached && y->attached && (strcmp(x->gpu, y->gpu) != 0 || x->gpus != y->gpus)))
                fail_msg("%s %s is there twice", x->cloud, x->instance_type);
        }
    }
}

static void test_gpu_catalog__one_model_has_one_memory_on_a_whole_gpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct gpu_type *x = &gpu_catalog[i], *y = &gpu_catalog[k];

            if (strcmp(x->gpu, y->gpu) == 0 && x->gpu_memory_gb * x->slice != y->gpu_memory_gb * y->slice)
                fail_msg("%s and %s do not agree on the memory of %s", x->instance_type, y->instance_type, x->gpu);
        }
    }
}

static void test_gpu_catalog__every_type_is_found_by_its_name_in_any_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i];
        AUTO_FREE char *shouted = mem_strdup(t->instance_type);

        for (char *c = shouted; *c != '\0'; c++)
            *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
        assert_ptr_equal(gpu_catalog_find(t->cloud, t->instance_type), t->attached ? NULL : t);
        assert_ptr_equal(gpu_catalog_find(t->cloud, shouted), t->attached ? NULL : t);
    }
    assert_null(gpu_catalog_find("aws", "m5.large"));
    assert_null(gpu_catalog_find("aws", "a2-highgpu-1g"));
    assert_null(gpu_catalog_find("openstack", "g4dn.xlarge"));
    assert_null(gpu_catalog_find("gcp", ""));
}

static void test_gpu_catalog__the_smallest_of_each_model_on_each_cloud_fits_and_nothing_smaller_does(void **state)
{
    size_t found = 0;

    (void)state;
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i], *s;

        if (t->age == GPU_RETIRED || t->slice > 1)
            continue;
        s = gpu_catalog_smallest(t->cloud, t->gpu, t->gpus, t->gpu_memory_gb);
        assert_non_null(s);
        assert_string_equal(s->cloud, t->cloud);
        assert_true(gpu_model_fits(t->gpu, s->gpu));
        assert_true(s->gpus >= t->gpus && s->gpu_memory_gb >= t->gpu_memory_gb && s->slice == 1);
        assert_true(s->age <= t->age);
        if (s->age == t->age)
            assert_true(s->gpus <= t->gpus);
        found++;
    }
    assert_in_range(found, 100, gpu_catalog_n);
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++)
        assert_true(gpu_catalog_has_cloud(clouds[i]));
    assert_false(gpu_catalog_has_cloud("openstack"));
    assert_false(gpu_catalog_has_cloud("vast_ai"));
}

/* The smallest type is this one; "-" for none. */
static void takes(const char *cloud, const char *gpu, int gpus, int gb, const char *want)
{
    const struct gpu_type *t = gpu_catalog_smallest(cloud, gpu, gpus, gb);

    assert_string_equal(t != NULL ? t->instance_type : "-", want);
}

static void test_gpu_catalog__the_smallest_type_is_the_one_a_person_would_take(void **state)
{
    (void)state;
    takes("aws", "t4", 0, 0, "g4dn.xlarge");
    takes("aws", "nvidia-tesla-t4", 2, 0, "g4dn.12xlarge");
    takes("aws", "t4", 5, 0, "g4dn.metal");
    takes("aws", "t4", 9, 0, "-");
    takes("aws", "t4", 1, 24, "-");
    takes("aws", "t4g", 0, 0, "g5g.xlarge");
    takes("aws", "a10g", 0, 24, "g5.xlarge");
    takes("aws", "l4", 0, 0, "g6.xlarge");
    takes("aws", "h100", 0, 0, "p5.4xlarge");
    takes("aws", "a100", 0, 0, "p4d.24xlarge");
    takes("aws", "a100", 0, 80, "p4de.24xlarge");
    takes("aws", "a100-80gb", 0, 0, "p4de.24xlarge");
    takes("aws", "v100", 0, 0, "p3.2xlarge");
    takes("aws", "v100", 0, 32, "p3dn.24xlarge");
    takes("gcp", "t4", 0, 0, "n1-standard-4");
    takes("gcp", "l4", 0, 0, "g2-standard-4");
    takes("gcp", "l4", 2, 0, "g2-standard-24");
    takes("gcp", "a100", 0, 0, "a2-highgpu-1g");
    takes("gcp", "a100", 9, 0, "a2-megagpu-16g");
    takes("gcp", "a100-80gb", 0, 0, "a2-ultragpu-1g");
    takes("gcp", "h100", 0, 0, "a3-highgpu-1g");
    takes("gcp", "rtx-pro-6000", 0, 0, "g4-standard-48");
    takes("azure", "t4", 0, 0, "Standard_NC4as_T4_v3");
    takes("azure", "a10", 0, 0, "Standard_NV36ads_A10_v5");
    takes("azure", "a100", 0, 0, "Standard_NC24ads_A100_v4");
    takes("azure", "h100", 0, 0, "Standard_NC40ads_H100_v5");
    takes("azure", "m60", 0, 0, "-");
    takes("azure", "v100", 0, 0, "Standard_ND40rs_v2");
    takes("digitalocean", "h100", 0, 0, "gpu-h100x1-80gb");
    takes("digitalocean", "h100", 2, 0, "gpu-h100x8-640gb");
    takes("digitalocean", "t4", 0, 0, "-");
    takes("oracle", "a10", 0, 0, "VM.GPU.A10.1");
    takes("oracle", "v100", 3, 0, "VM.GPU3.4");
    takes("openstack", "t4", 0, 0, "-");
    takes("aws", "", 0, 0, "-");
}

static void test_gpu_catalog__what_is_attached_to_an_n1_says_how_many(void **state)
{
    const struct gpu_type *t = gpu_catalog_smallest("gcp", "t4", 3, 0);

    (void)state;
    assert_true(t->attached);
    assert_int_equal(t->gpus, 4);
    assert_int_equal(gpu_catalog_attached("gcp", "nvidia-tesla-v100", 5, 16)->gpus, 8);
    assert_null(gpu_catalog_attached("gcp", "v100", 9, 0));
    assert_null(gpu_catalog_attached("gcp", "l4", 1, 0));
    assert_null(gpu_catalog_attached("aws", "t4", 1, 0));
    assert_true(gpu_catalog_takes_attached("gcp", "n1-highmem-8"));
    assert_true(gpu_catalog_takes_attached("gcp", "custom-4-16384"));
    assert_false(gpu_catalog_takes_attached("gcp", "n2-standard-4"));
    assert_false(gpu_catalog_takes_attached("aws", "n1-standard-4"));
}

static void test_gpu_catalog__families_that_have_no_gpu_are_known_and_others_are_not_guessed(void **state)
{
    static const char *const none[][2] = {
        {"aws", "t3.micro"},
        {"aws", "m5.large"},
        {"aws", "c6g.large"},
        {"aws", "inf2.xlarge"},
        {"azure", "Standard_D4s_v5"},
        {"azure", "standard_b2s"},
        {"gcp", "e2-standard-4"},
        {"gcp", "c3d-standard-8"},
        {"gcp", "n2d-standard-2"},
        {"digitalocean", "s-1vcpu-1gb"},
        {"oracle", "VM.Standard.E4.Flex"},
    };
    static const char *const unsure[][2] = {
        {"aws", "g9.xlarge"},
        {"aws", "p9.48xlarge"},
        {"aws", "dl1.24xlarge"},
        {"aws", "t"},
        {"aws", ""},
        {"gcp", "n1-standard-4"},
        {"gcp", "a5-highgpu-1g"},
        {"azure", "Standard_NC4"},
        {"digitalocean", "gpu-x"},
        {"oracle", "VM.GPU9.1"},
        {"openstack", "m1.small"},
        {"on_prem", "t3.micro"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_true(gpu_catalog_has_none(none[i][0], none[i][1]));
    for (size_t i = 0; i < ARRAY_LEN(unsure); i++)
        assert_false(gpu_catalog_has_none(unsure[i][0], unsure[i][1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpu_model__one_name_for_what_people_clouds_and_drivers_write),
        cmocka_unit_test(test_gpu_model__what_names_nothing_has_no_name),
        cmocka_unit_test(test_gpu_model__a_generic_name_is_its_own_generic_name),
        cmocka_unit_test(test_gpu_model__more_memory_of_the_same_model_fits_and_nothing_else),
        cmocka_unit_test(test_gpu_model__what_nvidia_smi_never_lists_is_known),
        cmocka_unit_test(test_gpu_model__a_person_reads_it_with_its_article),
        cmocka_unit_test(test_gpu_model__compute_engine_has_its_own_names),
        cmocka_unit_test(test_gpu_model__every_gcp_row_has_a_name_there_that_means_the_same),
        cmocka_unit_test(test_gpu_model__offers_of_vast_ai_translate_there_and_back),
        cmocka_unit_test(test_gpu_vast_type__count_and_model_are_taken_apart),
        cmocka_unit_test(test_gpu_catalog__every_row_is_sound),
        cmocka_unit_test(test_gpu_catalog__no_type_is_there_twice),
        cmocka_unit_test(test_gpu_catalog__one_model_has_one_memory_on_a_whole_gpu),
        cmocka_unit_test(test_gpu_catalog__every_type_is_found_by_its_name_in_any_case),
        cmocka_unit_test(test_gpu_catalog__the_smallest_of_each_model_on_each_cloud_fits_and_nothing_smaller_does),
        cmocka_unit_test(test_gpu_catalog__the_smallest_type_is_the_one_a_person_would_take),
        cmocka_unit_test(test_gpu_catalog__what_is_attached_to_an_n1_says_how_many),
        cmocka_unit_test(test_gpu_catalog__families_that_have_no_gpu_are_known_and_others_are_not_guessed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
