/* runs-on: a label, a list of labels, {group, labels}; any of them from an expression, any of them perhaps unknown. */
#include "server/base/text.h"
#include "server/config/workflow_int.h"

#include <string.h>

#define LABELS_MAX 100

struct labels {
    struct arena *arena;
    struct workflow_wish wishes[WF_CHOICES_MAX];
    size_t n;
    const char *why; /* what it depends on, when it is unknown or one of several */
};

static int read_choice(struct labels *l, const struct wf_value *v, const char *group, struct err *e);

static bool is_certain(const struct wf_value *v)
{
    const char *suffix;

    if (v->kind != WF_UNKNOWN)
        return true;
    suffix = strstr(v->text, "--");
    return suffix != NULL && (size_t)(suffix - v->text) + 2 <= v->certain;
}

static int read_label(struct labels *l, const struct wf_value *v, struct workflow_label *out, struct err *e)
{
    if (v->kind == WF_ARRAY || v->kind == WF_OBJECT)
        return err_set(e, ERR_INVALID, "a label must be a string, found %s",
                       v->kind == WF_ARRAY ? "a list" : "a mapping");
    out->text = wf_to_text(l->arena, v);
    out->known = is_certain(v);
    if (out->known && out->text[0] == '\0')
        return err_set(e, ERR_INVALID, "a label of runs-on is empty: no runner has it");
    if (!out->known && l->why == NULL)
        l->why = v->why;
    return 0;
}

static int add_wish(struct labels *l, const struct wf_value *const *list, size_t n, const char *group, struct err *e)
{
    struct workflow_label *labels = arena_calloc(l->arena, n + 1, sizeof(*labels));

    if (n == 0 && group == NULL)
        return err_set(e, ERR_INVALID, "runs-on is empty: it needs at least one label");
    if (n > LABELS_MAX)
        return err_set(e, ERR_INVALID, "runs-on has more than %d labels", LABELS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (read_label(l, list[i], &labels[i], e))
            return -1;
    }
    if (l->n < WF_CHOICES_MAX)
        l->wishes[l->n++] = (struct workflow_wish){n, labels, group};
    return 0;
}

/* A list of which an element is one of several: the list with each of them. */
static int read_list(struct labels *l, const struct wf_value *v, const char *group, struct err *e)
{
    for (size_t i = 0; i < v->n; i++) {
        const struct wf_value *one = v->items[i];

        if (one->kind != WF_UNKNOWN || one->n == 0)
            continue;
        if (l->why == NULL)
            l->why = one->why;
        for (size_t k = 0; k < one->n && l->n < WF_CHOICES_MAX; k++) {
            const struct wf_value **items = arena_calloc(l->arena, v->n, sizeof(const struct wf_value *));

            memcpy(items, v->items, v->n * sizeof(const struct wf_value *));
            items[i] = one->items[k];
            if (read_list(l, wf_array(l->arena, items, v->n), group, e))
                return -1;
        }
        return 0;
    }
    return add_wish(l, v->items, v->n, group, e);
}

static int read_mapping(struct labels *l, const struct wf_value *v, struct err *e)
{
    const struct wf_value *labels = wf_get(v, "labels"), *group = wf_get(v, "group");
    const char *name = group != NULL ? wf_to_text(l->arena, group) : NULL;

    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->fields[i].key, "labels") != 0 && strcmp(v->fields[i].key, "group") != 0)
            return err_set(e, ERR_INVALID, "runs-on has no key \"%.60s\"; it has group and labels", v->fields[i].key);
    }
    if (labels == NULL || labels->kind == WF_NULL)
        return add_wish(l, NULL, 0, name, e);
    if (labels->kind == WF_OBJECT)
        return err_set(e, ERR_INVALID, "runs-on.labels must be a string or a list of strings");
    return read_choice(l, labels, name, e);
}

static int read_choice(struct labels *l, const struct wf_value *v, const char *group, struct err *e)
{
    if (v->kind == WF_ARRAY)
        return read_list(l, v, group, e);
    if (v->kind == WF_OBJECT)
        return read_mapping(l, v, e);
    if (v->kind != WF_UNKNOWN || v->n == 0)
        return add_wish(l, &v, 1, group, e);
    if (l->why == NULL)
        l->why = v->why;
    for (size_t i = 0; i < v->n; i++) {
        /* A false condition of "a && b" is left over where GitHub would have none to compare: no label either. */
        if (wf_truth(v->items[i]) == WF_FALSE)
            continue;
        if (read_choice(l, v->items[i], group, e))
            return -1;
    }
    return 0;
}

int workflow_labels(const struct yaml_node *runs_on, const struct wf_scope *s, struct workflow_job *j,
                    const struct yaml_node **at, struct err *e)
{
    struct labels l = {.arena = s->arena};
    const struct wf_value *v;
    struct workflow_wish *kept;

    *at = runs_on;
    if (wf_fill(runs_on, s, &v, at, e))
        return -1;
    if (v->line > 0) {
        j->line = v->line;
        j->column = v->column;
    }
    if (read_choice(&l, v, NULL, e))
        return -1;
    kept = arena_calloc(s->arena, l.n + 1, sizeof(*kept));
    memcpy(kept, l.wishes, l.n * sizeof(*kept));
    j->wishes = kept;
    j->n_wishes = l.n;
    j->why = l.why;
    return 0;
}
