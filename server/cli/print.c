/* muster check --print: what is made from the table of keys, for editors and for the documentation. */
#include "server/cli/cli.h"

#include "server/config/cirun_page.h"
#include "server/config/cirun_schema.h"

#include <stdio.h>
#include <string.h>

int cli_print_language(const char *what)
{
    AUTO_BUF struct buf out = BUF_INIT(CIRUN_SCHEMA_MAX);
    const char *text;
    struct err e;
    int rc;

    if (strcmp(what, "schema") == 0) {
        rc = cirun_schema_write(&out, &e);
    } else if (strcmp(what, "access-schema") == 0) {
        rc = cirun_schema_write_access(&out, &e);
    } else if (strcmp(what, "docs") == 0) {
        rc = cirun_page_write(&out, &e);
    } else {
        (void)fprintf(stderr, "muster: check --print %s: there are schema, access-schema and docs\n", what);
        return CLI_USAGE;
    }
    if (rc || buf_str(&out, &text, &e))
        return cli_fail(&e);
    (void)fputs(text, stdout);
    return CLI_DONE;
}
