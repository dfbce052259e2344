/*
 * Values of GitHub's expression language, and one more kind: what cannot be told before a run. An unknown value stays
 * unknown through every operation, never becomes a wrong answer; where it is one of few, it keeps its alternatives
 * (`github.event_name == 'push' && 'a' || 'b'` is 'a' or 'b').
 *
 * Comparing and converting follow "Evaluate expressions in workflows and actions" of GitHub's documentation and, where
 * it is silent, the runner's own source (actions/runner, src/Sdk/Expressions): strings compare without case, unlike
 * kinds as numbers, arrays and objects only with themselves, keys of objects are found without case.
 *
 * Values are immutable and live in the arena they were made in. One thread per arena.
 */
#ifndef MUSTER_CONFIG_WORKFLOW_VALUE_H
#define MUSTER_CONFIG_WORKFLOW_VALUE_H

#include "server/base/arena.h"
#include "server/base/buf.h"
#include "server/base/yaml.h"

#define WF_TEXT_MAX ((size_t)256 * 1024) /* of one string that an expression makes */
#define WF_CHOICES_MAX 8                 /* alternatives of an unknown value; with more it is just unknown */

enum wf_kind { WF_NULL, WF_BOOL, WF_NUMBER, WF_STRING, WF_ARRAY, WF_OBJECT, WF_UNKNOWN };
enum wf_truth { WF_FALSE, WF_TRUE, WF_MAYBE };

struct wf_value;

struct wf_field {
    const char *key;
    const struct wf_value *value;
};

struct wf_value {
    enum wf_kind kind;
    bool flag;                           /* BOOL */
    bool filtered;                       /* ARRAY: what ".*" gave, whose next index is for each element */
    bool opaque;                         /* what is unknown in it depends on the same `why` as it does itself */
    enum wf_truth truth;                 /* UNKNOWN: as a condition */
    double number;                       /* NUMBER */
    const char *text;                    /* STRING; UNKNOWN: as it is shown, "gpu--<github.run_id>" */
    size_t certain;                      /* UNKNOWN: so many bytes at the front of text are certain */
    const char *why;                     /* UNKNOWN: what it depends on, "needs.plan.outputs.os"; OBJECT: see n */
    size_t n;                            /* elements, fields, alternatives. An OBJECT with a `why` has more fields
                                            than these, all unknown: "why.FIELD", when opaque "why" */
    const struct wf_value *const *items; /* ARRAY; UNKNOWN: the alternatives (n is 0 or at least 2) */
    const struct wf_field *fields;       /* OBJECT, in order */
    int line, column;                    /* of the YAML it was written in; 0 = nowhere */
};

/* ---- making ---- */
const struct wf_value *wf_null(void);
const struct wf_value *wf_bool(bool flag);
const struct wf_value *wf_number(struct arena *a, double number);
const struct wf_value *wf_string(struct arena *a, const char *text, size_t len); /* copied */
const struct wf_value *wf_array(struct arena *a, const struct wf_value *const *items, size_t n);
/* fields: the array must live as long as the arena. */
const struct wf_value *wf_object(struct arena *a, const struct wf_field *fields, size_t n);
/* why is copied; shown as "<why>". */
const struct wf_value *wf_unknown(struct arena *a, const char *why, enum wf_truth truth);
/* What depends on nothing else than v does. */
const struct wf_value *wf_unknown_like(struct arena *a, const struct wf_value *v, enum wf_truth truth);
/* One of these; equal ones count once, alternatives of alternatives are taken apart. n >= 1. */
const struct wf_value *wf_one_of(struct arena *a, const struct wf_value *const *list, size_t n, const char *why);
/* A YAML subtree, plain scalars typed by YAML 1.2's core schema. Texts are borrowed from the document. */
const struct wf_value *wf_of_yaml(struct arena *a, const struct yaml_node *n);
const struct wf_value *wf_of_scalar(struct arena *a, const struct yaml_node *n);
/* JSON, as fromJSON reads it. */
const struct wf_value *wf_of_json(struct arena *a, const json_t *j);

/* ---- asking ---- */
enum wf_truth wf_truth(const struct wf_value *v);
enum wf_truth wf_equal(const struct wf_value *a, const struct wf_value *b);
enum wf_truth wf_less(const struct wf_value *a, const struct wf_value *b);
bool wf_same(const struct wf_value *a, const struct wf_value *b); /* kind for kind, byte for byte */
/* The first unknown in it, however deep; NULL when all is known. */
const struct wf_value *wf_find_unknown(const struct wf_value *v);
const struct wf_value *wf_get(const struct wf_value *object, const char *key); /* NULL when absent, or no object */

/* ---- converting ---- */
double wf_to_number(const struct wf_value *v); /* of a known one; NaN for arrays and objects */
double wf_parse_number(const char *s);         /* NaN when it is none */
/* The next character without case, as far as Latin, Greek and Cyrillic go; *s is moved behind it. */
unsigned wf_upper(const char **s);
/* As a string: what stands in a text with ${{ }}. Of a known one. */
const char *wf_to_text(struct arena *a, const struct wf_value *v);
/* As toJSON prints it, two spaces a level. */
void wf_to_json(const struct wf_value *v, struct buf *out);
/* v[key], or v.* when key is NULL. Null where there is nothing. */
const struct wf_value *wf_index(struct arena *a, const struct wf_value *v, const struct wf_value *key);

#endif
