#include "server/base/budget.h"

#include "server/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 8192
#define LATE_MS 2000         /* who does not come back so long after his time lets others pass, */
#define GONE_MS 60000        /* and so long after it has lost his place */
#define SLOWER_EVERY_MS 1000 /* many calls under way meet one limit: they count once */
#define FASTER_EVERY_MS 10000
#define FASTER 1.2
#define SLOWEST (1.0 / 128)
#define RECENT_MS 10000        /* what "so many calls a second" means where no limit was known */
#define OPEN_RATE 64.0         /* beyond so many a second there is no limit again */
#define OPEN_SLOWEST (1.0 / 4) /* calls a second */

#define RANKS 3

/* Start-time fair queueing (Goyal, Vin, Cheng 1996), each call counting alike: a call's tag is one more than that of
 * its group's last, or of who went last. */
struct place {
    uint64_t who;
    size_t group; /* index */
    int64_t tag, due_ms;
    double cost;
};

struct group { /* of one rank */
    int64_t id;
    int rank;
    int64_t last_tag;
    size_t places; /* 0 = the slot is free */
};

struct budget {
    struct budget_rate rate;
    double level, share; /* share: of the rate, 1 = all of it */
    double biggest;      /* the dearest call so far: the bucket holds at least that */
    int64_t at_ms, shut_ms, slowed_ms, grown_ms;
    bool open; /* no limit, as far as is known */
    int64_t recent_from_ms;
    double recent;
    int64_t went_tag[RANKS];
    struct place *places; /* in the order of their coming */
    size_t n, cap;
    struct group *groups;
    size_t n_groups;
};

struct budget *budget_new(const struct budget_rate *rate, int64_t now_ms)
{
    struct budget *b = mem_zalloc(sizeof(*b));

    b->rate = *rate;
    b->share = 1;
    b->level = rate->burst;
    b->at_ms = b->grown_ms = b->recent_from_ms = now_ms;
    b->shut_ms = b->slowed_ms = INT64_MIN;
    b->open = rate->burst <= 0;
    return b;
}

void budget_free(struct budget *b)
{
    if (b == NULL)
        return;
    free(b->places);
    free(b->groups);
    free(b);
}

size_t budget_waiting(const struct budget *b)
{
    return b->n;
}

double budget_share(const struct budget *b)
{
    return b->share;
}

/* --- level ------------------------------------------------------------------------------------------------------ */

static double per_ms(const struct budget *b)
{
    return b->rate.per_s * b->share / 1000;
}

static double size_of(const struct budget *b)
{
    double burst = b->rate.burst > 0 ? b->rate.burst : b->rate.per_s; /* a limit that was learnt: a second's worth */

    return fmax(burst * b->share, b->biggest);
}

static void grow(struct budget *b, int64_t now_ms)
{
    for (; b->share < 1 && now_ms - b->grown_ms >= FASTER_EVERY_MS; b->grown_ms += FASTER_EVERY_MS)
        b->share = fmin(1, b->share * FASTER);
    if (b->share >= 1) {
        b->grown_ms = now_ms;
        b->open = b->open || b->rate.burst <= 0;
    }
}

static void refill(struct budget *b, int64_t now_ms)
{
    if (now_ms > b->at_ms) {
        if (!b->open)
            b->level = fmin(size_of(b), b->level + (double)(now_ms - b->at_ms) * per_ms(b));
        b->at_ms = now_ms;
    }
    grow(b, now_ms);
}

/* --- places ------------------------------------------------------------------------------------------------------- */

/* n_groups = it has no place. */
static size_t group_of(const struct budget *b, const struct budget_ask *a)
{
    size_t i = 0;

    while (i < b->n_groups && (b->groups[i].places == 0 || b->groups[i].id != a->group || b->groups[i].rank != a->rank))
        i++;
    return i;
}

static size_t group_slot(struct budget *b, const struct budget_ask *a)
{
    size_t i = group_of(b, a);

    if (i < b->n_groups)
        return i;
    for (i = 0; i < b->n_groups && b->groups[i].places > 0;)
        i++;
    if (i == b->n_groups)
        b->groups = mem_realloc_array(b->groups, ++b->n_groups, sizeof(*b->groups));
    b->groups[i] = (struct group){.id = a->group, .rank = a->rank};
    return i;
}

static void remove_place(struct budget *b, size_t i)
{
    b->groups[b->places[i].group].places--;
    b->n--;
    memmove(&b->places[i], &b->places[i + 1], (b->n - i) * sizeof(*b->places));
}

static void forget_gone(struct budget *b, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->places[i].due_ms + GONE_MS < now_ms)
            b->groups[b->places[i].group].places--;
        else
            b->places[kept++] = b->places[i];
    }
    b->n = kept;
}

/* n = it has none. */
static size_t place_of(const struct budget *b, uint64_t who)
{
    size_t i = who == 0 ? b->n : 0;

    while (i < b->n && b->places[i].who != who)
        i++;
    return i;
}

static int64_t tag_of(const struct budget *b, const struct budget_ask *a, size_t at)
{
    size_t group = at < b->n ? b->n_groups : group_of(b, a);
    int64_t last = group < b->n_groups ? b->groups[group].last_tag : 0;

    if (at < b->n)
        return b->places[at].tag;
    return (last > b->went_tag[a->rank] ? last : b->went_tag[a->rank]) + 1;
}

static void keep_place(struct budget *b, const struct budget_ask *a, size_t at, int64_t due_ms)
{
    struct place one = {.who = a->who, .tag = tag_of(b, a, at), .due_ms = due_ms, .cost = a->cost};

    if (at < b->n) {
        b->places[at].due_ms = due_ms;
        return;
    }
    if (a->who == 0 || b->n >= PLACES_MAX)
        return;
    if (b->n == b->cap) {
        b->cap = b->cap > 0 ? b->cap * 2 : 16;
        b->places = mem_realloc_array(b->places, b->cap, sizeof(*b->places));
    }
    one.group = group_slot(b, a);
    b->groups[one.group].places++;
    b->groups[one.group].last_tag = one.tag;
    b->places[b->n++] = one;
}

/* What those take who come before it. */
static double ahead_of(const struct budget *b, const struct budget_ask *a, size_t at, int64_t now_ms)
{
    int64_t tag = tag_of(b, a, at);
    double sum = 0;

    for (size_t i = 0; i < b->n; i++) {
        const struct place *p = &b->places[i];
        int rank = b->groups[p->group].rank;

        if (i != at && p->due_ms + LATE_MS >= now_ms &&
            (rank < a->rank || (rank == a->rank && (p->tag < tag || (p->tag == tag && i < at)))))
            sum += p->cost;
    }
    return sum;
}

/* --- asking ---------------------------------------------------------------------------------------------------------
 */

static int64_t missing_ms(const struct budget *b, const struct budget_ask *a, size_t at, int64_t now_ms)
{
    double keep = fmin(a->keep, fmax(0, size_of(b) - a->cost));
    double missing = ahead_of(b, a, at, now_ms) + a->cost + keep - b->level;

    return missing <= 1e-6 ? 0 : (int64_t)ceil(missing / per_ms(b) - 1e-6);
}

int64_t budget_wait_ms(struct budget *b, const struct budget_ask *a, int64_t now_ms)
{
    int64_t wait_ms = 0, shut_ms;
    size_t at;

    b->biggest = fmax(b->biggest, a->cost);
    refill(b, now_ms);
    forget_gone(b, now_ms);
    at = place_of(b, a->who);
    shut_ms = b->shut_ms > now_ms ? b->shut_ms - now_ms : 0;
    if (!b->open)
        wait_ms = missing_ms(b, a, at, now_ms);
    if (wait_ms < shut_ms)
        wait_ms = shut_ms;
    if (wait_ms > 0)
        keep_place(b, a, at, now_ms + wait_ms);
    return wait_ms;
}

void budget_spend(struct budget *b, const struct budget_ask *a, int64_t now_ms)
{
    size_t at = place_of(b, a->who);
    int64_t tag = tag_of(b, a, at);

    refill(b, now_ms);
    if (tag > b->went_tag[a->rank])
        b->went_tag[a->rank] = tag;
    if (at < b->n)
        remove_place(b, at);
    if (now_ms - b->recent_from_ms >= RECENT_MS) {
        b->recent_from_ms = now_ms;
        b->recent = 0;
    }
    b->recent += a->cost;
    if (!b->open) /* who went unasked, or before the limit was known, owes nothing */
        b->level = fmax(0, b->level - a->cost);
}

int64_t budget_take_ms(struct budget *b, const struct budget_ask *a, int64_t now_ms)
{
    int64_t wait_ms = budget_wait_ms(b, a, now_ms);

    if (wait_ms == 0)
        budget_spend(b, a, now_ms);
    return wait_ms;
}

/* Nothing was known of a limit: the half of what went out lately is taken for one. */
static void close_open(struct budget *b, int64_t now_ms)
{
    double s = fmax(1, (double)(now_ms - b->recent_from_ms) / 1000);

    b->open = false;
    b->rate.per_s = OPEN_RATE;
    b->share = fmin(0.5, fmax(b->recent / s / 2, OPEN_SLOWEST) / OPEN_RATE);
}

void budget_throttled(struct budget *b, int64_t wait_ms, int64_t now_ms)
{
    refill(b, now_ms);
    if (b->open)
        close_open(b, now_ms);
    else if (b->slowed_ms == INT64_MIN || now_ms - b->slowed_ms >= SLOWER_EVERY_MS)
        b->share = fmax(b->share / 2, b->rate.burst > 0 ? SLOWEST : OPEN_SLOWEST / OPEN_RATE);
    b->slowed_ms = b->grown_ms = now_ms;
    b->level = fmin(b->level, 0);
    if (b->shut_ms < now_ms + wait_ms)
        b->shut_ms = now_ms + wait_ms;
}
