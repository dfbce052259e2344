#include "tests/sim/sim_util.h"

#include "server/base/mem.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

uint64_t sim_rng(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double sim_rng_unit(uint64_t *state)
{
    return (double)(sim_rng(state) >> 11) / 9007199254740992.0;
}

void sim_rng_guid(uint64_t *state, char out[37])
{
    unsigned long long a = sim_rng(state), b = sim_rng(state);

    (void)snprintf(out, 37, "%08llx-%04llx-4%03llx-a%03llx-%012llx", a >> 32, (a >> 16) & 0xffff, a & 0xfff, b >> 52,
                   b & 0xffffffffffff);
}

void sim_rng_base64(uint64_t *state, size_t bytes, struct buf *out)
{
    unsigned char raw[512];
    size_t n = bytes < sizeof(raw) ? bytes : sizeof(raw);

    for (size_t i = 0; i < n; i++)
        raw[i] = (unsigned char)(sim_rng(state) >> 24);
    sim_base64(out, raw, n);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void sim_base64(struct buf *out, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i += 3) {
        unsigned v = (unsigned)p[i] << 16;
        char q[4];

        if (i + 1 < len)
            v |= (unsigned)p[i + 1] << 8;
        if (i + 2 < len)
            v |= p[i + 2];
        q[0] = alphabet[v >> 18];
        q[1] = alphabet[(v >> 12) & 63];
        q[2] = '=';
        q[3] = '=';
        if (i + 1 < len)
            q[2] = alphabet[(v >> 6) & 63];
        if (i + 2 < len)
            q[3] = alphabet[v & 63];
        buf_add(out, q, 4);
    }
}

static int base64_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

bool sim_unbase64(const char *s, size_t len, bool url_alphabet, struct buf *out)
{
    unsigned v = 0;
    int bits = 0;

    if (!url_alphabet) {
        if (len % 4 != 0)
            return false;
        for (int i = 0; i < 2 && len > 0 && s[len - 1] == '='; i++)
            len--;
    }
    if (len % 4 == 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        int d = base64_value(s[i], url_alphabet);

        if (d < 0)
            return false;
        v = (v << 6 | (unsigned)d) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            buf_addc(out, (char)(unsigned char)(v >> bits));
        }
    }
    return (v & ((1u << bits) - 1)) == 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sim_url_decode(const char *s, size_t len, bool plus_is_space, struct buf *out)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%') {
            int hi = len - i > 2 ? hex_value(s[i + 1]) : -1;
            int lo = len - i > 2 ? hex_value(s[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return false;
            buf_addc(out, (char)(unsigned char)(hi * 16 + lo));
            i += 2;
        } else {
            buf_addc(out, s[i] == '+' && plus_is_space ? ' ' : s[i]);
        }
    }
    return true;
}

void sim_url_encode(struct buf *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';

        if (plain)
            buf_addc(out, (char)c);
        else
            buf_addf(out, "%%%02X", c);
    }
}

void sim_hex(const unsigned char *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = '\0';
}

void sim_sha256_hex(const void *data, size_t len, char out[65])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) != 1)
        abort();
    sim_hex(md, 32, out);
}

void sim_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, unsigned char out[32])
{
    unsigned n = 0;

    if (HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) == NULL)
        abort();
}

static struct tm utc(int64_t ms)
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    (void)gmtime_r(&t, &tm);
    return tm;
}

void sim_time_iso(int64_t ms, char out[32])
{
    struct tm tm = utc(ms);

    (void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void sim_time_iso_ms(int64_t ms, char out[32])
{
    struct tm tm = utc(ms);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);

    (void)snprintf(out + n, 32 - n, ".%03dZ", (int)(ms % 1000));
}

void sim_time_http(int64_t ms, char out[40])
{
    struct tm tm = utc(ms);

    (void)strftime(out, 40, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

void sim_time_compact(int64_t ms, char out[20])
{
    struct tm tm = utc(ms);

    (void)strftime(out, 20, "%Y%m%dT%H%M%SZ", &tm);
}

bool sim_time_parse_compact(const char *s, int64_t *ms)
{
    struct tm tm = {0};
    const char *end = strptime(s, "%Y%m%dT%H%M%SZ", &tm);

    if (strlen(s) != 16 || end == NULL || *end != '\0')
        return false;
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

bool sim_glob(const char *pattern, const char *s)
{
    const char *star = NULL, *mark = NULL;

    while (*s != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            mark = s;
        } else if (*pattern == *s || *pattern == '?') {
            pattern++;
            s++;
        } else if (star != NULL) {
            pattern = star + 1;
            s = ++mark;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static char *bio_text(BIO *b)
{
    char *p = NULL;
    long n = BIO_get_mem_data(b, &p);

    return mem_strndup(p, (size_t)n);
}

void sim_rsa_key(char **private_pem, char **public_pem)
{
    EVP_PKEY *k = EVP_RSA_gen(2048);
    BIO *priv = BIO_new(BIO_s_mem()), *pub = BIO_new(BIO_s_mem());

    if (k == NULL || priv == NULL || pub == NULL ||
        PEM_write_bio_PrivateKey_traditional(priv, k, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_PUBKEY(pub, k) != 1)
        abort();
    *private_pem = bio_text(priv);
    *public_pem = bio_text(pub);
    BIO_free(priv);
    BIO_free(pub);
    EVP_PKEY_free(k);
}
