#include "server/base/clock.h"
#include "server/base/jscan.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/app_int.h"

#include <stdio.h>

/* https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app: an hour's life. Tokens have
 * no fixed length or alphabet. */
#define LIFE_MS ((int64_t)3600 * 1000)
#define EARLY_MS ((int64_t)300 * 1000)
#define TOKEN_MAX ((size_t)64 * 1024)

void token_free(void *token)
{
    struct token *t = token;

    secret_free(t->value);
    free(t);
}

#define KEY_MAX 200 /* a repository's name has at most 100 characters */

static void cache_key(const struct github_call *c, char out[KEY_MAX])
{
    (void)snprintf(out, KEY_MAX, "%lld/%lld/%d/%.100s", (long long)c->installation_id, (long long)c->repo_id,
                   (int)c->scope, c->repo_id == 0 && c->repo_name != NULL ? c->repo_name : "");
}

/* One repository, by its id or, where that is not known, by its name. */
static int mint_repository(const struct github_call *c, json_t **out, struct err *e)
{
    if (c->repo_id != 0)
        return js_pack(e, out, "{s:[I]}", "repository_ids", (json_int_t)c->repo_id);
    return js_pack(e, out, "{s:[s]}", "repositories", c->repo_name);
}

static int mint_body(const struct github_call *c, char **out, struct err *e)
{
    AUTO_JSON json_t *permissions = NULL, *body = NULL;
    int rc = 0;

    switch (c->scope) {
    case GITHUB_SCOPE_READ:
        rc = js_pack(e, &permissions, "{s:s, s:s}", "contents", "read", "actions", "read");
        break;
    case GITHUB_SCOPE_RUNNERS:
        rc = js_pack(e, &permissions, "{s:s}", "administration", "write");
        break;
    case GITHUB_SCOPE_FILES:
        rc = js_pack(e, &permissions, "{s:s}", "contents", "read");
        break;
    case GITHUB_SCOPE_MEMBERS:
        rc = js_pack(e, &permissions, "{s:s}", "members", "read");
        break;
    case GITHUB_SCOPE_ORG_RUNNERS:
        rc = js_pack(e, &permissions, "{s:s}", "organization_self_hosted_runners", "write");
        break;
    case GITHUB_SCOPE_CHECKS:
        rc = js_pack(e, &permissions, "{s:s}", "checks", "write");
        break;
    case GITHUB_SCOPE_STATUSES:
        rc = js_pack(e, &permissions, "{s:s}", "statuses", "write");
        break;
    case GITHUB_SCOPE_RERUN:
        rc = js_pack(e, &permissions, "{s:s}", "actions", "write");
        break;
    }
    if (rc == 0 && c->scope == GITHUB_SCOPE_ORG_RUNNERS)
        body = json_object();
    if (rc || (body == NULL && mint_repository(c, &body, e)))
        return -1;
    (void)json_object_set(body, "permissions", permissions);
    return js_dump(body, out, e);
}

/* The answer is read without copies: the token stands in it. */
static int read_token(const struct httpc_res *res, struct secret **token, int64_t *expires_ms, struct err *e)
{
    static const char *const paths[] = {"token", "expires_at"};
    struct jscan_value v[ARRAY_LEN(paths)];
    struct buf text = BUF_INIT(TOKEN_MAX);
    int rc = 0;

    if (jscan(res->body.p, res->body.len, paths, ARRAY_LEN(paths), v, e))
        return err_set(e, ERR_RETRY, "the answer with the token is not JSON");
    if (v[0].type != JSCAN_STRING || v[0].len == 0 || v[1].type != JSCAN_STRING ||
        text_rfc3339_ms(v[1].p, v[1].len, expires_ms, e))
        return err_set(e, ERR_RETRY, "the answer holds no usable token and expires_at");
    if (jscan_str(&v[0], &text, e) || secret_from_buf(&text, token, e))
        rc = err_set(e, ERR_RETRY, "the answer's token is no usable text");
    buf_wipe(&text);
    return rc;
}

static int refused(const struct github_call *c, struct err *e)
{
    /* Whatever GitHub calls it, we may not act there; and "gone" would be taken for the thing the token was for. */
    if (e->kind == ERR_GONE || e->kind == ERR_INVALID || e->kind == ERR_CONFLICT)
        e->kind = ERR_AUTH;
    if (e->kind == ERR_AUTH)
        return err_wrap(e, "no token (%s) for installation %lld, repository %lld%s%.100s", github_scope_name(c->scope),
                        (long long)c->installation_id, (long long)c->repo_id, c->repo_id == 0 ? " " : "",
                        c->repo_id == 0 && c->repo_name != NULL ? c->repo_name : "");
    return err_wrap(e, "installation token");
}

struct minting {
    struct github *g;
    const struct github_call *call;
};

/* From now until five minutes before the token's end, measured on GitHub's clock. */
static int64_t keep_until(struct github *g, const struct httpc_res *res, int64_t expires_ms)
{
    int64_t left_ms = expires_ms - github_now_ms(g, res);

    return clock_now_ms() + (left_ms > LIFE_MS ? LIFE_MS : left_ms) - EARLY_MS;
}

static int mint(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct minting *m = arg;
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    AUTO_FREE char *body = NULL;
    struct secret *value = NULL;
    struct token *t;
    char path[80];
    int64_t expires_ms;

    (void)key;
    (void)snprintf(path, sizeof(path), "/app/installations/%lld/access_tokens", (long long)m->call->installation_id);
    if (mint_body(m->call, &body, e))
        return -1;
    if (github_call_by_jwt(m->g,
                           &(struct github_call){.repo_id = m->call->repo_id,
                                                 .repo_name = m->call->repo_name,
                                                 .use = m->call->use,
                                                 .method = "POST",
                                                 .path = path,
                                                 .body_json = body},
                           m->call->installation_id, &res, e))
        return refused(m->call, e);
    if (read_token(&res, &value, &expires_ms, e))
        return err_wrap(e, "POST %s", path);
    t = mem_zalloc(sizeof(*t));
    t->value = value;
    t->minted_ms = clock_mono_ms();
    out->value = t;
    out->expires_ms = keep_until(m->g, &res, expires_ms);
    return 0;
}

int github_token(struct github *g, const struct github_call *c, struct cache_ref **out, struct err *e)
{
    struct minting m = {.g = g, .call = c};
    char key[KEY_MAX];

    cache_key(c, key);
    return cache_get(g->tokens, key, mint, &m, out, e);
}

void github_token_drop(struct github *g, const struct github_call *c, const struct token *refused_token)
{
    char key[KEY_MAX];

    cache_key(c, key);
    cache_drop(g->tokens, key, refused_token);
}
