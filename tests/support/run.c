#include "tests/support/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES_MAX 64

extern char **environ;

/* posix_spawn changes none of the texts. */
static void copy_list(char **out, const char *const *list)
{
    size_t n = 0;

    for (; list != NULL && *list != NULL; list++) {
        if (n == ENTRIES_MAX)
            abort();
        out[n++] = (char *)(uintptr_t)*list;
    }
    out[n] = NULL;
}

pid_t run_start(const char *const *args, const char *const *env, int fd)
{
    const char *build = getenv("B"), *path = getenv("PATH");
    char program[1024], path_entry[4096], *argv[ENTRIES_MAX + 2] = {program}, *envp[ENTRIES_MAX + 2] = {path_entry};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;
    int rc;

    (void)snprintf(program, sizeof(program), "%s/muster", build != NULL ? build : "build");
    (void)snprintf(path_entry, sizeof(path_entry), "PATH=%s", path != NULL ? path : "/usr/bin:/bin");
    copy_list(argv + 1, args);
    copy_list(envp + 1, env);
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, fd, STDERR_FILENO);
    rc = posix_spawn(&pid, program, &actions, &attr, argv, env != NULL ? envp : environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    if (rc != 0) {
        (void)fprintf(stderr, "%s: %s\n", program, strerror(rc));
        abort();
    }
    return pid;
}

int run_muster(const char *const *args, struct buf *out)
{
    char chunk[4096];
    int fds[2], status = 0;
    ssize_t n;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        abort();
    pid = run_start(args, NULL, fds[1]);
    (void)close(fds[1]);
    while ((n = read(fds[0], chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        buf_add(out, chunk, n > 0 ? (size_t)n : 0);
    (void)close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
