/* A store as an earlier version left it, with work under way, is taken over by the engine and brought to its end. */
#include "server/base/clock.h"
#include "server/store/schema.h"
#include "tests/support/engine_bed.h"
#include "tests/support/old_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LABEL "cirun-one"
#define SHA "0123456789012345678901234567890123456789"

static void path_of(const struct bed *w, char out[160])
{
    (void)snprintf(out, 160, "%s", w->url + strlen("sqlite:"));
}

/* The engine goes down, and its store becomes one of this version. */
static void make_old(struct bed *w, int64_t version)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[160], side[180];

    bed_down(w);
    db_sqlite.close(w->db);
    path_of(w, path);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(side, sizeof(side), "%s%s", path, ends[i]);
        (void)unlink(side);
    }
    old_store_make(path, version);
}

static void bring_up(struct bed *w)
{
    struct err e;

    bed_up(w);
    assert_int_equal(db_sqlite.open(w->url, &w->db, &e), 0);
}

/* As the first version wrote them: a job nobody looked at yet, and its task. */
static void put_job(struct bed *w, int64_t id)
{
    struct sim_job_info info;
    char sql[1200], path[160];

    assert_true(sim_github_job(w->gh, id, &info));
    path_of(w, path);
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO job (id, run_id, run_attempt, repo_id, installation_id, queued_ms, updated_ms, state, want,"
        " repo, head_sha, name, labels_json, label_key) VALUES (%lld, %lld, 1, %d, 7, %lld, %lld, 1, 0, '%s',"
        " '" SHA "', 'train', '[\"" LABEL "\"]', '" LABEL "');"
        "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed, attempts)"
        " VALUES (1, '%lld', 2, 1, 1, 0, 0, 0)",
        (long long)id, (long long)info.run_id, BED_REPO_ID, (long long)clock_now_ms(), (long long)clock_now_ms(),
        BED_REPO, (long long)id);
    old_store_run(path, sql);
}

/* A machine that was being ended when the old version stopped, under a lease that nobody holds any more. */
static void put_ending_machine(struct bed *w, const char *name)
{
    char sql[1200], path[160];

    path_of(w, path);
    (void)snprintf(
        sql, sizeof(sql),
        "INSERT INTO machine VALUES ('%s', 5, 1, 1, 7, %d, 0, 1, 2, 0, 3, %lld, 0, 0, 0, 0, 'aws', 'r', 'i-99',"
        " '%s', '[\"" LABEL "\"]', '" LABEL "', NULL, NULL, 'its job is completed');"
        "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed, attempts)"
        " VALUES (2, '%s', 0, 1, 9000000000000, 3, 1, 2)",
        name, BED_REPO_ID, (long long)clock_now_ms() + 3600000, BED_REPO, name);
    old_store_run(path, sql);
}

static void from_version(struct bed *w, int64_t version)
{
    int64_t id = bed_create_job(w, &(struct sim_job_spec){.name = "train"}, LABEL);
    size_t made = memcloud_made(w->aws);
    struct memcloud_box boxes[MEMCLOUD_MAX];
    size_t n;

    make_old(w, version);
    put_job(w, id);
    put_ending_machine(w, "muster-old");
    bring_up(w);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), made + 1);
    n = memcloud_boxes(w->aws, boxes);
    bed_deliver(w, id, JOB_RUNNING, LABEL, boxes[n - 1].name);
    bed_deliver(w, id, JOB_DONE, LABEL, boxes[n - 1].name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    bed_pass(w, 60 * 1000);
    bed_pass(w, 60 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state < $1", M_GONE), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_GONE), 2);
}

static void test_upgrade__work_under_way_goes_on_from_every_version(void **state)
{
    struct bed *w = *state;

    for (int64_t v = 1; v <= schema_newest(); v++)
        from_version(w, v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_upgrade__work_under_way_goes_on_from_every_version, bed_setup,
                                        bed_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
