/* The requests that the Azure provider makes, one JSON object per line, for npm/azure_sdk.js to judge. */
#include "tests/support/recorded.h"

#include <stdio.h>

#define IMAGES "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/img/providers/Microsoft.Compute"

static const char options[] = "{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":128}},\"enable_public_ip\":true,"
                              "\"licenseType\":\"RHEL_BYOS\"}";

static void be_spot(struct order *o)
{
    o->spec.spot = true;
}

static void have_options(struct order *o)
{
    o->extra = json_loads(options, 0, NULL);
    o->spec.extra = o->extra;
}

static void have_awkward_tags(struct order *o)
{
    o->tags[2] = (struct tag){"muster job", "a+b=c & \"\xc3\xa9\xe2\x82\xac\""};
    o->tags[3] = (struct tag){TAG_REPOSITORY, "octo-org/hello.world_2"};
}

static void have_plan(struct order *o)
{
    o->spec.image = "nvidia:ngc:gpu:latest";
}

static void have_version(struct order *o)
{
    o->spec.image = "Canonical:ubuntu-24_04-lts:server:24.04.202404230";
}

static void have_managed_image(struct order *o)
{
    o->spec.image = IMAGES "/images/ci";
}

static void have_gallery_image(struct order *o)
{
    o->spec.image = IMAGES "/galleries/own/images/ci/versions/1.0.0";
}

static void have_specialised_image(struct order *o)
{
    o->spec.image = IMAGES "/galleries/own/images/special";
}

static void have_community_image(struct order *o)
{
    o->spec.image = "/communityGalleries/flux-1/images/ci/versions/latest";
}

static void have_shared_image(struct order *o)
{
    o->spec.image = "/sharedGalleries/flux-1/images/ci";
}

static void have_arm_image(struct order *o)
{
    o->spec.image = "debian12";
    o->spec.instance_type = "Standard_D4ps_v5";
}

static void be_windows(struct order *o)
{
    o->spec.image = "windows2022";
    o->spec.os = "windows";
}

/* A machine that fails after it was accepted, and everything it leaves. */
static void fail_late(void)
{
    static const struct fake_refusal doom = {"allocation-failed.json", 200, ERR_CAPACITY};
    AUTO_BED struct bed *b = bed_open(&fake_azure, NULL, 0);
    struct instance got, ref = bed_ref(b, "muster-b", "muster-b");
    struct err e;

    b->cloud.doom = &doom;
    if (bed_launch(b, "muster-a", "muster-a-0-0", &got, &e) == 0)
        abort(); /* it was to fail */
    (void)snprintf(fake_add(&b->cloud, "muster-b", "", BED_DEPLOYMENT)->type, 64, "ndi");
    recorded_must(b->ops->destroy(b->p, &ref, &e), "left parts", &e);
    recorded_print("failed later", b->server);
}

int main(void)
{
    recorded_launch("plain", &fake_azure, NULL, 0, NULL);
    recorded_launch("spot", &fake_azure, NULL, 0, be_spot);
    recorded_launch("options", &fake_azure, NULL, 0, have_options);
    recorded_launch("awkward tags", &fake_azure, NULL, 0, have_awkward_tags);
    recorded_launch("plan", &fake_azure, NULL, 0, have_plan);
    recorded_launch("named version", &fake_azure, NULL, 0, have_version);
    recorded_launch("managed image", &fake_azure, NULL, 0, have_managed_image);
    recorded_launch("gallery image", &fake_azure, NULL, 0, have_gallery_image);
    recorded_launch("specialised image", &fake_azure, NULL, 0, have_specialised_image);
    recorded_launch("community image", &fake_azure, NULL, 0, have_community_image);
    recorded_launch("shared image", &fake_azure, NULL, 0, have_shared_image);
    recorded_launch("arm64", &fake_azure, NULL, 0, have_arm_image);
    recorded_launch("windows", &fake_azure, NULL, 0, be_windows);
    recorded_others(&fake_azure);
    fail_late();
    return 0;
}
