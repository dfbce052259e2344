/*
 * A storm: a thousand jobs at once, each with a suffix of its own, their events duplicated and out of order, a tenth of
 * all calls to GitHub and EC2 failing, some after they took effect. Each job is served once and no machine is left.
 * BURST_JOBS and BURST_SEED change the number and the dice.
 */
#include "tests/support/world.h"

#include "server/base/clock.h"
#include "server/base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 240000

static long number(const char *name, long fallback)
{
    const char *s = getenv(name);

    return s != NULL ? strtol(s, NULL, 10) : fallback;
}

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){
        .boot_ms = 30, .work_ms = 100, .machines_keep_power = true, .seed = (uint64_t)number("BURST_SEED", 42)});

    *state = w;
    env_without_limits(&w->env);
    return world_daemon_up(w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;

    world_free(w);
    return 0;
}

/* One call in ten fails: half of them before anything happened, half after. */
static void make_trouble(struct world *w)
{
    static const struct sim_fault faults[] = {
        {.kind = SIM_FAULT_STATUS, .status = 502, .probability = 0.025},
        {.kind = SIM_FAULT_RESET_BEFORE, .probability = 0.025},
        {.kind = SIM_FAULT_RESET_AFTER, .probability = 0.025},
        {.kind = SIM_FAULT_STATUS_AFTER, .status = 500, .probability = 0.025},
    };

    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        sim_http_fault(sim_github_http(w->gh), &faults[i]);
        sim_http_fault(sim_ec2_http(w->ec2), &faults[i]);
    }
    sim_github_hook_options(w->gh, &(struct sim_hook_options){.duplicate = 0.2, .reorder_ms = 300, .parallel = 64});
}

/* Creates n jobs with suffixes in random order and waits until each is completed. */
static int64_t *burst(struct world *w, size_t n, int64_t from)
{
    int64_t *ids = mem_calloc(n, sizeof(*ids));
    struct sim_github_stats stats;
    size_t *order = mem_calloc(n, sizeof(*order));

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)lrand48() % i, swap = order[i - 1];

        order[i - 1] = order[k];
        order[k] = swap;
    }
    sim_github_stats(w->gh, &stats);
    for (size_t i = 0; i < n; i++) {
        char labels[64];

        (void)snprintf(labels, sizeof(labels), "[\"cirun-gpu--%lld\"]", (long long)(from + (int64_t)order[i]));
        ids[i] = sim_github_job_create(w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = labels});
        assert_true(ids[i] > 0);
    }
    free(order);
    if (!sim_github_wait_completed(w->gh, stats.completed + n, WAIT_MS)) {
        sim_github_stats(w->gh, &stats);
        print_error("%zu queued, %zu in progress, %zu completed of %zu\n", stats.queued, stats.in_progress,
                    stats.completed, stats.jobs);
        fail();
    }
    return ids;
}

static void served_once(struct world *w, const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sim_job_info info;

        assert_true(sim_github_job(w->gh, ids[i], &info));
        assert_int_equal(info.state, SIM_JOB_COMPLETED);
        assert_string_equal(info.conclusion, "success");
        assert_int_equal(info.times_started, 1);
    }
}

static void test_burst__every_job_is_served_once_and_nothing_is_left(void **state)
{
    struct world *w = *state;
    size_t n = (size_t)number("BURST_JOBS", 1000);
    int64_t began = clock_mono_ms();
    struct sim_github_stats stats;
    int64_t *first, *second;
    long before, after;

    srand48(number("BURST_SEED", 42));
    make_trouble(w);
    first = burst(w, n, 0);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    before = daemon_rss_kib(w->daemon);
    second = burst(w, n, (int64_t)n);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));
    after = daemon_rss_kib(w->daemon);
    served_once(w, first, n);
    served_once(w, second, n);
    sim_github_stats(w->gh, &stats);
    print_message("%zu jobs in %lld ms, %zu machines launched, %zu + %zu faults, memory %ld then %ld KiB\n", 2 * n,
                  (long long)(clock_mono_ms() - began), sim_ec2_count(w->ec2),
                  sim_http_faults_hit(sim_github_http(w->gh)), sim_http_faults_hit(sim_ec2_http(w->ec2)), before,
                  after);
    assert_int_equal(sim_ec2_live(w->ec2), 0);
    assert_int_equal(stats.queued + stats.in_progress, 0);
    assert_int_equal(world_violations(w), 0);
    assert_true(after < before + before / 8 + 2048);
    assert_int_equal(world_daemon_down(w, SIGTERM), 0);
    free(first);
    free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_burst__every_job_is_served_once_and_nothing_is_left, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
