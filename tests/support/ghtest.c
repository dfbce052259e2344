#include "tests/support/ghtest.h"

#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/text.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

const struct github_repo ght_repo = {.installation_id = GHT_INSTALLATION, .repo_id = GHT_REPO_ID, .repo = "octo/hello"};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "ghtest: %s failed\n", what);
    abort();
}

static bool is_mint(const struct raw_request *r)
{
    return strcmp(r->method, "POST") == 0 && text_has_suffix(r->path, "/access_tokens");
}

static void default_token(struct ghtest *t, struct buf *answer)
{
    char body[128], expires[21];

    text_format_rfc3339(clock_now_ms() + 3600 * 1000, expires);
    (void)snprintf(body, sizeof(body), "{\"token\":\"ghs_%d\",\"expires_at\":\"%s\"}", ++t->tokens, expires);
    raw_answer(answer, 201, "Content-Type: application/json\r\n", body);
}

static int handle(void *arg, const struct raw_request *r, struct buf *answer)
{
    struct ghtest *t = arg;
    bool mint = is_mint(r);
    enum raw_act act = RAW_ANSWER;

    (void)pthread_mutex_lock(&t->lock);
    if (mint && t->at_mint >= t->n_mint) {
        default_token(t, answer);
    } else {
        size_t i = mint ? t->at_mint++ : t->at_api < t->n_api ? t->at_api++ : t->n_api - 1;
        const struct ght_reply *reply = mint ? &t->mint[i] : &t->api[i];

        must(mint || t->n_api > 0, "answering a call nobody expected");
        raw_answer(answer, reply->status, reply->headers, reply->body);
        act = reply->act;
    }
    (void)pthread_mutex_unlock(&t->lock);
    return (int)act;
}

static struct crypto_key *parse_key(EVP_PKEY *pkey)
{
    AUTO_SECRET struct secret *pem = NULL;
    struct crypto_key *key = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;
    struct err e;

    must(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1, "writing a key");
    len = BIO_get_mem_data(bio, &text);
    pem = secret_new(text, (size_t)len);
    BIO_free(bio);
    must(crypto_key_parse(pem, "the test's key", &key, &e) == 0, "reading a key");
    return key;
}

void ght_start(struct ghtest *t, const char *base_path)
{
    memset(t, 0, sizeof(*t));
    (void)pthread_mutex_init(&t->lock, NULL);
    t->pkey = EVP_RSA_gen(2048);
    must(t->pkey != NULL, "making a key");
    t->key = parse_key(t->pkey);
    t->server = raw_start(&(struct raw_conf){.handler = handle, .arg = t});
    (void)snprintf(t->api_url, sizeof(t->api_url), "%s%s", raw_url(t->server), base_path);
    t->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    t->github =
        github_new(&(struct github_conf){.api_url = t->api_url, .app_id = "12345", .key = t->key, .http = t->http});
}

void ght_stop(struct ghtest *t)
{
    github_free(t->github);
    httpc_free(t->http);
    raw_stop(t->server);
    crypto_key_free(t->key);
    EVP_PKEY_free(t->pkey);
    (void)pthread_mutex_destroy(&t->lock);
}

void ght_answer_act(struct ghtest *t, enum raw_act act, int status, const char *headers, const char *body)
{
    (void)pthread_mutex_lock(&t->lock);
    must(t->n_api < GHT_REPLIES, "keeping so many answers");
    t->api[t->n_api++] = (struct ght_reply){status, headers, body, act};
    (void)pthread_mutex_unlock(&t->lock);
}

void ght_answer(struct ghtest *t, int status, const char *headers, const char *body)
{
    ght_answer_act(t, RAW_ANSWER, status, headers, body);
}

void ght_answer_mint(struct ghtest *t, int status, const char *headers, const char *body)
{
    (void)pthread_mutex_lock(&t->lock);
    must(t->n_mint < GHT_REPLIES, "keeping so many answers");
    t->mint[t->n_mint++] = (struct ght_reply){status, headers, body, RAW_ANSWER};
    (void)pthread_mutex_unlock(&t->lock);
}

void ght_forget(struct ghtest *t)
{
    (void)pthread_mutex_lock(&t->lock);
    t->n_api = t->at_api = 0;
    (void)pthread_mutex_unlock(&t->lock);
}

static const struct raw_request *nth(struct ghtest *t, bool mint, size_t i, size_t *count)
{
    const struct raw_request *found = NULL;
    size_t n = 0;

    for (size_t k = 0; k < raw_count(t->server); k++) {
        if (is_mint(raw_get(t->server, k)) == mint && n++ == i)
            found = raw_get(t->server, k);
    }
    if (count != NULL)
        *count = n;
    return found;
}

const struct raw_request *ght_mint(struct ghtest *t, size_t i)
{
    return nth(t, true, i, NULL);
}

const struct raw_request *ght_call(struct ghtest *t, size_t i)
{
    return nth(t, false, i, NULL);
}

size_t ght_mints(struct ghtest *t)
{
    size_t n;

    (void)nth(t, true, 0, &n);
    return n;
}

size_t ght_calls(struct ghtest *t)
{
    size_t n;

    (void)nth(t, false, 0, &n);
    return n;
}

/* base64url without padding, by OpenSSL rather than by our own decoder. Returns the length or -1. */
static int decode(const char *s, size_t len, unsigned char *out, size_t size)
{
    char padded[4096];
    size_t n = 0;
    int got;

    if (len + 4 > sizeof(padded) || len + 4 > size)
        return -1;
    for (; n < len; n++)
        padded[n] = s[n] == '-' ? '+' : s[n] == '_' ? '/' : s[n];
    while (n % 4 != 0)
        padded[n++] = '=';
    got = EVP_DecodeBlock(out, (const unsigned char *)padded, (int)n);
    return got < 0 ? -1 : got - (int)(n - len);
}

static bool signature_holds(EVP_PKEY *pkey, const char *text, size_t len, const unsigned char *sig, size_t sig_len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
              EVP_DigestVerify(ctx, sig, sig_len, (const unsigned char *)text, len) == 1;

    EVP_MD_CTX_free(ctx);
    return ok;
}

json_t *ght_verify_jwt(struct ghtest *t, const char *authorization)
{
    unsigned char head[256], claims[1024], sig[1024];
    const char *text, *dot1, *dot2;
    int head_len, claims_len, sig_len;

    if (authorization == NULL || !text_has_prefix(authorization, "Bearer "))
        return NULL;
    text = authorization + strlen("Bearer ");
    dot1 = strchr(text, '.');
    dot2 = dot1 != NULL ? strchr(dot1 + 1, '.') : NULL;
    if (dot2 == NULL || strpbrk(text, "+/=") != NULL)
        return NULL;
    head_len = decode(text, (size_t)(dot1 - text), head, sizeof(head));
    claims_len = decode(dot1 + 1, (size_t)(dot2 - dot1 - 1), claims, sizeof(claims));
    sig_len = decode(dot2 + 1, strlen(dot2 + 1), sig, sizeof(sig));
    if (head_len < 0 || claims_len < 0 || sig_len < 0 || strstr((const char *)head, "\"alg\":\"RS256\"") == NULL ||
        !signature_holds(t->pkey, text, (size_t)(dot2 - text), sig, (size_t)sig_len))
        return NULL;
    return json_loadb((const char *)claims, (size_t)claims_len, 0, NULL);
}
