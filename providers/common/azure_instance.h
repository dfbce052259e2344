/* What Azure says of a machine, and of the parts that belong to one. */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_INSTANCE_H
#define MUSTER_PROVIDERS_COMMON_AZURE_INSTANCE_H

#include "providers/common/azure_api.h"
#include "providers/common/machine.h"

/* Does it carry the tags of this deployment, and of this machine unless name is NULL? */
bool azure_is_ours(const json_t *resource, const char *deployment, const char *name);

/* A machine; its state is sure only with $expand=instanceView. What failed is STOPPED, with a detail. */
int azure_read_vm(const struct azure_api *a, const json_t *vm, struct instance *out, struct err *e) MUST_USE;

/* What machines and their parts have in common; `name`: of the machine. */
int azure_read_common(const json_t *doc, const char *name, struct instance *out, struct err *e) MUST_USE;

/* The refusal that a failed machine stands for. Returns -1. */
int azure_vm_refuse(const struct azure_api *a, const json_t *vm, struct err *e);

#endif
