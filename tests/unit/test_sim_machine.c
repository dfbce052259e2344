/* Simulated machines between the simulated EC2 and the simulated GitHub: honest ones and liars. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_machine.h"
#include "tests/sim/sim_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct sim_github *gh;
    struct sim_ec2 *ec2;
    struct sim_machines *ms;
    char *priv, *pub, *token;
};

static struct sim_reply call(struct world *w, const char *path, const char *auth, const char *body)
{
    char url[256], authorization[4096];
    struct sim_call c = {.method = "POST", .url = url, .body = body};
    struct sim_reply r;

    (void)snprintf(url, sizeof(url), "%s%s", sim_github_url(w->gh), path);
    (void)snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", auth);
    c.headers[0] = authorization;
    c.headers[1] = "User-Agent: test";
    c.headers[2] = "Accept: application/vnd.github+json";
    c.headers[3] = "Content-Type: application/json";
    sim_do(&c, &r);
    return r;
}

static void get_token(struct world *w)
{
    int64_t now = clock_now_ms() / 1000;
    char *jwt = sim_jwt(w->priv, "12345", now - 60, now + 500, "RS256");
    struct sim_reply r = call(w, "/app/installations/7/access_tokens", jwt, "{\"repository_ids\":[11]}");

    assert_int_equal(r.status, 201);
    w->token = mem_strdup(json_string_value(json_object_get(r.json, "token")));
    sim_reply_clear(&r);
    free(jwt);
}

static int set_up(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct sim_github_conf g = {.lost_contact_ms = 20};
    struct sim_ec2_conf c = {.on_start = sim_machines_on_start, .on_end = sim_machines_on_end};
    struct err e;

    sim_rsa_key(&w->priv, &w->pub);
    g.public_key_pem = w->pub;
    if (sim_github_start(&g, &w->gh, &e) != 0)
        return -1;
    sim_github_add_installation(w->gh, 7, "octo", NULL);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = 11, .installation_id = 7, .full_name = "octo/train"});
    w->ms = sim_machines_new(&(struct sim_machines_conf){.github = w->gh, .idle_ms = 2000});
    c.arg = w->ms;
    if (sim_ec2_start(&c, &w->ec2, &e) != 0)
        return -1;
    sim_machines_in(w->ms, w->ec2);
    get_token(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    sim_machines_stop(w->ms);
    sim_ec2_stop(w->ec2);
    sim_github_stop(w->gh);
    sim_machines_free(w->ms);
    sim_ec2_free(w->ec2);
    sim_github_free(w->gh);
    free(w->priv);
    free(w->pub);
    free(w->token);
    free(w);
    return 0;
}

static char *jit(struct world *w, const char *name)
{
    char body[256], *out;
    struct sim_reply r;

    (void)snprintf(body, sizeof(body), "{\"name\":\"%s\",\"runner_group_id\":1,\"labels\":[\"gpu\"]}", name);
    r = call(w, "/repos/octo/train/actions/runners/generate-jitconfig", w->token, body);
    assert_int_equal(r.status, 201);
    out = mem_strdup(json_string_value(json_object_get(r.json, "encoded_jit_config")));
    sim_reply_clear(&r);
    return out;
}

/* Launch a machine as the daemon would: a runner, and user-data that holds its configuration. */
static void launch(struct world *w, const char *name)
{
    struct buf script = BUF_INIT(16384), b64 = BUF_INIT(32768), body = BUF_INIT(65536);
    char url[128], *config = jit(w, name);
    struct sim_call c = {.method = "POST", .url = url, .sigv4 = "aws:amz:us-east-1:ec2"};
    struct sim_reply r;

    buf_addf(&script, "#!/bin/bash\nMUSTER_NAME='%s'\nMUSTER_JIT='%s'\n", name, config);
    sim_base64(&b64, script.p, script.len);
    buf_adds(&body,
             "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&InstanceType=t3.micro&ImageId=" SIM_EC2_IMAGE
             "&InstanceInitiatedShutdownBehavior=terminate&UserData=");
    sim_url_encode(&body, b64.p, b64.len);
    (void)snprintf(url, sizeof(url), "%s/", sim_ec2_url(w->ec2));
    c.userpwd = SIM_EC2_KEY ":" SIM_EC2_SECRET;
    c.body = body.p;
    sim_do(&c, &r);
    assert_int_equal(r.status, 200);
    sim_reply_clear(&r);
    buf_clear(&script);
    buf_clear(&b64);
    buf_clear(&body);
    free(config);
}

static int64_t job(struct world *w)
{
    return sim_github_job_create(w->gh, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"gpu\"]"});
}

static const char *conclusion(struct world *w, int64_t id, struct sim_job_info *i)
{
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_COMPLETED, 5000));
    assert_true(sim_github_job(w->gh, id, i));
    return i->conclusion;
}

static void test_sim_machine__an_honest_machine_does_its_job_and_ends(void **state)
{
    struct world *w = *state;
    struct sim_machines_stats s;
    struct sim_job_info i;
    int64_t id = job(w);

    launch(w, "muster-a");
    assert_string_equal(conclusion(w, id, &i), "success");
    assert_string_equal(i.runner_name, "muster-a");
    assert_true(sim_ec2_wait_live(w->ec2, 0, 5000));
    sim_machines_stats(w->ms, &s);
    assert_int_equal(s.worked, 1);
    assert_int_equal(s.killed_at_work, 0);
}

static void test_sim_machine__fifty_at_once_serve_each_job_once(void **state)
{
    struct world *w = *state;
    struct sim_job_info i;
    int64_t first = job(w);
    char name[32];

    for (int k = 1; k < 50; k++)
        (void)job(w);
    for (int k = 0; k < 50; k++) {
        (void)snprintf(name, sizeof(name), "muster-%d", k);
        launch(w, name);
    }
    assert_true(sim_github_wait_completed(w->gh, 50, 10000));
    assert_true(sim_ec2_wait_live(w->ec2, 0, 10000));
    for (int64_t k = 0; k < 50; k++) {
        assert_true(sim_github_job(w->gh, first + k, &i));
        assert_int_equal(i.times_started, 1);
    }
}

static void test_sim_machine__one_that_vanishes_leaves_a_failed_job(void **state)
{
    struct world *w = *state;
    struct sim_job_info i;
    int64_t id = job(w);

    sim_machines_next(w->ms, SIM_MACHINE_VANISHES, 1);
    launch(w, "muster-a");
    assert_string_equal(conclusion(w, id, &i), "failure");
    assert_true(sim_ec2_wait_live(w->ec2, 0, 5000));
}

static void test_sim_machine__one_that_never_registers_ends_without_a_job(void **state)
{
    struct world *w = *state;
    struct sim_github_stats s;

    (void)job(w);
    sim_machines_next(w->ms, SIM_MACHINE_NEVER_REGISTERS, 1);
    launch(w, "muster-a");
    assert_true(sim_ec2_wait_launched(w->ec2, 1, 5000));
    assert_true(sim_ec2_wait_live(w->ec2, 0, 5000));
    sim_github_stats(w->gh, &s);
    assert_int_equal(s.queued, 1);
    assert_int_equal(s.runners, 1);
    assert_int_equal(s.runners_online, 0);
}

static void test_sim_machine__a_cancelled_job_sends_its_machine_home(void **state)
{
    struct world *w = *state;
    struct sim_job_info i;
    int64_t id = job(w);

    sim_ec2_free(w->ec2); /* slow machines instead, so that the job is cancelled while one works */
    sim_machines_free(w->ms);
    w->ms = sim_machines_new(&(struct sim_machines_conf){.github = w->gh, .work_ms = 60000});
    assert_int_equal(
        sim_ec2_start(
            &(struct sim_ec2_conf){.on_start = sim_machines_on_start, .on_end = sim_machines_on_end, .arg = w->ms},
            &w->ec2, &(struct err){0}),
        0);
    sim_machines_in(w->ms, w->ec2);
    launch(w, "muster-a");
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_IN_PROGRESS, 5000));
    sim_github_job_cancel(w->gh, id);
    assert_string_equal(conclusion(w, id, &i), "cancelled");
    assert_true(sim_ec2_wait_live(w->ec2, 0, 5000));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sim_machine__an_honest_machine_does_its_job_and_ends),
        CASE(test_sim_machine__fifty_at_once_serve_each_job_once),
        CASE(test_sim_machine__one_that_vanishes_leaves_a_failed_job),
        CASE(test_sim_machine__one_that_never_registers_ends_without_a_job),
        CASE(test_sim_machine__a_cancelled_job_sends_its_machine_home),
    };

    return cmocka_run_group_tests_name("sim_machine", tests, NULL, NULL);
}
