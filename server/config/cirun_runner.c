/* The keys of one runner. The four that span the candidates are read in cirun_expand.c. */
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <string.h>

typedef void read_fn(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out);

/* Accepted spellings of the clouds; several may stand for one. */
static const struct {
    const char *spelling, *cloud;
} clouds[] = {
    {"aws", "aws"},
    {"gcp", "gcp"},
    {"azure", "azure"},
    {"do", "digitalocean"},
    {"digitalocean", "digitalocean"},
    {"openstack", "openstack"},
    {"oracle", "oracle"},
    {"vast_ai", "vast_ai"},
    {"on_prem", "on_prem"},
};

static void read_name(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    const char *name = cirun_text(r, n, "name");

    if (name != NULL)
        out->name = name;
}

static void read_cloud(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    const char *names[ARRAY_LEN(clouds)], *near, *text = cirun_text(r, n, "cloud");

    if (text == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        names[i] = clouds[i].spelling;
        if (strcmp(clouds[i].spelling, text) == 0)
            out->cloud = clouds[i].cloud;
    }
    near = text_nearest(text, names, ARRAY_LEN(names));
    if (out->cloud == NULL)
        cirun_propose(
            r, n, "unknown-value", near,
            "unknown cloud \"%.60s\"%s%s%s; the clouds are aws, gcp, azure, digitalocean (do), openstack, oracle, "
            "vast_ai and on_prem",
            text, near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
}

static void read_gpu(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    if (!yaml_is_null(n))
        out->gpu = cirun_text(r, n, "gpu");
}

/* What restricts who is served must say whom: nothing is an error here, not a default. */
static void read_workflow(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    out->workflow = cirun_text(r, n, "workflow");
}

static void read_team(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    out->team = cirun_text(r, n, "run_only_when_triggered_by");
}

static void read_labels(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    const char **labels;

    if (yaml_is_null(n))
        return;
    if (n->kind != YAML_LIST) {
        cirun_fail(r, n, "wrong-type", "labels must be a list of strings, found %s; did you mean \"- ...\" or [...]?",
                   yaml_kind_name(n));
        return;
    }
    labels = arena_calloc(r->arena, n->n, sizeof(*labels));
    for (size_t i = 0; i < n->n; i++) {
        const char *label = cirun_text(r, n->items[i], "a label");

        if (label != NULL)
            labels[out->n_labels++] = label;
    }
    out->labels = labels;
}

static void check_count(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    struct err ignored;
    int64_t count;

    (void)out;
    if (yaml_is_null(n) || n->kind != YAML_SCALAR || text_i64(n->text, 0, INT32_MAX, &count, &ignored))
        cirun_fail(r, n, "wrong-type", "count must be a whole number, found %s", yaml_kind_name(n));
    else
        cirun_warn(r, n, "legacy-key", "count is ignored: every job gets a machine of its own");
}

static void read_extra(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    if (yaml_is_null(n))
        return;
    if (n->kind == YAML_MAP)
        out->extra = n;
    else
        cirun_fail(r, n, "wrong-type", "extra_config must be a mapping, found %s", yaml_kind_name(n));
}

/* The other keys of muster are read by later rules. */
static void read_muster(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    if (yaml_is_null(n))
        return;
    if (n->kind == YAML_MAP)
        cirun_read_gpus(r, n, out);
    else
        cirun_fail(r, n, "wrong-type", "muster must be a mapping, found %s", yaml_kind_name(n));
}

/* Every known key; those without a function belong to cirun_expand. */
static const struct {
    const char *name;
    read_fn *read;
} keys[] = {
    {"name", read_name},          {"cloud", read_cloud},       {"gpu", read_gpu},
    {"instance_type", NULL},      {"machine_image", NULL},     {"region", NULL},
    {"preemptible", NULL},        {"labels", read_labels},     {"idle", cirun_read_idle},
    {"extra_config", read_extra}, {"workflow", read_workflow}, {"run_only_when_triggered_by", read_team},
    {"count", check_count},       {"muster", read_muster},
};

static void read_pair(struct cirun_reading *r, const struct yaml_pair *pair, struct cirun_runner *out)
{
    const char *names[ARRAY_LEN(keys)];

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        names[i] = keys[i].name;
        if (strcmp(keys[i].name, pair->key->text) != 0)
            continue;
        if (keys[i].read != NULL)
            keys[i].read(r, pair->value, out);
        return;
    }
    cirun_unknown_key(r, pair->key, "a runner", names, ARRAY_LEN(names));
}

/* Keys whose absence matters. */
static void check_absent(struct cirun_reading *r, const struct yaml_node *map)
{
    const struct yaml_node *labels = yaml_get(map, "labels");

    if (yaml_get(map, "cloud") == NULL)
        cirun_fail(
            r, map, "missing-key",
            "cloud is missing; it is one of aws, gcp, azure, digitalocean, openstack, oracle, vast_ai and on_prem");
    if (yaml_get(map, "name") == NULL)
        cirun_warn(r, map, "no-name", "name is missing: nothing can refer to this runner");
    if (yaml_is_null(labels) || (labels->kind == YAML_LIST && labels->n == 0))
        cirun_warn(r, map, "no-labels", "no labels: no job's runs-on can name this runner");
}

void cirun_read_runner(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out)
{
    out->name = "";
    out->line = map->line;
    out->node = map;
    for (size_t i = 0; i < map->n; i++)
        read_pair(r, &map->pairs[i], out);
    check_absent(r, map);
    cirun_check_idle(r, map, out);
    cirun_expand(r, map, out);
}
