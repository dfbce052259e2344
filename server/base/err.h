/*
 * A failure is a plain value on the caller's stack.
 *
 * Fallible functions return 0 or -1 and take a final `struct err *e`, which they fill only on failure. The kind says
 * what the caller may do next; callers switch on kinds, never on text. The text is for a person: it says what was
 * wrong, where, and what to do, and never holds a secret.
 *
 * Threads: a struct err belongs to one thread.
 */
#ifndef MUSTER_BASE_ERR_H
#define MUSTER_BASE_ERR_H

#include "server/base/attr.h"

enum err_kind {
    ERR_NONE,
    ERR_INVALID,   /* the request or the input is wrong: repeating it is useless */
    ERR_AUTH,      /* credentials bad, expired or not permitted */
    ERR_GONE,      /* the thing asked for is not there */
    ERR_CONFLICT,  /* the name or token is taken, or the state forbids it */
    ERR_QUOTA,     /* an account limit is reached */
    ERR_CAPACITY,  /* this type, here, now, cannot be had */
    ERR_THROTTLED, /* too many requests: wait, then the same again */
    ERR_RETRY,     /* passing fault: time-out, reset, 5xx */
    ERR_BUG        /* ours */
};

struct err {
    enum err_kind kind;
    int retry_after_s; /* THROTTLED, RETRY: wait this long; CAPACITY: remember this long; 0 = the caller's own rule */
    char msg[512];
};

/* Fill *e, cutting an over-long text at a UTF-8 boundary. Control characters become spaces. Returns -1. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) MUST_USE PRINTF(3, 4);

/* Put "context: " in front of the text already there, keeping kind and retry_after_s. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) MUST_USE PRINTF(2, 3);

/* As err_set with the text of an errno value appended (": No space left on device"). Returns -1. */
int err_sys(struct err *e, enum err_kind kind, int errnum, const char *fmt, ...) MUST_USE PRINTF(4, 5);

/* "invalid", "capacity", ...: the word used in logs and metrics. */
const char *err_kind_name(enum err_kind kind);

/* Is it worth trying the same again later? True for THROTTLED and RETRY. */
int err_is_passing(const struct err *e);

#endif
