#include "tests/support/barehttp.h"

#include "server/api/listen.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data, size_t *len, void **ctx)
{
    static int seen;

    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*ctx == NULL) {
        *ctx = &seen;
        return MHD_YES;
    }
    if (*len > 0) {
        *len = 0;
        return MHD_YES;
    }
    return MHD_queue_response(c, MHD_HTTP_OK, arg);
}

static void *loop(void *arg)
{
    struct MHD_Daemon *d = arg;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
    struct pollfd p = {.fd = info->epoll_fd, .events = POLLIN};

    for (;;) {
        MHD_UNSIGNED_LONG_LONG ms;
        int wait = MHD_get_timeout(d, &ms) == MHD_YES ? (int)ms : -1;

        (void)poll(&p, 1, wait);
        (void)MHD_run(d);
    }
    return NULL;
}

int bare_serve(int *port)
{
    static char text[] = "{\"status\":\"stored\"}\n";
    struct MHD_Response *r = MHD_create_response_from_buffer(sizeof(text) - 1, text, MHD_RESPMEM_PERSISTENT);
    struct MHD_Daemon *d;
    struct err e;
    pthread_t thread;
    int fd;

    if (listen_open("127.0.0.1:0", "", &fd, &e))
        return -1;
    *port = listen_port(fd);
    d = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, r, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, 8192U, MHD_OPTION_END);
    if (d == NULL || pthread_create(&thread, NULL, loop, d) != 0)
        return -1;
    (void)pthread_detach(thread);
    return 0;
}
