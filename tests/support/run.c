#include "tests/support/run.h"

#include "server/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 30

static void become_muster(const char *const *args, int fd)
{
    const char *build = getenv("B");
    char program[1024], *argv[ARGS_MAX + 2] = {program};
    size_t n = 1;

    (void)snprintf(program, sizeof(program), "%s/muster", build != NULL ? build : "build");
    for (; *args != NULL && n <= ARGS_MAX; args++)
        argv[n++] = mem_strdup(*args);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    (void)execv(program, argv);
    _exit(127);
}

int run_muster(const char *const *args, struct buf *out)
{
    char chunk[4096];
    int fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    if (pipe(fds) != 0)
        abort();
    pid = fork();
    if (pid == 0)
        become_muster(args, fds[1]);
    (void)close(fds[1]);
    while ((n = read(fds[0], chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        buf_add(out, chunk, n > 0 ? (size_t)n : 0);
    (void)close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
