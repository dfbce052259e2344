/*
 * Room under the limits, and who waits for it. A row of `queue` is written when demand and supply of a label set are
 * struck and there is no room for what is missing; it goes when nothing is missing any more. What the limits count is
 * read from the machines themselves, by partial indexes, so that it cannot drift away from them.
 */
#include "server/store/store_room.h"

#include "server/store/store_internal.h"

#include <string.h>

/* schema.c, machine_room: literally. */
#define COUNTS "state < 6 AND (state > 0 OR round = 0) AND (state <> 5 OR launched_ms > 0 OR taken_job_id > 0)"
#define MINUTE_MS (60 * 1000)

/* 4 = BUSY: schema.c. */
#define UNSERVED "NOT EXISTS (SELECT 1 FROM machine WHERE machine.job_id = job.id AND machine.state < 4)"

static int read_room(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_room *r = arg;

    (void)n;
    (void)e;
    r->machines = c[0].i;
    r->of_repo = c[1].i;
    return 0;
}

int store_room(struct store_tx *t, int64_t repo_id, int64_t now_ms, int64_t per_minute, struct store_room *out,
               struct err *e)
{
    struct store_room r = {0, 0, 0};

    if (tx_read(t,
                "SELECT (SELECT count(*) FROM machine WHERE " COUNTS "),"
                " (SELECT count(*) FROM machine WHERE " COUNTS " AND repo_id = $1)",
                VALS(DB_I(repo_id)), read_room, &r, e))
        return -1;
    if (per_minute > 0 &&
        tx_read(t,
                "SELECT created_ms FROM machine WHERE created_ms > $1 AND created_ms <= $2"
                " ORDER BY created_ms DESC LIMIT 1 OFFSET $3",
                VALS(DB_I(now_ms - MINUTE_MS), DB_I(now_ms), DB_I(per_minute - 1)), row_i64, &r.full_since_ms, e))
        return -1;
    *out = r;
    return 0;
}

int store_queue_put(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t jobs, struct err *e)
{
    if (jobs <= 0)
        return tx_write(t, "DELETE FROM queue WHERE repo_id = $1 AND label_key = $2",
                        VALS(DB_I(repo_id), DB_S(label_key)), NULL, NULL, NULL, e);
    return tx_write(
        t,
        "INSERT INTO queue (repo_id, label_key, jobs, since_ms) VALUES ($1, $2, $3, coalesce("
        "(SELECT queued_ms FROM job WHERE state = 1 AND want = 1 AND repo_id = $1 AND label_key = $2"
        " AND " UNSERVED " ORDER BY queued_ms LIMIT 1), 0))"
        " ON CONFLICT (repo_id, label_key) DO UPDATE SET jobs = excluded.jobs, since_ms = excluded.since_ms",
        VALS(DB_I(repo_id), DB_S(label_key), DB_I(jobs)), NULL, NULL, NULL, e);
}

/* Of a repository w: its machines, and when it was given one last. */
#define OF_REPO                                                                                                        \
    "(SELECT count(*) FROM machine WHERE " COUNTS " AND machine.repo_id = w.repo_id) AS machines,"                     \
    " coalesce((SELECT max(created_ms) FROM machine WHERE machine.repo_id = w.repo_id), 0) AS served_ms"

struct turn {
    int64_t repo_id;
    char *label_key;
    bool found;
};

static int read_repo(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct turn *turn = arg;

    (void)n;
    (void)e;
    turn->repo_id = c[0].i;
    turn->found = true;
    return 0;
}

static int read_label(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct turn *turn = arg;

    (void)n;
    (void)e;
    free(turn->label_key);
    turn->label_key = mem_strdup(col_text(&c[0]));
    return 0;
}

int store_queue_next(struct store_tx *t, int64_t most, int64_t *repo_id, char **label_key, bool *found, struct err *e)
{
    struct turn turn = {0, NULL, false};

    /* repositories first, so that one with a label set of its own for each job is counted once */
    if (tx_read(t,
                "SELECT repo_id FROM (SELECT w.repo_id, w.since_ms, " OF_REPO
                " FROM (SELECT repo_id, min(since_ms) AS since_ms FROM queue GROUP BY repo_id) AS w) AS r"
                " WHERE $1 <= 0 OR machines < $1 ORDER BY machines, served_ms, since_ms, repo_id LIMIT 1",
                VALS(DB_I(most)), read_repo, &turn, e))
        return -1;
    if (turn.found && tx_read(t, "SELECT label_key FROM queue WHERE repo_id = $1 ORDER BY since_ms, label_key LIMIT 1",
                              VALS(DB_I(turn.repo_id)), read_label, &turn, e))
        return -1;
    *found = turn.label_key != NULL;
    *repo_id = turn.repo_id;
    *label_key = turn.label_key;
    return 0;
}

int store_queue_any(struct store_tx *t, bool *any, struct err *e)
{
    int64_t n = 0;

    if (tx_read(t, "SELECT count(*) FROM (SELECT 1 FROM queue LIMIT 1) AS one", NULL, 0, row_i64, &n, e))
        return -1;
    *any = n > 0;
    return 0;
}

int store_queue_jobs(struct store_tx *t, int64_t repo_id, int64_t *jobs, struct err *e)
{
    return tx_read(t, "SELECT coalesce(sum(jobs), 0) FROM queue WHERE $1 = 0 OR repo_id = $1", VALS(DB_I(repo_id)),
                   row_i64, jobs, e);
}

/* --- rows collected, so that no statement is open while a callback runs ------------------------------------------ */

struct rows {
    struct job *list;
    size_t n, cap;
};

static void rows_clear(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++)
        job_clear(&r->list[i]);
    free(r->list);
}

static struct job *rows_add(struct rows *r)
{
    if (r->n == r->cap) {
        r->cap = r->cap > 0 ? r->cap * 2 : 16;
        r->list = mem_realloc_array(r->list, r->cap, sizeof(*r->list));
    }
    r->list[r->n] = (struct job){.id = 0};
    return &r->list[r->n++];
}

static int collect_job(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct job *j = rows_add(arg);

    (void)n;
    (void)e;
    j->id = c[0].i;
    j->repo_id = c[1].i;
    j->queued_ms = c[2].i;
    j->state = (enum job_state)c[3].i;
    j->want = (enum job_want)c[4].i;
    j->repo = col_dup(&c[5]);
    j->label_key = col_dup(&c[6]);
    j->reason = col_dup(&c[7]);
    return 0;
}

#define JOB_WORDS "job.id, job.repo_id, job.queued_ms, job.state, job.want, job.repo, job.label_key, job.reason"

static int give(const struct rows *r, store_job_fn *each, void *arg, struct err *e)
{
    for (size_t i = 0; i < r->n; i++) {
        if (each(arg, &r->list[i], e))
            return -1;
    }
    return 0;
}

int store_queue_each(struct store_tx *t, int64_t n, store_job_fn *each, void *arg, struct err *e)
{
    AUTO(rows_clear) struct rows rows = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT " JOB_WORDS " FROM queue CROSS JOIN job WHERE job.state = 1 AND job.want = 1"
                " AND job.repo_id = queue.repo_id AND job.label_key = queue.label_key AND " UNSERVED
                " ORDER BY job.queued_ms, job.id LIMIT $1",
                VALS(DB_I(n)), collect_job, &rows, e))
        return -1;
    return give(&rows, each, arg, e);
}

int store_job_newest_unserved(struct store_tx *t, int64_t repo_id, const char *label_key, struct job *out, bool *found,
                              struct err *e)
{
    AUTO(rows_clear) struct rows rows = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT " JOB_WORDS " FROM job WHERE state = 1 AND want = 1 AND repo_id = $1 AND label_key = $2"
                " AND " UNSERVED " ORDER BY queued_ms DESC, id DESC LIMIT 1",
                VALS(DB_I(repo_id), DB_S(label_key)), collect_job, &rows, e))
        return -1;
    *found = rows.n > 0;
    if (rows.n > 0) {
        *out = rows.list[0]; /* with its strings */
        rows.n = 0;
    }
    return 0;
}

int store_demands(struct store_tx *t, store_demand_fn *each, void *arg, struct err *e)
{
    AUTO(rows_clear) struct rows rows = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT 0, repo_id, 0, 0, 0, NULL, label_key, NULL FROM job WHERE state = 1 AND want = 1"
                " GROUP BY repo_id, label_key",
                NULL, 0, collect_job, &rows, e))
        return -1;
    for (size_t i = 0; i < rows.n; i++) {
        if (rows.list[i].label_key != NULL && each(arg, rows.list[i].repo_id, rows.list[i].label_key, e))
            return -1;
    }
    return 0;
}

struct reading {
    store_turn_fn *each;
    void *arg;
};

static int read_turn(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    const struct reading *r = arg;

    (void)n;
    return r->each(r->arg, &(struct store_turn){c[0].i, c[1].i, c[2].i}, e);
}

int store_queue_turns(struct store_tx *t, store_turn_fn *each, void *arg, struct err *e)
{
    struct reading r = {each, arg};

    return tx_read(t, "SELECT w.repo_id, " OF_REPO " FROM (SELECT DISTINCT repo_id FROM queue) AS w", NULL, 0,
                   read_turn, &r, e);
}
