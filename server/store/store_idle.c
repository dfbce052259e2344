#include "server/store/store_idle.h"

#include "server/store/store_internal.h"

#include <string.h>

void idle_source_clear(struct idle_source *s)
{
    free(s->repo);
    free(s->text);
    free(s->refused);
    *s = (struct idle_source){.repo = NULL};
}

/* --- sources ----------------------------------------------------------------------------------------------------- */

int store_idle_source_know(struct store_tx *t, const struct idle_source *s, int64_t not_before_ms, bool *stale,
                           struct err *e)
{
    int64_t read_ms = 0;

    if (tx_write(t,
                 "INSERT INTO idle_source (id, installation_id, repo_id, read_ms, etag, repo)"
                 " VALUES ($1, $2, $3, 0, '', $4) ON CONFLICT (id) DO UPDATE SET"
                 " installation_id = excluded.installation_id, repo_id = excluded.repo_id, repo = excluded.repo"
                 " RETURNING read_ms",
                 VALS(DB_S(s->id), DB_I(s->installation_id), DB_I(s->repo_id), DB_S(s->repo)), row_i64, &read_ms, NULL,
                 e))
        return -1;
    *stale = read_ms < not_before_ms;
    return 0;
}

struct source_row {
    struct idle_source *out;
    bool found;
};

static int read_source(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct source_row *r = arg;

    (void)n;
    (void)e;
    *r->out = (struct idle_source){.installation_id = c[1].i,
                                   .repo_id = c[2].i,
                                   .read_ms = c[3].i,
                                   .repo = col_dup(&c[5]),
                                   .text = col_dup(&c[6]),
                                   .refused = col_dup(&c[7])};
    col_copy(&c[0], r->out->id, sizeof(r->out->id));
    col_copy(&c[4], r->out->etag, sizeof(r->out->etag));
    r->found = true;
    return 0;
}

int store_idle_source_get(struct store_tx *t, const char *id, struct idle_source *out, bool *found, struct err *e)
{
    struct source_row r = {out, false};

    if (tx_read(t,
                "SELECT id, installation_id, repo_id, read_ms, etag, repo, text, refused FROM idle_source WHERE id = "
                "$1",
                VALS(DB_S(id)), read_source, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_idle_source_put(struct store_tx *t, const struct idle_source *s, int64_t was_read_ms, struct err *e)
{
    return tx_write(
        t,
        "UPDATE idle_source SET read_ms = CASE WHEN read_ms = $6 THEN $2 ELSE read_ms END,"
        " etag = $3, text = $4, refused = $5 WHERE id = $1",
        VALS(DB_S(s->id), DB_I(s->read_ms), DB_S(s->etag), DB_S(s->text), DB_S(s->refused), DB_I(was_read_ms)), NULL,
        NULL, NULL, e);
}

/* Another number each time, so that a reading under way does not pass for a later one. */
int store_idle_source_touch(struct store_tx *t, const char *id, int64_t now_ms, bool *known, struct err *e)
{
    int64_t changed;

    if (tx_write(t, "UPDATE idle_source SET read_ms = $2 WHERE id = $1", VALS(DB_S(id), DB_I(-now_ms)), NULL, NULL,
                 &changed, e))
        return -1;
    *known = changed > 0;
    return 0;
}

/* --- pools ------------------------------------------------------------------------------------------------------- */

struct pool_row {
    struct idle_pool *out;
    bool found;
};

static int read_pool(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct pool_row *r = arg;

    (void)n;
    (void)e;
    *r->out = (struct idle_pool){.used_ms = c[3].i, .retry_ms = c[4].i, .failures = c[5].i, .candidate = c[6].i};
    col_copy(&c[0], r->out->id, sizeof(r->out->id));
    col_copy(&c[1], r->out->source, sizeof(r->out->source));
    col_copy(&c[2], r->out->spec, sizeof(r->out->spec));
    r->found = true;
    return 0;
}

#define POOL_COLUMNS "id, source, spec, used_ms, retry_ms, failures, candidate"

int store_idle_pool_know(struct store_tx *t, const char *id, const char *source, const char *spec,
                         struct idle_pool *out, struct err *e)
{
    struct pool_row r = {out, false};

    return tx_write(t,
                    "INSERT INTO idle_pool (" POOL_COLUMNS ") VALUES ($1, $2, $3, 0, 0, 0, 0)"
                    " ON CONFLICT (id) DO UPDATE SET"
                    " retry_ms = CASE WHEN idle_pool.spec = excluded.spec THEN idle_pool.retry_ms ELSE 0 END,"
                    " failures = CASE WHEN idle_pool.spec = excluded.spec THEN idle_pool.failures ELSE 0 END,"
                    " candidate = CASE WHEN idle_pool.spec = excluded.spec THEN idle_pool.candidate ELSE 0 END,"
                    " spec = excluded.spec RETURNING " POOL_COLUMNS,
                    VALS(DB_S(id), DB_S(source), DB_S(spec)), read_pool, &r, NULL, e);
}

int store_idle_pool_get(struct store_tx *t, const char *id, struct idle_pool *out, bool *found, struct err *e)
{
    struct pool_row r = {out, false};

    if (tx_read(t, "SELECT " POOL_COLUMNS " FROM idle_pool WHERE id = $1", VALS(DB_S(id)), read_pool, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_idle_pool_put(struct store_tx *t, const struct idle_pool *p, struct err *e)
{
    return tx_write(t, "UPDATE idle_pool SET used_ms = $2, retry_ms = $3, failures = $4, candidate = $5 WHERE id = $1",
                    VALS(DB_S(p->id), DB_I(p->used_ms), DB_I(p->retry_ms), DB_I(p->failures), DB_I(p->candidate)), NULL,
                    NULL, NULL, e);
}

int store_idle_pool_use(struct store_tx *t, const char *id, int64_t now_ms, bool *known, struct err *e)
{
    int64_t changed;

    if (tx_write(t, "UPDATE idle_pool SET used_ms = $2 WHERE id = $1", VALS(DB_S(id), DB_I(now_ms)), NULL, NULL,
                 &changed, e))
        return -1;
    *known = changed > 0;
    return 0;
}

/* --- machines ---------------------------------------------------------------------------------------------------- */

#define IDLE_COLUMNS "i.name, i.pool, i.source, i.spec, i.claimed"

struct idle_rows {
    struct idle_machine *list;
    size_t n;
};

static void rows_clear(struct idle_rows *r)
{
    free(r->list);
}

static int collect(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct idle_rows *r = arg;
    struct idle_machine *m;

    (void)n;
    (void)e;
    r->list = mem_realloc_array(r->list, r->n + 1, sizeof(*r->list));
    m = &r->list[r->n++];
    col_copy(&c[0], m->name, sizeof(m->name));
    col_copy(&c[1], m->pool, sizeof(m->pool));
    col_copy(&c[2], m->source, sizeof(m->source));
    col_copy(&c[3], m->spec, sizeof(m->spec));
    m->claimed = c[4].i != 0;
    return 0;
}

int store_idle_machine_add(struct store_tx *t, const struct idle_machine *m, struct err *e)
{
    return tx_write(t, "INSERT INTO idle_machine (name, pool, source, spec, claimed) VALUES ($1, $2, $3, $4, $5)",
                    VALS(DB_S(m->name), DB_S(m->pool), DB_S(m->source), DB_S(m->spec), DB_I(m->claimed ? 1 : 0)), NULL,
                    NULL, NULL, e);
}

int store_idle_machine_get(struct store_tx *t, const char *name, struct idle_machine *out, bool *found, struct err *e)
{
    AUTO(rows_clear) struct idle_rows r = {NULL, 0};

    if (tx_read(t, "SELECT " IDLE_COLUMNS " FROM idle_machine i WHERE i.name = $1", VALS(DB_S(name)), collect, &r, e))
        return -1;
    *found = r.n > 0;
    if (r.n > 0)
        *out = r.list[0];
    return 0;
}

int store_idle_machine_drop(struct store_tx *t, const char *name, struct err *e)
{
    return tx_write(t, "DELETE FROM idle_machine WHERE name = $1", VALS(DB_S(name)), NULL, NULL, NULL, e);
}

int store_idle_machines(struct store_tx *t, const char *source, store_idle_fn *each, void *arg, struct err *e)
{
    AUTO(rows_clear) struct idle_rows r = {NULL, 0};

    if (tx_read(t,
                "SELECT " IDLE_COLUMNS " FROM idle_machine i JOIN machine m ON m.name = i.name"
                " WHERE i.source = $1 AND i.claimed = 0 AND m.state < 4"
                " ORDER BY m.state, m.created_ms DESC, m.name DESC",
                VALS(DB_S(source)), collect, &r, e))
        return -1;
    for (size_t i = 0; i < r.n; i++) {
        AUTO_MACHINE struct machine m = {0};
        bool found;

        if (store_machine_get(t, r.list[i].name, &m, &found, e) || (found && each(arg, &r.list[i], &m, e)))
            return -1;
    }
    return 0;
}

int store_idle_find(struct store_tx *t, const char *source, const char *or_source, const char *spec,
                    store_idle_fits_fn *fits, void *arg, struct machine *out, bool *found, struct err *e)
{
    AUTO(rows_clear) struct idle_rows r = {NULL, 0};

    *found = false;
    if (tx_read(t,
                "SELECT " IDLE_COLUMNS " FROM idle_machine i JOIN machine m ON m.name = i.name"
                " WHERE (i.source = $1 OR i.source = $2) AND i.claimed = 0 AND i.spec = $3 AND m.state IN (2, 3)"
                " AND m.surplus_ms = 0 ORDER BY m.created_ms, m.name",
                VALS(DB_S(source), DB_S(or_source), DB_S(spec)), collect, &r, e))
        return -1;
    for (size_t i = 0; i < r.n && !*found; i++) {
        AUTO_MACHINE struct machine m = {0};

        if (store_machine_get(t, r.list[i].name, &m, found, e))
            return -1;
        *found = *found && fits(arg, &m);
        if (*found) {
            *out = m;
            memset(&m, 0, sizeof(m)); /* its strings belong to *out now */
        }
    }
    return 0;
}

int store_idle_spare(struct store_tx *t, int64_t repo_id, char name[64], bool *found, struct err *e)
{
    AUTO(rows_clear) struct idle_rows r = {NULL, 0};

    if (tx_read(t,
                "SELECT " IDLE_COLUMNS " FROM idle_machine i JOIN machine m ON m.name = i.name"
                " WHERE i.claimed = 0 AND m.state < 4 AND m.surplus_ms = 0 AND ($1 = 0 OR m.repo_id = $1)"
                " ORDER BY m.state, m.created_ms DESC, m.name DESC LIMIT 1",
                VALS(DB_I(repo_id)), collect, &r, e))
        return -1;
    *found = r.n > 0;
    if (r.n > 0)
        memcpy(name, r.list[0].name, sizeof(r.list[0].name));
    return 0;
}

int store_idle_leaving(struct store_tx *t, int64_t repo_id, int64_t *out, struct err *e)
{
    return tx_read(t,
                   "SELECT count(*) FROM machine WHERE state < 6 AND (state = 5 OR (state < 4 AND surplus_ms > 0))"
                   " AND ($1 = 0 OR repo_id = $1)",
                   VALS(DB_I(repo_id)), row_i64, out, e);
}

int store_idle_claim(struct store_tx *t, const char *name, const struct job *j, struct err *e)
{
    return tx_write(t, "UPDATE idle_machine SET claimed = 1 WHERE name = $1", VALS(DB_S(name)), NULL, NULL, NULL, e) ||
                   tx_write(t, "UPDATE machine SET repo_id = $2, label_key = $3, job_id = $4 WHERE name = $1",
                            VALS(DB_S(name), DB_I(j->repo_id), DB_S(j->label_key), DB_I(j->id)), NULL, NULL, NULL, e)
               ? -1
               : 0;
}

int store_idle_release(struct store_tx *t, const char *name, int64_t repo_id, const char *label_key, struct err *e)
{
    return tx_write(t, "UPDATE idle_machine SET claimed = 0 WHERE name = $1", VALS(DB_S(name)), NULL, NULL, NULL, e) ||
                   tx_write(t,
                            "UPDATE machine SET repo_id = $2, label_key = $3, job_id = 0, surplus_ms = 0 WHERE name = "
                            "$1",
                            VALS(DB_S(name), DB_I(repo_id), DB_S(label_key)), NULL, NULL, NULL, e)
               ? -1
               : 0;
}

struct reach_row {
    bool *reaches;
    int64_t *asked_ms;
};

static int read_reach(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    const struct reach_row *r = arg;

    (void)n;
    (void)e;
    *r->reaches = c[0].i != 0;
    *r->asked_ms = c[1].i;
    return 0;
}

int store_idle_reach_get(struct store_tx *t, int64_t repo_id, bool *reaches, int64_t *asked_ms, struct err *e)
{
    struct reach_row r = {reaches, asked_ms};

    *reaches = false;
    *asked_ms = 0;
    return tx_read(t, "SELECT reaches, asked_ms FROM idle_reach WHERE repo_id = $1", VALS(DB_I(repo_id)), read_reach,
                   &r, e);
}

int store_idle_reach_put(struct store_tx *t, int64_t repo_id, bool reaches, int64_t asked_ms, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO idle_reach (repo_id, reaches, asked_ms) VALUES ($1, $2, $3)"
                    " ON CONFLICT (repo_id) DO UPDATE SET reaches = excluded.reaches, asked_ms = excluded.asked_ms",
                    VALS(DB_I(repo_id), DB_I(reaches ? 1 : 0), DB_I(asked_ms)), NULL, NULL, NULL, e);
}
