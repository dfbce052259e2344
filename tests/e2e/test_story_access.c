/*
 * Who may use the organisation's machines, from the first byte to the last: the real daemon as a process, a strict
 * GitHub with an organisation, teams and roles, and EC2 on the other side.
 */
#include "server/store/db.h"
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
#define ORG_REPO "octo/.cirun"

static const char global_file[] = "runners:\n"
                                  "  - {name: shared-gpu, cloud: aws, region: us-east-1, gpu: t4,\n"
                                  "     machine_image: " SIM_EC2_IMAGE ", labels: [cirun-shared]}\n";

static const char access_file[] = "version: 1\n"
                                  "policies:\n"
                                  "  - {id: train-team, repo: train, teams: [core], pull_request: true}\n"
                                  "access_control:\n"
                                  "  - {resource: shared-gpu, policies: [train-team]}\n";

static int setup(void **state)
{
    struct world *w = world_new(&(struct world_conf){.seed = 3});

    *state = w;
    sim_github_permissions(w->gh, WORLD_INSTALLATION,
                           "{\"administration\":\"write\",\"contents\":\"read\",\"actions\":\"read\",\"metadata\":"
                           "\"read\",\"members\":\"read\"}");
    sim_github_add_repo(w->gh,
                        &(struct sim_repo){.id = 4712, .installation_id = WORLD_INSTALLATION, .full_name = ORG_REPO});
    sim_github_put_file(w->gh, ORG_REPO, "main", ".cirun.global.yml", global_file);
    sim_github_put_file(w->gh, ORG_REPO, "main", ".access.yml", access_file);
    sim_github_team_member(w->gh, "octo", "core", "alice", "active");
    return world_daemon_up(w) ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *w = *state;
    size_t violations = world_violations(w);
    int rc = world_daemon_down(w, SIGTERM);

    world_free(w);
    assert_int_equal(violations, 0);
    assert_int_equal(rc, 0);
    return 0;
}

static int64_t job(struct world *w, const char *event, const char *actor, const char *triggering, int attempt)
{
    return sim_github_job_create(w->gh, &(struct sim_job_spec){.repo = WORLD_REPO,
                                                               .labels = "[\"cirun-shared\"]",
                                                               .name = "train (gpu)",
                                                               .event = event,
                                                               .actor = actor,
                                                               .triggering_actor = triggering,
                                                               .run_attempt = attempt});
}

static int take_text(void *arg, const struct db_val *cols, size_t n, struct err *e)
{
    (void)n;
    (void)e;
    (void)snprintf(arg, 512, "%s", cols[0].s != NULL ? cols[0].s : "");
    return 0;
}

/* What the job's timeline says of this kind, "" when nothing. */
static void timeline(struct world *w, int64_t id, const char *kind, char out[512])
{
    struct db_val args[] = {DB_I(id), DB_S(kind)};
    char url[128];
    struct db *db = NULL;
    struct err e = {.kind = ERR_NONE};

    out[0] = '\0';
    (void)snprintf(url, sizeof(url), "sqlite:%s/store.db", w->dir);
    if (db_sqlite.open(url, &db, &e) || db_sqlite.exec(db, "SELECT detail FROM event WHERE job_id = $1 AND kind = $2",
                                                       args, 2, take_text, out, NULL, &e))
        fail_msg("%s", e.msg);
    db_sqlite.close(db);
}

static void test_story__a_member_gets_the_shared_machine_and_others_read_why_not(void **state)
{
    struct world *w = *state;
    int64_t member = job(w, "pull_request", "alice", "alice", 1), stranger, again;
    char text[512];

    assert_true(sim_github_wait_job(w->gh, member, SIM_JOB_COMPLETED, WAIT_MS));
    assert_int_equal(sim_ec2_count(w->ec2), 1);
    timeline(w, member, "access.allowed", text);
    assert_string_equal(text, "runner \"shared-gpu\" of .cirun.global.yml: alice by the policy \"train-team\"");

    stranger = job(w, "pull_request", "mallory", "mallory", 1);
    assert_true(daemon_wait_log(w->daemon, "does not let mallory use it", WAIT_MS));
    again = job(w, "pull_request", "mallory", "alice", 2);
    assert_true(daemon_wait_log(w->daemon, "must both be allowed", WAIT_MS));
    assert_true(sim_github_wait_deliveries(w->gh, WAIT_MS));

    timeline(w, stranger, "access.denied", text);
    assert_string_equal(text, "runner \"shared-gpu\" of .cirun.global.yml: .access.yml does not let mallory use it; no "
                              "active member of the team core, if there is one");
    timeline(w, stranger, "job.refused", text);
    assert_non_null(strstr(text, "does not let mallory use it"));
    timeline(w, again, "access.denied", text);
    assert_non_null(strstr(text, "does not let mallory use it"));
    assert_int_equal(daemon_count_log(w->daemon, "access.decided"), 3);
    assert_int_equal(sim_ec2_count(w->ec2), 1);
    assert_int_equal(sim_http_count(sim_github_http(w->gh), SIM_GH_TEAM_MEMBER), 2); /* each asked for once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_story__a_member_gets_the_shared_machine_and_others_read_why_not, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
