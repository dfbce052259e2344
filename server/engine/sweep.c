/* When and where is swept, and one list of one place against the store: sweep.h. */
#include "server/engine/sweep.h"

#include "server/base/clock.h"
#include "server/base/crypto.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/base/metric.h"
#include "server/base/text.h"
#include "server/engine/pace.h"

#include <stdio.h>
#include <string.h>

#define BATCH 64 /* instances judged together */
#define RENEW_MS ((int64_t)2 * 60 * 1000)
#define INSTANCES_MAX ((size_t)200000) /* in one list: more is a cloud that lies */
#define MISSING_MAX 200                /* machines looked at sooner after one list */
#define REGIONS_AGAIN_MS ((int64_t)60 * 60 * 1000)

static const struct metric_desc sweeps = {METRIC_COUNTER, "muster_sweeps_total",
                                          "Lists of a cloud's region compared with the store, by outcome (ok, or the "
                                          "kind of the failure)",
                                          "outcome", NULL};
static const struct metric_desc strays = {METRIC_GAUGE, "muster_sweep_strays",
                                          "Machines and parts with our tag that no record explains, not gone yet",
                                          "cloud", NULL};
static const struct metric_desc missing = {METRIC_COUNTER, "muster_sweep_missing_total",
                                           "Machines of ours that a complete list lacked, looked at because of it",
                                           NULL, NULL};

/* --- the places --------------------------------------------------------------------------------------------------- */

/* The lists of a cloud without regions are of all there is. */
static bool has_regions(const struct engine *g, const char *cloud)
{
    const struct engine_cloud *c = machine_cloud(g, cloud);

    return c != NULL && c->ops->regions != NULL;
}

int sweep_note(struct store_tx *t, const struct engine *g, const struct machine *m, struct err *e)
{
    return store_place_put(t, m->cloud, has_regions(g, m->cloud) ? m->region : "", clock_now_ms(), e);
}

struct learning {
    const struct engine *g;
    const char *cloud;
    char (*names)[64];
    size_t n;
    int64_t used_ms, now_ms;
};

static int see_region(void *arg, const char *region, struct err *e)
{
    struct learning *l = arg;

    if (l->n == 1000)
        return err_set(e, ERR_RETRY, "%s: regions without end", l->cloud);
    if (strlen(region) >= sizeof(l->names[0]))
        return 0; /* no spec can name it */
    if ((l->n & (l->n - 1)) == 0)
        l->names = mem_realloc_array(l->names, l->n > 0 ? l->n * 2 : 1, sizeof(*l->names));
    (void)snprintf(l->names[l->n++], sizeof(l->names[0]), "%s", region);
    return 0;
}

static void regions_key(const char *cloud, char out[80])
{
    (void)snprintf(out, 80, "sweep.regions.%.40s", cloud);
}

static int learned_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct learning *l = arg;
    char key[80], text[24];

    regions_key(l->cloud, key);
    (void)snprintf(text, sizeof(text), "%lld", (long long)l->now_ms);
    for (size_t i = 0; i < l->n; i++) {
        if (store_place_put(t, l->cloud, l->names[i], l->used_ms, e))
            return -1;
    }
    return store_meta_put(t, key, text, e);
}

/* Regions that the account may use, once a day. A cloud that does not tell leaves the default one, and those where
 * something was launched. */
static int learn_regions(struct engine *g, const struct engine_cloud *cloud, struct err *e)
{
    struct learning l = {.g = g, .cloud = cloud->ops->name, .now_ms = clock_now_ms()};
    struct err cause;
    int rc;

    if (cloud->ops->regions == NULL || cloud->ops->regions(cloud->provider, see_region, &l, &cause)) {
        if (cloud->ops->regions != NULL) {
            log_warn(EV("sweep.regions_unknown"), FS("cloud", cloud->ops->name), FE(&cause));
            l.now_ms += REGIONS_AGAIN_MS - SWEEP_SELDOM_MS;
        }
        l.n = 0;
    }
    if (l.n == 0) {
        (void)see_region(&l, "", &cause);
        l.used_ms = l.now_ms;
    }
    rc = workers_write(g, learned_tx, &l, e);
    free(l.names);
    return rc;
}

struct asked {
    const char *cloud;
    int64_t at_ms;
};

static int asked_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct asked *a = arg;
    char key[80];
    AUTO_FREE char *text = NULL;
    struct err ignored;

    a->at_ms = 0;
    regions_key(a->cloud, key);
    if (store_meta_get(t, key, &text, e))
        return -1;
    if (text != NULL && text_i64(text, INT64_MIN + 1, INT64_MAX, &a->at_ms, &ignored))
        a->at_ms = 0;
    return 0;
}

struct planning {
    struct engine *g;
    struct store_tx *t;
    int64_t now_ms;
};

static int plan_place(void *arg, const struct store_place *p, struct err *e)
{
    const struct planning *pl = arg;
    int64_t every = p->used_ms + SWEEP_USED_MS > pl->now_ms ? SWEEP_EVERY_MS : SWEEP_SELDOM_MS;
    char subject[32];

    /* a clock that was set back must not stop it */
    if (machine_cloud(pl->g, p->cloud) == NULL || (p->region[0] != '\0' && !has_regions(pl->g, p->cloud)) ||
        (p->swept_ms + every > pl->now_ms + RENEW_MS && p->swept_ms <= pl->now_ms))
        return 0;
    (void)snprintf(subject, sizeof(subject), "at %lld", (long long)p->id);
    return store_task_put(pl->t, TASK_SWEEP, subject, TASK_CHECK, pl->now_ms, e);
}

static int plan_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct planning *pl = arg;

    pl->t = t;
    return store_places(t, plan_place, pl, e);
}

static int plan_places(struct engine *g, struct task_next *next, struct err *e)
{
    struct planning pl = {.g = g, .now_ms = clock_now_ms()};

    for (size_t i = 0; i < g->c.n_clouds; i++) {
        struct asked a = {.cloud = g->c.clouds[i].ops->name};

        if (store_read(g->c.store, asked_tx, &a, e))
            return -1;
        if ((a.at_ms + SWEEP_SELDOM_MS <= pl.now_ms || a.at_ms > pl.now_ms) && learn_regions(g, &g->c.clouds[i], e))
            return -1;
    }
    *next = (struct task_next){clock_now_ms() + SWEEP_EVERY_MS, TASK_CHECK, false};
    return workers_write(g, plan_tx, &pl, e);
}

/* --- one list ------------------------------------------------------------------------------------------------------
 */

struct round {
    struct engine *g;
    const struct task *task;
    struct store_place place;
    int64_t mark, renewed_ms;
    struct instance batch[BATCH];
    bool strange[BATCH]; /* of the batch: not explained when it was looked at */
    size_t n_batch, n, n_strange;
    uint64_t *seen; /* hashes of the names that the list showed */
    size_t n_seen;
};

static uint64_t name_hash(const char *name)
{
    unsigned char digest[CRYPTO_SHA256_LEN];
    uint64_t h;

    crypto_sha256(name, strlen(name), digest);
    memcpy(&h, digest, sizeof(h));
    return h;
}

static void note_seen(struct round *r, const char *name)
{
    if ((r->n_seen & (r->n_seen - 1)) == 0)
        r->seen = mem_realloc_array(r->seen, r->n_seen > 0 ? r->n_seen * 2 : 1, sizeof(*r->seen));
    r->seen[r->n_seen++] = name_hash(name);
}

static int judge(struct store_tx *t, const struct instance *i, enum sweep_what *what, struct store_trace *record,
                 struct err *e)
{
    bool found;

    if (store_trace_get(t, i->name, record, &found, e))
        return -1;
    *what = sweep_judge(found ? record : NULL, i->id, i->part);
    return 0;
}

/* Reads only: most batches hold nothing but what is known. */
static int look_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct round *r = arg;

    for (size_t i = 0; i < r->n_batch; i++) {
        const struct instance *one = &r->batch[i];
        struct store_trace record = {.state = M_GONE};
        enum sweep_what what;

        if (judge(t, one, &what, &record, e))
            return -1;
        /* off: its own task has to do with it now; one that ends has its task, and its pauses, already */
        r->strange[i] = what != SWEEP_EXPLAINED ||
                        (one->state == INSTANCE_STOPPED && record.state >= M_BOOTING && record.state < M_ENDING);
    }
    return 0;
}

static int note_stray(struct store_tx *t, const struct round *r, const struct instance *i, struct err *e)
{
    struct store_stray s = {.place_id = r->place.id,
                            .job_id = i->job_id,
                            .created_ms = i->created_ms,
                            .expires_ms = i->expires_ms,
                            .part = i->part,
                            .mark = r->mark};

    (void)snprintf(s.cloud, sizeof(s.cloud), "%s", r->place.cloud);
    (void)snprintf(s.region, sizeof(s.region), "%s", i->region);
    (void)snprintf(s.instance_id, sizeof(s.instance_id), "%s", i->id);
    (void)snprintf(s.name, sizeof(s.name), "%s", i->name);
    (void)snprintf(s.repo, sizeof(s.repo), "%s", i->repo);
    return store_stray_see(t, &s, e);
}

static int note_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct round *r = arg;

    if (store_task_renew(t, r->task, clock_now_ms() + LEASE_MS, e))
        return -1;
    for (size_t i = 0; i < r->n_batch; i++) {
        const struct instance *one = &r->batch[i];
        struct store_trace record = {.state = M_GONE};
        enum sweep_what what;

        if (!r->strange[i])
            continue;
        if (judge(t, one, &what, &record, e))
            return -1;
        if (what != SWEEP_EXPLAINED ? note_stray(t, r, one, e)
                                    : store_task_put(t, TASK_MACHINE, one->name, TASK_CHECK, clock_now_ms(), e))
            return -1;
    }
    return 0;
}

static int judge_batch(struct round *r, struct err *e)
{
    bool any = clock_now_ms() >= r->renewed_ms + RENEW_MS;

    if (store_read(r->g->c.store, look_tx, r, e))
        return -1;
    for (size_t i = 0; i < r->n_batch; i++) {
        any = any || r->strange[i];
        r->n_strange += r->strange[i] ? 1 : 0;
    }
    if (any) {
        if (store_write(r->g->c.store, note_tx, r, e))
            return -1;
        r->renewed_ms = clock_now_ms();
    }
    r->n_batch = 0;
    return 0;
}

static int see_instance(void *arg, const struct instance *i, struct err *e)
{
    struct round *r = arg;

    if (++r->n > INSTANCES_MAX)
        return err_set(e, ERR_RETRY, "%s: more than %zu instances in one list", r->place.cloud, INSTANCES_MAX);
    note_seen(r, i->name);
    if (i->state == INSTANCE_GONE || i->state == INSTANCE_ENDING)
        return 0; /* ending already; its record's own task asks until it is gone */
    r->batch[r->n_batch++] = *i;
    return r->n_batch == BATCH ? judge_batch(r, e) : 0;
}

/* --- what follows from a complete list ------------------------------------------------------------------------------
 */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Machines that are up by their records and that the list lacks: the cloud is asked for each alone, soon. */
struct lacking {
    const struct round *r;
    struct store_tx *t;
    bool regions; /* the list was of one region */
    char after[64];
    size_t n_page, n;
    int64_t now_ms;
};

static bool was_seen(const struct round *r, const char *name)
{
    uint64_t h = name_hash(name);

    return r->n_seen > 0 && bsearch(&h, r->seen, r->n_seen, sizeof(h), by_hash) != NULL;
}

static int look_sooner(void *arg, const struct store_trace *m, struct err *e)
{
    struct lacking *l = arg;

    l->n_page++;
    (void)snprintf(l->after, sizeof(l->after), "%s", m->name);
    if (l->n == MISSING_MAX || (l->regions && strcmp(m->region, l->r->place.region) != 0) ||
        m->launched_ms + SWEEP_GRACE_MS > l->r->mark || m->instance_id[0] == '\0' || was_seen(l->r, m->name))
        return 0;
    l->n++;
    return store_task_put(l->t, TASK_MACHINE, m->name, m->state == M_ENDING ? TASK_TEARDOWN : TASK_CHECK, l->now_ms, e);
}

static int find_lacking(struct store_tx *t, const struct round *r, size_t *n, struct err *e)
{
    struct lacking l = {.r = r, .t = t, .regions = has_regions(r->g, r->place.cloud), .now_ms = clock_now_ms()};

    do {
        l.n_page = 0;
        if (store_traces(t, r->place.cloud, l.after, BATCH, look_sooner, &l, e))
            return -1;
    } while (l.n_page == BATCH && l.n < MISSING_MAX);
    *n = l.n;
    return 0;
}

struct outcome {
    struct round *r;
    struct store_tx *t;
    size_t n_missing, n_condemned;
    int64_t now_ms, n_strays;
};

static int condemn(void *arg, const struct store_stray *s, struct err *e)
{
    struct outcome *o = arg;

    o->n_condemned++;
    return o->n_condemned > SWEEP_AT_ONCE ? 0 : sweep_condemn(o->t, s, o->now_ms, e);
}

static int complete_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct outcome *o = arg;
    const struct round *r = o->r;

    o->t = t;
    o->n_condemned = 0;
    if (store_task_renew(t, r->task, o->now_ms + LEASE_MS, e) ||
        store_strays_settle(t, r->place.id, r->mark, o->now_ms, e) || store_place_swept(t, r->place.id, o->now_ms, e) ||
        find_lacking(t, r, &o->n_missing, e))
        return -1;
    return store_strays_due(t, r->place.id, o->now_ms - SWEEP_GRACE_MS, SWEEP_AT_ONCE + 1, condemn, o, e) ||
                   store_strays_count(t, r->place.cloud, &o->n_strays, e)
               ? -1
               : 0;
}

static int complete(struct round *r, struct err *e)
{
    struct outcome o = {.r = r, .now_ms = clock_now_ms()};

    if (r->n_seen > 0)
        qsort(r->seen, r->n_seen, sizeof(*r->seen), by_hash);
    if (workers_write(r->g, complete_tx, &o, e))
        return -1;
    metric_add(&sweeps, "ok", 1);
    metric_add(&missing, NULL, (double)o.n_missing);
    metric_set(&strays, r->place.cloud, (double)o.n_strays);
    log_info(EV("sweep.finished"), FS("cloud", r->place.cloud), FS("region", r->place.region),
             FI("count", (int64_t)r->n), FI("strays", o.n_strays), FI("missing", (int64_t)o.n_missing));
    if (o.n_condemned > SWEEP_AT_ONCE)
        log_error(EV("sweep.limited"), FS("cloud", r->place.cloud), FS("region", r->place.region),
                  FI("count", SWEEP_AT_ONCE),
                  FS("error", "more machines with our tag than that are explained by no record: is another muster "
                              "running under the same server.deployment, or was the store restored from a backup? The "
                              "others follow in the next rounds; `muster sweep --dry-run` lists them"));
    return 0;
}

static int abandon_tx(struct store_tx *t, void *arg, struct err *e)
{
    return store_strays_abandon(t, *(const int64_t *)arg, e);
}

/* Nothing is concluded from it. */
static int failed(struct round *r, const struct err *cause, struct task_next *next, struct err *e)
{
    int64_t wait_ms = workers_backoff_ms(r->task->attempts, 60 * 1000, SWEEP_EVERY_MS);

    if (cause->retry_after_s > 0)
        wait_ms = (int64_t)cause->retry_after_s * 1000;
    metric_add(&sweeps, err_kind_name(cause->kind), 1);
    log_warn(EV("sweep.failed"), FS("cloud", r->place.cloud), FS("region", r->place.region), FI("count", (int64_t)r->n),
             FE(cause));
    *next = (struct task_next){clock_now_ms() + wait_ms, TASK_CHECK, true};
    return workers_write(r->g, abandon_tx, &r->place.id, e);
}

struct reading {
    int64_t id;
    struct store_place *place;
    bool found;
};

static int read_place_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct reading *r = arg;

    return store_place_get(t, r->id, r->place, &r->found, e);
}

static void round_free(struct round **r)
{
    free((*r)->seen);
    free(*r);
}

static int sweep_place(struct engine *g, int64_t id, const struct task *task, struct task_next *next, struct err *e)
{
    AUTO(round_free) struct round *r = mem_zalloc(sizeof(*r));
    struct reading rd = {id, &r->place, false};
    const struct engine_cloud *cloud;
    struct err cause;

    if (store_read(g->c.store, read_place_tx, &rd, e))
        return -1;
    cloud = rd.found ? machine_cloud(g, r->place.cloud) : NULL;
    if (cloud == NULL)
        return 0;
    r->g = g;
    r->task = task;
    r->mark = r->renewed_ms = clock_now_ms();
    if (pace_list(g, cloud, r->place.region[0] != '\0' ? r->place.region : NULL, see_instance, r, &cause) ||
        (r->n_batch > 0 && judge_batch(r, &cause)))
        return failed(r, &cause, next, e);
    return complete(r, e);
}

/* --- the task --------------------------------------------------------------------------------------------------------
 */

static bool numbered(const char *subject, const char *word, int64_t *id)
{
    struct err ignored;

    return text_has_prefix(subject, word) && text_i64(subject + strlen(word), 1, INT64_MAX, id, &ignored) == 0;
}

int sweep_task(struct engine *g, const struct task *task, struct task_next *next, struct err *e)
{
    int64_t id;

    *next = TASK_NEXT_NONE;
    if (strcmp(task->subject, SWEEP_CLOUDS) == 0)
        return plan_places(g, next, e);
    if (strcmp(task->subject, SWEEP_RUNNERS) == 0)
        return sweep_runners(g, task, next, e);
    if (numbered(task->subject, "at ", &id))
        return sweep_place(g, id, task, next, e);
    if (numbered(task->subject, "end ", &id))
        return sweep_end(g, id, task, next, e);
    return err_set(e, ERR_BUG, "a sweep of \"%.60s\"", task->subject);
}
