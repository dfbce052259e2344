/* Labels of the one-line form through the whole engine; the bed is tests/support/engine_bed.h. */
#include "server/base/clock.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "cirun-aws-g4dn-xlarge-ubuntu2204--7"

static void without_file(struct bed *w)
{
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
}

static void test_engine__a_one_line_label_gets_its_machine_without_any_file(void **state)
{
    struct bed *w = *state;
    int64_t id;

    without_file(w);
    id = bed_queue_job(w, &(struct sim_job_spec){0}, LABEL);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).instance_type, "g4dn.xlarge");
    assert_non_null(strstr(bed_call(w->aws, 0).text, "MUSTER_GPUS=1\n")); /* proven before it registers */
    bed_deliver(w, id, JOB_RUNNING, LABEL, bed_call(w->aws, 0).name);
    bed_deliver(w, id, JOB_DONE, LABEL, bed_call(w->aws, 0).name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_engine__a_runner_of_the_file_with_that_very_label_wins(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml",
                        "runners:\n  - {name: own, cloud: gcp, region: z, machine_image: img, instance_type: mine,\n"
                        "     labels: [cirun-aws-g4dn-xlarge-ubuntu2204]}\n");
    (void)bed_queue_job(w, &(struct sim_job_spec){0}, LABEL);
    assert_true(memcloud_wait_live(w->gcp, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->gcp, 0).instance_type, "mine");
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__a_wrong_one_line_label_says_what_is_wrong(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};

    without_file(w);
    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){0}, "cirun-aws-g4dn-xlarge-ubuntu2205"), WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "did you mean \"ubuntu2204\"?"));
}

static void test_engine__a_forks_one_line_label_gets_nothing(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};

    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, LABEL),
                  WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "fork"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_engine__the_operator_can_switch_the_one_line_form_off(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};

    bed_down(w);
    w->no_one_line = true;
    bed_up(w);
    without_file(w);
    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){0}, LABEL), WANT_REFUSED, &j);
    assert_non_null(strstr(j.reason, "has no .cirun.yml"));
    assert_int_equal(memcloud_made(w->aws), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_engine__a_one_line_label_gets_its_machine_without_any_file),
        TEST(test_engine__a_runner_of_the_file_with_that_very_label_wins),
        TEST(test_engine__a_wrong_one_line_label_says_what_is_wrong),
        TEST(test_engine__a_forks_one_line_label_gets_nothing),
        TEST(test_engine__the_operator_can_switch_the_one_line_form_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
