/*
 * The engine whole, in one process: real store, real GitHub client against the simulated GitHub, and a cloud in memory
 * that refuses and loses what the test asks. Deliveries are handed in as the webhook would.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/engine_int.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_util.h"
#include "tests/support/memcloud.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW ((int64_t)1700000000000)
#define REPO "octo/train"
#define WAIT_MS 20000

static const char file_text[] =
    "runners:\n"
    "  - {name: gpu, cloud: aws, region: r, gpu: t4, machine_image: img, labels: [cirun-gpu],\n"
    "     instance_type: [small, big], preemptible: [true, false]}\n"
    "  - {name: other, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-gpu]}\n"
    "  - {name: one, cloud: aws, region: r, machine_image: img, instance_type: single, labels: [cirun-one]}\n";

struct world {
    char dir[64], url[160];
    struct sim_github *gh;
    struct crypto_key *key;
    struct httpc *http;
    struct github *github;
    struct memcloud *aws, *gcp;
    struct engine_cloud clouds[2];
    struct store *store;
    struct engine *g;
    bool fork_jobs;
    int deliveries;
};

static void engine_up(struct world *w)
{
    struct github_conf gc = {sim_github_url(w->gh), "12345", w->key, w->http};
    struct engine_conf c = {.app_key = w->key,
                            .clouds = w->clouds,
                            .n_clouds = 2,
                            .deployment = "test",
                            .workers = 4,
                            .lifetime_ms = 6 * 3600 * 1000,
                            .boot_deadline_ms = 15 * 60 * 1000,
                            .idle_grace_ms = 5 * 60 * 1000,
                            .fork_jobs = w->fork_jobs,
                            .bare_self_hosted = true};
    struct err e;

    w->github = github_new(&gc);
    assert_int_equal(store_open(w->url, &w->store, &e), 0);
    c.github = w->github;
    c.store = w->store;
    w->g = engine_new(&c);
    assert_int_equal(engine_start(w->g, &e), 0);
}

static void engine_down(struct world *w)
{
    engine_drain(w->g, WAIT_MS);
    store_close(w->store);
    engine_free(w->g);
    github_free(w->github);
}

static void start_github(struct world *w)
{
    char *private_pem, *public_pem;
    struct secret *pem;
    struct err e;

    sim_rsa_key(&private_pem, &public_pem);
    pem = secret_new(private_pem, strlen(private_pem));
    assert_int_equal(crypto_key_parse(pem, "test key", &w->key, &e), 0);
    assert_int_equal(
        sim_github_start(&(struct sim_github_conf){.app_id = "12345", .public_key_pem = public_pem}, &w->gh, &e), 0);
    secret_free(pem);
    free(private_pem);
    free(public_pem);
    sim_github_add_installation(w->gh, 7, "octo", NULL);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = 11, .installation_id = 7, .full_name = REPO});
    sim_github_put_file(w->gh, REPO, "main", ".cirun.yml", file_text);
}

static int setup(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));

    log_set_level(LOG_NONE);
    clock_test_set(NOW);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/muster-engine-XXXXXX");
    if (mkdtemp(w->dir) == NULL)
        return -1;
    (void)snprintf(w->url, sizeof(w->url), "sqlite:%s/store.db", w->dir);
    w->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    start_github(w);
    w->aws = memcloud_new("aws");
    w->gcp = memcloud_new("gcp");
    w->clouds[0] = (struct engine_cloud){memcloud_ops(w->aws), memcloud_provider(w->aws)};
    w->clouds[1] = (struct engine_cloud){memcloud_ops(w->gcp), memcloud_provider(w->gcp)};
    engine_up(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct world *w = *state;
    struct buf bad = BUF_INIT(65536);
    char path[200];

    engine_down(w);
    sim_http_violation_text(sim_github_http(w->gh), &bad);
    if (bad.len > 0)
        print_error("requests GitHub would not expect:\n%s\n", bad.p);
    assert_int_equal(bad.len, 0);
    sim_github_free(w->gh);
    memcloud_free(w->aws);
    memcloud_free(w->gcp);
    httpc_free(w->http);
    crypto_key_free(w->key);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s/store.db%s", w->dir, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    free(w);
    clock_test_release();
    return 0;
}

/* --- what happens ----------------------------------------------------------------------------------------------- */

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
};

static void answered(void *arg, enum delivery_outcome outcome, int rc, const struct err *e)
{
    struct answer *a = arg;

    (void)outcome;
    (void)e;
    assert_int_equal(rc, 0);
    (void)pthread_mutex_lock(&a->lock);
    a->over = true;
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->lock);
}

static void deliver(struct world *w, int64_t id, enum job_state job_state, const char *label, const char *runner)
{
    struct answer a = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct sim_job_info info;
    struct job j = {.id = id, .run_attempt = 1, .repo_id = 11, .installation_id = 7, .state = job_state};
    char text[128];

    assert_true(sim_github_job(w->gh, id, &info));
    j.run_id = info.run_id;
    j.queued_ms = j.updated_ms = clock_now_ms();
    j.repo = mem_strdup(REPO);
    j.head_sha = mem_strdup("0123456789012345678901234567890123456789");
    j.name = mem_strdup("train");
    (void)snprintf(text, sizeof(text), "[\"%s\"]", label);
    j.labels_json = mem_strdup(text);
    j.label_key = mem_strdup(label);
    j.runner_name = mem_strdup(runner);
    (void)snprintf(text, sizeof(text), "00000000-0000-0000-0000-%012d", ++w->deliveries);
    engine_deliver(w->g, text, &j, answered, &a);
    engine_flush(w->g);
    (void)pthread_mutex_lock(&a.lock);
    while (!a.over)
        (void)pthread_cond_wait(&a.cond, &a.lock);
    (void)pthread_mutex_unlock(&a.lock);
}

static int64_t queue_job(struct world *w, const struct sim_job_spec *spec, const char *label)
{
    struct sim_job_spec s = *spec;
    char labels[128];
    int64_t id;

    (void)snprintf(labels, sizeof(labels), "[\"%s\"]", label);
    s.repo = REPO;
    s.labels = labels;
    s.head_sha = "0123456789012345678901234567890123456789";
    id = sim_github_job_create(w->gh, &s);
    assert_true(id > 0);
    deliver(w, id, JOB_QUEUED, label, NULL);
    return id;
}

static int poke_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    return store_task_put(t, TASK_MACHINE, "nobody", TASK_CHECK, clock_now_ms(), e);
}

/* Time passes, and the scheduler is told to look at its watch. */
static void pass(struct world *w, int64_t ms)
{
    struct err e;

    clock_test_advance(ms);
    assert_int_equal(store_write(w->store, poke_tx, NULL, &e), 0);
}

/* --- what is there ---------------------------------------------------------------------------------------------- */

struct seen_job {
    int64_t id;
    struct job *j;
};

static int see_job_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct seen_job *s = arg;
    bool found;

    job_clear(s->j);
    return store_job_get(t, s->id, s->j, &found, e);
}

/* Wait, by poking, until the job's decision is as said. */
static void wait_want(struct world *w, int64_t id, enum job_want want, struct job *j)
{
    struct seen_job s = {id, j};
    int64_t until = clock_mono_ms() + 1;
    struct err e;

    (void)until;
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(store_read(w->store, see_job_tx, &s, &e), 0);
        if (j->want == want && (want != WANT_REFUSED || j->reason != NULL))
            return;
        assert_int_equal(store_write(w->store, poke_tx, NULL, &e), 0);
    }
    fail_msg("job %lld wants %s (%s)", (long long)id, job_want_name(j->want), j->reason != NULL ? j->reason : "");
}

static struct memcloud_call call(struct memcloud *f, size_t i)
{
    static struct memcloud_call calls[MEMCLOUD_MAX];
    size_t n = memcloud_calls(f, calls);

    assert_true(i < n);
    return calls[i];
}

static size_t asked(struct world *w, const char *op)
{
    return sim_http_count(sim_github_http(w->gh), op);
}

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_engine__a_queued_job_gets_one_machine_and_completed_takes_it_away(void **state)
{
    struct world *w = *state;
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu--1");

    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    deliver(w, id, JOB_RUNNING, "cirun-gpu--1", call(w->aws, 0).name);
    deliver(w, id, JOB_DONE, "cirun-gpu--1", call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_engine__a_second_job_of_the_run_asks_github_for_its_runner_only(void **state)
{
    struct world *w = *state;
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu--1");
    struct sim_job_info info;

    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    assert_true(sim_github_job(w->gh, id, &info));
    assert_int_equal(asked(w, SIM_GH_TOKEN), 2); /* one to read, one for runners: each as narrow as its purpose */
    assert_int_equal(asked(w, SIM_GH_RUN), 1);
    assert_int_equal(asked(w, SIM_GH_CONTENTS), 1);
    assert_int_equal(asked(w, SIM_GH_JITCONFIG), 1);
    assert_int_equal(sim_http_count_all(sim_github_http(w->gh)), 5);
    (void)queue_job(w, &(struct sim_job_spec){.run_id = info.run_id}, "cirun-gpu--2");
    assert_true(memcloud_wait_live(w->aws, 2, WAIT_MS));
    assert_int_equal(asked(w, SIM_GH_JITCONFIG), 2);
    assert_int_equal(sim_http_count_all(sim_github_http(w->gh)), 6);
}

static void test_engine__no_capacity_goes_down_the_chain_in_order(void **state)
{
    struct world *w = *state;

    memcloud_refuse(w->aws, "small", ERR_CAPACITY, 0);
    memcloud_refuse(w->aws, "big", ERR_QUOTA, 0);
    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->gcp, 1, WAIT_MS));
    assert_string_equal(call(w->aws, 0).instance_type, "small");
    assert_true(call(w->aws, 0).spot);
    assert_string_equal(call(w->aws, 1).instance_type, "big");
    assert_false(call(w->aws, 1).spot);
    assert_string_equal(call(w->gcp, 0).name, call(w->aws, 0).name);
    assert_string_not_equal(call(w->gcp, 0).token, call(w->aws, 0).token);
}

static void test_engine__bad_credentials_skip_to_the_next_cloud(void **state)
{
    struct world *w = *state;
    struct memcloud_call calls[MEMCLOUD_MAX];

    memcloud_refuse(w->aws, NULL, ERR_AUTH, 0);
    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->gcp, 1, WAIT_MS));
    assert_int_equal(memcloud_calls(w->aws, calls), 1);
}

static void test_engine__a_throttled_launch_is_the_same_request_again(void **state)
{
    struct world *w = *state;

    memcloud_refuse(w->aws, "single", ERR_THROTTLED, 1);
    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, WAIT_MS));
    assert_int_equal(memcloud_live(w->aws), 0);
    for (int i = 0; i < 200 && memcloud_live(w->aws) == 0; i++)
        pass(w, 1000);
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    assert_string_equal(call(w->aws, 0).token, call(w->aws, 1).token);
    assert_memory_equal(call(w->aws, 0).user_data, call(w->aws, 1).user_data, 32);
    assert_int_equal(asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_lost_answer_makes_no_second_machine(void **state)
{
    struct world *w = *state;

    memcloud_lose_answers(w->aws, 1);
    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, WAIT_MS));
    for (int i = 0; i < 2000 && memcloud_calls(w->aws, (struct memcloud_call[MEMCLOUD_MAX]){0}) < 2; i++)
        pass(w, 1000);
    assert_true(memcloud_wait_calls(w->aws, 2, WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_memory_equal(call(w->aws, 0).user_data, call(w->aws, 1).user_data, 32);
}

static void test_engine__a_restart_in_the_middle_of_a_launch_repeats_it_to_the_byte(void **state)
{
    struct world *w = *state;

    memcloud_lose_answers(w->aws, 1);
    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_calls(w->aws, 1, WAIT_MS));
    engine_down(w);
    clock_test_advance(3600 * 1000);
    engine_up(w);
    assert_true(memcloud_wait_calls(w->aws, 2, WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_string_equal(call(w->aws, 0).token, call(w->aws, 1).token);
    assert_memory_equal(call(w->aws, 0).user_data, call(w->aws, 1).user_data, 32);
    assert_int_equal(asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_job_for_which_nothing_can_work_is_refused_with_every_reason(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, NULL, ERR_INVALID, 0);
    id = queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "candidate 1 (aws r single)"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__no_capacity_anywhere_keeps_the_job_waiting_and_tries_again(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 2);
    id = queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    for (int i = 0; i < 2000 && memcloud_live(w->aws) == 0; i++)
        pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    wait_want(w, id, WANT_MACHINE, &j);
    assert_string_not_equal(call(w->aws, 0).token, call(w->aws, 1).token); /* another round is another request */
    assert_int_equal(asked(w, SIM_GH_JITCONFIG), 1);
}

static void test_engine__a_forks_run_gets_nothing_and_its_file_is_never_read(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = queue_job(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, "cirun-gpu");

    wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "fork"));
    assert_int_equal(asked(w, SIM_GH_CONTENTS), 0);
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__a_deleted_forks_run_is_a_forks_run(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = queue_job(w, &(struct sim_job_spec){.head_repo_id = -1, .event = "pull_request"}, "cirun-gpu");

    wait_want(w, id, WANT_REFUSED, &j);
}

static void test_engine__an_unreadable_file_refuses_with_line_and_column(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id;

    sim_github_put_file(w->gh, REPO, "main", ".cirun.yml", "runners:\n  - name: [a\n");
    id = queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, ".cirun.yml:"));
}

static void test_engine__a_label_nobody_has_is_refused_with_the_nearest(void **state)
{
    struct world *w = *state;
    AUTO_JOB struct job j = {0};
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-gpo");

    wait_want(w, id, WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "did you mean \"cirun-gpu\"?"));
}

static void test_engine__a_machine_that_never_registers_is_replaced_by_the_next_candidate(void **state)
{
    struct world *w = *state;

    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-gpu");
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        pass(w, 60 * 1000);
    assert_true(memcloud_wait_calls(w->aws, 2, WAIT_MS));
    assert_string_equal(call(w->aws, 0).instance_type, "small");
    assert_string_equal(call(w->aws, 1).instance_type, "big");
    assert_string_not_equal(call(w->aws, 0).name, call(w->aws, 1).name);
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS)); /* the first one is destroyed */
}

static void test_engine__a_reclaimed_machine_is_replaced_while_its_job_waits(void **state)
{
    struct world *w = *state;

    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    memcloud_lose(w->aws, call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_made(w->aws) < 2; i++)
        pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 2);
}

static void test_engine__a_cancelled_jobs_machine_is_retired_after_its_grace_and_its_runner_first(void **state)
{
    struct world *w = *state;
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    struct sim_github_stats stats;

    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    sim_github_job_cancel(w->gh, id);
    deliver(w, id, JOB_DONE, "cirun-one", NULL);
    assert_int_equal(memcloud_live(w->aws), 1);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, WAIT_MS));
    assert_int_equal(asked(w, SIM_GH_RUNNER_DELETE), 1);
    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.runners, 0);
}

static void test_engine__destroying_is_repeated_until_the_cloud_does_it(void **state)
{
    struct world *w = *state;
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    memcloud_refuse_destroy(w->aws, ERR_AUTH, 3);
    deliver(w, id, JOB_DONE, "cirun-one", call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        pass(w, 10 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, WAIT_MS));
    assert_true(memcloud_destroys(w->aws) >= 4);
}

static void test_engine__a_lifetime_that_is_over_ends_the_machine(void **state)
{
    struct world *w = *state;
    int64_t id = queue_job(w, &(struct sim_job_spec){0}, "cirun-one");

    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    deliver(w, id, JOB_RUNNING, "cirun-one", call(w->aws, 0).name);
    for (int i = 0; i < 2000 && memcloud_live(w->aws) > 0; i++)
        pass(w, 5 * 60 * 1000);
    assert_true(memcloud_wait_live(w->aws, 0, WAIT_MS));
}

static void test_engine__the_user_data_carries_the_runner_configuration_and_the_daemon_forgets_it(void **state)
{
    struct world *w = *state;

    (void)queue_job(w, &(struct sim_job_spec){0}, "cirun-one");
    assert_true(memcloud_wait_live(w->aws, 1, WAIT_MS));
    assert_non_null(strstr(call(w->aws, 0).text, "MUSTER_JIT='"));
    assert_non_null(strstr(call(w->aws, 0).text, call(w->aws, 0).name));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_engine__a_queued_job_gets_one_machine_and_completed_takes_it_away),
        TEST(test_engine__a_second_job_of_the_run_asks_github_for_its_runner_only),
        TEST(test_engine__no_capacity_goes_down_the_chain_in_order),
        TEST(test_engine__bad_credentials_skip_to_the_next_cloud),
        TEST(test_engine__a_throttled_launch_is_the_same_request_again),
        TEST(test_engine__a_lost_answer_makes_no_second_machine),
        TEST(test_engine__a_restart_in_the_middle_of_a_launch_repeats_it_to_the_byte),
        TEST(test_engine__a_job_for_which_nothing_can_work_is_refused_with_every_reason),
        TEST(test_engine__no_capacity_anywhere_keeps_the_job_waiting_and_tries_again),
        TEST(test_engine__a_forks_run_gets_nothing_and_its_file_is_never_read),
        TEST(test_engine__a_deleted_forks_run_is_a_forks_run),
        TEST(test_engine__an_unreadable_file_refuses_with_line_and_column),
        TEST(test_engine__a_label_nobody_has_is_refused_with_the_nearest),
        TEST(test_engine__a_machine_that_never_registers_is_replaced_by_the_next_candidate),
        TEST(test_engine__a_reclaimed_machine_is_replaced_while_its_job_waits),
        TEST(test_engine__a_cancelled_jobs_machine_is_retired_after_its_grace_and_its_runner_first),
        TEST(test_engine__destroying_is_repeated_until_the_cloud_does_it),
        TEST(test_engine__a_lifetime_that_is_over_ends_the_machine),
        TEST(test_engine__the_user_data_carries_the_runner_configuration_and_the_daemon_forgets_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
