/* Each code of EC2, STS and SSM has the kind that PROVIDERS.md gives it; addresses; forms; masks. */
#include "tests/support/unit.h"

#include "providers/common/aws_query.h"
#include "tests/support/rawserver.h"

#include <stdio.h>
#include <stdlib.h>

struct refusal {
    int status;
    const char *body;
};

static int refuse(void *arg, const struct raw_request *r, struct buf *answer)
{
    const struct refusal *f = arg;

    (void)r;
    raw_answer(answer, f->status, "", f->body);
    return RAW_ANSWER;
}

/* A server that says the same to everyone, and a client of it. */
struct desk {
    struct refusal says;
    struct rawserver *server;
    struct httpc *http;
    struct aws_keys *keys;
    struct aws_fault fault;
};

static void desk_open(struct desk *d)
{
    memset(d, 0, sizeof(*d));
    d->server = raw_start(&(struct raw_conf){.handler = refuse, .arg = &d->says});
    d->http = httpc_new(&(struct httpc_conf){.user_agent = "muster/test"});
    d->keys = aws_keys_new("AKIAEXAMPLE", "secret-of-the-account", NULL, INT64_MAX);
}

static void desk_close(struct desk *d)
{
    httpc_free(d->http);
    raw_stop(d->server);
    aws_keys_free(d->keys);
}
#define AUTO_DESK AUTO(desk_close)

static int ask(struct desk *d, int status, const char *body, struct err *e)
{
    AUTO_BUF struct buf form = BUF_INIT(AWS_FORM_MAX);
    AUTO_XML struct xml_doc *doc = NULL;
    struct aws_service s = {.http = d->http, .url = raw_url(d->server), .region = "eu-west-1", .name = "ec2"};

    d->says = (struct refusal){status, body};
    aws_form_begin(&form, "RunInstances", AWS_EC2_VERSION);
    return aws_query(&s, d->keys, "RunInstances", &form, NULL, &doc, &d->fault, e);
}

static int ask_code(struct desk *d, int status, const char *code, struct err *e)
{
    AUTO_BUF struct buf body = BUF_INIT(4096);

    buf_addf(&body, "<Response><Errors><Error><Code>%s</Code><Message>why</Message></Error></Errors></Response>", code);
    return ask(d, status, body.p, e);
}

/* PROVIDERS.md trap 2: no capacity comes as 5xx and is no blind retry. */
static void test_aws_query__every_code_has_its_kind_whatever_the_status(void **state)
{
    static const struct {
        enum err_kind kind;
        const char *codes;
    } rows[] = {
        {ERR_CAPACITY,
         "InsufficientInstanceCapacity InsufficientCapacityOnHost UnfulfillableCapacity "
         "InsufficientFreeAddressesInSubnet InsufficientHostCapacity "
         "InsufficientReservedInstanceCapacity ReservationCapacityExceeded SpotMaxPriceTooLow Unsupported"},
        {ERR_QUOTA, "VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded "
                    "MaxSpotFleetRequestCountExceeded TargetCapacityLimitExceededException VolumeLimitExceeded "
                    "ResourceLimitExceeded PendingVerification AddressLimitExceeded"},
        {ERR_THROTTLED, "RequestLimitExceeded EC2ThrottledException Throttling ThrottlingException"},
        {ERR_AUTH, "AuthFailure UnauthorizedOperation InvalidClientTokenId OptInRequired Blocked SignatureDoesNotMatch "
                   "AccessDenied RequestExpired ExpiredToken AuthFailure.ServiceLinkedRoleCreationNotPermitted"},
        {ERR_INVALID, "InvalidParameterValue UnknownParameter InvalidParameterCombination MissingParameter "
                      "InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidSubnetID.NotFound InvalidGroup.NotFound "
                      "InvalidKeyPair.NotFound InvalidUserData.Malformed"},
        {ERR_CONFLICT, "IdempotentParameterMismatch"},
        {ERR_GONE, "InvalidInstanceID.NotFound"},
        {ERR_RETRY, "InternalError ServiceUnavailable RequestTimeout InternalFailure Unavailable"},
    };
    AUTO_DESK struct desk d;

    (void)state;
    desk_open(&d);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char code[80];

        for (const char *p = rows[i].codes; *p != '\0'; p += strspn(p, " ")) {
            size_t n = strcspn(p, " ");
            struct err e;

            (void)snprintf(code, sizeof(code), "%.*s", (int)n, p);
            p += n;
            assert_fails(ask_code(&d, 400, code, &e), rows[i].kind, code, e);
            assert_fails(ask_code(&d, 500, code, &e), rows[i].kind, code, e);
            assert_string_equal(d.fault.code, code);
            assert_int_equal(d.fault.status, 500);
        }
    }
}

static void test_aws_query__an_unknown_code_is_judged_by_its_status(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_fails(ask_code(&d, 400, "SomethingNew", &e), ERR_INVALID, "ec2 RunInstances: SomethingNew: why", e);
    assert_fails(ask_code(&d, 503, "SomethingNew", &e), ERR_RETRY, "SomethingNew", e);
    assert_fails(ask_code(&d, 403, "SomethingNew", &e), ERR_AUTH, "SomethingNew", e);
    assert_fails(ask_code(&d, 429, "SomethingNew", &e), ERR_THROTTLED, "SomethingNew", e);
}

static void test_aws_query__a_refusal_inside_a_success_is_a_refusal(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_fails(ask_code(&d, 200, "VcpuLimitExceeded", &e), ERR_QUOTA, "VcpuLimitExceeded", e);
}

static void test_aws_query__the_answer_to_another_question_is_none(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_fails(ask(&d, 200, "<DescribeInstancesResponse/>", &e), ERR_RETRY, "another document", e);
    assert_fails(ask(&d, 200, "<RunInstances/>", &e), ERR_RETRY, "another document", e);
    assert_fails(ask(&d, 204, "<RunInstancesResponse/>", &e), ERR_RETRY, "", e);
}

static void test_aws_query__the_form_of_sts_is_understood_too(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_fails(
        ask(&d, 403,
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>", &e),
        ERR_AUTH, "AccessDenied: not you", e);
}

static void test_aws_query__a_type_not_offered_is_remembered_for_hours(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_int_equal(ask_code(&d, 400, "Unsupported", &e), -1);
    assert_true(e.retry_after_s >= 3600);
    assert_int_equal(ask_code(&d, 500, "InsufficientInstanceCapacity", &e), -1);
    assert_int_equal(e.retry_after_s, 0);
}

/* PROVIDERS.md trap 15. */
static void test_aws_query__a_refused_time_says_check_the_clock(void **state)
{
    AUTO_DESK struct desk d;
    struct err e;

    (void)state;
    desk_open(&d);
    assert_fails(ask_code(&d, 400, "RequestExpired", &e), ERR_AUTH, "check the clock", e);
    assert_true(aws_fault_is_stale_keys(&d.fault));
    assert_fails(ask_code(&d, 400, "UnauthorizedOperation", &e), ERR_AUTH, "why", e);
    assert_false(aws_fault_is_stale_keys(&d.fault));
}

static void test_aws_query__a_long_sentence_is_cut_and_a_long_run_masked(void **state)
{
    AUTO_DESK struct desk d;
    AUTO_BUF struct buf body = BUF_INIT(65536);
    struct err e;

    (void)state;
    desk_open(&d);
    buf_adds(&body, "<Response><Errors><Error><Code>X</Code><Message>secret-of-the-account and ");
    for (int i = 0; i < 40; i++)
        buf_adds(&body, "Zm9v");
    for (int i = 0; i < 4000; i++)
        buf_adds(&body, " so");
    buf_adds(&body, "</Message></Error></Errors></Response>");
    assert_fails(ask(&d, 400, body.p, &e), ERR_INVALID, "X: *** and *** so so", e);
    assert_true(strlen(e.msg) < sizeof(e.msg) - 1);
}

static const char *no_variables(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

/* arg: "NAME=value". */
static const char *one_variable(void *arg, const char *name)
{
    const char *v = arg;
    size_t n = strlen(name);

    return strncmp(v, name, n) == 0 && v[n] == '=' ? v + n + 1 : NULL;
}

static void endpoint_is(const char *variable, const char *service, const char *region, const char *url)
{
    AUTO_BUF struct buf out = BUF_INIT(1024);
    AUTO_FREE char *v = strdup(variable != NULL ? variable : "");
    struct err e;

    assert_ok(aws_endpoint(variable != NULL ? one_variable : no_variables, v, service, region, &out, &e), e);
    assert_string_equal(out.p, url);
}

static void test_aws_query__an_endpoint_is_the_regions_unless_the_environment_says_otherwise(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(1024);
    char bad[] = "AWS_ENDPOINT_URL=ftp://x";
    struct err e;

    (void)state;
    endpoint_is(NULL, "ec2", "eu-west-1", "https://ec2.eu-west-1.amazonaws.com");
    endpoint_is(NULL, "sts", "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn");
    endpoint_is("AWS_ENDPOINT_URL=http://localhost:4566/", "ssm", "eu-west-1", "http://localhost:4566");
    endpoint_is("AWS_ENDPOINT_URL_STS=http://localhost:1", "sts", "eu-west-1", "http://localhost:1");
    endpoint_is("AWS_ENDPOINT_URL_STS=http://localhost:1", "ec2", "eu-west-1", "https://ec2.eu-west-1.amazonaws.com");
    assert_fails(aws_endpoint(one_variable, bad, "ec2", "eu-west-1", &out, &e), ERR_INVALID, "$AWS_ENDPOINT_URL", e);
}

static void test_aws_query__a_region_that_could_lead_elsewhere_is_refused(void **state)
{
    static const char *const bad[] = {"",           "x",          "evil.com/", "eu-west-1.evil.com",
                                      "eu-west-1/", "eu west-1",  "EU-WEST-1", "-eu-west-1",
                                      "eu-west-",   "eu-west-1a", "eu@west-1"};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_fails(aws_region_check(bad[i], &e), ERR_INVALID, "region", e);
    assert_ok(aws_region_check("us-gov-west-1", &e), e);
    assert_ok(aws_region_check("ap-southeast-2", &e), e);
}

static void test_aws_query__form_values_are_escaped(void **state)
{
    AUTO_BUF struct buf f = BUF_INIT(1024);

    (void)state;
    aws_form_begin(&f, "X", "2016-11-15");
    aws_form_add(&f, "a&b=c d+e/\xc3\xa9~", "Tag.%d.Value", 1);
    assert_string_equal(f.p, "Action=X&Version=2016-11-15&Tag.1.Value=a%26b%3Dc%20d%2Be%2F%C3%A9~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aws_query__every_code_has_its_kind_whatever_the_status),
        cmocka_unit_test(test_aws_query__an_unknown_code_is_judged_by_its_status),
        cmocka_unit_test(test_aws_query__a_refusal_inside_a_success_is_a_refusal),
        cmocka_unit_test(test_aws_query__the_answer_to_another_question_is_none),
        cmocka_unit_test(test_aws_query__the_form_of_sts_is_understood_too),
        cmocka_unit_test(test_aws_query__a_type_not_offered_is_remembered_for_hours),
        cmocka_unit_test(test_aws_query__a_refused_time_says_check_the_clock),
        cmocka_unit_test(test_aws_query__a_long_sentence_is_cut_and_a_long_run_masked),
        cmocka_unit_test(test_aws_query__an_endpoint_is_the_regions_unless_the_environment_says_otherwise),
        cmocka_unit_test(test_aws_query__a_region_that_could_lead_elsewhere_is_refused),
        cmocka_unit_test(test_aws_query__form_values_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
