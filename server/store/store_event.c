/* The timeline of jobs, and small values. */
#include "server/store/store_internal.h"

int store_event_add(struct store_tx *t, int64_t at_ms, int64_t job_id, const char *machine, const char *kind,
                    const char *detail, struct err *e)
{
    /* alone: of a job that is not here (forgotten, or known by a tag only), with which it could go */
    return tx_write(t,
                    "INSERT INTO event (at_ms, job_id, machine, kind, detail, alone) VALUES ($1, $2, $3, $4, $5,"
                    " CASE WHEN $2 <= 0 THEN 0 ELSE coalesce((SELECT 0 FROM job WHERE id = $2), 1) END)",
                    VALS(DB_I(at_ms), DB_I(job_id), DB_S(machine), DB_S(kind), DB_S(detail)), NULL, NULL, NULL, e);
}

struct event_row {
    store_event_fn *each;
    void *arg;
};

static int read_event(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct event_row *r = arg;

    (void)n;
    return r->each(r->arg, c[0].i, c[1].i, c[2].s, col_text(&c[3]), c[4].s, e);
}

int store_events_of_job(struct store_tx *t, int64_t job_id, store_event_fn *each, void *arg, struct err *e)
{
    struct event_row r = {each, arg};

    return tx_read(
        t, "SELECT at_ms, job_id, machine, kind, detail FROM event WHERE job_id = $1 AND job_id > 0 ORDER BY id",
        VALS(DB_I(job_id)), read_event, &r, e);
}

static int read_text(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(char **)arg = col_dup(&c[0]);
    return 0;
}

int store_meta_get(struct store_tx *t, const char *key, char **out, struct err *e)
{
    char *value = NULL;

    if (tx_read(t, "SELECT value FROM meta WHERE key = $1", VALS(DB_S(key)), read_text, &value, e))
        return -1;
    *out = value;
    return 0;
}

int store_meta_put(struct store_tx *t, const char *key, const char *value, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = "
                    "excluded.value",
                    VALS(DB_S(key), DB_S(value)), NULL, NULL, NULL, e);
}
