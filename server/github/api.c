#include "server/github/api.h"

#include "server/base/jscan.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/path.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN ((size_t)6 * 1024)
#define JIT_MAX ((size_t)256 * 1024)
#define LABELS_MAX 100
#define FILE_ANSWER_MIN ((size_t)64 * 1024) /* room for an error's JSON, however small a file may be */

/* ---- paths ---- */

static bool is_org(const struct github_repo *r)
{
    return r->repo_id == 0 && strchr(r->repo, '/') == NULL;
}

/* "/repos/OWNER/NAME/actions" or "/orgs/NAME/actions" */
static int add_actions(struct buf *out, const struct github_repo *r, struct err *e)
{
    if (is_org(r)) {
        buf_adds(out, "/orgs");
        if (path_segments(out, r->repo, e))
            return err_wrap(e, "organisation \"%.100s\"", r->repo);
    } else if (path_repo(out, r->repo, e)) {
        return -1;
    }
    buf_adds(out, "/actions");
    return 0;
}

/* ---- calls ---- */

static struct github_call call_for(const struct github_repo *r, enum github_scope scope, const char *method)
{
    const char *slash = strchr(r->repo, '/');

    return (struct github_call){.installation_id = r->installation_id,
                                .repo_id = r->repo_id,
                                .repo_name = slash != NULL ? slash + 1 : r->repo,
                                .scope = scope,
                                .method = method};
}

/* A call about self-hosted runners. */
static struct github_call runners_call(const struct github_repo *r, const char *method)
{
    struct github_call c = call_for(r, GITHUB_SCOPE_RUNNERS, method);

    if (is_org(r))
        c.scope = GITHUB_SCOPE_ORG_RUNNERS;
    if (strcmp(method, "DELETE") == 0)
        c.use = GITHUB_FOR_ENDS;
    return c;
}

static int perform(struct github *g, struct github_call *c, const struct buf *path, struct httpc_res *res,
                   struct err *e)
{
    if (buf_str(path, &c->path, e))
        return err_wrap(e, "a GitHub path");
    return github_call(g, c, res, e);
}

/* An answer that is not what GitHub documents: perhaps a proxy's or a moment's, so worth another try. */
static int nonsense(const struct github_call *c, struct err *e)
{
    e->kind = ERR_RETRY;
    return err_wrap(e, "%s %.*s: unexpected answer", c->method, (int)strcspn(c->path, "?"), c->path);
}

/* GET path-of-the-repository + suffix, as JSON. *c keeps borrowing from path. */
static int get_json(struct github *g, struct github_call *c, const struct buf *path, json_t **out, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    c->method = "GET";
    if (perform(g, c, path, &res, e))
        return -1;
    return js_parse(res.body.p, res.body.len, out, e) ? nonsense(c, e) : 0;
}

int github_installation_of(struct github *g, const char *repo, int64_t *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = {0};
    int64_t id;

    if (strchr(repo, '/') == NULL) {
        buf_adds(&path, "/orgs");
        if (path_segments(&path, repo, e))
            return err_wrap(e, "organisation \"%.100s\"", repo);
    } else if (path_repo(&path, repo, e)) {
        return -1;
    }
    buf_adds(&path, "/installation");
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (js_i64(body, "id", &id, e) || (id <= 0 && err_set(e, ERR_RETRY, "id: expected a positive integer")))
        return nonsense(&c, e);
    *out = id;
    return 0;
}

static int get_repo(struct github *g, struct github_call *c, const struct buf *path, struct github_repo_info *out,
                    struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct github_repo_info info = {0};

    if (get_json(g, c, path, &body, e))
        return -1;
    if (js_i64(body, "id", &info.id, e) || js_bool(body, "private", &info.is_private, e) ||
        js_opt_bool(body, "archived", &info.archived, e))
        return nonsense(c, e);
    *out = info;
    return 0;
}

int github_repo_get(struct github *g, const struct github_repo *r, struct github_repo_info *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");

    return path_repo(&path, r->repo, e) || get_repo(g, &c, &path, out, e) ? -1 : 0;
}

int github_org_repo_get(struct github *g, const struct github_repo *org, const char *name, struct github_repo_info *out,
                        struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    struct github_call c = runners_call(org, "GET");

    buf_adds(&path, "/repos");
    if (path_segment(&path, org->repo, strlen(org->repo), e) || path_segment(&path, name, strlen(name), e))
        return err_wrap(e, "repository \"%.100s\"", name);
    return get_repo(g, &c, &path, out, e);
}

void github_run_clear(struct github_run *r)
{
    free(r->event);
    free(r->path);
    free(r->actor);
    free(r->triggering_actor);
    *r = (struct github_run){0};
}

int github_run_get(struct github *g, const struct github_repo *r, int64_t run_id, struct github_run *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");
    const char *event, *file = "", *actor = "", *triggering = "", *owner = "";
    int64_t head = 0, actor_id = 0, triggering_id = 0;

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/actions/runs/%lld", (long long)run_id);
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (js_str(body, "event", &event, e) || js_opt_str(body, "path", &file, e) ||
        js_opt_i64(body, "head_repository.id", &head, e) || js_opt_str(body, "actor.login", &actor, e) ||
        js_opt_str(body, "triggering_actor.login", &triggering, e) || js_opt_i64(body, "actor.id", &actor_id, e) ||
        js_opt_i64(body, "triggering_actor.id", &triggering_id, e) ||
        js_opt_str(body, "repository.owner.type", &owner, e))
        return nonsense(&c, e);
    out->head_repo_id = head;
    out->event = mem_strdup(event);
    out->path = mem_strndup(file, strcspn(file, "@"));
    out->actor = mem_strdup(actor);
    out->triggering_actor = mem_strdup(triggering);
    out->actor_id = actor_id;
    out->triggering_actor_id = triggering_id;
    out->owner_is_user = strcmp(owner, "User") == 0;
    return 0;
}

/* ---- files ---- */

/* Asked for raw, GitHub answers JSON for a directory (a list) or a submodule (an object with its type), and only then.
 */
static bool is_no_file(const struct httpc_res *res)
{
    AUTO_JSON json_t *body = NULL;
    struct err ignored;

    return js_parse(res->body.p, res->body.len, &body, &ignored) == 0 &&
           (json_is_array(body) || json_is_string(json_object_get(body, "type")));
}

static int check_is_file(const struct httpc_res *res, size_t max, struct err *e)
{
    char type[128] = "";

    (void)httpc_header(res, "Content-Type", type, sizeof(type));
    if (strstr(type, "json") != NULL && strstr(type, "raw") == NULL)
        return is_no_file(res) ? err_set(e, ERR_INVALID, "it is a directory or a submodule, not a file")
                               : err_set(e, ERR_RETRY, "JSON came instead of the file");
    if (text_has_prefix(type, "text/html"))
        return err_set(e, ERR_RETRY, "a web page came instead of the file");
    if (res->body.len > max)
        return err_set(e, ERR_INVALID, "it is larger than %zu bytes", max);
    if (strlen(res->body.p) != res->body.len)
        return err_set(e, ERR_INVALID, "it holds a NUL byte");
    return 0;
}

static int file_path(const struct github_repo *r, const char *path, const char *ref, struct buf *out, struct err *e)
{
    if (path_repo(out, r->repo, e))
        return -1;
    buf_adds(out, "/contents");
    if (path_segments(out, path, e))
        return err_wrap(e, "file \"%.100s\"", path);
    if (ref != NULL) {
        buf_adds(out, "?ref=");
        text_url_escape(out, ref, strlen(ref));
    }
    return 0;
}

int github_file_get(struct github *g, const struct github_repo *r, const char *path, const char *ref, size_t max,
                    char etag[128], char **text, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = call_for(r, r->repo_id == 0 ? GITHUB_SCOPE_FILES : GITHUB_SCOPE_READ, "GET");
    char new_etag[256] = "";

    if (file_path(r, path, ref, &url, e))
        return -1;
    c.accept_header = "application/vnd.github.raw+json";
    c.if_none_match = etag[0] != '\0' ? etag : NULL;
    c.max_answer = (max > FILE_ANSWER_MIN ? max : FILE_ANSWER_MIN) + 1;
    if (perform(g, &c, &url, &res, e))
        return -1;
    if (res.status == 304 && c.if_none_match != NULL) {
        *text = NULL;
        return 0;
    }
    if (res.status != 200)
        return err_set(e, ERR_RETRY, "%s in %s: GitHub answered %d", path, r->repo, res.status);
    if (check_is_file(&res, max, e))
        return err_wrap(e, "%s in %s", path, r->repo);
    if (httpc_header(&res, "ETag", new_etag, sizeof(new_etag)) && strlen(new_etag) >= 128)
        new_etag[0] = '\0'; /* a cut one would match nothing */
    (void)snprintf(etag, 128, "%.127s", new_etag);
    return buf_take(&res.body, text, e);
}

/* ---- people ---- */

/* As get_json; *out NULL: GitHub knows no such thing. */
static int get_json_or_none(struct github *g, struct github_call *c, const struct buf *path, json_t **out,
                            struct err *e)
{
    if (get_json(g, c, path, out, e) == 0)
        return 0;
    *out = NULL;
    return e->kind == ERR_GONE ? 0 : -1;
}

int github_team_has(struct github *g, const struct github_repo *r, const char *slug, const char *login, bool *yes,
                    struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_MEMBERS, "GET");
    const char *state = "";

    buf_adds(&path, "/orgs");
    if (path_segment(&path, r->repo, strcspn(r->repo, "/"), e))
        return -1;
    buf_adds(&path, "/teams");
    if (path_segment(&path, slug, strlen(slug), e))
        return -1;
    buf_adds(&path, "/memberships");
    if (path_segment(&path, login, strlen(login), e) || get_json_or_none(g, &c, &path, &body, e))
        return -1;
    if (body != NULL && js_str(body, "state", &state, e))
        return nonsense(&c, e);
    *yes = strcmp(state, "active") == 0;
    return 0;
}

int github_role_get(struct github *g, const struct github_repo *r, const char *login, char out[128], struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");
    const char *role = "";

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_adds(&path, "/collaborators");
    if (path_segment(&path, login, strlen(login), e))
        return -1;
    buf_adds(&path, "/permission");
    if (get_json_or_none(g, &c, &path, &body, e))
        return -1;
    /* an older GitHub Enterprise Server tells no role, only the permission that it amounts to */
    if (body != NULL && (js_str(body, "permission", &role, e) || js_opt_str(body, "role_name", &role, e)))
        return nonsense(&c, e);
    (void)snprintf(out, 128, "%.127s", strlen(role) < 128 ? role : "");
    return 0;
}

/* ---- runners ---- */

static int check_labels(const json_t *labels, struct err *e)
{
    size_t n = json_array_size(labels);

    if (!json_is_array(labels) || n < 1 || n > LABELS_MAX)
        return err_set(e, ERR_INVALID, "labels: expected a list of 1 to %d strings", LABELS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!json_is_string(json_array_get(labels, i)))
            return err_set(e, ERR_INVALID, "labels: item %zu is no string", i);
    }
    return 0;
}

static int jit_body(const char *name, const char *labels_json, char **out, struct err *e)
{
    AUTO_JSON json_t *labels = NULL, *body = NULL;

    if (js_parse(labels_json, strlen(labels_json), &labels, e))
        return err_wrap(e, "labels");
    if (check_labels(labels, e))
        return -1;
    /* A repository's runners are all in group 1, which is an organisation's default group too. */
    if (js_pack(e, &body, "{s:s, s:i, s:O, s:s}", "name", name, "runner_group_id", 1, "labels", labels, "work_folder",
                "_work"))
        return -1;
    return js_dump(body, out, e);
}

/* Read without copies: the configuration holds a private key. */
static int read_jit(const struct httpc_res *res, int64_t *runner_id, struct secret **jit, struct err *e)
{
    static const char *const paths[] = {"runner.id", "encoded_jit_config"};
    struct jscan_value v[ARRAY_LEN(paths)];
    struct buf text = BUF_INIT(JIT_MAX);
    int64_t id = 0;
    int rc;

    if (jscan(res->body.p, res->body.len, paths, ARRAY_LEN(paths), v, e))
        return -1;
    if (v[0].type != JSCAN_NUMBER || jscan_i64(&v[0], &id, e) || id <= 0)
        rc = err_set(e, ERR_RETRY, "runner.id: expected a positive integer");
    else if (v[1].type != JSCAN_STRING || v[1].len == 0 || jscan_str(&v[1], &text, e))
        rc = err_set(e, ERR_RETRY, "encoded_jit_config: expected a text");
    else
        rc = secret_from_buf(&text, jit, e);
    buf_wipe(&text);
    if (rc == 0)
        *runner_id = id;
    return rc;
}

int github_jitconfig(struct github *g, const struct github_repo *r, const char *name, const char *labels_json,
                     int64_t *runner_id, struct secret **jit, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_FREE char *body = NULL;
    struct github_call c = runners_call(r, "POST");

    if (add_actions(&path, r, e) || jit_body(name, labels_json, &body, e))
        return -1;
    buf_adds(&path, "/runners/generate-jitconfig");
    c.body_json = body;
    if (perform(g, &c, &path, &res, e))
        return -1;
    return read_jit(&res, runner_id, jit, e) ? nonsense(&c, e) : 0;
}

static int read_runner(const json_t *item, struct github_runner *out, struct err *e)
{
    const char *status;
    int64_t id;
    bool busy;

    if (js_i64(item, "id", &id, e) || js_str(item, "status", &status, e) || js_bool(item, "busy", &busy, e))
        return -1;
    *out = (struct github_runner){.id = id, .online = strcmp(status, "online") == 0, .busy = busy};
    return 0;
}

int github_runner_find(struct github *g, const struct github_repo *r, const char *name, struct github_runner *out,
                       struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = runners_call(r, "GET");
    json_t *runners;

    if (add_actions(&path, r, e))
        return -1;
    c.use = GITHUB_FOR_ENDS; /* asked before a machine ends */
    buf_adds(&path, "/runners?per_page=100&name=");
    text_url_escape(&path, name, strlen(name));
    if (get_json(g, &c, &path, &body, e)) {
        if (e->kind == ERR_GONE)
            e->kind = ERR_AUTH; /* what GitHub does not show us is not the runner but whose it is */
        return -1;
    }
    if (js_arr(body, "runners", &runners, e))
        return nonsense(&c, e);
    for (size_t i = 0; i < json_array_size(runners); i++) {
        const json_t *item = json_array_get(runners, i);
        const char *found;

        if (js_str(item, "name", &found, e))
            return nonsense(&c, e);
        if (strcmp(found, name) == 0)
            return read_runner(item, out, e) ? nonsense(&c, e) : 0;
    }
    return err_set(e, ERR_GONE, "GitHub knows no runner %s in %s", name, r->repo);
}

int github_runner_delete(struct github *g, const struct github_repo *r, int64_t runner_id, bool *shown, struct err *e)
{
    static const int known[] = {404, 422, 0};
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct github_call c = runners_call(r, "DELETE");

    if (add_actions(&path, r, e))
        return -1;
    buf_addf(&path, "/runners/%lld", (long long)runner_id);
    c.accept = known;
    if (perform(g, &c, &path, &res, e))
        return -1;
    if (res.status == 422)
        return err_set(e, ERR_CONFLICT, "runner %lld in %s is running a job: GitHub keeps it", (long long)runner_id,
                       r->repo);
    *shown = res.status != 404;
    return 0;
}

int github_runner_remove(struct github *g, const struct github_repo *r, int64_t runner_id, struct err *e)
{
    bool shown;

    return github_runner_delete(g, r, runner_id, &shown, e);
}

int github_org_group_get(struct github *g, const struct github_repo *org, struct github_runner_group *out,
                         struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = runners_call(org, "GET");
    struct github_runner_group group = {false, false};
    const char *visibility = "all";

    if (!is_org(org))
        return err_set(e, ERR_BUG, "%s is no organisation", org->repo);
    if (add_actions(&path, org, e))
        return -1;
    buf_adds(&path, "/runner-groups/1");
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (js_bool(body, "allows_public_repositories", &group.allows_public, e) ||
        js_opt_str(body, "visibility", &visibility, e))
        return nonsense(&c, e);
    group.selected = strcmp(visibility, "selected") == 0;
    *out = group;
    return 0;
}

/* ---- what the runner is made of, and a job's own state ---- */

static int copy_release(const json_t *item, struct github_runner_release *out, struct err *e)
{
    const char *url, *sha256 = "";

    if (js_str(item, "download_url", &url, e) || js_opt_str(item, "sha256_checksum", &sha256, e))
        return -1;
    if ((!text_has_prefix(url, "https://") && !text_has_prefix(url, "http://")) || strlen(url) >= sizeof(out->url))
        return err_set(e, ERR_RETRY, "download_url: expected a URL under %zu characters", sizeof(out->url));
    if (sha256[0] != '\0' && (strlen(sha256) != 64 || sha256[strspn(sha256, "0123456789abcdefABCDEF")] != '\0'))
        return err_set(e, ERR_RETRY, "sha256_checksum: expected 64 hex digits");
    (void)snprintf(out->url, sizeof(out->url), "%s", url);
    for (size_t i = 0; i <= strlen(sha256); i++)
        out->sha256[i] = text_lower(sha256[i]);
    return 0;
}

int github_runner_release_get(struct github *g, const struct github_repo *r, const char *os, const char *arch,
                              struct github_runner_release *out, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_RUNNERS, "GET");
    const char *wanted = strcmp(os, "windows") == 0 ? "win" : os;

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_adds(&path, "/actions/runners/downloads");
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (!json_is_array(body) && err_set(e, ERR_RETRY, "expected a list"))
        return nonsense(&c, e);
    for (size_t i = 0; i < json_array_size(body); i++) {
        const json_t *item = json_array_get(body, i);
        const char *system, *architecture;

        if (js_str(item, "os", &system, e) || js_str(item, "architecture", &architecture, e))
            return nonsense(&c, e);
        if (strcmp(system, wanted) == 0 && strcmp(architecture, arch) == 0)
            return copy_release(item, out, e) ? nonsense(&c, e) : 0;
    }
    return err_set(e, ERR_GONE, "GitHub offers no runner for %s, %s", os, arch);
}

int github_job_status(struct github *g, const struct github_repo *r, int64_t job_id, char status[32],
                      char conclusion[32], struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_JSON json_t *body = NULL;
    struct github_call c = call_for(r, GITHUB_SCOPE_READ, "GET");
    const char *said, *ended = "";

    if (path_repo(&path, r->repo, e))
        return -1;
    buf_addf(&path, "/actions/jobs/%lld", (long long)job_id);
    if (get_json(g, &c, &path, &body, e))
        return -1;
    if (js_str(body, "status", &said, e) || js_opt_str(body, "conclusion", &ended, e))
        return nonsense(&c, e);
    (void)snprintf(status, 32, "%.31s", said);
    (void)snprintf(conclusion, 32, "%.31s", ended);
    return 0;
}
