/* What the store forgets: every table has a rule or a reason, no rule looks at more than it takes, and nothing goes
 * that something alive needs. */
#include "tests/support/store_hand.h"
#include "tests/support/unit.h"

#include "server/base/mem.h"
#include "server/store/store_catch_up.h"
#include "server/store/store_idle.h"
#include "server/store/store_internal.h"
#include "server/store/store_rerun.h"
#include "server/store/store_retain.h"
#include "server/store/store_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20000) * DAY)
#define BEFORE (NOW - 30 * DAY)
#define OLD (BEFORE - DAY)
#define YOUNG (BEFORE + DAY)

/* --- the schema and the rules ------------------------------------------------------------------------------------- */

static int see_table(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    size_t rules, found = 0;
    const struct retain_rule *r = store_retain_rules(&rules);

    (void)n;
    (void)e;
    for (size_t i = 0; i < rules; i++)
        found += strcmp(r[i].table, c[0].s) == 0;
    if (found != 1)
        fail_msg("table %s: %zu rows in store_retain.c say how it stays small; one has to", c[0].s, found);
    (*(size_t *)arg)++;
    return 0;
}

static void test_store_retain__every_table_has_a_rule_or_a_reason(void **state)
{
    struct hand *h = *state;
    size_t rules, tables = 0;
    const struct retain_rule *r = store_retain_rules(&rules);
    struct db *db;
    struct err e;

    assert_ok(db_sqlite.open(h->url, &db, &e), e);
    assert_ok(db_sqlite.exec(db, db_sqlite.tables_sql, NULL, 0, see_table, &tables, NULL, &e), e);
    db_sqlite.close(db);
    assert_int_equal(tables, rules);
    for (size_t i = 0; i < rules; i++)
        assert_int_equal(r[i].bounded != NULL, r[i].pick == NULL);
}

static int see_step(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    const char *step = c[3].s;

    (void)e;
    assert_int_equal(n, 4);
    if (strncmp(step, "SCAN", 4) == 0 || strstr(step, "TEMP B-TREE") != NULL)
        fail_msg("not by an index: %s\nof %s", step, (const char *)arg);
    return 0;
}

/* The driver keeps what it prepared under the text's address: the caller frees *text after it is closed. */
static void explain(struct db *db, const char *sql, char **text)
{
    static const struct db_val none[2] = {{DB_INT, 1, NULL}, {DB_INT, 1, NULL}};
    size_t size = strlen(sql) + 32;
    struct err e;

    *text = mem_zalloc(size);
    (void)snprintf(*text, size, "EXPLAIN QUERY PLAN %s", sql);
    assert_ok(db_sqlite.exec(db, *text, none, strstr(sql, "$2") != NULL ? 2 : 1, see_step, *text, NULL, &e), e);
}

static void test_store_retain__no_rule_looks_through_a_whole_table(void **state)
{
    struct hand *h = *state;
    char *texts[256];
    size_t n, n_texts = 0;
    const struct retain_rule *r = store_retain_rules(&n);
    struct db *db;
    struct err e;

    assert_ok(db_sqlite.open(h->url, &db, &e), e);
    for (size_t i = 0; i < n; i++) {
        if (r[i].pick != NULL)
            explain(db, r[i].pick, &texts[n_texts++]);
        for (size_t j = 0; j < RETAIN_REMOVES && r[i].remove[j] != NULL; j++)
            explain(db, r[i].remove[j], &texts[n_texts++]);
    }
    db_sqlite.close(db);
    while (n_texts > 0)
        free(texts[--n_texts]);
}

/* --- what goes and what stays ------------------------------------------------------------------------------------- */

static void job(struct store_tx *t, int64_t id, enum job_state state, enum job_want want, int64_t updated_ms,
                const char *runner)
{
    char key[] = "gpu", name[64] = "";
    struct job j = {.id = id,
                    .repo_id = 5,
                    .queued_ms = updated_ms,
                    .updated_ms = updated_ms,
                    .state = state,
                    .want = want,
                    .label_key = key,
                    .runner_name = name};
    int before;
    bool moved;
    struct err e;

    (void)snprintf(name, sizeof(name), "%s", runner != NULL ? runner : "");
    assert_ok(store_job_merge(t, &j, &before, &moved, &e), e);
    assert_ok(store_event_add(t, updated_ms, id, NULL, "job.queued", NULL, &e), e);
    assert_ok(store_cause_put(t, id, &(struct store_cause){CAUSE_FORK, 0, 0}, &e), e);
    assert_ok(store_attempt_put(t,
                                &(struct store_attempt){.job_id = id,
                                                        .machine = "m",
                                                        .cloud = "aws",
                                                        .region = "r",
                                                        .instance_type = "t",
                                                        .kind = "capacity",
                                                        .message = "none",
                                                        .last_ms = updated_ms},
                                &e),
              e);
}

static void machine(struct store_tx *t, const char *name, enum machine_state state, int64_t job_id, int64_t at_ms)
{
    char repo[] = "a/b", labels[] = "[]", key[] = "gpu", plan[] = "{}";
    struct machine m = {.state = state,
                        .job_id = job_id,
                        .repo_id = 5,
                        .created_ms = at_ms,
                        .ended_ms = state == M_GONE ? at_ms : 0,
                        .repo = repo,
                        .labels_json = labels,
                        .label_key = key,
                        .plan_json = plan};
    struct err e;

    (void)snprintf(m.name, sizeof(m.name), "%s", name);
    assert_ok(store_machine_insert(t, &m, &e), e);
}

static int64_t count(struct hand *h, const char *sql)
{
    struct db *db;
    int64_t n = -1;
    struct err e;

    assert_ok(db_sqlite.open(h->url, &db, &e), e);
    assert_ok(db_sqlite.exec(db, sql, NULL, 0, row_i64, &n, NULL, &e), e);
    db_sqlite.close(db);
    return n;
}

/* Everything that may go, piece by piece; the number of rows. */
static int64_t retain_at(struct hand *h, int64_t now_ms, int64_t before_ms, int64_t max)
{
    size_t n;
    const struct retain_rule *r = store_retain_rules(&n);
    int64_t all = 0;

    for (size_t i = 0; i < n; i++) {
        bool more = true;

        while (more) {
            struct store_tx *t = hand_begin(h);
            int64_t rows;
            struct err e;

            assert_ok(store_retain(t, &r[i], now_ms, before_ms, max, &rows, &more, &e), e);
            hand_commit(h);
            all += rows;
        }
    }
    return all;
}

static int64_t retain(struct hand *h)
{
    return retain_at(h, NOW, BEFORE, 100);
}

static void test_store_retain__an_ended_job_goes_with_all_that_is_said_of_it(void **state)
{
    struct store_tx *t = hand_begin(*state);

    job(t, 1, JOB_DONE, WANT_MACHINE, OLD, NULL);
    job(t, 2, JOB_DONE, WANT_MACHINE, YOUNG, NULL);
    hand_commit(*state);
    assert_int_equal(retain(*state), 4);
    assert_int_equal(count(*state, "SELECT id FROM job"), 2);
    assert_int_equal(count(*state, "SELECT sum(job_id) FROM event"), 2);
    assert_int_equal(count(*state, "SELECT sum(job_id) FROM attempt"), 2);
    assert_int_equal(count(*state, "SELECT sum(job_id) FROM job_report"), 2);
    assert_int_equal(retain(*state), 0);
}

static void test_store_retain__a_job_stays_while_it_a_machine_of_it_or_a_task_lives(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    job(t, 1, JOB_RUNNING, WANT_MACHINE, OLD, NULL);
    job(t, 2, JOB_QUEUED, WANT_MACHINE, OLD - 300 * DAY, NULL);
    job(t, 3, JOB_DONE, WANT_MACHINE, OLD, NULL); /* its machine is being destroyed, for weeks */
    machine(t, "of-3", M_ENDING, 3, OLD);
    job(t, 4, JOB_DONE, WANT_MACHINE, OLD, "taken"); /* ran on a machine made for another */
    machine(t, "taken", M_ENDING, 77, OLD);
    job(t, 5, JOB_DONE, WANT_MACHINE, OLD, NULL);
    assert_ok(store_task_put(t, TASK_JOB, "5", TASK_DECIDE, NOW, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 0);
    assert_int_equal(count(*state, "SELECT count(*) FROM job"), 5);
}

static void test_store_retain__an_unfinished_job_that_nobody_speaks_of_goes_after_the_longest_run(void **state)
{
    struct store_tx *t = hand_begin(*state);

    job(t, 1, JOB_RUNNING, WANT_NOTHING, BEFORE - 35 * DAY, NULL);
    job(t, 2, JOB_RUNNING, WANT_NOTHING, BEFORE - 37 * DAY, NULL);
    job(t, 3, JOB_QUEUED, WANT_REFUSED, BEFORE - 37 * DAY, NULL);
    hand_commit(*state);
    assert_int_equal(retain(*state), 8);
    assert_int_equal(count(*state, "SELECT sum(id) FROM job"), 1);
}

static void test_store_retain__a_machine_goes_when_it_is_gone_and_its_job_has_ended(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    job(t, 1, JOB_QUEUED, WANT_MACHINE, OLD, NULL); /* counts how often machines of it failed */
    machine(t, "of-waiting", M_GONE, 1, OLD);
    machine(t, "alive", M_BUSY, 0, OLD);
    machine(t, "young", M_GONE, 0, YOUNG);
    machine(t, "asked", M_GONE, 0, OLD);
    assert_ok(store_task_put(t, TASK_MACHINE, "asked", TASK_TEARDOWN, NOW, &e), e);
    machine(t, "old", M_GONE, 0, OLD);
    machine(t, "orphan", M_GONE, 404, OLD);
    hand_commit(*state);
    assert_int_equal(retain(*state), 2);
    assert_int_equal(count(*state, "SELECT count(*) FROM machine WHERE name IN ('old', 'orphan')"), 0);
    assert_int_equal(count(*state, "SELECT count(*) FROM machine"), 4);
}

static void test_store_retain__what_was_said_of_no_job_goes_by_its_time(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    assert_ok(store_event_add(t, OLD, 0, "m", "machine.dropped", NULL, &e), e);
    assert_ok(store_event_add(t, YOUNG, 0, "m", "machine.dropped", NULL, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 1);
    assert_int_equal(count(*state, "SELECT at_ms FROM event"), YOUNG);
}

/* Such as the tag of a machine names that an earlier store launched. */
static void test_store_retain__what_was_said_of_a_job_that_is_not_here_goes_by_its_time_too(void **state)
{
    struct store_tx *t = hand_begin(*state);
    struct err e;

    assert_ok(store_event_add(t, OLD, 404, "m", "machine.swept", NULL, &e), e);
    assert_ok(store_event_add(t, YOUNG, 405, "m", "machine.swept", NULL, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 1);
    assert_int_equal(count(*state, "SELECT at_ms FROM event"), YOUNG);
}

static void interrupted(struct store_tx *t, int64_t job_id, int64_t run_id, int64_t at_ms, enum rerun_state s)
{
    const struct store_interruption i = {.job_id = job_id,
                                         .run_id = run_id,
                                         .at_ms = at_ms,
                                         .state = s,
                                         .repo = "a/b",
                                         .name = "train",
                                         .machine = "m",
                                         .cloud = "aws"};
    bool put;
    struct err e;

    assert_ok(store_interruption_put(t, &i, &put, &e), e);
}

static void test_store_retain__a_job_that_is_still_to_be_run_again_stays_and_so_does_its_interruption(void **state)
{
    struct store_tx *t = hand_begin(*state);

    job(t, 1, JOB_DONE, WANT_MACHINE, OLD - 300 * DAY, NULL);
    interrupted(t, 1, 90, OLD - 300 * DAY, RERUN_WAITS);
    job(t, 2, JOB_DONE, WANT_MACHINE, OLD - 300 * DAY, NULL);
    interrupted(t, 2, 91, OLD - 300 * DAY, RERUN_ASKED);
    job(t, 3, JOB_DONE, WANT_MACHINE, OLD - 300 * DAY, NULL);
    interrupted(t, 3, 92, OLD - 300 * DAY, RERUN_DONE);
    hand_commit(*state);
    assert_int_equal(retain(*state), 4 + 1);
    assert_int_equal(count(*state, "SELECT sum(id) FROM job"), 1 + 2);
    assert_int_equal(count(*state, "SELECT sum(job_id) FROM interruption"), 1 + 2);
}

static void test_store_retain__interruptions_count_for_as_long_as_a_run_can_go_on_whatever_the_settings(void **state)
{
    struct store_tx *t = hand_begin(*state);

    interrupted(t, 1, 90, NOW - 35 * DAY, RERUN_DONE);
    interrupted(t, 2, 91, NOW - 37 * DAY, RERUN_OVER);
    interrupted(t, 3, 92, NOW - 37 * DAY, RERUN_DONE); /* of a run that was interrupted again */
    interrupted(t, 4, 92, NOW - 3 * DAY, RERUN_DONE);
    hand_commit(*state);
    assert_int_equal(retain_at(*state, NOW, NOW - DAY, 100), 1);
    assert_int_equal(count(*state, "SELECT sum(job_id) FROM interruption"), 1 + 3 + 4);
    assert_int_equal(retain_at(*state, NOW, NOW - 90 * DAY, 100), 0);
}

static void test_store_retain__a_report_goes_after_its_jobs(void **state)
{
    struct store_report r = {.repo_id = 5, .opened_ms = OLD};
    char repo[] = "a/b", sha[] = "0123", topic[] = "t";
    struct store_tx *t = hand_begin(*state);
    int64_t id;
    struct err e;

    r.repo = repo;
    r.head_sha = sha;
    r.topic = topic;
    assert_ok(store_report_open(t, &r, &id, &e), e);
    job(t, 1, JOB_RUNNING, WANT_MACHINE, OLD, NULL);
    assert_ok(store_report_join(t, 1, id, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 0);
    t = hand_begin(*state);
    job(t, 1, JOB_DONE, WANT_MACHINE, OLD, NULL);
    hand_commit(*state);
    assert_true(retain(*state) > 0);
    assert_int_equal(count(*state, "SELECT (SELECT count(*) FROM report) + (SELECT count(*) FROM job_report)"), 0);
}

static void test_store_retain__delivery_ids_are_kept_for_a_week_whatever_the_settings(void **state)
{
    struct store_tx *t = hand_begin(*state);
    bool known;
    struct err e;

    assert_ok(store_delivery_put(t, "old", NOW - 8 * DAY, &known, &e), e);
    assert_ok(store_delivery_put(t, "young", NOW - 6 * DAY, &known, &e), e);
    hand_commit(*state);
    assert_int_equal(retain_at(*state, NOW, NOW, 100), 1);
    assert_int_equal(count(*state, "SELECT count(*) FROM delivery WHERE guid = 'young'"), 1);
}

static void test_store_retain__sources_of_warm_runners_go_when_nobody_asks_for_them(void **state)
{
    static const char ids[3][3] = {"r1", "r2", "r3"};
    char repo[] = "a/b";
    struct store_tx *t = hand_begin(*state);
    struct err e;

    for (int i = 0; i < 3; i++) {
        struct idle_source s = {.repo_id = i, .read_ms = i == 2 ? YOUNG : OLD, .repo = repo};
        struct idle_pool p;
        char pool[16];
        bool stale;

        memcpy(s.id, ids[i], 3);
        (void)snprintf(pool, sizeof(pool), "%s/gpu", ids[i]);
        assert_ok(store_idle_source_know(t, &s, 0, &stale, &e), e);
        assert_ok(store_idle_source_put(t, &s, 0, &e), e);
        assert_ok(store_idle_pool_know(t, pool, ids[i], "spec", &p, &e), e);
        assert_ok(store_idle_reach_put(t, i, true, i == 2 ? YOUNG : OLD, &e), e);
    }
    assert_ok(store_task_put(t, TASK_IDLE, "r2", TASK_CHECK, NOW, &e), e);
    assert_ok(store_task_put(t, TASK_IDLE, "r3", TASK_CHECK, NOW, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 4);
    assert_int_equal(count(*state, "SELECT count(*) FROM idle_source WHERE id <> 'r1'"), 2);
    assert_int_equal(count(*state, "SELECT count(*) FROM idle_pool WHERE source <> 'r1'"), 2);
    assert_int_equal(count(*state, "SELECT repo_id FROM idle_reach"), 2);
}

static void test_store_retain__answers_about_installations_go_when_nobody_asks_any_more(void **state)
{
    const struct store_reach closed = {.closed = true, .asked_ms = OLD, .reason = "suspended"};
    struct store_reach young = closed;
    struct store_tx *t = hand_begin(*state);
    struct err e;

    young.asked_ms = YOUNG;
    assert_ok(store_reach_put(t, "i1", &closed, &e), e);
    assert_ok(store_reach_put(t, "i2", &young, &e), e);
    assert_ok(store_reach_put(t, "r3", &closed, &e), e);
    assert_ok(store_task_put(t, TASK_CATCH_UP, "r3", TASK_CHECK, NOW, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 1);
    assert_int_equal(count(*state, "SELECT count(*) FROM reach WHERE id = 'i1'"), 0);
}

static void place(struct store_tx *t, const char *region, int64_t used_ms)
{
    struct err e;

    assert_ok(store_place_put(t, "aws", region, used_ms, &e), e);
}

static void live_in(struct store_tx *t, const char *cloud, const char *region)
{
    static const char sql[] = "UPDATE machine SET cloud = $1, region = $2 WHERE name = 'alive'";
    struct err e;

    machine(t, "alive", M_BUSY, 0, OLD);
    assert_ok(tx_write(t, sql, VALS(DB_S(cloud), DB_S(region)), NULL, NULL, NULL, &e), e);
}

static void test_store_retain__a_place_goes_when_nothing_was_launched_there_for_long_and_nothing_is_there(void **state)
{
    struct store_stray stray = {.place_id = 4, .cloud = "aws", .region = "stray", .instance_id = "i", .mark = YOUNG};
    struct store_tx *t = hand_begin(*state);
    struct err e;

    place(t, "invented", OLD);
    place(t, "young", YOUNG);
    place(t, "lived-in", OLD);
    place(t, "stray", OLD);
    place(t, "at-work", OLD); /* 5 */
    place(t, "of-the-account", 0);
    live_in(t, "aws", "lived-in");
    assert_ok(store_stray_see(t, &stray, &e), e);
    assert_ok(store_task_put(t, TASK_SWEEP, "at 5", TASK_CHECK, NOW, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 1);
    assert_int_equal(count(*state, "SELECT count(*) FROM sweep_place WHERE region = 'invented'"), 0);
    assert_int_equal(retain(*state), 0);
}

static void test_store_retain__a_stray_that_no_list_shows_any_more_goes_but_not_from_under_its_end(void **state)
{
    struct store_stray stray = {.place_id = 4, .cloud = "aws", .region = "r", .instance_id = "1", .mark = OLD};
    struct store_tx *t = hand_begin(*state);
    struct err e;

    assert_ok(store_stray_see(t, &stray, &e), e);
    stray.instance_id[0] = '2';
    assert_ok(store_stray_see(t, &stray, &e), e);
    stray.instance_id[0] = '3';
    stray.mark = YOUNG;
    assert_ok(store_stray_see(t, &stray, &e), e);
    assert_ok(store_task_put(t, TASK_SWEEP, "end 2", TASK_TEARDOWN, NOW, &e), e);
    hand_commit(*state);
    assert_int_equal(retain(*state), 1);
    assert_int_equal(count(*state, "SELECT sum(id) FROM sweep_stray"), 2 + 3);
}

static void test_store_retain__the_one_place_of_a_cloud_without_regions_stays_for_any_machine_of_it(void **state)
{
    struct store_tx *t = hand_begin(*state);

    place(t, "", OLD);
    live_in(t, "aws", "zone-of-its-own");
    hand_commit(*state);
    assert_int_equal(retain(*state), 0);
}

/* --- in pieces ---------------------------------------------------------------------------------------------------- */

static void test_store_retain__a_long_timeline_goes_in_several_transactions(void **state)
{
    size_t n;
    const struct retain_rule *r = store_retain_rules(&n);
    struct store_tx *t = hand_begin(*state);
    int64_t rows, all = 0;
    bool more = true;
    int pieces = 0;
    struct err e;

    while (strcmp(r->table, "job") != 0)
        r++;
    job(t, 1, JOB_DONE, WANT_MACHINE, OLD, NULL);
    for (int i = 0; i < 2600; i++)
        assert_ok(store_event_add(t, OLD, 1, NULL, "x.happened", NULL, &e), e);
    hand_commit(*state);
    for (; more; pieces++) {
        t = hand_begin(*state);
        assert_ok(store_retain(t, r, NOW, BEFORE, 100, &rows, &more, &e), e);
        hand_commit(*state);
        assert_true(rows <= 1000);
        all += rows;
    }
    assert_int_equal(all, 2604);
    assert_true(pieces >= 3);
}

static void fill(struct hand *h, int64_t first, int64_t n, int64_t at_ms)
{
    struct store_tx *t = hand_begin(h);
    char guid[40];
    bool known;
    struct err e;

    for (int64_t id = first; id < first + n; id++) {
        (void)snprintf(guid, sizeof(guid), "%08llx-0000-4000-8000-000000000000", (unsigned long long)id);
        assert_ok(store_delivery_put(t, guid, at_ms, &known, &e), e);
        job(t, id, JOB_DONE, WANT_MACHINE, at_ms, NULL);
    }
    hand_commit(h);
}

static int64_t pages(struct hand *h)
{
    return count(h, "PRAGMA page_count");
}

/* Ten times what is remembered goes through it, and the file is not larger than after the second time. */
static void test_store_retain__the_file_does_not_grow_once_as_much_goes_as_comes(void **state)
{
    int64_t size = 0;

    for (int64_t i = 0; i < 10; i++) {
        fill(*state, 1 + i * 1000, 1000, NOW + i * 40 * DAY);
        assert_true(retain_at(*state, NOW + i * 40 * DAY, NOW + i * 40 * DAY - 30 * DAY, 100) > 0 || i == 0);
        if (i == 1)
            size = pages(*state);
    }
    assert_int_equal(count(*state, "SELECT count(*) FROM job"), 1000);
    assert_true(pages(*state) <= size + size / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_store_retain__every_table_has_a_rule_or_a_reason, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__no_rule_looks_through_a_whole_table, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__an_ended_job_goes_with_all_that_is_said_of_it, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__a_job_stays_while_it_a_machine_of_it_or_a_task_lives,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__an_unfinished_job_that_nobody_speaks_of_goes_after_the_longest_run, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__a_machine_goes_when_it_is_gone_and_its_job_has_ended,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__what_was_said_of_no_job_goes_by_its_time, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__what_was_said_of_a_job_that_is_not_here_goes_by_its_time_too,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__a_job_that_is_still_to_be_run_again_stays_and_so_does_its_interruption, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__interruptions_count_for_as_long_as_a_run_can_go_on_whatever_the_settings, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__a_report_goes_after_its_jobs, hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__delivery_ids_are_kept_for_a_week_whatever_the_settings,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__sources_of_warm_runners_go_when_nobody_asks_for_them,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__answers_about_installations_go_when_nobody_asks_any_more,
                                        hand_setup, hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__a_place_goes_when_nothing_was_launched_there_for_long_and_nothing_is_there, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__a_stray_that_no_list_shows_any_more_goes_but_not_from_under_its_end, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(
            test_store_retain__the_one_place_of_a_cloud_without_regions_stays_for_any_machine_of_it, hand_setup,
            hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__a_long_timeline_goes_in_several_transactions, hand_setup,
                                        hand_teardown),
        cmocka_unit_test_setup_teardown(test_store_retain__the_file_does_not_grow_once_as_much_goes_as_comes,
                                        hand_setup, hand_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
