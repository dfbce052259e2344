/* What the engine relies on in warm runners' tables: a reading that is overtaken, pools that remember, who is claimed.
 */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/store_idle.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

static bool know(struct store_tx *t, const char *repo, int64_t not_before_ms)
{
    char copy[64];
    struct idle_source s = {.id = "r5", .installation_id = 7, .repo_id = 5, .repo = copy};
    bool stale = false;
    struct err e;

    (void)snprintf(copy, sizeof(copy), "%s", repo);
    assert_ok(store_idle_source_know(t, &s, not_before_ms, &stale, &e), e);
    return stale;
}

static struct idle_source source_now(struct store_tx *t)
{
    struct idle_source s = {.repo = NULL};
    bool found = false;
    struct err e;

    assert_ok(store_idle_source_get(t, "r5", &s, &found, &e), e);
    assert_true(found);
    return s;
}

static void test_store_idle__a_source_is_stale_until_it_was_read(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_IDLE_SOURCE struct idle_source s = {.repo = NULL}, again = {.repo = NULL};
    struct err e;

    assert_true(know(t, "o/r", NOW));
    s = source_now(t);
    assert_null(s.text);
    assert_true(s.read_ms == 0 && s.installation_id == 7 && s.repo_id == 5);
    s.text = mem_strdup("runners: []");
    s.refused = mem_strdup("why");
    s.read_ms = NOW;
    (void)snprintf(s.etag, sizeof(s.etag), "\"tag\"");
    assert_ok(store_idle_source_put(t, &s, 0, &e), e);
    assert_false(know(t, "o/renamed", NOW));
    assert_true(know(t, "o/renamed", NOW + 1));
    again = source_now(t);
    assert_string_equal(again.repo, "o/renamed");
    assert_string_equal(again.text, "runners: []");
    assert_string_equal(again.refused, "why");
    assert_string_equal(again.etag, "\"tag\"");
    hand_commit(h);
}

static void test_store_idle__a_push_during_a_reading_has_it_read_again(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    AUTO_IDLE_SOURCE struct idle_source reading = {.repo = NULL}, after = {.repo = NULL};
    int64_t was_ms;
    bool known;
    struct err e;

    (void)know(t, "o/r", NOW);
    assert_ok(store_idle_source_touch(t, "r5", NOW, &known, &e), e);
    assert_true(known);
    reading = source_now(t);
    was_ms = reading.read_ms;
    assert_ok(store_idle_source_touch(t, "r5", NOW + 1, &known, &e), e);
    reading.read_ms = NOW + 2;
    assert_ok(store_idle_source_put(t, &reading, was_ms, &e), e);
    after = source_now(t);
    assert_true(after.read_ms <= 0);
    assert_ok(store_idle_source_touch(t, "r6", NOW, &known, &e), e);
    assert_false(known);
    hand_commit(h);
}

static void test_store_idle__a_pool_forgets_failures_when_its_machines_are_made_otherwise(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct idle_pool p, same, other;
    bool found;
    struct err e;

    assert_ok(store_idle_pool_know(t, "r5/gpu", "r5", "one", &p, &e), e);
    assert_true(p.used_ms == 0 && p.failures == 0);
    p.used_ms = NOW;
    p.failures = 3;
    p.retry_ms = NOW + 9;
    p.candidate = 2;
    assert_ok(store_idle_pool_put(t, &p, &e), e);
    assert_ok(store_idle_pool_know(t, "r5/gpu", "r5", "one", &same, &e), e);
    assert_true(same.failures == 3 && same.retry_ms == NOW + 9 && same.candidate == 2 && same.used_ms == NOW);
    assert_ok(store_idle_pool_know(t, "r5/gpu", "r5", "two", &other, &e), e);
    assert_true(other.failures == 0 && other.retry_ms == 0 && other.candidate == 0 && other.used_ms == NOW);
    assert_ok(store_idle_pool_use(t, "r5/gpu", NOW + 5, &found, &e), e);
    assert_true(found);
    assert_ok(store_idle_pool_get(t, "r5/gpu", &p, &found, &e), e);
    assert_true(found && p.used_ms == NOW + 5);
    assert_string_equal(p.spec, "two");
    assert_ok(store_idle_pool_use(t, "r5/cpu", NOW, &found, &e), e);
    assert_false(found);
    hand_commit(h);
}

static void add(struct store_tx *t, const char *name, enum machine_state state, int64_t created_ms, int64_t surplus_ms)
{
    struct idle_machine i = {.pool = "r5/gpu", .source = "r5", .spec = "one"};
    AUTO_MACHINE struct machine m = {.state = state,
                                     .repo_id = 5,
                                     .created_ms = created_ms,
                                     .surplus_ms = surplus_ms,
                                     .repo = mem_strdup("o/r"),
                                     .labels_json = mem_strdup("[]"),
                                     .label_key = mem_strdup("\\idle/r5/gpu")};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    (void)snprintf(i.name, sizeof(i.name), "%s", name);
    assert_ok(store_machine_insert(t, &m, &e), e);
    assert_ok(store_idle_machine_add(t, &i, &e), e);
}

static int list_one(void *arg, const struct idle_machine *i, const struct machine *m, struct err *e)
{
    (void)e;
    assert_string_equal(i->name, m->name);
    ((char *)arg)[strlen(arg)] = i->name[0]; /* there is room, and NULs behind */
    return 0;
}

static bool fits(void *arg, const struct machine *m)
{
    return strcmp(m->name, arg) != 0;
}

static void find(struct store_tx *t, const char *but, const char *expected)
{
    AUTO_MACHINE struct machine m = {0};
    char other[8];
    bool found;
    struct err e;

    (void)snprintf(other, sizeof(other), "%s", but);
    assert_ok(store_idle_find(t, "r5", "o7", "one", fits, other, &m, &found, &e), e);
    assert_int_equal(found, expected != NULL);
    if (expected != NULL)
        assert_string_equal(m.name, expected);
}

static void test_store_idle__the_oldest_that_is_up_is_claimed_and_comes_back(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct job j = {.id = 77, .repo_id = 5};
    int64_t leaving;
    char spare[64], names[16] = {0}, key[] = "gpu";
    AUTO_MACHINE struct machine m = {0};
    struct store_balance b;
    struct idle_machine row;
    bool found;
    struct err e;

    j.label_key = key;
    add(t, "a", M_IDLE, NOW, 0);
    add(t, "b", M_BOOTING, NOW - 1, 0);
    add(t, "c", M_WANTED, NOW - 2, 0);
    add(t, "d", M_BUSY, NOW - 3, 0);
    add(t, "e", M_IDLE, NOW - 4, NOW);
    add(t, "f", M_IDLE, NOW + 1, 0);
    assert_ok(store_idle_machines(t, "r5", list_one, names, &e), e);
    assert_string_equal(names, "cbfae");
    assert_ok(store_idle_spare(t, 0, spare, &found, &e), e);
    assert_true(found);
    assert_string_equal(spare, "c");
    assert_ok(store_idle_spare(t, 6, spare, &found, &e), e);
    assert_false(found);
    assert_ok(store_idle_leaving(t, 5, &leaving, &e), e);
    assert_int_equal(leaving, 1);
    find(t, "", "b");
    find(t, "b", "a");
    assert_ok(store_idle_claim(t, "b", &j, &e), e);
    find(t, "", "a");
    assert_ok(store_balance(t, 5, "gpu", &b, &e), e);
    assert_int_equal(b.supply, 1);
    memset(names, 0, sizeof(names));
    assert_ok(store_idle_machines(t, "r5", list_one, names, &e), e);
    assert_string_equal(names, "cfae");
    assert_ok(store_idle_machine_get(t, "b", &row, &found, &e), e);
    assert_true(found && row.claimed);
    assert_ok(store_idle_release(t, "b", 5, "\\idle/r5/gpu", &e), e);
    find(t, "", "b");
    assert_ok(store_machine_get(t, "b", &m, &found, &e), e);
    assert_true(found && m.job_id == 0 && m.surplus_ms == 0);
    assert_string_equal(m.label_key, "\\idle/r5/gpu");
    assert_ok(store_idle_machine_drop(t, "b", &e), e);
    assert_ok(store_idle_machine_get(t, "b", &row, &found, &e), e);
    assert_false(found);
    hand_commit(h);
}

#define T(name) cmocka_unit_test_setup_teardown(test_store_idle__##name, hand_setup, hand_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_source_is_stale_until_it_was_read),
        T(a_push_during_a_reading_has_it_read_again),
        T(a_pool_forgets_failures_when_its_machines_are_made_otherwise),
        T(the_oldest_that_is_up_is_claimed_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
