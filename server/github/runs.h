/*
 * What runs in a repository and which jobs it has, page by page. Source: GitHub's REST description, operations
 * actions/list-workflow-runs-for-repo, actions/list-jobs-for-workflow-run, actions/get-job-for-workflow-run.
 *
 * Directly after an event such a read may still show what was before it: it may tell something new, and never that
 * something known did not happen.
 */
#ifndef MUSTER_GITHUB_RUNS_H
#define MUSTER_GITHUB_RUNS_H

#include "server/github/api.h"
#include "server/model.h"

#define GITHUB_RUNS_PAGE 50
#define GITHUB_JOBS_PAGE 50

/* The newest runs of a repository with this status ("queued", "in_progress"), one page from 1 on. *more: there is
 * another one. */
struct github_run_ids {
    int64_t ids[GITHUB_RUNS_PAGE];
    size_t n;
    bool more;
};
int github_runs_list(struct github *g, const struct github_repo *r, const char *status, int page,
                     struct github_run_ids *out, struct err *e) MUST_USE;
int github_runs_parse(const char *body, size_t len, struct github_run_ids *out, struct err *e) MUST_USE;

/* The jobs of a run's latest attempt, one page from 1 on; those that cannot be read, or whose state no event has, are
 * left out. where: whose they are (repo_id, installation_id, repo, default_branch). ERR_GONE: there is no such run, or
 * the token for it was refused so. */
struct github_jobs {
    struct job jobs[GITHUB_JOBS_PAGE];
    size_t n;
    bool more;
};
void github_jobs_clear(struct github_jobs *j);
#define AUTO_GITHUB_JOBS AUTO(github_jobs_clear)
int github_jobs_list(struct github *g, const struct job *where, int64_t run_id, int page, struct github_jobs *out,
                     struct err *e) MUST_USE;
int github_jobs_parse(const char *body, size_t len, const struct job *where, struct github_jobs *out,
                      struct err *e) MUST_USE;

/* One job. *there = false: GitHub knows no such job in this repository, which it lets us see. *known = false: its state
 * is one that no event has; then *out is untouched. */
int github_job_get(struct github *g, const struct job *where, int64_t job_id, bool *there, bool *known, struct job *out,
                   struct err *e) MUST_USE;

#endif
