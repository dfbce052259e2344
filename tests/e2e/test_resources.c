/*
 * The real daemon when something runs out: descriptors, disk, memory, threads' stacks, patience. It answers honestly
 * meanwhile, and goes on by itself when there is some again. Limits are set from outside, on the running process.
 */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/webclient.h"
#include "tests/support/world.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 60000
#define HELD 60 /* connections that nobody needs */

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){.seed = 1});

    *state = w;
    return world_daemon_up(w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    int rc = w->daemon != NULL ? world_daemon_down(w, SIGTERM) : 0;

    world_free(w);
    return rc;
}

static void limit(const struct world *w, __rlimit_resource_t what, rlim_t n)
{
    struct rlimit was;
    pid_t pid = daemon_pid(w->daemon);

    assert_int_equal(prlimit(pid, what, NULL, &was), 0);
    was.rlim_cur = n < was.rlim_max ? n : was.rlim_max;
    assert_int_equal(prlimit(pid, what, &was, NULL), 0);
}

static size_t descriptors(const struct world *w)
{
    char path[64];
    size_t n = 0;
    DIR *d;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon_pid(w->daemon));
    d = opendir(path);
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n - 2;
}

static double cpu_ms(const struct world *w)
{
    struct timespec t;
    clockid_t clock;

    assert_int_equal(clock_getcpuclockid(daemon_pid(w->daemon), &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int64_t queue(struct world *w)
{
    int64_t id = sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"self-hosted\",\"cirun.gpu\"]"});

    assert_true(id > 0);
    return id;
}

static size_t completed(struct world *w)
{
    struct sim_github_stats stats;

    sim_github_stats(w->gh, &stats);
    return stats.completed;
}

/* One more job gets its machine and is done: everything works. */
static void works(struct world *w)
{
    size_t n = completed(w) + 1;

    (void)queue(w);
    assert_true(sim_github_wait_completed(w->gh, n, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

/* A delivery of a job that is none of ours: the code of the answer. */
static int deliver(struct world *w, unsigned n, struct web_answer *out)
{
    struct secret *secret = secret_new(WORLD_SECRET, strlen(WORLD_SECRET));
    AUTO_BUF struct buf body = BUF_INIT(64 * 1024);
    char guid[40];
    int code;

    (void)snprintf(guid, sizeof(guid), "aaaaaaaa-0000-4000-8000-%012u", n);
    payload_write(
        &body,
        &(struct payload){.job_id = PAYLOAD_FIRST_ID + n, .run_id = 1, .labels = "[\"ubuntu-latest\"]", .size = 6000});
    code = web_ask(
        daemon_port(w->daemon),
        &(struct web_request){.event = "workflow_job", .guid = guid, .secret = secret, .body = body.p, .len = body.len},
        out);
    secret_free(secret);
    return code;
}

static int ready(struct world *w, struct web_answer *out)
{
    return web_ask(daemon_port(w->daemon), &(struct web_request){.method = "GET", .path = "/readyz"}, out);
}

/* Asks until it says so. */
static void wait_ready(struct world *w, int code)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    while (ready(w, NULL) != code)
        assert_true(clock_mono_ms() < until);
}

/* --- descriptors -------------------------------------------------------------------------------------------------- */

static void test_resources__without_descriptors_it_waits_without_spinning_and_goes_on(void **state)
{
    struct world *w = *state;
    struct web *held = mem_calloc(HELD, sizeof(*held));
    struct web quiet;
    double cpu;

    works(w);
    web_open(&quiet, daemon_port(w->daemon));
    limit(w, RLIMIT_NOFILE, descriptors(w) + 8);
    for (int i = 0; i < HELD; i++)
        web_open(&held[i], daemon_port(w->daemon)); /* those that are not accepted wait in the system */
    cpu = cpu_ms(w);
    assert_false(web_ends(&quiet, 2000));
    cpu = cpu_ms(w) - cpu;
    if (cpu > 600)
        fail_msg("%.0f ms of 2000 were spent on waiting", cpu);
    for (int i = 0; i < HELD; i++)
        web_close(&held[i]);
    web_close(&quiet);
    assert_int_equal(deliver(w, 1, NULL), 202);
    limit(w, RLIMIT_NOFILE, RLIM_INFINITY);
    works(w);
    free(held);
}

static void test_resources__a_client_that_stays_keeps_nobody_out_when_descriptors_were_gone(void **state)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: muster\r\n\r\n";
    struct world *w = *state;
    struct web stays, other;
    struct web_answer a;

    web_open(&stays, daemon_port(w->daemon));
    web_sends(&stays, ask);
    assert_int_equal(web_read(&stays, &a), 0);
    limit(w, RLIMIT_NOFILE, 3); /* no new one, whatever is closed */
    web_open(&other, daemon_port(w->daemon));
    web_sends(&other, ask);
    assert_false(web_ends(&stays, 200)); /* time to try */
    limit(w, RLIMIT_NOFILE, RLIM_INFINITY);
    assert_int_equal(web_read(&other, &a), 0);
    assert_int_equal(a.code, 200);
    web_close(&stays);
    web_close(&other);
}

/* No socket for a call to GitHub or the cloud, and no file for a reader of the store: the job waits, no more. */
static void test_resources__a_job_that_finds_no_descriptor_gets_its_machine_later(void **state)
{
    struct world *w = *state;

    limit(w, RLIMIT_NOFILE, descriptors(w) + 1); /* for its delivery */
    (void)queue(w);
    assert_true(daemon_wait_log(w->daemon, "\"kind\":\"retry\"", WAIT_MS)); /* whatever lacked one first */
    limit(w, RLIMIT_NOFILE, RLIM_INFINITY);
    assert_true(sim_github_wait_completed(w->gh, 1, WAIT_MS));
    works(w);
}

/* --- disk --------------------------------------------------------------------------------------------------------- */

static void test_resources__a_full_disk_is_said_and_nothing_acknowledged_is_lost(void **state)
{
    struct world *w = *state;
    struct web_answer a;
    unsigned n = 0;

    works(w);
    assert_int_equal(deliver(w, n, NULL), 202);
    limit(w, RLIMIT_FSIZE, 300000);
    while (deliver(w, ++n, &a) == 202)
        assert_true(n < 10000);
    assert_int_equal(a.code, 503);
    assert_true(web_has_header(&a, "Retry-After: 10"));
    wait_ready(w, 503);
    assert_int_equal(ready(w, &a), 503);
    assert_non_null(strstr(a.body, "store.db"));
    assert_int_equal(web_ask(daemon_port(w->daemon), &(struct web_request){.method = "GET", .path = "/healthz"}, NULL),
                     200);
    limit(w, RLIMIT_FSIZE, RLIM_INFINITY);
    wait_ready(w, 200);
    assert_int_equal(deliver(w, n, NULL), 202);
    assert_int_equal(world_daemon_down(w, SIGKILL), 128 + SIGKILL);
    assert_true(world_daemon_up(w));
    for (unsigned i = 0; i <= n; i++)
        assert_int_equal(deliver(w, i, NULL), 200); /* known */
    works(w);
}

static void test_resources__a_deleted_database_is_said(void **state)
{
    struct world *w = *state;
    struct web_answer a;
    char path[128], away[128];

    (void)snprintf(path, sizeof(path), "%s/store.db", w->dir);
    (void)snprintf(away, sizeof(away), "%s/away.db", w->dir);
    assert_int_equal(deliver(w, 1, NULL), 202);
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(deliver(w, 2, &a), 503);
    assert_int_equal(ready(w, &a), 503);
    assert_non_null(strstr(a.body, "was deleted or moved while muster runs"));
    assert_int_equal(rename(away, path), 0);
    wait_ready(w, 200);
    assert_int_equal(deliver(w, 2, NULL), 202);
    works(w);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static rlim_t address_space(const struct world *w)
{
    char path[64], line[128];
    long kib = 0;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)daemon_pid(w->daemon));
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmSize:", 7) == 0)
            kib = strtol(line + 7, NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return (rlim_t)kib * 1024;
}

/* Bodies that never end, until memory is refused. */
static void gorge(struct world *w)
{
    static char chunk[256 * 1024];
    static const char head[] = "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256="
                               "0000000000000000000000000000000000000000000000000000000000000000\r\n"
                               "Content-Length: 20000000\r\n\r\n";
    struct web *eaters = mem_calloc(HELD, sizeof(*eaters));

    memset(chunk, 'x', sizeof(chunk));
    for (int i = 0; i < HELD; i++) {
        web_open(&eaters[i], daemon_port(w->daemon));
        web_sends(&eaters[i], head);
        web_send(&eaters[i], chunk, sizeof(chunk));
    }
    for (int i = 0; i < HELD; i++)
        web_close(&eaters[i]);
    free(eaters);
}

static void test_resources__refused_memory_ends_the_process_and_nothing_acknowledged_is_lost(void **state)
{
    struct world *w = *state;
    unsigned n = 0;
    int ended;

    works(w);
    for (; n < 50; n++)
        assert_int_equal(deliver(w, n, NULL), 202);
    (void)queue(w);
    limit(w, RLIMIT_AS, address_space(w) + 1024 * 1024);
    gorge(w);
    /* libraries that are refused memory give up one connection; our own code ends the process */
    if (deliver(w, n, NULL) == 202)
        n++;
    sim_github_webhook(w->gh, NULL);
    ended = world_daemon_down(w, SIGTERM);
    assert_true(SANITIZED || ended == 0 || ended == 128 + SIGABRT);
    assert_true(world_daemon_up(w));
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(deliver(w, i, NULL), 200);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

/* Far more is sent than may be held at once: what does not fit is told so, and memory comes back. */
static void test_resources__bodies_at_once_are_bounded(void **state)
{
    struct world *w = *state;

    works(w);
    for (int i = 0; i < 4; i++)
        gorge(w);
    assert_int_equal(deliver(w, 1, NULL), 202);
    assert_true(SANITIZED || daemon_rss_kib(w->daemon) < 160 * 1024);
    works(w);
}

/* --- slow clients ------------------------------------------------------------------------------------------------- */

#define SLOW_MOST 10000

static const char slow_head[] = "POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ";
static const char slow_body[] =
    "POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nX-Hub-Signature-256: sha256="
    "0000000000000000000000000000000000000000000000000000000000000000\r\n\r\nxxxx";

static int open_slow(int port, int i)
{
    static const char *const texts[] = {"", slow_head, slow_body};
    const char *text = texts[i % 3];
    struct web w;

    web_open(&w, port);
    web_sends(&w, text);
    return w.fd;
}

/* As many slow clients as descriptors allow, 10,000 at most: those that say nothing, that stay in their headers, that
 * stay in their body. Deliveries get through all the while, and none of the slow is left in the end. */
static void test_resources__ten_thousand_slow_clients_keep_no_delivery_out(void **state)
{
    struct world *w = *state;
    struct rlimit mine;
    int *slow, n = SLOW_MOST;
    size_t before;
    int64_t until;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &mine), 0);
    mine.rlim_cur = mine.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &mine);
    if (mine.rlim_cur < SLOW_MOST + 500) {
        n = (int)mine.rlim_cur - 500;
        print_message("only %d slow clients: the descriptor limit is %llu\n", n, (unsigned long long)mine.rlim_cur);
    }
    if (n < 500) {
        (void)printf("SKIP %s: the descriptor limit is too low\n", __func__);
        skip();
    }
    works(w);
    before = descriptors(w);
    slow = mem_calloc((size_t)n, sizeof(*slow));
    for (int i = 0; i < n; i++)
        slow[i] = open_slow(daemon_port(w->daemon), i);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(deliver(w, i, NULL), 202);
    works(w);
    until = clock_mono_ms() + WAIT_MS;
    while (descriptors(w) > before + 8) { /* they are shown the door in time, though they would stay */
        assert_int_equal(ready(w, NULL), 200);
        assert_true(clock_mono_ms() < until);
    }
    for (int i = 0; i < n; i++)
        (void)close(slow[i]);
    free(slow);
    assert_true(SANITIZED || daemon_rss_kib(w->daemon) < 128 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resources__without_descriptors_it_waits_without_spinning_and_goes_on,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_resources__a_client_that_stays_keeps_nobody_out_when_descriptors_were_gone,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_resources__a_job_that_finds_no_descriptor_gets_its_machine_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_resources__a_full_disk_is_said_and_nothing_acknowledged_is_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_resources__a_deleted_database_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_resources__refused_memory_ends_the_process_and_nothing_acknowledged_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resources__bodies_at_once_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_resources__ten_thousand_slow_clients_keep_no_delivery_out, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
