/* What is EC2's own: the parameters of a launch, subnets, states, images, account settings. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/clock.h"
#include "server/base/text.h"
#include "tests/support/cloud_bed.h"

#include <stdio.h>

static const struct bed_setting network[] = {{"subnet_ids", "subnet-a,subnet-b,subnet-c"},
                                             {"security_group_ids", "sg-a,sg-b"},
                                             {"instance_profile", "muster-machine"}};

static const char *body_of(struct bed *b, size_t request)
{
    const struct raw_request *r = raw_get(b->server, request);

    assert_non_null(r);
    return r->body;
}

static void has(struct bed *b, size_t request, const char *name, const char *value)
{
    char got[32768] = "(absent)";

    (void)fake_form(body_of(b, request), name, got, sizeof(got));
    if (strcmp(got, value) != 0)
        fail_msg("%s is \"%.200s\", not \"%s\"", name, got, value);
}

static void lacks(struct bed *b, size_t request, const char *name)
{
    char got[256];

    if (fake_form(body_of(b, request), name, got, sizeof(got)))
        fail_msg("%s is there: \"%s\"", name, got);
}

static struct bed *plain_bed(void)
{
    return bed_open(&fake_aws, NULL, 0);
}

static struct bed *network_bed(void)
{
    return bed_open(&fake_aws, network, ARRAY_LEN(network));
}

static void answer_always(struct bed *b, int status, const char *fixture, char **body)
{
    *body = fake_fixture("aws", fixture);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = status, .body = *body});
}

/* ---- launching ---- */

static void test_aws__a_launch_asks_for_one_instance_that_ends_with_its_guest(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_BUF struct buf base64 = BUF_INIT(4096);
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(raw_count(b->server), 2);
    has(b, 0, "Action", "DescribeImages");
    has(b, 0, "ImageId.1", fake_aws.image);
    has(b, 1, "Action", "RunInstances");
    has(b, 1, "Version", "2016-11-15");
    has(b, 1, "MinCount", "1");
    has(b, 1, "MaxCount", "1");
    has(b, 1, "ImageId", fake_aws.image);
    has(b, 1, "InstanceType", "g4dn.xlarge");
    has(b, 1, "ClientToken", "muster-a-0-0-0");
    has(b, 1, "InstanceInitiatedShutdownBehavior", "terminate");
    has(b, 1, "MetadataOptions.HttpTokens", "required");
    has(b, 1, "MetadataOptions.HttpPutResponseHopLimit", "2");
    text_base64(&base64, bed_user_data, strlen(bed_user_data));
    has(b, 1, "UserData", base64.p);
    lacks(b, 1, "SubnetId");
    lacks(b, 1, "SecurityGroupId.1");
    lacks(b, 1, "InstanceMarketOptions.MarketType");
    lacks(b, 1, "NetworkInterface.1.DeviceIndex");
}

static void carries_tags(struct bed *b, int specification, const char *type)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "TagSpecification.%d.ResourceType", specification);
    has(b, 1, name, type);
    (void)snprintf(name, sizeof(name), "TagSpecification.%d.Tag.2.Key", specification);
    has(b, 1, name, TAG_MACHINE);
    (void)snprintf(name, sizeof(name), "TagSpecification.%d.Tag.2.Value", specification);
    has(b, 1, name, "muster-a");
    (void)snprintf(name, sizeof(name), "TagSpecification.%d.Tag.5.Value", specification);
    has(b, 1, name, "1714572000");
}

static void test_aws__everything_a_launch_creates_carries_the_tags(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    carries_tags(b, 1, "instance");
    carries_tags(b, 2, "volume");
    carries_tags(b, 3, "network-interface");
    lacks(b, 1, "TagSpecification.4.ResourceType");
}

static void test_aws__a_spot_launch_asks_once_and_tags_its_request(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = true;
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    has(b, 1, "InstanceMarketOptions.MarketType", "spot");
    has(b, 1, "InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time");
    has(b, 1, "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate");
    carries_tags(b, 4, "spot-instances-request");
}

static void order_with_root(struct order *o, struct bed *b)
{
    order_init(o, b, "muster-a", "muster-a-0-0");
    o->extra = json_pack("{s:[{s:s,s:i,s:s,s:s}]}", "BlockDeviceMappings", "DeviceName", "/dev/sda1", "VolumeSize", 75,
                         "VolumeType", "gp3", "Iops", "4000");
    o->spec.extra = o->extra;
}

static void test_aws__disks_are_mapped_and_end_with_the_machine(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_with_root(&o, b);
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    has(b, 1, "BlockDeviceMapping.1.DeviceName", "/dev/sda1");
    has(b, 1, "BlockDeviceMapping.1.Ebs.VolumeSize", "75");
    has(b, 1, "BlockDeviceMapping.1.Ebs.VolumeType", "gp3");
    has(b, 1, "BlockDeviceMapping.1.Ebs.Iops", "4000");
    has(b, 1, "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true");
    lacks(b, 1, "BlockDeviceMapping.1.Ebs.Throughput");
    lacks(b, 1, "BlockDeviceMapping.2.DeviceName");
}

static void test_aws__volumes_that_the_image_keeps_end_with_the_machine_too(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_with_root(&o, b);
    answer_always(b, 200, "image-keeps.xml", &body);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_RETRY, "another document", e);
    has(b, 1, "BlockDeviceMapping.1.DeviceName", "/dev/sda1");
    has(b, 1, "BlockDeviceMapping.1.Ebs.VolumeSize", "75");
    has(b, 1, "BlockDeviceMapping.2.DeviceName", "/dev/sdf");
    has(b, 1, "BlockDeviceMapping.2.Ebs.DeleteOnTermination", "true");
    lacks(b, 1, "BlockDeviceMapping.2.Ebs.VolumeSize");
    lacks(b, 1, "BlockDeviceMapping.3.DeviceName");
}

/* ---- subnets ---- */

/* PROVIDERS.md trap 3: the same token with other parameters would be refused. */
static void test_aws__a_full_subnet_leads_to_the_next_one_with_another_token(void **state)
{
    AUTO_BED struct bed *b = network_bed();
    AUTO_FREE char *body = NULL;
    struct instance got;
    struct err e;

    (void)state;
    /* what is asked of the image and of an earlier result is answered, then there is no room anywhere */
    body = fake_fixture("aws", "no-capacity.xml");
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 2, .status = 500, .body = body});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "InsufficientInstanceCapacity", e);
    assert_int_equal(raw_count(b->server), 5);
    has(b, 1, "Action", "DescribeInstances");
    has(b, 1, "Filter.1.Name", "client-token");
    has(b, 1, "Filter.1.Value.3", "muster-a-0-0-2");
    has(b, 2, "SubnetId", "subnet-a");
    has(b, 2, "ClientToken", "muster-a-0-0-0");
    has(b, 3, "SubnetId", "subnet-b");
    has(b, 3, "ClientToken", "muster-a-0-0-1");
    has(b, 4, "SubnetId", "subnet-c");
    has(b, 4, "SecurityGroupId.1", "sg-a");
    has(b, 4, "SecurityGroupId.2", "sg-b");
    has(b, 4, "IamInstanceProfile.Name", "muster-machine");
}

static void test_aws__what_is_not_offered_is_remembered_only_if_no_subnet_offers_it(void **state)
{
    AUTO_BED struct bed *b = network_bed();
    AUTO_FREE char *not_offered = fake_fixture("aws", "not-offered-here.xml");
    AUTO_FREE char *no_room = fake_fixture("aws", "no-capacity.xml");
    struct fake_fault here = {.status = 400, .body = not_offered},
                      full = {.status = 500, .body = no_room, .next = &here};
    struct instance got;
    struct err e;

    (void)state;
    full.skip = 2;
    fake_set_fault(&b->cloud, &full);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "Unsupported", e);
    assert_int_equal(e.retry_after_s, 0);
    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 1, .status = 400, .body = not_offered});
    assert_fails(bed_launch(b, "muster-b", "muster-b-0-0", &got, &e), ERR_CAPACITY, "Unsupported", e);
    assert_true(e.retry_after_s >= 3600);
}

/* The first subnet has no room, the second launches and its answer is lost. */
static void lose_the_second_subnets_answer(struct bed *b)
{
    static const struct fake_fault lost = {.after_acting = true};
    AUTO_FREE char *body = fake_fixture("aws", "no-capacity.xml");
    struct instance got;
    struct err e;

    fake_set_fault(&b->cloud, &(struct fake_fault){.skip = 2, .status = 500, .body = body, .next = &lost});
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "", e);
    fake_set_fault(&b->cloud, NULL);
    assert_int_equal(b->cloud.made, 1);
}

static void test_aws__a_repetition_begins_with_the_subnet_whose_answer_was_lost(void **state)
{
    AUTO_BED struct bed *b = network_bed();
    struct instance got;
    struct err e;

    (void)state;
    lose_the_second_subnets_answer(b);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(b->cloud.made, 1);
    has(b, raw_count(b->server) - 1, "SubnetId", "subnet-b");
}

static void test_aws__another_process_finds_the_machine_in_whichever_subnet_it_is(void **state)
{
    AUTO_BED struct bed *b = network_bed();
    struct instance got;
    struct err e;

    (void)state;
    lose_the_second_subnets_answer(b);
    bed_reopen(b, 20000);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_string_equal(got.id, b->cloud.machines[0].id);
    assert_int_equal(b->cloud.made, 1);
}

static void test_aws__subnets_and_groups_stay_in_the_accounts_region(void **state)
{
    AUTO_BED struct bed *b = network_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.region = "us-east-2";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_string_equal(got.region, "us-east-2");
    assert_int_equal(raw_count(b->server), 2);
    lacks(b, 1, "SubnetId");
    lacks(b, 1, "SecurityGroupId.1");
    has(b, 1, "IamInstanceProfile.Name", "muster-machine");
    assert_non_null(strstr(raw_header(raw_get(b->server, 1), "Authorization"), "/us-east-2/ec2/aws4_request"));
}

/* ---- images ---- */

static void test_aws__an_alias_becomes_the_newest_image_and_is_remembered(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "ubuntu2204";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    o.r.token = "muster-b-0-0";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_int_equal(raw_count(b->server), 3);
    has(b, 0, "Action", "DescribeImages");
    has(b, 0, "Owner.1", "099720109477");
    has(b, 0, "Filter.1.Name", "name");
    has(b, 0, "Filter.1.Value.1", "ubuntu/images/hvm-ssd*/ubuntu-jammy-22.04-amd64-server-*");
    has(b, 0, "Filter.2.Value.1", "available");
    has(b, 0, "Filter.3.Value.1", "x86_64");
    has(b, 1, "ImageId", "ami-0000000000000000c");
    has(b, 2, "ImageId", "ami-0000000000000000c");
}

static void test_aws__a_parameter_of_systems_manager_names_the_image(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "ssm:/aws/service/debian/release/12/latest/amd64";
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_string_equal(body_of(b, 0), "{\"Name\":\"/aws/service/debian/release/12/latest/amd64\"}");
    assert_string_equal(raw_header(raw_get(b->server, 0), "X-Amz-Target"), "AmazonSSM.GetParameter");
    has(b, 1, "ImageId.1", "ami-0000000000000000d");
    has(b, 2, "ImageId", "ami-0000000000000000d");
}

static void test_aws__no_image_under_a_pattern_says_where_was_looked(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.image = "self/ci-runner-*";
    answer_always(b, 200, "no-images.xml", &body);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "no image in eu-west-1", e);
    assert_non_null(strstr(e.msg, "ci-runner-*"));
}

/* ---- states ---- */

static void described(const char *fixture, struct instance *got)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance ref = bed_ref(b, "i-0aaaaaaaaaaaaaaa1", "muster-1");
    struct err e;

    answer_always(b, 200, fixture, &body);
    assert_ok(b->ops->describe(b->p, &ref, got, &e), e);
}

static void test_aws__no_room_after_the_launch_is_gone_for_lack_of_capacity(void **state)
{
    struct instance got;

    (void)state;
    described("no-capacity-after-launch.xml", &got);
    assert_int_equal(got.state, INSTANCE_GONE);
    assert_int_equal(got.why, ERR_CAPACITY);
    assert_non_null(strstr(got.detail, "Insufficient capacity"));
}

static void test_aws__spot_taken_back_is_ending_for_lack_of_capacity(void **state)
{
    struct instance got;

    (void)state;
    described("spot-taken-back.xml", &got);
    assert_int_equal(got.state, INSTANCE_ENDING);
    assert_int_equal(got.why, ERR_CAPACITY);
}

static int see(void *arg, const struct instance *i, struct err *e)
{
    struct instance **next = arg;

    (void)e;
    *(*next)++ = *i;
    return 0;
}

static void test_aws__a_recorded_page_reads_as_what_it_says(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance got[4] = {{.why = ERR_NONE}}, *next = got;
    struct err e;

    (void)state;
    answer_always(b, 200, "list-page-2.xml", &body);
    assert_ok(b->ops->list(b->p, NULL, see, &next, &e), e);
    assert_int_equal(next - got, 1);
    assert_string_equal(got[0].id, "i-0aaaaaaaaaaaaaaa3");
    assert_string_equal(got[0].name, "muster-3");
    assert_string_equal(got[0].region, "eu-west-1");
    assert_int_equal(got[0].state, INSTANCE_ENDING);
    assert_int_equal(got[0].why, ERR_NONE);
    assert_int_equal(got[0].created_ms, 1714564800000);
    assert_int_equal(got[0].expires_ms, 1714651200000);
    assert_string_equal(got[0].detail, "Client.UserInitiatedShutdown: User initiated shutdown");
}

static void test_aws__pages_that_repeat_themselves_fail_the_list(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance got[8], *next = got;
    struct err e;

    (void)state;
    answer_always(b, 200, "list-page-1.xml", &body);
    assert_fails(b->ops->list(b->p, NULL, see, &next, &e), ERR_RETRY, "names itself", e);
    has(b, 1, "NextToken", "eyJ2IjoiMiIsImMiOiJhYmM+/w==");
}

static void test_aws__an_answer_about_another_machine_is_not_believed(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance ref = bed_ref(b, "i-0bbbbbbbbbbbbbbb1", "muster-1"), got;
    struct err e;

    (void)state;
    answer_always(b, 200, "no-capacity-after-launch.xml", &body);
    assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_RETRY, "i-0bbbbbbbbbbbbbbb1", e);
}

static void test_aws__a_truncated_page_is_no_empty_page(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance got[8], *next = got;
    struct err e;

    (void)state;
    answer_always(b, 200, "truncated.xml", &body);
    assert_fails(b->ops->list(b->p, NULL, see, &next, &e), ERR_RETRY, "makes no sense: XML line", e);
    assert_ptr_equal(next, got);
}

static void test_aws__a_machine_not_visible_yet_is_not_gone(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance made, got;
    struct err e;

    (void)state;
    clock_test_set(1714564800000);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &made, &e), e);
    answer_always(b, 400, "not-found.xml", &body);
    assert_ok(b->ops->describe(b->p, &made, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_PENDING);
    assert_string_equal(got.id, made.id);
    assert_fails(b->ops->destroy(b->p, &made, &e), ERR_RETRY, "not visible yet", e);
    clock_test_advance(3 * 60 * 1000);
    assert_ok(b->ops->describe(b->p, &made, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    assert_ok(b->ops->destroy(b->p, &made, &e), e);
    clock_test_release();
}

static void test_aws__a_machine_we_ended_may_be_forgotten_at_once(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *body = NULL;
    struct instance made, got;
    struct err e;

    (void)state;
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &made, &e), e);
    assert_ok(b->ops->destroy(b->p, &made, &e), e);
    answer_always(b, 400, "not-found.xml", &body);
    assert_ok(b->ops->describe(b->p, &made, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
}

/* ---- the spec ---- */

static void test_aws__a_spec_is_checked_offline_with_a_remedy(void **state)
{
    static const struct {
        const char *region, *type, *image, *piece;
    } rows[] = {{"eu-west-1a", "g4dn.xlarge", "ubuntu2204", "name the region, eu-west-1"},
                {"EU", "g4dn.xlarge", "ubuntu2204", "write it like eu-west-1"},
                {"x.evil.com/-1", "g4dn.xlarge", "ubuntu2204", "not an AWS region"},
                {NULL, "g4dn", "ubuntu2204", "not written like g4dn.xlarge"},
                {NULL, "g4dn.xlarge&X=1", "ubuntu2204", "not written like g4dn.xlarge"},
                {NULL, "g4dn.xlarge", "ubuntu2205", "did you mean ubuntu2204"},
                {NULL, "t4g.small", "windows2022", "not published for arm64"},
                {NULL, "g4dn.xlarge", "ubuntu2204-arm64", "does not run on"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct machine_spec s = {
            .cloud = "aws", .region = rows[i].region, .instance_type = rows[i].type, .image = rows[i].image};
        struct err e;

        assert_fails(b->ops->check(b->p, &s, &e), ERR_INVALID, rows[i].piece, e);
    }
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- the account ---- */

static const char *no_variables(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static int open_with(const char *name, const char *value, struct err *e)
{
    const struct provider_ops *ops = registry_find("aws");
    struct provider_env env = {.deployment = BED_DEPLOYMENT, .getenv_fn = no_variables};
    AUTO_CONF struct conf *acct = conf_new("clouds.aws", ops->account_keys);
    struct provider *p = NULL;
    int rc;

    assert_ok(conf_set(acct, name, value, "the test", e), *e);
    rc = ops->open(acct, &env, &p, e);
    ops->close(p);
    return rc;
}

static void test_aws__half_a_pair_of_keys_is_refused_at_start(void **state)
{
    struct err e;

    (void)state;
    assert_fails(open_with("access_key_id", "AKIAEXAMPLE", &e), ERR_INVALID, "go together", e);
    assert_fails(open_with("secret_access_key", "s", &e), ERR_INVALID, "go together", e);
    assert_fails(open_with("region", "us-east-1a", &e), ERR_INVALID, "clouds.aws.region", e);
}

static void test_aws__a_missing_region_is_named_when_it_is_needed(void **state)
{
    const struct provider_ops *ops = registry_find("aws");
    struct provider_env env = {.deployment = BED_DEPLOYMENT, .getenv_fn = no_variables};
    AUTO_CONF struct conf *acct = conf_new("clouds.aws", ops->account_keys);
    struct machine_spec s = {.cloud = "aws", .instance_type = "g4dn.xlarge", .image = "ubuntu2204"};
    struct provider *p = NULL;
    struct err e;

    (void)state;
    assert_ok(ops->open(acct, &env, &p, &e), e);
    assert_fails(ops->check(p, &s, &e), ERR_INVALID, "AWS_REGION", e);
    s.region = "eu-north-1";
    assert_ok(ops->check(p, &s, &e), e);
    ops->close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws__a_launch_asks_for_one_instance_that_ends_with_its_guest),
        cmocka_unit_test(test_aws__everything_a_launch_creates_carries_the_tags),
        cmocka_unit_test(test_aws__a_spot_launch_asks_once_and_tags_its_request),
        cmocka_unit_test(test_aws__disks_are_mapped_and_end_with_the_machine),
        cmocka_unit_test(test_aws__volumes_that_the_image_keeps_end_with_the_machine_too),
        cmocka_unit_test(test_aws__a_full_subnet_leads_to_the_next_one_with_another_token),
        cmocka_unit_test(test_aws__what_is_not_offered_is_remembered_only_if_no_subnet_offers_it),
        cmocka_unit_test(test_aws__a_repetition_begins_with_the_subnet_whose_answer_was_lost),
        cmocka_unit_test(test_aws__another_process_finds_the_machine_in_whichever_subnet_it_is),
        cmocka_unit_test(test_aws__subnets_and_groups_stay_in_the_accounts_region),
        cmocka_unit_test(test_aws__an_alias_becomes_the_newest_image_and_is_remembered),
        cmocka_unit_test(test_aws__a_parameter_of_systems_manager_names_the_image),
        cmocka_unit_test(test_aws__no_image_under_a_pattern_says_where_was_looked),
        cmocka_unit_test(test_aws__no_room_after_the_launch_is_gone_for_lack_of_capacity),
        cmocka_unit_test(test_aws__spot_taken_back_is_ending_for_lack_of_capacity),
        cmocka_unit_test(test_aws__a_recorded_page_reads_as_what_it_says),
        cmocka_unit_test(test_aws__pages_that_repeat_themselves_fail_the_list),
        cmocka_unit_test(test_aws__an_answer_about_another_machine_is_not_believed),
        cmocka_unit_test(test_aws__a_truncated_page_is_no_empty_page),
        cmocka_unit_test(test_aws__a_machine_not_visible_yet_is_not_gone),
        cmocka_unit_test(test_aws__a_machine_we_ended_may_be_forgotten_at_once),
        cmocka_unit_test(test_aws__a_spec_is_checked_offline_with_a_remedy),
        cmocka_unit_test(test_aws__half_a_pair_of_keys_is_refused_at_start),
        cmocka_unit_test(test_aws__a_missing_region_is_named_when_it_is_needed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
