/* Interrupted jobs, and their being run again. */
#include "server/store/store_rerun.h"

#include "server/store/store_internal.h"

_Static_assert(RERUN_ASKED == 1 && RERUN_DONE == 2, "interruption_open and the queries here name these numbers");

#define COLUMNS                                                                                                        \
    "i.job_id, i.run_id, i.repo_id, i.installation_id, i.own_attempt, i.attempt, i.at_ms, i.nth, i.most, i.state,"     \
    " i.repo, i.name, i.machine, i.cloud, i.outcome, i.detail"

int store_interruption_put(struct store_tx *t, const struct store_interruption *i, bool *put, struct err *e)
{
    int64_t rows;

    if (tx_write(t,
                 "INSERT INTO interruption (job_id, run_id, repo_id, installation_id, own_attempt, attempt, at_ms, "
                 "nth, most, state,"
                 " repo, name, machine, cloud, outcome, detail)"
                 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
                 " ON CONFLICT (job_id) DO NOTHING",
                 VALS(DB_I(i->job_id), DB_I(i->run_id), DB_I(i->repo_id), DB_I(i->installation_id),
                      DB_I(i->own_attempt), DB_I(i->attempt), DB_I(i->at_ms), DB_I(i->nth), DB_I(i->most),
                      DB_I(i->state), DB_S(i->repo), DB_S(i->name), DB_S(i->machine), DB_S(i->cloud), DB_S(i->outcome),
                      DB_S(i->detail)),
                 NULL, NULL, &rows, e))
        return -1;
    *put = rows > 0;
    return 0;
}

int store_interruption_update(struct store_tx *t, const struct store_interruption *i, struct err *e)
{
    return tx_write(t, "UPDATE interruption SET attempt = $2, state = $3, outcome = $4, detail = $5 WHERE job_id = $1",
                    VALS(DB_I(i->job_id), DB_I(i->attempt), DB_I(i->state), DB_S(i->outcome), DB_S(i->detail)), NULL,
                    NULL, NULL, e);
}

struct reading {
    store_interruption_fn *each;
    void *arg;
};

static int take_row(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    const struct reading *r = arg;
    struct store_interruption i = {.job_id = c[0].i,
                                   .run_id = c[1].i,
                                   .repo_id = c[2].i,
                                   .installation_id = c[3].i,
                                   .own_attempt = c[4].i,
                                   .attempt = c[5].i,
                                   .at_ms = c[6].i,
                                   .nth = (int)c[7].i,
                                   .most = (int)c[8].i,
                                   .state = (enum rerun_state)c[9].i,
                                   .repo = col_text(&c[10]),
                                   .name = col_text(&c[11]),
                                   .machine = col_text(&c[12]),
                                   .cloud = col_text(&c[13])};

    (void)n;
    col_copy(&c[14], i.outcome, sizeof(i.outcome));
    col_copy(&c[15], i.detail, sizeof(i.detail));
    return r->each(r->arg, &i, e);
}

int store_interruption_count(struct store_tx *t, int64_t run_id, const char *name, int64_t but_job_id, int64_t *out,
                             struct err *e)
{
    return tx_read(t, "SELECT count(*) FROM interruption WHERE run_id = $1 AND name = $2 AND job_id <> $3",
                   VALS(DB_I(run_id), DB_S(name), DB_I(but_job_id)), row_i64, out, e);
}

int store_interruption_is_open(struct store_tx *t, int64_t run_id, bool *open, struct err *e)
{
    int64_t n = 0;

    if (tx_read(t, "SELECT count(*) FROM interruption WHERE run_id = $1 AND state < 2", VALS(DB_I(run_id)), row_i64, &n,
                e))
        return -1;
    *open = n > 0;
    return 0;
}

int store_interruption_reruns(struct store_tx *t, int64_t run_id, int64_t from, int64_t to, int64_t *out, struct err *e)
{
    return tx_read(t,
                   "SELECT count(DISTINCT attempt) FROM interruption"
                   " WHERE run_id = $1 AND state = 2 AND attempt >= $2 AND attempt < $3",
                   VALS(DB_I(run_id), DB_I(from), DB_I(to)), row_i64, out, e);
}

int store_interruptions_open(struct store_tx *t, int64_t run_id, store_interruption_fn *each, void *arg, struct err *e)
{
    struct reading r = {each, arg};

    return tx_read(t, "SELECT " COLUMNS " FROM interruption i WHERE i.run_id = $1 AND i.state < 2 ORDER BY i.job_id",
                   VALS(DB_I(run_id)), take_row, &r, e);
}

int store_interruptions_of_report(struct store_tx *t, int64_t report_id, store_interruption_fn *each, void *arg,
                                  struct err *e)
{
    struct reading r = {each, arg};

    return tx_read(t,
                   "SELECT " COLUMNS " FROM job_report r JOIN interruption i ON i.job_id = r.job_id"
                   " WHERE r.report_id = $1 AND r.report_id > 0 ORDER BY i.at_ms, i.job_id",
                   VALS(DB_I(report_id)), take_row, &r, e);
}
