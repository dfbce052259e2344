/* muster check --format json: what deploy/docs/check.md describes. Members are added, never changed. */
#include "server/base/json.h"
#include "server/cli/check_int.h"

#include <stdio.h>

#define TEXT_MAX 8192

static int masked(const struct check_file *f, const char *text, json_t **out, struct err *e)
{
    AUTO_BUF struct buf b = BUF_INIT(TEXT_MAX);

    if (text == NULL) {
        *out = json_null();
        return 0;
    }
    check_mask_text(f, text, &b);
    return js_pack(e, out, "s", b.p != NULL ? b.p : "");
}

static json_t *number_or_null(int n)
{
    return n > 0 ? json_integer(n) : json_null();
}

static int add_finding(const struct check_file *f, const struct cirun_diag *d, json_t *list, struct err *e)
{
    const struct cirun_rule *rule = cirun_rule_find(d->rule);
    AUTO_JSON json_t *message = NULL, *replacement = NULL, *one = NULL;

    if (masked(f, d->message, &message, e) || masked(f, d->replacement, &replacement, e))
        return -1;
    if (js_pack(e, &one, "{s:s, s:o, s:o, s:o, s:s, s:s, s:O, s:s?, s:O}", "file", f->shown, "line",
                number_or_null(d->line), "column", number_or_null(d->column), "end_column",
                number_or_null(d->line > 0 ? check_end_column(f, d) : 0), "severity", check_severity_name(d->severity),
                "rule", d->rule, "message", message, "remedy", rule != NULL ? rule->remedy : NULL, "replacement",
                replacement))
        return -1;
    (void)json_array_append(list, one);
    return 0;
}

static int add_file(const struct check_file *f, json_t *list, struct err *e)
{
    AUTO_JSON json_t *one = NULL;

    if (js_pack(e, &one, "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "file", f->shown, "kind", check_kind_name(f->kind),
                "runners", (json_int_t)f->n_runners, "errors", (json_int_t)f->errors, "warnings",
                (json_int_t)f->warnings, "notes", (json_int_t)f->notes, "not_shown", (json_int_t)check_not_shown(f)))
        return -1;
    (void)json_array_append(list, one);
    return 0;
}

int check_print_json(const struct check_report *r, struct err *e)
{
    AUTO_JSON json_t *files = json_array(), *findings = json_array(), *doc = NULL;
    AUTO_FREE char *text = NULL;
    size_t errors = 0, warnings = 0, notes = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct check_file *f = &r->files[i];

        if (f->silent)
            continue;
        if (add_file(f, files, e))
            return -1;
        for (size_t k = 0; k < f->n_diags; k++) {
            if (add_finding(f, &f->diags[k], findings, e))
                return -1;
        }
        errors += f->errors;
        warnings += f->warnings;
        notes += f->notes;
    }
    if (js_pack(e, &doc, "{s:i, s:I, s:I, s:I, s:O, s:O}", "version", 1, "errors", (json_int_t)errors, "warnings",
                (json_int_t)warnings, "notes", (json_int_t)notes, "files", files, "findings", findings) ||
        js_dump(doc, &text, e))
        return -1;
    (void)printf("%s\n", text);
    return 0;
}
