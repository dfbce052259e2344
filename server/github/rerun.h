/*
 * Running jobs of a run again. Facts: GitHub REST description (operation ids named at each function), and docs,
 * "Re-running workflows and jobs": a run can be run again for 30 days after it began, at most 50 times, and only while
 * it is completed. Each re-run, of one job or of all that failed, is a new attempt of the run: jobs that do not run
 * again stand in it too, under new ids, and only ids of the newest attempt can be run again. So two jobs of one attempt
 * cannot be asked for one after the other; "re-run failed jobs" takes all that failed or were cancelled. Jobs that
 * depend on one run again with it.
 *
 * Needs actions: write, asked for by these calls alone. Safe from any thread; all block.
 */
#ifndef MUSTER_GITHUB_RERUN_H
#define MUSTER_GITHUB_RERUN_H

#include "server/github/api.h"

/* actions/get-workflow-run: how far it is. ERR_GONE: there is no such run (any more). */
struct github_run_state {
    bool completed;
    char conclusion[24]; /* "" until completed; "failure", "cancelled", ... */
    int64_t attempt;
};
int github_run_state(struct github *g, const struct github_repo *r, int64_t run_id, struct github_run_state *out,
                     struct err *e) MUST_USE;

/* actions/list-jobs-for-workflow-run-attempt, all pages. A failure on any page fails the call; -1 of `each` ends it. */
struct github_run_job {
    int64_t id;
    const char *name;       /* borrowed for the call; as GitHub's job events say it */
    const char *conclusion; /* "" until completed; likewise borrowed */
    int64_t started_ms;     /* 0 = not said */
};
typedef int github_run_job_fn(void *arg, const struct github_run_job *j, struct err *e);
int github_run_jobs(struct github *g, const struct github_repo *r, int64_t run_id, int64_t attempt,
                    github_run_job_fn *each, void *arg, struct err *e) MUST_USE;

/* actions/re-run-workflow-failed-jobs and actions/re-run-job-for-workflow-run. ERR_CONFLICT: GitHub refuses, with its
 * words: the run goes on, was run again meanwhile, is over a month old. ERR_AUTH: the App may not. ERR_RETRY: it may
 * have happened all the same (github_run_state's attempt tells). */
int github_rerun_failed(struct github *g, const struct github_repo *r, int64_t run_id, struct err *e) MUST_USE;
int github_rerun_job(struct github *g, const struct github_repo *r, int64_t job_id, struct err *e) MUST_USE;

#endif
