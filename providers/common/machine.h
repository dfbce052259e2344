/*
 * The records between the engine and a cloud: what a machine shall be, what a cloud says of one, what an account is
 * opened with. providers/provider.h has the calls.
 */
#ifndef MUSTER_PROVIDERS_COMMON_MACHINE_H
#define MUSTER_PROVIDERS_COMMON_MACHINE_H

#include "server/base/conf.h"
#include "server/base/fact.h"
#include "server/base/httpc.h"

#include <jansson.h>
#include <string.h>

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

/* Does the image fetch its bootstrap itself? Then user-data is empty and nothing is run on the machine; it has to be
 * able to learn its name from the cloud. */
static inline bool spec_pulls(const struct machine_spec *s)
{
    const char *via = json_string_value(json_object_get(s->extra, "provision_via"));

    return via != NULL && strcmp(via, "pull_from_api") == 0;
}

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
    int64_t lifetime_s; /* longest life with its overtime, for clouds that end a machine by themselves; 0 = not said */
    double max_hourly_usd;  /* USD an hour at most, for clouds with a price for each offer; 0 = any */
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
    int64_t job_id;     /* from TAG_JOB; 0 = unknown */
    char repo[160];     /* from TAG_REPOSITORY: owner/name, or an organisation's name; "" = unknown. One with '_' and
                         * without '/' is what the cloud's alphabet made of owner/name: not to be asked for by it */
    bool part; /* no machine, but what one left behind (a disk, an address): gone with destroy, as a machine is */
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

/* ---- what readers of a cloud's answers share ---- */

/* When it was made (RFC 3339) and when it expires (Unix seconds), as the cloud tells them: NULL or unreadable = 0. */
void instance_set_times(struct instance *i, const char *created, const char *expires);
/* For whom: TAG_REPOSITORY and TAG_JOB as the cloud tells them; NULL or unreadable = unknown. Where its alphabet has no
 * '/' and the name can be told all the same, it is written as it is at GitHub. */
void instance_set_owner(struct instance *i, const char *repository, const char *job);

/* One of a cloud's words for a state. */
struct instance_word {
    const char *text;
    enum instance_state state;
};
/* ERR_RETRY: none of the n words. whose: "Oracle's". */
int instance_read_state(const struct instance_word *words, size_t n, const char *text, const char *whose,
                        enum instance_state *out, struct err *e) MUST_USE;

/* As `each` of a list: keeps the one that is most alive in `instance`, whose id is empty until then. */
int instance_keep_best(void *instance, const struct instance *i, struct err *e);

#endif
