/* What keeps the store itself in order, and what is asked of it when it is not: part of the store, for the engine. */
#ifndef MUSTER_STORE_UPKEEP_H
#define MUSTER_STORE_UPKEEP_H

#include "server/store/store.h"

/* What it takes on disk: the database, of that what is free for what comes, and its log. */
struct store_size {
    int64_t bytes, free_bytes, log_bytes;
};
int store_size(struct store *s, struct store_size *out, struct err *e) MUST_USE;

/* The wall clock was set while the process ran. Tasks under way keep their leases, those to come and what else is due
 * keep their distance, deadlines of machines and what was noted of them too. */
struct store_leap {
    int64_t by_ms;          /* 0: only leases are void, the process stood still */
    int64_t now_ms;         /* what it shows */
    int64_t since_ms;       /* what it would have shown at the last look that found it right: it was set after that */
    int64_t lease_until_ms; /* of tasks under way */
};
int store_leap(struct store_tx *t, const struct store_leap *l, struct err *e) MUST_USE;
/* At a start: it may have been set back while nobody looked, nobody knows by how much. What was written down as later
 * than now was not: it becomes now, with the deadlines that count from it. What is due after latest_ms becomes due now.
 * *ahead_ms: how much later than now a live machine was launched by its record; 0 = none. (Set forwards, it cannot be
 * told from time that passed.) */
int store_leap_at_start(struct store_tx *t, int64_t now_ms, int64_t latest_ms, int64_t *ahead_ms,
                        struct err *e) MUST_USE;
/* Up to n machines that are ENDING and whose cloud has not been told yet, by name, after this one. */
int store_machines_unended(struct store_tx *t, const char *after, int64_t n, store_machine_fn *each, void *arg,
                           struct err *e) MUST_USE;

#endif
