/*
 * What a durable delivery costs, as ratios to libmicrohttpd alone (aims 1 to 4 of the performance notes).
 *
 *     bench_intake DIRECTORY            the figures; the store's files go into DIRECTORY; ROUNDS=5
 *     bench_intake serve KIND DIRECTORY one server: prints its port, ends with its standard input
 *     bench_intake load PORT TOTAL AT_ONCE kept|new BYTES     BENCH_SECRET: to sign with
 *
 * KIND: bare (libmicrohttpd reads the body and answers 200), none (our path, but nothing is stored), store (our path
 * with the engine's transaction in SQLite). The servers are processes of their own, so that CPU is theirs alone; all
 * three get the same load in turn, round by round; figures are medians.
 */
#include "server/api/server.h"
#include "server/base/crypto.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "tests/support/barehttp.h"
#include "tests/support/load.h"
#include "tests/support/payload.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define ROUNDS_MAX 101

enum kind { BARE, NONE, STORE };
#define KINDS (STORE + 1)
static const char *const kind_names[KINDS] = {"bare", "none", "store"};

static void die(const char *what)
{
    fprintf(stderr, "bench_intake: %s\n", what);
    exit(1);
}

static int64_t number(const char *text)
{
    struct err e;
    int64_t n;

    if (text_i64(text, 1, INT64_MAX, &n, &e))
        die(e.msg);
    return n;
}

/* --- one server ------------------------------------------------------------------------------------------------ */

static void deliver_nowhere(void *arg, const char *guid, struct job *job, engine_delivered_fn *done, void *done_arg)
{
    (void)arg;
    (void)guid;
    job_clear(job);
    done(done_arg, DELIVERY_STORED, 0, NULL);
}

static void deliver_to_engine(void *arg, const char *guid, struct job *job, engine_delivered_fn *done, void *done_arg)
{
    engine_deliver(arg, guid, job, done, done_arg);
}

static void flush_engine(void *arg)
{
    engine_flush(arg);
}

/* The engine wants an App key; it is not started, so nothing is ever signed with it. */
static struct crypto_key *any_key(void)
{
    EVP_PKEY *k = EVP_RSA_gen(2048);
    BIO *b = BIO_new(BIO_s_mem());
    struct crypto_key *out = NULL;
    struct secret *pem;
    struct err e;
    char *text;
    long len;

    if (PEM_write_bio_PrivateKey(b, k, NULL, NULL, 0, NULL, NULL) != 1)
        die("no key");
    len = BIO_get_mem_data(b, &text);
    pem = secret_new(text, (size_t)len);
    if (crypto_key_parse(pem, "bench key", &out, &e))
        die(e.msg);
    secret_free(pem);
    BIO_free(b);
    EVP_PKEY_free(k);
    return out;
}

static struct engine *open_engine(const char *dir)
{
    struct engine_conf c = {.deployment = "bench", .app_key = any_key()};
    AUTO_BUF struct buf url = BUF_INIT(4096);
    struct err e;

    buf_addf(&url, "sqlite:%s/bench.db", dir);
    if (store_open(url.p, &c.store, &e))
        die(e.msg);
    return engine_new(&c);
}

static int serve(const char *kind, const char *dir)
{
    const struct secret *secrets[] = {secret_new(SECRET, strlen(SECRET))};
    struct api_conf c = {.listen = "127.0.0.1:0", .webhook_secrets = secrets, .n_webhook_secrets = 1};
    struct api_server *s = NULL;
    struct err e;
    int port;
    char c1;

    if (strcmp(kind, kind_names[BARE]) == 0) {
        if (bare_serve(&port))
            die("libmicrohttpd does not start");
    } else {
        bool stores = strcmp(kind, kind_names[STORE]) == 0;

        log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC)); /* its line for each job costs what it costs */
        log_set_level(LOG_INFO);
        c.deliver = stores ? deliver_to_engine : deliver_nowhere;
        c.flush = stores ? flush_engine : NULL;
        c.deliver_arg = stores ? open_engine(dir) : NULL;
        if (api_server_open(&c, &s, &e) || api_server_start(s, &e))
            die(e.msg);
        port = api_server_port(s);
    }
    printf("%d\n", port);
    fflush(stdout);
    while (read(STDIN_FILENO, &c1, 1) > 0)
        continue;
    exit(0); /* the store's files are thrown away: no need to close it */
}

/* --- the three of them as processes ------------------------------------------------------------------------------ */

struct server {
    pid_t pid;
    int port, keep_alive; /* closing this ends it */
    clockid_t cpu;
};

static void start(struct server *s, enum kind kind, const char *dir)
{
    int to_child[2], from_child[2];
    char text[32] = "";

    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0)
        die("no pipe");
    s->pid = fork();
    if (s->pid == 0) {
        (void)dup2(to_child[0], STDIN_FILENO);
        (void)dup2(from_child[1], STDOUT_FILENO);
        (void)execl("/proc/self/exe", "bench_intake", "serve", kind_names[kind], dir, (char *)NULL);
        _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    s->keep_alive = to_child[1];
    if (read(from_child[0], text, sizeof(text) - 1) <= 0 || clock_getcpuclockid(s->pid, &s->cpu) != 0)
        die("a server did not start");
    text[strcspn(text, "\n")] = '\0';
    s->port = (int)number(text);
    close(from_child[0]);
}

static void stop(struct server *s)
{
    int status;

    close(s->keep_alive);
    if (waitpid(s->pid, &status, 0) != s->pid || status != 0)
        die("a server ended badly");
}

static double cpu_us(const struct server *s)
{
    struct timespec t;

    if (clock_gettime(s->cpu, &t) != 0)
        die("a server has gone");
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

struct figure {
    double cpu_us, rate, p99_us; /* medians */
    size_t lost, refused;        /* in all rounds together */
};

struct setting {
    size_t total, body_size;
    unsigned at_once;
    bool keep;
};

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

static void measure(const struct server *s, const struct setting *x, size_t rounds, struct figure out[KINDS])
{
    static int64_t next_job = PAYLOAD_FIRST_ID;
    double cpu[KINDS][ROUNDS_MAX], rate[KINDS][ROUNDS_MAX], p99[KINDS][ROUNDS_MAX];
    const struct secret *secret = secret_new(SECRET, strlen(SECRET));

    memset(out, 0, KINDS * sizeof(out[0]));
    for (size_t r = 0; r < rounds; r++) {
        for (size_t i = 0; i < KINDS; i++) {
            size_t k = (i + r) % KINDS;
            const struct load l = {.port = s[k].port,
                                   .secret = secret,
                                   .total = x->total,
                                   .at_once = x->at_once,
                                   .keep = x->keep,
                                   .body_size = x->body_size,
                                   .first_job = next_job,
                                   .prepare = true};
            struct load_result result;
            double before = cpu_us(&s[k]);

            next_job += (int64_t)x->total;
            if (!load_run(&l, &result))
                die("a server stalled");
            cpu[k][r] = (cpu_us(&s[k]) - before) / (double)x->total;
            rate[k][r] = (double)x->total / ((double)result.took_us / 1e6);
            p99[k][r] = (double)result.p99_us;
            out[k].lost += result.lost;
            out[k].refused += result.refused;
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        if (x->keep && out[k].lost + out[k].refused > 0)
            die("deliveries were refused");
        out[k].cpu_us = median(cpu[k], rounds);
        out[k].rate = median(rate[k], rounds);
        out[k].p99_us = median(p99[k], rounds);
    }
}

static void verdict(const char *aim, double value, bool at_most, double wanted)
{
    bool reached = at_most ? value <= wanted : value >= wanted;

    printf("%-66s %6.2f  (aim %s %.2f)  %s\n", aim, value, at_most ? "<=" : ">=", wanted,
           reached ? "reached" : "NOT REACHED");
    fflush(stdout);
}

static void report_kept(const struct server *s, size_t rounds)
{
    static const struct setting settings[] = {
        {6000, 11000, 16, true}, {6000, 20000, 16, true}, {6000, 11000, 64, true}, {6000, 20000, 64, true}};

    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        const struct setting *x = &settings[i];
        struct figure f[KINDS];
        char what[128];

        measure(s, x, rounds, f);
        printf("   %zu KB, %u connections: CPU bare %.1f us, ours without store %.1f us, durable %.1f us; "
               "bare %.0f/s, durable %.0f/s\n",
               x->body_size / 1000, x->at_once, f[BARE].cpu_us, f[NONE].cpu_us, f[STORE].cpu_us, f[BARE].rate,
               f[STORE].rate);
        (void)snprintf(what, sizeof(what), "1  CPU per durable delivery / bare, %zu KB, %u connections",
                       x->body_size / 1000, x->at_once);
        verdict(what, f[STORE].cpu_us / f[BARE].cpu_us, true, 3.5);
        if (x->at_once != 16)
            continue;
        (void)snprintf(what, sizeof(what), "2  durable deliveries per second / bare, %zu KB, 16 connections",
                       x->body_size / 1000);
        verdict(what, f[STORE].rate / f[BARE].rate, false, 0.28);
    }
}

static void report_group_commit(const struct server *s, size_t rounds)
{
    struct figure f[KINDS];

    measure(s, &(struct setting){6000, 11000, 256, true}, rounds, f);
    printf("   256 connections: without store %.0f/s, durable %.0f/s\n", f[NONE].rate, f[STORE].rate);
    verdict("3  group commit / the same path without store, 256 connections", f[STORE].rate / f[NONE].rate, false,
            0.85);
}

static void report_storm(const struct server *s, size_t rounds)
{
    struct figure f[KINDS];

    measure(s, &(struct setting){10000, 11000, 1000, false}, rounds, f);
    printf("   10,000 over 1,000 new connections: p99 bare %.0f ms, without store %.0f ms, durable %.0f ms\n",
           f[BARE].p99_us / 1e3, f[NONE].p99_us / 1e3, f[STORE].p99_us / 1e3);
    verdict("4  p99 of the storm / bare", f[STORE].p99_us / f[BARE].p99_us, true, 1.2);
    verdict("4  lost or refused in all storms", (double)(f[STORE].lost + f[STORE].refused), true, 0);
}

static int report(const char *dir)
{
    const char *text = getenv("ROUNDS");
    size_t rounds = text != NULL ? (size_t)number(text) : 5;
    struct server s[KINDS];

    if (rounds > ROUNDS_MAX)
        die("too many ROUNDS");
    for (int k = 0; k < KINDS; k++)
        start(&s[k], (enum kind)k, dir);
    report_kept(s, rounds);
    report_group_commit(s, rounds);
    report_storm(s, rounds);
    for (int k = 0; k < KINDS; k++)
        stop(&s[k]);
    return 0;
}

static int load_command(char **argv)
{
    const char *named = getenv("BENCH_SECRET");
    const char *text = named != NULL ? named : SECRET;
    const struct secret *secret = secret_new(text, strlen(text));
    const struct load l = {.port = (int)number(argv[0]),
                           .secret = secret,
                           .total = (size_t)number(argv[1]),
                           .at_once = (unsigned)number(argv[2]),
                           .keep = strcmp(argv[3], "kept") == 0,
                           .body_size = (size_t)number(argv[4]),
                           .patience_ms = 600000};
    struct load_result r;

    (void)load_run(&l, &r);
    printf("accepted %zu refused %zu lost %zu took_ms %lld p50_us %lld p99_us %lld\n", r.accepted, r.refused, r.lost,
           (long long)(r.took_us / 1000), (long long)r.p50_us, (long long)r.p99_us);
    return r.accepted == l.total ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct rlimit lim;

    log_set_level(LOG_WARN);
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
        lim.rlim_cur = lim.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
    }
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3]);
    if (argc == 7 && strcmp(argv[1], "load") == 0)
        return load_command(argv + 2);
    if (argc == 2)
        return report(argv[1]);
    die("usage: bench_intake DIRECTORY | serve KIND DIRECTORY | load PORT TOTAL AT_ONCE kept|new BYTES");
    return 2;
}
