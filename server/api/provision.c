#include "server/api/provision.h"

#include "server/api/peer.h"
#include "server/base/log.h"
#include "server/base/metric.h"

#include <string.h>

#define A_SECOND 50 /* a whole fleet may start at once; nobody guesses names at this pace */
#define NAME_MAX_LEN 63
#define QUERY "runner_name"

static const struct metric_desc requests = {METRIC_COUNTER, "muster_provision_requests_total",
                                            "Requests of machines for their bootstrap by the code of their answer",
                                            "code", NULL};

void provision_refused(struct request *r, unsigned code, const char *reason)
{
    char client[PEER_MAX];

    metric_add(&requests, answer_code_label(code), 1);
    if (r->logged || !request_may_log(r->x))
        return;
    r->logged = true;
    peer_name(r->mhd, client);
    log_warn(EV("provision.refused"), FI("code", code), FS("error", reason), FS("client", client),
             FI("unlogged", r->x->refusals.dropped));
    r->x->refusals.dropped = 0;
}

static bool too_many(struct api_context *x)
{
    if (x->now_ms / 1000 != x->provisions.second) {
        x->provisions.second = x->now_ms / 1000;
        x->provisions.n = 0;
    }
    return ++x->provisions.n > A_SECOND;
}

/* Each is compared, so that the time does not tell which it is. */
static bool is_entitled(const struct request *r)
{
    const struct api_conf *c = &r->x->conf;
    bool yes = false;

    for (size_t i = 0; i < c->n_api_tokens; i++)
        yes = request_bears(r, c->api_tokens[i]) || yes;
    return yes;
}

void provision_begin(struct request *r)
{
    const struct api_conf *c = &r->x->conf;

    if (c->provision == NULL || c->n_api_tokens == 0)
        request_decide(r, ANSWER_NOT_FOUND);
    else if (!is_entitled(r)) /* who only knocks is counted, and keeps no machine from its bootstrap */
        request_decide(r, too_many(r->x) ? ANSWER_TOO_MANY : ANSWER_NO_API_TOKEN);
}

/* As we make them; a NUL in it ends no name. */
static bool is_name(const char *name, size_t len)
{
    return len <= NAME_MAX_LEN && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static enum MHD_Result refuse(struct request *r, enum answer_id id)
{
    provision_refused(r, answer_code(id), answer_reason(id));
    return answer_send(r->x->answers, r->mhd, id);
}

static enum MHD_Result ask(struct request *r)
{
    const struct api_conf *c = &r->x->conf;
    const char *name = NULL;
    size_t len = 0;

    (void)MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, QUERY, sizeof(QUERY) - 1, &name, &len);
    if (name == NULL || len == 0)
        return refuse(r, ANSWER_NO_RUNNER_NAME);
    if (!is_name(name, len))
        return refuse(r, ANSWER_NO_SUCH_MACHINE);
    r->provisions = true;
    r->handover = handover_new(r->x->queue, r);
    conn_move(r->conns, r->conn, CONN_WAITING, r->x->now_ms);
    c->provision(c->provision_arg, name, handover_provisioned, r->handover);
    return MHD_YES;
}

enum MHD_Result provision_end(struct request *r)
{
    if (r->handover != NULL)
        return request_wait(r);
    if (r->script != NULL) {
        metric_add(&requests, "200", 1);
        return answer_script(r->x->answers, r->mhd, r->script);
    }
    if (r->decided && r->verdict == ANSWER_NOT_FOUND) /* no images fetch here: one path of many that strangers try */
        return answer_send(r->x->answers, r->mhd, r->verdict);
    return r->decided ? refuse(r, r->verdict) : ask(r);
}

static enum answer_id answer_for(enum provision_outcome outcome)
{
    switch (outcome) {
    case PROVISION_EARLY:
        return ANSWER_NOT_LAUNCHED;
    case PROVISION_OVER:
        return ANSWER_FETCHED;
    case PROVISION_GIVEN:
    case PROVISION_UNKNOWN:
        break;
    }
    return ANSWER_NO_SUCH_MACHINE;
}

void provision_came_back(struct request *r, const struct handover_result *got)
{
    if (got->rc != 0) {
        if (request_may_log(r->x))
            log_error(EV("provision.failed"), FE(&got->err));
        r->logged = true;
        request_decide(r, ANSWER_NOT_READ);
    } else if (got->provision == PROVISION_GIVEN) {
        r->script = secret_new(secret_reveal(got->script), secret_len(got->script));
    } else {
        request_decide(r, answer_for(got->provision));
    }
    request_resume(r);
}

void provision_give_up(struct request *r)
{
    handover_abandon(r->handover);
    request_decide(r, ANSWER_NOT_READ);
    request_resume(r);
}
