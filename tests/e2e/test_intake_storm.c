/*
 * 10,000 deliveries over 1,000 simultaneous new connections, again and again: libmicrohttpd's own epoll thread hangs
 * under such bursts, our loop must not. STORM=100 repeats it a hundred times instead of three.
 */
#include "server/base/text.h"
#include "tests/support/intake.h"
#include "tests/support/load.h"
#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define DELIVERIES 10000
#define NEEDED 2300 /* descriptors: both ends of each connection, and some */

static void storm(struct intake *t, unsigned at_once, bool keep, int64_t first_job)
{
    const struct load l = {.port = intake_port(t),
                           .secret = intake_secret(t),
                           .total = DELIVERIES,
                           .at_once = at_once,
                           .keep = keep,
                           .body_size = 11000,
                           .first_job = first_job};
    size_t before = intake_stored(t);
    struct load_result r;

    assert_true(load_run(&l, &r));
    print_message("%d deliveries, %u at once, %s: %.2f s, p50 %.0f ms, p99 %.0f ms, slowest %.0f ms\n", DELIVERIES,
                  at_once, keep ? "kept" : "each on a new connection", (double)r.took_us / 1e6, (double)r.p50_us / 1e3,
                  (double)r.p99_us / 1e3, (double)r.max_us / 1e3);
    assert_int_equal(r.lost, 0);
    assert_int_equal(r.refused, 0);
    assert_int_equal(r.accepted, DELIVERIES);
    assert_int_equal(intake_stored(t) - before, DELIVERIES);
    assert_in_range(r.max_us, 0, 9 * 1000 * 1000); /* GitHub waits ten seconds */
}

static int64_t repetitions(void)
{
    const char *text = getenv("STORM");
    int64_t n = 3;
    struct err e;

    if (text != NULL && text_i64(text, 1, 100000, &n, &e))
        fail_msg("STORM: %s", e.msg);
    return n;
}

static void test_intake__a_storm_of_new_connections_never_stalls(void **state)
{
    int64_t n = repetitions();

    (void)state;
    for (int64_t i = 0; i < n; i++) {
        struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});

        storm(t, 1000, false, 0);
        intake_free(t);
    }
}

static void test_intake__bursts_of_exactly_as_many_as_one_epoll_call_returns_do_not_stall(void **state)
{
    static const unsigned sizes[] = {127, 128, 129, 256};
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){0});

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
        storm(t, sizes[i], i % 2 == 1, (int64_t)(2000000000000000 + i * DELIVERIES));
    intake_free(t);
}

static void test_intake__more_connections_than_it_takes_are_served_in_turn(void **state)
{
    struct intake *t = intake_start(INTAKE_GROUPED, &(struct api_conf){.max_connections = 100});

    (void)state;
    storm(t, 1000, false, 0);
    intake_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intake__a_storm_of_new_connections_never_stalls),
        cmocka_unit_test(test_intake__bursts_of_exactly_as_many_as_one_epoll_call_returns_do_not_stall),
        cmocka_unit_test(test_intake__more_connections_than_it_takes_are_served_in_turn),
    };
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < NEEDED) {
        lim.rlim_cur = lim.rlim_max < NEEDED ? lim.rlim_max : NEEDED;
        (void)setrlimit(RLIMIT_NOFILE, &lim);
        if (lim.rlim_cur < NEEDED) {
            printf("SKIP test_intake_storm: needs %d descriptors, may have %ld\n", NEEDED, (long)lim.rlim_cur);
            return 0;
        }
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
