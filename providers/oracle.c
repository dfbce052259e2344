/*
 * Oracle Cloud Compute: https://docs.oracle.com/en-us/iaas/api/#/en/iaas/20160918/Instance/
 *
 * One machine is one LaunchInstance. Its opc-retry-token is the request's token and the availability domain tried, so a
 * repetition finds the first result; a region's domains are tried in turn. Lists know neither tags nor "alive": both
 * are told apart here. One code says both "gone" and "not permitted": what is not found is gone only when the list of
 * machines can be read. The boot volume ends with its machine.
 */
#include "providers/common/memo.h"
#include "providers/common/oci_catalog.h"
#include "providers/common/oci_instance.h"
#include "providers/common/oci_launch.h"
#include "providers/common/places.h"
#include "providers/provider.h"
#include "server/base/crypto.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_TAGS 10
#define MAX_TAG_KEY 100
#define MAX_TAG_VALUE 256
#define MAX_TOKEN 48
#define INSTANCES "/20160918/instances"
#define PAGE_SIZE "100"

static const struct conf_key account_keys[] = {
    {.name = "region",
     .type = CONF_STRING,
     .env = "OCI_CLI_REGION",
     .help = "where machines start when .cirun.yml names no region; none = as in ~/.oci/config"},
    {.name = "tenancy",
     .type = CONF_STRING,
     .env = "OCI_CLI_TENANCY",
     .help = "OCID; without user and key: ~/.oci/config, or the machine's own instance principal"},
    {.name = "user", .type = CONF_STRING, .env = "OCI_CLI_USER", .help = "OCID of the user whose key this is"},
    {.name = "fingerprint", .type = CONF_STRING, .env = "OCI_CLI_FINGERPRINT", .help = "of the user's API key"},
    {.name = "private_key", .type = CONF_SECRET, .env = "OCI_CLI_KEY_CONTENT", .help = "the user's API key, PEM"},
    {.name = "pass_phrase", .type = CONF_SECRET, .env = "OCI_CLI_PASSPHRASE", .help = "of an encrypted private_key"},
    {.name = "compartment_id",
     .type = CONF_STRING,
     .env = "OCI_COMPARTMENT_ID",
     .help = "OCID of the machines' compartment; none = the tenancy's root"},
    {.name = "subnet_id",
     .type = CONF_STRING,
     .env = "OCI_SUBNET_ID",
     .help = "OCID of the subnet that machines are put into; needed"},
    {.name = "nsg_ids", .type = CONF_LIST, .help = "OCIDs of network security groups"},
    {.name = "assign_public_ip",
     .type = CONF_BOOL,
     .help = "give machines a public address; unset = as the subnet says"},
    {.name = "endpoint_url", .type = CONF_URL, .help = "API instead of the region's own, for all services"},
    {.name = NULL}};

struct provider {
    const struct provider_env *env;
    const struct conf *acct;
    struct oci_profile profile;
    struct oci_creds_conf creds_conf;
    struct oci_account account;
    const char *region, *subnet; /* region NULL = none configured */
    struct cache *catalog;       /* availability domains, images */
    struct cache *progress;      /* token -> number of the domain tried last */
};

static bool oracle_configured(const struct provider_env *env)
{
    const char *subnet = env->getenv_fn(env->getenv_arg, "OCI_SUBNET_ID");

    return subnet != NULL && *subnet != '\0' && oci_creds_in_env(env->getenv_fn, env->getenv_arg);
}

static void oracle_close(struct provider *p)
{
    if (p == NULL)
        return;
    oci_creds_free(p->account.creds);
    oci_profile_clear(&p->profile);
    cache_free(p->catalog);
    cache_free(p->progress);
    free(p);
}

/* ---- the account ---- */

/* An OCID of the settings; `shown` stands for it where requests are only shown. The root compartment is the tenancy. */
static int find_ocid(const struct provider *p, const char *name, const char *kind, const char *shown, const char **id,
                     struct err *e)
{
    bool is_compartment = strcmp(kind, "compartment") == 0;

    if (conf_str(p->acct, name) != NULL)
        *id = conf_str(p->acct, name);
    if (*id == NULL && p->env->http != NULL)
        return err_set(e, ERR_INVALID, "clouds.oracle.%s is missing: name the OCID of a %s", name, kind);
    if (*id != NULL && !oci_is_ocid(*id, kind) && !(is_compartment && oci_is_ocid(*id, "tenancy")))
        return err_set(e, ERR_INVALID, "clouds.oracle.%s is not written like ocid1.%s.oc1..aaaa", name, kind);
    *id = *id != NULL ? *id : shown;
    return 0;
}

static int find_account(struct provider *p, struct err *e)
{
    const char *tenancy = conf_str(p->acct, "tenancy"), *region = conf_str(p->acct, "region");
    char ignored_region[OCI_REGION_SIZE];
    bool ignored;

    p->region = region != NULL ? region : p->profile.region;
    p->account.compartment = tenancy != NULL ? tenancy : p->profile.tenancy;
    if (find_ocid(p, "subnet_id", "subnet", "<subnet_id>", &p->subnet, e) ||
        find_ocid(p, "compartment_id", "compartment", "<compartment_id>", &p->account.compartment, e))
        return -1;
    if (p->region != NULL && oci_region_of(p->region, ignored_region, &ignored, e))
        return err_wrap(e, "clouds.oracle.region");
    oci_domain(p->subnet, p->account.domain);
    return 0;
}

static int oracle_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct provider *p = mem_zalloc(sizeof(*p));
    struct err later; /* a broken profile is told when it is needed */

    p->env = env;
    p->acct = acct;
    if (oci_profile_load(env->getenv_fn, env->getenv_arg, &p->profile, &later))
        p->profile = (struct oci_profile){0};
    if (find_account(p, e)) {
        oracle_close(p);
        return -1;
    }
    p->creds_conf = (struct oci_creds_conf){.http = env->http,
                                            .getenv_fn = env->getenv_fn,
                                            .getenv_arg = env->getenv_arg,
                                            .tenancy = conf_str(acct, "tenancy"),
                                            .user = conf_str(acct, "user"),
                                            .fingerprint = conf_str(acct, "fingerprint"),
                                            .private_key = conf_secret(acct, "private_key"),
                                            .pass_phrase = conf_secret(acct, "pass_phrase"),
                                            .timeout_ms = env->timeout_ms};
    p->account.http = env->http;
    p->account.endpoint_url = conf_str(acct, "endpoint_url");
    p->account.creds = oci_creds_new(&p->creds_conf);
    p->account.private_key = p->creds_conf.private_key;
    p->account.pass_phrase = p->creds_conf.pass_phrase;
    p->account.timeout_ms = env->timeout_ms;
    p->catalog = oci_catalog_new();
    p->progress = memo_new();
    *out = p;
    return 0;
}

/* ---- what a machine shall be ---- */

/* Region and, if `region` of .cirun.yml names one, availability domain (else NULL). */
struct place {
    char region[OCI_REGION_SIZE];
    const char *domain;
};

static int place_of(const struct provider *p, const char *asked, struct place *out, struct err *e)
{
    const char *own = p->region != NULL || p->env->http != NULL ? p->region : "<region>";
    const char *text = asked != NULL && *asked != '\0' ? asked : own;
    bool is_domain = false;

    if (text == NULL)
        return err_set(e, ERR_INVALID, "no region: name one in .cirun.yml, clouds.oracle.region or ~/.oci/config");
    if (*text == '<')
        (void)snprintf(out->region, sizeof(out->region), "%s", text);
    else if (oci_region_of(text, out->region, &is_domain, e))
        return -1;
    out->domain = is_domain ? text : NULL;
    return 0;
}

static int read_shape(const struct machine_spec *s, struct oci_shape *out, struct err *e)
{
    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID,
                       "instance_type is missing: name a shape such as VM.GPU.A10.1 or VM.Standard.E4.Flex:4:16");
    if (oci_shape_parse(s->instance_type, s->extra, out, e))
        return -1;
    if (s->spot && text_has_prefix(s->instance_type, "BM."))
        return err_set(e, ERR_INVALID, "preemptible: Oracle has no preemptible bare metal such as %.64s",
                       s->instance_type);
    return 0;
}

static int oracle_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    struct place place;
    struct oci_shape shape;

    if (place_of(p, s->region, &place, e) || read_shape(s, &shape, e))
        return -1;
    if (s->image == NULL)
        return err_set(e, ERR_INVALID, "machine_image is missing: name an image's OCID or an alias such as ubuntu2204");
    return oci_image_check(s->image, e);
}

static int oracle_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    struct oci_shape shape;
    struct place at;

    if (oracle_check(p, s, e) || place_of(p, s->region, &at, e) || read_shape(s, &shape, e))
        return -1;
    return oracle_facts_make(at.region, at.domain, &shape, s->image, out, e);
}

static int check_request(const struct launch_request *r, struct err *e)
{
    if (secret_len(r->user_data) > OCI_USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: Oracle Cloud takes at most %zu",
                       secret_len(r->user_data), OCI_USER_DATA_MAX);
    if (*r->token == '\0' || strlen(r->token) > MAX_TOKEN)
        return err_set(e, ERR_BUG, "a launch needs a token of 1 to %d characters", MAX_TOKEN);
    if (r->n_tags > MAX_TAGS)
        return err_set(e, ERR_INVALID, "%zu tags: Oracle Cloud takes at most %d", r->n_tags, MAX_TAGS);
    for (size_t i = 0; i < r->n_tags; i++) {
        if (*r->tags[i].key == '\0' || strlen(r->tags[i].key) > MAX_TAG_KEY || strlen(r->tags[i].value) > MAX_TAG_VALUE)
            return err_set(e, ERR_INVALID, "tag %.40s: Oracle Cloud takes keys of %d and values of %d characters",
                           r->tags[i].key, MAX_TAG_KEY, MAX_TAG_VALUE);
    }
    return 0;
}

/* One try: everything that LaunchInstance is told. */
struct attempt {
    struct provider *p;
    const struct launch_request *r;
    struct place place;
    struct oci_shape shape;
    char image[OCI_IMAGE_SIZE];
    const struct oci_domains *domains; /* of the region; NULL = the place's own domain */
    struct instance *out;
};

static int make_body(const struct attempt *a, const char *domain, json_t **out, struct err *e)
{
    const struct conf *acct = a->p->acct;
    AUTO_JSON json_t *tags = json_object();
    struct oci_launch l = {.compartment = a->p->account.compartment,
                           .domain = domain,
                           .name = a->r->name,
                           .shape = &a->shape,
                           .image = a->image,
                           .subnet = a->p->subnet,
                           .spot = a->r->spec->spot,
                           .tags = tags,
                           .pulls = spec_pulls(a->r->spec),
                           .user_data = a->r->user_data};

    for (size_t i = 0; i < a->r->n_tags; i++)
        (void)json_object_set_new(tags, a->r->tags[i].key, json_string(a->r->tags[i].value));
    l.n_groups = conf_list(acct, "nsg_ids", &l.groups);
    l.public_ip = !conf_has(acct, "assign_public_ip")   ? OCI_IP_AS_SUBNET
                  : conf_bool(acct, "assign_public_ip") ? OCI_IP_PUBLIC
                                                        : OCI_IP_PRIVATE;
    return oci_launch_body(&l, out, e);
}

/* ---- looking for machines ---- */

struct looking {
    const struct provider *p;
    const char *region, *name; /* name NULL = any */
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
    struct oci_api api;
};

/* Tags cannot be asked for, and names are anybody's: what is found here may be destroyed. What ended stays listed for a
 * while. */
static int look_at(void *arg, const json_t *item, struct err *e)
{
    const struct rest_call call = {.what = "ListInstances"};
    const struct looking *l = arg;
    struct instance i;
    const char *id;

    if (js_str(item, "id", &id, e))
        return rest_nonsense(&l->api.rest, &call, e);
    if (!oracle_tag_is(item, TAG_DEPLOYMENT, l->p->env->deployment) ||
        (l->name != NULL && !oracle_tag_is(item, TAG_MACHINE, l->name)))
        return 0;
    if (oracle_instance_read(item, l->region, &i, e))
        return rest_nonsense(&l->api.rest, &call, e);
    return i.state == INSTANCE_GONE ? 0 : l->each(l->arg, &i, e);
}

static int look(struct looking *l, struct err *e)
{
    AUTO_BUF struct buf path = BUF_INIT(2048);
    const char *text;

    oci_api_init(&l->p->account, "iaas", l->region, &l->api);
    buf_addf(&path, INSTANCES "?compartmentId=%s&limit=" PAGE_SIZE, l->p->account.compartment);
    if (l->name != NULL) {
        buf_adds(&path, "&displayName=");
        text_url_escape(&path, l->name, strlen(l->name));
    }
    return buf_str(&path, &text, e) || oci_each(&l->api, "ListInstances", text, look_at, l, e) ? -1 : 0;
}

static int oracle_list(struct provider *p, const char *region,
                       int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    struct looking l = {.p = p, .each = each, .arg = arg};
    struct place place;

    if (place_of(p, region, &place, e))
        return -1;
    l.region = place.region;
    return look(&l, e);
}

static int oracle_regions(struct provider *p, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                          struct err *e)
{
    const char *own = conf_str(p->acct, "tenancy");

    return oci_regions_each(&p->account, own != NULL ? own : p->profile.tenancy, p->region, each, arg, e);
}

/* found->id stays empty when there is none. */
static int find_by_name(const struct provider *p, const char *region, const char *name, struct instance *found,
                        struct err *e)
{
    struct looking l = {.p = p, .region = region, .name = name, .each = instance_keep_best, .arg = found};

    return look(&l, e);
}

/* May the account read what machines there are? Then one that is not found is gone. */
static int check_permission(const struct provider *p, const struct oci_api *api, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {.method = "GET", .what = "ListInstances"};
    char path[400];

    (void)snprintf(path, sizeof(path), INSTANCES "?compartmentId=%.255s&limit=1", p->account.compartment);
    call.path = path;
    return rest_do(&api->rest, &call, &res, e);
}

/* An id comes from the store or from a person, and goes into a path. */
static int check_id(const char *id, struct err *e)
{
    return oci_is_ocid(id, "instance") ? 0 : err_set(e, ERR_INVALID, "\"%.40s\" is no OCID of an instance", id);
}

static int find_by_id(const struct provider *p, const char *region, const char *id, struct instance *found,
                      struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {.method = "GET", .what = "GetInstance"};
    struct oci_api api;
    char path[300];

    if (check_id(id, e))
        return -1;
    oci_api_init(&p->account, "iaas", region, &api);
    (void)snprintf(path, sizeof(path), INSTANCES "/%.255s", id);
    call.path = path;
    if (rest_do(&api.rest, &call, &res, e))
        return oci_said(&res, 404, "NotAuthorizedOrNotFound") ? check_permission(p, &api, e) : -1;
    if (oracle_instance_read(res.doc, region, found, e))
        return rest_nonsense(&api.rest, &call, e);
    if (strcmp(found->id, id) != 0)
        return err_set(e, ERR_RETRY, "oracle GetInstance: asked for %.100s, the answer speaks of another", id);
    return 0;
}

static int oracle_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = {.why = ERR_NONE};
    struct place place;

    if (place_of(p, ref->region, &place, e) ||
        (ref->id[0] != '\0' ? find_by_id(p, place.region, ref->id, &found, e)
                            : find_by_name(p, place.region, ref->name, &found, e)))
        return -1;
    if (found.id[0] == '\0')
        found = instance_gone(ref);
    *out = found;
    return 0;
}

/* ---- ending ---- */

/* A refusal of an end does not count when the machine has ended, which Oracle may say in several ways. */
static int is_ended(const struct provider *p, const char *region, const char *id, const struct err *refusal,
                    struct err *e)
{
    struct instance found = {.why = ERR_NONE};

    if (find_by_id(p, region, id, &found, e))
        return -1;
    if (found.id[0] == '\0' || found.state >= INSTANCE_ENDING)
        return 0;
    *e = *refusal;
    return -1;
}

static int terminate(const struct provider *p, const char *region, const char *id, struct err *e)
{
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    struct rest_call call = {.method = "DELETE", .what = "TerminateInstance", .ok = {204}};
    struct oci_api api;
    struct err refusal;
    char path[400];

    if (check_id(id, e))
        return -1;
    oci_api_init(&p->account, "iaas", region, &api);
    (void)snprintf(path, sizeof(path),
                   INSTANCES "/%.255s?preserveBootVolume=false&preserveDataVolumesCreatedAtLaunch=false", id);
    call.path = path;
    if (rest_do(&api.rest, &call, &res, &refusal) == 0)
        return 0;
    if (oci_said(&res, 404, "NotAuthorizedOrNotFound") || oci_said(&res, 409, "IncorrectState"))
        return is_ended(p, region, id, &refusal, e);
    *e = refusal;
    return -1;
}

struct ending {
    const struct provider *p;
    const char *region;
};

static int terminate_found(void *arg, const struct instance *i, struct err *e)
{
    const struct ending *d = arg;

    return terminate(d->p, d->region, i->id, e);
}

static int oracle_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    struct place place;
    struct ending d = {.p = p, .region = place.region};
    struct looking l = {.p = p, .region = place.region, .name = ref->name, .each = terminate_found, .arg = &d};

    if (place_of(p, ref->region, &place, e))
        return -1;
    return ref->id[0] != '\0' ? terminate(p, place.region, ref->id, e) : look(&l, e);
}

/* ---- launching ---- */

/* The launch's token and a mark of the domain: each domain has its own, whatever order they are listed in. */
static void retry_token(const struct launch_request *r, const char *domain, char out[65])
{
    unsigned char digest[CRYPTO_SHA256_LEN];
    char hex[2 * CRYPTO_SHA256_LEN + 1];

    crypto_sha256(domain, strlen(domain), digest);
    text_hex(digest, sizeof(digest), hex);
    (void)snprintf(out, 65, "%.48s-%.8s", r->token, *domain == '<' ? "<domain>" : hex);
}

static const char *domain_of(const struct attempt *a, size_t number)
{
    return a->domains != NULL ? a->domains->names[number] : a->place.domain;
}

static const struct rest_call creation = {
    .method = "POST", .path = INSTANCES, .what = "LaunchInstance", .n_headers = 1, .creates = true};

/* What the launch names, or the launch itself, may not be there or not be permitted: the first is the specification's
 * fault, the second the account's. */
static int explain_not_found(const struct attempt *a, const struct oci_api *api, struct err *e)
{
    struct err probe;

    if (check_permission(a->p, api, &probe) == 0)
        e->kind = ERR_INVALID;
    else if (probe.kind != ERR_AUTH)
        *e = probe;
    return -1;
}

static int launch_in(void *arg, size_t number, struct err *e)
{
    const struct attempt *a = arg;
    AUTO_REST_RES struct rest_res res = REST_RES_INIT;
    AUTO_JSON json_t *body = NULL;
    char token[65];
    struct httpc_header header = {"opc-retry-token", token};
    struct rest_call call = creation;
    struct instance made;
    struct oci_api api;

    oci_api_init(&a->p->account, "iaas", a->place.region, &api);
    retry_token(a->r, domain_of(a, number), token);
    if (make_body(a, domain_of(a, number), &body, e))
        return -1;
    call.body = body;
    call.headers = &header;
    call.hide = a->r->user_data;
    if (rest_do(&api.rest, &call, &res, e)) {
        bool unclear = oci_said(&res, 404, "NotAuthorizedOrNotFound") && e->kind == ERR_AUTH;

        return unclear ? explain_not_found(a, &api, e) : -1;
    }
    if (oracle_instance_read(res.doc, a->place.region, &made, e))
        return rest_nonsense(&api.rest, &call, e);
    (void)snprintf(made.name, sizeof(made.name), "%s", a->r->name);
    *a->out = made;
    return 0;
}

static int find_earlier(void *arg, bool *found, struct err *e)
{
    const struct attempt *a = arg;
    struct instance one = {.why = ERR_NONE};

    if (find_by_name(a->p, a->place.region, a->r->name, &one, e))
        return -1;
    *found = one.id[0] != '\0';
    if (*found)
        *a->out = one;
    return 0;
}

static int oracle_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct attempt a = {.p = p, .r = r, .out = out};

    if (oracle_check(p, r->spec, e) || check_request(r, e) || place_of(p, r->spec->region, &a.place, e) ||
        read_shape(r->spec, &a.shape, e))
        return -1;
    if (a.place.domain == NULL) {
        if (oci_domains_get(&p->account, p->catalog, a.place.region, &ref, e))
            return -1;
        a.domains = cache_value(ref);
    }
    if (oci_image_resolve(&p->account, p->catalog, a.place.region, r->spec->image, a.shape.name, a.image, e))
        return -1;
    return places_try(&(struct places){.memo = p->progress,
                                       .token = r->token,
                                       .n = a.domains != NULL ? a.domains->n : 1,
                                       .first_try = r->first_try,
                                       .own_limits = true,
                                       .find = find_earlier,
                                       .attempt = launch_in,
                                       .arg = &a},
                      e);
}

/* One request, for each availability domain in turn. */
static int oracle_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_JSON json_t *body = NULL;
    struct launch_request shown = *r;
    struct attempt a = {.p = p, .r = &shown};
    char domain[100], token[65];
    struct httpc_header header = {"opc-retry-token", token};
    struct rest_call call = creation;
    struct oci_api api;

    shown.user_data = NULL;
    if (oracle_check(p, r->spec, e) || place_of(p, r->spec->region, &a.place, e) || read_shape(r->spec, &a.shape, e))
        return -1;
    (void)snprintf(domain, sizeof(domain), a.place.domain != NULL ? "%s" : "<each availability domain of %s>",
                   a.place.domain != NULL ? a.place.domain : a.place.region);
    (void)snprintf(a.image, sizeof(a.image), oci_is_ocid(r->spec->image, NULL) ? "%s" : "<newest image %s>",
                   r->spec->image);
    oci_api_init(&p->account, "iaas", a.place.region, &api);
    retry_token(&shown, domain, token);
    if (make_body(&a, domain, &body, e))
        return -1;
    call.body = body;
    call.headers = &header;
    return rest_show(&api.rest, &call, "Authorization", list, e);
}

const struct provider_ops provider_oracle = {
    .name = "oracle",
    .account_keys = account_keys,
    .user_data_max = OCI_USER_DATA_MAX,
    .configured = oracle_configured,
    .open = oracle_open,
    .arch = oci_shape_arch,
    .check = oracle_check,
    .facts = oracle_facts,
    .render = oracle_render,
    .launch = oracle_launch,
    .describe = oracle_describe,
    .destroy = oracle_destroy,
    .list = oracle_list,
    .regions = oracle_regions,
    .close = oracle_close,
};
