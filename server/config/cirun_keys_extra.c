/*
 * extra_config: general keys, and those of each cloud as providers/ reads them. tests/unit/test_cirun_extra.c holds
 * this table and the clouds together.
 */
#include "server/config/cirun_keys.h"

#include "server/base/attr.h"

#define KEYS(list) .keys = (list), .n = ARRAY_LEN(list)

/* ---- on every cloud ---- */

static const char *const provision_words[] = {"pull_from_api", NULL};
static const char *const run_as_words[] = {"interactive", "service", NULL};
static const struct cirun_key general_keys[] = {
    {.name = "env_vars",
     .type = CIRUN_ENV,
     .help = "Environment variables of every process of the machine. Not for secrets: the cloud shows them.",
     .example = "{HF_HOME: /data/hf, CI_TIER: gpu}"},
    {.name = "provision_via",
     .type = CIRUN_WORD,
     .words = provision_words,
     .help = "pull_from_api: the image's own start-up script fetches the bootstrap from GET /api/runner-provision with "
             "the API token; nothing is passed as user-data.",
     .example = "pull_from_api"},
    {.name = "run_as",
     .type = CIRUN_WORD,
     .words = run_as_words,
     .help = "Windows: interactive runs the runner in a desktop session instead of as a service.",
     .example = "interactive"},
    {.name = "runner_user", .type = CIRUN_TEXT, .help = "The user that runs the runner.", .example = "runner"},
    {.name = "runner_path",
     .type = CIRUN_TEXT,
     .help = "Windows: the folder of the runner.",
     .example = "'C:\\actions-runner'"},
    {.name = "cache",
     .type = CIRUN_BOOL,
     .def = "false",
     .help = "Cirun's cache beside the machines. Accepted; jobs use GitHub's own cache here.",
     .example = "false"},
};
const struct cirun_map cirun_extra_map = {
    .id = "extra_config",
    .where = "extra_config",
    .title = "extra_config on every cloud",
    .help = "Options of the machine. Service accounts, privileged containers and mounted sockets are subject to the "
            "operator's policy.",
    KEYS(general_keys)};

/* ---- aws ---- */

static const char *const volume_words[] = {"gp3", "gp2", "io1", "io2", "st1", "sc1", "standard", NULL};
static const struct cirun_key aws_disk_keys[] = {
    {.name = "DeviceName",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED,
     .help = "The device; that of the image's root (often /dev/sda1 or /dev/xvda) sizes the root disk.",
     .example = "/dev/sda1"},
    {.name = "VolumeSize", .type = CIRUN_WHOLE, .min = 1, .max = 65536, .help = "Size in GB.", .example = "100"},
    {.name = "VolumeType", .type = CIRUN_WORD, .words = volume_words, .help = "Type of the volume.", .example = "gp3"},
    {.name = "Iops",
     .type = CIRUN_WHOLE,
     .min = 1,
     .max = 1000000,
     .help = "With gp3, io1 and io2; the latter two need it.",
     .example = "4000"},
    {.name = "Throughput",
     .type = CIRUN_WHOLE,
     .min = 1,
     .max = 100000,
     .help = "MB/s, with gp3 only; at most a quarter of Iops.",
     .example = "500"},
    {.name = "VolumeInitializationRate",
     .type = CIRUN_WHOLE,
     .min = 100,
     .max = 300,
     .help = "MB/s at which a snapshot is brought in.",
     .example = "200"},
};
static const struct cirun_map aws_disk_map = {.id = "BlockDeviceMappings",
                                              .where = "BlockDeviceMappings",
                                              .title = "BlockDeviceMappings",
                                              .help = "One disk.",
                                              KEYS(aws_disk_keys)};
static const struct cirun_key aws_keys[] = {
    {.name = "BlockDeviceMappings",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .max_items = 26,
     .of = &aws_disk_map,
     .help = "Disks; they end with the machine."},
};

/* ---- gcp ---- */

#define DISK_SIZE(flag)                                                                                                \
    {                                                                                                                  \
        .name = "diskSizeGb", .type = CIRUN_WHOLE, .flags = (flag), .min = 1, .max = 65536, .help = "Size in GB.",     \
        .example = "100"                                                                                               \
    }
#define DISK_TYPE                                                                                                      \
    {                                                                                                                  \
        .name = "diskType", .type = CIRUN_TEXT, .help = "Type of the disk.", .def = "by machine type",                 \
        .example = "pd-ssd"                                                                                            \
    }

static const struct cirun_key base_disk_keys[] = {DISK_SIZE(0), DISK_TYPE};
static const struct cirun_key more_disk_keys[] = {DISK_SIZE(CIRUN_NEEDED), DISK_TYPE};
static const struct cirun_key old_disk_keys[] = {
    {.name = "source",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED,
     .help = "Path of the disk, or its name in the machine's zone.",
     .example = "projects/my-project/zones/us-central1-a/disks/data"},
    {.name = "deviceName", .type = CIRUN_TEXT, .help = "Its name in the machine.", .example = "data"},
    {.name = "mode",
     .type = CIRUN_TEXT,
     .def = "READ_WRITE",
     .help = "READ_ONLY or READ_WRITE.",
     .example = "READ_ONLY"},
    {.name = "type", .type = CIRUN_TEXT, .def = "PERSISTENT", .help = "Kind of the disk.", .example = "PERSISTENT"},
    {.name = "interface", .type = CIRUN_TEXT, .help = "SCSI or NVME.", .example = "SCSI"},
    DISK_SIZE(0),
};
static const struct cirun_key account_keys[] = {
    {.name = "email",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED,
     .help = "The service account.",
     .example = "ci@my-project.iam.gserviceaccount.com"},
    {.name = "scopes",
     .type = CIRUN_TEXT,
     .many = CIRUN_LIST,
     .def = "cloud-platform",
     .help = "Its scopes.",
     .example = "['https://www.googleapis.com/auth/devstorage.read_only']"},
};
static const struct cirun_map base_disk_map = {.id = "baseDisk",
                                               .where = "baseDisk",
                                               .title = "baseDisk",
                                               .help = "The disk it boots from.",
                                               KEYS(base_disk_keys)};
static const struct cirun_map more_disk_map = {.id = "additionalDisk",
                                               .where = "additionalDisk",
                                               .title = "additionalDisk",
                                               .help = "An empty disk; it ends with the machine.",
                                               KEYS(more_disk_keys)};
static const struct cirun_map old_disk_map = {.id = "existingDisk",
                                              .where = "existingDisk",
                                              .title = "existingDisk",
                                              .help = "A disk that was there before and stays.",
                                              KEYS(old_disk_keys)};
static const struct cirun_map account_map = {.id = "serviceAccounts",
                                             .where = "serviceAccounts",
                                             .title = "serviceAccounts",
                                             .help = "An identity of the machine.",
                                             KEYS(account_keys)};
static const struct cirun_key gcp_keys[] = {
    {.name = "baseDisk", .type = CIRUN_MAP, .of = &base_disk_map, .help = "The disk it boots from."},
    {.name = "additionalDisk",
     .type = CIRUN_MAP,
     .many = CIRUN_ONE_OR_LIST,
     .of = &more_disk_map,
     .help = "Further empty disks."},
    {.name = "existingDisk",
     .type = CIRUN_MAP,
     .many = CIRUN_ONE_OR_LIST,
     .of = &old_disk_map,
     .help = "Disks that are there already."},
    {.name = "project_id",
     .type = CIRUN_TEXT,
     .def = "the account's",
     .help = "Project in which the machine is made.",
     .example = "my-project"},
    {.name = "networkInterfaces",
     .type = CIRUN_ANY,
     .many = CIRUN_LIST,
     .def = "the account's network, with an address of its own",
     .help = "Passed on as Compute Engine's instances.insert takes them.",
     .example = "[{network: projects/my-project/global/networks/ci}]"},
    {.name = "serviceAccounts",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .of = &account_map,
     .def = "none",
     .help = "Identities of the machine; the operator's policy must allow them."},
    {.name = "enableNestedVirtualization",
     .type = CIRUN_BOOL,
     .flags = CIRUN_UNDOCUMENTED,
     .def = "false",
     .help = "Virtual machines inside the machine.",
     .example = "true"},
};

/* ---- azure ---- */

static const struct cirun_key os_disk_keys[] = {
    {.name = "diskSizeGB",
     .type = CIRUN_WHOLE,
     .min = 1,
     .max = 4095,
     .def = "the image's",
     .help = "Size of the disk it boots from.",
     .example = "128"},
};
static const struct cirun_map os_disk_map = {
    .id = "osDisk", .where = "osDisk", .title = "osDisk", .help = "The disk it boots from.", KEYS(os_disk_keys)};
static const struct cirun_key storage_keys[] = {
    {.name = "osDisk", .type = CIRUN_MAP, .of = &os_disk_map, .help = "The disk it boots from."},
};
static const struct cirun_map storage_map = {.id = "storageProfile",
                                             .where = "storageProfile",
                                             .title = "storageProfile",
                                             .help = "Its disks.",
                                             KEYS(storage_keys)};
static const struct cirun_key azure_keys[] = {
    {.name = "storageProfile", .type = CIRUN_MAP, .of = &storage_map, .help = "Its disks."},
    {.name = "enable_public_ip",
     .type = CIRUN_BOOL,
     .def = "false",
     .help = "An address of its own.",
     .example = "true"},
    {.name = "licenseType",
     .type = CIRUN_TEXT,
     .flags = CIRUN_UNDOCUMENTED,
     .help = "A licence that you bring along, such as Windows_Server or RHEL_BYOS.",
     .example = "Windows_Server"},
};

/* ---- openstack: the members of Nova's block_device_mapping_v2 ---- */

static const char *const source_words[] = {"image", "blank", "volume", "snapshot", NULL};
static const char *const destination_words[] = {"volume", "local", NULL};

#define WORD_OF_NOVA(key, what, sample)                                                                                \
    {                                                                                                                  \
        .name = (key), .type = CIRUN_TEXT, .flags = CIRUN_OURS, .help = (what), .example = (sample)                    \
    }

static const struct cirun_key os_volume_keys[] = {
    {.name = "boot_index",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = -1,
     .max = 26,
     .help = "0: it boots from this one; -1: never.",
     .example = "0"},
    {.name = "volume_size",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 1,
     .max = 1000000,
     .help = "Size in GB.",
     .example = "100"},
    {.name = "source_type",
     .type = CIRUN_WORD,
     .words = source_words,
     .flags = CIRUN_OURS,
     .def = "image for the boot disk, else blank",
     .help = "What it is made from.",
     .example = "snapshot"},
    {.name = "destination_type",
     .type = CIRUN_WORD,
     .words = destination_words,
     .flags = CIRUN_OURS,
     .def = "volume",
     .help = "A volume, or the host's own disk.",
     .example = "local"},
    WORD_OF_NOVA("uuid", "Id of the image, volume or snapshot.", "4d1f0a2b-6a5c-4f0e-8a53-1f3d5c8f4a77"),
    WORD_OF_NOVA("volume_type", "Type of the volume.", "ssd"),
    WORD_OF_NOVA("device_name", "The device.", "vdb"),
    WORD_OF_NOVA("device_type", "Kind of the device.", "disk"),
    WORD_OF_NOVA("disk_bus", "Its bus.", "virtio"),
    WORD_OF_NOVA("guest_format", "Format of a blank one.", "ext4"),
    WORD_OF_NOVA("tag", "A tag of Nova's.", "data"),
    {.name = "delete_on_termination",
     .type = CIRUN_BOOL,
     .flags = CIRUN_OURS,
     .def = "true",
     .help = "Whether it ends with the machine; what is made for it always does.",
     .example = "true"},
};
static const struct cirun_map os_volume_map = {.id = "block_device_mapping_v2",
                                               .where = "block_device_mapping_v2",
                                               .title = "block_device_mapping_v2",
                                               .help = "One disk, as Nova takes it.",
                                               KEYS(os_volume_keys)};
static const struct cirun_key openstack_keys[] = {
    {.name = "block_device_mapping_v2",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .flags = CIRUN_OURS,
     .max_items = 26,
     .of = &os_volume_map,
     .help = "Disks, as Nova takes them."},
};

/* ---- oracle ---- */

static const struct cirun_key oracle_keys[] = {
    {.name = "ocpus",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 1,
     .max = 512,
     .def = "2",
     .help = "Cores of a .Flex shape.",
     .example = "4"},
    {.name = "memory",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 1,
     .max = 8192,
     .def = "16",
     .help = "Memory of a .Flex shape in GB.",
     .example = "32"},
    {.name = "bootVolumeSizeInGBs",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 50,
     .max = 32768,
     .def = "the image's",
     .help = "Size of the disk it boots from.",
     .example = "100"},
};

/* ---- vast_ai ---- */

#define GIGABYTES(key, what, sample)                                                                                   \
    {                                                                                                                  \
        .name = (key), .type = CIRUN_WHOLE, .min = 1, .max = 100000, .help = (what), .example = (sample)               \
    }

static const struct cirun_key vast_keys[] = {
    GIGABYTES("disk_space", "Least disk in GB.", "60"),
    GIGABYTES("min_ram", "Least memory of the host in GB.", "32"),
    {.name = "vm",
     .type = CIRUN_BOOL,
     .def = "false",
     .help = "A virtual machine instead of a container; the image is then one of vastai/kvm.",
     .example = "true"},
};

/* ---- on_prem ---- */

static const char *const executor_words[] = {"docker", "meda", "lume", NULL};
static const struct cirun_key on_prem_keys[] = {
    {.name = "executor",
     .type = CIRUN_WORD,
     .words = executor_words,
     .def = "docker",
     .help = "What runs the machine.",
     .example = "docker"},
    {.name = "privileged",
     .type = CIRUN_BOOL,
     .def = "false",
     .help = "A privileged container; the operator's policy must allow it.",
     .example = "true"},
    {.name = "docker_socket_mount",
     .type = CIRUN_BOOL,
     .def = "false",
     .help = "The host's Docker socket; the operator's policy must allow it.",
     .example = "true"},
    {.name = "gpu",
     .type = CIRUN_TEXT,
     .help = "GPUs as docker run --gpus takes them: all, a number, or device=0,1.",
     .example = "all"},
};

/* ---- the clouds ---- */

#define CLOUD_MAP(cloud, name_, list)                                                                                  \
    static const struct cirun_map cloud##_map = {.id = "extra_config: " #cloud,                                        \
                                                 .where = "extra_config of " #cloud,                                   \
                                                 .title = "extra_config on " name_,                                    \
                                                 .help = "",                                                           \
                                                 .keys = (list),                                                       \
                                                 .n = ARRAY_LEN(list)}

CLOUD_MAP(aws, "AWS", aws_keys);
CLOUD_MAP(gcp, "Google Cloud", gcp_keys);
CLOUD_MAP(azure, "Azure", azure_keys);
CLOUD_MAP(openstack, "OpenStack", openstack_keys);
CLOUD_MAP(oracle, "Oracle Cloud", oracle_keys);
CLOUD_MAP(vast_ai, "Vast.ai", vast_keys);
CLOUD_MAP(on_prem, "machines of your own", on_prem_keys);

const struct cirun_cloud cirun_clouds[] = {
    {"aws", NULL, "AWS", &aws_map},
    {"gcp", NULL, "Google Cloud", &gcp_map},
    {"azure", NULL, "Azure", &azure_map},
    {"digitalocean", "do", "DigitalOcean", NULL},
    {"openstack", NULL, "OpenStack", &openstack_map},
    {"oracle", NULL, "Oracle Cloud", &oracle_map},
    {"vast_ai", NULL, "Vast.ai", &vast_ai_map},
    {"on_prem", NULL, "Machines of your own", &on_prem_map},
};
const size_t cirun_clouds_n = ARRAY_LEN(cirun_clouds);
