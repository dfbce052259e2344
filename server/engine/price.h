/*
 * What candidates cost an hour, as their clouds tell it (provider_ops.price), each asked once for a while: an hour for
 * list prices, some minutes for spot and for markets. A cloud that cannot be asked now tells nothing for a minute.
 * Safe from any thread.
 */
#ifndef MUSTER_ENGINE_PRICE_H
#define MUSTER_ENGINE_PRICE_H

#include "providers/provider.h"

struct prices;
struct prices *prices_new(void);
void prices_free(struct prices *p); /* accepts NULL */

/* USD an hour; below 0 = not known. Blocks while the cloud is asked. prices NULL: nobody may be asked, and only what is
 * known without (the owner's own hosts) is told. ops NULL = the cloud is not set up. */
double prices_get(struct prices *p, const struct provider_ops *ops, struct provider *provider,
                  const struct machine_spec *s);

#endif
