/* Each lint with a runner that it must hit and ones that it must leave alone. */
#include "tests/support/unit.h"

#include "server/base/buf.h"
#include "server/base/mem.h"
#include "server/base/text.h"
#include "server/config/cirun_lint.h"
#include "server/config/server_conf.h"
#include "server/github/event.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define AWS "cloud: aws, instance_type: m5.large, machine_image: ami-0123456789abcdef0, region: eu-west-1"
#define DISK(d) "{name: r, " AWS ", labels: [cirun-a], extra_config: {BlockDeviceMappings: [" d "]}}"
#define TWO(a, b) "{name: a, " AWS ", " a "}\n  - {name: b, " AWS ", " b "}"

struct looked {
    struct cirun_yml *yml;
    struct cirun_lints *lints;
};

static void looked_clear(struct looked *k)
{
    cirun_lints_free(k->lints);
    cirun_yml_free(k->yml);
}

static struct looked look(const char *text, const struct server_conf *conf)
{
    const struct cirun_lint_opts opts = {.is_hosted = event_label_is_hosted, .conf = conf};
    struct looked k = {.yml = cirun_yml_parse(text, strlen(text), ".cirun.yml")};

    k.lints = cirun_lint(k.yml, &opts);
    return k;
}

/* The rules that a list of runners ("{...}" or several after "\n  - ") breaks, in file order, joined by a blank. */
static void rules_of(const char *runners, const struct server_conf *conf, struct buf *out)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    AUTO(looked_clear) struct looked k = {NULL, NULL};

    buf_addf(&text, "runners:\n  - %s\n", runners);
    k = look(text.p, conf);
    for (size_t i = 0; i < k.yml->n_diags; i++) {
        if (k.yml->diags[i].severity == CIRUN_ERROR)
            buf_addf(out, "(%s) ", k.yml->diags[i].message);
    }
    for (size_t i = 0; i < k.lints->n; i++)
        buf_addf(out, "%s%s", i > 0 ? " " : "", k.lints->diags[i].rule);
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char piece[4096];
    size_t n;

    if (f == NULL)
        fail_msg("%s cannot be opened", path);
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
        buf_add(out, piece, n);
    (void)fclose(f);
}

struct example {
    const char *runners, *rules;
};

static void check_examples(const struct example *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF struct buf got = BUF_INIT(65536);

        rules_of(list[i].runners, NULL, &got);
        if (strcmp(got.p != NULL ? got.p : "", list[i].rules) != 0)
            fail_msg("%s:\n  expected %s\n  found    %s", list[i].runners, list[i].rules, got.p);
    }
}
#define EXAMPLES(list) check_examples(list, ARRAY_LEN(list))

static void test_cirun_lint__volumes_of_ec2_within_and_beyond_what_their_types_take(void **state)
{
    static const struct example examples[] = {
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 75, VolumeType: gp2}"), ""},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 100, VolumeType: gp3, Iops: 4000, Throughput: 1000}"), ""},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 100, VolumeType: gp3, Throughput: 750}"), ""},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 100, VolumeType: gp3, Throughput: 751}"), "disk-throughput"},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 100, VolumeType: gp3, Iops: 3999, Throughput: 1000}"),
         "disk-throughput"},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 100, VolumeType: gp3, Iops: 3000, Throughput: 100}"), "disk-limit"},
        {DISK("{DeviceName: /dev/sdc, VolumeType: gp3, Iops: 100000}"), "disk-limit"},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 10, VolumeType: gp3, Iops: 5001}"), "disk-limit"},
        {DISK("{DeviceName: /dev/sdc, VolumeSize: 10, VolumeType: gp3, Iops: 5000}"), ""},
        {DISK("{DeviceName: /dev/sdc, VolumeType: gp2, Iops: 3000}"), "disk-option"},
        {DISK("{DeviceName: /dev/sdc, Iops: 3000}"), "disk-option"},
        {DISK("{DeviceName: /dev/sdc, VolumeType: io2, Throughput: 125, Iops: 4000}"), "disk-option"},
        {DISK("{DeviceName: /dev/sdc, VolumeType: io1}"), "disk-option"},
        {DISK("{DeviceName: /dev/sdc, VolumeType: st1, VolumeSize: 100}"), "disk-limit"},
        {DISK("{DeviceName: /dev/sdc, VolumeInitializationRate: 300}"), ""},
        {DISK("{DeviceName: /dev/sdc}, {DeviceName: /dev/sdd}"), ""},
        {DISK("{DeviceName: /dev/sdc}, {DeviceName: /dev/sdc}"), "device-repeated"},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__regions_and_zones_that_do_not_exist_or_belong_elsewhere(void **state)
{
#define AT(cloud, type, image, region)                                                                                 \
    "{name: r, cloud: " cloud ", instance_type: " type ", machine_image: \"" image "\", region: " region               \
    ", labels: [cirun-a]}"
    static const struct example examples[] = {
        {AT("aws", "m5.large", "ami-0123456789abcdef0", "us-gov-west-1"), ""},
        {AT("aws", "m5.large", "ami-0123456789abcdef0", "en-west-1"), "unknown-region"},
        {AT("aws", "m5.large", "ami-0123456789abcdef0", "us-east-1a"), "candidate-refused"},
        {AT("aws", "m5.large", "ami-0123456789abcdef0", "us-central1-a"), "foreign-region"},
        {AT("aws", "m5.large", "ami-0123456789abcdef0", "Nowhere"), "candidate-refused"},
        {AT("gcp", "e2-medium", "ubuntu-2204-lts", "us-central1-f"), ""},
        {AT("gcp", "e2-medium", "ubuntu-2204-lts", "us-central1-d"), "unknown-region"},
        {AT("gcp", "e2-medium", "ubuntu-2204-lts", "us-centrel1-a"), "unknown-region"},
        {AT("gcp", "e2-medium", "ubuntu-2204-lts", "us-central1"), "candidate-refused"},
        {AT("gcp", "e2-medium", "ubuntu-2204-lts", "eu-west-1"), "foreign-region"},
        {AT("azure", "Standard_D2s_v5", "Canonical:o:s:latest", "eastus"), ""},
        {AT("azure", "Standard_D2s_v5", "Canonical:o:s:latest", "EastUS"), ""},
        {AT("azure", "Standard_D2s_v5", "Canonical:o:s:latest", "East US"), "candidate-refused"},
        {AT("azure", "Standard_D2s_v5", "Canonical:o:s:latest", "estus"), "unknown-region"},
        {AT("do", "s-1vcpu-1gb", "ubuntu-24-04-x64", "fra1"), ""},
        {AT("do", "s-1vcpu-1gb", "ubuntu-24-04-x64", "fra9"), "unknown-region"},
        {AT("oracle", "VM.Standard2.1", "ocid1.image.oc1.iad.aaa", "us-ashburn-1"), ""},
        {AT("oracle", "VM.Standard2.1", "ocid1.image.oc1.iad.aaa", "eu-frankfurt-1"), "image-region"},
        {AT("oracle", "VM.Standard2.1", "ocid1.image.oc1.iad.aaa", "\"Uocm:US-ASHBURN-AD-1\""), ""},
        {AT("oracle", "VM.Standard2.1", "ocid1.image.oc1..aaa", "eu-frankfrt-1"), "unknown-region"},
        {AT("openstack", "ci-gpu", "Ubuntu 22.10", "RegionOne"), ""},
        {AT("vast_ai", "1xRTX_4090", "ubuntu:22.04", "US"), ""},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__what_a_machine_needs_lies_in_its_own_zone(void **state)
{
#define JOINED(extra)                                                                                                  \
    "{name: r, cloud: gcp, instance_type: e2-medium, machine_image: ubuntu-2204-lts, region: us-central1-a, labels: "  \
    "[cirun-a], extra_config: {existingDisk: {deviceName: d, source: " extra "}}}"
    static const struct example examples[] = {
        {JOINED("projects/p/zones/us-central1-a/disks/d"), ""},
        {JOINED("projects/p/zones/us-east1-b/disks/d"), "zone-mismatch"},
        {JOINED("projects/p/regions/us-central1/disks/d"), ""},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__labels_that_nobody_can_name_and_runners_that_nobody_reaches(void **state)
{
    static const struct example examples[] = {
        {"{name: r, " AWS ", labels: [self-hosted, linux, x64, cirun-a]}", ""},
        {"{name: r, " AWS ", labels: [\"a,b\"]}", "label-unreachable"},
        {"{name: r, " AWS ", labels: [\"--a\"]}", "label-unreachable"},
        {"{name: r, " AWS ", labels: [\"cirun--a\"]}", "label-suffix"},
        {"{name: r, " AWS ", labels: [cirun-a, CIRUN-A]}", "label-repeated"},
        {"{name: r, " AWS ", labels: [ubuntu-latest]}", "runner-unreachable"},
        {"{name: r, " AWS ", labels: [ubuntu-latest, cirun-a]}", ""},
        {"{name: r, " AWS ", labels: [self-hosted, linux]}", "labels-system-only"},
        {TWO("labels: [cirun-a]", "labels: [self-hosted]"), "runner-unreachable"},
        {TWO("labels: [cirun-a]", "labels: [cirun-b]"), ""},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__a_fallback_chain_is_a_note_and_a_hidden_runner_a_warning(void **state)
{
    static const struct example examples[] = {
        {TWO("labels: [cirun-a]", "labels: [Cirun-A]"), "fallback-chain"},
        {TWO("labels: [cirun-a, linux]", "labels: [cirun-a]"), "fallback-chain"},
        {TWO("labels: [cirun-a, gpu]", "labels: [cirun-a]"), "shadowed-runner"},
        {TWO("labels: [cirun-a]", "labels: [cirun-a, gpu]"), ""},
        {TWO("labels: [cirun-a], workflow: a.yml", "labels: [cirun-a], workflow: b.yml"), ""},
        {TWO("labels: [cirun-a], workflow: a.yml", "labels: [cirun-a]"), ""},
        {TWO("labels: [cirun-a]", "labels: [cirun-a], workflow: b.yml"), "shadowed-runner"},
        {TWO("labels: [cirun-a], run_only_when_triggered_by: t", "labels: [cirun-a]"), ""},
        {TWO("labels: [cirun-gpu]", "labels: [cirun_gpu]"), "label-alike"},
        {TWO("labels: [cirun-gpu, cirun_gpu]", "labels: [cirun_gpu]"), "shadowed-runner"},
        {TWO("labels: [cirun-gpu-1]", "labels: [cirun-gpu-2]"), ""},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__candidates_that_repeat_or_contradict(void **state)
{
#define ON(cloud, type, image, more)                                                                                   \
    "{name: r, cloud: " cloud ", instance_type: " type ", machine_image: " image ", labels: [cirun-a]" more "}"
    static const struct example examples[] = {
        {ON("aws", "[m5.large, m5.xlarge]", "ami-0123456789abcdef0", ""), ""},
        {ON("aws", "[m5.large, m5.large]", "ami-0123456789abcdef0", ""), "candidate-repeated"},
        {ON("aws", "[m5.large, m5.large]", "ami-0123456789abcdef0", ", preemptible: [true, false]"), ""},
        {ON("aws", "[m5.large]", "ami-0123456789abcdef0", ""), "list-of-one"},
        {ON("on_prem", "8vcpu-8gb-75gb", "\"cirunlabs/macos-sequoia-runner:latest\"", ""), ""},
        {ON("on_prem", "8vcpu-8gb-75gb", "\"cirunlabs/macos-sequoia-runner:latest\"",
            ", extra_config: {executor: docker}"),
         "candidate-refused"},
        {ON("aws", "t4g.small", "ubuntu2204", ""), ""},
        {ON("gcp", "t2a-standard-4", "\"ubuntu-os-cloud:ubuntu-2404-lts-amd64\"", ""), "arch-mismatch"},
        {ON("gcp", "e2-standard-4", "\"ubuntu-os-cloud:ubuntu-2404-lts-arm64\"", ""), "arch-mismatch"},
        {ON("gcp", "t2a-standard-4", "\"ubuntu-os-cloud:ubuntu-2404-lts-arm64\"", ""), ""},
        {ON("gcp", "t2a-standard-4", "\"windows-cloud:windows-2022\"", ""), "arch-mismatch"},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {lifetime: 25h}"), "over-limit"},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {lifetime: 24h, boot_deadline: 15m}"), ""},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {boot_deadline: 16m}"), "over-limit"},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {max_hourly_price: 0.50}"), ""},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {rerun_interrupted: 2}"), "rerun-without-spot"},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", muster: {rerun_interrupted: 0}"), ""},
        {ON("aws", "[m5.large, m5.xlarge]", "ami-0123456789abcdef0",
            ", preemptible: [true, false], muster: {rerun_interrupted: 2}"),
         ""},
        {ON("aws", "m5.large", "ami-0123456789abcdef0", ", extra_config: {env_vars: {A: \"${{ secrets.B }}\"}}"),
         "expression-literal"},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__what_a_cloud_refuses_is_said_at_the_value_that_it_is_about(void **state)
{
    static const struct {
        const char *runner, *at; /* at: what stands at the finding's place */
    } cases[] = {
        {"{name: r, cloud: aws, instance_type: m5, machine_image: ami-0123456789abcdef0, region: eu-west-1, labels: "
         "[a]}",
         "m5,"},
        {"{name: r, cloud: aws, instance_type: m5.large, machine_image: ami-x, region: eu-west-1, labels: [a]}",
         "ami-x"},
        {"{name: r, cloud: oracle, instance_type: VM.Standard2.1, machine_image: ocid1.vcn.oc1.a.b, labels: [a]}",
         "ocid1.vcn"},
        {"{name: r, cloud: azure, instance_type: Standard_D2s_v5, machine_image: 'a:b', region: eastus, labels: [a]}",
         "'a:b'"},
        {"{name: r, cloud: gcp, instance_type: e2-medium, machine_image: 'projects/p/x', region: us-east1-b, labels: "
         "[a]}",
         "'projects/p/x'"},
        {"{name: r, cloud: vast_ai, instance_type: RTX_4090, machine_image: ubuntu, labels: [a]}", "RTX_4090"},
        {"{name: r, cloud: azure, instance_type: Standard_D2s_v5, machine_image: ubuntu2204, region: eastus, labels: "
         "[a], "
         "extra_config: {licenseType: 'a b'}}",
         "'a b'"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf text = BUF_INIT(65536);
        AUTO(looked_clear) struct looked k = {NULL, NULL};
        const char *line;

        buf_addf(&text, "runners:\n  - %s\n", cases[i].runner);
        k = look(text.p, NULL);
        line = strchr(text.p, '\n') + 1;
        if (k.lints->n != 1 || strcmp(k.lints->diags[0].rule, "candidate-refused") != 0)
            fail_msg("%s: %zu findings, first: %s", cases[i].runner, k.lints->n,
                     k.lints->n > 0 ? k.lints->diags[0].message : "");
        if (!text_has_prefix(line + k.lints->diags[0].column - 1, cases[i].at))
            fail_msg("%s: found at %s", cases[i].runner, line + k.lints->diags[0].column - 1);
    }
}

static void test_cirun_lint__entries_of_a_schedule_that_never_count_or_overlap(void **state)
{
#define IDLE(i) "{name: r, " AWS ", labels: [cirun-a], idle: {" i "}}"
#define WHEN(day, time, replicas) "{day: " day ", time: " time ", timezone: Europe/Berlin, replicas: " replicas "}"
    static const struct example examples[] = {
        {IDLE("replicas: 1"), ""},
        {IDLE("schedule: [" WHEN("mon-fri", "9-17", "2") ", " WHEN("sat", "9-17", "1") "]"), ""},
        {IDLE("schedule: [" WHEN("mon-fri", "9-17", "0") "]"), "idle-never"},
        {IDLE("schedule: [" WHEN("mon-fri", "9-17", "2") ", " WHEN("tue", "10-12", "1") "]"), "idle-covered"},
        {IDLE("schedule: [" WHEN("tue", "10-12", "1") ", " WHEN("mon-fri", "9-17", "2") "]"), "idle-covered"},
        {IDLE("schedule: [" WHEN("mon", "9-17", "2") ", " WHEN("mon", "9-17", "2") "]"), "idle-covered"},
        {IDLE("schedule: [" WHEN("tue", "10-12", "3") ", " WHEN("mon-fri", "9-17", "2") "]"), "idle-overlap"},
        {IDLE("schedule: [" WHEN("fri", "22-6", "1") ", " WHEN("sat", "4-8", "2") "]"), "idle-overlap"},
        {IDLE("usage_based: {trigger: runner_allocated, replicas: 0, duration: 10}"), "idle-never"},
        {IDLE("usage_based: {trigger: runner_allocated, replicas: 1, duration: 10}"), ""},
    };

    (void)state;
    EXAMPLES(examples);
}

static void test_cirun_lint__secrets_are_found_and_never_repeated(void **state)
{
#define VARS(v) "{name: r, " AWS ", labels: [cirun-a], extra_config: {env_vars: {" v "}}}"
    static const struct example examples[] = {
        {VARS("WANDB_API_KEY: 0123456789abcdef0123456789abcdef01234567"), "secret-in-file"},
        {VARS("A: ghp_0123456789abcdefghijABCDEFGHIJ012345"), "secret-in-file"},
        {VARS("A: AKIAIOSFODNN7EXAMPLE"), "secret-in-file"},
        {VARS("DB: \"postgres://u:hunter22@db.example.com/x\""), "secret-in-file"},
        {VARS("KEY: \"-----BEGIN PRIVATE KEY-----MIIE\""), "secret-in-file"},
        {VARS("TOKEN_URL: \"https://example.com/token\", TOKENIZERS_PARALLELISM: \"false\", HF_TOKEN: \"\""), ""},
        {VARS("PASSWORD_FILE: /run/secrets/db, API_KEY: changeme, MAX_TOKENS: 4096, GITHUB_TOKEN: \"***\""), ""},
        {VARS("DB: \"postgres://u@db.example.com/x\", A: ghp_short"), ""},
    };
    const char *text = "runners:\n  - " VARS("DB_PASSWORD: Correct-Horse-9") "\n";
    AUTO(looked_clear) struct looked k = look(text, NULL);

    (void)state;
    EXAMPLES(examples);
    assert_int_equal(k.lints->n_secrets, 1);
    assert_string_equal(k.lints->secrets[0]->text, "Correct-Horse-9");
    for (size_t i = 0; i < k.lints->n; i++)
        assert_null(strstr(k.lints->diags[i].message, "Correct-Horse-9"));
}

static void test_cirun_lint__the_operators_limits_take_the_place_of_the_defaults(void **state)
{
    AUTO_BUF struct buf got = BUF_INIT(65536);
    struct server_conf *conf = NULL;
    struct err e;

    (void)state;
    assert_ok(server_conf_load_offline("tests/fixtures/check/muster.yml", conf_getenv_process, NULL, &conf, &e), e);
    rules_of(ON("aws", "m5.large", "ami-0123456789abcdef0", ", region: eu-west-1, muster: {lifetime: 3h}"), conf, &got);
    server_conf_free(conf);
    assert_string_equal(got.p, "over-limit");
}

static void test_cirun_lint__a_runner_with_errors_is_looked_at_as_far_as_it_goes(void **state)
{
    const char *text = "runners:\n  - {name: r, cloud: aws, region: en-west-1, labels: [\"a,b\"]}\n";
    AUTO(looked_clear) struct looked k = look(text, NULL);

    (void)state;
    assert_true(k.yml->n_errors > 0);
    assert_int_equal(k.lints->n, 2);
    assert_string_equal(k.lints->diags[0].rule, "unknown-region");
    assert_string_equal(k.lints->diags[0].replacement, "eu-west-1");
    assert_string_equal(k.lints->diags[1].rule, "label-unreachable");
}

static void test_cirun_lint__runners_that_lack_all_but_labels_are_compared_all_the_same(void **state)
{
    const char *text = "runners:\n  - {name: a, cloud: aws, labels: [x]}\n  - {name: b, cloud: gcp, labels: [x]}\n"
                       "  - {name: c, labels: [x]}\n";
    AUTO(looked_clear) struct looked k = look(text, NULL);

    (void)state;
    assert_true(k.yml->n_errors > 0);
    assert_int_equal(k.lints->n, 1);
    assert_string_equal(k.lints->diags[0].rule, "fallback-chain");
}

/* Files in use have no error that only a lint sees, and of the warnings only those that a reader agreed to. */
static void test_cirun_lint__files_in_use_give_no_false_alarm(void **state)
{
    static const char *const agreed[] = {"list-of-one", "fallback-chain", "labels-system-only", "label-repeated"};
    const char *named = getenv("MUSTER_TEST_DATA");
    char pattern[PATH_MAX];
    glob_t files;

    (void)state;
    (void)snprintf(pattern, sizeof(pattern), "%s/cirun-yml/*.yml", named != NULL ? named : "../shared/data");
    if (glob(pattern, 0, NULL, &files) != 0)
        skip();
    for (size_t i = 0; i < files.gl_pathc; i++) {
        AUTO_BUF struct buf text = BUF_INIT(CIRUN_YML_MAX);
        AUTO(looked_clear) struct looked k = {NULL, NULL};

        read_file(files.gl_pathv[i], &text);
        k = look(text.p, NULL);
        for (size_t d = 0; d < k.lints->n; d++) {
            bool fine = false;

            for (size_t a = 0; a < ARRAY_LEN(agreed); a++)
                fine = fine || strcmp(agreed[a], k.lints->diags[d].rule) == 0;
            if (!fine)
                fail_msg("%s:%d: %s [%s]", files.gl_pathv[i], k.lints->diags[d].line, k.lints->diags[d].message,
                         k.lints->diags[d].rule);
        }
    }
    globfree(&files);
}

static void test_cirun_lint__very_many_findings_are_counted_and_the_first_kept(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(CIRUN_YML_MAX);
    AUTO(looked_clear) struct looked k = {NULL, NULL};

    (void)state;
    buf_adds(&text, "runners:\n  - {name: r, " AWS ", labels: [");
    for (int i = 0; i < 5000; i++)
        buf_addf(&text, "\"a,%d\",", i);
    buf_adds(&text, "x]}\n");
    k = look(text.p, NULL);
    assert_int_equal(k.lints->n_warnings, 5000);
    assert_true(k.lints->n >= 100 && k.lints->n <= 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cirun_lint__volumes_of_ec2_within_and_beyond_what_their_types_take),
        cmocka_unit_test(test_cirun_lint__regions_and_zones_that_do_not_exist_or_belong_elsewhere),
        cmocka_unit_test(test_cirun_lint__what_a_machine_needs_lies_in_its_own_zone),
        cmocka_unit_test(test_cirun_lint__labels_that_nobody_can_name_and_runners_that_nobody_reaches),
        cmocka_unit_test(test_cirun_lint__a_fallback_chain_is_a_note_and_a_hidden_runner_a_warning),
        cmocka_unit_test(test_cirun_lint__candidates_that_repeat_or_contradict),
        cmocka_unit_test(test_cirun_lint__what_a_cloud_refuses_is_said_at_the_value_that_it_is_about),
        cmocka_unit_test(test_cirun_lint__entries_of_a_schedule_that_never_count_or_overlap),
        cmocka_unit_test(test_cirun_lint__secrets_are_found_and_never_repeated),
        cmocka_unit_test(test_cirun_lint__the_operators_limits_take_the_place_of_the_defaults),
        cmocka_unit_test(test_cirun_lint__a_runner_with_errors_is_looked_at_as_far_as_it_goes),
        cmocka_unit_test(test_cirun_lint__runners_that_lack_all_but_labels_are_compared_all_the_same),
        cmocka_unit_test(test_cirun_lint__files_in_use_give_no_false_alarm),
        cmocka_unit_test(test_cirun_lint__very_many_findings_are_counted_and_the_first_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
