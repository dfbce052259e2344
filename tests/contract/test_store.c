/* What the engine relies on in deliveries, jobs, machines, balances and the timeline. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOW INT64_C(1700000000000)
#define DAY (INT64_C(24) * 3600 * 1000)
#define GUID "72d3162e-cc78-11e3-81ab-4c9367dc0958"

/* --- deliveries ----------------------------------------------------------------------------------------------- */

static bool deliver(struct store_tx *t, const char *guid, int64_t now_ms)
{
    struct err e;
    bool known = false;

    assert_ok(store_delivery_put(t, guid, now_ms, &known, &e), e);
    return known;
}

static void test_store__a_delivery_is_known_the_second_time(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    assert_false(deliver(t, GUID, NOW));
    assert_true(deliver(t, GUID, NOW));
    hand_commit(h);
    t = hand_begin(h);
    assert_true(deliver(t, GUID, NOW));
    assert_false(deliver(t, "72d3162e-cc78-11e3-81ab-4c9367dc0959", NOW));
    hand_commit(h);
}

static void test_store__a_guid_in_capitals_is_the_same_delivery(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    assert_false(deliver(t, GUID, NOW));
    assert_true(deliver(t, "72D3162E-CC78-11E3-81AB-4C9367DC0958", NOW));
    hand_commit(h);
}

static void test_store__delivery_ids_that_are_no_guids_are_told_apart_too(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    char longest[66];
    struct err e;
    bool known;

    memset(longest, 'x', sizeof(longest));
    longest[64] = '\0';
    assert_false(deliver(t, "1", NOW));
    assert_false(deliver(t, "2", NOW));
    assert_false(deliver(t, "72d3162e-cc78-11e3-81ab-4c9367dc095g", NOW));
    assert_false(deliver(t, "72d3162e-cc78-11e3-81ab-4c9367dc09580", NOW));
    assert_false(deliver(t, longest, NOW));
    assert_true(deliver(t, longest, NOW));
    assert_true(deliver(t, "1", NOW));
    longest[64] = 'x';
    longest[65] = '\0';
    assert_fails(store_delivery_put(t, longest, NOW, &known, &e), ERR_INVALID, "1 to 64", e);
    assert_fails(store_delivery_put(t, "", NOW, &known, &e), ERR_INVALID, "1 to 64", e);
    hand_commit(h);
}

static void test_store__an_undone_delivery_is_not_known(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    assert_false(deliver(t, GUID, NOW));
    hand_abort(h);
    t = hand_begin(h);
    assert_false(deliver(t, GUID, NOW));
    hand_commit(h);
    t = hand_begin(h);
    assert_true(deliver(t, GUID, NOW));
    hand_commit(h);
}

static void test_store__deliveries_of_the_last_week_are_known_after_a_restart(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    int64_t now = 0;
    char guid[64];

    /* The wall clock decides at open, hence the real time here. */
    now = (int64_t)time(NULL) * 1000;
    assert_false(deliver(t, "too-old", now - 8 * DAY));
    assert_false(deliver(t, "six-days-old", now - 6 * DAY));
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(guid, sizeof(guid), "%08x-0000-4000-8000-000000000000", i);
        assert_false(deliver(t, guid, now));
    }
    hand_commit(h);
    hand_reopen(h);
    t = hand_begin(h);
    assert_true(deliver(t, "six-days-old", now));
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(guid, sizeof(guid), "%08x-0000-4000-8000-000000000000", i);
        assert_true(deliver(t, guid, now));
    }
    assert_false(deliver(t, "too-old", now));
    hand_commit(h);
}

static void test_store__deliveries_are_forgotten_in_memory_after_a_week_or_two(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    int64_t now = (int64_t)time(NULL) * 1000;

    assert_false(deliver(t, "first", now));
    assert_false(deliver(t, "second", now + 7 * DAY + 60000));
    assert_true(deliver(t, "first", now + 7 * DAY + 60000));
    assert_false(deliver(t, "third", now + 15 * DAY));
    assert_true(deliver(t, "second", now + 15 * DAY));
    assert_false(deliver(t, "first", now + 15 * DAY));
    hand_commit(h);
}

static void test_store__a_clock_set_back_loses_no_delivery(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    assert_false(deliver(t, "a", NOW));
    assert_false(deliver(t, "b", NOW - DAY));
    assert_false(deliver(t, "c", NOW));
    assert_true(deliver(t, "b", NOW));
    hand_commit(h);
}

/* --- jobs ----------------------------------------------------------------------------------------------------- */

static struct job job_said(int64_t id, enum job_state state)
{
    return (struct job){.id = id,
                        .run_id = 70,
                        .run_attempt = 1,
                        .repo_id = 5,
                        .installation_id = 9,
                        .queued_ms = NOW + id,
                        .updated_ms = NOW,
                        .state = state,
                        .repo = mem_strdup("o/r"),
                        .head_sha = mem_strdup("abc"),
                        .name = mem_strdup("build"),
                        .labels_json = mem_strdup("[\"gpu\"]"),
                        .label_key = mem_strdup("gpu")};
}

static int merge(struct store_tx *t, struct job *j, bool *moved)
{
    struct err e;
    int before = -99;

    assert_ok(store_job_merge(t, j, &before, moved, &e), e);
    return before;
}

static struct job job_now(struct store_tx *t, int64_t id)
{
    struct job j = {0};
    bool found = false;
    struct err e;

    assert_ok(store_job_get(t, id, &j, &found, &e), e);
    assert_true(found);
    return j;
}

static void test_store__a_new_job_keeps_everything_said(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job j = job_said(1, JOB_QUEUED);
    bool moved = false;

    j.want = WANT_REFUSED;
    j.reason = mem_strdup("a fork");
    j.plan_json = mem_strdup("[1]");
    j.workflow_name = mem_strdup("it's \"nightly\"; DROP TABLE job");
    j.default_branch = mem_strdup("main");
    assert_int_equal(merge(t, &j, &moved), -1);
    assert_true(moved);
    hand_commit(h);
    hand_reopen(h);
    t = hand_begin(h);
    {
        AUTO_JOB struct job g = job_now(t, 1);

        assert_int_equal(g.run_id, 70);
        assert_int_equal(g.run_attempt, 1);
        assert_int_equal(g.repo_id, 5);
        assert_int_equal(g.installation_id, 9);
        assert_int_equal(g.queued_ms, NOW + 1);
        assert_int_equal(g.updated_ms, NOW);
        assert_int_equal(g.state, JOB_QUEUED);
        assert_int_equal(g.want, WANT_REFUSED);
        assert_string_equal(g.repo, "o/r");
        assert_string_equal(g.default_branch, "main");
        assert_string_equal(g.head_sha, "abc");
        assert_string_equal(g.name, "build");
        assert_string_equal(g.workflow_name, "it's \"nightly\"; DROP TABLE job");
        assert_string_equal(g.labels_json, "[\"gpu\"]");
        assert_string_equal(g.label_key, "gpu");
        assert_string_equal(g.plan_json, "[1]");
        assert_string_equal(g.reason, "a fork");
        assert_null(g.runner_name);
        assert_null(g.conclusion);
    }
    hand_commit(h);
}

static void test_store__a_job_never_moves_back(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    bool moved;

    /* Each event is delivered after each other one: the state is the furthest so far. */
    for (int first = JOB_WAITING; first <= JOB_DONE; first++) {
        for (int second = JOB_WAITING; second <= JOB_DONE; second++) {
            int64_t id = 100 + first * 10 + second;
            AUTO_JOB struct job a = job_said(id, (enum job_state)first);
            AUTO_JOB struct job b = job_said(id, (enum job_state)second);
            AUTO_JOB struct job g = {0};

            assert_int_equal(merge(t, &a, &moved), -1);
            assert_int_equal(merge(t, &b, &moved), first);
            assert_int_equal(moved, second > first);
            g = job_now(t, id);
            assert_int_equal(g.state, second > first ? second : first);
        }
    }
    hand_commit(h);
}

static void test_store__a_late_event_only_fills_what_was_unknown(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job done = job_said(1, JOB_DONE), late = job_said(1, JOB_RUNNING), g = {0};
    bool moved;

    done.installation_id = 0;
    done.runner_name = mem_strdup("muster-a");
    done.conclusion = mem_strdup("success");
    (void)merge(t, &done, &moved);
    late.runner_name = mem_strdup("muster-other");
    late.default_branch = mem_strdup("main");
    free(late.repo);
    late.repo = mem_strdup("other/name");
    assert_int_equal(merge(t, &late, &moved), JOB_DONE);
    assert_false(moved);
    g = job_now(t, 1);
    assert_int_equal(g.state, JOB_DONE);
    assert_int_equal(g.installation_id, 9);
    assert_string_equal(g.default_branch, "main");
    assert_string_equal(g.repo, "o/r");
    assert_string_equal(g.runner_name, "muster-a");
    assert_string_equal(g.conclusion, "success");
    hand_commit(h);
}

static void test_store__runner_and_conclusion_are_set_when_they_become_known(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job queued = job_said(1, JOB_QUEUED), running = job_said(1, JOB_RUNNING);
    AUTO_JOB struct job done = job_said(1, JOB_DONE), g = {0};
    bool moved;

    queued.runner_name = mem_strdup(""); /* as GitHub sends it at times: not known */
    (void)merge(t, &queued, &moved);
    g = job_now(t, 1);
    assert_null(g.runner_name);
    job_clear(&g);
    running.runner_name = mem_strdup("muster-a");
    (void)merge(t, &running, &moved);
    done.conclusion = mem_strdup("failure"); /* names no runner: the one known stays */
    (void)merge(t, &done, &moved);
    g = job_now(t, 1);
    assert_string_equal(g.runner_name, "muster-a");
    assert_string_equal(g.conclusion, "failure");
    hand_commit(h);
}

static void test_store__our_decision_outlives_later_events(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job queued = job_said(1, JOB_QUEUED), running = job_said(1, JOB_RUNNING), g = {0};
    bool moved;
    struct err e;

    (void)merge(t, &queued, &moved);
    assert_ok(store_job_decide(t, 1, WANT_MACHINE, "[2]", "waits for capacity", &e), e);
    running.want = WANT_NOTHING;
    (void)merge(t, &running, &moved);
    g = job_now(t, 1);
    assert_int_equal(g.want, WANT_MACHINE);
    assert_string_equal(g.plan_json, "[2]");
    assert_string_equal(g.reason, "waits for capacity");
    hand_commit(h);
}

static void test_store__a_decision_leaves_what_it_does_not_name(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_JOB struct job queued = job_said(1, JOB_QUEUED), g = {0};
    bool moved, found = true;
    struct err e;

    (void)merge(t, &queued, &moved);
    assert_ok(store_job_decide(t, 1, WANT_MACHINE, "[2]", "waits", &e), e);
    assert_ok(store_job_decide(t, 1, WANT_REFUSED, NULL, NULL, &e), e);
    g = job_now(t, 1);
    assert_int_equal(g.want, WANT_REFUSED);
    assert_string_equal(g.plan_json, "[2]");
    assert_string_equal(g.reason, "waits");
    job_clear(&g);
    assert_ok(store_job_decide(t, 1, WANT_MACHINE, NULL, "", &e), e);
    g = job_now(t, 1);
    assert_null(g.reason);
    job_clear(&g);
    assert_fails(store_job_decide(t, 2, WANT_MACHINE, NULL, NULL, &e), ERR_GONE, "2", e);
    assert_ok(store_job_get(t, 2, &g, &found, &e), e);
    assert_false(found);
    hand_commit(h);
}

/* --- timeline and small values -------------------------------------------------------------------------------- */

static int list_event(void *arg, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                      const char *detail, struct err *e)
{
    char *out = arg;
    size_t n = strlen(out);

    (void)e;
    (void)snprintf(out + n, 512 - n, "%lld:%lld:%s:%s:%s;", (long long)(at_ms - NOW), (long long)job_id,
                   machine != NULL ? machine : "-", kind, detail != NULL ? detail : "-");
    return 0;
}

static void test_store__the_timeline_of_a_job_is_told_in_order(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    char text[512] = "";
    struct err e;

    assert_ok(store_event_add(t, NOW + 5, 1, NULL, "job.queued", NULL, &e), e);
    assert_ok(store_event_add(t, NOW + 6, 2, NULL, "job.queued", NULL, &e), e);
    assert_ok(store_event_add(t, NOW + 7, 0, "m", "machine.lost", NULL, &e), e);
    assert_ok(store_event_add(t, NOW + 4, 1, "m", "machine.launched", "in eu-west-1", &e), e);
    assert_ok(store_events_of_job(t, 1, list_event, text, &e), e);
    assert_string_equal(text, "5:1:-:job.queued:-;4:1:m:machine.launched:in eu-west-1;");
    hand_commit(h);
}

static void test_store__small_values_are_kept_until_replaced(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_FREE char *absent = mem_strdup("x"), *value = NULL;
    char *got = absent;
    struct err e;

    assert_ok(store_meta_get(t, "k", &got, &e), e);
    assert_null(got);
    assert_ok(store_meta_put(t, "k", "1", &e), e);
    assert_ok(store_meta_put(t, "k", "two", &e), e);
    hand_commit(h);
    hand_reopen(h);
    t = hand_begin(h);
    assert_ok(store_meta_get(t, "k", &value, &e), e);
    assert_string_equal(value, "two");
    hand_commit(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store__##name, hand_setup, hand_teardown)
        T(a_delivery_is_known_the_second_time),
        T(a_guid_in_capitals_is_the_same_delivery),
        T(delivery_ids_that_are_no_guids_are_told_apart_too),
        T(an_undone_delivery_is_not_known),
        T(deliveries_of_the_last_week_are_known_after_a_restart),
        T(deliveries_are_forgotten_in_memory_after_a_week_or_two),
        T(a_clock_set_back_loses_no_delivery),
        T(a_new_job_keeps_everything_said),
        T(a_job_never_moves_back),
        T(a_late_event_only_fills_what_was_unknown),
        T(runner_and_conclusion_are_set_when_they_become_known),
        T(our_decision_outlives_later_events),
        T(a_decision_leaves_what_it_does_not_name),
        T(the_timeline_of_a_job_is_told_in_order),
        T(small_values_are_kept_until_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
