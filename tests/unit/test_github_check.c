/* Check runs and commit statuses: what is sent, and what answers mean. */
#include "server/github/check.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "tests/support/ghtest.h"
#include "tests/support/unit.h"

#include <stdio.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"

static const struct github_check wait = {.name = "muster / a b",
                                         .head_sha = SHA,
                                         .external_id = 31,
                                         .status = "in_progress",
                                         .title = "t",
                                         .summary = "s",
                                         .started_ms = 1631499673000};

static json_t *sent(struct ghtest *t, size_t i)
{
    json_t *body = NULL;
    struct err e;

    assert_ok(js_parse(ght_call(t, i)->body, strlen(ght_call(t, i)->body), &body, &e), e);
    return body;
}

static void test_github_check__a_check_run_is_made_with_a_token_for_checks_alone(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_JSON json_t *body = NULL;
    const char *text = NULL;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, "", "{\"id\":4}");
    assert_ok(github_check_create(t.github, &ght_repo, &wait, &id, &e), e);
    assert_int_equal(id, 4);
    assert_string_equal(ght_call(&t, 0)->method, "POST");
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/check-runs");
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"permissions\":{\"checks\":\"write\"}"));
    body = sent(&t, 0);
    assert_ok(js_str(body, "external_id", &text, &e), e);
    assert_string_equal(text, "31");
    assert_ok(js_str(body, "started_at", &text, &e), e);
    assert_string_equal(text, "2021-09-13T02:21:13Z");
    assert_ok(js_str(body, "head_sha", &text, &e), e);
    assert_null(json_object_get(body, "conclusion"));
    assert_null(json_object_get(body, "actions"));
}

static void test_github_check__an_update_cannot_move_the_commit(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_JSON json_t *body = NULL;
    struct github_check c = wait;
    const char *text = NULL;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "", "{\"id\":4}");
    c.status = "completed";
    c.conclusion = "failure";
    c.completed_ms = 1631499673000;
    c.retry_button = true;
    assert_ok(github_check_update(t.github, &ght_repo, 4, &c, &e), e);
    assert_string_equal(ght_call(&t, 0)->method, "PATCH");
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/check-runs/4");
    body = sent(&t, 0);
    assert_null(json_object_get(body, "head_sha"));
    assert_ok(js_str(body, "actions.0.identifier", &text, &e), e);
    assert_string_equal(text, GITHUB_RETRY_ACTION);
    assert_ok(js_str(body, "completed_at", &text, &e), e);
}

static char *long_text(size_t n)
{
    char *s = mem_zalloc(n + 3);

    memset(s, 'x', n);
    memcpy(s + n - 1, "\xC3\xBC", 2); /* across the border */
    return s;
}

static void test_github_check__what_is_too_long_is_cut_between_characters(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_JSON json_t *body = NULL;
    AUTO_FREE char *summary = long_text(GITHUB_CHECK_TEXT_MAX), *title = long_text(GITHUB_CHECK_TITLE_MAX);
    struct github_annotation a[60];
    struct github_check c = wait;
    const char *text = NULL;
    json_t *list;
    int64_t id;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, "", "{\"id\":4}");
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        a[i] = (struct github_annotation){".cirun.yml", (int)i, 3, "failure", title, "m"};
    c.summary = summary;
    c.annotations = a;
    c.n_annotations = ARRAY_LEN(a);
    assert_ok(github_check_create(t.github, &ght_repo, &c, &id, &e), e);
    body = sent(&t, 0);
    assert_ok(js_str(body, "output.summary", &text, &e), e);
    assert_int_equal(strlen(text), GITHUB_CHECK_TEXT_MAX - 1);
    assert_ok(js_arr(body, "output.annotations", &list, &e), e);
    assert_int_equal(json_array_size(list), GITHUB_CHECK_ANNOTATIONS);
    assert_ok(js_str(body, "output.annotations.0.title", &text, &e), e);
    assert_int_equal(strlen(text), GITHUB_CHECK_TITLE_MAX - 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "start_line")), 1);
}

static void test_github_check__ours_is_found_by_its_job_among_others_of_the_name(void **state)
{
    AUTO_GHT struct ghtest t;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 200, "",
               "{\"total_count\":3,\"check_runs\":[{\"id\":1,\"name\":\"muster / a b\",\"external_id\":\"30\"},"
               "{\"id\":2,\"name\":\"muster\",\"external_id\":\"31\"},"
               "{\"id\":3,\"name\":\"muster / a b\",\"external_id\":\"31\"}]}");
    assert_ok(github_check_find(t.github, &ght_repo, &wait, &id, &e), e);
    assert_int_equal(id, 3);
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/commits/" SHA
                                               "/check-runs?filter=all&per_page=100&check_name=muster%20%2F%20a%20b");
    ght_answer(&t, 200, "", "{\"total_count\":0,\"check_runs\":[]}");
    assert_fails(github_check_find(t.github, &ght_repo, &wait, &id, &e), ERR_GONE, "no check run", e);
}

static void test_github_check__answers_that_are_none_are_tried_again(void **state)
{
    AUTO_GHT struct ghtest t;
    int64_t id = 0;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, "", "[]");
    assert_fails(github_check_create(t.github, &ght_repo, &wait, &id, &e), ERR_RETRY, "holds no id", e);
    ght_answer(&t, 201, "", "<html>");
    assert_fails(github_check_create(t.github, &ght_repo, &wait, &id, &e), ERR_RETRY, "unexpected answer", e);
    ght_answer(&t, 200, "", "{\"check_runs\":7}");
    assert_fails(github_check_find(t.github, &ght_repo, &wait, &id, &e), ERR_RETRY, "check_runs", e);
    ght_answer(&t, 422, "", "{\"message\":\"Invalid request.\"}");
    assert_fails(github_check_create(t.github, &ght_repo, &wait, &id, &e), ERR_INVALID, "422", e);
    ght_answer(&t, 403, "", "{\"message\":\"Resource not accessible by integration\"}");
    assert_fails(github_check_create(t.github, &ght_repo, &wait, &id, &e), ERR_AUTH, "checks: write", e);
    assert_int_equal(id, 0);
}

static void test_github_check__a_commit_that_is_none_is_not_sent(void **state)
{
    AUTO_GHT struct ghtest t;
    struct github_check c = wait;
    int64_t id;
    struct err e;

    (void)state;
    ght_start(&t, "");
    c.head_sha = "../../x";
    assert_fails(github_check_create(t.github, &ght_repo, &c, &id, &e), ERR_INVALID, "hash", e);
    assert_fails(github_check_find(t.github, &ght_repo, &c, &id, &e), ERR_INVALID, "hash", e);
    assert_int_equal(ght_calls(&t), 0);
}

static void test_github_check__a_status_is_short(void **state)
{
    AUTO_GHT struct ghtest t;
    AUTO_JSON json_t *body = NULL;
    AUTO_FREE char *words = long_text(GITHUB_STATUS_DESCRIPTION_MAX);
    const char *text = NULL;
    struct err e;

    (void)state;
    ght_start(&t, "");
    ght_answer(&t, 201, "", "{}");
    assert_ok(github_status_put(t.github, &ght_repo, &(struct github_status){"muster", SHA, "pending", words}, &e), e);
    assert_string_equal(ght_call(&t, 0)->path, "/repos/octo/hello/statuses/" SHA);
    assert_non_null(strstr(ght_mint(&t, 0)->body, "\"permissions\":{\"statuses\":\"write\"}"));
    body = sent(&t, 0);
    assert_ok(js_str(body, "description", &text, &e), e);
    assert_int_equal(strlen(text), GITHUB_STATUS_DESCRIPTION_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_github_check__a_check_run_is_made_with_a_token_for_checks_alone),
        cmocka_unit_test(test_github_check__an_update_cannot_move_the_commit),
        cmocka_unit_test(test_github_check__what_is_too_long_is_cut_between_characters),
        cmocka_unit_test(test_github_check__ours_is_found_by_its_job_among_others_of_the_name),
        cmocka_unit_test(test_github_check__answers_that_are_none_are_tried_again),
        cmocka_unit_test(test_github_check__a_commit_that_is_none_is_not_sent),
        cmocka_unit_test(test_github_check__a_status_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
