/* Events that are lost between the real daemon and GitHub: what follows when it is up again. */
#include "server/base/clock.h"
#include "tests/sim/sim_github_log.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define WAIT_MS 30000
#define GPU_LABELS "[\"self-hosted\",\"cirun.gpu\"]"

static int setup(void **state)
{
    *state = world_new(&(struct world_conf){.machines_keep_power = true, .seed = 1});
    return world_daemon_up(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    size_t violations = world_violations(w);
    int rc = w->daemon != NULL ? world_daemon_down(w, SIGTERM) : 0;

    world_free(w);
    assert_int_equal(violations, 0);
    assert_int_equal(rc, 0);
    return 0;
}

static int64_t gpu_job(struct world *w, bool silent)
{
    return sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = GPU_LABELS, .name = "train", .silent = silent});
}

static void test_catch_up_story__jobs_queued_while_the_daemon_was_down_are_served_when_it_is_up(void **state)
{
    struct world *w = *state;

    (void)world_daemon_down(w, SIGKILL);
    for (int i = 0; i < 5; i++)
        (void)gpu_job(w, false);
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS)); /* nobody was there */
    assert_true(world_daemon_up(w));
    assert_true(sim_github_wait_completed(w->gh, 5, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 5);
    assert_true(sim_http_count(sim_github_http(w->gh), SIM_GH_REDELIVER) >= 5);
}

static void test_catch_up_story__a_machine_whose_job_ended_while_the_daemon_was_down_ends(void **state)
{
    struct world *w = *state;
    int64_t job = gpu_job(w, false);

    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    (void)world_daemon_down(w, SIGKILL); /* in_progress and completed find nobody */
    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));
    assert_true(world_daemon_up(w));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

static void test_catch_up_story__a_redelivery_that_is_doubled_makes_one_machine(void **state)
{
    struct world *w = *state;

    (void)world_daemon_down(w, SIGKILL);
    (void)gpu_job(w, false);
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));
    assert_true(world_daemon_up(w));
    sim_github_redeliver_failed(w->gh); /* an operator by hand, at the same time */
    sim_github_redeliver_failed(w->gh);
    assert_true(sim_github_wait_completed(w->gh, 1, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

static void test_catch_up_story__a_log_that_fails_at_first_is_read_a_little_later(void **state)
{
    struct world *w = *state;

    (void)world_daemon_down(w, SIGKILL);
    (void)gpu_job(w, true);
    sim_http_fault(sim_github_http(w->gh),
                   &(struct sim_fault){.op = SIM_GH_DELIVERIES, .kind = SIM_FAULT_STATUS, .status = 502, .next = 1});
    assert_true(world_daemon_up(w));
    assert_true(daemon_wait_log(w->daemon, "deliveries.unread", WAIT_MS));
    assert_true(sim_github_wait_completed(w->gh, 1, 2 * WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_catch_up_story__a_suspension_comes_as_an_event_and_github_is_asked(void **state)
{
    struct world *w = *state;

    sim_github_suspend(w->gh, WORLD_INSTALLATION, true);
    sim_github_send(w->gh, "installation",
                    "{\"action\":\"suspend\",\"installation\":{\"id\":77,\"account\":{\"login\":\"octo\"}}}");
    assert_true(daemon_wait_log(w->daemon, "installation.closed", WAIT_MS));
    (void)gpu_job(w, false);
    assert_true(daemon_wait_log(w->daemon, "job.postponed", WAIT_MS));
    assert_int_equal(sim_http_count(sim_github_http(w->gh), SIM_GH_TOKEN), 0);
    sim_github_suspend(w->gh, WORLD_INSTALLATION, false);
    sim_github_send(w->gh, "installation",
                    "{\"action\":\"unsuspend\",\"installation\":{\"id\":77,\"account\":{\"login\":\"octo\"}}}");
    assert_true(sim_github_wait_completed(w->gh, 1, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catch_up_story__jobs_queued_while_the_daemon_was_down_are_served_when_it_is_up),
        TEST(test_catch_up_story__a_machine_whose_job_ended_while_the_daemon_was_down_ends),
        TEST(test_catch_up_story__a_redelivery_that_is_doubled_makes_one_machine),
        TEST(test_catch_up_story__a_log_that_fails_at_first_is_read_a_little_later),
        TEST(test_catch_up_story__a_suspension_comes_as_an_event_and_github_is_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
