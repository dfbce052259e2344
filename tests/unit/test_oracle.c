/* What is Oracle Cloud's own: the fields of a launch, shapes, images, availability domains, one code for two things. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "server/base/text.h"
#include "tests/support/asked.h"

#include <stdio.h>

#define INSTANCES "/20160918/instances"
#define DOMAIN(n) "Uocm:EU-FRANKFURT-1-AD-" n
#define NO_ROOM "{\"code\":\"InternalError\",\"message\":\"Out of host capacity.\"}"
#define NOT_FOUND                                                                                                      \
    "{\"code\":\"NotAuthorizedOrNotFound\",\"message\":\"Authorization failed or requested resource not found.\"}"

static const struct fake_fault well = {.skip = 1000000};

static struct bed *plain_bed(void)
{
    return bed_open(&fake_oracle, NULL, 0);
}

/* Launch with a changed spec; the body of what was sent last. */
static json_t *launched(struct bed *b, struct order *o)
{
    struct instance got;
    struct err e;

    assert_ok(b->ops->launch(b->p, &o->r, &got, &e), e);
    return fake_body(asked_nth(b, "POST", INSTANCES, asked_count(b, "POST", INSTANCES) - 1));
}

static json_t *extra(const char *text)
{
    AUTO_BUF struct buf json = BUF_INIT(4096);
    json_t *doc = NULL;
    struct err e;

    for (; *text != '\0'; text++)
        buf_addc(&json, (char)(*text == '\'' ? '"' : *text));
    assert_ok(js_parse(json.p, json.len, &doc, &e), e);
    return doc;
}

/* ---- the launch ---- */

#define TAGS                                                                                                           \
    "{'muster-deployment':'muster','muster-machine':'muster-a','muster-job':'123456789',"                              \
    "'muster-repository':'octo/hello','muster-expires':'1714572000'}"

static void test_oracle__a_launch_sends_exactly_these_fields(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    body = launched(b, &o);
    is_json(
        body,
        "{'availabilityDomain':'" DOMAIN(
            "1") "','compartmentId':'ocid1.compartment.oc1..aaaac',"
                 "'displayName':'muster-a','shape':'VM.Standard.E4.Flex','shapeConfig':{'ocpus':4,'memoryInGBs':16},"
                 "'sourceDetails':{'sourceType':'image','imageId':'ocid1.image.oc1.eu-frankfurt-1.aaaai'},"
                 "'createVnicDetails':{'subnetId':'ocid1.subnet.oc1.eu-frankfurt-1.aaaas','freeformTags':" TAGS "},"
                 "'metadata':{'user_data':"
                 "'IyEvYmluL3NoCk1VU1RFUl9KSVRDT05GSUc9b25lLXRpbWUtY3JlZGVudGlhbC1vZi10aGUtcnVubmVyCg=='},"
                 "'freeformTags':" TAGS ",'instanceOptions':{'areLegacyImdsEndpointsDisabled':true}}");
}

static void test_oracle__settings_and_extra_config_reach_the_launch(void **state)
{
    static const struct bed_setting more[] = {
        {"nsg_ids", "ocid1.networksecuritygroup.oc1..a,ocid1.networksecuritygroup.oc1..b"},
        {"assign_public_ip", "false"}};
    AUTO_BED struct bed *b = bed_open(&fake_oracle, more, 2);
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL;
    const json_t *vnic;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.extra = extra("{'bootVolumeSizeInGBs':'100'}");
    o.spec.extra = o.extra;
    o.spec.spot = true;
    o.spec.instance_type = "VM.GPU.A10.1";
    body = launched(b, &o);
    vnic = json_object_get(body, "createVnicDetails");
    assert_true(json_is_false(json_object_get(vnic, "assignPublicIp")));
    is_json(json_object_get(vnic, "nsgIds"),
            "['ocid1.networksecuritygroup.oc1..a','ocid1.networksecuritygroup.oc1..b']");
    is_json(json_object_get(body, "sourceDetails"),
            "{'sourceType':'image','imageId':'ocid1.image.oc1.eu-frankfurt-1.aaaai','bootVolumeSizeInGBs':100}");
    is_json(json_object_get(body, "preemptibleInstanceConfig"),
            "{'preemptionAction':{'type':'TERMINATE','preserveBootVolume':false}}");
    assert_null(json_object_get(body, "shapeConfig"));
}

static void test_oracle__a_flexible_shape_has_a_size_in_its_name_or_beside_it(void **state)
{
    static const char *const rows[][3] = {
        {"VM.Standard.E4.Flex:8:64", NULL, "{'ocpus':8,'memoryInGBs':64}"},
        {"VM.Standard.E4.Flex:8", NULL, "{'ocpus':8}"},
        {"VM.Standard.A1.Flex", NULL, "{'ocpus':2,'memoryInGBs':16}"},
        {"VM.Standard.E4.Flex", "{'ocpus':3}", "{'ocpus':3}"},
        {"VM.Standard.E4.Flex", "{'ocpus':'3','memory':24}", "{'ocpus':3,'memoryInGBs':24}"},
        {"VM.Standard.E4.Flex", "{'memory':24}", "{'ocpus':2,'memoryInGBs':24}"},
        {"VM.Standard.E4.Flex:8", "{'ocpus':3,'memory':24}", "{'ocpus':8}"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        AUTO_JSON json_t *body = NULL;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.instance_type = rows[i][0];
        o.extra = rows[i][1] != NULL ? extra(rows[i][1]) : NULL;
        o.spec.extra = o.extra;
        body = launched(b, &o);
        is_json(json_object_get(body, "shapeConfig"), rows[i][2]);
    }
}

static void test_oracle__what_cannot_be_is_refused_with_the_remedy(void **state)
{
    static const struct {
        const char *type, *image, *region, *extra, *says;
        bool spot;
    } rows[] = {
        {"t3.large", NULL, NULL, NULL, "not written like VM.GPU.A10.1", false},
        {"VM.Standard.E4.Flex:4:16:1", NULL, NULL, NULL, "VM.Standard.E4.Flex:4:16 (OCPUs, GB)", false},
        {"VM.Standard.E4.Flex:0", NULL, NULL, NULL, "not written like", false},
        {"VM.Standard.E4.Flex:x", NULL, NULL, NULL, "not written like", false},
        {"VM.Standard.E4.Flex/../", NULL, NULL, NULL, "not written like", false},
        {"VM.GPU.A10.1:4", NULL, NULL, NULL, "size of VM.GPU.A10.1 is fixed", false},
        {"VM.GPU.A10.1", NULL, NULL, "{'ocpus':4}", "only .Flex shapes", false},
        {"VM.Standard.E4.Flex", NULL, NULL, "{'ocpus':'many'}", "extra_config.ocpus", false},
        {NULL, NULL, NULL, "{'bootVolumeSizeInGBs':10}", "extra_config.bootVolumeSizeInGBs: expected a whole number",
         false},
        {"BM.GPU.A10.4", NULL, NULL, NULL, "no preemptible bare metal", true},
        {NULL, "ubuntu2205", NULL, NULL, "did you mean ubuntu2204", false},
        {NULL, "debian12", NULL, NULL, "Oracle publishes none", false},
        {NULL, "ubuntu2204-gpu", NULL, NULL, "name ubuntu2204, and gpu:", false},
        {NULL, "ocid1.instance.oc1..x", NULL, NULL, "neither the OCID of an image nor an alias", false},
        {NULL, NULL, "Uocm:EU-FRANKFURT-1", NULL, "neither a region of Oracle Cloud", false},
        {NULL, NULL, "Uocm:EVIL.EXAMPLE.COM-AD-1", NULL, "neither a region", false},
        {NULL, NULL, "frankfurt", NULL, "neither a region", false},
    };
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_ORDER struct order o;
        struct err e;

        order_init(&o, b, "muster-a", "muster-a-0-0");
        o.spec.instance_type = rows[i].type != NULL ? rows[i].type : o.spec.instance_type;
        o.spec.image = rows[i].image != NULL ? rows[i].image : o.spec.image;
        o.spec.region = rows[i].region != NULL ? rows[i].region : o.spec.region;
        o.extra = rows[i].extra != NULL ? extra(rows[i].extra) : NULL;
        o.spec.extra = o.extra;
        o.spec.spot = rows[i].spot;
        assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, rows[i].says, e);
    }
}

static void test_oracle__shapes_tell_their_architecture(void **state)
{
    static const char *const rows[][2] = {
        {"VM.Standard.A1.Flex", "arm64"},   {"BM.Standard.A1.160", "arm64"}, {"VM.Standard.A2.Flex:4:16", "arm64"},
        {"BM.GPU.GB200.4", "arm64"},        {"VM.GPU.A10.1", "x64"},         {"BM.GPU.A100-v2.8", "x64"},
        {"VM.Standard.E4.Flex:4:16", "x64"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(registry_find("oracle")->arch(rows[i][0]), rows[i][1]);
}

static void test_oracle__more_than_ten_tags_are_refused_before_oracle_would(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct tag tags[11];
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        tags[i] = o.tags[i % 5];
    o.r.tags = tags;
    o.r.n_tags = ARRAY_LEN(tags);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "11 tags", e);
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- images ---- */

static void test_oracle__an_alias_is_the_newest_platform_image_asked_for_once(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    AUTO_JSON json_t *body = NULL, *again = NULL;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "ubuntu2204";
    body = launched(b, &o);
    is_json(json_object_get(body, "sourceDetails"), "{'sourceType':'image','imageId':'ocid1.image.oc1..newest'}");
    assert_string_equal(
        asked_nth(b, "GET", "/20160918/images", 0)->path,
        "/20160918/images?compartmentId=ocid1.compartment.oc1..aaaac&operatingSystem=Canonical%20Ubuntu&"
        "operatingSystemVersion=22.04&shape=VM.Standard.E4.Flex&lifecycleState=AVAILABLE&"
        "sortBy=TIMECREATED&sortOrder=DESC");
    order_clear(&o);
    order_init(&o, b, "muster-b", "muster-b-0-0");
    o.spec.image = "ubuntu2204";
    again = launched(b, &o);
    assert_int_equal(asked_count(b, "GET", "/20160918/images"), 1);
    assert_int_equal(asked_count(b, "GET", "/20160918/availabilityDomains"), 1);
}

static void test_oracle__an_alias_without_an_image_for_the_shape_is_refused(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "ubuntu2404";
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID,
                 "no image in eu-frankfurt-1 for machine_image ubuntu2404", e);
    assert_int_equal(b->cloud.made, 0);
}

/* ---- availability domains ---- */

static void domain_is(const struct raw_request *r, const char *domain)
{
    AUTO_JSON json_t *body = fake_body(r);

    assert_string_equal(json_string_value(json_object_get(body, "availabilityDomain")), domain);
}

/* PROVIDERS.md trap 2: no room comes as an internal error, which is no reason to send the same again. */
static void test_oracle__trap_2_no_room_leads_to_the_next_availability_domain(void **state)
{
    static const struct fake_fault once = {.at_create = true, .status = 500, .body = NO_ROOM, .next = &well};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &once);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(asked_count(b, "POST", INSTANCES), 2);
    domain_is(asked_nth(b, "POST", INSTANCES, 0), DOMAIN("1"));
    domain_is(asked_nth(b, "POST", INSTANCES, 1), DOMAIN("2"));
    assert_string_not_equal(raw_header(asked_nth(b, "POST", INSTANCES, 0), "opc-retry-token"),
                            raw_header(asked_nth(b, "POST", INSTANCES, 1), "opc-retry-token"));
}

static void test_oracle__trap_2_no_room_anywhere_is_said_once_all_domains_were_asked(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 500, .body = NO_ROOM});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "Out of host capacity", e);
    assert_int_equal(e.retry_after_s, 600);
    assert_int_equal(asked_count(b, "POST", INSTANCES), 3);
}

static void test_oracle__a_shape_that_a_domain_does_not_have_is_sought_in_the_next(void **state)
{
    static const struct fake_fault once = {
        .at_create = true,
        .status = 404,
        .body = "{\"code\":\"NotAuthorizedOrNotFound\",\"message\":\"shape VM.GPU.A10.1 not found\"}",
        .next = &well};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &once);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    domain_is(asked_nth(b, "POST", INSTANCES, 1), DOMAIN("2"));
}

/* Most limits of Compute are counted by availability domain. */
static void test_oracle__a_limit_of_one_domain_leads_to_the_next(void **state)
{
    AUTO_FREE char *body = fake_fixture("oracle", "limit.json");
    const struct fake_fault once = {.at_create = true, .status = 400, .body = body, .next = &well};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &once);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    domain_is(asked_nth(b, "POST", INSTANCES, 1), DOMAIN("2"));
}

/* PROVIDERS.md trap 12, where the machine came to be in the second domain. */
static void test_oracle__trap_12_a_lost_answer_of_a_later_domain_is_found_again(void **state)
{
    static const struct fake_fault lost = {.at_create = true, .after_acting = true, .next = &well};
    static const struct fake_fault full = {.at_create = true, .status = 500, .body = NO_ROOM, .next = &lost};

    (void)state;
    for (int restarted = 0; restarted < 2; restarted++) {
        AUTO_BED struct bed *b = plain_bed();
        struct instance got;
        struct err e;

        fake_set_fault(&b->cloud, &full);
        assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "", e);
        if (restarted)
            bed_reopen(b, 20000);
        assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
        assert_int_equal(b->cloud.made, 1);
        assert_string_equal(got.id, b->cloud.machines[0].id);
        assert_int_equal(asked_count(b, "POST", INSTANCES), restarted ? 2 : 3);
    }
}

static void test_oracle__a_first_try_looks_for_nothing(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.r.first_try = true;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(asked_count(b, "GET", INSTANCES), 0);
    assert_int_equal(raw_count(b->server), 2); /* the domains, the launch */
}

static void test_oracle__a_region_may_name_one_availability_domain(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = DOMAIN("3");
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_string_equal(got.region, "eu-frankfurt-1");
    assert_int_equal(raw_count(b->server), 1);
    domain_is(asked_nth(b, "POST", INSTANCES, 0), DOMAIN("3"));
}

/* PROVIDERS.md trap 3's kin: another domain under the same token would be refused. */
static void test_oracle__retry_tokens_are_of_the_launch_and_the_domain_and_fit(void **state)
{
    static const char token[] = "muster-01hx3vb9qzk8m4n5p6r7s8t9vw-63-9999-abcdef";
    AUTO_BED struct bed *b = plain_bed();
    const char *first, *second;
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", token, &got, &e), e);
    assert_ok(bed_launch(b, "muster-a", token, &got, &e), e);
    first = raw_header(asked_nth(b, "POST", INSTANCES, 0), "opc-retry-token");
    second = raw_header(asked_nth(b, "POST", INSTANCES, 1), "opc-retry-token");
    assert_string_equal(first, second);
    assert_memory_equal(first, token, strlen(token));
    assert_true(strlen(first) <= 64);
}

/* ---- gone, or not permitted ---- */

/* PROVIDERS.md trap 9 */
static void test_oracle__trap_9_what_is_not_found_is_gone_only_if_the_list_can_be_read(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, b->d->unknown_id, "muster-a"), got;
    struct err e;

    (void)state;
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 404, .body = NOT_FOUND});
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_AUTH, "not there or not permitted", e);
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_AUTH, "not there or not permitted", e);
    fake_set_fault(&b->cloud,
                   &(struct fake_fault){.status = 404, .body = NOT_FOUND, .next = &(struct fake_fault){.status = 500}});
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_RETRY, "ListInstances", e);
}

static void test_oracle__trap_9_an_end_that_is_not_permitted_is_no_end(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 404, .body = NOT_FOUND, .next = &well});
    assert_fails(b->ops->destroy(b->p, &got, &e), ERR_AUTH, "TerminateInstance", e);
    assert_int_equal(fake_alive(&b->cloud), 1);
}

static void test_oracle__trap_9_boot_and_data_volumes_end_with_the_machine(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
    assert_non_null(strstr(asked_nth(b, "DELETE", INSTANCES "/*", 0)->path,
                           "?preserveBootVolume=false&preserveDataVolumesCreatedAtLaunch=false"));
}

static void test_oracle__ending_what_is_ending_already_succeeds(void **state)
{
    static const struct fake_fault busy = {
        .status = 409, .body = "{\"code\":\"IncorrectState\",\"message\":\"It is TERMINATING.\"}", .next = &well};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    fake_set_fault(&b->cloud, &busy);
    assert_fails(b->ops->destroy(b->p, &got, &e), ERR_RETRY, "IncorrectState", e);
    b->cloud.machines[0].gone = true;
    fake_set_fault(&b->cloud, &busy);
    assert_ok(b->ops->destroy(b->p, &got, &e), e);
}

static void test_oracle__a_launch_that_names_what_is_not_there_is_wrong_not_forbidden(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.at_create = true, .status = 404, .body = NOT_FOUND});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_INVALID, "LaunchInstance", e);
    assert_int_equal(asked_count(b, "POST", INSTANCES), 1);
    fake_set_fault(&b->cloud, NULL);
    assert_ok(bed_launch(b, "muster-b", "muster-b-0-0", &got, &e), e);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 404, .body = NOT_FOUND});
    assert_fails(bed_launch(b, "muster-b", "muster-b-0-0", &got, &e), ERR_AUTH, "LaunchInstance", e);
}

/* PROVIDERS.md trap 15 */
static void test_oracle__trap_15_a_refused_signature_says_check_the_clock(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = fake_fixture("oracle", "bad-credentials.json");
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 401, .body = body});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_AUTH, "check the clock", e);
    assert_int_equal(raw_count(b->server), 1);
}

/* ---- states ---- */

static void test_oracle__states_are_told_apart(void **state)
{
    static const struct {
        const char *text, *more;
        enum instance_state state;
        enum err_kind why;
    } rows[] = {{"PROVISIONING", "", INSTANCE_PENDING, ERR_NONE},
                {"STARTING", "", INSTANCE_PENDING, ERR_NONE},
                {"RUNNING", ",\"preemptibleInstanceConfig\":{}", INSTANCE_RUNNING, ERR_NONE},
                {"CREATING_IMAGE", "", INSTANCE_RUNNING, ERR_NONE},
                {"MOVING", "", INSTANCE_RUNNING, ERR_NONE},
                {"STOPPING", "", INSTANCE_STOPPED, ERR_NONE},
                {"STOPPED", "", INSTANCE_STOPPED, ERR_NONE},
                {"TERMINATING", "", INSTANCE_ENDING, ERR_NONE},
                {"TERMINATED", ",\"preemptibleInstanceConfig\":null", INSTANCE_GONE, ERR_NONE},
                {"TERMINATING", ",\"preemptibleInstanceConfig\":{}", INSTANCE_ENDING, ERR_CAPACITY},
                {"TERMINATED", ",\"preemptibleInstanceConfig\":{}", INSTANCE_GONE, ERR_CAPACITY}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, b->d->unknown_id, "muster-a"), got;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_BUF struct buf body = BUF_INIT(4096);
        struct err e;

        buf_addf(&body,
                 "{\"id\":\"%s\",\"lifecycleState\":\"%s\",\"timeCreated\":\"2024-05-01T14:00:00.5Z\","
                 "\"freeformTags\":{\"muster-machine\":\"muster-a\",\"muster-expires\":\"1714572000\"}%s}",
                 b->d->unknown_id, rows[i].text, rows[i].more);
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = body.p});
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.state, rows[i].state);
        assert_int_equal(got.why, rows[i].why);
        assert_string_equal(got.name, "muster-a");
        assert_true(got.created_ms == 1714572000500 && got.expires_ms == 1714572000000);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle__a_launch_sends_exactly_these_fields),
        cmocka_unit_test(test_oracle__settings_and_extra_config_reach_the_launch),
        cmocka_unit_test(test_oracle__a_flexible_shape_has_a_size_in_its_name_or_beside_it),
        cmocka_unit_test(test_oracle__what_cannot_be_is_refused_with_the_remedy),
        cmocka_unit_test(test_oracle__shapes_tell_their_architecture),
        cmocka_unit_test(test_oracle__more_than_ten_tags_are_refused_before_oracle_would),
        cmocka_unit_test(test_oracle__an_alias_is_the_newest_platform_image_asked_for_once),
        cmocka_unit_test(test_oracle__an_alias_without_an_image_for_the_shape_is_refused),
        cmocka_unit_test(test_oracle__trap_2_no_room_leads_to_the_next_availability_domain),
        cmocka_unit_test(test_oracle__trap_2_no_room_anywhere_is_said_once_all_domains_were_asked),
        cmocka_unit_test(test_oracle__a_shape_that_a_domain_does_not_have_is_sought_in_the_next),
        cmocka_unit_test(test_oracle__a_limit_of_one_domain_leads_to_the_next),
        cmocka_unit_test(test_oracle__trap_12_a_lost_answer_of_a_later_domain_is_found_again),
        cmocka_unit_test(test_oracle__a_first_try_looks_for_nothing),
        cmocka_unit_test(test_oracle__a_region_may_name_one_availability_domain),
        cmocka_unit_test(test_oracle__retry_tokens_are_of_the_launch_and_the_domain_and_fit),
        cmocka_unit_test(test_oracle__trap_9_what_is_not_found_is_gone_only_if_the_list_can_be_read),
        cmocka_unit_test(test_oracle__trap_9_an_end_that_is_not_permitted_is_no_end),
        cmocka_unit_test(test_oracle__trap_9_boot_and_data_volumes_end_with_the_machine),
        cmocka_unit_test(test_oracle__ending_what_is_ending_already_succeeds),
        cmocka_unit_test(test_oracle__a_launch_that_names_what_is_not_there_is_wrong_not_forbidden),
        cmocka_unit_test(test_oracle__trap_15_a_refused_signature_says_check_the_clock),
        cmocka_unit_test(test_oracle__states_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
