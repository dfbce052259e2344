/*
 * One row per (kind, subject). Unclaimed, it may be claimed from ready_ms = due_ms on. Claimed, from ready_ms = the end
 * of its lease on. What is put on a claimed task goes to again_ms and again_priority; finish makes that its plan.
 *
 * generation counts claims, and so names the holder: who lost his lease to another changes nothing any more.
 *
 * Queries go priority by priority, so that each is a walk along the index (priority, ready_ms) that touches only what
 * it returns, however many tasks lie in the future.
 */
#include "server/store/store_internal.h"

#include <string.h>

static void note_due(struct store_tx *t, int64_t due_ms)
{
    if (due_ms < t->put_due_ms)
        t->put_due_ms = due_ms;
}

static void note_told(struct store_tx *t, int64_t told_ms)
{
    t->told = true;
    t->told_ms = told_ms;
}

int store_task_put(struct store_tx *t, enum task_kind kind, const char *subject, enum task_priority priority,
                   int64_t due_ms, struct err *e)
{
    if (strlen(subject) >= sizeof(((struct task *)NULL)->subject))
        return err_set(e, ERR_INVALID, "task subject is too long: %s", subject);
    if (tx_write(t,
                 "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed, attempts)"
                 " VALUES ($1, $2, $3, $4, $4, 0, 0, 0)"
                 " ON CONFLICT (kind, subject) DO UPDATE SET"
                 " attempts = 0,"
                 " priority = CASE WHEN task.claimed = 0 AND excluded.priority < task.priority"
                 " THEN excluded.priority ELSE task.priority END,"
                 " due_ms = CASE WHEN task.claimed = 0 AND excluded.due_ms < task.due_ms"
                 " THEN excluded.due_ms ELSE task.due_ms END,"
                 " ready_ms = CASE WHEN task.claimed = 0 AND excluded.due_ms < task.ready_ms"
                 " THEN excluded.due_ms ELSE task.ready_ms END,"
                 " again_ms = CASE WHEN task.claimed = 0 THEN NULL"
                 " WHEN task.again_ms < excluded.due_ms THEN task.again_ms ELSE excluded.due_ms END,"
                 " again_priority = CASE WHEN task.claimed = 0 THEN NULL"
                 " WHEN task.again_priority < excluded.priority THEN task.again_priority ELSE excluded.priority END",
                 VALS(DB_I(kind), DB_S(subject), DB_I(priority), DB_I(due_ms)), NULL, NULL, NULL, e))
        return -1;
    note_due(t, due_ms);
    return 0;
}

/* --- claim ---------------------------------------------------------------------------------------------------- */

struct due_task {
    struct task task;
    int64_t due_ms;
};

struct claimed {
    struct due_task *list;
    size_t n, cap;
};

static void claimed_clear(struct claimed *c)
{
    free(c->list);
}

static int read_claimed(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct claimed *list = arg;
    struct due_task d = {
        .task = {.id = c[0].i, .generation = c[1].i, .kind = (enum task_kind)c[2].i, .attempts = (int)c[4].i},
        .due_ms = c[5].i};

    (void)n;
    (void)e;
    col_copy(&c[3], d.task.subject, sizeof(d.task.subject));
    if (list->n == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 8;
        list->list = mem_realloc_array(list->list, list->cap, sizeof(*list->list));
    }
    list->list[list->n++] = d;
    return 0;
}

static int by_due(const void *a, const void *b)
{
    const struct due_task *x = a, *y = b;

    if (x->due_ms != y->due_ms)
        return x->due_ms < y->due_ms ? -1 : 1;
    return x->task.id < y->task.id ? -1 : x->task.id > y->task.id;
}

/* Looking costs a fraction of what a claim costs that finds nothing. */
static int any_ready(struct store_tx *t, int priority, int64_t now_ms, bool *any, struct err *e)
{
    int64_t n = 0;

    if (tx_read(t, "SELECT count(*) FROM (SELECT 1 FROM task WHERE priority = $1 AND ready_ms <= $2 LIMIT 1) AS ready",
                VALS(DB_I(priority), DB_I(now_ms)), row_i64, &n, e))
        return -1;
    *any = n != 0;
    return 0;
}

/* RETURNING gives no order: the rows of one priority are put in order here. */
static int claim_priority(struct store_tx *t, int priority, int64_t now_ms, int64_t lease_until_ms, struct claimed *all,
                          size_t max, struct err *e)
{
    size_t from = all->n;
    bool any;

    if (any_ready(t, priority, now_ms, &any, e))
        return -1;
    if (!any)
        return 0;
    if (tx_write(t, t->drv->claim_sql,
                 VALS(DB_I(priority), DB_I(now_ms), DB_I(lease_until_ms), DB_I((int64_t)(max - from))), read_claimed,
                 all, NULL, e))
        return -1;
    if (all->n > from)
        qsort(all->list + from, all->n - from, sizeof(*all->list), by_due);
    return 0;
}

int store_task_claim(struct store_tx *t, enum task_priority least, int64_t now_ms, int64_t lease_until_ms, size_t n,
                     struct task *out, size_t *got, struct err *e)
{
    AUTO(claimed_clear) struct claimed all = {NULL, 0, 0};

    for (int p = TASK_TEARDOWN; p <= (int)least && all.n < n; p++) {
        if (claim_priority(t, p, now_ms, lease_until_ms, &all, n, e))
            return -1;
    }
    for (size_t i = 0; i < all.n && i < n; i++)
        out[i] = all.list[i].task;
    *got = all.n;
    /* What the scheduler knows of due times is over: it will ask again. */
    note_told(t, INT64_MAX);
    return 0;
}

/* --- finish, renew, release ----------------------------------------------------------------------------------- */

static int remove_claimed(struct store_tx *t, const struct task *task, int64_t *due, struct err *e)
{
    int64_t removed;

    if (tx_write(t, "DELETE FROM task WHERE id = $1 AND generation = $2 AND claimed = 1 AND again_ms IS NULL",
                 VALS(DB_I(task->id), DB_I(task->generation)), NULL, NULL, &removed, e))
        return -1;
    if (removed > 0)
        return 0;
    return tx_write(t,
                    "UPDATE task SET claimed = 0, attempts = 0, priority = again_priority, due_ms = again_ms,"
                    " ready_ms = again_ms, again_ms = NULL, again_priority = NULL"
                    " WHERE id = $1 AND generation = $2 AND claimed = 1 RETURNING ready_ms",
                    VALS(DB_I(task->id), DB_I(task->generation)), row_i64, due, NULL, e);
}

int store_task_finish(struct store_tx *t, const struct task *task, int64_t next_due_ms, enum task_priority priority,
                      bool retry, struct err *e)
{
    int64_t due = INT64_MAX;

    if (next_due_ms < 0) {
        if (remove_claimed(t, task, &due, e))
            return -1;
    } else if (tx_write(
                   t,
                   "UPDATE task SET claimed = 0,"
                   " attempts = CASE $5 WHEN 1 THEN attempts ELSE 0 END,"
                   " priority = CASE WHEN again_priority < $4 THEN again_priority ELSE $4 END,"
                   " due_ms = CASE WHEN again_ms < $3 THEN again_ms ELSE $3 END,"
                   " ready_ms = CASE WHEN again_ms < $3 THEN again_ms ELSE $3 END,"
                   " again_ms = NULL, again_priority = NULL"
                   " WHERE id = $1 AND generation = $2 AND claimed = 1 RETURNING ready_ms",
                   VALS(DB_I(task->id), DB_I(task->generation), DB_I(next_due_ms), DB_I(priority), DB_I(retry ? 1 : 0)),
                   row_i64, &due, NULL, e)) {
        return -1;
    }
    note_due(t, due);
    return 0;
}

int store_task_uncount(struct store_tx *t, const struct task *task, struct err *e)
{
    return tx_write(t,
                    "UPDATE task SET attempts = attempts - 1"
                    " WHERE id = $1 AND generation = $2 AND claimed = 1 AND attempts > 0",
                    VALS(DB_I(task->id), DB_I(task->generation)), NULL, NULL, NULL, e);
}

int store_task_renew(struct store_tx *t, const struct task *task, int64_t lease_until_ms, struct err *e)
{
    int64_t changed;

    if (tx_write(t, "UPDATE task SET ready_ms = $3 WHERE id = $1 AND generation = $2 AND claimed = 1",
                 VALS(DB_I(task->id), DB_I(task->generation), DB_I(lease_until_ms)), NULL, NULL, &changed, e))
        return -1;
    return changed > 0 ? 0 : err_set(e, ERR_CONFLICT, "the lease on task %s was lost", task->subject);
}

int store_task_release_all(struct store_tx *t, struct err *e)
{
    if (tx_write(t,
                 "UPDATE task SET claimed = 0, ready_ms = due_ms,"
                 " priority = CASE WHEN again_priority < priority THEN again_priority ELSE priority END,"
                 " again_ms = NULL, again_priority = NULL WHERE claimed = 1",
                 NULL, 0, NULL, NULL, NULL, e))
        return -1;
    note_due(t, 0);
    return 0;
}

/* --- when next ------------------------------------------------------------------------------------------------ */

_Static_assert(TASK_TEARDOWN == 0 && TASK_REPORT == 4, "the query below names every priority");

static int ask_next_due(struct store_tx *t, enum task_priority least, int64_t *out, struct err *e)
{
    *out = INT64_MAX;
    return tx_read(t,
                   "SELECT coalesce(min(r), 9223372036854775807) FROM ("
                   "SELECT min(ready_ms) AS r FROM task WHERE priority = 0"
                   " UNION ALL SELECT min(ready_ms) FROM task WHERE priority = 1 AND $1 >= 1"
                   " UNION ALL SELECT min(ready_ms) FROM task WHERE priority = 2 AND $1 >= 2"
                   " UNION ALL SELECT min(ready_ms) FROM task WHERE priority = 3 AND $1 >= 3"
                   " UNION ALL SELECT min(ready_ms) FROM task WHERE priority = 4 AND $1 >= 4) AS earliest",
                   VALS(DB_I(least)), row_i64, out, e);
}

int store_task_next_due(struct store_tx *t, enum task_priority least, int64_t *out, struct err *e)
{
    int64_t due;
    uint64_t puts;

    do {
        puts = t->writing ? 0 : store_puts_begin(t->s);
        if (ask_next_due(t, least, &due, e))
            return -1;
    } while (!t->writing && !store_puts_same(t->s, puts, due));
    if (t->writing)
        note_told(t, due);
    *out = due == INT64_MAX ? -1 : due;
    return 0;
}
