/*
 * One listening socket with its libmicrohttpd daemon, its connections and its routes. The loop's thread only, but for
 * open, start and free.
 */
#ifndef MUSTER_API_LISTENER_H
#define MUSTER_API_LISTENER_H

#include "server/api/conn.h"
#include "server/api/context.h"
#include "server/api/watch.h"

enum listener_kind { LISTENER_PUBLIC, LISTENER_ADMIN };

struct listener {
    enum listener_kind kind;
    struct api_context *x;
    struct MHD_Daemon *mhd;
    int fd;       /* listening socket; -1 = none, or closed */
    int epoll_fd; /* the daemon's, watched by the loop */
    int port;
    struct conn_table conns;
    bool was_full;   /* libmicrohttpd has stopped accepting ... */
    bool has_closed; /* ... and accepts again in its first turn after a connection ended */
};

/* Bind, unless fd is a listening socket already. Nothing is accepted before listener_start. */
int listener_open(struct listener *l, enum listener_kind kind, struct api_context *x, const char *address,
                  const char *remedy, unsigned limit, struct err *e) MUST_USE;
int listener_start(struct listener *l, struct err *e) MUST_USE;
void listener_close(struct listener *l); /* also one that was never opened (zeroed, fd -1) */

/* Serve what is ready, without waiting. */
void listener_run(struct listener *l);
/* Somebody waits to be accepted, and listener_run did not: there was no descriptor, and libmicrohttpd listens again
 * only when one of its connections has ended. */
bool listener_is_deaf(const struct listener *l);
/* How long may it rest when nothing happens? 0 = there is more to do, -1 = for ever. */
int listener_rest_ms(const struct listener *l);
/* Take everybody in who already knocked, then accept no more. */
void listener_quiesce(struct listener *l);

#endif
