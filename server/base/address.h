/*
 * Is a network address one of the public Internet? For requests whose destination a stranger may have chosen: they must
 * not reach what only this machine can reach. Sources: IANA's registries of special-purpose addresses, IPv4 and IPv6.
 */
#ifndef MUSTER_BASE_ADDRESS_H
#define MUSTER_BASE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* false for loopback, private, link-local, shared, reserved, documentation and multicast addresses, for those that
 * stand for such a one (IPv4-mapped, NAT64), for tunnels whose end is written in the address (6to4, Teredo), and for
 * families other than IPv4 and IPv6. */
bool address_is_public(const struct sockaddr *addr);

#endif
