#include "server/base/address.h"

#include "server/base/attr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool v4_is_public(uint32_t ip)
{
    static const struct {
        uint32_t net;
        int bits;
    } special[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared, behind a carrier's NAT */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local: metadata services */
        {0xac100000, 12}, /* private */
        {0xc0000000, 24}, /* protocol assignments */
        {0xc0000200, 24}, /* documentation */
        {0xc0586300, 24}, /* 6to4 relays */
        {0xc0a80000, 16}, /* private */
        {0xc6120000, 15}, /* benchmarking */
        {0xc6336400, 24}, /* documentation */
        {0xcb007100, 24}, /* documentation */
        {0xe0000000, 4},  /* multicast */
        {0xf0000000, 4},  /* reserved, broadcast */
    };

    for (size_t i = 0; i < ARRAY_LEN(special); i++) {
        if ((ip ^ special[i].net) >> (32 - special[i].bits) == 0)
            return false;
    }
    return true;
}

static bool v6_has_prefix(const unsigned char *ip, const char *prefix, int bits)
{
    struct in6_addr net;
    int whole = bits / 8, rest = bits % 8;

    if (inet_pton(AF_INET6, prefix, &net) != 1 || memcmp(ip, net.s6_addr, (size_t)whole) != 0)
        return false;
    return rest == 0 || (ip[whole] ^ net.s6_addr[whole]) >> (8 - rest) == 0;
}

/* The IPv4 address in the last four bytes. */
static uint32_t v4_within(const unsigned char *ip)
{
    return (uint32_t)ip[12] << 24 | (uint32_t)ip[13] << 16 | (uint32_t)ip[14] << 8 | ip[15];
}

static bool v6_is_public(const unsigned char *ip)
{
    if (v6_has_prefix(ip, "::ffff:0:0", 96) || v6_has_prefix(ip, "64:ff9b::", 96))
        return v4_is_public(v4_within(ip));
    return v6_has_prefix(ip, "2000::", 3) && !v6_has_prefix(ip, "2001::", 23) && !v6_has_prefix(ip, "2001:db8::", 32) &&
           !v6_has_prefix(ip, "2002::", 16) && !v6_has_prefix(ip, "3fff::", 20);
}

bool address_is_public(const struct sockaddr *addr)
{
    struct sockaddr_in6 six;
    struct sockaddr_in four;

    if (addr->sa_family == AF_INET) {
        memcpy(&four, addr, sizeof(four));
        return v4_is_public(ntohl(four.sin_addr.s_addr));
    }
    if (addr->sa_family == AF_INET6) {
        memcpy(&six, addr, sizeof(six));
        return v6_is_public(six.sin6_addr.s6_addr);
    }
    return false;
}
