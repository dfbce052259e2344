/* One runner. Whether its values are of the right types is checked against the table of keys; here they are read. The
 * four that span the candidates are read in cirun_expand.c. */
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <string.h>

static void read_labels(struct cirun_reading *r, const struct yaml_node *n, struct cirun_runner *out)
{
    const char **labels;

    if (n == NULL || n->kind != YAML_LIST)
        return;
    labels = arena_calloc(r->arena, n->n, sizeof(*labels));
    for (size_t i = 0; i < n->n; i++) {
        if (n->items[i]->kind == YAML_SCALAR)
            labels[out->n_labels++] = n->items[i]->text;
    }
    out->labels = labels;
}

/* A number of the mapping muster; 0 when there is none. */
static int64_t number_of(const struct yaml_node *muster, const char *key)
{
    const struct cirun_key *k = cirun_key_find(cirun_key_find(&cirun_runner_map, "muster")->of, key);
    int64_t value = 0;

    return cirun_number(k, yaml_get(muster, key), &value) ? value : 0;
}

static void read_muster(const struct yaml_node *muster, struct cirun_runner *out)
{
    const struct cirun_key *price = cirun_key_find(cirun_key_find(&cirun_runner_map, "muster")->of, "max_hourly_price");
    const char *order = cirun_plain_text(muster, "order");

    out->gpus = (int)number_of(muster, "gpus");
    out->gpu_memory_gb = (int)number_of(muster, "gpu_memory");
    out->lifetime_s = number_of(muster, "lifetime");
    out->boot_deadline_s = number_of(muster, "boot_deadline");
    out->rerun_interrupted = (int)number_of(muster, "rerun_interrupted");
    if (order != NULL && strcmp(order, "listed") != 0)
        out->order = strcmp(order, "cheapest") == 0 ? CIRUN_CHEAPEST : CIRUN_FASTEST;
    (void)cirun_usd(price, yaml_get(muster, "max_hourly_price"), &out->max_hourly_usd);
}

/* Keys whose absence matters to people. */
static void check_absent(struct cirun_reading *r, const struct yaml_node *map)
{
    const struct yaml_node *labels = yaml_get(map, "labels");

    if (yaml_get(map, "name") == NULL)
        cirun_warn(r, map, "no-name", "name is missing: nothing can refer to this runner");
    if (yaml_is_null(labels) || (labels->kind == YAML_LIST && labels->n == 0))
        cirun_warn(r, map, "no-labels", "no labels: no job's runs-on can name this runner");
}

/* What is accepted so that files need no change, and does nothing here. */
static void check_cache(struct cirun_reading *r, const struct yaml_node *extra)
{
    const struct yaml_node *cache = yaml_get(extra, "cache");
    struct err ignored;
    bool on = false;

    if (cache != NULL && cache->kind == YAML_SCALAR && text_bool(cache->text, &on, &ignored) == 0 && on)
        cirun_warn(r, cache, "no-effect", "cache is ignored: jobs use GitHub's own cache");
}

void cirun_read_runner(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out)
{
    const char *spelling = cirun_plain_text(map, "cloud"), *name = cirun_plain_text(map, "name");
    const struct cirun_cloud *cloud = spelling != NULL ? cirun_cloud_find(spelling) : NULL;
    const struct yaml_node *extra = yaml_get(map, "extra_config");

    cirun_check_map(r, map, &cirun_runner_map, cloud);
    check_absent(r, map);
    check_cache(r, extra);
    out->name = name != NULL ? name : "";
    out->cloud = cloud != NULL ? cloud->name : NULL;
    out->line = map->line;
    out->node = map;
    out->gpu = cirun_plain_text(map, "gpu");
    out->workflow = cirun_plain_text(map, "workflow");
    out->team = cirun_plain_text(map, "run_only_when_triggered_by");
    out->extra = extra != NULL && extra->kind == YAML_MAP ? extra : NULL;
    read_labels(r, yaml_get(map, "labels"), out);
    read_muster(yaml_get(map, "muster"), out);
    cirun_read_idle(r, yaml_get(map, "idle"), out);
    cirun_check_idle(r, map, out);
    cirun_expand(r, map, out);
}
