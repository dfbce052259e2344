#include "server/bootstrap/bootstrap.h"

#include "server/base/text.h"
#include "server/bootstrap/bootstrap_int.h"

#include <string.h>

/* Of a script as a file, which no cloud limits. */
#define SCRIPT_MAX ((size_t)512 * 1024)

#define RELEASE "2.335.1"
#define RELEASE_URL(name)                                                                                              \
    "https://github.com/actions/runner/releases/download/v" RELEASE "/actions-runner-" name "-" RELEASE

/* From the release's own list of checksums; for Windows on arm64 GitHub is asked when it is needed. */
static const struct release {
    const char *os, *arch, *url, *sha256;
} RELEASES[] = {
    {"linux", "x64", RELEASE_URL("linux-x64") ".tar.gz",
     "4ef2f25285f0ae4477f1fe1e346db76d2f3ebf03824e2ddd1973a2819bf6c8cf"},
    {"linux", "arm64", RELEASE_URL("linux-arm64") ".tar.gz",
     "6d1e85bfd1a506a8b17c1f1b9b57dba458ffed90898799aaa9f599520b0d9207"},
    {"windows", "x64", RELEASE_URL("win-x64") ".zip",
     "eb65c95277af42bcf3778a799c41359d224ba2a67b4de26b7cea1729b09c803d"},
};

void bootstrap_builtin_release(const char *os, const char *arch, const char **url, const char **sha256)
{
    *url = *sha256 = "";
    for (size_t i = 0; i < ARRAY_LEN(RELEASES); i++) {
        if (strcmp(RELEASES[i].os, os) == 0 && strcmp(RELEASES[i].arch, arch) == 0) {
            *url = RELEASES[i].url;
            *sha256 = RELEASES[i].sha256;
        }
    }
}

static int check(const struct bootstrap_params *p, struct err *e)
{
    if (strcmp(p->arch, "x64") != 0 && strcmp(p->arch, "arm64") != 0)
        return err_set(e, ERR_INVALID, "bootstrap: arch is \"%s\"; it can be x64 or arm64", p->arch);
    if (strlen(p->runner_sha256) != 64 || strspn(p->runner_sha256, "0123456789abcdef") != 64)
        return err_set(e, ERR_INVALID, "bootstrap: the runner's SHA-256 is \"%s\"; it must be 64 lower-case hex digits",
                       p->runner_sha256);
    if (p->gpus < 0 || p->gpu_memory_gb < 0)
        return err_set(e, ERR_INVALID, "bootstrap: %d GPUs with %d GB each cannot be asked for", p->gpus,
                       p->gpu_memory_gb);
    if (secret_len(p->jit) == 0)
        return err_set(e, ERR_INVALID, "bootstrap: %s has no just-in-time runner configuration", p->name);
    return bootstrap_env_check(p->env_vars, e);
}

int bootstrap_gpus_needed(const struct bootstrap_params *p)
{
    if (p->gpus > 0)
        return p->gpus;
    return p->gpu != NULL || p->gpu_memory_gb > 0 ? 1 : 0;
}

/* How many bytes of texts the repository brought, before they are quoted. */
static size_t own_bytes(const struct bootstrap_params *p)
{
    const char *name;
    json_t *value;
    size_t n = 0, i;

    json_object_foreach((json_t *)(uintptr_t)p->env_vars, name, value)
    {
        n += strlen(name) + 1 + json_string_length(value);
    }
    json_array_foreach(p->setup_info, i, value)
    {
        n += json_string_length(json_object_get(value, "group")) + json_string_length(json_object_get(value, "detail"));
    }
    return n;
}

static int too_large(const struct bootstrap_params *p, size_t size, size_t max, struct err *e)
{
    size_t own = own_bytes(p);

    if (own == 0)
        return err_set(e, ERR_INVALID,
                       "the bootstrap of %s needs %zu bytes of user-data, %zu more than the %zu the cloud takes",
                       p->name, size, size - max, max);
    return err_set(e, ERR_INVALID,
                   "the bootstrap of %s needs %zu bytes of user-data, %zu more than the %zu the cloud takes; "
                   "extra_config.env_vars and setup_info hold %zu bytes: shorten them",
                   p->name, size, size - max, max, own);
}

static int compose(struct buf *b, const struct bootstrap_params *p, size_t max, struct err *e)
{
    bool windows = p->os != NULL && strcmp(p->os, "windows") == 0;

    if (p->os != NULL && !windows && strcmp(p->os, "linux") != 0)
        return err_set(e, ERR_INVALID, "bootstrap: there is none for %s; it boots Linux and Windows", p->os);
    if (windows ? bootstrap_windows_compose(b, p, e) : bootstrap_linux_compose(b, p, e))
        return -1;
    return b->len > max && !p->as_file ? too_large(p, b->len, max, e) : 0;
}

int bootstrap_render(const struct bootstrap_params *p, size_t max, struct secret **out, struct err *e)
{
    struct buf b = BUF_INIT(SCRIPT_MAX);
    int rc;

    if (check(p, e))
        return -1;
    /* One block from the start: growing would leave copies of the secret behind. */
    buf_reserve(&b, b.max);
    rc = compose(&b, p, max, e);
    if (rc == 0)
        rc = secret_from_buf(&b, out, e);
    buf_wipe(&b);
    return rc;
}
