#include "tests/support/rawserver.h"

#include "server/base/mem.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WAIT_LIMIT_S 20
#define REQUEST_MAX (32u << 20)

struct conn {
    struct rawserver *server;
    int fd;
    size_t number;
    SSL *ssl; /* NULL = plain */
    pthread_t thread;
    struct buf in; /* bytes read and not yet consumed */
};

struct rawserver {
    struct raw_conf conf;
    int fd, port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t turn; /* held while the handler runs */
    pthread_mutex_t lock; /* protects everything below */
    pthread_cond_t changed;
    bool released, stopping;
    size_t next_step;
    struct conn **conns;
    size_t n_conns;
    struct raw_request **requests;
    size_t n_requests;
};

/* Tests cannot go on without their server. */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "rawserver: %s failed\n", what);
    abort();
}

static ssize_t conn_read(struct conn *c, char *p, size_t n)
{
    return c->ssl != NULL ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);
}

static bool conn_write(struct conn *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = c->ssl != NULL ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Read until at least `want` bytes wait in c->in, or until a blank line when want is 0. False at the end. */
static bool conn_fill(struct conn *c, size_t want)
{
    char piece[16384];
    ssize_t n;

    for (;;) {
        if (want > 0 ? c->in.len >= want : c->in.len > 0 && strstr(c->in.p, "\r\n\r\n") != NULL)
            return true;
        n = conn_read(c, piece, sizeof(piece));
        if (n <= 0)
            return false;
        buf_add(&c->in, piece, (size_t)n);
        must(!c->in.over, "reading a request under 32 MiB");
    }
}

static void parse_head(struct raw_request *r, size_t head_len)
{
    char *line, *colon, *end;

    r->head = mem_strndup(r->raw, head_len);
    end = strstr(r->head, "\r\n");
    *end = '\0';
    line = end + 2;
    r->path = strchr(r->head, ' ');
    must(r->path != NULL, "reading a request line");
    *r->path++ = '\0';
    r->method = r->head;
    r->path[strcspn(r->path, " ")] = '\0';
    while ((end = strstr(line, "\r\n")) != NULL && end != line && r->n_headers < RAW_MAX_HEADERS) {
        *end = '\0';
        colon = strchr(line, ':');
        must(colon != NULL, "reading a header line");
        *colon = '\0';
        r->names[r->n_headers] = line;
        r->values[r->n_headers++] = colon + 1 + strspn(colon + 1, " ");
        line = end + 2;
    }
}

/* The next request on this connection, or NULL at its end. */
static struct raw_request *read_request(struct conn *c)
{
    struct raw_request *r;
    const char *length;
    size_t head;

    if (!conn_fill(c, 0))
        return NULL;
    head = (size_t)(strstr(c->in.p, "\r\n\r\n") - c->in.p) + 4;
    r = mem_zalloc(sizeof(*r));
    r->connection = c->number;
    r->raw = c->in.p; /* borrowed while the head is parsed */
    parse_head(r, head);
    length = raw_header(r, "Content-Length");
    r->body_len = length != NULL ? strtoul(length, NULL, 10) : 0;
    if (r->body_len > 0 && !conn_fill(c, head + r->body_len)) {
        free(r->head);
        free(r);
        return NULL;
    }
    r->raw_len = head + r->body_len;
    r->raw = mem_strndup(c->in.p, r->raw_len);
    r->body = r->raw + head;
    memmove(c->in.p, c->in.p + r->raw_len, c->in.len - r->raw_len);
    c->in.len -= r->raw_len;
    c->in.p[c->in.len] = '\0';
    return r;
}

static void record(struct rawserver *s, struct raw_request *r)
{
    (void)pthread_mutex_lock(&s->lock);
    s->requests = mem_realloc_array(s->requests, s->n_requests + 1, sizeof(struct raw_request *));
    s->requests[s->n_requests++] = r;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

static struct raw_step take_step(struct rawserver *s, const struct raw_request *r, struct buf *answer)
{
    struct raw_step step = {.act = RAW_CLOSE, .bytes = ""};

    if (s->conf.handler != NULL) {
        (void)pthread_mutex_lock(&s->turn);
        step.act = (enum raw_act)s->conf.handler(s->conf.arg, r, answer);
        (void)pthread_mutex_unlock(&s->turn);
        must(!answer->over, "keeping an answer under its ceiling");
        step.bytes = answer->p != NULL ? answer->p : "";
        step.len = answer->len;
        step.after = step.act == RAW_HANG ? 0 : answer->len;
        return step;
    }
    (void)pthread_mutex_lock(&s->lock);
    if (s->conf.n_steps > 0) {
        step = s->conf.steps[s->next_step];
        if (s->next_step + 1 < s->conf.n_steps)
            s->next_step++;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (step.bytes == NULL)
        step.bytes = "";
    if (step.len == 0)
        step.len = strlen(step.bytes);
    if (step.after > step.len)
        step.after = step.len;
    return step;
}

static void hang(struct rawserver *s)
{
    (void)pthread_mutex_lock(&s->lock);
    while (!s->released && !s->stopping)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Make the coming close() of the connection a reset. */
static void arm_reset(const struct conn *c)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    if (c->ssl != NULL)
        SSL_set_quiet_shutdown(c->ssl, 1);
}

static void send_endless(struct conn *c)
{
    char piece[16384];

    memset(piece, 'x', sizeof(piece));
    while (conn_write(c, piece, sizeof(piece)))
        ;
}

/* Returns whether the connection goes on. */
static bool perform(struct conn *c, const struct raw_step *step)
{
    switch (step->act) {
    case RAW_ANSWER:
        return conn_write(c, step->bytes, step->len);
    case RAW_DRIP:
        for (size_t i = 0; i < step->len; i++) {
            if (!conn_write(c, step->bytes + i, 1))
                return false;
        }
        return true;
    case RAW_CLOSE:
        (void)conn_write(c, step->bytes, step->after);
        return false;
    case RAW_RESET:
        (void)conn_write(c, step->bytes, step->after);
        arm_reset(c);
        return false;
    case RAW_HANG:
        if (!conn_write(c, step->bytes, step->after))
            return false;
        hang(c->server);
        return conn_write(c, step->bytes + step->after, step->len - step->after);
    case RAW_ENDLESS:
        if (conn_write(c, step->bytes, step->len))
            send_endless(c);
        return false;
    }
    return false;
}

static void block_signals(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void end_conn(struct conn *c)
{
    int fd = c->fd;

    if (c->ssl != NULL) {
        (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    buf_clear(&c->in);
    (void)pthread_mutex_lock(&c->server->lock);
    c->fd = -1;
    (void)close(fd);
    (void)pthread_mutex_unlock(&c->server->lock);
}

static void *serve(void *arg)
{
    struct conn *c = arg;
    bool on = true;

    block_signals();
    if (c->ssl != NULL)
        on = SSL_accept(c->ssl) == 1;
    while (on) {
        AUTO_BUF struct buf answer = BUF_INIT(REQUEST_MAX);
        struct raw_request *r = read_request(c);
        struct raw_step step;

        if (r == NULL)
            break;
        step = take_step(c->server, r, &answer);
        record(c->server, r);
        on = perform(c, &step);
    }
    end_conn(c);
    return NULL;
}

/* Called with the lock held. */
static void add_conn(struct rawserver *s, int fd)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    const int on = 1;

    c->server = s;
    c->fd = fd;
    c->number = s->n_conns;
    c->in = (struct buf)BUF_INIT(REQUEST_MAX);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (s->conf.tls != NULL) {
        c->ssl = SSL_new(s->conf.tls);
        must(c->ssl != NULL && SSL_set_fd(c->ssl, fd) == 1, "SSL_new");
    }
    s->conns = mem_realloc_array(s->conns, s->n_conns + 1, sizeof(struct conn *));
    s->conns[s->n_conns++] = c;
    must(pthread_create(&c->thread, NULL, serve, c) == 0, "pthread_create");
}

static void *accept_loop(void *arg)
{
    struct rawserver *s = arg;
    int fd;

    block_signals();
    while ((fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        (void)pthread_mutex_lock(&s->lock);
        if (s->stopping)
            (void)close(fd);
        else
            add_conn(s, fd);
        (void)pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

static int listen_tcp(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0, "binding to 127.0.0.1");
    must(getsockname(fd, (struct sockaddr *)&a, &len) == 0 && listen(fd, 1024) == 0, "listen");
    *port = ntohs(a.sin_port);
    return fd;
}

static int listen_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0 && strlen(path) < sizeof(a.sun_path), "opening a Unix socket");
    memcpy(a.sun_path, path, strlen(path) + 1);
    must(bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 1024) == 0, "binding a Unix socket");
    return fd;
}

struct rawserver *raw_start(const struct raw_conf *c)
{
    struct rawserver *s = mem_zalloc(sizeof(*s));

    s->conf = *c;
    s->fd = c->unix_socket != NULL ? listen_unix(c->unix_socket) : listen_tcp(&s->port);
    (void)snprintf(s->url, sizeof(s->url), c->tls != NULL ? "https://localhost:%d" : "http://127.0.0.1:%d", s->port);
    (void)pthread_mutex_init(&s->turn, NULL);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    must(pthread_create(&s->thread, NULL, accept_loop, s) == 0, "pthread_create");
    return s;
}

static void free_parts(struct rawserver *s)
{
    for (size_t i = 0; i < s->n_conns; i++)
        free(s->conns[i]);
    for (size_t i = 0; i < s->n_requests; i++) {
        free(s->requests[i]->raw);
        free(s->requests[i]->head);
        free(s->requests[i]);
    }
    free(s->conns);
    free(s->requests);
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->turn);
    free(s);
}

void raw_stop(struct rawserver *s)
{
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    (void)pthread_cond_broadcast(&s->changed);
    for (size_t i = 0; i < s->n_conns; i++) {
        if (s->conns[i]->fd >= 0)
            (void)shutdown(s->conns[i]->fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&s->lock);
    (void)shutdown(s->fd, SHUT_RDWR); /* wakes accept() */
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
    for (size_t i = 0; i < s->n_conns; i++)
        (void)pthread_join(s->conns[i]->thread, NULL);
    free_parts(s);
}

void raw_stop_ptr(struct rawserver **s)
{
    raw_stop(*s);
}

int raw_port(const struct rawserver *s)
{
    return s->port;
}

const char *raw_url(const struct rawserver *s)
{
    return s->url;
}

void raw_release(struct rawserver *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->released = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

size_t raw_accepted(struct rawserver *s)
{
    size_t n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_conns;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

size_t raw_count(struct rawserver *s)
{
    size_t n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_requests;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

void raw_wait(struct rawserver *s, size_t requests)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_LIMIT_S;
    (void)pthread_mutex_lock(&s->lock);
    while (s->n_requests < requests)
        must(pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0, "waiting for requests");
    (void)pthread_mutex_unlock(&s->lock);
}

const struct raw_request *raw_get(struct rawserver *s, size_t i)
{
    const struct raw_request *r = NULL;

    (void)pthread_mutex_lock(&s->lock);
    if (i < s->n_requests)
        r = s->requests[i];
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

const char *raw_header(const struct raw_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++) {
        if (strcasecmp(r->names[i], name) == 0)
            return r->values[i];
    }
    return NULL;
}

void raw_answer(struct buf *out, int status, const char *headers, const char *body)
{
    buf_addf(out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body), headers, body);
}
