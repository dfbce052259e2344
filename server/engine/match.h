/*
 * Labels against runners: which runners of a .cirun.yml serve a job. Pure.
 *
 * A job matches a runner when all of its labels, without case and with everything from the first "--" on cut off, are
 * among the runner's labels or its system labels (self-hosted, its OS, its architecture).
 */
#ifndef MUSTER_ENGINE_MATCH_H
#define MUSTER_ENGINE_MATCH_H

#include "server/base/err.h"
#include "server/config/cirun_yml.h"

#include <jansson.h>

struct match_job {
    const json_t *labels;      /* list of strings */
    const char *workflow_path; /* ".github/workflows/ci.yml", or NULL when unknown: then `workflow` runners are out */
    bool bare_self_hosted;     /* a job with system labels only may take the file's first runner */
};

enum match_verdict {
    MATCH_FOUND,    /* runners[0..n) in file order */
    MATCH_NOT_OURS, /* no label begins with "cirun" and nothing matched: say nothing */
    MATCH_REFUSED   /* the job means us, and why it cannot be served stands in reason */
};

/* runners has room for file->n_runners entries. */
enum match_verdict match_job(const struct match_job *job, const struct cirun_yml *file,
                             const struct cirun_runner **runners, size_t *n, char *reason, size_t reason_size);

bool match_is_system_label(const char *label); /* self-hosted, an OS, an architecture */

/* "linux", "windows" or "macos", and "x64" or "arm64", as far as image and instance type tell. */
const char *match_runner_os(const struct cirun_runner *r);
const char *match_runner_arch(const struct cirun_runner *r);

#endif
