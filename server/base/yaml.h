/*
 * YAML as a tree: libyaml's events, with line and column kept on every node. Scalars keep their text and are converted
 * by whoever knows the field, so `version: 22631.2861` and `0804786` stay strings.
 *
 * Refused, each with line and column: text over max_bytes, deeper than 32 levels, more than 10,000 nodes (an alias
 * counts as often as it is used, so a "billion laughs" file ends here), several documents, a key that is no scalar, a
 * key twice in one mapping, tags other than the core ones, text that is no UTF-8. Anchors, aliases and merge keys
 * (`<<`) are followed. An empty document gives a NULL-scalar root.
 *
 * A document is immutable after parsing; nodes are borrowed from it.
 */
#ifndef MUSTER_BASE_YAML_H
#define MUSTER_BASE_YAML_H

#include "server/base/buf.h"

#include <jansson.h>
#include <stdint.h>

#define YAML_MAX_DEPTH 32
#define YAML_MAX_NODES 10000

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node;

struct yaml_pair {
    const struct yaml_node *key, *value;
};

struct yaml_node {
    enum yaml_kind kind;
    int line, column; /* from 1; columns count characters */
    int end_column;   /* SCALAR: the column behind it; 0 when it is empty or ends on another line, and for the others */
    bool plain;       /* SCALAR: written without quotes, so null, true and numbers mean what they say */
    const char *text; /* SCALAR: NUL-ended, never holds a NUL */
    size_t n;         /* elements of a LIST, pairs of a MAP */
    const struct yaml_node **items;
    const struct yaml_pair *pairs;
};

struct yaml_doc;

/* `file` names the text in errors: "FILE:LINE:COLUMN: what was expected". The document keeps a copy of the name. */
int yaml_parse(const char *text, size_t len, size_t max_bytes, const char *file, struct yaml_doc **out,
               struct err *e) MUST_USE;
/* (A plain yaml_free is taken: libyaml exports one and would call ours instead of its own.) */
void yaml_doc_free(struct yaml_doc *d); /* accepts NULL */
void yaml_doc_free_ptr(struct yaml_doc **d);
#define AUTO_YAML AUTO(yaml_doc_free_ptr)

const struct yaml_node *yaml_root(const struct yaml_doc *d);
const char *yaml_file(const struct yaml_doc *d);

/* The value of a key, or NULL (also when the node is NULL or no mapping). */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

bool yaml_is_null(const struct yaml_node *n);          /* NULL pointer, plain empty, ~, null */
const char *yaml_kind_name(const struct yaml_node *n); /* "a list", "a mapping", "a string", "nothing" */

/* ERR_INVALID as "FILE:LINE:COLUMN: message". */
int yaml_err(const struct yaml_doc *d, const struct yaml_node *n, struct err *e, const char *fmt, ...) MUST_USE
    PRINTF(4, 5);

/* Typed reading with such errors; `what` names the field. */
int yaml_str(const struct yaml_doc *d, const struct yaml_node *n, const char *what, const char **out,
             struct err *e) MUST_USE;
int yaml_bool(const struct yaml_doc *d, const struct yaml_node *n, const char *what, bool *out, struct err *e) MUST_USE;
int yaml_i64(const struct yaml_doc *d, const struct yaml_node *n, const char *what, int64_t min, int64_t max,
             int64_t *out, struct err *e) MUST_USE;

/* The subtree as JSON: plain null, true/false and canonical decimal integers or decimals become typed, all else
 * strings. The caller owns the result. */
json_t *yaml_to_json(const struct yaml_node *n);

#endif
