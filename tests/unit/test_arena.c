#include "tests/support/unit.h"

#include "server/base/arena.h"

#include <stdalign.h>

static void test_arena__allocations_are_zeroed_aligned_and_apart(void **state)
{
    struct arena *a = arena_new();
    uint64_t seed = 3;
    unsigned char *p[300];
    size_t size[300];

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        size[i] = unit_random(&seed) % (i % 50 == 0 ? 30000 : 200);
        p[i] = arena_alloc(a, size[i]);
        assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < size[i]; j++)
            assert_int_equal(p[i][j], 0);
        memset(p[i], (int)i, size[i]);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t j = 0; j < size[i]; j++)
            assert_int_equal(p[i][j], (unsigned char)i);
    }
    arena_free(a);
}

static void test_arena__strings_are_copied(void **state)
{
    struct arena *a = arena_new();
    char from[] = "hello";
    const char *whole = arena_strdup(a, from), *part = arena_strndup(a, from, 2), *none = arena_strndup(a, NULL, 0);

    (void)state;
    memset(from, 'x', 5);
    assert_string_equal(whole, "hello");
    assert_string_equal(part, "he");
    assert_string_equal(none, "");
    arena_free(a);
}

static void test_arena__calloc_multiplies(void **state)
{
    struct arena *a = arena_new();
    uint64_t *numbers = arena_calloc(a, 5000, sizeof(*numbers));

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        assert_int_equal(numbers[i], 0);
        numbers[i] = i;
    }
    assert_non_null(arena_calloc(a, 0, 8));
    assert_non_null(arena_calloc(a, 8, 0));
    assert_int_equal(numbers[4999], 4999);
    arena_free(a);
}

static void test_arena__free_accepts_null(void **state)
{
    (void)state;
    arena_free(NULL);
    arena_free(arena_new());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena__allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(test_arena__strings_are_copied),
        cmocka_unit_test(test_arena__calloc_multiplies),
        cmocka_unit_test(test_arena__free_accepts_null),
    };

    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
