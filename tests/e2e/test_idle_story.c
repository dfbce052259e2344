/*
 * Warm runners from the first byte to the last: a signed push over HTTP, the real daemon as a process, a strict GitHub
 * and EC2, machines that go on line and wait, and GitHub giving them to jobs by their labels.
 */
#include "tests/support/world.h"

#include "server/base/clock.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 30000

static void put_file(struct world *w, int replicas)
{
    char text[1000];

    (void)snprintf(text, sizeof(text),
                   "runners:\n  - name: gpu-runner\n    cloud: aws\n    instance_type: t3.large\n    machine_image: "
                   "%s\n    region: us-east-1\n    labels: [cirun-warm]\n    idle: {replicas: %d}\n",
                   SIM_EC2_IMAGE, replicas);
    sim_github_put_file(w->gh, WORLD_REPO, "main", ".cirun.yml", text);
    sim_github_push(w->gh, WORLD_REPO, "main", ".cirun.yml");
}

static int setup(void **state)
{
    struct world *w = world_new(
        &(struct world_conf){.private_repo = true, .machines_keep_power = true, .work_ms = 600000, .seed = 1});

    *state = w;
    return world_daemon_up(w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    size_t violations = world_violations(w);
    int rc = world_daemon_down(w, SIGTERM);

    world_free(w);
    assert_int_equal(violations, 0);
    assert_int_equal(rc, 0);
    return 0;
}

/* So many runners on line, and so many of them without a job. */
static void wait_runners(struct world *w, size_t online, size_t idle)
{
    int64_t until = clock_mono_ms() + WAIT_MS;
    struct sim_github_stats s;

    do {
        sim_github_stats(w->gh, &s);
        if (s.runners_online == online && s.runners_online - s.in_progress == idle)
            return;
        (void)sched_yield();
    } while (clock_mono_ms() < until);
    fail_msg("%zu runners on line, %zu jobs under way", s.runners_online, s.in_progress);
}

static int64_t job(struct world *w)
{
    return sim_github_job_create(
        w->gh,
        &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"self-hosted\",\"cirun-warm\"]", .name = "train"});
}

static void test_idle_story__a_push_warms_a_job_takes_one_and_a_lower_number_spares_the_busy_one(void **state)
{
    struct world *w = *state;
    int64_t id;

    put_file(w, 2);
    wait_runners(w, 2, 2);
    assert_int_equal(sim_ec2_count(w->ec2), 2);
    id = job(w);
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_IN_PROGRESS, WAIT_MS)); /* without a launch: it is there */
    wait_runners(w, 3, 2);                                                     /* and replaced at once */
    assert_int_equal(sim_ec2_count(w->ec2), 3);
    put_file(w, 1);
    wait_runners(w, 2, 1);
    assert_true(sim_ec2_wait_live(w->ec2, 2, WAIT_MS));
    put_file(w, 0);
    wait_runners(w, 1, 0); /* the busy one stays */
    assert_true(sim_ec2_wait_live(w->ec2, 1, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 3);
    sim_github_job_cancel(w->gh, id);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_idle_story__a_killed_daemon_finds_its_pools_again_and_makes_none_twice(void **state)
{
    struct world *w = *state;

    put_file(w, 2);
    wait_runners(w, 2, 2);
    assert_int_equal(world_daemon_down(w, SIGKILL), 128 + SIGKILL);
    assert_true(world_daemon_up(w));
    put_file(w, 3);
    wait_runners(w, 3, 3);
    assert_int_equal(sim_ec2_count(w->ec2), 3);
    put_file(w, 0);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_idle_story__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_push_warms_a_job_takes_one_and_a_lower_number_spares_the_busy_one),
        TEST(a_killed_daemon_finds_its_pools_again_and_makes_none_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
