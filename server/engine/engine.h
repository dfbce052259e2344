/*
 * The engine decides: what a delivery changes, which job gets a machine, when a machine ends.
 *
 * Threads: one scheduler claims due tasks from the store and hands them to N workers; provider and GitHub calls block
 * there. engine_deliver comes from the intake loop and never blocks.
 */
#ifndef MUSTER_ENGINE_ENGINE_H
#define MUSTER_ENGINE_ENGINE_H

#include "providers/provider.h"
#include "server/engine/policy.h"
#include "server/github/api.h"
#include "server/model.h"
#include "server/store/store.h"

struct engine;

struct engine_cloud { /* an account that is on; borrowed */
    const struct provider_ops *ops;
    struct provider *provider;
};

struct engine_limits { /* 0 = no limit */
    int64_t machines, machines_per_repository, launches_per_minute;
};

struct engine_conf { /* borrowed, outlives the engine */
    struct store *store;
    struct github *github;
    const struct crypto_key *app_key; /* seals user-data until a launch is recorded */
    const struct engine_cloud *clouds;
    size_t n_clouds;
    const char *const *documented; /* of these, the names of those at the cloud's own public address: its documented
                                    * limits hold (pace.h) */
    size_t n_documented;
    const char *deployment;
    int workers; /* threads at most, started as they are needed; a quarter is kept for teardown; 0 = 64 */
    struct engine_limits limits;
    int64_t lifetime_ms, boot_deadline_ms, idle_grace_ms;
    int64_t overtime_ms;         /* beyond its lifetime, for a machine whose job still runs */
    int64_t retention_ms;        /* what ended is forgotten after so long; 0 = 30 days */
    const struct policy *policy; /* NULL = every candidate is allowed */
    bool fork_jobs;              /* policy.fork_jobs: allow */
    bool bare_self_hosted;       /* policy.bare_self_hosted: allow */
    bool idle_public;            /* policy.idle_public: allow: warm runners in public repositories, forks or not */
    bool one_line;               /* policy.one_line: allow */
    struct httpc *http;          /* for users_from_json of .access.yml; NULL: none is read */
    const char *const *users_json_hosts; /* policy.users_json_hosts: where it may lie */
    size_t n_users_json_hosts;
    bool users_json_private;             /* policy.users_json_private: allow; they may have private addresses */
    bool pull;                           /* server.api_token is set: images may fetch their bootstrap */
    bool no_check_runs;                  /* github.check_runs: false: pull requests are told nothing */
    int64_t slow_start_ms;               /* a job that waits for so long is told about; 0 = 3 minutes */
    const struct secret *const *secrets; /* of ours, which no text in a pull request may hold */
    size_t n_secrets;
    const char *runner_url; /* a mirror of the runner's tar.gz, with its hash; NULL = GitHub's newest */
    const char *runner_sha256;
};

struct engine *engine_new(const struct engine_conf *c);
int engine_start(struct engine *g, struct err *e) MUST_USE; /* takes up what an earlier process left */
/* No new tasks; what is under way ends (API calls finish), at most grace_ms. Machines are not waited for. */
void engine_drain(struct engine *g, int64_t grace_ms);
void engine_free(struct engine *g); /* accepts NULL; drained before */

/* What became of a delivery. */
enum delivery_outcome { DELIVERY_STORED, DELIVERY_KNOWN, DELIVERY_IGNORED };
typedef void engine_delivered_fn(void *arg, enum delivery_outcome outcome, int rc, const struct err *e);

/* Store a delivery, its job and the tasks that follow in one transaction. done runs on another thread once that is on
 * disk (rc 0), or could not be (rc -1: answer 503). Takes the strings out of *job. guid is copied. */
void engine_deliver(struct engine *g, const char *guid, struct job *job, engine_delivered_fn *done, void *arg);
/* The same for a push to a default branch, as event_parse gives it. */
void engine_pushed(struct engine *g, const char *guid, struct job *push, engine_delivered_fn *done, void *arg);
/* The same for "Re-run" of a check run (github/event_check.h). DELIVERY_IGNORED: it is none of ours. */
void engine_pressed(struct engine *g, const char *guid, struct job *press, engine_delivered_fn *done, void *arg);
/* The same for an event that changes what an installation may see (EVENT_INSTALLATION). */
void engine_installed(struct engine *g, const char *guid, struct job *what, engine_delivered_fn *done, void *arg);
/* Deliveries wait for this: one call after several lets one commit serve them all. */
void engine_flush(struct engine *g);

/* What became of a machine's request for its bootstrap. */
enum provision_outcome {
    PROVISION_GIVEN,
    PROVISION_UNKNOWN, /* no machine of this name fetches anything */
    PROVISION_EARLY,   /* its launch is still being prepared */
    PROVISION_OVER     /* fetched before, or past the time for it */
};
/* script is the callee's to free; NULL unless rc is 0 and it is given. */
typedef void engine_provisioned_fn(void *arg, enum provision_outcome outcome, struct secret *script, int rc,
                                   const struct err *e);

/* The bootstrap of a machine whose runner says provision_via: pull_from_api, once: it is given only after the store
 * knows that it was. done runs on another thread. Whoever asks was found to be entitled. name is copied. */
void engine_provision(struct engine *g, const char *name, engine_provisioned_fn *done, void *arg);

#endif
