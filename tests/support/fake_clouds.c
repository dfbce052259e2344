/* The clouds that the contract suite is tried on. */
#include "tests/support/fake_cloud.h"

const struct fake_dialect *const fake_clouds[] = {
    &fake_aws, &fake_gcp, &fake_digitalocean, &fake_vast_ai, NULL,
};
