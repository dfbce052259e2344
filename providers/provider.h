/*
 * The contract of a cloud: one file in this folder holds one `const struct provider_ops`.
 *
 * Threads: ops run on many threads at once with the same struct provider. What a provider learns (tokens, image ids)
 * lives in a struct cache, which is safe; everything else is fixed by open. Ops block; each ends within its HTTP
 * deadlines. Providers log nothing and read no clock but base/clock.h.
 *
 * Kinds: every failure carries the kind that PROVIDERS.md names for the cloud's code (one static table per cloud):
 *   ERR_CAPACITY   this type, here, now (also spot refused, type not offered here): the next candidate
 *   ERR_QUOTA      account limit: the next candidate, and tell the user
 *   ERR_THROTTLED  wait retry_after_s, then the same try with the same token
 *   ERR_RETRY      passing fault, or an answer that makes no sense: the same try with the same token
 *   ERR_CONFLICT   name or token taken with other parameters: describe by name, adopt or destroy
 *   ERR_AUTH       credentials: this account is out, the next cloud
 *   ERR_INVALID    the specification is wrong: report the cloud's own sentence
 * Error texts hold the cloud's code and message, cut and masked, never a credential or user-data.
 */
#ifndef MUSTER_PROVIDERS_PROVIDER_H
#define MUSTER_PROVIDERS_PROVIDER_H

#include "server/base/conf.h"
#include "server/base/fact.h"
#include "server/base/httpc.h"

/* One concrete try: lists are already expanded. Borrowed for the call. */
struct machine_spec {
    const char *cloud;         /* canonical name: "aws" */
    const char *region;        /* NULL = the account's default */
    const char *instance_type; /* the cloud's own name */
    const char *image;         /* any form of CIRUN-YML.md for this cloud */
    const char *gpu;           /* any spelling of common/gpu_model.h; NULL = none asked for */
    int gpus;                  /* at least so many GPUs; 0 = not asked: one when gpu is set */
    int gpu_memory_gb;         /* at least so much memory on each; 0 = not asked */
    const char *os;            /* "linux", "windows", "macos"; NULL = linux: how its image takes user-data */
    bool spot;
    const json_t *extra; /* extra_config as an object, or NULL */
};

struct tag {
    const char *key, *value;
};

/* The tags that sweeping relies on; all are set on everything that a launch creates. */
#define TAG_DEPLOYMENT "muster-deployment"
#define TAG_MACHINE "muster-machine"
#define TAG_JOB "muster-job"
#define TAG_REPOSITORY "muster-repository"
#define TAG_EXPIRES "muster-expires" /* Unix seconds */

struct launch_request {
    const struct machine_spec *spec;
    const char *name;               /* machine = runner name; at most 63 characters of a-z 0-9 - */
    const char *token;              /* idempotency: same token = same machine; at most 48 characters of a-z 0-9 - */
    const struct secret *user_data; /* NULL only for render */
    int64_t lifetime_s;             /* longest life, for clouds that end a machine by themselves; 0 = not said */
    bool first_try;         /* nothing went out with this token before: no need to look for what a lost answer left */
    const struct tag *tags; /* TAG_DEPLOYMENT and TAG_MACHINE among them */
    size_t n_tags;
    /* What a long launch is at ("pulling the image: 12 of 40 MB"), for a person; NULL = nobody listens. */
    void (*say)(void *arg, const char *text);
    void *say_arg;
};

/* STOPPED: powered off, or beyond running ever again, but still there, costing or holding a quota: destroy it. */
enum instance_state { INSTANCE_PENDING, INSTANCE_RUNNING, INSTANCE_STOPPED, INSTANCE_ENDING, INSTANCE_GONE };

/* What the cloud says. Plain value. As a reference (describe, destroy) only id, region and name count; id may be empty
 * when the launch's answer was lost: then it is looked up by TAG_MACHINE = name. */
struct instance {
    char id[256], region[64], name[64];
    enum instance_state state;
    int64_t created_ms; /* 0 = unknown */
    int64_t expires_ms; /* from TAG_EXPIRES; 0 = unknown */
    enum err_kind
        why; /* STOPPED, ENDING, GONE: ERR_CAPACITY when the cloud took it back or never had room; else ERR_NONE */
    char detail[200]; /* the cloud's reason, for a person; may be empty */
};

/* What describe says of a machine that is not there. */
static inline struct instance instance_gone(const struct instance *ref)
{
    struct instance gone = *ref;

    gone.state = INSTANCE_GONE;
    gone.why = ERR_NONE;
    gone.detail[0] = '\0';
    return gone;
}

/* What launch would really ask for: the account's defaults filled in, aliases written out. For the operator's policy.
 */
struct machine_facts {
    struct fact region, type, image;
    bool no_regions; /* the cloud has none: nothing to judge */
    const char
        *rights; /* what it brings with it beside a machine ("the service account of a machine image"), or NULL */
};

struct provider;
struct agent_hub;

struct provider_env { /* borrowed, outlives the provider; tests pass fakes */
    /* NULL: opened to check and render only, on any machine: missing credentials are no error, and what is missing of
     * the account stands in angle brackets ("<subscription_id>"). */
    struct httpc *http;
    const char *deployment; /* value of TAG_DEPLOYMENT; list returns nothing that carries another one */
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    int timeout_ms;                       /* of each HTTP request; 0 = the provider's own choice */
    bool (*pause)(void *arg, int64_t ms); /* waits between two looks at what takes its time (common/poll.h) */
    void *pause_arg;
    bool allow_privileged;    /* policy.allow_privileged: may a job be given its host, or the rights of an account? */
    struct agent_hub *agents; /* providers/common/agent_hub.h, for on_prem; NULL = none */
};

struct provider_ops {
    const char *name;                    /* value of `cloud:` */
    const char *alias;                   /* another accepted spelling ("do"), or NULL */
    const struct conf_key *account_keys; /* section clouds.<name> of the settings */
    size_t user_data_max;                /* bytes before encoding */

    /* Does the environment alone hold credentials, so that the cloud is on without a section? */
    bool (*configured)(const struct provider_env *env);

    /* No network. acct outlives the provider. */
    int (*open)(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e);

    /* "x64" or "arm64" of an instance type, NULL when it cannot be told. May be NULL: then x64 is taken. */
    const char *(*arch)(const char *instance_type);

    /* Is the spec complete and sound as far as can be told offline? ERR_INVALID with the remedy. */
    int (*check)(struct provider *p, const struct machine_spec *s, struct err *e);

    /* Of a sound spec (fails as check does). Offline. May be NULL: then it is as the spec says. */
    int (*facts)(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e);

    /*
     * The requests by which launch would make this machine, appended to `list` as {"method", "url", "headers", "body"
     * or "form"}; secrets and user-data are "***", what only the cloud can tell stands in angle brackets ("<id of
     * flavor g1>"). No network, no credentials needed. Fails as check does.
     */
    int (*render)(struct provider *p, const struct launch_request *r, json_t *list, struct err *e);

    /*
     * Same token twice = one machine, also when the first answer was lost. A refusal that the cloud gives only after it
     * accepted (an operation that failed, a machine in error) is waited for, for a while, and what was half made is
     * removed before the failure is reported; what is still open then is a success with INSTANCE_PENDING.
     */
    int (*launch)(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e);

    /* Not there any more is success with INSTANCE_GONE. By name only (ref->id empty): GONE also when it may not be
     * visible yet; the caller keeps asking for a while. */
    int (*describe)(struct provider *p, const struct instance *ref, struct instance *out, struct err *e);

    /* Ask for its end, with everything launched with it. Already gone = 0. Success does not mean gone yet. */
    int (*destroy)(struct provider *p, const struct instance *ref, struct err *e);

    /* Every machine of this deployment in one region (NULL = the account's default; a cloud whose lists know no regions
     * gives those of all), all pages. A failure on any page
     * fails the call: then nothing may be concluded from what `each` saw. each returning -1 stops with its error. */
    int (*list)(struct provider *p, const char *region, int (*each)(void *arg, const struct instance *i, struct err *e),
                void *arg, struct err *e);

    void (*close)(struct provider *p); /* accepts NULL */
};

#endif
