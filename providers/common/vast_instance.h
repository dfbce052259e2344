/* What Vast.ai says of a machine, a row of its list or the answer to one number, in the terms of provider.h. */
#ifndef MUSTER_PROVIDERS_COMMON_VAST_INSTANCE_H
#define MUSTER_PROVIDERS_COMMON_VAST_INSTANCE_H

#include "providers/common/machine.h"
#include "providers/common/vast_spec.h"

/* Does its label say that it is of this deployment, and of this name unless that is NULL? */
bool vast_is_ours(const json_t *doc, const char *deployment, const char *name);

/* key is masked in what Vast.ai says. ERR_INVALID, ERR_RETRY: it makes no sense. */
int vast_instance_read(const json_t *doc, const struct secret *key, struct instance *out, struct err *e) MUST_USE;

/* What is asked for, in Vast.ai's own words. ERR_INVALID with the remedy. */
int vast_read_spec(const struct machine_spec *s, struct vast_spec *out, struct err *e) MUST_USE;

/* For the operator's policy. A type is judged as it is written and, when only one name of offers will do, by that. */
int vast_facts_make(const struct machine_spec *s, struct machine_facts *out, struct err *e) MUST_USE;

#endif
