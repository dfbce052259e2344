/*
 * What the operator lets a file of a repository choose: section `policy` of the settings, but for the fork rule.
 *
 * Judged is what a launch would really ask for (struct machine_facts): the account's own region where the file names
 * none, an alias as itself and as what it stands for. Whatever is not known before the launch is not allowed where
 * there is a rule for it. A candidate is judged when its job is admitted and again before each launch.
 *
 * Patterns: '*' is any run of characters ('/' and ':' too), '?' is one. Case counts unless the cloud itself pays no
 * heed to it (Azure; types and countries of Vast.ai). A pattern that the file hands on to the cloud ("self/ci-*" of
 * EC2) is allowed only where every image that fits it would be: its '*' is matched by a '*' alone.
 *
 * Pure, but for policy_check, which asks the provider, over the network where there is a cap on prices. Any thread.
 */
#ifndef MUSTER_ENGINE_POLICY_H
#define MUSTER_ENGINE_POLICY_H

#include "providers/provider.h"

struct policy_list { /* borrowed from the settings; the same name under all four: "allowed_regions" */
    bool set;        /* else everything is allowed */
    size_t n;        /* 0: nothing is */
    const char *const *patterns;
};

struct policy {
    struct policy_list clouds, types, regions, images;
    bool privileged;
    double max_hourly_price; /* USD; < 0: any */
    bool offline;            /* prices cannot be asked for: what is not known is not judged */
};

/* What section `policy` says; outlived by it. */
void policy_read(const struct conf *section, struct policy *out);

/* 0: allowed. ERR_INVALID: which rule forbids it, and what it was. price: USD an hour, < 0 = not known. */
int policy_judge(const struct policy *p, const struct machine_spec *s, const struct machine_facts *f, double price,
                 struct err *e) MUST_USE;

/* The same of a candidate, asking its provider for the facts where a rule needs them; also fails as the provider's
 * check does. NULL policy: everything is allowed. ops NULL: the cloud is not set up here, so that only its name is
 * judged. price: as for policy_judge (price.h). */
int policy_check(const struct policy *p, const struct provider_ops *ops, struct provider *provider,
                 const struct machine_spec *s, double price, struct err *e) MUST_USE;

struct engine;
struct plan;

/* sift.c, for the engine: a candidate under its policy. ERR_INVALID: it is not allowed. */
int sift_check(const struct engine *g, const struct plan *p, size_t i, struct err *e) MUST_USE;
/* The lower of what the operator and the repository would pay for a candidate, USD an hour; 0 = any. */
double sift_most_usd(const struct engine *g, const struct plan *p, size_t i);
/* Leaves what is not allowed out of *plan, which is NULL when nothing is left. *skipped: what and why, when that is
 * something; the caller frees it. A passing kind: what a candidate costs could not be asked for now. */
int sift_plan(const struct engine *g, char **plan, char **skipped, struct err *e) MUST_USE;

#endif
