/*
 * All machines of a deployment in one project, of all zones at once:
 * https://cloud.google.com/compute/docs/reference/rest/v1/instances/aggregatedList
 *
 * A zone that cannot be reached, or a warning about a part of the answer, makes the list incomplete: then it fails.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GCP_LIST_H
#define MUSTER_PROVIDERS_COMMON_GCP_LIST_H

#include "providers/common/machine.h"
#include "providers/common/rest.h"

struct gcp_list { /* borrowed */
    const struct rest_client *api;
    const char *deployment;
    int (*each)(void *arg, const struct instance *i, struct err *e); /* -1 stops the list with its error */
    void *arg;
};

int gcp_list_project(const struct gcp_list *l, const char *project, struct err *e) MUST_USE;

#endif
