/* The operator's policy, and the price that a repository would pay at most, on a chain of candidates: what is not
 * allowed is left out of the plan, with its reason. */
#include "server/base/json.h"
#include "server/engine/engine_int.h"

#include <string.h>

#define WORDS_MAX ((size_t)2000) /* of all reasons together */

/* What the repository itself would pay at most. What has no known price may be cheap enough. */
static int check_own_limit(const struct plan_terms *t, const struct machine_spec *s, double usd, struct err *e)
{
    if (t->max_hourly_usd <= 0 || usd <= t->max_hourly_usd)
        return 0;
    return err_set(e, ERR_INVALID, "muster.max_hourly_price is %.4g USD, and %.60s on %.40s costs %.4g an hour now",
                   t->max_hourly_usd, s->instance_type != NULL ? s->instance_type : "this machine", s->cloud, usd);
}

double sift_most_usd(const struct engine *g, const struct plan *p, size_t i)
{
    double own = p->terms[i].max_hourly_usd, cap = g->c.policy != NULL ? g->c.policy->max_hourly_price : -1;

    if (own <= 0)
        return cap > 0 ? cap : 0;
    return cap > 0 && cap < own ? cap : own;
}

int sift_check(const struct engine *g, const struct plan *p, size_t i, struct err *e)
{
    const struct machine_spec *s = &p->specs[i];
    const struct engine_cloud *cloud = machine_cloud(g, s->cloud);
    const struct provider_ops *ops = cloud != NULL ? cloud->ops : NULL;
    struct provider *provider = cloud != NULL ? cloud->provider : NULL;
    bool matters = p->terms[i].max_hourly_usd > 0 || (g->c.policy != NULL && g->c.policy->max_hourly_price >= 0);
    double usd = -1;

    if (matters && prices_get(g->prices, ops, provider, s, &usd, e)) {
        if (g->c.policy != NULL && g->c.policy->max_hourly_price >= 0) {
            e->kind = e->kind == ERR_INVALID ? ERR_INVALID : ERR_RETRY; /* no word of now is no refusal */
            return -1;
        }
        usd = -1;
    }
    return policy_check(g->c.policy, ops, provider, s, usd, e) || check_own_limit(&p->terms[i], s, usd, e) ? -1 : 0;
}

/* What a refusal is about: "candidate 2 (aws us-east-1 p4d.24xlarge): ...". */
static void add_words(struct buf *words, size_t number, const struct machine_spec *s, const struct err *why,
                      size_t *unsaid)
{
    if (words->len + strlen(why->msg) + 200 > WORDS_MAX) {
        ++*unsaid;
        return;
    }
    buf_addf(words, "%scandidate %zu (%.40s%s%.60s %.60s%s): %s", words->len > 0 ? "; " : "", number, s->cloud,
             s->region != NULL ? " " : "", s->region != NULL ? s->region : "",
             s->instance_type != NULL ? s->instance_type : "?", s->spot ? " spot" : "", why->msg);
}

/* The candidates that are allowed, as a plan. */
static int keep_allowed(const struct engine *g, const struct plan *p, json_t *kept, struct buf *words, struct err *e)
{
    const json_t *all = json_object_get(p->doc, "candidates");
    struct err later = {.kind = ERR_NONE};
    size_t unsaid = 0;

    for (size_t i = 0; i < p->n; i++) {
        struct err why;

        if (sift_check(g, p, i, &why) == 0) {
            if (json_array_append(kept, json_array_get(all, i)) != 0)
                return err_set(e, ERR_BUG, "a candidate could not be kept");
        } else {
            if (err_is_passing(&why))
                later = why;
            add_words(words, i + 1, &p->specs[i], &why, &unsaid);
        }
    }
    if (unsaid > 0)
        buf_addf(words, "; and %zu more", unsaid);
    if (json_array_size(kept) > 0 || later.kind == ERR_NONE)
        return 0;
    *e = later; /* nothing is left, but only for now */
    return -1;
}

int sift_plan(const struct engine *g, char **plan, char **skipped, struct err *e)
{
    AUTO_JSON json_t *kept = json_array(), *doc = NULL;
    AUTO_BUF struct buf words = BUF_INIT(WORDS_MAX + 100);
    AUTO_PLAN struct plan p = {0};
    AUTO_FREE char *fresh = NULL;

    if (plan_parse(*plan, &p, e) || keep_allowed(g, &p, kept, &words, e))
        return -1;
    if (json_array_size(kept) == p.n)
        return 0;
    doc = json_copy(p.doc); /* whatever else the plan says stays */
    (void)json_object_set(doc, "candidates", kept);
    if (json_array_size(kept) > 0 && js_dump(doc, &fresh, e))
        return -1;
    if (buf_take(&words, skipped, e))
        return -1;
    free(*plan);
    *plan = fresh;
    fresh = NULL;
    return 0;
}
