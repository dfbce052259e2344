#include "server/store/store_internal.h"

/* In the order of read_job. */
#define JOB_COLUMNS                                                                                                    \
    "id, run_id, run_attempt, repo_id, installation_id, queued_ms, updated_ms, state, want, repo, default_branch, "    \
    "head_sha, name, workflow_name, labels_json, label_key, runner_name, conclusion, plan_json, reason"

struct job_row {
    struct job *out;
    bool found;
};

static int read_job(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct job_row *r = arg;

    (void)n;
    (void)e;
    *r->out = (struct job){
        .id = c[0].i,
        .run_id = c[1].i,
        .run_attempt = c[2].i,
        .repo_id = c[3].i,
        .installation_id = c[4].i,
        .queued_ms = c[5].i,
        .updated_ms = c[6].i,
        .state = (enum job_state)c[7].i,
        .want = (enum job_want)c[8].i,
        .repo = col_dup(&c[9]),
        .default_branch = col_dup(&c[10]),
        .head_sha = col_dup(&c[11]),
        .name = col_dup(&c[12]),
        .workflow_name = col_dup(&c[13]),
        .labels_json = col_dup(&c[14]),
        .label_key = col_dup(&c[15]),
        .runner_name = col_dup(&c[16]),
        .conclusion = col_dup(&c[17]),
        .plan_json = col_dup(&c[18]),
        .reason = col_dup(&c[19]),
    };
    r->found = true;
    return 0;
}

static int insert(struct store_tx *t, const struct job *j, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO job (" JOB_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
                    " $14, $15, $16, nullif($17, ''), nullif($18, ''), $19, $20)",
                    VALS(DB_I(j->id), DB_I(j->run_id), DB_I(j->run_attempt), DB_I(j->repo_id), DB_I(j->installation_id),
                         DB_I(j->queued_ms), DB_I(j->updated_ms), DB_I(j->state), DB_I(j->want), DB_S(j->repo),
                         DB_S(j->default_branch), DB_S(j->head_sha), DB_S(j->name), DB_S(j->workflow_name),
                         DB_S(j->labels_json), DB_S(j->label_key), DB_S(j->runner_name), DB_S(j->conclusion),
                         DB_S(j->plan_json), DB_S(j->reason)),
                    NULL, NULL, NULL, e);
}

/* What was known stays; the runner and the conclusion are the later event's word ($17: is this one late?). */
static int fill(struct store_tx *t, const struct job *j, enum job_state state, bool late, struct err *e)
{
    return tx_write(t,
                    "UPDATE job SET"
                    " state = $2,"
                    " run_id = CASE run_id WHEN 0 THEN $3 ELSE run_id END,"
                    " run_attempt = CASE run_attempt WHEN 0 THEN $4 ELSE run_attempt END,"
                    " repo_id = CASE repo_id WHEN 0 THEN $5 ELSE repo_id END,"
                    " installation_id = CASE installation_id WHEN 0 THEN $6 ELSE installation_id END,"
                    " queued_ms = CASE queued_ms WHEN 0 THEN $7 ELSE queued_ms END,"
                    " updated_ms = CASE WHEN updated_ms < $8 THEN $8 ELSE updated_ms END,"
                    " repo = coalesce(repo, $9),"
                    " default_branch = coalesce(default_branch, $10),"
                    " head_sha = coalesce(head_sha, $11),"
                    " name = coalesce(name, $12),"
                    " workflow_name = coalesce(workflow_name, $13),"
                    " labels_json = coalesce(labels_json, $14),"
                    " label_key = coalesce(label_key, $15),"
                    " runner_name = CASE $17 WHEN 1 THEN coalesce(runner_name, nullif($16, ''))"
                    " ELSE coalesce(nullif($16, ''), runner_name) END,"
                    " conclusion = CASE $17 WHEN 1 THEN coalesce(conclusion, nullif($18, ''))"
                    " ELSE coalesce(nullif($18, ''), conclusion) END"
                    " WHERE id = $1",
                    VALS(DB_I(j->id), DB_I(state), DB_I(j->run_id), DB_I(j->run_attempt), DB_I(j->repo_id),
                         DB_I(j->installation_id), DB_I(j->queued_ms), DB_I(j->updated_ms), DB_S(j->repo),
                         DB_S(j->default_branch), DB_S(j->head_sha), DB_S(j->name), DB_S(j->workflow_name),
                         DB_S(j->labels_json), DB_S(j->label_key), DB_S(j->runner_name), DB_I(late ? 1 : 0),
                         DB_S(j->conclusion)),
                    NULL, NULL, NULL, e);
}

int store_job_merge(struct store_tx *t, const struct job *j, int *before, bool *moved, struct err *e)
{
    int64_t stored = -1;
    bool forward;

    if (tx_read(t, "SELECT state FROM job WHERE id = $1", VALS(DB_I(j->id)), row_i64, &stored, e))
        return -1;
    forward = (int64_t)j->state > stored;
    if (stored < 0 ? insert(t, j, e)
                   : fill(t, j, forward ? j->state : (enum job_state)stored, (int64_t)j->state < stored, e))
        return -1;
    *before = (int)stored;
    *moved = forward;
    return 0;
}

int store_job_get(struct store_tx *t, int64_t id, struct job *out, bool *found, struct err *e)
{
    struct job_row r = {.out = out};

    if (tx_read(t, "SELECT " JOB_COLUMNS " FROM job WHERE id = $1", VALS(DB_I(id)), read_job, &r, e))
        return -1;
    *found = r.found;
    return 0;
}

int store_job_decide(struct store_tx *t, int64_t id, enum job_want want, const char *plan_json, const char *reason,
                     struct err *e)
{
    int64_t changed;

    if (tx_write(t,
                 "UPDATE job SET want = $2, plan_json = coalesce($3, plan_json),"
                 " reason = nullif(coalesce($4, reason), '') WHERE id = $1",
                 VALS(DB_I(id), DB_I(want), DB_S(plan_json), DB_S(reason)), NULL, NULL, &changed, e))
        return -1;
    return changed > 0 ? 0 : err_set(e, ERR_GONE, "no job %lld", (long long)id);
}

/* 1 = QUEUED, 1 = WANT_MACHINE, below 4 = before BUSY: schema.c. */
int store_job_next_unserved(struct store_tx *t, int64_t repo_id, const char *label_key, struct job *out, bool *found,
                            struct err *e)
{
    struct job_row r = {.out = out};

    if (tx_read(t,
                "SELECT " JOB_COLUMNS " FROM job WHERE state = 1 AND want = 1 AND repo_id = $1 AND label_key = $2"
                " AND NOT EXISTS (SELECT 1 FROM machine WHERE machine.job_id = job.id AND machine.state < 4)"
                " ORDER BY queued_ms, id LIMIT 1",
                VALS(DB_I(repo_id), DB_S(label_key)), read_job, &r, e))
        return -1;
    if (!r.found && tx_read(t,
                            "SELECT " JOB_COLUMNS " FROM job WHERE state = 1 AND want = 1 AND repo_id = $1"
                            " AND label_key = $2 ORDER BY queued_ms, id LIMIT 1",
                            VALS(DB_I(repo_id), DB_S(label_key)), read_job, &r, e))
        return -1;
    *found = r.found;
    return 0;
}
