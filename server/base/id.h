/*
 * Names that are unique, sortable by time and unguessable: ULIDs (48 bits of milliseconds, 80 bits of randomness, in
 * Crockford's base 32). Machine names are written in lower case: clouds and DNS want it.
 */
#ifndef MUSTER_BASE_ID_H
#define MUSTER_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_ULID_LEN 26
#define ID_MACHINE_PREFIX "muster-"

void id_ulid(char out[ID_ULID_LEN + 1]); /* upper case */
void id_machine_name(char out[64]);      /* "muster-" + lower-case ULID: 33 characters */
bool id_is_machine_name(const char *s);
int64_t id_machine_name_ms(const char *s); /* when such a name was made */

#endif
