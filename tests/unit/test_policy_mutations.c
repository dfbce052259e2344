/*
 * A changed .cirun.yml never yields a machine that the operator's policy denies. Thousands of seeded changes of files
 * are read, matched and planned as a job's would be, and what would go out is rendered. Whether that is allowed is told
 * by a judge of its own, below, from the request as it stands, with the C library's fnmatch; nothing of policy.c helps
 * it.
 *
 *     MUTATIONS=50000 SEED=7 build/tests/unit/test_policy_mutations      more of them, others
 */
#include "tests/support/unit.h"

#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/engine/engine_int.h"
#include "server/engine/match.h"
#include "tests/support/policy_judge.h"
#include "tests/support/sanitized.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)64 * 1024)
#define MAX_FILES 64
#define NAME "muster-01example0machine0name00000"

/* --- the policies ---------------------------------------------------------------------------------------------- */

static const char *const types[] = {"t3.*",
                                    "g4dn.xlarge",
                                    "n1-standard-?",
                                    "e2-small",
                                    "Standard_D2s_v5",
                                    "s-1vcpu-1gb",
                                    "m1.small",
                                    "VM.Standard.E4.Flex:?:16",
                                    "VM.GPU.A10.1",
                                    "1xRTX_4090",
                                    "2vcpu-4gb*"};
static const char *const regions[] = {"eu-west-1", "europe-west4", "us-central1-a",  "eastus",
                                      "nyc3",      "RegionOne",    "eu-frankfurt-1", "DE"};
static const char *const images[] = {"ami-0123456789abcdef0",
                                     "ubuntu2204",
                                     "self/ci-*",
                                     "self/v?",
                                     "my-images:*",
                                     "projects/my-project/global/images/ci-*",
                                     "debian-cloud:debian-12",
                                     "Canonical:ubuntu-24_04-lts:*:latest",
                                     "/subscriptions/*/providers/Microsoft.Compute/images/ci-*",
                                     "ubuntu-22-04-x64",
                                     "Ubuntu 22.04",
                                     "ocid1.image.oc1.eu-frankfurt-1.aaaa",
                                     "ghcr.io/acme/*",
                                     "nvidia/cuda:12.*"};
static const char *const few[] = {"aws", "gcp", "on_prem"};

#define ALL(list)                                                                                                      \
    {                                                                                                                  \
        true, ARRAY_LEN(list), list                                                                                    \
    }

static const struct policy policies[] = {
    {.types = ALL(types), .regions = ALL(regions), .images = ALL(images), .max_hourly_price = -1},
    {.clouds = ALL(few), .images = ALL(images), .max_hourly_price = -1},
    {.regions = ALL(regions), .max_hourly_price = -1},
    {.types = ALL(types), .max_hourly_price = -1},
    {.max_hourly_price = -1}, /* the rule on rights alone */
};

/* --- files, and how they change --------------------------------------------------------------------------------- */

/* Every runner here is allowed by the strictest policy. */
static const char own_file[] = "runners:\n"
                               "  - name: a\n"
                               "    cloud: aws\n"
                               "    region: eu-west-1\n"
                               "    instance_type: [t3.micro, g4dn.xlarge]\n"
                               "    machine_image: ami-0123456789abcdef0\n"
                               "    preemptible: [true, false]\n"
                               "    labels: [cirun-x]\n"
                               "  - name: g\n"
                               "    cloud: gcp\n"
                               "    region: us-central1-a\n"
                               "    instance_type: n1-standard-4\n"
                               "    machine_image: my-images:ci-1\n"
                               "    gpu: nvidia-tesla-t4\n"
                               "    labels: [cirun-x]\n"
                               "    extra_config:\n"
                               "      baseDisk: {diskSizeGb: 100}\n"
                               "  - name: z\n"
                               "    cloud: azure\n"
                               "    region: eastus\n"
                               "    instance_type: Standard_D2s_v5\n"
                               "    machine_image: Canonical:ubuntu-24_04-lts:server:latest\n"
                               "    labels: [cirun-x]\n"
                               "  - name: d\n"
                               "    cloud: do\n"
                               "    region: nyc3\n"
                               "    instance_type: s-1vcpu-1gb\n"
                               "    machine_image: ubuntu-22-04-x64\n"
                               "    labels: [cirun-x]\n"
                               "  - name: s\n"
                               "    cloud: openstack\n"
                               "    region: RegionOne\n"
                               "    instance_type: m1.small\n"
                               "    machine_image: Ubuntu 22.04\n"
                               "    labels: [cirun-x]\n"
                               "    extra_config:\n"
                               "      block_device_mapping_v2: [{boot_index: 0, volume_size: 20}]\n"
                               "  - name: o\n"
                               "    cloud: oracle\n"
                               "    region: eu-frankfurt-1\n"
                               "    instance_type: VM.Standard.E4.Flex:4:16\n"
                               "    machine_image: ubuntu2204\n"
                               "    labels: [cirun-x]\n"
                               "  - name: v\n"
                               "    cloud: vast_ai\n"
                               "    region: DE\n"
                               "    instance_type: 1xRTX_4090\n"
                               "    machine_image: nvidia/cuda:12.4.1-base-ubuntu22.04\n"
                               "    labels: [cirun-x]\n"
                               "  - name: p\n"
                               "    cloud: on_prem\n"
                               "    instance_type: 2vcpu-4gb\n"
                               "    machine_image: ghcr.io/acme/ci:1\n"
                               "    labels: [cirun-x]\n"
                               "    extra_config:\n"
                               "      executor: docker\n";

/* What strangers would write in the place of a value; the rest comes from the policies' own lists. */
static const char *const other_regions[] = {"us-east-1",
                                            "us-gov-west-1",
                                            "us-central1-b",
                                            "us-central1",
                                            "EU-WEST-1",
                                            "Eastus",
                                            "eastus2",
                                            "RegionTwo",
                                            "DEU",
                                            "US",
                                            "~",
                                            "''",
                                            "Uocm:EU-FRANKFURT-1-AD-2",
                                            "Uocm:US-ASHBURN-AD-1",
                                            "[eu-west-1, us-east-1]",
                                            "[]",
                                            "*",
                                            "e\xd0\xb0stus",
                                            "nyc1",
                                            "eu-west-1/../us-east-1"};
static const char *const other_types[] = {"p5.48xlarge",
                                          "t3.micro.evil",
                                          "T3.MICRO",
                                          "t3.",
                                          "g4dn.xlarge ",
                                          "n1-standard-96",
                                          "n1-standard-4/../a3-megagpu-8g",
                                          "a3-highgpu-8g",
                                          "VM.Standard.E4.Flex",
                                          "VM.Standard.E4.Flex:64:16",
                                          "VM.Standard.E4.Flex:4",
                                          "BM.GPU4.8",
                                          "8xH100_SXM",
                                          "1xA100",
                                          "1xrtx_4090",
                                          "64vcpu-512gb",
                                          "2vcpu-4gb-1000gb",
                                          "[t3.micro, p4d.24xlarge]",
                                          "standard_d2S_v5",
                                          "Standard_ND96asr_v4",
                                          "m1.xlarge",
                                          "gpu-h100x8-640gb",
                                          "~",
                                          "*"};
static const char *const other_images[] = {
    "[ami-0123456789abcdef0, ami-0aaaaaaaaaaaaaaaa]",
    "ami-0123456789ABCDEF0",
    "ami-0aaaaaaaaaaaaaaaa",
    "ubuntu2204-gpu",
    "ubuntu2204 ",
    "Ubuntu2204",
    "\"ubuntu2204\\u200b\"",
    "ubuntu2404",
    "self/*",
    "self/ci-1",
    "self/v*",
    "self/v1",
    "self/?"
    "?-1",
    "123456789012/x*",
    "ssm:/aws/service/../x",
    "ssm:/aws/service/ami-amazon-linux-latest/x",
    "evil:ci-1",
    "my-images:../x",
    "my-images:ci-2",
    "projects/evil/global/images/ci-1",
    "projects/my-project/global/images/../../../evil/global/images/ci-1",
    "projects/my-project/global/images/ci-1",
    "global/images/ci-1",
    "projects/my-project/global/machineImages/ci-1",
    "https://www.googleapis.com/compute/v1/projects/evil/global/images/ci-1",
    "https://www.googleapis.com/compute/v1/projects/my-project/global/images/ci-1",
    "https://www.googleapis.com/compute/v1/projects/my-project/global/machineImages/m",
    "http://evil/projects/my-images/global/images/x",
    "debian-cloud:debian-11",
    "Canonical:ubuntu-24_04-lts:..:latest",
    "canonical:UBUNTU-24_04-LTS:server:latest",
    "evil:offer:sku:latest",
    "{publisher: evil, offer: o, sku: s, version: latest}",
    "{publisher: Canonical, offer: ubuntu-24_04-lts, sku: server, version: latest}",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/images/ci-1",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/images/ci-1/../evil",
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/x/providers/Microsoft.Compute/"
    "images/ci-1",
    "/SUBSCRIPTIONS/s/resourcegroups/g/providers/Microsoft.Compute/galleries/g/images/ci-1",
    "/communityGalleries/evil/images/ci-1",
    "12345678",
    "ghcr.io/acme/../evil/x",
    "ghcr.io/acme.evil/x",
    "ghcr.io/evil/x",
    "evil.example/ghcr.io/acme/x",
    "nvidia/cuda:11.0",
    "nvidia/cuda:12.4@sha256:0123456789012345678901234567890123456789012345678901234567890123",
    "docker.io/nvidia/cuda:12.1",
    "nvidia/cuda",
    "ocid1.image.oc1.iad.bbbb",
    "~"};
static const char *const other_clouds[] = {"aws",    "gcp",     "azure",   "digitalocean", "openstack",
                                           "oracle", "vast_ai", "on_prem", "true"};

/* Lines that are put in. */
static const char *const lines[] = {
    "    extra_config: {serviceAccounts: [{email: default}]}\n",
    "    extra_config: {existingDisk: {source: data}}\n",
    "    extra_config: {networkInterfaces: [{network: global/networks/prod}]}\n",
    "    extra_config: {project_id: evil}\n",
    "    extra_config: {project_id: my-project}\n",
    "    extra_config: {privileged: true}\n",
    "    extra_config: {privileged: 'yes', docker_socket_mount: on}\n",
    "    extra_config: {docker_socket_mount: true}\n",
    "    extra_config: {executor: meda}\n",
    "    extra_config: {IamInstanceProfile: {Name: admin}, SubnetId: subnet-1}\n",
    "    extra_config: {BlockDeviceMappings: [{DeviceName: /dev/sda1, VolumeSize: 75, Ebs: {SnapshotId: snap-1}}]}\n",
    "    extra_config: {block_device_mapping_v2: [{boot_index: 0, uuid: evil, source_type: image}]}\n",
    "    extra_config: {block_device_mapping_v2: [{source_type: volume, uuid: data}]}\n",
    "    extra_config: {ocpus: 512, memory: 8192}\n",
    "    extra_config: {vm: true}\n",
    "      serviceAccounts: [{email: default}]\n",
    "      project_id: evil\n",
    "      privileged: true\n",
    "    gpu: h100\n",
    "    gpu: t4\n",
    "    muster: {gpus: 8}\n",
    "    region: us-east-1\n",
    "  - {name: n, cloud: aws, gpu: a100, machine_image: ubuntu2204, labels: [cirun-x]}\n",
    "  - {name: n, cloud: gcp, instance_type: e2-small, machine_image: ubuntu2204, labels: [cirun-x]}\n",
    "  - {name: n, cloud: digitalocean, instance_type: s-1vcpu-1gb, machine_image: ubuntu2204, labels: [cirun-x]}\n",
    "  - {name: n, cloud: vast_ai, instance_type: 1xRTX_4090, machine_image: ubuntu2204, labels: [cirun-x]}\n"};

/* Characters that look like others, and such that mean something on the way. */
static const char *const marks[] = {
    "\xd0\xb0", "\xd0\xb5", "\xc2\xa0", "\xe2\x80\x8b", "\xef\xbc\x8f", "/", "..", "*", "?",
    " ",        ":",        "@",        "%2e%2e/",      "\\",           "'", "\"", "#", ","};

struct world {
    struct judge_accounts accounts;
    char *files[MAX_FILES];
    size_t n_files;
    uint64_t seed;
    size_t went_out, denied, files_read, caught; /* caught: by the judge, of what no policy had seen */
};

static size_t draw(struct world *w, size_t n)
{
    return unit_random(&w->seed) % n;
}

/* A value for a key: mostly such as the key has, of those that are allowed or of others. */
static const char *draw_value(struct world *w, const char *key)
{
    static const struct {
        const char *key;
        const char *const *lists[2];
        size_t n[2];
    } kinds[] = {{"region", {regions, other_regions}, {ARRAY_LEN(regions), ARRAY_LEN(other_regions)}},
                 {"instance_type", {types, other_types}, {ARRAY_LEN(types), ARRAY_LEN(other_types)}},
                 {"machine_image", {images, other_images}, {ARRAY_LEN(images), ARRAY_LEN(other_images)}},
                 {"cloud", {few, other_clouds}, {ARRAY_LEN(few), ARRAY_LEN(other_clouds)}}};
    size_t kind = draw(w, ARRAY_LEN(kinds)), other = draw(w, 4) != 0 ? 1 : 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t blanks = strspn(key, " -");

        if (strncmp(key + blanks, kinds[i].key, strlen(kinds[i].key)) == 0 && draw(w, 8) != 0)
            kind = i;
    }
    return kinds[kind].lists[other][draw(w, kinds[kind].n[other])];
}

/* text with `put` instead of the cut bytes at `at`. */
static void splice(struct buf *text, size_t at, size_t cut, const char *put)
{
    AUTO_BUF struct buf out = BUF_INIT(FILE_MAX * 2);

    buf_add(&out, text->p, at);
    buf_adds(&out, put);
    buf_add(&out, text->p + at + cut, text->len - at - cut);
    buf_clear(text);
    *text = (struct buf)BUF_INIT(FILE_MAX * 2);
    buf_add(text, out.p, out.len);
}

/* The beginning of a line, and its length without the newline. */
static size_t draw_line(struct world *w, const struct buf *text, size_t *len)
{
    size_t at = text->len > 0 ? draw(w, text->len) : 0;

    while (at > 0 && text->p[at - 1] != '\n')
        at--;
    *len = strcspn(text->p + at, "\n");
    return at;
}

/* Another value for one of the keys that choose a machine, most of the time. */
static void change_value(struct world *w, struct buf *text)
{
    size_t len, at = draw_line(w, text, &len);
    const char *colon;
    char key[200];

    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof(key), "%.*s", (int)(len < 199 ? len : 199), text->p + at);
        if (strstr(key, "region:") != NULL || strstr(key, "instance_type:") != NULL || strstr(key, "image:") != NULL)
            break;
        at = draw_line(w, text, &len);
    }
    colon = memchr(text->p + at, ':', len);
    if (colon == NULL)
        return;
    len -= (size_t)(colon - text->p) - at + 1;
    at = (size_t)(colon - text->p) + 1;
    splice(text, at, len, draw_value(w, key));
    splice(text, at, 0, " ");
}

static void change(struct world *w, struct buf *text)
{
    size_t len, at = draw_line(w, text, &len);
    char c[2] = "";

    switch (draw(w, 3) != 0 ? 0 : 1 + draw(w, 6)) {
    case 0:
        change_value(w, text);
        return;
    case 1:
    case 2: /* a line more */
        splice(text, at, 0, lines[draw(w, ARRAY_LEN(lines))]);
        return;
    case 3: /* a line less */
        splice(text, at, text->p[at + len] == '\n' ? len + 1 : len, "");
        return;
    case 4: /* a mark somewhere in a line */
        splice(text, at + draw(w, len + 1), 0, marks[draw(w, ARRAY_LEN(marks))]);
        return;
    case 5: /* another case */
        at += draw(w, len + 1);
        c[0] = text->p[at];
        if ((c[0] >= 'a' && c[0] <= 'z') || (c[0] >= 'A' && c[0] <= 'Z')) {
            c[0] = (char)(c[0] ^ 0x20);
            splice(text, at, 1, c);
        }
        return;
    default: /* a few bytes less */
        at += draw(w, len + 1);
        splice(text, at, text->len - at < 3 ? 0 : draw(w, 3), "");
    }
}

/* --- from a file to what would go out --------------------------------------------------------------------------- */

static const struct engine_cloud *cloud_of(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->accounts.n; i++) {
        if (strcmp(w->accounts.clouds[i].ops->name, name) == 0)
            return &w->accounts.clouds[i];
    }
    return NULL;
}

/* As launch.c does, but that the request is only shown. */
static bool render(const struct world *w, const struct machine_spec *s, json_t *list)
{
    static const struct tag tags[] = {{TAG_DEPLOYMENT, "test"}, {TAG_MACHINE, NAME}};
    const struct launch_request r = {.spec = s,
                                     .name = NAME,
                                     .token = NAME "-0-0",
                                     .lifetime_s = 3600,
                                     .first_try = true,
                                     .tags = tags,
                                     .n_tags = 2};
    const struct engine_cloud *c = cloud_of(w, s->cloud);
    struct err e;

    return c != NULL && c->ops->check(c->provider, s, &e) == 0 && c->ops->render(c->provider, &r, list, &e) == 0;
}

static void go_out(struct world *w, const struct policy *p, const struct machine_spec *s, const char *text)
{
    AUTO_JSON json_t *list = json_array();
    AUTO_FREE char *request = NULL;
    const char *forbidden;
    struct asked a;

    if (!render(w, s, list))
        return;
    w->went_out++;
    judge_read(s->cloud, list, &a);
    forbidden = judge_asked(p, &a);
    if (forbidden == NULL)
        return;
    request = json_dumps(list, JSON_COMPACT);
    fail_msg("policy %zu forbids %s of\n%s\nby the file\n%s", (size_t)(p - policies), forbidden, request, text);
}

static void plan_under(struct world *w, const struct policy *p, const char *planned, const char *text)
{
    const struct engine g = {
        .c = {.clouds = w->accounts.clouds, .n_clouds = w->accounts.n, .deployment = "test", .policy = p}};
    AUTO_FREE char *plan = mem_strdup(planned), *skipped = NULL;
    AUTO_PLAN struct plan left = {0};
    struct err e;

    assert_ok(sift_plan(&g, &plan, &skipped, &e), e);
    w->denied += skipped != NULL ? 1 : 0;
    if (plan == NULL)
        return;
    assert_ok(plan_parse(plan, &left, &e), e);
    for (size_t i = 0; i < left.n; i++) {
        assert_ok(sift_check(&g, &left, i, &e), e); /* again, at the launch */
        go_out(w, p, &left.specs[i], text);
    }
}

/* What the judge would catch if no policy had been asked: it must be able to. */
static void judge_unsifted(struct world *w, const char *planned)
{
    AUTO_PLAN struct plan all = {0};
    struct err e;

    assert_ok(plan_parse(planned, &all, &e), e);
    for (size_t i = 0; i < all.n; i++) {
        AUTO_JSON json_t *list = json_array();
        struct asked a;

        if (!render(w, &all.specs[i], list))
            continue;
        judge_read(all.specs[i].cloud, list, &a);
        w->caught += judge_asked(&policies[0], &a) != NULL ? 1 : 0;
    }
}

static void try_file(struct world *w, const char *text)
{
    static const struct plan_release releases[] = {{.os = "linux", .arch = "x64", .url = "u", .sha256 = "s"},
                                                   {.os = "linux", .arch = "arm64", .url = "u", .sha256 = "s"}};
    struct cirun_yml *file = cirun_yml_parse(text, strlen(text), ".cirun.yml");
    const struct cirun_runner **runners = mem_calloc(file->n_runners + 1, sizeof(*runners));
    AUTO_JSON json_t *labels = json_pack("[s]", "cirun-x");
    AUTO_FREE char *plan = NULL;
    char reason[480];
    size_t n = 0;
    struct err e;

    if (file->n_errors == 0 && match_job(&(struct match_job){.labels = labels, .bare_self_hosted = true}, file, runners,
                                         &n, reason, sizeof(reason)) == MATCH_FOUND)
        w->files_read++;
    if (file->n_errors == 0 && n == 0) /* a file of others has other labels: all of its runners, then */
        for (; n < file->n_runners; n++)
            runners[n] = &file->runners[n];
    if (file->n_errors == 0 && n > 0 && plan_build(releases, ARRAY_LEN(releases), runners, n, &plan, &e) == 0) {
        judge_unsifted(w, plan);
        for (size_t i = 0; i < ARRAY_LEN(policies); i++)
            plan_under(w, &policies[i], plan, text);
    }
    free(runners);
    cirun_yml_free(file);
}

/* --- the test ----------------------------------------------------------------------------------------------------- */

static void add_file(struct world *w, const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = mem_zalloc(FILE_MAX + 1);

    if (f != NULL && w->n_files < MAX_FILES && fread(text, 1, FILE_MAX, f) > 0 && strlen(text) > 10)
        w->files[w->n_files++] = text;
    else
        free(text);
    if (f != NULL)
        (void)fclose(f);
}

/* Real files, where they are at hand. */
static void add_shared(struct world *w)
{
    const char *named = getenv("MUSTER_TEST_DATA");
    struct dirent *entry;
    char folder[600], path[900];
    DIR *d;

    (void)snprintf(folder, sizeof(folder), "%.500s/cirun-yml", named != NULL ? named : "../shared/data");
    d = opendir(folder);
    while (d != NULL && (entry = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%.255s", folder, entry->d_name);
        if (strstr(entry->d_name, ".y") != NULL)
            add_file(w, path);
    }
    if (d != NULL)
        (void)closedir(d);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s != NULL ? strtoull(s, NULL, 10) : otherwise;
}

static void test_policy_mutations__no_change_of_a_file_yields_what_the_policy_denies(void **state)
{
    struct world w = {.seed = setting("SEED", 20240501)};
    uint64_t rounds = setting("MUTATIONS", SANITIZED ? 1500 : 5000);

    (void)state;
    judge_accounts_open(&w.accounts);
    w.files[w.n_files++] = mem_strdup(own_file);
    add_shared(&w);
    for (uint64_t i = 0; i < rounds; i++) {
        AUTO_BUF struct buf text = BUF_INIT(FILE_MAX * 2);
        const char *s;
        struct err e;

        buf_adds(&text, w.files[i % 2 == 0 ? 0 : draw(&w, w.n_files)]);
        for (size_t k = i < w.n_files ? 0 : 1 + draw(&w, 3); k > 0; k--)
            change(&w, &text);
        if (buf_str(&text, &s, &e) == 0 && strlen(s) == text.len)
            try_file(&w, s);
    }
    print_message("%zu files read, %zu candidates went out, %zu plans were cut, %zu would have been caught\n",
                  w.files_read, w.went_out, w.denied, w.caught);
    /* it was a test: enough passed, enough was denied, and the judge denies too */
    assert_true(w.files_read > rounds / 8 && w.went_out > rounds && w.denied > rounds / 2 && w.caught > rounds / 4);
    for (size_t i = 0; i < w.n_files; i++)
        free(w.files[i]);
    judge_accounts_close(&w.accounts);
}

static void test_policy_mutations__the_files_own_runners_are_allowed_as_they_stand(void **state)
{
    struct world w = {.seed = 1};

    (void)state;
    judge_accounts_open(&w.accounts);
    try_file(&w, own_file);
    assert_int_equal(w.went_out, 9 * 4 + 4); /* nine candidates under four policies, and four of the few clouds */
    assert_int_equal(w.caught, 0);
    judge_accounts_close(&w.accounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_mutations__the_files_own_runners_are_allowed_as_they_stand),
        cmocka_unit_test(test_policy_mutations__no_change_of_a_file_yields_what_the_policy_denies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
