/* The subcommands: one function each, called with argv[0] = the subcommand's name. They return the exit status. */
#ifndef MUSTER_CLI_CLI_H
#define MUSTER_CLI_CLI_H

#include "server/base/buf.h"

#include <stddef.h>

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_serve(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_plan(int argc, char **argv);
int cli_backup(int argc, char **argv);
int cli_sweep(int argc, char **argv);
int cli_version(int argc, char **argv);

/* One option of a subcommand, for parsing and for --help. */
struct cli_option {
    const char *name;  /* "--config" */
    const char *brief; /* "-c", or NULL */
    const char *value; /* "FILE" when it takes one, else NULL */
    const char *help;
};

struct cli_command {
    const char *name, *synopsis, *help; /* synopsis: what follows the name; help: one paragraph */
    const struct cli_option *options;   /* ended by {.name = NULL} */
};

/* Walks argv: calls each(arg, option or NULL for an operand, value). "--" ends options; "--name=value" is accepted.
 * Returns -1 to go on with the command, else the exit status (--help, or a usage error that was printed). */
int cli_parse(const struct cli_command *c, int argc, char **argv,
              int (*each)(void *arg, const struct cli_option *o, const char *value), void *arg);

/* "muster: sentence" on standard error; returns CLI_FAILED. */
int cli_fail(const struct err *e);

/* Print "schema", "access-schema" or "docs" of the language. Returns the exit status. */
int cli_print_language(const char *what);

/* Append a file ("-" is standard input), at most out's ceiling. A device or a pipe may never end: no more is read than
 * it takes to say that it is too large. */
int cli_read(const char *file, struct buf *out, struct err *e) MUST_USE;

/* Print without what could steer the terminal (glyph.h): a stranger's text. */
void cli_print_plain(const char *s, size_t len);

#endif
