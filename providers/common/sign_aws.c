#include "providers/common/sign_aws.h"

#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEX_LEN ((size_t)2 * CRYPTO_SHA256_LEN)
#define CANONICAL_MAX ((size_t)128 * 1024)

struct aws_keys *aws_keys_new(const char *id, const char *secret, const char *token, int64_t expires_ms)
{
    struct aws_keys *k = mem_zalloc(sizeof(*k));

    k->access_key_id = mem_strdup(id);
    k->secret_access_key = secret_new(secret, strlen(secret));
    if (token != NULL && *token != '\0')
        k->session_token = secret_new(token, strlen(token));
    k->expires_ms = expires_ms;
    return k;
}

void aws_keys_free(struct aws_keys *k)
{
    if (k == NULL)
        return;
    free(k->access_key_id);
    secret_free(k->secret_access_key);
    secret_free(k->session_token);
    free(k);
}

void sign_aws_date(int64_t time_ms, char out[SIGN_AWS_DATE_LEN + 1])
{
    time_t t = (time_t)(time_ms / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&t, &tm);
    if (strftime(out, SIGN_AWS_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &tm) == 0)
        out[0] = '\0';
}

static void sha256_hex(const void *data, size_t len, char out[HEX_LEN + 1])
{
    unsigned char digest[CRYPTO_SHA256_LEN];

    crypto_sha256(data, len, digest);
    text_hex(digest, sizeof(digest), out);
}

struct slice {
    const char *p;
    size_t len;
};

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

    return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* The path is escaped once more than sent; only '/' separates. */
static void add_path(struct buf *out, const char *path)
{
    while (*path != '\0') {
        size_t n = strcspn(path, "/");

        text_url_escape(out, path, n);
        path += n;
        if (*path == '/') {
            buf_addc(out, '/');
            path++;
        }
    }
}

static int add_query(struct buf *out, const char *query, struct err *e)
{
    struct slice params[SIGN_AWS_MAX_PARAMS];
    size_t n = 0;

    while (*query != '\0') {
        size_t len = strcspn(query, "&");

        if (n == SIGN_AWS_MAX_PARAMS)
            return err_set(e, ERR_INVALID, "a query of more than %d parameters cannot be signed", SIGN_AWS_MAX_PARAMS);
        params[n++] = (struct slice){query, len};
        query += len;
        if (*query == '&')
            query++;
    }
    qsort(params, n, sizeof(params[0]), by_bytes);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(out, '&');
        buf_add(out, params[i].p, params[i].len);
        if (memchr(params[i].p, '=', params[i].len) == NULL)
            buf_addc(out, '=');
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct httpc_header *x = a, *y = b;

    return strcasecmp(x->name, y->name);
}

static void add_lower(struct buf *out, const char *name)
{
    for (; *name != '\0'; name++)
        buf_addc(out, text_lower(*name));
}

/* Outer spaces go, inner runs become one. */
static void add_trimmed(struct buf *out, const char *value)
{
    bool gap = false, any = false;

    for (; *value != '\0'; value++) {
        if (*value == ' ' || *value == '\t') {
            gap = any;
            continue;
        }
        if (gap)
            buf_addc(out, ' ');
        buf_addc(out, *value);
        gap = false;
        any = true;
    }
}

static void add_signed_names(struct buf *out, const struct httpc_header *sorted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(out, ';');
        add_lower(out, sorted[i].name);
    }
}

static int canonical_request(const struct sign_aws_req *r, const struct httpc_header *sorted, struct buf *out,
                             struct err *e)
{
    char body_hex[HEX_LEN + 1];

    buf_addf(out, "%s\n", r->method);
    add_path(out, r->path);
    buf_addc(out, '\n');
    if (add_query(out, r->query, e))
        return -1;
    buf_addc(out, '\n');
    for (size_t i = 0; i < r->n_headers; i++) {
        add_lower(out, sorted[i].name);
        buf_addc(out, ':');
        add_trimmed(out, sorted[i].value);
        buf_addc(out, '\n');
    }
    buf_addc(out, '\n');
    add_signed_names(out, sorted, r->n_headers);
    sha256_hex(r->body, r->body_len, body_hex);
    buf_addf(out, "\n%s", body_hex);
    return 0;
}

static void hmac(unsigned char key[CRYPTO_SHA256_LEN], const char *text)
{
    unsigned char next[CRYPTO_SHA256_LEN];

    crypto_hmac_sha256(key, CRYPTO_SHA256_LEN, text, strlen(text), next);
    memcpy(key, next, sizeof(next));
    OPENSSL_cleanse(next, sizeof(next));
}

/* "AWS4" + secret, narrowed by day, region and service: what a leaked signature could at most be forged for. */
static int signing_key(const struct aws_keys *k, const struct sign_aws_req *r, const char *day,
                       unsigned char out[CRYPTO_SHA256_LEN], struct err *e)
{
    struct buf start = BUF_INIT(1024);
    const char *text;
    int rc;

    buf_adds(&start, "AWS4");
    buf_adds(&start, secret_reveal(k->secret_access_key));
    rc = buf_str(&start, &text, e);
    if (rc == 0) {
        crypto_hmac_sha256(text, start.len, day, strlen(day), out);
        hmac(out, r->region);
        hmac(out, r->service);
        hmac(out, "aws4_request");
    }
    buf_wipe(&start);
    return rc;
}

int sign_aws(const struct aws_keys *k, const struct sign_aws_req *r, struct buf *authorization, struct err *e)
{
    AUTO(buf_wipe) struct buf canonical = BUF_INIT(CANONICAL_MAX); /* holds the session token */
    AUTO_BUF struct buf to_sign = BUF_INIT(1024);
    struct httpc_header sorted[SIGN_AWS_MAX_HEADERS];
    unsigned char key[CRYPTO_SHA256_LEN], signature[CRYPTO_SHA256_LEN];
    char date[SIGN_AWS_DATE_LEN + 1], day[9], hex[HEX_LEN + 1];
    const char *text;

    if (r->n_headers > SIGN_AWS_MAX_HEADERS)
        return err_set(e, ERR_INVALID, "more than %d headers cannot be signed", SIGN_AWS_MAX_HEADERS);
    memcpy(sorted, r->headers, r->n_headers * sizeof(sorted[0]));
    qsort(sorted, r->n_headers, sizeof(sorted[0]), by_name);
    if (canonical_request(r, sorted, &canonical, e) || buf_str(&canonical, &text, e))
        return -1;
    sha256_hex(text, canonical.len, hex);
    sign_aws_date(r->time_ms, date);
    (void)snprintf(day, sizeof(day), "%.8s", date);
    buf_addf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s/%s/%s/aws4_request\n%s", date, day, r->region, r->service, hex);
    if (buf_str(&to_sign, &text, e) || signing_key(k, r, day, key, e))
        return -1;
    crypto_hmac_sha256(key, sizeof(key), text, to_sign.len, signature);
    OPENSSL_cleanse(key, sizeof(key));
    text_hex(signature, sizeof(signature), hex);
    buf_addf(authorization, "AWS4-HMAC-SHA256 Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=", k->access_key_id,
             day, r->region, r->service);
    add_signed_names(authorization, sorted, r->n_headers);
    buf_addf(authorization, ", Signature=%s", hex);
    return 0;
}
