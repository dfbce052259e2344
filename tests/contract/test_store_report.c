/* What is kept for pull requests: causes and what candidates answered. */
#include "server/base/buf.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <stdlib.h>

#define NOW INT64_C(1700000000000)

static int setup(void **state)
{
    struct hand *h = calloc(1, sizeof(*h));

    hand_open(h);
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    hand_close(*state);
    free(*state);
    return 0;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_report__##name, setup, teardown)
        T(a_later_answer_of_a_candidate_takes_the_place_of_the_earlier_and_counts),
        T(the_last_cause_of_a_job_counts_and_no_cause_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
