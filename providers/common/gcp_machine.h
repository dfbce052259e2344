/*
 * What Google says: refusals, machines, operations; and how its machines are named. A machine's id is its path,
 * "projects/P/zones/Z/instances/NAME".
 *
 * TERMINATED is Google's word for stopped: the disk costs on, so it is STOPPED here. STOPPING comes before a deletion
 * as well as before that: ENDING, until a later look tells.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GCP_MACHINE_H
#define MUSTER_PROVIDERS_COMMON_GCP_MACHINE_H

#include "providers/common/machine.h"
#include "providers/common/rest.h"

#define GCP_PROJECT_SIZE 64

extern const struct rest_dialect gcp_dialect;

/* A machine, wherever it is: fit for a path. */
struct gcp_vm {
    char project[GCP_PROJECT_SIZE], zone[64], name[64];
};

/* An id from the store or from a person. ERR_INVALID. */
int gcp_vm_parse(const char *id, struct gcp_vm *out, struct err *e) MUST_USE;
/* Its id, region and name. */
void gcp_vm_put(const struct gcp_vm *vm, struct instance *out);
/* The path of its calls, built in out. */
int gcp_vm_path(const struct gcp_vm *vm, struct buf *out, const char **path, struct err *e) MUST_USE;

/* A name-based UUID (RFC 9562, version 5 but for the digest): one for each token. */
void gcp_request_id(const char *deployment, const char *token, char out[37]);

/* Does it carry the labels of this deployment, and of this machine? name NULL = of any. */
bool gcp_is_ours(const char *deployment, const json_t *machine, const char *name);

bool gcp_is_spot(const json_t *machine);

/* Does a list of operations say that Google took this machine back? */
#define GCP_PREEMPTED "compute.instances.preempted"
bool gcp_was_preempted(const json_t *operations, const char *name);

/* An instance as Google describes it. *out is whole on success. ERR_RETRY, ERR_INVALID: it makes no sense. */
int gcp_machine_read(const json_t *doc, const char *project, struct instance *out, struct err *e) MUST_USE;

/* The operation that a change is answered by. Borrowed from its document. */
struct gcp_operation {
    const char *name;
    bool done;
    const char *code, *message; /* why it failed; code NULL = it did not */
    int status;                 /* with them; 0 = not said */
};
int gcp_operation_read(const json_t *doc, struct gcp_operation *out, struct err *e) MUST_USE;

#endif
