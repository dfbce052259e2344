/*
 * The listeners alone, over a store that says yes to everything: for tests from outside (a proxy in front, curl).
 * Secret as in GitHub's example. Prints "PORT ADMIN_PORT", logs to standard error, ends cleanly on SIGTERM.
 * usage: intake [MAX_BODY [REQUEST_TIMEOUT_MS [IDLE_TIMEOUT_MS]]]
 */
#include "server/base/log.h"
#include "server/base/text.h"
#include "tests/support/intake.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int number(int argc, char **argv, int i)
{
    int64_t n = 0;
    struct err e;

    if (i < argc && text_i64(argv[i], 0, INT32_MAX, &n, &e)) {
        fprintf(stderr, "intake: %s\n", e.msg);
        exit(2);
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    const struct api_conf conf = {.admin_listen = "127.0.0.1:0",
                                  .max_body = (size_t)number(argc, argv, 1),
                                  .request_timeout_ms = number(argc, argv, 2),
                                  .idle_timeout_ms = number(argc, argv, 3)};
    struct intake *t;
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    (void)setenv("INTAKE_LOG", "1", 1);
    t = intake_start(INTAKE_GROUPED, &conf);
    printf("%d %d\n", intake_port(t), intake_admin_port(t));
    fflush(stdout);
    sigwait(&set, &sig);
    intake_stop(t, 5000);
    intake_free(t);
    return 0;
}
