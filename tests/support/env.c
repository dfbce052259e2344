#include "tests/support/env.h"

#include "server/base/mem.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void env_addf(struct env *env, const char *fmt, ...)
{
    char text[4096];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (env->n == ENV_MAX)
        abort();
    env->v[env->n++] = mem_strdup(text);
    env->v[env->n] = NULL;
}

void env_set(struct env *env, const char *name, const char *value)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < env->n; i++) {
        if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=') {
            free(env->v[i]);
            env->v[i] = env->v[--env->n];
            env->v[env->n] = NULL;
            break;
        }
    }
    if (value != NULL)
        env_addf(env, "%s=%s", name, value);
}

void env_clear(struct env *env)
{
    for (size_t i = 0; i < env->n; i++)
        free(env->v[i]);
    memset(env, 0, sizeof(*env));
}

void env_write_key(const char *path)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (f == NULL || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) != 1 || fclose(f) != 0)
        abort();
    EVP_PKEY_free(key);
}

void env_sound(struct env *env, const char *dir)
{
    char key[256];

    (void)snprintf(key, sizeof(key), "%s/app.pem", dir);
    if (access(key, F_OK) != 0)
        env_write_key(key);
    env_addf(env, "MUSTER_LISTEN=127.0.0.1:0");
    env_addf(env, "MUSTER_ADMIN_LISTEN=127.0.0.1:0");
    env_addf(env, "MUSTER_STORE=sqlite:%s/store.db", dir);
    env_addf(env, "MUSTER_GITHUB_APP_ID=12345");
    env_addf(env, "MUSTER_GITHUB_PRIVATE_KEY_FILE=%s", key);
    env_addf(env, "MUSTER_WEBHOOK_SECRET=a-secret-nobody-sees");
    env_addf(env, "AWS_ACCESS_KEY_ID=AKIDEXAMPLE");
    env_addf(env, "AWS_SECRET_ACCESS_KEY=another-secret-nobody-sees");
    env_addf(env, "AWS_REGION=eu-west-1");
}

void env_without_limits(struct env *env)
{
    env_set(env, "MUSTER_LIMITS_MACHINES", "1000000");
    env_set(env, "MUSTER_LIMITS_MACHINES_PER_REPOSITORY", "1000000");
    env_set(env, "MUSTER_LIMITS_LAUNCHES_PER_MINUTE", "1000000");
}
