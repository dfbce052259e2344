#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/id.h"

#include <stdbool.h>

static int release(void **state)
{
    (void)state;
    clock_test_release();
    return 0;
}

static void test_id__a_ulid_is_26_digits_of_crockfords_base_32(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char id[ID_ULID_LEN + 1];

        id_ulid(id);
        assert_int_equal(strlen(id), ID_ULID_LEN);
        assert_int_equal(strspn(id, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), ID_ULID_LEN);
    }
}

/* The time of the ULID specification's example, 01ARYZ6S41... */
static void test_id__a_ulid_begins_with_its_time(void **state)
{
    char id[ID_ULID_LEN + 1];

    (void)state;
    clock_test_set(1469918176385);
    id_ulid(id);
    assert_memory_equal(id, "01ARYZ6S41", 10);
    clock_test_set(0xFFFFFFFFFFFF);
    id_ulid(id);
    assert_memory_equal(id, "7ZZZZZZZZZ", 10);
    clock_test_set(0);
    id_ulid(id);
    assert_memory_equal(id, "0000000000", 10);
}

static void test_id__later_ulids_sort_later(void **state)
{
    char last[ID_ULID_LEN + 1] = "", id[ID_ULID_LEN + 1];

    (void)state;
    clock_test_set(1700000000000);
    for (int i = 0; i < 2000; i++) {
        clock_test_advance(1 + i % 37);
        id_ulid(id);
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof(last));
    }
}

/* Every digit behind the time takes every value: nothing of the 80 random bits is lost or fixed. */
static void test_id__all_80_random_bits_vary(void **state)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned seen[16] = {0};

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char id[ID_ULID_LEN + 1];

        id_ulid(id);
        for (size_t j = 0; j < 16; j++)
            seen[j] |= 1U << (strchr(alphabet, id[10 + j]) - alphabet);
    }
    for (size_t j = 0; j < 16; j++)
        assert_int_equal(seen[j], 0xFFFFFFFF);
}

static void test_id__a_machine_name_suits_clouds_and_dns(void **state)
{
    char name[64], again[64];

    (void)state;
    id_machine_name(name);
    id_machine_name(again);
    assert_int_equal(strlen(name), 33);
    assert_memory_equal(name, "muster-", 7);
    assert_int_equal(strspn(name + 7, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
    assert_true(id_is_machine_name(name));
    assert_string_not_equal(name, again);
}

static void test_id__other_names_are_not_taken_for_ours(void **state)
{
    static const char *const others[] = {
        "",
        "muster-",
        "muster-01m84323g0t1df3dvdmchct7h",   /* one short */
        "muster-01m84323g0t1df3dvdmchct7hmm", /* one long */
        "muster-01M84323G0T1DF3DVDMCHCT7HM",  /* upper case */
        "muster-01m84323g0t1df3dvdmchct7hi",  /* no such digit */
        "muster-01m84323g0t1df3dvdmchct7hu",  /* no such digit */
        "muster-81m84323g0t1df3dvdmchct7hm",  /* more than 128 bits */
        "Muster-01m84323g0t1df3dvdmchct7hm",
        "master-01m84323g0t1df3dvdmchct7hm",
        "muster_01m84323g0t1df3dvdmchct7hm",
        "muster-01m84323g0t1df3dvdmchct7h-",
        "01m84323g0t1df3dvdmchct7hm",
    };

    (void)state;
    assert_true(id_is_machine_name("muster-01m84323g0t1df3dvdmchct7hm"));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (id_is_machine_name(others[i]))
            fail_msg("%s", others[i]);
    }
}

static void test_id__a_machine_name_tells_when_it_was_made(void **state)
{
    char name[64];

    (void)state;
    clock_test_set(1700000000123);
    id_machine_name(name);
    assert_int_equal(id_machine_name_ms(name), 1700000000123);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id__a_ulid_is_26_digits_of_crockfords_base_32),
        cmocka_unit_test_teardown(test_id__a_ulid_begins_with_its_time, release),
        cmocka_unit_test_teardown(test_id__later_ulids_sort_later, release),
        cmocka_unit_test(test_id__all_80_random_bits_vary),
        cmocka_unit_test(test_id__a_machine_name_suits_clouds_and_dns),
        cmocka_unit_test(test_id__other_names_are_not_taken_for_ours),
        cmocka_unit_test_teardown(test_id__a_machine_name_tells_when_it_was_made, release),
    };

    return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
