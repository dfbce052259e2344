/*
 * Access tokens for Azure Resource Manager, from the first source that is complete:
 *
 *     1. tenant, client id and client secret
 *     2. tenant, client id and the token file of a workload identity ($AZURE_FEDERATED_TOKEN_FILE), read anew each time
 *     3. the identity of the machine or container that muster runs on; client id: which one, when it has several
 *
 * https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * https://learn.microsoft.com/en-us/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_CREDS_H
#define MUSTER_PROVIDERS_COMMON_AZURE_CREDS_H

#include "providers/common/bearer.h"
#include "server/base/conf.h"

struct azure_creds_conf { /* borrowed, outlives the azure_creds */
    struct httpc *http;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    const char *tenant_id, *client_id;  /* NULL = not set */
    const struct secret *client_secret; /* NULL = not set */
    const char *token_url;              /* NULL = of the tenant, at $AZURE_AUTHORITY_HOST or Microsoft's own */
    const char *resource;               /* whose tokens: "https://management.azure.com" */
    int timeout_ms;                     /* 0 = own rule */
};

struct azure_creds;
/* ERR_INVALID: a tenant that cannot stand in an address. */
int azure_creds_new(const struct azure_creds_conf *c, struct azure_creds **out, struct err *e) MUST_USE;
void azure_creds_free(struct azure_creds *c); /* accepts NULL */
struct bearer *azure_creds_bearer(const struct azure_creds *c);

#endif
