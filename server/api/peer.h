/* Who is asking, for the log: the peer, or behind a proxy of ours whom the proxy names. */
#ifndef MUSTER_API_PEER_H
#define MUSTER_API_PEER_H

#include <microhttpd.h>

#define PEER_MAX 64

/* The peer's address; the last entry of X-Forwarded-For when the peer is on loopback or a private network, since only
 * then a proxy of ours can have written it. Anything else in that header is ignored. */
void peer_name(struct MHD_Connection *c, char out[PEER_MAX]);

#endif
