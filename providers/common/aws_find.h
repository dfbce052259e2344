/*
 * DescribeInstances with filters, all pages, item by item.
 *
 *     AUTO_AWS_FIND struct aws_find f = AWS_FIND_INIT;
 *     aws_find_filter(&f, "tag:owner", &owner, 1);
 *     if (aws_find_each(client, region, &f, visit, arg, e)) ...
 */
#ifndef MUSTER_PROVIDERS_COMMON_AWS_FIND_H
#define MUSTER_PROVIDERS_COMMON_AWS_FIND_H

#include "providers/common/aws_client.h"

struct aws_find {
    struct buf filters; /* encoded parameters */
    int n;
};
#define AWS_FIND_INIT                                                                                                  \
    {                                                                                                                  \
        .filters = BUF_INIT(AWS_FORM_MAX), .n = 0                                                                      \
    }
void aws_find_clear(struct aws_find *f);
#define AUTO_AWS_FIND AUTO(aws_find_clear)

/* Only instances of which `name` has one of these values. */
void aws_find_filter(struct aws_find *f, const char *name, const char *const *values, size_t n);
/* Only those not yet terminated. */
void aws_find_alive(struct aws_find *f);

/* Called with each <item> of an instancesSet; returning -1 stops with its error. */
typedef int aws_find_fn(void *arg, const struct xml_node *item, struct err *e);

/* A failure on any page fails the call; pages without end are ERR_RETRY. */
int aws_find_each(const struct aws_client *c, const char *region, const struct aws_find *f, aws_find_fn *visit,
                  void *arg, struct err *e) MUST_USE;

/* The instance of an id: visit is called once with its <item>, or not at all when EC2 knows none of that id. */
int aws_find_id(const struct aws_client *c, const char *region, const char *id, aws_find_fn *visit, void *arg,
                struct err *e) MUST_USE;

/* The regions that the account may use: DescribeRegions, asked in `region`. */
int aws_find_regions(const struct aws_client *c, const char *region,
                     int (*each)(void *arg, const char *region, struct err *e), void *arg, struct err *e) MUST_USE;

bool aws_is_instance_id(const char *id);

/* The value of a tag of an <item>, or NULL. */
const char *aws_item_tag(const struct xml_node *item, const char *key);

#endif
