/* The mappings of .cirun.yml but extra_config (cirun_keys_extra.c) and .access.yml (cirun_keys_access.c). */
#include "server/config/cirun_keys.h"

#include "server/base/attr.h"
#include "server/config/idle.h"

#include <string.h>

#define KEYS(list) .keys = (list), .n = ARRAY_LEN(list)

#define DAY 86400
#define HOUR 3600

/* ---- setup_info ---- */

static const struct cirun_key setup_keys[] = {
    {.name = "group", .type = CIRUN_TEXT, .help = "Heading of the section.", .example = "Machine"},
    {.name = "detail",
     .type = CIRUN_TEXT,
     .help = "Text of the section; may have several lines.",
     .example = "Image of March, CUDA 12.4"},
};
static const struct cirun_map setup_map = {.id = "setup_info",
                                           .where = "setup_info",
                                           .title = "setup_info",
                                           .help = "One section of the job's \"Set up job\" step.",
                                           KEYS(setup_keys)};

/* ---- machine_image as a mapping ---- */

#define IMAGE_PART(part, what, sample)                                                                                 \
    {                                                                                                                  \
        .name = (part), .type = CIRUN_TEXT, .flags = CIRUN_NEEDED, .pattern = "^[^:]+$", .help = (what),               \
        .example = (sample)                                                                                            \
    }

static const struct cirun_key image_keys[] = {
    IMAGE_PART("publisher", "Who publishes the image.", "Canonical"),
    IMAGE_PART("offer", "Name of a group of images.", "ubuntu-24_04-lts"),
    IMAGE_PART("sku", "One of the offer.", "server"),
    IMAGE_PART("version", "A version, or latest.", "latest"),
};
const struct cirun_map cirun_image_map = {.id = "machine_image",
                                          .where = "machine_image",
                                          .title = "machine_image as a mapping",
                                          .help = "The same as publisher:offer:sku:version.",
                                          KEYS(image_keys)};

/* ---- idle: cirun_idle.c reads it ---- */

/* The patterns say in one line what cirun_idle.c reads step by step, in any case and with blanks between. */
#define BLANKS "[ \\t]*"
#define A_DAY                                                                                                          \
    BLANKS "([Mm][Oo][Nn]([Dd][Aa][Yy])?|[Tt][Uu][Ee]([Ss][Dd][Aa][Yy])?|[Ww][Ee][Dd]([Nn][Ee][Ss][Dd][Aa][Yy])?|"     \
           "[Tt][Hh][Uu]([Rr][Ss][Dd][Aa][Yy])?|[Ff][Rr][Ii]([Dd][Aa][Yy])?|[Ss][Aa][Tt]([Uu][Rr][Dd][Aa][Yy])?|"      \
           "[Ss][Uu][Nn]([Dd][Aa][Yy])?)" BLANKS
#define DAYS A_DAY "(-" A_DAY ")?"
#define DAY_PATTERN "^" DAYS "(," DAYS ")*$"
#define UNLIKE_HOURS "(?!" BLANKS "0?([0-9]+)" BLANKS "-" BLANKS "0?\\1" BLANKS "$)"
#define TIME_PATTERN "^" UNLIKE_HOURS BLANKS "([01]?[0-9]|2[0-3])" BLANKS "-" BLANKS "([01]?[0-9]|2[0-4])" BLANKS "$"

static const struct cirun_key schedule_keys[] = {
    {.name = "day",
     .type = CIRUN_TEXT,
     .many = CIRUN_ONE_OR_LIST,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_STRING,
     .pattern = DAY_PATTERN,
     .help = "A day, a range of days that may wrap (sat-mon), or several joined by commas.",
     .example = "mon-fri"},
    {.name = "time",
     .type = CIRUN_TEXT,
     .flags = CIRUN_NEEDED | CIRUN_SET | CIRUN_STRING,
     .pattern = TIME_PATTERN,
     .help = "Hours from 0 to 24, the last one excluded; may wrap (22-6).",
     .example = "9-17"},
    {.name = "timezone",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET,
     .def = "UTC",
     .help = "An IANA time zone; its daylight saving is observed.",
     .example = "Europe/Berlin"},
    {.name = "replicas",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .min = 0,
     .max = IDLE_MAX_REPLICAS,
     .help = "Machines in that time; where entries overlap, the largest counts.",
     .example = "4"},
};
static const struct cirun_map schedule_map = {.id = "idle.schedule",
                                              .where = "an entry of schedule",
                                              .title = "idle: schedule",
                                              .help = "One span of the week and how many machines wait in it.",
                                              KEYS(schedule_keys)};

static const char *const trigger_words[] = {"runner_allocated", NULL};
static const struct cirun_key usage_keys[] = {
    {.name = "trigger",
     .type = CIRUN_WORD,
     .words = trigger_words,
     .flags = CIRUN_SET,
     .def = "runner_allocated",
     .help = "What starts the time.",
     .example = "runner_allocated"},
    {.name = "replicas",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .min = 0,
     .max = IDLE_MAX_REPLICAS,
     .help = "Machines that wait from each allocation on.",
     .example = "1"},
    {.name = "duration",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .min = 1,
     .max = IDLE_MAX_MINUTES,
     .help = "For how many minutes.",
     .example = "30"},
};
static const struct cirun_map usage_map = {.id = "idle.usage_based",
                                           .where = "usage_based",
                                           .title = "idle: usage_based",
                                           .help = "Machines that wait for a while after the last use.",
                                           KEYS(usage_keys)};

static const struct cirun_key idle_keys[] = {
    {.name = "replicas",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_SET,
     .min = 0,
     .max = IDLE_MAX_REPLICAS,
     .help = "So many machines always wait.",
     .example = "2"},
    {.name = "schedule",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .flags = CIRUN_SET | CIRUN_FILLED,
     .max_items = IDLE_MAX_WINDOWS,
     .of = &schedule_map,
     .help = "Machines wait at certain hours of the week."},
    {.name = "usage_based",
     .type = CIRUN_MAP,
     .flags = CIRUN_SET,
     .of = &usage_map,
     .help = "Machines wait for a while after a job took one."},
};
const struct cirun_map cirun_idle_map = {
    .id = "idle", .where = "idle", .title = "idle", .help = "One of the three.", KEYS(idle_keys), .exactly_one = true};

/* ---- muster ---- */

static const char *const order_words[] = {"listed", "cheapest", "fastest", NULL};
static const struct cirun_key muster_keys[] = {
    {.name = "gpus",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 1,
     .max = 64,
     .help = "Least number of GPUs; candidates that are known to have fewer are left out, and the machine is checked "
             "before it registers.",
     .example = "2"},
    {.name = "gpu_memory",
     .type = CIRUN_GIGABYTES,
     .flags = CIRUN_OURS,
     .min = 1,
     .max = 1024,
     .help = "Least memory of each GPU.",
     .example = "24GB"},
    {.name = "order",
     .type = CIRUN_WORD,
     .words = order_words,
     .flags = CIRUN_OURS,
     .def = "listed",
     .help =
         "In which order candidates are tried: as listed, by current price, or by how long their last launches took.",
     .example = "cheapest"},
    {.name = "max_hourly_price",
     .type = CIRUN_USD,
     .flags = CIRUN_OURS,
     .max = 10000,
     .help = "US dollars; candidates above it are skipped, and the reason is shown.",
     .example = "1.50"},
    {.name = "lifetime",
     .type = CIRUN_DURATION,
     .flags = CIRUN_OURS,
     .min = 60,
     .max = 30 * DAY,
     .def = "the operator's",
     .help = "The machine ends after this time; one whose job still runs then has the operator's overtime "
             "(limits.overtime) to end it. Never longer than the operator's limit.",
     .example = "6h"},
    {.name = "boot_deadline",
     .type = CIRUN_DURATION,
     .flags = CIRUN_OURS,
     .min = 60,
     .max = 24 * HOUR,
     .def = "the operator's",
     .help = "The next candidate is tried when the runner has not registered by then; never longer than the operator's "
             "limit.",
     .example = "10m"},
    {.name = "rerun_interrupted",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OURS,
     .min = 0,
     .max = 10,
     .def = "0",
     .help =
         "How many times a job is run again whose spot machine was taken back; from the second time on without spot.",
     .example = "2"},
};
static const struct cirun_map muster_map = {
    .id = "muster",
    .where = "muster",
    .title = "muster",
    .help = "Our extension of a runner. Cirun ignores the key, so that one file serves both.",
    KEYS(muster_keys)};

/* ---- a runner ---- */

static const char *const cloud_words[] = {"aws",       "gcp",    "azure",   "digitalocean", "do",
                                          "openstack", "oracle", "vast_ai", "on_prem",      NULL};

static const struct cirun_key runner_keys[] = {
    {.name = "name",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET,
     .help = "What .access.yml and messages call this runner; unique in the file.",
     .example = "gpu-runner"},
    {.name = "cloud",
     .type = CIRUN_WORD,
     .words = cloud_words,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .help = "Where the machine is made. do and digitalocean are the same.",
     .example = "aws"},
    {.name = "gpu",
     .type = CIRUN_TEXT,
     .help =
         "The GPU that must work before the runner registers. On GCP it is attached to machine types that take one; "
         "without instance_type the smallest known type that has it is chosen.",
     .example = "t4"},
    {.name = "instance_type",
     .type = CIRUN_TEXT,
     .many = CIRUN_ONE_OR_LIST,
     .def = "by gpu",
     .help = "The cloud's own name of the size. Needed when gpu does not say enough.",
     .example = "g4dn.xlarge"},
    {.name = "machine_image",
     .type = CIRUN_TEXT,
     .many = CIRUN_ONE_OR_LIST,
     .flags = CIRUN_NEEDED,
     .of = &cirun_image_map,
     .of_cloud = "azure",
     .help = "What it boots, in one of the cloud's forms.",
     .example = "ubuntu2204"},
    {.name = "region",
     .type = CIRUN_TEXT,
     .many = CIRUN_ONE_OR_LIST,
     .def = "the account's",
     .help = "Region or zone.",
     .example = "[eu-west-1, eu-central-1]"},
    {.name = "preemptible",
     .type = CIRUN_BOOL,
     .many = CIRUN_ONE_OR_LIST,
     .def = "false",
     .help = "Spot capacity: cheaper, and the cloud may take it back.",
     .example = "[true, false]"},
    {.name = "labels",
     .type = CIRUN_TEXT,
     .many = CIRUN_LIST,
     .help = "What runs-on names. Without labels no job gets this runner.",
     .example = "[cirun-gpu, linux]"},
    {.name = "idle", .type = CIRUN_MAP, .of = &cirun_idle_map, .help = "Machines that wait, booted and registered."},
    {.name = "extra_config",
     .type = CIRUN_MAP,
     .of = &cirun_extra_map,
     .help = "Options of the machine and of its cloud."},
    {.name = "workflow",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET | CIRUN_RESTRICTS,
     .def = "every workflow",
     .help = "Only jobs of this workflow file get the runner. An old key, honoured.",
     .example = ".github/workflows/train.yml"},
    {.name = "run_only_when_triggered_by",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET | CIRUN_RESTRICTS,
     .def = "anybody",
     .help = "Only members of this team get the runner. An old key, honoured, never ignored.",
     .example = "ml-team"},
    {.name = "count",
     .type = CIRUN_WHOLE,
     .flags = CIRUN_OLD,
     .min = 0,
     .max = INT32_MAX,
     .help = "Without effect: every job gets a machine of its own."},
    {.name = "muster", .type = CIRUN_MAP, .flags = CIRUN_OURS, .of = &muster_map, .help = "Our extension."},
};
const struct cirun_map cirun_runner_map = {.id = "runner",
                                           .where = "a runner",
                                           .title = "A runner",
                                           .help = "One kind of machine, with the labels that ask for it.",
                                           KEYS(runner_keys)};

/* ---- the file ---- */

static const struct cirun_key file_keys[] = {
    {.name = "runners",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .flags = CIRUN_NEEDED | CIRUN_SET,
     .of = &cirun_runner_map,
     .help = "The runners, tried in this order."},
    {.name = "setup_info",
     .type = CIRUN_MAP,
     .many = CIRUN_LIST,
     .of = &setup_map,
     .help = "Shown in the \"Set up job\" step of every job."},
    {.name = "run_only_when_triggered_by",
     .type = CIRUN_TEXT,
     .flags = CIRUN_SET | CIRUN_RESTRICTS,
     .help = "Members of this team of the organisation alone get machines of this file. At the top of "
             ".cirun.global.yml it holds for every repository of the organisation, beside what their own runners "
             "say.",
     .example = "ml-team"},
};
const struct cirun_map cirun_file_map = {.id = "file",
                                         .where = "the file",
                                         .title = "The file",
                                         .help = ".cirun.yml of a repository, or .cirun.global.yml of an organisation.",
                                         KEYS(file_keys)};

/* ---- finding ---- */

const struct cirun_key *cirun_key_find(const struct cirun_map *map, const char *name)
{
    for (size_t i = 0; map != NULL && i < map->n; i++) {
        if (strcmp(map->keys[i].name, name) == 0)
            return &map->keys[i];
    }
    return NULL;
}

size_t cirun_key_names(const struct cirun_map *map, const char **out)
{
    for (size_t i = 0; i < map->n; i++)
        out[i] = map->keys[i].name;
    return map->n;
}

const struct cirun_cloud *cirun_cloud_find(const char *spelling)
{
    for (size_t i = 0; i < cirun_clouds_n; i++) {
        const struct cirun_cloud *c = &cirun_clouds[i];

        if (strcmp(c->name, spelling) == 0 || (c->alias != NULL && strcmp(c->alias, spelling) == 0))
            return c;
    }
    return NULL;
}
