/*
 * muster check --format sarif: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, with what GitHub's
 * code scanning reads of it: https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/
 * sarif-support-for-code-scanning. Columns are UTF-16 code units, which is what a reader takes who passes over
 * columnKind.
 */
#include "server/base/crypto.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "server/cli/check_int.h"
#include "server/cli/glyph.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"
#define LANGUAGE "https://docs.cirun.io/"
#define TEXT_MAX 8192
#define URI_MAX ((size_t)256 * 1024)

/* ---- the rules ---- */

static int add_rule(const struct cirun_rule *rule, json_t *list, struct err *e)
{
    AUTO_BUF struct buf help = BUF_INIT(TEXT_MAX);
    json_t *one;

    buf_addf(&help, "%s %s", rule->meaning, rule->remedy);
    if (js_pack(e, &one, "{s:s, s:{s:s}, s:{s:s}, s:{s:s}, s:s, s:{s:s}, s:{s:[s]}}", "id", rule->id,
                "shortDescription", "text", rule->meaning, "fullDescription", "text", help.p, "help", "text", help.p,
                "helpUri", LANGUAGE, "defaultConfiguration", "level", check_severity_name(rule->severity), "properties",
                "tags", "configuration"))
        return -1;
    (void)json_array_append_new(list, one);
    return 0;
}

static int add_rules(json_t *list, struct err *e)
{
    for (size_t i = 0; i < cirun_rules_n; i++) {
        if (add_rule(&cirun_rules[i], list, e))
            return -1;
    }
    return 0;
}

static json_int_t rule_index(const char *id)
{
    for (size_t i = 0; i < cirun_rules_n; i++) {
        if (strcmp(cirun_rules[i].id, id) == 0)
            return (json_int_t)i;
    }
    return -1;
}

/* ---- a place ---- */

/* The path below the current directory, where there is one; each segment percent-encoded. */
static void add_uri(struct buf *out, const char *path)
{
    char here[PATH_MAX];
    size_t n = getcwd(here, sizeof(here)) != NULL ? strlen(here) : 0;

    if (n > 1 && strncmp(path, here, n) == 0 && path[n] == '/')
        path += n + 1;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    buf_adds(out, *path == '/' ? "file://" : "");
    while (*path != '\0') {
        size_t segment = strcspn(path, "/");

        text_url_escape(out, path, segment);
        path += segment;
        if (*path == '/')
            buf_addc(out, *path++);
    }
}

/* The column of a character in UTF-16 code units, from 1. */
static int utf16_column(const struct check_file *f, int line, int column)
{
    size_t len;
    const char *s = check_line(f, line, &len);
    int units = 1;

    for (int i = 1; i < column && len > 0; i++) {
        size_t n = glyph_next(s, len).len;

        units += n == 4 ? 2 : 1;
        s += n;
        len -= n;
    }
    return units;
}

static int make_region(const struct check_file *f, const struct cirun_diag *d, json_t **out, struct err *e)
{
    return js_pack(e, out, "{s:i, s:i, s:i, s:i}", "startLine", d->line, "startColumn",
                   utf16_column(f, d->line, d->column), "endLine", d->line, "endColumn",
                   utf16_column(f, d->line, check_end_column(f, d)));
}

/* ---- a result ---- */

/* The same finding in another revision of the file: by its rule and the text of its line (without secrets), not by the
 * line's number; the how-manieth of these it is tells equal ones apart. */
static void fingerprint(const struct check_file *f, const struct cirun_diag *d, size_t before, char out[65])
{
    size_t len;
    const char *line = check_line(f, d->line, &len);
    const bool *hide = check_mask_line(f, d->line);
    AUTO_BUF struct buf b = BUF_INIT(CIRUN_YML_MAX * 4 + TEXT_MAX);
    unsigned char hash[CRYPTO_SHA256_LEN];

    buf_addf(&b, "%s\n%zu\n", d->rule, before);
    for (size_t i = 0; i < len; i++) {
        if (!hide[i] && line[i] != ' ' && line[i] != '\t')
            buf_addc(&b, line[i]);
    }
    crypto_sha256(b.p, b.len, hash);
    text_hex(hash, 16, out);
}

/* How many findings before this one have the same rule and the same text in their line. */
static size_t equal_before(const struct check_file *f, size_t number)
{
    const struct cirun_diag *d = &f->diags[number];
    size_t len, other_len, n = 0;
    const char *line = check_line(f, d->line, &len), *other;

    for (size_t i = 0; i < number; i++) {
        if (strcmp(f->diags[i].rule, d->rule) != 0)
            continue;
        other = check_line(f, f->diags[i].line, &other_len);
        n += other_len == len && (other == line || memcmp(line, other, len) == 0) ? 1 : 0;
    }
    return n;
}

static int add_fix(const struct check_file *f, const struct cirun_diag *d, const char *uri, json_t *result,
                   struct err *e)
{
    AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX), say = BUF_INIT(TEXT_MAX);
    json_t *region = NULL, *fixes;

    if (d->replacement == NULL || d->end_column <= d->column)
        return 0;
    check_mask_text(f, d->replacement, &text);
    if (text.p == NULL || strcmp(text.p, d->replacement) != 0)
        return 0;
    buf_addf(&say, "Write %s", text.p);
    if (make_region(f, d, &region, e))
        return -1;
    if (js_pack(e, &fixes, "[{s:{s:s}, s:[{s:{s:s}, s:[{s:o, s:{s:s}}]}]}]", "description", "text", say.p,
                "artifactChanges", "artifactLocation", "uri", uri, "replacements", "deletedRegion", region,
                "insertedContent", "text", text.p))
        return -1;
    return json_object_set_new(result, "fixes", fixes) == 0 ? 0 : err_set(e, ERR_BUG, "a fix cannot be added");
}

static int add_result(const struct check_file *f, size_t number, const char *uri, json_t *list, struct err *e)
{
    const struct cirun_diag *d = &f->diags[number];
    AUTO_BUF struct buf message = BUF_INIT(TEXT_MAX);
    AUTO_JSON json_t *region = NULL, *one = NULL;
    char print[65];

    check_mask_text(f, d->message, &message);
    fingerprint(f, d, equal_before(f, number), print);
    if (d->line > 0 && make_region(f, d, &region, e))
        return -1;
    if (js_pack(e, &one, "{s:s, s:I, s:s, s:{s:s}, s:[{s:{s:{s:s}, s:O*}}], s:{s:s}}", "ruleId", d->rule, "ruleIndex",
                rule_index(d->rule), "level", check_severity_name(d->severity), "message", "text", message.p,
                "locations", "physicalLocation", "artifactLocation", "uri", uri, "region", region,
                "partialFingerprints", "musterLine/v1", print) ||
        add_fix(f, d, uri, one, e))
        return -1;
    (void)json_array_append(list, one);
    return 0;
}

static int add_results(const struct check_file *f, json_t *list, struct err *e)
{
    AUTO_BUF struct buf uri = BUF_INIT(URI_MAX);
    const char *text;

    add_uri(&uri, strcmp(f->name, "-") == 0 ? f->shown : f->name);
    if (buf_str(&uri, &text, e))
        return -1;
    for (size_t i = 0; i < f->n_diags; i++) {
        if (add_result(f, i, text, list, e))
            return -1;
    }
    return 0;
}

int check_print_sarif(const struct check_report *r, struct err *e)
{
    AUTO_JSON json_t *rules = json_array(), *results = json_array(), *doc = NULL;
    AUTO_FREE char *text = NULL;

    if (add_rules(rules, e))
        return -1;
    for (size_t i = 0; i < r->n; i++) {
        if (!r->files[i].silent && add_results(&r->files[i], results, e))
            return -1;
    }
    if (js_pack(e, &doc, "{s:s, s:s, s:[{s:{s:{s:s, s:s, s:s, s:O}}, s:[{s:b}], s:s, s:O}]}", "$schema", SCHEMA,
                "version", "2.1.0", "runs", "tool", "driver", "name", "muster check", "semanticVersion", MUSTER_VERSION,
                "informationUri", LANGUAGE, "rules", rules, "invocations", "executionSuccessful", 1, "columnKind",
                "utf16CodeUnits", "results", results) ||
        js_dump(doc, &text, e))
        return -1;
    (void)printf("%s\n", text);
    return 0;
}
