#include "server/engine/price.h"

#include "server/base/cache.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

#define KEPT_MAX 2048
#define LIST_MS ((int64_t)60 * 60 * 1000)
#define MARKET_MS ((int64_t)5 * 60 * 1000)
#define SILENT_MS ((int64_t)60 * 1000)

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

/* Never fails: not to know a price is an answer too. */
static int ask(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct question *q = arg;
    int64_t now = clock_now_ms();
    struct err cause;
    double usd = -1;

    (void)key;
    (void)e;
    *out = (struct cache_fill){.value = NULL, .expires_ms = now + (is_market(q->s) ? MARKET_MS : LIST_MS)};
    if (q->ops->price(q->provider, q->s, &usd, &cause)) {
        log_warn(EV("price.unknown"), FS("cloud", q->s->cloud), FS("region", q->s->region),
                 FS("instance_type", q->s->instance_type), FE(&cause));
        out->expires_ms = now + SILENT_MS;
        return 0;
    }
    if (usd >= 0) {
        double *kept = mem_zalloc(sizeof(*kept));

        *kept = usd;
        out->value = kept;
    }
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

double prices_get(struct prices *p, const struct provider_ops *ops, struct provider *provider,
                  const struct machine_spec *s)
{
    struct question q = {ops, provider, s};
    AUTO_BUF struct buf text = BUF_INIT((size_t)64 * 1024);
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const double *usd;
    const char *key;
    struct err ignored;

    if (strcmp(s->cloud, "on_prem") == 0)
        return 0;
    if (p == NULL || ops == NULL || ops->price == NULL || make_key(s, &text, &key, &ignored) ||
        cache_get(p->kept, key, ask, &q, &ref, &ignored))
        return -1;
    usd = cache_value(ref);
    return usd != NULL ? *usd : -1;
}
