#include "providers/common/places.h"

#include "providers/common/memo.h"

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

/* Does this refusal speak of this place only? */
static bool is_local(const struct places *p, const struct err *e)
{
    return e->kind == ERR_CAPACITY || (p->own_limits && e->kind == ERR_QUOTA);
}

/* Of two refusals, the one to report: room may come by itself, soonest where it is remembered for the shortest time. */
static void keep_hopeful(struct err *kept, const struct err *e)
{
    int shortest_s =
        kept->kind == e->kind && kept->retry_after_s < e->retry_after_s ? kept->retry_after_s : e->retry_after_s;

    if (kept->kind == ERR_CAPACITY && e->kind == ERR_QUOTA)
        return;
    *kept = *e;
    kept->retry_after_s = shortest_s;
}

int places_try(const struct places *p, struct err *e)
{
    struct err kept = {.kind = ERR_NONE};
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
        if (!is_local(p, e))
            return -1;
        keep_hopeful(&kept, e);
        if (place + 1 >= p->n)
            break;
    }
    cache_drop(p->memo, p->token, NULL); /* refused everywhere: the next time begins with the first */
    *e = kept;
    return -1;
}
