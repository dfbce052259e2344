/* What the engine relies on in machines: compare-and-set, demand and supply, who is served and who is surplus. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/store_watch.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

struct spec {
    const char *name;
    enum machine_state state;
    int64_t job_id, created_ms, surplus_ms;
    const char *key;
};

static void add_machine(struct store_tx *t, struct spec x)
{
    AUTO_MACHINE struct machine m = {.state = x.state,
                                     .job_id = x.job_id,
                                     .repo_id = 5,
                                     .created_ms = x.created_ms,
                                     .surplus_ms = x.surplus_ms,
                                     .repo = mem_strdup("o/r"),
                                     .labels_json = mem_strdup("[]"),
                                     .label_key = mem_strdup(x.key != NULL ? x.key : "gpu")};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", x.name);
    assert_ok(store_machine_insert(t, &m, &e), e);
}

static void add_job(struct store_tx *t, int64_t id, enum job_state state, enum job_want want, const char *key)
{
    AUTO_JOB struct job j = {.id = id,
                             .repo_id = 5,
                             .queued_ms = NOW - id, /* the higher the number, the longer it waits */
                             .state = state,
                             .want = want,
                             .label_key = mem_strdup(key)};
    int before;
    bool moved;
    struct err e;

    assert_ok(store_job_merge(t, &j, &before, &moved, &e), e);
}

static struct machine machine_now(struct store_tx *t, const char *name)
{
    struct machine m = {0};
    bool found = false;
    struct err e;

    assert_ok(store_machine_get(t, name, &m, &found, &e), e);
    assert_true(found);
    return m;
}

static void test_store_machine__a_machine_comes_back_as_it_was_stored(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_MACHINE struct machine m = {.name = "muster-a",
                                     .state = M_BOOTING,
                                     .job_id = 1,
                                     .taken_job_id = 2,
                                     .installation_id = 3,
                                     .repo_id = 4,
                                     .runner_id = 5,
                                     .created_ms = 6,
                                     .launched_ms = 7,
                                     .ended_ms = 8,
                                     .boot_deadline_ms = 9,
                                     .expires_ms = 10,
                                     .surplus_ms = 11,
                                     .doubt_ms = 12,
                                     .candidate = 12,
                                     .round = 13,
                                     .cloud = "aws",
                                     .region = "eu-west-1",
                                     .instance_id = "i-0123"};
    AUTO_MACHINE struct machine g = {0};
    struct err e;

    m.repo = mem_strdup("o/r");
    m.labels_json = mem_strdup("[\"a\"]");
    m.label_key = mem_strdup("a");
    m.plan_json = mem_strdup("{}");
    m.sealed_jit = mem_strdup("sealed");
    m.reason = mem_strdup("why");
    assert_ok(store_machine_insert(t, &m, &e), e);
    hand_commit(h);
    hand_reopen(h);
    t = hand_begin(h);
    g = machine_now(t, "muster-a");
    assert_string_equal(g.name, m.name);
    assert_int_equal(g.state, m.state);
    assert_int_equal(g.job_id, 1);
    assert_int_equal(g.taken_job_id, 2);
    assert_int_equal(g.installation_id, 3);
    assert_int_equal(g.repo_id, 4);
    assert_int_equal(g.runner_id, 5);
    assert_int_equal(g.created_ms, 6);
    assert_int_equal(g.launched_ms, 7);
    assert_int_equal(g.ended_ms, 8);
    assert_int_equal(g.boot_deadline_ms, 9);
    assert_int_equal(g.expires_ms, 10);
    assert_int_equal(g.surplus_ms, 11);
    assert_int_equal(g.doubt_ms, 12);
    assert_int_equal(g.candidate, 12);
    assert_int_equal(g.round, 13);
    assert_string_equal(g.cloud, "aws");
    assert_string_equal(g.region, "eu-west-1");
    assert_string_equal(g.instance_id, "i-0123");
    assert_string_equal(g.repo, "o/r");
    assert_string_equal(g.labels_json, "[\"a\"]");
    assert_string_equal(g.label_key, "a");
    assert_string_equal(g.plan_json, "{}");
    assert_string_equal(g.sealed_jit, "sealed");
    assert_string_equal(g.reason, "why");
    hand_commit(h);
}

static void test_store_machine__names_are_unique(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct machine m = {.name = "muster-a"};
    struct machine untouched = {.job_id = 77};
    bool found = true;
    struct err e;

    add_machine(t, (struct spec){.name = "muster-a", .state = M_GONE});
    assert_fails(store_machine_insert(t, &m, &e), ERR_CONFLICT, "machine.name", e);
    assert_ok(store_machine_get(t, "muster-b", &untouched, &found, &e), e);
    assert_false(found);
    assert_int_equal(untouched.job_id, 77);
    hand_commit(h);
}

static void test_store_machine__an_update_needs_the_state_it_was_made_for(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_MACHINE struct machine m = {0}, g = {0};
    bool changed = true;
    struct err e;

    add_machine(t, (struct spec){.name = "m", .state = M_BOOTING, .job_id = 1, .created_ms = 6});
    m = machine_now(t, "m");
    m.state = M_BUSY;
    m.taken_job_id = 8;
    m.created_ms = 999; /* not for an update to say, nor are these */
    m.job_id = 999;
    m.repo_id = 999;
    m.label_key[0] = 'X';
    m.reason = mem_strdup("taken");
    assert_ok(store_machine_update(t, &m, M_IDLE, &changed, &e), e);
    assert_false(changed);
    assert_ok(store_machine_update(t, &m, M_BOOTING, &changed, &e), e);
    assert_true(changed);
    assert_ok(store_machine_update(t, &m, M_BOOTING, &changed, &e), e);
    assert_false(changed);
    g = machine_now(t, "m");
    assert_int_equal(g.state, M_BUSY);
    assert_int_equal(g.taken_job_id, 8);
    assert_string_equal(g.reason, "taken");
    assert_int_equal(g.created_ms, 6);
    assert_int_equal(g.job_id, 1);
    assert_int_equal(g.repo_id, 5);
    assert_string_equal(g.label_key, "gpu");
    hand_commit(h);
}

static void test_store_machine__balance_counts_waiting_jobs_and_machines_before_busy(void **state)
{
    static const char *const names[] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6"};
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct store_balance b = {-1, -1, -1};
    struct err e;

    assert_ok(store_balance(t, 5, "gpu", &b, &e), e);
    assert_int_equal(b.demand + b.supply + b.surplus, 0);
    add_job(t, 1, JOB_QUEUED, WANT_MACHINE, "gpu");
    add_job(t, 2, JOB_QUEUED, WANT_MACHINE, "gpu");
    add_job(t, 3, JOB_QUEUED, WANT_UNDECIDED, "gpu");
    add_job(t, 4, JOB_RUNNING, WANT_MACHINE, "gpu");
    add_job(t, 5, JOB_WAITING, WANT_MACHINE, "gpu");
    add_job(t, 6, JOB_QUEUED, WANT_REFUSED, "gpu");
    add_job(t, 7, JOB_QUEUED, WANT_MACHINE, "gpu,large");
    for (int s = M_WANTED; s <= M_GONE; s++)
        add_machine(t,
                    (struct spec){.name = names[s], .state = (enum machine_state)s, .surplus_ms = s == M_IDLE ? 1 : 0});
    add_machine(t, (struct spec){.name = "other", .state = M_IDLE, .key = "cpu"});
    assert_ok(store_balance(t, 5, "gpu", &b, &e), e);
    assert_int_equal(b.demand, 2);
    assert_int_equal(b.supply, 4);
    assert_int_equal(b.surplus, 1);
    assert_ok(store_balance(t, 6, "gpu", &b, &e), e);
    assert_int_equal(b.demand + b.supply, 0);
    hand_commit(h);
}

static int64_t next_unserved(struct store_tx *t)
{
    AUTO_JOB struct job j = {0};
    bool found = false;
    struct err e;

    assert_ok(store_job_next_unserved(t, 5, "gpu", &j, &found, &e), e);
    return found ? j.id : -1;
}

static void test_store_machine__the_next_job_to_serve_is_the_oldest_without_a_machine_of_its_own(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);

    assert_int_equal(next_unserved(t), -1);
    add_job(t, 1, JOB_QUEUED, WANT_MACHINE, "gpu");
    add_job(t, 3, JOB_QUEUED, WANT_MACHINE, "gpu");
    add_job(t, 2, JOB_QUEUED, WANT_MACHINE, "gpu");
    add_job(t, 9, JOB_QUEUED, WANT_MACHINE, "cpu");
    assert_int_equal(next_unserved(t), 3);
    add_machine(t, (struct spec){.name = "a", .state = M_BUSY, .job_id = 3}); /* somebody else took it */
    assert_int_equal(next_unserved(t), 3);
    add_machine(t, (struct spec){.name = "b", .state = M_WANTED, .job_id = 3});
    assert_int_equal(next_unserved(t), 2);
    add_machine(t, (struct spec){.name = "c", .state = M_IDLE, .job_id = 2});
    assert_int_equal(next_unserved(t), 1);
    add_machine(t, (struct spec){.name = "d", .state = M_BOOTING, .job_id = 1});
    assert_int_equal(next_unserved(t), 3); /* all have one, and yet one more is wanted */
    hand_commit(h);
}

static void test_store_machine__failures_are_launched_machines_that_ended_without_a_job(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_MACHINE struct machine m = {0};
    int64_t n = -1;
    bool changed;
    struct err e;

    add_machine(t, (struct spec){.name = "never-launched", .state = M_GONE, .job_id = 1});
    add_machine(t, (struct spec){.name = "booting", .state = M_BOOTING, .job_id = 1});
    assert_ok(store_machine_failures(t, 1, &n, &e), e);
    assert_int_equal(n, 0);
    m = machine_now(t, "booting");
    m.launched_ms = NOW;
    m.state = M_ENDING;
    assert_ok(store_machine_update(t, &m, M_BOOTING, &changed, &e), e);
    assert_ok(store_machine_failures(t, 1, &n, &e), e);
    assert_int_equal(n, 1);
    m.taken_job_id = 4;
    m.state = M_GONE;
    assert_ok(store_machine_update(t, &m, M_ENDING, &changed, &e), e);
    assert_ok(store_machine_failures(t, 1, &n, &e), e);
    assert_int_equal(n, 0);
    assert_ok(store_machine_others(t, 1, "new", &n, &e), e); /* that one had a job, and it was launched */
    assert_int_equal(n, 1);
    assert_ok(store_machine_others(t, 1, "booting", &n, &e), e);
    assert_int_equal(n, 0);
    hand_commit(h);
}

struct names {
    struct store_tx *t;
    char text[256];
    size_t n;
};

static int list(void *arg, const struct machine *m, struct err *e)
{
    struct names *l = arg;
    size_t n = strlen(l->text);

    (void)e;
    (void)snprintf(l->text + n, sizeof(l->text) - n, "%s ", m->name);
    l->n++;
    return 0;
}

static void test_store_machine__the_newest_are_marked_and_the_oldest_marked_are_unmarked(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct names l = {.t = t};
    struct err e;

    add_machine(t, (struct spec){.name = "old", .state = M_IDLE, .created_ms = 1});
    add_machine(t, (struct spec){.name = "mid", .state = M_BOOTING, .created_ms = 2});
    add_machine(t, (struct spec){.name = "new", .state = M_WANTED, .created_ms = 3});
    add_machine(t, (struct spec){.name = "busy", .state = M_BUSY, .created_ms = 4});
    add_machine(t, (struct spec){.name = "marked-new", .state = M_IDLE, .created_ms = 6, .surplus_ms = 1});
    add_machine(t, (struct spec){.name = "marked-old", .state = M_IDLE, .created_ms = 5, .surplus_ms = 9});
    add_machine(t, (struct spec){.name = "marked-busy", .state = M_BUSY, .created_ms = 0, .surplus_ms = 1});
    assert_ok(store_machines_unmarked(t, 5, "gpu", 2, list, &l, &e), e);
    assert_string_equal(l.text, "new mid ");
    l.text[0] = '\0';
    assert_ok(store_machines_marked(t, 5, "gpu", 1, list, &l, &e), e);
    assert_string_equal(l.text, "marked-old ");
    l.text[0] = '\0';
    assert_ok(store_machines_marked(t, 5, "gpu", 9, list, &l, &e), e);
    assert_string_equal(l.text, "marked-old marked-new ");
    hand_commit(h);
}

static int end_it(void *arg, const struct machine *m, struct err *e)
{
    struct names *l = arg;
    struct machine copy = *m;
    bool changed;

    copy.state = M_GONE;
    l->n++;
    return store_machine_update(l->t, &copy, m->state, &changed, e);
}

static void test_store_machine__all_live_machines_are_shown_once_even_while_they_are_ended(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct names l = {.t = t};
    int64_t counts[M_GONE + 1];
    char name[32];
    struct err e;

    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "m-%03d", i);
        add_machine(t, (struct spec){.name = name, .state = (enum machine_state)(i % (M_GONE + 1))});
    }
    assert_ok(store_machine_counts(t, counts, &e), e);
    assert_int_equal(counts[M_WANTED], 29);
    assert_int_equal(counts[M_ENDING], 28);
    assert_int_equal(counts[M_GONE], 0);
    assert_ok(store_machines_live(t, end_it, &l, &e), e);
    assert_int_equal(l.n, 200 - 28);
    assert_ok(store_machine_counts(t, counts, &e), e);
    for (int s = M_WANTED; s <= M_GONE; s++)
        assert_int_equal(counts[s], 0);
    l.n = 0;
    assert_ok(store_machines_live(t, list, &l, &e), e);
    assert_int_equal(l.n, 0);
    hand_commit(h);
}

static int refuse(void *arg, const struct machine *m, struct err *e)
{
    (*(int *)arg)++;
    return err_set(e, ERR_INVALID, "not %s", m->name);
}

static void test_store_machine__a_callback_that_fails_ends_the_listing(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    int calls = 0;
    struct err e;

    add_machine(t, (struct spec){.name = "a", .state = M_IDLE});
    add_machine(t, (struct spec){.name = "b", .state = M_IDLE});
    assert_fails(store_machines_live(t, refuse, &calls, &e), ERR_INVALID, "not a", e);
    assert_int_equal(calls, 1);
    hand_commit(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_machine__##name, hand_setup, hand_teardown)
        T(a_machine_comes_back_as_it_was_stored),
        T(names_are_unique),
        T(an_update_needs_the_state_it_was_made_for),
        T(balance_counts_waiting_jobs_and_machines_before_busy),
        T(the_next_job_to_serve_is_the_oldest_without_a_machine_of_its_own),
        T(failures_are_launched_machines_that_ended_without_a_job),
        T(the_newest_are_marked_and_the_oldest_marked_are_unmarked),
        T(all_live_machines_are_shown_once_even_while_they_are_ended),
        T(a_callback_that_fails_ends_the_listing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
