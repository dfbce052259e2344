/* Text to tree: a lexer that knows what may follow what, and recursive descent by precedence. */
#include "server/config/workflow_parse.h"

#include "server/base/text.h"

#include <math.h>
#include <string.h>

#define NESTING_MAX 200 /* parentheses, brackets, calls and "!" inside each other */
#define ARGS_MAX 255

struct reading {
    const struct wf_scope *scope;
    const char *text;
    size_t len, pos;
    int nesting;
};

static int parse_or(struct reading *r, const struct wf_node **out, struct err *e);

/* ---- words ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool ends_token(char c)
{
    return is_space(c) || strchr("()[],.!<>=&|", c) != NULL;
}

static void skip_space(struct reading *r)
{
    while (r->pos < r->len && is_space(r->text[r->pos]))
        r->pos++;
}

/* The next character that counts, '\0' at the end. */
static char peek(struct reading *r)
{
    skip_space(r);
    return r->pos < r->len ? r->text[r->pos] : '\0';
}

static bool take(struct reading *r, const char *token)
{
    size_t n = strlen(token);

    skip_space(r);
    if (r->len - r->pos < n || memcmp(r->text + r->pos, token, n) != 0)
        return false;
    r->pos += n;
    return true;
}

static int unexpected(struct reading *r, const char *wanted, struct err *e)
{
    size_t left;

    skip_space(r);
    left = r->len - r->pos;
    if (left == 0)
        return err_set(e, ERR_INVALID, "the expression ends where %s was expected", wanted);
    return err_set(e, ERR_INVALID, "%s was expected at \"%.*s\" (character %zu of the expression)", wanted,
                   (int)(left < 30 ? left : 30), r->text + r->pos, r->pos + 1);
}

/* ---- nodes ---- */

static int node(struct reading *r, enum wf_node_kind kind, const struct wf_node **args, size_t n, struct wf_node **out,
                struct err *e)
{
    struct wf_node *made = arena_alloc(r->scope->arena, sizeof(*made));

    made->kind = kind;
    made->args = args;
    made->n = n;
    made->depth = 1;
    for (size_t i = 0; i < n; i++) {
        if (args[i] != NULL && args[i]->depth >= made->depth)
            made->depth = args[i]->depth + 1;
    }
    if (made->depth > WF_DEPTH_MAX)
        return err_set(e, ERR_INVALID, "the expression is nested deeper than %d levels", WF_DEPTH_MAX);
    *out = made;
    return 0;
}

static int literal(struct reading *r, const struct wf_value *v, const struct wf_node **out, struct err *e)
{
    struct wf_node *made = NULL;

    if (node(r, WF_NODE_LITERAL, NULL, 0, &made, e))
        return -1;
    made->value = v;
    *out = made;
    return 0;
}

static int pair(struct reading *r, enum wf_node_kind kind, const struct wf_node *left, const struct wf_node *right,
                const struct wf_node **out, struct err *e)
{
    const struct wf_node **args = arena_calloc(r->scope->arena, 2, sizeof(const struct wf_node *));
    struct wf_node *made = NULL;

    args[0] = left;
    args[1] = right;
    if (node(r, kind, args, 2, &made, e))
        return -1;
    *out = made;
    return 0;
}

static int enter(struct reading *r, struct err *e)
{
    if (++r->nesting > NESTING_MAX)
        return err_set(e, ERR_INVALID, "the expression is nested deeper than %d levels", NESTING_MAX);
    return 0;
}

/* ---- operands ---- */

static int parse_string(struct reading *r, const struct wf_node **out, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(WF_EXPR_MAX);
    size_t start = r->pos;

    for (r->pos++; r->pos < r->len; r->pos++) {
        bool quote = r->text[r->pos] == '\'';

        if (quote && (r->pos + 1 >= r->len || r->text[r->pos + 1] != '\'')) {
            r->pos++;
            return literal(r, wf_string(r->scope->arena, text.p != NULL ? text.p : "", text.len), out, e);
        }
        r->pos += quote ? 1 : 0;
        buf_addc(&text, r->text[r->pos]);
    }
    return err_set(e, ERR_INVALID, "the text that begins at %.*s lacks its closing '",
                   (int)(r->len - start < 20 ? r->len - start : 20), r->text + start);
}

static int parse_number(struct reading *r, const struct wf_node **out, struct err *e)
{
    AUTO_BUF struct buf word = BUF_INIT(WF_EXPR_MAX);
    size_t start = r->pos++;
    double number;

    while (r->pos < r->len && (!ends_token(r->text[r->pos]) || r->text[r->pos] == '.'))
        r->pos++;
    buf_add(&word, r->text + start, r->pos - start);
    number = wf_parse_number(word.p);
    if (isnan(number))
        return err_set(e, ERR_INVALID, "\"%.40s\" is not a number", word.p);
    return literal(r, wf_number(r->scope->arena, number), out, e);
}

/* Letters, digits, '_' and '-' from here; 0 = something else stands in the token. */
static size_t word_length(const struct reading *r)
{
    size_t n = 0;

    if (r->pos >= r->len || !is_word_start(r->text[r->pos]))
        return 0;
    while (r->pos + n < r->len && !ends_token(r->text[r->pos + n])) {
        char c = r->text[r->pos + n];

        if (!is_word_start(c) && !is_digit(c) && c != '-')
            return 0;
        n++;
    }
    return n;
}

static bool is_word(const char *word, size_t n, const char *what)
{
    return strlen(what) == n && memcmp(word, what, n) == 0;
}

static bool keyword(struct reading *r, const char *word, size_t n, const struct wf_value **out)
{
    if (is_word(word, n, "null"))
        *out = wf_null();
    else if (is_word(word, n, "true") || is_word(word, n, "false"))
        *out = wf_bool(word[0] == 't');
    else if (is_word(word, n, "NaN"))
        *out = wf_number(r->scope->arena, NAN);
    else if (is_word(word, n, "Infinity"))
        *out = wf_number(r->scope->arena, INFINITY);
    else
        return false;
    return true;
}

static int unknown_name(const struct wf_scope *s, const char *word, size_t n, struct err *e)
{
    static const char *const all[] = {"github", "env",      "vars",   "job",   "jobs",  "steps",
                                      "runner", "strategy", "matrix", "needs", "inputs"};
    const char *names[16], *near, *name = arena_strndup(s->arena, word, n < 60 ? n : 60);
    AUTO_BUF struct buf have = BUF_INIT(400);
    size_t count = 0;

    for (; count < s->n_contexts && count < ARRAY_LEN(names); count++) {
        names[count] = s->contexts[count].key;
        buf_addf(&have, "%s%s", count > 0 ? ", " : "", names[count]);
    }
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (text_ieq(all[i], name) || text_ieq(name, "secrets"))
            return err_set(e, ERR_INVALID,
                           "the context %s is not available in %s, GitHub refuses the file; there are %s", name,
                           s->place, have.p != NULL ? have.p : "none");
    }
    near = text_nearest(name, names, count);
    return err_set(e, ERR_INVALID, "unrecognized named-value \"%s\"%s%s%s; in %s there are %s", name,
                   near != NULL ? ", did you mean " : "", near != NULL ? near : "", near != NULL ? "?" : "", s->place,
                   have.p != NULL ? have.p : "none");
}

static int parse_context(struct reading *r, const char *word, size_t n, const struct wf_node **out, struct err *e)
{
    const char *name = arena_strndup(r->scope->arena, word, n);
    struct wf_node *made = NULL;

    for (size_t i = 0; i < r->scope->n_contexts; i++) {
        const struct wf_field *c = &r->scope->contexts[i];

        if (!text_ieq(c->key, name))
            continue;
        if (node(r, WF_NODE_CONTEXT, NULL, 0, &made, e))
            return -1;
        made->value = c->value;
        *out = made;
        return 0;
    }
    return unknown_name(r->scope, word, n, e);
}

static int check_count(const struct wf_call *call, size_t n, struct err *e)
{
    if (n < call->min || n > call->max)
        return err_set(e, ERR_INVALID, "%s takes %s%zu argument%s, found %zu", call->name,
                       call->min == call->max ? "" : (n < call->min ? "at least " : "at most "),
                       n < call->min ? call->min : call->max, call->max == 1 ? "" : "s", n);
    if (call == &wf_call_case && n % 2 == 0)
        return err_set(e, ERR_INVALID, "case takes pairs of a condition and a value, and a last value; found %zu", n);
    return 0;
}

static int parse_call(struct reading *r, const char *word, size_t len, const struct wf_node **out, struct err *e)
{
    const struct wf_call *call = wf_call_find(word, len, r->scope->status);
    const struct wf_node *args[ARGS_MAX], **kept;
    struct wf_node *made = NULL;
    size_t n = 0;

    if (call == NULL)
        return err_set(e, ERR_INVALID, "the function %.*s is not available in %s", (int)(len < 60 ? len : 60), word,
                       r->scope->place);
    if (!take(r, "(") || enter(r, e))
        return -1;
    if (peek(r) != ')') {
        do {
            if (n == ARGS_MAX)
                return err_set(e, ERR_INVALID, "%s has more than %d arguments", call->name, ARGS_MAX);
            if (parse_or(r, &args[n++], e))
                return -1;
        } while (take(r, ","));
    }
    if (!take(r, ")"))
        return unexpected(r, "\",\" or \")\"", e);
    r->nesting--;
    kept = arena_calloc(r->scope->arena, n + 1, sizeof(const struct wf_node *));
    memcpy(kept, args, n * sizeof(const struct wf_node *));
    if (check_count(call, n, e) || node(r, WF_NODE_CALL, kept, n, &made, e))
        return -1;
    made->call = call;
    *out = made;
    return 0;
}

/* What may be followed by "." and "[" sets *indexable. */
static int parse_operand(struct reading *r, const struct wf_node **out, bool *indexable, struct err *e)
{
    char c = peek(r);
    size_t n = word_length(r);
    const char *word = r->text + r->pos;
    const struct wf_value *value;

    *indexable = false;
    if (c == '\'')
        return parse_string(r, out, e);
    if (c == '-' || c == '+' || c == '.' || is_digit(c))
        return parse_number(r, out, e);
    if (c == '(') {
        r->pos++;
        if (enter(r, e) || parse_or(r, out, e))
            return -1;
        if (!take(r, ")"))
            return unexpected(r, "\")\" or an operator", e);
        r->nesting--;
        *indexable = true;
        return 0;
    }
    if (n == 0)
        return unexpected(r, "a value", e);
    r->pos += n;
    if (keyword(r, word, n, &value))
        return literal(r, value, out, e);
    *indexable = true;
    return peek(r) == '(' ? parse_call(r, word, n, out, e) : parse_context(r, word, n, out, e);
}

/* ---- what follows an operand ---- */

static int parse_dot(struct reading *r, const struct wf_node **at, struct err *e)
{
    const struct wf_node *key;
    size_t n;

    if (take(r, "*"))
        return pair(r, WF_NODE_INDEX, *at, NULL, at, e);
    skip_space(r);
    n = word_length(r);
    if (n == 0)
        return unexpected(r, "a name", e);
    if (literal(r, wf_string(r->scope->arena, r->text + r->pos, n), &key, e))
        return -1;
    r->pos += n;
    return pair(r, WF_NODE_INDEX, *at, key, at, e);
}

static int parse_bracket(struct reading *r, const struct wf_node **at, struct err *e)
{
    const struct wf_node *key = NULL;

    if (enter(r, e) || (!take(r, "*") && parse_or(r, &key, e)))
        return -1;
    if (!take(r, "]"))
        return unexpected(r, "\"]\"", e);
    r->nesting--;
    return pair(r, WF_NODE_INDEX, *at, key, at, e);
}

static int parse_postfix(struct reading *r, const struct wf_node **out, struct err *e)
{
    const struct wf_node *at = NULL;
    bool indexable;

    if (parse_operand(r, &at, &indexable, e))
        return -1;
    while (indexable) {
        char c = peek(r);

        if (c != '.' && c != '[')
            break;
        r->pos++;
        if (c == '.' ? parse_dot(r, &at, e) : parse_bracket(r, &at, e))
            return -1;
    }
    *out = at;
    return 0;
}

static int parse_not(struct reading *r, const struct wf_node **out, struct err *e)
{
    const struct wf_node **args;
    struct wf_node *made = NULL;

    if (peek(r) != '!' || (r->pos + 1 < r->len && r->text[r->pos + 1] == '='))
        return parse_postfix(r, out, e);
    r->pos++;
    args = arena_calloc(r->scope->arena, 1, sizeof(const struct wf_node *));
    if (enter(r, e) || parse_not(r, &args[0], e) || node(r, WF_NODE_NOT, args, 1, &made, e))
        return -1;
    r->nesting--;
    *out = made;
    return 0;
}

/* ---- operators, from the tightest ---- */

static bool take_relation(struct reading *r, enum wf_node_kind *kind)
{
    static const struct {
        const char *token;
        enum wf_node_kind kind;
    } all[] = {{"<=", WF_NODE_LE}, {">=", WF_NODE_GE}, {"<", WF_NODE_LT}, {">", WF_NODE_GT}};

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (take(r, all[i].token)) {
            *kind = all[i].kind;
            return true;
        }
    }
    return false;
}

static int parse_relation(struct reading *r, const struct wf_node **out, struct err *e)
{
    const struct wf_node *left, *right;
    enum wf_node_kind kind;

    if (parse_not(r, &left, e))
        return -1;
    while (take_relation(r, &kind)) {
        if (parse_not(r, &right, e) || pair(r, kind, left, right, &left, e))
            return -1;
    }
    *out = left;
    return 0;
}

static int parse_equality(struct reading *r, const struct wf_node **out, struct err *e)
{
    const struct wf_node *left, *right;

    if (parse_relation(r, &left, e))
        return -1;
    for (;;) {
        bool equal = take(r, "==");

        if (!equal && !take(r, "!="))
            break;
        if (parse_relation(r, &right, e) || pair(r, equal ? WF_NODE_EQ : WF_NODE_NE, left, right, &left, e))
            return -1;
    }
    *out = left;
    return 0;
}

/* All operands of a chain of && or ||, as one node. */
static int parse_chain(struct reading *r, const char *token, enum wf_node_kind kind,
                       int (*operand)(struct reading *r, const struct wf_node **out, struct err *e),
                       const struct wf_node **out, struct err *e)
{
    const struct wf_node *first, **list;
    struct wf_node *made = NULL;
    size_t n = 1, cap = 0;

    if (operand(r, &first, e))
        return -1;
    list = &first;
    while (take(r, token)) {
        if (n >= cap) {
            const struct wf_node **more = arena_calloc(r->scope->arena, n * 2, sizeof(const struct wf_node *));

            cap = n * 2;
            memcpy(more, list, n * sizeof(const struct wf_node *));
            list = more;
        }
        if (operand(r, &list[n], e))
            return -1;
        n++;
    }
    if (n == 1) {
        *out = first;
        return 0;
    }
    if (node(r, kind, list, n, &made, e))
        return -1;
    *out = made;
    return 0;
}

static int parse_and(struct reading *r, const struct wf_node **out, struct err *e)
{
    return parse_chain(r, "&&", WF_NODE_AND, parse_equality, out, e);
}

static int parse_or(struct reading *r, const struct wf_node **out, struct err *e)
{
    return parse_chain(r, "||", WF_NODE_OR, parse_and, out, e);
}

int wf_parse(const char *text, size_t len, const struct wf_scope *scope, const struct wf_node **out, struct err *e)
{
    struct reading r = {.scope = scope, .text = text, .len = len};

    if (len > WF_EXPR_MAX)
        return err_set(e, ERR_INVALID, "the expression is longer than %d characters", WF_EXPR_MAX);
    if (peek(&r) == '\0')
        return err_set(e, ERR_INVALID, "the expression is empty");
    if (parse_or(&r, out, e))
        return -1;
    return peek(&r) == '\0' ? 0 : unexpected(&r, "an operator or the end", e);
}
