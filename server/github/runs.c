#include "server/github/runs.h"

#include "server/base/clock.h"
#include "server/base/jscan.h"
#include "server/base/text.h"
#include "server/github/event.h"

#include <string.h>

#define PATH_MAX_LEN ((size_t)2 * 1024)
#define PAGE_MAX ((size_t)8 * 1024 * 1024) /* jobs tell of their steps, runs of two repositories each */

/* "/repos/OWNER/NAME/actions" */
static int add_actions(struct buf *out, const char *repo, struct err *e)
{
    const char *slash = strchr(repo, '/');

    if (slash == NULL || slash == repo || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
        strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
        return err_set(e, ERR_INVALID, "repository \"%.100s\": expected owner/name", repo);
    buf_adds(out, "/repos/");
    text_url_escape(out, repo, (size_t)(slash - repo));
    buf_addc(out, '/');
    text_url_escape(out, slash + 1, strlen(slash + 1));
    buf_adds(out, "/actions");
    return 0;
}

static struct github_call read_call(const struct github_repo *r)
{
    const char *slash = strchr(r->repo, '/');

    return (struct github_call){.installation_id = r->installation_id,
                                .repo_id = r->repo_id,
                                .repo_name = slash != NULL ? slash + 1 : r->repo,
                                .scope = GITHUB_SCOPE_READ,
                                .use = GITHUB_FOR_REPORTS, /* a look can wait */
                                .method = "GET",
                                .max_answer = PAGE_MAX};
}

static struct github_repo repo_of(const struct job *where)
{
    return (struct github_repo){where->installation_id, where->repo_id, where->repo};
}

static int nonsense(const struct github_call *c, struct err *e)
{
    e->kind = ERR_RETRY;
    return err_wrap(e, "%s %.*s: unexpected answer", c->method, (int)strcspn(c->path, "?"), c->path);
}

static const char *body_of(const struct httpc_res *res)
{
    return res->body.p != NULL ? res->body.p : "";
}

/* ---- runs ---- */

int github_runs_parse(const char *body, size_t len, struct github_run_ids *out, struct err *e)
{
    static const char *const list_path[] = {"workflow_runs"}, *const id_path[] = {"id"};
    struct jscan_value list, item, v;
    struct github_run_ids got = {.n = 0};
    size_t pos = 0, seen = 0;
    struct err ignored;

    if (jscan(body, len, list_path, 1, &list, e))
        return -1;
    if (list.type != JSCAN_ARRAY)
        return err_set(e, ERR_INVALID, "workflow_runs: expected a list, found %s", jscan_type_name(list.type));
    while (jscan_next_item(&list, &pos, &item)) {
        int64_t id;

        seen++;
        if (got.n < GITHUB_RUNS_PAGE && item.type == JSCAN_OBJECT &&
            jscan(item.p, item.len, id_path, 1, &v, &ignored) == 0 && v.type == JSCAN_NUMBER &&
            jscan_i64(&v, &id, &ignored) == 0 && id > 0)
            got.ids[got.n++] = id;
    }
    got.more = seen >= GITHUB_RUNS_PAGE;
    *out = got;
    return 0;
}

int github_runs_list(struct github *g, const struct github_repo *r, const char *status, int page,
                     struct github_run_ids *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = read_call(r);

    if (add_actions(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/runs?status=%s&exclude_pull_requests=true&per_page=%d&page=%d", status, GITHUB_RUNS_PAGE, page);
    if (buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    return github_runs_parse(body_of(&res), res.body.len, out, e) ? nonsense(&c, e) : 0;
}

/* ---- jobs ---- */

void github_jobs_clear(struct github_jobs *j)
{
    for (size_t i = 0; i < j->n; i++)
        job_clear(&j->jobs[i]);
    j->n = 0;
}

int github_jobs_parse(const char *body, size_t len, const struct job *where, struct github_jobs *out, struct err *e)
{
    static const char *const path[] = {"jobs"};
    struct jscan_value list, item;
    size_t pos = 0, seen = 0;
    int64_t now_ms = clock_now_ms();
    struct err ignored;

    if (jscan(body, len, path, 1, &list, e))
        return -1;
    if (list.type != JSCAN_ARRAY)
        return err_set(e, ERR_INVALID, "jobs: expected a list, found %s", jscan_type_name(list.type));
    github_jobs_clear(out);
    while (jscan_next_item(&list, &pos, &item)) {
        bool known;

        seen++;
        if (out->n < GITHUB_JOBS_PAGE && item.type == JSCAN_OBJECT &&
            event_api_job(item.p, item.len, where, now_ms, &known, &out->jobs[out->n], &ignored) == 0 && known)
            out->n++;
    }
    out->more = seen >= GITHUB_JOBS_PAGE;
    return 0;
}

int github_jobs_list(struct github *g, const struct job *where, int64_t run_id, int page, struct github_jobs *out,
                     struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_repo repo = repo_of(where);
    struct github_call c = read_call(&repo);

    if (add_actions(&path, where->repo, e))
        return -1;
    buf_addf(&path, "/runs/%lld/jobs?filter=latest&per_page=%d&page=%d", (long long)run_id, GITHUB_JOBS_PAGE, page);
    if (buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    return github_jobs_parse(body_of(&res), res.body.len, where, out, e) ? nonsense(&c, e) : 0;
}

int github_job_get(struct github *g, const struct job *where, int64_t job_id, bool *there, bool *known, struct job *out,
                   struct err *e)
{
    static const int gone[] = {404, 0};
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_repo repo = repo_of(where);
    struct github_call c = read_call(&repo);

    c.accept = gone; /* a token that is refused so is an error all the same */
    if (add_actions(&path, where->repo, e))
        return -1;
    buf_addf(&path, "/jobs/%lld", (long long)job_id);
    if (buf_str(&path, &c.path, e) || github_call(g, &c, &res, e))
        return -1;
    *there = res.status != 404;
    *known = false;
    if (!*there)
        return 0;
    return event_api_job(body_of(&res), res.body.len, where, clock_now_ms(), known, out, e) ? nonsense(&c, e) : 0;
}
