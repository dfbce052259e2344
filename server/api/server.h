/*
 * HTTP in: libmicrohttpd driven by our own epoll loop on one thread (its internal epoll thread can hang under bursts:
 * MHD_epoll() repeats its wait whenever exactly 128 events came back).
 *
 * Public listener: POST /webhook and POST /, GET and POST /api/v1/agent, GET /api/runner-provision, GET /healthz,
 * GET /readyz. Admin listener: GET /metrics, GET /healthz, GET /readyz; a bearer token unless it listens on loopback.
 *
 * Ceilings: bytes of a body and of all bodies at once, time for headers, for a body, and between requests, connections.
 */
#ifndef MUSTER_API_SERVER_H
#define MUSTER_API_SERVER_H

#include "providers/common/agent_hub.h"
#include "server/api/listen.h"
#include "server/base/secret.h"
#include "server/engine/engine.h"

struct api_server;

struct api_conf {                     /* borrowed, outlives the server */
    const char *listen;               /* host:port; port 0 = any free one */
    const char *admin_listen;         /* NULL = none */
    const struct secret *admin_token; /* NULL = none asked for */
    const struct secret *const *webhook_secrets;
    size_t n_webhook_secrets;
    /* Store a delivery: engine_deliver with its engine as arg; tests pass their own. Must not block. */
    void (*deliver)(void *arg, const char *guid, struct job *job, engine_delivered_fn *done, void *done_arg);
    /* The same for a push: engine_pushed; NULL = nobody wants them. */
    void (*pushed)(void *arg, const char *guid, struct job *push, engine_delivered_fn *done, void *done_arg);
    /* The same for "Re-run" of a check run: engine_pressed; NULL = nobody wants them. */
    void (*pressed)(void *arg, const char *guid, struct job *press, engine_delivered_fn *done, void *done_arg);
    /* The same for what an installation may see: engine_installed; NULL = nobody wants them. */
    void (*installed)(void *arg, const char *guid, struct job *what, engine_delivered_fn *done, void *done_arg);
    /* Called once after all deliveries of one turn of the loop; NULL = none. */
    void (*flush)(void *arg);
    void *deliver_arg;
    struct agent_hub *agents;         /* whom /api/v1/agent speaks for; NULL = there is nothing at that path */
    const struct secret *agent_token; /* NULL = the same */
    /* A machine asks for its bootstrap: engine_provision; NULL = there is nothing at /api/runner-provision. */
    void (*provision)(void *arg, const char *name, engine_provisioned_fn *done, void *done_arg);
    void *provision_arg;
    const struct secret *const *api_tokens; /* none = the same */
    size_t n_api_tokens;
    struct store *store;      /* for readiness; NULL = always ready */
    struct listen_kept *kept; /* taken over instead of binding anew, the rest closed: emptied; NULL = none */
    size_t max_body;          /* 0 = 25 MiB, GitHub's own cap */
    size_t max_bodies;        /* all at once; 0 = 64 MiB */
    int request_timeout_ms;   /* headers and body complete by then; 0 = 10,000 */
    int idle_timeout_ms;      /* kept connection without a request; 0 = 60,000 */
    unsigned max_connections; /* 0 = 4,096 or what the descriptor limit allows */
};

/* Bind and listen. A busy port, a bad address, no permission: ERR_INVALID with one clear sentence. */
int api_server_open(const struct api_conf *c, struct api_server **out, struct err *e) MUST_USE;
int api_server_port(const struct api_server *s);                    /* the port bound */
int api_server_admin_port(const struct api_server *s);              /* 0 = none */
int api_server_start(struct api_server *s, struct err *e) MUST_USE; /* the loop's thread */
/* Stop accepting, answer what is under way (at most grace_ms), end the thread. Called again, from another thread, while
 * that lasts: the shorter grace counts, so that stop(s, 0) ends it at once. */
void api_server_stop(struct api_server *s, int64_t grace_ms);
void api_server_free(struct api_server *s); /* accepts NULL; stopped before */

/* Could a process that now runs `s` have these addresses? Binds nothing for longer than this call. */
int api_server_try(const struct api_server *s, const struct api_conf *c, struct err *e) MUST_USE;
/* Before api_server_stop: its sockets go on listening, for the next image of this process. */
void api_server_keep(const struct api_server *s, struct listen_kept *out);

#endif
