#include "server/cli/plan_table.h"

#include "server/base/json.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

#define COLUMN_MAX 46
#define TEXT_MAX 4000

static const char *text_of(const json_t *one, const char *key)
{
    const char *text = json_string_value(json_object_get(one, key));

    return text != NULL ? text : "";
}

static void add_labels(const json_t *wish, struct buf *out)
{
    const json_t *labels = json_object_get(wish, "labels");
    json_t *label;
    size_t i;

    json_array_foreach(labels, i, label)
    {
        buf_addf(out, "%s%s", i > 0 ? ", " : "", json_string_value(label));
    }
    if (json_object_get(wish, "group") != NULL)
        buf_addf(out, "%sgroup %s", json_array_size(labels) > 0 ? " in " : "", text_of(wish, "group"));
}

static void add_gets(const json_t *wish, struct buf *out)
{
    const char *verdict = text_of(wish, "verdict");

    if (strcmp(verdict, "hosted") == 0)
        buf_adds(out, "GitHub-hosted");
    else if (strcmp(verdict, "not_ours") == 0)
        buf_adds(out, "not ours");
    else if (strcmp(verdict, "unknown") == 0)
        buf_addf(out, "cannot be told: depends on %s", text_of(wish, "depends_on"));
    else if (strcmp(verdict, "remote") == 0)
        buf_addf(out, "%s: a workflow of another repository, not read", text_of(wish, "uses"));
    else if (strcmp(verdict, "refused") == 0)
        buf_addf(out, "error: %s", text_of(wish, "reason"));
    else
        plan_summary(json_object_get(wish, "candidates"), out);
}

/* What is printed for one wish of a job. */
struct row {
    int line;
    struct buf name, labels, gets;
};

static size_t shown_width(const struct buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->len; i++)
        n += ((unsigned char)b->p[i] & 0xc0) != 0x80 ? 1 : 0;
    return n;
}

/* Padded, and what is too long cut: a program reads it whole from --json. */
static void print_cell(const struct buf *b, size_t width)
{
    size_t n = shown_width(b), len = b->len;

    while (n > COLUMN_MAX && shown_width(&(struct buf){.p = b->p, .len = len}) > COLUMN_MAX - 3)
        len--;
    cli_print_plain(b->p != NULL ? b->p : "", len);
    if (n > COLUMN_MAX) {
        (void)printf("...");
        n = COLUMN_MAX;
    }
    (void)printf("%*s", n < width ? (int)(width - n) : 0, "");
}

static void print_row(const struct row *r, size_t name_width, size_t labels_width)
{
    if (r->line > 0)
        (void)printf("%5d  ", r->line);
    else
        (void)printf("       ");
    print_cell(&r->name, name_width);
    (void)printf("  ");
    print_cell(&r->labels, labels_width);
    (void)printf("  ");
    cli_print_plain(r->gets.p != NULL ? r->gets.p : "", r->gets.len);
    (void)putchar('\n');
}

static void row_clear(struct row *r)
{
    buf_clear(&r->name);
    buf_clear(&r->labels);
    buf_clear(&r->gets);
}

static struct row row_new(void)
{
    return (struct row){.name = BUF_INIT(TEXT_MAX), .labels = BUF_INIT(TEXT_MAX), .gets = BUF_INIT((size_t)64 * 1024)};
}

static void add_perhaps(const json_t *job, struct buf *out)
{
    if (json_object_get(job, "perhaps") != NULL)
        buf_addf(out, " (if there is this job: that depends on %s)", text_of(job, "perhaps"));
}

/* The name of a called workflow's file stands behind the job's: its line is counted there. */
static void add_name(const json_t *job, const char *workflow, struct buf *out)
{
    const char *file = text_of(job, "file"), *base = strrchr(file, '/');

    buf_adds(out, text_of(job, "name"));
    if (strcmp(file, workflow) != 0)
        buf_addf(out, " [%s]", base != NULL ? base + 1 : file);
}

/* A job that is one of several: a row of its own, then one for each. */
static void fill_job(const json_t *job, const char *workflow, struct row *r)
{
    r->line = (int)json_integer_value(json_object_get(job, "line"));
    add_name(job, workflow, &r->name);
    add_labels(job, &r->labels);
    if (json_is_true(json_object_get(job, "never")))
        buf_adds(&r->gets, "never runs: its if is false");
    else if (json_object_get(job, "alternatives") != NULL && json_array_size(json_object_get(job, "alternatives")) > 0)
        buf_addf(&r->gets, "one of these, depends on %s:", text_of(job, "depends_on"));
    else
        add_gets(job, &r->gets);
    add_perhaps(job, &r->gets);
}

/* Calls each(arg, row, wish) for every row of the table; wish: what the row is about. */
static void each_row(const json_t *doc, void (*each)(void *arg, const struct row *r, const json_t *wish), void *arg)
{
    json_t *job, *one;
    size_t i, k;

    json_array_foreach(json_object_get(doc, "jobs"), i, job)
    {
        struct row r = row_new();

        fill_job(job, text_of(doc, "workflow"), &r);
        each(arg, &r, job);
        row_clear(&r);
        json_array_foreach(json_object_get(job, "alternatives"), k, one)
        {
            r = row_new();
            add_labels(one, &r.labels);
            add_gets(one, &r.gets);
            if (!json_is_true(json_object_get(job, "never")))
                each(arg, &r, one);
            row_clear(&r);
        }
    }
}

struct widths {
    size_t name, labels;
    bool requests;
};

static void measure(void *arg, const struct row *r, const json_t *wish)
{
    struct widths *w = arg;
    size_t name = shown_width(&r->name), labels = shown_width(&r->labels);

    (void)wish;
    name = name > COLUMN_MAX ? COLUMN_MAX : name;
    labels = labels > COLUMN_MAX ? COLUMN_MAX : labels;
    w->name = name > w->name ? name : w->name;
    w->labels = labels > w->labels ? labels : w->labels;
}

static void show(void *arg, const struct row *r, const json_t *wish)
{
    const struct widths *w = arg;

    print_row(r, w->name, w->labels);
    if (w->requests && json_object_get(wish, "candidates") != NULL)
        plan_print_candidates(json_object_get(wish, "candidates"), true);
}

/* ---- what is wrong ---- */

static void print_finding(const json_t *at, const char *severity, const char *about, const char *message)
{
    (void)printf("%s:%d:%d: %s: ", text_of(at, "file"), (int)json_integer_value(json_object_get(at, "line")),
                 (int)json_integer_value(json_object_get(at, "column")), severity);
    if (about != NULL) {
        (void)printf("job \"");
        cli_print_plain(about, strlen(about));
        (void)printf("\": ");
    }
    plan_print_text("", message);
}

static void print_refusals(const json_t *job)
{
    json_t *one;
    size_t i;

    if (json_is_true(json_object_get(job, "never")))
        return;
    if (json_object_get(job, "alternatives") == NULL && strcmp(text_of(job, "verdict"), "refused") == 0)
        print_finding(job, "error", text_of(job, "name"), text_of(job, "reason"));
    json_array_foreach(json_object_get(job, "alternatives"), i, one)
    {
        if (strcmp(text_of(one, "verdict"), "refused") == 0)
            print_finding(job, "error", text_of(job, "name"), text_of(one, "reason"));
    }
}

static void print_sums(const json_t *jobs)
{
    static const struct {
        const char *verdict, *what;
    } kinds[] = {{"served", "served by us"},          {"hosted", "GitHub-hosted"},   {"not_ours", "not ours"},
                 {"remote", "in other repositories"}, {"unknown", "cannot be told"}, {"refused", "not served"}};
    json_t *job;
    size_t i, total = json_array_size(jobs), never = 0;
    bool any = false;

    (void)printf("%zu job%s:", total, total == 1 ? "" : "s");
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        size_t n = 0;

        json_array_foreach(jobs, i, job)
        {
            n += !json_is_true(json_object_get(job, "never")) && strcmp(text_of(job, "verdict"), kinds[k].verdict) == 0
                     ? 1
                     : 0;
        }
        if (n > 0)
            (void)printf("%s %zu %s", any ? "," : "", n, kinds[k].what);
        any = any || n > 0;
    }
    json_array_foreach(jobs, i, job)
    {
        never += json_is_true(json_object_get(job, "never")) ? 1 : 0;
    }
    if (never > 0)
        (void)printf("%s %zu never run", any ? "," : "", never);
    (void)printf("\n");
}

void plan_table_print(const json_t *doc, bool requests)
{
    const json_t *jobs = json_object_get(doc, "jobs"), *diags = json_object_get(doc, "diagnostics");
    struct widths w = {.name = 3, .labels = 7, .requests = requests};
    json_t *one;
    size_t i;

    if (json_array_size(jobs) > 0) {
        each_row(doc, measure, &w);
        (void)printf(" LINE  %-*s  %-*s  GETS\n", (int)w.name, "JOB", (int)w.labels, "RUNS-ON");
        each_row(doc, show, &w);
    }
    print_sums(jobs);
    json_array_foreach(jobs, i, one)
    {
        print_refusals(one);
    }
    json_array_foreach(diags, i, one)
    {
        print_finding(one, text_of(one, "severity"), NULL, text_of(one, "message"));
    }
}
