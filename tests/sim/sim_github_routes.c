/* The way in: which path, is the question well put, and who may ask. */
#include "tests/sim/sim_github_log.h"
#include "tests/sim/sim_github_priv.h"
#include "tests/sim/sim_github_rerun.h"
#include "tests/sim/sim_http_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define JSON_MEDIA "application/vnd.github+json"

enum auth { AUTH_APP, AUTH_TOKEN, AUTH_ORG }; /* ORG: of the organisation, no repository named */

struct endpoint {
    const char *op;
    enum auth auth;
    const char *permission; /* TOKEN */
    bool write;
    const char *query; /* parameters it knows, separated by spaces */
    gh_endpoint_fn *fn;
};

static const struct endpoint endpoints[] = {
    {SIM_GH_TOKEN, AUTH_APP, NULL, true, "", gh_api_create_token},
    {"GET /app", AUTH_APP, NULL, false, "", gh_api_get_app},
    {SIM_GH_INSTALLATION, AUTH_APP, NULL, false, "", gh_api_get_installation},
    {SIM_GH_ORG_INSTALLATION, AUTH_APP, NULL, false, "", gh_api_get_installation},
    {SIM_GH_DELIVERIES, AUTH_APP, NULL, false, "per_page cursor status", gh_api_list_deliveries},
    {SIM_GH_REDELIVER, AUTH_APP, NULL, true, "", gh_api_redeliver},
    {SIM_GH_INSTALLED, AUTH_APP, NULL, false, "", gh_api_get_installed},
    {SIM_GH_RUNS, AUTH_TOKEN, "actions", false,
     "actor branch event status created head_sha exclude_pull_requests per_page page", gh_api_list_runs},
    {SIM_GH_RUN_JOBS, AUTH_TOKEN, "actions", false, "filter per_page page", gh_api_list_run_jobs},
    {SIM_GH_REPO, AUTH_TOKEN, "metadata", false, "", gh_api_get_repo},
    {SIM_GH_CONTENTS, AUTH_TOKEN, "contents", false, "ref", gh_api_get_contents},
    {SIM_GH_RUN, AUTH_TOKEN, "actions", false, "exclude_pull_requests", gh_api_get_run},
    {SIM_GH_JOB, AUTH_TOKEN, "actions", false, "", gh_api_get_job},
    {SIM_GH_ATTEMPT_JOBS, AUTH_TOKEN, "actions", false, "per_page page", gh_api_list_attempt_jobs},
    {SIM_GH_RERUN_FAILED, AUTH_TOKEN, "actions", true, "", gh_api_rerun_failed},
    {SIM_GH_RERUN_JOB, AUTH_TOKEN, "actions", true, "", gh_api_rerun_job},
    {SIM_GH_PERMISSION, AUTH_TOKEN, "metadata", false, "", gh_api_get_permission},
    {SIM_GH_TEAM_MEMBER, AUTH_ORG, "members", false, "", gh_api_get_team_member},
    {SIM_GH_JITCONFIG, AUTH_TOKEN, "administration", true, "", gh_api_create_jitconfig},
    {SIM_GH_ORG_JITCONFIG, AUTH_ORG, "organization_self_hosted_runners", true, "", gh_api_create_jitconfig},
    {SIM_GH_ORG_RUNNERS, AUTH_ORG, "organization_self_hosted_runners", false, "name per_page page",
     gh_api_list_runners},
    {SIM_GH_ORG_RUNNER_DELETE, AUTH_ORG, "organization_self_hosted_runners", true, "", gh_api_delete_runner},
    {SIM_GH_ORG_GROUP, AUTH_ORG, "organization_self_hosted_runners", false, "", gh_api_get_group},
    {SIM_GH_DOWNLOADS, AUTH_TOKEN, "administration", false, "", gh_api_list_downloads},
    {SIM_GH_RUNNERS, AUTH_TOKEN, "administration", false, "name per_page page", gh_api_list_runners},
    {SIM_GH_RUNNER, AUTH_TOKEN, "administration", false, "", gh_api_get_runner},
    {SIM_GH_CHECK_CREATE, AUTH_TOKEN, "checks", true, "", gh_api_create_check},
    {SIM_GH_CHECK_UPDATE, AUTH_TOKEN, "checks", true, "", gh_api_update_check},
    {SIM_GH_CHECK_LIST, AUTH_TOKEN, "checks", false, "check_name filter status app_id per_page page",
     gh_api_list_checks},
    {SIM_GH_STATUS, AUTH_TOKEN, "statuses", true, "", gh_api_create_status},
    {SIM_GH_RUNNER_DELETE, AUTH_TOKEN, "administration", true, "", gh_api_delete_runner},
};

static sim_handler dispatch_by_id;

const struct sim_route gh_routes[] = {
    {"POST", "/app/installations/{installation_id}/access_tokens", gh_dispatch},
    {"GET", "/app", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/installation", gh_dispatch},
    {"GET", "/orgs/{org}/installation", gh_dispatch},
    {"GET", "/app/hook/deliveries", gh_dispatch},
    {"POST", "/app/hook/deliveries/{delivery_id}/attempts", gh_dispatch},
    {"GET", "/app/installations/{installation_id}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runs", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/contents/{+path}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runs/{run_id}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/attempts/{attempt_number}/jobs", gh_dispatch},
    {"POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs", gh_dispatch},
    {"POST", "/repos/{owner}/{repo}/actions/jobs/{job_id}/rerun", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/collaborators/{username}/permission", gh_dispatch},
    {"GET", "/orgs/{org}/teams/{team_slug}/memberships/{username}", gh_dispatch},
    {"POST", "/repos/{owner}/{repo}/actions/runners/generate-jitconfig", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runners/downloads", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runners", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/actions/runners/{runner_id}", gh_dispatch},
    {"DELETE", "/repos/{owner}/{repo}/actions/runners/{runner_id}", gh_dispatch},
    {"POST", "/orgs/{org}/actions/runners/generate-jitconfig", gh_dispatch},
    {"GET", "/orgs/{org}/actions/runners", gh_dispatch},
    {"DELETE", "/orgs/{org}/actions/runners/{runner_id}", gh_dispatch},
    {"GET", "/orgs/{org}/actions/runner-groups/{runner_group_id}", gh_dispatch},
    {"POST", "/repos/{owner}/{repo}/check-runs", gh_dispatch},
    {"PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", gh_dispatch},
    {"GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", gh_dispatch},
    {"POST", "/repos/{owner}/{repo}/statuses/{sha}", gh_dispatch},
    {"GET", "/repositories/{repository_id}/{+path}", dispatch_by_id},
    {"POST", "/repositories/{repository_id}/{+path}", dispatch_by_id},
    {"PATCH", "/repositories/{repository_id}/{+path}", dispatch_by_id},
    {"DELETE", "/repositories/{repository_id}/{+path}", dispatch_by_id},
    {"POST", "/sim/runner/online", gh_runner_http_online},
    {"GET", "/sim/runner/{session}/job", gh_runner_http_job},
    {"POST", "/sim/runner/{session}/finish", gh_runner_http_finish},
    {"GET", "/sim/files/runner.tar.gz", gh_files_runner},
    {"GET", "/_sim/state", gh_ctl_state},
    {"POST", "/_sim/setup", gh_ctl_setup},
    {"POST", "/_sim/jobs", gh_ctl_job},
    {"GET", "/_sim/jobs/{job_id}", gh_ctl_job_get},
    {"POST", "/_sim/jobs/{job_id}/cancel", gh_ctl_job_cancel},
    {"POST", "/_sim/webhook", gh_ctl_webhook},
    SIM_HTTP_CONTROL_ROUTES,
    {NULL, NULL, NULL},
};

static bool word_in(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = strstr(words, word); p != NULL; p = strstr(p + 1, word))
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
            return true;
    return false;
}

static bool accept_known(const struct sim_req *rq)
{
    const char *a = sim_req_header(rq, "Accept");

    return a != NULL && (strcasecmp(a, JSON_MEDIA) == 0 || strcasecmp(a, "application/json") == 0 ||
                         (strstr(rq->op, "/contents/") != NULL && gh_accepts_raw(rq)));
}

/* Is the question itself well put? What GitHub lets pass is noted only. */
static bool well_put(struct sim_github *g, const struct endpoint *ep, const struct sim_req *rq, struct sim_res *rs)
{
    const char *agent = sim_req_header(rq, "User-Agent"), *version = sim_req_header(rq, "X-GitHub-Api-Version");
    const char *type = sim_req_header(rq, "Content-Type");

    if (!accept_known(rq))
        gh_violation(g, rq, "Accept is missing or not one of GitHub's media types");
    if (rq->body_len != 0 && (type == NULL || strncasecmp(type, "application/json", 16) != 0))
        gh_violation(g, rq, "a body without Content-Type application/json");
    if (rq->body_len != 0 && strcmp(rq->method, "POST") != 0 && strcmp(rq->method, "PATCH") != 0)
        gh_violation(g, rq, "a body where none belongs");
    for (size_t i = 0; i < rq->n_query; i++)
        if (!word_in(ep->query, rq->query[i].name))
            gh_violation(g, rq, "unknown query parameter %s", rq->query[i].name);
    if (agent == NULL || *agent == '\0') {
        gh_violation(g, rq, "no User-Agent");
        gh_refuse(rs, 403,
                  "Request forbidden by administrative rules. Please make sure your request has a User-Agent "
                  "header");
        return false;
    }
    if (version != NULL && strcmp(version, "2022-11-28") != 0) {
        gh_violation(g, rq, "unknown X-GitHub-Api-Version");
        gh_refuse(rs, 400, "The specified API version is not supported.");
        return false;
    }
    return true;
}

static void serve_allowed(struct sim_github *g, const struct gh_token *t, const struct endpoint *ep,
                          struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    if (gh_token_allows(t, ep->permission, ep->write)) {
        ep->fn(g, repo, rq, rs);
        return;
    }
    gh_violation(g, rq, "the token lacks %s: %s", ep->permission, ep->write ? "write" : "read");
    sim_res_header(rs, "X-Accepted-GitHub-Permissions", "%s=%s", ep->permission, ep->write ? "write" : "read");
    gh_refuse(rs, 403, "Resource not accessible by integration");
}

static void serve_token(struct sim_github *g, const struct endpoint *ep, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_token *t = gh_auth_token(g, rq, rs);
    struct gh_repo *repo = NULL;
    bool reaches;

    if (t == NULL || !gh_rate(g, t->installation, rq, rs))
        return;
    if (ep->auth == AUTH_TOKEN) {
        repo = gh_repo(g, rq->arg[0], rq->arg[1]);
        reaches = repo != NULL && gh_token_reaches(t, repo);
    } else {
        reaches = strcasecmp(t->installation->account, rq->arg[0]) == 0;
    }
    if (reaches) {
        serve_allowed(g, t, ep, repo, rq, rs);
        return;
    }
    if (repo == NULL || !repo->removed)
        gh_violation(g, rq, "the token does not reach %s", ep->auth == AUTH_TOKEN ? "this repository" : rq->arg[0]);
    gh_refuse(rs, 404, "Not Found");
}

/* Does it name a repository by a name that it had? Then it is told the number. */
static bool redirects(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs)
{
    const struct gh_repo *r = NULL;
    const char *rest = rq->raw_path;

    if (strncmp(rest, "/repos/", 7) != 0 || rq->n_args < 2)
        return false;
    for (size_t i = 0; i < g->n_repos && r == NULL; i++) {
        const char *old = g->repos[i]->old_name, *slash = old != NULL ? strchr(old, '/') : NULL;

        if (slash != NULL && strncasecmp(old, rq->arg[0], (size_t)(slash - old)) == 0 &&
            strlen(rq->arg[0]) == (size_t)(slash - old) && strcasecmp(slash + 1, rq->arg[1]) == 0)
            r = g->repos[i];
    }
    if (r == NULL)
        return false;
    rest += 7;
    rest += strcspn(rest, "/") + 1;
    rest += strcspn(rest, "/");
    sim_res_header(rs, "Location", "%s/repositories/%lld%s%s%s", sim_github_url(g), (long long)r->id, rest,
                   rq->raw_query[0] != '\0' ? "?" : "", rq->raw_query);
    gh_refuse(rs, strcmp(rq->method, "GET") == 0 ? 301 : 307, "Moved Permanently");
    return true;
}

/* The same as by its name. */
static void dispatch_by_id(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    struct sim_req named = *rq;
    const char *rest = rq->raw_path + strlen("/repositories/");
    struct sim_way way;
    char path[1024] = "";

    gh_lock(g);
    for (size_t i = 0; i < g->n_repos; i++)
        if (g->repos[i]->id == gh_id_arg(rq->arg[0]))
            (void)snprintf(path, sizeof(path), "/repos/%s%s", g->repos[i]->full_name, rest + strcspn(rest, "/"));
    gh_unlock(g);
    named.raw_path = path;
    named.n_args = named.n_query = 0;
    named.query = NULL;
    if (path[0] == '\0' || sim_req_route(&named, &way) != 0)
        gh_refuse(rs, 404, "Not Found");
    else
        gh_dispatch(arg, &named, rs);
    sim_pairs_free(named.query, named.n_query);
    sim_req_clear_args(&named);
}

void gh_dispatch(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    const struct endpoint *ep = NULL;

    for (size_t i = 0; i < ARRAY_LEN(endpoints) && ep == NULL; i++)
        if (strcmp(endpoints[i].op, rq->op) == 0)
            ep = &endpoints[i];
    if (ep == NULL)
        abort(); /* the two tables above differ */
    gh_lock(g);
    if (!redirects(g, rq, rs) && well_put(g, ep, rq, rs)) {
        switch (ep->auth) {
        case AUTH_APP:
            if (gh_auth_app(g, rq, rs))
                ep->fn(g, NULL, rq, rs);
            break;
        case AUTH_TOKEN:
        case AUTH_ORG:
            serve_token(g, ep, rq, rs);
            break;
        }
    }
    gh_unlock(g);
}
