/* Life of the simulated GitHub, and what exists in it. */
#include "tests/sim/sim_github_log.h"
#include "tests/sim/sim_github_manual.h"
#include "tests/sim/sim_github_priv.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char default_permissions[] =
    "{\"administration\":\"write\",\"checks\":\"write\",\"contents\":\"read\",\"actions\":\"read\","
    "\"metadata\":\"read\"}";

void gh_lock(struct sim_github *g)
{
    (void)pthread_mutex_lock(&g->lock);
}

void gh_unlock(struct sim_github *g)
{
    (void)pthread_mutex_unlock(&g->lock);
}

int64_t gh_now_ms(const struct sim_github *g)
{
    return clock_now_ms() + g->ahead_ms;
}

void gh_story(struct sim_github *g, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (g->story == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    g->story(g->story_arg, line);
}

void gh_violation_at(struct sim_github *g, const struct sim_req *rq, const char *fmt, ...)
{
    char text[300];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sim_http_violation(g->http, "%s %s: %s", rq->method, rq->raw_path, text);
}

void gh_refuse(struct sim_res *rs, int status, const char *message)
{
    char code[8];

    (void)snprintf(code, sizeof(code), "%d", status);
    sim_res_json(rs, status,
                 json_pack("{s:s, s:s, s:s}", "message", message, "documentation_url", "https://docs.github.com/rest",
                           "status", code));
}

/* ---- looking up ---- */

struct gh_installation *gh_installation(struct sim_github *g, int64_t id)
{
    for (size_t i = 0; i < g->n_installations; i++)
        if (g->installations[i]->id == id)
            return g->installations[i];
    return NULL;
}

struct gh_installation *gh_org(struct sim_github *g, const char *account)
{
    for (size_t i = 0; i < g->n_installations; i++) {
        if (strcmp(g->installations[i]->account, account) == 0)
            return g->installations[i];
    }
    return NULL;
}

struct gh_repo *gh_repo(struct sim_github *g, const char *owner, const char *name)
{
    for (size_t i = 0; i < g->n_repos; i++)
        if (strcasecmp(g->repos[i]->owner, owner) == 0 && strcasecmp(g->repos[i]->name, name) == 0)
            return g->repos[i];
    return NULL;
}

struct gh_repo *gh_repo_full(struct sim_github *g, const char *full_name)
{
    for (size_t i = 0; i < g->n_repos; i++)
        if (strcasecmp(g->repos[i]->full_name, full_name) == 0)
            return g->repos[i];
    return NULL;
}

static bool has_files(const struct gh_repo *r, const char *ref)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].ref, ref) == 0)
            return true;
    return false;
}

/* A commit without files of its own reads as its branch, a branch without any as the default branch. */
static const char *resolve(const struct gh_repo *r, const char *ref)
{
    if (ref == NULL)
        return r->default_branch;
    if (strncmp(ref, "refs/heads/", 11) == 0)
        ref += 11;
    if (has_files(r, ref))
        return ref;
    for (size_t i = 0; i < r->n_aliases; i++) {
        const struct gh_alias *a = &r->aliases[i];

        if (strcmp(a->sha, ref) == 0 || strcmp(a->branch, ref) == 0)
            return has_files(r, a->branch) ? a->branch : r->default_branch;
    }
    return ref;
}

bool gh_ref_exists(const struct gh_repo *r, const char *ref)
{
    ref = resolve(r, ref);
    return has_files(r, ref) || strcmp(ref, r->default_branch) == 0;
}

const struct gh_file *gh_file(const struct gh_repo *r, const char *ref, const char *path)
{
    ref = resolve(r, ref);
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i].text != NULL && strcmp(r->files[i].ref, ref) == 0 && strcmp(r->files[i].path, path) == 0)
            return &r->files[i];
    return NULL;
}

bool gh_is_directory(const struct gh_repo *r, const char *ref, const char *path)
{
    size_t len = strlen(path);

    ref = resolve(r, ref);
    for (size_t i = 0; i < r->n_files; i++) {
        const struct gh_file *f = &r->files[i];

        if (f->text != NULL && strcmp(f->ref, ref) == 0 && strncmp(f->path, path, len) == 0 && f->path[len] == '/')
            return true;
    }
    return false;
}

/* ---- what exists ---- */

void sim_github_add_installation(struct sim_github *g, int64_t id, const char *account, const char *permissions)
{
    struct gh_installation *in = mem_zalloc(sizeof(*in));

    in->id = id;
    in->account = mem_strdup(account);
    in->permissions = json_loads(permissions != NULL ? permissions : default_permissions, 0, NULL);
    gh_lock(g);
    g->installations = mem_realloc_array(g->installations, g->n_installations + 1, sizeof(struct gh_installation *));
    g->installations[g->n_installations++] = in;
    gh_unlock(g);
}

void sim_github_suspend(struct sim_github *g, int64_t installation_id, bool suspended)
{
    struct gh_installation *in;

    gh_lock(g);
    in = gh_installation(g, installation_id);
    if (in != NULL)
        in->suspended = suspended;
    gh_unlock(g);
}

void sim_github_uninstall(struct sim_github *g, int64_t installation_id)
{
    struct gh_installation *in;

    gh_lock(g);
    in = gh_installation(g, installation_id);
    if (in == NULL)
        abort(); /* a mistake in the test */
    in->gone = true;
    gh_unlock(g);
}

void sim_github_repo_removed(struct sim_github *g, const char *repo, bool removed)
{
    struct gh_repo *r;

    gh_lock(g);
    r = gh_repo_full(g, repo);
    if (r == NULL)
        abort(); /* a mistake in the test */
    r->removed = removed;
    gh_unlock(g);
}

void sim_github_rename(struct sim_github *g, const char *repo, const char *name)
{
    struct gh_repo *r;
    char full[200];

    gh_lock(g);
    r = gh_repo_full(g, repo);
    if (r == NULL)
        abort(); /* a mistake in the test */
    (void)snprintf(full, sizeof(full), "%s/%s", r->owner, name);
    free(r->old_name);
    r->old_name = r->full_name;
    r->full_name = mem_strdup(full);
    free(r->name);
    r->name = mem_strdup(name);
    json_decref(r->payload);
    r->payload = NULL;
    gh_unlock(g);
}

void sim_github_add_repo(struct sim_github *g, const struct sim_repo *r)
{
    struct gh_repo *n = mem_zalloc(sizeof(*n));
    const char *slash = strchr(r->full_name, '/');

    n->id = r->id;
    n->full_name = mem_strdup(r->full_name);
    n->owner = mem_strndup(r->full_name, slash != NULL ? (size_t)(slash - r->full_name) : strlen(r->full_name));
    n->name = mem_strdup(slash != NULL ? slash + 1 : "");
    n->default_branch = mem_strdup(r->default_branch != NULL ? r->default_branch : "main");
    n->is_private = r->is_private;
    n->of_user = r->of_user;
    gh_lock(g);
    n->installation = gh_installation(g, r->installation_id);
    if (n->installation == NULL)
        abort(); /* a mistake in the test */
    g->repos = mem_realloc_array(g->repos, g->n_repos + 1, sizeof(struct gh_repo *));
    g->repos[g->n_repos++] = n;
    gh_unlock(g);
}

void sim_github_set_private(struct sim_github *g, const char *repo, bool is_private)
{
    struct gh_repo *r;

    gh_lock(g);
    r = gh_repo_full(g, repo);
    if (r == NULL)
        abort(); /* a mistake in the test */
    r->is_private = is_private;
    json_decref(r->payload);
    r->payload = NULL;
    gh_unlock(g);
}

void sim_github_group_public(struct sim_github *g, int64_t installation_id, bool allows)
{
    struct gh_installation *in;

    gh_lock(g);
    in = gh_installation(g, installation_id);
    if (in == NULL)
        abort(); /* a mistake in the test */
    in->allows_public = allows;
    gh_unlock(g);
}

static struct gh_file *file_slot(struct gh_repo *r, const char *ref, const char *path)
{
    struct gh_file *f;

    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].ref, ref) == 0 && strcmp(r->files[i].path, path) == 0)
            return &r->files[i];
    r->files = mem_realloc_array(r->files, r->n_files + 1, sizeof(*r->files));
    f = &r->files[r->n_files++];
    *f = (struct gh_file){.ref = mem_strdup(ref), .path = mem_strdup(path)};
    return f;
}

void sim_github_put_file(struct sim_github *g, const char *repo, const char *ref, const char *path, const char *text)
{
    struct gh_repo *r;

    gh_lock(g);
    r = gh_repo_full(g, repo);
    if (r != NULL) {
        struct gh_file *f = file_slot(r, ref, path);

        free(f->text);
        f->text = mem_strdup(text);
    }
    gh_unlock(g);
}

void sim_github_add_download(struct sim_github *g, const char *os, const char *arch, const char *url,
                             const char *sha256)
{
    struct gh_download *d = NULL;

    gh_lock(g);
    for (size_t i = 0; i < g->n_downloads && d == NULL; i++)
        if (strcmp(g->downloads[i].os, os) == 0 && strcmp(g->downloads[i].arch, arch) == 0)
            d = &g->downloads[i];
    if (d == NULL) {
        g->downloads = mem_realloc_array(g->downloads, g->n_downloads + 1, sizeof(*g->downloads));
        d = &g->downloads[g->n_downloads++];
        *d = (struct gh_download){.os = mem_strdup(os), .arch = mem_strdup(arch)};
    }
    free(d->url);
    free(d->sha256);
    d->url = mem_strdup(url);
    d->sha256 = mem_strdup(sha256);
    gh_unlock(g);
}

void sim_github_serve_runner(struct sim_github *g, const void *data, size_t len)
{
    static const char *const archs[] = {"x64", "arm64"};
    char url[128], hash[65];

    gh_lock(g);
    buf_reset(&g->runner_archive);
    buf_add(&g->runner_archive, data, len);
    gh_unlock(g);
    sim_sha256_hex(data, len, hash);
    (void)snprintf(url, sizeof(url), "%s/sim/files/runner.tar.gz", sim_github_url(g));
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        sim_github_add_download(g, "linux", archs[i], url, hash);
}

/* ---- behaviour ---- */

void sim_github_clock_ahead(struct sim_github *g, int64_t ms)
{
    gh_lock(g);
    g->ahead_ms = ms;
    gh_unlock(g);
}

void sim_github_token_lag(struct sim_github *g, int uses)
{
    gh_lock(g);
    g->token_lag = uses;
    gh_unlock(g);
}

void sim_github_revoke_tokens(struct sim_github *g)
{
    gh_lock(g);
    for (size_t i = 0; i < g->n_tokens; i++)
        g->tokens[i]->expires_ms = 0;
    gh_unlock(g);
}

/* ---- life ---- */

static void not_found(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    (void)arg;
    (void)rq;
    gh_refuse(rs, 404, "Not Found");
}

static void finish(void *arg, const struct sim_req *rq, struct sim_res *rs)
{
    struct sim_github *g = arg;
    char date[40];

    (void)rq;
    gh_lock(g);
    sim_time_http(gh_now_ms(g), date);
    sim_res_header(rs, "Date", "%s", date);
    sim_res_header(rs, "X-GitHub-Request-Id", "%04llX:%llX", (unsigned long long)(sim_rng(&g->rng) & 0xffff),
                   (unsigned long long)sim_rng(&g->rng));
    gh_unlock(g);
    sim_res_header(rs, "Server", "github.com");
    sim_res_header(rs, "X-GitHub-Media-Type", "github.v3; format=json");
}

static struct sim_github *github_new(const struct sim_github_conf *c)
{
    struct sim_github *g = mem_zalloc(sizeof(*g));
    pthread_condattr_t attr;

    g->app_id = mem_strdup(c->app_id != NULL ? c->app_id : "12345");
    g->public_key = mem_strdup(c->public_key_pem != NULL ? c->public_key_pem : "");
    g->trusting = c->manual && c->public_key_pem == NULL;
    g->secret = mem_strdup(c->webhook_secret != NULL ? c->webhook_secret : "secret");
    g->lost_contact_ms = c->lost_contact_ms > 0 ? c->lost_contact_ms : 1000;
    g->story = c->story;
    g->story_arg = c->story_arg;
    g->rng = c->seed + 17;
    g->hook.parallel = 32;
    g->runner_archive = (struct buf)BUF_INIT(4 * 1024 * 1024);
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&g->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    g->timer = c->manual ? sim_timer_new_manual() : sim_timer_new();
    g->sender = gh_sender_new(g, c->manual);
    return g;
}

int sim_github_start(const struct sim_github_conf *c, struct sim_github **out, struct err *e)
{
    struct sim_github *g = github_new(c);
    const struct sim_service s = {
        .routes = gh_routes, .arg = g, .not_found = not_found, .finish = finish, .manual = c->manual};

    if (sim_http_start(&s, c->port, &g->http, e) != 0) {
        sim_github_free(g);
        return err_wrap(e, "simulated GitHub");
    }
    *out = g;
    return 0;
}

void sim_github_stop(struct sim_github *g)
{
    if (g->http != NULL)
        sim_http_stop(g->http);
    sim_timer_stop(g->timer);
    gh_sender_stop(g->sender);
}

void sim_github_run(struct sim_github *g)
{
    sim_timer_run_due(g->timer);
}

int64_t sim_github_due_ms(struct sim_github *g)
{
    return sim_timer_due_ms(g->timer);
}

static void repo_free(struct gh_repo *r)
{
    for (size_t i = 0; i < r->n_files; i++) {
        free(r->files[i].ref);
        free(r->files[i].path);
        free(r->files[i].text);
    }
    for (size_t i = 0; i < r->n_aliases; i++) {
        free(r->aliases[i].sha);
        free(r->aliases[i].branch);
    }
    free(r->files);
    free(r->aliases);
    free(r->full_name);
    free(r->old_name);
    free(r->owner);
    free(r->name);
    free(r->default_branch);
    json_decref(r->payload);
    free(r);
}

static void free_world(struct sim_github *g)
{
    for (size_t i = 0; i < g->n_installations; i++) {
        free(g->installations[i]->account);
        free(g->installations[i]->points.at);
        free(g->installations[i]->contents.at);
        json_decref(g->installations[i]->permissions);
        free(g->installations[i]);
    }
    for (size_t i = 0; i < g->n_repos; i++)
        repo_free(g->repos[i]);
    for (size_t i = 0; i < g->n_tokens; i++)
        gh_token_free(g->tokens[i]);
    for (size_t i = 0; i < g->n_downloads; i++) {
        free(g->downloads[i].os);
        free(g->downloads[i].arch);
        free(g->downloads[i].url);
        free(g->downloads[i].sha256);
    }
    gh_members_free(g);
    free(g->installations);
    free(g->repos);
    free(g->tokens);
    free(g->downloads);
}

static void free_jobs(struct sim_github *g)
{
    for (size_t i = 0; i < g->n_deliveries; i++)
        gh_delivery_free(g->deliveries[i]);
    for (size_t i = 0; i < g->n_jobs; i++)
        gh_job_free(g->jobs[i]);
    for (size_t i = 0; i < g->n_runs; i++)
        gh_run_free(g->runs[i]);
    for (size_t i = 0; i < g->n_runners; i++)
        gh_runner_free(g->runners[i]);
    free(g->deliveries);
    free(g->jobs);
    free(g->runs);
    free(g->runners);
    free(g->queue);
}

void sim_github_free(struct sim_github *g)
{
    if (g == NULL)
        return;
    sim_github_stop(g);
    sim_http_free(g->http);
    sim_timer_free(g->timer);
    gh_sender_free(g->sender);
    free_jobs(g);
    free_world(g);
    free(g->app_id);
    free(g->public_key);
    free(g->secret);
    free(g->hook_url);
    gh_checks_free(g);
    buf_clear(&g->runner_archive);
    (void)pthread_cond_destroy(&g->changed);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

const char *sim_github_url(const struct sim_github *g)
{
    return sim_http_url(g->http);
}

struct sim_http *sim_github_http(struct sim_github *g)
{
    return g->http;
}
