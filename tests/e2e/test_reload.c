/*
 * SIGHUP takes up new settings. Nobody is refused meanwhile (GitHub never delivers again), and settings that could not
 * start leave the daemon as it was.
 */
#include "server/base/mem.h"
#include "tests/support/payload.h"
#include "tests/support/webclient.h"
#include "tests/support/world.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ANY_PORT "127.0.0.1:0"
#define WAIT_MS 30000
#define LAUNCH_MS 1500 /* how long one launch takes: much longer than a new beginning */

struct reload {
    struct world *w;
    struct secret *secret;
    char settings[128], store[128];
    int64_t next_job;
};

static void write_settings(struct reload *r, const char *listen_on, const char *admin, const char *store)
{
    FILE *f = fopen(r->settings, "we");

    assert_non_null(f);
    assert_true(fprintf(f, "server:\n  listen: %s\n  admin_listen: %s\nstore: %s\n", listen_on, admin, store) > 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    struct reload *r = mem_zalloc(sizeof(*r));

    r->w = world_new(&(struct world_conf){.seed = 1});
    r->secret = secret_new(WORLD_SECRET, strlen(WORLD_SECRET));
    r->next_job = PAYLOAD_FIRST_ID;
    (void)snprintf(r->settings, sizeof(r->settings), "%s/settings.yml", r->w->dir);
    (void)snprintf(r->store, sizeof(r->store), "sqlite:%s/store.db", r->w->dir);
    write_settings(r, ANY_PORT, ANY_PORT, r->store);
    env_set(&r->w->env, "MUSTER_LISTEN", NULL);
    env_set(&r->w->env, "MUSTER_ADMIN_LISTEN", NULL);
    env_set(&r->w->env, "MUSTER_STORE", NULL);
    env_set(&r->w->env, "MUSTER_CONFIG", r->settings);
    *state = r;
    return world_daemon_up(r->w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct reload *r = *state;
    int rc = world_daemon_down(r->w, SIGTERM);

    (void)unlink(r->settings);
    world_free(r->w);
    secret_free(r->secret);
    free(r);
    assert_int_equal(rc, 0);
    return 0;
}

/* A job of GitHub's own machines, on a connection of its own: it causes no call. The answer's code. */
static int deliver(struct reload *r)
{
    AUTO_BUF struct buf body = BUF_INIT(65536);
    char guid[40];
    struct payload p = {.labels = "[\"ubuntu-latest\"]", .job_id = r->next_job++, .run_id = 7};
    struct web_request q = {.event = "workflow_job", .guid = guid, .type = "application/json", .secret = r->secret};

    payload_write(&body, &p);
    (void)snprintf(guid, sizeof(guid), "reload-%lld", (long long)p.job_id);
    q.body = body.p;
    q.len = body.len;
    return web_ask(daemon_port(r->w->daemon), &q, NULL);
}

static void test_reload__no_delivery_is_refused_while_a_launch_is_under_way(void **state)
{
    struct reload *r = *state;
    struct world *w = r->w;

    sim_http_latency(sim_ec2_http(w->ec2), LAUNCH_MS);
    (void)sim_github_job_create(
        w->gh, &(struct sim_job_spec){
                   .repo = WORLD_REPO, .labels = "[\"self-hosted\",\"cirun.gpu\"]", .name = "gpu", .run_id = 1});
    assert_true(daemon_wait_log(w->daemon, "job.decided", WAIT_MS));
    assert_int_equal(kill(daemon_pid(w->daemon), SIGHUP), 0);
    while (daemon_count_log(w->daemon, "\"server.started\"") < 2)
        assert_int_equal(deliver(r), 202);
    assert_int_equal(deliver(r), 202);
    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

/* They are refused in the log with this word, and the old ones go on. */
static void is_kept_from(struct reload *r, const char *word)
{
    size_t before = daemon_count_log(r->w->daemon, "\"settings.refused\"");

    assert_int_equal(kill(daemon_pid(r->w->daemon), SIGHUP), 0);
    assert_true(daemon_wait_log(r->w->daemon, word, WAIT_MS));
    assert_int_equal(daemon_count_log(r->w->daemon, "\"settings.refused\""), before + 1);
    assert_int_equal(deliver(r), 202);
    assert_int_equal(daemon_count_log(r->w->daemon, "\"server.started\""), 1);
}

static void test_reload__settings_that_could_not_start_change_nothing(void **state)
{
    struct reload *r = *state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(a);
    char busy[64];

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(busy, sizeof(busy), "127.0.0.1:%d", ntohs(a.sin_port));
    write_settings(r, busy, ANY_PORT, r->store);
    is_kept_from(r, "in use");
    write_settings(r, ANY_PORT, ANY_PORT, "sqlite:/nowhere/at/all/muster.db");
    is_kept_from(r, "/nowhere/at/all");
    (void)close(fd);
}

static void test_reload__an_open_admin_side_needs_a_token_then_too(void **state)
{
    struct reload *r = *state;

    write_settings(r, ANY_PORT, "0.0.0.0:0", r->store);
    is_kept_from(r, "admin_token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reload__no_delivery_is_refused_while_a_launch_is_under_way, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reload__settings_that_could_not_start_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reload__an_open_admin_side_needs_a_token_then_too, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
