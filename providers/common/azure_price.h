/*
 * What an hour of a size of virtual machine costs, from Azure's public price list, which knows no account:
 * https://learn.microsoft.com/en-us/rest/api/cost-management/retail-prices/azure-retail-prices
 *
 * Prices without a reservation or an agreement of one's own, in USD. Where the list names several for one size, the
 * dearest counts.
 */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_PRICE_H
#define MUSTER_PROVIDERS_COMMON_AZURE_PRICE_H

#include "providers/common/rest.h"

#define AZURE_PRICES_URL "https://prices.azure.com"

struct azure_price_of { /* borrowed */
    const char *region, *size;
    bool windows, spot;
};

/* The client of the price list at this address; no credentials go there. */
struct rest_client azure_price_client(struct httpc *http, const char *url, int timeout_ms);

/* Below 0 = the list has no such size there. */
int azure_price(const struct rest_client *list, const struct azure_price_of *what, double *usd, struct err *e) MUST_USE;

#endif
