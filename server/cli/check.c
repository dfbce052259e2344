/* muster check: every diagnostic of a .cirun.yml at once, with its place and its line. */
#include "server/cli/cli.h"

#include "server/base/json.h"
#include "server/base/text.h"
#include "server/config/cirun_yml.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define READ_MAX (CIRUN_YML_MAX * 4)

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_GITHUB };

struct check_run {
    enum format format;
    const char *print; /* what of the language instead of checking; NULL = nothing */
    const char *files[64];
    size_t n_files;
    json_t *findings; /* JSON: all files' findings */
    size_t errors, warnings;
};

static const char *severity_name(enum cirun_severity s)
{
    return s == CIRUN_ERROR ? "error" : "warning";
}

/* The line a diagnostic is about, with a caret under its column. */
static void print_line(const char *text, int line, int column)
{
    const char *at = text, *end;

    for (int i = 1; i < line && at != NULL; i++) {
        at = strchr(at, '\n');
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || *at == '\0')
        return;
    end = strchr(at, '\n');
    (void)printf("  %5d | ", line);
    cli_print_plain(at, end != NULL ? (size_t)(end - at) : strlen(at));
    (void)printf("\n        | %*s^\n", column > 1 ? column - 1 : 0, "");
}

/* A workflow command's data: %, CR and LF are escaped as GitHub's runner expects. */
static void print_escaped(const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '%' || *s == '\r' || *s == '\n')
            (void)printf("%%%02X", (unsigned)(unsigned char)*s);
        else
            (void)putchar(*s);
    }
}

static int add_finding(struct check_run *run, const char *file, const struct cirun_diag *d, struct err *e)
{
    json_t *one = NULL;

    if (js_pack(e, &one, "{s:s, s:i, s:i, s:s, s:s}", "file", file, "line", d->line, "column", d->column, "severity",
                severity_name(d->severity), "message", d->message))
        return -1;
    (void)json_array_append_new(run->findings, one);
    return 0;
}

static int report(struct check_run *run, const char *file, const char *text, const struct cirun_diag *d, struct err *e)
{
    *(d->severity == CIRUN_ERROR ? &run->errors : &run->warnings) += 1;
    switch (run->format) {
    case FORMAT_TEXT:
        (void)printf("%s:%d:%d: %s: %s\n", file, d->line, d->column, severity_name(d->severity), d->message);
        print_line(text, d->line, d->column);
        return 0;
    case FORMAT_JSON:
        return add_finding(run, file, d, e);
    case FORMAT_GITHUB:
        (void)printf("::%s file=%s,line=%d,col=%d::", severity_name(d->severity), file, d->line, d->column);
        print_escaped(d->message);
        (void)putchar('\n');
        return 0;
    }
    return 0;
}

static int check_file(struct check_run *run, const char *file, struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(READ_MAX);
    struct cirun_yml *c;
    const char *s;
    int rc = 0;

    if (cli_read(file, &text, e) || buf_str(&text, &s, e))
        return -1;
    c = cirun_yml_parse(s, text.len, file);
    for (size_t i = 0; i < c->n_diags && rc == 0; i++)
        rc = report(run, file, s, &c->diags[i], e);
    if (rc == 0 && run->format == FORMAT_TEXT && c->n_errors == 0)
        (void)printf("%s: %zu runner%s, %zu warning%s\n", file, c->n_runners, c->n_runners == 1 ? "" : "s", c->n_diags,
                     c->n_diags == 1 ? "" : "s");
    cirun_yml_free(c);
    return rc;
}

static int on_option(void *arg, const struct cli_option *o, const char *value)
{
    struct check_run *run = arg;

    if (o == NULL) {
        if (run->n_files == ARRAY_LEN(run->files))
            return -1;
        run->files[run->n_files++] = value;
        return 0;
    }
    if (strcmp(o->name, "--print") == 0)
        run->print = value;
    else if (strcmp(o->name, "--json") == 0 || strcmp(value, "json") == 0)
        run->format = FORMAT_JSON;
    else if (strcmp(value, "github") == 0)
        run->format = FORMAT_GITHUB;
    else if (strcmp(value, "text") == 0)
        run->format = FORMAT_TEXT;
    else
        return -1;
    return 0;
}

static int print_json(struct check_run *run)
{
    AUTO_FREE char *text = NULL;
    struct err e;

    if (js_dump(run->findings, &text, &e))
        return cli_fail(&e);
    (void)printf("%s\n", text);
    return run->errors > 0 ? CLI_FAILED : CLI_DONE;
}

int cli_check(int argc, char **argv)
{
    static const struct cli_option options[] = {
        {"--format", NULL, "FORMAT", "text (default), json, github"},
        {"--json", NULL, NULL, "the same as --format json"},
        {"--print", NULL, "WHAT", "schema, access-schema, docs: of the language"},
        {NULL, NULL, NULL, NULL}};
    static const struct cli_command command = {
        "check", "[--format text|json|github] [FILE...]",
        "Validate .cirun.yml files (default: .cirun.yml; - is standard input): every finding with\n"
        "file:line:column, the line, and what to do. Exit status 1 when a file has an error.",
        options};
    AUTO_JSON json_t *findings = json_array();
    struct check_run run = {.format = FORMAT_TEXT, .findings = findings};
    int rc = cli_parse(&command, argc, argv, on_option, &run);
    struct err e;

    if (rc >= 0)
        return rc;
    if (run.print != NULL)
        return cli_print_language(run.print);
    if (run.n_files == 0)
        run.files[run.n_files++] = ".cirun.yml";
    for (size_t i = 0; i < run.n_files; i++) {
        if (check_file(&run, run.files[i], &e))
            return cli_fail(&e);
    }
    if (run.format == FORMAT_JSON)
        return print_json(&run);
    return run.errors > 0 ? CLI_FAILED : CLI_DONE;
}
