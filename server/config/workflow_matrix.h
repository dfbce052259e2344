/*
 * strategy.matrix to its rows, as GitHub expands it (actions/runner, MatrixBuilder.cs; "Running variations of jobs in
 * a workflow"): the vectors' product, the first vector slowest; without what an `exclude` matches; each `include` added
 * to all rows whose vectors it does not contradict, else a row of its own, behind the others.
 *
 * Unknown values make unknown rows: what an `include` may or may not add is unknown there, rows that may not be are
 * marked. Pure.
 */
#ifndef MUSTER_CONFIG_WORKFLOW_MATRIX_H
#define MUSTER_CONFIG_WORKFLOW_MATRIX_H

#include "server/config/workflow_value.h"

#define WF_ROWS_MAX 256 /* GitHub's own limit on the jobs of one matrix */

struct wf_row {
    const struct wf_value *values; /* the context `matrix` */
    const char *name;              /* "gpu, 3.11": what GitHub puts in brackets behind the job's name; may be "" */
    const char *perhaps;           /* on what it depends that there is this row at all; NULL = there is */
};

struct wf_matrix {
    size_t n;
    struct wf_row *rows;
};

/* m: the filled-in mapping, or an unknown. ERR_INVALID: GitHub would refuse it. */
int wf_matrix_expand(struct arena *a, const struct wf_value *m, struct wf_matrix *out, struct err *e) MUST_USE;

#endif
