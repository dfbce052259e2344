/*
 * A set of 128-bit ids in memory: 16 bytes and a little for each. One thread.
 *
 * It forgets in halves: idset_age drops what was added before the last idset_age, and keeps the rest.
 */
#ifndef MUSTER_STORE_IDSET_H
#define MUSTER_STORE_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id128 {
    uint64_t hi, lo;
};

struct idset;

struct idset *idset_new(void);
void idset_free(struct idset *s); /* accepts NULL */

bool idset_add(struct idset *s, struct id128 id); /* false: it was there */
bool idset_has(const struct idset *s, struct id128 id);
void idset_remove(struct idset *s, struct id128 id); /* nothing happens when it is not there */
void idset_age(struct idset *s);
size_t idset_count(const struct idset *s);

#endif
