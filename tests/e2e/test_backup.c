/* `muster backup` as an operator uses it: beside the real daemon under load, by hand with its mistakes, and restored.
 */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/store/store.h"
#include "tests/support/old_store.h"
#include "tests/support/run.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define GPU_LABELS "[\"self-hosted\",\"cirun.gpu\"]"

struct bed {
    struct world *w;
    char store[120], settings[120], copy[120];
};

static int setup(void **state)
{
    struct bed *b = mem_zalloc(sizeof(*b));
    FILE *f;

    b->w = world_new(&(struct world_conf){.work_ms = 300, .seed = 3});
    (void)snprintf(b->store, sizeof(b->store), "%s/store.db", b->w->dir);
    (void)snprintf(b->settings, sizeof(b->settings), "%s/backup.yml", b->w->dir);
    (void)snprintf(b->copy, sizeof(b->copy), "%s/copy.db", b->w->dir);
    f = fopen(b->settings, "we");
    if (f == NULL || fprintf(f, "store: sqlite:%s\n", b->store) < 0 || fclose(f) != 0)
        return -1;
    *state = b;
    return world_daemon_up(b->w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    size_t violations = world_violations(b->w);
    int rc = b->w->daemon != NULL ? world_daemon_down(b->w, SIGTERM) : 0;

    (void)unlink(b->settings);
    (void)unlink(b->copy);
    world_free(b->w);
    free(b);
    assert_int_equal(violations, 0);
    assert_int_equal(rc, 0);
    return 0;
}

static void queue(struct bed *b, int n)
{
    for (int i = 0; i < n; i++)
        assert_true(sim_github_job_create(
                        b->w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = GPU_LABELS, .name = "train"}) >
                    0);
}

/* The exit status; what it wrote is in out, which is emptied before. */
static int backup(struct bed *b, struct buf *out, const char *option)
{
    const char *const args[] = {"backup", "-c", b->settings, b->copy, option, NULL};

    buf_clear(out);
    return run_muster(args, out);
}

static void test_backup__copies_beside_the_running_daemon_are_whole_and_no_job_waits_for_them(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);
    struct stat st;

    queue(b, 20);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(backup(b, &out, "--force"), 0);
        assert_int_equal(
            old_store_ask(b->copy, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
    }
    assert_int_equal(stat(b->copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(sim_github_wait_completed(b->w->gh, 20, WAIT_MS));
    assert_true(sim_ec2_wait_live(b->w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(b->w->ec2), 20);
}

static void test_backup__says_what_it_made_and_what_it_will_not_do(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);
    AUTO_JSON json_t *said = NULL;
    const char *file;
    int64_t bytes = 0;
    struct err e;

    assert_int_equal(backup(b, &out, "--json"), 0);
    assert_int_equal(js_parse(out.p, out.len, &said, &e), 0);
    assert_int_equal(js_str(said, "file", &file, &e) || js_i64(said, "bytes", &bytes, &e), 0);
    assert_string_equal(file, b->copy);
    assert_true(bytes > 4096);
    assert_int_equal(backup(b, &out, NULL), 1);
    assert_non_null(strstr(out.p, "--force replaces it"));
    assert_int_equal(backup(b, &out, "--nonsense"), 2);
    assert_int_equal(backup(b, &out, "another-target"), 2);
    buf_clear(&out);
    assert_int_equal(run_muster((const char *const[]){"backup", "-c", b->settings, NULL}, &out), 2);
    assert_non_null(strstr(out.p, "TARGET is missing"));
    buf_clear(&out);
    assert_int_equal(run_muster((const char *const[]){"backup", "-c", b->settings, "--force", b->store, NULL}, &out),
                     1);
    assert_non_null(strstr(out.p, "of the store itself"));
}

/* The daemon dies, and its store is the copy. */
static void restore(struct bed *b)
{
    static const char *const ends[] = {"-wal", "-shm", "-lock"};
    char side[140];

    assert_int_equal(world_daemon_down(b->w, SIGKILL), 128 + SIGKILL);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(side, sizeof(side), "%s%s", b->store, ends[i]);
        (void)unlink(side);
    }
    assert_int_equal(rename(b->copy, b->store), 0);
}

/* Machines that the copy does not know run their jobs to the end and are gone; those that it knows are finished. */
static void test_backup__an_old_copy_loses_no_job_that_waits_and_leaves_no_machine(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(65536);
    struct sim_github_stats stats;

    queue(b, 6);
    assert_true(sim_ec2_wait_launched(b->w->ec2, 2, WAIT_MS));
    assert_int_equal(backup(b, &out, NULL), 0);
    queue(b, 4);
    assert_true(sim_ec2_wait_launched(b->w->ec2, 10, WAIT_MS));
    assert_true(sim_github_wait_deliveries(b->w->gh, WAIT_MS));
    restore(b);
    queue(b, 5); /* while nobody listens: their deliveries fail, and are in GitHub's log */
    assert_true(world_daemon_up(b->w));
    sim_github_redeliver_failed(b->w->gh);
    assert_true(sim_github_wait_completed(b->w->gh, 15, WAIT_MS));
    assert_true(sim_ec2_wait_live(b->w->ec2, 0, WAIT_MS));
    sim_github_stats(b->w->gh, &stats);
    assert_int_equal(stats.completed, 15);
    assert_int_equal(stats.cancelled, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_backup__copies_beside_the_running_daemon_are_whole_and_no_job_waits_for_them),
        T(test_backup__says_what_it_made_and_what_it_will_not_do),
        T(test_backup__an_old_copy_loses_no_job_that_waits_and_leaves_no_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
