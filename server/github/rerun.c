#include "server/github/rerun.h"

#include "server/base/json.h"
#include "server/base/text.h"
#include "server/github/path.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN ((size_t)4 * 1024)
#define PAGE_MAX ((size_t)8 * 1024 * 1024) /* a hundred jobs with all their steps */
#define PAGE_JOBS 100
#define PAGES_MAX 20 /* a run has at most some hundred jobs: 256 of a matrix, times its matrices */

static struct github_call call_for(const struct github_repo *r, enum github_scope scope, const char *method)
{
    const char *slash = strchr(r->repo, '/');

    return (struct github_call){.installation_id = r->installation_id,
                                .repo_id = r->repo_id,
                                .repo_name = slash != NULL ? slash + 1 : r->repo,
                                .scope = scope,
                                .method = method};
}

static int nonsense(const struct github_call *c, struct err *e)
{
    e->kind = ERR_RETRY;
    return err_wrap(e, "%s %.*s: unexpected answer", c->method, (int)strcspn(c->path, "?"), c->path);
}

static int get_json(struct github *g, struct github_call *c, const struct buf *path, json_t **out, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    if (buf_str(path, &c->path, e) || github_call(g, c, &res, e))
        return -1;
    return js_parse(res.body.p, res.body.len, out, e) ? nonsense(c, e) : 0;
}

int github_run_state(struct github *g, const struct github_repo *r, int64_t run_id, struct github_run_state *out,
                     struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");
    const char *status, *conclusion = "";
    int64_t attempt = 1;

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/actions/runs/%lld", (long long)run_id);
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (js_str(body, "status", &status, e) || js_opt_str(body, "conclusion", &conclusion, e) ||
        js_opt_i64(body, "run_attempt", &attempt, e))
        return nonsense(&c, e);
    *out = (struct github_run_state){.completed = strcmp(status, "completed") == 0, .attempt = attempt};
    (void)snprintf(out->conclusion, sizeof(out->conclusion), "%.23s", out->completed ? conclusion : "");
    return 0;
}

static int read_job(const json_t *item, struct github_run_job *j, struct err *e)
{
    const char *started = NULL;
    struct err ignored;

    *j = (struct github_run_job){.conclusion = ""};
    if (js_i64(item, "id", &j->id, e) || js_str(item, "name", &j->name, e) ||
        js_opt_str(item, "conclusion", &j->conclusion, e) || js_opt_str(item, "started_at", &started, e))
        return -1;
    if (started != NULL && text_rfc3339_ms(started, strlen(started), &j->started_ms, &ignored))
        j->started_ms = 0;
    return 0;
}

/* *more: there may be another page. */
static int page(struct github *g, struct github_call *c, const struct buf *path, github_run_job_fn *each, void *arg,
                bool *more, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct github_run_job j;
    json_t *jobs;

    if (get_json(g, c, path, &body, e))
        return -1;
    if (js_arr(body, "jobs", &jobs, e))
        return nonsense(c, e);
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        if (read_job(json_array_get(jobs, i), &j, e))
            return nonsense(c, e);
        if (each(arg, &j, e))
            return -1;
    }
    *more = json_array_size(jobs) >= PAGE_JOBS;
    return 0;
}

int github_run_jobs(struct github *g, const struct github_repo *r, int64_t run_id, int64_t attempt,
                    github_run_job_fn *each, void *arg, struct err *e)
{
    bool more = true;

    for (int n = 1; more; n++) {
        AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
        struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");

        if (n > PAGES_MAX)
            return err_set(e, ERR_RETRY, "run %lld of %s: its list of jobs does not end", (long long)run_id, r->repo);
        if (path_repo(&path, r->repo, e))
            return -1;
        buf_addf(&path, "/actions/runs/%lld/attempts/%lld/jobs?per_page=%d&page=%d", (long long)run_id,
                 (long long)attempt, PAGE_JOBS, n);
        c.max_answer = PAGE_MAX;
        if (page(g, &c, &path, each, arg, &more, e))
            return -1;
    }
    return 0;
}

/* GitHub's message; "" = none. */
static void message_of(const struct httpc_res *res, char out[160])
{
    AUTO_JSON json_t *body = NULL;
    const char *message = "";
    struct err ignored;

    if (js_parse(res->body.p, res->body.len, &body, &ignored) || js_opt_str(body, "message", &message, &ignored))
        message = "";
    (void)snprintf(out, 160, "%.159s", message);
    text_tidy(out);
}

/* A token is minted with actions: write or not at all; so 403 here is no want of a permission but a refusal. */
static int ask(struct github *g, const struct github_repo *r, const struct buf *path, struct err *e)
{
    static const int known[] = {403, 409, 422, 0};
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = call_for(r, GITHUB_SCOPE_RERUN, "POST");
    char message[160];

    c.accept = known;
    c.once = true;
    if (buf_str(path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    if (res.status < 300)
        return 0;
    message_of(&res, message);
    return err_set(e, ERR_CONFLICT, "GitHub refuses to run it again (%d)%s%s", res.status,
                   message[0] != '\0' ? ": " : "", message);
}

int github_rerun_failed(struct github *g, const struct github_repo *r, int64_t run_id, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/actions/runs/%lld/rerun-failed-jobs", (long long)run_id);
    return ask(g, r, &path, e);
}

int github_rerun_job(struct github *g, const struct github_repo *r, int64_t job_id, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/actions/jobs/%lld/rerun", (long long)job_id);
    return ask(g, r, &path, e);
}
