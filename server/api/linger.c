#include "server/api/linger.h"

#include "server/api/watch.h"
#include "server/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 2000
#define LINGER_MAX 64

struct entry {
    struct entry *next;
    struct lingering *owner;
    struct watch watch;
    int fd;
    int64_t until_ms;
};

struct lingering {
    struct entry *oldest, **end;
    unsigned n;
    int epoll_fd;
};

struct lingering *linger_new(int epoll_fd)
{
    struct lingering *l = mem_zalloc(sizeof(*l));

    l->epoll_fd = epoll_fd;
    l->end = &l->oldest;
    return l;
}

static void remove_entry(struct lingering *l, struct entry *x)
{
    struct entry **at = &l->oldest;

    while (*at != x)
        at = &(*at)->next;
    *at = x->next;
    if (x->next == NULL)
        l->end = at;
    l->n--;
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, x->fd, NULL);
    close(x->fd);
    free(x);
}

void linger_free(struct lingering *l)
{
    if (l == NULL)
        return;
    while (l->oldest != NULL)
        remove_entry(l, l->oldest);
    free(l);
}

static void discard(void *arg)
{
    struct entry *x = arg;
    char sink[16 * 1024];
    ssize_t got = recv(x->fd, sink, sizeof(sink), MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        remove_entry(x->owner, x);
}

void linger_add(struct lingering *l, int fd, int64_t now_ms)
{
    struct entry *x;
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP};
    int copy = l->n < LINGER_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (copy < 0)
        return;
    x = mem_zalloc(sizeof(*x));
    x->owner = l;
    x->fd = copy;
    x->until_ms = now_ms + LINGER_MS;
    x->watch = (struct watch){discard, x};
    ev.data.ptr = &x->watch;
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, copy, &ev) != 0) {
        close(copy);
        free(x);
        return;
    }
    *l->end = x;
    l->end = &x->next;
    l->n++;
}

int64_t linger_next_deadline(const struct lingering *l)
{
    return l->oldest != NULL ? l->oldest->until_ms : -1;
}

void linger_expire(struct lingering *l, int64_t now_ms)
{
    while (l->oldest != NULL && l->oldest->until_ms <= now_ms)
        remove_entry(l, l->oldest);
}
