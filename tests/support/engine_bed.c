#include "tests/support/engine_bed.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"
#include "tests/support/deliver.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SETTLE_ROUNDS 2000000
#define POKE_EVERY 2000

static const char file_text[] =
    "runners:\n"
    "  - {name: gpu, cloud: aws, region: r, gpu: t4, machine_image: img, labels: [cirun-gpu],\n"
    "     instance_type: [small, big], preemptible: [true, false]}\n"
    "  - {name: other, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-gpu]}\n"
    "  - {name: one, cloud: aws, region: r, machine_image: img, instance_type: single, labels: [cirun-one]}\n";

void bed_up(struct bed *w)
{
    struct github_conf gc = {sim_github_url(w->gh), "12345", w->key, w->http};
    struct engine_conf c = {.app_key = w->key,
                            .clouds = w->clouds,
                            .n_clouds = 2,
                            .deployment = "test",
                            .workers = 4,
                            .limits = w->limits,
                            .lifetime_ms = 6 * 3600 * 1000,
                            .overtime_ms = w->overtime_ms,
                            .boot_deadline_ms = 15 * 60 * 1000,
                            .idle_grace_ms = 5 * 60 * 1000,
                            .http = w->http,
                            .fork_jobs = w->fork_jobs,
                            .policy = w->policy,
                            .bare_self_hosted = true,
                            .one_line = !w->no_one_line};
    struct err e;

    c.documented = w->documented;
    while (c.n_documented < ARRAY_LEN(w->documented) && w->documented[c.n_documented] != NULL)
        c.n_documented++;
    w->github = github_new(&gc);
    assert_int_equal(store_open(w->url, &w->store, &e), 0);
    c.github = w->github;
    c.store = w->store;
    w->g = engine_new(&c);
    assert_int_equal(engine_start(w->g, &e), 0);
}

void bed_down(struct bed *w)
{
    engine_drain(w->g, BED_WAIT_MS);
    store_close(w->store);
    engine_free(w->g);
    github_free(w->github);
}

static void start_github(struct bed *w)
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
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = BED_REPO_ID, .installation_id = 7, .full_name = BED_REPO});
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", file_text);
}

int bed_setup(void **state)
{
    struct bed *w = mem_zalloc(sizeof(*w));

    log_set_level(LOG_NONE);
    clock_test_set(BED_NOW);
    w->overtime_ms = 2 * 3600 * 1000;
    /* in memory where there is such a place: nothing here is about the disk, and it is written a thousand times */
    (void)snprintf(w->dir, sizeof(w->dir), "%s/muster-engine-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(w->dir) == NULL)
        return -1;
    (void)snprintf(w->url, sizeof(w->url), "sqlite:%s/store.db", w->dir);
    w->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    start_github(w);
    w->aws = memcloud_new("aws");
    w->gcp = memcloud_new("gcp");
    w->clouds[0] = (struct engine_cloud){memcloud_ops(w->aws), memcloud_provider(w->aws)};
    w->clouds[1] = (struct engine_cloud){memcloud_ops(w->gcp), memcloud_provider(w->gcp)};
    bed_up(w);
    if (db_sqlite.open(w->url, &w->db, &(struct err){ERR_NONE, 0, ""}))
        return -1;
    *state = w;
    return 0;
}

int bed_teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct bed *w = *state;
    struct buf bad = BUF_INIT(65536);
    char path[200];

    db_sqlite.close(w->db);
    bed_down(w);
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

void bed_deliver(struct bed *w, int64_t id, enum job_state job_state, const char *label, const char *runner)
{
    struct deliver_event ev = {
        .job_id = id, .repo_id = BED_REPO_ID, .state = job_state, .repo = BED_REPO, .label = label, .runner = runner};
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, id, &info));
    ev.run_id = info.run_id;
    deliver(w->g, &ev);
}

int64_t bed_create_job(struct bed *w, const struct sim_job_spec *spec, const char *label)
{
    struct sim_job_spec s = *spec;
    char labels[128];
    int64_t id;

    (void)snprintf(labels, sizeof(labels), "[\"%s\"]", label);
    s.repo = BED_REPO;
    s.labels = labels;
    s.head_sha = "0123456789012345678901234567890123456789";
    id = sim_github_job_create(w->gh, &s);
    assert_true(id > 0);
    return id;
}

int64_t bed_queue_job(struct bed *w, const struct sim_job_spec *spec, const char *label)
{
    int64_t id = bed_create_job(w, spec, label);

    bed_deliver(w, id, JOB_QUEUED, label, NULL);
    return id;
}

int64_t bed_served(struct bed *w, const char *label, size_t live)
{
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, label);

    assert_true(memcloud_wait_live(w->aws, live, BED_WAIT_MS));
    assert_true(bed_settle(w));
    return id;
}

static int poke_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    /* due long ago, so that the scheduler is woken whatever it waits for: it waits in real time */
    return store_task_put(t, TASK_MACHINE, "nobody", TASK_CHECK, 1, e);
}

/* Time passes, and the scheduler is told to look at its watch. */
void bed_advance(struct bed *w, int64_t ms)
{
    struct err e;

    clock_test_advance(ms);
    assert_int_equal(store_write(w->store, poke_tx, NULL, &e), 0);
}

/* --- what is there ---------------------------------------------------------------------------------------------- */

static int take_number(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    *(int64_t *)arg = cols[0].i;
    return 0;
}

int64_t bed_number(struct bed *w, const char *sql, int64_t v)
{
    struct db_val val = DB_I(v);
    int64_t out = -1;
    struct err e;

    if (db_sqlite.exec(w->db, sql, &val, 1, take_number, &out, NULL, &e))
        fail_msg("%s", e.msg);
    return out;
}

int64_t bed_job_state(struct bed *w, int64_t id)
{
    return bed_number(w, "SELECT state FROM job WHERE id = $1", id);
}

static int print_task(void *arg, const struct db_val *c, size_t n, struct err *e)
{
    (void)arg;
    (void)n;
    (void)e;
    (void)fprintf(stderr, "task of kind %lld, priority %lld: ready %lld ms from now, claimed %lld, attempts %lld: %s\n",
                  (long long)c[0].i, (long long)c[1].i, (long long)c[2].i, (long long)c[3].i, (long long)c[4].i,
                  c[5].s);
    return 0;
}

static void tell_tasks(struct bed *w)
{
    struct db_val now = DB_I(clock_now_ms());
    struct err e;

    if (db_sqlite.exec(w->db, "SELECT kind, priority, ready_ms - $1, claimed, attempts, subject FROM task", &now, 1,
                       print_task, NULL, NULL, &e))
        (void)fprintf(stderr, "%s\n", e.msg);
}

/* One commit wakes the scheduler; then looking costs none. */
bool bed_settle(struct bed *w)
{
    for (int i = 0; i < SETTLE_ROUNDS; i++) {
        if (i % POKE_EVERY == 0)
            bed_advance(w, 0);
        if (bed_number(w, "SELECT count(*) FROM task WHERE claimed = 1 OR ready_ms <= $1", clock_now_ms()) == 0)
            return true;
    }
    tell_tasks(w);
    return false;
}

void bed_pass(struct bed *w, int64_t ms)
{
    bed_advance(w, ms);
    assert_true(bed_settle(w));
}

void bed_pass_by(struct bed *w, int64_t ms, int64_t step)
{
    for (; ms > 0; ms -= step)
        bed_pass(w, ms < step ? ms : step);
}

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
void bed_wait_want(struct bed *w, int64_t id, enum job_want want, struct job *j)
{
    struct seen_job s = {id, j};
    struct err e;

    for (int i = 0; i < 5000; i++) {
        assert_int_equal(store_read(w->store, see_job_tx, &s, &e), 0);
        if (j->want == want && (want != WANT_REFUSED || j->reason != NULL))
            return;
        assert_int_equal(store_write(w->store, poke_tx, NULL, &e), 0);
    }
    fail_msg("job %lld wants %s (%s)", (long long)id, job_want_name(j->want), j->reason != NULL ? j->reason : "");
}

struct memcloud_call bed_call(struct memcloud *f, size_t i)
{
    struct memcloud_call calls[MEMCLOUD_MAX];
    size_t n = memcloud_calls(f, calls);

    assert_true(i < n);
    return calls[i];
}

size_t bed_asked(struct bed *w, const char *op)
{
    return sim_http_count(sim_github_http(w->gh), op);
}

size_t bed_asked_for_jobs(struct bed *w)
{
    return sim_http_count_all(sim_github_http(w->gh)) - bed_asked(w, SIM_GH_DELIVERIES);
}

char *bed_jit_of(const char *user_data)
{
    static const char key[] = "\nMUSTER_JIT='";
    const char *p = strstr(user_data, key);

    assert_non_null(p);
    p += sizeof(key) - 1;
    return mem_strndup(p, strcspn(p, "'"));
}

int64_t bed_boot(struct bed *w, struct memcloud *f, size_t i)
{
    char *jit = bed_jit_of(bed_call(f, i).text);
    int64_t runner_id = 0;
    struct err e;

    assert_int_equal(sim_github_runner_online(w->gh, jit, NULL, NULL, &runner_id, &e), 0);
    free(jit);
    return runner_id;
}
