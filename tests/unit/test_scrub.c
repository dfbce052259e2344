#include "server/base/scrub.h"

#include "tests/support/unit.h"

static void scrubbed(const char *text, const char *expected)
{
    AUTO_BUF struct buf b = BUF_INIT(65536);

    scrub_add(&b, text);
    assert_string_equal(b.p != NULL ? b.p : "", expected);
}

static void test_scrub__what_names_an_account_goes(void **state)
{
    (void)state;
    scrubbed("account 123456789012 may not", "account [number] may not");
    scrubbed("User: arn:aws:iam::123456789012:user/bob is not authorized", "User: [arn] is not authorized");
    scrubbed("\"arn:aws:ec2:eu-west-1:123456789012:instance/*\"", "\"[arn]\"");
    scrubbed("subscription 0b1f6471-1bf0-4dda-aec3-cb9272f09590.", "subscription [id].");
    scrubbed("/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/prod-rg/x",
             "/subscriptions/[…]/resourceGroups/[…]/x");
    scrubbed("projects/acme-prod-42/zones/europe-west4-a", "projects/[…]/zones/europe-west4-a");
    scrubbed("'https://www.googleapis.com/compute/v1/projects/acme/global/images/family/debian-12'",
             "'https://www.googleapis.com/compute/v1/projects/[…]/global/images/family/debian-12'");
    scrubbed("ocid1.tenancy.oc1..aaaaaaaabcdefghijklmnop", "[ocid]");
    scrubbed("project 5ecc3f1db6d94f1d8fb5e5c9e0fd0d59", "project [id]");
    scrubbed("ask bob.smith+ops@example.co.uk", "ask [e-mail]");
    scrubbed("robot@acme-prod.iam.gserviceaccount.com", "[e-mail]");
}

static void test_scrub__what_opens_an_account_goes(void **state)
{
    (void)state;
    scrubbed("key AKIAIOSFODNN7EXAMPLE is unknown", "key [access key] is unknown");
    scrubbed("ASIAIOSFODNN7EXAMPLE", "[access key]");
    scrubbed("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[hidden]");
    scrubbed("password=hunter2, next", "password=[hidden], next");
    scrubbed("{\"client_secret\": \"abc def\"}", "{\"client_secret\": \"[hidden] def\"}");
    scrubbed("Authorization: Bearer abc.def", "Authorization: [hidden]");
    scrubbed("token ghs_16C7e42F292c6912E7710c838347Ae178B4a", "token [token]");
    scrubbed("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "[token]");
    scrubbed("dop_v1_0123456789abcdef", "[token]");
    scrubbed("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- rest", "[key] rest");
    scrubbed("Encoded authorization failure message: pYn6u7EFm0c3Jz9Zq2eVb1LxT8aWd4RkS5hGf",
             "Encoded authorization failure message: [hidden]");
    scrubbed("https://bob:pw@example.com/a?X-Amz-Signature=abcdef", "https://example.com/a?[…]");
    scrubbed("user_data: IyEvYmluL2Jhc2gKZWNobwo=", "user_data: [hidden]");
}

static void test_scrub__what_names_a_network_goes(void **state)
{
    (void)state;
    scrubbed("subnet-0a1b2c3d4e5f in vpc-12345678 with sg-0123456789abcdef0",
             "[subnet] in [vpc] with [security group]");
    scrubbed("connect to 10.1.2.3:443: refused", "connect to [ip]:443: refused");
    scrubbed("host fe80::1:2:3%4", "host [ip]%4");
    scrubbed("2001:db8:0:1:1:1:1:1", "[ip]");
}

static void test_scrub__what_tells_the_user_what_to_mend_stays(void **state)
{
    static const char *const texts[] = {
        "InsufficientInstanceCapacity: there is no g4dn.xlarge in eu-west-1a",
        "InvalidAMIID.NotFound: the image id ami-06fd8a495a537da8b does not exist",
        "NVIDIA_T4_GPUS exceeded, limit 1.0 in region europe-west4",
        "Standard_NC4as_T4_v3 is not available in westeurope",
        "candidate 3 of 5 was refused at 12:30:45",
        "no runner of .cirun.yml has the label \"cirun-gpo\"; did you mean \"cirun-gpu\"?",
        "Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2:latest",
        "the token of this machine",
        "which machine?",
        "muster-01HF8ZQ",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        scrubbed(texts[i], texts[i]);
}

static void test_scrub__any_bytes_end(void **state)
{
    static const char alphabet[] = "aA0:/.@-=?\"' ,ghs_subnet-eyJarn:password=https://";
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        AUTO_BUF struct buf b = BUF_INIT(65536);
        char text[80];
        size_t n = unit_random(&seed) % (sizeof(text) - 1);

        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[unit_random(&seed) % (sizeof(alphabet) - 1)];
        text[n] = '\0';
        scrub_add(&b, text);
        assert_false(b.over);
    }
}

static void coded(const char *text, size_t max, const char *expected)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    markdown_code(&b, text, max);
    assert_string_equal(b.p, expected);
}

static void test_scrub__a_code_span_cannot_be_left(void **state)
{
    (void)state;
    coded("a`b` @octocat [x](http://evil) <img>", 100, "`a'b' @octocat [x](http://evil) <img>`");
    coded("two\nlines | and a cell", 100, "`two lines ¦ and a cell`");
    coded("", 100, "`-`");
    coded("cut here", 3, "`cut…`");
    coded("grün", 3, "`gr…`");
}

static void test_scrub__a_plain_text_calls_nobody(void **state)
{
    AUTO_BUF struct buf b = BUF_INIT(4096);

    (void)state;
    markdown_plain(&b, "ask @octocat\nnow", 100);
    assert_null(strstr(b.p, "@octocat"));
    assert_null(strchr(b.p, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scrub__what_names_an_account_goes),
        cmocka_unit_test(test_scrub__what_opens_an_account_goes),
        cmocka_unit_test(test_scrub__what_names_a_network_goes),
        cmocka_unit_test(test_scrub__what_tells_the_user_what_to_mend_stays),
        cmocka_unit_test(test_scrub__any_bytes_end),
        cmocka_unit_test(test_scrub__a_code_span_cannot_be_left),
        cmocka_unit_test(test_scrub__a_plain_text_calls_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
