#include "providers/common/aws_creds.h"

#include "providers/common/aws_profile.h"
#include "providers/common/ini.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#define CACHE_KEY "keys"
#define REFRESH_BEFORE_MS ((int64_t)5 * 60 * 1000)
#define FILES_AGAIN_MS ((int64_t)5 * 60 * 1000)
#define METADATA_TIMEOUT_MS 2000
#define SESSION_NAME "muster"
#define ROLE_DURATION_S "3600"
#define METADATA_URL "http://169.254.169.254"
#define CONTAINER_HOST "http://169.254.170.2"

struct aws_creds {
    const struct aws_creds_conf *conf;
    struct cache *cache;
};

/* One source: *out stays NULL when it has nothing to offer. */
typedef int source_fn(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e);

static const char *env(const struct aws_creds_conf *c, const char *name)
{
    const char *v = c->getenv_fn(c->getenv_arg, name);

    return v != NULL && *v != '\0' ? v : NULL;
}

/* They become parts of HTTP headers: one line of visible ASCII. */
static bool fits_header(const char *s, size_t max)
{
    size_t n = strlen(s);

    for (const char *p = s; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~')
            return false;
    }
    return n > 0 && n <= max;
}

static int make(const char *id, const char *secret, const char *token, int64_t expires_ms, struct aws_keys **out,
                struct err *e)
{
    bool has_token = token != NULL && *token != '\0';

    if (!fits_header(id, 128) || !fits_header(secret, 512) || (has_token && !fits_header(token, 16384)))
        return err_set(e, ERR_AUTH, "the keys are not written as AWS writes them (spaces or line breaks inside?)");
    if (expires_ms <= clock_now_ms())
        return err_set(e, ERR_AUTH, "the keys have expired already (check the clock)");
    *out = aws_keys_new(id, secret, token, expires_ms);
    return 0;
}

static int from_conf(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    if (c->access_key_id == NULL && c->secret_access_key == NULL)
        return 0;
    if (c->access_key_id == NULL || c->secret_access_key == NULL)
        return err_set(e, ERR_AUTH, "access_key_id and secret_access_key go together: one is missing");
    return make(c->access_key_id, secret_reveal(c->secret_access_key), secret_reveal(c->session_token), INT64_MAX, out,
                e);
}

static int from_env(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    const char *id = env(c, "AWS_ACCESS_KEY_ID"), *secret = env(c, "AWS_SECRET_ACCESS_KEY");

    if (id == NULL && secret == NULL)
        return 0;
    if (id == NULL || secret == NULL)
        return err_set(e, ERR_AUTH, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together: one is missing");
    return make(id, secret, env(c, "AWS_SESSION_TOKEN"), INT64_MAX, out, e);
}

/* The Credentials element of an STS answer. */
static int read_sts(const struct xml_doc *doc, const char *result, struct aws_keys **out, struct err *e)
{
    char path[80];
    const struct xml_node *n;
    const char *id, *secret, *token, *until;
    int64_t expires_ms;

    (void)snprintf(path, sizeof(path), "%s/Credentials", result);
    n = xml_find(xml_root(doc), path);
    if (n == NULL)
        return err_set(e, ERR_RETRY, "sts: the answer holds no credentials");
    if (xml_str(n, "AccessKeyId", &id, e) || xml_str(n, "SecretAccessKey", &secret, e) ||
        xml_str(n, "SessionToken", &token, e) || xml_str(n, "Expiration", &until, e) ||
        text_rfc3339_ms(until, strlen(until), &expires_ms, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "sts");
    }
    return make(id, secret, token, expires_ms, out, e);
}

/* Call STS with a form; signer NULL = the form itself proves who we are. */
static int ask_sts(const struct aws_creds_conf *c, const struct aws_keys *signer, const char *action,
                   const struct buf *form, const struct secret *hide, struct aws_keys **out, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    AUTO_XML struct xml_doc *doc = NULL;
    const char *region = c->region != NULL ? c->region : "us-east-1";
    struct aws_service sts = {.http = c->http, .region = region, .name = "sts", .timeout_ms = c->timeout_ms};
    struct aws_fault fault;
    char result[64];

    if (aws_endpoint(c->getenv_fn, c->getenv_arg, "sts", region, &url, e) || buf_str(&url, &sts.url, e))
        return -1;
    if (aws_query(&sts, signer, action, form, hide, &doc, &fault, e))
        return -1;
    (void)snprintf(result, sizeof(result), "%sResult", action);
    return read_sts(doc, result, out, e);
}

static int assume_role(const struct aws_creds_conf *c, const struct aws_keys *base, const char *role_arn,
                       const char *external_id, struct aws_keys **out, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);

    aws_form_begin(&form, "AssumeRole", AWS_STS_VERSION);
    aws_form_add(&form, role_arn, "RoleArn");
    aws_form_add(&form, SESSION_NAME, "RoleSessionName");
    aws_form_add(&form, ROLE_DURATION_S, "DurationSeconds");
    if (external_id != NULL)
        aws_form_add(&form, external_id, "ExternalId");
    if (ask_sts(c, base, "AssumeRole", &form, NULL, out, e))
        return err_wrap(e, "role %s", role_arn);
    return 0;
}

/* A file that holds one token, perhaps with a line break at its end. */
static int read_token(const char *path, struct secret **out, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(64 * 1024);

    if (ini_read_file(path, &text, e)) {
        e->kind = ERR_AUTH;
        return -1;
    }
    while (text.len > 0 && strchr("\r\n", text.p[text.len - 1]) != NULL)
        text.p[--text.len] = '\0';
    if (text.len == 0 || strlen(text.p) != text.len || strpbrk(text.p, "\r\n") != NULL)
        return err_set(e, ERR_AUTH, "%s: expected one line with a token", path);
    *out = secret_new(text.p, text.len);
    return 0;
}

static int from_web_identity(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    const char *role = env(c, "AWS_ROLE_ARN"), *file = env(c, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *session = env(c, "AWS_ROLE_SESSION_NAME");
    AUTO_SECRET struct secret *token = NULL;
    AUTO(buf_wipe) struct buf form = BUF_INIT(AWS_FORM_MAX);

    if (role == NULL || file == NULL)
        return 0;
    if (read_token(file, &token, e))
        return err_wrap(e, "AWS_WEB_IDENTITY_TOKEN_FILE");
    aws_form_begin(&form, "AssumeRoleWithWebIdentity", AWS_STS_VERSION);
    aws_form_add(&form, role, "RoleArn");
    aws_form_add(&form, session != NULL ? session : SESSION_NAME, "RoleSessionName");
    aws_form_add(&form, secret_reveal(token), "WebIdentityToken");
    return ask_sts(c, NULL, "AssumeRoleWithWebIdentity", &form, token, out, e);
}

/* A profile's own keys, good until the files are read again. */
static int keys_of(const struct aws_profile *p, struct aws_keys **out, struct err *e)
{
    return make(p->access_key_id, secret_reveal(p->secret_access_key), secret_reveal(p->session_token),
                clock_now_ms() + FILES_AGAIN_MS + REFRESH_BEFORE_MS, out, e);
}

static int from_source_profile(const struct aws_creds_conf *c, const struct aws_profile *p, struct aws_keys **out,
                               struct err *e)
{
    AUTO_AWS_PROFILE struct aws_profile source = {0};
    struct aws_keys *base = NULL;
    int rc;

    if (aws_profile_load(c->getenv_fn, c->getenv_arg, p->source_profile, &source, e))
        return -1;
    if (source.access_key_id == NULL)
        return err_set(e, ERR_AUTH, "source_profile %s has no keys", p->source_profile);
    if (keys_of(&source, &base, e))
        return -1;
    rc = assume_role(c, base, p->role_arn, p->external_id, out, e);
    aws_keys_free(base);
    return rc;
}

static int from_profile(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    AUTO_AWS_PROFILE struct aws_profile p = {0};
    const char *asked = env(c, "AWS_PROFILE");

    if (aws_profile_load(c->getenv_fn, c->getenv_arg, NULL, &p, e)) {
        e->kind = ERR_AUTH;
        return -1;
    }
    if (!p.found)
        return asked == NULL ? 0 : err_set(e, ERR_AUTH, "AWS_PROFILE names %s, which is in neither file", asked);
    if (p.role_arn != NULL && p.source_profile != NULL)
        return from_source_profile(c, &p, out, e);
    if (p.access_key_id != NULL)
        return keys_of(&p, out, e);
    if (p.unsupported != NULL)
        return err_set(e, ERR_AUTH,
                       "the profile gets its keys by %s, which is not known here: give it keys or a "
                       "role_arn with source_profile",
                       p.unsupported);
    return 0;
}

static int get(const struct aws_creds_conf *c, const char *method, const char *url, const struct httpc_header *h,
               struct httpc_res *res, struct err *e)
{
    struct httpc_req req = {.method = method,
                            .url = url,
                            .headers = h,
                            .n_headers = h != NULL && h->value != NULL ? 1 : 0,
                            .timeout_ms = METADATA_TIMEOUT_MS,
                            .max_answer = (size_t)64 * 1024};

    if (c->timeout_ms > 0 && c->timeout_ms < METADATA_TIMEOUT_MS)
        req.timeout_ms = c->timeout_ms;
    if (httpc_do(c->http, &req, res, e))
        return -1;
    if (res->status == 200)
        return 0;
    return err_set(e, res->status == 429 || res->status >= 500 ? ERR_RETRY : ERR_AUTH, "HTTP status %d", res->status);
}

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}: containers and instances answer alike. */
static int read_json_keys(const struct httpc_res *res, struct aws_keys **out, struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    const char *id, *secret, *token = NULL, *until = NULL;
    int64_t expires_ms = INT64_MAX;

    if (js_parse(res->body.p, res->body.len, &doc, e) || js_str(doc, "AccessKeyId", &id, e) ||
        js_str(doc, "SecretAccessKey", &secret, e) || js_opt_str(doc, "Token", &token, e) ||
        js_opt_str(doc, "Expiration", &until, e) ||
        (until != NULL && text_rfc3339_ms(until, strlen(until), &expires_ms, e))) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "the answer makes no sense");
    }
    return make(id, secret, token, expires_ms, out, e);
}

static bool is_near(const char *host)
{
    static const char *const agents[] = {"localhost", "169.254.170.2", "169.254.170.23", "[::1]", "[fd00:ec2::23]"};
    struct in_addr v4;

    for (size_t i = 0; i < ARRAY_LEN(agents); i++) {
        if (text_ieq(host, agents[i]))
            return true;
    }
    return inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

int aws_creds_uri_check(const char *uri, struct err *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL;
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, uri, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              (strcmp(scheme, "https") == 0 || (strcmp(scheme, "http") == 0 && is_near(host)));

    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    if (!ok)
        return err_set(e, ERR_AUTH,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI: only https, or http to this machine or its "
                       "container agent, is accepted");
    return 0;
}

static int from_container(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    const char *relative = env(c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env(c, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    const char *file = env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    AUTO_SECRET struct secret *token = NULL;
    AUTO_BUF struct buf url = BUF_INIT(2048);
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;
    struct httpc_header h = {"Authorization", env(c, "AWS_CONTAINER_AUTHORIZATION_TOKEN")};
    const char *text;

    if (relative == NULL && full == NULL)
        return 0;
    if (relative != NULL && *relative != '/')
        return err_set(e, ERR_AUTH, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: expected a path that begins with /");
    if (relative == NULL && aws_creds_uri_check(full, e))
        return -1;
    buf_addf(&url, "%s%s", relative != NULL ? CONTAINER_HOST : "", relative != NULL ? relative : full);
    if (file != NULL && read_token(file, &token, e))
        return err_wrap(e, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (token != NULL)
        h.value = secret_reveal(token);
    if (h.value != NULL && strpbrk(h.value, "\r\n") != NULL)
        return err_set(e, ERR_AUTH, "AWS_CONTAINER_AUTHORIZATION_TOKEN: expected one line");
    if (buf_str(&url, &text, e) || get(c, "GET", text, &h, &res, e) || read_json_keys(&res, out, e))
        return err_wrap(e, "the container's role");
    return 0;
}

/* The first line of a text, if it is a role's name. */
static int read_role(char *text, struct err *e)
{
    text[strcspn(text, "\r\n")] = '\0';
    if (*text == '\0' || strlen(text) > 64)
        return err_set(e, ERR_AUTH, "the instance has no role");
    return 0;
}

static int ask_instance(const struct aws_creds_conf *c, const char *base, struct aws_keys **out, struct err *e)
{
    struct httpc_header ttl = {"X-aws-ec2-metadata-token-ttl-seconds", "300"};
    struct httpc_header token = {"X-aws-ec2-metadata-token", NULL};
    AUTO_HTTPC_RES struct httpc_res granted = HTTPC_RES_INIT, role = HTTPC_RES_INIT, keys = HTTPC_RES_INIT;
    AUTO_BUF struct buf url = BUF_INIT(2048);
    const char *text;

    buf_addf(&url, "%s/latest/api/token", base);
    if (buf_str(&url, &text, e))
        return -1;
    if (get(c, "PUT", text, &ttl, &granted, e)) {
        if (granted.status == 0)
            e->kind = ERR_AUTH; /* off EC2 nobody answers at that address, however often it is asked */
        return -1;
    }
    token.value = granted.body.p;
    if (token.value == NULL || !fits_header(token.value, 1024))
        return err_set(e, ERR_RETRY, "the token makes no sense");
    buf_reset(&url);
    buf_addf(&url, "%s/latest/meta-data/iam/security-credentials/", base);
    if (buf_str(&url, &text, e) || get(c, "GET", text, &token, &role, e) ||
        read_role(role.body.len > 0 ? role.body.p : (char[]){""}, e))
        return -1;
    text_url_escape(&url, role.body.p, strlen(role.body.p));
    if (buf_str(&url, &text, e) || get(c, "GET", text, &token, &keys, e))
        return -1;
    return read_json_keys(&keys, out, e);
}

static int from_instance(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    const char *off = env(c, "AWS_EC2_METADATA_DISABLED");
    const char *base = env(c, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    char url[512];
    size_t n;

    if (off != NULL && text_ieq(off, "true"))
        return 0;
    if (base == NULL)
        base = METADATA_URL;
    n = strlen(base) - (text_has_suffix(base, "/") ? 1 : 0);
    if ((size_t)snprintf(url, sizeof(url), "%.*s", (int)n, base) >= sizeof(url))
        return err_set(e, ERR_INVALID, "AWS_EC2_METADATA_SERVICE_ENDPOINT is too long");
    return ask_instance(c, url, out, e);
}

static int no_credentials(const char *why, struct err *e)
{
    return err_set(e, ERR_AUTH,
                   "no credentials: configure access_key_id and secret_access_key, or the AWS_ variables, a profile in "
                   "~/.aws, or a role for this container or instance (instance metadata: %s)",
                   why);
}

static int first_of_chain(const struct aws_creds_conf *c, struct aws_keys **out, struct err *e)
{
    static source_fn *const sources[] = {from_conf, from_env, from_web_identity, from_profile, from_container};
    struct err instance = {0};

    for (size_t i = 0; i < ARRAY_LEN(sources) && *out == NULL; i++) {
        if (sources[i](c, out, e))
            return -1;
    }
    if (*out != NULL)
        return 0;
    if (from_instance(c, out, &instance)) {
        if (instance.kind == ERR_AUTH)
            return no_credentials(instance.msg, e);
        *e = instance;
        return err_wrap(e, "instance metadata");
    }
    return *out != NULL ? 0 : no_credentials("switched off by AWS_EC2_METADATA_DISABLED", e);
}

/* Until five minutes before the end; what has less left is used a little, so that not every call asks again. */
static int64_t fresh_until(const struct aws_keys *k)
{
    int64_t soon = clock_now_ms() + 10000;
    int64_t until = k->expires_ms - REFRESH_BEFORE_MS;

    if (k->expires_ms == INT64_MAX || until >= soon)
        return k->expires_ms == INT64_MAX ? INT64_MAX : until;
    return k->expires_ms < soon ? k->expires_ms : soon;
}

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct aws_creds *c = arg;
    struct aws_keys *base = NULL, *role = NULL;

    (void)key;
    if (first_of_chain(c->conf, &base, e))
        return -1;
    if (c->conf->role_arn != NULL) {
        int rc = assume_role(c->conf, base, c->conf->role_arn, NULL, &role, e);

        aws_keys_free(base);
        if (rc != 0)
            return -1;
        base = role;
    }
    *out = (struct cache_fill){.value = base, .expires_ms = fresh_until(base)};
    return 0;
}

static void free_keys(void *value)
{
    aws_keys_free(value);
}

struct aws_creds *aws_creds_new(const struct aws_creds_conf *conf)
{
    struct aws_creds *c = mem_zalloc(sizeof(*c));

    c->conf = conf;
    c->cache = cache_new(1, free_keys);
    return c;
}

void aws_creds_free(struct aws_creds *c)
{
    if (c == NULL)
        return;
    cache_free(c->cache);
    free(c);
}

int aws_creds_get(struct aws_creds *c, struct cache_ref **out, struct err *e)
{
    if (cache_get(c->cache, CACHE_KEY, fill, c, out, e))
        return err_wrap(e, "AWS credentials");
    return 0;
}

void aws_creds_drop(struct aws_creds *c, const struct aws_keys *refused)
{
    cache_drop(c->cache, CACHE_KEY, refused);
}

bool aws_creds_in_env(conf_getenv_fn *getenv_fn, void *arg)
{
    static const char *const pairs[][2] = {
        {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
        {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}};
    AUTO_AWS_PROFILE struct aws_profile p = {0};
    struct err ignored = {0};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *a = getenv_fn(arg, pairs[i][0]), *b = getenv_fn(arg, pairs[i][1]);

        if (a != NULL && *a != '\0' && b != NULL && *b != '\0')
            return true;
    }
    if (aws_profile_load(getenv_fn, arg, NULL, &p, &ignored))
        return false;
    return p.access_key_id != NULL || (p.role_arn != NULL && p.source_profile != NULL);
}
