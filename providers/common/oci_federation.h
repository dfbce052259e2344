/*
 * Instance principals: a machine in Oracle Cloud shows its certificates and is given a token for a key of its own.
 * https://docs.oracle.com/en-us/iaas/Content/Identity/Tasks/callingservicesfrominstances.htm; the exchange as Oracle's
 * Go SDK makes it: https://github.com/oracle/oci-go-sdk/blob/master/common/auth/federation_client.go
 *
 * $OCI_METADATA_BASE_URL and $OCI_SDK_AUTH_CLIENT_REGION_URL lead to other addresses, as there.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_FEDERATION_H
#define MUSTER_PROVIDERS_COMMON_OCI_FEDERATION_H

#include "providers/common/oci_creds.h"
#include "server/base/crypto.h"

/* A fresh token and the key to sign with; expires_ms: wall clock. The caller frees both. ERR_AUTH: this machine is none
 * of Oracle's, or it is refused. */
int oci_federation(const struct oci_creds_conf *c, struct secret **token, struct crypto_key **key, int64_t *expires_ms,
                   struct err *e) MUST_USE;

#endif
