/* What expressions may name: github, vars, inputs. */
#include "server/base/text.h"
#include "server/config/workflow_int.h"

#include <string.h>

#define EVENTS_MAX WF_CHOICES_MAX

/* ---- on: ---- */

static const struct yaml_node *event_node(const struct yaml_node *root, const char *event)
{
    const struct yaml_node *on = yaml_get(root, "on");

    return yaml_get(on, event);
}

static bool has_event(const struct yaml_node *root, const char *event)
{
    const struct yaml_node *on = yaml_get(root, "on");

    if (on == NULL)
        return false;
    if (on->kind == YAML_SCALAR)
        return strcmp(on->text, event) == 0;
    for (size_t i = 0; on->kind == YAML_LIST && i < on->n; i++) {
        if (on->items[i]->kind == YAML_SCALAR && strcmp(on->items[i]->text, event) == 0)
            return true;
    }
    return yaml_get(on, event) != NULL;
}

bool workflow_is_callable(const struct yaml_node *root)
{
    return has_event(root, "workflow_call");
}

/* The names of the events under `on`; *n = 0 when there are too many or none. */
static void events(const struct yaml_node *root, const char *names[EVENTS_MAX], size_t *n)
{
    const struct yaml_node *on = yaml_get(root, "on");
    size_t count = on == NULL ? 0 : on->kind == YAML_SCALAR ? 1 : on->n;

    *n = 0;
    for (size_t i = 0; count <= EVENTS_MAX && i < count; i++) {
        const struct yaml_node *one = on->kind == YAML_MAP    ? on->pairs[i].key
                                      : on->kind == YAML_LIST ? on->items[i]
                                                              : on;

        if (one->kind == YAML_SCALAR)
            names[(*n)++] = one->text;
    }
}

/* ---- github ---- */

struct fields {
    struct arena *arena;
    struct wf_field list[32];
    size_t n;
};

static void add(struct fields *f, const char *key, const struct wf_value *v)
{
    f->list[f->n++] = (struct wf_field){key, v};
}

static void add_text(struct fields *f, const char *key, const char *text)
{
    add(f, key, wf_string(f->arena, text, strlen(text)));
}

static const struct wf_value *object_of(const struct fields *f, const char *why)
{
    struct wf_field *list = arena_calloc(f->arena, f->n + 1, sizeof(*list));
    struct wf_value *v = arena_alloc(f->arena, sizeof(*v));

    memcpy(list, f->list, f->n * sizeof(*list));
    *v = *wf_object(f->arena, list, f->n);
    v->why = why;
    return v;
}

static void add_ref(struct fields *f, const char *ref)
{
    static const struct {
        const char *prefix, *type;
    } kinds[] = {{"refs/heads/", "branch"}, {"refs/tags/", "tag"}};
    AUTO_BUF struct buf whole = BUF_INIT(2000);
    const char *type = "branch", *name = ref;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (text_has_prefix(ref, kinds[i].prefix)) {
            name = ref + strlen(kinds[i].prefix);
            type = kinds[i].type;
        }
    }
    if (text_has_prefix(ref, "refs/pull/"))
        name = ref + strlen("refs/pull/");
    buf_addf(&whole, "%s%s", text_has_prefix(ref, "refs/") ? "" : "refs/heads/", ref);
    add_text(f, "ref", whole.p != NULL ? whole.p : "");
    add_text(f, "ref_name", name);
    add_text(f, "ref_type", type);
}

static void add_repository(struct fields *f, const char *repository)
{
    size_t owner = strcspn(repository, "/");

    add_text(f, "repository", repository);
    add(f, "repository_owner", wf_string(f->arena, repository, owner));
}

/* The event's name: given, or one of those that the file names; a called workflow has its caller's. */
static void add_event(struct fields *f, const struct workflow_reading *r, const struct yaml_node *root)
{
    const char *names[EVENTS_MAX], *known = r->setup->event;
    const struct wf_value *list[EVENTS_MAX];
    size_t n = 0;

    if (known == NULL && !workflow_is_callable(root))
        events(root, names, &n);
    if (n == 1)
        known = names[0];
    if (known != NULL) {
        add_text(f, "event_name", known);
        if (!text_has_prefix(known, "pull_request")) {
            add_text(f, "head_ref", "");
            add_text(f, "base_ref", "");
        }
        return;
    }
    for (size_t i = 0; i < n; i++)
        list[i] = wf_string(f->arena, names[i], strlen(names[i]));
    if (n > 0)
        add(f, "event_name", wf_one_of(f->arena, list, n, "github.event_name"));
}

/* What every run has, so that it counts as true. */
static void add_certain(struct fields *f)
{
    static const char *const keys[] = {"run_id",        "run_number", "run_attempt",     "sha", "actor", "server_url",
                                       "repository_id", "api_url",    "triggering_actor"};
    AUTO_BUF struct buf why = BUF_INIT(200);

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        buf_reset(&why);
        buf_addf(&why, "github.%s", keys[i]);
        add(f, keys[i], wf_unknown(f->arena, why.p, WF_TRUE));
    }
}

void workflow_globals(struct workflow_reading *r, const struct yaml_node *root)
{
    const struct workflow_setup *s = r->setup;
    const struct yaml_node *name = yaml_get(root, "name");
    struct fields f = {.arena = r->arena}, none = {.arena = r->arena};
    struct wf_field *vars = arena_calloc(r->arena, s->n_vars + 1, sizeof(*vars));
    struct wf_value *v = arena_alloc(r->arena, sizeof(*v));

    add_event(&f, r, root);
    if (s->ref != NULL)
        add_ref(&f, s->ref);
    if (s->repository != NULL)
        add_repository(&f, s->repository);
    if (name == NULL || name->kind != YAML_SCALAR || strstr(name->text, "${{") == NULL)
        add_text(&f, "workflow", name != NULL && name->kind == YAML_SCALAR ? name->text : s->path);
    add_certain(&f);
    r->github = object_of(&f, "github");
    for (size_t i = 0; i < s->n_vars; i++)
        vars[i] = (struct wf_field){arena_strdup(r->arena, s->vars[i].key),
                                    wf_string(r->arena, s->vars[i].value, strlen(s->vars[i].value))};
    *v = *object_of(&none, "vars");
    v->fields = vars;
    v->n = s->n_vars;
    r->vars = v;
}

/* ---- inputs ---- */

static const struct wf_value *unknown_input(struct arena *a, const char *name)
{
    AUTO_BUF struct buf why = BUF_INIT(300);

    buf_addf(&why, "inputs.%.200s", name);
    return wf_unknown(a, why.p, WF_MAYBE);
}

static bool is_type(const struct yaml_node *input, const char *type)
{
    const struct yaml_node *t = yaml_get(input, "type");

    return t != NULL && t->kind == YAML_SCALAR && strcmp(t->text, type) == 0;
}

static bool is_required(const struct yaml_node *input)
{
    const struct yaml_node *required = yaml_get(input, "required");

    return required != NULL && required->kind == YAML_SCALAR && strcmp(required->text, "true") == 0;
}

/* What an input is when nobody gives it. */
static const struct wf_value *unset_input(struct arena *a, const char *name, const struct yaml_node *input)
{
    const struct yaml_node *def = yaml_get(input, "default");

    if (!yaml_is_null(def))
        return def->kind != YAML_SCALAR || strstr(def->text, "${{") != NULL ? unknown_input(a, name)
                                                                            : wf_of_scalar(a, def);
    if (is_required(input))
        return unknown_input(a, name);
    if (is_type(input, "boolean"))
        return wf_bool(false);
    return is_type(input, "number") ? wf_number(a, 0) : wf_string(a, "", 0);
}

/* A text of the command line as the input's type has it. */
static const struct wf_value *typed_input(struct arena *a, const struct yaml_node *input, const char *text)
{
    if (is_type(input, "boolean"))
        return wf_bool(strcmp(text, "true") == 0);
    return is_type(input, "number") ? wf_number(a, wf_parse_number(text)) : wf_string(a, text, strlen(text));
}

static const char *given(const struct workflow_setup *s, const char *name)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (text_ieq(s->inputs[i].key, name))
            return s->inputs[i].value;
    }
    return NULL;
}

/* Without inputs, on every other event, each of them is null. */
static const struct wf_value *own_input(const struct workflow_reading *r, const struct yaml_node *root,
                                        const char *event, const char *name, const struct yaml_node *input)
{
    const struct workflow_setup *s = r->setup;
    const struct yaml_node *on = yaml_get(root, "on");
    const struct wf_value *both[2] = {unset_input(r->arena, name, input), wf_null()};
    AUTO_BUF struct buf why = BUF_INIT(300);

    if (given(s, name) != NULL)
        return typed_input(r->arena, input, given(s, name));
    if (s->event != NULL)
        return strcmp(s->event, event) == 0 || workflow_is_callable(root) ? both[0] : both[1];
    if (on == NULL || on->n <= 1 || workflow_is_callable(root))
        return both[0];
    buf_addf(&why, "inputs.%.200s", name);
    return wf_one_of(r->arena, both, 2, why.p);
}

const struct wf_value *workflow_own_inputs(struct workflow_reading *r, const struct yaml_node *root)
{
    static const char *const sources[] = {"workflow_dispatch", "workflow_call"};
    const struct workflow_setup *s = r->setup;
    size_t most = s->n_inputs, n = 0;
    struct wf_field *fields;

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct yaml_node *list = yaml_get(event_node(root, sources[i]), "inputs");

        most += list != NULL ? list->n : 0;
    }
    fields = arena_calloc(r->arena, most + 1, sizeof(*fields));
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        const struct yaml_node *list = yaml_get(event_node(root, sources[i]), "inputs");

        for (size_t k = 0; list != NULL && list->kind == YAML_MAP && k < list->n; k++) {
            const char *name = list->pairs[k].key->text;

            fields[n++] = (struct wf_field){name, own_input(r, root, sources[i], name, list->pairs[k].value)};
        }
    }
    for (size_t i = 0; i < s->n_inputs; i++) {
        const struct wf_value so_far = {.kind = WF_OBJECT, .n = n, .fields = fields};

        if (wf_get(&so_far, s->inputs[i].key) == NULL)
            fields[n++] = (struct wf_field){arena_strdup(r->arena, s->inputs[i].key),
                                            wf_string(r->arena, s->inputs[i].value, strlen(s->inputs[i].value))};
    }
    return wf_object(r->arena, fields, n);
}

const struct wf_value *workflow_called_inputs(struct workflow_reading *r, const struct yaml_node *root,
                                              const struct wf_value *with, const char *file, const struct yaml_node *at)
{
    const struct yaml_node *list = yaml_get(event_node(root, "workflow_call"), "inputs");
    size_t count = list != NULL && list->kind == YAML_MAP ? list->n : 0;
    struct wf_field *fields = arena_calloc(r->arena, count + 1, sizeof(*fields));

    for (size_t i = 0; i < count; i++) {
        const char *name = list->pairs[i].key->text;
        const struct wf_value *v = wf_get(with, name);

        if (v == NULL && is_required(list->pairs[i].value) && yaml_get(list->pairs[i].value, "default") == NULL)
            workflow_note(r, true, file, at->line, at->column, "the called workflow requires the input \"%.100s\"",
                          name);
        fields[i] = (struct wf_field){name, v != NULL ? v : unset_input(r->arena, name, list->pairs[i].value)};
    }
    for (size_t i = 0; i < with->n; i++) {
        const struct wf_value known = {.kind = WF_OBJECT, .n = count, .fields = fields};

        if (with->kind == WF_OBJECT && wf_get(&known, with->fields[i].key) == NULL)
            workflow_note(r, true, file, at->line, at->column, "the called workflow has no input \"%.100s\"",
                          with->fields[i].key);
    }
    return wf_object(r->arena, fields, count);
}
