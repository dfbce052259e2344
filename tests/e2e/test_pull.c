/*
 * Images that fetch their bootstrap (provision_via: pull_from_api): the real daemon as a process, a strict GitHub and
 * EC2, and this test as the start-up script of an image, over HTTP.
 */
#include "server/base/mem.h"
#include "tests/support/unit.h"
#include "tests/support/webclient.h"
#include "tests/support/world.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>

#define WAIT_MS 30000
#define TOKEN "a-token-of-images-1"
#define NEXT_TOKEN "a-token-of-images-2"
#define PATH "/api/runner-provision"

static const char pull_file[] = "setup_info:\n"
                                "  - {group: Team, detail: ours}\n"
                                "runners:\n"
                                "  - name: own-image\n"
                                "    cloud: aws\n"
                                "    instance_type: c5.large\n"
                                "    machine_image: " SIM_EC2_IMAGE "\n"
                                "    region: us-east-1\n"
                                "    labels: [cirun-pull]\n"
                                "    extra_config:\n"
                                "      provision_via: pull_from_api\n"
                                "      env_vars: {NODE_ENV: production}\n";

static struct world *begin(const char *tokens)
{
    struct world *w = world_new(&(struct world_conf){.cirun_yml = pull_file, .seed = 1});

    if (tokens != NULL)
        env_set(&w->env, "MUSTER_API_TOKEN", tokens);
    sim_machines_next(w->machines, SIM_MACHINE_NEVER_BOOTS, 1); /* its user-data alone makes nothing of it */
    assert_true(world_daemon_up(w));
    return w;
}

static void finish(struct world *w)
{
    size_t violations = world_violations(w);
    int rc = world_daemon_down(w, SIGTERM);

    world_free(w);
    assert_int_equal(violations, 0);
    assert_int_equal(rc, 0);
}

static int ask_with(struct world *w, const char *method, const char *token, const char *query, struct web_answer *out)
{
    char path[256], headers[128] = "";

    (void)snprintf(path, sizeof(path), PATH "%s", query);
    if (token != NULL)
        (void)snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", token);
    return web_ask(daemon_port(w->daemon), &(struct web_request){.method = method, .path = path, .headers = headers},
                   out);
}

static int fetch(struct world *w, const char *name, struct web_answer *out)
{
    char query[128];

    (void)snprintf(query, sizeof(query), "?runner_name=%s", name);
    return ask_with(w, "GET", TOKEN, query, out);
}

/* A job that wants such a machine, and the machine, with the name by which its image knows it. */
static int64_t launch(struct world *w, struct sim_instance *i, char name[80])
{
    int64_t job = sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun-pull\"]", .name = "build"});
    struct sim_machines_stats stats;

    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    assert_true(sim_ec2_at(w->ec2, sim_ec2_count(w->ec2) - 1, i));
    assert_true(sim_ec2_tag(w->ec2, i->id, "Name", name, 80));
    do {
        (void)sched_yield();
        sim_machines_stats(w->machines, &stats);
    } while (stats.started == 0);
    return job;
}

static void test_pull__an_image_fetches_its_bootstrap_once_and_its_job_is_done(void **state)
{
    struct world *w = begin(TOKEN);
    struct sim_instance i;
    struct web_answer a = {0};
    AUTO_FREE char *log = NULL;
    char name[80], tag[80], *jit;
    int64_t job = launch(w, &i, name);

    (void)state;
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-machine", tag, sizeof(tag)));
    assert_string_equal(name, tag);
    assert_null(sim_ec2_user_data(w->ec2, i.id));
    assert_int_equal(fetch(w, name, &a), 200);
    assert_true(web_has_header(&a, "Cache-Control: no-store"));
    assert_true(web_has_header(&a, "Content-Type: text/plain; charset=utf-8"));
    assert_memory_equal(a.body, "#!/bin/bash\nMUSTER_NAME='muster-", 32);
    assert_non_null(strstr(a.body, "\nMUSTER_ENV=('NODE_ENV=production' )\n"));
    assert_non_null(strstr(a.body, "{\"group\":\"Team\",\"detail\":\"ours\"}]'\n"));
    sim_machines_on_start(w->machines, i.id, name, a.body, strlen(a.body));
    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
    jit = strstr(a.body, "\nMUSTER_JIT='") + strlen("\nMUSTER_JIT='");
    *strchr(jit, '\'') = '\0';
    assert_int_equal(fetch(w, name, &a), 410);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(fetch(w, name, &a), 410);
    log = daemon_log(w->daemon);
    assert_null(strstr(log, TOKEN));
    assert_null(strstr(log, jit));
    assert_non_null(strstr(log, "machine.fetched"));
    finish(w);
}

static void test_pull__a_request_that_is_not_entitled_or_names_no_machine_takes_nothing(void **state)
{
    static const struct {
        const char *method, *token, *query;
        bool name; /* the query ends with the machine's */
        const char *tail;
        int code;
    } rows[] = {
        {"GET", NULL, "?runner_name=", true, "", 401},
        {"GET", "a-token-of-images-3", "?runner_name=", true, "", 401},
        {"GET", "", "?runner_name=", true, "", 401},
        {"GET", TOKEN "x", "?runner_name=", true, "", 401},
        {"POST", TOKEN, "?runner_name=", true, "", 405},
        {"GET", TOKEN, "", false, "", 400},
        {"GET", TOKEN, "?runner_name=", false, "", 400},
        {"GET", TOKEN, "?runner=", true, "", 400},
        {"GET", TOKEN, "?runner_name=muster-01nobody", false, "", 404},
        {"GET", TOKEN, "?runner_name=..%2f..%2fetc", false, "", 404},
        {"GET", TOKEN, "?runner_name=", true, "%00x", 404},
        {"GET", TOKEN, "?runner_name=", true, "%27%20OR%20%27%27=%27", 404},
    };
    struct world *w = begin(NEXT_TOKEN "\n" TOKEN);
    struct sim_instance i;
    struct web_answer a = {0};
    char name[80];

    (void)state;
    (void)launch(w, &i, name);
    for (size_t k = 0; k < ARRAY_LEN(rows); k++) {
        char query[128];

        (void)snprintf(query, sizeof(query), "%s%s%s", rows[k].query, rows[k].name ? name : "", rows[k].tail);
        assert_int_equal(ask_with(w, rows[k].method, rows[k].token, query, &a), rows[k].code);
        assert_null(strstr(a.body, "MUSTER_JIT"));
    }
    assert_int_equal(fetch(w, name, &a), 200);
    finish(w);
}

static void test_pull__what_may_be_fetched_outlasts_a_killed_daemon_and_so_does_that_it_was(void **state)
{
    struct world *w = begin(TOKEN);
    struct sim_instance i;
    struct web_answer a = {0};
    char name[80];
    int64_t job = launch(w, &i, name);

    (void)state;
    assert_true(daemon_wait_log(w->daemon, "machine.launched", WAIT_MS));
    (void)world_daemon_down(w, SIGKILL);
    assert_true(world_daemon_up(w));
    assert_int_equal(fetch(w, name, &a), 200);
    (void)world_daemon_down(w, SIGKILL);
    assert_true(world_daemon_up(w));
    sim_machines_on_start(w->machines, i.id, name, a.body, strlen(a.body));
    assert_int_equal(fetch(w, name, &a), 410);
    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
    finish(w);
}

static void test_pull__a_machine_that_is_given_its_bootstrap_cannot_fetch_another(void **state)
{
    struct world *w = world_new(&(struct world_conf){.work_ms = 2000, .seed = 1});
    struct sim_instance i;
    struct web_answer a = {0};
    char name[80];

    (void)state;
    env_set(&w->env, "MUSTER_API_TOKEN", TOKEN);
    sim_machines_next(w->machines, SIM_MACHINE_NEVER_BOOTS, 1);
    assert_true(world_daemon_up(w));
    (void)sim_github_job_create(w->gh,
                                &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun-gpu\"]", .name = "x"});
    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    assert_true(sim_ec2_at(w->ec2, 0, &i));
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-machine", name, sizeof(name)));
    assert_int_equal(fetch(w, name, &a), 404);
    finish(w);
}

static void test_pull__without_a_token_nothing_is_there_and_the_job_is_told_what_is_missing(void **state)
{
    struct world *w = begin(NULL);
    struct web_answer a = {0};

    (void)state;
    (void)sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun-pull\"]", .name = "build"});
    assert_true(daemon_wait_log(w->daemon, "needs server.api_token", WAIT_MS));
    assert_int_equal(fetch(w, "muster-01nobody", &a), 404);
    assert_non_null(strstr(a.body, "nothing at this path"));
    assert_int_equal(sim_ec2_count(w->ec2), 0);
    finish(w);
}

static void test_pull__another_way_of_provisioning_is_refused_by_name(void **state)
{
    struct world *w = world_new(&(struct world_conf){.cirun_yml = "runners:\n"
                                                                  "  - name: own-image\n"
                                                                  "    cloud: aws\n"
                                                                  "    instance_type: c5.large\n"
                                                                  "    machine_image: " SIM_EC2_IMAGE "\n"
                                                                  "    labels: [cirun-pull]\n"
                                                                  "    extra_config: {provision_via: carrier_pigeon}\n",
                                                     .seed = 1});

    (void)state;
    env_set(&w->env, "MUSTER_API_TOKEN", TOKEN);
    assert_true(world_daemon_up(w));
    (void)sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun-pull\"]", .name = "build"});
    assert_true(daemon_wait_log(w->daemon, "provision_via", WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 0);
    finish(w);
}

/* In one go, so that a slow machine is fast enough too. */
static void test_pull__whoever_guesses_is_slowed_down(void **state)
{
    struct world *w = begin(TOKEN);
    AUTO_BUF struct buf many = BUF_INIT(256 * 1024);
    struct web_answer a = {0};
    struct web c;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_adds(&many, "GET " PATH "?runner_name=muster-01nobody HTTP/1.1\r\nHost: h\r\n"
                        "Authorization: Bearer a-token-that-is-none\r\n\r\n");
    web_open(&c, daemon_port(w->daemon));
    web_send(&c, many.p, many.len);
    do {
        assert_int_equal(web_read(&c, &a), 0);
        assert_true(a.code == 401 || a.code == 429);
    } while (++n < 1000 && a.code != 429);
    web_close(&c);
    assert_int_equal(a.code, 429);
    assert_true(web_has_header(&a, "Retry-After: 1"));
    do {
        a.code = fetch(w, "muster-01nobody", &a);
    } while (a.code == 429);
    assert_int_equal(a.code, 404);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pull__an_image_fetches_its_bootstrap_once_and_its_job_is_done),
        cmocka_unit_test(test_pull__a_request_that_is_not_entitled_or_names_no_machine_takes_nothing),
        cmocka_unit_test(test_pull__what_may_be_fetched_outlasts_a_killed_daemon_and_so_does_that_it_was),
        cmocka_unit_test(test_pull__a_machine_that_is_given_its_bootstrap_cannot_fetch_another),
        cmocka_unit_test(test_pull__without_a_token_nothing_is_there_and_the_job_is_told_what_is_missing),
        cmocka_unit_test(test_pull__another_way_of_provisioning_is_refused_by_name),
        cmocka_unit_test(test_pull__whoever_guesses_is_slowed_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
