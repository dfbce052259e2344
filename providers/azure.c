/*
 * Azure virtual machines: https://learn.microsoft.com/en-us/rest/api/compute/virtual-machines
 *
 * A machine is one PUT by its name, with If-None-Match so that a second one changes nothing; network card, disk and
 * public address come with it, carry its tags and go with it. Azure says only later whether there was room: that is
 * waited for. What failed leaves the machine, often its parts too; they are removed before the refusal is reported, and
 * while parts are left a machine counts as stopped, as one does that powered itself off. Its id is its name.
 */
#include "providers/common/azure_creds.h"
#include "providers/common/azure_instance.h"
#include "providers/common/azure_price.h"
#include "providers/common/azure_request.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define API_URL "https://management.azure.com"
#define SCRIPT "/extensions/muster"
#define ROOM_MS ((int64_t)45 * 1000)     /* for the word that there is room */
#define WINDOWS_MS ((int64_t)300 * 1000) /* its script can be sent only when it is up */
#define REMOVE_MS ((int64_t)60 * 1000)

static const struct conf_key account_keys[] = {
    {.name = "region",
     .type = CONF_STRING,
     .env = "AZURE_LOCATION",
     .help = "location where machines start when .cirun.yml names no region"},
    {.name = "subscription_id", .type = CONF_STRING, .env = "AZURE_SUBSCRIPTION_ID", .help = "subscription that pays"},
    {.name = "tenant_id", .type = CONF_STRING, .env = "AZURE_TENANT_ID", .help = "tenant of the application"},
    {.name = "client_id",
     .type = CONF_STRING,
     .env = "AZURE_CLIENT_ID",
     .help = "application, or which identity of the machine that muster runs on"},
    {.name = "client_secret",
     .type = CONF_SECRET,
     .env = "AZURE_CLIENT_SECRET",
     .help = "its secret; none = workload identity ($AZURE_FEDERATED_TOKEN_FILE) or the machine's own identity"},
    {.name = "resource_group",
     .type = CONF_STRING,
     .env = "AZURE_RESOURCE_GROUP",
     .help = "where machines are made; best one of its own"},
    {.name = "subnet_id",
     .type = CONF_STRING,
     .env = "AZURE_SUBNET_ID",
     .help = "path of the machines' subnet; {region} in it stands for the machine's region"},
    {.name = "endpoint_url",
     .type = CONF_URL,
     .def = API_URL,
     .env = "AZURE_RESOURCE_MANAGER_ENDPOINT",
     .help = "Resource Manager of another Azure cloud"},
    {.name = "token_url", .type = CONF_URL, .help = "token endpoint; none = the tenant's at $AZURE_AUTHORITY_HOST"},
    {.name = "prices_url", .type = CONF_URL, .def = AZURE_PRICES_URL, .help = "Azure's public price list"},
    {.name = NULL}};

struct provider {
    const struct provider_env *env;
    struct azure_place place;
    struct azure_creds_conf creds_conf;
    struct azure_creds *creds;
    struct azure_api api;
    struct rest_client prices;
    struct cache *images;
};

static bool az_configured(const struct provider_env *env)
{
    static const char *const needed[] = {"AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_SUBNET_ID"};

    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const char *value = env->getenv_fn(env->getenv_arg, needed[i]);

        if (value == NULL || *value == '\0')
            return false;
    }
    return true;
}

static void az_close(struct provider *p)
{
    if (p == NULL)
        return;
    azure_creds_free(p->creds);
    cache_free(p->images);
    cache_free(p->place.keys);
    free(p);
}

/* What every machine needs of the account, of which characters it is beside letters and digits, and how it is shown
 * where there is no account. */
static const struct needed {
    const char *name, *env, *shown, *prefix, *more;
    size_t max;
    const char *remedy;
} needed[] = {
    {"subscription_id", "AZURE_SUBSCRIPTION_ID", "<subscription_id>", "", "-", 64, " is not an id of a subscription"},
    {"resource_group", "AZURE_RESOURCE_GROUP", "<resource_group>", "", "-_.()", 90,
     " is not a name of a resource group"},
    {"subnet_id", "AZURE_SUBNET_ID", "<subnet_id>", "/subscriptions/", "/-_.(){}", 512,
     ": write it like /subscriptions/S/resourceGroups/G/providers/Microsoft.Network/virtualNetworks/N/subnets/S"},
};
enum { SUBSCRIPTION, GROUP, SUBNET };

static const char *known(const struct conf *acct, int which)
{
    const char *value = conf_str(acct, needed[which].name);

    return value != NULL ? value : needed[which].shown;
}

static int check_account(const struct conf *acct, bool offline, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
        const char *value = conf_str(acct, needed[i].name);

        if (value == NULL && !offline)
            return err_set(e, ERR_INVALID, "clouds.azure.%s is missing: set it there or in $%s", needed[i].name,
                           needed[i].env);
        if (value != NULL && (strncasecmp(value, needed[i].prefix, strlen(needed[i].prefix)) != 0 ||
                              !rest_is_id(value, needed[i].more, needed[i].max) || strstr(value, "..") != NULL))
            return err_set(e, ERR_INVALID, "clouds.azure.%s%s", needed[i].name, needed[i].remedy);
    }
    if (conf_has(acct, "client_secret") && (!conf_has(acct, "tenant_id") || !conf_has(acct, "client_id")))
        return err_set(e, ERR_INVALID, "clouds.azure.client_secret needs tenant_id and client_id beside it");
    return conf_str(acct, "region") != NULL && azure_region_check(conf_str(acct, "region"), e)
               ? err_wrap(e, "clouds.azure.region")
               : 0;
}

static int az_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct provider *p;

    if (check_account(acct, env->http == NULL, e))
        return -1;
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->place = (struct azure_place){
        .region = conf_str(acct, "region"), .subnet = known(acct, SUBNET), .keys = azure_keys_new()};
    p->creds_conf = (struct azure_creds_conf){.http = env->http,
                                              .getenv_fn = env->getenv_fn,
                                              .getenv_arg = env->getenv_arg,
                                              .tenant_id = conf_str(acct, "tenant_id"),
                                              .client_id = conf_str(acct, "client_id"),
                                              .client_secret = conf_secret(acct, "client_secret"),
                                              .token_url = conf_str(acct, "token_url"),
                                              .resource = conf_str(acct, "endpoint_url"),
                                              .timeout_ms = env->timeout_ms};
    if (azure_creds_new(&p->creds_conf, &p->creds, e)) {
        az_close(p);
        return err_wrap(e, "clouds.azure");
    }
    p->api = (struct azure_api){.rest = {.http = env->http,
                                         .dialect = &azure_dialect,
                                         .base = conf_str(acct, "endpoint_url"),
                                         .auth = bearer_auth,
                                         .auth_arg = azure_creds_bearer(p->creds),
                                         .secrets = {conf_secret(acct, "client_secret")},
                                         .timeout_ms = env->timeout_ms},
                                .subscription = known(acct, SUBSCRIPTION),
                                .group = known(acct, GROUP),
                                .pause = env->pause,
                                .pause_arg = env->pause_arg};
    p->prices = azure_price_client(env->http, conf_str(acct, "prices_url"), env->timeout_ms);
    p->images = azure_image_cache_new();
    *out = p;
    return 0;
}

/* ---- looking for machines ---- */

/* The machine of that name when it is there and ours; else res->doc stays NULL. *taken: it is somebody else's. */
static int get_vm(const struct provider *p, const char *name, struct rest_res *res, bool *taken, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct rest_call call = {.method = "GET", .what = "virtualMachines.get"};
    struct instance seen;

    *taken = false;
    if (azure_vm_path(&p->api, name, "", "&$expand=instanceView", &path, &call.path, e))
        return -1;
    if (rest_do(&p->api.rest, &call, res, e)) {
        bool gone = e->kind == ERR_GONE;

        rest_res_clear(res);
        return gone ? 0 : -1;
    }
    if (azure_read_vm(&p->api, res->doc, &seen, e))
        return rest_nonsense(&p->api.rest, &call, e);
    if (strcasecmp(seen.name, name) != 0)
        return err_set(e, ERR_RETRY, "azure virtualMachines.get: asked for %.64s, the answer speaks of %.63s", name,
                       seen.name);
    if (azure_is_ours(res->doc, p->env->deployment, name))
        return 0;
    *taken = true;
    rest_res_clear(res);
    return 0;
}

struct counting {
    const struct provider *p;
    const char *name;
    size_t n;
    bool end; /* ask for the end of each */
    bool failed;
    struct err first; /* of those that could not be asked */
};

static int count_left(void *arg, const json_t *item, struct err *e)
{
    struct counting *c = arg;
    struct err cause;

    (void)e;
    if (!azure_is_ours(item, c->p->env->deployment, c->name))
        return 0;
    c->n++;
    if (c->end && azure_left_delete(&c->p->api, item, &cause) && !c->failed) {
        c->failed = true;
        c->first = cause;
    }
    return 0;
}

static int az_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const char *name = ref->id[0] != '\0' ? ref->id : ref->name;
    struct counting left = {.p = p, .name = name};
    struct instance found = *ref;
    bool taken;

    if (get_vm(p, name, &res, &taken, e))
        return -1;
    if (res.doc != NULL) {
        if (azure_read_vm(&p->api, res.doc, &found, e))
            return -1;
    } else {
        if (azure_left_each(&p->api, name, count_left, &left, e))
            return -1;
        found.state = left.n > 0 ? INSTANCE_STOPPED : INSTANCE_GONE;
        found.why = ERR_NONE;
        (void)snprintf(found.detail, sizeof(found.detail), "%s",
                       left.n > 0 ? "the machine is gone, but not yet its disk, network card or address" : "");
    }
    *out = found;
    return 0;
}

struct listing {
    struct provider *p;
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
    json_t *seen; /* names */
};

static int list_vm(void *arg, const json_t *item, struct err *e)
{
    struct listing *l = arg;
    const struct rest_call call = {.what = "virtualMachines.list"};
    struct instance i;

    if (!azure_is_ours(item, l->p->env->deployment, NULL))
        return 0;
    if (azure_read_vm(&l->p->api, item, &i, e))
        return rest_nonsense(&l->p->api.rest, &call, e);
    (void)json_object_set_new(l->seen, i.name, json_true());
    return l->each(l->arg, &i, e);
}

/* A part whose machine is not there counts as a machine that can be destroyed. One that was made since the machines
 * were listed is there: nobody may take it for what it left. */
static int list_left(void *arg, const json_t *item, struct err *e)
{
    struct listing *l = arg;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    const struct rest_call call = {.what = "resources.list"};
    const char *name = azure_tag(item, TAG_MACHINE);
    struct instance i = {.state = INSTANCE_STOPPED, .part = true, .detail = "left behind by a machine"};
    bool taken;

    if (!azure_is_ours(item, l->p->env->deployment, NULL) || json_object_get(l->seen, name) != NULL)
        return 0;
    if (azure_read_common(item, name, &i, e))
        return rest_nonsense(&l->p->api.rest, &call, e);
    if (get_vm(l->p, i.name, &res, &taken, e))
        return -1;
    if (res.doc != NULL)
        return list_vm(l, res.doc, e);
    (void)json_object_set_new(l->seen, i.name, json_true());
    return l->each(l->arg, &i, e);
}

static int az_list(struct provider *p, const char *region,
                   int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    AUTO_JSON json_t *seen = json_object();
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct listing l = {p, each, arg, seen};
    const char *text;

    if (region != NULL && azure_region_check(region, e))
        return -1;
    buf_addf(&path,
             "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachines"
             "?api-version=" AZURE_COMPUTE_API,
             p->api.subscription, p->api.group);
    return buf_str(&path, &text, e) || azure_each(&p->api, text, "virtualMachines.list", list_vm, &l, e) ||
                   azure_left_each(&p->api, NULL, list_left, &l, e)
               ? -1
               : 0;
}

/* ---- ending ---- */

static int delete_vm(const struct provider *p, const char *name, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct rest_call call = {
        .method = "DELETE", .what = "virtualMachines.delete", .ok = {200, 202, 204}, .no_answer = true};

    if (azure_vm_path(&p->api, name, "", "&forceDeletion=true", &path, &call.path, e))
        return -1;
    return rest_do(&p->api.rest, &call, &res, e) && e->kind != ERR_GONE ? -1 : 0;
}

/* One step towards the end: of the machine, and when that is gone of what it left. *left = false: nothing is there. */
static int end_step(const struct provider *p, const char *name, bool *left, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct counting parts = {.p = p, .name = name, .end = true};
    const char *state = NULL;
    bool taken;

    if (get_vm(p, name, &res, &taken, e))
        return -1;
    *left = res.doc != NULL;
    if (res.doc != NULL)
        return js_str(res.doc, "properties.provisioningState", &state, e) ||
                       (!text_ieq(state, "Deleting") && delete_vm(p, name, e))
                   ? -1
                   : 0;
    if (azure_left_each(&p->api, name, count_left, &parts, e))
        return -1;
    *left = parts.n > 0;
    if (parts.failed)
        *e = parts.first;
    return parts.failed ? -1 : 0;
}

static int az_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    bool left;

    return end_step(p, ref->id[0] != '\0' ? ref->id : ref->name, &left, e);
}

/* ---- launching ---- */

static struct rest_call creation(const struct launch_request *r, const char *path, const json_t *body)
{
    static const struct httpc_header only_new = {"If-None-Match", "*"};

    return (struct rest_call){.method = "PUT",
                              .path = path,
                              .what = "virtualMachines.createOrUpdate",
                              .body = body,
                              .headers = &only_new,
                              .n_headers = 1,
                              .hide = r->user_data,
                              .ok = {200, 201},
                              .creates = true};
}

static struct rest_call script_call(const struct launch_request *r)
{
    return (struct rest_call){.method = "PUT",
                              .what = "virtualMachineExtensions.createOrUpdate",
                              .hide = r->user_data,
                              .ok = {200, 201, 202},
                              .no_answer = true};
}

/* Is it known that the machine itself is gone or going? Its parts hold up nobody. */
static bool is_going(const struct provider *p, const char *name)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct instance seen;
    struct err ignored;
    bool taken;

    if (get_vm(p, name, &res, &taken, &ignored))
        return false;
    return res.doc == NULL || (azure_read_vm(&p->api, res.doc, &seen, &ignored) == 0 && seen.state == INSTANCE_ENDING);
}

/* What a refused launch left goes before the refusal is reported. made: it was accepted first. A machine whose end is
 * not under way keeps the outcome open, else no record would name it any more: the same try again finds it by its name.
 * Returns -1, with the refusal in *e. */
static int give_up(const struct provider *p, const char *name, bool made, struct err *e)
{
    struct poll w = poll_begin(p->env->pause, p->env->pause_arg, REMOVE_MS);
    struct err cause = {.kind = ERR_NONE}, over;
    bool left = true;

    for (;;) {
        int rc = end_step(p, name, &left, &cause);

        if ((rc == 0 && !left) || poll_pause(&w, rc != 0 ? cause.retry_after_s : 0, &over))
            break;
    }
    if (left) {
        size_t n = strlen(e->msg);

        (void)snprintf(e->msg + n, sizeof(e->msg) - n, "; what it may have left behind is still to be removed");
        if (made && !is_going(p, name)) {
            e->kind = ERR_RETRY;
            e->retry_after_s = 15;
        }
    }
    return -1;
}

/* Wait for the word that there is room. */
static int wait_vm(const struct provider *p, const struct launch_request *r, const struct rest_res *accepted,
                   struct instance *made, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    const struct rest_call call = {.what = "virtualMachines.createOrUpdate", .hide = r->user_data};
    bool windows = azure_has_script(r), done;
    const char *text;

    if (r->say != NULL)
        r->say(r->say_arg, "Azure makes the machine");
    if (azure_vm_path(&p->api, r->name, "", "&$expand=instanceView", &path, &text, e))
        return -1;
    if (azure_wait(&p->api, &call, accepted, text, windows ? WINDOWS_MS : ROOM_MS, &done, e))
        return give_up(p, r->name, true, e);
    if (!done && windows)
        return err_set(e, ERR_RETRY, "azure: the machine is still being made; its script is sent when it is up");
    made->state = done ? INSTANCE_RUNNING : INSTANCE_PENDING;
    return 0;
}

/* The name is taken: by this very machine, made by a try whose answer was lost? `refusal` is what it said. */
static int adopt(const struct provider *p, const struct launch_request *r, const struct err *refusal,
                 struct instance *made, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    bool taken;
    int rc;

    if (get_vm(p, r->name, &res, &taken, e))
        return -1;
    if (taken)
        return err_set(e, ERR_CONFLICT, "azure: the name %s is taken by a machine of somebody else", r->name);
    if (res.doc == NULL) {
        *e = *refusal;
        return -1;
    }
    if (azure_read_vm(&p->api, res.doc, made, e))
        return -1;
    if (made->state == INSTANCE_PENDING)
        return wait_vm(p, r, NULL, made, e);
    if (made->state == INSTANCE_STOPPED && made->detail[0] != '\0') {
        (void)azure_vm_refuse(&p->api, res.doc, e);
        return give_up(p, r->name, true, e);
    }
    if (made->state != INSTANCE_ENDING)
        return 0;
    rc = err_set(e, ERR_RETRY, "azure: an earlier machine of the name %s is still being removed", r->name);
    e->retry_after_s = 15;
    return rc;
}

static int put_vm(const struct provider *p, const struct launch_request *r, const json_t *body, struct instance *made,
                  struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    struct rest_call call;
    struct err refusal;
    const char *text;

    if (azure_vm_path(&p->api, r->name, "", "", &path, &text, e))
        return -1;
    call = creation(r, text, body);
    if (rest_do(&p->api.rest, &call, &res, &refusal)) {
        *e = refusal;
        if (refusal.kind == ERR_CONFLICT)
            return adopt(p, r, &refusal, made, e);
        return refusal.kind == ERR_CAPACITY || refusal.kind == ERR_QUOTA ? give_up(p, r->name, false, e) : -1;
    }
    if (azure_read_vm(&p->api, res.doc, made, e) || strcasecmp(made->name, r->name) != 0)
        return rest_nonsense(&p->api.rest, &call, e);
    return wait_vm(p, r, &res, made, e);
}

static int put_script(const struct provider *p, const struct launch_request *r, const struct azure_image_facts *facts,
                      struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX);
    AUTO_JSON json_t *body = NULL;
    struct rest_call call = script_call(r);

    if (azure_make_script(&p->place, r, facts, &body, e) ||
        azure_vm_path(&p->api, r->name, SCRIPT, "", &path, &call.path, e))
        return -1;
    call.body = body;
    if (rest_do(&p->api.rest, &call, &res, e) == 0)
        return 0;
    if (e->kind == ERR_CONFLICT)
        e->kind = ERR_RETRY; /* the machine is busy with something: not to be taken for ready */
    return err_is_passing(e) ? -1 : give_up(p, r->name, true, e);
}

static int az_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    return azure_check_spec(&p->place, s, e);
}

static int az_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    return azure_facts(&p->place, s, out, e);
}

static int az_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(AZURE_PATH_MAX), script_path = BUF_INIT(AZURE_PATH_MAX);
    AUTO_JSON json_t *body = NULL, *script = NULL;
    const struct azure_image_facts facts = AZURE_IMAGE_FACTS_INIT;
    struct launch_request shown = *r;
    struct rest_call call, run;
    const char *text;

    shown.user_data = NULL;
    if (az_check(p, r->spec, e) || azure_make_body(&p->place, &shown, &facts, &body, e) ||
        azure_make_script(&p->place, &shown, &facts, &script, e) ||
        azure_vm_path(&p->api, r->name, "", "", &path, &text, e) ||
        azure_image_show(&p->api, r->spec->image, azure_region_of(&p->place, r->spec), list, e))
        return -1;
    call = creation(&shown, text, body);
    if (rest_show(&p->api.rest, &call, "Authorization", list, e))
        return -1;
    if (!azure_has_script(r))
        return 0;
    run = script_call(&shown);
    run.body = script;
    return azure_vm_path(&p->api, r->name, SCRIPT, "", &script_path, &run.path, e)
               ? -1
               : rest_show(&p->api.rest, &run, "Authorization", list, e);
}

static int az_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    AUTO_AZURE_IMAGE_FACTS struct azure_image_facts facts = AZURE_IMAGE_FACTS_INIT;
    AUTO_JSON json_t *body = NULL;
    struct instance made = {.why = ERR_NONE};

    if (az_check(p, r->spec, e) || azure_check_request(r, e) ||
        azure_image_ask(&p->api, p->images, r->spec->image, azure_region_of(&p->place, r->spec), &facts, e) ||
        azure_make_body(&p->place, r, &facts, &body, e) || put_vm(p, r, body, &made, e) ||
        (azure_has_script(r) && put_script(p, r, &facts, e)))
        return -1;
    *out = made;
    return 0;
}

static int az_price(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    const struct azure_price_of what = {.region = azure_region_of(&p->place, s),
                                        .size = s->instance_type,
                                        .windows = azure_is_windows(s),
                                        .spot = s->spot};

    return az_check(p, s, e) || azure_price(&p->prices, &what, usd, e) ? -1 : 0;
}

const struct provider_ops provider_azure = {
    .name = "azure",
    .account_keys = account_keys,
    .user_data_max = AZURE_USER_DATA_MAX,
    .configured = az_configured,
    .open = az_open,
    .arch = azure_size_arch,
    .check = az_check,
    .facts = az_facts,
    .render = az_render,
    .launch = az_launch,
    .describe = az_describe,
    .destroy = az_destroy,
    .list = az_list,
    .price = az_price,
    .close = az_close,
};
