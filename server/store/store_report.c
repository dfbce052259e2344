/* What pull requests are told: causes, what the candidates answered, and the check runs that say so. */
#include "server/store/store_internal.h"

#include <string.h>

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

/* --- check runs ------------------------------------------------------------------------------------------------- */

#define REPORT_COLUMNS                                                                                                 \
    "id, repo_id, installation_id, repo, head_sha, topic, external_id, check_run_id, form, said, annotated, updates, " \
    "opened_ms, said_ms"

struct report_row {
    struct store_report *out;
    bool found;
};

static int read_report(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct report_row *r = arg;

    (void)n;
    (void)e;
    *r->out = (struct store_report){.id = c[0].i,
                                    .repo_id = c[1].i,
                                    .installation_id = c[2].i,
                                    .repo = col_dup(&c[3]),
                                    .head_sha = col_dup(&c[4]),
                                    .topic = col_dup(&c[5]),
                                    .external_id = c[6].i,
                                    .check_run_id = c[7].i,
                                    .form = (enum store_report_form)c[8].i,
                                    .updates = c[11].i,
                                    .opened_ms = c[12].i,
                                    .said_ms = c[13].i};
    col_copy(&c[9], r->out->said, sizeof(r->out->said));
    col_copy(&c[10], r->out->annotated, sizeof(r->out->annotated));
    r->found = true;
    return 0;
}

void store_report_clear(struct store_report *r)
{
    free(r->repo);
    free(r->head_sha);
    free(r->topic);
    memset(r, 0, sizeof(*r));
}

int store_report_open(struct store_tx *t, const struct store_report *r, int64_t *id, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO report (repo_id, installation_id, repo, head_sha, topic, external_id, check_run_id,"
                    " form, said, annotated, updates, opened_ms, said_ms)"
                    " VALUES ($1, $2, $3, $4, $5, $6, 0, 0, '', '', 0, $7, 0)"
                    " ON CONFLICT (repo_id, head_sha, topic) DO UPDATE SET topic = excluded.topic RETURNING id",
                    VALS(DB_I(r->repo_id), DB_I(r->installation_id), DB_S(r->repo), DB_S(r->head_sha), DB_S(r->topic),
                         DB_I(r->external_id), DB_I(r->opened_ms)),
                    row_i64, id, NULL, e);
}

int store_report_topics(struct store_tx *t, int64_t repo_id, const char *head_sha, const char *topic, int64_t *others,
                        struct err *e)
{
    return tx_read(t, "SELECT count(*) FROM report WHERE repo_id = $1 AND head_sha = $2 AND topic <> $3",
                   VALS(DB_I(repo_id), DB_S(head_sha), DB_S(topic)), row_i64, others, e);
}

int store_report_join(struct store_tx *t, int64_t job_id, int64_t report_id, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO job_report (job_id, report_id, cause, line, col) VALUES ($1, $2, 0, 0, 0)"
                    " ON CONFLICT (job_id) DO UPDATE SET report_id = excluded.report_id",
                    VALS(DB_I(job_id), DB_I(report_id)), NULL, NULL, NULL, e);
}

int store_report_of_job(struct store_tx *t, int64_t job_id, int64_t *report_id, struct err *e)
{
    int64_t id = 0;

    if (tx_read(t, "SELECT report_id FROM job_report WHERE job_id = $1", VALS(DB_I(job_id)), row_i64, &id, e))
        return -1;
    *report_id = id;
    return 0;
}

int store_report_get(struct store_tx *t, int64_t id, struct store_report *out, bool *found, struct err *e)
{
    struct report_row r = {.out = out};

    if (tx_read(t, "SELECT " REPORT_COLUMNS " FROM report WHERE id = $1", VALS(DB_I(id)), read_report, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_report_by_check_run(struct store_tx *t, int64_t repo_id, int64_t check_run_id, int64_t *id, struct err *e)
{
    int64_t got = 0;

    if (tx_read(t, "SELECT id FROM report WHERE repo_id = $1 AND check_run_id = $2 AND check_run_id > 0",
                VALS(DB_I(repo_id), DB_I(check_run_id)), row_i64, &got, e))
        return -1;
    *id = got;
    return 0;
}

int store_report_update(struct store_tx *t, const struct store_report *r, struct err *e)
{
    return tx_write(t,
                    "UPDATE report SET check_run_id = $2, form = $3, said = $4, annotated = $5, updates = $6,"
                    " said_ms = $7 WHERE id = $1",
                    VALS(DB_I(r->id), DB_I(r->check_run_id), DB_I(r->form), DB_S(r->said), DB_S(r->annotated),
                         DB_I(r->updates), DB_I(r->said_ms)),
                    NULL, NULL, NULL, e);
}

struct report_job_row {
    store_report_job_fn *each;
    void *arg;
};

static int read_report_job(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct report_job_row *r = arg;
    const struct store_report_job j = {.id = c[0].i,
                                       .run_id = c[1].i,
                                       .queued_ms = c[2].i,
                                       .updated_ms = c[3].i,
                                       .state = (enum job_state)c[4].i,
                                       .want = (enum job_want)c[5].i,
                                       .name = col_text(&c[6]),
                                       .runner_name = col_text(&c[7]),
                                       .reason = col_text(&c[8]),
                                       .cause = {(enum job_cause)c[9].i, (int)c[10].i, (int)c[11].i}};

    (void)n;
    return r->each(r->arg, &j, e);
}

int store_report_jobs(struct store_tx *t, int64_t report_id, store_report_job_fn *each, void *arg, struct err *e)
{
    struct report_job_row r = {each, arg};

    return tx_read(t,
                   "SELECT job.id, run_id, queued_ms, updated_ms, state, want, name, runner_name, reason, cause, line,"
                   " col FROM job_report JOIN job ON job.id = job_report.job_id"
                   " WHERE report_id = $1 AND report_id > 0 ORDER BY job.id LIMIT 1000",
                   VALS(DB_I(report_id)), read_report_job, &r, e);
}

int store_attempts_of_report(struct store_tx *t, int64_t report_id, store_attempt_fn *each, void *arg, struct err *e)
{
    struct attempt_row r = {each, arg};

    return tx_read(t,
                   "SELECT attempt.job_id, candidate, machine, cloud, region, instance_type, spot, kind, message,"
                   " first_ms, last_ms, times FROM job_report JOIN attempt ON attempt.job_id = job_report.job_id"
                   " WHERE report_id = $1 AND report_id > 0 ORDER BY candidate, last_ms DESC LIMIT 5000",
                   VALS(DB_I(report_id)), read_attempt, &r, e);
}

struct id_list {
    int64_t *ids;
    size_t n, max;
};

static int read_id(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct id_list *l = arg;

    (void)n;
    (void)e;
    if (l->n < l->max)
        l->ids[l->n++] = c[0].i;
    return 0;
}

int store_reports_of_commit(struct store_tx *t, int64_t repo_id, const char *head_sha, int64_t *ids, size_t max,
                            size_t *n, struct err *e)
{
    struct id_list l = {ids, 0, max};

    if (tx_read(t, "SELECT id FROM report WHERE repo_id = $1 AND head_sha = $2 ORDER BY id",
                VALS(DB_I(repo_id), DB_S(head_sha)), read_id, &l, e))
        return -1;
    *n = l.n;
    return 0;
}
