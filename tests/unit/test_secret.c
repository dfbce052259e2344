#include "tests/support/unit.h"

#include "server/base/secret.h"

static struct secret *make(const char *text)
{
    return secret_new(text, strlen(text));
}

static void test_secret__reveals_what_it_was_given(void **state)
{
    AUTO_SECRET struct secret *s = secret_new("a\0b", 3);
    AUTO_SECRET struct secret *copy = secret_dup(s);

    (void)state;
    assert_int_equal(secret_len(s), 3);
    assert_memory_equal(secret_reveal(s), "a\0b", 4);
    assert_int_equal(secret_len(copy), 3);
    assert_memory_equal(secret_reveal(copy), "a\0b", 4);
    assert_ptr_not_equal(secret_reveal(s), secret_reveal(copy));
}

static void test_secret__null_is_an_empty_one(void **state)
{
    char text[] = "text";

    (void)state;
    assert_string_equal(secret_reveal(NULL), "");
    assert_int_equal(secret_len(NULL), 0);
    assert_null(secret_dup(NULL));
    secret_mask(NULL, text);
    assert_string_equal(text, "text");
    secret_free(NULL);
}

static void test_secret__from_buf_empties_the_buffer(void **state)
{
    struct buf b = BUF_INIT(10);
    AUTO_SECRET struct secret *s = NULL;
    struct err e;

    (void)state;
    buf_adds(&b, "hunter2");
    assert_ok(secret_from_buf(&b, &s, &e), e);
    assert_string_equal(secret_reveal(s), "hunter2");
    assert_null(b.p);
    buf_adds(&b, "longer than ten");
    assert_fails(secret_from_buf(&b, &s, &e), ERR_INVALID, "ceiling", e);
    assert_string_equal(secret_reveal(s), "hunter2");
    buf_clear(&b);
}

static void assert_masked(const char *secret, const char *text, const char *masked)
{
    AUTO_SECRET struct secret *s = make(secret);
    char copy[200];

    assert_true(strlen(text) < sizeof(copy));
    memcpy(copy, text, strlen(text) + 1);
    secret_mask(s, copy);
    assert_string_equal(copy, masked);
}

static void test_secret__every_occurrence_is_masked(void **state)
{
    (void)state;
    assert_masked("hunter2", "bad key hunter2, not hunter2", "bad key ***, not ***");
    assert_masked("hunter2", "hunter2", "***");
    assert_masked("hunter2", "hunter2hunter2hunter", "******hunter");
    assert_masked("hunter2", "nothing here", "nothing here");
    assert_masked("hunter2", "", "");
}

static void test_secret__a_short_secret_is_left_alone_and_one_of_four_is_not(void **state)
{
    (void)state;
    assert_masked("abc", "abc abc", "abc abc");
    assert_masked("", "text", "text");
    assert_masked("abcd", "abcd abcd", "*** ***");
}

static void test_secret__masking_ends_where_the_text_ends_also_with_a_nul_in_the_secret(void **state)
{
    AUTO_SECRET struct secret *s = secret_new("abcd\0and much more behind it", 28);
    char text[] = "x abcd y";

    (void)state;
    secret_mask(s, text);
    assert_string_equal(text, "x *** y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secret__reveals_what_it_was_given),
        cmocka_unit_test(test_secret__null_is_an_empty_one),
        cmocka_unit_test(test_secret__from_buf_empties_the_buffer),
        cmocka_unit_test(test_secret__every_occurrence_is_masked),
        cmocka_unit_test(test_secret__a_short_secret_is_left_alone_and_one_of_four_is_not),
        cmocka_unit_test(test_secret__masking_ends_where_the_text_ends_also_with_a_nul_in_the_secret),
    };

    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
