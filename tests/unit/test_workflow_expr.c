/* Expressions: what GitHub's documentation and runner say; against GitHub's own code:
 * tests/conformance/workflow_npm.sh. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/config/workflow_expr.h"

#include <stdio.h>

struct bed {
    struct arena *arena;
    struct wf_budget budget;
    struct wf_field contexts[4];
    struct wf_scope scope;
};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));
    json_t *inputs = json_loads(
        "{\"on\": true, \"list\": [\"a\", \"B\", 3], \"runner\": \"cirun-gpu\", \"deep\": {\"x\": {\"y\": 1}}}", 0,
        NULL);
    struct wf_value *open;

    if (b == NULL)
        return -1;
    b->arena = arena_new();
    b->budget = (struct wf_budget)WF_BUDGET_INIT;
    open = arena_alloc(b->arena, sizeof(*open));
    *open = (struct wf_value){.kind = WF_OBJECT, .why = "github"};
    b->contexts[0] = (struct wf_field){"inputs", wf_of_json(b->arena, inputs)};
    b->contexts[1] = (struct wf_field){"github", open};
    b->contexts[2] = (struct wf_field){"needs", wf_unknown(b->arena, "needs", WF_MAYBE)};
    b->scope = (struct wf_scope){
        .arena = b->arena, .budget = &b->budget, .place = "runs-on", .contexts = b->contexts, .n_contexts = 3};
    json_decref(inputs);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;

    arena_free(b->arena);
    free(b);
    return 0;
}

static const struct wf_value *eval(struct bed *b, const char *text)
{
    const struct wf_value *v = NULL;
    struct err e;

    if (wf_eval(text, strlen(text), &b->scope, &v, &e))
        fail_msg("%s: %s", text, e.msg);
    return v;
}

static const struct wf_value *template(struct bed *b, const char *text)
{
    const struct wf_value *v = NULL;
    struct err e;

    if (wf_template(text, &b->scope, &v, NULL, &e))
        fail_msg("%s: %s", text, e.msg);
    return v;
}

static void test_workflow_expr__values_become_text_as_in_a_workflow(void **state)
{
    static const char *const rows[][2] = {
        {"1 == 1.0", "true"},
        {"'GPU' == 'gpu'", "true"},
        {"null == 0", "true"},
        {"'' == 0", "true"},
        {"'x' == 0", "false"},
        {"inputs.list == inputs.list", "true"},
        {"inputs.list == fromJSON(toJSON(inputs.list))", "false"},
        {"!inputs.off || 'x'", "true"},
        {"inputs.on && 'cirun-gpu' || 'ubuntu-latest'", "cirun-gpu"},
        {"inputs.list[1]", "B"},
        {"inputs.list.*.x", "Array"},
        {"join(inputs.list, '-')", "a-B-3"},
        {"join(inputs.deep.*.y)", "1"},
        {"contains(inputs.list, 'b')", "true"},
        {"startsWith(inputs.runner, 'CIRUN')", "true"},
        {"format('{0}--{1} {{}}', inputs.runner, 3.10)", "cirun-gpu--3.1 {}"},
        {"fromJSON('[\"x\", 1e3]')[1]", "1000"},
        {"1e15", "1E+15"},
        {"0xff", "255"},
        {"'it''s'", "it's"},
        {"case(false, 'a', 1 < 2, 'b', 'c')", "b"},
        {"inputs.nothing.at.all", ""},
    };
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct wf_value *v = eval(b, rows[i][0]);

        assert_int_not_equal(v->kind, WF_UNKNOWN);
        if (strcmp(wf_to_text(b->arena, v), rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], wf_to_text(b->arena, v));
    }
}

static void test_workflow_expr__what_a_run_tells_is_unknown_and_says_what_it_depends_on(void **state)
{
    static const char *const rows[][2] = {
        {"github.sha", "github.sha"},
        {"github['run_id']", "github.run_id"},
        {"needs.plan.outputs.os", "needs.plan.outputs.os"},
        {"needs.plan.outputs[github.sha]", "github.sha"},
        {"fromJSON(needs.plan.outputs.m).os", "needs.plan.outputs.m"},
        {"format('{0}', github.sha)", "github.sha"},
        {"toJSON(github)", "github"},
        {"join(fromJSON(needs.a), ',')", "needs.a"},
    };
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct wf_value *v = eval(b, rows[i][0]);

        assert_int_equal(v->kind, WF_UNKNOWN);
        assert_int_equal(v->n, 0);
        assert_string_equal(v->why, rows[i][1]);
    }
}

/* "a|b": these alternatives. */
static void test_workflow_expr__one_of_few_keeps_its_alternatives(void **state)
{
    static const char *const rows[][2] = {
        {"github.event_name == 'push' && 'a' || 'b'", "a|b"},
        {"case(github.ref == 'x', 'a', github.ref == 'y', 'b', 'c')", "a|b|c"},
        {"format('cirun-{0}', github.ref == 'x' && 'gpu' || 'cpu')", "cirun-gpu|cirun-cpu"},
        {"fromJSON(github.ref == 'x' && '[\"a\"]' || '[\"b\"]')[0]", "a|b"},
        {"(github.ref == 'x' || github.ref == 'y') && 'a' || 'b'", "a|b"},
        {"github.ref == 'x' && 'a' || 'a'", "a"},
        {"true || github.sha", "true"},
        {"false && github.sha", "false"},
        {"contains(fromJSON('[\"a\"]'), 'a') && 'x' || github.sha", "x"},
        {"startsWith(format('cirun-{0}', github.sha), 'cirun-')", "true"},
        {"startsWith(format('cirun-{0}', github.sha), 'other')", "false"},
    };
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct wf_value *v = eval(b, rows[i][0]);
        char got[200] = "";

        for (size_t k = 0; k < v->n; k++)
            (void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", k > 0 ? "|" : "",
                           wf_to_text(b->arena, v->items[k]));
        if (v->kind != WF_UNKNOWN)
            (void)snprintf(got, sizeof(got), "%s", wf_to_text(b->arena, v));
        if (strcmp(got, rows[i][1]) != 0)
            fail_msg("%s: %s", rows[i][0], got);
    }
}

static void test_workflow_expr__too_many_alternatives_are_just_unknown(void **state)
{
    struct bed *b = *state;
    char text[1000] = "case(";
    const struct wf_value *v;

    for (int i = 0; i < 20; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "github.n == %d, '%d', ", i, i);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "'z')");
    v = eval(b, text);
    assert_int_equal(v->kind, WF_UNKNOWN);
    assert_int_equal(v->n, 0);
    assert_int_equal(wf_truth(v), WF_MAYBE);
}

static void test_workflow_expr__text_before_the_unknown_is_certain(void **state)
{
    struct bed *b = *state;
    const struct wf_value *v = template(b, "cirun-gpu--${{ github.run_id }}-x");

    assert_int_equal(v->kind, WF_UNKNOWN);
    assert_string_equal(v->text, "cirun-gpu--<github.run_id>-x");
    assert_int_equal(v->certain, strlen("cirun-gpu--"));
    assert_int_equal(wf_truth(v), WF_TRUE);
}

static void test_workflow_expr__one_expression_alone_keeps_its_type(void **state)
{
    struct bed *b = *state;

    assert_int_equal(template(b, "${{ inputs.list }}")->kind, WF_ARRAY);
    assert_string_equal(template(b, "${{ inputs.on }} ")->text, "true ");
    assert_string_equal(template(b, "a{b}${{ '}}' }}${{ 1 }}")->text, "a{b}}}1");
    assert_string_equal(template(b, "plain")->text, "plain");
}

static void test_workflow_expr__what_github_refuses_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"env.X", "the context env is not available in runs-on"},
        {"secrets.X", "the context secrets is not available"},
        {"input.x", "did you mean inputs?"},
        {"hashFiles('x')", "the function hashFiles is not available in runs-on"},
        {"always()", "the function always is not available"},
        {"contains('a')", "takes 2 arguments, found 1"},
        {"toJSON(1, 2)", "takes 1 argument"},
        {"case(true, 1)", "at least 3"},
        {"case(true, 1, false, 2)", "a last value"},
        {"case('x', 1, 2)", "neither true nor false"},
        {"fromJSON('nope')", "no JSON"},
        {"format('{1}', 1)", "asks for {1}"},
        {"format('{', 1)", "no format"},
        {"1 +", "an operator or the end"},
        {"inputs.", "ends where a name was expected"},
        {"(1", "ends where"},
        {"'a", "closing '"},
        {"1 1", "an operator or the end"},
        {"'a'.b", "an operator or the end"},
        {"1 = 1", "an operator or the end"},
        {"", "empty"},
    };
    struct bed *b = *state;
    const struct wf_value *v;
    struct err e;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(wf_eval(rows[i][0], strlen(rows[i][0]), &b->scope, &v, &e), ERR_INVALID, rows[i][1], e);
    assert_fails(wf_template("x ${{ 1", &b->scope, &v, NULL, &e), ERR_INVALID, "not closed", e);
}

static void test_workflow_expr__depth_length_and_work_have_limits(void **state)
{
    struct bed *b = *state;
    char deep[4000] = "", *at = deep;
    const struct wf_value *v;
    struct err e;

    for (int i = 0; i < 300; i++)
        at += snprintf(at, sizeof(deep) - (size_t)(at - deep), "!(");
    assert_fails(wf_eval(deep, strlen(deep), &b->scope, &v, &e), ERR_INVALID, "nested deeper", e);
    assert_fails(wf_eval(deep, 30000, &b->scope, &v, &e), ERR_INVALID, "longer than 21000", e);
    b->budget = (struct wf_budget){.steps = 3, .bytes = 100000};
    assert_fails(wf_eval("1 == 1 == 1 == 1 == 1", 21, &b->scope, &v, &e), ERR_INVALID, "too much work", e);
    b->budget = (struct wf_budget){.steps = 1000, .bytes = 3000};
    assert_fails(wf_eval("format('{0}{0}{0}{0}{0}{0}{0}', toJSON(inputs))", 47, &b->scope, &v, &e), ERR_INVALID,
                 "too much work", e);
    b->budget = (struct wf_budget)WF_BUDGET_INIT;
}

static void test_workflow_expr__a_condition_is_told_as_far_as_it_can_be(void **state)
{
    static const struct {
        const char *text;
        enum wf_truth truth;
        bool is_text;
    } rows[] = {
        {"false", WF_FALSE, false},
        {"${{ false }}", WF_FALSE, false},
        {"always() && inputs.on", WF_TRUE, false},
        {"success() && false", WF_FALSE, false},
        {"github.ref == 'x' && false", WF_FALSE, false},
        {"failure() || github.ref == 'x'", WF_MAYBE, false},
        {"${{ false }} && true", WF_TRUE, true},
        {"${{ false }}\n", WF_TRUE, true},
    };
    struct bed *b = *state;
    struct wf_scope s = b->scope;

    s.status = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum wf_truth truth;
        bool is_text;
        struct err e;

        assert_ok(wf_condition(rows[i].text, &s, &truth, &is_text, &e), e);
        assert_int_equal(truth, rows[i].truth);
        assert_int_equal(is_text, rows[i].is_text);
    }
}

static void test_workflow_expr__yaml_scalars_follow_the_core_schema(void **state)
{
    static const struct {
        const char *yaml;
        enum wf_kind kind;
        const char *text;
    } rows[] = {{"3.10", WF_NUMBER, "3.1"},      {"'3.10'", WF_STRING, "3.10"}, {"yes", WF_STRING, "yes"},
                {"on", WF_STRING, "on"},         {"True", WF_BOOL, "true"},     {"0x10", WF_NUMBER, "16"},
                {"0o17", WF_NUMBER, "15"},       {"1_000", WF_STRING, "1_000"}, {"~", WF_NULL, ""},
                {".inf", WF_NUMBER, "Infinity"}, {"1e3", WF_NUMBER, "1000"},    {"-", WF_STRING, "-"}};
    struct bed *b = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO_YAML struct yaml_doc *d = NULL;
        const struct wf_value *v;
        struct err e;
        AUTO_BUF struct buf text = BUF_INIT(100);

        buf_addf(&text, "a: %s\n", strcmp(rows[i].yaml, "-") == 0 ? "\"-\"" : rows[i].yaml);
        assert_ok(yaml_parse(text.p, text.len, 1000, "x", &d, &e), e);
        v = wf_of_yaml(b->arena, yaml_get(yaml_root(d), "a"));
        assert_int_equal(v->kind, rows[i].kind);
        assert_string_equal(wf_to_text(b->arena, v), rows[i].text);
    }
}

/* Twelve of two alternatives are four thousand, of eight beyond counting: none is tried with nothing left to spend. */
static void test_workflow_expr__with_the_budget_spent_no_other_alternative_is_tried(void **state)
{
    static const char text[] = "format('{0}', vars, vars, vars, vars, vars, vars, vars, vars, vars, vars, vars, vars)";
    struct bed *b = *state;
    const struct wf_value *both[2] = {wf_string(b->arena, "a", 1), wf_string(b->arena, "b", 1)}, *v;
    struct err e;

    b->contexts[3] = (struct wf_field){"vars", wf_one_of(b->arena, both, 2, "vars")};
    b->scope.n_contexts = 4;
    b->budget = (struct wf_budget){.steps = 1000 * 1000, .bytes = 3000};
    assert_true(wf_eval(text, sizeof(text) - 1, &b->scope, &v, &e) == 0 || e.kind == ERR_INVALID);
    assert_int_equal(b->budget.steps, 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_workflow_expr__values_become_text_as_in_a_workflow),
        CASE(test_workflow_expr__what_a_run_tells_is_unknown_and_says_what_it_depends_on),
        CASE(test_workflow_expr__one_of_few_keeps_its_alternatives),
        CASE(test_workflow_expr__too_many_alternatives_are_just_unknown),
        CASE(test_workflow_expr__text_before_the_unknown_is_certain),
        CASE(test_workflow_expr__one_expression_alone_keeps_its_type),
        CASE(test_workflow_expr__what_github_refuses_is_refused),
        CASE(test_workflow_expr__depth_length_and_work_have_limits),
        CASE(test_workflow_expr__with_the_budget_spent_no_other_alternative_is_tried),
        CASE(test_workflow_expr__a_condition_is_told_as_far_as_it_can_be),
        CASE(test_workflow_expr__yaml_scalars_follow_the_core_schema),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
