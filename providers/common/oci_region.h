/*
 * Where Oracle Cloud's services answer: https://SERVICE.REGION.DOMAIN, the domain by the realm that every OCID names.
 * https://docs.oracle.com/en-us/iaas/Content/General/Concepts/regions.htm
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_REGION_H
#define MUSTER_PROVIDERS_COMMON_OCI_REGION_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define OCI_REGION_SIZE 64

/* "ocid1.subnet.oc1.iad.aaaa": is it the OCID of such a thing, fit for a path and a query? kind NULL = of any. */
bool oci_is_ocid(const char *s, const char *kind);

/* "oraclecloud.com" of the realm "oc1" in an OCID. */
void oci_domain(const char *ocid, char out[OCI_REGION_SIZE]);

/* What `region` of .cirun.yml may be: a region ("eu-frankfurt-1"), or one of its availability domains as Oracle names
 * them ("Uocm:EU-FRANKFURT-1-AD-2"): its region, and whether it names a domain. ERR_INVALID: neither. */
int oci_region_of(const char *place, char region[OCI_REGION_SIZE], bool *is_domain, struct err *e) MUST_USE;

#endif
