/* Trees to values; texts with "${{ }}" to values. */
#include "server/config/workflow_expr.h"

#include "server/base/text.h"
#include "server/config/workflow_parse.h"

#include <stdio.h>
#include <string.h>

static const struct wf_value *eval(const struct wf_scope *s, const struct wf_node *n, struct err *e);

/* ---- what is worked out from known arguments, or unknown ones without alternatives ---- */

static const struct wf_value *of_truth(struct arena *a, enum wf_truth t, const struct wf_value *x,
                                       const struct wf_value *y)
{
    const struct wf_value *const both[2] = {wf_bool(true), wf_bool(false)};
    const struct wf_value *why = x->kind == WF_UNKNOWN ? x : y;

    return t == WF_MAYBE ? wf_one_of(a, both, 2, why->why) : wf_bool(t == WF_TRUE);
}

static enum wf_truth negated(enum wf_truth t)
{
    return t == WF_MAYBE ? WF_MAYBE : t == WF_TRUE ? WF_FALSE : WF_TRUE;
}

static enum wf_truth either(enum wf_truth x, enum wf_truth y)
{
    return x == WF_TRUE || y == WF_TRUE ? WF_TRUE : x == WF_MAYBE || y == WF_MAYBE ? WF_MAYBE : WF_FALSE;
}

static const struct wf_value *compare(struct arena *a, enum wf_node_kind kind, const struct wf_value *x,
                                      const struct wf_value *y)
{
    enum wf_truth equal = wf_equal(x, y), t = equal;

    if (kind == WF_NODE_NE)
        t = negated(equal);
    else if (kind == WF_NODE_LT || kind == WF_NODE_LE)
        t = wf_less(x, y);
    else if (kind == WF_NODE_GT || kind == WF_NODE_GE)
        t = wf_less(y, x);
    if (kind == WF_NODE_LE || kind == WF_NODE_GE)
        t = either(t, equal);
    return of_truth(a, t, x, y);
}

static const struct wf_value *work_out(const struct wf_scope *s, const struct wf_node *n,
                                       const struct wf_value *const *args, struct err *e)
{
    switch (n->kind) {
    case WF_NODE_LITERAL:
    case WF_NODE_CONTEXT:
    case WF_NODE_AND:
    case WF_NODE_OR:
        break;
    case WF_NODE_NOT:
        return of_truth(s->arena, negated(wf_truth(args[0])), args[0], args[0]);
    case WF_NODE_INDEX:
        return wf_index(s->arena, args[0], args[1]);
    case WF_NODE_CALL:
        return n->call->run(s->arena, args, n->n, e);
    case WF_NODE_EQ:
    case WF_NODE_NE:
    case WF_NODE_LT:
    case WF_NODE_LE:
    case WF_NODE_GT:
    case WF_NODE_GE:
        return compare(s->arena, n->kind, args[0], args[1]);
    }
    return err_set(e, ERR_BUG, "an operator has no function") ? NULL : wf_null();
}

static int spend(const struct wf_scope *s, size_t bytes, struct err *e)
{
    if (s->budget->steps == 0 || s->budget->bytes < bytes) {
        s->budget->steps = 0; /* whoever tries alternatives stops too */
        return err_set(e, ERR_INVALID, "the expressions of this file are too much work to evaluate");
    }
    s->budget->steps--;
    s->budget->bytes -= bytes;
    return 0;
}

static size_t text_length(const struct wf_value *v)
{
    return v != NULL && (v->kind == WF_STRING || v->kind == WF_UNKNOWN) ? strlen(v->text) : 0;
}

/* Work one step out, at the budget's cost. */
static const struct wf_value *step(const struct wf_scope *s, const struct wf_node *n,
                                   const struct wf_value *const *args, struct err *e)
{
    const struct wf_value *v;
    size_t bytes = sizeof(*v);

    for (size_t i = 0; i < n->n; i++) /* a document is larger than its text */
        bytes += text_length(args[i]) * (n->n == 1 ? 16 : 1);
    if (spend(s, bytes, e))
        return NULL;
    v = work_out(s, n, args, e);
    if (v == NULL)
        return NULL;
    bytes = text_length(v) + (v->kind == WF_ARRAY || v->kind == WF_OBJECT ? v->n * 2 * sizeof(void *) : 0);
    return spend(s, bytes, e) ? NULL : v;
}

/* Every alternative of every argument on its own. */
static const struct wf_value *apply(const struct wf_scope *s, const struct wf_node *n, const struct wf_value **args,
                                    struct err *e)
{
    const struct wf_value *results[WF_CHOICES_MAX], *choice = NULL, *out;
    size_t at = 0, count = 0;

    for (; at < n->n && choice == NULL; at++)
        choice = args[at] != NULL && args[at]->kind == WF_UNKNOWN && args[at]->n > 0 ? args[at] : NULL;
    if (choice == NULL)
        return step(s, n, args, e);
    for (size_t i = 0; i < choice->n; i++) {
        args[at - 1] = choice->items[i];
        out = apply(s, n, args, e);
        if (out == NULL && s->budget->steps == 0)
            return NULL;
        if (out != NULL)
            results[count++] = out;
    }
    args[at - 1] = choice;
    return count > 0 ? wf_one_of(s->arena, results, count, choice->why) : NULL;
}

/* ---- what evaluates only some of its arguments ---- */

/* An unknown value of which it is known how it stands as a condition. */
static const struct wf_value *with_truth(struct arena *a, const struct wf_value *v, enum wf_truth truth)
{
    struct wf_value *copy;

    if (v->kind != WF_UNKNOWN || v->truth == truth)
        return v;
    copy = arena_alloc(a, sizeof(*copy));
    *copy = *v;
    copy->truth = truth;
    return copy;
}

/* Of v and its alternatives: those that may end the chain go to `ended`; may the others go on? */
static bool split(const struct wf_scope *s, const struct wf_value *v, enum wf_truth ends_at,
                  const struct wf_value **ended, size_t *n)
{
    bool goes_on = false;

    if (v->kind == WF_UNKNOWN && v->n > 0) {
        for (size_t i = 0; i < v->n; i++)
            goes_on = split(s, v->items[i], ends_at, ended, n) || goes_on;
        return goes_on;
    }
    if (wf_truth(v) == ends_at || wf_truth(v) == WF_MAYBE)
        ended[(*n)++] = with_truth(s->arena, v, ends_at);
    return wf_truth(v) != ends_at;
}

static const struct wf_value *too_many(struct arena *a, const char *why)
{
    return wf_unknown_like(a, wf_unknown(a, why != NULL ? why : "too many cases", WF_MAYBE), WF_MAYBE);
}

/* a && b is a when a is false, else b; a || b is a when a is true, else b. */
static const struct wf_value *eval_chain(const struct wf_scope *s, const struct wf_node *n, struct err *e)
{
    enum wf_truth ends_at = n->kind == WF_NODE_AND ? WF_FALSE : WF_TRUE;
    const struct wf_value *found[WF_CHOICES_MAX * 2 + 2], *v = NULL;
    const char *why = NULL;
    size_t count = 0;

    for (size_t i = 0; i < n->n; i++) {
        v = eval(s, n->args[i], e);
        if (v == NULL)
            return NULL;
        if (v->kind == WF_UNKNOWN && why == NULL)
            why = v->why;
        if (i + 1 == n->n || !split(s, v, ends_at, found, &count))
            break;
        if (count > WF_CHOICES_MAX) /* no more room: unknown as a whole */
            return too_many(s->arena, why);
    }
    if (count == 0)
        return v;
    found[count++] = v;
    return wf_one_of(s->arena, found, count, why != NULL ? why : "it");
}

static const struct wf_value *eval_case(const struct wf_scope *s, const struct wf_node *n, struct err *e)
{
    const struct wf_value *found[WF_CHOICES_MAX + 1], *v;
    const char *why = NULL;
    size_t count = 0, i;

    for (i = 0; i + 1 < n->n; i += 2) {
        const struct wf_value *is = eval(s, n->args[i], e);
        enum wf_truth t;

        if (is == NULL)
            return NULL;
        if (is->kind != WF_BOOL && is->kind != WF_UNKNOWN &&
            err_set(e, ERR_INVALID, "case: condition %zu is neither true nor false", i / 2 + 1))
            return NULL;
        t = wf_truth(is);
        if (t == WF_FALSE)
            continue;
        if (count == WF_CHOICES_MAX)
            return too_many(s->arena, why);
        if (t == WF_MAYBE && why == NULL)
            why = is->why;
        v = eval(s, n->args[i + 1], e);
        if (v == NULL)
            return NULL;
        found[count++] = v;
        if (t == WF_TRUE)
            return wf_one_of(s->arena, found, count, why != NULL ? why : "it");
    }
    v = eval(s, n->args[n->n - 1], e);
    if (v == NULL)
        return NULL;
    found[count++] = v;
    return wf_one_of(s->arena, found, count, why != NULL ? why : "it");
}

static const struct wf_value *eval_call(const struct wf_scope *s, const struct wf_node *n, struct err *e)
{
    AUTO_BUF struct buf why = BUF_INIT(100);

    if (n->call == &wf_call_case)
        return eval_case(s, n, e);
    if (n->call == &wf_call_always)
        return wf_bool(true);
    if (n->call->run == NULL) {
        const struct wf_value *const both[2] = {wf_bool(true), wf_bool(false)};

        buf_addf(&why, "%s()", n->call->name);
        return wf_one_of(s->arena, both, 2, why.p);
    }
    return wf_null();
}

static const struct wf_value *eval(const struct wf_scope *s, const struct wf_node *n, struct err *e)
{
    const struct wf_value **args;

    if (n->kind == WF_NODE_LITERAL || n->kind == WF_NODE_CONTEXT)
        return n->value;
    if (n->kind == WF_NODE_AND || n->kind == WF_NODE_OR)
        return eval_chain(s, n, e);
    if (n->kind == WF_NODE_CALL && (n->call->run == NULL || n->call == &wf_call_case))
        return eval_call(s, n, e);
    args = arena_calloc(s->arena, n->n + 1, sizeof(const struct wf_value *));
    for (size_t i = 0; i < n->n; i++) {
        args[i] = n->args[i] != NULL ? eval(s, n->args[i], e) : NULL;
        if (args[i] == NULL && n->args[i] != NULL)
            return NULL;
    }
    return apply(s, n, args, e);
}

int wf_eval(const char *text, size_t len, const struct wf_scope *s, const struct wf_value **out, struct err *e)
{
    const struct wf_value *v;
    const struct wf_node *tree;

    if (spend(s, len * 64, e) || wf_parse(text, len, s, &tree, e))
        return -1;
    v = eval(s, tree, e);
    if (v == NULL)
        return -1;
    *out = v;
    return 0;
}

/* ---- texts with ${{ }} ---- */

/* Where "}}" ends the expression that begins at s; NULL = nowhere. Texts in quotes may hold it. */
static const char *closing(const char *s)
{
    bool quoted = false;

    for (; *s != '\0'; s++) {
        if (*s == '\'')
            quoted = !quoted;
        else if (!quoted && s[0] == '}' && s[1] == '}')
            return s;
    }
    return NULL;
}

static int one_expression(const char *open, const struct wf_scope *s, const struct wf_value **out, const char **rest,
                          struct err *e)
{
    const char *end = closing(open + 3);

    if (end == NULL)
        return err_set(e, ERR_INVALID, "\"%.40s\" is not closed by \"}}\"", open);
    if (wf_eval(open + 3, (size_t)(end - open - 3), s, out, e))
        return err_wrap(e, "%.*s", (int)(end + 2 - open < 100 ? end + 2 - open : 100), open);
    *rest = end + 2;
    return 0;
}

static void add_plain(struct buf *format, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_addc(format, s[i]);
        if (s[i] == '{' || s[i] == '}')
            buf_addc(format, s[i]);
    }
}

#define PARTS_MAX 60

/* As GitHub does it: format('plain {0} plain {1}', ...). */
static int together(const char *text, const struct wf_scope *s, const struct wf_value **out, struct err *e)
{
    AUTO_BUF struct buf format = BUF_INIT(WF_TEXT_MAX);
    const struct wf_value *args[PARTS_MAX + 1], *v;
    struct wf_node call = {.kind = WF_NODE_CALL, .call = wf_call_find("format", 6, false), .n = 1};
    const char *open, *at = text, *made;

    while ((open = strstr(at, "${{")) != NULL) {
        if (call.n > PARTS_MAX)
            return err_set(e, ERR_INVALID, "more than %d expressions in one text", PARTS_MAX);
        add_plain(&format, at, (size_t)(open - at));
        buf_addf(&format, "{%zu}", call.n - 1);
        if (one_expression(open, s, &args[call.n++], &at, e))
            return -1;
    }
    add_plain(&format, at, strlen(at));
    if (buf_str(&format, &made, e))
        return -1;
    args[0] = wf_string(s->arena, made, format.len);
    v = apply(s, &call, args, e);
    if (v == NULL)
        return -1;
    *out = v;
    return 0;
}

int wf_template(const char *text, const struct wf_scope *s, const struct wf_value **out, bool *has, struct err *e)
{
    const char *open = strstr(text, "${{"), *end = open != NULL ? closing(open + 3) : NULL, *rest;

    if (has != NULL)
        *has = open != NULL;
    if (open == NULL) {
        *out = wf_string(s->arena, text, strlen(text));
        return 0;
    }
    if (open == text && end != NULL && end[2] == '\0')
        return one_expression(open, s, out, &rest, e);
    return together(text, s, out, e);
}

/* ---- YAML with ${{ }} ---- */

static int fill_scalar(const struct yaml_node *n, const struct wf_scope *s, const struct wf_value **out, struct err *e)
{
    const struct wf_value *v;
    struct wf_value *placed;

    if (strstr(n->text, "${{") == NULL) {
        *out = wf_of_scalar(s->arena, n);
        return 0;
    }
    if (wf_template(n->text, s, &v, NULL, e))
        return -1;
    if (v->line == 0 && v->kind != WF_ARRAY && v->kind != WF_OBJECT) { /* lists and mappings are compared by identity */
        placed = arena_alloc(s->arena, sizeof(*placed));
        *placed = *v;
        placed->line = n->line;
        placed->column = n->column;
        v = placed;
    }
    *out = v;
    return 0;
}

/* A list or mapping with the place it was written at. Nobody has seen it yet: it is nobody else's. */
static const struct wf_value *placed_at(struct arena *a, const struct wf_value *v, const struct yaml_node *n)
{
    struct wf_value *placed = arena_alloc(a, sizeof(*placed));

    *placed = *v;
    placed->line = n->line;
    placed->column = n->column;
    return placed;
}

static int fill_list(const struct yaml_node *n, const struct wf_scope *s, const struct wf_value **out,
                     const struct yaml_node **at, struct err *e)
{
    const struct wf_value **items = arena_calloc(s->arena, n->n + 1, sizeof(const struct wf_value *));

    for (size_t i = 0; i < n->n; i++) {
        if (wf_fill(n->items[i], s, &items[i], at, e))
            return -1;
    }
    *out = placed_at(s->arena, wf_array(s->arena, items, n->n), n);
    return 0;
}

static int fill_map(const struct yaml_node *n, const struct wf_scope *s, const struct wf_value **out,
                    const struct yaml_node **at, struct err *e)
{
    struct wf_field *fields = arena_calloc(s->arena, n->n + 1, sizeof(*fields));

    for (size_t i = 0; i < n->n; i++) {
        fields[i].key = n->pairs[i].key->text;
        if (wf_fill(n->pairs[i].value, s, &fields[i].value, at, e))
            return -1;
    }
    *out = placed_at(s->arena, wf_object(s->arena, fields, n->n), n);
    return 0;
}

int wf_fill(const struct yaml_node *n, const struct wf_scope *s, const struct wf_value **out,
            const struct yaml_node **at, struct err *e)
{
    switch (n->kind) {
    case YAML_SCALAR:
        if (fill_scalar(n, s, out, e)) {
            *at = n;
            return -1;
        }
        return 0;
    case YAML_LIST:
        return fill_list(n, s, out, at, e);
    case YAML_MAP:
        return fill_map(n, s, out, at, e);
    }
    return 0;
}

int wf_condition(const char *text, const struct wf_scope *s, enum wf_truth *out, bool *is_text, struct err *e)
{
    const struct wf_value *v;
    const char *open = strstr(text, "${{"), *end = open != NULL ? closing(open + 3) : NULL;

    if (open == NULL ? wf_eval(text, strlen(text), s, &v, e) : wf_template(text, s, &v, NULL, e))
        return -1;
    *is_text = open != NULL && (open != text || end == NULL || end[2] != '\0');
    *out = wf_truth(v);
    return 0;
}
