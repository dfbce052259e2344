/* One row per machine that fetches its bootstrap itself, from before its launch until its end. */
#include "server/store/store_internal.h"

int store_pull_arm(struct store_tx *t, const char *machine, const char *token, const char *sealed, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO pull (machine, token, sealed, fetched_ms) VALUES ($1, $2, $3, 0)"
                    " ON CONFLICT (machine) DO UPDATE SET token = excluded.token, sealed = excluded.sealed,"
                    " fetched_ms = 0 WHERE pull.token <> excluded.token",
                    VALS(DB_S(machine), DB_S(token), DB_S(sealed)), NULL, NULL, NULL, e);
}

void store_pull_clear(struct store_pull *p)
{
    free(p->sealed);
    *p = (struct store_pull){.armed = false};
}

static int read_pull(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct store_pull *p = arg;

    (void)n;
    (void)e;
    free(p->sealed);
    p->sealed = col_dup(&c[0]);
    p->fetched_ms = c[1].i;
    p->armed = true;
    return 0;
}

int store_pull_get(struct store_tx *t, const char *machine, struct store_pull *out, struct err *e)
{
    store_pull_clear(out);
    return tx_read(t, "SELECT sealed, fetched_ms FROM pull WHERE machine = $1", VALS(DB_S(machine)), read_pull, out, e);
}

int store_pull_fetched(struct store_tx *t, const char *machine, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE pull SET sealed = '', fetched_ms = $2 WHERE machine = $1",
                    VALS(DB_S(machine), DB_I(now_ms)), NULL, NULL, NULL, e);
}

int store_pull_drop(struct store_tx *t, const char *machine, struct err *e)
{
    return tx_write(t, "DELETE FROM pull WHERE machine = $1", VALS(DB_S(machine)), NULL, NULL, NULL, e);
}
