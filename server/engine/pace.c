#include "server/engine/pace.h"

#include "server/base/budget.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "server/base/metric.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS_MAX 1024
#define THROTTLED_MS 1000 /* when a cloud does not say how long */

static const struct metric_desc paced = {METRIC_COUNTER, "muster_paced_total",
                                         "Calls that were told to come later, before anybody refused them", "what",
                                         NULL};
static const struct metric_desc throttled = {METRIC_COUNTER, "muster_throttled_total",
                                             "Calls that a cloud refused as too many", "what", NULL};

/*
 * Calls a second and at once, for launch, ask (describe and list) and destroy.
 *
 *   aws           https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html: for each account and region;
 *                 RunInstances 5 at once and 2 a second, reading calls 100 and 20, TerminateInstances 100 and 5
 *   gcp           https://cloud.google.com/compute/docs/api-rate-limits: 1,500 a minute of each group; a launch and an
 *                 end also ask for their operation's outcome
 *   azure         https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits (500 a minute to create,
 *                 500 to delete, 8,000 to read) and
 *                 https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
 *                 (10 writes and 10 deletes a second in all, of which a machine takes several), in each region
 *   digitalocean  https://docs.digitalocean.com/reference/api/reference/#section/Introduction/Rate-Limit: 5,000 an hour
 *                 and 250 a minute for each token, whatever the region: divided among the classes
 *
 * OCI, Vast.ai (which has turns of its own, common/pace.h) and OpenStack document no numbers; hosts of one's own have
 * none.
 */
static const struct known {
    const char *cloud;
    bool regional;
    struct budget_rate rates[PACE_CLASSES];
} known[] = {
    {"aws", true, {{2, 5}, {20, 100}, {5, 100}}},
    {"gcp", true, {{8, 60}, {10, 100}, {6, 60}}},
    {"azure", true, {{3, 60}, {20, 200}, {3, 60}}},
    {"digitalocean", false, {{0.4, 50}, {0.6, 50}, {0.3, 50}}},
};

struct bucket {
    char key[128];
    struct budget *budget;
    int64_t used_ms;
};

struct paced_clouds {
    pthread_mutex_t lock;
    struct bucket *all;
    size_t n;
};

struct paced_clouds *paced_clouds_new(void)
{
    struct paced_clouds *p = mem_zalloc(sizeof(*p));

    (void)pthread_mutex_init(&p->lock, NULL);
    return p;
}

void paced_clouds_free(struct paced_clouds *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++)
        budget_free(p->all[i].budget);
    free(p->all);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

/* --- buckets ------------------------------------------------------------------------------------------------------ */

static const struct known *known_of(const struct engine_cloud *cloud)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i].cloud, cloud->ops->name) == 0)
            return &known[i];
    }
    return NULL;
}

static bool is_documented(const struct engine *g, const struct engine_cloud *cloud)
{
    for (size_t i = 0; i < g->c.n_documented; i++) {
        if (strcmp(g->c.documented[i], cloud->ops->name) == 0)
            return true;
    }
    return false;
}

/* The one that was not used the longest begins anew when it is needed. */
static void make_place(struct paced_clouds *p)
{
    size_t oldest = 0;

    for (size_t i = 1; i < p->n; i++)
        oldest = p->all[i].used_ms < p->all[oldest].used_ms ? i : oldest;
    budget_free(p->all[oldest].budget);
    p->all[oldest] = p->all[--p->n];
}

/* With the lock held. */
static struct budget *budget_of(const struct engine *g, const struct engine_cloud *cloud, const char *region,
                                enum pace_class class, int64_t now_ms)
{
    static const struct budget_rate open = {0, 0};
    const struct known *k = known_of(cloud);
    struct paced_clouds *p = g->paced;
    bool regional = k == NULL || k->regional;
    char key[128];

    (void)snprintf(key, sizeof(key), "%.40s %.64s %d", cloud->ops->name, regional && region != NULL ? region : "",
                   (int)class);
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->all[i].key, key) == 0) {
            p->all[i].used_ms = now_ms;
            return p->all[i].budget;
        }
    }
    if (p->n >= BUCKETS_MAX)
        make_place(p);
    p->all = mem_realloc_array(p->all, p->n + 1, sizeof(*p->all));
    memcpy(p->all[p->n].key, key, sizeof(key));
    p->all[p->n].used_ms = now_ms;
    p->all[p->n].budget = budget_new(k != NULL && is_documented(g, cloud) ? &k->rates[class] : &open, now_ms);
    return p->all[p->n++].budget;
}

static const char *what(enum pace_class class)
{
    switch (class) {
    case PACE_LAUNCH:
        return "cloud_launch";
    case PACE_DESTROY:
        return "cloud_destroy";
    case PACE_ASK:
    case PACE_CLASSES:
        break;
    }
    return "cloud_ask";
}

static int64_t take(struct engine *g, const struct engine_cloud *cloud, const char *region, enum pace_class class,
                    const struct budget_ask *a)
{
    int64_t now_ms = clock_mono_ms(), wait_ms;

    (void)pthread_mutex_lock(&g->paced->lock);
    wait_ms = budget_take_ms(budget_of(g, cloud, region, class, now_ms), a, now_ms);
    (void)pthread_mutex_unlock(&g->paced->lock);
    if (wait_ms > 0)
        metric_add(&paced, what(class), 1);
    return wait_ms;
}

static void heard(struct engine *g, const struct engine_cloud *cloud, const char *region, enum pace_class class,
                  const struct err *refusal)
{
    int64_t now_ms = clock_mono_ms();

    if (refusal == NULL || refusal->kind != ERR_THROTTLED)
        return;
    metric_add(&throttled, what(class), 1);
    (void)pthread_mutex_lock(&g->paced->lock);
    budget_throttled(budget_of(g, cloud, region, class, now_ms),
                     refusal->retry_after_s > 0 ? (int64_t)refusal->retry_after_s * 1000 : THROTTLED_MS, now_ms);
    (void)pthread_mutex_unlock(&g->paced->lock);
}

/* --- launches ----------------------------------------------------------------------------------------------------- */

/* FNV-1a: names a machine to the queue, nothing more. */
static uint64_t who_is(const char *name)
{
    uint64_t hash = 14695981039346656037U;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 1099511628211U;
    return hash != 0 ? hash : 1;
}

int64_t pace_launch_ms(struct engine *g, const struct engine_cloud *cloud, const char *region, const struct machine *m)
{
    const struct budget_ask a = {.who = who_is(m->name), .group = m->repo_id, .rank = 1, .cost = 1};

    return take(g, cloud, region, PACE_LAUNCH, &a);
}

void pace_launched(struct engine *g, const struct engine_cloud *cloud, const char *region, const struct err *refusal)
{
    heard(g, cloud, region, PACE_LAUNCH, refusal);
}

/* --- the others -----------------------------------------------------------------------------------------------------
 */

static int not_yet(const struct engine_cloud *cloud, const char *region, int64_t wait_ms, struct err *e)
{
    int rc = err_set(e, ERR_THROTTLED, "the calls that %s allows us%s%.64s are used up for now", cloud->ops->name,
                     region[0] != '\0' ? " in " : "", region);

    e->retry_after_s = (int)((wait_ms + 999) / 1000);
    return rc;
}

int pace_describe(struct engine *g, const struct engine_cloud *cloud, const struct instance *ref, struct instance *out,
                  struct err *e)
{
    const struct budget_ask a = {.rank = 1, .cost = 1}; /* who looks does not come back at a time that he is told */
    int64_t wait_ms = take(g, cloud, ref->region, PACE_ASK, &a);
    int rc;

    if (wait_ms > 0)
        return not_yet(cloud, ref->region, wait_ms, e);
    rc = cloud->ops->describe(cloud->provider, ref, out, e);
    heard(g, cloud, ref->region, PACE_ASK, rc != 0 ? e : NULL);
    return rc;
}

int pace_destroy(struct engine *g, const struct engine_cloud *cloud, const struct instance *ref, bool *asked,
                 struct err *e)
{
    const struct budget_ask a = {.who = who_is(ref->name), .rank = 1, .cost = 1};
    int64_t wait_ms = take(g, cloud, ref->region, PACE_DESTROY, &a);
    int rc;

    if (asked != NULL)
        *asked = wait_ms == 0;
    if (wait_ms > 0)
        return not_yet(cloud, ref->region, wait_ms, e);
    rc = cloud->ops->destroy(cloud->provider, ref, e);
    heard(g, cloud, ref->region, PACE_DESTROY, rc != 0 ? e : NULL);
    return rc;
}

int pace_list(struct engine *g, const struct engine_cloud *cloud, const char *region,
              int (*each)(void *arg, const struct instance *i, struct err *e), void *arg, struct err *e)
{
    const struct budget_ask a = {.rank = 1, .cost = 1};
    const char *where = region != NULL ? region : "";
    int64_t wait_ms = take(g, cloud, where, PACE_ASK, &a);
    int rc;

    if (wait_ms > 0)
        return not_yet(cloud, where, wait_ms, e);
    rc = cloud->ops->list(cloud->provider, region, each, arg, e);
    heard(g, cloud, where, PACE_ASK, rc != 0 ? e : NULL);
    return rc;
}
