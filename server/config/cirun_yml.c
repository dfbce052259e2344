/* The file as a whole: top level, diagnostics, duplicate names. One runner is read in cirun_runner.c. */
#include "server/config/cirun_yml.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <stdio.h>
#include <string.h>

/* Of each severity this many are kept: nobody reads more, and the file may be hostile. All errors are counted. */
#define MAX_KEPT 200

/* --- diagnostics ------------------------------------------------------------------------------------------------ */

/* A place in the file; end 0 is not known. */
struct place {
    int line, column, end;
};

static struct place place_of(const struct yaml_node *n)
{
    return (struct place){n->line, n->column, n->end_column};
}

/* The new diagnostic, or NULL when it is only counted. */
static struct cirun_diag *note(struct cirun_reading *r, enum cirun_severity severity, struct place at, const char *rule,
                               const char *fmt, va_list ap) PRINTF(5, 0);

static struct cirun_diag *note(struct cirun_reading *r, enum cirun_severity severity, struct place at, const char *rule,
                               const char *fmt, va_list ap)
{
    struct cirun_diag *d;
    size_t *count = severity == CIRUN_ERROR ? &r->yml.n_errors : &r->yml.n_warnings;

    if ((*count)++ >= MAX_KEPT)
        return NULL;
    r->diags = mem_realloc_array(r->diags, r->yml.n_diags + 1, sizeof(*r->diags));
    d = &r->diags[r->yml.n_diags++];
    *d = (struct cirun_diag){
        .severity = severity, .line = at.line, .column = at.column, .end_column = at.end, .rule = rule};
    (void)vsnprintf(d->message, sizeof(d->message), fmt, ap);
    text_tidy(d->message); /* names are cut */
    return d;
}

void cirun_warn(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)note(r, CIRUN_WARNING, place_of(at), rule, fmt, ap);
    va_end(ap);
}

void cirun_fail(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)note(r, CIRUN_ERROR, place_of(at), rule, fmt, ap);
    va_end(ap);
}

void cirun_propose(struct cirun_reading *r, const struct yaml_node *at, const char *rule, const char *replacement,
                   const char *fmt, ...)
{
    const struct cirun_rule *known = cirun_rule_find(rule);
    struct cirun_diag *d;
    va_list ap;

    va_start(ap, fmt);
    d = note(r, known != NULL ? known->severity : CIRUN_ERROR, place_of(at), rule, fmt, ap);
    va_end(ap);
    if (d != NULL && replacement != NULL)
        d->replacement = arena_strdup(r->arena, replacement);
}

static void fail_at(struct cirun_reading *r, int line, int column, const char *rule, const char *fmt, ...) PRINTF(5, 6);

static void fail_at(struct cirun_reading *r, int line, int column, const char *rule, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)note(r, CIRUN_ERROR, (struct place){line, column, 0}, rule, fmt, ap);
    va_end(ap);
}

static int by_place(const void *a, const void *b)
{
    const struct cirun_diag *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    return strcmp(x->message, y->message);
}

void cirun_diags_sort(struct cirun_diag *diags, size_t n)
{
    if (n > 0)
        qsort(diags, n, sizeof(*diags), by_place);
}

/* Keys that people write for ours, from other tools or from memory. */
static const char *meant_key(const char *key)
{
    static const char *const pairs[][2] = {
        {"provider", "cloud"},
        {"image", "machine_image"},
        {"ami", "machine_image"},
        {"machine", "instance_type"},
        {"machine_type", "instance_type"},
        {"size", "instance_type"},
        {"zone", "region"},
        {"spot", "preemptible"},
        {"interruptible", "preemptible"},
        {"runs-on", "labels"},
        {"tags", "labels"},
        {"disk_size", "extra_config"},
        {"env", "extra_config"},
        {"runner", "runners"},
        {"count", "replicas"},
        {"hours", "time"},
    };

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (strcmp(pairs[i][0], key) == 0)
            return pairs[i][1];
    }
    return NULL;
}

void cirun_unknown_key(struct cirun_reading *r, const struct yaml_node *key, const char *where,
                       const char *const *known, size_t n_known)
{
    const char *near = text_nearest(key->text, known, n_known), *meant = meant_key(key->text);

    for (size_t i = 0; near == NULL && meant != NULL && i < n_known; i++) {
        if (strcmp(known[i], meant) == 0)
            near = meant;
    }
    if (near != NULL)
        cirun_propose(r, key, "unknown-key", near, "unknown key \"%.60s\" in %s is ignored; did you mean \"%s\"?",
                      key->text, where, near);
    else
        cirun_warn(r, key, "unknown-key", "unknown key \"%.60s\" in %s is ignored", key->text, where);
}

const char *cirun_text(struct cirun_reading *r, const struct yaml_node *n, const char *what)
{
    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        cirun_fail(r, n, "wrong-type", "%s must be a string, found %s", what, yaml_kind_name(n));
    else if (*n->text == '\0')
        cirun_fail(r, n, "empty-value", "%s must not be empty", what);
    else
        return n->text;
    return NULL;
}

/* --- top level -------------------------------------------------------------------------------------------------- */

/* Does it look as a runner does? */
static bool is_like_runner(const struct yaml_node *n)
{
    return yaml_get(n, "cloud") != NULL || yaml_get(n, "instance_type") != NULL || yaml_get(n, "machine_image") != NULL;
}

/* Keys that explain_no_runners speaks of. */
static bool is_misplaced(const struct yaml_node *key, const struct yaml_node *value)
{
    return strcmp(key->text, "runs-on") == 0 || is_like_runner(value);
}

/* There is no list of runners: say which mistake it probably was. */
static void explain_no_runners(struct cirun_reading *r, const struct yaml_node *root)
{
    for (size_t i = 0; i < root->n; i++) {
        const struct yaml_node *key = root->pairs[i].key;

        if (strcmp(key->text, "runs-on") == 0) {
            cirun_fail(
                r, key, "no-runners",
                "runs-on belongs into a workflow; this file needs a list \"runners:\" whose labels runs-on names");
            return;
        }
        if (is_like_runner(root->pairs[i].value)) {
            cirun_fail(r, key, "no-runners",
                       "%.60s looks like a runner, which belongs into the list \"runners:\"; did you mean "
                       "\"- name: %.60s\" there?",
                       key->text, key->text);
            return;
        }
    }
    if (is_like_runner(root))
        cirun_fail(r, root, "no-runners",
                   "a runner belongs into the list \"runners:\"; did you mean \"runners:\" and below it "
                   "\"- name: ...\"?");
    else
        cirun_fail(r, root, "no-runners", "there is no \"runners:\"; expected a list of runners, each \"- name: ...\"");
}

static void read_top(struct cirun_reading *r, const struct yaml_node *root)
{
    const char *names[CIRUN_MAX_KEYS];
    size_t n = cirun_key_names(&cirun_file_map, names);
    bool has_runners = yaml_get(root, "runners") != NULL;

    for (size_t i = 0; i < root->n; i++) {
        const struct yaml_pair *pair = &root->pairs[i];
        const struct cirun_key *k = cirun_key_find(&cirun_file_map, pair->key->text);

        if (k == NULL && has_runners && cirun_is_restriction(pair->key->text))
            cirun_fail(r, pair->key, "unknown-restriction",
                       "unknown key \"%.60s\" may be meant to restrict who gets machines, and is not ignored; what is "
                       "known is run_only_when_triggered_by",
                       pair->key->text);
        else if (k == NULL && (has_runners || !is_misplaced(pair->key, pair->value)))
            cirun_unknown_key(r, pair->key, cirun_file_map.where, names, n);
        else if (k != NULL && k->of != &cirun_runner_map)
            cirun_check_key(r, k, pair->value, NULL);
    }
    if (!has_runners)
        explain_no_runners(r, root);
}

/* The first runner of a name stands; another one is ignored, whatever else it says. */
static bool is_duplicate(struct cirun_reading *r, const struct cirun_runner *runners, size_t n,
                         const struct cirun_runner *one)
{
    for (size_t i = 0; i < n && *one->name != '\0'; i++) {
        if (strcmp(runners[i].name, one->name) != 0)
            continue;
        cirun_warn(r, one->node, "duplicate-name",
                   "the name \"%.60s\" is taken by the runner on line %d; this one is ignored: rename it", one->name,
                   runners[i].line);
        return true;
    }
    return false;
}

static void read_runners(struct cirun_reading *r, const struct yaml_node *list)
{
    struct cirun_runner *runners;
    size_t n = 0;

    if (list->kind != YAML_LIST) {
        cirun_fail(r, list, "wrong-type", "runners must be a list, found %s; did you mean \"- name: ...\"?",
                   yaml_kind_name(list));
        return;
    }
    if (list->n == 0)
        cirun_warn(r, list, "empty-runners", "runners is empty: no job gets a machine");
    runners = arena_calloc(r->arena, list->n, sizeof(*runners));
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != YAML_MAP) {
            cirun_fail(r, list->items[i], "wrong-type",
                       "a runner must be a mapping of keys (\"- name: ...\"), found %s",
                       yaml_kind_name(list->items[i]));
            continue;
        }
        memset(&runners[n], 0, sizeof(runners[n]));
        cirun_read_runner(r, list->items[i], &runners[n]);
        runners[n].setup_info = yaml_get(yaml_root(r->yml.doc), "setup_info");
        n += is_duplicate(r, runners, n, &runners[n]) ? 0 : 1;
    }
    r->yml.runners = runners;
    r->yml.n_runners = r->yml.n_read = n;
}

static void read_root(struct cirun_reading *r, const struct yaml_node *root)
{
    const struct yaml_node *runners = yaml_get(root, "runners");

    if (yaml_is_null(root)) {
        cirun_fail(r, root, "no-runners", "the file is empty; expected a list \"runners:\"");
    } else if (root->kind != YAML_MAP) {
        cirun_fail(r, root, "wrong-type", "expected \"runners:\" with a list below it, found %s", yaml_kind_name(root));
    } else {
        read_top(r, root);
        if (runners != NULL)
            read_runners(r, runners);
    }
}

/* "FILE:LINE:COLUMN: text" of the YAML reader, back to its parts. */
static void note_yaml_error(struct cirun_reading *r, const char *file, const struct err *e)
{
    int line = 1, column = 1, used = 0;
    const char *rest = e->msg;

    if (text_has_prefix(rest, file))
        rest += strlen(file);
    if (sscanf(rest, ":%d:%d: %n", &line, &column, &used) == 2)
        rest += used;
    fail_at(r, line, column, "not-yaml", "%s", rest);
}

struct cirun_reading *cirun_reading_new(void)
{
    struct cirun_reading *r = mem_zalloc(sizeof(*r));

    r->arena = arena_new();
    return r;
}

const struct yaml_node *cirun_reading_parse(struct cirun_reading *r, const char *text, size_t len, const char *file)
{
    struct err e;

    if (yaml_parse(text, len, CIRUN_YML_MAX, file, &r->yml.doc, &e) == 0)
        return yaml_root(r->yml.doc);
    note_yaml_error(r, file, &e);
    return NULL;
}

void cirun_reading_end(struct cirun_reading *r)
{
    cirun_diags_sort(r->diags, r->yml.n_diags);
    r->yml.diags = r->diags;
}

struct cirun_yml *cirun_yml_parse(const char *text, size_t len, const char *file)
{
    struct cirun_reading *r = cirun_reading_new();
    const struct yaml_node *root = cirun_reading_parse(r, text, len, file);

    if (root != NULL)
        read_root(r, root);
    cirun_reading_end(r);
    if (r->yml.n_errors > 0)
        r->yml.n_runners = 0;
    return &r->yml;
}

void cirun_yml_free(struct cirun_yml *c)
{
    struct cirun_reading *r = (struct cirun_reading *)c;

    if (c == NULL)
        return;
    yaml_doc_free(c->doc);
    arena_free(r->arena);
    free(r->diags);
    free(r);
}

int cirun_yml_error(const struct cirun_yml *c, const char *file, struct err *e)
{
    for (size_t i = 0; i < c->n_diags; i++) {
        const struct cirun_diag *d = &c->diags[i];

        if (d->severity == CIRUN_ERROR)
            return err_set(e, ERR_INVALID, "%s:%d:%d: %s", file, d->line, d->column, d->message);
    }
    return err_set(e, ERR_BUG, "%s has no error", file);
}
