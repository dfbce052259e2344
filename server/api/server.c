#include "server/api/server.h"

#include "server/api/listen.h"
#include "server/api/listener.h"
#include "server/api/provision.h"
#include "server/api/webhook.h"
#include "server/base/clock.h"
#include "server/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define PUBLIC_REMEDY "set server.listen or MUSTER_LISTEN"
#define ADMIN_REMEDY "set server.admin_listen or MUSTER_ADMIN_LISTEN"
#define ADMIN_CONNECTIONS 32
#define OTHER_DESCRIPTORS 192 /* store, workers, clouds: not for clients */
#define FULL_RECHECK_MS 100
#define EVENTS 16

/* Written by api_server_stop, read by the loop. */
struct stop {
    atomic_bool asked;
    _Atomic int64_t deadline_ms;
};

struct api_server {
    struct api_context x;
    struct listener listeners[LISTENER_ADMIN + 1];
    struct watch run[LISTENER_ADMIN + 1], came_back, woken;
    int epoll_fd, wake_fd;
    bool running; /* the thread exists */
    pthread_t thread;
    pthread_mutex_t join_lock;
    struct stop stop;
};

/* --- making one ------------------------------------------------------------------------------------------------ */

static unsigned descriptors_for_clients(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur == RLIM_INFINITY || lim.rlim_cur > 1000000)
        return 1000000;
    return lim.rlim_cur > 2 * OTHER_DESCRIPTORS ? (unsigned)lim.rlim_cur - OTHER_DESCRIPTORS
                                                : (unsigned)lim.rlim_cur / 2;
}

static void fill_defaults(struct api_conf *c)
{
    unsigned most = descriptors_for_clients();

    if (c->max_body == 0)
        c->max_body = (size_t)25 * 1024 * 1024;
    if (c->max_bodies == 0)
        c->max_bodies = (size_t)64 * 1024 * 1024;
    if (c->request_timeout_ms == 0)
        c->request_timeout_ms = 10000;
    if (c->idle_timeout_ms == 0)
        c->idle_timeout_ms = 60000;
    if (c->max_connections == 0)
        c->max_connections = 4096;
    if (c->max_connections > most)
        c->max_connections = most;
}

static int check_guarded(const struct api_conf *c, bool loopback, struct err *e)
{
    if (c->admin_token != NULL || loopback)
        return 0;
    return err_set(e, ERR_INVALID,
                   "admin_listen %s is reachable from other machines: set server.admin_token or "
                   "MUSTER_ADMIN_TOKEN, or listen on 127.0.0.1",
                   c->admin_listen);
}

static int open_admin(struct api_server *s, struct err *e)
{
    const struct api_conf *c = &s->x.conf;
    struct listener *l = &s->listeners[LISTENER_ADMIN];

    if (c->admin_listen == NULL)
        return 0;
    if (listener_open(l, LISTENER_ADMIN, &s->x, c->admin_listen, ADMIN_REMEDY, ADMIN_CONNECTIONS, e))
        return -1;
    return check_guarded(c, listen_is_loopback(l->fd), e);
}

static void came_back(struct request *r, const struct handover_result *got)
{
    if (r->provisions)
        provision_came_back(r, got);
    else
        webhook_delivered(r, got);
}

static void give_up(struct conn *c)
{
    if (c->request->provisions)
        provision_give_up(c->request);
    else
        webhook_give_up(c);
}

static void on_came_back(void *arg)
{
    struct api_server *s = arg;

    handover_take(s->x.queue, came_back);
}

static void on_woken(void *arg)
{
    struct api_server *s = arg;
    eventfd_t ignored;

    (void)eventfd_read(s->wake_fd, &ignored);
}

static void on_listener(void *arg)
{
    (void)arg; /* every turn runs the listeners anyway, after what came back */
}

static int watch_fd(struct api_server *s, int fd, struct watch *w, void (*ready)(void *arg), struct err *e)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = w};

    *w = (struct watch){ready, s};
    if (fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0)
        return err_sys(e, ERR_BUG, errno, "the HTTP loop cannot watch its descriptors");
    return 0;
}

static void take_over(struct api_server *s, struct listen_kept *kept)
{
    const struct api_conf *c = &s->x.conf;

    s->listeners[LISTENER_PUBLIC].fd = listen_kept_take(kept, c->listen);
    if (c->admin_listen != NULL)
        s->listeners[LISTENER_ADMIN].fd = listen_kept_take(kept, c->admin_listen);
    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        if (s->listeners[i].fd >= 0)
            (void)fcntl(s->listeners[i].fd, F_SETFD, FD_CLOEXEC);
    }
    listen_kept_close(kept);
}

static int open_all(struct api_server *s, struct err *e)
{
    if (s->x.conf.kept != NULL)
        take_over(s, s->x.conf.kept);
    if (s->epoll_fd < 0 || s->wake_fd < 0)
        return err_sys(e, ERR_INVALID, errno, "the HTTP loop cannot be made");
    if (watch_fd(s, s->wake_fd, &s->woken, on_woken, e) ||
        watch_fd(s, handover_queue_fd(s->x.queue), &s->came_back, on_came_back, e))
        return -1;
    if (listener_open(&s->listeners[LISTENER_PUBLIC], LISTENER_PUBLIC, &s->x, s->x.conf.listen, PUBLIC_REMEDY,
                      s->x.conf.max_connections, e))
        return -1;
    return open_admin(s, e);
}

int api_server_open(const struct api_conf *c, struct api_server **out, struct err *e)
{
    struct api_server *s = mem_zalloc(sizeof(*s));

    s->x.conf = *c;
    fill_defaults(&s->x.conf);
    s->x.clients = &s->listeners[LISTENER_PUBLIC].conns;
    for (int i = 0; i <= LISTENER_ADMIN; i++)
        s->listeners[i].fd = -1;
    pthread_mutex_init(&s->join_lock, NULL);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->x.answers = answers_new();
    s->x.queue = handover_queue_new();
    s->x.linger = linger_new(s->epoll_fd);
    if (open_all(s, e)) {
        api_server_free(s);
        return -1;
    }
    *out = s;
    return 0;
}

void api_server_keep(const struct api_server *s, struct listen_kept *out)
{
    for (int i = 0; i <= LISTENER_ADMIN; i++)
        listen_keep(out, s->listeners[i].fd);
}

int api_server_try(const struct api_server *s, const struct api_conf *c, struct err *e)
{
    struct listen_kept own = {0};
    bool loopback;

    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        if (s->listeners[i].fd >= 0)
            own.fds[own.n++] = s->listeners[i].fd;
    }
    if (listen_try(&own, c->listen, PUBLIC_REMEDY, &loopback, e))
        return -1;
    if (c->admin_listen == NULL)
        return 0;
    return listen_try(&own, c->admin_listen, ADMIN_REMEDY, &loopback, e) ? -1 : check_guarded(c, loopback, e);
}

int api_server_port(const struct api_server *s)
{
    return s->listeners[LISTENER_PUBLIC].port;
}

int api_server_admin_port(const struct api_server *s)
{
    return s->listeners[LISTENER_ADMIN].port;
}

/* --- the loop -------------------------------------------------------------------------------------------------- */

static bool is_full(const struct listener *l)
{
    return l->mhd != NULL && l->conns.n >= l->conns.limit && l->conns.lists[CONN_CLOSING].head == NULL;
}

/* How long may the loop wait? -1 = until something happens. */
static int wait_ms(const struct api_server *s)
{
    int64_t next = linger_next_deadline(s->x.linger);
    int64_t now = clock_mono_ms();

    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        const struct listener *l = &s->listeners[i];
        int rest = listener_rest_ms(l);

        if (rest == 0)
            return 0;
        next = rest > 0 ? conn_sooner(next, now + rest) : next;
        next = conn_sooner(next, conn_next_deadline(&l->conns));
        if (is_full(l))
            next = conn_sooner(next, now + FULL_RECHECK_MS);
    }
    if (s->x.stopping)
        next = conn_sooner(next, s->stop.deadline_ms);
    if (next < 0)
        return -1;
    return next <= now ? 0 : next - now > 60000 ? 60000 : (int)(next - now);
}

/* Everything that is ready, once: first what came back from the store, so that its answers leave in this turn. */
static void turn(struct api_server *s, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(s->epoll_fd, events, EVENTS, timeout_ms);

    s->x.now_ms = clock_mono_ms();
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;

        w->ready(w->arg);
    }
    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        struct listener *l = &s->listeners[i];

        listener_run(l);
        conn_expire(&l->conns, s->x.now_ms, give_up);
        conn_sweep(&l->conns, s->x.now_ms);
        if (is_full(l))
            conn_make_room(&l->conns, s->x.now_ms);
        else if (n == 0 && listener_is_deaf(l)) /* a turn in which nothing was ready: one a second */
            (void)conn_shed_idle(&l->conns, s->x.now_ms);
    }
    linger_expire(s->x.linger, s->x.now_ms);
    if (s->x.conf.flush != NULL)
        s->x.conf.flush(s->x.conf.deliver_arg);
}

static void begin_stop(struct api_server *s)
{
    s->x.stopping = true;
    answers_close(s->x.answers);
    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        listener_quiesce(&s->listeners[i]);
        conn_stop(&s->listeners[i].conns, s->x.now_ms);
    }
}

static bool is_busy(const struct api_server *s)
{
    return conn_busy(&s->listeners[LISTENER_PUBLIC].conns) || conn_busy(&s->listeners[LISTENER_ADMIN].conns);
}

/* Whoever still waits for the store gets 503: libmicrohttpd must not be stopped with suspended connections. */
static void give_up_all(struct api_server *s)
{
    struct conn_list *waiting = &s->listeners[LISTENER_PUBLIC].conns.lists[CONN_WAITING];

    while (waiting->head != NULL)
        give_up(waiting->head);
    turn(s, 0);
    turn(s, 0);
    while (waiting->head != NULL) /* handed over in these last turns */
        give_up(waiting->head);
}

static void *loop(void *arg)
{
    struct api_server *s = arg;

    while (!s->stop.asked)
        turn(s, wait_ms(s));
    begin_stop(s);
    while (is_busy(s) && clock_mono_ms() < s->stop.deadline_ms)
        turn(s, wait_ms(s));
    give_up_all(s);
    for (int i = 0; i <= LISTENER_ADMIN; i++)
        listener_close(&s->listeners[i]);
    return NULL;
}

int api_server_start(struct api_server *s, struct err *e)
{
    sigset_t all, before;
    int rc;

    s->x.now_ms = clock_mono_ms();
    for (int i = 0; i <= LISTENER_ADMIN; i++) {
        struct listener *l = &s->listeners[i];

        if (l->fd < 0)
            continue;
        if (listener_start(l, e) || watch_fd(s, l->epoll_fd, &s->run[i], on_listener, e))
            return -1;
    }
    sigfillset(&all); /* signals are main's affair */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&s->thread, NULL, loop, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return err_sys(e, ERR_BUG, rc, "the HTTP loop's thread cannot be started");
    s->running = true;
    return 0;
}

void api_server_stop(struct api_server *s, int64_t grace_ms)
{
    int64_t deadline = clock_mono_ms() + grace_ms;

    if (!s->stop.asked || deadline < s->stop.deadline_ms)
        s->stop.deadline_ms = deadline;
    s->stop.asked = true;
    (void)eventfd_write(s->wake_fd, 1);
    pthread_mutex_lock(&s->join_lock);
    if (s->running)
        pthread_join(s->thread, NULL);
    s->running = false;
    pthread_mutex_unlock(&s->join_lock);
}

void api_server_free(struct api_server *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i <= LISTENER_ADMIN; i++)
        listener_close(&s->listeners[i]);
    linger_free(s->x.linger);
    handover_queue_free(s->x.queue);
    request_pool_free(&s->x);
    answers_free(s->x.answers);
    if (s->epoll_fd >= 0)
        close(s->epoll_fd);
    if (s->wake_fd >= 0)
        close(s->wake_fd);
    pthread_mutex_destroy(&s->join_lock);
    free(s);
}
