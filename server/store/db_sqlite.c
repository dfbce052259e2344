/*
 * SQLite under the driver table. Write-ahead log, and a sync before each commit returns: https://sqlite.org/wal.html,
 * https://sqlite.org/pragma.html#pragma_synchronous
 */
#include "server/store/db.h"

#include "server/base/mem.h"
#include "server/store/db_sqlite_file.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_PARAMS 40
#define MAX_COLS 40
#define BUSY_MS 3000
#define LOG_PAGES 2000 /* of 4 KB */
#define LOG_PAGES_LONG 16000
#define LOG_PAGES_STEP 4000
#define LOG_WAIT_MS 100
#define STMT_SLOTS ((size_t)256) /* a power of two, well above the number of statements in the program */

/* SQLite numbers "$2" by first appearance, so that its place is found by name, once, when it is prepared. */
struct stmt {
    const char *sql;
    sqlite3_stmt *st;
    bool running;
    int n_params;
    size_t n_values;
    unsigned char value_of[MAX_PARAMS];
};

struct db {
    sqlite3 *h;
    char *path;
    bool wal;   /* write-ahead log is known to be on */
    bool in_tx; /* between begin and commit or rollback */
    bool damaged;
    struct file_id file, log; /* which they were when it was opened, and when the log was first written */
    int log_next;             /* pages in the log from which readers are waited for */
    enum err_kind lost;       /* SQLite ended the transaction by itself after this kind of fault */
    struct stmt *stmts[STMT_SLOTS];
    size_t n_stmts;
};

/* --- errors --------------------------------------------------------------------------------------------------- */

/* What the system said; SQLite itself often keeps it only with the file of the log. 0 = unknown. */
static int system_errno(sqlite3 *h)
{
    int errnum = sqlite3_system_errno(h);
    sqlite3_file *f = NULL;

    if (errnum == 0 && sqlite3_file_control(h, "main", SQLITE_FCNTL_JOURNAL_POINTER, &f) == SQLITE_OK && f != NULL &&
        f->pMethods != NULL)
        (void)f->pMethods->xFileControl(f, SQLITE_FCNTL_LAST_ERRNO, &errnum);
    return errnum;
}

static enum err_kind kind_of(int rc, int errnum)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
        return ERR_QUOTA;
    case SQLITE_IOERR:
        return file_no_room(errnum) ? ERR_QUOTA : ERR_RETRY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN: /* too many open files, mostly */
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
    case SQLITE_PROTOCOL:
        return ERR_RETRY;
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    default:
        return ERR_BUG;
    }
}

static int fail(struct db *d, int rc, struct err *e)
{
    int errnum = (rc & 0xff) == SQLITE_IOERR ? system_errno(d->h) : 0;
    enum err_kind kind = kind_of(rc, errnum);

    if (d->in_tx && d->lost == ERR_NONE && sqlite3_get_autocommit(d->h))
        d->lost = kind;
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
        d->damaged = true;
        return err_set(e, kind, "database %s is damaged (%s): stop muster and restore a backup", d->path,
                       sqlite3_errmsg(d->h));
    }
    if (errnum != 0)
        return err_sys(e, kind, errnum, "database %s: %s", d->path, sqlite3_errmsg(d->h));
    return err_set(e, kind, "database %s: %s", d->path, sqlite3_errmsg(d->h));
}

static int fail_lost(struct db *d, struct err *e)
{
    return err_set(e, d->lost, "database %s: the transaction was undone after an earlier fault", d->path);
}

/* --- statements ----------------------------------------------------------------------------------------------- */

static size_t slot_of(const struct db *d, const char *sql)
{
    size_t i = ((uintptr_t)sql >> 3) * 31 & (STMT_SLOTS - 1);

    while (d->stmts[i] != NULL && d->stmts[i]->sql != sql)
        i = (i + 1) & (STMT_SLOTS - 1);
    return i;
}

static void stmt_free(struct stmt *s)
{
    (void)sqlite3_finalize(s->st);
    free(s);
}

/* "$3" -> 2. */
static int value_index(const char *name, unsigned char *out)
{
    unsigned v = 0;

    if (name == NULL || name[0] != '$' || name[1] == '\0')
        return -1;
    for (const char *p = name + 1; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || v > MAX_PARAMS)
            return -1;
        v = v * 10 + (unsigned)(*p - '0');
    }
    if (v < 1 || v > MAX_PARAMS)
        return -1;
    *out = (unsigned char)(v - 1);
    return 0;
}

static int read_params(struct stmt *s, struct err *e)
{
    s->n_params = sqlite3_bind_parameter_count(s->st);
    if (s->n_params > MAX_PARAMS)
        return err_set(e, ERR_BUG, "statement with %d parameters: %s", s->n_params, s->sql);
    for (int i = 0; i < s->n_params; i++) {
        if (value_index(sqlite3_bind_parameter_name(s->st, i + 1), &s->value_of[i]))
            return err_set(e, ERR_BUG, "parameters must be $1, $2, ...: %s", s->sql);
        if (s->value_of[i] + (size_t)1 > s->n_values)
            s->n_values = s->value_of[i] + (size_t)1;
    }
    return 0;
}

static struct stmt *bug(struct err *e, const char *what)
{
    int failed = err_set(e, ERR_BUG, "%s", what);

    (void)failed;
    return NULL;
}

static struct stmt *stmt_prepare(struct db *d, const char *sql, struct err *e)
{
    struct stmt *s = mem_zalloc(sizeof(*s));
    int rc;

    s->sql = sql;
    rc = sqlite3_prepare_v3(d->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
    if ((rc == SQLITE_OK ? read_params(s, e) : fail(d, rc, e)) == 0)
        return s;
    stmt_free(s);
    return NULL;
}

/* The statement, prepared now or before; NULL with *e filled. */
static struct stmt *stmt_get(struct db *d, const char *sql, struct err *e)
{
    size_t slot = slot_of(d, sql);

    if (d->stmts[slot] != NULL)
        return d->stmts[slot];
    if (d->n_stmts >= STMT_SLOTS - 1)
        return bug(e, "more different statements than expected");
    d->stmts[slot] = stmt_prepare(d, sql, e);
    d->n_stmts += d->stmts[slot] != NULL ? 1 : 0;
    return d->stmts[slot];
}

/* Values are borrowed until the statement is reset, hence SQLITE_STATIC. */
static int bind(struct db *d, struct stmt *s, const struct db_val *v, size_t n, struct err *e)
{
    int rc = SQLITE_OK;

    if (n != s->n_values)
        return err_set(e, ERR_BUG, "%zu values for %zu parameters: %s", n, s->n_values, s->sql);
    for (int i = 0; i < s->n_params && rc == SQLITE_OK; i++) {
        const struct db_val *x = &v[s->value_of[i]];

        if (x->type == DB_INT)
            rc = sqlite3_bind_int64(s->st, i + 1, x->i);
        else if (x->type == DB_TEXT && x->s != NULL)
            rc = sqlite3_bind_text(s->st, i + 1, x->s, -1, SQLITE_STATIC);
        else
            rc = sqlite3_bind_null(s->st, i + 1);
    }
    return rc == SQLITE_OK ? 0 : fail(d, rc, e);
}

static int give_row(struct stmt *s, db_row_fn *row, void *arg, struct err *e)
{
    struct db_val cols[MAX_COLS];
    int n = sqlite3_column_count(s->st);

    if (row == NULL)
        return 0;
    if (n > MAX_COLS)
        return err_set(e, ERR_BUG, "statement with %d columns: %s", n, s->sql);
    for (int i = 0; i < n; i++) {
        int type = sqlite3_column_type(s->st, i);

        if (type == SQLITE_NULL)
            cols[i] = (struct db_val){DB_NULL, 0, NULL};
        else if (type == SQLITE_TEXT || type == SQLITE_BLOB)
            cols[i] = DB_S((const char *)sqlite3_column_text(s->st, i));
        else
            cols[i] = DB_I(sqlite3_column_int64(s->st, i));
    }
    return row(arg, cols, (size_t)n, e);
}

static int run(struct db *d, struct stmt *s, const struct db_val *v, size_t n, db_row_fn *row, void *arg, struct err *e)
{
    int rc, failed = 0;

    if (bind(d, s, v, n, e))
        return -1;
    while ((rc = sqlite3_step(s->st)) == SQLITE_ROW && !failed)
        failed = give_row(s, row, arg, e);
    if (failed)
        return -1;
    return rc == SQLITE_DONE ? 0 : fail(d, rc, e);
}

static int sqlite_exec(struct db *d, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
                       int64_t *changed, struct err *e)
{
    struct stmt *s;
    int rc;

    if (d->lost != ERR_NONE)
        return fail_lost(d, e);
    s = stmt_get(d, sql, e);
    if (s == NULL)
        return -1;
    if (s->running)
        return err_set(e, ERR_BUG, "statement used inside its own rows: %s", sql);
    s->running = true;
    rc = run(d, s, v, n, row, arg, e);
    if (rc == 0 && changed != NULL)
        *changed = sqlite3_stmt_readonly(s->st) ? 0 : (int64_t)sqlite3_changes64(d->h);
    (void)sqlite3_reset(s->st);
    (void)sqlite3_clear_bindings(s->st);
    s->running = false;
    return rc;
}

static int plain(struct db *d, const char *sql, struct err *e)
{
    return sqlite_exec(d, sql, NULL, 0, NULL, NULL, NULL, e);
}

/* --- transactions --------------------------------------------------------------------------------------------- */

static int see_mode(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(bool *)arg = cols[0].s != NULL && strcmp(cols[0].s, "wal") == 0;
    return 0;
}

/* The mode is written into the file, hence not before it is clear that the database is ours. */
static int use_wal(struct db *d, struct err *e)
{
    if (d->wal)
        return 0;
    if (sqlite_exec(d, "PRAGMA journal_mode = WAL", NULL, 0, see_mode, &d->wal, NULL, e))
        return -1;
    if (!d->wal)
        return err_set(e, ERR_INVALID, "database %s: its file system cannot hold a write-ahead log", d->path);
    return 0;
}

static void log_path(const struct db *d, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s-wal", d->path);
}

/* A file that was deleted or moved away can be written as long as it is open, and nobody would ever find it again:
 * nothing may be acknowledged. Put back, it goes on. */
static int check_file(const struct db *d, struct err *e)
{
    if (file_id_is(d->path, d->file))
        return 0;
    return err_set(e, ERR_RETRY,
                   "database %s was deleted or moved while muster runs: put it back, or stop muster and restore a "
                   "backup",
                   d->path);
}

static int check_files(const struct db *d, struct err *e)
{
    char log[PATH_MAX];

    if (check_file(d, e))
        return -1;
    log_path(d, log);
    if (d->log.ino != 0 && !file_id_is(log, d->log))
        return err_set(
            e, ERR_RETRY,
            "the log of database %s (%s) was deleted or moved while muster runs: restart muster, which saves "
            "what was in it",
            d->path, log);
    return 0;
}

static int sqlite_begin(struct db *d, struct err *e)
{
    char log[PATH_MAX];

    if (d->in_tx)
        return err_set(e, ERR_BUG, "begin inside a transaction");
    if (check_files(d, e) || use_wal(d, e) || plain(d, "BEGIN IMMEDIATE", e))
        return -1;
    d->in_tx = true;
    if (d->log.ino == 0) {
        log_path(d, log);
        d->log = file_id_of(log);
    }
    return 0;
}

static int sqlite_commit(struct db *d, struct err *e)
{
    if (!d->in_tx)
        return err_set(e, ERR_BUG, "commit without a transaction");
    if (check_files(d, e) || plain(d, "COMMIT", e))
        return -1;
    d->in_tx = false;
    return 0;
}

static void sqlite_rollback(struct db *d)
{
    struct err ignored;

    d->lost = ERR_NONE;
    d->in_tx = false;
    if (!sqlite3_get_autocommit(d->h))
        (void)plain(d, "ROLLBACK", &ignored);
}

static int sqlite_savepoint(struct db *d, struct err *e)
{
    return plain(d, "SAVEPOINT item", e);
}

static int sqlite_release(struct db *d, struct err *e)
{
    return plain(d, "RELEASE item", e);
}

/* When this fails the transaction is gone altogether, and commit will say so. */
static void sqlite_rollback_to(struct db *d)
{
    struct err ignored;

    if (plain(d, "ROLLBACK TO item", &ignored) == 0)
        (void)plain(d, "RELEASE item", &ignored);
}

/* --- open and close ------------------------------------------------------------------------------------------- */

static void sqlite_close(struct db *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < STMT_SLOTS; i++) {
        if (d->stmts[i] != NULL)
            stmt_free(d->stmts[i]);
    }
    (void)sqlite3_close(d->h);
    free(d->path);
    free(d);
}

/* After each commit: the log is copied back when it has 8 MB, as far as readers allow. Readers that take turns could
 * keep it from ever beginning anew; so from 64 MB on they are waited for, a little, and again 16 MB later: one reader
 * that never ends costs no more than that. SQLITE_OK whatever comes of it: the commit is made. */
static int after_commit(void *arg, sqlite3 *h, const char *name, int pages)
{
    struct db *d = arg;
    bool wait = pages >= d->log_next;

    if (pages < LOG_PAGES)
        return SQLITE_OK;
    if (wait)
        (void)sqlite3_busy_timeout(h, LOG_WAIT_MS);
    (void)sqlite3_wal_checkpoint_v2(h, name, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (wait)
        (void)sqlite3_busy_timeout(h, BUSY_MS);
    d->log_next = wait ? pages + LOG_PAGES_STEP : pages < LOG_PAGES_LONG ? LOG_PAGES_LONG : d->log_next;
    return SQLITE_OK;
}

/* None of these writes to the file. Caches are small: what is hot is the end of each table. secure_delete=FAST wipes
 * what costs no extra page. The log is cut when a burst made it longer. */
static int configure(struct db *d, struct err *e)
{
    static const char *const pragmas[] = {
        "PRAGMA synchronous = FULL",   "PRAGMA cache_size = -1024",   "PRAGMA temp_store = MEMORY",
        "PRAGMA secure_delete = FAST", "PRAGMA trusted_schema = OFF", "PRAGMA journal_size_limit = 16777216",
    };

    (void)sqlite3_busy_timeout(d->h, BUSY_MS);
    d->log_next = LOG_PAGES_LONG;
    (void)sqlite3_wal_hook(d->h, after_commit, d);
    for (size_t i = 0; i < ARRAY_LEN(pragmas); i++) {
        if (plain(d, pragmas[i], e))
            return -1;
    }
    return plain(d, "SELECT count(*) FROM sqlite_schema", e); /* reads the header: is it a database? */
}

static int fail_open(struct db *d, int rc, struct err *e)
{
    int errnum = sqlite3_system_errno(d->h);

    if (errnum != 0)
        return file_fail(errnum, "open database", d->path, e);
    return err_set(e, ERR_INVALID, "cannot open database %s: %s", d->path, sqlite3_errstr(rc));
}

static int open_handle(struct db *d, struct err *e)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(d->path, &d->h, flags, NULL);

    if (rc != SQLITE_OK)
        return fail_open(d, rc, e);
    if (sqlite3_db_readonly(d->h, "main") == 1)
        return err_set(e, ERR_INVALID, "cannot write to database %s: it is read-only for the user muster runs as",
                       d->path);
    if (configure(d, e) == 0)
        return 0;
    rc = sqlite3_errcode(d->h) & 0xff;
    if (rc == SQLITE_NOTADB)
        return err_set(e, ERR_INVALID, "%s is not a SQLite database: name another file, or move it away", d->path);
    if (rc == SQLITE_CORRUPT)
        return err_set(e, ERR_INVALID, "database %s is damaged: restore a backup", d->path);
    return -1;
}

static int sqlite_open(const char *url, struct db **out, struct err *e)
{
    char path[PATH_MAX];
    struct db *d;

    if (file_resolve(url, path, e) || file_create(path, e))
        return -1;
    d = mem_zalloc(sizeof(*d));
    d->path = mem_strdup(path);
    d->file = file_id_of(path);
    if (open_handle(d, e)) {
        sqlite_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

/* A new file under its name would make SQLite take the log beside it for a leftover, and delete it. */
static int sqlite_open_again(const struct db *first, struct db **out, struct err *e)
{
    struct db *d;

    if (check_file(first, e))
        return -1;
    d = mem_zalloc(sizeof(*d));
    d->path = mem_strdup(first->path);
    d->file = first->file;
    if (open_handle(d, e)) {
        sqlite_close(d);
        return -1;
    }
    *out = d;
    return 0;
}

static bool sqlite_damaged(const struct db *d)
{
    return d->damaged;
}

static int see_number(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)arg = cols[0].i;
    return 0;
}

static int sqlite_size(struct db *d, struct db_size *out, struct err *e)
{
    int64_t page = 0, pages = 0, unused = 0;
    char log[PATH_MAX];

    if (sqlite_exec(d, "PRAGMA page_size", NULL, 0, see_number, &page, NULL, e) ||
        sqlite_exec(d, "PRAGMA page_count", NULL, 0, see_number, &pages, NULL, e) ||
        sqlite_exec(d, "PRAGMA freelist_count", NULL, 0, see_number, &unused, NULL, e))
        return -1;
    log_path(d, log);
    *out = (struct db_size){pages * page, unused * page, file_bytes(log)};
    return 0;
}

static const char *sqlite_name(const struct db *d)
{
    return d->path;
}

#define CLAIM(priority)                                                                                                \
    "UPDATE task SET claimed = 1, generation = generation + 1, attempts = attempts + 1, ready_ms = $2,"                \
    " again_priority = CASE WHEN again_ms > $1 THEN again_priority END,"                                               \
    " again_ms = CASE WHEN again_ms > $1 THEN again_ms END"                                                            \
    " WHERE id IN (SELECT id FROM task WHERE priority + 0 = " priority " AND share = $4 AND ready_ms <= $1"            \
    " ORDER BY ready_ms, id LIMIT $3)"                                                                                 \
    " RETURNING id, generation, kind, subject, attempts, due_ms, priority"

const struct db_driver db_sqlite = {
    .scheme = "sqlite",
    .claim_sql = "UPDATE task SET claimed = 1, generation = generation + 1, attempts = attempts + 1, ready_ms = $3,"
                 " again_priority = CASE WHEN again_ms > $2 THEN again_priority END,"
                 " again_ms = CASE WHEN again_ms > $2 THEN again_ms END"
                 " WHERE id IN (SELECT id FROM task WHERE priority = $1 AND ready_ms <= $2"
                 " ORDER BY ready_ms, id LIMIT $4)"
                 " RETURNING id, generation, kind, subject, attempts, due_ms, priority",
    .claim_share_sql = {CLAIM("1"), CLAIM("2")},
    .tables_sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    .backup_sql =
        "VACUUM INTO $1", /* https://sqlite.org/lang_vacuum.html: one read transaction, nothing freed comes along */
    .check_sql = "PRAGMA integrity_check",
    .lock = file_lock,
    .unlock = file_unlock,
    .open = sqlite_open,
    .open_again = sqlite_open_again,
    .damaged = sqlite_damaged,
    .size = sqlite_size,
    .name = sqlite_name,
    .exec = sqlite_exec,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .savepoint = sqlite_savepoint,
    .release = sqlite_release,
    .rollback_to = sqlite_rollback_to,
    .close = sqlite_close,
};
