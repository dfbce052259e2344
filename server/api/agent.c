#include "server/api/agent.h"

#include "providers/common/agent_order.h"
#include "server/api/agent_message.h"
#include "server/api/peer.h"
#include "server/base/json.h"
#include "server/base/log.h"
#include "server/base/metric.h"

#include <string.h>

#define ANSWER_MAX ((size_t)8 * 1024 * 1024)

static const struct metric_desc requests = {METRIC_COUNTER, "muster_agent_requests_total",
                                            "Requests of agents by the code of their answer", "code", NULL};
static const struct metric_desc agents_now = {METRIC_GAUGE, "muster_agents", "Agents heard of in the last two minutes",
                                              NULL, NULL};

void agent_measure(const struct api_context *x)
{
    if (x->conf.agents != NULL)
        metric_set(&agents_now, NULL, (double)agent_hub_live(x->conf.agents));
}

void agent_refused(struct request *r, unsigned code, const char *reason)
{
    char client[PEER_MAX];

    metric_add(&requests, answer_code_label(code), 1);
    if (r->logged || !request_may_log(r->x))
        return;
    r->logged = true;
    peer_name(r->mhd, client);
    log_warn(EV("agent.refused"), FI("code", code), FS("error", reason), FS("client", client),
             FI("unlogged", r->x->refusals.dropped));
    r->x->refusals.dropped = 0;
}

void agent_begin(struct request *r)
{
    const struct api_conf *c = &r->x->conf;

    if (c->agents == NULL || c->agent_token == NULL)
        request_decide(r, ANSWER_NOT_FOUND);
    else if (!request_bears(r, c->agent_token))
        request_decide(r, ANSWER_NO_AGENT_TOKEN);
}

void agent_body(struct request *r, const void *data, size_t len)
{
    if (r->received > AGENT_BODY_MAX || r->received > r->x->conf.max_body)
        request_decide(r, ANSWER_TOO_LARGE);
    else if (!request_body_add(r, data, len))
        request_decide(r, ANSWER_BUSY);
}

/* --- what we say ------------------------------------------------------------------------------------------------- */

static int add_order(json_t *list, const struct agent_order *o, struct err *e)
{
    AUTO_JSON json_t *j = NULL;

    if (agent_order_pack(o, &j, e))
        return err_wrap(e, "%s", o->vm);
    json_array_append(list, j);
    return 0;
}

static int add_delete(json_t *list, const char *vm, struct err *e)
{
    AUTO_JSON json_t *j = NULL;

    if (js_pack(e, &j, "{s:s}", "name", vm))
        return -1;
    json_array_append(list, j);
    return 0;
}

static int render(const struct agent_answer *a, struct buf *out, struct err *e)
{
    json_t *provision, *deletes;
    AUTO_JSON json_t *j = NULL;

    if (js_pack(e, &j, "{s:[], s:[]}", "runners_to_provision", "runners_to_delete") ||
        js_arr(j, "runners_to_provision", &provision, e) || js_arr(j, "runners_to_delete", &deletes, e))
        return -1;
    for (size_t i = 0; i < a->n_orders; i++) {
        if (add_order(provision, &a->orders[i], e))
            return -1;
    }
    for (size_t i = 0; i < a->n_deletes; i++) {
        if (add_delete(deletes, a->deletes[i], e))
            return -1;
    }
    return js_dump_buf(j, out, e);
}

/* --- what they say ----------------------------------------------------------------------------------------------- */

static int hear(struct agent_hub *hub, const struct agent_message *m, struct agent_answer *out, bool *last,
                struct err *e)
{
    switch (m->kind) {
    case AGENT_POLL:
        return agent_hub_poll(hub, &m->agent, out, e);
    case AGENT_REPORT:
        return agent_hub_report(hub, &m->agent, m->vms, m->n_vms, out, e);
    case AGENT_FAILURE:
        return agent_hub_failed(hub, &m->agent, m->failed_vm, m->why, m->attempt, out, last, e);
    }
    return err_set(e, ERR_BUG, "an agent's message of no kind");
}

/* The agent's words go into the machine's own reason, where what they may not hold is masked; here only the fact. */
static void tell(const struct agent_hub *hub, const struct agent_message *m, const struct agent_answer *a, bool last)
{
    const char *machine = m->kind == AGENT_FAILURE ? agent_hub_machine_of(hub, m->failed_vm) : NULL;

    if (a->is_new)
        log_info(EV("agent.connected"), FS("agent", m->agent.hostname), FS("os", m->agent.os),
                 FS("arch", m->agent.arch));
    if (machine != NULL)
        log_warn(EV("agent.failed"), FS("agent", m->agent.hostname), FS("machine", machine), FI("attempt", m->attempt),
                 FB("last", last));
}

static enum MHD_Result refuse(struct request *r, const struct err *e)
{
    unsigned code = MHD_HTTP_INTERNAL_SERVER_ERROR;

    if (e->kind == ERR_INVALID)
        code = MHD_HTTP_BAD_REQUEST;
    else if (e->kind == ERR_CAPACITY)
        code = MHD_HTTP_SERVICE_UNAVAILABLE;
    agent_refused(r, code, e->msg);
    return answer_error(r->x->answers, r->mhd, code, e->msg);
}

static enum MHD_Result judge(struct request *r)
{
    AUTO_AGENT_MESSAGE struct agent_message m = {0};
    AUTO_AGENT_ANSWER struct agent_answer a = {0};
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    bool last = false;
    struct err e;

    if (agent_message_parse(r->body.p, r->body.len, r->is_post, &m, &e) || hear(r->x->conf.agents, &m, &a, &last, &e))
        return refuse(r, &e);
    tell(r->x->conf.agents, &m, &a, last);
    if (render(&a, &text, &e)) {
        buf_wipe(&text);
        return refuse(r, &e);
    }
    metric_add(&requests, "200", 1);
    return answer_secret(r->x->answers, r->mhd, &text);
}

enum MHD_Result agent_end(struct request *r)
{
    if (!r->decided && r->body.len == 0)
        request_decide(r, ANSWER_EMPTY);
    if (!r->decided)
        return judge(r);
    if (r->verdict != ANSWER_NOT_FOUND) /* no agents here: one path of many that strangers try */
        agent_refused(r, answer_code(r->verdict), answer_reason(r->verdict));
    return answer_send(r->x->answers, r->mhd, r->verdict);
}
