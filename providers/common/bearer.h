/*
 * An access token that expires: asked for by one thread while the others wait, kept until five minutes before its end
 * (of a short life: until half of it is over). Safe from any thread.
 */
#ifndef MUSTER_PROVIDERS_COMMON_BEARER_H
#define MUSTER_PROVIDERS_COMMON_BEARER_H

#include "providers/common/rest.h"
#include "server/base/cache.h"

/* Get a new one. expires_ms: wall clock. The caller frees *token. */
typedef int bearer_ask_fn(void *arg, struct secret **token, int64_t *expires_ms, struct err *e);

struct bearer;
struct bearer *bearer_new(bearer_ask_fn *ask, void *arg);
void bearer_free(struct bearer *t); /* accepts NULL */

/* cache_value(*out) is a const struct secret; give it back with cache_release. */
int bearer_get(struct bearer *t, struct cache_ref **out, struct err *e) MUST_USE;
/* That one was refused: the next get asks anew. */
void bearer_drop(struct bearer *t, const struct secret *refused);

/* A rest_auth_fn over a struct bearer: "Authorization: Bearer ...", once more with a new one after a refusal. */
int bearer_auth(void *bearer, const struct rest_call *call, const char *url, const char *text, size_t len,
                const struct rest_headers *refused, struct rest_headers *out, struct err *e) MUST_USE;

/* A rest_auth_fn over a const struct secret: a token that never changes. */
int bearer_fixed(void *secret, const struct rest_call *call, const char *url, const char *text, size_t len,
                 const struct rest_headers *refused, struct rest_headers *out, struct err *e) MUST_USE;

#endif
