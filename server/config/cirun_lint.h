/*
 * What a .cirun.yml means, beyond its grammar: a disk that EC2 refuses, a region that does not exist, labels that no
 * job can reach, a secret in plain sight. For `muster check`; the daemon serves a file whatever its lints say.
 *
 * Lints guess as little as they can: an error is what a cloud certainly refuses, a warning what is hardly meant, a note
 * what is done on purpose as often as not. Tables of what clouds have grow old, so what is not in them is a warning.
 */
#ifndef MUSTER_CONFIG_CIRUN_LINT_H
#define MUSTER_CONFIG_CIRUN_LINT_H

#include "providers/provider.h"
#include "server/config/cirun_yml.h"

struct server_conf;

/* What the operator's policy says of a candidate, one rule after the other, from 0 on. 0: allowed. -1: refused, with
 * the rule and why; *key: the key of the runner that it is about ("region"). 1: there is no rule of this number. */
typedef int cirun_judge_fn(void *arg, size_t rule, const struct provider_ops *ops, struct provider *p,
                           const struct machine_spec *s, const char **key, struct err *e);

struct cirun_lint_opts {
    bool (*is_hosted)(const char *label); /* is it one of GitHub's own runners? */
    const struct server_conf *conf;       /* the operator's settings; NULL = not known, the defaults are taken */
    cirun_judge_fn *judge;                /* the operator's policy (server/engine/policy.h); NULL = not known */
    void *judge_arg;
};

struct cirun_lints {
    size_t n;
    const struct cirun_diag *diags;       /* in file order; rules as in cirun_rules */
    size_t n_errors, n_warnings, n_notes; /* all there are; of very many only the first are among diags */
    size_t n_secrets;
    const struct yaml_node *const *secrets; /* scalars that look like secrets: not to be shown to anybody */
};

/* Never fails. Borrows from c, which must live longer; runners of a file with errors are looked at too. */
struct cirun_lints *cirun_lint(const struct cirun_yml *c, const struct cirun_lint_opts *o);
void cirun_lints_free(struct cirun_lints *l); /* accepts NULL */

#endif
