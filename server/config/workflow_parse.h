/*
 * GitHub's expressions as a tree: literals, contexts, calls, operators; the grammar and its limits (21,000 characters,
 * 50 levels) are those of actions/runner, src/Sdk/Expressions. Names are looked up while reading, as GitHub does: a
 * context or function that the place does not have is an error even where it would never be evaluated.
 *
 * Private to workflow_*.c. The tree lives in the arena.
 */
#ifndef MUSTER_CONFIG_WORKFLOW_PARSE_H
#define MUSTER_CONFIG_WORKFLOW_PARSE_H

#include "server/config/workflow_expr.h"

#define WF_EXPR_MAX 21000
#define WF_DEPTH_MAX 50

enum wf_node_kind {
    WF_NODE_LITERAL,
    WF_NODE_CONTEXT,
    WF_NODE_CALL,
    WF_NODE_INDEX, /* args: what, key (NULL = every element) */
    WF_NODE_NOT,
    WF_NODE_EQ,
    WF_NODE_NE,
    WF_NODE_LT,
    WF_NODE_LE,
    WF_NODE_GT,
    WF_NODE_GE,
    WF_NODE_AND,
    WF_NODE_OR
};

struct wf_call;

struct wf_node {
    enum wf_node_kind kind;
    const struct wf_value *value; /* LITERAL, CONTEXT */
    const struct wf_call *call;   /* CALL */
    size_t n;
    const struct wf_node **args;
    int depth; /* 1 = a leaf */
};

/* A function that can be called. Status functions (always() ...) have no `run` and are there for `if` only. */
struct wf_call {
    const char *name;
    size_t min, max; /* arguments */
    /* Arguments may hold unknowns, but none with alternatives. NULL = *e. */
    const struct wf_value *(*run)(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e);
};

/* In workflow_func.c. Without case; NULL = there is none. */
const struct wf_call *wf_call_find(const char *name, size_t len, bool status);
extern const struct wf_call wf_call_case;   /* evaluated by workflow_expr.c: its arguments are lazy */
extern const struct wf_call wf_call_always; /* true */

int wf_parse(const char *text, size_t len, const struct wf_scope *scope, const struct wf_node **out,
             struct err *e) MUST_USE;

#endif
