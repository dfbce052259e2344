/*
 * The body of one LaunchInstance: https://docs.oracle.com/en-us/iaas/api/#/en/iaas/20160918/Instance/LaunchInstance
 * One machine whose boot volume ends with it (unless it is terminated with preserveBootVolume), whose metadata service
 * answers version 2 only, and that is terminated, not stopped, when Oracle takes a preemptible one back.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_LAUNCH_H
#define MUSTER_PROVIDERS_COMMON_OCI_LAUNCH_H

#include "providers/common/oci_shape.h"
#include "server/base/secret.h"

/* metadata may have 32,000 bytes in all, user-data in base64 among them */
#define OCI_USER_DATA_MAX ((size_t)23952)

enum oci_ip { OCI_IP_AS_SUBNET, OCI_IP_PUBLIC, OCI_IP_PRIVATE };

struct oci_launch { /* borrowed */
    const char *compartment, *domain, *name, *image, *subnet;
    const struct oci_shape *shape;
    const char *const *groups;
    size_t n_groups;
    enum oci_ip public_ip;
    bool spot;
    json_t *tags;                   /* of the machine and its network card */
    bool pulls;                     /* no user-data: the image fetches it */
    const struct secret *user_data; /* NULL = only to be shown */
};

int oci_launch_body(const struct oci_launch *l, json_t **out, struct err *e) MUST_USE;

#endif
