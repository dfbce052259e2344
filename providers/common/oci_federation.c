#include "providers/common/oci_federation.h"

#include "providers/common/oci_region.h"
#include "providers/common/sign_oci.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define METADATA_URL "http://169.254.169.254/opc/v2"
#define METADATA_TIMEOUT_MS 2000
#define MAX_PEM ((size_t)64 * 1024)
#define MAX_CHAIN 8

static const struct rest_rule rules[] = {
    {401, NULL, NULL, ERR_AUTH, 0, "check the clock: five minutes are allowed"},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->code = json_string_value(json_object_get(doc, "code"));
    out->message = json_string_value(json_object_get(doc, "message"));
}

static const struct rest_dialect dialect = {.cloud = "oracle", .rules = rules, .read = read_fault};

/* What the machine says of itself. */
struct self {
    struct secret *leaf, *intermediate; /* PEM */
    struct crypto_key *leaf_key;
    char region[OCI_REGION_SIZE], domain[OCI_REGION_SIZE];
    char key_id[512];
};
static void self_clear(struct self *s)
{
    secret_free(s->leaf);
    secret_free(s->intermediate);
    crypto_key_free(s->leaf_key);
}

static const char *env_or(const struct oci_creds_conf *c, const char *name, const char *otherwise)
{
    const char *v = c->getenv_fn(c->getenv_arg, name);

    return v != NULL && *v != '\0' ? v : otherwise;
}

/* ---- the metadata service ---- */

static int get(const struct oci_creds_conf *c, const char *path, struct httpc_res *res, struct err *e)
{
    static const struct httpc_header header = {"Authorization", "Bearer Oracle"};
    AUTO_BUF struct buf url = BUF_INIT(1024);
    struct httpc_req req = {
        .method = "GET",
        .headers = &header,
        .n_headers = 1,
        .timeout_ms = c->timeout_ms > 0 && c->timeout_ms < METADATA_TIMEOUT_MS ? c->timeout_ms : METADATA_TIMEOUT_MS,
        .max_answer = MAX_PEM};

    buf_addf(&url, "%s%s", env_or(c, "OCI_METADATA_BASE_URL", METADATA_URL), path);
    if (buf_str(&url, &req.url, e) || httpc_do(c->http, &req, res, e))
        return -1;
    if (res->status == 200 && res->body.len > 0)
        return 0;
    return err_set(e, res->status == 429 || res->status >= 500 ? ERR_RETRY : ERR_AUTH, "%s: HTTP status %d", path,
                   res->status);
}

static int get_secret(const struct oci_creds_conf *c, const char *path, struct secret **out, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res res = HTTPC_RES_INIT;

    return get(c, path, &res, e) ? -1 : secret_from_buf(&res.body, out, e);
}

static int read_region(const struct httpc_res *res, struct self *s, struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    const char *region, *domain;

    if (js_parse(res->body.p, res->body.len, &doc, e) || js_str(doc, "regionIdentifier", &region, e) ||
        js_str(doc, "realmDomainComponent", &domain, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "/instance/regionInfo");
    }
    if (!rest_is_id(region, "-", OCI_REGION_SIZE - 1) || !rest_is_id(domain, "-.", OCI_REGION_SIZE - 1))
        return err_set(e, ERR_RETRY, "/instance/regionInfo: the names make no sense");
    (void)snprintf(s->region, sizeof(s->region), "%s", region);
    (void)snprintf(s->domain, sizeof(s->domain), "%s", domain);
    return 0;
}

/* The tenancy's OCID in a certificate's subject: "opc-tenant:ocid1.tenancy...". */
static int read_tenancy(const X509 *cert, char out[256], struct err *e)
{
    static const char *const prefixes[] = {"opc-tenant:", "opc-identity:"};
    const X509_NAME *subject = X509_get_subject_name(cert);

    for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
        const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i));
        char text[256];

        (void)snprintf(text, sizeof(text), "%.*s", ASN1_STRING_length(value),
                       (const char *)ASN1_STRING_get0_data(value));
        for (size_t k = 0; k < ARRAY_LEN(prefixes); k++) {
            const char *ocid = text + strlen(prefixes[k]);

            if (text_has_prefix(text, prefixes[k]) && oci_is_ocid(ocid, NULL)) {
                (void)snprintf(out, 256, "%s", ocid);
                return 0;
            }
        }
    }
    return err_set(e, ERR_AUTH, "the certificate names no tenancy");
}

static int make_key_id(X509 *cert, char out[512], struct err *e)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    char tenancy[256], hex[3 * EVP_MAX_MD_SIZE + 1] = "";

    if (read_tenancy(cert, tenancy, e))
        return -1;
    if (X509_digest(cert, EVP_sha256(), digest, &n) != 1)
        return err_set(e, ERR_RETRY, "the certificate has no fingerprint");
    for (unsigned int i = 0; i < n; i++)
        (void)snprintf(hex + (size_t)3 * i, 4, "%02x%s", digest[i], i + 1 < n ? ":" : "");
    (void)snprintf(out, 512, "%s/fed-x509-sha256/%s", tenancy, hex);
    return 0;
}

static int read_leaf(struct self *s, struct err *e)
{
    BIO *bio = BIO_new_mem_buf(secret_reveal(s->leaf), (int)secret_len(s->leaf));
    X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    int rc = cert != NULL ? make_key_id(cert, s->key_id, e)
                          : err_set(e, ERR_RETRY, "/identity/cert.pem: expected a certificate in PEM");

    X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return rc;
}

static int ask_self(const struct oci_creds_conf *c, struct self *s, struct err *e)
{
    AUTO_HTTPC_RES struct httpc_res region = HTTPC_RES_INIT;
    AUTO_SECRET struct secret *key = NULL;

    if (get(c, "/instance/regionInfo", &region, e)) {
        if (region.status == 0)
            e->kind = ERR_AUTH; /* off that cloud nobody answers, however often it is asked */
        return -1;
    }
    if (read_region(&region, s, e) || get_secret(c, "/identity/cert.pem", &s->leaf, e) ||
        get_secret(c, "/identity/intermediate.pem", &s->intermediate, e) ||
        get_secret(c, "/identity/key.pem", &key, e) || read_leaf(s, e))
        return -1;
    if (crypto_key_parse(key, "/identity/key.pem", &s->leaf_key, e)) {
        e->kind = ERR_RETRY;
        return -1;
    }
    return 0;
}

/* ---- the exchange ---- */

/* Each certificate of a PEM text in one line of base64. */
static json_t *bodies_of(const struct secret *pem)
{
    BIO *bio = BIO_new_mem_buf(secret_reveal(pem), (int)secret_len(pem));
    json_t *list = json_array();
    X509 *cert;

    for (int i = 0; bio != NULL && i < MAX_CHAIN && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; i++) {
        AUTO_BUF struct buf text = BUF_INIT(MAX_PEM);
        unsigned char *der = NULL;
        int n = i2d_X509(cert, &der);

        if (n > 0)
            text_base64(&text, der, (size_t)n);
        (void)json_array_append_new(list, json_string(text.p));
        OPENSSL_free(der);
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the text is one */
    return list;
}

static int make_body(const struct self *s, const struct crypto_key *key, json_t **out, struct err *e)
{
    AUTO_JSON json_t *leaf = bodies_of(s->leaf), *chain = bodies_of(s->intermediate);
    AUTO_BUF struct buf der = BUF_INIT(4096), text = BUF_INIT(8192);

    crypto_key_public(key, &der);
    text_base64(&text, der.p, der.len);
    return js_pack(e, out, "{s:O, s:s, s:O, s:s}", "certificate", json_array_get(leaf, 0), "publicKey", text.p,
                   "intermediateCertificates", chain, "fingerprintAlgorithm", "SHA256");
}

static int sign_as_leaf(void *arg, const struct rest_call *call, const char *url, const char *text, size_t len,
                        const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    const struct self *s = arg;
    char date[SIGN_OCI_DATE_LEN + 1];

    sign_oci_date(clock_now_ms(), date);
    return sign_oci(&(struct sign_oci_req){.key_id = s->key_id,
                                           .key = s->leaf_key,
                                           .date = refused != NULL ? secret_reveal(refused->values[0]) : date,
                                           .method = call->method,
                                           .url = url,
                                           .body = text,
                                           .body_len = len,
                                           .without_host = true},
                    out, e);
}

/* When a JSON Web Token ends. Its signature is the cloud's to check. */
static int read_end(const char *token, int64_t *expires_ms, struct err *e)
{
    AUTO_JSON json_t *claims = NULL;
    AUTO_BUF struct buf standard = BUF_INIT(MAX_PEM), text = BUF_INIT(MAX_PEM);
    const char *dot = strchr(token, '.');
    size_t n = dot != NULL ? strcspn(dot + 1, ".") : 0;
    int64_t exp;

    for (size_t i = 0; i < n; i++)
        buf_addc(&standard, dot[1 + i] == '-' ? '+' : dot[1 + i] == '_' ? '/' : dot[1 + i]);
    while (standard.len % 4 != 0)
        buf_addc(&standard, '=');
    if (n == 0 || text_unbase64(standard.p, standard.len, &text, e) || js_parse(text.p, text.len, &claims, e) ||
        js_i64(claims, "exp", &exp, e) || exp <= 0 || exp > INT64_MAX / 1000)
        return err_set(e, ERR_RETRY, "oracle x509: the answer makes no sense: the token is no JSON Web Token");
    *expires_ms = exp * 1000;
    return 0;
}

static int exchange(const struct oci_creds_conf *c, struct self *s, const struct crypto_key *key, struct secret **token,
                    int64_t *expires_ms, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    char own[200];
    struct rest_client api = {
        .http = c->http, .dialect = &dialect, .auth = sign_as_leaf, .auth_arg = s, .timeout_ms = c->timeout_ms};
    struct rest_call call = {.method = "POST", .path = "/v1/x509", .what = "x509"};
    const char *text;

    (void)snprintf(own, sizeof(own), "https://auth.%s.%s", s->region, s->domain);
    api.base = env_or(c, "OCI_SDK_AUTH_CLIENT_REGION_URL", own);
    if (make_body(s, key, &body, e))
        return -1;
    call.body = body;
    if (rest_do(&api, &call, &res, e))
        return -1;
    if (js_str(res.doc, "token", &text, e))
        return rest_nonsense(&api, &call, e);
    if (!rest_is_id(text, "-_.", MAX_PEM))
        return err_set(e, ERR_RETRY, "oracle x509: the answer makes no sense: the token is no JSON Web Token");
    if (read_end(text, expires_ms, e))
        return -1;
    *token = secret_new(text, strlen(text));
    return 0;
}

int oci_federation(const struct oci_creds_conf *c, struct secret **token, struct crypto_key **key, int64_t *expires_ms,
                   struct err *e)
{
    AUTO(self_clear) struct self s = {.leaf = NULL};
    struct crypto_key *session;

    if (ask_self(c, &s, e))
        return err_wrap(e, "instance metadata");
    session = crypto_key_generate();
    if (exchange(c, &s, session, token, expires_ms, e)) {
        crypto_key_free(session);
        return -1;
    }
    *key = session;
    return 0;
}
