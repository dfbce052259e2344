/*
 * GitHub's expression language: what stands between "${{" and "}}" of a workflow. Pure; what cannot be told before a
 * run comes out as an unknown value (workflow_value.h). Never fails on unknowns, only on what GitHub itself refuses:
 * bad syntax, contexts and functions that the place does not have, a call that fails (fromJSON of no JSON).
 *
 * Which place has which contexts: "Contexts reference", "Context availability", of GitHub's documentation.
 */
#ifndef MUSTER_CONFIG_WORKFLOW_EXPR_H
#define MUSTER_CONFIG_WORKFLOW_EXPR_H

#include "server/config/workflow_value.h"

/* What the expressions of one file may use in all; hostile files end here. */
struct wf_budget {
    size_t steps, bytes;
};
#define WF_BUDGET_INIT                                                                                                 \
    {                                                                                                                  \
        .steps = 1000 * 1000, .bytes = (size_t)16 * 1024 * 1024                                                        \
    }

struct wf_scope {
    struct arena *arena;
    struct wf_budget *budget;
    const char *place;               /* "runs-on", for messages */
    const struct wf_field *contexts; /* name and value of those that the place has */
    size_t n_contexts;
    bool status; /* always(), success(), failure() and cancelled() may be called */
};

/* One expression, without "${{" and "}}". ERR_INVALID with the reason. */
int wf_eval(const char *text, size_t len, const struct wf_scope *s, const struct wf_value **out,
            struct err *e) MUST_USE;

/* A text that may hold "${{ ... }}": one expression alone keeps its type, otherwise it is a string. *has: it held one
 * (may be NULL). */
int wf_template(const char *text, const struct wf_scope *s, const struct wf_value **out, bool *has,
                struct err *e) MUST_USE;

/* A YAML subtree with all of its texts filled in. Its keys are left as they are. ERR_INVALID: *at is the node. */
int wf_fill(const struct yaml_node *n, const struct wf_scope *s, const struct wf_value **out,
            const struct yaml_node **at, struct err *e) MUST_USE;

/* A job's or step's `if`: the whole text is an expression, with or without "${{ }}" around it. *is_text: it is a text
 * with expressions in it, which GitHub takes for true whatever they say. */
int wf_condition(const char *text, const struct wf_scope *s, enum wf_truth *out, bool *is_text, struct err *e) MUST_USE;

#endif
