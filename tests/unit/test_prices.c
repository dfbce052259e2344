/* Prices are asked for once for a while, and not to know one is no failure. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/engine/price.h"

#define NOW INT64_C(1700000000000)
#define MINUTE INT64_C(60000)

/* A cloud that tells what it is told to, and counts. */
struct provider {
    int asked;
    double usd;
    bool fails;
};

static int tell(struct provider *p, const struct machine_spec *s, double *usd, struct err *e)
{
    (void)s;
    p->asked++;
    if (p->fails)
        return err_set(e, ERR_RETRY, "not now");
    *usd = p->usd;
    return 0;
}

static const struct provider_ops telling = {.name = "aws", .price = tell};
static const struct provider_ops silent = {.name = "aws"};

static int setup(void **state)
{
    clock_test_set(NOW);
    *state = prices_new();
    return 0;
}

static int teardown(void **state)
{
    prices_free(*state);
    clock_test_release();
    return 0;
}

static double price(struct prices *p, const struct provider_ops *ops, struct provider *cloud,
                    const struct machine_spec *s)
{
    struct err e;
    double usd;

    assert_ok(prices_get(p, ops, cloud, s, &usd, &e), e);
    return usd;
}

static void is_price(double found, double expected)
{
    if (found < expected || found > expected)
        fail_msg("expected %f, found %f", expected, found);
}

static void test_prices__a_list_price_holds_for_an_hour_and_a_spot_price_for_minutes(void **state)
{
    struct provider cloud = {.usd = 0.5};
    struct machine_spec s = {.cloud = "aws", .instance_type = "g4dn.xlarge", .region = "eu-west-1"};

    is_price(price(*state, &telling, &cloud, &s), 0.5);
    cloud.usd = 0.6;
    clock_test_set(NOW + 59 * MINUTE);
    is_price(price(*state, &telling, &cloud, &s), 0.5);
    clock_test_set(NOW + 61 * MINUTE);
    is_price(price(*state, &telling, &cloud, &s), 0.6);
    s.spot = true;
    is_price(price(*state, &telling, &cloud, &s), 0.6);
    assert_int_equal(cloud.asked, 3);
    cloud.usd = 0.2;
    clock_test_set(NOW + 67 * MINUTE);
    is_price(price(*state, &telling, &cloud, &s), 0.2);
}

static void test_prices__each_type_and_region_has_its_own(void **state)
{
    struct provider cloud = {.usd = 0.5};
    struct machine_spec s = {.cloud = "aws", .instance_type = "a", .region = "b"};

    is_price(price(*state, &telling, &cloud, &s), 0.5);
    s.instance_type = "ab";
    s.region = NULL;
    cloud.usd = 0.7;
    is_price(price(*state, &telling, &cloud, &s), 0.7);
    s.os = "windows";
    cloud.usd = 0.9;
    is_price(price(*state, &telling, &cloud, &s), 0.9);
}

static void test_prices__who_cannot_be_asked_now_is_asked_again(void **state)
{
    struct provider cloud = {.usd = 0.5, .fails = true};
    const struct machine_spec s = {.cloud = "aws", .instance_type = "a"};
    struct err e;
    double usd;

    assert_fails(prices_get(*state, &telling, &cloud, &s, &usd, &e), ERR_RETRY, "not now", e);
    cloud.fails = false;
    is_price(price(*state, &telling, &cloud, &s), 0.5);
}

static void test_prices__without_anybody_to_ask_only_ones_own_hosts_are_known(void **state)
{
    struct provider cloud = {.usd = 0.5};
    const struct machine_spec aws = {.cloud = "aws", .instance_type = "a"}, own = {.cloud = "on_prem"};

    assert_true(price(NULL, &telling, &cloud, &aws) < 0);
    assert_true(price(*state, NULL, NULL, &aws) < 0);
    assert_true(price(*state, &silent, &cloud, &aws) < 0);
    is_price(price(NULL, NULL, NULL, &own), 0);
    assert_int_equal(cloud.asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prices__a_list_price_holds_for_an_hour_and_a_spot_price_for_minutes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_prices__each_type_and_region_has_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prices__who_cannot_be_asked_now_is_asked_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prices__without_anybody_to_ask_only_ones_own_hosts_are_known, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
