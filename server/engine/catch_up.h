/*
 * What GitHub knows and we do not, because an event was lost: TASK_CATCH_UP. Private to the engine.
 *
 *   catch_up.c        the App's delivery log: what nobody answered is asked for again
 *   catch_up_jobs.c   a look at repositories from which jobs came lately, and at single jobs
 *   catch_up_reach.c  installations that are suspended or gone, repositories that are out of sight
 *
 * The log is read by rounds until what an earlier complete one read, at most three days back; only what has no
 * successful attempt and is not in our store is asked for, the oldest first, a few in a round. Looks may be stale: they
 * move a job forward, never back. Everything is on record, so that a crash at any point only repeats a question.
 */
#ifndef MUSTER_ENGINE_CATCH_UP_H
#define MUSTER_ENGINE_CATCH_UP_H

#include "server/engine/engine_int.h"
#include "server/store/store_catch_up.h"

/* Subjects of the standing tasks; besides, with the id of an installation behind it: "i", a refusal makes us ask; "p",
 * an event does; "s", its repositories changed. "r" and the id of a repository: is it still in sight? */
#define CATCH_UP_DELIVERIES "deliveries"
#define CATCH_UP_JOBS "jobs"

#define CATCH_UP_EVERY_MS (5 * 60 * 1000)
#define CATCH_UP_SOON_MS (15 * 1000)      /* there is more to do */
#define CATCH_UP_LOOK_MS (10 * 60 * 1000) /* a job without a machine for so long is asked about */
#define CATCH_UP_ACTIVE_MS                                                                                             \
    (7 * 24 * 3600 * INT64_C(1000))     /* a repository without jobs for so long is active no more                     \
                                         */
#define REACH_AGAIN_MS (60 * 60 * 1000) /* what is closed is asked about again */

int catch_up(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;
int catch_up_deliveries(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;
int catch_up_jobs(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;
int catch_up_reach(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- inside transactions */
/* A job gets a machine: it and its repository are looked at from now on. The same for one that a machine has. */
int catch_up_admitted(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e) MUST_USE;
int catch_up_taken(struct store_tx *t, const struct job *j, int64_t now_ms, struct err *e) MUST_USE;
/* EVENT_INSTALLATION: GitHub is asked what holds now. */
int reach_changed(struct store_tx *t, const struct job *what, int64_t now_ms, struct err *e) MUST_USE;
/* A repository that is not looked at any more: whether it was in sight is known no more. */
int reach_forget(struct store_tx *t, int64_t repo_id, struct err *e) MUST_USE;

/* --- catch_up_reach.c */
/* May anything come of asking GitHub for this installation and repository (0 = any)? ERR_AUTH: not now, with the
 * reason; ERR_INVALID: never again. */
int reach_check(struct engine *g, int64_t installation_id, int64_t repo_id, struct err *e) MUST_USE;
/* GitHub refused something to an installation: whether it is suspended or gone is asked soon, and not too often. Errors
 * of another kind are none of its business. */
void reach_doubt(struct engine *g, int64_t installation_id, const struct err *refusal);
/* The same of a call about a repository (0 = none): it may be out of sight alone. */
void reach_doubt_repo(struct engine *g, int64_t installation_id, int64_t repo_id, const struct err *refusal);

#endif
