/* A JSON Web Token signed with RS256 (RFC 7519, RFC 7515): compact form. */
#ifndef MUSTER_BASE_JWT_H
#define MUSTER_BASE_JWT_H

#include "server/base/crypto.h"
#include "server/base/json.h"

/* kid: the key's id in the header, NULL = none. The caller frees *out. */
int jwt_rs256(const struct crypto_key *k, const char *kid, const json_t *claims, struct secret **out,
              struct err *e) MUST_USE;

#endif
