/* The delivery log's place, missed deliveries, repositories and jobs to look at, what is closed to us. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/store_catch_up.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

static void test_store_catch_up__the_place_in_the_log_is_kept_whole(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_log l = {.mark_ms = 9}, want = {5, 6, 7, 8, 1, 2, "v1_17", "auth"};
    struct err e;

    assert_ok(store_log_get(t, &l, &e), e);
    assert_int_equal(l.mark_ms, 0);
    assert_ok(store_log_put(t, &(struct store_log){.mark_ms = 1}, &e), e);
    assert_ok(store_log_put(t, &want, &e), e);
    assert_ok(store_log_get(t, &l, &e), e);
    assert_true(l.mark_ms == 5 && l.top_ms == 6 && l.lowest_id == 7 && l.pages == 8 && l.ours == 1 && l.alien == 2);
    assert_string_equal(l.cursor, "v1_17");
    assert_string_equal(l.problem, "auth");
    hand_commit(*state);
}

static void test_store_catch_up__a_delivery_that_was_put_is_known(void **state)
{
    struct store_tx *t = hand_begin(*state);
    bool known = true;
    struct err e;

    assert_ok(store_delivery_known(t, "g-1", &known, &e), e);
    assert_false(known);
    assert_ok(store_delivery_put(t, "g-1", NOW, &known, &e), e);
    assert_ok(store_delivery_known(t, "g-1", &known, &e), e);
    assert_true(known);
    hand_commit(*state);
}

static bool note(struct store_tx *t, const char *guid, int64_t id, int64_t delivered_ms, int64_t due_ms)
{
    struct store_missed m = {.event = "workflow_job", .action = "queued"};
    bool added;
    struct err e;

    (void)snprintf(m.guid, sizeof(m.guid), "%s", guid);
    m.delivery_id = id;
    m.delivered_ms = delivered_ms;
    m.due_ms = due_ms;
    assert_ok(store_missed_note(t, &m, &added, &e), e);
    return added;
}

static void test_store_catch_up__missed_deliveries_come_oldest_first_and_only_when_due(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_missed got[4];
    int64_t next;
    size_t n;
    struct err e;

    assert_true(note(t, "b", 20, 200, NOW));
    assert_true(note(t, "a", 30, 100, NOW));
    assert_true(note(t, "c", 10, 50, NOW + 1));
    assert_false(note(t, "a", 40, 300, NOW + 9)); /* a newer attempt of the same: its id counts, the rest stays */
    assert_ok(store_missed_due(t, NOW, got, 4, &n, &e), e);
    assert_int_equal(n, 2);
    assert_string_equal(got[0].guid, "a");
    assert_true(got[0].delivery_id == 40 && got[0].delivered_ms == 100 && got[0].tries == 0 && got[0].due_ms == NOW);
    assert_string_equal(got[1].guid, "b");
    assert_string_equal(got[1].event, "workflow_job");
    assert_string_equal(got[1].action, "queued");
    assert_ok(store_missed_put(t, "a", 1, NOW + 7, &e), e);
    assert_ok(store_missed_drop(t, "b", &e), e);
    assert_ok(store_missed_due(t, NOW, got, 4, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(store_missed_next(t, &next, &e), e);
    assert_int_equal(next, NOW + 1);
    assert_ok(store_missed_due(t, NOW + 7, got, 1, &n, &e), e);
    assert_int_equal(n, 1);
    assert_string_equal(got[0].guid, "c");
    hand_commit(*state);
}

static void test_store_catch_up__a_redelivery_that_failed_is_soon_due_again_but_not_for_ever(void **state)
{
    struct store_tx *t = hand_begin(*state);
    int64_t next, hour = 3600 * 1000;
    struct err e;

    assert_true(note(t, "a", 20, 100, NOW));
    for (int64_t tries = 1; tries <= 4; tries++) {
        assert_ok(store_missed_put(t, "a", tries, NOW + hour, &e), e);
        (void)note(t, "a", 20 + tries - 1, 100, NOW); /* the one that made us ask is there still */
        assert_ok(store_missed_next(t, &next, &e), e);
        assert_int_equal(next, NOW + hour);
        (void)note(t, "a", 20 + tries, 100, NOW);
        assert_ok(store_missed_next(t, &next, &e), e);
        assert_int_equal(next, tries <= 3 ? NOW + 60000 : NOW + hour);
    }
    hand_commit(*state);
}

static void test_store_catch_up__one_answered_attempt_settles_all_of_a_delivery(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_missed got[4];
    int64_t next;
    size_t n;
    struct err e;

    assert_ok(store_missed_answered(t, "a", true, &e), e); /* the newest attempt first, as the log tells them */
    assert_false(note(t, "a", 10, 50, NOW));
    assert_true(note(t, "b", 10, 50, NOW));
    assert_ok(store_missed_answered(t, "b", false, &e), e);
    assert_ok(store_missed_due(t, NOW, got, 4, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(store_missed_next(t, &next, &e), e);
    assert_int_equal(next, -1);
    assert_ok(store_missed_read(t, &e), e);
    assert_true(note(t, "a", 10, 50, NOW)); /* nothing is kept beyond its reading */
    hand_commit(*state);
}

static void active(struct store_tx *t, int64_t repo_id, int64_t at_ms, int64_t due_ms)
{
    struct job j = {.repo_id = repo_id, .installation_id = 7};
    char repo[] = "octo/train", branch[] = "main";
    struct err e;

    j.repo = repo;
    j.default_branch = at_ms == NOW ? branch : NULL;
    assert_ok(store_active_note(t, &j, at_ms, due_ms, &e), e);
}

static void test_store_catch_up__repositories_are_looked_at_in_turn(void **state)
{
    struct store_tx *t = hand_begin(*state);
    AUTO_ACTIVE struct store_active a = {0};
    int64_t ids[2], next;
    size_t n;
    bool found;
    struct err e;

    active(t, 11, NOW, NOW + 100);
    active(t, 12, NOW, NOW + 50);
    active(t, 12, NOW + 10, NOW + 200); /* another job does not put it off, and takes no default branch away */
    assert_ok(store_active_due(t, NOW + 49, &a, &found, &e), e);
    assert_false(found);
    assert_ok(store_active_due(t, NOW + 100, &a, &found, &e), e);
    assert_true(found && a.repo_id == 12 && a.last_ms == NOW + 10 && a.due_ms == NOW + 50 && a.after == 0);
    assert_string_equal(a.repo, "octo/train");
    assert_string_equal(a.default_branch, "main");
    store_active_clear(&a);
    assert_ok(store_active_looked(t, 12, NOW + 500, 99, &e), e);
    assert_ok(store_active_due(t, NOW + 100, &a, &found, &e), e);
    assert_true(found && a.repo_id == 11);
    store_active_clear(&a);
    assert_ok(store_look_next(t, &next, &e), e);
    assert_int_equal(next, NOW + 100);
    assert_ok(store_active_get(t, 12, &a, &found, &e), e);
    assert_true(found && a.after == 99);
    store_active_clear(&a);
    assert_ok(store_active_of(t, 7, 0, ids, 2, &n, &e), e);
    assert_true(n == 2 && ids[0] == 11 && ids[1] == 12);
    assert_ok(store_active_of(t, 7, 11, ids, 2, &n, &e), e);
    assert_true(n == 1 && ids[0] == 12);
    assert_ok(store_active_of(t, 8, 0, ids, 2, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(store_active_drop(t, 12, &e), e);
    assert_ok(store_active_get(t, 12, &a, &found, &e), e);
    assert_false(found);
    assert_ok(store_active_machines(t, 11, &next, &e), e);
    assert_int_equal(next, 0);
    hand_commit(*state);
}

static void test_store_catch_up__jobs_are_looked_at_until_they_are_dropped(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_look got[2];
    int64_t next;
    size_t n;
    struct err e;

    assert_ok(store_look_next(t, &next, &e), e);
    assert_int_equal(next, -1);
    assert_ok(store_look_note(t, 5, NOW, &e), e);
    assert_ok(store_look_note(t, 5, NOW - 100, &e), e); /* it stays */
    assert_ok(store_look_note(t, 4, NOW, &e), e);
    assert_ok(store_look_due(t, NOW, got, 2, &n, &e), e);
    assert_true(n == 2 && got[0].job_id == 4 && got[1].job_id == 5 && got[1].due_ms == NOW && got[1].misses == 0);
    assert_ok(store_look_put(t, &(struct store_look){4, NOW + 9, 2}, &e), e);
    assert_ok(store_look_put(t, &(struct store_look){6, NOW, 0}, &e), e); /* not there */
    assert_ok(store_look_drop(t, 5, &e), e);
    assert_ok(store_look_due(t, NOW + 9, got, 2, &n, &e), e);
    assert_true(n == 1 && got[0].job_id == 4 && got[0].misses == 2);
    hand_commit(*state);
}

static void put_job(struct store_tx *t, int64_t id, int64_t installation_id, int64_t repo_id, enum job_want want)
{
    struct job j = {.id = id,
                    .run_id = 1,
                    .run_attempt = 1,
                    .installation_id = installation_id,
                    .repo_id = repo_id,
                    .state = JOB_QUEUED,
                    .want = want};
    char key[] = "gpu", subject[24];
    int before;
    bool moved;
    struct err e;

    j.label_key = key;
    assert_ok(store_job_merge(t, &j, &before, &moved, &e), e);
    (void)snprintf(subject, sizeof(subject), "%lld", (long long)id);
    if (want == WANT_UNDECIDED)
        assert_ok(store_task_put(t, TASK_JOB, subject, TASK_DECIDE, NOW, &e), e);
}

static void put_machine(struct store_tx *t, const char *name, int64_t repo_id, enum machine_state state)
{
    struct machine m = {.state = state, .installation_id = 7, .repo_id = repo_id};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    assert_ok(store_machine_insert(t, &m, &e), e);
}

static void test_store_catch_up__what_waits_of_an_installation_or_a_repository_is_found(void **state)
{
    struct store_tx *t = hand_begin(*state);
    store_machine_name names[4];
    int64_t ids[4];
    size_t n;
    struct err e;

    put_job(t, 1, 7, 11, WANT_MACHINE);
    put_job(t, 2, 7, 12, WANT_MACHINE);
    put_job(t, 3, 8, 13, WANT_MACHINE);
    put_job(t, 4, 7, 11, WANT_UNDECIDED);
    put_job(t, 5, 7, 12, WANT_UNDECIDED);
    put_job(t, 6, 7, 11, WANT_REFUSED);
    assert_ok(store_reach_wanting(t, 7, 0, ids, 4, &n, &e), e);
    assert_true(n == 2 && ids[0] == 1 && ids[1] == 2);
    assert_ok(store_reach_wanting(t, 7, 12, ids, 4, &n, &e), e);
    assert_true(n == 1 && ids[0] == 2);
    assert_ok(store_reach_undecided(t, 7, 0, 0, ids, 4, &n, &e), e);
    assert_true(n == 2 && ids[0] == 4 && ids[1] == 5);
    assert_ok(store_reach_undecided(t, 7, 0, 4, ids, 4, &n, &e), e);
    assert_true(n == 1 && ids[0] == 5);
    put_machine(t, "muster-a", 11, M_WANTED);
    put_machine(t, "muster-b", 12, M_LAUNCHING);
    put_machine(t, "muster-c", 12, M_BOOTING);
    assert_ok(store_reach_unlaunched(t, 7, 0, "", names, 4, &n, &e), e);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "muster-a");
    assert_string_equal(names[1], "muster-b");
    assert_ok(store_reach_unlaunched(t, 7, 0, "muster-a", names, 4, &n, &e), e);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "muster-b");
    assert_ok(store_reach_unlaunched(t, 7, 11, "", names, 4, &n, &e), e);
    assert_int_equal(n, 1);
    assert_ok(store_active_machines(t, 12, &ids[0], &e), e);
    assert_int_equal(ids[0], 2);
    hand_commit(*state);
}

static void test_store_catch_up__what_is_closed_says_why(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_reach r = {true, 1, "x", 1, 1}, closed = {true, NOW, "suspended", 2, NOW + 5};
    struct err e;

    assert_ok(store_reach_get(t, "i7", &r, &e), e);
    assert_true(!r.closed && r.asked_ms == 0 && r.reason[0] == '\0');
    assert_ok(store_reach_put(t, "i7", &closed, &e), e);
    assert_ok(store_reach_get(t, "i7", &r, &e), e);
    assert_true(r.closed && r.asked_ms == NOW && r.misses == 2 && r.answered_ms == NOW + 5);
    assert_string_equal(r.reason, "suspended");
    assert_ok(store_reach_put(t, "i7", &(struct store_reach){.asked_ms = 3}, &e), e);
    assert_ok(store_reach_get(t, "i7", &r, &e), e);
    assert_true(!r.closed && r.asked_ms == 3 && r.misses == 0 && r.answered_ms == 0);
    assert_ok(store_reach_drop(t, "i7", &e), e);
    assert_ok(store_reach_get(t, "i7", &r, &e), e);
    assert_int_equal(r.asked_ms, 0);
    hand_commit(*state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_store_catch_up__the_place_in_the_log_is_kept_whole),
        TEST(test_store_catch_up__a_delivery_that_was_put_is_known),
        TEST(test_store_catch_up__missed_deliveries_come_oldest_first_and_only_when_due),
        TEST(test_store_catch_up__a_redelivery_that_failed_is_soon_due_again_but_not_for_ever),
        TEST(test_store_catch_up__one_answered_attempt_settles_all_of_a_delivery),
        TEST(test_store_catch_up__repositories_are_looked_at_in_turn),
        TEST(test_store_catch_up__jobs_are_looked_at_until_they_are_dropped),
        TEST(test_store_catch_up__what_waits_of_an_installation_or_a_repository_is_found),
        TEST(test_store_catch_up__what_is_closed_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
