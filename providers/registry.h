/* The clouds this build knows: one line each in registry.c. */
#ifndef MUSTER_PROVIDERS_REGISTRY_H
#define MUSTER_PROVIDERS_REGISTRY_H

#include "providers/provider.h"

/* By name or alias; NULL when there is no such cloud. */
const struct provider_ops *registry_find(const char *cloud);

/* All, ended by NULL, in a fixed order. */
const struct provider_ops *const *registry_all(void);

#endif
