/*
 * muster.order: the candidates of a runner by what they cost now, or by how fast they came up lately. The order is
 * fixed when the job is admitted, as the rest of its plan is; candidates that nothing is known of keep their places
 * behind the others.
 */
#include "server/engine/rank.h"
#include "server/base/clock.h"
#include "server/base/json.h"
#include "server/base/log.h"
#include "server/base/mem.h"
#include "server/engine/breaker.h"
#include "server/store/store_speed.h"

#include <stdio.h>
#include <string.h>

#define UNKNOWN 1e18
#define REFUSED 1e19                /* on top: it has had no room a moment ago */
#define REFUSED_MS (10 * 60 * 1000) /* how long a refusal is held against it, when the cloud does not say */

int64_t terms_lifetime_ms(const struct engine *g, const struct plan *p, size_t i)
{
    int64_t own = p->terms[i].lifetime_s * 1000;

    return own > 0 && own < g->c.lifetime_ms ? own : g->c.lifetime_ms;
}

int64_t terms_boot_deadline_ms(const struct engine *g, const struct plan *p, size_t i)
{
    int64_t own = p->terms[i].boot_deadline_s * 1000;

    return own > 0 && own < g->c.boot_deadline_ms ? own : g->c.boot_deadline_ms;
}

void rank_key(const struct machine_spec *s, char out[400])
{
    (void)snprintf(out, 400, "%.40s %.100s %.200s%s", s->cloud, s->region != NULL ? s->region : "-",
                   s->instance_type != NULL ? s->instance_type : "-", s->spot ? " spot" : "");
}

/* --- what is known ---------------------------------------------------------------------------------------------- */

struct speeds {
    const struct plan *p;
    double *weight;
    int64_t now_ms;
};

static int speeds_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct speeds *s = arg;

    for (size_t i = 0; i < s->p->n; i++) {
        struct store_speed known;
        char key[400];

        if (s->p->terms[i].order != CIRUN_FASTEST)
            continue;
        rank_key(&s->p->specs[i], key);
        if (store_speed_get(t, key, &known, e))
            return -1;
        s->weight[i] = known.boot_ms > 0 ? (double)known.boot_ms : UNKNOWN;
        if (known.refused_until_ms > s->now_ms)
            s->weight[i] += REFUSED;
    }
    return 0;
}

/* The lighter, the earlier. */
static int weigh(struct engine *g, const struct plan *p, double *weight, struct err *e)
{
    struct speeds s = {p, weight, clock_now_ms()};
    struct err why;

    for (size_t i = 0; i < p->n; i++) {
        const struct engine_cloud *cloud = machine_cloud(g, p->specs[i].cloud);

        if (p->terms[i].order != CIRUN_CHEAPEST)
            continue;
        if (cloud == NULL || prices_get(g->prices, cloud->ops, cloud->provider, &p->specs[i], &weight[i], &why) ||
            weight[i] < 0)
            weight[i] = UNKNOWN;
    }
    return store_read(g->c.store, speeds_tx, &s, e);
}

/* --- the order -------------------------------------------------------------------------------------------------- */

static const char *runner_of(const json_t *list, size_t i)
{
    const char *name = json_string_value(json_object_get(json_array_get(list, i), "runner"));

    return name != NULL ? name : "";
}

/* Insertion keeps equals in their order; a chain has 64 candidates at most. */
static void sort(const double *weight, size_t *at, size_t from, size_t to)
{
    for (size_t i = from + 1; i < to; i++) {
        size_t one = at[i], k = i;

        for (; k > from && weight[at[k - 1]] > weight[one]; k--)
            at[k] = at[k - 1];
        at[k] = one;
    }
}

/* Each run of candidates of one runner by itself: runners stay in the file's order. */
static json_t *sorted(const struct plan *p, const double *weight)
{
    const json_t *list = json_object_get(p->doc, "candidates");
    AUTO_FREE size_t *at = mem_calloc(p->n, sizeof(*at));
    json_t *out = json_array();

    for (size_t i = 0; i < p->n; i++)
        at[i] = i;
    for (size_t from = 0, to; from < p->n; from = to) {
        for (to = from + 1; to < p->n && strcmp(runner_of(list, from), runner_of(list, to)) == 0;)
            to++;
        if (p->terms[from].order != CIRUN_LISTED)
            sort(weight, at, from, to);
    }
    for (size_t i = 0; i < p->n; i++)
        (void)json_array_append(out, json_array_get(list, at[i]));
    return out;
}

static bool asks(const struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->terms[i].order != CIRUN_LISTED)
            return true;
    }
    return false;
}

int rank_plan(struct engine *g, char **plan, struct err *e)
{
    AUTO_PLAN struct plan p = {0};
    AUTO_FREE double *weight = NULL;
    AUTO_JSON json_t *doc = NULL;
    char *fresh = NULL;

    if (plan_parse(*plan, &p, e))
        return -1;
    if (!asks(&p))
        return 0;
    weight = mem_calloc(p.n, sizeof(*weight));
    if (weigh(g, &p, weight, e))
        return -1;
    doc = json_copy(p.doc);
    (void)json_object_set_new(doc, "candidates", sorted(&p, weight));
    if (js_dump(doc, &fresh, e))
        return -1;
    free(*plan);
    *plan = fresh;
    return 0;
}

/* --- what is learnt --------------------------------------------------------------------------------------------- */

int rank_booted_tx(struct store_tx *t, const struct engine *g, const struct machine *m, int64_t now_ms, struct err *e)
{
    AUTO_PLAN struct plan p = {0};
    struct err ignored;
    char key[400];
    int64_t accepted_ms;

    if (plan_parse(m->plan_json, &p, &ignored) || m->candidate < 0 || (size_t)m->candidate >= p.n)
        return 0;
    if (breaker_booted_tx(t, g, m, &p, e))
        return -1;
    accepted_ms = m->boot_deadline_ms - terms_boot_deadline_ms(g, &p, (size_t)m->candidate);
    if (accepted_ms <= 0 || accepted_ms > now_ms) /* the clock was set */
        return 0;
    rank_key(&p.specs[m->candidate], key);
    return store_speed_booted(t, key, now_ms - accepted_ms, now_ms, e);
}

struct refusal {
    char key[400];
    int64_t until_ms, now_ms;
    const struct engine *g;
    const struct machine *m;
    const struct plan *p;
    enum err_kind kind;
};

bool refusal_is_unclear(enum err_kind kind)
{
    return kind == ERR_RETRY || kind == ERR_CONFLICT || kind == ERR_GONE;
}

static int refused_tx(struct store_tx *t, void *arg, struct err *e)
{
    const struct refusal *r = arg;

    if (breaker_release_tx(t, r->g, r->m, e))
        return -1;
    if (r->kind != ERR_CAPACITY && r->kind != ERR_QUOTA)
        return 0;
    if (breaker_refused_tx(t, r->g, r->m, r->p, r->kind, r->now_ms, e))
        return -1;
    return store_speed_refused(t, r->key, r->until_ms, r->now_ms, e);
}

void rank_refused(struct engine *g, const struct machine *m, const struct plan *p, const struct err *refusal)
{
    const struct machine_spec *s = &p->specs[m->candidate];
    struct refusal r = {.now_ms = clock_now_ms(), .g = g, .m = m, .p = p, .kind = refusal->kind};
    struct err e;

    if (refusal_is_unclear(refusal->kind))
        return;
    r.until_ms = r.now_ms + (refusal->retry_after_s > 0 ? (int64_t)refusal->retry_after_s * 1000 : REFUSED_MS);
    rank_key(s, r.key);
    if (store_write(g->c.store, refused_tx, &r, &e))
        log_warn(EV("speed.unsaid"), FS("cloud", s->cloud), FE(&e));
}
