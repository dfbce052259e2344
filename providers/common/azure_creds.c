#include "providers/common/azure_creds.h"

#include "providers/common/ini.h"
#include "providers/common/oauth2.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define LOGIN "https://login.microsoftonline.com"
#define METADATA "http://169.254.169.254"
#define ASSERTION "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define FORM_MAX ((size_t)64 * 1024)
#define TOKEN_FILE_MAX ((size_t)32 * 1024)

struct azure_creds {
    const struct azure_creds_conf *conf;
    struct bearer *bearer;
    struct buf token_url, scope;
};

static const char *env(const struct azure_creds_conf *c, const char *name)
{
    const char *value = c->getenv_fn(c->getenv_arg, name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static struct oauth2 exchange(const struct azure_creds *c, const char *url, const struct secret *secret)
{
    return (struct oauth2){
        .http = c->conf->http, .cloud = "azure", .token_url = url, .secret = secret, .timeout_ms = c->conf->timeout_ms};
}

static int from_secret(const struct azure_creds *c, struct secret **token, int64_t *expires_ms, struct err *e)
{
    const struct oauth2 o = exchange(c, c->token_url.p, c->conf->client_secret);

    return oauth2_client_credentials(&o, c->conf->client_id, c->conf->client_secret, c->scope.p, token, expires_ms, e);
}

/* The file's content is the proof of who we are; Kubernetes writes it anew every hour. */
static int from_file(const struct azure_creds *c, const char *path, struct secret **token, int64_t *expires_ms,
                     struct err *e)
{
    AUTO(buf_wipe) struct buf form = BUF_INIT(FORM_MAX), text = BUF_INIT(TOKEN_FILE_MAX);
    AUTO_SECRET struct secret *proof = NULL;
    struct oauth2 o;

    if (ini_read_file(path, &text, e)) {
        e->kind = ERR_AUTH;
        return err_wrap(e, "azure: AZURE_FEDERATED_TOKEN_FILE");
    }
    while (text.len > 0 && strchr(" \r\n", text.p[text.len - 1]) != NULL)
        text.len--;
    if (text.len == 0)
        return err_set(e, ERR_AUTH, "azure: AZURE_FEDERATED_TOKEN_FILE %s is empty", path);
    proof = secret_new(text.p, text.len);
    o = exchange(c, c->token_url.p, proof);
    oauth2_form_add(&form, "grant_type", "client_credentials");
    oauth2_form_add(&form, "client_id", c->conf->client_id);
    oauth2_form_add(&form, "client_assertion_type", ASSERTION);
    oauth2_form_add(&form, "client_assertion", secret_reveal(proof));
    oauth2_form_add(&form, "scope", c->scope.p);
    return oauth2_post(&o, &form, token, expires_ms, e);
}

/* The machine's metadata service, or the one of App Service and Container Apps, which wants its own header. */
static int from_metadata(const struct azure_creds *c, struct secret **token, int64_t *expires_ms, struct err *e)
{
    const char *endpoint = env(c->conf, "IDENTITY_ENDPOINT"), *key = env(c->conf, "IDENTITY_HEADER");
    const char *host = env(c->conf, "AZURE_POD_IDENTITY_AUTHORITY_HOST");
    bool app = endpoint != NULL && key != NULL;
    AUTO_SECRET struct secret *hidden = app ? secret_new(key, strlen(key)) : NULL;
    const struct httpc_header header = {app ? "X-IDENTITY-HEADER" : "Metadata", app ? key : "true"};
    AUTO_BUF struct buf url = BUF_INIT(4096);
    const char *text;
    struct oauth2 o;

    if (app)
        buf_addf(&url, "%s?api-version=2019-08-01&resource=", endpoint);
    else
        buf_addf(&url,
                 "%s/metadata/identity/oauth2/token?api-version=2018-02-01&resource=", host != NULL ? host : METADATA);
    text_url_escape(&url, c->conf->resource, strlen(c->conf->resource));
    buf_adds(&url, "%2F");
    if (c->conf->client_id != NULL)
        oauth2_form_add(&url, "client_id", c->conf->client_id);
    if (buf_str(&url, &text, e))
        return err_wrap(e, "azure: address of the metadata service");
    o = exchange(c, text, hidden);
    if (oauth2_metadata(&o, &header, token, expires_ms, e) == 0)
        return 0;
    return e->kind == ERR_AUTH
               ? err_wrap(e, "azure: neither clouds.azure.client_secret nor a workload identity is set, "
                             "and no identity of this machine")
               : -1;
}

static int ask(void *arg, struct secret **token, int64_t *expires_ms, struct err *e)
{
    const struct azure_creds *c = arg;
    const struct azure_creds_conf *conf = c->conf;
    const char *file = env(conf, "AZURE_FEDERATED_TOKEN_FILE");
    bool app = conf->client_id != NULL && c->token_url.p != NULL;

    if (app && conf->client_secret != NULL)
        return from_secret(c, token, expires_ms, e);
    if (app && file != NULL)
        return from_file(c, file, token, expires_ms, e);
    return from_metadata(c, token, expires_ms, e);
}

static void set_token_url(struct azure_creds *c)
{
    const char *host = env(c->conf, "AZURE_AUTHORITY_HOST");

    if (host == NULL)
        host = LOGIN;
    if (c->conf->token_url != NULL)
        buf_adds(&c->token_url, c->conf->token_url);
    else if (c->conf->tenant_id != NULL)
        buf_addf(&c->token_url, "%s%s%s/oauth2/v2.0/token", host, text_has_suffix(host, "/") ? "" : "/",
                 c->conf->tenant_id);
}

int azure_creds_new(const struct azure_creds_conf *conf, struct azure_creds **out, struct err *e)
{
    struct azure_creds *c;

    if (conf->tenant_id != NULL && !rest_is_id(conf->tenant_id, "-.", 128))
        return err_set(e, ERR_INVALID, "tenant_id \"%.40s\" is neither an id nor a domain", conf->tenant_id);
    c = mem_zalloc(sizeof(*c));
    c->conf = conf;
    c->token_url = (struct buf)BUF_INIT(4096);
    c->scope = (struct buf)BUF_INIT(4096);
    set_token_url(c);
    buf_addf(&c->scope, "%s/.default", conf->resource);
    c->bearer = bearer_new(ask, c);
    *out = c;
    return 0;
}

void azure_creds_free(struct azure_creds *c)
{
    if (c == NULL)
        return;
    bearer_free(c->bearer);
    buf_clear(&c->token_url);
    buf_clear(&c->scope);
    free(c);
}

struct bearer *azure_creds_bearer(const struct azure_creds *c)
{
    return c->bearer;
}
