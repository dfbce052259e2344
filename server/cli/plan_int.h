/*
 * What the files of `muster plan` share: the files and settings that decide, the candidates of a job, printing.
 * Private to plan*.c.
 */
#ifndef MUSTER_CLI_PLAN_INT_H
#define MUSTER_CLI_PLAN_INT_H

#include "server/cli/cli.h"
#include "server/config/server_conf.h"
#include "server/engine/match.h"

#define PLAN_READ_MAX (CIRUN_YML_MAX * 4)
#define PLAN_REASON_MAX 480
#define PLAN_PAIRS_MAX 64
#define PLAN_SETS_MAX 16

struct workflow_pair;

struct planning {
    /* the command line */
    const char *label_sets[PLAN_SETS_MAX];
    size_t n_label_sets;
    const char *file, *global_file, *config, *workflow_file, *workflow_path, *event, *ref, *repository;
    struct workflow_pair *inputs, *vars; /* PLAN_PAIRS_MAX each; keys are owned */
    size_t n_inputs, n_vars;
    bool json, requests, online, file_given;
    /* what was read */
    struct server_conf *conf;
    struct cirun_yml *yml, *global; /* NULL = there is none */
    struct httpc *http;             /* NULL = nothing is asked */
    json_t *known;                  /* label sets that were planned already, by their labels */
};

/* What a job with some labels gets. JSON: {"labels", "verdict", "reason"?, "source"?, "candidates"}. */
enum plan_verdict { PLAN_SERVED, PLAN_NOT_OURS, PLAN_REFUSED };

/* Own file, global file, one-line form, in this order; candidates with their requests. *out is borrowed from p. */
int plan_labels(struct planning *p, const json_t *labels, const json_t **out, enum plan_verdict *verdict,
                struct err *e) MUST_USE;

/* The chain of these runners, appended to `list`; *n_usable: how many could be launched. */
int plan_candidates(const struct planning *p, const struct cirun_runner *const *runners, size_t n, json_t *list,
                    size_t *n_usable, struct err *e) MUST_USE;

/* ---- printing ---- */
void plan_print_text(const char *prefix, const char *text);
/* Numbered, with requests or without. */
void plan_print_candidates(const json_t *candidates, bool requests);
/* "aws g4dn.xlarge eu-west-1, then gcp ..." */
void plan_summary(const json_t *candidates, struct buf *out);
int plan_print_json(const json_t *doc, struct err *e) MUST_USE;

/* ---- muster plan --workflow ---- */
int plan_workflow(struct planning *p, bool *all_served, struct err *e) MUST_USE;
/* The repository's root that a workflow's path shows, "" or with a '/' at its end, and the path from there. */
void plan_workflow_root(const char *file, char *root, size_t root_size, char *path, size_t path_size);

#endif
