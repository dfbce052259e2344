/* Limits in the engine whole: who waits, whose turn it is, what the waiting are told, and what a restart makes of it.
 */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <stdio.h>

#define AUTO_J AUTO_JOB struct job
#define OTHER "octo/other"
#define OTHER_ID 12

static const char other_file[] =
    "runners:\n"
    "  - {name: gpu, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-one]}\n";

/* A second repository, whose machines stand on the other cloud. */
static void add_other(struct bed *w)
{
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = OTHER_ID, .installation_id = 7, .full_name = OTHER});
    sim_github_put_file(w->gh, OTHER, "main", ".cirun.yml", other_file);
}

static void tell(struct bed *w, int64_t id, bool other, enum job_state is, const char *runner)
{
    struct deliver_event ev = {.job_id = id,
                               .repo_id = other ? OTHER_ID : BED_REPO_ID,
                               .state = is,
                               .repo = other ? OTHER : BED_REPO,
                               .label = "cirun-one",
                               .runner = runner};
    struct sim_job_info info;

    assert_true(sim_github_job(w->gh, id, &info));
    ev.run_id = info.run_id;
    deliver(w->g, &ev);
}

/* A job that wants one machine: on aws for the first repository, on gcp for the other. */
static int64_t queue(struct bed *w, bool other)
{
    const struct sim_job_spec s = {.repo = other ? OTHER : BED_REPO,
                                   .labels = "[\"cirun-one\"]",
                                   .head_sha = "0123456789012345678901234567890123456789"};
    int64_t id = sim_github_job_create(w->gh, &s);

    assert_true(id > 0);
    clock_test_advance(1000); /* one waits longer than the other */
    tell(w, id, other, JOB_QUEUED, NULL);
    assert_true(bed_settle(w));
    return id;
}

static void with(struct bed *w, const struct engine_limits *l)
{
    bed_down(w);
    w->limits = *l;
    bed_up(w);
    assert_true(bed_settle(w));
}

static size_t made(struct bed *w)
{
    return memcloud_made(w->aws) + memcloud_made(w->gcp);
}

/* Its end was asked for, and is found to have come. */
static void let_end(struct bed *w, struct memcloud *cloud, size_t live)
{
    assert_true(memcloud_wait_live(cloud, live, BED_WAIT_MS));
    assert_true(bed_settle(w));
    bed_pass(w, 30 * 1000);
}

/* The newest machine of a cloud takes the job, runs it to its end, and goes. */
static void run_on_newest(struct bed *w, struct memcloud *cloud, int64_t id, bool other)
{
    struct memcloud_box boxes[MEMCLOUD_MAX];
    size_t n = memcloud_boxes(cloud, boxes);

    assert_true(n > 0);
    tell(w, id, other, JOB_RUNNING, boxes[n - 1].name);
    tell(w, id, other, JOB_DONE, boxes[n - 1].name);
    let_end(w, cloud, 0);
}

static void reason_has(struct bed *w, int64_t id, const char *piece)
{
    AUTO_J j = {0};

    bed_wait_want(w, id, WANT_MACHINE, &j);
    if (j.reason == NULL || strstr(j.reason, piece) == NULL)
        fail_msg("job %lld: \"%s\" is not in \"%s\"", (long long)id, piece, j.reason != NULL ? j.reason : "");
}

static void no_reason(struct bed *w, int64_t id)
{
    AUTO_J j = {0};

    bed_wait_want(w, id, WANT_MACHINE, &j);
    if (j.reason != NULL)
        fail_msg("job %lld still says \"%s\"", (long long)id, j.reason);
}

static int64_t held(struct bed *w, int64_t id)
{
    return bed_number(
        w, "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'job.waits' AND detail LIKE 'waits for room%'", id);
}

static int64_t waiting(struct bed *w)
{
    return bed_number(w, "SELECT coalesce(sum(jobs), 0) FROM queue WHERE jobs > $1", 0);
}

static void test_limits__one_machine_serves_two_repositories_in_turn(void **state)
{
    struct bed *w = *state;
    int64_t a1, a2, a3, b1;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    a1 = queue(w, false);
    a2 = queue(w, false);
    a3 = queue(w, false);
    b1 = queue(w, true);
    assert_int_equal(made(w), 1);
    assert_int_equal(waiting(w), 3);
    run_on_newest(w, w->aws, a1, false);
    assert_int_equal(memcloud_made(w->gcp), 1); /* the other's single job waits least and has its turn */
    assert_int_equal(memcloud_made(w->aws), 1);
    run_on_newest(w, w->gcp, b1, true);
    assert_int_equal(memcloud_made(w->aws), 2);
    run_on_newest(w, w->aws, a2, false);
    assert_int_equal(memcloud_made(w->aws), 3);
    run_on_newest(w, w->aws, a3, false);
    assert_int_equal(made(w), 4);
    assert_int_equal(waiting(w), 0);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state < $1", M_GONE), 0);
}

static void test_limits__the_waiting_know_why_and_how_many_come_before(void **state)
{
    struct bed *w = *state;
    int64_t a1, a2, a3, b1;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    a1 = queue(w, false);
    a2 = queue(w, false);
    a3 = queue(w, false);
    b1 = queue(w, true);
    no_reason(w, a1);
    reason_has(w, a2, "waits for room: there are 1 of 1 machines (limits.machines)");
    bed_pass(w, 5000);
    reason_has(w, b1, "this job is the next");
    reason_has(w, a2, "1 job before this one");
    reason_has(w, a3, "2 jobs before this one");
    run_on_newest(w, w->aws, a1, false);
    no_reason(w, b1);
    bed_pass(w, 40 * 1000);
    reason_has(w, a2, "this job is the next");
    reason_has(w, a3, "1 job before this one");
    assert_int_equal(held(w, a2), 1); /* on the timeline once, whatever the place */
    assert_int_equal(held(w, a3), 1);
    assert_int_equal(held(w, a1), 0);
}

static void test_limits__a_repository_has_its_own_limit_and_others_go_on(void **state)
{
    struct bed *w = *state;
    int64_t a1, a2;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 10, .machines_per_repository = 1});
    a1 = queue(w, false);
    a2 = queue(w, false);
    (void)queue(w, true);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(memcloud_made(w->gcp), 1);
    reason_has(w, a2,
               "waits for room: octo/train has 1 of 1 machines (limits.machines_per_repository), this job is the next");
    run_on_newest(w, w->aws, a1, false);
    assert_int_equal(memcloud_made(w->aws), 2);
    no_reason(w, a2);
}

static void test_limits__many_jobs_of_one_repository_do_not_delay_the_single_one_of_another(void **state)
{
    struct bed *w = *state;
    int64_t first = 0, single;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    for (int i = 0; i < 30; i++) {
        int64_t id = queue(w, false);

        first = i == 0 ? id : first;
    }
    single = queue(w, true);
    run_on_newest(w, w->aws, first, false);
    assert_int_equal(memcloud_made(w->gcp), 1);
    no_reason(w, single);
}

static void test_limits__no_more_machines_than_allowed_are_launched_in_a_minute(void **state)
{
    struct bed *w = *state;
    int64_t c;

    with(w, &(struct engine_limits){.launches_per_minute = 2});
    (void)queue(w, false);
    (void)queue(w, false);
    c = queue(w, false);
    assert_int_equal(made(w), 2);
    reason_has(w, c, "2 machines were launched in the last minute (limits.launches_per_minute)");
    bed_pass(w, 50 * 1000);
    assert_int_equal(made(w), 2);
    bed_pass(w, 10 * 1000);
    assert_int_equal(made(w), 3);
    no_reason(w, c);
}

static void test_limits__lowered_below_what_runs_they_end_nothing_and_start_nothing(void **state)
{
    struct bed *w = *state;
    struct memcloud_box boxes[MEMCLOUD_MAX];
    int64_t ids[3], late;

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = queue(w, false);
    assert_int_equal(memcloud_live(w->aws), 3);
    assert_int_equal(memcloud_boxes(w->aws, boxes), 3);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        tell(w, ids[i], false, JOB_RUNNING, boxes[i].name);
    with(w, &(struct engine_limits){.machines = 1});
    late = queue(w, false);
    assert_int_equal(memcloud_live(w->aws), 3);
    reason_has(w, late, "there are 3 of 1 machines");
    for (size_t i = 0; i < 2; i++) {
        tell(w, ids[i], false, JOB_DONE, boxes[i].name);
        let_end(w, w->aws, 2 - i);
        assert_int_equal(made(w), 3);
    }
    tell(w, ids[2], false, JOB_DONE, boxes[2].name);
    let_end(w, w->aws, 0);
    assert_int_equal(made(w), 4);
}

static void test_limits__raised_by_a_restart_they_let_the_waiting_in(void **state)
{
    struct bed *w = *state;

    with(w, &(struct engine_limits){.machines = 1});
    for (int i = 0; i < 4; i++)
        (void)queue(w, false);
    assert_int_equal(made(w), 1);
    with(w, &(struct engine_limits){.machines = 1});
    assert_int_equal(made(w), 1);
    assert_int_equal(waiting(w), 3);
    with(w, &(struct engine_limits){.machines = 3});
    assert_true(memcloud_wait_live(w->aws, 3, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(waiting(w), 1);
    with(w, &(struct engine_limits){0});
    assert_true(memcloud_wait_live(w->aws, 4, BED_WAIT_MS));
    assert_true(bed_settle(w));
    assert_int_equal(waiting(w), 0);
}

static void test_limits__a_store_from_before_the_queue_knows_who_waits_after_a_start(void **state)
{
    struct bed *w = *state;
    int64_t a1, a2;

    with(w, &(struct engine_limits){.machines = 1});
    a1 = queue(w, false);
    a2 = queue(w, false);
    (void)bed_number(w, "DELETE FROM queue WHERE jobs > $1", 0);
    assert_int_equal(waiting(w), 0);
    with(w, &(struct engine_limits){.machines = 1});
    assert_int_equal(waiting(w), 1);
    run_on_newest(w, w->aws, a1, false);
    assert_int_equal(made(w), 2);
    no_reason(w, a2);
}

static void test_limits__a_machine_that_nobody_waits_for_makes_room_at_once(void **state)
{
    struct bed *w = *state;
    int64_t a1, b1;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    a1 = queue(w, false);
    tell(w, a1, false, JOB_DONE, NULL); /* cancelled: its machine is kept for its grace */
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_live(w->aws), 1);
    b1 = queue(w, true);
    let_end(w, w->aws, 0); /* in less than the grace */
    assert_int_equal(memcloud_made(w->gcp), 1);
    no_reason(w, b1);
}

static void test_limits__a_job_that_finds_no_capacity_holds_no_room_between_its_rounds(void **state)
{
    struct bed *w = *state;
    struct memcloud_call calls[MEMCLOUD_MAX];
    int64_t a1, b1;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 2);
    a1 = queue(w, false);
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    b1 = queue(w, true);
    assert_int_equal(memcloud_made(w->gcp), 1);
    bed_pass(w, 60 * 1000); /* its next round finds the room taken, and asks nobody */
    assert_int_equal(memcloud_calls(w->aws, calls), 1);
    run_on_newest(w, w->gcp, b1, true);
    bed_pass(w, 60 * 1000);
    bed_pass(w, 5 * 60 * 1000);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    no_reason(w, a1);
}

static void test_limits__a_job_that_found_no_capacity_takes_its_turn_before_those_who_came_later(void **state)
{
    struct bed *w = *state;
    int64_t a1, b1;

    add_other(w);
    with(w, &(struct engine_limits){.machines = 1});
    memcloud_refuse(w->aws, "single", ERR_CAPACITY, 1);
    a1 = queue(w, false);
    assert_true(memcloud_wait_calls(w->aws, 1, BED_WAIT_MS));
    assert_true(bed_settle(w));
    b1 = queue(w, true);
    assert_int_equal(memcloud_made(w->gcp), 1);
    bed_pass(w, 2 * 60 * 1000); /* it asks for room, and there is none */
    (void)queue(w, true);
    run_on_newest(w, w->gcp, b1, true);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->gcp), 1);
    no_reason(w, a1);
}

static void test_limits__a_cancelled_job_leaves_the_queue(void **state)
{
    struct bed *w = *state;
    int64_t a1, a2;

    with(w, &(struct engine_limits){.machines = 1});
    a1 = queue(w, false);
    a2 = queue(w, false);
    assert_int_equal(waiting(w), 1);
    tell(w, a2, false, JOB_DONE, NULL);
    assert_true(bed_settle(w));
    assert_int_equal(waiting(w), 0);
    run_on_newest(w, w->aws, a1, false);
    assert_int_equal(made(w), 1);
}

/* Jobs that waited long for room, and were done by machines that we know nothing of: each is asked about before the
 * machine that falls to it is launched. */
static void test_limits__room_that_comes_late_goes_to_no_job_that_is_over(void **state)
{
    struct bed *w = *state;
    int64_t first, waiting[2];

    with(w, &(struct engine_limits){.machines = 10, .machines_per_repository = 1});
    first = queue(w, false);
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
        waiting[i] = queue(w, false);
        sim_github_job_cancel(w->gh, waiting[i]);
    }
    bed_pass(w, 2 * 60 * 1000);
    tell(w, first, false, JOB_RUNNING, bed_call(w->aws, 0).name);
    tell(w, first, false, JOB_DONE, bed_call(w->aws, 0).name);
    for (int i = 0; i < 30; i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE state < $1", JOB_DONE), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_limits__one_machine_serves_two_repositories_in_turn),
        CASE(test_limits__room_that_comes_late_goes_to_no_job_that_is_over),
        CASE(test_limits__the_waiting_know_why_and_how_many_come_before),
        CASE(test_limits__a_repository_has_its_own_limit_and_others_go_on),
        CASE(test_limits__many_jobs_of_one_repository_do_not_delay_the_single_one_of_another),
        CASE(test_limits__no_more_machines_than_allowed_are_launched_in_a_minute),
        CASE(test_limits__lowered_below_what_runs_they_end_nothing_and_start_nothing),
        CASE(test_limits__raised_by_a_restart_they_let_the_waiting_in),
        CASE(test_limits__a_store_from_before_the_queue_knows_who_waits_after_a_start),
        CASE(test_limits__a_machine_that_nobody_waits_for_makes_room_at_once),
        CASE(test_limits__a_job_that_finds_no_capacity_holds_no_room_between_its_rounds),
        CASE(test_limits__a_job_that_found_no_capacity_takes_its_turn_before_those_who_came_later),
        CASE(test_limits__a_cancelled_job_leaves_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
