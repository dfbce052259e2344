/*
 * An imitation of the published cirun-agent 0.4.0 with meda or lume underneath, written from what it does: the same
 * requests and headers, GET with a body, names it is at passed over, tries counted, a failed VM made away with, only
 * "cirun-" VMs reported, and the script run again in a VM that is there already (meda). One turn is one round of its
 * loop; while it "sleeps" its tasks make one step each. The test's own thread only.
 */
#ifndef MUSTER_TESTS_CIRUN_AGENT_H
#define MUSTER_TESTS_CIRUN_AGENT_H

#include "server/base/httpc.h"

#define CIRUN_VMS 64

struct cirun_vm {
    char name[128];
    char image[128], os[16], user[32], password[32];
    int64_t cpu, memory, disk;
    int runs;     /* of a script in it */
    char *script; /* the last one */
};

/* What is on one machine's disk: outlives its agents, and may serve several. */
struct cirun_host {
    struct cirun_vm vms[CIRUN_VMS];
    size_t n;
    int created;      /* in all */
    int fail_creates; /* so many creations fail from now on */
    int fail_ssh;     /* ... and so many logins */
    int slow;         /* steps before a VM is there: an image is pulled */
    bool blind;       /* the VM manager lists nothing and says so: no reports */
};
void cirun_host_clear(struct cirun_host *h);
struct cirun_vm *cirun_host_find(struct cirun_host *h, const char *name); /* NULL = not there */
void cirun_host_add(struct cirun_host *h, const char *name);
void cirun_host_lose(struct cirun_host *h, const char *name);

struct cirun_agent_conf {                  /* borrowed */
    const char *url, *token;               /* "http://127.0.0.1:PORT/api/v1" */
    const char *id, *hostname, *os, *arch; /* NULL = id-1, host-1, linux, x86_64 */
    int max_vms;                           /* 0 = as many as come */
    struct httpc *http;
    struct cirun_host *host;
};

struct cirun_agent;

struct cirun_agent *cirun_agent_start(const struct cirun_agent_conf *c);
/* Its process ends: what it was at and what it counted is lost, the VMs are not. Accepts NULL. */
void cirun_agent_kill(struct cirun_agent *a);
/* Its next answers to polls (to reports) do not arrive, or with lose_reports the reports themselves. */
void cirun_agent_lose(struct cirun_agent *a, int polls, int reports);

/* One round, then one step of each task. The code of the poll's answer: 0 = none came, -1 = it could not be read. */
int cirun_agent_turn(struct cirun_agent *a);
int cirun_agent_tries(const struct cirun_agent *a, const char *name); /* that failed */
int cirun_agent_refused(const struct cirun_agent *a);                 /* requests that were answered with an error */

#endif
