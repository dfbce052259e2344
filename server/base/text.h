/*
 * Strict conversions between text and values. Every parser takes the whole text or fails; none guesses.
 * All functions are pure; outputs are untouched on failure.
 */
#ifndef MUSTER_BASE_TEXT_H
#define MUSTER_BASE_TEXT_H

#include "server/base/buf.h"

#include <stdint.h>

/* Decimal, optional '-', no spaces, no '+', no leading zeros except "0"; within min..max. */
int text_i64(const char *s, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_USE;

/* "true" or "false" (also yes/no/on/off in any case, as YAML 1.1 writes them). */
int text_bool(const char *s, bool *out, struct err *e) MUST_USE;

/* "90s", "15m", "24h", "7d", "500ms", sums as "1h30m"; a number alone is refused. Milliseconds, at most 10 years. */
int text_duration_ms(const char *s, int64_t *out, struct err *e) MUST_USE;

/* RFC 3339 in UTC or with offset ("2021-09-13T02:21:13Z", fraction allowed) and RFC 1123 (HTTP Date), to ms. */
int text_rfc3339_ms(const char *s, size_t len, int64_t *out, struct err *e) MUST_USE;
int text_http_date_ms(const char *s, int64_t *out, struct err *e) MUST_USE;
/* "2021-09-13T02:21:13Z"; out holds at least 21 bytes. */
void text_format_rfc3339(int64_t ms, char out[21]);
/* Days from 1970-01-01 to a date of the Gregorian calendar; month and day from 1. */
int64_t text_days_from_date(int64_t year, int64_t month, int64_t day);

void text_hex(const unsigned char *data, size_t len, char *out); /* lower case; out holds 2 * len + 1 */
int text_unhex(const char *s, size_t len, unsigned char *out, struct err *e) MUST_USE; /* either case; len even */

void text_base64(struct buf *out, const void *data, size_t len);                       /* standard alphabet, padded */
void text_base64url(struct buf *out, const void *data, size_t len);                    /* URL alphabet, no padding */
int text_unbase64(const char *s, size_t len, struct buf *out, struct err *e) MUST_USE; /* standard, strict padding */

/* Percent-encode everything but A-Z a-z 0-9 - . _ ~ (RFC 3986): for one path segment, query key or value. */
void text_url_escape(struct buf *out, const char *s, size_t len);
/* Decode %XX; plus_is_space for forms. ERR_INVALID on a broken escape. May produce NUL bytes. */
int text_url_unescape(const char *s, size_t len, bool plus_is_space, struct buf *out, struct err *e) MUST_USE;

/* Is it well-formed UTF-8 (no surrogates, no over-long forms)? */
bool text_utf8_valid(const char *s, size_t len);

/* Make a text that was put together from pieces fit to show, in place: one line (control characters become spaces) of
 * well-formed UTF-8 (what a cut left of a character goes). */
void text_tidy(char *s);

/* ASCII-only case folding and comparison: labels, header names. */
char text_lower(char c);
bool text_ieq(const char *a, const char *b);
bool text_icontains(const char *s, const char *word); /* word in lower case; NULL contains nothing */
bool text_has_prefix(const char *s, const char *prefix);
bool text_has_suffix(const char *s, const char *suffix);

/* Does s match the pattern, where '*' stands for any run and '?' for one character? Case counts. */
bool text_glob(const char *pattern, const char *s);

/* The candidate nearest to s by edit distance, or NULL when none is near enough to be a slip of the pen. */
const char *text_nearest(const char *s, const char *const *candidates, size_t n);

#endif
