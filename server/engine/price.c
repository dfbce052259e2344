#include "server/engine/price.h"

#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

#define KEPT_MAX 2048
#define LIST_MS ((int64_t)60 * 60 * 1000)
#define MARKET_MS ((int64_t)5 * 60 * 1000)

struct prices {
    struct cache *kept; /* double; NULL = the cloud does not tell */
};

struct prices *prices_new(void)
{
    struct prices *p = mem_zalloc(sizeof(*p));

    p->kept = cache_new(KEPT_MAX, free);
    return p;
}

void prices_free(struct prices *p)
{
    if (p == NULL)
        return;
    cache_free(p->kept);
    free(p);
}

struct question {
    const struct provider_ops *ops;
    struct provider *provider;
    const struct machine_spec *s;
};

static bool is_market(const struct machine_spec *s)
{
    return s->spot || strcmp(s->cloud, "vast_ai") == 0;
}

static int ask(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct question *q = arg;
    double usd = -1, *kept = NULL;

    (void)key;
    if (q->ops->price(q->provider, q->s, &usd, e))
        return err_wrap(e, "what it costs could not be asked for");
    if (usd >= 0) {
        kept = mem_zalloc(sizeof(*kept));
        *kept = usd;
    }
    *out = (struct cache_fill){.value = kept, .expires_ms = clock_now_ms() + (is_market(q->s) ? MARKET_MS : LIST_MS)};
    return 0;
}

/* Whatever a price may depend on. */
static int make_key(const struct machine_spec *s, struct buf *out, const char **key, struct err *e)
{
    AUTO_FREE char *extra = s->extra != NULL ? json_dumps(s->extra, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    const char *const parts[] = {s->cloud, s->region, s->instance_type, s->os, extra};

    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        buf_addf(out, "%s\n", parts[i] != NULL ? parts[i] : "");
    buf_addf(out, "%d %d %d", s->spot ? 1 : 0, s->gpus, s->gpu_memory_gb);
    return buf_str(out, key, e);
}

double prices_known(const struct machine_spec *s)
{
    return strcmp(s->cloud, "on_prem") == 0 ? 0 : -1;
}

int prices_get(struct prices *p, const struct provider_ops *ops, struct provider *provider,
               const struct machine_spec *s, double *usd, struct err *e)
{
    struct question q = {ops, provider, s};
    AUTO_BUF struct buf text = BUF_INIT((size_t)64 * 1024);
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const double *known;
    const char *key;

    *usd = prices_known(s);
    if (*usd >= 0 || p == NULL || ops == NULL || ops->price == NULL)
        return 0;
    if (make_key(s, &text, &key, e) || cache_get(p->kept, key, ask, &q, &ref, e))
        return -1;
    known = cache_value(ref);
    *usd = known != NULL ? *known : -1;
    return 0;
}
