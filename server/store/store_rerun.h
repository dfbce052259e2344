/*
 * Jobs whose machine was taken back while they ran, and what came of running them again (engine/rerun.h). One row per
 * job of GitHub's: a re-run is a new job there, known by its run and its name.
 */
#ifndef MUSTER_STORE_STORE_RERUN_H
#define MUSTER_STORE_STORE_RERUN_H

#include "server/store/store.h"

/* WAITS: for the end of its run. ASKED: the request to GitHub goes out, or went. DONE: it runs again. OVER: it is not
 * run again; `outcome` says why. Numbers are stored. */
enum rerun_state { RERUN_WAITS, RERUN_ASKED, RERUN_DONE, RERUN_OVER };

struct store_interruption { /* strings are never NULL */
    int64_t job_id, run_id, repo_id, installation_id;
    int64_t own_attempt; /* of the run: in which it was interrupted */
    int64_t attempt;     /* in which it stands and waits, or from which it was asked to be run again */
    int64_t at_ms;
    int nth;  /* this is the nth time that the job of this run was interrupted, from 1 */
    int most; /* so many times it is run again */
    enum rerun_state state;
    const char *repo, *name, *machine, *cloud; /* borrowed by a put; a row's own live for its callback */
    char outcome[16];                          /* a word; "" while it is open */
    char detail[400];                          /* the same for a person */
};

/* *put: it was not there yet. */
int store_interruption_put(struct store_tx *t, const struct store_interruption *i, bool *put, struct err *e) MUST_USE;
/* attempt, state, outcome and detail of the row of its job. */
int store_interruption_update(struct store_tx *t, const struct store_interruption *i, struct err *e) MUST_USE;
/* How often a job of this run and name was interrupted, this one (0 = none) not counted. */
int store_interruption_count(struct store_tx *t, int64_t run_id, const char *name, int64_t but_job_id, int64_t *out,
                             struct err *e) MUST_USE;
/* Is any of the run still open (WAITS or ASKED)? */
int store_interruption_is_open(struct store_tx *t, int64_t run_id, bool *open, struct err *e) MUST_USE;
/* How many of the attempts from `from` up to, not including, `to` were followed by one that we asked for. */
int store_interruption_reruns(struct store_tx *t, int64_t run_id, int64_t from, int64_t to, int64_t *out,
                              struct err *e) MUST_USE;
/* Open ones of a run by job id; all of a report, the oldest first. Strings are borrowed for the call. */
typedef int store_interruption_fn(void *arg, const struct store_interruption *i, struct err *e);
int store_interruptions_open(struct store_tx *t, int64_t run_id, store_interruption_fn *each, void *arg,
                             struct err *e) MUST_USE;
int store_interruptions_of_report(struct store_tx *t, int64_t report_id, store_interruption_fn *each, void *arg,
                                  struct err *e) MUST_USE;

#endif
