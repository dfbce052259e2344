/* What a warm runner is made of, and whom it fits. */
#include "server/engine/idle.h"

#include "tests/support/unit.h"

#include "server/base/mem.h"

static void test_idle_make__labels_fit_as_github_compares_them(void **state)
{
    static const char runner[] = "[\"cirun-GPU\",\"self-hosted\",\"linux\",\"x64\"]";

    (void)state;
    assert_true(idle_labels_fit(runner, "[\"cirun-gpu\"]"));
    assert_true(idle_labels_fit(runner, "[\"Self-Hosted\",\"LINUX\",\"cirun-gpu\"]"));
    assert_false(idle_labels_fit(runner, "[\"cirun-gpu--1\"]")); /* a suffix is part of the label there */
    assert_false(idle_labels_fit(runner, "[\"cirun-gpu\",\"arm64\"]"));
    assert_false(idle_labels_fit(runner, "[]"));
    assert_false(idle_labels_fit(runner, "[null]"));
    assert_false(idle_labels_fit(runner, "{"));
}

static void spec(const char *plan, char out[65], const char *runner)
{
    AUTO_FREE char *name = NULL;
    struct err e;

    assert_ok(idle_plan_spec(plan, out, &name, &e), e);
    assert_string_equal(name, runner);
}

#define C(runner, type, release)                                                                                       \
    "{\"runner\":\"" runner "\",\"instance_type\":\"" type "\",\"runner_url\":\"" release                              \
    "\",\"runner_sha256\":\"" release "\"}"

static void test_idle_make__a_spec_is_the_first_runner_s_machines_whatever_the_release(void **state)
{
    char alone[65], newer[65], with_others[65], other[65], longer[65];

    (void)state;
    spec("{\"candidates\":[" C("a", "big", "1") "]}", alone, "a");
    spec("{\"candidates\":[" C("a", "big", "2") "]}", newer, "a");
    spec("{\"candidates\":[" C("a", "big", "2") "," C("b", "big", "2") "]}", with_others, "a");
    spec("{\"candidates\":[" C("a", "small", "1") "]}", other, "a");
    spec("{\"candidates\":[" C("a", "big", "1") "," C("a", "small", "1") "]}", longer, "a");
    assert_string_equal(alone, newer);
    assert_string_equal(alone, with_others);
    assert_string_not_equal(alone, other);
    assert_string_not_equal(alone, longer);
}

static void test_idle_make__what_is_no_plan_has_no_spec(void **state)
{
    static const char *const bad[] = {"", "{}", "{\"candidates\":[]}", "{\"candidates\":[{}]}", "{\"candidates\":7}"};
    char out[65];
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *name = NULL;

        assert_int_equal(idle_plan_spec(bad[i], out, &name, &e), -1);
        assert_null(name);
    }
}

static void test_idle_make__pools_are_named_by_source_and_runner_and_no_job_s_key_is_one(void **state)
{
    char id[IDLE_POOL_MAX], key[IDLE_POOL_MAX + 16], name[IDLE_POOL_MAX];

    (void)state;
    assert_true(idle_pool_id("r5", "gpu, big", id));
    assert_string_equal(id, "r5/gpu, big");
    idle_label_key(id, key);
    assert_true(key[0] == '\\' && key[1] != ',' && key[1] != '\\' && key[1] != 'x'); /* see github/label.h */
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(idle_pool_id("r5", name, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_make__labels_fit_as_github_compares_them),
        cmocka_unit_test(test_idle_make__a_spec_is_the_first_runner_s_machines_whatever_the_release),
        cmocka_unit_test(test_idle_make__what_is_no_plan_has_no_spec),
        cmocka_unit_test(test_idle_make__pools_are_named_by_source_and_runner_and_no_job_s_key_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
