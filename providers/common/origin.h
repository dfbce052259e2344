/* Where a request goes, in the words that a signature needs. */
#ifndef MUSTER_PROVIDERS_COMMON_ORIGIN_H
#define MUSTER_PROVIDERS_COMMON_ORIGIN_H

#include "server/base/err.h"

#include <stddef.h>

/* "https://host:443/base?x=1": the host as libcurl writes the Host header (without the scheme's own port), and what
 * follows it in the URL. ERR_INVALID: no URL, or a host longer than size. */
int origin_split(const char *url, char *host, size_t size, const char **path, struct err *e) MUST_USE;

#endif
