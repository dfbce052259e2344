/* Forms of machine_image and architectures. What is asked of the cloud: test_aws.c. */
#include "tests/support/unit.h"

#include "providers/common/aws_image.h"

static void test_aws_image__graviton_families_are_arm64(void **state)
{
    static const char *const arm[] = {"a1.large",    "t4g.small",         "m7gd.xlarge", "c6gn.large",
                                      "im4gn.large", "is4gen.large",      "g5g.xlarge",  "hpc7g.4xlarge",
                                      "x2gd.metal",  "p6e-gb200.36xlarge"};
    static const char *const x86[] = {
        "g4dn.xlarge", "g5.xlarge",  "g6e.12xlarge", "gr6.4xlarge",  "p5en.48xlarge",
        "t3a.small",   "m7i.large",  "c5.large",     "u-6tb1.metal", "u7in-16tb.224xlarge",
        "x1e.large",   "inf2.large", "trn1.2xlarge", "mac1.metal",   "g"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(arm); i++) {
        if (strcmp(aws_type_arch(arm[i]), "arm64") != 0)
            fail_msg("%s is arm64", arm[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(x86); i++) {
        if (strcmp(aws_type_arch(x86[i]), "x86_64") != 0)
            fail_msg("%s is x86_64", x86[i]);
    }
}

static void test_aws_image__every_form_is_known(void **state)
{
    static const char *const good[] = {"ami-0123456789abcdef0",
                                       "ami-01234567",
                                       "ubuntu2004",
                                       "ubuntu2204",
                                       "ubuntu2404",
                                       "debian12",
                                       "windows2022",
                                       "ubuntu2204-gpu",
                                       "ubuntu2404-gpu",
                                       "self/ci-*",
                                       "amazon/al2023-ami-*",
                                       "099720109477/ubuntu/images/hvm-ssd/ubuntu-jammy-*",
                                       "ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(aws_image_check(good[i], "x86_64", &e), e);
    assert_ok(aws_image_check("ubuntu2404-arm64", "arm64", &e), e);
    assert_ok(aws_image_check("ubuntu2404", "arm64", &e), e);
}

static void test_aws_image__anything_else_is_refused_with_the_remedy(void **state)
{
    static const struct {
        const char *image, *piece;
    } bad[] = {{"", "no AMI id"},
               {"ami-", "no AMI id"},
               {"ami-0123456789ABCDEF0", "no AMI id"},
               {"ami-0123456789abcdef0; rm", "no AMI id"},
               {"ubuntu-2204", "did you mean ubuntu2204"},
               {"ubuntu2204-arm", "did you mean"},
               {"ubuntu/images/*", "account of 12 digits"},
               {"12345678901/x", "account of 12 digits"},
               {"self/", "no AMI id"},
               {"/x", "account of 12 digits"},
               {"ssm:/my/private/parameter", "ssm:/aws/service/"},
               {"ssm:/aws/service/a b", "ssm:/aws/service/"},
               {"ssm:", "ssm:/aws/service/"}};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(aws_image_check(bad[i].image, "x86_64", &e), ERR_INVALID, bad[i].piece, e);
}

static void test_aws_image__a_type_is_a_family_and_a_size(void **state)
{
    static const char *const bad[] = {"",           ".", "g4dn", "g4dn.", ".xlarge", "g4dn.xlarge.x", "G4dn.xlarge",
                                      "g4dn xlarge"};
    struct err e;

    (void)state;
    assert_ok(aws_type_check("u7in-16tb.224xlarge", &e), e);
    assert_fails(aws_type_check(NULL, &e), ERR_INVALID, "missing", e);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(aws_type_check(bad[i], &e), ERR_INVALID, "g4dn.xlarge", e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_image__graviton_families_are_arm64),
        cmocka_unit_test(test_aws_image__every_form_is_known),
        cmocka_unit_test(test_aws_image__anything_else_is_refused_with_the_remedy),
        cmocka_unit_test(test_aws_image__a_type_is_a_family_and_a_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
