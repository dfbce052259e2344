/* What the files of the schema share. Private to cirun_schema*.c. */
#ifndef MUSTER_CONFIG_CIRUN_SCHEMA_INT_H
#define MUSTER_CONFIG_CIRUN_SCHEMA_INT_H

#include "server/base/buf.h"
#include "server/config/cirun_keys.h"

#include <jansson.h>

json_t *cirun_schema_map(const struct cirun_map *map);
json_t *cirun_schema_key(const struct cirun_key *k);

/* The decimal whole numbers from min to max, as alternatives of a regular expression. */
void cirun_schema_range(struct buf *out, int64_t min, int64_t max);

#endif
