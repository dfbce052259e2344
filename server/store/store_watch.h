/*
 * What looks at a machine that is up found out and the next look must know: one row for a machine of which there is
 * anything to know, until it is gone.
 */
#ifndef MUSTER_STORE_STORE_WATCH_H
#define MUSTER_STORE_STORE_WATCH_H

#include "server/store/store.h"

struct store_watch {
    enum machine_state state; /* that it was in at the last look, */
    int64_t since_ms;         /* and in at the first of those in a row; 0 = there was no look yet */
    int64_t gone_ms;          /* since when its cloud says that it is not there; 0 = it is */
    int64_t asked_ms;         /* when GitHub last told what its runner does */
    bool ask;                 /* something is odd: GitHub is to be asked at the next look */
    int64_t told;             /* a set of the engine's: what was said of it already */
};

/* All zero when there is no row. */
int store_watch_get(struct store_tx *t, const char *machine, struct store_watch *out, struct err *e) MUST_USE;
int store_watch_put(struct store_tx *t, const char *machine, const struct store_watch *w, struct err *e) MUST_USE;
/* Only `ask`, whatever else is known of it. */
int store_watch_ask(struct store_tx *t, const char *machine, struct err *e) MUST_USE;
int store_watch_drop(struct store_tx *t, const char *machine, struct err *e) MUST_USE;

/* The job is tried anew: machines that failed before do not count any more (store_machine_failures). */
int store_job_retried(struct store_tx *t, int64_t job_id, int64_t now_ms, struct err *e) MUST_USE;
/* How many events of this kind a job has since it was last tried anew. */
int store_events_since_retry(struct store_tx *t, int64_t job_id, const char *kind, int64_t *out,
                             struct err *e) MUST_USE;
/* Machines that were launched for a job beside this one, whatever became of them. */
int store_machine_others(struct store_tx *t, int64_t job_id, const char *name, int64_t *out, struct err *e) MUST_USE;

#endif
