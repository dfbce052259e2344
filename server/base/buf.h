/*
 * Growing text with a ceiling. Writing past the ceiling sets `over` and drops everything from there on; buf_str and
 * buf_take report it, so a chain of adds needs one check at its end. The text is always NUL-ended.
 *
 *     AUTO_BUF struct buf b = BUF_INIT(64 * 1024);
 *     buf_addf(&b, "%s=%d", key, n);
 *     if (buf_take(&b, &out, e))
 *         return -1;
 */
#ifndef MUSTER_BASE_BUF_H
#define MUSTER_BASE_BUF_H

#include "server/base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *p;
    size_t len, cap, max; /* bytes; max is the ceiling on len */
    bool over;
};

#define BUF_INIT(ceiling)                                                                                              \
    {                                                                                                                  \
        .p = NULL, .len = 0, .cap = 0, .max = (ceiling), .over = false                                                 \
    }
#define AUTO_BUF AUTO(buf_clear)

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

/* Make room for `total` bytes in all, at most the ceiling, so that later adds do not move the text. */
void buf_reserve(struct buf *b, size_t total);

/* Empty it and keep the memory. */
void buf_reset(struct buf *b);

/* Free the memory and keep the ceiling. */
void buf_clear(struct buf *b);

/* As buf_clear after overwriting the memory: for text that held a secret. */
void buf_wipe(struct buf *b);

/* The text, borrowed until the next change. ERR_INVALID when it went over the ceiling. */
int buf_str(const struct buf *b, const char **out, struct err *e) MUST_USE;

/* Hand the text over: the caller frees it and b is empty again. ERR_INVALID when it went over the ceiling. */
int buf_take(struct buf *b, char **out, struct err *e) MUST_USE;

#endif
