/*
 * muster check --format github: annotations of a workflow's run, as commands that GitHub's runner reads from the
 * output. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; which characters are
 * escaped: actions/runner, src/Runner.Common/ActionCommand.cs, and actions/toolkit, packages/core/src/command.ts: % CR
 * LF in the data, : and , as well in a property.
 */
#include "server/cli/check_int.h"
#include "server/cli/cli.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 8192

static void escape(struct buf *out, const char *s, const char *which)
{
    for (; *s != '\0'; s++) {
        if (strchr(which, *s) != NULL)
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)*s);
        else
            buf_addc(out, *s);
    }
}

static void add_data(struct buf *out, const char *s)
{
    escape(out, s, "%\r\n");
}

static void add_property(struct buf *out, const char *name, const char *s)
{
    buf_addf(out, "%s=", name);
    escape(out, s, "%\r\n:,");
}

static const char *command_of(enum cirun_severity s)
{
    return s == CIRUN_ERROR ? "error" : s == CIRUN_WARNING ? "warning" : "notice";
}

static void print_finding(const struct check_file *f, const struct cirun_diag *d)
{
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX), message = BUF_INIT(TEXT_MAX), title = BUF_INIT(TEXT_MAX);

    check_mask_text(f, d->message, &message);
    buf_addf(&title, "muster: %s", d->rule);
    buf_addf(&b, "::%s ", command_of(d->severity));
    add_property(&b, "file", strncmp(f->shown, "./", 2) == 0 ? f->shown + 2 : f->shown);
    if (d->line > 0)
        buf_addf(&b, ",line=%d,endLine=%d,col=%d,endColumn=%d", d->line, d->line, d->column, check_end_column(f, d));
    buf_addc(&b, ',');
    add_property(&b, "title", title.p != NULL ? title.p : "");
    buf_adds(&b, "::");
    add_data(&b, message.p != NULL ? message.p : "");
    cli_print_plain(b.p, b.len);
    (void)putchar('\n');
}

void check_print_github(const struct check_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct check_file *f = &r->files[i];

        if (f->silent)
            continue;
        for (size_t k = 0; k < f->n_diags; k++)
            print_finding(f, &f->diags[k]);
        if (check_not_shown(f) > 0)
            (void)printf("muster check: %zu more findings of this file have no annotation\n", check_not_shown(f));
    }
}
