/* What Oracle Cloud says of one machine: https://docs.oracle.com/en-us/iaas/api/#/en/iaas/20160918/Instance/ */
#ifndef MUSTER_PROVIDERS_COMMON_OCI_INSTANCE_H
#define MUSTER_PROVIDERS_COMMON_OCI_INSTANCE_H

#include "providers/common/machine.h"
#include "providers/common/oci_shape.h"
#include "server/base/json.h"

/* Does it carry this free-form tag with this value? */
bool oracle_tag_is(const json_t *instance, const char *key, const char *value);

/* A document of GetInstance, LaunchInstance or ListInstances; region: where it was asked for. ERR_INVALID or ERR_RETRY:
 * it is none. */
int oracle_instance_read(const json_t *doc, const char *region, struct instance *out, struct err *e) MUST_USE;

/* For the operator's policy: a flexible shape is judged with its size ("VM.Standard.E4.Flex:4:16") and, as a family, by
 * its name; an availability domain by itself (NULL = none is named) and as its region ("<...>" = not known). */
int oracle_facts_make(const char *region, const char *domain, const struct oci_shape *shape, const char *image,
                      struct machine_facts *out, struct err *e) MUST_USE;

#endif
