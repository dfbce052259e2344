#include "server/config/workflow_value.h"

#include "server/base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct wf_value *wf_null(void)
{
    static const struct wf_value null = {.kind = WF_NULL};

    return &null;
}

const struct wf_value *wf_bool(bool flag)
{
    static const struct wf_value values[2] = {{.kind = WF_BOOL, .flag = false}, {.kind = WF_BOOL, .flag = true}};

    return &values[flag ? 1 : 0];
}

static struct wf_value *make(struct arena *a, enum wf_kind kind)
{
    struct wf_value *v = arena_alloc(a, sizeof(*v));

    v->kind = kind;
    return v;
}

const struct wf_value *wf_number(struct arena *a, double number)
{
    struct wf_value *v = make(a, WF_NUMBER);

    v->number = number;
    return v;
}

const struct wf_value *wf_string(struct arena *a, const char *text, size_t len)
{
    struct wf_value *v = make(a, WF_STRING);

    v->text = arena_strndup(a, text, len);
    return v;
}

const struct wf_value *wf_array(struct arena *a, const struct wf_value *const *items, size_t n)
{
    struct wf_value *v = make(a, WF_ARRAY);

    v->items = items;
    v->n = n;
    return v;
}

const struct wf_value *wf_object(struct arena *a, const struct wf_field *fields, size_t n)
{
    struct wf_value *v = make(a, WF_OBJECT);

    v->fields = fields;
    v->n = n;
    return v;
}

static const char *shown(struct arena *a, const char *why)
{
    size_t len = strlen(why);
    char *text = arena_alloc(a, len + 3);

    text[0] = '<';
    memcpy(text + 1, why, len);
    text[len + 1] = '>';
    return text;
}

const struct wf_value *wf_unknown(struct arena *a, const char *why, enum wf_truth truth)
{
    struct wf_value *v = make(a, WF_UNKNOWN);

    v->why = arena_strdup(a, why);
    v->text = shown(a, why);
    v->truth = truth;
    return v;
}

const struct wf_value *wf_unknown_like(struct arena *a, const struct wf_value *like, enum wf_truth truth)
{
    struct wf_value *v = make(a, WF_UNKNOWN);

    v->why = like->why;
    v->text = shown(a, like->why);
    v->truth = truth;
    v->opaque = true;
    return v;
}

/* Append what is new of v's alternatives; false when there are too many. */
static bool add_choice(const struct wf_value **list, size_t *n, const struct wf_value *v)
{
    if (v->kind == WF_UNKNOWN && v->n > 0) {
        for (size_t i = 0; i < v->n; i++) {
            if (!add_choice(list, n, v->items[i]))
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < *n; i++) {
        if (wf_same(list[i], v))
            return true;
    }
    if (*n == WF_CHOICES_MAX)
        return false;
    list[(*n)++] = v;
    return true;
}

static enum wf_truth common_truth(const struct wf_value *const *list, size_t n)
{
    enum wf_truth first = wf_truth(list[0]);

    for (size_t i = 1; i < n; i++) {
        if (wf_truth(list[i]) != first)
            return WF_MAYBE;
    }
    return first;
}

const struct wf_value *wf_one_of(struct arena *a, const struct wf_value *const *list, size_t n, const char *why)
{
    const struct wf_value *found[WF_CHOICES_MAX];
    const struct wf_value **kept;
    struct wf_value *v;
    size_t count = 0;
    bool few = true;

    for (size_t i = 0; i < n && few; i++)
        few = add_choice(found, &count, list[i]);
    if (few && count == 1)
        return found[0];
    v = make(a, WF_UNKNOWN);
    v->why = arena_strdup(a, why);
    v->text = shown(a, why);
    v->truth = common_truth(list, n);
    v->opaque = true;
    if (!few)
        return v;
    kept = arena_calloc(a, count, sizeof(*kept));
    memcpy(kept, found, count * sizeof(*kept));
    v->items = kept;
    v->n = count;
    return v;
}

/* ---- asking ---- */

enum wf_truth wf_truth(const struct wf_value *v)
{
    switch (v->kind) {
    case WF_NULL:
        return WF_FALSE;
    case WF_BOOL:
        return v->flag ? WF_TRUE : WF_FALSE;
    case WF_NUMBER:
        return v->number == 0 || isnan(v->number) ? WF_FALSE : WF_TRUE;
    case WF_STRING:
        return v->text[0] != '\0' ? WF_TRUE : WF_FALSE;
    case WF_ARRAY:
    case WF_OBJECT:
        return WF_TRUE;
    case WF_UNKNOWN:
        return v->truth;
    }
    return WF_MAYBE;
}

bool wf_same(const struct wf_value *a, const struct wf_value *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->n != b->n)
        return false;
    switch (a->kind) {
    case WF_NULL:
        return true;
    case WF_BOOL:
        return a->flag == b->flag;
    case WF_NUMBER:
        return a->number == b->number || (isnan(a->number) && isnan(b->number));
    case WF_STRING:
        return strcmp(a->text, b->text) == 0;
    case WF_ARRAY:
        for (size_t i = 0; i < a->n; i++) {
            if (!wf_same(a->items[i], b->items[i]))
                return false;
        }
        return true;
    case WF_OBJECT:
        for (size_t i = 0; i < a->n; i++) {
            if (strcmp(a->fields[i].key, b->fields[i].key) != 0 || !wf_same(a->fields[i].value, b->fields[i].value))
                return false;
        }
        return true;
    case WF_UNKNOWN:
        return a->n == 0 && a->truth == b->truth && strcmp(a->why, b->why) == 0 && strcmp(a->text, b->text) == 0;
    }
    return false;
}

const struct wf_value *wf_find_unknown(const struct wf_value *v)
{
    const struct wf_value *found = v->kind == WF_UNKNOWN ? v : NULL;

    if (v->kind != WF_ARRAY && v->kind != WF_OBJECT)
        return found;
    if (v->why != NULL)
        return v;
    for (size_t i = 0; i < v->n && found == NULL; i++)
        found = wf_find_unknown(v->kind == WF_ARRAY ? v->items[i] : v->fields[i].value);
    return found;
}

/* Ordinal without case: .NET compares in upper case. */
static int compare_text(const char *a, const char *b)
{
    for (;;) {
        unsigned x = wf_upper(&a), y = wf_upper(&b);

        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            return 0;
    }
}

static bool is_collection(const struct wf_value *v)
{
    return v->kind == WF_ARRAY || v->kind == WF_OBJECT;
}

enum wf_truth wf_equal(const struct wf_value *a, const struct wf_value *b)
{
    bool equal;

    if (a->kind == WF_UNKNOWN || b->kind == WF_UNKNOWN)
        return WF_MAYBE;
    if (is_collection(a) || is_collection(b))
        equal = a == b;
    else if (a->kind == WF_STRING && b->kind == WF_STRING)
        equal = compare_text(a->text, b->text) == 0;
    else
        equal = wf_to_number(a) == wf_to_number(b);
    return equal ? WF_TRUE : WF_FALSE;
}

enum wf_truth wf_less(const struct wf_value *a, const struct wf_value *b)
{
    bool less;

    if (a->kind == WF_UNKNOWN || b->kind == WF_UNKNOWN)
        return WF_MAYBE;
    if (is_collection(a) || is_collection(b))
        less = false;
    else if (a->kind == WF_STRING && b->kind == WF_STRING)
        less = compare_text(a->text, b->text) < 0;
    else
        less = wf_to_number(a) < wf_to_number(b);
    return less ? WF_TRUE : WF_FALSE;
}

const struct wf_value *wf_get(const struct wf_value *object, const char *key)
{
    if (object->kind != WF_OBJECT)
        return NULL;
    for (size_t i = 0; i < object->n; i++) {
        if (compare_text(object->fields[i].key, key) == 0)
            return object->fields[i].value;
    }
    return NULL;
}

/* ---- v[key] ---- */

static bool add_each(const struct wf_value *v, const struct wf_value **out, size_t *n)
{
    if (!is_collection(v))
        return false;
    for (size_t i = 0; i < v->n; i++)
        out[(*n)++] = v->kind == WF_ARRAY ? v->items[i] : v->fields[i].value;
    return true;
}

/* The field or element; NULL when there is none. */
static const struct wf_value *find(struct arena *a, const struct wf_value *v, const struct wf_value *key)
{
    double at;

    if (v->kind == WF_OBJECT) {
        const char *name = is_collection(key) ? NULL : wf_to_text(a, key);
        const struct wf_value *found = name != NULL ? wf_get(v, name) : NULL;
        AUTO_BUF struct buf why = BUF_INIT(1000);

        if (found != NULL || name == NULL || v->why == NULL)
            return found;
        if (v->opaque)
            return wf_unknown_like(a, v, WF_MAYBE);
        buf_addf(&why, "%s.%.100s", v->why, name);
        return wf_unknown(a, why.p, WF_MAYBE);
    }
    if (v->kind != WF_ARRAY)
        return NULL;
    at = floor(wf_to_number(key));
    return at >= 0 && at < (double)v->n ? v->items[(size_t)at] : NULL;
}

static const struct wf_value *filtered(struct arena *a, const struct wf_value **items, size_t n)
{
    struct wf_value *v = make(a, WF_ARRAY);

    v->items = items;
    v->n = n;
    v->filtered = true;
    return v;
}

static const struct wf_value *wildcard(struct arena *a, const struct wf_value *v)
{
    const struct wf_value **items;
    size_t n = 0, most = is_collection(v) ? v->n : 0;

    for (size_t i = 0; v->filtered && i < v->n; i++)
        most += is_collection(v->items[i]) ? v->items[i]->n : 0;
    items = arena_calloc(a, most + 1, sizeof(const struct wf_value *));
    if (!v->filtered) {
        (void)add_each(v, items, &n);
        return filtered(a, items, n);
    }
    for (size_t i = 0; i < v->n; i++)
        (void)add_each(v->items[i], items, &n);
    return filtered(a, items, n);
}

/* Something of an unknown value. */
static const struct wf_value *index_unknown(struct arena *a, const struct wf_value *v, const struct wf_value *key)
{
    AUTO_BUF struct buf why = BUF_INIT(1000);

    if (v->opaque)
        return wf_unknown_like(a, v, WF_MAYBE);
    if (key == NULL)
        buf_addf(&why, "%s.*", v->why);
    else
        buf_addf(&why, "%s.%.100s", v->why, wf_to_text(a, key));
    return wf_unknown(a, why.p != NULL && !why.over ? why.p : v->why, WF_MAYBE);
}

const struct wf_value *wf_index(struct arena *a, const struct wf_value *v, const struct wf_value *key)
{
    const struct wf_value **items, *found;
    size_t n = 0;

    if (key != NULL && key->kind == WF_UNKNOWN)
        return wf_unknown_like(a, key, WF_MAYBE);
    if (v->kind == WF_UNKNOWN)
        return index_unknown(a, v, key);
    if (key == NULL && v->kind == WF_OBJECT && v->why != NULL)
        return wf_unknown_like(a, v, WF_TRUE);
    if (key == NULL)
        return wildcard(a, v);
    if (!v->filtered) {
        found = find(a, v, key);
        return found != NULL ? found : wf_null();
    }
    items = arena_calloc(a, v->n + 1, sizeof(const struct wf_value *));
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->kind == WF_UNKNOWN)
            return wf_unknown_like(a, v->items[i], WF_MAYBE);
        found = find(a, v->items[i], key);
        if (found != NULL)
            items[n++] = found;
    }
    return filtered(a, items, n);
}
