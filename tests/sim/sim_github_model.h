/* What the simulated GitHub remembers. Everything is guarded by sim_github.lock, except what start fixes. */
#ifndef MUSTER_TESTS_SIM_GITHUB_MODEL_H
#define MUSTER_TESTS_SIM_GITHUB_MODEL_H

#include "tests/sim/sim_github_log.h"
#include "tests/sim/sim_timer.h"

#include <pthread.h>

struct gh_spent { /* what was asked for in the last hour, in order */
    struct {
        int64_t ms;
        int points;
    } * at;
    size_t from, n, cap;
};

struct gh_installation {
    int64_t id, window_ms; /* window_ms: start of the rate limit's hour */
    char *account;
    json_t *permissions;
    bool suspended, gone, allows_public; /* allows_public: the default runner group serves public repositories */
    int used;
    int64_t minute_ms;
    int created;
    struct gh_spent points, contents;
};

struct gh_file {
    char *ref, *path, *text;
};

struct gh_member {              /* of a team, or with a role in a repository */
    char *where, *login, *what; /* "octo/core" or "octo/train"; state, or role; NULL = not any more */
};

struct gh_alias { /* a commit that reads as a branch */
    char *sha, *branch;
};

struct gh_repo {
    int64_t id;
    struct gh_installation *installation;
    char *full_name, *owner, *name, *default_branch;
    char *old_name;                    /* full, before it was renamed; NULL = never */
    bool is_private, of_user, removed; /* removed: the App may not see it any more */
    struct gh_file *files;
    size_t n_files;
    struct gh_alias *aliases;
    size_t n_aliases;
    json_t *payload; /* `repository` of webhooks, made once */
};

struct gh_run {
    int64_t id, head_repo_id, created_ms;
    struct gh_repo *repo;
    int attempt, deleted, cancelled; /* cancelled: by a person, in this attempt */
    char *workflow, *path, *event, *actor, *triggering_actor, *head_branch, *head_sha;
};

struct gh_job {
    int64_t id, runner_id; /* runner_id: 0 = never assigned */
    struct gh_run *run;
    char *name, *runner_name;
    json_t *labels;
    enum sim_job_state state;
    const char *conclusion; /* literal; NULL = none */
    int64_t created_ms, queued_ms, started_ms, completed_ms, hosted_ms;
    int times_started, attempt;
};

struct gh_runner {
    int64_t id, job_id, last_job_id;
    struct gh_repo *repo;        /* NULL: the organisation's */
    struct gh_installation *org; /* whose it is then */
    char *name, *jit, session[37];
    json_t *labels;
    bool registered, online, was_online;
    sim_assigned_fn *fn;
    void *arg;
};

struct gh_token {
    char *value;
    struct gh_installation *installation;
    json_t *permissions;
    int64_t *repo_ids;
    size_t n_repos; /* 0 = all of the installation */
    int64_t expires_ms;
};

/* What a delivery said. The body is made again from it for each attempt. */
struct gh_event {
    struct gh_job *job; /* NULL: `raw` is the body */
    char *raw;
    const char *action; /* literal */
    const char *status, *conclusion;
    int64_t started_ms, completed_ms, runner_id;
    char *runner_name;
};

struct gh_delivery {
    int64_t id, delivered_ms, took_ms;
    char guid[37];
    const char *event; /* literal or raw's */
    struct gh_event what;
    bool redelivery, done, throttled, succeeded; /* succeeded, open: kept by the first of a guid for all of them */
    int status_code, open;                       /* 0 = no answer; attempts that wait or are under way */
    struct gh_delivery *first;                   /* of this guid */
};

struct gh_download {
    char *os, *arch, *url, *sha256;
};

struct gh_sender;
struct gh_check;
struct gh_status;

struct sim_github {
    struct sim_http *http;
    struct sim_timer *timer;
    struct gh_sender *sender;
    char *app_id, *public_key, *secret;
    bool trusting; /* of a simulation without keys: signatures of JWTs are not looked at */
    int64_t lost_contact_ms;
    sim_story_fn *story;
    void *story_arg;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t rng;
    int64_t ahead_ms, next_id;
    int token_lag;
    struct sim_github_limits limits; /* per_hour 0: none */
    size_t limited_by_hour, limited_by_minute;
    struct gh_installation **installations;
    size_t n_installations;
    struct gh_repo **repos;
    size_t n_repos;
    struct gh_run **runs;
    size_t n_runs;
    struct gh_job **jobs; /* index = id - GH_FIRST_JOB */
    size_t n_jobs;
    struct gh_job **queue; /* queued for a self-hosted runner, oldest first */
    size_t n_queue;
    struct gh_runner **runners; /* index = id - GH_FIRST_RUNNER */
    size_t n_runners;
    struct gh_token **tokens;
    struct gh_delivery **deliveries; /* index = id - GH_FIRST_DELIVERY */
    size_t n_deliveries;
    struct gh_member *members, *roles;
    size_t n_members, n_roles;
    struct gh_check **checks; /* index = id - GH_FIRST_CHECK */
    size_t n_checks, n_tokens;
    struct gh_status **statuses;
    struct gh_download *downloads;
    size_t n_downloads, n_statuses;
    struct buf runner_archive;
    size_t pending, completed, cancelled;
    struct gh_lies lies;
    char *hook_url;
    struct sim_hook_options hook;
};

#define GH_FIRST_JOB 31000000000
#define GH_FIRST_RUN 9100000000
#define GH_FIRST_RUNNER 101
#define GH_FIRST_CHECK 5000000001
#define GH_FIRST_DELIVERY 70000000000

#endif
