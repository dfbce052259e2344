/* The reading as a whole: documents, diagnostics. */
#include "server/config/workflow.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/workflow_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIAGS_MAX 200

void workflow_note(struct workflow_reading *r, bool error, const char *file, int line, int column, const char *fmt, ...)
{
    struct workflow_diag *d;
    va_list ap;

    r->out.n_errors += error ? 1 : 0;
    if (r->out.n_diags == DIAGS_MAX)
        return;
    r->diags = mem_realloc_array(r->diags, r->out.n_diags + 1, sizeof(*r->diags));
    d = &r->diags[r->out.n_diags++];
    *d = (struct workflow_diag){.error = error, .file = file, .line = line, .column = column};
    va_start(ap, fmt);
    (void)vsnprintf(d->message, sizeof(d->message), fmt, ap);
    va_end(ap);
    text_tidy(d->message);
}

/* "FILE:LINE:COLUMN: text" of the YAML reader, back to its parts. */
static void note_yaml_error(struct workflow_reading *r, const char *file, const struct err *e)
{
    int line = 1, column = 1, used = 0;
    const char *rest = e->msg;

    if (text_has_prefix(rest, file))
        rest += strlen(file);
    if (sscanf(rest, ":%d:%d: %n", &line, &column, &used) == 2)
        rest += used;
    workflow_note(r, true, file, line, column, "%s", rest);
}

static const struct yaml_node *parse(struct workflow_reading *r, const char *text, size_t len, const char *path)
{
    const char *name = arena_strdup(r->arena, path);
    struct yaml_doc *doc = NULL;
    struct err e;

    if (yaml_parse(text, len, WORKFLOW_MAX, name, &doc, &e)) {
        note_yaml_error(r, name, &e);
        return NULL;
    }
    r->docs[r->n_docs++] = (struct workflow_doc){name, doc};
    return yaml_root(doc);
}

const struct yaml_node *workflow_open(struct workflow_reading *r, const char *path, const char *file,
                                      const struct yaml_node *at)
{
    AUTO_BUF struct buf text = BUF_INIT(WORKFLOW_MAX);
    struct err e = {.kind = ERR_NONE};
    const char *s;

    for (size_t i = 0; i < r->n_docs; i++) {
        if (strcmp(r->docs[i].path, path) == 0)
            return yaml_root(r->docs[i].doc);
    }
    if (r->n_docs == WORKFLOW_FILES_MAX) {
        workflow_note(r, true, file, at->line, at->column, "more than %d workflows are called", WORKFLOW_FILES_MAX);
        return NULL;
    }
    if (r->setup->read == NULL ? err_set(&e, ERR_GONE, "it was not read")
                               : r->setup->read(r->setup->read_arg, path, &text, &e) || buf_str(&text, &s, &e)) {
        workflow_note(r, true, file, at->line, at->column, "the called workflow cannot be read: %s", e.msg);
        return NULL;
    }
    return parse(r, s, text.len, path);
}

static void read_root(struct workflow_reading *r, const struct yaml_node *root, const char *path)
{
    struct workflow_file f = {.r = r, .path = path, .id_prefix = "", .name_prefix = ""};

    if (root->kind != YAML_MAP) {
        workflow_note(r, true, path, root->line, root->column, "a workflow is a mapping with on: and jobs:, found %s",
                      yaml_kind_name(root));
        return;
    }
    if (yaml_is_null(yaml_get(root, "on")))
        workflow_note(r, true, path, root->line, root->column, "on: is missing, GitHub refuses the file");
    workflow_globals(r, root);
    f.inputs = workflow_own_inputs(r, root);
    f.jobs = yaml_get(root, "jobs");
    if (f.jobs == NULL)
        workflow_note(r, true, path, root->line, root->column, "jobs: is missing, GitHub refuses the file");
    else
        workflow_read_jobs(&f);
}

static int by_place(const void *a, const void *b)
{
    const struct workflow_diag *x = a, *y = b;
    int files = strcmp(x->file, y->file);

    if (files != 0)
        return files;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return strcmp(x->message, y->message);
}

/* A job with many rows says the same many times. */
static void drop_repeated(struct workflow_reading *r)
{
    size_t kept = 0;

    if (r->out.n_diags > 0)
        qsort(r->diags, r->out.n_diags, sizeof(*r->diags), by_place);
    for (size_t i = 0; i < r->out.n_diags; i++) {
        if (kept == 0 || by_place(&r->diags[kept - 1], &r->diags[i]) != 0)
            r->diags[kept++] = r->diags[i];
    }
    r->out.n_diags = kept;
}

struct workflow *workflow_parse(const char *text, size_t len, const struct workflow_setup *setup)
{
    struct workflow_reading *r = mem_zalloc(sizeof(*r));
    const struct yaml_node *root;
    const char *path;

    r->arena = arena_new();
    r->setup = setup;
    r->budget = (struct wf_budget)WF_BUDGET_INIT;
    path = arena_strdup(r->arena, setup->path);
    root = parse(r, text, len, path);
    if (root != NULL)
        read_root(r, root, path);
    drop_repeated(r);
    r->setup = NULL;
    r->out.jobs = r->jobs;
    r->out.diags = r->diags;
    return &r->out;
}

void workflow_free(struct workflow *w)
{
    struct workflow_reading *r = (struct workflow_reading *)w;

    if (w == NULL)
        return;
    for (size_t i = 0; i < r->n_docs; i++)
        yaml_doc_free(r->docs[i].doc);
    arena_free(r->arena);
    free(r->jobs);
    free(r->diags);
    free(r);
}
