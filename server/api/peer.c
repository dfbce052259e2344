#include "server/api/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool v4_is_ours(uint32_t a)
{
    return a >> 24 == 127 || a >> 24 == 10 || a >> 20 == 0xAC1 || a >> 16 == 0xC0A8 || a >> 16 == 0xA9FE;
}

/* Loopback, link-local or private? */
static bool is_ours(const struct sockaddr *a)
{
    const struct in6_addr *v6;

    if (a->sa_family == AF_INET)
        return v4_is_ours(ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr));
    if (a->sa_family != AF_INET6)
        return false;
    v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
        uint32_t v4;

        memcpy(&v4, v6->s6_addr + 12, sizeof(v4));
        return v4_is_ours(ntohl(v4));
    }
    return IN6_IS_ADDR_LOOPBACK(v6) || IN6_IS_ADDR_LINKLOCAL(v6) || (v6->s6_addr[0] & 0xFE) == 0xFC;
}

static void write_address(const struct sockaddr *a, char out[PEER_MAX])
{
    const void *ip = a->sa_family == AF_INET6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
                                              : (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;

    if (inet_ntop(a->sa_family, ip, out, PEER_MAX) == NULL)
        (void)snprintf(out, PEER_MAX, "unknown");
}

/* The last entry of the list, if it is an address. */
static bool last_forwarded(const char *list, char out[PEER_MAX])
{
    const char *comma = strrchr(list, ',');
    const char *start = comma != NULL ? comma + 1 : list;
    unsigned char ip[sizeof(struct in6_addr)];
    char text[PEER_MAX];
    size_t len;

    start += strspn(start, " \t");
    len = strcspn(start, " \t");
    if (len == 0 || len >= sizeof(text))
        return false;
    memcpy(text, start, len);
    text[len] = '\0';
    if (inet_pton(AF_INET, text, ip) != 1 && inet_pton(AF_INET6, text, ip) != 1)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

/* A proxy may append to the header's last line or add a line of its own: the last line counts. */
static enum MHD_Result keep_forwarded(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    if (value != NULL && strcasecmp(key, "X-Forwarded-For") == 0)
        *(const char **)arg = value;
    return MHD_YES;
}

void peer_name(struct MHD_Connection *c, char out[PEER_MAX])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const char *forwarded = NULL;

    if (info == NULL || info->client_addr == NULL) {
        (void)snprintf(out, PEER_MAX, "unknown");
        return;
    }
    if (is_ours(info->client_addr)) {
        (void)MHD_get_connection_values(c, MHD_HEADER_KIND, keep_forwarded, &forwarded);
        if (forwarded != NULL && last_forwarded(forwarded, out))
            return;
    }
    write_address(info->client_addr, out);
}
