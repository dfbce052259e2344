/* Times in the store when the wall clock is set: what the old clock wrote moves with it, what the new one wrote stays.
 */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/store_internal.h"
#include "server/store/store_upkeep.h"

#include <stdio.h>
#include <stdlib.h>

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define NOW (INT64_C(20000) * DAY) /* by the new clock */

static int64_t number(struct hand *h, const char *sql)
{
    struct store_tx *t = hand_begin(h);
    int64_t n = -1;
    struct err e;

    assert_ok(tx_read(t, sql, NULL, 0, row_i64, &n, &e), e);
    hand_commit(h);
    return n;
}

static void run(struct store_tx *t, const char *sql, int64_t v)
{
    struct err e;

    assert_ok(tx_write(t, sql, VALS(DB_I(v)), NULL, NULL, NULL, &e), e);
}

static void machine(struct hand *h, const char *name, int64_t launched_ms, int64_t boot_deadline_ms)
{
    char repo[] = "a/b", labels[] = "[]", key[] = "gpu", plan[] = "{}";
    struct machine m = {.state = M_BOOTING,
                        .repo_id = 5,
                        .created_ms = launched_ms,
                        .launched_ms = launched_ms,
                        .boot_deadline_ms = boot_deadline_ms,
                        .expires_ms = launched_ms + 6 * HOUR,
                        .repo = repo,
                        .labels_json = labels,
                        .label_key = key,
                        .plan_json = plan};
    struct store_tx *t = hand_begin(h);
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    assert_ok(store_machine_insert(t, &m, &e), e);
    hand_commit(h);
}

/* A minute after the last look that found it right. */
static void leap(struct hand *h, int64_t by_ms)
{
    const struct store_leap l = {.by_ms = by_ms, .now_ms = NOW, .since_ms = NOW - MINUTE, .lease_until_ms = NOW + HOUR};
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_leap(t, &l, &e), e);
    hand_commit(h);
}

static void test_store_leap__set_back_a_machine_keeps_what_it_has_to_live(void **state)
{
    machine(*state, "young", NOW + DAY - 5 * MINUTE, NOW + DAY + 5 * MINUTE);
    leap(*state, -DAY);
    assert_int_equal(number(*state, "SELECT launched_ms FROM machine"), NOW - 5 * MINUTE);
    assert_int_equal(number(*state, "SELECT boot_deadline_ms FROM machine"), NOW + 5 * MINUTE);
    assert_int_equal(number(*state, "SELECT expires_ms FROM machine"), NOW - 5 * MINUTE + 6 * HOUR);
}

static void test_store_leap__asked_for_by_the_old_clock_and_up_by_the_new_its_boot_deadline_stays(void **state)
{
    machine(*state, "m", NOW + DAY - 2 * MINUTE, NOW + 10 * MINUTE);
    leap(*state, -DAY);
    assert_int_equal(number(*state, "SELECT launched_ms FROM machine"), NOW - 2 * MINUTE);
    assert_int_equal(number(*state, "SELECT boot_deadline_ms FROM machine"), NOW + 10 * MINUTE);
}

static void test_store_leap__launched_by_the_new_clock_before_anybody_noticed_a_machine_is_left_as_it_is(void **state)
{
    machine(*state, "m", NOW - MINUTE / 2, NOW + 10 * MINUTE);
    leap(*state, -DAY);
    assert_int_equal(number(*state, "SELECT launched_ms FROM machine"), NOW - MINUTE / 2);
    assert_int_equal(number(*state, "SELECT boot_deadline_ms FROM machine"), NOW + 10 * MINUTE);
    assert_int_equal(number(*state, "SELECT expires_ms FROM machine"), NOW - MINUTE / 2 + 6 * HOUR);
}

static void test_store_leap__what_became_surplus_by_the_new_clock_is_not_moved_with_its_machine(void **state)
{
    struct store_tx *t;

    machine(*state, "m", NOW - DAY - HOUR, NOW - DAY);
    t = hand_begin(*state);
    run(t, "UPDATE machine SET surplus_ms = $1", NOW - MINUTE / 2);
    hand_commit(*state);
    leap(*state, DAY);
    assert_int_equal(number(*state, "SELECT launched_ms FROM machine"), NOW - HOUR);
    assert_int_equal(number(*state, "SELECT surplus_ms FROM machine"), NOW - MINUTE / 2);
}

/* Everything at `at`, by whichever clock that is. */
static void write_down(struct hand *h, int64_t at)
{
    struct store_tx *t = hand_begin(h);

    run(t,
        "INSERT INTO watch (machine, state, since_ms, gone_ms, asked_ms, ask, told) VALUES ('m', 3, $1, $1, 0, 0, 0)",
        at);
    run(t,
        "INSERT INTO sweep_stray (place_id, cloud, region, instance_id, name, repo, job_id, created_ms, expires_ms,"
        " part, mark, first_ms, condemned_ms, asked_ms) VALUES (1, 'aws', 'r', 'i', 'n', 'a/b', 0, 0, 0, 0, 1, $1, 0, "
        "0)",
        at);
    run(t, "INSERT INTO job_look (job_id, due_ms, misses) VALUES (1, $1, 0)", at);
    run(t,
        "INSERT INTO active (repo_id, installation_id, last_ms, due_ms, after, repo) VALUES (5, 1, $1, $1, 0, 'a/b')",
        at);
    run(t,
        "INSERT INTO missed (guid, event, action, delivery_id, delivered_ms, tries, due_ms, answered)"
        " VALUES ('g', 'e', 'a', 1, 1, 0, $1, 0)",
        at);
    run(t, "INSERT INTO job_report (job_id, report_id, cause, line, col, retried_ms) VALUES (1, 0, 0, 0, 0, $1)", at);
    run(t, "INSERT INTO reach (id, closed, asked_ms, reason) VALUES ('i1', 0, $1, '')", at);
    run(t, "INSERT INTO speed (key, boot_ms, refused_until_ms, at_ms) VALUES ('k', 1, $1, 1)", at);
    hand_commit(h);
}

#define NOTED                                                                                                          \
    "SELECT since_ms FROM watch UNION ALL SELECT gone_ms FROM watch UNION ALL SELECT first_ms FROM sweep_stray"        \
    " UNION ALL SELECT last_ms FROM active UNION ALL SELECT retried_ms FROM job_report"                                \
    " UNION ALL SELECT asked_ms FROM reach"
#define DUE                                                                                                            \
    "SELECT due_ms FROM active UNION ALL SELECT due_ms FROM job_look"                                                  \
    " UNION ALL SELECT due_ms FROM missed UNION ALL SELECT refused_until_ms FROM speed"

static void test_store_leap__set_back_nothing_is_left_behind_in_the_future(void **state)
{
    static const char least[] = "SELECT min(since_ms) FROM (" NOTED " UNION ALL " DUE ") AS all_of_them";
    static const char most[] = "SELECT max(since_ms) FROM (" NOTED " UNION ALL " DUE ") AS all_of_them";

    write_down(*state, NOW + DAY - 5 * MINUTE);
    leap(*state, -DAY);
    assert_int_equal(number(*state, least), NOW - 5 * MINUTE);
    assert_int_equal(number(*state, most), NOW - 5 * MINUTE);
    assert_int_equal(number(*state, "SELECT asked_ms FROM watch"), 0);
}

static void test_store_leap__set_back_what_was_due_long_ago_is_due_still(void **state)
{
    struct store_tx *t = hand_begin(*state);
    int64_t due = -99;
    struct err e;

    assert_ok(store_task_put(t, TASK_MACHINE, "m", TASK_CHECK, 1, &e), e);
    hand_commit(*state);
    leap(*state, -DAY);
    t = hand_begin(*state);
    assert_ok(store_task_next_due(t, TASK_REPORT, &due, &e), e);
    assert_int_equal(due, 1); /* -1 would be nothing */
    hand_commit(*state);
}

static void test_store_leap__set_forwards_what_was_noted_of_machines_is_not_older_than_before(void **state)
{
    write_down(*state, NOW - DAY - 5 * MINUTE);
    leap(*state, DAY);
    assert_int_equal(number(*state, "SELECT since_ms FROM watch"), NOW - 5 * MINUTE);
    assert_int_equal(number(*state, "SELECT gone_ms FROM watch"), NOW - 5 * MINUTE);
    assert_int_equal(number(*state, "SELECT asked_ms FROM watch"), 0);
    assert_int_equal(number(*state, "SELECT first_ms FROM sweep_stray"), NOW - 5 * MINUTE);
}

static void test_store_leap__what_the_new_clock_noted_stays_whichever_way_it_was_set(void **state)
{
    static const char sql[] = "SELECT since_ms + gone_ms FROM watch";

    write_down(*state, NOW - MINUTE / 2);
    leap(*state, -DAY);
    assert_int_equal(number(*state, sql), 2 * NOW - MINUTE);
    leap(*state, DAY);
    assert_int_equal(number(*state, sql), 2 * NOW - MINUTE);
    assert_int_equal(number(*state, "SELECT first_ms FROM sweep_stray"), NOW - MINUTE / 2);
}

/* --- at a start --------------------------------------------------------------------------------------------------- */

static int64_t start(struct hand *h)
{
    struct store_tx *t = hand_begin(h);
    int64_t ahead_ms = -1;
    struct err e;

    assert_ok(store_leap_at_start(t, NOW, NOW + 2 * HOUR, &ahead_ms, &e), e);
    hand_commit(h);
    return ahead_ms;
}

static void test_store_leap__at_a_start_a_machine_of_the_future_lives_as_one_that_is_launched_now(void **state)
{
    machine(*state, "m", NOW + DAY, NOW + DAY + 10 * MINUTE);
    assert_int_equal(start(*state), DAY);
    assert_int_equal(number(*state, "SELECT launched_ms FROM machine"), NOW);
    assert_int_equal(number(*state, "SELECT created_ms FROM machine"), NOW);
    assert_int_equal(number(*state, "SELECT boot_deadline_ms FROM machine"), NOW + 10 * MINUTE);
    assert_int_equal(number(*state, "SELECT expires_ms FROM machine"), NOW + 6 * HOUR);
    assert_int_equal(start(*state), 0);
}

static void test_store_leap__at_a_start_one_machine_of_the_future_takes_no_time_from_another(void **state)
{
    machine(*state, "of-tomorrow", NOW + DAY, NOW + DAY + 10 * MINUTE);
    machine(*state, "at-work", NOW - HOUR, NOW - 50 * MINUTE);
    (void)start(*state);
    assert_int_equal(number(*state, "SELECT expires_ms FROM machine WHERE name = 'at-work'"), NOW + 5 * HOUR);
    assert_int_equal(number(*state, "SELECT boot_deadline_ms FROM machine WHERE name = 'at-work'"), NOW - 50 * MINUTE);
}

static void test_store_leap__at_a_start_nothing_was_noted_later_than_now_and_nothing_is_due_much_later(void **state)
{
    write_down(*state, NOW + 3 * DAY);
    assert_int_equal(start(*state), 0);
    assert_int_equal(number(*state, "SELECT max(since_ms) FROM (" NOTED ") AS all_of_them"), NOW);
    assert_int_equal(number(*state, "SELECT max(due_ms) FROM (" DUE ") AS all_of_them"), NOW);
}

static void test_store_leap__at_a_start_what_is_due_soon_keeps_its_time(void **state)
{
    write_down(*state, NOW + HOUR);
    (void)start(*state);
    assert_int_equal(number(*state, "SELECT min(due_ms) FROM (" DUE ") AS all_of_them"), NOW + HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)
        TEST(test_store_leap__set_back_a_machine_keeps_what_it_has_to_live),
        TEST(test_store_leap__asked_for_by_the_old_clock_and_up_by_the_new_its_boot_deadline_stays),
        TEST(test_store_leap__launched_by_the_new_clock_before_anybody_noticed_a_machine_is_left_as_it_is),
        TEST(test_store_leap__what_became_surplus_by_the_new_clock_is_not_moved_with_its_machine),
        TEST(test_store_leap__set_back_nothing_is_left_behind_in_the_future),
        TEST(test_store_leap__set_back_what_was_due_long_ago_is_due_still),
        TEST(test_store_leap__set_forwards_what_was_noted_of_machines_is_not_older_than_before),
        TEST(test_store_leap__what_the_new_clock_noted_stays_whichever_way_it_was_set),
        TEST(test_store_leap__at_a_start_a_machine_of_the_future_lives_as_one_that_is_launched_now),
        TEST(test_store_leap__at_a_start_one_machine_of_the_future_takes_no_time_from_another),
        TEST(test_store_leap__at_a_start_nothing_was_noted_later_than_now_and_nothing_is_due_much_later),
        TEST(test_store_leap__at_a_start_what_is_due_soon_keeps_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
