/* Who asks, and may he? App JWTs, installation tokens. Texts are GitHub's own. */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JWT_UNDECODABLE "A JSON web token could not be decoded"
#define JWT_IAT "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
#define JWT_EXP                                                                                                        \
    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion "     \
    "expires"
#define JWT_EXP_FAR "'Expiration time' claim ('exp') is too far in the future"
#define SKEW_S 60
#define MAX_LIFE_S 600
#define TOKEN_LIFE_MS (60 * 60 * 1000)

static bool refuse_jwt(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs, const char *message)
{
    gh_violation(g, rq, "App JWT refused: %s", message);
    gh_refuse(rs, 401, message);
    return false;
}

static bool rs256_holds(const char *public_pem, const char *text, size_t len, const struct buf *sig)
{
    BIO *b = BIO_new_mem_buf(public_pem, -1);
    EVP_PKEY *k = PEM_read_bio_PUBKEY(b, NULL, NULL, NULL);
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    bool ok = k != NULL && m != NULL && EVP_DigestVerifyInit(m, NULL, EVP_sha256(), NULL, k) == 1 &&
              EVP_DigestVerify(m, (const unsigned char *)sig->p, sig->len, (const unsigned char *)text, len) == 1;

    EVP_MD_CTX_free(m);
    EVP_PKEY_free(k);
    BIO_free(b);
    return ok;
}

static json_t *jwt_part(const char *s, size_t len)
{
    struct buf b = BUF_INIT(8192);
    json_t *j = NULL;

    if (sim_unbase64(s, len, true, &b) && b.p != NULL)
        j = json_loadb(b.p, b.len, JSON_REJECT_DUPLICATES, NULL);
    buf_clear(&b);
    return json_is_object(j) ? j : (json_decref(j), NULL);
}

/* The claims, after alg and signature were found right; NULL otherwise. */
static json_t *jwt_claims(const struct sim_github *g, const char *jwt)
{
    const char *dot1 = strchr(jwt, '.'), *dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;
    struct buf sig = BUF_INIT(4096);
    json_t *head, *claims = NULL;
    const char *alg, *typ;

    if (dot2 == NULL || strchr(dot2 + 1, '.') != NULL)
        return NULL;
    head = jwt_part(jwt, (size_t)(dot1 - jwt));
    alg = json_string_value(json_object_get(head, "alg"));
    typ = json_string_value(json_object_get(head, "typ"));
    if (alg != NULL && strcmp(alg, "RS256") == 0 && (typ == NULL || strcasecmp(typ, "JWT") == 0) &&
        sim_unbase64(dot2 + 1, strlen(dot2 + 1), true, &sig) && sig.p != NULL &&
        (g->trusting || rs256_holds(g->public_key, jwt, (size_t)(dot2 - jwt), &sig)))
        claims = jwt_part(dot1 + 1, (size_t)(dot2 - dot1 - 1));
    buf_clear(&sig);
    json_decref(head);
    return claims;
}

static bool issuer_is(const struct sim_github *g, const json_t *iss)
{
    char text[32];

    if (json_is_integer(iss)) {
        (void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(iss));
        return strcmp(text, g->app_id) == 0;
    }
    return json_is_string(iss) && strcmp(json_string_value(iss), g->app_id) == 0;
}

/* The times are not violations: a skewed clock is nobody's mistake, and repairing it is the client's duty. */
static const char *claims_fault(const struct sim_github *g, const json_t *claims)
{
    const json_t *iat = json_object_get(claims, "iat"), *exp = json_object_get(claims, "exp");
    int64_t now = gh_now_ms(g) / 1000;

    if (!json_is_integer(iat) || json_integer_value(iat) > now + SKEW_S)
        return JWT_IAT;
    if (!json_is_integer(exp) || json_integer_value(exp) <= now)
        return JWT_EXP;
    if (json_integer_value(exp) > now + MAX_LIFE_S ||
        json_integer_value(exp) - json_integer_value(iat) > MAX_LIFE_S + SKEW_S)
        return JWT_EXP_FAR;
    return NULL;
}

/* The credential after the scheme; NULL = refused. */
static const char *credential(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs)
{
    const char *a = sim_req_header(rq, "Authorization");

    if (a == NULL || sim_req_header_count(rq, "Authorization") != 1) {
        gh_violation(g, rq, "%s", a == NULL ? "no Authorization header" : "several Authorization headers");
        gh_refuse(rs, 401, "Requires authentication");
        return NULL;
    }
    if (strncasecmp(a, "Bearer ", 7) == 0)
        return a + 7;
    if (strncasecmp(a, "token ", 6) == 0)
        return a + 6;
    gh_violation(g, rq, "Authorization is neither Bearer nor token");
    gh_refuse(rs, 401, "Bad credentials");
    return NULL;
}

bool gh_auth_app(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs)
{
    const char *jwt = credential(g, rq, rs), *fault;
    json_t *claims;

    if (jwt == NULL)
        return false;
    claims = jwt_claims(g, jwt);
    if (claims == NULL)
        return refuse_jwt(g, rq, rs, JWT_UNDECODABLE);
    fault = claims_fault(g, claims);
    if (fault == NULL && !issuer_is(g, json_object_get(claims, "iss"))) {
        json_decref(claims);
        gh_violation(g, rq, "App JWT of another issuer");
        gh_refuse(rs, 404, "Integration not found");
        return false;
    }
    json_decref(claims);
    if (fault != NULL)
        gh_refuse(rs, 401, fault);
    return fault == NULL;
}

struct gh_token *gh_auth_token(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs)
{
    const char *value = credential(g, rq, rs);
    struct gh_token *t = NULL;

    if (value == NULL)
        return NULL;
    for (size_t i = 0; i < g->n_tokens && t == NULL; i++)
        if (strcmp(g->tokens[i]->value, value) == 0)
            t = g->tokens[i];
    if (t == NULL)
        gh_violation(g, rq, "unknown installation token");
    if (t != NULL && g->token_lag > 0) {
        g->token_lag--;
        t = NULL;
    }
    if (t == NULL || t->expires_ms <= gh_now_ms(g)) {
        gh_refuse(rs, 401, "Bad credentials");
        return NULL;
    }
    if (t->installation->gone) {
        gh_refuse(rs, 401, "Bad credentials");
        return NULL;
    }
    if (t->installation->suspended) {
        gh_refuse(rs, 403, "This installation has been suspended");
        return NULL;
    }
    return t;
}

bool gh_token_reaches(const struct gh_token *t, const struct gh_repo *r)
{
    if (r->installation != t->installation || r->removed)
        return false;
    for (size_t i = 0; i < t->n_repos; i++)
        if (t->repo_ids[i] == r->id)
            return true;
    return t->n_repos == 0;
}

static int level(const char *s)
{
    if (s == NULL)
        return 0;
    return strcmp(s, "read") == 0 ? 1 : strcmp(s, "write") == 0 ? 2 : 3;
}

bool gh_token_allows(const struct gh_token *t, const char *permission, bool write)
{
    return level(json_string_value(json_object_get(t->permissions, permission))) >= (write ? 2 : 1);
}

/* ---- POST /app/installations/{id}/access_tokens ---- */

/* Every permission asked for must be known and granted; false: text says which is not. */
static bool permissions_granted(const struct gh_installation *in, const json_t *asked, char *text, size_t size)
{
    const char *key;
    const json_t *v;
    json_t *walk = json_deep_copy(asked); /* json_object_foreach wants it mutable */
    bool ok = true;

    json_object_foreach(walk, key, v)
    {
        const char *have = json_string_value(json_object_get(in->permissions, key));

        if (!json_is_string(v) || level(json_string_value(v)) > 2) {
            (void)snprintf(text, size, "Invalid request.\n\nNo subschema in \"anyOf\" matched for permissions.%s.",
                           key);
            ok = false;
        } else if (level(have) < level(json_string_value(v))) {
            (void)snprintf(text, size, "The permissions requested are not granted to this installation.");
            ok = false;
        }
    }
    json_decref(walk);
    return ok;
}

static bool is_repo(const struct gh_repo *r, const json_t *id_or_name)
{
    if (json_is_integer(id_or_name))
        return r->id == json_integer_value(id_or_name);
    return json_is_string(id_or_name) && strcasecmp(r->name, json_string_value(id_or_name)) == 0;
}

/* ids: numbers, or names for `repositories`. The ids found are appended to t when it is not NULL. */
static bool repos_resolve(struct sim_github *g, const struct gh_installation *in, const json_t *ids, struct gh_token *t)
{
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const struct gh_repo *found = NULL;

        for (size_t k = 0; k < g->n_repos && found == NULL; k++)
            if (g->repos[k]->installation == in && !g->repos[k]->removed &&
                is_repo(g->repos[k], json_array_get(ids, i)))
                found = g->repos[k];
        if (found == NULL)
            return false;
        if (t != NULL) {
            t->repo_ids = mem_realloc_array(t->repo_ids, t->n_repos + 1, sizeof(*t->repo_ids));
            t->repo_ids[t->n_repos++] = found->id;
        }
    }
    return true;
}

static bool only_known_keys(const json_t *body)
{
    static const char *const known[] = {"repositories", "repository_ids", "permissions"};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        n += json_object_get(body, known[i]) != NULL;
    return json_object_size(body) == n;
}

/* NULL = fine; else the 422's text. */
static const char *token_request_fault(struct sim_github *g, const struct gh_installation *in, const json_t *body,
                                       char *text, size_t size)
{
    const json_t *ids = json_object_get(body, "repository_ids"), *perms = json_object_get(body, "permissions");
    const json_t *names = json_object_get(body, "repositories");

    if (!json_is_object(body) || !only_known_keys(body))
        return "Invalid request.\n\nThe body must be an object of repositories, repository_ids and permissions.";
    if (names != NULL && !json_is_array(names))
        return "Invalid request.\n\nrepositories must be a list of names.";
    if (ids != NULL && (!json_is_array(ids) || json_array_size(ids) > 500))
        return "Invalid request.\n\nrepository_ids must be a list of at most 500 integers.";
    if (perms != NULL && !json_is_object(perms))
        return "Invalid request.\n\npermissions must be an object.";
    if (!repos_resolve(g, in, ids, NULL) || !repos_resolve(g, in, names, NULL))
        return "There is at least one repository that does not exist or is not accessible to the parent installation.";
    if (perms != NULL && !permissions_granted(in, perms, text, size))
        return text;
    return NULL;
}

/* GitHub's tokens change form: some are short, some hold a whole JWT. Nothing may rely on either. */
static char *token_value(struct sim_github *g)
{
    bool is_long = g->n_tokens % 2 == 1;
    struct buf raw = BUF_INIT(4096), b = BUF_INIT(4096);
    char *out;

    sim_rng_base64(&g->rng, is_long ? 390 : 27, &raw);
    buf_adds(&b, "ghs_");
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.p[i] == '+' ? '-' : raw.p[i] == '/' ? '_' : raw.p[i];

        buf_addc(&b, is_long && (i == 60 || i == 300) ? '.' : c);
    }
    buf_clear(&raw);
    out = mem_strdup(b.p);
    buf_clear(&b);
    return out;
}

static struct gh_token *token_new(struct sim_github *g, struct gh_installation *in, const json_t *body)
{
    const json_t *perms = json_object_get(body, "permissions");
    struct gh_token *t = mem_zalloc(sizeof(*t));

    t->value = token_value(g);
    t->installation = in;
    t->permissions = json_deep_copy(perms != NULL ? perms : in->permissions);
    (void)json_object_set_new(t->permissions, "metadata", json_string("read"));
    (void)repos_resolve(g, in, json_object_get(body, "repository_ids"), t);
    (void)repos_resolve(g, in, json_object_get(body, "repositories"), t);
    t->expires_ms = (gh_now_ms(g) + TOKEN_LIFE_MS) / 1000 * 1000;
    g->tokens = mem_realloc_array(g->tokens, g->n_tokens + 1, sizeof(struct gh_token *));
    g->tokens[g->n_tokens++] = t;
    return t;
}

void gh_token_free(struct gh_token *t)
{
    free(t->value);
    free(t->repo_ids);
    json_decref(t->permissions);
    free(t);
}

static void answer_token(const struct gh_token *t, struct sim_res *rs)
{
    char expires[32];

    sim_time_iso(t->expires_ms, expires);
    sim_res_json(rs, 201,
                 json_pack("{s:s, s:s, s:O, s:s}", "token", t->value, "expires_at", expires, "permissions",
                           t->permissions, "repository_selection", t->n_repos != 0 ? "selected" : "all"));
}

/* What an App can do without: whether it is granted, it finds out by asking. */
static bool asks_for_optional(const json_t *permissions)
{
    return json_object_size(permissions) == 1 &&
           (json_object_get(permissions, "checks") != NULL || json_object_get(permissions, "statuses") != NULL);
}

/* What was taken from the App's sight it finds out by asking, too. */
static bool any_removed(const struct sim_github *g, const struct gh_installation *in)
{
    for (size_t i = 0; i < g->n_repos; i++) {
        if (g->repos[i]->installation == in && g->repos[i]->removed)
            return true;
    }
    return false;
}

void gh_token_create(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs)
{
    struct gh_installation *in = gh_installation(g, strtoll(rq->arg[0], NULL, 10));
    json_t *body = rq->body_len != 0 ? json_loadb(rq->body, rq->body_len, JSON_REJECT_DUPLICATES, NULL) : json_object();
    const char *fault;
    char text[256];

    if (in == NULL || in->gone) {
        gh_refuse(rs, 404, "Not Found");
    } else if (in->suspended) {
        gh_refuse(rs, 403, "This installation has been suspended");
    } else if (body == NULL) {
        gh_violation(g, rq, "the body is not JSON");
        gh_refuse(rs, 400, "Problems parsing JSON");
    } else if ((fault = token_request_fault(g, in, body, text, sizeof(text))) != NULL) {
        /* whether a repository can be reached by its name, and whether members may be read, is found out by asking */
        if (json_object_get(body, "repositories") == NULL && !any_removed(g, in) &&
            !asks_for_optional(json_object_get(body, "permissions")) &&
            json_object_get(json_object_get(body, "permissions"), "members") == NULL)
            gh_violation(g, rq, "%s", fault);
        gh_refuse(rs, 422, fault);
    } else if (gh_rate(g, in, rq, rs)) {
        struct gh_token *t = token_new(g, in, body);

        gh_story(g, "gives an installation token, %s",
                 json_object_get(t->permissions, "administration") != NULL ? "to make runners in one repository"
                 : json_object_get(t->permissions, "contents") != NULL     ? "to read one repository"
                                                                           : "to write checks in one repository");
        answer_token(t, rs);
    }
    json_decref(body);
}
