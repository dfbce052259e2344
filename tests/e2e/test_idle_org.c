/* Warm runners of an organisation: its .cirun.global.yml, and the jobs of its repositories. */
#include "server/base/clock.h"
#include "server/base/mem.h"
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

#define INSTALLATION 8
#define HOME "acme/.cirun"
#define HOME_ID 23
#define MINUTE_MS (60 * 1000)

static const char runner[] =
    "runners:\n  - {name: shared, cloud: aws, region: r, machine_image: img, instance_type: single, labels: [org-warm, "
    "linux],\n     idle: {replicas: 2}}\n";

static int setup(void **state)
{
    static const struct sim_repo repos[] = {
        {.id = 21, .installation_id = INSTALLATION, .full_name = "acme/train", .is_private = true},
        {.id = 22, .installation_id = INSTALLATION, .full_name = "acme/site"},
        {.id = 24, .installation_id = INSTALLATION, .full_name = "acme/other", .is_private = true},
        {.id = HOME_ID, .installation_id = INSTALLATION, .full_name = HOME, .is_private = true}};
    struct bed *w;

    if (bed_setup(state) != 0)
        return -1;
    w = *state;
    sim_github_add_installation(w->gh, INSTALLATION, "acme",
                                "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\",\"metadata\":"
                                "\"read\",\"organization_self_hosted_runners\":\"write\"}");
    for (size_t i = 0; i < sizeof(repos) / sizeof(repos[0]); i++)
        sim_github_add_repo(w->gh, &repos[i]);
    sim_github_put_file(w->gh, HOME, "main", ".cirun.global.yml", runner);
    /* what admits their jobs; the same machine */
    for (size_t i = 0; i < 3; i++)
        sim_github_put_file(w->gh, repos[i].full_name, "main", ".cirun.yml",
                            "runners:\n  - {name: shared, cloud: aws, region: r, machine_image: img, instance_type: "
                            "single, labels: [org-warm, linux]}\n");
    return 0;
}

static void push_home(struct bed *w)
{
    deliver_push(w->g,
                 &(struct deliver_event){
                     .installation_id = INSTALLATION, .repo_id = HOME_ID, .repo = HOME, .label = ".cirun.global.yml"});
    assert_true(bed_settle(w));
}

static int64_t event(struct bed *w, int64_t job, const char *repo, int64_t repo_id, enum job_state s,
                     const char *machine)
{
    struct sim_job_info info;
    int64_t id = job != 0 ? job
                          : sim_github_job_create(
                                w->gh, &(struct sim_job_spec){.repo = repo,
                                                              .labels = "[\"org-warm\"]",
                                                              .head_sha = "0123456789012345678901234567890123456789"});

    assert_true(id > 0 && sim_github_job(w->gh, id, &info));
    deliver(w->g, &(struct deliver_event){.job_id = id,
                                          .run_id = info.run_id,
                                          .repo_id = repo_id,
                                          .state = s,
                                          .repo = repo,
                                          .label = "org-warm",
                                          .runner = machine,
                                          .installation_id = INSTALLATION});
    assert_true(bed_settle(w));
    return id;
}

static int64_t warm(struct bed *w)
{
    return bed_number(
        w,
        "SELECT count(*) FROM idle_machine i JOIN machine m ON m.name = i.name WHERE claimed = $1 AND state "
        "< 4 AND surplus_ms = 0",
        0);
}

static void test_idle_org__its_runners_belong_to_the_organisation_and_carry_no_system_label(void **state)
{
    struct bed *w = *state;

    push_home(w);
    assert_int_equal(memcloud_live(w->aws), 2);
    assert_int_equal(bed_asked(w, SIM_GH_ORG_JITCONFIG), 2);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 0);
    assert_int_equal(
        bed_number(w, "SELECT count(*) FROM machine WHERE labels_json = '[\"org-warm\"]' AND repo_id = $1", 0), 2);
}

static void test_idle_org__jobs_of_its_private_repositories_take_them(void **state)
{
    struct bed *w = *state;
    char first[64];
    int64_t id;

    push_home(w);
    (void)event(w, 0, "acme/train", 21, JOB_QUEUED, NULL); /* the first learns who is reached */
    id = event(w, 0, "acme/other", 24, JOB_QUEUED, NULL);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 0); /* nothing was launched for a job */
    assert_int_equal(memcloud_made(w->aws), 4);
    assert_int_equal(warm(w), 2);
    (void)snprintf(first, sizeof(first), "%s", bed_call(w->aws, 0).name);
    (void)event(w, id, "acme/other", 24, JOB_RUNNING, first); /* whichever of them it was claimed for */
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = 4 AND taken_job_id = $1", id), 1);
    (void)event(w, id, "acme/other", 24, JOB_DONE, first);
    bed_pass(w, MINUTE_MS);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 0);
    assert_int_equal(warm(w), 2);
}

static void test_idle_org__a_public_repository_s_job_gets_a_machine_of_its_own(void **state)
{
    struct bed *w = *state;

    push_home(w);
    (void)event(w, 0, "acme/site", 22, JOB_QUEUED, NULL);
    assert_int_equal(bed_asked(w, SIM_GH_JITCONFIG), 1);
    assert_int_equal(warm(w), 2);
}

static void test_idle_org__another_owner_s_event_does_not_touch_its_machines(void **state)
{
    struct bed *w = *state;
    int64_t id;

    push_home(w);
    id = bed_create_job(w, &(struct sim_job_spec){0}, "cirun-one");
    bed_deliver(w, id, JOB_DONE, "cirun-one", bed_call(w->aws, 0).name);
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_live(w->aws), 2);
    assert_int_equal(warm(w), 2);
}

static void test_idle_org__none_where_access_is_restricted_or_strangers_are_reached(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, HOME, "main", ".access.yml", "version: 1\npolicies: []\naccess_control: []\n");
    push_home(w);
    assert_int_equal(memcloud_made(w->aws), 0);
    sim_github_put_file(w->gh, HOME, "main", ".access.yml", NULL);
    sim_github_group_public(w->gh, INSTALLATION, true);
    push_home(w);
    assert_int_equal(memcloud_made(w->aws), 0);
    sim_github_group_public(w->gh, INSTALLATION, false);
    push_home(w);
    assert_int_equal(memcloud_live(w->aws), 2);
    sim_github_put_file(w->gh, HOME, "main", ".access.yml", "not even {yaml");
    push_home(w);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
}

static void test_idle_org__who_limits_everybody_to_a_team_has_no_warm_runners_anywhere(void **state)
{
    struct bed *w = *state;
    char text[600];

    (void)snprintf(text, sizeof(text), "run_only_when_triggered_by: core\n%s", runner);
    sim_github_put_file(w->gh, HOME, "main", ".cirun.global.yml", text);
    push_home(w);
    sim_github_put_file(w->gh, "acme/train", "main", ".cirun.yml", runner);
    deliver_push(w->g,
                 &(struct deliver_event){
                     .installation_id = INSTALLATION, .repo_id = 21, .repo = "acme/train", .label = ".cirun.yml"});
    assert_true(bed_settle(w));
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_idle_org__the_file_s_end_is_theirs(void **state)
{
    struct bed *w = *state;

    push_home(w);
    assert_int_equal(memcloud_live(w->aws), 2);
    sim_github_put_file(w->gh, HOME, "main", ".cirun.global.yml", NULL);
    bed_pass(w, 11 * MINUTE_MS);
    assert_true(memcloud_wait_live(w->aws, 0, BED_WAIT_MS));
    /* each before its machine ends, and once more to be sure when that is gone */
    assert_in_range(bed_asked(w, SIM_GH_ORG_RUNNER_DELETE), 2, 4);
}

#define T(name) cmocka_unit_test_setup_teardown(test_idle_org__##name, setup, bed_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(its_runners_belong_to_the_organisation_and_carry_no_system_label),
        T(jobs_of_its_private_repositories_take_them),
        T(a_public_repository_s_job_gets_a_machine_of_its_own),
        T(another_owner_s_event_does_not_touch_its_machines),
        T(none_where_access_is_restricted_or_strangers_are_reached),
        T(who_limits_everybody_to_a_team_has_no_warm_runners_anywhere),
        T(the_file_s_end_is_theirs),
    };

    return cmocka_run_group_tests_name("idle_org", tests, NULL, NULL);
}
