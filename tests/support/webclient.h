/*
 * An HTTP client for tests that sends exactly the bytes it is told to and reads answers one by one. Failures of the
 * test's own sockets end the program.
 */
#ifndef MUSTER_TESTS_WEBCLIENT_H
#define MUSTER_TESTS_WEBCLIENT_H

#include "server/base/buf.h"
#include "server/base/secret.h"

struct web {
    int fd;
    size_t have; /* bytes received and not yet taken as an answer */
    char in[32 * 1024];
};

struct web_answer {
    int code;
    char head[2048]; /* status line and headers */
    char body[24 * 1024];
};

/* A signed delivery, or any other request: what is NULL is left out of it. */
struct web_request {
    const char *method, *path; /* NULL = POST /webhook */
    const char *event, *guid, *type;
    const char *signature;       /* the whole header value ... */
    const struct secret *secret; /* ... or make it with this */
    const char *headers;         /* more of them, each with its line end */
    const void *body;
    size_t len;
    bool chunked; /* in pieces of 7 KB instead of with a length */
};

void web_open(struct web *w, int port);
void web_close(struct web *w);
void web_send(struct web *w, const void *data, size_t len); /* may be cut short when the server has gone */
void web_sends(struct web *w, const char *text);
void web_half_close(struct web *w); /* nothing more will be sent */

/* Read one answer. 0, or -1 when the connection ended or nothing whole came within 10 s. An "100 Continue" counts as
 * an answer of its own. */
int web_read(struct web *w, struct web_answer *out);
/* Does the server end the connection within ms? What still comes is thrown away. */
bool web_ends(struct web *w, int ms);
/* Is the line "name: value" among the headers? */
bool web_has_header(const struct web_answer *a, const char *line);

void web_write_request(struct buf *out, const struct web_request *r);
/* On a connection of its own: the code, 0 when there is no answer. out may be NULL. */
int web_ask(int port, const struct web_request *r, struct web_answer *out);

#endif
