/* Candidates and requests as text. */
#include "server/base/json.h"
#include "server/cli/plan_int.h"

#include <stdio.h>
#include <string.h>

void plan_print_text(const char *prefix, const char *text)
{
    (void)printf("%s", prefix);
    cli_print_plain(text, strlen(text));
    (void)putchar('\n');
}

static void print_fields(const json_t *fields, const char *between)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)fields, key, value)
    {
        (void)printf("     %s%s", key, between);
        plan_print_text("", json_is_string(value) ? json_string_value(value) : "");
    }
}

static void print_request(const json_t *r)
{
    const json_t *body = json_object_get(r, "body");
    AUTO_FREE char *text = body != NULL ? json_dumps(body, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;

    (void)printf("   %s ", json_string_value(json_object_get(r, "method")));
    plan_print_text("", json_string_value(json_object_get(r, "url")));
    print_fields(json_object_get(r, "headers"), ": ");
    if (json_is_object(json_object_get(r, "form")))
        print_fields(json_object_get(r, "form"), "=");
    else if (json_is_string(json_object_get(r, "form")))
        plan_print_text("     ", json_string_value(json_object_get(r, "form")));
    for (const char *line = text; line != NULL && *line != '\0';) {
        size_t n = strcspn(line, "\n");

        (void)printf("     ");
        cli_print_plain(line, n);
        (void)putchar('\n');
        line += n + (line[n] == '\n' ? 1 : 0);
    }
}

/* "4 x t4 with 16 GB each", "1/8 of an l4 with 3 GB" */
static void add_gpus(const json_t *c, struct buf *out)
{
    const json_t *g = json_object_get(c, "gpus");
    json_int_t count = json_integer_value(json_object_get(g, "count"));
    json_int_t memory = json_integer_value(json_object_get(g, "memory_gb"));
    json_int_t slice = json_integer_value(json_object_get(g, "slice"));

    if (g == NULL)
        return;
    if (slice > 1)
        buf_addf(out, "1/%d %s", (int)slice, json_string_value(json_object_get(g, "model")));
    else
        buf_addf(out, "%d x %s", (int)count, json_string_value(json_object_get(g, "model")));
    if (memory > 0)
        buf_addf(out, ", %d GB%s", (int)memory, count > 1 ? " each" : "");
}

static void print_candidate(size_t number, const json_t *c, bool requests)
{
    static const char *const parts[] = {"cloud", "region", "instance_type", "image", "gpu"};
    const char *skipped = json_string_value(json_object_get(c, "skipped"));
    const char *team = json_string_value(json_object_get(c, "team"));
    const char *unknown = json_string_value(json_object_get(c, "price_unknown"));
    const json_t *price = json_object_get(c, "price_usd_hour");
    AUTO_BUF struct buf gpus = BUF_INIT(200);
    json_t *request;
    size_t i;

    (void)printf("%zu.", number);
    for (i = 0; i < ARRAY_LEN(parts); i++) {
        const char *text = json_string_value(json_object_get(c, parts[i]));

        if (text == NULL)
            continue;
        (void)printf(" %s", strcmp(parts[i], "gpu") == 0 ? "gpu:" : "");
        cli_print_plain(text, strlen(text));
    }
    (void)printf("%s  (runner \"", json_is_true(json_object_get(c, "spot")) ? " spot" : "");
    cli_print_plain(json_string_value(json_object_get(c, "runner")),
                    strlen(json_string_value(json_object_get(c, "runner"))));
    (void)printf("\")\n");
    add_gpus(c, &gpus);
    if (gpus.len > 0)
        plan_print_text("   GPU: ", gpus.p);
    if (json_is_number(price))
        (void)printf("   price: %.4g USD an hour\n", json_number_value(price));
    if (unknown != NULL)
        plan_print_text("   price: not told: ", unknown);
    if (team != NULL)
        plan_print_text("   only when triggered by a member of the team ", team);
    if (skipped != NULL)
        plan_print_text("   skipped: ", skipped);
    json_array_foreach(json_object_get(c, "requests"), i, request)
    {
        if (requests)
            print_request(request);
    }
}

void plan_print_candidates(const json_t *candidates, bool requests)
{
    json_t *one;
    size_t i;

    json_array_foreach(candidates, i, one)
    {
        print_candidate(i + 1, one, requests);
    }
}

/* What the first and the usable ones are; what is skipped is not in it. */
void plan_summary(const json_t *candidates, struct buf *out)
{
    json_t *one;
    size_t i, n = 0;
    const char *runner = NULL;

    json_array_foreach(candidates, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "runner"));
        const char *region = json_string_value(json_object_get(one, "region"));
        const char *type = json_string_value(json_object_get(one, "instance_type"));
        size_t before;

        if (json_object_get(one, "skipped") != NULL)
            continue;
        if (runner == NULL || strcmp(runner, name) != 0)
            buf_addf(out, "%s%s: ", n > 0 ? ", then " : "", name);
        else
            buf_adds(out, ", then ");
        runner = name;
        n++;
        buf_addf(out, "%s", json_string_value(json_object_get(one, "cloud")));
        if (type != NULL)
            buf_addf(out, " %s", type);
        if (region != NULL)
            buf_addf(out, " %s", region);
        buf_adds(out, json_is_true(json_object_get(one, "spot")) ? " spot" : "");
        if (json_object_get(one, "team") != NULL)
            buf_addf(out, " [team %s only]", json_string_value(json_object_get(one, "team")));
        if (json_is_number(json_object_get(one, "price_usd_hour")))
            buf_addf(out, " %.4g USD/h", json_number_value(json_object_get(one, "price_usd_hour")));
        before = out->len;
        buf_adds(out, " (");
        add_gpus(one, out);
        if (out->len == before + 2) {
            out->len = before;
            out->p[before] = '\0';
        } else {
            buf_addc(out, ')');
        }
    }
}

int plan_print_json(const json_t *doc, struct err *e)
{
    AUTO_FREE char *text = NULL;

    if (js_dump(doc, &text, e))
        return -1;
    (void)printf("%s\n", text);
    return 0;
}
