/* What must hold, whatever happened: the simulators' memory against the store's. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_github_priv.h"
#include "tests/support/lab.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- the store, seen from outside ------------------------------------------------------------------------------- */

/* A reader beside the daemon; it never writes, nor tidies up when it closes. */
static sqlite3 *open_store(const struct lab *l)
{
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(l->store_path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        (void)sqlite3_close(db);
        return NULL;
    }
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_busy_timeout(db, 2000);
    return db;
}

int64_t lab_number(struct lab *l, const char *sql, const char *text)
{
    sqlite3 *db = open_store(l);
    sqlite3_stmt *st = NULL;
    int64_t n = -1;

    if (db != NULL && sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK) {
        if (text != NULL)
            (void)sqlite3_bind_text(st, 1, text, -1, SQLITE_STATIC);
        if (sqlite3_step(st) == SQLITE_ROW)
            n = sqlite3_column_int64(st, 0);
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return n;
}

bool lab_wait_number(struct lab *l, const char *sql, int64_t at_least, int timeout_ms)
{
    int64_t until = lab_real_ms() + timeout_ms;

    while (lab_number(l, sql, NULL) < at_least) {
        if (lab_real_ms() >= until)
            return false;
        lab_pause(1);
    }
    return true;
}

/* --- words -------------------------------------------------------------------------------------------------------- */

void lab_finding(struct lab *l, size_t *count, const char *fmt, ...)
{
    char text[1200];
    va_list ap;

    (*count)++;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "FINDING seed %llu%s%s: %s\n", (unsigned long long)l->conf.seed,
                  l->point[0] != '\0' ? ", " : "", l->point, text);
}

void lab_print(const struct lab *l, const char *title)
{
    const struct lab_count *c = &l->count;

    (void)printf("%s: %zu kills, %zu jobs (%zu served, %zu refused with a reason, %zu cancelled), %zu machines, "
                 "%zu deliveries (%zu acknowledged), %zu lost, %zu doubled, %zu left over, %zu else wrong\n",
                 title, c->kills, c->jobs, c->served, c->refused, c->cancelled, c->launches, c->deliveries,
                 c->acknowledged, c->lost, c->doubled, c->left, c->wrong);
    (void)fflush(stdout);
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static const char *reason_of(struct lab *l, int64_t id, char out[400])
{
    sqlite3 *db = open_store(l);
    sqlite3_stmt *st = NULL;

    (void)snprintf(out, 400, "(no reason)");
    if (db != NULL && sqlite3_prepare_v2(db, "SELECT reason FROM job WHERE id = $1", -1, &st, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_int64(st, 1, id);
        if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0) != NULL)
            (void)snprintf(out, 400, "%s", (const char *)sqlite3_column_text(st, 0));
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    return out;
}

static void judge_job(struct lab *l, const struct lab_job *j)
{
    struct lab_count *c = &l->count;
    struct sim_job_info info;
    char reason[400];

    if (!sim_github_job(l->w->gh, j->id, &info))
        abort();
    c->jobs++;
    if (info.times_started > 1)
        lab_finding(l, &c->doubled, "job %lld ran %d times", (long long)j->id, info.times_started);
    if (j->kind == LAB_CANCELLED)
        c->cancelled++;
    else if (info.state == SIM_JOB_COMPLETED && info.times_started == 1)
        c->served++;
    else if (info.times_started == 0)
        c->refused++; /* with a reason: lab_calm looked */
    else
        lab_finding(l, &c->lost, "job %lld neither ran nor was refused", (long long)j->id);
    if (j->kind == LAB_PLAIN && !l->conf.rough && info.times_started != 1)
        lab_finding(l, &c->lost, "job %lld was refused without need: %s", (long long)j->id,
                    reason_of(l, j->id, reason));
}

/* --- deliveries --------------------------------------------------------------------------------------------------- */

void lab_remove_store(struct lab *l)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char path[160];

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", l->store_path, ends[i]);
        (void)remove(path);
    }
    gh_lock(l->w->gh);
    l->n_before = l->w->gh->n_deliveries;
    gh_unlock(l->w->gh);
}

/* First what GitHub knows, then what the store holds: deliveries may still come. */
size_t lab_judge_deliveries(struct lab *l)
{
    size_t before = l->count.lost;
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    size_t n = 0;
    struct sim_github *g = l->w->gh;
    char(*all)[40] = NULL; /* ids of those that were acknowledged */

    gh_lock(g);
    l->count.deliveries = g->n_deliveries;
    all = mem_calloc(g->n_deliveries + 1, sizeof(*all));
    for (size_t i = l->n_before; i < g->n_deliveries; i++) {
        if (g->deliveries[i]->done && g->deliveries[i]->status_code == 202) /* 200: known, or of no interest */
            (void)snprintf(all[n++], sizeof(*all), "%s", g->deliveries[i]->guid);
    }
    gh_unlock(g);
    db = open_store(l);
    if (db == NULL ||
        sqlite3_exec(db, "CREATE TEMP TABLE seen AS SELECT guid FROM delivery", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, "CREATE INDEX temp.seen_guid ON seen (guid)", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "SELECT 1 FROM seen WHERE guid = $1", -1, &st, NULL) != SQLITE_OK)
        abort();
    for (size_t i = 0; i < n; i++) {
        l->count.acknowledged++;
        (void)sqlite3_bind_text(st, 1, all[i], -1, SQLITE_STATIC);
        if (sqlite3_step(st) != SQLITE_ROW)
            lab_finding(l, &l->count.lost, "delivery %s was acknowledged and is not in the store", all[i]);
        (void)sqlite3_reset(st);
    }
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
    free(all);
    return l->count.lost - before;
}

/* --- machines -------------------------------------------------------------------------------------------------------
 */

static int by_name(const void *a, const void *b)
{
    const struct sim_instance *x = a, *y = b;
    int rc = strcmp(x->name, y->name);

    return rc != 0 ? rc : x->launched_ms < y->launched_ms ? -1 : 1;
}

/* One name, one machine at a time. */
static void judge_names(struct lab *l, struct sim_instance *all, size_t n)
{
    qsort(all, n, sizeof(*all), by_name);
    for (size_t i = 1; i < n; i++) {
        const struct sim_instance *a = &all[i - 1], *b = &all[i];

        if (strcmp(a->name, b->name) == 0 && (a->ended_ms == 0 || a->ended_ms > b->launched_ms))
            lab_finding(l, &l->count.doubled, "machine %s exists twice at a time: %s and %s", a->name, a->id, b->id);
    }
}

#define RECORDED "SELECT count(*) FROM machine WHERE name = $1"
#define FIELD(name) "SELECT " name " FROM machine WHERE name = $1"
#define OPEN "SELECT count(*) FROM machine WHERE name = $1 AND state < 6"
#define READY                                                                                                          \
    "SELECT count(*) FROM machine m JOIN idle_machine i ON i.name = m.name WHERE m.name = $1 AND m.state IN (2, 3)"
#define ENTITLED                                                                                                       \
    "SELECT count(*) FROM machine m WHERE m.name = $1 AND (EXISTS (SELECT 1 FROM idle_machine i WHERE i.name = "       \
    "m.name)"                                                                                                          \
    " OR EXISTS (SELECT 1 FROM job j WHERE j.state < 3 AND j.id IN (m.job_id, m.taken_job_id)))"

/* All jobs are over and nothing is on its way any more: who lives is kept warm, GitHub has no runner beside those. */
bool lab_settled(struct lab *l)
{
    size_t n = sim_ec2_count(l->w->ec2), live = 0;
    struct sim_github_stats s;
    struct sim_instance m;

    for (size_t i = l->n_over; i < n; i++) {
        if (!sim_ec2_at(l->w->ec2, i, &m))
            abort();
        if (m.ended_ms != 0 && i == l->n_over)
            l->n_over++;
        if (m.ended_ms != 0)
            continue;
        live++;
        if (lab_number(l, READY, m.name) != 1)
            return false;
    }
    sim_github_stats(l->w->gh, &s);
    return s.runners <= live && s.deliveries_pending == 0;
}

static void judge_records(struct lab *l, const struct sim_instance *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sim_instance *m = &all[i];
        bool lives = m->ended_ms == 0;

        if (lab_number(l, RECORDED, m->name) != 1)
            lab_finding(l, &l->count.doubled, "machine %s (%s) has no record", m->name, m->id);
        else if (lives && lab_number(l, OPEN, m->name) != 1)
            lab_finding(l, &l->count.left, "machine %s (%s) lives, and its record is closed", m->name, m->id);
        else if (lives && lab_number(l, ENTITLED, m->name) != 1)
            lab_finding(
                l, &l->count.left,
                "machine %s (%s) lives without a job or idle entry, in state %lld, made for %lld, taken by %lld, "
                "surplus since %lld, of %lld",
                m->name, m->id, (long long)lab_number(l, FIELD("state"), m->name),
                (long long)lab_number(l, FIELD("job_id"), m->name),
                (long long)lab_number(l, FIELD("taken_job_id"), m->name),
                (long long)lab_number(l, FIELD("surplus_ms"), m->name),
                (long long)lab_number(l, FIELD("launched_ms"), m->name));
    }
}

static void judge_machines(struct lab *l)
{
    size_t n = sim_ec2_count(l->w->ec2);
    struct sim_instance *all = mem_calloc(n + 1, sizeof(*all));

    for (size_t i = 0; i < n; i++)
        if (!sim_ec2_at(l->w->ec2, i, &all[i]))
            abort();
    judge_names(l, all, n);
    judge_records(l, all, n);
    l->count.launches = n;
    free(all);
}

static int print_event(void *arg, int n, char **text, char **names)
{
    (void)arg;
    (void)n;
    (void)names;
    (void)fprintf(stderr, "    %s %s %s\n", text[0], text[1], text[2] != NULL ? text[2] : "");
    return 0;
}

static void tell(struct lab *l, const char *sql)
{
    sqlite3 *db = open_store(l);

    if (db != NULL)
        (void)sqlite3_exec(db, sql, print_event, NULL, NULL);
    (void)sqlite3_close(db);
}

/* What the store tells of a machine. */
static void tell_machine(struct lab *l, const char *name)
{
    char sql[200];

    (void)snprintf(sql, sizeof(sql), "SELECT at_ms, kind, detail FROM event WHERE machine = '%s' ORDER BY id", name);
    tell(l, sql);
}

/* Where every machine is honest and every answer comes, there is one machine for each job, but for those that were
 * gone before their job's events came, and are made anew because nobody asked GitHub whether the job still waits. */
static void judge_number(struct lab *l)
{
    size_t hosted = 0, lost;

    for (size_t i = 0; i < l->n_jobs; i++)
        hosted += l->jobs[i].kind == LAB_HOSTED ? 1 : 0;
    lost = (size_t)lab_number(l, "SELECT count(*) FROM event WHERE kind = 'machine.lost'", NULL);
    if (!l->conf.rough && !l->was_warm && l->count.launches > l->count.served - hosted + lost) {
        lab_finding(l, &l->count.doubled, "%zu machines for %zu jobs, %zu of them lost", l->count.launches,
                    l->count.served - hosted, lost);
        tell(l,
             "SELECT at_ms, kind, coalesce(machine, '') || ' ' || coalesce(job_id, 0) || ' ' || coalesce(detail, '') "
             "FROM event WHERE job_id IN (SELECT job_id FROM machine WHERE taken_job_id = 0) ORDER BY job_id, id");
    }
}

/* What GitHub's log tells of a job's events, and what the store has still to ask for. */
static void tell_deliveries(struct lab *l, int64_t job_id)
{
    struct sim_github *g = l->w->gh;

    gh_lock(g);
    for (size_t i = 0; i < g->n_deliveries; i++) {
        const struct gh_delivery *d = g->deliveries[i];

        if (d->what.job != NULL && d->what.job->id == job_id)
            (void)fprintf(stderr, "    %lld %s %s of %s: %d%s%s\n", (long long)d->delivered_ms, d->event,
                          d->what.action, d->guid, d->status_code, d->done ? "" : ", under way",
                          d->redelivery ? ", again" : "");
    }
    gh_unlock(g);
    tell(l, "SELECT due_ms, tries, guid FROM missed");
    tell(l, "SELECT mark_ms, pages, cursor FROM delivery_log");
    tell(l, "SELECT ready_ms, kind, subject FROM task");
}

void lab_tell_live(struct lab *l)
{
    struct sim_instance m;

    (void)fprintf(stderr, "it is %lld\n", (long long)clock_now_ms());
    for (size_t i = 0; sim_ec2_at(l->w->ec2, i, &m); i++) {
        if (m.ended_ms != 0)
            continue;
        (void)fprintf(stderr, "%s (%s) lives, state %lld in the store, made for %lld, taken by %lld\n", m.name, m.id,
                      (long long)lab_number(l, FIELD("state"), m.name),
                      (long long)lab_number(l, FIELD("job_id"), m.name),
                      (long long)lab_number(l, FIELD("taken_job_id"), m.name));
        tell_machine(l, m.name);
        tell_deliveries(l, lab_number(l, FIELD("taken_job_id"), m.name));
    }
}

/* Those without a machine. */
static void tell_runners(struct lab *l)
{
    struct sim_github *g = l->w->gh;
    struct sim_instance i;

    gh_lock(g);
    for (size_t k = 0; k < g->n_runners; k++) {
        const struct gh_runner *r = g->runners[k];

        if (!r->registered || (sim_ec2_find(l->w->ec2, r->name, &i) && i.ended_ms == 0))
            continue;
        (void)fprintf(stderr,
                      "runner %lld %s is on line %d (was %d), job %lld, last job %lld; record's state %lld, "
                      "runner %lld, taken by %lld\n",
                      (long long)r->id, r->name, r->online, r->was_online, (long long)r->job_id,
                      (long long)r->last_job_id,
                      (long long)lab_number(l, "SELECT state FROM machine WHERE name = $1", r->name),
                      (long long)lab_number(l, "SELECT runner_id FROM machine WHERE name = $1", r->name),
                      (long long)lab_number(l, "SELECT taken_job_id FROM machine WHERE name = $1", r->name));
        tell_machine(l, r->name);
    }
    gh_unlock(g);
}

static void judge_runners(struct lab *l)
{
    struct sim_github_stats s;

    sim_github_stats(l->w->gh, &s);
    if (s.runners > sim_ec2_live(l->w->ec2))
        tell_runners(l);
    if (s.runners > sim_ec2_live(l->w->ec2))
        lab_finding(l, &l->count.left, "%zu runners at GitHub, and %zu machines live", s.runners,
                    sim_ec2_live(l->w->ec2));
}

size_t lab_judge(struct lab *l)
{
    struct lab_count *c = &l->count;
    struct sim_http *both[] = {sim_github_http(l->w->gh), sim_ec2_http(l->w->ec2)};
    size_t before = c->lost + c->doubled + c->left + c->wrong;

    c->jobs = c->served = c->refused = c->cancelled = c->acknowledged = 0;
    for (size_t i = 0; i < l->n_jobs; i++)
        judge_job(l, &l->jobs[i]);
    c->acknowledged = 0;
    (void)lab_judge_deliveries(l);
    judge_machines(l);
    judge_number(l);
    judge_runners(l);
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        if (sim_http_violations(both[i]) > 0)
            lab_finding(l, &c->wrong, "%zu requests that a correct client would not send",
                        sim_http_violations(both[i]));
    (void)world_violations(l->w);
    return c->lost + c->doubled + c->left + c->wrong - before;
}
