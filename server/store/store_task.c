/*
 * One row per (kind, subject). Unclaimed, it may be claimed from ready_ms = due_ms on. Claimed, from ready_ms = the end
 * of its lease on. What is put on a claimed task goes to again_ms and again_priority; finish makes that its plan.
 *
 * generation counts claims, and so names the holder: who lost his lease to another changes nothing any more.
 *
 * Queries go priority by priority, so that each is a walk along the index (priority, ready_ms) that touches only what
 * it returns, however many tasks lie in the future.
 */
#include "server/base/mem.h"
#include "server/store/store_internal.h"

#include <string.h>

static void note_due(struct store_tx *t, int64_t due_ms)
{
    if (due_ms < t->put_due_ms)
        t->put_due_ms = due_ms;
}

void task_note_told(struct store_tx *t, int64_t told_ms)
{
    t->told = true;
    t->told_ms = told_ms;
}

/* share: whose it is. */
#define PUT(share)                                                                                                     \
    "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed, attempts, share)"               \
    " VALUES ($1, $2, $3, $4, $4, 0, 0, 0, " share ")"                                                                 \
    " ON CONFLICT (kind, subject) DO UPDATE SET"                                                                       \
    " attempts = 0,"                                                                                                   \
    " priority = CASE WHEN task.claimed = 0 AND excluded.priority < task.priority"                                     \
    " THEN excluded.priority ELSE task.priority END,"                                                                  \
    " due_ms = CASE WHEN task.claimed = 0 AND excluded.due_ms < task.due_ms"                                           \
    " THEN excluded.due_ms ELSE task.due_ms END,"                                                                      \
    " ready_ms = CASE WHEN task.claimed = 0 AND excluded.due_ms < task.ready_ms"                                       \
    " THEN excluded.due_ms ELSE task.ready_ms END,"                                                                    \
    " again_ms = CASE WHEN task.claimed = 0 THEN NULL"                                                                 \
    " WHEN task.again_ms < excluded.due_ms THEN task.again_ms ELSE excluded.due_ms END,"                               \
    " again_priority = CASE WHEN task.claimed = 0 THEN NULL"                                                           \
    " WHEN task.again_priority < excluded.priority THEN task.again_priority ELSE excluded.priority END"

static const char *put_sql(enum task_kind kind)
{
    if (kind == TASK_JOB)
        return PUT("coalesce((SELECT repo_id FROM job WHERE id = CAST($2 AS BIGINT)), 0)");
    if (kind == TASK_MACHINE)
        return PUT("coalesce((SELECT repo_id FROM machine WHERE name = $2), 0)");
    return PUT("0");
}

int store_task_put(struct store_tx *t, enum task_kind kind, const char *subject, enum task_priority priority,
                   int64_t due_ms, struct err *e)
{
    if (strlen(subject) >= sizeof(((struct task *)NULL)->subject))
        return err_set(e, ERR_INVALID, "task subject is too long: %s", subject);
    if (tx_write(t, put_sql(kind), VALS(DB_I(kind), DB_S(subject), DB_I(priority), DB_I(due_ms)), NULL, NULL, NULL, e))
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
    struct due_task d = {.task = {.id = c[0].i,
                                  .generation = c[1].i,
                                  .kind = (enum task_kind)c[2].i,
                                  .attempts = (int)c[4].i,
                                  .priority = (enum task_priority)c[6].i},
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

/* --- turns -------------------------------------------------------------------------------------------------------- */

/*
 * When more launches and decisions are due than may be claimed, the repositories take turns: whoever has the fewest
 * tasks under way comes first, of several the next after who was served last. So a repository's thousand tasks delay
 * the single one of another by one, not by a thousand.
 */
#define SHARES_MAX 512
#define LATE_MS (60 * 1000)
#define LATE_ONE_IN 4

struct share {
    int64_t id;
    int64_t busy;                      /* its tasks under way, and those given to it here */
    size_t given;                      /* here */
    int64_t ready_ms[TASK_DECIDE + 1]; /* its first task of LAUNCH and of DECIDE */
};

struct shares {
    struct share *all;
    size_t n;
};

static void shares_clear(struct shares *s)
{
    free(s->all);
}

static int see_share(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct share *s = arg;

    (void)n;
    (void)e;
    *s = (struct share){.id = c[0].i, .ready_ms = {0, c[1].i, c[2].i}};
    return 0;
}

/* The next one after `after` that has anything to launch or to decide, due or not; id -1: none. */
static int next_share(struct store_tx *t, int64_t after, struct share *out, struct err *e)
{
    *out = (struct share){.id = -1};
    return tx_read(
        t,
        "SELECT coalesce(s.share, -1),"
        " coalesce((SELECT min(ready_ms) FROM task WHERE priority + 0 = 1 AND share = s.share), 9223372036854775807),"
        " coalesce((SELECT min(ready_ms) FROM task WHERE priority + 0 = 2 AND share = s.share), 9223372036854775807)"
        " FROM (SELECT min(one) AS share FROM"
        " (SELECT min(share) AS one FROM task WHERE priority + 0 = 1 AND share > $1"
        " UNION ALL SELECT min(share) FROM task WHERE priority + 0 = 2 AND share > $1) AS both) AS s",
        VALS(DB_I(after)), see_share, out, e);
}

static bool is_due(const struct share *s, enum task_priority least, int64_t now_ms)
{
    return s->ready_ms[TASK_LAUNCH] <= now_ms || (least >= TASK_DECIDE && s->ready_ms[TASK_DECIDE] <= now_ms);
}

/* Those with something due, beginning after who was served last: one step along the index for each share there is. */
static int find_shares(struct store_tx *t, enum task_priority least, int64_t now_ms, struct shares *out, struct err *e)
{
    const int64_t begin = *store_fair_after(t->s);
    int64_t at = begin;
    bool wrapped = false;

    out->n = 0;
    while (out->n < SHARES_MAX) {
        struct share one;

        if (next_share(t, at, &one, e))
            return -1;
        if (one.id < 0 && wrapped)
            return 0;
        if (wrapped && one.id > begin)
            return 0;
        at = one.id;
        wrapped = wrapped || one.id < 0;
        if (one.id >= 0 && is_due(&one, least, now_ms))
            out->all[out->n++] = one;
    }
    return 0;
}

static int see_busy(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct shares *s = arg;

    (void)n;
    (void)e;
    for (size_t i = 0; i < s->n; i++) {
        if (s->all[i].id == c[0].i)
            s->all[i].busy = c[1].i;
    }
    return 0;
}

static void give(struct shares *s, size_t n)
{
    for (; n > 0; n--) {
        struct share *least = &s->all[0];

        for (size_t i = 1; i < s->n; i++)
            least = s->all[i].busy < least->busy ? &s->all[i] : least;
        least->busy++;
        least->given++;
    }
}

static int claim_share(struct store_tx *t, const struct share *s, enum task_priority least, int64_t now_ms,
                       int64_t lease_until_ms, struct claimed *all, struct err *e)
{
    size_t until = all->n + s->given, from = all->n;

    for (int p = TASK_LAUNCH; p <= TASK_DECIDE && p <= (int)least && all->n < until; p++) {
        if (s->ready_ms[p] <= now_ms &&
            tx_write(t, t->drv->claim_share_sql[p - TASK_LAUNCH],
                     VALS(DB_I(now_ms), DB_I(lease_until_ms), DB_I((int64_t)(until - all->n)), DB_I(s->id)),
                     read_claimed, all, NULL, e))
            return -1;
    }
    if (all->n > from) {
        qsort(all->list + from, all->n - from, sizeof(*all->list), by_due);
        *store_fair_after(t->s) = s->id;
    }
    return 0;
}

/* One round; a share that had less than was given to it leaves the rest to the next round. */
static int claim_round(struct store_tx *t, enum task_priority least, int64_t now_ms, int64_t lease_until_ms,
                       struct shares *s, struct claimed *all, size_t max, struct err *e)
{
    if (find_shares(t, least, now_ms, s, e) ||
        tx_read(t, "SELECT share, count(*) FROM task WHERE claimed = 1 GROUP BY share", NULL, 0, see_busy, s, e))
        return -1;
    if (s->n == 0)
        return 0;
    give(s, max - all->n);
    for (size_t i = 0; i < s->n; i++) {
        if (s->all[i].given > 0 && claim_share(t, &s->all[i], least, now_ms, lease_until_ms, all, e))
            return -1;
    }
    return 0;
}

static int claim_in_turns(struct store_tx *t, enum task_priority least, int64_t now_ms, int64_t lease_until_ms,
                          struct claimed *all, size_t max, struct err *e)
{
    AUTO(shares_clear) struct shares s = {mem_calloc(SHARES_MAX, sizeof(struct share)), 0};
    size_t before;

    do {
        before = all->n;
        if (claim_round(t, least, now_ms, lease_until_ms, &s, all, max, e))
            return -1;
    } while (all->n > before && all->n < max);
    return 0;
}

/* Is more to be launched and decided than so many? */
static int are_more(struct store_tx *t, enum task_priority least, int64_t now_ms, size_t n, bool *more, struct err *e)
{
    int64_t due[2] = {0, 0};

    for (int p = TASK_LAUNCH; p <= TASK_DECIDE && p <= (int)least; p++) {
        if (tx_read(t,
                    "SELECT count(*) FROM (SELECT 1 FROM task WHERE priority = $1 AND ready_ms <= $2 LIMIT $3) AS due",
                    VALS(DB_I(p), DB_I(now_ms), DB_I((int64_t)n + 1)), row_i64, &due[p - TASK_LAUNCH], e))
            return -1;
    }
    *more = due[0] + due[1] > (int64_t)n;
    return 0;
}

/* Whoever looks after machines waits behind launches and decisions, but not until there are none: one task in four is
 * for those that have been due for long. */
static int claim_late(struct store_tx *t, int64_t now_ms, int64_t lease_until_ms, size_t n, struct claimed *all,
                      struct err *e)
{
    size_t *turn = store_late_turn(t->s), places;

    *turn += n - all->n;
    places = *turn / LATE_ONE_IN;
    *turn %= LATE_ONE_IN;
    if (places == 0)
        return 0;
    return claim_priority(t, TASK_CHECK, now_ms - LATE_MS, lease_until_ms, all, all->n + places, e);
}

int store_task_claim(struct store_tx *t, enum task_priority least, int64_t now_ms, int64_t lease_until_ms, size_t n,
                     struct task *out, size_t *got, struct err *e)
{
    AUTO(claimed_clear) struct claimed all = {NULL, 0, 0};
    bool more = false;

    for (int p = TASK_TEARDOWN; p <= (int)least && all.n < n; p++) {
        if (p == TASK_LAUNCH && least >= TASK_CHECK && claim_late(t, now_ms, lease_until_ms, n, &all, e))
            return -1;
        if (p == TASK_LAUNCH && are_more(t, least, now_ms, n - all.n, &more, e))
            return -1;
        if (more && p == TASK_LAUNCH && claim_in_turns(t, least, now_ms, lease_until_ms, &all, n, e))
            return -1;
        if ((!more || p == TASK_TEARDOWN || p > TASK_DECIDE) &&
            claim_priority(t, p, now_ms, lease_until_ms, &all, n, e))
            return -1;
    }
    for (size_t i = 0; i < all.n && i < n; i++)
        out[i] = all.list[i].task;
    *got = all.n;
    /* What the scheduler knows of due times is over: it will ask again. */
    task_note_told(t, INT64_MAX);
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
        task_note_told(t, due);
    *out = due == INT64_MAX ? -1 : due;
    return 0;
}
