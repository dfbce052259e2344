/*
 * AWS credentials, from the first source that has any:
 *
 *     1. configured keys                4. the shared files (aws_profile.h)
 *     2. $AWS_ACCESS_KEY_ID and kin     5. a container's role
 *     3. a web identity token           6. the instance's role (metadata service, version 2)
 *
 * and, when a role is configured, AssumeRole on top of them. What expires is kept until five minutes before; files are
 * read again every five minutes. Safe from any thread: one asks, the others wait.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_CREDS_H
#define MUSTER_PROVIDERS_COMMON_AWS_CREDS_H

#include "providers/common/aws_query.h"
#include "server/base/cache.h"

struct aws_creds_conf { /* borrowed, outlives the aws_creds */
    struct httpc *http;
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    const char *region;        /* whose STS is asked; NULL = us-east-1 */
    const char *access_key_id; /* configured keys; NULL = none */
    const struct secret *secret_access_key, *session_token;
    const char *role_arn; /* NULL = none */
    int timeout_ms;       /* of each call; 0 = own rule */
};

struct aws_creds;
struct aws_creds *aws_creds_new(const struct aws_creds_conf *c);
void aws_creds_free(struct aws_creds *c); /* accepts NULL */

/* cache_value(*out) is a const struct aws_keys; give it back with cache_release. ERR_AUTH: there are none, or their
 * source refuses; ERR_RETRY: their source does not answer as it should. */
int aws_creds_get(struct aws_creds *c, struct cache_ref **out, struct err *e) MUST_USE;

/* These were refused: the next get asks their source again. */
void aws_creds_drop(struct aws_creds *c, const struct aws_keys *refused);

/* Do the environment or the shared files name credentials? No network. */
bool aws_creds_in_env(conf_getenv_fn *getenv_fn, void *arg);

/* May credentials be fetched from there: https, or this machine and its link (container agents)? */
int aws_creds_uri_check(const char *uri, struct err *e) MUST_USE;

#endif
