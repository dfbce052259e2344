/*
 * The OAuth 2.0 exchanges by which clouds hand out access tokens: client credentials (RFC 6749 section 4.4), the JWT
 * bearer grant (RFC 7523), a refresh token, and the metadata services of Google's and Microsoft's machines, which
 * answer in the same form: {"access_token", "expires_in" (a number, or a number as text)}.
 *
 * Refusals {"error": CODE, "error_description"} are ERR_AUTH (invalid_grant: check the clock); others as rest.h says.
 * No retries, no cache (bearer.h).
 */
#ifndef MUSTER_PROVIDERS_COMMON_OAUTH2_H
#define MUSTER_PROVIDERS_COMMON_OAUTH2_H

#include "providers/common/rest.h"
#include "server/base/crypto.h"

struct oauth2 { /* borrowed for the call */
    struct httpc *http;
    const char *cloud;               /* begins error texts */
    const char *token_url;           /* absolute */
    const struct secret *secret;     /* masked in error texts; NULL = none */
    const struct secret *secret_too; /* one more; NULL = none */
    int timeout_ms;                  /* 0 = 30,000 */
};

/* POST a form, of which the token is the answer. expires_ms: wall clock. The caller frees *token. */
int oauth2_post(const struct oauth2 *o, const struct buf *form, struct secret **token, int64_t *expires_ms,
                struct err *e) MUST_USE;

/* GET it from a metadata service; header: what it wants to see ("Metadata-Flavor: Google"). Nobody there is ERR_AUTH:
 * off that cloud nobody answers, however often it is asked. */
int oauth2_metadata(const struct oauth2 *o, const struct httpc_header *header, struct secret **token,
                    int64_t *expires_ms, struct err *e) MUST_USE;

/* Forms: append a parameter, escaped. */
void oauth2_form_add(struct buf *form, const char *name, const char *value);

/* grant_type=client_credentials with client_id, client_secret and scope. */
int oauth2_client_credentials(const struct oauth2 *o, const char *client_id, const struct secret *client_secret,
                              const char *scope, struct secret **token, int64_t *expires_ms, struct err *e) MUST_USE;

/* grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer: a JWT of an hour by the key of `issuer`, for the token_url or
 * `audience` (NULL = token_url). kid NULL = none. */
struct oauth2_issuer {
    const char *issuer, *kid, *audience, *scope;
    const struct crypto_key *key;
};
int oauth2_jwt_bearer(const struct oauth2 *o, const struct oauth2_issuer *i, struct secret **token, int64_t *expires_ms,
                      struct err *e) MUST_USE;

#endif
