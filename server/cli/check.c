/* muster check: every diagnostic of every file at once. Files: check_files.c; formats: check_text.c and its siblings.
 */
#include "server/base/mem.h"
#include "server/cli/check_int.h"
#include "server/cli/cli.h"
#include "server/config/server_conf.h"
#include "server/github/event.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_SARIF, FORMAT_GITHUB };
enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

struct check_run {
    enum format format;
    enum colour colour;
    enum check_kind kind;
    const char *print; /* what of the language instead of checking; NULL = nothing */
    bool strict;
    const char *config; /* our settings, or NULL */
    struct server_conf *conf;
    const char **names; /* borrowed from argv */
    size_t n_names;
    struct check_report report;
};

static void run_clear(struct check_run *run)
{
    check_report_clear(&run->report);
    server_conf_free(run->conf);
    free(run->names);
}

/* ---- one file ---- */

static void check_runners(struct check_run *run, struct check_file *f)
{
    const struct cirun_lint_opts opts = {.is_hosted = event_label_is_hosted,
                                         .conf = run->conf,
                                         .judge = run->conf != NULL ? check_policy_judge : NULL,
                                         .judge_arg = run->conf};

    f->yml = cirun_yml_parse(f->text.p != NULL ? f->text.p : "", f->text.len, f->name);
    f->lints = cirun_lint(f->yml, &opts);
    f->n_runners = f->yml->n_read;
    for (size_t i = 0; i < f->yml->n_diags; i++)
        check_add(f, &f->yml->diags[i]);
    for (size_t i = 0; i < f->lints->n; i++)
        check_add(f, &f->lints->diags[i]);
    f->errors += f->yml->n_errors + f->lints->n_errors;
    f->warnings += f->yml->n_warnings + f->lints->n_warnings;
    f->notes += f->lints->n_notes;
}

static void check_file(struct check_run *run, struct check_file *f)
{
    check_files_read(f);
    if (f->errors == 0 && f->kind == CHECK_ACCESS)
        check_access_read(f);
    else if (f->errors == 0)
        check_runners(run, f);
}

/* ---- options ---- */

static int choose(const char *value, const char *const *names, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], value) == 0) {
            *out = (int)i;
            return 0;
        }
    }
    return -1;
}

static int read_choice(struct check_run *run, const char *option, const char *value)
{
    static const char *const formats[] = {"text", "json", "sarif", "github"};
    static const char *const colours[] = {"auto", "always", "never"};
    static const char *const kinds[] = {"", "runners", "global", "access"};
    int n = 0;

    if (strcmp(option, "--format") == 0) {
        if (choose(value, formats, ARRAY_LEN(formats), &n))
            return -1;
        run->format = (enum format)n;
    } else if (strcmp(option, "--color") == 0) {
        if (choose(value, colours, ARRAY_LEN(colours), &n))
            return -1;
        run->colour = (enum colour)n;
    } else {
        if (*value == '\0' || choose(value, kinds, ARRAY_LEN(kinds), &n))
            return -1;
        run->kind = (enum check_kind)n;
    }
    return 0;
}

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct check_run *run = arg;

    if (o == NULL) {
        run->names = mem_realloc_array(run->names, run->n_names + 1, sizeof(*run->names));
        run->names[run->n_names++] = value;
        return 0;
    }
    if (strcmp(o->name, "--print") == 0)
        run->print = value;
    else if (strcmp(o->name, "--json") == 0)
        run->format = FORMAT_JSON;
    else if (strcmp(o->name, "--strict") == 0)
        run->strict = true;
    else if (strcmp(o->name, "--config") == 0)
        run->config = value;
    else
        return read_choice(run, o->name, value);
    return 0;
}

/* ---- the command ---- */

static bool wants_colour(const struct check_run *run)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

    if (run->colour != COLOUR_AUTO)
        return run->colour == COLOUR_ALWAYS;
    return isatty(STDOUT_FILENO) == 1 && (none == NULL || *none == '\0') && (term == NULL || strcmp(term, "dumb") != 0);
}

static int print(const struct check_run *run, struct err *e)
{
    switch (run->format) {
    case FORMAT_TEXT:
        check_print_text(&run->report, wants_colour(run));
        return 0;
    case FORMAT_GITHUB:
        check_print_github(&run->report);
        return 0;
    case FORMAT_JSON:
        return check_print_json(&run->report, e);
    case FORMAT_SARIF:
        return check_print_sarif(&run->report, e);
    }
    return 0;
}

static bool fails(const struct check_run *run)
{
    for (size_t i = 0; i < run->report.n; i++) {
        const struct check_file *f = &run->report.files[i];

        if (!f->silent && (f->errors > 0 || (run->strict && f->warnings > 0)))
            return true;
    }
    return false;
}

static int check(struct check_run *run, struct err *e)
{
    if (run->config != NULL && server_conf_load_offline(run->config, conf_getenv_process, NULL, &run->conf, e))
        return -1;
    for (size_t i = 0; i < run->n_names; i++)
        check_files_add(&run->report, run->names[i], run->kind);
    if (run->n_names == 0 && check_files_find(&run->report, "", e))
        return -1;
    check_files_add_siblings(&run->report);
    for (size_t i = 0; i < run->report.n; i++)
        check_file(run, &run->report.files[i]);
    check_access_join(&run->report);
    for (size_t i = 0; i < run->report.n; i++)
        cirun_diags_sort(run->report.files[i].diags, run->report.files[i].n_diags);
    return print(run, e);
}

int cli_check(int argc, char **argv)
{
    static const struct cli_option options[] = {
        {"--format", NULL, "FORMAT", "text (default), json, sarif, github (annotations of a workflow)"},
        {"--json", NULL, NULL, "the same as --format json"},
        {"--strict", NULL, NULL, "warnings fail too"},
        {"--kind", NULL, "KIND", "runners, global, access: what the files are, whatever their names"},
        {"--config", "-c", "FILE", "our settings: what the operator's accounts, limits and policy make of the files"},
        {"--color", NULL, "WHEN", "auto (default: on a terminal), always, never; NO_COLOR is honoured"},
        {"--print", NULL, "WHAT", "schema, access-schema, docs: of the language, instead of checking"},
        {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {
        "check", "[--format text|json|sarif|github] [--strict] [FILE...]",
        "Validate .cirun.yml, .cirun.global.yml and .access.yml: every finding of every file at once, with\n"
        "file:line:column, the line, and what to do. FILE may be a directory, or - for standard input; without: the\n"
        ".cirun.yml here, or else the organisation's files. Touches no network. Exit status: 0 sound (warnings and\n"
        "notes may be printed), 1 a file has an error or cannot be read (with --strict also: a warning), 2 usage.",
        options};
    AUTO(run_clear) struct check_run run = {.format = FORMAT_TEXT};
    int rc = cli_parse(&command, argc, argv, on_option, &run);
    struct err e;

    if (rc >= 0)
        return rc;
    if (run.print != NULL)
        return cli_print_language(run.print);
    if (check(&run, &e))
        return cli_fail(&e);
    return fails(&run) ? CLI_FAILED : CLI_DONE;
}
