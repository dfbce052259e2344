/*
 * The shell that the simulated services share: an HTTP server on loopback with routing, a log of what was asked, and
 * faults on demand. Safe from any thread.
 *
 * libmicrohttpd runs a small pool of threads in poll mode (its internal epoll mode can hang under bursts). A handler
 * runs on one of them, must not block, and guards its own state. Delays cost no thread: the connection is suspended.
 *
 * What no correct client would send is a *violation*: unknown paths and parameters, wrong types, missing headers. It is
 * answered as the real service answers, and recorded besides, so that a test asserts sim_http_violations(h) == 0.
 *
 *     static const struct sim_route routes[] = {{"GET", "/repos/{owner}/{repo}/contents/{+path}", get_contents}, {0}};
 */
#ifndef MUSTER_TESTS_SIM_HTTP_H
#define MUSTER_TESTS_SIM_HTTP_H

#include "server/base/buf.h"

#include <jansson.h>
#include <stdint.h>

#define SIM_MAX_ARGS 6

struct sim_http;

struct sim_pair {
    char *name, *value;
};

struct sim_req { /* borrowed for the handler's call */
    struct sim_http *http;
    const char *method;
    const char *raw_path, *raw_query; /* as sent; raw_query is "" when there is none */
    const char *op;                   /* "GET /repos/{owner}/{repo}/contents/{+path}", or the service's finer name */
    char *arg[SIM_MAX_ARGS];          /* path parameters, decoded, in order */
    size_t n_args;
    struct sim_pair *headers, *query; /* query: decoded */
    size_t n_headers, n_query;
    const char *body; /* NUL-ended */
    size_t body_len;
    int64_t age_ms; /* since the request was complete: grows when a handler asked to be called again */
};

const char *sim_req_header(const struct sim_req *rq, const char *name); /* without case; NULL when absent */
size_t sim_req_header_count(const struct sim_req *rq, const char *name);
const char *sim_req_query(const struct sim_req *rq, const char *name); /* NULL when absent */

struct sim_res {
    int status;
    struct buf body;
    const char *content_type; /* literal; default application/json; charset=utf-8 */
    struct sim_pair *headers; /* owned */
    size_t n_headers;
    int again_ms; /* > 0: no answer yet, call the handler again after this time (long polls) */
};

void sim_res_header(struct sim_res *rs, const char *name, const char *fmt, ...) PRINTF(3, 4);
void sim_res_json(struct sim_res *rs, int status, json_t *body); /* takes the reference; NULL = no body */

typedef void sim_handler(void *arg, const struct sim_req *rq, struct sim_res *rs);

struct sim_route {
    const char *method, *path; /* "{x}" one segment, "{+x}" the rest */
    sim_handler *fn;
};

struct sim_service {
    const struct sim_route *routes; /* ended by an entry of NULLs; first match wins */
    void *arg;
    const char *(*op)(void *arg,
                      const struct sim_req *rq); /* finer name for logs and faults (EC2's Action); optional */
    sim_handler *not_found;                      /* body of the 404 / 405; status is set already */
    sim_handler *finish;                         /* headers common to all answers; optional */
    bool manual;                                 /* no socket and no thread: asked by sim_http_call alone */
};

/* port 0 = any free one; always 127.0.0.1. The service is copied; routes and arg are borrowed. */
int sim_http_start(const struct sim_service *s, uint16_t port, struct sim_http **out, struct err *e) MUST_USE;
/* Of a manual service: the same request without a socket, faults and log included. False: no answer came back, though
 * the request may have been acted upon. *out: sim_res_clear, also without an answer. */
struct sim_ask {
    const char *method, *target; /* target: path and query, as on the request line */
    const struct sim_pair *headers;
    size_t n_headers;
    const void *body;
    size_t body_len;
};
struct sim_outcome {
    bool hung; /* no answer, and the connection stays: the client's own deadline ends it */
    struct sim_res res;
};
bool sim_http_call(struct sim_http *h, const struct sim_ask *ask, struct sim_outcome *out);
void sim_http_outcome_clear(struct sim_outcome *out);
void sim_http_stop(struct sim_http *h);             /* closes what is open, hangs included; no handler runs after it */
void sim_http_free(struct sim_http *h);             /* stops; accepts NULL; counts and violations are gone then */
const char *sim_http_url(const struct sim_http *h); /* "http://127.0.0.1:PORT" */
uint16_t sim_http_port(const struct sim_http *h);
void sim_http_latency(struct sim_http *h, int ms); /* before each answer, /_sim/ and /sim/ excepted */

/* Faults. They hit requests whose op matches, /_sim/ and /sim/ excepted; the oldest matching fault wins. */
enum sim_fault_kind {
    SIM_FAULT_STATUS,       /* answer with status, body, retry_after_s; nothing else happens */
    SIM_FAULT_RESET_BEFORE, /* the connection breaks; nothing else happens */
    SIM_FAULT_RESET_AFTER,  /* it happens, then the connection breaks: the answer is lost */
    SIM_FAULT_STATUS_AFTER, /* it happens, but the answer is status and body */
    SIM_FAULT_HANG,         /* no answer; nothing happens; broken off when the server stops or after hang_ms */
    SIM_FAULT_HANG_AFTER,   /* it happens, no answer */
    SIM_FAULT_TRUNCATE      /* it happens; half the body comes, then the connection breaks */
};
struct sim_fault {
    const char *op; /* NULL = every op */
    enum sim_fault_kind kind;
    int status;       /* STATUS: 100-599 */
    const char *body; /* STATUS: NULL = {"message":"..."} */
    const char *content_type;
    int retry_after_s;  /* STATUS: header, 0 = none */
    int hang_ms;        /* HANG: 0 = until stop */
    int next;           /* the next so many requests; 0 = by probability */
    double probability; /* by the seeded generator */
};
void sim_http_fault(struct sim_http *h, const struct sim_fault *f); /* copied */
void sim_http_faults_clear(struct sim_http *h);
void sim_http_seed(struct sim_http *h, uint64_t seed);
size_t sim_http_faults_hit(struct sim_http *h);

/* What was asked. Counted when the handler ran or a fault took its place. */
size_t sim_http_count(struct sim_http *h, const char *op);
size_t sim_http_count_status(struct sim_http *h, const char *op, int status); /* op NULL = all */
size_t sim_http_count_all(struct sim_http *h);                                /* /_sim/ and /sim/ excepted */
void sim_http_log_clear(struct sim_http *h);
json_t *sim_http_log(struct sim_http *h); /* {"calls": {op: {"n":…, "200":…}}, "violations": […]}; caller's */

void sim_http_violation(struct sim_http *h, const char *fmt, ...) PRINTF(2, 3);
size_t sim_http_violations(struct sim_http *h);
void sim_http_violation_text(struct sim_http *h, struct buf *out); /* one a line: for the test's message */
void sim_http_violations_clear(struct sim_http *h);

/* GET and POST /_sim/faults, GET /_sim/log, /_sim/violations for programs: put SIM_HTTP_CONTROL_ROUTES in the table. */
sim_handler sim_http_control_log, sim_http_control_fault, sim_http_control_faults_clear;
#define SIM_HTTP_CONTROL_ROUTES                                                                                        \
    {"GET", "/_sim/log", sim_http_control_log}, {"POST", "/_sim/faults", sim_http_control_fault},                      \
    {                                                                                                                  \
        "DELETE", "/_sim/faults", sim_http_control_faults_clear                                                        \
    }

#endif
