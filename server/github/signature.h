/*
 * X-Hub-Signature-256: "sha256=" + 64 lower-case hex digits of HMAC-SHA256(secret, raw body).
 * Source: GitHub docs, "Validating webhook deliveries".
 *
 * The hash is computed while the body arrives, once per configured secret (rotation). One struct signature serves one
 * body at a time on one thread; keep them and begin again.
 */
#ifndef MUSTER_GITHUB_SIGNATURE_H
#define MUSTER_GITHUB_SIGNATURE_H

#include "server/base/secret.h"

struct signature;

struct signature *signature_new(const struct secret *const *secrets, size_t n); /* n >= 1; copies the keys */
void signature_free(struct signature *s);                                       /* accepts NULL */
void signature_begin(struct signature *s);
void signature_add(struct signature *s, const void *data, size_t len);
/* Does the header value (NULL = absent) match any secret? Constant time in the header's content; every secret is
 * compared. Exactly 71 characters, lower-case hex, prefix "sha256=". */
bool signature_end(struct signature *s, const char *header);

/* All at once; and making one, for simulators and tests. out holds 72 bytes. */
bool signature_verify(const struct secret *const *secrets, size_t n, const char *header, const void *body, size_t len);
void signature_make(const struct secret *secret, const void *body, size_t len, char out[72]);

#endif
