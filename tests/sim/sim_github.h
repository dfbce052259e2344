/*
 * A simulated GitHub: the App's API as the daemon sees it, jobs, self-hosted runners, and webhooks. Strict: it verifies
 * the App's JWT, knows what each installation token may do, and refuses what GitHub refuses, in GitHub's words. Facts:
 * GitHub's REST description and docs; nothing here is taken from the daemon's client.
 *
 *     struct sim_github *gh = NULL;
 *     struct sim_github_conf c = {.app_id = "12345", .public_key_pem = pub, .webhook_secret = "s"};
 *     sim_github_start(&c, &gh, &e);                        github.url = sim_github_url(gh)
 *     sim_github_add_installation(gh, 7, "octo", NULL);
 *     sim_github_add_repo(gh, &(struct sim_repo){.id = 11, .installation_id = 7, .full_name = "octo/train"});
 *     sim_github_put_file(gh, "octo/train", "main", ".cirun.yml", text);
 *     sim_github_webhook(gh, "http://127.0.0.1:PORT/webhook");
 *     id = sim_github_job_create(gh, &(struct sim_job_spec){.repo = "octo/train", .labels = "[\"self-hosted\"]"});
 *     sim_github_wait_job(gh, id, SIM_JOB_COMPLETED, 5000);
 *     assert(sim_http_violations(sim_github_http(gh)) == 0);
 *
 * Ops for faults and counts are "METHOD path-template", with {owner}/{repo} as in GitHub's documentation; they are the
 * SIM_GH_… constants below. Time comes from base/clock.h plus clock_ahead_ms, so tests can move it. Safe from any
 * thread; callbacks come from its own timer thread with no lock held and may call everything but sim_github_stop.
 */
#ifndef MUSTER_TESTS_SIM_GITHUB_H
#define MUSTER_TESTS_SIM_GITHUB_H

#include "tests/sim/sim_http.h"

#define SIM_GH_TOKEN "POST /app/installations/{installation_id}/access_tokens"
#define SIM_GH_INSTALLATION "GET /repos/{owner}/{repo}/installation"
#define SIM_GH_REPO "GET /repos/{owner}/{repo}"
#define SIM_GH_CONTENTS "GET /repos/{owner}/{repo}/contents/{+path}"
#define SIM_GH_RUN "GET /repos/{owner}/{repo}/actions/runs/{run_id}"
#define SIM_GH_JOB "GET /repos/{owner}/{repo}/actions/jobs/{job_id}"
#define SIM_GH_JITCONFIG "POST /repos/{owner}/{repo}/actions/runners/generate-jitconfig"
#define SIM_GH_RUNNERS "GET /repos/{owner}/{repo}/actions/runners"
#define SIM_GH_RUNNER "GET /repos/{owner}/{repo}/actions/runners/{runner_id}"
#define SIM_GH_RUNNER_DELETE "DELETE /repos/{owner}/{repo}/actions/runners/{runner_id}"
#define SIM_GH_DOWNLOADS "GET /repos/{owner}/{repo}/actions/runners/downloads"
#define SIM_GH_TEAM_MEMBER "GET /orgs/{org}/teams/{team_slug}/memberships/{username}"
#define SIM_GH_PERMISSION "GET /repos/{owner}/{repo}/collaborators/{username}/permission"
#define SIM_GH_ORG_JITCONFIG "POST /orgs/{org}/actions/runners/generate-jitconfig"
#define SIM_GH_ORG_RUNNERS "GET /orgs/{org}/actions/runners"
#define SIM_GH_ORG_RUNNER_DELETE "DELETE /orgs/{org}/actions/runners/{runner_id}"
#define SIM_GH_ORG_GROUP "GET /orgs/{org}/actions/runner-groups/{runner_group_id}"
#define SIM_GH_CHECK_CREATE "POST /repos/{owner}/{repo}/check-runs"
#define SIM_GH_CHECK_UPDATE "PATCH /repos/{owner}/{repo}/check-runs/{check_run_id}"
#define SIM_GH_CHECK_LIST "GET /repos/{owner}/{repo}/commits/{ref}/check-runs"
#define SIM_GH_STATUS "POST /repos/{owner}/{repo}/statuses/{sha}"
#define SIM_GH_DELIVERIES "GET /app/hook/deliveries"
#define SIM_GH_REDELIVER "POST /app/hook/deliveries/{delivery_id}/attempts"

struct sim_github;
typedef void sim_story_fn(void *arg, const char *line); /* what happens, for a demo; called with a lock held */

struct sim_github_conf {
    uint16_t port;              /* 0 = any free one */
    const char *app_id;         /* default "12345" */
    const char *public_key_pem; /* the App's; sim_rsa_key makes a pair; NULL: manual takes any signature */
    const char *webhook_secret; /* default "secret" */
    uint64_t seed;
    int64_t lost_contact_ms; /* a vanished runner's job fails after this; default 1,000 */
    sim_story_fn *story;
    void *story_arg;
    bool manual; /* no socket and no thread: sim_github_manual.h */
};

int sim_github_start(const struct sim_github_conf *c, struct sim_github **out, struct err *e) MUST_USE;
void sim_github_stop(struct sim_github *g); /* no callback and no webhook after it */
void sim_github_free(struct sim_github *g); /* stops; accepts NULL */
const char *sim_github_url(const struct sim_github *g);
struct sim_http *sim_github_http(struct sim_github *g); /* faults, counts, violations */

/* ---- what exists ---- */
/* permissions: a JSON object as GitHub shows it; NULL = administration and checks write, contents, actions,
 * metadata read. */
void sim_github_add_installation(struct sim_github *g, int64_t id, const char *account, const char *permissions);
void sim_github_permissions(struct sim_github *g, int64_t installation_id, const char *permissions); /* from now on */
void sim_github_suspend(struct sim_github *g, int64_t installation_id, bool suspended);
struct sim_repo {
    int64_t id, installation_id;
    const char *full_name;
    const char *default_branch; /* default "main" */
    bool is_private;
    bool of_user; /* its owner is no organisation: there are no teams */
};
void sim_github_add_repo(struct sim_github *g, const struct sim_repo *r);
/* Do public repositories reach the organisation's default group of runners? At first they do not. */
void sim_github_group_public(struct sim_github *g, int64_t installation_id, bool allows);
void sim_github_set_private(struct sim_github *g, const char *repo, bool is_private);
/* ref: a branch or a commit's SHA. A SHA that a job names reads as its branch until it gets files of its own, a branch
 * without any as the default branch. text NULL removes the file; a path with files below it reads as a directory. */
void sim_github_put_file(struct sim_github *g, const char *repo, const char *ref, const char *path, const char *text);
/* state: "active" or "pending"; NULL takes him out. A team is there once it has had a member. */
void sim_github_team_member(struct sim_github *g, const char *org, const char *team_slug, const char *login,
                            const char *state);
/* role_name "maintain" and "triage" amount to the permissions write and read, another one to write; NULL: none.
 * Without any, a user of a public repository has "read". */
void sim_github_role(struct sim_github *g, const char *repo, const char *login, const char *role_name);
int64_t sim_github_user_id(const char *login); /* in runs and events */
/* Offered by runners/downloads; sha256 may be NULL. Replaces the entry of that os and architecture. */
void sim_github_add_download(struct sim_github *g, const char *os, const char *arch, const char *url,
                             const char *sha256);
/* Serve these bytes at /sim/files/runner.tar.gz and offer them, with their hash, for Linux x64 and arm64. */
void sim_github_serve_runner(struct sim_github *g, const void *data, size_t len);

/* ---- behaviour ---- */
void sim_github_clock_ahead(struct sim_github *g, int64_t ms); /* GitHub's clock against ours, may be negative */
void sim_github_token_lag(struct sim_github *g, int uses);     /* the next uses of any token get 401 */
void sim_github_revoke_tokens(struct sim_github *g);
/* Without this there are none, and answers announce none, as those of an Enterprise Server. per_hour: requests of an
 * installation (default 5,000), announced; then, where they are not 0: creations in a minute; points in any minute, a
 * reading request 1 and a writing one 5; check runs and statuses written in any minute, and in any hour. wait_s:
 * Retry-After of these; use_429: their status is 429 instead of 403. */
struct sim_github_limits {
    int per_hour, creations_per_minute, points_per_minute, contents_per_minute, contents_per_hour, wait_s;
    bool use_429;
};
/* GitHub's own, as documented. */
#define SIM_GITHUB_LIMITS                                                                                              \
    (struct sim_github_limits)                                                                                         \
    {                                                                                                                  \
        .per_hour = 5000, .points_per_minute = 900, .contents_per_minute = 80, .contents_per_hour = 500, .wait_s = 60  \
    }
void sim_github_limits(struct sim_github *g, const struct sim_github_limits *l);

/* ---- jobs ---- */
enum sim_job_state { SIM_JOB_WAITING, SIM_JOB_QUEUED, SIM_JOB_IN_PROGRESS, SIM_JOB_COMPLETED };
struct sim_job_spec {
    const char *repo, *labels; /* labels: a JSON list */
    const char *name;          /* default "build" */
    int64_t run_id;            /* 0 = a new run; else jobs of one run share what the first one said below */
    const char *workflow, *path, *event, *actor; /* default "CI", ".github/workflows/ci.yml", "push", "octocat" */
    const char *triggering_actor;                /* default actor */
    int run_attempt;                             /* default 1 */
    const char *head_branch, *head_sha;          /* default the default branch, a made-up SHA per run */
    int64_t head_repo_id;                        /* 0 = the repository itself; -1 = null (deleted fork) */
    int64_t hosted_ms;                           /* > 0: one of GitHub's own runners takes it and works that long */
    bool waiting; /* starts as `waiting` (environment); sim_github_job_release queues it */
    bool silent;  /* its `queued` event is lost: logged as failed delivery, never sent */
};
int64_t sim_github_job_create(struct sim_github *g, const struct sim_job_spec *s); /* 0: no such repo, bad labels */
void sim_github_job_release(struct sim_github *g, int64_t id);
void sim_github_job_cancel(struct sim_github *g, int64_t id); /* completed/cancelled; a runner that had it is lost */
struct sim_job_info {
    enum sim_job_state state;
    int64_t run_id, runner_id;
    int attempt;
    char runner_name[80], conclusion[24]; /* "" = none */
    int64_t queued_ms, started_ms, completed_ms;
    int times_started;
};
bool sim_github_job(struct sim_github *g, int64_t id, struct sim_job_info *out);

struct sim_github_stats {
    size_t jobs, queued, in_progress, completed, cancelled;
    size_t runners, runners_online; /* registered now */
    size_t runners_ever;
    size_t deliveries, deliveries_pending, deliveries_failed;
    size_t limited_by_hour, limited_by_minute; /* requests refused for their number */
};
void sim_github_stats(struct sim_github *g, struct sim_github_stats *out);
/* Wait for the condition, at most timeout_ms of real time; false = not reached. */
bool sim_github_wait_job(struct sim_github *g, int64_t id, enum sim_job_state s, int timeout_ms);
bool sim_github_wait_completed(struct sim_github *g, size_t jobs, int timeout_ms);
bool sim_github_wait_deliveries(struct sim_github *g, int timeout_ms); /* none pending */

/* ---- check runs and commit statuses, as a reader of the pull request sees them ---- */
struct sim_check {
    int64_t id;
    char name[128], external_id[32], status[16], conclusion[24], title[512]; /* conclusion "" = none */
    char *summary, *text;
    json_t *annotations; /* all that were ever sent */
    int writes;          /* creation and updates */
};
size_t sim_github_checks(struct sim_github *g);
/* The i-th in order of creation. *out is cleared first, and by the caller with sim_check_clear in the end. */
bool sim_github_check(struct sim_github *g, size_t i, struct sim_check *out);
void sim_check_clear(struct sim_check *c);
bool sim_github_wait_check(struct sim_github *g, size_t i, const char *status, const char *conclusion, int timeout_ms);
/* What a person presses: action "rerequested", or "requested_action" with the button's identifier (else NULL). */
void sim_github_check_press(struct sim_github *g, int64_t id, const char *action, const char *identifier);
struct sim_status {
    char context[128], state[16], description[160];
};
size_t sim_github_statuses(struct sim_github *g);
bool sim_github_status(struct sim_github *g, size_t i, struct sim_status *out);

/* ---- runners, from the machine's side ---- */
/* Called once when a job was assigned; job_id 0: the runner is gone (removed, cancelled) and may exit. */
typedef void sim_assigned_fn(void *arg, int64_t runner_id, int64_t job_id);
int sim_github_runner_online(struct sim_github *g, const char *encoded_jit_config, sim_assigned_fn *fn, void *arg,
                             int64_t *runner_id, struct err *e) MUST_USE;
void sim_github_runner_finish(struct sim_github *g, int64_t runner_id, const char *conclusion);
void sim_github_runner_lost(struct sim_github *g, int64_t runner_id); /* off line; its job fails after a while */

/* ---- webhooks ---- */
struct sim_hook_options {
    double duplicate, drop; /* probabilities; dropped ones are in the delivery log as failed */
    int delay_ms;           /* each one is late by this much ... */
    int reorder_ms;         /* ... plus a random time up to this, so that order is not kept */
    bool form;              /* application/x-www-form-urlencoded */
    int parallel;           /* connections at once; default 32 */
};
void sim_github_webhook(struct sim_github *g, const char *url); /* NULL = deliver nothing */
void sim_github_hook_options(struct sim_github *g, const struct sim_hook_options *o);
void sim_github_redeliver_failed(struct sim_github *g); /* what an operator does by hand; same GUIDs */
/* A push to a branch, as it changes this file (put it first); file NULL = another one. */
void sim_github_push(struct sim_github *g, const char *repo, const char *branch, const char *file);
/* Any other event, e.g. ping: sent once with the common headers. */
void sim_github_send(struct sim_github *g, const char *event, const char *json);

#endif
