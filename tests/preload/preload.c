/*
 * See shim.h. Only calls that somebody outside can notice count: what changes files, and what is sent. Lines of the log
 * do not. Without SHIM_VARIABLE everything is as it was.
 */
#include "tests/preload/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS 1000000000
#define LOOK_NS (50 * 1000 * 1000) /* how soon a jump of the clock is noticed */

static struct shim *shared;
static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

/* ISO C has no way from an object pointer to a function pointer but by its bytes. */
#define NEXT(type, name)                                                                                               \
    static type next;                                                                                                  \
    if (next == NULL)                                                                                                  \
    find(&next, sizeof(next), name)

static void find(void *out, size_t size, const char *name)
{
    void *sym = dlsym(RTLD_NEXT, name);

    memcpy(out, &sym, size);
}

__attribute__((constructor)) static void map_shared(void)
{
    const char *path = getenv(SHIM_VARIABLE);
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd >= 0 ? mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (fd >= 0)
        (void)close(fd);
    if (p != MAP_FAILED)
        shared = p;
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

static void note(const char *call, const char *path, int fd)
{
    char link[64], target[120] = "";
    ssize_t n = 0;

    if (path == NULL) {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        path = target;
    }
    (void)snprintf(shared->what, sizeof(shared->what), "%s %s", call, path);
}

/* What is to happen to this call; before it happens. */
static enum shim_how gate(const char *call, const char *path, int fd)
{
    if (shared == NULL || atomic_fetch_add(&shared->calls, 1) + 1 != shared->kill_at)
        return SHIM_NEVER;
    note(call, path, fd);
    if (shared->how == SHIM_BEFORE)
        die();
    return (enum shim_how)shared->how;
}

static void after(enum shim_how how)
{
    if (how != SHIM_NEVER)
        die();
}

static size_t part(enum shim_how how, size_t n)
{
    return how == SHIM_TORN ? n / 2 : n;
}

static bool is_file(int fd)
{
    struct stat st;

    return fd > STDERR_FILENO && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

typedef ssize_t write_fn(int fd, const void *p, size_t n);
ssize_t write(int fd, const void *p, size_t n)
{
    NEXT(write_fn *, "write");
    enum shim_how how = is_file(fd) ? gate("write", NULL, fd) : SHIM_NEVER;
    ssize_t rc = next(fd, p, part(how, n));

    after(how);
    return rc;
}

typedef ssize_t pwrite_fn(int fd, const void *p, size_t n, off_t at);
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    NEXT(pwrite_fn *, "pwrite64");
    enum shim_how how = gate("pwrite", NULL, fd);
    ssize_t rc = next(fd, p, part(how, n), at);

    after(how);
    return rc;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

typedef ssize_t send_fn(int fd, const void *p, size_t n, int flags);
ssize_t send(int fd, const void *p, size_t n, int flags)
{
    NEXT(send_fn *, "send");
    enum shim_how how = gate("send", NULL, fd);
    ssize_t rc = next(fd, p, part(how, n), flags);

    after(how);
    return rc;
}

typedef ssize_t sendto_fn(int fd, const void *p, size_t n, int flags, const struct sockaddr *to, socklen_t len);
ssize_t sendto(int fd, const void *p, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    NEXT(sendto_fn *, "sendto");
    enum shim_how how = gate("sendto", NULL, fd);
    ssize_t rc = next(fd, p, part(how, n), flags, to.__sockaddr__, len);

    after(how);
    return rc;
}

typedef ssize_t sendmsg_fn(int fd, const struct msghdr *m, int flags);
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    NEXT(sendmsg_fn *, "sendmsg");
    enum shim_how how = gate("sendmsg", NULL, fd);
    ssize_t rc = next(fd, m, flags);

    after(how);
    return rc;
}

typedef int connect_fn(int fd, const struct sockaddr *to, socklen_t len);
int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    NEXT(connect_fn *, "connect");
    enum shim_how how = gate("connect", NULL, fd);
    int rc = next(fd, to.__sockaddr__, len);

    after(how);
    return rc;
}

typedef int rename_fn(const char *from, const char *to);
int rename(const char *from, const char *to)
{
    NEXT(rename_fn *, "rename");
    enum shim_how how = gate("rename", from, -1);
    int rc = next(from, to);

    after(how);
    return rc;
}

typedef int ftruncate_fn(int fd, off_t len);
int ftruncate(int fd, off_t len)
{
    NEXT(ftruncate_fn *, "ftruncate64");
    enum shim_how how = gate("ftruncate", NULL, fd);
    int rc = next(fd, len);

    after(how);
    return rc;
}

int ftruncate64(int fd, off_t len)
{
    return ftruncate(fd, len);
}

/* Only what may make a file. */
typedef int open_fn(const char *path, int flags, ...);
int open(const char *path, int flags, ...)
{
    NEXT(open_fn *, "open64");
    enum shim_how how = (flags & O_CREAT) != 0 ? gate("open", path, -1) : SHIM_NEVER;
    va_list ap;
    mode_t mode;
    int fd;

    va_start(ap, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    fd = next(path, flags, mode);
    after(how);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open(path, flags, mode);
}

/* The daemon shuts everybody out of /proc/PID, itself too unless it is root; the test looks there. */
int prctl(int option, ...)
{
    typedef int prctl_fn(int, unsigned long, unsigned long, unsigned long, unsigned long);
    NEXT(prctl_fn *, "prctl");
    unsigned long a[4];
    va_list ap;

    if (shared != NULL && option == PR_SET_DUMPABLE)
        return 0;
    va_start(ap, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(ap, unsigned long);
    va_end(ap);
    return next(option, a[0], a[1], a[2], a[3]);
}

/* --- what is on disk whatever happens --------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool is_store(const char *path)
{
    return ends_with(path, "/store.db") || ends_with(path, "/store.db-wal");
}

static void copy_bytes(int from, int to)
{
    static char buf[65536]; /* guarded by `copying` */
    off_t at = 0;
    ssize_t n;

    while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
        NEXT(pwrite_fn *, "pwrite64");
        if (next(to, buf, (size_t)n, at) != n)
            abort();
        at += n;
    }
    NEXT(ftruncate_fn *, "ftruncate64");
    if (next(to, at) != 0)
        abort();
}

/* One committer writes, and it is the one that syncs: the file holds what is being synced. It is read by the descriptor
 * at hand: to close another one of it would drop the locks that SQLite has on it (POSIX), and whoever looks from
 * outside would take himself for the last and delete the log under the daemon. */
static void keep(int fd)
{
    char link[64], path[512], copy[600];
    ssize_t n;
    int to;
    NEXT(open_fn *, "open64");

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    if (!is_store(path))
        return;
    (void)snprintf(copy, sizeof(copy), "%s" SHIM_SYNCED, path);
    (void)pthread_mutex_lock(&copying);
    to = next(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (to < 0)
        abort();
    copy_bytes(fd, to);
    (void)close(to);
    (void)pthread_mutex_unlock(&copying);
}

typedef int sync_fn(int fd);
static int sync_file(sync_fn *next, const char *call, int fd)
{
    enum shim_how how = gate(call, NULL, fd);
    int rc = shared != NULL && shared->no_sync ? 0 : next(fd);

    if (shared != NULL && shared->keep_synced && rc == 0)
        keep(fd);
    after(how);
    return rc;
}

int fsync(int fd)
{
    NEXT(sync_fn *, "fsync");
    return sync_file(next, "fsync", fd);
}

int fdatasync(int fd)
{
    NEXT(sync_fn *, "fdatasync");
    return sync_file(next, "fdatasync", fd);
}

typedef int unlink_fn(const char *path);
int unlink(const char *path)
{
    char copy[600];
    NEXT(unlink_fn *, "unlink");
    enum shim_how how = gate("unlink", path, -1);
    int rc = next(path);

    if (shared != NULL && shared->keep_synced && rc == 0 && is_store(path)) {
        (void)snprintf(copy, sizeof(copy), "%s" SHIM_SYNCED, path);
        (void)next(copy);
    }
    after(how);
    return rc;
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static bool is_fast(void)
{
    return shared != NULL;
}

static int64_t real_ns(clockid_t id)
{
    typedef int gettime_fn(clockid_t, struct timespec *);
    struct timespec t;
    NEXT(gettime_fn *, "clock_gettime");

    (void)next(id, &t);
    return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static int64_t fast_ns(bool wall)
{
    int64_t since = (real_ns(CLOCK_MONOTONIC) - shared->base_mono_ns) * shared->rate;

    since += atomic_load(&shared->ahead_ns);
    return since + (wall ? shared->base_wall_ns : shared->base_mono_ns);
}

static bool is_wall(clockid_t id)
{
    return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
}

static bool is_ours(clockid_t id)
{
    return is_wall(id) || id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_BOOTTIME ||
           id == CLOCK_MONOTONIC_RAW;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    int64_t ns = is_fast() && is_ours(id) ? fast_ns(is_wall(id)) : real_ns(id);

    t->tv_sec = (time_t)(ns / NS);
    t->tv_nsec = (long)(ns % NS);
    return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    int64_t ns = is_fast() ? fast_ns(true) : real_ns(CLOCK_REALTIME);

    (void)zone;
    t->tv_sec = (time_t)(ns / NS);
    t->tv_usec = (suseconds_t)(ns % NS / 1000);
    return 0;
}

time_t time(time_t *out)
{
    time_t t = (time_t)((is_fast() ? fast_ns(true) : real_ns(CLOCK_REALTIME)) / NS);

    if (out != NULL)
        *out = t;
    return t;
}

static struct timespec in_real_ns(bool wall, int64_t ns)
{
    int64_t at = real_ns(wall ? CLOCK_REALTIME : CLOCK_MONOTONIC) + (ns > 0 ? ns : 0);

    return (struct timespec){.tv_sec = (time_t)(at / NS), .tv_nsec = (long)(at % NS)};
}

/* A deadline far from 1970 is one of the wall clock. Looked at again and again: the clock may jump. */
typedef int timedwait_fn(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);
int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m,
                           const struct timespec *restrict until)
{
    NEXT(timedwait_fn *, "pthread_cond_timedwait");
    bool wall = until->tv_sec > 1000000000;
    int rc = is_fast() ? ETIMEDOUT : next(c, m, until);

    while (is_fast() && rc == ETIMEDOUT) {
        int64_t left = ((int64_t)until->tv_sec * NS + until->tv_nsec - fast_ns(wall)) / shared->rate;
        struct timespec t = in_real_ns(wall, left < LOOK_NS ? left : LOOK_NS);

        rc = next(c, m, &t);
        if (left < LOOK_NS)
            break;
    }
    return rc;
}

static int shorter(int ms)
{
    return is_fast() && shared->rate > 1 && ms > 0 ? ms / shared->rate + 1 : ms;
}

typedef int epoll_fn(int fd, struct epoll_event *events, int n, int ms);
int epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
    NEXT(epoll_fn *, "epoll_wait");
    return next(fd, events, n, shorter(ms));
}

typedef int poll_fn(struct pollfd *fds, nfds_t n, int ms);
int poll(struct pollfd *fds, nfds_t n, int ms)
{
    NEXT(poll_fn *, "poll");
    return next(fds, n, shorter(ms));
}
