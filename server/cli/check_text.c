/* muster check --format text: each finding with its line, its place underlined, and the remedy. */
#include "server/base/text.h"
#include "server/cli/check_int.h"
#include "server/cli/cli.h"
#include "server/cli/glyph.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_MAX 4096
#define SHOWN_COLUMNS 120 /* of a line */
#define LEAD_COLUMNS 40   /* of these before the place, when the line is longer */

enum paint { PAINT_ERROR, PAINT_WARNING, PAINT_NOTE, PAINT_PLACE, PAINT_BOLD };

static void paint(bool colour, enum paint p)
{
    static const char *const codes[] = {"\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[1;32m", "\x1b[1m"};

    if (colour)
        (void)fputs(codes[p], stdout);
}

static void unpaint(bool colour)
{
    if (colour)
        (void)fputs("\x1b[0m", stdout);
}

/* ---- the line ---- */

/* A line in glyphs, with "***" for what is hidden. */
struct walk {
    const char *line;
    size_t len, at;
    int character; /* from 1: of the glyph that comes next */
    const bool *hide;
};

/* Does "##[" end here? GitHub's runner takes it for a command wherever it stands in the output of a step
 * (actions/runner, src/Runner.Common/ActionCommand.cs): a stranger's file must not give any. */
static bool is_command(const char *s, size_t at)
{
    return at >= 2 && s[at] == '[' && s[at - 1] == '#' && s[at - 2] == '#';
}

/* The next thing to print; false at the end. */
static bool walk_next(struct walk *w, const char **shown, size_t *shown_len, int *width)
{
    struct glyph g;
    bool hidden;

    if (w->at >= w->len)
        return false;
    hidden = w->hide[w->at];
    do {
        g = glyph_next(w->line + w->at, w->len - w->at);
        w->at += g.len;
        w->character++;
    } while (hidden && w->at < w->len && w->hide[w->at]);
    *shown = hidden ? "***" : g.shown;
    if (!hidden && is_command(w->line, w->at - g.len))
        *shown = "(";
    *shown_len = hidden ? 3 : g.shown_len;
    *width = hidden ? 3 : g.width;
    return true;
}

/* In which columns (from 0) the characters from..to (exclusive, from 1) stand. */
static void columns_of(struct walk w, int from, int to, int *first, int *last)
{
    int column = 0, width;
    const char *shown;
    size_t n;

    *first = *last = -1;
    while (w.character < to) {
        int before = column;

        if (*first < 0 && w.character >= from)
            *first = before;
        if (!walk_next(&w, &shown, &n, &width))
            break;
        column += width;
        if (*first < 0 && w.character > from)
            *first = before; /* inside of what is hidden */
    }
    *first = *first < 0 ? column : *first;
    *last = column > *first ? column : *first + 1;
}

/* Print the columns start..start + SHOWN_COLUMNS; returns whether something is left behind them. */
static bool print_columns(struct walk w, int start)
{
    int column = 0, width;
    const char *shown;
    size_t n;

    while (walk_next(&w, &shown, &n, &width)) {
        if (column + width > start + SHOWN_COLUMNS)
            return true;
        if (column >= start)
            (void)fwrite(shown, 1, n, stdout);
        column += width;
    }
    return false;
}

static void print_line(const struct check_file *f, const struct cirun_diag *d, bool colour)
{
    size_t len;
    const char *line = check_line(f, d->line, &len);
    struct walk w = {.line = line, .len = len, .character = 1, .hide = check_mask_line(f, d->line)};
    int first, last, start;

    if (len == 0)
        return;
    columns_of(w, d->column, check_end_column(f, d), &first, &last);
    start = last > SHOWN_COLUMNS && first > LEAD_COLUMNS ? first - LEAD_COLUMNS : 0;
    (void)printf("  %5d | %s", d->line, start > 0 ? "..." : "");
    (void)printf("%s\n        | ", print_columns(w, start) ? "..." : "");
    first += start > 0 ? 3 - start : 0;
    last += start > 0 ? 3 - start : 0;
    last = last > SHOWN_COLUMNS + 3 ? SHOWN_COLUMNS + 3 : last;
    (void)printf("%*s", first, "");
    paint(colour, PAINT_PLACE);
    (void)putchar('^');
    for (int i = first + 1; i < last; i++)
        (void)putchar('~');
    unpaint(colour);
    (void)putchar('\n');
}

/* ---- a finding ---- */

static void print_masked(const struct check_file *f, const char *text)
{
    AUTO_BUF struct buf b = BUF_INIT(MESSAGE_MAX);

    check_mask_text(f, text, &b);
    for (size_t i = 0; i < b.len; i++)
        b.p[i] = is_command(b.p, i) ? '(' : b.p[i];
    cli_print_plain(b.p != NULL ? b.p : "", b.len);
}

/* What to do, unless the message ends in saying it. */
static void print_remedy(const struct check_file *f, const struct cirun_diag *d)
{
    const struct cirun_rule *rule = cirun_rule_find(d->rule);

    if (d->replacement != NULL) {
        (void)printf("        = write ");
        print_masked(f, d->replacement);
        (void)putchar('\n');
    } else if (rule != NULL) {
        (void)printf("        = %s\n", rule->remedy);
    }
}

static void print_finding(const struct check_file *f, const struct cirun_diag *d, bool colour)
{
    paint(colour, PAINT_BOLD);
    (void)printf("%s:", f->shown);
    if (d->line > 0)
        (void)printf("%d:%d:", d->line, d->column);
    unpaint(colour);
    (void)putchar(' ');
    paint(colour, d->severity == CIRUN_ERROR ? PAINT_ERROR : d->severity == CIRUN_WARNING ? PAINT_WARNING : PAINT_NOTE);
    (void)printf("%s:", check_severity_name(d->severity));
    unpaint(colour);
    (void)putchar(' ');
    print_masked(f, d->message);
    (void)printf(" [%s]\n", d->rule);
    if (d->line > 0)
        print_line(f, d, colour);
    print_remedy(f, d);
}

/* ---- the end ---- */

static void print_count(const char *before, size_t n, const char *what)
{
    (void)printf("%s%zu %s%s", before, n, what, n == 1 ? "" : "s");
}

static void print_counts(size_t errors, size_t warnings, size_t notes)
{
    if (errors > 0)
        print_count("", errors, "error");
    print_count(errors > 0 ? ", " : "", warnings, "warning");
    if (notes > 0)
        print_count(", ", notes, "note");
    (void)putchar('\n');
}

static void print_summary(const struct check_file *f)
{
    if (check_not_shown(f) > 0)
        (void)printf("%s: %zu more findings are not shown\n", f->shown, check_not_shown(f));
    (void)printf("%s: ", f->shown);
    if (f->kind != CHECK_ACCESS && f->yml != NULL && f->yml->doc != NULL) {
        print_count("", f->n_runners, "runner");
        (void)printf(", ");
    }
    print_counts(f->errors, f->warnings, f->notes);
}

void check_print_text(const struct check_report *r, bool colour)
{
    size_t errors = 0, warnings = 0, notes = 0, n = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct check_file *f = &r->files[i];

        if (f->silent)
            continue;
        for (size_t k = 0; k < f->n_diags; k++)
            print_finding(f, &f->diags[k], colour);
        print_summary(f);
        errors += f->errors;
        warnings += f->warnings;
        notes += f->notes;
        n++;
    }
    if (n > 1) {
        print_count("", n, "file");
        (void)printf(": ");
        print_counts(errors, warnings, notes);
    }
}
