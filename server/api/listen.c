#include "server/api/listen.h"

#include "server/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
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

/* --- kept over a new beginning ---------------------------------------------------------------------------------- */

void listen_keep(struct listen_kept *k, int fd)
{
    int copy = fd >= 0 && k->n < ARRAY_LEN(k->fds) ? fcntl(fd, F_DUPFD, 3) : -1;

    if (copy >= 0)
        k->fds[k->n++] = copy;
}

void listen_kept_close(struct listen_kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        (void)close(k->fds[i]);
    k->n = 0;
}

static bool listens(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on != 0;
}

static bool same_address(const struct sockaddr_storage *bound, const struct addrinfo *wanted)
{
    if (bound->ss_family != wanted->ai_family)
        return false;
    if (bound->ss_family == AF_INET6) {
        const struct sockaddr_in6 *b = (const void *)bound, *w = (const void *)wanted->ai_addr;

        return (w->sin6_port == 0 || w->sin6_port == b->sin6_port) && w->sin6_scope_id == b->sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&b->sin6_addr, &w->sin6_addr);
    } else {
        const struct sockaddr_in *b = (const void *)bound, *w = (const void *)wanted->ai_addr;

        return (w->sin_port == 0 || w->sin_port == b->sin_port) && b->sin_addr.s_addr == w->sin_addr.s_addr;
    }
}

static bool is_bound_to(int fd, const struct addrinfo *wanted)
{
    struct sockaddr_storage bound;

    for (; wanted != NULL; wanted = wanted->ai_next) {
        if (own_address(fd, &bound) && same_address(&bound, wanted))
            return true;
    }
    return false;
}

int listen_kept_take(struct listen_kept *k, const char *address)
{
    const struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *all;
    struct place p;
    int fd = -1;

    if (k->n == 0 || parse_place(address, &p) || getaddrinfo(p.host[0] != '\0' ? p.host : NULL, p.port, &hints, &all))
        return -1;
    for (size_t i = 0; i < k->n && fd < 0; i++) {
        if (!listens(k->fds[i]) || !is_bound_to(k->fds[i], all))
            continue;
        fd = k->fds[i];
        k->fds[i] = k->fds[--k->n];
    }
    freeaddrinfo(all);
    return fd;
}

/* A port that is ours is tried on one that is free: on another address it may only be had when it is given up. */
static void try_beside(const struct listen_kept *own, struct place *p)
{
    int64_t port;
    struct err ignored;

    if (text_i64(p->port, 1, 65535, &port, &ignored))
        return;
    for (size_t i = 0; i < own->n; i++) {
        if (listen_port(own->fds[i]) == port)
            (void)snprintf(p->port, sizeof(p->port), "0");
    }
}

int listen_try(const struct listen_kept *own, const char *address, const char *remedy, bool *loopback, struct err *e)
{
    char beside[300];
    struct place p;
    int fd;

    if (parse_place(address, &p) == 0) {
        bool v6 = strchr(p.host, ':') != NULL;

        try_beside(own, &p);
        (void)snprintf(beside, sizeof(beside), "%s%s%s:%s", v6 ? "[" : "", p.host, v6 ? "]" : "", p.port);
        address = beside;
    }
    if (listen_open(address, remedy, &fd, e))
        return -1;
    *loopback = listen_is_loopback(fd);
    (void)close(fd);
    return 0;
}
