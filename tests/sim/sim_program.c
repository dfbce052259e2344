#include "tests/sim/sim_program.h"

#include "server/base/buf.h"
#include "server/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_FILE (4 * 1024 * 1024)

int sim_program_signals(bool with_parent)
{
    pid_t parent = getppid();
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (with_parent) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* it was gone before we asked */
            (void)raise(SIGTERM);
    }
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int sim_program_signal(int fd)
{
    struct signalfd_siginfo i;

    return read(fd, &i, sizeof(i)) == (ssize_t)sizeof(i) ? (int)i.ssi_signo : 0;
}

bool sim_program_ready(const char *path, const char *url)
{
    char tmp[4096];
    FILE *f;

    if (path == NULL)
        return printf("%s\n", url) > 0 && fflush(stdout) == 0;
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    f = fopen(tmp, "we");
    if (f == NULL)
        return false;
    (void)fprintf(f, "%s\n", url);
    return fclose(f) == 0 && rename(tmp, path) == 0;
}

void sim_program_story(void *arg, const char *line)
{
    const char *who = arg;
    char text[700];
    struct timespec t;
    int n;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    n = snprintf(text, sizeof(text), "%lld\t%s\t%s\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000, who, line);
    if (n > 0 && (size_t)n < sizeof(text) && write(STDOUT_FILENO, text, (size_t)n) < 0)
        return; /* whoever listened is gone */
}

char *sim_program_read(const char *path, size_t *len)
{
    struct buf b = BUF_INIT(MAX_FILE);
    char part[4096], *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return NULL;
    while ((n = read(fd, part, sizeof(part))) > 0)
        buf_add(&b, part, (size_t)n);
    if (n == 0 && !b.over)
        out = mem_strndup(b.p != NULL ? b.p : "", b.len);
    if (len != NULL)
        *len = b.len;
    buf_clear(&b);
    (void)close(fd);
    return out;
}
