/* The requests that the Google Cloud provider makes, one JSON object per line, for gcp_openapi.py to judge. */
#include "server/base/json.h"
#include "tests/support/recorded.h"

#include <string.h>

static void have_extra(struct order *o, const char *extra)
{
    struct err e;

    recorded_must(js_parse(extra, strlen(extra), &o->extra, &e), extra, &e);
    o->spec.extra = o->extra;
}

static void be_spot(struct order *o)
{
    o->spec.spot = true;
    o->r.lifetime_s = 3600;
}

static void have_gpu(struct order *o)
{
    o->spec.gpu = "nvidia-tesla-t4";
    o->spec.spot = true;
}

static void have_built_in_gpu(struct order *o)
{
    o->spec.gpu = "l4";
    o->spec.instance_type = "g2-standard-4";
    o->spec.image = "ubuntu2204-gpu";
}

static void have_machine_image(struct order *o)
{
    o->spec.image = "projects/my-images/global/machineImages/whole";
}

static void have_disks(struct order *o)
{
    have_extra(o,
               "{\"baseDisk\":{\"diskSizeGb\":100,\"diskType\":\"pd-ssd\"},\"additionalDisk\":{\"diskSizeGb\":50,"
               "\"diskType\":\"pd-balanced\"},\"existingDisk\":{\"deviceName\":\"data\",\"diskSizeGb\":500,\"source\":"
               "\"data\",\"type\":\"PERSISTENT\",\"mode\":\"READ_ONLY\",\"interface\":\"NVME\"}}");
}

static void have_network(struct order *o)
{
    have_extra(o,
               "{\"networkInterfaces\":[{\"subnetwork\":\"projects/h/regions/us-central1/subnetworks/ci\",\"nicType\":"
               "\"GVNIC\",\"accessConfigs\":[{\"type\":\"ONE_TO_ONE_NAT\",\"name\":\"External NAT\"}]}]}");
}

static void have_identity(struct order *o)
{
    have_extra(o, "{\"project_id\":\"gpu-test-runners\",\"enableNestedVirtualization\":true,\"serviceAccounts\":"
                  "[{\"email\":\"a@p.iam.gserviceaccount.com\"}]}");
}

static void be_windows(struct order *o)
{
    o->spec.os = "windows";
    o->spec.image = "windows2022";
}

int main(void)
{
    static const struct bed_setting others = {"projects", "gpu-test-runners"};
    static const struct bed_setting subnet = {"network", "projects/h/regions/us-central1/subnetworks/ci"};

    recorded_launch("on demand", &fake_gcp, NULL, 0, NULL);
    recorded_launch("spot", &fake_gcp, NULL, 0, be_spot);
    recorded_launch("attached GPU", &fake_gcp, NULL, 0, have_gpu);
    recorded_launch("GPU of the type", &fake_gcp, NULL, 0, have_built_in_gpu);
    recorded_launch("machine image", &fake_gcp, NULL, 0, have_machine_image);
    recorded_launch("disks", &fake_gcp, NULL, 0, have_disks);
    recorded_launch("network of the file", &fake_gcp, NULL, 0, have_network);
    recorded_launch("network of the account", &fake_gcp, &subnet, 1, NULL);
    recorded_launch("project, identity, nested machines", &fake_gcp, &others, 1, have_identity);
    recorded_launch("Windows", &fake_gcp, NULL, 0, be_windows);
    recorded_others(&fake_gcp);
    return 0;
}
