/*
 * Inside the simulated GitHub. Files: sim_github.c (life, what exists), _auth.c (JWT, tokens), _limits.c (rate limits),
 * _api.c (answers), _people.c (teams and roles), _jobs.c (jobs and runners), _rerun.c (attempts of runs), _payload.c
 * (webhook bodies), _send.c (their delivery), _log.c (its log), _control.c (/_sim/ and /sim/).
 * Functions named gh_… expect g->lock to be held, except where said.
 */
#ifndef MUSTER_TESTS_SIM_GITHUB_PRIV_H
#define MUSTER_TESTS_SIM_GITHUB_PRIV_H

#include "tests/sim/sim_github_model.h"

void gh_lock(struct sim_github *g);
void gh_unlock(struct sim_github *g);
int64_t gh_now_ms(const struct sim_github *g);
void gh_story(struct sim_github *g, const char *fmt, ...) PRINTF(2, 3);

struct gh_installation *gh_installation(struct sim_github *g, int64_t id);
#define SIM_GH_ORG_INSTALLATION "GET /orgs/{org}/installation"
struct gh_installation *gh_org(struct sim_github *g, const char *account);
struct gh_repo *gh_repo(struct sim_github *g, const char *owner, const char *name);
struct gh_repo *gh_repo_full(struct sim_github *g, const char *full_name);
struct gh_run *gh_run(struct sim_github *g, int64_t id);
struct gh_job *gh_job(struct sim_github *g, int64_t id);
struct gh_runner *gh_runner(struct sim_github *g, int64_t id);
const struct gh_file *gh_file(const struct gh_repo *r, const char *ref, const char *path);
bool gh_ref_exists(const struct gh_repo *r, const char *ref);
bool gh_is_directory(const struct gh_repo *r, const char *ref, const char *path);

/* An error in GitHub's form. */
void gh_refuse(struct sim_res *rs, int status, const char *message);
#define gh_violation(g, rq, ...) gh_violation_at((g), (rq), __VA_ARGS__)
void gh_violation_at(struct sim_github *g, const struct sim_req *rq, const char *fmt, ...) PRINTF(3, 4);

/* _auth.c: false = refused, the answer is made. */
bool gh_auth_app(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs);
struct gh_token *gh_auth_token(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs);
bool gh_token_reaches(const struct gh_token *t, const struct gh_repo *r);
bool gh_token_allows(const struct gh_token *t, const char *permission, bool write);
bool gh_rate(struct sim_github *g, struct gh_installation *in, const struct sim_req *rq, struct sim_res *rs);
void gh_token_create(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs);
void gh_token_free(struct gh_token *t);

/* _routes.c: one entry for all of GitHub's own paths; takes the lock. */
extern const struct sim_route gh_routes[];
sim_handler gh_dispatch;

/* _api.c, _runners.c: the answers. repo is NULL where the App itself asks. */
typedef void gh_endpoint_fn(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs);
gh_endpoint_fn gh_api_get_app, gh_api_create_token, gh_api_get_installation, gh_api_list_deliveries, gh_api_redeliver;
gh_endpoint_fn gh_api_get_installed, gh_api_list_runs, gh_api_list_run_jobs;
gh_endpoint_fn gh_api_get_repo, gh_api_get_contents, gh_api_get_run, gh_api_get_job;
gh_endpoint_fn gh_api_list_runners, gh_api_get_runner, gh_api_delete_runner, gh_api_list_downloads;
gh_endpoint_fn gh_api_create_jitconfig, gh_api_get_group;
gh_endpoint_fn gh_api_get_team_member, gh_api_get_permission; /* _people.c; the first has no repo */
void gh_members_free(struct sim_github *g);
gh_endpoint_fn gh_api_create_check, gh_api_update_check, gh_api_list_checks, gh_api_create_status;
void gh_checks_free(struct sim_github *g);
bool gh_accepts_raw(const struct sim_req *rq);
int64_t gh_id_arg(const char *s); /* a decimal id of a path; -1 when it is none */
int gh_page_number(struct sim_github *g, const struct sim_req *rq, const char *name, int fallback, int max);

/* _jobs.c */
struct gh_runner *gh_runner_new(struct sim_github *g, struct gh_repo *r, const char *name, json_t *labels);
void gh_runner_remove(struct sim_github *g, struct gh_runner *r);
void gh_job_free(struct gh_job *j);
void gh_job_queue(struct sim_github *g, struct gh_job *j, bool lost);
void gh_job_cancel(struct sim_github *g, struct gh_job *j);
void gh_run_free(struct gh_run *r);
void gh_runner_free(struct gh_runner *r);
const char *gh_job_status(const struct gh_job *j);

/* _rerun.c */
bool gh_run_completed(struct sim_github *g, const struct gh_run *r, const char **conclusion); /* NULL until then */
gh_endpoint_fn gh_api_list_attempt_jobs, gh_api_rerun_failed, gh_api_rerun_job;

/* _payload.c */
json_t *gh_user_json(const char *login, bool organization);
json_t *gh_repo_json(struct gh_repo *r); /* borrowed */
json_t *gh_job_json(const struct gh_job *j, const struct gh_event *at);
char *gh_event_body(const struct gh_event *ev);

/* _send.c; the sender's own thread takes the lock itself. */
void gh_send_job_event(struct sim_github *g, struct gh_job *j, const char *action, bool lost);
struct gh_delivery *gh_delivery_new(struct sim_github *g, const char *event); /* in the log, not under way */
struct gh_delivery *gh_redeliver(struct sim_github *g, const struct gh_delivery *d);
struct gh_sender *gh_sender_new(struct sim_github *g, bool manual);
void gh_sender_stop(struct gh_sender *s);
void gh_sender_free(struct gh_sender *s);
void gh_delivery_free(struct gh_delivery *d);

/* _control.c; they take the lock themselves. */
sim_handler gh_ctl_state, gh_ctl_setup, gh_ctl_job, gh_ctl_job_get, gh_ctl_job_cancel, gh_ctl_webhook;
sim_handler gh_runner_http_online, gh_runner_http_job, gh_runner_http_finish, gh_files_runner;

#endif
