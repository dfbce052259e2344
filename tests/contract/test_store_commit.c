/* What callers rely on in group commit: shared syncs, failures that stay with their own, recovery after a full disk. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/store_internal.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000000)

/* --- a driver that counts and fails on demand ----------------------------------------------------------------- */

static atomic_int commits;
static atomic_int fail_begins;  /* so many of the next */
static atomic_bool fail_commit; /* the next */
static struct db_driver counting;

static int counting_begin(struct db *d, struct err *e)
{
    if (fail_begins > 0) {
        fail_begins--;
        return err_set(e, ERR_RETRY, "the test says busy");
    }
    return db_sqlite.begin(d, e);
}

static int counting_commit(struct db *d, struct err *e)
{
    if (atomic_exchange(&fail_commit, false))
        return err_set(e, ERR_QUOTA, "the test says disk full");
    commits++;
    return db_sqlite.commit(d, e);
}

static int setup(void **state)
{
    struct hand *h = calloc(1, sizeof(*h));

    hand_open(h);
    store_close(h->s);
    h->s = NULL;
    counting = db_sqlite;
    counting.begin = counting_begin;
    counting.commit = counting_commit;
    fail_begins = 0;
    fail_commit = false;
    assert_ok(store_open_with(&counting, h->url, &h->s, &h->e), h->e);
    commits = 0;
    *state = h;
    return 0;
}

static int teardown(void **state)
{
    hand_close(*state);
    free(*state);
    return 0;
}

/* --- items ---------------------------------------------------------------------------------------------------- */

enum how { FINE, FAILS, SPOILS_COMMIT };

struct item {
    char guid[40];
    enum how how;
    bool known;
    int rc;
    struct err e;
    atomic_int done;
};

static int item_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct item *x = arg;

    if (store_delivery_put(t, x->guid, NOW, &x->known, e) ||
        store_task_put(t, TASK_JOB, x->guid, TASK_DECIDE, NOW, e) || store_meta_put(t, x->guid, "here", e))
        return -1;
    if (x->how == SPOILS_COMMIT)
        fail_commit = true;
    return x->how == FAILS ? err_set(e, ERR_CONFLICT, "item %s fails by itself", x->guid) : 0;
}

static void item_done(void *arg, int rc, const struct err *e)
{
    struct item *x = arg;

    x->rc = rc;
    if (rc != 0)
        x->e = *e;
    x->done++;
}

static void submit(struct hand *h, struct item *x, const char *guid, enum how how)
{
    memset(x, 0, sizeof(*x));
    (void)snprintf(x->guid, sizeof(x->guid), "%s", guid);
    x->how = how;
    store_submit(h->s, item_tx, x, item_done, x);
}

struct look {
    const char *key;
    bool there;
};

static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct look *l = arg;
    char *value;

    if (store_meta_get(t, l->key, &value, e))
        return -1;
    l->there = value != NULL;
    free(value);
    return 0;
}

static bool is_stored(struct hand *h, const char *key)
{
    struct look l = {key, false};
    struct err e;

    assert_ok(store_read(h->s, look_tx, &l, &e), e);
    return l.there;
}

static int nothing_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)t;
    (void)arg;
    (void)e;
    return 0;
}

/* Everything submitted before is over when this returns. */
static void drain(struct hand *h)
{
    struct err e;

    assert_ok(store_write(h->s, nothing_tx, NULL, &e), e);
}

/* --- sharing -------------------------------------------------------------------------------------------------- */

static void test_store_commit__what_waits_while_one_commits_shares_the_next(void **state)
{
    struct hand *h = *state;
    struct item x[100];
    char guid[16];

    (void)hand_begin(h); /* the committer is busy */
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        (void)snprintf(guid, sizeof(guid), "g-%zu", i);
        submit(h, &x[i], guid, FINE);
        assert_int_equal(x[i].done, 0);
    }
    hand_commit(h);
    drain(h);
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        assert_int_equal(x[i].done, 1);
        assert_int_equal(x[i].rc, 0);
        assert_true(is_stored(h, x[i].guid));
    }
    assert_in_range(commits, 2, 3); /* the first, all of them, and maybe the one that waited for them */
}

static void test_store_commit__what_is_enqueued_shares_one_commit_once_kicked(void **state)
{
    struct hand *h = *state;
    struct item x[20];
    int before;

    drain(h);
    before = commits;
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        memset(&x[i], 0, sizeof(x[i]));
        (void)snprintf(x[i].guid, sizeof(x[i].guid), "enqueued-%zu", i);
        store_enqueue(h->s, item_tx, &x[i], item_done, &x[i]);
    }
    store_kick(h->s);
    drain(h);
    for (size_t i = 0; i < ARRAY_LEN(x); i++)
        assert_int_equal(x[i].done, 1);
    assert_in_range(commits - before, 1, 2); /* drain's own may be one more */
}

struct writer {
    pthread_t thread;
    struct hand *h;
    struct item x;
    int rc;
};

static void *write_one(void *arg)
{
    struct writer *w = arg;

    w->rc = store_write(w->h->s, item_tx, &w->x, &w->x.e);
    return NULL;
}

static void test_store_commit__sixty_four_threads_write_at_once_and_all_is_stored(void **state)
{
    struct hand *h = *state;
    struct writer w[64] = {0};

    (void)hand_begin(h);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i].h = h;
        (void)snprintf(w[i].x.guid, sizeof(w[i].x.guid), "t-%zu", i);
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_one, &w[i]), 0);
    }
    hand_commit(h);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        assert_int_equal(pthread_join(w[i].thread, NULL), 0);
        assert_int_equal(w[i].rc, 0);
        assert_true(is_stored(h, w[i].x.guid));
    }
    assert_in_range(commits, 2, 65);
}

static void test_store_commit__closing_finishes_what_was_submitted(void **state)
{
    struct hand *h = *state;
    struct item x[50];
    char guid[16];

    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        (void)snprintf(guid, sizeof(guid), "g-%zu", i);
        submit(h, &x[i], guid, FINE);
    }
    hand_reopen(h);
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        assert_int_equal(x[i].done, 1);
        assert_true(is_stored(h, x[i].guid));
    }
}

struct chain {
    struct hand *h;
    atomic_int left;
};

static void next_link(void *arg, int rc, const struct err *e)
{
    struct chain *c = arg;

    (void)e;
    if (rc == 0 && --c->left > 0)
        store_submit(c->h->s, nothing_tx, NULL, next_link, c);
}

static void test_store_commit__done_may_submit_more_even_while_closing(void **state)
{
    struct hand *h = *state;
    struct chain c = {h, 20};

    store_submit(h->s, nothing_tx, NULL, next_link, &c);
    hand_reopen(h);
    assert_int_equal(c.left, 0);
}

/* --- failures ------------------------------------------------------------------------------------------------- */

static void test_store_commit__a_failing_item_harms_no_neighbour(void **state)
{
    struct hand *h = *state;
    struct item x[6];
    bool known = true;
    struct store_tx *t;
    struct err e;

    (void)hand_begin(h);
    submit(h, &x[0], "a", FINE);
    submit(h, &x[1], "b", FAILS);
    submit(h, &x[2], "c", FINE);
    submit(h, &x[3], "d", FAILS);
    submit(h, &x[4], "a", FINE); /* known by then */
    submit(h, &x[5], "b", FINE); /* not known: the first b was undone */
    hand_commit(h);
    drain(h);
    assert_int_equal(x[0].rc, 0);
    assert_int_equal(x[1].rc, -1);
    assert_int_equal(x[1].e.kind, ERR_CONFLICT);
    assert_string_equal(x[1].e.msg, "item b fails by itself");
    assert_int_equal(x[2].rc, 0);
    assert_string_equal(x[3].e.msg, "item d fails by itself");
    assert_int_equal(x[4].rc, 0);
    assert_true(x[4].known);
    assert_int_equal(x[5].rc, 0);
    assert_false(x[5].known);
    assert_true(is_stored(h, "a") && is_stored(h, "c") && is_stored(h, "b"));
    assert_false(is_stored(h, "d"));
    t = hand_begin(h);
    assert_ok(store_delivery_put(t, "d", NOW, &known, &e), e);
    assert_false(known);
    hand_commit(h);
}

static void wait_all(const struct item *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        while (x[i].done == 0)
            (void)sched_yield();
    }
}

/* n items, the middle one as given, all in one batch. */
static void run_batch(struct hand *h, struct item *x, size_t n, enum how middle)
{
    char guid[24];

    (void)hand_begin(h);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(guid, sizeof(guid), "g-%zu", i);
        submit(h, &x[i], guid, i == n / 2 ? middle : FINE);
    }
    hand_commit(h);
    wait_all(x, n);
}

static void assert_all_refused(struct hand *h, const struct item *x, size_t n, enum err_kind kind)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(x[i].rc, -1);
        assert_int_equal(x[i].e.kind, kind);
        assert_int_equal(x[i].done, 1);
        assert_false(is_stored(h, x[i].guid));
    }
}

/* Nothing of a failed attempt is in the way of the next, in memory neither. */
static void assert_all_stored_anew(struct hand *h, struct item *x, size_t n)
{
    run_batch(h, x, n, FINE);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(x[i].rc, 0);
        assert_false(x[i].known);
        assert_true(is_stored(h, x[i].guid));
    }
}

static void test_store_commit__a_commit_that_fails_undoes_all_and_tells_all(void **state)
{
    struct hand *h = *state;
    struct item x[7];

    run_batch(h, x, ARRAY_LEN(x), SPOILS_COMMIT);
    assert_all_refused(h, x, ARRAY_LEN(x), ERR_QUOTA);
    assert_all_stored_anew(h, x, ARRAY_LEN(x));
}

static void test_store_commit__a_busy_database_refuses_all_and_recovers(void **state)
{
    struct hand *h = *state;
    struct item x[7];
    char guid[16];

    (void)hand_begin(h);
    fail_begins = 2; /* a batch is tried twice */
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        (void)snprintf(guid, sizeof(guid), "g-%zu", i);
        submit(h, &x[i], guid, FINE);
    }
    hand_commit(h);
    wait_all(x, ARRAY_LEN(x));
    assert_all_refused(h, x, ARRAY_LEN(x), ERR_RETRY);
    assert_all_stored_anew(h, x, ARRAY_LEN(x));
}

static void test_store_commit__a_passing_fault_is_not_even_noticed(void **state)
{
    struct hand *h = *state;
    struct item x;

    (void)hand_begin(h);
    fail_begins = 1;
    submit(h, &x, "a", FINE);
    hand_commit(h);
    drain(h);
    assert_int_equal(x.rc, 0);
    assert_true(is_stored(h, "a"));
}

static void wake_count(void *arg)
{
    (void)atomic_fetch_add((atomic_int *)arg, 1);
}

static void test_store_commit__a_failed_commit_wakes_nobody(void **state)
{
    struct hand *h = *state;
    struct item x;
    atomic_int wakes = 0;

    store_on_task(h->s, wake_count, &wakes);
    run_batch(h, &x, 1, SPOILS_COMMIT);
    assert_int_equal(wakes, 0);
    run_batch(h, &x, 1, FINE);
    assert_int_equal(wakes, 1);
    store_on_task(h->s, NULL, NULL);
}

static void test_store_commit__health_tells_of_the_last_commit_and_of_recovery(void **state)
{
    struct hand *h = *state;
    struct item x;
    struct err e;

    assert_ok(store_health(h->s, &e), e);
    run_batch(h, &x, 1, SPOILS_COMMIT);
    assert_fails(store_health(h->s, &e), ERR_QUOTA, "disk full", e); /* and sends a probe */
    while (store_health(h->s, &e) != 0)
        (void)sched_yield();
}

static void test_store_commit__a_transaction_that_writes_nothing_proves_nothing_about_the_disk(void **state)
{
    struct hand *h = *state;
    struct item x;
    struct err e;

    run_batch(h, &x, 1, SPOILS_COMMIT);
    drain(h);
    assert_fails(store_health(h->s, &e), ERR_QUOTA, "disk full", e);
    drain(h); /* the probe of that question is over */
    assert_ok(store_health(h->s, &e), e);
}

static void test_store_commit__health_and_reads_do_not_wait_for_a_writer(void **state)
{
    struct hand *h = *state;
    struct store_tx *t = hand_begin(h);
    struct err e;

    assert_ok(store_meta_put(t, "unfinished", "1", &e), e);
    assert_ok(store_health(h->s, &e), e);
    assert_false(is_stored(h, "unfinished"));
    hand_commit(h);
    assert_true(is_stored(h, "unfinished"));
}

static int change_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    return store_meta_put(t, "k", "v", e);
}

static void test_store_commit__a_read_cannot_change_anything(void **state)
{
    struct hand *h = *state;
    struct err e;

    assert_fails(store_read(h->s, change_tx, NULL, &e), ERR_BUG, "reading", e);
    assert_false(is_stored(h, "k"));
}

struct reader {
    pthread_t thread;
    struct hand *h;
    atomic_bool *stop;
    int reads, rc;
};

/* Both keys are written together, so whoever sees the second has the first. */
static int pair_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct look second = {"second", false}, first = {"first", false};

    (void)arg;
    if (look_tx(t, &second, e) || look_tx(t, &first, e))
        return -1;
    return second.there && !first.there ? err_set(e, ERR_BUG, "half a transaction was seen") : 0;
}

static void *read_on(void *arg)
{
    struct reader *r = arg;
    struct err e;

    do {
        r->rc = store_read(r->h->s, pair_tx, NULL, &e);
        r->reads++;
    } while (r->rc == 0 && !*r->stop);
    return NULL;
}

static int write_pair_tx(struct store_tx *t, void *arg, struct err *e)
{
    char value[16];

    (void)snprintf(value, sizeof(value), "%d", *(const int *)arg);
    return store_meta_put(t, "first", value, e) || store_meta_put(t, "second", value, e) ? -1 : 0;
}

static void test_store_commit__many_readers_share_few_connections_and_see_whole_transactions(void **state)
{
    struct hand *h = *state;
    struct reader r[12] = {0};
    atomic_bool stop = false;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        r[i].h = h;
        r[i].stop = &stop;
        assert_int_equal(pthread_create(&r[i].thread, NULL, read_on, &r[i]), 0);
    }
    for (int i = 0; i < 200; i++)
        assert_ok(store_write(h->s, write_pair_tx, &i, &e), e);
    stop = true;
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        assert_int_equal(pthread_join(r[i].thread, NULL), 0);
        assert_int_equal(r[i].rc, 0);
        assert_true(r[i].reads > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_commit__##name, setup, teardown)
        T(what_waits_while_one_commits_shares_the_next),
        T(what_is_enqueued_shares_one_commit_once_kicked),
        T(sixty_four_threads_write_at_once_and_all_is_stored),
        T(closing_finishes_what_was_submitted),
        T(done_may_submit_more_even_while_closing),
        T(a_failing_item_harms_no_neighbour),
        T(a_commit_that_fails_undoes_all_and_tells_all),
        T(a_busy_database_refuses_all_and_recovers),
        T(a_passing_fault_is_not_even_noticed),
        T(a_failed_commit_wakes_nobody),
        T(health_tells_of_the_last_commit_and_of_recovery),
        T(a_transaction_that_writes_nothing_proves_nothing_about_the_disk),
        T(health_and_reads_do_not_wait_for_a_writer),
        T(a_read_cannot_change_anything),
        T(many_readers_share_few_connections_and_see_whole_transactions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
