/* Small numbers by key, each for a while, in this process. Safe from any thread. */
#ifndef MUSTER_PROVIDERS_COMMON_MEMO_H
#define MUSTER_PROVIDERS_COMMON_MEMO_H

#include "server/base/cache.h"

struct cache *memo_new(void); /* cache_free ends it, cache_drop forgets a key */
bool memo_get(struct cache *c, const char *key, size_t *out);
int memo_set(struct cache *c, const char *key, size_t n, int64_t keep_ms, struct err *e) MUST_USE;

#endif
