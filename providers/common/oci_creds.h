/*
 * Who signs the calls to Oracle Cloud. Each of tenancy, user, fingerprint and private key comes from the account's
 * settings (or their OCI_CLI_ variables), else from the file of Oracle's own tools (oci_profile_load). When there is
 * neither a user nor a key, the machine that muster runs on is asked who it is (oci_federation.h).
 *
 * Files are read again every five minutes, tokens renewed five minutes before their end. Safe from any thread: one
 * asks, the others wait.
 */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_CREDS_H
#define MUSTER_PROVIDERS_COMMON_OCI_CREDS_H

#include "providers/common/rest.h"
#include "server/base/conf.h"

struct oci_creds_conf { /* borrowed, outlives the oci_creds */
    struct httpc *http;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    const char *tenancy, *user, *fingerprint; /* NULL = not set */
    const struct secret *private_key, *pass_phrase;
    int timeout_ms; /* of each call; 0 = own rule */
};

struct oci_creds;
struct oci_creds *oci_creds_new(const struct oci_creds_conf *c);
void oci_creds_free(struct oci_creds *c); /* accepts NULL */

/* A rest_auth_fn over a struct oci_creds. ERR_AUTH: there are no credentials, or their source refuses; ERR_RETRY: their
 * source does not answer as it should. */
int oci_creds_auth(void *creds, const struct rest_call *call, const char *url, const char *text, size_t len,
                   const struct rest_headers *refused, struct rest_headers *out, struct err *e) MUST_USE;

/*
 * One profile of ~/.oci/config (or $OCI_CLI_CONFIG_FILE, $OCI_CONFIG_FILE): $OCI_CLI_PROFILE, $OCI_CONFIG_PROFILE, else
 * DEFAULT, whose values all others inherit. https://docs.oracle.com/en-us/iaas/Content/API/Concepts/sdkconfig.htm
 */
struct oci_profile {
    bool found;
    char *user, *tenancy, *fingerprint, *key_file, *region;
    struct secret *pass_phrase;
    char *unsupported; /* a setting by which it gets credentials in a way we do not know */
};
#define AUTO_OCI_PROFILE AUTO(oci_profile_clear)

/* A file or profile that is not there leaves found false, unless a variable names it: ERR_AUTH. ERR_AUTH too when it is
 * unreadable or malformed. *out is overwritten. */
int oci_profile_load(conf_getenv_fn *getenv_fn, void *arg, struct oci_profile *out, struct err *e) MUST_USE;
void oci_profile_clear(struct oci_profile *p);

/* Do the environment or the file name a user and a key? No network. */
bool oci_creds_in_env(conf_getenv_fn *getenv_fn, void *arg);

#endif
