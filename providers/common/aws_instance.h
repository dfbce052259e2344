/* What EC2 says of one machine. */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_INSTANCE_H
#define MUSTER_PROVIDERS_COMMON_AWS_INSTANCE_H

#include "providers/common/machine.h"
#include "providers/common/xml.h"

/* Read an <item> of an instancesSet. ERR_RETRY when it makes no sense. */
int aws_instance_read(const struct xml_node *item, const char *region, struct instance *out, struct err *e) MUST_USE;

#endif
