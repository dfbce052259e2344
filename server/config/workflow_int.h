/* What the files that read a workflow share. Private to workflow*.c. */
#ifndef MUSTER_CONFIG_WORKFLOW_INT_H
#define MUSTER_CONFIG_WORKFLOW_INT_H

#include "server/config/workflow.h"
#include "server/config/workflow_expr.h"
#include "server/config/workflow_matrix.h"

#define WORKFLOW_FILES_MAX 50

struct workflow_doc {
    const char *path;
    struct yaml_doc *doc;
};

/* The whole reading: this file and those it calls. */
struct workflow_reading {
    struct workflow out; /* first: what the caller gets */
    struct arena *arena;
    struct wf_budget budget;
    const struct workflow_setup *setup;
    struct workflow_doc docs[WORKFLOW_FILES_MAX];
    size_t n_docs;
    struct workflow_job *jobs;
    struct workflow_diag *diags;
    const struct wf_value *github, *vars; /* contexts, the same for called workflows */
};

/* One file of it, as it is called. */
struct workflow_file {
    struct workflow_reading *r;
    const char *path;
    const struct yaml_node *jobs;
    const struct wf_value *inputs;
    const char *id_prefix, *name_prefix; /* "call / " */
    const char *perhaps;                 /* of the calling job */
    bool never;
    int depth;
};

/* Contexts of one job, filled as its parts are read. */
struct workflow_contexts {
    struct wf_field list[8];
    size_t n;
};

void workflow_note(struct workflow_reading *r, bool error, const char *file, int line, int column, const char *fmt, ...)
    PRINTF(6, 7);

/* ---- workflow_context.c ---- */
void workflow_globals(struct workflow_reading *r, const struct yaml_node *root); /* github, vars */
/* The inputs of a file that was started by an event. */
const struct wf_value *workflow_own_inputs(struct workflow_reading *r, const struct yaml_node *root);
/* The inputs of a called file, from what `with` gives (an object). Notes what does not fit at `at` of `file`. */
const struct wf_value *workflow_called_inputs(struct workflow_reading *r, const struct yaml_node *root,
                                              const struct wf_value *with, const char *file,
                                              const struct yaml_node *at);
bool workflow_is_callable(const struct yaml_node *root);

/* ---- workflow_job.c ---- */
void workflow_read_jobs(const struct workflow_file *f);

/* ---- workflow_labels.c ---- */
/* runs-on to j's wishes. ERR_INVALID: *at is where. */
int workflow_labels(const struct yaml_node *runs_on, const struct wf_scope *s, struct workflow_job *j,
                    const struct yaml_node **at, struct err *e) MUST_USE;

/* ---- workflow.c ---- */
/* Open a file of the repository, once; NULL after a note at `at` of `file`. */
const struct yaml_node *workflow_open(struct workflow_reading *r, const char *path, const char *file,
                                      const struct yaml_node *at);

#endif
