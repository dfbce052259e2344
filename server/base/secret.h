/*
 * Text that cannot be printed by accident and is overwritten before its memory is freed.
 *
 * There is no log field and no format for it: secret_reveal() is the only way in, and easy to review. The memory is
 * kept out of core dumps where the kernel allows it (whole process: main.c makes it undumpable).
 */
#ifndef MUSTER_BASE_SECRET_H
#define MUSTER_BASE_SECRET_H

#include "server/base/buf.h"

struct secret;

#define AUTO_SECRET AUTO(secret_free_ptr)

struct secret *secret_new(const char *text, size_t len); /* copies; the caller wipes its own copy */
struct secret *secret_dup(const struct secret *s);       /* NULL gives NULL */
int secret_from_buf(struct buf *b, struct secret **out, struct err *e) MUST_USE; /* copies and wipes b */
void secret_free(struct secret *s);                                              /* accepts NULL */
void secret_free_ptr(struct secret **s);

const char *secret_reveal(const struct secret *s); /* NUL-ended, borrowed; "" for NULL */
size_t secret_len(const struct secret *s);         /* bytes without the NUL; 0 for NULL */

/* Replace every occurrence of the secret in text by "***": for answers of others that may echo it. Secrets shorter
 * than 4 bytes are left alone. */
void secret_mask(const struct secret *s, char *text);

#endif
