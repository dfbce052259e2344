/* Storms in the engine whole, on a set clock: what GitHub and the clouds allow is kept to, and nobody starves. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "server/base/mem.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"
#include "tests/support/sanitized.h"

#include <stdio.h>

#define STORM (SANITIZED ? 800 : 2000)
#define RUN_JOBS 250
#define OTHER "octo/other"
#define OTHER_ID 12

static const char other_file[] =
    "runners:\n"
    "  - {name: gpu, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-one]}\n";

static void add_other(struct bed *w)
{
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = OTHER_ID, .installation_id = 7, .full_name = OTHER});
    sim_github_put_file(w->gh, OTHER, "main", ".cirun.yml", other_file);
}

static void tell(struct bed *w, int64_t id, bool other, enum job_state is)
{
    struct deliver_event ev = {.job_id = id,
                               .repo_id = other ? OTHER_ID : BED_REPO_ID,
                               .state = is,
                               .repo = other ? OTHER : BED_REPO,
                               .label = "cirun-one"};
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, id, &info));
    ev.run_id = info.run_id;
    deliver(w->g, &ev);
}

/* n jobs at once, in runs of 250; the first one's id. */
static int64_t queue(struct bed *w, size_t n, bool other)
{
    struct sim_job_spec s = {.repo = other ? OTHER : BED_REPO,
                             .labels = "[\"cirun-one\"]",
                             .head_sha = "0123456789012345678901234567890123456789"};
    struct sim_job_info info;
    int64_t first = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t id;

        s.run_id = i % RUN_JOBS == 0 ? 0 : s.run_id;
        id = sim_github_job_create(w->gh, &s);
        assert_true(id > 0 && sim_github_job(w->gh, id, &info));
        s.run_id = info.run_id;
        first = first == 0 ? id : first;
        tell(w, id, other, JOB_QUEUED);
    }
    return first;
}

static void seconds(struct bed *w, int n)
{
    for (int i = 0; i < n; i++)
        bed_pass(w, 1000);
}

static void limits(struct bed *w, int per_hour)
{
    struct sim_github_limits l = SIM_GITHUB_LIMITS;

    l.per_hour = per_hour;
    sim_github_limits(w->gh, &l);
}

static void nothing_was_limited(struct bed *w)
{
    struct sim_github_stats stats;

    sim_github_stats(w->gh, &stats);
    assert_int_equal(stats.limited_by_hour, 0);
    assert_int_equal(stats.limited_by_minute, 0);
}

static int64_t live_of(struct bed *w, int64_t repo_id)
{
    return bed_number(w, "SELECT count(*) FROM machine WHERE repo_id = $1 AND state BETWEEN 2 AND 3", repo_id);
}

static void test_engine_pace__a_storm_of_jobs_is_served_whole_and_github_never_refuses(void **state)
{
    struct bed *w = *state;
    int64_t before, single;
    int waited = 0, took = 0;

    limits(w, 12500);
    add_other(w);
    (void)queue(w, STORM, false);
    seconds(w, 60);
    before = live_of(w, BED_REPO_ID);
    assert_in_range(before, 80, 180); /* about five points of 850 each */
    single = queue(w, 1, true);       /* in the thick of it */
    for (; live_of(w, OTHER_ID) == 0; waited++)
        seconds(w, 1);
    assert_in_range(waited, 1, 15);
    tell(w, single, true, JOB_DONE); /* cancelled: its runner has to go, and what ends goes first */
    for (; live_of(w, OTHER_ID) > 0; took++)
        seconds(w, 1);
    assert_in_range(took, 300, 310); /* its grace is five minutes */
    for (int i = 0; i < 20 * 60 && live_of(w, BED_REPO_ID) < STORM; i += 10)
        seconds(w, 10);
    assert_int_equal(live_of(w, BED_REPO_ID), STORM);
    assert_int_equal(memcloud_made(w->aws), STORM);
    assert_int_equal(memcloud_made(w->gcp), 1);
    nothing_was_limited(w);
}

/* Each machine takes a job. */
static void all_run(struct bed *w, int64_t first)
{
    static struct memcloud_box boxes[MEMCLOUD_MAX];
    size_t n = memcloud_boxes(w->aws, boxes);

    for (size_t i = 0; i < n; i++)
        bed_deliver(w, first + (int64_t)i, JOB_RUNNING, "cirun-one", boxes[i].name);
}

static void test_engine_pace__an_hours_budget_that_runs_out_is_waited_out_and_not_run_into(void **state)
{
    struct bed *w = *state;
    int64_t first;

    limits(w, 60);
    first = queue(w, 70, false);
    seconds(w, 120);
    assert_in_range(memcloud_made(w->aws), 40, 58);
    all_run(w, first);
    for (int i = 0; i < 62; i++)
        bed_pass(w, 60 * 1000);
    assert_int_equal(memcloud_made(w->aws), 70);
    nothing_was_limited(w);
}

static void test_engine_pace__after_a_restart_the_budget_is_learnt_before_anything_storms(void **state)
{
    struct bed *w = *state;
    struct sim_github_stats stats;
    int64_t asked;

    limits(w, 12500);
    (void)queue(w, 300, false);
    seconds(w, 5);
    bed_down(w);
    limits(w, 1); /* meanwhile others used everything up */
    bed_up(w);
    asked = (int64_t)bed_asked(w, SIM_GH_JITCONFIG);
    seconds(w, 60);
    sim_github_stats(w->gh, &stats);
    assert_in_range(stats.limited_by_hour, 1, 8);
    assert_in_range((int64_t)bed_asked(w, SIM_GH_JITCONFIG) - asked, 0, 8);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_engine_pace__a_storm_of_jobs_is_served_whole_and_github_never_refuses),
        CASE(test_engine_pace__an_hours_budget_that_runs_out_is_waited_out_and_not_run_into),
        CASE(test_engine_pace__after_a_restart_the_budget_is_learnt_before_anything_storms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
