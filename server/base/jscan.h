/*
 * The hot path's JSON reader: one strict pass over the text that pulls out a few named values and allocates nothing.
 *
 * The whole text is checked (grammar of RFC 8259, number syntax, UTF-8, escapes, no duplicate of a wanted key, nothing
 * after the value), whether wanted or not, so what it accepts is JSON. jansson serves everywhere else.
 *
 *     static const char *const paths[] = {"action", "workflow_job.id"};
 *     struct jscan_value v[2];
 *     if (jscan(text, len, paths, 2, v, e)) ...
 *
 * Paths are keys joined by dots; arrays are values as a whole (walk one with jscan_next_item). Keys are compared after
 * decoding escapes. At most JSCAN_MAX_PATHS paths and JSCAN_MAX_DEPTH levels.
 */
#ifndef MUSTER_BASE_JSCAN_H
#define MUSTER_BASE_JSCAN_H

#include "server/base/buf.h"

#include <stdint.h>

#define JSCAN_MAX_PATHS 64
#define JSCAN_MAX_DEPTH 64

enum jscan_type {
    JSCAN_ABSENT,
    JSCAN_NULL,
    JSCAN_FALSE,
    JSCAN_TRUE,
    JSCAN_NUMBER,
    JSCAN_STRING,
    JSCAN_OBJECT,
    JSCAN_ARRAY
};

/* A slice of the text. STRING: what stands between the quotes, still escaped. Others: the value's whole text. */
struct jscan_value {
    enum jscan_type type;
    const char *p;
    size_t len;
};

/* ERR_INVALID with the byte offset ("not JSON at byte 17: expected ':' after the key"). */
int jscan(const char *text, size_t len, const char *const *paths, size_t n, struct jscan_value *out,
          struct err *e) MUST_USE;

/* The next element of an array value found by jscan: start with *pos = 0; returns false after the last one. */
bool jscan_next_item(const struct jscan_value *array, size_t *pos, struct jscan_value *item);

/* Decode a STRING into out (appended). A NUL (\u0000) is refused: nothing we read may hold one. */
int jscan_str(const struct jscan_value *v, struct buf *out, struct err *e) MUST_USE;
/* Whole numbers only: "1.0", "1e3" and values over 64 bits are refused. */
int jscan_i64(const struct jscan_value *v, int64_t *out, struct err *e) MUST_USE;

const char *jscan_type_name(enum jscan_type t); /* "a string", "null", ... for messages */

#endif
