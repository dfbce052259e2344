#include "tests/support/lab.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_timer.h"
#include "tests/sim/sim_util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000
#define CALM_MS 60000       /* real time without a job that ends: a backlog takes what it takes */
#define CALM_PLAIN_MS 90000 /* where the daemon's time is the real one too: its shortest waits are of a minute */
#define NOWHERE "http://127.0.0.1:1/webhook" /* refuses: the daemon is down */

static const char file_text[] =
    "runners:\n"
    "  - name: gpu\n    cloud: aws\n    instance_type: g4dn.xlarge\n    machine_image: " SIM_EC2_IMAGE "\n"
    "    region: us-east-1\n    preemptible: [true, false]\n    labels: [cirun-gpu]\n"
    "  - name: cpu\n    cloud: aws\n    instance_type: t3.large\n    machine_image: " SIM_EC2_IMAGE "\n"
    "    region: us-east-1\n    labels: [cirun-cpu]\n"
    "  - name: big\n    cloud: aws\n    instance_type: c5.2xlarge\n    machine_image: " SIM_EC2_IMAGE "\n"
    "    region: us-east-1\n    labels: [cirun-big, cirun-special]\n";

/* --- clocks ------------------------------------------------------------------------------------------------------- */

struct lab_clock {
    pthread_t thread;
    atomic_bool stop;
    int64_t base_mono_ns, base_wall_ns, shown_ms;
    int rate;
};

void lab_skip(struct lab *l, int64_t ms)
{
    (void)atomic_fetch_add(&l->shim->ahead_ns, ms * 1000000);
    clock_test_advance(ms);
}

static int64_t real_ns(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

int64_t lab_real_ms(void)
{
    return real_ns(CLOCK_MONOTONIC) / 1000000;
}

void lab_pause(int ms)
{
    (void)poll(NULL, 0, ms);
}

static void *run_clock(void *arg)
{
    struct lab_clock *c = arg;

    while (!atomic_load(&c->stop)) {
        int64_t ms = (real_ns(CLOCK_MONOTONIC) - c->base_mono_ns) * c->rate / 1000000;

        clock_test_advance(ms - c->shown_ms);
        c->shown_ms = ms;
        lab_pause(2);
    }
    return NULL;
}

/* The simulators' clock goes as fast as the daemon's, from the same moment. */
static void start_clock(struct lab *l)
{
    struct lab_clock *c = mem_zalloc(sizeof(*c));

    c->rate = l->conf.rate;
    c->base_mono_ns = real_ns(CLOCK_MONOTONIC);
    c->base_wall_ns = real_ns(CLOCK_REALTIME);
    l->clock = c;
    if (l->conf.plain)
        return;
    clock_test_set(c->base_wall_ns / 1000000);
    if (pthread_create(&c->thread, NULL, run_clock, c) != 0)
        abort();
}

static void stop_clock(struct lab *l)
{
    atomic_store(&l->clock->stop, true);
    if (!l->conf.plain) {
        (void)pthread_join(l->clock->thread, NULL);
        clock_test_release();
    }
    free(l->clock);
}

/* --- life -----------------------------------------------------------------------------------------------------------
 */

static void map_shim(struct lab *l)
{
    const char *build = getenv("B");
    char *library = realpath(build != NULL ? build : "build", NULL);
    int fd;
    void *p;

    (void)snprintf(l->shim_path, sizeof(l->shim_path), "%s/shim", l->w->dir);
    fd = open(l->shim_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (library == NULL || fd < 0 || ftruncate(fd, sizeof(*l->shim)) != 0)
        abort();
    p = mmap(NULL, sizeof(*l->shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (p == MAP_FAILED)
        abort();
    l->shim = p;
    l->shim->no_sync = 1;
    l->shim->keep_synced = l->conf.keep_synced;
    l->shim->rate = l->conf.rate;
    l->shim->base_mono_ns = l->clock->base_mono_ns;
    l->shim->base_wall_ns = l->clock->base_wall_ns;
    env_addf(&l->w->env, "LD_PRELOAD=%s/preload.so", library);
    env_addf(&l->w->env, SHIM_VARIABLE "=%s", l->shim_path);
    free(library);
}

void lab_keep_warm(struct lab *l, int replicas)
{
    char text[1000];

    (void)snprintf(text, sizeof(text),
                   "runners:\n  - name: warm\n    cloud: aws\n    instance_type: t3.large\n    machine_image: %s\n"
                   "    region: us-east-1\n    labels: [cirun-warm]\n    idle: {replicas: %d}\n",
                   SIM_EC2_IMAGE, replicas);
    sim_github_put_file(l->w->gh, LAB_WARM_REPO, "main", ".cirun.yml", text);
    sim_github_push(l->w->gh, LAB_WARM_REPO, "main", ".cirun.yml");
}

bool lab_can_preload(const char *name)
{
    if (SANITIZED && name != NULL)
        (void)printf("SKIP %s: a sanitizer wants to be the first library itself\n", name);
    return !SANITIZED;
}

struct lab *lab_new(const struct lab_conf *c)
{
    struct lab *l = mem_zalloc(sizeof(*l));

    l->conf = *c;
    l->was_warm = c->warm;
    l->conf.rate = c->rate > 0 && !c->plain ? c->rate : 1;
    l->rng = c->seed + 7;
    start_clock(l);
    l->w = world_new(&(struct world_conf){.cirun_yml = c->cirun_yml != NULL ? c->cirun_yml : file_text,
                                          .boot_ms = c->boot_ms > 0 ? c->boot_ms : 20,
                                          .work_ms = c->work_ms > 0 ? c->work_ms : 30,
                                          .machines_keep_power = true,
                                          .seed = c->seed});
    (void)snprintf(l->store_path, sizeof(l->store_path), "%s/store.db", l->w->dir);
    if (!c->plain)
        map_shim(l);
    env_without_limits(&l->w->env);
    env_set(&l->w->env, "MUSTER_LIMITS_BOOT_DEADLINE", "60s");
    env_set(&l->w->env, "MUSTER_LIMITS_IDLE_GRACE", "30s");
    sim_github_limits(l->w->gh, &(struct sim_github_limits){.per_hour = 100000000});
    sim_github_add_repo(l->w->gh, &(struct sim_repo){.id = WORLD_REPO_ID + 1,
                                                     .installation_id = WORLD_INSTALLATION,
                                                     .full_name = LAB_WARM_REPO,
                                                     .is_private = true});
    sim_github_webhook(l->w->gh, NOWHERE);
    if (c->warm)
        lab_keep_warm(l, LAB_WARM);
    return l;
}

static void remove_beside(const struct lab *l, const char *suffix)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s%s", l->store_path, suffix);
    (void)unlink(path);
}

void lab_free(struct lab *l)
{
    if (l->w->daemon != NULL)
        lab_kill(l);
    if (l->shim != NULL) {
        (void)munmap(l->shim, sizeof(*l->shim));
        (void)unlink(l->shim_path);
        remove_beside(l, SHIM_SYNCED);
        remove_beside(l, "-wal" SHIM_SYNCED);
    }
    world_free(l->w);
    stop_clock(l);
    free(l->jobs);
    free(l);
}

uint64_t lab_draw(struct lab *l, uint64_t n)
{
    return sim_rng(&l->rng) % n;
}

/* --- the daemon -----------------------------------------------------------------------------------------------------
 */

static bool up(struct lab *l)
{
    struct world *w = l->w;
    char url[64];

    w->daemon = daemon_spawn((const char *const *)w->env.v, NULL);
    if (!daemon_listens(w->daemon))
        return false;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/webhook", daemon_port(w->daemon));
    sim_github_webhook(w->gh, url);
    if (l->conf.by_hand)
        sim_github_redeliver_failed(w->gh);
    return true;
}

bool lab_up(struct lab *l)
{
    char *log;

    if (l->shim != NULL) {
        atomic_store(&l->shim->calls, 0);
        l->shim->kill_at = 0;
    }
    if (up(l))
        return true;
    log = daemon_log(l->w->daemon);
    lab_finding(l, &l->count.wrong, "the daemon does not start: %s", log);
    free(log);
    lab_kill(l);
    return false;
}

bool lab_up_until(struct lab *l, int64_t k, enum shim_how how)
{
    atomic_store(&l->shim->calls, 0);
    l->shim->how = (int32_t)how;
    l->shim->kill_at = k;
    l->shim->what[0] = '\0';
    return up(l);
}

int lab_down(struct lab *l, int sig)
{
    int rc;

    if (l->w->daemon == NULL)
        return 0;
    if (sig == SIGKILL) /* those under way fail at once, later ones are refused */
        (void)kill(daemon_pid(l->w->daemon), sig);
    sim_github_webhook(l->w->gh, NOWHERE);
    rc = world_daemon_down(l->w, sig == SIGKILL ? 0 : sig);
    return rc;
}

void lab_kill(struct lab *l)
{
    l->count.kills++;
    (void)lab_down(l, SIGKILL);
}

bool lab_ended(struct lab *l, int timeout_ms)
{
    int64_t until = lab_real_ms() + timeout_ms;
    siginfo_t info = {0};

    while (waitid(P_PID, (id_t)daemon_pid(l->w->daemon), &info, WEXITED | WNOWAIT | WNOHANG) == 0 && info.si_pid == 0) {
        if (lab_real_ms() >= until)
            return false;
        lab_pause(2);
    }
    l->count.kills++;
    sim_github_webhook(l->w->gh, NOWHERE);
    (void)world_daemon_down(l->w, 0);
    return true;
}

/* --- what happens ---------------------------------------------------------------------------------------------------
 */

static const char *labels_for(struct lab *l, enum lab_kind kind, char *room, size_t size)
{
    static const char *const plain[] = {"[\"self-hosted\",\"cirun-gpu\"]", "[\"cirun-cpu\"]", "[\"cirun-cpu\"]",
                                        "[\"cirun-big\",\"cirun-special\"]"};

    if (kind == LAB_HOSTED)
        return "[\"ubuntu-latest\"]";
    if (kind == LAB_NOBODY)
        return "[\"self-hosted\",\"cirun-unheard-of\"]";
    if (lab_draw(l, 3) != 0)
        return plain[lab_draw(l, ARRAY_LEN(plain))];
    (void)snprintf(room, size, "[\"cirun-cpu--%zu\"]", l->n_jobs);
    return room;
}

int64_t lab_job_of(struct lab *l, enum lab_kind kind, const char *repo, const char *labels)
{
    int64_t id = sim_github_job_create(
        l->w->gh, &(struct sim_job_spec){.repo = repo, .labels = labels, .hosted_ms = kind == LAB_HOSTED ? 5 : 0});

    if (id == 0)
        abort();
    if (l->n_jobs % 1024 == 0)
        l->jobs = mem_realloc_array(l->jobs, l->n_jobs + 1024, sizeof(*l->jobs));
    l->jobs[l->n_jobs++] = (struct lab_job){id, kind};
    return id;
}

int64_t lab_job(struct lab *l, enum lab_kind kind)
{
    char room[64];

    if (kind == LAB_PLAIN && l->conf.warm && lab_draw(l, 8) == 0)
        return lab_job_of(l, kind, LAB_WARM_REPO, "[\"cirun-warm\"]");
    return lab_job_of(l, kind, WORLD_REPO, labels_for(l, kind, room, sizeof(room)));
}

static void fail_some(struct lab *l, struct sim_http *h)
{
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_STATUS,       SIM_FAULT_RESET_BEFORE, SIM_FAULT_RESET_AFTER,
                                                SIM_FAULT_STATUS_AFTER, SIM_FAULT_HANG,         SIM_FAULT_HANG_AFTER,
                                                SIM_FAULT_TRUNCATE};

    sim_http_fault(h, &(struct sim_fault){.kind = kinds[lab_draw(l, ARRAY_LEN(kinds))],
                                          .status = lab_draw(l, 2) == 0 ? 502 : 500,
                                          .hang_ms = 300,
                                          .next = 1 + (int)lab_draw(l, 3)});
}

static void trouble(struct lab *l)
{
    struct world *w = l->w;

    switch (lab_draw(l, 10)) {
    case 0:
    case 1:
        fail_some(l, sim_github_http(w->gh));
        break;
    case 2:
    case 3:
        fail_some(l, sim_ec2_http(w->ec2));
        break;
    case 4:
        sim_ec2_capacity(w->ec2, NULL, NULL, lab_draw(l, 2) == 0 ? SIM_MARKET_SPOT : SIM_MARKET_ANY, 0);
        break;
    case 5:
        sim_ec2_capacity(w->ec2, NULL, NULL, SIM_MARKET_ANY, -1);
        break;
    case 6:
        sim_machines_next(w->machines, (enum sim_machine_kind)(1 + lab_draw(l, 4)), 1);
        break;
    case 7:
        sim_ec2_fail_start(w->ec2, 1, "Server.InternalError");
        break;
    case 8:
        sim_github_hook_options(w->gh, &(struct sim_hook_options){.duplicate = 0.3, .drop = 0.05, .reorder_ms = 60});
        break;
    case 9:
        sim_github_hook_options(w->gh, &(struct sim_hook_options){.delay_ms = (int)lab_draw(l, 100)});
        break;
    }
}

static void cancel_one(struct lab *l)
{
    size_t from = l->n_jobs > 20 ? l->n_jobs - 20 : 0;
    struct lab_job *j = &l->jobs[from + lab_draw(l, l->n_jobs - from)];

    if (j->kind != LAB_PLAIN)
        return;
    sim_github_job_cancel(l->w->gh, j->id);
    j->kind = LAB_CANCELLED;
}

void lab_traffic(struct lab *l, size_t jobs)
{
    for (size_t i = 0; i < jobs; i++) {
        uint64_t dice = lab_draw(l, 100);

        (void)lab_job(l, dice < 4 ? LAB_HOSTED : dice < 6 ? LAB_NOBODY : LAB_PLAIN);
        if (l->conf.rough && lab_draw(l, 4) == 0)
            trouble(l);
        if (l->conf.rough && lab_draw(l, 12) == 0)
            cancel_one(l);
    }
}

/* --- calm -----------------------------------------------------------------------------------------------------------
 */

static void behave(struct lab *l)
{
    struct world *w = l->w;

    sim_http_faults_clear(sim_github_http(w->gh));
    sim_http_faults_clear(sim_ec2_http(w->ec2));
    sim_ec2_capacity(w->ec2, NULL, NULL, SIM_MARKET_ANY, -1);
    sim_ec2_fail_start(w->ec2, 0, "");
    sim_machines_next(w->machines, SIM_MACHINE_HONEST, 0);
    sim_github_hook_options(w->gh, &(struct sim_hook_options){0});
}

#define REFUSED                                                                                                        \
    "SELECT count(*) FROM job WHERE id = CAST($1 AS INTEGER) AND want IN (2, 3) AND coalesce(reason, '') <> ''"

static bool is_refused(struct lab *l, int64_t id)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)id);
    return lab_number(l, REFUSED, text) > 0;
}

/* The first job that is neither over nor refused; 0 = none. Those before *from are. */
static int64_t unfinished(struct lab *l, size_t *from)
{
    for (; *from < l->n_jobs; (*from)++) {
        struct sim_job_info info;

        if (!sim_github_job(l->w->gh, l->jobs[*from].id, &info))
            abort();
        if (info.state != SIM_JOB_COMPLETED && (info.state != SIM_JOB_QUEUED || !is_refused(l, l->jobs[*from].id)))
            return l->jobs[*from].id;
    }
    return 0;
}

static size_t warm_now(const struct lab *l)
{
    return l->conf.warm ? LAB_WARM : 0;
}

static void tell_unfinished(struct lab *l, int64_t job)
{
    struct sim_job_info info = {0};
    char text[24];
    char *log = daemon_log(l->w->daemon);
    size_t len = strlen(log);

    (void)sim_github_job(l->w->gh, job, &info);
    (void)snprintf(text, sizeof(text), "%lld", (long long)job);
    (void)fprintf(stderr, "%s\n", len > 6000 ? log + len - 6000 : log);
    lab_finding(l, &l->count.lost,
                "job %s is in state %d at GitHub, started %d times; in the store %lld rows, state %lld, want %lld, its "
                "machines %lld; %zu machines live",
                text, (int)info.state, info.times_started,
                (long long)lab_number(l, "SELECT count(*) FROM job WHERE id = CAST($1 AS INTEGER)", text),
                (long long)lab_number(l, "SELECT state FROM job WHERE id = CAST($1 AS INTEGER)", text),
                (long long)lab_number(l, "SELECT want FROM job WHERE id = CAST($1 AS INTEGER)", text),
                (long long)lab_number(l, "SELECT count(*) FROM machine WHERE job_id = CAST($1 AS INTEGER)", text),
                sim_ec2_live(l->w->ec2));
    free(log);
}

/* Those that are nobody's warm machines: a job of what comes next must not find the machine of what was before. */
#define NOT_WARM "SELECT count(*) FROM machine WHERE state < 6 AND repo <> $1"

static bool has_only_warm(struct lab *l, size_t live)
{
    return sim_ec2_live(l->w->ec2) <= live && (live == 0 || lab_number(l, NOT_WARM, LAB_WARM_REPO) == 0);
}

static size_t completed(const struct lab *l)
{
    struct sim_github_stats g;

    sim_github_stats(l->w->gh, &g);
    return g.completed;
}

static bool wait_calm(struct lab *l, size_t live, bool records)
{
    int64_t moved = lab_real_ms(), asked = moved;
    size_t from = 0, before = completed(l), now;
    int64_t job;

    for (;;) {
        job = unfinished(l, &from);
        if (job == 0 && has_only_warm(l, live) &&
            (!records || lab_number(l, "SELECT count(*) FROM machine WHERE state < 6", NULL) == 0) && lab_settled(l))
            return true;
        now = completed(l);
        moved = now > before ? lab_real_ms() : moved;
        before = now;
        if (lab_real_ms() - moved > (l->conf.plain ? CALM_PLAIN_MS : CALM_MS))
            break;
        if (l->conf.by_hand && lab_real_ms() - asked > 300) {
            sim_github_redeliver_failed(l->w->gh);
            asked = lab_real_ms();
        }
        lab_pause(10);
    }
    if (job != 0) {
        tell_unfinished(l, job);
    } else if (sim_ec2_live(l->w->ec2) <= live && !records) {
        return true; /* the judge tells who is left */
    } else {
        lab_finding(l, &l->count.left, "%zu machines live where %zu may, %lld records are open",
                    sim_ec2_live(l->w->ec2), live,
                    (long long)lab_number(l, "SELECT count(*) FROM machine WHERE state < 6", NULL));
        lab_tell_live(l);
    }
    return false;
}

bool lab_calm(struct lab *l)
{
    behave(l);
    if (l->w->daemon == NULL && !lab_up(l))
        return false;
    return wait_calm(l, warm_now(l), false);
}

bool lab_cool(struct lab *l)
{
    if (l->conf.warm)
        lab_keep_warm(l, 0);
    for (size_t i = 0; i < l->n_jobs; i++) {
        struct sim_job_info info;

        if (sim_github_job(l->w->gh, l->jobs[i].id, &info) && info.state == SIM_JOB_QUEUED)
            sim_github_job_cancel(l->w->gh, l->jobs[i].id); /* it was refused: nobody would take it */
    }
    l->conf.warm = false;
    return wait_calm(l, 0, true);
}
