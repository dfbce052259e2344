#include "providers/common/oci_shape.h"

#include "providers/common/extra.h"
#include "providers/common/rest.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_OCPUS 512
#define MAX_MEMORY_GB 8192
#define DEFAULT_OCPUS 2
#define DEFAULT_MEMORY_GB 16

static int malformed(const char *type, struct err *e)
{
    return err_set(e, ERR_INVALID,
                   "instance_type \"%.80s\" is not written like VM.GPU.A10.1 or VM.Standard.E4.Flex:4:16 (OCPUs, GB)",
                   type);
}

/* ":4:16" behind a shape's name. */
static int read_size(const char *type, const char *size, struct oci_shape *s, struct err *e)
{
    const char *second = strchr(size + 1, ':');
    char ocpus[16];
    struct err ignored;

    (void)snprintf(ocpus, sizeof(ocpus), "%.*s", second != NULL ? (int)(second - size - 1) : 15, size + 1);
    if (text_i64(ocpus, 1, MAX_OCPUS, &s->ocpus, &ignored) ||
        (second != NULL && text_i64(second + 1, 1, MAX_MEMORY_GB, &s->memory_gb, &ignored)))
        return malformed(type, e);
    return 0;
}

static int read_extra(const json_t *extra, struct oci_shape *s, struct err *e)
{
    bool sized = json_object_get(extra, "ocpus") != NULL || json_object_get(extra, "memory") != NULL;

    if (!sized && s->flexible) {
        s->ocpus = DEFAULT_OCPUS;
        s->memory_gb = DEFAULT_MEMORY_GB;
    }
    if (extra_opt_whole(extra, "ocpus", 1, MAX_OCPUS, &s->ocpus, e) ||
        extra_opt_whole(extra, "memory", 1, MAX_MEMORY_GB, &s->memory_gb, e))
        return -1;
    if (sized && !s->flexible)
        return err_set(e, ERR_INVALID,
                       "extra_config.ocpus and memory: the size of %s is fixed, only .Flex shapes have one", s->name);
    if (s->ocpus == 0 && s->flexible)
        s->ocpus = DEFAULT_OCPUS;
    return 0;
}

int oci_shape_parse(const char *type, const json_t *extra, struct oci_shape *out, struct err *e)
{
    const char *size = strchr(type, ':');
    struct oci_shape s = {.ocpus = 0};
    size_t n = size != NULL ? (size_t)(size - type) : strlen(type);

    if (n >= sizeof(s.name))
        return malformed(type, e);
    (void)snprintf(s.name, sizeof(s.name), "%.*s", (int)n, type);
    if (!rest_is_id(s.name, "._-", sizeof(s.name) - 1) ||
        (!text_has_prefix(s.name, "VM.") && !text_has_prefix(s.name, "BM.")))
        return malformed(type, e);
    s.flexible = text_has_suffix(s.name, ".Flex");
    if (size != NULL && !s.flexible)
        return err_set(e, ERR_INVALID, "instance_type %.80s: the size of %s is fixed, only .Flex shapes have one", type,
                       s.name);
    if ((size != NULL ? read_size(type, size, &s, e) : read_extra(extra, &s, e)) ||
        extra_opt_whole(extra, "bootVolumeSizeInGBs", 50, 32768, &s.boot_gb, e))
        return -1;
    *out = s;
    return 0;
}

const char *oci_shape_arch(const char *instance_type)
{
    const char *ampere = strstr(instance_type, ".Standard.A");
    size_t digits = ampere != NULL ? strspn(ampere + 11, "0123456789") : 0;

    if ((digits > 0 && ampere[11 + digits] == '.') || strstr(instance_type, ".GPU.GB") != NULL)
        return "arm64";
    return "x64";
}
