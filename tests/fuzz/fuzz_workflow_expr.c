/* Expressions and matrices: whatever is written, they end within their budget, with a value that can be shown. */
#include "tests/fuzz/fuzz.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/config/workflow_expr.h"
#include "server/config/workflow_matrix.h"

/* Known, unknown and mixed contexts. */
static const struct wf_value *contexts(struct arena *a)
{
    static const char text[] =
        "{\"github\": {\"event_name\": \"push\", \"n\": 7}, \"inputs\": {\"on\": true, \"list\": [\"a\", 2, "
        "null, {\"x\": [1]}], \"text\": \"T\"}}";
    json_t *j = json_loads(text, 0, NULL);
    const struct wf_value *known = wf_of_json(a, j);
    struct wf_field *fields = arena_calloc(a, known->n + 2, sizeof(*fields));
    const struct wf_value *several[2] = {wf_bool(false), wf_string(a, "gpu", 3)};

    json_decref(j);
    memcpy(fields, known->fields, known->n * sizeof(*fields));
    fields[known->n] = (struct wf_field){"needs", wf_unknown(a, "needs", WF_MAYBE)};
    fields[known->n + 1] = (struct wf_field){"vars", wf_one_of(a, several, 2, "vars")};
    return wf_object(a, fields, known->n + 2);
}

static void check_value(struct arena *a, const struct wf_value *v)
{
    AUTO_BUF struct buf json = BUF_INIT(WF_TEXT_MAX);
    const struct wf_value *unknown = wf_find_unknown(v);

    NEED(wf_to_text(a, v) != NULL);
    NEED(unknown == NULL || unknown->why != NULL);
    NEED(v->kind != WF_UNKNOWN || (v->n != 1 && v->n <= WF_CHOICES_MAX && v->certain <= strlen(v->text)));
    wf_to_json(v, &json);
}

static void expand(struct arena *a, const struct wf_value *v)
{
    struct wf_matrix m;
    struct err e;

    if (wf_matrix_expand(a, v, &m, &e))
        return;
    NEED(m.n <= WF_ROWS_MAX);
    for (size_t i = 0; i < m.n; i++)
        check_value(a, m.rows[i].values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new();
    const struct wf_value *known = contexts(a), *v;
    struct wf_budget budget = {.steps = 20000, .bytes = (size_t)2 * 1024 * 1024};
    const struct wf_scope s = {.arena = a,
                               .budget = &budget,
                               .place = "a test",
                               .contexts = known->fields,
                               .n_contexts = known->n,
                               .status = size % 2 == 0};
    AUTO_FREE char *text = mem_strndup((const char *)data, size);
    enum wf_truth truth;
    bool is_text;
    struct err e;

    if (wf_eval(text, strlen(text), &s, &v, &e) == 0) {
        check_value(a, v);
        expand(a, v);
    }
    if (wf_template(text, &s, &v, NULL, &e) == 0)
        check_value(a, v);
    if (wf_condition(text, &s, &truth, &is_text, &e) == 0)
        NEED(truth == WF_TRUE || truth == WF_FALSE || truth == WF_MAYBE);
    arena_free(a);
    return 0;
}
