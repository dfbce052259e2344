#include "tests/support/unit.h"

#include "server/config/org_team.h"

#define RUNNERS "runners:\n  - {name: r, cloud: aws, instance_type: t, machine_image: i, labels: [l]}\n"

static enum org_team team_of(const char *text, char out[ORG_TEAM_MAX])
{
    struct cirun_yml *c = cirun_yml_parse(text, strlen(text), ".cirun.global.yml");
    enum org_team found;

    out[0] = '\0';
    found = org_team_read(c, text, out);
    cirun_yml_free(c);
    return found;
}

static void test_org_team__a_name_at_the_top_counts_whatever_else_is_wrong(void **state)
{
    char team[ORG_TEAM_MAX];

    (void)state;
    assert_int_equal(team_of(RUNNERS, team), ORG_TEAM_NONE);
    assert_int_equal(team_of("run_only_when_triggered_by: core\n" RUNNERS, team), ORG_TEAM_NAMED);
    assert_string_equal(team, "core");
    assert_int_equal(team_of("run_only_when_triggered_by: core\n", team), ORG_TEAM_NAMED);
    assert_string_equal(team, "core");
    assert_int_equal(team_of("runners: 7\nrun_only_when_triggered_by: 'Night Shift'\n", team), ORG_TEAM_NAMED);
    assert_string_equal(team, "Night Shift");
}

static void test_org_team__a_restriction_that_cannot_be_read_is_unclear_and_never_none(void **state)
{
    char team[ORG_TEAM_MAX];

    (void)state;
    assert_int_equal(team_of("run_only_when_triggered_by:\n" RUNNERS, team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("run_only_when_triggered_by: [core]\n" RUNNERS, team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("run_only_when_triggered_by: core\nrunners: [\n", team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("runners: [\n\"run_only_when_triggered_by\": core\n", team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("runners: [\n# see run_only_when_triggered_by\n", team), ORG_TEAM_NONE);
    assert_int_equal(team_of("runners: [\n", team), ORG_TEAM_NONE);
    assert_int_equal(team_of("run_only_when_trigered_by: core\n" RUNNERS, team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("teams: [core]\n" RUNNERS, team), ORG_TEAM_UNCLEAR);
    assert_int_equal(team_of("version: '1.0'\n" RUNNERS, team), ORG_TEAM_NONE);
}

static void test_org_team__what_a_runner_says_is_not_the_files(void **state)
{
    char team[ORG_TEAM_MAX];

    (void)state;
    assert_int_equal(team_of("runners:\n  - {name: r, cloud: aws, instance_type: t, machine_image: i, labels: [l],\n"
                             "     run_only_when_triggered_by: core}\n",
                             team),
                     ORG_TEAM_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_org_team__a_name_at_the_top_counts_whatever_else_is_wrong),
        cmocka_unit_test(test_org_team__a_restriction_that_cannot_be_read_is_unclear_and_never_none),
        cmocka_unit_test(test_org_team__what_a_runner_says_is_not_the_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
