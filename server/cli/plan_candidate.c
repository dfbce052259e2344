/* The candidates of a job: each as the request that would be sent, with its GPU, or why it is skipped. */
#include "providers/common/gpu_catalog.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/cli/plan_int.h"
#include "server/config/plan.h"
#include "server/engine/policy.h"
#include "server/engine/price.h"

#include <stdio.h>
#include <string.h>

#define NAME "muster-01example0machine0name00000" /* of a machine that nobody launches */

static const struct cloud_account *account_of(const struct planning *p, const char *cloud)
{
    for (size_t i = 0; i < p->conf->n_clouds; i++) {
        if (strcmp(p->conf->clouds[i].ops->name, cloud) == 0)
            return &p->conf->clouds[i];
    }
    return NULL;
}

/* http NULL: nothing is asked. */
static struct provider_env env_of(const struct planning *p, struct httpc *http)
{
    return (struct provider_env){.http = http,
                                 .deployment = conf_str(p->conf->server, "deployment"),
                                 .allow_privileged = conf_bool(p->conf->policy, "allow_privileged"),
                                 .getenv_fn = conf_getenv_process};
}

static int render(const struct planning *p, const struct machine_spec *s, size_t number, json_t *requests,
                  struct err *e)
{
    const struct cloud_account *a = account_of(p, s->cloud);
    const struct provider_env env = env_of(p, NULL);
    int64_t lifetime_s = conf_int(p->conf->limits, "lifetime") / 1000;
    int64_t overtime_s = conf_int(p->conf->limits, "overtime") / 1000;
    char expires[24], token[64];
    const struct tag tags[] = {{TAG_DEPLOYMENT, env.deployment},
                               {TAG_MACHINE, NAME},
                               {TAG_JOB, "1"},
                               {TAG_REPOSITORY, p->repository != NULL ? p->repository : "owner/name"},
                               {TAG_EXPIRES, expires}};
    const struct launch_request r = {.spec = s,
                                     .name = NAME,
                                     .token = token,
                                     .lifetime_s = lifetime_s + overtime_s,
                                     .first_try = true,
                                     .tags = tags,
                                     .n_tags = ARRAY_LEN(tags)};
    struct provider *provider = NULL;
    struct policy policy;
    int rc;

    if (a == NULL)
        return err_set(e, ERR_INVALID, "this build has no cloud %s", s->cloud);
    (void)snprintf(token, sizeof(token), NAME "-%zu-0", number);
    (void)snprintf(expires, sizeof(expires), "%lld", (long long)(clock_now_ms() / 1000 + lifetime_s));
    if (a->ops->open(a->conf, &env, &provider, e))
        return -1;
    policy_read(p->conf->policy, &policy);
    policy.offline = true;
    rc = a->ops->check(provider, s, e) || policy_check(&policy, a->ops, provider, s, prices_known(s), e) ||
                 a->ops->render(provider, &r, requests, e)
             ? -1
             : 0;
    a->ops->close(provider);
    return rc;
}

/* --online: what an hour costs. usd < 0: the cloud does not tell. */
static int ask_price(const struct planning *p, const struct machine_spec *s, double *usd, struct err *e)
{
    const struct cloud_account *a = account_of(p, s->cloud);
    const struct provider_env env = env_of(p, p->http);
    struct provider *provider = NULL;
    int rc;

    *usd = -1;
    if (a == NULL || a->ops->price == NULL)
        return 0;
    if (a->ops->open(a->conf, &env, &provider, e))
        return -1;
    rc = a->ops->price(provider, s, usd, e);
    a->ops->close(provider);
    return rc;
}

static int add_price(const struct planning *p, const struct machine_spec *s, json_t *one, struct err *e)
{
    json_t *price = NULL;
    struct err why;
    double usd;

    if (p->http == NULL)
        return 0;
    if (ask_price(p, s, &usd, &why)) {
        if (js_pack(e, &price, "s", why.msg) || json_object_set_new(one, "price_unknown", price) != 0)
            return -1;
        return 0;
    }
    if (usd >= 0 && json_object_set_new(one, "price_usd_hour", json_real(usd)) != 0)
        return err_set(e, ERR_BUG, "the price could not be added");
    return 0;
}

/*
 * A region that the cloud has, to look at all else where neither the file nor the settings here name one: who writes a
 * workflow need not have the settings of the account, which has its own.
 */
static const char *some_region(const char *cloud)
{
    static const char *const regions[][2] = {{"aws", "us-east-1"},       {"gcp", "us-central1-a"},
                                             {"azure", "eastus"},        {"digitalocean", "nyc3"},
                                             {"oracle", "us-phoenix-1"}, {"openstack", "RegionOne"}};

    for (size_t i = 0; i < ARRAY_LEN(regions); i++) {
        if (strcmp(regions[i][0], cloud) == 0)
            return regions[i][1];
    }
    return NULL;
}

/* Could it be launched? In a workflow's table the account's own region counts as known. */
static bool is_usable(const struct planning *p, const struct machine_spec *s, size_t number, json_t *requests,
                      struct err *why)
{
    struct machine_spec somewhere = *s;
    AUTO_JSON json_t *unused = json_array();
    struct err ignored;

    if (render(p, s, number, requests, why) == 0)
        return true;
    somewhere.region = some_region(s->cloud);
    return !p->requests && !conf_has(p->conf->policy, "allowed_regions") && s->region == NULL &&
           somewhere.region != NULL && render(p, &somewhere, number, unused, &ignored) == 0;
}

/* What the catalogue knows of the GPUs that the machine would have; NULL: nothing, or none. */
static const struct gpu_type *gpus_of(const struct machine_spec *s)
{
    if (s->instance_type == NULL)
        return NULL;
    if (s->gpu != NULL && gpu_catalog_takes_attached(s->cloud, s->instance_type))
        return gpu_catalog_attached(s->cloud, s->gpu, s->gpus, s->gpu_memory_gb);
    return gpu_catalog_find(s->cloud, s->instance_type);
}

/* Model, count and memory, as far as they are known. Of Vast.ai the type itself says it. */
static int add_gpus(json_t *one, const struct machine_spec *s, struct err *e)
{
    const struct gpu_type *t = gpus_of(s);
    char name[GPU_MODEL_MAX];
    struct err ignored;
    json_t *gpus = NULL;
    int count;

    if (t != NULL && !(t->attached && s->gpu == NULL)) {
        if (js_pack(e, &gpus, "{s:s, s:i, s:i, s:i}", "model", t->gpu, "count", t->gpus, "memory_gb", t->gpu_memory_gb,
                    "slice", t->slice))
            return -1;
    } else if (strcmp(s->cloud, "vast_ai") == 0 && s->instance_type != NULL &&
               gpu_vast_type(s->instance_type, &count, name, &ignored) == 0) {
        if (js_pack(e, &gpus, "{s:s, s:i}", "model", name, "count", count))
            return -1;
    }
    if (gpus != NULL && json_object_set_new(one, "gpus", gpus) != 0)
        return err_set(e, ERR_BUG, "the GPUs could not be added");
    return 0;
}

static int add_candidate(const struct planning *p, const struct machine_spec *s, const struct cirun_runner *r,
                         json_t *list, size_t *n_usable, struct err *e)
{
    AUTO_JSON json_t *requests = json_array(), *one = NULL;
    struct err why;
    bool usable = is_usable(p, s, json_array_size(list), requests, &why);

    if (js_pack(e, &one, "{s:s, s:s*, s:s, s:s*, s:s*, s:s*, s:s*, s:b, s:n, s:s*, s:O*}", "runner", r->name, "team",
                r->team, "cloud", s->cloud, "region", s->region, "instance_type", s->instance_type, "image", s->image,
                "gpu", s->gpu, "spot", s->spot ? 1 : 0, "price_usd_hour", "skipped", usable ? NULL : why.msg,
                "requests", usable && p->requests ? requests : NULL) ||
        add_gpus(one, s, e) || add_price(p, s, one, e))
        return -1;
    *n_usable += usable ? 1 : 0;
    (void)json_array_append(list, one);
    return 0;
}

/* One runner's chain, by the plan that a job would carry. */
static int add_runner(const struct planning *p, const struct cirun_runner *r, json_t *list, size_t *n_usable,
                      struct err *e)
{
    AUTO_PLAN struct plan plan = {0};
    AUTO_FREE char *text = NULL;

    if (plan_build(NULL, 0, &r, 1, &text, e) || plan_parse(text, &plan, e))
        return -1;
    for (size_t i = 0; i < plan.n; i++) {
        if (add_candidate(p, &plan.specs[i], r, list, n_usable, e))
            return -1;
    }
    return 0;
}

int plan_candidates(const struct planning *p, const struct cirun_runner *const *runners, size_t n, json_t *list,
                    size_t *n_usable, struct err *e)
{
    *n_usable = 0;
    for (size_t i = 0; i < n; i++) {
        if (add_runner(p, runners[i], list, n_usable, e))
            return -1;
    }
    return 0;
}
