/* Key material in the sentences of others. */
#include "tests/support/unit.h"

#include "providers/common/mask.h"

#include <stdio.h>

static void masks(const char *text, const char *expected)
{
    char got[700];

    (void)snprintf(got, sizeof(got), "%s", text);
    mask_runs(got);
    assert_string_equal(got, expected);
}

/* n characters of the alphabet. */
static const char *run(size_t n, char out[200])
{
    static const char alphabet[] = "ABCxyz019+/=%_-";

    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[i % (sizeof(alphabet) - 1)];
    out[n] = '\0';
    return out;
}

static void test_mask__runs_of_64_or_more_become_stars(void **state)
{
    char a[200], text[700];

    (void)state;
    masks(run(64, a), "***");
    masks(run(199, a), "***");
    (void)snprintf(text, sizeof(text), "value \"%s\" is odd", run(80, a));
    masks(text, "value \"***\" is odd");
}

static void test_mask__shorter_runs_stay(void **state)
{
    char a[200];

    (void)state;
    masks(run(63, a), run(63, a));
    masks("", "");
    masks("a plain sentence, with a-name_and 100% of it.", "a plain sentence, with a-name_and 100% of it.");
}

static void test_mask__each_run_is_judged_by_itself(void **state)
{
    char a[200], b[200], text[700], want[700];

    (void)state;
    (void)snprintf(text, sizeof(text), "%s %s\n%s.", run(70, a), run(63, b), a);
    (void)snprintf(want, sizeof(want), "*** %s\n***.", b);
    masks(text, want);
    (void)snprintf(text, sizeof(text), "%s,%s", run(40, a), a);
    masks(text, text);
}

static void test_mask__a_masked_text_stays_as_it_is(void **state)
{
    (void)state;
    masks("*** and ***", "*** and ***");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mask__runs_of_64_or_more_become_stars),
        cmocka_unit_test(test_mask__shorter_runs_stay),
        cmocka_unit_test(test_mask__each_run_is_judged_by_itself),
        cmocka_unit_test(test_mask__a_masked_text_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
