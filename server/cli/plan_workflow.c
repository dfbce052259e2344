/* muster plan --workflow: each job of a workflow file, and which runner it would get. */
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/cli/plan_table.h"
#include "server/config/workflow.h"
#include "server/github/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER ".github/workflows/"

/* The last ".github/workflows/" that is whole folders; NULL = there is none. */
static const char *find_folder(const char *file)
{
    const char *at = NULL;

    for (const char *s = file; (s = strstr(s, FOLDER)) != NULL; s++) {
        if (s == file || s[-1] == '/')
            at = s;
    }
    return at;
}

void plan_workflow_root(const char *file, char *root, size_t root_size, char *path, size_t path_size)
{
    AUTO_FREE char *real = find_folder(file) == NULL ? realpath(file, NULL) : NULL; /* typed in its folder */
    const char *whole = real != NULL && find_folder(real) != NULL ? real : file, *at = find_folder(whole);
    const char *base = strrchr(file, '/');

    (void)snprintf(root, root_size, "%.*s", at != NULL ? (int)(at - whole) : 0, whole);
    if (at != NULL)
        (void)snprintf(path, path_size, "%s", at);
    else
        (void)snprintf(path, path_size, FOLDER "%s",
                       strcmp(file, "-") == 0 ? "workflow.yml"
                       : base != NULL         ? base + 1
                                              : file);
}

/* ---- what a job gets ---- */

/* What is read once for all jobs. */
struct workflow_run {
    struct planning *p;
    char root[1024], path[1024]; /* of the file itself */
    size_t n_refused;
};

static json_t *labels_of(const struct workflow_wish *w)
{
    json_t *list = json_array();

    for (size_t i = 0; i < w->n; i++)
        (void)json_array_append_new(list, json_string(w->labels[i].text));
    return list;
}

static bool all_hosted(const struct workflow_wish *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (!w->labels[i].known || !event_label_is_hosted(w->labels[i].text))
            return false;
    }
    return w->n > 0;
}

static bool all_known(const struct workflow_wish *w)
{
    for (size_t i = 0; i < w->n; i++) {
        if (!w->labels[i].known)
            return false;
    }
    return true;
}

static int wish_plan(struct workflow_run *run, const struct workflow_wish *w, const char *why, json_t **out,
                     struct err *e)
{
    AUTO_JSON json_t *labels = labels_of(w);
    const json_t *plan = NULL;
    enum plan_verdict v;
    const char *verdict = NULL, *reason = NULL;

    if (w->n == 0) {
        verdict = "not_ours";
        reason = "any runner of a runner group, whatever its labels";
    } else if (all_hosted(w)) {
        verdict = "hosted";
    } else if (!all_known(w)) {
        verdict = "unknown";
    } else {
        if (plan_labels(run->p, labels, &plan, &v, e))
            return -1;
        verdict = json_string_value(json_object_get(plan, "verdict"));
        reason = json_string_value(json_object_get(plan, "reason"));
    }
    return js_pack(e, out, "{s:O, s:s*, s:s, s:s*, s:s*, s:s*, s:O*}", "labels", labels, "group", w->group, "verdict",
                   verdict, "reason", reason, "depends_on", strcmp(verdict, "unknown") == 0 ? why : NULL, "source",
                   json_string_value(json_object_get(plan, "source")), "candidates",
                   json_object_get(plan, "candidates"));
}

/* The worst of several is the job's. */
static const char *worst(const json_t *alternatives)
{
    static const char *const order[] = {"refused", "unknown", "served", "not_ours", "hosted"};
    json_t *one;
    size_t i;

    for (size_t k = 0; k < ARRAY_LEN(order); k++) {
        json_array_foreach(alternatives, i, one)
        {
            if (strcmp(json_string_value(json_object_get(one, "verdict")), order[k]) == 0)
                return order[k];
        }
    }
    return "unknown";
}

static int several(struct workflow_run *run, const struct workflow_job *j, json_t *one, struct err *e)
{
    json_t *list = json_array();

    for (size_t i = 0; i < j->n_wishes; i++) {
        json_t *wish;

        if (wish_plan(run, &j->wishes[i], j->why, &wish, e)) {
            json_decref(list);
            return -1;
        }
        (void)json_array_append_new(list, wish);
    }
    (void)json_object_set_new(one, "verdict", json_string(worst(list)));
    (void)json_object_set_new(one, "depends_on", json_string(j->why != NULL ? j->why : ""));
    (void)json_object_set_new(one, "alternatives", list);
    return 0;
}

/* Where a file of the repository is for who typed the command. */
static const char *shown_file(const struct workflow_run *run, const char *path, char *out, size_t size)
{
    if (strcmp(path, run->path) == 0)
        return run->p->workflow_file;
    (void)snprintf(out, size, "%s%s", run->root, path);
    return out;
}

static int job_plan(struct workflow_run *run, const struct workflow_job *j, json_t **out, struct err *e)
{
    char file[2100];
    AUTO_JSON json_t *one = NULL, *wish = NULL;

    if (js_pack(e, &one, "{s:s, s:s, s:s, s:i, s:i, s:s*}", "job", j->id, "name", j->name, "file",
                shown_file(run, j->file, file, sizeof(file)), "line", j->line, "column", j->column, "perhaps",
                j->perhaps))
        return -1;
    if (j->remote != NULL) {
        (void)json_object_set_new(one, "verdict", json_string("remote"));
        (void)json_object_set_new(one, "uses", json_string(j->remote));
    } else if (j->n_wishes == 1) {
        if (wish_plan(run, j->wishes, j->why, &wish, e))
            return -1;
        (void)json_object_update_missing(one, wish);
    } else if (several(run, j, one, e)) {
        return -1;
    }
    if (j->never)
        (void)json_object_set_new(one, "never", json_true());
    else if (strcmp(json_string_value(json_object_get(one, "verdict")), "refused") == 0)
        run->n_refused++;
    *out = json_incref(one);
    return 0;
}

/* ---- the whole ---- */

static int read_called(void *arg, const char *path, struct buf *out, struct err *e)
{
    const struct workflow_run *run = arg;
    char file[2100];

    (void)snprintf(file, sizeof(file), "%s%s", run->root, path);
    return cli_read(file, out, e);
}

static int add_diag(struct workflow_run *run, const struct workflow_diag *d, json_t *list, struct err *e)
{
    char file[2100];
    json_t *one;

    if (js_pack(e, &one, "{s:s, s:i, s:i, s:s, s:s}", "file", shown_file(run, d->file, file, sizeof(file)), "line",
                d->line, "column", d->column, "severity", d->error ? "error" : "note", "message", d->message))
        return -1;
    (void)json_array_append_new(list, one);
    return 0;
}

static int plan_all(struct workflow_run *run, const struct workflow *w, json_t *jobs, json_t *diags, struct err *e)
{
    for (size_t i = 0; i < w->n_jobs; i++) {
        json_t *one;

        if (job_plan(run, &w->jobs[i], &one, e))
            return -1;
        (void)json_array_append_new(jobs, one);
    }
    for (size_t i = 0; i < w->n_diags; i++) {
        if (add_diag(run, &w->diags[i], diags, e))
            return -1;
    }
    return 0;
}

static struct workflow *read_workflow(struct workflow_run *run, const char *text, size_t len)
{
    const struct planning *p = run->p;
    const struct workflow_setup setup = {.path = run->path,
                                         .event = p->event,
                                         .ref = p->ref,
                                         .repository = p->repository,
                                         .n_inputs = p->n_inputs,
                                         .inputs = p->inputs,
                                         .n_vars = p->n_vars,
                                         .vars = p->vars,
                                         .read = read_called,
                                         .read_arg = run};

    return workflow_parse(text, len, &setup);
}

int plan_workflow(struct planning *p, bool *all_served, struct err *e)
{
    struct workflow_run run = {.p = p};
    AUTO_BUF struct buf text = BUF_INIT(WORKFLOW_MAX);
    AUTO_JSON json_t *jobs = json_array(), *diags = json_array(), *doc = NULL;
    struct workflow *w;
    const char *s;
    int rc;

    plan_workflow_root(p->workflow_file, run.root, sizeof(run.root), run.path, sizeof(run.path));
    if (cli_read(p->workflow_file, &text, e) || buf_str(&text, &s, e))
        return -1;
    w = read_workflow(&run, s, text.len);
    rc = plan_all(&run, w, jobs, diags, e);
    *all_served = w->n_errors == 0 && run.n_refused == 0;
    workflow_free(w);
    if (rc != 0 || js_pack(e, &doc, "{s:s, s:b, s:O, s:O}", "workflow", p->workflow_file, "served", *all_served ? 1 : 0,
                           "jobs", jobs, "diagnostics", diags))
        return -1;
    if (p->json)
        return plan_print_json(doc, e);
    plan_table_print(doc, p->requests);
    return 0;
}
