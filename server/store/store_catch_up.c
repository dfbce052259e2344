#include "server/store/store_catch_up.h"

#include "server/store/store_internal.h"

#include <string.h>

/* --- the delivery log ------------------------------------------------------------------------------------------- */

static int read_log(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_log *l = arg;

    (void)n;
    (void)e;
    *l = (struct store_log){
        .mark_ms = c[0].i, .top_ms = c[1].i, .lowest_id = c[2].i, .pages = c[3].i, .ours = c[4].i, .alien = c[5].i};
    col_copy(&c[6], l->cursor, sizeof(l->cursor));
    col_copy(&c[7], l->problem, sizeof(l->problem));
    return 0;
}

int store_log_get(struct store_tx *t, struct store_log *out, struct err *e)
{
    struct store_log l = {0};

    if (tx_read(t,
                "SELECT mark_ms, top_ms, lowest_id, pages, ours, alien, cursor, problem FROM delivery_log WHERE id = 1",
                NULL, 0, read_log, &l, e))
        return -1;
    *out = l;
    return 0;
}

int store_log_put(struct store_tx *t, const struct store_log *l, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO delivery_log (id, mark_ms, top_ms, lowest_id, pages, ours, alien, cursor, problem)"
                    " VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET"
                    " mark_ms = excluded.mark_ms, top_ms = excluded.top_ms, lowest_id = excluded.lowest_id,"
                    " pages = excluded.pages, ours = excluded.ours, alien = excluded.alien, cursor = excluded.cursor,"
                    " problem = excluded.problem",
                    VALS(DB_I(l->mark_ms), DB_I(l->top_ms), DB_I(l->lowest_id), DB_I(l->pages), DB_I(l->ours),
                         DB_I(l->alien), DB_S(l->cursor), DB_S(l->problem)),
                    NULL, NULL, NULL, e);
}

/* --- deliveries that were missed ---------------------------------------------------------------------------------- */

#define FAILED_AGAIN_MS 60000

int store_missed_note(struct store_tx *t, const struct store_missed *m, bool *added, struct err *e)
{
    int64_t is_new = 0;

    if (tx_read(t, "SELECT 1 - count(*) FROM missed WHERE guid = $1", VALS(DB_S(m->guid)), row_i64, &is_new, e))
        return -1;
    *added = is_new > 0;
    return tx_write(t,
                    "INSERT INTO missed (guid, event, action, delivery_id, delivered_ms, tries, due_ms, answered)"
                    " VALUES ($1, $2, $3, $4, $5, 0, $6, 0) ON CONFLICT (guid) DO UPDATE SET"
                    " due_ms = CASE WHEN missed.delivery_id < excluded.delivery_id AND missed.tries BETWEEN 1 AND 3"
                    " AND excluded.due_ms + $7 < missed.due_ms THEN excluded.due_ms + $7 ELSE missed.due_ms END,"
                    " delivery_id = CASE WHEN missed.delivery_id < excluded.delivery_id THEN excluded.delivery_id"
                    " ELSE missed.delivery_id END,"
                    " delivered_ms = CASE WHEN missed.delivered_ms > excluded.delivered_ms THEN excluded.delivered_ms"
                    " ELSE missed.delivered_ms END",
                    VALS(DB_S(m->guid), DB_S(m->event), DB_S(m->action), DB_I(m->delivery_id), DB_I(m->delivered_ms),
                         DB_I(m->due_ms), DB_I(FAILED_AGAIN_MS)),
                    NULL, NULL, NULL, e);
}

int store_missed_answered(struct store_tx *t, const char *guid, bool keep, struct err *e)
{
    if (!keep)
        return store_missed_drop(t, guid, e);
    return tx_write(t,
                    "INSERT INTO missed (guid, event, action, delivery_id, delivered_ms, tries, due_ms, answered)"
                    " VALUES ($1, '', '', 0, 0, 0, 0, 1) ON CONFLICT (guid) DO UPDATE SET answered = 1",
                    VALS(DB_S(guid)), NULL, NULL, NULL, e);
}

int store_missed_read(struct store_tx *t, struct err *e)
{
    return tx_write(t, "DELETE FROM missed WHERE answered = 1", NULL, 0, NULL, NULL, NULL, e);
}

struct missed_list {
    struct store_missed *out;
    size_t n;
};

static int read_missed(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct missed_list *l = arg;
    struct store_missed *m = &l->out[l->n++];

    (void)n;
    (void)e;
    *m = (struct store_missed){.delivery_id = c[3].i, .delivered_ms = c[4].i, .tries = c[5].i, .due_ms = c[6].i};
    col_copy(&c[0], m->guid, sizeof(m->guid));
    col_copy(&c[1], m->event, sizeof(m->event));
    col_copy(&c[2], m->action, sizeof(m->action));
    return 0;
}

int store_missed_due(struct store_tx *t, int64_t now_ms, struct store_missed *out, size_t max, size_t *n, struct err *e)
{
    struct missed_list l = {out, 0};

    if (tx_read(t,
                "SELECT guid, event, action, delivery_id, delivered_ms, tries, due_ms FROM missed"
                " WHERE answered = 0 AND due_ms <= $1 ORDER BY delivered_ms, delivery_id, guid LIMIT $2",
                VALS(DB_I(now_ms), DB_I((int64_t)max)), read_missed, &l, e))
        return -1;
    *n = l.n;
    return 0;
}

int store_missed_put(struct store_tx *t, const char *guid, int64_t tries, int64_t due_ms, struct err *e)
{
    return tx_write(t, "UPDATE missed SET tries = $2, due_ms = $3 WHERE guid = $1",
                    VALS(DB_S(guid), DB_I(tries), DB_I(due_ms)), NULL, NULL, NULL, e);
}

int store_missed_drop(struct store_tx *t, const char *guid, struct err *e)
{
    return tx_write(t, "DELETE FROM missed WHERE guid = $1", VALS(DB_S(guid)), NULL, NULL, NULL, e);
}

int store_missed_next(struct store_tx *t, int64_t *due_ms, struct err *e)
{
    return tx_read(t, "SELECT coalesce(min(due_ms), -1) FROM missed WHERE answered = 0", NULL, 0, row_i64, due_ms, e);
}

/* --- repositories ------------------------------------------------------------------------------------------------- */

void store_active_clear(struct store_active *a)
{
    free(a->repo);
    free(a->default_branch);
    *a = (struct store_active){0};
}

struct active_row {
    struct store_active *out;
    bool found;
};

static int read_active(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct active_row *r = arg;

    (void)n;
    (void)e;
    *r->out = (struct store_active){.repo_id = c[0].i,
                                    .installation_id = c[1].i,
                                    .last_ms = c[2].i,
                                    .due_ms = c[3].i,
                                    .after = c[4].i,
                                    .repo = col_dup(&c[5]),
                                    .default_branch = col_dup(&c[6])};
    r->found = true;
    return 0;
}

#define ACTIVE_COLUMNS "repo_id, installation_id, last_ms, due_ms, after, repo, default_branch"

int store_active_note(struct store_tx *t, const struct job *j, int64_t now_ms, int64_t due_ms, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO active (" ACTIVE_COLUMNS ") VALUES ($1, $2, $3, $4, 0, $5, $6)"
                    " ON CONFLICT (repo_id) DO UPDATE SET installation_id = excluded.installation_id,"
                    " last_ms = excluded.last_ms, repo = excluded.repo,"
                    " default_branch = coalesce(excluded.default_branch, active.default_branch),"
                    " due_ms = CASE WHEN active.due_ms > excluded.due_ms THEN excluded.due_ms ELSE active.due_ms END",
                    VALS(DB_I(j->repo_id), DB_I(j->installation_id), DB_I(now_ms), DB_I(due_ms), DB_S(j->repo),
                         DB_S(j->default_branch)),
                    NULL, NULL, NULL, e);
}

int store_active_due(struct store_tx *t, int64_t now_ms, struct store_active *out, bool *found, struct err *e)
{
    struct active_row r = {out, false};

    if (tx_read(t, "SELECT " ACTIVE_COLUMNS " FROM active WHERE due_ms <= $1 ORDER BY due_ms, repo_id LIMIT 1",
                VALS(DB_I(now_ms)), read_active, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_active_get(struct store_tx *t, int64_t repo_id, struct store_active *out, bool *found, struct err *e)
{
    struct active_row r = {out, false};

    if (tx_read(t, "SELECT " ACTIVE_COLUMNS " FROM active WHERE repo_id = $1", VALS(DB_I(repo_id)), read_active, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_active_looked(struct store_tx *t, int64_t repo_id, int64_t due_ms, int64_t after, struct err *e)
{
    return tx_write(t, "UPDATE active SET due_ms = $2, after = $3 WHERE repo_id = $1",
                    VALS(DB_I(repo_id), DB_I(due_ms), DB_I(after)), NULL, NULL, NULL, e);
}

int store_active_drop(struct store_tx *t, int64_t repo_id, struct err *e)
{
    return tx_write(t, "DELETE FROM active WHERE repo_id = $1", VALS(DB_I(repo_id)), NULL, NULL, NULL, e);
}

/* 6 = GONE: schema.c. */
int store_active_machines(struct store_tx *t, int64_t repo_id, int64_t *n, struct err *e)
{
    return tx_read(t, "SELECT count(*) FROM machine WHERE state < 6 AND repo_id = $1", VALS(DB_I(repo_id)), row_i64, n,
                   e);
}

struct id_list {
    int64_t *out;
    size_t n;
};

static int read_id(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct id_list *l = arg;

    (void)n;
    (void)e;
    l->out[l->n++] = c[0].i;
    return 0;
}

int store_active_of(struct store_tx *t, int64_t installation_id, int64_t after, int64_t *repo_ids, size_t max,
                    size_t *n, struct err *e)
{
    struct id_list l = {repo_ids, 0};

    if (tx_read(t, "SELECT repo_id FROM active WHERE installation_id = $1 AND repo_id > $2 ORDER BY repo_id LIMIT $3",
                VALS(DB_I(installation_id), DB_I(after), DB_I((int64_t)max)), read_id, &l, e))
        return -1;
    *n = l.n;
    return 0;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

int store_look_note(struct store_tx *t, int64_t job_id, int64_t due_ms, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO job_look (job_id, due_ms, misses) VALUES ($1, $2, 0) ON CONFLICT (job_id) DO NOTHING",
                    VALS(DB_I(job_id), DB_I(due_ms)), NULL, NULL, NULL, e);
}

struct look_list {
    struct store_look *out;
    size_t n;
};

static int read_look(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct look_list *l = arg;

    (void)n;
    (void)e;
    l->out[l->n++] = (struct store_look){c[0].i, c[1].i, c[2].i};
    return 0;
}

int store_look_due(struct store_tx *t, int64_t now_ms, struct store_look *out, size_t max, size_t *n, struct err *e)
{
    struct look_list l = {out, 0};

    if (tx_read(t, "SELECT job_id, due_ms, misses FROM job_look WHERE due_ms <= $1 ORDER BY due_ms, job_id LIMIT $2",
                VALS(DB_I(now_ms), DB_I((int64_t)max)), read_look, &l, e))
        return -1;
    *n = l.n;
    return 0;
}

int store_look_put(struct store_tx *t, const struct store_look *l, struct err *e)
{
    return tx_write(t, "UPDATE job_look SET due_ms = $2, misses = $3 WHERE job_id = $1",
                    VALS(DB_I(l->job_id), DB_I(l->due_ms), DB_I(l->misses)), NULL, NULL, NULL, e);
}

int store_look_drop(struct store_tx *t, int64_t job_id, struct err *e)
{
    return tx_write(t, "DELETE FROM job_look WHERE job_id = $1", VALS(DB_I(job_id)), NULL, NULL, NULL, e);
}

int store_look_next(struct store_tx *t, int64_t *due_ms, struct err *e)
{
    return tx_read(t,
                   "SELECT coalesce(min(d), -1) FROM (SELECT min(due_ms) AS d FROM active"
                   " UNION ALL SELECT min(due_ms) FROM job_look) AS soonest",
                   NULL, 0, row_i64, due_ms, e);
}

/* --- what is closed to us ----------------------------------------------------------------------------------------- */

static int read_reach(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_reach *r = arg;

    (void)n;
    (void)e;
    *r = (struct store_reach){.closed = c[0].i != 0, .asked_ms = c[1].i, .misses = c[3].i, .answered_ms = c[4].i};
    col_copy(&c[2], r->reason, sizeof(r->reason));
    return 0;
}

int store_reach_get(struct store_tx *t, const char *id, struct store_reach *out, struct err *e)
{
    struct store_reach r = {0};

    if (tx_read(t, "SELECT closed, asked_ms, reason, misses, answered_ms FROM reach WHERE id = $1", VALS(DB_S(id)),
                read_reach, &r, e))
        return -1;
    *out = r;
    return 0;
}

int store_reach_put(struct store_tx *t, const char *id, const struct store_reach *r, struct err *e)
{
    return tx_write(
        t,
        "INSERT INTO reach (id, closed, asked_ms, reason, misses, answered_ms) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, asked_ms = excluded.asked_ms,"
        " reason = excluded.reason, misses = excluded.misses, answered_ms = excluded.answered_ms",
        VALS(DB_S(id), DB_I(r->closed ? 1 : 0), DB_I(r->asked_ms), DB_S(r->reason), DB_I(r->misses),
             DB_I(r->answered_ms)),
        NULL, NULL, NULL, e);
}

int store_reach_drop(struct store_tx *t, const char *id, struct err *e)
{
    return tx_write(t, "DELETE FROM reach WHERE id = $1", VALS(DB_S(id)), NULL, NULL, NULL, e);
}

/* 1 = QUEUED, 1 = WANT_MACHINE: schema.c. */
int store_reach_wanting(struct store_tx *t, int64_t installation_id, int64_t repo_id, int64_t *jobs, size_t max,
                        size_t *n, struct err *e)
{
    struct id_list l = {jobs, 0};

    if (tx_read(t,
                "SELECT id FROM job WHERE state = 1 AND want = 1 AND installation_id = $1"
                " AND (repo_id = $2 OR $2 = 0) ORDER BY id LIMIT $3",
                VALS(DB_I(installation_id), DB_I(repo_id), DB_I((int64_t)max)), read_id, &l, e))
        return -1;
    *n = l.n;
    return 0;
}

_Static_assert(TASK_JOB == 1, "the query below names this number");

int store_reach_undecided(struct store_tx *t, int64_t installation_id, int64_t repo_id, int64_t after, int64_t *jobs,
                          size_t max, size_t *n, struct err *e)
{
    struct id_list l = {jobs, 0};

    if (tx_read(t,
                "SELECT job.id FROM task JOIN job ON job.id = CAST(task.subject AS BIGINT)"
                " WHERE task.kind = 1 AND job.state = 1 AND job.want = 0 AND job.installation_id = $1"
                " AND (job.repo_id = $2 OR $2 = 0) AND job.id > $3 ORDER BY job.id LIMIT $4",
                VALS(DB_I(installation_id), DB_I(repo_id), DB_I(after), DB_I((int64_t)max)), read_id, &l, e))
        return -1;
    *n = l.n;
    return 0;
}

struct name_list {
    store_machine_name *out;
    size_t n;
};

static int read_name(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct name_list *l = arg;

    (void)n;
    (void)e;
    col_copy(&c[0], l->out[l->n++], sizeof(store_machine_name));
    return 0;
}

/* 2 = BOOTING: before it, WANTED and LAUNCHING. */
int store_reach_unlaunched(struct store_tx *t, int64_t installation_id, int64_t repo_id, const char *after,
                           store_machine_name *names, size_t max, size_t *n, struct err *e)
{
    struct name_list l = {names, 0};

    if (tx_read(t,
                "SELECT name FROM machine WHERE state < 6 AND state < 2 AND installation_id = $1"
                " AND (repo_id = $2 OR $2 = 0) AND name > $3 ORDER BY name LIMIT $4",
                VALS(DB_I(installation_id), DB_I(repo_id), DB_S(after), DB_I((int64_t)max)), read_name, &l, e))
        return -1;
    *n = l.n;
    return 0;
}
