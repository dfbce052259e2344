#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

#include <stdio.h>
#include <string.h>

#define TOKENS_MAX 8192
#define URL_MAX ((size_t)8 * 1024)
#define BEARER_MAX ((size_t)68 * 1024)
#define MOVES_MAX 3         /* a redirection may lead to another */
#define REPLICATION_MS 5000 /* how long a new token may be unknown to a part of GitHub */

struct github *github_new(const struct github_conf *c)
{
    struct github *g = mem_zalloc(sizeof(*g));

    g->api_url = mem_strdup(c->api_url);
    g->app_id = mem_strdup(c->app_id);
    g->key = c->key;
    g->http = c->http;
    g->tokens = cache_new(TOKENS_MAX, token_free);
    g->gates = gates_new();
    g->paces = paces_new();
    atomic_init(&g->skew_ms, 0);
    return g;
}

void github_free(struct github *g)
{
    if (g == NULL)
        return;
    cache_free(g->tokens);
    gates_free(g->gates);
    paces_free(g->paces);
    free(g->api_url);
    free(g->app_id);
    free(g);
}

const char *github_scope_name(enum github_scope scope)
{
    switch (scope) {
    case GITHUB_SCOPE_READ:
        return "contents: read and actions: read";
    case GITHUB_SCOPE_RUNNERS:
        return "administration: write";
    case GITHUB_SCOPE_FILES:
        return "contents: read";
    case GITHUB_SCOPE_MEMBERS:
        return "members: read";
    case GITHUB_SCOPE_ORG_RUNNERS:
        return "organization_self_hosted_runners: write";
    case GITHUB_SCOPE_CHECKS:
        return "checks: write";
    case GITHUB_SCOPE_STATUSES:
        return "statuses: write";
    case GITHUB_SCOPE_RERUN:
        return "actions: write";
    }
    return "unknown";
}

int64_t github_now_ms(struct github *g, const struct httpc_res *res)
{
    char date[64];
    int64_t ms;
    struct err ignored;

    if (httpc_header(res, "Date", date, sizeof(date)) && text_http_date_ms(date, &ms, &ignored) == 0)
        return ms;
    return clock_now_ms() + atomic_load(&g->skew_ms);
}

/* ---- turns ---- */

/* FNV-1a: names a call to itself, nothing more. */
static uint64_t add_hash(uint64_t hash, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211U;
    return (hash ^ 0xff) * 1099511628211U;
}

static struct pace_call pace_of(const struct github_call *c, int64_t id, bool as_app)
{
    bool writes = strcmp(c->method, "GET") != 0;
    bool told = c->scope == GITHUB_SCOPE_CHECKS || c->scope == GITHUB_SCOPE_STATUSES;
    bool runners = c->scope == GITHUB_SCOPE_RUNNERS || c->scope == GITHUB_SCOPE_ORG_RUNNERS;
    uint64_t hash = add_hash(add_hash(add_hash(14695981039346656037U, c->method), c->path), c->body_json);

    return (struct pace_call){.id = id,
                              .repo = c->repo_id != 0        ? c->repo_id
                                      : c->repo_name != NULL ? (int64_t)(add_hash(1, c->repo_name) >> 1)
                                                             : 0,
                              .who = c->use != GITHUB_FOR_REPORTS ? hash : 0, /* what they say changes meanwhile */
                              .writes = writes,
                              .contents = told && writes,
                              .registers = runners && strcmp(c->method, "POST") == 0,
                              .as_app = as_app && id != 0,
                              .use = c->use};
}

/* ---- one request ---- */

static int send_call(struct github *g, const struct github_call *c, const struct secret *bearer, struct httpc_res *res,
                     struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(URL_MAX);
    struct buf authorization = BUF_INIT(BEARER_MAX);
    struct httpc_header headers[5];
    struct httpc_req req = {.method = c->method, .headers = headers, .max_answer = c->max_answer, .once = c->once};
    const char *value;
    int rc = -1;

    buf_addf(&url, "%s%s", g->api_url, c->path);
    buf_addf(&authorization, "Bearer %s", secret_reveal(bearer));
    if (buf_str(&url, &req.url, e) == 0 && buf_str(&authorization, &value, e) == 0) {
        headers[req.n_headers++] = (struct httpc_header){"Authorization", value};
        headers[req.n_headers++] = (struct httpc_header){
            "Accept", c->accept_header != NULL ? c->accept_header : "application/vnd.github+json"};
        headers[req.n_headers++] = (struct httpc_header){"X-GitHub-Api-Version", "2022-11-28"};
        if (c->if_none_match != NULL)
            headers[req.n_headers++] = (struct httpc_header){"If-None-Match", c->if_none_match};
        if (c->body_json != NULL) {
            headers[req.n_headers++] = (struct httpc_header){"Content-Type", "application/json"};
            req.body = c->body_json;
            req.body_len = strlen(c->body_json);
        }
        rc = httpc_do(g->http, &req, res, e);
    }
    buf_wipe(&authorization);
    return rc;
}

static int send_in_turn(struct github *g, const struct github_call *c, const struct pace_call *turn,
                        const struct secret *bearer, struct httpc_res *res, struct err *e)
{
    int rc;

    if (pace_enter(g->paces, turn, e))
        return -1;
    rc = send_call(g, c, bearer, res, e);
    pace_leave(g->paces, turn, rc == 0 ? res : NULL, rc == 0 ? github_now_ms(g, res) : 0);
    return rc;
}

/* A repository that was renamed or moved: its place by its number, below the same address and of the same repository.
 * *path is the rest of `location`. */
static bool is_moved(const struct github *g, const struct github_call *c, const struct httpc_res *res, char *location,
                     size_t size, const char **path)
{
    static const char by_id[] = "/repositories/";
    size_t base = strlen(g->api_url), digits;
    char id[24];
    int64_t repo_id;
    struct err ignored;

    if ((res->status != 301 && res->status != 302 && res->status != 307 && res->status != 308) ||
        !httpc_header(res, "Location", location, size) || strlen(location) + 1 >= size ||
        strncmp(location, g->api_url, base) != 0 || !text_has_prefix(location + base, by_id))
        return false;
    *path = location + base;
    digits = strspn(*path + sizeof(by_id) - 1, "0123456789");
    if (digits == 0 || digits >= sizeof(id) || strpbrk(*path, "# \t") != NULL || strstr(*path, "/.") != NULL ||
        strchr("/?", (*path)[sizeof(by_id) - 1 + digits]) == NULL) /* its end too */
        return false;
    memcpy(id, *path + sizeof(by_id) - 1, digits);
    id[digits] = '\0';
    return text_i64(id, 1, INT64_MAX, &repo_id, &ignored) == 0 && (c->repo_id == 0 || c->repo_id == repo_id);
}

int github_send(struct github *g, const struct github_call *c, const struct pace_call *turn,
                const struct secret *bearer, struct httpc_res *res, struct err *e)
{
    struct github_call there = *c;
    char location[2048];
    int rc = send_in_turn(g, c, turn, bearer, res, e);

    for (int i = 0; rc == 0 && i < MOVES_MAX && is_moved(g, c, res, location, sizeof(location), &there.path); i++) {
        httpc_res_clear(res);
        rc = send_in_turn(g, &there, turn, bearer, res, e);
    }
    return rc;
}

/* ---- what an answer means ---- */

static bool is_success(const struct github_call *c, int status)
{
    if ((status >= 200 && status < 300) || status == 304)
        return true;
    for (const int *a = c->accept; a != NULL && *a != 0; a++) {
        if (*a == status)
            return true;
    }
    return false;
}

static enum err_kind kind_of(int status)
{
    if (status == 401 || status == 403)
        return ERR_AUTH;
    if (status == 404 || status == 410)
        return ERR_GONE;
    if (status == 409)
        return ERR_CONFLICT;
    if (status == 429)
        return ERR_THROTTLED;
    return status >= 500 ? ERR_RETRY : ERR_INVALID;
}

/* The first of GitHub's `errors`: a string, or an object with message, or field and code. */
static void add_detail(const json_t *body, struct buf *out)
{
    const char *text = NULL, *field = NULL, *code = NULL;
    struct err ignored;

    if (js_str(body, "errors.0", &text, &ignored) == 0 || js_str(body, "errors.0.message", &text, &ignored) == 0)
        buf_addf(out, " (%s)", text);
    else if (js_str(body, "errors.0.field", &field, &ignored) == 0 &&
             js_str(body, "errors.0.code", &code, &ignored) == 0)
        buf_addf(out, " (%s: %s)", field, code);
}

static void add_hint(const struct github_call *c, const struct httpc_res *res, struct buf *out)
{
    char accepted[128];

    if (res->status == 301 || res->status == 307 || res->status == 308)
        buf_adds(out, "; the repository was renamed or moved");
    if (res->status != 403)
        return;
    if (httpc_header(res, "x-accepted-github-permissions", accepted, sizeof(accepted)) && accepted[0] != '\0')
        buf_addf(out, "; the App needs the permission %s", accepted);
    else if (out->p != NULL && strstr(out->p, "not accessible by integration") != NULL)
        buf_addf(out, "; the App needs the permission %s", github_scope_name(c->scope));
}

/* ": GitHub's message (detail); hint", masked; empty when the answer says nothing. */
static char *explanation(const struct github_call *c, const struct httpc_res *res, const struct secret *bearer)
{
    AUTO_JSON json_t *body = NULL;
    AUTO_BUF struct buf out = BUF_INIT((size_t)4 * 1024 * 1024);
    const char *message = NULL;
    char *text = NULL;
    struct err ignored;

    if (js_parse(res->body.p, res->body.len, &body, &ignored) == 0 &&
        js_str(body, "message", &message, &ignored) == 0) {
        buf_addf(&out, ": %s", message);
        add_detail(body, &out);
    }
    add_hint(c, res, &out);
    if (buf_take(&out, &text, &ignored))
        return mem_strdup("");
    secret_mask(bearer, text); /* before anything is cut: half a token is a secret too */
    return text;
}

static int status_error(const struct github_call *c, const struct httpc_res *res, const struct secret *bearer,
                        struct err *e)
{
    AUTO_FREE char *why = explanation(c, res, bearer);
    int path_len = (int)strcspn(c->path, "?");
    int wait_s = httpc_retry_after_s(res);

    int rc = err_set(e, kind_of(res->status), "%s %.*s: GitHub answered %d%.320s", c->method,
                     path_len < 130 ? path_len : 130, c->path, res->status, why);

    if (e->kind == ERR_RETRY && wait_s > 0)
        e->retry_after_s = wait_s;
    return rc;
}

static int limited(struct github *g, const struct github_call *c, const struct pace_call *turn,
                   const struct httpc_res *res, const struct secret *bearer, struct err *e)
{
    int rc = status_error(c, res, bearer, e);
    char remaining[16];

    e->kind = ERR_THROTTLED;
    e->retry_after_s = gate_close(g->gates, turn->id, res, github_now_ms(g, res));
    if (!httpc_header(res, "x-ratelimit-remaining", remaining, sizeof(remaining)) || strcmp(remaining, "0") != 0)
        pace_refused(g->paces, turn, e->retry_after_s);
    return rc;
}

/* Turn the answer into success or an error; after an error *res is empty. */
static int judge(struct github *g, const struct github_call *c, const struct pace_call *turn,
                 const struct secret *bearer, struct httpc_res *res, struct err *e)
{
    int rc = -1;

    if (gate_is_limit(res)) {
        rc = limited(g, c, turn, res, bearer, e);
    } else {
        if (res->status < 500)
            gate_passed(g->gates, turn->id);
        rc = is_success(c, res->status) ? 0 : status_error(c, res, bearer, e);
    }
    if (rc)
        httpc_res_clear(res);
    return rc;
}

/* ---- as the App ---- */

/* "'Issued at' claim ('iat') must be in the past", "'Expiration time' claim ('exp') is too far in the future", ... */
static bool blames_clock(const struct httpc_res *res)
{
    AUTO_JSON json_t *body = NULL;
    const char *message = NULL;
    struct err ignored;

    if (res->status != 401 || js_parse(res->body.p, res->body.len, &body, &ignored) ||
        js_str(body, "message", &message, &ignored))
        return false;
    return strstr(message, "iat") != NULL || strstr(message, "'exp'") != NULL || strcasestr(message, "expir") != NULL ||
           strcasestr(message, "issued") != NULL;
}

static bool learn_clock(struct github *g, const struct httpc_res *res)
{
    char date[64];
    int64_t ms;
    struct err ignored;

    if (!httpc_header(res, "Date", date, sizeof(date)) || text_http_date_ms(date, &ms, &ignored))
        return false;
    atomic_store(&g->skew_ms, ms - clock_now_ms());
    return true;
}

int github_call_by_jwt(struct github *g, const struct github_call *c, int64_t gate_id, struct httpc_res *res,
                       struct err *e)
{
    AUTO_SECRET struct secret *jwt = NULL;
    struct pace_call turn = pace_of(c, gate_id, true);

    if (gate_check(g->gates, gate_id, e) || github_jwt(g, &jwt, e) || github_send(g, c, &turn, jwt, res, e))
        return -1;
    if (blames_clock(res) && learn_clock(g, res)) {
        AUTO_SECRET struct secret *again = NULL;

        if (github_jwt(g, &again, e) || github_send(g, c, &turn, again, res, e))
            return -1;
        return judge(g, c, &turn, again, res, e);
    }
    return judge(g, c, &turn, jwt, res, e);
}

/* ---- as an installation ---- */

static int not_known_yet(const struct github_call *c, int64_t age_ms, struct httpc_res *res, struct err *e)
{
    int rc = err_set(e, ERR_RETRY, "%s %.*s: GitHub does not know the new token yet (401)", c->method,
                     (int)strcspn(c->path, "?"), c->path);

    httpc_res_clear(res);
    e->retry_after_s = age_ms < 1000 ? 1 : 2;
    return rc;
}

/* *again: the token was refused although it is not new; it is dropped, and another one is worth a try. */
static int try_with_token(struct github *g, const struct github_call *c, bool last, bool *again, struct httpc_res *res,
                          struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct pace_call turn = pace_of(c, c->installation_id, false);
    const struct token *t;
    int64_t age_ms;

    *again = false;
    if (github_token(g, c, &ref, e))
        return -1;
    t = cache_value(ref);
    if (github_send(g, c, &turn, t->value, res, e))
        return -1;
    age_ms = clock_mono_ms() - t->minted_ms;
    if (res->status != 401 || last)
        return judge(g, c, &turn, t->value, res, e);
    if (age_ms < REPLICATION_MS)
        return not_known_yet(c, age_ms, res, e);
    github_token_drop(g, c, t);
    *again = true;
    return 0;
}

int github_call(struct github *g, const struct github_call *c, struct httpc_res *res, struct err *e)
{
    bool again;

    if (c->installation_id == 0 && c->repo_id == 0)
        return github_call_by_jwt(g, c, 0, res, e);
    if (c->installation_id <= 0 || c->repo_id < 0 ||
        (c->scope == GITHUB_SCOPE_ORG_RUNNERS ? c->repo_id != 0 : c->repo_id == 0 && c->repo_name == NULL))
        return err_set(e, ERR_BUG, "a GitHub call names installation %lld and repository %lld",
                       (long long)c->installation_id, (long long)c->repo_id);
    if (gate_check(g->gates, c->installation_id, e) || try_with_token(g, c, false, &again, res, e))
        return -1;
    return again ? try_with_token(g, c, true, &again, res, e) : 0;
}
