/* Listening sockets: an address as people write it to a bound descriptor, or one clear sentence why not. */
#ifndef MUSTER_API_LISTEN_H
#define MUSTER_API_LISTEN_H

#include "server/base/err.h"

#include <stdbool.h>

/* address: host:port, [v6]:port or :port (all interfaces); port 0 = any free one. remedy names the setting in errors
 * ("set server.listen or MUSTER_LISTEN"). The caller closes *fd. */
int listen_open(const char *address, const char *remedy, int *fd, struct err *e) MUST_USE;
int listen_port(int fd);         /* the port bound */
bool listen_is_loopback(int fd); /* reachable from this machine only? */

#endif
