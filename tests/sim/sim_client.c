#include "tests/sim/sim_client.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static size_t keep(char *data, size_t size, size_t n, void *arg)
{
    buf_add(arg, data, size * n);
    return size * n;
}

static void set_options(CURL *c, const struct sim_call *call, struct curl_slist *list, struct sim_reply *out)
{
    (void)curl_easy_setopt(c, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
    (void)curl_easy_setopt(c, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(call->timeout_ms > 0 ? call->timeout_ms : 10000));
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, &out->body);
    (void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, keep);
    (void)curl_easy_setopt(c, CURLOPT_HEADERDATA, &out->headers);
    if (call->body != NULL)
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body);
    if (call->sigv4 != NULL) {
        (void)curl_easy_setopt(c, CURLOPT_AWS_SIGV4, call->sigv4);
        (void)curl_easy_setopt(c, CURLOPT_USERPWD, call->userpwd);
    }
}

void sim_do(const struct sim_call *call, struct sim_reply *out)
{
    CURL *c = curl_easy_init();
    struct curl_slist *list = NULL;
    long status = 0;

    *out = (struct sim_reply){.body = BUF_INIT(4 * 1024 * 1024), .headers = BUF_INIT(256 * 1024)};
    for (size_t i = 0; i < ARRAY_LEN(call->headers) && call->headers[i] != NULL; i++)
        list = curl_slist_append(list, call->headers[i]);
    if (call->sigv4 == NULL) /* libcurl would sign the header that it then leaves out */
        list = curl_slist_append(list, "Expect:");
    set_options(c, call, list, out);
    if (curl_easy_perform(c) == CURLE_OK)
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    out->status = (int)status;
    if (out->body.p != NULL)
        out->json = json_loadb(out->body.p, out->body.len, 0, NULL);
    curl_slist_free_all(list);
    curl_easy_cleanup(c);
}

bool sim_reply_header(const struct sim_reply *r, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);

    for (const char *line = r->headers.p; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *v = line + len + 1 + strspn(line + len + 1, " ");

            (void)snprintf(out, size, "%.*s", (int)strcspn(v, "\r\n"), v);
            return true;
        }
        if (strchr(line, '\n') == NULL)
            break;
    }
    return false;
}

void sim_reply_clear(struct sim_reply *r)
{
    buf_clear(&r->body);
    buf_clear(&r->headers);
    json_decref(r->json);
    r->json = NULL;
}

static void add_base64url(struct buf *out, const void *data, size_t len)
{
    struct buf b = BUF_INIT(8192);

    sim_base64(&b, data, len);
    for (size_t i = 0; i < b.len && b.p[i] != '='; i++)
        buf_addc(out, b.p[i] == '+' ? '-' : b.p[i] == '/' ? '_' : b.p[i]);
    buf_clear(&b);
}

char *sim_jwt(const char *private_pem, const char *iss, int64_t iat, int64_t exp, const char *alg)
{
    BIO *bio = BIO_new_mem_buf(private_pem, -1);
    EVP_PKEY *k = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    struct buf b = BUF_INIT(8192);
    unsigned char sig[512];
    size_t n = sizeof(sig);
    char text[200], *out;

    (void)snprintf(text, sizeof(text), "{\"alg\":\"%s\",\"typ\":\"JWT\"}", alg);
    add_base64url(&b, text, strlen(text));
    buf_addc(&b, '.');
    (void)snprintf(text, sizeof(text), "{\"iss\":\"%s\",\"iat\":%lld,\"exp\":%lld}", iss, (long long)iat,
                   (long long)exp);
    add_base64url(&b, text, strlen(text));
    if (k == NULL || EVP_DigestSignInit(m, NULL, EVP_sha256(), NULL, k) != 1 ||
        EVP_DigestSign(m, sig, &n, (const unsigned char *)b.p, b.len) != 1)
        abort();
    buf_addc(&b, '.');
    add_base64url(&b, sig, n);
    out = mem_strdup(b.p);
    buf_clear(&b);
    EVP_MD_CTX_free(m);
    EVP_PKEY_free(k);
    BIO_free(bio);
    return out;
}
