#include "providers/common/aws_profile.h"

#include "providers/common/ini.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

/* Where a setting goes. Secrets have a table of their own. */
static char **text_slot(struct aws_profile *p, const char *key)
{
    struct {
        const char *key;
        char **slot;
    } slots[] = {{"aws_access_key_id", &p->access_key_id},
                 {"region", &p->region},
                 {"role_arn", &p->role_arn},
                 {"source_profile", &p->source_profile},
                 {"external_id", &p->external_id}};

    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        if (strcmp(slots[i].key, key) == 0)
            return slots[i].slot;
    }
    return NULL;
}

static struct secret **secret_slot(struct aws_profile *p, const char *key)
{
    if (strcmp(key, "aws_secret_access_key") == 0)
        return &p->secret_access_key;
    return strcmp(key, "aws_session_token") == 0 ? &p->session_token : NULL;
}

static bool is_unsupported(const char *key)
{
    return strcmp(key, "credential_process") == 0 || strcmp(key, "credential_source") == 0 ||
           strcmp(key, "web_identity_token_file") == 0 || text_has_prefix(key, "sso_");
}

static void keep(void *profile, const char *key, const char *value)
{
    struct aws_profile *p = profile;
    char **text = text_slot(p, key);
    struct secret **secret = secret_slot(p, key);

    if (text != NULL) {
        free(*text);
        *text = mem_strdup(value);
    } else if (secret != NULL) {
        secret_free(*secret);
        *secret = secret_new(value, strlen(value));
    } else if (is_unsupported(key) && p->unsupported == NULL) {
        p->unsupported = mem_strdup(key);
    }
}

/* One of the two files; section: "default", "profile ci". */
static int read_file(const char *file, const char *section, struct aws_profile *out, struct err *e)
{
    if (ini_read(file, section, keep, out, &out->found, e))
        return -1;
    if ((out->access_key_id == NULL) != (out->secret_access_key == NULL))
        return err_set(e, ERR_INVALID, "%s: [%s] has %s without the other half of the pair", file, section,
                       out->access_key_id != NULL ? "aws_access_key_id" : "aws_secret_access_key");
    return 0;
}

/* The path of one of the files; false when there is no home to look in. */
static bool path_of(conf_getenv_fn *getenv_fn, void *arg, const char *var, const char *name, char *out, size_t size)
{
    const char *path = getenv_fn(arg, var);
    const char *home = getenv_fn(arg, "HOME");

    if (path != NULL && *path != '\0')
        return (size_t)snprintf(out, size, "%s", path) < size;
    return home != NULL && *home != '\0' && (size_t)snprintf(out, size, "%s/.aws/%s", home, name) < size;
}

static void take(char **into, char **from)
{
    if (*into == NULL) {
        *into = *from;
        *from = NULL;
    }
}

/* Keys go together: half of a pair is never mixed with the other file's half. */
static void merge(struct aws_profile *into, struct aws_profile *from)
{
    into->found = into->found || from->found;
    if (into->access_key_id == NULL) {
        struct secret *token = into->session_token;

        take(&into->access_key_id, &from->access_key_id);
        into->secret_access_key = from->secret_access_key;
        into->session_token = from->session_token;
        from->secret_access_key = NULL;
        from->session_token = token;
    }
    take(&into->region, &from->region);
    take(&into->role_arn, &from->role_arn);
    take(&into->source_profile, &from->source_profile);
    take(&into->external_id, &from->external_id);
    take(&into->unsupported, &from->unsupported);
}

int aws_profile_load(conf_getenv_fn *getenv_fn, void *arg, const char *name, struct aws_profile *out, struct err *e)
{
    AUTO_AWS_PROFILE struct aws_profile credentials = {0}, config = {0};
    char path[1024], section[256];

    if (name == NULL)
        name = getenv_fn(arg, "AWS_PROFILE");
    if (name == NULL || *name == '\0')
        name = "default";
    if ((size_t)snprintf(section, sizeof(section), "%s", name) >= sizeof(section))
        return err_set(e, ERR_INVALID, "the name of the AWS profile is too long");
    if (path_of(getenv_fn, arg, "AWS_SHARED_CREDENTIALS_FILE", "credentials", path, sizeof(path))) {
        if (read_file(path, section, &credentials, e))
            return -1;
    }
    if (path_of(getenv_fn, arg, "AWS_CONFIG_FILE", "config", path, sizeof(path))) {
        if (strcmp(name, "default") != 0 &&
            (size_t)snprintf(section, sizeof(section), "profile %s", name) >= sizeof(section))
            return err_set(e, ERR_INVALID, "the name of the AWS profile is too long");
        if (read_file(path, section, &config, e))
            return -1;
    }
    merge(&credentials, &config);
    *out = credentials;
    credentials = (struct aws_profile){0};
    return 0;
}

void aws_profile_clear(struct aws_profile *p)
{
    free(p->access_key_id);
    secret_free(p->secret_access_key);
    secret_free(p->session_token);
    free(p->region);
    free(p->role_arn);
    free(p->source_profile);
    free(p->external_id);
    free(p->unsupported);
    *p = (struct aws_profile){0};
}
