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

static const char *const arches[] = {"x64", "arm64"};

struct release {
    pthread_mutex_t lock;
    int64_t next_ms; /* when to ask again */
    struct github_runner_release known[ARRAY_LEN(arches)];
};

struct release *release_new(void)
{
    struct release *r = mem_zalloc(sizeof(*r));

    (void)pthread_mutex_init(&r->lock, NULL);
    r->next_ms = clock_now_ms() + RELEASE_FIRST_MS;
    for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
        const char *url, *sha256;

        bootstrap_builtin_release(arches[i], &url, &sha256);
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

void release_get(struct engine *g, const char *arch, char url[512], char sha256[65])
{
    struct release *r = g->release;
    size_t i = strcmp(arch, "arm64") == 0 ? 1 : 0;

    if (g->c.runner_url != NULL && g->c.runner_sha256 != NULL) {
        (void)snprintf(url, 512, "%s", g->c.runner_url);
        (void)snprintf(sha256, 65, "%s", g->c.runner_sha256);
        return;
    }
    (void)pthread_mutex_lock(&r->lock);
    (void)snprintf(url, 512, "%s", r->known[i].url);
    (void)snprintf(sha256, 65, "%s", r->known[i].sha256);
    (void)pthread_mutex_unlock(&r->lock);
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
    struct github_repo repo = {j->installation_id, j->repo_id, j->repo};

    if (g->c.runner_url != NULL || !due(g->release))
        return;
    for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
        struct github_runner_release got;
        struct err e;

        if (github_runner_release_get(g->c.github, &repo, arches[i], &got, &e)) {
            log_warn(EV("release.kept"), FE(&e));
            continue;
        }
        if (got.sha256[0] == '\0')
            continue; /* never run what cannot be checked */
        (void)pthread_mutex_lock(&g->release->lock);
        g->release->known[i] = got;
        (void)pthread_mutex_unlock(&g->release->lock);
    }
}
