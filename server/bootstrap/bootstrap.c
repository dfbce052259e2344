#include "server/bootstrap/bootstrap.h"

#include <inttypes.h>
#include <string.h>

#include "linux_sh.h"

#define RELEASE "2.335.1"
#define RELEASE_URL(arch)                                                                                              \
    "https://github.com/actions/runner/releases/download/v" RELEASE "/actions-runner-linux-" arch "-" RELEASE ".tar."  \
    "gz"

static const struct release {
    const char *arch, *url, *sha256;
} RELEASES[] = {
    {"x64", RELEASE_URL("x64"), "4ef2f25285f0ae4477f1fe1e346db76d2f3ebf03824e2ddd1973a2819bf6c8cf"},
    {"arm64", RELEASE_URL("arm64"), "6d1e85bfd1a506a8b17c1f1b9b57dba458ffed90898799aaa9f599520b0d9207"},
};

void bootstrap_builtin_release(const char *arch, const char **url, const char **sha256)
{
    const struct release *r = &RELEASES[strcmp(arch, RELEASES[1].arch) == 0 ? 1 : 0];

    *url = r->url;
    *sha256 = r->sha256;
}

/* NAME='value' on a line of its own. Within single quotes the shell changes nothing; a quote itself is '\''. A line
 * break cannot be told from the script's own lines by a reader, so control characters are refused. */
static int assign(struct buf *b, const char *name, const char *value, size_t len, struct err *e)
{
    buf_addf(b, "%s='", name);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c < 0x20 || c == 0x7f)
            return err_set(e, ERR_INVALID, "bootstrap: %s holds a control character (byte %zu)", name, i);
        if (c == '\'')
            buf_adds(b, "'\\''");
        else
            buf_addc(b, value[i]);
    }
    buf_adds(b, "'\n");
    return 0;
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
    return 0;
}

/* How many GPUs must answer. */
static int gpus_needed(const struct bootstrap_params *p)
{
    if (p->gpus > 0)
        return p->gpus;
    return p->gpu != NULL || p->gpu_memory_gb > 0 ? 1 : 0;
}

static int add_params(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        {"MUSTER_NAME", p->name},
        {"MUSTER_CLOUD", p->cloud},
        {"MUSTER_TYPE", p->instance_type},
        {"MUSTER_REGION", p->region},
        {"MUSTER_ARCH", p->arch},
        {"MUSTER_RUNNER_URL", p->runner_url},
        {"MUSTER_RUNNER_SHA256", p->runner_sha256},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *value = texts[i].value != NULL ? texts[i].value : "";

        if (assign(b, texts[i].name, value, strlen(value), e))
            return -1;
    }
    buf_addf(b, "MUSTER_GPUS=%d\nMUSTER_GPU_MEMORY=%d\n", gpus_needed(p), p->gpu_memory_gb);
    buf_addf(b, "MUSTER_EXPIRES=%" PRId64 "\nMUSTER_BOOT_DEADLINE=%" PRId64 "\n", p->expires_s, p->boot_deadline_s);
    return assign(b, "MUSTER_JIT", secret_reveal(p->jit), secret_len(p->jit), e);
}

/* "#!/bin/bash", the assignments, the rest of the script. */
static int compose(struct buf *b, const struct bootstrap_params *p, size_t max, struct err *e)
{
    size_t first_line = strcspn(linux_sh, "\n") + 1;

    buf_add(b, linux_sh, first_line);
    if (add_params(b, p, e))
        return -1;
    buf_adds(b, linux_sh + first_line);
    if (b->len > max)
        return err_set(e, ERR_INVALID,
                       "the bootstrap of %s needs %zu bytes of user-data, %zu more than the %zu the cloud takes",
                       p->name, b->len, b->len - max, max);
    return 0;
}

int bootstrap_render(const struct bootstrap_params *p, size_t max, struct secret **out, struct err *e)
{
    struct buf b = BUF_INIT(512 * 1024);
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
