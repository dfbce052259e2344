/*
 * The plan of a machine: its chain of candidates as JSON, frozen when the job is admitted, so that a restart or a
 * changed file cannot change what a name stands for.
 *
 *     {"arch": "x64", "runner_url": "…", "runner_sha256": "…", "candidates": [{"runner": "gpu", "cloud": "aws",
 *      "region": "eu-west-1", "instance_type": "g4dn.xlarge", "image": "ami-…", "gpu": "t4", "spot": true,
 *      "extra": {…}}, …]}
 */
#ifndef MUSTER_CONFIG_PLAN_H
#define MUSTER_CONFIG_PLAN_H

#include "providers/provider.h"
#include "server/config/cirun_yml.h"

struct plan {
    const char *arch, *runner_url, *runner_sha256;
    size_t n;                   /* at least 1 */
    struct machine_spec *specs; /* strings borrowed from the document */
    json_t *doc;
};

/* What every candidate of a plan shares. */
struct plan_base {
    const char *arch; /* "x64", "arm64" */
    const char *runner_url, *runner_sha256;
};

/* All candidates of the runners, in order, at most CIRUN_YML_MAX_CANDIDATES; n >= 1. The caller frees *out. */
int plan_build(const struct plan_base *base, const struct cirun_runner *const *runners, size_t n, char **out,
               struct err *e) MUST_USE;
/* What plan_build wrote. ERR_BUG: it is something else. */
int plan_parse(const char *text, struct plan *out, struct err *e) MUST_USE;
void plan_clear(struct plan *p);
#define AUTO_PLAN AUTO(plan_clear)

#endif
