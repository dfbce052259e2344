/* The operator's policy: what is judged, and the sentences that say why not. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/conf.h"
#include "server/base/json.h"
#include "server/base/mem.h"
#include "server/engine/policy.h"
#include "server/engine/price.h"

#define LIST(...)                                                                                                      \
    {                                                                                                                  \
        true, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), (const char *const[])                 \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static const char *no_env(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static const struct provider_env env = {.deployment = "test", .getenv_fn = no_env};
static const struct provider_env privileged_env = {.deployment = "test", .getenv_fn = no_env, .allow_privileged = true};

/* A cloud's account, opened to look only. region: its default, or NULL. */
struct account {
    const struct provider_ops *ops;
    struct conf *conf;
    struct provider *p;
};

static void account_close(struct account *a)
{
    a->ops->close(a->p);
    conf_free(a->conf);
}

static struct account account_of(const char *cloud, const char *region, const struct provider_env *with)
{
    struct account a = {.ops = registry_find(cloud)};
    struct err e;

    a.conf = conf_new(cloud, a.ops->account_keys);
    if (region != NULL)
        assert_ok(conf_set(a.conf, strcmp(cloud, "gcp") == 0 ? "zone" : "region", region, "test", &e), e);
    assert_ok(a.ops->open(a.conf, with, &a.p, &e), e);
    return a;
}

#define AUTO_ACCOUNT AUTO(account_close)

static const struct policy any = {.max_hourly_price = -1};

static void allowed(const struct policy *p, const struct account *a, const struct machine_spec *s)
{
    struct err e;

    assert_ok(policy_check(p, a->ops, a->p, s, prices_known(s), &e), e);
}

static void denied(const struct policy *p, const struct account *a, const struct machine_spec *s, const char *why)
{
    struct err e;

    assert_fails(policy_check(p, a->ops, a->p, s, prices_known(s), &e), ERR_INVALID, why, e);
}

static void test_policy__no_rule_allows_everything(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("aws", "eu-west-1", &env);
    struct machine_spec s = {.cloud = "aws", .instance_type = "p5.48xlarge", .image = "ami-01234567"};
    struct err e;

    (void)state;
    allowed(&any, &a, &s);
    assert_ok(policy_check(NULL, a.ops, a.p, &s, -1, &e), e);
}

static void test_policy__a_cloud_goes_by_its_name_its_alias_and_by_patterns(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("digitalocean", "nyc3", &env);
    const struct machine_spec s = {.cloud = "digitalocean", .instance_type = "s-1vcpu-1gb", .image = "debian-12-x64"};
    const struct policy by_alias = {.clouds = LIST("aws", "do"), .max_hourly_price = -1};
    const struct policy by_pattern = {.clouds = LIST("d*"), .max_hourly_price = -1};
    const struct policy other = {.clouds = LIST("aws", "gcp"), .max_hourly_price = -1};
    const struct policy none = {.clouds = {.set = true}, .max_hourly_price = -1};

    (void)state;
    allowed(&by_alias, &a, &s);
    allowed(&by_pattern, &a, &s);
    denied(&other, &a, &s, "policy.allowed_clouds does not allow cloud digitalocean (allowed: aws, gcp)");
    denied(&none, &a, &s, "(allowed: none)");
}

static void test_policy__a_cloud_that_is_not_set_up_is_judged_by_its_name(void **state)
{
    const struct machine_spec s = {.cloud = "gcp"};
    const struct policy p = {.clouds = LIST("aws"), .regions = LIST("eu-*"), .max_hourly_price = -1};
    const struct policy fine = {.clouds = LIST("gcp"), .regions = LIST("eu-*"), .max_hourly_price = -1};
    struct err e;

    (void)state;
    assert_fails(policy_check(&p, NULL, NULL, &s, -1, &e), ERR_INVALID, "policy.allowed_clouds", e);
    assert_ok(policy_check(&fine, NULL, NULL, &s, -1, &e), e);
}

static void test_policy__instance_types_go_by_patterns_and_the_sentence_names_them(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("aws", "eu-west-1", &env);
    struct machine_spec s = {.cloud = "aws", .instance_type = "g4dn.xlarge", .image = "ami-01234567"};
    const struct policy p = {.types = LIST("g4dn.*", "g5.?large"), .max_hourly_price = -1};

    (void)state;
    allowed(&p, &a, &s);
    s.instance_type = "g5.xlarge";
    allowed(&p, &a, &s);
    s.instance_type = "g5.2xlarge";
    denied(&p, &a, &s,
           "policy.allowed_instance_types does not allow instance_type g5.2xlarge (allowed: g4dn.*, g5.?large)");
    s.instance_type = "xg4dn.xlarge";
    denied(&p, &a, &s, "policy.allowed_instance_types");
}

static void test_policy__the_accounts_own_region_is_judged_where_the_file_names_none(void **state)
{
    static const char *const clouds[][4] = {{"aws", "us-east-1", "t3.micro", "ami-01234567"},
                                            {"gcp", "us-east1-b", "e2-small", "ubuntu2204"},
                                            {"azure", "eastus", "Standard_D2s_v5", "ubuntu2204"},
                                            {"digitalocean", "nyc3", "s-1vcpu-1gb", "ubuntu2204"},
                                            {"oracle", "us-ashburn-1", "VM.Standard.E4.Flex", "ubuntu2204"},
                                            {"openstack", "RegionOne", "m1.small", "ubuntu"}};
    const struct policy p = {.regions = LIST("eu-*"), .max_hourly_price = -1};
    char same[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        AUTO_ACCOUNT struct account a = account_of(clouds[i][0], clouds[i][1], &env);
        const struct machine_spec s = {.cloud = clouds[i][0], .instance_type = clouds[i][2], .image = clouds[i][3]};
        const char *const own[] = {same};
        const struct policy fine = {.regions = {true, 1, own}, .max_hourly_price = -1};

        denied(&p, &a, &s, "policy.allowed_regions does not allow region");
        (void)snprintf(same, sizeof(same), "%s", clouds[i][1]);
        allowed(&fine, &a, &s);
    }
}

static void test_policy__a_region_that_only_the_cloud_would_choose_is_not_allowed(void **state)
{
    static const char *const clouds[][3] = {{"digitalocean", "s-1vcpu-1gb", "ubuntu2204"},
                                            {"openstack", "m1.small", "ubuntu"},
                                            {"vast_ai", "1xRTX_4090", "ubuntu2204"}};
    const struct policy p = {.regions = LIST("eu-*"), .max_hourly_price = -1};
    const struct policy all = {.regions = LIST("*"), .max_hourly_price = -1};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(clouds); i++) {
        AUTO_ACCOUNT struct account a = account_of(clouds[i][0], NULL, &env);
        const struct machine_spec s = {.cloud = clouds[i][0], .instance_type = clouds[i][1], .image = clouds[i][2]};

        denied(&p, &a, &s, "the region would be the cloud's own choice");
        allowed(&all, &a, &s);
    }
}

static void test_policy__a_zone_is_judged_as_itself_and_as_its_region(void **state)
{
    AUTO_ACCOUNT struct account gcp = account_of("gcp", NULL, &env), oci = account_of("oracle", NULL, &env);
    struct machine_spec s = {
        .cloud = "gcp", .region = "us-central1-a", .instance_type = "e2-small", .image = "ubuntu2204"};
    const struct policy region = {.regions = LIST("us-central1", "eu-frankfurt-1"), .max_hourly_price = -1};
    const struct policy zone = {.regions = LIST("us-central1-b"), .max_hourly_price = -1};

    (void)state;
    allowed(&region, &gcp, &s);
    denied(&zone, &gcp, &s, "policy.allowed_regions");
    s = (struct machine_spec){.cloud = "oracle",
                              .region = "Uocm:EU-FRANKFURT-1-AD-2",
                              .instance_type = "VM.Standard.E4.Flex",
                              .image = "ubuntu2204"};
    allowed(&region, &oci, &s);
    s.region = "Uocm:US-ASHBURN-AD-1";
    denied(&region, &oci, &s, "does not allow region us-ashburn-1");
}

static void test_policy__a_host_of_ones_own_has_no_region_to_judge(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("on_prem", NULL, &env);
    const struct machine_spec s = {
        .cloud = "on_prem", .region = "anywhere", .instance_type = "4vcpu-8gb", .image = "ubuntu:24.04"};
    const struct policy p = {.regions = LIST("eu-*"), .max_hourly_price = 0.01};

    (void)state;
    allowed(&p, &a, &s);
}

struct image_case {
    const char *cloud, *type, *image, *pattern;
    bool allowed;
};

static const struct image_case images[] = {
    /* an alias: itself, and what it stands for */
    {"aws", "t3.micro", "ubuntu2204", "ubuntu2204", true},
    {"aws", "t3.micro", "ubuntu2204", "099720109477/*", true},
    {"aws", "t3.micro", "ubuntu2204", "ami-*", false},
    {"gcp", "e2-small", "ubuntu2204", "ubuntu2204", true},
    {"gcp", "e2-small", "ubuntu2204", "projects/ubuntu-os-cloud/*", true},
    {"gcp", "e2-small", "ubuntu2204", "debian12", false},
    {"azure", "Standard_D2s_v5", "ubuntu2204", "canonical:*", true},
    {"azure", "Standard_D2s_v5", "ubuntu2204", "debian:*", false},
    {"digitalocean", "s-1vcpu-1gb", "ubuntu2204", "ubuntu-22-04-x64", true},
    {"vast_ai", "1xRTX_4090", "ubuntu2204", "docker.io/library/ubuntu:22.04", true},
    {"oracle", "VM.Standard2.1", "ubuntu2204", "ubuntu2204", true},
    {"oracle", "VM.Standard2.1", "ubuntu2204", "ocid1.*", false},
    /* every spelling of the same image */
    {"gcp", "e2-small", "debian-cloud:debian-12", "projects/debian-cloud/global/images/family/debian-12", true},
    {"gcp", "e2-small", "projects/debian-cloud/global/images/family/debian-12", "debian-cloud:debian-12", true},
    {"gcp", "e2-small", "https://www.googleapis.com/compute/v1/projects/p/global/images/i", "p:i", true},
    {"gcp", "e2-small", "https://www.googleapis.com/compute/beta/projects/p/global/images/i", "p:*", true},
    {"gcp", "e2-small", "ubuntu-2204-lts", "ubuntu-os-cloud:*", true},
    {"gcp", "e2-small", "p:i", "ubuntu-*", false},
    {"gcp", "e2-small", "p:ubuntu-2204-lts", "ubuntu-*", false},
    {"gcp", "e2-small", "projects/p/global/machineImages/i", "p:i", false},
    {"gcp", "e2-small", "projects/p/global/images/family/i", "p:i", false},
    {"on_prem", "4vcpu-8gb", "ubuntu", "docker.io/library/ubuntu:latest", true},
    {"on_prem", "4vcpu-8gb", "docker.io/library/ubuntu:latest", "ubuntu", true},
    {"on_prem", "4vcpu-8gb", "docker.io/ubuntu", "ubuntu:latest", true},
    {"on_prem", "4vcpu-8gb", "acme/ci:1", "docker.io/acme/*", true},
    {"on_prem", "4vcpu-8gb", "ghcr.io/acme/ci:1", "ghcr.io/acme/*", true},
    {"on_prem", "4vcpu-8gb", "ghcr.io/acme.evil/ci:1", "ghcr.io/acme/*", false},
    {"on_prem", "4vcpu-8gb", "evil.example/ghcr.io/acme/ci", "ghcr.io/acme/*", false},
    /* of a tag with a digest the digest alone counts */
    {"on_prem", "4vcpu-8gb", "acme/ci:1.2@sha256:0123456789012345678901234567890123456789012345678901234567890123",
     "acme/ci:1.*", false},
    {"on_prem", "4vcpu-8gb", "acme/ci:1.2@sha256:0123456789012345678901234567890123456789012345678901234567890123",
     "acme/ci@sha256:*", true},
    /* case counts where the cloud counts it */
    {"azure", "Standard_D2s_v5", "CANONICAL:Ubuntu-24_04-LTS:server:latest", "Canonical:ubuntu-24_04-lts:*", true},
    {"azure", "Standard_D2s_v5", "/subscriptions/s/RESOURCEGROUPS/g/providers/microsoft.compute/images/ci",
     "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/images/*", true},
    {"openstack", "m1.small", "Ubuntu 22.04", "ubuntu *", false},
    {"openstack", "m1.small", "Ubuntu 22.04", "Ubuntu *", true},
    /* a pattern that EC2 is given */
    {"aws", "t3.micro", "self/ci-*", "self/ci-?", false},
    {"aws", "t3.micro", "self/ci-?", "self/ci-?", true},
    {"aws", "t3.micro", "self/ci-*", "self/ci-*", true},
    {"aws", "t3.micro", "self/*", "self/ci-*", false},
    {"aws", "t3.micro", "self/ci-v*", "self/ci-v1", false},
};

static void test_policy__an_image_is_judged_in_every_spelling_of_the_same_and_in_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        const struct image_case *c = &images[i];
        const char *region = strcmp(c->cloud, "vast_ai") == 0 || strcmp(c->cloud, "on_prem") == 0 ? NULL
                             : strcmp(c->cloud, "gcp") == 0                                       ? "us-central1-a"
                             : strcmp(c->cloud, "azure") == 0                                     ? "eastus"
                                                                                                  : "us-east-1";
        AUTO_ACCOUNT struct account a = account_of(c->cloud, region, &env);
        const struct machine_spec s = {.cloud = c->cloud, .instance_type = c->type, .image = c->image};
        const struct policy p = {.images = {true, 1, &c->pattern}, .max_hourly_price = -1};
        struct err e = {ERR_NONE, 0, ""};
        bool is = policy_check(&p, a.ops, a.p, &s, -1, &e) == 0;

        if (is != c->allowed)
            fail_msg("%s %s under %s: %s", c->cloud, c->image, c->pattern, is ? "allowed" : e.msg);
    }
}

static void test_policy__a_flexible_shape_is_judged_with_its_size_and_by_its_name(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("oracle", "us-ashburn-1", &env);
    AUTO_JSON json_t *extra = json_pack("{s:i, s:i}", "ocpus", 512, "memory", 8192);
    struct machine_spec s = {.cloud = "oracle", .instance_type = "VM.Standard.E4.Flex:4:16", .image = "ubuntu2204"};
    const struct policy sized = {.types = LIST("VM.Standard.E4.Flex:?:16"), .max_hourly_price = -1};
    const struct policy family = {.types = LIST("VM.Standard.E4.Flex"), .max_hourly_price = -1};

    (void)state;
    allowed(&sized, &a, &s);
    s.instance_type = "VM.Standard.E4.Flex";
    s.extra = extra;
    denied(&sized, &a, &s, "policy.allowed_instance_types");
    allowed(&family, &a, &s);
}

static void test_policy__a_gpu_of_the_market_is_judged_by_the_one_name_that_will_do(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("vast_ai", NULL, &env);
    struct machine_spec s = {.cloud = "vast_ai", .instance_type = "1xrtx_4090", .image = "ubuntu2204"};
    const struct policy p = {.types = LIST("1xRTX_4090", "1xA100_PCIE"), .max_hourly_price = -1};

    (void)state;
    allowed(&p, &a, &s);
    s.instance_type = "1xA100"; /* stands for more than that one */
    denied(&p, &a, &s, "policy.allowed_instance_types");
    s.instance_type = "2xRTX_4090";
    denied(&p, &a, &s, "policy.allowed_instance_types");
}

static void test_policy__a_price_over_the_cap_or_unknown_is_refused_with_the_numbers(void **state)
{
    const struct machine_spec s = {.cloud = "aws", .instance_type = "p4d.24xlarge"};
    const struct machine_facts f = {.no_regions = true};
    const struct policy p = {.max_hourly_price = 1.5};
    struct err e;

    (void)state;
    assert_ok(policy_judge(&p, &s, &f, 1.5, &e), e);
    assert_ok(policy_judge(&p, &s, &f, 0, &e), e);
    assert_fails(policy_judge(&p, &s, &f, 1.51, &e), ERR_INVALID,
                 "policy.max_hourly_price allows 1.5 USD an hour, and p4d.24xlarge on aws costs 1.51", e);
    assert_fails(policy_judge(&p, &s, &f, -1, &e), ERR_INVALID,
                 "policy.max_hourly_price: what p4d.24xlarge costs on aws is not known", e);
    assert_ok(policy_judge(&any, &s, &f, -1, &e), e);
}

static void test_policy__a_machine_image_needs_the_operators_word(void **state)
{
    AUTO_ACCOUNT struct account a = account_of("gcp", "us-central1-a", &env);
    AUTO_ACCOUNT struct account free_hand = account_of("gcp", "us-central1-a", &privileged_env);
    const struct machine_spec s = {
        .cloud = "gcp", .instance_type = "e2-small", .image = "projects/p/global/machineImages/m"};
    const struct policy named = {.images = LIST("projects/p/global/machineImages/*"), .max_hourly_price = -1};
    const struct policy privileged = {.privileged = true, .max_hourly_price = -1};

    (void)state;
    denied(&any, &a, &s, "policy.allow_privileged");
    allowed(&named, &a, &s);
    allowed(&privileged, &free_hand, &s);
}

static void test_policy__the_settings_become_the_rules(void **state)
{
    static const struct conf_key keys[] = {{.name = "allowed_clouds", .type = CONF_LIST},
                                           {.name = "allowed_instance_types", .type = CONF_LIST},
                                           {.name = "allowed_regions", .type = CONF_LIST},
                                           {.name = "allowed_images", .type = CONF_LIST},
                                           {.name = "allow_privileged", .type = CONF_BOOL, .def = "false"},
                                           {.name = "max_hourly_price", .type = CONF_NUMBER},
                                           {.name = NULL}};
    AUTO_CONF struct conf *c = conf_new("policy", keys);
    struct policy p;
    struct err e;

    (void)state;
    policy_read(c, &p);
    assert_false(p.clouds.set || p.types.set || p.regions.set || p.images.set || p.privileged);
    assert_true(p.max_hourly_price < 0);
    assert_ok(conf_set(c, "allowed_regions", "eu-*,us-east-1", "test", &e), e);
    assert_ok(conf_set(c, "max_hourly_price", "0", "test", &e), e);
    policy_read(c, &p);
    assert_true(p.regions.set);
    assert_int_equal(p.regions.n, 2);
    assert_string_equal(p.regions.patterns[1], "us-east-1");
    assert_true(p.max_hourly_price >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy__no_rule_allows_everything),
        cmocka_unit_test(test_policy__a_cloud_goes_by_its_name_its_alias_and_by_patterns),
        cmocka_unit_test(test_policy__a_cloud_that_is_not_set_up_is_judged_by_its_name),
        cmocka_unit_test(test_policy__instance_types_go_by_patterns_and_the_sentence_names_them),
        cmocka_unit_test(test_policy__the_accounts_own_region_is_judged_where_the_file_names_none),
        cmocka_unit_test(test_policy__a_region_that_only_the_cloud_would_choose_is_not_allowed),
        cmocka_unit_test(test_policy__a_zone_is_judged_as_itself_and_as_its_region),
        cmocka_unit_test(test_policy__a_host_of_ones_own_has_no_region_to_judge),
        cmocka_unit_test(test_policy__an_image_is_judged_in_every_spelling_of_the_same_and_in_no_other),
        cmocka_unit_test(test_policy__a_flexible_shape_is_judged_with_its_size_and_by_its_name),
        cmocka_unit_test(test_policy__a_gpu_of_the_market_is_judged_by_the_one_name_that_will_do),
        cmocka_unit_test(test_policy__a_price_over_the_cap_or_unknown_is_refused_with_the_numbers),
        cmocka_unit_test(test_policy__a_machine_image_needs_the_operators_word),
        cmocka_unit_test(test_policy__the_settings_become_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
