/*
 * The real `muster serve` between a simulated GitHub and a simulated EC2 without latency: how long from a queued job to
 * the create call, from a completed one to the destroy call, how much memory, how soon ready (aims 7 to 12 of
 * the performance notes).
 *
 *     bench_daemon DIRECTORY        B = build directory; the daemon is $B/muster
 */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/store/store.h"
#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_util.h"
#include "tests/support/daemon.h"
#include "tests/support/env.h"
#include "tests/support/payload.h"
#include "tests/support/webclient.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECRET "bench-secret"
#define REPO "acme/model"
#define REPO_ID 186853002
#define INSTALLATION 3456996
#define BURST 1000
#define RUNS 4 /* a run has at most 256 jobs */
#define MACHINES 10000
#define JOBS 100000
#define CHUNK 1000
#define STARTS 7
#define ENDINGS 100
#define SETTLE_MS 2000
#define IDLE_MS 10000

static const char config_text[] = "runners:\n"
                                  "  - name: gpu\n"
                                  "    cloud: aws\n"
                                  "    region: us-east-1\n"
                                  "    instance_type: g4dn.xlarge\n"
                                  "    machine_image: " SIM_EC2_IMAGE "\n"
                                  "    labels: [cirun-gpu]\n";

static const char plan_text[] =
    "{\"candidates\":[{\"arch\":\"x64\",\"runner_url\":\"https://example.com/runner.tar.gz\",\"runner_sha256\":\"00\","
    "\"runner\":\"gpu\",\"cloud\":\"aws\",\"region\":\"us-east-1\",\"instance_type\":\"g4dn.xlarge\","
    "\"image\":\"" SIM_EC2_IMAGE "\",\"spot\":false}]}";

static void die(const char *what)
{
    fprintf(stderr, "bench_daemon: %s\n", what);
    exit(1);
}

static void verdict(const char *aim, double value, const char *unit, double wanted)
{
    printf("%-66s %6.2f %-3s (aim <= %.2f)  %s\n", aim, value, unit, wanted,
           value <= wanted ? "reached" : "NOT REACHED");
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(v[0]), compare);
    return v[n / 2];
}

/* --- the world around the daemon --------------------------------------------------------------------------------- */

struct world {
    const char *dir;
    struct sim_github *gh;
    struct sim_ec2 *ec2;
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0 || chmod(path, 0600) != 0)
        die(path);
}

static void start_world(struct world *w)
{
    struct sim_github_conf gc = {.webhook_secret = SECRET};
    struct sim_ec2_conf ec = {.region = "us-east-1"};
    char *private_pem, *public_pem, path[512];
    struct err e;

    sim_rsa_key(&private_pem, &public_pem);
    (void)snprintf(path, sizeof(path), "%s/app.pem", w->dir);
    write_file(path, private_pem);
    gc.public_key_pem = public_pem;
    if (sim_github_start(&gc, &w->gh, &e) || sim_ec2_start(&ec, &w->ec2, &e))
        die(e.msg);
    free(private_pem);
    free(public_pem);
    sim_github_add_installation(w->gh, INSTALLATION, "acme", NULL);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = REPO_ID, .installation_id = INSTALLATION, .full_name = REPO});
    sim_github_put_file(w->gh, REPO, "main", ".cirun.yml", config_text);
    sim_github_hook_options(w->gh, &(struct sim_hook_options){.parallel = 64});
}

/* A daemon whose store is `name` in the directory. */
static struct daemon_child *start_daemon(const struct world *w, const char *name)
{
    AUTO_ENV struct env env = {0};
    char url[600];
    struct daemon_child *d;

    env_sound(&env, w->dir);
    (void)snprintf(url, sizeof(url), "sqlite:%s/%s.db", w->dir, name);
    env_without_limits(&env);
    env_set(&env, "MUSTER_STORE", url);
    env_set(&env, "MUSTER_WEBHOOK_SECRET", SECRET);
    env_set(&env, "GITHUB_API_URL", sim_github_url(w->gh));
    env_set(&env, "AWS_ACCESS_KEY_ID", SIM_EC2_KEY);
    env_set(&env, "AWS_SECRET_ACCESS_KEY", SIM_EC2_SECRET);
    env_set(&env, "AWS_REGION", "us-east-1");
    env_set(&env, "AWS_ENDPOINT_URL", sim_ec2_url(w->ec2));
    d = daemon_start((const char *const *)env.v);
    if (d == NULL)
        die("the daemon did not start");
    return d;
}

static void stop_daemon(struct daemon_child *d)
{
    if (daemon_stop(d, SIGTERM) != 0)
        die("the daemon ended badly");
}

static double cpu_ms(const struct daemon_child *d)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(daemon_pid(d), &clock) != 0 || clock_gettime(clock, &t) != 0)
        die("the daemon has gone");
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- starting and remembering --------------------------------------------------------------------------------------
 */

static double ready_ms(const struct world *w, const char *name, bool fresh)
{
    double took[STARTS];

    for (int i = 0; i < STARTS; i++) {
        struct daemon_child *d;
        char own[64];
        int64_t began;

        (void)snprintf(own, sizeof(own), fresh ? "%s-%d" : "%s", name, i);
        began = clock_mono_us();
        d = start_daemon(w, own);
        took[i] = (double)(clock_mono_us() - began) / 1e3;
        stop_daemon(d);
    }
    return median(took, STARTS);
}

struct fill {
    int64_t first, n;
    bool machines;
    int64_t now_ms;
};

static int fill_job(struct store_tx *t, const struct fill *f, int64_t id, struct err *e)
{
    char repo[] = REPO, branch[] = "main", sha[] = "0123456789abcdef0123456789abcdef01234567", name[] = "train (gpu)",
         labels[] = "[\"self-hosted\",\"cirun-gpu\"]", key[] = "cirun-gpu,self-hosted", guid[64];
    const struct job j = {.id = id,
                          .run_id = id / 100 + 1,
                          .run_attempt = 1,
                          .repo_id = REPO_ID,
                          .installation_id = INSTALLATION,
                          .queued_ms = f->now_ms,
                          .updated_ms = f->now_ms,
                          .state = f->machines ? JOB_RUNNING : JOB_DONE,
                          .want = f->machines ? WANT_MACHINE : WANT_NOTHING,
                          .repo = repo,
                          .default_branch = branch,
                          .head_sha = sha,
                          .name = name,
                          .labels_json = labels,
                          .label_key = key};
    bool known, moved;
    int before;

    (void)snprintf(guid, sizeof(guid), "%08llx-0000-4000-8000-000000000000", (unsigned long long)id);
    if (store_delivery_put(t, guid, f->now_ms, &known, e) || store_job_merge(t, &j, &before, &moved, e))
        return -1;
    return store_event_add(t, f->now_ms, id, NULL, "job.queued", NULL, e);
}

static int fill_machine(struct store_tx *t, const struct fill *f, int64_t id, struct err *e)
{
    char repo[] = REPO, labels[] = "[\"self-hosted\",\"cirun-gpu\"]", key[] = "cirun-gpu,self-hosted",
         plan[sizeof(plan_text)];
    struct machine m = {.state = M_BUSY,
                        .job_id = id,
                        .taken_job_id = id,
                        .installation_id = INSTALLATION,
                        .repo_id = REPO_ID,
                        .runner_id = id,
                        .created_ms = f->now_ms,
                        .launched_ms = f->now_ms,
                        .expires_ms = f->now_ms + 24 * 3600 * 1000,
                        .cloud = "aws",
                        .region = "us-east-1",
                        .repo = repo,
                        .labels_json = labels,
                        .label_key = key,
                        .plan_json = plan};

    memcpy(plan, plan_text, sizeof(plan));
    (void)snprintf(m.name, sizeof(m.name), "muster-%026lld", (long long)id);
    (void)snprintf(m.instance_id, sizeof(m.instance_id), "i-%017llx", (unsigned long long)id);
    if (store_machine_insert(t, &m, e))
        return -1;
    return store_task_put(t, TASK_MACHINE, m.name, TASK_CHECK, f->now_ms + 3600 * 1000, e);
}

static int fill_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct fill *f = arg;

    for (int64_t id = f->first; id < f->first + f->n; id++) {
        if (fill_job(t, f, id, e) || (f->machines && fill_machine(t, f, id, e)))
            return -1;
    }
    return 0;
}

/* 100,000 jobs that are done, and if asked for 10,000 machines at work. */
static void fill_store(const struct world *w, const char *name, bool machines)
{
    struct fill f = {.first = 1, .n = CHUNK, .now_ms = clock_now_ms()};
    struct store *s;
    char url[600];
    struct err e;

    (void)snprintf(url, sizeof(url), "sqlite:%s/%s.db", w->dir, name);
    if (store_open(url, &s, &e))
        die(e.msg);
    for (; f.first <= JOBS; f.first += CHUNK) {
        if (store_write(s, fill_tx, &f, &e))
            die(e.msg);
    }
    f.machines = machines;
    for (int64_t end = f.first + MACHINES; machines && f.first < end; f.first += CHUNK) {
        if (store_write(s, fill_tx, &f, &e))
            die(e.msg);
    }
    store_close(s);
}

/* Deliver some events of jobs we do not care for, so that memory is that of a daemon at work. */
static void warm_up(const struct daemon_child *d)
{
    struct secret *secret = secret_new(SECRET, strlen(SECRET));
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    char guid[40];

    payload_write(&body, &(struct payload){
                             .job_id = PAYLOAD_FIRST_ID, .run_id = 1, .labels = "[\"ubuntu-latest\"]", .size = 11000});
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(guid, sizeof(guid), "ffffffff-0000-4000-8000-%012u", i);
        if (web_ask(daemon_port(d),
                    &(struct web_request){
                        .event = "workflow_job", .guid = guid, .secret = secret, .body = body.p, .len = body.len},
                    NULL) != 202)
            die("a delivery was refused");
    }
    secret_free(secret);
}

/* idle_percent (may be NULL): of a core, while nothing happens and no machine's check is due. */
static double memory_mib(const struct world *w, const char *name, double *idle_percent)
{
    struct daemon_child *d = start_daemon(w, name);
    double mib, before;

    warm_up(d);
    mib = (double)daemon_rss_kib(d) / 1024;
    if (idle_percent != NULL) {
        (void)poll(NULL, 0, SETTLE_MS); /* what a start looks for is over */
        before = cpu_ms(d);
        (void)poll(NULL, 0, IDLE_MS);
        *idle_percent = (cpu_ms(d) - before) / IDLE_MS * 100;
    }
    stop_daemon(d);
    return mib;
}

static void report_start_and_memory(const struct world *w)
{
    double idle = 0;

    verdict("12 exec -> ready, empty store", ready_ms(w, "empty", true), "ms", 30);
    fill_store(w, "jobs", false);
    verdict("12 exec -> ready, 100,000 remembered jobs", ready_ms(w, "jobs", false), "ms", 200);
    verdict("10 memory, idle", memory_mib(w, "idle", NULL), "MiB", 14);
    fill_store(w, "machines", true);
    verdict("10 memory, 10,000 live machines and 100,000 remembered jobs", memory_mib(w, "machines", &idle), "MiB", 40);
    verdict("11 idle CPU, 10,000 live machines between their checks", idle, "%", 0.5);
}

/* --- a thousand jobs at once ----------------------------------------------------------------------------------------
 */

static void create_jobs(struct world *w, int64_t *ids)
{
    int64_t run_of[RUNS] = {0};

    for (int i = 0; i < BURST; i++) {
        struct sim_job_info info;
        char labels[96];

        (void)snprintf(labels, sizeof(labels), "[\"self-hosted\",\"cirun-gpu--%d\"]", i);
        ids[i] = sim_github_job_create(
            w->gh, &(struct sim_job_spec){.repo = REPO, .labels = labels, .run_id = run_of[i % RUNS]});
        if (ids[i] == 0 || !sim_github_job(w->gh, ids[i], &info))
            die("the simulated GitHub refused a job");
        run_of[i % RUNS] = info.run_id;
    }
}

/* How long each job waited for its create call, in ms, in the order of launch. */
static void waits(struct world *w, double *out)
{
    for (size_t i = 0; i < BURST; i++) {
        struct sim_instance instance;
        struct sim_job_info job;
        char id[32];

        if (!sim_ec2_at(w->ec2, i, &instance) || !sim_ec2_tag(w->ec2, instance.id, "muster-job", id, sizeof(id)) ||
            !sim_github_job(w->gh, strtoll(id, NULL, 10), &job))
            die("a machine without a job");
        out[i] = (double)(instance.launched_ms - job.queued_ms);
    }
}

static void report_burst(struct world *w, struct daemon_child *d)
{
    static int64_t ids[BURST];
    static double wait[BURST];
    double cpu = cpu_ms(d);
    struct sim_http *api = sim_github_http(w->gh);

    create_jobs(w, ids);
    if (!sim_ec2_wait_launched(w->ec2, BURST, 120000))
        die("not every job got a machine within two minutes");
    cpu = cpu_ms(d) - cpu;
    waits(w, wait);
    verdict("7  queued -> create call, 1,000 jobs at once, median", median(wait, BURST), "ms", 100);
    verdict("7  ... the last one", wait[BURST - 1], "ms", 1000);
    verdict("7  ... CPU per job", cpu / BURST, "ms", 2);
    verdict("8  GitHub calls per queued job", (double)sim_http_count_all(api) / BURST, "", 1.1);
    verdict("8  reads of .cirun.yml per commit", (double)sim_http_count(api, SIM_GH_CONTENTS) / RUNS, "", 1);
}

/* --- the end of a machine --------------------------------------------------------------------------------------------
 */

static double end_one(struct world *w, const struct daemon_child *d, const struct secret *secret, size_t index)
{
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    struct sim_instance m;
    int64_t sent_ms;
    char guid[48], job[32];

    if (!sim_ec2_at(w->ec2, index, &m) || !sim_ec2_tag(w->ec2, m.id, "muster-job", job, sizeof(job)))
        die("a machine is missing");
    payload_write(
        &body,
        &(struct payload){
            .action = "completed", .runner = m.name, .job_id = strtoll(job, NULL, 10), .run_id = 1, .size = 11000});
    (void)snprintf(guid, sizeof(guid), "eeeeeeee-0000-4000-8000-%012zu", index);
    sent_ms = clock_now_ms();
    if (web_ask(daemon_port(d),
                &(struct web_request){
                    .event = "workflow_job", .guid = guid, .secret = secret, .body = body.p, .len = body.len},
                NULL) != 202)
        die("a completed event was refused");
    if (!sim_ec2_wait_live(w->ec2, BURST - index - 1, 20000) || !sim_ec2_find(w->ec2, m.id, &m))
        die("a machine outlived its job");
    return (double)(m.ended_ms - sent_ms);
}

static void report_endings(struct world *w, const struct daemon_child *d)
{
    struct secret *secret = secret_new(SECRET, strlen(SECRET));
    double took[ENDINGS];

    for (size_t i = 0; i < ENDINGS; i++)
        took[i] = end_one(w, d, secret, i);
    verdict("9  completed -> destroy call arriving, median", median(took, ENDINGS), "ms", 20);
    verdict("9  ... the slowest of a hundred", took[ENDINGS - 1], "ms", 100);
    secret_free(secret);
}

static void report_work(struct world *w)
{
    struct daemon_child *d = start_daemon(w, "work");
    char hook[64];

    (void)snprintf(hook, sizeof(hook), "http://127.0.0.1:%d/webhook", daemon_port(d));
    sim_github_webhook(w->gh, hook);
    report_burst(w, d);
    sim_github_webhook(w->gh, NULL);
    report_endings(w, d);
    stop_daemon(d);
}

int main(int argc, char **argv)
{
    struct world w = {.dir = argc == 2 ? argv[1] : NULL};

    if (w.dir == NULL)
        die("usage: bench_daemon DIRECTORY");
    (void)signal(SIGPIPE, SIG_IGN);
    start_world(&w);
    report_start_and_memory(&w);
    report_work(&w);
    sim_github_free(w.gh);
    sim_ec2_free(w.ec2);
    return 0;
}
