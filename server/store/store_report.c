/* What pull requests are told: causes, what the candidates answered, and the check runs that say so. */
#include "server/store/store_internal.h"

int store_cause_put(struct store_tx *t, int64_t job_id, const struct store_cause *c, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO job_report (job_id, report_id, cause, line, col) VALUES ($1, 0, $2, $3, $4)"
                    " ON CONFLICT (job_id) DO UPDATE SET cause = excluded.cause, line = excluded.line,"
                    " col = excluded.col",
                    VALS(DB_I(job_id), DB_I(c->cause), DB_I(c->line), DB_I(c->column)), NULL, NULL, NULL, e);
}

static int read_cause(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(struct store_cause *)arg = (struct store_cause){(enum job_cause)c[0].i, (int)c[1].i, (int)c[2].i};
    return 0;
}

int store_cause_get(struct store_tx *t, int64_t job_id, struct store_cause *out, struct err *e)
{
    struct store_cause got = {CAUSE_NONE, 0, 0};

    if (tx_read(t, "SELECT cause, line, col FROM job_report WHERE job_id = $1", VALS(DB_I(job_id)), read_cause, &got,
                e))
        return -1;
    *out = got;
    return 0;
}

int store_attempt_put(struct store_tx *t, const struct store_attempt *a, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO attempt (job_id, candidate, machine, cloud, region, instance_type, spot, kind,"
                    " message, first_ms, last_ms, times) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, 1)"
                    " ON CONFLICT (job_id, candidate) DO UPDATE SET machine = excluded.machine,"
                    " cloud = excluded.cloud, region = excluded.region, instance_type = excluded.instance_type,"
                    " spot = excluded.spot, kind = excluded.kind, message = excluded.message,"
                    " last_ms = excluded.last_ms, times = attempt.times + 1",
                    VALS(DB_I(a->job_id), DB_I(a->candidate), DB_S(a->machine), DB_S(a->cloud), DB_S(a->region),
                         DB_S(a->instance_type), DB_I(a->spot ? 1 : 0), DB_S(a->kind), DB_S(a->message),
                         DB_I(a->last_ms)),
                    NULL, NULL, NULL, e);
}

int store_attempts_forget(struct store_tx *t, int64_t job_id, struct err *e)
{
    return tx_write(t, "DELETE FROM attempt WHERE job_id = $1", VALS(DB_I(job_id)), NULL, NULL, NULL, e);
}

struct attempt_row {
    store_attempt_fn *each;
    void *arg;
};

static int read_attempt(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct attempt_row *r = arg;
    const struct store_attempt a = {.job_id = c[0].i,
                                    .candidate = (int)c[1].i,
                                    .machine = col_text(&c[2]),
                                    .cloud = col_text(&c[3]),
                                    .region = col_text(&c[4]),
                                    .instance_type = col_text(&c[5]),
                                    .spot = c[6].i != 0,
                                    .kind = col_text(&c[7]),
                                    .message = col_text(&c[8]),
                                    .first_ms = c[9].i,
                                    .last_ms = c[10].i,
                                    .times = c[11].i};

    (void)n;
    return r->each(r->arg, &a, e);
}

int store_attempts_of_job(struct store_tx *t, int64_t job_id, store_attempt_fn *each, void *arg, struct err *e)
{
    struct attempt_row r = {each, arg};

    return tx_read(t,
                   "SELECT job_id, candidate, machine, cloud, region, instance_type, spot, kind, message, first_ms,"
                   " last_ms, times FROM attempt WHERE job_id = $1 ORDER BY candidate",
                   VALS(DB_I(job_id)), read_attempt, &r, e);
}
