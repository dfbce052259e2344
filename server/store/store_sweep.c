/* Where machines may be, and tagged ones that no record explains: store_sweep.h. */
#include "server/store/store_sweep.h"

#include "server/store/store_internal.h"

#include <string.h>

#define USED_STEP_MS ((int64_t)60 * 60 * 1000)
#define PAGE_MAX 256 /* rows that a callback is shown at a time */

/* ---- places ---- */

int store_place_put(struct store_tx *t, const char *cloud, const char *region, int64_t used_ms, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO sweep_place (cloud, region, used_ms, swept_ms) VALUES ($1, $2, $3, 0)"
                    " ON CONFLICT (cloud, region) DO UPDATE SET used_ms = excluded.used_ms"
                    " WHERE sweep_place.used_ms + $4 <= excluded.used_ms",
                    VALS(DB_S(cloud), DB_S(region), DB_I(used_ms), DB_I(USED_STEP_MS)), NULL, NULL, NULL, e);
}

int store_place_swept(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE sweep_place SET swept_ms = $2 WHERE id = $1", VALS(DB_I(id), DB_I(now_ms)), NULL, NULL,
                    NULL, e);
}

/* Rows collected, so that no statement is open while a callback runs. */
struct rows {
    void *p;
    size_t n, size;
};

static void rows_clear(struct rows *r)
{
    free(r->p);
    *r = (struct rows){NULL, 0, r->size};
}

static void *rows_add(struct rows *r)
{
    if ((r->n & (r->n - 1)) == 0)
        r->p = mem_realloc_array(r->p, r->n > 0 ? r->n * 2 : 1, r->size);
    return memset((char *)r->p + r->size * r->n++, 0, r->size);
}

static int keep_place(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_place *p = rows_add(arg);

    (void)n;
    (void)e;
    p->id = c[0].i;
    col_copy(&c[1], p->cloud, sizeof(p->cloud));
    col_copy(&c[2], p->region, sizeof(p->region));
    p->used_ms = c[3].i;
    p->swept_ms = c[4].i;
    return 0;
}

#define PLACE_COLUMNS "id, cloud, region, used_ms, swept_ms"

int store_place_get(struct store_tx *t, int64_t id, struct store_place *out, bool *found, struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(*out)};

    if (tx_read(t, "SELECT " PLACE_COLUMNS " FROM sweep_place WHERE id = $1", VALS(DB_I(id)), keep_place, &r, e))
        return -1;
    *found = r.n > 0;
    if (r.n > 0)
        memcpy(out, r.p, sizeof(*out));
    return 0;
}

int store_places(struct store_tx *t, store_place_fn *each, void *arg, struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(struct store_place)};
    const struct store_place *p;

    if (tx_read(t, "SELECT " PLACE_COLUMNS " FROM sweep_place ORDER BY id", NULL, 0, keep_place, &r, e))
        return -1;
    p = r.p;
    for (size_t i = 0; i < r.n; i++) {
        if (each(arg, &p[i], e))
            return -1;
    }
    return 0;
}

/* ---- strays ---- */

#define STRAY_COLUMNS                                                                                                  \
    "id, place_id, cloud, region, instance_id, name, repo, job_id, created_ms, expires_ms, part, mark, first_ms,"      \
    " condemned_ms, asked_ms, told"

int store_stray_see(struct store_tx *t, const struct store_stray *s, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO sweep_stray (place_id, cloud, region, instance_id, name, repo, job_id, created_ms,"
                    " expires_ms, part, mark, first_ms, condemned_ms, asked_ms)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 0, 0)"
                    " ON CONFLICT (cloud, region, instance_id) DO UPDATE SET place_id = excluded.place_id,"
                    " mark = excluded.mark, expires_ms = excluded.expires_ms, part = excluded.part,"
                    " told = 0",
                    VALS(DB_I(s->place_id), DB_S(s->cloud), DB_S(s->region), DB_S(s->instance_id), DB_S(s->name),
                         DB_S(s->repo), DB_I(s->job_id), DB_I(s->created_ms), DB_I(s->expires_ms), DB_I(s->part),
                         DB_I(s->mark)),
                    NULL, NULL, NULL, e);
}

int store_strays_settle(struct store_tx *t, int64_t place_id, int64_t mark, int64_t now_ms, struct err *e)
{
    if (tx_write(t, "UPDATE sweep_stray SET first_ms = $3 WHERE place_id = $1 AND mark = $2 AND first_ms = 0",
                 VALS(DB_I(place_id), DB_I(mark), DB_I(now_ms)), NULL, NULL, NULL, e))
        return -1;
    return tx_write(t, "DELETE FROM sweep_stray WHERE place_id = $1 AND mark <> $2 AND condemned_ms = 0",
                    VALS(DB_I(place_id), DB_I(mark)), NULL, NULL, NULL, e);
}

int store_strays_abandon(struct store_tx *t, int64_t place_id, struct err *e)
{
    return tx_write(t, "DELETE FROM sweep_stray WHERE place_id = $1 AND first_ms = 0", VALS(DB_I(place_id)), NULL, NULL,
                    NULL, e);
}

static int keep_stray(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_stray *s = rows_add(arg);

    (void)n;
    (void)e;
    s->id = c[0].i;
    s->place_id = c[1].i;
    col_copy(&c[2], s->cloud, sizeof(s->cloud));
    col_copy(&c[3], s->region, sizeof(s->region));
    col_copy(&c[4], s->instance_id, sizeof(s->instance_id));
    col_copy(&c[5], s->name, sizeof(s->name));
    col_copy(&c[6], s->repo, sizeof(s->repo));
    s->job_id = c[7].i;
    s->created_ms = c[8].i;
    s->expires_ms = c[9].i;
    s->part = c[10].i != 0;
    s->mark = c[11].i;
    s->first_ms = c[12].i;
    s->condemned_ms = c[13].i;
    s->asked_ms = c[14].i;
    s->told = c[15].i != 0;
    return 0;
}

int store_stray_get(struct store_tx *t, int64_t id, struct store_stray *out, bool *found, struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(*out)};

    if (tx_read(t, "SELECT " STRAY_COLUMNS " FROM sweep_stray WHERE id = $1", VALS(DB_I(id)), keep_stray, &r, e))
        return -1;
    *found = r.n > 0;
    if (r.n > 0)
        memcpy(out, r.p, sizeof(*out));
    return 0;
}

int store_strays_due(struct store_tx *t, int64_t place_id, int64_t before_ms, int64_t n, store_stray_fn *each,
                     void *arg, struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(struct store_stray)};
    const struct store_stray *s;

    if (tx_read(t,
                "SELECT " STRAY_COLUMNS " FROM sweep_stray WHERE place_id = $1 AND condemned_ms = 0 AND first_ms > 0"
                " AND first_ms <= $2 ORDER BY first_ms, id LIMIT $3",
                VALS(DB_I(place_id), DB_I(before_ms), DB_I(n)), keep_stray, &r, e))
        return -1;
    s = r.p;
    for (size_t i = 0; i < r.n; i++) {
        if (each(arg, &s[i], e))
            return -1;
    }
    return 0;
}

int store_stray_condemn(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE sweep_stray SET condemned_ms = $2 WHERE id = $1", VALS(DB_I(id), DB_I(now_ms)), NULL,
                    NULL, NULL, e);
}

int store_stray_asked(struct store_tx *t, int64_t id, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE sweep_stray SET asked_ms = $2 WHERE id = $1", VALS(DB_I(id), DB_I(now_ms)), NULL, NULL,
                    NULL, e);
}

int store_stray_told(struct store_tx *t, int64_t id, struct err *e)
{
    return tx_write(t, "UPDATE sweep_stray SET told = 1 WHERE id = $1", VALS(DB_I(id)), NULL, NULL, NULL, e);
}

int store_stray_drop(struct store_tx *t, int64_t id, struct err *e)
{
    return tx_write(t, "DELETE FROM sweep_stray WHERE id = $1", VALS(DB_I(id)), NULL, NULL, NULL, e);
}

int store_strays_count(struct store_tx *t, const char *cloud, int64_t *out, struct err *e)
{
    return tx_read(t, "SELECT count(*) FROM sweep_stray WHERE cloud = $1", VALS(DB_S(cloud)), row_i64, out, e);
}

/* ---- records ---- */

#define TRACE_COLUMNS "name, region, instance_id, state, launched_ms"

static int keep_trace(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_trace *m = rows_add(arg);

    (void)n;
    (void)e;
    col_copy(&c[0], m->name, sizeof(m->name));
    col_copy(&c[1], m->region, sizeof(m->region));
    col_copy(&c[2], m->instance_id, sizeof(m->instance_id));
    m->state = (enum machine_state)c[3].i;
    m->launched_ms = c[4].i;
    return 0;
}

int store_trace_get(struct store_tx *t, const char *name, struct store_trace *out, bool *found, struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(*out)};

    if (tx_read(t, "SELECT " TRACE_COLUMNS " FROM machine WHERE name = $1", VALS(DB_S(name)), keep_trace, &r, e))
        return -1;
    *found = r.n > 0;
    if (r.n > 0)
        memcpy(out, r.p, sizeof(*out));
    return 0;
}

/* 2 = BOOTING, 6 = GONE: schema.c. */
int store_traces(struct store_tx *t, const char *cloud, const char *after, int64_t n, store_trace_fn *each, void *arg,
                 struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(struct store_trace)};
    const struct store_trace *m;

    if (tx_read(t,
                "SELECT " TRACE_COLUMNS " FROM machine WHERE state < 6 AND state >= 2 AND cloud = $1 AND name > $2"
                " ORDER BY name LIMIT $3",
                VALS(DB_S(cloud), DB_S(after), DB_I(n < PAGE_MAX ? n : PAGE_MAX)), keep_trace, &r, e))
        return -1;
    m = r.p;
    for (size_t i = 0; i < r.n; i++) {
        if (each(arg, &m[i], e))
            return -1;
    }
    return 0;
}

static int keep_owner(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_owner *o = rows_add(arg);

    (void)n;
    (void)e;
    col_copy(&c[0], o->repo, sizeof(o->repo));
    o->installation_id = c[1].i;
    o->repo_id = c[2].i;
    return 0;
}

/* Names are made of the time: the greatest is the newest. */
int store_owners(struct store_tx *t, int64_t since_ms, const char *after, int64_t n, store_owner_fn *each, void *arg,
                 struct err *e)
{
    AUTO(rows_clear) struct rows r = {NULL, 0, sizeof(struct store_owner)};
    const struct store_owner *o;

    if (tx_read(t,
                "SELECT w.repo, m.installation_id, m.repo_id FROM"
                " (SELECT repo, max(name) AS newest FROM machine WHERE created_ms >= $1 AND repo > $2 AND repo <> ''"
                "  GROUP BY repo ORDER BY repo LIMIT $3) w JOIN machine m ON m.name = w.newest ORDER BY w.repo",
                VALS(DB_I(since_ms), DB_S(after), DB_I(n < PAGE_MAX ? n : PAGE_MAX)), keep_owner, &r, e))
        return -1;
    o = r.p;
    for (size_t i = 0; i < r.n; i++) {
        if (each(arg, &o[i], e))
            return -1;
    }
    return 0;
}
