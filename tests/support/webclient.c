#include "tests/support/webclient.h"

#include "server/github/signature.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define CHUNK 7000

static void die(const char *what)
{
    perror(what);
    abort();
}

void web_open(struct web *w, int port)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    static const int on = 1;

    w->have = 0;
    w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        die("socket");
    (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(w->fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
        die("connect");
}

void web_close(struct web *w)
{
    close(w->fd);
    w->fd = -1;
}

void web_send(struct web *w, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = send(w->fd, p, len, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        len -= (size_t)n;
    }
}

void web_sends(struct web *w, const char *text)
{
    web_send(w, text, strlen(text));
}

void web_half_close(struct web *w)
{
    (void)shutdown(w->fd, SHUT_WR);
}

/* More bytes into w->in: how many, 0 at the end of the connection, -1 when nothing comes. */
static ssize_t more(struct web *w, int ms)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    ssize_t n;

    if (w->have == sizeof(w->in) || poll(&p, 1, ms) != 1)
        return -1;
    n = recv(w->fd, w->in + w->have, sizeof(w->in) - w->have, 0);
    if (n > 0)
        w->have += (size_t)n;
    return n < 0 ? 0 : n;
}

static size_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");

    return at != NULL ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* Is there a whole answer at the start of w->in? Then take it. */
static bool take(struct web *w, struct web_answer *out)
{
    const char *end = memmem(w->in, w->have, "\r\n\r\n", 4);
    size_t head_len, body_len;

    if (end == NULL)
        return false;
    head_len = (size_t)(end - w->in) + 4;
    if (head_len >= sizeof(out->head))
        die("an answer with too long a head");
    memcpy(out->head, w->in, head_len);
    out->head[head_len] = '\0';
    body_len = content_length(out->head);
    if (w->have < head_len + body_len)
        return false;
    if (body_len >= sizeof(out->body))
        die("an answer with too long a body");
    memcpy(out->body, w->in + head_len, body_len);
    out->body[body_len] = '\0';
    out->code = (int)strtol(out->head + strlen("HTTP/1.1 "), NULL, 10);
    w->have -= head_len + body_len;
    memmove(w->in, w->in + head_len + body_len, w->have);
    return true;
}

int web_read(struct web *w, struct web_answer *out)
{
    while (!take(w, out)) {
        if (more(w, PATIENCE_MS) <= 0)
            return -1;
    }
    return 0;
}

bool web_ends(struct web *w, int ms)
{
    ssize_t n;

    do {
        w->have = 0;
        n = more(w, ms);
    } while (n > 0);
    return n == 0;
}

bool web_has_header(const struct web_answer *a, const char *line)
{
    const char *at = strcasestr(a->head, line);

    return at != NULL && at[-1] == '\n' && at[strlen(line)] == '\r';
}

static void add_header(struct buf *out, const char *name, const char *value)
{
    if (value != NULL)
        buf_addf(out, "%s: %s\r\n", name, value);
}

static void add_body(struct buf *out, const struct web_request *r)
{
    const char *p = r->body;

    if (!r->chunked) {
        buf_add(out, p, r->len);
        return;
    }
    for (size_t at = 0; at < r->len; at += CHUNK) {
        size_t n = r->len - at < CHUNK ? r->len - at : CHUNK;

        buf_addf(out, "%zx\r\n", n);
        buf_add(out, p + at, n);
        buf_adds(out, "\r\n");
    }
    buf_adds(out, "0\r\n\r\n");
}

void web_write_request(struct buf *out, const struct web_request *r)
{
    char made[72];

    buf_addf(out, "%s %s HTTP/1.1\r\nHost: localhost\r\n", r->method != NULL ? r->method : "POST",
             r->path != NULL ? r->path : "/webhook");
    add_header(out, "X-GitHub-Event", r->event);
    add_header(out, "X-GitHub-Delivery", r->guid);
    add_header(out, "Content-Type", r->type);
    if (r->secret != NULL)
        signature_make(r->secret, r->body != NULL ? r->body : "", r->len, made);
    add_header(out, "X-Hub-Signature-256", r->secret != NULL ? made : r->signature);
    if (r->headers != NULL)
        buf_adds(out, r->headers);
    if (r->chunked)
        add_header(out, "Transfer-Encoding", "chunked");
    else if (r->body != NULL)
        buf_addf(out, "Content-Length: %zu\r\n", r->len);
    buf_adds(out, "\r\n");
    if (r->body != NULL)
        add_body(out, r);
}

int web_ask(int port, const struct web_request *r, struct web_answer *out)
{
    AUTO_BUF struct buf text = BUF_INIT((size_t)64 * 1024 * 1024);
    struct web_answer own;
    struct web w;
    int code = 0;

    web_write_request(&text, r);
    web_open(&w, port);
    web_send(&w, text.p, text.len);
    if (web_read(&w, out != NULL ? out : &own) == 0)
        code = (out != NULL ? out : &own)->code;
    web_close(&w);
    return code;
}
