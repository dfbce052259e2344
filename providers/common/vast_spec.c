#include "providers/common/vast_spec.h"

#include "providers/common/ini.h"
#include "providers/common/rest.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define DISK_GB 30
#define START_MAX ((size_t)64 * 1024)

/* How a container ends: it asks for its own destruction with the key that Vast.ai gives each one for just that. The
 * bootstrap runs this before it kills its processes; without curl, or should it fail, the daemon destroys it. */
static const char own_end[] =
    "MUSTER_POWEROFF='[ -z \"$CONTAINER_ID\" ] || for i in 1 2 3 4 5; do printf \"header = \\\"Authorization: Bearer "
    "%s\\\"\\n\" \"$CONTAINER_API_KEY\" | curl -fsS -m 30 -o /dev/null -X DELETE -K - "
    "\"$MUSTER_VAST_URL/api/v0/instances/$CONTAINER_ID/\" && break; sleep 5; done'\n";

/* ---- .cirun.yml's words ---- */

static bool same_name(const char *a, const char *b)
{
    return text_ieq(a, b);
}

/* The names that offers may have: just the one that was written if it is one of Vast.ai's, all of the model's if it is
 * a generic one ("A100"), else what was written. */
static void read_names(const char *written, struct vast_spec *s)
{
    const char *name;

    s->n_names = 0;
    for (size_t i = 0; s->n_names < VAST_NAMES && (name = gpu_model_vast(written, i)) != NULL; i++) {
        if (same_name(name, written))
            s->n_names = 0;
        (void)snprintf(s->names[s->n_names++], GPU_MODEL_MAX, "%s", name);
        if (same_name(name, written))
            return;
    }
    if (s->n_names == 0)
        (void)snprintf(s->names[s->n_names++], GPU_MODEL_MAX, "%s", written);
}

static int read_type(const struct vast_asked *a, struct vast_spec *s, struct err *e)
{
    char written[GPU_MODEL_MAX];

    if (a->type == NULL)
        return err_set(e, ERR_INVALID,
                       "instance_type is missing: name count and model of the GPUs, such as 1xRTX_4090");
    if (gpu_vast_type(a->type, &s->gpus, written, e))
        return -1;
    if (!text_utf8_valid(written, strlen(written)))
        return err_set(e, ERR_INVALID, "instance_type is no text");
    if (a->gpus > s->gpus)
        return err_set(e, ERR_INVALID, "instance_type %.60s has %d GPU%s, and %d are asked for", a->type, s->gpus,
                       s->gpus > 1 ? "s" : "", a->gpus);
    read_names(written, s);
    /* a driver shows up to 8 % less than the box says */
    s->gpu_memory_mb = a->gpu_memory_gb * 942;
    return 0;
}

/* Names that are the same on every cloud. */
static const struct {
    const char *alias, *image;
} images[] = {{"ubuntu2004", "ubuntu:20.04"},
              {"ubuntu2204", "ubuntu:22.04"},
              {"ubuntu2404", "ubuntu:24.04"},
              {"debian12", "debian:12"},
              {"ubuntu2204-gpu", "nvidia/cuda:12.4.1-base-ubuntu22.04"},
              {"ubuntu2404-gpu", "nvidia/cuda:12.6.3-base-ubuntu24.04"}};

static bool is_kvm_image(const char *image)
{
    return text_has_prefix(image, "vastai/kvm:") || text_has_prefix(image, "docker.io/vastai/kvm:");
}

static int read_image(const struct vast_asked *a, struct vast_spec *s, struct err *e)
{
    const char *image = a->image;

    if (image == NULL)
        return err_set(e, ERR_INVALID,
                       "machine_image is missing: name a Docker image, such as nvidia/cuda:12.4.1-base-ubuntu22.04");
    if (!rest_is_id(image, "-_./:@", sizeof(s->image) - 1) || strchr("-./:@_", *image) != NULL)
        return err_set(e, ERR_INVALID, "machine_image \"%.60s\" is not the name of a Docker image", image);
    for (size_t i = 0; i < ARRAY_LEN(images) && !s->vm; i++) {
        if (strcmp(images[i].alias, a->image) == 0)
            image = images[i].image;
    }
    if (s->vm && !is_kvm_image(image))
        return err_set(e, ERR_INVALID,
                       "machine_image \"%.60s\" is no VM's image: with vm: true name one of vastai/kvm with its dated "
                       "tag, such as vastai/kvm:ubuntu_cli_22.04-2025-11-21",
                       image);
    if (!s->vm && is_kvm_image(image))
        return err_set(e, ERR_INVALID, "machine_image \"%.60s\" is a VM's: set extra_config.vm: true", image);
    (void)snprintf(s->image, sizeof(s->image), "%s", image);
    return 0;
}

static int read_region(const char *region, struct vast_spec *s, struct err *e)
{
    char upper[3] = "";

    if (region == NULL)
        return 0;
    for (size_t i = 0; i < 2 && region[i] != '\0'; i++)
        upper[i] = (char)(region[i] >= 'a' && region[i] <= 'z' ? region[i] - 'a' + 'A' : region[i]);
    vast_country(strlen(region) == 2 ? upper : "", s->country);
    if (s->country[0] == '\0')
        return err_set(e, ERR_INVALID, "region \"%.40s\" is no country: write two letters, such as US", region);
    return 0;
}

/* A whole number of extra_config, as a number or as text. */
static int read_number(const json_t *extra, const char *key, int max, int *out, struct err *e)
{
    const json_t *v = json_object_get(extra, key);
    int64_t n = json_integer_value(v);
    struct err ignored;

    if (v == NULL || json_is_null(v))
        return 0;
    if (json_is_string(v) && text_i64(json_string_value(v), 1, max, &n, &ignored))
        n = 0;
    if (n < 1 || n > max)
        return err_set(e, ERR_INVALID, "extra_config.%s must be a whole number of GB from 1 to %d", key, max);
    *out = (int)n;
    return 0;
}

static int read_flag(const json_t *extra, const char *key, bool *out, struct err *e)
{
    const json_t *v = json_object_get(extra, key);

    if (v == NULL || json_is_null(v))
        return 0;
    if (json_is_boolean(v))
        *out = json_is_true(v);
    else if (!json_is_string(v) || text_bool(json_string_value(v), out, e))
        return err_set(e, ERR_INVALID, "extra_config.%s must be true or false", key);
    return 0;
}

int vast_spec_read(const struct vast_asked *a, struct vast_spec *out, struct err *e)
{
    struct vast_spec s = {.disk_gb = DISK_GB, .spot = a->spot};
    int ram_gb = 0;

    if (a->os != NULL && strcmp(a->os, "linux") != 0)
        return err_set(e, ERR_INVALID, "machine_image: Vast.ai's machines run Linux only, not %.20s", a->os);
    if (read_type(a, &s, e) || read_region(a->region, &s, e) || read_flag(a->extra, "vm", &s.vm, e) ||
        read_number(a->extra, "disk_space", 100000, &s.disk_gb, e) ||
        read_number(a->extra, "min_ram", 100000, &ram_gb, e) || read_image(a, &s, e))
        return -1;
    s.ram_mb = ram_gb * 1000;
    *out = s;
    return 0;
}

void vast_type_of(const struct vast_spec *s, char out[GPU_MODEL_MAX + 8])
{
    out[0] = '\0';
    if (s->n_names != 1)
        return;
    (void)snprintf(out, GPU_MODEL_MAX + 8, "%dx%s", s->gpus, s->names[0]);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == ' ' ? '_' : *c;
}

/* ---- the search ---- */

static json_t *at_least(int64_t n)
{
    return n > 0 ? json_pack("{s:I}", "gte", (json_int_t)n) : NULL;
}

int vast_search(const struct vast_spec *s, int64_t lifetime_s, json_t **out, struct err *e)
{
    json_t *names = json_array();

    for (size_t i = 0; i < s->n_names; i++)
        (void)json_array_append_new(names, json_string(s->names[i]));
    /* "type": the ordinary kind is the default, and its name differs between Vast.ai's own client and description */
    return js_pack(e, out,
                   "{s:{s:b}, s:{s:b}, s:{s:b}, s:{s:b}, s:{s:o}, s:{s:i}, s:{s:f}, s:{s:s}, s:{s:i}, s:i, s:o*, "
                   "s:o*, s:o*, s:o*, s:o*, s:s*, s:[[s,s],[s,s]], s:i}",
                   "verified", "eq", 1, "external", "eq", 0, "rentable", "eq", 1, "rented", "eq", 0, "gpu_name", "in",
                   names, "num_gpus", "eq", s->gpus, "reliability", "gte", 0.98, "cpu_arch", "eq", "amd64",
                   "disk_space", "gte", s->disk_gb, "allocated_storage", s->disk_gb, "gpu_ram",
                   at_least(s->gpu_memory_mb), "cpu_ram", at_least(s->ram_mb), "duration", at_least(lifetime_s),
                   "geolocation", s->country[0] != '\0' ? json_pack("{s:[s]}", "in", s->country) : NULL, "vms_enabled",
                   s->vm ? json_pack("{s:b}", "eq", 1) : NULL, "type", s->spot ? "bid" : NULL, "order", "dph_total",
                   "asc", "reliability", "desc", "limit", 20);
}

/* ---- the rental ---- */

static int start_container(const char *api, const struct secret *user_data, json_t **out, struct err *e)
{
    AUTO(buf_wipe) struct buf script = BUF_INIT(START_MAX), command = BUF_INIT(START_MAX);
    const char *text = "***";

    if (user_data != NULL) {
        buf_addf(&script, "#!/bin/bash\nMUSTER_CONTAINER=1\nexport MUSTER_VAST_URL='%s'\n%s", api, own_end);
        rest_user_data(user_data, &script);
        if (buf_str(&script, &text, e))
            return err_wrap(e, "user-data");
        /* base64 passes through whatever quotes arguments on the way; the file is read before anything else runs */
        buf_adds(&command, "exec bash <(echo ");
        text_base64(&command, script.p, script.len);
        buf_adds(&command, " | base64 -d)");
        if (buf_str(&command, &text, e))
            return err_wrap(e, "user-data");
    }
    return js_pack(e, out, "{s:s, s:[s, s, s]}", "runtype", "args", "args", "bash", "-c", text);
}

int vast_start(const struct vast_spec *s, const char *api, const struct secret *user_data, json_t **out, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(START_MAX);
    const char *script;

    if (!s->vm)
        return start_container(api, user_data, out, e);
    rest_user_data(user_data, &text);
    if (buf_str(&text, &script, e))
        return err_wrap(e, "user-data");
    return js_pack(e, out, "{s:b, s:s, s:s}", "vm", 1, "runtype", "ssh", "onstart", script);
}

/* ---- offers ---- */

int vast_bid(const json_t *offer, json_t **out, struct err *e)
{
    double least = json_number_value(json_object_get(offer, "min_bid"));
    int64_t thousandths = (int64_t)(least * 1100) + 1;

    if (least <= 0 || least > 100)
        return err_set(e, ERR_RETRY, "min_bid: not a price that can be bid");
    *out = json_real((double)thousandths / 1000);
    return 0;
}

int vast_offer_price(const json_t *offer, bool spot, double *usd, struct err *e)
{
    AUTO_JSON json_t *bid = NULL;
    const json_t *price = json_object_get(offer, "dph_total");

    if (spot && offer != NULL && vast_bid(offer, &bid, e))
        return -1;
    price = bid != NULL ? bid : price;
    *usd = json_is_number(price) ? json_number_value(price) : -1;
    return 0;
}

bool vast_offer_is_above(const json_t *offer, bool spot, double most, struct err *e)
{
    struct err ignored;
    double usd;

    if (most <= 0 || (vast_offer_price(offer, spot, &usd, &ignored) == 0 && usd >= 0 && usd <= most))
        return false;
    return err_set(e, ERR_CAPACITY, "vast_ai bundles.search: what is left costs more than %.4g USD an hour", most) != 0;
}

void vast_country(const char *place, char *out)
{
    size_t n = strlen(place);
    const char *last = n >= 2 ? place + n - 2 : place;
    bool alone = n == 2 || (n > 2 && (last[-1] == ' ' || last[-1] == ','));

    out[0] = '\0';
    if (alone && last[0] >= 'A' && last[0] <= 'Z' && last[1] >= 'A' && last[1] <= 'Z')
        (void)snprintf(out, 3, "%s", last);
}

/* ---- the key that the vastai command saved ---- */

static int read_key(const char *path, struct secret **out, struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(4096);
    struct err cause;
    size_t n;

    if (ini_read_file(path, &text, &cause)) {
        *e = cause;
        return cause.kind == ERR_GONE ? 0 : -1;
    }
    n = text.p != NULL ? strcspn(text.p, " \t\r\n") : 0;
    if (n == 0 || text.p[n + strspn(text.p + n, " \t\r\n")] != '\0')
        return err_set(e, ERR_INVALID, "%s: holds no API key", path);
    *out = secret_new(text.p, n);
    return 0;
}

int vast_saved_key(conf_getenv_fn *getenv_fn, void *arg, struct secret **out, struct err *e)
{
    const char *xdg = getenv_fn(arg, "XDG_CONFIG_HOME"), *home = getenv_fn(arg, "HOME");
    char path[4096];

    if (home == NULL || *home != '/')
        return 0;
    if (xdg != NULL && *xdg == '/')
        (void)snprintf(path, sizeof(path), "%s/vastai/vast_api_key", xdg);
    else
        (void)snprintf(path, sizeof(path), "%s/.config/vastai/vast_api_key", home);
    if (read_key(path, out, e))
        return -1;
    if (*out != NULL)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/.vast_api_key", home);
    return read_key(path, out, e);
}
