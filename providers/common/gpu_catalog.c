#include "providers/common/gpu_catalog.h"

#include "server/base/text.h"

#include <string.h>

const struct gpu_type *gpu_catalog_find(const char *cloud, const char *instance_type)
{
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i];

        if (!t->attached && strcmp(t->cloud, cloud) == 0 && text_ieq(t->instance_type, instance_type))
            return t;
    }
    return NULL;
}

static bool is_smaller(const struct gpu_type *x, const struct gpu_type *y)
{
    const int pairs[][2] = {{(int)x->age, (int)y->age},
                            {x->gpus, y->gpus},
                            {x->gpu_memory_gb, y->gpu_memory_gb},
                            {x->vcpus, y->vcpus},
                            {x->memory_gb, y->memory_gb}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (pairs[i][0] != pairs[i][1])
            return pairs[i][0] < pairs[i][1];
    }
    return false;
}

static const struct gpu_type *smallest(const char *cloud, const char *gpu, int min_gpus, int min_memory_gb,
                                       bool attached_only)
{
    const struct gpu_type *best = NULL;

    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i];

        if (strcmp(t->cloud, cloud) != 0 || t->age == GPU_RETIRED || t->slice != 1 || (attached_only && !t->attached))
            continue;
        if (t->gpus < min_gpus || t->gpu_memory_gb < min_memory_gb || !gpu_model_fits(gpu, t->gpu))
            continue;
        if (best == NULL || is_smaller(t, best))
            best = t;
    }
    return best;
}

const struct gpu_type *gpu_catalog_smallest(const char *cloud, const char *gpu, int min_gpus, int min_memory_gb)
{
    return smallest(cloud, gpu, min_gpus, min_memory_gb, false);
}

const struct gpu_type *gpu_catalog_attached(const char *cloud, const char *gpu, int min_gpus, int min_memory_gb)
{
    return smallest(cloud, gpu, min_gpus, min_memory_gb, true);
}

bool gpu_catalog_has_cloud(const char *cloud)
{
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        if (strcmp(gpu_catalog[i].cloud, cloud) == 0)
            return true;
    }
    return false;
}

/* --- families without GPUs --------------------------------------------------------------------------------------- */

/* Beginnings of types; "#" stands for a digit. aws: families without GpuInfo in the catalogue's source; azure: every
 * GPU size begins with N; gcp: "About GPU instances": GPUs go with A, G2, G4 and N1 only; digitalocean: GPU slugs begin
 * with gpu-; oracle: GPU shapes have GPU in their name. Read 2026-11-25. */
static const struct family {
    const char *cloud, *prefix;
} without[] = {
    {"aws", "a1."},
    {"aws", "c#"},
    {"aws", "d#"},
    {"aws", "f#."},
    {"aws", "h1."},
    {"aws", "hpc#"},
    {"aws", "i#"},
    {"aws", "im4"},
    {"aws", "inf#"},
    {"aws", "is4"},
    {"aws", "m#"},
    {"aws", "mac"},
    {"aws", "r#"},
    {"aws", "t#"},
    {"aws", "trn#"},
    {"aws", "u-"},
    {"aws", "u7"},
    {"aws", "vt1."},
    {"aws", "x#"},
    {"aws", "z#"},
    {"azure", "standard_a"},
    {"azure", "standard_b"},
    {"azure", "standard_d"},
    {"azure", "standard_e"},
    {"azure", "standard_f"},
    {"azure", "standard_h"},
    {"azure", "standard_l"},
    {"azure", "standard_m"},
    {"azure", "basic_a"},
    {"gcp", "c#"},
    {"gcp", "e2-"},
    {"gcp", "f1-"},
    {"gcp", "g1-"},
    {"gcp", "h#"},
    {"gcp", "m#"},
    {"gcp", "n2"},
    {"gcp", "n4"},
    {"gcp", "t2"},
    {"gcp", "x4"},
    {"gcp", "z3-"},
    {"digitalocean", "c-"},
    {"digitalocean", "c2-"},
    {"digitalocean", "g-"},
    {"digitalocean", "gd-"},
    {"digitalocean", "m#-"},
    {"digitalocean", "m-"},
    {"digitalocean", "s-"},
    {"digitalocean", "so"},
    {"oracle", "vm.standard"},
    {"oracle", "bm.standard"},
    {"oracle", "vm.denseio"},
    {"oracle", "bm.denseio"},
    {"oracle", "vm.optimized"},
    {"oracle", "bm.optimized"},
    {"oracle", "bm.hpc"},
};

static bool begins(const char *type, const char *prefix)
{
    for (; *prefix != '\0'; prefix++, type++) {
        bool digit = *type >= '0' && *type <= '9';

        if (*prefix == '#' ? !digit : text_lower(*type) != *prefix)
            return false;
    }
    return true;
}

bool gpu_catalog_has_none(const char *cloud, const char *instance_type)
{
    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        if (strcmp(without[i].cloud, cloud) == 0 && begins(instance_type, without[i].prefix))
            return true;
    }
    return false;
}

bool gpu_catalog_takes_attached(const char *cloud, const char *instance_type)
{
    return strcmp(cloud, "gcp") == 0 && (begins(instance_type, "n1-") || begins(instance_type, "custom-"));
}
