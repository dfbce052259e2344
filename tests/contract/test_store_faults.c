/* What is done to a store from outside: its files taken away, its pages damaged, readers that never let go. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/store/store_internal.h"
#include "server/store/store_upkeep.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct note {
    const char *key, *value;
    size_t rows;
};

static int put_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct note *n = arg;
    char key[32];

    for (size_t i = 0; i < n->rows; i++) {
        (void)snprintf(key, sizeof(key), "%s-%zu", n->key, i);
        if (store_meta_put(t, key, n->value, e))
            return -1;
    }
    return 0;
}

static int put(struct hand *h, const char *key, struct err *e)
{
    return store_write(h->s, put_tx, &(struct note){key, "x", 1}, e);
}

static int get_tx(struct store_tx *t, void *arg, struct err *e)
{
    const char *const *key = arg;
    AUTO_FREE char *value = NULL;

    if (store_meta_get(t, *key, &value, e))
        return -1;
    return value != NULL ? 0 : err_set(e, ERR_GONE, "%s is not there", *key);
}

static bool has(struct hand *h, const char *key)
{
    struct err e;

    return store_read(h->s, get_tx, &key, &e) == 0;
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static void test_store_faults__a_deleted_database_is_not_written_any_more(void **state)
{
    struct hand *h = *state;
    struct err e;

    assert_ok(put(h, "before", &e), e);
    assert_int_equal(unlink(h->path), 0);
    assert_fails(put(h, "after", &e), ERR_RETRY, "was deleted or moved while muster runs", e);
    assert_fails(store_health(h->s, &e), ERR_RETRY, "restore a backup", e);
}

static void test_store_faults__one_that_is_moved_and_put_back_goes_on(void **state)
{
    struct hand *h = *state;
    char away[128];
    struct err e;

    (void)snprintf(away, sizeof(away), "%s.away", h->path);
    assert_ok(put(h, "before", &e), e);
    assert_int_equal(rename(h->path, away), 0);
    assert_int_equal(put(h, "meanwhile", &e), -1);
    assert_int_equal(rename(away, h->path), 0);
    assert_ok(put(h, "after", &e), e);
    assert_ok(store_health(h->s, &e), e);
    hand_reopen(h);
    assert_true(has(h, "before-0") && has(h, "after-0"));
    assert_false(has(h, "meanwhile-0"));
}

static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)t;
    (void)arg;
    (void)e;
    return 0;
}

/* Its log holds what was acknowledged: it would go, were the file made anew under its name. */
static void test_store_faults__who_reads_while_it_is_moved_makes_no_other_one_in_its_place(void **state)
{
    struct hand *h = *state;
    char away[128];
    struct err e;

    (void)snprintf(away, sizeof(away), "%s.away", h->path);
    assert_ok(put(h, "before", &e), e);
    assert_int_equal(rename(h->path, away), 0);
    assert_fails(store_read(h->s, look_tx, NULL, &e), ERR_RETRY, "was deleted or moved while muster runs", e);
    assert_int_equal(access(h->path, F_OK), -1);
    assert_int_equal(rename(away, h->path), 0);
    assert_ok(store_read(h->s, look_tx, NULL, &e), e);
    assert_ok(put(h, "after", &e), e);
    hand_reopen(h);
    assert_true(has(h, "before-0") && has(h, "after-0"));
}

static void test_store_faults__another_database_in_its_place_is_not_taken_for_it(void **state)
{
    struct hand *h = *state;
    char copy[128];
    FILE *f;
    struct err e;

    (void)snprintf(copy, sizeof(copy), "%s.copy", h->path);
    f = fopen(copy, "we");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(rename(copy, h->path), 0);
    assert_fails(put(h, "after", &e), ERR_RETRY, "was deleted or moved", e);
}

/* What was acknowledged is in the log that has no name any more; a clean end brings it home. */
static void test_store_faults__a_deleted_log_is_noticed_and_saved_by_a_restart(void **state)
{
    struct hand *h = *state;
    char log[128];
    struct err e;

    (void)snprintf(log, sizeof(log), "%s-wal", h->path);
    assert_ok(put(h, "before", &e), e);
    assert_int_equal(unlink(log), 0);
    assert_fails(put(h, "after", &e), ERR_RETRY, "restart muster", e);
    hand_reopen(h);
    assert_true(has(h, "before-0"));
    assert_ok(put(h, "after", &e), e);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* Everything but the first page. */
static void scribble(const char *path)
{
    char noise[4096];
    struct stat st;
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    memset(noise, 0x5a, sizeof(noise));
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
    assert_int_equal(close(fd), 0);
}

static int count_tx(struct store_tx *t, void *arg, struct err *e)
{
    int64_t counts[M_GONE + 1];

    (void)arg;
    return store_machine_counts(t, counts, e);
}

static void test_store_faults__damage_is_named_with_its_remedy_and_stays(void **state)
{
    struct hand *h = *state;
    struct err e;

    assert_ok(put(h, "before", &e), e);
    hand_reopen(h);                  /* all of it is in the file now */
    assert_true(has(h, "before-0")); /* and a reader has seen that much of it */
    scribble(h->path);
    assert_fails(store_read(h->s, count_tx, NULL, &e), ERR_BUG, "is damaged", e);
    assert_fails(store_health(h->s, &e), ERR_BUG, "stop muster and restore a backup", e);
    assert_fails(store_health(h->s, &e), ERR_BUG, "stop muster and restore a backup", e);
}

/* --- the log ------------------------------------------------------------------------------------------------------ */

static int64_t log_bytes(struct hand *h)
{
    struct store_size size = {0, 0, 0};
    struct err e;

    assert_ok(store_size(h->s, &size, &e), e);
    return size.log_bytes;
}

/* So many transactions of about 400 KB each. */
static void write_much(struct hand *h, int times)
{
    static char text[4000];
    struct err e;

    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < times; i++) {
        text[0] = (char)('a' + i % 26);
        assert_ok(store_write(h->s, put_tx, &(struct note){"k", text, 100}, &e), e);
    }
}

static int never(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)arg;
    (void)c;
    (void)n;
    (void)e;
    return 0;
}

/* A connection from outside, as a backup that takes long. */
static struct db *read_for_long(struct hand *h)
{
    struct db *db;
    struct err e;

    assert_ok(db_sqlite.open(h->url, &db, &e), e);
    assert_ok(db_sqlite.exec(db, "BEGIN", NULL, 0, NULL, NULL, NULL, &e), e);
    assert_ok(db_sqlite.exec(db, "SELECT count(*) FROM meta", NULL, 0, never, NULL, NULL, &e), e);
    return db;
}

static void test_store_faults__the_log_stays_short_when_nobody_holds_it(void **state)
{
    struct hand *h = *state;

    write_much(h, 250); /* 100 MB */
    assert_true(log_bytes(h) < 24 * 1024 * 1024);
}

static void test_store_faults__a_reader_that_takes_long_lets_the_log_grow_and_then_it_is_cut(void **state)
{
    struct hand *h = *state;
    struct db *reader = read_for_long(h);

    write_much(h, 100);
    assert_true(log_bytes(h) > 24 * 1024 * 1024);
    db_sqlite.close(reader);
    write_much(h, 50);
    assert_true(log_bytes(h) < 24 * 1024 * 1024);
}

struct turns {
    struct hand *h;
    atomic_bool *stop;
    int64_t after_ms;
};

/* Looks at the database for 20 ms at a time, without a pause. */
static void *take_turns(void *arg)
{
    const struct turns *r = arg;
    struct db *db;
    struct err e;

    assert_ok(db_sqlite.open(r->h->url, &db, &e), e);
    while (!*r->stop) {
        int64_t until = clock_mono_ms() + 20 + r->after_ms;

        if (db_sqlite.exec(db, "BEGIN", NULL, 0, NULL, NULL, NULL, &e) ||
            db_sqlite.exec(db, "SELECT count(*) FROM meta", NULL, 0, never, NULL, NULL, &e))
            break;
        while (clock_mono_ms() < until)
            (void)sched_yield();
        db_sqlite.rollback(db);
    }
    db_sqlite.close(db);
    return NULL;
}

/* There is a reader at nearly every moment, though none stays. */
static void test_store_faults__readers_that_take_turns_do_not_keep_the_log_for_ever(void **state)
{
    atomic_bool stop = false;
    struct turns turns[3];
    pthread_t threads[3];

    for (int i = 0; i < 3; i++) {
        turns[i] = (struct turns){*state, &stop, 7 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &turns[i]), 0);
    }
    write_much(*state, 480); /* 190 MB */
    stop = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(log_bytes(*state) < 120 * 1024 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_faults__a_deleted_database_is_not_written_any_more, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__one_that_is_moved_and_put_back_goes_on, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__who_reads_while_it_is_moved_makes_no_other_one_in_its_place,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__another_database_in_its_place_is_not_taken_for_it,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__a_deleted_log_is_noticed_and_saved_by_a_restart, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__damage_is_named_with_its_remedy_and_stays, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__the_log_stays_short_when_nobody_holds_it, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_faults__a_reader_that_takes_long_lets_the_log_grow_and_then_it_is_cut, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_faults__readers_that_take_turns_do_not_keep_the_log_for_ever,
                                        hand_setup, hand_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
