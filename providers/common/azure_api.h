/*
 * Azure Resource Manager: how it refuses, its lists, its operations that take time, and the network cards, addresses
 * and disks that a machine which failed or was cut off may leave behind.
 *
 * https://learn.microsoft.com/en-us/azure/azure-resource-manager/management/async-operations
 * https://learn.microsoft.com/en-us/rest/api/resources/resources/list-by-resource-group
 */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_API_H
#define MUSTER_PROVIDERS_COMMON_AZURE_API_H

#include "providers/common/poll.h"
#include "providers/common/rest.h"

#define AZURE_COMPUTE_API "2025-04-01" /* the first that tags network cards and addresses with the machine */
#define AZURE_PATH_MAX ((size_t)2048)

extern const struct rest_dialect azure_dialect;

struct azure_api { /* borrowed, immutable; any thread */
    struct rest_client rest;
    const char *subscription, *group;
    poll_pause_fn *pause;
    void *pause_arg;
};

/* The path of a machine, with `tail` ("/extensions/muster" or "") and `query` ("&forceDeletion=true" or "").
 * ERR_INVALID: the name is none. */
int azure_vm_path(const struct azure_api *a, const char *name, const char *tail, const char *query, struct buf *out,
                  const char **path, struct err *e) MUST_USE;

/* A tag's value, its name compared without case; NULL = not there. */
const char *azure_tag(const json_t *resource, const char *name);

/* Why a machine failed, as its own description has it (with $expand=instanceView); false = it does not say. */
bool azure_failure(const json_t *vm, struct rest_said *out);

/* Every item of a list, all pages. Errors say the page. */
typedef int azure_each_fn(void *arg, const json_t *item, struct err *e);
int azure_each(const struct azure_api *a, const char *first_path, const char *what, azure_each_fn *each, void *arg,
               struct err *e) MUST_USE;

/*
 * Wait until what a call began is over: by the operation that its answer names (`accepted`, NULL = none), else by the
 * state of `resource` (path). -1: it failed, as the cloud says. *done = false: it is open still; so it counts also when
 * the cloud does not answer meanwhile.
 */
int azure_wait(const struct azure_api *a, const struct rest_call *call, const struct rest_res *accepted,
               const char *resource, int64_t at_most_ms, bool *done, struct err *e) MUST_USE;

/* Network cards, public addresses and disks of the group; name NULL = all, else those whose name holds it. Callers
 * compare tags. */
int azure_left_each(const struct azure_api *a, const char *name, azure_each_fn *each, void *arg,
                    struct err *e) MUST_USE;
/* Ask for the end of one of them. Already gone = 0. */
int azure_left_delete(const struct azure_api *a, const json_t *item, struct err *e) MUST_USE;

#endif
