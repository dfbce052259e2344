/* What `muster sweep` found and did: a table for people, a document for programs. */
#include "server/cli/sweep_int.h"

#include "server/base/json.h"
#include "server/base/text.h"
#include "server/cli/glyph.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 8
#define CELL_MAX 180

const char *sweep_fate_name(enum sweep_fate f, bool dry_run)
{
    switch (f) {
    case FATE_KEPT:
        return "left alone";
    case FATE_MARKED:
        return dry_run ? "would end" : "to end";
    case FATE_ENDING:
        return "ending";
    case FATE_DESTROYED:
        return "destroyed";
    case FATE_FAILED:
        return "failed";
    }
    return "?";
}

/* Words of a cloud, and tags: fit to show. What is asked for by them is asked by f->i itself. */
static struct instance shown(const struct sweep_found *f)
{
    struct instance i = f->i;

    text_tidy(i.region);
    text_tidy(i.id);
    text_tidy(i.name);
    text_tidy(i.repo);
    return i;
}

/* "3d 4h", "2h 5m", "40s" */
static void span(int64_t ms, char *out, size_t size)
{
    int64_t s = ms / 1000;

    if (s >= 86400)
        (void)snprintf(out, size, "%lldd %lldh", (long long)(s / 86400), (long long)(s % 86400 / 3600));
    else if (s >= 3600)
        (void)snprintf(out, size, "%lldh %lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
    else if (s >= 60)
        (void)snprintf(out, size, "%lldm", (long long)(s / 60));
    else
        (void)snprintf(out, size, "%llds", (long long)(s > 0 ? s : 0));
}

struct row {
    char c[COLUMNS][CELL_MAX];
};

static void fill(const struct sweeping *s, const struct sweep_found *f, struct row *out)
{
    const struct instance i = shown(f);
    char left[32];

    memset(out, 0, sizeof(*out));
    (void)snprintf(out->c[0], CELL_MAX, "%s", sweep_fate_name(f->fate, s->dry_run));
    (void)snprintf(out->c[1], CELL_MAX, "%s", f->account->ops->name);
    (void)snprintf(out->c[2], CELL_MAX, "%s", i.region[0] != '\0' ? i.region : "-");
    (void)snprintf(out->c[3], CELL_MAX, "%s%s", i.name[0] != '\0' ? i.name : "-", i.part ? " (a part)" : "");
    (void)snprintf(out->c[4], CELL_MAX, "%s", i.repo[0] != '\0' ? i.repo : "-");
    if (i.job_id > 0)
        (void)snprintf(out->c[5], CELL_MAX, "%lld", (long long)i.job_id);
    else
        (void)snprintf(out->c[5], CELL_MAX, "-");
    if (i.created_ms > 0)
        span(s->now_ms - i.created_ms, out->c[6], CELL_MAX);
    else
        (void)snprintf(out->c[6], CELL_MAX, "-");
    span(i.expires_ms > s->now_ms ? i.expires_ms - s->now_ms : s->now_ms - i.expires_ms, left, sizeof(left));
    (void)snprintf(out->c[7], CELL_MAX, i.expires_ms == 0 ? "-" : i.expires_ms > s->now_ms ? "in %s" : "%s ago", left);
}

static const struct row head = {{"", "CLOUD", "REGION", "MACHINE", "REPOSITORY", "JOB", "AGE", "EXPIRES"}};

static int width(const char *text)
{
    size_t len = strlen(text);
    int n = 0;

    while (len > 0) {
        struct glyph g = glyph_next(text, len);

        n += g.width;
        text += g.len;
        len -= g.len;
    }
    return n;
}

static void print_row(const struct row *r, const int widths[COLUMNS])
{
    for (size_t c = 0; c < COLUMNS; c++) {
        cli_print_plain(r->c[c], strlen(r->c[c]));
        if (c < COLUMNS - 1)
            (void)printf("%*s", widths[c] - width(r->c[c]) + 2, "");
    }
    (void)putchar('\n');
}

static void print_counts(const struct sweeping *s)
{
    size_t n[FATE_FAILED + 1] = {0};

    for (size_t i = 0; i < s->n_found; i++)
        n[s->found[i].fate]++;
    (void)printf("%zu with the tag of deployment %s:", s->n_found, s->deployment);
    for (size_t f = 0; f <= FATE_FAILED; f++) {
        if (n[f] > 0)
            (void)printf(" %zu %s", n[f], sweep_fate_name((enum sweep_fate)f, s->dry_run));
    }
    (void)puts(s->n_found > 0 ? "" : " nothing");
}

void sweep_print_table(const struct sweeping *s)
{
    int widths[COLUMNS];
    struct row r;

    for (size_t c = 0; c < COLUMNS; c++)
        widths[c] = width(head.c[c]);
    for (size_t i = 0; i < s->n_found; i++) {
        fill(s, &s->found[i], &r);
        for (size_t c = 0; c < COLUMNS; c++)
            widths[c] = width(r.c[c]) > widths[c] ? width(r.c[c]) : widths[c];
    }
    if (s->n_found > 0)
        print_row(&head, widths);
    for (size_t i = 0; i < s->n_found; i++) {
        const struct sweep_found *f = &s->found[i];

        fill(s, f, &r);
        print_row(&r, widths);
        (void)printf("    ");
        cli_print_plain(f->i.id, strlen(f->i.id));
        (void)printf(": ");
        cli_print_plain(f->why, strlen(f->why));
        (void)putchar('\n');
    }
    print_counts(s);
    for (size_t i = 0; i < s->n_errors; i++) {
        const struct sweep_error *e = &s->errors[i];

        (void)fprintf(stderr, "muster sweep: %s%s%s: %s\n", e->cloud, e->region[0] != '\0' ? " " : "", e->region,
                      e->text);
    }
}

static const char *fate_word(enum sweep_fate f)
{
    switch (f) {
    case FATE_KEPT:
        return "kept";
    case FATE_MARKED:
        return "would_be_destroyed";
    case FATE_ENDING:
        return "ending";
    case FATE_DESTROYED:
        return "destroyed";
    case FATE_FAILED:
        return "failed";
    }
    return "?";
}

static int add_machine(json_t *list, const struct sweep_found *f, struct err *e)
{
    static const char *const states[] = {"pending", "running", "stopped", "ending", "gone"};
    const struct instance i = shown(f);
    json_t *o = NULL;

    if (js_pack(e, &o, "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:s, s:s}", "cloud", f->account->ops->name,
                "region", i.region, "id", i.id, "name", i.name, "repository", i.repo, "job", (json_int_t)i.job_id,
                "created", (json_int_t)(i.created_ms / 1000), "expires", (json_int_t)(i.expires_ms / 1000), "state",
                states[i.state], "part", i.part ? 1 : 0, "outcome", fate_word(f->fate), "reason", f->why))
        return -1;
    return json_array_append_new(list, o) == 0 ? 0 : err_set(e, ERR_BUG, "a machine could not be added");
}

int sweep_print_json(const struct sweeping *s, struct err *e)
{
    AUTO_JSON json_t *doc = NULL, *machines = json_array(), *errors = json_array();
    AUTO_FREE char *text = NULL;

    for (size_t i = 0; i < s->n_found; i++) {
        if (add_machine(machines, &s->found[i], e))
            return -1;
    }
    for (size_t i = 0; i < s->n_errors; i++) {
        json_t *o = NULL;

        if (js_pack(e, &o, "{s:s, s:s, s:s}", "cloud", s->errors[i].cloud, "region", s->errors[i].region, "error",
                    s->errors[i].text))
            return -1;
        if (json_array_append_new(errors, o) != 0)
            return err_set(e, ERR_BUG, "an error could not be added");
    }
    if (js_pack(e, &doc, "{s:s, s:b, s:O, s:O}", "deployment", s->deployment, "dry_run", s->dry_run ? 1 : 0, "machines",
                machines, "errors", errors))
        return -1;
    text = json_dumps(doc, JSON_INDENT(2));
    if (text == NULL)
        return err_set(e, ERR_BUG, "what was found and done could not be written as JSON");
    (void)puts(text);
    return 0;
}
