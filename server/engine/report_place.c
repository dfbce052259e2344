/* Where in .cirun.yml the cause lies, and which label was probably meant. */
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/engine/report_writing.h"

#include <stdio.h>
#include <string.h>

static size_t stem(const char *label)
{
    const char *suffix = strstr(label, "--");

    return suffix != NULL ? (size_t)(suffix - label) : strlen(label);
}

static bool same_stem(const char *a, const char *b)
{
    size_t n = stem(a);

    if (n != stem(b))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text_lower(a[i]) != text_lower(b[i]))
            return false;
    }
    return true;
}

/* Where a label stands in the file. */
static void place_label(struct writing *x, const struct cirun_runner *r, const char *label)
{
    const struct yaml_node *list = yaml_get(r->node, "labels");

    x->line = r->line;
    x->column = 0;
    for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];

        if (n->kind == YAML_SCALAR && strcmp(n->text, label) == 0) {
            x->line = n->line;
            x->column = n->column;
        }
    }
}

static bool is_known_label(const struct cirun_yml *yml, const char *label)
{
    static const char *const system[] = {"self-hosted", "linux", "windows", "macos", "x64", "arm64"};

    for (size_t i = 0; i < ARRAY_LEN(system); i++) {
        if (text_ieq(label, system[i]))
            return true;
    }
    for (size_t i = 0; i < yml->n_runners; i++) {
        for (size_t k = 0; k < yml->runners[i].n_labels; k++) {
            if (same_stem(label, yml->runners[i].labels[k]))
                return true;
        }
    }
    return false;
}

static void place_near(struct writing *x, const struct cirun_yml *yml)
{
    const char *known[256];
    size_t n = 0;

    for (size_t i = 0; i < yml->n_runners; i++) {
        for (size_t k = 0; k < yml->runners[i].n_labels && n < ARRAY_LEN(known); k++)
            known[n++] = yml->runners[i].labels[k];
    }
    x->near = text_nearest(x->missing, known, n);
    for (size_t i = 0; x->near != NULL && i < yml->n_runners; i++) {
        for (size_t k = 0; k < yml->runners[i].n_labels; k++) {
            if (yml->runners[i].labels[k] == x->near)
                place_label(x, &yml->runners[i], x->near);
        }
    }
}

/* The label that no runner has, and its nearest. */
static void find_label(struct writing *x, const struct cirun_yml *yml)
{
    const char *json = x->v->lead_job.labels_json;
    AUTO_JSON json_t *labels = NULL;
    struct err ignored;
    const json_t *item;
    size_t i;

    if (json == NULL || js_parse(json, strlen(json), &labels, &ignored))
        return;
    json_array_foreach(labels, i, item)
    {
        const char *label = json_string_value(item);

        if (label != NULL && x->missing == NULL && !is_known_label(yml, label))
            x->missing = arena_strndup(x->w->arena, label, stem(label));
    }
    if (x->missing != NULL)
        place_near(x, yml);
    else if (yml->n_runners > 0)
        x->line = yml->runners[0].line;
}

/* The runner that the newest answer was about, or else the first one. */
static void find_runner(struct writing *x, const struct cirun_yml *yml)
{
    const char *json = x->v->lead_job.plan_json, *name = NULL;
    AUTO_JSON json_t *plan = NULL;
    char path[48];
    struct err ignored;
    json_t *list;

    if (json == NULL || js_parse(json, strlen(json), &plan, &ignored))
        return;
    if (js_arr(plan, "candidates", &list, &ignored) == 0)
        x->n_candidates = (int)json_array_size(list);
    (void)snprintf(path, sizeof(path), "candidates.%d.runner", x->last != NULL ? x->last->candidate : 0);
    if (yml == NULL || js_str(plan, path, &name, &ignored))
        return;
    for (size_t i = 0; i < yml->n_runners; i++) {
        if (strcmp(yml->runners[i].name, name) == 0)
            x->line = yml->runners[i].line;
    }
}

void report_find_place(struct writing *x)
{
    const struct cirun_yml *yml = x->v->file != NULL ? x->v->file->yml : NULL;

    x->line = x->lead->cause.line;
    x->column = x->lead->cause.column;
    if (x->lead->cause.cause == CAUSE_NO_RUNNER && yml != NULL)
        find_label(x, yml);
    else if (x->line == 0)
        find_runner(x, yml);
}
