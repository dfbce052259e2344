/* The App's delivery log: every attempt, newest first, in pages that a cursor leads through; and asking for another. */
#include "tests/sim/sim_github_log.h"
#include "tests/sim/sim_github_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <stdio.h>
#include <string.h>

#define MAX_PER_PAGE 100
#define REDELIVERABLE_MS (INT64_C(3) * 24 * 3600 * 1000)
#define CURSOR "v1_" /* as GitHub's begin; nobody may rely on it */

static json_t *delivery_json(const struct gh_delivery *d)
{
    const struct gh_job *j = d->what.job;
    char at[32];

    sim_time_iso(d->delivered_ms, at);
    return json_pack("{s:I, s:s, s:s, s:b, s:f, s:s, s:i, s:s, s:s?, s:o, s:o, s:o}", "id", (json_int_t)d->id, "guid",
                     d->guid, "delivered_at", at, "redelivery", d->redelivery, "duration", (double)d->took_ms / 1000,
                     "status", d->status_code >= 200 && d->status_code < 400 ? "OK" : "failed to deliver",
                     "status_code", d->status_code, "event", d->event, "action", d->what.action, "installation_id",
                     j != NULL ? json_integer(j->run->repo->installation->id) : json_null(), "repository_id",
                     j != NULL ? json_integer(j->run->repo->id) : json_null(), "throttled_at",
                     d->throttled ? json_string(at) : json_null());
}

static bool delivery_wanted(const struct gh_delivery *d, const char *status)
{
    bool failed = d->status_code >= 400 && d->status_code <= 599;

    if (!d->done || status == NULL)
        return d->done;
    return strcmp(status, "failure") == 0 ? failed : d->status_code >= 200 && d->status_code < 400;
}

static void link_to(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs, int per_page, int64_t below)
{
    sim_res_header(rs, "Link", "<%s%s?per_page=%d&cursor=" CURSOR "%lld>; rel=\"next\"", sim_http_url(g->http),
                   rq->raw_path, per_page, (long long)below);
}

/* The lying log: page after page, the same again or made up. */
static void answer_endless(struct sim_github *g, const struct sim_req *rq, struct sim_res *rs, int per_page,
                           int64_t below)
{
    int64_t top = below == INT64_MAX ? GH_FIRST_DELIVERY + 1000000 : below;
    json_t *list = json_array();
    char at[32], guid[37];

    sim_time_iso(gh_now_ms(g), at);
    for (int i = 0; i < per_page; i++) {
        sim_rng_guid(&g->rng, guid);
        (void)json_array_append_new(list,
                                    json_pack("{s:I, s:s, s:s, s:b, s:f, s:s, s:i, s:s, s:s, s:n, s:n, s:n}", "id",
                                              (json_int_t)(g->lies.fresh ? top - 1 - i : GH_FIRST_DELIVERY + 500 - i),
                                              "guid", guid, "delivered_at", at, "redelivery", 0, "duration", 0.1,
                                              "status", "OK", "status_code", 202, "event", "workflow_job", "action",
                                              "queued", "installation_id", "repository_id", "throttled_at"));
    }
    link_to(g, rq, rs, per_page, top - per_page);
    sim_res_json(rs, 200, list);
}

static int64_t cursor_arg(const char *cursor)
{
    if (cursor == NULL)
        return INT64_MAX;
    return strncmp(cursor, CURSOR, strlen(CURSOR)) == 0 ? gh_id_arg(cursor + strlen(CURSOR)) : -1;
}

void gh_api_list_deliveries(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    const char *status = sim_req_query(rq, "status");
    int per_page = gh_page_number(g, rq, "per_page", 30, MAX_PER_PAGE);
    int64_t below = cursor_arg(sim_req_query(rq, "cursor"));
    json_t *list;

    (void)repo;
    if (below < 0 || (status != NULL && strcmp(status, "success") != 0 && strcmp(status, "failure") != 0)) {
        gh_violation(g, rq, "bad cursor or status");
        gh_refuse(rs, 422, "Validation Failed");
        return;
    }
    if (g->lies.endless) {
        answer_endless(g, rq, rs, per_page, below);
        return;
    }
    list = json_array();
    for (size_t i = g->n_deliveries; i > 0; i--) {
        const struct gh_delivery *d = g->deliveries[i - 1];

        if (d->id >= below || !delivery_wanted(d, status))
            continue;
        if ((int)json_array_size(list) == per_page) {
            link_to(g, rq, rs, per_page, d->id + 1);
            break;
        }
        (void)json_array_append_new(list, delivery_json(d));
    }
    sim_res_json(rs, 200, list);
}

void gh_api_redeliver(struct sim_github *g, struct gh_repo *repo, const struct sim_req *rq, struct sim_res *rs)
{
    int64_t at = gh_id_arg(rq->arg[0]) - GH_FIRST_DELIVERY;

    (void)repo;
    if (at < 0 || at >= (int64_t)g->n_deliveries) {
        gh_refuse(rs, 404, "Not Found");
        return;
    }
    if (gh_now_ms(g) - g->deliveries[at]->delivered_ms > REDELIVERABLE_MS) {
        gh_violation(g, rq, "a delivery of more than three days ago");
        gh_refuse(rs, 422, "Validation Failed");
        return;
    }
    (void)gh_redeliver(g, g->deliveries[at]);
    sim_res_json(rs, 202, json_object());
}

/* ---- public ---- */

/* The newest delivery of the job with this action, else any. */
static const struct gh_delivery *delivery_of(const struct sim_github *g, const struct gh_job *j, const char *action)
{
    for (size_t i = g->n_deliveries; i > 0; i--) {
        const struct gh_delivery *d = g->deliveries[i - 1];

        if (d->what.job == j && d->what.action != NULL && strcmp(d->what.action, action) == 0)
            return d;
    }
    return NULL;
}

bool sim_github_attempt(struct sim_github *g, const struct sim_attempt *a, char guid[37])
{
    const struct gh_delivery *old;
    struct gh_delivery *n = NULL;
    struct gh_job *j;

    gh_lock(g);
    j = gh_job(g, a->job_id);
    old = j != NULL ? delivery_of(g, j, a->action) : NULL;
    if (j != NULL) {
        n = gh_delivery_new(g, "workflow_job");
        n->what = (struct gh_event){.job = j, .action = a->action, .status = gh_job_status(j)};
        if (old != NULL) {
            memcpy(n->guid, old->guid, sizeof(n->guid));
            n->what = old->what;
            n->what.raw = NULL;
            n->what.runner_name = mem_strdup(old->what.runner_name);
            n->redelivery = true;
        }
        n->done = true;
        n->status_code = a->status_code;
        n->throttled = a->throttled;
        if (a->at_ms != 0)
            n->delivered_ms = a->at_ms;
        if (guid != NULL)
            memcpy(guid, n->guid, sizeof(n->guid));
    }
    gh_unlock(g);
    return n != NULL;
}

void sim_github_log_endless(struct sim_github *g, bool endless, bool fresh)
{
    gh_lock(g);
    g->lies.endless = endless;
    g->lies.fresh = fresh;
    gh_unlock(g);
}
