/*
 * The files that AWS's own tools share: ~/.aws/credentials and ~/.aws/config, or where $AWS_SHARED_CREDENTIALS_FILE and
 * $AWS_CONFIG_FILE point. One profile is read: its keys, region and role (ini.h).
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_PROFILE_H
#define MUSTER_PROVIDERS_COMMON_AWS_PROFILE_H

#include "server/base/conf.h"

struct aws_profile {
    bool found; /* in either file */
    char *access_key_id;
    struct secret *secret_access_key, *session_token;
    char *region, *role_arn, *source_profile, *external_id;
    char *unsupported; /* a setting by which it gets credentials in a way we do not know: "sso_session" */
};
#define AUTO_AWS_PROFILE AUTO(aws_profile_clear)

/* name NULL = $AWS_PROFILE, else "default". Files or profiles that are not there leave found false. ERR_INVALID:
 * unreadable or malformed file, a key without its other half. *out is overwritten. */
int aws_profile_load(conf_getenv_fn *getenv_fn, void *arg, const char *name, struct aws_profile *out,
                     struct err *e) MUST_USE;
void aws_profile_clear(struct aws_profile *p);

#endif
