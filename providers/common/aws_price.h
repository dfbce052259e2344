/*
 * What an hour of an EC2 instance type costs. Spot: the dearest zone's newest price of DescribeSpotPriceHistory, since
 * a launch may come to any of them. On demand: the list price of the Price List Query API, which lives in three regions
 * for all and wants pricing:GetProducts; without that permission nothing is known.
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html
 * https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_pricing_GetProducts.html
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_PRICE_H
#define MUSTER_PROVIDERS_COMMON_AWS_PRICE_H

#include "providers/common/aws_client.h"

struct aws_price_of { /* borrowed */
    const char *region, *instance_type;
    bool windows, spot;
};

/* USD; below 0 = not told. */
int aws_price(const struct aws_client *c, const struct aws_price_of *what, double *usd, struct err *e) MUST_USE;

#endif
