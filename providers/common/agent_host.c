#include "providers/common/agent_host.h"

#include "providers/common/agent_order.h"
#include "providers/common/agent_script.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define ID_PREFIX "vm:" /* no container's id begins so */
#define TOKEN_MIN 16

static const struct executor {
    const char *name, *host_os;
    const char *login; /* user and password alike */
} executors[] = {{"meda", "linux", "cirun"}, {"lume", "macos", "lume"}};

static const struct executor *find_executor(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(executors); i++) {
        if (strcmp(executors[i].name, name) == 0)
            return &executors[i];
    }
    return NULL;
}

int on_prem_agent_open(const struct conf *acct, const struct provider_env *env, int max_machines,
                       struct on_prem_agents *out, struct err *e)
{
    const struct secret *token = conf_secret(acct, "agent_token");

    if (token != NULL && secret_len(token) < TOKEN_MIN)
        return err_set(e, ERR_INVALID, "agent_token: %zu characters are too few: strangers may try; use at least %d",
                       secret_len(token), TOKEN_MIN);
    *out = (struct on_prem_agents){.hub = env->agents,
                                   .login_user = conf_str(acct, "agent_login_user"),
                                   .login_password = conf_secret(acct, "agent_login_password"),
                                   .max_machines = max_machines,
                                   .deployment = env->deployment};
    return 0;
}

bool on_prem_agent_is_executor(const char *executor)
{
    return find_executor(executor) != NULL;
}

/* Of meda's hosts, as server/config/plan.c tells it: the bootstrap that comes is for this. */
static const char *arch_of(const struct machine_spec *s)
{
    return text_icontains(s->image, "arm64") || text_icontains(s->image, "aarch64") ? "arm64" : "x64";
}

/* --- launching ---------------------------------------------------------------------------------------------------- */

/* As the agent tells guests apart: lume's own words. */
static const char *guest_os(const struct machine_spec *s)
{
    return s->os != NULL && strcmp(s->os, "macos") == 0 ? "macOS" : "linux";
}

static int check_guest(const struct executor *x, const struct machine_spec *s, struct err *e)
{
    const char *os = s->os != NULL ? s->os : "linux";
    bool mac = strcmp(x->host_os, "macos") == 0;

    if (strcmp(os, "linux") != 0 && !(mac && strcmp(os, "macos") == 0))
        return err_set(e, ERR_INVALID, "machine_image %s: executor %s runs no %s", s->image, x->name, os);
    if (mac && (text_icontains(s->image, "amd64") || text_icontains(s->image, "x86_64")))
        return err_set(e, ERR_INVALID, "machine_image %s: lume runs arm64 only", s->image);
    return 0;
}

int on_prem_agent_check(const struct on_prem_vm *v, const struct machine_spec *s, struct err *e)
{
    const struct executor *x = find_executor(v->executor);

    if (x == NULL)
        return err_set(e, ERR_BUG, "executor %s is none of the agents'", v->executor);
    if (s->image == NULL || s->image[0] == '\0')
        return err_set(e, ERR_INVALID, "machine_image is missing: executor %s needs the name of an image", v->executor);
    if (s->gpu != NULL)
        return err_set(e, ERR_INVALID, "gpu %s: executor %s has no GPUs; executor docker has", s->gpu, v->executor);
    return check_guest(x, s, e);
}

static const char *login_user(const struct on_prem_agents *a, const struct executor *x)
{
    return a->login_user != NULL ? a->login_user : x->login;
}

int on_prem_agent_render(const struct on_prem_agents *a, const struct on_prem_vm *v, const struct launch_request *r,
                         json_t *list, struct err *e)
{
    const struct executor *x = find_executor(v->executor);
    AUTO_FREE char *image = mem_strdup(r->spec->image);
    AUTO_FREE char *os = mem_strdup(guest_os(r->spec));
    AUTO_FREE char *user = x != NULL ? mem_strdup(login_user(a, x)) : NULL;
    struct agent_order o = {.image = image,
                            .guest_os = os,
                            .login_user = user,
                            .cpus = v->cpus,
                            .memory_gb = v->memory_gb,
                            .disk_gb = v->disk_gb};
    AUTO_JSON json_t *order = NULL;
    AUTO_JSON json_t *shown = NULL;

    if (on_prem_agent_check(v, r->spec, e))
        return -1;
    agent_vm_name(a->deployment, r->name, o.vm);
    if (agent_order_pack(&o, &order, e) ||
        js_pack(e, &shown, "{s:s, s:s, s:{s:s}, s:{s:[O], s:[]}}", "method", "GET", "url", "<public_url>/api/v1/agent",
                "headers", "Authorization", "***", "body", "runners_to_provision", order, "runners_to_delete"))
        return -1;
    return json_array_append(list, shown) == 0 ? 0 : err_set(e, ERR_BUG, "no list to render to");
}

static void fill(struct instance *out, const char *machine)
{
    memset(out, 0, sizeof(*out));
    (void)snprintf(out->id, sizeof(out->id), ID_PREFIX "%s", machine);
    (void)snprintf(out->name, sizeof(out->name), "%s", machine);
}

/* Everything but what is secret. */
static struct agent_want want_of(const struct on_prem_agents *a, const struct on_prem_vm *v, const struct executor *x,
                                 const struct launch_request *r)
{
    return (struct agent_want){.machine = r->name,
                               .host_os = x->host_os,
                               .host_arch = strcmp(x->name, "lume") == 0 ? NULL : arch_of(r->spec),
                               .image = r->spec->image,
                               .guest_os = guest_os(r->spec),
                               .cpus = v->cpus,
                               .memory_gb = v->memory_gb,
                               .disk_gb = v->disk_gb,
                               .login_user = login_user(a, x),
                               .max_machines = a->max_machines,
                               .first_try = r->first_try};
}

int on_prem_agent_launch(const struct on_prem_agents *a, const struct on_prem_vm *v, const struct launch_request *r,
                         struct instance *out, struct err *e)
{
    const struct executor *x = find_executor(v->executor);
    AUTO_SECRET struct secret *password = NULL;
    AUTO_SECRET struct secret *script = NULL;
    struct agent_want w;

    if (on_prem_agent_check(v, r->spec, e) || x == NULL)
        return -1;
    if (a->hub == NULL)
        return err_set(e, ERR_INVALID, "executor %s needs a cirun-agent: set clouds.on_prem.agent_token", v->executor);
    password = a->login_password != NULL ? secret_dup(a->login_password) : secret_new(x->login, strlen(x->login));
    if (agent_script_wrap(r->user_data, password, &script, e))
        return -1;
    w = want_of(a, v, x, r);
    w.script = script;
    w.login_password = password;
    if (agent_hub_want(a->hub, &w, e))
        return -1;
    fill(out, r->name);
    out->state = INSTANCE_PENDING;
    return 0;
}

/* --- looking, ending ---------------------------------------------------------------------------------------------- */

bool on_prem_agent_owns(const struct instance *ref)
{
    return text_has_prefix(ref->id, ID_PREFIX);
}

static const char *machine_of(const struct instance *ref)
{
    return on_prem_agent_owns(ref) ? ref->id + strlen(ID_PREFIX) : ref->name;
}

static int need_hub(const struct on_prem_agents *a, struct err *e)
{
    if (a->hub != NULL)
        return 0;
    return err_set(e, ERR_AUTH, "agents cannot be asked: clouds.on_prem.agent_token is not set any more");
}

static enum instance_state state_of(enum agent_stage stage)
{
    switch (stage) {
    case AGENT_UNSURE:
    case AGENT_WAITING:
    case AGENT_HANDED:
        return INSTANCE_PENDING;
    case AGENT_HERE:
        return INSTANCE_RUNNING;
    case AGENT_ENDING:
        return INSTANCE_ENDING;
    case AGENT_FAILED:
    case AGENT_GONE:
        break;
    }
    return INSTANCE_GONE;
}

static void translate(const struct agent_look *l, const char *machine, struct instance *out)
{
    fill(out, machine);
    out->state = state_of(l->stage);
    out->why = l->stage == AGENT_FAILED ? ERR_CAPACITY : ERR_NONE; /* another candidate may do better */
    (void)snprintf(out->detail, sizeof(out->detail), "%s", l->detail);
}

int on_prem_agent_describe(const struct on_prem_agents *a, const struct instance *ref, struct instance *out,
                           struct err *e)
{
    struct agent_look l;

    if (need_hub(a, e))
        return -1;
    agent_hub_look(a->hub, machine_of(ref), &l);
    if (l.stage == AGENT_UNSURE)
        return err_set(e, ERR_RETRY, "machine %s: muster has just started, and agents have yet to say what they have",
                       machine_of(ref));
    translate(&l, machine_of(ref), out);
    return 0;
}

int on_prem_agent_destroy(const struct on_prem_agents *a, const struct instance *ref, struct err *e)
{
    return need_hub(a, e) ? -1 : agent_hub_end(a->hub, machine_of(ref), e);
}

struct listing {
    int (*each)(void *arg, const struct instance *i, struct err *e);
    void *arg;
};

static int list_one(void *arg, const char *machine, const struct agent_look *l, struct err *e)
{
    const struct listing *to = arg;
    struct instance i;

    translate(l, machine, &i);
    return to->each(to->arg, &i, e);
}

int on_prem_agent_list(const struct on_prem_agents *a, int (*each)(void *arg, const struct instance *i, struct err *e),
                       void *arg, struct err *e)
{
    struct listing to = {each, arg};

    return a->hub == NULL ? 0 : agent_hub_each(a->hub, list_one, &to, e);
}
