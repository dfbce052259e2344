/*
 * The EC2 provider against the simulated EC2, which was made from AWS's own model without a look at the provider: it
 * verifies every signature and parameter. Each test ends without a single violation.
 */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/clock.h"
#include "tests/sim/sim_ec2.h"

#include <stdio.h>
#include <stdlib.h>

struct setting {
    const char *name, *value;
};

struct account {
    struct sim_ec2 *ec2;
    struct httpc *http;
    const struct provider_ops *ops;
    struct conf *conf;
    struct provider_env env;
    struct provider *p;
};

static const char *variable(void *arg, const char *name)
{
    const struct account *a = arg;

    if (strcmp(name, "AWS_ENDPOINT_URL") == 0)
        return sim_ec2_url(a->ec2);
    return strcmp(name, "AWS_EC2_METADATA_DISABLED") == 0 ? "true" : NULL;
}

static void set(struct account *a, const char *name, const char *value)
{
    struct err e;

    assert_ok(conf_set(a->conf, name, value, "the test", &e), e);
}

static void account_open(struct account *a, const struct sim_ec2_conf *sim, const struct setting *more, size_t n)
{
    struct err e;

    memset(a, 0, sizeof(*a));
    assert_ok(sim_ec2_start(sim, &a->ec2, &e), e);
    a->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    a->ops = registry_find("aws");
    a->conf = conf_new("clouds.aws", a->ops->account_keys);
    set(a, "region", "us-east-1");
    set(a, "access_key_id", SIM_EC2_KEY);
    set(a, "secret_access_key", SIM_EC2_SECRET);
    set(a, "endpoint_url", sim_ec2_url(a->ec2));
    for (size_t i = 0; i < n; i++)
        set(a, more[i].name, more[i].value);
    a->env = (struct provider_env){
        .http = a->http, .deployment = "muster", .getenv_fn = variable, .getenv_arg = a, .timeout_ms = 20000};
    assert_ok(a->ops->open(a->conf, &a->env, &a->p, &e), e);
}

/* The judge's verdict comes last. */
static void account_close(struct account *a)
{
    AUTO_BUF struct buf violations = BUF_INIT(65536);

    sim_http_violation_text(sim_ec2_http(a->ec2), &violations);
    a->ops->close(a->p);
    httpc_free(a->http);
    conf_free(a->conf);
    sim_ec2_free(a->ec2);
    if (violations.len > 0)
        fail_msg("EC2 would not take: %s", violations.p);
}

static const struct setting subnets[] = {{"subnet_ids", SIM_EC2_SUBNET_A "," SIM_EC2_SUBNET_B "," SIM_EC2_SUBNET_C},
                                         {"security_group_ids", SIM_EC2_GROUP},
                                         {"instance_profile", SIM_EC2_PROFILE}};

static int launch(struct account *a, const struct machine_spec *s, const char *name, struct instance *out,
                  struct err *e)
{
    struct tag tags[] = {{TAG_DEPLOYMENT, "muster"},
                         {TAG_MACHINE, name},
                         {TAG_JOB, "42"},
                         {TAG_REPOSITORY, "octo/hello"},
                         {TAG_EXPIRES, "1714572000"}};
    struct secret *data = secret_new("#!/bin/sh\n", 10);
    struct launch_request r = {
        .spec = s, .name = name, .token = name, .user_data = data, .tags = tags, .n_tags = ARRAY_LEN(tags)};
    int rc = a->ops->launch(a->p, &r, out, e);

    secret_free(data);
    return rc;
}

static const struct machine_spec sound = {.cloud = "aws", .instance_type = "g4dn.xlarge", .image = SIM_EC2_IMAGE};

static struct sim_instance simulated(struct account *a, const char *id)
{
    struct sim_instance i;

    assert_true(sim_ec2_find(a->ec2, id, &i));
    return i;
}

static void test_aws_sim__a_machine_lives_from_launch_to_gone(void **state)
{
    struct account a;
    struct instance got, again, seen;
    char tag[300];
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    assert_ok(launch(&a, &sound, "muster-a", &got, &e), e);
    assert_ok(launch(&a, &sound, "muster-a", &again, &e), e);
    assert_string_equal(got.id, again.id);
    assert_int_equal(sim_ec2_count(a.ec2), 1);
    assert_true(sim_ec2_tag(a.ec2, got.id, TAG_EXPIRES, tag, sizeof(tag)));
    assert_string_equal(tag, "1714572000");
    assert_ok(a.ops->describe(a.p, &got, &seen, &e), e);
    assert_string_equal(seen.name, "muster-a");
    assert_true(seen.created_ms > 0);
    assert_ok(a.ops->destroy(a.p, &got, &e), e);
    assert_true(sim_ec2_wait_live(a.ec2, 0, 5000));
    assert_ok(a.ops->describe(a.p, &got, &seen, &e), e);
    assert_true(seen.state == INSTANCE_ENDING || seen.state == INSTANCE_GONE);
    assert_ok(a.ops->destroy(a.p, &got, &e), e);
    account_close(&a);
}

static void test_aws_sim__a_guest_that_powers_off_is_terminated(void **state)
{
    struct account a;
    struct instance got;
    struct sim_instance i;
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    assert_ok(launch(&a, &sound, "muster-a", &got, &e), e);
    assert_ok(a.ops->describe(a.p, &got, &got, &e), e);
    sim_ec2_power_off(a.ec2, got.id);
    assert_true(sim_ec2_wait_live(a.ec2, 0, 5000));
    i = simulated(&a, got.id);
    assert_true(i.state == SIM_SHUTTING_DOWN || i.state == SIM_TERMINATED);
    account_close(&a);
}

static void test_aws_sim__a_full_zone_leads_to_the_next_subnet(void **state)
{
    struct account a;
    struct instance got;
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, subnets, ARRAY_LEN(subnets));
    sim_ec2_capacity(a.ec2, "g4dn.xlarge", "us-east-1a", SIM_MARKET_ANY, 0);
    sim_ec2_unsupported(a.ec2, "g4dn.xlarge", "us-east-1b");
    assert_ok(launch(&a, &sound, "muster-a", &got, &e), e);
    assert_string_equal(simulated(&a, got.id).subnet, SIM_EC2_SUBNET_C);
    sim_ec2_capacity(a.ec2, NULL, NULL, SIM_MARKET_ANY, 0);
    assert_fails(launch(&a, &sound, "muster-b", &got, &e), ERR_CAPACITY, "", e);
    account_close(&a);
}

static void test_aws_sim__spot_is_refused_and_taken_back_for_capacity(void **state)
{
    struct machine_spec spot = sound;
    struct account a;
    struct instance got;
    struct err e;

    (void)state;
    spot.spot = true;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    assert_ok(launch(&a, &spot, "muster-a", &got, &e), e);
    assert_true(simulated(&a, got.id).spot);
    sim_ec2_interrupt(a.ec2, got.id);
    assert_true(sim_ec2_wait_live(a.ec2, 0, 5000));
    assert_ok(a.ops->describe(a.p, &got, &got, &e), e);
    assert_int_equal(got.why, ERR_CAPACITY);
    sim_ec2_capacity(a.ec2, NULL, NULL, SIM_MARKET_SPOT, 0);
    assert_fails(launch(&a, &spot, "muster-b", &got, &e), ERR_CAPACITY, "", e);
    sim_ec2_vcpu_limit(a.ec2, 0, 0);
    assert_fails(launch(&a, &sound, "muster-c", &got, &e), ERR_QUOTA, "", e);
    account_close(&a);
}

static void test_aws_sim__images_are_found_by_alias_pattern_and_parameter(void **state)
{
    static const struct {
        const char *image, *type, *id;
    } rows[] = {{"ubuntu2204", "g4dn.xlarge", SIM_EC2_IMAGE},
                {"ubuntu2204", "t4g.small", SIM_EC2_IMAGE_ARM},
                {"ubuntu2204-arm64", "t4g.small", SIM_EC2_IMAGE_ARM},
                {"099720109477/ubuntu/images/*jammy*amd64*", "g4dn.xlarge", SIM_EC2_IMAGE},
                {"ssm:/aws/service/test/ami", "g4dn.xlarge", SIM_EC2_IMAGE_OLD}};
    struct account a;
    struct instance got;
    char name[32];
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    sim_ec2_add_parameter(a.ec2, "/aws/service/test/ami", SIM_EC2_IMAGE_OLD);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct machine_spec s = {.cloud = "aws", .instance_type = rows[i].type, .image = rows[i].image};

        (void)snprintf(name, sizeof(name), "muster-%zu", i);
        assert_ok(launch(&a, &s, name, &got, &e), e);
        assert_string_equal(simulated(&a, got.id).image, rows[i].id);
    }
    account_close(&a);
}

#define DATA_IMAGE "ami-0d00000000000d474"

/* One whose second volume outlives its machine. */
static void add_data_image(struct account *a)
{
    sim_ec2_add_image(a->ec2, &(struct sim_image){.id = DATA_IMAGE,
                                                  .name = "training-7",
                                                  .owner_id = "123456789012",
                                                  .owner_alias = "self",
                                                  .architecture = "x86_64",
                                                  .created = "2024-05-14T12:00:00.000Z",
                                                  .data_device = "/dev/sdf"});
    sim_ec2_add_parameter(a->ec2, "/aws/service/test/ami", DATA_IMAGE);
}

static void launch_and_end(struct account *a, const char *image, const char *name)
{
    const struct machine_spec s = {.cloud = "aws", .instance_type = "g4dn.xlarge", .image = image};
    struct instance got;
    struct err e;

    assert_ok(launch(a, &s, name, &got, &e), e);
    assert_string_equal(simulated(a, got.id).image, DATA_IMAGE);
    assert_ok(a->ops->destroy(a->p, &got, &e), e);
}

static void test_aws_sim__no_volume_of_an_image_outlives_its_machine_however_it_was_named(void **state)
{
    struct account a;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    add_data_image(&a);
    launch_and_end(&a, DATA_IMAGE, "muster-a");
    launch_and_end(&a, "self/training-*", "muster-b");
    launch_and_end(&a, "ssm:/aws/service/test/ami", "muster-c");
    assert_int_equal(sim_ec2_volumes_left(a.ec2), 0);
    account_close(&a);
}

/* A refusal says nothing of the image, and is not remembered for as long as an answer. */
static void test_aws_sim__who_may_not_ask_for_images_launches_all_the_same_and_asks_again(void **state)
{
    struct account a;

    (void)state;
    clock_test_set(1714564800000);
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    add_data_image(&a);
    sim_http_fault(sim_ec2_http(a.ec2),
                   &(struct sim_fault){.op = "DescribeImages",
                                       .kind = SIM_FAULT_STATUS,
                                       .status = 403,
                                       .body =
                                           "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You "
                                           "are not authorized</Message></Error></Errors></Response>",
                                       .next = 1});
    launch_and_end(&a, DATA_IMAGE, "muster-a");
    assert_int_equal(sim_ec2_volumes_left(a.ec2), 1);
    clock_test_advance(61000);
    launch_and_end(&a, DATA_IMAGE, "muster-b");
    assert_int_equal(sim_ec2_volumes_left(a.ec2), 1);
    account_close(&a);
    clock_test_release();
}

static void test_aws_sim__a_role_is_assumed_before_anything_is_asked(void **state)
{
    static const struct setting role[] = {{"role_arn", SIM_EC2_ROLE_ARN}};
    struct account a;
    struct instance got;
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, role, ARRAY_LEN(role));
    assert_ok(launch(&a, &sound, "muster-a", &got, &e), e);
    assert_ok(launch(&a, &sound, "muster-b", &got, &e), e);
    assert_int_equal(sim_http_count(sim_ec2_http(a.ec2), "AssumeRole"), 1);
    account_close(&a);
}

static void test_aws_sim__a_machine_not_visible_yet_is_found_later_by_name(void **state)
{
    struct account a;
    struct instance got, ref = {.region = "us-east-1", .name = "muster-a"}, seen;
    struct err e;

    (void)state;
    clock_test_set(1714564800000);
    account_open(&a, &(struct sim_ec2_conf){.visible_after_ms = 10000}, NULL, 0);
    assert_ok(launch(&a, &sound, "muster-a", &got, &e), e);
    assert_ok(a.ops->describe(a.p, &got, &seen, &e), e);
    assert_int_equal(seen.state, INSTANCE_PENDING);
    assert_ok(a.ops->describe(a.p, &ref, &seen, &e), e);
    assert_int_equal(seen.state, INSTANCE_GONE);
    clock_test_advance(11000);
    assert_ok(a.ops->describe(a.p, &ref, &seen, &e), e);
    assert_string_equal(seen.id, got.id);
    assert_int_equal(seen.state, INSTANCE_RUNNING);
    account_close(&a);
    clock_test_release();
}

static int count(void *arg, const struct instance *i, struct err *e)
{
    (void)i;
    (void)e;
    (*(size_t *)arg)++;
    return 0;
}

static void test_aws_sim__the_list_holds_what_lives(void **state)
{
    struct account a;
    struct instance got;
    size_t n = 0;
    char name[32];
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    for (int i = 0; i < 12; i++) {
        (void)snprintf(name, sizeof(name), "muster-%d", i);
        assert_ok(launch(&a, &sound, name, &got, &e), e);
    }
    assert_ok(a.ops->list(a.p, NULL, count, &n, &e), e);
    assert_int_equal(n, 12);
    account_close(&a);
}

static int keep_region(void *arg, const char *region, struct err *e)
{
    (void)e;
    (void)snprintf(arg, 64, "%s", region);
    return 0;
}

static void test_aws_sim__the_regions_are_those_that_the_account_may_use(void **state)
{
    struct account a;
    char region[64] = "";
    struct err e;

    (void)state;
    account_open(&a, &(struct sim_ec2_conf){0}, NULL, 0);
    assert_ok(a.ops->regions(a.p, keep_region, region, &e), e);
    assert_string_equal(region, "us-east-1");
    account_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_sim__a_machine_lives_from_launch_to_gone),
        cmocka_unit_test(test_aws_sim__a_guest_that_powers_off_is_terminated),
        cmocka_unit_test(test_aws_sim__a_full_zone_leads_to_the_next_subnet),
        cmocka_unit_test(test_aws_sim__spot_is_refused_and_taken_back_for_capacity),
        cmocka_unit_test(test_aws_sim__images_are_found_by_alias_pattern_and_parameter),
        cmocka_unit_test(test_aws_sim__a_role_is_assumed_before_anything_is_asked),
        cmocka_unit_test(test_aws_sim__a_machine_not_visible_yet_is_found_later_by_name),
        cmocka_unit_test(test_aws_sim__the_list_holds_what_lives),
        cmocka_unit_test(test_aws_sim__no_volume_of_an_image_outlives_its_machine_however_it_was_named),
        cmocka_unit_test(test_aws_sim__who_may_not_ask_for_images_launches_all_the_same_and_asks_again),
        cmocka_unit_test(test_aws_sim__the_regions_are_those_that_the_account_may_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
