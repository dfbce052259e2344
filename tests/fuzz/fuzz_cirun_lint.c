/* Lints, and how a line is shown: whatever the file, every finding has a known rule and a place in it. */
#include "tests/fuzz/fuzz.h"

#include "server/base/text.h"
#include "server/cli/glyph.h"
#include "server/config/cirun_lint.h"
#include "server/config/secret_look.h"

static bool never_hosted(const char *label)
{
    (void)label;
    return false;
}

static void check_lints(const struct cirun_lints *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct cirun_diag *d = &l->diags[i];

        NEED(d->message[0] != '\0' && text_utf8_valid(d->message, strlen(d->message)));
        NEED(d->line >= 1 && d->column >= 1 && (d->end_column == 0 || d->end_column > d->column));
        NEED(cirun_rule_find(d->rule) != NULL && cirun_rule_find(d->rule)->severity == d->severity);
    }
    NEED(l->n <= l->n_errors + l->n_warnings + l->n_notes);
    for (size_t i = 0; i < l->n_secrets; i++)
        NEED(l->secrets[i]->kind == YAML_SCALAR);
}

static void check_shown(const char *s, size_t len)
{
    struct secret_look hit;

    for (size_t at = 0; at < len;) {
        struct glyph g = glyph_next(s + at, len - at);

        NEED(g.len >= 1 && g.len <= len - at && g.width >= 0 && g.width <= 2 && text_utf8_valid(g.shown, g.shown_len));
        at += g.len;
    }
    NEED(glyph_skip(s, len, len) == len);
    for (size_t at = 0; secret_look_line(s, len, at, &hit); at = hit.at + hit.len)
        NEED(hit.at >= at && hit.len >= 1 && hit.at + hit.len <= len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cirun_lint_opts opts = {.is_hosted = never_hosted};
    struct cirun_yml *c = cirun_yml_parse((const char *)data, size, ".cirun.yml");
    struct cirun_lints *l = cirun_lint(c, &opts);

    check_lints(l);
    check_shown((const char *)data, size);
    cirun_lints_free(l);
    cirun_yml_free(c);
    return 0;
}
