/*
 * What a machine_image stands for on Azure:
 *
 *     ubuntu2204                                         a name that is the same on every cloud
 *     publisher:offer:sku:version                        of the marketplace; version may be "latest"
 *     /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/images/N                            a managed image
 *     /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/galleries/G/images/N[/versions/V]
 *     /communityGalleries/G/images/N[/versions/V] and /sharedGalleries/G/images/N[/versions/V]
 *
 * Paths are read without case. Two things only the image tells: the `plan` under which it is sold, and whether it is
 * specialised (its machines keep its accounts and take no osProfile).
 */
#ifndef MUSTER_PROVIDERS_COMMON_AZURE_IMAGE_H
#define MUSTER_PROVIDERS_COMMON_AZURE_IMAGE_H

#include "providers/common/azure_api.h"
#include "server/base/cache.h"

/* "x64" or "arm64" of a size: a 'p' among the letters behind its number is an ARM processor, and
 * so is NVIDIA's Grace (GB200). */
const char *azure_size_arch(const char *size);

/* ERR_INVALID with the remedy; no network. */
int azure_image_check(const char *image, const char *arch, struct err *e) MUST_USE;

/* The imageReference of a sound image. The caller owns it. */
int azure_image_reference(const char *image, const char *arch, json_t **out, struct err *e) MUST_USE;

/* An image of the marketplace as publisher:offer:sku:version, whatever its alias; another one as it is. */
void azure_image_name(const char *image, const char *arch, struct buf *out);

struct azure_image_facts {
    bool specialised;
    json_t *plan; /* {"name", "publisher", "product"}; NULL = none is asked for */
};
#define AZURE_IMAGE_FACTS_INIT                                                                                         \
    {                                                                                                                  \
        .specialised = false, .plan = NULL                                                                             \
    }
void azure_image_facts_clear(struct azure_image_facts *f);
#define AUTO_AZURE_IMAGE_FACTS AUTO(azure_image_facts_clear)

struct cache *azure_image_cache_new(void); /* free with cache_free */

/* Asked once an hour for each image and location. Those with a name of ours and managed images need no question. */
int azure_image_ask(const struct azure_api *a, struct cache *cache, const char *image, const char *location,
                    struct azure_image_facts *out, struct err *e) MUST_USE;

/* The question that azure_image_ask would put, to be shown; nothing when there is none. */
int azure_image_show(const struct azure_api *a, const char *image, const char *location, json_t *list,
                     struct err *e) MUST_USE;

#endif
