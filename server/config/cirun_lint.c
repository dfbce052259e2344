/* The lints of a file: their order, and where their diagnostics go. */
#include "server/config/cirun_lint.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of each severity this many are kept; all are counted. */
#define MAX_KEPT 200

static struct cirun_diag *note(struct lint *l, const struct yaml_node *at, const char *rule, const char *fmt,
                               va_list ap) PRINTF(4, 0);

static struct cirun_diag *note(struct lint *l, const struct yaml_node *at, const char *rule, const char *fmt,
                               va_list ap)
{
    const struct cirun_rule *known = cirun_rule_find(rule);
    enum cirun_severity severity = known != NULL ? known->severity : CIRUN_WARNING;
    size_t *count = severity == CIRUN_ERROR     ? &l->out.n_errors
                    : severity == CIRUN_WARNING ? &l->out.n_warnings
                                                : &l->out.n_notes;
    struct cirun_diag *d;

    if ((*count)++ >= MAX_KEPT)
        return NULL;
    l->diags = mem_realloc_array(l->diags, l->out.n + 1, sizeof(*l->diags));
    d = &l->diags[l->out.n++];
    *d = (struct cirun_diag){
        .severity = severity, .line = at->line, .column = at->column, .end_column = at->end_column, .rule = rule};
    (void)vsnprintf(d->message, sizeof(d->message), fmt, ap);
    text_tidy(d->message);
    return d;
}

void lint_say(struct lint *l, const struct yaml_node *at, const char *rule, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)note(l, at, rule, fmt, ap);
    va_end(ap);
}

void lint_propose(struct lint *l, const struct yaml_node *at, const char *rule, const char *replacement,
                  const char *fmt, ...)
{
    struct cirun_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = note(l, at, rule, fmt, ap);
    va_end(ap);
    if (d != NULL && replacement != NULL)
        d->replacement = arena_strdup(l->arena, replacement);
}

const struct yaml_node *lint_place(const struct cirun_runner *r, const char *key, const char *value)
{
    const struct yaml_node *n = yaml_get(r->node, key);

    if (n == NULL)
        return r->node;
    for (size_t i = 0; n->kind == YAML_LIST && i < n->n; i++) {
        const struct yaml_node *item = n->items[i];

        if (item->kind == YAML_SCALAR && value != NULL && strcmp(item->text, value) == 0)
            return item;
    }
    return n;
}

struct cirun_lints *cirun_lint(const struct cirun_yml *c, const struct cirun_lint_opts *o)
{
    static void (*const groups[])(struct lint * l) = {lint_secrets, lint_labels, lint_lists, lint_places,
                                                      lint_disks,   lint_idle,   lint_clouds};
    struct lint *l = mem_zalloc(sizeof(*l));

    l->file = c;
    l->opts = o;
    l->arena = arena_new();
    for (size_t i = 0; c->doc != NULL && i < ARRAY_LEN(groups); i++)
        groups[i](l);
    cirun_diags_sort(l->diags, l->out.n);
    l->out.diags = l->diags;
    l->out.secrets = l->secrets;
    return &l->out;
}

void cirun_lints_free(struct cirun_lints *c)
{
    struct lint *l = (struct lint *)c;

    if (c == NULL)
        return;
    arena_free(l->arena);
    free(l->diags);
    free(l->secrets);
    free(l);
}
