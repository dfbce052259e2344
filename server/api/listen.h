/* Listening sockets: an address as people write it to a bound descriptor, or one clear sentence why not. */
#ifndef MUSTER_API_LISTEN_H
#define MUSTER_API_LISTEN_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* address: host:port, [v6]:port or :port (all interfaces); port 0 = any free one. remedy names the setting in errors
 * ("set server.listen or MUSTER_LISTEN"). The caller closes *fd. */
int listen_open(const char *address, const char *remedy, int *fd, struct err *e) MUST_USE;
int listen_port(int fd);         /* the port bound */
bool listen_is_loopback(int fd); /* reachable from this machine only? */

/* Listening sockets that stay open while the process begins anew: who knocks meanwhile waits in the kernel's queue
 * instead of being refused (GitHub never tries again). */
struct listen_kept {
    int fds[4];
    size_t n;
};

void listen_keep(struct listen_kept *k, int fd); /* a copy of fd that outlives execve; fd < 0: nothing */
int listen_kept_take(struct listen_kept *k, const char *address); /* the one bound to it (port 0: to any); -1 = none */
void listen_kept_close(struct listen_kept *k);                    /* those nobody took */

/* Could `address` be had by a process that now listens on `own`, and is it loopback? Binds nothing for longer than
 * this call. */
int listen_try(const struct listen_kept *own, const char *address, const char *remedy, bool *loopback,
               struct err *e) MUST_USE;

#endif
