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

#include "providers/common/machine.h"

struct provider;

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

    /* The names of the regions that this account may use, asked of the cloud now: where a sweep looks when it knows
     * nothing else. each returning -1 stops with its error. NULL: its lists know no regions. */
    int (*regions)(struct provider *p, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                   struct err *e);

    /* What an hour of this machine costs by the cloud's own word of now, in USD, disks and addresses apart; *usd below
     * 0 = it does not tell. Asks the network each time; ERR_INVALID as check. May be NULL: it never tells. */
    int (*price)(struct provider *p, const struct machine_spec *s, double *usd, struct err *e);

    void (*close)(struct provider *p); /* accepts NULL */
};

#endif
