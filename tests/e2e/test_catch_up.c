/* What was lost on the way and is had all the same: GitHub's delivery log, its lists of runs and jobs, installations.
 */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_github_log.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE (60 * INT64_C(1000))
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define SOON_ROUNDS 40

static size_t log_calls(struct bed *w)
{
    return bed_asked(w, SIM_GH_DELIVERIES);
}

/* Answered with a page: beside the calls that failed. */
static size_t pages_read(struct bed *w)
{
    return sim_http_count_status(sim_github_http(w->gh), SIM_GH_DELIVERIES, 200);
}

static size_t asked_again(struct bed *w)
{
    return bed_asked(w, SIM_GH_REDELIVER);
}

static int64_t missed(struct bed *w, int64_t job, const char *action, int status_code)
{
    const struct sim_attempt a = {.job_id = job, .action = action, .status_code = status_code};

    assert_true(sim_github_attempt(w->gh, &a, NULL));
    return job;
}

/* What is asked for is accepted, and for long no attempt of it stands in the log: one that failed is asked for sooner.
 */
static void redeliveries_are_slow(struct bed *w)
{
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){
                       .op = SIM_GH_REDELIVER, .kind = SIM_FAULT_STATUS, .status = 202, .body = "{}", .next = 1000});
}

/* --- the delivery log --------------------------------------------------------------------------------------------- */

static void test_catch_up__with_nothing_to_do_an_hour_costs_a_call_every_five_minutes(void **state)
{
    struct bed *w = *state;

    assert_true(bed_settle(w));
    assert_int_equal(log_calls(w), 1);
    bed_pass_by(w, HOUR, MINUTE);
    assert_true(log_calls(w) >= 12 && log_calls(w) <= 13);
    assert_int_equal(bed_asked_for_jobs(w), 0);
}

/* Behind whatever is decided on, hours of too much work would hide a job whose events were lost. */
static void test_catch_up__it_has_its_turn_among_decisions(void **state)
{
    struct bed *w = *state;

    for (int round = 0; round < 2; round++) {
        assert_true(bed_settle(w));
        assert_int_equal(bed_number(w,
                                    "SELECT count(*) FROM task WHERE kind = $1 AND priority <= 2"
                                    " AND subject IN ('deliveries', 'jobs')",
                                    TASK_CATCH_UP),
                         2);
        bed_pass_by(w, HOUR, MINUTE);
    }
}

static void test_catch_up__what_nobody_answered_is_asked_for_once_and_anew_only_after_a_while(void **state)
{
    struct bed *w = *state;

    assert_true(bed_settle(w));
    redeliveries_are_slow(w);
    (void)missed(w, bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu"), "queued", 502);
    bed_pass_by(w, 5 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 1);
    bed_pass_by(w, 8 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 1);
    bed_pass_by(w, 8 * MINUTE, MINUTE); /* it did not come */
    assert_int_equal(asked_again(w), 2);
}

/* What is asked for is on record first; whether GitHub heard of it only afterwards. */
static void test_catch_up__what_a_crash_kept_from_being_asked_for_is_asked_for_a_minute_later(void **state)
{
    struct bed *w = *state;
    int64_t now_ms = clock_now_ms();

    bed_down(w);
    (void)missed(w, bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu"), "queued", 502);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_REDELIVER, .kind = SIM_FAULT_HANG, .hang_ms = 3000, .next = 1});
    bed_up(w);
    while (asked_again(w) == 0)
        bed_advance(w, 0);
    assert_int_equal(bed_number(w, "SELECT due_ms FROM missed WHERE tries = $1", 1), now_ms + MINUTE);
    assert_true(bed_settle(w)); /* now it was */
    assert_int_equal(bed_number(w, "SELECT tries FROM missed WHERE due_ms > $1", now_ms + 5 * MINUTE), 1);
}

static void test_catch_up__a_delivery_that_never_comes_is_given_up_with_a_word(void **state)
{
    struct bed *w = *state;

    (void)missed(w, bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu"), "queued", 0);
    bed_pass_by(w, 40 * HOUR, 30 * MINUTE);
    assert_int_equal(asked_again(w), 8);
    assert_int_equal(BED_EVENTS(w, "delivery.given_up", 0), 1);
    bed_pass_by(w, 90 * HOUR, HOUR); /* its record goes when the log is too old for it */
    assert_int_equal(asked_again(w), 8);
    assert_int_equal(BED_EVENTS(w, "delivery.given_up", 0), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM missed WHERE $1 = 0", 0), 0);
}

static void test_catch_up__what_somebody_answered_is_not_asked_for_whichever_attempt_it_was(void **state)
{
    static const int codes[][2] = {{202, 0}, {502, 200}, {0, 302}, {204, 503}};
    struct bed *w = *state;

    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        int64_t id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");

        (void)missed(w, id, "queued", codes[i][0]);
        (void)missed(w, id, "queued", codes[i][1]);
    }
    bed_pass_by(w, HOUR, 5 * MINUTE);
    assert_int_equal(asked_again(w), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM missed WHERE $1 = 0", 0), 0);
}

/* What is said is kept, so that it is said once: it is the log's problem until a delivery of ours is in it. */
#define ELSEWHERE(w) bed_number((w), "SELECT count(*) FROM delivery_log WHERE problem = 'elsewhere' AND $1 = 0", 0)

static void test_catch_up__deliveries_that_others_answer_are_a_problem_that_is_told(void **state)
{
    struct bed *w = *state;

    assert_true(bed_settle(w));
    assert_int_equal(ELSEWHERE(w), 0);
    (void)missed(w, bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu"), "queued", 202);
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_int_equal(ELSEWHERE(w), 1);
    assert_int_equal(asked_again(w), 0);
}

struct known {
    char guid[37];
};

static int known_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct known *k = arg;
    bool known;

    return store_delivery_put(t, k->guid, clock_now_ms(), &known, e);
}

static void test_catch_up__what_is_in_our_store_is_not_asked_for_though_github_saw_no_answer(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    struct sim_attempt a = {.job_id = id, .action = "queued", .status_code = 0};
    struct known k;
    struct err e;

    assert_true(sim_github_attempt(w->gh, &a, k.guid));
    assert_int_equal(store_write(w->store, known_tx, &k, &e), 0);
    bed_pass_by(w, HOUR, 5 * MINUTE);
    assert_int_equal(asked_again(w), 0);
}

static void test_catch_up__what_arrived_after_it_was_asked_for_is_not_asked_for_again(void **state)
{
    struct bed *w = *state;
    struct sim_attempt a = {.action = "queued", .status_code = 503};
    struct known k;
    struct err e;

    assert_true(bed_settle(w));
    a.job_id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(sim_github_attempt(w->gh, &a, k.guid));
    bed_pass_by(w, 5 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 1);
    assert_int_equal(store_write(w->store, known_tx, &k, &e), 0);
    bed_pass_by(w, 2 * HOUR, 5 * MINUTE);
    assert_int_equal(asked_again(w), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM missed WHERE $1 = 0", 0), 0);
}

static void test_catch_up__one_that_github_held_back_gets_its_time_to_come_by_itself(void **state)
{
    struct bed *w = *state;
    struct sim_attempt a = {.action = "queued", .throttled = true};

    assert_true(bed_settle(w));
    a.job_id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(sim_github_attempt(w->gh, &a, NULL));
    bed_pass_by(w, 14 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 0);
    bed_pass_by(w, 10 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 1);
}

static void test_catch_up__what_is_older_than_three_days_is_left_and_what_is_younger_is_not(void **state)
{
    struct bed *w = *state;
    int64_t id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    int64_t other = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    struct sim_attempt old = {id, "queued", 0, false, clock_now_ms() - 3 * DAY - MINUTE};
    struct sim_attempt young = {other, "queued", 0, false, clock_now_ms() - 3 * DAY + 2 * HOUR};

    redeliveries_are_slow(w);
    assert_true(sim_github_attempt(w->gh, &old, NULL));
    assert_true(sim_github_attempt(w->gh, &young, NULL));
    bed_pass_by(w, 10 * MINUTE, MINUTE);
    assert_int_equal(asked_again(w), 1);
}

/* Thousands in one outage: all pages are read, and the oldest come first, a few at a time. */
static void test_catch_up__a_long_log_is_read_to_its_end_and_asked_for_from_its_oldest_on(void **state)
{
    struct bed *w = *state;
    int64_t id, asked;

    bed_down(w);
    for (int i = 0; i < 250; i++) {
        struct sim_attempt a = {.action = "queued", .status_code = 503};

        a.job_id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
        a.at_ms = clock_now_ms() - HOUR + i * 1000;
        id = a.job_id;
        assert_true(sim_github_attempt(w->gh, &a, NULL));
    }
    (void)id;
    bed_up(w);
    assert_true(bed_settle(w));
    assert_int_equal(log_calls(w), 3);
    asked = bed_number(w, "SELECT count(*) FROM missed WHERE tries > $1", 0);
    assert_true(asked > 0 && asked <= 20);
    assert_int_equal(bed_number(w,
                                "SELECT count(*) FROM missed AS a, missed AS b WHERE a.tries = 0 AND b.tries > 0 AND"
                                " a.delivered_ms < b.delivered_ms AND $1 = 0",
                                0),
                     0);
    bed_pass_by(w, 6 * MINUTE, 10 * 1000);
    assert_true(asked_again(w) >= 250);
}

static void test_catch_up__a_reading_that_fails_half_way_goes_on_there_and_moves_no_mark_before_its_end(void **state)
{
    struct bed *w = *state;
    int64_t id;

    bed_down(w);
    id = missed(w, bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu"), "queued", 502);
    for (int i = 0; i < 3050; i++) {
        struct sim_attempt a = {.job_id = id, .action = i % 2 == 0 ? "waiting" : "x", .status_code = 202};

        assert_true(sim_github_attempt(w->gh, &a, NULL));
    }
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_DELIVERIES, .kind = SIM_FAULT_STATUS, .status = 502, .next = 1});
    bed_up(w);
    assert_true(bed_settle(w)); /* nothing was read at all */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery_log WHERE mark_ms > $1", 0), 0);
    for (int i = 0; i < SOON_ROUNDS && pages_read(w) < 30; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(pages_read(w), 30);
    assert_in_range(log_calls(w), 31, 32); /* the one that was told to fail; on a busy machine once another one */
    assert_int_equal(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0), 0);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_DELIVERIES, .kind = SIM_FAULT_STATUS, .status = 502, .next = 1});
    bed_pass_by(w, 20 * 1000, 5 * 1000);
    assert_int_equal(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0), 0);
    assert_int_equal(asked_again(w), 0);
    for (int i = 0; i < SOON_ROUNDS && asked_again(w) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(asked_again(w), 1);
    assert_true(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0) > 0);
    assert_true(log_calls(w) <= 36); /* the pages before were not read again */
}

static void test_catch_up__a_log_that_cannot_be_read_is_left_for_an_hour_while_the_looks_go_on(void **state)
{
    struct bed *w = *state;
    size_t before;

    assert_true(bed_settle(w));
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_DELIVERIES, .kind = SIM_FAULT_STATUS, .status = 404, .next = 1000});
    before = log_calls(w);
    (void)bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass_by(w, 8 * MINUTE, MINUTE);
    assert_int_equal(memcloud_live(w->aws), 2);
    bed_pass_by(w, 22 * MINUTE, MINUTE);
    assert_int_equal(log_calls(w), before + 1);
    sim_http_faults_clear(sim_github_http(w->gh));
    bed_pass_by(w, 40 * MINUTE, MINUTE);
    assert_true(log_calls(w) >= before + 2);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery_log WHERE problem = '' AND $1 = 0", 0), 1);
}

static void test_catch_up__a_log_that_repeats_itself_is_not_read_for_ever(void **state)
{
    struct bed *w = *state;

    bed_down(w);
    sim_github_log_endless(w->gh, true, false);
    bed_up(w);
    bed_pass_by(w, 10 * MINUTE, 10 * 1000);
    assert_true(log_calls(w) <= 1 + 2 * 4);
}

static void test_catch_up__a_log_without_end_is_read_to_a_thousand_pages(void **state)
{
    struct bed *w = *state;
    size_t after;

    bed_down(w);
    sim_github_log_endless(w->gh, true, true);
    bed_up(w);
    for (int i = 0; i < 60; i++)
        bed_pass(w, 20 * 1000);
    after = log_calls(w);
    assert_true(after >= 1000 && after <= 1100);
    assert_true(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0) > 0);
}

/* The first page is GitHub's to give, and the place of the second one it does not know: again and again. */
static void test_catch_up__a_place_in_the_log_that_is_gone_each_time_is_told_once(void **state)
{
    struct bed *w = *state;
    int64_t id;

    bed_down(w);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    for (int i = 0; i < 3100; i++)
        (void)missed(w, id, "x", 202);
    bed_up(w);
    for (int i = 0; i < 3; i++) {
        for (int k = 0;
             k < 200 && bed_number(w, "SELECT count(*) FROM delivery_log WHERE cursor <> '' AND $1 = 0", 0) == 0; k++)
            bed_pass(w, 5 * 1000);
        sim_http_fault(
            sim_github_http(w->gh),
            &(struct sim_fault){.op = SIM_GH_DELIVERIES, .kind = SIM_FAULT_STATUS, .status = 422, .next = 1});
        for (int k = 0;
             k < 20 && bed_number(w, "SELECT count(*) FROM delivery_log WHERE cursor <> '' AND $1 = 0", 0) == 1; k++)
            bed_pass(w, 5 * 1000);
    }
    assert_int_equal(BED_EVENTS(w, "deliveries.expired", 0), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery_log WHERE problem = 'expired' AND $1 = 0", 0), 1);
    assert_int_equal(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0), 0);
    bed_pass_by(w, 10 * MINUTE, 10 * 1000); /* and no later than ever when it is there again */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM delivery_log WHERE problem <> 'expired' AND $1 = 0", 0), 1);
    assert_true(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0) > 0);
}

static void test_catch_up__a_delivery_of_a_time_to_come_hides_none_that_is_missed_later(void **state)
{
    struct bed *w = *state;
    struct sim_attempt a = {.action = "waiting", .status_code = 202, .at_ms = clock_now_ms() + 30 * DAY};

    assert_true(bed_settle(w));
    a.job_id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(sim_github_attempt(w->gh, &a, NULL));
    bed_pass_by(w, 6 * MINUTE, MINUTE);
    assert_true(bed_number(w, "SELECT mark_ms FROM delivery_log WHERE id = 1 OR $1 = 1", 0) <= clock_now_ms());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catch_up__with_nothing_to_do_an_hour_costs_a_call_every_five_minutes),
        TEST(test_catch_up__it_has_its_turn_among_decisions),
        TEST(test_catch_up__what_nobody_answered_is_asked_for_once_and_anew_only_after_a_while),
        TEST(test_catch_up__what_a_crash_kept_from_being_asked_for_is_asked_for_a_minute_later),
        TEST(test_catch_up__a_delivery_that_never_comes_is_given_up_with_a_word),
        TEST(test_catch_up__what_somebody_answered_is_not_asked_for_whichever_attempt_it_was),
        TEST(test_catch_up__deliveries_that_others_answer_are_a_problem_that_is_told),
        TEST(test_catch_up__what_is_in_our_store_is_not_asked_for_though_github_saw_no_answer),
        TEST(test_catch_up__what_arrived_after_it_was_asked_for_is_not_asked_for_again),
        TEST(test_catch_up__one_that_github_held_back_gets_its_time_to_come_by_itself),
        TEST(test_catch_up__what_is_older_than_three_days_is_left_and_what_is_younger_is_not),
        TEST(test_catch_up__a_long_log_is_read_to_its_end_and_asked_for_from_its_oldest_on),
        TEST(test_catch_up__a_reading_that_fails_half_way_goes_on_there_and_moves_no_mark_before_its_end),
        TEST(test_catch_up__a_log_that_cannot_be_read_is_left_for_an_hour_while_the_looks_go_on),
        TEST(test_catch_up__a_place_in_the_log_that_is_gone_each_time_is_told_once),
        TEST(test_catch_up__a_delivery_of_a_time_to_come_hides_none_that_is_missed_later),
        TEST(test_catch_up__a_log_that_repeats_itself_is_not_read_for_ever),
        TEST(test_catch_up__a_log_without_end_is_read_to_a_thousand_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
