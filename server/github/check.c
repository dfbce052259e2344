#include "server/github/check.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN ((size_t)4 * 1024)
#define MESSAGE_MAX 4000 /* GitHub takes 64 KB of an annotation; nobody reads that */
#define LIST_MAX ((size_t)4 * 1024 * 1024)

/* ---- paths and calls ---- */

static bool is_hash(const char *s)
{
    size_t n = strlen(s);

    return (n == 40 || n == 64) && s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

static int repo_path(struct buf *out, const struct github_repo *r, const char *rest, struct err *e)
{
    const char *slash = strchr(r->repo, '/');

    if (slash == NULL || slash == r->repo || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return err_set(e, ERR_INVALID, "repository \"%.100s\": expected owner/name", r->repo);
    buf_adds(out, "/repos/");
    text_url_escape(out, r->repo, (size_t)(slash - r->repo));
    buf_addc(out, '/');
    text_url_escape(out, slash + 1, strlen(slash + 1));
    buf_adds(out, rest);
    return 0;
}

static int call(struct github *g, const struct github_repo *r, enum github_scope scope, struct github_call *c,
                const struct buf *path, json_t **answer, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    c->installation_id = r->installation_id;
    c->repo_id = r->repo_id;
    c->scope = scope;
    c->use = GITHUB_FOR_REPORTS;
    if (buf_str(path, &c->path, e) || github_call(g, c, &res, e))
        return -1;
    if (js_parse(res.body.p, res.body.len, answer, e) == 0)
        return 0;
    e->kind = ERR_RETRY;
    return err_wrap(e, "%s %.*s: unexpected answer", c->method, (int)strcspn(c->path, "?"), c->path);
}

/* ---- bodies ---- */

/* As much of a text as GitHub takes, cut between two characters. The caller frees it. */
static char *fit(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);

    if (n > max) {
        for (n = max; n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80; n--)
            continue;
    }
    return mem_strndup(text, n);
}

static int set_fit(json_t *o, const char *key, const char *text, size_t max, struct err *e)
{
    AUTO_FREE char *cut = text != NULL ? fit(text, max) : NULL;

    if (cut == NULL)
        return 0;
    return json_object_set_new(o, key, json_string(cut)) == 0 ? 0 : err_set(e, ERR_INVALID, "%s is not UTF-8", key);
}

static int add_annotation(json_t *list, const struct github_annotation *a, struct err *e)
{
    int line = a->line > 0 ? a->line : 1;
    json_t *o = NULL;

    if (js_pack(e, &o, "{s:s, s:i, s:i, s:s}", "path", a->path, "start_line", line, "end_line", line,
                "annotation_level", a->level))
        return -1;
    (void)json_array_append_new(list, o);
    if (a->column > 0) {
        (void)json_object_set_new(o, "start_column", json_integer(a->column));
        (void)json_object_set_new(o, "end_column", json_integer(a->column));
    }
    return set_fit(o, "title", a->title, GITHUB_CHECK_TITLE_MAX, e) || set_fit(o, "message", a->message, MESSAGE_MAX, e)
               ? -1
               : 0;
}

static int add_output(json_t *body, const struct github_check *c, struct err *e)
{
    json_t *output = json_object(), *list;

    (void)json_object_set_new(body, "output", output);
    if (set_fit(output, "title", c->title, GITHUB_CHECK_TITLE_MAX, e) ||
        set_fit(output, "summary", c->summary, GITHUB_CHECK_TEXT_MAX, e) ||
        set_fit(output, "text", c->text, GITHUB_CHECK_TEXT_MAX, e))
        return -1;
    if (c->n_annotations == 0)
        return 0;
    list = json_array();
    (void)json_object_set_new(output, "annotations", list);
    for (size_t i = 0; i < c->n_annotations && i < GITHUB_CHECK_ANNOTATIONS; i++) {
        if (add_annotation(list, &c->annotations[i], e))
            return -1;
    }
    return 0;
}

static void set_time(json_t *body, const char *key, int64_t ms)
{
    char text[21];

    if (ms <= 0)
        return;
    text_format_rfc3339(ms, text);
    (void)json_object_set_new(body, key, json_string(text));
}

static int add_button(json_t *body, struct err *e)
{
    json_t *actions = NULL;

    if (js_pack(e, &actions, "[{s:s, s:s, s:s}]", "label", "Try again", "description", "Decide about the job anew",
                "identifier", GITHUB_RETRY_ACTION))
        return -1;
    (void)json_object_set_new(body, "actions", actions);
    return 0;
}

/* head_sha NULL: for an update, which may not move it. */
static int body_of(const struct github_check *c, const char *head_sha, char **out, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    char id[24];

    (void)snprintf(id, sizeof(id), "%lld", (long long)c->external_id);
    if (js_pack(e, &body, "{s:s, s:s, s:s}", "name", c->name, "external_id", id, "status", c->status))
        return -1;
    if (head_sha != NULL)
        (void)json_object_set_new(body, "head_sha", json_string(head_sha));
    if (c->conclusion != NULL)
        (void)json_object_set_new(body, "conclusion", json_string(c->conclusion));
    set_time(body, "started_at", c->started_ms);
    set_time(body, "completed_at", c->conclusion != NULL ? c->completed_ms : 0);
    if (add_output(body, c, e) || (c->retry_button && add_button(body, e)))
        return -1;
    return js_dump(body, out, e);
}

/* ---- check runs ---- */

static int read_id(const json_t *answer, int64_t *id, struct err *e)
{
    int64_t got;

    if (js_i64(answer, "id", &got, e) == 0 && got > 0) {
        *id = got;
        return 0;
    }
    return err_set(e, ERR_RETRY, "GitHub's answer about a check run holds no id");
}

int github_check_create(struct github *g, const struct github_repo *r, const struct github_check *c, int64_t *id,
                        struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *answer = NULL;
    AUTO_FREE char *body = NULL;
    struct github_call k = {.method = "POST", .once = true};

    if (!is_hash(c->head_sha))
        return err_set(e, ERR_INVALID, "check run: head_sha is no commit's hash");
    if (repo_path(&path, r, "/check-runs", e) || body_of(c, c->head_sha, &body, e))
        return -1;
    k.body_json = body;
    return call(g, r, GITHUB_SCOPE_CHECKS, &k, &path, &answer, e) || read_id(answer, id, e) ? -1 : 0;
}

int github_check_update(struct github *g, const struct github_repo *r, int64_t id, const struct github_check *c,
                        struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *answer = NULL;
    AUTO_FREE char *body = NULL;
    struct github_call k = {.method = "PATCH"};

    if (repo_path(&path, r, "/check-runs/", e) || body_of(c, NULL, &body, e))
        return -1;
    buf_addf(&path, "%lld", (long long)id);
    k.body_json = body;
    return call(g, r, GITHUB_SCOPE_CHECKS, &k, &path, &answer, e);
}

int github_check_find(struct github *g, const struct github_repo *r, const struct github_check *c, int64_t *id,
                      struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *answer = NULL;
    struct github_call k = {.method = "GET", .max_answer = LIST_MAX};
    char want[24];
    json_t *runs;

    (void)snprintf(want, sizeof(want), "%lld", (long long)c->external_id);
    if (!is_hash(c->head_sha))
        return err_set(e, ERR_INVALID, "check run: head_sha is no commit's hash");
    if (repo_path(&path, r, "/commits/", e))
        return -1;
    buf_addf(&path, "%s/check-runs?filter=all&per_page=100&check_name=", c->head_sha);
    text_url_escape(&path, c->name, strlen(c->name));
    if (call(g, r, GITHUB_SCOPE_CHECKS, &k, &path, &answer, e))
        return -1;
    if (js_arr(answer, "check_runs", &runs, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "GitHub's list of check runs");
    }
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        const char *external = "", *name = "";

        if (js_opt_str(run, "external_id", &external, e) == 0 && strcmp(external, want) == 0 &&
            js_opt_str(run, "name", &name, e) == 0 && strcmp(name, c->name) == 0)
            return read_id(run, id, e);
    }
    return err_set(e, ERR_GONE, "no check run of job %s on this commit", want);
}

/* ---- commit statuses ---- */

int github_status_put(struct github *g, const struct github_repo *r, const struct github_status *s, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *answer = NULL, *packed = NULL;
    AUTO_FREE char *body = NULL;
    struct github_call k = {.method = "POST"};

    if (!is_hash(s->head_sha))
        return err_set(e, ERR_INVALID, "commit status: no commit's hash");
    if (repo_path(&path, r, "/statuses/", e) ||
        js_pack(e, &packed, "{s:s, s:s}", "state", s->state, "context", s->context) ||
        set_fit(packed, "description", s->description, GITHUB_STATUS_DESCRIPTION_MAX, e) || js_dump(packed, &body, e))
        return -1;
    buf_adds(&path, s->head_sha);
    k.body_json = body;
    return call(g, r, GITHUB_SCOPE_STATUSES, &k, &path, &answer, e);
}
