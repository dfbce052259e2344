#include "server/api/listen.h"

#include "server/base/text.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096 /* a burst of connections waits here; the kernel lowers it to net.core.somaxconn */

struct place {
    char host[256]; /* empty = all interfaces */
    char port[8];
};

static int parse_place(const char *address, struct place *out)
{
    const char *colon = strrchr(address, ':');
    size_t host_len;
    int64_t port;
    struct err ignored;

    if (colon == NULL || text_i64(colon + 1, 0, 65535, &port, &ignored))
        return -1;
    host_len = (size_t)(colon - address);
    if (host_len >= 2 && address[0] == '[' && address[host_len - 1] == ']') {
        address++;
        host_len -= 2;
    } else if (memchr(address, ':', host_len) != NULL) {
        return -1; /* an IPv6 address without brackets: which colon is the port's? */
    }
    if (host_len >= sizeof(out->host))
        return -1;
    memcpy(out->host, address, host_len);
    out->host[host_len] = '\0';
    memcpy(out->port, colon + 1, strlen(colon + 1) + 1);
    return 0;
}

static int cannot_listen(const char *address, const char *remedy, int errnum, struct err *e)
{
    switch (errnum) {
    case EADDRINUSE:
        return err_set(e, ERR_INVALID, "cannot listen on %s: the port is in use by another process (%s)", address,
                       remedy);
    case EACCES:
        return err_set(e, ERR_INVALID,
                       "cannot listen on %s: no permission; ports below 1024 need CAP_NET_BIND_SERVICE (%s)", address,
                       remedy);
    case EADDRNOTAVAIL:
        return err_set(e, ERR_INVALID, "cannot listen on %s: no interface of this machine has that address (%s)",
                       address, remedy);
    default:
        return err_sys(e, ERR_INVALID, errnum, "cannot listen on %s (%s)", address, remedy);
    }
}

/* 0, or an errno value. */
static int bind_one(const struct addrinfo *a, int *out)
{
    static const int on = 1, off = 0;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *out = fd;
        return 0;
    }
    rc = errno;
    close(fd);
    return rc;
}

int listen_open(const char *address, const char *remedy, int *fd, struct err *e)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    struct place p;
    int failure = EADDRNOTAVAIL;
    int rc;

    if (parse_place(address, &p))
        return err_set(e, ERR_INVALID, "cannot listen on \"%s\": expected host:port, as in 0.0.0.0:8080 (%s)", address,
                       remedy);
    /* ":8080" means every interface, over IPv4 and IPv6 where there is IPv6. */
    rc = getaddrinfo(p.host[0] != '\0' ? p.host : "::", p.port, &hints, &all);
    if (rc != 0)
        return err_set(e, ERR_INVALID, "cannot listen on %s: no such host: %s (%s)", address, gai_strerror(rc), remedy);
    for (const struct addrinfo *a = all; a != NULL && failure != 0; a = a->ai_next)
        failure = bind_one(a, fd);
    freeaddrinfo(all);
    if (failure == EAFNOSUPPORT && p.host[0] == '\0') {
        char v4[32] = "0.0.0.0:";

        memcpy(v4 + strlen(v4), p.port, strlen(p.port) + 1);
        return listen_open(v4, remedy, fd, e);
    }
    return failure == 0 ? 0 : cannot_listen(address, remedy, failure, e);
}

static bool own_address(int fd, struct sockaddr_storage *out)
{
    socklen_t len = sizeof(*out);

    memset(out, 0, sizeof(*out));
    return getsockname(fd, (struct sockaddr *)out, &len) == 0;
}

int listen_port(int fd)
{
    struct sockaddr_storage a;

    if (!own_address(fd, &a))
        return 0;
    if (a.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&a)->sin6_port);
    return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

bool listen_is_loopback(int fd)
{
    struct sockaddr_storage a;

    if (!own_address(fd, &a))
        return false;
    if (a.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)&a)->sin6_addr);
    return ntohl(((struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
}
