#include "providers/common/gcp_spec.h"

#include "providers/common/gpu_catalog.h"
#include "providers/common/rest.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define USER_DATA_MAX ((size_t)256 * 1024)
#define DAY_S 86400
#define SHORTEST_S 30 /* https://cloud.google.com/compute/docs/instances/limit-vm-runtime */
#define LONGEST_S (120 * DAY_S)
#define MAX_DISK_GB 65536
#define CLOUD_SCOPE "https://www.googleapis.com/auth/cloud-platform"

const struct label_rule gcp_label_rule = {.more = "-_", .lower = true, .max = 63};

/* ---- names ---- */

static bool begins(const char *type, const char *const *families, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text_has_prefix(type, families[i]))
            return true;
    }
    return false;
}

const char *gcp_arch(const char *instance_type)
{
    static const char *const arm[] = {"t2a-", "c4a-", "n4a-", "a4x-"};

    return begins(instance_type, arm, ARRAY_LEN(arm)) ? "arm64" : "x64";
}

int gcp_zone_check(const char *zone, struct err *e)
{
    size_t n = strlen(zone);

    /* a region ends in its number, a zone in a letter */
    if (rest_is_id(zone, "-", 63) && strchr(zone, '-') != strrchr(zone, '-') && zone[n - 1] >= 'a' &&
        zone[n - 1] <= 'z')
        return 0;
    return err_set(e, ERR_INVALID, "region \"%.40s\" is not a zone of Google Cloud: write it like us-central1-a", zone);
}

/* Lower-case letters, digits and hyphens, a letter first, no hyphen last. */
static bool is_plain_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(s[i] >= 'a' && s[i] <= 'z') && (i == 0 || !((s[i] >= '0' && s[i] <= '9') || s[i] == '-')))
            return false;
    }
    return n > 0 && s[n - 1] != '-';
}

/* "example.com": labels between dots, at least two. */
static bool is_domain(const char *s, size_t n)
{
    size_t begin = 0, labels = 0;

    for (size_t i = 0; i <= n; i++) {
        if (i < n && s[i] != '.')
            continue;
        if (!is_plain_name(s + begin, i - begin))
            return false;
        begin = i + 1;
        labels++;
    }
    return labels > 1;
}

/* "my-project-123456", and the old form "example.com:my-project". */
int gcp_project_check(const char *project, struct err *e)
{
    const char *colon = strchr(project, ':'), *id = colon != NULL ? colon + 1 : project;

    if (strlen(project) <= 63 && is_plain_name(id, strlen(id)) &&
        (colon == NULL || is_domain(project, (size_t)(colon - project))))
        return 0;
    return err_set(e, ERR_INVALID, "project \"%.40s\" is not the id of a project: write it like my-project-123456",
                   project);
}

int gcp_network_check(const char *network, struct err *e)
{
    if (rest_is_id(network, "-", 63) || (rest_is_id(network, "-:./", 300) && (text_glob("*networks/?*", network))))
        return 0;
    return err_set(e, ERR_INVALID,
                   "network \"%.80s\" is neither a network's name nor a path: write default, or "
                   "projects/P/regions/R/subnetworks/S",
                   network);
}

int gcp_project_of(const struct machine_spec *s, const char **out, struct err *e)
{
    const char *project = NULL;

    if (s->extra != NULL && js_opt_str(s->extra, "project_id", &project, e))
        return err_wrap(e, "extra_config");
    if (project != NULL && gcp_project_check(project, e))
        return err_wrap(e, "extra_config.project_id");
    *out = project;
    return 0;
}

int gcp_spec_check(const struct machine_spec *s, struct err *e)
{
    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: name a machine type such as n1-standard-4");
    if (!rest_is_id(s->instance_type, "-", 63))
        return err_set(e, ERR_INVALID, "instance_type \"%.40s\" is not a machine type: write it like n1-standard-4",
                       s->instance_type);
    if (s->region != NULL && gcp_zone_check(s->region, e))
        return -1;
    if (s->image == NULL)
        return err_set(
            e, ERR_INVALID,
            "machine_image is missing: name an image such as ubuntu2404 or projects/P/global/images/family/F");
    return 0;
}

int gcp_facts_make(const struct gcp_place *at, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    const char *last = strrchr(at->zone, '-');
    struct gcp_image image;

    memset(out, 0, sizeof(*out));
    if (gcp_image_find(s->image, at->project, gcp_arch(s->instance_type), &image, e) ||
        gcp_image_spellings(s->image, at->project, gcp_arch(s->instance_type), &out->image, e) ||
        fact_add(&out->type, e, "%s", s->instance_type))
        return -1;
    if (image.machine)
        out->rights = "a machine image brings service accounts, networks and disks of its own";
    if (at->zone[0] == '<' || last == NULL)
        return 0;
    return fact_add(&out->region, e, "%s", at->zone) ||
                   fact_add(&out->region, e, "%.*s", (int)(last - at->zone), at->zone)
               ? -1
               : 0;
}

/* ---- the graphics card ---- */

/* Is the GPU part of the machine type? Families that the catalogue does not know yet, too. */
static bool carries_gpu(const char *type)
{
    static const char *const families[] = {"a2-", "a3-", "a4-", "a4x-", "g2-", "g4-"};

    return gpu_catalog_find("gcp", type) != NULL || begins(type, families, ARRAY_LEN(families));
}

static int refuse_gpu(const struct machine_spec *s, struct err *e)
{
    const struct gpu_type *most = gpu_catalog_attached("gcp", s->gpu, 0, 0);
    const struct gpu_type *carrier = gpu_catalog_smallest("gcp", s->gpu, s->gpus, s->gpu_memory_gb);

    if (most != NULL && carrier == NULL)
        return err_set(e, ERR_INVALID, "gpu %.40s: Google Cloud has no machine with %d of them that have %d GB each",
                       s->gpu, s->gpus > 0 ? s->gpus : 1,
                       s->gpu_memory_gb > 0 ? s->gpu_memory_gb : most->gpu_memory_gb);
    if (carrier != NULL)
        return err_set(e, ERR_INVALID, "gpu %.40s cannot be attached to %.60s: take a type such as %s", s->gpu,
                       s->instance_type, carrier->instance_type);
    return err_set(e, ERR_INVALID,
                   "gpu \"%.40s\" is none that Google Cloud attaches to a machine: t4, v100, p100, p4, or a name like "
                   "nvidia-tesla-t4",
                   s->gpu);
}

/* What to attach, and how many. */
static int choose_gpu(const struct machine_spec *s, const char **type, int *n, struct err *e)
{
    const struct gpu_type *row = gpu_catalog_attached("gcp", s->gpu, s->gpus, s->gpu_memory_gb);

    if (!gpu_catalog_takes_attached("gcp", s->instance_type))
        return refuse_gpu(s, e);
    *n = s->gpus > 0 ? s->gpus : 1;
    if (row != NULL) {
        *type = gpu_model_gcp(row->gpu);
        *n = row->gpus;
    } else if (text_has_prefix(s->gpu, "nvidia-") && rest_is_id(s->gpu, "-", 63) &&
               gpu_catalog_smallest("gcp", s->gpu, 0, 0) == NULL) {
        *type = s->gpu; /* one that the catalogue does not know */
    } else {
        return refuse_gpu(s, e);
    }
    return 0;
}

static int add_gpu(const struct gcp_place *at, const struct machine_spec *s, json_t *body, struct err *e)
{
    const char *type = NULL;
    char path[400];
    AUTO_JSON json_t *list = NULL;
    int n = 1;

    if (s->gpu == NULL || carries_gpu(s->instance_type))
        return 0;
    if (choose_gpu(s, &type, &n, e))
        return -1;
    (void)snprintf(path, sizeof(path), "projects/%s/zones/%s/acceleratorTypes/%s", at->project, at->zone, type);
    if (js_pack(e, &list, "[{s:s, s:i}]", "acceleratorType", path, "acceleratorCount", n))
        return -1;
    (void)json_object_set(body, "guestAccelerators", list);
    return 0;
}

/* ---- disks ---- */

/* A size in GB, a number or its text, as the text that 64-bit numbers are in JSON; "" = not said. */
static int read_size(const json_t *disk, const char *what, char out[24], struct err *e)
{
    const json_t *size = json_object_get(disk, "diskSizeGb");
    int64_t gb = 0;
    struct err ignored;

    out[0] = '\0';
    if (size == NULL || json_is_null(size))
        return 0;
    if (json_is_integer(size))
        gb = json_integer_value(size);
    else if (!json_is_string(size) || text_i64(json_string_value(size), 1, MAX_DISK_GB, &gb, &ignored))
        gb = 0;
    if (gb < 1 || gb > MAX_DISK_GB)
        return err_set(e, ERR_INVALID, "extra_config.%s.diskSizeGb: expected 1 to %d", what, MAX_DISK_GB);
    (void)snprintf(out, 24, "%lld", (long long)gb);
    return 0;
}

/* Google's own default, pd-standard, is refused by most families, and the newer ones take no persistent disk at all
 * ("pd-balanced disk type cannot be used by c4-standard-8 machine type"). */
static const char *usual_type(const char *machine_type)
{
    static const char *const newer[] = {"c4-", "c4a-", "c4d-", "n4-",  "n4a-", "n4d-",       "x4-",
                                        "m4-", "h4d-", "a4-",  "a4x-", "g4-",  "a3-ultragpu"};

    return begins(machine_type, newer, ARRAY_LEN(newer)) ? "hyperdisk-balanced" : "pd-balanced";
}

/* The path of its type. */
static int read_type(const struct gcp_place *at, const struct machine_spec *s, const json_t *disk, const char *what,
                     char out[200], struct err *e)
{
    const char *type = usual_type(s->instance_type);

    if (disk != NULL && js_opt_str(disk, "diskType", &type, e))
        return err_wrap(e, "extra_config.%s", what);
    if (!rest_is_id(type, "-", 63))
        return err_set(e, ERR_INVALID, "extra_config.%s.diskType \"%.40s\" is no type of disk: write it like pd-ssd",
                       what, type);
    (void)snprintf(out, 200, "zones/%s/diskTypes/%s", at->zone, type);
    return 0;
}

/* One that is made with the machine and goes with it. image NULL = an empty one. */
static int add_new_disk(const struct gcp_place *at, const struct machine_spec *s, const json_t *disk, const char *what,
                        const char *image, json_t *labels, json_t *list, struct err *e)
{
    char size[24], type[200];
    AUTO_JSON json_t *one = NULL;

    if (disk != NULL && !json_is_object(disk))
        return err_set(e, ERR_INVALID, "extra_config.%s: expected diskSizeGb and diskType", what);
    if (read_size(disk, what, size, e) || read_type(at, s, disk, what, type, e))
        return -1;
    if (image == NULL && size[0] == '\0')
        return err_set(e, ERR_INVALID, "extra_config.%s.diskSizeGb is missing", what);
    if (js_pack(e, &one, "{s:b, s:b, s:{s:s*, s:s*, s:s, s:O}}", "boot", image != NULL, "autoDelete", 1,
                "initializeParams", "sourceImage", image, "diskSizeGb", size[0] != '\0' ? size : NULL, "diskType", type,
                "labels", labels))
        return -1;
    (void)json_array_append(list, one);
    return 0;
}

/* One that was there before and stays: a path, or the name of a disk of the zone. */
static int add_existing_disk(const struct gcp_place *at, const json_t *disk, json_t *list, struct err *e)
{
    static const char what[] = "existingDisk";
    const char *source = NULL, *device = NULL, *mode = NULL, *type = NULL, *interface = NULL;
    char size[24], path[400];
    AUTO_JSON json_t *one = NULL;

    if (!json_is_object(disk))
        return err_set(e, ERR_INVALID, "extra_config.%s: expected source, deviceName, mode", what);
    if (js_str(disk, "source", &source, e) || js_opt_str(disk, "deviceName", &device, e) ||
        js_opt_str(disk, "mode", &mode, e) || js_opt_str(disk, "type", &type, e) ||
        js_opt_str(disk, "interface", &interface, e))
        return err_wrap(e, "extra_config.%s", what);
    if (read_size(disk, what, size, e))
        return -1;
    if (rest_is_id(source, "-", 63))
        (void)snprintf(path, sizeof(path), "projects/%s/zones/%s/disks/%s", at->project, at->zone, source);
    else
        (void)snprintf(path, sizeof(path), "%.399s", source);
    if (js_pack(e, &one, "{s:b, s:b, s:s, s:s*, s:s*, s:s*, s:s*, s:s*}", "boot", 0, "autoDelete", 0, "source", path,
                "deviceName", device, "mode", mode, "type", type, "interface", interface, "diskSizeGb",
                size[0] != '\0' ? size : NULL))
        return err_wrap(e, "extra_config.%s", what);
    (void)json_array_append(list, one);
    return 0;
}

/* The i-th of what may be one mapping or a list of them; NULL = no more. */
static const json_t *nth(const json_t *one_or_list, size_t i)
{
    if (json_is_array(one_or_list))
        return json_array_get(one_or_list, i);
    return i == 0 && !json_is_null(one_or_list) ? one_or_list : NULL;
}

static int add_disks(const struct gcp_place *at, const struct machine_spec *s, const struct gcp_image *image,
                     json_t *labels, json_t *body, struct err *e)
{
    const json_t *base = json_object_get(s->extra, "baseDisk"), *more = json_object_get(s->extra, "additionalDisk");
    const json_t *old = json_object_get(s->extra, "existingDisk"), *one;
    AUTO_JSON json_t *list = json_array();

    if (image->machine && (base != NULL || more != NULL || old != NULL))
        return err_set(e, ERR_INVALID,
                       "a machine image brings its own disks: remove baseDisk, additionalDisk and existingDisk from "
                       "extra_config, or name an image");
    if (image->machine)
        return 0;
    if (add_new_disk(at, s, base, "baseDisk", image->path, labels, list, e))
        return -1;
    for (size_t i = 0; (one = nth(more, i)) != NULL; i++) {
        if (add_new_disk(at, s, one, "additionalDisk", NULL, labels, list, e))
            return -1;
    }
    for (size_t i = 0; (one = nth(old, i)) != NULL; i++) {
        if (add_existing_disk(at, one, list, e))
            return -1;
    }
    (void)json_object_set(body, "disks", list);
    return 0;
}

/* ---- network and identity ---- */

/* A list of mappings that is passed on as it is; *out NULL = not said. */
static int read_list(const struct machine_spec *s, const char *key, json_t **out, struct err *e)
{
    json_t *list = NULL, *one;
    size_t i;

    if (s->extra != NULL && js_opt_arr(s->extra, key, &list, e))
        return err_wrap(e, "extra_config");
    json_array_foreach(list, i, one)
    {
        if (!json_is_object(one))
            return err_set(e, ERR_INVALID, "extra_config.%s: expected a list of mappings", key);
    }
    *out = list;
    return 0;
}

/* Without an address of its own a machine would need a gateway to reach GitHub. */
static int add_network(const struct gcp_place *at, const struct machine_spec *s, json_t *body, struct err *e)
{
    const char *name = at->network != NULL ? at->network : "default";
    json_t *asked = NULL;
    AUTO_JSON json_t *list = NULL;
    char path[400];

    if (read_list(s, "networkInterfaces", &asked, e))
        return -1;
    if (json_array_size(asked) > 0) {
        (void)json_object_set(body, "networkInterfaces", asked);
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s%s", strchr(name, '/') != NULL ? "" : "global/networks/", name);
    if (js_pack(e, &list, "[{s:s, s:[{s:s, s:s}]}]", strstr(path, "subnetworks/") != NULL ? "subnetwork" : "network",
                path, "accessConfigs", "type", "ONE_TO_ONE_NAT", "name", "External NAT"))
        return -1;
    (void)json_object_set(body, "networkInterfaces", list);
    return 0;
}

/* A machine has no identity unless one is asked for. */
static int add_accounts(const struct machine_spec *s, json_t *body, struct err *e)
{
    AUTO_JSON json_t *copy = NULL;
    json_t *asked = NULL, *one;
    const char *email;
    size_t i;

    if (read_list(s, "serviceAccounts", &asked, e))
        return -1;
    if (json_array_size(asked) == 0)
        return 0;
    copy = json_deep_copy(asked);
    json_array_foreach(copy, i, one)
    {
        if (js_str(one, "email", &email, e))
            return err_wrap(e, "extra_config.serviceAccounts");
        if (json_object_get(one, "scopes") == NULL)
            (void)json_object_set_new(one, "scopes", json_pack("[s]", CLOUD_SCOPE));
    }
    (void)json_object_set(body, "serviceAccounts", copy);
    return 0;
}

static int add_nesting(const struct machine_spec *s, json_t *body, struct err *e)
{
    bool nested = false;

    if (s->extra != NULL && js_opt_bool(s->extra, "enableNestedVirtualization", &nested, e))
        return err_wrap(e, "extra_config");
    if (nested)
        (void)json_object_set_new(body, "advancedMachineFeatures", json_pack("{s:b}", "enableNestedVirtualization", 1));
    return 0;
}

/* ---- the rest ---- */

static json_t *make_labels(const struct launch_request *r)
{
    json_t *labels = json_object();
    char key[LABEL_SIZE], value[LABEL_SIZE];

    for (size_t i = 0; i < r->n_tags; i++) {
        label_make(&gcp_label_rule, r->tags[i].key, key);
        label_make(&gcp_label_rule, r->tags[i].value, value);
        (void)json_object_set_new(labels, key, json_string(value));
    }
    return labels;
}

static int add_schedule(const struct launch_request *r, json_t *body, struct err *e)
{
    const struct machine_spec *s = r->spec;
    bool fixed = s->spot || s->gpu != NULL || carries_gpu(s->instance_type);
    int64_t life_s = r->lifetime_s > 0 ? r->lifetime_s : DAY_S;
    AUTO_JSON json_t *schedule = NULL;
    char seconds[24];

    life_s = life_s < SHORTEST_S ? SHORTEST_S : life_s > LONGEST_S ? LONGEST_S : life_s;
    (void)snprintf(seconds, sizeof(seconds), "%lld", (long long)life_s);
    if (js_pack(e, &schedule, "{s:s, s:s, s:b, s:s*, s:{s:s}}", "provisioningModel", s->spot ? "SPOT" : "STANDARD",
                "instanceTerminationAction", "DELETE", "automaticRestart", 0, "onHostMaintenance",
                fixed ? "TERMINATE" : NULL, "maxRunDuration", "seconds", seconds))
        return -1;
    (void)json_object_set(body, "scheduling", schedule);
    return 0;
}

/* Google's own agent runs it, on every image of Google's. */
static int add_script(const struct launch_request *r, json_t *body, struct err *e)
{
    bool windows = r->spec->os != NULL && strcmp(r->spec->os, "windows") == 0;
    AUTO(buf_wipe) struct buf script = BUF_INIT(USER_DATA_MAX + 1);
    AUTO_JSON json_t *metadata = NULL;

    if (spec_pulls(r->spec))
        return 0; /* the image brings its own, or a project does */
    rest_user_data(r->user_data, &script);
    if (js_pack(e, &metadata, "{s:[{s:s, s:s}]}", "items", "key",
                windows ? "windows-startup-script-ps1" : "startup-script", "value", script.p != NULL ? script.p : ""))
        return -1;
    (void)json_object_set(body, "metadata", metadata);
    return 0;
}

int gcp_body(const struct gcp_place *at, const struct launch_request *r, struct gcp_image *image, json_t **out,
             struct err *e)
{
    const struct machine_spec *s = r->spec;
    AUTO_JSON json_t *body = NULL, *labels = make_labels(r);
    char type[200];

    if (gcp_image_find(s->image, at->project, gcp_arch(s->instance_type), image, e))
        return -1;
    (void)snprintf(type, sizeof(type), "zones/%s/machineTypes/%s", at->zone, s->instance_type);
    if (js_pack(e, &body, "{s:s, s:s, s:O}", "name", r->name, "machineType", type, "labels", labels) ||
        add_disks(at, s, image, labels, body, e) || add_network(at, s, body, e) || add_gpu(at, s, body, e) ||
        add_schedule(r, body, e) || add_accounts(s, body, e) || add_nesting(s, body, e) || add_script(r, body, e))
        return -1;
    *out = json_incref(body);
    return 0;
}
