/*
 * Google's access tokens, from where Google's own libraries look, in their order ("Application Default Credentials",
 * https://cloud.google.com/docs/authentication/application-default-credentials):
 *
 *   1. the file that the account names, or $GOOGLE_APPLICATION_CREDENTIALS (the caller passes either)
 *   2. what `gcloud auth application-default login` left: $CLOUDSDK_CONFIG, else ~/.config/gcloud, there
 *      application_default_credentials.json
 *   3. the metadata service of a Google machine: $GCE_METADATA_HOST, else metadata.google.internal
 *
 * A file is a service account's key (https://developers.google.com/identity/protocols/oauth2/service-account) or a
 * user's refresh token; other types are refused with what to do. It is read anew for each token, so that a rotated key
 * takes effect. Safe from any thread.
 */
#ifndef MUSTER_PROVIDERS_COMMON_GOOGLE_CREDS_H
#define MUSTER_PROVIDERS_COMMON_GOOGLE_CREDS_H

#include "providers/common/bearer.h"
#include "server/base/conf.h"

struct google_creds_conf { /* copied; what it points to outlives the credentials */
    struct httpc *http;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    const char *file;      /* NULL = none is named */
    const char *token_url; /* instead of the file's own; NULL = that */
    int timeout_ms;        /* of each request; 0 = 30,000 */
};

struct google_creds;

/* Finds the file and reads it, if there is one; no network. ERR_INVALID: a named file that is not there, one that
 * cannot be understood. */
int google_creds_open(const struct google_creds_conf *c, struct google_creds **out, struct err *e) MUST_USE;
void google_creds_free(struct google_creds *g); /* accepts NULL */

/* For bearer_auth. */
struct bearer *google_creds_bearer(struct google_creds *g);

/* What the file held when it was opened and error texts must not show, by number from 0; NULL = no more. */
const struct secret *google_creds_secret(const struct google_creds *g, size_t i);

/* The project that the file belongs to; NULL = it names none, or there is no file. */
const char *google_creds_project(const struct google_creds *g);

/* The project of the Google machine that we run on, asked once; cache_value(*out) is a string. ERR_AUTH: this is none.
 */
int google_creds_machine_project(struct google_creds *g, struct cache_ref **out, struct err *e) MUST_USE;

#endif
