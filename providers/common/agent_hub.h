/*
 * Where the on_prem provider (many worker threads) and the agents of the owner's hosts (one HTTP thread) meet: machines
 * that are wanted, who has them, which are to go. In memory and under one lock; time from base/clock.h.
 *
 * The agents are Cirun's (github.com/cirunlabs/cirun-agent, 0.4.0): each asks every few seconds what to provision and
 * what to delete, and then says which VMs it has; of these only such whose name begins with "cirun-". Ours are named
 * cirun-DDDDDDDD-MACHINE, D being a digest of the deployment: two deployments whose agents share a host never touch
 * each other's VMs, nor the templates there ("cirun-template-...").
 *
 * Rules: a machine's script is given to one agent only. Not given to any yet: another may have it when its agent falls
 * silent. Given, and the agent silent for AGENT_DEAD_MS before the VM was seen: failed, and the VM is deleted should it
 * turn up. Seen: kept, however long its agent is silent (a day; then the agent is forgotten), since a job may run on
 * it. Gone: missing from its agent's reports twice. VMs of this deployment that nobody here knows (we began anew) exist
 * until they are ended by name.
 *
 * Safe from any thread; nothing blocks. Outputs are copies.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AGENT_HUB_H
#define MUSTER_PROVIDERS_COMMON_AGENT_HUB_H

#include "server/base/secret.h"

#include <stdint.h>

#define AGENT_MACHINE_MAX 63
#define AGENT_VM_NAME_MAX (6 + 8 + 1 + AGENT_MACHINE_MAX)
#define AGENT_VMS_MAX 1024  /* in one report */
#define AGENT_ORDERS_MAX 32 /* in one answer */
#define AGENT_DELETES_MAX 64
#define AGENT_TRIES 3                            /* of one machine, by its agent */
#define AGENT_DEAD_MS ((int64_t)2 * 60 * 1000)   /* without a word */
#define AGENT_SETTLE_MS ((int64_t)2 * 60 * 1000) /* after our start: until then absence proves nothing */

struct agent_hub;

struct agent_hub *agent_hub_new(const char *deployment);
void agent_hub_free(struct agent_hub *h);   /* accepts NULL */
size_t agent_hub_live(struct agent_hub *h); /* agents heard of lately */

/* --- the provider's side --------------------------------------------------------------------------------------- */

struct agent_want {              /* borrowed for the call */
    const char *machine;         /* a-z 0-9 -, at most AGENT_MACHINE_MAX */
    const struct secret *script; /* runs in the VM, as root */
    const char *host_os;         /* of the agent, in its own words: "linux" (meda), "macos" (lume) */
    const char *host_arch;       /* "x64", "arm64"; NULL = any */
    const char *image, *guest_os;
    int64_t cpus, memory_gb, disk_gb;
    const char *login_user;
    const struct secret *login_password;
    int max_machines; /* on one agent; 0 = no limit of ours; on macOS never more than two, which is Apple's */
    bool first_try;   /* nothing was asked under this name before */
};

/* Accepted: an agent was chosen, and will be given it when it asks next. The same name again: the same machine.
 * ERR_CAPACITY: no agent connected, none of that kind, all full, or this machine failed before. ERR_THROTTLED: we have
 * just begun, wait until agents have asked and reported. ERR_CONFLICT: it was ended. ERR_INVALID: names the value. */
int agent_hub_want(struct agent_hub *h, const struct agent_want *w, struct err *e) MUST_USE;

enum agent_stage {
    AGENT_UNSURE,  /* unknown, and we began too short a time ago to tell */
    AGENT_WAITING, /* no agent was given it yet */
    AGENT_HANDED,  /* given, its VM not seen yet */
    AGENT_HERE,    /* its VM is there */
    AGENT_FAILED,  /* never came to be: detail says why */
    AGENT_ENDING,  /* ended, but its VM is still there, or may come */
    AGENT_GONE     /* its VM vanished, or was never heard of */
};

struct agent_look {
    enum agent_stage stage;
    int failures;      /* tries that its agent reported as failed */
    int64_t silent_ms; /* since its agent was heard last; 0 = no agent */
    char detail[200];  /* a sentence for a person; may be empty */
};
void agent_hub_look(struct agent_hub *h, const char *machine, struct agent_look *out);

/* From now on its VM is to be deleted, wherever and whenever it turns up. Again = the same. ERR_INVALID: no name of a
 * machine; ERR_CAPACITY: too many at once. */
int agent_hub_end(struct agent_hub *h, const char *machine, struct err *e) MUST_USE;

/* Every machine that waits, is with an agent or may be; each returning -1 stops with its error. ERR_RETRY while we
 * began too short a time ago. `each` may call the hub. */
int agent_hub_each(struct agent_hub *h,
                   int (*each)(void *arg, const char *machine, const struct agent_look *look, struct err *e), void *arg,
                   struct err *e) MUST_USE;

/* --- the agents' side ------------------------------------------------------------------------------------------- */

struct agent_name { /* what an agent calls itself; borrowed */
    const char *id, *hostname, *os, *arch;
};

struct agent_order { /* one machine to provision */
    char vm[AGENT_VM_NAME_MAX + 1];
    struct secret *script, *login_password;
    char *image, *guest_os, *login_user;
    int64_t cpus, memory_gb, disk_gb;
};

struct agent_answer {
    bool is_new; /* first word of this agent */
    struct agent_order *orders;
    size_t n_orders;
    char (*deletes)[AGENT_VM_NAME_MAX + 1];
    size_t n_deletes;
};
void agent_answer_clear(struct agent_answer *a);
#define AUTO_AGENT_ANSWER AUTO(agent_answer_clear)

/* What it is to do. Orders are repeated until their VM is seen: the answer may have been lost, and the agent passes
 * over what it is at. All three: ERR_INVALID naming the value ("agent.id: ..."), ERR_CAPACITY: too many agents or
 * machines. */
int agent_hub_poll(struct agent_hub *h, const struct agent_name *n, struct agent_answer *out, struct err *e) MUST_USE;

/* All VMs it has, by name; others' are passed over. Answers with what is to be deleted of these. */
int agent_hub_report(struct agent_hub *h, const struct agent_name *n, const char *const *vms, size_t n_vms,
                     struct agent_answer *out, struct err *e) MUST_USE;

/* It could not provision a VM, for the attempt-th time. *last: no further try will be made of it. */
int agent_hub_failed(struct agent_hub *h, const struct agent_name *n, const char *vm, const char *why, int64_t attempt,
                     struct agent_answer *out, bool *last, struct err *e) MUST_USE;

/* The name of a machine's VM. */
void agent_vm_name(const char *deployment, const char *machine, char out[AGENT_VM_NAME_MAX + 1]);
/* The machine of a VM of this deployment, else NULL; points into vm. */
const char *agent_hub_machine_of(const struct agent_hub *h, const char *vm);

#endif
