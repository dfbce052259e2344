/* Which files muster check looks at, their texts, and the findings of each. */
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/cli/check_int.h"
#include "server/cli/cli.h"
#include "server/cli/glyph.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MAX (CIRUN_YML_MAX * 4)
#define PATH_SIZE ((size_t)64 * 1024)

const char *check_severity_name(enum cirun_severity s)
{
    return s == CIRUN_ERROR ? "error" : s == CIRUN_WARNING ? "warning" : "note";
}

const char *check_kind_name(enum check_kind k)
{
    return k == CHECK_ACCESS ? "access" : k == CHECK_GLOBAL ? "global" : "runners";
}

/* .access.yml, org.access.yaml; .cirun.global.yml; anything else holds a repository's runners. */
static enum check_kind kind_of(const char *name)
{
    static const struct {
        const char *end;
        enum check_kind kind;
    } ends[] = {{"access.yml", CHECK_ACCESS},
                {"access.yaml", CHECK_ACCESS},
                {"cirun.global.yml", CHECK_GLOBAL},
                {"cirun.global.yaml", CHECK_GLOBAL}};
    const char *slash = strrchr(name, '/'), *base = slash != NULL ? slash + 1 : name;

    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t n = strlen(base), k = strlen(ends[i].end);

        if (text_has_suffix(base, ends[i].end) && (n == k || base[n - k - 1] == '.'))
            return ends[i].kind;
    }
    return CHECK_RUNNERS;
}

/* The name as it may be shown: control characters and what is no UTF-8 become "?". */
static char *shown_name(const char *name)
{
    AUTO_BUF struct buf b = BUF_INIT(PATH_SIZE);
    size_t len = strlen(name);

    if (strcmp(name, "-") == 0)
        return mem_strdup("stdin");
    for (size_t at = 0; at < len;) {
        struct glyph g = glyph_next(name + at, len - at);

        buf_add(&b, g.shown, g.shown_len);
        at += g.len;
    }
    return mem_strdup(b.p != NULL ? b.p : "");
}

static struct check_file *add(struct check_report *r, const char *name, enum check_kind kind)
{
    struct check_file *f;

    r->files = mem_realloc_array(r->files, r->n + 1, sizeof(*r->files));
    f = &r->files[r->n++];
    *f = (struct check_file){.text = BUF_INIT(READ_MAX)};
    f->name = mem_strdup(name);
    f->shown = shown_name(name);
    f->mask = check_mask_new();
    f->kind = kind != CHECK_BY_NAME ? kind : kind_of(name);
    return f;
}

void check_add(struct check_file *f, const struct cirun_diag *d)
{
    f->diags = mem_realloc_array(f->diags, f->n_diags + 1, sizeof(*f->diags));
    f->diags[f->n_diags++] = *d;
}

static void fail_whole(struct check_file *f, const char *rule, const char *message)
{
    struct cirun_diag d = {.severity = CIRUN_ERROR, .rule = rule};

    (void)snprintf(d.message, sizeof(d.message), "%.390s", message);
    text_tidy(d.message);
    check_add(f, &d);
    f->errors++;
}

static bool is_there(const char *directory, const char *name, char **path)
{
    AUTO_BUF struct buf b = BUF_INIT(PATH_SIZE);
    struct err ignored;
    const char *text;

    buf_addf(&b, "%s%s%s", directory, *directory == '\0' || text_has_suffix(directory, "/") ? "" : "/", name);
    if (buf_str(&b, &text, &ignored) || access(text, F_OK) != 0)
        return false;
    *path = mem_strdup(text);
    return true;
}

int check_files_find(struct check_report *r, const char *directory, struct err *e)
{
    static const char *const organisation[] = {".cirun.global.yml", ".access.yml"};
    AUTO_FREE char *own = NULL, *misspelt = NULL;
    const char *where = *directory == '\0' ? "here" : "in this directory";
    size_t before = r->n;

    if (is_there(directory, ".cirun.yml", &own)) {
        (void)add(r, own, CHECK_BY_NAME);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(organisation); i++) {
        AUTO_FREE char *path = NULL;

        if (is_there(directory, organisation[i], &path))
            (void)add(r, path, CHECK_BY_NAME);
    }
    if (r->n > before)
        return 0;
    if (is_there(directory, ".cirun.yaml", &misspelt))
        return err_set(e, ERR_INVALID, "there is a .cirun.yaml %s, but only .cirun.yml is read: rename it", where);
    return err_set(e, ERR_INVALID,
                   "there is no .cirun.yml %s, nor .cirun.global.yml or .access.yml: name the files, or \"-\" for "
                   "standard input",
                   where);
}

void check_files_add(struct check_report *r, const char *name, enum check_kind kind)
{
    struct stat st;
    struct err e;

    if (strcmp(name, "-") == 0 || stat(name, &st) != 0 || !S_ISDIR(st.st_mode)) {
        (void)add(r, name, kind);
        return;
    }
    if (check_files_find(r, name, &e))
        fail_whole(add(r, name, kind), "unreadable-file", e.msg);
}

/* Is the last part of the name this one? */
static bool is_called(const struct check_file *f, const char *base)
{
    const char *slash = strrchr(f->name, '/');

    return strcmp(slash != NULL ? slash + 1 : f->name, base) == 0;
}

static void add_sibling(struct check_report *r, size_t number, const char *base)
{
    const char *name = r->files[number].name, *slash = strrchr(name, '/');
    AUTO_FREE char *folder = mem_strndup(name, slash != NULL ? (size_t)(slash - name) + 1 : 0);
    AUTO_FREE char *path = NULL;
    bool given = !is_there(folder, base, &path);

    for (size_t i = 0; !given && i < r->n; i++)
        given = strcmp(r->files[i].name, path) == 0;
    if (!given)
        add(r, path, CHECK_BY_NAME)->silent = true;
}

void check_files_add_siblings(struct check_report *r)
{
    size_t n = r->n;

    for (size_t i = 0; i < n; i++) {
        if (is_called(&r->files[i], ".cirun.global.yml"))
            add_sibling(r, i, ".access.yml");
        else if (is_called(&r->files[i], ".access.yml"))
            add_sibling(r, i, ".cirun.global.yml");
    }
}

static void find_lines(struct check_file *f)
{
    size_t at = 0, room = 0;

    while (f->text.p != NULL) {
        const char *next;

        if (f->n_lines == room) {
            room = room > 0 ? room * 2 : 256;
            f->line_at = mem_realloc_array(f->line_at, room, sizeof(*f->line_at));
        }
        f->line_at[f->n_lines++] = at;
        next = memchr(f->text.p + at, '\n', f->text.len - at);
        if (next == NULL)
            return;
        at = (size_t)(next - f->text.p) + 1;
    }
}

void check_files_read(struct check_file *f)
{
    const char *message;
    struct err e;

    if (f->n_diags > 0)
        return;
    if (!cli_read(f->name, &f->text, &e)) {
        find_lines(f);
        return;
    }
    message = e.msg;
    if (text_has_prefix(message, f->name) && text_has_prefix(message + strlen(f->name), ": "))
        message += strlen(f->name) + 2;
    fail_whole(f, "unreadable-file", message);
}

void check_report_clear(struct check_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct check_file *f = &r->files[i];

        cirun_lints_free(f->lints);
        access_yml_free(f->access);
        cirun_yml_free(f->yml);
        buf_wipe(&f->text);
        check_mask_free(f->mask);
        free(f->diags);
        free(f->line_at);
        free(f->name);
        free(f->shown);
    }
    free(r->files);
    *r = (struct check_report){0};
}

size_t check_not_shown(const struct check_file *f)
{
    size_t all = f->errors + f->warnings + f->notes;

    return all > f->n_diags ? all - f->n_diags : 0;
}

const char *check_line(const struct check_file *f, int number, size_t *len)
{
    size_t at, end;

    *len = 0;
    if (number < 1 || (size_t)number > f->n_lines)
        return "";
    at = f->line_at[number - 1];
    end = (size_t)number < f->n_lines ? f->line_at[number] - 1 : f->text.len;
    *len = end - at;
    if (*len > 0 && f->text.p[end - 1] == '\r')
        *len -= 1;
    return f->text.p + at;
}

/* Bytes of the word at the beginning: a quoted one to its quote, a plain one to a blank or what ends it in YAML. */
static size_t word_of(const char *s, size_t len)
{
    size_t n = 0;

    if (len > 0 && (*s == '"' || *s == '\'')) {
        const char *close = memchr(s + 1, *s, len - 1);

        return close != NULL ? (size_t)(close - s) + 1 : len;
    }
    while (n < len && strchr(" \t,]}[{", s[n]) == NULL && !(s[n] == ':' && (n + 1 == len || s[n + 1] == ' ')))
        n++;
    return n;
}

int check_end_column(const struct check_file *f, const struct cirun_diag *d)
{
    size_t len, start, word, characters = 0;
    const char *line = check_line(f, d->line, &len);

    if (d->end_column > d->column)
        return d->end_column;
    start = glyph_skip(line, len, d->column > 1 ? (size_t)d->column - 1 : 0);
    word = word_of(line + start, len - start);
    for (size_t at = start; at < start + word; characters++)
        at += glyph_next(line + at, len - at).len;
    return d->column + (characters > 0 ? (int)characters : 1);
}
