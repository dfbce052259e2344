/* GitHub's lists, of strangers' making: a page of its delivery log with the header that leads on, runs, jobs. */
#include "tests/fuzz/fuzz.h"

#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/github/deliveries.h"
#include "server/github/runs.h"

static void check_error(int rc, const struct err *e)
{
    NEED(rc == 0 || (e->kind == ERR_INVALID && text_utf8_valid(e->msg, strlen(e->msg))));
}

/* The first line is the Link header. */
static void deliveries(const char *text, size_t len)
{
    AUTO_FREE struct github_deliveries *page = mem_zalloc(sizeof(*page));
    const char *end = memchr(text, '\n', len);
    AUTO_FREE char *link = mem_strndup(text, end != NULL ? (size_t)(end - text) : 0);
    size_t skip = end != NULL ? (size_t)(end - text) + 1 : 0;
    struct err e;
    int rc = github_deliveries_parse(text + skip, len - skip, link, page, &e);

    check_error(rc, &e);
    NEED(page->n <= GITHUB_DELIVERIES_PAGE && strlen(page->cursor) < GITHUB_CURSOR_MAX);
    for (size_t i = 0; rc == 0 && i < page->n; i++) {
        const struct github_delivery *d = &page->items[i];

        NEED(d->id > 0 && d->guid[0] != '\0' && strlen(d->guid) < sizeof(d->guid));
        NEED(d->status_code >= 0 && d->status_code <= 999);
        NEED(text_utf8_valid(d->event, strlen(d->event)) && text_utf8_valid(d->action, strlen(d->action)));
    }
}

static void runs(const char *text, size_t len)
{
    struct github_run_ids ids = {.n = 0};
    struct err e;

    check_error(github_runs_parse(text, len, &ids, &e), &e);
    NEED(ids.n <= GITHUB_RUNS_PAGE);
    for (size_t i = 0; i < ids.n; i++)
        NEED(ids.ids[i] > 0);
}

static void jobs(const char *text, size_t len)
{
    AUTO_GITHUB_JOBS struct github_jobs page = {.n = 0};
    char repo[] = "octo/train";
    const struct job where = {.repo_id = 11, .installation_id = 7, .repo = repo};
    struct err e;

    check_error(github_jobs_parse(text, len, &where, &page, &e), &e);
    NEED(page.n <= GITHUB_JOBS_PAGE);
    for (size_t i = 0; i < page.n; i++) {
        const struct job *j = &page.jobs[i];

        NEED(j->id > 0 && j->run_id > 0 && j->run_attempt > 0 && j->repo_id == 11 && j->installation_id == 7);
        NEED(strcmp(j->repo, repo) == 0 && j->head_sha != NULL && j->label_key != NULL && j->labels_json != NULL);
        NEED(j->state >= JOB_RUNNING || j->runner_name == NULL);
        NEED(j->state == JOB_DONE || j->conclusion == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;

    if (len == 0)
        return 0;
    switch (text[0]) {
    case 'd':
        deliveries(text + 1, len - 1);
        break;
    case 'r':
        runs(text + 1, len - 1);
        break;
    default:
        jobs(text + 1, len - 1);
        break;
    }
    return 0;
}
