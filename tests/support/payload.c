#include "tests/support/payload.h"

#include <stdio.h>
#include <string.h>

#define ID_KEY "\"workflow_job\":{\"id\":"

static const char *const url_names[] = {
    "keys",          "collaborators", "teams",       "hooks",         "issue_events", "events",      "assignees",
    "branches",      "tags",          "blobs",       "git_tags",      "git_refs",     "trees",       "statuses",
    "languages",     "stargazers",    "subscribers", "subscription",  "commits",      "git_commits", "comments",
    "issue_comment", "contents",      "compare",     "merges",        "archive",      "downloads",   "issues",
    "pulls",         "milestones",    "labels",      "notifications", "releases",     "deployments"};

static void add_steps(struct buf *out, size_t size)
{
    for (unsigned i = 1; i == 1 || out->len < size; i++) {
        if (i > 1)
            buf_addc(out, ',');
        buf_addf(out,
                 "{\"name\":\"Step number %u, with a name\",\"status\":\"queued\",\"conclusion\":null,\"number\":%u,"
                 "\"started_at\":null,\"completed_at\":null}",
                 i, i);
    }
}

static void add_job(struct buf *out, const struct payload *p, size_t size)
{
    buf_addf(out, "%s%lld,\"run_id\":%lld,\"workflow_name\":\"Train\",\"head_branch\":\"main\",", ID_KEY,
             (long long)p->job_id, (long long)p->run_id);
    buf_adds(out, "\"run_url\":\"https://api.github.com/repos/acme/model/actions/runs/1\",\"run_attempt\":1,"
                  "\"node_id\":\"CR_kwDOAA\",\"head_sha\":\"0123456789abcdef0123456789abcdef01234567\","
                  "\"url\":\"https://api.github.com/repos/acme/model/actions/jobs/1\","
                  "\"html_url\":\"https://github.com/acme/model/actions/runs/1/job/1\","
                  "\"created_at\":\"2024-05-01T10:20:30Z\",\"started_at\":\"2024-05-01T10:20:30Z\","
                  "\"completed_at\":null,\"name\":\"train (gpu)\",");
    buf_addf(out, "\"status\":\"%s\",\"conclusion\":%s,", p->action != NULL ? p->action : "queued",
             p->action != NULL && strcmp(p->action, "completed") == 0 ? "\"success\"" : "null");
    buf_addf(out, "\"labels\":%s,\"runner_id\":null,",
             p->labels != NULL ? p->labels : "[\"self-hosted\",\"cirun-gpu\"]");
    if (p->runner != NULL)
        buf_addf(out, "\"runner_name\":\"%s\",", p->runner);
    else
        buf_adds(out, "\"runner_name\":null,");
    buf_adds(out, "\"runner_group_id\":null,\"runner_group_name\":null,\"steps\":[");
    add_steps(out, size);
    buf_adds(out, "]}");
}

static void add_repository(struct buf *out)
{
    buf_adds(out, "\"repository\":{\"id\":186853002,\"node_id\":\"MDEwOlJlcG9\",\"name\":\"model\","
                  "\"full_name\":\"acme/model\",\"private\":false,\"owner\":{\"login\":\"acme\",\"id\":21031067,"
                  "\"type\":\"Organization\",\"site_admin\":false},\"description\":\"A model \\u2014 caf\u00e9\",");
    for (size_t i = 0; i < ARRAY_LEN(url_names); i++)
        buf_addf(out, "\"%s_url\":\"https://api.github.com/repos/acme/model/%s{/sha}\",", url_names[i], url_names[i]);
    buf_adds(out, "\"created_at\":\"2019-05-15T15:19:25Z\",\"size\":0,\"stargazers_count\":1234,\"topics\":[],"
                  "\"license\":null,\"default_branch\":\"main\"},");
}

void payload_write(struct buf *out, const struct payload *p)
{
    AUTO_BUF struct buf rest = BUF_INIT(64 * 1024);

    add_repository(&rest);
    buf_adds(&rest, "\"sender\":{\"login\":\"octo\",\"id\":21031068,\"type\":\"User\",\"site_admin\":false},"
                    "\"installation\":{\"id\":3456996,\"node_id\":\"MDIzOkludGVncmF0aW9u\"}}");
    buf_addf(out, "{\"action\":\"%s\",", p->action != NULL ? p->action : "queued");
    add_job(out, p, p->size > rest.len + 160 ? p->size - rest.len - 160 : 0);
    buf_addc(out, ',');
    buf_add(out, rest.p, rest.len);
}

size_t payload_id_offset(const struct buf *text)
{
    const char *at = memmem(text->p, text->len, ID_KEY, strlen(ID_KEY));

    return (size_t)(at - text->p) + strlen(ID_KEY);
}
