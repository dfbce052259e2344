/*
 * EC2's volumes, as extra_config.BlockDeviceMappings asks for them: every mistake, each at its own value.
 * https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html (read November 2025),
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html
 */
#include "server/base/text.h"
#include "server/config/cirun_lint_int.h"

#include <string.h>

#define GP3_DEFAULT_IOPS 3000
#define GP3_RATIO 4 /* IOPS for each MiB/s, at least */

/* What a type takes; 0 = the key is not for it. */
static const struct volume_type {
    const char *name;
    int64_t min_gb, max_gb, min_iops, max_iops, iops_per_gb, min_throughput, max_throughput;
} types[] = {{"gp3", 1, 65536, 3000, 80000, 500, 125, 2000},
             {"gp2", 1, 16384, 0, 0, 0, 0, 0},
             {"io1", 4, 16384, 100, 64000, 50, 0, 0},
             {"io2", 4, 65536, 100, 256000, 1000, 0, 0},
             {"st1", 125, 16384, 0, 0, 0, 0, 0},
             {"sc1", 125, 16384, 0, 0, 0, 0, 0},
             {"standard", 1, 1024, 0, 0, 0, 0, 0}};

/* One mapping under examination. */
struct disk {
    struct lint *l;
    const struct yaml_node *map;
    const struct volume_type *type;
};

/* A whole number that stands at a key; false: there is none (the grammar speaks of what is no number). */
static bool number_at(const struct yaml_node *map, const char *key, const struct yaml_node **at, int64_t *out)
{
    struct err ignored;

    *at = yaml_get(map, key);
    return *at != NULL && (*at)->kind == YAML_SCALAR && !text_i64((*at)->text, 0, INT32_MAX, out, &ignored);
}

/* NULL: there is no such type, which the reader has said. */
static const struct volume_type *type_of(const struct yaml_node *map)
{
    const struct yaml_node *n = yaml_get(map, "VolumeType");

    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        return &types[1]; /* what EC2 takes */
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].name, n->text) == 0)
            return &types[i];
    }
    return NULL;
}

/* A value that the type takes within limits, or not at all. */
static void check_range(const struct disk *d, const char *key, const char *unit, int64_t min, int64_t max,
                        const char *takers)
{
    const struct yaml_node *n;
    int64_t value;

    if (!number_at(d->map, key, &n, &value))
        return;
    if (max == 0)
        lint_say(d->l, n, "disk-option", "%s is only for %s, and this volume is %s: leave it out, or name the type",
                 key, takers, d->type->name);
    else if (value < min || value > max)
        lint_say(d->l, n, "disk-limit", "%s of %s is %lld to %lld%s, not %lld", key, d->type->name, (long long)min,
                 (long long)max, unit, (long long)value);
}

static void check_iops(const struct disk *d)
{
    const struct yaml_node *n, *size;
    int64_t iops, gb;

    check_range(d, "Iops", "", d->type->min_iops, d->type->max_iops, "gp3, io1 and io2");
    if ((strcmp(d->type->name, "io1") == 0 || strcmp(d->type->name, "io2") == 0) && yaml_get(d->map, "Iops") == NULL)
        lint_say(d->l, yaml_get(d->map, "VolumeType"), "disk-option", "%s needs Iops", d->type->name);
    if (d->type->iops_per_gb == 0 || !number_at(d->map, "Iops", &n, &iops) ||
        !number_at(d->map, "VolumeSize", &size, &gb))
        return;
    if (iops > GP3_DEFAULT_IOPS && iops > gb * d->type->iops_per_gb)
        lint_say(d->l, n, "disk-limit", "%lld Iops need a VolumeSize of at least %lld: %s takes %lld for each GiB",
                 (long long)iops, (long long)((iops + d->type->iops_per_gb - 1) / d->type->iops_per_gb), d->type->name,
                 (long long)d->type->iops_per_gb);
}

static void check_throughput(const struct disk *d)
{
    const struct yaml_node *n, *at;
    int64_t throughput, iops = GP3_DEFAULT_IOPS;

    check_range(d, "Throughput", " MiB/s", d->type->min_throughput, d->type->max_throughput, "gp3");
    if (d->type->max_throughput == 0 || !number_at(d->map, "Throughput", &n, &throughput))
        return;
    (void)number_at(d->map, "Iops", &at, &iops);
    if (throughput > iops / GP3_RATIO)
        lint_say(
            d->l, n, "disk-throughput",
            "gp3 takes a Throughput of at most a quarter of Iops: %lld needs Iops %lld, and this volume has %lld%s",
            (long long)throughput, (long long)throughput * GP3_RATIO, (long long)iops,
            at == NULL ? ", as none is named" : "");
}

static void check_device(struct lint *l, const struct yaml_node *list, size_t number)
{
    const struct yaml_node *name = yaml_get(list->items[number], "DeviceName"), *other;

    for (size_t i = 0; name != NULL && name->kind == YAML_SCALAR && i < number; i++) {
        other = yaml_get(list->items[i], "DeviceName");
        if (other == NULL || other->kind != YAML_SCALAR || strcmp(other->text, name->text) != 0)
            continue;
        lint_say(l, name, "device-repeated", "DeviceName %.40s is taken by the volume on line %d", name->text,
                 other->line);
        return;
    }
}

static void check_disk(struct lint *l, const struct yaml_node *map)
{
    struct disk d = {l, map, NULL};

    if (map->kind != YAML_MAP)
        return;
    d.type = type_of(map);
    if (d.type == NULL)
        return;
    check_range(&d, "VolumeSize", " GiB", d.type->min_gb, d.type->max_gb, "");
    check_iops(&d);
    check_throughput(&d);
}

void lint_disks(struct lint *l)
{
    for (size_t i = 0; i < l->file->n_read; i++) {
        const struct cirun_runner *r = &l->file->runners[i];
        const struct yaml_node *list = yaml_get(r->extra, "BlockDeviceMappings");

        if (r->cloud == NULL || strcmp(r->cloud, "aws") != 0 || list == NULL || list->kind != YAML_LIST)
            continue;
        for (size_t k = 0; k < list->n; k++) {
            check_disk(l, list->items[k]);
            check_device(l, list, k);
        }
    }
}
