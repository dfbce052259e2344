/*
 * Calls to Oracle Cloud's services: where they go, how they refuse, lists in pages.
 * https://docs.oracle.com/en-us/iaas/Content/API/References/apierrors.htm
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_API_H
#define MUSTER_PROVIDERS_COMMON_OCI_API_H

#include "providers/common/oci_creds.h"
#include "providers/common/oci_region.h"

struct oci_account {          /* borrowed */
    struct httpc *http;       /* NULL = only to be shown */
    const char *endpoint_url; /* of every service; NULL = the region's own */
    char domain[OCI_REGION_SIZE];
    const char *compartment; /* OCID */
    struct oci_creds *creds;
    const struct secret *private_key, *pass_phrase; /* masked in error texts; NULL = none */
    int timeout_ms;
};

/* One service in one region. Stays where it is: rest points into it. */
struct oci_api {
    struct rest_client rest;
    char base[256];
};

/* service: "iaas", "identity". region is checked (oci_region_of). */
void oci_api_init(const struct oci_account *a, const char *service, const char *region, struct oci_api *out);

/* Was a call refused with this code? Oracle says NotAuthorizedOrNotFound both of what is not there and of what one may
 * not see. */
bool oci_said(const struct rest_res *res, int status, const char *code);

/* Call visit with each item of a list, all pages of it. path_query: "/20160918/instances?compartmentId=...". A visit
 * that fails ends it with its error. */
typedef int oci_visit_fn(void *arg, const json_t *item, struct err *e);
int oci_each(const struct oci_api *api, const char *what, const char *path_query, oci_visit_fn *visit, void *arg,
             struct err *e) MUST_USE;

#endif
