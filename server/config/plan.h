/*
 * The plan of a machine: its chain of candidates as JSON, frozen when the job is admitted, so that a restart or a
 * changed file cannot change what a name stands for.
 *
 *     {"candidates": [{"runner": "gpu", "arch": "x64", "os": "linux", "runner_url": "…", "runner_sha256": "…", "cloud":
 * "aws", "region": "eu-west-1", "instance_type": "g4dn.xlarge", "image": "ami-…", "gpu": "t4", "gpus": 2,
 *      "gpu_memory_gb": 16, "spot": true, "extra": {…}, "env_vars": {"NAME": "text"}, "order": "cheapest",
 *      "max_hourly_price": 1.5, "lifetime_s": 21600, "boot_deadline_s": 600, "rerun_interrupted": 1}, …],
 *      "setup_info": [{"group": "…", "detail": "…"}]}
 */
#ifndef MUSTER_CONFIG_PLAN_H
#define MUSTER_CONFIG_PLAN_H

#include "providers/provider.h"
#include "server/config/cirun_yml.h"

/* A runner release for one system and architecture. */
struct plan_release {
    const char *os, *arch;    /* "linux", "windows"; "x64", "arm64" */
    const char *url, *sha256; /* "": not known */
};

/* What `muster` of the runner says of a candidate; each is there only when it was said. */
struct plan_terms {
    enum cirun_order order;
    double max_hourly_usd;               /* 0 = any */
    int64_t lifetime_s, boot_deadline_s; /* 0 = the operator's */
    int rerun_interrupted;
};

struct plan {
    size_t n;                      /* at least 1 */
    struct machine_spec *specs;    /* strings borrowed from the document */
    struct plan_release *releases; /* for each candidate, what it boots; borrowed alike */
    struct plan_terms *terms;      /* for each candidate */
    const json_t **env_vars;       /* for each candidate, an object of strings, or NULL */
    const json_t *setup_info;      /* of its file: a list of {"group", "detail"}, or NULL */
    json_t *doc;
};

/* "x64" or "arm64", as far as the cloud, the GPU catalogue or else the image's name tells. */
const char *plan_arch(const struct cirun_runner *r, const struct cirun_candidate *c);

/* "linux", "windows" or "macos", as far as the image's name, options that only Windows has, or else (an image that is
 * an id) the runner's own labels tell. */
const char *plan_os(const struct cirun_runner *r, const struct cirun_candidate *c);

/* All candidates of the runners, in order, at most CIRUN_YML_MAX_CANDIDATES; n >= 1. Each boots the release of its
 * system and architecture, or "" where there is none. The caller frees *out. */
int plan_build(const struct plan_release *releases, size_t n_releases, const struct cirun_runner *const *runners,
               size_t n, char **out, struct err *e) MUST_USE;
/* What plan_build wrote. ERR_BUG: it is something else. */
int plan_parse(const char *text, struct plan *out, struct err *e) MUST_USE;
/* Would an invalid request fail alike for both? Where all but the market is the same. */
bool plan_alike(const struct machine_spec *x, const struct machine_spec *y);
void plan_clear(struct plan *p);
#define AUTO_PLAN AUTO(plan_clear)

#endif
