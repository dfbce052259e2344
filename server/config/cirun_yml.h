/*
 * .cirun.yml to runners: the repository's list of machines, each expanded to its chain of candidates.
 * The language is told in deploy/docs/cirun-yml.md, and its keys stand in cirun_keys.h.
 *
 * Every diagnostic has a place and a severity. A file with an error yields no runners; warnings never fail a file.
 */
#ifndef MUSTER_CONFIG_CIRUN_YML_H
#define MUSTER_CONFIG_CIRUN_YML_H

#include "server/base/yaml.h"
#include "server/config/idle.h"

#define CIRUN_YML_MAX ((size_t)256 * 1024)
#define CIRUN_YML_MAX_CANDIDATES 64

/* A note tells what is so on purpose as often as not; nothing is wrong. */
enum cirun_severity { CIRUN_NOTE, CIRUN_WARNING, CIRUN_ERROR };

struct cirun_diag {
    enum cirun_severity severity;
    int line, column;        /* from 1 */
    int end_column;          /* exclusive, on the same line; 0 = not known */
    const char *rule;        /* id of a row of cirun_rules */
    const char *replacement; /* what column to end_column was probably meant to be; NULL = nothing is near */
    char message[400];       /* what was wrong and what to do */
};

/* Into the order of the file; at one place the worse comes first. diags may be NULL when n is 0. */
void cirun_diags_sort(struct cirun_diag *diags, size_t n);

/* What diagnostics can say: one row for each kind, for SARIF, annotations and the documentation page. */
struct cirun_rule {
    const char *id; /* kebab-case; stable: people put it into their tools */
    enum cirun_severity severity;
    const char *meaning, *remedy; /* a sentence each */
};

extern const struct cirun_rule cirun_rules[]; /* sorted by id */
extern const size_t cirun_rules_n;

const struct cirun_rule *cirun_rule_find(const char *id); /* NULL: there is none */

/* One concrete try. Strings are borrowed from the file. */
struct cirun_candidate {
    const char *region;        /* NULL = the account's default */
    const char *instance_type; /* named, or the smallest that the GPU catalogue has for gpu */
    const char *image;         /* text form; Azure mappings as publisher:offer:sku:version */
    bool spot;
};

enum cirun_order { CIRUN_LISTED, CIRUN_CHEAPEST, CIRUN_FASTEST };

struct cirun_runner {
    const char *name;  /* "" when missing */
    const char *cloud; /* canonical: "digitalocean" for "do" */
    const char *gpu;   /* as written, any spelling of gpu_model.h; NULL = none */
    int gpus;          /* muster.gpus: at least so many; 0 = not asked */
    int gpu_memory_gb; /* muster.gpu_memory: at least so much on each; 0 = not asked */
    enum cirun_order order;
    double max_hourly_usd;   /* muster.max_hourly_price; 0 = any */
    int64_t lifetime_s;      /* muster.lifetime; 0 = the operator's, which is the longest in any case */
    int64_t boot_deadline_s; /* muster.boot_deadline; 0 = the operator's, alike */
    int rerun_interrupted;   /* muster.rerun_interrupted: at most so often; 0 = never */
    const char *workflow;    /* NULL = any */
    const char *team;        /* run_only_when_triggered_by; NULL = anybody */
    int line;
    size_t n_labels;
    const char *const *labels;
    size_t n_candidates;
    const struct cirun_candidate *candidates;
    struct idle_spec idle;              /* warm machines; kind IDLE_NONE without */
    const struct yaml_node *extra;      /* extra_config, or NULL */
    const struct yaml_node *setup_info; /* of the file, or NULL */
    const struct yaml_node *node;       /* the whole mapping: idle, muster: read by later rules */
};

struct cirun_yml {
    size_t n_runners;
    const struct cirun_runner *runners;
    size_t n_diags;
    const struct cirun_diag *diags; /* in file order */
    size_t n_errors, n_warnings;    /* all there are; of very many only the first are among diags */
    size_t n_read;                  /* runners that were read, also when errors made n_runners 0: for cirun_lint.h */
    struct yaml_doc *doc;           /* NULL when it was no YAML */
};

/* extra_config of a runner without errors, as its cloud takes it: the keys that the table knows, each value of the type
 * that the table says ("40" is 40, yes is true); environment variables are strings. NULL when there is none. The caller
 * owns it. */
json_t *cirun_extra_json(const char *cloud, const struct yaml_node *extra);

/* Never fails: what is wrong is in diags. `file` names it in messages. */
struct cirun_yml *cirun_yml_parse(const char *text, size_t len, const char *file);
void cirun_yml_free(struct cirun_yml *c); /* accepts NULL */

/* The first error as "FILE:LINE:COLUMN: message" (ERR_INVALID); only when n_errors > 0. */
int cirun_yml_error(const struct cirun_yml *c, const char *file, struct err *e) MUST_USE;

#endif
