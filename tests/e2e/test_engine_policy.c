/* The operator's policy in the engine whole: what is left out of a plan, what is refused, and what is no longer allowed
 * when it comes to the launch. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#define AUTO_J AUTO_JOB struct job

static const char *const only_n1[] = {"n1"};
static const struct policy n1_only = {.types = {true, 1, only_n1}, .max_hourly_price = -1};
static const char *const nothing_known[] = {"m9.huge"};
static const struct policy nothing = {.types = {true, 1, nothing_known}, .max_hourly_price = -1};
static const struct policy capped = {.max_hourly_price = 1};

static void under(struct bed *w, const struct policy *p)
{
    bed_down(w);
    w->policy = p;
    bed_up(w);
}

struct told {
    const char *kind, *piece;
    size_t n;
};

static int see_event(void *arg, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                     const char *detail, struct err *e)
{
    struct told *t = arg;

    (void)at_ms;
    (void)job_id;
    (void)machine;
    (void)e;
    t->n += strcmp(kind, t->kind) == 0 && detail != NULL && strstr(detail, t->piece) != NULL ? 1 : 0;
    return 0;
}

struct timeline {
    int64_t id;
    struct told told;
};

static int timeline_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct timeline *l = arg;

    l->told.n = 0;
    return store_events_of_job(t, l->id, see_event, &l->told, e);
}

/* How often the job's timeline says that. */
static size_t told(struct bed *w, int64_t id, const char *kind, const char *piece)
{
    struct timeline l = {id, {kind, piece, 0}};
    struct err e;

    assert_ok(store_read(w->store, timeline_tx, &l, &e), e);
    return l.told.n;
}

static void test_engine_policy__what_is_not_allowed_is_left_out_and_the_timeline_says_why(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    under(w, &n1_only);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_calls(w->gcp, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->gcp, 0).instance_type, "n1");
    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_null(strstr(j.plan_json, "small"));
    assert_null(strstr(j.plan_json, "big"));
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), 0);
    assert_int_equal(told(w, id, "job.admitted",
                          "candidate 1 (aws r small spot): policy.allowed_instance_types does not allow instance_type "
                          "small (allowed: n1); candidate 2 (aws r big)"),
                     1);
}

static void test_engine_policy__a_job_with_nothing_left_is_refused_with_every_reason(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    under(w, &nothing);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "candidate 1 (aws r small spot): policy.allowed_instance_types"));
    assert_non_null(strstr(j.reason, "candidate 2 (aws r big): "));
    assert_non_null(strstr(j.reason, "candidate 3 (gcp z n1): "));
    assert_true(bed_settle(w));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE job_id >= $1", 0), 0);
    assert_int_equal(memcloud_made(w->aws) + memcloud_made(w->gcp), 0);
}

static void test_engine_policy__a_cap_on_prices_allows_nothing_whose_price_is_unknown(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};

    under(w, &capped);
    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one"), WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "policy.max_hourly_price"));
}

static void test_engine_policy__a_plan_is_judged_again_before_each_launch(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 2);
    memcloud_refuse(w->gcp, NULL, ERR_CAPACITY, 1);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_calls(w->gcp, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    under(w, &n1_only); /* the plan in the record still has all three */
    bed_advance(w, 60 * 1000);
    assert_true(memcloud_wait_live(w->gcp, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), 0);
    bed_wait_want(w, id, WANT_MACHINE, &j);
}

static void test_engine_policy__a_plan_of_which_nothing_is_allowed_any_more_is_given_up(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 1);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    under(w, &n1_only);
    bed_advance(w, 60 * 1000);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "policy.allowed_instance_types does not allow instance_type single"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine_policy__what_good_credentials_may_not_have_is_given_up_after_some_rounds(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_AUTH, 0);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    bed_wait_want(w, id, WANT_MACHINE, &j); /* it may pass: rights take their time */
    for (int i = 0; i < 12; i++)
        bed_pass(w, 6 * 60 * 1000);
    bed_wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "candidate 1 (aws r single): refused as the test asked (auth)"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_engine_policy__what_is_not_allowed_is_left_out_and_the_timeline_says_why),
        CASE(test_engine_policy__a_job_with_nothing_left_is_refused_with_every_reason),
        CASE(test_engine_policy__a_cap_on_prices_allows_nothing_whose_price_is_unknown),
        CASE(test_engine_policy__a_plan_is_judged_again_before_each_launch),
        CASE(test_engine_policy__what_good_credentials_may_not_have_is_given_up_after_some_rounds),
        CASE(test_engine_policy__a_plan_of_which_nothing_is_allowed_any_more_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
