/* A copy of the store while it is written to: whole, consistent, looked through, and never in the way of anything. */
#include "server/store/store_backup.h"

#include "server/base/mem.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1700000000000)

struct bed {
    struct hand h;
    char target[160];
    pthread_t writer;
    atomic_bool stop;
    atomic_int written;
};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    hand_open(&b->h);
    (void)snprintf(b->target, sizeof(b->target), "%s/copy.db", b->h.dir);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    hand_close(&b->h);
    free(b);
    return 0;
}

/* A job and a line about it: one is never there without the other. */
static int pair_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct job j = {.id = *(const int *)arg, .repo_id = 5, .queued_ms = NOW, .state = JOB_QUEUED};
    bool moved;
    int before;

    return store_job_merge(t, &j, &before, &moved, e) || store_event_add(t, NOW, j.id, NULL, "job.queued", NULL, e) ? -1
                                                                                                                    : 0;
}

static void write_pairs(struct bed *b, int from, int to)
{
    struct err e;

    for (int i = from; i < to; i++)
        assert_ok(store_write(b->h.s, pair_tx, &i, &e), e);
}

static void *writer_main(void *arg)
{
    struct bed *b = arg;
    struct err e;

    while (!atomic_load(&b->stop)) {
        int i = atomic_load(&b->written) + 1;

        if (store_write(b->h.s, pair_tx, &i, &e))
            return NULL;
        atomic_store(&b->written, i);
    }
    return NULL;
}

static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int64_t n = -1;

    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    if (sqlite3_step(st) == SQLITE_ROW)
        n = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

/* Refused, and nothing is left of it. */
static void assert_refused(const struct bed *b, const char *url, const char *target, enum err_kind kind,
                           const char *piece)
{
    size_t before = files_in(b->h.dir);
    struct store_backup out = {-5, -5};
    struct err e;

    assert_fails(store_backup(url, target, false, &out, &e), kind, piece, e);
    assert_int_equal(out.bytes, -5);
    assert_int_equal(files_in(b->h.dir), before);
}

static void test_store_backup__copies_under_load_are_whole_and_hold_all_that_was_acknowledged(void **state)
{
    struct bed *b = *state;

    write_pairs(b, 1, 200);
    atomic_store(&b->written, 200);
    assert_int_equal(pthread_create(&b->writer, NULL, writer_main, b), 0);
    for (int i = 0; i < 12; i++) {
        int acknowledged = atomic_load(&b->written);
        struct store_backup out;
        struct err e;

        assert_ok(store_backup(b->h.url, b->target, true, &out, &e), e);
        assert_true(ask(b->target, "SELECT count(*) FROM job") >= acknowledged - 1);
        assert_int_equal(ask(b->target, "SELECT count(*) FROM job WHERE id NOT IN (SELECT job_id FROM event)"), 0);
        assert_int_equal(ask(b->target, "SELECT count(*) FROM event WHERE job_id NOT IN (SELECT id FROM job)"), 0);
    }
    atomic_store(&b->stop, true);
    (void)pthread_join(b->writer, NULL);
}

static void test_store_backup__the_copy_is_private_and_opens_as_a_store(void **state)
{
    struct bed *b = *state;
    struct store_backup out;
    struct store *s = NULL;
    struct stat st;
    char url[200];
    struct err e;

    write_pairs(b, 1, 50);
    assert_ok(store_backup(b->h.url, b->target, false, &out, &e), e);
    assert_int_equal(stat(b->target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, out.bytes);
    assert_int_equal(out.schema_version, ask(b->target, "SELECT version FROM schema_version"));
    (void)snprintf(url, sizeof(url), "sqlite:%s", b->target);
    assert_ok(store_open(url, &s, &e), e);
    store_close(s);
    assert_int_equal(ask(b->target, "SELECT count(*) FROM job"), 49);
}

static void test_store_backup__what_is_there_is_replaced_only_when_that_is_asked_for(void **state)
{
    struct bed *b = *state;
    struct store_backup out;
    struct err e;

    write_pairs(b, 1, 10);
    assert_ok(store_backup(b->h.url, b->target, false, &out, &e), e);
    write_pairs(b, 10, 20);
    assert_refused(b, b->h.url, b->target, ERR_CONFLICT, "--force");
    assert_int_equal(ask(b->target, "SELECT count(*) FROM job"), 9);
    assert_ok(store_backup(b->h.url, b->target, true, &out, &e), e);
    assert_int_equal(ask(b->target, "SELECT count(*) FROM job"), 19);
}

static void test_store_backup__the_store_itself_is_never_written_over(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock", "-journal"};
    struct bed *b = *state;
    struct store_backup out;
    char path[200];
    struct err e;

    write_pairs(b, 1, 10);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", b->h.path, ends[i]);
        assert_fails(store_backup(b->h.url, path, true, &out, &e), ERR_INVALID, "of the store itself", e);
    }
    assert_int_equal(link(b->h.path, b->target), 0); /* under another name */
    assert_fails(store_backup(b->h.url, b->target, true, &out, &e), ERR_INVALID, "of the store itself", e);
    write_pairs(b, 10, 20);
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Somebody wrote into the old backup and was killed: its log holds pages of the old one. */
static void leave_log(const char *path)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db = NULL;

        _exit(sqlite3_open(path, &db) == SQLITE_OK &&
                      sqlite3_exec(db, "PRAGMA journal_mode = WAL; DELETE FROM event", NULL, NULL, NULL) == SQLITE_OK
                  ? 0
                  : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_store_backup__a_log_that_was_left_beside_the_target_is_not_taken_for_the_copys(void **state)
{
    struct bed *b = *state;
    struct store_backup out;
    char side[200];
    struct err e;

    write_pairs(b, 1, 100);
    assert_ok(store_backup(b->h.url, b->target, false, &out, &e), e);
    leave_log(b->target);
    write_pairs(b, 100, 200);
    assert_fails(store_backup(b->h.url, b->target, true, &out, &e), ERR_CONFLICT, "copy.db-", e);
    (void)snprintf(side, sizeof(side), "%s-wal", b->target);
    assert_int_equal(unlink(side), 0);
    (void)snprintf(side, sizeof(side), "%s-shm", b->target);
    assert_int_equal(unlink(side), 0);
    assert_ok(store_backup(b->h.url, b->target, true, &out, &e), e);
    assert_int_equal(ask(b->target, "SELECT count(*) FROM event"), 199);
    assert_int_equal(ask(b->target, "SELECT count(*) FROM job"), 199);
}

static void test_store_backup__what_a_database_in_use_keeps_beside_it_is_named(void **state)
{
    static const char *const ends[] = {"-wal", "-journal", "-shm", "-lock"};
    struct bed *b = *state;
    char side[200];

    write_pairs(b, 1, 10);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(side, sizeof(side), "%s%s", b->target, ends[i]);
        put_file(side, "");
        assert_refused(b, b->h.url, b->target, ERR_CONFLICT, ends[i]);
        assert_int_equal(unlink(side), 0);
    }
}

static void test_store_backup__what_is_no_store_of_ours_is_refused_in_one_sentence(void **state)
{
    struct bed *b = *state;
    char path[160], url[180];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof(path), "%s/other.db", b->h.dir);
    (void)snprintf(url, sizeof(url), "sqlite:%s", path);
    assert_refused(b, url, b->target, ERR_INVALID, "there is no database");
    put_file(path, "this is a text of more than a hundred bytes, and no database at all, whatever its name may say "
                   "about it to whoever reads it");
    assert_refused(b, url, b->target, ERR_INVALID, "is not a SQLite database");
    put_file(path, "");
    assert_refused(b, url, b->target, ERR_INVALID, "is empty");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL), SQLITE_OK);
    assert_refused(b, url, b->target, ERR_INVALID, "belongs to another program");
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TABLE schema_version (version INTEGER);"
                                  "INSERT INTO schema_version VALUES (4711)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);
    assert_refused(b, url, b->target, ERR_INVALID, "schema version 4711");
    assert_refused(b, "postgresql://u:secret@h/db", b->target, ERR_INVALID, "pg_dump");
    assert_refused(b, b->h.url, b->h.dir, ERR_INVALID, "name a file");
    assert_refused(b, b->h.url, "/no/such/directory/copy.db", ERR_INVALID, "/no/such/directory");
}

/* The end of a page in the middle is overwritten: its copy would be no better. */
static void test_store_backup__a_damaged_store_is_found_out(void **state)
{
    struct bed *b = *state;
    char bad[400];
    FILE *f;
    struct store_backup out;
    struct err e;

    write_pairs(b, 1, 3000);
    store_close(b->h.s); /* all of it in the one file */
    f = fopen(b->h.path, "r+e");
    assert_non_null(f);
    memset(bad, 0x5a, sizeof(bad));
    for (long page = 20; page < 60; page += 2) {
        assert_int_equal(fseek(f, page * 4096 + 8, SEEK_SET), 0);
        assert_int_equal(fwrite(bad, 1, sizeof(bad), f), sizeof(bad));
    }
    assert_int_equal(fclose(f), 0);
    assert_int_equal(store_backup(b->h.url, b->target, false, &out, &e), -1);
    assert_int_not_equal(access(b->target, F_OK), 0);
    (void)unlink(b->h.path);
    assert_ok(store_open(b->h.url, &b->h.s, &e), e);
}

/* In a child whose files may not grow that far. */
static void test_store_backup__a_full_disk_leaves_nothing_and_the_older_backup(void **state)
{
    struct bed *b = *state;
    struct store_backup out;
    size_t before;
    int status = 0;
    struct err e;
    pid_t pid;

    write_pairs(b, 1, 2000);
    assert_ok(store_backup(b->h.url, b->target, false, &out, &e), e);
    before = files_in(b->h.dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit small = {65536, 65536};

        (void)signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &small) != 0)
            _exit(2);
        _exit(store_backup(b->h.url, b->target, true, &out, &e) == -1 && e.kind == ERR_QUOTA ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(files_in(b->h.dir), before);
    assert_int_equal(ask(b->target, "SELECT count(*) FROM job"), 1999);
}

/* What the daemon has forgotten is not in a copy of it either. */
static void test_store_backup__nothing_that_was_deleted_comes_along(void **state)
{
    static const char word[] = "sealed-configuration-of-a-runner-that-is-gone";
    struct bed *b = *state;
    AUTO_FREE char *all = mem_zalloc(1 << 20);
    struct store_backup out;
    struct err e;
    size_t n;
    FILE *f;

    assert_ok(store_pull_arm(hand_begin(&b->h), "muster-a", "muster-a-0-0", word, &e), e);
    hand_commit(&b->h);
    assert_ok(store_pull_drop(hand_begin(&b->h), "muster-a", &e), e);
    hand_commit(&b->h);
    assert_ok(store_backup(b->h.url, b->target, false, &out, &e), e);
    f = fopen(b->target, "re");
    assert_non_null(f);
    n = fread(all, 1, 1 << 20, f);
    (void)fclose(f);
    assert_true(n > 4096);
    assert_null(memmem(all, n, word, sizeof(word) - 1));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_store_backup__copies_under_load_are_whole_and_hold_all_that_was_acknowledged),
        T(test_store_backup__the_copy_is_private_and_opens_as_a_store),
        T(test_store_backup__what_is_there_is_replaced_only_when_that_is_asked_for),
        T(test_store_backup__the_store_itself_is_never_written_over),
        T(test_store_backup__a_log_that_was_left_beside_the_target_is_not_taken_for_the_copys),
        T(test_store_backup__what_a_database_in_use_keeps_beside_it_is_named),
        T(test_store_backup__what_is_no_store_of_ours_is_refused_in_one_sentence),
        T(test_store_backup__a_damaged_store_is_found_out),
        T(test_store_backup__a_full_disk_leaves_nothing_and_the_older_backup),
        T(test_store_backup__nothing_that_was_deleted_comes_along),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
