/* Our tags in narrower alphabets, and all of them in one text. */
#include "tests/support/unit.h"

#include "providers/common/label.h"

#include <stdio.h>

static void makes(const struct label_rule *r, const char *text, const char *expected)
{
    char out[LABEL_SIZE];

    label_make(r, text, out);
    assert_string_equal(out, expected);
    assert_true(label_is(r, expected, text));
}

static void test_label__what_does_not_fit_becomes_an_underscore(void **state)
{
    const struct label_rule rule = {.more = "-", .max = 63};

    (void)state;
    makes(&rule, "octo/Hello.World-2", "octo_Hello_World-2");
    makes(&rule, "a_b c\n\"'", "a_b_c___");
    makes(&rule, "\xc3\xa9", "__");
    makes(&rule, "", "");
}

static void test_label__capitals_become_small_where_there_are_none(void **state)
{
    const struct label_rule rule = {.more = "-_", .lower = true, .max = 63};

    (void)state;
    makes(&rule, "Octo-HELLO_9", "octo-hello_9");
}

static void test_label__what_is_too_long_is_cut(void **state)
{
    const struct label_rule five = {.more = "", .max = 5}, most = {.more = "", .max = 1000};
    char text[400], out[LABEL_SIZE];

    (void)state;
    makes(&five, "abcde", "abcde");
    makes(&five, "abcdef", "abcde");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    label_make(&most, text, out);
    assert_int_equal(strlen(out), LABEL_SIZE - 1);
}

static void test_label__comparing_is_strict(void **state)
{
    const struct label_rule rule = {.more = "-", .max = 8};

    (void)state;
    assert_true(label_is(&rule, "muster-a", "muster-a"));
    assert_true(label_is(&rule, "muster-a", "muster-ab")); /* cut */
    assert_false(label_is(&rule, "muster-", "muster-a"));
    assert_false(label_is(&rule, "muster-ab", "muster-a"));
    assert_false(label_is(&rule, "Muster-a", "muster-a"));
    assert_false(label_is(&rule, NULL, ""));
}

/* ---- all in one text ---- */

static void unpacks(const char *text, const char *key, const char *expected)
{
    char out[16] = "before";

    if (expected == NULL) {
        assert_false(label_unpack(text, key, out, sizeof(out)));
        assert_string_equal(out, "before");
        return;
    }
    assert_true(label_unpack(text, key, out, sizeof(out)));
    assert_string_equal(out, expected);
}

static void test_label__every_byte_comes_back_out_of_a_packed_text(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(2000);
    char all[256], out[256];

    (void)state;
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    label_pack(&text, "a&=%", "first");
    label_pack(&text, "all", all);
    label_pack(&text, "none", "");
    assert_true(label_unpack(text.p, "all", out, sizeof(out)));
    assert_string_equal(out, all);
    unpacks(text.p, "a&=%", "first");
    unpacks(text.p, "none", "");
    for (const char *c = text.p; *c != '\0'; c++)
        assert_true((unsigned char)*c > ' ' && (unsigned char)*c < 127);
}

static void test_label__a_packed_text_reads_as_it_was_written(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(200);

    (void)state;
    label_pack(&text, "muster-repository", "octo/hello");
    label_pack(&text, "muster-machine", "muster-a");
    assert_string_equal(text.p, "muster-repository=octo%2Fhello&muster-machine=muster-a");
}

static void test_label__a_key_counts_only_if_it_stands_there_once(void **state)
{
    (void)state;
    unpacks("a=1&b=2", "a", "1");
    unpacks("a=1&b=2", "b", "2");
    unpacks("a=1&b=2", "c", NULL);
    unpacks("a=1&a=1", "a", NULL);
    unpacks("aa=1", "a", NULL);
    unpacks("xa=1", "a", NULL);
    unpacks("a", "a", NULL);
    unpacks("", "a", NULL);
    unpacks(NULL, "a", NULL);
    unpacks("x=a%3D1", "a", NULL);
}

static void test_label__a_value_that_is_broken_or_does_not_fit_is_none(void **state)
{
    (void)state;
    unpacks("a=123456789012345", "a", "123456789012345");
    unpacks("a=1234567890123456", "a", NULL);
    unpacks("a=%", "a", NULL);
    unpacks("a=%zz", "a", NULL);
    unpacks("a=x%00y", "a", NULL);
    unpacks("a=1+2", "a", "1+2");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label__what_does_not_fit_becomes_an_underscore),
        cmocka_unit_test(test_label__capitals_become_small_where_there_are_none),
        cmocka_unit_test(test_label__what_is_too_long_is_cut),
        cmocka_unit_test(test_label__comparing_is_strict),
        cmocka_unit_test(test_label__every_byte_comes_back_out_of_a_packed_text),
        cmocka_unit_test(test_label__a_packed_text_reads_as_it_was_written),
        cmocka_unit_test(test_label__a_key_counts_only_if_it_stands_there_once),
        cmocka_unit_test(test_label__a_value_that_is_broken_or_does_not_fit_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
