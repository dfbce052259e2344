/* muster sweep: what carries our tag in every account, without any store, and the end of what is expired. */
#include "server/cli/sweep_int.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS ((int64_t)5 * 60 * 1000)

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct sweeping *s = arg;
    struct err ignored;

    if (o == NULL)
        return -1;
    if (strcmp(o->name, "--config") == 0)
        s->config = value;
    else if (strcmp(o->name, "--dry-run") == 0)
        s->dry_run = true;
    else if (strcmp(o->name, "--json") == 0)
        s->json = true;
    else if (strcmp(o->name, "--no-github") == 0)
        s->no_github = true;
    else if (strcmp(o->name, "--all") == 0)
        s->all = value;
    else if (strcmp(o->name, "--cloud") == 0)
        s->cloud = value;
    else if (strcmp(o->name, "--wait") == 0)
        return text_duration_ms(value, &s->wait_ms, &ignored);
    else if (s->n_regions == SWEEP_REGIONS_MAX || *value == '\0' || strlen(value) > 63)
        return -1;
    else
        s->regions[s->n_regions++] = value;
    return 0;
}

/* Credentials of the App that cannot be used keep nothing from being swept. */
static void open_github(struct sweeping *s)
{
    const struct conf *c = s->conf->github;
    struct github_conf g = {conf_str(c, "url"), conf_str(c, "app_id"), NULL, s->http};
    struct err e;

    if (s->no_github || g.app_id == NULL || !conf_has(c, "private_key"))
        return;
    if (crypto_key_parse(conf_secret(c, "private_key"), conf_origin(c, "private_key"), &s->key, &e)) {
        sweep_error(s, "github", NULL, e.msg);
        return;
    }
    g.key = s->key;
    s->github = github_new(&g);
}

static bool is_on(const struct sweeping *s)
{
    for (size_t i = 0; s->cloud != NULL && i < s->conf->n_clouds; i++) {
        const struct provider_ops *ops = s->conf->clouds[i].ops;

        if (strcmp(s->cloud, ops->name) == 0 || (ops->alias != NULL && strcmp(s->cloud, ops->alias) == 0))
            return true;
    }
    return s->cloud == NULL && s->conf->n_clouds > 0;
}

static int open_parts(struct sweeping *s, struct err *e)
{
    if (server_conf_load_clouds(s->config, conf_getenv_process, NULL, &s->conf, e))
        return -1;
    s->deployment = conf_str(s->conf->server, "deployment");
    s->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/" MUSTER_VERSION});
    s->pause = pause_new();
    s->env = (struct provider_env){.http = s->http,
                                   .deployment = s->deployment,
                                   .getenv_fn = conf_getenv_process,
                                   .pause = pause_for,
                                   .pause_arg = s->pause,
                                   .allow_privileged = true};
    open_github(s);
    return 0;
}

/* What was named on the command line, against the settings. */
static int check_words(const struct sweeping *s, struct err *e)
{
    if (s->all != NULL && strcmp(s->all, s->deployment) != 0)
        return err_set(e, ERR_INVALID, "--all %.63s: the deployment of these settings is \"%s\"; nothing was done",
                       s->all, s->deployment);
    if (is_on(s))
        return 0;
    if (s->cloud != NULL)
        return err_set(e, ERR_INVALID, "--cloud %.40s: these settings have no such account", s->cloud);
    return err_set(e, ERR_INVALID,
                   "no cloud is set up: give credentials in the environment or a section under clouds:");
}

static void close_parts(struct sweeping *s)
{
    for (size_t i = 0; s->conf != NULL && i < s->conf->n_clouds; i++)
        s->conf->clouds[i].ops->close(s->providers[i]);
    github_free(s->github);
    pause_free(s->pause);
    httpc_free(s->http);
    crypto_key_free(s->key);
    server_conf_free(s->conf);
    free(s->found);
    free(s->errors);
}

static bool all_well(const struct sweeping *s)
{
    for (size_t i = 0; i < s->n_found; i++) {
        if (s->found[i].fate == FATE_FAILED)
            return false;
    }
    return s->n_errors == 0;
}

static const struct cli_option options[] = {
    {"--config", "-c", "FILE",
     "settings (default: $MUSTER_CONFIG, else " SERVER_CONF_DEFAULT_FILE " if it is there); clouds alone are needed"},
    {"--dry-run", NULL, NULL, "show what would end, and change nothing"},
    {"--json", NULL, NULL, "as a JSON object"},
    {"--all", NULL, "DEPLOYMENT",
     "also what is not expired, is older than 30 minutes and has no job as GitHub says; confirm by the deployment's "
     "name. Stop `muster serve` first"},
    {"--cloud", NULL, "NAME", "this account only"},
    {"--region", NULL, "NAME", "these regions instead of all that an account may use (again for more)"},
    {"--wait", NULL, "DURATION", "how long until all must be gone (default 5m)"},
    {"--no-github", NULL, NULL, "do not ask whether a runner has a job: what is expired ends"},
    {NULL, NULL, NULL, NULL}};

static const struct cli_command command = {
    "sweep", "[--dry-run] [--json] [-c FILE] [--all DEPLOYMENT] [--cloud NAME] [--region NAME]...",
    "Finds every machine that carries the tag of this deployment in every account that is set up, in\n"
    "every region that it may use, and destroys those whose lifetime is over. Needs no store: it works\n"
    "after a total loss, by tags alone. A machine whose runner has a job, as GitHub says, is left alone.\n"
    "Beside a running `muster serve` it does no harm: the daemon finds gone what was destroyed here.\n"
    "Exit status: 0 all was looked at and what had to end is gone, 1 something failed, 2 usage.",
    options};

static int sweep(struct sweeping *s)
{
    struct err e;

    sweep_find_all(s);
    sweep_end_all(s);
    if (!s->json)
        sweep_print_table(s);
    else if (sweep_print_json(s, &e))
        return cli_fail(&e);
    return all_well(s) ? CLI_DONE : CLI_FAILED;
}

int cli_sweep(int argc, char **argv)
{
    struct sweeping s = {.wait_ms = WAIT_MS};
    struct err e = {.kind = ERR_NONE};
    int rc = cli_parse(&command, argc, argv, on_option, &s);

    if (rc >= 0)
        return rc;
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_NONE);
    s.now_ms = clock_now_ms();
    s.talk = !s.json && isatty(STDERR_FILENO) == 1;
    if (open_parts(&s, &e))
        rc = cli_fail(&e);
    else if (check_words(&s, &e))
        rc = cli_fail(&e) == CLI_FAILED && s.conf->n_clouds > 0 ? CLI_USAGE : CLI_FAILED;
    else
        rc = sweep(&s);
    close_parts(&s);
    return rc;
}
