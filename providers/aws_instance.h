/* What EC2 says of one machine. */
#ifndef MUSTER_PROVIDERS_AWS_INSTANCE_H
#define MUSTER_PROVIDERS_AWS_INSTANCE_H

#include "providers/common/xml.h"
#include "providers/provider.h"

/* Read an <item> of an instancesSet. ERR_RETRY when it makes no sense. */
int aws_instance_read(const struct xml_node *item, const char *region, struct instance *out, struct err *e) MUST_USE;

#endif
