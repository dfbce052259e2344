/* What the files of lints share. Private to cirun_lint*.c. */
#ifndef MUSTER_CONFIG_CIRUN_LINT_INT_H
#define MUSTER_CONFIG_CIRUN_LINT_INT_H

#include "server/base/arena.h"
#include "server/config/cirun_lint.h"

struct lint {
    struct cirun_lints out; /* first: what the caller gets; its address is that of the whole */
    const struct cirun_yml *file;
    const struct cirun_lint_opts *opts;
    struct arena *arena;
    struct cirun_diag *diags;
    const struct yaml_node **secrets;
};

/* Note a diagnostic at a node; the rule's row in cirun_rules tells how severe it is. */
void lint_say(struct lint *l, const struct yaml_node *at, const char *rule, const char *fmt, ...) PRINTF(4, 5);

/* The same with what the scalar at `at` was probably meant to be (copied; NULL: nothing is near). */
void lint_propose(struct lint *l, const struct yaml_node *at, const char *rule, const char *replacement,
                  const char *fmt, ...) PRINTF(5, 6);

/* Where a value of a key of the runner stands: the element of its list whose text it is, or the value, or the runner
 * itself when the key is not there. */
const struct yaml_node *lint_place(const struct cirun_runner *r, const char *key, const char *value);

/* ---- the groups, each for the whole file ---- */
void lint_labels(struct lint *l);  /* cirun_lint_labels.c: who can reach which runner */
void lint_lists(struct lint *l);   /* cirun_lint_lists.c: candidates, and what cannot be meant */
void lint_places(struct lint *l);  /* cirun_lint_place.c: regions and zones */
void lint_disks(struct lint *l);   /* cirun_lint_disks.c: EC2's volumes */
void lint_clouds(struct lint *l);  /* cirun_lint_cloud.c: what the clouds' own check says */
void lint_idle(struct lint *l);    /* cirun_lint_idle.c: warm runners */
void lint_secrets(struct lint *l); /* cirun_lint_secret.c */

#endif
