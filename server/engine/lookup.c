/*
 * What GitHub says about a run, and the configuration that applies to it, each asked for once however many jobs want
 * it.
 *
 * A run's origin never changes and a file at a commit is immutable: both are kept until others push them out. A file
 * that is not there, and the default branch, are looked at again soon; the default branch by its ETag.
 */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/engine/engine_int.h"

#include <stdio.h>
#include <string.h>

#define RUNS_MAX 2048
#define FILES_MAX 128
#define ABSENT_MS (60 * 1000)
#define BRANCH_MS (30 * 1000)

struct run_info {
    bool fork;
    char workflow_path[256];
};

struct tagged_text {
    char etag[128];
    char *text;
};

static void free_tagged(void *value)
{
    struct tagged_text *t = value;

    if (t == NULL)
        return;
    free(t->text);
    free(t);
}

static void free_file(void *value)
{
    cirun_yml_free(value);
}

void lookup_open(struct engine *g)
{
    g->runs = cache_new(RUNS_MAX, free);
    g->files = cache_new(FILES_MAX, free_file);
    g->etags = cache_new(FILES_MAX, free_tagged);
}

void lookup_close(struct engine *g)
{
    cache_free(g->runs);
    cache_free(g->files);
    cache_free(g->etags);
}

struct fill {
    struct engine *g;
    const struct job *j;
    const char *ref;
};

static struct github_repo repo_of(const struct job *j)
{
    return (struct github_repo){j->installation_id, j->repo_id, j->repo};
}

static int fill_run(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct fill *f = arg;
    struct github_repo repo = repo_of(f->j);
    struct github_run run = {0};
    struct run_info *info;

    (void)key;
    if (github_run_get(f->g->c.github, &repo, f->j->run_id, &run, e))
        return -1;
    info = mem_zalloc(sizeof(*info));
    /* pull_request_target runs the base's workflow on behalf of a stranger: as little trust as a fork's commit */
    info->fork =
        run.head_repo_id != f->j->repo_id || (run.event != NULL && strcmp(run.event, "pull_request_target") == 0);
    (void)snprintf(info->workflow_path, sizeof(info->workflow_path), "%s", run.path != NULL ? run.path : "");
    github_run_clear(&run);
    out->value = info;
    out->expires_ms = INT64_MAX;
    return 0;
}

int lookup_run(struct engine *g, const struct job *j, struct lookup *out, struct err *e)
{
    struct fill f = {g, j, NULL};
    const struct run_info *info;
    char key[96];

    (void)snprintf(key, sizeof(key), "%lld/%lld/%lld", (long long)j->repo_id, (long long)j->run_id,
                   (long long)j->run_attempt);
    if (cache_get(g->runs, key, fill_run, &f, &out->run_ref, e))
        return err_wrap(e, "run %lld of %s", (long long)j->run_id, j->repo);
    info = cache_value(out->run_ref);
    out->fork = info->fork;
    (void)snprintf(out->workflow_path, sizeof(out->workflow_path), "%s", info->workflow_path);
    return 0;
}

static int fill_etag(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    struct tagged_text *t = arg;

    (void)key;
    (void)e;
    out->value = t;
    out->expires_ms = INT64_MAX;
    return 0;
}

/* Keep the text with its tag for the next look, in place of an older one. */
static void remember_etag(struct engine *g, const char *key, const char *etag, const char *text)
{
    struct tagged_text *t = mem_zalloc(sizeof(*t));
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err e;

    (void)snprintf(t->etag, sizeof(t->etag), "%s", etag);
    t->text = mem_strdup(text);
    cache_drop(g->etags, key, NULL);
    if (cache_get(g->etags, key, fill_etag, t, &ref, &e))
        free_tagged(t);
    else if (cache_value(ref) != t)
        free_tagged(t); /* another thread was first */
}

static int fetch_text(const struct fill *f, const char *key, char **text, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *old = NULL;
    struct github_repo repo = repo_of(f->j);
    const struct tagged_text *known = NULL;
    char etag[128] = "";

    if (f->ref == NULL && cache_peek(f->g->etags, key, &old)) {
        known = cache_value(old);
        (void)snprintf(etag, sizeof(etag), "%s", known->etag);
    }
    if (github_file_get(f->g->c.github, &repo, ".cirun.yml", f->ref, CIRUN_YML_MAX, etag, text, e))
        return -1;
    if (*text == NULL && known != NULL)
        *text = mem_strdup(known->text);
    else if (*text != NULL && f->ref == NULL && etag[0] != '\0')
        remember_etag(f->g, key, etag, *text);
    return *text != NULL ? 0 : err_set(e, ERR_RETRY, "GitHub answered \"not modified\" to a first request");
}

static int fill_file(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct fill *f = arg;
    AUTO_FREE char *text = NULL;

    if (fetch_text(f, key, &text, e)) {
        if (e->kind != ERR_GONE)
            return -1;
        out->value = NULL;
        out->expires_ms = clock_now_ms() + ABSENT_MS;
        return 0;
    }
    out->value = cirun_yml_parse(text, strlen(text), ".cirun.yml");
    out->expires_ms = f->ref != NULL ? INT64_MAX : clock_now_ms() + BRANCH_MS;
    return 0;
}

int lookup_file(struct engine *g, const struct job *j, const char *ref, struct lookup *out, struct err *e)
{
    struct fill f = {g, j, ref};
    char key[160];

    (void)snprintf(key, sizeof(key), "%lld@%s", (long long)j->repo_id, ref != NULL ? ref : "");
    if (cache_get(g->files, key, fill_file, &f, &out->file_ref, e))
        return err_wrap(e, ".cirun.yml of %s", j->repo);
    out->file = cache_value(out->file_ref);
    return 0;
}

void lookup_clear(struct lookup *l)
{
    cache_release(l->run_ref);
    cache_release(l->file_ref);
    *l = (struct lookup){0};
}
