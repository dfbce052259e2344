#include "tests/support/daemon.h"

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/support/run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGS_MAX 30

struct daemon_child {
    pid_t pid;
    int port, admin_port, fd;
    pthread_t reader;
    pthread_mutex_t lock;
    pthread_cond_t grew;
    struct buf log;
    bool ended;
};

static void *read_log(void *arg)
{
    struct daemon_child *d = arg;
    char chunk[4096];
    ssize_t n;

    while ((n = read(d->fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        (void)pthread_mutex_lock(&d->lock);
        if (n > 0)
            buf_add(&d->log, chunk, (size_t)n);
        (void)pthread_cond_broadcast(&d->grew);
        (void)pthread_mutex_unlock(&d->lock);
    }
    (void)pthread_mutex_lock(&d->lock);
    d->ended = true;
    (void)pthread_cond_broadcast(&d->grew);
    (void)pthread_mutex_unlock(&d->lock);
    return NULL;
}

struct daemon_child *daemon_spawn(const char *const *env, const char *const *args)
{
    struct daemon_child *d = mem_zalloc(sizeof(*d));
    const char *all[ARGS_MAX + 2] = {"serve"}, *const bare[] = {NULL};
    pthread_condattr_t attr;
    int fds[2];

    for (size_t n = 1; args != NULL && *args != NULL && n <= ARGS_MAX; args++)
        all[n++] = *args;
    if (pipe2(fds, O_CLOEXEC) != 0)
        abort();
    d->pid = run_start(all, env != NULL ? env : bare, fds[1]);
    (void)close(fds[1]);
    d->fd = fds[0];
    d->log = (struct buf)BUF_INIT((size_t)256 * 1024 * 1024);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->grew, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&d->reader, NULL, read_log, d) != 0)
        abort();
    return d;
}

static const char *find_line(const struct daemon_child *d, const char *text)
{
    return d->log.p != NULL ? strstr(d->log.p, text) : NULL;
}

bool daemon_wait_log(struct daemon_child *d, const char *text, int timeout_ms)
{
    struct timespec until;
    bool found;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000 + 1;
    (void)pthread_mutex_lock(&d->lock);
    while ((found = find_line(d, text) != NULL) == false && !d->ended) {
        if (pthread_cond_timedwait(&d->grew, &d->lock, &until) != 0)
            break;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return found;
}

size_t daemon_count_log(struct daemon_child *d, const char *text)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&d->lock);
    for (const char *at = d->log.p; at != NULL && (at = strstr(at, text)) != NULL; at += strlen(text))
        n++;
    (void)pthread_mutex_unlock(&d->lock);
    return n;
}

char *daemon_log(struct daemon_child *d)
{
    char *copy;

    (void)pthread_mutex_lock(&d->lock);
    copy = mem_strdup(d->log.p != NULL ? d->log.p : "");
    (void)pthread_mutex_unlock(&d->lock);
    return copy;
}

static int number_after(const struct daemon_child *d, const char *key)
{
    const char *line = find_line(d, "\"server.started\"");
    const char *at = line != NULL ? strstr(line, key) : NULL;

    return at != NULL ? (int)strtol(at + strlen(key), NULL, 10) : 0;
}

bool daemon_listens(struct daemon_child *d)
{
    if (!daemon_wait_log(d, "\"server.started\"", 60000))
        return false;
    (void)pthread_mutex_lock(&d->lock);
    while (strchr(find_line(d, "\"server.started\""), '\n') == NULL && !d->ended)
        (void)pthread_cond_wait(&d->grew, &d->lock);
    d->port = number_after(d, "\"port\":");
    d->admin_port = number_after(d, "\"admin_port\":");
    (void)pthread_mutex_unlock(&d->lock);
    return d->port > 0;
}

struct daemon_child *daemon_start(const char *const *env)
{
    struct daemon_child *d = daemon_spawn(env, NULL);

    if (!daemon_listens(d)) {
        (void)fprintf(stderr, "the daemon did not start:\n%s\n", d->log.p != NULL ? d->log.p : "(it said nothing)");
        (void)daemon_stop(d, SIGKILL);
        return NULL;
    }
    return d;
}

int daemon_port(const struct daemon_child *d)
{
    return d->port;
}

int daemon_admin_port(const struct daemon_child *d)
{
    return d->admin_port;
}

pid_t daemon_pid(const struct daemon_child *d)
{
    return d->pid;
}

long daemon_rss_kib(const struct daemon_child *d)
{
    char path[64], line[256];
    long kib = -1;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)d->pid);
    f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return kib;
}

int daemon_stop(struct daemon_child *d, int sig)
{
    int status = 0;

    if (sig != 0)
        (void)kill(d->pid, sig);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    (void)pthread_join(d->reader, NULL);
    (void)close(d->fd);
    buf_clear(&d->log);
    (void)pthread_mutex_destroy(&d->lock);
    (void)pthread_cond_destroy(&d->grew);
    free(d);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
