/* Rate limits, as
 * https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api tells them; windows slide. Texts are
 * GitHub's own. */
#include "server/base/mem.h"
#include "tests/sim/sim_github_priv.h"

#include <stdio.h>
#include <string.h>

#define MINUTE_MS 60000
#define HOUR_MS 3600000

void sim_github_limits(struct sim_github *g, const struct sim_github_limits *l)
{
    gh_lock(g);
    g->limits = *l;
    if (g->limits.per_hour <= 0)
        g->limits.per_hour = 5000;
    gh_unlock(g);
}

static void rate_headers(const struct sim_github *g, const struct gh_installation *in, struct sim_res *rs)
{
    int left = g->limits.per_hour - in->used;

    sim_res_header(rs, "x-ratelimit-limit", "%d", g->limits.per_hour);
    sim_res_header(rs, "x-ratelimit-remaining", "%d", left > 0 ? left : 0);
    sim_res_header(rs, "x-ratelimit-used", "%d", in->used);
    sim_res_header(rs, "x-ratelimit-reset", "%lld", (long long)(in->window_ms / 1000 + 3600));
    sim_res_header(rs, "x-ratelimit-resource", "core");
}

static bool over_creations(struct sim_github *g, struct gh_installation *in, int64_t now)
{
    if (g->limits.creations_per_minute <= 0)
        return false;
    if (now - in->minute_ms >= MINUTE_MS) {
        in->minute_ms = now;
        in->created = 0;
    }
    return ++in->created > g->limits.creations_per_minute;
}

static int spent_since(const struct gh_spent *s, int64_t from_ms)
{
    int sum = 0;

    for (size_t i = s->n; i > s->from && s->at[i - 1].ms > from_ms; i--)
        sum += s->at[i - 1].points;
    return sum;
}

static void spend(struct gh_spent *s, int64_t now, int points)
{
    while (s->from < s->n && s->at[s->from].ms <= now - HOUR_MS)
        s->from++;
    if (s->n == s->cap) {
        s->cap = s->cap > 0 ? s->cap * 2 : 64;
        s->at = mem_realloc_array(s->at, s->cap, sizeof(s->at[0]));
    }
    s->at[s->n].ms = now;
    s->at[s->n++].points = points;
}

static bool over(int limit, const struct gh_spent *s, int64_t window_ms, int points, int64_t now)
{
    return limit > 0 && spent_since(s, now - window_ms) + points > limit;
}

static bool over_secondary(struct sim_github *g, struct gh_installation *in, const struct sim_req *rq, int64_t now)
{
    const struct sim_github_limits *l = &g->limits;
    bool writes = strcmp(rq->method, "GET") != 0;
    bool contents =
        writes && (strstr(rq->raw_path, "/check-runs") != NULL || strstr(rq->raw_path, "/statuses/") != NULL);
    bool is_over = over(l->points_per_minute, &in->points, MINUTE_MS, writes ? 5 : 1, now);

    spend(&in->points, now, writes ? 5 : 1);
    if (contents) {
        is_over = is_over || over(l->contents_per_minute, &in->contents, MINUTE_MS, 1, now) ||
                  over(l->contents_per_hour, &in->contents, HOUR_MS, 1, now);
        spend(&in->contents, now, 1);
    }
    return (strcmp(rq->method, "POST") == 0 && over_creations(g, in, now)) || is_over;
}

static bool refuse_hour(struct sim_github *g, const struct gh_installation *in, struct sim_res *rs)
{
    char text[128];

    rate_headers(g, in, rs);
    (void)snprintf(text, sizeof(text), "API rate limit exceeded for installation ID %lld.", (long long)in->id);
    gh_refuse(rs, 403, text);
    g->limited_by_hour++;
    return false;
}

bool gh_rate(struct sim_github *g, struct gh_installation *in, const struct sim_req *rq, struct sim_res *rs)
{
    int64_t now = gh_now_ms(g);

    if (g->limits.per_hour <= 0)
        return true;
    if (now - in->window_ms >= HOUR_MS) {
        in->window_ms = now;
        in->used = 0;
    }
    if (in->used >= g->limits.per_hour)
        return refuse_hour(g, in, rs);
    in->used++;
    rate_headers(g, in, rs);
    if (!over_secondary(g, in, rq, now))
        return true;
    if (g->limits.wait_s > 0)
        sim_res_header(rs, "Retry-After", "%d", g->limits.wait_s);
    gh_refuse(rs, g->limits.use_429 ? 429 : 403,
              "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.");
    g->limited_by_minute++;
    return false;
}
