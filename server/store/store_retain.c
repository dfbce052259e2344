/*
 * Retention, in small pieces: each call is one short transaction on the committer's thread, between those of
 * deliveries.
 *
 * Space that becomes free is used again by what comes next, so that the file stays as large as the largest amount that
 * was ever remembered at once; a copy of it (a backup) is as small as its contents.
 */
#include "server/store/store_retain.h"

#include "server/store/store_internal.h"
#include "server/store/store_rerun.h"

#define DELIVERY_KEPT_MS (INT64_C(7) * 24 * 3600 * 1000) /* as long as they are known in memory (store_delivery.c) */
#define DELIVERY_IDS_PER_MS INT64_C(1000)
#define PIECE 500     /* rows that one statement of `remove` takes at most */
#define ROWS_MAX 1000 /* after so many a transaction ends */

/* GitHub ends a run after 35 days: an unfinished job that nobody has spoken of for longer has ended unheard. One that
 * still wants a machine (state 1, want 1) is not forgotten but asked about. Numbers are the record's own (schema.c). */
#define UNHEARD "3110400000" /* 36 days in ms */
#define RUN_MS INT64_C(3110400000)

_Static_assert(JOB_DONE == 3 && M_GONE == 6, "the rules name these numbers");
_Static_assert(TASK_JOB == 1 && TASK_MACHINE == 2 && TASK_IDLE == 3 && TASK_SLOW == 4 && TASK_SAY == 5 &&
                   TASK_CATCH_UP == 7 && TASK_SWEEP == 8 && RERUN_DONE == 2,
               "the rules name these numbers");

static const struct retain_rule rules[] = {
    {.table = "delivery",
     .age = RETAIN_BY_DELIVERY,
     /* two weeks later is a week from now: put when the clock was ahead */
     .pick = "SELECT id FROM delivery WHERE id < $1 OR id > $1 + 1209600000000 LIMIT $2",
     .remove = {"DELETE FROM delivery WHERE id = $1"}},
    {.table = "job",
     .pick = "SELECT id FROM job WHERE updated_ms < $1"
             " AND (state = 3 OR (updated_ms < $1 - " UNHEARD " AND (state <> 1 OR want <> 1)))"
             " AND NOT EXISTS (SELECT 1 FROM machine WHERE machine.job_id = job.id AND machine.state < 6)"
             " AND NOT EXISTS (SELECT 1 FROM machine WHERE machine.name = job.runner_name AND machine.state < 6)"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind IN (1, 4) AND subject = CAST(job.id AS TEXT))"
             " AND NOT EXISTS (SELECT 1 FROM interruption WHERE interruption.job_id = job.id AND state < 2)"
             " ORDER BY updated_ms LIMIT $2",
     .remove = {"DELETE FROM event WHERE id IN (SELECT id FROM event WHERE job_id = $1 AND job_id > 0 LIMIT 500)",
                "DELETE FROM attempt WHERE job_id = $1", "DELETE FROM job_report WHERE job_id = $1",
                "DELETE FROM job_look WHERE job_id = $1", "DELETE FROM job WHERE id = $1"}},
    /* 2: run again, or given up. How often a run was counts for as long as it goes on, so they go together. */
    {.table = "interruption",
     .age = RETAIN_BY_RUN,
     .pick = "SELECT job_id FROM interruption WHERE at_ms < $1 AND state >= 2"
             " AND NOT EXISTS (SELECT 1 FROM interruption AS other WHERE other.run_id = interruption.run_id"
             " AND (other.at_ms >= $1 OR other.state < 2)) ORDER BY at_ms LIMIT $2",
     .remove = {"DELETE FROM interruption WHERE job_id = $1"}},
    {.table = "machine",
     .pick = "SELECT name FROM machine WHERE created_ms < $1 AND ended_ms < $1 AND state = 6"
             " AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = machine.job_id AND job.state < 3)"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 2 AND subject = machine.name)"
             " ORDER BY created_ms LIMIT $2",
     .remove = {"DELETE FROM watch WHERE machine = $1", "DELETE FROM idle_machine WHERE name = $1",
                "DELETE FROM machine WHERE name = $1"}},
    {.table = "event", /* what is said of no job, or of one that is not here; the others go with theirs */
     .pick = "SELECT id FROM event WHERE job_id <= 0 AND at_ms < $1"
             " UNION ALL SELECT id FROM event WHERE alone = 1 AND at_ms < $1"
             " AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = event.job_id) LIMIT $2",
     .remove = {"DELETE FROM event WHERE id = $1"}},
    {.table = "report",
     .pick = "SELECT id FROM report WHERE opened_ms < $1 AND said_ms < $1"
             " AND NOT EXISTS (SELECT 1 FROM job_report WHERE report_id = report.id AND report_id > 0)"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 5 AND subject = CAST(report.id AS TEXT))"
             " ORDER BY opened_ms LIMIT $2",
     .remove = {"DELETE FROM report WHERE id = $1"}},
    {.table = "idle_pool", /* of a file that nobody looks at any more */
     .pick = "SELECT id FROM idle_pool WHERE used_ms < $1 AND retry_ms < $1"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 3 AND subject = idle_pool.source)"
             " AND NOT EXISTS (SELECT 1 FROM idle_machine WHERE idle_machine.source = idle_pool.source"
             " AND idle_machine.pool = idle_pool.id) ORDER BY used_ms LIMIT $2",
     .remove = {"DELETE FROM idle_pool WHERE id = $1"}},
    {.table = "idle_source", /* read_ms is negative when it is to be read anew: those have a task */
     .pick = "SELECT id FROM idle_source WHERE read_ms < $1 AND read_ms > 0 - $1"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 3 AND subject = idle_source.id)"
             " AND NOT EXISTS (SELECT 1 FROM idle_machine WHERE idle_machine.source = idle_source.id)"
             " ORDER BY read_ms LIMIT $2",
     .remove = {"DELETE FROM idle_source WHERE id = $1"}},
    {.table = "idle_reach",
     .pick = "SELECT repo_id FROM idle_reach WHERE asked_ms < $1 ORDER BY asked_ms LIMIT $2",
     .remove = {"DELETE FROM idle_reach WHERE repo_id = $1"}},
    {.table = "sweep_place", /* used_ms 0: a region that the cloud names, for as long as it does */
     .pick = "SELECT id FROM sweep_place WHERE used_ms > 0 AND used_ms < $1"
             " AND NOT EXISTS (SELECT 1 FROM machine WHERE machine.state < 6 AND machine.cloud = sweep_place.cloud"
             " AND (machine.region = sweep_place.region OR sweep_place.region = ''))"
             " AND NOT EXISTS (SELECT 1 FROM sweep_stray WHERE sweep_stray.place_id = sweep_place.id)"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 8 AND subject = 'at ' || CAST(sweep_place.id AS TEXT))"
             " ORDER BY used_ms LIMIT $2",
     .remove = {"DELETE FROM sweep_place WHERE id = $1"}},
    /* No list showed it for so long: its account is not set up any more. Who ends one decides about that one. */
    {.table = "sweep_stray",
     .pick = "SELECT id FROM sweep_stray WHERE mark < $1"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 8 AND subject = 'end ' || CAST(sweep_stray.id AS TEXT))"
             " ORDER BY mark LIMIT $2",
     .remove = {"DELETE FROM sweep_stray WHERE id = $1"}},
    /* An answer about an installation or a repository. What is closed is asked about by its task, and so stays; what
     * nobody asks about any more is asked anew when GitHub refuses something again. */
    {.table = "reach",
     .pick = "SELECT id FROM reach WHERE asked_ms < $1"
             " AND NOT EXISTS (SELECT 1 FROM task WHERE kind = 7 AND subject = reach.id)"
             " ORDER BY asked_ms LIMIT $2",
     .remove = {"DELETE FROM reach WHERE id = $1"}},
    {.table = "attempt", .bounded = "goes with its job"},
    {.table = "job_report", .bounded = "goes with its job"},
    {.table = "watch", .bounded = "goes with its machine"},
    {.table = "pull", .bounded = "goes when its machine ends"},
    {.table = "idle_machine", .bounded = "goes when its machine ends or a job runs on it"},
    {.table = "queue", .bounded = "one row for each label set whose jobs wait now"},
    {.table = "task", .bounded = "one row for each live subject"},
    {.table = "speed", .bounded = "forgets by itself what is 30 days old"},
    {.table = "breaker", .bounded = "forgets by itself what failed long ago, with each failure"},
    {.table = "delivery_log", .bounded = "one row"},
    {.table = "missed", .bounded = "goes when it was delivered, or given up"},
    {.table = "active", .bounded = "goes at a look at its repository, a week after the last job there"},
    {.table = "job_look", .bounded = "goes when its job was looked for, or with it"},
    {.table = "meta", .bounded = "one row for each of a few names"},
    {.table = "schema_version", .bounded = "one row"},
};

const struct retain_rule *store_retain_rules(size_t *n)
{
    *n = ARRAY_LEN(rules);
    return rules;
}

/* --- one piece ---------------------------------------------------------------------------------------------------- */

struct key {
    char *text; /* NULL: it is a number */
    int64_t number;
};

struct keys {
    struct key *list;
    size_t n, cap;
};

static void keys_clear(struct keys *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->list[i].text);
    free(k->list);
}

static int see_key(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct keys *k = arg;

    (void)n;
    (void)e;
    if (k->n == k->cap) {
        k->cap = k->cap > 0 ? k->cap * 2 : 64;
        k->list = mem_realloc_array(k->list, k->cap, sizeof(*k->list));
    }
    k->list[k->n++] = (struct key){col_dup(&c[0]), c[0].i};
    return 0;
}

/* *whole: all of it went; else a part that was large enough for one transaction. */
static int remove_one(struct store_tx *t, const struct retain_rule *rule, const struct key *key, int64_t *rows,
                      bool *whole, struct err *e)
{
    const struct db_val v = key->text != NULL ? DB_S(key->text) : DB_I(key->number);

    *whole = true;
    for (size_t i = 0; i < RETAIN_REMOVES && rule->remove[i] != NULL && *whole; i++) {
        int64_t removed;

        if (tx_write(t, rule->remove[i], &v, 1, NULL, NULL, &removed, e))
            return -1;
        *rows += removed;
        *whole = removed < PIECE;
    }
    return 0;
}

/* The first parameter of `pick`. */
static int64_t age_of(const struct retain_rule *rule, int64_t now_ms, int64_t before_ms)
{
    switch (rule->age) {
    case RETAIN_BY_MS:
        break;
    case RETAIN_BY_RUN:
        return before_ms < now_ms - RUN_MS ? before_ms : now_ms - RUN_MS;
    case RETAIN_BY_DELIVERY:
        return (now_ms - DELIVERY_KEPT_MS) * DELIVERY_IDS_PER_MS;
    }
    return before_ms;
}

int store_retain(struct store_tx *t, const struct retain_rule *rule, int64_t now_ms, int64_t before_ms, int64_t max,
                 int64_t *rows, bool *more, struct err *e)
{
    AUTO(keys_clear) struct keys k = {NULL, 0, 0};
    int64_t age = age_of(rule, now_ms, before_ms);
    int64_t went = 0;
    size_t i = 0;
    bool whole = true;

    if (rule->pick != NULL && tx_read(t, rule->pick, VALS(DB_I(age), DB_I(max)), see_key, &k, e))
        return -1;
    for (; i < k.n && whole && went < ROWS_MAX; i++) {
        if (remove_one(t, rule, &k.list[i], &went, &whole, e))
            return -1;
    }
    *rows = went;
    *more = (int64_t)k.n == max || i < k.n || !whole;
    return 0;
}
