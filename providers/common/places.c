#include "providers/common/places.h"

#include "providers/common/memo.h"

#include <limits.h>

#define PROGRESS_KEPT_MS ((int64_t)60 * 60 * 1000)

/* Where to begin, unless it is found that nothing is to be done. */
static int resume(const struct places *p, size_t *place, bool *found, struct err *e)
{
    *place = 0;
    if (p->n < 2 || p->first_try)
        return 0;
    if (memo_get(p->memo, p->token, place)) {
        *place = *place < p->n ? *place : 0; /* there are fewer by now */
        return 0;
    }
    return p->find(p->arg, found, e);
}

int places_try(const struct places *p, struct err *e)
{
    int remember_s = INT_MAX;
    bool found = false;
    size_t place;

    if (resume(p, &place, &found, e))
        return -1;
    if (found)
        return 0;
    for (;; place++) {
        if (p->n > 1 && memo_set(p->memo, p->token, place, PROGRESS_KEPT_MS, e))
            return -1;
        if (p->attempt(p->arg, place, e) == 0)
            return 0;
        if (e->kind != ERR_CAPACITY)
            return -1;
        remember_s = e->retry_after_s < remember_s ? e->retry_after_s : remember_s;
        if (place + 1 >= p->n)
            break;
    }
    cache_drop(p->memo, p->token, NULL); /* refused everywhere: the next time begins with the first */
    e->retry_after_s = remember_s;       /* of the place that may have room soonest */
    return -1;
}
