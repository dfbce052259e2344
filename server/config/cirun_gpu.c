/* The GPUs of a runner: gpu, muster.gpus and muster.gpu_memory against what the catalogue knows of instance types. */
#include "providers/common/gpu_catalog.h"
#include "server/base/buf.h"
#include "server/base/text.h"
#include "server/config/cirun_int.h"

#include <stdio.h>
#include <string.h>

/* --- what is said of it ------------------------------------------------------------------------------------------ */

/* One runner under examination. */
struct subject {
    struct cirun_reading *r;
    const struct yaml_node *map;
    const struct cirun_runner *runner;
    const struct yaml_node *gpu;   /* where gpu stands, or NULL */
    const struct yaml_node *least; /* where gpus or gpu_memory stands, or NULL */
    char asked_gpu[60];            /* "a T4" */
    char asked_least[60];          /* "2 GPUs with 24 GB each" */
};

static struct subject subject_of(struct cirun_reading *r, const struct yaml_node *map,
                                 const struct cirun_runner *runner)
{
    const struct yaml_node *muster = yaml_get(map, "muster"), *gpus = yaml_get(muster, "gpus");
    struct subject s = {.r = r, .map = map, .runner = runner};
    int n = runner->gpus, gb = runner->gpu_memory_gb;

    if (runner->gpu != NULL) {
        s.gpu = yaml_get(map, "gpu");
        gpu_model_with_article(runner->gpu, s.asked_gpu, sizeof(s.asked_gpu));
    }
    if (n == 0 && gb == 0)
        return s;
    s.least = gpus != NULL ? gpus : yaml_get(muster, "gpu_memory");
    if (gb == 0)
        (void)snprintf(s.asked_least, sizeof(s.asked_least), "%d GPU%s", n, n > 1 ? "s" : "");
    else if (n > 1)
        (void)snprintf(s.asked_least, sizeof(s.asked_least), "%d GPUs with %d GB each", n, gb);
    else
        (void)snprintf(s.asked_least, sizeof(s.asked_least), "a GPU with %d GB", gb);
    return s;
}

/* "a V100", "4 V100 GPUs", "1/6 of an A10". */
static void describe(const struct gpu_type *t, char *out, size_t size)
{
    char name[60];

    gpu_model_with_article(t->gpu, name, sizeof(name));
    if (t->slice > 1)
        (void)snprintf(out, size, "1/%d of %s", t->slice, name);
    else if (t->gpus > 1)
        (void)snprintf(out, size, "%d %s GPUs", t->gpus, strchr(name, ' ') + 1);
    else
        (void)snprintf(out, size, "%s", name);
}

/* --- a type that was named --------------------------------------------------------------------------------------- */

/* Warn when the type has another GPU than gpu says. */
static void compare_model(const struct subject *s, const struct gpu_type *t)
{
    char has[80], name[GPU_MODEL_MAX];

    if (s->gpu == NULL || !gpu_model_normal(s->runner->gpu, name)) /* "nvidia": any will do */
        return;
    describe(t, has, sizeof(has));
    if (!gpu_model_fits(s->runner->gpu, t->gpu))
        cirun_warn(s->r, s->gpu, "gpu-mismatch", "%s has %s, not %s", t->instance_type, has, s->asked_gpu);
    else if (t->slice > 1)
        cirun_warn(s->r, s->gpu, "gpu-mismatch", "%s has only %s, with %d GB", t->instance_type, has, t->gpu_memory_gb);
}

/* Is the known type smaller than muster asks? Then say that it is left out. */
static bool is_too_small(const struct subject *s, const struct gpu_type *t)
{
    int whole = t->slice > 1 ? 0 : t->gpus;
    char has[80];

    if (s->least == NULL)
        return false;
    describe(t, has, sizeof(has));
    if (gpu_model_is_foreign(t->gpu)) {
        cirun_warn(s->r, s->least, "gpu-too-small",
                   "%s is left out: it has %s, and only NVIDIA's can be counted before the runner starts",
                   t->instance_type, has);
        return true;
    }
    if (s->runner->gpus <= whole && s->runner->gpu_memory_gb <= t->gpu_memory_gb)
        return false;
    cirun_warn(s->r, s->least, "gpu-too-small", "%s is left out: it has %s with %d GB%s, and muster asks for %s",
               t->instance_type, has, t->gpu_memory_gb, whole > 1 ? " each" : "", s->asked_least);
    return true;
}

/* The type certainly has no GPU. */
static bool is_bare(const struct subject *s, const char *type)
{
    if (s->gpu != NULL)
        cirun_warn(s->r, s->gpu, "gpu-mismatch", "%.60s has no GPU, but %s is asked for", type, s->asked_gpu);
    if (s->least != NULL)
        cirun_warn(s->r, s->least, "gpu-too-small", "%.60s is left out: it has no GPU, and muster asks for %s", type,
                   s->asked_least);
    return s->least != NULL;
}

/* A machine type to which the GPU is attached. */
static bool is_attached_too_small(const struct subject *s, const char *type)
{
    const char *cloud = s->runner->cloud, *gpu = s->runner->gpu;
    const struct gpu_type *most, *carrier;

    if (s->gpu == NULL) {
        if (s->least != NULL)
            cirun_warn(s->r, s->least, "gpu-too-small",
                       "%.60s is left out: it has a GPU only when gpu names one, and muster asks for %s", type,
                       s->asked_least);
        return s->least != NULL;
    }
    most = gpu_catalog_attached(cloud, gpu, 0, 0);
    carrier = gpu_catalog_smallest(cloud, gpu, 0, 0);
    if (most == NULL && carrier != NULL)
        cirun_warn(s->r, s->gpu, "gpu-mismatch", "%s cannot be attached to %.60s; it comes with types such as %s",
                   s->asked_gpu, type, carrier->instance_type);
    if (s->least == NULL || most == NULL ||
        gpu_catalog_attached(cloud, gpu, s->runner->gpus, s->runner->gpu_memory_gb) != NULL)
        return false;
    cirun_warn(s->r, s->least, "gpu-too-small", "%.60s is left out: %s has %d GB and cannot be attached as %s", type,
               s->asked_gpu, most->gpu_memory_gb, s->asked_least);
    return true;
}

/* Must the candidates of this type go? */
static bool is_left_out(const struct subject *s, const char *type)
{
    const char *cloud = s->runner->cloud;
    const struct gpu_type *t;

    if (type == NULL || (s->gpu == NULL && s->least == NULL))
        return false;
    if (gpu_catalog_takes_attached(cloud, type))
        return is_attached_too_small(s, type);
    t = gpu_catalog_find(cloud, type);
    if (t != NULL) {
        compare_model(s, t);
        return is_too_small(s, t);
    }
    return gpu_catalog_has_none(cloud, type) && is_bare(s, type);
}

/* Drop the candidates that are known to be too small; each type is spoken of once. */
static size_t sift(const struct subject *s, struct cirun_candidate *list, size_t n)
{
    bool out[CIRUN_YML_MAX_CANDIDATES] = {false};
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const char *type = list[i].instance_type;
        size_t first = 0;

        while (first < i &&
               (type == NULL || list[first].instance_type == NULL || strcmp(list[first].instance_type, type) != 0))
            first++;
        out[i] = first < i ? out[first] : is_left_out(s, type);
    }
    for (size_t i = 0; i < n; i++) {
        if (!out[i])
            list[kept++] = list[i];
    }
    return kept;
}

/* --- a type that was not named ----------------------------------------------------------------------------------- */

/* The models of a cloud that one may ask for: "t4, l4, a100". */
static void list_models(const char *cloud, struct buf *out)
{
    for (size_t i = 0; i < gpu_catalog_n; i++) {
        const struct gpu_type *t = &gpu_catalog[i];
        bool again = false;

        if (strcmp(t->cloud, cloud) != 0 || t->age == GPU_RETIRED || gpu_model_is_foreign(t->gpu))
            continue;
        for (size_t k = 0; k < i && !again; k++)
            again = strcmp(gpu_catalog[k].cloud, cloud) == 0 && strcmp(gpu_catalog[k].gpu, t->gpu) == 0;
        if (!again)
            buf_addf(out, "%s%s", out->len > 0 ? ", " : "", t->gpu);
    }
}

static const char *choose_from_catalog(const struct subject *s)
{
    const char *cloud = s->runner->cloud, *gpu = s->runner->gpu;
    const struct gpu_type *t = gpu_catalog_smallest(cloud, gpu, s->runner->gpus, s->runner->gpu_memory_gb);
    AUTO_BUF struct buf models = BUF_INIT(1000);

    if (t != NULL)
        return t->instance_type;
    if (gpu_catalog_smallest(cloud, gpu, 0, 0) != NULL) {
        cirun_fail(s->r, s->gpu, "gpu-unknown",
                   "no instance_type of %s with %s is known that has %s; name the instance_type", cloud, s->asked_gpu,
                   s->asked_least);
        return NULL;
    }
    list_models(cloud, &models);
    cirun_fail(s->r, s->gpu, "gpu-unknown",
               "no instance_type of %s with %s is known; name the instance_type, or one of the GPUs %s", cloud,
               s->asked_gpu, models.p);
    return NULL;
}

/* Vast.ai has offers instead of types: its own way to say how many of which. */
static const char *choose_offer(const struct subject *s)
{
    const char *name = gpu_model_vast(s->runner->gpu, 0);
    char type[GPU_MODEL_MAX + 8];

    if (name == NULL) {
        cirun_fail(s->r, s->gpu, "gpu-unknown",
                   "under which name Vast.ai has %s is not known; name the instance_type, such as 1xRTX_4090",
                   s->asked_gpu);
        return NULL;
    }
    (void)snprintf(type, sizeof(type), "%dx%s", s->runner->gpus > 0 ? s->runner->gpus : 1, name);
    for (char *c = type; *c != '\0'; c++)
        *c = (char)(*c == ' ' ? '_' : *c);
    return arena_strdup(s->r->arena, type);
}

/* NULL after a diagnostic. */
static const char *choose(const struct subject *s)
{
    const char *cloud = s->runner->cloud;

    if (strcmp(cloud, "vast_ai") == 0)
        return choose_offer(s);
    if (gpu_catalog_has_cloud(cloud))
        return choose_from_catalog(s);
    cirun_fail(s->r, s->gpu, "missing-key",
               "instance_type is missing: what GPUs the machines of %s have is not known; name %s", cloud,
               strcmp(cloud, "openstack") == 0 ? "the flavor that has the GPU"
                                               : "one such as 8vcpu-32gb-100gb, and the GPUs in extra_config.gpu");
    return NULL;
}

size_t cirun_gpus(struct cirun_reading *r, const struct yaml_node *map, const struct cirun_runner *runner,
                  struct cirun_candidate *list, size_t n)
{
    struct subject s;
    size_t kept = n;

    if (runner->cloud == NULL)
        return n;
    s = subject_of(r, map, runner);
    if (s.gpu != NULL && gpu_model_is_foreign(runner->gpu)) {
        cirun_fail(r, s.gpu, "gpu-not-nvidia",
                   "%s is not NVIDIA's, and no other GPU can be checked before the runner starts; leave out gpu "
                   "and name the instance_type",
                   s.asked_gpu);
    } else if (s.gpu != NULL && yaml_is_null(yaml_get(map, "instance_type"))) {
        const char *type = choose(&s);

        for (size_t i = 0; i < n; i++)
            list[i].instance_type = type;
    } else {
        kept = sift(&s, list, n);
    }
    if (kept == 0)
        cirun_fail(r, s.least, "nothing-left", "every instance_type is left out: none has what muster asks for, %s",
                   s.asked_least);
    return kept;
}
