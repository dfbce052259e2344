/* What clouds say of their prices, and which of what they say counts. */
#include "tests/support/asked.h"

#include "server/base/json.h"
#include "server/base/text.h"

#include <stdio.h>
#include <string.h>

/* ---- a cloud that answers everything with one text, and the question it was asked ---- */

static const char *said = ""; /* one test at a time */

static void say(struct fake_cloud *c, const struct raw_request *r, struct buf *answer)
{
    (void)c;
    (void)r;
    buf_addf(answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(said), said);
}

static struct bed *bed_saying(const struct fake_dialect *d, struct fake_dialect *room, const char *text,
                              const struct bed_setting *more, size_t n)
{
    *room = *d;
    room->act = say;
    said = text;
    return bed_open(room, more, n);
}

static int price_of(struct bed *b, bool spot, const char *os, double *usd, struct err *e)
{
    AUTO_ORDER struct order o;

    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.spot = spot;
    o.spec.os = os;
    return b->ops->price(b->p, &o.spec, usd, e);
}

static void costs(struct bed *b, bool spot, const char *os, double expected)
{
    double usd = -7;
    struct err e;

    assert_ok(price_of(b, spot, os, &usd, &e), e);
    if (usd < expected - 1e-9 || usd > expected + 1e-9)
        fail_msg("expected %f, found %f", expected, usd);
}

/* ---- DigitalOcean ---- */

static void test_price__a_droplet_costs_what_its_size_costs_an_hour(void **state)
{
    static const char sizes[] = "{\"sizes\":[{\"slug\":\"s-1vcpu-1gb\",\"price_hourly\":0.00893},"
                                "{\"slug\":\"s-2vcpu-4gb\",\"price_hourly\":0.03571},"
                                "{\"slug\":\"gpu-h100x1-80gb\",\"price_hourly\":3.39}],\"links\":{}}";
    struct fake_dialect d;
    AUTO_BED struct bed *b = bed_saying(&fake_digitalocean, &d, sizes, NULL, 0);

    (void)state;
    d.type = "gpu-h100x1-80gb";
    costs(b, false, NULL, 3.39);
    d.type = "s-2vcpu-4gb";
    costs(b, true, NULL, 0.03571); /* there is no spot */
    d.type = "s-96vcpu-1gb";
    costs(b, false, NULL, -1);
    assert_int_equal(asked_count(b, "GET", "/v2/sizes"), 3);
}

static void test_price__sizes_that_make_no_sense_are_no_price(void **state)
{
    struct fake_dialect d;
    AUTO_BED struct bed *b = bed_saying(&fake_digitalocean, &d, "", NULL, 0);
    static const char *const texts[] = {"{}", "{\"sizes\":[{\"slug\":\"x\",\"price_hourly\":\"1\"}]}",
                                        "{\"sizes\":[],\"links\":{\"pages\":{\"next\":\"/again\"}}}"};
    double usd = -7;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        said = texts[i];
        assert_int_equal(price_of(b, false, NULL, &usd, &e), -1);
        assert_int_equal(e.kind, ERR_RETRY);
        assert_true(usd < -6); /* untouched */
    }
}

/* ---- AWS ---- */

static const char *const aws_env[][2] = {{"AWS_ENDPOINT_URL_PRICING", "URL"}, {NULL, NULL}};

static void test_price__a_spot_instance_costs_what_its_dearest_zone_costs(void **state)
{
    static const char zones[] = "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet>"
                                "<item><instanceType>m5.large</instanceType><spotPrice>0.210500</spotPrice></item>"
                                "<item><instanceType>m5.large</instanceType><spotPrice>0.301200</spotPrice></item>"
                                "<item><instanceType>x9.other</instanceType><spotPrice>9.000000</spotPrice></item>"
                                "</spotPriceHistorySet></DescribeSpotPriceHistoryResponse>";
    struct fake_dialect d;
    AUTO_BED struct bed *b = bed_saying(&fake_aws, &d, zones, NULL, 0);
    struct err e;
    double usd;

    (void)state;
    d.type = "m5.large";
    costs(b, true, NULL, 0.3012);
    assert_non_null(strstr(asked_nth(b, "POST", "/", 0)->body, "InstanceType.1=m5.large"));
    assert_non_null(strstr(asked_nth(b, "POST", "/", 0)->body, "ProductDescription.1=Linux%2FUNIX"));
    said = "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet/></DescribeSpotPriceHistoryResponse>";
    costs(b, true, NULL, -1);
    said = "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet><item><instanceType>m5.large</instanceType>"
           "<spotPrice>free</spotPrice></item></spotPriceHistorySet></DescribeSpotPriceHistoryResponse>";
    assert_fails(price_of(b, true, NULL, &usd, &e), ERR_RETRY, "no price in it is one", e);
}

#define PRODUCT(usd)                                                                                                   \
    "\"{\\\"terms\\\":{\\\"OnDemand\\\":{\\\"A.B\\\":{\\\"priceDimensions\\\":{\\\"A.B.C\\\":{"                        \
    "\\\"unit\\\":\\\"Hrs\\\",\\\"pricePerUnit\\\":{\\\"USD\\\":\\\"" usd "\\\"}}}}}}}\""

static void test_price__an_instance_on_demand_costs_its_list_price(void **state)
{
    struct fake_dialect d;
    AUTO_BED struct bed *b = NULL;
    AUTO_JSON json_t *question = NULL;
    struct err e;
    double usd;

    (void)state;
    b = bed_saying(&fake_aws, &d, "{\"PriceList\":[" PRODUCT("0.5260000000") "," PRODUCT("0.0000000000") "]}", NULL, 0);
    d.type = "g4dn.xlarge";
    d.env = aws_env;
    costs(b, false, NULL, 0.526);
    question = asked_last_body(b, "POST", "/");
    is_json(question, "{'ServiceCode':'AmazonEC2','FormatVersion':'aws_v1','MaxResults':10,'Filters':["
                      "{'Type':'TERM_MATCH','Field':'instanceType','Value':'g4dn.xlarge'},"
                      "{'Type':'TERM_MATCH','Field':'regionCode','Value':'eu-west-1'},"
                      "{'Type':'TERM_MATCH','Field':'operatingSystem','Value':'Linux'},"
                      "{'Type':'TERM_MATCH','Field':'licenseModel','Value':'No License required'},"
                      "{'Type':'TERM_MATCH','Field':'tenancy','Value':'Shared'},"
                      "{'Type':'TERM_MATCH','Field':'preInstalledSw','Value':'NA'},"
                      "{'Type':'TERM_MATCH','Field':'capacitystatus','Value':'Used'}]}");
    said = "{\"PriceList\":[]}";
    costs(b, false, NULL, -1);
    said = "{\"PriceList\":[7]}";
    assert_fails(price_of(b, false, NULL, &usd, &e), ERR_RETRY, "makes no sense", e);
}

static void test_price__an_account_that_may_not_read_the_price_list_knows_no_price(void **state)
{
    static const struct fake_fault denied = {
        .status = 400, .body = "{\"__type\":\"AccessDeniedException\",\"message\":\"not authorized\"}"};
    struct fake_dialect d;
    AUTO_BED struct bed *b = bed_saying(&fake_aws, &d, "", NULL, 0);

    (void)state;
    d.type = "m5.large";
    d.env = aws_env;
    fake_set_fault(&b->cloud, &denied);
    costs(b, false, NULL, -1);
}

/* ---- Azure ---- */

#define ITEM(sku, product, usd)                                                                                        \
    "{\"skuName\":\"" sku "\",\"productName\":\"" product "\",\"unitOfMeasure\":\"1 Hour\",\"currencyCode\":\"USD\","  \
    "\"retailPrice\":" usd "}"

static void test_price__azures_list_is_read_for_spot_and_for_windows_apart(void **state)
{
    static const struct bed_setting list = {"prices_url", "URL"};
    static const char items[] = "{\"Items\":[" ITEM("NC4as T4 v3", "NCasT4 v3 Series", "0.526") "," ITEM(
        "NC4as T4 v3 Spot", "NCasT4 v3 Series",
        "0.158") "," ITEM("NC4as T4 v3 Low Priority", "NCasT4 v3 Series",
                          "0.105") "," ITEM("NC4as T4 v3", "NCasT4 v3 Series Windows",
                                            "0.71") "," ITEM("NC4as T4 v3 Spot", "NCasT4 v3 Series Windows",
                                                             "0.342") "],\"NextPageLink\":null}";
    struct fake_dialect d;
    AUTO_BED struct bed *b = bed_saying(&fake_azure, &d, items, &list, 1);
    const struct raw_request *r;

    (void)state;
    d.type = "Standard_NC4as_T4_v3";
    costs(b, false, NULL, 0.526);
    costs(b, true, NULL, 0.158);
    costs(b, false, "windows", 0.71);
    costs(b, true, "windows", 0.342);
    r = asked_nth(b, "GET", "/api/retail/prices", 0);
    assert_non_null(strstr(r->path, "armSkuName%20eq%20%27Standard_NC4as_T4_v3%27"));
    assert_null(raw_header(r, "Authorization")); /* the list is public: it gets no credentials */
    said = "{\"Items\":[],\"NextPageLink\":null}";
    costs(b, false, NULL, -1);
}

/* ---- the others ---- */

static void test_price__an_offer_of_vast_costs_its_hour_or_our_bid(void **state)
{
    AUTO_BED struct bed *b = bed_open(&fake_vast_ai, NULL, 0);

    (void)state;
    costs(b, false, NULL, 0.3);
    assert_int_equal(asked_count(b, "PUT", "*"), 0); /* asking rents nothing */
}

static void test_price__a_machine_of_ones_own_costs_nothing_and_some_clouds_do_not_tell(void **state)
{
    static const struct fake_dialect *const silent[] = {&fake_gcp, &fake_openstack, &fake_oracle};
    AUTO_BED struct bed *b = bed_open(&fake_on_prem, NULL, 0);

    (void)state;
    costs(b, false, NULL, 0);
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        AUTO_BED struct bed *other = bed_open(silent[i], NULL, 0);

        assert_null(other->ops->price);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_price__a_droplet_costs_what_its_size_costs_an_hour),
        cmocka_unit_test(test_price__sizes_that_make_no_sense_are_no_price),
        cmocka_unit_test(test_price__a_spot_instance_costs_what_its_dearest_zone_costs),
        cmocka_unit_test(test_price__an_instance_on_demand_costs_its_list_price),
        cmocka_unit_test(test_price__an_account_that_may_not_read_the_price_list_knows_no_price),
        cmocka_unit_test(test_price__azures_list_is_read_for_spot_and_for_windows_apart),
        cmocka_unit_test(test_price__an_offer_of_vast_costs_its_hour_or_our_bid),
        cmocka_unit_test(test_price__a_machine_of_ones_own_costs_nothing_and_some_clouds_do_not_tell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
