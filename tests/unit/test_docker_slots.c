#include "providers/common/docker_slots.h"

#include "tests/support/unit.h"

static struct docker_size size(const char *type)
{
    struct docker_size s;
    struct err e;

    assert_ok(docker_size_parse(type, &s, &e), e);
    return s;
}

static void test_docker_slots__a_size_is_processors_memory_and_perhaps_a_disk(void **state)
{
    struct docker_size s = size("4vcpu-16gb");

    (void)state;
    assert_int_equal(s.cpus, 4);
    assert_int_equal(s.memory_gb, 16);
    assert_int_equal(s.disk_gb, 0);
    s = size("96vcpu-1024gb-2000gb");
    assert_int_equal(s.cpus, 96);
    assert_int_equal(s.memory_gb, 1024);
    assert_int_equal(s.disk_gb, 2000);
}

static void test_docker_slots__anything_else_is_no_size_and_says_how_to_write_one(void **state)
{
    static const char *const bad[] = {
        "",           "4vcpu",           "4vcpu-",         "vcpu-16gb",        "4vcpu-gb",
        "0vcpu-16gb", "4vcpu-0gb",       "4vcpu-16gb-",    "4vcpu-16gb-0gb",   "4vcpu-16gb-1gb-",
        "4cpu-16gb",  "-4vcpu-16gb",     "4vcpu-16gb-1tb", "4vcpu-16gb 4vcpu", "04vcpu-16gb",
        "4VCPU-16GB", "99999999vcpu-1gb"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct docker_size s;
        struct err e;

        assert_fails(docker_size_parse(bad[i], &s, &e), ERR_INVALID, "4vcpu-16gb", e);
    }
}

static struct docker_gpu_ask ask(json_t *gpu, const char *model, int least)
{
    struct docker_gpu_ask a;
    struct err e;

    assert_ok(docker_gpu_ask_parse(gpu, model, least, &a, &e), e);
    json_decref(gpu);
    return a;
}

static void test_docker_slots__gpus_are_asked_for_as_docker_run_takes_them(void **state)
{
    (void)state;
    assert_int_equal(ask(NULL, NULL, 0).want, DOCKER_GPU_NONE);
    assert_int_equal(ask(json_null(), NULL, 0).want, DOCKER_GPU_NONE);
    assert_int_equal(ask(json_string("all"), NULL, 0).want, DOCKER_GPU_ALL);
    assert_int_equal(ask(json_integer(-1), NULL, 0).want, DOCKER_GPU_ALL);
    assert_int_equal(ask(json_integer(3), NULL, 0).count, 3);
    assert_int_equal(ask(json_string("3"), NULL, 0).count, 3);
    assert_int_equal(ask(json_integer(0), NULL, 0).want, DOCKER_GPU_NONE);
    assert_int_equal(ask(json_string("device=0,3"), NULL, 0).these, 9);
    assert_int_equal(ask(json_string("\"device=63\""), NULL, 0).these, (uint64_t)1 << 63);
}

static void test_docker_slots__a_model_alone_is_one_gpu_and_a_number_that_many(void **state)
{
    struct docker_gpu_ask a = ask(NULL, "a100", 0);
    struct err e;
    AUTO_JSON json_t *one = json_integer(1), *two = json_string("device=1,2"), *all = json_string("all");

    (void)state;
    assert_int_equal(a.want, DOCKER_GPU_COUNT);
    assert_int_equal(a.count, 1);
    assert_int_equal(ask(NULL, NULL, 4).count, 4);
    assert_fails(docker_gpu_ask_parse(one, "a100", 2, &a, &e), ERR_INVALID, "fewer GPUs than the 2", e);
    assert_fails(docker_gpu_ask_parse(two, NULL, 3, &a, &e), ERR_INVALID, "fewer", e);
    assert_ok(docker_gpu_ask_parse(two, NULL, 2, &a, &e), e);
    assert_ok(docker_gpu_ask_parse(all, NULL, 8, &a, &e), e);
}

static void test_docker_slots__what_docker_run_would_not_take_is_refused(void **state)
{
    static const char *const bad[] = {"",          "none",        "device=", "device=a",      "device=0,",
                                      "device=64", "device=0,0x", "65",      "capabilities=", "device=GPU-fef8089b",
                                      "1.5",       "-2",          "all,all"};
    AUTO_JSON json_t *truth = json_true(), *list = json_array();
    struct docker_gpu_ask a;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        AUTO_JSON json_t *gpu = json_string(bad[i]);

        assert_fails(docker_gpu_ask_parse(gpu, NULL, 0, &a, &e), ERR_INVALID, "extra_config.gpu", e);
    }
    assert_fails(docker_gpu_ask_parse(truth, NULL, 0, &a, &e), ERR_INVALID, "true", e);
    assert_fails(docker_gpu_ask_parse(list, NULL, 0, &a, &e), ERR_INVALID, "another type", e);
}

static void test_docker_slots__a_label_that_cannot_be_read_holds_every_gpu(void **state)
{
    char text[DOCKER_GPUS_TEXT];

    (void)state;
    assert_int_equal(docker_gpus_read(NULL), 0);
    assert_int_equal(docker_gpus_read(""), 0);
    assert_int_equal(docker_gpus_read("0,3"), 9);
    assert_true(docker_gpus_read("all") == UINT64_MAX);
    assert_true(docker_gpus_read("0,") == UINT64_MAX);
    assert_true(docker_gpus_read("99") == UINT64_MAX);
    docker_gpus_write(9, text);
    assert_string_equal(text, "0,3");
    docker_gpus_write(UINT64_MAX, text);
    assert_string_equal(text, "all");
    docker_gpus_write(UINT64_MAX - 1, text);
    assert_true(docker_gpus_read(text) == UINT64_MAX - 1);
}

static void test_docker_slots__a_host_is_full_when_its_machines_hold_all_of_it(void **state)
{
    const struct docker_host h = {.cpus = 8, .memory_gb = 32, .gpus = -1, .max_machines = 3};
    const struct docker_size half = size("4vcpu-16gb"), little = size("1vcpu-1gb");
    struct docker_load l = {.machines = 0};
    struct err e = {0};

    (void)state;
    assert_ok(docker_fits(&h, &l, &half, &e), e);
    docker_load_add(&l, "4vcpu-16gb", NULL);
    assert_ok(docker_fits(&h, &l, &half, &e), e);
    docker_load_add(&l, "3vcpu-2gb", NULL);
    assert_fails(docker_fits(&h, &l, &half, &e), ERR_CAPACITY, "hold 7 of its 8 processors and 18 of its 32 GB", e);
    assert_int_equal(e.retry_after_s, 0);
    assert_ok(docker_fits(&h, &l, &little, &e), e);
    docker_load_add(&l, "who knows", NULL);
    assert_fails(docker_fits(&h, &l, &little, &e), ERR_CAPACITY, "max_machines is 3", e);
}

static void test_docker_slots__what_never_fits_is_remembered_for_hours(void **state)
{
    const struct docker_host h = {.cpus = 8, .memory_gb = 32, .gpus = 2};
    const struct docker_load none = {.machines = 0};
    const struct docker_size cpus = size("9vcpu-1gb"), memory = size("1vcpu-33gb");
    const struct docker_gpu_ask three = {.want = DOCKER_GPU_COUNT, .count = 3};
    const struct docker_gpu_ask third = {.want = DOCKER_GPU_THESE, .these = 4};
    uint64_t got;
    struct err e = {0};

    (void)state;
    assert_fails(docker_fits(&h, &none, &cpus, &e), ERR_CAPACITY, "8 processors", e);
    assert_true(e.retry_after_s >= 3600);
    assert_fails(docker_fits(&h, &none, &memory, &e), ERR_CAPACITY, "32 GB", e);
    assert_true(e.retry_after_s >= 3600);
    assert_fails(docker_gpus_choose(&h, 0, &three, &got, &e), ERR_CAPACITY, "2 GPUs", e);
    assert_true(e.retry_after_s >= 3600);
    assert_fails(docker_gpus_choose(&h, 0, &third, &got, &e), ERR_CAPACITY, "2 GPUs", e);
    assert_true(e.retry_after_s >= 3600);
}

static void test_docker_slots__a_host_bought_with_16_gb_serves_a_machine_of_16_gb(void **state)
{
    (void)state;
    assert_int_equal(docker_memory_gb((int64_t)15884 * 1024 * 1024), 16);
    assert_int_equal(docker_memory_gb((int64_t)64 * DOCKER_GIB - DOCKER_GIB), 68);
    assert_int_equal(docker_memory_gb(1), 0);
}

static void test_docker_slots__eight_gpus_serve_eight_jobs_and_no_ninth(void **state)
{
    const struct docker_host h = {.gpus = 8};
    const struct docker_gpu_ask one = {.want = DOCKER_GPU_COUNT, .count = 1};
    uint64_t in_use = 0, got;
    struct err e = {0};

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_ok(docker_gpus_choose(&h, in_use, &one, &got, &e), e);
        assert_int_equal(got & in_use, 0);
        assert_int_equal(got & (got - 1), 0); /* exactly one */
        in_use |= got;
    }
    assert_fails(docker_gpus_choose(&h, in_use, &one, &got, &e), ERR_CAPACITY, "of 8", e);
    assert_ok(docker_gpus_choose(&h, in_use & ~(uint64_t)16, &one, &got, &e), e);
    assert_int_equal(got, 16);
}

static void test_docker_slots__all_is_all_of_them_or_none(void **state)
{
    const struct docker_host known = {.gpus = 4}, unknown = {.gpus = -1}, none = {.gpus = 0};
    const struct docker_gpu_ask all = {.want = DOCKER_GPU_ALL}, one = {.want = DOCKER_GPU_COUNT, .count = 1};
    const struct docker_gpu_ask named = {.want = DOCKER_GPU_THESE, .these = 2}, nothing = {.want = DOCKER_GPU_NONE};
    uint64_t got;
    struct err e = {0};

    (void)state;
    assert_ok(docker_gpus_choose(&known, 0, &all, &got, &e), e);
    assert_int_equal(got, 15); /* of eight that the host has: the owner kept four */
    assert_fails(docker_gpus_choose(&known, got, &one, &got, &e), ERR_CAPACITY, "0,1,2,3 in use", e);
    assert_fails(docker_gpus_choose(&known, UINT64_MAX, &one, &got, &e), ERR_CAPACITY, "all in use", e);
    assert_ok(docker_gpus_choose(&known, 16, &all, &got, &e), e);
    assert_int_equal(got, 15);
    assert_fails(docker_gpus_choose(&known, 1, &all, &got, &e), ERR_CAPACITY, "0 in use", e);
    assert_ok(docker_gpus_choose(&unknown, 0, &all, &got, &e), e);
    assert_true(got == UINT64_MAX);
    assert_fails(docker_gpus_choose(&unknown, 1, &all, &got, &e), ERR_CAPACITY, "0 in use", e);
    assert_ok(docker_gpus_choose(&unknown, 1, &named, &got, &e), e);
    assert_int_equal(got, 2);
    assert_fails(docker_gpus_choose(&unknown, 2, &named, &got, &e), ERR_CAPACITY, "1 asked for", e);
    assert_fails(docker_gpus_choose(&unknown, 0, &one, &got, &e), ERR_CAPACITY, "clouds.on_prem.gpus", e);
    assert_fails(docker_gpus_choose(&none, 0, &all, &got, &e), ERR_CAPACITY, "0 GPUs", e);
    assert_ok(docker_gpus_choose(&none, 7, &nothing, &got, &e), e);
    assert_int_equal(got, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_docker_slots__a_size_is_processors_memory_and_perhaps_a_disk),
        cmocka_unit_test(test_docker_slots__anything_else_is_no_size_and_says_how_to_write_one),
        cmocka_unit_test(test_docker_slots__gpus_are_asked_for_as_docker_run_takes_them),
        cmocka_unit_test(test_docker_slots__a_model_alone_is_one_gpu_and_a_number_that_many),
        cmocka_unit_test(test_docker_slots__what_docker_run_would_not_take_is_refused),
        cmocka_unit_test(test_docker_slots__a_label_that_cannot_be_read_holds_every_gpu),
        cmocka_unit_test(test_docker_slots__a_host_is_full_when_its_machines_hold_all_of_it),
        cmocka_unit_test(test_docker_slots__what_never_fits_is_remembered_for_hours),
        cmocka_unit_test(test_docker_slots__a_host_bought_with_16_gb_serves_a_machine_of_16_gb),
        cmocka_unit_test(test_docker_slots__eight_gpus_serve_eight_jobs_and_no_ninth),
        cmocka_unit_test(test_docker_slots__all_is_all_of_them_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
