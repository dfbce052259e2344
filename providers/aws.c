/*
 * Amazon EC2 by its Query API: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/
 *
 * One machine is one RunInstances of exactly one instance. Its ClientToken is the request's token and the number of the
 * subnet tried, so a repetition finds the first result. Instance, volumes and network interface carry the same tags and
 * end together: the instance terminates when the guest powers off.
 */
#include "providers/common/aws_find.h"
#include "providers/common/aws_image.h"
#include "providers/common/aws_instance.h"
#include "providers/common/aws_price.h"
#include "providers/common/aws_profile.h"
#include "providers/common/aws_run.h"
#include "providers/common/memo.h"
#include "providers/common/places.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define MAX_TAGS 50
#define MAX_TAG_KEY 128
#define MAX_TAG_VALUE 256
#define MAX_TOKEN 48
#define MAX_SUBNETS 20
#define YOUNG_MS ((int64_t)3 * 60 * 1000)

static const struct conf_key account_keys[] = {
    {.name = "region",
     .type = CONF_STRING,
     .env = "AWS_REGION AWS_DEFAULT_REGION",
     .help = "where machines start when .cirun.yml names no region"},
    {.name = "access_key_id",
     .type = CONF_STRING,
     .env = "AWS_ACCESS_KEY_ID",
     .help = "without keys: web identity, shared files, container or instance role"},
    {.name = "secret_access_key", .type = CONF_SECRET, .env = "AWS_SECRET_ACCESS_KEY", .help = "its secret half"},
    {.name = "session_token",
     .type = CONF_SECRET,
     .env = "AWS_SESSION_TOKEN",
     .help = "when the keys are temporary ones"},
    {.name = "role_arn", .type = CONF_STRING, .help = "role to assume with these credentials"},
    {.name = "subnet_ids",
     .type = CONF_LIST,
     .help = "subnets of the account's region, tried in this order; none = the default network"},
    {.name = "security_group_ids", .type = CONF_LIST, .help = "security groups of the account's region"},
    {.name = "instance_profile", .type = CONF_STRING, .help = "name or ARN of the machines' instance profile"},
    {.name = "endpoint_url",
     .type = CONF_URL,
     .env = "AWS_ENDPOINT_URL_EC2 AWS_ENDPOINT_URL",
     .help = "EC2 endpoint instead of the region's own"},
    {.name = NULL}};

struct provider {
    const struct provider_env *env;
    char *region; /* NULL = none configured */
    const char *instance_profile;
    const char *const *subnets, *const *groups; /* borrowed from the conf */
    size_t n_subnets, n_groups;
    struct aws_creds_conf creds_conf;
    struct aws_creds *creds;
    struct aws_client client;
    struct cache *images;   /* what machine_image stood for */
    struct cache *progress; /* token -> number of the subnet tried last */
    struct cache *young;    /* ids launched so recently that EC2 may not know them everywhere yet */
};

static bool aws_configured(const struct provider_env *env)
{
    return aws_creds_in_env(env->getenv_fn, env->getenv_arg);
}

static void aws_close(struct provider *p)
{
    if (p == NULL)
        return;
    aws_creds_free(p->creds);
    cache_free(p->images);
    cache_free(p->progress);
    cache_free(p->young);
    free(p->region);
    free(p);
}

/* A session token belongs to the pair it came with: one from the environment does not go with keys from the file. */
static const struct secret *token_of(const struct conf *acct)
{
    bool keys_from_env = conf_has(acct, "access_key_id") && conf_origin(acct, "access_key_id")[0] == '$';
    bool token_from_env = conf_has(acct, "session_token") && conf_origin(acct, "session_token")[0] == '$';

    return keys_from_env == token_from_env ? conf_secret(acct, "session_token") : NULL;
}

/* The configured region, else the one of the shared files' profile; may stay NULL. */
static int find_region(struct provider *p, const struct conf *acct, struct err *e)
{
    AUTO_AWS_PROFILE struct aws_profile profile = {0};
    struct err ignored = {0};
    const char *region = conf_str(acct, "region");

    if (region == NULL && aws_profile_load(p->env->getenv_fn, p->env->getenv_arg, NULL, &profile, &ignored) == 0)
        region = profile.region;
    if (region != NULL && aws_region_check(region, e))
        return err_wrap(e, "clouds.aws.region");
    p->region = mem_strdup(region);
    return 0;
}

static int check_account(const struct conf *acct, struct err *e)
{
    const char *const *subnets;

    if (conf_has(acct, "access_key_id") != conf_has(acct, "secret_access_key"))
        return err_set(e, ERR_INVALID,
                       "clouds.aws: access_key_id and secret_access_key go together: set both or neither");
    if (conf_list(acct, "subnet_ids", &subnets) > MAX_SUBNETS)
        return err_set(e, ERR_INVALID, "clouds.aws.subnet_ids: at most %d", MAX_SUBNETS);
    return 0;
}

static int aws_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct provider *p;

    if (check_account(acct, e))
        return -1;
    p = mem_zalloc(sizeof(*p));
    p->env = env;
    if (find_region(p, acct, e)) {
        aws_close(p);
        return -1;
    }
    p->instance_profile = conf_str(acct, "instance_profile");
    p->n_subnets = conf_list(acct, "subnet_ids", &p->subnets);
    p->n_groups = conf_list(acct, "security_group_ids", &p->groups);
    p->creds_conf = (struct aws_creds_conf){.http = env->http,
                                            .getenv_fn = env->getenv_fn,
                                            .getenv_arg = env->getenv_arg,
                                            .region = p->region,
                                            .access_key_id = conf_str(acct, "access_key_id"),
                                            .secret_access_key = conf_secret(acct, "secret_access_key"),
                                            .session_token = token_of(acct),
                                            .role_arn = conf_str(acct, "role_arn"),
                                            .timeout_ms = env->timeout_ms};
    p->creds = aws_creds_new(&p->creds_conf);
    p->client = (struct aws_client){.http = env->http,
                                    .creds = p->creds,
                                    .getenv_fn = env->getenv_fn,
                                    .getenv_arg = env->getenv_arg,
                                    .ec2_url = conf_str(acct, "endpoint_url"),
                                    .timeout_ms = env->timeout_ms};
    p->images = aws_image_cache_new();
    p->progress = memo_new();
    p->young = memo_new();
    *out = p;
    return 0;
}

static const char *aws_arch(const char *instance_type)
{
    return strcmp(aws_type_arch(instance_type), "arm64") == 0 ? "arm64" : "x64";
}

/* ---- what a machine shall be ---- */

/* It goes into a host name and comes from .cirun.yml: checked before every use. */
static int region_of(const struct provider *p, const char *asked, const char **out, struct err *e)
{
    const char *region = asked != NULL && *asked != '\0' ? asked : p->region;

    if (region == NULL)
        return err_set(e, ERR_INVALID, "no region: name one in .cirun.yml, clouds.aws.region or AWS_REGION");
    if (aws_region_check(region, e))
        return -1;
    *out = region;
    return 0;
}

static int aws_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    const char *region = NULL;

    if (region_of(p, s->region, &region, e) || aws_type_check(s->instance_type, e))
        return -1;
    if (s->image == NULL)
        return err_set(e, ERR_INVALID,
                       "machine_image is missing: name an AMI (ami-...) or an alias such as ubuntu2204");
    if (aws_image_check(s->image, aws_type_arch(s->instance_type), e))
        return -1;
    return aws_disks_check(s->extra, e);
}

static int aws_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    const char *region = NULL;
    char owned[300];

    memset(out, 0, sizeof(*out));
    if (aws_check(p, s, e) || region_of(p, s->region, &region, e))
        return -1;
    aws_image_owned(s->image, aws_type_arch(s->instance_type), owned);
    if (fact_add(&out->region, e, "%s", region) || fact_add(&out->type, e, "%s", s->instance_type) ||
        fact_add(&out->image, e, "%s", s->image))
        return -1;
    return owned[0] != '\0' ? fact_add(&out->image, e, "%s", owned) : 0;
}

static int check_request(const struct launch_request *r, struct err *e)
{
    if (secret_len(r->user_data) > AWS_USER_DATA_MAX)
        return err_set(e, ERR_INVALID, "user-data of %zu bytes: EC2 takes at most %d", secret_len(r->user_data),
                       AWS_USER_DATA_MAX);
    if (*r->token == '\0' || strlen(r->token) > MAX_TOKEN)
        return err_set(e, ERR_BUG, "a launch needs a token of 1 to %d characters", MAX_TOKEN);
    if (r->n_tags > MAX_TAGS)
        return err_set(e, ERR_INVALID, "%zu tags: EC2 takes at most %d", r->n_tags, MAX_TAGS);
    for (size_t i = 0; i < r->n_tags; i++) {
        const struct tag *t = &r->tags[i];

        if (*t->key == '\0' || strlen(t->key) > MAX_TAG_KEY || strlen(t->value) > MAX_TAG_VALUE ||
            text_has_prefix(t->key, "aws:"))
            return err_set(e, ERR_INVALID,
                           "tag %.40s: EC2 takes keys of %d and values of %d bytes, and no key that "
                           "begins with aws:",
                           t->key, MAX_TAG_KEY, MAX_TAG_VALUE);
    }
    return 0;
}

/* ---- looking for machines ---- */

/* What is read off each <item> that is ours. */
struct looking {
    const struct provider *p;
    const char *region, *name; /* name NULL = any */
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
};

static bool tag_is(const struct xml_node *item, const char *key, const char *value)
{
    const char *found = aws_item_tag(item, key);

    return found != NULL && strcmp(found, value) == 0;
}

/* The cloud's filter is not trusted: what is found here may be destroyed. */
static int look_at(void *arg, const struct xml_node *item, struct err *e)
{
    const struct looking *l = arg;
    struct instance i;

    if (!tag_is(item, TAG_DEPLOYMENT, l->p->env->deployment) ||
        (l->name != NULL && !tag_is(item, TAG_MACHINE, l->name)))
        return 0;
    return aws_instance_read(item, l->region, &i, e) ? -1 : l->each(l->arg, &i, e);
}

static void filter_ours(struct aws_find *f, const struct provider *p, const char *name)
{
    aws_find_filter(f, "tag:" TAG_DEPLOYMENT, &p->env->deployment, 1);
    if (name != NULL)
        aws_find_filter(f, "tag:" TAG_MACHINE, &name, 1);
}

static int aws_list(struct provider *p, const char *region,
                    int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    AUTO_AWS_FIND struct aws_find f = AWS_FIND_INIT;
    struct looking l = {.p = p, .each = each, .arg = arg};

    if (region_of(p, region, &l.region, e))
        return -1;
    filter_ours(&f, p, NULL);
    aws_find_alive(&f);
    return aws_find_each(&p->client, l.region, &f, look_at, &l, e);
}

static int aws_regions(struct provider *p, int (*each)(void *arg, const char *region, struct err *e), void *arg,
                       struct err *e)
{
    return aws_find_regions(&p->client, p->region != NULL ? p->region : "us-east-1", each, arg, e);
}

struct wanted {
    const char *region, *id;
    struct instance *out;
};

static int keep_wanted(void *arg, const struct xml_node *item, struct err *e)
{
    const struct wanted *w = arg;
    struct instance i;

    if (aws_instance_read(item, w->region, &i, e))
        return -1;
    if (strcmp(i.id, w->id) != 0)
        return err_set(e, ERR_RETRY, "ec2 DescribeInstances: asked for %.40s, the answer speaks of %.40s", w->id, i.id);
    *w->out = i;
    return 0;
}

/* What EC2 terminated stays known for an hour: one it never heard of, minutes after the launch, is not gone but not
 * visible yet. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html */
static bool is_young(const struct provider *p, const char *id)
{
    size_t ignored;

    return memo_get(p->young, id, &ignored);
}

/* found->id stays empty when there is none. */
static int find(const struct provider *p, const char *region, const struct instance *ref, struct instance *found,
                struct err *e)
{
    AUTO_AWS_FIND struct aws_find f = AWS_FIND_INIT;
    struct looking l = {.p = p, .region = region, .name = ref->name, .each = instance_keep_best, .arg = found};
    struct wanted w = {.region = region, .id = ref->id, .out = found};

    if (ref->id[0] != '\0') {
        if (aws_find_id(&p->client, region, ref->id, keep_wanted, &w, e))
            return -1;
        if (found->id[0] == '\0' && is_young(p, ref->id)) {
            *found = *ref;
            found->state = INSTANCE_PENDING;
        }
        return 0;
    }
    filter_ours(&f, p, ref->name);
    return aws_find_each(&p->client, region, &f, look_at, &l, e);
}

static int aws_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = {.why = ERR_NONE};
    const char *region = NULL;

    if (region_of(p, ref->region, &region, e) || find(p, region, ref, &found, e))
        return -1;
    if (found.id[0] == '\0')
        found = instance_gone(ref);
    *out = found;
    return 0;
}

/* ---- ending ---- */

static int terminate(const struct provider *p, const char *region, const char *id, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    struct aws_fault fault;
    const char *ended;

    aws_form_begin(&form, "TerminateInstances", AWS_EC2_VERSION);
    aws_form_add(&form, id, "InstanceId.1");
    if (aws_client_ec2(&p->client, region, "TerminateInstances", &form, NULL, &doc, &fault, e)) {
        if (strcmp(fault.code, "InvalidInstanceID.NotFound") != 0)
            return -1;
        return is_young(p, id) ? err_set(e, ERR_RETRY, "ec2 TerminateInstances: %.40s is not visible yet", id) : 0;
    }
    ended = xml_text(xml_root(doc), "instancesSet/item/instanceId");
    if (ended == NULL || strcmp(ended, id) != 0)
        return err_set(e, ERR_RETRY, "ec2 TerminateInstances: the answer does not speak of %.40s", id);
    cache_drop(p->young, id, NULL);
    return 0;
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

static int aws_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    AUTO_AWS_FIND struct aws_find f = AWS_FIND_INIT;
    struct ending d = {.p = p};
    struct looking l = {.p = p, .name = ref->name, .each = terminate_found, .arg = &d};

    if (region_of(p, ref->region, &d.region, e))
        return -1;
    if (ref->id[0] != '\0')
        return terminate(p, d.region, ref->id, e);
    l.region = d.region;
    filter_ours(&f, p, ref->name);
    aws_find_alive(&f);
    return aws_find_each(&p->client, d.region, &f, look_at, &l, e);
}

/* ---- launching ---- */

static void add_tags(struct buf *form, const struct launch_request *r)
{
    static const char *const types[] = {"instance", "volume", "network-interface", "spot-instances-request"};
    size_t n = ARRAY_LEN(types) - (r->spec->spot ? 0 : 1);

    for (size_t i = 0; i < n; i++) {
        aws_form_add(form, types[i], "TagSpecification.%zu.ResourceType", i + 1);
        for (size_t t = 0; t < r->n_tags; t++) {
            aws_form_add(form, r->tags[t].key, "TagSpecification.%zu.Tag.%zu.Key", i + 1, t + 1);
            aws_form_add(form, r->tags[t].value, "TagSpecification.%zu.Tag.%zu.Value", i + 1, t + 1);
        }
        if (i == 0 && spec_pulls(r->spec)) {
            /* as Cirun tells an image its runner's name */
            aws_form_add(form, "Name", "TagSpecification.%zu.Tag.%zu.Key", i + 1, r->n_tags + 1);
            aws_form_add(form, r->name, "TagSpecification.%zu.Tag.%zu.Value", i + 1, r->n_tags + 1);
        }
    }
    if (spec_pulls(r->spec))
        aws_form_add(form, "enabled", "MetadataOptions.InstanceMetadataTags");
}

/* One try: everything that RunInstances is told. Subnets and groups exist in the account's own region only. */
struct attempt {
    struct provider *p;
    const struct launch_request *r;
    const char *region;
    struct aws_image image;
    bool at_home;
    size_t n_subnets; /* 0 = the default network */
    struct instance *out;
};

static void client_token(const struct attempt *a, size_t subnet, char out[64])
{
    (void)snprintf(out, 64, "%s-%zu", a->r->token, subnet);
}

static int launch_form(struct buf *form, const struct attempt *a, size_t subnet, struct err *e)
{
    const struct provider *p = a->p;
    const struct machine_spec *s = a->r->spec;
    char token[64];
    struct aws_run run = {.image = &a->image,
                          .instance_type = s->instance_type,
                          .client_token = token,
                          .profile = p->instance_profile,
                          .subnet = a->n_subnets > 0 ? p->subnets[subnet] : NULL,
                          .groups = p->groups,
                          .n_groups = a->at_home ? p->n_groups : 0,
                          .spot = s->spot,
                          .pulls = spec_pulls(s),
                          .extra = s->extra,
                          .user_data = a->r->user_data};

    client_token(a, subnet, token);
    if (aws_run_form(form, &run, e))
        return -1;
    add_tags(form, a->r);
    return 0;
}

static int run_instance(const struct attempt *a, size_t subnet, struct instance *out, struct err *e)
{
    AUTO(buf_wipe) struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    const struct xml_node *item;
    struct aws_fault fault;
    struct instance made;

    if (launch_form(&form, a, subnet, e))
        return -1;
    if (aws_client_ec2(&a->p->client, a->region, "RunInstances", &form, a->r->user_data, &doc, &fault, e))
        return -1;
    item = xml_find(xml_root(doc), "instancesSet/item");
    if (item == NULL)
        return err_set(e, ERR_RETRY, "ec2 RunInstances: the answer makes no sense: no instance in it");
    if (aws_instance_read(item, a->region, &made, e))
        return err_wrap(e, "ec2 RunInstances");
    if (memo_set(a->p->young, made.id, 0, YOUNG_MS, e))
        return -1;
    *out = made;
    return 0;
}

/* With one DescribeInstances over the tokens of all subnets. */
static int find_earlier(void *arg, bool *found, struct err *e)
{
    const struct attempt *a = arg;
    AUTO_AWS_FIND struct aws_find f = AWS_FIND_INIT;
    struct instance one = {.why = ERR_NONE};
    struct looking l = {.p = a->p, .region = a->region, .name = a->r->name, .each = instance_keep_best, .arg = &one};
    char tokens[MAX_SUBNETS][64];
    const char *values[MAX_SUBNETS];

    for (size_t i = 0; i < a->n_subnets; i++) {
        client_token(a, i, tokens[i]);
        values[i] = tokens[i];
    }
    aws_find_filter(&f, "client-token", values, a->n_subnets);
    if (aws_find_each(&a->p->client, a->region, &f, look_at, &l, e))
        return -1;
    *found = one.id[0] != '\0';
    if (*found)
        *a->out = one;
    return 0;
}

static int try_subnet(void *arg, size_t subnet, struct err *e)
{
    const struct attempt *a = arg;

    return run_instance(a, subnet, a->out, e);
}

/* Everything of an attempt but its image. */
static int attempt_begin(struct provider *p, const struct launch_request *r, struct attempt *a, struct err *e)
{
    *a = (struct attempt){.p = p, .r = r};
    if (aws_check(p, r->spec, e) || check_request(r, e) || region_of(p, r->spec->region, &a->region, e))
        return -1;
    a->at_home = p->region != NULL && strcmp(a->region, p->region) == 0;
    a->n_subnets = a->at_home ? p->n_subnets : 0;
    return 0;
}

static int aws_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    const char *arch = r->spec->instance_type != NULL ? aws_type_arch(r->spec->instance_type) : NULL;
    struct attempt a;

    if (attempt_begin(p, r, &a, e) ||
        aws_image_resolve(&p->client, p->images, a.region, r->spec->image, arch, &a.image, e))
        return -1;
    a.out = out;
    return places_try(&(struct places){.memo = p->progress,
                                       .token = r->token,
                                       .n = a.n_subnets,
                                       .first_try = r->first_try,
                                       .find = find_earlier,
                                       .attempt = try_subnet,
                                       .arg = &a},
                      e);
}

/* One request for each subnet: the next one is made where the one before found no room. */
static int aws_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    AUTO_BUF struct buf url = BUF_INIT(1024);
    struct launch_request shown = *r;
    struct attempt a;
    const char *text;

    shown.user_data = NULL;
    if (attempt_begin(p, &shown, &a, e) || aws_client_ec2_url(&p->client, a.region, &url, e))
        return -1;
    buf_addc(&url, '/');
    (void)snprintf(a.image.id, sizeof(a.image.id), text_has_prefix(r->spec->image, "ami-") ? "%s" : "<image %.20s>",
                   r->spec->image);
    for (size_t subnet = 0; subnet == 0 || subnet < a.n_subnets; subnet++) {
        AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);

        if (buf_str(&url, &text, e) || launch_form(&form, &a, subnet, e) || aws_form_show(text, &form, list, e))
            return -1;
    }
    return 0;
}

static int aws_price_now(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    struct aws_price_of what = {
        .instance_type = s->instance_type, .windows = s->os != NULL && strcmp(s->os, "windows") == 0, .spot = s->spot};

    return aws_check(p, s, e) || region_of(p, s->region, &what.region, e) || aws_price(&p->client, &what, usd, e) ? -1
                                                                                                                  : 0;
}

const struct provider_ops provider_aws = {
    .name = "aws",
    .account_keys = account_keys,
    .user_data_max = AWS_USER_DATA_MAX,
    .configured = aws_configured,
    .open = aws_open,
    .arch = aws_arch,
    .check = aws_check,
    .facts = aws_facts,
    .render = aws_render,
    .launch = aws_launch,
    .describe = aws_describe,
    .destroy = aws_destroy,
    .list = aws_list,
    .regions = aws_regions,
    .price = aws_price_now,
    .close = aws_close,
};
