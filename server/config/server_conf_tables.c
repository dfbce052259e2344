#include "server/config/server_conf_tables.h"

#include "providers/registry.h"

#include <string.h>

#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const struct conf_key server_conf_top_keys[] = {
    {.name = "store",
     .type = CONF_STRING,
     .def = "sqlite:/var/lib/muster/muster.db",
     .env = "MUSTER_STORE",
     .help = "where jobs and machines are kept: sqlite: and the path of a file"},
    {.name = "log_level",
     .type = CONF_ENUM,
     .def = "info",
     .env = "MUSTER_LOG_LEVEL",
     .choices = "debug info warn error none",
     .help = "the least severe lines that are written"},
    {.name = NULL},
};

const struct conf_key server_conf_server_keys[] = {
    {.name = "listen",
     .type = CONF_ADDR,
     .def = "0.0.0.0:8080",
     .env = "MUSTER_LISTEN",
     .help = "the public side: webhook and health"},
    {.name = "admin_listen",
     .type = CONF_ADDR,
     .def = "127.0.0.1:9090",
     .env = "MUSTER_ADMIN_LISTEN",
     .help = "the operator's side: metrics"},
    {.name = "admin_token",
     .type = CONF_SECRET,
     .env = "MUSTER_ADMIN_TOKEN",
     .help = "bearer token of the operator's side; required when admin_listen is not loopback"},
    {.name = "api_token",
     .type = CONF_SECRETS,
     .env = "MUSTER_API_TOKEN",
     .help =
         "what images show that fetch their bootstrap (provision_via: pull_from_api), at least 16 characters; a list "
         "while it is being changed"},
    {.name = "public_url",
     .type = CONF_URL,
     .env = "MUSTER_PUBLIC_URL",
     .help = "how machines reach us; without it they get everything in their user-data"},
    {.name = "deployment",
     .type = CONF_STRING,
     .def = "muster",
     .env = "MUSTER_DEPLOYMENT",
     .help = "tag on everything we create: two deployments in one account never touch each other"},
    {.name = "workers",
     .type = CONF_INT,
     .def = "64",
     .env = "MUSTER_WORKERS",
     .min = 1,
     .max = 256,
     .help = "calls to GitHub and the clouds at once, at most; a quarter is kept for teardown"},
    {.name = NULL},
};

const struct conf_key server_conf_github_keys[] = {
    {.name = "url",
     .type = CONF_URL,
     .def = "https://api.github.com",
     .env = "GITHUB_API_URL",
     .help = "GitHub's API; on GitHub Enterprise Server https://HOST/api/v3"},
    {.name = "app_id", .type = CONF_STRING, .env = "MUSTER_GITHUB_APP_ID", .help = "the App's id (or its client id)"},
    {.name = "private_key",
     .type = CONF_SECRET,
     .env = "MUSTER_GITHUB_PRIVATE_KEY",
     .help = "the App's private key, PEM"},
    {.name = "webhook_secret",
     .type = CONF_SECRETS,
     .env = "MUSTER_WEBHOOK_SECRET",
     .help = "the App's webhook secret; a list while it is being changed"},
    {.name = "check_runs",
     .type = CONF_BOOL,
     .def = "true",
     .env = "MUSTER_GITHUB_CHECK_RUNS",
     .help = "are pull requests told why a job cannot be served? needs the App's permission Checks: write"},
    {.name = "slow_start",
     .type = CONF_DURATION,
     .def = "3m",
     .env = "MUSTER_GITHUB_SLOW_START",
     .min = SECOND,
     .max = DAY,
     .help = "a job that waits for so long is told about in its pull request"},
    {.name = "runner_url",
     .type = CONF_URL,
     .env = "MUSTER_RUNNER_URL",
     .help = "mirror of the runner's release archive; needs runner_sha256"},
    {.name = "runner_sha256", .type = CONF_STRING, .env = "MUSTER_RUNNER_SHA256", .help = "SHA-256 of that archive"},
    {.name = NULL},
};

const struct conf_key server_conf_limits_keys[] = {
    {.name = "machines",
     .type = CONF_INT,
     .def = "100",
     .env = "MUSTER_LIMITS_MACHINES",
     .min = 1,
     .max = 1000000,
     .help = "machines at once, in all; jobs beyond it wait their turn"},
    {.name = "machines_per_repository",
     .type = CONF_INT,
     .def = "20",
     .env = "MUSTER_LIMITS_MACHINES_PER_REPOSITORY",
     .min = 1,
     .max = 1000000,
     .help = "machines at once for one repository; its further jobs wait"},
    {.name = "launches_per_minute",
     .type = CONF_INT,
     .def = "120",
     .env = "MUSTER_LIMITS_LAUNCHES_PER_MINUTE",
     .min = 1,
     .max = 1000000,
     .help = "machines launched in any minute, in all"},
    {.name = "lifetime",
     .type = CONF_DURATION,
     .def = "24h",
     .env = "MUSTER_LIMITS_LIFETIME",
     .min = SECOND,
     .max = 30 * DAY,
     .help = "the longest that any machine lives; one that runs a job then has the overtime besides"},
    {.name = "overtime",
     .type = CONF_DURATION,
     .def = "6h",
     .env = "MUSTER_LIMITS_OVERTIME",
     .min = 0,
     .max = 30 * DAY,
     .help = "how long a machine may outlive its lifetime while GitHub says that its job still runs; 0 = not at all"},
    {.name = "boot_deadline",
     .type = CONF_DURATION,
     .def = "15m",
     .env = "MUSTER_LIMITS_BOOT_DEADLINE",
     .min = SECOND,
     .max = DAY,
     .help = "a machine that has no runner by then is given up"},
    {.name = "idle_grace",
     .type = CONF_DURATION,
     .def = "5m",
     .env = "MUSTER_LIMITS_IDLE_GRACE",
     .min = 0,
     .max = DAY,
     .help = "how long a machine that nobody waits for any more is kept"},
    {.name = "retention",
     .type = CONF_DURATION,
     .def = "30d",
     .env = "MUSTER_LIMITS_RETENTION",
     .min = 4 * DAY, /* GitHub redelivers for three: what comes late must still be known as done */
     .max = 3650 * DAY,
     .help = "ended jobs, machines that are gone and their timelines are forgotten after so long"},
    {.name = NULL},
};

const struct conf_key server_conf_policy_keys[] = {
    {.name = "fork_jobs",
     .type = CONF_ENUM,
     .def = "deny",
     .env = "MUSTER_POLICY_FORK_JOBS",
     .choices = "deny allow",
     .help = "may jobs of forks get machines?"},
    {.name = "bare_self_hosted",
     .type = CONF_ENUM,
     .def = "allow",
     .env = "MUSTER_POLICY_BARE_SELF_HOSTED",
     .choices = "allow deny",
     .help = "may a job that asks for nothing but self-hosted get the first runner of the file?"},
    {.name = "one_line",
     .type = CONF_ENUM,
     .def = "allow",
     .env = "MUSTER_POLICY_ONE_LINE",
     .choices = "allow deny",
     .help = "may a label alone name a machine (cirun-aws-t3-large-ubuntu2204), without a file?"},
    {.name = "idle_public",
     .type = CONF_ENUM,
     .def = "deny",
     .env = "MUSTER_POLICY_IDLE_PUBLIC",
     .choices = "deny allow",
     .help = "are warm runners kept for public repositories, though GitHub gives them to forks' jobs too?"},
    {.name = "allowed_clouds",
     .type = CONF_LIST,
     .env = "MUSTER_POLICY_ALLOWED_CLOUDS",
     .help = "clouds that may be used; unset = all that are configured"},
    {.name = "allowed_instance_types",
     .type = CONF_LIST,
     .env = "MUSTER_POLICY_ALLOWED_INSTANCE_TYPES",
     .help = "instance types that may be used, with * and ?; unset = all, [] = none (policy.md)"},
    {.name = "allowed_regions",
     .type = CONF_LIST,
     .env = "MUSTER_POLICY_ALLOWED_REGIONS",
     .help = "regions or zones that may be used, with * and ?; also of machines whose file names none; unset = all"},
    {.name = "allowed_images",
     .type = CONF_LIST,
     .env = "MUSTER_POLICY_ALLOWED_IMAGES",
     .help = "images that may be used, with * and ?; an alias as itself and as what it stands for; unset = all"},
    {.name = "allow_privileged",
     .type = CONF_BOOL,
     .def = "false",
     .env = "MUSTER_POLICY_ALLOW_PRIVILEGED",
     .help = "may extra_config ask for service accounts, existing disks, networks, privileged containers?"},
    {.name = "max_hourly_price",
     .type = CONF_NUMBER,
     .env = "MUSTER_POLICY_MAX_HOURLY_PRICE",
     .help = "USD an hour that one machine may cost; what has no known price is refused then; unset = any"},
    {.name = "users_json_hosts",
     .type = CONF_LIST,
     .env = "MUSTER_POLICY_USERS_JSON_HOSTS",
     .help = "hosts from which users_from_json of .access.yml is read; unset = raw.githubusercontent.com"},
    {.name = "users_json_private",
     .type = CONF_ENUM,
     .def = "deny",
     .env = "MUSTER_POLICY_USERS_JSON_PRIVATE",
     .choices = "deny allow",
     .help = "may these hosts have private addresses (a GitHub Enterprise Server)?"},
    {.name = NULL},
};

const struct server_conf_cloud server_conf_clouds[] = {
    {"aws", "clouds.aws"},
    {"gcp", "clouds.gcp"},
    {"azure", "clouds.azure"},
    {"digitalocean", "clouds.digitalocean"},
    {"openstack", "clouds.openstack"},
    {"oracle", "clouds.oracle"},
    {"vast_ai", "clouds.vast_ai"},
    {"on_prem", "clouds.on_prem"},
    {NULL, NULL},
};

size_t server_conf_sections(struct server_conf_section *out, size_t max)
{
    const struct server_conf_section own[] = {
        {"", server_conf_top_keys},          {"server", server_conf_server_keys}, {"github", server_conf_github_keys},
        {"limits", server_conf_limits_keys}, {"policy", server_conf_policy_keys},
    };
    size_t n = 0;

    for (; n < ARRAY_LEN(own); n++) {
        if (n < max)
            out[n] = own[n];
    }
    for (const struct server_conf_cloud *c = server_conf_clouds; c->name != NULL; c++) {
        const struct provider_ops *ops = registry_find(c->name);

        if (ops == NULL)
            continue;
        if (n < max)
            out[n] = (struct server_conf_section){c->section, ops->account_keys};
        n++;
    }
    return n;
}
