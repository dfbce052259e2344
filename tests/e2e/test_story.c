/*
 * The founding story, from the first byte to the last: signed webhooks over HTTP, the real daemon as a process, a
 * strict GitHub and EC2 on the other side, machines that read their user-data and take the job.
 */
#include "server/base/clock.h"
#include "tests/support/world.h"

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
#define GPU_LABELS "[\"self-hosted\",\"cirun.gpu\"]"

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){.machines_keep_power = true, .seed = 1});

    *state = w;
    return world_daemon_up(w) ? 0 : -1;
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

static size_t gh(struct world *w, const char *op)
{
    return sim_http_count(sim_github_http(w->gh), op);
}

static size_t ec2(struct world *w, const char *action)
{
    return sim_http_count(sim_ec2_http(w->ec2), action);
}

/* All that was asked of GitHub but the look at its delivery log, one when the daemon starts. */
static size_t gh_for_jobs(struct world *w)
{
    assert_true(gh(w, SIM_GH_DELIVERIES) <= 1);
    return sim_http_count_all(sim_github_http(w->gh)) - gh(w, SIM_GH_DELIVERIES);
}

static int64_t gpu_job(struct world *w, int64_t run_id)
{
    return sim_github_job_create(
        w->gh,
        &(struct sim_job_spec){.repo = WORLD_REPO, .labels = GPU_LABELS, .name = "train (gpu)", .run_id = run_id});
}

static int64_t run_of(struct world *w, int64_t job)
{
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, job, &info));
    return info.run_id;
}

static void test_story__the_hosted_job_of_the_matrix_causes_no_call_at_all(void **state)
{
    struct world *w = *state;

    (void)sim_github_job_create(
        w->gh, &(struct sim_job_spec){
                   .repo = WORLD_REPO, .labels = "[\"ubuntu-latest\"]", .name = "train (cpu)", .hosted_ms = 20});
    assert_true(sim_github_wait_completed(w->gh, 1, WAIT_MS));
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));
    assert_int_equal(gh_for_jobs(w), 0);
    assert_int_equal(sim_http_count_all(sim_ec2_http(w->ec2)), 0);
}

static void test_story__the_gpu_job_causes_exactly_the_calls_it_needs(void **state)
{
    struct world *w = *state;
    int64_t cpu = sim_github_job_create(
        w->gh, &(struct sim_job_spec){
                   .repo = WORLD_REPO, .labels = "[\"ubuntu-latest\"]", .name = "train (cpu)", .hosted_ms = 20});
    int64_t gpu = gpu_job(w, run_of(w, cpu));

    assert_true(sim_github_wait_job(w->gh, gpu, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(gh(w, SIM_GH_TOKEN), 3); /* to read; for runners; for the organisation's files, refused */
    assert_int_equal(gh(w, SIM_GH_RUN), 1);
    assert_int_equal(gh(w, SIM_GH_CONTENTS), 1);
    assert_int_equal(gh(w, SIM_GH_JITCONFIG), 1);
    assert_int_equal(gh_for_jobs(w), 6);
    assert_int_equal(ec2(w, "RunInstances"), 1);
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

static void test_story__a_second_job_of_the_run_causes_only_a_runner_and_a_launch(void **state)
{
    struct world *w = *state;
    int64_t first = gpu_job(w, 0);
    int64_t second;
    size_t before;

    assert_true(sim_github_wait_job(w->gh, first, SIM_JOB_COMPLETED, WAIT_MS));
    before = gh_for_jobs(w);
    second = gpu_job(w, run_of(w, first));
    assert_true(sim_github_wait_job(w->gh, second, SIM_JOB_COMPLETED, WAIT_MS));
    assert_int_equal(gh_for_jobs(w), before + 1);
    assert_int_equal(gh(w, SIM_GH_JITCONFIG), 2);
    assert_int_equal(ec2(w, "RunInstances"), 2);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_story__completed_terminates_the_machine_with_everything_tagged_as_ours(void **state)
{
    struct world *w = *state;
    int64_t gpu = gpu_job(w, 0);
    struct sim_instance i;
    char tag[128], want[32];

    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    assert_true(sim_ec2_at(w->ec2, 0, &i));
    assert_string_equal(i.type, "g4dn.xlarge");
    assert_true(i.spot);
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-machine", tag, sizeof(tag)));
    assert_memory_equal(tag, "muster-", 7);
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-repository", tag, sizeof(tag)));
    assert_string_equal(tag, WORLD_REPO);
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-deployment", tag, sizeof(tag)));
    assert_string_equal(tag, "muster");
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-job", tag, sizeof(tag)));
    (void)snprintf(want, sizeof(want), "%lld", (long long)gpu);
    assert_string_equal(tag, want);
    assert_true(sim_ec2_tag(w->ec2, i.id, "muster-expires", tag, sizeof(tag)));
    assert_true(strtoll(tag, NULL, 10) > clock_now_ms() / 1000);
    assert_true(sim_github_wait_job(w->gh, gpu, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_story__no_spot_capacity_falls_back_to_on_demand(void **state)
{
    struct world *w = *state;
    struct sim_instance i;
    int64_t gpu;

    sim_ec2_capacity(w->ec2, "g4dn.xlarge", NULL, SIM_MARKET_SPOT, 0);
    gpu = gpu_job(w, 0);
    assert_true(sim_github_wait_job(w->gh, gpu, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_ec2_at(w->ec2, 0, &i));
    assert_false(i.spot);
    assert_int_equal(sim_ec2_count(w->ec2), 1);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_story__a_killed_daemon_takes_up_where_it_was(void **state)
{
    struct world *w = *state;
    int64_t gpu;

    gpu = gpu_job(w, 0);
    assert_true(sim_ec2_wait_launched(w->ec2, 1, WAIT_MS));
    (void)world_daemon_down(w, SIGKILL);
    assert_true(sim_github_wait_job(w->gh, gpu, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(world_daemon_up(w));
    sim_github_redeliver_failed(w->gh);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

static void test_story__sigterm_in_the_middle_ends_cleanly_and_loses_nothing(void **state)
{
    struct world *w = *state;
    int64_t gpu;

    sim_http_latency(sim_ec2_http(w->ec2), 300);
    gpu = gpu_job(w, 0);
    assert_true(daemon_wait_log(w->daemon, "job.decided", WAIT_MS));
    assert_int_equal(world_daemon_down(w, SIGTERM), 0);
    assert_true(world_daemon_up(w));
    sim_github_redeliver_failed(w->gh);
    assert_true(sim_github_wait_job(w->gh, gpu, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
}

static void test_story__a_second_sigterm_does_not_wait_for_a_cloud_that_hangs(void **state)
{
    struct world *w = *state;
    int64_t until = clock_mono_ms() + WAIT_MS;

    sim_http_fault(sim_ec2_http(w->ec2), &(struct sim_fault){.op = "RunInstances", .kind = SIM_FAULT_HANG, .next = 1});
    (void)gpu_job(w, 0);
    while (ec2(w, "RunInstances") == 0 && clock_mono_ms() < until)
        (void)sched_yield();
    (void)kill(daemon_pid(w->daemon), SIGTERM);
    assert_true(daemon_wait_log(w->daemon, "engine.draining", WAIT_MS));
    assert_int_equal(world_daemon_down(w, SIGTERM), 128 + SIGTERM);
    assert_true(world_daemon_up(w));
    assert_true(sim_github_wait_completed(w->gh, 1, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static int setup_long_job(void **state)
{
    struct world *w = world_new(&(struct world_conf){.machines_keep_power = true, .work_ms = 1500, .seed = 1});

    *state = w;
    return world_daemon_up(w) ? 0 : -1;
}

static void test_story__launches_that_hang_do_not_delay_the_end_of_a_machine(void **state)
{
    struct world *w = *state;
    int64_t until = clock_mono_ms() + WAIT_MS;
    int64_t running = gpu_job(w, 0);

    assert_true(sim_github_wait_job(w->gh, running, SIM_JOB_IN_PROGRESS, WAIT_MS));
    sim_http_fault(sim_ec2_http(w->ec2),
                   &(struct sim_fault){.op = "RunInstances", .kind = SIM_FAULT_HANG, .next = 200});
    for (int i = 0; i < 100; i++)
        (void)gpu_job(w, run_of(w, running));
    while (ec2(w, "RunInstances") < 1 + 48 && clock_mono_ms() < until)
        (void)sched_yield();
    assert_true(sim_github_wait_job(w->gh, running, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, 5000)); /* the hanging ones end after 30 s only */
    assert_int_equal(world_daemon_down(w, SIGKILL), 128 + SIGKILL);
}

static void test_story__no_secret_is_in_the_log(void **state)
{
    struct world *w = *state;
    int64_t gpu;
    char *log;

    sim_ec2_fault(w->ec2, "RunInstances", 403, "UnauthorizedOperation", "no " SIM_EC2_SECRET, 1, 0);
    gpu = gpu_job(w, 0);
    assert_true(daemon_wait_log(w->daemon, "launch.refused", WAIT_MS));
    log = daemon_log(w->daemon);
    assert_null(strstr(log, "nobody-sees"));
    assert_null(strstr(log, SIM_EC2_SECRET));
    assert_null(strstr(log, "ghs_"));
    assert_null(strstr(log, "MUSTER_JIT"));
    free(log);
    sim_github_job_cancel(w->gh, gpu);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_story__the_hosted_job_of_the_matrix_causes_no_call_at_all),
        TEST(test_story__the_gpu_job_causes_exactly_the_calls_it_needs),
        TEST(test_story__a_second_job_of_the_run_causes_only_a_runner_and_a_launch),
        TEST(test_story__completed_terminates_the_machine_with_everything_tagged_as_ours),
        TEST(test_story__no_spot_capacity_falls_back_to_on_demand),
        TEST(test_story__a_killed_daemon_takes_up_where_it_was),
        TEST(test_story__sigterm_in_the_middle_ends_cleanly_and_loses_nothing),
        TEST(test_story__a_second_sigterm_does_not_wait_for_a_cloud_that_hangs),
        cmocka_unit_test_setup_teardown(test_story__launches_that_hang_do_not_delay_the_end_of_a_machine,
                                        setup_long_job, teardown),
        TEST(test_story__no_secret_is_in_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
