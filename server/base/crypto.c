#include "server/base/crypto.h"

#include "server/base/mem.h"
#include "server/base/text.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define RSA_MIN_BITS 2048
#define NONCE_LEN ((size_t)12)
#define TAG_LEN ((size_t)16)

/* For operations that fail only when memory is refused or the library is broken: as mem.h, end the process. */
static void need(bool ok, const char *what)
{
    if (!ok) {
        (void)fprintf(stderr, "muster: OpenSSL cannot do %s; ending, work resumes from the store\n", what);
        abort();
    }
}

void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256_LEN])
{
    need(EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1, "SHA-256");
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                        unsigned char out[CRYPTO_SHA256_LEN])
{
    struct crypto_hmac *h = crypto_hmac_new(key, key_len);

    crypto_hmac_begin(h);
    crypto_hmac_add(h, data, len);
    crypto_hmac_end(h, out);
    crypto_hmac_free(h);
}

struct crypto_hmac {
    EVP_MAC_CTX *ctx;
};

struct crypto_hmac *crypto_hmac_new(const void *key, size_t key_len)
{
    struct crypto_hmac *h = mem_zalloc(sizeof(*h));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    static const unsigned char empty[1];

    need(mac != NULL && (h->ctx = EVP_MAC_CTX_new(mac)) != NULL, "HMAC");
    EVP_MAC_free(mac);
    need(EVP_MAC_init(h->ctx, key_len > 0 ? key : empty, key_len, params) == 1, "HMAC");
    return h;
}

void crypto_hmac_free(struct crypto_hmac *h)
{
    if (h == NULL)
        return;
    EVP_MAC_CTX_free(h->ctx);
    free(h);
}

void crypto_hmac_begin(struct crypto_hmac *h)
{
    /* Without a key, OpenSSL goes back to the state right after the key schedule. */
    need(EVP_MAC_init(h->ctx, NULL, 0, NULL) == 1, "HMAC");
}

void crypto_hmac_add(struct crypto_hmac *h, const void *data, size_t len)
{
    if (len > 0)
        need(EVP_MAC_update(h->ctx, data, len) == 1, "HMAC");
}

void crypto_hmac_end(struct crypto_hmac *h, unsigned char out[CRYPTO_SHA256_LEN])
{
    size_t n = 0;

    need(EVP_MAC_final(h->ctx, out, &n, CRYPTO_SHA256_LEN) == 1 && n == CRYPTO_SHA256_LEN, "HMAC");
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

bool crypto_same(const struct secret *a, const struct secret *b)
{
    return secret_len(a) == secret_len(b) && crypto_equal(secret_reveal(a), secret_reveal(b), secret_len(a));
}

void crypto_random(void *out, size_t len)
{
    need(len <= INT32_MAX && RAND_bytes(out, (int)len) == 1, "random numbers");
}

struct crypto_key {
    EVP_PKEY *pkey;
};

/* Without a pass phrase, an encrypted key must not make OpenSSL ask for one on the terminal. */
static int give_pass_phrase(char *buf, int size, int writing, void *arg)
{
    const struct secret *pass_phrase = arg;
    size_t n = secret_len(pass_phrase);

    (void)writing;
    if (n == 0 || n > (size_t)size)
        return -1;
    memcpy(buf, secret_reveal(pass_phrase), n);
    return (int)n;
}

/* The PEM text with every "\n" written as two characters made a newline. */
static struct secret *with_newlines(const struct secret *pem)
{
    const char *from = secret_reveal(pem);
    char *text = mem_strndup(from, secret_len(pem));
    size_t n = 0;
    struct secret *out;

    for (size_t i = 0; from[i] != '\0'; i++) {
        bool escaped = from[i] == '\\' && from[i + 1] == 'n';

        text[n++] = escaped ? '\n' : from[i];
        i += escaped ? 1 : 0;
    }
    out = secret_new(text, n);
    OPENSSL_cleanse(text, secret_len(pem));
    free(text);
    return out;
}

/* Why OpenSSL found no private key in the text. */
static int explain_unreadable(const char *text, bool has_pass_phrase, const char *what, struct err *e)
{
    if (strstr(text, "ENCRYPTED") != NULL && has_pass_phrase)
        return err_set(e, ERR_INVALID, "%s: the pass phrase does not open the private key", what);
    if (strstr(text, "ENCRYPTED") != NULL)
        return err_set(e, ERR_INVALID,
                       "%s: the private key is protected by a pass phrase; store it without one "
                       "(openssl pkey -in FILE -out NEW)",
                       what);
    if (strstr(text, "PRIVATE KEY-----") != NULL)
        return err_set(e, ERR_INVALID, "%s: the private key is damaged: OpenSSL cannot read it", what);
    if (strstr(text, "-----BEGIN ") != NULL)
        return err_set(e, ERR_INVALID,
                       "%s: expected a private key in PEM (PKCS#1 or PKCS#8), found another kind of PEM", what);
    return err_set(e, ERR_INVALID, "%s: expected a private key in PEM (-----BEGIN RSA PRIVATE KEY-----), found none",
                   what);
}

int crypto_key_unlock(const struct secret *pem, const struct secret *pass_phrase, const char *what,
                      struct crypto_key **out, struct err *e)
{
    AUTO_SECRET struct secret *text = with_newlines(pem);
    BIO *bio = secret_len(text) <= INT32_MAX ? BIO_new_mem_buf(secret_reveal(text), (int)secret_len(text)) : NULL;
    EVP_PKEY *pkey =
        bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, give_pass_phrase, (void *)(uintptr_t)pass_phrase) : NULL;
    int rc = 0;

    BIO_free(bio);
    ERR_clear_error();
    if (pkey == NULL)
        return explain_unreadable(secret_reveal(text), secret_len(pass_phrase) > 0, what, e);
    if (EVP_PKEY_is_a(pkey, "RSA") != 1)
        rc = err_set(e, ERR_INVALID, "%s: the key is of type %s, not RSA", what, EVP_PKEY_get0_type_name(pkey));
    else if (EVP_PKEY_get_bits(pkey) < RSA_MIN_BITS)
        rc = err_set(e, ERR_INVALID, "%s: the RSA key has %d bits; at least %d are needed", what,
                     EVP_PKEY_get_bits(pkey), RSA_MIN_BITS);
    if (rc != 0) {
        EVP_PKEY_free(pkey);
        return rc;
    }
    *out = mem_zalloc(sizeof(**out));
    (*out)->pkey = pkey;
    return 0;
}

int crypto_key_parse(const struct secret *pem, const char *what, struct crypto_key **out, struct err *e)
{
    return crypto_key_unlock(pem, NULL, what, out, e);
}

struct crypto_key *crypto_key_generate(void)
{
    struct crypto_key *k = mem_zalloc(sizeof(*k));

    k->pkey = EVP_RSA_gen(RSA_MIN_BITS);
    need(k->pkey != NULL, "RSA keys");
    return k;
}

void crypto_key_public(const struct crypto_key *k, struct buf *out)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(k->pkey, &der);

    need(n > 0, "public keys");
    buf_add(out, der, (size_t)n);
    OPENSSL_free(der);
}

void crypto_key_free(struct crypto_key *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

int crypto_rs256(const struct crypto_key *k, const void *data, size_t len, struct buf *out, struct err *e)
{
    unsigned char sig[2048]; /* keys of up to 16,384 bits, OpenSSL's own ceiling */
    size_t n = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
              EVP_DigestSign(ctx, sig, &n, data, len) == 1;

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!ok)
        return err_set(e, ERR_INVALID, "cannot sign with the RSA key: it is damaged");
    buf_add(out, sig, n);
    return 0;
}

void crypto_key_derive(const struct crypto_key *k, const char *purpose, unsigned char out[32])
{
    unsigned char *der = NULL;
    int der_len = i2d_PrivateKey(k->pkey, &der); /* the same bytes whichever PEM form the key came in */
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    AUTO_FREE char *info = mem_strdup(purpose);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, der, der_len > 0 ? (size_t)der_len : 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, strlen(info)), OSSL_PARAM_construct_end()};

    need(der_len > 0 && ctx != NULL && EVP_KDF_derive(ctx, out, 32, params) == 1, "HKDF");
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    OPENSSL_clear_free(der, (size_t)der_len);
}

/* A field of an SSH key: its length in four bytes, then its bytes (RFC 4251 section 5). */
static void add_ssh_field(struct buf *out, const void *data, size_t len)
{
    const unsigned char head[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16), (unsigned char)(len >> 8),
                                   (unsigned char)len};

    buf_add(out, head, sizeof(head));
    buf_add(out, data, len);
}

/* A positive number: a leading zero byte when its first bit is set. */
static void add_ssh_number(struct buf *out, const EVP_PKEY *key, const char *name)
{
    unsigned char bytes[1 + RSA_MIN_BITS / 8] = {0};
    BIGNUM *n = NULL;
    size_t len;
    bool high;

    need(EVP_PKEY_get_bn_param(key, name, &n) == 1 && BN_num_bytes(n) < (int)sizeof(bytes), "RSA");
    len = (size_t)BN_bn2bin(n, bytes + 1);
    high = (bytes[1] & 0x80) != 0;
    add_ssh_field(out, high ? bytes : bytes + 1, high ? len + 1 : len);
    BN_free(n);
}

void crypto_orphan_ssh_key(struct buf *out)
{
    AUTO_BUF struct buf blob = BUF_INIT(1024);
    EVP_PKEY *key = EVP_RSA_gen(RSA_MIN_BITS);

    need(key != NULL, "RSA");
    add_ssh_field(&blob, "ssh-rsa", strlen("ssh-rsa"));
    add_ssh_number(&blob, key, OSSL_PKEY_PARAM_RSA_E);
    add_ssh_number(&blob, key, OSSL_PKEY_PARAM_RSA_N);
    EVP_PKEY_free(key);
    buf_adds(out, "ssh-rsa ");
    text_base64(out, blob.p, blob.len);
}

/* AES-256-GCM over in[0..len) to out, context authenticated. Sealing fills tag, opening checks it. */
static bool gcm(bool seal, const unsigned char key[32], const char *context, const unsigned char nonce[NONCE_LEN],
                const unsigned char *in, size_t len, unsigned char *out, unsigned char tag[TAG_LEN])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t context_len = strlen(context);
    int n = 0;
    bool ok = ctx != NULL && len <= INT32_MAX && context_len <= INT32_MAX &&
              EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce, seal ? 1 : 0) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)context, (int)context_len) == 1 &&
              (len == 0 || EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1);

    if (ok && !seal)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)TAG_LEN, tag) == 1;
    ok = ok && EVP_CipherFinal_ex(ctx, out + len, &n) == 1;
    if (ok && seal)
        ok = EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, (int)TAG_LEN, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

int crypto_seal(const unsigned char key[32], const char *context, const struct secret *plain, struct buf *out,
                struct err *e)
{
    size_t len = secret_len(plain);
    AUTO_FREE unsigned char *raw = mem_zalloc(NONCE_LEN + TAG_LEN + len + 1);

    crypto_random(raw, NONCE_LEN);
    if (!gcm(true, key, context, raw, (const unsigned char *)secret_reveal(plain), len, raw + NONCE_LEN + TAG_LEN,
             raw + NONCE_LEN))
        return err_set(e, ERR_BUG, "cannot seal %zu bytes", len);
    text_base64(out, raw, NONCE_LEN + TAG_LEN + len);
    return 0;
}

int crypto_open(const unsigned char key[32], const char *context, const char *sealed, struct secret **out,
                struct err *e)
{
    AUTO_BUF struct buf raw = BUF_INIT(strlen(sealed));
    unsigned char *bytes, *plain;
    size_t len;
    bool ok;

    if (text_unbase64(sealed, strlen(sealed), &raw, e) || raw.len < NONCE_LEN + TAG_LEN)
        return err_set(e, ERR_INVALID, "not a sealed text");
    bytes = (unsigned char *)raw.p;
    len = raw.len - NONCE_LEN - TAG_LEN;
    plain = mem_zalloc(len + 1);
    ok = gcm(false, key, context, bytes, bytes + NONCE_LEN + TAG_LEN, len, plain, bytes + NONCE_LEN);
    if (ok)
        *out = secret_new((const char *)plain, len);
    OPENSSL_cleanse(plain, len);
    free(plain);
    return ok ? 0 : err_set(e, ERR_INVALID, "a sealed text was changed, moved, or sealed with another key");
}
