/* The sweep, one rule a test: what a cloud lists against what the store knows. The bed is tests/support/engine_bed.h.
 */
#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/engine/sweep.h"
#include "tests/support/engine_bed.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)

/* --- what happens ----------------------------------------------------------------------------------------------- */

/* A machine of our tag that nobody here launched: made by a muster whose store is lost. */
static struct instance stranger(const char *id)
{
    struct instance i = {.created_ms = clock_now_ms() - HOUR, .expires_ms = clock_now_ms() + 5 * HOUR, .job_id = 42};

    (void)snprintf(i.id, sizeof(i.id), "%s", id);
    (void)snprintf(i.region, sizeof(i.region), "r");
    (void)snprintf(i.repo, sizeof(i.repo), BED_REPO);
    id_machine_name(i.name);
    return i;
}

static struct instance put_stranger(struct bed *w, const char *id)
{
    struct instance i = stranger(id);

    memcloud_put(w->aws, &i, MEMCLOUD_DEPLOYMENT);
    return i;
}

/* Lists are taken about every ten minutes; the first one a few minutes after the start. */
static void rounds(struct bed *w, int n)
{
    for (int i = 0; i < n; i++)
        bed_pass(w, SWEEP_EVERY_MS + 1000);
}

/* A machine that runs for a job, as this store launched it. */
static struct memcloud_call launch_one(struct bed *w, int64_t *job)
{
    *job = bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_pass(w, 0);
    return bed_call(w->aws, 0);
}

static int64_t come_online(struct bed *w, const struct memcloud_call *call)
{
    char *jit = bed_jit_of(call->text);
    int64_t runner;
    struct err e;

    assert_int_equal(sim_github_runner_online(w->gh, jit, NULL, NULL, &runner, &e), 0);
    free(jit);
    return runner;
}

/* The daemon ends, its store is lost, and it begins anew. */
static void lose_store(struct bed *w)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    char path[200];
    struct err e;

    bed_down(w);
    db_sqlite.close(w->db);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s/store.db%s", w->dir, ends[i]);
        (void)unlink(path);
    }
    bed_up(w);
    assert_int_equal(db_sqlite.open(w->url, &w->db, &e), 0);
}

static int64_t events(struct bed *w, const char *kind, int64_t job)
{
    char sql[160];

    (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM event WHERE kind = '%s' AND job_id = $1", kind);
    return bed_number(w, sql, job);
}

static int64_t strays(struct bed *w)
{
    return bed_number(w, "SELECT count(*) FROM sweep_stray WHERE $1 = 0", 0);
}

/* --- what no record explains ------------------------------------------------------------------------------------- */

static void test_sweep__a_machine_that_no_record_knows_ends_after_the_grace(void **state)
{
    struct bed *w = *state;

    (void)put_stranger(w, "i-lost");
    bed_pass(w, SWEEP_FIRST_MS);
    assert_int_equal(strays(w), 1);
    bed_pass(w, SWEEP_GRACE_MS - 2000);
    assert_true(memcloud_is_live(w->aws, "i-lost"));
    rounds(w, 1);
    assert_false(memcloud_is_live(w->aws, "i-lost"));
    assert_int_equal(events(w, "machine.swept", 42), 1);
    bed_pass(w, MINUTE);
    assert_int_equal(strays(w), 0);
    assert_int_equal(memcloud_destroys(w->aws), 1);
}

static void test_sweep__another_deployments_machines_are_never_touched(void **state)
{
    struct bed *w = *state;
    struct instance i = stranger("i-foreign");

    i.expires_ms = clock_now_ms() - HOUR;
    memcloud_put(w->aws, &i, "another");
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 12);
    assert_true(memcloud_is_live(w->aws, "i-foreign"));
    assert_int_equal(memcloud_destroys(w->aws), 0);
    assert_true(memcloud_lists(w->aws) > 10);
}

static void test_sweep__a_record_that_was_lost_with_its_launchs_answer_leaves_no_machine(void **state)
{
    struct bed *w = *state;

    memcloud_lose_answers(w->aws, 1);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    lose_store(w);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 2);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_sweep__after_a_lost_store_a_healthy_job_is_finished_first(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);
    int64_t runner = come_online(w, &call);
    struct sim_job_info info;

    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_IN_PROGRESS, BED_WAIT_MS));
    lose_store(w);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 6);
    assert_int_equal(memcloud_live(w->aws), 1); /* GitHub says that it works */
    assert_true(sim_github_job(w->gh, job, &info));
    assert_int_equal(info.state, SIM_JOB_IN_PROGRESS);
    sim_github_runner_finish(w->gh, runner, "success");
    rounds(w, 1);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(events(w, "machine.swept", job), 1);
}

static void test_sweep__an_idle_runner_of_a_lost_store_is_removed_before_its_machine(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);
    struct sim_github_stats stats;

    sim_github_job_cancel(w->gh, job);
    (void)come_online(w, &call);
    lose_store(w);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 2);
    assert_int_equal(memcloud_live(w->aws), 0);
    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.runners, 0);
}

static void test_sweep__what_github_cannot_tell_waits_for_the_end_of_the_lifetime(void **state)
{
    struct bed *w = *state;
    struct instance i = stranger("i-whose");

    (void)snprintf(i.repo, sizeof(i.repo), "nobody/knows");
    memcloud_put(w->aws, &i, MEMCLOUD_DEPLOYMENT);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 12);
    assert_true(memcloud_is_live(w->aws, "i-whose"));
    rounds(w, 26); /* its five hours, and one more of asking */
    assert_false(memcloud_is_live(w->aws, "i-whose"));
}

static void test_sweep__a_stopped_machine_costs_and_ends_without_asking_github(void **state)
{
    struct bed *w = *state;
    struct instance i = stranger("i-off");

    (void)snprintf(i.repo, sizeof(i.repo), "nobody/knows");
    i.state = INSTANCE_STOPPED;
    memcloud_put(w->aws, &i, MEMCLOUD_DEPLOYMENT);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 2);
    assert_false(memcloud_is_live(w->aws, "i-off"));
}

static void test_sweep__a_second_machine_of_the_same_name_ends_and_the_records_stays(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);
    struct instance twin = stranger("i-twin");

    (void)snprintf(twin.name, sizeof(twin.name), "%s", call.name);
    memcloud_put(w->aws, &twin, MEMCLOUD_DEPLOYMENT);
    assert_int_equal(memcloud_live(w->aws), 2);
    bed_pass(w, SWEEP_FIRST_MS);
    bed_pass(w, SWEEP_EVERY_MS + 1000);
    assert_false(memcloud_is_live(w->aws, "i-twin"));
    assert_true(memcloud_is_live(w->aws, "i-1"));
}

static void test_sweep__a_machine_that_is_gone_by_its_record_and_there_all_the_same_ends(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);
    struct instance back = stranger("i-1");

    bed_deliver(w, job, JOB_RUNNING, "cirun-one", call.name);
    bed_deliver(w, job, JOB_DONE, "cirun-one", call.name);
    bed_pass(w, 0);
    bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_GONE), 1);
    (void)snprintf(back.id, sizeof(back.id), "i-revenant");
    (void)snprintf(back.name, sizeof(back.name), "%s", call.name);
    memcloud_put(w->aws, &back, MEMCLOUD_DEPLOYMENT);
    rounds(w, 3);
    assert_false(memcloud_is_live(w->aws, "i-revenant"));
    assert_int_equal(events(w, "machine.swept", job), 1);
}

static void test_sweep__what_a_machine_left_behind_is_removed_without_asking_github(void **state)
{
    struct bed *w = *state;
    struct instance i = stranger("disk-1");

    (void)snprintf(i.repo, sizeof(i.repo), "nobody/knows");
    i.part = true;
    memcloud_put(w->aws, &i, MEMCLOUD_DEPLOYMENT);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 2);
    assert_false(memcloud_is_live(w->aws, "disk-1"));
}

static void test_sweep__parts_of_a_machine_with_a_record_are_its_own_affair(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);
    struct instance i = stranger("disk-1");

    i.part = true;
    (void)snprintf(i.name, sizeof(i.name), "%s", call.name);
    memcloud_put(w->aws, &i, MEMCLOUD_DEPLOYMENT);
    bed_pass(w, SWEEP_FIRST_MS);
    bed_pass(w, SWEEP_EVERY_MS + 1000);
    assert_true(memcloud_is_live(w->aws, "disk-1"));
    assert_int_equal(strays(w), 0);
}

static void test_sweep__a_refused_end_is_asked_for_again_and_again(void **state)
{
    struct bed *w = *state;

    (void)put_stranger(w, "i-tough");
    memcloud_refuse_destroy(w->aws, ERR_AUTH, 8);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 1);
    assert_true(memcloud_is_live(w->aws, "i-tough"));
    for (int i = 0; i < 60 && memcloud_is_live(w->aws, "i-tough"); i++)
        bed_pass(w, 2 * MINUTE);
    assert_false(memcloud_is_live(w->aws, "i-tough"));
    assert_int_equal(memcloud_destroys(w->aws), 9);
    assert_int_equal(events(w, "machine.swept", 42), 1);
}

static int lines(int fd, const char *text)
{
    static char log[1 << 16];
    int n = 0;

    assert_true(pread(fd, log, sizeof(log) - 1, 0) >= 0);
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text))
        n++;
    return n;
}

static void test_sweep__a_stray_of_an_account_that_is_gone_is_told_of_once_and_forgotten_in_time(void **state)
{
    struct bed *w = *state;
    int log = memfd_create("log", MFD_CLOEXEC);

    (void)put_stranger(w, "i-lost");
    memcloud_refuse_destroy(w->aws, ERR_AUTH, 1000);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 2);
    bed_down(w);
    w->clouds[0] = w->clouds[1];
    bed_up(w);
    log_set_fd(log);
    log_set_level(LOG_ERROR);
    rounds(w, 12);
    assert_int_equal(events(w, "machine.unswept", 42), 1);
    assert_int_equal(lines(log, "not set up any more"), 1);
    for (int i = 0; i < 62; i++)
        bed_pass(w, 12 * HOUR);
    log_set_fd(STDERR_FILENO);
    assert_int_equal(strays(w), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'machine.forgotten' AND job_id = $1", 42),
                     1);
    assert_int_equal(lines(log, "not set up any more"), 2);
    close(log);
}

static void test_sweep__a_crowd_of_strangers_ends_in_small_portions(void **state)
{
    struct bed *w = *state;
    char id[32];

    for (int i = 0; i < 3 * SWEEP_AT_ONCE; i++) {
        (void)snprintf(id, sizeof(id), "i-s%d", i);
        (void)put_stranger(w, id);
    }
    bed_pass(w, SWEEP_FIRST_MS);
    for (int i = 3; i > 0; i--) {
        assert_int_equal(memcloud_live(w->aws), i * SWEEP_AT_ONCE);
        rounds(w, 1);
    }
    assert_int_equal(memcloud_live(w->aws), 0);
}

/* --- lists that lie ---------------------------------------------------------------------------------------------- */

static void test_sweep__a_list_that_fails_on_a_page_concludes_nothing(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_list how = {.page = 1, .fail_page = 2, .kind = ERR_RETRY};

    (void)put_stranger(w, "i-lost");
    (void)launch_one(w, &job);
    memcloud_list(w->aws, &how);
    bed_pass(w, SWEEP_FIRST_MS);
    rounds(w, 8);
    assert_true(memcloud_lists(w->aws) > 4);
    assert_int_equal(strays(w), 0);
    assert_true(memcloud_is_live(w->aws, "i-lost"));
    how.fail_page = 0;
    memcloud_list(w->aws, &how);
    rounds(w, 3);
    assert_false(memcloud_is_live(w->aws, "i-lost"));
}

static void test_sweep__a_list_without_end_is_left_and_concludes_nothing(void **state)
{
    struct bed *w = *state;

    (void)put_stranger(w, "i-lost");
    memcloud_list(w->aws, &(struct memcloud_list){.endless = true});
    bed_pass(w, SWEEP_FIRST_MS);
    assert_int_equal(memcloud_lists(w->aws), 1);
    assert_int_equal(strays(w), 0);
}

static void test_sweep__a_list_that_is_minutes_old_kills_no_fresh_machine(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call;

    memcloud_list(w->aws, &(struct memcloud_list){.stale_ms = 8 * MINUTE});
    bed_pass(w, 2 * MINUTE);
    call = launch_one(w, &job);
    for (int i = 0; i < 12; i++)
        bed_pass(w, MINUTE);
    assert_true(memcloud_lists(w->aws) >= 1);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BOOTING), 1);
    /* ended long ago, and shown as if it ran */
    bed_deliver(w, job, JOB_RUNNING, "cirun-one", call.name);
    bed_deliver(w, job, JOB_DONE, "cirun-one", call.name);
    rounds(w, 4);
    assert_int_equal(memcloud_live(w->aws), 0);
    assert_int_equal(memcloud_destroys(w->aws), 1);
    assert_int_equal(strays(w), 0);
}

static void test_sweep__a_machine_that_a_list_lacks_is_looked_for_alone(void **state)
{
    struct bed *w = *state;
    int64_t job;

    (void)launch_one(w, &job);
    /* an empty list of a cloud where everything is well */
    memcloud_list(w->aws, &(struct memcloud_list){.stale_ms = 24 * HOUR});
    bed_pass(w, SWEEP_FIRST_MS);
    bed_pass(w, SWEEP_EVERY_MS + 1000);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(memcloud_made(w->aws), 1);
    /* and of one where it is gone */
    bed_deliver(w, job, JOB_RUNNING, "cirun-one", bed_call(w->aws, 0).name);
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 6 && bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY) > 0; i++)
        rounds(w, 1); /* a job that may still run is not given up at the first look */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY), 0);
}

static void test_sweep__ten_thousand_machines_are_listed_in_little_memory(void **state)
{
    struct bed *w = *state;
    struct mallinfo2 before, after;
    char id[32];

    for (int i = 0; i < 10000; i++) {
        struct instance one;

        (void)snprintf(id, sizeof(id), "i-%05d", i);
        one = stranger(id);
        memcloud_put(w->gcp, &one, MEMCLOUD_DEPLOYMENT);
    }
    before = mallinfo2();
    bed_pass(w, SWEEP_FIRST_MS);
    after = mallinfo2();
    assert_int_equal(strays(w), 10000);
    assert_true(after.uordblks < before.uordblks + (size_t)2 * 1024 * 1024);
    rounds(w, 1);
    assert_int_equal(memcloud_live(w->gcp), 10000 - SWEEP_AT_ONCE);
}

/* --- places ------------------------------------------------------------------------------------------------------- */

static void test_sweep__a_region_that_the_store_does_not_know_is_learned_from_the_cloud(void **state)
{
    struct bed *w = *state;
    struct instance far = stranger("i-far");

    memcloud_region(w->aws, "r");
    memcloud_region(w->aws, "far");
    (void)snprintf(far.region, sizeof(far.region), "far");
    memcloud_put(w->aws, &far, MEMCLOUD_DEPLOYMENT);
    bed_pass(w, SWEEP_FIRST_MS);
    assert_int_equal(strays(w), 1);
    for (int i = 0; i < 30 && memcloud_is_live(w->aws, "i-far"); i++)
        bed_pass(w, HOUR);
    assert_false(memcloud_is_live(w->aws, "i-far"));
}

static void test_sweep__a_region_is_remembered_before_anything_is_launched_there(void **state)
{
    struct bed *w = *state;

    memcloud_region(w->aws, "elsewhere");
    memcloud_refuse(w->aws, NULL, ERR_CAPACITY, 0);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_int_equal(
        bed_number(w, "SELECT count(*) FROM sweep_place WHERE cloud = 'aws' AND region = 'r' AND $1 > 0", 1), 1);
}

static int never_sound(struct provider *p, const struct machine_spec *s, struct err *e)
{
    (void)p;
    return err_set(e, ERR_INVALID, "no region %s", s->region);
}

static void test_sweep__a_region_that_no_request_goes_to_is_not_looked_at(void **state)
{
    struct bed *w = *state;
    struct provider_ops ops;

    bed_down(w);
    memcloud_region(w->aws, "elsewhere");
    ops = *memcloud_ops(w->aws);
    ops.check = never_sound;
    w->clouds[0].ops = &ops;
    bed_up(w);
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_pass(w, MINUTE);
    assert_true(bed_number(w, "SELECT count(*) FROM attempt WHERE $1 > 0", 1) > 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM sweep_place WHERE region = 'r' AND $1 > 0", 1), 0);
    bed_down(w);
    w->clouds[0].ops = memcloud_ops(w->aws);
    bed_up(w);
}

/* --- runners at GitHub -------------------------------------------------------------------------------------------- */

static size_t runners(struct bed *w)
{
    struct sim_github_stats stats;

    sim_github_stats(w->gh, &stats);
    return stats.runners;
}

/* A runner of this name at GitHub, never on line. */
static void register_runner(struct bed *w, const char *name)
{
    const struct github_repo repo = {7, BED_REPO_ID, BED_REPO};
    AUTO_SECRET struct secret *jit = NULL;
    int64_t id;
    struct err e;

    assert_int_equal(github_jitconfig(w->github, &repo, name, "[\"cirun-other\"]", &id, &jit, &e), 0);
}

static void test_sweep__a_runner_whose_machine_is_gone_is_removed(void **state)
{
    struct bed *w = *state;
    int64_t job;
    struct memcloud_call call = launch_one(w, &job);

    /* taken by its job as GitHub says, ended, and its registration stays */
    bed_deliver(w, job, JOB_RUNNING, "cirun-one", call.name);
    bed_deliver(w, job, JOB_DONE, "cirun-one", call.name);
    bed_pass(w, 0);
    bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_GONE), 1);
    assert_int_equal(runners(w), 1);
    bed_pass(w, 10 * MINUTE);
    assert_int_equal(runners(w), 0);
    assert_int_equal(events(w, "runner.swept", job), 1);
}

static void test_sweep__runners_that_may_be_anothers_stay(void **state)
{
    struct bed *w = *state;
    char ours[64], theirs[64];
    int64_t job;

    id_machine_name(theirs);
    register_runner(w, theirs);                              /* of another muster, just made */
    register_runner(w, "muster-shop");                       /* not of our form */
    register_runner(w, "muster-01hf7yat00000000000000000u"); /* nearly */
    (void)launch_one(w, &job);                               /* of a live record */
    bed_pass(w, 2 * SWEEP_FIRST_MS + 1000);
    bed_pass(w, 5 * MINUTE);
    assert_int_equal(runners(w), 4);
    /* a name that is older than any job may get, of which no record is left */
    (void)snprintf(ours, sizeof(ours), "muster-01aaaaaaaaaaaaaaaaaaaaaaaa");
    register_runner(w, ours);
    bed_pass(w, 16 * MINUTE);
    assert_true(runners(w) <= 4);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM event WHERE kind = 'runner.swept' AND $1 = 0", 0), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(test_sweep__##name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_machine_that_no_record_knows_ends_after_the_grace),
        T(another_deployments_machines_are_never_touched),
        T(a_record_that_was_lost_with_its_launchs_answer_leaves_no_machine),
        T(after_a_lost_store_a_healthy_job_is_finished_first),
        T(an_idle_runner_of_a_lost_store_is_removed_before_its_machine),
        T(what_github_cannot_tell_waits_for_the_end_of_the_lifetime),
        T(a_stopped_machine_costs_and_ends_without_asking_github),
        T(a_second_machine_of_the_same_name_ends_and_the_records_stays),
        T(a_machine_that_is_gone_by_its_record_and_there_all_the_same_ends),
        T(what_a_machine_left_behind_is_removed_without_asking_github),
        T(parts_of_a_machine_with_a_record_are_its_own_affair),
        T(a_refused_end_is_asked_for_again_and_again),
        T(a_stray_of_an_account_that_is_gone_is_told_of_once_and_forgotten_in_time),
        T(a_crowd_of_strangers_ends_in_small_portions),
        T(a_list_that_fails_on_a_page_concludes_nothing),
        T(a_list_without_end_is_left_and_concludes_nothing),
        T(a_list_that_is_minutes_old_kills_no_fresh_machine),
        T(a_machine_that_a_list_lacks_is_looked_for_alone),
        T(ten_thousand_machines_are_listed_in_little_memory),
        T(a_region_that_the_store_does_not_know_is_learned_from_the_cloud),
        T(a_region_is_remembered_before_anything_is_launched_there),
        T(a_region_that_no_request_goes_to_is_not_looked_at),
        T(a_runner_whose_machine_is_gone_is_removed),
        T(runners_that_may_be_anothers_stay),
    };

    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
