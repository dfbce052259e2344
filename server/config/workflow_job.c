/* One job after the other: its condition, its matrix, its labels or the workflow that it calls. */
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/workflow_int.h"

#include <string.h>

/* One job of a file, while it is read. */
struct reading {
    const struct workflow_file *f;
    const struct yaml_node *job;
    const char *id;
    bool never;
    const struct wf_value *needs, *strategy;
    struct wf_matrix matrix;
    bool has_matrix;
};

static void complain(const struct reading *r, const struct yaml_node *at, const struct err *e)
{
    workflow_note(r->f->r, true, r->f->path, at->line, at->column, "%s", e->msg);
}

/* ---- contexts ---- */

static const struct wf_value *read_needs(struct arena *a, const struct yaml_node *needs)
{
    size_t n = needs == NULL ? 0 : needs->kind == YAML_LIST ? needs->n : needs->kind == YAML_SCALAR ? 1 : 0;
    struct wf_field *fields = arena_calloc(a, n + 1, sizeof(*fields));
    AUTO_BUF struct buf why = BUF_INIT(300);
    size_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const struct yaml_node *one = needs->kind == YAML_LIST ? needs->items[i] : needs;

        if (one->kind != YAML_SCALAR)
            continue;
        buf_reset(&why);
        buf_addf(&why, "needs.%.200s", one->text);
        fields[count++] = (struct wf_field){one->text, wf_unknown(a, why.p, WF_TRUE)};
    }
    return wf_object(a, fields, count);
}

static struct wf_scope scope_of(const struct reading *r, const char *place, struct workflow_contexts *c)
{
    const struct workflow_file *f = r->f;

    c->list[0] = (struct wf_field){"github", f->r->github};
    c->list[1] = (struct wf_field){"inputs", f->inputs};
    c->list[2] = (struct wf_field){"vars", f->r->vars};
    c->list[3] = (struct wf_field){"needs", r->needs};
    c->n = 4;
    return (struct wf_scope){
        .arena = f->r->arena, .budget = &f->r->budget, .place = place, .contexts = c->list, .n_contexts = c->n};
}

/* The same with the row's matrix. */
static struct wf_scope row_scope(const struct reading *r, const char *place, size_t row, struct workflow_contexts *c)
{
    struct wf_scope s = scope_of(r, place, c);
    struct wf_field *fields = arena_calloc(s.arena, 4, sizeof(*fields));
    const struct wf_value *max = r->strategy != NULL ? wf_get(r->strategy, "max-parallel") : NULL;
    const struct wf_value *fast = r->strategy != NULL ? wf_get(r->strategy, "fail-fast") : NULL;

    fields[0] = (struct wf_field){"fail-fast", fast != NULL ? fast : wf_bool(true)};
    fields[1] = (struct wf_field){"job-index", wf_number(s.arena, (double)row)};
    fields[2] = (struct wf_field){"job-total", wf_number(s.arena, (double)r->matrix.n)};
    fields[3] = (struct wf_field){"max-parallel", max != NULL ? max : fields[2].value};
    c->list[c->n++] = (struct wf_field){"strategy", wf_object(s.arena, fields, 4)};
    c->list[c->n++] = (struct wf_field){"matrix", r->matrix.rows[row].values};
    s.n_contexts = c->n;
    return s;
}

/* ---- if and strategy ---- */

static void read_if(struct reading *r)
{
    const struct yaml_node *n = yaml_get(r->job, "if");
    struct workflow_contexts c;
    struct wf_scope s = scope_of(r, "a job's if", &c);
    enum wf_truth truth = WF_MAYBE;
    bool is_text = false;
    struct err e;

    s.status = true;
    if (yaml_is_null(n) || n->kind != YAML_SCALAR)
        return;
    if (wf_condition(n->text, &s, &truth, &is_text, &e)) {
        complain(r, n, &e);
        return;
    }
    if (is_text)
        workflow_note(r->f->r, false, r->f->path, n->line, n->column,
                      "this condition is always true: text stands outside of ${{ }}, which makes it a string");
    r->never = truth == WF_FALSE;
}

static int read_strategy(struct reading *r, const struct yaml_node **at, struct err *e)
{
    static const struct wf_row single = {.name = ""};
    const struct yaml_node *n = yaml_get(r->job, "strategy");
    struct workflow_contexts c;
    const struct wf_scope s = scope_of(r, "strategy", &c);
    const struct wf_value *matrix;
    struct wf_row *row = arena_alloc(s.arena, sizeof(*row));

    *row = single;
    row->values = wf_null();
    r->matrix = (struct wf_matrix){1, row};
    if (yaml_is_null(n))
        return 0;
    if (wf_fill(n, &s, &r->strategy, at, e))
        return -1;
    *at = yaml_get(n, "matrix") != NULL ? yaml_get(n, "matrix") : n;
    matrix = r->strategy->kind == WF_UNKNOWN ? r->strategy : wf_get(r->strategy, "matrix");
    if (matrix == NULL || matrix->kind == WF_NULL)
        return 0;
    r->has_matrix = true;
    return wf_matrix_expand(s.arena, matrix, &r->matrix, e);
}

/* ---- one row ---- */

static const char *joined(struct arena *a, const char *first, const char *second)
{
    AUTO_BUF struct buf b = BUF_INIT(1000);

    buf_addf(&b, "%s%s", first, second);
    return arena_strdup(a, b.p != NULL ? b.p : "");
}

/* "name", "name (a, b)", or what its expressions make of it. */
static const char *row_name(const struct reading *r, size_t row)
{
    const struct yaml_node *n = yaml_get(r->job, "name");
    struct workflow_contexts c;
    const struct wf_scope s = row_scope(r, "a job's name", row, &c);
    const char *base = !yaml_is_null(n) && n->kind == YAML_SCALAR ? n->text : r->id;
    AUTO_BUF struct buf name = BUF_INIT(1000);
    const struct wf_value *v;
    struct err e;
    bool has = false;

    if (wf_template(base, &s, &v, &has, &e)) {
        complain(r, n != NULL ? n : r->job, &e);
        return joined(s.arena, r->f->name_prefix, r->id);
    }
    buf_addf(&name, "%s%.200s", r->f->name_prefix, wf_to_text(s.arena, v));
    if (!has && r->matrix.rows[row].name[0] != '\0')
        buf_addf(&name, " (%.200s)", r->matrix.rows[row].name);
    return arena_strdup(s.arena, name.p != NULL ? name.p : "");
}

static bool add_job(const struct reading *r, struct workflow_job *j)
{
    struct workflow_reading *all = r->f->r;

    if (all->out.n_jobs == WORKFLOW_JOBS_MAX) {
        workflow_note(all, true, r->f->path, r->job->line, r->job->column, "there are more than %d jobs",
                      WORKFLOW_JOBS_MAX);
        return false;
    }
    all->jobs = mem_realloc_array(all->jobs, all->out.n_jobs + 1, sizeof(*all->jobs));
    all->jobs[all->out.n_jobs++] = *j;
    return true;
}

static struct workflow_job job_of(const struct reading *r, size_t row, const struct yaml_node *at)
{
    struct arena *a = r->f->r->arena;

    return (struct workflow_job){.id = joined(a, r->f->id_prefix, r->id),
                                 .name = row_name(r, row),
                                 .file = r->f->path,
                                 .line = at->line,
                                 .column = at->column,
                                 .perhaps = r->f->perhaps != NULL ? r->f->perhaps : r->matrix.rows[row].perhaps,
                                 .never = r->never};
}

static bool read_runs_on(const struct reading *r, size_t row, const struct yaml_node *runs_on)
{
    struct workflow_job j = job_of(r, row, runs_on);
    struct workflow_contexts c;
    const struct wf_scope s = row_scope(r, "runs-on", row, &c);
    const struct yaml_node *at;
    struct err e;

    if (workflow_labels(runs_on, &s, &j, &at, &e)) {
        complain(r, at, &e);
        return false;
    }
    return add_job(r, &j);
}

/* ---- called workflows ---- */

/* ".github/workflows/x.yml" of "./.github/workflows/x.yml" or "$/.github/...", the workflow's own repository; NULL: it
 * is not one of this repository. */
static const char *local_path(const char *uses)
{
    static const char folder[] = "/.github/workflows/";

    if ((uses[0] != '.' && uses[0] != '$') || !text_has_prefix(uses + 1, folder))
        return NULL;
    return strchr(uses + 1 + strlen(folder), '/') == NULL && strstr(uses + 2, "..") == NULL ? uses + 2 : NULL;
}

static bool call_row(const struct reading *r, size_t row, const char *path, const struct yaml_node *root,
                     const struct yaml_node *uses)
{
    const struct yaml_node *with = yaml_get(r->job, "with"), *at;
    struct workflow_contexts c;
    const struct wf_scope s = row_scope(r, "with", row, &c);
    const struct workflow_job j = job_of(r, row, uses);
    const struct wf_value *given = wf_object(s.arena, NULL, 0);
    struct workflow_file called = {.r = r->f->r, .path = path, .jobs = yaml_get(root, "jobs"), .never = r->never};
    struct err e;

    if (!yaml_is_null(with) && wf_fill(with, &s, &given, &at, &e)) {
        complain(r, at, &e);
        return false;
    }
    called.perhaps = j.perhaps;
    called.depth = r->f->depth + 1;
    called.id_prefix = joined(s.arena, j.id, " / ");
    called.name_prefix = joined(s.arena, j.name, " / ");
    called.inputs = workflow_called_inputs(r->f->r, root, given, r->f->path, with != NULL ? with : uses);
    if (called.jobs != NULL)
        workflow_read_jobs(&called);
    return r->f->r->out.n_jobs < WORKFLOW_JOBS_MAX;
}

static bool read_remote(const struct reading *r, size_t row, const struct yaml_node *uses)
{
    struct workflow_job j = job_of(r, row, uses);

    j.remote = uses->text;
    return add_job(r, &j);
}

static void read_call(const struct reading *r, const struct yaml_node *uses)
{
    const char *path = uses->kind == YAML_SCALAR ? local_path(uses->text) : NULL;
    const struct yaml_node *root = NULL;
    struct workflow_reading *all = r->f->r;

    if (uses->kind != YAML_SCALAR ||
        (path == NULL && (strchr(".$", uses->text[0]) != NULL || strchr(uses->text, '@') == NULL))) {
        workflow_note(all, true, r->f->path, uses->line, uses->column,
                      "uses must be ./.github/workflows/FILE or OWNER/REPOSITORY/.github/workflows/FILE@REF");
        return;
    }
    if (path != NULL && r->f->depth + 1 > WORKFLOW_DEPTH_MAX) {
        workflow_note(all, true, r->f->path, uses->line, uses->column,
                      "workflows call each other deeper than %d levels, which GitHub refuses", WORKFLOW_DEPTH_MAX);
        return;
    }
    root = path != NULL ? workflow_open(all, path, r->f->path, uses) : NULL;
    if (path != NULL && root == NULL)
        return;
    if (root != NULL && !workflow_is_callable(root)) {
        workflow_note(all, true, r->f->path, uses->line, uses->column,
                      "%.200s cannot be called: its on: has no workflow_call", path);
        return;
    }
    for (size_t i = 0; i < r->matrix.n; i++) {
        if (root != NULL ? !call_row(r, i, path, root, uses) : !read_remote(r, i, uses))
            return;
    }
}

/* ---- all ---- */

static void read_job(const struct workflow_file *f, const struct yaml_node *key, const struct yaml_node *job)
{
    struct reading r = {.f = f, .job = job, .id = key->text, .never = f->never};
    const struct yaml_node *runs_on = yaml_get(job, "runs-on"), *uses = yaml_get(job, "uses"), *at = job;
    struct err e;

    if (job->kind != YAML_MAP) {
        workflow_note(f->r, true, f->path, key->line, key->column, "the job %.100s must be a mapping, found %s",
                      key->text, yaml_kind_name(job));
        return;
    }
    r.needs = read_needs(f->r->arena, yaml_get(job, "needs"));
    read_if(&r);
    r.never = r.never || f->never;
    if (read_strategy(&r, &at, &e)) {
        complain(&r, at, &e);
        return;
    }
    if (!yaml_is_null(uses)) {
        read_call(&r, uses);
        return;
    }
    if (yaml_is_null(runs_on)) {
        workflow_note(f->r, true, f->path, key->line, key->column, "the job %.100s has no runs-on, GitHub refuses it",
                      key->text);
        return;
    }
    for (size_t i = 0; i < r.matrix.n; i++) {
        if (!read_runs_on(&r, i, runs_on))
            return;
    }
}

void workflow_read_jobs(const struct workflow_file *f)
{
    if (f->jobs->kind != YAML_MAP) {
        workflow_note(f->r, true, f->path, f->jobs->line, f->jobs->column, "jobs must be a mapping, found %s",
                      yaml_kind_name(f->jobs));
        return;
    }
    for (size_t i = 0; i < f->jobs->n; i++)
        read_job(f, f->jobs->pairs[i].key, f->jobs->pairs[i].value);
}
