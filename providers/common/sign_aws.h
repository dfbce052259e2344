/*
 * AWS Signature Version 4 as a pure function: the same input gives the same Authorization header.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * Our own, because libcurl's leaves Content-Type out and mis-sorts queries. Every header given is signed; `host` and
 * `x-amz-date` must be among them, and `x-amz-security-token` when the credentials have a session token.
 */
#ifndef MUSTER_PROVIDERS_COMMON_SIGN_AWS_H
#define MUSTER_PROVIDERS_COMMON_SIGN_AWS_H

#include "server/base/httpc.h"

/* One set of credentials. Owns its strings. */
struct aws_keys {
    char *access_key_id;
    struct secret *secret_access_key;
    struct secret *session_token; /* NULL = long-lived keys */
    int64_t expires_ms;           /* INT64_MAX = never */
};
struct aws_keys *aws_keys_new(const char *id, const char *secret, const char *token, int64_t expires_ms);
void aws_keys_free(struct aws_keys *k); /* accepts NULL */

#define SIGN_AWS_MAX_HEADERS 16
#define SIGN_AWS_MAX_PARAMS 64

struct sign_aws_req {
    const char *region, *service;
    int64_t time_ms;
    const char *method;
    const char *path;  /* as sent, "/" at least */
    const char *query; /* as sent, without '?', already escaped; "" = none */
    const struct httpc_header *headers;
    size_t n_headers;
    const void *body;
    size_t body_len;
};

/* "20150830T123600Z", the value of x-amz-date. */
#define SIGN_AWS_DATE_LEN 16
void sign_aws_date(int64_t time_ms, char out[SIGN_AWS_DATE_LEN + 1]);

/* Append the value of the Authorization header. ERR_INVALID: too many headers or parameters. */
int sign_aws(const struct aws_keys *k, const struct sign_aws_req *r, struct buf *authorization, struct err *e) MUST_USE;

#endif
