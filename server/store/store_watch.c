#include "server/store/store_watch.h"

#include "server/store/store_internal.h"

static int read_watch(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(struct store_watch *)arg = (struct store_watch){.state = (enum machine_state)c[0].i,
                                                      .since_ms = c[1].i,
                                                      .gone_ms = c[2].i,
                                                      .asked_ms = c[3].i,
                                                      .ask = c[4].i != 0,
                                                      .told = c[5].i};
    return 0;
}

int store_watch_get(struct store_tx *t, const char *machine, struct store_watch *out, struct err *e)
{
    *out = (struct store_watch){.since_ms = 0};
    return tx_read(t, "SELECT state, since_ms, gone_ms, asked_ms, ask, told FROM watch WHERE machine = $1",
                   VALS(DB_S(machine)), read_watch, out, e);
}

int store_watch_put(struct store_tx *t, const char *machine, const struct store_watch *w, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO watch (machine, state, since_ms, gone_ms, asked_ms, ask, told)"
                    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
                    " ON CONFLICT (machine) DO UPDATE SET state = excluded.state, since_ms = excluded.since_ms,"
                    " gone_ms = excluded.gone_ms, asked_ms = excluded.asked_ms, ask = excluded.ask,"
                    " told = excluded.told",
                    VALS(DB_S(machine), DB_I(w->state), DB_I(w->since_ms), DB_I(w->gone_ms), DB_I(w->asked_ms),
                         DB_I(w->ask ? 1 : 0), DB_I(w->told)),
                    NULL, NULL, NULL, e);
}

int store_watch_ask(struct store_tx *t, const char *machine, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO watch (machine, state, since_ms, gone_ms, asked_ms, ask, told)"
                    " VALUES ($1, 0, 0, 0, 0, 1, 0) ON CONFLICT (machine) DO UPDATE SET ask = 1",
                    VALS(DB_S(machine)), NULL, NULL, NULL, e);
}

int store_watch_drop(struct store_tx *t, const char *machine, struct err *e)
{
    return tx_write(t, "DELETE FROM watch WHERE machine = $1", VALS(DB_S(machine)), NULL, NULL, NULL, e);
}

int store_job_retried(struct store_tx *t, int64_t job_id, int64_t now_ms, struct err *e)
{
    return tx_write(t, "UPDATE job_report SET retried_ms = $2 WHERE job_id = $1", VALS(DB_I(job_id), DB_I(now_ms)),
                    NULL, NULL, NULL, e);
}

int store_events_since_retry(struct store_tx *t, int64_t job_id, const char *kind, int64_t *out, struct err *e)
{
    return tx_read(t,
                   "SELECT count(*) FROM event WHERE job_id = $1 AND job_id > 0 AND kind = $2"
                   " AND at_ms >= coalesce((SELECT retried_ms FROM job_report WHERE job_id = $1), 0)",
                   VALS(DB_I(job_id), DB_S(kind)), row_i64, out, e);
}

int store_machine_others(struct store_tx *t, int64_t job_id, const char *name, int64_t *out, struct err *e)
{
    return tx_read(t, "SELECT count(*) FROM machine WHERE job_id = $1 AND name <> $2 AND launched_ms > 0",
                   VALS(DB_I(job_id), DB_S(name)), row_i64, out, e);
}
