/*
 * A scripted HTTP/1.1 server for tests: it says exactly the bytes it is told to say, well-formed or not, and records
 * what it was asked. It listens on a port of 127.0.0.1 that the system chooses (or on a Unix socket), plain or TLS,
 * with a thread for each connection. Bodies are read by Content-Length; connections are kept.
 *
 *     static const struct raw_step script[] = {{.act = RAW_ANSWER, .bytes = "HTTP/1.1 204 No Content\r\n\r\n"}};
 *     AUTO_RAW struct rawserver *s = raw_start(&(struct raw_conf){.steps = script, .n_steps = 1});
 *
 * A step answers one request; the last one serves all that follow. With a handler instead of steps, each request is
 * answered by a call of it; calls are made one at a time, so that it needs no lock of its own against itself.
 */
#ifndef MUSTER_TESTS_RAWSERVER_H
#define MUSTER_TESTS_RAWSERVER_H

#include "server/base/buf.h"

enum raw_act {
    RAW_ANSWER,  /* all bytes, then wait for the next request */
    RAW_DRIP,    /* the same in pieces of one byte */
    RAW_CLOSE,   /* the first `after` bytes, then close */
    RAW_RESET,   /* the first `after` bytes, then a TCP reset */
    RAW_HANG,    /* the first `after` bytes, then nothing until raw_release, then the rest */
    RAW_ENDLESS, /* all bytes, then 'x' for as long as the client reads */
};

struct raw_step {
    enum raw_act act;
    const char *bytes;
    size_t len;   /* 0 = strlen(bytes) */
    size_t after; /* CLOSE, RESET, HANG; more than there is = all */
};

#define RAW_MAX_HEADERS 64

/* One request as it came. Everything is owned by the server and stays until raw_stop. */
struct raw_request {
    char *raw; /* all bytes */
    size_t raw_len;
    char *method, *path; /* path: the request target, with its query */
    char *body;          /* NUL-ended */
    size_t body_len;
    size_t connection; /* which accepted connection brought it: 0, 1, ... */
    char *head;        /* for raw_header */
    const char *names[RAW_MAX_HEADERS], *values[RAW_MAX_HEADERS];
    size_t n_headers;
};

/* Write the whole answer (status line, headers, body) and return what to do with it: CLOSE and RESET come after all
 * bytes, HANG before the first one. */
typedef int raw_handler_fn(void *arg, const struct raw_request *r, struct buf *answer);

struct raw_conf {
    const struct raw_step *steps; /* borrowed until raw_stop */
    size_t n_steps;
    raw_handler_fn *handler; /* instead of steps */
    void *arg;
    struct ssl_ctx_st *tls;  /* borrowed; NULL = plain */
    const char *unix_socket; /* path; NULL = TCP */
};

struct rawserver;
struct rawserver *raw_start(const struct raw_conf *c);
void raw_stop(struct rawserver *s); /* ends all connections; accepts NULL */
void raw_stop_ptr(struct rawserver **s);
#define AUTO_RAW AUTO(raw_stop_ptr)

int raw_port(const struct rawserver *s);
const char *raw_url(const struct rawserver *s); /* "http://127.0.0.1:PORT"; "https://localhost:PORT" with TLS */
void raw_release(struct rawserver *s);          /* from now on nothing hangs any more */

size_t raw_accepted(struct rawserver *s);            /* connections so far */
size_t raw_count(struct rawserver *s);               /* requests so far */
void raw_wait(struct rawserver *s, size_t requests); /* until so many have arrived; ends the program after 20 s */
const struct raw_request *raw_get(struct rawserver *s, size_t i);      /* NULL when there is no such request */
const char *raw_header(const struct raw_request *r, const char *name); /* NULL when absent; name without case */

/* "HTTP/1.1 STATUS X", Content-Length, `headers` ("Name: value\r\n"... or ""), and the body. */
void raw_answer(struct buf *out, int status, const char *headers, const char *body);

#endif
