/* What `muster` of a runner says of its candidates, in the engine whole: their order, their price, how long a machine
 * lives and how long it may boot. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#include <stdio.h>

#define AUTO_J AUTO_JOB struct job

/* Three types of one cloud, with this as `muster`. */
static void have_file(struct bed *w, const char *muster)
{
    char text[600];

    (void)snprintf(text, sizeof(text),
                   "runners:\n  - name: r\n    cloud: aws\n    region: r\n    instance_type: [a, b, c]\n"
                   "    machine_image: ami-0123456789abcdef0\n    labels: [cirun-order]\n    muster: %s\n",
                   muster);
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", text);
}

/* The candidates' types in the order of the job's plan. */
static void plan_is(struct bed *w, int64_t id, const char *expected)
{
    AUTO_PLAN struct plan plan = {0};
    AUTO_J j = {0};
    char got[64] = "";
    struct err e;

    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_ok(plan_parse(j.plan_json, &plan, &e), e);
    for (size_t i = 0; i < plan.n; i++)
        (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s", plan.specs[i].instance_type);
    assert_string_equal(got, expected);
}

static void test_engine_order__the_cheapest_comes_first_and_what_has_no_price_last(void **state)
{
    struct bed *w = *state;

    have_file(w, "{order: cheapest}");
    memcloud_price(w->aws, "b", 0.9);
    memcloud_price(w->aws, "c", 0.3);
    plan_is(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order"), "cba");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).instance_type, "c");
}

static void test_engine_order__candidates_above_the_repositorys_own_limit_are_left_out(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};
    int64_t id;

    have_file(w, "{max_hourly_price: 0.50}");
    memcloud_price(w->aws, "a", 0.9);
    memcloud_price(w->aws, "c", 0.3);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order");
    plan_is(w, id, "bc"); /* what has no known price may be cheap enough */
    bed_wait_want(w, id, WANT_MACHINE, &j);
    assert_true(bed_settle(w));
}

static void test_engine_order__when_all_cost_too_much_the_job_is_told_each_price(void **state)
{
    struct bed *w = *state;
    AUTO_J j = {0};

    have_file(w, "{max_hourly_price: 0.20}");
    memcloud_price(w->aws, "a", 0.9);
    memcloud_price(w->aws, "b", 0.25);
    memcloud_price(w->aws, "c", 0.3);
    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order"), WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "muster.max_hourly_price is 0.2 USD, and a on aws costs 0.9 an hour now"));
    assert_non_null(strstr(j.reason, "b on aws costs 0.25"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine_order__the_operators_cap_goes_by_what_the_cloud_tells(void **state)
{
    static const struct policy capped = {.max_hourly_price = 0.5};
    struct bed *w = *state;

    bed_down(w);
    w->policy = &capped;
    bed_up(w);
    have_file(w, "{order: listed}");
    memcloud_price(w->aws, "a", 0.9);
    memcloud_price(w->aws, "c", 0.3);
    plan_is(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order"), "c"); /* an unknown price is no price */
}

/* One job from its launch on this type to its start, so many seconds later, and to its end. */
static void boots_in(struct bed *w, const char *type, int seconds)
{
    struct memcloud_call c;
    int64_t id;

    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    c = bed_call(w->aws, (size_t)bed_number(w, "SELECT count(*) FROM machine WHERE job_id >= $1", 0) - 1);
    assert_string_equal(c.instance_type, type);
    bed_advance(w, (int64_t)seconds * 1000);
    bed_deliver(w, id, JOB_RUNNING, "cirun-order", c.name);
    bed_deliver(w, id, JOB_DONE, "cirun-order", c.name);
    bed_pass(w, 60 * 1000);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_engine_order__the_fastest_is_who_came_up_fastest_lately(void **state)
{
    struct bed *w = *state;

    have_file(w, "{order: fastest}");
    boots_in(w, "a", 25);
    memcloud_refuse(w->aws, "a", ERR_CAPACITY, 1); /* so that the next one is b */
    plan_is(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order"), "abc");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    /* a had no room a moment ago: it comes after those of whom nothing bad is known */
    plan_is(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order"), "bca");
}

static void test_engine_order__a_machine_lives_and_boots_no_longer_than_its_runner_says(void **state)
{
    struct bed *w = *state;
    int64_t id;

    have_file(w, "{lifetime: 1h, boot_deadline: 2m}");
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(bed_call(w->aws, 0).lifetime_s, 3600 + w->overtime_ms / 1000);
    assert_int_equal(bed_number(w, "SELECT expires_ms - launched_ms FROM machine WHERE job_id = $1", id), 3600 * 1000);
    assert_non_null(strstr(bed_call(w->aws, 0).text, "120"));
    bed_pass(w, 121 * 1000); /* it never came up: another one is tried */
    assert_true(memcloud_wait_calls(w->aws, 2, BED_WAIT_MS));
}

static void test_engine_order__the_operators_limits_are_the_longest(void **state)
{
    struct bed *w = *state;
    int64_t id;

    have_file(w, "{lifetime: 240h, boot_deadline: 1h}");
    id = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-order");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(bed_call(w->aws, 0).lifetime_s, 6 * 3600 + w->overtime_ms / 1000);
    assert_int_equal(bed_number(w, "SELECT boot_deadline_ms - launched_ms FROM machine WHERE job_id = $1", id),
                     15 * 60 * 1000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_engine_order__the_cheapest_comes_first_and_what_has_no_price_last),
        CASE(test_engine_order__candidates_above_the_repositorys_own_limit_are_left_out),
        CASE(test_engine_order__when_all_cost_too_much_the_job_is_told_each_price),
        CASE(test_engine_order__the_operators_cap_goes_by_what_the_cloud_tells),
        CASE(test_engine_order__the_fastest_is_who_came_up_fastest_lately),
        CASE(test_engine_order__a_machine_lives_and_boots_no_longer_than_its_runner_says),
        CASE(test_engine_order__the_operators_limits_are_the_longest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
