/* strategy.matrix to rows: the examples of GitHub's documentation ("Running variations of jobs in a workflow"), what
 * filters compare, and what is unknown. Against the rule written a second time: tests/conformance/workflow_npm.sh. */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/config/workflow_matrix.h"

#include <stdio.h>

static int setup(void **state)
{
    *state = arena_new();
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static const struct wf_value *value(struct arena *a, const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
    const struct wf_value *v;

    if (j == NULL)
        fail_msg("no JSON: %s", text);
    v = wf_of_json(a, j);
    json_decref(j);
    return v;
}

/* A row as "key=value key=value". */
static void describe(struct arena *a, const struct wf_value *row, struct buf *out)
{
    for (size_t i = 0; i < row->n; i++)
        buf_addf(out, "%s%s=%s", i > 0 ? " " : "", row->fields[i].key, wf_to_text(a, row->fields[i].value));
    if (row->why != NULL)
        buf_addf(out, " ?%s", row->why);
}

static void check(struct arena *a, const struct wf_value *m, const char *const *want)
{
    struct wf_matrix got;
    struct err e;
    size_t i;

    assert_ok(wf_matrix_expand(a, m, &got, &e), e);
    for (i = 0; i < got.n; i++) {
        AUTO_BUF struct buf row = BUF_INIT(1000);

        describe(a, got.rows[i].values, &row);
        if (got.rows[i].perhaps != NULL)
            buf_addf(&row, " perhaps %s", got.rows[i].perhaps);
        if (want[i] == NULL || strcmp(row.p, want[i]) != 0)
            fail_msg("row %zu is \"%s\"", i, row.p);
    }
    assert_null(want[i]);
}

static void test_workflow_matrix__the_documentations_include_example(void **state)
{
    static const char *const want[] = {"fruit=apple animal=cat color=pink shape=circle",
                                       "fruit=apple animal=dog color=green shape=circle",
                                       "fruit=pear animal=cat color=pink",
                                       "fruit=pear animal=dog color=green",
                                       "fruit=banana",
                                       "fruit=banana animal=cat",
                                       NULL};

    check(
        *state,
        value(*state,
              "{\"fruit\": [\"apple\", \"pear\"], \"animal\": [\"cat\", \"dog\"], \"include\": [{\"color\": \"green\"},"
              "{\"color\": \"pink\", \"animal\": \"cat\"}, {\"fruit\": \"apple\", \"shape\": \"circle\"},"
              "{\"fruit\": \"banana\"}, {\"fruit\": \"banana\", \"animal\": \"cat\"}]}"),
        want);
}

static void test_workflow_matrix__exclude_goes_before_include_comes(void **state)
{
    static const char *const want[] = {"os=mac version=14", "os=win version=12", "os=mac version=12 back=1", NULL};

    check(*state,
          value(*state,
                "{\"os\": [\"mac\", \"win\"], \"version\": [12, 14], \"exclude\": [{\"os\": \"mac\", \"version\": 12},"
                "{\"os\": \"win\", \"version\": 14}], \"include\": [{\"os\": \"mac\", \"version\": 12, \"back\": 1}]}"),
          want);
}

static void test_workflow_matrix__only_includes_are_rows_of_their_own(void **state)
{
    static const char *const want[] = {"site=production at=a", "site=staging at=b", NULL};

    check(*state,
          value(*state,
                "{\"include\": [{\"site\": \"production\", \"at\": \"a\"}, {\"site\": \"staging\", \"at\": \"b\"}]}"),
          want);
}

static void test_workflow_matrix__filters_compare_as_expressions_do(void **state)
{
    static const char *const want[] = {"n=2 os=Linux x=1", NULL};

    check(*state,
          value(*state, "{\"n\": [1, 2], \"os\": [\"Linux\"], \"exclude\": [{\"n\": \"1\"}], \"include\": [{\"os\": "
                        "\"linux\", \"x\": 1}]}"),
          want);
}

static void test_workflow_matrix__a_mapping_is_matched_by_a_part_of_it(void **state)
{
    static const char *const want[] = {"node=Object", NULL};
    struct wf_matrix got;
    struct err e;

    check(*state,
          value(*state, "{\"node\": [{\"version\": 14}, {\"version\": 20, \"env\": \"x\"}], \"exclude\": [{\"node\": "
                        "{\"version\": 20}}]}"),
          want);
    assert_ok(
        wf_matrix_expand(*state, value(*state, "{\"node\": [{\"version\": 14, \"env\": \"x\"}, [7, \"\"]]}"), &got, &e),
        e);
    assert_string_equal(got.rows[0].name, "14, x");
    assert_string_equal(got.rows[1].name, "7");
}

static void test_workflow_matrix__the_order_is_the_files_first_key_slowest(void **state)
{
    static const char *const want[] = {"b=1 a=x", "b=1 a=y", "b=2 a=x", "b=2 a=y", NULL};

    check(*state, value(*state, "{\"b\": [1, 2], \"a\": [\"x\", \"y\"]}"), want);
}

static void test_workflow_matrix__everything_excluded_is_no_job(void **state)
{
    static const char *const want[] = {NULL};

    check(*state, value(*state, "{\"a\": [1], \"exclude\": [{\"a\": 1}]}"), want);
}

/* The same mapping with one key more, whose value cannot be told. */
static const struct wf_value *with_unknown(struct arena *a, const char *known, const char *key)
{
    const struct wf_value *m = value(a, known);
    struct wf_field *fields = arena_calloc(a, m->n + 1, sizeof(*fields));

    memcpy(fields, m->fields, m->n * sizeof(*fields));
    fields[m->n] = (struct wf_field){key, wf_unknown(a, "needs.p.outputs.x", WF_MAYBE)};
    return wf_object(a, fields, m->n + 1);
}

static void test_workflow_matrix__an_unknown_include_changes_no_vector(void **state)
{
    static const char *const want[] = {"os=a ?needs.p.outputs.x", "os=b ?needs.p.outputs.x",
                                       " ?needs.p.outputs.x perhaps needs.p.outputs.x", NULL};

    check(*state, with_unknown(*state, "{\"os\": [\"a\", \"b\"]}", "include"), want);
}

static void test_workflow_matrix__an_unknown_exclude_leaves_every_row_in_doubt(void **state)
{
    static const char *const want[] = {"os=a perhaps needs.p.outputs.x", "os=b perhaps needs.p.outputs.x", NULL};

    check(*state, with_unknown(*state, "{\"os\": [\"a\", \"b\"]}", "exclude"), want);
}

static void test_workflow_matrix__an_include_that_may_not_fit_adds_nothing_certain(void **state)
{
    static const char *const want[] = {"os=a v=<needs.p.outputs.x> gpu=<needs.p.outputs.x> perhaps needs.p.outputs.x",
                                       "os=a v=3 gpu=t4 perhaps needs.p.outputs.x", NULL};

    check(*state,
          with_unknown(*state, "{\"os\": [\"a\"], \"include\": [{\"os\": \"a\", \"v\": 3, \"gpu\": \"t4\"}]}", "v"),
          want);
}

static void test_workflow_matrix__what_github_refuses_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"{\"a\": \"x\"}", "matrix.a must be a list"},
        {"{\"a\": []}", "has no values"},
        {"{}", "has no keys"},
        {"{\"include\": []}", "has no keys"},
        {"{\"a\": [1], \"include\": [1]}", "list of mappings"},
        {"{\"a\": [1], \"exclude\": [{}]}", "list of mappings"},
        {"{\"a\": [1], \"exclude\": [{\"b\": 1}]}", "is no key of the matrix"},
        {"[1]", "must be a mapping"},
    };
    struct wf_matrix got;
    struct err e;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_fails(wf_matrix_expand(*state, value(*state, rows[i][0]), &got, &e), ERR_INVALID, rows[i][1], e);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_workflow_matrix__the_documentations_include_example),
        CASE(test_workflow_matrix__exclude_goes_before_include_comes),
        CASE(test_workflow_matrix__only_includes_are_rows_of_their_own),
        CASE(test_workflow_matrix__filters_compare_as_expressions_do),
        CASE(test_workflow_matrix__a_mapping_is_matched_by_a_part_of_it),
        CASE(test_workflow_matrix__the_order_is_the_files_first_key_slowest),
        CASE(test_workflow_matrix__everything_excluded_is_no_job),
        CASE(test_workflow_matrix__an_unknown_include_changes_no_vector),
        CASE(test_workflow_matrix__an_unknown_exclude_leaves_every_row_in_doubt),
        CASE(test_workflow_matrix__an_include_that_may_not_fit_adds_nothing_certain),
        CASE(test_workflow_matrix__what_github_refuses_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
