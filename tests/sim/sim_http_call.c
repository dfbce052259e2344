/* A request without a socket: for simulations on one thread. */
#include "tests/sim/sim_http_priv.h"

#include "server/base/mem.h"

#include <string.h>

void sim_http_refuse(const struct sim_req *rq, int status, struct sim_res *rs)
{
    const struct sim_service *s = &rq->http->service;

    rs->status = status;
    sim_http_violation(rq->http, "%s %s: %s", rq->method, rq->raw_path,
                       status == 405 ? "method not allowed" : "no such path");
    if (s->not_found != NULL)
        s->not_found(s->arg, rq, rs);
    rs->status = status;
}

static void answer(const struct sim_req *rq, const struct sim_way *way, struct sim_res *rs)
{
    const struct sim_service *s = &rq->http->service;

    if (s->finish != NULL)
        s->finish(s->arg, rq, rs);
    if (!way->control)
        sim_http_count_one(rq->http, way->op, rs->status);
}

/* False: the fault withholds the answer. */
static bool serve(const struct sim_req *rq, const struct sim_way *way, struct sim_outcome *out)
{
    struct sim_http *h = rq->http;
    struct sim_fault fault;
    bool faulty = !way->control && sim_http_pick_fault(h, way->op, &fault), answered = true;

    if (!faulty || sim_http_fault_acts(fault.kind))
        way->route->fn(h->service.arg, rq, &out->res);
    if (faulty) {
        answered = fault.kind == SIM_FAULT_STATUS || fault.kind == SIM_FAULT_STATUS_AFTER;
        out->hung = fault.kind == SIM_FAULT_HANG || fault.kind == SIM_FAULT_HANG_AFTER;
        if (answered)
            sim_http_fault_answer(&fault, &out->res);
        sim_http_fault_done(&fault);
    }
    if (answered)
        answer(rq, way, &out->res);
    else
        sim_http_count_one(h, way->op, 0);
    return answered;
}

static void clear(struct sim_req *rq)
{
    sim_pairs_free(rq->headers, rq->n_headers);
    sim_pairs_free(rq->query, rq->n_query);
    sim_req_clear_args(rq);
}

bool sim_http_call(struct sim_http *h, const struct sim_ask *ask, struct sim_outcome *out)
{
    char *target = mem_strdup(ask->target), *body = mem_strndup(ask->body_len > 0 ? ask->body : "", ask->body_len);
    struct sim_req rq = {.http = h, .method = ask->method, .body = body, .body_len = ask->body_len};
    struct sim_way way;
    bool answered = true;
    int refused;

    *out = (struct sim_outcome){.res = sim_res_new()};
    sim_req_set_target(&rq, target);
    for (size_t i = 0; i < ask->n_headers; i++)
        sim_pairs_add(&rq.headers, &rq.n_headers, ask->headers[i].name, strlen(ask->headers[i].name),
                      ask->headers[i].value, strlen(ask->headers[i].value));
    refused = sim_req_route(&rq, &way);
    if (refused != 0) {
        sim_http_refuse(&rq, refused, &out->res);
        answer(&rq, &way, &out->res);
    } else {
        answered = serve(&rq, &way, out);
    }
    clear(&rq);
    free(target);
    free(body);
    return answered;
}

void sim_http_outcome_clear(struct sim_outcome *out)
{
    sim_res_clear(&out->res);
}
