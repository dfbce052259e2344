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

/* The label that was probably meant, in this file if it is there. */
static void place_near(struct writing *x, const struct cirun_yml *yml)
{
    for (size_t i = 0; x->near != NULL && i < yml->n_runners; i++) {
        for (size_t k = 0; k < yml->runners[i].n_labels; k++) {
            if (strcmp(yml->runners[i].labels[k], x->near) == 0) {
                place_label(x, &yml->runners[i], x->near);
                return;
            }
        }
    }
    if (yml->n_runners > 0)
        x->line = yml->runners[0].line;
}

/* What stands in quotes behind these words, without a label's suffix; NULL when they are not there. */
static const char *quoted(const struct writing *x, const char *words)
{
    const char *p = strstr(x->lead->reason, words);
    size_t n;

    if (p == NULL)
        return NULL;
    p += strlen(words);
    n = strcspn(p, "\"");
    return p[n] == '"' ? arena_strndup(x->w->arena, p, n < stem(p) ? n : stem(p)) : NULL;
}

/* The label that no runner has, and its nearest. The reason knows them (match.c), from all files that were read; the
 * words are for people only, so that another wording costs no more than a poorer title. */
static void find_label(struct writing *x)
{
    const struct cirun_yml *yml = x->v->file != NULL ? x->v->file->yml : NULL;

    x->missing = quoted(x, "has the label \"");
    x->near = quoted(x, "did you mean \"");
    if (yml != NULL)
        place_near(x, yml);
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
    if (x->lead->cause.cause == CAUSE_NO_RUNNER)
        find_label(x);
    else if (x->line == 0)
        find_runner(x, yml);
}
