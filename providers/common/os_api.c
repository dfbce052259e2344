#include "providers/common/os_api.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_FOUND 256
#define KEPT_MS ((int64_t)10 * 60 * 1000)

/* 2.52 brought tags at the creation, 2.67 the type of a volume that is made with it (2018). */
const struct httpc_header os_compute_headers[1] = {{"OpenStack-API-Version", "compute 2.67"}};

void os_api_open(struct os_api *a, struct httpc *http, const struct os_account *account, int timeout_ms)
{
    a->keystone = keystone_new(http, account, timeout_ms);
    a->found = cache_new(MAX_FOUND, free);
    a->client = (struct rest_client){.http = http,
                                     .dialect = &openstack_dialect,
                                     .base = "",
                                     .auth = keystone_auth,
                                     .auth_arg = a->keystone,
                                     .secrets = {account->password, account->credential_secret},
                                     .timeout_ms = timeout_ms};
}

void os_api_close(struct os_api *a)
{
    cache_free(a->found);
    keystone_free(a->keystone);
}

/* Nova's address has its version; Glance's and Neutron's are met with and without. */
static void add_version(const char *service, struct buf *base)
{
    const char *version = strcmp(service, "image") == 0 ? "/v2" : "/v2.0";

    if (strcmp(service, "compute") != 0 && base->p != NULL && !text_has_suffix(base->p, version))
        buf_adds(base, version);
}

int os_call(const struct os_api *a, const char *service, const char *region, const struct rest_call *call,
            struct rest_res *res, struct err *e)
{
    AUTO_BUF struct buf base = BUF_INIT(2048);
    struct rest_client client = a->client;
    struct rest_call versioned = *call;

    if (keystone_endpoint(a->keystone, service, region, &base, e))
        return -1;
    add_version(service, &base);
    if (buf_str(&base, &client.base, e))
        return -1;
    if (strcmp(service, "compute") == 0) {
        versioned.headers = os_compute_headers;
        versioned.n_headers = ARRAY_LEN(os_compute_headers);
    }
    return rest_do(&client, &versioned, res, e);
}

/* A question about no thing in particular: a 404 to it means a wrong address, not that something is gone. */
static int ask(const struct os_api *a, const char *service, const char *region, const struct rest_call *call,
               struct rest_res *res, struct err *e)
{
    if (os_call(a, service, region, call, res, e) == 0)
        return 0;
    if (e->kind == ERR_GONE)
        e->kind = ERR_INVALID;
    return -1;
}

/* ---- lists ---- */

static void page_path(struct buf *out, const char *path, const char *query, const char *marker)
{
    buf_adds(out, path);
    if (query != NULL)
        buf_addf(out, "?%s", query);
    if (*marker == '\0')
        return;
    buf_addf(out, "%cmarker=", query != NULL ? '&' : '?');
    text_url_escape(out, marker, strlen(marker));
}

/* The id of the last item goes to marker; it stays as it was when no page follows. */
static int read_page(const json_t *doc, const char *plural, os_visit_fn *visit, void *arg, char marker[OS_ID_SIZE],
                     bool *more, struct err *e)
{
    char links_name[40];
    json_t *list, *links = NULL, *item;
    const char *id = NULL;
    size_t i;

    (void)snprintf(links_name, sizeof(links_name), "%s_links", plural);
    if (js_arr(doc, plural, &list, e) || js_opt_arr(doc, links_name, &links, e))
        return -1;
    json_array_foreach(list, i, item)
    {
        if (visit(arg, item, e))
            return -1;
    }
    *more = false;
    json_array_foreach(links, i, item)
    {
        const char *rel = json_string_value(json_object_get(item, "rel"));

        *more = *more || (rel != NULL && strcmp(rel, "next") == 0);
    }
    if (!*more)
        return 0;
    item = json_array_get(list, json_array_size(list) == 0 ? 0 : json_array_size(list) - 1);
    id = json_string_value(json_object_get(item, "id"));
    if (id == NULL || strlen(id) >= OS_ID_SIZE || strcmp(id, marker) == 0)
        return err_set(e, ERR_RETRY, "a next page behind nothing new");
    (void)snprintf(marker, OS_ID_SIZE, "%s", id);
    return 0;
}

/* What a visitor refused is the caller's matter, not the answer's. */
struct guarded {
    os_visit_fn *visit;
    void *arg;
    bool refused;
};

static int visit_guarded(void *arg, const json_t *item, struct err *e)
{
    struct guarded *g = arg;

    g->refused = g->visit(g->arg, item, e) != 0;
    return g->refused ? -1 : 0;
}

int os_pages(const struct os_api *a, const char *region, const char *path, const char *query, const char *plural,
             os_visit_fn *visit, void *arg, struct err *e)
{
    struct guarded g = {.visit = visit, .arg = arg};
    char marker[OS_ID_SIZE] = "";
    bool more = true;

    for (size_t page = 1; more; page++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        AUTO_BUF struct buf text = BUF_INIT(4096);
        struct rest_call call = {.method = "GET", .what = plural};

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "openstack %s: pages without end", plural);
        page_path(&text, path, query, marker);
        if (buf_str(&text, &call.path, e) || ask(a, "compute", region, &call, &res, e))
            return rest_page_failed(page, e);
        if (read_page(res.doc, plural, visit_guarded, &g, marker, &more, e)) {
            if (!g.refused && rest_nonsense(&a->client, &call, e) == 0)
                return -1;
            return rest_page_failed(page, e);
        }
    }
    return 0;
}

/* ---- names ---- */

bool os_is_uuid(const char *s)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(s) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == '-' ? s[i] != '-' : strchr("0123456789abcdefABCDEF", s[i]) == NULL)
            return false;
    }
    return true;
}

/* One name that is looked for. */
struct search {
    const struct os_api *api;
    const char *region, *name;
    bool by_name;   /* found by its name, not its id */
    size_t several; /* how many have that name */
    struct os_found found;
};

static int no_such(const struct search *s, const char *what, struct err *e)
{
    return err_set(e, ERR_INVALID, "openstack: region %.60s has no %s \"%.80s\" that this project may use", s->region,
                   what, s->name);
}

static int see_flavor(void *arg, const json_t *item, struct err *e)
{
    struct search *s = arg;
    const char *id, *name;
    int64_t disk_gb;

    if (js_str(item, "id", &id, e) || js_str(item, "name", &name, e) || js_i64(item, "disk", &disk_gb, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "openstack flavors: the answer makes no sense");
    }
    if (s->by_name || strlen(id) >= OS_ID_SIZE || (strcmp(name, s->name) != 0 && strcmp(id, s->name) != 0))
        return 0;
    s->by_name = strcmp(name, s->name) == 0;
    (void)snprintf(s->found.id, OS_ID_SIZE, "%s", id);
    s->found.disk_gb = disk_gb;
    return 0;
}

static int find_flavor(struct search *s, struct err *e)
{
    if (os_pages(s->api, s->region, "/flavors/detail", NULL, "flavors", see_flavor, s, e))
        return -1;
    return s->found.id[0] != '\0' ? 0 : no_such(s, "flavor", e);
}

/* The first of a list by name that Glance or Neutron answers with. The filter is not trusted. */
static int find_named(struct search *s, const char *service, const char *path, const char *plural, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    struct rest_call call = {.method = "GET", .what = plural};
    json_t *list, *item;
    size_t i;

    buf_adds(&text, path);
    text_url_escape(&text, s->name, strlen(s->name));
    if (buf_str(&text, &call.path, e) || ask(s->api, service, s->region, &call, &res, e))
        return -1;
    if (js_arr(res.doc, plural, &list, e))
        return rest_nonsense(&s->api->client, &call, e);
    json_array_foreach(list, i, item)
    {
        const char *id, *name;

        if (js_str(item, "id", &id, e) || js_str(item, "name", &name, e))
            return rest_nonsense(&s->api->client, &call, e);
        if (strcmp(name, s->name) != 0 || !os_is_uuid(id))
            continue;
        s->several++;
        if (s->found.id[0] == '\0')
            (void)snprintf(s->found.id, OS_ID_SIZE, "%s", id);
    }
    return 0;
}

static int find_image(struct search *s, struct err *e)
{
    if (find_named(s, "image", "/images?status=active&sort=created_at:desc&name=", "images", e))
        return -1;
    return s->found.id[0] != '\0' ? 0 : no_such(s, "active image", e);
}

static int find_network(struct search *s, struct err *e)
{
    if (find_named(s, "network", "/networks?name=", "networks", e))
        return -1;
    if (s->several > 1)
        return err_set(e, ERR_INVALID, "openstack: region %.60s has %zu networks \"%.80s\": name one by its id",
                       s->region, s->several, s->name);
    return s->found.id[0] != '\0' ? 0 : no_such(s, "network", e);
}

/* https://docs.openstack.org/api-ref/compute/#availability-zones-os-availability-zone */
static int find_zone(struct search *s, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf regions = BUF_INIT(300), zones = BUF_INIT(300);
    struct rest_call call = {.method = "GET", .path = "/os-availability-zone", .what = "availability zones"};
    json_t *list, *item;
    size_t i;

    if (ask(s->api, "compute", s->region, &call, &res, e))
        return -1;
    if (js_arr(res.doc, "availabilityZoneInfo", &list, e))
        return rest_nonsense(&s->api->client, &call, e);
    json_array_foreach(list, i, item)
    {
        const char *name;

        if (js_str(item, "zoneName", &name, e))
            return rest_nonsense(&s->api->client, &call, e);
        if (strcmp(name, s->name) == 0 && strlen(name) < OS_ID_SIZE)
            (void)snprintf(s->found.id, OS_ID_SIZE, "%s", name);
        buf_addf(&zones, "%s%.60s", i > 0 ? ", " : "", name);
    }
    if (s->found.id[0] != '\0')
        return 0;
    if (keystone_regions(s->api->keystone, &regions, e))
        return -1;
    return err_set(e, ERR_INVALID,
                   "openstack: region \"%.60s\" is neither a region of the catalogue (%.200s) nor an availability zone "
                   "of %.60s (%.200s)",
                   s->name, regions.len > 0 ? regions.p : "none", s->region, zones.len > 0 ? zones.p : "none");
}

/* ---- what was found, for a while ---- */

struct filling {
    struct search s;
    int (*find)(struct search *s, struct err *e);
};

static int fill(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct filling *f = arg;
    struct os_found *kept;

    (void)key;
    if (f->find(&f->s, e))
        return -1;
    kept = mem_zalloc(sizeof(*kept));
    *kept = f->s.found;
    out->value = kept;
    out->expires_ms = clock_now_ms() + KEPT_MS;
    return 0;
}

static int look_up(const struct os_api *a, const char *what, const char *region, const char *name,
                   int (*find)(struct search *s, struct err *e), struct os_found *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    AUTO_BUF struct buf text = BUF_INIT(2048);
    struct filling f = {.s = {.api = a, .region = region, .name = name}, .find = find};
    const char *key;

    buf_addf(&text, "%s\n%s\n%s", what, region, name);
    if (buf_str(&text, &key, e) || cache_get(a->found, key, fill, &f, &ref, e))
        return -1;
    *out = *(const struct os_found *)cache_value(ref);
    return 0;
}

/* An id as it is; whether it is one, the creation shows. */
static int take_id(const char *id, struct os_found *out)
{
    *out = (struct os_found){.disk_gb = 0};
    (void)snprintf(out->id, sizeof(out->id), "%s", id);
    return 0;
}

int os_flavor(const struct os_api *a, const char *region, const char *name, struct os_found *out, struct err *e)
{
    return look_up(a, "flavor", region, name, find_flavor, out, e);
}

int os_image(const struct os_api *a, const char *region, const char *name, struct os_found *out, struct err *e)
{
    return os_is_uuid(name) ? take_id(name, out) : look_up(a, "image", region, name, find_image, out, e);
}

int os_network(const struct os_api *a, const char *region, const char *name, struct os_found *out, struct err *e)
{
    return os_is_uuid(name) ? take_id(name, out) : look_up(a, "network", region, name, find_network, out, e);
}

int os_zone(const struct os_api *a, const char *region, const char *name, struct os_found *out, struct err *e)
{
    return look_up(a, "zone", region, name, find_zone, out, e);
}
