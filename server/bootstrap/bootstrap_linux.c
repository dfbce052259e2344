/* linux.sh with its parameters right below the first line, one assignment a line. */
#include "server/base/json.h"
#include "server/bootstrap/bootstrap_int.h"

#include <inttypes.h>
#include <string.h>

#include "linux_sh.h"

#define SETUP_MAX ((size_t)512 * 1024)

/* Within single quotes the shell changes nothing; a quote itself is '\''. A line break cannot be told from the script's
 * own lines by a reader, so control characters are refused; a tab is none that matters. */
static int quote(struct buf *b, const char *name, const char *value, size_t len, struct err *e)
{
    buf_addc(b, '\'');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];

        if (c < 0x20 && c != '\t')
            return err_set(e, ERR_INVALID, "bootstrap: %s holds a control character (byte %zu)", name, i);
        if (c == '\'')
            buf_adds(b, "'\\''");
        else
            buf_addc(b, value[i]);
    }
    buf_addc(b, '\'');
    return 0;
}

static int assign(struct buf *b, const char *name, const char *value, size_t len, struct err *e)
{
    buf_addf(b, "%s=", name);
    if (quote(b, name, value, len, e))
        return -1;
    buf_addc(b, '\n');
    return 0;
}

static int assign_env(struct buf *b, const json_t *env_vars, struct err *e)
{
    AUTO_BUF struct buf pair = BUF_INIT(SETUP_MAX);
    const char *name, *text;
    json_t *value;

    buf_adds(b, "MUSTER_ENV=(");
    json_object_foreach((json_t *)(uintptr_t)env_vars, name, value)
    {
        buf_reset(&pair);
        buf_addf(&pair, "%s=", name);
        buf_add(&pair, json_string_value(value), json_string_length(value));
        if (buf_str(&pair, &text, e) || quote(b, name, text, pair.len, e))
            return -1;
        buf_addc(b, ' ');
    }
    buf_adds(b, ")\n");
    return 0;
}

static int assign_setup(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    AUTO_BUF struct buf json = BUF_INIT(SETUP_MAX);
    const char *text;

    return bootstrap_setup_json(p, &json, e) || buf_str(&json, &text, e) || assign(b, "MUSTER_SETUP", text, json.len, e)
               ? -1
               : 0;
}

static int add_params(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    const struct {
        const char *name, *value;
    } texts[] = {
        {"MUSTER_NAME", p->name},
        {"MUSTER_RUNNER_URL", p->runner_url},
        {"MUSTER_RUNNER_SHA256", p->runner_sha256},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (assign(b, texts[i].name, texts[i].value, strlen(texts[i].value), e))
            return -1;
    }
    buf_addf(b, "MUSTER_GPUS=%d\nMUSTER_GPU_MEMORY=%d\n", bootstrap_gpus_needed(p), p->gpu_memory_gb);
    buf_addf(b, "MUSTER_EXPIRES=%" PRId64 "\nMUSTER_BOOT_DEADLINE=%" PRId64 "\n", p->expires_s, p->boot_deadline_s);
    if (assign_env(b, p->env_vars, e) || assign_setup(b, p, e))
        return -1;
    return assign(b, "MUSTER_JIT", secret_reveal(p->jit), secret_len(p->jit), e);
}

/* "#!/bin/bash", the assignments, the rest of the script. */
int bootstrap_linux_compose(struct buf *b, const struct bootstrap_params *p, struct err *e)
{
    size_t first_line = strcspn(linux_sh, "\n") + 1;

    buf_add(b, linux_sh, first_line);
    if (add_params(b, p, e))
        return -1;
    buf_adds(b, linux_sh + first_line);
    return 0;
}
