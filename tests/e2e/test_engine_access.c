/* Who may use what, in the whole engine: the organisation's files, teams, roles; the bed is tests/support/engine_bed.h.
 */
#include "server/base/clock.h"
#include "server/base/json.h"
#include "tests/support/deliver.h"
#include "tests/support/engine_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORG_REPO "octo/.cirun"
#define WITH_MEMBERS                                                                                                   \
    "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\",\"metadata\":\"read\",\"members\":"      \
    "\"read\"}"

static const char global_text[] =
    "runners:\n"
    "  - {name: big, cloud: aws, region: r, machine_image: img, instance_type: huge, labels: [cirun-big, shared]}\n"
    "  - {name: big-too, cloud: gcp, region: z, machine_image: img, instance_type: n9, labels: [cirun-big]}\n"
    "  - {name: ml, cloud: aws, region: r, machine_image: img, instance_type: ml, labels: [cirun-ml],\n"
    "     run_only_when_triggered_by: ml}\n";

static const char access_text[] = "version: 1\n"
                                  "policies:\n"
                                  "  - {id: core-only, repo: train, teams: [core]}\n"
                                  "  - {id: writers, repo: train, roles: [write], pull_request: true}\n"
                                  "  - {id: listed, repo: train, users_from_json: 'https://example.com/u.json'}\n"
                                  "access_control:\n"
                                  "  - {resource: big, policies: [core-only, writers]}\n"
                                  "  - {resource: big-too, policies: [listed]}\n";

static void org_file(struct bed *w, const char *path, const char *text)
{
    sim_github_put_file(w->gh, ORG_REPO, "main", path, text);
}

/* An organisation with both files, where alice is in the team core. */
static int setup(void **state)
{
    struct bed *w;

    if (bed_setup(state))
        return -1;
    w = *state;
    sim_github_permissions(w->gh, 7, WITH_MEMBERS);
    sim_github_add_repo(w->gh, &(struct sim_repo){.id = 12, .installation_id = 7, .full_name = ORG_REPO});
    org_file(w, ".cirun.global.yml", global_text);
    org_file(w, ".access.yml", access_text);
    sim_github_team_member(w->gh, "octo", "core", "alice", "active");
    return 0;
}

static int64_t job_of(struct bed *w, const char *triggering, const char *actor, const char *event, const char *label)
{
    return bed_queue_job(w, &(struct sim_job_spec){.event = event, .actor = actor, .triggering_actor = triggering},
                         label);
}

static int64_t events(struct bed *w, int64_t job, bool allowed)
{
    return bed_number(w,
                      allowed ? "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'access.allowed'"
                              : "SELECT count(*) FROM event WHERE job_id = $1 AND kind = 'access.denied'",
                      job);
}

static void is_refused(struct bed *w, int64_t id, const char *reason)
{
    AUTO_JOB struct job j = {0};

    bed_wait_want(w, id, WANT_REFUSED, &j);
    if (strstr(j.reason, reason) == NULL)
        fail_msg("refused for another reason: %s (wanted: %s)", j.reason, reason);
}

static void gets_machine(struct bed *w, int64_t id)
{
    AUTO_JOB struct job j = {0};

    bed_wait_want(w, id, WANT_MACHINE, &j);
}

/* --- the organisation's runners ---------------------------------------------------------------------------------- */

static void test_access__a_members_job_gets_the_organisations_machine_and_a_strangers_gets_a_reason(void **state)
{
    struct bed *w = *state;
    int64_t member = job_of(w, "alice", "alice", "push", "cirun-big--1");
    int64_t stranger;

    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    assert_string_equal(bed_call(w->aws, 0).instance_type, "huge");
    assert_int_equal(events(w, member, true), 1);
    assert_int_equal(events(w, member, false), 1); /* the runner that was left out */
    stranger = job_of(w, "mallory", "mallory", "push", "cirun-big--2");
    is_refused(w, stranger, "runner \"big\": .access.yml does not let mallory use it");
    is_refused(w, stranger, "no active member of the team core");
    is_refused(w, stranger, "runner \"big-too\"");
    is_refused(w, stranger, "policy.users_json_hosts");
    assert_int_equal(events(w, stranger, true), 0);
    assert_int_equal(events(w, stranger, false), 2);
    assert_int_equal(memcloud_made(w->aws) + memcloud_made(w->gcp), 1);
}

static void test_access__the_repositorys_own_file_comes_first_and_asks_nobody(void **state)
{
    struct bed *w = *state;
    int64_t id = job_of(w, "mallory", "mallory", "push", "cirun-one");

    gets_machine(w, id);
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER) + bed_asked(w, SIM_GH_PERMISSION), 0);
    assert_int_equal(events(w, id, true) + events(w, id, false), 0);
}

static void test_access__a_limit_at_the_top_of_the_global_file_holds_for_every_repository(void **state)
{
    struct bed *w = *state;
    int64_t id;

    org_file(w, ".cirun.global.yml", "run_only_when_triggered_by: core\nrunners: []\n");
    id = job_of(w, "alice", "alice", "push", "cirun-one--1");
    gets_machine(w, id);
    assert_int_equal(events(w, id, true), 1);
    is_refused(w, job_of(w, "mallory", "mallory", "push", "cirun-one--2"),
               "runner \"one\": run_only_when_triggered_by: core does not let mallory use it");
    is_refused(w, job_of(w, "mallory", "mallory", "push", "self-hosted"), "does not let mallory use it");
    is_refused(w, job_of(w, "mallory", "mallory", "push", "cirun-aws-t3-micro-ubuntu2204--1"), "does not let mallory");
}

static void test_access__a_limit_that_cannot_be_read_lets_nobody(void **state)
{
    struct bed *w = *state;

    org_file(w, ".cirun.global.yml", "run_only_when_triggered_by: core\nrunners: [\n");
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-one"), "names no team, so nobody may use it");
}

static void test_access__without_an_access_file_every_repository_of_the_organisation_may(void **state)
{
    struct bed *w = *state;
    int64_t id;

    org_file(w, ".access.yml", NULL);
    id = job_of(w, "mallory", "mallory", "pull_request", "cirun-big");
    gets_machine(w, id);
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER), 0);
}

static void test_access__a_fork_never_gets_the_organisations_machines(void **state)
{
    struct bed *w = *state;
    int64_t id;

    bed_down(w);
    w->fork_jobs = true;
    bed_up(w);
    org_file(w, ".access.yml", NULL);
    id = bed_queue_job(w, &(struct sim_job_spec){.head_repo_id = 4711, .event = "pull_request"}, "cirun-big");
    is_refused(w, id, "runners of the organisation never serve forks");
    assert_int_equal(bed_asked(w, SIM_GH_CONTENTS), 1);
}

static void test_access__a_job_for_nothing_but_self_hosted_is_never_the_organisations(void **state)
{
    struct bed *w = *state;
    int64_t id;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    org_file(w, ".access.yml", NULL);
    id = job_of(w, "alice", "alice", "push", "self-hosted");
    {
        AUTO_JOB struct job j = {0};

        bed_wait_want(w, id, WANT_NOTHING, &j);
    }
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_access__a_label_without_our_name_may_be_the_organisations(void **state)
{
    struct bed *w = *state;

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    gets_machine(w, job_of(w, "alice", "alice", "push", "shared"));
}

static void test_access__what_nobody_has_is_told_with_the_labels_of_both_files(void **state)
{
    struct bed *w = *state;
    int64_t id = job_of(w, "alice", "alice", "push", "cirun-bih");

    is_refused(w, id, "did you mean \"cirun-big\"?");
    is_refused(w, id, ".cirun.yml has: cirun-gpu,");
    is_refused(w, id, ".cirun.global.yml has: cirun-big, shared");
}

/* --- files that are not there, or not right ---------------------------------------------------------------------- */

/* How often a token was asked for that the App may not have. */
static json_int_t refused_tokens(struct bed *w)
{
    AUTO_JSON json_t *log = sim_http_log(sim_github_http(w->gh));

    return json_integer_value(json_object_get(json_object_get(json_object_get(log, "calls"), SIM_GH_TOKEN), "422"));
}

static void test_access__a_repository_that_the_app_cannot_read_is_told_and_asked_for_once_a_minute(void **state)
{
    struct bed *w = *state;
    int64_t id = job_of(w, "alice", "alice", "push", "cirun-big");

    is_refused(w, id, "octo/.cirun is not there, or the App has no access to it");
    assert_int_equal(refused_tokens(w), 1);
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"), "octo/.cirun");
    assert_int_equal(refused_tokens(w), 1);
    clock_test_advance(60 * 1000);
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"), "octo/.cirun");
    assert_int_equal(refused_tokens(w), 2);
}

static void test_access__who_does_not_mean_us_hears_nothing(void **state)
{
    struct bed *w = *state;
    AUTO_JOB struct job j = {0};

    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml", NULL);
    bed_wait_want(w, bed_queue_job(w, &(struct sim_job_spec){0}, "somebody-elses"), WANT_NOTHING, &j);
}

static void test_access__a_broken_global_file_matters_only_where_the_own_file_has_nothing(void **state)
{
    struct bed *w = *state;

    org_file(w, ".cirun.global.yml", "runners:\n  - name: x: y\n");
    gets_machine(w, job_of(w, "alice", "alice", "push", "cirun-one"));
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"),
               "the organisation's file cannot be used: .cirun.global.yml:2:");
}

static void test_access__a_broken_access_file_denies_everybody_and_says_where(void **state)
{
    struct bed *w = *state;

    org_file(w, ".access.yml", "{\"hello\": \"world three\"}");
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"),
               "until this is mended: .access.yml:1:1: there is no");
    assert_int_equal(memcloud_made(w->aws), 0);
}

static void test_access__a_directory_in_place_of_the_access_file_denies_everybody(void **state)
{
    struct bed *w = *state;

    org_file(w, ".access.yml", NULL);
    org_file(w, ".access.yml/more", "x");
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"), "it is a directory");
}

static void test_access__an_access_file_that_appears_counts_within_half_a_minute(void **state)
{
    struct bed *w = *state;

    org_file(w, ".access.yml", NULL);
    gets_machine(w, job_of(w, "mallory", "mallory", "push", "cirun-big--1"));
    org_file(w, ".access.yml", access_text);
    clock_test_advance(30 * 1000);
    is_refused(w, job_of(w, "mallory", "mallory", "push", "cirun-big--2"), "does not let mallory use it");
}

/* --- who -----------------------------------------------------------------------------------------------------------
 */

static void test_access__membership_is_remembered_for_five_minutes_and_no_longer(void **state)
{
    struct bed *w = *state;

    gets_machine(w, job_of(w, "alice", "alice", "push", "cirun-big--1"));
    gets_machine(w, job_of(w, "alice", "alice", "push", "cirun-big--2"));
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER), 1);
    sim_github_team_member(w->gh, "octo", "core", "alice", "pending");
    clock_test_advance(5 * 60 * 1000);
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big--3"), "does not let alice use it");
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER), 2);
}

static void test_access__a_members_re_run_of_a_strangers_pull_request_is_denied(void **state)
{
    struct bed *w = *state;
    int64_t id;

    sim_github_role(w->gh, BED_REPO, "alice", "write");
    gets_machine(w, job_of(w, "alice", "alice", "pull_request", "cirun-big--1"));
    id = bed_queue_job(w,
                       &(struct sim_job_spec){
                           .event = "pull_request", .actor = "mallory", .triggering_actor = "alice", .run_attempt = 2},
                       "cirun-big--2");
    is_refused(w, id, "does not let mallory use it");
    is_refused(w, job_of(w, "alice", "mallory", "push", "cirun-big--3"), "does not let mallory use it");
}

static void test_access__a_pull_request_needs_a_policy_that_speaks_of_it(void **state)
{
    struct bed *w = *state;
    int64_t id = job_of(w, "alice", "alice", "pull_request", "cirun-big");

    is_refused(w, id, "the role in the repository is \"read\""); /* the team's policy does not count */
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER), 0);
}

static void test_access__a_runner_of_a_team_serves_its_members_only(void **state)
{
    struct bed *w = *state;
    int64_t own;

    sim_github_team_member(w->gh, "octo", "ml", "bob", "active");
    org_file(w, ".access.yml", NULL);
    sim_github_put_file(w->gh, BED_REPO, "main", ".cirun.yml",
                        "runners:\n  - {name: own, cloud: aws, region: r, machine_image: i, instance_type: t,\n"
                        "     labels: [cirun-own], run_only_when_triggered_by: ML}\n");
    gets_machine(w, job_of(w, "bob", "bob", "push", "cirun-ml--1"));
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-ml--2"),
               "runner \"ml\": run_only_when_triggered_by: ml does not let alice use it");
    own = job_of(w, "bob", "bob", "push", "cirun-own--1");
    gets_machine(w, own);
    assert_int_equal(events(w, own, true), 1);
    is_refused(w, job_of(w, "bob", "mallory", "push", "cirun-own--2"), "does not let mallory use it");
}

static void test_access__a_users_own_repository_has_no_teams(void **state)
{
    struct bed *w = *state;
    struct deliver_event ev = {.repo_id = 21, .state = JOB_QUEUED, .repo = "octo/lab", .label = "cirun-own"};
    struct sim_job_info info;

    sim_github_add_repo(w->gh,
                        &(struct sim_repo){.id = 21, .installation_id = 7, .full_name = "octo/lab", .of_user = true});
    sim_github_put_file(w->gh, "octo/lab", "main", ".cirun.yml",
                        "runners:\n  - {name: own, cloud: aws, region: r, machine_image: i, instance_type: t,\n"
                        "     labels: [cirun-own], run_only_when_triggered_by: ml}\n");
    ev.job_id =
        sim_github_job_create(w->gh, &(struct sim_job_spec){.repo = "octo/lab",
                                                            .labels = "[\"cirun-own\"]",
                                                            .head_sha = "0123456789012345678901234567890123456789"});
    assert_true(sim_github_job(w->gh, ev.job_id, &info));
    ev.run_id = info.run_id;
    deliver(w->g, &ev);
    is_refused(w, ev.job_id, "octo is no organisation and has no teams");
    assert_int_equal(bed_asked(w, SIM_GH_TEAM_MEMBER), 0);
}

/* --- machines that GitHub gives to somebody else ----------------------------------------------------------------- */

static void test_access__a_machine_that_a_denied_job_takes_is_taken_back_and_another_made(void **state)
{
    struct bed *w = *state;
    int64_t stranger = job_of(w, "mallory", "mallory", "push", "cirun-big");
    int64_t member;

    is_refused(w, stranger, "does not let mallory use it");
    member = job_of(w, "alice", "alice", "push", "cirun-big");
    gets_machine(w, member);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    bed_deliver(w, stranger, JOB_RUNNING, "cirun-big", bed_call(w->aws, 0).name);
    for (int i = 0; i < 200 && (memcloud_made(w->aws) < 2 || memcloud_live(w->aws) != 1); i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(memcloud_live(w->aws), 1);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY), 0);
    bed_deliver(w, member, JOB_RUNNING, "cirun-big", bed_call(w->aws, 1).name);
    assert_true(bed_settle(w));
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY), 1);
}

/* Who is denied for any reason but want of machines has no right to one that was made for somebody else. */
static void test_access__no_denied_job_keeps_a_machine_whatever_it_was_denied_for(void **state)
{
    struct bed *w = *state;
    int64_t member, other;

    member = job_of(w, "alice", "alice", "push", "cirun-big");
    gets_machine(w, member);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    other = job_of(w, "mallory", "mallory", "push", "cirun-unknown"); /* no runner has its label */
    is_refused(w, other, "cirun-unknown");
    bed_deliver(w, other, JOB_RUNNING, "cirun-unknown", bed_call(w->aws, 0).name);
    for (int i = 0; i < 200 && (memcloud_made(w->aws) < 2 || memcloud_live(w->aws) != 1); i++)
        bed_pass(w, 1000);
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY), 0);
}

static void test_access__a_job_that_was_begun_before_it_was_decided_is_decided_all_the_same(void **state)
{
    const struct sim_fault fault = {.op = SIM_GH_RUN, .kind = SIM_FAULT_STATUS, .status = 502, .next = 1};
    struct bed *w = *state;
    int64_t member = job_of(w, "alice", "alice", "push", "cirun-big"), stranger;

    gets_machine(w, member);
    assert_true(memcloud_wait_live(w->aws, 1, BED_WAIT_MS));
    sim_http_fault(sim_github_http(w->gh), &fault);
    stranger = job_of(w, "mallory", "mallory", "push", "cirun-big");
    bed_deliver(w, stranger, JOB_RUNNING, "cirun-big", bed_call(w->aws, 0).name);
    for (int i = 0; i < 200 && (memcloud_made(w->aws) < 2 || memcloud_live(w->aws) != 1); i++)
        bed_pass(w, 1000);
    is_refused(w, stranger, "does not let mallory use it");
    assert_int_equal(memcloud_made(w->aws), 2);
    assert_int_equal(bed_number(w, "SELECT count(*) FROM machine WHERE state = $1", M_BUSY), 0);
}

/* --- questions without an answer --------------------------------------------------------------------------------- */

static void test_access__a_missing_permission_denies_and_says_which(void **state)
{
    struct bed *w = *state;

    sim_github_permissions(w->gh, 7,
                           "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\",\"metadata\":"
                           "\"read\"}");
    is_refused(w, job_of(w, "alice", "alice", "push", "cirun-big"), "permission \"Members: read\"");
}

static void test_access__a_passing_fault_lets_the_job_wait_and_then_decides(void **state)
{
    const struct sim_fault fault = {.op = SIM_GH_TEAM_MEMBER, .kind = SIM_FAULT_STATUS, .status = 502, .next = 3};
    struct bed *w = *state;
    int64_t id;

    sim_http_fault(sim_github_http(w->gh), &fault);
    id = job_of(w, "alice", "alice", "push", "cirun-big");
    for (int i = 0; i < 200 && memcloud_live(w->aws) == 0; i++)
        bed_pass(w, 1000);
    gets_machine(w, id);
    assert_int_equal(events(w, id, true), 1);
    assert_int_equal(events(w, id, false), 1);
}

static void never_answers(struct bed *w, const char *op, const char *reason)
{
    const struct sim_fault fault = {.op = op, .kind = SIM_FAULT_STATUS, .status = 500, .probability = 1};
    int64_t id;

    sim_http_fault(sim_github_http(w->gh), &fault);
    id = job_of(w, "alice", "alice", "push", "cirun-big");
    for (int i = 0; i < 60 && bed_number(w, "SELECT want FROM job WHERE id = $1", id) == WANT_UNDECIDED; i++)
        bed_pass(w, 6 * 60 * 1000);
    is_refused(w, id, reason);
    assert_int_equal(memcloud_made(w->aws), 0);
    sim_http_faults_clear(sim_github_http(w->gh));
}

static void test_access__what_is_never_answered_is_denied_in_the_end(void **state)
{
    never_answers(*state, SIM_GH_TEAM_MEMBER, "it cannot be told, and so is denied");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(test_access__##name, setup, bed_teardown)
#define WITHOUT_ORG(name) cmocka_unit_test_setup_teardown(test_access__##name, bed_setup, bed_teardown)
        CASE(a_members_job_gets_the_organisations_machine_and_a_strangers_gets_a_reason),
        CASE(the_repositorys_own_file_comes_first_and_asks_nobody),
        CASE(a_limit_at_the_top_of_the_global_file_holds_for_every_repository),
        CASE(a_limit_that_cannot_be_read_lets_nobody),
        CASE(without_an_access_file_every_repository_of_the_organisation_may),
        CASE(a_fork_never_gets_the_organisations_machines),
        CASE(a_job_for_nothing_but_self_hosted_is_never_the_organisations),
        CASE(a_label_without_our_name_may_be_the_organisations),
        CASE(what_nobody_has_is_told_with_the_labels_of_both_files),
        WITHOUT_ORG(a_repository_that_the_app_cannot_read_is_told_and_asked_for_once_a_minute),
        WITHOUT_ORG(who_does_not_mean_us_hears_nothing),
        CASE(who_does_not_mean_us_hears_nothing),
        CASE(a_broken_global_file_matters_only_where_the_own_file_has_nothing),
        CASE(a_broken_access_file_denies_everybody_and_says_where),
        CASE(a_directory_in_place_of_the_access_file_denies_everybody),
        CASE(an_access_file_that_appears_counts_within_half_a_minute),
        CASE(membership_is_remembered_for_five_minutes_and_no_longer),
        CASE(a_members_re_run_of_a_strangers_pull_request_is_denied),
        CASE(a_pull_request_needs_a_policy_that_speaks_of_it),
        CASE(a_runner_of_a_team_serves_its_members_only),
        CASE(a_users_own_repository_has_no_teams),
        CASE(a_machine_that_a_denied_job_takes_is_taken_back_and_another_made),
        CASE(no_denied_job_keeps_a_machine_whatever_it_was_denied_for),
        CASE(a_job_that_was_begun_before_it_was_decided_is_decided_all_the_same),
        CASE(a_missing_permission_denies_and_says_which),
        CASE(a_passing_fault_lets_the_job_wait_and_then_decides),
        CASE(what_is_never_answered_is_denied_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
