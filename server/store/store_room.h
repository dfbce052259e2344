/* Room under the limits, and who waits for it: part of the store, for the engine and what shows it. */
#ifndef MUSTER_STORE_ROOM_H
#define MUSTER_STORE_ROOM_H

#include "server/store/store.h"

/* Machines that count against the limits: all that are not GONE, but for those that wait between two rounds of a launch
 * which found no capacity. */
struct store_room {
    int64_t machines, of_repo; /* in all; of this repository */
    int64_t full_since_ms;     /* when the launch was that has to be a minute old before the next; 0 = none has */
};
/* per_minute: how many machines may be made in a minute; 0 = no limit. */
int store_room(struct store_tx *t, int64_t repo_id, int64_t now_ms, int64_t per_minute, struct store_room *out,
               struct err *e) MUST_USE;

/* The queue: one row for each repository and label set of which `jobs` jobs wait for room; 0 takes it out. The row
 * knows since when the longest waiting of them does. */
int store_queue_put(struct store_tx *t, int64_t repo_id, const char *label_key, int64_t jobs, struct err *e) MUST_USE;
/* Whose turn it is: the repository with the fewest machines, of those that have fewer than `most` (0 = no limit); of
 * several the one that was given one the longest time ago; then who waits longest. The caller frees *label_key. */
int store_queue_next(struct store_tx *t, int64_t most, int64_t *repo_id, char **label_key, bool *found,
                     struct err *e) MUST_USE;
int store_queue_any(struct store_tx *t, bool *any, struct err *e) MUST_USE;
int store_queue_jobs(struct store_tx *t, int64_t repo_id, int64_t *jobs, struct err *e) MUST_USE; /* 0 = of all */
/* The n jobs that wait longest of those in the queue, without a machine of their own; plan_json is left out. */
typedef int store_job_fn(void *arg, const struct job *j, struct err *e);
int store_queue_each(struct store_tx *t, int64_t n, store_job_fn *each, void *arg, struct err *e) MUST_USE;
/* The newest job of a label set that has no machine of its own. */
int store_job_newest_unserved(struct store_tx *t, int64_t repo_id, const char *label_key, struct job *out, bool *found,
                              struct err *e) MUST_USE;
/* Every repository and label set with jobs that want a machine; label_key is the callback's for the call only. */
typedef int store_demand_fn(void *arg, int64_t repo_id, const char *label_key, struct err *e);
int store_demands(struct store_tx *t, store_demand_fn *each, void *arg, struct err *e) MUST_USE;
/* The machine that nobody has waited for the longest, before BUSY, of any repository. */
int store_machine_surplus(struct store_tx *t, struct machine *out, bool *found, struct err *e) MUST_USE;
/* What that is decided by, of each repository with jobs in the queue. Nothing else may be read or written by each. */
struct store_turn {
    int64_t repo_id, machines, served_ms;
};
typedef int store_turn_fn(void *arg, const struct store_turn *turn, struct err *e);
int store_queue_turns(struct store_tx *t, store_turn_fn *each, void *arg, struct err *e) MUST_USE;

#endif
