/*
 * What GitHub says about a run, and the configuration that applies to it, each asked for once however many jobs want
 * it.
 *
 * A run's origin never changes and a file at a commit is immutable: both are kept until others push them out. A file
 * that is not there, and the default branch, are looked at again soon; the default branch by its ETag.
 *
 * The organisation's two files cost, while its jobs come, one conditional request each in half a minute, which GitHub
 * does not count when nothing changed; where there are none, one refused token a minute.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/engine_int.h"

#include <stdio.h>
#include <string.h>

#define RUNS_MAX 2048
#define FILES_MAX 128
#define ORGS_MAX 256
#define ABSENT_MS (60 * 1000)
#define BRANCH_MS (30 * 1000)

struct run_info {
    bool fork, owner_is_user;
    char workflow_path[256], event[64];
    struct access_person triggering, actor;
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

static void free_org(void *value)
{
    struct org_files *o = value;

    if (o == NULL)
        return;
    cirun_yml_free(o->global);
    access_yml_free(o->access);
    free(o);
}

void lookup_open(struct engine *g)
{
    g->runs = cache_new(RUNS_MAX, free);
    g->files = cache_new(FILES_MAX, free_file);
    g->etags = cache_new(FILES_MAX, free_tagged);
    g->orgs = cache_new(ORGS_MAX, free_org);
    g->told = cache_new(ORGS_MAX, NULL);
}

void lookup_close(struct engine *g)
{
    cache_free(g->runs);
    cache_free(g->files);
    cache_free(g->etags);
    cache_free(g->orgs);
    cache_free(g->told);
}

struct fill {
    struct engine *g;
    const struct job *j;
    const char *ref;
};

/* A file at GitHub. key: under which its ETag is remembered; ref NULL = the default branch. */
struct source {
    struct github_repo repo;
    const char *path, *ref, *key;
};

static struct github_repo repo_of(const struct job *j)
{
    return (struct github_repo){j->installation_id, j->repo_id, j->repo};
}

/* A name that does not fit is nobody's: it stays empty, and what is not known is denied. */
static struct access_person person_of(const char *login, int64_t id)
{
    struct access_person p = {.id = id};

    if (login != NULL && strlen(login) < sizeof(p.login))
        (void)snprintf(p.login, sizeof(p.login), "%s", login);
    return p;
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
    info->owner_is_user = run.owner_is_user;
    info->triggering = person_of(run.triggering_actor, run.triggering_actor_id);
    info->actor = person_of(run.actor, run.actor_id);
    (void)snprintf(info->event, sizeof(info->event), "%s", run.event != NULL ? run.event : "");
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
    out->subject = (struct access_subject){.repo = j->repo, .event = info->event, .owner_is_user = info->owner_is_user};
    access_subject_set(&out->subject, &info->triggering, &info->actor);
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

static int fetch_text(struct engine *g, const struct source *from, char **text, struct err *e)
{
    AUTO_CACHE_REF struct cache_ref *old = NULL;
    const struct tagged_text *known = NULL;
    char etag[128] = "";

    if (from->ref == NULL && cache_peek(g->etags, from->key, &old)) {
        known = cache_value(old);
        (void)snprintf(etag, sizeof(etag), "%s", known->etag);
    }
    if (github_file_get(g->c.github, &from->repo, from->path, from->ref, CIRUN_YML_MAX, etag, text, e))
        return -1;
    if (*text == NULL && known != NULL)
        *text = mem_strdup(known->text);
    else if (*text != NULL && from->ref == NULL && etag[0] != '\0')
        remember_etag(g, from->key, etag, *text);
    return *text != NULL ? 0 : err_set(e, ERR_RETRY, "GitHub answered \"not modified\" to a first request");
}

static int fill_file(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct fill *f = arg;
    const struct source from = {repo_of(f->j), ".cirun.yml", f->ref, key};
    AUTO_FREE char *text = NULL;

    if (fetch_text(f->g, &from, &text, e)) {
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

/* --- the organisation's files ------------------------------------------------------------------------------------ */

struct fill_org {
    struct engine *g;
    const struct github_repo *repo; /* OWNER/.cirun */
};

/* Written once for each organisation, not at every look. */
static int fill_told(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    (void)e;
    log_info(EV("org.unreadable"), FS("repo", key), FS("why", arg));
    out->value = NULL;
    out->expires_ms = INT64_MAX;
    return 0;
}

static void tell_once(struct engine *g, const char *repo, char *why)
{
    AUTO_CACHE_REF struct cache_ref *ref = NULL;
    struct err ignored;

    (void)!cache_get(g->told, repo, fill_told, why, &ref, &ignored);
}

/* *text NULL: there is none. What is wrong with it for good goes to problem. */
static int fetch_org_text(const struct fill_org *f, const char *path, char **text, char *problem, size_t size,
                          struct err *e)
{
    char key[256];
    const struct source from = {*f->repo, path, NULL, key};

    (void)snprintf(key, sizeof(key), "%lld/%s/%s", (long long)f->repo->installation_id, f->repo->repo, path);
    if (fetch_text(f->g, &from, text, e) == 0 || e->kind == ERR_GONE)
        return 0;
    if (e->kind != ERR_INVALID)
        return -1;
    (void)snprintf(problem, size, "%.280s", e->msg);
    text_tidy(problem);
    return 0;
}

static int read_org(const struct fill_org *f, struct org_files *o, struct err *e)
{
    AUTO_FREE char *global = NULL, *access = NULL;

    if (fetch_org_text(f, ORG_GLOBAL_FILE, &global, o->problem, sizeof(o->problem), e))
        return -1;
    if (o->problem[0] != '\0')
        o->limit = ORG_TEAM_UNCLEAR; /* it may hold one */
    if (global == NULL)
        return 0;
    if (fetch_org_text(f, ACCESS_YML_FILE, &access, o->access_problem, sizeof(o->access_problem), e))
        return -1;
    o->global = cirun_yml_parse(global, strlen(global), ORG_GLOBAL_FILE);
    o->limit = org_team_read(o->global, global, o->team);
    if (access != NULL)
        o->access = access_yml_parse(access, strlen(access), ACCESS_YML_FILE);
    return 0;
}

static int fill_org(void *arg, const char *key, struct cache_fill *out, struct err *e)
{
    const struct fill_org *f = arg;
    struct org_files *o = mem_zalloc(sizeof(*o));

    (void)key;
    if (read_org(f, o, e)) {
        if (e->kind != ERR_AUTH) {
            free_org(o);
            return -1;
        }
        (void)snprintf(o->no_access, sizeof(o->no_access), "%s", f->repo->repo);
        tell_once(f->g, f->repo->repo, e->msg);
    }
    out->value = o;
    out->expires_ms = clock_now_ms() + (o->global != NULL ? BRANCH_MS : ABSENT_MS);
    return 0;
}

/* "OWNER/.cirun", and what its files are kept under. */
static void org_key(int64_t installation_id, const char *repo, char name[160], char key[192])
{
    (void)snprintf(name, 160, "%.*s/.cirun", (int)strcspn(repo, "/"), repo);
    for (char *c = name; *c != '\0'; c++)
        *c = text_lower(*c);
    (void)snprintf(key, 192, "%lld/%s", (long long)installation_id, name);
}

int lookup_org(struct engine *g, int64_t installation_id, const char *repo, struct cache_ref **ref,
               const struct org_files **out, struct err *e)
{
    char name[160], key[192];
    const struct github_repo org = {installation_id, 0, name};
    struct fill_org f = {g, &org};

    org_key(installation_id, repo, name, key);
    if (cache_get(g->orgs, key, fill_org, &f, ref, e))
        return err_wrap(e, "the organisation's files in %s", name);
    *out = cache_value(*ref);
    return 0;
}

void lookup_forget(struct engine *g, const struct job *j)
{
    const char *const refs[] = {"", j->head_sha};
    char name[160], key[192];

    (void)snprintf(key, sizeof(key), "%lld/%lld/%lld", (long long)j->repo_id, (long long)j->run_id,
                   (long long)j->run_attempt);
    cache_drop(g->runs, key, NULL);
    for (size_t i = 0; i < ARRAY_LEN(refs) && refs[i] != NULL; i++) {
        (void)snprintf(key, sizeof(key), "%lld@%s", (long long)j->repo_id, refs[i]);
        cache_drop(g->files, key, NULL);
    }
    if (j->repo == NULL)
        return;
    org_key(j->installation_id, j->repo, name, key);
    cache_drop(g->orgs, key, NULL);
}

void lookup_clear(struct lookup *l)
{
    cache_release(l->run_ref);
    cache_release(l->file_ref);
    cache_release(l->org_ref);
    *l = (struct lookup){0};
}
