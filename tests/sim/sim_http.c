#include "tests/sim/sim_http_priv.h"

#include "server/base/mem.h"
#include "tests/sim/sim_util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define POOL_THREADS 2
#define MAX_CONNECTIONS 8192

enum step { STEP_HEAD, STEP_BODY, STEP_READY, STEP_DONE };

/* One request on its way through the server. */
struct call {
    struct sim_http *http;
    struct MHD_Connection *conn;
    char *raw_uri;
    char *query_copy;
    struct buf body;
    struct sim_req rq;
    struct sim_way way;
    enum step step;
    bool too_large;
    bool drawn, faulty, effect_done, delayed, drop; /* drawn: it was decided whether a fault hits it */
    struct sim_fault fault;
    struct sim_res held; /* the answer, when a fault withholds it */
    int64_t ready_ms;
    struct call *next, **prev; /* in http->parked */
};

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct sim_req *rq = cls;

    (void)kind;
    value = value != NULL ? value : "";
    sim_pairs_add(&rq->headers, &rq->n_headers, name, strlen(name), value, strlen(value));
    return MHD_YES;
}

/* Everything has arrived: fill c->rq and look the route up. */
static int prepare(struct call *c)
{
    struct sim_http *h = c->http;

    sim_req_set_target(&c->rq, c->raw_uri);
    c->rq.http = h;
    c->rq.body = c->body.p != NULL ? c->body.p : "";
    c->rq.body_len = c->body.len;
    (void)MHD_get_connection_values(c->conn, MHD_HEADER_KIND, take_header, &c->rq);
    c->ready_ms = sim_mono_ms();
    return sim_req_route(&c->rq, &c->way);
}

/* ---- answering ---- */

static ssize_t half_reader(void *cls, uint64_t pos, char *out, size_t max)
{
    const struct buf *b = cls;
    size_t half = b->len / 2, n;

    if (pos >= half)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = half - (size_t)pos;
    n = n < max ? n : max;
    memcpy(out, b->p + pos, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct call *c, struct sim_res *rs, bool truncate)
{
    const char *type = rs->content_type != NULL ? rs->content_type : "application/json; charset=utf-8";
    struct MHD_Response *r;

    if (truncate) {
        c->held = *rs; /* lives as long as the call: the reader needs it */
        *rs = sim_res_new();
        r = MHD_create_response_from_callback(c->held.body.len, 4096, half_reader, &c->held.body, NULL);
        rs = &c->held;
    } else {
        r = MHD_create_response_from_buffer(rs->body.len, rs->body.len != 0 ? rs->body.p : NULL, MHD_RESPMEM_MUST_COPY);
    }
    if (r == NULL)
        abort();
    if (rs->body.len != 0)
        (void)MHD_add_response_header(r, "Content-Type", type);
    for (size_t i = 0; i < rs->n_headers; i++)
        (void)MHD_add_response_header(r, rs->headers[i].name, rs->headers[i].value);
    return r;
}

static enum MHD_Result send_answer(struct call *c, struct sim_res *rs, bool truncate)
{
    struct sim_http *h = c->http;
    int status = rs->status;
    struct MHD_Response *r;
    enum MHD_Result ok;

    if (h->service.finish != NULL)
        h->service.finish(h->service.arg, &c->rq, rs);
    if (!c->way.control)
        sim_http_count_one(h, c->way.op, status);
    r = make_response(c, rs, truncate);
    c->step = STEP_DONE;
    ok = MHD_queue_response(c->conn, (unsigned)status, r);
    MHD_destroy_response(r);
    sim_res_clear(rs);
    return ok;
}

/* Break the connection so that the peer sees a reset, not an orderly end. */
static enum MHD_Result break_off(struct call *c)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(c->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (i != NULL)
        (void)setsockopt(i->connect_fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    c->step = STEP_DONE;
    if (!c->way.control && !c->drop)
        sim_http_count_one(c->http, c->way.op, 0);
    return MHD_NO;
}

static void unpark(void *arg, int64_t n)
{
    struct call *c = arg;

    (void)n;
    (void)pthread_mutex_lock(&c->http->lock);
    *c->prev = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    c->prev = NULL;
    (void)pthread_mutex_unlock(&c->http->lock);
    MHD_resume_connection(c->conn);
}

/* Suspend the connection for ms (-1 = until the server stops); the access handler runs again then. */
static enum MHD_Result park(struct call *c, int ms)
{
    struct sim_http *h = c->http;

    (void)pthread_mutex_lock(&h->lock);
    if (h->stopping) {
        (void)pthread_mutex_unlock(&h->lock);
        c->drop = true;
        return break_off(c);
    }
    MHD_suspend_connection(c->conn);
    c->next = h->parked;
    c->prev = &h->parked;
    if (c->next != NULL)
        c->next->prev = &c->next;
    h->parked = c;
    /* Under the lock: a stop that comes now either sees the parked call or lets the timer run out. */
    if (ms >= 0)
        sim_timer_after(h->timer, ms, unpark, c, 0);
    (void)pthread_mutex_unlock(&h->lock);
    return MHD_YES;
}

static enum MHD_Result answer_fault(struct call *c, struct sim_res *rs)
{
    switch (c->fault.kind) {
    case SIM_FAULT_STATUS:
    case SIM_FAULT_STATUS_AFTER:
        sim_http_fault_answer(&c->fault, rs);
        return send_answer(c, rs, false);
    case SIM_FAULT_TRUNCATE:
        return send_answer(c, rs, true);
    case SIM_FAULT_RESET_BEFORE:
    case SIM_FAULT_RESET_AFTER:
        break;
    case SIM_FAULT_HANG:
    case SIM_FAULT_HANG_AFTER:
        sim_res_clear(rs);
        c->drop = true;
        sim_http_count_one(c->http, c->way.op, 0);
        return park(c, c->fault.hang_ms > 0 ? c->fault.hang_ms : -1);
    }
    sim_res_clear(rs);
    return break_off(c);
}

static enum MHD_Result refuse(struct call *c, int status)
{
    struct sim_res rs = sim_res_new();

    sim_http_refuse(&c->rq, status, &rs);
    return send_answer(c, &rs, false);
}

static enum MHD_Result serve(struct call *c)
{
    struct sim_http *h = c->http;
    struct sim_res rs;

    if (!c->way.control && !c->delayed && h->latency_ms > 0) {
        c->delayed = true;
        return park(c, h->latency_ms);
    }
    if (!c->way.control && !c->drawn)
        c->faulty = sim_http_pick_fault(h, c->way.op, &c->fault);
    c->drawn = true;
    rs = sim_res_new();
    if (!c->faulty || sim_http_fault_acts(c->fault.kind))
        c->way.route->fn(h->service.arg, &c->rq, &rs);
    if (rs.again_ms > 0) {
        int ms = rs.again_ms;

        sim_res_clear(&rs);
        return park(c, ms);
    }
    return c->faulty ? answer_fault(c, &rs) : send_answer(c, &rs, false);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **con_cls)
{
    struct call *c = *con_cls;

    (void)cls;
    (void)url;
    (void)version;
    if (c->step == STEP_HEAD) {
        c->conn = conn;
        c->rq.method = method;
        c->step = STEP_BODY;
        return MHD_YES;
    }
    if (*size != 0) {
        buf_add(&c->body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (c->step == STEP_BODY) {
        int refused = prepare(c);

        c->step = STEP_READY;
        if (c->body.over)
            return refuse(c, 413);
        if (refused != 0)
            return refuse(c, refused);
    }
    if (c->drop || c->http->stopping) {
        c->drop = true;
        return break_off(c);
    }
    c->rq.age_ms = sim_mono_ms() - c->ready_ms;
    return serve(c);
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct call *c = mem_zalloc(sizeof(*c));

    c->http = cls;
    c->conn = conn;
    c->raw_uri = mem_strdup(uri);
    c->body = (struct buf)BUF_INIT(SIM_MAX_BODY);
    return c;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls, enum MHD_RequestTerminationCode why)
{
    struct call *c = *con_cls;

    (void)cls;
    (void)conn;
    (void)why;
    if (c == NULL)
        return;
    sim_pairs_free(c->rq.headers, c->rq.n_headers);
    sim_pairs_free(c->rq.query, c->rq.n_query);
    sim_req_clear_args(&c->rq);
    sim_res_clear(&c->held);
    if (c->faulty)
        sim_http_fault_done(&c->fault);
    buf_clear(&c->body);
    free(c->raw_uri);
    free(c);
    *con_cls = NULL;
}

/* ---- life ---- */

static void raise_file_limit(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

static struct MHD_Daemon *start_daemon(struct sim_http *h, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK,
        port, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)POOL_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS, MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)4096,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536, MHD_OPTION_END);
}

int sim_http_start(const struct sim_service *s, uint16_t port, struct sim_http **out, struct err *e)
{
    struct sim_http *h = mem_zalloc(sizeof(*h));
    const union MHD_DaemonInfo *info;

    h->service = *s;
    h->rng = 1;
    (void)pthread_mutex_init(&h->lock, NULL);
    if (s->manual) {
        h->timer = sim_timer_new_manual();
        (void)snprintf(h->url, sizeof(h->url), "http://127.0.0.1:1");
        *out = h;
        return 0;
    }
    raise_file_limit();
    h->timer = sim_timer_new();
    h->daemon = start_daemon(h, port);
    if (h->daemon == NULL) {
        sim_http_free(h);
        return err_set(e, ERR_INVALID, "cannot listen on 127.0.0.1:%u", (unsigned)port);
    }
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
    h->port = info->port;
    (void)snprintf(h->url, sizeof(h->url), "http://127.0.0.1:%u", (unsigned)h->port);
    *out = h;
    return 0;
}

static struct call *first_parked(struct sim_http *h)
{
    struct call *c;

    (void)pthread_mutex_lock(&h->lock);
    c = h->parked;
    (void)pthread_mutex_unlock(&h->lock);
    return c;
}

void sim_http_stop(struct sim_http *h)
{
    if (h->stopped)
        return;
    h->stopped = true;
    (void)pthread_mutex_lock(&h->lock);
    h->stopping = true;
    (void)pthread_mutex_unlock(&h->lock);
    sim_timer_stop(h->timer);
    for (struct call *c = first_parked(h); c != NULL; c = first_parked(h))
        unpark(c, 0);
    if (h->daemon != NULL)
        MHD_stop_daemon(h->daemon);
    h->daemon = NULL;
}

void sim_http_free(struct sim_http *h)
{
    if (h == NULL)
        return;
    sim_http_stop(h);
    sim_timer_free(h->timer);
    sim_http_log_free(h);
    (void)pthread_mutex_destroy(&h->lock);
    free(h);
}

const char *sim_http_url(const struct sim_http *h)
{
    return h->url;
}

uint16_t sim_http_port(const struct sim_http *h)
{
    return h->port;
}
