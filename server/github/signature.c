#include "server/github/signature.h"

#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define PREFIX "sha256="
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define HEADER_LEN (PREFIX_LEN + 2 * CRYPTO_SHA256_LEN)

struct signature {
    size_t n;
    struct crypto_hmac *hmac[]; /* one per secret */
};

struct signature *signature_new(const struct secret *const *secrets, size_t n)
{
    struct signature *s = mem_zalloc(sizeof(*s) + n * sizeof(struct crypto_hmac *));

    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->hmac[i] = crypto_hmac_new(secret_reveal(secrets[i]), secret_len(secrets[i]));
    return s;
}

void signature_free(struct signature *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->n; i++)
        crypto_hmac_free(s->hmac[i]);
    free(s);
}

void signature_begin(struct signature *s)
{
    for (size_t i = 0; i < s->n; i++)
        crypto_hmac_begin(s->hmac[i]);
}

void signature_add(struct signature *s, const void *data, size_t len)
{
    for (size_t i = 0; i < s->n; i++)
        crypto_hmac_add(s->hmac[i], data, len);
}

/* What the header must be. Comparing with the written form refuses upper case and every other spelling. */
static void expected_header(const unsigned char digest[CRYPTO_SHA256_LEN], char out[HEADER_LEN + 1])
{
    memcpy(out, PREFIX, PREFIX_LEN);
    text_hex(digest, CRYPTO_SHA256_LEN, out + PREFIX_LEN);
}

bool signature_end(struct signature *s, const char *header)
{
    bool well_formed = header != NULL && strnlen(header, HEADER_LEN + 1) == HEADER_LEN;
    bool matches = false;

    for (size_t i = 0; i < s->n; i++) {
        unsigned char digest[CRYPTO_SHA256_LEN];
        char expected[HEADER_LEN + 1];

        crypto_hmac_end(s->hmac[i], digest);
        expected_header(digest, expected);
        if (well_formed && crypto_equal(header, expected, HEADER_LEN))
            matches = true; /* the others are compared all the same */
    }
    return matches;
}

bool signature_verify(const struct secret *const *secrets, size_t n, const char *header, const void *body, size_t len)
{
    struct signature *s = signature_new(secrets, n);
    bool matches;

    signature_begin(s);
    signature_add(s, body, len);
    matches = signature_end(s, header);
    signature_free(s);
    return matches;
}

void signature_make(const struct secret *secret, const void *body, size_t len, char out[72])
{
    unsigned char digest[CRYPTO_SHA256_LEN];

    crypto_hmac_sha256(secret_reveal(secret), secret_len(secret), body, len, digest);
    expected_header(digest, out);
}
