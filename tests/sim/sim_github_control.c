/*
 * The control plane of the program form: /_sim/ for tests and demo, /sim/runner/ for simulated machines. Neither exists
 * at GitHub. No authentication: it listens on loopback only.
 */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

#define POLL_MS 20
#define MAX_WAIT_MS 60000

static void bad(struct sim_res *rs, const char *what)
{
    sim_res_json(rs, 400, json_pack("{s:s}", "message", what));
}

static json_t *body_of(const struct sim_req *rq)
{
    return json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL);
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

/* ---- state ---- */

static json_t *job_state_json(const struct gh_job *j)
{
    return json_pack("{s:I, s:s, s:I, s:s, s:s?, s:s?, s:O, s:I, s:I, s:I, s:i}", "id", (json_int_t)j->id, "name",
                     j->name, "run_id", (json_int_t)j->run->id, "status", gh_job_status(j), "conclusion", j->conclusion,
                     "runner_name", j->runner_name, "labels", j->labels, "queued_ms", (json_int_t)j->queued_ms,
                     "started_ms", (json_int_t)j->started_ms, "completed_ms", (json_int_t)j->completed_ms,
                     "times_started", j->times_started);
}

static json_t *runner_state_json(const struct gh_runner *r)
{
    return json_pack("{s:I, s:s, s:b, s:b, s:b, s:I}", "id", (json_int_t)r->id, "name", r->name, "registered",
                     r->registered, "online", r->online, "busy", r->job_id != 0, "job_id", (json_int_t)r->last_job_id);
}

void gh_ctl_state(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *jobs = json_array(), *runners = json_array();

    gh_lock(g);
    for (size_t i = 0; i < g->n_jobs; i++)
        (void)json_array_append_new(jobs, job_state_json(g->jobs[i]));
    for (size_t i = 0; i < g->n_runners; i++)
        (void)json_array_append_new(runners, runner_state_json(g->runners[i]));
    gh_unlock(g);
    sim_res_json(rs, 200,
                 json_pack("{s:o, s:o, s:o}", "jobs", jobs, "runners", runners, "log", sim_http_log(rq->http)));
}

/* ---- setup ---- */

static bool setup_files(struct sim_github *g, const char *repo, const json_t *files)
{
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *f = json_array_get(files, i);
        const char *ref = text_of(f, "ref"), *path = text_of(f, "path"), *text = text_of(f, "text");

        if (path == NULL || text == NULL)
            return false;
        sim_github_put_file(g, repo, ref != NULL ? ref : "main", path, text);
    }
    return true;
}

static bool setup_repo(struct sim_github *g, int64_t installation_id, const json_t *o)
{
    struct sim_repo r = {.installation_id = installation_id};

    r.id = json_integer_value(json_object_get(o, "id"));
    r.full_name = text_of(o, "full_name");
    r.default_branch = text_of(o, "default_branch");
    r.is_private = json_is_true(json_object_get(o, "private"));
    if (r.id <= 0 || r.full_name == NULL)
        return false;
    sim_github_add_repo(g, &r);
    return setup_files(g, r.full_name, json_object_get(o, "files"));
}

static bool setup_installation(struct sim_github *g, const json_t *o)
{
    const json_t *repos = json_object_get(o, "repositories"), *perms = json_object_get(o, "permissions");
    int64_t id = json_integer_value(json_object_get(o, "id"));
    char *permissions = perms != NULL ? json_dumps(perms, 0) : NULL;
    bool ok = id > 0 && text_of(o, "account") != NULL;

    if (ok)
        sim_github_add_installation(g, id, text_of(o, "account"), permissions);
    free(permissions);
    for (size_t i = 0; ok && i < json_array_size(repos); i++)
        ok = setup_repo(g, id, json_array_get(repos, i));
    return ok;
}

/* {"installations":[{"id","account","permissions"?,"repositories":[{"id","full_name","default_branch"?,
 *   "files":[{"ref"?,"path","text"}]}]}], "downloads":[{"os","architecture","url","sha256"?}]} */
void gh_ctl_setup(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *body = body_of(rq);
    const json_t *installations = json_object_get(body, "installations"),
                 *downloads = json_object_get(body, "downloads");
    bool ok = json_is_object(body);

    for (size_t i = 0; ok && i < json_array_size(installations); i++)
        ok = setup_installation(g, json_array_get(installations, i));
    for (size_t i = 0; ok && i < json_array_size(downloads); i++) {
        const json_t *d = json_array_get(downloads, i);

        ok = text_of(d, "os") != NULL && text_of(d, "architecture") != NULL && text_of(d, "url") != NULL;
        if (ok)
            sim_github_add_download(g, text_of(d, "os"), text_of(d, "architecture"), text_of(d, "url"),
                                    text_of(d, "sha256"));
    }
    json_decref(body);
    if (ok)
        sim_res_json(rs, 201, json_object());
    else
        bad(rs, "not a setup: see sim_github_control.c");
}

/* ---- jobs and the hook ---- */

/* {"repo","labels":[…],"name"?,"run_id"?,"workflow"?,"hosted_ms"?,"event"?,"head_branch"?,"head_sha"?,"head_repo_id"?}
 */
void gh_ctl_job(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *body = body_of(rq);
    char *labels = json_dumps(json_object_get(body, "labels"), JSON_COMPACT);
    struct sim_job_spec s = {.repo = text_of(body, "repo"), .labels = labels != NULL ? labels : "null"};
    struct sim_job_info info;
    int64_t id = 0;

    s.name = text_of(body, "name");
    s.run_id = json_integer_value(json_object_get(body, "run_id"));
    s.workflow = text_of(body, "workflow");
    s.event = text_of(body, "event");
    s.head_branch = text_of(body, "head_branch");
    s.head_sha = text_of(body, "head_sha");
    s.head_repo_id = json_integer_value(json_object_get(body, "head_repo_id"));
    s.hosted_ms = json_integer_value(json_object_get(body, "hosted_ms"));
    if (s.repo != NULL)
        id = sim_github_job_create(g, &s);
    free(labels);
    json_decref(body);
    if (id == 0 || !sim_github_job(g, id, &info))
        bad(rs, "no such repository, or labels is not a list of strings");
    else
        sim_res_json(rs, 201, json_pack("{s:I, s:I}", "id", (json_int_t)id, "run_id", (json_int_t)info.run_id));
}

void gh_ctl_job_get(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    const struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, gh_id_arg(rq->arg[0]));
    if (j != NULL)
        sim_res_json(rs, 200, job_state_json(j));
    else
        gh_refuse(rs, 404, "Not Found");
    gh_unlock(g);
}

void gh_ctl_job_cancel(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    sim_github_job_cancel(arg, gh_id_arg(rq->arg[0]));
    sim_res_json(rs, 202, json_object());
}

/* {"url","duplicate"?,"drop"?,"delay_ms"?,"reorder_ms"?,"form"?,"parallel"?} */
void gh_ctl_webhook(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *body = body_of(rq);
    struct sim_hook_options o = {.parallel = 32};
    const char *url = NULL;
    int form = 0;

    if (body != NULL && json_unpack(body, "{s:s, s?F, s?F, s?i, s?i, s?b, s?i}", "url", &url, "duplicate", &o.duplicate,
                                    "drop", &o.drop, "delay_ms", &o.delay_ms, "reorder_ms", &o.reorder_ms, "form",
                                    &form, "parallel", &o.parallel) == 0) {
        o.form = form != 0;
        sim_github_webhook(g, url);
        sim_github_hook_options(g, &o);
        sim_res_json(rs, 201, json_object());
    } else {
        bad(rs, "not a webhook: {\"url\": …}");
    }
    json_decref(body);
}

void gh_files_runner(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;

    (void)rq;
    gh_lock(g);
    if (g->runner_archive.len == 0) {
        gh_refuse(rs, 404, "Not Found");
    } else {
        rs->status = 200;
        rs->content_type = "application/octet-stream";
        buf_add(&rs->body, g->runner_archive.p, g->runner_archive.len);
    }
    gh_unlock(g);
}

/* ---- runners: what a machine's runner asks ---- */

void gh_runner_http_online(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *body = body_of(rq);
    const char *jit = text_of(body, "encoded_jit_config");
    struct err e = {0};
    int64_t id = 0;

    if (jit == NULL) {
        bad(rs, "encoded_jit_config is missing");
    } else if (sim_github_runner_online(g, jit, NULL, NULL, &id, &e) != 0) {
        sim_res_json(rs, e.kind == ERR_CONFLICT ? 409 : 404, json_pack("{s:s}", "message", e.msg));
    } else {
        const struct gh_runner *r;

        gh_lock(g);
        r = gh_runner(g, id);
        if (r != NULL)
            sim_res_json(
                rs, 200,
                json_pack("{s:s, s:I, s:s}", "session", r->session, "runner_id", (json_int_t)r->id, "name", r->name));
        gh_unlock(g);
    }
    json_decref(body);
}

static struct gh_runner *session(struct sim_github *g, const char *guid)
{
    for (size_t i = g->n_runners; i > 0; i--)
        if (strcmp(g->runners[i - 1]->session, guid) == 0 && g->runners[i - 1]->was_online)
            return g->runners[i - 1];
    return NULL;
}

/* GET ?wait_ms=: the job, 204 when none came in time, 410 when the runner is not registered any more. */
void gh_runner_http_job(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    const char *wait = sim_req_query(rq, "wait_ms");
    int64_t wait_ms = wait != NULL ? gh_id_arg(wait) : 0;
    const struct gh_runner *r;
    const struct gh_job *j;

    gh_lock(g);
    r = session(g, rq->arg[0]);
    j = r != NULL ? gh_job(g, r->job_id) : NULL;
    if (r == NULL || !r->registered)
        sim_res_json(rs, 410, json_pack("{s:s}", "message", "the runner is not registered"));
    else if (j != NULL)
        sim_res_json(rs, 200, job_state_json(j));
    else if (rq->age_ms < wait_ms && rq->age_ms < MAX_WAIT_MS)
        rs->again_ms = POLL_MS;
    else
        sim_res_json(rs, 204, NULL);
    gh_unlock(g);
}

void gh_runner_http_finish(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    json_t *body = body_of(rq);
    const char *conclusion = text_of(body, "conclusion");
    const struct gh_runner *r;
    int64_t id = 0;

    gh_lock(g);
    r = session(g, rq->arg[0]);
    if (r != NULL && r->registered && r->job_id != 0)
        id = r->id;
    gh_unlock(g);
    if (id == 0 || conclusion == NULL) {
        sim_res_json(rs, 410, json_pack("{s:s}", "message", "no such job under way"));
    } else {
        sim_github_runner_finish(g, id, conclusion);
        sim_res_json(rs, 200, json_object());
    }
    json_decref(body);
}
