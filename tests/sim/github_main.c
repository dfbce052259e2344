/*
 * The simulated GitHub as a program of its own, on a free port of loopback.
 *
 *   github --public-key FILE --ready-file FILE [--app-id ID] [--setup FILE] [--port N] [--with-parent]
 *
 * The webhook's secret comes from $SIM_WEBHOOK_SECRET. --setup: JSON as POST /_sim/setup takes it. Standard output: the
 * story, a line an event. Ends on SIGTERM.
 */
#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_program.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char *public_key, *ready_file, *app_id, *setup;
    int port;
    bool with_parent;
};

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {{"public-key", required_argument, NULL, 'k'},
                                          {"ready-file", required_argument, NULL, 'r'},
                                          {"app-id", required_argument, NULL, 'a'},
                                          {"setup", required_argument, NULL, 's'},
                                          {"port", required_argument, NULL, 'p'},
                                          {"with-parent", no_argument, NULL, 'w'},
                                          {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == 'k')
            o->public_key = optarg;
        else if (c == 'r')
            o->ready_file = optarg;
        else if (c == 'a')
            o->app_id = optarg;
        else if (c == 's')
            o->setup = optarg;
        else if (c == 'p')
            o->port = (int)strtol(optarg, NULL, 10);
        else if (c == 'w')
            o->with_parent = true;
        else
            return false;
    }
    return optind == argc && o->public_key != NULL && o->port >= 0 && o->port <= 65535;
}

static bool set_up(struct sim_github *g, const char *path)
{
    char *text = sim_program_read(path), url[128];
    struct sim_call c = {.method = "POST", .url = url, .headers = {"Content-Type: application/json"}, .body = text};
    struct sim_reply r;
    bool ok;

    if (text == NULL)
        return false;
    (void)snprintf(url, sizeof(url), "%s/_sim/setup", sim_github_url(g));
    sim_do(&c, &r);
    ok = r.status == 201;
    sim_reply_clear(&r);
    free(text);
    return ok;
}

static void serve_until_told(int signals)
{
    struct pollfd p = {.fd = signals, .events = POLLIN};
    int sig = 0;

    while (sig != SIGTERM && sig != SIGINT && sig != SIGHUP) {
        (void)poll(&p, 1, -1);
        sig = sim_program_signal(signals);
    }
}

int main(int argc, char **argv)
{
    static char who[] = "github";
    struct options o = {0};
    struct sim_github_conf c = {.story = sim_program_story, .story_arg = who};
    struct sim_github *g = NULL;
    char *key = NULL;
    struct err e;
    int signals, rc = 1;

    if (!read_options(argc, argv, &o)) {
        (void)fputs("usage: github --public-key FILE [--ready-file FILE] [--app-id ID] [--setup FILE] [--port N]\n",
                    stderr);
        return 2;
    }
    key = sim_program_read(o.public_key);
    signals = sim_program_signals(o.with_parent);
    c.port = (uint16_t)o.port;
    c.public_key_pem = key;
    c.app_id = o.app_id;
    c.webhook_secret = getenv("SIM_WEBHOOK_SECRET");
    if (key == NULL)
        (void)fprintf(stderr, "github: cannot read %s\n", o.public_key);
    else if (sim_github_start(&c, &g, &e) != 0)
        (void)fprintf(stderr, "github: %s\n", e.msg);
    else if (o.setup != NULL && !set_up(g, o.setup))
        (void)fprintf(stderr, "github: %s is not a setup\n", o.setup);
    else if (sim_program_ready(o.ready_file, sim_github_url(g)))
        rc = 0;
    if (rc == 0)
        serve_until_told(signals);
    sim_github_free(g);
    free(key);
    return rc;
}
