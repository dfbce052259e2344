/*
 * What one delivery costs in the store: its id, a job, a task and a line of the timeline, durable, through
 * store_submit.
 *
 *     bench_store [directory [seconds-per-figure [jobs-remembered]]]
 *
 * Prints deliveries/s, microseconds of CPU and bytes written each (log and database file) for 1, 16, 64 and 256
 * outstanding, in a store that remembers 1,000 jobs and in one that remembers many (1,000,000), the two interleaved.
 */
#include "server/base/clock.h"
#include "server/store/store_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CHUNK 1000

struct load {
    struct store *s;
    int64_t next_id;
    int64_t until_us;
    int64_t finished;
    int outstanding;
    pthread_mutex_t mu;
    pthread_cond_t idle;
};

struct delivery {
    struct load *l;
    int64_t id;
};

static void die(const struct err *e)
{
    (void)fprintf(stderr, "bench_store: %s\n", e->msg);
    exit(1);
}

static void guid_of(int64_t id, char out[40])
{
    uint64_t x = (uint64_t)id * UINT64_C(0x9E3779B97F4A7C15);

    (void)snprintf(out, 40, "%08x-%04x-11ee-8%03x-%012llx", (unsigned)(x >> 32), (unsigned)(x >> 16) & 0xffff,
                   (unsigned)x & 0xfff, (unsigned long long)id & 0xffffffffffff);
}

static int deliver(struct store_tx *t, int64_t id, enum job_state state, struct err *e)
{
    char repo[] = "octo-org/octo-repository", branch[] = "main", sha[] = "0123456789abcdef0123456789abcdef01234567";
    char name[] = "train (gpu, 3.11)", workflow[] = "nightly", labels[] = "[\"cirun-gpu--1234567890\",\"self-hosted\"]";
    char key[] = "cirun-gpu--1234567890,self-hosted", guid[40], subject[24];
    struct job j = {.id = id,
                    .run_id = id / 4,
                    .run_attempt = 1,
                    .repo_id = 17,
                    .installation_id = 42,
                    .queued_ms = clock_now_ms(),
                    .updated_ms = clock_now_ms(),
                    .state = state,
                    .repo = repo,
                    .default_branch = branch,
                    .head_sha = sha,
                    .name = name,
                    .workflow_name = workflow,
                    .labels_json = labels,
                    .label_key = key};
    int before;
    bool known, moved;

    guid_of(id, guid);
    (void)snprintf(subject, sizeof(subject), "%lld", (long long)id);
    if (store_delivery_put(t, guid, clock_now_ms(), &known, e) || store_job_merge(t, &j, &before, &moved, e) ||
        store_event_add(t, clock_now_ms(), id, NULL, "job.queued", NULL, e))
        return -1;
    if (known || !moved)
        return err_set(e, ERR_BUG, "delivery %s was known", guid);
    return state == JOB_DONE ? 0 : store_task_put(t, TASK_JOB, subject, TASK_DECIDE, clock_now_ms(), e);
}

/* The engine ends tasks as fast as it gets them; without this the table of tasks would grow. */
static int end_task(struct store_tx *t, struct err *e)
{
    struct task task;
    size_t got;

    if (store_task_claim(t, TASK_CHECK, clock_now_ms(), clock_now_ms() + 60000, 1, &task, &got, e))
        return -1;
    return got > 0 ? store_task_finish(t, &task, -1, TASK_CHECK, false, e) : 0;
}

static int deliver_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct delivery *d = arg;

    return deliver(t, d->id, JOB_QUEUED, e) || (d->id % 64 == 0 && end_task(t, e)) ? -1 : 0;
}

static void delivered(void *arg, int rc, const struct err *e)
{
    struct delivery *d = arg;
    struct load *l = d->l;

    if (rc != 0)
        die(e);
    pthread_mutex_lock(&l->mu);
    l->finished++;
    if (clock_mono_us() < l->until_us) {
        d->id = l->next_id++;
        store_submit(l->s, deliver_tx, d, delivered, d);
    } else {
        free(d);
        if (--l->outstanding == 0)
            pthread_cond_signal(&l->idle);
    }
    pthread_mutex_unlock(&l->mu);
}

static int64_t cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Bytes written so far, by write(2) and its like; -1 where the kernel does not tell. */
static int64_t written_bytes(void)
{
    FILE *f = fopen("/proc/self/io", "re");
    char line[128];
    long long n = -1;

    while (f != NULL && n < 0 && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "wchar: ", 7) == 0)
            n = strtoll(line + 7, NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return (int64_t)n;
}

static void run(struct load *l, const char *name, int outstanding, double seconds)
{
    int64_t began = clock_mono_us(), cpu = cpu_us(), bytes = written_bytes();
    double took;

    l->finished = 0;
    l->outstanding = outstanding;
    l->until_us = began + (int64_t)(seconds * 1e6);
    for (int i = 0; i < outstanding; i++) {
        struct delivery *d = mem_zalloc(sizeof(*d));

        d->l = l;
        pthread_mutex_lock(&l->mu);
        d->id = l->next_id++;
        pthread_mutex_unlock(&l->mu);
        store_submit(l->s, deliver_tx, d, delivered, d);
    }
    pthread_mutex_lock(&l->mu);
    while (l->outstanding > 0)
        pthread_cond_wait(&l->idle, &l->mu);
    pthread_mutex_unlock(&l->mu);
    took = (double)(clock_mono_us() - began) / 1e6;
    (void)printf("%-9s %4d outstanding  %8.0f deliveries/s  %6.1f us CPU and %6.0f bytes each\n", name, outstanding,
                 (double)l->finished / took, (double)(cpu_us() - cpu) / (double)l->finished,
                 (double)(written_bytes() - bytes) / (double)l->finished);
    (void)fflush(stdout);
}

static int fill_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct load *l = arg;

    for (int i = 0; i < CHUNK; i++) {
        if (deliver(t, l->next_id + i, JOB_DONE, e))
            return -1;
    }
    return 0;
}

static void open_with(struct load *l, const char *dir, const char *name, int64_t jobs)
{
    char url[4096];
    struct err e;

    (void)snprintf(url, sizeof(url), "sqlite:%s/%s.db", dir, name);
    (void)pthread_mutex_init(&l->mu, NULL);
    (void)pthread_cond_init(&l->idle, NULL);
    l->next_id = 1000000000;
    if (store_open(url, &l->s, &e))
        die(&e);
    for (int64_t i = 0; i < jobs; i += CHUNK) {
        if (store_write(l->s, fill_tx, l, &e))
            die(&e);
        l->next_id += CHUNK;
    }
}

static void remove_db(const char *dir, const char *name)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    char path[4096];

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s.db%s", dir, name, ends[i]);
        (void)unlink(path);
    }
}

static void reopen(const char *dir, const char *name)
{
    int64_t began = clock_mono_us(), took;
    struct store *s = NULL;
    char url[4096];
    struct err e;

    (void)snprintf(url, sizeof(url), "sqlite:%s/%s.db", dir, name);
    if (store_open(url, &s, &e))
        die(&e);
    took = clock_mono_us() - began;
    (void)printf("%-9s opened again in %.1f ms\n", name, (double)took / 1000);
    store_close(s);
}

int main(int argc, char **argv)
{
    static const int outstanding[] = {1, 16, 64, 256};
    const char *dir = argc > 1 ? argv[1] : ".";
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    int64_t jobs = argc > 3 ? strtoll(argv[3], NULL, 10) : 1000000;
    struct load few = {0}, many = {0};
    char many_name[32];

    (void)snprintf(many_name, sizeof(many_name), "%lld", (long long)jobs);
    open_with(&few, dir, "1000", 1000);
    open_with(&many, dir, many_name, jobs);
    for (size_t i = 0; i < ARRAY_LEN(outstanding); i++) {
        run(&few, "1000", outstanding[i], seconds);
        run(&many, many_name, outstanding[i], seconds);
    }
    store_close(few.s);
    store_close(many.s);
    reopen(dir, "1000");
    reopen(dir, many_name);
    remove_db(dir, "1000");
    remove_db(dir, many_name);
    return 0;
}
