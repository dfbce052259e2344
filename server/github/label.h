/*
 * Label sets of jobs: one key for equal sets, and which labels are GitHub's own runners.
 */
#ifndef MUSTER_GITHUB_LABEL_H
#define MUSTER_GITHUB_LABEL_H

#include "server/base/jscan.h"

#define LABELS_MAX 100 /* as many as a just-in-time runner may carry */

/*
 * The key of an array of strings found by jscan: lower case, sorted, without duplicates, joined by ','. Inside a label
 * ',' and '\' are written behind a '\', control characters as \xNN, so that two sets never share a key.
 * *all_hosted: every label is one of GitHub's own, or there is none. *has_null: an item is null; then nothing else is
 * set. ERR_INVALID: an item of another type, too many. The caller frees *out.
 */
int label_key(const struct jscan_value *labels, char **out, bool *all_hosted, bool *has_null, struct err *e) MUST_USE;

#endif
