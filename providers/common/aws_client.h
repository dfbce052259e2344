/*
 * Calls of one AWS account: endpoint, credentials, and one repetition with fresh credentials when the old ones are
 * refused as expired or unknown. Safe from any thread.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_CLIENT_H
#define MUSTER_PROVIDERS_COMMON_AWS_CLIENT_H

#include "providers/common/aws_creds.h"

struct aws_client { /* everything borrowed */
    struct httpc *http;
    struct aws_creds *creds;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    const char *ec2_url; /* NULL = the region's own */
    int timeout_ms;      /* of each call; 0 = own rule */
};

/* An action of EC2, as aws_query. */
int aws_client_ec2(const struct aws_client *c, const char *region, const char *action, const struct buf *form,
                   const struct secret *hide, struct xml_doc **out, struct aws_fault *fault, struct err *e) MUST_USE;

/* The address of EC2 in a region, appended to out. */
int aws_client_ec2_url(const struct aws_client *c, const char *region, struct buf *out, struct err *e) MUST_USE;

/* A public parameter of Systems Manager; the caller frees *out. */
int aws_client_ssm_parameter(const struct aws_client *c, const char *region, const char *name, char **out,
                             struct err *e) MUST_USE;

/* GetProducts of the price list that stands nearest to a region's partition; the caller owns *out. */
int aws_client_pricing(const struct aws_client *c, const char *region, const json_t *question, json_t **out,
                       struct aws_fault *fault, struct err *e) MUST_USE;

#endif
