/*
 * The few cryptographic operations the daemon needs, all by OpenSSL 3. Handles may be shared by threads unless said.
 */
#ifndef MUSTER_BASE_CRYPTO_H
#define MUSTER_BASE_CRYPTO_H

#include "server/base/secret.h"

#include <stdint.h>

#define CRYPTO_SHA256_LEN 32

void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                        unsigned char out[CRYPTO_SHA256_LEN]);

/* HMAC over a body that arrives in pieces. One key schedule, many messages: begin, add..., end. One thread. */
struct crypto_hmac;
struct crypto_hmac *crypto_hmac_new(const void *key, size_t key_len);
void crypto_hmac_free(struct crypto_hmac *h); /* accepts NULL */
void crypto_hmac_begin(struct crypto_hmac *h);
void crypto_hmac_add(struct crypto_hmac *h, const void *data, size_t len);
void crypto_hmac_end(struct crypto_hmac *h, unsigned char out[CRYPTO_SHA256_LEN]);

/* Equal, in time that depends on len alone. */
bool crypto_equal(const void *a, const void *b, size_t len);
/* The same of two secrets, whose lengths may show; NULL equals NULL and "". */
bool crypto_same(const struct secret *a, const struct secret *b);

void crypto_random(void *out, size_t len); /* ends the process when the system has no randomness */

/* An RSA private key in PEM: PKCS#1 or PKCS#8, real newlines or the two characters "\n" (environment variables).
 * `what` names it in errors ("github.private_key_file /etc/muster/app.pem"). */
struct crypto_key;
int crypto_key_parse(const struct secret *pem, const char *what, struct crypto_key **out, struct err *e) MUST_USE;
/* The same when it may be protected by a pass phrase; NULL = there is none. One that is not needed does no harm. */
int crypto_key_unlock(const struct secret *pem, const struct secret *pass_phrase, const char *what,
                      struct crypto_key **out, struct err *e) MUST_USE;
struct crypto_key *crypto_key_generate(void);                        /* a new RSA key of 2,048 bits */
void crypto_key_public(const struct crypto_key *k, struct buf *out); /* appends its SubjectPublicKeyInfo in DER */
void crypto_key_free(struct crypto_key *k);                          /* accepts NULL */
/* RSASSA-PKCS1-v1_5 with SHA-256; the signature's raw bytes are appended to out. */
int crypto_rs256(const struct crypto_key *k, const void *data, size_t len, struct buf *out, struct err *e) MUST_USE;
/* A 32-byte key for sealing, derived from the private key (HKDF-SHA256, info = purpose). */
void crypto_key_derive(const struct crypto_key *k, const char *purpose, unsigned char out[32]);

/* An SSH public key of RSA ("ssh-rsa AAAA...") whose private half is thrown away here: for clouds that want a key of
 * machines that nobody shall enter. Takes about 0.1 s. */
void crypto_orphan_ssh_key(struct buf *out);

/* AES-256-GCM with a random nonce: nonce || tag || ciphertext in base64. `context` is authenticated with it, so that a
 * sealed text cannot be moved to another row. */
int crypto_seal(const unsigned char key[32], const char *context, const struct secret *plain, struct buf *out,
                struct err *e) MUST_USE;
int crypto_open(const unsigned char key[32], const char *context, const char *sealed, struct secret **out,
                struct err *e) MUST_USE;

#endif
