#include "server/cli/cli.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    (void)value;
    if (o == NULL)
        return -1;
    *(bool *)arg = true;
    return 0;
}

int cli_version(int argc, char **argv)
{
    static const struct cli_option options[] = {{"--json", NULL, NULL, "as a JSON object"}, {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {"version", "[--json]", "Print the version.", options};
    bool json = false;
    int rc = cli_parse(&command, argc, argv, on_option, &json);

    if (rc >= 0)
        return rc;
    (void)printf(json ? "{\"version\":\"%s\"}\n" : "muster %s\n", MUSTER_VERSION);
    return CLI_DONE;
}
