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

/* A file to match against, and what to call it. */
struct match_source {
    const char *name; /* ".cirun.yml" */
    const struct cirun_yml *file;
};

/* All runners that serve the job, in file order; runners has room for file->n_runners entries (file NULL: none). */
size_t match_find(const struct match_job *job, const struct cirun_yml *file, const struct cirun_runner **runners);

/* Does the job ask for nothing but system labels? Such a job takes the first runner that it may have, of the
 * repository's own file only. */
bool match_is_bare(const json_t *labels);
/* Does a label begin with "cirun"? Then the job means us, whatever the files say. */
bool match_means_us(const json_t *labels);

/* The sentence for a job that no runner of these files serves: which label is missing, what is nearest, what there
 * is. */
void match_explain(const struct match_job *job, const struct match_source *sources, size_t n, char *reason,
                   size_t size);

enum match_verdict {
    MATCH_FOUND,    /* runners[0..n) in file order */
    MATCH_NOT_OURS, /* no label begins with "cirun" and nothing matched: say nothing */
    MATCH_REFUSED   /* the job means us, and why it cannot be served stands in reason */
};

/* All of that for one file, where nobody is asked who may (muster plan). */
enum match_verdict match_job(const struct match_job *job, const struct cirun_yml *file,
                             const struct cirun_runner **runners, size_t *n, char *reason, size_t reason_size);

bool match_is_system_label(const char *label); /* self-hosted, an OS, an architecture */

/* "linux", "windows" or "macos", and "x64" or "arm64", as far as image and instance type tell. */
const char *match_runner_os(const struct cirun_runner *r);
const char *match_runner_arch(const struct cirun_runner *r);

#endif
