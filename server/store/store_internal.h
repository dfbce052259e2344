/*
 * Shared by the files of the store; nobody else includes it (tests of faults do, for store_open_with).
 */
#ifndef MUSTER_STORE_INTERNAL_H
#define MUSTER_STORE_INTERNAL_H

#include "server/base/mem.h"
#include "server/store/db.h"
#include "server/store/idset.h"
#include "server/store/store.h"

struct known; /* delivery ids in memory (store_delivery.c) */

struct store_tx {
    struct store *s;
    struct db *db;
    const struct db_driver *drv;
    bool writing; /* on the committer thread, in a transaction; else a reading connection */
    bool wrote;   /* something changed, so that the commit says whether the disk takes it */

    /* What the scheduler has to hear of, once it is committed (store_task_put and its neighbours). */
    int64_t put_due_ms; /* earliest due time put; INT64_MAX = none */
    bool told;          /* told_ms is set */
    int64_t told_ms;    /* the scheduler asked when to wake up, and this was the answer */
};

/* As store_open with a given driver: tests wrap one, to count and to fail. */
int store_open_with(const struct db_driver *drv, const char *url, struct store **out, struct err *e) MUST_USE;

#define VALS(...)                                                                                                      \
    (const struct db_val[]){__VA_ARGS__}, sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val)

/* Statements that read, and statements that change something (ERR_BUG on a reading connection). */
int tx_read(struct store_tx *t, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
            struct err *e) MUST_USE;
int tx_write(struct store_tx *t, const char *sql, const struct db_val *v, size_t n, db_row_fn *row, void *arg,
             int64_t *changed, struct err *e) MUST_USE;

/* A row function that stores the first column in an int64_t. */
int row_i64(void *arg, const struct db_val *cols, size_t n, struct err *e);

static inline char *col_dup(const struct db_val *v)
{
    return v->type == DB_TEXT ? mem_strdup(v->s) : NULL;
}

static inline const char *col_text(const struct db_val *v)
{
    return v->type == DB_TEXT ? v->s : "";
}

/* For arrays inside a record; they were stored from one of the same size. */
void col_copy(const struct db_val *v, char *out, size_t size);

struct known *store_known(struct store_tx *t);
struct known *known_new(void);
void known_free(struct known *k); /* accepts NULL */
int known_load(struct known *k, struct store_tx *t, int64_t now_ms, struct err *e) MUST_USE;
/* What was added since the last known_keep can be undone: all of it, or the part after a mark. */
size_t known_mark(const struct known *k);
void known_undo(struct known *k, size_t mark);
void known_keep(struct known *k);

/* What the scheduler knows of due times is told_ms from now on (store_task.c). */
void task_note_told(struct store_tx *t, int64_t told_ms);

/* For store_task_next_due on a reading connection: see store.c. */
/* The share that was served last when more was due than could be claimed. On the committer's thread only. */
int64_t *store_fair_after(struct store *s);
/* Tasks asked for since the last place was kept for what is late (store_task.c). */
size_t *store_late_turn(struct store *s);
uint64_t store_puts_begin(struct store *s);
bool store_puts_same(struct store *s, uint64_t puts, int64_t told_ms);

#endif
