/* Values of a runner's extra_config, as YAML authors write them. */
#ifndef MUSTER_PROVIDERS_COMMON_EXTRA_H
#define MUSTER_PROVIDERS_COMMON_EXTRA_H

#include "server/base/json.h"

/* A whole number, or a string that is one: YAML authors quote. */
int extra_whole(const json_t *v, int64_t min, int64_t max, int64_t *out, struct err *e) MUST_USE;

/* The same of a key of extra_config, which the error names; absent (or no extra_config) leaves *out as it was. */
int extra_opt_whole(const json_t *extra, const char *key, int64_t min, int64_t max, int64_t *out,
                    struct err *e) MUST_USE;

#endif
