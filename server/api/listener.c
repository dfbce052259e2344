#include "server/api/listener.h"

#include "server/api/agent.h"
#include "server/api/listen.h"
#include "server/api/provision.h"
#include "server/api/status.h"
#include "server/api/webhook.h"
#include "server/base/text.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STORE_TIMEOUT_MS 15000 /* GitHub gives up at 10 s; the store should have failed long before */
#define RECHECK_MS 100
#define LAST_ACCEPTS 1000 /* turns of the loop that may take in who knocked before we closed */

enum methods { TAKES_GET, TAKES_POST, TAKES_BOTH, TAKES_ONE_GET }; /* TAKES_GET: HEAD too */

/* What becomes of a body. */
struct intake {
    void (*begin)(struct request *r); /* the headers are in */
    void (*body)(struct request *r, const void *data, size_t len);
    void (*refused)(struct request *r, unsigned code, const char *reason);
    size_t max; /* bytes; 0 = the server's own ceiling */
};

struct route {
    const char *path;
    enum methods takes;
    bool on[LISTENER_ADMIN + 1];
    const struct intake *intake; /* NULL = a body is thrown away */
    enum MHD_Result (*end)(struct request *r);
};

/* A GET's body means nothing here. */
static void no_body(struct request *r, const void *data, size_t len)
{
    (void)r;
    (void)data;
    (void)len;
}

static const struct intake webhook = {webhook_begin, webhook_body, webhook_refused, 0};
static const struct intake agent = {agent_begin, agent_body, agent_refused, AGENT_BODY_MAX};
static const struct intake provision = {provision_begin, no_body, provision_refused, 1024};

static const struct route routes[] = {
    {"/webhook", TAKES_POST, {true, false}, &webhook, webhook_end},
    {"/", TAKES_POST, {true, false}, &webhook, webhook_end},
    {"/healthz", TAKES_GET, {true, true}, NULL, status_health},
    {"/readyz", TAKES_GET, {true, true}, NULL, status_ready},
    {"/api/v1/agent", TAKES_BOTH, {true, false}, &agent, agent_end},
    {"/api/runner-provision", TAKES_ONE_GET, {true, false}, &provision, provision_end},
    {"/metrics", TAKES_GET, {false, true}, NULL, status_metrics},
};

static const enum answer_id other_method[] = {[TAKES_GET] = ANSWER_ONLY_GET,
                                              [TAKES_POST] = ANSWER_ONLY_POST,
                                              [TAKES_BOTH] = ANSWER_ONLY_GET_POST,
                                              [TAKES_ONE_GET] = ANSWER_ONLY_ONE_GET};

static const struct route *find_route(enum listener_kind kind, const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        if (routes[i].on[kind] && strcmp(routes[i].path, path) == 0)
            return &routes[i];
    }
    return NULL;
}

static bool takes_method(enum methods takes, const char *method)
{
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0)
        return takes == TAKES_POST || takes == TAKES_BOTH;
    if (strcmp(method, MHD_HTTP_METHOD_GET) == 0)
        return takes != TAKES_POST;
    return takes == TAKES_GET && strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* Which route, or which refusal? */
static void dispatch(struct listener *l, struct request *r, const char *path, const char *method)
{
    const struct route *route = find_route(l->kind, path);

    if (l->kind == LISTENER_ADMIN && !status_is_permitted(r)) {
        request_decide(r, ANSWER_NO_TOKEN);
    } else if (route == NULL) {
        request_decide(r, ANSWER_NOT_FOUND);
    } else if (!takes_method(route->takes, method)) {
        request_decide(r, other_method[route->takes]);
    } else {
        r->route = route;
        r->is_post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
        if (route->intake != NULL)
            route->intake->begin(r);
    }
}

/* The declared length of the body; -1 = not said (none, or in chunks). */
static int64_t declared_length(struct MHD_Connection *c)
{
    const char *text = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    struct err ignored;
    int64_t n;

    if (text == NULL || MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL)
        return -1;
    return text_i64(text, 0, INT64_MAX, &n, &ignored) == 0 ? n : -1;
}

static size_t max_body(const struct request *r)
{
    const struct intake *i = r->route != NULL ? r->route->intake : NULL;
    size_t most = r->x->conf.max_body;

    return i != NULL && i->max != 0 && i->max < most ? i->max : most;
}

/* Answer at once instead of reading a body of that size. The connection ends with it. */
static enum MHD_Result refuse_unread(struct listener *l, struct request *r)
{
    if (r->route != NULL)
        request_decide(r, ANSWER_TOO_LARGE);
    if (r->route != NULL && r->route->intake != NULL)
        r->route->intake->refused(r, answer_code(r->verdict), answer_reason(r->verdict));
    linger_add(l->x->linger, r->conn->fd, l->x->now_ms);
    conn_move(&l->conns, r->conn, CONN_ANSWERING, l->x->now_ms);
    return answer_send(l->x->answers, r->mhd, r->verdict);
}

static enum MHD_Result begin(struct listener *l, struct MHD_Connection *c, const char *path, const char *method,
                             void **ctx)
{
    struct request *r = request_new(l->x, &l->conns, conn_of(c), c);

    *ctx = r;
    r->declared = declared_length(c);
    dispatch(l, r, path, method);
    if (r->declared > 0 && (uint64_t)r->declared > max_body(r))
        return refuse_unread(l, r);
    return MHD_YES;
}

static enum MHD_Result end(struct listener *l, struct request *r)
{
    if (r->conn->state == CONN_RECEIVING)
        conn_move(&l->conns, r->conn, CONN_ANSWERING, l->x->now_ms);
    return r->route != NULL ? r->route->end(r) : answer_send(l->x->answers, r->mhd, r->verdict);
}

/* libmicrohttpd calls this once the headers are in, then for each piece of the body, then at its end; and at its end
 * again after a resume. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *data, size_t *len, void **ctx)
{
    struct listener *l = arg;
    struct request *r = *ctx;

    (void)version;
    if (r == NULL)
        return begin(l, c, path, method, ctx);
    if (*len == 0)
        return end(l, r);
    r->received += *len;
    if (!r->decided && r->route->intake != NULL)
        r->route->intake->body(r, data, *len);
    *len = 0;
    return MHD_YES;
}

/* The request line is complete. */
static void *on_request_line(void *arg, const char *uri, struct MHD_Connection *mhd)
{
    struct listener *l = arg;
    struct conn *c = conn_of(mhd);

    (void)uri;
    c->heard = true;
    if (c->state == CONN_IDLE)
        conn_move(&l->conns, c, CONN_RECEIVING, l->x->now_ms);
    return NULL;
}

static void on_completed(void *arg, struct MHD_Connection *mhd, void **ctx, enum MHD_RequestTerminationCode why)
{
    struct listener *l = arg;
    struct request *r = *ctx;

    (void)mhd;
    (void)why;
    if (r == NULL)
        return;
    *ctx = NULL;
    if (r->handover != NULL)
        handover_abandon(r->handover); /* the client vanished before it was suspended */
    r->conn->heard = false;
    if (r->conn->state != CONN_CLOSING)
        conn_move(&l->conns, r->conn, CONN_IDLE, l->x->now_ms);
    request_release(r);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    struct listener *l = arg;

    switch (what) {
    case MHD_CONNECTION_NOTIFY_STARTED:
        *socket_ctx = conn_add(&l->conns, mhd, l->x->now_ms);
        l->was_full = l->was_full || l->conns.n >= l->conns.limit;
        return;
    case MHD_CONNECTION_NOTIFY_CLOSED:
        conn_remove(&l->conns, *socket_ctx);
        l->has_closed = true;
        *socket_ctx = NULL;
        return;
    }
}

int listener_open(struct listener *l, enum listener_kind kind, struct api_context *x, const char *address,
                  const char *remedy, unsigned limit, struct err *e)
{
    const struct api_conf *conf = &x->conf;

    l->kind = kind;
    l->x = x;
    l->conns.limit = limit;
    l->conns.timeout_ms[CONN_RECEIVING] = conf->request_timeout_ms;
    l->conns.timeout_ms[CONN_WAITING] = STORE_TIMEOUT_MS;
    l->conns.timeout_ms[CONN_ANSWERING] = conf->request_timeout_ms;
    l->conns.timeout_ms[CONN_IDLE] = conf->idle_timeout_ms;
    if (l->fd < 0 && listen_open(address, remedy, &l->fd, e))
        return -1;
    l->port = listen_port(l->fd);
    return 0;
}

/* libmicrohttpd's own time-out stays off: it starts anew with every byte. Ours is in conn.h. */
int listener_start(struct listener *l, struct err *e)
{
    const union MHD_DaemonInfo *info;

    l->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, l,
                              MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_CONNECTION_LIMIT, l->conns.limit,
                              MHD_OPTION_NOTIFY_COMPLETED, on_completed, l, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                              l, MHD_OPTION_URI_LOG_CALLBACK, on_request_line, l, MHD_OPTION_END);
    if (l->mhd == NULL)
        return err_set(e, ERR_BUG, "the HTTP server cannot be started on port %d", l->port);
    info = MHD_get_daemon_info(l->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    l->epoll_fd = info->epoll_fd;
    return 0;
}

void listener_run(struct listener *l)
{
    if (l->mhd == NULL)
        return;
    l->has_closed = false;
    l->was_full = l->conns.n >= l->conns.limit;
    (void)MHD_run(l->mhd);
}

/* libmicrohttpd takes its listening socket out of its epoll set when it is full, or when the process has no descriptor
 * left, and puts it back at the start of a turn: without that turn nobody would ever be accepted again. */
int listener_rest_ms(const struct listener *l)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (l->mhd == NULL)
        return -1;
    if (MHD_get_timeout(l->mhd, &ms) == MHD_YES && ms == 0)
        return 0;
    if (!l->has_closed)
        return -1;
    return l->was_full ? 0 : RECHECK_MS;
}

bool listener_is_deaf(const struct listener *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};

    return l->mhd != NULL && l->fd >= 0 && l->conns.n > 0 && l->conns.n < l->conns.limit && poll(&p, 1, 0) == 1;
}

void listener_quiesce(struct listener *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};

    if (l->mhd == NULL || l->fd < 0)
        return;
    listener_run(l); /* what has arrived on kept connections is a request to answer */
    for (int i = 0; i < LAST_ACCEPTS && poll(&p, 1, 0) == 1; i++)
        listener_run(l);
    (void)MHD_quiesce_daemon(l->mhd);
    close(l->fd);
    l->fd = -1;
}

void listener_close(struct listener *l)
{
    if (l->mhd != NULL) {
        MHD_stop_daemon(l->mhd); /* closes the socket, unless it was quiesced */
        l->mhd = NULL;
        l->fd = -1;
    }
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}
