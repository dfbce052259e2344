/* "Re-run" in a pull request: which events mean it, and what they must say. */
#include "server/github/event_check.h"

#include "tests/support/unit.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define RUN(action, id, more)                                                                                          \
    "{\"action\":\"" action "\",\"check_run\":{\"id\":" id ",\"head_sha\":\"" SHA "\",\"external_id\":\"9\"}" more     \
    ",\"repository\":{\"id\":5,\"full_name\":\"acme/model\"},\"sender\":{\"login\":\"octocat\"},"                      \
    "\"installation\":{\"id\":77}}"

static enum event_verdict parse(const char *event, const char *body, struct job *j)
{
    enum event_verdict verdict = EVENT_JOB;
    struct err e;

    assert_ok(event_check_parse(event, body, strlen(body), &verdict, j, &e), e);
    return verdict;
}

static void test_event_check__re_run_names_the_check_run_and_who_pressed(void **state)
{
    AUTO_JOB struct job j = {0};

    (void)state;
    assert_int_equal(parse("check_run", RUN("rerequested", "4", ""), &j), EVENT_PRESS);
    assert_int_equal(j.id, 4);
    assert_int_equal(j.run_id, 9); /* external_id */
    assert_int_equal(j.repo_id, 5);
    assert_int_equal(j.installation_id, 77);
    assert_string_equal(j.repo, "acme/model");
    assert_string_equal(j.head_sha, SHA);
    assert_string_equal(j.name, "octocat");
}

static void test_event_check__our_button_is_a_re_run_and_no_other_button_is(void **state)
{
    AUTO_JOB struct job j = {0}, none = {0};

    (void)state;
    assert_int_equal(
        parse("check_run", RUN("requested_action", "4", ",\"requested_action\":{\"identifier\":\"retry\"}"), &j),
        EVENT_PRESS);
    assert_int_equal(
        parse("check_run", RUN("requested_action", "4", ",\"requested_action\":{\"identifier\":\"fix\"}"), &none),
        EVENT_IGNORED);
    assert_null(none.repo);
}

static void test_event_check__the_echo_of_our_own_writes_is_ignored(void **state)
{
    AUTO_JOB struct job j = {0};

    (void)state;
    assert_int_equal(parse("check_run", RUN("created", "4", ""), &j), EVENT_IGNORED);
    assert_int_equal(parse("check_run", RUN("completed", "4", ""), &j), EVENT_IGNORED);
    assert_int_equal(parse("check_suite", "{\"action\":\"requested\"}", &j), EVENT_IGNORED);
}

static void test_event_check__a_suite_means_all_of_its_commit(void **state)
{
    AUTO_JOB struct job j = {0};

    (void)state;
    assert_int_equal(parse("check_suite",
                           "{\"action\":\"rerequested\",\"check_suite\":{\"head_sha\":\"" SHA "\"},"
                           "\"repository\":{\"id\":5,\"full_name\":\"acme/model\"}}",
                           &j),
                     EVENT_PRESS);
    assert_int_equal(j.id, 0);
    assert_string_equal(j.head_sha, SHA);
    assert_string_equal(j.name, "somebody");
}

static void test_event_check__what_the_schema_requires_is_missed_by_its_path(void **state)
{
    static const char *const bad[][2] = {
        {RUN("rerequested", "\"4\"", ""), "check_run.id"},
        {RUN("rerequested", "-4", ""), "check_run.id"},
        {"{\"action\":\"rerequested\"}", "check_run.id"},
        {"{\"action\":\"rerequested\",\"check_run\":{\"id\":4},\"repository\":{\"id\":5}}", "check_run.head_sha"},
        {"{\"action\":\"rerequested\",\"check_run\":{\"id\":4,\"head_sha\":\"main\"},\"repository\":{\"id\":5,"
         "\"full_name\":\"a/b\"}}",
         "hexadecimal"},
        {"{", ""},
    };
    enum event_verdict verdict = EVENT_JOB;
    struct job j = {.id = 7};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(event_check_parse("check_run", bad[i][0], strlen(bad[i][0]), &verdict, &j, &e), ERR_INVALID,
                     bad[i][1], e);
    assert_int_equal(j.id, 7);
    assert_null(j.repo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_check__re_run_names_the_check_run_and_who_pressed),
        cmocka_unit_test(test_event_check__our_button_is_a_re_run_and_no_other_button_is),
        cmocka_unit_test(test_event_check__the_echo_of_our_own_writes_is_ignored),
        cmocka_unit_test(test_event_check__a_suite_means_all_of_its_commit),
        cmocka_unit_test(test_event_check__what_the_schema_requires_is_missed_by_its_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
