/*
 * One launch over several places (subnets, availability domains): the next one is tried where there is no room in the
 * one before.
 *
 * A repetition must begin where the lost answer was: beginning anew could find room in an earlier place while the first
 * machine stands in a later one. This process remembers the place by token; for another process the cloud does, which
 * `find` asks. A first try has nothing to look for, nor has a launch with one place: there the token does it.
 */
#ifndef MUSTER_PROVIDERS_COMMON_PLACES_H
#define MUSTER_PROVIDERS_COMMON_PLACES_H

#include "server/base/cache.h"

struct places {         /* borrowed for the call */
    struct cache *memo; /* memo_new: token -> number of the place tried last */
    const char *token;
    size_t n; /* 0 counts as one */
    bool first_try;
    bool own_limits; /* each place has limits of its own: ERR_QUOTA too leads to the next one */
    int (*find)(void *arg, bool *found, struct err *e);     /* what an earlier try left; *found starts as false */
    int (*attempt)(void *arg, size_t place, struct err *e); /* same token and place, same machine */
    void *arg;
};

/* 0 once find or attempt have one. ERR_CAPACITY when no place had room, to be remembered for the shortest of their
 * times; ERR_QUOTA when all were at their limit; any other failure as it came. */
int places_try(const struct places *p, struct err *e) MUST_USE;

#endif
