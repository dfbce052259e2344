#include "tests/support/load.h"

#include "server/base/mem.h"
#include "server/github/signature.h"
#include "tests/support/payload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define HEAD_MAX 1024

/* One connection and the delivery on it. */
struct lane {
    struct run *run;
    int fd;
    int64_t began_us;
    char *own;        /* room for one delivery */
    const char *text; /* head and body: in own, or prepared */
    size_t len, sent;
    char in[512];
    size_t have;
    bool busy;
};

struct run {
    const struct load *l;
    struct load_result *result;
    int epoll_fd;
    struct buf body; /* the pattern */
    size_t id_at;
    struct lane *lanes;
    size_t begun, done;
    char *ready; /* all deliveries, one behind the other, each of `stride` bytes; or NULL */
    size_t *ready_len, stride;
    int64_t *took;
    size_t n_took;
    unsigned nonce; /* makes delivery ids differ between runs */
};

/* The tests' clock may stand still; this one measures. */
static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The nth delivery, into room for r->stride bytes; its length. */
static size_t write_delivery(struct run *r, size_t n, char *out)
{
    int64_t job = (r->l->first_job != 0 ? r->l->first_job : PAYLOAD_FIRST_ID) + (int64_t)n;
    char digits[PAYLOAD_ID_DIGITS + 1], signature[72];
    int head;

    (void)snprintf(digits, sizeof(digits), "%0*lld", PAYLOAD_ID_DIGITS, (long long)job);
    memcpy(r->body.p + r->id_at, digits, PAYLOAD_ID_DIGITS);
    signature_make(r->l->secret, r->body.p, r->body.len, signature);
    head = snprintf(out, HEAD_MAX,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: GitHub-Hookshot/0000000\r\n"
                    "Accept: */*\r\nContent-Type: application/json\r\nX-GitHub-Event: workflow_job\r\n"
                    "X-GitHub-Delivery: %08x-0000-4000-8000-%s\r\nX-GitHub-Hook-ID: 1\r\n"
                    "X-Hub-Signature-256: %s\r\n%sContent-Length: %zu\r\n\r\n",
                    r->l->path != NULL ? r->l->path : "/webhook", r->l->port, r->nonce, digits + 4, signature,
                    r->l->keep ? "" : "Connection: close\r\n", r->body.len);
    memcpy(out + head, r->body.p, r->body.len);
    return (size_t)head + r->body.len;
}

static void take_delivery(struct lane *c)
{
    struct run *r = c->run;

    if (r->ready != NULL) {
        c->text = r->ready + r->begun * r->stride;
        c->len = r->ready_len[r->begun];
    } else {
        c->len = write_delivery(r, r->begun, c->own);
        c->text = c->own;
    }
    c->sent = 0;
    c->have = 0;
    r->begun++;
    c->busy = true;
}

static void prepare(struct run *r)
{
    r->ready = mem_calloc(r->l->total, r->stride);
    r->ready_len = mem_calloc(r->l->total, sizeof(r->ready_len[0]));
    for (size_t i = 0; i < r->l->total; i++)
        r->ready_len[i] = write_delivery(r, i, r->ready + i * r->stride);
}

static void watch(struct lane *c, int op)
{
    struct epoll_event ev = {.events = EPOLLIN | (c->sent < c->len ? EPOLLOUT : 0U), .data.ptr = c};

    (void)epoll_ctl(c->run->epoll_fd, op, c->fd, &ev);
}

static bool open_lane(struct lane *c)
{
    const struct sockaddr_in a = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)c->run->l->port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    static const int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return false;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    watch(c, EPOLL_CTL_ADD);
    return true;
}

static void begin(struct lane *c);

static void end(struct lane *c, int code)
{
    struct run *r = c->run;

    if (!c->busy)
        return;
    c->busy = false;
    r->done++;
    if (code == 0)
        r->result->lost++;
    else if (code == 202 || code == 200)
        r->result->accepted++;
    else
        r->result->refused++;
    if (code != 0)
        r->took[r->n_took++] = now_us() - c->began_us;
    if (code == 0 || !r->l->keep) {
        close(c->fd);
        c->fd = -1;
    }
    begin(c);
}

static void begin(struct lane *c)
{
    if (c->run->begun == c->run->l->total) {
        if (c->fd >= 0)
            close(c->fd);
        c->fd = -1;
        return;
    }
    take_delivery(c);
    c->began_us = now_us();
    if (c->fd >= 0)
        watch(c, EPOLL_CTL_MOD);
    else if (!open_lane(c))
        end(c, 0);
}

static bool send_more(struct lane *c)
{
    while (c->sent < c->len) {
        ssize_t n = send(c->fd, c->text + c->sent, c->len - c->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        c->sent += (size_t)n;
    }
    watch(c, EPOLL_CTL_MOD);
    return true;
}

/* Our answers fit a packet: the code once head and body are there, 0 = the connection ended, -1 = not yet. */
static int receive(struct lane *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have, 0);
    const char *end_of_head, *length;

    if (n < 0 && errno == EAGAIN)
        return -1;
    if (n <= 0)
        return 0;
    c->have += (size_t)n;
    c->in[c->have] = '\0';
    end_of_head = strstr(c->in, "\r\n\r\n");
    length = strstr(c->in, "Content-Length: ");
    if (end_of_head == NULL || length == NULL ||
        c->have < (size_t)(end_of_head + 4 - c->in) + strtoul(length + 16, NULL, 10))
        return -1;
    return (int)strtol(c->in + 9, NULL, 10);
}

static void serve(struct lane *c, uint32_t events)
{
    int code;

    if ((events & EPOLLOUT) != 0 && c->sent < c->len && !send_more(c)) {
        end(c, 0);
        return;
    }
    if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0)
        return;
    code = receive(c);
    if (code >= 0)
        end(c, code);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void sum_up(struct run *r)
{
    struct load_result *out = r->result;

    if (r->n_took == 0)
        return;
    qsort(r->took, r->n_took, sizeof(r->took[0]), compare);
    out->p50_us = r->took[r->n_took / 2];
    out->p99_us = r->took[r->n_took * 99 / 100];
    out->max_us = r->took[r->n_took - 1];
}

static void set_up(struct run *r)
{

    payload_write(&r->body, &(struct payload){.job_id = PAYLOAD_FIRST_ID, .run_id = 42, .size = r->l->body_size});
    r->id_at = payload_id_offset(&r->body);
    r->stride = HEAD_MAX + r->body.len;
    r->nonce = (unsigned)now_us();
    r->took = mem_calloc(r->l->total, sizeof(r->took[0]));
    r->lanes = mem_calloc(r->l->at_once, sizeof(r->lanes[0]));
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (unsigned i = 0; i < r->l->at_once; i++) {
        r->lanes[i].run = r;
        r->lanes[i].fd = -1;
        r->lanes[i].own = mem_zalloc(r->stride);
    }
    if (r->l->prepare)
        prepare(r);
}

static void tear_down(struct run *r)
{
    for (unsigned i = 0; i < r->l->at_once; i++) {
        if (r->lanes[i].fd >= 0)
            close(r->lanes[i].fd);
        free(r->lanes[i].own);
    }
    close(r->epoll_fd);
    buf_clear(&r->body);
    free(r->ready);
    free(r->ready_len);
    free(r->lanes);
    free(r->took);
}

bool load_run(const struct load *l, struct load_result *out)
{
    struct run r = {.l = l, .result = out, .body = BUF_INIT((size_t)32 * 1024 * 1024)};
    int patience = l->patience_ms != 0 ? l->patience_ms : 20000;
    struct epoll_event events[EVENTS];
    int64_t began;
    int n = 1;

    memset(out, 0, sizeof(*out));
    set_up(&r);
    began = now_us();
    for (unsigned i = 0; i < l->at_once; i++)
        begin(&r.lanes[i]);
    while (r.done < l->total && n != 0) {
        n = epoll_wait(r.epoll_fd, events, EVENTS, patience);
        for (int i = 0; i < n; i++)
            serve(events[i].data.ptr, events[i].events);
    }
    out->took_us = now_us() - began;
    out->lost += l->total - r.done;
    sum_up(&r);
    tear_down(&r);
    return r.done == l->total;
}
