#include "server/config/plan.h"

#include "server/base/json.h"
#include "server/base/mem.h"

#include <string.h>

static int add_candidate(json_t *list, const struct cirun_runner *r, const struct cirun_candidate *c, struct err *e)
{
    AUTO_JSON json_t *one = NULL;
    json_t *extra = r->extra != NULL ? yaml_to_json(r->extra) : NULL;

    if (js_pack(e, &one, "{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:b, s:o*}", "runner", r->name, "cloud", r->cloud,
                "region", c->region, "instance_type", c->instance_type, "image", c->image, "gpu", r->gpu, "spot",
                c->spot ? 1 : 0, "extra", extra))
        return -1;
    if (json_array_append(list, one) != 0)
        return err_set(e, ERR_BUG, "a candidate could not be added to the plan");
    return 0;
}

int plan_build(const struct plan_base *base, const struct cirun_runner *const *runners, size_t n, char **out,
               struct err *e)
{
    AUTO_JSON json_t *doc = NULL;
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < runners[i]->n_candidates && json_array_size(list) < CIRUN_YML_MAX_CANDIDATES; k++) {
            if (add_candidate(list, runners[i], &runners[i]->candidates[k], e)) {
                json_decref(list);
                return -1;
            }
        }
    }
    if (json_array_size(list) == 0) {
        json_decref(list);
        return err_set(e, ERR_INVALID, "no candidate: the matching runners name no machine");
    }
    if (js_pack(e, &doc, "{s:s, s:s, s:s, s:o}", "arch", base->arch, "runner_url", base->runner_url, "runner_sha256",
                base->runner_sha256, "candidates", list))
        return -1;
    return js_dump(doc, out, e);
}

static int read_spec(const json_t *one, struct machine_spec *s, struct err *e)
{
    if (js_str(one, "cloud", &s->cloud, e) || js_opt_str(one, "region", &s->region, e) ||
        js_opt_str(one, "instance_type", &s->instance_type, e) || js_opt_str(one, "image", &s->image, e) ||
        js_opt_str(one, "gpu", &s->gpu, e) || js_bool(one, "spot", &s->spot, e))
        return -1;
    s->extra = json_object_get(one, "extra");
    return 0;
}

static int read_doc(struct plan *p, struct err *e)
{
    json_t *list;

    if (js_str(p->doc, "arch", &p->arch, e) || js_str(p->doc, "runner_url", &p->runner_url, e) ||
        js_str(p->doc, "runner_sha256", &p->runner_sha256, e) || js_arr(p->doc, "candidates", &list, e))
        return -1;
    p->n = json_array_size(list);
    if (p->n == 0)
        return err_set(e, ERR_BUG, "candidates: empty");
    p->specs = mem_calloc(p->n, sizeof(*p->specs));
    for (size_t i = 0; i < p->n; i++) {
        if (read_spec(json_array_get(list, i), &p->specs[i], e))
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
    json_decref(p->doc);
    *p = (struct plan){0};
}
