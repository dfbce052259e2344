#include "providers/common/memo.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#define MEMO_ENTRIES 4096

struct cache *memo_new(void)
{
    return cache_new(MEMO_ENTRIES, free);
}

bool memo_get(struct cache *c, const char *key, size_t *out)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;

    if (!cache_peek(c, key, &ref))
        return false;
    *out = *(const size_t *)cache_value(ref);
    return true;
}

struct note {
    size_t n;
    int64_t keep_ms;
};

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct note *note = arg;
    size_t *n = mem_zalloc(sizeof(*n));

    (void)key;
    (void)e;
    *n = note->n;
    *out = (struct cache_fill){.value = n, .expires_ms = clock_now_ms() + note->keep_ms};
    return 0;
}

int memo_set(struct cache *c, const char *key, size_t n, int64_t keep_ms, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct note note = {.n = n, .keep_ms = keep_ms};

    cache_drop(c, key, NULL);
    return cache_get(c, key, fill, &note, &ref, e);
}
