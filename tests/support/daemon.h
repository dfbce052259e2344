/*
 * The real `muster serve` as a child process, for end-to-end tests: started with an environment of its own, its log
 * read line by line, ended by signal. The binary is $B/muster (B = build directory, default "build").
 */
#ifndef MUSTER_TESTS_SUPPORT_DAEMON_H
#define MUSTER_TESTS_SUPPORT_DAEMON_H

#include "tests/support/sanitized.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct daemon_child;

/* env: "NAME=value" entries, ended by NULL; nothing else is inherited but PATH. args after "serve", ended by NULL (or
 * NULL). Returns at once. */
struct daemon_child *daemon_spawn(const char *const *env, const char *const *args);
/* Waits until it listens; false: it ended instead. */
bool daemon_listens(struct daemon_child *d);
/* Both; NULL when it ended instead (its log was printed). */
struct daemon_child *daemon_start(const char *const *env);

int daemon_port(const struct daemon_child *d);
int daemon_admin_port(const struct daemon_child *d);
pid_t daemon_pid(const struct daemon_child *d);

/* Wait until a line of the log contains text; false after timeout_ms, or when it ended without saying so. */
bool daemon_wait_log(struct daemon_child *d, const char *text, int timeout_ms);
/* How many lines contain text so far. */
size_t daemon_count_log(struct daemon_child *d, const char *text);
/* All it wrote so far; the caller frees. */
char *daemon_log(struct daemon_child *d);

/* Resident memory in KiB. */
long daemon_rss_kib(const struct daemon_child *d);

/* Send a signal, wait for the end, free. Returns the exit status, or 128 + signal. 0 sends none: just waits. */
int daemon_stop(struct daemon_child *d, int sig);

#endif
