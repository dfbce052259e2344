/*
 * Values that expire, filled by one thread while the others wait: tokens, credentials, files by commit, image ids.
 *
 * cache_get returns a fresh value or calls fill once; callers asking for the same key meanwhile wait and share the
 * result (also a failure, which is not kept unless the filler says so). Keys may hold anything but are not logged.
 *
 * Values are reference-counted: hold one with cache_get, give it back with cache_release. The least recently used go
 * when there are more than max_entries. Safe from any thread.
 */
#ifndef MUSTER_BASE_CACHE_H
#define MUSTER_BASE_CACHE_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache;

struct cache_fill {
    void *value;        /* filled by the filler; may be NULL ("known to be absent") */
    int64_t expires_ms; /* wall clock; a value is not handed out from then on; INT64_MAX = never */
};

/* Make the value for a key. Runs without any lock held; may block. */
typedef int cache_fill_fn(void *arg, const char *key, struct cache_fill *out, struct err *e);

/* free_value is called when the last reference is gone; accepts NULL values. */
struct cache *cache_new(size_t max_entries, void (*free_value)(void *value));
void cache_free(struct cache *c); /* accepts NULL; no value may still be held */

struct cache_ref;
int cache_get(struct cache *c, const char *key, cache_fill_fn *fill, void *arg, struct cache_ref **out,
              struct err *e) MUST_USE;
/* The value if it is there and fresh, without filling; false if not. */
bool cache_peek(struct cache *c, const char *key, struct cache_ref **out);
void *cache_value(const struct cache_ref *r);
void cache_release(struct cache_ref *r); /* accepts NULL */
void cache_release_ptr(struct cache_ref **r);
#define AUTO_CACHE_REF AUTO(cache_release_ptr)

/* Forget a key: the next get fills anew (a token that was refused). `if_value` not NULL: only if it is that value. */
void cache_drop(struct cache *c, const char *key, const void *if_value);

size_t cache_count(struct cache *c);

#endif
