/* What GitHub says of a source: its file at the default branch, and whether others would be given its runners. */
#include "server/engine/idle.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"

#include <stdio.h>
#include <string.h>

#define REACH_MS (10 * 60 * 1000)

#define LIMITED                                                                                                        \
    "run_only_when_triggered_by at the top of the file, or of the organisation's, limits who gets machines, and "      \
    "GitHub "                                                                                                          \
    "gives a warm runner to any job whose labels fit"

bool idle_is_org(const struct idle_source *s)
{
    return strchr(s->repo, '/') == NULL;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void take_text(struct idle_source *s, char *text)
{
    free(s->text);
    s->text = text;
}

static void say_refused(struct idle_source *s, const char *why)
{
    if (why != NULL && (s->refused == NULL || strcmp(s->refused, why) != 0))
        log_warn(EV("idle.refused"), FS("repo", s->repo), FS("reason", why));
    free(s->refused);
    s->refused = mem_strdup(why);
}

/* A new version: if it is sound it counts, else the last good one goes on to. */
static void judge_text(struct idle_source *s, const char *path, char *text)
{
    struct cirun_yml *file = cirun_yml_parse(text, strlen(text), path);
    struct err why;

    if (file->n_errors > 0 && cirun_yml_error(file, path, &why)) {
        log_warn(EV("idle.kept"), FS("repo", s->repo), FS("reason", "the last good version stays in force"), FE(&why));
        free(text);
    } else {
        take_text(s, text);
    }
    cirun_yml_free(file);
}

/* GitHub gives a warm runner to whichever job fits it: in a public repository that is anybody's pull request. */
static const char *refusal(const struct engine *g, const struct github_repo_info *info)
{
    if (info->archived)
        return "the repository is archived: no job runs in it";
    if (!info->is_private && !g->c.fork_jobs && !g->c.idle_public)
        return "the repository is public, where GitHub would give a warm runner to a fork's job as well, and "
               "policy.fork_jobs denies those; policy.idle_public: allow permits it all the same";
    return NULL;
}

static int read_text(struct engine *g, struct idle_source *s, const struct github_repo *repo, const char *path,
                     struct err *e)
{
    char *text = NULL;

    if (s->text == NULL)
        s->etag[0] = '\0'; /* nothing to be unchanged */
    if (github_file_get(g->c.github, repo, path, NULL, CIRUN_YML_MAX, s->etag, &text, e))
        return -1;
    if (text != NULL)
        judge_text(s, path, text);
    return 0;
}

/* Does the top of a file limit all of its runners to a team? What cannot be read may do so. NULL: there is none. */
static bool is_limited(const struct cirun_yml *file)
{
    return file != NULL && (file->doc == NULL || yaml_get(yaml_root(file->doc), "run_only_when_triggered_by") != NULL);
}

static bool text_is_limited(const struct idle_source *s)
{
    struct cirun_yml *file = s->text != NULL ? cirun_yml_parse(s->text, strlen(s->text), IDLE_FILE) : NULL;
    bool yes = is_limited(file);

    cirun_yml_free(file);
    return yes;
}

static int read_repo_file(struct engine *g, struct idle_source *s, struct err *e)
{
    struct github_repo repo = {s->installation_id, s->repo_id, s->repo};
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    const struct org_files *org;
    struct github_repo_info info;
    const char *why;

    if (github_repo_get(g->c.github, &repo, &info, e) || read_text(g, s, &repo, IDLE_FILE, e) ||
        lookup_org(g, s->installation_id, s->repo, &ref, &org, e))
        return -1;
    why = refusal(g, &info);
    say_refused(s, why == NULL && (is_limited(org->global) || text_is_limited(s)) ? LIMITED : why);
    return 0;
}

/* Is there an .access.yml, sound or not? */
static int has_access_file(struct engine *g, const struct github_repo *repo, bool *has, struct err *e)
{
    AUTO_FREE char *text = NULL;
    char etag[128] = "";

    *has = github_file_get(g->c.github, repo, IDLE_ACCESS_FILE, NULL, CIRUN_YML_MAX, etag, &text, e) == 0 ||
           e->kind == ERR_INVALID;
    return *has || e->kind == ERR_GONE ? 0 : -1;
}

static const char *org_refusal(const struct engine *g, const struct github_runner_group *group, bool has_access)
{
    if (has_access)
        return "there is an .access.yml, of which GitHub knows nothing: it would give a warm runner to any "
               "repository's "
               "job that fits";
    if (group->selected)
        return "the organisation's default runner group is limited to selected repositories, so that a job could wait "
               "for a warm runner that it is never given";
    if (group->allows_public && !g->c.fork_jobs && !g->c.idle_public)
        return "the organisation's default runner group serves public repositories, so that GitHub would give a warm "
               "runner to a fork's job as well, and policy.fork_jobs denies those; policy.idle_public: allow permits "
               "it "
               "all the same";
    return NULL;
}

static int read_org_file(struct engine *g, struct idle_source *s, struct err *e)
{
    struct github_repo org = {s->installation_id, 0, s->repo}, repo = org;
    struct github_repo_info info;
    struct github_runner_group group;
    bool has_access;
    char name[256];

    if (github_org_repo_get(g->c.github, &org, IDLE_ORG_REPO, &info, e))
        return -1;
    (void)snprintf(name, sizeof(name), "%s/" IDLE_ORG_REPO, s->repo);
    repo.repo_id = info.id;
    repo.repo = name;
    if (read_text(g, s, &repo, IDLE_ORG_FILE, e) || has_access_file(g, &repo, &has_access, e) ||
        github_org_group_get(g->c.github, &org, &group, e))
        return -1;
    say_refused(s, text_is_limited(s) ? LIMITED : org_refusal(g, &group, has_access));
    return 0;
}

/* No file, or we may not look (the App was removed): nobody is to be kept warm. A file that is none leaves the last. */
static void forget_or_keep(struct idle_source *s, const struct err *why)
{
    if (why->kind == ERR_GONE || why->kind == ERR_AUTH) {
        take_text(s, NULL);
        s->etag[0] = '\0';
        say_refused(s, why->kind == ERR_AUTH ? why->msg : NULL);
    } else {
        log_warn(EV("idle.kept"), FS("repo", s->repo), FE(why));
    }
}

int idle_read(struct engine *g, struct idle_source *s, struct err *e)
{
    struct err why;

    if ((idle_is_org(s) ? read_org_file(g, s, &why) : read_repo_file(g, s, &why)) == 0)
        return 0;
    if (err_is_passing(&why) || why.kind == ERR_BUG) {
        *e = why;
        return -1;
    }
    forget_or_keep(s, &why);
    return 0;
}

/* --- which repositories an organisation's runners serve --------------------------------------------------------- */

struct reach {
    const struct job *j;
    bool has_org, reaches;
    int64_t asked_ms;
};

static int reach_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct reach *r = arg;
    AUTO_IDLE_SOURCE struct idle_source s = {.repo = NULL};
    char id[IDLE_SOURCE_MAX];
    bool found;

    (void)snprintf(id, sizeof(id), "o%lld", (long long)r->j->installation_id);
    if (store_idle_source_get(t, id, &s, &found, e))
        return -1;
    r->has_org = found && s.text != NULL && s.refused == NULL;
    return r->has_org ? store_idle_reach_get(t, r->j->repo_id, &r->reaches, &r->asked_ms, e) : 0;
}

static int reached_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct reach *r = arg;

    return store_idle_reach_put(t, r->j->repo_id, r->reaches, r->asked_ms, e);
}

/* Public ones never are, whatever the group allows: a fork's job could be waiting beside. */
void idle_learn_reach(struct engine *g, const struct job *j)
{
    struct github_repo repo = {j->installation_id, j->repo_id, j->repo};
    struct reach r = {.j = j};
    struct github_repo_info info;
    struct err e;

    if (store_read(g->c.store, reach_tx, &r, &e) || !r.has_org || clock_now_ms() < r.asked_ms + REACH_MS)
        return;
    r.reaches = github_repo_get(g->c.github, &repo, &info, &e) == 0 && info.is_private;
    r.asked_ms = clock_now_ms();
    if (workers_write(g, reached_tx, &r, &e))
        log_warn(EV("idle.unread"), FS("repo", j->repo), FE(&e));
}
