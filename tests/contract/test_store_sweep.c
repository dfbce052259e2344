/* What the sweep remembers: places, strays that count only after a whole list, traces of records. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/store_sweep.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)

struct places {
    struct store_place p[8];
    size_t n;
};

static int keep_place(void *arg, const struct store_place *p, struct err *e)
{
    struct places *all = arg;

    (void)e;
    all->p[all->n++] = *p;
    return 0;
}

static struct places places(struct store_tx *t)
{
    struct places all = {.n = 0};
    struct err e;

    assert_ok(store_places(t, keep_place, &all, &e), e);
    return all;
}

static void test_store_sweep__a_place_is_put_once_and_its_use_only_grows(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct places all;
    struct err e;

    assert_ok(store_place_put(t, "aws", "us-east-1", 0, &e), e);
    assert_ok(store_place_put(t, "aws", "us-east-1", NOW, &e), e);
    assert_ok(store_place_put(t, "aws", "us-east-1", NOW + 1000, &e), e); /* not worth a write */
    assert_ok(store_place_put(t, "aws", "us-east-1", 0, &e), e);
    assert_ok(store_place_put(t, "gcp", "", NOW, &e), e);
    all = places(t);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.p[0].region, "us-east-1");
    assert_int_equal(all.p[0].used_ms, NOW);
    assert_int_equal(all.p[0].swept_ms, 0);
    assert_ok(store_place_put(t, "aws", "us-east-1", NOW + 2 * HOUR, &e), e);
    assert_ok(store_place_swept(t, all.p[0].id, NOW, &e), e);
    all = places(t);
    assert_int_equal(all.p[0].used_ms, NOW + 2 * HOUR);
    assert_int_equal(all.p[0].swept_ms, NOW);
    hand_commit(*state);
}

static void test_store_sweep__a_place_is_read_by_its_number(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct store_place p;
    bool found;
    struct err e;

    assert_ok(store_place_put(t, "aws", "us-east-1", NOW, &e), e);
    assert_ok(store_place_get(t, places(t).p[0].id, &p, &found, &e), e);
    assert_true(found);
    assert_string_equal(p.cloud, "aws");
    assert_ok(store_place_get(t, 99, &p, &found, &e), e);
    assert_false(found);
    hand_commit(*state);
}

static void see(struct store_tx *t, const char *id, int64_t place, int64_t mark)
{
    struct store_stray s = {.place_id = place,
                            .cloud = "aws",
                            .region = "us-east-1",
                            .name = "muster-x",
                            .repo = "octo/hello",
                            .job_id = 42,
                            .created_ms = NOW - HOUR,
                            .expires_ms = NOW + HOUR,
                            .part = true,
                            .mark = mark};
    struct err e;

    (void)snprintf(s.instance_id, sizeof(s.instance_id), "%s", id);
    assert_ok(store_stray_see(t, &s, &e), e);
}

struct strays {
    struct store_stray s[8];
    size_t n;
};

static int keep_stray(void *arg, const struct store_stray *s, struct err *e)
{
    struct strays *all = arg;

    (void)e;
    all->s[all->n++] = *s;
    return 0;
}

static struct strays due(struct store_tx *t, int64_t before_ms)
{
    struct strays all = {.n = 0};
    struct err e;

    assert_ok(store_strays_due(t, 1, before_ms, 8, keep_stray, &all, &e), e);
    return all;
}

static void test_store_sweep__a_stray_counts_from_the_first_list_that_ended_well(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct strays all;
    struct err e;

    see(t, "i-1", 1, 100);
    assert_int_equal(due(t, NOW + HOUR).n, 0);
    assert_ok(store_strays_settle(t, 1, 100, NOW, &e), e);
    see(t, "i-1", 1, 200);
    assert_ok(store_strays_settle(t, 1, 200, NOW + HOUR, &e), e);
    assert_int_equal(due(t, NOW - 1).n, 0);
    all = due(t, NOW);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.s[0].first_ms, NOW);
    assert_string_equal(all.s[0].repo, "octo/hello");
    assert_int_equal(all.s[0].job_id, 42);
    assert_int_equal(all.s[0].created_ms, NOW - HOUR);
    assert_int_equal(all.s[0].expires_ms, NOW + HOUR);
    assert_true(all.s[0].part);
    hand_commit(*state);
}

static void test_store_sweep__what_a_failed_list_showed_is_forgotten(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct strays all;
    struct err e;

    see(t, "i-1", 1, 100);
    assert_ok(store_strays_settle(t, 1, 100, NOW, &e), e);
    see(t, "i-1", 1, 200);
    see(t, "i-2", 1, 200);
    see(t, "i-3", 2, 300); /* of another place */
    assert_ok(store_strays_abandon(t, 1, &e), e);
    assert_ok(store_strays_settle(t, 2, 300, NOW, &e), e);
    all = due(t, NOW);
    assert_int_equal(all.n, 1);
    assert_string_equal(all.s[0].instance_id, "i-1");
    hand_commit(*state);
}

static void test_store_sweep__what_a_whole_list_lacks_is_forgotten_unless_it_is_condemned(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct strays all;
    struct store_stray s;
    bool found;
    int64_t n, id;
    struct err e;

    see(t, "i-1", 1, 100);
    see(t, "i-2", 1, 100);
    assert_ok(store_strays_settle(t, 1, 100, NOW, &e), e);
    all = due(t, NOW);
    id = all.s[1].id;
    assert_ok(store_stray_condemn(t, id, NOW, &e), e);
    assert_ok(store_stray_asked(t, id, NOW + 1, &e), e);
    assert_ok(store_strays_settle(t, 1, 200, NOW, &e), e);
    assert_int_equal(due(t, NOW).n, 0);
    assert_ok(store_stray_get(t, id, &s, &found, &e), e);
    assert_true(found);
    assert_int_equal(s.condemned_ms, NOW);
    assert_int_equal(s.asked_ms, NOW + 1);
    assert_ok(store_strays_count(t, "aws", &n, &e), e);
    assert_int_equal(n, 1);
    assert_ok(store_stray_drop(t, id, &e), e);
    assert_ok(store_stray_get(t, id, &s, &found, &e), e);
    assert_false(found);
    hand_commit(*state);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static void put_machine(struct store_tx *t, const char *name, enum machine_state st, const char *repo, int64_t created)
{
    char none[] = "", labels[] = "[]", text[64];
    struct machine m = {.state = st,
                        .created_ms = created,
                        .launched_ms = created,
                        .installation_id = 7,
                        .repo_id = 11,
                        .cloud = "aws",
                        .region = "us-east-1",
                        .instance_id = "i-1",
                        .repo = text,
                        .labels_json = labels,
                        .label_key = none,
                        .plan_json = none};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    (void)snprintf(text, sizeof(text), "%s", repo);
    assert_ok(store_machine_insert(t, &m, &e), e);
}

struct traces {
    char names[8][64];
    size_t n;
};

static int keep_trace(void *arg, const struct store_trace *m, struct err *e)
{
    struct traces *all = arg;

    (void)e;
    (void)snprintf(all->names[all->n++], sizeof(all->names[0]), "%s", m->name);
    return 0;
}

static void test_store_sweep__traces_are_of_what_is_launched_and_not_gone(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct traces all = {.n = 0};
    struct store_trace m;
    bool found;
    struct err e;

    put_machine(t, "a", M_LAUNCHING, "octo/a", NOW);
    put_machine(t, "b", M_BOOTING, "octo/a", NOW);
    put_machine(t, "c", M_GONE, "octo/a", NOW);
    put_machine(t, "d", M_ENDING, "octo/a", NOW);
    assert_ok(store_traces(t, "aws", "", 8, keep_trace, &all, &e), e);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.names[0], "b");
    assert_string_equal(all.names[1], "d");
    all.n = 0;
    assert_ok(store_traces(t, "aws", "b", 8, keep_trace, &all, &e), e);
    assert_int_equal(all.n, 1);
    assert_ok(store_trace_get(t, "c", &m, &found, &e), e);
    assert_true(found);
    assert_int_equal(m.state, M_GONE);
    assert_string_equal(m.instance_id, "i-1");
    assert_ok(store_trace_get(t, "z", &m, &found, &e), e);
    assert_false(found);
    hand_commit(*state);
}

struct owners {
    char repos[8][160];
    size_t n;
};

static int keep_owner(void *arg, const struct store_owner *o, struct err *e)
{
    struct owners *all = arg;

    (void)e;
    assert_int_equal(o->installation_id, 7);
    (void)snprintf(all->repos[all->n++], sizeof(all->repos[0]), "%s", o->repo);
    return 0;
}

static void test_store_sweep__owners_are_those_of_late_machines_each_once(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct owners all = {.n = 0};
    struct err e;

    put_machine(t, "a", M_GONE, "octo/b", NOW);
    put_machine(t, "b", M_GONE, "octo/b", NOW);
    put_machine(t, "c", M_BOOTING, "octo", NOW);
    put_machine(t, "d", M_GONE, "octo/old", NOW - HOUR);
    put_machine(t, "e", M_GONE, "octo/c", NOW);
    assert_ok(store_owners(t, NOW - 1, "", 2, keep_owner, &all, &e), e);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.repos[0], "octo");
    assert_string_equal(all.repos[1], "octo/b");
    assert_ok(store_owners(t, NOW - 1, "octo/b", 2, keep_owner, &all, &e), e);
    assert_int_equal(all.n, 3);
    assert_string_equal(all.repos[2], "octo/c");
    hand_commit(*state);
}

#define T(name) cmocka_unit_test_setup_teardown(test_store_sweep__##name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_place_is_put_once_and_its_use_only_grows),
        T(a_place_is_read_by_its_number),
        T(a_stray_counts_from_the_first_list_that_ended_well),
        T(what_a_failed_list_showed_is_forgotten),
        T(what_a_whole_list_lacks_is_forgotten_unless_it_is_condemned),
        T(traces_are_of_what_is_launched_and_not_gone),
        T(owners_are_those_of_late_machines_each_once),
    };

    return cmocka_run_group_tests_name("store_sweep", tests, NULL, NULL);
}
