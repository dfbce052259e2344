/* .access.yml by itself, and against the .cirun.global.yml that it guards. */
#include "server/base/text.h"
#include "server/cli/check_int.h"
#include "server/config/access_yml.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 512 /* that a slip of the pen is looked for among */

void check_access_read(struct check_file *f)
{
    f->access = access_yml_parse(f->text.p != NULL ? f->text.p : "", f->text.len, f->name);
    for (size_t i = 0; i < f->access->n_diags; i++) {
        check_add(f, &f->access->diags[i]);
        f->warnings += f->access->diags[i].severity == CIRUN_WARNING ? 1 : 0;
    }
    f->errors += f->access->n_errors;
}

/* ---- findings of both ---- */

static void say(struct check_file *f, const struct yaml_node *at, const char *rule, const char *fmt, ...) PRINTF(4, 5);

static void say(struct check_file *f, const struct yaml_node *at, const char *rule, const char *fmt, ...)
{
    const struct cirun_rule *known = cirun_rule_find(rule);
    struct cirun_diag d = {.severity = known != NULL ? known->severity : CIRUN_WARNING,
                           .line = at->line,
                           .column = at->column,
                           .end_column = at->end_column,
                           .rule = rule};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(d.message, sizeof(d.message), fmt, ap);
    va_end(ap);
    text_tidy(d.message);
    check_add(f, &d);
    *(d.severity == CIRUN_WARNING ? &f->warnings : &f->notes) += 1;
}

static bool has_runner(const struct cirun_yml *c, const char *name)
{
    for (size_t i = 0; i < c->n_read; i++) {
        if (strcmp(c->runners[i].name, name) == 0)
            return true;
    }
    return false;
}

static const char *nearest_runner(const struct cirun_yml *c, const char *name)
{
    const char *names[NAMES_MAX];
    size_t n = 0;

    for (size_t i = 0; i < c->n_read && n < NAMES_MAX; i++)
        names[n++] = c->runners[i].name;
    return text_nearest(name, names, n);
}

static void check_resources(struct check_file *access, const struct yaml_node *list, const struct check_file *global)
{
    for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->n; i++) {
        const struct yaml_node *n = yaml_get(list->items[i], "resource");
        const char *near;

        if (n == NULL || n->kind != YAML_SCALAR || has_runner(global->yml, n->text))
            continue;
        near = nearest_runner(global->yml, n->text);
        say(access, n, "access-unknown-resource", "%.100s has no runner \"%.100s\"%s%.100s%s", global->shown, n->text,
            near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
        if (near != NULL)
            access->diags[access->n_diags - 1].replacement = near;
    }
}

static bool is_used(const struct access_yml *a, const char *id)
{
    for (size_t i = 0; i < a->n_rules; i++) {
        for (size_t k = 0; k < a->rules[i].n_policies; k++) {
            if (strcmp(a->rules[i].policies[k]->id, id) == 0)
                return true;
        }
    }
    return false;
}

static void check_policies(struct check_file *access, const struct yaml_node *list)
{
    for (size_t i = 0; list != NULL && list->kind == YAML_LIST && i < list->n; i++) {
        const struct yaml_node *n = yaml_get(list->items[i], "id");

        if (n != NULL && n->kind == YAML_SCALAR && !is_used(access->access, n->text))
            say(access, n, "access-unused-policy", "no entry of access_control names the policy \"%.100s\"", n->text);
    }
}

/* Does any policy that grants something name the runner? */
static bool is_granted(const struct access_yml *a, const char *name)
{
    for (size_t i = 0; i < a->n_rules; i++) {
        const struct access_rule *rule = &a->rules[i];

        if (rule->closed || strcmp(rule->resource, name) != 0)
            continue;
        for (size_t k = 0; k < rule->n_policies; k++) {
            if (!rule->policies[k]->closed)
                return true;
        }
    }
    return false;
}

static void check_runners(struct check_file *global, const struct check_file *access)
{
    const struct cirun_yml *c = global->yml;

    for (size_t i = 0; i < c->n_read; i++) {
        const struct yaml_node *name = yaml_get(c->runners[i].node, "name");

        if (!is_granted(access->access, c->runners[i].name))
            say(global, name != NULL ? name : c->runners[i].node, "runner-denied",
                "no policy of %.100s lets anybody use this runner", access->shown);
    }
}

static void check_both(struct check_file *global, struct check_file *access)
{
    AUTO_YAML struct yaml_doc *doc = NULL;
    struct err ignored;

    if (global->yml == NULL || global->yml->doc == NULL || access->access == NULL || access->access->n_errors > 0 ||
        yaml_parse(access->text.p, access->text.len, CIRUN_YML_MAX, access->name, &doc, &ignored))
        return;
    check_resources(access, yaml_get(yaml_root(doc), "access_control"), global);
    check_policies(access, yaml_get(yaml_root(doc), "policies"));
    check_runners(global, access);
}

/* ---- which belong together ---- */

static size_t folder_len(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash != NULL ? (size_t)(slash - name) + 1 : 0;
}

static bool side_by_side(const struct check_file *a, const struct check_file *b)
{
    return folder_len(a->name) == folder_len(b->name) && strncmp(a->name, b->name, folder_len(a->name)) == 0;
}

static size_t count(const struct check_report *r, enum check_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->files[i].kind == kind ? 1 : 0;
    return n;
}

void check_access_join(struct check_report *r)
{
    bool one_of_each = count(r, CHECK_GLOBAL) == 1 && count(r, CHECK_ACCESS) == 1;

    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->n; k++) {
            struct check_file *global = &r->files[i], *access = &r->files[k];

            if (global->kind == CHECK_GLOBAL && access->kind == CHECK_ACCESS &&
                (one_of_each || side_by_side(global, access)))
                check_both(global, access);
        }
    }
}
