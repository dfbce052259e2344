#include "tests/chaos/chaos.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <string.h>

/* Does a come before b? */
static bool before(const struct agenda_entry *a, const struct agenda_entry *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

void agenda_add(struct chaos *c, int64_t in_ms, chaos_fn *fn, int64_t n)
{
    struct agenda *a = &c->agenda;
    struct agenda_entry e = {clock_mono_ms() + (in_ms > 0 ? in_ms : 0), a->seq++, fn, n};
    size_t i = a->n;

    if (a->n == a->cap) {
        a->cap = a->cap > 0 ? 2 * a->cap : 64;
        a->list = mem_realloc_array(a->list, a->cap, sizeof(*a->list));
    }
    for (; i > 0 && before(&a->list[i - 1], &e); i--)
        a->list[i] = a->list[i - 1];
    a->list[i] = e;
    a->n++;
}

int64_t agenda_due_ms(const struct chaos *c)
{
    return c->agenda.n > 0 ? c->agenda.list[c->agenda.n - 1].at_ms : -1;
}

void agenda_run(struct chaos *c)
{
    struct agenda *a = &c->agenda;

    while (a->n > 0 && a->list[a->n - 1].at_ms <= clock_mono_ms()) {
        struct agenda_entry e = a->list[--a->n];

        e.fn(c, e.n);
    }
}

void agenda_clear(struct chaos *c)
{
    free(c->agenda.list);
    memset(&c->agenda, 0, sizeof(c->agenda));
}
