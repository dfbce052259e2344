#include "providers/common/google_creds.h"

#include "providers/common/ini.h"
#include "providers/common/oauth2.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)64 * 1024)
#define TOKEN_URL "https://oauth2.googleapis.com/token"
#define SCOPE "https://www.googleapis.com/auth/compute"
#define METADATA_HOST "metadata.google.internal"
#define METADATA_TIMEOUT_MS 3000

struct google_creds {
    struct google_creds_conf c;
    char *file; /* NULL = the metadata service */
    char *project;
    struct secret *secrets[2];
    struct bearer *bearer;
    struct cache *projects;
};

/* ---- a file ---- */

/* What a credentials file says. */
struct keys {
    char *email, *key_id, *project; /* of a service account; key_id, project may be NULL */
    struct crypto_key *key;         /* NULL: a user's */
    char *client_id;
    struct secret *client_secret, *refresh_token;
    char *token_url;
};

static void keys_clear(struct keys *k)
{
    free(k->email);
    free(k->key_id);
    free(k->project);
    free(k->client_id);
    free(k->token_url);
    crypto_key_free(k->key);
    secret_free(k->client_secret);
    secret_free(k->refresh_token);
}

static int refuse_type(const char *file, const char *type, struct err *e)
{
    static const struct {
        const char *type, *what;
    } known[] = {{"external_account", "workload identity federation"},
                 {"external_account_authorized_user", "workforce identity federation"},
                 {"impersonated_service_account", "impersonation of a service account"},
                 {"gdch_service_account", "an air-gapped cloud"}};

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].type, type) == 0)
            return err_set(e, ERR_INVALID,
                           "%s: credentials of type %s (%s) are not known here: use a service account's key, or run on "
                           "a Google machine that has the service account",
                           file, type, known[i].what);
    }
    return err_set(e, ERR_INVALID, "%s: \"%.40s\" is no type of credentials: service_account or authorized_user", file,
                   type);
}

static int read_service_account(const json_t *doc, const char *file, struct keys *k, struct err *e)
{
    const char *email, *pem, *key_id = NULL, *project = NULL, *url = TOKEN_URL;
    AUTO_SECRET struct secret *secret = NULL;
    char what[300];

    if (js_str(doc, "client_email", &email, e) || js_str(doc, "private_key", &pem, e) ||
        js_opt_str(doc, "private_key_id", &key_id, e) || js_opt_str(doc, "project_id", &project, e) ||
        js_opt_str(doc, "token_uri", &url, e))
        return err_wrap(e, "%s", file);
    (void)snprintf(what, sizeof(what), "private_key of %s", file);
    secret = secret_new(pem, strlen(pem));
    if (crypto_key_parse(secret, what, &k->key, e))
        return -1;
    k->email = mem_strdup(email);
    k->key_id = mem_strdup(key_id);
    k->project = mem_strdup(project);
    k->token_url = mem_strdup(url);
    return 0;
}

static int read_user(const json_t *doc, const char *file, struct keys *k, struct err *e)
{
    const char *id, *secret, *token;

    if (js_str(doc, "client_id", &id, e) || js_str(doc, "client_secret", &secret, e) ||
        js_str(doc, "refresh_token", &token, e))
        return err_wrap(e, "%s", file);
    k->client_id = mem_strdup(id);
    k->client_secret = secret_new(secret, strlen(secret));
    k->refresh_token = secret_new(token, strlen(token));
    k->token_url = mem_strdup(TOKEN_URL);
    return 0;
}

static int read_keys(const char *file, struct keys *k, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(FILE_MAX);
    AUTO_JSON json_t *doc = NULL;
    const char *type = NULL;

    if (ini_read_file(file, &text, e))
        return -1;
    if (js_parse(text.len > 0 ? text.p : "", text.len, &doc, e))
        return err_wrap(e, "%s", file);
    if (json_object_get(doc, "installed") != NULL || json_object_get(doc, "web") != NULL)
        return err_set(e, ERR_INVALID,
                       "%s: this is an OAuth client, which proves nothing by itself: use a service account's key",
                       file);
    if (js_str(doc, "type", &type, e))
        return err_wrap(e, "%s: no credentials of Google", file);
    if (strcmp(type, "service_account") == 0)
        return read_service_account(doc, file, k, e);
    if (strcmp(type, "authorized_user") == 0)
        return read_user(doc, file, k, e);
    return refuse_type(file, type, e);
}

/* ---- tokens ---- */

static const char *env(const struct google_creds *g, const char *name)
{
    const char *value = g->c.getenv_fn(g->c.getenv_arg, name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static int ask_file(const struct google_creds *g, struct secret **token, int64_t *expires_ms, struct err *e)
{
    AUTO(keys_clear) struct keys k = {0};
    AUTO(buf_wipe) struct buf form = BUF_INIT(FILE_MAX);
    struct oauth2 o = {.http = g->c.http, .cloud = "gcp", .timeout_ms = g->c.timeout_ms};

    if (read_keys(g->file, &k, e)) {
        e->kind = ERR_AUTH; /* it was sound when the account was opened */
        return -1;
    }
    o.token_url = g->c.token_url != NULL ? g->c.token_url : k.token_url;
    if (k.key != NULL)
        return oauth2_jwt_bearer(&o,
                                 &(struct oauth2_issuer){.issuer = k.email,
                                                         .kid = k.key_id,
                                                         .audience = k.token_url, /* whatever stands in between */
                                                         .scope = SCOPE,
                                                         .key = k.key},
                                 token, expires_ms, e);
    o.secret = k.refresh_token;
    o.secret_too = k.client_secret;
    oauth2_form_add(&form, "grant_type", "refresh_token");
    oauth2_form_add(&form, "client_id", k.client_id);
    oauth2_form_add(&form, "client_secret", secret_reveal(k.client_secret));
    oauth2_form_add(&form, "refresh_token", secret_reveal(k.refresh_token));
    return oauth2_post(&o, &form, token, expires_ms, e);
}

static void metadata_url(const struct google_creds *g, const char *path, struct buf *out)
{
    const char *host = env(g, "GCE_METADATA_HOST");

    buf_addf(out, "http://%s/computeMetadata/v1/%s", host != NULL ? host : METADATA_HOST, path);
}

static const struct httpc_header flavor = {"Metadata-Flavor", "Google"};

static int ask_machine(const struct google_creds *g, struct secret **token, int64_t *expires_ms, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    struct oauth2 o = {.http = g->c.http, .cloud = "gcp", .timeout_ms = g->c.timeout_ms};

    metadata_url(g, "instance/service-accounts/default/token", &url);
    if (buf_str(&url, &o.token_url, e))
        return err_wrap(e, "GCE_METADATA_HOST");
    if (oauth2_metadata(&o, &flavor, token, expires_ms, e) == 0)
        return 0;
    if (e->kind == ERR_AUTH)
        return err_wrap(e, "no credentials: set clouds.gcp.credentials_file or GOOGLE_APPLICATION_CREDENTIALS, or run "
                           "on a Google machine with a service account");
    return -1;
}

static int ask(void *arg, struct secret **token, int64_t *expires_ms, struct err *e)
{
    const struct google_creds *g = arg;

    return g->file != NULL ? ask_file(g, token, expires_ms, e) : ask_machine(g, token, expires_ms, e);
}

struct bearer *google_creds_bearer(struct google_creds *g)
{
    return g->bearer;
}

const struct secret *google_creds_secret(const struct google_creds *g, size_t i)
{
    return i < ARRAY_LEN(g->secrets) ? g->secrets[i] : NULL;
}

/* ---- the project ---- */

const char *google_creds_project(const struct google_creds *g)
{
    return g->project;
}

static void read_nothing(const json_t *doc, struct rest_said *out)
{
    (void)doc;
    (void)out;
}

static int ask_project(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    static const struct rest_rule none[] = {{0, NULL, NULL, ERR_NONE, 0, NULL}};
    static const struct rest_dialect dialect = {.cloud = "gcp", .rules = none, .read = read_nothing};
    const struct google_creds *g = arg;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf url = BUF_INIT(1024);
    struct rest_client client = {.http = g->c.http, .dialect = &dialect};
    struct rest_call call = {.method = "GET",
                             .path = "",
                             .what = "metadata service: project",
                             .headers = &flavor,
                             .n_headers = 1,
                             .no_answer = true,
                             .max_answer = 1024,
                             .timeout_ms = METADATA_TIMEOUT_MS};

    (void)key;
    metadata_url(g, "project/project-id", &url);
    if (buf_str(&url, &client.base, e))
        return err_wrap(e, "GCE_METADATA_HOST");
    if (rest_do(&client, &call, &res, e)) {
        if (res.status == 0 || e->kind == ERR_INVALID)
            e->kind = ERR_AUTH;
        return e->kind == ERR_AUTH ? err_wrap(e, "no project: set clouds.gcp.project or GOOGLE_CLOUD_PROJECT") : -1;
    }
    if (res.http.body.p == NULL || !rest_is_id(res.http.body.p, "-:.", 128))
        return err_set(e, ERR_RETRY, "gcp metadata service: the answer makes no sense: no id of a project");
    out->value = mem_strdup(res.http.body.p);
    out->expires_ms = INT64_MAX;
    return 0;
}

int google_creds_machine_project(struct google_creds *g, struct cache_ref **out, struct err *e)
{
    return cache_get(g->projects, "project", ask_project, g, out, e);
}

/* ---- */

/* What gcloud left, if anything. */
static char *well_known(const struct google_creds *g)
{
    AUTO_BUF struct buf path = BUF_INIT(4096);
    const char *folder = env(g, "CLOUDSDK_CONFIG"), *home = env(g, "HOME"), *text;
    struct err ignored;
    char *out = NULL;
    FILE *f;

    if (folder == NULL && home == NULL)
        return NULL;
    buf_addf(&path, "%s%s/application_default_credentials.json", folder != NULL ? folder : home,
             folder != NULL ? "" : "/.config/gcloud");
    if (buf_str(&path, &text, &ignored))
        return NULL;
    f = fopen(text, "re");
    if (f != NULL) {
        out = mem_strdup(text);
        (void)fclose(f);
    }
    return out;
}

int google_creds_open(const struct google_creds_conf *c, struct google_creds **out, struct err *e)
{
    AUTO(keys_clear) struct keys k = {0};
    struct google_creds *g = mem_zalloc(sizeof(*g));

    g->c = *c;
    g->bearer = bearer_new(ask, g);
    g->projects = cache_new(1, free);
    g->file = c->file != NULL ? mem_strdup(c->file) : well_known(g);
    if (g->file != NULL && read_keys(g->file, &k, e)) {
        if (e->kind == ERR_GONE)
            e->kind = ERR_INVALID;
        google_creds_free(g);
        return -1;
    }
    g->project = mem_strdup(k.project);
    g->secrets[0] = secret_dup(k.refresh_token);
    g->secrets[1] = secret_dup(k.client_secret);
    *out = g;
    return 0;
}

void google_creds_free(struct google_creds *g)
{
    if (g == NULL)
        return;
    bearer_free(g->bearer);
    cache_free(g->projects);
    secret_free(g->secrets[0]);
    secret_free(g->secrets[1]);
    free(g->file);
    free(g->project);
    free(g);
}
