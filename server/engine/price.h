/*
 * What candidates cost an hour, as their clouds tell it (provider_ops.price), each asked once for a while: an hour for
 * list prices, some minutes for spot and for markets.
 * Safe from any thread.
 */
#ifndef MUSTER_ENGINE_PRICE_H
#define MUSTER_ENGINE_PRICE_H

#include "providers/provider.h"

struct prices;
struct prices *prices_new(void);
void prices_free(struct prices *p); /* accepts NULL */

/* What is known without asking anybody: the owner's own hosts cost nothing by the hour. Below 0 = not known. */
double prices_known(const struct machine_spec *s);

/* USD an hour; below 0 = the cloud does not tell. Blocks while it is asked; fails as its price does. prices NULL:
 * nobody may be asked. ops NULL = the cloud is not set up. */
int prices_get(struct prices *p, const struct provider_ops *ops, struct provider *provider,
               const struct machine_spec *s, double *usd, struct err *e) MUST_USE;

#endif
