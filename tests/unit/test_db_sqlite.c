/* The driver: what store.c relies on in statements and transactions, and what a file looks like from outside. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/store/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char dir[64], path[96], url[128];
    struct db *d;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct err e;

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/muster-db-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/t.db", f->dir);
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s", f->path);
    assert_ok(db_sqlite.open(f->url, &f->d, &e), e);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    db_sqlite.close(f->d);
    hand_remove_dir(f->dir);
    free(f);
    return 0;
}

/* Rows as text: "1|two|NULL;" */
static int as_text(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    char *out = arg;

    (void)e;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(out);

        if (cols[i].type == DB_INT)
            (void)snprintf(out + len, 500 - len, "%lld%s", (long long)cols[i].i, i + 1 < n ? "|" : ";");
        else
            (void)snprintf(out + len, 500 - len, "%s%s", cols[i].type == DB_TEXT ? cols[i].s : "NULL",
                           i + 1 < n ? "|" : ";");
    }
    return 0;
}

static int exec(struct db *d, const char *sql, struct err *e)
{
    return db_sqlite.exec(d, sql, NULL, 0, NULL, NULL, NULL, e);
}

static void make_table(struct db *d)
{
    struct err e;

    assert_ok(db_sqlite.begin(d, &e), e);
    assert_ok(exec(d, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT UNIQUE)", &e), e);
    assert_ok(db_sqlite.commit(d, &e), e);
}

static void insert(struct db *d, int64_t id)
{
    struct db_val v = DB_I(id);
    struct err e;

    assert_ok(db_sqlite.exec(d, "INSERT INTO t (id, s) VALUES ($1, NULL)", &v, 1, NULL, NULL, NULL, &e), e);
}

static int64_t count(struct db *d)
{
    char text[500] = "";
    struct err e;

    assert_ok(db_sqlite.exec(d, "SELECT count(*) FROM t", NULL, 0, as_text, text, NULL, &e), e);
    return strtoll(text, NULL, 10);
}

/* --- statements ----------------------------------------------------------------------------------------------- */

static void test_db_sqlite__parameters_are_bound_by_name_in_whatever_order_they_appear(void **state)
{
    struct fixture *f = *state;
    struct db_val v[] = {DB_S("one"), DB_I(2), DB_S("three")};
    char text[500] = "";
    struct err e;

    assert_ok(db_sqlite.exec(f->d, "SELECT $3, $1, $2, $1 || $3", v, 3, as_text, text, NULL, &e), e);
    assert_string_equal(text, "three|one|2|onethree;");
}

static void test_db_sqlite__values_come_back_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    struct db_val v[] = {DB_I(INT64_MIN), DB_I(INT64_MAX), DB_S("it's \"q\"; --"), DB_S(NULL), DB_S("")};
    char text[500] = "";
    struct err e;

    assert_ok(db_sqlite.exec(f->d, "SELECT $1, $2, $3, $4, $5", v, 5, as_text, text, NULL, &e), e);
    assert_string_equal(text, "-9223372036854775808|9223372036854775807|it's \"q\"; --|NULL|;");
}

static void test_db_sqlite__a_wrong_number_of_values_is_our_bug(void **state)
{
    struct fixture *f = *state;
    struct db_val v[] = {DB_I(1), DB_I(2), DB_I(3)};
    struct err e;

    assert_fails(db_sqlite.exec(f->d, "SELECT $2, $1", v, 1, NULL, NULL, NULL, &e), ERR_BUG, "1 values for 2", e);
    assert_fails(db_sqlite.exec(f->d, "SELECT $2, $1", v, 3, NULL, NULL, NULL, &e), ERR_BUG, "3 values for 2", e);
    assert_fails(db_sqlite.exec(f->d, "SELECT ?", v, 1, NULL, NULL, NULL, &e), ERR_BUG, "$1", e);
    assert_fails(db_sqlite.exec(f->d, "SELECT $one", v, 1, NULL, NULL, NULL, &e), ERR_BUG, "$1", e);
    assert_fails(db_sqlite.exec(f->d, "SELECT $0", v, 1, NULL, NULL, NULL, &e), ERR_BUG, "$1", e);
    assert_fails(db_sqlite.exec(f->d, "SELECT $99", v, 1, NULL, NULL, NULL, &e), ERR_BUG, "$1", e);
}

static void test_db_sqlite__the_number_of_changed_rows_is_told(void **state)
{
    static const char *const update = "UPDATE t SET s = NULL WHERE id > $1";
    struct fixture *f = *state;
    struct db_val v = DB_I(2);
    int64_t changed = -1;
    struct err e;

    make_table(f->d);
    for (int64_t id = 1; id <= 5; id++)
        insert(f->d, id);
    assert_ok(db_sqlite.exec(f->d, update, &v, 1, NULL, NULL, &changed, &e), e);
    assert_int_equal(changed, 3);
    v.i = 100;
    assert_ok(db_sqlite.exec(f->d, update, &v, 1, NULL, NULL, &changed, &e), e);
    assert_int_equal(changed, 0);
    insert(f->d, 6);
    changed = -1;
    assert_ok(db_sqlite.exec(f->d, "SELECT id FROM t", NULL, 0, NULL, NULL, &changed, &e), e);
    assert_int_equal(changed, 0);
}

static int stop_at_two(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (*(int *)arg)++;
    return cols[0].i < 2 ? 0 : err_set(e, ERR_GONE, "enough");
}

static void test_db_sqlite__a_row_function_can_stop_and_the_statement_works_again(void **state)
{
    static const char *const select = "SELECT id FROM t ORDER BY id";
    struct fixture *f = *state;
    char text[500] = "";
    int calls = 0;
    struct err e;

    make_table(f->d);
    for (int64_t id = 1; id <= 4; id++)
        insert(f->d, id);
    assert_fails(db_sqlite.exec(f->d, select, NULL, 0, stop_at_two, &calls, NULL, &e), ERR_GONE, "enough", e);
    assert_int_equal(calls, 2);
    assert_ok(db_sqlite.exec(f->d, select, NULL, 0, as_text, text, NULL, &e), e);
    assert_string_equal(text, "1;2;3;4;");
}

static const char *const NESTED = "SELECT 1";

static int nest(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)cols;
    (void)n;
    return db_sqlite.exec(arg, NESTED, NULL, 0, NULL, NULL, NULL, e);
}

static void test_db_sqlite__a_statement_inside_its_own_rows_is_refused(void **state)
{
    struct fixture *f = *state;
    struct err e;

    assert_fails(db_sqlite.exec(f->d, NESTED, NULL, 0, nest, f->d, NULL, &e), ERR_BUG, "inside its own rows", e);
    assert_ok(db_sqlite.exec(f->d, "SELECT 2", NULL, 0, nest, f->d, NULL, &e), e);
}

static void test_db_sqlite__kinds_of_failure(void **state)
{
    struct fixture *f = *state;
    struct err e;

    make_table(f->d);
    insert(f->d, 1);
    assert_fails(exec(f->d, "INSERT INTO t (id) VALUES (1)", &e), ERR_CONFLICT, f->path, e);
    assert_fails(exec(f->d, "SELECT * FROM nowhere", &e), ERR_BUG, "nowhere", e);
    assert_fails(exec(f->d, "nonsense", &e), ERR_BUG, "syntax", e);
    assert_fails(db_sqlite.commit(f->d, &e), ERR_BUG, "without", e);
}

static void test_db_sqlite__a_database_locked_by_another_is_a_passing_fault(void **state)
{
    struct fixture *f = *state;
    struct db *other = NULL;
    struct err e;

    assert_ok(db_sqlite.open(f->url, &other, &e), e);
    make_table(f->d);
    assert_ok(db_sqlite.begin(f->d, &e), e);
    insert(f->d, 1);
    assert_int_equal(count(other), 0); /* reads do not wait */
    assert_fails(db_sqlite.begin(other, &e), ERR_RETRY, "locked", e);
    assert_ok(db_sqlite.commit(f->d, &e), e);
    assert_ok(db_sqlite.begin(other, &e), e);
    assert_int_equal(count(other), 1);
    db_sqlite.rollback(other);
    db_sqlite.close(other);
}

/* --- transactions --------------------------------------------------------------------------------------------- */

static void test_db_sqlite__rollback_undoes_all_and_commit_keeps(void **state)
{
    struct fixture *f = *state;
    struct err e;

    make_table(f->d);
    assert_ok(db_sqlite.begin(f->d, &e), e);
    assert_fails(db_sqlite.begin(f->d, &e), ERR_BUG, "inside", e);
    insert(f->d, 1);
    db_sqlite.rollback(f->d);
    assert_int_equal(count(f->d), 0);
    db_sqlite.rollback(f->d); /* nothing to undo: nothing happens */
    assert_ok(db_sqlite.begin(f->d, &e), e);
    insert(f->d, 1);
    assert_ok(db_sqlite.commit(f->d, &e), e);
    db_sqlite.rollback(f->d);
    assert_int_equal(count(f->d), 1);
}

static void test_db_sqlite__rollback_to_undoes_since_the_savepoint_only(void **state)
{
    struct fixture *f = *state;
    struct err e;

    make_table(f->d);
    assert_ok(db_sqlite.begin(f->d, &e), e);
    insert(f->d, 1);
    assert_ok(db_sqlite.savepoint(f->d, &e), e);
    insert(f->d, 2);
    db_sqlite.rollback_to(f->d);
    assert_ok(db_sqlite.savepoint(f->d, &e), e);
    insert(f->d, 3);
    insert(f->d, 4);
    assert_ok(db_sqlite.release(f->d, &e), e);
    assert_ok(db_sqlite.commit(f->d, &e), e);
    assert_int_equal(count(f->d), 3);
}

static void test_db_sqlite__what_is_committed_is_there_after_reopening(void **state)
{
    struct fixture *f = *state;
    struct err e;

    make_table(f->d);
    insert(f->d, 1);
    db_sqlite.close(f->d);
    assert_ok(db_sqlite.open(f->url, &f->d, &e), e);
    assert_int_equal(count(f->d), 1);
}

/* --- the file ------------------------------------------------------------------------------------------------- */

static void test_db_sqlite__each_commit_is_synced_into_a_write_ahead_log(void **state)
{
    struct fixture *f = *state;
    char text[500] = "";
    struct err e;

    make_table(f->d);
    assert_ok(db_sqlite.exec(f->d, "PRAGMA journal_mode", NULL, 0, as_text, text, NULL, &e), e);
    assert_ok(db_sqlite.exec(f->d, "PRAGMA synchronous", NULL, 0, as_text, text, NULL, &e), e);
    assert_string_equal(text, "wal;2;");
}

static void test_db_sqlite__files_are_for_their_owner_only_whatever_the_umask(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct fixture *f = *state;
    mode_t before = umask(0);
    char path[128];
    struct stat st;
    struct err e;

    db_sqlite.close(f->d);
    assert_int_equal(unlink(f->path), 0);
    assert_ok(db_sqlite.open(f->url, &f->d, &e), e);
    make_table(f->d);
    (void)umask(before);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void test_db_sqlite__the_log_does_not_grow_without_end(void **state)
{
    struct fixture *f = *state;
    char pad[2001], path[128];
    struct db_val v = DB_S(pad);
    struct stat st;
    struct db *reader = NULL;
    struct err e;

    memset(pad, 'x', sizeof(pad) - 1);
    pad[sizeof(pad) - 1] = '\0';
    make_table(f->d);
    assert_ok(exec(f->d, "CREATE TABLE big (s TEXT)", &e), e);
    assert_ok(db_sqlite.open(f->url, &reader, &e), e);
    for (int i = 0; i < 60; i++) {
        assert_ok(db_sqlite.begin(f->d, &e), e);
        for (int n = 0; n < 250; n++)
            assert_ok(db_sqlite.exec(f->d, "INSERT INTO big (s) VALUES ($1)", &v, 1, NULL, NULL, NULL, &e), e);
        assert_ok(db_sqlite.commit(f->d, &e), e);
        assert_int_equal(count(reader), 0);
    }
    (void)snprintf(path, sizeof(path), "%s-wal", f->path);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 1, 16 << 20); /* 30 MB were written */
    db_sqlite.close(reader);
}

static void test_db_sqlite__a_relative_path_is_of_the_working_directory(void **state)
{
    struct fixture *f = *state;
    char before[4096];
    struct db *d = NULL;
    struct err e;

    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(f->dir), 0);
    assert_ok(db_sqlite.open("sqlite:t.db", &d, &e), e);
    assert_int_equal(chdir(before), 0);
    assert_string_equal(db_sqlite.name(d), f->path);
    db_sqlite.close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_db_sqlite__##name, setup, teardown)
        T(parameters_are_bound_by_name_in_whatever_order_they_appear),
        T(values_come_back_as_they_went_in),
        T(a_wrong_number_of_values_is_our_bug),
        T(the_number_of_changed_rows_is_told),
        T(a_row_function_can_stop_and_the_statement_works_again),
        T(a_statement_inside_its_own_rows_is_refused),
        T(kinds_of_failure),
        T(a_database_locked_by_another_is_a_passing_fault),
        T(rollback_undoes_all_and_commit_keeps),
        T(rollback_to_undoes_since_the_savepoint_only),
        T(what_is_committed_is_there_after_reopening),
        T(each_commit_is_synced_into_a_write_ahead_log),
        T(files_are_for_their_owner_only_whatever_the_umask),
        T(the_log_does_not_grow_without_end),
        T(a_relative_path_is_of_the_working_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
