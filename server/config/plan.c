#include "server/config/plan.h"

#include "providers/common/gpu_catalog.h"
#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <string.h>

/* lume runs on Macs with Apple's own processors only, and macOS without an executor on lume. */
static bool is_lume(const struct cirun_runner *r, const struct cirun_candidate *c)
{
    const struct yaml_node *executor = yaml_get(r->extra, "executor");

    if (strcmp(r->cloud, "on_prem") != 0)
        return false;
    if (executor == NULL)
        return strcmp(plan_os(r, c), "macos") == 0;
    return executor->kind == YAML_SCALAR && strcmp(executor->text, "lume") == 0;
}

const char *plan_arch(const struct cirun_runner *r, const struct cirun_candidate *c)
{
    const char *cloud = r->cloud;
    const struct provider_ops *ops = registry_find(cloud);
    const struct gpu_type *known = c->instance_type != NULL ? gpu_catalog_find(cloud, c->instance_type) : NULL;
    const char *arch = NULL;

    if (ops != NULL && ops->arch != NULL && c->instance_type != NULL)
        arch = ops->arch(c->instance_type);
    if (arch != NULL)
        return arch;
    if (known != NULL)
        return known->arch;
    if (is_lume(r, c))
        return "arm64";
    return text_icontains(c->image, "arm64") || text_icontains(c->image, "aarch64") ? "arm64" : "x64";
}

static bool names_windows(const char *text)
{
    return text_icontains(text, "windows") || text_icontains(text, "win11") || text_icontains(text, "win10");
}

static const char *scalar_of(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);

    return yaml_is_null(n) || n->kind != YAML_SCALAR ? NULL : n->text;
}

/* What nothing but Windows has: a desktop to log on to, a folder on a drive, Azure's licence. */
static bool is_for_windows(const struct yaml_node *extra)
{
    const char *path = scalar_of(extra, "runner_path"), *licence = scalar_of(extra, "licenseType");
    const char *run_as = scalar_of(extra, "run_as");

    return (run_as != NULL && strcmp(run_as, "interactive") == 0) ||
           (path != NULL && path[0] != '\0' && path[1] == ':') || (licence != NULL && names_windows(licence));
}

/* Is the image an id, which names nothing? NULL, of a runner with errors, is none. */
static bool is_image_id(const char *image)
{
    if (image == NULL)
        return false;
    return text_has_prefix(image, "ami-") || text_has_prefix(image, "ocid1.") ||
           text_has_prefix(image, "/subscriptions/") || strspn(image, "0123456789") == strlen(image) ||
           (strlen(image) == 36 && strspn(image, "0123456789abcdefABCDEF-") == 36);
}

/* Do the runner's labels name this system? */
static bool labels_name(const struct cirun_runner *r, const char *os)
{
    for (size_t i = 0; i < r->n_labels; i++) {
        if (text_icontains(r->labels[i], os))
            return true;
    }
    return false;
}

const char *plan_os(const struct cirun_runner *r, const struct cirun_candidate *c)
{
    bool labelled = labels_name(r, "windows") && !labels_name(r, "linux");

    if (names_windows(c->image) || is_for_windows(r->extra))
        return "windows";
    if (text_icontains(c->image, "macos"))
        return "macos";
    return is_image_id(c->image) && (labelled || scalar_of(r->extra, "runner_user") != NULL) ? "windows" : "linux";
}

/* A number that is there only when it was asked for. */
static int add_least(json_t *one, const char *key, int number, struct err *e)
{
    if (number > 0 && json_object_set_new(one, key, json_integer(number)) != 0)
        return err_set(e, ERR_BUG, "%s could not be added to the plan", key);
    return 0;
}

static const struct plan_release *release_for(const struct plan_release *releases, size_t n, const char *os,
                                              const char *arch)
{
    static const struct plan_release none = {"", "", "", ""};

    for (size_t i = 0; i < n; i++) {
        if (strcmp(releases[i].os, os) == 0 && strcmp(releases[i].arch, arch) == 0)
            return &releases[i];
    }
    return &none;
}

/* Scalars as they are written: 1.10 is no number here. NULL when there is nothing. What the parser let through and is
 * neither a mapping nor of scalars is left out: it has said so. */
static json_t *env_of(const struct yaml_node *extra)
{
    const struct yaml_node *map = yaml_get(extra, "env_vars");
    json_t *env = map != NULL && map->kind == YAML_MAP && map->n > 0 ? json_object() : NULL;

    for (size_t i = 0; env != NULL && i < map->n; i++) {
        const struct yaml_node *value = map->pairs[i].value;

        if (yaml_is_null(value) || value->kind == YAML_SCALAR)
            (void)json_object_set_new(env, map->pairs[i].key->text,
                                      json_string(yaml_is_null(value) ? "" : value->text));
    }
    return env;
}

static json_t *setup_of(const struct yaml_node *list)
{
    json_t *out = list != NULL && list->kind == YAML_LIST && list->n > 0 ? json_array() : NULL;

    for (size_t i = 0; out != NULL && i < list->n; i++) {
        const char *group = scalar_of(list->items[i], "group"), *detail = scalar_of(list->items[i], "detail");

        if (detail != NULL)
            (void)json_array_append_new(
                out, json_pack("{s:s, s:s}", "group", group != NULL ? group : "Setup", "detail", detail));
    }
    return out;
}

static json_t *extra_of(const struct cirun_runner *r)
{
    json_t *out = cirun_extra_json(r->cloud, r->extra);

    if (out != NULL)
        (void)json_object_del(out, "env_vars");
    return out;
}

/* What plan_build works with. */
struct building {
    const struct plan_release *releases;
    size_t n_releases;
    json_t *list;
};

/* What `muster` says of a runner, as far as it says anything. */
static int add_terms(json_t *one, const struct cirun_runner *r, struct err *e)
{
    if (r->order != CIRUN_LISTED &&
        json_object_set_new(one, "order", json_string(r->order == CIRUN_CHEAPEST ? "cheapest" : "fastest")) != 0)
        return err_set(e, ERR_BUG, "order could not be added to the plan");
    if (r->max_hourly_usd > 0 && json_object_set_new(one, "max_hourly_price", json_real(r->max_hourly_usd)) != 0)
        return err_set(e, ERR_BUG, "max_hourly_price could not be added to the plan");
    return add_least(one, "lifetime_s", (int)r->lifetime_s, e) ||
                   add_least(one, "boot_deadline_s", (int)r->boot_deadline_s, e) ||
                   add_least(one, "rerun_interrupted", r->rerun_interrupted, e)
               ? -1
               : 0;
}

static int add_candidate(const struct building *b, const struct cirun_runner *r, const struct cirun_candidate *c,
                         struct err *e)
{
    const char *os = plan_os(r, c), *arch = plan_arch(r, c);
    const struct plan_release *boots = release_for(b->releases, b->n_releases, os, arch);
    AUTO_JSON json_t *one = NULL;

    if (js_pack(e, &one, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:b, s:o*, s:o*}", "runner", r->name,
                "arch", arch, "os", os, "runner_url", boots->url, "runner_sha256", boots->sha256, "cloud", r->cloud,
                "region", c->region, "instance_type", c->instance_type, "image", c->image, "gpu", r->gpu, "spot",
                c->spot ? 1 : 0, "extra", extra_of(r), "env_vars", env_of(r->extra)))
        return -1;
    if (add_least(one, "gpus", r->gpus, e) || add_least(one, "gpu_memory_gb", r->gpu_memory_gb, e) ||
        add_terms(one, r, e))
        return -1;
    if (json_array_append(b->list, one) != 0)
        return err_set(e, ERR_BUG, "a candidate could not be added to the plan");
    return 0;
}

/* All runners of a chain are of one file. */
static int finish(const struct building *b, const struct cirun_runner *first, char **out, struct err *e)
{
    AUTO_JSON json_t *doc = NULL;

    if (json_array_size(b->list) == 0)
        return err_set(e, ERR_INVALID, "no candidate: the matching runners name no machine");
    if (js_pack(e, &doc, "{s:O, s:o*}", "candidates", b->list, "setup_info", setup_of(first->setup_info)))
        return -1;
    return js_dump(doc, out, e);
}

int plan_build(const struct plan_release *releases, size_t n_releases, const struct cirun_runner *const *runners,
               size_t n, char **out, struct err *e)
{
    AUTO_JSON json_t *list = json_array();
    const struct building b = {releases, n_releases, list};

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < runners[i]->n_candidates && json_array_size(list) < CIRUN_YML_MAX_CANDIDATES; k++) {
            if (add_candidate(&b, runners[i], &runners[i]->candidates[k], e))
                return -1;
        }
    }
    return finish(&b, runners[0], out, e);
}

/* Written only when asked for; plans of an earlier version have it never. */
static int read_least(const json_t *one, const char *key, int *out, struct err *e)
{
    int64_t number = 0;

    if (js_opt_i64(one, key, &number, e))
        return -1;
    if (number < 0 || number > INT32_MAX)
        return err_set(e, ERR_BUG, "%s: out of range", key);
    *out = (int)number;
    return 0;
}

static int read_spec(const json_t *one, struct machine_spec *s, struct err *e)
{
    if (js_str(one, "cloud", &s->cloud, e) || js_opt_str(one, "region", &s->region, e) ||
        js_opt_str(one, "instance_type", &s->instance_type, e) || js_opt_str(one, "image", &s->image, e) ||
        js_opt_str(one, "gpu", &s->gpu, e) || js_opt_str(one, "os", &s->os, e) ||
        read_least(one, "gpus", &s->gpus, e) || read_least(one, "gpu_memory_gb", &s->gpu_memory_gb, e) ||
        js_bool(one, "spot", &s->spot, e))
        return -1;
    s->extra = json_object_get(one, "extra");
    return 0;
}

static int read_release(const json_t *one, struct plan_release *r, struct err *e)
{
    r->os = "linux"; /* plans of an earlier version were of nothing else */
    return js_opt_str(one, "os", &r->os, e) || js_str(one, "arch", &r->arch, e) ||
                   js_str(one, "runner_url", &r->url, e) || js_str(one, "runner_sha256", &r->sha256, e)
               ? -1
               : 0;
}

static int read_terms(const json_t *one, struct plan_terms *t, struct err *e)
{
    const char *order = NULL;
    int lifetime_s = 0, deadline_s = 0;

    if (js_opt_str(one, "order", &order, e) || read_least(one, "lifetime_s", &lifetime_s, e) ||
        read_least(one, "boot_deadline_s", &deadline_s, e) ||
        read_least(one, "rerun_interrupted", &t->rerun_interrupted, e))
        return -1;
    t->order = order == NULL ? CIRUN_LISTED : strcmp(order, "cheapest") == 0 ? CIRUN_CHEAPEST : CIRUN_FASTEST;
    t->max_hourly_usd = json_number_value(json_object_get(one, "max_hourly_price"));
    t->lifetime_s = lifetime_s;
    t->boot_deadline_s = deadline_s;
    return 0;
}

static int read_doc(struct plan *p, struct err *e)
{
    json_t *list;

    if (js_arr(p->doc, "candidates", &list, e))
        return -1;
    p->n = json_array_size(list);
    if (p->n == 0)
        return err_set(e, ERR_BUG, "candidates: empty");
    p->specs = mem_calloc(p->n, sizeof(*p->specs));
    p->releases = mem_calloc(p->n, sizeof(*p->releases));
    p->terms = mem_calloc(p->n, sizeof(*p->terms));
    p->env_vars = mem_calloc(p->n, sizeof(*p->env_vars));
    p->setup_info = json_object_get(p->doc, "setup_info");
    for (size_t i = 0; i < p->n; i++) {
        const json_t *one = json_array_get(list, i);

        if (read_spec(one, &p->specs[i], e) || read_release(one, &p->releases[i], e) ||
            read_terms(one, &p->terms[i], e))
            return -1;
        p->env_vars[i] = json_object_get(one, "env_vars");
    }
    return 0;
}

int plan_parse(const char *text, struct plan *out, struct err *e)
{
    AUTO_PLAN struct plan p = {0};

    if (text == NULL)
        return err_set(e, ERR_BUG, "the record has no plan");
    if (js_parse(text, strlen(text), &p.doc, e) || read_doc(&p, e)) {
        e->kind = ERR_BUG;
        return err_wrap(e, "the stored plan cannot be read");
    }
    *out = p;
    p = (struct plan){0};
    return 0;
}

bool plan_alike(const struct machine_spec *x, const struct machine_spec *y)
{
    const char *const pairs[][2] = {
        {x->cloud, y->cloud}, {x->region, y->region}, {x->instance_type, y->instance_type}, {x->image, y->image}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *l = pairs[i][0] != NULL ? pairs[i][0] : "", *r = pairs[i][1] != NULL ? pairs[i][1] : "";

        if (strcmp(l, r) != 0)
            return false;
    }
    return true;
}

void plan_clear(struct plan *p)
{
    free(p->specs);
    free(p->releases);
    free(p->terms);
    free(p->env_vars);
    json_decref(p->doc);
    *p = (struct plan){0};
}
