/*
 * Demand and supply, with the real store and no worker running: deliveries come in, and what machines are wanted, kept,
 * marked or ended is read back.
 */
#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/engine_int.h"
#include "tests/support/deliver.h"
#include "tests/support/env.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW ((int64_t)1700000000000)
#define GRACE_MS (5 * 60 * 1000)
#define REPO 11

struct world {
    char dir[64], path[128];
    struct crypto_key *key;
    struct store *store;
    struct engine *g;
};

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    AUTO_SECRET struct secret *pem = NULL;
    struct engine_conf c = {.deployment = "test", .lifetime_ms = 3600000, .idle_grace_ms = GRACE_MS};
    char key[128], text[4096] = "", url[160];
    struct err e;
    FILE *f;

    log_set_level(LOG_NONE);
    clock_test_set(NOW);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/muster-balance-XXXXXX");
    if (mkdtemp(w->dir) == NULL)
        return -1;
    (void)snprintf(key, sizeof(key), "%s/key.pem", w->dir);
    (void)snprintf(w->path, sizeof(w->path), "%s/store.db", w->dir);
    (void)snprintf(url, sizeof(url), "sqlite:%s", w->path);
    env_write_key(key);
    f = fopen(key, "re");
    pem = secret_new(text, fread(text, 1, sizeof(text) - 1, f));
    (void)fclose(f);
    (void)unlink(key);
    assert_int_equal(crypto_key_parse(pem, "test key", &w->key, &e), 0);
    assert_int_equal(store_open(url, &w->store, &e), 0);
    c.store = w->store;
    c.app_key = w->key;
    w->g = engine_new(&c);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct world *w = *state;
    char path[160];

    store_close(w->store);
    engine_free(w->g);
    crypto_key_free(w->key);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", w->path, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    free(w);
    clock_test_release();
    return 0;
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

static void happened(struct world *w, int64_t repo_id, int64_t id, enum job_state job_state, const char *key,
                     const char *runner)
{
    deliver(w->g, &(struct deliver_event){.job_id = id,
                                          .run_id = 1,
                                          .repo_id = repo_id,
                                          .state = job_state,
                                          .repo = "octo/train",
                                          .label = key,
                                          .runner = runner});
}

struct admit {
    struct world *w;
    int64_t id;
    const char *key;
};

static int admit_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct admit *a = arg;
    struct balance b = {a->w->g, REPO, a->key, clock_now_ms(), 0};

    return store_job_decide(t, a->id, WANT_MACHINE, "{}", "", e) || balance_strike(t, &b, e) ? -1 : 0;
}

/* Queued and found to be ours. */
static void queue(struct world *w, int64_t id, const char *key)
{
    struct admit a = {w, id, key};
    struct err e;

    happened(w, REPO, id, JOB_QUEUED, key, NULL);
    assert_int_equal(store_write(w->store, admit_tx, &a, &e), 0);
}

static void put_in_state(struct machine *m, void *arg)
{
    (void)arg;
    m->launched_ms = clock_now_ms();
    m->runner_id = 1;
}

/* The machine goes through one event, as a worker would make it. */
static void happen(struct world *w, const char *name, enum fsm_event event)
{
    struct machine_change c = {.name = name, .event = event, .edit = put_in_state};
    struct err e;

    assert_int_equal(machine_change(w->g, &c, &e), 0);
    assert_true(c.applied);
}

static void boot(struct world *w, const char *name)
{
    happen(w, name, FSM_START);
    happen(w, name, FSM_LAUNCHED);
}

/* --- what is there ---------------------------------------------------------------------------------------------- */

struct seen {
    size_t n, marked;
    struct machine m[16];
};

static int see_one(void *arg, const struct machine *m, struct err *e)
{
    struct seen *s = arg;

    (void)e;
    s->m[s->n] = *m;
    s->marked += m->surplus_ms != 0 ? 1 : 0;
    s->n++;
    return 0;
}

static int see_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_machines_live(t, see_one, arg, e);
}

static struct seen see(struct world *w)
{
    struct seen s = {0};
    struct err e;

    assert_int_equal(store_read(w->store, see_tx, &s, &e), 0);
    return s;
}

static enum machine_state state_of(struct world *w, const char *name)
{
    struct seen s = see(w);

    for (size_t i = 0; i < s.n; i++) {
        if (strcmp(s.m[i].name, name) == 0)
            return s.m[i].state;
    }
    return M_GONE;
}

/* The name of the machine that was launched for a job. */
static void machine_for(struct world *w, int64_t job, char name[64])
{
    struct seen s = see(w);

    name[0] = '\0';
    for (size_t i = 0; i < s.n; i++) {
        if (s.m[i].job_id == job)
            memcpy(name, s.m[i].name, 64);
    }
    assert_true(name[0] != '\0');
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_balance__one_job_wants_one_machine_however_often_it_is_looked_at(void **state)
{
    struct world *w = *state;
    struct admit a = {w, 1, "gpu"};
    struct err e;

    queue(w, 1, "gpu");
    assert_int_equal(see(w).n, 1);
    assert_int_equal(store_write(w->store, admit_tx, &a, &e), 0);
    happened(w, REPO, 1, JOB_QUEUED, "gpu", NULL);
    assert_int_equal(see(w).n, 1);
}

static void test_balance__two_jobs_with_one_label_set_want_two_machines(void **state)
{
    struct world *w = *state;

    queue(w, 1, "gpu");
    queue(w, 2, "gpu");
    assert_int_equal(see(w).n, 2);
}

static void test_balance__a_stolen_machine_leaves_neither_job_without(void **state)
{
    struct world *w = *state;
    char first[64];

    queue(w, 1, "gpu");
    queue(w, 2, "gpu");
    machine_for(w, 1, first);
    boot(w, first);
    happened(w, REPO, 2, JOB_RUNNING, "gpu", first); /* the other job got it */
    assert_int_equal(state_of(w, first), M_BUSY);
    assert_int_equal(see(w).n, 2); /* the second one's machine now serves the first: nothing new */
    assert_int_equal(see(w).marked, 0);
}

static void test_balance__a_machine_taken_by_other_labels_is_replaced_and_the_other_one_retires(void **state)
{
    struct world *w = *state;
    char first[64], second[64];

    queue(w, 1, "big,gpu");
    queue(w, 2, "gpu");
    machine_for(w, 1, first);
    machine_for(w, 2, second);
    boot(w, first);
    boot(w, second);
    happened(w, REPO, 2, JOB_RUNNING, "gpu", first);
    assert_int_equal(see(w).n, 3); /* one more for the first job */
    assert_int_equal(see(w).marked, 1);
    assert_int_equal(state_of(w, second), M_BOOTING);
}

static void test_balance__cancelled_while_queued_ends_a_machine_that_never_went_out_at_once(void **state)
{
    struct world *w = *state;
    char name[64];

    queue(w, 1, "gpu");
    machine_for(w, 1, name);
    happened(w, REPO, 1, JOB_DONE, "gpu", NULL);
    assert_int_equal(state_of(w, name), M_ENDING);
}

static void test_balance__cancelled_while_booting_keeps_it_for_the_grace_and_the_next_job_takes_it(void **state)
{
    struct world *w = *state;
    char name[64];

    queue(w, 1, "gpu");
    machine_for(w, 1, name);
    boot(w, name);
    happened(w, REPO, 1, JOB_DONE, "gpu", NULL);
    assert_int_equal(see(w).marked, 1);
    queue(w, 2, "gpu");
    assert_int_equal(see(w).n, 1);
    assert_int_equal(see(w).marked, 0);
}

static void test_balance__completed_ends_the_machine_it_names_and_no_other(void **state)
{
    struct world *w = *state;
    char first[64], second[64];

    queue(w, 1, "gpu");
    queue(w, 2, "gpu");
    machine_for(w, 1, first);
    machine_for(w, 2, second);
    boot(w, first);
    boot(w, second);
    happened(w, REPO, 1, JOB_RUNNING, "gpu", second);
    happened(w, REPO, 1, JOB_DONE, "gpu", second);
    assert_int_equal(state_of(w, second), M_ENDING);
    assert_int_equal(state_of(w, first), M_BOOTING);
}

static void test_balance__a_foreign_runners_completion_ends_nothing(void **state)
{
    struct world *w = *state;
    char name[64];

    queue(w, 1, "gpu");
    machine_for(w, 1, name);
    boot(w, name);
    happened(w, REPO, 5, JOB_DONE, "gpu", "GitHub Actions 5");
    assert_int_equal(state_of(w, name), M_BOOTING);
    happened(w, REPO + 1, 6, JOB_DONE, "gpu", name); /* another repository's runner that took the same name */
    assert_int_equal(state_of(w, name), M_BOOTING);
}

static void test_balance__completed_before_in_progress_before_queued_ends_the_same(void **state)
{
    struct world *w = *state;
    char name[64];

    queue(w, 1, "gpu");
    machine_for(w, 1, name);
    boot(w, name);
    happened(w, REPO, 2, JOB_DONE, "gpu", name);
    happened(w, REPO, 2, JOB_RUNNING, "gpu", name);
    happened(w, REPO, 2, JOB_QUEUED, "gpu", NULL);
    assert_int_equal(state_of(w, name), M_ENDING);
    assert_int_equal(see(w).n, 2); /* the first job still waits, and has a new one */
}

static void test_balance__a_lost_machine_is_replaced_while_its_job_waits(void **state)
{
    struct world *w = *state;
    char name[64];

    queue(w, 1, "gpu");
    machine_for(w, 1, name);
    boot(w, name);
    happen(w, name, FSM_LOST);
    assert_int_equal(state_of(w, name), M_ENDING);
    assert_int_equal(see(w).n, 2);
}

static void test_balance__machines_that_never_take_their_job_are_not_launched_for_ever(void **state)
{
    struct world *w = *state;
    size_t launched = 0;

    queue(w, 1, "gpu");
    for (int i = 0; i < 3 * ENGINE_MAX_FAILURES; i++) {
        struct seen s = see(w);

        for (size_t k = 0; k < s.n; k++) {
            if (s.m[k].state == M_WANTED) {
                boot(w, s.m[k].name);
                happen(w, s.m[k].name, FSM_EXPIRED);
                happen(w, s.m[k].name, FSM_DESTROYED);
                launched++;
            }
        }
    }
    assert_int_equal(launched, ENGINE_MAX_FAILURES);
    assert_int_equal(see(w).n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_balance__one_job_wants_one_machine_however_often_it_is_looked_at),
        TEST(test_balance__two_jobs_with_one_label_set_want_two_machines),
        TEST(test_balance__a_stolen_machine_leaves_neither_job_without),
        TEST(test_balance__a_machine_taken_by_other_labels_is_replaced_and_the_other_one_retires),
        TEST(test_balance__cancelled_while_queued_ends_a_machine_that_never_went_out_at_once),
        TEST(test_balance__cancelled_while_booting_keeps_it_for_the_grace_and_the_next_job_takes_it),
        TEST(test_balance__completed_ends_the_machine_it_names_and_no_other),
        TEST(test_balance__a_foreign_runners_completion_ends_nothing),
        TEST(test_balance__completed_before_in_progress_before_queued_ends_the_same),
        TEST(test_balance__a_lost_machine_is_replaced_while_its_job_waits),
        TEST(test_balance__machines_that_never_take_their_job_are_not_launched_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
