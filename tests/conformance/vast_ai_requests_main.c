/* The requests that the Vast.ai provider makes, one JSON object per line, for vast_ai_openapi.py and
 * vast_ai_container.py to judge. */
#include "tests/support/recorded.h"

#include <string.h>

static void be_spot(struct order *o)
{
    o->spec.spot = true;
    o->r.first_try = true;
}

static void be_everything(struct order *o)
{
    o->extra = json_pack("{s:i, s:i}", "disk_space", 40, "min_ram", 16);
    o->spec.extra = o->extra;
    o->spec.instance_type = "4xA100";
    o->spec.image = "ubuntu2204-gpu";
    o->spec.gpu_memory_gb = 80;
    o->r.lifetime_s = 21600;
    o->tags[3] = (struct tag){TAG_REPOSITORY, "octo-org/hello.world_2 & \xc3\xa9=%"};
}

static void be_vm(struct order *o)
{
    o->extra = json_pack("{s:b}", "vm", 1);
    o->spec.extra = o->extra;
    o->spec.image = "docker.io/vastai/kvm:ubuntu_cli_22.04-2025-11-21";
}

static void be_anywhere(struct order *o)
{
    o->spec.region = NULL;
}

/* Its user-data does what the bootstrap does last, and tells what it found. */
static void end_itself(struct order *o)
{
    static const char script[] = "#!/bin/bash\n/bin/sh -c \"$MUSTER_POWEROFF\"\n"
                                 "printf '%s\\n' \"container $MUSTER_CONTAINER\" \"quotes ' \\\" \\$ \\\\ survive\"\n";

    secret_free(o->data);
    o->r.user_data = o->data = secret_new(script, strlen(script));
}

/* As long as user-data may be. */
static void be_long(struct order *o)
{
    char script[16 * 1024];

    memset(script, '\n', sizeof(script));
    memcpy(script + sizeof(script) - 11, "\necho long\n", 11);
    secret_free(o->data);
    o->r.user_data = o->data = secret_new(script, sizeof(script));
}

int main(void)
{
    recorded_launch("container", &fake_vast_ai, NULL, 0, NULL);
    recorded_launch("bid", &fake_vast_ai, NULL, 0, be_spot);
    recorded_launch("every wish", &fake_vast_ai, NULL, 0, be_everything);
    recorded_launch("VM", &fake_vast_ai, NULL, 0, be_vm);
    recorded_launch("anywhere", &fake_vast_ai, NULL, 0, be_anywhere);
    recorded_launch("own end", &fake_vast_ai, NULL, 0, end_itself);
    recorded_launch("long", &fake_vast_ai, NULL, 0, be_long);
    recorded_others(&fake_vast_ai);
    return 0;
}
