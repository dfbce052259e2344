/*
 * Reclaimed spot. A job whose machine the cloud took back fails at GitHub through no fault of its own; where its runner
 * says `muster: {rerun_interrupted: N}` it is run again, at most N times, once its run has ended.
 *
 * What is known: the interruption is stored in the transaction in which the machine is found lost (or, when the runner
 * had time to fail the job first, before its machine is ended); one task per run waits for the end of the run and looks
 * at GitHub. Nothing is run again that succeeded, that a person cancelled or ran again himself, or whose run is gone.
 *
 * How: when all that failed in the attempt was interrupted, by "re-run failed jobs", which also takes what fail-fast
 * cancelled because of it; when something else failed too, by re-running one interrupted job, and the next one when
 * that attempt has ended (github/rerun.h says why). The intent is stored before the request; after a lost answer the
 * run's attempt tells whether it happened.
 *
 * From the second interruption on without spot: rerun_plan changes the candidates of a job that was interrupted twice
 * or more before.
 */
#ifndef MUSTER_ENGINE_RERUN_H
#define MUSTER_ENGINE_RERUN_H

#include "server/engine/engine_int.h"
#include "server/store/store_rerun.h"

/* A busy machine was found lost. That is an interruption when the cloud says that it took it back, and when it was spot
 * and is gone without a word. Inside the transaction. */
int rerun_interrupted_tx(struct store_tx *t, struct engine *g, const struct machine *m, enum machine_loss loss,
                         int64_t now_ms, struct err *e) MUST_USE;
/* A machine is about to be ended after its job failed: did its end come first? Asks the cloud, where a re-run depends
 * on it; what cannot be learned is no interruption. */
int rerun_before_end(struct engine *g, const struct machine *m, struct err *e) MUST_USE;
/* A job of this run completed. Inside the transaction. */
int rerun_job_done_tx(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e) MUST_USE;

/* TASK_RERUN: the subject is the run. */
int rerun_run(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- rerun_plan.c: leave spot out of the plan of a job that was interrupted twice before: other candidates if there
 * are any, else the same on demand. *times: how often it was; 0 = the plan is as it was. */
int rerun_plan(struct engine *g, const struct job *j, char **plan, int *times, struct err *e) MUST_USE;
/* The timeline says so. */
int rerun_unspotted_tx(struct store_tx *t, int64_t job_id, int times, int64_t now_ms, struct err *e) MUST_USE;

#endif
