#include "server/engine/engine.h"

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/breaker.h"
#include "server/engine/leap.h"
#include "server/engine/report.h"
#include "server/engine/room.h"

#include <openssl/crypto.h>

/* Nothing of ours is due later than this but for what may as well be looked at early: if something is, the clock was
 * set back while no process ran. */
#define LATEST_MS (2 * 60 * 60 * 1000)

struct engine *engine_new(const struct engine_conf *c)
{
    struct engine *g = mem_zalloc(sizeof(*g));

    g->c = *c;
    atomic_init(&g->steady_ms, clock_now_ms() - clock_mono_ms());
    crypto_key_derive(c->app_key, "muster user-data", g->seal_key);
    lookup_open(g);
    g->people = people_new(&(struct people_conf){.github = c->github,
                                                 .http = c->http,
                                                 .hosts = c->users_json_hosts,
                                                 .n_hosts = c->n_users_json_hosts,
                                                 .private_hosts = c->users_json_private});
    g->report_files = cache_new(REPORT_FILES_MAX, report_file_free);
    g->release = release_new();
    g->prices = prices_new();
    g->paced = paced_clouds_new();
    g->workers = workers_new(g, task_run);
    return g;
}

static int release_leases_tx(struct store_tx *t, void *arg, struct err *e)
{
    (void)arg;
    return store_task_release_all(t, e);
}

int engine_prepare(struct engine *g, struct err *e)
{
    g->began_ms = clock_now_ms() / 1000 * 1000;
    return store_write(g->c.store, release_leases_tx, NULL, e) || leap_at_start(g->c.store, LATEST_MS, e) ||
                   store_write(g->c.store, breaker_start_tx, g, e) || store_write(g->c.store, room_start_tx, g, e) ||
                   store_write(g->c.store, standing_tx, g, e)
               ? -1
               : 0;
}

int engine_start(struct engine *g, struct err *e)
{
    return engine_prepare(g, e) || workers_start(g->workers, e) ? -1 : 0;
}

void engine_drain(struct engine *g, int64_t grace_ms)
{
    workers_drain(g->workers, grace_ms);
}

void engine_free(struct engine *g)
{
    if (g == NULL)
        return;
    workers_free(g->workers);
    release_free(g->release);
    prices_free(g->prices);
    paced_clouds_free(g->paced);
    people_free(g->people);
    lookup_close(g);
    cache_free(g->report_files);
    OPENSSL_cleanse(g->seal_key, sizeof(g->seal_key));
    free(g);
}
