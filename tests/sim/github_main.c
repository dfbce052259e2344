/*
 * The simulated GitHub as a program of its own, on a free port of loopback.
 *
 *   github --new-key FILE --ready-file FILE [--app-id ID] [--setup FILE] [--runner FILE] [--port N] [--with-parent]
 *
 * --new-key: make the App's key pair and write the private half there. --setup: JSON as POST /_sim/setup takes it.
 * --runner: an archive to offer as the runner's release. The webhook's secret comes from $SIM_WEBHOOK_SECRET. Standard
 * output: the story, a line an event. Ends on SIGTERM.
 */
#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_github.h"
#include "tests/sim/sim_program.h"
#include "tests/sim/sim_util.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *new_key, *ready_file, *app_id, *setup, *runner;
    int port;
    bool with_parent;
};

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"new-key", required_argument, NULL, 'k'}, {"ready-file", required_argument, NULL, 'r'},
        {"app-id", required_argument, NULL, 'a'},  {"setup", required_argument, NULL, 's'},
        {"runner", required_argument, NULL, 'u'},  {"port", required_argument, NULL, 'p'},
        {"with-parent", no_argument, NULL, 'w'},   {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1) {
        if (c == 'k')
            o->new_key = optarg;
        else if (c == 'r')
            o->ready_file = optarg;
        else if (c == 'a')
            o->app_id = optarg;
        else if (c == 's')
            o->setup = optarg;
        else if (c == 'u')
            o->runner = optarg;
        else if (c == 'p')
            o->port = (int)strtol(optarg, NULL, 10);
        else if (c == 'w')
            o->with_parent = true;
        else
            return false;
    }
    return optind == argc && o->new_key != NULL && o->port >= 0 && o->port <= 65535;
}

static bool set_up(struct sim_github *g, const char *path)
{
    char *text = sim_program_read(path, NULL), url[128];
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

static bool write_key(const char *path, const char *pem)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, pem, strlen(pem)) == (ssize_t)strlen(pem);

    if (fd >= 0 && close(fd) != 0)
        ok = false;
    return ok;
}

static bool offer_runner(struct sim_github *g, const char *path)
{
    size_t len = 0;
    char *data = sim_program_read(path, &len);

    if (data != NULL)
        sim_github_serve_runner(g, data, len);
    free(data);
    return data != NULL;
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

/* Says on standard error what cannot be. */
static bool start(const struct options *o, struct sim_github_conf *c, struct sim_github **g)
{
    struct err e;

    if (sim_github_start(c, g, &e) != 0)
        (void)fprintf(stderr, "github: %s\n", e.msg);
    else if (o->setup != NULL && !set_up(*g, o->setup))
        (void)fprintf(stderr, "github: %s is not a setup\n", o->setup);
    else if (o->runner != NULL && !offer_runner(*g, o->runner))
        (void)fprintf(stderr, "github: cannot read %s\n", o->runner);
    else if (!sim_program_ready(o->ready_file, sim_github_url(*g)))
        (void)fprintf(stderr, "github: cannot write %s\n", o->ready_file);
    else
        return true;
    return false;
}

int main(int argc, char **argv)
{
    static char who[] = "github";
    struct options o = {0};
    struct sim_github_conf c = {.story = sim_program_story, .story_arg = who};
    struct sim_github *g = NULL;
    char *private_pem, *public_pem;
    int signals, rc = 1;

    if (!read_options(argc, argv, &o)) {
        (void)fputs("usage: github --new-key FILE [--ready-file FILE] [--app-id ID] [--setup FILE] [--runner FILE] "
                    "[--port N]\n",
                    stderr);
        return 2;
    }
    signals = sim_program_signals(o.with_parent);
    sim_rsa_key(&private_pem, &public_pem);
    c.port = (uint16_t)o.port;
    c.public_key_pem = public_pem;
    c.app_id = o.app_id;
    c.webhook_secret = getenv("SIM_WEBHOOK_SECRET");
    if (!write_key(o.new_key, private_pem))
        (void)fprintf(stderr, "github: cannot write %s\n", o.new_key);
    else if (start(&o, &c, &g))
        rc = 0;
    if (rc == 0)
        serve_until_told(signals);
    sim_github_free(g);
    free(private_pem);
    free(public_pem);
    return rc;
}
