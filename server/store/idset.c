#include "server/store/idset.h"

#include "server/base/mem.h"

#include <stdlib.h>

#define MIN_SLOTS ((size_t)256)

/* Open addressing with linear probing, at most three quarters full. All zero = free slot, so the id of all zeros is
 * kept as another one. */
struct table {
    struct id128 *slots;
    size_t cap, n; /* cap is a power of two, or 0 */
};

struct idset {
    struct table young, old;
};

static bool is_free(struct id128 id)
{
    return id.hi == 0 && id.lo == 0;
}

static bool same(struct id128 a, struct id128 b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

static struct id128 storable(struct id128 id)
{
    if (is_free(id))
        id.lo = 1;
    return id;
}

/* Ids may be made from a clock, so that only some of their bits vary: mix them all. */
static size_t home(const struct table *t, struct id128 id)
{
    uint64_t h = id.hi * UINT64_C(0x9E3779B97F4A7C15) ^ id.lo;

    h = (h ^ (h >> 32)) * UINT64_C(0xD6E8FEB86659FD93);
    return (size_t)(h ^ (h >> 32)) & (t->cap - 1);
}

/* The slot of id, or the free one where it would go. */
static size_t find(const struct table *t, struct id128 id)
{
    size_t i = home(t, id);

    while (!is_free(t->slots[i]) && !same(t->slots[i], id))
        i = (i + 1) & (t->cap - 1);
    return i;
}

static bool table_has(const struct table *t, struct id128 id)
{
    return t->cap > 0 && !is_free(t->slots[find(t, id)]);
}

static void grow(struct table *t)
{
    struct table bigger = {.cap = t->cap > 0 ? t->cap * 2 : MIN_SLOTS, .n = t->n};

    bigger.slots = mem_calloc(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < t->cap; i++) {
        if (!is_free(t->slots[i]))
            bigger.slots[find(&bigger, t->slots[i])] = t->slots[i];
    }
    free(t->slots);
    *t = bigger;
}

static void table_add(struct table *t, struct id128 id)
{
    if (t->n + 1 > t->cap / 4 * 3)
        grow(t);
    t->slots[find(t, id)] = id;
    t->n++;
}

/* Close the gap, so that no probe stops short at it. */
static void table_remove(struct table *t, struct id128 id)
{
    size_t mask = t->cap - 1, gap = find(t, id);

    for (size_t i = (gap + 1) & mask; !is_free(t->slots[i]); i = (i + 1) & mask) {
        if (((i - home(t, t->slots[i])) & mask) >= ((i - gap) & mask)) {
            t->slots[gap] = t->slots[i];
            gap = i;
        }
    }
    t->slots[gap] = (struct id128){0, 0};
    t->n--;
}

struct idset *idset_new(void)
{
    return mem_zalloc(sizeof(struct idset));
}

void idset_free(struct idset *s)
{
    if (s == NULL)
        return;
    free(s->young.slots);
    free(s->old.slots);
    free(s);
}

bool idset_has(const struct idset *s, struct id128 id)
{
    id = storable(id);
    return table_has(&s->young, id) || table_has(&s->old, id);
}

bool idset_add(struct idset *s, struct id128 id)
{
    if (idset_has(s, id))
        return false;
    table_add(&s->young, storable(id));
    return true;
}

void idset_remove(struct idset *s, struct id128 id)
{
    id = storable(id);
    if (table_has(&s->young, id))
        table_remove(&s->young, id);
    else if (table_has(&s->old, id))
        table_remove(&s->old, id);
}

void idset_age(struct idset *s)
{
    free(s->old.slots);
    s->old = s->young;
    s->young = (struct table){NULL, 0, 0};
}

size_t idset_count(const struct idset *s)
{
    return s->young.n + s->old.n;
}
