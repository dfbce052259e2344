#include "providers/common/bearer.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

#define KEY "token"
#define EARLY_MS ((int64_t)5 * 60 * 1000)

struct bearer {
    struct cache *cache;
    bearer_ask_fn *ask;
    void *arg;
};

static void free_value(void *value)
{
    secret_free(value);
}

struct bearer *bearer_new(bearer_ask_fn *ask, void *arg)
{
    struct bearer *t = mem_zalloc(sizeof(*t));

    t->cache = cache_new(1, free_value);
    t->ask = ask;
    t->arg = arg;
    return t;
}

void bearer_free(struct bearer *t)
{
    if (t == NULL)
        return;
    cache_free(t->cache);
    free(t);
}

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct bearer *t = arg;
    struct secret *token = NULL;
    int64_t now = clock_now_ms(), expires_ms = 0, life_ms;

    (void)key;
    if (t->ask(t->arg, &token, &expires_ms, e))
        return -1;
    life_ms = expires_ms - now;
    out->value = token;
    out->expires_ms = expires_ms - (life_ms > 2 * EARLY_MS ? EARLY_MS : life_ms / 2);
    return 0;
}

int bearer_get(struct bearer *t, struct cache_ref **out, struct err *e)
{
    return cache_get(t->cache, KEY, fill, t, out, e);
}

void bearer_drop(struct bearer *t, const struct secret *refused)
{
    cache_drop(t->cache, KEY, refused);
}

static int add_bearer(const struct secret *token, struct rest_headers *out, struct err *e)
{
    AUTO_SECRET struct secret *line = NULL;
    struct buf text = BUF_INIT((size_t)64 * 1024);

    buf_addf(&text, "Bearer %s", secret_reveal(token));
    if (secret_from_buf(&text, &line, e))
        return err_wrap(e, "the access token");
    rest_header_add(out, "Authorization", secret_reveal(line));
    return 0;
}

int bearer_fixed(void *secret, const struct rest_call *call, const char *url, const char *text, size_t len,
                 const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    (void)call;
    (void)url;
    (void)text;
    (void)len;
    (void)refused;
    return add_bearer(secret, out, e);
}

/* Is it the token that those headers carried? */
static bool was_sent(const struct rest_headers *sent, const struct secret *token)
{
    const char *line = secret_reveal(sent->n > 0 ? sent->values[0] : NULL);
    AUTO_SECRET struct secret *bare = text_has_prefix(line, "Bearer ") ? secret_new(line + 7, strlen(line + 7)) : NULL;

    return bare != NULL && crypto_same(bare, token);
}

int bearer_auth(void *bearer, const struct rest_call *call, const char *url, const char *text, size_t len,
                const struct rest_headers *refused, struct rest_headers *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL, *fresh = NULL;
    struct bearer *t = bearer;

    (void)call;
    (void)url;
    (void)text;
    (void)len;
    if (bearer_get(t, &ref, e))
        return -1;
    if (refused == NULL || !was_sent(refused, cache_value(ref)))
        return add_bearer(cache_value(ref), out, e);
    bearer_drop(t, cache_value(ref));
    return bearer_get(t, &fresh, e) ? -1 : add_bearer(cache_value(fresh), out, e);
}
