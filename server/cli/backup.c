/* muster backup: a copy of the store while the daemon runs. */
#include "server/cli/cli.h"

#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/config/server_conf.h"
#include "server/store/store_backup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct backup_args {
    const char *config, *target;
    bool force, json;
};

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct backup_args *a = arg;

    if (o == NULL) {
        if (a->target != NULL)
            return -1;
        a->target = value;
    } else if (strcmp(o->name, "--config") == 0) {
        a->config = value;
    } else if (strcmp(o->name, "--force") == 0) {
        a->force = true;
    } else {
        a->json = true;
    }
    return 0;
}

static int print_json(const struct backup_args *a, const struct store_backup *b, int64_t took_ms, struct err *e)
{
    AUTO_JSON json_t *o = NULL;
    AUTO_FREE char *text = NULL;

    if (js_pack(e, &o, "{s:s, s:I, s:I, s:I}", "file", a->target, "bytes", (json_int_t)b->bytes, "schema_version",
                (json_int_t)b->schema_version, "took_ms", (json_int_t)took_ms) ||
        js_dump(o, &text, e))
        return -1;
    (void)printf("%s\n", text);
    return 0;
}

static int backup(const struct backup_args *a, struct err *e)
{
    int64_t began_ms = clock_mono_ms();
    struct server_conf *conf = NULL;
    struct store_backup b;
    int rc;

    if (server_conf_load_offline(a->config, conf_getenv_process, NULL, &conf, e))
        return -1;
    rc = store_backup(conf_str(conf->top, "store"), a->target, a->force, &b, e);
    server_conf_free(conf);
    if (rc != 0)
        return -1;
    if (a->json)
        return print_json(a, &b, clock_mono_ms() - began_ms, e);
    (void)printf("%s: %lld bytes, schema version %lld, looked through\n", a->target, (long long)b.bytes,
                 (long long)b.schema_version);
    return 0;
}

int cli_backup(int argc, char **argv)
{
    static const struct cli_option options[] = {
        {"--config", "-c", "FILE",
         "the settings that name the store (default: $MUSTER_CONFIG, /etc/muster/muster.yml)"},
        {"--force", NULL, NULL, "replace a backup that is there"},
        {"--json", NULL, NULL, "say what was made as a JSON object"},
        {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {
        "backup", "[-c FILE] [--force] [--json] TARGET",
        "Copy the store into the file TARGET, complete and consistent, while the daemon runs; the copy is looked "
        "through\n"
        "before it gets its name. deploy/docs/backup.md tells how to restore one.",
        options};
    struct backup_args a = {NULL, NULL, false, false};
    struct err e;
    int rc = cli_parse(&command, argc, argv, on_option, &a);

    if (rc >= 0)
        return rc;
    if (a.target == NULL) {
        (void)fprintf(stderr, "muster backup: TARGET is missing: the file to write\nusage: muster backup %s\n",
                      command.synopsis);
        return CLI_USAGE;
    }
    return backup(&a, &e) ? cli_fail(&e) : CLI_DONE;
}
