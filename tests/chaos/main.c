/*
 * Many seeds, on as many processes as asked.
 *
 *     build/tests/chaos SEEDS [FIRST [PROCESSES]]     each seed once
 *     build/tests/chaos -t SEED                       one seed, told step by step
 *     build/tests/chaos -d SEEDS                      each seed twice: is it the same both times?
 */
#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MOST 64
#define STEPS_MOST 60000
#define TELL_MOST (30 * HOUR)  /* of calm, until every job ran or was refused */
#define CLEAR_MOST (30 * HOUR) /* of calm, until nothing is left */
#define LOOK_EVERY 64          /* steps between two looks whether that is so */

const struct crypto_key *chaos_key(void);

struct world_key {
    struct crypto_key *key; /* seals what is secret in the store */
};

/* Made once, before the processes part. */
static struct world_key world_key;

const struct crypto_key *chaos_key(void)
{
    return world_key.key;
}

static void make_key(void)
{
    char *private_pem, *public_pem;
    struct secret *pem;
    struct err e;

    sim_rsa_key(&private_pem, &public_pem);
    pem = secret_new(private_pem, strlen(private_pem));
    if (crypto_key_parse(pem, "key", &world_key.key, &e))
        abort();
    secret_free(pem);
    free(private_pem);
    free(public_pem);
}

/* --- one seed --------------------------------------------------------------------------------------------------- */

static void begin(struct chaos *c)
{
    struct sim_github_conf gc = {.app_id = "12345", .seed = c->seed, .lost_contact_ms = 10 * MINUTE, .manual = true};
    struct err e;

    c->rng = c->seed;
    c->digest = 14695981039346656037U;
    chaos_set_current(c);
    clock_test_set(CHAOS_BEGIN);
    (void)snprintf(c->dir, sizeof(c->dir), "%s/muster-chaos-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(c->dir) == NULL || sim_github_start(&gc, &c->gh, &e))
        abort();
    (void)snprintf(c->url, sizeof(c->url), "sqlite:%s/s.db", c->dir);
    c->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/chaos"});
    cloud_open(c, 0, "aws");
    cloud_open(c, 1, "gcp");
    story_begin(c);
    daemon_up(c);
}

static void end(struct chaos *c)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};

    c->dead = true; /* whatever it still had to do does not count */
    daemon_down(c);
    db_sqlite.close(c->look);
    sim_github_free(c->gh);
    httpc_free(c->http);
    agenda_clear(c);
    for (size_t i = 0; i < CHAOS_CLOUDS; i++)
        cloud_close(&c->clouds[i]);
    for (size_t i = 0; i < c->n_acked; i++)
        free(c->acked[i]);
    free(c->acked);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[200];

        (void)snprintf(path, sizeof(path), "%s/s.db%s", c->dir, ends[i]);
        (void)unlink(path);
    }
    (void)rmdir(c->dir);
}

/* Steps until it is so, for so long at most. */
static void go_on(struct chaos *c, bool (*enough)(struct chaos *c), int64_t most_ms)
{
    int64_t until = clock_mono_ms() + most_ms;

    for (int i = 0; c->failure[0] == '\0' && clock_mono_ms() < until; i++) {
        if (i % LOOK_EVERY == 0 && enough(c))
            return;
        if (i == STEPS_MOST)
            chaos_fail(c, CHAOS_BROKEN, "it never comes to rest");
        if (!chaos_step(c))
            return;
    }
}

static bool is_calm(struct chaos *c)
{
    return c->calm;
}

static void cancel_rest(struct chaos *c)
{
    for (size_t i = 0; i < c->n_jobs; i++)
        sim_github_job_cancel(c->gh, c->jobs[i].id);
}

static void run(struct chaos *c)
{
    begin(c);
    go_on(c, is_calm, 24 * HOUR);
    go_on(c, judge_all_told, TELL_MOST);
    if (c->failure[0] == '\0') {
        cancel_rest(c); /* those that were refused: GitHub would, after a day */
        go_on(c, judge_nothing_left, CLEAR_MOST);
    }
    if (c->failure[0] == '\0')
        judge_end(c);
    if (c->trace)
        judge_dump(c);
    end(c);
}

/* --- many seeds ------------------------------------------------------------------------------------------------- */

struct result {
    struct chaos_counts counts;
    size_t seeds, failed;
};

static void add(struct chaos_counts *a, const struct chaos_counts *b)
{
    for (size_t i = 0; i < CHAOS_FAULTS; i++)
        a->faults[i] += b->faults[i];
    a->jobs += b->jobs;
    a->served += b->served;
    a->cancelled += b->cancelled;
    a->harmed += b->harmed;
    a->refused += b->refused;
    a->machines += b->machines;
    a->crashes += b->crashes;
    a->restarts += b->restarts;
    a->calls += b->calls;
    a->deliveries += b->deliveries;
    a->steps += b->steps;
}

static uint64_t run_seed(uint64_t seed, bool trace, struct result *r)
{
    struct chaos *c = mem_zalloc(sizeof(*c));
    uint64_t digest;

    c->seed = seed;
    c->trace = trace;
    run(c);
    r->seeds++;
    add(&r->counts, &c->counts);
    if (c->failure[0] != '\0') {
        r->failed++;
        (void)printf("not ok chaos seed %llu: %s\n", (unsigned long long)seed, c->failure);
        (void)fflush(stdout);
    }
    digest = c->digest;
    free(c);
    return digest;
}

static int tell(const struct result *r)
{
    const struct chaos_counts *n = &r->counts;

    (void)printf(
        "%zu seeds: %zu jobs, of these %zu served once, %zu cancelled, %zu lost with their machine, %zu refused with "
        "a reason; %zu machines, %zu kills, %zu starts, %zu deliveries, %zu calls, %zu steps\n",
        r->seeds, n->jobs, n->served, n->cancelled, n->harmed, n->refused, n->machines, n->crashes, n->restarts,
        n->deliveries, n->calls, n->steps);
    (void)printf("seeds that failed: %zu (lost: %zu, doubled: %zu, left over: %zu, killed at work: %zu, other: %zu)\n",
                 r->failed, n->faults[CHAOS_LOST], n->faults[CHAOS_DOUBLED], n->faults[CHAOS_LEFT],
                 n->faults[CHAOS_KILLED_AT_WORK], n->faults[CHAOS_BROKEN]);
    if (r->failed == 0)
        (void)printf("ok chaos %zu seeds\n", r->seeds);
    return r->failed == 0 ? 0 : 1;
}

/* A child that dies leaves no result, but the seed that it was at. */
static void child(int fd, uint64_t first, uint64_t n, uint64_t step, volatile uint64_t *at)
{
    struct result r = {0};

    for (uint64_t i = first; i < n; i += step) {
        *at = i;
        (void)run_seed(i, false, &r);
    }
    if (write(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
        _exit(3);
    _exit(0);
}

static int run_all(uint64_t first, uint64_t n, uint64_t processes)
{
    struct result all = {0};
    uint64_t *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[PROCESSES_MOST];
    int fd[2];

    if (processes > PROCESSES_MOST)
        processes = PROCESSES_MOST;
    if (at == MAP_FAILED || pipe(fd) != 0)
        return 1;
    (void)fflush(stdout);
    for (uint64_t i = 0; i < processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            child(fd[1], first + i, first + n, processes, &at[i]);
    }
    (void)close(fd[1]);
    for (uint64_t i = 0; i < processes; i++) {
        struct result r;
        int status = 0;

        if (read(fd[0], &r, sizeof(r)) == (ssize_t)sizeof(r)) {
            all.seeds += r.seeds;
            all.failed += r.failed;
            add(&all.counts, &r.counts);
        }
        if (waitpid(pids[i], &status, 0) < 0 || status != 0) {
            (void)printf("not ok chaos seed %llu: its process ended with status %d\n", (unsigned long long)at[i],
                         status);
            all.failed++;
        }
    }
    (void)close(fd[0]);
    (void)munmap(at, 4096);
    return tell(&all);
}

static int run_twice(uint64_t n)
{
    struct result r = {0};

    for (uint64_t i = 1; i <= n; i++) {
        if (run_seed(i, false, &r) != run_seed(i, false, &r)) {
            (void)printf("not ok chaos seed %llu: it is not the same twice\n", (unsigned long long)i);
            r.failed++;
        }
    }
    return tell(&r);
}

static uint64_t number(const char *s, uint64_t otherwise)
{
    return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct result r = {0};
    int rc;

    log_set_level(LOG_NONE);
    chaos_set_current(NULL);
    make_key();
    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        log_set_level(LOG_DEBUG);
        (void)run_seed(number(argv[2], 1), true, &r);
        rc = tell(&r);
    } else if (argc > 2 && strcmp(argv[1], "-d") == 0) {
        rc = run_twice(number(argv[2], 1));
    } else {
        rc = run_all(number(argc > 2 ? argv[2] : NULL, 1), number(argc > 1 ? argv[1] : NULL, 100),
                     number(argc > 3 ? argv[3] : NULL, 2));
    }
    crypto_key_free(world_key.key);
    return rc;
}
