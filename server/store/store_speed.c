/* How fast each candidate came up lately, and until when it refused: for those who ask for the fastest. */
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
