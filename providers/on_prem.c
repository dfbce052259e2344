/*
 * Machines of one's own. `extra_config.executor` of .cirun.yml says of which kind: docker (the default), a container
 * of an engine on the owner's host; meda and lume, a VM of Cirun's agent. Each kind is a file of its own, on_prem_*.c;
 * this one holds the account and asks the right one.
 */
#include "providers/common/agent_host.h"
#include "providers/common/docker_host.h"
#include "providers/common/docker_pull.h"
#include "providers/provider.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define VM_DISK_GB 50 /* of a VM whose instance_type names none */

static const struct conf_key account_keys[] = {
    {.name = "docker_host",
     .type = CONF_STRING,
     .env = "DOCKER_HOST",
     .help = "engine: unix:///path or tcp://host:port; without it and without agent_token " DOCKER_SOCKET},
    {.name = "docker_cert_path",
     .type = CONF_PATH,
     .env = "DOCKER_CERT_PATH",
     .help = "directory with ca.pem, cert.pem and key.pem: TCP is TLS then"},
    {.name = "network",
     .type = CONF_STRING,
     .def = "bridge",
     .help = "network of the containers, as docker run --network"},
    {.name = "cpus",
     .type = CONF_INT,
     .min = 1,
     .max = 65536,
     .help = "processors that machines may hold together; unset = the host's"},
    {.name = "memory_gb",
     .type = CONF_INT,
     .min = 1,
     .max = 1048576,
     .help = "memory that machines may hold together; unset = the host's"},
    {.name = "gpus",
     .type = CONF_INT,
     .min = 0,
     .max = DOCKER_MAX_GPUS,
     .help = "GPUs of the host that containers may have; unset = what the engine tells (Docker 28.2 and newer)"},
    {.name = "max_machines",
     .type = CONF_INT,
     .min = 1,
     .max = 10000,
     .help = "at most so many; unset = as many as fit"},
    ON_PREM_AGENT_KEYS,
    {.name = NULL}};

struct provider {
    const struct provider_env *env;
    bool has_engine; /* an account for agents alone has none */
    struct on_prem_docker docker;
    bool has_agents; /* a token for them is set; the hub is there when the daemon serves */
    struct on_prem_agents agents;
};

static const char *env_of(const struct provider_env *env, const char *name)
{
    const char *value = env->getenv_fn(env->getenv_arg, name);

    return value != NULL && *value != '\0' ? value : NULL;
}

static bool on_prem_configured(const struct provider_env *env)
{
    return env_of(env, "DOCKER_HOST") != NULL;
}

static void on_prem_close(struct provider *p)
{
    if (p == NULL)
        return;
    docker_free(p->docker.engine);
    (void)pthread_mutex_destroy(&p->docker.lock);
    free(p->docker.config);
    free(p);
}

/* DIR/NAME of the first of two places; NULL = neither is said. */
static char *path_in(const char *dir, const char *home, const char *name)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);
    char *path = NULL;
    struct err ignored;

    if (dir == NULL && home == NULL)
        return NULL;
    buf_addf(&b, "%s%s%s", dir != NULL ? dir : home, dir != NULL ? "" : "/.docker", name);
    return buf_take(&b, &path, &ignored) ? NULL : path;
}

/* As Docker's own tools: certificates when a directory is named, or TLS asked for: then those of the user. */
static int open_engine(struct provider *p, const struct conf *acct, struct err *e)
{
    const struct provider_env *env = p->env;
    const char *home = env_of(env, "HOME"), *named = conf_str(acct, "docker_cert_path");
    bool tls = named != NULL || env_of(env, "DOCKER_TLS_VERIFY") != NULL;
    AUTO_FREE char *certs = tls ? path_in(named, home, "") : NULL;
    const struct docker_conf c = {.http = env->http,
                                  .host = conf_str(acct, "docker_host"),
                                  .cert_path = certs,
                                  .secret = conf_secret(acct, "agent_token"),
                                  .timeout_ms = env->timeout_ms};

    p->docker.config = path_in(env_of(env, "DOCKER_CONFIG"), home, "/config.json");
    return docker_open(&c, &p->docker.engine, e) ? err_wrap(e, "clouds.on_prem") : 0;
}

static int open_agents(struct provider *p, const struct conf *acct, struct err *e)
{
    int max = conf_has(acct, "max_machines") ? (int)conf_int(acct, "max_machines") : 0;

    return on_prem_agent_open(acct, p->env, max, &p->agents, e) ? err_wrap(e, "clouds.on_prem") : 0;
}

static int on_prem_open(const struct conf *acct, const struct provider_env *env, struct provider **out, struct err *e)
{
    struct provider *p = mem_zalloc(sizeof(*p));

    p->env = p->docker.env = env;
    (void)pthread_mutex_init(&p->docker.lock, NULL);
    p->has_engine = conf_str(acct, "docker_host") != NULL || !conf_has(acct, "agent_token");
    p->docker.network = conf_str(acct, "network");
    p->docker.cpus = conf_has(acct, "cpus") ? conf_int(acct, "cpus") : 0;
    p->docker.memory_gb = conf_has(acct, "memory_gb") ? conf_int(acct, "memory_gb") : 0;
    p->docker.gpus = conf_has(acct, "gpus") ? (int)conf_int(acct, "gpus") : -1;
    p->docker.max_machines = conf_has(acct, "max_machines") ? conf_int(acct, "max_machines") : 0;
    p->has_agents = conf_has(acct, "agent_token");
    if (open_engine(p, acct, e) || open_agents(p, acct, e)) {
        on_prem_close(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* ---- kinds ---- */

/* What one kind of machine does; as the ops of provider.h. */
struct kind {
    bool (*is_executor)(const char *executor);
    bool (*serves)(const struct provider *p); /* the account is set up for it */
    bool (*lives)(const struct provider *p);  /* and machines of it can be asked for now */
    int (*check)(struct provider *p, const struct machine_spec *s, struct err *e);
    int (*render)(struct provider *p, const struct launch_request *r, json_t *list, struct err *e);
    int (*launch)(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e);
    bool (*owns)(const struct instance *ref); /* by its id */
    int (*describe)(struct provider *p, const struct instance *ref, struct instance *out, struct err *e);
    int (*destroy)(struct provider *p, const struct instance *ref, struct err *e);
    int (*list)(struct provider *p, int (*each)(void *arg, const struct instance *i, struct err *e), void *arg,
                struct err *e);
};

static bool docker_is_executor(const char *executor)
{
    return strcmp(executor, "docker") == 0;
}

static bool docker_serves(const struct provider *p)
{
    return p->has_engine;
}

static int docker_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    return on_prem_docker_check(&p->docker, s, e);
}

static int docker_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    return on_prem_docker_render(&p->docker, r, list, e);
}

static int docker_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    return on_prem_docker_launch(&p->docker, r, out, e);
}

static int docker_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    return on_prem_docker_describe(&p->docker, ref, out, e);
}

static int docker_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    return on_prem_docker_destroy(&p->docker, ref, e);
}

static int docker_list(struct provider *p, int (*each)(void *arg, const struct instance *i, struct err *e), void *arg,
                       struct err *e)
{
    return on_prem_docker_list(&p->docker, each, arg, e);
}

static bool agent_serves(const struct provider *p)
{
    return p->has_agents;
}

static bool agent_lives(const struct provider *p)
{
    return p->agents.hub != NULL;
}

/* Without one: what runs the image. Only Apple's own machines run macOS. */
static const char *executor_of(const struct machine_spec *s)
{
    const json_t *v = json_object_get(s->extra, "executor");

    if (v == NULL)
        return s->os != NULL && strcmp(s->os, "macos") == 0 ? "lume" : "docker";
    return json_is_string(v) ? json_string_value(v) : "";
}

static int read_vm(const struct machine_spec *s, struct on_prem_vm *out, struct err *e)
{
    struct docker_size size;

    if (s->instance_type == NULL)
        return err_set(e, ERR_INVALID, "instance_type is missing: write it like 4vcpu-16gb or 4vcpu-16gb-100gb");
    if (docker_size_parse(s->instance_type, &size, e))
        return -1;
    *out = (struct on_prem_vm){.executor = executor_of(s),
                               .cpus = size.cpus,
                               .memory_gb = size.memory_gb,
                               .disk_gb = size.disk_gb > 0 ? size.disk_gb : VM_DISK_GB};
    return 0;
}

static int agent_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    struct on_prem_vm v;

    (void)p;
    return read_vm(s, &v, e) || on_prem_agent_check(&v, s, e) ? -1 : 0;
}

static int agent_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    struct on_prem_vm v;

    return read_vm(r->spec, &v, e) || on_prem_agent_render(&p->agents, &v, r, list, e) ? -1 : 0;
}

static int agent_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    struct on_prem_vm v;

    return read_vm(r->spec, &v, e) || on_prem_agent_launch(&p->agents, &v, r, out, e) ? -1 : 0;
}

static int agent_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    return on_prem_agent_describe(&p->agents, ref, out, e);
}

static int agent_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    return on_prem_agent_destroy(&p->agents, ref, e);
}

static int agent_list(struct provider *p, int (*each)(void *arg, const struct instance *i, struct err *e), void *arg,
                      struct err *e)
{
    return on_prem_agent_list(&p->agents, each, arg, e);
}

static const struct kind kinds[] = {
    {docker_is_executor, docker_serves, docker_serves, docker_check, docker_render, docker_launch, on_prem_docker_owns,
     docker_describe, docker_destroy, docker_list},
    {on_prem_agent_is_executor, agent_serves, agent_lives, agent_check, agent_render, agent_launch, on_prem_agent_owns,
     agent_describe, agent_destroy, agent_list},
};

/* The kind that a spec asks for. */
static int kind_of(const struct provider *p, const struct machine_spec *s, const struct kind **out, struct err *e)
{
    const char *name = executor_of(s);

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!kinds[i].is_executor(name))
            continue;
        if (!kinds[i].serves(p) && p->env->http != NULL)
            return err_set(e, ERR_INVALID, "extra_config.executor %s: set clouds.on_prem.%s", name,
                           docker_is_executor(name) ? "docker_host" : "agent_token");
        *out = &kinds[i];
        return 0;
    }
    return err_set(e, ERR_INVALID, "extra_config.executor \"%.40s\": it is docker, meda or lume", name);
}

/* Does this kind have to be asked about a machine? Without an id any may have it. */
static bool concerns(const struct provider *p, const struct kind *k, const struct instance *ref)
{
    return ref->id[0] != '\0' ? k->owns(ref) : k->lives(p);
}

/* An id that nobody knows says nothing about a machine, least of all that it is gone. */
static int check_ref(const struct instance *ref, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (ref->id[0] == '\0' || kinds[i].owns(ref))
            return 0;
    }
    return err_set(e, ERR_INVALID, "\"%.40s\" is not an id of an on_prem machine", ref->id);
}

/* A host has no regions; what .cirun.yml calls one is repeated. */
static void name_region(struct instance *i, const char *region)
{
    if (i->region[0] == '\0')
        (void)snprintf(i->region, sizeof(i->region), "%s", region != NULL ? region : "");
}

/* ---- the ops ---- */

static int find_kind(struct provider *p, const struct machine_spec *s, const struct kind **out, struct err *e)
{
    const struct kind *k = kinds;

    if (s->region != NULL && *s->region != '\0' && !rest_is_id(s->region, "-_.", 63))
        return err_set(e, ERR_INVALID, "region \"%.40s\": letters, digits, - _ and . only; a host has none anyway",
                       s->region);
    if (kind_of(p, s, &k, e) || k->check(p, s, e))
        return -1;
    *out = k;
    return 0;
}

static int on_prem_check(struct provider *p, const struct machine_spec *s, struct err *e)
{
    const struct kind *k;

    return find_kind(p, s, &k, e);
}

static int on_prem_facts(struct provider *p, const struct machine_spec *s, struct machine_facts *out, struct err *e)
{
    struct docker_size size;

    memset(out, 0, sizeof(*out));
    out->no_regions = true;
    if (on_prem_check(p, s, e) || docker_size_parse(s->instance_type, &size, e) ||
        fact_add(&out->type, e, "%s", s->instance_type))
        return -1;
    return docker_is_executor(executor_of(s)) ? docker_ref_spell(s->image, &out->image, e)
                                              : fact_add(&out->image, e, "%s", s->image);
}

static int on_prem_render(struct provider *p, const struct launch_request *r, json_t *list, struct err *e)
{
    const struct kind *k = kinds;

    return find_kind(p, r->spec, &k, e) || k->render(p, r, list, e) ? -1 : 0;
}

static int on_prem_launch(struct provider *p, const struct launch_request *r, struct instance *out, struct err *e)
{
    const struct kind *k = kinds;

    if (find_kind(p, r->spec, &k, e) || k->launch(p, r, out, e))
        return -1;
    name_region(out, r->spec->region);
    return 0;
}

static int on_prem_describe(struct provider *p, const struct instance *ref, struct instance *out, struct err *e)
{
    struct instance found = instance_gone(ref);

    if (check_ref(ref, e))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(kinds) && found.state == INSTANCE_GONE; i++) {
        if (concerns(p, &kinds[i], ref) && kinds[i].describe(p, ref, &found, e))
            return -1;
    }
    name_region(&found, ref->region);
    *out = found;
    return 0;
}

static int on_prem_destroy(struct provider *p, const struct instance *ref, struct err *e)
{
    if (check_ref(ref, e))
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (concerns(p, &kinds[i], ref) && kinds[i].destroy(p, ref, e))
            return -1;
    }
    return 0;
}

static int on_prem_list(struct provider *p, const char *region,
                        int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    (void)region;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].lives(p) && kinds[i].list(p, each, arg, e))
            return -1;
    }
    return 0;
}

/* The owner's own machines: nobody charges by the hour. */
static int on_prem_price(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    (void)p;
    (void)s;
    (void)e;
    *usd = 0;
    return 0;
}

const struct provider_ops provider_on_prem = {
    .name = "on_prem",
    .account_keys = account_keys,
    .user_data_max = (size_t)64 * 1024,
    .configured = on_prem_configured,
    .open = on_prem_open,
    .check = on_prem_check,
    .facts = on_prem_facts,
    .render = on_prem_render,
    .launch = on_prem_launch,
    .describe = on_prem_describe,
    .destroy = on_prem_destroy,
    .list = on_prem_list,
    .price = on_prem_price,
    .close = on_prem_close,
};
