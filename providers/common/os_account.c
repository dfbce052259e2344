#include "providers/common/os_account.h"

#include "providers/common/ini.h"
#include "server/base/mem.h"
#include "server/base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct conf_key os_account_keys[] = {
    {.name = "auth_url",
     .type = CONF_URL,
     .env = "OS_AUTH_URL",
     .help = "Keystone's address, with or without /v3; without it: clouds.yaml"},
    {.name = "username", .type = CONF_STRING, .env = "OS_USERNAME", .help = "user by name"},
    {.name = "user_id", .type = CONF_STRING, .env = "OS_USER_ID", .help = "user by id"},
    {.name = "password", .type = CONF_SECRET, .env = "OS_PASSWORD", .help = "the user's password"},
    {.name = "user_domain_id", .type = CONF_STRING, .env = "OS_USER_DOMAIN_ID", .help = "the user's domain"},
    {.name = "user_domain_name",
     .type = CONF_STRING,
     .env = "OS_USER_DOMAIN_NAME",
     .help = "the same by name; neither = the domain with the id default"},
    {.name = "project_id", .type = CONF_STRING, .env = "OS_PROJECT_ID OS_TENANT_ID", .help = "project by id"},
    {.name = "project_name", .type = CONF_STRING, .env = "OS_PROJECT_NAME OS_TENANT_NAME", .help = "project by name"},
    {.name = "project_domain_id", .type = CONF_STRING, .env = "OS_PROJECT_DOMAIN_ID", .help = "the project's domain"},
    {.name = "project_domain_name",
     .type = CONF_STRING,
     .env = "OS_PROJECT_DOMAIN_NAME",
     .help = "the same by name; neither = the user's domain"},
    {.name = "application_credential_id",
     .type = CONF_STRING,
     .env = "OS_APPLICATION_CREDENTIAL_ID",
     .help = "application credential instead of a password: it knows user and project"},
    {.name = "application_credential_name",
     .type = CONF_STRING,
     .env = "OS_APPLICATION_CREDENTIAL_NAME",
     .help = "the same by name, with the user it belongs to"},
    {.name = "application_credential_secret",
     .type = CONF_SECRET,
     .env = "OS_APPLICATION_CREDENTIAL_SECRET",
     .help = "its secret"},
    {.name = "cloud",
     .type = CONF_STRING,
     .env = "OS_CLOUD",
     .help = "a cloud of clouds.yaml, instead of the settings above"},
    {.name = "region",
     .type = CONF_STRING,
     .env = "OS_REGION_NAME",
     .help = "where machines start when .cirun.yml names no region"},
    {.name = "interface",
     .type = CONF_STRING,
     .env = "OS_INTERFACE OS_ENDPOINT_TYPE",
     .help = "which endpoints of the catalogue: public, internal or admin; none = public"},
    {.name = "network", .type = CONF_STRING, .help = "network of the machines by name or id; none = the only one"},
    {.name = "compute_endpoint_override",
     .type = CONF_URL,
     .env = "OS_COMPUTE_ENDPOINT_OVERRIDE",
     .help = "Nova's address instead of the catalogue's"},
    {.name = "image_endpoint_override",
     .type = CONF_URL,
     .env = "OS_IMAGE_ENDPOINT_OVERRIDE",
     .help = "Glance's address instead of the catalogue's"},
    {.name = "network_endpoint_override",
     .type = CONF_URL,
     .env = "OS_NETWORK_ENDPOINT_OVERRIDE",
     .help = "Neutron's address instead of the catalogue's"},
    {.name = NULL}};

/* Each value, by its name in the settings and in clouds.yaml (where older names are still met). */
struct field {
    const char *setting;
    const char *file, *older; /* older NULL = none */
    size_t offset;
    bool secret, credential; /* credential: from one source with all others */
};
#define AT(member) offsetof(struct os_account, member)

static const struct field fields[] = {
    {"auth_url", "auth_url", NULL, AT(auth_url), false, true},
    {"username", "username", "user_name", AT(username), false, true},
    {"user_id", "user_id", NULL, AT(user_id), false, true},
    {"password", "password", NULL, AT(password), true, true},
    {"user_domain_id", "user_domain_id", "domain_id", AT(user_domain_id), false, true},
    {"user_domain_name", "user_domain_name", "domain_name", AT(user_domain_name), false, true},
    {"project_id", "project_id", "tenant_id", AT(project_id), false, true},
    {"project_name", "project_name", "tenant_name", AT(project_name), false, true},
    {"project_domain_id", "project_domain_id", "domain_id", AT(project_domain_id), false, true},
    {"project_domain_name", "project_domain_name", "domain_name", AT(project_domain_name), false, true},
    {"application_credential_id", "application_credential_id", NULL, AT(credential_id), false, true},
    {"application_credential_name", "application_credential_name", NULL, AT(credential_name), false, true},
    {"application_credential_secret", "application_credential_secret", NULL, AT(credential_secret), true, true},
    {"region", "region_name", NULL, AT(region), false, false},
    {"interface", "interface", "endpoint_type", AT(interface), false, false},
    {"network", NULL, NULL, AT(network), false, false},
    {"compute_endpoint_override", "compute_endpoint_override", NULL, AT(compute_url), false, false},
    {"image_endpoint_override", "image_endpoint_override", NULL, AT(image_url), false, false},
    {"network_endpoint_override", "network_endpoint_override", NULL, AT(network_url), false, false},
};

static char **text_at(struct os_account *a, const struct field *f)
{
    return (char **)(void *)((char *)a + f->offset);
}

static struct secret **secret_at(struct os_account *a, const struct field *f)
{
    return (struct secret **)(void *)((char *)a + f->offset);
}

void os_account_clear(struct os_account *a)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (fields[i].secret)
            secret_free(*secret_at(a, &fields[i]));
        else
            free(*text_at(a, &fields[i]));
    }
    *a = (struct os_account){0};
}

/* The first value stays. */
static void keep(struct os_account *a, const struct field *f, const char *text)
{
    if (f->secret && *secret_at(a, f) == NULL)
        *secret_at(a, f) = secret_new(text, strlen(text));
    else if (!f->secret && *text_at(a, f) == NULL)
        *text_at(a, f) = mem_strdup(text);
}

static bool env_has(conf_getenv_fn *getenv_fn, void *arg, const char *name)
{
    const char *value = getenv_fn(arg, name);

    return value != NULL && *value != '\0';
}

bool os_account_in_env(conf_getenv_fn *getenv_fn, void *arg)
{
    bool secret = env_has(getenv_fn, arg, "OS_PASSWORD") || env_has(getenv_fn, arg, "OS_PASSWORD_FILE") ||
                  env_has(getenv_fn, arg, "OS_APPLICATION_CREDENTIAL_SECRET") ||
                  env_has(getenv_fn, arg, "OS_APPLICATION_CREDENTIAL_SECRET_FILE");

    return env_has(getenv_fn, arg, "OS_CLOUD") || (secret && env_has(getenv_fn, arg, "OS_AUTH_URL"));
}

/* ---- the shared files ---- */

struct file {
    char path[1024];
    struct yaml_doc *doc; /* NULL = there is none */
};

static void file_clear(struct file *f)
{
    yaml_doc_free(f->doc);
}

static bool readable(const char *path)
{
    return access(path, R_OK) == 0;
}

/* Where the clients look, in their order. path stays empty when nothing is there. */
static int find_file(struct file *f, conf_getenv_fn *getenv_fn, void *arg, const char *var, const char *stem,
                     struct err *e)
{
    static const char *const endings[] = {"yaml", "yml"};
    const char *named = getenv_fn(arg, var), *home = getenv_fn(arg, "HOME");
    bool has_home = home != NULL && *home != '\0';

    if (named != NULL && *named != '\0') {
        if ((size_t)snprintf(f->path, sizeof(f->path), "%s", named) >= sizeof(f->path))
            return err_set(e, ERR_INVALID, "$%s is too long", var);
        return readable(f->path) ? 0 : err_set(e, ERR_INVALID, "$%s: %s cannot be read", var, named);
    }
    for (size_t i = 0; i < 6; i++) {
        const char *ending = endings[i % 2];

        if (i < 2)
            (void)snprintf(f->path, sizeof(f->path), "%s.%s", stem, ending);
        else if (i < 4 && has_home)
            (void)snprintf(f->path, sizeof(f->path), "%.900s/.config/openstack/%s.%s", home, stem, ending);
        else
            (void)snprintf(f->path, sizeof(f->path), "/etc/openstack/%s.%s", stem, ending);
        if (readable(f->path))
            return 0;
    }
    f->path[0] = '\0';
    return 0;
}

static int read_file(struct file *f, conf_getenv_fn *getenv_fn, void *arg, const char *var, const char *stem,
                     struct err *e)
{
    AUTO(buf_wipe) struct buf text = BUF_INIT(OS_FILE_MAX);

    if (find_file(f, getenv_fn, arg, var, stem, e))
        return -1;
    if (f->path[0] == '\0')
        return 0;
    if (ini_read_file(f->path, &text, e)) {
        e->kind = ERR_INVALID;
        return -1;
    }
    return yaml_parse(text.p != NULL ? text.p : "", text.len, OS_FILE_MAX, f->path, &f->doc, e);
}

/* The mapping of a cloud; NULL when the file or the cloud is not there. */
static const struct yaml_node *cloud_in(const struct file *f, const char *name)
{
    return f->doc == NULL ? NULL : yaml_get(yaml_get(yaml_root(f->doc), "clouds"), name);
}

/* A value may stand under `auth` or beside it; under `auth` it counts. */
static int take_value(struct os_account *a, const struct field *f, const struct file *file,
                      const struct yaml_node *cloud, const char *key, struct err *e)
{
    const struct yaml_node *value = yaml_get(yaml_get(cloud, "auth"), key);
    const char *text;

    if (yaml_is_null(value))
        value = yaml_get(cloud, key);
    if (yaml_is_null(value))
        return 0;
    if (yaml_str(file->doc, value, key, &text, e))
        return -1;
    if (*text != '\0')
        keep(a, f, text);
    return 0;
}

static int take_values(struct os_account *a, const struct file *file, const struct yaml_node *cloud, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (f->file != NULL && take_value(a, f, file, cloud, f->file, e))
            return -1;
        if (f->older != NULL && take_value(a, f, file, cloud, f->older, e))
            return -1;
    }
    return 0;
}

/* The first of the list `regions` (names, or mappings with a name) when there is no region_name. */
static int take_first_region(struct os_account *a, const struct file *file, const struct yaml_node *cloud,
                             struct err *e)
{
    const struct yaml_node *regions = yaml_get(cloud, "regions"), *first;
    const char *name;

    if (a->region != NULL || regions == NULL || regions->kind != YAML_LIST || regions->n == 0)
        return 0;
    first = regions->items[0]->kind == YAML_MAP ? yaml_get(regions->items[0], "name") : regions->items[0];
    if (yaml_str(file->doc, first, "regions", &name, e))
        return -1;
    a->region = mem_strdup(name);
    return 0;
}

/* What would make the account another one than the clients see. */
static int refuse_unknown(const struct file *file, const struct yaml_node *cloud, struct err *e)
{
    static const char *const types[] = {"password", "v3password", "v3applicationcredential"};
    const struct yaml_node *type = yaml_get(cloud, "auth_type"), *verify = yaml_get(cloud, "verify");
    bool known = yaml_is_null(type), checks = true;

    for (size_t i = 0; i < ARRAY_LEN(types) && !known; i++)
        known = type->kind == YAML_SCALAR && strcmp(type->text, types[i]) == 0;
    if (!known)
        return yaml_err(file->doc, type, e, "auth_type: known are password, v3password and v3applicationcredential");
    if (!yaml_is_null(verify) && yaml_bool(file->doc, verify, "verify", &checks, e))
        return -1;
    if (!checks)
        return yaml_err(file->doc, verify, e,
                        "certificates are always verified: give the CA in $SSL_CERT_FILE instead");
    if (yaml_get(cloud, "profile") != NULL && yaml_get(yaml_get(cloud, "auth"), "auth_url") == NULL)
        return yaml_err(file->doc, cloud, e, "vendor profiles are not known here: write auth.auth_url");
    return 0;
}

/* name NULL = the only one. */
static int find_cloud(const struct file *file, const char **name, const struct yaml_node **out, struct err *e)
{
    const struct yaml_node *clouds = file->doc == NULL ? NULL : yaml_get(yaml_root(file->doc), "clouds");

    if (file->doc == NULL)
        return err_set(e, ERR_INVALID,
                       "clouds.openstack: no account: set auth_url and credentials (OS_AUTH_URL, ...), or write a "
                       "clouds.yaml%s%.100s",
                       *name != NULL ? " with the cloud " : "", *name != NULL ? *name : "");
    if (clouds == NULL || clouds->kind != YAML_MAP)
        return yaml_err(file->doc, clouds, e, "expected a mapping of clouds");
    if (*name == NULL && clouds->n == 1)
        *name = clouds->pairs[0].key->text;
    if (*name == NULL)
        return yaml_err(file->doc, clouds, e, "which of its %zu clouds? Set clouds.openstack.cloud or OS_CLOUD",
                        clouds->n);
    *out = yaml_get(clouds, *name);
    if (*out == NULL || (*out)->kind != YAML_MAP)
        return yaml_err(file->doc, clouds, e, "there is no cloud %.100s", *name);
    return 0;
}

static int from_files(struct os_account *a, conf_getenv_fn *getenv_fn, void *arg, const char *name, struct err *e)
{
    AUTO(file_clear) struct file clouds = {.doc = NULL}, secure = {.doc = NULL};
    const struct yaml_node *cloud = NULL;

    if (read_file(&clouds, getenv_fn, arg, "OS_CLIENT_CONFIG_FILE", "clouds", e) ||
        read_file(&secure, getenv_fn, arg, "OS_CLIENT_SECURE_FILE", "secure", e) ||
        find_cloud(&clouds, &name, &cloud, e) || refuse_unknown(&clouds, cloud, e))
        return -1;
    if (take_values(a, &secure, cloud_in(&secure, name), e) || take_values(a, &clouds, cloud, e))
        return -1;
    return take_first_region(a, &clouds, cloud, e);
}

/* ---- the account ---- */

static bool is_set(const struct conf *acct, const struct field *f)
{
    return conf_has(acct, f->setting);
}

static void from_settings(struct os_account *a, const struct conf *acct, bool credentials)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (f->credential == credentials && is_set(acct, f))
            keep(a, f, f->secret ? secret_reveal(conf_secret(acct, f->setting)) : conf_str(acct, f->setting));
    }
}

/* A credential of the settings file beside a cloud of clouds.yaml: which one is meant? The environment's only give
 * way, as they do with OpenStack's own clients. */
static int check_one_source(const struct conf *acct, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *f = &fields[i];

        if (f->credential && is_set(acct, f) && conf_origin(acct, f->setting)[0] != '$')
            return err_set(e, ERR_INVALID, "clouds.openstack: both cloud and %s: set one of them", f->setting);
    }
    return 0;
}

static int check_complete(const struct os_account *a, struct err *e)
{
    bool by_credential = a->credential_id != NULL || a->credential_name != NULL;
    bool has_user = a->username != NULL || a->user_id != NULL;

    if (a->auth_url == NULL)
        return err_set(e, ERR_INVALID, "clouds.openstack.auth_url is missing");
    if (by_credential != (a->credential_secret != NULL))
        return err_set(e, ERR_INVALID,
                       "clouds.openstack: application_credential_id and application_credential_secret "
                       "go together: set both or neither");
    if (by_credential)
        return a->credential_id != NULL || has_user
                   ? 0
                   : err_set(e, ERR_INVALID,
                             "clouds.openstack: application_credential_name needs a username or user_id");
    if (!has_user || a->password == NULL)
        return err_set(e, ERR_INVALID,
                       "clouds.openstack: username and password are missing (or an application credential)");
    if (a->project_id == NULL && a->project_name == NULL)
        return err_set(e, ERR_INVALID, "clouds.openstack: project_id or project_name is missing");
    return 0;
}

/* "publicURL" is how it was written once. */
static int normalise(struct os_account *a, struct err *e)
{
    size_t n;

    if (a->interface == NULL)
        a->interface = mem_strdup("public");
    if (text_has_suffix(a->interface, "URL"))
        a->interface[strlen(a->interface) - 3] = '\0';
    if (strcmp(a->interface, "public") != 0 && strcmp(a->interface, "internal") != 0 &&
        strcmp(a->interface, "admin") != 0)
        return err_set(e, ERR_INVALID, "clouds.openstack.interface: public, internal or admin, not %.40s",
                       a->interface);
    for (n = a->auth_url != NULL ? strlen(a->auth_url) : 0; n > 0 && a->auth_url[n - 1] == '/';)
        a->auth_url[--n] = '\0';
    return 0;
}

int os_account_load(const struct conf *acct, conf_getenv_fn *getenv_fn, void *arg, bool offline, struct os_account *out,
                    struct err *e)
{
    AUTO_OS_ACCOUNT struct os_account a = {0};
    const char *cloud = conf_str(acct, "cloud");

    from_settings(&a, acct, false);
    if (cloud != NULL && check_one_source(acct, e))
        return -1;
    if (offline || (cloud == NULL && conf_has(acct, "auth_url")))
        from_settings(&a, acct, true);
    else if (from_files(&a, getenv_fn, arg, cloud, e))
        return -1;
    if (normalise(&a, e) || (!offline && check_complete(&a, e)))
        return -1;
    *out = a;
    a = (struct os_account){0};
    return 0;
}
