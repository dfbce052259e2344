/* The clouds that the contract suite is tried on. */
#include "tests/support/fake_cloud.h"

/* clang-format off */
const struct fake_dialect *const fake_clouds[] = {
    &fake_aws,
    &fake_gcp,
    &fake_azure,
    &fake_digitalocean,
    &fake_openstack,
    &fake_oracle,
    &fake_vast_ai,
    &fake_on_prem,
    NULL,
};
/* clang-format on */
