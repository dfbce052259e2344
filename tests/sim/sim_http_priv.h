/* Inside the shell: what sim_http.c (the server), sim_http_req.c (requests, answers, paths) and sim_http_log.c (counts,
 * violations, faults) share. */
#ifndef MUSTER_TESTS_SIM_HTTP_PRIV_H
#define MUSTER_TESTS_SIM_HTTP_PRIV_H

#include "tests/sim/sim_http.h"
#include "tests/sim/sim_timer.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define SIM_MAX_BODY (1024 * 1024)

struct fault {
    struct sim_fault f; /* strings owned */
    struct fault *next;
};

struct op_count {
    char *op;
    size_t n;
    size_t by_status[600];
};

struct call;

struct sim_http {
    struct sim_service service;
    struct MHD_Daemon *daemon;
    struct sim_timer *timer;
    char url[64];
    uint16_t port;
    bool stopped;
    atomic_bool stopping;
    atomic_int latency_ms;

    pthread_mutex_t lock; /* guards everything below */
    uint64_t rng;
    struct fault *faults;
    size_t faults_hit;
    struct op_count *ops;
    size_t n_ops;
    char **violations;
    size_t n_violations;
    struct call *parked; /* suspended connections */
};

/* Where a request leads. */
struct sim_way {
    const struct sim_route *route; /* NULL: refused */
    char op[160];
    bool control; /* /_sim/ and /sim/ */
};

/* A copy of the first fault that hits this op; its body is the caller's to free. False when none does. */
bool sim_http_pick_fault(struct sim_http *h, const char *op, struct sim_fault *out);
void sim_http_count_one(struct sim_http *h, const char *op, int status); /* status 0: no answer went out */
void sim_http_log_free(struct sim_http *h);
bool sim_http_fault_acts(enum sim_fault_kind k); /* does the handler run all the same? */
void sim_http_fault_answer(const struct sim_fault *f, struct sim_res *rs);
void sim_http_fault_done(struct sim_fault *f); /* of sim_http_pick_fault */
/* No such path (404) or method (405): noted, and the answer made. */
void sim_http_refuse(const struct sim_req *rq, int status, struct sim_res *rs);

/* sim_http_req.c */
void sim_pairs_add(struct sim_pair **list, size_t *n, const char *name, size_t name_len, const char *value,
                   size_t value_len);
void sim_pairs_free(struct sim_pair *list, size_t n);
bool sim_req_matches(struct sim_req *rq, const char *template); /* fills rq->arg */
void sim_req_clear_args(struct sim_req *rq);
void sim_req_set_target(struct sim_req *rq, char *target); /* splits it at '?' */
/* Of a request that is filled in: its query, its route, its op. 0, else the status of the refusal. */
int sim_req_route(struct sim_req *rq, struct sim_way *way);
struct sim_res sim_res_new(void);
void sim_res_clear(struct sim_res *rs);

#endif
