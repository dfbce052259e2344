#include "server/store/store_internal.h"
#include "server/store/store_room.h"
#include "server/store/store_upkeep.h"

#include <string.h>

#define PAGE 64 /* machines read at a time: a callback may change what it is shown, and memory stays small */

/* In the order of read_machine. Numbers of states stand in the queries as schema.c has them: below 4 = before BUSY,
 * below 6 = not GONE. */
#define MACHINE_COLUMNS                                                                                                \
    "name, state, job_id, taken_job_id, installation_id, repo_id, runner_id, created_ms, launched_ms, ended_ms, "      \
    "boot_deadline_ms, expires_ms, surplus_ms, candidate, round, cloud, region, instance_id, repo, labels_json, "      \
    "label_key, plan_json, sealed_jit, reason, doubt_ms"

static void fill(struct machine *m, const struct db_val *c)
{
    *m = (struct machine){
        .state = (enum machine_state)c[1].i,
        .job_id = c[2].i,
        .taken_job_id = c[3].i,
        .installation_id = c[4].i,
        .repo_id = c[5].i,
        .runner_id = c[6].i,
        .created_ms = c[7].i,
        .launched_ms = c[8].i,
        .ended_ms = c[9].i,
        .boot_deadline_ms = c[10].i,
        .expires_ms = c[11].i,
        .surplus_ms = c[12].i,
        .candidate = (int)c[13].i,
        .round = (int)c[14].i,
        .repo = col_dup(&c[18]),
        .labels_json = col_dup(&c[19]),
        .label_key = col_dup(&c[20]),
        .plan_json = col_dup(&c[21]),
        .sealed_jit = col_dup(&c[22]),
        .reason = col_dup(&c[23]),
        .doubt_ms = c[24].i,
    };
    col_copy(&c[0], m->name, sizeof(m->name));
    col_copy(&c[15], m->cloud, sizeof(m->cloud));
    col_copy(&c[16], m->region, sizeof(m->region));
    col_copy(&c[17], m->instance_id, sizeof(m->instance_id));
}

/* Rows collected, so that no statement is open while a callback runs. */
struct page {
    struct machine *m;
    size_t n, cap;
};

static void page_clear(struct page *p)
{
    for (size_t i = 0; i < p->n; i++)
        machine_clear(&p->m[i]);
    free(p->m);
    *p = (struct page){NULL, 0, 0};
}

static int collect(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    struct page *p = arg;

    (void)n;
    (void)e;
    if (p->n == p->cap) {
        p->cap = p->cap > 0 ? p->cap * 2 : 4;
        p->m = mem_realloc_array(p->m, p->cap, sizeof(*p->m));
    }
    fill(&p->m[p->n++], c);
    return 0;
}

static int give(const struct page *p, store_machine_fn *each, void *arg, struct err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        if (each(arg, &p->m[i], e))
            return -1;
    }
    return 0;
}

int store_machine_insert(struct store_tx *t, const struct machine *m, struct err *e)
{
    return tx_write(t,
                    "INSERT INTO machine (" MACHINE_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
                    " $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)",
                    VALS(DB_S(m->name), DB_I(m->state), DB_I(m->job_id), DB_I(m->taken_job_id),
                         DB_I(m->installation_id), DB_I(m->repo_id), DB_I(m->runner_id), DB_I(m->created_ms),
                         DB_I(m->launched_ms), DB_I(m->ended_ms), DB_I(m->boot_deadline_ms), DB_I(m->expires_ms),
                         DB_I(m->surplus_ms), DB_I(m->candidate), DB_I(m->round), DB_S(m->cloud), DB_S(m->region),
                         DB_S(m->instance_id), DB_S(m->repo), DB_S(m->labels_json), DB_S(m->label_key),
                         DB_S(m->plan_json), DB_S(m->sealed_jit), DB_S(m->reason), DB_I(m->doubt_ms)),
                    NULL, NULL, NULL, e);
}

int store_machine_get(struct store_tx *t, const char *name, struct machine *out, bool *found, struct err *e)
{
    struct page p = {NULL, 0, 0};

    if (tx_read(t, "SELECT " MACHINE_COLUMNS " FROM machine WHERE name = $1", VALS(DB_S(name)), collect, &p, e))
        return -1;
    *found = p.n > 0;
    if (p.n > 0)
        *out = p.m[0]; /* with its strings */
    free(p.m);
    return 0;
}

int store_machine_of_job(struct store_tx *t, int64_t job_id, struct machine *out, bool *found, struct err *e)
{
    struct page p = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT " MACHINE_COLUMNS " FROM machine WHERE job_id = $1"
                " ORDER BY CASE WHEN state < 4 THEN 0 ELSE 1 END, created_ms DESC, name DESC LIMIT 1",
                VALS(DB_I(job_id)), collect, &p, e))
        return -1;
    *found = p.n > 0;
    if (p.n > 0)
        *out = p.m[0]; /* with its strings */
    free(p.m);
    return 0;
}

int store_machine_update(struct store_tx *t, const struct machine *m, enum machine_state expected, bool *changed,
                         struct err *e)
{
    int64_t n;

    if (tx_write(t,
                 "UPDATE machine SET state = $3, taken_job_id = $4, installation_id = $5, runner_id = $6,"
                 " launched_ms = $7, ended_ms = $8, boot_deadline_ms = $9, expires_ms = $10, surplus_ms = $11,"
                 " candidate = $12, round = $13, cloud = $14, region = $15, instance_id = $16, plan_json = $17,"
                 " sealed_jit = $18, reason = $19, doubt_ms = $20 WHERE name = $1 AND state = $2",
                 VALS(DB_S(m->name), DB_I(expected), DB_I(m->state), DB_I(m->taken_job_id), DB_I(m->installation_id),
                      DB_I(m->runner_id), DB_I(m->launched_ms), DB_I(m->ended_ms), DB_I(m->boot_deadline_ms),
                      DB_I(m->expires_ms), DB_I(m->surplus_ms), DB_I(m->candidate), DB_I(m->round), DB_S(m->cloud),
                      DB_S(m->region), DB_S(m->instance_id), DB_S(m->plan_json), DB_S(m->sealed_jit), DB_S(m->reason),
                      DB_I(m->doubt_ms)),
                 NULL, NULL, &n, e))
        return -1;
    *changed = n > 0;
    return 0;
}

static int read_balance(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(struct store_balance *)arg = (struct store_balance){c[0].i, c[1].i, c[2].i};
    return 0;
}

int store_balance(struct store_tx *t, int64_t repo_id, const char *label_key, struct store_balance *out, struct err *e)
{
    return tx_read(t,
                   "SELECT (SELECT count(*) FROM job WHERE state = 1 AND want = 1 AND repo_id = $1 AND label_key = $2),"
                   " count(*), coalesce(sum(CASE WHEN surplus_ms > 0 THEN 1 ELSE 0 END), 0)"
                   " FROM machine WHERE state < 4 AND repo_id = $1 AND label_key = $2",
                   VALS(DB_I(repo_id), DB_S(label_key)), read_balance, out, e);
}

/* 5 = ENDING, 6 = GONE. */
int store_machine_failures(struct store_tx *t, int64_t job_id, int64_t *out, struct err *e)
{
    return tx_read(t,
                   "SELECT count(*) FROM machine"
                   " WHERE job_id = $1 AND state IN (5, 6) AND launched_ms > 0 AND taken_job_id = 0"
                   " AND created_ms >= coalesce((SELECT retried_ms FROM job_report WHERE job_id = $1), 0)",
                   VALS(DB_I(job_id)), row_i64, out, e);
}

static int give_some(struct store_tx *t, const char *sql, int64_t repo_id, const char *label_key, int64_t n,
                     store_machine_fn *each, void *arg, struct err *e)
{
    AUTO(page_clear) struct page p = {NULL, 0, 0};

    if (tx_read(t, sql, VALS(DB_I(repo_id), DB_S(label_key), DB_I(n)), collect, &p, e))
        return -1;
    return give(&p, each, arg, e);
}

int store_machines_unmarked(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t n,
                            store_machine_fn *each, void *arg, struct err *e)
{
    return give_some(t,
                     "SELECT " MACHINE_COLUMNS " FROM machine WHERE state < 4 AND repo_id = $1 AND label_key = $2"
                     " AND surplus_ms = 0 ORDER BY created_ms DESC, name DESC LIMIT $3",
                     repo_id, label_key, n, each, arg, e);
}

int store_machines_marked(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t n, store_machine_fn *each,
                          void *arg, struct err *e)
{
    return give_some(t,
                     "SELECT " MACHINE_COLUMNS " FROM machine WHERE state < 4 AND repo_id = $1 AND label_key = $2"
                     " AND surplus_ms > 0 ORDER BY created_ms, name LIMIT $3",
                     repo_id, label_key, n, each, arg, e);
}

int store_machines_live(struct store_tx *t, store_machine_fn *each, void *arg, struct err *e)
{
    char after[sizeof(((struct machine *)NULL)->name)] = "";
    size_t got;

    do {
        AUTO(page_clear) struct page p = {NULL, 0, 0};

        if (tx_read(t, "SELECT " MACHINE_COLUMNS " FROM machine WHERE state < 6 AND name > $1 ORDER BY name LIMIT $2",
                    VALS(DB_S(after), DB_I(PAGE)), collect, &p, e) ||
            give(&p, each, arg, e))
            return -1;
        got = p.n;
        if (got > 0)
            memcpy(after, p.m[got - 1].name, sizeof(after));
    } while (got == PAGE);
    return 0;
}

/* 5 = ENDING */
int store_machines_unended(struct store_tx *t, const char *after, int64_t n, store_machine_fn *each, void *arg,
                           struct err *e)
{
    AUTO(page_clear) struct page p = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT " MACHINE_COLUMNS " FROM machine WHERE state < 6 AND state = 5 AND ended_ms = 0 AND name > $1"
                " ORDER BY name LIMIT $2",
                VALS(DB_S(after), DB_I(n)), collect, &p, e))
        return -1;
    return give(&p, each, arg, e);
}

static int read_count(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    int64_t *counts = arg;

    (void)n;
    (void)e;
    if (c[0].i >= 0 && c[0].i < M_GONE)
        counts[c[0].i] = c[1].i;
    return 0;
}

int store_machine_counts(struct store_tx *t, int64_t *counts, struct err *e)
{
    int64_t got[M_GONE + 1] = {0};

    if (tx_read(t, "SELECT state, count(*) FROM machine WHERE state < 6 GROUP BY state", NULL, 0, read_count, got, e))
        return -1;
    memcpy(counts, got, sizeof(got));
    return 0;
}

int store_machine_surplus(struct store_tx *t, struct machine *out, bool *found, struct err *e)
{
    struct page p = {NULL, 0, 0};

    if (tx_read(t,
                "SELECT " MACHINE_COLUMNS " FROM machine WHERE state < 4 AND surplus_ms > 0"
                " ORDER BY surplus_ms, name LIMIT 1",
                NULL, 0, collect, &p, e))
        return -1;
    *found = p.n > 0;
    if (p.n > 0)
        *out = p.m[0]; /* with its strings */
    free(p.m);
    return 0;
}
