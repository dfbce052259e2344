/*
 * What a person sees in the pull request, with the real daemon between a strict GitHub and EC2: signed webhooks in,
 * check runs out, and the button pressed.
 */
#include "tests/support/world.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 30000

static const char mended[] = "runners:\n"
                             "  - name: gpu-runner\n"
                             "    cloud: aws\n"
                             "    instance_type: g4dn.xlarge\n"
                             "    machine_image: " SIM_EC2_IMAGE "\n"
                             "    region: us-east-1\n"
                             "    labels: [cirun-gpu, cirun-gqu]\n";

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){.machines_keep_power = true, .seed = 1});

    *state = w;
    env_set(&w->env, "MUSTER_GITHUB_SLOW_START", "1s");
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

static int64_t job(struct world *w, const char *labels)
{
    int64_t id = sim_github_job_create(
        w->gh, &(struct sim_job_spec){.repo = WORLD_REPO, .labels = labels, .name = "train (gpu)"});

    assert_true(id > 0);
    return id;
}

static void see(struct world *w, struct sim_check *c)
{
    assert_true(sim_github_check(w->gh, 0, c));
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_report_story__a_slip_in_a_label_is_shown_and_a_press_serves_the_job_once_it_is_mended(void **state)
{
    struct world *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id = job(w, "[\"cirun-gqu--7\"]");

    assert_true(sim_github_wait_check(w->gh, 0, "completed", "failure", WAIT_MS));
    see(w, &c);
    assert_string_equal(c.title, "No runner has the label cirun-gqu: did you mean cirun-gpu?");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(c.annotations, 0), "start_line")), 9);
    sim_github_put_file(w->gh, WORLD_REPO, "main", ".cirun.yml", mended);
    sim_github_check_press(w->gh, c.id, "rerequested", NULL);
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_github_wait_check(w->gh, 0, "completed", "neutral", WAIT_MS));
    assert_int_equal(sim_github_checks(w->gh), 1);
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_report_story__broken_yaml_is_annotated_at_its_line(void **state)
{
    struct world *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    const json_t *a;

    sim_github_put_file(w->gh, WORLD_REPO, "main", ".cirun.yml", "runners:\n  - name: a\n    labels: [cirun-gpu\n");
    (void)job(w, "[\"cirun-gpu\"]");
    assert_true(sim_github_wait_check(w->gh, 0, "completed", "failure", WAIT_MS));
    see(w, &c);
    a = json_array_get(c.annotations, 0);
    assert_string_equal(json_string_value(json_object_get(a, "path")), ".cirun.yml");
    assert_true(json_integer_value(json_object_get(a, "start_line")) >= 3);
    assert_memory_equal(c.title, ".cirun.yml, line ", 17);
}

static void test_report_story__a_wait_for_capacity_is_in_progress_until_the_job_starts(void **state)
{
    struct world *w = *state;
    AUTO(sim_check_clear) struct sim_check c = {0};
    int64_t id;

    sim_ec2_capacity(w->ec2, "g4dn.xlarge", NULL, SIM_MARKET_SPOT, 0);
    sim_ec2_capacity(w->ec2, "g4dn.xlarge", NULL, SIM_MARKET_ON_DEMAND, 0);
    id = job(w, "[\"cirun-gpu\"]");
    assert_true(sim_github_wait_check(w->gh, 0, "in_progress", "", WAIT_MS));
    see(w, &c);
    assert_has(c.title, "Waiting for capacity: candidate 2 of 2 (aws us-east-1 g4dn.xlarge)");
    assert_has(c.summary, "| spot | capacity: ");
    assert_has(c.summary, "| on demand | capacity: ");
    assert_null(strstr(c.summary, SIM_EC2_KEY));
    sim_ec2_capacity(w->ec2, "g4dn.xlarge", NULL, SIM_MARKET_ON_DEMAND, -1);
    sim_github_check_press(w->gh, c.id, "requested_action", "retry");
    assert_true(sim_github_wait_job(w->gh, id, SIM_JOB_COMPLETED, WAIT_MS));
    assert_true(sim_github_wait_check(w->gh, 0, "completed", "neutral", WAIT_MS));
    assert_true(sim_ec2_wait_live(w->ec2, 0, WAIT_MS));
}

static void test_report_story__a_killed_daemon_says_it_once(void **state)
{
    struct world *w = *state;

    (void)job(w, "[\"cirun-gqu\"]");
    assert_true(daemon_wait_log(w->daemon, "job.decided", WAIT_MS));
    (void)world_daemon_down(w, SIGKILL);
    assert_true(world_daemon_up(w));
    assert_true(sim_github_wait_check(w->gh, 0, "completed", "failure", WAIT_MS));
    assert_int_equal(sim_github_checks(w->gh), 1);
}

static void test_report_story__presses_of_check_runs_we_do_not_know_change_nothing(void **state)
{
    struct world *w = *state;

    (void)job(w, "[\"cirun-gqu\"]");
    assert_true(sim_github_wait_check(w->gh, 0, "completed", "failure", WAIT_MS));
    sim_github_send(w->gh, "check_run",
                    "{\"action\":\"rerequested\",\"check_run\":{\"id\":12,\"head_sha\":"
                    "\"0123456789abcdef0123456789abcdef01234567\"},\"repository\":{\"id\":4711,\"full_name\":"
                    "\"octo/train\"}}");
    sim_github_send(w->gh, "check_run", "{\"action\":\"created\"}");
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));
    assert_int_equal(sim_http_count(sim_github_http(w->gh), SIM_GH_CHECK_UPDATE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_report_story__a_slip_in_a_label_is_shown_and_a_press_serves_the_job_once_it_is_mended),
        TEST(test_report_story__broken_yaml_is_annotated_at_its_line),
        TEST(test_report_story__a_wait_for_capacity_is_in_progress_until_the_job_starts),
        TEST(test_report_story__a_killed_daemon_says_it_once),
        TEST(test_report_story__presses_of_check_runs_we_do_not_know_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
