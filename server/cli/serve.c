/* muster serve: read the settings, build the parts from the bottom up, run, drain on SIGTERM. */
#include "server/cli/cli.h"

#include "providers/common/agent_hub.h"
#include "server/api/server.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/pause.h"
#include "server/config/server_conf.h"
#include "server/engine/engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DRAIN_INTAKE_MS 10000
#define DRAIN_CALLS_MS 30000
#define DESCRIPTORS_WANTED 16384
#define KEPT_VARIABLE "MUSTER_KEPT_SOCKETS" /* between one image of this process and the next */

struct serve_args {
    const char *config, *listen, *admin_listen;
    bool check;
};

/* Everything that runs, in the order it is built; taken down the other way round. */
#define SECRETS_MAX 16

struct daemon {
    struct server_conf *conf;
    struct crypto_key *key;
    struct httpc *http;
    struct github *github;
    struct agent_hub *agents; /* NULL = no agent_token is set */
    const struct secret *agent_token;
    struct provider_env env;
    struct pause *pause; /* what the clouds wait with */
    struct engine_cloud clouds[SERVER_CONF_MAX_CLOUDS];
    const char *documented[SERVER_CONF_MAX_CLOUDS]; /* those at the cloud's own address */
    size_t n_documented;
    size_t n_clouds;
    const struct secret *secrets[SECRETS_MAX]; /* of ours, which no pull request may show; borrowed */
    size_t n_secrets;
    struct store *store;
    struct policy policy;
    struct engine *engine;
    struct api_server *api;
    struct listen_kept kept; /* listening sockets of an earlier image of this process */
};

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct serve_args *a = arg;

    if (o == NULL)
        return -1;
    if (strcmp(o->name, "--config") == 0)
        a->config = value;
    else if (strcmp(o->name, "--listen") == 0)
        a->listen = value;
    else if (strcmp(o->name, "--admin-listen") == 0)
        a->admin_listen = value;
    else
        a->check = true;
    return 0;
}

static int load_settings(const struct serve_args *a, struct daemon *d, struct err *e)
{
    enum log_level level;

    if (server_conf_load(a->config, conf_getenv_process, NULL, &d->conf, e))
        return -1;
    if (a->listen != NULL && conf_set(d->conf->server, "listen", a->listen, "--listen", e))
        return -1;
    if (a->admin_listen != NULL && conf_set(d->conf->server, "admin_listen", a->admin_listen, "--admin-listen", e))
        return -1;
    if (log_parse_level(conf_str(d->conf->top, "log_level"), &level, e))
        return -1;
    log_set_level(level);
    return crypto_key_parse(conf_secret(d->conf->github, "private_key"), conf_origin(d->conf->github, "private_key"),
                            &d->key, e);
}

/* Agents of the owner's hosts may come when there is a token for them. */
static void open_agents(struct daemon *d)
{
    for (size_t i = 0; i < d->conf->n_clouds; i++) {
        const struct cloud_account *a = &d->conf->clouds[i];

        if (strcmp(a->ops->name, "on_prem") == 0)
            d->agent_token = conf_secret(a->conf, "agent_token");
    }
    if (d->agent_token != NULL)
        d->agents = agent_hub_new(conf_str(d->conf->server, "deployment"));
}

/* Elsewhere than at the cloud's own address, nobody documented limits. */
static bool is_public(const struct cloud_account *a)
{
    for (const struct conf_key *k = a->ops->account_keys; k != NULL && k->name != NULL; k++) {
        const char *is = strcmp(k->name, "endpoint_url") == 0 ? conf_str(a->conf, k->name) : NULL;

        if (is != NULL && (k->def == NULL || strcmp(is, k->def) != 0))
            return false;
    }
    return true;
}

static int open_clouds(struct daemon *d, struct err *e)
{
    open_agents(d);
    d->pause = pause_new();
    d->env = (struct provider_env){.http = d->http,
                                   .deployment = conf_str(d->conf->server, "deployment"),
                                   .getenv_fn = conf_getenv_process,
                                   .pause = pause_for,
                                   .pause_arg = d->pause,
                                   .allow_privileged = conf_bool(d->conf->policy, "allow_privileged"),
                                   .agents = d->agents};
    for (size_t i = 0; i < d->conf->n_clouds; i++) {
        const struct cloud_account *a = &d->conf->clouds[i];

        if (a->ops->open(a->conf, &d->env, &d->clouds[i].provider, e))
            return err_wrap(e, "clouds.%s", a->ops->name);
        d->clouds[i].ops = a->ops;
        if (is_public(a))
            d->documented[d->n_documented++] = a->ops->name;
        d->n_clouds = i + 1;
    }
    return 0;
}

/* Whoever knows one of these could speak for GitHub, an agent or the operator. */
static void collect_secrets(struct daemon *d)
{
    const struct secret *const *hooks;
    size_t n = conf_secrets(d->conf->github, "webhook_secret", &hooks);
    const struct secret *others[] = {conf_secret(d->conf->server, "admin_token"), d->agent_token};

    for (size_t i = 0; i < n && d->n_secrets < SECRETS_MAX - ARRAY_LEN(others); i++)
        d->secrets[d->n_secrets++] = hooks[i];
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (others[i] != NULL)
            d->secrets[d->n_secrets++] = others[i];
    }
}

static int open_parts(struct daemon *d, struct err *e)
{
    /* where the files that use users_from_json have their lists */
    static const char *const users_json_hosts[] = {"raw.githubusercontent.com"};
    const struct server_conf *c = d->conf;
    struct httpc_conf http = {.user_agent = "muster/" MUSTER_VERSION};
    struct github_conf github = {conf_str(c->github, "url"), conf_str(c->github, "app_id"), d->key, NULL};
    struct engine_conf engine = {.app_key = d->key,
                                 .clouds = d->clouds,
                                 .deployment = conf_str(c->server, "deployment"),
                                 .workers = (int)conf_int(c->server, "workers"),
                                 .limits = {conf_int(c->limits, "machines"),
                                            conf_int(c->limits, "machines_per_repository"),
                                            conf_int(c->limits, "launches_per_minute")},
                                 .lifetime_ms = conf_int(c->limits, "lifetime"),
                                 .overtime_ms = conf_int(c->limits, "overtime"),
                                 .boot_deadline_ms = conf_int(c->limits, "boot_deadline"),
                                 .idle_grace_ms = conf_int(c->limits, "idle_grace"),
                                 .retention_ms = conf_int(c->limits, "retention"),
                                 .fork_jobs = strcmp(conf_str(c->policy, "fork_jobs"), "allow") == 0,
                                 .idle_public = strcmp(conf_str(c->policy, "idle_public"), "allow") == 0,
                                 .bare_self_hosted = strcmp(conf_str(c->policy, "bare_self_hosted"), "allow") == 0,
                                 .users_json_hosts = users_json_hosts,
                                 .n_users_json_hosts = ARRAY_LEN(users_json_hosts),
                                 .users_json_private = strcmp(conf_str(c->policy, "users_json_private"), "allow") == 0,
                                 .pull = conf_has(c->server, "api_token"),
                                 .one_line = strcmp(conf_str(c->policy, "one_line"), "allow") == 0,
                                 .no_check_runs = !conf_bool(c->github, "check_runs"),
                                 .slow_start_ms = conf_int(c->github, "slow_start"),
                                 .runner_url = conf_str(c->github, "runner_url"),
                                 .runner_sha256 = conf_str(c->github, "runner_sha256")};

    d->http = httpc_new(&http);
    github.http = d->http;
    d->github = github_new(&github);
    if (conf_has(c->policy, "users_json_hosts"))
        engine.n_users_json_hosts = conf_list(c->policy, "users_json_hosts", &engine.users_json_hosts);
    if (open_clouds(d, e) || store_open(conf_str(c->top, "store"), &d->store, e))
        return -1;
    collect_secrets(d);
    engine.secrets = d->secrets;
    engine.n_secrets = d->n_secrets;
    engine.github = d->github;
    engine.http = d->http;
    engine.store = d->store;
    engine.n_clouds = d->n_clouds;
    engine.documented = d->documented;
    engine.n_documented = d->n_documented;
    policy_read(c->policy, &d->policy);
    engine.policy = &d->policy;
    d->engine = engine_new(&engine);
    return 0;
}

static void deliver(void *arg, const char *guid, struct job *job, engine_delivered_fn *done, void *done_arg)
{
    engine_deliver(arg, guid, job, done, done_arg);
}

static void pushed(void *arg, const char *guid, struct job *push, engine_delivered_fn *done, void *done_arg)
{
    engine_pushed(arg, guid, push, done, done_arg);
}

static void pressed(void *arg, const char *guid, struct job *press, engine_delivered_fn *done, void *done_arg)
{
    engine_pressed(arg, guid, press, done, done_arg);
}

static void installed(void *arg, const char *guid, struct job *what, engine_delivered_fn *done, void *done_arg)
{
    engine_installed(arg, guid, what, done, done_arg);
}

static void flush(void *arg)
{
    engine_flush(arg);
}

static void provision(void *arg, const char *name, engine_provisioned_fn *done, void *done_arg)
{
    engine_provision(arg, name, done, done_arg);
}

static struct api_conf api_settings(struct daemon *d)
{
    const struct server_conf *c = d->conf;
    struct api_conf api = {.listen = conf_str(c->server, "listen"),
                           .admin_listen = conf_str(c->server, "admin_listen"),
                           .admin_token = conf_secret(c->server, "admin_token"),
                           .deliver = deliver,
                           .pushed = pushed,
                           .pressed = pressed,
                           .installed = installed,
                           .flush = flush,
                           .deliver_arg = d->engine,
                           .agents = d->agents,
                           .agent_token = d->agent_token,
                           .store = d->store,
                           .kept = &d->kept};

    api.provision = provision;
    api.provision_arg = d->engine;
    api.n_api_tokens = conf_secrets(c->server, "api_token", &api.api_tokens);
    api.n_webhook_secrets = conf_secrets(c->github, "webhook_secret", &api.webhook_secrets);
    return api;
}

static int open_api(struct daemon *d, struct err *e)
{
    struct api_conf api = api_settings(d);

    return api_server_open(&api, &d->api, e);
}

static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a full disk, not the end */
}

/* Every connection is a descriptor: use what the system allows, up to what could ever be needed. */
static void raise_descriptor_limit(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return;
    if (lim.rlim_cur < DESCRIPTORS_WANTED)
        lim.rlim_cur = lim.rlim_max < DESCRIPTORS_WANTED ? lim.rlim_max : DESCRIPTORS_WANTED;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
}

/* Each cloud reads its own settings when it is opened; nothing is called. */
static int check_clouds(struct daemon *d, struct err *e)
{
    static const struct httpc_conf http = {.user_agent = "muster/" MUSTER_VERSION};

    d->http = httpc_new(&http);
    return open_clouds(d, e);
}

/* All that could keep the new settings from starting, tried while the old ones still run. */
static int try_settings(const struct serve_args *a, const struct daemon *running, struct daemon *fresh, struct err *e)
{
    const char *url;
    struct api_conf api;

    if (load_settings(a, fresh, e))
        return -1;
    url = conf_str(fresh->conf->top, "store");
    api = api_settings(fresh);
    if (check_clouds(fresh, e) || api_server_try(running->api, &api, e))
        return -1;
    return strcmp(url, conf_str(running->conf->top, "store")) == 0 ? 0 : store_open(url, &fresh->store, e);
}

static void close_all(struct daemon *d)
{
    if (d->api != NULL)
        api_server_stop(d->api, DRAIN_INTAKE_MS);
    if (d->engine != NULL) {
        log_info(EV("engine.draining"));
        pause_end(d->pause);
        engine_drain(d->engine, DRAIN_CALLS_MS);
    }
    store_close(d->store); /* its last answers still reach the server */
    api_server_free(d->api);
    engine_free(d->engine);
    for (size_t i = 0; i < d->n_clouds; i++)
        d->clouds[i].ops->close(d->clouds[i].provider);
    pause_free(d->pause);
    agent_hub_free(d->agents);
    github_free(d->github);
    httpc_free(d->http);
    crypto_key_free(d->key);
    server_conf_free(d->conf);
}

static bool settings_sound(const struct serve_args *a, const struct daemon *running)
{
    struct daemon fresh = {0};
    struct err e;
    bool sound = try_settings(a, running, &fresh, &e) == 0;

    if (!sound)
        log_error(EV("settings.refused"), FE(&e));
    close_all(&fresh);
    return sound;
}

/* Until a signal says to end. True: begin anew with the new settings. */
static bool run(const struct serve_args *a, const struct daemon *d, const sigset_t *set)
{
    for (;;) {
        int sig = sigwaitinfo(set, NULL);

        if (sig == SIGHUP && settings_sound(a, d)) {
            log_info(EV("settings.reloaded"));
            return true;
        }
        if (sig == SIGTERM || sig == SIGINT)
            return false;
    }
}

static int start(struct daemon *d, int64_t began_ms, struct err *e)
{
    if (open_parts(d, e) || open_api(d, e) || engine_start(d->engine, e) || api_server_start(d->api, e))
        return -1;
    if (d->n_clouds == 0)
        log_warn(EV("clouds.missing"),
                 FS("error", "no cloud is set up: give credentials in the environment or a section under clouds:"));
    log_info(EV("server.started"), FS("version", MUSTER_VERSION), FI("port", api_server_port(d->api)),
             FI("admin_port", api_server_admin_port(d->api)), FI("count", (int64_t)d->n_clouds),
             FI("took_ms", clock_mono_ms() - began_ms));
    return 0;
}

/* Calls under way end first, and deliveries are taken in all the while; then the listening sockets alone stay, and
 * whoever knocks waits for the next image of this process: GitHub never tries again. */
static void make_way(struct daemon *d)
{
    engine_drain(d->engine, DRAIN_CALLS_MS);
    api_server_keep(d->api, &d->kept);
}

static void tell_kept(const struct listen_kept *k)
{
    AUTO_BUF struct buf text = BUF_INIT(256);

    for (size_t i = 0; i < k->n; i++)
        buf_addf(&text, "%s%d", i > 0 ? "," : "", k->fds[i]);
    if (k->n > 0)
        (void)setenv(KEPT_VARIABLE, text.p, 1);
}

/* What an earlier image of this process told us; anything but numbers of listening sockets is passed over later. */
static void hear_kept(struct listen_kept *k)
{
    const char *at = getenv(KEPT_VARIABLE);

    while (at != NULL && *at >= '0' && *at <= '9' && k->n < ARRAY_LEN(k->fds)) {
        char *end;
        long fd = strtol(at, &end, 10);

        if (fd > STDERR_FILENO && fd < DESCRIPTORS_WANTED)
            k->fds[k->n++] = (int)fd;
        at = *end == ',' ? end + 1 : NULL;
    }
    (void)unsetenv(KEPT_VARIABLE);
}

/* argv here begins at "serve"; the program's own name stands before it. */
static int begin_anew(int argc, char **argv)
{
    char **again = mem_calloc((size_t)argc + 2, sizeof(*again));
    char name[] = "muster";
    struct err e;
    int rc;

    again[0] = name;
    for (int i = 0; i < argc; i++)
        again[i + 1] = argv[i];
    (void)execv("/proc/self/exe", again);
    rc = err_sys(&e, ERR_BUG, errno, "cannot begin anew");
    free(again);
    return rc != 0 ? cli_fail(&e) : CLI_DONE;
}

int cli_serve(int argc, char **argv)
{
    static const struct cli_option options[] = {{"--config", "-c", "FILE",
                                                 "settings (default: $MUSTER_CONFIG, else " SERVER_CONF_DEFAULT_FILE
                                                 " if it is there)"},
                                                {"--listen", NULL, "ADDR", "server.listen: the public side"},
                                                {"--admin-listen", NULL, "ADDR", "server.admin_listen: metrics"},
                                                {"--check", NULL, NULL, "check the settings and exit"},
                                                {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {
        "serve", "[-c FILE] [--listen ADDR] [--admin-listen ADDR] [--check]",
        "The daemon. SIGTERM drains and ends, SIGHUP takes up new settings. Settings come from the\n"
        "file, overridden by the environment, overridden by options.",
        options};
    struct serve_args args = {0};
    struct daemon d = {0};
    int64_t began_ms = clock_mono_ms();
    sigset_t set;
    bool anew = false;
    struct err e;
    int rc = cli_parse(&command, argc, argv, on_option, &args);

    if (rc >= 0)
        return rc;
    block_signals(&set);
    log_own_fd();
    raise_descriptor_limit();
    hear_kept(&d.kept);
    rc = load_settings(&args, &d, &e);
    if (rc == 0)
        rc = args.check ? check_clouds(&d, &e) : start(&d, began_ms, &e);
    if (rc == 0 && args.check)
        (void)puts("settings are sound");
    else if (rc == 0)
        anew = run(&args, &d, &set);
    if (anew)
        make_way(&d);
    else
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* a second signal ends at once: the store takes no harm */
    close_all(&d);
    if (rc != 0)
        return cli_fail(&e);
    if (!args.check)
        log_info(EV("server.stopped"));
    metric_reset_all();
    if (!anew)
        return CLI_DONE;
    tell_kept(&d.kept);
    return begin_anew(argc, argv);
}
