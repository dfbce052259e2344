#include "providers/common/oci_catalog.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define DOMAINS_KEPT_MS ((int64_t)24 * 60 * 60 * 1000)
#define IMAGES_KEPT_MS ((int64_t)60 * 60 * 1000)

/* As ListImages names what Oracle publishes: https://docs.oracle.com/en-us/iaas/images/ */
static const struct alias {
    const char *name, *system, *version;
} aliases[] = {
    {"ubuntu2004", "Canonical Ubuntu", "20.04"},
    {"ubuntu2204", "Canonical Ubuntu", "22.04"},
    {"ubuntu2404", "Canonical Ubuntu", "24.04"},
    {"windows2022", "Windows", "Server 2022 Standard"},
};

struct cache *oci_catalog_new(void)
{
    return cache_new(256, free);
}

/* What is asked for, for the fillers of the cache. */
struct asking {
    const struct oci_account *account;
    const char *region, *shape;
    const struct alias *alias;
    struct oci_api api;
};

/* ---- availability domains ---- */

static int keep_domain(void *arg, const json_t *item, struct err *e)
{
    struct oci_domains *d = arg;
    const char *name;

    if (js_str(item, "name", &name, e) || *name == '\0' || strlen(name) >= sizeof(d->names[0]))
        return err_set(e, ERR_RETRY, "the answer makes no sense: an availability domain without a name");
    if (d->n < OCI_MAX_DOMAINS)
        (void)snprintf(d->names[d->n++], sizeof(d->names[0]), "%s", name);
    return 0;
}

static int fill_domains(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct asking *a = arg;
    struct oci_domains *d = mem_zalloc(sizeof(*d));
    char path[400];
    int rc;

    (void)key;
    (void)snprintf(path, sizeof(path), "/20160918/availabilityDomains?compartmentId=%.255s", a->account->compartment);
    oci_api_init(a->account, "identity", a->region, &a->api);
    rc = oci_each(&a->api, "ListAvailabilityDomains", path, keep_domain, d, e);
    if (rc == 0 && d->n == 0)
        rc = err_set(e, ERR_RETRY, "oracle ListAvailabilityDomains: the answer makes no sense: there is none");
    if (rc != 0) {
        free(d);
        return -1;
    }
    *out = (struct cache_fill){.value = d, .expires_ms = clock_now_ms() + DOMAINS_KEPT_MS};
    return 0;
}

int oci_domains_get(const struct oci_account *account, struct cache *catalog, const char *region,
                    struct cache_ref **out, struct err *e)
{
    struct asking a = {.account = account, .region = region};
    char key[100];

    (void)snprintf(key, sizeof(key), "domains %.63s", region);
    return cache_get(catalog, key, fill_domains, &a, out, e);
}

/* ---- regions ---- */

struct visiting {
    int (*each)(void *arg, const char *region, struct err *e);
    void *arg;
};

static int visit_region(void *arg, const json_t *item, struct err *e)
{
    const struct visiting *v = arg;
    const char *name, *status;
    char region[OCI_REGION_SIZE];
    bool is_domain;

    if (js_str(item, "regionName", &name, e) || js_str(item, "status", &status, e) ||
        oci_region_of(name, region, &is_domain, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "oracle ListRegionSubscriptions: the answer makes no sense");
    }
    return strcmp(status, "READY") == 0 ? v->each(v->arg, region, e) : 0;
}

int oci_regions_each(const struct oci_account *a, const char *tenancy, const char *from,
                     int (*each)(void *arg, const char *region, struct err *e), void *arg, struct err *e)
{
    struct visiting v = {each, arg};
    char region[OCI_REGION_SIZE], path[400];
    struct oci_api api;
    bool is_domain;

    if (from == NULL)
        return err_set(e, ERR_INVALID, "no region: name one in clouds.oracle.region or ~/.oci/config");
    if (oci_region_of(from, region, &is_domain, e))
        return -1;
    if (tenancy == NULL)
        return each(arg, region, e);
    if (!oci_is_ocid(tenancy, "tenancy"))
        return err_set(e, ERR_INVALID, "clouds.oracle.tenancy is not written like ocid1.tenancy.oc1..aaaa");
    oci_api_init(a, "identity", region, &api);
    (void)snprintf(path, sizeof(path), "/20160918/tenancies/%.255s/regionSubscriptions", tenancy);
    return oci_each(&api, "ListRegionSubscriptions", path, visit_region, &v, e);
}

/* ---- images ---- */

static const struct alias *find_alias(const char *image)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (strcmp(aliases[i].name, image) == 0)
            return &aliases[i];
    }
    return NULL;
}

int oci_image_check(const char *image, struct err *e)
{
    const char *names[ARRAY_LEN(aliases)], *near;

    if (oci_is_ocid(image, "image") || find_alias(image) != NULL)
        return 0;
    if (strcmp(image, "debian12") == 0)
        return err_set(e, ERR_INVALID, "machine_image debian12: Oracle publishes none; import one and name its OCID");
    if (text_has_suffix(image, "-gpu"))
        return err_set(e, ERR_INVALID,
                       "machine_image %.60s: Oracle publishes no such image with drivers; name %.*s, and gpu: to have "
                       "them installed",
                       image, (int)(strlen(image) < 44 ? strlen(image) - 4 : 40), image);
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        names[i] = aliases[i].name;
    near = text_nearest(image, names, ARRAY_LEN(names));
    return err_set(e, ERR_INVALID, "machine_image \"%.60s\" is neither the OCID of an image nor an alias (%s%s)", image,
                   near != NULL ? "did you mean " : "ubuntu2204, ubuntu2404, ... ", near != NULL ? near : "");
}

struct newest {
    const struct alias *alias;
    char id[OCI_IMAGE_SIZE];
    int64_t created_ms;
};

static bool has(const json_t *image, const char *key, const char *value)
{
    const char *text = json_string_value(json_object_get(image, key));

    return value == NULL ? text == NULL : text != NULL && strcmp(text, value) == 0;
}

/* The list holds custom images too, which have the system of what they were made from: those belong to a compartment.
 * Filters are not trusted. */
static int keep_newest(void *arg, const json_t *image, struct err *e)
{
    struct newest *n = arg;
    const char *id, *created;
    int64_t ms;

    if (!has(image, "compartmentId", NULL) || !has(image, "operatingSystem", n->alias->system) ||
        !has(image, "operatingSystemVersion", n->alias->version) || !has(image, "lifecycleState", "AVAILABLE"))
        return 0;
    if (js_str(image, "id", &id, e) || js_str(image, "timeCreated", &created, e) ||
        text_rfc3339_ms(created, strlen(created), &ms, e) || !oci_is_ocid(id, "image"))
        return err_set(e, ERR_RETRY, "the answer makes no sense: an image without id or time");
    if (n->id[0] == '\0' || ms > n->created_ms) {
        (void)snprintf(n->id, sizeof(n->id), "%s", id);
        n->created_ms = ms;
    }
    return 0;
}

static void add_parameter(struct buf *query, const char *name, const char *value)
{
    buf_addf(query, "&%s=", name);
    text_url_escape(query, value, strlen(value));
}

static int fill_image(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct asking *a = arg;
    struct newest n = {.alias = a->alias};
    AUTO_BUF struct buf query = BUF_INIT(2048);
    const char *text;

    (void)key;
    buf_addf(&query, "/20160918/images?compartmentId=%s", a->account->compartment);
    add_parameter(&query, "operatingSystem", a->alias->system);
    add_parameter(&query, "operatingSystemVersion", a->alias->version);
    add_parameter(&query, "shape", a->shape);
    buf_adds(&query, "&lifecycleState=AVAILABLE&sortBy=TIMECREATED&sortOrder=DESC");
    oci_api_init(a->account, "iaas", a->region, &a->api);
    if (buf_str(&query, &text, e) || oci_each(&a->api, "ListImages", text, keep_newest, &n, e))
        return -1;
    if (n.id[0] == '\0')
        return err_set(e, ERR_INVALID, "no image in %s for machine_image %s (%s %s) on shape %.64s", a->region,
                       a->alias->name, a->alias->system, a->alias->version, a->shape);
    *out = (struct cache_fill){.value = mem_strdup(n.id), .expires_ms = clock_now_ms() + IMAGES_KEPT_MS};
    return 0;
}

int oci_image_resolve(const struct oci_account *account, struct cache *catalog, const char *region, const char *image,
                      const char *shape, char out[OCI_IMAGE_SIZE], struct err *e)
{
    struct asking a = {.account = account, .region = region, .shape = shape, .alias = find_alias(image)};
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    char key[200];

    if (a.alias != NULL) {
        (void)snprintf(key, sizeof(key), "image %.63s %.63s %s", region, shape, a.alias->name);
        if (cache_get(catalog, key, fill_image, &a, &ref, e))
            return -1;
    }
    (void)snprintf(out, OCI_IMAGE_SIZE, "%s", a.alias != NULL ? (const char *)cache_value(ref) : image);
    return 0;
}
