/* The story of a spot machine that EC2 takes back twice: the real daemon, GitHub and EC2 simulated. */
#include "tests/sim/sim_github_rerun.h"
#include "tests/support/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 60000
#define PERMISSIONS                                                                                                    \
    "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"write\",\"metadata\":\"read\",\"checks\":"      \
    "\"write\"}"

static const char file_text[] =
    "runners:\n"
    "  - {name: gpu, cloud: aws, region: us-east-1, instance_type: g4dn.xlarge, machine_image: " SIM_EC2_IMAGE ",\n"
    "     preemptible: true, labels: [cirun.gpu], muster: {rerun_interrupted: 2}}\n";

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){.cirun_yml = file_text, .work_ms = 4000, .seed = 1});

    *state = w;
    sim_github_permissions(w->gh, WORLD_INSTALLATION, PERMISSIONS);
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

/* The one job of the newest attempt, once there are so many. */
static int64_t job_of_attempt(struct world *w, int64_t run_id, int attempt)
{
    struct sim_run_info run = {.attempt = 0};

    for (int i = 0; i < 3000 && run.attempt < attempt; i++) {
        assert_true(sim_github_run_get(w->gh, run_id, &run));
        if (run.attempt < attempt)
            (void)sim_github_wait_completed(w->gh, 1000000, 20); /* a moment */
    }
    assert_int_equal(run.attempt, attempt);
    assert_int_equal(run.n_jobs, 1);
    return run.jobs[0];
}

static void take_back(struct world *w, size_t machine, int64_t job)
{
    struct sim_instance i;

    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_IN_PROGRESS, WAIT_MS));
    assert_true(sim_ec2_at(w->ec2, machine, &i));
    sim_ec2_interrupt(w->ec2, i.id);
    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
}

static void test_story_rerun__a_job_that_lost_two_spot_machines_ends_well_on_one_on_demand(void **state)
{
    struct world *w = *state;
    int64_t job = sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = "[\"cirun.gpu\"]", .name = "train"});
    struct sim_job_info info;
    struct sim_instance i;
    int64_t run_id;

    assert_true(sim_github_job(w->gh, job, &info));
    run_id = info.run_id;
    take_back(w, 0, job);
    job = job_of_attempt(w, run_id, 2);
    take_back(w, 1, job);
    job = job_of_attempt(w, run_id, 3);
    assert_true(sim_github_wait_job(w->gh, job, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_github_job(w->gh, job, &info));
    assert_string_equal(info.conclusion, "success");
    assert_true(sim_ec2_at(w->ec2, 1, &i));
    assert_true(i.spot);
    assert_true(sim_ec2_at(w->ec2, 2, &i));
    assert_false(i.spot);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_story_rerun__a_job_that_lost_two_spot_machines_ends_well_on_one_on_demand,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
