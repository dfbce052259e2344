#include "providers/registry.h"

#include <stddef.h>
#include <string.h>

extern const struct provider_ops provider_aws, provider_gcp, provider_azure, provider_digitalocean, provider_openstack,
    provider_oracle, provider_vast_ai, provider_on_prem;

/* One line each, by hand: the formatter would pack them. */
/* clang-format off */
static const struct provider_ops *const all[] = {
    &provider_aws,
    &provider_gcp,
    &provider_azure,
    &provider_digitalocean,
    &provider_openstack,
    &provider_oracle,
    &provider_vast_ai,
    &provider_on_prem,
    NULL,
};
/* clang-format on */

const struct provider_ops *registry_find(const char *cloud)
{
    for (size_t i = 0; all[i] != NULL; i++) {
        if (strcmp(all[i]->name, cloud) == 0 || (all[i]->alias != NULL && strcmp(all[i]->alias, cloud) == 0))
            return all[i];
    }
    return NULL;
}

const struct provider_ops *const *registry_all(void)
{
    return all;
}
