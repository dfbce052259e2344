/*
 * Our tags in the alphabet of a cloud that takes less than any text. What does not fit becomes '_', what is too long is
 * cut: two texts may become one, so compare the made one with the made one.
 */
#ifndef MUSTER_PROVIDERS_COMMON_LABEL_H
#define MUSTER_PROVIDERS_COMMON_LABEL_H

#include "server/base/buf.h"

struct label_rule {
    const char *more; /* allowed beside letters and digits: "-_" */
    bool lower;       /* capitals become small */
    size_t max;       /* characters */
};

#define LABEL_SIZE 257

/* text in the alphabet of the rule; max is at most LABEL_SIZE - 1. */
void label_make(const struct label_rule *r, const char *text, char out[LABEL_SIZE]);

/* Is `have` what label_make makes of `text`? have NULL = no. */
bool label_is(const struct label_rule *r, const char *have, const char *text);

/* For a cloud that keeps one text and no tags: all of them in it, exactly, as "key=value&key=value" with everything but
 * letters, digits and "-._~" escaped (%2F). */
void label_pack(struct buf *out, const char *key, const char *value);
/* The value under a key; false when the text has none, has more than one, or it does not fit. text NULL = no. */
bool label_unpack(const char *text, const char *key, char *out, size_t size);

#endif
