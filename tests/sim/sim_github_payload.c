/* Webhook bodies and the API's records, in the shape of GitHub's schemas and of the size real ones have. */
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>

struct field {
    const char *key, *value;
};

static void set(json_t *o, const char *key, json_t *v)
{
    if (json_object_set_new(o, key, v) != 0)
        abort();
}

static void set_f(json_t *o, const char *key, const char *fmt, ...) PRINTF(3, 4);
static void set_f(json_t *o, const char *key, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    set(o, key, json_string(text));
}

static void set_time(json_t *o, const char *key, int64_t ms)
{
    char text[32];

    sim_time_iso(ms, text);
    set(o, key, ms != 0 ? json_string(text) : json_null());
}

static int64_t id_of(const char *login)
{
    uint64_t h = 5381;

    for (; *login != '\0'; login++)
        h = h * 33 + (unsigned char)*login;
    return (int64_t)(h % 90000000) + 1000;
}

int64_t sim_github_user_id(const char *login)
{
    return id_of(login);
}

json_t *gh_user_json(const char *login, bool organization)
{
    static const struct field urls[] = {{"followers_url", "/followers"},
                                        {"following_url", "/following{/other_user}"},
                                        {"gists_url", "/gists{/gist_id}"},
                                        {"starred_url", "/starred{/owner}{/repo}"},
                                        {"subscriptions_url", "/subscriptions"},
                                        {"organizations_url", "/orgs"},
                                        {"repos_url", "/repos"},
                                        {"events_url", "/events{/privacy}"},
                                        {"received_events_url", "/received_events"}};
    json_t *u = json_object();

    set(u, "login", json_string(login));
    set(u, "id", json_integer(id_of(login)));
    set_f(u, "node_id", "MDQ6VXNlcj%lld=", (long long)id_of(login));
    set_f(u, "avatar_url", "https://avatars.githubusercontent.com/u/%lld?v=4", (long long)id_of(login));
    set(u, "gravatar_id", json_string(""));
    set_f(u, "url", "https://api.github.com/users/%s", login);
    set_f(u, "html_url", "https://github.com/%s", login);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        set_f(u, urls[i].key, "https://api.github.com/users/%s%s", login, urls[i].value);
    set(u, "type", json_string(organization ? "Organization" : "User"));
    set(u, "site_admin", json_false());
    return u;
}

static void repo_urls(json_t *o, const char *full_name)
{
    static const struct field urls[] = {{"url", ""},
                                        {"forks_url", "/forks"},
                                        {"keys_url", "/keys{/key_id}"},
                                        {"collaborators_url", "/collaborators{/collaborator}"},
                                        {"teams_url", "/teams"},
                                        {"hooks_url", "/hooks"},
                                        {"issue_events_url", "/issues/events{/number}"},
                                        {"events_url", "/events"},
                                        {"assignees_url", "/assignees{/user}"},
                                        {"branches_url", "/branches{/branch}"},
                                        {"tags_url", "/tags"},
                                        {"blobs_url", "/git/blobs{/sha}"},
                                        {"git_tags_url", "/git/tags{/sha}"},
                                        {"git_refs_url", "/git/refs{/sha}"},
                                        {"trees_url", "/git/trees{/sha}"},
                                        {"statuses_url", "/statuses/{sha}"},
                                        {"languages_url", "/languages"},
                                        {"stargazers_url", "/stargazers"},
                                        {"contributors_url", "/contributors"},
                                        {"subscribers_url", "/subscribers"},
                                        {"subscription_url", "/subscription"},
                                        {"commits_url", "/commits{/sha}"},
                                        {"git_commits_url", "/git/commits{/sha}"},
                                        {"comments_url", "/comments{/number}"},
                                        {"issue_comment_url", "/issues/comments{/number}"},
                                        {"contents_url", "/contents/{+path}"},
                                        {"compare_url", "/compare/{base}...{head}"},
                                        {"merges_url", "/merges"},
                                        {"archive_url", "/{archive_format}{/ref}"},
                                        {"downloads_url", "/downloads"},
                                        {"issues_url", "/issues{/number}"},
                                        {"pulls_url", "/pulls{/number}"},
                                        {"milestones_url", "/milestones{/number}"},
                                        {"notifications_url", "/notifications{?since,all,participating}"},
                                        {"labels_url", "/labels{/name}"},
                                        {"releases_url", "/releases{/id}"},
                                        {"deployments_url", "/deployments"}};

    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        set_f(o, urls[i].key, "https://api.github.com/repos/%s%s", full_name, urls[i].value);
}

static void repo_facts(json_t *o, const struct gh_repo *r)
{
    static const char *const yes[] = {"has_issues", "has_projects",  "has_downloads",
                                      "has_wiki",   "allow_forking", "has_pages"};
    static const char *const no[] = {"archived", "disabled", "is_template", "web_commit_signoff_required",
                                     "has_discussions"};
    static const char *const zero[] = {"size",        "stargazers_count",  "watchers_count",
                                       "forks_count", "open_issues_count", "forks",
                                       "open_issues", "watchers"};
    static const char *const null[] = {"description", "homepage", "language", "mirror_url", "license"};

    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        set(o, yes[i], json_true());
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        set(o, no[i], json_false());
    for (size_t i = 0; i < ARRAY_LEN(zero); i++)
        set(o, zero[i], json_integer(0));
    for (size_t i = 0; i < ARRAY_LEN(null); i++)
        set(o, null[i], json_null());
    set(o, "created_at", json_string("2019-05-15T15:19:25Z"));
    set(o, "updated_at", json_string("2023-05-15T15:19:27Z"));
    set(o, "pushed_at", json_string("2023-05-15T15:20:32Z"));
    set_f(o, "git_url", "git://github.com/%s.git", r->full_name);
    set_f(o, "ssh_url", "git@github.com:%s.git", r->full_name);
    set_f(o, "clone_url", "https://github.com/%s.git", r->full_name);
    set_f(o, "svn_url", "https://github.com/%s", r->full_name);
    set(o, "topics", json_array());
    set(o, "visibility", json_string(r->is_private ? "private" : "public"));
    set(o, "default_branch", json_string(r->default_branch));
    set(o, "custom_properties", json_object());
}

json_t *gh_repo_json(struct gh_repo *r)
{
    json_t *o;

    if (r->payload != NULL)
        return r->payload;
    o = json_object();
    set(o, "id", json_integer(r->id));
    set_f(o, "node_id", "R_kgDO%lld", (long long)r->id);
    set(o, "name", json_string(r->name));
    set(o, "full_name", json_string(r->full_name));
    set(o, "private", json_boolean(r->is_private));
    set(o, "owner", gh_user_json(r->owner, !r->of_user));
    set_f(o, "html_url", "https://github.com/%s", r->full_name);
    set(o, "fork", json_false());
    repo_urls(o, r->full_name);
    repo_facts(o, r);
    r->payload = o;
    return o;
}

static json_t *step_json(const char *name, int number, int64_t started_ms, int64_t completed_ms, const char *conclusion)
{
    char started[32], completed[32];
    json_t *s = json_object();

    sim_time_iso_ms(started_ms, started);
    sim_time_iso_ms(completed_ms, completed);
    set(s, "name", json_string(name));
    set(s, "status", json_string(completed_ms != 0 ? "completed" : "in_progress"));
    set(s, "conclusion", completed_ms != 0 ? json_string(conclusion) : json_null());
    set(s, "number", json_integer(number));
    set(s, "started_at", json_string(started));
    set(s, "completed_at", completed_ms != 0 ? json_string(completed) : json_null());
    return s;
}

static json_t *steps_json(const struct gh_event *at)
{
    static const char *const names[] = {"Set up job", "Initialize containers", "Run actions/checkout@v4", "Train",
                                        "Evaluate",   "Complete job"};
    json_t *steps = json_array();

    if (at->runner_id == 0)
        return steps;
    for (size_t i = 0; i < ARRAY_LEN(names) && (i == 0 || at->completed_ms != 0); i++)
        (void)json_array_append_new(steps, step_json(names[i], (int)i + 1, at->started_ms, at->completed_ms,
                                                     at->conclusion != NULL ? at->conclusion : ""));
    return steps;
}

static void set_runner(json_t *o, const struct gh_event *at)
{
    bool cancelled_early = at->runner_id == 0 && at->completed_ms != 0;

    if (at->runner_id == 0 && !cancelled_early) {
        set(o, "runner_id", json_null());
        set(o, "runner_name", json_null());
        set(o, "runner_group_id", json_null());
        set(o, "runner_group_name", json_null());
        return;
    }
    set(o, "runner_id", json_integer(at->runner_id));
    set(o, "runner_name", json_string(at->runner_name != NULL ? at->runner_name : ""));
    set(o, "runner_group_id", json_integer(at->runner_id == 0 ? 0 : 1));
    set(o, "runner_group_name", json_string(at->runner_id == 0 ? "" : "Default"));
}

json_t *gh_job_json(const struct gh_job *j, const struct gh_event *at)
{
    const struct gh_run *r = j->run;
    const char *repo = r->repo->full_name;
    json_t *o = json_object();

    set(o, "id", json_integer(j->id));
    set(o, "run_id", json_integer(r->id));
    set(o, "workflow_name", json_string(r->workflow));
    set(o, "head_branch", json_string(r->head_branch));
    set_f(o, "run_url", "https://api.github.com/repos/%s/actions/runs/%lld", repo, (long long)r->id);
    set(o, "run_attempt", json_integer(j->attempt));
    set_f(o, "node_id", "CR_kwDO%lld", (long long)j->id);
    set(o, "head_sha", json_string(r->head_sha));
    set_f(o, "url", "https://api.github.com/repos/%s/actions/jobs/%lld", repo, (long long)j->id);
    set_f(o, "html_url", "https://github.com/%s/actions/runs/%lld/job/%lld", repo, (long long)r->id, (long long)j->id);
    set(o, "status", json_string(at->status));
    set(o, "conclusion", at->conclusion != NULL ? json_string(at->conclusion) : json_null());
    set_time(o, "created_at", j->created_ms);
    set_time(o, "started_at", at->started_ms != 0 ? at->started_ms : j->created_ms);
    set_time(o, "completed_at", at->completed_ms);
    set(o, "name", json_string(j->name));
    set(o, "steps", steps_json(at));
    set_f(o, "check_run_url", "https://api.github.com/repos/%s/check-runs/%lld", repo, (long long)j->id);
    set(o, "labels", json_incref(j->labels));
    set_runner(o, at);
    return o;
}

static json_t *organization_json(const char *login)
{
    static const struct field urls[] = {{"repos_url", "/repos"},
                                        {"events_url", "/events"},
                                        {"hooks_url", "/hooks"},
                                        {"issues_url", "/issues"},
                                        {"members_url", "/members{/member}"},
                                        {"public_members_url", "/public_members{/member}"}};
    json_t *o = json_object();

    set(o, "login", json_string(login));
    set(o, "id", json_integer(id_of(login)));
    set_f(o, "node_id", "MDEyOk9yZ2FuaXphdGlvbj%lld=", (long long)id_of(login));
    set_f(o, "url", "https://api.github.com/orgs/%s", login);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        set_f(o, urls[i].key, "https://api.github.com/orgs/%s%s", login, urls[i].value);
    set_f(o, "avatar_url", "https://avatars.githubusercontent.com/u/%lld?v=4", (long long)id_of(login));
    set(o, "description", json_string(""));
    return o;
}

char *gh_event_body(const struct gh_event *ev)
{
    struct gh_repo *repo;
    json_t *o, *in;
    char *text;

    if (ev->job == NULL)
        return mem_strdup(ev->raw);
    repo = ev->job->run->repo;
    o = json_object();
    set(o, "action", json_string(ev->action));
    set(o, "workflow_job", gh_job_json(ev->job, ev));
    set(o, "repository", json_incref(gh_repo_json(repo)));
    if (!repo->of_user)
        set(o, "organization", organization_json(repo->owner));
    set(o, "sender", gh_user_json(ev->job->run->actor, false));
    in = json_object();
    set(in, "id", json_integer(repo->installation->id));
    set_f(in, "node_id", "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u%lld", (long long)repo->installation->id);
    set(o, "installation", in);
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}
