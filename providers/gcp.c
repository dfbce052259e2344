/*
 * Google Compute Engine: https://cloud.google.com/compute/docs/reference/rest/v1
 *
 * An insert is answered by an operation, and what Google refuses (no room, a quota) shows in the operation, on HTTP
 * 200: it is looked at until it is done, for a minute and a half at most. A repeated insert is recognised by its
 * requestId, made from the token, and by the name, which is unique in a zone.
 *
 * The id of a machine is its path, "projects/P/zones/Z/instances/NAME": extra_config may name another project than the
 * account's, of those that the operator lists; lists and looks by name go there too. A machine that powered itself off
 * is TERMINATED, which means stopped: its disk costs until it is deleted.
 */
#include "providers/common/gcp_list.h"
#include "providers/common/gcp_machine.h"
#include "providers/common/gcp_spec.h"
#include "providers/common/google_creds.h"
#include "providers/common/poll.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define API_URL "https://compute.googleapis.com"
#define USER_DATA_MAX ((size_t)256 * 1024)
#define WAIT_MS (90 * 1000)

static const struct conf_key account_keys[] = {
    {.name = "zone",
     .type = CONF_STRING,
     .env = "CLOUDSDK_COMPUTE_ZONE",
     .help = "where machines start when .cirun.yml names no region"},
    {.name = "credentials_file",
     .type = CONF_PATH,
     .env = "GOOGLE_APPLICATION_CREDENTIALS",
     .help = "key of a service account; none = gcloud's own login, then the service account of this machine"},
    {.name = "project",
     .type = CONF_STRING,
     .env = "GOOGLE_CLOUD_PROJECT CLOUDSDK_CORE_PROJECT",
     .help = "where machines are made; none = the project of the key or of this machine"},
    {.name = "projects",
     .type = CONF_LIST,
     .help = "other projects that extra_config.project_id may name; none = none"},
    {.name = "network",
     .type = CONF_STRING,
     .help = "a network's name, or the path of a network or subnetwork; none = default"},
    {.name = "endpoint_url", .type = CONF_URL, .def = API_URL, .help = "API instead of Google's own"},
    {.name = "token_url", .type = CONF_URL, .help = "where access tokens are fetched instead of what the key says"},
    {.name = NULL}};

struct provider {
    const struct provider_env *env;
    const char *zone, *project, *network; /* NULL = not set */
    struct google_creds *creds;           /* NULL: opened to show only, and there are none */
    struct rest_client api;
    size_t n_others;
    const char *const *others; /* projects beside the account's own */
};

/* ---- the account ---- */

static bool gcp_configured(const struct provider_env *env)
{
    const char *file = env->getenv_fn(env->getenv_arg, "GOOGLE_APPLICATION_CREDENTIALS");

    return file != NULL && *file != '\0';
}

static void gcp_close(struct provider *p)
{
    if (p == NULL)
        return;
    google_creds_free(p->creds);
    free(p);
}

static int check_account(const struct conf *acct, struct err *e)
{
    const char *zone = conf_str(acct, "zone"), *project = conf_str(acct, "project"),
               *network = conf_str(acct, "network");
    const char *const *others;
    size_t n = conf_list(acct, "projects", &others);

    if (zone != NULL && gcp_zone_check(zone, e))
        return err_wrap(e, "clouds.gcp.zone");
    if (project != NULL && gcp_project_check(project, e))
        return err_wrap(e, "clouds.gcp.project");
    for (size_t i = 0; i < n; i++) {
        if (gcp_project_check(others[i], e))
            return err_wrap(e, "clouds.gcp.projects");
    }
    return network != NULL && gcp_network_check(network, e) ? err_wrap(e, "clouds.gcp.network") : 0;
}

static int open_creds(const struct conf *acct, const struct provider_env *env, struct google_creds **out, struct err *e)
{
    const struct google_creds_conf c = {.http = env->http,
                                        .getenv_fn = env->getenv_fn,
                                        .getenv_arg = env->getenv_arg,
                                        .file = conf_str(acct, "credentials_file"),
                                        .token_url = conf_str(acct, "token_url"),
                                        .timeout_ms = env->timeout_ms};

    if (google_creds_open(&c, out, e) == 0)
        return 0;
    if (env->http == NULL) {
        *out = NULL;
        return 0;
    }
    return err_wrap(e, "clouds.gcp.credentials_file");
}

static int gcp_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct google_creds *creds;
    struct provider *p;

    if (check_account(acct, e) || open_creds(acct, env, &creds, e))
        return -1;
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->zone = conf_str(acct, "zone");
    p->project = conf_str(acct, "project");
    p->network = conf_str(acct, "network");
    p->creds = creds;
    p->n_others = conf_list(acct, "projects", &p->others);
    p->api = (struct rest_client){.http = env->http,
                                  .dialect = &gcp_dialect,
                                  .base = conf_str(acct, "endpoint_url"),
                                  .auth = bearer_auth,
                                  .auth_arg = creds != NULL ? google_creds_bearer(creds) : NULL,
                                  .timeout_ms = env->timeout_ms};
    for (size_t i = 0; i < ARRAY_LEN(p->api.secrets) && creds != NULL; i++)
        p->api.secrets[i] = google_creds_secret(creds, i);
    *out = p;
    return 0;
}

/* ---- where ---- */

/* The account's own project as far as its settings tell, or NULL. */
static const char *set_project(const struct provider *p)
{
    return p->project == NULL && p->creds != NULL ? google_creds_project(p->creds) : p->project;
}

/* The account's own project, which may have to be asked for; "<project>" in a request that is only shown. */
static int home_project(const struct provider *p, bool show, char out[GCP_PROJECT_SIZE], struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const char *project = set_project(p);

    if (project == NULL && show)
        project = "<project>";
    if (project == NULL) {
        if (google_creds_machine_project(p->creds, &ref, e))
            return -1;
        project = cache_value(ref);
    }
    (void)snprintf(out, GCP_PROJECT_SIZE, "%s", project);
    return 0;
}

/* May a file name this project? home: the account's own, NULL = not known. Machines elsewhere would neither be paid for
 * by whom the operator thinks, nor be found again. */
static int check_project(const struct provider *p, const char *project, const char *home, struct err *e)
{
    bool fits = (home != NULL && strcmp(project, home) == 0) || (p->env->http == NULL && p->n_others == 0);

    for (size_t i = 0; i < p->n_others; i++)
        fits = fits || strcmp(p->others[i], project) == 0;
    if (fits)
        return 0;
    return err_set(
        e, ERR_INVALID,
        "extra_config.project_id: \"%.63s\" is not the account's own project, and the operator does not list it "
        "in clouds.gcp.projects",
        project);
}

static int zone_of(const struct provider *p, const char *region, char out[64], struct err *e)
{
    const char *zone = region != NULL && *region != '\0' ? region : p->zone;

    if (zone == NULL && p->env->http == NULL)
        zone = "<zone>";
    else if (zone == NULL)
        return err_set(e, ERR_INVALID, "region is missing: name a zone such as us-central1-a, or set clouds.gcp.zone");
    else if (gcp_zone_check(zone, e))
        return -1;
    (void)snprintf(out, 64, "%s", zone);
    return 0;
}

/* Where a launch goes to. show: without network. */
static int locate(const struct provider *p, const struct launch_request *r, bool show, struct gcp_vm *out,
                  struct err *e)
{
    const char *project;

    if (gcp_project_of(r->spec, &project, e) || zone_of(p, r->spec->region, out->zone, e) ||
        home_project(p, show, out->project, e))
        return -1;
    if (project != NULL && check_project(p, project, out->project, e))
        return -1;
    if (project != NULL)
        (void)snprintf(out->project, GCP_PROJECT_SIZE, "%s", project);
    (void)snprintf(out->name, sizeof(out->name), "%s", r->name);
    return 0;
}

static struct gcp_place place_of(const struct provider *p, const struct gcp_vm *vm)
{
    return (struct gcp_place){.project = vm->project, .zone = vm->zone, .network = p->network};
}

/* ---- what a machine shall be ---- */

static int check_request(const struct launch_request *r, struct err *e)
{
    size_t n = strlen(r->name);

    if (secret_len(r->user_data) > USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: Google Cloud takes at most %zu",
                       secret_len(r->user_data), USER_DATA_MAX);
    if (n == 0 || n > 63 || r->name[0] < 'a' || r->name[0] > 'z' || r->name[n - 1] == '-' ||
        !rest_is_id(r->name, "-", 63))
        return err_set(e, ERR_INVALID, "the name %.63s is none that Google Cloud takes", r->name);
    return 0;
}

/* What reaches beyond the new machine: the rights of an account, disks with somebody's data, networks of the inside. */
static int check_rights(const struct provider *p, const struct machine_spec *s, struct err *e)
{
    static const struct {
        const char *key, *gives;
    } keys[] = {
        {"serviceAccounts", "gives the job their rights"},
        {"existingDisk", "gives the job what is on it"},
        {"networkInterfaces", "puts the job into a network of its choice"},
    };

    for (size_t i = 0; i < ARRAY_LEN(keys) && !p->env->allow_privileged; i++) {
        if (json_object_get(s->extra, keys[i].key) != NULL)
            return err_set(e, ERR_INVALID, "extra_config.%s %s: policy.allow_privileged does not allow it", keys[i].key,
                           keys[i].gives);
    }
    return 0;
}

/* The whole body is made, for its mistakes; the project does not matter to them. */
static int gcp_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    const struct launch_request r = {.spec = s, .name = "check"};
    AUTO_JSON json_t *body = NULL;
    struct gcp_image image;
    struct gcp_place at = {.project = "<project>", .network = p->network};
    const char *project, *home = set_project(p);
    char zone[64];

    if (gcp_spec_check(s, e) || zone_of(p, s->region, zone, e) || gcp_project_of(s, &project, e) ||
        check_rights(p, s, e))
        return -1;
    /* a project that only the metadata service tells is known when the machine is launched */
    if (project != NULL && (home != NULL || p->n_others > 0 || p->creds == NULL) && check_project(p, project, home, e))
        return -1;
    at.zone = zone;
    return gcp_body(&at, &r, &image, &body, e);
}

static int gcp_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    const char *project, *home = set_project(p);
    char zone[64];

    if (gcp_check(p, s, e) || zone_of(p, s->region, zone, e) || gcp_project_of(s, &project, e))
        return -1;
    project = project != NULL ? project : home != NULL ? home : "<project>";
    return gcp_facts_make(&(struct gcp_place){.project = project, .zone = zone}, s, out, e);
}

/* ---- looking for machines ---- */

/* What was seen of one machine. */
struct sight {
    struct instance i; /* id "" = there is none */
    bool ours;         /* it carries the tags of this deployment and of this machine */
    bool spot;
};

static int find(const struct provider *p, const struct gcp_vm *vm, struct sight *out, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(1024);
    struct rest_call call = {.method = "GET", .what = "instances.get"};

    *out = (struct sight){.i = {.why = ERR_NONE}};
    if (gcp_vm_path(vm, &path, &call.path, e))
        return -1;
    if (rest_do(&p->api, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (gcp_machine_read(res.doc, vm->project, &out->i, e))
        return rest_nonsense(&p->api, &call, e);
    if (strcmp(out->i.name, vm->name) != 0 || strcmp(out->i.region, vm->zone) != 0)
        return err_set(e, ERR_RETRY, "gcp instances.get: asked for %s, the answer speaks of %s", vm->name, out->i.name);
    out->ours = gcp_is_ours(p->env->deployment, res.doc, vm->name);
    out->spot = gcp_is_spot(res.doc);
    return 0;
}

/* The i-th project to look into, the account's own first; there is one more than others. */
static int nth_project(const struct provider *p, size_t i, char out[GCP_PROJECT_SIZE], struct err *e)
{
    if (i == 0)
        return home_project(p, false, out, e);
    (void)snprintf(out, GCP_PROJECT_SIZE, "%s", p->others[i - 1]);
    return 0;
}

/* In the zone of the reference, in each project; *vm is where it was found. */
static int find_by_name(struct provider *p, const struct instance *ref, struct gcp_vm *vm, struct sight *out,
                        struct err *e)
{
    if (zone_of(p, ref->region, vm->zone, e))
        return -1;
    if (!rest_is_id(ref->name, "-", 63))
        return err_set(e, ERR_INVALID, "\"%.63s\" is not the name of an instance", ref->name);
    (void)snprintf(vm->name, sizeof(vm->name), "%s", ref->name);
    for (size_t i = 0; i <= p->n_others; i++) {
        if (nth_project(p, i, vm->project, e) || find(p, vm, out, e))
            return -1;
        if (out->ours)
            return 0;
    }
    *out = (struct sight){.i = {.why = ERR_NONE}};
    return 0;
}

/* Whether Google took a machine back shows in an operation of the zone. What cannot be learned stays unsaid. */
static void tell_why(const struct provider *p, const struct gcp_vm *vm, struct instance *i)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(1024), filter = BUF_INIT(512);
    struct rest_call call = {.method = "GET", .what = "zoneOperations.list"};
    struct err ignored;

    buf_addf(&filter, "(operationType eq \"" GCP_PREEMPTED "\") (targetLink eq \".*/instances/%s\")", vm->name);
    buf_addf(&path, "/compute/v1/projects/%s/zones/%s/operations?maxResults=1&filter=", vm->project, vm->zone);
    text_url_escape(&path, filter.p, filter.len);
    if (buf_str(&path, &call.path, &ignored) || rest_do(&p->api, &call, &res, &ignored) ||
        !gcp_was_preempted(res.doc, vm->name))
        return;
    i->why = ERR_CAPACITY;
    (void)snprintf(i->detail, sizeof(i->detail), "Google took it back (spot)");
}

static int gcp_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct sight seen;
    struct gcp_vm vm;

    if (ref->id[0] != '\0' ? gcp_vm_parse(ref->id, &vm, e) || find(p, &vm, &seen, e)
                           : find_by_name(p, ref, &vm, &seen, e))
        return -1;
    if (seen.i.id[0] == '\0') {
        seen.i = instance_gone(ref);
        seen.spot = ref->id[0] != '\0'; /* it may have been */
    }
    if (seen.spot &&
        (seen.i.state == INSTANCE_STOPPED || seen.i.state == INSTANCE_ENDING || seen.i.state == INSTANCE_GONE))
        tell_why(p, &vm, &seen.i);
    *out = seen.i;
    return 0;
}

/* ---- the list ---- */

/* All zones at once, whatever region is asked for. */
static int gcp_list(struct provider *p, const char *region,
                    int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    char project[GCP_PROJECT_SIZE];
    const struct gcp_list l = {.api = &p->api, .deployment = p->env->deployment, .each = each, .arg = arg};

    if (region != NULL && gcp_zone_check(region, e))
        return -1;
    for (size_t i = 0; i <= p->n_others; i++) {
        if (nth_project(p, i, project, e) || gcp_list_project(&l, project, e))
            return -1;
    }
    return 0;
}

/* ---- ending ---- */

static int end_machine(const struct provider *p, const struct gcp_vm *vm, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_BUF struct buf path = BUF_INIT(1024);
    struct rest_call call = {.method = "DELETE", .what = "instances.delete"};
    struct gcp_operation o;

    if (gcp_vm_path(vm, &path, &call.path, e))
        return -1;
    if (rest_do(&p->api, &call, &res, e))
        return e->kind == ERR_GONE ? 0 : -1;
    if (gcp_operation_read(res.doc, &o, e))
        return rest_nonsense(&p->api, &call, e);
    if (o.done && o.code != NULL && o.status != 404)
        return rest_refuse(&p->api, &call, o.status, o.code, o.message, e);
    return 0;
}

static int gcp_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    struct sight seen;
    struct gcp_vm vm;

    if (ref->id[0] != '\0')
        return gcp_vm_parse(ref->id, &vm, e) || end_machine(p, &vm, e) ? -1 : 0;
    if (find_by_name(p, ref, &vm, &seen, e))
        return -1;
    return seen.i.id[0] != '\0' ? end_machine(p, &vm, e) : 0;
}

/* ---- launching ---- */

/* Everything that one launch is about. */
struct launch {
    struct provider *p;
    const struct launch_request *r;
    struct gcp_vm vm;
    struct rest_call call;
    struct instance made;
};

static int make_insert(const struct provider *p, const struct launch_request *r, const struct gcp_vm *vm,
                       struct buf *path, json_t **body, struct rest_call *call, struct err *e)
{
    const struct gcp_place at = place_of(p, vm);
    struct gcp_image image;
    char id[37];

    if (gcp_body(&at, r, &image, body, e))
        return -1;
    gcp_request_id(p->env->deployment, r->token, id);
    buf_addf(path, "/compute/v1/projects/%s/zones/%s/instances?requestId=%s", vm->project, vm->zone, id);
    if (image.machine) {
        buf_adds(path, "&sourceMachineImage=");
        text_url_escape(path, image.path, strlen(image.path));
    }
    *call = (struct rest_call){
        .method = "POST", .what = "instances.insert", .body = *body, .hide = r->user_data, .creates = true};
    return buf_str(path, &call->path, e);
}

static int gcp_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    AUTO_BUF struct buf path = BUF_INIT(4096);
    struct launch_request shown = *r;
    struct rest_call call;
    struct gcp_vm vm;

    shown.user_data = NULL;
    if (gcp_check(p, r->spec, e) || locate(p, r, true, &vm, e) || make_insert(p, &shown, &vm, &path, &body, &call, e))
        return -1;
    return rest_show(&p->api, &call, "Authorization", list, e);
}

/* The name is taken: by what an earlier try of this launch made, or by somebody else's machine. */
static int adopt(struct launch *l, struct err *e)
{
    struct sight seen;

    if (find(l->p, &l->vm, &seen, e))
        return -1;
    if (seen.i.id[0] == '\0')
        return err_set(e, ERR_RETRY, "gcp instances.insert: the name %s was taken a moment ago, and is not now",
                       l->vm.name);
    if (!seen.ours)
        return err_set(e, ERR_CONFLICT,
                       "gcp instances.insert: the name %s is taken in %s by a machine of somebody else", l->vm.name,
                       l->vm.zone);
    if (seen.i.state == INSTANCE_ENDING) {
        int rc = err_set(e, ERR_RETRY, "gcp instances.insert: an earlier machine of the name %s is still being removed",
                         l->vm.name);

        e->retry_after_s = 15;
        return rc;
    }
    l->made = seen.i;
    return 0;
}

/* Nothing of a launch that failed shall stay; Google itself removes most of it. What cannot be looked for or removed
 * keeps the outcome open: the same try again finds the failed operation and comes here once more. A token whose
 * operation failed is used up: repeating it, which ERR_THROTTLED asks for, would only find that operation. */
static int end_failed(const struct launch *l, struct err *e)
{
    struct sight seen;
    struct err ignored;

    if (find(l->p, &l->vm, &seen, &ignored) || (seen.ours && end_machine(l->p, &l->vm, &ignored))) {
        e->kind = ERR_RETRY;
        e->retry_after_s = 0;
        return err_wrap(e, "what it may have left is still to be removed");
    }
    if (e->kind == ERR_THROTTLED)
        e->kind = ERR_CAPACITY;
    return -1;
}

/* One more look at the operation of that name; what cannot be seen is not done. */
static void look_again(const struct launch *l, struct rest_res *res, struct gcp_operation *o, const char *name)
{
    AUTO_BUF struct buf path = BUF_INIT(1024);
    struct rest_call call = {.method = "GET", .what = "zoneOperations.get", .hide = l->r->user_data};
    struct err ignored;

    *o = (struct gcp_operation){.name = name};
    buf_addf(&path, "/compute/v1/projects/%s/zones/%s/operations/%s", l->vm.project, l->vm.zone, name);
    if (buf_str(&path, &call.path, &ignored) || rest_do(&l->p->api, &call, res, &ignored) ||
        gcp_operation_read(res->doc, o, &ignored))
        return; /* the machine may well be on its way: a later look tells */
}

/* Until the operation is done, for a while; it stays not done when its outcome is open. */
static void wait_for(const struct launch *l, struct rest_res *res, struct gcp_operation *o)
{
    struct poll w = poll_begin(l->p->env->pause, l->p->env->pause_arg, WAIT_MS);
    char name[129];
    struct err ignored;

    (void)snprintf(name, sizeof(name), "%s", o->name);
    while (!o->done && poll_pause(&w, httpc_retry_after_s(&res->http), &ignored) == 0)
        look_again(l, res, o, name);
}

static int settle(struct launch *l, struct rest_res *res, struct err *e)
{
    struct gcp_operation o;

    if (gcp_operation_read(res->doc, &o, e))
        return rest_nonsense(&l->p->api, &l->call, e);
    wait_for(l, res, &o);
    if (o.done && o.code != NULL) {
        if (rest_refuse(&l->p->api, &l->call, o.status, o.code, o.message, e) && e->kind == ERR_CONFLICT)
            return adopt(l, e);
        return end_failed(l, e);
    }
    l->made.state = o.done ? INSTANCE_RUNNING : INSTANCE_PENDING;
    gcp_vm_put(&l->vm, &l->made);
    return 0;
}

static int gcp_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    AUTO_BUF struct buf path = BUF_INIT(4096);
    struct launch l = {.p = p, .r = r, .made = {.why = ERR_NONE}};
    int rc;

    if (gcp_check(p, r->spec, e) || check_request(r, e) || locate(p, r, false, &l.vm, e) ||
        make_insert(p, r, &l.vm, &path, &body, &l.call, e))
        return -1;
    rc = rest_do(&p->api, &l.call, &res, e);
    if (rc == 0)
        rc = settle(&l, &res, e);
    else if (e->kind == ERR_CONFLICT)
        rc = adopt(&l, e);
    if (rc == 0)
        *out = l.made;
    return rc;
}

const struct provider_ops provider_gcp = {
    .name = "gcp",
    .account_keys = account_keys,
    .user_data_max = USER_DATA_MAX,
    .configured = gcp_configured,
    .open = gcp_open,
    .arch = gcp_arch,
    .check = gcp_check,
    .facts = gcp_facts,
    .render = gcp_render,
    .launch = gcp_launch,
    .describe = gcp_describe,
    .destroy = gcp_destroy,
    .list = gcp_list,
    .close = gcp_close,
};
