/* What a cloud was asked, for tests of its requests: which were sent, and what stood in them. */
#ifndef MUSTER_TESTS_ASKED_H
#define MUSTER_TESTS_ASKED_H

#include "tests/support/unit.h"

#include "tests/support/cloud_bed.h"

/* Requests of this method and path ('*' and '?' as in text_glob, the query aside). */
size_t asked_count(struct bed *b, const char *method, const char *path);

/* The number-th of them, from 0; fails the test when there is none. */
const struct raw_request *asked_nth(struct bed *b, const char *method, const char *path, size_t number);

/* The body of the last of them; the caller owns it. */
json_t *asked_last_body(struct bed *b, const char *method, const char *path);

/* The document is this JSON, written with single quotes. */
void is_json(const json_t *doc, const char *expected);

#endif
