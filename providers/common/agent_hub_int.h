/* The tables of a hub, shared by agent_hub*.c. Everything here is called with the lock held. */
#ifndef MUSTER_PROVIDERS_COMMON_AGENT_HUB_INT_H
#define MUSTER_PROVIDERS_COMMON_AGENT_HUB_INT_H

#include "providers/common/agent_hub.h"

#include <pthread.h>

#define AGENTS_MAX 64
#define MACHINES_MAX 4096
#define HOSTNAME_MAX 255
#define AGENT_PREFIX_MAX (AGENT_VM_NAME_MAX - AGENT_MACHINE_MAX)

struct agent {
    bool used;
    char id[65], hostname[HOSTNAME_MAX + 1], os[33], arch[33];
    int64_t heard_ms;
    size_t load; /* machines it has or is to have; by agents_load */
};

enum vm_stage { VM_WAITING, VM_HANDED, VM_HERE, VM_FAILED, VM_ENDED, VM_GONE };

struct vm {
    struct vm *prev, *next; /* oldest first */
    struct vm *chain;       /* of its bucket */
    char machine[AGENT_MACHINE_MAX + 1];
    enum vm_stage stage;
    int64_t since_ms;    /* of the stage; ENDED: of the last sight, if any */
    struct agent *agent; /* chosen, given it, or seen to have it; NULL = none */
    bool here;           /* among the VMs that its agent last reported */
    bool missing;        /* the last report was without it ... */
    int64_t missing_ms;  /* ... and all since then */
    uint64_t mark;       /* the report that named it last */
    int64_t hold_ms;     /* ENDED: until then its VM may still come */
    int failures;
    struct agent_order order; /* while it may still be provisioned; else all NULL */
    char *host_os, *host_arch;
    int max_machines;
    char detail[200];
};

struct agent_hub {
    pthread_mutex_t lock;
    char prefix[AGENT_PREFIX_MAX + 1]; /* "cirun-DDDDDDDD-" */
    int64_t began_ms;
    uint64_t marks;
    struct agent agents[AGENTS_MAX];
    struct vm *first, *last;
    struct vm *buckets[512];
    size_t n_vms;
};

/* Machines by name. */
struct vm *vms_find(const struct agent_hub *h, const char *machine);
/* NULL when there is no room: of what is over, the oldest makes way. */
struct vm *vms_add(struct agent_hub *h, const char *machine, enum vm_stage stage, int64_t now_ms);
void vms_clear(struct agent_hub *h);
void vm_stage_set(struct vm *v, enum vm_stage stage, int64_t now_ms);
void vm_forget_order(struct vm *v); /* the script is wiped */

/* Agents. */
bool agent_is_live(const struct agent *a, int64_t now_ms);
/* Its entry, made when new; it was heard now. */
int agents_hear(struct agent_hub *h, const struct agent_name *n, int64_t now_ms, struct agent **out, bool *is_new,
                struct err *e) MUST_USE;
/* The live agent that suits and has the fewest machines; ERR_CAPACITY says why there is none. */
int agents_choose(struct agent_hub *h, const struct vm *v, int64_t now_ms, struct agent **out, struct err *e) MUST_USE;

/* Draw the conclusions that time alone allows. */
void hub_settle(struct agent_hub *h, int64_t now_ms);
bool hub_is_unsure(const struct agent_hub *h, int64_t now_ms);
bool hub_is_machine(const char *s);

#endif
