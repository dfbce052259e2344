/* instance_type, machine_image, region and preemptible, each one value or a list, to the chain of candidates. */
#include "server/base/buf.h"
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <string.h>

/* One of the four: its values in order. A missing one has a single value, NULL or false. */
struct axis {
    size_t n;
    const char **text;
    bool *flag;
};

/* From the slowest to the fastest when all combinations are tried. */
enum { TYPE, IMAGE, REGION, SPOT, N_AXES };

static const char *const names[N_AXES] = {"instance_type", "machine_image", "region", "preemptible"};

/* An Azure image as a mapping, to publisher:offer:sku:version; NULL when it lacks one. */
static const char *image_of_mapping(struct cirun_reading *r, const struct yaml_node *map)
{
    AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX);
    const char *text;
    struct err ignored;

    for (size_t i = 0; i < cirun_image_map.n; i++) {
        const char *part = cirun_plain_text(map, cirun_image_map.keys[i].name);

        if (part == NULL)
            return NULL;
        buf_addf(&b, "%s%s", i > 0 ? ":" : "", part);
    }
    return buf_str(&b, &text, &ignored) == 0 ? arena_strdup(r->arena, text) : NULL;
}

/* One value of an axis. What is none was spoken of before. */
static void read_value(struct cirun_reading *r, const struct yaml_node *n, int which, struct axis *out, size_t i)
{
    struct err ignored;
    bool flag = false;

    if (which == IMAGE && n->kind == YAML_MAP)
        out->text[i] = image_of_mapping(r, n);
    else if (n->kind == YAML_SCALAR && which == SPOT)
        out->flag[i] = text_bool(n->text, &flag, &ignored) == 0 && flag;
    else if (n->kind == YAML_SCALAR)
        out->text[i] = n->text;
}

static void read_axis(struct cirun_reading *r, const struct yaml_node *map, int which, struct axis *out)
{
    const struct yaml_node *n = yaml_get(map, names[which]);
    bool is_list = n != NULL && n->kind == YAML_LIST;

    out->n = is_list && n->n > 0 ? n->n : 1;
    out->text = arena_calloc(r->arena, out->n, sizeof(*out->text));
    out->flag = arena_calloc(r->arena, out->n, sizeof(*out->flag));
    if (!is_list && !yaml_is_null(n))
        read_value(r, n, which, out, 0);
    for (size_t i = 0; is_list && i < n->n; i++)
        read_value(r, n->items[i], which, out, i);
}

/* Do the lists (those with more than one value) have one common length? *total: how many candidates there are. */
static bool equal_lengths(const struct axis *axes, size_t *total)
{
    size_t longest = 1, product = 1;
    bool equal = true;

    for (int a = 0; a < N_AXES; a++) {
        if (axes[a].n > longest)
            longest = axes[a].n;
        product = product > SIZE_MAX / axes[a].n ? SIZE_MAX : product * axes[a].n;
    }
    for (int a = 0; a < N_AXES; a++)
        equal = equal && (axes[a].n == 1 || axes[a].n == longest);
    *total = equal ? longest : product;
    return equal;
}

/* Which value of each axis the candidate of this number takes. */
static void pick(const struct axis *axes, bool equal, size_t number, size_t at[N_AXES])
{
    for (int a = N_AXES - 1; a >= 0; a--) {
        at[a] = equal && axes[a].n > 1 ? number : number % axes[a].n;
        number = equal ? number : number / axes[a].n;
    }
}

static void warn_unequal(struct cirun_reading *r, const struct yaml_node *map, const struct axis *axes, size_t total)
{
    const struct yaml_node *at = map;
    AUTO_BUF struct buf lengths = BUF_INIT(200);

    for (int a = N_AXES - 1; a >= 0; a--) {
        if (axes[a].n > 1)
            at = yaml_get(map, names[a]);
    }
    for (int a = 0; a < N_AXES; a++) {
        if (axes[a].n > 1)
            buf_addf(&lengths, "%s%s %zu", lengths.len > 0 ? ", " : "", names[a], axes[a].n);
    }
    cirun_warn(r, at, "list-lengths",
               "lists of different lengths (%s): every combination is tried, %zu candidates; lists of equal "
               "length are read side by side",
               lengths.p, total);
}

static bool has_spot(const char *cloud)
{
    return strcmp(cloud, "digitalocean") != 0 && strcmp(cloud, "openstack") != 0 && strcmp(cloud, "on_prem") != 0;
}

/* A cloud without spot capacity: say so, and take what it has. */
static void drop_spot(struct cirun_reading *r, const struct yaml_node *map, const char *cloud, struct axis *spot)
{
    bool any = false;

    for (size_t i = 0; i < spot->n; i++)
        any = any || spot->flag[i];
    if (!any || cloud == NULL || has_spot(cloud))
        return;
    cirun_warn(r, yaml_get(map, "preemptible"), "no-spot", "%s has no spot capacity: preemptible is ignored", cloud);
    memset(spot->flag, 0, spot->n * sizeof(*spot->flag));
}

void cirun_expand(struct cirun_reading *r, const struct yaml_node *map, struct cirun_runner *out)
{
    struct axis axes[N_AXES];
    struct cirun_candidate *list;
    size_t total, at[N_AXES];
    bool equal;

    for (int a = 0; a < N_AXES; a++)
        read_axis(r, map, a, &axes[a]);
    if (yaml_is_null(yaml_get(map, "instance_type")) && out->gpu == NULL)
        cirun_fail(r, map, "missing-key", "instance_type is missing; name one, or the gpu that is needed");
    drop_spot(r, map, out->cloud, &axes[SPOT]);
    equal = equal_lengths(axes, &total);
    if (!equal)
        warn_unequal(r, map, axes, total);
    if (total > CIRUN_YML_MAX_CANDIDATES) {
        cirun_warn(r, map, "too-many-candidates", "%zu candidates; the first %d are tried", total,
                   CIRUN_YML_MAX_CANDIDATES);
        total = CIRUN_YML_MAX_CANDIDATES;
    }
    list = arena_calloc(r->arena, total, sizeof(*list));
    for (size_t i = 0; i < total; i++) {
        pick(axes, equal, i, at);
        list[i] = (struct cirun_candidate){.instance_type = axes[TYPE].text[at[TYPE]],
                                           .image = axes[IMAGE].text[at[IMAGE]],
                                           .region = axes[REGION].text[at[REGION]],
                                           .spot = axes[SPOT].flag[at[SPOT]]};
    }
    out->n_candidates = cirun_gpus(r, map, out, list, total);
    out->candidates = list;
}
