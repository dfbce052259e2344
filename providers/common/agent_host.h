/*
 * on_prem with `executor: meda` or `executor: lume`: machines that are VMs of Cirun's agent on the owner's own hosts.
 * In terms of providers/common/agent_hub.h; on_prem.c calls this for these executors.
 *
 * What runs where: meda on Linux hosts (KVM), lume on Macs with Apple silicon. Login of the images (settable): meda
 * gives every VM the user cirun with the password cirun and the agent's own key; lume's published images have lume and
 * lume.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AGENT_HOST_H
#define MUSTER_PROVIDERS_COMMON_AGENT_HOST_H

#include "providers/common/agent_hub.h"
#include "providers/common/machine.h"

/* What the account's table of keys holds for agents. */
#define ON_PREM_AGENT_KEYS                                                                                             \
    {.name = "agent_token",                                                                                            \
     .type = CONF_SECRET,                                                                                              \
     .env = "MUSTER_AGENT_TOKEN",                                                                                      \
     .help = "what Cirun's agents show us, at least 16 characters; unset = no agents"},                                \
        {.name = "agent_login_user",                                                                                   \
         .type = CONF_STRING,                                                                                          \
         .help = "user of the VMs' images; unset = cirun (meda), lume (lume)"},                                        \
    {                                                                                                                  \
        .name = "agent_login_password", .type = CONF_SECRET, .help = "its password; unset = the same word"             \
    }

struct on_prem_agents {     /* of the account; borrowed */
    struct agent_hub *hub;  /* NULL = no agent_token is set */
    const char *login_user; /* agent_login_user; NULL = the executor's own */
    const struct secret *login_password;
    int max_machines;       /* on each agent; 0 = no limit of ours */
    const char *deployment; /* for render */
};

struct on_prem_vm {       /* what instance_type and extra_config say; borrowed */
    const char *executor; /* "meda", "lume" */
    int64_t cpus, memory_gb, disk_gb;
};

/* Out of an account with ON_PREM_AGENT_KEYS; the hub is the environment's. ERR_INVALID: a token too short. */
int on_prem_agent_open(const struct conf *acct, const struct provider_env *env, int max_machines,
                       struct on_prem_agents *out, struct err *e) MUST_USE;

bool on_prem_agent_is_executor(const char *executor);

/* As the ops of provider.h. What is rendered is our answer to the agent that will have it. */
int on_prem_agent_check(const struct on_prem_vm *v, const struct machine_spec *s, struct err *e) MUST_USE;
int on_prem_agent_render(const struct on_prem_agents *a, const struct on_prem_vm *v, const struct launch_request *r,
                         json_t *list, struct err *e) MUST_USE;
int on_prem_agent_launch(const struct on_prem_agents *a, const struct on_prem_vm *v, const struct launch_request *r,
                         struct instance *out, struct err *e) MUST_USE;

/* Is it one of ours, by its id? An empty id may be anybody's: ask here by name too. */
bool on_prem_agent_owns(const struct instance *ref);
int on_prem_agent_describe(const struct on_prem_agents *a, const struct instance *ref, struct instance *out,
                           struct err *e) MUST_USE;
int on_prem_agent_destroy(const struct on_prem_agents *a, const struct instance *ref, struct err *e) MUST_USE;
int on_prem_agent_list(const struct on_prem_agents *a, int (*each)(void *arg, const struct instance *i, struct err *e),
                       void *arg, struct err *e) MUST_USE;

#endif
