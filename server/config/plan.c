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
        return strcmp(plan_os(c), "macos") == 0;
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

const char *plan_os(const struct cirun_candidate *c)
{
    if (text_icontains(c->image, "windows") || text_icontains(c->image, "win11") || text_icontains(c->image, "win10"))
        return "windows";
    return text_icontains(c->image, "macos") ? "macos" : "linux";
}

/* A number that is there only when it was asked for. */
static int add_least(json_t *one, const char *key, int number, struct err *e)
{
    if (number > 0 && json_object_set_new(one, key, json_integer(number)) != 0)
        return err_set(e, ERR_BUG, "%s could not be added to the plan", key);
    return 0;
}

static int add_candidate(json_t *list, const struct plan_release releases[2], const struct cirun_runner *r,
                         const struct cirun_candidate *c, struct err *e)
{
    const struct plan_release *boots = &releases[strcmp(plan_arch(r, c), "arm64") == 0 ? 1 : 0];
    AUTO_JSON json_t *one = NULL;
    json_t *extra = cirun_extra_json(r->cloud, r->extra);

    if (js_pack(e, &one, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:b, s:o*}", "runner", r->name, "arch",
                boots->arch, "os", plan_os(c), "runner_url", boots->url, "runner_sha256", boots->sha256, "cloud",
                r->cloud, "region", c->region, "instance_type", c->instance_type, "image", c->image, "gpu", r->gpu,
                "spot", c->spot ? 1 : 0, "extra", extra))
        return -1;
    if (add_least(one, "gpus", r->gpus, e) || add_least(one, "gpu_memory_gb", r->gpu_memory_gb, e))
        return -1;
    if (json_array_append(list, one) != 0)
        return err_set(e, ERR_BUG, "a candidate could not be added to the plan");
    return 0;
}

int plan_build(const struct plan_release releases[2], const struct cirun_runner *const *runners, size_t n, char **out,
               struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < runners[i]->n_candidates && json_array_size(list) < CIRUN_YML_MAX_CANDIDATES; k++) {
            if (add_candidate(list, releases, runners[i], &runners[i]->candidates[k], e)) {
                json_decref(list);
                return -1;
            }
        }
    }
    if (json_array_size(list) == 0) {
        json_decref(list);
        return err_set(e, ERR_INVALID, "no candidate: the matching runners name no machine");
    }
    if (js_pack(e, &doc, "{s:o}", "candidates", list))
        return -1;
    return js_dump(doc, out, e);
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
    return js_str(one, "arch", &r->arch, e) || js_str(one, "runner_url", &r->url, e) ||
                   js_str(one, "runner_sha256", &r->sha256, e)
               ? -1
               : 0;
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
    for (size_t i = 0; i < p->n; i++) {
        const json_t *one = json_array_get(list, i);

        if (read_spec(one, &p->specs[i], e) || read_release(one, &p->releases[i], e))
            return -1;
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

void plan_clear(struct plan *p)
{
    free(p->specs);
    free(p->releases);
    json_decref(p->doc);
    *p = (struct plan){0};
}
