#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/idset.h"

#include <stdlib.h>

static struct id128 id(uint64_t hi, uint64_t lo)
{
    return (struct id128){hi, lo};
}

static void test_idset__what_was_added_is_there_and_nothing_else(void **state)
{
    struct idset *s = idset_new();

    (void)state;
    assert_false(idset_has(s, id(1, 2)));
    assert_true(idset_add(s, id(1, 2)));
    assert_false(idset_add(s, id(1, 2)));
    assert_true(idset_has(s, id(1, 2)));
    assert_false(idset_has(s, id(2, 1)));
    assert_false(idset_has(s, id(1, 0)));
    assert_int_equal(idset_count(s), 1);
    idset_remove(s, id(9, 9));
    idset_remove(s, id(1, 2));
    assert_false(idset_has(s, id(1, 2)));
    assert_int_equal(idset_count(s), 0);
    idset_free(s);
    idset_free(NULL);
}

static void test_idset__all_zeros_is_an_id_like_others(void **state)
{
    struct idset *s = idset_new();

    (void)state;
    assert_true(idset_add(s, id(0, 0)));
    assert_false(idset_add(s, id(0, 0)));
    idset_remove(s, id(0, 0));
    assert_false(idset_has(s, id(0, 0)));
    idset_free(s);
}

/* Against a plain array of what is in it, with few different ids, so that removals meet long runs of neighbours. */
static void test_idset__agrees_with_a_plain_list_through_random_changes(void **state)
{
    enum { IDS = 3000, STEPS = 200000 };
    struct idset *s = idset_new();
    unsigned char *in = mem_calloc(IDS, 1);
    uint64_t seed = 7;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < STEPS; i++) {
        unsigned n = unit_random(&seed) % IDS;

        if (unit_random(&seed) % 2 == 0) {
            assert_int_equal(idset_add(s, id(n / 50, n + 2)), !in[n]);
            count += in[n] ? 0 : 1;
            in[n] = 1;
        } else {
            idset_remove(s, id(n / 50, n + 2));
            count -= in[n];
            in[n] = 0;
        }
        assert_int_equal(idset_count(s), count);
    }
    for (unsigned n = 0; n < IDS; n++)
        assert_int_equal(idset_has(s, id(n / 50, n + 2)), in[n]);
    free(in);
    idset_free(s);
}

static void test_idset__ageing_keeps_what_came_since_the_last_and_drops_what_was_before(void **state)
{
    struct idset *s = idset_new();

    (void)state;
    assert_true(idset_add(s, id(1, 1)));
    idset_age(s);
    assert_true(idset_has(s, id(1, 1)));
    assert_false(idset_add(s, id(1, 1)));
    assert_true(idset_add(s, id(2, 2)));
    idset_age(s);
    assert_false(idset_has(s, id(1, 1)));
    assert_true(idset_has(s, id(2, 2)));
    idset_remove(s, id(2, 2));
    assert_int_equal(idset_count(s), 0);
    idset_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idset__what_was_added_is_there_and_nothing_else),
        cmocka_unit_test(test_idset__all_zeros_is_an_id_like_others),
        cmocka_unit_test(test_idset__agrees_with_a_plain_list_through_random_changes),
        cmocka_unit_test(test_idset__ageing_keeps_what_came_since_the_last_and_drops_what_was_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
