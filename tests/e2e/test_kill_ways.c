/*
 * Other ways to die than SIGKILL out of the blue: while it drains, while it takes up new settings, again and again
 * right after its start, in the middle of a migration, with no memory left; and to stand still for longer than its
 * leases.
 */
#include "tests/support/lab.h"

#include "server/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define FAST 20
#define ROUNDS 6
#define WAIT_MS 20000
#define STANDSTILL_MS ((int64_t)16 * 60 * 1000) /* a lease is 15 minutes */

static int setup(void **state)
{
    *state = lab_new(&(struct lab_conf){.seed = 3, .rate = FAST});
    return 0;
}

/* Whatever happened: in the end all is well. */
static int teardown(void **state)
{
    struct lab *l = *state;
    bool ok = lab_calm(l) && lab_judge(l) == 0 && lab_cool(l);
    int rc = lab_down(l, SIGTERM);

    lab_print(l, "ways");
    ok = ok && l->count.lost + l->count.doubled + l->count.left + l->count.wrong == 0 && rc == 0;
    lab_free(l);
    return ok ? 0 : -1;
}

static void signal_daemon(struct lab *l, int sig)
{
    assert_int_equal(kill(daemon_pid(l->w->daemon), sig), 0);
}

static void test_kill_ways__while_it_drains(void **state)
{
    struct lab *l = *state;

    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(l->point, sizeof(l->point), "drain %d", i);
        assert_true(lab_up(l));
        sim_http_latency(sim_ec2_http(l->w->ec2), 20); /* calls are under way */
        lab_traffic(l, 5);
        lab_pause((int)lab_draw(l, 80));
        signal_daemon(l, SIGTERM);
        lab_pause((int)lab_draw(l, 30));
        lab_kill(l);
    }
    sim_http_latency(sim_ec2_http(l->w->ec2), 0);
}

static void test_kill_ways__while_it_takes_up_new_settings(void **state)
{
    struct lab *l = *state;

    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(l->point, sizeof(l->point), "reload %d", i);
        assert_true(lab_up(l));
        lab_traffic(l, 5);
        lab_pause((int)lab_draw(l, 60));
        signal_daemon(l, SIGHUP);
        lab_pause((int)lab_draw(l, 120));
        lab_kill(l);
    }
}

static void test_kill_ways__again_and_again_right_after_its_start(void **state)
{
    struct lab *l = *state;

    assert_true(lab_up(l));
    lab_traffic(l, 10);
    lab_kill(l);
    for (int64_t i = 0; i < (int64_t)3 * ROUNDS; i++) {
        (void)snprintf(l->point, sizeof(l->point), "start %d", (int)i);
        if (lab_up_until(l, 2 + 3 * i, SHIM_AFTER)) /* from its first calls on to its first claims */
            lab_pause(20);
        lab_kill(l);
    }
}

/* A store as the first release made it, with a job that waits; its task only where it shall be served. */
static void make_old_store(const struct lab *l, int64_t job, bool served)
{
    struct sim_job_info info;
    char *text = mem_calloc(65536, 1), sql[400];
    FILE *f = fopen("tests/fixtures/store/version-1.sql", "re");
    size_t n = f != NULL ? fread(text, 1, 65535, f) : 0;
    sqlite3 *db = NULL;

    assert_true(n > 0 && sim_github_job(l->w->gh, job, &info));
    text[n] = '\0';
    (void)fclose(f);
    assert_int_equal(sqlite3_open(l->store_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    (void)snprintf(sql, sizeof(sql),
                   "INSERT INTO job (id, run_id, run_attempt, repo_id, installation_id, queued_ms, updated_ms, state, "
                   "want, repo, labels_json, label_key) VALUES (%lld, %lld, 1, %d, %d, 1, 1, 1, 0, '%s', "
                   "'[\"cirun-cpu\"]', 'cirun-cpu');"
                   "INSERT INTO task (kind, subject, priority, due_ms, ready_ms, generation, claimed, attempts) "
                   "SELECT 1, '%lld', 2, 1, 1, 0, 0, 0 WHERE %d",
                   (long long)job, (long long)info.run_id, WORLD_REPO_ID, WORLD_INSTALLATION, WORLD_REPO,
                   (long long)job, served);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    free(text);
}

/* Any call of a start that migrates, one after the other, in one store each, thrown away with what it took in: the
 * daemon asks for what failed to be delivered again. */
static void test_kill_ways__in_the_middle_of_a_migration(void **state)
{
    struct lab *l = *state;
    int64_t job = lab_job_of(l, LAB_PLAIN, WORLD_REPO, "[\"cirun-cpu\"]"), k = 1;
    bool listens = false;

    for (; !listens; k += 1 + (int64_t)lab_draw(l, 4)) {
        lab_remove_store(l);
        make_old_store(l, job, false);
        (void)snprintf(l->point, sizeof(l->point), "migration, call %lld", (long long)k);
        listens = lab_up_until(l, k, (enum shim_how)(SHIM_BEFORE + k % 3));
        lab_kill(l);
        assert_int_equal(lab_number(l, "SELECT count(*) FROM job", NULL), 1);
        assert_true(lab_up(l));
        assert_int_equal(lab_number(l, "SELECT version >= 7 FROM schema_version", NULL), 1);
        lab_kill(l);
    }
    assert_true(k > 10);
    lab_remove_store(l);
    make_old_store(l, job, true);
    assert_true(lab_up(l));
    assert_true(sim_github_wait_job(l->w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
}

/* The answer to a launch is on its way while the process stands still for longer than the lease of the task: who takes
 * the task over makes no second machine, and the late answer harms nothing. */
static void test_kill_ways__standing_still_for_longer_than_a_lease_doubles_nothing(void **state)
{
    struct lab *l = *state;

    assert_true(lab_up(l));
    sim_http_fault(sim_ec2_http(l->w->ec2),
                   &(struct sim_fault){.op = "RunInstances", .kind = SIM_FAULT_HANG_AFTER, .hang_ms = 400, .next = 3});
    for (int i = 0; i < 3; i++)
        (void)lab_job(l, LAB_PLAIN);
    assert_true(sim_ec2_wait_launched(l->w->ec2, 1, WAIT_MS));
    signal_daemon(l, SIGSTOP);
    lab_skip(l, STANDSTILL_MS);
    lab_pause(100);
    signal_daemon(l, SIGCONT);
    lab_traffic(l, 3);
}

static void test_kill_ways__with_no_memory_left(void **state)
{
    struct lab *l = *state;

    for (int i = 0; i < ROUNDS; i++) {
        struct rlimit lim = {0};

        (void)snprintf(l->point, sizeof(l->point), "memory %d", i);
        assert_true(lab_up(l));
        lab_traffic(l, 2);
        lim.rlim_cur = lim.rlim_max = (rlim_t)lab_status(l, "VmSize:") * 1024 + (rlim_t)lab_draw(l, 3) * 512 * 1024;
        assert_int_equal(prlimit(daemon_pid(l->w->daemon), RLIMIT_AS, &lim, NULL), 0);
        lab_traffic(l, 20);
        if (!lab_ended(l, 400))
            lab_kill(l);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_kill_ways__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(while_it_drains),
        TEST(while_it_takes_up_new_settings),
        TEST(again_and_again_right_after_its_start),
        TEST(in_the_middle_of_a_migration),
        TEST(standing_still_for_longer_than_a_lease_doubles_nothing),
        TEST(with_no_memory_left),
    };

    if (!lab_can_preload("test_kill_ways"))
        return 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
