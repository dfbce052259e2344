/*
 * DigitalOcean droplets: https://docs.digitalocean.com/reference/api/digitalocean/
 *
 * A droplet's name is not unique and its creation has no idempotency key: a launch that may have gone out before looks
 * for the tag of its machine first. Our tags are flat, "muster-machine:NAME". GPU droplets are left out of every list
 * that does not ask for type=gpus, which cannot be combined with a tag: so there are always two lists.
 * A droplet that is off still costs; there is no spot capacity, and a size carries its own disk.
 */
#include "providers/common/bearer.h"
#include "providers/common/label.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define API_URL "https://api.digitalocean.com"
#define USER_DATA_MAX ((size_t)64 * 1024)
#define TAG_MAX 255
#define PAGE_SIZE "200"
#define HOURS(n) ((n)*3600)

static const struct conf_key account_keys[] = {
    {.name = "region",
     .type = CONF_STRING,
     .help = "where machines start when .cirun.yml names no region; none = where DigitalOcean has room"},
    {.name = "token", .type = CONF_SECRET, .env = "DIGITALOCEAN_TOKEN", .help = "personal access token"},
    {.name = "endpoint_url", .type = CONF_URL, .def = API_URL, .help = "API instead of DigitalOcean's own"},
    {.name = NULL}};

/* Quota, room and mistakes share one code: only the sentence tells. */
static const struct rest_rule rules[] = {
    {422, NULL, "droplet limit|exceed your", ERR_QUOTA, 0, NULL},
    {422, NULL, "not available|unavailable|sold out|capacity|not supported in", ERR_CAPACITY, 600, NULL},
    {0, "unauthorized", NULL, ERR_AUTH, 0, NULL},
    {0, "forbidden", NULL, ERR_AUTH, 0, "the token lacks a scope"},
    {0, "too_many_requests", NULL, ERR_THROTTLED, 60, NULL},
    {0, NULL, NULL, ERR_NONE, 0, NULL},
};

static void read_fault(const json_t *doc, struct rest_said *out)
{
    out->code = json_string_value(json_object_get(doc, "id"));
    out->message = json_string_value(json_object_get(doc, "message"));
}

static const struct rest_dialect dialect = {.cloud = "digitalocean", .rules = rules, .read = read_fault};
static const struct label_rule tag_rule = {.more = "-_", .lower = false, .max = 200};

struct provider {
    const struct provider_env *env;
    const char *region; /* NULL = DigitalOcean's choice */
    struct secret *token;
    struct rest_client api;
};

static bool do_configured(const struct provider_env *env)
{
    const char *token = env->getenv_fn(env->getenv_arg, "DIGITALOCEAN_TOKEN");

    return token != NULL && *token != '\0';
}

static void do_close(struct provider *p)
{
    if (p == NULL)
        return;
    secret_free(p->token);
    free(p);
}

static int region_check(const char *region, struct err *e)
{
    if (rest_is_id(region, "-", 32))
        return 0;
    return err_set(e, ERR_INVALID, "region \"%.40s\" is not a region of DigitalOcean: write it like nyc3", region);
}

static int do_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct provider *p;

    if (!conf_has(acct, "token") && env->http != NULL)
        return err_set(e, ERR_INVALID, "clouds.digitalocean.token is missing: set it there or in $DIGITALOCEAN_TOKEN");
    if (conf_str(acct, "region") != NULL && region_check(conf_str(acct, "region"), e))
        return err_wrap(e, "clouds.digitalocean.region");
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->region = conf_str(acct, "region");
    p->token = secret_dup(conf_secret(acct, "token"));
    p->api = (struct rest_client){.http = env->http,
                                  .dialect = &dialect,
                                  .base = conf_str(acct, "endpoint_url"),
                                  .auth = bearer_fixed,
                                  .auth_arg = p->token,
                                  .secrets = {p->token},
                                  .timeout_ms = env->timeout_ms};
    *out = p;
    return 0;
}

/* ---- what a machine shall be ---- */

/* Names that are the same on every cloud, as slugs. */
static const struct {
    const char *alias, *slug;
} images[] = {{"ubuntu2004", "ubuntu-20-04-x64"},
              {"ubuntu2204", "ubuntu-22-04-x64"},
              {"ubuntu2404", "ubuntu-24-04-x64"},
              {"debian12", "debian-12-x64"},
              {"ubuntu2204-gpu", "gpu-h100x1-base"}};

static const char *image_slug(const char *image)
{
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        if (strcmp(images[i].alias, image) == 0)
            return images[i].slug;
    }
    return image;
}

static int do_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    (void)p;
    if (s->os != NULL && strcmp(s->os, "linux") != 0)
        return err_set(e, ERR_INVALID, "DigitalOcean has Linux only, and no %.20s", s->os);
    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: name a size such as s-4vcpu-8gb or gpu-h100x1-80gb");
    if (!rest_is_id(s->instance_type, "-_.", 64))
        return err_set(e, ERR_INVALID,
                       "instance_type \"%.40s\" is not a size of DigitalOcean: write it like s-4vcpu-8gb",
                       s->instance_type);
    if (s->region != NULL && region_check(s->region, e))
        return -1;
    if (s->image == NULL)
        return err_set(e, ERR_INVALID,
                       "machine_image is missing: name a slug (ubuntu-24-04-x64) or a snapshot's number");
    if (!rest_is_id(s->image, "-_.", 128))
        return err_set(e, ERR_INVALID,
                       "machine_image \"%.60s\" is neither a slug of DigitalOcean nor a snapshot's number", s->image);
    return 0;
}

/* Without a region DigitalOcean chooses one. */
static int do_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    const char *region = s->region != NULL ? s->region : p->region;

    memset(out, 0, sizeof(*out));
    if (do_check(p, s, e) || (region != NULL && fact_add(&out->region, e, "%s", region)) ||
        fact_add(&out->type, e, "%s", s->instance_type) || fact_add(&out->image, e, "%s", s->image))
        return -1;
    return fact_add(&out->image, e, "%s", image_slug(s->image));
}

static int check_request(const struct launch_request *r, struct err *e)
{
    if (secret_len(r->user_data) > USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: DigitalOcean takes at most %zu",
                       secret_len(r->user_data), USER_DATA_MAX);
    for (size_t i = 0; i < r->n_tags; i++) {
        if (strlen(r->tags[i].key) + 1 + strlen(r->tags[i].value) > TAG_MAX)
            return err_set(e, ERR_INVALID, "tag %.40s: DigitalOcean takes %d characters of key and value together",
                           r->tags[i].key, TAG_MAX);
    }
    return 0;
}

/* "muster-machine:NAME" in the alphabet of tags. */
static void make_tag(const char *key, const char *value, char out[TAG_MAX + 1])
{
    const struct label_rule value_rule = {.more = "-_", .lower = false, .max = TAG_MAX - 1 - strlen(key)};
    char k[LABEL_SIZE], v[LABEL_SIZE];

    label_make(&tag_rule, key, k);
    label_make(&value_rule, value, v);
    (void)snprintf(out, TAG_MAX + 1, "%.200s:%.*s", k, (int)(TAG_MAX - 1 - strlen(k)), v);
}

/* A snapshot has a number, a public image a slug. */
static json_t *image_of(const char *image)
{
    int64_t number;
    struct err ignored;

    return text_i64(image, 1, INT64_MAX, &number, &ignored) == 0 ? json_integer(number)
                                                                 : json_string(image_slug(image));
}

static int make_body(const struct provider *p, const struct launch_request *r, json_t **out, struct err *e)
{
    const struct machine_spec *s = r->spec;
    AUTO(buf_wipe) struct buf user_data = BUF_INIT(USER_DATA_MAX);
    AUTO_JSON json_t *tags = json_array();
    char tag[TAG_MAX + 1];

    for (size_t i = 0; i < r->n_tags; i++) {
        make_tag(r->tags[i].key, r->tags[i].value, tag);
        (void)json_array_append_new(tags, json_string(tag));
    }
    rest_user_data(r->user_data, &user_data);
    return js_pack(e, out, "{s:s, s:s*, s:s, s:o, s:s*, s:O, s:b, s:b, s:b}", "name", r->name, "region",
                   s->region != NULL ? s->region : p->region, "size", s->instance_type, "image", image_of(s->image),
                   "user_data", spec_pulls(s) ? NULL : user_data.p, "tags", tags, "ipv6", 0, "monitoring", 0,
                   "with_droplet_agent", 0);
}

/* ---- what DigitalOcean says of a machine ---- */

/* The value of one of our tags, or NULL. */
static const char *tag_of(const json_t *droplet, const char *key)
{
    const json_t *tags = json_object_get(droplet, "tags"), *one;
    size_t i, n = strlen(key);

    json_array_foreach(tags, i, one)
    {
        const char *text = json_string_value(one);

        if (text != NULL && strncmp(text, key, n) == 0 && text[n] == ':')
            return text + n + 1;
    }
    return NULL;
}

static bool is_ours(const struct provider *p, const json_t *droplet, const char *name)
{
    return label_is(&tag_rule, tag_of(droplet, TAG_DEPLOYMENT), p->env->deployment) &&
           (name == NULL || label_is(&tag_rule, tag_of(droplet, TAG_MACHINE), name));
}

static int read_state(const char *status, enum instance_state *out, struct err *e)
{
    if (strcmp(status, "new") == 0)
        *out = INSTANCE_PENDING;
    else if (strcmp(status, "active") == 0)
        *out = INSTANCE_RUNNING;
    else if (strcmp(status, "off") == 0 || strcmp(status, "archive") == 0)
        *out = INSTANCE_STOPPED;
    else
        return err_set(e, ERR_RETRY, "the status of a droplet is none of DigitalOcean's");
    return 0;
}

static int read_droplet(const json_t *doc, struct instance *out, struct err *e)
{
    struct instance i = {.why = ERR_NONE};
    const char *status, *created = NULL, *region = NULL, *name = tag_of(doc, TAG_MACHINE);
    const char *expires = tag_of(doc, TAG_EXPIRES);
    int64_t id;

    if (js_i64(doc, "id", &id, e) || js_str(doc, "status", &status, e) || js_opt_str(doc, "created_at", &created, e) ||
        js_opt_str(doc, "region.slug", &region, e) || read_state(status, &i.state, e))
        return -1;
    if (id <= 0)
        return err_set(e, ERR_RETRY, "id: not a number of a droplet");
    (void)snprintf(i.id, sizeof(i.id), "%lld", (long long)id);
    (void)snprintf(i.region, sizeof(i.region), "%s", region != NULL ? region : "");
    (void)snprintf(i.name, sizeof(i.name), "%s", name != NULL ? name : "");
    instance_set_times(&i, created, expires);
    instance_set_owner(&i, tag_of(doc, TAG_REPOSITORY), tag_of(doc, TAG_JOB));
    *out = i;
    return 0;
}

/* ---- looking for machines ---- */

typedef int visit_fn(void *arg, const struct instance *i, struct err *e);

struct looking {
    const struct provider *p;
    const char *name; /* NULL = any */
    visit_fn *visit;
    void *arg;
};

/* The cloud's filter is not trusted: what is found here may be destroyed. */
static int visit_page(const struct looking *l, const struct rest_call *call, const json_t *doc, bool *more,
                      struct err *e)
{
    json_t *list, *droplet;
    struct instance found;
    const char *next = NULL;
    size_t i;

    if (js_arr(doc, "droplets", &list, e) || js_opt_str(doc, "links.pages.next", &next, e))
        return rest_nonsense(&l->p->api, call, e);
    json_array_foreach(list, i, droplet)
    {
        if (!is_ours(l->p, droplet, l->name))
            continue;
        if (read_droplet(droplet, &found, e))
            return rest_nonsense(&l->p->api, call, e);
        if (l->visit(l->arg, &found, e))
            return -1;
    }
    *more = next != NULL;
    return 0;
}

/* query: which droplets; all pages of them. */
static int look_through(const struct looking *l, const char *query, struct err *e)
{
    bool more = true;

    for (size_t page = 1; more; page++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        AUTO_BUF struct buf path = BUF_INIT(1024);
        struct rest_call call = {.method = "GET", .what = "droplets.list"};

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "digitalocean droplets.list: pages without end");
        buf_addf(&path, "/v2/droplets?%s&per_page=" PAGE_SIZE "&page=%zu", query, page);
        if (buf_str(&path, &call.path, e) || rest_do(&l->p->api, &call, &res, e) ||
            visit_page(l, &call, res.doc, &more, e))
            return rest_page_failed(page, e);
    }
    return 0;
}

static int look(const struct looking *l, struct err *e)
{
    AUTO_BUF struct buf query = BUF_INIT(1024);
    char tag[TAG_MAX + 1];
    const char *text;

    if (l->name != NULL)
        make_tag(TAG_MACHINE, l->name, tag);
    else
        make_tag(TAG_DEPLOYMENT, l->p->env->deployment, tag);
    buf_adds(&query, "tag_name=");
    text_url_escape(&query, tag, strlen(tag));
    return buf_str(&query, &text, e) || look_through(l, text, e) || look_through(l, "type=gpus", e) ? -1 : 0;
}

static int do_list(struct provider *p, const char *region,
                   int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    const struct looking l = {.p = p, .visit = each, .arg = arg};

    if (region != NULL && region_check(region, e))
        return -1;
    return look(&l, e);
}

/* found->id stays empty when there is none. */
static int find_by_name(const struct provider *p, const char *name, struct instance *found, struct err *e)
{
    const struct looking l = {.p = p, .name = name, .visit = instance_keep_best, .arg = found};

    return look(&l, e);
}

/* The path of one droplet; an id comes from the store or from a person. */
static int droplet_path(const char *id, struct buf *out, const char **path, struct err *e)
{
    if (id[strspn(id, "0123456789")] != '\0' || strlen(id) > 19)
        return err_set(e, ERR_INVALID, "\"%.40s\" is not a number of a droplet", id);
    buf_addf(out, "/v2/droplets/%s", id);
    return buf_str(out, path, e);
}

static int find_by_id(const struct provider *p, const char *id, struct instance *found, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "GET", .what = "droplets.get"};
    json_t *droplet;

    if (droplet_path(id, &path, &call.path, e))
        return -1;
    if (rest_do(&p->api, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (js_obj(res.doc, "droplet", &droplet, e) || read_droplet(droplet, found, e))
        return rest_nonsense(&p->api, &call, e);
    if (strcmp(found->id, id) != 0)
        return err_set(e, ERR_RETRY, "digitalocean droplets.get: asked for %.20s, the answer speaks of %.20s", id,
                       found->id);
    return 0;
}

static int do_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = {.why = ERR_NONE};

    if (ref->id[0] != '\0' ? find_by_id(p, ref->id, &found, e) : find_by_name(p, ref->name, &found, e))
        return -1;
    if (found.id[0] == '\0')
        found = instance_gone(ref);
    *out = found;
    return 0;
}

/* ---- ending ---- */

static int end_droplet(const struct provider *p, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "DELETE", .what = "droplets.destroy", .ok = {204}};

    if (droplet_path(id, &path, &call.path, e))
        return -1;
    return rest_do(&p->api, &call, &res, e) && e->kind != ERR_GONE ? -1 : 0;
}

static int end_found(void *arg, const struct instance *i, struct err *e)
{
    return end_droplet(arg, i->id, e);
}

static int do_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    const struct looking l = {.p = p, .name = ref->name, .visit = end_found, .arg = p};

    return ref->id[0] != '\0' ? end_droplet(p, ref->id, e) : look(&l, e);
}

/* ---- launching ---- */

static struct rest_call creation(const struct launch_request *r, const json_t *body)
{
    return (struct rest_call){.method = "POST",
                              .path = "/v2/droplets",
                              .what = "droplets.create",
                              .body = body,
                              .hide = r->user_data,
                              .ok = {202},
                              .creates = true};
}

static int do_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct launch_request shown = *r;
    struct rest_call call;

    shown.user_data = NULL;
    if (do_check(p, r->spec, e) || make_body(p, &shown, &body, e))
        return -1;
    call = creation(&shown, body);
    return rest_show(&p->api, &call, "Authorization", list, e);
}

static int do_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    struct instance made = {.why = ERR_NONE};
    struct rest_call call;
    json_t *droplet;

    if (do_check(p, r->spec, e) || check_request(r, e) || make_body(p, r, &body, e))
        return -1;
    if (!r->first_try && find_by_name(p, r->name, &made, e))
        return -1;
    if (made.id[0] == '\0') {
        call = creation(r, body);
        if (rest_do(&p->api, &call, &res, e))
            return -1;
        if (js_obj(res.doc, "droplet", &droplet, e) || read_droplet(droplet, &made, e))
            return rest_nonsense(&p->api, &call, e);
        /* the answer to a creation need not carry what was asked for */
        (void)snprintf(made.name, sizeof(made.name), "%s", r->name);
        if (made.region[0] == '\0' && r->spec->region != NULL)
            (void)snprintf(made.region, sizeof(made.region), "%s", r->spec->region);
    }
    *out = made;
    return 0;
}

/* ---- prices ---- */

/* The size among a page's, if it is there. */
static int find_size(const struct provider *p, const struct rest_call *call, const json_t *doc, const char *slug,
                     double *usd, bool *more, struct err *e)
{
    json_t *sizes, *one;
    const char *name, *next = NULL;
    size_t i;

    if (js_arr(doc, "sizes", &sizes, e) || js_opt_str(doc, "links.pages.next", &next, e))
        return rest_nonsense(&p->api, call, e);
    *more = next != NULL;
    json_array_foreach(sizes, i, one)
    {
        const json_t *price = json_object_get(one, "price_hourly");

        if (js_str(one, "slug", &name, e) || !json_is_number(price))
            return rest_nonsense(&p->api, call, e);
        if (strcmp(name, slug) == 0) {
            *usd = json_number_value(price);
            *more = false;
        }
    }
    return 0;
}

static int do_price(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    double found = -1;
    bool more = true;

    if (do_check(p, s, e))
        return -1;
    for (size_t page = 1; more; page++) {
        AUTO_REST_RES struct rest_res res = REST_RES_INIT;
        AUTO_BUF struct buf path = BUF_INIT(256);
        struct rest_call call = {.method = "GET", .what = "sizes.list"};

        if (page > REST_MAX_PAGES)
            return err_set(e, ERR_RETRY, "digitalocean sizes.list: pages without end");
        buf_addf(&path, "/v2/sizes?per_page=" PAGE_SIZE "&page=%zu", page);
        if (buf_str(&path, &call.path, e) || rest_do(&p->api, &call, &res, e) ||
            find_size(p, &call, res.doc, s->instance_type, &found, &more, e))
            return rest_page_failed(page, e);
    }
    *usd = found;
    return 0;
}

const struct provider_ops provider_digitalocean = {
    .name = "digitalocean",
    .alias = "do",
    .account_keys = account_keys,
    .user_data_max = USER_DATA_MAX,
    .configured = do_configured,
    .open = do_open,
    .check = do_check,
    .facts = do_facts,
    .render = do_render,
    .launch = do_launch,
    .describe = do_describe,
    .destroy = do_destroy,
    .list = do_list,
    .price = do_price,
    .close = do_close,
};
