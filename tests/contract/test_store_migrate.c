/*
 * Every version that ever was is opened by this one: with whatever stands in it, after a kill at any statement, with a
 * torn log, on a full disk. The versions come from the table of migrations itself, so that a new one is covered.
 */
#include "tests/support/old_store.h"
#include "tests/support/sanitized.h"
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/schema.h"
#include "server/store/store_internal.h"
#include "tests/sim/sim_util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct bed {
    char dir[64], path[96], url[128], before[120], kept[120];
};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    (void)snprintf(b->dir, sizeof(b->dir), "%s/muster-migrate-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->path, sizeof(b->path), "%s/muster.db", b->dir);
    (void)snprintf(b->url, sizeof(b->url), "sqlite:%s", b->path);
    (void)snprintf(b->before, sizeof(b->before), "%s/before.db", b->dir);
    (void)snprintf(b->kept, sizeof(b->kept), "%s/kept.db", b->dir);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    hand_remove_dir(b->dir);
    free(b);
    return 0;
}

/* --- files ---------------------------------------------------------------------------------------------------------
 */

static void remove_db(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock", "-journal"};
    char name[200];

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        (void)unlink(name);
    }
}

static struct buf read_all(const char *path)
{
    struct buf b = BUF_INIT((size_t)256 << 20);
    static char chunk[65536];
    FILE *f = fopen(path, "re");
    size_t n;

    while (f != NULL && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_add(&b, chunk, n);
    if (f != NULL)
        (void)fclose(f);
    return b;
}

static void write_all(const char *path, const char *p, size_t n)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *from, const char *to)
{
    struct buf b = read_all(from);

    write_all(to, b.p != NULL ? b.p : "", b.len);
    buf_clear(&b);
}

/* --- opening -------------------------------------------------------------------------------------------------------
 */

static char *newest_schema(const struct bed *b)
{
    char path[120];
    char *text;

    (void)snprintf(path, sizeof(path), "%s/fresh.db", b->dir);
    remove_db(path);
    old_store_make(path, schema_newest());
    text = old_store_schema(path);
    remove_db(path);
    return text;
}

static void open_and_close(const struct bed *b)
{
    struct store *s = NULL;
    struct err e;

    assert_ok(store_open(b->url, &s, &e), e);
    store_close(s);
}

/* It opens, is of the newest version, and everything is there as it was in the copy `before`. */
static void assert_migrated(const struct bed *b, const char *digest, const char *schema)
{
    AUTO_FREE char *now = NULL, *shape = NULL;

    open_and_close(b);
    /* the store's own first write */
    old_store_run(b->path, "DELETE FROM meta WHERE key = 'store.probe'");
    now = old_store_digest(b->path, b->before);
    assert_string_equal(now, digest);
    shape = old_store_schema(b->path);
    assert_string_equal(shape, schema);
    assert_int_equal(
        old_store_ask(b->path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

/* A database of a version, filled; b->before is a copy of it. Returns what stands in it. */
static char *make(const struct bed *b, int64_t version, int64_t rows, bool hostile)
{
    remove_db(b->path);
    remove_db(b->before);
    old_store_make(b->path, version);
    old_store_fill(b->path, rows, hostile);
    copy_file(b->path, b->before);
    return old_store_digest(b->path, b->before);
}

static void migrates_from_each_version(const struct bed *b, int64_t rows, bool hostile)
{
    AUTO_FREE char *schema = newest_schema(b);

    assert_true(schema_newest() >= 7);
    for (int64_t v = 1; v <= schema_newest(); v++) {
        AUTO_FREE char *digest = make(b, v, rows, hostile);

        assert_non_null(strstr(digest, "job: "));
        assert_migrated(b, digest, schema);
    }
}

static void test_store_migrate__each_earlier_version_keeps_all_that_stands_in_it(void **state)
{
    migrates_from_each_version(*state, 50, false);
}

static void test_store_migrate__nulls_huge_texts_and_extreme_numbers_are_no_obstacle(void **state)
{
    migrates_from_each_version(*state, 6, true);
}

static void test_store_migrate__a_hundred_thousand_rows_in_every_table_come_along(void **state)
{
    const struct bed *b = *state;
    AUTO_FREE char *schema = newest_schema(b), *digest = make(b, 1, 100000, false);

    assert_non_null(strstr(digest, "job: 100000 "));
    assert_migrated(b, digest, schema);
}

static void test_store_migrate__the_migrations_are_numbered_without_a_gap(void **state)
{
    const struct bed *b = *state;

    for (int64_t v = 1; v <= schema_newest(); v++) {
        remove_db(b->path);
        old_store_make(b->path, v); /* asserts that it is of exactly this version */
    }
}

/* --- a kill at each statement --------------------------------------------------------------------------------------
 */

/* In the child alone: the statement before which it dies, counted down. */
static struct {
    struct db_driver drv;
    int left;
} mine;

static void count_down(void)
{
    if (mine.left-- == 0)
        (void)kill(getpid(), SIGKILL);
}

static int dying_exec(struct db *d, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
                      int64_t *changed, struct err *e)
{
    count_down();
    return db_sqlite.exec(d, sql, v, n, row, arg, changed, e);
}

static int dying_begin(struct db *d, struct err *e)
{
    count_down();
    return db_sqlite.begin(d, e);
}

static int dying_commit(struct db *d, struct err *e)
{
    int rc;

    count_down();
    rc = db_sqlite.commit(d, e);
    count_down();
    return rc;
}

/* false: it came to its end before that. */
static bool killed_at(const struct bed *b, int statement)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct db *d = NULL;
        struct err e;

        mine.drv = db_sqlite;
        mine.drv.exec = dying_exec;
        mine.drv.begin = dying_begin;
        mine.drv.commit = dying_commit;
        mine.left = statement;
        _exit(db_sqlite.open(b->url, &d, &e) || schema_migrate(&mine.drv, d, &e) ? 1 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* One of the two, wholly. */
static bool is_old(const struct bed *b, const char *old, const char *schema)
{
    AUTO_FREE char *now = old_store_schema(b->path);
    bool is = strcmp(now, old) == 0;

    if (!is)
        assert_string_equal(now, schema);
    return is;
}

static void kill_everywhere(const struct bed *b, int64_t version)
{
    AUTO_FREE char *schema = newest_schema(b), *digest = make(b, version, 20, false), *old = NULL;
    int olds = 0, news = 0, n = 0;

    old = old_store_schema(b->path);
    for (;; n++) {
        remove_db(b->path);
        copy_file(b->before, b->path);
        if (!killed_at(b, n))
            break;
        if (is_old(b, old, schema))
            olds++;
        else
            news++;
        assert_migrated(b, digest, schema);
    }
    assert_true(n > 3); /* it has a begin, statements and a commit */
    assert_true(olds > 0 && news > 0);
}

static void test_store_migrate__a_kill_at_each_statement_leaves_the_old_or_the_new_version(void **state)
{
    const struct bed *b = *state;

    /* from the first on each statement of every migration is passed */
    if (!SANITIZED)
        kill_everywhere(b, 1);
    kill_everywhere(b, schema_newest() - 1);
}

static void test_store_migrate__a_kill_while_the_first_tables_are_made_is_no_obstacle(void **state)
{
    const struct bed *b = *state;
    AUTO_FREE char *schema = newest_schema(b);

    for (int n = 0;; n++) {
        bool killed;

        remove_db(b->path);
        killed = killed_at(b, n);
        open_and_close(b);
        {
            AUTO_FREE char *now = old_store_schema(b->path);

            assert_string_equal(now, schema);
        }
        if (!killed)
            break;
    }
}

/* --- a torn log ----------------------------------------------------------------------------------------------------
 */

/* The log of a migration that was killed, cut or with bytes turned: nothing of it was acknowledged. */
static void tear(const char *path, const struct buf *log, uint64_t *rng, int way)
{
    AUTO_FREE char *bytes = mem_zalloc(log->len + 1);
    size_t n = log->len, at = (size_t)(sim_rng(rng) % log->len);

    memcpy(bytes, log->p, n);
    switch (way % 3) {
    case 0:
        n = at;
        break;
    case 1:
        bytes[at] = (char)(bytes[at] ^ (1 << (sim_rng(rng) % 8)));
        break;
    default:
        memset(bytes + at, (int)(sim_rng(rng) % 256), n - at < 4096 ? n - at : 4096);
        break;
    }
    write_all(path, bytes, n);
}

static void torn_after(const struct bed *b, int statement, int tears)
{
    AUTO_FREE char *schema = newest_schema(b), *digest = old_store_digest(b->before, b->before),
                   *old = old_store_schema(b->before);
    struct buf log, file;
    uint64_t rng = 4711 + (uint64_t)statement;
    char wal[120];

    (void)snprintf(wal, sizeof(wal), "%s-wal", b->path);
    remove_db(b->path);
    copy_file(b->before, b->path);
    assert_true(killed_at(b, statement));
    log = read_all(wal);
    file = read_all(b->path);
    for (int i = 0; log.len > 0 && i < tears; i++) {
        remove_db(b->path);
        write_all(b->path, file.p, file.len);
        tear(wal, &log, &rng, i);
        (void)is_old(b, old, schema);
        assert_migrated(b, digest, schema);
    }
    buf_clear(&log);
    buf_clear(&file);
}

static void test_store_migrate__a_torn_log_leaves_the_old_or_the_new_version(void **state)
{
    const struct bed *b = *state;
    AUTO_FREE char *digest = make(b, 1, 3000, false);
    int n = 0;

    assert_non_null(digest);
    /* how many there are: the last kill is just behind the commit, the one before just in front of it */
    for (remove_db(b->path), copy_file(b->before, b->path); killed_at(b, n); n++) {
        remove_db(b->path);
        copy_file(b->before, b->path);
    }
    torn_after(b, n - 1, SANITIZED ? 6 : 18);
    torn_after(b, n - 2, SANITIZED ? 3 : 9);
    torn_after(b, n / 2, 3);
}

/* --- refusals ------------------------------------------------------------------------------------------------------
 */

static void test_store_migrate__a_newer_database_is_refused_and_stays_as_it_is(void **state)
{
    const struct bed *b = *state;
    AUTO_FREE char *digest = make(b, schema_newest(), 20, false);
    struct buf before, after;
    struct store *s = NULL;
    char sql[80];
    struct err e;

    assert_non_null(digest);
    (void)snprintf(sql, sizeof(sql), "UPDATE schema_version SET version = %lld", (long long)schema_newest() + 1);
    old_store_run(b->path, sql);
    before = read_all(b->path);
    assert_fails(store_open(b->url, &s, &e), ERR_INVALID, "start the newer muster", e);
    after = read_all(b->path);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p, after.p, before.len);
    buf_clear(&before);
    buf_clear(&after);
}

/* Files may not grow beyond so much more than there is. */
static int migrate_within(const struct bed *b, rlim_t more)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct stat st;
        struct rlimit r;
        struct store *s = NULL;
        struct err e;

        (void)signal(SIGXFSZ, SIG_IGN);
        if (stat(b->path, &st) != 0)
            _exit(2);
        r.rlim_cur = r.rlim_max = more;
        if (setrlimit(RLIMIT_FSIZE, &r) != 0)
            _exit(3);
        if (store_open(b->url, &s, &e) == 0)
            _exit(0);
        _exit(e.kind == ERR_QUOTA ? 10 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_store_migrate__a_disk_that_is_full_in_the_middle_leaves_the_old_version(void **state)
{
    const struct bed *b = *state;
    AUTO_FREE char *schema = newest_schema(b), *digest = make(b, 1, 6000, false), *old = old_store_schema(b->path);
    int refused = 0, olds = 0;

    for (rlim_t more = 0; more < (rlim_t)400 * 1024; more += (rlim_t)40 * 1024) {
        int rc;

        remove_db(b->path);
        copy_file(b->before, b->path);
        rc = migrate_within(b, more);
        assert_true(rc == 10 || rc == 0);
        refused += rc == 10 ? 1 : 0;
        /* the room may be used up just behind the migration: then it is the new one */
        olds += rc == 10 && is_old(b, old, schema) ? 1 : 0;
        assert_migrated(b, digest, schema);
    }
    assert_true(refused > 2 && olds > 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_store_migrate__each_earlier_version_keeps_all_that_stands_in_it),
        T(test_store_migrate__nulls_huge_texts_and_extreme_numbers_are_no_obstacle),
        T(test_store_migrate__a_hundred_thousand_rows_in_every_table_come_along),
        T(test_store_migrate__the_migrations_are_numbered_without_a_gap),
        T(test_store_migrate__a_kill_at_each_statement_leaves_the_old_or_the_new_version),
        T(test_store_migrate__a_kill_while_the_first_tables_are_made_is_no_obstacle),
        T(test_store_migrate__a_torn_log_leaves_the_old_or_the_new_version),
        T(test_store_migrate__a_newer_database_is_refused_and_stays_as_it_is),
        T(test_store_migrate__a_disk_that_is_full_in_the_middle_leaves_the_old_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
