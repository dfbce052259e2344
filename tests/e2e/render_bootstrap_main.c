/* Prints the user-data of one machine, for tests that run it for real.
 * usage: JIT=... [GPUS=N] [GPU_MEMORY=N] [ENV_VARS=JSON] [SETUP_INFO=JSON] [EXTRA=JSON] [CLOUD=aws] [SYSTEM=linux]
 * [MAX=16384] render_bootstrap NAME GPU|"" RUNNER_URL RUNNER_SHA256 EXPIRES_S
 * BOOT_DEADLINE_S */
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/bootstrap/bootstrap.h"

#include <stdio.h>
#include <string.h>

static int number(const char *variable, int *out, struct err *e)
{
    const char *text = getenv(variable);
    int64_t n = 0;

    if (text == NULL)
        return 0;
    if (text_i64(text, 0, 1 << 20, &n, e))
        return -1;
    *out = (int)n;
    return 0;
}

static int document(const char *variable, json_t **out, struct err *e)
{
    const char *text = getenv(variable);

    return text == NULL || *text == '\0' ? 0 : js_parse(text, strlen(text), out, e);
}

static const char *word(const char *variable, const char *otherwise)
{
    const char *text = getenv(variable);

    return text != NULL ? text : otherwise;
}

static int render(char **argv, struct secret **out, struct err *e)
{
    const char *text = getenv("JIT");
    AUTO_SECRET struct secret *jit = secret_new(text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    struct bootstrap_params p = {
        .name = argv[1],
        .cloud = word("CLOUD", "aws"),
        .os = word("SYSTEM", "linux"),
        .instance_type = "g4dn.xlarge",
        .region = "eu-\"west\"-1",
        .arch = "x64",
        .gpu = argv[2][0] != '\0' ? argv[2] : NULL,
        .runner_url = argv[3],
        .runner_sha256 = argv[4],
        .jit = jit,
    };
    AUTO_JSON json_t *env_vars = NULL, *setup_info = NULL, *extra = NULL;
    int max = 16384;

    if (document("ENV_VARS", &env_vars, e) || document("SETUP_INFO", &setup_info, e) || document("EXTRA", &extra, e) ||
        number("MAX", &max, e))
        return -1;
    p.env_vars = env_vars;
    p.setup_info = setup_info;
    p.extra = extra;
    if (number("GPUS", &p.gpus, e) || number("GPU_MEMORY", &p.gpu_memory_gb, e))
        return -1;
    if (text_i64(argv[5], 0, INT64_MAX, &p.expires_s, e) || text_i64(argv[6], 0, INT64_MAX, &p.boot_deadline_s, e))
        return -1;
    return bootstrap_render(&p, (size_t)max, out, e);
}

int main(int argc, char **argv)
{
    AUTO_SECRET struct secret *script = NULL;
    struct err e = {0};

    if (argc != 7) {
        (void)fprintf(stderr, "usage: JIT=... render_bootstrap NAME GPU URL SHA256 EXPIRES_S BOOT_DEADLINE_S\n");
        return 2;
    }
    if (render(argv, &script, &e)) {
        (void)fprintf(stderr, "render_bootstrap: %s\n", e.msg);
        return 1;
    }
    return fputs(secret_reveal(script), stdout) == EOF;
}
