/* `muster sweep`, the real binary, against the simulated EC2 and GitHub: no daemon, no store. */
#include "providers/registry.h"
#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/github/api.h"
#include "tests/support/run.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MINUTE ((int64_t)60 * 1000)
#define OUT_MAX ((size_t)256 * 1024)

/* The world without a daemon, an account to launch in, and a client of GitHub. */
struct bed {
    struct world *w;
    struct sim_ec2 *ec2; /* whose machines have no software: they stay */
    struct httpc *http;
    struct conf *conf;
    struct provider_env env;
    struct provider *aws;
    struct crypto_key *key;
    struct github *github;
};

static const char *variable(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? "true" : NULL;
}

static void set(struct conf *c, const char *name, const char *value)
{
    struct err e;

    if (conf_set(c, name, value, "the test", &e))
        fail_msg("%s", e.msg);
}

static void open_github(struct bed *b)
{
    char path[128], text[8192];
    struct secret *pem;
    struct err e;
    size_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/app.pem", b->w->dir);
    f = fopen(path, "re");
    assert_non_null(f);
    n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    pem = secret_new(text, n);
    assert_int_equal(crypto_key_parse(pem, path, &b->key, &e), 0);
    secret_free(pem);
    b->github = github_new(&(struct github_conf){sim_github_url(b->w->gh), "12345", b->key, b->http});
}

/* The child has the environment of this process. */
static void give_env(const struct env *env, bool give)
{
    for (size_t i = 0; i < env->n; i++) {
        char name[128];

        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(env->v[i], "="), env->v[i]);
        if (give)
            (void)setenv(name, env->v[i] + strcspn(env->v[i], "=") + 1, 1);
        else
            (void)unsetenv(name);
    }
}

static int setup(void **state)
{
    struct bed *b = mem_zalloc(sizeof(*b));
    const struct provider_ops *ops = registry_find("aws");
    struct err e;

    b->w = world_new(&(struct world_conf){.seed = 1});
    assert_int_equal(sim_ec2_start(&(struct sim_ec2_conf){.seed = 1}, &b->ec2, &e), 0);
    env_set(&b->w->env, "AWS_EC2_METADATA_DISABLED", "true");
    env_set(&b->w->env, "AWS_ENDPOINT_URL_EC2", sim_ec2_url(b->ec2));
    b->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    b->conf = conf_new("clouds.aws", ops->account_keys);
    set(b->conf, "region", "us-east-1");
    set(b->conf, "access_key_id", SIM_EC2_KEY);
    set(b->conf, "secret_access_key", SIM_EC2_SECRET);
    set(b->conf, "endpoint_url", sim_ec2_url(b->ec2));
    b->env = (struct provider_env){.http = b->http, .deployment = "muster", .getenv_fn = variable};
    assert_int_equal(ops->open(b->conf, &b->env, &b->aws, &e), 0);
    open_github(b);
    give_env(&b->w->env, true);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    size_t violations;

    clock_test_release();
    give_env(&b->w->env, false);
    registry_find("aws")->close(b->aws);
    github_free(b->github);
    crypto_key_free(b->key);
    conf_free(b->conf);
    httpc_free(b->http);
    violations = world_violations(b->w) + sim_http_violations(sim_ec2_http(b->ec2));
    sim_ec2_free(b->ec2);
    world_free(b->w);
    free(b);
    return violations > 0 ? -1 : 0;
}

/* A machine that was launched `ago` and expires `in` from now; its id. */
struct made {
    char id[256], name[64];
};

static struct made make(struct bed *b, const char *deployment, const char *repo, int64_t ago_ms, int64_t in_ms)
{
    static const struct machine_spec spec = {.cloud = "aws", .instance_type = "g4dn.xlarge", .image = SIM_EC2_IMAGE};
    struct secret *data = secret_new("#!/bin/sh\n", 10);
    int64_t now = clock_now_ms();
    char expires[24];
    struct made out;
    struct tag tags[] = {{TAG_DEPLOYMENT, deployment},
                         {TAG_MACHINE, out.name},
                         {TAG_JOB, "42"},
                         {TAG_REPOSITORY, repo},
                         {TAG_EXPIRES, expires}};
    struct launch_request r = {.spec = &spec,
                               .name = out.name,
                               .token = out.name,
                               .user_data = data,
                               .first_try = true,
                               .tags = tags,
                               .n_tags = ARRAY_LEN(tags)};
    struct instance got;
    struct err e;

    clock_test_set(now - ago_ms);
    id_machine_name(out.name);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)((now + in_ms) / 1000));
    if (registry_find("aws")->launch(b->aws, &r, &got, &e))
        fail_msg("%s", e.msg);
    clock_test_release();
    secret_free(data);
    (void)snprintf(out.id, sizeof(out.id), "%s", got.id);
    return out;
}

static bool lives(struct bed *b, const struct made *m)
{
    struct sim_instance i;

    assert_true(sim_ec2_find(b->ec2, m->id, &i));
    return i.ended_ms == 0;
}

/* A runner of this name takes a job. */
static void work(struct bed *b, const char *name)
{
    const struct github_repo repo = {WORLD_INSTALLATION, WORLD_REPO_ID, WORLD_REPO};
    AUTO_SECRET struct secret *jit = NULL;
    int64_t id, job;
    struct err e;

    if (github_jitconfig(b->github, &repo, name, "[\"cirun-sweep\"]", &id, &jit, &e))
        fail_msg("%s", e.msg);
    assert_int_equal(sim_github_runner_online(b->w->gh, secret_reveal(jit), NULL, NULL, &id, &e), 0);
    job = sim_github_job_create(b->w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun-sweep\"]"});
    assert_true(sim_github_wait_job(b->w->gh, job, SIM_JOB_IN_PROGRESS, 20000));
}

static void must_hold(const struct buf *out, const char *text)
{
    if (out->p == NULL || strstr(out->p, text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, out->p != NULL ? out->p : "");
}

#define SWEEP(out, ...) run_muster((const char *const[]){"sweep", __VA_ARGS__, NULL}, out)

/* --- the tests -------------------------------------------------------------------------------------------------- */

static void test_sweep_cli__the_expired_end_and_nothing_else(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);
    struct made young = make(b, "muster", WORLD_REPO, 120 * MINUTE, 60 * MINUTE);
    struct made foreign = make(b, "another", WORLD_REPO, 120 * MINUTE, -MINUTE);

    assert_int_equal(SWEEP(&out, "--wait", "60s"), 0);
    must_hold(&out, old.name);
    must_hold(&out, old.id);
    must_hold(&out, WORLD_REPO);
    must_hold(&out, "its lifetime is over; GitHub knows no runner of its name");
    must_hold(&out, "its lifetime is not over");
    must_hold(&out, "2 with the tag of deployment muster: 1 left alone 1 destroyed");
    assert_null(strstr(out.p, foreign.id));
    assert_false(lives(b, &old));
    assert_true(lives(b, &young));
    assert_true(lives(b, &foreign));
}

static void test_sweep_cli__a_dry_run_changes_nothing(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    AUTO_JSON json_t *doc = NULL;
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);
    const char *text;
    int64_t n;
    struct err e;

    assert_int_equal(SWEEP(&out, "--dry-run", "--json"), 0);
    assert_int_equal(js_parse(out.p, out.len, &doc, &e), 0);
    assert_int_equal(js_str(doc, "machines.0.outcome", &text, &e), 0);
    assert_string_equal(text, "would_be_destroyed");
    assert_int_equal(js_str(doc, "machines.0.name", &text, &e), 0);
    assert_string_equal(text, old.name);
    assert_int_equal(js_str(doc, "machines.0.repository", &text, &e), 0);
    assert_string_equal(text, WORLD_REPO);
    assert_int_equal(js_i64(doc, "machines.0.job", &n, &e), 0);
    assert_int_equal(n, 42);
    assert_true(lives(b, &old));
    assert_int_equal(sim_http_count(sim_ec2_http(b->ec2), "TerminateInstances"), 0);
}

static void test_sweep_cli__a_machine_that_works_is_left_alone(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX), blind = BUF_INIT(OUT_MAX);
    struct made busy = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);

    work(b, busy.name);
    assert_int_equal(SWEEP(&out, "--wait", "60s"), 0);
    must_hold(&out, "GitHub says that its runner has a job");
    assert_true(lives(b, &busy));
    assert_int_equal(SWEEP(&blind, "--wait", "60s", "--no-github"), 0);
    must_hold(&blind, "GitHub could not be asked");
    assert_false(lives(b, &busy));
}

static void test_sweep_cli__while_github_does_not_answer_a_job_has_its_overtime(void **state)
{
    struct bed *b = *state;
    struct made busy = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);
    struct made over = make(b, "muster", WORLD_REPO, 600 * MINUTE, -361 * MINUTE); /* limits.overtime is six hours */
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    work(b, busy.name);
    sim_http_fault(sim_github_http(b->w->gh),
                   &(struct sim_fault){.kind = SIM_FAULT_STATUS, .status = 502, .probability = 1});
    assert_int_equal(SWEEP(&out, "--wait", "60s"), 0);
    must_hold(&out, "GitHub could not be asked");
    assert_true(lives(b, &busy));
    assert_false(lives(b, &over));
}

static void test_sweep_cli__clouds_alone_are_enough(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);

    (void)unsetenv("MUSTER_GITHUB_APP_ID");
    (void)unsetenv("MUSTER_GITHUB_PRIVATE_KEY_FILE");
    (void)unsetenv("MUSTER_WEBHOOK_SECRET");
    assert_int_equal(SWEEP(&out, "--wait", "60s"), 0);
    must_hold(&out, "there are no credentials of the GitHub App here");
    assert_false(lives(b, &old));
}

static void test_sweep_cli__a_failing_account_keeps_no_other_from_being_swept(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    char path[128];
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);
    FILE *f;
    int rc;

    (void)snprintf(path, sizeof(path), "%s/muster.yml", b->w->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs("clouds:\n  digitalocean: {token: abc, endpoint_url: \"http://127.0.0.1:9\"}\n", f);
    assert_int_equal(fclose(f), 0);
    rc = SWEEP(&out, "--wait", "60s", "-c", path);
    (void)unlink(path);
    assert_int_equal(rc, 1);
    must_hold(&out, "muster sweep: digitalocean");
    assert_false(lives(b, &old));
}

static void test_sweep_cli__all_ends_what_surely_is_orphaned_when_it_is_confirmed(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf wrong = BUF_INIT(OUT_MAX), out = BUF_INIT(OUT_MAX);
    struct made orphan = make(b, "muster", WORLD_REPO, 120 * MINUTE, 600 * MINUTE);
    struct made busy = make(b, "muster", WORLD_REPO, 120 * MINUTE, 600 * MINUTE);
    struct made fresh = make(b, "muster", WORLD_REPO, 5 * MINUTE, 600 * MINUTE);
    struct made whose = make(b, "muster", "nobody/knows", 120 * MINUTE, 600 * MINUTE);

    work(b, busy.name);
    assert_int_equal(SWEEP(&wrong, "--all", "another"), 2);
    assert_true(lives(b, &orphan));
    assert_int_equal(SWEEP(&out, "--all", "muster", "--wait", "60s"), 0);
    assert_false(lives(b, &orphan));
    assert_true(lives(b, &busy));
    assert_true(lives(b, &fresh));
    assert_true(lives(b, &whose));
    must_hold(&out, "it was made less than 30 minutes ago");
}

static void test_sweep_cli__a_refused_end_is_named(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);

    sim_ec2_fault(b->ec2, "TerminateInstances", 403, "UnauthorizedOperation", "You are not authorized", 100, 0);
    assert_int_equal(SWEEP(&out, "--wait", "60s"), 1);
    must_hold(&out, "UnauthorizedOperation");
    must_hold(&out, "1 failed");
    assert_true(lives(b, &old));
}

static void test_sweep_cli__without_the_right_to_list_regions_the_default_one_is_swept(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX), named = BUF_INIT(OUT_MAX);
    struct made old = make(b, "muster", WORLD_REPO, 120 * MINUTE, -MINUTE);

    sim_ec2_fault(b->ec2, "DescribeRegions", 403, "UnauthorizedOperation", "You are not authorized", 100, 0);
    assert_int_equal(SWEEP(&out, "--wait", "60s"), 1);
    must_hold(&out, "name others by --region");
    assert_false(lives(b, &old));
    assert_int_equal(SWEEP(&named, "--region", "us-east-1"), 0);
}

static void test_sweep_cli__beside_a_running_daemon_nothing_is_locked(void **state)
{
    struct bed *b = *state;
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    assert_true(world_daemon_up(b->w));
    assert_int_equal(SWEEP(&out, "--cloud", "aws"), 0);
    must_hold(&out, "0 with the tag of deployment muster: nothing");
    assert_int_equal(world_daemon_down(b->w, SIGTERM), 0);
}

static void test_sweep_cli__misuse_exits_with_2(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(OUT_MAX);

    (void)state;
    assert_int_equal(SWEEP(&out, "--nonsense"), 2);
    assert_int_equal(SWEEP(&out, "--wait", "soon"), 2);
    assert_int_equal(SWEEP(&out, "--all"), 2);
    assert_int_equal(SWEEP(&out, "--cloud", "azure"), 2);
    assert_int_equal(SWEEP(&out, "operand"), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(test_sweep_cli__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_expired_end_and_nothing_else),
        T(a_dry_run_changes_nothing),
        T(a_machine_that_works_is_left_alone),
        T(while_github_does_not_answer_a_job_has_its_overtime),
        T(clouds_alone_are_enough),
        T(a_failing_account_keeps_no_other_from_being_swept),
        T(all_ends_what_surely_is_orphaned_when_it_is_confirmed),
        T(a_refused_end_is_named),
        T(without_the_right_to_list_regions_the_default_one_is_swept),
        T(beside_a_running_daemon_nothing_is_locked),
        T(misuse_exits_with_2),
    };

    return cmocka_run_group_tests_name("sweep_cli", tests, NULL, NULL);
}
