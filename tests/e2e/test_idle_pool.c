/* Warm runners: the engine whole, the clock the test's (tests/support/engine_bed.h). */
#include "server/base/clock.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE_MS (60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)

static void put_file(struct bed *w, const char *idle)
{
    char text[2000];

    (void)snprintf(
        text, sizeof(text),
        "runners:\n"
        "  - name: warm\n    cloud: aws\n    region: r\n    machine_image: img\n    instance_type: single\n"
        "    labels: [cirun-warm]\n%s"
        "  - {name: cold, cloud: gcp, region: z, machine_image: img, instance_type: n1, labels: [cirun-cold]}\n",
        idle);
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", text);
}

/* A push to the default branch, as the webhook hands it in. */
static void push(struct bed *w, const char *idle)
{
    put_file(w, idle);
    deliver_push(w->g, &(struct deliver_event){.repo_id = BED_REPO_ID, .repo = BED_REPO, .label = ".cirun.yml"});
    assert_true(bed_settle(w));
}

#define UNCLAIMED                                                                                                      \
    "SELECT count(*) FROM idle_machine i JOIN machine m ON m.name = i.name WHERE claimed = 0 AND state < 4"

static int64_t warm(struct bed *w)
{
    return bed_number(w, UNCLAIMED " AND $1 = 0 AND surplus_ms = 0", 0);
}

static int setup(void **state)
{
    struct bed *w;

    if (bed_setup(state) != 0)
        return -1;
    w = *state;
    sim_github_set_private(w->gh, BED_REPO, true);
    return 0;
}

static int64_t queue(struct bed *w, const char *label)
{
    int64_t id = bed_queue_job(w, &(struct sim_job_spec){0}, label);

    assert_true(bed_settle(w));
    return id;
}

static void test_idle_pool__a_push_makes_exactly_so_many_and_they_carry_the_runner_s_labels(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 3}\n");
    assert_int_equal(memcloud_live(w->aws), 3);
    assert_int_equal(warm(w), 3);
    assert_int_equal(bed_number(w,
                                "SELECT count(*) FROM machine WHERE labels_json = "
                                "'[\"cirun-warm\",\"self-hosted\",\"linux\",\"x64\"]' AND job_id = $1",
                                0),
                     3);
    bed_pass(w, HOUR_MS / 6);
    assert_int_equal(memcloud_made(w->aws), 3);
}

static void test_idle_pool__a_warm_machine_does_not_power_itself_off_for_want_of_a_job(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 1}\n");
    assert_non_null(strstr(bed_call(w->aws, 0).text, "\nMUSTER_BOOT_DEADLINE=21600\n")); /* its whole lifetime */
    (void)queue(w, "cirun-warm--1");
    assert_non_null(strstr(bed_call(w->aws, 1).text, "\nMUSTER_BOOT_DEADLINE=900\n"));
}

static void test_idle_pool__a_job_that_fits_takes_a_warm_one_without_a_launch_and_it_is_replaced_at_once(void **state)
{
    struct bed *w = *state;
    int64_t id;
    char name[64];

    push(w, "    idle: {replicas: 2}\n");
    assert_int_equal(memcloud_made(w->aws), 2);
    id = queue(w, "cirun-warm");
    assert_int_equal(memcloud_made(w->aws), 3); /* the pool's, not the job's */
    assert_int_equal(warm(w), 2);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE job_id = $1", id), 1);
    (void)snprintf(name, sizeof(name), "%s", bed_call(w->aws, 0).name); /* the oldest */
    bed_deliver(w, id, JOB_RUNNING, "cirun-warm", name);
    bed_deliver(w, id, JOB_DONE, "cirun-warm", name);
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    bed_pass(w, MINUTE_MS);
    assert_int_equal(memcloud_made(w->aws), 3);
    assert_int_equal(warm(w), 2);
}

static void test_idle_pool__github_may_give_it_to_a_job_before_we_know_and_it_is_replaced_all_the_same(void **state)
{
    struct bed *w = *state;
    int64_t id;

    push(w, "    idle: {replicas: 1}\n");
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-warm");
    bed_deliver(w, id, JOB_RUNNING, "cirun-warm", bed_call(w->aws, 0).name);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(warm(w), 1);
}

static void test_idle_pool__a_suffix_never_takes_a_warm_one_and_no_more_does_another_runner_s_job(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 1}\n");
    (void)queue(w, "cirun-warm--7");
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(warm(w), 1);
    (void)queue(w, "cirun-cold");
    assert_int_equal(memcloud_made(w->gcp), 1);
    assert_int_equal(warm(w), 1);
}

static void test_idle_pool__a_lower_number_ends_the_surplus_and_never_a_busy_one(void **state)
{
    struct bed *w = *state;
    int64_t id;

    push(w, "    idle: {replicas: 3}\n");
    id = queue(w, "cirun-warm");
    bed_deliver(w, id, JOB_RUNNING, "cirun-warm", bed_call(w->aws, 0).name);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_live(w->aws), 4);
    push(w, "    idle: {replicas: 1}\n");
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
    assert_int_equal(warm(w), 1);
    push(w, "");
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
}

static void online(void *arg, int64_t runner_id, int64_t job_id)
{
    (void)arg;
    (void)runner_id;
    (void)job_id;
}

/* GitHub gave it a job, and the event is still on its way: only GitHub knows. */
static void test_idle_pool__one_that_github_says_is_busy_is_left_alone(void **state)
{
    struct bed *w = *state;
    char *jit;
    int64_t runner;
    struct err e;

    push(w, "    idle: {replicas: 1}\n");
    jit = bed_jit_of(bed_call(w->aws, 0).text);
    assert_int_equal(sim_github_runner_online(w->gh, jit, online, NULL, &runner, &e), 0);
    free(jit);
    (void)bed_create_job(w, &(struct sim_job_spec){0}, "cirun-warm");
    push(w, "");
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND $1 = 0", 0), 1);
}

static void test_idle_pool__a_job_cancelled_before_it_ran_gives_its_machine_back(void **state)
{
    struct bed *w = *state;
    int64_t id;

    push(w, "    idle: {replicas: 1}\n");
    id = queue(w, "cirun-warm");
    assert_int_equal(memcloud_made(w->aws), 2); /* claimed, replaced */
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-warm", NULL);
    assert_true(bed_settle(w));
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS)); /* one too many then */
    assert_int_equal(warm(w), 1);
}

static void test_idle_pool__another_machine_type_replaces_the_old_ones(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 2}\n");
    push(w, "    preemptible: true\n    idle: {replicas: 2}\n");
    assert_true(memcloud_wait_live(w->aws, 2, BED_WAIT_MS));
    assert_int_equal(memcloud_made(w->aws), 4);
    assert_true(bed_call(w->aws, 3).spot);
    assert_int_equal(warm(w), 2);
}

static void test_idle_pool__a_broken_file_leaves_the_last_good_version_in_force(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 2}\n");
    push(w, "    idle: {replicas: many}\n");
    bed_pass(w, MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 2);
    bed_down(w); /* and after a restart too */
    bed_up(w);
    bed_pass(w, 11 * MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 2);
    assert_int_equal(memcloud_made(w->aws), 2);
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    bed_pass(w, 11 * MINUTE_MS);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_idle_pool__a_change_that_no_push_told_is_seen_at_the_next_interval(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 1}\n");
    put_file(w, "    idle: {replicas: 2}\n");
    bed_pass(w, 11 * MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 2);
}

static void test_idle_pool__a_job_makes_a_repository_known(void **state)
{
    struct bed *w = *state;

    put_file(w, "    idle: {replicas: 2}\n");
    (void)queue(w, "cirun-cold");
    assert_int_equal(memcloud_live(w->aws), 2);
}

static void test_idle_pool__a_schedule_is_kept_to_the_hour(void **state)
{
    struct bed *w = *state; /* BED_NOW is Tuesday, 14 November 2023, 22:13:20 UTC: 23:13 in Berlin */

    push(w, "    idle: {schedule: [{day: wed, time: 0-1, timezone: Europe/Berlin, replicas: 2}]}\n");
    bed_pass(w, 46 * MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 0);
    bed_pass(w, MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 2);
    bed_pass(w, 14 * MINUTE_MS);
    assert_int_equal(warm(w), 2);
    bed_pass(w, 45 * MINUTE_MS + 59 * 1000); /* nobody put them on line: given up and made anew meanwhile */
    bed_pass(w, MINUTE_MS);
    assert_int_equal(warm(w), 0);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_idle_pool__usage_keeps_them_for_its_minutes_after_the_last_allocation(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {usage_based: {trigger: runner_allocated, replicas: 2, duration: 30}}\n");
    assert_int_equal(memcloud_made(w->aws), 0);
    (void)queue(w, "cirun-warm--1");
    assert_int_equal(warm(w), 2);
    bed_pass(w, 20 * MINUTE_MS);
    (void)queue(w, "cirun-warm--2");
    bed_pass(w, 29 * MINUTE_MS);
    assert_int_equal(warm(w), 2);
    bed_pass(w, 2 * MINUTE_MS);
    assert_int_equal(warm(w), 0);
}

static void test_idle_pool__a_public_repository_has_none_unless_forks_may_have_machines(void **state)
{
    struct bed *w = *state;

    sim_github_set_private(w->gh, BED_REPO, false);
    push(w, "    idle: {replicas: 1}\n");
    assert_int_equal(memcloud_made(w->aws), 0);
    bed_down(w);
    w->fork_jobs = true;
    bed_up(w);
    push(w, "    idle: {replicas: 1}\n");
    assert_int_equal(memcloud_live(w->aws), 1);
}

static void test_idle_pool__what_fails_is_tried_again_later_and_later(void **state)
{
    struct bed *w = *state;
    struct memcloud_call calls[MEMCLOUD_MAX];

    memcloud_refuse(w->aws, NULL, ERR_INVALID, 0);
    push(w, "    idle: {replicas: 1}\n");
    for (int i = 0; i < 4 * 60; i++)
        bed_pass(w, MINUTE_MS);
    assert_in_range(memcloud_calls(w->aws, calls), 6, 12); /* in four hours */
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void test_idle_pool__a_lost_one_is_replaced_after_a_while(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 1}\n");
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    for (int i = 0; i < 6; i++)
        bed_pass(w, MINUTE_MS); /* not found at the first look, nor at the second */
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(memcloud_live(w->aws), 1);
}

/* It died without a word: the job that counts on it does not wait for the next look in five minutes. */
static void test_idle_pool__a_claimed_one_that_is_gone_is_found_out_soon_and_the_job_gets_another(void **state)
{
    struct bed *w = *state;
    int64_t id;

    push(w, "    idle: {replicas: 1}\n");
    bed_pass(w, 2 * MINUTE_MS);
    memcloud_lose(w->aws, bed_call(w->aws, 0).name);
    id = queue(w, "cirun-warm");
    assert_int_equal(memcloud_made(w->aws), 2); /* the pool's */
    bed_pass(w, 31 * 1000);
    bed_pass(w, 61 * 1000); /* a second look, to be sure */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE job_id = $1 AND state IN (2, 3)", id), 1);
    assert_int_equal(memcloud_made(w->aws), 2); /* the other warm one, without a launch */
    bed_pass(w, 40 * 1000);
    assert_int_equal(memcloud_live(w->aws), 2); /* which is replaced, as one failed, after a while */
}

static void test_idle_pool__one_that_is_getting_old_is_replaced_before_its_lifetime_is_over(void **state)
{
    struct bed *w = *state;
    char *jit;
    int64_t runner;
    struct err e;

    push(w, "    idle: {replicas: 1}\n");
    jit = bed_jit_of(bed_call(w->aws, 0).text);
    assert_int_equal(sim_github_runner_online(w->gh, jit, online, NULL, &runner, &e), 0);
    free(jit);
    for (int i = 0; i < 12 * 2; i++) /* of six hours: not in the first half ... */
        bed_pass(w, 7 * MINUTE_MS);
    assert_int_equal(memcloud_made(w->aws), 1);
    for (int i = 0; i < 3; i++)
        bed_pass(w, 7 * MINUTE_MS);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
}

static void test_idle_pool__the_app_s_removal_ends_them(void **state)
{
    struct bed *w = *state;

    push(w, "    idle: {replicas: 2}\n");
    sim_github_suspend(w->gh, 7, true);
    for (int i = 0; i < 100 && memcloud_live(w->aws) > 0; i++)
        bed_pass(w, 5 * MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 0);
}

static void limit(struct bed *w, struct engine_limits limits)
{
    bed_down(w);
    w->limits = limits;
    bed_up(w);
}

static void test_idle_pool__where_all_room_is_warm_a_waiting_job_gets_some_and_it_comes_back_after_it(void **state)
{
    struct bed *w = *state;
    int64_t id;

    limit(w, (struct engine_limits){.machines = 2});
    push(w, "    idle: {replicas: 3}\n");
    assert_int_equal(memcloud_live(w->aws), 2); /* the limit is theirs too */
    id = queue(w, "cirun-cold");
    for (int i = 0; i < 4 && memcloud_live(w->gcp) == 0; i++)
        bed_pass(w, MINUTE_MS);
    assert_int_equal(memcloud_live(w->gcp), 1);
    assert_int_equal(memcloud_live(w->aws), 1);
    bed_deliver(w, id, JOB_RUNNING, "cirun-cold", bed_call(w->gcp, 0).name);
    bed_deliver(w, id, JOB_DONE, "cirun-cold", bed_call(w->gcp, 0).name);
    for (int i = 0; i < 4 && memcloud_live(w->aws) < 2; i++)
        bed_pass(w, MINUTE_MS);
    assert_int_equal(memcloud_live(w->aws), 2);
}

static void test_idle_pool__a_job_that_fits_needs_no_room_for_it_is_there(void **state)
{
    struct bed *w = *state;
    int64_t id;

    limit(w, (struct engine_limits){.machines = 2});
    push(w, "    idle: {replicas: 2}\n");
    id = queue(w, "cirun-warm");
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE job_id = $1 AND state IN (2, 3)", id), 1);
    assert_int_equal(memcloud_made(w->aws), 2);
}

static void test_idle_pool__a_repository_s_own_limit_is_shared_with_its_warm_machines(void **state)
{
    struct bed *w = *state;

    limit(w, (struct engine_limits){.machines_per_repository = 2});
    push(w, "    idle: {replicas: 2}\n");
    (void)queue(w, "cirun-warm--9");
    for (int i = 0; i < 4 && bed_number(w, "SELECT count(*) FROM machine WHERE job_id > $1 AND state = 2", 0) == 0; i++)
        bed_pass(w, MINUTE_MS);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE job_id > $1 AND state = 2", 0), 1);
    assert_int_equal(warm(w), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(test_idle_pool__##name, setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_push_makes_exactly_so_many_and_they_carry_the_runner_s_labels),
        T(a_warm_machine_does_not_power_itself_off_for_want_of_a_job),
        T(a_job_that_fits_takes_a_warm_one_without_a_launch_and_it_is_replaced_at_once),
        T(github_may_give_it_to_a_job_before_we_know_and_it_is_replaced_all_the_same),
        T(a_suffix_never_takes_a_warm_one_and_no_more_does_another_runner_s_job),
        T(a_lower_number_ends_the_surplus_and_never_a_busy_one),
        T(one_that_github_says_is_busy_is_left_alone),
        T(a_job_cancelled_before_it_ran_gives_its_machine_back),
        T(another_machine_type_replaces_the_old_ones),
        T(a_broken_file_leaves_the_last_good_version_in_force),
        T(a_change_that_no_push_told_is_seen_at_the_next_interval),
        T(a_job_makes_a_repository_known),
        T(a_schedule_is_kept_to_the_hour),
        T(usage_keeps_them_for_its_minutes_after_the_last_allocation),
        T(a_public_repository_has_none_unless_forks_may_have_machines),
        T(what_fails_is_tried_again_later_and_later),
        T(a_lost_one_is_replaced_after_a_while),
        T(a_claimed_one_that_is_gone_is_found_out_soon_and_the_job_gets_another),
        T(one_that_is_getting_old_is_replaced_before_its_lifetime_is_over),
        T(the_app_s_removal_ends_them),
        T(where_all_room_is_warm_a_waiting_job_gets_some_and_it_comes_back_after_it),
        T(a_job_that_fits_needs_no_room_for_it_is_there),
        T(a_repository_s_own_limit_is_shared_with_its_warm_machines),
    };

    return cmocka_run_group_tests_name("idle_pool", tests, NULL, NULL);
}
