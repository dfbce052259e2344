/* One machine to provision, as an agent reads it: an entry of runners_to_provision. */
#ifndef MUSTER_PROVIDERS_COMMON_AGENT_ORDER_H
#define MUSTER_PROVIDERS_COMMON_AGENT_ORDER_H

#include "providers/common/agent_hub.h"
#include "server/base/json.h"

/* Secrets that are NULL (only an order to be shown) give "***". The caller owns *out. */
int agent_order_pack(const struct agent_order *o, json_t **out, struct err *e) MUST_USE;

#endif
