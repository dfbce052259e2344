/*
 * Our tags in the alphabet of a cloud that takes less than any text. What does not fit becomes '_', what is too long is
 * cut: two texts may become one, so compare the made one with the made one.
 */
#ifndef MUSTER_PROVIDERS_COMMON_LABEL_H
#define MUSTER_PROVIDERS_COMMON_LABEL_H

#include <stdbool.h>
#include <stddef.h>

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

#endif
