/*
 * Oracle Cloud's request signatures as a pure function: draft-cavage-http-signatures-08 with RSA and SHA-256.
 * https://docs.oracle.com/en-us/iaas/Content/API/Concepts/signingrequests.htm
 *
 * Signed are date, the request target exactly as it is sent, and host; with a body also its length, type and digest.
 */
#ifndef MUSTER_PROVIDERS_COMMON_SIGN_OCI_H
#define MUSTER_PROVIDERS_COMMON_SIGN_OCI_H

#include "providers/common/rest.h"
#include "server/base/crypto.h"

/* "Thu, 05 Jan 2014 21:31:40 GMT", the value of Date; more than five minutes off is refused. */
#define SIGN_OCI_DATE_LEN 29
void sign_oci_date(int64_t time_ms, char out[SIGN_OCI_DATE_LEN + 1]);

struct sign_oci_req {   /* borrowed */
    const char *key_id; /* "TENANCY/USER/FINGERPRINT", "ST$TOKEN" */
    const struct crypto_key *key;
    const char *date;
    const char *method, *url; /* as sent; GET and DELETE without a body */
    const char *body;         /* JSON; NULL = none */
    size_t body_len;
    bool without_host; /* the exchange of certificates for a token wants it so */
};

/* Append what is signed: "name: value" lines without a final newline. */
int sign_oci_text(const struct sign_oci_req *r, struct buf *text, struct err *e) MUST_USE;

/* Add Date, Authorization and, with a body, X-Content-SHA256 to out, in this order. */
int sign_oci(const struct sign_oci_req *r, struct rest_headers *out, struct err *e) MUST_USE;

#endif
