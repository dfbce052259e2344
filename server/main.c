/* The subcommands' front door. */
#include "server/base/json.h"
#include "server/cli/cli.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"serve", "the daemon", cli_serve},
    {"check", "validate .cirun.yml files", cli_check},
    {"plan", "what a job with these labels would get", cli_plan},
    {"backup", "copy the store while the daemon runs", cli_backup},
    {"sweep", "find machines by their tags, without the store; end the expired", cli_sweep},
    {"version", "print the version", cli_version},
};

static void print_help(FILE *to)
{
    (void)fputs("usage: muster COMMAND [OPTIONS]\n\n"
                "A fresh machine in your own cloud for every GitHub Actions job that asks for one.\n\ncommands:\n",
                to);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fputs("\nmuster COMMAND --help tells more.\n", to);
}

/* Keys and tokens live in this process: no core dump, no ptrace by others. */
static void protect(void)
{
    struct rlimit none = {0, 0};

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
}

/* Many threads that allocate little: few arenas keep memory small and flat. */
static void tune_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 2);
    (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}

int main(int argc, char **argv)
{
    protect();
    tune_memory();
    js_begin();
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return cli_version(1, argv + 1);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    (void)fprintf(stderr, "muster: there is no command \"%s\"; muster --help lists them\n", argv[1]);
    return CLI_USAGE;
}
