/* The functions of expressions. "Evaluate expressions", "Functions"; `case` since 2026. */
#include "server/config/workflow_parse.h"

#include "server/base/json.h"
#include "server/base/text.h"

#include <string.h>

/* The first unknown among the arguments, however deep. */
static const struct wf_value *any_unknown(const struct wf_value *const *args, size_t n)
{
    const struct wf_value *found = NULL;

    for (size_t i = 0; i < n && found == NULL; i++)
        found = wf_find_unknown(args[i]);
    return found;
}

static const struct wf_value *maybe(struct arena *a, const struct wf_value *unknown)
{
    const struct wf_value *const both[2] = {wf_bool(true), wf_bool(false)};

    return wf_one_of(a, both, 2, unknown->why);
}

static bool is_primitive(const struct wf_value *v)
{
    return v->kind != WF_ARRAY && v->kind != WF_OBJECT;
}

static bool starts(const char *s, size_t len, const char *with, size_t n)
{
    const char *end = with + n;

    if (n > len)
        return false;
    while (with < end) {
        if (wf_upper(&s) != wf_upper(&with))
            return false;
    }
    return true;
}

static bool holds(const char *s, const char *what)
{
    size_t len = strlen(s), n = strlen(what);

    for (size_t i = 0; i + n <= len; i++) {
        if (starts(s + i, len - i, what, n))
            return true;
    }
    return false;
}

static const struct wf_value *contains_item(struct arena *a, const struct wf_value *list, const struct wf_value *item)
{
    const struct wf_value *unsure = NULL;

    for (size_t i = 0; i < list->n; i++) {
        enum wf_truth equal = wf_equal(list->items[i], item);

        if (equal == WF_TRUE)
            return wf_bool(true);
        if (equal == WF_MAYBE)
            unsure = list->items[i]->kind == WF_UNKNOWN ? list->items[i] : item;
    }
    return unsure != NULL ? maybe(a, unsure) : wf_bool(false);
}

static const struct wf_value *call_contains(struct arena *a, const struct wf_value *const *args, size_t n,
                                            struct err *e)
{
    (void)n;
    (void)e;
    if (args[0]->kind == WF_ARRAY)
        return contains_item(a, args[0], args[1]);
    if (args[0]->kind == WF_UNKNOWN)
        return maybe(a, args[0]);
    if (args[1]->kind == WF_UNKNOWN)
        return maybe(a, args[1]);
    return wf_bool(is_primitive(args[0]) && is_primitive(args[1]) &&
                   holds(wf_to_text(a, args[0]), wf_to_text(a, args[1])));
}

static const struct wf_value *at_an_end(struct arena *a, const struct wf_value *const *args, bool at_the_start)
{
    const struct wf_value *unknown = any_unknown(args, 2);
    const char *s, *with;
    size_t len, n;

    if (!is_primitive(args[0]) || !is_primitive(args[1]))
        return wf_bool(false);
    s = wf_to_text(a, args[0]);
    with = wf_to_text(a, args[1]);
    len = args[0]->kind == WF_UNKNOWN ? args[0]->certain : strlen(s);
    n = strlen(with);
    if (args[1]->kind == WF_UNKNOWN || (unknown != NULL && !at_the_start))
        return maybe(a, unknown);
    if (unknown != NULL && n > len) /* the certain part may already differ */
        return starts(s, len, with, len) ? maybe(a, unknown) : wf_bool(false);
    return wf_bool(n <= len && starts(at_the_start ? s : s + len - n, n, with, n));
}

static const struct wf_value *call_starts(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    return at_an_end(a, args, true);
}

static const struct wf_value *call_ends(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    return at_an_end(a, args, false);
}

/* ---- texts put together ---- */

/* A text of which some may be unknown. */
struct pieces {
    struct arena *arena;
    struct buf text;
    const struct wf_value *unknown; /* the first */
    size_t certain;
    bool filled; /* something certain that is not empty is in it */
};

static void piece_text(struct pieces *p, const char *s, size_t n)
{
    buf_add(&p->text, s, n);
    p->filled = p->filled || n > 0;
    if (p->unknown == NULL)
        p->certain = p->text.len;
}

static void piece(struct pieces *p, const struct wf_value *v)
{
    const char *s = wf_to_text(p->arena, v);

    if (v->kind != WF_UNKNOWN) {
        piece_text(p, s, strlen(s));
        return;
    }
    if (p->unknown == NULL)
        p->certain = p->text.len + v->certain;
    p->unknown = p->unknown != NULL ? p->unknown : v;
    p->filled = p->filled || v->truth == WF_TRUE;
    buf_adds(&p->text, s);
}

static const struct wf_value *pieces_end(struct pieces *p, struct err *e)
{
    struct wf_value *v;
    const char *text;

    if (buf_str(&p->text, &text, e))
        return NULL;
    if (p->unknown == NULL)
        return wf_string(p->arena, text, p->text.len);
    v = arena_alloc(p->arena, sizeof(*v));
    v->kind = WF_UNKNOWN;
    v->why = p->unknown->why;
    v->text = arena_strndup(p->arena, text, p->text.len);
    v->certain = p->certain;
    v->truth = p->filled ? WF_TRUE : WF_MAYBE;
    v->opaque = true;
    return v;
}

/* "{N}" at s: how long it is, 0 = it is none. */
static size_t placeholder(const char *s, size_t *number)
{
    size_t n = 1, value = 0;

    for (; s[n] >= '0' && s[n] <= '9' && n < 8; n++)
        value = value * 10 + (size_t)(s[n] - '0');
    if (n == 1 || s[n] != '}')
        return 0;
    *number = value;
    return n + 1;
}

static int format_into(struct pieces *p, const char *format, const struct wf_value *const *args, size_t n,
                       struct err *e)
{
    for (const char *s = format; *s != '\0';) {
        size_t plain = strcspn(s, "{}"), length, number;

        piece_text(p, s, plain);
        s += plain;
        if (*s == '\0')
            break;
        if (s[1] == s[0]) {
            piece_text(p, s, 1);
            s += 2;
            continue;
        }
        length = *s == '{' ? placeholder(s, &number) : 0;
        if (length == 0)
            return err_set(e, ERR_INVALID, "format: \"%.60s\" is no format; write {{ and }} for braces", format);
        if (number + 1 >= n)
            return err_set(e, ERR_INVALID, "format: \"%.60s\" asks for {%zu}, and there are %zu values", format, number,
                           n - 1);
        piece(p, args[number + 1]);
        s += length;
    }
    return 0;
}

static const struct wf_value *call_format(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e)
{
    struct pieces p = {.arena = a, .text = BUF_INIT(WF_TEXT_MAX)};
    const struct wf_value *out = NULL;

    if (args[0]->kind == WF_UNKNOWN)
        return wf_unknown_like(a, args[0], WF_MAYBE);
    if (format_into(&p, wf_to_text(a, args[0]), args, n, e) == 0)
        out = pieces_end(&p, e);
    buf_clear(&p.text);
    return out;
}

static const struct wf_value *call_join(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e)
{
    struct pieces p = {.arena = a, .text = BUF_INIT(WF_TEXT_MAX)};
    const struct wf_value *comma = wf_string(a, ",", 1), *out;
    const struct wf_value *between = n > 1 && is_primitive(args[1]) ? args[1] : comma;

    if (args[0]->kind == WF_UNKNOWN)
        return wf_unknown_like(a, args[0], WF_MAYBE);
    if (args[0]->kind != WF_ARRAY)
        return is_primitive(args[0]) ? wf_string(a, wf_to_text(a, args[0]), strlen(wf_to_text(a, args[0])))
                                     : wf_string(a, "", 0);
    for (size_t i = 0; i < args[0]->n && !p.text.over; i++) {
        if (i > 0)
            piece(&p, between);
        piece(&p, args[0]->items[i]);
    }
    out = pieces_end(&p, e);
    buf_clear(&p.text);
    return out;
}

/* ---- JSON ---- */

static const struct wf_value *call_to_json(struct arena *a, const struct wf_value *const *args, size_t n, struct err *e)
{
    const struct wf_value *unknown = any_unknown(args, n);
    AUTO_BUF struct buf out = BUF_INIT(WF_TEXT_MAX);
    const char *text;

    if (unknown != NULL)
        return wf_unknown_like(a, unknown, WF_TRUE);
    wf_to_json(args[0], &out);
    return buf_str(&out, &text, e) ? NULL : wf_string(a, text, out.len);
}

static const struct wf_value *call_from_json(struct arena *a, const struct wf_value *const *args, size_t n,
                                             struct err *e)
{
    const char *text = wf_to_text(a, args[0]);
    const struct wf_value *out;
    json_error_t why;
    json_t *j;

    (void)n;
    if (args[0]->kind == WF_UNKNOWN)
        return wf_unknown_like(a, args[0], WF_MAYBE);
    j = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &why);
    if (j == NULL &&
        err_set(e, ERR_INVALID, "fromJSON: \"%.60s\" is no JSON (line %d, column %d)", text, why.line, why.column))
        return NULL;
    out = wf_of_json(a, j);
    json_decref(j);
    return out;
}

/* ---- the table ---- */

const struct wf_call wf_call_case = {"case", 3, 255, NULL};
const struct wf_call wf_call_always = {"always", 0, 0, NULL};

const struct wf_call *wf_call_find(const char *name, size_t len, bool status)
{
    static const struct wf_call calls[] = {{"contains", 2, 2, call_contains}, {"endsWith", 2, 2, call_ends},
                                           {"format", 1, 255, call_format},   {"join", 1, 2, call_join},
                                           {"startsWith", 2, 2, call_starts}, {"toJSON", 1, 1, call_to_json},
                                           {"fromJSON", 1, 1, call_from_json}};
    static const struct wf_call of_status[] = {
        {"success", 0, 255, NULL}, {"failure", 0, 255, NULL}, {"cancelled", 0, 0, NULL}};
    const struct wf_call *found = NULL;

#define IS(what) (strlen(what) == len && starts(name, len, what, len))
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        found = IS(calls[i].name) ? &calls[i] : found;
    for (size_t i = 0; status && i < ARRAY_LEN(of_status); i++)
        found = IS(of_status[i].name) ? &of_status[i] : found;
    if (IS("case"))
        found = &wf_call_case;
    return status && IS("always") ? &wf_call_always : found;
#undef IS
}
