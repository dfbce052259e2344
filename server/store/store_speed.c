/* How fast each candidate came up lately, and until when it refused: for those who ask for the fastest. And which are
 * left alone for now: for everybody. */
#include "server/store/store_speed.h"

#include "server/store/store_internal.h"

#define FORGET_MS ((int64_t)30 * 24 * 60 * 60 * 1000)

/* Three tenths of the newest, seven of what was known. */
#define UPSERT                                                                                                         \
    "INSERT INTO speed (key, boot_ms, refused_until_ms, at_ms) VALUES ($1, $2, 0, $3)"                                 \
    " ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, refused_until_ms = 0,"                                   \
    " boot_ms = CASE WHEN speed.boot_ms = 0 THEN excluded.boot_ms"                                                     \
    " ELSE (speed.boot_ms * 7 + excluded.boot_ms * 3) / 10 END"

static int forget(struct store_tx *t, int64_t now_ms, struct err *e)
{
    return tx_write(t, "DELETE FROM speed WHERE at_ms < $1", VALS(DB_I(now_ms - FORGET_MS)), NULL, NULL, NULL, e);
}

int store_speed_booted(struct store_tx *t, const char *key, int64_t took_ms, int64_t now_ms, struct err *e)
{
    if (tx_write(t, UPSERT, VALS(DB_S(key), DB_I(took_ms > 0 ? took_ms : 1), DB_I(now_ms)), NULL, NULL, NULL, e))
        return -1;
    return forget(t, now_ms, e);
}

int store_speed_refused(struct store_tx *t, const char *key, int64_t until_ms, int64_t now_ms, struct err *e)
{
    if (tx_write(t,
                 "INSERT INTO speed (key, boot_ms, refused_until_ms, at_ms) VALUES ($1, 0, $2, $3)"
                 " ON CONFLICT (key) DO UPDATE SET at_ms = excluded.at_ms, refused_until_ms = "
                 "excluded.refused_until_ms",
                 VALS(DB_S(key), DB_I(until_ms), DB_I(now_ms)), NULL, NULL, NULL, e))
        return -1;
    return forget(t, now_ms, e);
}

static int see(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    struct store_speed *s = arg;

    (void)n;
    (void)e;
    s->boot_ms = cols[0].i;
    s->refused_until_ms = cols[1].i;
    return 0;
}

int store_speed_get(struct store_tx *t, const char *key, struct store_speed *out, struct err *e)
{
    *out = (struct store_speed){0, 0};
    return tx_read(t, "SELECT boot_ms, refused_until_ms FROM speed WHERE key = $1", VALS(DB_S(key)), see, out, e);
}

/* --- breakers -------------------------------------------------------------------------------------------------------
 */

struct breaker_read {
    struct store_breaker *b;
    bool found;
};

static int see_breaker(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    struct breaker_read *r = arg;

    (void)n;
    (void)e;
    r->found = true;
    r->b->failures = cols[0].i;
    r->b->failed_ms = cols[1].i;
    r->b->open_until_ms = cols[2].i;
    r->b->probe_until_ms = cols[3].i;
    col_copy(&cols[4], r->b->kind, sizeof(r->b->kind));
    col_copy(&cols[5], r->b->probe, sizeof(r->b->probe));
    return 0;
}

int store_breaker_get(struct store_tx *t, const char *key, struct store_breaker *out, bool *found, struct err *e)
{
    struct breaker_read r = {out, false};

    *out = (struct store_breaker){.failures = 0};
    if (tx_read(t, "SELECT failures, failed_ms, open_until_ms, probe_until_ms, kind, probe FROM breaker WHERE key = $1",
                VALS(DB_S(key)), see_breaker, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_breaker_put(struct store_tx *t, const char *key, const struct store_breaker *b, struct err *e)
{
    return tx_write(
        t,
        "INSERT INTO breaker (key, failures, failed_ms, open_until_ms, probe_until_ms, kind, probe)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, failed_ms = excluded.failed_ms,"
        " open_until_ms = excluded.open_until_ms, probe_until_ms = excluded.probe_until_ms, kind = excluded.kind,"
        " probe = excluded.probe",
        VALS(DB_S(key), DB_I(b->failures), DB_I(b->failed_ms), DB_I(b->open_until_ms), DB_I(b->probe_until_ms),
             DB_S(b->kind), DB_S(b->probe)),
        NULL, NULL, NULL, e);
}

int store_breaker_drop(struct store_tx *t, const char *key, struct err *e)
{
    return tx_write(t, "DELETE FROM breaker WHERE key = $1", VALS(DB_S(key)), NULL, NULL, NULL, e);
}

int store_breaker_relax(struct store_tx *t, const char *prefix, const char *kind, int64_t now_ms, struct err *e)
{
    return tx_write(t,
                    "UPDATE breaker SET open_until_ms = $3"
                    " WHERE kind = $2 AND open_until_ms > $3 AND substr(key, 1, length($1)) = $1",
                    VALS(DB_S(prefix), DB_S(kind), DB_I(now_ms)), NULL, NULL, NULL, e);
}

int store_breaker_count(struct store_tx *t, int64_t before_ms, int64_t failures, int64_t *out, struct err *e)
{
    *out = 0;
    if (tx_write(t, "DELETE FROM breaker WHERE failed_ms < $1 AND open_until_ms < $1", VALS(DB_I(before_ms)), NULL,
                 NULL, NULL, e))
        return -1;
    return tx_read(t, "SELECT count(*) FROM breaker WHERE failures >= $1", VALS(DB_I(failures)), row_i64, out, e);
}
