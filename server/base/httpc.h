/*
 * HTTP out, over libcurl: kept connections, deadlines, ceilings on answers, TLS 1.2 or newer with verification always
 * on, the system's (or an operator's) CA bundle read once, proxies from the usual variables (https_proxy, no_proxy).
 *
 * One struct httpc serves all threads; it keeps a pool of handles, each with its connections, and gives a request the
 * idle handle that last spoke to the same origin. Calls block. Redirects are not followed. No cookies, no netrc.
 *
 * Nothing from a request (headers, body, query string) ever reaches an error text; only method, scheme, host and path.
 */
#ifndef MUSTER_BASE_HTTPC_H
#define MUSTER_BASE_HTTPC_H

#include "server/base/secret.h"

#include <stdint.h>

struct httpc;

struct httpc_conf {
    const char *user_agent;  /* "muster/1.0" */
    const char *ca_file;     /* NULL = the system's bundle ($SSL_CERT_FILE honoured) */
    int connect_timeout_ms;  /* 0 = 10,000 */
    size_t max_idle_handles; /* 0 = 64 */
};

struct httpc *httpc_new(const struct httpc_conf *c); /* once per process before threads start */
void httpc_free(struct httpc *h);                    /* accepts NULL; no request may be under way */

struct httpc_header {
    const char *name, *value;
};

/* Who we are to a server that asks for a certificate, and whom we trust there. PEM files, read for each connection. */
struct httpc_identity {
    const char *ca_file;              /* instead of the usual authorities; NULL = those */
    const char *cert_file, *key_file; /* both or neither */
};

struct httpc_req {
    const char *method;                 /* "GET", "POST", "PUT", "DELETE", "PATCH" */
    const char *url;                    /* absolute http(s) URL, already escaped */
    const struct httpc_header *headers; /* borrowed; an empty value sends an empty header */
    size_t n_headers;
    const void *body; /* NULL = none */
    size_t body_len;
    int timeout_ms;                        /* whole request; 0 = 30,000 */
    size_t max_answer;                     /* bytes of body; 0 = 1 MiB */
    const char *unix_socket;               /* path; NULL = TCP */
    const struct httpc_identity *identity; /* NULL = none: the usual authorities, no certificate of ours */
    /* The body of a 2xx answer in pieces as it comes, instead of in the result; -1 ends the transfer (ERR_RETRY). The
     * ceiling max_answer holds for the sum. */
    int (*on_piece)(void *arg, const char *data, size_t len);
    void *piece_arg;
    int silence_ms; /* ERR_RETRY when nothing comes for so long (whole seconds); 0 = the deadline alone */
    /* Only to addresses of the public Internet (address.h), looked at when the connection is made; ERR_INVALID else.
     * With a proxy for https in the environment, always through it: then it decides about addresses. Implies `once`. */
    bool public_only;
    bool once; /* must not arrive twice: on a connection of its own (a request on a kept one that turns out
                  dead is repeated by libcurl, though it may have been acted upon) */
};

struct httpc_res {
    int status;         /* 100-599 */
    struct buf body;    /* NUL-ended */
    struct buf headers; /* raw lines of the final answer */
    int64_t took_us;
};
#define AUTO_HTTPC_RES AUTO(httpc_res_clear)
#define HTTPC_RES_INIT                                                                                                 \
    {                                                                                                                  \
        .status = 0, .body = BUF_INIT(0), .headers = BUF_INIT(0), .took_us = 0                                         \
    }

/*
 * Any answer with a status is success. Failures: ERR_RETRY (resolve, connect, TLS hand-shake, time-out, reset,
 * truncated body), ERR_INVALID (answer over max_answer, bad URL), ERR_AUTH (peer's certificate not trusted, ours not
 * readable or, where its refusal can be told, not wanted).
 * *res is cleared first and may be reused.
 */
int httpc_do(struct httpc *h, const struct httpc_req *req, struct httpc_res *res, struct err *e) MUST_USE;
void httpc_res_clear(struct httpc_res *res);

/* A header's value (name without case), trimmed; false when absent. Cut to size. */
bool httpc_header(const struct httpc_res *res, const char *name, char *out, size_t size);
/* Seconds from Retry-After (number or date), at least 0, at most a day; -1 when absent or unreadable. */
int httpc_retry_after_s(const struct httpc_res *res);

#endif
