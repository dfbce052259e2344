/* Workflow files to jobs with their labels. */
#include "tests/support/unit.h"

#include "server/base/text.h"
#include "server/config/workflow.h"

#include <stdio.h>

/* The files of a repository that a workflow may call: path, text. */
static const char *const called[][2] = {
    {".github/workflows/called.yml",
     "on:\n  workflow_call:\n    inputs:\n      runner: {type: string, required: true}\n      n: {type: number, "
     "default: 2}\n"
     "jobs:\n  inner:\n    name: on ${{ inputs.runner }}\n    runs-on: [self-hosted, \"${{ inputs.runner }}\"]\n"},
    {".github/workflows/loop.yml", "on: workflow_call\njobs:\n  again: {uses: ./.github/workflows/loop.yml}\n"},
    {".github/workflows/plain.yml", "on: push\njobs: {}\n"},
};

static int read_called(void *arg, const char *path, struct buf *out, struct err *e)
{
    (void)arg;
    for (size_t i = 0; i < sizeof(called) / sizeof(called[0]); i++) {
        if (strcmp(called[i][0], path) == 0) {
            buf_adds(out, called[i][1]);
            return 0;
        }
    }
    return err_set(e, ERR_GONE, "%s: no such file", path);
}

static struct workflow *parse(const char *text, const char *event)
{
    static const struct workflow_pair vars[] = {{"POOL", "cirun-gpu"}};
    const struct workflow_setup setup = {.path = ".github/workflows/ci.yml",
                                         .event = event,
                                         .repository = "octo/train",
                                         .vars = vars,
                                         .n_vars = 1,
                                         .read = read_called};

    return workflow_parse(text, strlen(text), &setup);
}

/* "a,b|c": two wishes, the first for two labels; "?why": unknown label; "!": remote or never. */
static void describe(const struct workflow_job *j, char *out, size_t size)
{
    (void)snprintf(out, size, "%s:", j->name);
    if (j->never)
        (void)snprintf(out + strlen(out), size - strlen(out), " never");
    if (j->remote != NULL)
        (void)snprintf(out + strlen(out), size - strlen(out), " remote");
    for (size_t i = 0; i < j->n_wishes; i++) {
        (void)snprintf(out + strlen(out), size - strlen(out), "%s", i > 0 ? "|" : " ");
        for (size_t k = 0; k < j->wishes[i].n; k++)
            (void)snprintf(out + strlen(out), size - strlen(out), "%s%s%s", k > 0 ? "," : "",
                           j->wishes[i].labels[k].known ? "" : "?", j->wishes[i].labels[k].text);
        if (j->wishes[i].group != NULL)
            (void)snprintf(out + strlen(out), size - strlen(out), "@%s", j->wishes[i].group);
    }
    if (j->perhaps != NULL)
        (void)snprintf(out + strlen(out), size - strlen(out), " perhaps %s", j->perhaps);
}

static void check(const char *text, const char *event, const char *const *want)
{
    struct workflow *w = parse(text, event);
    size_t i;

    if (w->n_errors > 0)
        fail_msg("%d:%d: %s", w->diags[0].line, w->diags[0].column, w->diags[0].message);
    for (i = 0; i < w->n_jobs; i++) {
        char got[500];

        describe(&w->jobs[i], got, sizeof(got));
        if (want[i] == NULL || strcmp(got, want[i]) != 0)
            fail_msg("job %zu is \"%s\"", i, got);
    }
    assert_null(want[i]);
    workflow_free(w);
}

/* The first complaint, as "line:column: text". */
static void check_wrong(const char *text, const char *want)
{
    struct workflow *w = parse(text, NULL);
    char got[700] = "nothing";

    if (w->n_diags > 0)
        (void)snprintf(got, sizeof(got), "%d:%d: %s", w->diags[0].line, w->diags[0].column, w->diags[0].message);
    if (strstr(got, want) == NULL)
        fail_msg("expected \"%s\", found \"%s\"", want, got);
    workflow_free(w);
}

#define ON "on: push\njobs:\n"

static void test_workflow__runs_on_has_all_of_githubs_forms(void **state)
{
    static const char *const want[] = {"a: ubuntu-latest",
                                       "b: self-hosted,cirun-gpu",
                                       "c: cirun-gpu@big",
                                       "d: @big",
                                       "e: cirun-gpu,x64",
                                       "f: cirun-gpu--<github.run_id>",
                                       "g: ?<github.sha>",
                                       "h: cirun-gpu",
                                       "i: ?<vars.OTHER>",
                                       "j: linux@<needs.a.outputs.g>",
                                       NULL};

    (void)state;
    check(ON "  a: {runs-on: ubuntu-latest}\n"
             "  b: {runs-on: [self-hosted, cirun-gpu]}\n"
             "  c: {runs-on: {group: big, labels: cirun-gpu}}\n"
             "  d: {runs-on: {group: big}}\n"
             "  e: {runs-on: \"${{ fromJSON('[\\\"cirun-gpu\\\", \\\"x64\\\"]') }}\"}\n"
             "  f: {runs-on: \"cirun-gpu--${{ github.run_id }}\"}\n"
             "  g: {runs-on: \"${{ github.sha }}\"}\n"
             "  h: {runs-on: \"${{ vars.POOL }}\"}\n"
             "  i: {runs-on: \"${{ vars.OTHER }}\"}\n"
             "  j: {needs: a, runs-on: {group: \"${{ needs.a.outputs.g }}\", labels: [linux]}}\n",
          NULL, want);
}

static void test_workflow__the_founding_matrix_of_two(void **state)
{
    static const char *const want[] = {"train (cpu, ubuntu-latest): ubuntu-latest",
                                       "train (gpu, self-hosted, cirun.gpu): self-hosted,cirun.gpu", NULL};

    (void)state;
    check(ON
          "  train:\n    strategy:\n      matrix:\n        include:\n          - {system: cpu, runner: ubuntu-latest}\n"
          "          - {system: gpu, runner: [self-hosted, cirun.gpu]}\n    runs-on: ${{ matrix.runner }}\n"
          "    container: {image: x, options: --gpus all}\n",
          NULL, want);
}

static void test_workflow__a_matrix_is_expanded_in_githubs_order(void **state)
{
    static const char *const want[] = {"t (a, 1): a-1-", "t (a, 2): a-2-x", "t (b, 2): b-2-x", "t (c, 3): c-3-", NULL};

    (void)state;
    check(ON "  t:\n    strategy: {matrix: {os: [a, b], n: [1, 2], exclude: [{os: b, n: 1}],\n"
             "      include: [{n: 2, more: x}, {os: c, n: 3}]}}\n"
             "    runs-on: ${{ matrix.os }}-${{ matrix.n }}-${{ matrix.more }}\n",
          NULL, want);
}

static void test_workflow__anchors_and_merge_keys_are_followed(void **state)
{
    static const char *const want[] = {"a: cirun-gpu", "b: cirun-gpu", NULL};

    (void)state;
    check(ON "  a: &base {runs-on: cirun-gpu, timeout-minutes: 5}\n  b: {<<: *base, timeout-minutes: 9}\n", NULL, want);
}

static void test_workflow__an_unknown_matrix_makes_rows_that_may_be(void **state)
{
    static const char *const want[] = {"a: cirun-gpu perhaps needs.p.outputs.m",
                                       "b: ?<needs.p.outputs.m> perhaps needs.p.outputs.m",
                                       "c (x, <needs.p.outputs.l>): x perhaps needs.p.outputs.l", NULL};

    (void)state;
    check(ON
          "  a: {needs: p, strategy: {matrix: \"${{ fromJSON(needs.p.outputs.m) }}\"}, runs-on: cirun-gpu}\n"
          "  b: {needs: p, strategy: {matrix: \"${{ fromJSON(needs.p.outputs.m) }}\"}, runs-on: \"${{ matrix.os }}\"}\n"
          "  c: {needs: p, strategy: {matrix: {os: [x], l: \"${{ fromJSON(needs.p.outputs.l) }}\"}}, runs-on: \"${{ "
          "matrix.os }}\"}\n",
          NULL, want);
}

static void test_workflow__the_event_decides_or_leaves_a_choice(void **state)
{
    static const char text[] =
        "on: [push, pull_request]\njobs:\n"
        "  a: {runs-on: \"${{ github.event_name == 'push' && 'cirun-gpu' || 'ubuntu-latest' }}\"}\n";
    static const char *const both[] = {"a: cirun-gpu|ubuntu-latest", NULL}, *const one[] = {"a: ubuntu-latest", NULL};

    (void)state;
    check(text, NULL, both);
    check(text, "pull_request", one);
}

static void test_workflow__inputs_have_their_defaults(void **state)
{
    static const char text[] = "on: {push: , workflow_dispatch: {inputs: {runner: {type: string, default: cirun-gpu}, "
                               "big: {type: boolean}}}}\n"
                               "jobs:\n  a: {runs-on: \"${{ inputs.runner || 'ubuntu-latest' }}\"}\n"
                               "  b: {runs-on: \"${{ inputs.big && 'x' || 'y' }}\"}\n";
    static const char *const both[] = {"a: cirun-gpu|ubuntu-latest", "b: y", NULL};
    static const char *const dispatched[] = {"a: cirun-gpu", "b: y", NULL}, *const pushed[] = {"a: ubuntu-latest",
                                                                                               "b: y", NULL};

    (void)state;
    check(text, NULL, both);
    check(text, "workflow_dispatch", dispatched);
    check(text, "push", pushed);
}

static void test_workflow__called_workflows_of_the_repository_are_followed(void **state)
{
    static const char *const want[] = {"call / on cirun-gpu: self-hosted,cirun-gpu",
                                       "m (1) / on r1: self-hosted,r1",
                                       "m (2) / on r2: self-hosted,r2",
                                       "own / on x: self-hosted,x",
                                       "far: remote",
                                       NULL};

    (void)state;
    check(ON "  call: {uses: ./.github/workflows/called.yml, with: {runner: cirun-gpu}}\n"
             "  m: {uses: ./.github/workflows/called.yml, strategy: {matrix: {n: [1, 2]}}, with: {runner: \"r${{ "
             "matrix.n }}\"}}\n"
             "  own: {uses: $/.github/workflows/called.yml, with: {runner: x}}\n"
             "  far: {uses: octo/wf/.github/workflows/x.yml@v1}\n",
          NULL, want);
}

static void test_workflow__a_constant_false_if_never_runs(void **state)
{
    static const char *const want[] = {"a: never x", "b: x", "c: x", NULL};

    (void)state;
    check(ON "  a: {if: \"${{ false }}\", runs-on: x}\n  b: {if: github.ref == 'x', runs-on: x}\n"
             "  c: {if: always(), runs-on: x}\n",
          NULL, want);
}

static void test_workflow__what_is_wrong_has_its_line_and_column(void **state)
{
    static const char *const rows[][2] = {
        {ON "  a: {runs-on: \"${{ env.X }}\"}\n", "3:16: ${{ env.X }}: the context env is not available in runs-on"},
        {ON "  a: {steps: []}\n", "3:3: the job a has no runs-on"},
        {ON "  a: {runs-on: []}\n", "3:16: runs-on is empty"},
        {ON "  a: {runs-on: {pool: x}}\n", "runs-on has no key \"pool\""},
        {ON "  a: {runs-on: [[x]]}\n", "a label must be a string"},
        {ON "  a: {runs-on: \"${{ matrix.nothing }}\"}\n", "a label of runs-on is empty"},
        {ON "  a: {strategy: {matrix: {os: x}}, runs-on: y}\n", "3:26: matrix.os must be a list"},
        {ON "  a: {strategy: {matrix: {os: []}}, runs-on: y}\n", "matrix.os has no values"},
        {ON "  a: {strategy: {matrix: {os: [x], exclude: [{on: x}]}}, runs-on: y}\n", "on is no key of the matrix"},
        {ON "  a: {if: \"x ==\", runs-on: y}\n", "3:11: unrecognized named-value \"x\""},
        {ON "  a: {if: matrix.x, runs-on: y}\n", "the context matrix is not available in a job's if"},
        {ON "  a: {if: \"${{ false }} && true\", runs-on: y}\n", "this condition is always true"},
        {ON "  a: {uses: ./.github/workflows/gone.yml}\n",
         "3:13: the called workflow cannot be read: .github/workflows/gone.yml"},
        {ON "  a: {uses: ./.github/workflows/plain.yml}\n", "has no workflow_call"},
        {ON "  a: {uses: ./.github/workflows/../../etc/passwd}\n", "uses must be"},
        {ON "  a: {uses: ./.github/workflows/called.yml}\n", "requires the input \"runner\""},
        {ON "  a: {uses: ./.github/workflows/called.yml, with: {runner: x, runer: y}}\n", "has no input \"runer\""},
        {ON "  a: {uses: ./.github/workflows/loop.yml}\n", "deeper than 10 levels"},
        {"jobs:\n  a: {runs-on: x}\n", "on: is missing"},
        {"on: push\n", "jobs: is missing"},
        {"- a\n", "a workflow is a mapping"},
        {"on: push\njobs:\n  a: {runs-on: x\n", "4:1:"},
        {ON "  a: {runs-on: x}\n  a: {runs-on: y}\n", "4:3:"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_wrong(rows[i][0], rows[i][1]);
}

static void test_workflow__more_jobs_than_github_allows_end_in_an_error(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(100000);

    (void)state;
    buf_adds(&text, ON "  a:\n    runs-on: x\n    strategy:\n      matrix:\n");
    for (char key = 'a'; key <= 'i'; key++)
        buf_addf(&text, "        %c: [1, 2]\n", key);
    check_wrong(text.p, "more than 256 jobs");
    buf_reset(&text);
    buf_adds(&text, ON "  a:\n    runs-on: x\n    strategy:\n      matrix:\n");
    for (int i = 0; i < 60; i++)
        buf_addf(&text, "        k%d: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n", i);
    check_wrong(text.p, "more than 256 jobs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workflow__runs_on_has_all_of_githubs_forms),
        cmocka_unit_test(test_workflow__the_founding_matrix_of_two),
        cmocka_unit_test(test_workflow__a_matrix_is_expanded_in_githubs_order),
        cmocka_unit_test(test_workflow__anchors_and_merge_keys_are_followed),
        cmocka_unit_test(test_workflow__an_unknown_matrix_makes_rows_that_may_be),
        cmocka_unit_test(test_workflow__the_event_decides_or_leaves_a_choice),
        cmocka_unit_test(test_workflow__inputs_have_their_defaults),
        cmocka_unit_test(test_workflow__called_workflows_of_the_repository_are_followed),
        cmocka_unit_test(test_workflow__a_constant_false_if_never_runs),
        cmocka_unit_test(test_workflow__what_is_wrong_has_its_line_and_column),
        cmocka_unit_test(test_workflow__more_jobs_than_github_allows_end_in_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
