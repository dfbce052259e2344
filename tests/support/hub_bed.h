/*
 * A hub with agents that speak by themselves, for unit tests: the test's clock stands still between calls.
 */
#ifndef MUSTER_TESTS_HUB_BED_H
#define MUSTER_TESTS_HUB_BED_H

#include "providers/common/agent_hub.h"
#include "tests/support/unit.h"

#define SECRET_SCRIPT "#!/bin/bash\necho one-time-credential\n"

struct fixture {
    struct agent_hub *hub;
    struct secret *script, *password;
};

extern const struct agent_name tux, gnu, arm, mac; /* two on x86_64, one on aarch64, one Mac */

int hub_bed_begun(void **state);   /* we have just begun */
int hub_bed_settled(void **state); /* our own start is long past */
int hub_bed_end(void **state);

/* A sound want of a machine for x64 Linux, to be changed at will; and one that must be accepted. */
struct agent_want want_of(const struct fixture *f, const char *machine);
void want(struct fixture *f, const char *machine);

struct agent_answer poll_of(struct fixture *f, const struct agent_name *n); /* the caller clears it */
/* What a poll orders, by names with spaces between; what it deletes goes to `deletes`, if not NULL. */
const char *orders(struct fixture *f, const struct agent_name *n, const char **deletes);
/* The agent reports these machines (NULL ends them); what it is told to delete. */
const char *report(struct fixture *f, const struct agent_name *n, const char *first, const char *second);
/* One failed try; was it the last? */
bool fail_once(struct fixture *f, const struct agent_name *n, const char *machine, const char *why, int attempt);

struct agent_look look(struct fixture *f, const char *machine);
enum agent_stage stage(struct fixture *f, const char *machine);
void end(struct fixture *f, const char *machine);
/* Time passes; this agent alone asks every minute. */
void pass(struct fixture *f, const struct agent_name *n, int64_t ms);

/* The name that the hub gives a machine's VM. */
void vm_name(const char *machine, char out[AGENT_VM_NAME_MAX + 1]);

#endif
