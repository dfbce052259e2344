/*
 * Which runner release a machine downloads: the one the operator mirrors, else the newest GitHub told us about, else
 * the one known when this was built. Asked for in the background and rarely, so that no job waits for it.
 */
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/bootstrap/bootstrap.h"
#include "server/engine/engine_int.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define RELEASE_FIRST_MS (10 * 60 * 1000)
#define RELEASE_EVERY_MS (24 * 60 * 60 * 1000)

static const struct kind {
    const char *os, *arch;
} kinds[] = {{"linux", "x64"}, {"linux", "arm64"}, {"windows", "x64"}, {"windows", "arm64"}};

struct release {
    pthread_mutex_t lock;
    int64_t next_ms; /* when to ask again */
    struct github_runner_release known[ARRAY_LEN(kinds)];
};

struct release *release_new(void)
{
    struct release *r = mem_zalloc(sizeof(*r));

    (void)pthread_mutex_init(&r->lock, NULL);
    r->next_ms = clock_now_ms() + RELEASE_FIRST_MS;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *url, *sha256;

        bootstrap_builtin_release(kinds[i].os, kinds[i].arch, &url, &sha256);
        (void)snprintf(r->known[i].url, sizeof(r->known[i].url), "%s", url);
        (void)snprintf(r->known[i].sha256, sizeof(r->known[i].sha256), "%s", sha256);
    }
    return r;
}

void release_free(struct release *r)
{
    if (r == NULL)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

/* The operator's mirror holds one archive: Linux's. */
static bool is_mirrored(const struct engine *g, const struct kind *k)
{
    return g->c.runner_url != NULL && g->c.runner_sha256 != NULL && strcmp(k->os, "linux") == 0;
}

static void get(struct engine *g, size_t i, struct release_found *out)
{
    struct release *r = g->release;

    out->os = kinds[i].os;
    out->arch = kinds[i].arch;
    if (is_mirrored(g, &kinds[i])) {
        (void)snprintf(out->url, sizeof(out->url), "%s", g->c.runner_url);
        (void)snprintf(out->sha256, sizeof(out->sha256), "%s", g->c.runner_sha256);
        return;
    }
    (void)pthread_mutex_lock(&r->lock);
    (void)snprintf(out->url, sizeof(out->url), "%s", r->known[i].url);
    (void)snprintf(out->sha256, sizeof(out->sha256), "%s", r->known[i].sha256);
    (void)pthread_mutex_unlock(&r->lock);
}

void release_all(struct engine *g, struct release_found out[RELEASES])
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        get(g, i, &out[i]);
}

static int ask(struct engine *g, const struct job *j, size_t i, struct err *e)
{
    struct github_repo repo = {j->installation_id, j->repo_id, j->repo};
    struct github_runner_release got;

    if (github_runner_release_get(g->c.github, &repo, kinds[i].os, kinds[i].arch, &got, e))
        return -1;
    if (got.sha256[0] == '\0') /* never run what cannot be checked */
        return err_set(e, ERR_RETRY, "GitHub tells no SHA-256 of its runner for %s, %s", kinds[i].os, kinds[i].arch);
    (void)pthread_mutex_lock(&g->release->lock);
    g->release->known[i] = got;
    (void)pthread_mutex_unlock(&g->release->lock);
    return 0;
}

int release_ensure(struct engine *g, const struct job *j, const char *os, const char *arch, struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct release_found now;

        if (strcmp(kinds[i].os, os) != 0 || strcmp(kinds[i].arch, arch) != 0)
            continue;
        get(g, i, &now);
        return now.url[0] != '\0' ? 0 : ask(g, j, i, e);
    }
    return 0; /* no runner is downloaded there */
}

static bool due(struct release *r)
{
    int64_t now = clock_now_ms();
    bool yes;

    (void)pthread_mutex_lock(&r->lock);
    yes = now >= r->next_ms;
    if (yes)
        r->next_ms = now + RELEASE_EVERY_MS;
    (void)pthread_mutex_unlock(&r->lock);
    return yes;
}

void release_refresh(struct engine *g, const struct job *j)
{
    if (!due(g->release))
        return;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct err e;

        if (!is_mirrored(g, &kinds[i]) && ask(g, j, i, &e))
            log_warn(EV("release.kept"), FE(&e));
    }
}
