/*
 * OpenStack servers, by Nova: https://docs.openstack.org/api-ref/compute/
 *
 * Our tags are the server's metadata, which holds them whole; the two by which machines are looked for are its tags
 * too, cut to their sixty characters. Creating has no idempotency key and names are not unique: a launch that may have
 * gone out before looks for the tag of its machine first. Nova accepts at once and finds a host later: a launch waits
 * until it has one, and a server that ended in ERROR before it ever ran is read for its fault, deleted and refused with
 * it. `region` is a region of the catalogue, or an availability zone of the account's region. A server that is off
 * still costs; there is no spot capacity.
 */
#include "providers/common/label.h"
#include "providers/common/os_api.h"
#include "providers/common/os_disks.h"
#include "providers/common/poll.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define USER_DATA_MAX ((size_t)65535 / 4 * 3) /* 65535 characters of base64 */
#define TEXT_MAX 255                          /* of names, metadata keys and values */
#define TAG_MAX 60
#define SCHEDULING_MS ((int64_t)60 * 1000) /* how long a launch waits for a host */

struct provider {
    const struct provider_env *env;
    struct os_account account;
    struct os_api api;
};

static bool os_configured(const struct provider_env *env)
{
    return os_account_in_env(env->getenv_fn, env->getenv_arg);
}

static void os_close(struct provider *p)
{
    if (p == NULL)
        return;
    os_api_close(&p->api);
    os_account_clear(&p->account);
    free(p);
}

static int os_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    AUTO_OS_ACCOUNT struct os_account account = {0};
    struct provider *p;

    if (os_account_load(acct, env->getenv_fn, env->getenv_arg, env->http == NULL, &account, e))
        return -1;
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->account = account;
    account = (struct os_account){0};
    os_api_open(&p->api, env->http, &p->account, env->timeout_ms);
    *out = p;
    return 0;
}

/* ---- what a machine shall be ---- */

static int os_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    if (s->instance_type == NULL || *s->instance_type == '\0' || strlen(s->instance_type) > TEXT_MAX)
        return err_set(e, ERR_INVALID, "instance_type is missing or too long: name a flavor, by its name or id");
    if (s->region != NULL && !rest_is_id(s->region, "-_.: ", KEYSTONE_REGION_SIZE - 1))
        return err_set(e, ERR_INVALID,
                       "region \"%.40s\" is neither written like a region nor like an availability zone", s->region);
    if (s->image == NULL || *s->image == '\0' || strlen(s->image) > TEXT_MAX)
        return err_set(e, ERR_INVALID, "machine_image is missing or too long: name an image, by its name or id");
    if (os_disks_check(s->extra, e))
        return -1;
    return p->env->allow_privileged ? 0 : os_disks_rights_check(s->extra, e);
}

/* Flavors and images are judged by the name that is written: which id that has, only the cloud can tell. */
static int os_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    const char *region = s->region != NULL ? s->region : p->account.region;

    memset(out, 0, sizeof(*out));
    if (os_check(p, s, e) || (region != NULL && fact_add(&out->region, e, "%s", region)))
        return -1;
    return fact_add(&out->type, e, "%s", s->instance_type) || fact_add(&out->image, e, "%s", s->image) ? -1 : 0;
}

/* https://docs.openstack.org/api-ref/compute/#create-server: keys of letters, digits and "-_:. ", 255 characters each
 */
static int check_request(const struct launch_request *r, struct err *e)
{
    if (secret_len(r->user_data) > USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: OpenStack takes at most %zu", secret_len(r->user_data),
                       USER_DATA_MAX);
    for (size_t i = 0; i < r->n_tags; i++) {
        if (!rest_is_id(r->tags[i].key, "-_:. ", TEXT_MAX) || strlen(r->tags[i].value) > TEXT_MAX)
            return err_set(e, ERR_INVALID,
                           "tag %.40s: OpenStack takes keys of letters, digits and \"-_:. \" and values, each of at "
                           "most %d characters",
                           r->tags[i].key, TEXT_MAX);
    }
    return 0;
}

/* "muster-machine:NAME" as a server's tag, which takes neither ',' nor '/'. */
static void make_tag(const char *key, const char *value, char out[LABEL_SIZE])
{
    static const struct label_rule rule = {.more = "-_.:", .lower = false, .max = TAG_MAX};
    char whole[2 * LABEL_SIZE];

    (void)snprintf(whole, sizeof(whole), "%.255s:%.255s", key, value);
    label_make(&rule, whole, out);
}

static bool is_looked_for(const char *key)
{
    return strcmp(key, TAG_DEPLOYMENT) == 0 || strcmp(key, TAG_MACHINE) == 0;
}

/* What the names of a spec stand for. */
struct parts {
    struct os_found flavor, image, network; /* network.id "" = the only one */
    const char *zone;                       /* NULL = any */
};

static int make_body(const struct launch_request *r, const struct parts *parts, json_t **out, struct err *e)
{
    AUTO(buf_wipe) struct buf user_data = BUF_INIT(2 * USER_DATA_MAX);
    AUTO_JSON json_t *metadata = json_object(), *tags = json_array(), *disks = NULL, *networks = NULL;
    char tag[LABEL_SIZE];
    bool from_volume;

    for (size_t i = 0; i < r->n_tags; i++) {
        if (json_object_set_new(metadata, r->tags[i].key, json_string(r->tags[i].value)) != 0)
            return err_set(e, ERR_INVALID, "tag %.40s is no UTF-8", r->tags[i].key);
        if (!is_looked_for(r->tags[i].key))
            continue;
        make_tag(r->tags[i].key, r->tags[i].value, tag);
        (void)json_array_append_new(tags, json_string(tag));
    }
    if (os_disks_make(r->spec->extra, parts->image.id, parts->flavor.disk_gb, &disks, &from_volume, e))
        return -1;
    networks = *parts->network.id != '\0' ? json_pack("[{s:s}]", "uuid", parts->network.id) : json_string("auto");
    rest_user_data_base64(r->user_data, &user_data);
    return js_pack(e, out, "{s:{s:s, s:s, s:s*, s:O*, s:s*, s:O, s:s*, s:b, s:O, s:O}}", "server", "name", r->name,
                   "flavorRef", parts->flavor.id, "imageRef", from_volume ? NULL : parts->image.id,
                   "block_device_mapping_v2", disks, "availability_zone", parts->zone, "networks", networks,
                   "user_data", spec_pulls(r->spec) ? NULL : user_data.p, "config_drive", 1, "metadata", metadata,
                   "tags", tags);
}

/* ---- where ---- */

struct where {
    char region[KEYSTONE_REGION_SIZE];
    struct os_found zone; /* id "" = any */
};

/* What is no region has to be a zone that exists: a region that vanished from the catalogue must not be taken for an
 * empty one. */
static int find_where(const struct provider *p, const char *asked, struct where *out, struct err *e)
{
    bool is_region = false;

    *out = (struct where){.region = ""};
    if (asked != NULL && *asked == '\0')
        asked = NULL;
    if (asked != NULL && !rest_is_id(asked, "-_.: ", KEYSTONE_REGION_SIZE - 1))
        return err_set(e, ERR_INVALID,
                       "region \"%.40s\" is neither written like a region nor like an availability zone", asked);
    if (keystone_region(p->api.keystone, asked, out->region, &is_region, e))
        return -1;
    return is_region ? 0 : os_zone(&p->api, out->region, asked, &out->zone, e);
}

/* ---- what Nova says of a machine ---- */

struct server {
    struct instance i;
    bool scheduling;  /* Nova still looks for a host */
    bool failed;      /* in ERROR before it ever ran: it never will */
    char fault[1024]; /* why; longer than an error text, so that what is masked there is never cut here */
};

static const char *meta(const json_t *doc, const char *key)
{
    return json_string_value(json_object_get(json_object_get(doc, "metadata"), key));
}

static bool is_ours(const struct provider *p, const json_t *doc, const char *name)
{
    const char *deployment = meta(doc, TAG_DEPLOYMENT), *machine = meta(doc, TAG_MACHINE);

    return deployment != NULL && strcmp(deployment, p->env->deployment) == 0 &&
           (name == NULL || (machine != NULL && strcmp(machine, name) == 0));
}

/* https://docs.openstack.org/api-guide/compute/server_concepts.html: what is off, shelved or in ERROR holds its share
 * until it is deleted. A soft-deleted one is the cloud's to remove. */
static int read_state(const char *status, enum instance_state *out, struct err *e)
{
    static const struct instance_word words[] = {
        {"BUILD", INSTANCE_PENDING},
        {"REBUILD", INSTANCE_PENDING},
        {"ACTIVE", INSTANCE_RUNNING},
        {"ERROR", INSTANCE_RUNNING}, /* it may have run before, and run on */
        {"SHUTOFF", INSTANCE_STOPPED},
        {"SHELVED", INSTANCE_STOPPED},
        {"SHELVED_OFFLOADED", INSTANCE_STOPPED},
        {"DELETED", INSTANCE_GONE},
        {"SOFT_DELETED", INSTANCE_GONE},
        /* by an operator's hand, and not for long */
        {"PAUSED", INSTANCE_RUNNING},
        {"SUSPENDED", INSTANCE_RUNNING},
        {"REBOOT", INSTANCE_RUNNING},
        {"HARD_REBOOT", INSTANCE_RUNNING},
        {"PASSWORD", INSTANCE_RUNNING},
        {"RESCUE", INSTANCE_RUNNING},
        {"RESIZE", INSTANCE_RUNNING},
        {"MIGRATING", INSTANCE_RUNNING},
        {"UNKNOWN", INSTANCE_RUNNING},
        {"VERIFY_RESIZE", INSTANCE_RUNNING},
        {"REVERT_RESIZE", INSTANCE_RUNNING},
    };

    return instance_read_state(words, ARRAY_LEN(words), status, "Nova's", out, e);
}

static bool is_task(const json_t *doc, const char *task)
{
    const char *found = json_string_value(json_object_get(doc, "OS-EXT-STS:task_state"));

    return found != NULL && strcmp(found, task) == 0;
}

/* The fault of a server, as a refusal. Returns -1. */
static int refuse_failed(const struct provider *p, const struct server *s, const struct secret *hide, struct err *e)
{
    const struct rest_call call = {.what = "server", .hide = hide};

    return rest_refuse(&p->api.client, &call, 0, "ERROR", s->fault, e);
}

/* One that never ran and never will: stopped, until it is deleted. */
static void fail_server(const struct provider *p, const char *message, struct server *s)
{
    struct err fault;

    s->failed = true;
    s->i.state = INSTANCE_STOPPED;
    (void)snprintf(s->fault, sizeof(s->fault), "%s", message != NULL ? message : "in ERROR without a fault");
    s->i.why = refuse_failed(p, s, NULL, &fault) && fault.kind == ERR_CAPACITY ? ERR_CAPACITY : ERR_NONE;
    (void)snprintf(s->i.detail, sizeof(s->i.detail), "%.199s", fault.msg);
    text_tidy(s->i.detail);
}

static int read_server(const struct provider *p, const json_t *doc, const char *region, struct server *out,
                       struct err *e)
{
    struct server s = {.i = {.why = ERR_NONE}};
    const char *id, *status, *created = NULL, *launched = NULL, *fault = NULL;
    const char *name = meta(doc, TAG_MACHINE), *expires = meta(doc, TAG_EXPIRES);

    if (js_str(doc, "id", &id, e) || js_str(doc, "status", &status, e) || js_opt_str(doc, "created", &created, e) ||
        js_opt_str(doc, "fault.message", &fault, e) || read_state(status, &s.i.state, e))
        return -1;
    if (!rest_is_id(id, "-", 64))
        return err_set(e, ERR_RETRY, "id: not one of a server");
    launched = json_string_value(json_object_get(doc, "OS-SRV-USG:launched_at"));
    s.scheduling = s.i.state == INSTANCE_PENDING && is_task(doc, "scheduling");
    if (s.i.state != INSTANCE_GONE && (is_task(doc, "deleting") || is_task(doc, "soft-deleting")))
        s.i.state = INSTANCE_ENDING;
    else if (strcmp(status, "ERROR") == 0 && launched == NULL)
        fail_server(p, fault, &s);
    (void)snprintf(s.i.id, sizeof(s.i.id), "%s", id);
    (void)snprintf(s.i.region, sizeof(s.i.region), "%s", region);
    (void)snprintf(s.i.name, sizeof(s.i.name), "%s", name != NULL ? name : "");
    instance_set_times(&s.i, created, expires);
    instance_set_owner(&s.i, meta(doc, TAG_REPOSITORY), meta(doc, TAG_JOB));
    *out = s;
    return 0;
}

/* ---- looking for machines ---- */

typedef int visit_fn(void *arg, const struct server *s, struct err *e);

struct looking {
    const struct provider *p;
    const char *region, *name; /* name NULL = any */
    visit_fn *visit;
    void *arg;
};

/* The cloud's filter is not trusted: what is found here may be destroyed. */
static int visit_server(void *arg, const json_t *item, struct err *e)
{
    const struct looking *l = arg;
    struct server s;

    if (!is_ours(l->p, item, l->name))
        return 0;
    if (read_server(l->p, item, l->region, &s, e)) {
        e->kind = ERR_RETRY;
        return err_wrap(e, "openstack servers: the answer makes no sense");
    }
    return s.i.state == INSTANCE_GONE ? 0 : l->visit(l->arg, &s, e);
}

static int look(const struct looking *l, struct err *e)
{
    AUTO_BUF struct buf query = BUF_INIT(1024);
    char tag[LABEL_SIZE];
    const char *text;

    make_tag(TAG_DEPLOYMENT, l->p->env->deployment, tag);
    buf_adds(&query, "tags=");
    text_url_escape(&query, tag, strlen(tag));
    if (l->name != NULL) {
        make_tag(TAG_MACHINE, l->name, tag);
        buf_adds(&query, ",");
        text_url_escape(&query, tag, strlen(tag));
    }
    return buf_str(&query, &text, e) || os_pages(&l->p->api, l->region, "/servers/detail", text, "servers",
                                                 visit_server, (void *)(uintptr_t)l, e)
               ? -1
               : 0;
}

struct telling {
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
};

static int tell(void *arg, const struct server *s, struct err *e)
{
    const struct telling *t = arg;

    return t->each(t->arg, &s->i, e);
}

static int os_list(struct provider *p, const char *region,
                   int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    struct telling t = {each, arg};
    struct looking l = {.p = p, .visit = tell, .arg = &t};
    struct where at;

    if (find_where(p, region, &at, e))
        return -1;
    l.region = at.region;
    return look(&l, e);
}

static int os_regions(struct provider *p, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                      struct err *e)
{
    return keystone_each_region(p->api.keystone, each, arg, e);
}

/* The one that is most alive. */
static int keep_best(void *arg, const struct server *s, struct err *e)
{
    struct server *best = arg;

    (void)e;
    if (best->i.id[0] == '\0' || s->i.state < best->i.state)
        *best = *s;
    return 0;
}

static int find_by_name(const struct provider *p, const char *region, const char *name, struct server *found,
                        struct err *e)
{
    const struct looking l = {.p = p, .region = region, .name = name, .visit = keep_best, .arg = found};

    return look(&l, e);
}

/* The path of one server; an id comes from the store or from a person. */
static int server_path(const char *id, struct buf *out, const char **path, struct err *e)
{
    if (!rest_is_id(id, "-", 64))
        return err_set(e, ERR_INVALID, "\"%.40s\" is not an id of a server", id);
    buf_addf(out, "/servers/%s", id);
    return buf_str(out, path, e);
}

/* found->i.id stays empty when there is none. */
static int find_by_id(const struct provider *p, const char *region, const char *id, struct server *found, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "GET", .what = "servers.show"};
    json_t *doc;

    if (server_path(id, &path, &call.path, e))
        return -1;
    if (os_call(&p->api, "compute", region, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (js_obj(res.doc, "server", &doc, e) || read_server(p, doc, region, found, e))
        return rest_nonsense(&p->api.client, &call, e);
    if (strcmp(found->i.id, id) != 0)
        return err_set(e, ERR_RETRY, "openstack servers.show: asked for %.40s, the answer speaks of %.40s", id,
                       found->i.id);
    return 0;
}

/* ---- ending ---- */

static int end_server(const struct provider *p, const char *region, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(128);
    struct rest_call call = {.method = "DELETE", .what = "servers.delete", .ok = {204}};

    if (server_path(id, &path, &call.path, e))
        return -1;
    return os_call(&p->api, "compute", region, &call, &res, e) && e->kind != ERR_GONE ? -1 : 0;
}

static int end_found(void *arg, const struct server *s, struct err *e)
{
    return end_server(arg, s->i.region, s->i.id, e);
}

static int os_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    struct looking l = {.p = p, .name = ref->name, .visit = end_found, .arg = p};
    struct where at;

    if (find_where(p, ref->region, &at, e))
        return -1;
    l.region = at.region;
    return ref->id[0] != '\0' ? end_server(p, at.region, ref->id, e) : look(&l, e);
}

static int os_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct server found = {.i = {.why = ERR_NONE}};
    struct where at;

    if (find_where(p, ref->region, &at, e))
        return -1;
    if (ref->id[0] != '\0' ? find_by_id(p, at.region, ref->id, &found, e)
                           : find_by_name(p, at.region, ref->name, &found, e))
        return -1;
    if (found.i.id[0] == '\0' || found.i.state == INSTANCE_GONE)
        found.i = instance_gone(ref);
    *out = found.i;
    return 0;
}

/* ---- launching ---- */

static struct rest_call creation(const struct launch_request *r, const json_t *body)
{
    return (struct rest_call){.method = "POST",
                              .path = "/servers",
                              .what = "servers.create",
                              .body = body,
                              .hide = r->user_data,
                              .ok = {202},
                              .creates = true,
                              .headers = os_compute_headers,
                              .n_headers = ARRAY_LEN(os_compute_headers)};
}

static void shown_id(struct os_found *out, const char *what, const char *name)
{
    if (os_is_uuid(name))
        (void)snprintf(out->id, sizeof(out->id), "%s", name);
    else
        (void)snprintf(out->id, sizeof(out->id), "<id of %s %.200s>", what, name);
}

/* A region that is not the account's may be a zone of it; offline that cannot be told. */
static int os_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    const char *region = r->spec->region != NULL ? r->spec->region : p->account.region;
    AUTO_JSON json_t *body = NULL;
    struct rest_client client = p->api.client;
    struct launch_request shown = *r;
    struct parts parts = {.flavor = {.disk_gb = 1}};
    struct rest_call call;
    char base[200];

    shown.user_data = NULL;
    if (os_check(p, r->spec, e))
        return -1;
    shown_id(&parts.flavor, "flavor", r->spec->instance_type);
    shown_id(&parts.image, "image", r->spec->image);
    if (p->account.network != NULL)
        shown_id(&parts.network, "network", p->account.network);
    if (make_body(&shown, &parts, &body, e))
        return -1;
    (void)snprintf(base, sizeof(base), "<compute endpoint of %.100s>", region != NULL ? region : "the only region");
    client.base = p->account.compute_url != NULL ? p->account.compute_url : base;
    call = creation(&shown, body);
    return rest_show(&client, &call, "X-Auth-Token", list, e);
}

static int find_parts(const struct provider *p, const struct machine_spec *s, const struct where *at, struct parts *out,
                      struct err *e)
{
    *out = (struct parts){.zone = *at->zone.id != '\0' ? at->zone.id : NULL};
    if (os_flavor(&p->api, at->region, s->instance_type, &out->flavor, e) ||
        os_image(&p->api, at->region, s->image, &out->image, e))
        return -1;
    return p->account.network == NULL ? 0 : os_network(&p->api, at->region, p->account.network, &out->network, e);
}

static int create(const struct provider *p, const struct launch_request *r, const struct where *at, struct server *made,
                  struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    struct parts parts;
    struct rest_call call;
    const char *id;

    if (find_parts(p, r->spec, at, &parts, e) || make_body(r, &parts, &body, e))
        return -1;
    call = creation(r, body);
    if (os_call(&p->api, "compute", at->region, &call, &res, e))
        return -1;
    if (js_str(res.doc, "server.id", &id, e))
        return rest_nonsense(&p->api.client, &call, e);
    if (!rest_is_id(id, "-", 64))
        return err_set(e, ERR_RETRY, "openstack servers.create: the answer makes no sense: not an id of a server");
    *made = (struct server){.i = {.state = INSTANCE_PENDING}, .scheduling = true};
    (void)snprintf(made->i.id, sizeof(made->i.id), "%s", id);
    (void)snprintf(made->i.region, sizeof(made->i.region), "%s", at->region);
    (void)snprintf(made->i.name, sizeof(made->i.name), "%s", r->name);
    return 0;
}

/* Until Nova found a host, or none. What cannot be told in time is no failure: the machine is there. */
static void await_host(const struct provider *p, struct server *s)
{
    struct poll w = poll_begin(p->env->pause, p->env->pause_arg, SCHEDULING_MS);
    struct err ignored;

    while (s->scheduling && poll_pause(&w, 0, &ignored) == 0) {
        struct server now = {.i = {.why = ERR_NONE}};

        if (find_by_id(p, s->i.region, s->i.id, &now, &ignored) == 0 && now.i.id[0] != '\0')
            *s = now;
    }
}

static int os_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct server s = {.i = {.why = ERR_NONE}};
    struct where at;

    if (os_check(p, r->spec, e) || check_request(r, e) || find_where(p, r->spec->region, &at, e))
        return -1;
    if (!r->first_try && find_by_name(p, at.region, r->name, &s, e))
        return -1;
    if ((s.i.id[0] == '\0' || s.i.state == INSTANCE_ENDING) && create(p, r, &at, &s, e))
        return -1;
    await_host(p, &s);
    if (s.failed) /* it holds quota and will never run */
        return end_server(p, s.i.region, s.i.id, e) ? err_wrap(e, "removing a server that failed")
                                                    : refuse_failed(p, &s, r->user_data, e);
    *out = s.i;
    return 0;
}

const struct provider_ops provider_openstack = {
    .name = "openstack",
    .account_keys = os_account_keys,
    .user_data_max = USER_DATA_MAX,
    .configured = os_configured,
    .open = os_open,
    .check = os_check,
    .facts = os_facts,
    .render = os_render,
    .launch = os_launch,
    .describe = os_describe,
    .destroy = os_destroy,
    .list = os_list,
    .regions = os_regions,
    .close = os_close,
};
