#include "providers/common/ini.h"
#include "providers/common/oci_creds.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

static char **slot_of(struct oci_profile *p, const char *name)
{
    struct {
        const char *name;
        char **slot;
    } slots[] = {{"user", &p->user},
                 {"tenancy", &p->tenancy},
                 {"fingerprint", &p->fingerprint},
                 {"key_file", &p->key_file},
                 {"region", &p->region},
                 {"security_token_file", &p->unsupported},
                 {"delegation_token_file", &p->unsupported}};

    for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
        if (strcmp(slots[i].name, name) == 0)
            return slots[i].slot;
    }
    return NULL;
}

static void keep(void *profile, const char *name, const char *value)
{
    struct oci_profile *p = profile;
    char **slot = slot_of(p, name);

    if (slot != NULL) {
        free(*slot);
        *slot = mem_strdup(slot == &p->unsupported ? name : value);
    } else if (strcmp(name, "pass_phrase") == 0) {
        secret_free(p->pass_phrase);
        p->pass_phrase = secret_new(value, strlen(value));
    }
}

/* The first of two variables that is set and not empty, or NULL. */
static const char *either(conf_getenv_fn *getenv_fn, void *arg, const char *a, const char *b)
{
    const char *v = getenv_fn(arg, a);

    if (v == NULL || *v == '\0')
        v = getenv_fn(arg, b);
    return v != NULL && *v != '\0' ? v : NULL;
}

/* DEFAULT first, then the profile over it. */
static int read_both(const char *path, const char *name, struct oci_profile *out, struct err *e)
{
    bool has_default = false;

    if (ini_read(path, "DEFAULT", keep, out, &has_default, e))
        return -1;
    if (strcmp(name, "DEFAULT") == 0)
        out->found = has_default;
    else if (ini_read(path, name, keep, out, &out->found, e))
        return -1;
    return 0;
}

int oci_profile_load(conf_getenv_fn *getenv_fn, void *arg, struct oci_profile *out, struct err *e)
{
    AUTO_OCI_PROFILE struct oci_profile p = {0};
    const char *file = either(getenv_fn, arg, "OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE");
    const char *asked = either(getenv_fn, arg, "OCI_CLI_PROFILE", "OCI_CONFIG_PROFILE");
    const char *home = either(getenv_fn, arg, "HOME", "HOME");
    char path[1024];
    int n = 0;

    if (file == NULL && home == NULL) {
        *out = p;
        return 0;
    }
    if (file == NULL)
        n = snprintf(path, sizeof(path), "%s/.oci/config", home);
    else if (text_has_prefix(file, "~/") && home != NULL)
        n = snprintf(path, sizeof(path), "%s%s", home, file + 1);
    else
        n = snprintf(path, sizeof(path), "%s", file);
    if ((size_t)n >= sizeof(path))
        return err_set(e, ERR_AUTH, "the path of Oracle's config file is too long");
    if (read_both(path, asked != NULL ? asked : "DEFAULT", &p, e)) {
        e->kind = ERR_AUTH;
        return -1;
    }
    if (!p.found && (file != NULL || asked != NULL))
        return err_set(e, ERR_AUTH, "%s: there is no profile [%.80s]", path, asked != NULL ? asked : "DEFAULT");
    *out = (struct oci_profile){0};
    if (p.found) {
        *out = p;
        p = (struct oci_profile){0};
    }
    return 0;
}

void oci_profile_clear(struct oci_profile *p)
{
    free(p->user);
    free(p->tenancy);
    free(p->fingerprint);
    free(p->key_file);
    free(p->region);
    free(p->unsupported);
    secret_free(p->pass_phrase);
    *p = (struct oci_profile){0};
}
