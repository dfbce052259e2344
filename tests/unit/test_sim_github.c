/* The simulated GitHub is a judge: these tests show that it refuses what GitHub refuses, and tells its story truly. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AGENT "User-Agent: test"
#define JSON "Accept: application/vnd.github+json"
#define READ_ONE "{\"repository_ids\":[11],\"permissions\":{\"contents\":\"read\",\"actions\":\"read\"}}"
#define RUNNERS_ONE "{\"repository_ids\":[11],\"permissions\":{\"administration\":\"write\"}}"

struct world {
    struct sim_github *g;
    char *priv, *pub;
};

static int set_up(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));
    struct sim_github_conf c = {.app_id = "12345", .lost_contact_ms = 30};
    struct err e;

    sim_rsa_key(&w->priv, &w->pub);
    c.public_key_pem = w->pub;
    if (sim_github_start(&c, &w->g, &e) != 0)
        return -1;
    sim_github_add_installation(w->g, 7, "octo", NULL);
    sim_github_add_repo(w->g, &(struct sim_repo){.id = 11, .installation_id = 7, .full_name = "octo/train"});
    sim_github_add_repo(w->g, &(struct sim_repo){.id = 12, .installation_id = 7, .full_name = "octo/other"});
    sim_github_put_file(w->g, "octo/train", "main", ".cirun.yml", "runners: []\n");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    sim_github_free(w->g);
    free(w->priv);
    free(w->pub);
    free(w);
    return 0;
}

static struct sim_reply call(struct world *w, const char *method, const char *path, const char *auth,
                             const char *accept, const char *body)
{
    char url[512], authorization[4096];
    struct sim_call c = {.method = method, .url = url, .body = body};
    struct sim_reply r;

    (void)snprintf(url, sizeof(url), "%s%s", sim_github_url(w->g), path);
    (void)snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", auth);
    c.headers[0] = authorization;
    c.headers[1] = AGENT;
    c.headers[2] = accept;
    c.headers[3] = body != NULL ? "Content-Type: application/json" : NULL;
    sim_do(&c, &r);
    return r;
}

static char *jwt_now(const struct world *w)
{
    int64_t now = clock_now_ms() / 1000;

    return sim_jwt(w->priv, "12345", now - 60, now + 540, "RS256");
}

static char *token(struct world *w, const char *body)
{
    char *jwt = jwt_now(w), *t;
    struct sim_reply r = call(w, "POST", "/app/installations/7/access_tokens", jwt, JSON, body);

    assert_int_equal(r.status, 201);
    t = mem_strdup(json_string_value(json_object_get(r.json, "token")));
    sim_reply_clear(&r);
    free(jwt);
    return t;
}

static int status_of(struct world *w, const char *method, const char *path, const char *auth, const char *body)
{
    struct sim_reply r = call(w, method, path, auth, JSON, body);
    int status = r.status;

    sim_reply_clear(&r);
    return status;
}

static void no_violation(struct world *w)
{
    struct buf b = BUF_INIT(65536);

    sim_http_violation_text(sim_github_http(w->g), &b);
    if (b.len != 0)
        fail_msg("violations:\n%s", b.p);
    buf_clear(&b);
}

static void expect_violation(struct world *w)
{
    assert_true(sim_http_violations(sim_github_http(w->g)) > 0);
    sim_http_violations_clear(sim_github_http(w->g));
}

static int jwt_status(struct world *w, char *jwt, const char *message)
{
    struct sim_reply r = call(w, "GET", "/app", jwt, JSON, NULL);
    int status = r.status;

    if (message != NULL)
        assert_non_null(strstr(r.body.p, message));
    sim_reply_clear(&r);
    free(jwt);
    return status;
}

static void test_sim_github__app_jwt_is_verified(void **state)
{
    struct world *w = *state;
    int64_t now = clock_now_ms() / 1000;
    char *other, *other_pub, *bent;

    sim_rsa_key(&other, &other_pub);
    assert_int_equal(jwt_status(w, jwt_now(w), "muster"), 200);
    no_violation(w);
    assert_int_equal(jwt_status(w, sim_jwt(w->priv, "12345", now + 120, now + 540, "RS256"), "'iat'"), 401);
    assert_int_equal(jwt_status(w, sim_jwt(w->priv, "12345", now - 700, now - 1, "RS256"), "'exp'"), 401);
    assert_int_equal(jwt_status(w, sim_jwt(w->priv, "12345", now, now + 700, "RS256"), "too far in the future"), 401);
    no_violation(w); /* times may be a clock's fault */
    assert_int_equal(jwt_status(w, sim_jwt(w->priv, "999", now, now + 500, "RS256"), "Integration not found"), 404);
    expect_violation(w);
    assert_int_equal(jwt_status(w, sim_jwt(other, "12345", now, now + 500, "RS256"), "could not be decoded"), 401);
    expect_violation(w);
    assert_int_equal(jwt_status(w, sim_jwt(w->priv, "12345", now, now + 500, "HS256"), "could not be decoded"), 401);
    expect_violation(w);
    bent = jwt_now(w);
    bent[strlen(bent) - 5] = bent[strlen(bent) - 5] == 'A' ? 'B' : 'A';
    assert_int_equal(jwt_status(w, bent, "could not be decoded"), 401);
    expect_violation(w);
    free(other);
    free(other_pub);
}

static void test_sim_github__a_clock_ahead_refuses_jwts_and_shows_its_date(void **state)
{
    struct world *w = *state;
    char *jwt = jwt_now(w), date[64], expected[40];
    struct sim_reply r;

    sim_github_clock_ahead(w->g, 3600 * 1000);
    r = call(w, "GET", "/app", jwt, JSON, NULL);
    assert_int_equal(r.status, 401);
    assert_true(sim_reply_header(&r, "Date", date, sizeof(date)));
    sim_time_http(clock_now_ms() + 3600 * 1000, expected);
    assert_memory_equal(date, expected, 16); /* the day; the seconds move */
    assert_memory_equal(date + 17, expected + 17, 2);
    sim_reply_clear(&r);
    free(jwt);
}

static void test_sim_github__tokens_do_only_what_they_were_made_for(void **state)
{
    struct world *w = *state;
    char *reads = token(w, READ_ONE), *runners = token(w, RUNNERS_ONE);
    const char *contents = "/repos/octo/train/contents/.cirun.yml";

    assert_int_equal(status_of(w, "GET", contents, reads, NULL), 200);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/actions/runners", runners, NULL), 200);
    no_violation(w);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/actions/runners", reads, NULL), 403);
    expect_violation(w);
    assert_int_equal(status_of(w, "GET", contents, runners, NULL), 403);
    expect_violation(w);
    assert_int_equal(status_of(w, "GET", "/repos/octo/other/contents/x", reads, NULL), 404);
    expect_violation(w);
    assert_int_equal(status_of(w, "GET", contents, "ghs_made_up", NULL), 401);
    expect_violation(w);
    sim_github_revoke_tokens(w->g);
    assert_int_equal(status_of(w, "GET", contents, reads, NULL), 401);
    no_violation(w);
    free(reads);
    free(runners);
}

static void test_sim_github__people_are_told_of_to_who_may_read_them(void **state)
{
    struct world *w = *state;
    const char *member = "/orgs/octo/teams/core/memberships/Alice";
    const char *role = "/repos/octo/train/collaborators/bob/permission";
    char *reads = token(w, READ_ONE), *members;
    struct sim_reply r;

    sim_github_permissions(w->g, 7, "{\"contents\":\"read\",\"actions\":\"read\",\"members\":\"read\"}");
    members = token(w, "{\"repository_ids\":[11],\"permissions\":{\"members\":\"read\"}}");
    assert_int_equal(status_of(w, "GET", member, members, NULL), 404);
    sim_github_team_member(w->g, "octo", "core", "alice", "pending");
    r = call(w, "GET", member, members, JSON, NULL);
    assert_string_equal(json_string_value(json_object_get(r.json, "state")), "pending");
    sim_reply_clear(&r);
    sim_github_role(w->g, "octo/train", "bob", "maintain");
    r = call(w, "GET", role, reads, JSON, NULL);
    assert_string_equal(json_string_value(json_object_get(r.json, "permission")), "write");
    assert_string_equal(json_string_value(json_object_get(r.json, "role_name")), "maintain");
    sim_reply_clear(&r);
    no_violation(w);
    assert_int_equal(status_of(w, "GET", member, reads, NULL), 403);
    expect_violation(w);
    assert_int_equal(status_of(w, "GET", "/orgs/other/teams/core/memberships/alice", members, NULL), 404);
    expect_violation(w);
    free(reads);
    free(members);
}

static void test_sim_github__a_token_cannot_ask_for_more_than_was_granted(void **state)
{
    struct world *w = *state;
    char *jwt = jwt_now(w);
    const char *path = "/app/installations/7/access_tokens";
    static const char *const wrong[] = {"{\"repository_ids\":[99]}",
                                        "{\"permissions\":{\"contents\":\"write\"}}",
                                        "{\"permissions\":{\"issues\":\"write\"}}",
                                        "{\"repository_ids\":\"11\"}",
                                        "{\"repositorys\":[11]}",
                                        "{\"permissions\":{\"contents\":true}}"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(status_of(w, "POST", path, jwt, wrong[i]), 422);
        expect_violation(w);
    }
    assert_int_equal(status_of(w, "POST", path, jwt, "{"), 400);
    assert_int_equal(status_of(w, "POST", "/app/installations/8/access_tokens", jwt, NULL), 404);
    free(jwt);
}

static void test_sim_github__questions_badly_put_are_noted(void **state)
{
    struct world *w = *state;
    char *t = token(w, READ_ONE);
    struct sim_reply r;

    assert_int_equal(status_of(w, "GET", "/repos/octo/train/content/.cirun.yml", t, NULL), 404);
    expect_violation(w);
    assert_int_equal(status_of(w, "PUT", "/repos/octo/train/actions/runners", t, NULL), 405);
    expect_violation(w);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/contents/.cirun.yml?reff=main", t, NULL), 200);
    expect_violation(w);
    r = call(w, "GET", "/repos/octo/train/contents/.cirun.yml", t, "Accept: text/html", NULL);
    assert_int_equal(r.status, 200);
    expect_violation(w);
    sim_reply_clear(&r);
    free(t);
}

static void test_sim_github__a_file_comes_raw_by_ref_and_not_twice(void **state)
{
    struct world *w = *state;
    char *t = token(w, READ_ONE), etag[128], cond[160], url[256], auth[4096];
    struct sim_reply r = call(w, "GET", "/repos/octo/train/contents/.cirun.yml?ref=main", t,
                              "Accept: application/vnd.github.raw+json", NULL);
    struct sim_call c = {.method = "GET", .url = url};

    assert_int_equal(r.status, 200);
    assert_string_equal(r.body.p, "runners: []\n");
    assert_true(sim_reply_header(&r, "ETag", etag, sizeof(etag)));
    sim_reply_clear(&r);
    (void)snprintf(cond, sizeof(cond), "If-None-Match: %s", etag);
    (void)snprintf(auth, sizeof(auth), "Authorization: Bearer %s", t);
    (void)snprintf(url, sizeof(url), "%s/repos/octo/train/contents/.cirun.yml", sim_github_url(w->g));
    c.headers[0] = auth;
    c.headers[1] = AGENT;
    c.headers[2] = "Accept: application/vnd.github.raw+json";
    c.headers[3] = cond;
    sim_do(&c, &r);
    assert_int_equal(r.status, 304);
    sim_reply_clear(&r);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/contents/none.yml", t, NULL), 404);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/contents/.cirun.yml?ref=unknown", t, NULL), 404);
    no_violation(w);
    free(t);
}

static struct sim_reply make_runner(struct world *w, const char *t, const char *name, const char *labels)
{
    char body[4096];

    (void)snprintf(body, sizeof(body),
                   "{\"name\":\"%s\",\"runner_group_id\":1,\"labels\":%s,\"work_folder\":\"_work\"}", name, labels);
    return call(w, "POST", "/repos/octo/train/actions/runners/generate-jitconfig", t, JSON, body);
}

static char *runner_jit(struct world *w, const char *t, const char *name, const char *labels)
{
    struct sim_reply r = make_runner(w, t, name, labels);
    char *jit;

    assert_int_equal(r.status, 201);
    jit = mem_strdup(json_string_value(json_object_get(r.json, "encoded_jit_config")));
    sim_reply_clear(&r);
    return jit;
}

static void test_sim_github__a_jit_configuration_is_real_sized_and_its_name_unique(void **state)
{
    struct world *w = *state;
    char *t = token(w, RUNNERS_ONE);
    struct sim_reply r = make_runner(w, t, "muster-a", "[\"self-hosted\"]");
    const char *jit = json_string_value(json_object_get(r.json, "encoded_jit_config"));
    struct buf files = BUF_INIT(65536);
    json_t *j;

    assert_int_equal(r.status, 201);
    assert_true(json_integer_value(json_object_get(json_object_get(r.json, "runner"), "id")) > 0);
    assert_in_range(strlen(jit), 3500, 5000);
    assert_true(sim_unbase64(jit, strlen(jit), false, &files));
    j = json_loadb(files.p, files.len, 0, NULL);
    assert_int_equal(json_object_size(j), 3);
    assert_non_null(json_object_get(j, ".credentials_rsaparams"));
    json_decref(j);
    buf_clear(&files);
    sim_reply_clear(&r);
    r = make_runner(w, t, "muster-a", "[\"self-hosted\"]");
    assert_int_equal(r.status, 409);
    sim_reply_clear(&r);
    no_violation(w);
    free(t);
}

static void test_sim_github__a_runner_badly_described_is_refused(void **state)
{
    struct world *w = *state;
    char *t = token(w, RUNNERS_ONE);
    const char *path = "/repos/octo/train/actions/runners/generate-jitconfig";
    static const char *const wrong[] = {
        "{\"name\":\"a\",\"runner_group_id\":1,\"labels\":[]}",
        "{\"name\":\"a\",\"runner_group_id\":\"1\",\"labels\":[\"x\"]}",
        "{\"name\":\"a\",\"runner_group_id\":2,\"labels\":[\"x\"]}",
        "{\"name\":\"a\",\"labels\":[\"x\"]}",
        "{\"name\":\"a\",\"runner_group_id\":1,\"labels\":[1]}",
        "{\"name\":\"a\",\"runner_group_id\":1,\"labels\":[\"x\"],\"ephemeral\":true}",
        ("{\"name\":\"0123456789012345678901234567890123456789012345678901234567890123x\",\"runner_group_id\":1,"
         "\"labels\":[\"x\"]}")};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(status_of(w, "POST", path, t, wrong[i]), 422);
        expect_violation(w);
    }
    free(t);
}

struct told {
    int64_t runner, job;
};

static void on_assigned(void *arg, int64_t runner_id, int64_t job_id)
{
    struct told *t = arg;

    t->runner = runner_id;
    t->job = job_id;
}

static void test_sim_github__an_ephemeral_runner_takes_one_job_whose_labels_it_has(void **state)
{
    struct world *w = *state;
    char *t = token(w, RUNNERS_ONE), *jit = runner_jit(w, t, "muster-a", "[\"Self-Hosted\",\"gpu\"]"), path[128];
    int64_t wants_more =
        sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"gpu\",\"windows\"]"});
    int64_t fits = sim_github_job_create(
        w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"self-hosted\",\"GPU\"]"});
    struct told told = {0};
    struct sim_job_info info;
    struct err e;
    int64_t id = 0;

    assert_int_equal(sim_github_runner_online(w->g, jit, on_assigned, &told, &id, &e), 0);
    assert_true(sim_github_job(w->g, fits, &info));
    assert_int_equal(info.state, SIM_JOB_IN_PROGRESS);
    assert_string_equal(info.runner_name, "muster-a");
    assert_true(sim_github_job(w->g, wants_more, &info));
    assert_int_equal(info.state, SIM_JOB_QUEUED);
    (void)snprintf(path, sizeof(path), "/repos/octo/train/actions/runners/%lld", (long long)id);
    assert_int_equal(status_of(w, "DELETE", path, t, NULL), 422); /* busy */
    sim_github_runner_finish(w->g, id, "success");
    assert_true(sim_github_job(w->g, fits, &info));
    assert_string_equal(info.conclusion, "success");
    assert_int_equal(status_of(w, "GET", path, t, NULL), 404); /* deregistered */
    assert_int_equal(sim_github_runner_online(w->g, jit, on_assigned, &told, &id, &e), -1);
    no_violation(w);
    free(jit);
    free(t);
}

static void test_sim_github__a_runner_that_vanishes_fails_its_job(void **state)
{
    struct world *w = *state;
    char *t = token(w, RUNNERS_ONE), *jit = runner_jit(w, t, "muster-a", "[\"gpu\"]");
    struct sim_job_info info;
    struct err e;
    int64_t id = 0, job;

    assert_int_equal(sim_github_runner_online(w->g, jit, NULL, NULL, &id, &e), 0);
    job = sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"gpu\"]"});
    sim_github_runner_lost(w->g, id);
    assert_true(sim_github_wait_job(w->g, job, SIM_JOB_COMPLETED, 5000));
    assert_true(sim_github_job(w->g, job, &info));
    assert_string_equal(info.conclusion, "failure");
    free(jit);
    free(t);
}

static void test_sim_github__limits_are_announced_and_enforced(void **state)
{
    struct world *w = *state;
    char *t = token(w, READ_ONE), text[64];
    const char *contents = "/repos/octo/train/contents/.cirun.yml";
    struct sim_reply r;

    sim_github_limits(w->g, &(struct sim_github_limits){.per_hour = 1});
    assert_int_equal(status_of(w, "GET", contents, t, NULL), 200);
    r = call(w, "GET", contents, t, JSON, NULL);
    assert_int_equal(r.status, 403);
    assert_non_null(strstr(r.body.p, "API rate limit exceeded for installation ID 7"));
    assert_true(sim_reply_header(&r, "x-ratelimit-remaining", text, sizeof(text)));
    assert_string_equal(text, "0");
    assert_true(sim_reply_header(&r, "x-ratelimit-reset", text, sizeof(text)));
    sim_reply_clear(&r);
    free(t);
    sim_github_limits(w->g, &(struct sim_github_limits){.creations_per_minute = 2, .wait_s = 9, .use_429 = true});
    t = token(w, RUNNERS_ONE);
    r = make_runner(w, t, "a", "[\"x\"]");
    assert_int_equal(r.status, 201);
    sim_reply_clear(&r);
    r = make_runner(w, t, "b", "[\"x\"]");
    assert_int_equal(r.status, 429);
    assert_true(sim_reply_header(&r, "Retry-After", text, sizeof(text)));
    assert_string_equal(text, "9");
    sim_reply_clear(&r);
    free(t);
}

static void test_sim_github__faults_come_when_asked_for(void **state)
{
    struct world *w = *state;
    struct sim_http *h = sim_github_http(w->g);
    char *t = token(w, RUNNERS_ONE);
    struct sim_reply r;

    sim_http_fault(h, &(struct sim_fault){.op = SIM_GH_JITCONFIG, .kind = SIM_FAULT_STATUS, .status = 502, .next = 1});
    r = make_runner(w, t, "a", "[\"x\"]");
    assert_int_equal(r.status, 502);
    sim_reply_clear(&r);
    sim_http_fault(h, &(struct sim_fault){.op = SIM_GH_JITCONFIG, .kind = SIM_FAULT_RESET_BEFORE, .next = 1});
    r = make_runner(w, t, "a", "[\"x\"]");
    assert_int_equal(r.status, 0);
    sim_reply_clear(&r);
    sim_http_fault(h, &(struct sim_fault){.op = SIM_GH_JITCONFIG, .kind = SIM_FAULT_RESET_AFTER, .next = 1});
    r = make_runner(w, t, "a", "[\"x\"]");
    assert_int_equal(r.status, 0);
    sim_reply_clear(&r);
    r = make_runner(w, t, "a", "[\"x\"]"); /* it did happen */
    assert_int_equal(r.status, 409);
    sim_reply_clear(&r);
    sim_http_fault(h, &(struct sim_fault){.op = SIM_GH_RUNNERS, .kind = SIM_FAULT_TRUNCATE, .next = 1});
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/actions/runners", t, NULL), 0);
    sim_http_fault(h, &(struct sim_fault){.kind = SIM_FAULT_HANG, .next = 1, .hang_ms = 30});
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/actions/runners", t, NULL), 0);
    assert_int_equal(status_of(w, "GET", "/repos/octo/train/actions/runners", t, NULL), 200);
    assert_int_equal(sim_http_faults_hit(h), 5);
    assert_int_equal(sim_http_count(h, SIM_GH_JITCONFIG), 4);
    assert_int_equal(sim_http_count_status(h, SIM_GH_JITCONFIG, 409), 1);
    no_violation(w);
    free(t);
}

#define CHECKS_ONE "{\"repository_ids\":[11],\"permissions\":{\"checks\":\"write\"}}"
#define CHECK(rest) "{\"name\":\"muster\",\"head_sha\":\"0123456789012345678901234567890123456789\"" rest "}"

static void test_sim_github__check_runs_are_taken_only_as_described(void **state)
{
    static const char *const bad[] = {
        "{\"name\":\"muster\"}",
        CHECK(",\"status\":\"completed\""),
        CHECK(",\"status\":\"done\""),
        CHECK(",\"conclusion\":\"stale\""),
        CHECK(",\"output\":{\"title\":\"t\"}"),
        CHECK(",\"external_id\":7"),
        CHECK(",\"hello\":\"x\""),
        CHECK(",\"output\":{\"title\":\"t\",\"summary\":\"s\",\"annotations\":[{\"path\":\"a\",\"message\":\"m\"}]}"),
        CHECK(",\"actions\":[{\"label\":\"far too long for a button\",\"description\":\"d\",\"identifier\":\"i\"}]"),
        "{\"name\":\"muster\",\"head_sha\":\"ffffffffffffffffffffffffffffffffffffffff\"}",
    };
    struct world *w = *state;
    char *t = token(w, CHECKS_ONE), *reader = token(w, READ_ONE);

    (void)sim_github_job_create(w->g, &(struct sim_job_spec){.repo = "octo/train",
                                                             .labels = "[\"a\"]",
                                                             .head_sha = "0123456789012345678901234567890123456789"});
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (status_of(w, "POST", "/repos/octo/train/check-runs", t, bad[i]) != 422)
            fail_msg("taken: %s", bad[i]);
        expect_violation(w);
    }
    assert_int_equal(sim_github_checks(w->g), 0);
    assert_int_equal(status_of(w, "POST", "/repos/octo/train/check-runs", reader, CHECK("")), 403);
    expect_violation(w);
    assert_int_equal(status_of(w, "POST", "/repos/octo/train/check-runs", t,
                               CHECK(",\"conclusion\":\"failure\",\"output\":{\"title\":\"t\",\"summary\":\"s\"}")),
                     201);
    no_violation(w);
    assert_true(sim_github_wait_check(w->g, 0, "completed", "failure", 0));
    free(t);
    free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sim_github__app_jwt_is_verified, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__check_runs_are_taken_only_as_described, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_clock_ahead_refuses_jwts_and_shows_its_date, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__tokens_do_only_what_they_were_made_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__people_are_told_of_to_who_may_read_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_token_cannot_ask_for_more_than_was_granted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__questions_badly_put_are_noted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_file_comes_raw_by_ref_and_not_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_jit_configuration_is_real_sized_and_its_name_unique, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_runner_badly_described_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__an_ephemeral_runner_takes_one_job_whose_labels_it_has, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__a_runner_that_vanishes_fails_its_job, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__limits_are_announced_and_enforced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sim_github__faults_come_when_asked_for, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("sim_github", tests, NULL, NULL);
}
