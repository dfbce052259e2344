/* Opening: what is refused, in which words, and that a refused file stays byte for byte as it was. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/db.h"
#include "server/store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char dir[64], path[96], url[128];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/muster-open-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->path, sizeof(f->path), "%s/muster.db", f->dir);
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    hand_remove_dir(f->dir);
    free(f);
    return 0;
}

/* Must be refused like this, as one sentence that names the path. */
static void assert_refused(const struct fixture *f, enum err_kind kind, const char *piece)
{
    struct store *s = NULL;
    struct err e;

    assert_fails(store_open(f->url, &s, &e), kind, piece, e);
    assert_non_null(strstr(e.msg, f->dir));
    assert_null(strchr(e.msg, '\n'));
    assert_null(s);
}

static bool exists(const char *path, const char *end)
{
    char name[200];

    (void)snprintf(name, sizeof(name), "%s%s", path, end);
    return access(name, F_OK) == 0;
}

struct bytes {
    char *p;
    size_t n;
};

static struct bytes read_file(const char *path)
{
    struct bytes b = {mem_zalloc(1 << 20), 0};
    FILE *file = fopen(path, "re");

    assert_non_null(file);
    b.n = fread(b.p, 1, 1 << 20, file);
    (void)fclose(file);
    return b;
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* Refused, and every byte is as before, with nothing new beside it. */
static void assert_refused_and_unharmed(const struct fixture *f, enum err_kind kind, const char *piece)
{
    struct bytes before = read_file(f->path), after;

    assert_refused(f, kind, piece);
    after = read_file(f->path);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n);
    assert_false(exists(f->path, "-wal") || exists(f->path, "-shm") || exists(f->path, "-lock") ||
                 exists(f->path, "-journal"));
    free(before.p);
    free(after.p);
}

static void open_and_close(const struct fixture *f)
{
    struct store *s = NULL;
    struct err e;

    assert_ok(store_open(f->url, &s, &e), e);
    store_close(s);
}

/* Change a database behind the store's back. */
static void alter(const struct fixture *f, const char *sql)
{
    struct db *d = NULL;
    struct err e;

    assert_ok(db_sqlite.open(f->url, &d, &e), e);
    assert_ok(db_sqlite.exec(d, sql, NULL, 0, NULL, NULL, NULL, &e), e);
    db_sqlite.close(d);
}

/* --- migrations ----------------------------------------------------------------------------------------------- */

static int add_text(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    char *out = arg;
    size_t len = strlen(out);

    (void)n;
    (void)e;
    (void)snprintf(out + len, 16000 - len, "%s\n", cols[0].s != NULL ? cols[0].s : "");
    return 0;
}

static char *schema_of(const struct fixture *f)
{
    char *text = mem_zalloc(16000);
    struct db *d = NULL;
    struct err e;

    assert_ok(db_sqlite.open(f->url, &d, &e), e);
    assert_ok(db_sqlite.exec(d, "SELECT sql FROM sqlite_schema ORDER BY name", NULL, 0, add_text, text, NULL, &e), e);
    assert_ok(db_sqlite.exec(d, "SELECT 'version ' || version FROM schema_version", NULL, 0, add_text, text, NULL, &e),
              e);
    db_sqlite.close(d);
    return text;
}

static void assert_newest(const char *text)
{
    char line[32];

    (void)snprintf(line, sizeof(line), "version %lld\n", (long long)schema_newest());
    assert_non_null(strstr(text, line));
}

static void test_store_open__opening_again_migrates_nothing(void **state)
{
    const struct fixture *f = *state;
    AUTO_FREE char *first = NULL, *second = NULL;

    open_and_close(f);
    first = schema_of(f);
    open_and_close(f);
    second = schema_of(f);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "CREATE TABLE job"));
    assert_newest(first);
}

static void test_store_open__an_empty_file_becomes_a_database(void **state)
{
    const struct fixture *f = *state;

    AUTO_FREE char *schema = NULL;

    write_file(f->path, "", 0);
    open_and_close(f);
    schema = schema_of(f);
    assert_newest(schema);
}

static void test_store_open__a_newer_version_is_refused_with_both_numbers(void **state)
{
    const struct fixture *f = *state;
    char both[100];

    open_and_close(f);
    alter(f, "UPDATE schema_version SET version = 4711");
    (void)snprintf(both, sizeof(both), "schema version 4711, and muster %s knows versions up to %lld", MUSTER_VERSION,
                   (long long)schema_newest());
    assert_refused_and_unharmed(f, ERR_INVALID, both);
    alter(f, "PRAGMA journal_mode = DELETE"); /* as after VACUUM INTO: no sign of the log in the file */
    assert_refused_and_unharmed(f, ERR_INVALID, both);
    (void)snprintf(both, sizeof(both), "UPDATE schema_version SET version = %lld", (long long)schema_newest());
    alter(f, both);
    open_and_close(f);
}

static void test_store_open__a_migration_that_fails_leaves_nothing_behind(void **state)
{
    const struct fixture *f = *state;

    alter(f, "CREATE VIEW machine AS SELECT 1"); /* in the way of the first migration, half way through */
    assert_refused(f, ERR_BUG, "migration 1");
    alter(f, "DROP VIEW machine");
    open_and_close(f); /* as if nothing had been tried */
}

/* --- refusals ------------------------------------------------------------------------------------------------- */

static void test_store_open__what_is_no_database_is_refused(void **state)
{
    const struct fixture *f = *state;
    char text[5000];

    memset(text, 'x', sizeof(text));
    write_file(f->path, text, sizeof(text));
    assert_refused_and_unharmed(f, ERR_INVALID, "is not a SQLite database");
    write_file(f->path, "github:\n  app_id: 1\n", 20);
    assert_refused_and_unharmed(f, ERR_INVALID, "is not a SQLite database");
}

static void test_store_open__another_programs_database_is_refused(void **state)
{
    const struct fixture *f = *state;

    alter(f, "CREATE TABLE bookmarks (url TEXT)");
    assert_refused_and_unharmed(f, ERR_INVALID, "belongs to another program");
}

static void test_store_open__a_damaged_database_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct bytes b;

    open_and_close(f);
    b = read_file(f->path);
    assert_true(b.n > 8192);
    memset(b.p + 100, 0xff, 3000); /* the list of tables */
    write_file(f->path, b.p, b.n);
    free(b.p);
    assert_refused_and_unharmed(f, ERR_INVALID, "damaged");
}

static void test_store_open__paths_that_cannot_be_are_refused(void **state)
{
    static const char *const urls[] = {"sqlite:", "sqlite::memory:", "sqlite:/tmp/"};
    struct fixture *f = *state;
    struct store *s = NULL;
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        assert_fails(store_open(urls[i], &s, &e), ERR_INVALID, "sqlite:/var/lib/muster/muster.db", e);
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s/none/muster.db", f->dir);
    assert_refused(f, ERR_INVALID, "No such file or directory");
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s", f->dir);
    assert_refused(f, ERR_INVALID, "not a file");
}

static void test_store_open__an_unknown_kind_is_refused_without_its_password(void **state)
{
    struct store *s = NULL;
    struct err e;

    (void)state;
    assert_fails(store_open("oracle://user:hunter2@host/db", &s, &e), ERR_INVALID, "oracle:", e);
    assert_null(strstr(e.msg, "hunter2"));
    assert_fails(store_open("/var/lib/muster.db", &s, &e), ERR_INVALID, "sqlite:", e);
}

/* Run fn as somebody without rights (a child that gave up being root); it returns what store_open said. */
static void open_as_nobody(const struct fixture *f, char *said, size_t size)
{
    int fd[2], status = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *s = NULL;
        struct err e = {.msg = "it opened"};

        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(2);
        if (store_open(f->url, &s, &e) == 0)
            store_close(s);
        _exit(dprintf(fd[1], "%s: %s", err_kind_name(e.kind), e.msg) > 0 ? 0 : 3);
    }
    (void)close(fd[1]);
    n = read(fd[0], said, size - 1);
    said[n > 0 ? n : 0] = '\0';
    (void)close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_store_open__a_directory_that_cannot_be_written_is_refused(void **state)
{
    const struct fixture *f = *state;
    char said[700];

    assert_int_equal(chmod(f->dir, 0555), 0);
    open_as_nobody(f, said, sizeof(said));
    assert_int_equal(chmod(f->dir, 0700), 0);
    assert_non_null(strstr(said, "invalid: cannot use the directory of the database"));
    assert_non_null(strstr(said, "Permission denied"));
    assert_false(exists(f->path, ""));
}

static void test_store_open__a_database_that_cannot_be_written_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct bytes before, after;
    char said[700];

    open_and_close(f);
    before = read_file(f->path);
    assert_int_equal(chmod(f->path, 0444), 0);
    assert_int_equal(chmod(f->dir, 0777), 0);
    open_as_nobody(f, said, sizeof(said));
    assert_non_null(strstr(said, "invalid: cannot"));
    assert_non_null(strstr(said, f->path));
    after = read_file(f->path);
    assert_int_equal(before.n, after.n);
    assert_memory_equal(before.p, after.p, before.n);
    free(before.p);
    free(after.p);
}

/* --- one process per database --------------------------------------------------------------------------------- */

/* A child that has the database open, and ends when it is killed. */
static pid_t hold_in_child(const struct fixture *f)
{
    int fd[2];
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe(fd), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct store *s = NULL;
        struct err e;

        if (store_open(f->url, &s, &e) || write(fd[1], "x", 1) != 1)
            _exit(2);
        for (;;)
            (void)pause();
    }
    (void)close(fd[1]);
    assert_int_equal(read(fd[0], &byte, 1), 1);
    (void)close(fd[0]);
    return pid;
}

static void test_store_open__a_second_process_is_told_who_has_it(void **state)
{
    const struct fixture *f = *state;
    pid_t pid = hold_in_child(f);
    char who[80];
    int status;

    (void)snprintf(who, sizeof(who), "is in use by another muster (pid %ld)", (long)pid);
    assert_refused(f, ERR_CONFLICT, who);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(exists(f->path, "-lock")); /* what the dead left does not keep anybody out */
    open_and_close(f);
    assert_false(exists(f->path, "-lock"));
}

static void test_store_open__it_is_the_same_database_by_any_other_name(void **state)
{
    struct fixture *f = *state;
    struct store *s = NULL;
    char link_path[100];
    struct err e;

    assert_ok(store_open(f->url, &s, &e), e);
    assert_refused(f, ERR_CONFLICT, "in use");
    (void)snprintf(link_path, sizeof(link_path), "%s/other.db", f->dir);
    assert_int_equal(symlink(f->path, link_path), 0);
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s", link_path);
    assert_refused(f, ERR_CONFLICT, "in use");
    (void)snprintf(f->url, sizeof(f->url), "sqlite:%s/./muster.db", f->dir);
    assert_refused(f, ERR_CONFLICT, "in use");
    store_close(s);
    open_and_close(f);
}

static void test_store_open__a_refused_second_start_does_not_disturb_the_first(void **state)
{
    const struct fixture *f = *state;
    struct store *s = NULL;
    struct err e;

    assert_ok(store_open(f->url, &s, &e), e);
    for (int i = 0; i < 3; i++)
        assert_refused(f, ERR_CONFLICT, "in use"); /* and does not take the lock away with it */
    store_close(s);
    assert_false(exists(f->path, "-lock") || exists(f->path, "-wal"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_store_open__##name, setup, teardown)
        T(opening_again_migrates_nothing),
        T(an_empty_file_becomes_a_database),
        T(a_newer_version_is_refused_with_both_numbers),
        T(a_migration_that_fails_leaves_nothing_behind),
        T(what_is_no_database_is_refused),
        T(another_programs_database_is_refused),
        T(a_damaged_database_is_refused),
        T(paths_that_cannot_be_are_refused),
        T(an_unknown_kind_is_refused_without_its_password),
        T(a_directory_that_cannot_be_written_is_refused),
        T(a_database_that_cannot_be_written_is_refused),
        T(a_second_process_is_told_who_has_it),
        T(it_is_the_same_database_by_any_other_name),
        T(a_refused_second_start_does_not_disturb_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
