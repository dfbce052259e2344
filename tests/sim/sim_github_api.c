/* GitHub's answers about files, runs, jobs and the App. Its deliveries: sim_github_log.c; runners:
 * sim_github_runners.c.
 */
#include "tests/sim/sim_github_log.h"
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_PER_PAGE 100

int gh_page_number(struct sim_github *g, const struct sim_req *rq, const char *name, int fallback, int max)
{
    const char *s = sim_req_query(rq, name);
    int64_t n = s != NULL ? gh_id_arg(s) : fallback;

    if (n < 1 || n > max) {
        gh_violation(g, rq, "%s=%s is not within 1 to %d", name, s != NULL ? s : "", max);
        n = fallback;
    }
    return (int)n;
}

/* A decimal id of a path; -1 when it is none. */
int64_t gh_id_arg(const char *s)
{
    char *end;
    int64_t n = strtoll(s, &end, 10);

    return *s >= '0' && *s <= '9' && *end == '\0' ? n : -1;
}

void gh_api_get_repo(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    (void)g;
    (void)rq;
    sim_res_json(rs, 200, json_incref(gh_repo_json(repo)));
}

/* ---- contents ---- */

static void etag_of(const char *text, char out[80])
{
    char hex[65];

    sim_sha256_hex(text, strlen(text), hex);
    (void)snprintf(out, 80, "W/\"%s\"", hex);
}

bool gh_accepts_raw(const struct sim_req *rq)
{
    const char *a = sim_req_header(rq, "Accept");

    return a != NULL &&
           (strcasecmp(a, "application/vnd.github.raw+json") == 0 || strcasecmp(a, "application/vnd.github.raw") == 0 ||
            strcasecmp(a, "application/vnd.github.v3.raw") == 0);
}

static void answer_file_json(const struct gh_file *f, struct sim_res *rs)
{
    struct buf b64 = BUF_INIT(2 * 1024 * 1024);
    char sha[65];
    const char *slash = strrchr(f->path, '/');

    sim_base64(&b64, f->text, strlen(f->text));
    sim_sha256_hex(f->text, strlen(f->text), sha);
    sha[40] = '\0';
    sim_res_json(rs, 200,
                 json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "type", "file", "encoding", "base64", "size",
                           (json_int_t)strlen(f->text), "name", slash != NULL ? slash + 1 : f->path, "path", f->path,
                           "content", b64.p != NULL ? b64.p : "", "sha", sha));
    buf_clear(&b64);
}

void gh_api_get_contents(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *ref = sim_req_query(rq, "ref"), *have = sim_req_header(rq, "If-None-Match");
    const struct gh_file *f = gh_file(repo, ref, rq->arg[2]);
    char etag[80], text[160];

    (void)g;
    if (ref != NULL && !gh_ref_exists(repo, ref)) {
        (void)snprintf(text, sizeof(text), "No commit found for the ref %.100s", ref);
        gh_refuse(rs, 404, text);
    } else if (f == NULL && gh_is_directory(repo, ref, rq->arg[2])) {
        sim_res_json(rs, 200, json_pack("[{s:s, s:s}]", "type", "file", "path", rq->arg[2]));
    } else if (f == NULL) {
        gh_refuse(rs, 404, "Not Found");
    } else {
        etag_of(f->text, etag);
        sim_res_header(rs, "ETag", "%s", etag);
        if (have != NULL && strcmp(have, etag) == 0) {
            sim_res_json(rs, 304, NULL);
        } else if (gh_accepts_raw(rq)) {
            rs->status = 200;
            rs->content_type = "application/vnd.github.raw+json; charset=utf-8";
            buf_adds(&rs->body, f->text);
        } else {
            answer_file_json(f, rs);
        }
    }
}

/* ---- runs and jobs ---- */

static json_t *run_repo_json(struct sim_github *g, const struct gh_run *run)
{
    struct gh_repo *r = NULL;

    for (size_t i = 0; i < g->n_repos; i++)
        if (g->repos[i]->id == run->head_repo_id)
            r = g->repos[i];
    if (r != NULL)
        return json_incref(gh_repo_json(r));
    if (run->head_repo_id < 0)
        return json_null();
    return json_pack("{s:I, s:s, s:s, s:b, s:b}", "id", (json_int_t)run->head_repo_id, "name", run->repo->name,
                     "full_name", "stranger/fork", "private", 0, "fork", 1);
}

static json_t *run_json(struct sim_github *g, struct gh_repo *repo, const struct gh_run *run, const char *status)
{
    const char *conclusion = NULL;
    char created[32], path[256];
    json_t *o;

    if (strcmp(status, "completed") == 0)
        (void)gh_run_completed(g, run, &conclusion);
    sim_time_iso(run->created_ms, created);
    (void)snprintf(path, sizeof(path), "%s@%s", run->path, run->head_branch);
    o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s?, s:I, s:i, s:s, s:s}", "id", (json_int_t)run->id,
                  "name", run->workflow, "head_branch", run->head_branch, "head_sha", run->head_sha, "path", path,
                  "run_number", 7, "event", run->event, "status", status, "conclusion", conclusion, "workflow_id",
                  (json_int_t)159038, "run_attempt", run->attempt, "created_at", created, "updated_at", created);
    (void)json_object_set_new(o, "actor", gh_user_json(run->actor, false));
    (void)json_object_set_new(o, "triggering_actor", gh_user_json(run->triggering_actor, false));
    (void)json_object_set(o, "repository", gh_repo_json(repo));
    (void)json_object_set_new(o, "head_repository", run_repo_json(g, run));
    (void)json_object_set_new(o, "pull_requests", json_array());
    return o;
}

void gh_api_get_run(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_run *run = gh_run(g, gh_id_arg(rq->arg[2]));
    const char *conclusion;

    if (run == NULL || run->deleted != 0 || run->repo != repo)
        gh_refuse(rs, 404, "Not Found");
    else
        sim_res_json(rs, 200,
                     run_json(g, repo, run, gh_run_completed(g, run, &conclusion) ? "completed" : "in_progress"));
}

/* As reads show it: for a while after a change, perhaps, what was before. */
static json_t *job_as_read(struct sim_github *g, struct gh_job *j, const char **status)
{
    int64_t seen_ms = gh_now_ms(g) - g->lies.stale_ms;
    struct gh_event at = {.job = j, .status = gh_job_status(j), .conclusion = j->conclusion};

    at.started_ms = j->started_ms;
    at.completed_ms = j->completed_ms;
    at.runner_id = j->runner_id;
    at.runner_name = j->runner_name;
    if (g->lies.stale_ms > 0 && j->completed_ms > seen_ms) {
        at.status = "in_progress";
        at.conclusion = NULL;
        at.completed_ms = 0;
    }
    if (g->lies.stale_ms > 0 &&
        (j->started_ms > seen_ms || (j->started_ms == 0 && at.completed_ms != j->completed_ms))) {
        at = (struct gh_event){.job = j, .status = "queued"};
    }
    *status = at.status;
    return gh_job_json(j, &at);
}

void gh_api_get_job(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    struct gh_job *j = gh_job(g, gh_id_arg(rq->arg[2]));
    const char *status;

    if (j == NULL || j->run->deleted != 0 || j->run->repo != repo)
        gh_refuse(rs, 404, "Not Found");
    else
        sim_res_json(rs, 200, job_as_read(g, j, &status));
}

/* ---- lists ---- */

/* As GitHub sums it up: queued while no job of it has begun. NULL: it has no job, or is deleted. */
static const char *run_status(struct sim_github *g, const struct gh_run *run)
{
    size_t jobs = 0, done = 0, queued = 0;

    for (size_t i = 0; i < g->n_jobs; i++) {
        const char *status;

        if (g->jobs[i]->run != run || g->jobs[i]->attempt != run->attempt)
            continue;
        json_decref(job_as_read(g, g->jobs[i], &status));
        jobs++;
        done += strcmp(status, "completed") == 0 ? 1 : 0;
        queued += strcmp(status, "queued") == 0 ? 1 : 0;
    }
    if (jobs == 0 || run->deleted != 0)
        return NULL;
    return done == jobs ? "completed" : queued == jobs ? "queued" : "in_progress";
}

static bool is_run_status(const char *s)
{
    static const char *const known[] = {"completed", "action_required", "cancelled", "failure",   "neutral",
                                        "skipped",   "stale",           "success",   "timed_out", "in_progress",
                                        "queued",    "requested",       "waiting",   "pending"};

    for (size_t i = 0; s != NULL && i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i], s) == 0)
            return true;
    }
    return s == NULL;
}

/* One page of what `all` holds (which it takes), under this key. */
static void answer_page(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs, const char *key,
                        json_t *all)
{
    int per_page = gh_page_number(g, rq, "per_page", 30, MAX_PER_PAGE), page = gh_page_number(g, rq, "page", 1, 100000);
    size_t n = json_array_size(all), from = (size_t)per_page * (size_t)(page - 1);
    json_t *list = json_array();

    for (size_t i = from; i < n && i < from + (size_t)per_page; i++)
        (void)json_array_append(list, json_array_get(all, i));
    json_decref(all);
    sim_res_json(rs, 200, json_pack("{s:I, s:o}", "total_count", (json_int_t)n, key, list));
}

void gh_api_list_runs(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *status = sim_req_query(rq, "status"), *now;
    json_t *all = json_array();

    if (!is_run_status(status)) {
        gh_violation(g, rq, "unknown status %s", status);
        json_decref(all);
        gh_refuse(rs, 422, "Validation Failed");
        return;
    }
    for (size_t i = g->n_runs; i > 0; i--) {
        const struct gh_run *run = g->runs[i - 1];

        now = run->repo == repo ? run_status(g, run) : NULL;
        if (now != NULL && (status == NULL || strcmp(now, status) == 0))
            (void)json_array_append_new(all, run_json(g, repo, run, now));
    }
    answer_page(g, rq, rs, "workflow_runs", all);
}

void gh_api_list_run_jobs(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_run *run = gh_run(g, gh_id_arg(rq->arg[2]));
    const char *filter = sim_req_query(rq, "filter"), *status;
    json_t *all;

    if (filter != NULL && strcmp(filter, "latest") != 0 && strcmp(filter, "all") != 0)
        gh_violation(g, rq, "unknown filter %s", filter);
    if (run == NULL || run->deleted != 0 || run->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    all = json_array();
    for (size_t i = 0; i < g->n_jobs; i++) {
        if (g->jobs[i]->run == run && g->jobs[i]->attempt == run->attempt)
            (void)json_array_append_new(all, job_as_read(g, g->jobs[i], &status));
    }
    answer_page(g, rq, rs, "jobs", all);
}

void sim_github_run_delete(struct sim_github *g, int64_t run_id)
{
    struct gh_run *run;

    gh_lock(g);
    run = gh_run(g, run_id);
    if (run == NULL)
        abort(); /* a mistake in the test */
    run->deleted = 1;
    gh_unlock(g);
}

void sim_github_stale(struct sim_github *g, int64_t ms)
{
    gh_lock(g);
    g->lies.stale_ms = ms;
    gh_unlock(g);
}

/* ---- the App's own ---- */

void gh_api_create_token(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    (void)repo;
    gh_token_create(g, rq, rs);
}

void gh_api_get_app(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    (void)repo;
    (void)rq;
    sim_res_json(rs, 200,
                 json_pack("{s:I, s:s, s:s, s:[s]}", "id", (json_int_t)strtoll(g->app_id, NULL, 10), "slug", "muster",
                           "name", "muster", "events", "workflow_job"));
}

static void answer_installation(struct sim_github *g, const struct gh_installation *in, struct sim_res *rs)
{
    if (in == NULL || in->gone) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    sim_res_json(rs, 200,
                 json_pack("{s:I, s:o, s:s, s:I, s:s, s:O, s:[s], s:s, s:o}", "id", (json_int_t)in->id, "account",
                           gh_user_json(in->account, true), "repository_selection", "selected", "app_id",
                           (json_int_t)strtoll(g->app_id, NULL, 10), "target_type", "Organization", "permissions",
                           in->permissions, "events", "workflow_job", "app_slug", "muster", "suspended_at",
                           in->suspended ? json_string("2024-01-01T00:00:00Z") : json_null()));
}

void gh_api_get_installation(struct sim_github *g, struct gh_repo *unused, const struct sim_req *rq, struct sim_res *rs)
{
    bool of_org = strcmp(rq->op, SIM_GH_ORG_INSTALLATION) == 0;
    const struct gh_repo *r = of_org ? NULL : gh_repo(g, rq->arg[0], rq->arg[1]);

    (void)unused;
    answer_installation(g, of_org ? gh_org(g, rq->arg[0]) : r != NULL && !r->removed ? r->installation : NULL, rs);
}

void gh_api_get_installed(struct sim_github *g, struct gh_repo *unused, const struct sim_req *rq, struct sim_res *rs)
{
    (void)unused;
    answer_installation(g, gh_installation(g, gh_id_arg(rq->arg[0])), rs);
}
