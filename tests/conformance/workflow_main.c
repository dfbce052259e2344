/*
 * What our reader makes of GitHub's expressions and matrices, for npm/workflow_judge.mjs: one JSON object per line on
 * stdin, {"expression": "...", "contexts": {...}} or {"matrix": {...}}; for each one line of JSON on stdout, the
 * value's kind and text and itself as toJSON prints it, the matrix's rows with their names, or the error.
 */
#include "server/base/json.h"
#include "server/config/workflow_expr.h"
#include "server/config/workflow_matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_name(enum wf_kind kind)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object", "unknown"};

    return names[kind];
}

static int evaluate(struct arena *a, const json_t *asked, json_t **out, struct err *e)
{
    struct wf_budget budget = WF_BUDGET_INIT;
    const struct wf_value *contexts = wf_of_json(a, json_object_get(asked, "contexts")), *v;
    const struct wf_scope s = {
        .arena = a, .budget = &budget, .place = "a test", .contexts = contexts->fields, .n_contexts = contexts->n};
    const char *text;
    AUTO_BUF struct buf json = BUF_INIT(WF_TEXT_MAX);

    if (js_str(asked, "expression", &text, e) || wf_eval(text, strlen(text), &s, &v, e))
        return -1;
    wf_to_json(v, &json);
    return js_pack(e, out, "{s:s, s:s, s:s}", "kind", kind_name(v->kind), "text", wf_to_text(a, v), "json", json.p);
}

static int expand(struct arena *a, const json_t *matrix, json_t **out, struct err *e)
{
    struct wf_matrix m;
    json_t *rows = json_array();

    if (wf_matrix_expand(a, wf_of_json(a, matrix), &m, e)) {
        json_decref(rows);
        return -1;
    }
    for (size_t i = 0; i < m.n; i++) {
        AUTO_BUF struct buf json = BUF_INIT(WF_TEXT_MAX);
        json_t *row = json_object();

        wf_to_json(m.rows[i].values, &json);
        (void)json_object_set_new(row, "name", json_string(m.rows[i].name));
        (void)json_object_set_new(row, "values", json_string(json.p));
        (void)json_array_append_new(rows, row);
    }
    return js_pack(e, out, "{s:o}", "rows", rows);
}

static void answer(const char *line, size_t len)
{
    struct arena *a = arena_new();
    AUTO_JSON json_t *asked = NULL, *out = NULL;
    AUTO_FREE char *text = NULL;
    struct err e, ignored;
    int rc = js_parse(line, len, &asked, &e);

    if (rc == 0)
        rc = json_object_get(asked, "matrix") != NULL ? expand(a, json_object_get(asked, "matrix"), &out, &e)
                                                      : evaluate(a, asked, &out, &e);
    if (rc != 0 && js_pack(&ignored, &out, "{s:s}", "error", e.msg))
        abort();
    if (js_dump(out, &text, &ignored))
        abort();
    (void)printf("%s\n", text);
    arena_free(a);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0)
        answer(line, (size_t)n);
    free(line);
    return 0;
}
