/* What keeps the store itself in order, and what is asked of it when it is not: part of the store, for the engine. */
#ifndef MUSTER_STORE_UPKEEP_H
#define MUSTER_STORE_UPKEEP_H

#include "server/store/store.h"

/* What it takes on disk: the database, of that what is free for what comes, and its log. */
struct store_size {
    int64_t bytes, free_bytes, log_bytes;
};
int store_size(struct store *s, struct store_size *out, struct err *e) MUST_USE;

/* The wall clock was set by by_ms (0: only leases are void, the process stood still); seen_ms: what it showed when it
 * was last right. Tasks under way keep their leases until lease_until_ms, those to come keep their distance, deadlines
 * of machines too. */
int store_leap(struct store_tx *t, int64_t by_ms, int64_t seen_ms, int64_t lease_until_ms, struct err *e) MUST_USE;
/* What is due after latest_ms becomes due now: at a start, the clock may have been set back while nobody looked. */
int store_task_pull_in(struct store_tx *t, int64_t now_ms, int64_t latest_ms, struct err *e) MUST_USE;
/* Up to n machines that are ENDING and whose cloud has not been told yet, by name, after this one. */
int store_machines_unended(struct store_tx *t, const char *after, int64_t n, store_machine_fn *each, void *arg,
                           struct err *e) MUST_USE;

#endif
