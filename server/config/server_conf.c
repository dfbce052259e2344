#include "server/config/server_conf.h"

#include "providers/registry.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/server_conf_tables.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SETTINGS_MAX ((size_t)256 * 1024)

/* What is required: all; that clouds are told apart; nothing. */
enum purpose { FOR_DAEMON, FOR_CLOUDS, OFFLINE };

/* What one load works with. */
struct loading {
    struct server_conf *c;
    struct yaml_doc *doc; /* NULL = no file */
    conf_getenv_fn *getenv_fn;
    void *getenv_arg;
    enum purpose purpose;
};

void server_conf_free(struct server_conf *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_clouds; i++)
        conf_free(c->clouds[i].conf);
    conf_free(c->server);
    conf_free(c->github);
    conf_free(c->limits);
    conf_free(c->policy);
    conf_free(c->top);
    free(c);
}

static void server_conf_free_ptr(struct server_conf **c)
{
    server_conf_free(*c);
}

/* --- the file --------------------------------------------------------------------------------------------------- */

/* The descriptor of the settings file, -1 with e filled, or -2 when there is none and none was asked for. */
static int open_settings(const char **file, const struct loading *l, struct err *e)
{
    const char *env = l->getenv_fn(l->getenv_arg, "MUSTER_CONFIG");
    bool asked = true;
    int fd;

    if (*file == NULL && env != NULL && *env != '\0') {
        *file = env;
    } else if (*file == NULL) {
        *file = SERVER_CONF_DEFAULT_FILE;
        asked = false;
    }
    fd = open(*file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT && !asked)
        return -2;
    return err_sys(e, ERR_INVALID, errno, "cannot open the settings file %s", *file);
}

static int read_settings(const char *file, struct loading *l, struct err *e)
{
    AUTO(buf_wipe) struct buf b = BUF_INIT(SETTINGS_MAX + 1);
    int fd = open_settings(&file, l, e), saved;
    ssize_t n;

    if (fd == -2)
        return 0;
    if (fd < 0)
        return -1;
    buf_reserve(&b, b.max);
    while ((n = read(fd, b.p + b.len, b.max - b.len)) > 0 || (n < 0 && errno == EINTR))
        b.len += n > 0 ? (size_t)n : 0;
    saved = errno;
    (void)close(fd);
    if (n < 0)
        return err_sys(e, ERR_INVALID, saved, "cannot read the settings file %s", file);
    return yaml_parse(b.p, b.len, SETTINGS_MAX, file, &l->doc, e);
}

/* --- sections --------------------------------------------------------------------------------------------------- */

static int load_section(const struct loading *l, const char *section, const struct conf_key *keys,
                        const struct yaml_node *map, struct conf **out, struct err *e)
{
    *out = conf_new(section, keys);
    if (conf_load_yaml(*out, l->doc, map, l->getenv_fn, l->getenv_arg, e))
        return -1;
    return conf_load_env(*out, l->getenv_fn, l->getenv_arg, e);
}

static bool is_section(const char *name)
{
    static const char *const sections[] = {"server", "github", "clouds", "limits", "policy"};

    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (strcmp(sections[i], name) == 0)
            return true;
    }
    return false;
}

static int unknown_top_key(const struct loading *l, const struct yaml_node *key, struct err *e)
{
    const char *names[] = {"server", "github", "clouds", "limits", "policy", "store", "log_level"};
    const char *near = text_nearest(key->text, names, ARRAY_LEN(names));

    if (near == NULL)
        return yaml_err(l->doc, key, e,
                        "unknown setting \"%.60s\"; the sections are server, github, clouds, limits, policy",
                        key->text);
    return yaml_err(l->doc, key, e, "unknown setting \"%.60s\"; did you mean \"%s\"?", key->text, near);
}

/* The options that stand in no section. */
static int load_top(const struct loading *l, const struct yaml_node *root, struct err *e)
{
    struct yaml_node rest = {.kind = YAML_MAP, .line = 1, .column = 1};
    AUTO_FREE struct yaml_pair *pairs = NULL;
    bool any = !yaml_is_null(root);

    if (any && root->kind != YAML_MAP)
        return yaml_err(l->doc, root, e, "expected a mapping of sections, found %s", yaml_kind_name(root));
    pairs = mem_calloc(any ? root->n : 0, sizeof(*pairs));
    for (size_t i = 0; any && i < root->n; i++) {
        const struct yaml_node *key = root->pairs[i].key;

        if (is_section(key->text))
            continue;
        if (strcmp(key->text, "store") != 0 && strcmp(key->text, "log_level") != 0)
            return unknown_top_key(l, key, e);
        pairs[rest.n++] = root->pairs[i];
    }
    rest.pairs = pairs;
    return load_section(l, "the settings", server_conf_top_keys, l->doc != NULL ? &rest : NULL, &l->c->top, e);
}

/* --- clouds ----------------------------------------------------------------------------------------------------- */

static const struct server_conf_cloud *contract_cloud(const char *name)
{
    const char *canonical = strcmp(name, "do") == 0 ? "digitalocean" : name;

    for (const struct server_conf_cloud *c = server_conf_clouds; c->name != NULL; c++) {
        if (strcmp(c->name, canonical) == 0)
            return c;
    }
    return NULL;
}

static int unknown_cloud(const struct loading *l, const struct yaml_node *key, struct err *e)
{
    const struct server_conf_cloud *known = contract_cloud(key->text);
    const char *names[SERVER_CONF_MAX_CLOUDS], *near;
    AUTO_BUF struct buf list = BUF_INIT(256);
    size_t n = 0;

    for (const struct provider_ops *const *p = registry_all(); *p != NULL && n < ARRAY_LEN(names); p++) {
        buf_addf(&list, "%s%s", n > 0 ? ", " : "", (*p)->name);
        names[n++] = (*p)->name;
    }
    if (known != NULL)
        return yaml_err(l->doc, key, e, "%s: this build has no such cloud yet; it knows: %s", known->section, list.p);
    near = text_nearest(key->text, names, n);
    return yaml_err(l->doc, key, e, "clouds: there is no cloud \"%.60s\"%s%s%s; this build knows: %s", key->text,
                    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "",
                    list.p);
}

/* The section of a cloud, by any of its names. *given: there is one, even if it is empty. */
static int find_cloud_section(const struct loading *l, const struct yaml_node *clouds, const struct provider_ops *ops,
                              const struct yaml_node **section, bool *given, struct err *e)
{
    *given = false;
    for (size_t i = 0; clouds != NULL && i < clouds->n; i++) {
        if (registry_find(clouds->pairs[i].key->text) != ops)
            continue;
        if (*given)
            return yaml_err(l->doc, clouds->pairs[i].key, e, "clouds: %s has two sections", ops->name);
        *given = true;
        *section = clouds->pairs[i].value;
    }
    return 0;
}

static int load_cloud(const struct loading *l, const struct yaml_node *clouds, const struct provider_ops *ops,
                      struct err *e)
{
    const struct provider_env env = {
        .deployment = conf_str(l->c->server, "deployment"), .getenv_fn = l->getenv_fn, .getenv_arg = l->getenv_arg};
    const struct server_conf_cloud *names = contract_cloud(ops->name);
    const struct yaml_node *section = NULL;
    struct cloud_account *a = &l->c->clouds[l->c->n_clouds];
    bool given;

    if (find_cloud_section(l, clouds, ops, &section, &given, e))
        return -1;
    if (!given && l->purpose != OFFLINE && !ops->configured(&env))
        return 0;
    if (l->c->n_clouds == SERVER_CONF_MAX_CLOUDS)
        return err_set(e, ERR_BUG, "more than %d clouds", SERVER_CONF_MAX_CLOUDS);
    l->c->n_clouds++;
    a->ops = ops;
    a->in_file = given;
    return load_section(l, names != NULL ? names->section : ops->name, ops->account_keys, section, &a->conf, e);
}

static int load_clouds(const struct loading *l, const struct yaml_node *clouds, struct err *e)
{
    if (yaml_is_null(clouds))
        clouds = NULL;
    else if (clouds->kind != YAML_MAP)
        return yaml_err(l->doc, clouds, e, "clouds: expected a mapping of clouds, found %s", yaml_kind_name(clouds));
    for (size_t i = 0; clouds != NULL && i < clouds->n; i++) {
        if (registry_find(clouds->pairs[i].key->text) == NULL)
            return unknown_cloud(l, clouds->pairs[i].key, e);
    }
    for (const struct provider_ops *const *p = registry_all(); *p != NULL; p++) {
        if (load_cloud(l, clouds, *p, e))
            return -1;
    }
    return 0;
}

/* --- checks ----------------------------------------------------------------------------------------------------- */

/* The value of an option breaks a rule: say so with its place. */
static int bad_value(const struct conf *c, const char *name, const char *rule, struct err *e)
{
    return err_set(e, ERR_INVALID, "%s: %s: %s", conf_origin(c, name), name, rule);
}

static int check_github(const struct server_conf *c, struct err *e)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    const char *app_id = conf_str(c->github, "app_id"), *sha256 = conf_str(c->github, "runner_sha256");
    bool mirror = conf_has(c->github, "runner_url");

    if (!conf_has(c->github, "webhook_secret"))
        return err_set(e, ERR_INVALID, "github.webhook_secret is required: set it there or in $MUSTER_WEBHOOK_SECRET");
    if (app_id == NULL)
        return err_set(e, ERR_INVALID, "github.app_id is required: set it there or in $MUSTER_GITHUB_APP_ID");
    if (!conf_has(c->github, "private_key"))
        return err_set(e, ERR_INVALID,
                       "github.private_key is required: set private_key_file there or $MUSTER_GITHUB_PRIVATE_KEY_FILE "
                       "(or the PEM text itself in private_key or $MUSTER_GITHUB_PRIVATE_KEY)");
    if (app_id[strspn(app_id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.")] != '\0')
        return bad_value(c->github, "app_id", "expected the App's number or its client id", e);
    if (mirror != (sha256 != NULL))
        return bad_value(c->github, mirror ? "runner_url" : "runner_sha256",
                         "runner_url and runner_sha256 go together: set both or neither", e);
    if (sha256 != NULL && (strlen(sha256) != 64 || strspn(sha256, hex) != 64))
        return bad_value(c->github, "runner_sha256", "expected 64 hexadecimal digits", e);
    return 0;
}

static bool is_loopback(const char *addr)
{
    return text_has_prefix(addr, "127.") || text_has_prefix(addr, "localhost:") || text_has_prefix(addr, "[::1]:");
}

static int check_api_tokens(const struct server_conf *c, struct err *e)
{
    const struct secret *const *tokens;
    size_t n = conf_secrets(c->server, "api_token", &tokens);

    for (size_t i = 0; i < n; i++) {
        if (secret_len(tokens[i]) < 16)
            return bad_value(c->server, "api_token", "whoever has it is given runners: at least 16 characters", e);
    }
    return 0;
}

static int check_deployment(const struct server_conf *c, struct err *e)
{
    const char *name = conf_str(c->server, "deployment");
    size_t len = strlen(name);

    if (len < 1 || len > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return bad_value(c->server, "deployment", "expected 1 to 63 characters of a-z, 0-9 and '-'", e);
    return 0;
}

static int check_server(const struct server_conf *c, struct err *e)
{
    if (check_api_tokens(c, e) || check_deployment(c, e))
        return -1;
    if (!is_loopback(conf_str(c->server, "admin_listen")) && !conf_has(c->server, "admin_token"))
        return bad_value(c->server, "admin_listen",
                         "others can reach this address, so server.admin_token ($MUSTER_ADMIN_TOKEN) is required", e);
    return 0;
}

static int check_store(const struct server_conf *c, struct err *e)
{
    const char *store = conf_str(c->top, "store");

    if (text_has_prefix(store, "postgres:") || text_has_prefix(store, "postgresql:"))
        return bad_value(c->top, "store",
                         "this build has the embedded store only: write sqlite:/path/file.db instead of postgresql://",
                         e);
    if (!text_has_prefix(store, "sqlite:") || store[strlen("sqlite:")] == '\0')
        return bad_value(c->top, "store",
                         "expected sqlite: and the path of a file, as in sqlite:/var/lib/muster/muster.db", e);
    return 0;
}

/* A default that is longer than a short lifetime does no harm: whichever comes first ends the machine. */
static int check_limits(const struct server_conf *c, struct err *e)
{
    if (strcmp(conf_origin(c->limits, "boot_deadline"), "default") != 0 &&
        conf_int(c->limits, "boot_deadline") > conf_int(c->limits, "lifetime"))
        return bad_value(c->limits, "boot_deadline", "is longer than limits.lifetime", e);
    return 0;
}

/* A name of no cloud would silently allow nothing. */
static int check_policy(const struct server_conf *c, struct err *e)
{
    const char *names[SERVER_CONF_MAX_CLOUDS];
    const char *const *allowed = NULL;
    size_t known = 0, n = conf_has(c->policy, "allowed_clouds") ? conf_list(c->policy, "allowed_clouds", &allowed) : 0;

    for (const struct server_conf_cloud *one = server_conf_clouds; one->name != NULL; one++)
        names[known++] = one->name;
    for (size_t i = 0; i < n; i++) {
        const char *near = text_nearest(allowed[i], names, known);

        if (contract_cloud(allowed[i]) != NULL || strpbrk(allowed[i], "*?") != NULL)
            continue;
        return err_set(e, ERR_INVALID, "%s: allowed_clouds: there is no cloud \"%.60s\"%s%s%s",
                       conf_origin(c->policy, "allowed_clouds"), allowed[i], near != NULL ? "; did you mean \"" : "",
                       near != NULL ? near : "", near != NULL ? "\"?" : "");
    }
    return 0;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int load_all(const struct loading *l, struct err *e)
{
    const struct yaml_node *root = l->doc != NULL ? yaml_root(l->doc) : NULL;
    struct server_conf *c = l->c;

    if (load_top(l, root, e))
        return -1;
    if (load_section(l, "server", server_conf_server_keys, yaml_get(root, "server"), &c->server, e) ||
        load_section(l, "github", server_conf_github_keys, yaml_get(root, "github"), &c->github, e) ||
        load_section(l, "limits", server_conf_limits_keys, yaml_get(root, "limits"), &c->limits, e) ||
        load_section(l, "policy", server_conf_policy_keys, yaml_get(root, "policy"), &c->policy, e) ||
        load_clouds(l, yaml_get(root, "clouds"), e))
        return -1;
    if (l->purpose != FOR_DAEMON)
        return l->purpose == FOR_CLOUDS ? check_deployment(c, e) : 0;
    return check_github(c, e) || check_server(c, e) || check_store(c, e) || check_limits(c, e) || check_policy(c, e)
               ? -1
               : 0;
}

static int load(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, enum purpose purpose,
                struct server_conf **out, struct err *e)
{
    AUTO(server_conf_free_ptr) struct server_conf *c = mem_zalloc(sizeof(*c));
    struct loading l = {.c = c, .getenv_fn = getenv_fn, .getenv_arg = getenv_arg, .purpose = purpose};
    int rc;

    if (read_settings(file, &l, e))
        return -1;
    rc = load_all(&l, e);
    yaml_doc_free(l.doc); /* the sections keep copies */
    if (rc != 0)
        return -1;
    *out = c;
    c = NULL;
    return 0;
}

int server_conf_load(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                     struct err *e)
{
    return load(file, getenv_fn, getenv_arg, FOR_DAEMON, out, e);
}

int server_conf_load_offline(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                             struct err *e)
{
    return load(file, getenv_fn, getenv_arg, OFFLINE, out, e);
}

int server_conf_load_clouds(const char *file, conf_getenv_fn *getenv_fn, void *getenv_arg, struct server_conf **out,
                            struct err *e)
{
    return load(file, getenv_fn, getenv_arg, FOR_CLOUDS, out, e);
}
