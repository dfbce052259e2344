/* The simulated EC2 is a judge: these tests show that it refuses what EC2 refuses. Signatures are libcurl's own. */
#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_ec2.h"
#include "tests/sim/sim_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CREDENTIALS SIM_EC2_KEY ":" SIM_EC2_SECRET
#define SIGV4 "aws:amz:us-east-1:ec2"
#define RUN                                                                                                            \
    "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1&InstanceType=g4dn.xlarge&ImageId=" SIM_EC2_IMAGE
#define LIST "Action=DescribeInstances&Version=2016-11-15"

static int set_up(void **state)
{
    struct sim_ec2_conf c = {.seed = 5};
    struct sim_ec2 *s = NULL;
    struct err e;

    if (sim_ec2_start(&c, &s, &e) != 0)
        return -1;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    clock_test_release();
    sim_ec2_free(*state);
    return 0;
}

static struct sim_reply send_as(struct sim_ec2 *s, const char *userpwd, const char *token, const char *body)
{
    char url[128], header[600];
    struct sim_call c = {.method = "POST", .url = url, .body = body, .sigv4 = SIGV4, .userpwd = userpwd};
    struct sim_reply r;

    (void)snprintf(url, sizeof(url), "%s/", sim_ec2_url(s));
    if (token != NULL) {
        (void)snprintf(header, sizeof(header), "X-Amz-Security-Token: %s", token);
        c.headers[0] = header;
    }
    sim_do(&c, &r);
    return r;
}

static int ask(struct sim_ec2 *s, const char *body, const char *expected)
{
    struct sim_reply r = send_as(s, CREDENTIALS, NULL, body);
    int status = r.status;

    if (expected != NULL && (r.body.p == NULL || strstr(r.body.p, expected) == NULL))
        fail_msg("expected %s in:\n%s", expected, r.body.p != NULL ? r.body.p : "(nothing)");
    sim_reply_clear(&r);
    return status;
}

static void no_violation(struct sim_ec2 *s)
{
    struct buf b = BUF_INIT(65536);

    sim_http_violation_text(sim_ec2_http(s), &b);
    if (b.len != 0)
        fail_msg("violations:\n%s", b.p);
    buf_clear(&b);
}

static void expect_violation(struct sim_ec2 *s)
{
    assert_true(sim_http_violations(sim_ec2_http(s)) > 0);
    sim_http_violations_clear(sim_ec2_http(s));
}

static void test_sim_ec2__signatures_are_verified(void **state)
{
    struct sim_ec2 *s = *state;
    struct sim_reply r;

    assert_int_equal(ask(s, LIST, "<reservationSet>"), 200);
    no_violation(s);
    r = send_as(s, SIM_EC2_KEY ":another", NULL, LIST);
    assert_int_equal(r.status, 401);
    assert_non_null(strstr(r.body.p, "<Code>AuthFailure</Code>"));
    sim_reply_clear(&r);
    expect_violation(s);
    r = send_as(s, "AKIDUNKNOWN:x", NULL, LIST);
    assert_int_equal(r.status, 401);
    sim_reply_clear(&r);
}

static void test_sim_ec2__an_unsigned_or_old_request_is_refused(void **state)
{
    struct sim_ec2 *s = *state;
    char url[128];
    struct sim_call c = {.method = "POST", .url = url, .body = LIST};
    struct sim_reply r;

    (void)snprintf(url, sizeof(url), "%s/", sim_ec2_url(s));
    sim_do(&c, &r);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body.p, "MissingAuthenticationToken"));
    sim_reply_clear(&r);
    expect_violation(s);
    clock_test_set(clock_now_ms() + 16 * 60 * 1000);
    assert_int_equal(ask(s, LIST, "RequestExpired"), 400);
    no_violation(s);
}

static void test_sim_ec2__a_session_token_must_come_along_signed(void **state)
{
    struct sim_ec2 *s = *state;
    struct sim_reply r;

    sim_ec2_add_key(s, "ASIATEMP", "tempsecret", "the/token+with==");
    r = send_as(s, "ASIATEMP:tempsecret", "the/token+with==", LIST);
    assert_int_equal(r.status, 200);
    sim_reply_clear(&r);
    no_violation(s);
    r = send_as(s, "ASIATEMP:tempsecret", NULL, LIST);
    assert_int_equal(r.status, 401);
    sim_reply_clear(&r);
    expect_violation(s);
    sim_ec2_expire_key(s, "ASIATEMP");
    r = send_as(s, "ASIATEMP:tempsecret", "the/token+with==", LIST);
    assert_int_equal(r.status, 400);
    assert_non_null(strstr(r.body.p, "RequestExpired"));
    sim_reply_clear(&r);
}

/* PROVIDERS.md trap 1: names of the SDK are not those of the wire; aws_botocore.py checks ours against AWS's model. */
static void test_sim_ec2__parameters_are_held_against_the_shape(void **state)
{
    struct sim_ec2 *s = *state;
    static const struct {
        const char *body, *code;
    } wrong[] = {
        {"Version=2016-11-15", "MissingAction"},
        {"Action=DescribeInstances", "MissingParameter"},
        {"Action=DescribeInstances&Version=2011-01-01", "NoSuchVersion"},
        {"Action=LaunchInstances&Version=2016-11-15", "InvalidAction"},
        {"Action=RunInstances&Version=2016-11-15&MinCount=1&ImageId=" SIM_EC2_IMAGE, "MissingParameter"},
        {RUN "&TagSpecifications.1.ResourceType=instance", "UnknownParameter"},
        {RUN "&Userdata=x", "UnknownParameter"},
        {RUN "&InstanceInitiatedShutdownBehavior=destroy", "InvalidParameterValue"},
        {RUN "&EbsOptimized=yes", "InvalidParameterValue"},
        {RUN "&TagSpecification.2.ResourceType=instance", "InvalidParameterValue"},
        {RUN "&TagSpecification.0.ResourceType=instance", "UnknownParameter"},
        {RUN "&KeyName=a&KeyName=b", "MalformedQueryString"},
        {RUN "&KeyName=%zz", "MalformedQueryString"},
        {"Action=TerminateInstances&Version=2016-11-15", "MissingParameter"},
        {LIST "&Filter.1.Name=instance-name&Filter.1.Value.1=x", "InvalidParameterValue"},
        {LIST "&MaxResults=4", "InvalidParameterValue"},
        {LIST "&NextToken=bm9uZQ==", "InvalidPaginationToken"},
    };

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(ask(s, wrong[i].body, wrong[i].code), 400);
        expect_violation(s);
    }
    assert_int_equal(sim_ec2_count(s), 0);
}

static void test_sim_ec2__launches_are_checked_as_ec2_checks_them(void **state)
{
    struct sim_ec2 *s = *state;
    static const char base[] = "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1";
    static const struct {
        const char *rest, *code;
    } wrong[] = {
        {"&InstanceType=g4dn.xlarge&ImageId=ami-00000000", "InvalidAMIID.NotFound"},
        {"&InstanceType=g4dn.huge&ImageId=" SIM_EC2_IMAGE, "InvalidParameterValue"},
        {"&InstanceType=g5g.xlarge&ImageId=" SIM_EC2_IMAGE, "InvalidParameterValue"},
        {"&InstanceType=g4dn.xlarge&SubnetId=subnet-x&ImageId=" SIM_EC2_IMAGE, "InvalidSubnetID.NotFound"},
        {"&InstanceType=g4dn.xlarge&SecurityGroupId.1=sg-x&ImageId=" SIM_EC2_IMAGE, "InvalidGroup.NotFound"},
        {"&InstanceType=g4dn.xlarge&KeyName=x&ImageId=" SIM_EC2_IMAGE, "InvalidKeyPair.NotFound"},
        {"&InstanceType=g4dn.xlarge&UserData=%3F&ImageId=" SIM_EC2_IMAGE, "InvalidUserData.Malformed"},
        {"&NetworkInterface.1.DeviceIndex=0&SubnetId=" SIM_EC2_SUBNET_A "&ImageId=" SIM_EC2_IMAGE,
         "InvalidParameterValue"},
        {"&InstanceType=t3.micro&TagSpecification.1.ResourceType=spot-instances-request&TagSpecification.1.Tag.1.Key=a&"
         "ImageId=" SIM_EC2_IMAGE,
         "InvalidParameterValue"},
        {"&InstanceType=t3.micro&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=aws:x&"
         "ImageId=" SIM_EC2_IMAGE,
         "InvalidParameterValue"},
        {"&InstanceType=t3.micro&BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.VolumeSize=2&"
         "ImageId=" SIM_EC2_IMAGE,
         "InvalidBlockDeviceMapping"},
    };
    char body[600];

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        (void)snprintf(body, sizeof(body), "%s%s", base, wrong[i].rest);
        assert_int_equal(ask(s, body, wrong[i].code), 400);
    }
    assert_int_equal(sim_ec2_count(s), 0);
}

static void test_sim_ec2__user_data_ends_at_16384_bytes(void **state)
{
    struct sim_ec2 *s = *state;
    struct buf data = BUF_INIT(65536), b64 = BUF_INIT(65536), body = BUF_INIT(262144);
    char *got;
    struct sim_instance i;

    for (int n = 0; n < 2; n++) {
        buf_reset(&data);
        buf_reset(&b64);
        buf_reset(&body);
        while (data.len < 16384 + (size_t)n)
            buf_addc(&data, 'x');
        sim_base64(&b64, data.p, data.len);
        buf_adds(&body, RUN "&UserData=");
        sim_url_encode(&body, b64.p, b64.len);
        assert_int_equal(ask(s, body.p, n == 0 ? "<instanceId>i-" : "limited to 16384 bytes"), n == 0 ? 200 : 400);
    }
    assert_true(sim_ec2_at(s, 0, &i));
    got = sim_ec2_user_data(s, i.id);
    assert_int_equal(strlen(got), 16384);
    free(got);
    buf_clear(&data);
    buf_clear(&b64);
    buf_clear(&body);
}

static void test_sim_ec2__a_client_token_launches_once(void **state)
{
    struct sim_ec2 *s = *state;

    assert_int_equal(ask(s, RUN "&ClientToken=abc", "pending"), 200);
    assert_int_equal(ask(s, RUN "&ClientToken=abc", "<instanceId>i-"), 200);
    assert_int_equal(sim_ec2_count(s), 1);
    no_violation(s);
    assert_int_equal(ask(s, RUN "&ClientToken=abc&EbsOptimized=true", "IdempotentParameterMismatch"), 400);
    assert_int_equal(sim_ec2_count(s), 1);
}

static void test_sim_ec2__states_follow_the_clock(void **state)
{
    struct sim_ec2 *s = *state;
    struct sim_instance i;
    char body[128];

    clock_test_set(clock_now_ms());
    assert_int_equal(ask(s, RUN, "<name>pending</name>"), 200);
    assert_true(sim_ec2_at(s, 0, &i));
    clock_test_advance(20);
    assert_int_equal(ask(s, LIST "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running", i.id), 200);
    (void)snprintf(body, sizeof(body), "Action=TerminateInstances&Version=2016-11-15&InstanceId.1=%s", i.id);
    assert_int_equal(ask(s, body, "<name>shutting-down</name>"), 200);
    assert_int_equal(sim_ec2_live(s), 0);
    clock_test_advance(20);
    assert_int_equal(ask(s, LIST, "<name>terminated</name>"), 200);
    assert_int_equal(ask(s, body, "<name>terminated</name>"), 200); /* again: fine */
    clock_test_advance(61 * 60 * 1000);
    clock_test_release();
    assert_int_equal(ask(s, "Action=TerminateInstances&Version=2016-11-15&InstanceId.1=i-0123", "NotFound"), 400);
    no_violation(s);
}

static void test_sim_ec2__capacity_quota_and_market_refuse_with_their_codes(void **state)
{
    struct sim_ec2 *s = *state;

    sim_ec2_capacity(s, "g4dn.xlarge", "us-east-1a", SIM_MARKET_ANY, 1);
    assert_int_equal(ask(s, RUN "&SubnetId=" SIM_EC2_SUBNET_A, "us-east-1a"), 200);
    assert_int_equal(ask(s, RUN "&SubnetId=" SIM_EC2_SUBNET_A, "InsufficientInstanceCapacity"), 500);
    assert_int_equal(ask(s, RUN, "us-east-1b"), 200); /* no zone asked for: one that has room */
    sim_ec2_capacity(s, NULL, NULL, SIM_MARKET_SPOT, 0);
    assert_int_equal(ask(s, RUN "&InstanceMarketOptions.MarketType=spot", "no Spot capacity available"), 500);
    sim_ec2_unsupported(s, "g4dn.xlarge", "us-east-1c");
    assert_int_equal(ask(s, RUN "&SubnetId=" SIM_EC2_SUBNET_C, "<Code>Unsupported</Code>"), 400);
    sim_ec2_vcpu_limit(s, 8, -1);
    assert_int_equal(ask(s, RUN, "VcpuLimitExceeded"), 400); /* two times four are there */
    sim_ec2_spot_price(s, "0.2");
    assert_int_equal(ask(s, RUN "&InstanceMarketOptions.MarketType=spot&InstanceMarketOptions.SpotOptions.MaxPrice=0.1",
                         "SpotMaxPriceTooLow"),
                     400);
    sim_ec2_fault(s, "RunInstances", 503, "RequestLimitExceeded", "Request limit exceeded.", 1, 0);
    assert_int_equal(ask(s, RUN, "RequestLimitExceeded"), 503);
    no_violation(s);
}

static void test_sim_ec2__lists_come_in_pages_bound_to_their_question(void **state)
{
    struct sim_ec2 *s = *state;
    char body[800];
    struct sim_reply r;
    const char *p;
    struct buf token = BUF_INIT(1024);

    for (int k = 0; k < 7; k++)
        assert_int_equal(ask(s, RUN, NULL), 200);
    r = send_as(s, CREDENTIALS, NULL, LIST "&MaxResults=5");
    p = strstr(r.body.p, "<nextToken>");
    assert_non_null(p);
    sim_url_encode(&token, p + 11, strcspn(p + 11, "<"));
    sim_reply_clear(&r);
    (void)snprintf(body, sizeof(body), LIST "&MaxResults=5&NextToken=%s", token.p);
    r = send_as(s, CREDENTIALS, NULL, body);
    assert_int_equal(r.status, 200);
    assert_null(strstr(r.body.p, "<nextToken>"));
    sim_reply_clear(&r);
    no_violation(s);
    (void)snprintf(body, sizeof(body), LIST "&MaxResults=5&Filter.1.Name=tag:a&Filter.1.Value.1=b&NextToken=%s",
                   token.p);
    assert_int_equal(ask(s, body, "InvalidPaginationToken"), 400);
    buf_clear(&token);
}

static void test_sim_ec2__a_tag_filter_finds_its_instance_and_no_other(void **state)
{
    struct sim_ec2 *s = *state;
    struct sim_instance i;
    char value[64];

    assert_int_equal(ask(s,
                         RUN "&TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=muster-machine&"
                             "TagSpecification.1.Tag.1.Value=muster-a%26b",
                         "muster-a&amp;b"),
                     200);
    assert_int_equal(ask(s, RUN, NULL), 200);
    assert_true(sim_ec2_find(s, "muster-a&b", &i));
    assert_true(sim_ec2_tag(s, i.id, "muster-machine", value, sizeof(value)));
    assert_string_equal(value, "muster-a&b");
    assert_int_equal(ask(s, LIST "&Filter.1.Name=tag:muster-machine&Filter.1.Value.1=muster-a%26b", i.id), 200);
    assert_int_equal(ask(s, LIST "&Filter.1.Name=tag:muster-machine&Filter.1.Value.1=other",
                         "<reservationSet>\n    </reservationSet>"),
                     200);
    no_violation(s);
}

static void test_sim_ec2__power_off_ends_what_was_told_to_die_with_it(void **state)
{
    struct sim_ec2 *s = *state;
    struct sim_instance i;

    assert_int_equal(ask(s, RUN "&InstanceInitiatedShutdownBehavior=terminate", NULL), 200);
    assert_int_equal(ask(s, RUN, NULL), 200);
    assert_true(sim_ec2_at(s, 0, &i));
    sim_ec2_power_off(s, i.id);
    assert_true(sim_ec2_at(s, 1, &i));
    sim_ec2_power_off(s, i.id);
    assert_true(sim_ec2_at(s, 0, &i));
    assert_int_not_equal(i.state, SIM_STOPPED);
    assert_string_equal(i.reason, "Client.InstanceInitiatedShutdown");
    assert_true(sim_ec2_at(s, 1, &i));
    assert_int_equal(i.state, SIM_STOPPED); /* its disk costs on */
    assert_int_equal(sim_ec2_live(s), 1);
}

static void test_sim_ec2__images_are_found_by_name_and_owner(void **state)
{
    struct sim_ec2 *s = *state;
    static const char ask_ubuntu[] =
        "Action=DescribeImages&Version=2016-11-15&Owner.1=099720109477&Filter.1.Name=name&Filter.1.Value.1="
        "ubuntu/images/%2A/ubuntu-jammy-22.04-amd64-server-%2A&Filter.2.Name=state&Filter.2.Value.1=available";
    struct sim_reply r = send_as(s, CREDENTIALS, NULL, ask_ubuntu);

    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body.p, SIM_EC2_IMAGE));
    assert_non_null(strstr(r.body.p, SIM_EC2_IMAGE_OLD));
    assert_null(strstr(r.body.p, SIM_EC2_IMAGE_ARM));
    sim_reply_clear(&r);
    no_violation(s);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_sim_ec2__signatures_are_verified),
        CASE(test_sim_ec2__an_unsigned_or_old_request_is_refused),
        CASE(test_sim_ec2__a_session_token_must_come_along_signed),
        CASE(test_sim_ec2__parameters_are_held_against_the_shape),
        CASE(test_sim_ec2__launches_are_checked_as_ec2_checks_them),
        CASE(test_sim_ec2__user_data_ends_at_16384_bytes),
        CASE(test_sim_ec2__a_client_token_launches_once),
        CASE(test_sim_ec2__states_follow_the_clock),
        CASE(test_sim_ec2__capacity_quota_and_market_refuse_with_their_codes),
        CASE(test_sim_ec2__lists_come_in_pages_bound_to_their_question),
        CASE(test_sim_ec2__a_tag_filter_finds_its_instance_and_no_other),
        CASE(test_sim_ec2__power_off_ends_what_was_told_to_die_with_it),
        CASE(test_sim_ec2__images_are_found_by_name_and_owner),
    };

    return cmocka_run_group_tests_name("sim_ec2", tests, NULL, NULL);
}
