/* What is Azure's own: every field of a launch, image forms, extra_config, what is shown. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

#define S "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590"
#define VM S "/resourceGroups/ci/providers/Microsoft.Compute/virtualMachines/muster-a"
#define SUBNET S "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/ci/subnets/machines"
#define IMAGES "/resourceGroups/img/providers/Microsoft.Compute"

/* The number of requests of that kind, and the last of them. */
static size_t seen(struct bed *b, const char *method, const char *glob, const struct raw_request **last)
{
    size_t n = 0;

    for (size_t i = 0; i < raw_count(b->server); i++) {
        if (!fake_is(raw_get(b->server, i), method, glob))
            continue;
        *last = raw_get(b->server, i);
        n++;
    }
    return n;
}

static json_t *sent(struct bed *b, const char *method, const char *glob)
{
    const struct raw_request *r = NULL;

    assert_int_equal(seen(b, method, glob, &r), 1);
    return fake_body(r);
}

static void is_json(const json_t *got, const char *want)
{
    AUTO_JSON json_t *doc = json_loads(want, JSON_DECODE_ANY, NULL);
    AUTO_FREE char *text = json_dumps(got, JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(doc);
    if (!json_equal(got, doc))
        fail_msg("%s is not %s", text, want);
}

static struct bed *plain_bed(void)
{
    return bed_open(&fake_azure, NULL, 0);
}

/* Launch muster-a with this spec and give the body of its creation. */
static json_t *launched(struct bed *b, struct order *o)
{
    struct instance got;
    struct err e;

    assert_ok(b->ops->launch(b->p, &o->r, &got, &e), e);
    return sent(b, "PUT", VM);
}

static void set_extra(struct order *o, const char *text)
{
    json_decref(o->extra);
    o->extra = json_loads(text, 0, NULL);
    assert_non_null(o->extra);
    o->spec.extra = o->extra;
}

/* ---- the launch ---- */

static void test_azure__a_launch_is_one_put_of_a_machine_whose_parts_end_with_it(void **state)
{
    static const char tags[] = "{\"muster-deployment\":\"muster\",\"muster-machine\":\"muster-a\",\"muster-job\":"
                               "\"123456789\",\"muster-repository\":\"octo/hello\",\"muster-expires\":\"1714572000\"}";
    AUTO_BED struct bed *b = plain_bed();
    AUTO_BUF struct buf want = BUF_INIT(16384), data = BUF_INIT(4096);
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    json_t *keys;
    const struct raw_request *r = NULL;
    const char *key;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    body = launched(b, &o);
    (void)seen(b, "PUT", VM, &r);
    assert_string_equal(strchr(r->path, '?'), "?api-version=2025-04-01");
    assert_string_equal(raw_header(r, "If-None-Match"), "*");
    assert_string_equal(raw_header(r, "Authorization"), "Bearer eyJ0eXAi.azure-access-token-0123456789.sig");
    keys = json_object_get(
        json_object_get(json_object_get(json_object_get(body, "properties"), "osProfile"), "linuxConfiguration"),
        "ssh");
    key = json_string_value(json_object_get(json_array_get(json_object_get(keys, "publicKeys"), 0), "keyData"));
    assert_true(text_has_prefix(key, "ssh-rsa AAAAB3NzaC1yc2E"));
    (void)json_object_set_new(json_array_get(json_object_get(keys, "publicKeys"), 0), "keyData", json_string("K"));
    text_base64(&data, bed_user_data, strlen(bed_user_data));
    buf_addf(&want,
             "{\"location\":\"eastus\",\"tags\":%s,\"properties\":{\"hardwareProfile\":{\"vmSize\":"
             "\"Standard_NC4as_T4_v3\"},\"storageProfile\":{\"imageReference\":{\"publisher\":\"Canonical\",\"offer\":"
             "\"0001-com-ubuntu-server-jammy\",\"sku\":\"22_04-lts-gen2\",\"version\":\"latest\"},\"osDisk\":{\"name\":"
             "\"muster-a\",\"createOption\":\"FromImage\",\"deleteOption\":\"Delete\",\"caching\":\"ReadWrite\","
             "\"managedDisk\":{\"storageAccountType\":\"StandardSSD_LRS\"}}},\"osProfile\":{\"computerName\":"
             "\"muster-a\",\"adminUsername\":\"muster\",\"customData\":\"%s\",\"linuxConfiguration\":{"
             "\"disablePasswordAuthentication\":true,\"ssh\":{\"publicKeys\":[{\"path\":"
             "\"/home/muster/.ssh/authorized_keys\",\"keyData\":\"K\"}]}}},\"networkProfile\":{\"networkApiVersion\":"
             "\"2020-11-01\",\"networkInterfaceConfigurations\":[{\"name\":\"muster-a\",\"tags\":%s,\"properties\":{"
             "\"primary\":true,\"deleteOption\":\"Delete\",\"ipConfigurations\":[{\"name\":\"ip\",\"properties\":{"
             "\"primary\":true,\"subnet\":{\"id\":\"" SUBNET "\"}}}]}}]}}}",
             tags, data.p, tags);
    is_json(body, want.p);
}

static void test_azure__a_spot_machine_is_deleted_when_it_is_taken_back_and_never_for_its_price(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    const json_t *p;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    body = launched(b, &o);
    p = json_object_get(body, "properties");
    assert_string_equal(json_string_value(json_object_get(p, "priority")), "Spot");
    assert_string_equal(json_string_value(json_object_get(p, "evictionPolicy")), "Delete");
    is_json(json_object_get(p, "billingProfile"), "{\"maxPrice\":-1}");
}

static void test_azure__extra_config_sets_disk_address_and_licence(void **state)
{
    static const char *const extras[] = {
        "{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":128}},\"enable_public_ip\":true,\"licenseType\":\"RHEL_"
        "BYOS\"}",
        "{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":\"128\"}},\"enable_public_ip\":\"yes\",\"licenseType\":"
        "\"RHEL_BYOS\"}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
        AUTO_BED struct bed *b = plain_bed();
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *body = NULL;
        json_t *p, *ip;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        set_extra(&o, extras[i]);
        body = launched(b, &o);
        p = json_object_get(body, "properties");
        is_json(json_object_get(json_object_get(json_object_get(p, "storageProfile"), "osDisk"), "diskSizeGB"), "128");
        assert_string_equal(json_string_value(json_object_get(p, "licenseType")), "RHEL_BYOS");
        ip = json_array_get(json_object_get(json_object_get(p, "networkProfile"), "networkInterfaceConfigurations"), 0);
        ip = json_array_get(json_object_get(json_object_get(ip, "properties"), "ipConfigurations"), 0);
        ip = json_object_get(json_object_get(ip, "properties"), "publicIPAddressConfiguration");
        assert_string_equal(json_string_value(json_object_get(json_object_get(ip, "tags"), TAG_MACHINE)), "muster-a");
        (void)json_object_del(ip, "tags");
        is_json(ip, "{\"name\":\"muster-a\",\"sku\":{\"name\":\"Standard\",\"tier\":\"Regional\"},\"properties\":{"
                    "\"deleteOption\":\"Delete\",\"publicIPAllocationMethod\":\"Static\"}}");
    }
}

static void test_azure__what_extra_config_cannot_say_is_refused_by_name(void **state)
{
    static const char *const rows[][2] = {{"{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":0}}}", "diskSizeGB"},
                                          {"{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":4096}}}", "from 1 to 4095"},
                                          {"{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":\"big\"}}}", "diskSizeGB"},
                                          {"{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":[]}}}", "diskSizeGB"},
                                          {"{\"enable_public_ip\":7}", "enable_public_ip"},
                                          {"{\"licenseType\":\"a b\"}", "licenseType"},
                                          {"{\"licenseType\":{}}", "licenseType"}};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        set_extra(&o, rows[i][0]);
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, rows[i][1], e);
    }
}

static void test_azure__all_machines_share_one_key_whose_private_half_nobody_has(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    const struct raw_request *first = NULL, *second = NULL;
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_ok(bed_launch(b, "muster-b", "muster-b-0-0", &got, &e), e);
    assert_int_equal(seen(b, "PUT", "*/muster-a", &first) + seen(b, "PUT", "*/muster-b", &second), 2);
    assert_non_null(strstr(first->body, "ssh-rsa "));
    assert_int_equal(strncmp(strstr(first->body, "ssh-rsa "), strstr(second->body, "ssh-rsa "), 372), 0);
}

/* ---- images ---- */

static void test_azure__each_form_of_an_image_has_its_reference(void **state)
{
    static const char *const rows[][3] = {
        {"Canonical:ubuntu-24_04-lts:server:24.04.202404230", "Standard_D4s_v5",
         "{\"publisher\":\"Canonical\",\"offer\":\"ubuntu-24_04-lts\",\"sku\":\"server\",\"version\":"
         "\"24.04.202404230\"}"},
        {"ubuntu2404", "Standard_D4s_v5",
         "{\"publisher\":\"Canonical\",\"offer\":\"ubuntu-24_04-lts\",\"sku\":\"server\",\"version\":\"latest\"}"},
        {"ubuntu2404", "Standard_D4ps_v5",
         "{\"publisher\":\"Canonical\",\"offer\":\"ubuntu-24_04-lts\",\"sku\":\"server-arm64\",\"version\":"
         "\"latest\"}"},
        {"debian12", "Standard_E2pds_v6",
         "{\"publisher\":\"Debian\",\"offer\":\"debian-12\",\"sku\":\"12-arm64\",\"version\":\"latest\"}"},
        {"ubuntu2204-gpu", "Standard_NC4as_T4_v3",
         "{\"publisher\":\"microsoft-dsvm\",\"offer\":\"ubuntu-hpc\",\"sku\":\"2204\",\"version\":\"latest\"}"},
        {S IMAGES "/images/ci", "Standard_D4s_v5", "{\"id\":\"" S IMAGES "/images/ci\"}"},
        {"/SUBSCRIPTIONS/s/resourcegroups/g/PROVIDERS/microsoft.compute/IMAGES/ci", "Standard_D4s_v5",
         "{\"id\":\"/SUBSCRIPTIONS/s/resourcegroups/g/PROVIDERS/microsoft.compute/IMAGES/ci\"}"},
        {S IMAGES "/galleries/own/images/ci/versions/1.0.0", "Standard_D4s_v5",
         "{\"id\":\"" S IMAGES "/galleries/own/images/ci/versions/1.0.0\"}"},
        {"/CommunityGalleries/flux-1/Images/ci/Versions/latest", "Standard_D4s_v5",
         "{\"communityGalleryImageId\":\"/CommunityGalleries/flux-1/Images/ci/Versions/latest\"}"},
        {"/sharedGalleries/s-1/images/ci", "Standard_D4s_v5",
         "{\"sharedGalleryImageId\":\"/sharedGalleries/s-1/images/ci\"}"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = plain_bed();
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *body = NULL;
        const json_t *p;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.image = rows[i][0];
        o.spec.instance_type = rows[i][1];
        body = launched(b, &o);
        p = json_object_get(body, "properties");
        is_json(json_object_get(json_object_get(p, "storageProfile"), "imageReference"), rows[i][2]);
        assert_null(json_object_get(body, "plan"));
        assert_null(json_object_get(p, "userData"));
    }
}

static void test_azure__what_is_no_image_is_refused_without_a_request(void **state)
{
    static const char *const images[] = {
        "Canonical:offer:sku",
        "..:offer:sku:latest",
        "Canonical:..:sku:latest",
        "Canonical:offer:.:latest",
        "Canonical:offer:sku:..",
        "/subscriptions/s/resourceGroups/./providers/Microsoft.Compute/images/x",
        "/subscriptions/s/x/y/z/providers/Microsoft.Compute/images/x",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/images/x/y",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/images/x/providers/Microsoft.Compute/images/y",
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/x/versions/1/y",
        "/communityGalleries/g/images/x/y",
        "/communityGalleries/../images/x",
        "a:b:c:d:e",
        "a:b::d",
        "a:b:c/..:d",
        "/subscriptions/s/resourceGroups/g",
        "/subscriptions/s/providers/Microsoft.Compute/images/../x",
        "/subscriptions/s/providers/Microsoft.Compute/images/x?y",
        "/communityGalleries/x",
        "/communityGalleries/x/images/",
        "ami-0123"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        o.spec.image = images[i];
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "is no image of Azure", e);
    }
    o.spec.image = "windows2022";
    o.spec.instance_type = "Standard_D4ps_v5";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "not published for arm64", e);
    assert_int_equal(raw_count(b->server), 0);
}

static void test_azure__an_image_that_is_sold_comes_with_its_plan_which_is_asked_once(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    const struct raw_request *r = NULL;
    struct err e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        AUTO_ORDER struct order o;
        struct instance got;
        char name[16];

        (void)snprintf(name, sizeof(name), "muster-%d", i);
        order_init(&o, b, name, name);
        o.spec.image = "nvidia:ngc:gpu:latest";
        assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    }
    assert_int_equal(seen(b, "GET", "*/publishers/nvidia/artifacttypes/vmimage/offers/ngc/skus/gpu/versions", &r), 1);
    assert_string_equal(strchr(r->path, '?'), "?api-version=2025-04-01&$top=1&$orderby=name%20desc");
    assert_int_equal(seen(b, "GET", "*/locations/eastus/*/skus/gpu/versions/22.8.3", &r), 1);
    assert_int_equal(seen(b, "PUT", "*/muster-?", &r), 2);
    {
        AUTO_JSON json_t *body = fake_body(r);

        is_json(json_object_get(body, "plan"), "{\"name\":\"gpu\",\"publisher\":\"nvidia\",\"product\":\"ngc\"}");
    }
}

static void test_azure__a_version_that_is_named_is_asked_for_itself(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    const struct raw_request *r = NULL;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "nobody:x:y:1.2.3";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "machine_image: azure virtualMachineImages.get", e);
    assert_int_equal(seen(b, "GET", "*/publishers/nobody/*/skus/y/versions/1.2.3", &r), 1);
    assert_int_equal(seen(b, "PUT", "*", &r), 0);
}

static void test_azure__an_image_that_cannot_be_asked_about_is_tried_again_and_not_remembered(void **state)
{
    static const char *const bodies[] = {"{}", "[{}]", "[{\"name\":\"a/b\"}]", "[7]", "{\"properties\":7}", "\"x\""};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = bodies[i]});
        o.spec.image = "nvidia:ngc:gpu:latest";
        assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "virtualMachineImages.get", e);
        o.spec.image = "/communityGalleries/flux/images/ci";
        assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "communityGalleryImages.get", e);
    }
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = "[]"});
    o.spec.image = "nvidia:ngc:gpu:latest";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "nvidia:ngc:gpu has no version in eastus", e);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
}

static void test_azure__a_gallery_image_may_be_sold_or_not_be_there(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = S IMAGES "/galleries/own/images/absent/versions/1.0.0";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "machine_image: azure galleryImages.get", e);
    o.spec.image = S IMAGES "/galleries/own/images/sold/versions/1.0.0";
    body = launched(b, &o);
    is_json(json_object_get(body, "plan"), "{\"name\":\"n\",\"publisher\":\"p\",\"product\":\"o\"}");
}

static void test_azure__a_tag_that_azure_would_not_take_is_named(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    char key[514];
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    memset(key, 'k', 513);
    key[513] = '\0';
    o.tags[2].key = key;
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "tag kkk", e);
    o.tags[2].key = "a/b";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "tag a/b", e);
    key[512] = '\0';
    o.tags[2].key = key;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
}

static void test_azure__a_specialised_image_gets_user_data_and_no_os_profile(void **state)
{
    static const char *const rows[][2] = {
        {S IMAGES "/galleries/own/images/special/versions/1.0.0", S IMAGES "/galleries/own/images/special"},
        {"/communityGalleries/flux/images/special",
         S "/providers/Microsoft.Compute/locations/eastus/communityGalleries/flux/images/special"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BED struct bed *b = plain_bed();
        AUTO_BUF struct buf data = BUF_INIT(4096);
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *body = NULL;
        const struct raw_request *r = NULL;
        const json_t *p;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.image = rows[i][0];
        body = launched(b, &o);
        p = json_object_get(body, "properties");
        text_base64(&data, bed_user_data, strlen(bed_user_data));
        assert_null(json_object_get(p, "osProfile"));
        assert_string_equal(json_string_value(json_object_get(p, "userData")), data.p);
        assert_int_equal(seen(b, "GET", rows[i][1], &r), 1);
    }
}

/* ---- places ---- */

static void test_azure__a_region_needs_a_subnet_of_its_own(void **state)
{
    static const struct bed_setting marked[] = {
        {"subnet_id", S "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/ci-{region}/subnets/m"}};
    AUTO_BED struct bed *b = plain_bed(), *many = bed_open(&fake_azure, marked, 1);
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    AUTO_FREE char *text = NULL;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "westus2";
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "clouds.azure.subnet_id lies in eastus", e);
    body = launched(many, &o);
    assert_string_equal(json_string_value(json_object_get(body, "location")), "westus2");
    text = json_dumps(body, JSON_COMPACT);
    assert_non_null(strstr(text, "/virtualNetworks/ci-westus2/subnets/m\""));
    o.spec.region = "EastUS";
    assert_ok(b->ops->check(b->p, &o.spec, &e), e);
}

/* ---- what is shown ---- */

/* Every example of the language that names azure, as `muster plan` will print it. */
static void test_azure__the_examples_of_the_language_are_shown_whole(void **state)
{
    static const struct {
        const char *image, *extra, *os;
        size_t requests;
        const char *holds;
    } rows[] = {
        {"Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest", NULL, NULL, 2, "\"sku\":\"22_04-lts-gen2\""},
        {"MicrosoftWindowsDesktop:windows-11:win11-23h2-pro:22631.2861.231204", "{\"licenseType\":\"Windows_Client\"}",
         "windows", 3, "\"version\":\"22631.2861.231204\""},
        {S IMAGES "/images/ci", "{\"enable_public_ip\":true}", NULL, 1, "publicIPAddressConfiguration"},
        {S IMAGES "/galleries/g/images/i/versions/1.0.0", "{\"storageProfile\":{\"osDisk\":{\"diskSizeGB\":75}}}", NULL,
         2, "\"diskSizeGB\":75"},
        {"ubuntu2204", NULL, NULL, 1, "\"keyData\":\"<public key"},
        {"windows2022", NULL, "windows", 2, "\"adminPassword\":\"***\""}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_JSON json_t *shown = json_array();
        AUTO_FREE char *text = NULL;
        AUTO_ORDER struct order o;
        struct err e;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.image = rows[i].image;
        o.spec.os = rows[i].os;
        if (rows[i].extra != NULL)
            set_extra(&o, rows[i].extra);
        assert_ok(b->ops->render(b->p, &o.r, shown, &e), e);
        assert_int_equal(json_array_size(shown), rows[i].requests);
        text = json_dumps(shown, JSON_COMPACT);
        assert_non_null(strstr(text, rows[i].holds));
        assert_non_null(strstr(text, "\"customData\":\"***\""));
        assert_non_null(strstr(text, "\"If-None-Match\":\"*\""));
    }
    assert_int_equal(raw_count(b->server), 0);
}

static void test_azure__a_size_tells_its_architecture(void **state)
{
    static const char *const rows[][2] = {{"Standard_D4s_v5", "x64"},
                                          {"Standard_D4ps_v5", "arm64"},
                                          {"Standard_B2pts_v2", "arm64"},
                                          {"Standard_NC4as_T4_v3", "x64"},
                                          {"Standard_NP10s", "x64"},
                                          {"Standard_ND96isr_H100_v5", "x64"},
                                          {"Standard_NC24ads_A100_v4", "x64"},
                                          {"Standard_NV36ads_A10_v5", "x64"},
                                          {"Standard_E4-2ds_v5", "x64"},
                                          {"Standard_D2plds_v6", "arm64"},
                                          {"Standard_ND128isr_NDR_GB200_v6", "arm64"},
                                          {"Basic", "x64"}};
    const struct provider_ops *ops = registry_find("azure");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(ops->arch(rows[i][0]), rows[i][1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_azure__a_launch_is_one_put_of_a_machine_whose_parts_end_with_it),
        cmocka_unit_test(test_azure__a_spot_machine_is_deleted_when_it_is_taken_back_and_never_for_its_price),
        cmocka_unit_test(test_azure__extra_config_sets_disk_address_and_licence),
        cmocka_unit_test(test_azure__what_extra_config_cannot_say_is_refused_by_name),
        cmocka_unit_test(test_azure__all_machines_share_one_key_whose_private_half_nobody_has),
        cmocka_unit_test(test_azure__each_form_of_an_image_has_its_reference),
        cmocka_unit_test(test_azure__what_is_no_image_is_refused_without_a_request),
        cmocka_unit_test(test_azure__an_image_that_is_sold_comes_with_its_plan_which_is_asked_once),
        cmocka_unit_test(test_azure__a_version_that_is_named_is_asked_for_itself),
        cmocka_unit_test(test_azure__an_image_that_cannot_be_asked_about_is_tried_again_and_not_remembered),
        cmocka_unit_test(test_azure__a_gallery_image_may_be_sold_or_not_be_there),
        cmocka_unit_test(test_azure__a_tag_that_azure_would_not_take_is_named),
        cmocka_unit_test(test_azure__a_specialised_image_gets_user_data_and_no_os_profile),
        cmocka_unit_test(test_azure__a_region_needs_a_subnet_of_its_own),
        cmocka_unit_test(test_azure__the_examples_of_the_language_are_shown_whole),
        cmocka_unit_test(test_azure__a_size_tells_its_architecture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
