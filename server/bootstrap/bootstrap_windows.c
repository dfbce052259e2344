/*
 * windows.ps1 with its parameters right below the first line, in what a cloud runs on Windows:
 *   aws: <powershell> (docs.aws.amazon.com, "How Amazon EC2 handles user data for Windows instances")
 *   openstack, oracle: cloudbase-init's #ps1_sysnative (cloudbase-init.readthedocs.io, "Userdata")
 *   gcp, azure: the script as it is, by windows-startup-script-ps1 and by an extension
 *
 * Windows PowerShell 5.1 reads a script without a byte-order mark in the system's code page, and takes four typographic
 * quotes for a quote: so what is not plain ASCII, harmless in any reader, is given in base64.
 */
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/bootstrap/bootstrap_int.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "windows_ps1.h"

#define TEXT_MAX ((size_t)512 * 1024)
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define PLAIN LETTERS "0123456789 ._:/@+=-\\"

static const struct wrapping {
    const char *cloud, *before, *after;
} wrappings[] = {
    {"aws", "<powershell>\n", "</powershell>\n"},
    {"azure", "", ""},
    {"gcp", "", ""},
    {"openstack", "#ps1_sysnative\n", ""},
    {"oracle", "#ps1_sysnative\n", ""},
};

/* 'text', or (Text 'dGV4dA=='). */
static void quote(struct buf *b, const char *value, size_t len)
{
    if (strspn(value, PLAIN) == len) {
        buf_addf(b, "'%s'", value);
        return;
    }
    buf_adds(b, "(Text '");
    text_base64(b, value, len);
    buf_adds(b, "')");
}

static void assign(struct buf *b, const char *name, const char *value, size_t len)
{
    buf_addf(b, "$%s = ", name);
    quote(b, value, len);
    buf_addc(b, '\n');
}

static int assign_env(struct buf *b, const json_t *env_vars, struct err *e)
{
    AUTO_BUF struct buf pair = BUF_INIT(TEXT_MAX);
    const char *name, *text, *comma = "";
    json_t *value;

    buf_adds(b, "$MusterEnv = @(");
    json_object_foreach((json_t *)(uintptr_t)env_vars, name, value)
    {
        buf_reset(&pair);
        buf_addf(&pair, "%s=", name);
        buf_add(&pair, json_string_value(value), json_string_length(value));
        if (buf_str(&pair, &text, e))
            return -1;
        buf_adds(b, comma);
        quote(b, text, pair.len);
        comma = ", ";
    }
    buf_adds(b, ")\n");
    return 0;
}

/* The account that the runner runs as: a name that Windows takes for a local one. */
static int read_user(const json_t *extra, const char **out, struct err *e)
{
    size_t n;

    *out = "runner";
    if (js_opt_str(extra, "runner_user", out, e))
        return err_wrap(e, "extra_config");
    n = strlen(*out);
    if (n < 1 || n > 20 || strspn(*out, LETTERS "0123456789._-") != n || (*out)[n - 1] == '.' ||
        strcasecmp(*out, "system") == 0)
        return err_set(e, ERR_INVALID,
                       "extra_config.runner_user \"%.40s\" is no name for a local account: 1 to 20 letters, digits, "
                       "dots, dashes and _, not ending with a dot, and not SYSTEM",
                       *out);
    return 0;
}

/* Short, because Windows' own limit on paths is; on a drive, and without what a shell could read otherwise. */
static int read_path(const json_t *extra, const char **out, struct err *e)
{
    const char *p;
    size_t n;

    *out = "C:\\r";
    if (js_opt_str(extra, "runner_path", out, e))
        return err_wrap(e, "extra_config");
    p = *out;
    n = strlen(p);
    if (n < 4 || n > 64 || strchr(LETTERS, p[0]) == NULL || p[1] != ':' || p[2] != '\\' || p[n - 1] == '\\' ||
        strspn(p + 3, LETTERS "0123456789._-\\") != n - 3 || strstr(p, "..") != NULL || strstr(p + 2, "\\\\") != NULL)
        return err_set(e, ERR_INVALID,
                       "extra_config.runner_path \"%.80s\" is no folder that can be used: write a drive and up to 60 "
                       "letters, digits, dots, dashes, _ and backslashes, such as C:\\r",
                       p);
    return 0;
}

static int read_interactive(const json_t *extra, bool *out, struct err *e)
{
    const char *run_as = NULL;

    if (js_opt_str(extra, "run_as", &run_as, e))
        return err_wrap(e, "extra_config");
    *out = run_as != NULL && strcmp(run_as, "interactive") == 0;
    if (run_as != NULL && !*out && strcmp(run_as, "service") != 0)
        return err_set(e, ERR_INVALID, "extra_config.run_as is \"%.40s\"; it can be interactive or service", run_as);
    return 0;
}

static int add_options(struct buf *b, const json_t *extra, struct err *e)
{
    const char *user, *path;
    bool interactive;

    if (read_user(extra, &user, e) || read_path(extra, &path, e) || read_interactive(extra, &interactive, e)) {
        e->kind = ERR_INVALID;
        return -1;
    }
    assign(b, "MusterUser", user, strlen(user));
    assign(b, "MusterPath", path, strlen(path));
    buf_addf(b, "$MusterInteractive = %d\n", interactive ? 1 : 0);
    return 0;
}

static int add_setup(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    AUTO_BUF struct buf json = BUF_INIT(TEXT_MAX);
    const char *text;

    if (bootstrap_setup_json(p, &json, e) || buf_str(&json, &text, e))
        return -1;
    assign(b, "MusterSetup", text, json.len);
    return 0;
}

static int add_params(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    assign(b, "MusterName", p->name, strlen(p->name));
    assign(b, "MusterUrl", p->runner_url, strlen(p->runner_url));
    assign(b, "MusterSha256", p->runner_sha256, strlen(p->runner_sha256));
    buf_addf(b, "$MusterGpus = %d\n$MusterGpuMemory = %d\n", bootstrap_gpus_needed(p), p->gpu_memory_gb);
    buf_addf(b, "$MusterExpires = %" PRId64 "\n$MusterDeadline = %" PRId64 "\n", p->expires_s, p->boot_deadline_s);
    if (add_options(b, p->extra, e) || assign_env(b, p->env_vars, e) || add_setup(b, p, e))
        return -1;
    assign(b, "MusterJit", secret_reveal(p->jit), secret_len(p->jit));
    return 0;
}

static int find_wrapping(const struct bootstrap_params *p, const struct wrapping **out, struct err *e)
{
    static const struct wrapping none = {"", "", ""};

    *out = &none;
    for (size_t i = 0; i < ARRAY_LEN(wrappings); i++) {
        if (strcmp(wrappings[i].cloud, p->cloud) != 0)
            continue;
        *out = p->as_file ? &none : &wrappings[i];
        return 0;
    }
    return err_set(e, ERR_INVALID, "cloud %s boots no Windows machines; aws, azure, gcp, openstack and oracle do",
                   p->cloud);
}

int bootstrap_windows_compose(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    size_t first_line = strcspn(windows_ps1, "\n") + 1;
    const struct wrapping *w;

    if (find_wrapping(p, &w, e))
        return -1;
    buf_adds(b, w->before);
    buf_add(b, windows_ps1, first_line);
    if (add_params(b, p, e))
        return -1;
    buf_adds(b, windows_ps1 + first_line);
    buf_adds(b, w->after);
    return 0;
}
