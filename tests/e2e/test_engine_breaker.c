/* Candidates that refuse again and again, and clouds that are asked too often, in the engine whole on a set clock. */
#include "tests/support/unit.h"

#include "server/base/clock.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <stdio.h>

#define AUTO_J AUTO_JOB struct job
#define OTHER "octo/other"
#define OTHER_ID 12

static void have_file(struct bed *w, const char *repo, const char *runners)
{
    char text[1200];

    (void)snprintf(text, sizeof(text), "runners:\n%s", runners);
    sim_github_put_file(w->gh, repo, "main", ".cirun.yml", text);
}

/* Sold out first, then what there is. */
static const char two_types[] = "  - {name: r, cloud: aws, region: r, instance_type: [sold, good], machine_image: img,"
                                " labels: [cirun-b]}\n";
static const char one_type[] = "  - {name: r, cloud: aws, region: r, instance_type: sold, machine_image: img,"
                               " labels: [cirun-b]}\n";
static const char two_regions[] =
    "  - {name: r, cloud: aws, region: [r, s], instance_type: t, machine_image: img, labels: [cirun-b]}\n";
static const char of_region_s[] =
    "  - {name: r, cloud: aws, region: s, instance_type: t, machine_image: img, labels: [cirun-b]}\n";
static const char of_gcp[] =
    "  - {name: r, cloud: gcp, region: r, instance_type: t, machine_image: img, labels: [cirun-b]}\n";

static int64_t queue_in(struct bed *w, bool other, size_t n)
{
    int64_t first = 0, run_id = 0;

    for (size_t i = 0; i < n; i++) {
        struct sim_job_info info;
        struct deliver_event ev = {.repo_id = other ? OTHER_ID : BED_REPO_ID,
                                   .state = JOB_QUEUED,
                                   .repo = other ? OTHER : BED_REPO,
                                   .label = "cirun-b"};

        ev.job_id = sim_github_job_create(
            w->gh, &(struct sim_job_spec){.repo = ev.repo,
                                          .labels = "[\"cirun-b\"]",
                                          .run_id = run_id,
                                          .head_sha = "0123456789012345678901234567890123456789"});
        assert_true(ev.job_id > 0 && sim_github_job(w->gh, ev.job_id, &info));
        ev.run_id = run_id = info.run_id;
        first = first == 0 ? ev.job_id : first;
        deliver(w->g, &ev);
    }
    return first;
}

static int64_t queue(struct bed *w, size_t n)
{
    int64_t first = queue_in(w, false, n);

    assert_true(bed_settle(w));
    return first;
}

static size_t calls_of(struct bed *w, const char *type)
{
    static struct memcloud_call calls[MEMCLOUD_MAX];
    size_t n = memcloud_calls(w->aws, calls), of = 0;

    for (size_t i = 0; i < n; i++)
        of += strcmp(calls[i].instance_type, type) == 0 || strcmp(calls[i].region, type) == 0 ? 1 : 0;
    return of;
}

static void seconds(struct bed *w, int n)
{
    for (int i = 0; i < n; i++)
        bed_pass(w, 1000);
}

static void reason_has(struct bed *w, int64_t id, const char *piece)
{
    AUTO_J j = {0};

    bed_wait_want(w, id, WANT_MACHINE, &j);
    if (j.reason == NULL || strstr(j.reason, piece) == NULL)
        fail_msg("job %lld: \"%s\" is not in \"%s\"", (long long)id, piece, j.reason != NULL ? j.reason : "");
}

/* --- breakers ------------------------------------------------------------------------------------------------------
 */

static void test_breaker__two_hundred_jobs_against_a_sold_out_type_cost_a_handful_of_calls(void **state)
{
    struct bed *w = *state;
    int64_t id;

    have_file(w, BED_REPO, one_type);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 0);
    id = queue(w, 200);
    assert_in_range(calls_of(w, "sold"), 3, 5); /* three open it, and what was under way */
    for (int i = 0; i < 60; i++)
        bed_pass(w, 30 * 1000);
    assert_in_range(calls_of(w, "sold"), 8, 20); /* half an hour: a probe each time it half-opens */
    reason_has(w, id + 199, "skipped: no capacity");
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE want = $1", WANT_REFUSED), 0);
}

static void test_breaker__who_has_another_candidate_takes_it_at_once_and_is_told(void **state)
{
    struct bed *w = *state;
    int64_t id;

    have_file(w, BED_REPO, two_types);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 0);
    (void)queue(w, 3);
    assert_int_equal(calls_of(w, "sold"), 3);
    id = queue(w, 50);
    assert_int_equal(calls_of(w, "sold"), 3);
    assert_int_equal(memcloud_made(w->aws), 53);
    assert_int_equal(bed_number(w,
                                "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'candidate.skipped' AND"
                                " detail LIKE 'skipped: no capacity less than a minute ago, again at 20%'",
                                id),
                     1);
    assert_int_equal(
        bed_number(w, "SELECT count(*) FROM attempt WHERE job_id = $1 AND candidate = 0 AND kind = 'skipped'", id), 1);
}

static void test_breaker__one_probe_goes_out_and_its_success_closes_it_for_all(void **state)
{
    struct bed *w = *state;
    size_t before;

    have_file(w, BED_REPO, one_type);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 4);
    (void)queue(w, 40);
    before = calls_of(w, "sold");
    assert_in_range(before, 3, 5);
    for (int i = 0; i < 60 && memcloud_made(w->aws) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_in_range(calls_of(w, "sold"), before + 1, 40 + 4); /* each once, and the four that were refused */
    for (int i = 0; i < 12; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(memcloud_made(w->aws), 40);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE failures > $1", 0), 0);
}

static void test_breaker__what_is_known_outlives_a_restart_and_is_forgotten(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_types);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 3);
    (void)queue(w, 3);
    bed_down(w);
    bed_up(w);
    (void)queue(w, 5);
    assert_int_equal(calls_of(w, "sold"), 3);
    bed_pass(w, 40 * 60 * 1000);
    (void)queue(w, 1);
    assert_in_range(calls_of(w, "sold"), 4, 100);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE kind = 'capacity' AND failures > $1", 0), 0);
}

static void test_breaker__a_single_refusal_changes_nothing_for_the_next_job(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_types);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 2);
    (void)queue(w, 1);
    (void)queue(w, 1);
    (void)queue(w, 1); /* the first of the chain has room again: it is taken */
    assert_int_equal(calls_of(w, "sold"), 3);
    assert_int_equal(calls_of(w, "good"), 2);
}

/* Its boot deadline passes, and no runner came. */
static void never_boots(struct bed *w)
{
    bed_pass(w, 15 * 60 * 1000 + 1000);
    bed_pass(w, 60 * 1000);
}

static void test_breaker__machines_that_never_come_up_are_left_alone_by_their_repository_only(void **state)
{
    struct bed *w = *state;
    size_t sold;

    have_file(w, BED_REPO, two_types);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = OTHER_ID, .installation_id = 7, .full_name = OTHER});
    have_file(w, OTHER, two_types);
    (void)queue(w, 3);
    assert_int_equal(calls_of(w, "sold"), 3);
    never_boots(w);
    sold = calls_of(w, "sold");
    (void)queue(w, 1);
    assert_int_equal(calls_of(w, "sold"), sold);
    (void)queue_in(w, true, 1);
    assert_true(bed_settle(w));
    assert_int_equal(calls_of(w, "sold"), sold + 1);
}

/* Its job was cancelled before its machine came up: that proves nothing, and the next one need not wait for it. */
static void test_breaker__a_probe_that_is_ended_leaves_the_next_one_to_another_job(void **state)
{
    struct bed *w = *state;
    size_t sold;
    int64_t id;

    have_file(w, BED_REPO, two_types);
    (void)queue(w, 3);
    never_boots(w);
    bed_pass(w, 6 * 60 * 1000);
    sold = calls_of(w, "sold");
    id = queue(w, 1);
    assert_int_equal(calls_of(w, "sold"), sold + 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE probe_until_ms > $1", clock_now_ms()), 1);
    sim_github_job_cancel(w->gh, id);
    bed_deliver(w, id, JOB_DONE, "cirun-b", NULL);
    bed_pass(w, 5 * 60 * 1000 + 1000);
    bed_pass(w, 60 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE probe_until_ms > $1", clock_now_ms()), 0);
    (void)queue(w, 1);
    assert_int_equal(calls_of(w, "sold"), sold + 2);
}

static void test_breaker__a_probe_that_is_refused_for_another_reason_leaves_the_next_one_to_another_job(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_types);
    memcloud_refuse(w->aws, "sold", ERR_CAPACITY, 3);
    (void)queue(w, 3);
    bed_pass(w, 31 * 1000);
    memcloud_refuse(w->aws, "sold", ERR_INVALID, 1);
    (void)queue(w, 1);
    assert_int_equal(calls_of(w, "sold"), 4);
    (void)queue(w, 1);
    assert_int_equal(calls_of(w, "sold"), 5);
}

static void test_breaker__a_reached_quota_is_tried_again_when_a_machine_ends(void **state)
{
    struct bed *w = *state;
    static struct memcloud_box boxes[MEMCLOUD_MAX];
    int64_t id;

    have_file(w, BED_REPO, one_type);
    id = queue(w, 1);
    memcloud_refuse(w->aws, "sold", ERR_QUOTA, 3);
    (void)queue(w, 3);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE open_until_ms > $1", clock_now_ms()), 1);
    assert_int_equal(memcloud_boxes(w->aws, boxes), 1);
    bed_deliver(w, id, JOB_RUNNING, "cirun-b", boxes[0].name);
    bed_deliver(w, id, JOB_DONE, "cirun-b", boxes[0].name);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    bed_pass(w, 10 * 1000);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM breaker WHERE open_until_ms > $1", clock_now_ms()), 0);
}

/* --- the clouds' limits ----------------------------------------------------------------------------------------------
 */

static void documented(struct bed *w, const char *cloud)
{
    bed_down(w);
    w->documented[0] = cloud;
    bed_up(w);
}

static void test_cloud_pace__launches_keep_to_what_the_cloud_documents_and_nobody_starves(void **state)
{
    struct bed *w = *state;
    int waited = 0;

    have_file(w, BED_REPO, of_region_s);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = OTHER_ID, .installation_id = 7, .full_name = OTHER});
    have_file(w, OTHER, of_region_s);
    documented(w, "aws");
    (void)queue(w, 200);
    assert_int_equal(memcloud_made(w->aws), 5); /* at once, and two a second */
    seconds(w, 10);
    assert_in_range(memcloud_made(w->aws), 20, 25);
    (void)queue_in(w, true, 1);
    while (bed_number(w, "SELECT count(*) FROM machine WHERE repo_id = $1 AND state = 2", OTHER_ID) == 0) {
        seconds(w, 1);
        waited++;
    }
    assert_in_range(waited, 0, 3); /* not behind the 175 others */
    seconds(w, 100);
    assert_int_equal(memcloud_made(w->aws), 201);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM job WHERE reason <> '' AND id > $1", 0), 0);
}

static void test_cloud_pace__a_throttled_region_delays_neither_another_nor_another_cloud(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO,
              "  - {name: r, cloud: aws, region: r, instance_type: slow, machine_image: img,"
              " labels: [cirun-b]}\n");
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = OTHER_ID, .installation_id = 7, .full_name = OTHER});
    have_file(w, OTHER, of_region_s);
    memcloud_refuse(w->aws, "slow", ERR_THROTTLED, 0);
    (void)queue(w, 100);
    assert_in_range(calls_of(w, "slow"), 1, 5);
    (void)queue_in(w, true, 50);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), 50);
    have_file(w, OTHER, of_gcp);
    seconds(w, 60);
    assert_in_range(calls_of(w, "slow"), 5, 60); /* a hundred jobs, a minute: fewer calls than jobs */
}

static void test_cloud_pace__a_throttled_launch_keeps_its_candidate_and_its_token(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_regions);
    memcloud_refuse(w->aws, "t", ERR_THROTTLED, 2);
    (void)queue(w, 1);
    seconds(w, 30);
    assert_int_equal(calls_of(w, "r"), 3);
    assert_int_equal(calls_of(w, "s"), 0);
    assert_string_equal(bed_call(w->aws, 0).token, bed_call(w->aws, 2).token);
    assert_int_equal(memcloud_made(w->aws), 1);
}

static void test_cloud_pace__a_cloud_that_goes_on_throttling_is_left_for_the_next_candidate_elsewhere(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_regions);
    memcloud_refuse(w->aws, "t", ERR_THROTTLED, 6);
    (void)queue(w, 1);
    for (int i = 0; i < 60 && memcloud_made(w->aws) == 0; i++)
        bed_pass(w, 10 * 1000);
    assert_int_equal(calls_of(w, "r"), 6);
    assert_int_equal(calls_of(w, "s"), 1);
}

static void test_cloud_pace__a_candidate_that_refused_is_behind_who_waits_for_his_turn_with_the_next(void **state)
{
    struct bed *w = *state;

    have_file(w, BED_REPO, two_types);
    memcloud_refuse(w->aws, "sold", ERR_INVALID, 0);
    documented(w, "aws");
    (void)queue(w, 40);
    seconds(w, 60); /* two a second, and each needs two */
    assert_int_equal(memcloud_made(w->aws), 40);
    assert_int_equal(calls_of(w, "sold"), 40);
}

static void test_cloud_pace__ends_are_not_delayed_by_a_storm_of_launches(void **state)
{
    struct bed *w = *state;
    static struct memcloud_box boxes[MEMCLOUD_MAX];
    int64_t id;

    have_file(w, BED_REPO, of_region_s);
    documented(w, "aws");
    id = queue(w, 1);
    assert_int_equal(memcloud_boxes(w->aws, boxes), 1);
    (void)queue(w, 200);
    bed_deliver(w, id, JOB_RUNNING, "cirun-b", boxes[0].name);
    bed_deliver(w, id, JOB_DONE, "cirun-b", boxes[0].name);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_destroys(w->aws), 1); /* in the very moment */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bed_setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_breaker__two_hundred_jobs_against_a_sold_out_type_cost_a_handful_of_calls),
        CASE(test_breaker__who_has_another_candidate_takes_it_at_once_and_is_told),
        CASE(test_breaker__one_probe_goes_out_and_its_success_closes_it_for_all),
        CASE(test_breaker__what_is_known_outlives_a_restart_and_is_forgotten),
        CASE(test_breaker__a_single_refusal_changes_nothing_for_the_next_job),
        CASE(test_breaker__machines_that_never_come_up_are_left_alone_by_their_repository_only),
        CASE(test_breaker__a_probe_that_is_ended_leaves_the_next_one_to_another_job),
        CASE(test_breaker__a_probe_that_is_refused_for_another_reason_leaves_the_next_one_to_another_job),
        CASE(test_breaker__a_reached_quota_is_tried_again_when_a_machine_ends),
        CASE(test_cloud_pace__launches_keep_to_what_the_cloud_documents_and_nobody_starves),
        CASE(test_cloud_pace__a_throttled_region_delays_neither_another_nor_another_cloud),
        CASE(test_cloud_pace__a_throttled_launch_keeps_its_candidate_and_its_token),
        CASE(test_cloud_pace__a_cloud_that_goes_on_throttling_is_left_for_the_next_candidate_elsewhere),
        CASE(test_cloud_pace__a_candidate_that_refused_is_behind_who_waits_for_his_turn_with_the_next),
        CASE(test_cloud_pace__ends_are_not_delayed_by_a_storm_of_launches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
