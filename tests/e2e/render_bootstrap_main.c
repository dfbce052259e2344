/* Prints the user-data of one machine, for tests that run it for real.
 * usage: JIT=... [GPUS=N] [GPU_MEMORY=N] render_bootstrap NAME GPU|"" RUNNER_URL RUNNER_SHA256 EXPIRES_S
 * BOOT_DEADLINE_S */
#include "server/base/text.h"
#include "server/bootstrap/bootstrap.h"

#include <stdio.h>
#include <string.h>

static int number(const char *variable, int *out, struct err *e)
{
    const char *text = getenv(variable);
    int64_t n = 0;

    if (text != NULL && text_i64(text, 0, 1024, &n, e))
        return -1;
    *out = (int)n;
    return 0;
}

static int render(char **argv, struct secret **out, struct err *e)
{
    const char *text = getenv("JIT");
    AUTO_SECRET struct secret *jit = secret_new(text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    struct bootstrap_params p = {
        .name = argv[1],
        .cloud = "aws",
        .instance_type = "g4dn.xlarge",
        .region = "eu-\"west\"-1",
        .arch = "x64",
        .gpu = argv[2][0] != '\0' ? argv[2] : NULL,
        .runner_url = argv[3],
        .runner_sha256 = argv[4],
        .jit = jit,
    };

    if (number("GPUS", &p.gpus, e) || number("GPU_MEMORY", &p.gpu_memory_gb, e))
        return -1;
    if (text_i64(argv[5], 0, INT64_MAX, &p.expires_s, e) || text_i64(argv[6], 0, INT64_MAX, &p.boot_deadline_s, e))
        return -1;
    return bootstrap_render(&p, 16384, out, e);
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
