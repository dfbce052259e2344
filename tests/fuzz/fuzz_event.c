/* A webhook's body, as JSON and as a form: what is taken for a job is complete and clean. */
#include "tests/fuzz/fuzz.h"

#include "server/base/text.h"
#include "server/github/event_check.h"

#include <jansson.h>

static void check_text(const char *s, bool required)
{
    NEED(s != NULL || !required);
    NEED(s == NULL || text_utf8_valid(s, strlen(s)));
}

/* It will be part of URLs. */
static void check_repo(const char *repo)
{
    check_text(repo, true);
    NEED(strspn(repo, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == strlen(repo));
    NEED(strchr(repo, '/') != NULL && strchr(repo, '/') == strrchr(repo, '/'));
    NEED(!text_has_prefix(repo, "/") && !text_has_suffix(repo, "/") && !text_has_suffix(repo, "/.."));
}

static void check_labels(const struct job *j)
{
    json_t *labels = json_loads(j->labels_json, 0, NULL), *item;
    size_t i;

    NEED(json_is_array(labels) && j->label_key != NULL);
    json_array_foreach(labels, i, item) NEED(json_is_string(item));
    NEED((json_array_size(labels) == 0) <= (j->want == WANT_NOTHING)); /* none at all: not ours */
    json_decref(labels);
    for (const char *p = j->label_key; *p != '\0'; p++)
        NEED((unsigned char)*p >= 0x20 && text_lower(*p) == *p);
}

static void check_job(const struct job *j)
{
    NEED(j->id > 0 && j->run_id > 0 && j->run_attempt > 0 && j->repo_id > 0 && j->installation_id >= 0);
    NEED(j->want == WANT_UNDECIDED || j->want == WANT_NOTHING);
    NEED(j->state >= JOB_RUNNING || j->runner_name == NULL);
    NEED(j->state == JOB_DONE || j->conclusion == NULL);
    check_repo(j->repo);
    check_text(j->head_sha, true);
    NEED(strspn(j->head_sha, "0123456789abcdefABCDEF") == strlen(j->head_sha));
    check_text(j->name, false);
    check_text(j->workflow_name, false);
    check_text(j->default_branch, false);
    check_text(j->runner_name, false);
    check_text(j->conclusion, false);
    check_labels(j);
}

static void parse(const char *body, size_t len)
{
    AUTO_JOB struct job j = {0};
    static const struct job nothing;
    enum event_verdict verdict = EVENT_IGNORED, other = EVENT_JOB;
    struct err e;
    int rc = event_parse("workflow_job", body, len, 1700000000000, &verdict, &j, &e);

    if (rc == 0 && verdict == EVENT_JOB)
        check_job(&j);
    else
        NEED(memcmp(&j, &nothing, sizeof(j)) == 0); /* untouched */
    NEED(rc == 0 || (e.kind == ERR_INVALID && text_utf8_valid(e.msg, strlen(e.msg))));
    /* Another event: the same text must be JSON, no more. */
    if (event_parse("ping", body, len, 1700000000000, &other, &j, &e) == 0)
        NEED(other == EVENT_IGNORED);
    else
        NEED(rc == -1);
}

/* The same text as a press of "Re-run". */
static void press(const char *body, size_t len)
{
    AUTO_JOB struct job j = {0};
    enum event_verdict verdict = EVENT_JOB;
    struct err e;

    if (event_check_parse("check_run", body, len, &verdict, &j, &e) != 0)
        NEED(e.kind == ERR_INVALID && j.repo == NULL);
    else if (verdict == EVENT_PRESS)
        NEED(j.id > 0 && j.repo_id > 0 && j.repo != NULL && j.name != NULL && j.head_sha != NULL);
    else
        NEED(verdict == EVENT_IGNORED && j.repo == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf payload = BUF_INIT(size);
    struct err e;

    parse((const char *)data, size);
    press((const char *)data, size);
    if (event_form_payload((const char *)data, size, &payload, &e) == 0 && payload.len > 0) {
        NEED(!payload.over);
        parse(payload.p, payload.len);
    }
    return 0;
}
