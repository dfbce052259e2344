/*
 * The driver table: what a database must offer. It sits at the statement, so each query exists once, in store.c's SQL,
 * portable between SQLite and PostgreSQL: text ids, integers for time (ms) and booleans, ON CONFLICT, RETURNING,
 * parameters $1..$n.
 *
 * A struct db is one connection and belongs to one thread at a time. Values and rows are borrowed for the call.
 */
#ifndef MUSTER_STORE_DB_H
#define MUSTER_STORE_DB_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum db_type { DB_NULL, DB_INT, DB_TEXT };

struct db_val {
    enum db_type type;
    int64_t i;
    const char *s; /* TEXT; NUL-ended; NULL is read as DB_NULL */
};

#define DB_I(v) ((struct db_val){DB_INT, (v), NULL})
#define DB_S(v) ((struct db_val){DB_TEXT, 0, (v)})

/* What it takes on disk: the whole, of that what is free for what comes, and a log not yet copied back. */
struct db_size {
    int64_t bytes, free_bytes, log_bytes;
};

/* Called per row; -1 (with *e filled) stops and fails the statement. */
typedef int db_row_fn(void *arg, const struct db_val *cols, size_t n, struct err *e);

struct db;
struct db_lock;

struct db_driver {
    const char *scheme;             /* "sqlite" */
    const char *claim_share_sql[2]; /* the same for one share: TASK_LAUNCH, TASK_DECIDE */
    const char *claim_sql;          /* the one statement whose text differs: SKIP LOCKED in PostgreSQL (store_task.c) */
    const char *tables_sql;         /* names of the tables there are */
    const char *backup_sql; /* a consistent copy of all into the empty file $1; NULL = it has tools of its own */
    const char *check_sql;  /* rows other than "ok" tell what is damaged */

    /* Claim the whole database for this process, where only one may use it; both NULL where several may.
     * ERR_CONFLICT: somebody has it. A process that dies gives it up. */
    int (*lock)(const char *url, struct db_lock **out, struct err *e);
    void (*unlock)(struct db_lock *l); /* accepts NULL */

    /* url as in MUSTER_STORE. ERR_INVALID: one sentence a person can act on (path, permission, disk, not a database).
     * Nothing is changed in a database that exists, until the first begin. */
    int (*open)(const char *url, struct db **out, struct err *e);
    /* Another connection to what `first` has open, from any thread; never makes anything. ERR_RETRY: it is not there
     * any more. */
    int (*open_again)(const struct db *first, struct db **out, struct err *e);
    /* Was it found damaged, by any statement so far? Nothing mends that but a backup. NULL = cannot be. */
    bool (*damaged)(const struct db *d);
    /* How large it is; NULL = cannot be told. */
    int (*size)(struct db *d, struct db_size *out, struct err *e);
    const char *(*name)(const struct db *d); /* for messages: its path; never a password */

    /* sql is a string constant that lives as long as the process (statements are prepared once and kept by it).
     * Kinds: ERR_RETRY busy, connection lost, files taken away; ERR_QUOTA disk full or read-only; ERR_CONFLICT
     * constraint; ERR_BUG damaged, or anything else. row may be NULL. changed (may be NULL) gets the number of rows
     * changed. */
    int (*exec)(struct db *d, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
                int64_t *changed, struct err *e);

    int (*begin)(struct db *d, struct err *e);  /* takes the write lock at once */
    int (*commit)(struct db *d, struct err *e); /* on disk when it returns 0 */
    void (*rollback)(struct db *d);
    int (*savepoint)(struct db *d, struct err *e); /* one level, inside begin */
    int (*release)(struct db *d, struct err *e);
    void (*rollback_to)(struct db *d); /* undoes since savepoint, and releases it */
    void (*close)(struct db *d);       /* accepts NULL */
};

extern const struct db_driver db_sqlite;

#endif
