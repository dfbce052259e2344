/*
 * A GitHub workflow file: its jobs, each expanded by its matrix, with the labels of its runs-on. For telling before the
 * push what each job would get; it runs nothing and needs no network. Reusable workflows of the same repository are
 * followed.
 *
 * What only a run can tell (github.sha, needs.x.outputs.y, variables that were not given) stays unknown, with what it
 * depends on; where it is one of few, all of them are given. A file that GitHub would refuse yields diagnostics with
 * file, line and column; jobs without an error are there all the same.
 *
 * Source: "Workflow syntax for GitHub Actions", "Reuse workflows", "Contexts reference" of GitHub's documentation.
 */
#ifndef MUSTER_CONFIG_WORKFLOW_H
#define MUSTER_CONFIG_WORKFLOW_H

#include "server/base/buf.h"

#include <stddef.h>

#define WORKFLOW_MAX ((size_t)512 * 1024) /* bytes of a file */
#define WORKFLOW_JOBS_MAX 1024            /* jobs with all their rows, called workflows included */
#define WORKFLOW_DEPTH_MAX 10             /* workflows that call each other */

struct workflow_pair {
    const char *key, *value;
};

/* What is known of the run. All but path may be NULL or empty. Borrowed for the call. */
struct workflow_setup {
    const char *path;       /* ".github/workflows/ci.yml" */
    const char *event;      /* "push" */
    const char *ref;        /* "refs/heads/main", or a branch's name */
    const char *repository; /* "owner/name" */
    size_t n_inputs, n_vars;
    const struct workflow_pair *inputs, *vars;
    /* Reads a file of the repository, ".github/workflows/x.yml": at most out's ceiling. NULL = none can be read. */
    int (*read)(void *arg, const char *path, struct buf *out, struct err *e);
    void *read_arg;
};

struct workflow_diag {
    bool error; /* else a note */
    const char *file;
    int line, column;
    char message[512];
};

struct workflow_label {
    const char *text; /* what is unknown in it shows as "<github.run_id>" */
    bool known;       /* known, or at least all that stands before its first "--" */
};

/* One set of labels that a job asks for. */
struct workflow_wish {
    size_t n;
    const struct workflow_label *labels;
    const char *group; /* the runner group, or NULL */
};

struct workflow_job {
    const char *id;   /* "train"; in a called workflow "call / train" */
    const char *name; /* as GitHub shows it: "train (gpu, 3.11)" */
    const char *file; /* the place of its labels */
    int line, column;
    size_t n_wishes; /* 1; more: one of these. 0: it cannot be told, or `remote` */
    const struct workflow_wish *wishes;
    const char *why;     /* n_wishes is not 1: what the labels depend on */
    const char *perhaps; /* what it depends on whether there is this job at all; NULL = there is */
    const char *remote;  /* a workflow of another repository, which was not read; NULL = none */
    bool never;          /* its `if` is false whatever happens */
};

struct workflow {
    size_t n_jobs, n_diags, n_errors;
    const struct workflow_job *jobs;
    const struct workflow_diag *diags;
};

/* Never fails: what is wrong is in diags. */
struct workflow *workflow_parse(const char *text, size_t len, const struct workflow_setup *setup);
void workflow_free(struct workflow *w); /* accepts NULL */

#endif
