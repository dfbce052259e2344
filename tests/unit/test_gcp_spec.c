/* What a machine of Google Cloud shall be: every field of a launch, image forms, extra_config. */
#include "tests/support/unit.h"

#include "providers/common/gcp_image.h"
#include "providers/common/gcp_spec.h"
#include "server/base/json.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

static struct bed *plain_bed(void)
{
    return bed_open(&fake_gcp, NULL, 0);
}

/* JSON written with single quotes. */
static json_t *quoted(const char *text)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);
    json_t *doc = NULL;
    struct err e;

    for (; *text != '\0'; text++)
        buf_addc(&out, (char)(*text == '\'' ? '"' : *text));
    assert_ok(js_parse(out.p, out.len, &doc, &e), e);
    return doc;
}

static void is_json(const json_t *doc, const char *expected)
{
    AUTO_JSON json_t *want = quoted(expected);
    AUTO_FREE char *got = doc != NULL ? json_dumps(doc, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    if (json_equal(doc, want) != 1)
        fail_msg("it is %s", got != NULL ? got : "not there");
}

/* What a launch would send: {"method", "url", "headers", "body"}. */
static json_t *shown(struct bed *b, const struct order *o)
{
    json_t *list = json_array(), *one;
    struct err e;

    assert_ok(b->ops->render(b->p, &o->r, list, &e), e);
    assert_int_equal(json_array_size(list), 1);
    one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return one;
}

/* One field of the body, NULL in text = it is absent. extra: an extra_config, or NULL. */
static void field_is(struct bed *b, struct order *o, const char *extra, const char *field, const char *expected)
{
    AUTO_JSON json_t *request = NULL;
    const json_t *value;

    json_decref(o->extra);
    o->spec.extra = o->extra = extra != NULL ? quoted(extra) : NULL;
    request = shown(b, o);
    value = json_object_get(json_object_get(request, "body"), field);
    if (expected == NULL)
        assert_null(value);
    else
        is_json(value, expected);
}

static void refuses(struct bed *b, struct order *o, const char *extra, const char *piece)
{
    struct err e;

    json_decref(o->extra);
    o->spec.extra = o->extra = extra != NULL ? quoted(extra) : NULL;
    assert_fails(b->ops->check(b->p, &o->spec, &e), ERR_INVALID, piece, e);
}

/* ---- the launch ---- */

static void test_gcp_spec__a_launch_sends_exactly_these_fields(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *request = NULL;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.lifetime_s = 21600;
    request = shown(b, &o);
    is_json(
        json_object_get(request, "body"),
        "{'name':'muster-a','machineType':'zones/us-central1-a/machineTypes/n1-standard-4','labels':{'muster-"
        "deployment':'muster','muster-machine':'muster-a','muster-job':'123456789','muster-repository':'octo_hello',"
        "'muster-expires':'1714572000'},'disks':[{'boot':true,'autoDelete':true,'initializeParams':{'sourceImage':"
        "'projects/my-images/global/images/family/runner','diskType':'zones/us-central1-a/diskTypes/"
        "pd-balanced','labels':{'muster-deployment':'muster','muster-machine':"
        "'muster-a','muster-job':'123456789','muster-repository':'octo_hello','muster-expires':'1714572000'}}}],"
        "'networkInterfaces':[{'network':'global/networks/default','accessConfigs':[{'type':'ONE_TO_ONE_NAT','name':"
        "'External NAT'}]}],'scheduling':{'provisioningModel':'STANDARD','instanceTerminationAction':'DELETE',"
        "'automaticRestart':false,'maxRunDuration':{'seconds':'21600'}},'metadata':{'items':[{'key':'startup-script',"
        "'value':'***'}]}}");
}

static void test_gcp_spec__spot_capacity_is_deleted_when_google_takes_it_back(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    o.r.lifetime_s = 3600;
    field_is(b, &o, NULL, "scheduling",
             "{'provisioningModel':'SPOT','instanceTerminationAction':'DELETE','automaticRestart':false,"
             "'onHostMaintenance':'TERMINATE','maxRunDuration':{'seconds':'3600'}}");
}

static void test_gcp_spec__every_machine_ends_by_itself_within_googles_limits(void **state)
{
    static const struct {
        int64_t lifetime_s;
        const char *seconds;
    } rows[] = {{0, "86400"}, {-5, "86400"}, {1, "30"}, {90000, "90000"}, {INT64_MAX, "10368000"}};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char want[300];

        o.r.lifetime_s = rows[i].lifetime_s;
        (void)snprintf(want, sizeof(want),
                       "{'provisioningModel':'STANDARD','instanceTerminationAction':'DELETE','automaticRestart':false,"
                       "'maxRunDuration':{'seconds':'%s'}}",
                       rows[i].seconds);
        field_is(b, &o, NULL, "scheduling", want);
    }
}

static void test_gcp_spec__a_gpu_is_attached_where_the_machine_type_has_none_of_its_own(void **state)
{
    static const char t4[] = "[{'acceleratorType':'projects/my-project/zones/us-central1-a/acceleratorTypes/"
                             "nvidia-tesla-t4','acceleratorCount':1}]";
    static const char fixed[] = "{'provisioningModel':'STANDARD','instanceTerminationAction':'DELETE',"
                                "'automaticRestart':false,'onHostMaintenance':'TERMINATE','maxRunDuration':{'seconds':"
                                "'86400'}}";
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    field_is(b, &o, NULL, "guestAccelerators", NULL);
    o.spec.gpu = "t4";
    field_is(b, &o, NULL, "guestAccelerators", t4);
    o.spec.gpu = "nvidia-tesla-t4";
    field_is(b, &o, NULL, "guestAccelerators", t4);
    field_is(b, &o, NULL, "scheduling", fixed);
    o.spec.gpu = "Tesla T4";
    o.spec.gpus = 3;
    field_is(b, &o, NULL, "guestAccelerators",
             "[{'acceleratorType':'projects/my-project/zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4',"
             "'acceleratorCount':4}]");
    o.spec.gpus = 0;
    o.spec.gpu = "nvidia-tesla-t4-vws";
    field_is(b, &o, NULL, "guestAccelerators",
             "[{'acceleratorType':'projects/my-project/zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4-vws',"
             "'acceleratorCount':1}]");
    o.spec.gpu = "l4";
    o.spec.instance_type = "g2-standard-4";
    field_is(b, &o, NULL, "guestAccelerators", NULL);
    field_is(b, &o, NULL, "scheduling", fixed);
    o.spec.gpu = NULL;
    field_is(b, &o, NULL, "scheduling", fixed);
}

static void test_gcp_spec__a_gpu_that_cannot_be_had_is_refused_with_the_remedy(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.gpu = "rtx-9999";
    refuses(b, &o, NULL, "none that Google Cloud attaches");
    o.spec.gpu = "nvidia-l4";
    refuses(b, &o, NULL, "cannot be attached to n1-standard-4: take a type such as g2-standard-4");
    o.spec.gpu = "t4";
    o.spec.gpu_memory_gb = 80;
    refuses(b, &o, NULL, "no machine with 1 of them that have 80 GB each");
    o.spec.gpu_memory_gb = 0;
    o.spec.instance_type = "e2-standard-4";
    refuses(b, &o, NULL, "cannot be attached to e2-standard-4: take a type such as n1-standard-4");
}

static void test_gcp_spec__windows_gets_its_bootstrap_as_powershell(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.os = "windows";
    field_is(b, &o, NULL, "metadata", "{'items':[{'key':'windows-startup-script-ps1','value':'***'}]}");
    o.spec.os = "linux";
    field_is(b, &o, NULL, "metadata", "{'items':[{'key':'startup-script','value':'***'}]}");
}

static void test_gcp_spec__labels_keep_to_googles_alphabet(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.tags[3] = (struct tag){TAG_REPOSITORY, "Octo-Org/Hello.World \xc3\xa9"};
    o.tags[2] = (struct tag){"muster-long", "0123456789012345678901234567890123456789012345678901234567890123456789"};
    field_is(b, &o, NULL, "labels",
             "{'muster-deployment':'muster','muster-machine':'muster-a','muster-repository':'octo-org_hello_world___',"
             "'muster-long':'012345678901234567890123456789012345678901234567890123456789012','muster-expires':"
             "'1714572000'}");
}

/* The requestId of a launch, into out. */
static void request_id(struct bed *b, const char *token, char out[64])
{
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *request = NULL;
    const char *url, *id;

    order_init(&o, b, "muster-a", token);
    request = shown(b, &o);
    url = json_string_value(json_object_get(request, "url"));
    id = strstr(url, "requestId=");
    assert_non_null(id);
    (void)snprintf(out, 64, "%s", id + strlen("requestId="));
}

static void test_gcp_spec__a_token_is_always_the_same_uuid_and_another_token_another(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    char first[64], again[64], other[64];

    (void)state;
    request_id(b, "muster-a-0-0", first);
    request_id(b, "muster-a-0-0", again);
    request_id(b, "muster-a-1-0", other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_int_equal(strlen(first), 36);
    assert_int_equal(first[14], '5');
    assert_non_null(strchr("89ab", first[19]));
    b->env.deployment = "other";
    request_id(b, "muster-a-0-0", other);
    assert_string_not_equal(first, other);
}

/* ---- images ---- */

static void test_gcp_spec__every_image_form_of_the_language_is_understood(void **state)
{
    static const struct {
        const char *form, *arch, *path;
        bool machine;
    } rows[] = {
        {"ubuntu-2204-lts", "x64", "projects/ubuntu-os-cloud/global/images/family/ubuntu-2204-lts", false},
        {"ubuntu-2204-jammy-v20240501", "x64", "projects/ubuntu-os-cloud/global/images/ubuntu-2204-jammy-v20240501",
         false},
        {"my-images:runner-7", "x64", "projects/my-images/global/images/runner-7", false},
        {"example.com:my-images:runner-7", "x64", "projects/example.com:my-images/global/images/runner-7", false},
        {"debian-cloud:debian-12", "x64", "projects/debian-cloud/global/images/family/debian-12", false},
        {"debian-cloud:debian-12-bookworm-v20240415", "x64",
         "projects/debian-cloud/global/images/debian-12-bookworm-v20240415", false},
        {"projects/p/global/images/n", "x64", "projects/p/global/images/n", false},
        {"projects/p/global/images/family/f", "x64", "projects/p/global/images/family/f", false},
        {"projects/p/global/machineImages/n", "x64", "projects/p/global/machineImages/n", true},
        {"global/images/n", "x64", "projects/home/global/images/n", false},
        {"global/machineImages/n", "x64", "projects/home/global/machineImages/n", true},
        {"https://www.googleapis.com/compute/v1/projects/p/global/images/n", "x64", "projects/p/global/images/n",
         false},
        {"https://compute.googleapis.com/compute/beta/projects/p/global/machineImages/n", "x64",
         "projects/p/global/machineImages/n", true},
        {"ubuntu2004", "x64", "projects/ubuntu-os-cloud/global/images/family/ubuntu-2004-lts", false},
        {"ubuntu2204", "arm64", "projects/ubuntu-os-cloud/global/images/family/ubuntu-2204-lts-arm64", false},
        {"ubuntu2404", "x64", "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64", false},
        {"debian12", "x64", "projects/debian-cloud/global/images/family/debian-12", false},
        {"windows2022", "x64", "projects/windows-cloud/global/images/family/windows-2022", false},
        {"ubuntu2204-gpu", "x64",
         "projects/ubuntu-os-accelerator-images/global/images/family/ubuntu-accelerator-2204-amd64-with-nvidia-580",
         false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct gcp_image got;
        struct err e;

        assert_ok(gcp_image_find(rows[i].form, "home", rows[i].arch, &got, &e), e);
        assert_string_equal(got.path, rows[i].path);
        assert_int_equal(got.machine, rows[i].machine);
    }
}

static void test_gcp_spec__what_is_no_image_is_refused_with_the_forms(void **state)
{
    static const char *const forms[] = {"",
                                        "a/b",
                                        "projects/p/global/images/",
                                        "projects/p/global/images/n/extra",
                                        "projects//global/images/n",
                                        "projects/p/zones/z/images/n",
                                        "projects/p/global/snapshots/n",
                                        "https://evil.example.com/compute/v1/projects/p/global/images/n",
                                        "https://www.googleapis.com/compute/v1",
                                        "my-images:",
                                        ":n",
                                        "name with spaces",
                                        "p?q:n"};
    struct gcp_image got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        assert_fails(gcp_image_find(forms[i], "home", "x64", &got, &e), ERR_INVALID, "projects/P/global/images/N", e);
    assert_fails(gcp_image_find("windows2022", "home", "arm64", &got, &e), ERR_INVALID, "none for arm64", e);
}

static void test_gcp_spec__a_machine_image_goes_into_the_query_and_brings_its_disks(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *request = NULL;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "projects/p/global/machineImages/whole";
    field_is(b, &o, NULL, "disks", NULL);
    request = shown(b, &o);
    assert_non_null(strstr(json_string_value(json_object_get(request, "url")),
                           "&sourceMachineImage=projects%2Fp%2Fglobal%2FmachineImages%2Fwhole"));
    refuses(b, &o, "{'baseDisk':{'diskSizeGb':100}}", "brings its own disks");
}

/* ---- extra_config ---- */

static void test_gcp_spec__disks_that_a_launch_makes_go_with_it_and_others_stay(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    b->env.allow_privileged = true;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.n_tags = 1;
    field_is(
        b, &o,
        "{'baseDisk':{'diskSizeGb':'100','diskType':'pd-ssd'},'additionalDisk':[{'diskSizeGb':50},{'diskSizeGb':60,"
        "'diskType':'pd-balanced'}],'existingDisk':{'deviceName':'data','diskSizeGb':500,'source':'data-disk','type':"
        "'PERSISTENT','mode':'READ_ONLY','interface':'NVME'}}",
        "disks",
        "[{'boot':true,'autoDelete':true,'initializeParams':{'sourceImage':'projects/my-images/global/images/family/"
        "runner','diskSizeGb':'100','diskType':'zones/us-central1-a/diskTypes/pd-ssd','labels':{'muster-deployment':"
        "'muster'}}},{'boot':false,'autoDelete':true,'initializeParams':{'diskSizeGb':'50','diskType':"
        "'zones/us-central1-a/diskTypes/pd-balanced','labels':{'muster-"
        "deployment':'muster'}}},{'boot':false,'autoDelete':true,'initializeParams':{'diskSizeGb':'60','diskType':"
        "'zones/us-central1-a/diskTypes/pd-balanced','labels':{'muster-deployment':'muster'}}},{'boot':false,"
        "'autoDelete':false,'source':'projects/my-project/zones/us-central1-a/disks/data-disk','deviceName':'data',"
        "'mode':'READ_ONLY','type':'PERSISTENT','interface':'NVME','diskSizeGb':'500'}]");
    field_is(
        b, &o, "{'existingDisk':[{'source':'projects/p/zones/us-central1-a/disks/d'}]}", "disks",
        "[{'boot':true,'autoDelete':true,'initializeParams':{'sourceImage':'projects/my-images/global/images/family/"
        "runner','diskType':'zones/us-central1-a/diskTypes/"
        "pd-balanced','labels':{'muster-deployment':'muster'}}},{'boot':"
        "false,'autoDelete':false,'source':'projects/p/"
        "zones/us-central1-a/disks/d'}]");
}

static void test_gcp_spec__a_disk_has_a_type_that_its_machine_takes(void **state)
{
    static const char *const rows[][2] = {
        {"e2-standard-4", "pd-balanced"},        {"g2-standard-4", "pd-balanced"},
        {"a3-highgpu-8g", "pd-balanced"},        {"c4-standard-8", "hyperdisk-balanced"},
        {"n4-standard-2", "hyperdisk-balanced"}, {"a3-ultragpu-8g", "hyperdisk-balanced"}};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.n_tags = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char want[400];

        o.spec.instance_type = rows[i][0];
        (void)snprintf(want, sizeof(want),
                       "[{'boot':true,'autoDelete':true,'initializeParams':{'sourceImage':'projects/my-images/global/"
                       "images/family/runner','diskType':'zones/us-central1-a/diskTypes/%s','labels':{}}}]",
                       rows[i][1]);
        field_is(b, &o, NULL, "disks", want);
    }
}

static void test_gcp_spec__disks_that_cannot_be_are_refused_by_name(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    refuses(b, &o, "{'baseDisk':{'diskSizeGb':'much'}}", "baseDisk.diskSizeGb");
    refuses(b, &o, "{'baseDisk':{'diskSizeGb':0}}", "baseDisk.diskSizeGb");
    refuses(b, &o, "{'baseDisk':{'diskSizeGb':true}}", "baseDisk.diskSizeGb");
    refuses(b, &o, "{'baseDisk':100}", "baseDisk");
    refuses(b, &o, "{'baseDisk':{'diskType':'a/../b'}}", "baseDisk.diskType");
    refuses(b, &o, "{'additionalDisk':{'diskType':'pd-ssd'}}", "additionalDisk.diskSizeGb is missing");
    refuses(b, &o, "{'existingDisk':{'source':'x'}}", "policy.allow_privileged");
    b->env.allow_privileged = true;
    refuses(b, &o, "{'existingDisk':{'deviceName':'x'}}", "existingDisk");
    refuses(b, &o, "{'existingDisk':'x'}", "existingDisk");
}

static void test_gcp_spec__the_network_is_the_accounts_or_what_the_file_says(void **state)
{
    static const struct {
        const char *setting, *interfaces;
    } rows[] = {{"ci", "[{'network':'global/networks/ci','accessConfigs':[{'type':'ONE_TO_ONE_NAT','name':'External "
                       "NAT'}]}]"},
                {"projects/host/regions/us-central1/subnetworks/ci",
                 "[{'subnetwork':'projects/host/regions/us-central1/subnetworks/ci','accessConfigs':[{'type':"
                 "'ONE_TO_ONE_NAT','name':'External NAT'}]}]"},
                {"projects/host/global/networks/ci",
                 "[{'network':'projects/host/global/networks/ci','accessConfigs':[{'type':'ONE_TO_ONE_NAT','name':"
                 "'External NAT'}]}]"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = bed_open(&fake_gcp, &(struct bed_setting){"network", rows[i].setting}, 1);
        AUTO_ORDER struct order o;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        field_is(b, &o, NULL, "networkInterfaces", rows[i].interfaces);
        refuses(b, &o, "{'networkInterfaces':[{'subnetwork':'s'}]}", "policy.allow_privileged");
        b->env.allow_privileged = true;
        field_is(b, &o, "{'networkInterfaces':[{'subnetwork':'s','nicType':'GVNIC'}]}", "networkInterfaces",
                 "[{'subnetwork':'s','nicType':'GVNIC'}]");
        refuses(b, &o, "{'networkInterfaces':'default'}", "networkInterfaces");
        refuses(b, &o, "{'networkInterfaces':['default']}", "networkInterfaces");
    }
}

static void test_gcp_spec__identity_and_nested_machines_are_as_asked(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    field_is(b, &o, NULL, "serviceAccounts", NULL);
    field_is(b, &o, NULL, "advancedMachineFeatures", NULL);
    refuses(b, &o, "{'serviceAccounts':[{'email':'default'}]}", "policy.allow_privileged");
    b->env.allow_privileged = true;
    field_is(b, &o, "{'serviceAccounts':[{'email':'a@p.iam.gserviceaccount.com','scopes':['x']},{'email':'default'}]}",
             "serviceAccounts",
             "[{'email':'a@p.iam.gserviceaccount.com','scopes':['x']},{'email':'default','scopes':['https://"
             "www.googleapis.com/auth/cloud-platform']}]");
    refuses(b, &o, "{'serviceAccounts':[{'scopes':['x']}]}", "extra_config.serviceAccounts");
    json_decref(o.extra);
    o.spec.extra = o.extra = quoted("{'serviceAccounts':[{'email':'default'}]}");
    assert_ok(b->ops->check(b->p, &o.spec, &e), e);
    field_is(b, &o, "{'enableNestedVirtualization':true}", "advancedMachineFeatures",
             "{'enableNestedVirtualization':true}");
    refuses(b, &o, "{'enableNestedVirtualization':7}", "enableNestedVirtualization");
}

static void test_gcp_spec__a_project_that_can_be_none_is_refused(void **state)
{
    static const char *const names[] = {
        "../evil",        "..",    ".",           "a..b",           "A-project", "1-project",
        "project-",       "a.b",   "x:project",   "example..com:p", ".com:p",    "example.com:",
        "example.com:..", "a:b:c", "my-project/x"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_fails(gcp_project_check(names[i], &e), ERR_INVALID, "is not the id of a project", e);
    assert_ok(gcp_project_check("my-project-123456", &e), e);
    assert_ok(gcp_project_check("example.com:my-project", &e), e);
    refuses(b, &o, "{'project_id':'../evil'}", "project_id");
    refuses(b, &o, "{'project_id':7}", "project_id");
}

static void test_gcp_spec__a_zone_is_needed_and_a_region_is_none(void **state)
{
    static const char *const bare[][2] = {{"project", "my-project"},
                                          {"credentials_file", "tests/fixtures/gcp/user.json"},
                                          {"token_url", "URL/token"},
                                          {"endpoint_url", "URL"},
                                          {NULL, NULL}};
    struct fake_dialect d = fake_gcp;
    AUTO_BED struct bed *b = NULL;
    AUTO_ORDER struct order o;

    (void)state;
    d.settings = bare;
    b = bed_open(&d, NULL, 0);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "us-central1";
    refuses(b, &o, NULL, "not a zone of Google Cloud: write it like us-central1-a");
    o.spec.region = NULL;
    refuses(b, &o, NULL, "name a zone such as us-central1-a");
    o.spec.region = "us-south1-ai1b";
    field_is(b, &o, NULL, "machineType", "'zones/us-south1-ai1b/machineTypes/n1-standard-4'");
}

static void test_gcp_spec__a_request_is_shown_without_credentials_project_or_zone(void **state)
{
    static const char *const nothing[][2] = {{NULL, NULL}};
    struct fake_dialect d = fake_gcp;
    AUTO_BED struct bed *b = NULL;
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *request = NULL;
    struct httpc *http;

    (void)state;
    d.settings = nothing;
    b = bed_open(&d, NULL, 0);
    http = b->env.http;
    b->env.http = NULL;
    bed_reopen(b, 0);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = NULL;
    request = shown(b, &o);
    assert_non_null(strstr(json_string_value(json_object_get(request, "url")),
                           "https://compute.googleapis.com/compute/v1/projects/<project>/zones/<zone>/instances?"));
    b->env.http = http;
}

static void test_gcp_spec__image_names_that_would_lead_elsewhere_are_none(void **state)
{
    static const char *const images[] = {"..:x",
                                         "projects/../global/images/x",
                                         "projects/a/../b/global/images/x",
                                         "projects/p/global/images/..",
                                         "projects/p/global/images/family/..",
                                         "projects/p/global/images/X",
                                         "projects/p/global/images/x/../../y",
                                         "projects/./global/images/x",
                                         "https://www.googleapis.com/compute/v1/../projects/p/global/images/x",
                                         "projects/p%2e%2e/global/images/x",
                                         "p:ubuntu-\xd0\xb0"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        o.spec.image = images[i];
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "is not one of Google Cloud's", e);
    }
    o.spec.image = "example.com:ci:runner";
    assert_ok(b->ops->check(b->p, &o.spec, &e), e);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcp_spec__a_launch_sends_exactly_these_fields),
        cmocka_unit_test(test_gcp_spec__spot_capacity_is_deleted_when_google_takes_it_back),
        cmocka_unit_test(test_gcp_spec__every_machine_ends_by_itself_within_googles_limits),
        cmocka_unit_test(test_gcp_spec__a_gpu_is_attached_where_the_machine_type_has_none_of_its_own),
        cmocka_unit_test(test_gcp_spec__a_gpu_that_cannot_be_had_is_refused_with_the_remedy),
        cmocka_unit_test(test_gcp_spec__windows_gets_its_bootstrap_as_powershell),
        cmocka_unit_test(test_gcp_spec__labels_keep_to_googles_alphabet),
        cmocka_unit_test(test_gcp_spec__a_token_is_always_the_same_uuid_and_another_token_another),
        cmocka_unit_test(test_gcp_spec__every_image_form_of_the_language_is_understood),
        cmocka_unit_test(test_gcp_spec__what_is_no_image_is_refused_with_the_forms),
        cmocka_unit_test(test_gcp_spec__a_machine_image_goes_into_the_query_and_brings_its_disks),
        cmocka_unit_test(test_gcp_spec__disks_that_a_launch_makes_go_with_it_and_others_stay),
        cmocka_unit_test(test_gcp_spec__a_disk_has_a_type_that_its_machine_takes),
        cmocka_unit_test(test_gcp_spec__disks_that_cannot_be_are_refused_by_name),
        cmocka_unit_test(test_gcp_spec__the_network_is_the_accounts_or_what_the_file_says),
        cmocka_unit_test(test_gcp_spec__identity_and_nested_machines_are_as_asked),
        cmocka_unit_test(test_gcp_spec__a_project_that_can_be_none_is_refused),
        cmocka_unit_test(test_gcp_spec__a_zone_is_needed_and_a_region_is_none),
        cmocka_unit_test(test_gcp_spec__a_request_is_shown_without_credentials_project_or_zone),
        cmocka_unit_test(test_gcp_spec__image_names_that_would_lead_elsewhere_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
