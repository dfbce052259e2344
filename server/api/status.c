#include "server/api/status.h"

#include "server/api/agent.h"
#include "server/api/webhook.h"
#include "server/base/metric.h"
#include "server/store/store_room.h"

#define METRICS_MAX_BYTES (4 * 1024 * 1024)

static const struct metric_desc machines = {METRIC_GAUGE, "muster_machines", "Machines that are not gone, by state",
                                            "state", NULL};
static const struct metric_desc jobs_waiting = {METRIC_GAUGE, "muster_queue_jobs",
                                                "Jobs that wait for room under the limits", NULL, NULL};

struct measured {
    int64_t machines[M_GONE + 1], waiting;
};

enum MHD_Result status_health(struct request *r)
{
    return answer_send(r->x->answers, r->mhd, ANSWER_ALIVE);
}

enum MHD_Result status_ready(struct request *r)
{
    struct err e;

    if (r->x->stopping)
        return answer_send(r->x->answers, r->mhd, ANSWER_STOPPING);
    if (r->x->conf.store != NULL && store_health(r->x->conf.store, &e))
        return answer_error(r->x->answers, r->mhd, MHD_HTTP_SERVICE_UNAVAILABLE, e.msg);
    return answer_send(r->x->answers, r->mhd, ANSWER_READY);
}

/* Two small reads, by indexes that hold only what is under way. */
static int measure_tx(struct store_tx *t, void *arg, struct err *e)
{
    struct measured *m = arg;

    return store_machine_counts(t, m->machines, e) || store_queue_jobs(t, 0, &m->waiting, e) ? -1 : 0;
}

static void measure_store(struct store *s)
{
    struct measured m = {.waiting = 0};
    struct err e;

    if (s == NULL || store_read(s, measure_tx, &m, &e))
        return;
    metric_set(&jobs_waiting, NULL, (double)m.waiting);
    for (int i = 0; i < M_GONE; i++)
        metric_set(&machines, machine_state_name((enum machine_state)i), (double)m.machines[i]);
}

enum MHD_Result status_metrics(struct request *r)
{
    AUTO_BUF struct buf text = BUF_INIT(METRICS_MAX_BYTES);

    webhook_measure(r->x);
    agent_measure(r->x);
    measure_store(r->x->conf.store);
    metric_expose(&text);
    return answer_text(r->x->answers, r->mhd, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

bool status_is_permitted(const struct request *r)
{
    return r->x->conf.admin_token == NULL || request_bears(r, r->x->conf.admin_token);
}
