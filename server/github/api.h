/*
 * The calls the engine makes at GitHub. Facts: GitHub REST description (operation ids named at each function).
 * Safe from any thread; all block. repo is "owner/name" as the webhook said; it is escaped here.
 */
#ifndef MUSTER_GITHUB_API_H
#define MUSTER_GITHUB_API_H

#include "server/github/app.h"

/* Which repository a call is for. repo_id 0: not known; then the name is what tokens are minted by. Where a call says
 * so also an organisation: its name alone, repo_id 0. */
struct github_repo {
    int64_t installation_id, repo_id;
    const char *repo;
};

/* apps/get-repo-installation, for payloads that did not name their installation; of an organisation (no '/')
 * apps/get-org-installation. By JWT. ERR_GONE: the App is not installed there. */
int github_installation_of(struct github *g, const char *repo, int64_t *out, struct err *e) MUST_USE;

/* repos/get */
struct github_repo_info {
    int64_t id;
    bool is_private, archived;
};
int github_repo_get(struct github *g, const struct github_repo *r, struct github_repo_info *out,
                    struct err *e) MUST_USE;
/* The same of an organisation's repository of which nothing but its name is known. */
int github_org_repo_get(struct github *g, const struct github_repo *org, const char *name, struct github_repo_info *out,
                        struct err *e) MUST_USE;

/* actions/get-workflow-run: who started it and from where. */
struct github_run {
    int64_t head_repo_id;                  /* 0 = null: a deleted fork */
    char *event;                           /* "push", "pull_request", ... */
    char *path;                            /* ".github/workflows/ci.yml", without "@ref" */
    char *actor, *triggering_actor;        /* logins; "" = GitHub does not say (a deleted user) */
    int64_t actor_id, triggering_actor_id; /* 0 = GitHub does not say */
    bool owner_is_user;                    /* the repository's owner is no organisation */
};
int github_run_get(struct github *g, const struct github_repo *r, int64_t run_id, struct github_run *out,
                   struct err *e) MUST_USE;
void github_run_clear(struct github_run *r);

/* repos/get-content, raw: at most max bytes. ref NULL = default branch. etag: in, the one we have ("" = none); out, the
 * one of the answer. *text: NULL = not modified (etag held). ERR_GONE: no such file; a directory, submodule or larger
 * file is ERR_INVALID. */
int github_file_get(struct github *g, const struct github_repo *r, const char *path, const char *ref, size_t max,
                    char etag[128], char **text, struct err *e) MUST_USE;

/* teams/get-membership-for-user-in-org, of the organisation that owns the repository: is he an active member (of a
 * child team too)? No such team or user = no. Needs the organisation permission members: read, else ERR_AUTH. */
int github_team_has(struct github *g, const struct github_repo *r, const char *slug, const char *login, bool *yes,
                    struct err *e) MUST_USE;

/* repos/get-collaborator-permission-level: the name of his role, which may be one of the organisation's own; "" = none,
 * or no such user. In a public repository everybody has at least "read". */
int github_role_get(struct github *g, const struct github_repo *r, const char *login, char out[128],
                    struct err *e) MUST_USE;

/* actions/generate-runner-jitconfig-for-repo and -for-org. labels_json: a JSON list of strings, 1 to 100.
 * ERR_CONFLICT: the name is taken. */
int github_jitconfig(struct github *g, const struct github_repo *r, const char *name, const char *labels_json,
                     int64_t *runner_id, struct secret **jit, struct err *e) MUST_USE;

/* actions/list-self-hosted-runners-for-repo and -for-org with name=: what GitHub says of one runner. ERR_GONE: no such
 * runner; ERR_AUTH also where GitHub does not know the repository (any more): that says nothing of its runners. */
struct github_runner {
    int64_t id;
    bool online, busy;
};
int github_runner_find(struct github *g, const struct github_repo *r, const char *name, struct github_runner *out,
                       struct err *e) MUST_USE;

/* The same calls without name=: each runner, all pages. each returning -1 stops with its error; a page that fails fails
 * the call. */
int github_runners_each(struct github *g, const struct github_repo *r,
                        int (*each)(void *arg, const char *name, const struct github_runner *runner, struct err *e),
                        void *arg, struct err *e) MUST_USE;

/* actions/delete-self-hosted-runner-from-repo and -from-org. Gone already = 0; ERR_CONFLICT: it is running a job (422).
 * *shown = false: GitHub shows no such runner: it is gone, or we are not shown it any more (github_runner_find tells).
 */
int github_runner_delete(struct github *g, const struct github_repo *r, int64_t runner_id, bool *shown,
                         struct err *e) MUST_USE;
int github_runner_remove(struct github *g, const struct github_repo *r, int64_t runner_id, struct err *e) MUST_USE;

/* actions/get-self-hosted-runner-group-for-org: the group that our runners of an organisation are in, the default one.
 */
struct github_runner_group {
    bool allows_public; /* public repositories may use it */
    bool selected;      /* only repositories that were chosen may */
};
int github_org_group_get(struct github *g, const struct github_repo *org, struct github_runner_group *out,
                         struct err *e) MUST_USE;

/* actions/list-runner-applications-for-repo: the runner release for one system ("linux", "windows") and
 * architecture ("x64", "arm64"). sha256 is empty when GitHub does not say. */
struct github_runner_release {
    char url[512];
    char sha256[65];
};
int github_runner_release_get(struct github *g, const struct github_repo *r, const char *os, const char *arch,
                              struct github_runner_release *out, struct err *e) MUST_USE;

/* actions/get-job-for-workflow-run: GitHub's own status of a job: "queued", "in_progress", "completed", or another; and
 * its conclusion, "" while it has none. */
int github_job_status(struct github *g, const struct github_repo *r, int64_t job_id, char status[32],
                      char conclusion[32], struct err *e) MUST_USE;

#endif
