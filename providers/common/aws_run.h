/*
 * The form of one RunInstances call: one instance that ends, disks and all, when its guest powers off; whose metadata
 * service asks for version 2; that is spot once or not at all. Tags are the caller's to add.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_RUN_H
#define MUSTER_PROVIDERS_COMMON_AWS_RUN_H

#include "providers/common/aws_disks.h"

#define AWS_USER_DATA_MAX 16384 /* before base64 */

struct aws_run {
    const struct aws_image *image;
    const char *instance_type, *client_token;
    const char *profile; /* instance profile's name or ARN; NULL = none */
    const char *subnet;  /* NULL = the default network */
    const char *const *groups;
    size_t n_groups;
    bool spot;
    bool pulls;                     /* no user-data: the image fetches it */
    const json_t *extra;            /* extra_config; may be NULL */
    const struct secret *user_data; /* NULL = only to be shown */
};

/* ERR_INVALID as aws_disks_check. The form holds user-data: wipe it. */
int aws_run_form(struct buf *form, const struct aws_run *r, struct err *e) MUST_USE;

#endif
