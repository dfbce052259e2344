/* Signatures against AWS's published test suite for version 4 (credentials and date of its examples). */
#include "tests/support/unit.h"

#include "providers/common/sign_aws.h"

#include "server/base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define EXAMPLE_DATE "20150830T123600Z"

static int64_t example_ms(void)
{
    int64_t ms = 0;
    struct err e;

    assert_ok(text_rfc3339_ms("2015-08-30T12:36:00Z", 20, &ms, &e), e);
    return ms;
}

static void signature_is(const struct sign_aws_req *r, const char *token, const char *signed_names, const char *hex)
{
    struct aws_keys *k = aws_keys_new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, INT64_MAX);
    AUTO_BUF struct buf out = BUF_INIT(4096);
    struct sign_aws_req req = *r;
    char want[512];
    struct err e;

    req.region = "us-east-1";
    req.service = "service";
    req.time_ms = example_ms();
    assert_ok(sign_aws(k, &req, &out, &e), e);
    (void)snprintf(want, sizeof(want),
                   "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=%s, "
                   "Signature=%s",
                   signed_names, hex);
    assert_string_equal(out.p, want);
    aws_keys_free(k);
}

static const struct httpc_header basic[] = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", EXAMPLE_DATE}};

static void test_sign_aws__a_plain_get_has_the_published_signature(void **state)
{
    (void)state;
    signature_is(&(struct sign_aws_req){.method = "GET", .path = "/", .query = "", .headers = basic, .n_headers = 2},
                 NULL, "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static void test_sign_aws__a_form_is_signed_with_its_type_and_body(void **state)
{
    static const struct httpc_header h[] = {{"X-Amz-Date", EXAMPLE_DATE},
                                            {"Content-Type", "application/x-www-form-urlencoded"},
                                            {"Host", "example.amazonaws.com"}};

    (void)state;
    signature_is(&(struct sign_aws_req){.method = "POST",
                                        .path = "/",
                                        .query = "",
                                        .headers = h,
                                        .n_headers = 3,
                                        .body = "Param1=value1",
                                        .body_len = 13},
                 NULL, "content-type;host;x-amz-date",
                 "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void test_sign_aws__a_query_is_signed_in_order_of_its_bytes(void **state)
{
    (void)state;
    signature_is(
        &(struct sign_aws_req){
            .method = "GET", .path = "/", .query = "Param2=value2&Param1=value1", .headers = basic, .n_headers = 2},
        NULL, "host;x-amz-date", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

static void test_sign_aws__header_values_are_trimmed_and_names_sorted(void **state)
{
    static const struct httpc_header h[] = {{"X-Amz-Date", EXAMPLE_DATE},
                                            {"My-Header2", "  \"a   b   c\"  "},
                                            {"My-Header1", " value1"},
                                            {"Host", "example.amazonaws.com"}};

    (void)state;
    signature_is(&(struct sign_aws_req){.method = "GET", .path = "/", .query = "", .headers = h, .n_headers = 4}, NULL,
                 "host;my-header1;my-header2;x-amz-date",
                 "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

static void test_sign_aws__the_date_header_is_the_basic_form_of_utc(void **state)
{
    char date[SIGN_AWS_DATE_LEN + 1];

    (void)state;
    sign_aws_date(example_ms() + 999, date);
    assert_string_equal(date, EXAMPLE_DATE);
    sign_aws_date(0, date);
    assert_string_equal(date, "19700101T000000Z");
}

static void test_sign_aws__more_than_can_be_signed_is_refused(void **state)
{
    struct aws_keys *k = aws_keys_new("AKIDEXAMPLE", "secret", NULL, INT64_MAX);
    struct httpc_header h[SIGN_AWS_MAX_HEADERS + 1];
    AUTO_BUF struct buf out = BUF_INIT(4096), query = BUF_INIT(4096);
    struct sign_aws_req r = {.region = "r", .service = "s", .method = "GET", .path = "/", .query = "", .headers = h};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(h); i++)
        h[i] = (struct httpc_header){"x", "y"};
    r.n_headers = ARRAY_LEN(h);
    assert_fails(sign_aws(k, &r, &out, &e), ERR_INVALID, "headers", e);
    r.n_headers = 1;
    for (int i = 0; i <= SIGN_AWS_MAX_PARAMS; i++)
        buf_addf(&query, "%sa=b", i > 0 ? "&" : "");
    r.query = query.p;
    assert_fails(sign_aws(k, &r, &out, &e), ERR_INVALID, "parameters", e);
    assert_int_equal(out.len, 0);
    aws_keys_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sign_aws__a_plain_get_has_the_published_signature),
        cmocka_unit_test(test_sign_aws__a_form_is_signed_with_its_type_and_body),
        cmocka_unit_test(test_sign_aws__a_query_is_signed_in_order_of_its_bytes),
        cmocka_unit_test(test_sign_aws__header_values_are_trimmed_and_names_sorted),
        cmocka_unit_test(test_sign_aws__the_date_header_is_the_basic_form_of_utc),
        cmocka_unit_test(test_sign_aws__more_than_can_be_signed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
