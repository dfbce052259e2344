/*
 * A plain HTTP client for tests of the simulators: libcurl used directly, so that a fault in the daemon's own client
 * cannot hide one here. One call, one connection.
 */
#ifndef MUSTER_TESTS_SIM_CLIENT_H
#define MUSTER_TESTS_SIM_CLIENT_H

#include "server/base/buf.h"

#include <jansson.h>
#include <stdint.h>

struct sim_call {
    const char *method, *url;
    const char *headers[12]; /* "Name: value", ended by NULL */
    const char *body;        /* NULL = none */
    const char *sigv4;       /* CURLOPT_AWS_SIGV4 */
    const char *userpwd;
    int timeout_ms; /* 0 = 10,000 */
};

struct sim_reply {
    int status; /* 0 = no whole answer */
    struct buf body, headers;
    json_t *json; /* NULL when the body is none */
};

void sim_do(const struct sim_call *c, struct sim_reply *out);
bool sim_reply_header(const struct sim_reply *r, const char *name, char *out, size_t size);
void sim_reply_clear(struct sim_reply *r);

/* An App's JWT; alg as given, so that wrong ones can be made. The caller frees. */
char *sim_jwt(const char *private_pem, const char *iss, int64_t iat, int64_t exp, const char *alg);

#endif
