/* Requests that a scripted server was asked, one JSON object per line, for scripts that judge them:
 * {"scenario", "method", "path", "headers": {...}, "body"}. What cannot be done ends the program. */
#ifndef MUSTER_TESTS_RECORDED_H
#define MUSTER_TESTS_RECORDED_H

#include "tests/support/cloud_bed.h"

/* All of them to stdout. */
void recorded_print(const char *scenario, struct rawserver *s);

/* One launch of a sound spec, changed by edit (NULL = as it is), on a bed of its own; its requests are printed. */
void recorded_launch(const char *scenario, const struct fake_dialect *d, const struct bed_setting *more, size_t n_more,
                     void (*edit)(struct order *o));

/* Everything but launching: a list of several pages, describe and destroy by id and by name. */
void recorded_others(const struct fake_dialect *d);

/* rc 0, or the end of the program with e's text. */
void recorded_must(int rc, const char *what, const struct err *e);

#endif
