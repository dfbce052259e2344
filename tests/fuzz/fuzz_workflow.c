/* Workflow files, calling themselves: never fails; every job and complaint is complete. */
#include "tests/fuzz/fuzz.h"

#include "server/base/text.h"
#include "server/config/workflow.h"

struct input {
    const char *text;
    size_t len;
};

/* Every called file is this one again. */
static int read_again(void *arg, const char *path, struct buf *out, struct err *e)
{
    const struct input *in = arg;

    (void)e;
    NEED(text_has_prefix(path, ".github/workflows/") && strstr(path, "..") == NULL);
    buf_add(out, in->text, in->len);
    return 0;
}

static void check_job(const struct workflow_job *j)
{
    NEED(j->id != NULL && j->name != NULL && j->file != NULL && j->line >= 1);
    NEED(j->n_wishes == 1 || j->remote != NULL || j->why != NULL);
    for (size_t i = 0; i < j->n_wishes; i++) {
        NEED(j->wishes[i].n > 0 || j->wishes[i].group != NULL);
        for (size_t k = 0; k < j->wishes[i].n; k++)
            NEED(j->wishes[i].labels[k].text != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {(const char *)data, size};
    const struct workflow_pair pair = {"runner", "cirun-gpu"};
    const struct workflow_setup setup = {.path = ".github/workflows/ci.yml",
                                         .event = size % 3 == 0 ? "push" : NULL,
                                         .ref = "main",
                                         .inputs = &pair,
                                         .n_inputs = size % 2,
                                         .vars = &pair,
                                         .n_vars = 1,
                                         .read = read_again,
                                         .read_arg = &in};
    struct workflow *w = workflow_parse(in.text, in.len, &setup);

    NEED(w->n_jobs <= WORKFLOW_JOBS_MAX);
    for (size_t i = 0; i < w->n_jobs; i++)
        check_job(&w->jobs[i]);
    for (size_t i = 0; i < w->n_diags; i++)
        NEED(w->diags[i].message[0] != '\0' && w->diags[i].file != NULL && w->diags[i].line >= 0);
    workflow_free(w);
    return 0;
}
