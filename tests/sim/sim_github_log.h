/* What the simulated GitHub can be made to do about its delivery log, about runs, and about installations. */
#ifndef MUSTER_TESTS_SIM_GITHUB_LOG_H
#define MUSTER_TESTS_SIM_GITHUB_LOG_H

#include "tests/sim/sim_github.h"

#define SIM_GH_INSTALLED "GET /app/installations/{installation_id}"
#define SIM_GH_RUNS "GET /repos/{owner}/{repo}/actions/runs"
#define SIM_GH_RUN_JOBS "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs"

/* An attempt in the log that was never made: of the last delivery of the job with this action, or where there is none
 * (no hook is set) of a new one. status_code 0 = no answer; throttled: GitHub held it back; at_ms: when, by GitHub's
 * clock, 0 = now. */
struct gh_lies { /* inside */
    int64_t stale_ms;
    bool endless, fresh;
};
struct sim_attempt {
    int64_t job_id;
    const char *action;
    int status_code;
    bool throttled;
    int64_t at_ms;
};
bool sim_github_attempt(struct sim_github *g, const struct sim_attempt *a, char guid[37]); /* guid NULL = never mind */
/* The delivery log has no end: behind the last page there is always another, repeating (or, fresh, made up). */
void sim_github_log_endless(struct sim_github *g, bool endless, bool fresh);

/* Its run is deleted, and it with it: no event. */
void sim_github_run_delete(struct sim_github *g, int64_t run_id);
/* For so long (GitHub's clock) reads of jobs and runs show what was before; 0 = no more. */
void sim_github_stale(struct sim_github *g, int64_t ms);

/* From now on its old name (owner/name) is answered with a redirection to its number. */
void sim_github_rename(struct sim_github *g, const char *repo, const char *name);

/* These tell the hook nothing (sim_github_send does). */
void sim_github_uninstall(struct sim_github *g, int64_t installation_id);
void sim_github_repo_removed(struct sim_github *g, const char *repo, bool removed); /* from the installation's sight */

#endif
