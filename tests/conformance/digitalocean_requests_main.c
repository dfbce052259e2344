/* The requests that the DigitalOcean provider makes, one JSON object per line, for digitalocean_openapi.py to judge. */
#include "tests/support/recorded.h"

static void have_gpu(struct order *o)
{
    o->spec.instance_type = "gpu-h100x1-80gb";
    o->spec.image = "ubuntu2204-gpu";
    o->r.first_try = true;
}

static void have_snapshot(struct order *o)
{
    o->spec.image = "117853437";
}

static void have_awkward_tags(struct order *o)
{
    o->tags[3] = (struct tag){TAG_REPOSITORY, "octo-org/hello.world_2 & \xc3\xa9"};
}

int main(void)
{
    recorded_launch("plain", &fake_digitalocean, NULL, 0, NULL);
    recorded_launch("GPU", &fake_digitalocean, NULL, 0, have_gpu);
    recorded_launch("snapshot", &fake_digitalocean, NULL, 0, have_snapshot);
    recorded_launch("awkward tags", &fake_digitalocean, NULL, 0, have_awkward_tags);
    recorded_others(&fake_digitalocean);
    return 0;
}
