/*
 * The sweep: what the clouds have under our tag against what the store knows, and what is left at GitHub.
 *
 *   sweep.c         when and where: the places, a list of each every ten minutes, machines that a list lacks
 *   sweep_stray.c   what a list shows and no record explains: watched, then ended, by a task of its own for each
 *   sweep_runner.c  runners at GitHub whose machine is gone
 *
 * Subjects of TASK_SWEEP: "clouds" and "runners" stand for ever; "at N" is the list of place N, "end N" the end of
 * stray N.
 *
 * Rules. A list that failed on any page concludes nothing. A machine that a complete list lacks is only looked at
 * sooner (check.c asks the cloud for it alone). A machine that no record explains is watched for SWEEP_GRACE_MS, then
 * GitHub is asked: while its runner has a job, or that cannot be learned, it is left alone until its lifetime is over.
 * At most SWEEP_AT_ONCE of a place are condemned in a round, each with a log line, an event of the job that its tag
 * names, and a count: a wrong tag cannot empty an account in silence.
 */
#ifndef MUSTER_ENGINE_SWEEP_H
#define MUSTER_ENGINE_SWEEP_H

#include "server/engine/engine_int.h"
#include "server/store/store_sweep.h"

#define SWEEP_FIRST_MS ((int64_t)3 * 60 * 1000) /* after the start */
#define SWEEP_EVERY_MS ((int64_t)10 * 60 * 1000)
#define SWEEP_GRACE_MS                                                                                                 \
    ((int64_t)10 * 60 * 1000) /* from the first complete list that showed a stray; above SETTLE_MS                     \
                               */
#define SWEEP_AT_ONCE 20

/* Regions where this store never launched anything: after a lost store, machines may be there all the same. */
#define SWEEP_SELDOM_MS ((int64_t)24 * 60 * 60 * 1000)
#define SWEEP_USED_MS ((int64_t)30 * 24 * 60 * 60 * 1000) /* so long after a launch a region counts as used */

#define SWEEP_CLOUDS "clouds"
#define SWEEP_RUNNERS "runners"

int sweep_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- sweep_stray.c */

/* Why something that a list shows is not explained by the record of its name. */
enum sweep_what {
    SWEEP_EXPLAINED,
    SWEEP_UNKNOWN, /* there is no record */
    SWEEP_ENDED,   /* the record says that it is gone */
    SWEEP_DOUBLE,  /* the record is of another one */
    SWEEP_LEFT     /* a part of a machine that is gone */
};
const char *sweep_what_name(enum sweep_what w); /* "unknown" */
/* record NULL = none. A record whose instance is not known yet explains every one of its name. */
enum sweep_what sweep_judge(const struct store_trace *record, const char *instance_id, bool part);
/* Condemn it: from now on a task ends it. */
int sweep_condemn(struct store_tx *t, const struct store_stray *s, int64_t now_ms, struct err *e) MUST_USE;
/* "end N" */
int sweep_end(struct engine *g, int64_t id, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

/* --- sweep_runner.c: "runners" */
int sweep_runners(struct engine *g, const struct task *task, struct task_next *next, struct err *e) MUST_USE;

#endif
