/* What is kept for pull requests: causes and what candidates answered. */
#include "server/base/buf.h"
#include "server/store/store_watch.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

static int list_attempt(void *arg, const struct store_attempt *a, struct err *e)
{
    (void)e;
    buf_addf(arg, "%d %s/%s/%s%s %s: %s (%lld from %lld to %lld);", a->candidate, a->cloud, a->region, a->instance_type,
             a->spot ? " spot" : "", a->kind, a->message, (long long)a->times, (long long)(a->first_ms - NOW),
             (long long)(a->last_ms - NOW));
    return 0;
}

static void test_store_report__a_later_answer_of_a_candidate_takes_the_place_of_the_earlier_and_counts(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct store_attempt a = {.job_id = 5,
                              .candidate = 1,
                              .machine = "m",
                              .cloud = "aws",
                              .region = "r",
                              .instance_type = "big",
                              .spot = true,
                              .kind = "capacity",
                              .message = "none left",
                              .last_ms = NOW};
    struct err e;

    assert_ok(store_attempt_put(t, &a, &e), e);
    a.candidate = 0;
    a.spot = false;
    assert_ok(store_attempt_put(t, &a, &e), e);
    a.kind = "quota";
    a.message = "0 of 4";
    a.last_ms = NOW + 9;
    assert_ok(store_attempt_put(t, &a, &e), e);
    a.job_id = 6;
    assert_ok(store_attempt_put(t, &a, &e), e);
    assert_ok(store_attempts_of_job(t, 5, list_attempt, &text, &e), e);
    assert_string_equal(text.p, "0 aws/r/big quota: 0 of 4 (2 from 0 to 9);"
                                "1 aws/r/big spot capacity: none left (1 from 0 to 0);");
    assert_ok(store_attempts_forget(t, 5, &e), e);
    buf_reset(&text);
    assert_ok(store_attempts_of_job(t, 5, list_attempt, &text, &e), e);
    assert_int_equal(text.len, 0);
    assert_ok(store_attempts_of_job(t, 6, list_attempt, &text, &e), e);
    assert_true(text.len > 0);
    hand_commit(h);
}

static void test_store_report__the_last_cause_of_a_job_counts_and_no_cause_is_none(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct store_cause c = {CAUSE_BOOT, 1, 1};
    struct err e;

    assert_ok(store_cause_get(t, 5, &c, &e), e);
    assert_int_equal(c.cause, CAUSE_NONE);
    assert_ok(store_cause_put(t, 5, &(struct store_cause){CAUSE_FORK, 0, 0}, &e), e);
    assert_ok(store_cause_put(t, 5, &(struct store_cause){CAUSE_BAD_FILE, 7, 3}, &e), e);
    assert_ok(store_cause_get(t, 5, &c, &e), e);
    assert_int_equal(c.cause, CAUSE_BAD_FILE);
    assert_int_equal(c.line, 7);
    assert_int_equal(c.column, 3);
    hand_commit(h);
}

static int64_t open_report(struct store_tx *t, const char *topic, int64_t job_id)
{
    char repo[] = "octo/train", sha[] = "abc", copy[32];
    struct store_report r = {.repo_id = 11, .installation_id = 7, .repo = repo, .head_sha = sha, .external_id = job_id};
    int64_t id = 0;
    struct err e;

    (void)snprintf(copy, sizeof(copy), "%s", topic);
    r.topic = copy;
    r.opened_ms = NOW;
    assert_ok(store_report_open(t, &r, &id, &e), e);
    assert_true(id > 0);
    return id;
}

static void test_store_report__one_report_for_each_topic_of_a_commit(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO(store_report_clear) struct store_report r = {0};
    int64_t a = open_report(t, "", 1), b = open_report(t, "cirun-gpu", 2), others = 0, ids[4];
    size_t n = 0;
    bool found = false;
    struct err e;

    assert_true(a != b);
    assert_int_equal(open_report(t, "cirun-gpu", 3), b);
    assert_ok(store_report_topics(t, 11, "abc", "cirun-gpu", &others, &e), e);
    assert_int_equal(others, 1);
    assert_ok(store_report_get(t, b, &r, &found, &e), e);
    assert_true(found);
    assert_int_equal(r.external_id, 2); /* the first job's for good */
    assert_string_equal(r.topic, "cirun-gpu");
    assert_int_equal(r.form, REPORT_CHECK_RUN);
    assert_ok(store_reports_of_commit(t, 11, "abc", ids, 4, &n, &e), e);
    assert_int_equal(n, 2);
    assert_ok(store_reports_of_commit(t, 12, "abc", ids, 4, &n, &e), e);
    assert_int_equal(n, 0);
    hand_commit(h);
}

static void test_store_report__what_was_said_is_kept_and_found_by_the_check_run(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO(store_report_clear) struct store_report r = {0};
    int64_t id = open_report(t, "x", 1), found_id = 9;
    bool found = false;
    struct err e;

    assert_ok(store_report_by_check_run(t, 11, 0, &found_id, &e), e);
    assert_int_equal(found_id, 0); /* none made yet is none */
    assert_ok(store_report_get(t, id, &r, &found, &e), e);
    r.check_run_id = 5000000001;
    r.form = REPORT_STATUS;
    r.updates = 3;
    r.said_ms = NOW + 1;
    (void)snprintf(r.said, sizeof(r.said), "f123");
    assert_ok(store_report_update(t, &r, &e), e);
    store_report_clear(&r);
    assert_ok(store_report_by_check_run(t, 11, 5000000001, &found_id, &e), e);
    assert_int_equal(found_id, id);
    assert_ok(store_report_get(t, id, &r, &found, &e), e);
    assert_int_equal(r.form, REPORT_STATUS);
    assert_string_equal(r.said, "f123");
    assert_int_equal(r.updates, 3);
    assert_ok(store_report_by_check_run(t, 12, 5000000001, &found_id, &e), e);
    assert_int_equal(found_id, 0);
    hand_commit(h);
}

static int list_job(void *arg, const struct store_report_job *j, struct err *e)
{
    (void)e;
    buf_addf(arg, "%lld %s %d;", (long long)j->id, j->name, (int)j->cause.cause);
    return 0;
}

static void test_store_report__a_job_belongs_to_the_report_it_joined_last(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_BUF struct buf text = BUF_INIT(4096);
    char name[] = "train", repo[] = "octo/train";
    int64_t a = open_report(t, "a", 1), b = open_report(t, "b", 1), now = 0;
    int before;
    bool moved;
    struct err e;

    for (int64_t id = 3; id > 0; id--)
        assert_ok(store_job_merge(t, &(struct job){.id = id, .state = JOB_QUEUED, .name = name, .repo = repo}, &before,
                                  &moved, &e),
                  e);
    assert_ok(store_cause_put(t, 2, &(struct store_cause){CAUSE_FORK, 0, 0}, &e), e);
    assert_ok(store_report_join(t, 2, a, &e), e);
    assert_ok(store_report_join(t, 3, b, &e), e);
    assert_ok(store_report_join(t, 1, b, &e), e);
    assert_ok(store_report_join(t, 2, b, &e), e);
    assert_ok(store_report_of_job(t, 2, &now, &e), e);
    assert_int_equal(now, b);
    assert_ok(store_report_jobs(t, a, list_job, &text, &e), e);
    assert_int_equal(text.len, 0);
    assert_ok(store_report_jobs(t, b, list_job, &text, &e), e);
    assert_string_equal(text.p, "1 train 0;2 train 4;3 train 0;");
    hand_commit(h);
}

static void test_store_report__a_job_tried_anew_forgets_the_machines_that_failed_before(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct machine m = {.name = "m1", .state = M_GONE, .job_id = 5, .created_ms = NOW, .launched_ms = NOW};
    int64_t failures = 9;
    struct err e;

    assert_ok(store_machine_insert(t, &m, &e), e);
    assert_ok(store_machine_failures(t, 5, &failures, &e), e);
    assert_int_equal(failures, 1);
    assert_ok(store_cause_put(t, 5, &(struct store_cause){CAUSE_BOOT, 0, 0}, &e), e);
    assert_ok(store_job_retried(t, 5, NOW + 1, &e), e);
    assert_ok(store_machine_failures(t, 5, &failures, &e), e);
    assert_int_equal(failures, 0);
    hand_commit(h);
}

static void test_store_report__the_machine_on_its_way_comes_before_those_that_are_gone(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_MACHINE struct machine got = {0};
    bool found = true;
    struct err e;

    assert_ok(store_machine_of_job(t, 5, &got, &found, &e), e);
    assert_false(found);
    assert_ok(
        store_machine_insert(t, &(struct machine){.name = "a", .state = M_BOOTING, .job_id = 5, .created_ms = NOW}, &e),
        e);
    assert_ok(store_machine_insert(
                  t, &(struct machine){.name = "b", .state = M_GONE, .job_id = 5, .created_ms = NOW + 9}, &e),
              e);
    assert_ok(store_machine_of_job(t, 5, &got, &found, &e), e);
    assert_true(found);
    assert_string_equal(got.name, "a");
    hand_commit(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_report__##name, hand_setup, hand_teardown)
        T(a_later_answer_of_a_candidate_takes_the_place_of_the_earlier_and_counts),
        T(the_last_cause_of_a_job_counts_and_no_cause_is_none),
        T(one_report_for_each_topic_of_a_commit),
        T(what_was_said_is_kept_and_found_by_the_check_run),
        T(a_job_belongs_to_the_report_it_joined_last),
        T(a_job_tried_anew_forgets_the_machines_that_failed_before),
        T(the_machine_on_its_way_comes_before_those_that_are_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
