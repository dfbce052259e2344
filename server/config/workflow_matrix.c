#include "server/config/workflow_matrix.h"

#include "server/base/text.h"

#include <string.h>

#define VECTORS_MAX 64
#define PRODUCT_MAX 65536 /* before what is excluded goes */

struct vector {
    const char *name;
    size_t n;
    const struct wf_value *const *items;
};

struct building {
    struct arena *arena;
    size_t n_vectors, n_filters, n_excludes;
    struct vector vectors[VECTORS_MAX];
    const struct wf_value *const *excludes, *const *filters;
    enum wf_truth *matched;         /* did this include find a row? */
    const struct wf_value *unknown; /* an include list that cannot be told */
    const struct wf_value *unknown_exclude;
    const struct wf_value *unknown_count; /* a vector whose values cannot be counted */
    struct wf_matrix out;
};

static bool is_vector(const struct building *b, const char *key)
{
    for (size_t i = 0; i < b->n_vectors; i++) {
        if (text_ieq(b->vectors[i].name, key))
            return true;
    }
    return false;
}

/* ---- rows ---- */

static void add_leaves(struct arena *a, const struct wf_value *v, struct buf *out)
{
    if (v->kind == WF_ARRAY || v->kind == WF_OBJECT) {
        for (size_t i = 0; i < v->n && !out->over; i++)
            add_leaves(a, v->kind == WF_ARRAY ? v->items[i] : v->fields[i].value, out);
        return;
    }
    if (wf_to_text(a, v)[0] != '\0')
        buf_addf(out, "%s%s", out->len > 0 ? ", " : "", wf_to_text(a, v));
}

static int add_row(struct building *b, const struct wf_value *values, const struct wf_value *named, const char *perhaps,
                   struct err *e)
{
    AUTO_BUF struct buf name = BUF_INIT(2000);
    struct wf_row *row;

    if (b->out.n == WF_ROWS_MAX)
        return err_set(e, ERR_INVALID, "the matrix makes more than %d jobs, which GitHub refuses", WF_ROWS_MAX);
    if (b->out.rows == NULL)
        b->out.rows = arena_calloc(b->arena, WF_ROWS_MAX, sizeof(*b->out.rows));
    row = &b->out.rows[b->out.n++];
    add_leaves(b->arena, named, &name);
    row->values = values;
    row->name = name.p != NULL ? arena_strdup(b->arena, name.p) : "";
    row->perhaps = perhaps;
    return 0;
}

/* ---- what include and exclude match ---- */

static enum wf_truth both(enum wf_truth x, enum wf_truth y)
{
    return x == WF_FALSE || y == WF_FALSE ? WF_FALSE : x == WF_MAYBE || y == WF_MAYBE ? WF_MAYBE : WF_TRUE;
}

/* Every leaf of the filter against what is at the same place of the row. */
static enum wf_truth matches(struct arena *a, const struct wf_value *filter, const struct wf_value *value)
{
    enum wf_truth t = WF_TRUE;

    if (filter->kind != WF_ARRAY && filter->kind != WF_OBJECT)
        return wf_equal(value, filter);
    for (size_t i = 0; i < filter->n && t != WF_FALSE; i++) {
        const struct wf_value *key = filter->kind == WF_ARRAY
                                         ? wf_number(a, (double)i)
                                         : wf_string(a, filter->fields[i].key, strlen(filter->fields[i].key));

        t = both(t, matches(a, filter->kind == WF_ARRAY ? filter->items[i] : filter->fields[i].value,
                            wf_index(a, value, key)));
    }
    return t;
}

/* Of an include, only what names a vector must match. */
static enum wf_truth include_matches(struct building *b, const struct wf_value *filter, const struct wf_value *row)
{
    enum wf_truth t = WF_TRUE;

    for (size_t i = 0; i < filter->n && t != WF_FALSE; i++) {
        if (is_vector(b, filter->fields[i].key))
            t = both(t, matches(b->arena, filter->fields[i].value, wf_get(row, filter->fields[i].key)));
    }
    return t;
}

static enum wf_truth excluded(struct building *b, const struct wf_value *row)
{
    enum wf_truth any = WF_FALSE;

    for (size_t i = 0; i < b->n_excludes && any != WF_TRUE; i++) {
        enum wf_truth t = matches(b->arena, b->excludes[i], row);

        any = t == WF_TRUE || any == WF_FALSE ? t : any;
    }
    return any;
}

/* ---- the product ---- */

static const struct wf_value *product_row(struct building *b, size_t number, size_t total)
{
    struct wf_field *fields = arena_calloc(b->arena, b->n_vectors, sizeof(*fields));
    size_t block = total;

    for (size_t i = 0; i < b->n_vectors; i++) {
        const struct vector *v = &b->vectors[i];

        block /= v->n;
        fields[i] = (struct wf_field){v->name, v->items[number / block % v->n]};
    }
    return wf_object(b->arena, fields, b->n_vectors);
}

/* Set a field, in place or as the last. */
static void set_field(struct wf_field *fields, size_t *n, const char *key, const struct wf_value *value)
{
    size_t at = 0;

    while (at < *n && !text_ieq(fields[at].key, key))
        at++;
    fields[at] = (struct wf_field){at < *n ? fields[at].key : key, value};
    *n += at == *n ? 1 : 0;
}

/* The row with what the includes add. */
static const struct wf_value *with_includes(struct building *b, const struct wf_value *row)
{
    size_t most = row->n, n = row->n;
    struct wf_field *fields;
    struct wf_value *out;

    for (size_t i = 0; i < b->n_filters; i++)
        most += b->filters[i]->n;
    fields = arena_calloc(b->arena, most + 1, sizeof(*fields));
    memcpy(fields, row->fields, row->n * sizeof(*fields));
    for (size_t i = 0; i < b->n_filters; i++) {
        const struct wf_value *f = b->filters[i], *why;
        enum wf_truth t = include_matches(b, f, row);

        b->matched[i] = t == WF_TRUE || b->matched[i] == WF_FALSE ? t : b->matched[i];
        for (size_t k = 0; k < f->n && t != WF_FALSE; k++) {
            if (is_vector(b, f->fields[k].key))
                continue;
            why = wf_find_unknown(row) != NULL ? wf_find_unknown(row) : wf_find_unknown(f);
            set_field(fields, &n, f->fields[k].key,
                      t == WF_MAYBE && why != NULL ? wf_unknown_like(b->arena, why, WF_MAYBE) : f->fields[k].value);
        }
    }
    out = arena_alloc(b->arena, sizeof(*out));
    *out = *wf_object(b->arena, fields, n);
    if (b->unknown != NULL) { /* further includes may add what they like, but change no vector */
        out->why = b->unknown->why;
        out->opaque = true;
    }
    return out;
}

static int product(struct building *b, struct err *e)
{
    size_t total = b->n_vectors > 0 ? 1 : 0;

    for (size_t i = 0; i < b->n_vectors; i++) {
        total *= b->vectors[i].n;
        if (total > PRODUCT_MAX)
            return err_set(e, ERR_INVALID, "the matrix makes more than %d jobs, which GitHub refuses", WF_ROWS_MAX);
    }
    for (size_t i = 0; i < total; i++) {
        const struct wf_value *row = product_row(b, i, total), *why = wf_find_unknown(row);
        enum wf_truth gone = excluded(b, row);

        if (gone == WF_TRUE)
            continue;
        if (b->unknown_exclude != NULL)
            why = b->unknown_exclude;
        else if (gone == WF_FALSE)
            why = b->unknown_count;
        if (add_row(b, with_includes(b, row), row, why != NULL ? why->why : NULL, e))
            return -1;
    }
    return 0;
}

/* Includes that found no row are rows of their own. */
static int further_rows(struct building *b, struct err *e)
{
    for (size_t i = 0; i < b->n_filters; i++) {
        const struct wf_value *why = NULL;

        if (b->matched[i] == WF_TRUE)
            continue;
        if (b->matched[i] == WF_MAYBE) {
            for (size_t k = 0; k < b->out.n && why == NULL; k++)
                why = wf_find_unknown(b->out.rows[k].values);
            why = why != NULL ? why : wf_find_unknown(b->filters[i]);
        }
        if (add_row(b, b->filters[i], b->filters[i], why != NULL ? why->why : NULL, e))
            return -1;
    }
    if (b->unknown == NULL || (b->n_vectors > 0 && b->out.n == 0))
        return 0;
    return add_row(b, wf_unknown_like(b->arena, b->unknown, WF_TRUE), wf_null(), b->unknown->why, e);
}

/* ---- reading ---- */

static int read_vector(struct building *b, const char *name, const struct wf_value *v, struct err *e)
{
    struct vector *out = &b->vectors[b->n_vectors];

    if (b->n_vectors == VECTORS_MAX)
        return err_set(e, ERR_INVALID, "the matrix has more than %d keys", VECTORS_MAX);
    out->name = name;
    if (v->kind == WF_UNKNOWN) { /* one value stands for all */
        const struct wf_value **one = arena_calloc(b->arena, 1, sizeof(const struct wf_value *));

        one[0] = wf_unknown_like(b->arena, v, WF_MAYBE);
        out->items = one;
        out->n = 1;
        b->unknown_count = v;
    } else if (v->kind != WF_ARRAY) {
        return err_set(e, ERR_INVALID, "matrix.%.60s must be a list", name);
    } else if (v->n == 0) {
        return err_set(e, ERR_INVALID, "matrix.%.60s has no values, which GitHub refuses", name);
    } else {
        out->items = v->items;
        out->n = v->n;
    }
    b->n_vectors++;
    return 0;
}

/* *unknown: what the list or one of its elements depends on. */
static int read_list(const char *what, const struct wf_value *v, const struct wf_value *const **items, size_t *n,
                     const struct wf_value **unknown, struct err *e)
{
    if (v->kind == WF_UNKNOWN) {
        *unknown = v;
        return 0;
    }
    if (v->kind != WF_ARRAY)
        return err_set(e, ERR_INVALID, "matrix.%s must be a list of mappings", what);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->kind == WF_UNKNOWN) {
            *unknown = v->items[i];
            return 0;
        }
        if (v->items[i]->kind != WF_OBJECT || v->items[i]->n == 0)
            return err_set(e, ERR_INVALID, "matrix.%s must be a list of mappings with keys", what);
    }
    *items = v->items;
    *n = v->n;
    return 0;
}

static int check_excludes(const struct building *b, struct err *e)
{
    for (size_t i = 0; i < b->n_excludes; i++) {
        const struct wf_value *x = b->excludes[i];

        for (size_t k = 0; k < x->n; k++) {
            if (!is_vector(b, x->fields[k].key))
                return err_set(e, ERR_INVALID, "matrix.exclude: %.60s is no key of the matrix, which GitHub refuses",
                               x->fields[k].key);
        }
    }
    return 0;
}

static int read_all(struct building *b, const struct wf_value *m, struct err *e)
{
    for (size_t i = 0; i < m->n; i++) {
        const char *key = m->fields[i].key;
        const struct wf_value *v = m->fields[i].value;
        int rc;

        if (strcmp(key, "include") == 0)
            rc = read_list(key, v, &b->filters, &b->n_filters, &b->unknown, e);
        else if (strcmp(key, "exclude") == 0)
            rc = read_list(key, v, &b->excludes, &b->n_excludes, &b->unknown_exclude, e);
        else
            rc = read_vector(b, key, v, e);
        if (rc != 0)
            return -1;
    }
    if (b->n_vectors == 0 && b->n_filters == 0 && b->unknown == NULL)
        return err_set(e, ERR_INVALID, "the matrix has no keys, which GitHub refuses");
    b->matched = arena_calloc(b->arena, b->n_filters + 1, sizeof(*b->matched));
    return check_excludes(b, e);
}

/* A matrix that cannot be told: one row for all, or those of its alternatives. */
static int unknown_matrix(struct arena *a, const struct wf_value *m, struct wf_matrix *out, struct err *e)
{
    struct building b = {.arena = a};

    if (m->n == 0 && add_row(&b, wf_unknown_like(a, m, WF_TRUE), wf_null(), m->why, e))
        return -1;
    for (size_t i = 0; i < m->n; i++) {
        struct wf_matrix one;

        if (m->items[i]->kind != WF_OBJECT && m->items[i]->kind != WF_UNKNOWN)
            continue;
        if (wf_matrix_expand(a, m->items[i], &one, e))
            return -1;
        for (size_t k = 0; k < one.n && b.out.n < WF_ROWS_MAX; k++) {
            if (add_row(&b, one.rows[k].values, wf_null(), m->why, e))
                return -1;
            b.out.rows[b.out.n - 1].name = one.rows[k].name;
        }
    }
    *out = b.out;
    return 0;
}

int wf_matrix_expand(struct arena *a, const struct wf_value *m, struct wf_matrix *out, struct err *e)
{
    struct building b = {.arena = a};

    if (m->kind == WF_UNKNOWN)
        return unknown_matrix(a, m, out, e);
    if (m->kind != WF_OBJECT)
        return err_set(e, ERR_INVALID, "matrix must be a mapping");
    if (read_all(&b, m, e) || product(&b, e) || further_rows(&b, e))
        return -1;
    *out = b.out;
    return 0;
}
