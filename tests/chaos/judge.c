/* What must hold always, and what must hold in the end. */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/store/store_internal.h"

#include <stdio.h>

#define STANDING "kind NOT IN (7, 8, 10)" /* tasks that are there for ever: catch-up, sweep, retention */

static int take_number(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)arg = cols[0].i;
    return 0;
}

/* By a connection of one's own: what is on disk, whoever is dead. */
static int64_t number(struct chaos *c, const char *sql, struct db_val v)
{
    int64_t out = -1;
    struct err e;

    if ((c->look == NULL && db_sqlite.open(c->url, &c->look, &e)) ||
        db_sqlite.exec(c->look, sql, &v, 1, take_number, &out, NULL, &e))
        chaos_fail(c, CHAOS_BROKEN, "the store cannot be read: %s", e.msg);
    return out;
}

/* Through the daemon's own store: cheap. */
struct look {
    const char *sql;
    int64_t n;
};

static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct look *l = arg;

    return tx_read(t, l->sql, NULL, 0, take_number, &l->n, e);
}

void judge_now(struct chaos *c)
{
    static const struct {
        const char *sql, *what;
    } never[] = {
        {"SELECT count(*) FROM machine WHERE state < 6 AND NOT EXISTS"
         " (SELECT 1 FROM task WHERE kind = 2 AND subject = machine.name)",
         "a machine that is not gone has no task"},
        {"SELECT count(*) FROM job WHERE state = 1 AND want = 0 AND NOT EXISTS"
         " (SELECT 1 FROM task WHERE kind = 1 AND subject = CAST(job.id AS TEXT))",
         "an undecided job has no task"},
        {"SELECT count(*) FROM machine WHERE state >= 5 AND sealed_jit IS NOT NULL",
         "an ended machine's runner configuration is still in the store"},
    };

    if (!c->up || c->dead || c->depth > 0 || c->failure[0] != '\0' || chaos_draw(c, 16) != 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(never); i++) {
        struct look l = {never[i].sql, 0};
        struct err e;

        if (store_read(c->store, look_tx, &l, &e) == 0 && l.n > 0)
            chaos_fail(c, CHAOS_BROKEN, "%s (%lld)", never[i].what, (long long)l.n);
    }
}

static bool is_refused(struct chaos *c, int64_t job)
{
    return number(c, "SELECT count(*) FROM job WHERE id = $1 AND want = 3 AND reason IS NOT NULL AND reason <> ''",
                  DB_I(job)) == 1;
}

bool judge_all_told(struct chaos *c)
{
    for (size_t i = 0; i < c->n_jobs; i++) {
        struct sim_job_info info;

        if (sim_github_job(c->gh, c->jobs[i].id, &info) && info.state != SIM_JOB_COMPLETED &&
            !is_refused(c, c->jobs[i].id))
            return false;
    }
    return true;
}

static size_t living(const struct chaos *c)
{
    size_t n = 0;

    for (size_t k = 0; k < CHAOS_CLOUDS; k++) {
        for (size_t i = 0; i < c->clouds[k].n; i++)
            n += c->clouds[k].boxes[i].state != BOX_GONE ? 1 : 0;
    }
    return n;
}

static int64_t records(struct chaos *c)
{
    return number(c, "SELECT count(*) FROM machine WHERE state < 6 AND $1 = 0", DB_I(0));
}

static int64_t tasks(struct chaos *c)
{
    return number(c, "SELECT count(*) FROM task WHERE " STANDING " AND $1 = 0", DB_I(0));
}

static size_t runners(struct chaos *c)
{
    struct sim_github_stats s;

    sim_github_stats(c->gh, &s);
    return s.runners;
}

bool judge_nothing_left(struct chaos *c)
{
    return living(c) == 0 && runners(c) == 0 && records(c) == 0 && tasks(c) == 0;
}

static void judge_job(struct chaos *c, const struct chaos_job *j)
{
    struct sim_job_info info;
    bool refused = is_refused(c, j->id);

    if (!sim_github_job(c->gh, j->id, &info))
        return;
    if (info.times_started > 1)
        chaos_fail(c, CHAOS_DOUBLED, "job %lld was started %d times", (long long)j->id, info.times_started);
    c->counts.cancelled += j->cancelled ? 1 : 0;
    c->counts.harmed += j->harmed ? 1 : 0;
    if (j->cancelled || j->harmed)
        return;
    c->counts.refused += refused && info.times_started == 0 ? 1 : 0;
    c->counts.served += info.times_started == 1 ? 1 : 0;
    if (info.times_started == 0 && !refused)
        chaos_fail(c, CHAOS_LOST, "job %lld was lost: it never ran, and nobody said why", (long long)j->id);
    if (info.times_started == 1 && info.state != SIM_JOB_COMPLETED)
        chaos_fail(c, CHAOS_LOST, "job %lld runs for ever", (long long)j->id);
}

static void judge_acked(struct chaos *c)
{
    for (size_t i = 0; i < c->n_acked; i++) {
        if (number(c, "SELECT count(*) FROM delivery WHERE guid = $1", DB_S(c->acked[i])) != 1)
            chaos_fail(c, CHAOS_LOST, "delivery %s was answered, and is not in the store", c->acked[i]);
    }
}

static int print_row(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)arg;
    (void)e;
    for (size_t i = 0; i < n; i++) {
        if (cols[i].type == DB_INT)
            (void)fprintf(stderr, " %lld", (long long)cols[i].i);
        else
            (void)fprintf(stderr, " %s", cols[i].s != NULL ? cols[i].s : "-");
    }
    (void)fprintf(stderr, "\n");
    return 0;
}

void judge_dump(struct chaos *c)
{
    static const char *const dumps[] = {
        "SELECT 'job', id, label_key, state, want, runner_name, reason FROM job",
        "SELECT 'machine', name, state, job_id, taken_job_id, runner_id, candidate, round, cloud, instance_id, "
        "surplus_ms,"
        " reason FROM machine",
        "SELECT 'queue', repo_id, label_key, jobs, since_ms FROM queue",
        "SELECT 'task', kind, subject, priority, due_ms, ready_ms, claimed, attempts FROM task"};
    struct err e;

    (void)fprintf(stderr, "now %lld, %lld records\n", (long long)clock_now_ms(), (long long)records(c));
    for (size_t i = 0; i < ARRAY_LEN(dumps) && c->look != NULL; i++)
        (void)db_sqlite.exec(c->look, dumps[i], NULL, 0, print_row, NULL, NULL, &e);
}

bool judge_may_end(struct chaos *c, int64_t job)
{
    return number(c,
                  "SELECT count(*) FROM job WHERE id = $1 AND (want = 2 OR (want = 3 AND NOT EXISTS"
                  " (SELECT 1 FROM job_report WHERE job_id = job.id AND cause IN (7, 9, 10, 12))))",
                  DB_I(job)) == 1;
}

void judge_end(struct chaos *c)
{
    for (size_t i = 0; i < c->n_jobs; i++)
        judge_job(c, &c->jobs[i]);
    judge_acked(c);
    if (living(c) > 0)
        chaos_fail(c, CHAOS_LEFT, "%zu machines live that nobody needs", living(c));
    if (records(c) > 0)
        chaos_fail(c, CHAOS_LEFT, "%lld records of machines are left", (long long)records(c));
    if (runners(c) > 0)
        chaos_fail(c, CHAOS_LEFT, "%zu runners are left at GitHub", runners(c));
    if (tasks(c) > 0)
        chaos_fail(c, CHAOS_LEFT, "%lld tasks are left", (long long)tasks(c));
    if (sim_http_violations(sim_github_http(c->gh)) > 0) {
        struct buf text = BUF_INIT(4096);

        sim_http_violation_text(sim_github_http(c->gh), &text);
        chaos_fail(c, CHAOS_BROKEN, "GitHub would not expect: %.300s", text.p != NULL ? text.p : "");
        buf_clear(&text);
    }
}
