#include "providers/common/azure_image.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEEP_MS ((int64_t)60 * 60 * 1000)
#define GALLERY_API "2024-03-03"
#define PARTS 4

/* Publishers' own names, newest version. A NULL sku: not published for that architecture. The -gpu images carry the
 * driver: https://learn.microsoft.com/en-us/azure/virtual-machines/azure-hpc-vm-images */
static const struct alias {
    const char *name, *offer, *x64, *arm64; /* offer: "publisher:offer" */
} aliases[] = {
    {"ubuntu2004", "Canonical:0001-com-ubuntu-server-focal", "20_04-lts-gen2", "20_04-lts-arm64"},
    {"ubuntu2204", "Canonical:0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "22_04-lts-arm64"},
    {"ubuntu2404", "Canonical:ubuntu-24_04-lts", "server", "server-arm64"},
    {"debian12", "Debian:debian-12", "12-gen2", "12-arm64"},
    {"windows2022", "MicrosoftWindowsServer:WindowsServer", "2022-datacenter-g2", NULL},
    {"ubuntu2204-gpu", "microsoft-dsvm:ubuntu-hpc", "2204", NULL},
};

enum form { ALIAS, MARKETPLACE, MANAGED, GALLERY, COMMUNITY, SHARED };

struct source {
    enum form form;
    char parts[PARTS][128]; /* MARKETPLACE: publisher, offer, sku, version; COMMUNITY, SHARED: gallery, image */
    char definition[520];   /* GALLERY: the id without its version */
};

const char *azure_size_arch(const char *size)
{
    const char *number = strpbrk(size, "0123456789"), *letters;

    if (strstr(size, "_GB") != NULL || strstr(size, "_GH") != NULL)
        return "arm64"; /* the GPU's own Grace processor */
    if (number == NULL)
        return "x64";
    letters = number + strspn(number, "0123456789-");
    return memchr(letters, 'p', strcspn(letters, "_")) != NULL ? "arm64" : "x64";
}

static const struct alias *alias_of(const char *image)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].name, image) == 0)
            return &aliases[i];
    }
    return NULL;
}

/* "a:b:c:d" */
static bool split_urn(const char *image, char parts[PARTS][128])
{
    for (size_t i = 0; i < PARTS; i++) {
        size_t n = strcspn(image, ":");

        if (n == 0 || n >= sizeof(parts[0]) || (image[n] == ':') != (i < PARTS - 1))
            return false;
        (void)snprintf(parts[i], sizeof(parts[i]), "%.*s", (int)n, image);
        if (!rest_is_id(parts[i], "-_.", sizeof(parts[0])) || strspn(parts[i], ".") == n)
            return false;
        image += n + 1;
    }
    return true;
}

/* "/communityGalleries/G/images/N[/versions/V]": G and N. */
static bool split_public(const char *image, const char *head, char parts[PARTS][128])
{
    static const char images[] = "/images/";
    const char *gallery = image + strlen(head), *name;
    size_t n = strcspn(gallery, "/");

    if (strncasecmp(image, head, strlen(head)) != 0 || n == 0 || n >= sizeof(parts[0]) ||
        strncasecmp(gallery + n, images, strlen(images)) != 0)
        return false;
    (void)snprintf(parts[0], sizeof(parts[0]), "%.*s", (int)n, gallery);
    name = gallery + n + strlen(images);
    n = strcspn(name, "/");
    if (n == 0 || n >= sizeof(parts[1]))
        return false;
    (void)snprintf(parts[1], sizeof(parts[1]), "%.*s", (int)n, name);
    return true;
}

/* The next segment of a path is `name` without case ("*" = any name, but none of dots alone); *path goes behind it. */
static bool segment_is(const char **path, const char *name, size_t len)
{
    const char *s = *path + (**path == '/' ? 1 : 0);
    size_t n = strcspn(s, "/");

    if (s == *path || n == 0 || strspn(s, ".") >= n || (*name != '*' && (n != len || strncasecmp(s, name, n) != 0)))
        return false;
    *path = s + n;
    return true;
}

/* Is it written like this: "/subscriptions/<any>/...", segment by segment? A version may stand behind it. */
static bool path_is(const char *path, const char *form, bool versioned)
{
    static const char version[] = "/versions/*";

    for (const char *f = form; *f != '\0';) {
        size_t n = strcspn(f + 1, "/");

        if (!segment_is(&path, f + 1, n))
            return false;
        f += n + 1;
    }
    return *path == '\0' || (versioned && path_is(path, version, false));
}

static bool read_path(const char *image, struct source *out)
{
    static const char managed[] = "/subscriptions/*/resourceGroups/*/providers/Microsoft.Compute/images/*";
    static const char gallery[] = "/subscriptions/*/resourceGroups/*/providers/Microsoft.Compute/galleries/*/images/*";
    static const char community[] = "/communityGalleries/*/images/*", shared[] = "/sharedGalleries/*/images/*";
    const char *version = strcasestr(image, "/versions/");
    size_t n = version != NULL ? (size_t)(version - image) : strlen(image);

    if (!rest_is_id(image, "/-_.()", sizeof(out->definition) - 1) || strstr(image, "..") != NULL ||
        strstr(image, "//") != NULL || strstr(image, "/./") != NULL || text_has_suffix(image, "/.") ||
        image[strlen(image) - 1] == '/')
        return false;
    (void)snprintf(out->definition, sizeof(out->definition), "%.*s", (int)n, image);
    if (path_is(image, community, true))
        out->form = COMMUNITY;
    else if (path_is(image, shared, true))
        out->form = SHARED;
    else if (path_is(image, gallery, true))
        out->form = GALLERY;
    else if (path_is(image, managed, false))
        out->form = MANAGED;
    else
        return false;
    return out->form == GALLERY || out->form == MANAGED ||
           split_public(image, out->form == COMMUNITY ? "/communityGalleries/" : "/sharedGalleries/", out->parts);
}

static bool read_image(const char *image, struct source *out)
{
    memset(out, 0, sizeof(*out));
    if (alias_of(image) != NULL) {
        out->form = ALIAS;
        return true;
    }
    if (*image == '/')
        return read_path(image, out);
    out->form = MARKETPLACE;
    return split_urn(image, out->parts);
}

int azure_image_check(const char *image, const char *arch, struct err *e)
{
    const struct alias *alias = alias_of(image);
    struct source s;

    if (alias != NULL && alias->arm64 == NULL && strcmp(arch, "arm64") == 0)
        return err_set(e, ERR_INVALID, "machine_image %s is not published for arm64: name an image of your own", image);
    if (read_image(image, &s))
        return 0;
    return err_set(e, ERR_INVALID,
                   "machine_image \"%.80s\" is no image of Azure: write publisher:offer:sku:version, an alias such as "
                   "ubuntu2204, or the path of an image or a gallery image",
                   image);
}

int azure_image_reference(const char *image, const char *arch, json_t **out, struct err *e)
{
    const struct alias *alias = alias_of(image);
    struct source s;

    if (azure_image_check(image, arch, e))
        return -1;
    (void)read_image(image, &s);
    if (alias != NULL) {
        const char *colon = strchr(alias->offer, ':');

        return js_pack(e, out, "{s:s%, s:s, s:s, s:s}", "publisher", alias->offer, (size_t)(colon - alias->offer),
                       "offer", colon + 1, "sku", strcmp(arch, "arm64") == 0 ? alias->arm64 : alias->x64, "version",
                       "latest");
    }
    switch (s.form) {
    case MARKETPLACE:
        return js_pack(e, out, "{s:s, s:s, s:s, s:s}", "publisher", s.parts[0], "offer", s.parts[1], "sku", s.parts[2],
                       "version", s.parts[3]);
    case COMMUNITY:
        return js_pack(e, out, "{s:s}", "communityGalleryImageId", image);
    case SHARED:
        return js_pack(e, out, "{s:s}", "sharedGalleryImageId", image);
    default:
        return js_pack(e, out, "{s:s}", "id", image);
    }
}

void azure_image_name(const char *image, const char *arch, struct buf *out)
{
    const struct alias *alias = alias_of(image);
    const char *sku = alias == NULL ? NULL : strcmp(arch, "arm64") == 0 ? alias->arm64 : alias->x64;

    if (sku != NULL)
        buf_addf(out, "%s:%s:latest", alias->offer, sku);
    else
        buf_adds(out, image);
}

/* ---- what only the image tells ---- */

void azure_image_facts_clear(struct azure_image_facts *f)
{
    json_decref(f->plan);
    f->plan = NULL;
}

static void free_facts(void *value)
{
    struct azure_image_facts *f = value;

    if (f == NULL)
        return;
    azure_image_facts_clear(f);
    free(f);
}

struct cache *azure_image_cache_new(void)
{
    return cache_new(256, free_facts);
}

/* Where the image is described. *what stays NULL when nothing needs to be asked. A version of the marketplace comes
 * from `version`, since "latest" is none. */
static void question(const struct azure_api *a, const struct source *s, const char *location, const char *version,
                     struct buf *path, const char **what)
{
    const char *kind = s->form == COMMUNITY ? "communityGalleries" : "sharedGalleries";

    *what = NULL;
    switch (s->form) {
    case MARKETPLACE:
        *what = "virtualMachineImages.get";
        buf_addf(path,
                 "/subscriptions/%s/providers/Microsoft.Compute/locations/%s/publishers/%s/artifacttypes/vmimage"
                 "/offers/%s/skus/%s/versions",
                 a->subscription, location, s->parts[0], s->parts[1], s->parts[2]);
        if (version != NULL)
            buf_addf(path, "/%s?api-version=" AZURE_COMPUTE_API, version);
        else
            buf_adds(path, "?api-version=" AZURE_COMPUTE_API "&$top=1&$orderby=name%20desc");
        return;
    case GALLERY:
        *what = "galleryImages.get";
        buf_addf(path, "%s?api-version=" GALLERY_API, s->definition);
        return;
    case COMMUNITY:
    case SHARED:
        *what = s->form == COMMUNITY ? "communityGalleryImages.get" : "sharedGalleryImages.get";
        buf_addf(path,
                 "/subscriptions/%s/providers/Microsoft.Compute/locations/%s/%s/%s/images/%s?api-version=" GALLERY_API,
                 a->subscription, location, kind, s->parts[0], s->parts[1]);
        return;
    default:
        return;
    }
}

static const char *fixed_version(const struct source *s)
{
    return s->form == MARKETPLACE && strcasecmp(s->parts[3], "latest") != 0 ? s->parts[3] : NULL;
}

static int get(const struct azure_api *a, const struct source *s, const char *location, const char *version,
               struct rest_res *res, struct rest_call *call, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    int rc;

    *call = (struct rest_call){.method = "GET"};
    question(a, s, location, version, &path, &call->what);
    if (buf_str(&path, &call->path, e))
        return -1;
    rc = rest_do(&a->rest, call, res, e);
    call->path = NULL;
    if (rc != 0 && e->kind == ERR_GONE)
        e->kind = ERR_INVALID;
    return rc != 0 ? err_wrap(e, "machine_image") : 0;
}

/* The newest version of a marketplace image: a list of one. */
static int newest_version(const struct azure_api *a, const struct source *s, const char *location, char out[128],
                          struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call;
    const char *name;

    if (get(a, s, location, NULL, &res, &call, e))
        return -1;
    name = json_string_value(json_object_get(json_array_get(res.doc, 0), "name"));
    if (json_is_array(res.doc) && json_array_size(res.doc) == 0)
        return err_set(e, ERR_INVALID, "machine_image %s:%s:%s has no version in %s", s->parts[0], s->parts[1],
                       s->parts[2], location);
    if (name == NULL || !rest_is_id(name, "-_.", 127))
        return err_set(e, ERR_RETRY, "azure %s: the answer makes no sense: no name of a version", call.what);
    (void)snprintf(out, 128, "%s", name);
    return 0;
}

/* A plan of the marketplace has name, publisher, product; of a gallery it is called purchasePlan. */
static int read_facts(const json_t *doc, struct azure_image_facts *out, struct err *e)
{
    json_t *properties;
    const json_t *plan;
    const char *state = NULL;

    if (js_obj(doc, "properties", &properties, e) || js_opt_str(properties, "osState", &state, e))
        return -1;
    plan = json_object_get(properties, "plan");
    if (plan == NULL)
        plan = json_object_get(properties, "purchasePlan");
    out->specialised = state != NULL && strcasecmp(state, "Specialized") == 0;
    if (!json_is_object(plan) || json_string_value(json_object_get(plan, "name")) == NULL)
        return 0;
    return js_pack(e, &out->plan, "{s:O, s:O*, s:O*}", "name", json_object_get(plan, "name"), "publisher",
                   json_object_get(plan, "publisher"), "product", json_object_get(plan, "product"));
}

struct asking {
    const struct azure_api *a;
    const struct source *s;
    const char *location;
};

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct asking *q = arg;
    AUTO_AZURE_IMAGE_FACTS struct azure_image_facts facts = AZURE_IMAGE_FACTS_INIT;
    const char *version = fixed_version(q->s);
    char newest[128];
    struct rest_call call;

    (void)key;
    if (q->s->form == MARKETPLACE && version == NULL) {
        if (newest_version(q->a, q->s, q->location, newest, e))
            return -1;
        version = newest;
    }
    if (get(q->a, q->s, q->location, version, &res, &call, e))
        return -1;
    if (read_facts(res.doc, &facts, e))
        return rest_nonsense(&q->a->rest, &call, e);
    out->value = mem_zalloc(sizeof(facts));
    *(struct azure_image_facts *)out->value = facts;
    facts.plan = NULL;
    out->expires_ms = clock_now_ms() + KEEP_MS;
    return 0;
}

int azure_image_ask(const struct azure_api *a, struct cache *cache, const char *image, const char *location,
                    struct azure_image_facts *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    AUTO_BUF struct buf key = BUF_INIT(AZURE_PATH_MAX);
    const struct azure_image_facts *kept;
    struct source s;
    struct asking q = {a, &s, location};
    const char *text;

    if (!read_image(image, &s) || s.form == ALIAS || s.form == MANAGED)
        return 0;
    buf_addf(&key, "%s %s", location, image);
    if (buf_str(&key, &text, e) || cache_get(cache, text, fill, &q, &ref, e))
        return -1;
    kept = cache_value(ref);
    out->specialised = kept->specialised;
    out->plan = kept->plan != NULL ? json_deep_copy(kept->plan) : NULL;
    return 0;
}

int azure_image_show(const struct azure_api *a, const char *image, const char *location, json_t *list, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct rest_call call = {.method = "GET"};
    struct source s;

    if (!read_image(image, &s))
        return 0;
    question(a, &s, location, fixed_version(&s), &path, &call.what);
    if (call.what == NULL)
        return 0;
    return buf_str(&path, &call.path, e) ? -1 : rest_show(&a->rest, &call, "Authorization", list, e);
}
