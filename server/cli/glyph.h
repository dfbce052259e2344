/*
 * A stranger's text as it may stand on somebody's terminal: one character at a time, with the columns that it takes.
 * Control characters, what turns the writing direction, and bytes that are no UTF-8 show as "?", a tab as one space.
 */
#ifndef MUSTER_CLI_GLYPH_H
#define MUSTER_CLI_GLYPH_H

#include <stddef.h>

struct glyph {
    size_t len;        /* bytes of the text that it is, at least 1 */
    int width;         /* columns: 0 (combines with the one before), 1 or 2 */
    const char *shown; /* what to print: these bytes, or " " or "?" */
    size_t shown_len;
};

/* The first character of a text that is not empty. Never reads beyond len. */
struct glyph glyph_next(const char *s, size_t len);

/* Bytes of the first n characters of a line, at most len. */
size_t glyph_skip(const char *s, size_t len, size_t n);

#endif
