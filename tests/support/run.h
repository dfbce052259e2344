/* Run `muster` with arguments, as a process. The binary is $B/muster (B = build directory, default "build"). */
#ifndef MUSTER_TESTS_SUPPORT_RUN_H
#define MUSTER_TESTS_SUPPORT_RUN_H

#include "server/base/buf.h"

#include <sys/types.h>

/* Start it. args: what follows "muster", ended by NULL. env: "NAME=value" entries, ended by NULL, with nothing of ours
 * but PATH; or NULL: all of ours. Output and error output go to fd. By posix_spawn: after a fork of a process with
 * threads, the child must not even allocate, and under a sanitizer that stands still. */
pid_t run_start(const char *const *args, const char *const *env, int fd);

/* Run it to its end; what it wrote is appended to out. Returns the exit status, or 128 + signal. */
int run_muster(const char *const *args, struct buf *out);

#endif
