/* Environments for child processes: NAME=value entries that can be added, replaced and removed. Ends the test program
 * when there is no room. */
#ifndef MUSTER_TESTS_SUPPORT_ENV_H
#define MUSTER_TESTS_SUPPORT_ENV_H

#include "server/base/attr.h"

#include <stddef.h>

#define ENV_MAX 40

struct env {
    char *v[ENV_MAX + 1]; /* ended by NULL */
    size_t n;
};
#define AUTO_ENV AUTO(env_clear)

void env_addf(struct env *env, const char *fmt, ...) PRINTF(2, 3); /* "NAME=value" */
/* No limit of muster's own keeps a storm of jobs waiting. */
void env_without_limits(struct env *env);
void env_set(struct env *env, const char *name, const char *value); /* replaces; NULL removes */
void env_clear(struct env *env);

/* A fresh RSA key as PEM (PKCS#8) in a new file of mode 0600. */
void env_write_key(const char *path);

/* Settings that start a daemon on any free ports of loopback: store.db and app.pem (made if missing) in dir. */
void env_sound(struct env *env, const char *dir);

#endif
