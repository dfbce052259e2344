/*
 * Every request that the App client makes, one JSON object per line, for github_openapi.py to judge:
 * {"scenario", "method", "path", "headers": {...}, "body"}, and after each scenario {"scenario", "error": null or
 * text}.
 *
 * usage: github_requests ANSWERS.json     {"token": {...}, "runner_find": {...}, ...}: what to answer in a scenario
 */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/check.h"
#include "server/github/deliveries.h"
#include "server/github/rerun.h"
#include "server/github/runs.h"
#include "tests/support/rawserver.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

static const struct github_repo repo = {.installation_id = 77, .repo_id = 1296269, .repo = "octo-org/hello.world"};

struct stage {
    const json_t *answers;
    const char *scenario; /* the one under way; there is one call at a time */
};

static void must(int rc, const char *what, const struct err *e)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, e->msg);
    abort();
}

static int answer(void *arg, const struct raw_request *r, struct buf *out)
{
    const struct stage *s = arg;
    bool mint = text_has_suffix(r->path, "/access_tokens");
    const json_t *body = json_object_get(s->answers, mint ? "token" : s->scenario);
    char *text = json_dumps(body, JSON_ENCODE_ANY);
    bool raw = text_has_suffix(s->scenario, "file_get");

    if (body == NULL)
        raw_answer(out, 204, "", "");
    else
        raw_answer(out, strcmp(r->method, "POST") == 0 ? 201 : 200,
                   raw && !mint ? "Content-Type: application/vnd.github.raw+json\r\n"
                                : "Content-Type: application/json\r\n",
                   text);
    free(text);
    return RAW_ANSWER;
}

static struct crypto_key *make_key(void)
{
    AUTO_SECRET struct secret *pem = NULL;
    struct crypto_key *key = NULL;
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    struct err e = {.msg = "writing a key"};

    must(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1, "key", &e);
    len = BIO_get_mem_data(bio, &text);
    pem = secret_new(text, (size_t)len);
    must(crypto_key_parse(pem, "key", &key, &e), "key", &e);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return key;
}

static int installation_of(struct github *g, const json_t *answers, struct err *e)
{
    int64_t id;

    (void)answers;
    return github_installation_of(g, repo.repo, &id, e);
}

static const struct github_repo octo = {.installation_id = 77, .repo = "octo-org"};

static int org_installation_of(struct github *g, const json_t *answers, struct err *e)
{
    int64_t id;

    (void)answers;
    return github_installation_of(g, octo.repo, &id, e);
}

static int see_runner(void *arg, const char *name, const struct github_runner *r, struct err *e)
{
    (void)arg;
    (void)name;
    (void)r;
    (void)e;
    return 0;
}

static int runners_each(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_runners_each(g, &repo, see_runner, NULL, e);
}

static int org_runners_each(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_runners_each(g, &octo, see_runner, NULL, e);
}

static int repo_get(struct github *g, const json_t *answers, struct err *e)
{
    struct github_repo_info info;

    (void)answers;
    return github_repo_get(g, &repo, &info, e);
}

static int run_get(struct github *g, const json_t *answers, struct err *e)
{
    struct github_run run = {0};
    int rc = github_run_get(g, &repo, 30433642, &run, e);

    (void)answers;
    github_run_clear(&run);
    return rc;
}

static int file_get(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_FREE char *text = NULL;
    char etag[128] = "\"abc\"";

    (void)answers;
    return github_file_get(g, &repo, ".cirun.yml", "refs/heads/a b", 262144, etag, &text, e);
}

/* Of a repository whose id is not known: its token is asked for by name. */
static int org_file_get(struct github *g, const json_t *answers, struct err *e)
{
    const struct github_repo org = {.installation_id = 77, .repo = "octo-org/.cirun"};
    AUTO_FREE char *text = NULL;
    char etag[128] = "";

    (void)answers;
    return github_file_get(g, &org, ".cirun.global.yml", NULL, 262144, etag, &text, e);
}

static int team_has(struct github *g, const json_t *answers, struct err *e)
{
    bool yes;

    (void)answers;
    return github_team_has(g, &repo, "night-shift", "octocat", &yes, e);
}

static int role_get(struct github *g, const json_t *answers, struct err *e)
{
    char role[128];

    (void)answers;
    return github_role_get(g, &repo, "dependabot[bot]", role, e);
}

static int jitconfig(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_SECRET struct secret *jit = NULL;
    int64_t id;

    (void)answers;
    return github_jitconfig(g, &repo, "muster-01", "[\"cirun-gpu--1\",\"linux\"]", &id, &jit, e);
}

static const struct github_repo org = {.installation_id = 77, .repo = "octo-org"};

static int org_jitconfig(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_SECRET struct secret *jit = NULL;
    int64_t id;

    (void)answers;
    return github_jitconfig(g, &org, "muster-01", "[\"cirun-gpu\"]", &id, &jit, e);
}

static int org_runner_find(struct github *g, const json_t *answers, struct err *e)
{
    const char *name = "muster-01";
    struct github_runner runner;

    must(js_opt_str(answers, "org_runner_find.runners.0.name", &name, e), "answers", e);
    return github_runner_find(g, &org, name, &runner, e);
}

static int org_runner_remove(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_runner_remove(g, &org, 42, e);
}

static int org_repo_get(struct github *g, const json_t *answers, struct err *e)
{
    struct github_repo_info info;

    (void)answers;
    return github_org_repo_get(g, &org, ".cirun", &info, e);
}

static int org_group_get(struct github *g, const json_t *answers, struct err *e)
{
    struct github_runner_group group;

    (void)answers;
    return github_org_group_get(g, &org, &group, e);
}

static int runner_find(struct github *g, const json_t *answers, struct err *e)
{
    const char *name = "muster-01";
    struct github_runner runner;

    must(js_opt_str(answers, "runner_find.runners.0.name", &name, e), "answers", e);
    return github_runner_find(g, &repo, name, &runner, e);
}

static int runner_remove(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_runner_remove(g, &repo, 42, e);
}

static int release_get(struct github *g, const json_t *answers, struct err *e)
{
    struct github_runner_release release;

    (void)answers;
    return github_runner_release_get(g, &repo, "linux", "x64", &release, e);
}

static int job_status(struct github *g, const json_t *answers, struct err *e)
{
    char status[32], conclusion[32];

    (void)answers;
    return github_job_status(g, &repo, 399444496, status, conclusion, e);
}

static int deliveries_get(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));

    (void)answers;
    if (github_deliveries_get(g, "v1_17/a b", page, e))
        return -1;
    return page->n > 0 ? 0 : err_set(e, ERR_INVALID, "no delivery could be read");
}

static int redeliver(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_redeliver(g, 12345678, e);
}

static int installation_look(struct github *g, const json_t *answers, struct err *e)
{
    enum github_installed state;

    (void)answers;
    return github_installation_look(g, 77, &state, e);
}

static struct job whose(char name[32])
{
    (void)snprintf(name, 32, "%s", repo.repo);
    return (struct job){.installation_id = 77, .repo_id = 1296269, .repo = name};
}

static int runs_list(struct github *g, const json_t *answers, struct err *e)
{
    struct github_run_ids ids;

    (void)answers;
    return github_runs_list(g, &repo, "in_progress", 2, &ids, e);
}

static int jobs_list(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_GITHUB_JOBS struct github_jobs jobs = {.n = 0};
    char name[32];
    const struct job of = whose(name);

    (void)answers;
    if (github_jobs_list(g, &of, 30433642, 1, &jobs, e))
        return -1;
    return jobs.n > 0 ? 0 : err_set(e, ERR_INVALID, "no job could be read");
}

static int job_get(struct github *g, const json_t *answers, struct err *e)
{
    AUTO_JOB struct job j = {0};
    char name[32];
    const struct job of = whose(name);
    bool there, known;

    (void)answers;
    return github_job_get(g, &of, 399444496, &there, &known, &j, e);
}

static int run_state(struct github *g, const json_t *answers, struct err *e)
{
    struct github_run_state state;

    (void)answers;
    return github_run_state(g, &repo, 30433642, &state, e);
}

static int see_job(void *arg, const struct github_run_job *j, struct err *e)
{
    (void)arg;
    (void)j;
    (void)e;
    return 0;
}

static int run_jobs(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_run_jobs(g, &repo, 30433642, 2, see_job, NULL, e);
}

static int rerun_failed(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_rerun_failed(g, &repo, 30433642, e);
}

static int rerun_job(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_rerun_job(g, &repo, 399444496, e);
}

#define SHA "0123456789abcdef0123456789abcdef01234567"

static const struct github_annotation annotations[] = {
    {".cirun.yml", 3, 5, "failure", "Error in .cirun.yml", "unknown cloud"},
    {".cirun.yml", 4, 0, "warning", NULL, "m"}};
static const struct github_check failed = {.name = "muster",
                                           .head_sha = SHA,
                                           .external_id = 31,
                                           .status = "completed",
                                           .conclusion = "failure",
                                           .title = "t",
                                           .summary = "s",
                                           .text = "x",
                                           .annotations = annotations,
                                           .n_annotations = 2,
                                           .started_ms = 1631499673000,
                                           .completed_ms = 1631499674000,
                                           .retry_button = true};

static int check_create(struct github *g, const json_t *answers, struct err *e)
{
    int64_t id;

    (void)answers;
    return github_check_create(g, &repo, &failed, &id, e);
}

static int check_update(struct github *g, const json_t *answers, struct err *e)
{
    static const struct github_check waits = {
        .name = "muster", .external_id = 31, .status = "in_progress", .title = "t", .summary = "s"};

    (void)answers;
    return github_check_update(g, &repo, 4, &waits, e);
}

static int check_find(struct github *g, const json_t *answers, struct err *e)
{
    int64_t id;

    (void)answers;
    return github_check_find(g, &repo, &failed, &id, e);
}

static int status_put(struct github *g, const json_t *answers, struct err *e)
{
    (void)answers;
    return github_status_put(g, &repo, &(struct github_status){"muster", SHA, "failure", "t"}, e);
}

static const struct {
    const char *name;
    int (*act)(struct github *g, const json_t *answers, struct err *e);
} scenarios[] = {
    {"installation_of", installation_of},
    {"repo_get", repo_get},
    {"run_get", run_get},
    {"file_get", file_get},
    {"org_file_get", org_file_get},
    {"team_has", team_has},
    {"role_get", role_get},
    {"jitconfig", jitconfig},
    {"runner_find", runner_find},
    {"runners_each", runners_each},
    {"org_runners_each", org_runners_each},
    {"org_installation_of", org_installation_of},
    {"runner_remove", runner_remove},
    {"org_jitconfig", org_jitconfig},
    {"org_runner_find", org_runner_find},
    {"org_runner_remove", org_runner_remove},
    {"org_group_get", org_group_get},
    {"org_repo_get", org_repo_get},
    {"release_get", release_get},
    {"check_create", check_create},
    {"check_update", check_update},
    {"check_find", check_find},
    {"status_put", status_put},
    {"run_state", run_state},
    {"run_jobs", run_jobs},
    {"rerun_failed", rerun_failed},
    {"rerun_job", rerun_job},
    {"job_status", job_status},
    {"deliveries_get", deliveries_get},
    {"redeliver", redeliver},
    {"installation_look", installation_look},
    {"runs_list", runs_list},
    {"jobs_list", jobs_list},
    {"job_get", job_get},
};

static void print_line(json_t *line)
{
    AUTO_FREE char *text = json_dumps(line, JSON_COMPACT);

    (void)printf("%s\n", text);
    json_decref(line);
}

static void print_request(const char *scenario, const struct raw_request *r)
{
    json_t *headers = json_object();

    for (size_t i = 0; i < r->n_headers; i++)
        (void)json_object_set_new(headers, r->names[i], json_string(r->values[i]));
    print_line(json_pack("{s:s, s:s, s:s, s:o, s:s}", "scenario", scenario, "method", r->method, "path", r->path,
                         "headers", headers, "body", r->body));
}

/* Each scenario has a client of its own, so that each mints its token. */
static void play(size_t i, const json_t *answers, const struct crypto_key *key, struct httpc *http)
{
    struct stage stage = {.answers = answers, .scenario = scenarios[i].name};
    AUTO_RAW struct rawserver *s = raw_start(&(struct raw_conf){.handler = answer, .arg = &stage});
    struct github *g =
        github_new(&(struct github_conf){.api_url = raw_url(s), .app_id = "12345", .key = key, .http = http});
    struct err e = {.kind = ERR_NONE};
    int rc = scenarios[i].act(g, answers, &e);

    for (size_t k = 0; k < raw_count(s); k++)
        print_request(scenarios[i].name, raw_get(s, k));
    print_line(json_pack("{s:s, s:s?}", "scenario", scenarios[i].name, "error", rc != 0 ? e.msg : NULL));
    github_free(g);
}

int main(int argc, char **argv)
{
    struct httpc *http;
    struct crypto_key *key;
    json_error_t why;
    json_t *answers = argc == 2 ? json_load_file(argv[1], 0, &why) : NULL;

    if (answers == NULL) {
        (void)fprintf(stderr, "usage: github_requests ANSWERS.json\n");
        return 2;
    }
    http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    key = make_key();
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        play(i, answers, key, http);
    crypto_key_free(key);
    httpc_free(http);
    json_decref(answers);
    return 0;
}
