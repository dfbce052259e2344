/* GitHub's answers about files, runs, jobs, the App and its deliveries. Runners: sim_github_runners.c. */
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

void gh_api_get_run(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_run *run = gh_run(g, gh_id_arg(rq->arg[2]));
    char created[32], path[256];
    json_t *o;

    if (run == NULL || run->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    sim_time_iso(run->created_ms, created);
    (void)snprintf(path, sizeof(path), "%s@%s", run->path, run->head_branch);
    o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:n, s:I, s:i, s:s, s:s}", "id", (json_int_t)run->id,
                  "name", run->workflow, "head_branch", run->head_branch, "head_sha", run->head_sha, "path", path,
                  "run_number", 7, "event", run->event, "status", "queued", "conclusion", "workflow_id",
                  (json_int_t)159038, "run_attempt", run->attempt, "created_at", created, "updated_at", created);
    (void)json_object_set_new(o, "actor", gh_user_json(run->actor, false));
    (void)json_object_set_new(o, "triggering_actor", gh_user_json(run->triggering_actor, false));
    (void)json_object_set(o, "repository", gh_repo_json(repo));
    (void)json_object_set_new(o, "head_repository", run_repo_json(g, run));
    (void)json_object_set_new(o, "pull_requests", json_array());
    sim_res_json(rs, 200, o);
}

void gh_api_get_job(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    struct gh_job *j = gh_job(g, gh_id_arg(rq->arg[2]));
    struct gh_event at;

    if (j == NULL || j->run->repo != repo) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    at = (struct gh_event){.job = j, .status = gh_job_status(j), .conclusion = j->conclusion};
    at.started_ms = j->started_ms;
    at.completed_ms = j->completed_ms;
    at.runner_id = j->runner_id;
    at.runner_name = j->runner_name;
    sim_res_json(rs, 200, gh_job_json(j, &at));
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

void gh_api_get_installation(struct sim_github *g, struct gh_repo *unused, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_repo *r = gh_repo(g, rq->arg[0], rq->arg[1]);
    const struct gh_installation *in = r != NULL ? r->installation : NULL;

    (void)unused;
    if (in == NULL) {
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

static json_t *delivery_json(const struct gh_delivery *d)
{
    const struct gh_job *j = d->what.job;
    char at[32];

    sim_time_iso(d->delivered_ms, at);
    return json_pack("{s:I, s:s, s:s, s:b, s:f, s:s, s:i, s:s, s:s?, s:o, s:o, s:n}", "id", (json_int_t)d->id, "guid",
                     d->guid, "delivered_at", at, "redelivery", d->redelivery, "duration", (double)d->took_ms / 1000,
                     "status", d->status_code >= 200 && d->status_code < 400 ? "OK" : "failed to deliver",
                     "status_code", d->status_code, "event", d->event, "action", d->what.action, "installation_id",
                     j != NULL ? json_integer(j->run->repo->installation->id) : json_null(), "repository_id",
                     j != NULL ? json_integer(j->run->repo->id) : json_null(), "throttled_at");
}

static bool delivery_wanted(const struct gh_delivery *d, const char *status)
{
    bool failed = d->status_code >= 400 && d->status_code <= 599;

    if (!d->done || status == NULL)
        return d->done;
    return strcmp(status, "failure") == 0 ? failed : d->status_code >= 200 && d->status_code < 400;
}

void gh_api_list_deliveries(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *cursor = sim_req_query(rq, "cursor"), *status = sim_req_query(rq, "status");
    int per_page = gh_page_number(g, rq, "per_page", 30, MAX_PER_PAGE);
    int64_t below = cursor != NULL ? gh_id_arg(cursor) : INT64_MAX;
    json_t *list = json_array();

    (void)repo;
    if (below < 0 || (status != NULL && strcmp(status, "success") != 0 && strcmp(status, "failure") != 0)) {
        gh_violation(g, rq, "bad cursor or status");
        json_decref(list);
        gh_refuse(rs, 422, "Validation Failed");
        return;
    }
    for (size_t i = g->n_deliveries; i > 0; i--) {
        const struct gh_delivery *d = g->deliveries[i - 1];

        if (d->id >= below || !delivery_wanted(d, status))
            continue;
        if ((int)json_array_size(list) == per_page) {
            sim_res_header(rs, "Link", "<%s%s?per_page=%d&cursor=%lld>; rel=\"next\"", sim_http_url(g->http),
                           rq->raw_path, per_page, (long long)d->id + 1);
            break;
        }
        (void)json_array_append_new(list, delivery_json(d));
    }
    sim_res_json(rs, 200, list);
}

void gh_api_redeliver(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    int64_t at = gh_id_arg(rq->arg[0]) - GH_FIRST_DELIVERY;

    (void)repo;
    if (at < 0 || at >= (int64_t)g->n_deliveries) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    (void)gh_redeliver(g, g->deliveries[at]);
    sim_res_json(rs, 202, json_object());
}
