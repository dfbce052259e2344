/* Attempts of runs at the simulated GitHub: see sim_github.h. */
#ifndef MUSTER_TESTS_SIM_GITHUB_RERUN_H
#define MUSTER_TESTS_SIM_GITHUB_RERUN_H

#include "tests/sim/sim_github.h"

#define SIM_GH_ATTEMPT_JOBS "GET /repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs"
#define SIM_GH_RERUN_FAILED "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs"
#define SIM_GH_RERUN_JOB "POST /repos/{owner}/{repo}/actions/jobs/{job_id}/rerun"

/* A person cancels the whole run, or presses "Re-run failed jobs" (false: GitHub would refuse). */
void sim_github_run_cancel(struct sim_github *g, int64_t run_id);
bool sim_github_run_again(struct sim_github *g, int64_t run_id);
struct sim_run_info {
    int attempt;
    bool completed;
    char conclusion[24]; /* "" = none */
    int64_t jobs[32];    /* of the newest attempt, in order */
    size_t n_jobs;
};
bool sim_github_run_get(struct sim_github *g, int64_t run_id, struct sim_run_info *out);

#endif
