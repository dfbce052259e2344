/* What is Google Cloud's own: operations, projects, states, incomplete lists, the account. */
#include "tests/support/unit.h"

#include "providers/registry.h"
#include "server/base/json.h"
#include "tests/support/asked.h"

#include <stdio.h>

#define INSTANCES "/compute/v1/projects/*/zones/*/instances"
#define OPERATIONS "/compute/v1/projects/*/zones/*/operations/*"
#define ID "projects/my-project/zones/us-central1-a/instances/"

static struct bed *plain_bed(void)
{
    return bed_open(&fake_gcp, NULL, 0);
}

/* JSON written with single quotes. */
static json_t *quoted(const char *text)
{
    AUTO_BUF struct buf out = BUF_INIT(65536);
    json_t *doc = NULL;
    struct err e;

    for (; *text != '\0'; text++)
        buf_addc(&out, (char)(*text == '\'' ? '"' : *text));
    assert_ok(js_parse(out.p, out.len, &doc, &e), e);
    return doc;
}

static const char *create_path(struct bed *b)
{
    for (size_t i = raw_count(b->server); i > 0; i--) {
        if (fake_is(raw_get(b->server, i - 1), "POST", INSTANCES))
            return raw_get(b->server, i - 1)->path;
    }
    fail_msg("nothing was created");
    return NULL;
}

/* ---- projects and deployments ---- */

static void test_gcp__a_listed_project_gets_the_machine_and_is_always_looked_into(void **state)
{
    static const struct bed_setting listed = {"projects", "gpu-test-runners"};
    AUTO_BED struct bed *b = bed_open(&fake_gcp, &listed, 1);
    AUTO_ORDER struct order o;
    struct instance got, ref = bed_ref(b, "", "muster-a");
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e); /* before any launch: as after a restart */
    assert_int_equal(asked_count(b, "GET", "/compute/v1/projects/gpu-test-runners/zones/*/instances/muster-a"), 1);
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.extra = o.extra = quoted("{'project_id':'gpu-test-runners'}");
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
    assert_string_equal(got.id, "projects/gpu-test-runners/zones/us-central1-a/instances/muster-a");
    assert_non_null(strstr(create_path(b), "/projects/gpu-test-runners/zones/us-central1-a/instances?"));
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "GET", "/compute/v1/projects/my-project/aggregated/instances"), 1);
    assert_int_equal(asked_count(b, "GET", "/compute/v1/projects/gpu-test-runners/aggregated/instances"), 1);
}

static void test_gcp__a_project_that_the_operator_does_not_list_gets_no_request(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    AUTO_ORDER struct order o;
    struct instance got;
    struct err e;

    (void)state;
    order_init(&o, b, "muster-a", "muster-a-0-0");
    o.spec.extra = o.extra = quoted("{'project_id':'not-ours'}");
    assert_fails(b->ops->check(b->p, &o.spec, &e), ERR_INVALID, "clouds.gcp.projects", e);
    assert_fails(b->ops->launch(b->p, &o.r, &got, &e), ERR_INVALID, "\"not-ours\"", e);
    assert_int_equal(asked_count(b, "POST", "*/projects/*"), 0);
    json_decref(o.extra);
    o.spec.extra = o.extra = quoted("{'project_id':'my-project'}");
    assert_ok(b->ops->launch(b->p, &o.r, &got, &e), e);
}

static void test_gcp__a_listed_project_that_refuses_us_fails_the_list(void **state)
{
    static const struct bed_setting listed = {"projects", "gpu-test-runners"};
    static const struct fake_fault then = {.skip = 1000};
    AUTO_FREE char *refusal = fake_fixture("gcp", "not-permitted.json");
    const struct fake_fault second = {
        .status = 403, .body = refusal, .skip = 1, .next = &then}; /* after the own list */
    AUTO_BED struct bed *b = bed_open(&fake_gcp, &listed, 1);
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &second);
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_AUTH, "forbidden", e);
}

static void test_gcp__a_deployment_is_told_apart_in_the_alphabet_of_labels(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, "", "muster-a"), got;
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    b->env.deployment = "My.Deployment";
    (void)fake_add(&b->cloud, "muster-a", "t", "my_deployment");
    (void)fake_add(&b->cloud, "muster-b", "u", "my-deployment");
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.names[0], "muster-a");
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_string_equal(got.id, ID "muster-a");
}

/* ---- operations ---- */

/* PROVIDERS.md trap 4 */
static void test_gcp__trap_4_a_failed_operation_on_http_200_is_a_refusal_and_what_it_left_is_removed(void **state)
{
    static const struct fake_refusal doom = {"op-no-capacity.json", 503, ERR_CAPACITY};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->cloud.doom = &doom;
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY,
                 "instances.insert: ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS: The zone", e);
    assert_int_equal(e.retry_after_s, 600);
    assert_int_equal(asked_count(b, "GET", OPERATIONS), 1);
    assert_int_equal(asked_count(b, "DELETE", INSTANCES "/muster-a"), 1);
    assert_int_equal(fake_alive(&b->cloud), 0);
}

static void test_gcp__a_launch_whose_operation_takes_long_is_on_its_way(void **state)
{
    static const char running[] = "{\"name\":\"operation-1\",\"status\":\"RUNNING\"}";
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->max_pauses = 5;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = running});
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(got.state, INSTANCE_PENDING);
    assert_string_equal(got.id, ID "muster-a");
    assert_int_equal(asked_count(b, "GET", OPERATIONS), 5);
    assert_true(b->paused_ms > 0);
}

static void test_gcp__a_fault_while_looking_at_an_operation_does_not_lose_its_outcome(void **state)
{
    static const struct fake_fault then = {.skip = 1000};
    static const struct fake_fault nonsense = {.status = 200, .body = "{}", .next = &then};
    static const struct fake_fault first = {.skip = 1, .status = 503, .next = &nonsense};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_int_equal(asked_count(b, "GET", OPERATIONS), 3);
    assert_int_equal(b->cloud.made, 1);
}

static void test_gcp__a_launch_that_was_accepted_does_not_fail_because_its_operation_cannot_be_seen(void **state)
{
    static const struct fake_fault denied = {.skip = 1, .status = 403, .body = "{}"};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    b->max_pauses = 3;
    fake_set_fault(&b->cloud, &denied);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_int_equal(got.state, INSTANCE_PENDING);
    assert_string_equal(got.id, ID "muster-a");
}

static void test_gcp__what_a_failed_launch_left_stays_when_it_is_somebody_elses(void **state)
{
    static const struct fake_fault then = {.skip = 1000};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *failed = fake_fixture("gcp", "op-no-capacity.json");
    struct fake_fault first = {.status = 200, .next = &then};
    struct instance got;
    struct err e;

    (void)state;
    first.body = failed;
    (void)fake_add(&b->cloud, "muster-a", "x", "staging");
    fake_set_fault(&b->cloud, &first);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "ZONE_RESOURCE", e);
    assert_int_equal(fake_alive(&b->cloud), 1);
}

/* PROVIDERS.md trap 12 */
static void test_gcp__trap_12_a_name_that_is_taken_by_our_own_earlier_try_is_adopted(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "another-request-id", BED_DEPLOYMENT);
    assert_ok(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), e);
    assert_string_equal(got.id, ID "muster-a");
    assert_int_equal(got.state, INSTANCE_RUNNING);
    assert_int_equal(b->cloud.made, 1);
}

static void test_gcp__a_name_that_somebody_else_has_is_a_conflict_and_stays(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    (void)fake_add(&b->cloud, "muster-a", "x", "staging");
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CONFLICT, "somebody else", e);
    assert_int_equal(fake_alive(&b->cloud), 1);
}

static void test_gcp__an_earlier_machine_that_is_still_ending_is_not_adopted(void **state)
{
    static const char stopping[] =
        "{\"name\":\"muster-a\",\"zone\":\"zones/us-central1-a\",\"status\":\"STOPPING\",\"labels\":{"
        "\"muster-deployment\":\"muster\",\"muster-machine\":\"muster-a\"}}";
    static const struct fake_fault second = {.status = 200, .body = stopping};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *taken = fake_fixture("gcp", "taken.json");
    struct fake_fault first = {.status = 409, .next = &second};
    struct instance got;
    struct err e;

    (void)state;
    first.body = taken;
    fake_set_fault(&b->cloud, &first);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "still being removed", e);
    assert_int_equal(e.retry_after_s, 15);
}

static void test_gcp__what_a_failed_launch_left_and_could_not_be_removed_keeps_its_outcome_open(void **state)
{
    static const struct fake_fault silent = {.status = 503, .body = "{}"};
    AUTO_BED struct bed *b = plain_bed();
    AUTO_FREE char *failed = fake_fixture("gcp", "op-no-capacity.json");
    struct fake_fault first = {.status = 200, .next = &silent};
    struct instance got;
    struct err e;

    (void)state;
    first.body = failed;
    fake_set_fault(&b->cloud, &first);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_RETRY, "still to be removed: gcp", e);
    assert_non_null(strstr(e.msg, "ZONE_RESOURCE_POOL_EXHAUSTED"));
}

static void test_gcp__a_token_whose_operation_failed_for_haste_is_not_repeated(void **state)
{
    static const char failed[] =
        "{\"name\":\"operation-1\",\"status\":\"DONE\",\"httpErrorStatusCode\":403,\"error\":{\"errors\":[{\"code\":"
        "\"RESOURCE_OPERATION_RATE_EXCEEDED\",\"message\":\"too often\"}]}}";
    static const struct fake_fault then = {.skip = 1000};
    static const struct fake_fault first = {.status = 200, .body = failed, .next = &then};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_fails(bed_launch(b, "muster-a", "muster-a-0-0", &got, &e), ERR_CAPACITY, "too often", e);
    assert_int_equal(e.retry_after_s, 30);
}

/* PROVIDERS.md trap 14 */
static void test_gcp__trap_14_a_refused_token_is_renewed_once_and_the_call_repeated(void **state)
{
    static const struct fake_fault then = {.skip = 1000};
    static const struct fake_fault first = {.status = 401, .body = "{}", .next = &then};
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &first);
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_int_equal(asked_count(b, "POST", "/token"), 2);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 401, .body = "{}"});
    assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_AUTH, "401", e);
    assert_int_equal(asked_count(b, "POST", "/token"), 3);
    assert_int_equal(asked_count(b, "GET", "/compute/v1/projects/*/aggregated/instances"), 4);
}

/* ---- states ---- */

static void machine_json(const char *status, const char *more, char out[1000])
{
    (void)snprintf(out, 1000,
                   "{\"name\":\"muster-a\",\"zone\":\"https://www.googleapis.com/compute/v1/projects/my-project/zones/"
                   "us-central1-a\",\"status\":\"%s\",\"creationTimestamp\":\"2024-05-01T07:00:00.000-07:00\"%s}",
                   status, more);
}

/* PROVIDERS.md trap 5 */
static void test_gcp__trap_5_terminated_means_stopped_and_each_state_has_its_meaning(void **state)
{
    static const struct {
        const char *status;
        enum instance_state state;
    } rows[] = {{"PROVISIONING", INSTANCE_PENDING},  {"STAGING", INSTANCE_PENDING},   {"PENDING", INSTANCE_PENDING},
                {"RUNNING", INSTANCE_RUNNING},       {"REPAIRING", INSTANCE_RUNNING}, {"STOPPING", INSTANCE_ENDING},
                {"DEPROVISIONING", INSTANCE_ENDING}, {"SUSPENDED", INSTANCE_STOPPED}, {"SUSPENDING", INSTANCE_STOPPED},
                {"STOPPED", INSTANCE_STOPPED},       {"TERMINATED", INSTANCE_STOPPED}};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, ID "muster-a", "muster-a"), got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char body[1000];

        machine_json(rows[i].status, "", body);
        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = body});
        assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
        assert_int_equal(got.state, rows[i].state);
        assert_int_equal(got.created_ms, INT64_C(1714572000000));
    }
}

static void test_gcp__a_spot_machine_that_google_took_back_says_so(void **state)
{
    static const char ops[] =
        "{\"items\":[{\"operationType\":\"compute.instances.preempted\",\"targetLink\":\"https://www.googleapis.com/"
        "compute/v1/projects/my-project/zones/us-central1-a/instances/muster-a\"}]}";
    static const struct fake_fault second = {.status = 200, .body = ops};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, ID "muster-a", "muster-a"), got;
    struct fake_fault first = {.status = 200, .next = &second};
    char body[1000];
    struct err e;

    (void)state;
    machine_json("STOPPING", ",\"scheduling\":{\"provisioningModel\":\"SPOT\"}", body);
    first.body = body;
    fake_set_fault(&b->cloud, &first);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_ENDING);
    assert_int_equal(got.why, ERR_CAPACITY);
    assert_non_null(strstr(got.detail, "took it back"));
    first = (struct fake_fault){
        .status = 404, .next = &second, .body = "{\"error\":{\"errors\":[{\"reason\":\"notFound\"}]}}"};
    fake_set_fault(&b->cloud, &first);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_GONE);
    assert_int_equal(got.why, ERR_CAPACITY);
}

static void test_gcp__a_machine_is_not_taken_back_because_another_one_was(void **state)
{
    static const char ops[] =
        "{\"items\":[{\"operationType\":\"compute.instances.preempted\",\"targetLink\":\"https://www.googleapis.com/"
        "compute/v1/projects/my-project/zones/us-central1-a/instances/muster-b\"},{\"operationType\":\"stop\","
        "\"targetLink\":\"x/instances/muster-a\"}]}";
    static const struct fake_fault second = {.status = 200, .body = ops};
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, ID "muster-a", "muster-a"), got;
    struct fake_fault first = {.status = 200, .next = &second};
    char body[1000];
    struct err e;

    (void)state;
    machine_json("TERMINATED", ",\"scheduling\":{\"provisioningModel\":\"SPOT\"}", body);
    first.body = body;
    fake_set_fault(&b->cloud, &first);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(got.state, INSTANCE_STOPPED);
    assert_int_equal(got.why, ERR_NONE);
    assert_int_equal(raw_count(b->server), 3);
    machine_json("TERMINATED", "", body);
    fake_set_fault(&b->cloud, &first);
    assert_ok(b->ops->describe(b->p, &ref, &got, &e), e);
    assert_int_equal(raw_count(b->server), 4); /* not spot: nothing more to ask */
}

static void test_gcp__a_deletion_that_fails_at_once_is_a_failure_unless_the_machine_is_gone(void **state)
{
    static const char denied[] =
        "{\"name\":\"operation-1\",\"status\":\"DONE\",\"httpErrorStatusCode\":403,\"error\":{\"errors\":[{\"code\":"
        "\"PERMISSIONS_ERROR\",\"message\":\"no\"}]}}";
    static const char gone[] = "{\"name\":\"operation-1\",\"status\":\"DONE\",\"httpErrorStatusCode\":404,\"error\":{"
                               "\"errors\":[{\"code\":\"RESOURCE_NOT_FOUND\",\"message\":\"no\"}]}}";
    AUTO_BED struct bed *b = plain_bed();
    struct instance ref = bed_ref(b, ID "muster-a", "muster-a");
    struct err e;

    (void)state;
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = denied});
    assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_AUTH, "instances.delete: PERMISSIONS_ERROR", e);
    fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = gone});
    assert_ok(b->ops->destroy(b->p, &ref, &e), e);
}

static void test_gcp__an_id_that_is_no_path_of_an_instance_goes_nowhere(void **state)
{
    static const char *const ids[] = {"muster-a",
                                      "projects/p/zones/us-central1-a/instances/",
                                      "projects/p/zones/us-central1-a/instances/a/b",
                                      "projects/p/zones/us-central1-a/instances/a?x=1",
                                      "projects/../zones/us-central1-a/instances/a x",
                                      "projects/p/zones/us-central1/instances/a",
                                      "xprojects/p/zones/us-central1-a/instances/a"};
    AUTO_BED struct bed *b = plain_bed();
    struct instance got;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct instance ref = bed_ref(b, ids[i], "muster-a");

        assert_fails(b->ops->describe(b->p, &ref, &got, &e), ERR_INVALID, "path of an instance", e);
        assert_fails(b->ops->destroy(b->p, &ref, &e), ERR_INVALID, "path of an instance", e);
    }
    assert_int_equal(raw_count(b->server), 0);
}

/* ---- lists ---- */

/* PROVIDERS.md trap 13 */
static void test_gcp__trap_13_a_list_without_some_zone_fails(void **state)
{
    static const struct {
        const char *body, *piece;
    } rows[] = {
        {"{\"kind\":\"compute#instanceAggregatedList\",\"items\":{},\"unreachables\":[\"zones/us-east1-b\"]}",
         "zones/us-east1-b cannot be reached"},
        {"{\"kind\":\"compute#instanceAggregatedList\",\"items\":{\"zones/us-east1-b\":{\"warning\":{\"code\":"
         "\"UNREACHABLE\",\"message\":\"down\"}}}}",
         "zones/us-east1-b is missing: UNREACHABLE: down"},
        {"{\"kind\":\"compute#instanceAggregatedList\",\"warning\":{\"code\":\"PARTIAL_SUCCESS\"}}", "PARTIAL_SUCCESS"},
    };
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bed_seen seen = {0};
        struct err e;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = rows[i].body});
        assert_fails(b->ops->list(b->p, NULL, bed_see, &seen, &e), ERR_RETRY, rows[i].piece, e);
    }
}

/* Google gives each machine with its metadata, our bootstrap of 12 KiB in it: 500 of them are over 8 MiB. */
static void test_gcp__a_whole_page_of_machines_fits_into_an_answer(void **state)
{
    AUTO_BED struct bed *b = plain_bed();
    struct bed_seen seen = {0};
    char n[16];
    struct err e;

    (void)state;
    assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
    assert_true(
        fake_query(asked_nth(b, "GET", "/compute/v1/projects/*/aggregated/instances", 0), "maxResults", n, sizeof(n)));
    assert_true(strtol(n, NULL, 10) * (64 * 1024) < 8 * 1024 * 1024);
}

static void test_gcp__a_list_with_nothing_in_it_is_complete(void **state)
{
    static const char *const bodies[] = {
        "{\"kind\":\"compute#instanceAggregatedList\"}",
        "{\"kind\":\"compute#instanceAggregatedList\",\"items\":{\"zones/a\":{\"warning\":{\"code\":"
        "\"NO_RESULTS_ON_PAGE\"}}},\"nextPageToken\":\"\"}"};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct bed_seen seen = {0};
        struct err e;

        fake_set_fault(&b->cloud, &(struct fake_fault){.status = 200, .body = bodies[i]});
        assert_ok(b->ops->list(b->p, NULL, bed_see, &seen, &e), e);
        assert_int_equal(seen.n, 0);
    }
}

/* ---- the account ---- */

static void test_gcp__settings_that_cannot_be_are_refused_when_the_account_is_opened(void **state)
{
    static const struct bed_setting rows[] = {{"zone", "us-central1"},
                                              {"project", "a/b"},
                                              {"network", "a/b"},
                                              {"credentials_file", "tests/fixtures/gcp/quota.json"},
                                              {"credentials_file", "tests/fixtures/gcp/nothing-here.json"}};
    AUTO_BED struct bed *b = plain_bed();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO_CONF struct conf *acct = conf_new("clouds.gcp", b->ops->account_keys);
        struct provider *p = NULL;
        char piece[64];
        struct err e;

        assert_ok(conf_set(acct, rows[i].name, rows[i].value, "the test", &e), e);
        (void)snprintf(piece, sizeof(piece), "clouds.gcp.%s", rows[i].name);
        assert_fails(b->ops->open(acct, &b->env, &p, &e), ERR_INVALID, piece, e);
        assert_null(p);
    }
}

static void test_gcp__architectures_are_told_by_the_family(void **state)
{
    const struct provider_ops *ops = registry_find("gcp");

    (void)state;
    assert_string_equal(ops->arch("n1-standard-4"), "x64");
    assert_string_equal(ops->arch("c4a-standard-4"), "arm64");
    assert_string_equal(ops->arch("t2a-standard-1"), "arm64");
    assert_string_equal(ops->arch("c4-standard-4"), "x64");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gcp__a_listed_project_gets_the_machine_and_is_always_looked_into),
        cmocka_unit_test(test_gcp__a_project_that_the_operator_does_not_list_gets_no_request),
        cmocka_unit_test(test_gcp__a_listed_project_that_refuses_us_fails_the_list),
        cmocka_unit_test(test_gcp__a_deployment_is_told_apart_in_the_alphabet_of_labels),
        cmocka_unit_test(test_gcp__trap_4_a_failed_operation_on_http_200_is_a_refusal_and_what_it_left_is_removed),
        cmocka_unit_test(test_gcp__a_launch_whose_operation_takes_long_is_on_its_way),
        cmocka_unit_test(test_gcp__a_fault_while_looking_at_an_operation_does_not_lose_its_outcome),
        cmocka_unit_test(test_gcp__a_launch_that_was_accepted_does_not_fail_because_its_operation_cannot_be_seen),
        cmocka_unit_test(test_gcp__what_a_failed_launch_left_stays_when_it_is_somebody_elses),
        cmocka_unit_test(test_gcp__trap_12_a_name_that_is_taken_by_our_own_earlier_try_is_adopted),
        cmocka_unit_test(test_gcp__a_name_that_somebody_else_has_is_a_conflict_and_stays),
        cmocka_unit_test(test_gcp__an_earlier_machine_that_is_still_ending_is_not_adopted),
        cmocka_unit_test(test_gcp__what_a_failed_launch_left_and_could_not_be_removed_keeps_its_outcome_open),
        cmocka_unit_test(test_gcp__a_token_whose_operation_failed_for_haste_is_not_repeated),
        cmocka_unit_test(test_gcp__trap_14_a_refused_token_is_renewed_once_and_the_call_repeated),
        cmocka_unit_test(test_gcp__trap_5_terminated_means_stopped_and_each_state_has_its_meaning),
        cmocka_unit_test(test_gcp__a_spot_machine_that_google_took_back_says_so),
        cmocka_unit_test(test_gcp__a_machine_is_not_taken_back_because_another_one_was),
        cmocka_unit_test(test_gcp__a_deletion_that_fails_at_once_is_a_failure_unless_the_machine_is_gone),
        cmocka_unit_test(test_gcp__an_id_that_is_no_path_of_an_instance_goes_nowhere),
        cmocka_unit_test(test_gcp__trap_13_a_list_without_some_zone_fails),
        cmocka_unit_test(test_gcp__a_whole_page_of_machines_fits_into_an_answer),
        cmocka_unit_test(test_gcp__a_list_with_nothing_in_it_is_complete),
        cmocka_unit_test(test_gcp__settings_that_cannot_be_are_refused_when_the_account_is_opened),
        cmocka_unit_test(test_gcp__architectures_are_told_by_the_family),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
