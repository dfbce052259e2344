#include "server/api/status.h"

#include "server/api/agent.h"
#include "server/api/webhook.h"
#include "server/base/metric.h"

#define METRICS_MAX_BYTES (4 * 1024 * 1024)

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

enum MHD_Result status_metrics(struct request *r)
{
    AUTO_BUF struct buf text = BUF_INIT(METRICS_MAX_BYTES);

    webhook_measure(r->x);
    agent_measure(r->x);
    metric_expose(&text);
    return answer_text(r->x->answers, r->mhd, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

bool status_is_permitted(const struct request *r)
{
    return r->x->conf.admin_token == NULL || request_bears(r, r->x->conf.admin_token);
}
