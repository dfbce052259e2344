#include "tests/support/unit.h"

#include "server/base/attr.h"
#include "server/base/tz.h"

static void test_tz_name__slips_cities_and_abbreviations_lead_to_a_name(void **state)
{
    static const char *const cases[][2] = {{"Europe/Berln", "Europe/Berlin"},       {"europe/berlin", "Europe/Berlin"},
                                           {"EUROPE/BERLIN", "Europe/Berlin"},      {"Tokyo", "Asia/Tokyo"},
                                           {"America/NewYork", "America/New_York"}, {"PST", "America/Los_Angeles"}};
    char near[TZ_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(tz_nearest(cases[i][0], near));
        assert_string_equal(near, cases[i][1]);
    }
}

static void test_tz_name__what_is_near_to_nothing_leads_nowhere(void **state)
{
    char near[TZ_NAME_SIZE] = "untouched";

    (void)state;
    assert_false(tz_nearest("xyzzy", near));
    assert_false(tz_nearest("", near));
    assert_string_equal(near, "untouched");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tz_name__slips_cities_and_abbreviations_lead_to_a_name),
        cmocka_unit_test(test_tz_name__what_is_near_to_nothing_leads_nowhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
