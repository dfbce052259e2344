/*
 * What the store forgets, and why it never grows without end: one row for each table of the schema. A table has a rule,
 * or a reason for which it needs none; a test holds this list against the schema.
 *
 * Nothing is forgotten that a live job, machine, task or report needs: a job goes when it ended, none of its machines
 * lives, no task speaks of it and it is not to be run again, with its timeline, its attempts and its cause; a machine
 * when it is gone and its job has ended; a report when its jobs went.
 */
#ifndef MUSTER_STORE_RETAIN_H
#define MUSTER_STORE_RETAIN_H

#include "server/store/store.h"

/* How `pick` takes its first parameter. */
enum retain_age {
    RETAIN_BY_MS,      /* the time before which a row is old */
    RETAIN_BY_RUN,     /* the same, but no sooner than a run of GitHub's can be over */
    RETAIN_BY_DELIVERY /* the id of a delivery that came then; ids are kept for a week, whatever the settings say */
};

#define RETAIN_REMOVES 5

struct retain_rule {
    const char *table;
    const char *bounded; /* why the table stays small by itself; NULL = by what follows */
    enum retain_age age;
    const char *pick;                   /* the oldest keys that may go: $1 = age, $2 = how many at most; by an index */
    const char *remove[RETAIN_REMOVES]; /* what goes with a key ($1), a bounded number of rows each; its own row last */
};
const struct retain_rule *store_retain_rules(size_t *n);

/* Forget up to max keys of one rule that are older than before_ms. *more: there may be others; *rows: what went. */
int store_retain(struct store_tx *t, const struct retain_rule *rule, int64_t now_ms, int64_t before_ms, int64_t max,
                 int64_t *rows, bool *more, struct err *e) MUST_USE;

#endif
