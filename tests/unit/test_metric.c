#include "tests/support/unit.h"

#include "server/base/metric.h"
#include "server/base/text.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

static const double few[] = {0.1, 1, 0};
static const struct metric_desc deliveries = {METRIC_COUNTER, "muster_deliveries_total", "Deliveries by answer", "code",
                                              NULL};
static const struct metric_desc machines = {METRIC_GAUGE, "muster_machines", "Machines now", NULL, NULL};
static const struct metric_desc waits = {METRIC_HISTOGRAM, "muster_wait_seconds", "Time to launch", NULL, few};
static const struct metric_desc calls = {METRIC_HISTOGRAM, "muster_calls_seconds", "Calls by cloud", "cloud", few};
static const struct metric_desc plain = {METRIC_HISTOGRAM, "muster_default_seconds", "Default buckets", NULL, NULL};

static int reset(void **state)
{
    (void)state;
    metric_reset_all();
    return 0;
}

static void assert_exposed(const char *expected)
{
    AUTO_BUF struct buf out = BUF_INIT(100000);
    const char *s = NULL;
    struct err e;

    metric_expose(&out);
    assert_ok(buf_str(&out, &s, &e), e);
    assert_string_equal(s, expected);
}

static void test_metric__nothing_is_exposed_before_its_first_use(void **state)
{
    (void)state;
    assert_exposed("");
    assert_true(fpclassify(metric_value(&machines, NULL)) == FP_ZERO);
}

static void test_metric__counters_add_up_by_label_value(void **state)
{
    (void)state;
    metric_add(&deliveries, "401", 1);
    metric_add(&deliveries, "202", 1);
    metric_add(&deliveries, "202", 2);
    assert_exposed("# HELP muster_deliveries_total Deliveries by answer\n"
                   "# TYPE muster_deliveries_total counter\n"
                   "muster_deliveries_total{code=\"202\"} 3\n"
                   "muster_deliveries_total{code=\"401\"} 1\n");
    assert_int_equal((int)metric_value(&deliveries, "202"), 3);
    assert_int_equal((int)metric_value(&deliveries, "500"), 0);
}

static void test_metric__gauges_go_up_and_down_and_may_be_set(void **state)
{
    (void)state;
    metric_add(&machines, NULL, 3);
    metric_add(&machines, NULL, -1);
    assert_exposed("# HELP muster_machines Machines now\n# TYPE muster_machines gauge\nmuster_machines 2\n");
    metric_set(&machines, NULL, 7.5);
    assert_exposed("# HELP muster_machines Machines now\n# TYPE muster_machines gauge\nmuster_machines 7.5\n");
}

static void test_metric__histogram_buckets_are_cumulated_and_include_their_bound(void **state)
{
    (void)state;
    metric_observe(&waits, NULL, 0.1);
    metric_observe(&waits, NULL, 0.5);
    metric_observe(&waits, NULL, 1);
    metric_observe(&waits, NULL, 8);
    assert_exposed("# HELP muster_wait_seconds Time to launch\n"
                   "# TYPE muster_wait_seconds histogram\n"
                   "muster_wait_seconds_bucket{le=\"0.1\"} 1\n"
                   "muster_wait_seconds_bucket{le=\"1\"} 3\n"
                   "muster_wait_seconds_bucket{le=\"+Inf\"} 4\n"
                   "muster_wait_seconds_sum 9.6\n"
                   "muster_wait_seconds_count 4\n");
    assert_int_equal((int)metric_value(&waits, NULL), 4);
}

static void test_metric__histogram_labels_stand_before_le(void **state)
{
    (void)state;
    metric_observe(&calls, "aws", 2);
    assert_exposed("# HELP muster_calls_seconds Calls by cloud\n"
                   "# TYPE muster_calls_seconds histogram\n"
                   "muster_calls_seconds_bucket{cloud=\"aws\",le=\"0.1\"} 0\n"
                   "muster_calls_seconds_bucket{cloud=\"aws\",le=\"1\"} 0\n"
                   "muster_calls_seconds_bucket{cloud=\"aws\",le=\"+Inf\"} 1\n"
                   "muster_calls_seconds_sum{cloud=\"aws\"} 2\n"
                   "muster_calls_seconds_count{cloud=\"aws\"} 1\n");
}

static void test_metric__default_buckets_reach_from_5_ms_to_60_s(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100000);

    (void)state;
    metric_observe(&plain, NULL, 60);
    metric_expose(&out);
    assert_non_null(strstr(out.p, "muster_default_seconds_bucket{le=\"0.005\"} 0\n"));
    assert_non_null(strstr(out.p, "muster_default_seconds_bucket{le=\"30\"} 0\n"));
    assert_non_null(strstr(out.p, "muster_default_seconds_bucket{le=\"60\"} 1\n"));
}

static void test_metric__families_are_sorted_by_name(void **state)
{
    AUTO_BUF struct buf out = BUF_INIT(100000);

    (void)state;
    metric_observe(&waits, NULL, 1);
    metric_add(&machines, NULL, 1);
    metric_add(&deliveries, "202", 1);
    metric_observe(&calls, "aws", 1);
    metric_expose(&out);
    assert_true(strstr(out.p, "TYPE muster_calls") < strstr(out.p, "TYPE muster_deliveries"));
    assert_true(strstr(out.p, "TYPE muster_deliveries") < strstr(out.p, "TYPE muster_machines"));
    assert_true(strstr(out.p, "TYPE muster_machines") < strstr(out.p, "TYPE muster_wait"));
}

static void test_metric__numbers_lose_nothing_and_are_short(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "muster_machines 0\n"},
                 {0.1, "muster_machines 0.1\n"},
                 {1700000000.123, "muster_machines 1700000000.123\n"},
                 {9007199254740992, "muster_machines 9007199254740992\n"},
                 {-2.5, "muster_machines -2.5\n"},
                 {INFINITY, "muster_machines +Inf\n"},
                 {-INFINITY, "muster_machines -Inf\n"},
                 {NAN, "muster_machines NaN\n"}};
    uint64_t seed = 31;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);

        metric_set(&machines, NULL, cases[i].v);
        metric_expose(&out);
        assert_true(text_has_suffix(out.p, cases[i].text));
    }
    for (int i = 0; i < 1000; i++) {
        AUTO_BUF struct buf out = BUF_INIT(1000);
        double v = (double)unit_random(&seed) / (1 + unit_random(&seed) % 1000000), back;

        metric_set(&machines, NULL, v);
        metric_expose(&out);
        back = strtod(strstr(out.p, "\nmuster_machines ") + 17, NULL);
        assert_memory_equal(&back, &v, sizeof(v));
    }
}

static void test_metric__label_values_and_help_are_escaped(void **state)
{
    static const struct metric_desc odd = {METRIC_COUNTER, "muster_odd_total", "back\\slash \"and\"\nline", "x", NULL};

    (void)state;
    metric_add(&odd, "a\"b\\c\nd", 1);
    assert_exposed("# HELP muster_odd_total back\\\\slash \"and\"\\nline\n"
                   "# TYPE muster_odd_total counter\n"
                   "muster_odd_total{x=\"a\\\"b\\\\c\\nd\"} 1\n");
}

static void test_metric__two_descriptors_of_one_name_are_one_family(void **state)
{
    static const struct metric_desc twin = {METRIC_GAUGE, "muster_machines", "Machines now", NULL, NULL};

    (void)state;
    metric_add(&machines, NULL, 1);
    metric_add(&twin, NULL, 1);
    assert_int_equal((int)metric_value(&machines, NULL), 2);
}

static void *count(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        metric_add(&deliveries, "202", 1);
        metric_observe(&waits, NULL, 0.5);
    }
    return arg;
}

static void test_metric__no_count_of_several_threads_is_lost(void **state)
{
    pthread_t t[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    assert_int_equal((int)metric_value(&deliveries, "202"), 40000);
    assert_int_equal((int)metric_value(&waits, NULL), 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_metric__nothing_is_exposed_before_its_first_use, reset),
        cmocka_unit_test_teardown(test_metric__counters_add_up_by_label_value, reset),
        cmocka_unit_test_teardown(test_metric__gauges_go_up_and_down_and_may_be_set, reset),
        cmocka_unit_test_teardown(test_metric__histogram_buckets_are_cumulated_and_include_their_bound, reset),
        cmocka_unit_test_teardown(test_metric__histogram_labels_stand_before_le, reset),
        cmocka_unit_test_teardown(test_metric__default_buckets_reach_from_5_ms_to_60_s, reset),
        cmocka_unit_test_teardown(test_metric__families_are_sorted_by_name, reset),
        cmocka_unit_test_teardown(test_metric__numbers_lose_nothing_and_are_short, reset),
        cmocka_unit_test_teardown(test_metric__label_values_and_help_are_escaped, reset),
        cmocka_unit_test_teardown(test_metric__two_descriptors_of_one_name_are_one_family, reset),
        cmocka_unit_test_teardown(test_metric__no_count_of_several_threads_is_lost, reset),
    };

    return cmocka_run_group_tests_name("metric", tests, NULL, NULL);
}
