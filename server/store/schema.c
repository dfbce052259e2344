/*
 * Never change a migration that was released: add one. Names are the record's own (model.h); booleans are 0 and 1,
 * times are milliseconds, 0 = not yet. INTEGER holds 64 bits (BIGINT where a database tells them apart: so in each
 * CAST).
 *
 * Partial indexes hold only what is under way, so that their size, and with it the cost of a delivery, does not depend
 * on how much is remembered. Their conditions must appear literally in the queries. They carry what the counts of
 * store_balance ask, which are then read from the index alone.
 */
#include "server/store/schema.h"

#include "server/model.h"

#include <stdbool.h>
#include <string.h>

_Static_assert(JOB_QUEUED == 1 && WANT_MACHINE == 1, "job_waiting and store_job.c name these numbers");
_Static_assert(M_WANTED == 0 && M_IDLE == 3 && M_BUSY == 4 && M_ENDING == 5 && M_GONE == 6,
               "machine_* and store_machine.c name these numbers");

struct migration {
    int64_t version;
    const char *const *statements; /* NULL-ended */
};

static const char *const V1[] = {
    "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",

    /* id = time in ms * 1000 + n: appended in the order of time, found by time, no index to keep (store_delivery.c) */
    "CREATE TABLE delivery (id INTEGER PRIMARY KEY, guid TEXT NOT NULL)",

    "CREATE TABLE job ("
    " id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL,"
    " run_attempt INTEGER NOT NULL,"
    " repo_id INTEGER NOT NULL,"
    " installation_id INTEGER NOT NULL,"
    " queued_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " want INTEGER NOT NULL,"
    " repo TEXT, default_branch TEXT, head_sha TEXT, name TEXT, workflow_name TEXT,"
    " labels_json TEXT, label_key TEXT, runner_name TEXT, conclusion TEXT, plan_json TEXT, reason TEXT)",
    "CREATE INDEX job_waiting ON job (repo_id, label_key, queued_ms, state, want) WHERE state = 1 AND want = 1",

    "CREATE TABLE machine ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " state INTEGER NOT NULL,"
    " job_id INTEGER NOT NULL,"
    " taken_job_id INTEGER NOT NULL,"
    " installation_id INTEGER NOT NULL,"
    " repo_id INTEGER NOT NULL,"
    " runner_id INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " launched_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL,"
    " boot_deadline_ms INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL,"
    " doubt_ms INTEGER NOT NULL,"
    " surplus_ms INTEGER NOT NULL,"
    " candidate INTEGER NOT NULL,"
    " round INTEGER NOT NULL,"
    " cloud TEXT NOT NULL, region TEXT NOT NULL, instance_id TEXT NOT NULL,"
    " repo TEXT, labels_json TEXT, label_key TEXT, plan_json TEXT, sealed_jit TEXT, reason TEXT)",
    "CREATE INDEX machine_live ON machine (name, state) WHERE state < 6",
    "CREATE INDEX machine_supply ON machine (repo_id, label_key, created_ms, surplus_ms, state) WHERE state < 4",
    "CREATE INDEX machine_job ON machine (job_id, state)",

    /* ready_ms: when it may be claimed: due_ms, or the end of the lease. again_*: put while claimed (store_task.c). */
    "CREATE TABLE task ("
    " id INTEGER PRIMARY KEY,"
    " kind INTEGER NOT NULL,"
    " subject TEXT NOT NULL,"
    " priority INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL,"
    " ready_ms INTEGER NOT NULL,"
    " generation INTEGER NOT NULL,"
    " claimed INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL,"
    " again_ms INTEGER,"
    " again_priority INTEGER,"
    " UNIQUE (kind, subject))",
    "CREATE INDEX task_ready ON task (priority, ready_ms)",

    "CREATE TABLE event ("
    " id INTEGER PRIMARY KEY,"
    " at_ms INTEGER NOT NULL,"
    " job_id INTEGER NOT NULL,"
    " machine TEXT,"
    " kind TEXT NOT NULL,"
    " detail TEXT)",
    "CREATE INDEX event_job ON event (job_id) WHERE job_id > 0",
    NULL,
};

/* What is told in pull requests: what each candidate of a job answered last, why a job waits, and one check run for
 * all jobs of a commit and topic (store_report.c). */
static const char *const V2[] = {
    "CREATE TABLE attempt ("
    " job_id INTEGER NOT NULL,"
    " candidate INTEGER NOT NULL,"
    " machine TEXT NOT NULL, cloud TEXT NOT NULL, region TEXT NOT NULL, instance_type TEXT NOT NULL,"
    " spot INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " message TEXT NOT NULL,"
    " first_ms INTEGER NOT NULL,"
    " last_ms INTEGER NOT NULL,"
    " times INTEGER NOT NULL,"
    " PRIMARY KEY (job_id, candidate))",

    "CREATE TABLE report ("
    " id INTEGER PRIMARY KEY,"
    " repo_id INTEGER NOT NULL,"
    " head_sha TEXT NOT NULL,"
    " topic TEXT NOT NULL,"
    " installation_id INTEGER NOT NULL,"
    " repo TEXT NOT NULL,"
    " external_id INTEGER NOT NULL,"
    " check_run_id INTEGER NOT NULL,"
    " form INTEGER NOT NULL,"
    " said TEXT NOT NULL,"
    " annotated TEXT NOT NULL,"
    " updates INTEGER NOT NULL,"
    " opened_ms INTEGER NOT NULL,"
    " said_ms INTEGER NOT NULL,"
    " UNIQUE (repo_id, head_sha, topic))",

    "CREATE TABLE job_report ("
    " job_id INTEGER PRIMARY KEY,"
    " report_id INTEGER NOT NULL,"
    " cause INTEGER NOT NULL,"
    " line INTEGER NOT NULL,"
    " col INTEGER NOT NULL)",
    "CREATE INDEX job_report_of ON job_report (report_id) WHERE report_id > 0",
    NULL,
};

/* What a machine of the pull form has to fetch, once: store_pull.c. */
static const char *const V3[] = {
    "CREATE TABLE pull ("
    " machine TEXT NOT NULL PRIMARY KEY,"
    " token TEXT NOT NULL,"
    " sealed TEXT NOT NULL,"
    " fetched_ms INTEGER NOT NULL)",
    NULL,
};

/* Warm runners (store_idle.h). */
static const char *const V4[] = {
    "CREATE TABLE idle_source ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " installation_id INTEGER NOT NULL,"
    " repo_id INTEGER NOT NULL,"
    " read_ms INTEGER NOT NULL,"
    " etag TEXT NOT NULL, repo TEXT NOT NULL, text TEXT, refused TEXT)",

    "CREATE TABLE idle_pool ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " source TEXT NOT NULL,"
    " spec TEXT NOT NULL,"
    " used_ms INTEGER NOT NULL,"
    " retry_ms INTEGER NOT NULL,"
    " failures INTEGER NOT NULL,"
    " candidate INTEGER NOT NULL)",

    "CREATE TABLE idle_machine ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " pool TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " spec TEXT NOT NULL,"
    " claimed INTEGER NOT NULL)",
    /* whether jobs of a repository may be given its organisation's machines */
    "CREATE TABLE idle_reach (repo_id INTEGER PRIMARY KEY, reaches INTEGER NOT NULL, asked_ms INTEGER NOT NULL)",
    "CREATE INDEX idle_machine_source ON idle_machine (source, claimed)",
    NULL,
};

/* How fast candidates came up lately (store_speed.c). */
static const char *const V5[] = {
    "CREATE TABLE speed ("
    " key TEXT NOT NULL PRIMARY KEY,"
    " boot_ms INTEGER NOT NULL,"
    " refused_until_ms INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL)",
    NULL,
};

/* Since when a job is tried anew: machines that failed before then count no more. */
static const char *const V6[] = {
    "ALTER TABLE job_report ADD COLUMN retried_ms INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX report_check_run ON report (check_run_id) WHERE check_run_id > 0",
    NULL,
};

/* Jobs that wait for room (store_room.c), and what the limits count: machine_room leaves out those between two rounds
 * of a launch that found no capacity, which exist nowhere. */
static const char *const V7[] = {
    "CREATE TABLE queue ("
    " repo_id INTEGER NOT NULL,"
    " label_key TEXT NOT NULL,"
    " jobs INTEGER NOT NULL,"
    " since_ms INTEGER NOT NULL,"
    " PRIMARY KEY (repo_id, label_key))",
    "CREATE INDEX queue_repo ON queue (repo_id, since_ms, jobs)",
    "CREATE INDEX machine_room ON machine (repo_id, state, round) WHERE state < 6 AND (state > 0 OR round = 0)",
    "CREATE INDEX machine_created ON machine (created_ms)",
    "CREATE INDEX machine_served ON machine (repo_id, created_ms)",
    NULL,
};

/* Candidates that are left alone for a while (store_speed.c). */
static const char *const V8[] = {
    "CREATE TABLE breaker ("
    " key TEXT PRIMARY KEY,"
    " failures INTEGER NOT NULL,"
    " failed_ms INTEGER NOT NULL,"
    " open_until_ms INTEGER NOT NULL,"
    " probe_until_ms INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " probe TEXT NOT NULL)",
    NULL,
};

/* What looks at machines found out (store_watch.h). */
static const char *const V9[] = {
    "CREATE TABLE watch ("
    " machine TEXT PRIMARY KEY,"
    " state INTEGER NOT NULL,"
    " since_ms INTEGER NOT NULL,"
    " gone_ms INTEGER NOT NULL,"
    " asked_ms INTEGER NOT NULL,"
    " ask INTEGER NOT NULL,"
    " told INTEGER NOT NULL)",
    NULL,
};

/* Whose a task is: the repository of its job or machine (0 = nobody's), so that repositories take turns when more is
 * due than there are workers. */
static const char *const V10[] = {
    "ALTER TABLE task ADD COLUMN share INTEGER NOT NULL DEFAULT 0",
    "UPDATE task SET share = coalesce((SELECT repo_id FROM job WHERE id = CAST(task.subject AS BIGINT)), 0)"
    " WHERE kind = 1",
    "UPDATE task SET share = coalesce((SELECT repo_id FROM machine WHERE name = task.subject), 0) WHERE kind = 2",
    /* not "priority = 1", for which a planner may take task_ready and walk through all that is due */
    "CREATE INDEX task_launch ON task (share, ready_ms) WHERE priority + 0 = 1",
    "CREATE INDEX task_decide ON task (share, ready_ms) WHERE priority + 0 = 2",
    "CREATE INDEX task_claimed ON task (share) WHERE claimed = 1",
    NULL,
};

/* What GitHub knows and we perhaps do not (store_catch_up.h). */
static const char *const V11[] = {
    "CREATE TABLE delivery_log ("
    " id INTEGER PRIMARY KEY,"
    " mark_ms INTEGER NOT NULL,"
    " top_ms INTEGER NOT NULL,"
    " lowest_id INTEGER NOT NULL,"
    " pages INTEGER NOT NULL,"
    " ours INTEGER NOT NULL,"
    " alien INTEGER NOT NULL,"
    " cursor TEXT NOT NULL,"
    " problem TEXT NOT NULL)",

    "CREATE TABLE missed ("
    " guid TEXT NOT NULL PRIMARY KEY,"
    " event TEXT NOT NULL, action TEXT NOT NULL,"
    " delivery_id INTEGER NOT NULL,"
    " delivered_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL,"
    " answered INTEGER NOT NULL)",
    "CREATE INDEX missed_order ON missed (answered, delivered_ms, delivery_id, due_ms)",

    "CREATE TABLE active ("
    " repo_id INTEGER PRIMARY KEY,"
    " installation_id INTEGER NOT NULL,"
    " last_ms INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL,"
    " after INTEGER NOT NULL,"
    " repo TEXT NOT NULL, default_branch TEXT)",
    "CREATE INDEX active_due ON active (due_ms)",

    "CREATE TABLE job_look (job_id INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL, misses INTEGER NOT NULL)",
    "CREATE INDEX job_look_due ON job_look (due_ms)",

    "CREATE TABLE reach ("
    " id TEXT NOT NULL PRIMARY KEY,"
    " closed INTEGER NOT NULL,"
    " asked_ms INTEGER NOT NULL,"
    " reason TEXT NOT NULL)",
    NULL,
};

/* Jobs whose machine was taken back, and their being run again (store_rerun.c). */
static const char *const V12[] = {
    "CREATE TABLE interruption ("
    " job_id INTEGER PRIMARY KEY,"
    " run_id INTEGER NOT NULL,"
    " repo_id INTEGER NOT NULL,"
    " installation_id INTEGER NOT NULL,"
    " own_attempt INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " nth INTEGER NOT NULL,"
    " most INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " repo TEXT NOT NULL, name TEXT NOT NULL, machine TEXT NOT NULL, cloud TEXT NOT NULL,"
    " outcome TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE INDEX interruption_run ON interruption (run_id, name)",
    "CREATE INDEX interruption_open ON interruption (run_id) WHERE state < 2",
    NULL,
};

/* Where a sweep looks, and what it found that no record explains (store_sweep.h). */
static const char *const V13[] = {
    "CREATE TABLE sweep_place ("
    " id INTEGER PRIMARY KEY,"
    " cloud TEXT NOT NULL,"
    " region TEXT NOT NULL,"
    " used_ms INTEGER NOT NULL,"
    " swept_ms INTEGER NOT NULL,"
    " UNIQUE (cloud, region))",
    /* machines of an earlier version may be anywhere it launched */
    "INSERT INTO sweep_place (cloud, region, used_ms, swept_ms)"
    " SELECT cloud, region, max(launched_ms), 0 FROM machine WHERE launched_ms > 0 GROUP BY cloud, region",

    "CREATE TABLE sweep_stray ("
    " id INTEGER PRIMARY KEY,"
    " place_id INTEGER NOT NULL,"
    " cloud TEXT NOT NULL, region TEXT NOT NULL, instance_id TEXT NOT NULL,"
    " name TEXT NOT NULL, repo TEXT NOT NULL,"
    " job_id INTEGER NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " part INTEGER NOT NULL,"
    " mark INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL,"
    " condemned_ms INTEGER NOT NULL,"
    " asked_ms INTEGER NOT NULL,"
    " UNIQUE (cloud, region, instance_id))",
    "CREATE INDEX sweep_stray_place ON sweep_stray (place_id, first_ms)",
    NULL,
};

/* What retention goes by (store_retain.c): the oldest first, without looking at the rest. */
static const char *const V14[] = {
    "CREATE INDEX job_age ON job (updated_ms, state)",
    "CREATE INDEX event_loose ON event (at_ms) WHERE job_id <= 0",
    "CREATE INDEX report_opened ON report (opened_ms)",
    "CREATE INDEX idle_pool_used ON idle_pool (used_ms)",
    "CREATE INDEX idle_source_read ON idle_source (read_ms)",
    "CREATE INDEX idle_reach_asked ON idle_reach (asked_ms)",
    "CREATE INDEX interruption_at ON interruption (at_ms)",
    NULL,
};

/* The rule by which regions are forgotten (store_retain.c). */
static const char *const V15[] = {
    "CREATE INDEX sweep_place_used ON sweep_place (used_ms)",
    "CREATE INDEX machine_place ON machine (cloud, region) WHERE state < 6",
    NULL,
};

/* That GitHub does not know an installation is believed when it said so several times (store_catch_up.h). */
static const char *const V16[] = {
    "ALTER TABLE reach ADD COLUMN misses INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE reach ADD COLUMN answered_ms INTEGER NOT NULL DEFAULT 0",
    NULL,
};

/* What is said of a job that is not here does not go with one (store_event.c). */
static const char *const V17[] = {
    "ALTER TABLE event ADD COLUMN alone INTEGER NOT NULL DEFAULT 0",
    "UPDATE event SET alone = 1 WHERE job_id > 0 AND NOT EXISTS (SELECT 1 FROM job WHERE job.id = event.job_id)",
    "CREATE INDEX event_alone ON event (at_ms) WHERE alone = 1",
    NULL,
};

/* The rules by which answers about installations and repositories, and strays of accounts that are not set up any more,
 * are forgotten (store_retain.c). */
static const char *const V18[] = {
    "CREATE INDEX reach_asked ON reach (asked_ms)",
    "CREATE INDEX sweep_stray_mark ON sweep_stray (mark)",
    "ALTER TABLE sweep_stray ADD COLUMN told INTEGER NOT NULL DEFAULT 0",
    NULL,
};

/* What ends and was never asked of a cloud takes no room (store_room.c). */
static const char *const V19[] = {
    "DROP INDEX machine_room",
    ("CREATE INDEX machine_room ON machine (repo_id, state, round) WHERE state < 6 AND (state > 0 OR round = 0)"
     " AND (state <> 5 OR launched_ms > 0 OR taken_job_id > 0)"),
    NULL,
};

static const struct migration MIGRATIONS[] = {
    {1, V1},   {2, V2},   {3, V3},   {4, V4},   {5, V5},   {6, V6},   {7, V7},   {8, V8},   {9, V9},   {10, V10},
    {11, V11}, {12, V12}, {13, V13}, {14, V14}, {15, V15}, {16, V16}, {17, V17}, {18, V18}, {19, V19},
};

int64_t schema_newest(void)
{
    return MIGRATIONS[ARRAY_LEN(MIGRATIONS) - 1].version;
}

struct tables {
    bool any, ours;
};

static int see_table(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    struct tables *t = arg;

    (void)n;
    (void)e;
    t->any = true;
    if (cols[0].s != NULL && strcmp(cols[0].s, "schema_version") == 0)
        t->ours = true;
    return 0;
}

static int see_version(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)arg = cols[0].i;
    return 0;
}

int schema_version(const struct db_driver *drv, struct db *d, int64_t *out, struct err *e)
{
    struct tables t = {false, false};
    int64_t version = 0;

    if (drv->exec(d, drv->tables_sql, NULL, 0, see_table, &t, NULL, e))
        return -1;
    if (t.any && !t.ours)
        return err_set(e, ERR_INVALID, "database %s belongs to another program: it has tables, but none of muster's",
                       drv->name(d));
    if (t.ours && drv->exec(d, "SELECT version FROM schema_version", NULL, 0, see_version, &version, NULL, e))
        return -1;
    if (version > schema_newest())
        return err_set(e, ERR_INVALID,
                       "database %s has schema version %lld, and muster %s knows versions up to %lld: start the newer "
                       "muster that made it, or restore a backup",
                       drv->name(d), (long long)version, MUSTER_VERSION, (long long)schema_newest());
    *out = version;
    return 0;
}

static int run(const struct db_driver *drv, struct db *d, const char *sql, struct err *e)
{
    return drv->exec(d, sql, NULL, 0, NULL, NULL, NULL, e);
}

static int apply(const struct db_driver *drv, struct db *d, const struct migration *m, struct err *e)
{
    struct db_val version = DB_I(m->version);

    for (const char *const *sql = m->statements; *sql != NULL; sql++) {
        if (run(drv, d, *sql, e))
            return err_wrap(e, "migration %lld", (long long)m->version);
    }
    return drv->exec(d, "UPDATE schema_version SET version = $1", &version, 1, NULL, NULL, NULL, e);
}

static int apply_from(const struct db_driver *drv, struct db *d, int64_t version, int64_t newest, struct err *e)
{
    if (version == 0 && (run(drv, d, "CREATE TABLE schema_version (version INTEGER NOT NULL)", e) ||
                         run(drv, d, "INSERT INTO schema_version (version) VALUES (0)", e)))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(MIGRATIONS); i++) {
        if (MIGRATIONS[i].version > version && MIGRATIONS[i].version <= newest && apply(drv, d, &MIGRATIONS[i], e))
            return -1;
    }
    return 0;
}

int schema_migrate(const struct db_driver *drv, struct db *d, struct err *e)
{
    return schema_migrate_to(drv, d, schema_newest(), e);
}

int schema_migrate_to(const struct db_driver *drv, struct db *d, int64_t newest, struct err *e)
{
    int64_t version;

    if (schema_version(drv, d, &version, e))
        return -1;
    if (version >= newest)
        return 0;
    if (drv->begin(d, e))
        return -1;
    /* Read again: another replica may have migrated it while this one waited for the lock. */
    if (schema_version(drv, d, &version, e) || apply_from(drv, d, version, newest, e) || drv->commit(d, e)) {
        drv->rollback(d);
        return -1;
    }
    return 0;
}
