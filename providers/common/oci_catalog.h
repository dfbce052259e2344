/*
 * What a region of Oracle Cloud has, asked once and remembered: its availability domains (for a day), and the newest
 * image that an alias stands for (for an hour).
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_CATALOG_H
#define MUSTER_PROVIDERS_COMMON_OCI_CATALOG_H

#include "providers/common/oci_api.h"
#include "server/base/cache.h"

#define OCI_MAX_DOMAINS 8
#define OCI_IMAGE_SIZE 256

struct oci_domains {
    size_t n; /* at least 1 */
    char names[OCI_MAX_DOMAINS][100];
};

/* The cache of both. */
struct cache *oci_catalog_new(void);

/* cache_value(*out) is a const struct oci_domains, in Oracle's order; give it back with cache_release. */
int oci_domains_get(const struct oci_account *a, struct cache *catalog, const char *region, struct cache_ref **out,
                    struct err *e) MUST_USE;

/* The regions that a tenancy is subscribed to and that are ready, asked of the region `from` (or of one of its
 * domains); tenancy NULL (the machine's own identity signs): `from` alone.
 * https://docs.oracle.com/en-us/iaas/api/#/en/identity/20160918/RegionSubscription/ListRegionSubscriptions */
int oci_regions_each(const struct oci_account *a, const char *tenancy, const char *from,
                     int (*each)(void *arg, const char *region, struct err *e), void *arg, struct err *e) MUST_USE;

/* Is it an image's OCID, or an alias (ubuntu2004, ubuntu2204, ubuntu2404, windows2022) of what Oracle publishes? */
int oci_image_check(const char *image, struct err *e) MUST_USE;

/* The OCID of the newest platform image that fits the shape; an OCID stands for itself. ERR_INVALID: there is none. */
int oci_image_resolve(const struct oci_account *a, struct cache *catalog, const char *region, const char *image,
                      const char *shape, char out[OCI_IMAGE_SIZE], struct err *e) MUST_USE;

#endif
