/*
 * A token bucket with a fair queue: who may call now, and for everybody else when exactly to ask again. Nobody waits
 * here: who is told a time comes back then, and keeps his place until then and a while longer.
 *
 * The queue goes by rank (the smaller the sooner), within a rank in turns through the groups: a call of a group with a
 * thousand waiting comes after the first of every other.
 *
 * When the other side says "too often" all the same, the rate is halved, once a second at most, and grows back slowly.
 *
 * Not safe from several threads: who shares one holds a lock. Time is the caller's, in milliseconds, and may be any
 * clock that does not go backwards.
 */
#ifndef MUSTER_BASE_BUDGET_H
#define MUSTER_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct budget;

/* burst 0: no limit, until the other side says so. In any minute at most burst + 60 * per_s tokens are spent. */
struct budget_rate {
    double per_s, burst;
};

struct budget_ask {
    uint64_t who;      /* names the call: the same when it asks again; 0 = it keeps no place */
    int64_t group;     /* whose it is */
    int rank;          /* 0 first, 2 last */
    double cost, keep; /* tokens it takes, and tokens that must be left after it */
};

struct budget *budget_new(const struct budget_rate *rate, int64_t now_ms);
void budget_free(struct budget *b); /* accepts NULL */

/* 0 = it may go now (and has to be spent); else for how long not, in ms, and its place is kept. */
int64_t budget_wait_ms(struct budget *b, const struct budget_ask *a, int64_t now_ms);
/* It goes. */
void budget_spend(struct budget *b, const struct budget_ask *a, int64_t now_ms);
/* Both: 0 = gone. */
int64_t budget_take_ms(struct budget *b, const struct budget_ask *a, int64_t now_ms);
/* The other side refused to listen: nothing goes for wait_ms, and slower from then on. */
void budget_throttled(struct budget *b, int64_t wait_ms, int64_t now_ms);

size_t budget_waiting(const struct budget *b); /* places kept */
double budget_share(const struct budget *b);   /* of the documented rate that is used now; 1 = all */

#endif
